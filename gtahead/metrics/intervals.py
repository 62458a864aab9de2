"""95 % intervals: Student's t with a jackknife's error over sequences, where that can hold.

Frames of a sequence are alike, so sequences are left out in turn, not frames; images where there
are no sequences. The interval is made on a scale on which the metric varies evenly. Of percentile,
BCa and studentised bootstraps and this, this one covers best on the populations of
`tools/experiments/interval_coverage.py`, at hardly more than the least width.

Where crowds differ too much in size for so few of them, the few largest decide about a metric, and
a sample that lacks them doesn't show it: no method's interval holds the true value often enough
then, so none is given. Which metrics that concerns is read off the true counts, which a method's
errors can't make look even.

Source: Tukey, Bias and confidence in not-quite large samples, 1958; Efron & Tibshirani, An
Introduction to the Bootstrap, chapter 11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Floats

LEVEL = 0.95

MIN_UNITS = 6
"""Units below which no interval is given."""

FEW = 10
"""Units below which an interval is marked."""

MAX_GROUPS = 1000
"""Groups of units that are left out in turn, where there are more units than that."""

ROWS_AT_ONCE = 500

Statistic = Callable[[Floats], Mapping[str, Floats]]
"""From (R, K) weights of the units to (R,) metrics by name."""

ENOUGH: Mapping[int, tuple[tuple[float, int], ...]] = {
    0: ((1.2, MIN_UNITS), (float("inf"), 20)),
    1: ((0.75, MIN_UNITS), (1.2, 35), (1.5, 200)),
    2: ((0.3, MIN_UNITS), (0.5, 35), (0.75, 150)),
}
"""For metrics of shares, errors and squared errors: up to which spread how many units do."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval: of 100 such datasets, about 95 give one that covers the population's metric.

    Attributes:
        low: its lower end, in the metric's unit.
        high: its upper end.
    """

    low: float
    high: float


def spread_of(counts: Floats) -> float:
    """Return how much units differ in size: the standard deviation of their counts' logarithms.

    Args:
        counts: (K,) heads of a unit's mean image; below one they are taken as one.
    """
    return float(np.std(np.log(np.maximum(counts, 1)), ddof=1)) if len(counts) > 1 else 0.0


def enough(tail: int, units: int, spread: float) -> bool:
    """Return whether an interval of a metric holds often enough.

    Args:
        tail: the power of errors that the metric sums: 0 for shares of heads.
        units: how many sequences or images there are.
        spread: of their sizes.
    """
    needed = [least for most, least in ENOUGH[tail] if spread <= most]
    return bool(needed) and units >= needed[0]


def forward(values: Floats, scale: str) -> Floats:
    """Transform metrics to the scale on which they vary evenly; infinite at its ends."""
    with np.errstate(divide="ignore", invalid="ignore"):
        if scale == "log":
            return np.log(values)
        if scale == "logit":
            return np.log(values) - np.log1p(-values)
        if scale == "rest":
            return np.log1p(-values)
    return values


def backward(values: Floats, scale: str) -> Floats:
    """Undo `forward`."""
    with np.errstate(over="ignore"):
        if scale == "log":
            return np.exp(values)
        if scale == "logit":
            return 1 / (1 + np.exp(-values))
        if scale == "rest":
            return -np.expm1(values)
    return values


def students(
    statistic: Statistic,
    scales: Mapping[str, str],
    units: int,
    *,
    centres: Mapping[str, float] | None = None,
) -> dict[str, Interval | None]:
    """Return a 95 % interval for each metric; None where none can be given.

    Args:
        statistic: gives the metrics for weights of the units.
        scales: `log`, `logit`, `rest` (the logarithm of what is missing to 1) or `linear`, by name.
        units: how many there are; below `MIN_UNITS` no interval is given.
        centres: the metrics that intervals are put around, where the statistic is only near them.

    Raises:
        ValueError: no such scale.
    """
    unknown = set(scales.values()) - {"log", "logit", "rest", "linear"}
    if unknown:
        raise ValueError(f"no such scale: {min(unknown)!r}")
    if units < MIN_UNITS:
        return dict.fromkeys(scales)
    from scipy.stats import t

    parts = [statistic(weights) for weights in _left_out(units)]
    whole = statistic(np.ones((1, units)))
    groups = min(units, MAX_GROUPS)
    reach = float(t.ppf((1 + LEVEL) / 2, groups - 1))
    out: dict[str, Interval | None] = {}
    for name, scale in scales.items():
        value = float((centres or {name: whole[name][0]})[name])
        scaled = forward(np.concatenate([part[name] for part in parts]), scale)
        with np.errstate(invalid="ignore"):
            error = np.sqrt(((scaled - scaled.mean()) ** 2).sum() * (groups - 1) / groups)
        centre = forward(np.array(value), scale)
        known = bool(np.isfinite(centre) and np.isfinite(error))
        ends = backward(centre + np.array([-reach, reach]) * error, scale)
        out[name] = Interval(float(ends.min()), float(ends.max())) if known else None
        if known and error == 0:
            out[name] = Interval(value, value)
    return out


def _left_out(units: int) -> Iterator[Floats]:
    """Yield (R, K) weights without each unit, or without each group of them, in turn.

    Units come in an order, such as by place; every n-th makes a group, so that groups are alike.
    """
    groups = min(units, MAX_GROUPS)
    group = np.arange(units) % groups
    for first in range(0, groups, ROWS_AT_ONCE):
        rows = np.arange(first, min(first + ROWS_AT_ONCE, groups))
        yield (group[None] != rows[:, None]).astype(np.float64)
