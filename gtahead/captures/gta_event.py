"""GTA5Event: a JSON per frame with every bone of every person, in metres of the world.

Layout: `data/<location>/<10 digits>.json` with `.tiff`, `-depth.tiff` and `-stencil.tiff`, and
`locations_processed/<location>.json` (or `locations/`) with the camera. Matrices are column-major.

Bones are numbered by the model of the person, without names. The face has many bones close
together: where the highest bone has company, their mean is the middle of the face; where it is
alone, it is taken for SKEL_Head. People are supposed to be upright.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import schemas
from gtahead.arrays import Columns, Floats
from gtahead.captures.image_files import common_size
from gtahead.errors import InputError, Where, printable
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, project, snapped
from gtahead.images.layers import PERSON as PERSON_BITS
from gtahead.images.reading import ImageError, decode_values, read_bytes
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import folders_in, frame_name
from gtahead.ingest.rows import HeadRows, note_gaps, settle_heads

SIZE_WH = (2560, 1440)
VFOV_DEG = 50.0
PERSON = 1
FACE_M = 0.15
"""Bones of a face lie within this of the highest one."""

FACE_BONES = 5
"""So many at least make a face; a plain skeleton has head and neck there."""

WEATHERS = {
    0: "EXTRASUNNY", 1: "CLEAR", 2: "CLOUDS", 3: "SMOG", 4: "FOGGY", 5: "OVERCAST", 6: "RAIN",
    7: "THUNDER", 13: "SNOW",
}  # fmt: skip

_FRAME = re.compile(r"(\d{1,18})\.json", re.IGNORECASE)
_SHOWN = re.compile(r"(\d{1,18})(-stencil)?\.tiff?", re.IGNORECASE)
_LOCATIONS = ("locations_processed", "locations")


def _folders(root: Path) -> list[Path]:
    """Find the recordings: folders with frames or images, if there is a folder of locations."""
    base = root / "data"
    if not base.is_dir() or not any((root / name).is_dir() for name in _LOCATIONS):
        return []
    found = folders_in(base)
    return [folder for folder in found if any(map(_is_of_frame, folder.iterdir()))]


def _is_of_frame(path: Path) -> bool:
    return bool(_FRAME.fullmatch(path.name) or _SHOWN.fullmatch(path.name))


def _recognise(root: Path) -> str | None:
    folders = _folders(root)
    return f"it holds data/{printable(folders[0].name)}/ and locations" if folders else None


def _list_sequences(root: Path, _findings: Findings) -> list[SequenceSource]:
    return [
        SequenceSource("gta-event", root, folder.name, f"data/{folder.name}")
        for folder in _folders(root)
    ]


@dataclass(frozen=True)
class _Files:
    """Files of one recording, by the number of their frame."""

    labels: dict[int, Path]
    shown: dict[int, Path]
    stencils: dict[int, Path]


def _files(folder: Path) -> _Files:
    files = _Files({}, {}, {})
    for path in sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name)):
        if label := _FRAME.fullmatch(path.name):
            files.labels.setdefault(int(label[1]), path)
        elif shown := _SHOWN.fullmatch(path.name):
            (files.stencils if shown[2] else files.shown).setdefault(int(shown[1]), path)
    return files


def _location_file(source: SequenceSource) -> Path | None:
    files = (source.root / name / f"{source.name}.json" for name in _LOCATIONS)
    return next((path for path in files if path.is_file()), None)


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    files = _files(source.root / source.path)
    location = _location_file(source)
    labels = [*files.labels.values(), *files.stencils.values()]  # stencils say who is hidden
    return labels + ([] if location is None else [location]), list(files.shown.values())


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    camera, about, location = _read_location(source, findings)
    files = _files(source.root / source.path)
    size_wh = common_size(files.shown) or SIZE_WH
    numbers = sorted({*files.labels, *files.shown})
    ledger.frames.came += len(numbers)
    note_gaps(np.array(numbers, np.int64), Where(source.path, source.name), findings)
    frames, tables, lost = [], [], set()
    for index, number in enumerate(numbers):
        path = files.labels.get(number)
        name = source.path if path is None else path.relative_to(source.root).as_posix()
        where = Where(name, source.name, frame_name(number))
        people, fault = _read_frame(path, where, findings)
        image = files.shown.get(number, source.root / source.path / f"{number:010d}.tiff")
        frames.append(
            CapturedFrame(
                frame_name(number),
                image.relative_to(source.root).as_posix() if files.shown else None,
                camera,
                fault=fault,
            )
        )
        came = ledger.heads.came
        table = _heads(people, number, index, camera, size_wh, where, findings, ledger)
        if ledger.heads.came - came > len(table["head_id"]):
            lost.add(index)
        table["occluded"] = _hidden(files, number, source, table, size_wh, where, findings)
        tables.append(table)
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    rows = HeadRows(columns, Where(source.path, source.name), None)
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settle_heads(rows, [camera] * len(frames), size_wh, findings, ledger.heads),
        images=bool(files.shown),
        fps=location.get("fps"),
        weather=location.get("weather"),
        hour=location.get("hour"),
        location=source.name,
        about=about,
        lost_frames=rows.lost_frames | lost,
    )


def _read_location(
    source: SequenceSource, findings: Findings
) -> tuple[Camera, dict[str, Any], dict[str, Any]]:
    """Read the camera, and what else is known about the location.

    Raises:
        BrokenSequence: without a camera, bones in the world have no location in the image.
    """
    path = _location_file(source)
    if path is None:
        where = Where(f"{_LOCATIONS[0]}/{source.name}.json", source.name)
        findings.add("no-labels-file", where, detail="the location's file, with the camera")
        raise BrokenSequence
    where = Where(path.relative_to(source.root).as_posix(), source.name)
    try:
        document = schemas.parse_json(path.read_bytes(), where.file or "")
    except InputError as error:
        location = error.where or where
        findings.add("bad-json", replace(where, field=location.field), None, error.what)
        raise BrokenSequence from error
    camera = _camera(document) if isinstance(document, dict) else None
    if camera is None:
        detail = (
            "wanted: CameraFOV from 1 to 179, and ViewMatrix or CameraPosition and CameraRotation"
        )
        findings.add("bad-schema", where, detail=detail)
        raise BrokenSequence
    fps, weather = document.get("Fps"), document.get("CurrentWeather")
    clock = re.match(r"(\d{1,2}):(\d{2})", str(document.get("CurrentTime", "")))
    hour = int(clock[1]) + int(clock[2]) / 60 if clock else -1.0
    known = {
        "fps": float(fps) if isinstance(fps, int | float) and 0 < fps <= 1000 else None,
        "weather": WEATHERS.get(weather) if isinstance(weather, int) else None,
        "hour": round(hour, 4) if 0 <= hour < 24 else None,
    }
    return camera, {"tool": "GTA5Event"}, known


def _camera(document: dict[str, Any]) -> Camera | None:
    """Read the camera's pose from the view matrix, else from position and rotation."""
    vfov = document.get("CameraFOV", VFOV_DEG)
    if not isinstance(vfov, int | float) or not 1 <= vfov <= 179:
        return None
    matrix = document.get("ViewMatrix")
    values = matrix.get("Values") if isinstance(matrix, dict) else None
    pose = _pose_of_view(values) if isinstance(values, list) else None
    if pose is None:
        position, turn = (
            _vector(document.get(f"Camera{name}")) for name in ("Position", "Rotation")
        )
        if position is None or turn is None:
            return None
        pose = position, turn
    return Camera(float(vfov), *pose)


