"""What goes out comes back, for every format: one test for all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import but_slow, examples
from hypothesis import given, settings
from hypothesis import strategies as st

import gtahead
from gtahead import Dataset
from gtahead.formats import FORMATS, Format

from .conftest import SMALL, make_captures

READ = [name for name, one in FORMATS.items() if one.reader is not None]


def frames_of(folder: Path) -> dict[str, Any]:
    return {frame.frame_id: frame for frame in Dataset.open(folder)}


def assert_same(before: Path, after: Path, one: Format) -> None:
    """Compare two datasets as far as a format holds what they say."""
    old, new = frames_of(before), frames_of(after)
    assert list(new) == list(old)
    for frame_id, frame in old.items():
        other = new[frame_id]
        assert (other.split, other.size_wh) == (frame.split, frame.size_wh), frame_id
        assert (other.weather, other.hour) == (frame.weather, frame.hour)
        assert other.camera is not None
        assert frame.camera is not None
        assert other.camera.vfov_deg == pytest.approx(frame.camera.vfov_deg)
        there = frame.status != "absent" if "ignored" in one.supports else frame.counted
        assert other.count == frame.count, frame_id
        assert len(other.points_xy) == there.sum(), frame_id
        rows, others = _paired(frame, other, there, one)
        error = np.abs(frame.points_xy[rows] - other.points_xy[others])
        if one.clips:  # the centre of a box that was cut is elsewhere
            width, height = frame.size_wh
            whole = (frame.boxes_xyxy[rows] >= 0).all(axis=1)
            whole &= (frame.boxes_xyxy[rows][:, 2:] <= [width, height]).all(axis=1)
            error = error[whole]
        assert (error <= one.precision_px + 1 / 512).all(), (frame_id, error.max())
        if "boxes" in one.supports:
            boxes = frame.boxes_xyxy[rows]
            if one.clips:
                boxes = np.clip(boxes, 0, [*frame.size_wh, *frame.size_wh])
            off = np.abs(boxes - other.boxes_xyxy[others])
            assert (off <= one.precision_px + 1 / 256).all(), (frame_id, off.max())
        if "ids" in one.supports:
            assert (frame.head_ids[rows] == other.head_ids[others]).all()
        if "ignored" in one.supports:
            assert (frame.status[rows] == other.status[others]).all()
        if "visibility" in one.supports:
            assert frame.visibility[rows] == pytest.approx(other.visibility[others], abs=1e-4)


def _paired(frame: Any, other: Any, there: Any, one: Format) -> tuple[Any, Any]:
    """Pair the heads of two frames: by id, else in order."""
    rows = np.flatnonzero(there)
    if "ids" in one.supports:
        return rows[np.argsort(frame.head_ids[rows])], np.argsort(other.head_ids)
    return rows, np.arange(len(other.points_xy))


def there_and_back(dataset: Path, name: str, folder: Path, **options: Any) -> Path:
    gtahead.export(dataset, folder / "out", format=name, allow_lossy=True, workers=1, **options)
    gtahead.build(folder / "out", folder / "back", workers=1)
    return folder / "back"


@pytest.mark.parametrize("name", READ)
def test_a_dataset_comes_back(small_dataset: Path, tmp_path: Path, name: str) -> None:
    back = there_and_back(small_dataset, name, tmp_path)
    assert_same(small_dataset, back, FORMATS[name])


@pytest.mark.parametrize("name", READ)
def test_labels_come_back_without_images(small_dataset: Path, tmp_path: Path, name: str) -> None:
    back = there_and_back(small_dataset, name, tmp_path, images="none")
    assert_same(small_dataset, back, FORMATS[name])


heads = st.lists(
    st.tuples(
        st.integers(1, 10**9),
        st.floats(0, 63.999),
        st.floats(0, 47.999),
        st.sampled_from([1.0, 2.5, 7.0, 30.0]),
        st.sampled_from([0.0, 0.01, 0.2499, 0.25, 0.7, 1.0]),
    ),
    max_size=6,
    unique_by=lambda head: head[0],
)
sequences = st.dictionaries(
    st.text("abz01 _-é漢'&#,;", min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda name: name and not name.startswith((".", "#", "-")) and "__" not in name),
    st.fixed_dictionaries(
        {
            "split": st.sampled_from(["train", "validation", "test"]),
            "frames": st.lists(heads, min_size=1, max_size=3),
        }
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("name", READ)
@settings(max_examples=examples(1))
@given(drawn=sequences)
def test_drawn_datasets_come_back(name: str, drawn: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_captures(root / "captures", drawn)
        gtahead.build(root / "captures", root / "dataset", workers=1)
        back = there_and_back(root / "dataset", name, root)
        assert_same(root / "dataset", back, FORMATS[name])


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


STORED = [(name, "npz") for name in FORMATS]
STORED += [(name, "h5") for name, one in FORMATS.items() if one.kind == "maps"]
KINDS = [("coco", "npz"), ("yolo", "npz"), ("huggingface", "npz"), ("density", "h5")]
"""One of each way to write: a joined file, many small ones, shards, maps."""


@pytest.mark.parametrize(("name", "store"), but_slow(KINDS, *sorted({*STORED} - {*KINDS})))
def test_same_bytes_whoever_writes_when(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, store: str
) -> None:
    options: dict[str, Any] = {"format": name, "allow_lossy": True, "store": store}
    gtahead.export(small_dataset, tmp_path / "one", workers=1, **options)
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Pacific/Auckland")
        patched.setattr("time.time", lambda: 2_000_000_000.0)
        os.umask(os.umask(0o022))
        gtahead.export(small_dataset, tmp_path / "two", workers=2, **options)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")


@pytest.mark.parametrize("name", list(FORMATS))
def test_every_frame_has_a_location(small_dataset: Path, tmp_path: Path, name: str) -> None:
    report = gtahead.export(
        small_dataset, tmp_path / "out", format=name, allow_lossy=True, workers=1
    )
    assert report.ledger.frames.kept == sum(len(one["frames"]) for one in SMALL.values())
    images = list((tmp_path / "out").rglob("*.jpg"))
    if not FORMATS[name].embeds_images:
        assert len(images) == report.ledger.frames.kept
        assert all(path.stat().st_nlink > 1 for path in images)


def test_ids_are_ranks_and_don_t_depend_on_the_split(small_dataset: Path, tmp_path: Path) -> None:
    import json

    found: dict[str, dict[int, Any]] = {}
    for split in (None, "train", "validation"):
        out = tmp_path / str(split)
        gtahead.export(small_dataset, out, format="coco", split=split, workers=1)
        rows: dict[int, Any] = {}
        for path in (out / "annotations").iterdir():
            for one in json.loads(path.read_text(encoding="utf-8"))["annotations"]:
                assert one["id"] not in rows
                rows[one["id"]] = (one["image_id"], one["gtahead"]["head"])
        found[str(split)] = rows
    assert sorted(found["None"]) == list(range(1, len(found["None"]) + 1))
    for split in ("train", "validation"):
        assert found[split].items() <= found["None"].items()


def test_an_export_is_forgotten_with_its_folder(small_dataset: Path, tmp_path: Path) -> None:
    """Images are links: removing an export leaves the dataset whole."""
    gtahead.export(small_dataset, tmp_path / "out", format="coco", workers=1)
    shutil.rmtree(tmp_path / "out")
    assert all(
        frame.image_path.is_file() for frame in Dataset.open(small_dataset) if frame.image_path
    )


LARGE_IDS = [0, 2**53, 2**53 + 1, 2**62, 2**63 - 1]


@pytest.mark.parametrize(
    "name", [name for name, one in FORMATS.items() if "ids" in one.supports and one.reader]
)
def test_ids_of_64_bits_come_back_as_they_went_out(tmp_path: Path, name: str) -> None:
    heads = [(one, 5.0 + 10 * n, 20.0, 6.0, 1.0) for n, one in enumerate(LARGE_IDS)]
    make_captures(tmp_path / "captures", {"s": {"frames": [heads] * 2, "split": "train"}})
    gtahead.build(tmp_path / "captures", tmp_path / "dataset", workers=1)
    gtahead.export(tmp_path / "dataset", tmp_path / "out", format=name, allow_lossy=True, workers=1)
    report = gtahead.build(tmp_path / "out", tmp_path / "again", workers=1)
    assert not report.findings.anything_set_aside
    (sequence,) = Dataset.open(tmp_path / "again").sequences
    found = Dataset.open(tmp_path / "again").heads(sequence, ["head_id", "x"])
    assert found["head_id"].tolist() == LARGE_IDS * 2
    assert np.abs(found["x"] - [5, 15, 25, 35, 45] * 2).max() < 0.01
