"""The JTA dataset: one JSON of joints per sequence, in camera coordinates.

Layout: `annotations/{train,val,test}/seq_<n>.json`, and the frames that its script extracts from
the videos, `frames/<split>/seq_<n>/<k>.jpg` with k from 1. A row is frame, person, joint, x, y in
pixels, x, y, z in metres (z forward), occluded, self-occluded.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import orjson

from gtahead import schemas
from gtahead.arrays import Booleans, Floats, Ints
from gtahead.captures.image_files import numbered_images
from gtahead.captures.joints.model import Joints, clean_flags, heads_of, persons
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, vertical_fov_deg
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import frame_name
from gtahead.ingest.rows import HeadRows, frames_around, frames_within, note_gaps, settle_heads
from gtahead.values import is_number

SIZE_WH = (1920, 1080)
FOCAL_PX = 1158.0
"""From the dataset's camera matrix, [1158 0 960; 0 1158 540; 0 0 1]."""

FRAMES_A_SEQUENCE = 900
FPS = 30.0
FIELDS = 10

_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_NAME = re.compile(r"seq_(\d+)\.json")


def _label_files(root: Path) -> list[tuple[Path, str | None]]:
    folder = root / "annotations"
    found: list[tuple[Path, str | None]] = []
    for split in ("", *_SPLITS):
        if (folder / split).is_dir():
            found += [
                (path, _SPLITS.get(split))
                for path in (folder / split).iterdir()
                if _NAME.fullmatch(path.name)
            ]
    return sorted(found, key=lambda pair: int(_NAME.fullmatch(pair[0].name)[1]))  # type: ignore[index]


def _recognise(root: Path) -> str | None:
    files = _label_files(root)
    return f"it holds {files[0][0].relative_to(root).as_posix()}" if files else None


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    del findings  # a JTA folder names its sequences by file: nothing else is one
    sources = [
        SequenceSource("jta", root, path.stem, path.relative_to(root).as_posix(), split)
        for path, split in _label_files(root)
    ]
    names = [source.name for source in sources]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(
            "two splits have a sequence of the same name",
            where=Where("annotations"),
            value=twice[0],
            remedy="remove one of them",
        )
    return sources


def _images_folder(source: SequenceSource) -> Path:
    split = Path(source.path).parent.relative_to("annotations")
    return source.root / "frames" / split / source.name


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    return [source.root / source.path], list(numbered_images(_images_folder(source)).values())


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    where = Where(source.path, source.name)
    joints, lost_rows = _read_joints(source, where, findings, ledger)
    everyone = persons(joints.frame, joints.person)
    lost: set[int] = set()
    found = heads_of(joints, everyone, where, findings, ledger, lost)
    heads = found.columns() | {"depth_m": found.top.xyz[:, 2]}
    images = numbered_images(_images_folder(source))
    numbers = np.array(sorted(_frame_numbers(images, np.unique(joints.frame))), np.int64)
    camera = Camera(vertical_fov_deg(FOCAL_PX, SIZE_WH[1]))
    folder = _images_folder(source).relative_to(source.root).as_posix()
    frames = [
        CapturedFrame(
            frame_name(number),
            None if not images else _image_name(images, number, folder, source.root),
            camera,
        )
        for number in map(int, numbers)
    ]
    ledger.frames.came += len(frames)
    if not frames:
        findings.add("no-frames", where)
        raise BrokenSequence
    note_gaps(numbers, where, findings)
    heads["frame_index"] = np.searchsorted(numbers, heads["frame"]).astype(np.int32)
    rows = HeadRows(heads, where, None)
    cameras: list[Camera | None] = [frame.camera for frame in frames]
    settled = settle_heads(rows, cameras, SIZE_WH, findings, ledger.heads)
    around = frames_around(dict.fromkeys(map(int, lost_rows)), joints.lines, joints.frame)
    around += [(number, number) for number in lost]
    return CapturedSequence(
        name=source.name,
        size_wh=SIZE_WH,
        frames=frames,
        heads=settled,
        images=bool(images),
        fps=FPS,
        split=source.split,
        about={"tool": "JTA", "licence": "CC BY-NC 4.0, as the dataset's authors state"},
        lost_frames=rows.lost_frames | frames_within(around, numbers),
    )


