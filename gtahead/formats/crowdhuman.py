"""CrowdHuman: a JSON line per image; heads are `hbox`."""

from __future__ import annotations

import posixpath
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import schemas
from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, ExportFrame, Format
from gtahead.formats.box_files import box_columns, corner_cents
from gtahead.formats.chunks import join_each_split, write_chunk
from gtahead.formats.text import RowFormat
from gtahead.images.reading import IMAGE_SUFFIXES
from gtahead.ingest.exports import Index, images_below, with_splits
from gtahead.ingest.labelled import LabelledImage, Listing, load_each
from gtahead.ingest.labelled_reader import reader_of
from gtahead.tables.canonical import CAPTURED


def _labels_file(split: str) -> str:
    return f"annotation_{SPLIT_WORDS[split]}.odgt"


def _image(split: str, frame: ExportFrame) -> str:
    del split
    return f"Images/{frame.flat_name}{frame.extension}"


_ROW = RowFormat('{"tag":"person","hbox":[', 2, ",", 2, ",", 2, ",", 2, "],")


def _write(batch: Batch) -> None:
    batch = batch.boxed()
    heads = batch.heads
    corners = corner_cents(batch)
    columns = [corners[:, 0], corners[:, 1], *(corners[:, 2:] - corners[:, :2]).T]
    text, starts = _ROW.render(columns)
    rows = (text[first:last] for first, last in pairwise(starts.tolist()))
    words = []
    for row, ignored, occluded, head in zip(
        rows, heads.ignored.tolist(), heads.occluded.tolist(), heads.head_ids.tolist(), strict=True
    ):
        known = b'"occ":%d,' % occluded if occluded >= 0 else b""
        words.append(
            b'%b"head_attr":{"ignore":%d,%b"unsure":0},"extra":{"box_id":%d}}'
            % (row, ignored, known, head)
        )
    lines = []
    for index, frame in enumerate(batch.frames):
        mine = b",".join(words[batch.by_frame.rows(index)])
        lines.append(b'{"ID":%b,"gtboxes":[%b]}\n' % (orjson.dumps(frame.flat_name), mine))
    write_chunk(batch, _labels_file(batch.split), lines)


def _recognise(root: Path) -> str | None:
    files = sorted(root.glob("*.odgt"))
    return f"{files[0].name} is there" if files else None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    there = images_below(root / "Images") | images_below(root / "images")
    folder = "Images" if (root / "Images").is_dir() or not (root / "images").is_dir() else "images"
    files = sorted(root.glob("*.odgt"))
    images = []
    for path, split in with_splits(files, root):
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if line.strip():
                row = _row(line, path.name, number)
                stem, extension = posixpath.splitext(row["ID"])
                stem = stem if extension.lower() in IMAGE_SUFFIXES else row["ID"]
                file = f"{folder}/{there.get(stem, stem + '.jpg')}"
                key = (path.name, number, row.get("gtboxes"))
                images.append(index.image(file, split or path.stem, split=split, key=key))
    load = load_each(_heads, (*CAPTURED, "ignore", "head_id"))
    return Listing(images, files, load, {"tool": "CrowdHuman"})


def _row(line: bytes, name: str, number: int) -> dict[str, Any]:
    location = Where(name, field=f"line {number}")
    remedy = "each line is one JSON object with ID and gtboxes"
    try:
        row = schemas.parse_json(line, name)
    except InputError as error:
        raise InputError(error.what, where=location, value=error.value, remedy=remedy) from error
    if not isinstance(row, dict) or not isinstance(row.get("ID"), str):
        raise InputError("no image with an ID", where=location, remedy=remedy)
    return row


def _heads(image: LabelledImage, findings: Findings, location: Where) -> Columns:
    """Read one line's heads; regions to be ignored (`mask`) become ignored heads.

    A head that is occluded is to be found all the same: CrowdHuman says `ignore` where it isn't.
    """
    _, number, rows = image.key
    if not isinstance(rows, list):
        raise ValueError(f"line {number}: gtboxes isn't a list")
    boxes, ignored, ids = [], [], []
    without = 0
    for place_in_line, row in enumerate(rows):
        row = row if isinstance(row, dict) else {}  # noqa: PLW2901 - a broken row has nothing
        mask = row.get("tag") == "mask"
        values = row.get("hbox", row.get("fbox") if mask else None)
        if values is None:
            without += 1
            continue
        box = np.asarray(values, np.float64) if isinstance(values, list) else np.empty(0)
        if box.shape != (4,):
            raise ValueError(f"line {number}: hbox of {place_in_line} isn't four numbers")
        attributes = row.get("head_attr") if isinstance(row.get("head_attr"), dict) else {}
        extra = row.get("extra") if isinstance(row.get("extra"), dict) else {}
        assert attributes is not None
        assert extra is not None
        boxes.append(box)
        ignored.append(int(mask or attributes.get("ignore") == 1 or extra.get("ignore") == 1))
        own = extra.get("box_id")
        fine = type(own) is int and abs(own) < 2**63
        ids.append(int(own) if fine else place_in_line)  # type: ignore[arg-type]
    if without:
        findings.add("other-class", location, detail=f"{without} boxes without a head")
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    if len(set(ids)) < len(ids):
        ids = list(range(len(ids)))
    return box_columns(corners, ids, ignore=ignored)


CROWDHUMAN = Format(
    name="crowdhuman",
    title="CrowdHuman, .odgt per split",
    kind="boxes",
    origin=ORIGIN,
    precision_px=0.01,
    supports=frozenset({"boxes", "ids", "ignored"}),
    layout=(
        "annotation_<train|val|test>.odgt   a line per frame\n"
        "Images/<sequence>__<frame>.jpg\n"
        "frames.csv"
    ),
    notes=(
        "Heads are `hbox`; `fbox` and `vbox` aren't written, since they aren't known. "
        "`head_attr.ignore` marks ignored heads, `extra.box_id` is the person. Read too: "
        "regions tagged `mask`, as ignored heads. A head that is `occ` counts all the "
        "same, as in CrowdHuman."
    ),
    checked_with="json; not CrowdHuman's own code",
    write=_write,
    finish=join_each_split(_labels_file),
    image=_image,
    boxed=True,
    reader=reader_of("crowdhuman", "CrowdHuman (*.odgt)", _recognise, _scan, origin="photographs"),
)
