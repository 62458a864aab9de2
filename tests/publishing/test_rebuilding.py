"""One's own frames to published labels."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import but_slow, gtahead, manifest

import gtahead as library
from gtahead.images.reading import difference_hash
from gtahead.publishing.rebuilding import ALIKE, CLEAR_BITS, EXACT, NAMED
from gtahead.publishing.releases import HASH_CELLS


@pytest.fixture(scope="module")
def labels(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the labels alone."""
    out = tmp_path_factory.mktemp("labels") / "release"
    library.stage(
        tiny_dataset, out, repo="a/b", creator="x", images="none", date="2026-11-01", workers=1
    )
    return out


@pytest.fixture
def frames(tiny_captures: Path, tmp_path: Path) -> Path:
    """The frames as a user has them: in a folder of another name."""
    out = tmp_path / "mine"
    for path in sorted(tiny_captures.rglob("*.jpg")):
        to = out / path.parent.parent.name / path.name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    return out


def save_again(path: Path, quality: int = 70, suffix: str = ".jpg", scale: float = 1.0) -> Path:
    pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if scale != 1.0:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    path.unlink()
    to = path.with_suffix(suffix)
    to.write_bytes(data.tobytes())
    return to


def test_the_very_frames_give_the_very_dataset(
    labels: Path, frames: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = gtahead("rebuild", labels, "--frames", frames, "--out", out, "--json")
    assert done.code == 0, done.err
    assert done.json["matched"] == {EXACT: 56, ALIKE: 0, NAMED: 0}
    assert manifest(out)["fingerprints"] == manifest(tiny_dataset)["fingerprints"]
    assert manifest(out)["statistics"] == manifest(tiny_dataset)["statistics"]
    assert gtahead("validate", out, "--images", "full").code == 0
    assert gtahead("verify", out).code == 0


def test_names_do_not_matter_where_bytes_agree(labels: Path, frames: Path, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(frames.rglob("*.jpg"), reverse=True)):
        shutil.move(path, flat / f"снимок {number}.JPG")
    report = library.rebuild(labels, flat, tmp_path / "out")
    assert report.counts() == {EXACT: 56, ALIKE: 0, NAMED: 0}
    assert gtahead("verify", tmp_path / "out").code == 0


@pytest.mark.parametrize(("quality", "suffix"), but_slow([(60, ".jpg")], (90, ".png")))
def test_frames_that_were_saved_again(
    quality: int, suffix: str, labels: Path, frames: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    for path in sorted(frames.rglob("*.jpg")):
        save_again(path, quality, suffix)
    out = tmp_path / "out"
    done = gtahead(
        *("rebuild", labels, "--frames", frames, "--out", out),
        *("--report", tmp_path / "report.csv"),
    )
    assert done.code in (0, 3), done.err
    rows = list(csv.DictReader((tmp_path / "report.csv").open(encoding="utf-8")))
    right = [row for row in rows if row["frame_id"] and row["file"]]
    assert len(right) >= 48  # the others are as near to a neighbour, or nearer
    for row in right:  # what was matched is right: the names were kept
        assert row["file"] == f"{row['frame_id']}{suffix}"
    mine, source = manifest(out), manifest(tiny_dataset)
    assert mine["fingerprints"]["labels"] == source["fingerprints"]["labels"]
    assert mine["fingerprints"]["images"] != source["fingerprints"]["images"]
    assert gtahead("validate", out, "--images", "full").code == 0


def test_frames_that_were_saved_again_under_other_names_are_never_taken_for_others(
    labels: Path, frames: Path, tmp_path: Path
) -> None:
    """Neighbours look alike: where only the look is left, no match is better than a wrong one."""
    ground_truth = {}
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, path in enumerate(sorted(frames.rglob("*.jpg"))):
        frame_id = path.relative_to(frames).with_suffix("").as_posix()
        to = shutil.move(save_again(path, 75), flat / f"shot{number:04d}.jpg")
        ground_truth[Path(to).name] = frame_id
    report = library.rebuild(labels, flat, tmp_path / "out")
    assert len(report.matches) >= 20
    assert all(ground_truth[match.file] == match.frame_id for match in report.matches)
    assert {match.how for match in report.matches} == {ALIKE}
    held = len(report.matches) + len(report.ambiguous) + len(report.unused)
    assert held == 56
    assert sorted([m.frame_id for m in report.matches] + report.missing) == sorted(
        ground_truth.values()
    )


def test_other_sizes_and_other_files(labels: Path, frames: Path, tmp_path: Path) -> None:
    paths = sorted((frames / "seq_00").glob("*.jpg"))
    save_again(paths[0], scale=0.5)
    paths[1].write_bytes(b"not an image")
    paths[2].unlink()
    (frames / "holiday.jpg").write_bytes(
        cv2.imencode(".jpg", np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8))[1]
    )
    report = library.rebuild(labels, frames, tmp_path / "out")
    assert report.exit_code == 3
    assert report.wrong_size == ["seq_00/000000.jpg"]
    assert report.unreadable == ["seq_00/000001.jpg"]
    assert report.unused == ["holiday.jpg"]
    assert report.missing == ["seq_00/000000", "seq_00/000001", "seq_00/000002"]
    assert gtahead("verify", tmp_path / "out").code == 0
    dataset = library.Dataset.open(tmp_path / "out")
    assert dataset["seq_00/000002"].image_path is None
    assert dataset["seq_00/000003"].image_path is not None


def test_what_cannot_be_rebuilt(labels: Path, frames: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    out = tmp_path / "out"
    for folder, message in ((nothing, "no images"), (tmp_path / "gone", "no such folder")):
        done = gtahead("rebuild", labels, "--frames", folder, "--out", out)
        assert done.code == 1
        assert message in done.err
    image = np.random.default_rng(2).integers(0, 255, (360, 640, 3), np.uint8)
    (nothing / "a.png").write_bytes(cv2.imencode(".png", image)[1])
    done = gtahead("rebuild", labels, "--frames", nothing, "--out", out)
    assert done.code == 1
    assert "none of the images belongs to these labels" in done.err
    assert not out.exists()
    assert gtahead("rebuild", labels, "--frames", frames, "--out", frames / "x").code == 2
    assert gtahead("rebuild", labels, "--frames", frames, "--out", labels).code == 2
    (frames / "hashes").mkdir()
    copy = tmp_path / "copy"
    shutil.copytree(labels, copy)
    whole = (copy / "image-hashes.csv").read_text().splitlines()
    for line, text in ((2, "x"), (5, whole[4][:-3]), (5, whole[4][:-1] + "z"), (5, "x")):
        lines = ["frame_id", "x"] if line == 2 else [*whole[:4], text, *whole[5:]]
        (copy / "image-hashes.csv").write_text("\n".join(lines) + "\n")
        done = gtahead("rebuild", copy, "--frames", frames, "--out", out)
        assert done.code == 1
        assert f"image-hashes.csv > line {line}: the hashes can't be read" in done.err
    assert not out.exists()


def test_names_that_are_shifted_by_one_lead_nobody_astray(
    labels: Path, frames: Path, tmp_path: Path
) -> None:
    """Frames were saved again, and counted from 1: the look has the last word."""
    shifted = tmp_path / "shifted"
    ground_truth = {}
    for path in sorted(frames.rglob("*.jpg")):
        frame_id = path.relative_to(frames).with_suffix("").as_posix()
        number = int(path.stem) + 1
        to = shifted / path.parent.name / f"{number:06d}.jpg"
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(save_again(path, 60), to)
        ground_truth[to.relative_to(shifted).as_posix()] = frame_id
    report = library.rebuild(labels, shifted, tmp_path / "out")
    wrong = [one for one in report.matches if ground_truth[one.file] != one.frame_id]
    assert len(report.matches) >= 10
    # Where next to nothing moves, JPEG can tilt the look to the frame that is named.
    assert len(wrong) <= 5
    assert {one.how for one in wrong} <= {NAMED}
    published = csv.DictReader((labels / "image-hashes.csv").open(encoding="utf-8"))
    hashes = {row["frame_id"]: int(row["difference_hash"], 16) for row in published}
    for one in wrong:
        mine = difference_hash((shifted / one.file).read_bytes(), cells=HASH_CELLS, reduced=False)
        right, chosen = (hashes[name] ^ mine for name in (ground_truth[one.file], one.frame_id))
        assert chosen.bit_count() == one.bits <= right.bit_count() < one.bits + CLEAR_BITS


def test_copies_links_and_files_that_cannot_be_read(
    labels: Path, frames: Path, tmp_path: Path
) -> None:
    shutil.copy(frames / "seq_00" / "000000.jpg", frames / "copy.jpg")
    (frames / "empty.jpg").write_bytes(b"")
    (frames / "folder.jpg").mkdir()
    (frames / "seq_00" / "loop").symlink_to(frames)
    report = library.rebuild(labels, frames, tmp_path / "out")
    assert report.exit_code == 0
    assert report.unreadable == ["empty.jpg"]
    assert len(report.unused) == 1
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "all").symlink_to(frames)
    assert library.rebuild(labels, linked, tmp_path / "again").exit_code == 0


@pytest.mark.parametrize("name", ["", "mine/seq_00/000000.jpg", "folder", "no/report.csv"])
def test_a_report_writes_over_nothing(
    name: str, labels: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    before = (frames / "seq_00" / "000000.jpg").read_bytes()
    done = gtahead("rebuild", labels, "--frames", frames, "--out", "out", "--report", name)
    assert done.code in (1, 2)
    assert (frames / "seq_00" / "000000.jpg").read_bytes() == before
    assert not (tmp_path / "out").exists()
