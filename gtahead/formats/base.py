"""What defines a format: its names, what it supports, its writer and its reader.

A writer gets batches: frames of one split, in order, with their heads as columns. It writes files
of its own below the export's folder, or a chunk of a file that `finish` joins; so batches may be
written in any order, by several processes, and the bytes are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.arrays import Booleans, Floats, Ints, Ragged
from gtahead.ingest.exports import TRIPLES
from gtahead.ingest.model import Reader

SPLIT_WORDS = {"train": "train", "validation": "val", "test": "test"}
"""Splits as most formats call them."""

ORIGIN = "0-based, at the top-left corner of the top-left pixel"

CONDITIONS = ("weather", "hour", "location", "fps", "vfov_deg")
"""Columns of the table of frames that formats with room for it keep under their names."""

FLAT_BYTES = 240
"""Of names without folders: with any extension, file systems have room for them."""

ASPECTS: Mapping[str, str] = {
    "boxes": "boxes of heads",
    "points": "points that aren't the centre of their box",
    "ids": "persons' ids",
    "ignored": "ignored heads",
    "occluded": "occlusion flags",
    "visibility": "visible shares",
}
"""What a format may hold of a head, and what it's called where it's lost."""

LOSSES: Mapping[str, str] = {**ASPECTS, "boxless": "heads without a box in the image"}
"""What an export may lose, by the keys of its report."""


@dataclass(frozen=True)
class Options:
    """The options of an export.

    Attributes:
        images: `link`, `copy` or `none`.
        drop_empty: leave out frames without heads.
        stride: pixels a cell of a map, along each axis.
        dtype: `float32` or `float16`, of maps.
        border: `renormalise` or `clip`, of density maps.
        store: `npz`, `npy` or `h5`, of maps.
        layout: `nested`, maps in a folder for each sequence, or `flat`.
    """

    images: str = "link"
    drop_empty: bool = False
    stride: int = 8
    dtype: str = "float32"
    border: str = "renormalise"
    store: str = "npz"
    layout: str = "nested"


@dataclass(frozen=True)
class ExportFrame:
    """One frame of an export.

    Attributes:
        row: in the dataset's table of frames, from 0. `row + 1` is its id in formats that want
            numbers: the same for every split and selection.
        number: its index in its split, from 1, for formats that count files.
        position: its index in its sequence, from 1, for formats that count frames.
        digits: how many digits the last number of its split has.
        image: the dataset's image; None where there is none or none is wanted.
        map_name: path of its map, and of the image beside it, without extension.
        extension: of the image's file, `.jpg` where there is none.
        about: the row of the table of frames.
    """

    row: int
    number: int
    position: int
    digits: int
    frame_id: str
    sequence: str
    frame: str
    size_wh: tuple[int, int]
    image: Path | None
    extension: str
    about: Mapping[str, Any]
    map_name: str

    @property
    def nested_name(self) -> str:
        """`<sequence>/<frame>.jpg`: the image's name where folders are allowed."""
        return f"{self.frame_id}{self.extension}"

    @property
    def flat_name(self) -> str:
        """`<sequence>__<frame>`: a name without folders and extension.

        What file systems have no room for, 255 bytes, ends in a digest instead.
        """
        return storage.shortened(f"{self.sequence}__{self.frame}", FLAT_BYTES)

    @property
    def padded_number(self) -> str:
        """Its number in its split, with four digits or as many as the split needs.

        The width is the same throughout a split, so that the order of names is that of frames.
        """
        return f"{self.number:0{max(4, self.digits)}d}"

    @property
    def conditions(self) -> dict[str, Any]:
        """What else is known about the frame, for formats that can store it."""
        known = {name: self.about[name] for name in CONDITIONS if self.about[name] is not None}
        for name, columns in TRIPLES.items():
            values = [self.about[column] for column in columns]
            if None not in values:
                known[name] = values
        return known


def nested_image(split: str, frame: ExportFrame) -> str:
    """Return the path of an image in a folder per sequence, whatever the split."""
    del split
    return f"images/{frame.nested_name}"


@dataclass(frozen=True, eq=False)
class HeadColumns:
    """Heads of a batch that count or are ignored; absent ones are never exported.

    Attributes:
        ids: (N,) from 1, unique in the dataset, the same in every rebuild.
        head_ids: (N,) ids of the persons, as captured.
        points_xy: (N, 2) pixels.
        boxes_xyxy: (N, 4) pixels, whole; NaN where a head has none.
        sigmas_xy: (N, 2) pixels.
        visibility: (N,) NaN where unknown.
        occluded: (N,) 0, 1, -1 where unknown.
        ignored: (N,) which are neither to be found nor missed.
    """

    ids: Ints
    head_ids: Ints
    points_xy: Floats
    boxes_xyxy: Floats
    sigmas_xy: Floats
    visibility: Floats
    occluded: npt.NDArray[np.int8]
    ignored: Booleans

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: npt.NDArray[Any] | slice) -> HeadColumns:
        """Return some of them."""
        return HeadColumns(**{name: getattr(self, name)[rows] for name in _HEAD_FIELDS})


_HEAD_FIELDS = tuple(HeadColumns.__dataclass_fields__)


