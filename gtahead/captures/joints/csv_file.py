"""Files of joints as CSV, one row per joint, with the camera in every row; every fault is noted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gtahead.arrays import Booleans, Columns, Ints
from gtahead.captures.image_files import MAX_DIGITS
from gtahead.captures.joints.model import (
    HEAD_CENTER,
    HEAD_TOP,
    JOINTS_A_PERSON,
    NECK,
    Joints,
    clean_flags,
)
from gtahead.errors import InputError, Where
from gtahead.findings import Finding, Findings, Ledger
from gtahead.geometry import Camera
from gtahead.ingest.model import BrokenSequence
from gtahead.ingest.names import frame_name
from gtahead.ingest.rows import frames_around
from gtahead.tables.csv import Kind, TableRead, read_csv


@dataclass(frozen=True)
class JointCsv:
    """Names of the columns in one tool's file.

    Attributes:
        ids: frame, person and kind of joint.
        pixels: x and y; may be missing from the file.
        metres: x, y and z in the world.
        flags: occluded and self-occluded; may be missing.
        camera: x, y, z in metres, pitch, roll, yaw in degrees, vertical field of view.
        extra: further columns that the tool's reader looks at.
    """

    ids: tuple[str, str, str]
    pixels: tuple[str, str]
    metres: tuple[str, str, str]
    flags: tuple[str, str]
    camera: tuple[str, str, str, str, str, str, str]
    extra: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What each column holds."""
        floats = (*self.pixels, *self.metres, *self.camera)
        return {
            **dict.fromkeys(self.ids, Kind.ID),
            **dict.fromkeys(floats, Kind.FLOAT),
            **dict.fromkeys(self.flags, Kind.FLAG),
            **self.extra,
        }


@dataclass
class JointFile:
    """One file, read: its joints, and the table that they come from.

    Attributes:
        where: file and sequence, for messages.
        columns: of the rows that are left.
        lines: of those rows.
        cut_at: number of the frame in which the file breaks off; None where it is whole.
        lost: stretches of frames that unreadable rows may be of.
    """

    where: Where
    columns: Columns
    lines: Ints
    cut_at: int | None
    lost: list[tuple[int, int]] = field(default_factory=list)


def read_joint_file(
    path: Path, layout: JointCsv, where: Where, findings: Findings, ledger: Ledger
) -> JointFile:
    """Read the file's columns by name, and note every row and cell that can't be read.

    Raises:
        BrokenSequence: no such text, or a column is missing; the finding is noted.
    """
    try:
        table = read_csv(path, layout.kinds, where.file or "", needed=layout.ids)
    except InputError as error:
        location = error.where or where
        findings.add(
            "bad-heads-file", replace(where, field=location.field), error.value, error.what
        )
        raise BrokenSequence from error
    _refuse_missing(table, layout, where, findings)
    cut = _cut_short(path)
    last_line = int(table.lines[-1]) if cut and len(table.lines) else 0
    last_line = max(
        [last_line, *(f.line for f in (*table.ragged, *table.bad_cells))] if cut else [0]
    )
    _note_lost_rows(table, last_line, where, findings, ledger)
    keep = table.lines != last_line
    keep &= _book_negative_frames(table, layout, keep, where, findings, ledger)
    columns, lines = table.columns, table.lines
    if not keep.all():
        columns, lines = {name: values[keep] for name, values in columns.items()}, lines[keep]
    frames = columns[layout.ids[0]]
    lost = {line: frame for line, frame in table.lost.items() if line != last_line}
    spans = frames_around(lost, lines, frames)
    if not cut and _last_person_is_short(columns, layout):
        cut, last_line = True, int(lines[-1])
    cut_at = None
    if cut:
        cut_at = int(frames[-1]) if len(frames) else 0
        location = replace(where, frame=frame_name(cut_at), field=f"line {last_line or 1}")
        findings.add("labels-cut-short", location)
    return JointFile(where, columns, lines, cut_at, spans)


def _last_person_is_short(columns: Columns, layout: JointCsv) -> bool:
    """Return whether the last person has fewer joints than the one before.

    All joints of a person are written together, so the game crashed between two lines.
    """
    frame, person = (columns[name][-3 * JOINTS_A_PERSON :] for name in layout.ids[:2])
    ends = np.flatnonzero((frame[1:] != frame[:-1]) | (person[1:] != person[:-1])) + 1
    if len(ends) < 2:
        return False
    return bool(len(frame) - ends[-1] < ends[-1] - ends[-2])


def _book_negative_frames(
    table: TableRead,
    layout: JointCsv,
    kept: Booleans,
    where: Where,
    findings: Findings,
    ledger: Ledger,
) -> Booleans:
    """Note rows whose frame isn't a valid number, and return which rows are fine."""
    frames = table.columns[layout.ids[0]]
    fine: Booleans = (frames >= 0) & (frames < 10**MAX_DIGITS)
    rows = np.flatnonzero(kept & ~fine)
    findings.add_rows(
        "bad-number",
        rows,
        lambda row: replace(where, field=f"line {table.lines[row]}, {layout.ids[0]}"),
        lambda row: int(frames[row]),
    )
    ledger.heads.came += len(rows)
    ledger.heads.drop("bad-number", len(rows))
    return fine


