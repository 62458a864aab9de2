"""Heads as rows of a file, on their way to a checked and sorted table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Columns, Ints
from gtahead.errors import Where
from gtahead.findings import EXAMPLES_KEPT, Findings, Flow
from gtahead.geometry import GRID, Camera, depth_from_distance, project
from gtahead.ingest.names import frame_name
from gtahead.tables.canonical import CAPTURED

HOURS, RATES = (0.0, math.nextafter(24, 0)), (0.001, 1e5)
"""The least and greatest time of day in hours, and frames per second, that are believed."""


def as_number(value: object, low: float = -math.inf, high: float = math.inf) -> float | None:
    """Read a number that may be text; None where it is none, isn't finite, or is out of range."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and low <= number <= high else None


def note_gaps(numbers: Ints, where: Where, findings: Findings) -> None:
    """Note frame numbers that don't go up in equal steps."""
    steps = np.diff(np.sort(numbers))
    if len(steps) and steps.min() > 0 and steps.max() != steps.min():
        position = int(np.argmax(steps > steps.min()))
        after = int(np.sort(numbers)[position])
        detail = f"after {after} comes {after + int(steps[position])}"
        findings.add("frame-gap", where, detail=detail)


_LOSE_HEADS = ("not-finite", "head-misplaced")
"""Codes of heads that are somewhere in their frame, but nobody knows where."""


def frames_around(
    lost: Mapping[int, int | None], lines: Ints, frames: Ints
) -> list[tuple[int, int]]:
    """Return the frames that unreadable lines may belong to, by their neighbours in the file.

    Args:
        lost: frame number by line; None where that can't be read either.
        lines: (N,) of the rows that were read, ascending.
        frames: (N,) their frames.

    Returns:
        First and last frame number of each stretch; files written frame by frame have few.
    """
    spans = {(frame, frame) for frame in lost.values() if frame is not None}
    nowhere = sorted(line for line, frame in lost.items() if frame is None)
    if nowhere and not len(lines):
        return [(0, LAST_FRAME)]
    for position in np.searchsorted(lines, nowhere):
        before = int(frames[position - 1]) if position else 0
        after = int(frames[position]) if position < len(frames) else LAST_FRAME
        spans |= {(before, after)} if before <= after else {(before, before), (after, after)}
    return sorted(spans)


LAST_FRAME = 10**18


def frames_within(spans: Iterable[tuple[int, int]], numbers: Ints) -> set[int]:
    """Return the indices of frames whose numbers, (F,) ascending, lie in one of the spans."""
    found: set[int] = set()
    for low, high in spans:
        first, last = np.searchsorted(numbers, low), np.searchsorted(numbers, high, "right")
        found |= set(range(int(first), int(last)))
    return found


