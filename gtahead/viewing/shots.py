"""What there is to look at: frames of datasets, captures, exports, and what was found in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.building.orientation import snap_heads
from gtahead.dataset import ANNOTATING, MANIFEST, WORK, CountPolicy, Dataset, Frame
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import inside
from gtahead.images.reading import ImageError, read_bytes
from gtahead.ingest.model import BrokenSequence, CapturedSequence, Reader, SequenceSource
from gtahead.readers import choose_reader
from gtahead.regions import regions_of
from gtahead.scoring.evaluator import Score, benchmark
from gtahead.tables.canonical import STATUS_NAMES
from gtahead.values import StrPath

SHARE_OF_BOX = 0.25
LONE_SIGMA_PX = 4.0
"""Sigmas of captures, which have none yet: a quarter of the box, or this for heads without one."""


@dataclass(frozen=True, eq=False)
class MatchedHeads:
    """What a method found in a frame.

    Attributes:
        hits_xy: (H, 2) points that are a head's.
        missed_xy: (M, 2) heads that nobody found.
        false_xy: (P, 2) points that are no head's.
        count: what the method counted.
    """

    hits_xy: Floats
    missed_xy: Floats
    false_xy: Floats
    count: float


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame to be drawn.

    Attributes:
        frame_id: its name.
        size_wh: width and height in pixels.
        read: gives the image's bytes; None where there is none.
        ids: (N,) ids of the persons.
        points_xy: (N, 2) centres of the heads.
        boxes_xyxy: (N, 4) boxes, NaN where a head has none.
        sigmas_xy: (N, 2) of maps.
        visibility: (N,) visible share, NaN where unknown.
        status: (N,) codes into `STATUS_NAMES`.
        found: what a method found, or None.
        regions: polygons in which heads are counted; none: everywhere.
    """

    frame_id: str
    size_wh: tuple[int, int]
    read: Callable[[], bytes] | None
    ids: Ints
    points_xy: Floats
    boxes_xyxy: Floats
    sigmas_xy: Floats
    visibility: Floats
    status: Ints
    found: MatchedHeads | None = None
    regions: Sequence[Floats] = ()

    @property
    def status_names(self) -> list[str]:
        """The status of each head, N names in `STATUS_NAMES`."""
        return [STATUS_NAMES[code] for code in self.status]

    def of_status(self, name: str) -> Booleans:
        """Return which heads, (N,), have a status."""
        return np.asarray(self.status == STATUS_NAMES.index(name), np.bool_)


def shot_of(frame: Frame) -> Shot:
    """Return a dataset's frame."""
    codes = {name: code for code, name in enumerate(STATUS_NAMES)}
    return Shot(
        frame.frame_id,
        frame.size_wh,
        None if frame.image_path is None else _reader_of(frame.image_path),
        frame.head_ids,
        frame.points_xy,
        frame.boxes_xyxy,
        frame.sigmas_xy,
        frame.visibility,
        np.array([codes[str(one)] for one in frame.status], np.int64),
    )


