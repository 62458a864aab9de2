"""95 % intervals: the studentised bootstrap over sequences.

Frames of a sequence are alike, so sequences are drawn, with their multiplicities, not frames. On
seven or ten sequences the percentiles of such draws cover the true value in three cases of four;
so each draw is centred and divided by its own standard error (a jackknife over what was drawn), on
a scale on which the metric varies evenly. A difference of two methods on the same sequences has no
such skew: there Student's interval with the jackknife's error covers better.

Source: Efron & Tibshirani, An Introduction to the Bootstrap, section 12.5. The coverage that is
reached is measured by `tools/experiments/interval_coverage.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Floats, Ints

RESAMPLES = 2000
LEVEL = 0.95
SEED = 20221221

MIN_UNITS = 6
"""Clusters below which no interval is given."""

FEW = 10
"""Clusters below which an interval is marked."""

MAX_DELETED = 40
"""Groups of draws that a jackknife leaves out in turn, where there are more draws than that."""

ROWS_AT_ONCE = 20_000

Statistic = Callable[[Floats], Mapping[str, Floats]]
"""From (R, K) multiplicities of the clusters to (R,) metrics by name."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval: it covers the population's metric for 95 of 100 such datasets."""

    low: float
    high: float


def forward(values: Floats, scale: str) -> Floats:
    """Transform metrics to the scale on which they vary evenly; infinite at its ends."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            return np.log(values)
        if scale == "logit":
            return np.log(values) - np.log1p(-values)
    return values


def backward(values: Floats, scale: str) -> Floats:
    """Undo `forward`."""
    with np.errstate(over="ignore"):
        if scale == "log":
            return np.exp(values)
        if scale == "logit":
            return 1 / (1 + np.exp(-values))
    return values


def draws(clusters: int, resamples: int = RESAMPLES, seed: int = SEED) -> Ints:
    """Draw clusters, (R, K), with repetition; the same ones for the same arguments."""
    rng = np.random.default_rng([seed, clusters])
    return rng.integers(0, clusters, (resamples, clusters))


def each_once(clusters: int) -> Ints:
    """Return every cluster once, (1, K), in a shuffled order."""
    return np.random.default_rng([SEED, clusters, 1]).permutation(clusters)[None]


def multiplicities(picks: Ints, clusters: int) -> Floats:
    """Count (R, K) how often each cluster was drawn, from (R, N) draws."""
    rows = len(picks)
    flat = (np.arange(rows)[:, None] * clusters + picks).ravel()
    counts = np.bincount(flat, minlength=rows * clusters).reshape(rows, clusters)
    return counts.astype(np.float64)


def standard_errors(
    statistic: Statistic, picks: Ints, clusters: int, scales: Mapping[str, str]
) -> dict[str, Floats]:
    """Return the metrics' standard errors for each row of draws, by a jackknife.

    Args:
        statistic: gives the metrics.
        picks: (R, N) which clusters were drawn.
        clusters: how many there are.
        scales: of the metrics, on which the errors are.

    Returns:
        (R,) by name; NaN where a metric isn't defined without some draw.
    """
    rows, drawn = picks.shape
    # Left out in turn are single draws, or groups of them where there are many. Draws come in no
    # order, so every n-th makes a group; groups of clusters would be the same in every row.
    count = min(drawn, MAX_DELETED)
    group = np.arange(drawn) % count
    flat = (np.arange(rows)[:, None] * count + group) * clusters + picks
    parts = np.bincount(flat.ravel(), minlength=rows * count * clusters)
    parts = parts.reshape(rows, count, clusters)
    lacks = (parts.sum(axis=1, keepdims=True) - parts).astype(np.float64)
    out = {}
    for name, values in statistic(lacks.reshape(-1, clusters)).items():
        with np.errstate(invalid="ignore"):
            scaled = forward(values.reshape(rows, count), scales[name])
            spread = ((scaled - scaled.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
            out[name] = np.sqrt(spread * (count - 1) / count)
    return out


def studentised(
    statistic: Statistic,
    scales: Mapping[str, str],
    clusters: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    centres: Mapping[str, float] | None = None,
) -> dict[str, Interval | None]:
    """Return a 95 % interval for each metric; None where none can be given.

    Args:
        statistic: gives the metrics for multiplicities of the clusters.
        scales: `log`, `logit` or `linear`, by name.
        clusters: how many there are; below `MIN_UNITS` no interval is given.
        resamples: how many draws.
        seed: of the draws.
        centres: the metrics that intervals are put around, where the statistic is only near them.
    """
    if clusters < MIN_UNITS:
        return dict.fromkeys(scales)
    whole = each_once(clusters)
    values = {n: float(v[0]) for n, v in statistic(multiplicities(whole, clusters)).items()}
    alone = standard_errors(statistic, whole, clusters, scales)
    errors = {name: float(error[0]) for name, error in alone.items()}
    picks = draws(clusters, resamples, seed)
    step = max(1, ROWS_AT_ONCE // min(clusters, MAX_DELETED))
    ratios: dict[str, list[Floats]] = {name: [] for name in scales}
    for first in range(0, resamples, step):
        some = picks[first : first + step]
        drawn = statistic(multiplicities(some, clusters))
        drawn_errors = standard_errors(statistic, some, clusters, scales)
        for name, scale in scales.items():
            centre = forward(np.array(values[name]), scale)
            with np.errstate(divide="ignore", invalid="ignore"):
                ratios[name].append((forward(drawn[name], scale) - centre) / drawn_errors[name])
    return {
        name: _interval(
            (centres or values)[name], errors[name], np.concatenate(ratios[name]), scale
        )
        for name, scale in scales.items()
    }


def of_difference(
    statistic: Statistic, names: Sequence[str], clusters: int
) -> dict[str, Interval | None]:
    """Return Student's 95 % interval for differences; None where none can be given.

    Args:
        statistic: gives the differences for multiplicities of the clusters.
        names: of the differences.
        clusters: how many there are; below `MIN_UNITS` no interval is given.
    """
    if clusters < MIN_UNITS:
        return dict.fromkeys(names)
    from scipy.stats import t

    whole = each_once(clusters)
    values = statistic(multiplicities(whole, clusters))
    errors = standard_errors(statistic, whole, clusters, dict.fromkeys(names, "linear"))
    reach = float(t.ppf((1 + LEVEL) / 2, min(clusters, MAX_DELETED) - 1))
    out: dict[str, Interval | None] = {}
    for name in names:
        value, error = float(values[name][0]), reach * float(errors[name][0])
        known = np.isfinite(value) and np.isfinite(error)
        out[name] = Interval(value - error, value + error) if known else None
    return out


def _interval(value: float, error: float, ratios: Floats, scale: str) -> Interval | None:
    centre = float(forward(np.array(value), scale))
    if error == 0 and np.isfinite(centre):
        return Interval(value, value)
    finite = ratios[np.isfinite(ratios)]
    if not (np.isfinite(centre) and np.isfinite(error)) or len(finite) < len(ratios) / 2:
        return None
    low, high = np.quantile(finite, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    ends = backward(np.array([centre - high * error, centre - low * error]), scale)
    return Interval(float(ends[0]), float(ends[1]))