@dataclass
class HeadRows:
    """Heads as they stand in a file, on their way to a checked and sorted table.

    Attributes:
        columns: as in `CapturedSequence.heads`, and `frame` with the numbers as captured.
        where: file and sequence, for messages.
        lines: (N,) line numbers in the file, or None where a row has none.
        names: of the frames, by `frame_index`, where they aren't numbers.
        lost_frames: indices of frames that lost heads to a fault.
    """

    columns: Columns
    where: Where
    lines: Ints | None
    lost_frames: set[int] = field(default_factory=set)
    names: list[str] | None = None

    def __len__(self) -> int:
        return len(self.columns["head_id"])

    def place(self, row: int, field_name: str | None = None) -> Where:
        """Return the location of a row."""
        line = None if self.lines is None else f"line {self.lines[row]}"
        parts = [part for part in (line, field_name) if part]
        if self.names is None:
            name = frame_name(int(self.columns["frame"][row]))
        else:
            name = self.names[self.columns["frame_index"][row]]
        return Where(
            self.where.file,
            self.where.sequence,
            name,
            int(self.columns["head_id"][row]),
            ", ".join(parts) or None,
        )

    def take(self, rows: npt.NDArray[Any]) -> None:
        """Keep these rows, in this order (or those where a mask is true)."""
        self.columns = {name: values[rows] for name, values in self.columns.items()}
        if self.lines is not None:
            self.lines = self.lines[rows]

    def note(
        self,
        code: str,
        wrong: Booleans,
        findings: Findings,
        field_name: str | None = None,
        values: Callable[[list[int]], Mapping[int, object]] | None = None,
        details: Callable[[int], str] | None = None,
    ) -> int:
        """Note the rows where `wrong` is true; return their number."""
        rows = np.flatnonzero(wrong)
        if len(rows):
            words = values(rows[:EXAMPLES_KEPT].tolist()) if values else {}
            where = partial(self.place, field_name=field_name)
            findings.add_rows(code, rows, where, words.get, details)
        return len(rows)

    def drop(
        self,
        code: str,
        wrong: Booleans,
        findings: Findings,
        flow: Flow,
        field_name: str | None = None,
        values: Callable[[list[int]], Mapping[int, object]] | None = None,
        details: Callable[[int], str] | None = None,
    ) -> None:
        """Note the rows where `wrong` is true, and drop them."""
        count = self.note(code, wrong, findings, field_name, values, details)
        if count:
            flow.drop(code, count)
            if code in _LOSE_HEADS:
                self.lost_frames |= set(map(int, self.columns["frame_index"][wrong]))
            self.take(~wrong)


def fill_depths(columns: Columns, cameras: list[Camera | None], size_wh: tuple[int, int]) -> None:
    """Fill unknown `depth_m` from world positions, else from `distance_m`, which is taken out.

    Args:
        columns: of heads, with `frame_index`; changed in place.
        cameras: of each frame.
        size_wh: of the images as stored.
    """
    count = len(columns["head_id"])
    depth = columns.get("depth_m", np.full(count, np.nan))
    distance = columns.pop("distance_m", None)
    names = ("world_x_m", "world_y_m", "world_z_m")
    if all(name in columns for name in names) and np.isnan(depth).any():
        depth = depth.copy()
        world = np.stack([columns[name] for name in names], axis=1)
        numbers = {camera: number for number, camera in enumerate(dict.fromkeys(cameras))}
        of_frames = np.array([numbers[camera] for camera in cameras], np.int64)
        unknown = np.flatnonzero(np.isnan(depth))
        seen_by = of_frames[columns["frame_index"][unknown]]
        order = np.argsort(seen_by, kind="stable")
        bounds = np.searchsorted(seen_by[order], np.arange(len(numbers) + 1))
        for camera, number in numbers.items():
            if camera is None or camera.position_m is None or camera.rotation_deg is None:
                continue
            rows = unknown[order[bounds[number] : bounds[number + 1]]]
            depth[rows] = np.round(project(world[rows], camera, size_wh)[1] * 4096) / 4096
    if distance is not None:
        vfov = np.array([np.nan if c is None else c.vfov_deg for c in cameras])
        points = np.stack([columns["x"], columns["y"]], axis=1)
        of_heads = vfov[columns["frame_index"]]
        derived = np.round(depth_from_distance(points, distance, of_heads, size_wh) * 4096) / 4096
        depth = np.where(np.isnan(depth), derived, depth)
    if np.isfinite(depth).any():
        columns["depth_m"] = depth


