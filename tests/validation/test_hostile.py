"""Inputs that were made to hurt: bombs, nesting, what isn't text. A verdict, in little memory."""

from __future__ import annotations

import io
import json
import os
import resource
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers import run_code

import gtahead as library
from gtahead import GtaheadError

LIMIT = 3 * 2**30
"""Bytes of address space: libraries map much that they never touch."""


def codes(path: Path) -> set[str]:
    """Validate in a process with little memory; give the codes of what was found."""
    program = f"""
import json, gtahead
try:
    found = gtahead.validate({str(path)!r}, images="full", workers=1).finish()
    print(json.dumps(sorted(found.totals)))
except gtahead.GtaheadError as error:
    print(json.dumps([str(error)]))
"""
    done = run_code(program, path.parent, limits={resource.RLIMIT_AS: LIMIT})
    assert done.code == 0, done.err
    return set(done.json)


def coco(annotations: str) -> str:
    return (
        '{"images":[{"id":1,"file_name":"a.jpg","width":64,"height":48}],'
        f'"categories":[{{"id":1,"name":"head"}}],"annotations":{annotations}}}'
    )


@pytest.mark.parametrize("depth", [1_000, 1_000_000])
def test_deep_nesting(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "instances_train.json"
    path.write_text(coco("[" * depth + "]" * depth))
    assert codes(path) & {"file-unreadable", "breaks-schema"}


def test_a_long_line_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "instances_train.json"
    path.write_text(coco("[" + "{}," * 200_000 + "{}]"))
    assert codes(path) & {"file-unreadable", "breaks-schema"}


def test_a_image_that_claims_to_be_huge(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = (60_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    data = (
        chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 10**7)) + chunk(b"IEND", b"")
    )
    folder = tmp_path / "raw"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 60_000, "height": 60_000}],
        "annotations": [],
        "categories": [],
    }
    (folder / "instances_train.json").write_text(json.dumps(document))
    assert "image-too-large" in codes(folder)


def test_a_map_that_claims_to_be_huge(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("density.npy", "w", force_zip64=True) as file:
            header = np.lib.format.header_data_from_array_1_0(np.zeros((1, 1), np.float32))
            np.lib.format.write_array_header_1_0(file, header | {"shape": (40_000, 40_000)})
            for _ in range(1_600 if "GTAHEAD_THOROUGH" in os.environ else 160):
                file.write(bytes(2**20))
        archive.writestr("about.npy", b"")
    folder = tmp_path / "maps"
    (folder / "train" / "ground_truth" / "a").mkdir(parents=True)
    (folder / "train" / "ground_truth" / "a" / "0.npz").write_bytes(out.getvalue())
    marker = {"format": "gtahead-export", "version": 1, "name": "density"}
    (folder / "export.json").write_text(json.dumps(marker))
    (folder / "frames.csv").write_text("file,frame_id,split,width,height\nx,a/0,train,64,48\n")
    assert codes(folder) == {"map-unreadable"}


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe\x00", b"\xef\xbb\xbf", b"null", b"{", b'{"images": 1e999}', b"\x00" * 1000],
)
def test_what_is_no_document(tmp_path: Path, data: bytes) -> None:
    for name in ("instances_train.json", "a.jsonl"):
        path = tmp_path / name
        path.write_bytes(data)
        try:
            found = library.validate(path, workers=1).finish()
        except GtaheadError:
            continue
        assert found.by_severity()["error"] or name == "a.jsonl"


def test_a_bad_name_is_said_as_text(tmp_path: Path) -> None:
    path = tmp_path / "instances_train.json"
    path.write_text(
        json.dumps(
            {
                "images": [
                    {"id": 1, "file_name": "../../etc/passwd\x1b[31m", "width": 4, "height": 4}
                ],
                "annotations": [],
                "categories": [{"id": 1, "name": "head"}],
            }
        )
    )
    library.validate(path, workers=1).finish()
    library.validate(tmp_path, workers=1).finish()
