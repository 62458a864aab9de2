"""Parts of GCC as its collector leaves them: one camera's images, one folder each.

`part_<scene>_<camera>/` has eyeInfo.log and a folder per image, named by Unix time. In it are
pedInfo.xml (which isn't XML), and for the k-th batch of people `part_<k>_1.bmp`, `part_<k>_0.bmp`
and `part_<k>.raw`: the screen with and without them, and the stencil.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Columns, Floats
from gtahead.captures.image_files import MAX_DIGITS, common_size
from gtahead.errors import Where, printable
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, inside
from gtahead.images.layers import people_in_stencil
from gtahead.images.reading import IMAGE_SUFFIXES, ImageError, read_bytes
from gtahead.ingest.model import (
    SIMULATION,
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    LayerFiles,
    SequenceSource,
    mark_simulated,
)
from gtahead.ingest.names import frame_name
from gtahead.ingest.rows import HeadRows, settle_heads

PED_INFO = "pedInfo.xml"
EYE_INFO = "eyeInfo.log"
AREA_INFO = "areaInfo.log"
Z_HEIGHT = "Zheight.log"
SIZE_WH = (1920, 1080)
BATCH = 180
"""So many people the tool draws at a time, far ones first."""

MAX_M = 1e5
FAILED = -1.0
"""Both coordinates of a head that the game couldn't project."""

PART = re.compile(r"part_(\d+)_(\d+)")
_SHOWN = re.compile(r"part_(0|[1-9]\d*)(_1\.bmp|_0\.bmp|\.raw)", re.IGNORECASE)
_TAG = re.compile(r"<([^<>]*)>")
_PED = re.compile(r"ped id=(\S+)")
_HEAD = re.compile(r"SKEL_Head(?: x=)?(\S+) y=(\S+?)\s*/?")  # one version forgets the ` x=`
_WEATHER = re.compile(r"<weather>\s*(\w+)\s*</weather>")
_TIME = re.compile(r"time hour=(\d{1,2})\s*minutes=(\d{1,2})\s*/?")


