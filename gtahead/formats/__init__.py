"""Formats that people use. A new one is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from gtahead.formats.boxes import CROWDHUMAN, HEADHUNTER, MOT, VOC, YOLO
from gtahead.formats.coco import COCO
from gtahead.formats.coco_keypoints import COCO_KEYPOINTS
from gtahead.formats.crowds import FIDTM, JHU, NWPU
from gtahead.formats.format import Format
from gtahead.formats.huggingface import HUGGINGFACE
from gtahead.formats.imagefolder import IMAGEFOLDER
from gtahead.formats.maps import DENSITY, HEATMAP
from gtahead.formats.matlab import QNRF, SHANGHAITECH
from gtahead.formats.points import POINTS_CSV, POINTS_JSON
from gtahead.formats.webdataset import WEBDATASET

FORMATS: Mapping[str, Format] = {
    one.name: one
    for one in (
        COCO,
        YOLO,
        VOC,
        CROWDHUMAN,
        HEADHUNTER,
        MOT,
        COCO_KEYPOINTS,
        POINTS_JSON,
        POINTS_CSV,
        NWPU,
        SHANGHAITECH,
        QNRF,
        JHU,
        FIDTM,
        DENSITY,
        HEATMAP,
        HUGGINGFACE,
        IMAGEFOLDER,
        WEBDATASET,
    )
}

__all__ = ["FORMATS", "Format"]
