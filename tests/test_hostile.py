"""Inputs made to do harm: SECURITY.md's table, a row a test. Nothing outside is read or written,
nothing runs, and little memory is taken.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import resource
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers import but_slow, gtahead, image, make_sequence, manifest, spawn_gtahead
from pyarrow import parquet

import gtahead as library
from gtahead.errors import printable
from gtahead.predictions import Predictions, write_predictions

STAGE = ("--repo", "a/b", "--creator", "me", "--licence", "mit", "--i-have-rights")
SECRET = "a secret of this machine"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("built")
    for name in "ab":
        make_sequence(root / "captures", name)
    library.build(root / "captures", root / "dataset", workers=1)
    return root


@pytest.fixture
def dataset(built: Path, tmp_path: Path) -> Path:
    """A dataset of one's own, beside its captures."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    return tmp_path / "dataset"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.jpg"
    path.write_text(SECRET)
    return path


def edit_frames(dataset: Path, row: int, **values: object) -> None:
    """Change a frame's row, as somebody would who wants to lead gtahead elsewhere."""
    table = parquet.read_table(dataset / "frames.parquet")
    for name, value in values.items():
        column = table.schema.get_field_index(name)
        cells = table.column(name).to_pylist()
        cells[row] = value
        kept = pa.array(cells, table.schema.field(name).type)
        table = table.set_column(column, table.schema.field(name), kept)
    parquet.write_table(table, dataset / "frames.parquet")


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


OUT_OF_IT = {
    "frame_id": {"frame_id": "../../../victim/authorized_keys"},
    "sequence": {"sequence": "../../victim", "frame_id": "../../victim/000000"},
    "frame": {"frame": "../../victim", "frame_id": "a/../../victim"},
    "another's": {"frame_id": "b/000000"},
    "absolute": {"file": "/etc/passwd"},
    "up": {"file": "images/../../secret.jpg"},
    "drive": {"file": "C:\\secret.jpg"},
    "url": {"file": "file:///etc/passwd"},
}


COMMANDS = ("export", "stage", "report", "rebuild", "annotate", "view")
EVERY = [(what, command) for what in OUT_OF_IT for command in COMMANDS]
SOME = [one for one in EVERY if one[1] == "export" or one[0] == "up"]


@pytest.mark.parametrize(("what", "command"), but_slow(SOME, *sorted({*EVERY} - {*SOME})))
def test_a_dataset_that_leads_out_of_its_folder(
    dataset: Path, secret: Path, tmp_path: Path, what: str, command: str
) -> None:
    edit_frames(dataset, 0, **OUT_OF_IT[what])
    out = tmp_path / "deep" / "er" / "out"
    out.parent.mkdir(parents=True)
    before = everything(tmp_path)
    words = {
        "export": ["export", dataset, "--format", "coco", "--allow-lossy", "--out", out],
        "stage": ["publish", "stage", dataset, "--out", out, *STAGE],
        "report": ["report", dataset, "--html", out],
        "rebuild": ["rebuild", dataset, "--frames", tmp_path / "captures", "--out", out],
        "annotate": ["annotate", dataset, "--boxes", "fixed:6", "--workers", 1],
        "view": ["view", dataset, "--out", out.with_suffix(".png")],
    }[command]
    done = gtahead(*words)
    assert done.code == 1, done.err
    assert "points outside the dataset" in done.err
    assert everything(tmp_path) == before


@pytest.mark.parametrize("images", ["link", "copy"])
@pytest.mark.parametrize("name", ["coco", "yolo", "huggingface", "webdataset"])
def test_a_link_brings_no_other_file_into_an_export(
    dataset: Path, secret: Path, tmp_path: Path, name: str, images: str
) -> None:
    path = dataset / "images" / "a" / "000000.jpg"
    path.unlink()
    path.symlink_to(secret)
    out = tmp_path / "out"
    done = gtahead(
        *("export", dataset, "--format", name, "--allow-lossy", "--out", out, "--images", images)
    )
    assert done.code == 1
    assert "the image is a link or not a regular file" in done.err
    assert not out.exists()
    staged = gtahead("publish", "stage", dataset, "--out", out, *STAGE)
    assert (staged.code, out.exists()) == (1, False)


