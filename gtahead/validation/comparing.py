"""Exports against the dataset that they were made of: the same frames, heads and coordinates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gtahead.arrays import Floats, Ragged
from gtahead.dataset import Dataset, Frame
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats import FORMATS
from gtahead.formats.base import Format
from gtahead.geometry import clipped
from gtahead.ingest.exports import marker_of
from gtahead.ingest.model import BrokenSequence
from gtahead.tables.canonical import CAPTURED

SLACK_PX = 1e-3
"""Beyond a format's own precision: what adding and halving doubles costs."""


def compare(folder: Path, name: str, opened: Dataset, findings: Findings) -> float | None:
    """Read an export back and compare it with its dataset.

    Args:
        folder: the export's.
        name: of its format.
        opened: the dataset.
        findings: takes what differs.

    Returns:
        The largest error of a coordinate, in pixels; None where no head could be compared.

    Raises:
        InputError: not an export that can be read back.
    """
    kind = FORMATS.get(name)
    if kind is None or kind.reader is None:
        raise InputError(
            "not an export that can be compared with a dataset",
            where=Where(str(folder)),
            value=name,
            remedy="give what `gtahead export` wrote",
        )
    marker = marker_of(folder)
    splits = set((marker.get("fingerprints") or {}).get("labels") or ())
    no_empty = bool((marker.get("options") or {}).get("drop_empty"))
    rows = opened.frames(["frame_id", "split", "num_heads"])
    wanted = {
        frame_id
        for frame_id, split, count in zip(*rows.values(), strict=True)
        if (not splits or split in splits) and not (no_empty and count == 0)
    }
    frames: dict[str, Frame] = {}  # of one sequence at a time
    current: str | None = None
    largest: list[float] = []
    seen: set[str] = set()
    for frame_id, heads in _frames_of(folder, kind, findings):
        sequence, _, frame_name = frame_id.rpartition("/")
        location = Where(None, sequence, frame_name)
        if frame_id not in wanted:
            findings.add("differs-from-dataset", location, detail="the dataset has no such frame")
            continue
        seen.add(frame_id)
        if sequence != current:
            frames = {frame.frame_id: frame for frame in opened.select(sequences=[sequence])}
            current = sequence
        own = _exported(frames[frame_id], kind)
        if len(own) != len(heads):
            detail = f"the dataset has {len(own)} heads for {kind.name}"
            findings.add("differs-from-dataset", location, len(heads), detail)
        elif len(own):
            error = _error(own, heads)
            largest.append(error)
            if error > kind.precision_px + SLACK_PX:
                detail = f"{kind.name} keeps {kind.precision_px:g} px"
                findings.add("moved-against-dataset", location, f"{error:.3f} px", detail)
    for frame_id in sorted(wanted - seen):
        sequence, _, frame_name = frame_id.rpartition("/")
        location = Where(None, sequence, frame_name)
        findings.add(
            "differs-from-dataset", location, detail="the frame is missing from the export"
        )
    return max(largest, default=None)


def _frames_of(folder: Path, kind: Format, findings: Findings) -> Iterator[tuple[str, Floats]]:
    """Read an export: for each frame its heads' coordinates, as `_exported` gives them."""
    assert kind.reader is not None
    quiet = Findings()  # what a reader finds is reported by the check of the export itself
    for source in kind.reader.sequences(Path(os.path.realpath(folder)), quiet):
        try:
            captured = kind.reader.read(source, quiet, Ledger())
        except BrokenSequence:
            findings.add("differs-from-dataset", Where(sequence=source.name), detail="unreadable")
            continue
        heads = captured.heads
        names = ("x", "y") if _by_points(kind) else CAPTURED
        values = np.stack([heads[name] for name in names], axis=1)
        by_frame = Ragged.from_index(heads["frame_index"], len(captured.frames))
        for index, frame in enumerate(captured.frames):
            yield f"{source.name}/{frame.frame}", values[by_frame.rows(index)]


def _by_points(kind: Format) -> bool:
    return "points" in kind.supports


def _exported(frame: Frame, kind: Format) -> Floats:
    """Return the coordinates of the heads that a format is given: points, or boxes."""
    keep = frame.status != "absent"
    if "ignored" not in kind.supports:
        keep &= frame.status != "ignored"
    if _by_points(kind) and not kind.boxed:
        return np.asarray(frame.points_xy[keep])
    boxes = frame.boxes_xyxy
    if kind.clips:
        boxes = clipped(boxes, np.array([frame.size_wh], np.float64))
    if kind.boxed:
        keep &= (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return np.asarray((frame.points_xy if _by_points(kind) else boxes)[keep])


def _error(own: Floats, heads: Floats) -> float:
    """Return the largest coordinate error, each head compared with the nearest in the other set."""
    known = np.isfinite(own).all(axis=1), np.isfinite(heads).all(axis=1)
    if not (known[0].any() and known[1].any()):
        return 0.0
    from scipy.spatial import cKDTree

    largest = 0.0
    for one, other in ((own[known[0]], heads[known[1]]), (heads[known[1]], own[known[0]])):
        distance, _ = cKDTree(other).query(one, p=np.inf)
        largest = max(largest, float(distance.max()))
    return largest