@dataclass
class PedInfo:
    """The contents of one pedInfo.xml.

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
    whole: bool = False

    @property
    def people(self) -> int:
        """How many people there were, whatever became of their heads."""
        last = max((number for number, _, _ in self.peds), default=-1)
        return max(len(self.peds) + len(self.faults) + self.off_screen, last + 1)


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
    info = PedInfo()
    begun = False
    ped: str | None = None
    head: re.Match[str] | None = None
    for tag in (match[1].strip() for match in _TAG.finditer(text)):
        if named := _PED.fullmatch(tag):
            if ped is not None:  # the one before was never closed
                _book(info, ped, head)
            ped, head = named[1].strip("\"'"), None
        elif tag == "/ped" and ped is not None:
            _book(info, ped, head)
            ped = None
        elif found := _HEAD.fullmatch(tag):
            if ped is None:
                info.faults.append(("bad-number", "a head outside its ped", tag[:80]))
            head = head or found
        elif tag == "pedSet":
            begun = True
        elif tag == "/pedSet":
            info.whole = begun and ped is None
        elif time := _TIME.fullmatch(tag):
            hour = int(time[1]) + int(time[2]) / 60
            info.hour = round(hour, 4) if 0 <= hour < 24 else None
        elif "ped" in tag.lower() or "skel_head" in tag.lower():
            info.faults.append(("bad-number", "a tag", tag[:80]))
    weather = _WEATHER.search(text)
    info.weather = weather[1] if weather else None
    return info


def _book(info: PedInfo, name: str, head: re.Match[str] | None) -> None:
    """Add one ped to the info: its head, or what is wrong with it."""
    if not name.isascii() or not name.isdecimal() or len(name) > MAX_DIGITS:
        info.faults.append(("bad-number", "ped id", name[:80]))
        return
    if head is None:
        info.faults.append(("no-head-joint", f"ped {name}", ""))
        return
    x, y = _as_float(head[1]), _as_float(head[2])
    if x is None or y is None:
        info.faults.append(("bad-number", f"ped {name}", f"{head[1]}, {head[2]}"[:80]))
    elif x == FAILED and y == FAILED:
        info.off_screen += 1
    else:
        info.peds.append((int(name), x, y))


def _as_float(text: str) -> float | None:
    """Read a number; those that Windows prints for NaN read as NaN."""
    if text.lower().removeprefix("-").startswith(("nan", "1.#")):
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(frozen=True)
class _PartShot:
    """The folder of one image.

    Attributes:
        folder: its path.
        number: its name, a Unix time.
        files: by what they should be called, in small letters: `part_0_1.bmp`.
    """

    folder: Path
    number: int
    files: dict[str, Path]

    @property
    def batches(self) -> list[int]:
        """Numbers of the batches that have a file."""
        return sorted({int(_SHOWN.fullmatch(name)[1]) for name in self.files})  # type: ignore[index]

    def missing(self, people: int) -> str | None:
        """Return the first missing file of an image of so many people; None if all are there."""
        # One batch more than there are files is enough: a wrong number may be of billions.
        most = min(people, BATCH * (len(self.batches) + 1))
        wanted = sorted({*self.batches, *range(0, max(most, 1), BATCH)})
        names = [f"part_{batch}_1.bmp" for batch in wanted]
        if len(wanted) > 1:
            names += [f"part_{batch}.raw" for batch in wanted]
        return next((name for name in names if name not in self.files), None)

    def layers(self, root: Path) -> tuple[LayerFiles, ...]:
        """Return the shots that make up the image; none if a single one shows everybody."""
        batches = self.batches
        if len(batches) < 2:
            return ()

        def relative(name: str) -> str:
            return self.files[name].relative_to(root).as_posix()

        return tuple(
            LayerFiles(
                relative(f"part_{batch}_1.bmp"),
                relative(f"part_{batch}_0.bmp") if f"part_{batch}_0.bmp" in self.files else None,
                relative(f"part_{batch}.raw"),
            )
            for batch in batches
        )


def _folders(folder: Path) -> Iterator[tuple[int, Path]]:
    """Find the folders of one camera's images, in order of time."""
    found = []
    for path in folder.iterdir():
        named = path.name.isascii() and path.name.isdecimal() and len(path.name) <= MAX_DIGITS
        if named and path.is_dir():
            found.append((int(path.name), len(path.name), path))
    for number, _, path in sorted(found):
        yield number, path


def _shots(source: SequenceSource, findings: Findings, ledger: Ledger) -> list[_PartShot]:
    """List a part's images; note what isn't named as the tool names it."""
    shots: dict[int, _PartShot] = {}
    for number, path in _folders(source.root / source.path):
        ledger.frames.came += 1
        where = Where(f"{source.path}/{path.name}", source.name, frame_name(number))
        if number in shots:
            findings.add("duplicate-frame", where)
            ledger.frames.drop("duplicate-frame")
            continue
        files: dict[str, Path] = {}
        for file in sorted(path.iterdir()):
            if _SHOWN.fullmatch(file.name):
                files.setdefault(file.name.lower(), file)
            elif file.suffix.lower() in IMAGE_SUFFIXES:
                location = replace(where, file=f"{where.file}/{printable(file.name)}")
                findings.add("image-not-used", location)
        shots[number] = _PartShot(path, number, files)
    return list(shots.values())


def inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    """List the files that a part's labels depend on (stencils too), and its images."""
    folder = source.root / source.path
    labels = [folder / name for name in (EYE_INFO, AREA_INFO, Z_HEIGHT, SIMULATION)]
    images: list[Path] = []
    for _, shot in _folders(folder):
        labels.append(shot / PED_INFO)
        labels += sorted(path for path in shot.iterdir() if path.suffix.lower() == ".raw")
        images += sorted(path for path in shot.iterdir() if path.suffix.lower() == ".bmp")
    return [path for path in labels if path.is_file()], images


