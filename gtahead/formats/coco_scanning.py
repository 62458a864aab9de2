"""COCO files into columns by a compiled loop, in memory of little more than file and columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from gtahead.dataset.tabular import Columns
from gtahead.formats.compiled import ODD, after_value, read_annotations

ROW_BYTES = 100
"""Of a short annotation: how many there may be is guessed from the file's size. What is guessed too
much is memory that is never touched."""

_BLANKS = b" \t\r\n"


def scan(data: bytes) -> tuple[dict[str, Any], Columns] | None:
    """Read a COCO file.

    Returns:
        Everything but the annotations, and their columns as `CocoFile` has them. None where
        anything is unexpected: the plain way then reads the file, or says what is wrong.
    """
    body = data.strip(_BLANKS) if data[-1:] in _BLANKS else data
    if body[:1] != b"{" or body[-1:] != b"}":
        return None
    view = np.frombuffer(body, np.uint8)
    place = 1
    rest: dict[str, Any] = {}
    columns: Columns | None = None
    while True:
        place = _after_blanks(body, place)
        if body[place : place + 1] == b"}":
            break
        key_end = body.find(b'"', place + 1)
        if body[place : place + 1] != b'"' or key_end < 0:
            return None
        key = body[place + 1 : key_end]
        place = _after_blanks(body, key_end + 1)
        if b"\\" in key or body[place : place + 1] != b":":
            return None
        place = _after_blanks(body, place + 1)
        if key == b"annotations":
            found = _annotations(body, view, place)
            if found is None:
                return None
            columns, place = found
        else:
            end = int(after_value(view, np.uint64(place))) if place < len(body) else 0
            if end == 0:
                return None
            try:
                rest[key.decode()] = orjson.loads(memoryview(body)[place:end])
            except (ValueError, UnicodeDecodeError):
                return None
            place = end
        place = _after_blanks(body, place)
        if body[place : place + 1] == b",":
            place = _after_blanks(body, place + 1)
            if body[place : place + 1] != b'"':
                return None
        elif body[place : place + 1] != b"}":
            return None
    if columns is None or place != len(body) - 1:
        return None
    return rest, columns


def _after_blanks(body: bytes, place: int) -> int:
    while body[place : place + 1] in (b" ", b"\t", b"\r", b"\n"):
        place += 1
    return place


def _annotations(body: bytes, view: Any, place: int) -> tuple[Columns, int] | None:  # noqa: ANN401
    if body[place : place + 1] != b"[":
        return None
    place = _after_blanks(body, place + 1)
    blocks: list[Columns] = []
    if body[place : place + 1] == b"]":
        return _joined([_block(0)]), place + 1
    ended = False
    while not ended:
        block = _block((len(body) - place) // ROW_BYTES + 1000)
        count, at, ended = read_annotations(view, np.uint64(place), *block.values())
        if count == ODD:
            return None
        place = int(at)
        blocks.append({name: values[:count] for name, values in block.items()})
    return _joined(blocks), place


def _block(rows: int) -> Columns:
    """Make arrays for so many annotations."""
    return {
        "id": np.empty(rows, np.int64),
        "image_id": np.empty(rows, np.int64),
        "category_id": np.empty(rows, np.int64),
        "keys": np.empty(rows, np.int8),
        "crowd": np.empty(rows, np.int8),
        "head_id": np.empty(rows, np.int64),
        "visibility": np.empty(rows),
        "occluded": np.empty(rows, np.int8),
        "bbox": np.empty((rows, 4)),
        "point": np.empty((rows, 2)),
    }


def _joined(blocks: list[Columns]) -> Columns:
    if len(blocks) == 1:
        return blocks[0]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
