"""Joints as CSV, one row a joint, with the camera in every row: what JTA-Mods and its forks write.

Positions are in the game's world, so the reader sees with the camera of the row: it projects where
pixels are missing, and checks them where they are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gtahead.captures.capture import (
    FARTHEST_PX,
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    HeadRows,
    SequenceSource,
    frame_name,
    note_gaps,
    settle_heads,
)
from gtahead.captures.joints import (
    HEAD_CENTER,
    HEAD_TOP,
    NECK,
    HeadJoints,
    Ints,
    Joints,
    heads_of,
    persons,
)
from gtahead.captures.picture_files import MOST_DIGITS, common_size
from gtahead.dataset.tabular import Columns, Kind, TableRead, cell_texts, read_csv
from gtahead.errors import InputError, Where
from gtahead.findings import EXAMPLES_KEPT, Finding, Findings, Ledger
from gtahead.geometry import Booleans, Camera, Floats, focal_px, project

SIZE_WH = (1920, 1080)
"""What the tools capture, where neither pictures nor labels say otherwise."""

GRID = 256  # pixels that we projected are multiples of 1/256
DEPTH_GRID = 4096
PRINTED_DIGITS = 6
"""Significant digits that a C++ stream prints of a float."""

MISFIT_PX = 3.0
MISFIT_M = 0.1
"""How far pixels may lie from where the camera sees the joint: so much, and so many metres there.

Positions are printed to a centimetre beyond 1,000 m, of joint and camera both.
"""

MOST_FRAMES = 100_000
"""Beyond, frame numbers without pictures aren't a count: an hour at 30 frames a second."""

SOME_PEOPLE = 3
"""So many at least must be in both frames to judge one by the other."""

FASTEST_M = 1.0
"""Nobody goes further between two frames (30 m/s at the tools' 30 a second)."""


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
    """

    where: Where
    columns: Columns
    lines: Ints
    cut_at: int | None


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
        place = error.where or where
        findings.add("bad-heads-file", replace(where, field=place.field), error.value, error.what)
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
    cut_at = None
    if cut:
        frames = columns[layout.ids[0]]
        cut_at = int(frames[-1]) if len(frames) else 0
        place = replace(where, frame=frame_name(cut_at), field=f"line {last_line or 1}")
        findings.add("labels-cut-short", place)
    return JointFile(where, columns, lines, cut_at)


def _book_negative_frames(
    table: TableRead,
    layout: JointCsv,
    kept: Booleans,
    where: Where,
    findings: Findings,
    ledger: Ledger,
) -> Booleans:
    """Note rows whose frame is no count, and give those that are fine."""
    frames = table.columns[layout.ids[0]]
    fine: Booleans = (frames >= 0) & (frames < 10**MOST_DIGITS)
    rows = np.flatnonzero(kept & ~fine)
    examples = [
        Finding(
            "bad-number",
            replace(where, field=f"line {table.lines[row]}, {layout.ids[0]}"),
            int(frames[row]),
        )
        for row in rows[:EXAMPLES_KEPT]
    ]
    findings.add_many("bad-number", len(rows), examples)
    ledger.heads.came += len(rows)
    ledger.heads.drop("bad-number", len(rows))
    return fine


def _cut_short(path: Path) -> bool:
    """Say whether the last line has no end: the tools end every line, so the game crashed."""
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
    """Note rows that say nothing; which of them were heads can't be known any more."""
    lost: dict[int, tuple[str, Finding]] = {}
    for fault in table.ragged:
        place = replace(where, field=f"line {fault.line}")
        lost[fault.line] = ("ragged-row", Finding("ragged-row", place, detail=fault.text))
    for fault in table.bad_cells:
        place = replace(where, field=f"line {fault.line}, {fault.column}")
        lost.setdefault(fault.line, ("bad-number", Finding("bad-number", place, fault.text)))
    lost.pop(last_line, None)
    for code in ("ragged-row", "bad-number"):
        found = [finding for kind, finding in lost.values() if kind == code]
        findings.add_many(code, len(found), found[:EXAMPLES_KEPT])
        ledger.heads.came += len(found)
        ledger.heads.drop(code, len(found))
    odd = [fault for fault in table.odd_cells if fault.line != last_line]
    findings.add_many(
        "bad-value",
        len(odd),
        [
            Finding("bad-value", replace(where, field=f"line {f.line}, {f.column}"), f.text)
            for f in odd[:EXAMPLES_KEPT]
        ],
    )


