"""Formats that people use. A new one is one module, and its name here twice."""

from __future__ import annotations

from collections.abc import Mapping

from gtahead.formats.base import Format
from gtahead.plugins import Registry


def _ours() -> Mapping[str, Format]:
    # Imported at the first look: most commands read no format, and all of them together take long.
    from gtahead.formats.coco import COCO
    from gtahead.formats.coco_keypoints import COCO_KEYPOINTS
    from gtahead.formats.crowdhuman import CROWDHUMAN
    from gtahead.formats.fidtm import FIDTM
    from gtahead.formats.headhunter import HEADHUNTER
    from gtahead.formats.huggingface import HUGGINGFACE
    from gtahead.formats.imagefolder import IMAGEFOLDER
    from gtahead.formats.jhu import JHU
    from gtahead.formats.maps import DENSITY, HEATMAP
    from gtahead.formats.mot import MOT
    from gtahead.formats.nwpu import NWPU
    from gtahead.formats.points_csv import POINTS_CSV
    from gtahead.formats.points_json import POINTS_JSON
    from gtahead.formats.qnrf import QNRF
    from gtahead.formats.shanghaitech import SHANGHAITECH
    from gtahead.formats.voc import VOC
    from gtahead.formats.webdataset import WEBDATASET
    from gtahead.formats.yolo import YOLO

    boxes = (COCO, YOLO, VOC, CROWDHUMAN, HEADHUNTER, MOT, COCO_KEYPOINTS)
    points = (POINTS_JSON, POINTS_CSV, NWPU, SHANGHAITECH, QNRF, JHU, FIDTM)
    others = (DENSITY, HEATMAP, HUGGINGFACE, IMAGEFOLDER, WEBDATASET)
    return {one.name: one for one in (*boxes, *points, *others)}


FORMATS = Registry(_ours, Format, "gtahead.formats")
"""By the name that `--format` takes."""

__all__ = ["FORMATS", "Format"]
