"""What a report says about a dataset: counted in one pass, one sequence in memory at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gtahead.arrays import Floats, Ints, Progress
from gtahead.dataset import DENSITY_LEVELS, SPLITS, Dataset, density_level
from gtahead.reports.charts import Chart, Plot, StackRow, bar_plot, histogram
from gtahead.tables import canonical
from gtahead.tables.canonical import STATUS_NAMES
from gtahead.values import number_of

SHARE_EDGES = (0, 0.01, 0.25, 0.5, 0.75, 1)
SHARE_NAMES = ("hidden", "up to 0.25", "0.25 to 0.5", "0.5 to 0.75", "0.75 to 1", "all of it")
HOUR_EDGES = (0, 6, 9, 12, 15, 18, 21)

TIMELINE_POINTS = 160
SEQUENCES_SHOWN = 200


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

    def sparkline(self, width: float = 160, height: float = 28) -> str:
        """Return the counts as points of a line from least to most; long ones by stretches."""
        parts = np.array_split(self.counts, min(len(self.counts), TIMELINE_POINTS))
        values = np.array([part.max() for part in parts if len(part)], np.float64)
        if len(values) == 1:
            values = np.repeat(values, 2)
        xs = np.linspace(1, width - 1, len(values))
        low, high = float(values.min()), float(values.max())
        shares = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
        ys = height - 2 - (height - 4) * shares
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys, strict=True))


@dataclass
class Collected:
    """All that is counted for a report.

    Attributes:
        charts: histograms, of what is known.
        plots: frames by density, heads by visibility.
        stacks: what is divided among the splits.
        coverage: frames by weather, in columns of `hours`.
        hours: names of these columns.
        hours_unknown, weather_unknown: of how many frames they aren't known.
        hidden, outside: heads that are absent, by their reason.
        sequences: the first `SEQUENCES_SHOWN`.
        left_out: how many sequences aren't among them.
        rules: boxes by the rule that gave them.
    """

    charts: list[Chart]
    plots: list[Plot]
    stacks: list[StackRow]
    coverage: list[tuple[str, list[int]]]
    hours: list[str]
    hours_unknown: int
    weather_unknown: int
    hidden: int
    outside: int
    sequences: list[SequenceRow]
    left_out: int
    rules: list[dict[str, Any]] = field(default_factory=list)


def collect(dataset: Dataset, on_progress: Progress | None = None) -> Collected:
    """Count what a report shows."""
    show = on_progress or (lambda done, total, name: None)
    frames = dataset.frames(["sequence", "split", "num_heads", "weather", "hour", "location"])
    counts = np.array(frames["num_heads"], np.int64)
    heads = _Heads()
    names = dataset.sequences
    show(0, len(names), "")
    for done, name in enumerate(names, 1):
        heads.add(dataset.head_codes(name, _Heads.COLUMNS))
        show(done, len(names), name)
    coverage, hours, no_hour, no_weather = _coverage(frames)
    rows = _sequence_rows(frames, counts)
    return Collected(
        _histograms(counts, heads),
        _plots(counts, heads),
        stacks_of(dataset.manifest.document),
        coverage,
        hours,
        no_hour,
        no_weather,
        heads.hidden,
        heads.outside,
        rows[:SEQUENCES_SHOWN],
        max(0, len(rows) - SEQUENCES_SHOWN),
        [{"name": name, **rule.as_row()} for name, rule in sorted(heads.rules.items())],
    )


class _Heads:
    """What is gathered of the heads, one sequence after the other."""

    COLUMNS = (
        *("frame_id", "status", "in_frame", "depth_m", "visibility"),
        *("box_source", "box_error_px", *canonical.BOX),
    )

    def __init__(self) -> None:
        self._sides: list[Floats] = []
        self._distances: list[Floats] = []
        self.shares = np.zeros(len(SHARE_EDGES), np.int64)
        self.share_unknown = 0
        self.hidden = self.outside = 0
        self.rules: dict[str, _Rule] = {}

    def add(self, heads: Mapping[str, Any]) -> None:
        """Add a sequence's heads."""
        counted, absent = _has_status(heads, "counted"), _has_status(heads, "absent")
        outside = absent & ~np.asarray(heads["in_frame"], np.bool_)
        self.outside += int(outside.sum())
        self.hidden += int(absent.sum() - outside.sum())
        side = np.sqrt(
            np.maximum(heads["box_x1"] - heads["box_x0"], 0)
            * np.maximum(heads["box_y1"] - heads["box_y0"], 0)
        )
        for values, kept in ((side, self._sides), (heads["depth_m"], self._distances)):
            known = counted & np.isfinite(values) & (values > 0)
            kept.append(np.asarray(values[known], np.float32))
        seen = heads["visibility"]
        known = np.isfinite(seen)
        positions = np.searchsorted(np.array(SHARE_EDGES), seen[known], side="right") - 1
        self.shares += np.bincount(np.clip(positions, 0, 5), minlength=len(SHARE_EDGES))
        self.share_unknown += int((~known).sum())
        _add_rules(self.rules, heads, side, counted)

    @property
    def sides(self) -> Floats:
        """Sides of the boxes of heads that count, in pixels."""
        return np.concatenate([*self._sides, np.empty(0)])

    @property
    def distances(self) -> Floats:
        """Distances of heads that count along the optical axis, in metres."""
        return np.concatenate([*self._distances, np.empty(0)])


