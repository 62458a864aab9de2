"""Captures, and datasets in formats that gtahead reads: one sequence at a time, in any process."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.images.reading import (
    ImageError,
    check_health,
    decode_grey,
    peek,
    peek_bytes,
    read_bytes,
    read_header,
)
from gtahead.ingest.exports import exported_as
from gtahead.ingest.model import BrokenSequence, CapturedFrame, CapturedSequence, SequenceSource
from gtahead.ingest.units import check_units
from gtahead.readers import READERS
from gtahead.validation.common import watched
from gtahead.validation.motion import LagEvidence, check_counts, check_speeds, lag_evidence


@dataclass(frozen=True)
class SequenceTask:
    """What a worker needs to check one sequence; `images` is quick, full or none."""

    source: SequenceSource
    images: str


@dataclass
class SequenceChecked:
    """The result of checking one sequence."""

    findings: Findings = field(default_factory=Findings)
    ledger: Ledger = field(default_factory=Ledger)
    lag: LagEvidence = field(default_factory=LagEvidence)


def check_sequence(task: SequenceTask) -> SequenceChecked:
    """Read one sequence as a build would, and check its images and its course in time."""
    done = SequenceChecked()
    source = task.source
    try:
        reader = READERS[source.reader]
        with watched(_labels_of(source), done.findings):
            captured = reader.read(source, done.findings, done.ledger)
    except BrokenSequence:
        return done
    except OSError as error:
        done.findings.add_many("labels-unreadable", 1, [source.unreadable(error)])
        return done
    check_units(captured, source, done.findings)
    sizes = np.array(captured.sizes_wh, np.float64).reshape(-1, 2)
    points = np.stack([captured.heads["x"], captured.heads["y"]], axis=1)
    here = sizes[captured.heads["frame_index"]]
    inside = np.asarray(((points >= 0) & (points < here)).all(axis=1), np.bool_)
    _note_outside(captured, points, inside, done.findings)
    check_speeds(captured, done.findings)
    if source.reader not in _PLAIN_IMAGES or exported_as(source.root) is not None:
        check_counts(captured, inside, done.findings)
    if task.images != "none" and captured.images:
        _check_images(captured, task, inside, done.findings)
        done.lag = lag_evidence(captured, lambda frame: _grey(frame, source))
    return done


def _labels_of(source: SequenceSource) -> dict[str, Path]:
    """Return the files of labels by name; none if that fails, as reading will say why."""
    try:
        files, _ = READERS[source.reader].inputs(source)
    except (InputError, OSError):
        return {}
    return {os.path.relpath(path, source.root).replace(os.sep, "/"): path for path in files}


_PLAIN_IMAGES = ("shanghaitech", "qnrf", "jhu", "nwpu", "fidtm", "crowdhuman", "voc", "yolo")
"""Formats of images that don't follow one another, unless gtahead wrote them."""


def _note_outside(
    captured: CapturedSequence, points: Floats, inside: Booleans, findings: Findings
) -> None:
    def where(row: int) -> Where:
        frame = captured.frames[int(captured.heads["frame_index"][row])].frame
        return Where(None, captured.name, frame, int(captured.heads["head_id"][row]))

    findings.add_rows(
        "head-outside-frame", ~inside, where, lambda row: f"{points[row, 0]:g}, {points[row, 1]:g}"
    )


def _check_images(
    captured: CapturedSequence, task: SequenceTask, inside: Booleans, findings: Findings
) -> None:
    """Look at every image's header, or decode it."""
    counts = np.bincount(captured.heads["frame_index"][inside], minlength=len(captured.frames))
    for index, frame in enumerate(captured.frames):
        if frame.fault is not None or frame.layers:
            continue
        where = Where(frame.file, captured.name, frame.frame)
        width, height = frame.size_wh or captured.size_wh
        try:
            if task.images == "full":
                data = image_bytes(frame, task.source)
                header = read_header(data)
                for line in check_health(data, header):
                    findings.add("decoder-warning", where, detail=line)
            elif frame.row is not None:
                header = peek_bytes(image_bytes(frame, task.source))
            else:
                header = peek(frame.path(task.source.root))
        except ImageError as fault:
            code = fault.code
            if code == "flat-image" and counts[index]:
                code = "heads-on-flat-image"
            findings.add(code, where, detail=fault.detail)
            continue
        if header.is_deep:
            findings.add("deep-colour", where, detail=f"mode {header.mode}")
        if (width, height) not in (header.size_wh, header.upright_wh):
            detail = f"{header.size_wh[0]} x {header.size_wh[1]} instead of {width} x {height}"
            findings.add("wrong-size", where, detail=detail)


def image_bytes(frame: CapturedFrame, source: SequenceSource) -> bytes:
    """Return the bytes of a frame's image, wherever they lie.

    Raises:
        ImageError: there are none.
    """
    unpack = READERS[source.reader].unpack
    if frame.row is not None and unpack is not None:
        return unpack(source.root, frame)
    return read_bytes(frame.path(source.root))


def _grey(frame: CapturedFrame, source: SequenceSource) -> npt.NDArray[np.uint8] | None:
    """Decode an image in grey; None where it can't be."""
    if frame.fault is not None or frame.layers:
        return None
    try:
        data = image_bytes(frame, source)
        read_header(data)  # refuses what is too large to decode
        return decode_grey(data)
    except ImageError:
        return None