@pytest.mark.parametrize("what", ["image", "folder", "images", "pipe"])
def test_a_link_brings_no_other_file_into_what_is_made(
    dataset: Path, secret: Path, tmp_path: Path, what: str
) -> None:
    image_of_a = dataset / "images" / "a" / "000000.jpg"
    moved = tmp_path / "elsewhere"
    if what in ("image", "pipe"):
        image_of_a.unlink()
        image_of_a.symlink_to(secret) if what == "image" else os.mkfifo(image_of_a)
    else:
        folder = image_of_a.parent if what == "folder" else image_of_a.parents[1]
        folder.rename(moved)
        folder.symlink_to(moved)
    out = tmp_path / "out"
    for words in (
        ["filter", dataset, "--where", "width > 0", "--out", out],
        ["filter", dataset, "--where", "width > 0", "--images", "copy", "--out", out],
        ["merge", dataset, dataset, "--out", out],
        ["export", dataset, "--format", "coco", "--out", out],
        ["publish", "stage", dataset, "--out", out, *STAGE, "--images", "original"],
    ):
        done = gtahead(*words)
        assert done.code == 1, (words, done.err)
        assert "is a link" in done.err
        assert not out.exists()


def test_a_changed_table_gets_no_fresh_hashes(dataset: Path, tmp_path: Path) -> None:
    edit_frames(dataset, 0, hour=13.5)
    out = tmp_path / "out"
    for words in (
        ["filter", dataset, "--where", "width > 0", "--out", out],
        ["merge", dataset, dataset, "--out", out],
        ["annotate", dataset, "--boxes", "fixed:9"],
        ["publish", "stage", dataset, "--out", out, *STAGE],
    ):
        done = gtahead(*words)
        assert done.code == 1, (words, done.err)
        assert "isn't the one that the manifest names" in done.err
        assert not out.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["sources"].pop(),
        lambda document: document["sources"].append(document["sources"][0]),
        lambda document: document["sources"][0].update(visibility=5),
        lambda document: document["options"].update(filter=5),
        lambda document: document.update(options={}),
        lambda document: document["sources"][0].update(box_sources={"captured": None}),
        lambda document: document["sources"][0].update(reader=""),
        lambda document: document["sources"][0].update(sequence="../../x"),
        lambda document: document["sources"][0]["ledger"]["heads"].update({"in": None}),
        lambda document: document["findings"].update(examples=[{"code": [], "where": None}]),
    ],
)
def test_a_damaged_manifest_is_refused(
    dataset: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    document = json.loads((dataset / "manifest.json").read_text())
    change(document)
    (dataset / "manifest.json").write_text(json.dumps(document))
    for words in (
        ["filter", dataset, "--where", "width > 0", "--out", tmp_path / "out"],
        ["merge", dataset, dataset, "--out", tmp_path / "out"],
    ):
        done = gtahead(*words)
        assert done.code == 1, done.err
        assert not (tmp_path / "out").exists()
    for words in (["info", dataset], ["annotate", dataset, "--boxes", "fixed:9"]):
        assert gtahead(*words).code in (0, 1), words


def test_nothing_is_written_over_what_is_read(dataset: Path, tmp_path: Path) -> None:
    perfect = {
        frame.frame_id: {"boxes": frame.boxes_xyxy} for frame in library.Dataset.open(dataset)
    }
    write_predictions(tmp_path / "p.json", Predictions.of(perfect))
    coco = tmp_path / "gt.json"
    coco.write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.jpg", "width": 9, "height": 9}],
                "annotations": [],
                "categories": [{"id": 1, "name": "head"}],
            }
        )
    )
    (tmp_path / "found.json").write_text(
        '[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]'
    )
    predictions, data = tmp_path / "p.json", ["--data", dataset, "--split", "train"]
    shutil.copy(dataset / "images/a/000000.jpg", tmp_path / "captures/a/frames/0.png")
    exported = ["export-predictions", predictions, "--format", "coco"]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for words in (
        [*exported, "--out", predictions],
        [*exported, *data, "--out", dataset / "manifest.json"],
        [*exported, *data, "--out", dataset / "new.json"],
        ["benchmark", predictions, *data, "--out", dataset / "frames.parquet"],
        ["benchmark", predictions, *data, "--html", dataset / "manifest.json"],
        ["benchmark", predictions, *data, "--out", tmp_path / "x", "--html", tmp_path / "x"],
        ["benchmark", tmp_path / "found.json", "--ground-truth", coco, "--out", coco],
        ["benchmark", "--template", "--ground-truth", coco, "--out", coco],
        ["report", dataset, "--html", dataset / "manifest.json"],
        ["view", dataset, "--out", dataset / "view.png"],
        ["validate", dataset, "--html", dataset / "manifest.json"],
        ["validate", coco, "--against", dataset, "--html", dataset / "manifest.json"],
        ["validate", tmp_path / "captures", "--html", tmp_path / "captures" / "a" / "heads.csv"],
        ["report", dataset.as_uri(), "--html", dataset / "manifest.json"],
        ["benchmark", predictions.as_uri(), *data, "--out", predictions],
        ["view", tmp_path / "captures", "--out", tmp_path / "captures" / "a" / "frames" / "0.png"],
        ["view", dataset, "a/000000", "a/000001", "--out", dataset / "heads" / "y"],
        ["annotate", dataset, "--evaluate", "--image", dataset / "images" / "x.png"],
    ):
        done = gtahead(*words)
        assert done.code == 2, (words, done.err)
        assert "something that is needed" in done.err
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_pages_are_written_again(dataset: Path, tmp_path: Path) -> None:
    """What gtahead wrote among other files may be replaced by its like."""
    raw = tmp_path / "captures"
    for _ in range(2):
        assert gtahead("validate", raw, "--html", raw / "page.html").code == 0
        assert gtahead("report", dataset, "--html", tmp_path / "page.html").code == 0