def _cut_short(path: Path) -> bool:
    """Return whether the last line has no line end, as after a crash of the game."""
    with path.open("rb") as file:
        file.seek(0, 2)
        if file.tell() == 0:
            return False
        file.seek(-1, 2)
        return file.read(1) != b"\n"


def _refuse_missing(table: TableRead, layout: JointCsv, where: Where, findings: Findings) -> None:
    optional = {*layout.pixels, *layout.flags, *layout.extra}
    missing = [name for name in layout.kinds if name not in table.columns and name not in optional]
    lone = [name for name in layout.pixels if name not in table.columns]
    missing += lone if len(lone) == 1 else []
    if missing:
        there = ", ".join(table.unknown[:8]) or "none"
        detail = f"{', '.join(missing)}; unknown columns there: {there}"
        findings.add("missing-column", replace(where, field="line 1"), detail=detail)
        raise BrokenSequence


def _note_lost_rows(
    table: TableRead, last_line: int, where: Where, findings: Findings, ledger: Ledger
) -> None:
    """Note rows that can't be read.

    Which of them were heads isn't known any more: each is counted as one.
    """
    lost: dict[int, tuple[str, Finding]] = {}
    for fault in table.ragged:
        position = replace(where, field=f"line {fault.line}")
        lost[fault.line] = ("ragged-row", Finding("ragged-row", position, detail=fault.text))
    for fault in table.bad_cells:
        position = replace(where, field=f"line {fault.line}, {fault.column}")
        lost.setdefault(fault.line, ("bad-number", Finding("bad-number", position, fault.text)))
    lost.pop(last_line, None)
    for code in ("ragged-row", "bad-number"):
        found = [finding for kind, finding in lost.values() if kind == code]
        findings.add_many(code, len(found), found)
        ledger.heads.came += len(found)
        ledger.heads.drop(code, len(found))
    odd = [fault for fault in table.odd_cells if fault.line != last_line]
    findings.add_each(
        "bad-value",
        odd,
        lambda fault: replace(where, field=f"line {fault.line}, {fault.column}"),
        lambda fault: fault.text,
    )


def joints_of(file: JointFile, layout: JointCsv, findings: Findings) -> Joints:
    """Return the joints of heads from a file's columns."""
    rows = np.flatnonzero(np.isin(file.columns[layout.ids[2]], (HEAD_TOP, HEAD_CENTER, NECK)))
    columns = {name: values[rows] for name, values in file.columns.items()}
    count = len(rows)
    nothing, unknown = np.full(count, np.nan), np.full(count, -1, np.int8)
    hidden, own = (
        clean_flags(columns.get(name, unknown), name, file.where, findings) for name in layout.flags
    )
    return Joints(
        frame=columns[layout.ids[0]],
        person=columns[layout.ids[1]],
        kind=columns[layout.ids[2]],
        xy=np.stack([columns.get(name, nothing) for name in layout.pixels], axis=1),
        xyz=np.stack([columns[name] for name in layout.metres], axis=1),
        occluded=hidden,
        self_occluded=own,
        lines=file.lines[rows],
    )


def cameras_of(
    file: JointFile, layout: JointCsv, labelled: Ints, findings: Findings
) -> dict[int, Camera]:
    """Return for each frame the camera that most of its rows have.

    The key -1 has the camera of frames without rows, if the camera never moves.
    """
    tops = np.flatnonzero(file.columns[layout.ids[2]] == HEAD_TOP)  # a row per person is enough
    frames, lines = file.columns[layout.ids[0]][tops], file.lines[tops]
    values = np.stack([file.columns[name][tops] for name in layout.camera], axis=1)
    fine = np.isfinite(values).all(axis=1) & (values[:, 6] >= 1) & (values[:, 6] <= 179)
    rows = np.flatnonzero(fine)
    numbers = frames[rows]
    known, first = np.unique(numbers, return_index=True)
    other = np.any(values[rows] != values[rows[first]][np.searchsorted(known, numbers)], axis=1)
    for number in np.unique(numbers[other]):  # rows that disagree: the majority has it
        mine = np.flatnonzero(numbers == number)
        _, positions, counts = np.unique(
            values[rows[mine]], axis=0, return_index=True, return_counts=True
        )
        first[np.searchsorted(known, number)] = mine[positions[int(np.argmax(counts))]]
    other = np.any(values[rows] != values[rows[first]][np.searchsorted(known, numbers)], axis=1)
    if other.any():
        row = int(rows[int(np.argmax(other))])
        frame, line = frame_name(int(frames[row])), f"line {lines[row]}"
        position = replace(file.where, frame=frame, field=line)
        findings.add("camera-differs", position, total=int(other.sum()))
    if len(known) < len(labelled):
        number = int(np.setdiff1d(labelled, known)[0])
        position = replace(file.where, frame=frame_name(number))
        findings.add("camera-unknown", position, total=len(labelled) - len(known))
    shared: dict[tuple[float, ...], Camera] = {}
    cameras = {}
    for number, row in zip(map(int, known), rows[first], strict=True):
        x, y, z, pitch, roll, yaw, vfov = key = tuple(map(float, values[row]))
        cameras[number] = shared.setdefault(key, Camera(vfov, (x, y, z), (pitch, roll, yaw)))
    if len(shared) == 1:
        cameras[-1] = next(iter(shared.values()))
    return cameras