Triple = tuple[float, float, float]


def _pose_of_view(values: list[Any]) -> tuple[Triple, Triple] | None:
    """Decompose a column-major view matrix: position in metres; pitch, roll, yaw in degrees.

    The matrix turns the world into what the camera sees: x right, y up, and looking along -z. None
    where it isn't a rotation and a shift.
    """
    try:
        view = np.array(values, np.float64).reshape(4, 4).T
    except (TypeError, ValueError, OverflowError):
        return None
    turn = view[:3, :3]
    rigid = np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) and np.linalg.det(turn) > 0
    if (
        not np.isfinite(view).all()
        or not rigid
        or not np.allclose(view[3], [0, 0, 0, 1], atol=1e-3)
    ):
        return None
    x, y, z = (-turn.T @ view[:3, 3]).tolist()
    right, up, forward = turn[0], turn[1], -turn[2]  # columns of Rz(yaw) Ry(roll) Rx(pitch)
    pitch = math.degrees(math.atan2(forward[2], up[2]))
    roll = math.degrees(math.asin(float(np.clip(-right[2], -1, 1))))
    yaw = math.degrees(math.atan2(right[1], right[0]))
    return (x, y, z), (pitch, roll, yaw)


def _vector(value: Any) -> Triple | None:  # noqa: ANN401 - anything from JSON
    if not isinstance(value, dict):
        return None
    numbers = [value.get(axis) for axis in "XYZ"]
    fine = [float(n) for n in numbers if type(n) in (int, float) and abs(n) < 1e9]  # type: ignore[arg-type]
    return (fine[0], fine[1], fine[2]) if len(fine) == 3 else None