def test_no_pipe_or_device_is_replaced(dataset: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for words in (
        ["benchmark", "--template", "--data", dataset, "--split", "train", "--out"],
        ["report", dataset, "--html"],
        ["view", dataset, "--out"],
    ):
        done = gtahead(*words, tmp_path / "pipe.png")
        assert done.code == 1, (words, done.err)
        assert "pipe or device" in done.err
    assert stat.S_ISFIFO((tmp_path / "pipe.png").stat().st_mode)


def test_no_pipe_is_waited_for(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "board").mkdir()
    os.mkfifo(tmp_path / "board" / "a.json")
    for words in (
        ["leaderboard", tmp_path / "board"],
        ["compare", tmp_path / "board" / "a.json", tmp_path / "board" / "a.json"],
        ["validate", dataset, "--baseline", tmp_path / "board" / "a.json"],
        [
            *("build", "--raw", tmp_path / "captures", "--out", tmp_path / "o"),
            *("--roi", tmp_path / "board" / "a.json"),
        ],
    ):
        assert gtahead(*words).code == 1, words


def test_no_image_starts_a_program(tmp_path: Path) -> None:
    """PostScript named .jpg: Pillow would call Ghostscript for it."""
    folder = make_sequence(tmp_path / "captures", "a")
    for file in ("000000.jpg", "000001.jpg"):
        (folder / "frames" / file).write_bytes(
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 48\n%%EndComments\nshowpage\n%%EOF\n"
        )
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    (programs / "gs").chmod(0o755)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}"}
    for words in (
        ["build", "--raw", tmp_path / "captures", "--out", tmp_path / "set", "--workers", 1],
        ["validate", tmp_path / "captures", "--images", "full"],
        ["view", tmp_path / "captures", "--out", tmp_path / "view.png"],
    ):
        done = spawn_gtahead(*words, env=environment)
        assert done.code in (1, 3), done.err
    assert not (tmp_path / "ran").exists()


# Bombs: small files that claim much ------------------------------------------------------------


def with_little_memory(*arguments: object) -> Any:
    """Run a command that may have one GiB beyond what its libraries map."""
    limits = {resource.RLIMIT_AS: 4 * 2**30, resource.RLIMIT_CPU: 100}
    alone = ["--workers", 1] if arguments[0] in ("build", "export") else []
    return spawn_gtahead(*arguments, *alone, limits=limits, forked=True)


def mat(body: bytes, *, packed: bool = True) -> bytes:
    """Make a MAT file of version 5 of one element."""
    if packed:
        body = zlib.compress(body, 9)
        body = struct.pack("<II", 15, len(body)) + body
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + body


