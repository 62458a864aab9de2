"""NWPU-Crowd: a JSON per image, and lists for localisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import schemas
from gtahead.arrays import Columns, Floats, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.base import SPLIT_WORDS, Batch, ExportFrame, Format
from gtahead.formats.box_files import box_columns
from gtahead.formats.chunks import join_each_split, write_chunk, write_small
from gtahead.formats.nwpu_lists import NO_BOX, lists_in, localisation_lines, pixel_of, scan_lists
from gtahead.formats.text import RowFormat, fixed, point_cents, slices_of
from gtahead.ingest.exports import Index, images_below
from gtahead.ingest.labelled import (
    LabelledImage,
    Listing,
    load_each,
    note_count,
    own_labels,
    rows_in_json,
)
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.split_lists import split_lists, splits_in_lists
from gtahead.tables.canonical import CAPTURED

LEVELS = 5
"""NWPU's levels of a box's area: 0 up to 10 square pixels, then a level for each power of ten."""


def _box_sigmas(batch: Batch) -> tuple[Ints, Ints, Ints]:
    """Return NWPU's two radii and level of each head; `NO_BOX` where it has none."""
    boxes = batch.heads.boxes_xyxy
    sides = boxes[:, 2:] - boxes[:, :2]
    known = np.asarray(np.isfinite(sides).all(axis=1))
    sides = np.where(known[:, None], sides, 8.0)
    small = np.maximum(1, np.rint(sides.min(axis=1) / 2)).astype(np.int64)
    large = np.maximum(1, np.rint(np.hypot(sides[:, 0], sides[:, 1]) / 2)).astype(np.int64)
    area = np.maximum(sides[:, 0] * sides[:, 1], 1.0)
    level = np.minimum(np.floor(np.log10(area)), LEVELS).astype(np.int64)
    columns = zip((small, large, level), NO_BOX, strict=True)
    found = [np.where(known, values, without) for values, without in columns]
    return found[0], found[1], found[2]


def _name(frame: ExportFrame) -> str:
    """Name a frame by its number across all splits, as NWPU does."""
    return f"{frame.row + 1:04d}"


def _image(split: str, frame: ExportFrame) -> str:
    del split
    return f"images/{_name(frame)}{frame.extension}"


def _names_file(split: str) -> str:
    return f"{SPLIT_WORDS[split]}.txt"


def _points_file(split: str) -> str:
    return f"{SPLIT_WORDS[split]}_gt_loc.txt"


_PAIR = RowFormat("[", 2, ",", 2, "],")

_BOX = RowFormat("[", 2, ",", 2, ",", 2, ",", 2, "],")


def _write(batch: Batch) -> None:
    boxes = batch.heads.boxes_xyxy
    whole = np.asarray(np.isfinite(boxes).all(axis=1))
    batch.note("no-box-in-json", int((~whole).sum()))
    points, point_starts = _PAIR.render(point_cents(batch))
    corners = fixed(np.where(whole[:, None], boxes, 0.0), 2)
    rows, box_starts = _BOX.render([corners[:, k] for k in range(4)])
    folder = batch.path("jsons", "0").parent
    for index, (frame, mine, squares) in enumerate(
        zip(
            batch.frames,
            slices_of(points, point_starts, batch.by_frame),
            slices_of(rows, box_starts, batch.by_frame),
            strict=True,
        )
    ):
        heads = whole[batch.by_frame.rows(index)]
        about = {"img_id": f"{_name(frame)}{frame.extension}", "human_num": len(heads)}
        kept = squares[:-1] if heads.all() else b""
        text = orjson.dumps(about)[:-1] + b',"points":[%b],"boxes":[%b]}\n' % (mine[:-1], kept)
        write_small(f"{folder}/{_name(frame)}.json", text)
    names = [f"{_name(frame)}\n".encode() for frame in batch.frames]
    write_chunk(batch, _names_file(batch.split), names)
    numbers = [frame.row + 1 for frame in batch.frames]
    lines = localisation_lines(batch, numbers, [*pixel_of(batch), *_box_sigmas(batch)])
    write_chunk(batch, _points_file(batch.split), lines)


