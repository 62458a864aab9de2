"""What is counted in each image, and the formulas that turn sums of it into metrics.

State and formula are apart: states of images, sequences or shards add up, and a metric of the
whole is the formula of the sum.

Names: MAE is the mean absolute error of counts and RMSE the root of the mean squared error, which
papers on crowds print as "MSE"; NAE divides by the count and so leaves images without heads out;
GAME(L) sums absolute errors over 2^L x 2^L cells (Guerrero-Gomez-Olmo et al., 2015). Precision,
recall and F1 are of one-to-one matches within a radius, summed over all images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np

from gtahead.arrays import Floats, Ints, Ragged
from gtahead.metrics.detection import Detections, match_boxes
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.metrics.intervals import Statistic
from gtahead.metrics.matching import Matching, match_points
from gtahead.predictions import Predictions

METRIC_VERSION = 2
"""Of the definitions: metrics of different versions are never set side by side."""

RADII = ("small", "large", "4px", "8px")
"""Of a hit: half the shorter side of the head's box, half its diagonal, or fixed."""

GAME_LEVELS = (1, 2, 3)

Sums = Mapping[str, Floats]
"""Sums of states by name; arrays of any one shape."""


@dataclass(frozen=True)
class Metric:
    """A metric: everything that scores, tables, comparisons and pages need to know of it.

    Attributes:
        name: as in result files.
        title: for people.
        part: of a score: `counting`, `localisation` or `detection`.
        scale: on which it varies evenly: `log` for errors, `logit` for shares, `rest` for what is
            missing to 1, `linear`.
        tail: the power of images' errors that it sums, 0 for shares of heads: how much it hangs on
            the largest crowds.
        decimals: that are shown, always as many.
        better: `less`, `more`, or `zero`.
        needs: states that its formula takes.
        formula: from sums of states to the metric, NaN where it isn't defined; None for metrics of
            a curve, which `gtahead.metrics.detection` computes.
        by_group: whether breakdowns show it.
        compared: whether comparisons and leaderboards show it.
    """

    name: str
    title: str
    part: str
    scale: str
    better: str
    needs: tuple[str, ...] = ()
    formula: Callable[[Sums], Floats] | None = None
    by_group: bool = False
    compared: bool = False
    tail: int = 0
    decimals: int = 4


def _ratio(over: Floats, under: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(under > 0, over / under, np.nan))


def _mean_of(name: str, per: str = "images") -> Callable[[Sums], Floats]:
    return lambda sums: _ratio(sums[name], sums[per])


def _explained(sums: Sums) -> Floats:
    mean = _ratio(sums["ground_truth"], sums["images"])
    spread = sums["ground_truth_square"] - sums["images"] * mean**2
    return 1 - _ratio(sums["square"], spread)


def share(radius: str, kind: str) -> Callable[[Sums], Floats]:
    """Return the formula of precision, recall or F1 from the states of one radius."""

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


_SHOWN = {"f1_small", "f1_large", "f1_8px"}
_BY_GROUP = {"precision_large", "recall_large", "f1_large", "f1_8px"}


def _localisation(radius: str) -> Iterator[Metric]:
    words = {"small": "small radius", "large": "large radius", "4px": "4 px", "8px": "8 px"}
    needs = tuple(f"{name}_{radius}" for name in ("hits", "false", "missed"))
    for kind, title in (("precision", "precision"), ("recall", "recall"), ("f1", "F1")):
        name = f"{kind}_{radius}"
        yield Metric(
            name,
            f"{title}, {words[radius]}",
            "localisation",
            "logit",
            "more",
            needs,
            share(radius, kind),
            by_group=name in _BY_GROUP,
            compared=name in _SHOWN,
        )


def _error(
    name: str,
    title: str,
    state: str,
    per: str = "images",
    *,
    by_group: bool = False,
    compared: bool = True,
) -> Metric:
    formula = _mean_of(state, per)
    needs = (state, per)
    metric = Metric(name, title, "counting", "log", "less", needs, formula, tail=1)
    decimals = 2 if per == "images" else 4  # heads, or a share of them
    return replace(metric, by_group=by_group, compared=compared, decimals=decimals)


def _root_of_mean_square(sums: Sums) -> Floats:
    return np.sqrt(_ratio(sums["square"], sums["images"]))