def array(kind: int, dims: tuple[int, ...], body: bytes, name: bytes = b"") -> bytes:
    """Make an array of a MAT file."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    inside = element(6, struct.pack("<II", kind, 0))
    inside += element(5, struct.pack(f"<{len(dims)}i", *dims)) + element(1, name) + body
    return struct.pack("<II", 14, len(inside)) + inside


def nested_cells(depth: int) -> bytes:
    inside = b""
    for _ in range(depth):
        inside = array(1, (1, 1), inside)
    return array(1, (1, 1), inside, b"image_info")


MATS = {
    "nested 20,000 deep": lambda: mat(nested_cells(20_000)),
    "a billion cells": lambda: mat(array(1, (2**15, 2**15), b"", b"image_info")),
    "a billion numbers": lambda: mat(array(6, (2**15, 2**15), b"", b"image_info")),
    "packed zeros": lambda: mat(
        array(6, (2**23, 2), struct.pack("<II", 9, 2**27) + bytes(2**27), b"image_info")
    ),
}


@pytest.mark.parametrize("what", but_slow([*MATS][:2], *[*MATS][2:]))
def test_bombs_as_mat_files(tmp_path: Path, what: str) -> None:
    for folder in ("images", "ground_truth"):
        (tmp_path / "raw" / "part_A" / "train_data" / folder).mkdir(parents=True)
    root = tmp_path / "raw" / "part_A" / "train_data"
    (root / "images" / "IMG_1.jpg").write_bytes(image())
    (root / "ground_truth" / "GT_IMG_1.mat").write_bytes(MATS[what]())
    done = with_little_memory("build", "--raw", tmp_path / "raw", "--out", tmp_path / "set")
    assert done.code in (1, 3), done.err
    assert "GT_IMG_1.mat" in done.err


def header(**more: object) -> bytes:
    return json.dumps({"format": "gtahead-predictions", "version": 1, **more}).encode()


PREDICTIONS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "JSON of empty lists": lambda: (
        "p.json.gz",
        gzip.compress(header()[:-1] + b',"predictions":[' + b"[]," * 10**8 + b"[]]}"),
    ),
    "a long line": lambda: (
        "p.jsonl.gz",
        gzip.compress(header() + b'\n{"image":"a/0","points":[' + b"[1,1,1]," * 10**8),
    ),
    "many lines": lambda: ("p.jsonl.gz", gzip.compress(header() + b"\n" + b"{}\n" * 10**8)),
    "COCO": lambda: ("p.json.gz", gzip.compress(b"[" + b"{}," * 10**8 + b"{}]")),
    "blanks": lambda: ("p.json", b" " * 10**6),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", PREDICTIONS)
def test_bombs_as_predictions(dataset: Path, tmp_path: Path, what: str) -> None:
    name, data = PREDICTIONS[what]()
    (tmp_path / name).write_bytes(data)
    done = with_little_memory(
        "benchmark", tmp_path / name, "--data", dataset, "--split", "train", "--check-only"
    )
    assert done.code == 1, done.err
    assert "too large" in done.err or "only whitespace" in done.err


@pytest.mark.parametrize("rows", but_slow([20], 20_000_000))
def test_bombs_as_parquet(dataset: Path, tmp_path: Path, rows: int) -> None:
    kind = pa.list_(pa.list_(pa.float64()))
    if rows == 20:
        one = pa.array([[[1.0, 1.0, 1.0]] * 2_000_000], kind)
        columns = {"image": pa.array(["a/000000"]), "points": one}
    else:
        columns = {"image": pa.array(["a"] * rows), "count": pa.array(np.ones(rows))}
    table = pa.table(columns).replace_schema_metadata({b"gtahead.predictions": header()})
    parquet.write_table(table, tmp_path / "p.parquet", compression="zstd")
    done = with_little_memory(
        "benchmark", tmp_path / "p.parquet", "--data", dataset, "--split", "train", "--check-only"
    )
    assert done.code == 1, done.err
    assert "can't be read" in done.err


@pytest.mark.slow
def test_a_table_of_more_frames_than_the_manifest_says(dataset: Path) -> None:
    table = parquet.read_table(dataset / "frames.parquet")
    parquet.write_table(pa.concat_tables([table] * 50_000), dataset / "frames.parquet")
    done = with_little_memory("info", dataset)
    assert done.code == 1
    assert "400000 rows instead of 8" in done.err


@pytest.mark.parametrize("kind", ["nested", "page", "encoding"])
def test_xml_that_is_no_voc(tmp_path: Path, kind: str) -> None:
    for folder in ("Annotations", "JPEGImages"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
    (tmp_path / "raw" / "JPEGImages" / "x.jpg").write_bytes(image())
    text = {
        "nested": "<annotation>" + "<a>" * 300_000,
        "page": "<html><body>Not found</body></html>",
        "encoding": '<?xml version="1.0" encoding="rot_13"?><annotation/>',
    }[kind]
    (tmp_path / "raw" / "Annotations" / "x.xml").write_text(text)
    done = with_little_memory("build", "--raw", tmp_path / "raw", "--out", tmp_path / "set")
    assert done.code in (1, 3), done.err
    assert "x.xml" in done.err


# Pickles ---------------------------------------------------------------------------------------


class Payload:
    """What a pickle would do when it is read."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("way", ["raw", "torch", "packed", "empty"])