def joints_of(file: JointFile, layout: JointCsv) -> Joints:
    """Take the joints of heads out of a file's columns."""
    rows = np.flatnonzero(np.isin(file.columns[layout.ids[2]], (HEAD_TOP, HEAD_CENTER, NECK)))
    columns = {name: values[rows] for name, values in file.columns.items()}
    count = len(rows)
    nothing, unknown = np.full(count, np.nan), np.full(count, -1, np.int8)
    return Joints(
        frame=columns[layout.ids[0]],
        person=columns[layout.ids[1]],
        kind=columns[layout.ids[2]],
        xy=np.stack([columns.get(name, nothing) for name in layout.pixels], axis=1),
        xyz=np.stack([columns[name] for name in layout.metres], axis=1),
        occluded=columns.get(layout.flags[0], unknown),
        self_occluded=columns.get(layout.flags[1], unknown),
        lines=file.lines[rows],
    )


def read_sequence(
    source: SequenceSource,
    file: JointFile,
    layout: JointCsv,
    pictures: Mapping[int, Path],
    findings: Findings,
    ledger: Ledger,
) -> CapturedSequence:
    """Make a sequence of a file's joints and the pictures beside it.

    Args:
        source: of the sequence.
        file: as `read_joint_file` gave it.
        layout: names of its columns.
        pictures: by the frame numbers that the file uses.
        findings: takes what was noticed.
        ledger: takes frames and heads.

    Returns:
        The sequence, its tool's own particulars still to be filled in.
    """
    where = file.where
    joints = joints_of(file, layout)
    everyone = persons(*(file.columns[name] for name in layout.ids[:2]))
    labelled = np.unique(everyone[:, 0])
    cameras = _cameras(file, layout, labelled, findings)
    heads = heads_of(joints, everyone, where, findings, ledger)
    heads = _drop_broken_heads(heads, where, findings, ledger)
    size_wh = _size(heads, cameras, common_size(pictures))
    columns = heads.columns()
    seen_xy, depth = _see(heads, cameras, size_wh)
    faults = _frames_that_misfit(heads, seen_xy, depth, cameras, size_wh, where, findings)
    if _first_frame_is_wrong(heads, cameras, where, findings):
        faults[0] = "first-frame-wrong"
    if file.cut_at is not None:
        later = [number for number in {*pictures, *map(int, labelled)} if number >= file.cut_at]
        faults |= dict.fromkeys(later, "labels-cut-short")
    _fill_pixels(columns, seen_xy)
    columns |= {"depth_m": np.round(depth * DEPTH_GRID) / DEPTH_GRID}
    columns |= {f"world_{axis}_m": heads.top.xyz[:, place] for place, axis in enumerate("xyz")}
    numbers = _frame_numbers(pictures, labelled, file.cut_at)
    ledger.frames.came += len(numbers)
    if not len(numbers):
        findings.add("no-frames", where)
        raise BrokenSequence
    note_gaps(numbers, where, findings)
    frames = [
        CapturedFrame(
            frame_name(number),
            _picture_name(source, pictures, number) if pictures else None,
            cameras.get(number, cameras.get(-1)),
            fault=faults.get(number),
        )
        for number in map(int, numbers)
    ]
    columns["frame_index"] = np.searchsorted(numbers, columns["frame"]).astype(np.int32)
    rows = HeadRows(columns, where, heads.top.lines)

    def spelt(name: str, shown: list[int]) -> Mapping[int, object]:
        column = layout.pixels["xy".index(name)]
        if column not in file.columns or rows.lines is None:
            return {}
        lines = [int(rows.lines[row]) for row in shown]
        words = cell_texts(source.root / (where.file or ""), column, lines, where.file or "")
        return {row: words.get(line) for row, line in zip(shown, lines, strict=True)}

    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settle_heads(
            rows, [f.camera for f in frames], size_wh, findings, ledger.heads, spelt
        ),
        pictures=bool(pictures),
        split=source.split,
    )


def _frame_numbers(pictures: Mapping[int, Path], labelled: Ints, cut_at: int | None) -> Ints:
    """Say which frames there are: those of pictures and labels, else all up to the last label."""
    if pictures:
        return np.array(sorted({*pictures, *map(int, labelled)}), np.int64)
    last = max([*map(int, labelled[-1:]), -1 if cut_at is None else cut_at])
    if last >= MOST_FRAMES:  # numbered by something else than a count of frames
        return labelled
    return np.arange(last + 1, dtype=np.int64)


def _picture_name(source: SequenceSource, pictures: Mapping[int, Path], number: int) -> str:
    path = pictures.get(number)
    if path is None:  # named as its neighbours are, for the message that it is missing
        path = next(iter(pictures.values()))
        path = path.with_name(path.name.replace(_digits(path.stem), str(number), 1))
    return path.relative_to(source.root).as_posix()


def _digits(stem: str) -> str:
    return next(part for part in stem.split("_") if part.isdecimal())


