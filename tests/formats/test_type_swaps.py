"""A value of another type, in every field of every format: never a crash, never another count.

What may happen: the labels are refused, or something is said, or the same heads are read.
"""

from __future__ import annotations

import copy
import io
import json
import os
import random
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from helpers import examples
from pyarrow import parquet

import gtahead
from gtahead import GtaheadError
from gtahead.findings import Findings, Ledger
from gtahead.ingest.model import BrokenSequence
from gtahead.readers import FORMAT_READERS

VALUES: list[Any] = [None, True, False, 0, 1, -7, 2**63, 1.5, "", "1", "0", "head", [], [1], {}]
VALUES += [{"a": 1}, [[1, 2], [3]], [[1, 2, 3]], "true", "nan"]

FIELDS_THAT_TELL_NOTHING = ("gtahead", "info")


def count(folder: Path, name: str) -> tuple[int, dict[str, int]] | None:
    """Read a folder: how many heads there are, and what is said; None where it's refused."""
    reader = FORMAT_READERS[name]
    findings, ledger = Findings(), Ledger()
    try:
        if reader.recognise(folder) is None:
            return None
        for source in reader.list_sequences(folder, findings):
            try:
                reader.read(source, findings, ledger)
            except BrokenSequence:
                continue
    except GtaheadError:
        return None
    return ledger.heads.kept, dict(findings.totals)


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


@pytest.mark.parametrize("name", sorted(FORMAT_READERS))
def test_a_value_of_another_type_is_said_or_changes_no_count(
    small_dataset: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    gtahead.export(small_dataset, out, format=name, allow_lossy=True, workers=1)
    (out / "export.json").unlink()  # as if it were other people's
    (out / "frames.csv").unlink(missing_ok=True)
    files = [
        path
        for path in sorted(out.rglob("*"))
        if path.suffix in BY_SUFFIX and path.is_file() and path.name != "image_labels.txt"
    ]
    before = count(out, name)
    assert before is not None
    chance = random.Random(name)
    silent = []
    for _ in range(examples(30)):
        path = chance.choice(files)
        kept = path.read_bytes()
        new = BY_SUFFIX[path.suffix](kept, chance)
        path.write_bytes(new)
        os.utime(path, ns=(chance.randrange(10**18), chance.randrange(10**18)))
        after = count(out, name)
        new_words = after and any(n > before[1].get(code, 0) for code, n in after[1].items())
        if after is not None and not new_words and after[0] != before[0]:
            silent.append((path.name, after, before, difference(kept, new)))
        path.write_bytes(kept)
    shutil.rmtree(out)
    assert silent == []


def difference(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """Return the stretch in which two texts differ, with some of what is around it."""
    first = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    return old[max(0, first - 60) : first + 60], new[max(0, first - 60) : first + 60]
