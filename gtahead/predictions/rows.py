"""Predictions being read: what each row says is checked and kept, whatever the file's form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gtahead.arrays import Booleans, Floats, Ragged
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.predictions.table import ImageKey, Predictions
from gtahead.values import is_number

MAX_PX = 1e9
"""From the image: what lies beyond is no coordinate."""


@dataclass
class Rows:
    """Collects images; what is wrong is noted and left out.

    Attributes:
        file: its name in messages.
        findings: takes what is wrong.
    """

    file: str
    findings: Findings
    images: list[ImageKey] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)
    points: list[Floats | None] = field(default_factory=list)
    boxes: list[Floats | None] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)

    def where(self, location: str) -> Where:
        """Name a location of the file."""
        return Where(self.file, field=location)

    def note(self, location: str, value: object, what: str) -> None:
        """Note what can't be read at a location."""
        self.findings.add("bad-prediction", self.where(location), value, what)

    def add(self, row: object, location: str) -> None:
        """Take one image as JSON has it."""
        if not isinstance(row, dict):
            self.note(location, row, "not an object")
            return
        image = row.get("image")
        if not isinstance(image, str) or not image:
            detail = "it has no `image`" if image is None else "`image` isn't a name"
            self.note(location, image, detail)
            return
        for key in sorted(set(row) - {"image", "count", "points", "boxes"}):
            self.findings.add("unknown-key", self.where(f"{location}/{key}"))
        points = None
        if row.get("points") is not None:
            points = self.numbers(row["points"], 3, f"{location}/points")
        boxes = None
        if row.get("boxes") is not None:
            boxes = self.numbers(row["boxes"], 5, f"{location}/boxes")
        self.put(image, self.count(row.get("count"), f"{location}/count"), points, boxes, location)

    def put(
        self,
        image: ImageKey,
        count: float,
        points: Floats | None,
        boxes: Floats | None,
        location: str,
    ) -> None:
        """Take one image whose numbers are fine."""
        self.images.append(image)
        self.counts.append(count)
        self.points.append(points)
        self.boxes.append(boxes)
        self.locations.append(location)

    def put_heads(self, image: ImageKey, entries: list[list[float]], width: int, word: str) -> None:
        """Take the points (`width` 2) or boxes (4) of one image.

        Args:
            image: that they are in.
            entries: of each its position, its score, and its number in the file.
            width: values of a position.
            word: before numbers in messages.
        """
        table = np.array(entries, np.float64).reshape(-1, width + 2)
        fine = self.fine(table[:, :-1], lambda row: f"{word}{table[row, -1]:.0f}")
        location = f"{word}{table[0, -1]:.0f}" if len(table) else ""
        boxes = width == 4
        self.put(image, np.nan, None if boxes else fine, fine if boxes else None, location)

    def count(self, value: object, location: str) -> float:
        """Read a count; NaN where it's none."""
        if value is None:
            return np.nan
        if not is_number(value):
            self.note(location, value, "not a number")
            return np.nan
        if not 0 <= value < 1e12:  # not of NaN either
            self.findings.add("bad-count", self.where(location), value)
            return np.nan
        return float(value)

    def numbers(self, values: object, width: int, location: str) -> Floats:
        """Return a list of rows as an array; rows that aren't `width` numbers are noted."""
        if not isinstance(values, list):
            detail = f"not a list of rows of {width} numbers"
            self.note(location, quoted(values), detail)
            return np.empty((0, width))
        try:
            table = np.array(values)
        except ValueError:  # of different lengths
            table = np.empty(0, object)
        if table.dtype.kind in "iuf" and table.shape == (len(values), width):
            return self.fine(table.astype(np.float64), lambda index: f"{location}/{index}")
        fine, indices = [], []
        for index, row in enumerate(values):
            is_row = isinstance(row, list) and len(row) == width
            if is_row and all(map(is_number, row)):
                fine.append(row)
                indices.append(index)
            else:
                detail = f"not a row of {width} numbers"
                self.note(f"{location}/{index}", quoted(row), detail)
        rest = np.array(fine, np.float64).reshape(-1, width)
        return self.fine(rest, lambda index: f"{location}/{indices[index]}")

    def _note_rows(
        self, code: str, wrong: Booleans, values: Floats, position: Callable[[int], str]
    ) -> None:
        """Note the rows that are wrong."""
        self.findings.add_rows(
            code,
            wrong,
            lambda row: self.where(position(row)),
            lambda row: ", ".join(f"{v:g}" for v in values[row]),
        )

    def fine(self, values: Floats, position: Callable[[int], str]) -> Floats:
        """Keep points (x, y, score) or boxes (x, y, width, height, score) that are valid.

        Args:
            values: (N, 3) or (N, 5).
            position: where in the file a row stands.
        """
        near = np.isfinite(values) & (np.abs(np.nan_to_num(values)) <= MAX_PX)
        lost = np.asarray(~near.all(axis=1), np.bool_)
        self._note_rows("not-a-number", lost, values, position)
        flat = np.asarray(~lost & (values[:, 2:-1] <= 0).any(axis=1), np.bool_)
        self._note_rows("box-without-area", flat, values, position)
        within = (values[:, -1] >= 0) & (values[:, -1] <= 1)
        odd = np.asarray(~(lost | flat | within), np.bool_)
        self._note_rows("bad-score", odd, values[:, -1:], position)
        return values[~(lost | flat | odd)]

    def finish(self, kind: str, digest: str, **more: Any) -> Predictions:  # noqa: ANN401 - fields
        """Return everything that was collected, as columns."""
        points = [np.empty((0, 3)) if p is None else p for p in self.points]
        boxes = [np.empty((0, 5)) if b is None else b for b in self.boxes]
        flat_points = np.concatenate([np.empty((0, 3)), *points])
        flat_boxes = np.concatenate([np.empty((0, 5)), *boxes])
        corners = flat_boxes[:, :4].copy()
        corners[:, 2:] += corners[:, :2]
        return Predictions(
            kind=kind,
            images=self.images,
            counts=np.array(self.counts, np.float64),
            has_points=np.array([p is not None for p in self.points], np.bool_),
            has_boxes=np.array([b is not None for b in self.boxes], np.bool_),
            points_xy=flat_points[:, :2].copy(),
            point_scores=flat_points[:, 2].copy(),
            points_by_image=Ragged.from_counts([len(p) for p in points]),
            boxes_xyxy=corners,
            box_scores=flat_boxes[:, 4].copy(),
            boxes_by_image=Ragged.from_counts([len(b) for b in boxes]),
            locations=self.locations,
            sha256=digest,
            **more,
        )


def quoted(value: object) -> str:
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
