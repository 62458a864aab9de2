"""The frames that findings name, as small images on which the head is marked."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gtahead.arrays import Floats
from gtahead.dataset import Dataset
from gtahead.errors import GtaheadError
from gtahead.findings import Finding, Findings, Ledger
from gtahead.formats.coco_columns import CocoFile, read_coco
from gtahead.images.reading import ImageError, peek_bytes, read_bytes
from gtahead.ingest.model import BrokenSequence, CapturedSequence, Reader
from gtahead.reports.pages import embedded_image
from gtahead.tables.canonical import CAPTURED
from gtahead.validation.captures import image_bytes

if TYPE_CHECKING:
    from gtahead.validation.checking import Validation

IMAGE_PX, IMAGE_BYTES = 560, 40_000

CODES_SHOWN = 12
"""Codes that have an image: a page stays below 1.5 MB."""

COCO_POINTER = re.compile(r"/(images|annotations)/(\d+)(/|$)")


@dataclass(frozen=True)
class Example:
    """A frame that shows what a finding means.

    Attributes:
        frame: its name.
        image: as a data URL.
        size_wh: of the frame in pixels.
        box_xyxy: of the head in pixels of the frame; None where it has none, or none is meant.
        point_xy: likewise, of a head without a box.
    """

    frame: str
    image: str
    size_wh: tuple[int, int]
    box_xyxy: list[float] | None = None
    point_xy: list[float] | None = None


def examples_of(checked: Validation, found: Findings) -> dict[str, Example]:
    """Return an example by code, for the codes that a readable image is an example of."""
    shown: dict[str, Example] = {}
    try:
        frames = _frames_of(checked)
    except (GtaheadError, OSError):
        frames = None
    if frames is None:
        return {}
    for code, findings in found.by_code():
        if len(shown) == CODES_SHOWN:
            break
        named = (frames.find(finding) for finding in findings)
        example = next((one for one in named if one is not None), None)
        if example is not None:
            shown[code] = example
    return shown


def _frames_of(checked: Validation) -> _StoredFrames | _ReadFrames | None:
    if checked.kind == "dataset":
        return _StoredFrames(Dataset.open(checked.path))
    return None if checked.reader is None else _ReadFrames(checked.path, checked.reader)


class _StoredFrames:
    """Frames of a dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset

    def find(self, finding: Finding) -> Example | None:
        """Return the frame that a finding names; None where it names none that can be shown."""
        where = finding.where
        if where.sequence is None or where.frame is None:
            return None
        try:
            frame = self._dataset[f"{where.sequence}/{where.frame}"]
            data = None if frame.image_path is None else read_bytes(frame.image_path)
        except (GtaheadError, ImageError, KeyError):
            return None
        rows = np.flatnonzero(frame.head_ids == where.head)
        box = frame.boxes_xyxy[rows[0]] if len(rows) else None
        point = frame.points_xy[rows[0]] if len(rows) else None
        return _example(frame.frame_id, data, frame.size_wh, box, point)


class _ReadFrames:
    """Frames of a capture or of other people's labels, whose sequences are read once more."""

    def __init__(self, root: Path, reader: Reader) -> None:
        self._reader = reader
        self._sources = {source.name: source for source in reader.sequences(root, Findings())}
        self._sequence = cache(self._read)
        self._coco = cache(lambda name: read_coco(root / name, name))

    def _read(self, name: str) -> CapturedSequence | None:
        try:
            return self._reader.read(self._sources[name], Findings(), Ledger())
        except (BrokenSequence, GtaheadError, OSError, KeyError):
            return None

    def find(self, finding: Finding) -> Example | None:
        """Return the frame that a finding names; None where it names none that can be shown."""
        where = finding.where
        if where.sequence is not None and where.frame is not None:
            sequence = self._sequence(where.sequence)
            names = [frame.frame for frame in sequence.frames] if sequence else []
            if sequence is None or where.frame not in names:
                return None
            return self._example(sequence, names.index(where.frame), where.head)
        if where.file is None:
            return None
        pointer = COCO_POINTER.match(where.field or "")
        if pointer is None:
            return self._called(lambda file: Path(file).stem == Path(where.file or "").stem)
        try:
            image, box = _in_coco(self._coco(where.file), pointer[1], int(pointer[2]))
        except (GtaheadError, OSError, LookupError):
            return None
        found = self._called(lambda file: f"/{file}".endswith(f"/{image}"))
        return None if found is None else replace(found, box_xyxy=box)

    def _called(self, fits: Callable[[str], bool]) -> Example | None:
        """Return the only frame whose image has a fitting name."""
        found = [
            (sequence, index)
            for sequence in map(self._sequence, self._sources)
            if sequence is not None
            for index, frame in enumerate(sequence.frames)
            if frame.file is not None and fits(frame.file)
        ]
        return self._example(*found[0], None) if len(found) == 1 else None

    def _example(self, sequence: CapturedSequence, index: int, head: int | None) -> Example | None:
        frame, heads = sequence.frames[index], sequence.heads
        try:
            data = image_bytes(frame, self._sources[sequence.name])
            turned = peek_bytes(data).orientation != 1 and not frame.upright
        except ImageError:
            return None
        mine = (heads["frame_index"] == index) & (heads["head_id"] == head)
        rows = np.flatnonzero(mine)
        if turned or not len(rows):
            return _example(frame.frame, data, sequence.sizes_wh[index])
        boxed = CAPTURED[0] in heads
        box = np.array([heads[name][rows[0]] for name in CAPTURED]) if boxed else None
        point = np.array([heads["x"][rows[0]], heads["y"][rows[0]]])
        return _example(frame.frame, data, sequence.sizes_wh[index], box, point)


def _in_coco(coco: CocoFile, kind: str, index: int) -> tuple[str, list[float] | None]:
    """Return the name of the image that an entry is or is about, and its box."""
    if kind == "images":
        return coco.images[index]["file_name"], None
    columns = coco.annotations
    names = {image["id"]: image["file_name"] for image in coco.images}
    x, y, width, height = columns["bbox"][index].tolist()
    return names[int(columns["image_id"][index])], _finite([x, y, x + width, y + height])


def _example(
    name: str,
    data: bytes | None,
    size_wh: tuple[int, int],
    box: Floats | None = None,
    point: Floats | None = None,
) -> Example | None:
    image = None if data is None else embedded_image(data, IMAGE_PX, IMAGE_BYTES)
    if image is None:
        return None
    return Example(
        name,
        image,
        size_wh,
        None if box is None else _finite(box.tolist()),
        None if point is None else _finite(point.tolist()),
    )


def _finite(values: list[float]) -> list[float] | None:
    return values if all(map(isfinite, values)) else None
