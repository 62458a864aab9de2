"""Scenes as the labelers of GCC and ShanghaiTechRGBDSyn leave them.

Layout: `scene_<a>_<b>/{jpgs,pngs,jsons,mats,segs,vis}/<unix time>.*`; ShanghaiTechRGBDSyn adds
`bbox`, `depth` and `point`. Heads are [row, column], whole numbers that the labeler made by
rounding the bone's position in pixels and taking 1 off: the bone was seen at value + 1, to half a
pixel. The ground polygon is scrambled there, and put in order again here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import schemas, storage
from gtahead.arrays import Columns, Floats
from gtahead.captures.ground_fit import ground_from_polygon
from gtahead.captures.image_files import MAX_DIGITS, common_size, numbered_images
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.matlab import refuse_bomb
from gtahead.geometry import Camera
from gtahead.images.layers import people_in_stencil
from gtahead.ingest.model import BrokenSequence, CapturedFrame, CapturedSequence, SequenceSource
from gtahead.ingest.names import folders_in, frame_name
from gtahead.ingest.rows import HeadRows, settle_heads

SIZE_WH = (1920, 1080)
MAX_HEADS = 100_000
MAX_CORNERS = 1000
NEAR_M = 0.1
"""The camera's near plane, which the depth buffer counts from."""

MAX_OFF = 1.5
"""How far a measured depth may be from the one that the box was made from."""

HALF_SIDE_M = 0.12
LABELER_FOCAL_PX = 1483.0
"""What the labeler makes boxes from: half a side of 0.12 m, seen with a field of view of 40."""

_SCENE = re.compile(r"scene_(\d+)_(\d+)")
_IMAGES = ("pngs", "jpgs", "bmps")


def scenes(root: Path) -> list[Path]:
    """Find the scenes of a folder: those that hold labels."""
    return [f for f in folders_in(root) if _SCENE.fullmatch(f.name) and labels_of(f) is not None]


def note_unlabelled(root: Path, findings: Findings) -> None:
    """Note scenes without labels."""
    for folder in folders_in(root):
        if _SCENE.fullmatch(folder.name) and labels_of(folder) is None:
            findings.add("no-labels-file", Where(folder.name), detail="jsons or mats")


def labels_of(folder: Path) -> str | None:
    """Name the subfolder of a scene that holds labels."""
    return next((name for name in ("jsons", "mats") if (folder / name).is_dir()), None)


def has_boxes(folder: Path) -> bool:
    """Return whether a scene is ShanghaiTechRGBDSyn's, with head boxes."""
    return (folder / "bbox").is_dir()


def _numbered(folder: Path, suffix: str) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    found = (path for path in sorted(folder.iterdir()) if path.suffix.lower() == suffix)
    return {
        int(path.stem): path
        for path in found
        if path.stem.isascii() and path.stem.isdecimal() and len(path.stem) <= MAX_DIGITS
    }


def _labels(folder: Path) -> dict[int, Path]:
    return _numbered(folder / "mats", ".mat") | _numbered(folder / "jsons", ".json")