def settle_heads(
    rows: HeadRows,
    cameras: list[Camera | None],
    size_wh: tuple[int, int],
    findings: Findings,
    flow: Flow,
    spelt: Callable[[str, list[int]], Mapping[int, object]] | None = None,
) -> Columns:
    """Drop impossible heads, note odd ones, and sort by frame and id.

    Args:
        rows: as read; `frame_index` is -1 where a head's frame isn't known.
        cameras: of each frame.
        size_wh: of the images as stored.
        findings: takes what was noticed.
        flow: the ledger of heads; takes what was dropped.
        spelt: gives a column's cells word for word, for messages about numbers that aren't finite.

    Returns:
        Columns without `frame`, ready for `CapturedSequence`.
    """
    rows.drop("head-without-frame", rows.columns["frame_index"] < 0, findings, flow)
    fill_depths(rows.columns, cameras, size_wh)
    if "depth_m" in rows.columns:
        depth = rows.columns["depth_m"]
        rows.drop(
            "behind-camera",
            depth <= 0,
            findings,
            flow,
            "depth_m",
            lambda shown: {row: float(depth[row]) for row in shown},
        )
    for name in ("x", "y"):
        values = rows.columns[name]
        rows.drop(
            "not-finite",
            ~(np.abs(values) <= MAX_PX),
            findings,
            flow,
            name,
            lambda shown, name=name, values=values: (  # type: ignore[misc]
                spelt(name, shown) if spelt else {row: float(values[row]) for row in shown}
            ),
        )
    _clear_impossible(rows, findings)
    order = np.lexsort((rows.columns["head_id"], rows.columns["frame_index"]))
    if (np.diff(order) != 1).any():
        rows.take(order)
    frame, head = rows.columns["frame_index"], rows.columns["head_id"]
    again = np.zeros(len(rows), np.bool_)
    again[1:] = (frame[1:] == frame[:-1]) & (head[1:] == head[:-1])
    lines = rows.lines

    def first_place(row: int) -> str:
        first = row - int(np.argmin(again[row::-1]))
        return "" if lines is None else f"first at line {lines[first]}"

    rows.drop("duplicate-head", again, findings, flow, details=first_place)
    return {name: values for name, values in rows.columns.items() if name != "frame"}


MAX_PX = 1e7
"""Pixels beyond this are no position of anything: what a broken projection prints."""

_ANYWHERE = (-MAX_PX, MAX_PX)

_RANGES = {"visibility": (0.0, 1.0), "top_neck_m": (1e-3, 10.0), "depth_m": (1e-3, 1e6)}

_FLAGS = ("occluded", "self_occluded", "ignore")


def _clear_impossible(rows: HeadRows, findings: Findings) -> None:
    """Replace impossible values (a visibility of 1.5, an infinite joint) with unknown ones."""
    for name, values in list(rows.columns.items()):
        if name in _FLAGS:
            wrong = (values < -1) | (values > 1)
        elif values.dtype.kind == "f" and name not in ("x", "y"):
            low, high = _RANGES.get(name, _ANYWHERE)
            wrong = (values < low) | (values > high)
        else:
            continue
        if wrong.any():
            shown = values
            rows.note(
                "bad-value",
                wrong,
                findings,
                name,
                lambda kept, shown=shown: {row: shown[row].item() for row in kept},  # type: ignore[misc]
            )
            rows.columns[name] = np.where(wrong, -1 if name in _FLAGS else np.nan, values).astype(
                values.dtype
            )
    if all(name in rows.columns for name in CAPTURED):
        _clear_bad_boxes(rows, findings)


def _clear_bad_boxes(rows: HeadRows, findings: Findings) -> None:
    x0, y0, x1, y1 = (rows.columns[name] for name in CAPTURED)
    x, y = rows.columns["x"], rows.columns["y"]
    given = ~(np.isnan(x0) & np.isnan(y0) & np.isnan(x1) & np.isnan(y1))
    fine = (x0 <= x) & (x <= x1) & (y0 <= y) & (y <= y1)
    fine &= (x1 - x0 >= 1 / GRID) & (y1 - y0 >= 1 / GRID)
    wrong = given & ~fine
    if wrong.any():
        boxes = np.stack([x0, y0, x1, y1], axis=1)
        rows.note(
            "bad-box",
            wrong,
            findings,
            None,
            lambda shown: {row: ", ".join(f"{v:g}" for v in boxes[row]) for row in shown},
        )
        for name in CAPTURED:
            rows.columns[name] = np.where(wrong, np.nan, rows.columns[name])
