"""GCC, the crowd counting tool: as its collector leaves a capture, and as its labeler does.

Collector: `part_<scene>_<camera>/` with eyeInfo.log and a folder an image, named by Unix time. In
it are pedInfo.xml (which isn't XML), and for the k-th batch of people `part_<k>_1.bmp`,
`part_<k>_0.bmp` and `part_<k>.raw`: the screen with and without them, and the stencil. Labeler:
`scene_<a>_<b>/`, see `gcc_scene`. Heads are points, of the bone SKEL_Head.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from gtahead.captures import gcc_scene
from gtahead.captures.capture import (
    SIMULATION,
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    HeadRows,
    LayerFiles,
    Reader,
    SequenceSource,
    frame_name,
    mark_simulated,
    settle_heads,
)
from gtahead.captures.picture_files import MOST_DIGITS, common_size
from gtahead.dataset.tabular import Columns
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, Floats, inside
from gtahead.pictures import people_in_stencil

PED_INFO = "pedInfo.xml"
EYE_INFO = "eyeInfo.log"
AREA_INFO = "areaInfo.log"
Z_HEIGHT = "Zheight.log"
SIZE_WH = (1920, 1080)
FARTHEST_M = 1e5
FAILED = -1.0
"""Both coordinates of a head that the game couldn't project."""

_PART = re.compile(r"part_(\d+)_(\d+)")
_BATCH = re.compile(r"part_(\d+)_1\.bmp", re.IGNORECASE)
_PED = re.compile(r"<ped id=([^>]*)>(.*?)</ped>", re.DOTALL)
_HEAD = re.compile(r"<SKEL_Head(?: x=)?(\S+) y=(\S+?)\s*/>")  # one version forgets the ` x=`
_WEATHER = re.compile(r"<weather>\s*(\w+)\s*</weather>")
_TIME = re.compile(r"<time hour=(\d+)\s*minutes=(\d+)")


def _recognise(root: Path) -> str | None:
    for folder in _parts(root):
        if (folder / EYE_INFO).is_file() or any(folder.glob(f"*/{PED_INFO}")):
            return f"{folder.name}/ holds {EYE_INFO} or {PED_INFO}"
    scenes = [folder for folder in gcc_scene.scenes(root) if not gcc_scene.has_boxes(folder)]
    return f"{scenes[0].name}/ holds {gcc_scene.labels_of(scenes[0])}" if scenes else None


def _parts(root: Path) -> list[Path]:
    return sorted(
        folder for folder in root.iterdir() if _PART.fullmatch(folder.name) and folder.is_dir()
    )


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    del findings  # other folders are the collector's own
    scenes = [folder for folder in gcc_scene.scenes(root) if not gcc_scene.has_boxes(folder)]
    return [
        SequenceSource("gcc", root, folder.name, folder.name) for folder in [*_parts(root), *scenes]
    ]


def _shots(folder: Path) -> list[Path]:
    """Find the folders of one camera's images, in the order of time."""
    found = [path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal()]
    return sorted(
        (path for path in found if len(path.name) <= MOST_DIGITS), key=lambda path: int(path.name)
    )


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    folder = source.root / source.path
    if not _PART.fullmatch(source.name):
        return gcc_scene.inputs(folder)
    labels = [folder / name for name in (EYE_INFO, AREA_INFO, Z_HEIGHT, SIMULATION)]
    pictures: list[Path] = []
    for shot in _shots(folder):
        labels.append(shot / PED_INFO)
        pictures += sorted(path for path in shot.iterdir() if path.suffix in (".bmp", ".raw"))
    return [path for path in labels if path.is_file()], pictures


@dataclass
class PedInfo:
    """What one pedInfo.xml says.

    Attributes:
        peds: id and normalised position of each head.
        faults: what is wrong with a ped: finding's code, words, value.
        off_screen: how many heads the game couldn't project.
        whole: False where the file breaks off.
    """

    peds: list[tuple[int, float, float]] = field(default_factory=list)
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    off_screen: int = 0
    weather: str | None = None
    hour: float | None = None
    whole: bool = True


def parse_ped_info(text: str) -> PedInfo:
    """Read a pedInfo.xml, which is not XML: unquoted attributes, several roots.

    Example:
        >>> info = parse_ped_info(
        ...     "<pedSet><ped id=0> <SKEL_Head x=0.25 y=0.5 /></ped></pedSet>"
        ...     "<weather>RAIN</weather><time hour=11minutes=30 />"
        ... )
        >>> info.peds, info.weather, info.hour
        ([(0, 0.25, 0.5)], 'RAIN', 11.5)
    """
    info = PedInfo(whole="</pedSet>" in text)
    for match in _PED.finditer(text):
        head = _HEAD.search(match[2])
        name = match[1].strip()
        if not name.isascii() or not name.isdecimal() or len(name) > MOST_DIGITS:
            info.faults.append(("bad-number", "ped id", name))
        elif head is None:
            info.faults.append(("no-head-joint", f"ped {name}", ""))
        else:
            x, y = _as_float(head[1]), _as_float(head[2])
            if x is None or y is None:
                info.faults.append(("bad-number", f"ped {name}", f"{head[1]}, {head[2]}"))
            elif x == FAILED and y == FAILED:
                info.off_screen += 1
            else:
                info.peds.append((int(name), x, y))
    weather, time = _WEATHER.search(text), _TIME.search(text)
    info.weather = weather[1] if weather else None
    hour = int(time[1][:4]) + int(time[2][:4]) / 60 if time else -1.0
    info.hour = round(hour, 4) if 0 <= hour < 24 else None
    return info


