"""MOTSynth: frames, ignored persons, depths, and files that aren't as they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from helpers import gtahead, image
from layouts import crowd, read, see

from gtahead import Dataset

LABELS = "annotations/000.json"


def edit(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((root / LABELS).read_text())
    change(document)
    (root / LABELS).write_text(json.dumps(document))


def build(root: Path, *options: object) -> Any:
    return gtahead("build", "--raw", root, "--out", root.parent / "set", "--workers", 1, *options)


def test_what_is_to_be_ignored_is_neither_counted_nor_lost(tmp_path: Path) -> None:
    scene = crowd()
    scene.extra["ignored"] = {7, 8}
    done = build(layouts.write_motsynth(tmp_path, scene))
    assert done.code == 0, done.err
    frame = next(iter(Dataset.open(tmp_path / "set")))
    heads = Dataset.open(tmp_path / "set").heads("000")
    first = heads["frame_id"] == frame.frame_id
    assert heads["ignore"][first].tolist() == [int(ped in (7, 8)) for ped in range(1, 41)]
    ignored = heads["status"][first] == "ignored"
    assert set(heads["head_id"][first][ignored]) >= {7, 8}
    all_of_them = build(layouts.write_motsynth(tmp_path / "b", scene), "--count-policy", "all")
    assert all_of_them.code == 0
    assert next(iter(Dataset.open(tmp_path / "b" / "set"))).count == 40


@pytest.mark.parametrize("base", [0, 1, 2])
def test_frames_begin_where_the_smallest_does(tmp_path: Path, base: int) -> None:
    root = layouts.write_motsynth(tmp_path, crowd(), base=base)
    edit(root, lambda d: [image.pop("file_name") for image in d["images"]])
    sequence, findings, _ = read(root)
    assert findings.totals == {}
    assert [frame.file for frame in sequence.frames] == [
        f"frames/000/rgb/{number:04d}.jpg" for number in range(4)
    ]
    assert sequence.heads["frame_index"].tolist() == [0] * 40 + [1] * 40 + [3] * 40


@pytest.mark.parametrize("start", ["../", "/", "..\\", "C:\\", "file://", "frames/../../"])
def test_a_file_name_that_leads_out_gives_way_to_the_numbered_image(
    tmp_path: Path, start: str
) -> None:
    """Even where it is there: what stands beside the captures is nobody's image."""
    root = layouts.write_motsynth(tmp_path / "raw", crowd())
    name = f"{tmp_path}/0000.jpg" if start == "/" else f"{start}0000.jpg"
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(image(seed=99))
    edit(root, lambda d: d["images"][0].update(file_name=name))
    sequence, findings, _ = read(root)
    assert findings.totals == {}
    assert sequence.frames[0].file == "frames/000/rgb/0000.jpg"


def test_positions_of_the_world_give_the_depth_too(tmp_path: Path) -> None:
    scene = crowd()
    sequence, findings, _ = read(layouts.write_motsynth(tmp_path, scene, world=True))
    assert findings.totals == {}
    depths = [see(body.top, scene.cameras[0], scene.size_wh)[2] for body in scene.people[0]]
    # The pixel is a whole number, and how far off the axis it lies decides.
    assert sequence.heads["depth_m"][:40] == pytest.approx(depths, abs=0.02)
    assert sequence.heads["world_z_m"][0] == pytest.approx(scene.people[0][0].top[2])


@pytest.mark.parametrize("world", [False, True])
def test_positions_that_fit_nothing_give_no_depth(tmp_path: Path, world: bool) -> None:
    root = layouts.write_motsynth(tmp_path, crowd(), world=world)
    edit(root, lambda d: d["info"].update(fy=300))
    sequence, findings, _ = read(root)
    assert findings.totals == {"positions-unknown": 1}
    assert "depth_m" not in sequence.heads or np.isnan(sequence.heads["depth_m"]).all()


@pytest.mark.parametrize("size", [1e300, 2**70, 3 * 10**9, -1, 0, "wide"])
def test_absurd_sizes_are_the_datasets_own(tmp_path: Path, size: object) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    edit(root, lambda d: [image.update(width=size) for image in d["images"]])
    edit(root, lambda d: d["info"].update(fy=1e-320))
    sequence, _, _ = read(root)
    assert sequence.size_wh == (1920, 1080)


def test_sequences_without_labels_or_images_are_named(tmp_path: Path) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    (root / "frames" / "001").mkdir()
    (root / "annotations" / "002.json").write_bytes((root / LABELS).read_bytes())
    done = build(root)
    assert done.code == 3
    assert "error[no-labels-file]: frames/001" in done.err
    assert "warning[images-missing]: frames/002 > sequence 002" in done.err


def test_a_frame_whose_people_are_all_unreadable_isnt_empty(tmp_path: Path) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())

    def absent(document: dict[str, Any]) -> None:
        for row in document["annotations"][:40]:
            row["keypoints"][2] = 0

    edit(root, absent)
    done = build(root)
    assert done.code == 3
    assert "error[heads-lost]: frames/000/rgb/0000.jpg" in done.err
    assert len(Dataset.open(tmp_path / "set")) == 3


