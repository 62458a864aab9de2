"""MOTSynth: one COCO-like JSON per sequence, with JTA's 22 joints.

Layout: `annotations/<3 digits>.json` and `frames/<3 digits>/rgb/<4 digits>.jpg`. The dataset's own
scripts disagree on where `frame_n` begins, so frames go by the number in `file_name`, else by
`frame_n` counted from its smallest value.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import schemas, storage
from gtahead.arrays import Floats
from gtahead.captures.image_files import MAX_DIGITS
from gtahead.captures.joints.model import (
    HEAD_CENTER,
    HEAD_TOP,
    JOINTS_A_PERSON,
    NECK,
    Joints,
    heads_of,
    persons,
)
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import VFOV_DEG, Camera, vertical_fov_deg
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import folders_in, frame_name
from gtahead.ingest.rows import RATES, HeadRows, as_number, note_gaps, settle_heads
from gtahead.values import is_number

SIZE_WH = (1920, 1080)
FOCAL_PX = 1158.0
FPS = 20.0
SAME_PX = 2.0
"""Positions that project within this onto their pixels are in camera coordinates."""

MAX_PATH = 200
MAX_SIDE = 65_535
MAX_BYTES = 1e15  # numbers beyond mean nothing, and integers may have any number of digits

SAME_RAD = 0.005
"""Angles between heads, as positions and as pixels have them, agree within this."""

_NAME = re.compile(r"\d{1,6}\.json")
_HEAD = (HEAD_TOP, HEAD_CENTER, NECK)
_VISIBLE, _HIDDEN = 2, 1


def _label_files(root: Path) -> list[Path]:
    folder = root / "annotations"
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def _recognise(root: Path) -> str | None:
    files = _label_files(root)
    return f"it holds {files[0].relative_to(root).as_posix()}" if files else None


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    named = {path.stem for path in _label_files(root)}
    frames = root / "frames"
    for folder in folders_in(frames) if frames.is_dir() else ():
        if folder.name.isdecimal() and folder.name not in named:
            where = Where(f"frames/{folder.name}")
            findings.add("no-labels-file", where, detail=f"annotations/{folder.name}.json")
    return [
        SequenceSource("motsynth", root, path.stem, path.relative_to(root).as_posix())
        for path in _label_files(root)
    ]


def _images_folder(source: SequenceSource) -> Path:
    return source.root / "frames" / source.name / "rgb"


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    folder = _images_folder(source)
    return [source.root / source.path], sorted(folder.iterdir()) if folder.is_dir() else []


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    where = Where(source.path, source.name)
    document = _read_document(source, where, findings)
    info = document.get("info") if isinstance(document.get("info"), dict) else {}
    assert isinstance(info, dict)
    entries = _images(document["images"], where, findings, ledger)
    if not entries:
        findings.add("no-frames", where)
        raise BrokenSequence
    size_wh = _size(info, entries)
    has_images = _images_folder(source).is_dir()
    if not has_images and (source.root / "frames").is_dir():
        location = Where(f"frames/{source.name}", source.name)
        findings.add("images-missing", location)
    camera = Camera(_vfov(info, size_wh))
    numbers = sorted(image.number for image in entries.values())
    by_number = {image.number: image for image in entries.values()}
    note_gaps(np.array(numbers, np.int64), where, findings)
    lost: set[int] = set()
    joints, ignored = _joints(document["annotations"], entries, where, findings, ledger, lost)
    everyone = persons(joints.frame, joints.person)
    heads = heads_of(joints, everyone, where, findings, ledger, lost)
    columns = heads.columns()
    columns["ignore"] = ignored[heads.top.lines]
    columns["frame_index"] = np.searchsorted(numbers, columns["frame"]).astype(np.int32)
    frames = [
        CapturedFrame(
            frame_name(number),
            _image(source, by_number[number].file, number) if has_images else None,
            replace(camera, position_m=by_number[number].position_m),
        )
        for number in numbers
    ]
    columns |= _depths(heads.top, columns["frame_index"], frames, camera, size_wh, where, findings)
    rows = HeadRows(columns, where, None)
    settled = settle_heads(rows, [f.camera for f in frames], size_wh, findings, ledger.heads)
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settled,
        images=has_images,
        fps=as_number(info.get("fps"), *RATES) or FPS,
        weather=info.get("weather") if isinstance(info.get("weather"), str) else None,
        hour=_hour(info.get("time")),
        about={"tool": "MOTSynth", "licence": "CC BY-NC 4.0, as the dataset's authors state"},
        lost_frames=rows.lost_frames | {numbers.index(number) for number in lost},
    )


def _read_document(source: SequenceSource, where: Where, findings: Findings) -> dict[str, Any]:
    try:
        document = schemas.parse_json((source.root / source.path).read_bytes(), source.path)
    except InputError as error:
        location = error.where or where
        findings.add("bad-json", replace(where, field=location.field), None, error.what)
        raise BrokenSequence from error
    for key in ("images", "annotations"):
        if not isinstance(document, dict) or not isinstance(document.get(key), list):
            findings.add("bad-schema", replace(where, field=f"/{key}"), detail="no such list")
            raise BrokenSequence
    checked: dict[str, Any] = document
    return checked


class _Image:
    """What is kept of one entry of `images`."""

    def __init__(self, row: dict[str, Any], number: int) -> None:
        self.number = number
        self.file = row.get("file_name") if isinstance(row.get("file_name"), str) else None
        self.size = (_number(row.get("width")), _number(row.get("height")))
        position = row.get("cam_world_pos")
        numbers = [_number(value) for value in position] if isinstance(position, list) else []
        self.position_m: tuple[float, float, float] | None = None
        if len(numbers) == 3 and all(value is not None for value in numbers):
            self.position_m = (float(position[0]), float(position[1]), float(position[2]))  # type: ignore[index]


def _images(rows: list[Any], where: Where, findings: Findings, ledger: Ledger) -> dict[int, _Image]:
    """Return the frame of each image id; note entries without a frame or with a repeated one."""
    counted = [row["frame_n"] for row in rows if isinstance(row, dict) and "frame_n" in row]
    base: int = min((n for n in counted if _is_index(n)), default=0)
    found: dict[int, _Image] = {}
    numbers: set[int] = set()
    for position, row in enumerate(rows):
        ledger.frames.came += 1
        here = replace(where, field=f"/images/{position}")
        number = _frame_number(row, base) if isinstance(row, dict) else None
        if number is None or not _is_index(row.get("id")):
            findings.add("bad-frame-labels", here, detail="no id, or no frame number")
            ledger.frames.drop("bad-frame-labels")
        elif number in numbers or row["id"] in found:
            findings.add("duplicate-frame", here, number)
            ledger.frames.drop("duplicate-frame")
        else:
            numbers.add(number)
            found[row["id"]] = _Image(row, number)
    return found


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**MAX_DIGITS


def _frame_number(row: dict[str, Any], base: int) -> int | None:
    name = row.get("file_name")
    stem = PurePosixPath(name).stem if isinstance(name, str) else ""
    if stem.isascii() and stem.isdecimal() and len(stem) <= MAX_DIGITS:
        return int(stem)
    return int(row["frame_n"]) - base if _is_index(row.get("frame_n")) else None


def _image(source: SequenceSource, file: str | None, number: int) -> str:
    folder = _images_folder(source).relative_to(source.root).as_posix()
    short = file is not None and len(file) <= MAX_PATH and storage.is_safe_relative(file)
    if file is not None and short and (source.root / file).is_file():
        return file
    return f"{folder}/{number:04d}.jpg"


def _number(value: object) -> float | None:
    return float(value) if is_number(value) else None


def _size(info: dict[str, Any], images: dict[int, _Image]) -> tuple[int, int]:
    sizes = [image.size for image in images.values() if None not in image.size]
    width, height = sizes[0] if sizes else (info.get("img_width"), info.get("img_height"))
    width, height = _number(width) or SIZE_WH[0], _number(height) or SIZE_WH[1]
    fine = min(width, height) >= 1 and max(width, height) <= MAX_SIDE
    return (int(width), int(height)) if fine else SIZE_WH


def _vfov(info: dict[str, Any], size_wh: tuple[int, int]) -> float:
    """Return the field of view: from the focal length, as given, or from JTA's focal length."""
    focal, vfov = _number(info.get("fy")), _number(info.get("cam_fov"))
    if focal is None and vfov is not None and VFOV_DEG[0] <= vfov <= VFOV_DEG[1]:
        return vfov
    if focal is None or not 1 <= focal <= 1e6:
        focal = FOCAL_PX * size_wh[1] / SIZE_WH[1]
    return vertical_fov_deg(focal, size_wh[1])