def _images(folder: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for name in reversed(_IMAGES):
        found |= numbered_images(folder / name)
    return found


def inputs(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the files that a scene's labels depend on, and its images."""
    labels = list(_labels(folder).values())
    for name, suffix in (("bbox", ".txt"), ("depth", ".raw"), ("segs", ".raw")):
        labels += _numbered(folder / name, suffix).values() if has_boxes(folder) else []
    return labels, list(_images(folder).values())


@dataclass
class _Labels:
    """The contents of one json or mat; `points` are [row, column] as written."""

    points: list[Any] = field(default_factory=list)
    weather: str | None = None
    hour: float | None = None
    camera: Camera | None = None
    ground: list[list[float]] | None = None


def unscramble(pairs: Sequence[Sequence[float]]) -> list[list[float]]:
    """Restore the order of a polygon's corners.

    The labeler reads `x y` lines as if all x came first, and pairs the first half of the numbers
    with the second. So: all firsts, then all seconds, is the file's own order.

    Example:
        >>> unscramble([(1, 20), (10, 3), (2, 30)])
        [[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]
    """
    flat = [float(pair[0]) for pair in pairs] + [float(pair[1]) for pair in pairs]
    return [flat[position : position + 2] for position in range(0, len(flat), 2)]


def _parse(path: Path, file: str) -> _Labels:
    """Read one frame's labels.

    Raises:
        InputError: not readable, or another layout.
    """
    if path.suffix.lower() == ".json":
        document = schemas.parse_json(path.read_bytes(), file)
        if not isinstance(document, dict) or not isinstance(document.get("image_info"), list):
            raise InputError("no list image_info", where=Where(file))
        time, roi = document.get("timeInfo"), document.get("roi")
        return _Labels(
            document["image_info"],
            document["weather"] if isinstance(document.get("weather"), str) else None,
            _hour(time),
            _camera(document.get("camera")),
            _ground(roi),
        )
    from scipy import io

    try:
        data = storage.read_bytes(path)
        refuse_bomb(data)
        document = io.loadmat(BytesIO(data), simplify_cells=True)
        points = _listed(document["image_info"])
    except Exception as error:  # SciPy's parser raises anything on damaged files
        raise InputError("not a .mat file of this layout", where=Where(file)) from error
    weather = document.get("weather_info")
    return _Labels(
        points.tolist(),
        str(weather) if weather is not None else None,
        _hour(document.get("time_info")),
        _camera(document.get("camera_info")),
        _ground(document.get("roi_info")),
    )


def _listed(info: Any) -> Floats:  # noqa: ANN401 - what SciPy makes of a struct
    """Return the (N, 2) points of a struct, if they are as many as its `number` says.

    Raises:
        ValueError: another shape or number, or too many to be heads.
    """
    points = np.asarray(info["location"])
    if points.size > 2 * MAX_HEADS:
        raise ValueError("too many points")
    points = points.astype(np.float64)
    if points.size == 0 or points.shape == (2,):  # SciPy flattens few points
        points = points.reshape(-1, 2)
    number = _floats(info.get("number"))
    counted = len(points) if number is None or not len(number) else number[0]
    if points.ndim != 2 or points.shape[1] != 2 or counted != len(points):
        raise ValueError("not one row per head")
    return points


def _hour(time: Any) -> float | None:  # noqa: ANN401 - anything from a file
    values = _floats(time)
    if values is None or len(values) != 2:
        return None
    hour = values[0] + values[1] / 60
    return round(float(hour), 4) if 0 <= hour < 24 else None


def _floats(values: Any) -> Floats | None:  # noqa: ANN401 - anything from a file
    try:
        flat = np.asarray(values, np.float64).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        return None
    return flat if np.isfinite(flat).all() else None


def _camera(document: Any) -> Camera | None:  # noqa: ANN401 - anything from a file
    if not isinstance(document, dict):
        return None
    keys = ("location", "rotation", "fov")
    parts = [_floats(document.get(key)) for key in keys]
    if any(part is None for part in parts):
        return None
    position, rotation, vfov = (part.tolist() for part in parts if part is not None)
    if (len(position), len(rotation), len(vfov)) != (3, 3, 1) or not 1 <= vfov[0] <= 179:
        return None
    return Camera(
        vfov[0], (position[0], position[1], position[2]), (rotation[0], rotation[1], rotation[2])
    )


def _ground(pairs: Any) -> list[list[float]] | None:  # noqa: ANN401 - anything from a file
    values = _floats(pairs)
    if values is None or len(values) < 6 or len(values) % 2 or len(values) > 2 * MAX_CORNERS:
        return None
    return unscramble(values.reshape(-1, 2).tolist())


def read(
    source: SequenceSource, findings: Findings, ledger: Ledger, *, boxes: bool = False
) -> CapturedSequence:
    """Read a scene; with `boxes`, ShanghaiTechRGBDSyn's head boxes and depths too."""
    folder = source.root / source.path
    labels, images = _labels(folder), _images(folder)
    numbers = sorted({*labels, *images})
    ledger.frames.came += len(numbers)
    if not numbers:
        findings.add("no-frames", Where(source.path, source.name))
        raise BrokenSequence
    size_wh = common_size(images) or SIZE_WH
    frames: list[CapturedFrame] = []
    tables: list[Columns] = []
    ground = None
    lost: set[int] = set()
    for index, number in enumerate(numbers):
        where = Where(_name(source, labels.get(number)), source.name, frame_name(number))
        found, fault = _frame_labels(labels.get(number), where, findings)
        ground = ground or found.ground
        frames.append(
            CapturedFrame(
                frame_name(number),
                _image(source, images, number) if images else None,
                found.camera,
                fault=fault,
                weather=found.weather,
                hour=found.hour,
            )
        )
        table = _points(found, number, index, where, findings, ledger)
        if len(table["head_id"]) < len(found.points):
            lost.add(index)
        if boxes and fault is None:
            table |= _boxes(folder, number, table, found, size_wh, where, findings)
        tables.append(table)
    columns = _together(tables)
    if any(frame.camera is None and frame.fault is None for frame in frames):
        findings.add("camera-unknown", Where(source.path, source.name))
    if not boxes:  # those have measured depths
        frames = _stand(frames, columns, ground, size_wh)
    rows = HeadRows(columns, Where(source.path, source.name), None)
    cameras = [frame.camera for frame in frames]
    settled = settle_heads(rows, cameras, size_wh, findings, ledger.heads)
    about: dict[str, Any] = {"tool": "ShanghaiTechRGBDSyn" if boxes else "GCC"}
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settled,
        images=bool(images),
        location=f"scene_{_SCENE.fullmatch(source.name)[1]}",  # type: ignore[index]
        about=about | ({"ground_polygon_m": ground} if ground else {}),
        lost_frames=rows.lost_frames | lost,
    )


def _stand(
    frames: list[CapturedFrame],
    columns: Columns,
    polygon: list[list[float]] | None,
    size_wh: tuple[int, int],
) -> list[CapturedFrame]:
    """Add the height of the ground to frames; those of one camera share it."""
    if polygon is None:
        return frames
    points = np.stack([columns["x"], columns["y"]], axis=1)
    heights: dict[Camera, float | None] = {}
    for camera in {frame.camera for frame in frames} - {None}:
        assert camera is not None
        mine = np.array([frame.camera == camera for frame in frames])
        seen = points[mine[columns["frame_index"]]]
        heights[camera] = ground_from_polygon(seen, camera, size_wh, np.array(polygon))
    return [
        replace(frame, ground_m=heights.get(frame.camera) if frame.camera else None)
        for frame in frames
    ]


def _name(source: SequenceSource, path: Path | None) -> str:
    return source.path if path is None else path.relative_to(source.root).as_posix()


def _image(source: SequenceSource, images: dict[int, Path], number: int) -> str:
    if number in images:
        return images[number].relative_to(source.root).as_posix()
    other = next(iter(images.values()))
    return other.with_stem(str(number)).relative_to(source.root).as_posix()


def _frame_labels(
    path: Path | None, where: Where, findings: Findings
) -> tuple[_Labels, str | None]:
    if path is None:
        findings.add("labels-missing", where)
        return _Labels(), "labels-missing"
    try:
        return _parse(path, where.file or ""), None
    except OSError as error:
        findings.add("bad-frame-labels", where, detail=error.strerror or "")
        return _Labels(), "bad-frame-labels"
    except InputError as error:
        location = replace(where, field=error.where.field if error.where else None)
        findings.add("bad-frame-labels", location, detail=error.what)
        return _Labels(), "bad-frame-labels"


def _points(
    found: _Labels, number: int, index: int, where: Where, findings: Findings, ledger: Ledger
) -> Columns:
    """Make columns of one frame's points; ids are indices in its list, from 1."""
    ids, locations = [], []
    for location, point in enumerate(found.points):
        ledger.heads.came += 1
        values = _floats(point) if isinstance(point, list) and len(point) == 2 else None
        if values is None or np.abs(values).max() > 1e7:
            findings.add(
                "bad-number", replace(where, field=f"/image_info/{location}"), str(point)[:80]
            )
            ledger.heads.drop("bad-number")
        else:
            ids.append(location + 1)
            locations.append((values[1] + 1.0, values[0] + 1.0))
    points = np.array(locations, np.float64).reshape(-1, 2)
    return {
        "frame": np.full(len(ids), number, np.int64),
        "head_id": np.array(ids, np.int64),
        "x": points[:, 0],
        "y": points[:, 1],
        "occluded": np.zeros(len(ids), np.int8),  # the labeler leaves hidden heads out
        "point_kind": np.zeros(len(ids), np.int8),
        "frame_index": np.full(len(ids), index, np.int32),
    }


_BOX = ("captured_x0", "captured_y0", "captured_x1", "captured_y1")


def _together(tables: list[Columns]) -> Columns:
    names = {name: None for table in tables for name in table}
    columns: Columns = {}
    for name in names:
        parts = [table.get(name, np.full(len(table["head_id"]), np.nan)) for table in tables]
        columns[name] = np.concatenate(parts)
    return columns


def _boxes(
    folder: Path,
    number: int,
    table: Columns,
    found: _Labels,
    size_wh: tuple[int, int],
    where: Where,
    findings: Findings,
) -> Columns:
    """Read one frame's boxes, line i being the box of point i, and depths.

    The labeler appends: run twice, it writes every box twice.
    """
    path = folder / "bbox" / f"{number}.txt"
    location = replace(where, file=f"{Path(where.file or '').parents[1]}/bbox/{number}.txt")
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n") if path.is_file() else []
        boxes = np.array([line.split() for line in lines if line.strip()], np.float64).reshape(
            -1, 4
        )
    except (ValueError, UnicodeDecodeError):
        findings.add("boxes-differ", location, detail="not four numbers a line")
        return {}
    count = len(found.points)
    times = len(boxes) // count if count else 0
    if times > 1 and np.array_equal(boxes, np.tile(boxes[:count], (times, 1))):
        boxes = boxes[:count]
    if len(boxes) != count:
        findings.add("boxes-differ", location, detail=f"{len(boxes)} boxes, {count} points")
        return {}
    boxes = boxes[table["head_id"] - 1] + 1.0
    points = np.stack([table["x"], table["y"]], axis=1)
    inside_box = (boxes[:, :2] <= points).all(axis=1) & (points <= boxes[:, 2:]).all(axis=1)
    half = np.where(inside_box, (boxes[:, 2] - boxes[:, 0]) / 2, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        made_from = np.where(half > 0, HALF_SIDE_M * LABELER_FOCAL_PX / half, np.nan)
    location = replace(
        location, file=f"{location.file}".replace("/bbox/", "/depth/").replace(".txt", ".raw")
    )
    measured = _depths(folder, number, boxes, size_wh, location, findings)
    # Boxes are whole pixels, made from the very depth: what is further off belongs to another.
    with np.errstate(invalid="ignore"):
        near = np.abs(np.log(measured / made_from)) <= np.log(MAX_OFF)
    contradicts = np.isfinite(measured) & np.isfinite(made_from) & ~near
    if contradicts.any():
        detail = f"{int(contradicts.sum())} of {len(boxes)} heads"
        findings.add("bad-depth", location, detail=detail)
    depth = np.where(near, measured, made_from)
    return dict(zip(_BOX, boxes.T.astype(np.float64), strict=True)) | {"depth_m": depth}


def buffer_to_metres(values: npt.NDArray[np.floating[Any]]) -> Floats:
    """Convert the depth buffer's values to metres along the optical axis: 0.1 / (2^d - 1).

    Example:
        >>> buffer_to_metres(np.array([1.0, 0.0144])).round(1)
        array([ 0.1, 10. ])
    """
    with np.errstate(divide="ignore", over="ignore"):
        metres: Floats = NEAR_M / np.expm1(np.asarray(values, np.float64) * np.log(2))
    return metres


def _depths(
    folder: Path,
    number: int,
    boxes: Floats,
    size_wh: tuple[int, int],
    where: Where,
    findings: Findings,
) -> Floats:
    """Measure each head's depth: mean of the buffer over the people's pixels in its box, or NaN."""
    width, height = size_wh
    path = folder / "depth" / f"{number}.raw"
    depth = np.full(len(boxes), np.nan)
    seg = folder / "segs" / f"{number}.raw"
    people = people_in_stencil(seg.read_bytes(), size_wh) if seg.is_file() else None
    if people is None:
        findings.add("bad-stencil", replace(where, file=f"{where.file}".replace("depth", "segs")))
        return depth
    if not path.is_file() or path.stat().st_size != 4 * width * height:
        findings.add("bad-depth", where, detail="no file of this size")
        return depth
    buffer = np.fromfile(path, "<f4").reshape(height, width)
    people &= (buffer > 0) & (buffer < 1)
    corners = np.clip(np.round(boxes), 0, [width, height] * 2).astype(np.int64)
    for row, (x0, y0, x1, y1) in enumerate(corners):
        part = people[y0:y1, x0:x1]
        if part.any():
            depth[row] = buffer_to_metres(buffer[y0:y1, x0:x1][part].mean(keepdims=True))[0]
    return np.where(np.isfinite(depth), np.round(depth * 4096) / 4096, np.nan)
