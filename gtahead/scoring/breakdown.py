"""Metrics of parts: of images by weather, hour, location or density, of heads by size and distance.

A head is found or missed, and a false head has no size or distance of its own; so parts of heads
have a recall alone, parts of images have every metric.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from gtahead.arrays import Floats, Ints
from gtahead.errors import UsageError
from gtahead.metrics import definitions
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.metrics.intervals import Interval, enough, spread_of, students
from gtahead.metrics.matching import Matching


@dataclass(frozen=True, eq=False)
class Grouping:
    """A division of images or heads into parts.

    Attributes:
        labels: names of the parts.
        of: (F,) or (N,) which part each image or head is of; -1 where it's unknown.
        of_heads: whether heads are divided, not images.
    """

    labels: list[str]
    of: Ints
    of_heads: bool


def _binned(values: Floats, edges: Sequence[float], unit: str = "") -> tuple[list[str], Ints]:
    """Divide values at edges: below the first, between, from the last on."""
    labels = [f"< {edges[0]:g}{unit}"]
    labels += [f"{a:g}–{b:g}{unit}" for a, b in pairwise(edges)]
    labels.append(f"≥ {edges[-1]:g}{unit}")
    return labels, np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))


def _density(ground_truth: GroundTruth) -> Grouping:
    """Divide images by NWPU-Crowd's levels of head counts."""
    labels = ["0", "1–100", "101–500", "501–5,000", "> 5,000"]
    return Grouping(
        labels, np.searchsorted([1, 101, 501, 5001], ground_truth.counts, side="right"), False
    )