def _hour(time: object) -> float | None:
    match = re.match(r"(\d{1,2}):(\d{2})", time) if isinstance(time, str) else None
    hour = int(match[1]) + int(match[2]) / 60 if match else -1.0
    return round(hour, 4) if 0 <= hour < 24 else None


def _joints(
    rows: list[Any],
    images: dict[int, _Image],
    where: Where,
    findings: Findings,
    ledger: Ledger,
    lost: set[int],
) -> tuple[Joints, npt.NDArray[np.int8]]:
    """Return the persons' head joints; `lines` is the person's index in the file.

    Returns:
        The joints, and for every row of the file whether the person is to be ignored.
    """
    ids: list[tuple[int, int, int, int]] = []
    flat: list[list[float]] = []
    deep: list[list[float]] = []
    ignored = np.zeros(len(rows), np.int8)
    for position, row in enumerate(rows):
        here = replace(where, field=f"/annotations/{position}")
        fault = _person_fault(row)
        if fault is None and row["image_id"] not in images:
            fault = ("head-without-frame", row["image_id"])
        if fault is not None:
            findings.add(fault[0], here, fault[1])
            ledger.heads.came += 1
            ledger.heads.drop(fault[0])
            image = row.get("image_id") if isinstance(row, dict) else None
            # An entry that names no frame may be of any.
            named = images.get(image) if isinstance(image, int) else None
            lost |= {i.number for i in (images.values() if named is None else (named,))}
            continue
        ignored[position] = row.get("iscrowd") == 1
        points, spots = row["keypoints"], row.get("keypoints_3d")
        if not _is_numbers(spots, 4 * JOINTS_A_PERSON):
            if spots is not None:
                findings.add("bad-value", replace(here, field=f"{here.field}/keypoints_3d"))
            spots = [np.nan] * (4 * JOINTS_A_PERSON)
        number = images[row["image_id"]].number
        seen = [kind for kind in _HEAD if points[3 * kind + 2] in (_VISIBLE, _HIDDEN)]
        for kind in seen or [-1]:  # -1: a person without a head still is one
            ids.append((number, row["ped_id"], kind, position))
            flat.append(points[3 * kind : 3 * kind + 3] if kind >= 0 else [np.nan] * 3)
            deep.append(spots[4 * kind : 4 * kind + 3] if kind >= 0 else [np.nan] * 3)
    keys = np.array(ids, np.int64).reshape(-1, 4)
    pixels = np.array(flat, np.float64).reshape(-1, 3)
    unknown = np.full(len(keys), -1, np.int8)
    joints = Joints(
        frame=keys[:, 0],
        person=keys[:, 1],
        kind=keys[:, 2],
        xy=pixels[:, :2],
        xyz=np.array(deep, np.float64).reshape(-1, 3),
        occluded=(pixels[:, 2] == _HIDDEN).astype(np.int8),
        self_occluded=unknown,
        lines=keys[:, 3],
    )
    return joints, ignored


