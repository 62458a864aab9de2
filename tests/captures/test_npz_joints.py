"""Captures whose joints stand in .npz files: GTA-Human II and GTA-IM, made after their readmes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import NPZ_FRAMES, NPZ_SIZE, write_gta_human, write_gta_im

import gtahead
from gtahead import Dataset
from gtahead.building import BuildReport, BuildStopped
from gtahead.geometry import focal_px


def built(root: Path, out: Path) -> tuple[BuildReport, list[Any]]:
    report = gtahead.build(root, out, workers=1)
    return report, list(Dataset.open(out))


@pytest.mark.parametrize("seen", [True, False])
def test_gta_human_is_read(tmp_path: Path, seen: bool) -> None:
    people = {"014344": (0.0, 0.0, 5.0), "020000": (1.0, -0.5, 8.0)}
    report, frames = built(write_gta_human(tmp_path / "raw", people, seen=seen), tmp_path / "out")
    assert report.reader == "gta-human"
    assert report.exit_code == 0
    assert [frame.frame for frame in frames] == ["000000", "000001", "000002"]
    focal = focal_px(50.0, NPZ_SIZE[1])
    first = frames[0]
    wanted = [
        [NPZ_SIZE[0] / 2, NPZ_SIZE[1] / 2],
        [NPZ_SIZE[0] / 2 + focal / 8, NPZ_SIZE[1] / 2 - focal / 16],
    ]
    assert np.abs(first.points_xy - wanted).max() <= 1 / 512
    heads = Dataset.open(tmp_path / "out").heads("seq_00000001")
    assert heads["head_id"].tolist() == [14344, 20000] * NPZ_FRAMES
    assert heads["occluded"].tolist() == [0, 0, 1, 1, 0, 0]
    assert (first.weather, first.hour, first.location) == ("RAIN", 13.5, "beach")
    assert np.allclose(heads["depth_m"][:2], [5, 8] if seen else [np.nan] * 2, equal_nan=True)
    sides = first.boxes_xyxy[:, 3] - first.boxes_xyxy[:, 1]
    assert sides[0] > sides[1] > 0


def test_an_unreadable_person_sets_the_sequence_aside(tmp_path: Path) -> None:
    raw = write_gta_human(tmp_path / "raw", {"1": (0.0, 0.0, 5.0), "2": (1.0, 0.0, 5.0)})
    path = raw / "annotations" / "seq_00000001" / "2.npz"
    whole = path.read_bytes()
    damaged: dict[str, Any] = {
        "cut short": whole[: len(whole) // 2],
        "empty": b"",
        "another array": np.zeros((2, 2)),
        "python objects": np.array([{"a": 1}], object),
    }
    for name, what in damaged.items():
        if isinstance(what, bytes):
            path.write_bytes(what)
        else:
            np.savez(path, keypoints_2d=what)
        with pytest.raises(BuildStopped) as caught:
            gtahead.build(raw, tmp_path / name, workers=1)
        assert list(caught.value.report.findings.totals) == ["bad-labels-file"], name
        (found,) = caught.value.report.findings
        assert "annotations/seq_00000001/2.npz" in str(found), name


def test_an_npz_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    raw = write_gta_human(tmp_path / "raw", {"1": (0.0, 0.0, 5.0)})
    with zipfile.ZipFile(
        raw / "annotations" / "seq_00000001" / "2.npz", "w", zipfile.ZIP_DEFLATED
    ) as archive:
        archive.writestr("keypoints_2d.npy", bytes(2**28 + 1))
    with pytest.raises(BuildStopped) as caught:
        gtahead.build(raw, tmp_path / "out", workers=1)
    assert "is larger than 268,435,456 bytes" in str(next(iter(caught.value.report.findings)))


@pytest.mark.parametrize("alone", [True, False])
def test_gta_im_is_read(tmp_path: Path, alone: bool) -> None:
    folder = write_gta_im(tmp_path / "raw" / "2020-06-03")
    report, frames = built(folder if alone else tmp_path / "raw", tmp_path / "out")
    assert report.reader == "gta-im"
    assert report.exit_code == 0
    assert [frame.frame_id for frame in frames] == [
        f"2020-06-03/{n:06d}" for n in range(NPZ_FRAMES)
    ]
    focal = focal_px(60.0, NPZ_SIZE[1])
    heads = Dataset.open(tmp_path / "out").heads("2020-06-03")
    for number, frame in enumerate(frames):
        bone = np.array([96 + focal * 0.2 * number / 4, 54 + focal * 0.1 / 4])
        raw = np.array([heads["raw_x"][number], heads["raw_y"][number]])
        assert np.abs(raw - bone).max() <= 1 / 512
        side = float(frame.boxes_xyxy[0, 3] - frame.boxes_xyxy[0, 1])
        assert abs(side - 0.24 * focal / 4) < 0.1
        assert abs(raw[1] - heads["y"][number] - 0.54 * side) < 0.1
    assert heads["head_id"].tolist() == [1] * NPZ_FRAMES


def test_gta_im_frames_without_image_or_joints_are_set_aside(tmp_path: Path) -> None:
    write_gta_im(tmp_path / "few" / "a", images=2)
    report, frames = built(tmp_path / "few", tmp_path / "out")
    assert report.findings.totals["image-missing"] == 1
    assert len(frames) == 2
    write_gta_im(tmp_path / "many" / "a", images=NPZ_FRAMES + 1)
    report, frames = built(tmp_path / "many", tmp_path / "out2")
    assert report.findings.totals["labels-missing"] == 1
    assert len(frames) == NPZ_FRAMES
