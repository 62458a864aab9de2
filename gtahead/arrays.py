"""Array types that all modules share, and arrays whose rows belong to groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

Columns = dict[str, npt.NDArray[Any]]
"""A table in memory: arrays of one length, by name."""

Progress = Callable[[int, int, str], None]
"""Called at the start and after each unit of work: done, total, and the unit's name."""


Array = Any
"""An array of NumPy, a tensor, or nested lists of numbers."""


def as_array(values: Array) -> npt.NDArray[Any]:
    """Return an array: of a tensor its values, wherever it lies; of torchvision's boxes corners.

    Raises:
        ValueError: masked values, or boxes in a format without corners.
    """
    if hasattr(values, "detach"):
        form = getattr(getattr(values, "format", None), "name", None)
        values = values.detach().cpu()
        values = values.float() if str(values.dtype) == "torch.bfloat16" else values
        return _corners(np.asarray(values.numpy()), form)
    if isinstance(values, list | tuple) and any(
        hasattr(one, "detach") or np.ma.isMaskedArray(one) for one in values
    ):
        return np.asarray([as_array(one) for one in values])
    if np.ma.is_masked(values):
        raise ValueError("some values are masked: leave them out")
    return np.asarray(values)


def _corners(boxes: npt.NDArray[Any], form: str | None) -> npt.NDArray[Any]:
    """Return boxes of one of torchvision's formats as x0, y0, x1, y1."""
    if form in (None, "XYXY"):
        return boxes
    if form not in ("XYWH", "CXCYWH"):
        raise ValueError(f"boxes of the format {form}; known are XYXY, XYWH, CXCYWH")
    boxes = np.asarray(boxes, np.float64)  # halves of pixels, and no overflow
    low, sides = boxes[..., :2], boxes[..., 2:]
    low = low - sides / 2 if form == "CXCYWH" else low
    return np.concatenate([low, low + sides], axis=-1)


def numbers_of(values: Array, what: str) -> Floats:
    """Return real numbers of any shape.

    Args:
        values: an array, a tensor, or nested lists.
        what: they are, for messages.

    Raises:
        ValueError: something else, or masked.
    """
    array = as_array(values)
    if array.dtype == object:  # of pandas, or of fractions and decimals
        plain = not any(isinstance(one, str | bytes | complex) for one in array.flat)
        with suppress(TypeError, ValueError):
            array = array.astype(np.float64) if plain else array
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{what} aren't numbers")
    return np.asarray(array, np.float64)


def rows_of(values: Array, columns: int, what: str, *, unknown: bool = False) -> Floats:
    """Return (N, columns) numbers.

    Args:
        values: an array or tensor of that shape, or an empty one.
        columns: how many there have to be; four are boxes, x0, y0, x1, y1.
        what: they are, for messages.
        unknown: whether NaN is allowed.

    Raises:
        ValueError: of another shape, not numbers, not finite, or boxes that end before they begin.
    """
    rows = numbers_of(values, what)
    rows = rows.reshape(0, columns) if rows.size == 0 else rows
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{what} have the shape {rows.shape} instead of (N, {columns})")
    if not unknown and not np.isfinite(rows).all():
        raise ValueError(f"{what} aren't all finite")
    if columns == 4:
        wrong = np.flatnonzero((rows[:, 2:] < rows[:, :2]).any(axis=1))
        if len(wrong):
            shown = ", ".join(f"{value:g}" for value in rows[wrong[0]])
            raise ValueError(f"{what} are x0, y0, x1, y1, but row {wrong[0]} is {shown}")
    return rows


@dataclass(frozen=True, eq=False)
class Ragged:
    """How rows of an array belong to groups: heads to frames, points to images.

    Rows of one group lie together, group after group; a group may be empty. The rows themselves
    are in arrays of their own, several of which may share one layout.

    Attributes:
        offsets: (G + 1,) where each group's rows begin; the last entry is the number of rows.

    Example:
        >>> heads = Ragged.from_counts([2, 0, 3])
        >>> heads.offsets.tolist(), heads.index.tolist(), heads.rows(2)
        ([0, 2, 2, 5], [0, 0, 2, 2, 2], slice(2, 5, None))
    """

    offsets: Ints

    @classmethod
    def from_counts(cls, counts: Sequence[int] | npt.NDArray[np.integer]) -> Ragged:
        """Make the layout of groups of these sizes, (G,)."""
        offsets = np.zeros(len(counts) + 1, np.int64)
        np.cumsum(counts, out=offsets[1:])
        return cls(offsets)

    @classmethod
    def from_index(cls, index: npt.NDArray[np.integer], groups: int) -> Ragged:
        """Make the layout from the group of each row, (N,), in ascending order."""
        return cls(np.searchsorted(index, np.arange(groups + 1)).astype(np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def total(self) -> int:
        """Number of rows in all groups."""
        return int(self.offsets[-1])

    @property
    def counts(self) -> Ints:
        """(G,) number of rows of each group."""
        return np.diff(self.offsets)

    @property
    def index(self) -> Ints:
        """(N,) the group of each row."""
        return np.repeat(np.arange(len(self)), self.counts)

    def rows(self, group: int) -> slice:
        """Return the slice of one group's rows."""
        return slice(int(self.offsets[group]), int(self.offsets[group + 1]))

    def where(self, keep: Booleans) -> Ragged:
        """Return the layout of the rows for which `keep`, (N,), is true."""
        return Ragged(np.concatenate([[0], np.cumsum(keep)])[self.offsets].astype(np.int64))

    def count(self, chosen: Booleans) -> Ints:
        """Count in each group, (G,), the rows for which `chosen`, (N,), is true."""
        return self.where(chosen).counts

    def take(self, groups: Ints) -> tuple[Ints, Ragged]:
        """Return the rows of some groups, and their layout; -1 stands for an empty group.

        Args:
            groups: (H,) in any order.

        Returns:
            (M,) rows, and the layout of H groups.
        """
        there = groups >= 0
        if not len(self):
            return np.empty(0, np.int64), Ragged(np.zeros(len(groups) + 1, np.int64))
        safe = np.where(there, groups, 0)
        taken = Ragged.from_counts(np.where(there, self.counts[safe], 0))
        first = np.repeat(self.offsets[safe] - taken.offsets[:-1], taken.counts)
        return first + np.arange(taken.total), taken
