"""A value of another type, in every field of every format: never a crash, never another count.

What may happen: the labels are refused, or something is said, or the same heads are read.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest
from damage import BY_SUFFIX
from helpers import examples

import gtahead
from gtahead import GtaheadError
from gtahead.findings import Findings, Ledger
from gtahead.ingest.model import BrokenSequence
from gtahead.readers import FORMAT_READERS

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
