"""Rows of numbers as text, by a compiled loop; see `RowFormat` in `text`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import uint64

from gtahead.arrays import Bytes, Ints
from gtahead.compiling import compiled

Whole = Any
"""numba's uint64 or int64: offsets count without a sign, so that no index wraps around."""

_PAIRS = np.frombuffer("".join(f"{n:02d}" for n in range(100)).encode(), np.uint8).copy()
_POWERS = np.array([10**n for n in range(10)], np.uint64)
_ZERO, _MINUS, _DOT = 48, 45, 46

BUFFER_BYTES = 32_000_000
"""Of rows in general: a batch's, with few exceptions."""


@compiled
def put_whole(out: Bytes, position: Whole, number: Whole) -> Whole:
    """Write a number that isn't negative; return the position after it."""
    length: Whole = uint64(1)
    for power in range(1, 8):  # comparisons are much cheaper than divisions
        if number >= _POWERS[power]:
            length = uint64(power + 1)
    if length == uint64(8):
        rest = number // _POWERS[8]
        while rest > uint64(0):
            rest //= uint64(10)
            length += uint64(1)
    end = position + length
    at = end
    while number >= uint64(100):
        rest = number // uint64(100)
        pair = (number - rest * uint64(100)) * uint64(2)
        number = rest
        at -= uint64(2)
        out[at] = _PAIRS[pair]
        out[at + uint64(1)] = _PAIRS[pair + uint64(1)]
    if number >= uint64(10):
        out[position] = _PAIRS[number * uint64(2)]
        out[position + uint64(1)] = _PAIRS[number * uint64(2) + uint64(1)]
    else:
        out[position] = uint64(_ZERO) + number
    return end


@compiled
def put_fixed(out: Bytes, position: Whole, number: Whole, decimals: int) -> Whole:
    """Write a whole multiple of 10^-decimals; return the position after it."""
    if number < 0:
        out[position] = _MINUS
        position += uint64(1)
        number = -number
    size: Whole = uint64(number)
    if decimals == 0:
        return put_whole(out, position, size)
    if decimals == 2:  # by far the most
        whole = size // uint64(100)
        pair = (size - whole * uint64(100)) * uint64(2)
        position = put_whole(out, position, whole)
        out[position] = _DOT
        out[position + uint64(1)] = _PAIRS[pair]
        out[position + uint64(2)] = _PAIRS[pair + uint64(1)]
        return position + uint64(3)
    whole = size // _POWERS[decimals]
    rest = size - whole * _POWERS[decimals]
    position = put_whole(out, position, whole)
    out[position] = _DOT
    end = position + uint64(decimals)
    at = end
    while at > position:
        out[at] = uint64(_ZERO) + rest % uint64(10)
        rest //= uint64(10)
        at -= uint64(1)
    return end + uint64(1)


@compiled
def _rows(
    out: Bytes, texts: Bytes, starts: Ints, decimals: Ints, values: Ints, lengths: Ints
) -> int:
    position: Whole = uint64(0)
    fields = len(decimals)
    for row in range(values.shape[1]):
        first = position
        for index in range(fields):
            for at in range(uint64(starts[index]), uint64(starts[index + 1])):
                out[position] = texts[at]
                position += uint64(1)
            position = put_fixed(out, position, values[index, row], decimals[index])
        for at in range(uint64(starts[fields]), uint64(starts[fields + 1])):
            out[position] = texts[at]
            position += uint64(1)
        lengths[row] = position - first
    return int(position)


def render(
    texts: Sequence[str], decimals: Sequence[int], columns: Sequence[npt.NDArray[np.integer]]
) -> tuple[bytes, Ints]:
    """Write rows as `RowFormat.render` does."""
    words = [text.encode() for text in texts]
    joined = np.frombuffer(b"".join(words) or b"\0", np.uint8)
    starts = np.cumsum([0, *map(len, words)], dtype=np.int64)
    values = np.stack([np.asarray(column, np.int64) for column in columns])
    widest = int(starts[-1]) + DIGITS * len(decimals)
    count = values.shape[1]
    at_once = max(1, BUFFER_BYTES // widest)
    out = np.empty(widest * min(count, at_once), np.uint8)
    ends = np.zeros(count + 1, np.int64)
    pieces = []
    kinds = np.array(decimals, np.int64)
    for first in range(0, count, at_once):
        some = np.ascontiguousarray(values[:, first : first + at_once])
        lengths = ends[first + 1 : first + 1 + some.shape[1]]
        size = _rows(out, joined, starts, kinds, some, lengths)
        pieces.append(out[:size].tobytes())
    np.cumsum(ends, out=ends)
    return b"".join(pieces), ends


DIGITS = 20
"""Most characters of a number, with sign and point."""
