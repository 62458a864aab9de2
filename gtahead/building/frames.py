"""Frames of a sequence on their way into a dataset: chosen, their images checked and placed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gtahead import storage
from gtahead.arrays import Booleans
from gtahead.building.options import BuildOptions
from gtahead.building.records import SequenceRecord
from gtahead.errors import Where
from gtahead.images.layers import Layer, compose
from gtahead.images.prepare import PreparedImage, prepare
from gtahead.images.reading import (
    ImageError,
    check_health,
    difference_hash,
    read_bytes,
    read_header,
)
from gtahead.ingest.model import BrokenSequence, CapturedFrame, CapturedSequence, SequenceSource
from gtahead.origins import RENDERED
from gtahead.readers import READERS
from gtahead.storage import system


@dataclass(frozen=True)
class UnitTask:
    """Everything a worker needs to build one sequence."""

    source: SequenceSource
    target: Path
    options: BuildOptions
    strict: bool


def select_frames(captured: CapturedSequence, every: int, record: SequenceRecord) -> None:
    """Drop frames whose heads are unknown, then keep every n-th of the others.

    The heads are unknown where all of them were lost to faults; such a frame isn't empty.
    """
    left = np.bincount(captured.heads["frame_index"], minlength=len(captured.frames))
    lost = {}
    for index in sorted(captured.lost_frames):
        frame = captured.frames[index]
        if left[index] == 0 and frame.fault is None:
            record.findings.add("heads-lost", Where(frame.file, captured.name, frame.frame))
            lost[index] = "heads-lost"
    _drop_frames(captured, lost, record)
    skipped = {index: "not-sampled" for index in range(len(captured.frames)) if index % every}
    _drop_frames(captured, skipped, record)


def _drop_frames(
    captured: CapturedSequence, reasons: dict[int, str], record: SequenceRecord
) -> None:
    """Drop frames by index, and their heads; record both in the ledger by reason."""
    if not reasons:
        return
    heads = captured.heads
    count = np.bincount(heads["frame_index"], minlength=len(captured.frames))
    keep: Booleans = np.ones(len(captured.frames), np.bool_)
    for index, reason in reasons.items():
        keep[index] = False
        record.ledger.frames.drop(reason)
        record.ledger.heads.drop(reason, int(count[index]))
    here = keep[heads["frame_index"]]
    new_index = np.cumsum(keep) - 1
    captured.heads = {name: values[here] for name, values in heads.items()}
    captured.heads["frame_index"] = new_index[captured.heads["frame_index"]].astype(np.int32)
    captured.frames = [frame for frame, kept in zip(captured.frames, keep, strict=True) if kept]


@dataclass(frozen=True)
class TakenImage:
    """A kept frame's image in the dataset; `file` and `sha256` are None for labels alone.

    Attributes:
        file: relative to the dataset.
        sha256: of the image as the dataset has it.
        difference_hash: of photographs, where no neighbouring frames look alike.
        orientation: EXIF orientation by which the frame's heads have to be turned.
    """

    file: str | None = None
    sha256: str | None = None
    difference_hash: str | None = None
    orientation: int = 1


def take_images(
    captured: CapturedSequence, task: UnitTask, part: Path, record: SequenceRecord
) -> list[TakenImage]:
    """Check every image and put it into the dataset; drop frames whose image can't be used.

    Raises:
        BrokenSequence: no frame is left; the record says so.
    """
    if captured.images:
        (part / "images").mkdir()
    taken: list[TakenImage] = []
    reasons: dict[int, str] = {}
    hashes: dict[str, str] = {}
    for index, frame in enumerate(captured.frames):
        where = Where(frame.file, captured.name, frame.frame)
        try:
            if frame.fault is not None:
                raise ImageError(frame.fault)
            if not captured.images:
                taken.append(TakenImage())
                continue
            taken.append(_take_image(frame, captured, task, part, hashes, record))
        except ImageError as fault:
            if frame.fault is None:
                record.findings.add(fault.code, where, detail=fault.detail)
            reasons[index] = fault.code
    _drop_frames(captured, reasons, record)
    if not captured.frames:
        record.findings.add("no-frames-left", Where(task.source.path, captured.name))
        record.ledger.sequences.drop("no-frames-left")
        raise BrokenSequence
    return taken


def _take_image(
    frame: CapturedFrame,
    captured: CapturedSequence,
    task: UnitTask,
    part: Path,
    hashes: dict[str, str],
    record: SequenceRecord,
) -> TakenImage:
    file = frame.file or ""
    path = task.source.root / file
    data = _read_image(frame, task)
    header = read_header(data)
    width, height = frame.size_wh or captured.size_wh
    if header.size_wh != (width, height) and header.upright_wh != (width, height):
        found = f"{header.size_wh[0]} x {header.size_wh[1]}"
        raise ImageError("wrong-size", f"{found} instead of {width} x {height}")
    for line in check_health(data, header):
        record.findings.add("decoder-warning", Where(file, captured.name, frame.frame), detail=line)
    prepared = prepare(data, header)
    if frame.layers or frame.row is not None:  # there is no file to link to
        prepared = replace(prepared, new_bytes=prepared.new_bytes or data)
    source_hash = (
        prepared.sha256 if prepared.new_bytes is None else hashlib.sha256(data).hexdigest()
    )
    if frame.sha256 is not None and frame.sha256 != source_hash:
        raise ImageError("hash-mismatch", f"{source_hash[:12]}…")
    if source_hash in hashes:
        raise ImageError("duplicate-image", hashes[source_hash])
    hashes[source_hash] = file
    for code in prepared.changes:
        record.findings.add(code, Where(file, captured.name, frame.frame))
    # Heads given in upright pixels need no turning.
    turns = not frame.upright and header.size_wh == (width, height)
    orientation = header.orientation if turns else 1
    name = None
    if task.options.images != "none":
        _place(path, prepared, part / "images" / (frame.frame + prepared.extension), task, record)
        name = f"images/{captured.name}/{frame.frame}{prepared.extension}"
    photograph = origin_of(captured, task) not in RENDERED and not READERS[task.source.reader].video
    look = f"{difference_hash(prepared.new_bytes or data):016x}" if photograph else None
    return TakenImage(name, prepared.sha256, look, orientation)


def origin_of(captured: CapturedSequence, task: UnitTask) -> str:
    """Return where a sequence's images come from: as said, as captured, or as is usual."""
    return task.options.origin or captured.origin or READERS[task.source.reader].origin