def test_what_is_known_of_the_sequence(tmp_path: Path) -> None:
    sequence, _, _ = read(layouts.write_motsynth(tmp_path, crowd()))
    assert (sequence.fps, sequence.weather, sequence.hour) == (20.0, "RAIN", 11.7)
    camera = sequence.frames[0].camera
    assert camera is not None
    assert camera.vfov_deg == pytest.approx(50.0)
    assert camera.position_m == (203.25, -830.5, 31.75)
    assert camera.rotation_deg is None  # its order isn't known


def test_an_absent_head_is_no_head(tmp_path: Path) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())

    def absent(document: dict[str, Any]) -> None:
        document["annotations"][3]["keypoints"][2] = 0  # head_top
        document["annotations"][4]["keypoints"][2] = 1  # hidden, but the centre isn't
        document["annotations"][4]["keypoints"][5] = 2

    edit(root, absent)
    sequence, findings, ledger = read(root)
    assert findings.totals == {"no-head-joint": 1}
    assert ledger.heads.dropped == {"no-head-joint": 1}
    assert 4 not in sequence.heads["head_id"][:39]
    assert sequence.heads["occluded"][3] == 0


def test_missing_images_and_gaps(tmp_path: Path) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    (root / "frames/000/rgb/0001.jpg").unlink()
    (root / "frames/000/rgb/0003.jpg").write_bytes(image(1, (1280, 720)))
    done = build(root)
    assert done.code == 3
    assert "error[image-missing]: frames/000/rgb/0001.jpg > sequence 000 > frame 000001" in done.err
    assert "1280 x 720 instead of 1920 x 1080" in done.err
    assert len(Dataset.open(tmp_path / "set")) == 2


def _with(path: list[Any], value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        position: Any = document
        for key in path[:-1]:
            position = position[key]
        position[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_with(["annotations", 5], None), "bad-number"),
        (_with(["annotations", 5, "ped_id"], "5"), "bad-number"),
        (_with(["annotations", 5, "ped_id"], True), "bad-number"),
        (_with(["annotations", 5, "ped_id"], 10**30), "bad-number"),
        (_with(["annotations", 5, "image_id"], 7), "head-without-frame"),
        (_with(["annotations", 5, "keypoints"], [1, 2, 2]), "ragged-row"),
        (_with(["annotations", 5, "keypoints"], None), "ragged-row"),
        (_with(["annotations", 5, "keypoints", 0], "x"), "ragged-row"),
        (_with(["annotations", 5, "keypoints", 0], 10**30), "ragged-row"),
        (_with(["images", 2], None), "bad-frame-labels"),
        (_with(["images", 2, "file_name"], "frames/000/rgb/0001.jpg"), "duplicate-frame"),
    ],
)
def test_entries_that_are_garbage_are_booked(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], code: str
) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    edit(root, change)
    _, findings, ledger = read(root)
    assert findings.totals[code] == 1
    assert set(findings.totals) <= {code, "frame-gap", "head-without-frame"}
    assert (ledger.heads.came, ledger.frames.came) == (120, 4)
    gone = 40 if code == "duplicate-frame" else 1  # frame 2 is empty
    assert sum(ledger.heads.dropped.values()) + sum(ledger.frames.dropped.values()) >= 1
    assert ledger.heads.dropped.get("head-without-frame", 0) <= gone


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda d: d.pop("images"), "bad-schema"),
        (_with(["images"], []), "no-frames"),
        (_with(["annotations"], {}), "bad-schema"),
    ],
)
def test_files_that_say_nothing(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], code: str
) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    edit(root, change)
    done = build(root)
    assert done.code == 1
    assert done.err.startswith(f"error[{code}]: {LABELS} > sequence 000")


@pytest.mark.parametrize("key", ["keypoints_3d", "iscrowd", "bbox"])
def test_what_may_be_missing(tmp_path: Path, key: str) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    edit(root, lambda d: [row.pop(key) for row in d["annotations"]])
    edit(root, lambda d: d.update(info=None))
    sequence, findings, ledger = read(root)
    assert findings.totals == {}
    assert ledger.heads.kept == 120
    assert np.isfinite(sequence.heads["x"]).all()


def test_a_truncated_file_names_the_location(tmp_path: Path) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    data = (root / LABELS).read_bytes()
    (root / LABELS).write_bytes(data[: len(data) // 2])
    done = build(root)
    assert done.code == 1
    assert done.err.startswith(f"error[bad-json]: {LABELS} > sequence 000")


@pytest.mark.parametrize("fps", [0, -1, 1e-9, 1e300, "fast"])
def test_rates_that_cannot_be_are_the_datasets_own(tmp_path: Path, fps: object) -> None:
    root = layouts.write_motsynth(tmp_path, crowd())
    edit(root, lambda d: d["info"].update(fps=fps))
    sequence, _, _ = read(root)
    assert sequence.fps == 20.0
