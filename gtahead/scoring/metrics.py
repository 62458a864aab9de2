"""What is counted in each picture, and the formulas that turn sums of it into figures.

State and formula are apart: states of pictures, sequences or shards add up, and a figure of the
whole is the formula of the sum.

Names: MAE is the mean absolute error of counts and RMSE the root of the mean squared error, which
papers on crowds print as "MSE"; NAE divides by the count and so leaves pictures without heads out;
GAME(L) sums absolute errors over 2^L x 2^L cells (Guerrero-Gomez-Olmo et al., 2015). Precision,
recall and F1 are of one-to-one matches within a radius, summed over all pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.predictions import Predictions
from gtahead.scoring.ground_truth import Truth
from gtahead.scoring.matching import Matching, match_points

METRIC_VERSION = 1
"""Of the definitions: figures of different versions are never set side by side."""

RADII = ("small", "large", "4px", "8px")
"""Of a hit: half the shorter side of the head's box, half its diagonal, or fixed."""

GAME_LEVELS = (1, 2, 3)

Sums = Mapping[str, Floats]
"""Sums of states by name; arrays of any one shape."""


@dataclass(frozen=True)
class Metric:
    """A figure.

    Attributes:
        name: as in result files.
        title: for people.
        needs: states that its formula takes.
        formula: from sums of states to the figure, NaN where it isn't defined.
        scale: on which it varies evenly: `log` for errors, `logit` for shares, `linear`.
        better: `less`, `more`, or `zero`.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    formula: Callable[[Sums], Floats]
    scale: str
    better: str


def _ratio(over: Floats, under: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(under > 0, over / under, np.nan))


def _mean_of(name: str, per: str = "images") -> Callable[[Sums], Floats]:
    return lambda sums: _ratio(sums[name], sums[per])


def _explained(sums: Sums) -> Floats:
    mean = _ratio(sums["truth"], sums["images"])
    spread = sums["truth_square"] - sums["images"] * mean**2
    return 1 - _ratio(sums["square"], spread)


def _share(radius: str, kind: str) -> Callable[[Sums], Floats]:
    def formula(sums: Sums) -> Floats:
        hits, false, missed = (sums[f"{name}_{radius}"] for name in ("hits", "false", "missed"))
        if kind == "precision":
            return _ratio(hits, hits + false)
        if kind == "recall":
            return _ratio(hits, hits + missed)
        precision, recall = _ratio(hits, hits + false), _ratio(hits, hits + missed)
        with np.errstate(invalid="ignore", divide="ignore"):
            both = 2 * precision * recall / (precision + recall)
        return np.where(hits > 0, both, np.where(false + missed > 0, 0.0, np.nan))

    return formula


def _localisation(radius: str) -> list[Metric]:
    words = {"small": "small radius", "large": "large radius", "4px": "4 px", "8px": "8 px"}
    needs = tuple(f"{name}_{radius}" for name in ("hits", "false", "missed"))
    titles = {"precision": "precision", "recall": "recall", "f1": "F1"}
    return [
        Metric(
            f"{kind}_{radius}",
            f"{title}, {words[radius]}",
            needs,
            _share(radius, kind),
            "logit",
            "more",
        )
        for kind, title in titles.items()
    ]


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in [
        Metric("mae", "MAE", ("absolute", "images"), _mean_of("absolute"), "log", "less"),
        Metric(
            "rmse",
            'RMSE (papers: "MSE")',
            ("square", "images"),
            lambda sums: np.sqrt(_ratio(sums["square"], sums["images"])),
            "log",
            "less",
        ),
        Metric(
            "nae",
            "NAE",
            ("relative", "images_with_heads"),
            _mean_of("relative", "images_with_heads"),
            "log",
            "less",
        ),
        Metric("bias", "bias", ("error", "images"), _mean_of("error"), "linear", "zero"),
        Metric(
            "r2",
            "R²",
            ("truth", "truth_square", "square", "images"),
            _explained,
            "linear",
            "more",
        ),
        *(
            Metric(
                f"game{level}",
                f"GAME({level})",
                (f"game{level}", "images"),
                _mean_of(f"game{level}"),
                "log",
                "less",
            )
            for level in GAME_LEVELS
        ),
        *(metric for radius in RADII for metric in _localisation(radius)),
        Metric(
            "ji",
            "JI",
            ("jaccard", "jaccard_images"),
            _mean_of("jaccard", "jaccard_images"),
            "logit",
            "more",
        ),
    ]
}
"""Figures that are formulas of sums; those of detection are in `gtahead.scoring.curves`."""


def counts_of(predictions: Predictions, threshold: float) -> Floats:
    """Give (F,) predicted counts: the given ones, else the heads at or above the threshold."""
    _, scores, starts = predictions.heads()
    kept = np.concatenate([[0], np.cumsum(scores >= threshold)])
    counted = np.diff(kept[starts]).astype(np.float64)
    return np.where(np.isnan(predictions.counts), counted, predictions.counts)


def counting_states(truth: Truth, found: Floats) -> dict[str, Floats]:
    """Give states of counting, (F,) each."""
    real = truth.counts
    error = found - real
    some = real > 0
    return {
        "images": np.ones(len(real)),
        "truth": real,
        "found": found,
        "error": error,
        "absolute": np.abs(error),
        "square": error**2,
        "truth_square": real**2,
        "relative": np.where(some, np.abs(error) / np.where(some, real, 1), 0),
        "images_with_heads": some.astype(np.float64),
    }


def game_states(truth: Truth, points_xy: Floats, starts: Ints) -> dict[str, Floats]:
    """Give sums of absolute errors over cells, (F,) each; of pictures whose size is known.

    Cells are half-open; a point outside its picture is of the nearest cell.
    """
    counted = ~truth.ignored
    sides = truth.pictures.sizes_wh.astype(np.float64)
    frames = len(truth)
    if not (sides > 0).all():
        return {}
    of_points = np.repeat(np.arange(frames), np.diff(starts))
    of_heads = truth.frame_of_heads[counted]
    out = {}
    for level in GAME_LEVELS:
        cells = 2**level

        def table(xy: Floats, of: Ints, cells: int = cells) -> Floats:
            place = np.clip(np.floor(xy * cells / sides[of]), 0, cells - 1).astype(np.int64)
            flat = (of * cells + place[:, 1]) * cells + place[:, 0]
            counts = np.bincount(flat, minlength=frames * cells * cells).reshape(frames, -1)
            return counts.astype(np.float64)

        off = table(points_xy, of_points) - table(truth.points_xy[counted], of_heads)
        out[f"game{level}"] = np.abs(off).sum(axis=1).astype(np.float64)
    return out


def radii_of(truth: Truth, name: str) -> Floats:
    """Give (N,) radii of a hit; NaN where a head has none."""
    if name == "small":
        return truth.sigmas[:, 0]
    if name == "large":
        return truth.sigmas[:, 1]
    return np.full(len(truth.points_xy), float(name.removesuffix("px")))


def radii_known(truth: Truth) -> list[str]:
    """Name the radii that every head that counts has."""
    counted = ~truth.ignored
    return [name for name in RADII if np.isfinite(radii_of(truth, name)[counted]).all()]


def match_within(truth: Truth, points_xy: Floats, starts: Ints, name: str) -> Matching:
    """Match found points with the heads, within one of `RADII`."""
    radii = radii_of(truth, name)
    radii = np.where(np.isfinite(radii), radii, 1.0)  # of ignored heads without a box
    return match_points(points_xy, starts, truth.points_xy, radii, truth.starts, truth.ignored)


def matching_states(truth: Truth, starts: Ints, matching: Matching, name: str) -> dict[str, Floats]:
    """Give hits, false heads and missed ones at one radius, (F,) each."""
    frames = len(truth)
    of = np.repeat(np.arange(frames), np.diff(starts))

    def count(chosen: Booleans) -> Floats:
        return np.bincount(of[chosen], minlength=frames).astype(np.float64)

    hits = count(matching.hits)
    return {
        f"hits_{name}": hits,
        f"false_{name}": count(matching.false),
        f"missed_{name}": truth.counts - hits,
    }


def summed(states: Mapping[str, Floats], groups: Ints, count: int) -> dict[str, Floats]:
    """Sum states of pictures to states of groups, such as sequences.

    Args:
        states: (F,) each.
        groups: (F,) which group each picture is of.
        count: how many groups there are.
    """
    return {
        name: np.bincount(groups, weights=values, minlength=count).astype(np.float64)
        for name, values in states.items()
    }


def totals(states: Mapping[str, Floats]) -> dict[str, Floats]:
    """Sum states over all pictures, one after the other as evaluation programs do."""
    return {
        name: np.asarray(np.add.accumulate(values)[-1] if len(values) else 0.0, np.float64)
        for name, values in states.items()
    }


def defined(states: Mapping[str, object]) -> list[Metric]:
    """Give the figures whose states are there."""
    return [metric for metric in METRICS.values() if all(name in states for name in metric.needs)]


def values_of(sums: Sums, metrics: Sequence[Metric] | None = None) -> dict[str, Floats]:
    """Apply formulas to sums."""
    return {metric.name: metric.formula(sums) for metric in metrics or defined(sums)}


DETECTION_TITLES = {
    "ap": "AP .50:.95",
    "ap50": "AP50",
    "ap75": "AP75",
    "ar": "AR",
    "mr2": "MR⁻²",
    "ji_best": "JI, best threshold (oracle)",
}


def title_of(name: str) -> str:
    """Name a figure.

    Example:
        >>> title_of("rmse")
        'RMSE (papers: "MSE")'
    """
    return DETECTION_TITLES.get(name) or METRICS[name].title


def figure(value: float | None) -> str:
    """Write a figure with four digits that count, or as a dash where it isn't defined.

    Example:
        >>> figure(0.123456), figure(1234.5), figure(None)
        ('0.1235', '1,234.50', '–')
    """
    if value is None or not isfinite(value):
        return "–"
    return f"{value:.4f}" if abs(value) < 10 else f"{value:,.2f}"
