from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gtahead import Dataset, InputError, UsageError
from gtahead.dataset import heads_file
from gtahead.dataset.fingerprints import combined, sequence_digests
from gtahead.tables import canonical
from gtahead.tables.canonical import STATUS_NAMES


def test_frames_come_in_order_with_their_heads(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    frames = list(dataset)
    assert [frame.frame_id for frame in frames] == dataset.frame_ids == sorted(dataset.frame_ids)
    assert len(dataset) == len(frames) == 56
    assert [frame.count for frame in frames] == dataset.frames(["num_heads"])["num_heads"]
    assert any(frame.count == 0 for frame in frames)  # a frame without heads is data
    for frame in frames:
        count = len(frame.head_ids)
        assert frame.points_xy.shape == (count, 2)
        assert frame.boxes_xyxy.shape == (count, 4)
        assert (np.diff(frame.head_ids) > 0).all()
        assert frame.image is not None
        assert frame.image.is_file()
        assert frame.camera is not None
        one = dataset[frame.frame_id]
        assert np.array_equal(one.points_xy, frame.points_xy)
    assert sum(len(frame.head_ids) for frame in frames) == sum(
        len(dataset.heads(sequence, ["head_id"])["head_id"]) for sequence in dataset.sequences
    )


def test_splits_part_the_whole(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    parts = [dataset.select(split=split) for split in ("train", "validation", "test")]
    assert sorted(name for part in parts for name in part.frame_ids) == dataset.frame_ids
    assert all(sum(part.frames(["num_heads"])["num_heads"]) > 0 for part in parts)
    assert not set(parts[0].sequences) & set(parts[2].sequences)
    assert len(list(parts[1])) == len(parts[1])


def test_selecting_by_sequence(tiny_dataset: Path) -> None:
    part = Dataset.open(tiny_dataset).select(sequences=["seq_02"])
    assert part.sequences == ["seq_02"]
    assert len(list(part)) == 8
    with pytest.raises(KeyError):
        part["seq_01/000000"]
    with pytest.raises(KeyError):
        part.heads("seq_01")
    for odd in (5, None, b"seq_02/000000", "\ud800"):
        with pytest.raises(KeyError):
            part[odd]  # type: ignore[index]
    with pytest.raises(UsageError, match="no such split"):
        part.select(split="vall")
    with pytest.raises(UsageError, match="no such sequence"):
        part.select(sequences=["seq_01"])


def test_columns_without_the_rest(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    heads = dataset.heads("seq_00", ["y", "x"])
    assert list(heads) == ["y", "x"]
    with pytest.raises(ValueError, match="no column 'z'"):
        dataset.heads("seq_00", ["z"])


def test_fingerprints_can_be_computed_from_what_is_stored(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    rows = dataset.frames()
    found: dict[str, list[tuple[str, str]]] = {}
    for sequence in dataset.sequences:
        mine = [row for row, name in enumerate(rows["sequence"]) if name == sequence]
        frames = {name: [values[row] for row in mine] for name, values in rows.items()}
        heads = dataset.heads(sequence)
        heads["status"] = np.array([STATUS_NAMES.index(word) for word in heads["status"]], np.int8)
        names = sorted({word for word in heads["box_source"] if word is not None})
        heads["box_source"] = np.array([names.index(w) for w in heads["box_source"]], np.int8)
        known = {
            name: values
            for name, values in heads.items()
            if (values.dtype.kind not in "fi" and name != "point_kind")
            or (values.dtype.kind == "f" and not np.isnan(values).all())
            or (values.dtype.kind == "i" and (values >= 0).any())
            or name in ("head_id", "x", "y", "status", "box_source")
        }
        known["box_source_names"] = np.array(names, object)
        for kind, digest in sequence_digests(frames, known).items():
            found.setdefault(kind, []).append((sequence, digest))
    stored = dataset.manifest.document["fingerprints"]
    assert {kind: combined(pairs) for kind, pairs in found.items()} == {
        kind: stored[kind]["all"] for kind in found
    }
    assert dataset.manifest.fingerprint == stored["labels"]["all"]


@pytest.fixture
def copy(tiny_dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_dataset, tmp_path / "copy", copy_function=shutil.copyfile))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: (f / "manifest.json").unlink(),
            "not a gtahead dataset: it has no manifest.json",
        ),
        (lambda f: (f / "manifest.json").write_bytes(b'{"format":'), "it ends too early"),
        (lambda f: (f / "manifest.json").write_bytes(b"{}"), "breaks the schema"),
        (lambda f: (f / "frames.parquet").unlink(), "the table can't be read"),
        (
            lambda f: (f / "frames.parquet").write_bytes((f / "frames.parquet").read_bytes()[:900]),
            "the table can't be read",
        ),
        (
            lambda f: shutil.copyfile(f / heads_file("seq_00"), f / "frames.parquet"),
            "not a table of this version of gtahead",
        ),
        (shutil.rmtree, "no such folder"),
    ],
)
def test_a_damaged_set_says_so(copy: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(copy)
    with pytest.raises(InputError) as caught:
        Dataset.open(copy)
    assert message in str(caught.value)
    assert str(copy) in str(caught.value)


def test_another_version_and_another_number_of_frames(copy: Path) -> None:
    document = json.loads((copy / "manifest.json").read_text())
    document["tables"]["frames.parquet"]["rows"] = 55
    (copy / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="56 rows instead of 55"):
        Dataset.open(copy)
    document["version"] = 2
    (copy / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"format version is unknown \(got 2\); known versions: 1"):
        Dataset.open(copy)


def test_an_unfinished_set_says_how_to_go_on(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    (copy / ".build").mkdir()
    with pytest.raises(
        InputError, match="the dataset isn't finished; run the same `gtahead build`"
    ):
        Dataset.open(copy)


def test_tables_keep_their_columns() -> None:
    """A column is added with a new version of the table, never in passing."""
    assert canonical.HEADS_V1.names == [
        *("frame_id", "head_id", "x", "y", "raw_x", "raw_y", "point_kind"),
        *("depth_m", "world_x_m", "world_y_m", "world_z_m"),
        *("top_x", "top_y", "neck_x", "neck_y", "top_neck_m"),
        *("box_x0", "box_y0", "box_x1", "box_y1", "box_source", "box_error_px"),
        *("sigma_x_px", "sigma_y_px"),
        *("captured_x0", "captured_y0", "captured_x1", "captured_y1"),
        *("occluded", "self_occluded", "visibility", "ignore", "in_frame", "status"),
    ]
    assert canonical.FRAMES_V1.names == [
        *("frame_id", "sequence", "frame", "file", "source_file", "sha256"),
        *("difference_hash", "width", "height"),
        *("split", "num_heads", "num_ignored", "num_absent", "vfov_deg"),
        *("camera_x_m", "camera_y_m", "camera_z_m", "pitch_deg", "roll_deg", "yaw_deg"),
        "ground_m",
        *("fps", "weather", "hour", "location"),
    ]