def _cameras(
    file: JointFile, layout: JointCsv, labelled: Ints, findings: Findings
) -> dict[int, Camera]:
    """Give each frame the camera of its first row that has one.

    Under -1 stands the camera of frames without rows, where the camera never moves.
    """
    tops = np.flatnonzero(file.columns[layout.ids[2]] == HEAD_TOP)  # a row a person is enough
    frames, lines = file.columns[layout.ids[0]][tops], file.lines[tops]
    values = np.stack([file.columns[name][tops] for name in layout.camera], axis=1)
    fine = np.isfinite(values).all(axis=1) & (values[:, 6] > 0) & (values[:, 6] < 180)
    rows = np.flatnonzero(fine)
    numbers = frames[rows]
    known, first = np.unique(numbers, return_index=True)
    other = np.any(values[rows] != values[rows[first]][np.searchsorted(known, numbers)], axis=1)
    if other.any():
        row = int(rows[int(np.argmax(other))])
        frame, line = frame_name(int(frames[row])), f"line {lines[row]}"
        place = replace(file.where, frame=frame, field=line)
        findings.add_many("camera-differs", int(other.sum()), [Finding("camera-differs", place)])
    if len(known) < len(labelled):
        number = int(np.setdiff1d(labelled, known)[0])
        place = replace(file.where, frame=frame_name(number))
        total = len(labelled) - len(known)
        findings.add_many("camera-unknown", total, [Finding("camera-unknown", place)])
    shared: dict[tuple[float, ...], Camera] = {}
    cameras = {}
    for number, row in zip(map(int, known), rows[first], strict=True):
        x, y, z, pitch, roll, yaw, vfov = key = tuple(map(float, values[row]))
        cameras[number] = shared.setdefault(key, Camera(vfov, (x, y, z), (pitch, roll, yaw)))
    if len(shared) == 1:
        cameras[-1] = next(iter(shared.values()))
    return cameras


def printed_step(values: Floats) -> Floats:
    """Give the distance of neighbouring numbers as a C++ stream prints them."""
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log10(np.maximum(np.abs(values), 1e-3)))
    step: Floats = 10.0 ** (exponent - PRINTED_DIGITS + 1)
    return step


def _drop_broken_heads(
    heads: HeadJoints, where: Where, findings: Findings, ledger: Ledger
) -> HeadJoints:
    """Set aside heads whose head_center isn't halfway between head_top and neck.

    The tools make head_top by turning the neck round head_center, so this holds to the last
    printed digit; where it doesn't, rows were mixed up, or a joint is wrong.
    """
    top, center, neck = heads.top.xyz, heads.center.xyz, heads.neck.xyz
    off = np.abs(top - 2 * center + neck)
    bound = np.maximum(np.maximum(np.abs(top), np.abs(center)), np.abs(neck))
    wrong = np.any(off > 2.5 * printed_step(bound), axis=1)  # NaN compares as fine
    if wrong.any():
        shown = np.flatnonzero(wrong)[:EXAMPLES_KEPT]
        examples = [
            Finding(
                "joints-disagree",
                replace(
                    where,
                    frame=frame_name(int(heads.top.frame[row])),
                    head=int(heads.top.person[row]),
                    field=f"line {heads.top.lines[row]}",
                ),
                f"{np.linalg.norm(off[row]):.3f} m",
            )
            for row in map(int, shown)
        ]
        findings.add_many("joints-disagree", int(wrong.sum()), examples)
        ledger.heads.drop("joints-disagree", int(wrong.sum()))
    return heads.take(np.flatnonzero(~wrong))


@dataclass
class _Groups:
    """Heads by camera, so that each camera projects once."""

    cameras: list[Camera]
    rows: list[Ints]


def _by_camera(heads: HeadJoints, cameras: Mapping[int, Camera]) -> _Groups:
    known = sorted(number for number in cameras if number >= 0)
    shared = list(dict.fromkeys(cameras[number] for number in known))
    codes = {camera: code for code, camera in enumerate(shared)}
    of_frames = np.array([codes[cameras[number]] for number in known], np.int64)
    place = np.searchsorted(known, heads.top.frame)
    place[place == len(known)] = 0
    there = np.array(known, np.int64)[place] == heads.top.frame if known else np.zeros(0, np.bool_)
    code = np.where(there, of_frames[place], -1) if known else np.full(len(heads), -1)
    order = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[order], np.arange(len(shared) + 1))
    rows = [order[bounds[i] : bounds[i + 1]] for i in range(len(shared))]
    return _Groups(shared, rows)