def test_weights_run_nothing(dataset: Path, tmp_path: Path, way: str) -> None:
    torch = pytest.importorskip("torch")
    marker, path = tmp_path / "ran", tmp_path / "model.pt"
    if way == "raw":
        path.write_bytes(pickle.dumps(Payload(marker)))
    elif way == "torch":
        torch.save({"format": "gtahead-detector", "weights": Payload(marker)}, path)
    elif way == "packed":
        torch.save({"weights": torch.zeros(1000)}, tmp_path / "plain.pt")
        with (
            zipfile.ZipFile(tmp_path / "plain.pt") as plain,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed,
        ):
            for entry in plain.infolist():
                packed.writestr(entry.filename, plain.read(entry))
    else:
        path.touch()
    for words in (
        ["predict", path, "--data", dataset, "--split", "train", "--out", tmp_path / "p.json"],
        ["export-model", path, "--onnx", tmp_path / "m.onnx"],
        ["train", dataset, "--preset", "tiny", "--weights", path, "--out", tmp_path / "run"],
    ):
        done = gtahead(*words)
        assert done.code == 1, (words, done.err)
        if way == "packed":
            assert "its entries are compressed" in done.err
    assert not marker.exists()


def test_maps_run_nothing_and_lead_nowhere(dataset: Path, tmp_path: Path) -> None:
    import h5py

    out, marker = tmp_path / "maps", tmp_path / "ran"
    words = ["export", dataset, "--format", "density", "--allow-lossy", "--out", out]
    assert gtahead(*words, "--store", "h5").code == 0
    path = next(out.rglob("*.h5"))
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["density"] = np.ones((6, 8), np.float32)
    for way in ("link", "external", "group"):
        with h5py.File(path, "r+") as file:
            del file["density"]
            if way == "link":
                file["density"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "density")
            elif way == "external":
                outside = [(str(tmp_path / "secret"), 0, 192)]
                file.create_dataset("density", (6, 8), np.float32, external=outside)
            else:
                file.create_group("density")
        done = gtahead("validate", out)
        assert done.code == 1
        assert "map-unreadable" in done.out
    assert gtahead(*words, "--overwrite").code == 0
    arrays = io.BytesIO()
    np.savez(arrays, density=np.array([Payload(marker)], object), about=np.zeros(1))
    next(out.rglob("*.npz")).write_bytes(arrays.getvalue())
    assert gtahead("validate", out).code == 1
    assert not marker.exists()


# Files that aren't files -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_not_waited_for(dataset: Path, tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "exported"
    assert gtahead("export", dataset, "--format", "yolo", "--allow-lossy", "--out", raw).code == 0

    def put(path: Path) -> None:
        path.unlink(missing_ok=True)
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")

    keep = {path: path.read_bytes() for path in (raw / "export.json", dataset / "manifest.json")}
    put(raw / "export.json")
    for words in (["build", "--raw", raw, "--out", tmp_path / "x"], ["validate", raw]):
        done = with_little_memory(*words)
        assert done.code == 1, done.err
    (raw / "export.json").unlink()
    (raw / "export.json").write_bytes(keep[raw / "export.json"])
    positions = [
        dataset / "images" / "a" / "000000.jpg",
        dataset / "heads" / "a.parquet",
        dataset / "frames.parquet",
        dataset / "manifest.json",
    ]
    for path in positions:
        put(path)
        out = tmp_path / "out"
        done = with_little_memory(
            *("export", dataset, "--format", "coco", "--allow-lossy", "--out", out)
        )
        assert done.code == 1, (path, done.err)
        assert not out.exists()


