"""COCO keypoints: a head is a person with one keypoint, for programs that evaluate points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import orjson

from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, Format, Summary, nested_image
from gtahead.formats.chunks import write_chunk
from gtahead.formats.coco import annotation_columns, finish_with, image_row
from gtahead.formats.coco_reading import coco_reader
from gtahead.formats.text import RowFormat

CATEGORY = {
    "id": 1,
    "name": "head",
    "supercategory": "person",
    "keypoints": ["head"],
    "skeleton": [],
}

_ROW = RowFormat(
    *(',\n{"id":', 0, ',"image_id":', 0, ',"category_id":1,"num_keypoints":1,"keypoints":['),
    *(2, ",", 2, ",", 0, '],"bbox":[', 2, ",", 2, ",", 2, ",", 2, '],"area":', 2),
    *(',"iscrowd":', 0, ',"gtahead":{"head":', 0, "}}"),
)

VISIBLE, OCCLUDED = 2, 1


def labels_file(split: str) -> str:
    """Return the file of a split's labels."""
    return f"annotations/person_keypoints_{SPLIT_WORDS[split]}.json"


def _rows(batch: Batch) -> Iterator[bytes]:
    ids, images, bbox, area, crowd, heads, points, _, occluded = annotation_columns(batch)
    flags = np.where(occluded == 1, OCCLUDED, VISIBLE)
    columns = [ids, images, *points.T, flags, *bbox.T, area, crowd, heads]
    yield _ROW.render(columns)[0]


def _write(batch: Batch) -> None:
    file = labels_file(batch.split)
    images = b"".join(b",\n" + orjson.dumps(image_row(frame)) for frame in batch.frames)
    write_chunk(batch, f"{file}/images", [images])
    write_chunk(batch, f"{file}/annotations", _rows(batch.boxed()))


def _finish(summary: Summary) -> None:
    finish_with(summary, [CATEGORY], labels_file)


COCO_KEYPOINTS = Format(
    name="coco-keypoints",
    title="COCO keypoints, person_keypoints_*.json",
    kind="points",
    origin=ORIGIN,
    precision_px=0.01,
    supports=frozenset({"boxes", "points", "ids", "ignored"}),
    layout=("annotations/person_keypoints_<train|val|test>.json\nimages/<sequence>/<frame>.jpg"),
    notes=(
        "A head is a person with the one keypoint `head`, `v` 2 where it is seen and 1 "
        "where it is occluded, and its box. `COCOeval` wants the keypoint's sigma: "
        "`params.kpt_oks_sigmas = np.array([0.05])`, say."
    ),
    checked_with="pycocotools",
    write=_write,
    finish=_finish,
    image=nested_image,
    index=False,
    boxed=True,
    reader=coco_reader("coco-keypoints", "COCO keypoints (person_keypoints_*.json)", "person_"),
)
