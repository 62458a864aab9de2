"""COCO: one JSON per split, boxes as x, y, width, height; more about heads is under `gtahead`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from gtahead.arrays import Ints
from gtahead.formats.base import (
    ORIGIN,
    SPLIT_WORDS,
    Batch,
    ExportFrame,
    Format,
    Summary,
    nested_image,
)
from gtahead.formats.chunks import join, write_chunk
from gtahead.formats.coco_reading import INSTANCES, coco_reader
from gtahead.formats.text import Engine, RowFormat, fixed, fixed_within

CATEGORY = {"id": 1, "name": "head", "supercategory": "person"}
PRECISION_PX = 0.01

SHARE_DECIMALS = 4

_PAIR: tuple[str | int, ...] = (2, ",", 2)
_ROW: tuple[str | int, ...] = (
    *(',\n{"id":', 0, ',"image_id":', 0, ',"category_id":1,"bbox":[', *_PAIR, ",", *_PAIR),
    *('],"area":', 2, ',"iscrowd":', 0, ',"gtahead":{"head":', 0, ',"point":[', *_PAIR, "]"),
)


def labels_file(split: str) -> str:
    """Return the file of a split's labels."""
    return f"annotations/instances_{SPLIT_WORDS[split]}.json"


def image_row(frame: ExportFrame) -> dict[str, Any]:
    """Return a frame as an entry of COCO's `images`."""
    width, height = frame.size_wh
    about = {"sequence": frame.sequence, "frame": frame.frame, **frame.conditions}
    return {
        "id": frame.row + 1,
        "file_name": frame.nested_name,
        "width": width,
        "height": height,
        "gtahead": about,
    }


def annotation_columns(batch: Batch) -> tuple[Ints, ...]:
    """Return annotations as whole numbers: hundredths of pixels, and what they belong to."""
    heads, index = batch.heads, batch.frame_of_heads
    images = np.array([frame.row + 1 for frame in batch.frames], np.int64)[index]
    corners = fixed(heads.boxes_xyxy, 2)
    bbox = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    # Nobody has boxes millions of pixels wide; beyond, an area's digits wouldn't be exact.
    area = np.minimum((bbox[:, 2] * bbox[:, 3] + 50) // 100, 2**52)
    limits = batch.sizes_wh[index]
    points = [fixed_within(heads.points_xy[:, k], limits[:, k], 2) for k in (0, 1)]
    shares = fixed(np.where(np.isnan(heads.visibility), -1.0, heads.visibility), SHARE_DECIMALS)
    return (
        heads.ids,
        images,
        bbox,
        area,
        heads.ignored.astype(np.int64),
        heads.head_ids,
        np.stack(points, axis=1),
        shares,
        heads.occluded.astype(np.int64),
    )


def annotation_rows(batch: Batch, engine: Engine = "auto") -> bytes:
    """Write a batch's annotations, each on a line that begins with a comma.

    Args:
        batch: whose heads all have boxes.
        engine: "plain" goes row by row; "compiled" is a loop of numba's.
    """
    columns = annotation_columns(batch)
    *_, shares, occluded = columns
    forms = (shares >= 0) + 2 * (occluded >= 0)
    kinds = np.unique(forms)
    if len(kinds) == 1:
        return _rows_of(int(kinds[0]), columns, engine)[0]
    rows: list[bytes] = [b""] * len(forms)
    for kind in kinds:
        chosen = np.flatnonzero(forms == kind)
        text, starts = _rows_of(int(kind), tuple(values[chosen] for values in columns), engine)
        bounds = starts.tolist()
        for row, start, stop in zip(chosen.tolist(), bounds, bounds[1:], strict=False):
            rows[row] = text[start:stop]
    return b"".join(rows)


def _rows_of(kind: int, columns: tuple[Ints, ...], engine: Engine) -> tuple[bytes, Ints]:
    """Write rows that all have, or all lack, a head's visibility and its flag, as `kind` says."""
    ids, images, bbox, area, crowd, heads, points, shares, occluded = columns
    row: list[str | int] = [*_ROW]
    values = [ids, images, *bbox.T, area, crowd, heads, *points.T]
    if kind & 1:
        row += [',"visibility":', SHARE_DECIMALS]
        values.append(shares)
    if kind & 2:
        row += [',"occluded":', 0]
        values.append(occluded)
    return RowFormat(*row, "}}").render(values, engine=engine)


def _write(batch: Batch) -> None:
    file = labels_file(batch.split)
    images = b"".join(b",\n" + orjson.dumps(image_row(frame)) for frame in batch.frames)
    write_chunk(batch, f"{file}/images", [images])
    write_chunk(batch, f"{file}/annotations", [annotation_rows(batch.boxed())])


def about_export(summary: Summary) -> dict[str, Any]:
    """Return where an export comes from, without a date: the same data, the same bytes."""
    document = summary.manifest
    return {
        "description": "Heads, exported by gtahead",
        "origin": document["origin"],
        "count_policy": document["policy"],
        "visibility": document["visibility"],
        "fingerprint": document["fingerprint"],
    }


def _finish(summary: Summary) -> None:
    finish_with(summary, [CATEGORY], labels_file)


def finish_with(
    summary: Summary, categories: list[dict[str, Any]], name: Callable[[str], str]
) -> None:
    """Join each split's JSON."""
    for split in summary.splits:
        file = name(split)
        join(
            summary.folder / file,
            [
                b'{"info":' + orjson.dumps(about_export(summary)) + b',\n"licenses":[]',
                b',\n"categories":' + orjson.dumps(categories),
                b',\n"images":[',
                summary.chunks(f"{file}/images"),
                b'],\n"annotations":[',
                summary.chunks(f"{file}/annotations"),
                b"]}\n",
            ],
        )


COCO = Format(
    name="coco",
    title="COCO, instances_*.json",
    kind="boxes",
    origin=ORIGIN,
    precision_px=PRECISION_PX,
    supports=frozenset({"boxes", "points", "ids", "ignored", "occluded", "visibility"}),
    layout=(
        "annotations/instances_train.json, instances_val.json, instances_test.json\n"
        "images/<sequence>/<frame>.jpg"
    ),
    notes=(
        "`file_name` is relative to `images/`. `category_id` 1 is `head`; ids start at 1 "
        "and are ranks in the whole dataset: the same in every split and every rebuild. "
        "An ignored head has `iscrowd` 1, so that COCO's evaluation leaves it "
        "out. What COCO has no key for is under `gtahead`: of a head `head` "
        "(the person), `point`, `visibility`, `occluded`; of an image sequence, frame, "
        "weather, hour, location and camera. Other people's files are read too, with "
        "their keys in any order: heads are the category `head`, or the only one there "
        "is; images are looked for in `images/`, beside the file, and one folder down."
    ),
    checked_with="pycocotools, torchvision",
    write=_write,
    finish=_finish,
    image=nested_image,
    index=False,
    boxed=True,
    reader=coco_reader("coco", "COCO (instances_*.json)", INSTANCES),
)