def _reader_of(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            return read_bytes(path)
        except ImageError as fault:
            raise InputError(
                f"the image can't be read: {fault.code}", where=Where(str(path))
            ) from fault

    return read


class Album:
    """Frames of one source, by name.

    Attributes:
        names: ids of all frames, in order.
        counts: of the heads in each, where that's known without reading; else zeros.
    """

    def __init__(
        self,
        names: Sequence[str],
        counts: Sequence[int],
        get: Callable[[Sequence[str]], Iterator[Shot]],
    ) -> None:
        self.names = list(names)
        self.counts = list(counts)
        self._get = get

    def sequence(self, name: str) -> list[str]:
        """Return the ids of a sequence's frames."""
        return [one for one in self.names if one.rpartition("/")[0] == name]

    def shots(self, names: Sequence[str]) -> Iterator[Shot]:
        """Return frames, in the order asked for."""
        return self._get(names)


def open_album(
    path: StrPath,
    *,
    reader: str = "auto",
    predictions: StrPath | None = None,
    split: str | None = None,
) -> Album:
    """Open a dataset, a capture, an export or other people's labels.

    Args:
        path: its folder.
        reader: a name that `--from` takes, or auto.
        predictions: of a method; then only frames of their split are there, with what was found.
        split: of a dataset; all unless given, `test` with predictions.

    Raises:
        UsageError: no such split or reader.
        InputError: nothing that gtahead knows, or predictions that can't be scored.
    """
    folder = Path(path)
    unfinished = any((folder / name).is_dir() for name in (WORK, ANNOTATING))
    if (folder / MANIFEST).is_file() or unfinished:
        dataset = Dataset.open(folder)
        if predictions is not None:
            return _of_score(dataset, folder, predictions, split)
        return _of_dataset(dataset if split is None else dataset.select(split=split))
    if predictions is not None or split is not None:
        raise UsageError(
            "predictions and splits need a dataset",
            where=Where(str(folder)),
            remedy="build one first: gtahead build --raw",
        )
    kind, _ = choose_reader(folder, reader)
    return _of_capture(kind, folder)


def _of_dataset(dataset: Dataset) -> Album:
    regions = regions_of(dataset.manifest.document, str(dataset.folder))

    def get(names: Sequence[str]) -> Iterator[Shot]:
        sequences = {name.rpartition("/")[0] for name in names}
        wanted, found = set(names), {}
        for frame in dataset.select(sequences=sequences):
            if frame.frame_id in wanted:
                mine = regions.of(frame.frame_id, frame.sequence, frame.location)
                found[frame.frame_id] = replace(shot_of(frame), regions=mine)
        for name in names:
            yield found[name]

    columns = dataset.frames(["frame_id", "num_heads"])
    return Album(columns["frame_id"], columns["num_heads"], get)


def _of_score(dataset: Dataset, folder: Path, predictions: StrPath, split: str | None) -> Album:
    score = benchmark(
        predictions, folder, split=split, missing="zero", intervals=False, ceilings=False
    )
    if score.matching is None:
        first = next(iter(score.findings), None)
        raise InputError(
            "the predictions can't be compared with these heads"
            + (f": {first.what}" if first is not None else ": they have no points or boxes"),
            where=Where(str(predictions)),
            remedy="`gtahead benchmark` lists all that is wrong with them",
        )
    rows = {name: row for row, name in enumerate(score.ground_truth.images.ids)}
    album = _of_dataset(dataset.select(split=split or "test"))
    inner = album.shots

    def get(names: Sequence[str]) -> Iterator[Shot]:
        for shot in inner(names):
            yield replace(shot, found=_found(score, rows[shot.frame_id]))

    return Album(album.names, album.counts, get)


def _found(score: Score, row: int) -> MatchedHeads:
    ground_truth, matching = score.ground_truth, score.matching
    assert matching is not None
    mine = score.by_image.rows(row)
    heads = ground_truth.by_image.rows(row)
    missed = ~ground_truth.ignored[heads] & ~matching.found(len(ground_truth.points_xy))[heads]
    points = score.points_xy[mine]
    return MatchedHeads(
        points[matching.hits[mine]],
        ground_truth.points_xy[heads][missed],
        points[matching.false[mine]],
        float(score.states["found"][row]),
    )


def _of_capture(kind: Reader, folder: Path) -> Album:
    """Return the frames of a capture: each sequence is read when it is asked for, and kept."""
    root = Path(os.path.realpath(folder))
    sources = {source.name: source for source in kind.sequences(root, Findings())}
    if not sources:
        raise InputError("no sequences are there", where=Where(str(folder)))
    read: dict[str, CapturedSequence] = {}

    def sequence(name: str) -> CapturedSequence:
        if name not in read:
            read[name] = _read(kind, sources[name])
            snap_heads(read[name].heads, read[name].sizes_wh)  # drawn as a dataset has them
        return read[name]

    def get(names: Sequence[str]) -> Iterator[Shot]:
        for name in names:
            owner, _, frame = name.rpartition("/")
            yield _captured_shot(kind, root, sequence(owner), frame)

    names, counts = [], []
    for name in sources:
        found = sequence(name)
        heads = np.bincount(found.heads["frame_index"], minlength=len(found.frames))
        names += [f"{name}/{frame.frame}" for frame in found.frames]
        counts += heads.tolist()
    return Album(names, counts, get)


def _read(kind: Reader, source: SequenceSource) -> CapturedSequence:
    findings = Findings()
    try:
        return kind.read(source, findings, Ledger())
    except BrokenSequence as error:
        first = next(iter(findings), None)
        raise InputError(
            "the sequence can't be read" + (f": {first.what}" if first is not None else ""),
            where=Where(source.path, source.name),
            remedy="`gtahead validate` lists all that is wrong",
        ) from error


def _captured_shot(kind: Reader, root: Path, sequence: CapturedSequence, name: str) -> Shot:
    number = next(i for i, frame in enumerate(sequence.frames) if frame.frame == name)
    frame = sequence.frames[number]
    size_wh = sequence.sizes_wh[number]
    heads = sequence.heads
    rows = np.flatnonzero(heads["frame_index"] == number)
    points = np.stack([heads["x"][rows], heads["y"][rows]], axis=1).astype(np.float64)

    def column(key: str) -> Floats:
        if key not in heads:
            return np.full(len(rows), np.nan)
        return np.asarray(heads[key][rows], np.float64)

    boxes = np.stack([column(f"captured_{corner}") for corner in ("x0", "y0", "x1", "y1")], axis=1)
    sides = boxes[:, 2:] - boxes[:, :2]
    sigmas = np.where(sides > 0, sides * SHARE_OF_BOX, LONE_SIGMA_PX)
    flags = {key: heads[key][rows] if key in heads else None for key in ("occluded", "ignore")}
    visibility = column("visibility")
    status = CountPolicy().status(
        inside(points, size_wh), visibility, flags["occluded"], flags["ignore"]
    )
    read: Callable[[], bytes] | None = None
    if kind.unpack is not None and getattr(frame, "row", None) is not None:
        unpack = kind.unpack

        def read() -> bytes:
            return unpack(root, frame)

    elif frame.file is not None:
        read = _reader_of(root / frame.file)
    return Shot(
        f"{sequence.name}/{name}",
        size_wh,
        read,
        np.asarray(heads["head_id"][rows], np.int64),
        points,
        boxes,
        sigmas,
        visibility,
        np.asarray(status, np.int64),
    )