def _person_fault(row: Any) -> tuple[str, object] | None:  # noqa: ANN401 - anything from JSON
    """Return what keeps an annotation from being read: a finding's code and the value."""
    if not isinstance(row, dict):
        return "bad-number", "not an object"
    for key in ("image_id", "ped_id"):
        if not isinstance(row.get(key), int) or isinstance(row[key], bool):
            return "bad-number", f"{key}: {row.get(key)!r}"
        if abs(row[key]) >= 2**53:
            return "bad-number", f"{key}: {row[key]}"
    if not _is_numbers(row.get("keypoints"), 3 * JOINTS_A_PERSON):
        return "ragged-row", "keypoints"
    return None


def _is_numbers(values: object, count: int) -> bool:
    if not isinstance(values, list) or len(values) != count:
        return False
    return all(type(value) in (int, float) and abs(value) < MAX_BYTES for value in values)


def _depths(
    top: Joints,
    frame_index: npt.NDArray[np.int32],
    frames: list[CapturedFrame],
    camera: Camera,
    size_wh: tuple[int, int],
    where: Where,
    findings: Findings,
) -> dict[str, Floats]:
    """Distinguish camera from world coordinates by where they project; return depth or distance.

    The order of the camera's angles isn't documented, so positions in the world give the distance
    to the camera alone; its depth follows from the pixel.
    """
    focal = size_wh[1] / 2 / np.tan(np.radians(camera.vfov_deg) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        own = focal * top.xyz[:, :2] / top.xyz[:, 2:] + np.array(size_wh) / 2
    off = np.linalg.norm(own - top.xy, axis=1)
    judged = np.isfinite(off)
    if not judged.any() or float(np.median(off[judged])) <= SAME_PX:
        return {"depth_m": top.xyz[:, 2]}
    positions = np.array([(f.camera and f.camera.position_m) or (np.nan,) * 3 for f in frames])
    ways = top.xyz - positions[frame_index]
    if not _same_angles(ways, top.xy, frame_index, float(focal), size_wh):
        findings.add("positions-unknown", where)
        return {}
    distance = np.linalg.norm(ways, axis=1)
    world = {f"world_{axis}_m": top.xyz[:, position] for position, axis in enumerate("xyz")}
    return world | {"distance_m": distance}


def _same_angles(
    ways: Floats,
    xy: Floats,
    frame_index: npt.NDArray[np.int32],
    focal: float,
    size_wh: tuple[int, int],
) -> bool:
    """Return whether heads lie as far apart, seen from the camera, as their pixels do.

    That needs no rotation: between neighbours in the file, in one frame, the angle between the
    directions to the positions must be that between the rays through the pixels.
    """
    depth = np.full((len(xy), 1), focal)
    seen = np.concatenate([xy - np.array(size_wh) / 2, depth], axis=1)
    both = np.flatnonzero(frame_index[1:] == frame_index[:-1])
    with np.errstate(invalid="ignore", divide="ignore"):
        units = [lines / np.linalg.norm(lines, axis=1, keepdims=True) for lines in (ways, seen)]
    angles = [
        np.arccos(np.clip((unit[both] * unit[both + 1]).sum(axis=1), -1, 1)) for unit in units
    ]
    off = np.abs(angles[0] - angles[1])
    off = off[np.isfinite(off)]
    return len(off) > 0 and float(np.median(off)) <= SAME_RAD


MOTSYNTH = Reader(
    name="motsynth",
    title="MOTSynth dataset (annotations/<3 digits>.json and frames/<3 digits>/rgb)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
