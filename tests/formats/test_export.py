"""`gtahead export` as people use it: targets, losses, splits, damage, kills."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from helpers import but_slow, gtahead, image, make_sequence, spawn_gtahead
from pyarrow import parquet

import gtahead as library
from gtahead import InputError, ResourceError, UsageError
from gtahead.dataset import heads_file
from gtahead.formats import FORMATS
from gtahead.tables import canonical

from .conftest import make_captures
from .test_round_trips import digest


def test_losses_are_listed_and_refused(small_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = gtahead("export", small_dataset, "--format", "shanghaitech", "--out", out)
    assert done.code == 1
    assert "boxes of heads (9), persons' ids (9), ignored heads (1), visible shares (9)" in done.err
    assert "--allow-lossy" in done.err
    assert not out.exists()
    done = gtahead(
        "export", small_dataset, "--format", "shanghaitech", "--out", out, "--allow-lossy"
    )
    assert done.code == 0
    assert ["ignored", "1"] in [line.split() for line in done.out.splitlines()]
    assert "not in this format: boxes of heads 9" in done.out


def test_points_beside_their_boxes_are_a_loss_for_box_formats(tmp_path: Path) -> None:
    heads = [(1, 20.0, 20.0, 8.0, 1.0), (2, 40.0, 20.0, 8.0, 1.0)]
    sequences = {"a": {"split": "train", "frames": [heads], "shift": 2.0}}
    make_captures(tmp_path / "captures", sequences)
    dataset = tmp_path / "dataset"
    library.build(tmp_path / "captures", dataset, workers=1)
    with pytest.raises(InputError, match=r"points that aren't the centre of their box \(2\)"):
        library.export(dataset, tmp_path / "yolo", format="yolo", workers=1)
    report = library.export(dataset, tmp_path / "yolo", format="yolo", allow_lossy=True, workers=1)
    assert report.lost["points"] == 2
    assert library.export(dataset, tmp_path / "coco", format="coco", workers=1).lost == {}


def with_box(dataset: Path, sequence: str, row: int, box: list[float | None]) -> None:
    """Give one head of a dataset another box."""
    path = dataset / heads_file(sequence)
    table = parquet.read_table(path)
    for name, value in zip(canonical.BOX, box, strict=True):
        position = table.schema.get_field_index(name)
        values = table[name].to_pylist()
        values[row] = value
        field = table.schema.field(position)
        table = table.set_column(position, field, pa.array(values, field.type))
    parquet.write_table(table, path)


def test_heads_without_a_box_are_a_loss_for_box_formats(
    small_dataset: Path, tmp_path: Path
) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(small_dataset, dataset)
    with_box(dataset, "beta", 0, [None] * 4)
    with pytest.raises(InputError, match=r"heads without a box in the image \(1\)"):
        library.export(dataset, tmp_path / "out", format="coco", workers=1)
    report = library.export(dataset, tmp_path / "out", format="coco", allow_lossy=True, workers=1)
    assert report.ledger.heads.dropped == {"no-box": 1}
    points = library.export(dataset, tmp_path / "nwpu", format="nwpu", allow_lossy=True, workers=1)
    assert points.ledger.heads.dropped == {"ignored": 1}
    library.export(dataset, tmp_path / "jhu", format="jhu", allow_lossy=True, workers=1)
    assert (tmp_path / "jhu" / "val" / "gt" / "0001.txt").read_text() == "10 10 0 0 1 0\n"
    library.build(tmp_path / "jhu", tmp_path / "again", workers=1)
    sources = library.Dataset.open(tmp_path / "again").manifest.document["statistics"][
        "box_sources"
    ]
    assert (sources.pop("captured"), sum(sources.values())) == (
        7,
        1,
    )  # the ignored head stayed behind


def test_boxes_outside_are_a_loss_where_boxes_are_cut(small_dataset: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(small_dataset, dataset)
    with_box(dataset, "beta", 0, [70.0, 10.0, 75.0, 15.0])
    assert library.export(dataset, tmp_path / "coco", format="coco", workers=1).lost == {}
    report = library.export(dataset, tmp_path / "out", format="voc", allow_lossy=True, workers=1)
    assert report.lost["boxless"] == 1
    assert report.ledger.heads.dropped == {"box-outside": 1}


def test_the_default_places(small_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(small_dataset, tmp_path / "dataset")
    done = spawn_gtahead("export", "--format", "coco", cwd=tmp_path)
    assert done.code == 0
    assert (tmp_path / "exports" / "coco" / "annotations" / "instances_train.json").is_file()
    again = spawn_gtahead("export", "--format", "coco", cwd=tmp_path)
    assert again.code == 1
    assert "there is already an export; add --overwrite" in again.err


def test_overwriting_replaces_ours_and_keeps_what_is_foreign(
    small_dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    library.export(small_dataset, out, format="coco", workers=1)
    before = digest(out)
    library.export(small_dataset, out, format="coco", overwrite=True, workers=1)
    assert digest(out) == before
    (out / "images" / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="holds a file that isn't part of it"):
        library.export(small_dataset, out, format="coco", overwrite=True, workers=1)
    assert (out / "images" / "mine.txt").read_text() == "precious"
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(InputError, match="isn't a finished gtahead export"):
            library.export(small_dataset, foreign, format="coco", overwrite=overwrite, workers=1)
    assert (foreign / "thesis.tex").read_text() == "precious"


def test_an_export_can_t_lie_in_its_dataset(small_dataset: Path) -> None:
    with pytest.raises(UsageError, match="can't lie inside each other"):
        library.export(small_dataset, small_dataset / "images" / "out", format="coco")


def test_splits_can_be_chosen(small_dataset: Path, tmp_path: Path) -> None:
    done = gtahead(
        "export",
        small_dataset,
        "--format",
        "coco",
        "--out",
        tmp_path / "out",
        "--split",
        "test",
        "--split",
        "validation",
        "--json",
    )
    assert done.json["ledger"]["frames"]["in"] == 3
    names = sorted(path.name for path in (tmp_path / "out" / "annotations").iterdir())
    assert names == ["instances_test.json", "instances_val.json"]
    done = gtahead("export", small_dataset, "--format", "coco", "--split", "dev")
    assert done.code == 2
    assert "no such split (got 'dev')" in done.err


def test_empty_frames_go_only_on_request(small_dataset: Path, tmp_path: Path) -> None:
    report = library.export(
        small_dataset, tmp_path / "out", format="coco", drop_empty=True, workers=1
    )
    assert report.ledger.frames.as_dict()["dropped"] == {"drop-empty": 4}
    assert json.loads((tmp_path / "out" / "export.json").read_text())["options"]["drop_empty"]
    text = (tmp_path / "out" / "annotations" / "instances_test.json").read_text()
    assert json.loads(text)["images"] == []


def named(tmp_path: Path, *files: str) -> None:
    """Build a dataset, tmp_path / "dataset", of COCO with images of these names."""
    raw = tmp_path / "raw"
    images = []
    for number, file in enumerate(files, 1):
        (raw / "images" / file).parent.mkdir(parents=True, exist_ok=True)
        (raw / "images" / file).write_bytes(image(number))
        images.append({"id": number, "file_name": file, "width": 64, "height": 48})
    coco = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "head"}]}
    (raw / "instances_train.json").write_text(json.dumps(coco))
    library.build(raw, tmp_path / "dataset", workers=1)


@pytest.mark.parametrize("name", ["voc", "crowdhuman"])
def test_names_that_no_file_may_have_joined(tmp_path: Path, name: str) -> None:
    long, wide = "s" * 150, "\N{SNOWMAN}" * 50
    named(tmp_path, f"{long}/{long}1.jpg", f"{long}/{long}2.jpg", f"{wide}/{wide}.jpg", "a/b.jpg")
    report = library.export(tmp_path / "dataset", tmp_path / "out", format=name, workers=1)
    assert report.ledger.frames.kept == 4
    names = {path.stem for path in (tmp_path / "out").rglob("*.jpg")}
    assert "a__b" in names
    assert len(names) == 4
    assert len({one.partition("~")[2] for one in names}) == 4  # three digests, and none
    again = library.build(tmp_path / "out", tmp_path / "again", workers=1)
    assert again.ledger.frames.kept == 4


def test_names_that_flat_formats_would_confuse(tmp_path: Path) -> None:
    named(tmp_path, "a/b__c.jpg", "a__b/c.jpg")
    for name in ("voc", "crowdhuman"):
        with pytest.raises(InputError, match=r"two frames would have the name .*a__b__c"):
            library.export(tmp_path / "dataset", tmp_path / "out", format=name, workers=1)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset", "raw"]
    report = library.export(tmp_path / "dataset", tmp_path / "out", format="coco", workers=1)
    assert report.ledger.frames.kept == 2


def test_a_dataset_without_images(tmp_path: Path) -> None:
    frames = [[(1, 5.0, 5.0, 2.0, 1.0)], []]
    make_captures(tmp_path / "captures", {"a": {"split": "train", "frames": frames}})
    library.build(tmp_path / "captures", tmp_path / "dataset", images="none", workers=1)
    for name in FORMATS:
        library.export(
            tmp_path / "dataset", tmp_path / name, format=name, allow_lossy=True, workers=1
        )
        assert not list((tmp_path / name).rglob("*.jpg")), name


def test_a_missing_image_is_named(small_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(small_dataset, tmp_path / "dataset")
    (tmp_path / "dataset" / "images" / "alpha" / "000001.jpg").unlink()
    for name in ("coco", "huggingface", "webdataset"):
        with pytest.raises(InputError, match="the image is missing"):
            library.export(tmp_path / "dataset", tmp_path / name, format=name, workers=1)
        assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_a_damaged_table_is_named(small_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(small_dataset, tmp_path / "dataset")
    path = tmp_path / "dataset" / "heads" / "alpha.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    done = gtahead("export", tmp_path / "dataset", "--format", "coco", "--out", tmp_path / "out")
    assert done.code == 1
    assert "alpha.parquet" in done.err
    assert not (tmp_path / "out").exists()


def test_what_doesn_t_fit_isn_t_begun(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**6, 10**6 - 20_000, 20_000))
    with pytest.raises(ResourceError, match=r"needs about \d+\.\d kB, and 20\.0 kB are free"):
        library.export(
            small_dataset, tmp_path / "out", format="density", stride=1, allow_lossy=True
        )
    assert not (tmp_path / "out").exists()
    library.export(small_dataset, tmp_path / "coco", format="coco", workers=1)


@pytest.mark.parametrize(
    ("point", "workers"),
    but_slow([("batch-written", 2)], ("batch-written", 1), ("exported", 1), ("exported", 2)),
)
def test_a_killed_export_leaves_nothing_half(
    small_dataset: Path, tmp_path: Path, point: str, workers: int
) -> None:
    out = tmp_path / "out"
    arguments = ("export", small_dataset, "--format", "coco", "--out", out, "--workers", workers)
    killed = spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": point})
    assert killed.code == -9
    assert not out.exists()
    assert gtahead(*arguments).code == 0
    library.export(small_dataset, tmp_path / "clean", format="coco", workers=1)
    assert digest(out) == digest(tmp_path / "clean")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "out"]


def test_formats_are_listed_with_what_they_hold() -> None:
    listed = {row["name"]: row for row in gtahead("formats", "--json").json["formats"]}
    assert list(listed) == list(FORMATS)
    assert listed["coco"]["drops"] == []
    assert listed["density"]["reads"] is False
    text = gtahead("formats").out
    rows = {line.split()[0]: line.split() for line in text.splitlines()[1:]}
    assert list(rows) == list(FORMATS)
    assert rows["coco"][1:] == ["yes"] * 7 + ["0.01", "px"]
    assert rows["density"][1:] == ["–"] * 7 + ["cells"]
    assert max(map(len, text.splitlines())) <= 80


def test_an_unknown_format_names_the_nearest(small_dataset: Path) -> None:
    done = gtahead("export", small_dataset, "--format", "pascal-voc")
    assert done.code == 2
    assert "unknown format (got 'pascal-voc')" in done.err


def test_a_store_that_isn_t_installed_says_how_to_get_it(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    options: dict[str, Any] = {"format": "density", "store": "h5", "allow_lossy": True}
    with pytest.raises(ResourceError, match=r"pip install 'gtahead\[hdf5\]'"):
        library.export(small_dataset, tmp_path / "out", workers=1, **options)


def test_what_other_splits_have_is_no_loss_of_one(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = ["frame,ped_id,x,y,depth_m,ignore"]
    make_sequence(
        raw, frames=4, header=lines[0], rows=["0,1,10,20,8,0", "1,1,11,20,8,1", "2,2,30,20,7,1"]
    )
    file = tmp_path / "splits.csv"
    file.write_text("seq/000000,train\nseq/000001,test\nseq/000002,test\nseq/000003,train\n")
    library.build(raw, tmp_path / "set", split=str(file), workers=1)
    with pytest.raises(InputError, match=r"ignored heads \(2\)"):
        library.export(tmp_path / "set", tmp_path / "all", format="yolo", workers=1)
    with pytest.raises(InputError, match=r"persons' ids \(1\)") as refused:
        library.export(tmp_path / "set", tmp_path / "one", format="yolo", split="train", workers=1)
    assert "ignored heads" not in str(refused.value)


def test_points_that_a_format_moves_are_said(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "images").mkdir(parents=True)
    (raw / "0.jpg").write_bytes(image(1, (200, 100)))
    (raw / "points.csv").write_text("file,x,y\n0.jpg,1,1\n0.jpg,100,50\n")
    done = gtahead("build", "--raw", raw, "--out", tmp_path / "set", "--boxes", "fixed:side=40")
    assert done.code == 0, done.err
    done = gtahead("export", tmp_path / "set", "--format", "yolo", "--out", tmp_path / "yolo")
    assert done.code == 0, done.err
    assert "moved: 1 points, to the middle of their box where the image cuts it" in done.out