def _recognise(root: Path) -> str | None:
    if (root / "jsons").is_dir() and any((root / "jsons").glob("*.json")):
        return "jsons/ holds a file per image"
    lists = lists_in(root, "*gt_loc*.txt")
    return f"{lists[0].name} is there" if lists else None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    if not (root / "jsons").is_dir():
        return scan_lists(root, "*gt_loc*.txt", "NWPU-Crowd")
    there: dict[str, str] = {}
    for folder in [root / "images", *sorted(root.glob("images_part*"))]:
        for stem, file in images_below(folder).items():
            there.setdefault(stem, f"{folder.name}/{file}")
    labels = {path.stem: f"jsons/{path.name}" for path in sorted((root / "jsons").glob("*.json"))}
    images = []
    findings = Findings()
    stems = sorted(set(labels) | set(there))
    splits = splits_in_lists(split_lists(root), stems, root, findings)
    for stem in stems:
        split = splits.get(stem)
        if stem not in labels and split == "test":
            continue  # NWPU keeps the labels of its test split to itself
        file = there.get(stem, f"images/{stem}.jpg")
        own = labels.get(stem)
        images.append(index.image(file, split or root.name, split=split, labels=own))

    def read(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        points, boxes, reported = _json(own_labels(root, image), str(image.labels))
        note_count(reported, len(points), findings, location)
        return {"x": points[:, 0], "y": points[:, 1], **box_columns(boxes)}

    load = load_each(read, ["x", "y", *CAPTURED])
    return Listing(images, [], load, {"tool": "NWPU-Crowd"}, findings=findings)


def _json(path: Path, name: str) -> tuple[Floats, Floats, object]:
    """Read points, boxes (NaN where there are none at all), and how many there are said to be.

    Raises:
        InputError: other values, or boxes that aren't as many as points.
    """
    document = schemas.parse_json(path.read_bytes(), name)
    if not isinstance(document, dict) or "points" not in document:
        raise InputError("there are no points", where=Where(name))
    points = _table(document["points"], 2, name)
    boxes = _table(document.get("boxes") or [], 4, name)
    if not len(boxes):
        boxes = np.full((len(points), 4), np.nan)
    if len(boxes) != len(points):
        raise InputError(f"{len(points)} points, but {len(boxes)} boxes", where=Where(name))
    return points, boxes, document.get("human_num")


def _table(values: Any, width: int, name: str) -> Floats:  # noqa: ANN401 - JSON
    try:
        return rows_in_json(values, (width,))
    except ValueError as error:
        raise InputError(str(error), where=Where(name)) from error


NWPU = Format(
    name="nwpu",
    title="NWPU-Crowd, .json per image and lists for localisation",
    kind="points",
    origin="0-based, at the top-left corner of the top-left pixel; whole pixels in the lists",
    precision_px=0.01,
    supports=frozenset({"boxes", "points"}),
    layout=(
        "images/0001.jpg\n"
        "jsons/0001.json   img_id, human_num, points, boxes\n"
        "<train|val|test>.txt   numbers of the images\n"
        "<train|val|test>_gt_loc.txt   id n, then x y sigma_s sigma_l level per head\n"
        "frames.csv"
    ),
    notes=(
        "Images are numbered through all splits. In the lists numbers are whole: the "
        "pixel that holds the point, half the box's shorter side and half its diagonal, "
        "and NWPU's level of its area. Read too: NWPU's own lists without images; sizes "
        "are then guessed, and boxes are squares of the area that the list tells."
    ),
    checked_with="json; not NWPU's own code",
    write=_write,
    finish=join_each_split(_names_file, _points_file),
    image=_image,
    reader=reader_of(
        "nwpu", "NWPU-Crowd (jsons/, or *_gt_loc.txt)", _recognise, _scan, origin="photographs"
    ),
)