def _read_image(frame: CapturedFrame, task: UnitTask) -> bytes:
    unpack = READERS[task.source.reader].unpack
    if frame.row is not None and unpack is not None:
        return unpack(task.source.root, frame)
    if frame.layers:
        return _read_layers(frame, task)
    return read_bytes(frame.path(task.source.root))


def _read_layers(frame: CapturedFrame, task: UnitTask) -> bytes:
    """Compose a frame whose people the tool drew in several passes."""
    root = task.source.root
    layers = [
        Layer(
            shown=read_bytes(root / layer.shown),
            empty=None if layer.empty is None else read_bytes(root / layer.empty),
            stencil=read_bytes(root / layer.stencil),
        )
        for layer in frame.layers
    ]
    return compose(layers)


def _place(
    path: Path, prepared: PreparedImage, to: Path, task: UnitTask, record: SequenceRecord
) -> None:
    """Put an image into the unit's folder: linked, copied, or written anew."""
    if prepared.new_bytes is not None:
        to.write_bytes(prepared.new_bytes)
        system.sync_file(to)
    else:
        wanted = task.options.images == "link"
        linked = storage.link_or_copy(path, to, link=wanted)
        if wanted and not linked:
            where = Where(path.relative_to(task.source.root).as_posix(), task.source.name)
            record.findings.add("copied-images", where)
    record.images += 1
    record.image_bytes += to.stat().st_size
