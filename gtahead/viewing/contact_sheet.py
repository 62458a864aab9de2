"""A sheet of a capture's frames, one of each sequence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.dataset import CountPolicy
from gtahead.drawing import decoded_image, titled
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import inside
from gtahead.ingest.model import SequenceSource
from gtahead.marks import draw_boxes
from gtahead.readers import READERS
from gtahead.tables.canonical import COUNTED, STATUS_NAMES
from gtahead.values import StrPath

_SHEET_FRAMES = 12

_SHEET_COLUMNS = 2

_SHEET_WIDTH = 480


def draw_contact_sheet(captures: StrPath, names: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Draw up to 12 frames of native captures, each without boxes and, to its right, with them.

    Each is of a sequence of its own. Boxes look as in `gtahead view`.

    Args:
        captures: their folder.
        names: sequences to take frames from.

    Returns:
        (H, W, 3) uint8 in OpenCV's order of channels, blue first.

    Raises:
        InputError: a sequence can't be read, or has no images.
    """
    policy = CountPolicy()
    tiles = []
    shown = min(_SHEET_FRAMES, len(names))
    for position in range(shown):
        name = names[position * len(names) // shown]
        source = SequenceSource("native", Path(captures), name, name)
        sequence = READERS["native"].read(source, Findings(), Ledger())
        number = len(sequence.frames) // 2  # the first ones may be empty
        frame = sequence.frames[number]
        where = Where(f"{name}/{frame.frame}")
        if frame.file is None:
            raise InputError("the capture holds labels alone", where=where)
        plain = decoded_image((Path(captures) / frame.file).read_bytes(), where)
        boxed = plain.copy()
        heads = sequence.heads
        rows = np.flatnonzero(heads["frame_index"] == number)
        boxes = np.stack([heads[f"captured_{c}"][rows] for c in ("x0", "y0", "x1", "y1")], axis=1)
        points = np.stack([heads["x"][rows], heads["y"][rows]], axis=1)
        status = policy.status(inside(points, sequence.size_wh), heads["visibility"][rows], None)
        draw_boxes(boxed, boxes, [STATUS_NAMES[code] for code in status], 1)
        pair = np.hstack([plain, boxed])
        counted = int((status == COUNTED).sum())
        words = f"{name}/{frame.frame}: {counted} heads counted, {sequence.weather}"
        tiles.append(titled(_narrowed(pair, 2 * _SHEET_WIDTH), words))
    tiles += [np.zeros_like(tiles[-1])] * (-len(tiles) % _SHEET_COLUMNS)
    rows_of = [tiles[at : at + _SHEET_COLUMNS] for at in range(0, len(tiles), _SHEET_COLUMNS)]
    return np.ascontiguousarray(np.vstack([np.hstack(row) for row in rows_of]), np.uint8)


def _narrowed(image: npt.NDArray[np.uint8], width: int) -> npt.NDArray[np.uint8]:
    height = round(image.shape[0] * width / image.shape[1])
    way = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=way), np.uint8)
