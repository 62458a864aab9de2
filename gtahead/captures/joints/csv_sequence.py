"""Sequences of joints as CSV: what JTA-Mods and its forks write.

Positions are in the game's world, so the reader sees with the camera of the rows: it projects where
pixels are missing, and checks them where they are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from gtahead.arrays import Booleans, Columns, Floats, Ints
from gtahead.captures.image_files import common_size
from gtahead.captures.joints.checks import (
    drop_broken_heads,
    find_misfits,
    first_frame_is_wrong,
    frames_that_misfit,
    see,
    size_of,
)
from gtahead.captures.joints.csv_file import JointCsv, JointFile, cameras_of, joints_of
from gtahead.captures.joints.model import heads_of, persons
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import snapped
from gtahead.ingest.model import BrokenSequence, CapturedFrame, CapturedSequence, SequenceSource
from gtahead.ingest.names import frame_name
from gtahead.ingest.rows import MAX_PX, HeadRows, frames_within, note_gaps, settle_heads

DEPTH_GRID = 4096
MAX_FRAMES = 100_000
"""Beyond, frame numbers without images aren't a count: an hour at 30 frames per second."""


def read_sequence(
    source: SequenceSource,
    file: JointFile,
    layout: JointCsv,
    images: Mapping[int, Path],
    findings: Findings,
    ledger: Ledger,
) -> CapturedSequence:
    """Make a sequence from a file's joints and the images beside it.

    Args:
        source: of the sequence.
        file: as `read_joint_file` gave it.
        layout: names of its columns.
        images: by the frame numbers that the file uses.
        findings: takes what was noticed.
        ledger: takes frames and heads.

    Returns:
        The sequence, its tool's own particulars still to be filled in.
    """
    where = file.where
    everyone = persons(*(file.columns[name] for name in layout.ids[:2]))
    labelled = np.unique(everyone[:, 0])
    cameras = cameras_of(file, layout, labelled, findings)
    lost: set[int] = set()
    joints = joints_of(file, layout, findings)
    heads = heads_of(joints, everyone, where, findings, ledger, lost)
    heads = drop_broken_heads(heads, where, findings, ledger, lost)
    size_wh = size_of(heads, cameras, common_size(images))
    seen_xy, depth = see(heads, cameras, size_wh)
    off, wrong = find_misfits(heads, seen_xy, depth, cameras, size_wh)
    faults = frames_that_misfit(heads, off, wrong, where, findings)
    numbers = _frame_numbers(images, labelled, file.cut_at)
    ledger.frames.came += len(numbers)
    if not len(numbers):
        findings.add("no-frames", where)
        raise BrokenSequence
    note_gaps(numbers, where, findings)
    _note_images_after(numbers, labelled, file.cut_at, where, findings)
    if 1 not in faults and first_frame_is_wrong(heads, cameras, where, findings):
        faults[0] = "first-frame-wrong"
    if file.cut_at is not None:
        later = numbers[numbers >= file.cut_at]
        faults |= dict.fromkeys(map(int, later), "labels-cut-short")
    frames = [
        CapturedFrame(
            frame_name(number),
            _image_name(source, images, number) if images else None,
            cameras.get(number, cameras.get(-1)),
            fault=faults.get(number),
        )
        for number in map(int, numbers)
    ]
    columns = heads.columns() | {"depth_m": np.round(depth * DEPTH_GRID) / DEPTH_GRID}
    columns |= {
        f"world_{axis}_m": heads.top.xyz[:, position] for position, axis in enumerate("xyz")
    }
    columns["frame_index"] = np.searchsorted(numbers, columns["frame"]).astype(np.int32)
    _fill_pixels(columns, seen_xy)
    rows = HeadRows(columns, where, heads.top.lines)
    # Where a whole frame misfits it is set aside; elsewhere single heads are.
    single = wrong & (depth > 0) & ~np.isin(heads.top.frame, list(faults))
    rows.drop(
        "head-misplaced",
        single,
        findings,
        ledger.heads,
        values=lambda shown: {row: f"{off[row]:.0f} px" for row in shown},
    )
    around = [*file.lost, *((number, number) for number in lost)]
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settle_heads(rows, [f.camera for f in frames], size_wh, findings, ledger.heads),
        images=bool(images),
        split=source.split,
        lost_frames=rows.lost_frames | frames_within(around, numbers),
    )


def _note_images_after(
    numbers: Ints, labelled: Ints, cut_at: int | None, where: Where, findings: Findings
) -> None:
    """Warn about images after the last label: an empty street, or a crash between two lines."""
    last = int(labelled[-1]) if len(labelled) else -1
    later = numbers[numbers > last]
    if len(labelled) and cut_at is None and len(later):
        location = replace(where, frame=frame_name(int(later[0])))
        findings.add("images-after-labels", location, detail=f"{len(later)} of them")


def _frame_numbers(images: Mapping[int, Path], labelled: Ints, cut_at: int | None) -> Ints:
    """Return the frame numbers: those of images and labels, else all up to the last label."""
    if images:
        return np.array(sorted({*images, *map(int, labelled)}), np.int64)
    last = max([*map(int, labelled[-1:]), -1 if cut_at is None else cut_at])
    if last >= MAX_FRAMES:  # numbered by something else than a count of frames
        return labelled
    return np.arange(last + 1, dtype=np.int64)


def _image_name(source: SequenceSource, images: Mapping[int, Path], number: int) -> str:
    path = images.get(number)
    if path is None:  # named as its neighbours are, for the message that it is missing
        path = next(iter(images.values()))
        path = path.with_name(path.name.replace(_digits(path.stem), str(number), 1))
    return path.relative_to(source.root).as_posix()


def _digits(stem: str) -> str:
    return next(part for part in stem.split("_") if part.isdecimal())


def _fill_pixels(columns: Columns, seen_xy: Floats) -> None:
    """Fill in projected pixels where the labelled ones are missing or absurd."""
    for position, names in enumerate((("x", "y"), ("neck_x", "neck_y"))):
        given = np.stack([columns[name] for name in names], axis=1)
        missing: Booleans = ~(np.abs(given) <= MAX_PX).all(axis=1)
        own = snapped(seen_xy[:, position])
        for axis, name in enumerate(names):
            columns[name] = np.where(missing, own[:, axis], given[:, axis])
    columns["top_x"], columns["top_y"] = columns["x"], columns["y"]