@dataclass(frozen=True, eq=False)
class Batch:
    """Frames of one split, in order, with their heads.

    Attributes:
        split: train, validation or test.
        frames: F of them; frames without heads are there.
        heads: of all frames, in order.
        by_frame: which heads are of which frame.
        folder: the export's.
        chunk: name for this batch's part of a joined file; parts are joined in the names' order.
        shard: its number and how many the split has.
        options: of the export.
        sigma_rule: by which the heads have their sigmas.
        seen: counts that the report shows, by what they are.
    """

    split: str
    frames: Sequence[ExportFrame]
    heads: HeadColumns
    by_frame: Ragged
    folder: Path
    chunk: str
    shard: tuple[int, int]
    options: Options
    sigma_rule: str = ""
    seen: dict[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[ExportFrame, HeadColumns]]:
        for index, frame in enumerate(self.frames):
            yield frame, self.heads.take(self.by_frame.rows(index))

    @property
    def frame_of_heads(self) -> Ints:
        """(N,) index into `frames`."""
        return self.by_frame.index

    @property
    def sizes_wh(self) -> Ints:
        """(F, 2) sizes of the images."""
        return np.array([frame.size_wh for frame in self.frames], np.int64).reshape(-1, 2)

    def where(self, keep: Booleans) -> Batch:
        """Return the batch with some of its heads only."""
        return replace(self, heads=self.heads.take(keep), by_frame=self.by_frame.where(keep))

    def counted(self) -> Batch:
        """Return the batch without ignored heads."""
        return self.where(~self.heads.ignored) if self.heads.ignored.any() else self

    def boxed(self) -> Batch:
        """Return the batch without heads that have no box, or one without area once rounded."""
        boxes = self.heads.boxes_xyxy
        if (boxes[:, 2:] - boxes[:, :2] > 0.02).all():  # nearly always, and cheap to see
            return self
        known = np.asarray(np.isfinite(boxes).all(axis=1))
        sides = np.rint(boxes[:, 2:] * 100) - np.rint(boxes[:, :2] * 100)
        fine: Booleans = known & (sides > 0).all(axis=1)
        if fine.all():
            return self
        self.note("no-box", int((~known).sum()))
        self.note("box-without-area", int((known & ~fine).sum()))
        return self.where(fine)

    def note(self, what: str, count: int) -> None:
        """Count something for the report."""
        if count:
            self.seen[what] = self.seen.get(what, 0) + int(count)

    def path(self, *parts: str) -> Path:
        """Return a path below the export's folder, and create its folders."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def chunk_path(self, file: str) -> Path:
        """Return the path of this batch's part of `file`."""
        return self.path(CHUNKS, file, self.chunk)


CHUNKS = ".chunks"


@dataclass(frozen=True)
class Summary:
    """What `finish` may need to know about the whole export.

    Attributes:
        folder: the export's.
        splits: that are exported, in order, with their frames' numbers.
        sequences: by split.
        manifest: of the dataset.
        options: of the export.
    """

    folder: Path
    splits: Mapping[str, int]
    sequences: Mapping[str, Sequence[str]]
    manifest: Mapping[str, Any]
    options: Options

    def chunks(self, file: str) -> list[Path]:
        """Return the parts of a joined file, in order."""
        folder = self.folder / CHUNKS / file
        return sorted(folder.iterdir()) if folder.is_dir() else []


def _nothing(summary: Summary) -> None:
    del summary


@dataclass(frozen=True)
class Format:
    """A format: how it is written, read and described.

    Attributes:
        name: as `--format` and `--from` take it.
        title: in a few words.
        kind: boxes, points, maps or datasets.
        origin: how its pixels are counted.
        precision_px: the largest error of a coordinate, of an image up to 4,096 px wide.
        supports: names in `ASPECTS`.
        layout: its files, a line each.
        notes: what else its page says.
        checked_with: programs that aren't ours and read it in our tests.
        write: one batch.
        finish: what is left once all batches are there.
        image: where a frame's image goes, below the export's folder; None: it isn't a file.
        embeds_images: whether images lie inside the format's own files.
        shards: whether a batch is a shard of a split, not a sequence.
        index: whether `frames.csv` says which file is which frame.
        clips: whether boxes are cut at the image's border.
        boxed: whether it has no field for heads without a box.
        estimate: bytes that maps of these sizes will take; None where labels are small beside the
            dataset itself.
        reader: None where it can't be read back.
    """

    name: str
    title: str
    kind: str
    origin: str
    precision_px: float
    supports: frozenset[str]
    layout: str
    notes: str
    checked_with: str
    write: Callable[[Batch], None]
    finish: Callable[[Summary], None] = _nothing
    image: Callable[[str, ExportFrame], str] | None = None
    embeds_images: bool = False
    shards: bool = False
    index: bool = True
    clips: bool = False
    boxed: bool = False
    estimate: Callable[[Iterable[tuple[int, int]], Options], int] | None = None
    reader: Reader | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what `gtahead formats` lists, as JSON-ready values."""
        return {
            "name": self.name,
            "title": self.title,
            "kind": self.kind,
            "writes": True,
            "reads": self.reader is not None,
            "supports": [name for name in ASPECTS if name in self.supports],
            "drops": self.drops,
            "origin": self.origin,
            "precision_px": self.precision_px if isfinite(self.precision_px) else None,
            "checked_with": self.checked_with,
        }

    @property
    def drops(self) -> list[str]:
        """Names in `ASPECTS` that the format has no field for."""
        return [name for name in ASPECTS if name not in self.supports]
