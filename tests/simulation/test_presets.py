"""What a preset can be, and what overrules it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead

import gtahead as library
from gtahead import UsageError, simulate
from gtahead.simulation.planning import plan
from gtahead.simulation.preset_files import preset_of, read_preset
from gtahead.simulation.presets import PRESETS, Overrides

LOBBY = {
    "size": "[96, 64]",
    "sequences": "5",
    "frames": "2",
    "heads": "[2, 20]",
    "places": "{ station = 2, hall = 1 }",
    "photographs": "true",
    "head_px": "[10, 24]",
    "splits": "{ train = 3, validation = 1, test = 1 }",
}


def written(folder: Path, **changes: str | None) -> Path:
    """Write a preset with some keys changed, or left out."""
    keys = {name: value for name, value in {**LOBBY, **changes}.items() if value is not None}
    path = folder / "lobby.toml"
    path.write_text("".join(f"{name} = {value}\n" for name, value in keys.items()))
    return path


def test_a_file_is_a_preset(tmp_path: Path) -> None:
    path = written(tmp_path)
    plans = plan(read_preset(path), 0)
    assert len(plans) == 5
    assert {one.size_wh for one in plans} == {(96, 64)}
    assert sorted(one.heads for one in plans) == pytest.approx(np.geomspace(2, 20, 5))
    assert {one.place for one in plans} <= {"station", "hall"}
    assert all(one.photographs and one.frames == 2 for one in plans)
    assert sorted(str(one.split) for one in plans) == ["test", *["train"] * 3, "validation"]
    out = tmp_path / "captures"
    done = gtahead("simulate", "--preset", path, "--out", out, "--workers", 1, "--json")
    assert done.code == 0, done.err
    assert done.json["preset"] == "lobby"
    again = library.simulate(out, preset=path, workers=1)
    assert (again.written, again.reused) == (0, 5)
    written(tmp_path, heads="[2, 19]")  # by the same name
    with pytest.raises(library.InputError, match="the folder holds another capture"):
        library.simulate(out, preset=path, workers=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": "3"}, ": no such key (got 'sizes')"),
        ({"frames": None}, ": frames is missing;"),
        ({"frames": '"two"'}, " > /frames: a whole number is expected (got 'two')"),
        ({"frames": "0"}, " > /frames: a whole number >= 1 is expected (got 0)"),
        ({"size": "[96, 9000]"}, " > /size/1: a whole number <= 8192 is expected (got 9000)"),
        ({"size": "[96]"}, " > /size: 2 values are expected"),
        ({"heads": "[20, 2]"}, " > /heads: a range goes from its smallest to its largest value"),
        ({"heads": "[nan, 2]"}, " > /heads/0: a number >= 0 is expected (got nan)"),
        ({"head_px": "[24, inf]"}, " > /head_px/1: a number <= 1000 is expected (got inf)"),
        ({"head_px": None}, " > /head_px: photographs need head_px"),
        ({"places": "{ moon = 1 }"}, " > /places: no such place (got 'moon')"),
        ({"places": "{}"}, " > /places: no such place;"),
        ({"distortion": "0.7"}, " > /distortion: a number <= 0.5 is expected (got 0.7)"),
        ({"places": "{ hall = 0 }"}, " > /places/hall: a number > 0 is expected (got 0);"),
        ({"distortion": "true"}, " > /distortion: a number is expected (got True);"),
        ({"splits": "{}"}, " > /splits: no split is named; leave it out"),
        ({"splits": "{ train = -1 }"}, " > /splits/train: a whole number >= 1 is expected"),
        ({"locations": "1", "splits": "{ train = 1, test = 1 }"}, " > /locations: sequences of"),
        ({"photographs": "false"}, " > /places: a room needs cameras under its ceiling"),
        ({"splits": "{ dev = 1 }"}, " > /splits: a value that isn't known here (got 'dev')"),
        ({"splits": "3 3"}, ": not TOML: "),
    ],
)
def test_files_that_are_wrong(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, **changes)
    done = gtahead("simulate", "--preset", path, "--out", tmp_path / "captures")
    assert done.code == 1
    assert f"{path}" in done.err
    assert message in done.err
    assert not (tmp_path / "captures").exists()


def test_what_editors_of_windows_leave_is_read(tmp_path: Path) -> None:
    path = written(tmp_path).rename(tmp_path / "LOBBY.TOML")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert preset_of(path) == replace(preset_of(written(tmp_path)), name="LOBBY")
    other = tmp_path / os.fsdecode(b"\xff.toml")
    path.rename(other)
    done = gtahead("simulate", "--preset", other, "--out", tmp_path / "captures")
    assert done.code == 1
    assert "a preset can't have this name" in done.err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": (1,)}, "frames: frames and heads must be given for the same sequences"),
        ({"heads": (1.0,) * 6 + (3e4,)}, "heads: no sequence can be so short or full"),
        ({"locations": 0}, "locations: sequences of different splits would share"),
        ({"splits": {"train": 4}, "locations": 6}, "locations: sequences of different splits"),
        ({"places": {"moon": 1.0}}, "places: no such place (got 'moon')"),
        ({"places": {"office": 1.0}}, "places: a room needs cameras under its ceiling"),
        ({"photographs": True}, "head_px: photographs need head_px"),
        ({"distortion": 0.9}, "distortion: the distortion must be from 0 to 0.5 (got 0.9)"),
    ],
)
def test_presets_in_python_are_checked(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        replace(PRESETS["tiny"], **changes)


def test_every_split_has_sequences_however_few_they_are() -> None:
    for name in ("mfl-lab", "mfl-dense", "heads", "crowds"):
        splits = PRESETS[name].splits
        assert splits is not None
        for count in range(1, 40):
            dealt = [one.split for one in plan(name, 0, Overrides(sequences=count))]
            assert set(dealt) == (set(splits) if count >= len(splits) else {None})
        usual = [one.split for one in plan(name, 0)]
        assert {split: usual.count(split) for split in splits} == splits


def test_too_few_heads_are_reported(tmp_path: Path) -> None:
    """Heads of 100 px and more leave no room for sixty of them."""
    path = written(tmp_path, sequences="2", heads="[60, 60]", head_px="[100, 100]")
    done = gtahead("simulate", "--preset", path, "--no-images", "--out", tmp_path / "captures")
    assert done.code == 0, done.err
    assert "under half of the heads that were wanted are in sight in 2 sequences" in done.out
    assert re.search(r"per frame: seq_00 \S+ of 60, seq_01 \S+ of 60; larger images", done.out)
    report = simulate(tmp_path / "captures", preset=path, images=False)
    assert report.short == {"seq_00": 60.0, "seq_01": 60.0}


def test_presets_that_are_not_there(tmp_path: Path) -> None:
    done = gtahead("simulate", "--preset", "huge", "--out", tmp_path / "captures")
    assert done.code == 2
    assert "one of tiny, small" in done.err
    done = gtahead("simulate", "--preset", tmp_path / "no.toml", "--out", tmp_path / "captures")
    assert done.code == 1
    assert "no.toml" in done.err


@pytest.mark.parametrize("name", PRESETS)
def test_sequences_and_frames_overrule_a_preset(name: str) -> None:
    preset = PRESETS[name]
    usual = plan(name, 0)
    assert Overrides(sequences=len(usual)).applied(preset) == preset
    for number in (1, 3, 2 * len(usual)):
        plans = plan(name, 0, Overrides(sequences=number, frames=4))
        assert len(plans) == number
        assert {one.frames for one in plans} == {4}
        most = max(one.heads for one in usual)
        assert all(0 < one.heads <= most or number > len(usual) for one in plans)
    middle = plan(name, 0, Overrides(sequences=1, heads=(10, 1000)))
    assert middle[0].heads == pytest.approx(100)


@pytest.mark.parametrize("option", ["--sequences", "--frames"])
def test_numbers_that_cannot_be(option: str, tmp_path: Path) -> None:
    for number in (0, -1, 100_001):
        done = gtahead("simulate", option, number, "--out", tmp_path / "captures")
        assert done.code == 2
        assert f"the number of {option[2:]} must be from 1 to 100000" in done.err


def test_a_sheet_shows_no_frame_twice(tmp_path: Path) -> None:
    out, sheet = tmp_path / "captures", tmp_path / "sheet.png"
    size = ["--sequences", 3, "--frames", 1, "--size", "96x64", "--workers", 1]
    done = gtahead("simulate", *size, "--out", out, "--contact-sheet", sheet)
    assert done.code == 0, done.err
    assert len(list(out.glob("seq_*/sequence.json"))) == 3
    assert json.loads((out / "seq_00" / "sequence.json").read_text())["width"] == 96
    import cv2

    height, width = cv2.imread(str(sheet)).shape[:2]
    assert width == 4 * 480
    assert height < 2 * 480  # two rows of pairs: the fourth tile is empty


def test_a_file_can_lie_behind_a_url(tmp_path: Path) -> None:
    url = written(tmp_path, sequences="1", splits=None).as_uri()
    report = library.simulate(tmp_path / "captures", preset=url, images=False, workers=1)
    assert (report.preset, len(report.sequences)) == ("lobby", 1)