def _as_float(text: str) -> float | None:
    """Read a number; those that Windows prints for NaN read as NaN."""
    if text.lower().removeprefix("-").startswith(("nan", "1.#")):
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    if not _PART.fullmatch(source.name):
        return gcc_scene.read(source, findings, ledger)
    folder = source.root / source.path
    camera = _camera(folder / EYE_INFO, Where(f"{source.path}/{EYE_INFO}", source.name), findings)
    ground = _ground_height(folder / Z_HEIGHT)
    shots = _shots(folder)
    ledger.frames.came += len(shots)
    if not shots:
        findings.add("no-frames", Where(source.path, source.name))
        raise BrokenSequence
    batches = [_batches(shot) for shot in shots]
    first = [numbers[min(numbers)] for numbers in batches if numbers]
    size_wh = common_size(dict(enumerate(first))) or SIZE_WH
    frames, tables = [], []
    for index, shot in enumerate(shots):
        where = Where(f"{source.path}/{shot.name}/{PED_INFO}", source.name)
        where = replace(where, frame=frame_name(int(shot.name)))
        info = _ped_info(shot, where, findings, ledger)
        layers = _layers(source, shot, batches[index])
        fault = None
        if info is None:
            fault = "labels-missing" if not (shot / PED_INFO).is_file() else "bad-frame-labels"
        elif not info.whole:
            fault = "labels-cut-short"
            findings.add(fault, where)
        frames.append(
            CapturedFrame(
                frame_name(int(shot.name)),
                _shown(source, shot, layers) if first else None,
                camera,
                fault=fault,
                layers=tuple(layers) if len(layers) > 1 else (),
                ground_m=ground,
                weather=info.weather if info else None,
                hour=info.hour if info else None,
            )
        )
        if info is not None:
            hidden = _hidden(shot, batches[index], info, size_wh, where, findings)
            tables.append(_columns(info, hidden, int(shot.name), index, size_wh))
    tables = tables or [_columns(PedInfo(), np.empty(0, np.int8), 0, 0, size_wh)]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    ledger.heads.came += len(columns["head_id"])
    off_screen = ledger.heads.dropped.get("not-projected", 0)
    if off_screen:
        place = Where(source.path, source.name)
        findings.add("not-projected", place, detail=f"{off_screen} of them")
    rows = HeadRows(columns, Where(source.path, source.name), None)
    sequence = CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settle_heads(rows, [camera] * len(frames), size_wh, findings, ledger.heads),
        pictures=bool(first),
        location=f"scene_{_PART.fullmatch(source.name)[1]}",  # type: ignore[index]
        about={"tool": "GCC-CL", **_polygon(folder / AREA_INFO)},
    )
    mark_simulated(sequence, folder)
    return sequence


