"""The frames that findings name, as small images on which the head is marked."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gtahead.arrays import Floats
from gtahead.dataset import Dataset
from gtahead.errors import GtaheadError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco_columns import CocoFile, read_coco
from gtahead.formats.coco_reading import own_id_of
from gtahead.images.reading import ImageError, peek_bytes, read_bytes
from gtahead.ingest.model import BrokenSequence, CapturedFrame, CapturedSequence, Reader
from gtahead.reports.pages import embedded_image
from gtahead.tables.canonical import CAPTURED
from gtahead.validation.captures import image_bytes

if TYPE_CHECKING:
    from gtahead.validation.checking import Validation

IMAGE_PX, IMAGE_BYTES = 560, 40_000

CODES_SHOWN = 12
"""Codes that have an image: a page stays below 1.5 MB."""

TRIED = 5
"""Findings of a code whose frames are looked for: some have no image, or one that can't be read."""

REACH = 0.5
"""How far beside a frame a head is shown, in sides of the frame."""

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

    @property
    def view_xywh(self) -> tuple[float, float, float, float]:
        """What is shown: the frame, and a mark that lies beside it, with some room around it."""
        mark = self.box_xyxy or self.point_xy
        if mark is None:
            return 0, 0, *self.size_wh
        corners, room = np.reshape(mark, (-1, 2)), 0.03 * max(self.size_wh)
        left, top = np.minimum(corners.min(axis=0) - room, 0).tolist()
        right, bottom = np.maximum(corners.max(axis=0) + room, self.size_wh).tolist()
        return left, top, right - left, bottom - top


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
        named = (frames.find(finding.where) for finding in findings[:TRIED])
        example = next((one for one in named if one is not None), None)
        if example is not None:
            shown[code] = example
    return shown


def _frames_of(checked: Validation) -> _Frames | None:
    if not checked.looks_at_images:
        return None
    if checked.kind == "dataset":
        return _StoredFrames(Dataset.open(checked.path))
    return None if checked.reader is None else _ReadFrames(checked.path, checked.reader)


class _Frames(ABC):
    """Frames of what was checked, found by what findings say; each image is read once at most."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, str], tuple[str | None, bool]] = {}

    @abstractmethod
    def find(self, where: Where) -> Example | None:
        """Return the frame that a finding names; None where it names none that can be shown."""

    def _shown(self, key: tuple[str, str], read: Callable[[], bytes]) -> tuple[str | None, bool]:
        """Return a frame's image as a data URL, and whether it has an orientation tag.

        Args:
            key: its sequence and its name.
            read: gives the image's bytes.
        """
        if key not in self._images:
            try:
                data = read()
                turned = peek_bytes(data).orientation != 1  # refuses what is too large, besides
                self._images[key] = embedded_image(data, IMAGE_PX, IMAGE_BYTES), turned
            except ImageError:
                self._images[key] = None, False
        return self._images[key]


class _StoredFrames(_Frames):
    """Frames of a dataset."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self._dataset = dataset

    def find(self, where: Where) -> Example | None:
        """Look by sequence and frame."""
        if where.sequence is None or where.frame is None:
            return None
        try:
            frame = self._dataset[f"{where.sequence}/{where.frame}"]
            path = frame.image_path
        except (GtaheadError, KeyError):
            return None
        if path is None:
            return None
        image, _ = self._shown((where.sequence, where.frame), lambda: read_bytes(path))
        rows = np.flatnonzero(frame.head_ids == where.head)
        box = frame.boxes_xyxy[rows[0]] if len(rows) else None
        point = frame.points_xy[rows[0]] if len(rows) else None
        return _example(frame.frame_id, image, frame.size_wh, box, point)


class _ReadFrames(_Frames):
    """Frames of a capture or of other people's labels, whose sequences are read once more."""

    def __init__(self, root: Path, reader: Reader) -> None:
        super().__init__()
        self._reader = reader
        self._sources = {source.name: source for source in reader.sequences(root, Findings())}
        self._sequence = cache(self._read)
        self._coco = cache(lambda name: read_coco(root / name, name))

    def _read(self, name: str) -> CapturedSequence | None:
        try:
            return self._reader.read(self._sources[name], Findings(), Ledger())
        except (BrokenSequence, GtaheadError, OSError, KeyError):
            return None

    def find(self, where: Where) -> Example | None:
        """Look by sequence and frame, by an entry of a COCO file, or by a file of one frame."""
        if where.sequence is not None and where.frame is not None:
            sequence = self._sequence(where.sequence)
            names = [frame.frame for frame in sequence.frames] if sequence else []
            if sequence is None or where.frame not in names:
                return None
            return self._example(sequence, names.index(where.frame), where.head)
        pointer = COCO_POINTER.match(where.field or "")
        if where.file is None:
            return None
        if pointer is None:
            return self._only(lambda frame: where.file in (frame.file, frame.listed_in))
        try:
            own_id, box = _in_coco(self._coco(where.file), pointer[1], int(pointer[2]))
        except (GtaheadError, OSError, LookupError):
            return None
        return self._only(
            lambda frame: (frame.listed_in, frame.own_id) == (where.file, own_id), box
        )

    def _only(
        self, fits: Callable[[CapturedFrame], bool], box: Floats | None = None
    ) -> Example | None:
        """Return the frame that fits, if it is one alone."""
        found = [
            (sequence, index)
            for sequence in map(self._sequence, self._sources)
            if sequence is not None
            for index, frame in enumerate(sequence.frames)
            if fits(frame)
        ]
        return self._example(*found[0], None, box) if len(found) == 1 else None

    def _example(
        self, sequence: CapturedSequence, index: int, head: int | None, box: Floats | None = None
    ) -> Example | None:
        frame, heads = sequence.frames[index], sequence.heads
        source, size_wh = self._sources[sequence.name], sequence.sizes_wh[index]
        image, turned = self._shown((source.name, frame.frame), lambda: image_bytes(frame, source))
        if turned and not frame.upright:  # the labels' pixels aren't those that are shown
            return _example(frame.frame, image, size_wh)
        rows = np.flatnonzero((heads["frame_index"] == index) & (heads["head_id"] == head))
        if not len(rows):
            return _example(frame.frame, image, size_wh, box)
        if CAPTURED[0] in heads:
            box = np.array([heads[name][rows[0]] for name in CAPTURED])
        point = np.array([heads["x"][rows[0]], heads["y"][rows[0]]])
        return _example(frame.frame, image, size_wh, box, point)


def _in_coco(coco: CocoFile, kind: str, index: int) -> tuple[int | str, Floats | None]:
    """Return the id of the image that an entry is or is about, and the entry's box."""
    if kind == "images":
        return own_id_of(coco.images[index]), None
    columns = coco.annotations
    image = {one["id"]: one for one in coco.images}[int(columns["image_id"][index])]
    x, y, width, height = columns["bbox"][index].tolist()
    return own_id_of(image), np.array([x, y, x + width, y + height])


def _example(
    name: str,
    image: str | None,
    size_wh: tuple[int, int],
    box: Floats | None = None,
    point: Floats | None = None,
) -> Example | None:
    if image is None:
        return None
    return Example(name, image, size_wh, _near(box, size_wh), _near(point, size_wh))


def _near(values: Floats | None, size_wh: tuple[int, int]) -> list[float] | None:
    """Return coordinates that are in the frame, or so near that they can be shown beside it."""
    if values is None:
        return None
    reach = np.tile(size_wh, len(values) // 2)
    near = (values >= -REACH * reach).all() and (values <= (1 + REACH) * reach).all()
    return values.tolist() if near else None
