"""`diff`: what changed, and which version that makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import gtahead, make_sequence, write_rows

import gtahead as library

ROWS = ["0,1,10.5,20.25,8", "0,2,30,21,9.5", "1,1,11.5,20.5,8", "2,2,33.5,37.5,2"]


def built(root: Path, name: str, *options: str) -> Path:
    out = root / name
    done = gtahead("build", "--raw", root / "captures", "--out", out, *options)
    assert done.code == 0, done.err
    return out


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    for name, split in (("seq_a", "train"), ("seq_b", "test")):
        make_sequence(tmp_path / "captures", name, rows=ROWS, split=split)
    return tmp_path / "captures"


def test_nothing_changed(captures: Path, tmp_path: Path) -> None:
    one, two = built(tmp_path, "one"), built(tmp_path, "two", "--images", "copy")
    done = gtahead("diff", one, two)
    assert done.code == 0
    assert done.out == "The same data, packed anew.\npatch; version: unknown\n"


def test_sequences_and_frames_that_are_new_are_minor(captures: Path, tmp_path: Path) -> None:
    one = built(tmp_path, "one")
    make_sequence(captures, "seq_c", split="validation")
    found = library.diff(one, built(tmp_path, "two"))
    assert dict(found.counts) == {"sequences added": 1, "frames added": 4}
    assert found.level == "minor"
    back = library.diff(tmp_path / "two", one)
    assert dict(back.counts) == {"sequences removed": 1, "frames removed": 4}
    assert back.level == "major"


@pytest.mark.parametrize(
    ("rows", "kind", "count"),
    [
        ([*ROWS[:3], "2,2,34.5,37.5,2"], "heads moved", 1),
        (ROWS[:3], "heads removed", 1),
        ([*ROWS, "3,7,20,20,8"], "heads added", 1),
        ([*ROWS[:3], "2,2,33.5,37.5,1.5"], "heads with another box", 1),
    ],
)
def test_labels_of_frames_that_were_there_are_major(
    rows: list[str], kind: str, count: int, captures: Path, tmp_path: Path
) -> None:
    one = built(tmp_path, "one")
    write_rows(captures / "seq_a", rows)
    done = gtahead("diff", one, built(tmp_path, "two"), "--json")
    assert done.code == 1
    assert done.json["counts"][kind] == count
    assert done.json["level"] == "major"


def test_rules_policies_and_images(captures: Path, tmp_path: Path) -> None:
    one = built(tmp_path, "one")
    assert gtahead("annotate", built(tmp_path, "two"), "--sigma", "fixed:8").code == 0
    assert dict(library.diff(one, tmp_path / "two").counts) == {"heads with another sigma": 8}
    three = built(tmp_path, "three", "--count-policy", "all")
    found = library.diff(one, three)
    assert found.policy is not None
    assert found.level == "major"
    assert "count policy" in found.changes
    four = built(tmp_path, "four", "--images", "none")
    gone, back = library.diff(one, four), library.diff(four, one)
    assert (gone.level, dict(gone.counts)) == ("major", {"images removed": 8})
    assert (back.level, dict(back.counts)) == ("minor", {"images added": 8})
    path = captures / "seq_a" / "frames" / "000000.jpg"
    path.unlink()
    shutil.copy(captures / "seq_b" / "frames" / "000001.jpg", path)
    five = built(tmp_path, "five")
    assert library.diff(one, five).counts["images changed"] == 1


def test_the_next_version_is_proposed(staged: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_dataset, copy)
    done = gtahead("diff", staged, copy)
    assert done.code == 0
    assert "patch; version: 1.0.0 -> 1.0.1" in done.out
    assert gtahead("annotate", copy, "--sigma", "fixed:8").code == 0
    done = gtahead("diff", staged, copy)
    assert done.code == 1
    assert "major; version: 1.0.0 -> 2.0.0" in done.out
    assert done.out.startswith("3,329 heads with another sigma.\n")


def test_what_is_no_dataset(captures: Path, staged: Path) -> None:
    done = gtahead("diff", staged, captures)
    assert done.code == 1
    assert "not a gtahead dataset" in done.err
