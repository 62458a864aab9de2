"""What the formats of boxes in text share: boxes cut and rounded, and files of numbers read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.arrays import Columns, Floats, Ints
from gtahead.formats.base import Batch
from gtahead.formats.text import fixed
from gtahead.geometry import GRID, clipped
from gtahead.images.reading import ImageError, read_bytes, read_header
from gtahead.ingest.labelled import LabelledImage
from gtahead.tables.canonical import CAPTURED


def boxes_inside(batch: Batch) -> tuple[Batch, Floats]:
    """Cut boxes at the border; leave out heads of which nothing is left."""
    batch = batch.boxed()
    limits = batch.sizes_wh[batch.frame_of_heads].astype(np.float64)
    boxes = clipped(batch.heads.boxes_xyxy, limits)
    cut = np.asarray((boxes != batch.heads.boxes_xyxy).any(axis=1))
    there = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    batch.note("boxes cut at the border", int((cut & there).sum()))
    batch.note("box-outside", int((~there).sum()))
    return (batch, boxes) if there.all() else (batch.where(there), boxes[there])


def corner_cents(batch: Batch) -> Ints:
    """Return (N, 4) corners in hundredths of pixels, whose middle is in the image if the point is.

    Where rounding moved it out, the corner that was moved farthest goes back by a hundredth.
    """
    exact = batch.heads.boxes_xyxy * 100
    points = batch.heads.points_xy * 100
    corners = fixed(batch.heads.boxes_xyxy, 2)
    limits = batch.sizes_wh[batch.frame_of_heads] * 100
    for axis in (0, 1):
        pair = corners[:, axis::2]
        moved = pair - exact[:, axis::2]
        middle, true = pair.sum(axis=1), exact[:, axis::2].sum(axis=1)
        # A box that was put around its point has its own corners rounded, to 1/256 px.
        around = np.abs(true - 2 * points[:, axis]) <= 2 * 100 / GRID
        true = np.where(around, 2 * points[:, axis], true)
        high = (middle >= 2 * limits[:, axis]) & (true < 2 * limits[:, axis])
        low = (middle < 0) & (true >= 0)
        rows = np.flatnonzero(high)
        corners[rows, axis + 2 * moved[rows].argmax(axis=1)] -= 1
        rows = np.flatnonzero(low)
        corners[rows, axis + 2 * moved[rows].argmin(axis=1)] += 1
    return corners


def box_columns(boxes: Floats, ids: Sequence[int] | None = None, **more: Any) -> Columns:  # noqa: ANN401
    """Return heads as columns: boxes, ids where there are some, and whatever else is known."""
    found: Columns = {name: boxes[:, k] for k, name in enumerate(CAPTURED)}
    found |= {name: np.asarray(values) for name, values in more.items()}
    if ids is not None:
        found["head_id"] = np.asarray(ids, np.int64)
    return found


def own_text(path: Path) -> str:
    """Read text that may begin with a byte order mark.

    Raises:
        ValueError: not UTF-8.
        OSError: unreadable.
    """
    return path.read_bytes().decode("utf-8-sig")


def rows_of_numbers(lines: Iterable[str], widths: Sequence[int], separator: str | None) -> Floats:
    """Read lines of numbers.

    Args:
        lines: as they stand; blank ones are skipped.
        widths: how many numbers a line may have. More than the first are cut; where there are
            fewer, -1 stands for the rest.
        separator: between them; None for blanks.

    Raises:
        ValueError: a line is something else, with its number.
    """
    width = widths[0]
    rows = []
    for number, line in enumerate(lines, 1):
        words = line.strip().split(separator)
        while words and not words[-1].strip():  # a separator at the end
            words.pop()
        if not words:
            continue
        if len(words) not in widths:
            raise ValueError(f"line {number}: {len(words)} numbers instead of {width}")
        try:
            values = [float(word) for word in words[:width]]
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        rows.append(values + [-1.0] * (width - len(values)))
    return np.array(rows, np.float64).reshape(-1, width)


def believed_size(root: Path, image: LabelledImage) -> tuple[int, int]:
    """Return the image size that relative coordinates refer to.

    Raises:
        ValueError: it isn't known.
    """
    if image.file is not None and (root / image.file).is_file():
        try:
            header = read_header(read_bytes(root / image.file))
            return header.upright_wh if image.upright else header.size_wh
        except ImageError:
            pass
    if image.size_wh is None:
        raise ValueError("boxes are fractions of the image's size, and there is no image")
    return image.size_wh
