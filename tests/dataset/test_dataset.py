from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gtahead as library
from gtahead import Dataset, InputError, UsageError
from gtahead.dataset import StoredTables, conditions, heads_file
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
        assert frame.image_path is not None
        assert frame.image_path.is_file()
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
    for odd in (True, None, b"seq_02/000000", "\ud800"):
        with pytest.raises(KeyError):
            part[odd]  # type: ignore[index]
    with pytest.raises(UsageError, match="no such split"):
        part.select(split="vall")
    with pytest.raises(UsageError, match="no such sequence"):
        part.select(sequences=["seq_01"])


def test_frames_by_number_slice_list_and_mask(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    ids = dataset.frame_ids
    assert [dataset[number].frame_id for number in (0, 5, -1, np.int64(3))] == [
        ids[number] for number in (0, 5, -1, 3)
    ]
    assert dataset[10:20:3].frame_ids == ids[10:20:3]
    assert dataset[[2, 7]].frame_ids == [ids[2], ids[7]]
    for key in ([7, 2], [2, 2], slice(None, None, -1), [[1, 2], [3, 4]], np.array([5, 1])):
        with pytest.raises(UsageError, match="keeps the dataset's order"):
            dataset[key]  # type: ignore[index]
    assert ids[3] in dataset
    assert dataset[4] in dataset
    assert ids[3] not in dataset[:2]
    mask = np.arange(56) % 2 == 0
    assert dataset[mask].frame_ids == ids[::2]
    assert len(dataset[[]]) == 0
    assert dataset[8:16][-1].frame_id == ids[15]
    for number in (56, -57):
        with pytest.raises(IndexError):
            dataset[number]
    with pytest.raises(IndexError):
        dataset[mask[:5]]
    again = pickle.loads(pickle.dumps(dataset[:3]))
    assert [frame.count for frame in again] == [frame.count for frame in dataset[:3]]


def test_conditions(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    rows = dataset.to_pandas()
    dense = dataset.filter("num_heads > 40 and weather != 'CLEAR'")
    assert dense.frame_ids == list(rows.query("num_heads > 40 and weather != 'CLEAR'").frame_id)
    assert 0 < len(dense) < 56
    assert dataset.filter(lambda frame: frame.count > 40).frame_ids == list(
        rows[rows.num_heads > 40].frame_id
    )
    mine = dataset.filter("10 <= num_heads <= 60", split=["test", "validation"], weather="CLEAR")
    assert mine.frame_ids == list(
        rows[
            rows.num_heads.between(10, 60)
            & rows.split.isin(["test", "validation"])
            & (rows.weather == "CLEAR")
        ].frame_id
    )
    assert dataset.filter("sequence in ('seq_00', 'seq_01')").sequences == ["seq_00", "seq_01"]
    assert len(dataset.filter("sequence not in ['seq_00']")) == 48
    assert len(dataset.filter("ground_m == None")) == rows.ground_m.isna().sum()
    assert len(dataset.filter(lambda frame: True)) == len(dataset.filter()) == 56
    with pytest.raises(UsageError, match="no such column"):
        dataset.filter(wether="RAIN")
    for odd in (np.zeros(56, bool), False, {"weather": "RAIN"}, ["num_heads > 3"]):
        with pytest.raises(UsageError, match="not a condition"):
            dataset.filter(odd)  # type: ignore[arg-type]
    assert dataset.filter(split="val").frame_ids == dataset.split("validation").frame_ids
    assert len(dataset.filter(num_heads=np.arange(1000))) == 56
    assert len(dataset.filter(weather=frozenset())) == 0


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("num_heds > 3", "no such column (got 'num_heds'); did you mean num_heads?"),
        ("num_heads > 'x'", "a number is compared with a text (got \"num_heads > 'x'\")"),
        ("__import__('os').system('true')", "not a condition that can be understood"),
        ("num_heads.__class__ == 3", "neither a column, a number nor a text"),
        ("[n for n in (1,)] == 3", "neither a column, a number nor a text"),
        ("num_heads", "not a condition that can be understood"),
        ("num_heads >", "not a condition (got 'num_heads >')"),
        ("weather in 'RAIN'", "a list has to follow `in`"),
        ("num_heads > None", "None has no order"),
        ("", "not a condition"),
        ("(" * 500, "not a condition"),
        ("num_heads > f'{sha256}'", "neither a column, a number nor a text"),
    ],
)
def test_conditions_that_are_none(tiny_dataset: Path, condition: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Dataset.open(tiny_dataset).filter(condition)
    assert said in str(caught.value)


def test_unknown_values_meet_no_comparison() -> None:
    columns = {"weather": ["RAIN", None, "FOG"], "hour": [None, 3.0, 23.5], "n": [1, 2, 3]}
    for condition, wanted in {
        "weather != 'RAIN'": [False, False, True],
        "weather not in ('RAIN',)": [False, False, True],
        "weather is None or hour is None": [True, True, False],
        "weather is not None": [True, False, True],
        "not hour > 5": [True, True, False],
        "-1 < n <= 2 and hour < 24": [False, True, False],
        "1 == 1": [True, True, True],
        "n > hour": [False, False, False],
    }.items():
        assert (
            conditions.holds(condition, list(columns), columns.__getitem__, 3).tolist() == wanted
        ), condition


def test_tables_for_other_programs(tiny_dataset: Path) -> None:
    part = Dataset.open(tiny_dataset).filter("num_heads > 20")
    heads = part.to_pandas("heads")
    assert len(heads) == sum(len(frame.head_ids) for frame in part)
    assert set(heads.frame_id) == set(part.frame_ids)
    frame = part[3]
    mine = heads[heads.frame_id == frame.frame_id]
    assert np.array_equal(mine[["x", "y"]].to_numpy(), frame.points_xy)
    assert list(mine.status) == frame.status.tolist()
    assert len(part.to_pandas()) == len(part) == part.to_arrow().num_rows
    assert part.to_arrow("heads").num_rows == len(heads)
    polars = pytest.importorskip("polars")
    other = part.to_polars("heads")
    assert isinstance(other, polars.DataFrame)
    assert other["x"].to_list() == heads.x.tolist()
    assert part[:0].to_pandas("heads").empty
    with pytest.raises(UsageError, match="no such table"):
        part.to_arrow("people")  # type: ignore[arg-type]


def test_some_frames_by_chance(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    assert len(dataset.sample(10)) == 10
    assert dataset.sample(10).frame_ids == dataset.sample(10).frame_ids
    assert dataset.sample(10, seed=1).frame_ids != dataset.sample(10).frame_ids
    assert dataset.sample(56).frame_ids == dataset.frame_ids
    with pytest.raises(UsageError, match="there are 56 frames"):
        dataset.sample(57)
    for seed in (-1, 2**63, 1.5, True, None):
        with pytest.raises(UsageError, match="the seed must be a whole number from 0"):
            dataset.sample(10, seed=seed)  # type: ignore[arg-type]


def test_what_a_frame_gives(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    frame = max(dataset, key=lambda frame: frame.count)
    image = frame.image()
    assert (image.shape, image.dtype) == ((*frame.size_wh[::-1], 3), np.uint8)
    assert frame.image_path is not None
    assert np.array_equal(image, np.asarray(Image.open(frame.image_path).convert("RGB")))
    assert frame.density(stride=8).sum() == pytest.approx(frame.count, rel=1e-4)
    heat = frame.heatmap(stride=4)
    assert heat.shape == (-(-frame.size_wh[1] // 4), -(-frame.size_wh[0] // 4))
    assert heat.max() == 1


def test_what_frames_share_cannot_be_changed(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    frame = dataset[0]
    for values in (frame.points_xy, frame.boxes_xyxy, frame.sigmas_xy, frame.visibility):
        with pytest.raises(ValueError, match="read-only"):
            values[...] = 8


def test_what_is_shown(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    frame = dataset["seq_00/000004"]
    assert repr(frame) == f"Frame('seq_00/000004': {frame.count} heads, 640×360, {frame.split})"
    assert repr(dataset) == f"Dataset({str(tiny_dataset)!r}: 56 frames, 2,640 heads)"
    test = dataset.split("test")
    heads = sum(frame.count for frame in test)
    shown = f"Dataset({str(tiny_dataset)!r}, split='test': {len(test)} frames, {heads:,} heads)"
    assert repr(test) == shown
    assert shown.replace("'", "&#x27;") in test._repr_html_()


def test_heads_stay_in_memory_within_bounds(
    tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []
    read = StoredTables.frame_heads
    monkeypatch.setattr(
        StoredTables, "frame_heads", lambda self, name: reads.append(name) or read(self, name)
    )
    dataset = Dataset.open(tiny_dataset)
    for frame_id in ("seq_00/000000", "seq_01/000000", "seq_00/000001"):
        assert dataset[frame_id]
        assert dataset.select(sequences=["seq_00"])[0]
    assert reads == ["seq_00", "seq_01"]
    monkeypatch.setattr("gtahead.dataset.heads.CACHE_BYTES", 1)
    list(dataset)
    assert len(dataset._heads._held) == 1


def test_columns_without_the_rest(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    heads = dataset.heads("seq_00", ["y", "x"])
    assert list(heads) == ["y", "x"]
    for read in (lambda: dataset.heads("seq_00", ["z"]), lambda: dataset.frames(["z"])):
        with pytest.raises(UsageError, match="no such column"):
            read()


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


def test_a_dataset_that_was_changed_meanwhile_is_opened_again(
    tiny_dataset: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "dataset"
    shutil.copytree(tiny_dataset, copied)
    dataset = Dataset.open(copied)
    before = dataset[0].boxes_xyxy
    library.annotate(copied, boxes="fixed:24")
    with pytest.raises(InputError, match="changed after it was opened"):
        dataset[len(dataset) - 1]  # of another sequence, with other boxes
    assert not np.array_equal(Dataset.open(copied)[0].boxes_xyxy, before)
    for derive in (
        lambda: library.filter(dataset, tmp_path / "x", where="num_heads > 3"),
        lambda: library.merge([dataset, tiny_dataset], tmp_path / "x"),
    ):
        with pytest.raises(InputError, match="changed after it was opened"):
            derive()
    assert not (tmp_path / "x").exists()


def test_a_dataset_that_is_the_same_stays_open(tiny_dataset: Path, tmp_path: Path) -> None:
    copied = tmp_path / "dataset"
    shutil.copytree(tiny_dataset, copied)
    dataset = Dataset.open(copied)
    (copied / "manifest.json").touch()
    library.annotate(copied, boxes="auto")  # which changes nothing
    assert dataset[len(dataset) - 1].size_wh
    copied.rename(tmp_path / "moved")
    with pytest.raises(InputError, match="isn't there any more"):
        dataset[0]


def test_what_a_dataset_is_asked_for_wrongly(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    for ask, said in (
        (lambda: dataset.filter(num_heads="3"), "holds other values"),
        (lambda: dataset.filter(weather=3), "holds other values"),
        (lambda: dataset.filter(num_heads=lambda n: n > 3), "a function"),
        (lambda: dataset[["seq_00/000000"]], "numbers or flags"),
        (lambda: dataset.sample(0.5), "frames to choose from"),  # type: ignore[arg-type]
        (lambda: library.merge("ds", "out"), "a list of datasets"),
        (lambda: library.merge([dataset[5:5], dataset[5:5]], "out"), "no frames"),
    ):
        with pytest.raises(UsageError, match=said):
            ask()
    with pytest.raises(TypeError, match=r"Dataset\.open"):
        Dataset(tiny_dataset)
    assert list(dataset.frames("split")) == ["split"]
    part = dataset[3:5]
    pandas = pytest.importorskip("pandas")
    heads = part.to_pandas("heads")
    assert isinstance(heads, pandas.DataFrame)
    assert set(heads["frame_id"].value_counts().index) == set(part.frame_ids)


def test_a_dataset_stands_for_its_folder(tiny_dataset: Path, tmp_path: Path) -> None:
    """Whoever has opened one need not name its folder again; a part isn't taken for the whole."""
    opened = Dataset.open(tiny_dataset)
    assert Path(opened) == tiny_dataset
    calls: dict[str, Callable[[Dataset], object]] = {
        "validate": lambda data: library.validate(data, images="none"),
        "report": lambda data: library.report(data, tmp_path / "report.html"),
        "view": lambda data: library.view(data, ["seq_00/000000"], out=tmp_path / "view.png"),
        "export": lambda data: library.export(data, tmp_path / "coco", format="coco"),
        "open": Dataset.open,
    }
    for name, call in calls.items():
        assert call(opened) is not None, name
        with pytest.raises(UsageError, match=r"a part of a dataset has no folder of its own \(got"):
            call(opened.split("test"))
