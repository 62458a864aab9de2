"""Other boxes and sigmas for a dataset that stands: the same as a build, and safe to stop."""

from __future__ import annotations

import hashlib
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from helpers import but_slow, gtahead, manifest, spawn_gtahead

from gtahead import Dataset, InputError, UsageError, annotate, build, simulate, storage
from gtahead.simulation import Preset

RULES = [
    ("captured", "box:ratio=0.2"),
    ("joints", "knn:k=2,beta=0.4"),
    ("camera", "fixed:9"),
    ("ground", "radius:iou=0.5"),
    ("perspective", "box:ratio=0.3"),
    ("knn:k=2", "radius:variant=legacy"),
    ("fixed:side=30", "knn"),
]


@pytest.fixture(scope="module")
def built(tiny_captures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("annotate") / "set"
    build(tiny_captures, folder, images="none", boxes="auto")
    return folder


@pytest.fixture
def target(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "set")


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def comparable(folder: Path) -> dict[str, object]:
    """Give a manifest without what ties it to the options of the build that read the capture."""
    document = manifest(folder)
    for source in document["sources"]:
        del source["inputs"]
    return dict(document)


@pytest.mark.parametrize(("boxes", "sigma"), RULES)
def test_annotated_equals_built(
    tiny_captures: Path, target: Path, tmp_path: Path, boxes: str, sigma: str
) -> None:
    before = manifest(target)["fingerprints"]
    report = annotate(target, boxes=boxes, sigma=sigma, workers=1)
    build(tiny_captures, tmp_path / "built", images="none", boxes=boxes, sigma=sigma)
    assert comparable(target) == comparable(tmp_path / "built")
    assert report.manifest == manifest(target)
    after = manifest(target)["fingerprints"]
    assert after["points"] == before["points"]
    assert after["images"] == before["images"]
    assert after["labels"]["all"] != before["labels"]["all"]
    ours, theirs = files(target), files(tmp_path / "built")
    del ours["manifest.json"], theirs["manifest.json"]
    assert ours == theirs


def test_there_and_back(target: Path) -> None:
    was = files(target)
    annotate(target, boxes="knn", sigma="fixed:3")
    assert files(target) != was
    annotate(target, boxes="auto", sigma="box")
    assert files(target) == was


def test_bones_keep_their_lift(tmp_path: Path) -> None:
    """Points that were moved stay, and the ground is still asked from where they were captured."""
    capture = tmp_path / "gcc"
    preset = Preset("pair", (640, 360), (3, 3), (20, 80), 2, pan_share=0.0)
    simulate(capture, preset=preset, seed=2, layout="gcc", images=False)
    build(capture, tmp_path / "a", images="none")
    build(capture, tmp_path / "b", images="none", boxes="ground")
    annotate(tmp_path / "a", boxes="ground")
    for sequence in Dataset.open(tmp_path / "b").sequences:
        assert "ground" in Dataset.open(tmp_path / "b").heads(sequence)["box_source"]
    assert comparable(tmp_path / "a") == comparable(tmp_path / "b")


def test_the_same_rules_write_nothing(target: Path) -> None:
    was = files(target)
    report = annotate(target, boxes="auto")
    assert not report.changed
    assert files(target) == was


KILLS = [
    (point, done, workers, next_one)
    for point, done in (
        ("labelled", False),
        ("decided", True),
        ("manifest-gone", True),
        ("heads-replaced", True),
        ("frames-replaced", True),
        ("annotated", True),
    )
    for workers, next_one in ((1, "annotate"), (2, "annotate"), (1, "build"))
]
FAST_KILLS = [
    ("labelled", False, 2, "annotate"),
    ("manifest-gone", True, 1, "annotate"),
    ("heads-replaced", True, 1, "build"),
    ("frames-replaced", True, 1, "annotate"),
]


@pytest.mark.parametrize(
    ("point", "done", "workers", "next_one"),
    but_slow(FAST_KILLS, *(kill for kill in KILLS if kill not in FAST_KILLS)),
)
def test_killed_is_all_or_nothing(
    tiny_captures: Path,
    target: Path,
    tmp_path: Path,
    point: str,
    *,
    done: bool,
    workers: int,
    next_one: str,
) -> None:
    was = files(target)
    shutil.copytree(target, tmp_path / "twin")
    annotate(tmp_path / "twin", boxes="knn", split="60:20:20")
    arguments = ["annotate", target, "--boxes", "knn", "--split", "60:20:20", "--workers", workers]
    killed = spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": point})
    assert killed.code == -signal.SIGKILL, killed.err
    if point == "manifest-gone":  # as a kill while the new one was being written leaves it
        storage.aside_name(target / "manifest.json").write_text("{")
    if point == "heads-replaced":
        refused = gtahead("info", target)
        assert (refused.code, refused.out) == (1, "")
        assert "run the same `gtahead annotate` again" in refused.err
    if next_one == "annotate":
        again = gtahead(*arguments)
        assert again.code == 0, again.err
        assert files(target) == files(tmp_path / "twin")
        return
    given = ("--boxes", "knn", "--split", "60:20:20") if done else ()
    again = gtahead("build", "--raw", tiny_captures, "--out", target, "--images", "none", *given)
    assert again.code == 0, again.err
    if done:
        assert comparable(target) == comparable(tmp_path / "twin")
    else:
        assert files(target) == was


def test_interrupted_leaves_the_dataset_as_it_was(target: Path) -> None:
    was = files(target)
    stopped = spawn_gtahead(
        *("annotate", target, "--boxes", "knn"), env={"GTAHEAD_CRASH_AT": "labelled:INT"}
    )
    assert stopped.code == 130
    assert files(target) == was


def test_a_build_with_the_old_rule_is_refused_by_name(tiny_captures: Path, target: Path) -> None:
    annotate(target, boxes="knn")
    refused = gtahead("build", "--raw", tiny_captures, "--out", target, "--images", "none")
    assert refused.code == 1
    assert "boxes was knn" in refused.err


def test_what_cannot_be_annotated(target: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to do"):
        annotate(target)
    with pytest.raises(UsageError, match="knn"):
        annotate(target, boxes="knnn")
    with pytest.raises(UsageError, match="beta"):
        annotate(target, sigma="knn:betta=3")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="not a gtahead dataset"):
        annotate(empty, boxes="knn")
    assert list(empty.iterdir()) == []
    other = tmp_path / "other"
    (other / ".annotate").mkdir(parents=True)
    (other / ".annotate" / "mine.txt").write_text("not yours", encoding="utf-8")
    with pytest.raises(InputError):
        annotate(other, boxes="knn")
    assert (other / ".annotate" / "mine.txt").exists()
    with pytest.raises(InputError, match="no such folder"):
        annotate(tmp_path / "nowhere", boxes="knn")


def test_a_damaged_table_is_refused_and_nothing_changes(target: Path) -> None:
    sequence = Dataset.open(target).sequences[0]
    path = target / "heads" / f"{sequence}.parquet"
    other = target / "heads" / f"{Dataset.open(target).sequences[1]}.parquet"
    path.write_bytes(other.read_bytes())
    was = files(target)
    refused = gtahead("annotate", target, "--boxes", "knn")
    assert refused.code == 1
    assert path.name in refused.err
    assert files(target) == was


def test_help_and_summary(target: Path) -> None:
    done = gtahead("annotate", target, "--sigma", "fixed:4")
    assert done.code == 0
    assert "sigma fixed:px=4" in done.out
    frame = next(frame for frame in Dataset.open(target) if len(frame.head_ids))
    assert np.array_equal(frame.sigmas_xy, np.full((len(frame.head_ids), 2), 4.0))
    again = gtahead("annotate", target, "--sigma", "fixed:4")
    assert "nothing to do" in again.out


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_table_that_is_gone_is_reported_by_name(target: Path, damage: str) -> None:
    path = target / "heads" / f"{Dataset.open(target).sequences[2]}.parquet"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:900])
    was = files(target)
    refused = gtahead("annotate", target, "--boxes", "knn", "--workers", 1)
    assert refused.code == 1
    assert path.name in refused.err
    assert "build it anew" in refused.err
    assert files(target) == was


@pytest.mark.parametrize("spec", [None, "autoo"])
def test_a_manifest_without_a_known_rule(target: Path, spec: str | None) -> None:
    document = manifest(target)
    del document["options"]["boxes"]
    if spec is not None:
        document["options"]["boxes"] = spec
    storage.write_json(target / "manifest.json", document)
    refused = gtahead("annotate", target, "--sigma", "fixed:3")
    assert refused.code == 1
    assert "/options/boxes" in refused.err
    assert "--boxes RULE" in refused.err
    fixed = gtahead("annotate", target, "--sigma", "fixed:3", "--boxes", "knn")
    assert fixed.code == 0, fixed.err