# Names that command ----------------------------------------------------------------------------

ODD_NAMES = ["\x1b]0;x\x07", "a\x9b2J", "a\u202eb", "=1+1", "+1", "@sum", "-1", "a\nb"]


@pytest.mark.parametrize("name", ODD_NAMES, ids=[printable(name) for name in ODD_NAMES])
def test_names_that_command_a_terminal_or_a_spreadsheet(tmp_path: Path, name: str) -> None:
    make_sequence(tmp_path / "captures", name)
    make_sequence(tmp_path / "captures", "good")
    done = gtahead("build", "--raw", tmp_path / "captures", "--out", tmp_path / "set")
    assert done.code == 3
    assert "can't name a sequence" in done.err
    assert library.Dataset.open(tmp_path / "set").sequences == ["good"]
    for words in (["info", tmp_path / "captures"], ["validate", tmp_path / "captures"]):
        reported = gtahead(*words)
        assert all(c.isprintable() or c == "\n" for c in reported.out + reported.err)


def test_words_that_command_a_terminal_or_a_spreadsheet(tmp_path: Path) -> None:
    words = {"weather": "=cmd|'/C calc'!A0", "location": "\x1b[2J\u202e<b>x</b>"}
    make_sequence(tmp_path / "captures", "a", **words)
    reported = gtahead("info", tmp_path / "captures")
    assert all(c.isprintable() or c == "\n" for c in reported.out)
    library.build(tmp_path / "captures", tmp_path / "set", workers=1)
    out = tmp_path / "csv"
    done = gtahead(
        "export", tmp_path / "set", "--format", "points-csv", "--allow-lossy", "--out", out
    )
    assert done.code == 0, done.err
    assert "'=cmd" in (out / "frames.csv").read_text()
    library.build(out, tmp_path / "again", workers=1)
    again = library.Dataset.open(tmp_path / "again").frames(["weather", "location"])
    assert {key: set(values) for key, values in again.items()} == {
        key: {value} for key, value in words.items()
    }


def test_a_report_of_few_sequences(dataset: Path, tmp_path: Path) -> None:
    assert 0 in {row["frames"] for row in manifest(dataset)["statistics"]["splits"].values()}
    assert gtahead("report", dataset, "--html", tmp_path / "report.html").code == 0


@pytest.mark.parametrize(
    "document", ["[5]", '{"format":"gtahead-export","name":"yolo","files":[5]}', "{", "[" * 9999]
)
def test_a_damaged_export_says_so(dataset: Path, tmp_path: Path, document: str) -> None:
    raw = tmp_path / "exported"
    words = ["export", dataset, "--format", "yolo", "--allow-lossy", "--out", raw]
    assert gtahead(*words).code == 0
    (raw / "export.json").write_text(document)
    for command in (["build", "--raw", raw, "--out", tmp_path / "x"], ["validate", raw]):
        done = gtahead(*command)
        assert done.code == (0 if document == "[5]" else 1), done.err  # a list is somebody else's
    assert gtahead(*words, "--overwrite").code == 1