def _camera(path: Path, where: Where, findings: Findings) -> Camera | None:
    """Read eyeInfo.log: position, rotation, field of view, a line each."""
    try:
        numbers = [float(word) for word in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        numbers = []
    if len(numbers) != 7 or not np.isfinite(numbers).all() or not 0 < numbers[6] < 180:
        findings.add("camera-unknown", where, detail="seven numbers are wanted")
        return None
    x, y, z, pitch, roll, yaw, vfov = numbers
    return Camera(vfov, (x, y, z), (pitch, roll, yaw))


def _ground_height(path: Path) -> float | None:
    """Read Zheight.log: the height at which the tool sets people down."""
    try:
        height = float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return height if abs(height) < FARTHEST_M else None


def _polygon(path: Path) -> dict[str, list[list[float]]]:
    """Read areaInfo.log, the polygon on the ground where people stand: n, then n lines x y."""
    try:
        words = path.read_text(encoding="utf-8").split()
        count, *values = map(float, words)
        corners = np.array(values).reshape(-1, 2)
    except (OSError, ValueError):
        return {}
    fine = len(corners) == count and np.isfinite(corners).all()
    return {"ground_polygon_m": corners.tolist()} if fine else {}


def _batches(shot: Path) -> dict[int, Path]:
    found = ((_BATCH.fullmatch(path.name), path) for path in sorted(shot.iterdir()))
    return {int(match[1]): path for match, path in found if match and len(match[1]) <= MOST_DIGITS}


def _layers(source: SequenceSource, shot: Path, batches: dict[int, Path]) -> list[LayerFiles]:
    def relative(path: Path) -> str:
        return path.relative_to(source.root).as_posix()

    layers = []
    for number in sorted(batches):
        empty = shot / f"part_{number}_0.bmp"
        layers.append(
            LayerFiles(
                relative(batches[number]),
                relative(empty) if empty.is_file() else None,
                relative(shot / f"part_{number}.raw"),
            )
        )
    return layers


def _shown(source: SequenceSource, shot: Path, layers: list[LayerFiles]) -> str:
    missing = (shot / "part_0_1.bmp").relative_to(source.root).as_posix()
    return layers[0].shown if layers else missing


def _ped_info(shot: Path, where: Where, findings: Findings, ledger: Ledger) -> PedInfo | None:
    path = shot / PED_INFO
    if not path.is_file():
        findings.add("labels-missing", where)
        return None
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        findings.add("bad-frame-labels", where, detail=f"not text, at byte {error.start}")
        return None
    info = parse_ped_info(text)
    for code, words, value in info.faults:
        findings.add(code, replace(where, field=words), value or None)
    ledger.heads.came += len(info.faults) + info.off_screen
    for code, _, _ in info.faults:
        ledger.heads.drop(code)
    ledger.heads.drop("not-projected", info.off_screen)
    return info


def _hidden(
    shot: Path,
    batches: dict[int, Path],
    info: PedInfo,
    size_wh: tuple[int, int],
    where: Where,
    findings: Findings,
) -> np.ndarray[tuple[int], np.dtype[np.int8]]:
    """Say whose head is hidden by scenery: 1 where no stencil shows people there, -1 outside."""
    width, height = size_wh
    hidden = np.full(len(info.peds), -1, np.int8)
    people = np.zeros((height, width), np.bool_)
    for number in sorted(batches):
        path = shot / f"part_{number}.raw"
        mask = people_in_stencil(path.read_bytes(), size_wh) if path.is_file() else None
        if mask is None:
            findings.add(
                "bad-stencil", replace(where, file=f"{Path(where.file or '').parent}/{path.name}")
            )
            return hidden
        people |= mask
    if not batches or not info.peds:
        return hidden
    points = np.array([ped[1:] for ped in info.peds]) * size_wh
    here = ((points >= 0) & (points < size_wh)).all(axis=1)
    column, row = np.floor(points[here]).astype(np.int64).T
    hidden[here] = ~people[row, column]
    return hidden


def _columns(
    info: PedInfo,
    hidden: np.ndarray[tuple[int], np.dtype[np.int8]],
    number: int,
    index: int,
    size_wh: tuple[int, int],
) -> Columns:
    count = len(info.peds)
    points = np.array([ped[1:] for ped in info.peds], np.float64).reshape(-1, 2) * size_wh
    return {
        "frame": np.full(count, number, np.int64),
        "head_id": np.array([ped[0] for ped in info.peds], np.int64),
        "x": points[:, 0],
        "y": points[:, 1],
        "occluded": hidden,
        "point_kind": np.zeros(count, np.int8),
        "frame_index": np.full(count, index, np.int32),
    }


def write_part_info(folder: Path, camera: Camera, ground_m: float, polygon_m: Floats) -> None:
    """Write what a part says of its place: eyeInfo.log, Zheight.log, areaInfo.log.

    Args:
        folder: of the part.
        camera: with position and rotation.
        ground_m: height of the ground, z.
        polygon_m: (n, 2) corners on the ground.
    """
    lines = (camera.position_m or (), camera.rotation_deg or (), (camera.vfov_deg,))
    text = "\n".join(" ".join(f"{value:.6f}" for value in line) for line in lines)
    (folder / EYE_INFO).write_text(text + "\n", encoding="utf-8")
    (folder / Z_HEIGHT).write_text(f"{ground_m:g}\n", encoding="utf-8")
    area = "".join(f"{x:g} {y:g}\n" for x, y in polygon_m.tolist())
    (folder / AREA_INFO).write_text(f"{len(polygon_m)}\n{area}", encoding="utf-8")


def write_ped_info(
    shot: Path, bones_xy: Floats, size_wh: tuple[int, int], weather: str, hour: float
) -> None:
    """Write a pedInfo.xml as the tool does: quotes and a space missing, ids from 0.

    Args:
        shot: folder of the image.
        bones_xy: (N, 2) pixels of SKEL_Head; those off screen are written as the game's failure.
        size_wh: of the image.
        weather: as the game names it.
        hour: from 0 to 24.
    """
    on_screen = inside(bones_xy, size_wh)
    share = np.where(on_screen[:, None], bones_xy / size_wh, FAILED)
    peds = "".join(
        f"    <ped id={number}>\n        <SKEL_Head x={x:.6f} y={y:.6f} />\n</ped>\n"
        for number, (x, y) in enumerate(share.tolist())
    )
    minutes = round(hour * 60) % (24 * 60)
    text = f"<pedSet>\n{peds}</pedSet>\n<weather>{weather}</weather>\n"
    text += f"<time hour={minutes // 60}minutes={minutes % 60} />\n"
    (shot / PED_INFO).write_text(text, encoding="utf-8")


GCC = Reader(
    name="gcc",
    title="GCC captures (part_<scene>_<camera> or scene_<a>_<b>)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