def read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    """Read a part."""
    folder = source.root / source.path
    whole = Where(source.path, source.name)
    camera = _camera(folder / EYE_INFO, replace(whole, file=f"{source.path}/{EYE_INFO}"), findings)
    ground = _ground_height(folder / Z_HEIGHT, whole, findings)
    polygon = _polygon(folder / AREA_INFO, whole, findings)
    shots = _shots(source, findings, ledger)
    if not shots:
        findings.add("no-frames", whole)
        raise BrokenSequence
    shown = {
        shot.number: path
        for shot in shots
        for name, path in sorted(shot.files.items(), reverse=True)
        if name.endswith("_1.bmp")
    }  # the far people's, where there are several: it comes last
    size_wh = common_size(shown) or SIZE_WH
    frames, tables, lost = [], [], set()
    for index, shot in enumerate(shots):
        file = f"{source.path}/{shot.folder.name}/{PED_INFO}"
        where = replace(whole, file=file, frame=frame_name(shot.number))
        info, fault = _ped_info(shot, where, findings, ledger)
        image, layers, complete = _image(source, shot, info.people)
        if shown and fault is None and not complete:
            fault = "image-missing"
            findings.add(fault, replace(where, file=image))
        frames.append(
            CapturedFrame(
                frame_name(shot.number),
                image if shown else None,
                camera,
                fault=fault,
                layers=layers,
                ground_m=ground,
                weather=info.weather,
                hour=info.hour,
            )
        )
        hidden = _hidden(shot, info, size_wh, where, findings)
        tables.append(_columns(info, hidden, shot.number, index, size_wh))
        if info.faults:
            lost.add(index)
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    ledger.heads.came += len(columns["head_id"])
    off_screen = ledger.heads.dropped.get("not-projected", 0)
    if off_screen:
        findings.add("not-projected", whole, detail=f"{off_screen} of them")
    rows = HeadRows(columns, whole, None)
    sequence = CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settle_heads(rows, [camera] * len(frames), size_wh, findings, ledger.heads),
        images=bool(shown),
        location=f"scene_{PART.fullmatch(source.name)[1]}",  # type: ignore[index]
        about={"tool": "GCC-CL", **polygon},
        lost_frames=rows.lost_frames | lost,
    )
    mark_simulated(sequence, folder)
    return sequence


def _image(
    source: SequenceSource, shot: _PartShot, people: int
) -> tuple[str, tuple[LayerFiles, ...], bool]:
    """Return a frame's image, its layers, and whether all of them are there.

    If one is missing, that file is returned: some people are labelled and not shown.
    """
    missing = shot.missing(people)
    path = shot.folder / missing if missing else shot.files["part_0_1.bmp"]
    file = path.relative_to(source.root).as_posix()
    return file, () if missing else shot.layers(source.root), missing is None


def _camera(path: Path, where: Where, findings: Findings) -> Camera | None:
    """Read eyeInfo.log: position, rotation and field of view, one line each."""
    try:
        numbers = [float(word) for word in path.read_text(encoding="utf-8").split()]
    except (OSError, ValueError):
        numbers = []
    if len(numbers) != 7 or not np.isfinite(numbers).all() or not 1 <= numbers[6] <= 179:
        detail = "three lines are wanted: position, rotation, field of view from 1 to 179"
        findings.add("camera-unknown", where, detail=detail)
        return None
    x, y, z, pitch, roll, yaw, vfov = numbers
    return Camera(vfov, (x, y, z), (pitch, roll, yaw))


