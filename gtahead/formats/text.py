"""Rows of numbers as text: the one way in which every text format is written.

Numbers are fixed-point: whole multiples of 10^-decimals, so that what is written is exact, the same
on every machine, and never `1e-07` or NaN.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints, Ragged
from gtahead.formats.base import Batch

Engine = Literal["auto", "plain", "compiled"]

WORTH_COMPILING = 200_000
"""Rows, over the life of a process, from which on it pays to load numba."""

MAX_EXACT = 2.0**52
"""Below, a multiple of 10^-n is the double nearest to it, and prints as what it is."""

_written = 0


def worth_compiling(rows: int) -> bool:
    """Return whether numba's loops pay off for so many more rows."""
    global _written  # noqa: PLW0603 - a worker writes many small batches
    _written += rows
    return _written >= WORTH_COMPILING or "numba" in sys.modules


def fixed(values: Floats, decimals: int) -> Ints:
    """Return numbers as whole multiples of 10^-decimals, rounded half to even.

    Raises:
        ValueError: a number isn't finite, or too large.
    """
    scaled = np.rint(np.asarray(values, np.float64) * 10.0**decimals)
    if not (np.abs(scaled) < MAX_EXACT).all():  # also of NaN
        raise ValueError("a number to be written isn't finite, or too large")
    return np.asarray(scaled, np.int64)


def fixed_within(values: Floats, limits: Ints, decimals: int) -> Ints:
    """Return numbers as `fixed` does, but keep values below their limits: heads stay in images.

    Args:
        values: (N,) coordinates.
        limits: (N,) widths or heights; values in [0, limit) are in the image.
        decimals: to keep.
    """
    rounded = fixed(values, decimals)
    last = np.asarray(limits, np.int64) * 10**decimals - 1
    inside = (values >= 0) & (values < limits)
    return np.where(inside, np.clip(rounded, 0, last), rounded)


class RowFormat:
    r"""A row: texts and numbers in turn.

    Example:
        >>> row = RowFormat("head ", 0, " at ", 2, "\n")
        >>> row.render([np.array([7]), np.array([1250])])[0]
        b'head 7 at 12.50\n'
    """

    def __init__(self, *parts: str | int) -> None:
        """Take the texts and, in place of each number, its decimals."""
        self.texts = [""]
        self.decimals: list[int] = []
        for part in parts:
            if isinstance(part, str):
                self.texts[-1] += part
            else:
                self.decimals.append(part)
                self.texts.append("")

    def render(
        self, columns: Sequence[npt.NDArray[np.integer]], *, engine: Engine = "auto"
    ) -> tuple[bytes, Ints]:
        """Write rows.

        Args:
            columns: (N,) each, as `fixed` gives them, one a number of the row.
            engine: "plain" goes row by row; "compiled" is a loop of numba's.

        Returns:
            The text, and (N + 1,) where each row begins in it.
        """
        assert len(columns) == len(self.decimals)
        if engine == "compiled" or (engine == "auto" and worth_compiling(len(columns[0]))):
            from gtahead.formats.text_compiled import render

            return render(self.texts, self.decimals, columns)
        return self._plain(columns)

    def _plain(self, columns: Sequence[npt.NDArray[np.integer]]) -> tuple[bytes, Ints]:
        """Write all rows at once with Python's own formatting, and find where each one begins."""
        count = len(columns[0])
        marks = ["%d" if not decimals else f"%.{decimals}f" for decimals in self.decimals]
        words = [text.replace("%", "%%") for text in self.texts]
        row = "".join(text + mark for text, mark in zip(words, [*marks, ""], strict=True))
        cells: list[list[int] | list[float]] = [
            column.tolist() if not decimals else (column / 10**decimals).tolist()
            for column, decimals in zip(columns, self.decimals, strict=True)
        ]
        numbers = tuple(chain.from_iterable(zip(*cells, strict=True)))
        rows = (((row + "\0") * count) % numbers).encode().split(b"\0")[:count]
        ends = np.cumsum([0, *map(len, rows)])
        return b"".join(rows), np.asarray(ends, np.int64)


SUPPORTS = frozenset({"points", "ids", "ignored"})


def point_cents(batch: Batch, decimals: int = 2) -> list[Ints]:
    """Return x and y as whole multiples of 10^-decimals; heads in their image stay there."""
    limits = batch.sizes_wh[batch.frame_of_heads]
    points = batch.heads.points_xy
    return [fixed_within(points[:, k], limits[:, k], decimals) for k in (0, 1)]


def slices_of(text: bytes, starts: Ints, by_frame: Ragged) -> Iterable[bytes]:
    """Cut rows, which begin at `starts`, into one piece per frame."""
    for first, last in pairwise(starts[by_frame.offsets].tolist()):
        yield text[first:last]