_CURVE = ("detection", "logit", "more")

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in [
        _error("mae", "MAE", "absolute", by_group=True),
        replace(
            _error("rmse", 'RMSE (papers: "MSE")', "square"), formula=_root_of_mean_square, tail=2
        ),
        _error("nae", "NAE", "relative", "images_with_heads"),
        Metric(
            *("bias", "bias", "counting", "linear", "zero", ("error", "images")),
            formula=_mean_of("error"),
            by_group=True,
            compared=True,
            tail=1,
            decimals=2,
        ),
        Metric(
            *("r2", "R²", "counting", "rest", "more"),
            needs=("ground_truth", "ground_truth_square", "square", "images"),
            formula=_explained,
            tail=2,
        ),
        *(_error(f"game{n}", f"GAME({n})", f"game{n}", compared=n == 3) for n in GAME_LEVELS),
        *(metric for radius in RADII for metric in _localisation(radius)),
        Metric("ap", "AP .50:.95", *_CURVE, compared=True),
        Metric("ap50", "AP50", *_CURVE, compared=True),
        Metric("ap75", "AP75", *_CURVE),
        Metric("ar", "AR", *_CURVE),
        Metric("mr2", "MR⁻²", "detection", "log", "less"),
        Metric(
            *("ji", "JI", *_CURVE, ("jaccard", "jaccard_images")),
            formula=_mean_of("jaccard", "jaccard_images"),
        ),
        Metric("ji_best", "JI, best threshold (oracle)", *_CURVE),
    ]
}
"""All metrics, in the order in which tables show them: the one place to add one."""

PARTS = tuple(dict.fromkeys(metric.part for metric in METRICS.values()))
COMPARED = tuple(name for name, metric in METRICS.items() if metric.compared)
BY_GROUP = (*(name for name, metric in METRICS.items() if metric.by_group), "recall")
"""Metrics that breakdowns show; parts of heads have a recall alone."""


def counts_of(predictions: Predictions, threshold: float) -> Floats:
    """Return (F,) predicted counts: the given ones, else the heads at or above the threshold."""
    found: Floats = counts_over(predictions, np.array([threshold]))[0]
    return found


def counts_over(predictions: Predictions, thresholds: Floats) -> Floats:
    """Return predicted counts over thresholds, (T, F).

    Args:
        predictions: of F images.
        thresholds: (T,) ascending.
    """
    _, scores, by_image = predictions.heads()
    images, steps = len(predictions.counts), len(thresholds) + 1
    reached = np.searchsorted(thresholds, scores, side="right")  # how many thresholds
    cells = np.bincount(by_image.index * steps + reached, minlength=images * steps)
    counted = cells.reshape(images, steps)[:, :0:-1].cumsum(axis=1)[:, ::-1].T.astype(np.float64)
    return np.where(np.isnan(predictions.counts), counted, predictions.counts)


def counting_states(real: Floats, found: Floats) -> dict[str, Floats]:
    """Return states of counting, (F,) each, from true and predicted counts."""
    error = found - real
    some = real > 0
    return {
        "images": np.ones(len(real)),
        "ground_truth": real,
        "found": found,
        "error": error,
        "absolute": np.abs(error),
        "square": error**2,
        "ground_truth_square": real**2,
        "relative": np.where(some, np.abs(error) / np.where(some, real, 1), 0),
        "images_with_heads": some.astype(np.float64),
    }


def game_states(
    ground_truth: GroundTruth, points_xy: Floats, by_image: Ragged
) -> dict[str, Floats]:
    """Return sums of absolute errors over cells, (F,) each; none unless all sizes are known."""
    counted = ~ground_truth.ignored
    sides = ground_truth.images.sizes_wh.astype(np.float64)
    if not (sides > 0).all():
        return {}
    of_points = by_image.index
    of_heads = ground_truth.frame_of_heads[counted]
    out = {}
    for level in GAME_LEVELS:
        cells = 2**level
        found = cell_counts(points_xy, of_points, sides, cells)
        off = found - cell_counts(ground_truth.points_xy[counted], of_heads, sides, cells)
        out[f"game{level}"] = np.abs(off).sum(axis=1).astype(np.float64)
    return out


def game_states_of_maps(ground_truth: GroundTruth, grids: Floats) -> dict[str, Floats]:
    """Return what `game_states` does, from heads in the cells of the finest level, (F, 8, 8)."""
    sides = ground_truth.images.sizes_wh.astype(np.float64)
    if not (sides > 0).all() or not np.isfinite(grids).all():
        return {}
    counted = ~ground_truth.ignored
    of_heads = ground_truth.frame_of_heads[counted]
    out = {}
    for level in GAME_LEVELS:
        cells = 2**level
        each = grids.shape[1] // cells
        parts = grids.reshape(len(grids), cells, each, cells, each)
        found = parts.sum(axis=(2, 4)).reshape(len(grids), -1)
        off = found - cell_counts(ground_truth.points_xy[counted], of_heads, sides, cells)
        out[f"game{level}"] = np.abs(off).sum(axis=1)
    return out


def cell_counts(points_xy: Floats, of: Ints, sizes_wh: Floats, cells: int) -> Floats:
    """Count points in the cells of a grid over each image, (F, cells * cells), row by row.

    Cells are half-open; a point outside its image is of the nearest cell.

    Args:
        points_xy: (P, 2) pixels.
        of: (P,) which image each is of.
        sizes_wh: (F, 2) pixels.
        cells: along each side.
    """
    position = np.clip(np.floor(points_xy * cells / sizes_wh[of]), 0, cells - 1).astype(np.int64)
    flat = (of * cells + position[:, 1]) * cells + position[:, 0]
    counts = np.bincount(flat, minlength=len(sizes_wh) * cells * cells)
    return counts.reshape(len(sizes_wh), -1).astype(np.float64)


