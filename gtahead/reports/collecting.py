"""What a report says about a dataset: counted in one pass, one sequence in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gtahead.arrays import Floats, Ints, Progress
from gtahead.dataset import DENSITY_LEVELS, Dataset, density_level
from gtahead.tables import canonical
from gtahead.tables.canonical import STATUS_NAMES

COUNT_EDGES = (0, 1, 3, 6, 11, 21, 51, 101, 201, 501, 1001, 2001, 5001)
SIDE_EDGES = (0, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96)
DISTANCE_EDGES = (0, 5, 10, 20, 40, 80, 160)
SHARE_EDGES = (0, 0.01, 0.25, 0.5, 0.75, 1)
HOUR_EDGES = (0, 6, 9, 12, 15, 18, 21)

TIMELINE_POINTS = 160
SEQUENCES_SHOWN = 200


@dataclass
class Bars:
    """A histogram: how many of something fall into each bin.

    Attributes:
        title: of the distribution.
        unit: of the labels.
        labels: of the bins.
        counts: in them.
        unknown: of how many it isn't known.
        what: is counted.
    """

    title: str
    unit: str
    labels: list[str]
    counts: list[int]
    unknown: int = 0
    what: str = "heads"

    @property
    def total(self) -> int:
        """How many values are known."""
        return sum(self.counts)

    def rows(self) -> list[tuple[str, int, float, float]]:
        """Return label, count, share of all in percent, and length of the bar in percent."""
        most, total = max(self.counts, default=0), self.total
        return [
            (label, count, 100 * count / total if total else 0.0, 100 * count / most if most else 0)
            for label, count in zip(self.labels, self.counts, strict=True)
        ]


@dataclass
class SequenceRow:
    """One sequence of the timeline.

    Attributes:
        name: of it.
        split: that it is in.
        location: name of the location, or None.
        weather: or None.
        hour: or None.
        counts: (F,) heads of its frames, in order.
    """

    name: str
    split: str
    location: str | None
    weather: str | None
    hour: float | None
    counts: Ints

    @property
    def median(self) -> float:
        """The median number of heads per frame."""
        return float(np.median(self.counts))

    def sparkline(self, most: int, width: float = 160, height: float = 28) -> str:
        """Return the counts as points of a line; long sequences as the maxima of stretches."""
        parts = np.array_split(self.counts, min(len(self.counts), TIMELINE_POINTS))
        values = np.array([part.max() for part in parts if len(part)], np.float64)
        if len(values) == 1:
            values = np.repeat(values, 2)
        xs = np.linspace(1, width - 1, len(values))
        ys = height - 2 - (height - 4) * values / max(1, most)
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


@dataclass
class Collected:
    """All that is counted for a report."""

    bars: list[Bars]
    coverage: list[tuple[str, list[int]]]
    hours: list[str]
    hours_unknown: int
    weather_unknown: int
    sequences: list[SequenceRow]
    left_out: int
    rules: list[dict[str, Any]] = field(default_factory=list)


def _labels(edges: Sequence[float], *, whole: bool = False) -> list[str]:
    """Name the bins between edges; the last one has no end."""
    out = []
    for low, high in zip(edges, [*edges[1:], None], strict=True):
        if high is None:
            out.append(f"≥ {low:g}")
        elif whole:
            out.append(f"{low:g}" if high - low == 1 else f"{low:g}–{high - 1:g}")
        else:
            out.append(f"{low:g}–{high:g}")
    return out


def _binned(values: Floats, edges: Sequence[float]) -> Ints:
    positions = np.searchsorted(np.array(edges, np.float64), values, side="right") - 1
    return np.bincount(np.clip(positions, 0, len(edges) - 1), minlength=len(edges))


def collect(dataset: Dataset, on_progress: Progress | None = None) -> Collected:
    """Count what a report shows."""
    show = on_progress or (lambda done, total, name: None)
    frames = dataset.frames(["sequence", "split", "num_heads", "weather", "hour", "location"])
    counts = np.array(frames["num_heads"], np.int64)
    sides = np.zeros(len(SIDE_EDGES), np.int64)
    distances = np.zeros(len(DISTANCE_EDGES), np.int64)
    shares = np.zeros(len(SHARE_EDGES), np.int64)
    unknown: Counter[str] = Counter()
    rules: dict[str, _Rule] = {}
    names = dataset.sequences
    show(0, len(names), "")
    for done, name in enumerate(names, 1):
        heads = dataset.head_codes(
            name,
            [
                "frame_id",
                "status",
                "depth_m",
                "visibility",
                "box_source",
                "box_error_px",
                *canonical.BOX,
            ],
        )
        counted = _has_status(heads, "counted")
        side = np.sqrt(
            np.maximum(heads["box_x1"] - heads["box_x0"], 0)
            * np.maximum(heads["box_y1"] - heads["box_y0"], 0)
        )
        for what, values, edges, total in (
            ("side", side, SIDE_EDGES, sides),
            ("distance", heads["depth_m"], DISTANCE_EDGES, distances),
        ):
            known = counted & np.isfinite(values)
            np.add(total, _binned(values[known], edges), out=total)
            unknown[what] += int((counted & ~np.isfinite(values)).sum())
        seen = heads["visibility"]
        known = np.isfinite(seen)
        shares += _binned(seen[known], SHARE_EDGES)
        unknown["visibility"] += int((~known).sum())
        _add_rules(rules, heads, side, counted)
        show(done, len(names), name)
    coverage, hours, no_hour, no_weather = _coverage(frames)
    rows = _sequence_rows(frames, counts)
    return Collected(
        _bars(counts, sides, distances, shares, unknown),
        coverage,
        hours,
        no_hour,
        no_weather,
        rows[:SEQUENCES_SHOWN],
        max(0, len(rows) - SEQUENCES_SHOWN),
        [{"name": name, **rule.as_row()} for name, rule in sorted(rules.items())],
    )


def _bars(
    counts: Ints, sides: Ints, distances: Ints, shares: Ints, unknown: Mapping[str, int]
) -> list[Bars]:
    """Return the histograms: frames by heads, heads by size, distance and visibility."""
    levels = Counter(density_level(int(count)) for count in counts)
    return [
        Bars(
            "Heads per frame",
            "heads",
            _labels(COUNT_EDGES, whole=True),
            _binned(counts.astype(np.float64), COUNT_EDGES).tolist(),
            what="frames",
        ),
        Bars(
            "Density level",
            "heads per frame, as NWPU-Crowd groups them",
            list(DENSITY_LEVELS),
            [levels[level] for level in DENSITY_LEVELS],
            what="frames",
        ),
        Bars(
            "Head size",
            "side of the box in pixels (the root of its area), of heads that count",
            _labels(SIDE_EDGES),
            sides.tolist(),
            unknown["side"],
            "heads",
        ),
        Bars(
            "Distance",
            "metres along the optical axis, of heads that count",
            _labels(DISTANCE_EDGES),
            distances.tolist(),
            unknown["distance"],
            "heads",
        ),
        Bars(
            "Visibility",
            "visible share of the head, of all heads in the tables",
            ["0", "up to 0.25", "0.25–0.5", "0.5–0.75", "0.75–1", "1"],
            shares.tolist(),
            unknown["visibility"],
            "heads",
        ),
    ]


def _has_status(heads: Mapping[str, Any], name: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    assert name in STATUS_NAMES
    codes = [code for code, word in enumerate(heads["status_names"]) if word == name]
    return np.asarray(np.isin(heads["status"], codes), np.bool_)


@dataclass
class _Rule:
    """Boxes of one rule: sums of their sides and of their relative errors."""

    boxes: int = 0
    side: float = 0.0
    error: float = 0.0
    errors: int = 0

    def as_row(self) -> dict[str, Any]:
        return {
            "boxes": self.boxes,
            "side": self.side / self.boxes if self.boxes else None,
            "error": self.error / self.errors if self.errors else None,
        }


def _add_rules(
    rules: dict[str, _Rule],
    heads: Mapping[str, Any],
    side: Floats,
    counted: np.ndarray[Any, np.dtype[np.bool_]],
) -> None:
    for code, name in enumerate(heads["box_source_names"]):
        mine = (heads["box_source"] == code) & counted
        rule = rules.setdefault(str(name), _Rule())
        rule.boxes += int(mine.sum())
        rule.side += float(np.nansum(side[mine]))
        known = mine & np.isfinite(heads["box_error_px"]) & (side > 0)
        rule.errors += int(known.sum())
        rule.error += float((heads["box_error_px"][known] / side[known]).sum())


def _coverage(
    frames: Mapping[str, list[Any]],
) -> tuple[list[tuple[str, list[int]]], list[str], int, int]:
    """Count frames by weather and time of day: rows, columns, and how many lack either."""
    labels = [
        f"{low}–{high} h" for low, high in zip(HOUR_EDGES, [*HOUR_EDGES[1:], 24], strict=True)
    ]
    found: dict[str, list[int]] = {}
    no_hour = no_weather = 0
    for weather, hour in zip(frames["weather"], frames["hour"], strict=True):
        no_hour += hour is None
        no_weather += weather is None
        if weather is not None and hour is not None:
            row = found.setdefault(weather, [0] * len(labels))
            position = int(np.searchsorted(HOUR_EDGES, hour % 24, side="right")) - 1
            row[position] += 1
    return sorted(found.items()), labels, no_hour, no_weather


def _sequence_rows(frames: Mapping[str, list[Any]], counts: Ints) -> list[SequenceRow]:
    positions: dict[str, list[int]] = {}
    for row, name in enumerate(frames["sequence"]):
        positions.setdefault(name, []).append(row)
    return [
        SequenceRow(
            name,
            str(frames["split"][rows[0]]),
            frames["location"][rows[0]],
            frames["weather"][rows[0]],
            frames["hour"][rows[0]],
            counts[rows],
        )
        for name, rows in positions.items()
    ]