def _hour(ground_truth: GroundTruth) -> Grouping:
    hours = np.array(
        [np.nan if h is None else h for h in ground_truth.frame_values["hour"]], np.float64
    )
    labels = ["0–6 h", "6–12 h", "12–18 h", "18–24 h"]
    of = np.where(np.isnan(hours), -1, np.clip(np.nan_to_num(hours) // 6, 0, 3)).astype(np.int64)
    return Grouping(labels, of, False)


def _words(values: Sequence[Any]) -> Grouping:
    labels = sorted({str(value) for value in values if value is not None})
    position = {name: row for row, name in enumerate(labels)}
    rows = [-1 if value is None else position[str(value)] for value in values]
    return Grouping(labels, np.array(rows, np.int64), False)


def _side(ground_truth: GroundTruth) -> Grouping:
    sides = ground_truth.boxes_xyxy[:, 2:] - ground_truth.boxes_xyxy[:, :2]
    return Grouping(*_binned(np.sqrt(np.prod(sides, axis=1)), [8, 16, 32], " px"), True)


def _distance(ground_truth: GroundTruth) -> Grouping:
    return Grouping(*_binned(ground_truth.head_values["depth_m"], [10, 20, 40, 80], " m"), True)


def _visibility(ground_truth: GroundTruth) -> Grouping:
    return Grouping(*_binned(ground_truth.head_values["visibility"], [0.25, 0.5, 0.75, 1]), True)


def _level(ground_truth: GroundTruth) -> Grouping:
    levels = ground_truth.head_values["level"].astype(np.int64)
    there = np.unique(levels[levels >= 0])
    of = np.where(levels < 0, -1, np.searchsorted(there, levels))
    return Grouping([f"level {level}" for level in there.tolist()], of, True)


GROUPINGS = (
    "density",
    "weather",
    "hour",
    "location",
    "sequence",
    "side",
    "distance",
    "visibility",
    "level",
)
"""What metrics can be broken down by."""


def known(name: str, ground_truth: GroundTruth) -> bool:
    """Return whether the ground truth has what a breakdown needs."""
    if name in ("weather", "hour", "location"):
        return any(value is not None for value in ground_truth.frame_values.get(name, []))
    if name == "sequence":
        return ground_truth.images.sequences is not None
    if name == "side":
        return bool(np.isfinite(ground_truth.boxes_xyxy).any())
    column = {"distance": "depth_m", "visibility": "visibility", "level": "level"}.get(name)
    if column is None:
        return True
    return column in ground_truth.head_values and bool(
        np.isfinite(ground_truth.head_values[column]).any()
    )


def parse(names: Sequence[str], ground_truth: GroundTruth) -> dict[str, Grouping]:
    """Make the groupings that are asked for; `all` means those that the ground truth allows.

    Raises:
        UsageError: an unknown one, or one that the ground truth knows nothing of.
    """
    wanted: list[str] = []
    for name in names:
        if name == "all":
            wanted += [one for one in GROUPINGS if known(one, ground_truth)]
        elif name not in GROUPINGS:
            listed = ", ".join([*GROUPINGS, "all"])
            raise UsageError("no such breakdown", value=name, remedy=f"one of {listed}")
        elif not known(name, ground_truth):
            listed = ", ".join(one for one in GROUPINGS if known(one, ground_truth))
            remedy = f"it has {listed}"
            raise UsageError("the ground truth has no data for it", value=name, remedy=remedy)
        else:
            wanted.append(name)
    return {name: _grouping(name, ground_truth) for name in dict.fromkeys(wanted)}


def _grouping(name: str, ground_truth: GroundTruth) -> Grouping:
    if name in ("weather", "location"):
        return _words(ground_truth.frame_values[name])
    if name == "sequence":
        return _words(ground_truth.images.sequences or [])
    make = {
        "density": _density,
        "hour": _hour,
        "side": _side,
        "distance": _distance,
        "visibility": _visibility,
        "level": _level,
    }
    return make[name](ground_truth)


def table(
    ground_truth: GroundTruth,
    grouping: Grouping,
    states: Mapping[str, Floats],
    matching: Matching | None,
) -> list[dict[str, Any]]:
    """Return a row for each part: its size, and its metrics."""
    labels = [*grouping.labels, "unknown"]
    of = np.where(grouping.of < 0, len(grouping.labels), grouping.of)
    counted = ~ground_truth.ignored
    if grouping.of_heads:
        heads = np.bincount(of[counted], minlength=len(labels))
        rows: list[dict[str, Any]] = [
            {"group": label, "heads": int(count)}
            for label, count in zip(labels, heads, strict=True)
        ]
        if matching is not None:
            found = matching.found(len(ground_truth.points_xy))
            hits = np.bincount(of[counted & found], minlength=len(labels))
            for row, hit in zip(rows, hits.tolist(), strict=True):
                row["metrics"] = {"recall": hit / row["heads"] if row["heads"] else None}
    else:
        sums = definitions.summed(states, of, len(labels))
        values = definitions.values_of(sums)
        rows = [
            {
                "group": label,
                "images": int(sums["images"][row]),
                "heads": int(sums["ground_truth"][row]),
                "metrics": {
                    name: float(value[row]) if np.isfinite(value[row]) else None
                    for name, value in values.items()
                },
            }
            for row, label in enumerate(labels)
        ]
    size = "heads" if grouping.of_heads else "images"
    return rows if rows[-1][size] else rows[:-1]


@dataclass(frozen=True)
class Layout:
    """A breakdown as it is shown.

    Attributes:
        name: what it is by.
        title: the name, with what the headings leave out, such as the radius of a hit.
        head: of the columns.
        rows: one of each part that isn't empty.
        empty: names of the others.
    """

    name: str
    title: str
    head: list[str]
    rows: list[list[str]]
    empty: list[str]


def laid_out(name: str, listed: Sequence[Mapping[str, Any]]) -> Layout:
    """Lay out the rows of `table` for people; what most titles share is said once."""
    metrics = [
        n for n in definitions.BY_GROUP if any(n in row.get("metrics", {}) for row in listed)
    ]
    titles = [definitions.title_of(metric) for metric in metrics]
    details = Counter(title.partition(", ")[2] for title in titles if ", " in title)
    shared, times = details.most_common(1)[0] if details else ("", 0)
    note = ""
    if times > 1:
        short = [title.removesuffix(f", {shared}") for title in titles]
        meant = [mine for mine, title in zip(short, titles, strict=True) if mine != title]
        note = f" ({', '.join(meant)}: {shared})"
        titles = short
    sizes = [key for key in ("images", "heads") if key in listed[0]]
    rows = [
        [
            str(row["group"]),
            *(f"{row[key]:,}" for key in sizes),
            *(definitions.format_metric(one, row.get("metrics", {}).get(one)) for one in metrics),
        ]
        for row in listed
        if row[sizes[0]]
    ]
    empty = [str(row["group"]) for row in listed if not row[sizes[0]]]
    return Layout(name, f"{name}{note}", [*sizes, *titles], rows, empty)


def intervals(
    ground_truth: GroundTruth, grouping: Grouping, states: Mapping[str, Floats], name: str
) -> list[Interval | None]:
    """Return each part's 95 % interval of a metric, None where none holds often enough.

    Args:
        ground_truth: what was to be found.
        grouping: of images.
        states: (F,) of each image by name.
        name: of a metric that is a formula of them.
    """
    metric, (_, of_frames) = definitions.METRICS[name], ground_truth.clusters
    spans = []
    for part in range(len(grouping.labels)):
        mine = grouping.of == part
        those = {name: values[mine] for name, values in states.items()}
        spans.append(_interval(metric, those, of_frames[mine]))
    return spans


def _interval(
    metric: definitions.Metric, states: Mapping[str, Floats], clusters: Ints
) -> Interval | None:
    kept, of = np.unique(clusters, return_inverse=True)
    if not len(kept):
        return None
    sums = definitions.summed(states, of, len(kept))
    spread = spread_of(sums["ground_truth"] / sums["images"])
    if not enough(metric.tail, len(kept), spread):
        return None
    statistic = definitions.statistic_of(sums, [metric])
    return students(statistic, {metric.name: metric.scale}, len(kept))[metric.name]
