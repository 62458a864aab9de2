"""COCO: one JSON a split, boxes as x, y, width, height; more about heads is under `gtahead`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import orjson

from gtahead.formats.coco_reading import INSTANCES, coco_reader
from gtahead.formats.format import (
    ORIGIN,
    SPLIT_WORDS,
    Batch,
    ExportFrame,
    Format,
    Summary,
    nested_picture,
)
from gtahead.formats.joining import join, write_chunk
from gtahead.formats.textrows import Engine, Ints, fixed, fixed_within, worth_compiling

CATEGORY = {"id": 1, "name": "head", "supercategory": "person"}
PRECISION_PX = 0.01

MOST_PX = 1e7
"""Beyond, the area in hundredths of a pixel would be no whole number of 64 bits."""

SHARE_DECIMALS = 4


def labels_file(split: str) -> str:
    """Give the file of a split's labels."""
    return f"annotations/instances_{SPLIT_WORDS[split]}.json"


def image_row(frame: ExportFrame) -> dict[str, Any]:
    """Give a frame as COCO's images have it."""
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
    """Give annotations as whole numbers: hundredths of pixels, and what they belong to."""
    heads, index = batch.heads, batch.frame_of_heads
    images = np.array([frame.row + 1 for frame in batch.frames], np.int64)[index]
    corners = fixed(heads.boxes_xyxy, 2)
    bbox = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    area = (bbox[:, 2] * bbox[:, 3] + 50) // 100
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


def annotation_rows(batch: Batch, engine: Engine = "auto") -> Iterator[bytes | memoryview]:
    """Write a batch's annotations, each on a line that begins with a comma.

    Args:
        batch: whose heads all have boxes.
        engine: "plain" goes row by row; "compiled" is a loop of numba's.

    Yields:
        Some rows at a time; a view holds until the next one is asked for.
    """
    count = len(batch.heads)
    for values in (batch.heads.boxes_xyxy, batch.heads.points_xy):
        if not (np.abs(values) < MOST_PX).all():  # not of NaN either
            msg = "a coordinate to be written isn't finite, or too large"
            raise ValueError(msg)
    if engine == "plain" or (engine == "auto" and not worth_compiling(4 * count)):
        yield _plain_rows(annotation_columns(batch))
        return
    try:
        from gtahead.formats.compiled import LONGEST_COCO_ROW, ROWS_AT_ONCE, coco_rows
    except ImportError:
        if engine == "compiled":
            raise
        yield _plain_rows(annotation_columns(batch))
        return
    heads = batch.heads
    out = np.empty(LONGEST_COCO_ROW * min(ROWS_AT_ONCE, count), np.uint8)
    image_ids = np.array([frame.row + 1 for frame in batch.frames], np.int64)
    sizes = np.ascontiguousarray(batch.sizes_wh)
    frames = batch.frame_of_heads
    ignored = heads.ignored.view(np.int8)
    for first in range(0, count, ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        size = coco_rows(
            out,
            heads.ids[some],
            frames[some],
            image_ids,
            sizes,
            heads.boxes_xyxy[some],
            ignored[some],
            heads.head_ids[some],
            heads.points_xy[some],
            heads.visibility[some],
            heads.occluded[some],
        )
        yield out[:size].data


def _plain_rows(columns: tuple[Ints, ...]) -> bytes:
    rows = []
    for number, image, bbox, area, crowd, head, point, share, occluded in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        box = ",".join(map(_cents, bbox))
        more = f',"visibility":{share / 10**SHARE_DECIMALS:.{SHARE_DECIMALS}f}' * (share >= 0)
        more += f',"occluded":{occluded}' * (occluded >= 0)
        rows.append(
            f',\n{{"id":{number},"image_id":{image},"category_id":1,"bbox":[{box}]'
            f',"area":{_cents(area)},"iscrowd":{crowd},"gtahead":{{"head":{head}'
            f',"point":[{_cents(point[0])},{_cents(point[1])}]{more}}}}}'
        )
    return "".join(rows).encode()


def _cents(value: int) -> str:
    return f"{'-' * (value < 0)}{abs(value) // 100}.{abs(value) % 100:02d}"


def _write(batch: Batch) -> None:
    file = labels_file(batch.split)
    images = b"".join(b",\n" + orjson.dumps(image_row(frame)) for frame in batch.frames)
    write_chunk(batch, f"{file}/images", [images])
    write_chunk(batch, f"{file}/annotations", annotation_rows(batch.boxed()))


def about_export(summary: Summary) -> dict[str, Any]:
    """Say where an export comes from, without a date: the same data, the same bytes."""
    document = summary.manifest
    return {
        "description": "Heads, exported by gtahead",
        "simulated": document["simulated"],
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
    holds=frozenset({"boxes", "points", "ids", "ignored", "occluded", "visibility"}),
    layout=(
        "annotations/instances_train.json, instances_val.json, instances_test.json\n"
        "images/<sequence>/<frame>.jpg"
    ),
    notes=(
        "`file_name` is relative to `images/`. `category_id` 1 is `head`; ids start at 1 "
        "and are ranks in the whole data set: the same in every split and every rebuild. "
        "An ignored head has `iscrowd` 1, so that COCO's evaluation neither wants nor "
        "punishes it. What COCO has no word for stands under `gtahead`: of a head `head` "
        "(the person), `point`, `visibility`, `occluded`; of an image sequence, frame, "
        "weather, hour, location and camera. Read are other people's files too, with "
        "their keys in any order: heads are the category `head`, or the only one there "
        "is; pictures are looked for in `images/`, beside the file, and one folder down."
    ),
    checked_with="pycocotools, torchvision",
    write=_write,
    finish=_finish,
    picture=nested_picture,
    index=False,
    boxed=True,
    reader=coco_reader("coco", "COCO (instances_*.json)", INSTANCES),
)