def radii_of(ground_truth: GroundTruth, name: str) -> Floats:
    """Return (N,) radii of a hit; NaN where a head has none."""
    if name == "small":
        return ground_truth.sigmas[:, 0]
    if name == "large":
        return ground_truth.sigmas[:, 1]
    return np.full(len(ground_truth.points_xy), float(name.removesuffix("px")))


def radii_known(ground_truth: GroundTruth) -> list[str]:
    """Name the radii that every head that counts has."""
    counted = ~ground_truth.ignored
    return [name for name in RADII if np.isfinite(radii_of(ground_truth, name)[counted]).all()]


def match_heads(
    ground_truth: GroundTruth,
    boxes_xyxy: Floats,
    scores: Floats,
    by_image: Ragged,
    cap: int | None = None,
) -> Detections:
    """Match found boxes with those of the heads; see `match_boxes`."""
    return match_boxes(
        boxes_xyxy,
        scores,
        by_image.offsets,
        np.nan_to_num(ground_truth.boxes_xyxy),
        ground_truth.by_image.offsets,
        ground_truth.ignored,
        cap=cap,
    )


def match_within(
    ground_truth: GroundTruth, points_xy: Floats, by_image: Ragged, name: str
) -> Matching:
    """Match found points with the heads, within one of `RADII`."""
    radii = radii_of(ground_truth, name)
    radii = np.where(np.isfinite(radii), radii, 1.0)  # of ignored heads without a box
    return match_points(
        points_xy,
        by_image.offsets,
        ground_truth.points_xy,
        radii,
        ground_truth.by_image.offsets,
        ground_truth.ignored,
    )


def matching_states(
    ground_truth: GroundTruth, by_image: Ragged, matching: Matching, name: str
) -> dict[str, Floats]:
    """Return hits, false heads and missed ones at one radius, (F,) each."""
    hits = by_image.count(matching.hits).astype(np.float64)
    return {
        f"hits_{name}": hits,
        f"false_{name}": by_image.count(matching.false).astype(np.float64),
        f"missed_{name}": ground_truth.counts - hits,
    }


def summed(states: Mapping[str, Floats], groups: Ints, count: int) -> dict[str, Floats]:
    """Sum states of images to states of groups, such as sequences.

    Args:
        states: (F,) each.
        groups: (F,) which group each image is of.
        count: how many groups there are.
    """
    return {
        name: np.bincount(groups, weights=values, minlength=count).astype(np.float64)
        for name, values in states.items()
    }


def totals(states: Mapping[str, Floats]) -> dict[str, Floats]:
    """Sum states over all images, one after the other as evaluation programs do."""
    return {
        name: np.asarray(np.add.accumulate(values)[-1] if len(values) else 0.0, np.float64)
        for name, values in states.items()
    }


def defined(states: Mapping[str, object]) -> list[Metric]:
    """Return the metrics whose formulas can be computed from these states."""
    return [
        metric
        for metric in METRICS.values()
        if metric.formula is not None and all(name in states for name in metric.needs)
    ]


def values_of(sums: Sums, metrics: Sequence[Metric] | None = None) -> dict[str, Floats]:
    """Apply formulas to sums."""
    return {m.name: m.formula(sums) for m in metrics or defined(sums) if m.formula is not None}


def statistic_of(
    states: Mapping[str, Floats], metrics: Sequence[Metric] | None = None
) -> Statistic:
    """Return the metrics of weighted units, for intervals.

    Args:
        states: (K,) each, sums of each of K units.
        metrics: wanted; by default all that these states define.
    """
    names = list(states)
    table = np.stack([states[name] for name in names], axis=1)
    wanted = metrics or defined(states)

    def statistic(weights: Floats) -> Mapping[str, Floats]:
        total = weights @ table
        return values_of({name: total[:, k] for k, name in enumerate(names)}, wanted)

    return statistic


def title_of(name: str) -> str:
    """Return a metric's title; other names, such as `recall`, stay as they are.

    Example:
        >>> title_of("rmse")
        'RMSE (papers: "MSE")'
    """
    return METRICS[name].title if name in METRICS else name


def format_metric(name: str, value: float | None) -> str:
    """Format a metric with its own number of decimals, as a dash where it isn't defined.

    Example:
        >>> format_metric("f1_large", 0.123456), format_metric("mae", 1234.5)
        ('0.1235', '1,234.50')
        >>> format_metric("mae", None)
        '–'
    """
    if value is None or not isfinite(value):
        return "–"
    decimals = METRICS[name].decimals if name in METRICS else 4
    return f"{value:,.{decimals}f}"


def format_interval(name: str, entry: Mapping[str, float | None]) -> str:
    """Format a metric's interval, as an empty text where it has none.

    Args:
        name: of the metric.
        entry: as in a result file, `low` and `high` beside the value.
    """
    if "low" not in entry:
        return ""
    return f"{format_metric(name, entry['low'])} … {format_metric(name, entry['high'])}"
