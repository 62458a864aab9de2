"""What must not go unsaid: files that are lost, names that leave the folder, ids that are twice."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from contextlib import chdir
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow
import pytest
from helpers import gtahead, image, spawn_gtahead
from pyarrow import parquet

import gtahead as library
from gtahead import InputError
from gtahead.building import BuildReport
from gtahead.ingest.exports import split_by_folder


def exported(dataset: Path, out: Path, name: str, images: str = "copy") -> Path:
    library.export(dataset, out, format=name, allow_lossy=True, images=images, workers=1)
    return out


def built(raw: Path) -> BuildReport:
    return library.build(raw, raw.parent / "again", workers=1)


def sample(number: int, *, image_too: bool = True) -> dict[str, bytes]:
    """The files of a webdataset sample, by their endings."""
    box = [10.0 * number, 10.0, 10.0 * number + 8, 20.0]
    about = {"width": 64, "height": 48, "objects": {"bbox": [box]}}
    files = {".json": json.dumps(about).encode()}
    return files | ({".jpg": image(seed=number)} if image_too else {})


@pytest.mark.parametrize(
    ("folder", "sequence"),
    [("", "train-000000"), ("./", "train-000000"), ("v1.0/", "v1.0"), ("./a.b/c/", "a.b__c")],
)
def test_samples_in_folders_with_dots_keep_their_own_images(
    tmp_path: Path, folder: str, sequence: str
) -> None:
    """As `tar -cf x.tar .` writes them: a key ends at the first dot of the file's own name."""
    (tmp_path / "raw").mkdir()
    samples = {1: sample(1, image_too=False), 2: sample(2), 3: sample(3)}
    with tarfile.open(tmp_path / "raw" / "train-000000.tar", "w") as archive:
        for number, files in samples.items():
            for suffix, data in files.items():
                member = tarfile.TarInfo(f"{folder}000{number}{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    report = built(tmp_path / "raw")
    assert report.findings.totals["image-missing"] == 1
    checked = library.validate(tmp_path / "raw", workers=1).finish()
    assert checked.totals["image-missing"] == 1
    frames = list(library.Dataset.open(tmp_path / "again"))
    assert [frame.frame_id for frame in frames] == [f"{sequence}/0002", f"{sequence}/0003"]
    for number, frame in zip((2, 3), frames, strict=True):
        assert frame.boxes_xyxy[0, 0] == 10 * number
        assert frame.image_path is not None
        assert frame.image_path.read_bytes() == samples[number][".jpg"]


@pytest.mark.parametrize(
    ("folder", "split", "rest"),
    [
        ("train/street", "train", ["street"]),
        ("val/train_station", "validation", ["train_station"]),
        ("station/Test", "test", ["station"]),
        ("part_A/train_data", "train", ["part_A"]),
        ("val2017", "validation", []),
        ("testing_ground/intrain", None, ["testing_ground", "intrain"]),
        (".", None, []),
        ("train_01", None, ["train_01"]),
    ],
)
def test_a_split_is_a_folders_whole_name(folder: str, split: str | None, rest: list[str]) -> None:
    assert split_by_folder(PurePosixPath(folder)) == (split, rest)


def test_a_place_named_like_a_split_stays_where_it_is(tmp_path: Path) -> None:
    raw = tmp_path / "test_run"
    places = {"train/street": "train", "val/train_station": "validation", "test/train_2": "test"}
    for number, place in enumerate(places):
        for kind, name, data in (
            ("images", "1.jpg", image(seed=number)),
            ("labels", "1.txt", b"0 0.5 0.5 0.2 0.2\n"),
        ):
            (raw / kind / place).mkdir(parents=True)
            (raw / kind / place / name).write_bytes(data)
    built(raw)
    frames = {frame.sequence: frame.split for frame in library.Dataset.open(tmp_path / "again")}
    assert frames == {place.partition("/")[2]: split for place, split in places.items()}


def test_relative_datasets_are_exported_by_one_process(small_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(small_dataset, tmp_path / "dataset")
    done = spawn_gtahead("export", "--format", "coco", "--workers", "1", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("coco", "annotations/instances_train.json"),
        ("crowdhuman", "annotation_train.odgt"),
        ("points-json", "train.jsonl"),
        ("points-csv", "train.csv"),
        ("fidtm", "train_gt.txt"),
        ("headhunter", "train.txt"),
        ("mot", "train/alpha/gt/gt.txt"),
        ("imagefolder", "train/metadata.parquet"),
        ("huggingface", "data/train-00000-of-00001.parquet"),
        ("webdataset", "train-000000.tar"),
    ],
)
@pytest.mark.parametrize("damage", ["removed", "emptied"])
def test_a_lost_file_of_labels_is_reported(
    small_dataset: Path, tmp_path: Path, name: str, file: str, damage: str
) -> None:
    if name == "mot":
        damage = "removed"  # an empty gt.txt is a sequence without heads
    out = exported(small_dataset, tmp_path / "out", name)
    if damage == "removed":
        (out / file).unlink()
    else:
        (out / file).write_bytes(b"")
    try:
        report = built(out)
    except InputError:
        return
    assert report.findings.anything_set_aside
    assert "bad-labels-file" in report.findings.totals or name == "mot"


def test_one_lost_image_moves_no_labels(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "fidtm")
    whole = library.Dataset.open(built(out).out)
    counts = {frame.frame_id: frame.count for frame in whole}
    (out / "train" / "images" / "IMG_0001.jpg").unlink()
    shutil.rmtree(tmp_path / "again")
    left = library.Dataset.open(built(out).out)
    assert len(left) == len(whole) - 1
    assert all(counts[frame.frame_id] == frame.count for frame in left)


def test_tables_without_heads_are_refused(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "imagefolder")
    path = out / "train" / "metadata.parquet"
    parquet.write_table(parquet.read_table(path).drop_columns(["objects"]), path)
    with pytest.raises(InputError, match="the table has no heads"):
        built(out)


UNSAFE = [
    "../../outside.jpg",
    "/etc/passwd",
    "a\0b.jpg",
    "n" * 5000 + ".jpg",
    "file:///etc/passwd",
    "C:\\x.jpg",
]


@pytest.mark.parametrize("file", UNSAFE, ids=["up", "absolute", "nul", "long", "scheme", "drive"])
@pytest.mark.parametrize("name", ["coco", "points-json", "crowdhuman", "headhunter"])
def test_names_that_leave_the_folder(tmp_path: Path, name: str, file: str) -> None:
    raw = tmp_path / "deep" / "raw"
    (raw / "images").mkdir(parents=True)
    (raw / "images" / "good.jpg").write_bytes(image(1))
    (tmp_path / "outside.jpg").write_bytes(image(2))
    names = ["good.jpg", file]
    if name == "coco":
        images = [
            {"id": n, "file_name": one, "width": 64, "height": 48} for n, one in enumerate(names, 1)
        ]
        rows = [{"id": n, "image_id": n, "category_id": 1, "bbox": [5, 5, 4, 4]} for n in (1, 2)]
        document: dict[str, Any] = {"images": images, "annotations": rows}
        document["categories"] = [{"id": 1, "name": "head"}]
        (raw / "instances_train.json").write_text(json.dumps(document))
    elif name == "points-json":
        lines = [
            json.dumps(
                {"file": one if n else f"images/{one}", "frame_id": f"a/{n}", "points": [[5, 5]]}
            )
            for n, one in enumerate(names)
        ]
        (raw / "train.jsonl").write_text("\n".join(lines))
    elif name == "crowdhuman":
        boxes = [{"tag": "person", "hbox": [5, 5, 4, 4]}]
        stems = ["good", file.removesuffix(".jpg")]
        lines = [json.dumps({"ID": one, "gtboxes": boxes}) for one in stems]
        (raw / "train.odgt").write_text("\n".join(lines))
    else:
        (raw / "train.txt").write_text("".join(f"# {one}\n5,5,9,9\n" for one in names))
    report = library.build(raw, tmp_path / "dataset", reader=name, workers=1)
    frames = library.Dataset.open(tmp_path / "dataset")
    assert len(frames) == 1
    assert report.ledger.frames.came == 2
    heads = report.ledger.heads
    assert (heads.came, heads.kept) == (2, 1)
    assert b"root:" not in b"".join(p.read_bytes() for p in (tmp_path / "dataset").rglob("*.jpg"))


def test_two_images_of_one_id_are_refused(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": f"{n}.jpg", "width": 64, "height": 48} for n in (1, 2)]
    document = {"images": images, "annotations": [], "categories": []}
    (tmp_path / "instances_train.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match="two images share an id"):
        library.build(tmp_path, tmp_path.with_name("out"), workers=1)


def test_findings_name_the_file_that_lists_the_frame(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "headhunter", "none")
    path = out / "train.txt"
    path.write_text(path.read_text().replace("26.25", "wide", 1))
    report = built(out)
    (finding,) = report.findings.examples["bad-frame-labels"]
    assert finding.where.file == "train.txt"


@pytest.mark.slow
def test_a_sequence_of_a_million_frames_that_nobody_saw(
    small_dataset: Path, tmp_path: Path
) -> None:
    out = exported(small_dataset, tmp_path / "out", "mot", "none")
    path = out / "train" / "alpha" / "seqinfo.ini"
    path.write_text(path.read_text().replace("seqLength=3", "seqLength=100000000"))
    assert built(out).ledger.frames.came < 20_000


def test_damaged_tables_are_said_in_one_line(small_dataset: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(small_dataset, dataset)
    path = dataset / "heads" / "alpha.parquet"
    table = parquet.read_table(path)
    parquet.write_table(table.slice(0, 2), path)
    with pytest.raises(InputError):
        library.export(dataset, tmp_path / "out", format="coco", workers=1)
    position = table.schema.get_field_index("x")
    values = table["x"].to_pylist()
    values[0] = float("nan")
    import pyarrow as pa

    column = pa.array(values, pa.float64())
    parquet.write_table(table.set_column(position, table.schema.field(position), column), path)
    with pytest.raises(InputError, match="can't be written"):
        library.export(dataset, tmp_path / "out", format="points-csv", allow_lossy=True, workers=1)
    assert [one.name for one in tmp_path.iterdir()] == ["dataset"]


def test_a_status_that_nobody_knows_isnt_exported(small_dataset: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    shutil.copytree(small_dataset, dataset)
    path = dataset / "heads" / "alpha.parquet"
    table = parquet.read_table(path)
    field = table.schema.get_field_index("status")
    words = pyarrow.array(["strange"] * len(table)).dictionary_encode()
    parquet.write_table(table.set_column(field, table.schema.field(field), words), path)
    with pytest.raises(InputError, match="the table of heads doesn't match"):
        library.export(dataset, tmp_path / "out", format="coco", workers=1)


def test_a_link_to_nowhere_is_no_target(small_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "nowhere" / "deep")
    with pytest.raises(InputError, match="a broken link"):
        library.export(small_dataset, tmp_path / "out", format="coco", workers=1)
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_another_size_than_the_image_has_is_reported(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "coco")
    path = out / "annotations" / "instances_train.json"
    document = json.loads(path.read_text())
    document["images"][0]["width"] = 640
    path.write_text(json.dumps(document))
    report = built(out)
    (finding,) = report.findings.examples["size-differs"]
    assert (finding.where.file, finding.value) == ("annotations/instances_train.json", "640 x 48")
    sizes = {frame.size_wh for frame in library.Dataset.open(report.out)}
    assert sizes == {(64, 48), (40, 56)}


def test_frames_of_a_sequence_that_can_t_be_named_are_booked(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = [
        json.dumps({"frame_id": f"{one}/0", "width": 64, "height": 48, "points": [[5, 5]] * 3})
        for one in ("good", "a\0b", "n" * 300)
    ]
    (raw / "train.jsonl").write_text("\n".join(lines))
    ledger = built(raw).ledger
    assert (ledger.frames.came, ledger.frames.dropped) == (3, {"unsafe-path": 1, "bad-name": 1})
    assert (ledger.heads.came, ledger.heads.kept) == (9, 3)


def test_a_sample_without_its_json_is_reported(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "webdataset")
    path = out / "train-000000.tar"
    with tarfile.open(path) as archive:
        members = [(one, archive.extractfile(one)) for one in archive]
        kept = [(one, file.read()) for one, file in members if file is not None]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for member, data in kept:
            if member.name != "00000001.json":
                archive.addfile(member, io.BytesIO(data))
    report = built(out)
    assert report.findings.totals["labels-missing"] == 1
    assert report.ledger.frames.came == len(library.Dataset.open(small_dataset))


def test_a_image_in_two_lists_of_splits_is_refused(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "voc")
    train = out / "ImageSets/Main/train.txt"
    name = (out / "ImageSets/Main/test.txt").read_text().split()[0]
    train.write_text(f"{train.read_text()}{name}\n")
    with pytest.raises(InputError) as caught:
        built(out)
    assert str(caught.value) == (
        f"ImageSets/Main/train.txt > line 6: an image is listed in two splits (got '{name}'); "
        "take it out of one of the lists"
    )


def test_images_that_no_labels_list_are_named(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "points-csv")
    for name in ("export.json", "frames.csv"):
        (out / name).unlink()
    empty = sum(
        row == 0 for row in library.Dataset.open(small_dataset).frames(["num_heads"])["num_heads"]
    )
    assert built(out).findings.totals["image-without-record"] == empty > 0


def test_mot_with_images_isn_t_taken_for_jhu(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / "raw/walk/img1").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"raw/walk/img1/{number:06d}.jpg").write_bytes(image(number))
    (tmp_path / "raw/walk/gt").mkdir()
    (tmp_path / "raw/walk/gt/gt.txt").write_text("0,1,10,10,5,5,1,1,1\n1,1,12,10,5,5,1,1,1\n")
    done = built(tmp_path / "raw")
    assert done.reader == "mot"
    assert done.manifest["ledger"]["heads"]["out"] == 2


@pytest.mark.parametrize(
    ("column", "value"), [("split", "dev"), ("width", 0)], ids=["split", "width"]
)
def test_a_damaged_table_of_frames_isn_t_exported(
    small_dataset: Path, tmp_path: Path, column: str, value: object
) -> None:
    shutil.copytree(small_dataset, tmp_path / "data")
    path = tmp_path / "data/frames.parquet"
    table = parquet.read_table(path)
    values = [value, *table[column].to_pylist()[1:]]
    position = table.schema.get_field_index(column)
    array = pyarrow.array(values, table.schema.field(column).type)
    parquet.write_table(table.set_column(position, table.schema.field(column), array), path)
    with pytest.raises(InputError, match="the table of frames is damaged"):
        exported(tmp_path / "data", tmp_path / "out", "coco")


@pytest.mark.parametrize(
    ("options", "reported"),
    [
        (("--stride", "4"), "coco has no stride: only maps have"),
        (("--out", ""), "no folder to export to"),
    ],
)
def test_options_without_effect_are_refused(
    small_dataset: Path, tmp_path: Path, options: tuple[str, ...], reported: str
) -> None:
    with chdir(tmp_path):
        done = gtahead("export", small_dataset, "--format", "coco", *options)
    assert (done.code, reported in done.err) == (2, True)


def test_maps_are_said_not_to_be_readable(small_dataset: Path, tmp_path: Path) -> None:
    out = exported(small_dataset, tmp_path / "out", "density")
    with pytest.raises(InputError, match="an export as density: maps can't be read back"):
        built(out)


def test_folders_are_joined_however_deep_they_are(tmp_path: Path) -> None:
    """Each of them has a name that a file system takes; together they are too long for one."""
    raw = tmp_path / "raw"
    raw.mkdir()
    deep = "/".join(letter * 150 for letter in "abc")
    images = [{"id": n, "file_name": f"{deep}{n}/x.jpg", "width": 64, "height": 48} for n in (1, 2)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [5, 5, 9, 9]} for n in (1, 2)]
    (raw / "labels.json").write_text(
        json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1}]})
    )
    names = {frame.sequence for frame in library.Dataset.open(built(raw).out)}
    assert len(names) == 2
    assert all(name.startswith("a" * 150) and "~" in name for name in names)


@pytest.mark.parametrize("folder", ["con", "what?", "=2+2"])
def test_a_folder_that_can_t_name_a_sequence(tmp_path: Path, folder: str) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    lines = [
        json.dumps({"frame_id": f"{one}/0", "width": 64, "height": 48, "points": [[5, 5]]})
        for one in ("good", folder)
    ]
    (raw / "train.jsonl").write_text("\n".join(lines))
    assert built(raw).ledger.frames.dropped == {"bad-name": 1}