def _frame_numbers(images: dict[int, Path], seen: Ints) -> set[int]:
    """Return the frame numbers: those of images and labels, else JTA's 900."""
    if images:
        return set(images) | set(map(int, seen))
    return set(range(1, FRAMES_A_SEQUENCE + 1)) | set(map(int, seen))


def _image_name(images: dict[int, Path], number: int, folder: str, root: Path) -> str:
    path = images.get(number)
    return f"{folder}/{number}.jpg" if path is None else path.relative_to(root).as_posix()


def _read_joints(
    source: SequenceSource, where: Where, findings: Findings, ledger: Ledger
) -> tuple[Joints, Ints]:
    """Read the joints, with their indices in the list; and the indices of rows that were lost."""
    try:
        rows = schemas.parse_json((source.root / source.path).read_bytes(), source.path)
    except InputError as error:
        location = error.where or where
        findings.add(
            "bad-json", Where(where.file, where.sequence, field=location.field), None, error.what
        )
        raise BrokenSequence from error
    if not isinstance(rows, list):
        findings.add("bad-schema", where, detail="not a list of rows")
        raise BrokenSequence
    try:
        joints = np.array(rows) if rows else np.empty((0, FIELDS))
    except (ValueError, OverflowError):  # rows of different lengths
        joints = np.empty(0, object)
    locations = np.arange(len(rows))
    if joints.dtype.kind not in "iuf" or joints.shape != (len(rows), FIELDS):
        fine, locations = _numeric_rows(rows, where, findings, ledger)
        joints = np.array(fine, np.float64).reshape(-1, FIELDS)
    joints = joints.astype(np.float64)
    whole = _whole_ids(joints, where, findings, ledger)
    locations = locations[whole]
    return _as_joints(joints[whole], locations, where, findings), np.setdiff1d(
        np.arange(len(rows)), locations
    )


def _numeric_rows(
    rows: list[object], where: Where, findings: Findings, ledger: Ledger
) -> tuple[list[list[float]], Ints]:
    """Return the rows that are ten numbers, and their indices.

    Each of the others is counted as a lost head.
    """
    fine, locations = [], []
    for number, row in enumerate(rows):
        location = Where(where.file, where.sequence, field=f"/{number}")
        if not isinstance(row, list) or len(row) != FIELDS:
            size = f"{len(row)}" if isinstance(row, list) else "no list"
            findings.add("ragged-row", location, detail=f"{size} instead of {FIELDS} fields")
            _book_lost(ledger, "ragged-row", 1)
        elif not all(map(is_number, row)):
            wrong = next(value for value in row if not is_number(value))
            findings.add("bad-number", location, orjson.dumps(wrong).decode())
            _book_lost(ledger, "bad-number", 1)
        else:
            fine.append(row)
            locations.append(number)
    return fine, np.array(locations, np.int64)


def _whole_ids(joints: Floats, where: Where, findings: Findings, ledger: Ledger) -> Booleans:
    """Return which rows' frame, person and joint are whole numbers from 0 on; note the others."""
    ids = joints[:, :3]
    wrong = ~((ids >= 0) & (ids < 2**53) & (ids == np.floor(ids))).all(axis=1)
    for row in np.flatnonzero(wrong):
        frame, person, kind = ids[row]
        findings.add("bad-number", where, f"frame {frame:g}, person {person:g}, joint {kind:g}")
    _book_lost(ledger, "bad-number", int(wrong.sum()))
    return np.asarray(~wrong, np.bool_)


def _book_lost(ledger: Ledger, reason: str, rows: int) -> None:
    """Record lost rows as heads, as it isn't known any more which of them were."""
    ledger.heads.came += rows
    ledger.heads.drop(reason, rows)


def _as_joints(rows: Floats, positions: Ints, where: Where, findings: Findings) -> Joints:
    return Joints(
        frame=rows[:, 0].astype(np.int64),
        person=rows[:, 1].astype(np.int64),
        kind=rows[:, 2].astype(np.int64),
        xy=rows[:, 3:5],
        xyz=rows[:, 5:8],
        occluded=clean_flags(rows[:, 8], "occluded", where, findings),
        self_occluded=clean_flags(rows[:, 9], "self_occluded", where, findings),
        lines=positions,
    )


JTA = Reader(
    name="jta",
    title="JTA dataset (annotations/*/seq_<n>.json and extracted frames)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