@pytest.mark.parametrize("kind", ["weather", "location"])
def test_conditions_that_are_no_text(dataset: Path, tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "exported"
    assert gtahead("export", dataset, "--format", "coco", "--allow-lossy", "--out", raw).code == 0
    for path in (raw / "annotations").iterdir():
        document = json.loads(path.read_text())
        for row in document["images"]:
            row["gtahead"][kind] = 5
        path.write_text(json.dumps(document))
    done = gtahead("build", "--raw", raw, "--out", tmp_path / "set")
    assert done.code in (0, 3), done.err
    assert set(library.Dataset.open(tmp_path / "set").frames([kind])[kind]) == {"5"}


@pytest.mark.parametrize(
    "setting", ["epochs=" + "9" * 50_000, "epochs=" + "[" * 9999, "epochs=nan"]
)
def test_settings_that_are_none(dataset: Path, tmp_path: Path, setting: str) -> None:
    pytest.importorskip("torch")
    words = ["train", dataset, "--preset", "tiny", "--out", tmp_path / "run"]
    assert gtahead(*words, "--set", setting).code == 2
    (tmp_path / "c.toml").write_text(setting + "\n")
    assert gtahead(*words, "--config", tmp_path / "c.toml").code in (1, 2)


CARD = [
    "x: 2001-02-31",
    "x: !!float y",
    "x: !!int zz",
    "x: " + "1" * 100_000,
    "[" * 900,
    "x: !!python/object/apply:os.system ['touch ran']",
    "\n".join(f"k{n}: 1" for n in range(20_000)),
    " " * 10**6,
    "a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" * 9,
]


@pytest.mark.parametrize("number", range(len(CARD)))
def test_a_card_whose_header_is_odd(
    dataset: Path, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    release = tmp_path / "release"
    staged = gtahead("publish", "stage", dataset, "--out", release, *STAGE, "--images", "none")
    assert staged.code == 0, staged.err
    text = (release / "README.md").read_text()
    (release / "README.md").write_text(text.replace("---\n", f"---\n{CARD[number]}\n", 1))
    done = gtahead("publish", "check", release, "--no-load")
    assert done.code in (0, 1), done.err
    assert not (tmp_path / "ran").exists()


def test_images_of_a_shard_that_are_none(dataset: Path, tmp_path: Path) -> None:
    raw = tmp_path / "exported"
    words = ["export", dataset, "--format", "huggingface", "--allow-lossy", "--out", raw]
    assert gtahead(*words).code == 0
    path = next((raw / "data").glob("*.parquet"))
    table = parquet.read_table(path)
    column = table.schema.get_field_index("image")
    table = table.set_column(column, "image", pa.array(["x.jpg"] * table.num_rows))
    parquet.write_table(table, path)
    done = gtahead("build", "--raw", raw, "--out", tmp_path / "set")
    assert done.code == 1
    assert "the images aren't as the hub has them (got 'string')" in done.err


def test_names_in_markdown_are_text(dataset: Path, tmp_path: Path) -> None:
    name = '<script>alert(1)</script> [x](javascript:alert(1)) | "><img src=x>'
    template = gtahead("benchmark", "--template", "--data", dataset, "--split", "train")
    document = json.loads(template.out)
    document["method"] = {"name": name, "threshold": 0.5, "threshold_selected_on": "validation"}
    (tmp_path / "p.json").write_text(json.dumps(document))
    (tmp_path / "results").mkdir()
    done = gtahead(
        *("benchmark", tmp_path / "p.json", "--data", dataset, "--split", "train"),
        *("--no-intervals", "--out", tmp_path / "results" / "r.json"),
    )
    assert done.code == 0, done.err
    board = library.leaderboard(tmp_path / "results").table()
    assert "<script" not in board
    assert "<img" not in board
    assert "](javascript" not in board
    release = tmp_path / "release"
    staged = gtahead(
        *("publish", "stage", dataset, "--out", release, "--repo", "a/b", "--licence", "mit"),
        *("--name", "<b>x</b>", "--creator", "<script>x</script>", "--images", "none"),
    )
    assert staged.code == 0, staged.err
    body = (release / "README.md").read_text().split("---", 2)[2]
    assert "<b>x" not in body
    assert "<script" not in body
    mark = gtahead(
        *("publish", "stage", dataset, "--out", tmp_path / "other", "--licence", "mit"),
        *("--repo", "a/b", "--creator", "<!-- gtahead:end yaml -->", "--images", "none"),
    )
    assert (mark.code, (tmp_path / "other").exists()) == (2, False)
    assert gtahead("publish", "check", release, "--no-load").code == 0


def test_the_table_names_these_tests() -> None:
    """Each test that SECURITY.md names is there."""
    root = Path(__file__).parents[1]
    named = {
        word.strip("`")
        for line in (root / "SECURITY.md").read_text(encoding="utf-8").splitlines()
        for word in line.replace("|", " ").split()
        if word.startswith("`test_")
    }
    known = {
        line.split("(")[0].removeprefix("def ")
        for path in (root / "tests").rglob("test_*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("def test_")
    }
    assert named
    assert named <= known
    here = {name for name in globals() if name.startswith("test_")}
    assert here - named == {"test_the_table_names_these_tests"}