def _see(
    heads: HeadJoints, cameras: Mapping[int, Camera], size_wh: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Give where each head's camera sees head_top and neck, (H, 2, 2), and head_top's depth."""
    seen = np.full((len(heads), 2, 2), np.nan)
    depth = np.full(len(heads), np.nan)
    groups = _by_camera(heads, cameras)
    for camera, rows in zip(groups.cameras, groups.rows, strict=True):
        seen[rows, 0], depth[rows] = project(heads.top.xyz[rows], camera, size_wh)
        seen[rows, 1], _ = project(heads.neck.xyz[rows], camera, size_wh)
    return seen, depth


def _size(
    heads: HeadJoints, cameras: Mapping[int, Camera], of_pictures: tuple[int, int] | None
) -> tuple[int, int]:
    """Find the size of the frames that the labels mean.

    Where the file has pixels and positions, these say it: seen by a camera of unit height, a head
    lies where its pixels lie, but for the scale. Else the pictures say it, else the tools' own.
    """
    unit, depth = _see(heads, cameras, (2, 2))  # the centre is (1, 1), half the height is 1
    xy = heads.top.xy
    good = (depth > 0) & np.isfinite(xy).all(axis=1) & (np.abs(xy) < 1e5).all(axis=1)
    up = unit[:, 0, 1]
    good &= np.abs(up) > 0.1  # heads at the very top say little of the height
    fallback = of_pictures or SIZE_WH
    if int(good.sum()) < 3:
        return fallback
    heights = xy[good, 1] / up[good] * 2
    height = float(np.median(heights))
    width = float(np.median(2 * xy[good, 0] - (unit[good, 0, 0] - 1) * height))
    for known in (fallback, SIZE_WH):
        if max(abs(width - known[0]), abs(height - known[1])) <= 4:
            return known
    spread = float(np.median(np.abs(heights - height)))
    if spread > 4 or not (16 <= width <= 1e5 and 16 <= height <= 1e5):
        return fallback  # no size makes them fit: the frames are judged one by one
    return round(width), round(height)


def _frames_that_misfit(
    heads: HeadJoints,
    seen_xy: Floats,
    depth: Floats,
    cameras: Mapping[int, Camera],
    size_wh: tuple[int, int],
    where: Where,
    findings: Findings,
) -> dict[int, str]:
    """Find frames whose pixels mostly lie elsewhere than the camera sees the positions."""
    off = np.linalg.norm(heads.top.xy - seen_xy[:, 0], axis=1)
    focal = np.array([focal_px(c.vfov_deg, size_wh[1]) for c in cameras.values()] or [1.0])
    allowed = MISFIT_PX + MISFIT_M * float(focal.max()) / np.maximum(depth, 0.1)
    judged = np.flatnonzero(np.isfinite(off) & (depth > 0))
    numbers, of_frame = np.unique(heads.top.frame[judged], return_inverse=True)
    wrong = np.bincount(of_frame, off[judged] > allowed[judged], len(numbers))
    whole = np.bincount(of_frame, minlength=len(numbers))
    bad = numbers[2 * wrong > whole]
    examples = [
        Finding(
            "projection-differs",
            replace(where, frame=frame_name(int(number))),
            f"{np.median(off[judged][heads.top.frame[judged] == number]):.0f} px",
        )
        for number in bad[:EXAMPLES_KEPT]
    ]
    findings.add_many("projection-differs", len(bad), examples)
    return dict.fromkeys(map(int, bad), "projection-differs")


def _first_frame_is_wrong(
    heads: HeadJoints, cameras: Mapping[int, Camera], where: Where, findings: Findings
) -> bool:
    """Judge frame 0, which the tools' authors warn of, by what follows it.

    It is wrong where most of those seen in frame 1 too stand elsewhere, or the camera does.
    """
    first, second = (np.flatnonzero(heads.top.frame == number) for number in (0, 1))
    shared, at_first, at_second = np.intersect1d(
        heads.top.person[first], heads.top.person[second], return_indices=True
    )
    moved = np.linalg.norm(
        heads.top.xyz[first[at_first]] - heads.top.xyz[second[at_second]], axis=1
    )
    jump = float(np.median(moved)) if len(shared) >= SOME_PEOPLE else 0.0
    before, after = cameras.get(0), cameras.get(1)
    if before is not None and after is not None and before != after:
        assert before.position_m is not None
        assert after.position_m is not None
        jump = max(jump, float(np.linalg.norm(np.subtract(before.position_m, after.position_m))))
    if not jump > FASTEST_M:
        return False
    place = replace(where, frame=frame_name(0))
    findings.add("first-frame-wrong", place, f"{jump:.1f} m")
    return True


def _fill_pixels(columns: Columns, seen_xy: Floats) -> None:
    """Put what the camera sees where pixels are missing or absurd."""
    for place, names in enumerate((("x", "y"), ("neck_x", "neck_y"))):
        given = np.stack([columns[name] for name in names], axis=1)
        missing: Booleans = ~(np.abs(given) <= FARTHEST_PX).all(axis=1)
        own = np.round(seen_xy[:, place] * GRID) / GRID
        for axis, name in enumerate(names):
            columns[name] = np.where(missing, own[:, axis], given[:, axis])
    columns["top_x"], columns["top_y"] = columns["x"], columns["y"]
