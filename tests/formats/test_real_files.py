"""Real datasets' files through our readers; skipped where they aren't here."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import but_slow

import gtahead
from gtahead import Dataset
from gtahead.formats.matlab import as_points, read_variable, unwrapped
from gtahead.formats.nwpu_lists import localisation_list
from gtahead.images.reading import read_header


def built(raw: Path, out: Path, **options: object) -> tuple[gtahead.building.BuildReport, Dataset]:
    report = gtahead.build(raw, out, workers=1, **options)  # type: ignore[arg-type]
    return report, Dataset.open(out)


def test_every_mat_of_part_a_equals_fidtms_list_less_its_strays(shared_data: Path) -> None:
    """FIDTM numbers images in the order of their names as text, and floors."""
    folder = shared_data / "shanghaitech" / "part_A" / "test_data"
    names = sorted(f"IMG_{number}" for number in range(1, 183))
    lines = list(localisation_list(shared_data / "fidtm" / "A_gt.txt", "A_gt.txt"))
    assert [int(key) for _, key, _, _ in lines] == list(range(1, 183))
    strays = total = 0
    for name, (_, _, groups, wrong) in zip(names, lines, strict=True):
        assert not wrong
        assert groups is not None
        own = as_points(
            unwrapped(read_variable(folder / "ground-truth" / f"GT_{name}.mat", "image_info"))
        )
        total += len(own)
        mine = np.floor(own).tolist()
        kept = []
        for point in groups[:, :2].tolist():  # in the same order, with strays in between
            if len(kept) < len(mine) and point == mine[len(kept)]:
                kept.append(point)
                continue
            strays += 1
            image = folder / "images" / f"{name}.jpg"
            reach = own.max(axis=0)  # where the image isn't here, it reaches as far as its heads
            if image.is_file():
                reach = np.array(read_header(image.read_bytes()).size_wh)
            assert min(point) < 0 or (np.array(point) >= np.floor(reach)).any(), (name, point)
        assert kept == mine, name
    assert (total, strays) == (78_862, 108)


def test_shanghaitech_builds_and_names_what_is_missing(shared_data: Path, tmp_path: Path) -> None:
    report, dataset = built(shared_data / "shanghaitech", tmp_path / "dataset")
    assert report.exit_code == 3
    assert report.findings.totals["image-missing"] == 172
    assert report.findings.totals["colour-converted"] == 2  # the grey images
    assert len(dataset) == 24
    assert {frame.split for frame in dataset} == {"train", "test"}
    assert dataset["part_A__train_data/IMG_1"].count == 1546


def test_scut_head_builds(shared_data: Path, tmp_path: Path) -> None:
    report, dataset = built(shared_data / "scut_head", tmp_path / "dataset")
    assert report.exit_code == 0
    assert len(dataset) == 121
    assert sum(frame.count for frame in dataset) == 3_520
    frame = next(frame for frame in dataset if frame.frame == "PartB_00002")
    assert frame.boxes_xyxy[0].tolist() == [78.0, 208.0, 227.0, 403.0]


def test_crowdhuman_builds_with_its_mask_ignored(shared_data: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(shared_data / "crowdhuman", raw)
    report, dataset = built(raw, tmp_path / "dataset")
    (frame,) = dataset
    assert (frame.count, int((frame.status == "ignored").sum())) == (6, 1)
    assert frame.boxes_xyxy[0].tolist() == [1482.0, 380.0, 1636.0, 558.0]
    assert frame.split == "train"
    assert "size-guessed" in report.findings.totals


def test_nwpus_list_builds(shared_data: Path, tmp_path: Path) -> None:
    _, dataset = built(shared_data / "nwpu", tmp_path / "dataset")
    assert len(dataset) == 500
    assert sum(frame.count for frame in dataset) == 196_238
    assert sum(frame.count == 0 for frame in dataset) == 35


@pytest.mark.parametrize("name", but_slow(["webdataset"], "coco", "points-csv"))
def test_real_images_go_on_into_other_formats(shared_data: Path, tmp_path: Path, name: str) -> None:
    built(shared_data / "scut_head", tmp_path / "dataset")
    gtahead.export(tmp_path / "dataset", tmp_path / "out", format=name, allow_lossy=True, workers=1)
    _, back = built(tmp_path / "out", tmp_path / "back")
    old = {frame.frame_id: frame for frame in Dataset.open(tmp_path / "dataset")}
    for frame in back:
        assert frame.count == old[frame.frame_id].count
        assert frame.points_xy == pytest.approx(old[frame.frame_id].points_xy, abs=0.011)
