"""What a dataset says of its images follows their origin, and travels with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import gtahead, image, make_sequence, put

import gtahead as library

SIZE = (200, 100)
OF_GAMES = ("game", "synthetic", "rendered", "simulat", "not real", "machine-generated")


def photographs(root: Path) -> Path:
    """A folder as ShanghaiTech's points in a list, which doesn't say where images come from."""
    files: dict[str, str | bytes] = {"train.csv": "file,x,y\n"}
    rows = ""
    for number in range(4):
        files[f"{number}.jpg"] = image(number, SIZE)
        rows += "".join(f"{number}.jpg,{20 + 30 * n},{40 + n}\n" for n in range(5))
    return put(root, {**files, "train.csv": "file,x,y\n" + rows})


def stage(dataset: Path, out: Path, *more: str) -> str:
    words = ("--repo", "lab/heads", "--creator", "The lab", "--licence", "mit", "--out", out)
    done = gtahead("publish", "stage", dataset, *words, *more)
    assert done.code == 0, done.err
    return (out / "README.md").read_text(encoding="utf-8")


def test_nothing_of_a_game_is_said_of_photographs(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw")
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    options = ("--i-have-rights", "--annotators", "crowdsourced")
    card = stage(tmp_path / "set", tmp_path / "release", *options)
    croissant = json.loads((tmp_path / "release" / "croissant.json").read_text())
    assert "annotations_creators: [crowdsourced]" in card
    assert "source_datasets" not in card  # who reads labels doesn't know whether they are the first
    assert "photographs of real people" in card
    assert "some can be identified" in card
    assert croissant["rai:hasSyntheticData"] is False
    own = {key: value for key, value in croissant.items() if key not in ("citeAs", "@context")}
    for word in OF_GAMES:
        for text in (card, json.dumps(own)):
            lines = [line for line in text.splitlines() if "Boxes follow the rule" not in line]
            assert word not in "\n".join(lines).lower(), word
    assert gtahead("publish", "check", tmp_path / "release", "--no-load").code == 0


@pytest.mark.parametrize("origin", ["photographs", "unknown"])
def test_who_labelled_photographs_and_whose_they_are_is_asked(tmp_path: Path, origin: str) -> None:
    raw = photographs(tmp_path / "raw")
    library.build(raw, tmp_path / "set", origin=origin, workers=1)
    words = ("publish", "stage", tmp_path / "set", "--repo", "lab/heads", "--creator", "The lab")
    out = ("--out", tmp_path / "release")
    unsaid = gtahead(*words, *out).err
    assert "may not be yours" in unsaid or origin == "photographs"
    for option in ("--i-have-rights", "--licence NAME", "--annotators WORD"):
        assert option in unsaid  # all at once, not one after the other
    done = gtahead(*words, *out, "--i-have-rights")
    assert done.code == 2
    assert "--licence NAME" in done.err
    done = gtahead(*words, *out, "--i-have-rights", "--licence", "mit")
    assert done.code == 2
    assert "--annotators" in done.err
    assert not (tmp_path / "release").exists()


@pytest.mark.parametrize(
    ("given", "said"), [(None, "unknown"), ("photographs", "photographs"), ("game", "game")]
)
def test_the_origin_of_labels_is_what_is_given(
    tmp_path: Path, given: str | None, said: str
) -> None:
    raw = photographs(tmp_path / "raw")
    report = library.build(raw, tmp_path / "set", origin=given, workers=1)
    assert report.manifest["origin"] == said
    assert library.Dataset.open(tmp_path / "set").manifest.origin == said
    assert f"origin {said}" in gtahead("info", tmp_path / "set").out


@pytest.mark.parametrize("name", ["coco", "yolo", "points-csv", "huggingface", "mot"])
def test_an_export_keeps_its_origin(tmp_path: Path, name: str) -> None:
    raw = photographs(tmp_path / "raw")
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    library.export(tmp_path / "set", tmp_path / "there", format=name, allow_lossy=True)
    report = library.build(tmp_path / "there", tmp_path / "back", workers=1)
    assert report.manifest["origin"] == "photographs"


def test_sequences_of_several_origins_keep_theirs(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    make_sequence(raw, "drawn", simulated=True)
    make_sequence(raw, "captured")
    report = library.build(raw, tmp_path / "set", workers=1)
    assert report.manifest["origin"] == "mixed"
    library.export(tmp_path / "set", tmp_path / "there", format="points-json", allow_lossy=True)
    back = library.build(tmp_path / "there", tmp_path / "back", workers=1).manifest
    assert {one["sequence"]: one["origin"] for one in back["sources"]} == {
        "drawn": "simulated",
        "captured": "game",
    }
    card = stage(tmp_path / "set", tmp_path / "release", "--images", "none")
    assert "in part captured in a game, in part drawn by gtahead's crowd simulator" in card


def test_an_origin_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(library.UsageError, match="--origin"):
        library.build(photographs(tmp_path / "raw"), tmp_path / "set", origin="photos", workers=1)