def _read_frame(
    path: Path | None, where: Where, findings: Findings
) -> tuple[list[Any], str | None]:
    """Read a frame's people, and the fault that sets it aside, if there is one."""
    if path is None:
        findings.add("labels-missing", where)
        return [], "labels-missing"
    try:
        document = schemas.parse_json(path.read_bytes(), where.file or "")
        people = document.get("Detections") if isinstance(document, dict) else None
        if not isinstance(people, list):
            raise InputError("no list Detections")
    except OSError as error:
        findings.add("bad-frame-labels", where, detail=error.strerror or "")
        return [], "bad-frame-labels"
    except InputError as error:
        location = replace(where, field=error.where.field if error.where else None)
        findings.add("bad-frame-labels", location, detail=error.what)
        return [], "bad-frame-labels"
    return people, None


def _heads(
    people: list[Any],
    number: int,
    index: int,
    camera: Camera,
    size_wh: tuple[int, int],
    where: Where,
    findings: Findings,
    ledger: Ledger,
) -> Columns:
    """Find each person's head among the bones, and project it with the camera."""
    ids: list[int] = []
    positions: list[Floats] = []
    kinds: list[int] = []
    for position, person in enumerate(people):
        kind = person.get("Type") if isinstance(person, dict) else None
        if isinstance(kind, int | str) and kind not in (PERSON, "person"):
            continue  # vehicles and the like stand in the same list
        ledger.heads.came += 1
        here = replace(where, field=f"/Detections/{position}")
        handle = person.get("Handle") if isinstance(person, dict) else None
        if kind is None or not isinstance(handle, int) or abs(handle) >= 2**53:
            findings.add("bad-number", here, f"Type {kind}, Handle {handle}"[:80])
            ledger.heads.drop("bad-number")
            continue
        bones = _bones(person.get("Bones3D"))
        if bones is None or not len(bones):
            detail = "no Bones3D" if bones is not None else "a bone without a location"
            findings.add("no-head-joint", replace(here, head=handle), detail=detail)
            ledger.heads.drop("no-head-joint")
            continue
        ids.append(handle)
        spot, point = head_among(bones)
        positions.append(spot)
        kinds.append(point)
    world = np.array(positions).reshape(-1, 3)
    points, depth = project(world, camera, size_wh)
    points = snapped(points)
    return {
        "frame": np.full(len(ids), number, np.int64),
        "head_id": np.array(ids, np.int64),
        "x": points[:, 0],
        "y": points[:, 1],
        "depth_m": np.round(depth * 4096) / 4096,
        "world_x_m": world[:, 0],
        "world_y_m": world[:, 1],
        "world_z_m": world[:, 2],
        "point_kind": np.array(kinds, np.int8),
        "frame_index": np.full(len(ids), index, np.int32),
    }


def _bones(bones: Any) -> Floats | None:  # noqa: ANN401 - anything from JSON
    """Return the (N, 3) positions of bones; None if one has none, as it may be the head."""
    if not isinstance(bones, dict):
        return np.empty((0, 3))
    spots = [_vector(b.get("Pos", b)) if isinstance(b, dict) else None for b in bones.values()]
    known = [spot for spot in spots if spot is not None]
    return np.array(known).reshape(-1, 3) if len(known) == len(spots) else None


def head_among(bones_m: Floats) -> tuple[Floats, int]:
    """Find the head of an upright person.

    Args:
        bones_m: (N, 3) all bones, N > 0.

    Returns:
        The location, and its kind: -1 for the middle of a face, 0 for SKEL_Head.
    """
    highest = bones_m[int(np.argmax(bones_m[:, 2]))]
    near = np.linalg.norm(bones_m - highest, axis=1) <= FACE_M
    if int(near.sum()) >= FACE_BONES:
        middle: Floats = bones_m[near].mean(axis=0)
        return middle, -1
    return highest, 0


def _hidden(
    files: _Files,
    number: int,
    source: SequenceSource,
    table: Columns,
    size_wh: tuple[int, int],
    where: Where,
    findings: Findings,
) -> npt.NDArray[np.int8]:
    """Return which heads are hidden by something other than people; -1 where unknown."""
    count = len(table["head_id"])
    hidden = np.full(count, -1, np.int8)
    if not files.stencils or not count:
        return hidden
    path = files.stencils.get(number, source.root / source.path / f"{number:010d}-stencil.tiff")
    try:
        stencil = decode_values(read_bytes(path))
    except ImageError:
        stencil = None
    if stencil is None or stencil.shape != (size_wh[1], size_wh[0]):
        location = path.relative_to(source.root).as_posix()
        findings.add("bad-stencil", replace(where, file=location))
        return hidden
    points = np.stack([table["x"], table["y"]], axis=1)
    here = np.isfinite(points).all(axis=1) & ((points >= 0) & (points < size_wh)).all(axis=1)
    column, row = np.floor(points[here]).astype(np.int64).T
    hidden[here] = stencil[row, column] & 7 != PERSON_BITS
    return hidden


GTA_EVENT = Reader(
    name="gta-event",
    title="GTA5Event recordings (data/<location>/<n>.json and locations)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
