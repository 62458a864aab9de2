"""Labels that lag behind the images, and captures whose labels don't."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

import gtahead as library


def shift(captures: Path, frames: int) -> None:
    """Move the labels of every sequence by some frames."""
    for path in captures.glob("*/heads.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            head, *rows = list(csv.reader(file))
        last = max((int(row[0]) for row in rows), default=0)
        moved = [[str(int(row[0]) + frames), *row[1:]] for row in rows]
        kept = [row for row in moved if 0 <= int(row[0]) <= last]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *kept])


@pytest.mark.parametrize("frames", [2, -1])
def test_a_lag_is_found_and_named(tiny_captures: Path, tmp_path: Path, frames: int) -> None:
    shutil.copytree(tiny_captures, tmp_path / "captures")
    shift(tmp_path / "captures", frames)
    checked = library.validate(tmp_path / "captures", workers=1)
    (lag,) = (finding for finding in checked if finding.code == "label-lag")
    number = abs(frames)
    word = "late" if frames > 0 else "early"
    assert lag.value == f"{number} frame{'s' * (number > 1)} {word}"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_seeds_with_and_without(tmp_path: Path, seed: int) -> None:
    library.simulate(tmp_path / "captures", preset="tiny", seed=seed)
    plain = library.validate(tmp_path / "captures", workers=1).finish().totals
    assert set(plain) <= {"head-outside-frame"}
    shift(tmp_path / "captures", 2)
    found = library.validate(tmp_path / "captures", workers=1).finish()
    assert [one.value for one in found.examples["label-lag"]] == ["2 frames late"]


def test_speeds_and_jumps(tiny_captures: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_captures, tmp_path / "captures")
    path = sorted((tmp_path / "captures").glob("*/heads.csv"))[-1]
    crowded = max((tmp_path / "captures").glob("*/heads.csv"), key=lambda one: one.stat().st_size)
    for file, edit in ((path, "fast"), (crowded, "jump")):
        with file.open(newline="", encoding="utf-8") as source:
            head, *rows = list(csv.reader(source))
        if edit == "fast":
            row = next(row for row in rows if row[0] == "3")
            row[head.index("world_x_m")] = str(float(row[head.index("world_x_m")]) + 100)
        else:
            rows = [row for row in rows if row[0] != "4"]
        with file.open("w", newline="", encoding="utf-8") as target:
            csv.writer(target, lineterminator="\n").writerows([head, *rows])
    found = library.validate(tmp_path / "captures", workers=1, images="none").finish().totals
    assert found["speed-impossible"] == 2  # there, and back
    assert found["count-jump"] == 2
