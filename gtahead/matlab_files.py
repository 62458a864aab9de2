"""MATLAB's .mat files (version 5) that others may have made: looked over before SciPy reads them.

A file of a few bytes may claim cells beyond all memory, and SciPy reads nested ones recursively,
without end.
"""

from __future__ import annotations

import math
import struct
import zlib

MOST_BYTES = 2**26
"""Of a variable once it's unpacked: four million points."""

DEEPEST = 32
"""How deep cells and structs may stand in one another."""

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_HOLDERS = (1, 2, 3)  # cell, struct, object: each part has a tag of 8 bytes at least
_SPARSE, _TAG_BYTES = 5, 8


def refuse_bomb(data: bytes) -> None:
    """Walk through the elements of a file, and see that what they claim is there.

    Raises:
        ValueError: more is claimed than is there, or things stand too deep in one another.
    """
    if len(data) < _HEADER_BYTES or data[126:128] not in (b"IM", b"MI"):
        return  # no version 5: SciPy says what it is
    order = "<" if data[126:128] == b"IM" else ">"
    waiting = [(memoryview(data)[_HEADER_BYTES:], 0)]
    budget = MOST_BYTES
    while waiting:
        part, depth = waiting.pop()
        if depth > DEEPEST:
            msg = f"cells or structs in one another, over {DEEPEST} deep"
            raise ValueError(msg)
        for kind, body in _elements(part, order):
            if kind == _COMPRESSED:
                unpacked = _unpacked(body, budget)
                budget -= len(unpacked)
                waiting.append((memoryview(unpacked), depth))
            elif kind == _MATRIX:
                waiting.append((_checked(body, order), depth + 1))


def _elements(part: memoryview, order: str) -> list[tuple[int, memoryview]]:
    """Cut a stretch into its elements; what doesn't fit any more is left to SciPy."""
    found, place = [], 0
    while place + _TAG_BYTES <= len(part):
        kind, size = struct.unpack_from(order + "II", part, place)
        if kind >> 16:  # a small element: its size and bytes stand in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            found.append((kind, part[place + 4 : place + 4 + size]))
            place += _TAG_BYTES
            continue
        place += _TAG_BYTES
        found.append((kind, part[place : place + size]))
        place += size if kind == _COMPRESSED else -(-size // 8) * 8
    return found


def _unpacked(body: memoryview, most: int) -> bytes:
    try:
        unpacked = zlib.decompressobj().decompress(body, most + 1)
    except zlib.error:
        return b""
    if len(unpacked) > most:
        msg = f"a variable of over {MOST_BYTES:,} bytes once it's unpacked"
        raise ValueError(msg)
    return unpacked


def _checked(body: memoryview, order: str) -> memoryview:
    """Hold an array's claimed size against its bytes; give what may hold further arrays."""
    head = _elements(body[:4096], order)[:2]  # flags, dimensions
    if len(head) < 2 or len(head[0][1]) < 4:
        return body[:0]
    kind = struct.unpack_from(order + "I", head[0][1])[0] & 0xFF
    dims = struct.unpack(f"{order}{len(head[1][1]) // 4}i", head[1][1][: len(head[1][1]) // 4 * 4])
    holds = kind in _HOLDERS
    claimed = math.prod(max(side, 0) for side in dims) * (_TAG_BYTES if holds else 1)
    if kind != _SPARSE and claimed > len(body):
        msg = f"an array of {' x '.join(map(str, dims))} in {len(body):,} bytes"
        raise ValueError(msg)
    return body if holds else body[:0]
