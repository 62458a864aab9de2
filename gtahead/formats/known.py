"""The formats that gtahead has itself. A new one is one module and one line here."""

from __future__ import annotations

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

BOXES = (COCO, YOLO, VOC, CROWDHUMAN, HEADHUNTER, MOT, COCO_KEYPOINTS)
POINTS = (POINTS_JSON, POINTS_CSV, NWPU, SHANGHAITECH, QNRF, JHU, FIDTM)
OTHERS = (DENSITY, HEATMAP, HUGGINGFACE, IMAGEFOLDER, WEBDATASET)
KNOWN = {one.name: one for one in (*BOXES, *POINTS, *OTHERS)}
