"""Damage to files: bytes, numbers, and values of another type."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

_WORDS = (b"nan", b"1e400", b"-", b",,", b"\n", b'"', b"99999999999999999999", b"\xff")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Change some bytes of a file: others, fewer, odd words, or an early end."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        position = chance.randrange(len(changed) or 1)
        what = chance.random()
        if what < 0.4 and changed:
            changed[position] = chance.randrange(256)
        elif what < 0.6:
            del changed[position : position + chance.randint(1, 20)]
        elif what < 0.8:
            changed[position:position] = chance.choice(_WORDS)
        else:
            changed = changed[:position] or bytearray(b" ")
    return bytes(changed)


VALUES: list[Any] = [None, True, False, 0, 1, -7, 2**63, 1.5, "", "1", "0", "head", [], [1], {}]
VALUES += [{"a": 1}, [[1, 2], [3]], [[1, 2, 3]], "true", "nan"]


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a JSON document."""
    found = [path] if path else []
    if isinstance(value, dict):
        for key, one in value.items():
            found += paths_in(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            found += paths_in(one, (*path, index))
    return found


def swapped_json(document: Any, chance: random.Random) -> Any:
    """Put a value of another type somewhere into a JSON document."""
    changed = copy.deepcopy(document)
    if not paths_in(changed):
        return chance.choice(VALUES)
    *way, last = chance.choice(paths_in(changed))
    holder = changed
    for key in way:
        holder = holder[key]
    old = holder[last]
    new = chance.choice([*VALUES, str(old), [old], {"value": old}])
    if type(new) is type(old) and new != old and not isinstance(old, dict | list):
        new = str(old)  # another value of the same type is another label, not a mistake
    holder[last] = new
    return changed


def swapped_lines(data: bytes, chance: random.Random) -> bytes:
    """Swap a value in one line of JSON Lines."""
    lines = data.splitlines()
    index = chance.randrange(len(lines))
    lines[index] = json.dumps(swapped_json(json.loads(lines[index]), chance)).encode()
    return b"\n".join(lines) + b"\n"


def swapped_words(data: bytes, chance: random.Random) -> bytes:
    """Replace a number or a word of a text, or drop or double it."""
    text = data.decode()
    words = list(re.finditer(r"[^\s,<>]+", text))
    if not words:
        return b"x"
    word = chance.choice(words)
    new = chance.choice(["", "x", "None", "nan", "[1]", "{}", "1e999", f"{word[0]} {word[0]}"])
    return (text[: word.start()] + new + text[word.end() :]).encode()


def swapped_tar(data: bytes, chance: random.Random) -> bytes:
    """Swap a value in one JSON of a tar."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(m.name, archive.extractfile(m).read()) for m in archive]  # type: ignore[union-attr]
    chosen = chance.choice([n for n, _ in members if n.endswith(".json")])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            if name == chosen:
                content = json.dumps(swapped_json(json.loads(content), chance)).encode()  # noqa: PLW2901
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def swapped_table(data: bytes, chance: random.Random) -> bytes:
    """Write a table of the hub anew by pyarrow, a value of its rows being of another type."""
    table = parquet.read_table(io.BytesIO(data))
    rows = table.select([name for name in table.column_names if name != "image"]).to_pylist()
    changed = swapped_json(rows, chance)
    out = io.BytesIO()
    try:
        parquet.write_table(pa.Table.from_pylist([r for r in changed if isinstance(r, dict)]), out)
    except (pa.ArrowException, AttributeError, TypeError, ValueError, OverflowError):
        return b"PAR1"  # no table can hold it
    return out.getvalue()


def swapped_mat(data: bytes, chance: random.Random) -> bytes:
    """Write a MAT file whose points have another shape or type."""
    import numpy as np
    from scipy.io import loadmat, savemat

    found = {k: v for k, v in loadmat(io.BytesIO(data)).items() if not k.startswith("__")}
    points = np.arange(10.0).reshape(5, 2)
    kinds: list[Any] = ["text", points.T, points[:, :1], points + 1j, points[None], {"a": 1}]
    kinds += [np.array([["1", "2"]]), np.array([points, 1], object), -1.0]
    out = io.BytesIO()
    savemat(out, dict.fromkeys(found, chance.choice(kinds)))
    return out.getvalue()


BY_SUFFIX: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": lambda data, chance: json.dumps(swapped_json(json.loads(data), chance)).encode(),
    ".jsonl": swapped_lines,
    ".odgt": swapped_lines,
    ".txt": swapped_words,
    ".csv": swapped_words,
    ".xml": swapped_words,
    ".yaml": swapped_words,
    ".tar": swapped_tar,
    ".parquet": swapped_table,
    ".mat": swapped_mat,
}


_NUMBER = re.compile(rb"-?\d+(\.\d+)?")
_EXTREMES = (b"0", b"-1", b"1e9", b"1e-9", b"-2147483649", b"4294967296", b"1e308", b"100000000")


def with_extreme(data: bytes, chance: random.Random) -> bytes:
    """Replace a number of a text by a very large, small or negative one."""
    numbers = list(_NUMBER.finditer(data))
    if not numbers:
        return data[: len(data) // 2]
    number = chance.choice(numbers)
    return data[: number.start()] + chance.choice(_EXTREMES) + data[number.end() :]


def damage(path: Path, chance: random.Random) -> None:
    """Damage a file in one of the ways that its kind has."""
    data = path.read_bytes()
    ways = [mutated]
    if path.suffix in BY_SUFFIX:
        ways += [BY_SUFFIX[path.suffix]] * 2
    if path.suffix not in _BINARY:
        ways.append(with_extreme)
    path.unlink()  # it may be a link
    path.write_bytes(chance.choice(ways)(data, chance))


_BINARY = {".jpg", ".png", ".tar", ".parquet", ".mat"}