def _ground_height(path: Path, where: Where, findings: Findings) -> float | None:
    """Read Zheight.log: the height at which the tool sets people down."""
    if not path.is_file():
        return None
    try:
        height = float(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        height = float("inf")
    if abs(height) < MAX_M:
        return height
    findings.add("ground-unknown", replace(where, file=f"{where.file}/{path.name}"))
    return None


def _polygon(path: Path, where: Where, findings: Findings) -> dict[str, list[list[float]]]:
    """Read areaInfo.log, the polygon on the ground where people stand: n, then n lines x y."""
    if not path.is_file():
        return {}
    try:
        words = path.read_text(encoding="utf-8").split()
        count, *values = map(float, words)
        corners = np.array(values).reshape(-1, 2)
        if len(corners) == count and np.isfinite(corners).all():
            return {"ground_polygon_m": corners.tolist()}
    except (OSError, ValueError):
        pass
    findings.add("ground-unknown", replace(where, file=f"{where.file}/{path.name}"))
    return {}


def _ped_info(
    shot: _PartShot, where: Where, findings: Findings, ledger: Ledger
) -> tuple[PedInfo, str | None]:
    """Read an image's labels, and the fault that sets it aside, if there is one."""
    path = shot.folder / PED_INFO
    if not path.is_file():
        findings.add("labels-missing", where)
        return PedInfo(), "labels-missing"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        findings.add("bad-frame-labels", where, detail=str(error).partition(":")[0])
        return PedInfo(), "bad-frame-labels"
    info = parse_ped_info(text)
    for code, words, value in info.faults:
        findings.add(code, replace(where, field=words), value or None)
    ledger.heads.came += len(info.faults) + info.off_screen
    for code, _, _ in info.faults:
        ledger.heads.drop(code)
    ledger.heads.drop("not-projected", info.off_screen)
    if info.whole:
        return info, None
    findings.add("bad-frame-labels", where, detail="they break off before </pedSet>")
    return info, "bad-frame-labels"


def _hidden(
    shot: _PartShot, info: PedInfo, size_wh: tuple[int, int], where: Where, findings: Findings
) -> npt.NDArray[np.int8]:
    """Return whose head is hidden by scenery: 1 where no stencil shows people there.

    -1 outside the image, and everywhere where a stencil can't be read or shows nobody at all.
    """
    width, height = size_wh
    hidden = np.full(len(info.peds), -1, np.int8)
    if not shot.batches or not info.peds:
        return hidden
    points = np.array([ped[1:] for ped in info.peds]) * size_wh
    here = ((points >= 0) & (points < size_wh)).all(axis=1)
    people = np.zeros((height, width), np.bool_)
    for batch in shot.batches:
        name = f"part_{batch}.raw"
        mask = _people(shot.files.get(name), size_wh)
        if mask is None:
            location = f"{Path(where.file or '').parent.as_posix()}/{name}"
            findings.add("bad-stencil", replace(where, file=location))
            return hidden
        people |= mask
    if here.any() and not people.any():
        findings.add("bad-stencil", where, detail="it shows nobody")
        return hidden
    column, row = np.floor(points[here]).astype(np.int64).T
    hidden[here] = ~people[row, column]
    return hidden


def _people(path: Path | None, size_wh: tuple[int, int]) -> Booleans | None:
    try:
        return None if path is None else people_in_stencil(read_bytes(path), size_wh)
    except ImageError:
        return None


def _columns(
    info: PedInfo, hidden: npt.NDArray[np.int8], number: int, index: int, size_wh: tuple[int, int]
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
    """Write what a part says about its location: eyeInfo.log, Zheight.log, areaInfo.log.

    Args:
        folder: of the part.
        camera: with position and rotation.
        ground_m: height of the ground, z.
        polygon_m: (n, 2) corners on the ground.
    """
    lines = (camera.position_m or (), camera.rotation_deg or (), (camera.vfov_deg,))
    text = "\n".join(" ".join(f"{value:.6f}" for value in line) for line in lines)
    (folder / EYE_INFO).write_text(text + "\n", encoding="utf-8", newline="")
    (folder / Z_HEIGHT).write_text(f"{ground_m:g}\n", encoding="utf-8", newline="")
    area = "".join(f"{x:g} {y:g}\n" for x, y in polygon_m.tolist())
    (folder / AREA_INFO).write_text(f"{len(polygon_m)}\n{area}", encoding="utf-8", newline="")


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
    (shot / PED_INFO).write_text(text, encoding="utf-8", newline="")