def _histograms(counts: Ints, heads: _Heads) -> list[Chart]:
    """Return what is known: heads per frame, their sizes and their distances."""
    filled = counts[counts > 0].astype(np.float64)
    empty = len(counts) - len(filled)
    found = [
        histogram("Heads per frame", "heads", "frames", filled, whole=True),
        histogram("Head size", "side of the box, px", "heads", heads.sides),
        histogram("Distance", "metres from the camera", "heads", heads.distances),
    ]
    if found[0] is not None and empty:
        found[0].note = f"{number_of(empty, 'more frame')} without heads."
    return [chart for chart in found if chart is not None]


def _plots(counts: Ints, heads: _Heads) -> list[Plot]:
    """Return frames by density and heads by the share that is seen."""
    levels = Counter(density_level(int(count)) for count in counts)
    rows = [
        (level, float(levels[level]), f"{levels[level]:,}", _share(levels[level], len(counts)))
        for level in DENSITY_LEVELS
        if levels[level]
    ]
    empty = [level for level in DENSITY_LEVELS if not levels[level]]
    note = "Frames by heads, in NWPU-Crowd's levels."
    after = [f"No frames: {', '.join(empty)}."] if empty else []
    plots = [bar_plot("Density", "frames", rows, note=note, after=after)]
    total = int(heads.shares.sum())
    if total:
        seen = [
            (name, float(count), f"{count:,}", _share(count, total))
            for name, count in zip(SHARE_NAMES, heads.shares.tolist(), strict=True)
        ]
        unknown = heads.share_unknown
        after = [f"Unknown for {number_of(unknown, 'head')}."] if unknown else []
        note = "Visible share of each head in the tables, counted or not."
        plots.append(bar_plot("Visibility", "heads", seen, note=note, after=after))
    return plots


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def stacks_of(document: Mapping[str, Any]) -> list[StackRow]:
    """Return how sequences, frames, heads and conditions are divided among the splits.

    Where the splits were designed, targets and deviations are those of the certificate.
    """
    balance = document["splits"].get("balance")
    if balance:
        ends = np.cumsum([100 * balance["target"].get(split, 0) for split in SPLITS])[:-1]
        return [
            StackRow(
                name,
                [100 * shares.get(split, 0.0) for split in SPLITS],
                ends.round(2).tolist(),
                100 * balance["off"].get(name, 0.0),
            )
            for name, shares in balance["shares"].items()
        ]
    rows = []
    for unit in ("sequences", "frames", "heads"):
        numbers = [document["statistics"]["splits"][split][unit] for split in SPLITS]
        if sum(numbers):
            rows.append(StackRow(unit, [100 * one / sum(numbers) for one in numbers], []))
    return rows


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
