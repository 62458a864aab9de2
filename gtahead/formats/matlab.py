"""MATLAB's .mat files of points, read and written without MATLAB."""

from __future__ import annotations

import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import storage
from gtahead.arrays import Columns, Floats
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.ingest.labelled import LabelledImage, Load, load_each, note_count, own_labels

_HEADER = b"MATLAB 5.0 MAT-file, written by gtahead".ljust(116)

MATLAB_ORIGIN = (
    "0-based as every loader takes them; MATLAB's own count from 1, and the files don't say which"
)


_OF_DAMAGE = (TypeError, KeyError, IndexError, NotImplementedError, OverflowError, MemoryError)
"""What scipy raises of damaged files; their headers may ask for arrays beyond all memory."""


def save_mat(path: Path, variables: dict[str, Any]) -> None:
    """Write a MAT v5 file without the date and the platform that scipy puts into it."""
    from scipy.io import savemat

    out = io.BytesIO()
    savemat(out, variables, format="5", do_compression=True)
    path.write_bytes(_HEADER + out.getvalue()[len(_HEADER) :])


def read_variable(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever MATLAB wrote
    """Read one variable of a MAT file.

    Raises:
        ValueError: unreadable, or no such variable; with the reason.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        data = storage.read_bytes(path)
        if not data:
            raise ValueError("the file is empty")
        if data.startswith(b"MATLAB 7.3"):
            raise ValueError("MATLAB 7.3 files (HDF5) aren't read: save it with -v7")
        refuse_bomb(data)
        found = loadmat(io.BytesIO(data), variable_names=[name])
    except FileNotFoundError:
        raise
    except (OSError, MatReadError, zlib.error, *_OF_DAMAGE) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if name not in found:
        raise ValueError(f"there is no variable {name}")
    return found[name]


MAX_NESTED = 10
"""Cells and structs of one element around the points."""


def unwrapped(value: Any) -> Any:  # noqa: ANN401 - whatever MATLAB wrote
    """Unwrap cells and structs of one element, however they are nested, down to the points."""
    for _ in range(MAX_NESTED):
        if not isinstance(value, np.ndarray | np.void):
            break
        names = value.dtype.names
        if names and "location" in names:
            value = value["location"]
        elif value.dtype == object and value.size == 1:
            value = value.reshape(-1)[0]
        else:
            break
    return value


def as_points(value: Any) -> Floats:  # noqa: ANN401 - whatever MATLAB wrote
    """Return (N, 2) points.

    Raises:
        ValueError: it's something else: nothing is turned or cut to fit.
    """
    table = np.asarray(value)
    if table.dtype.kind not in "iuf" and table.dtype != object:
        raise ValueError("the points aren't numbers")
    try:
        points = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("the points aren't numbers") from error
    if points.size == 0:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"the points have the shape {points.shape} instead of (N, 2)")
    return points


def reported_count(value: Any) -> object:  # noqa: ANN401 - whatever MATLAB wrote
    """Return the `number` beside a struct's `location`; None where there is none."""
    for _ in range(MAX_NESTED):
        if not isinstance(value, np.ndarray | np.void):
            return None
        names = value.dtype.names
        if names and "number" in names:
            number = np.asarray(unwrapped(value["number"]), object).reshape(-1)
            return number[0] if number.size == 1 else None
        if value.dtype != object or value.size != 1:
            return None
        value = value.reshape(-1)[0]
    return None


def load_points(root: Path, name: str) -> Load:
    """Return a function that reads each image's file, whose variable `name` has (N, 2) points."""

    def one(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        value = read_variable(own_labels(root, image), name)
        points = as_points(unwrapped(value))
        note_count(reported_count(value), len(points), findings, location)
        return {"x": points[:, 0], "y": points[:, 1]}

    return load_each(one, ["x", "y"])


MAX_BYTES = 2**26
"""Of a variable once it's unpacked: four million points."""

MAX_DEPTH = 32
"""How deep cells and structs may stand in one another."""

_HEADER_BYTES = 128
_MATRIX, _COMPRESSED = 14, 15
_HOLDERS = (1, 2, 3)  # cell, struct, object: each part has a tag of 8 bytes at least
_SPARSE, _TAG_BYTES = 5, 8


def refuse_bomb(data: bytes) -> None:
    """Refuse a file whose elements claim more data than it holds.

    Raises:
        ValueError: more is claimed than is there, or things stand too deep in one another.
    """
    if len(data) < _HEADER_BYTES or data[126:128] not in (b"IM", b"MI"):
        return  # no version 5: SciPy says what it is
    order = "<" if data[126:128] == b"IM" else ">"
    waiting = [(memoryview(data)[_HEADER_BYTES:], 0)]
    budget = MAX_BYTES
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"cells or structs nested over {MAX_DEPTH} deep")
        for kind, body in _elements(part, order):
            if kind == _COMPRESSED:
                unpacked = _unpacked(body, budget)
                budget -= len(unpacked)
                waiting.append((memoryview(unpacked), depth))
            elif kind == _MATRIX:
                waiting.append((_checked(body, order), depth + 1))


def _elements(part: memoryview, order: str) -> list[tuple[int, memoryview]]:
    """Cut a stretch of bytes into its elements; what doesn't fit is left to SciPy."""
    found, position = [], 0
    while position + _TAG_BYTES <= len(part):
        kind, size = struct.unpack_from(order + "II", part, position)
        if kind >> 16:  # a small element: its size and bytes stand in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            found.append((kind, part[position + 4 : position + 4 + size]))
            position += _TAG_BYTES
            continue
        position += _TAG_BYTES
        found.append((kind, part[position : position + size]))
        position += size if kind == _COMPRESSED else -(-size // 8) * 8
    return found


def _unpacked(body: memoryview, most: int) -> bytes:
    try:
        unpacked = zlib.decompressobj().decompress(body, most + 1)
    except zlib.error:
        return b""
    if len(unpacked) > most:
        raise ValueError(f"a variable of over {MAX_BYTES:,} bytes once it's unpacked")
    return unpacked


def _checked(body: memoryview, order: str) -> memoryview:
    """Check an array's claimed size against its bytes; return what may hold further arrays."""
    head = _elements(body[:4096], order)[:2]  # flags, dimensions
    if len(head) < 2 or len(head[0][1]) < 4:
        return body[:0]
    kind = struct.unpack_from(order + "I", head[0][1])[0] & 0xFF
    dims = struct.unpack(f"{order}{len(head[1][1]) // 4}i", head[1][1][: len(head[1][1]) // 4 * 4])
    is_container = kind in _HOLDERS
    claimed = math.prod(max(side, 0) for side in dims) * (_TAG_BYTES if is_container else 1)
    if kind != _SPARSE and claimed > len(body):
        raise ValueError(f"an array of {' x '.join(map(str, dims))} in {len(body):,} bytes")
    return body if is_container else body[:0]
