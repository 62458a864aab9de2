"""GTA-Human II: a .npz of joints per person and sequence.

Layout, after the dataset's readme: `images/seq_<n>/<8 digits>.jpeg` from 0, and
`annotations/seq_<n>/<person>.npz` with `keypoints_2d` (frames, 100, 3) in pixels, `keypoints_3d`
(frames, 100, 4) in metres, `occ` and `self_occ` (frames, 100), `weather`, `daytime` and
`location_tag`. The first joints are head_top, head_center and neck, as in JTA.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.arrays import Columns, Floats
from gtahead.captures.image_files import common_size, note_strange_images, numbered_images
from gtahead.captures.joints.model import Joints, clean_flags, heads_of, persons
from gtahead.captures.numpy_file import numbers_of, read_npz
from gtahead.errors import Where, printable
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, focal_px
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import frame_name
from gtahead.ingest.rows import HeadRows, note_gaps, settle_heads

VFOV_DEG = 50.0
"""The same in all sequences, as the readme says."""

SIZE_WH = (1920, 1080)
"""Of the images, where there are none to look at."""

HEAD_JOINTS = 3
"""head_top, head_center and neck come first of the 100."""

SAME_PX = 2.0
"""Joints in space count as seen by the camera if they project this near to those in pixels."""

_ARRAYS = ("keypoints_2d", "keypoints_3d", "occ", "self_occ", "weather", "daytime", "location_tag")


def _folders(root: Path) -> list[Path]:
    return sorted({path.parent for path in (root / "annotations").glob("seq_*/*.npz")})


def _recognise(root: Path) -> str | None:
    folders = _folders(root)
    if not folders:
        return None
    return f"it holds {printable(folders[0].relative_to(root).as_posix())}/*.npz"


def _list_sequences(root: Path, _findings: Findings) -> list[SequenceSource]:
    return [
        SequenceSource("gta-human", root, folder.name, folder.relative_to(root).as_posix())
        for folder in _folders(root)
    ]


def _people(source: SequenceSource) -> list[Path]:
    return sorted((source.root / source.path).glob("*.npz"))


def _images_folder(source: SequenceSource) -> Path:
    return source.root / "images" / source.name


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    return _people(source), list(numbered_images(_images_folder(source)).values())


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    where = Where(source.path, source.name)
    images = numbered_images(_images_folder(source))
    size_wh = common_size(images) or SIZE_WH
    parts, about = [], dict[str, Any]()
    for number, path in enumerate(_people(source)):
        file = f"{source.path}/{path.name}"
        try:
            arrays = read_npz(path, _ARRAYS)
            parts.append(_joints_of(arrays, _person_id(path, number), file, source, findings))
        except ValueError as error:
            # Without one of its persons no frame of the sequence is whole.
            findings.add("bad-labels-file", Where(file, source.name), detail=str(error))
            raise BrokenSequence from error
        about = about or _about(arrays)
    joints = _joined(parts)
    lost: set[int] = set()
    everyone = persons(joints.frame, joints.person)
    found = heads_of(joints, everyone, where, findings, ledger, lost)
    heads = found.columns() | _depths(found.top, size_wh)
    folder = Path("images", source.name).as_posix()
    note_strange_images(_images_folder(source), Where(folder, source.name), findings)
    numbers = np.array(sorted({*images, *joints.frame.tolist()}), np.int64)
    ledger.frames.came += len(numbers)
    if not len(numbers):
        findings.add("no-frames", where)
        raise BrokenSequence
    note_gaps(numbers, where, findings)
    camera = Camera(VFOV_DEG)
    frames = [
        CapturedFrame(
            frame_name(number),
            None
            if not images
            else f"{folder}/{images[number].name}"
            if number in images
            else f"{folder}/{number:08d}.jpeg",
            camera,
        )
        for number in map(int, numbers)
    ]
    heads["frame_index"] = np.searchsorted(numbers, heads["frame"]).astype(np.int32)
    rows = HeadRows(heads, where, None)
    settled = settle_heads(rows, [camera] * len(frames), size_wh, findings, ledger.heads)
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settled,
        images=bool(images),
        weather=about.get("weather"),
        hour=about.get("hour"),
        location=about.get("location"),
        about={"tool": "GTA-Human II", "licence": "S-Lab licence, as the dataset's authors state"},
        lost_frames=rows.lost_frames | set(np.searchsorted(numbers, sorted(lost)).tolist()),
    )


def _person_id(path: Path, number: int) -> int:
    """Return the id in a file's name; its place among the files where that is no number."""
    digits = re.fullmatch(r"\d{1,15}", path.stem)
    return int(path.stem) if digits else number + 1


def _joints_of(
    arrays: dict[str, Any], person: int, file: str, source: SequenceSource, findings: Findings
) -> Joints:
    """Return the joints of one person's head, (3 n,) rows.

    Raises:
        ValueError: an array is missing, of another shape, or no numbers.
    """
    pixels = numbers_of(arrays, "keypoints_2d", (None, None, 3))
    count, joints = pixels.shape[:2]
    if joints < HEAD_JOINTS:
        raise ValueError(f"keypoints_2d has {joints} joints, not 100")
    space = numbers_of(arrays, "keypoints_3d", (count, joints, 4))
    flags = [numbers_of(arrays, name, (count, joints)) for name in ("occ", "self_occ")]
    where = Where(file, source.name)
    frame, kind = np.divmod(np.arange(count * HEAD_JOINTS), HEAD_JOINTS)
    occluded, self_occluded = (
        clean_flags(values[:, :HEAD_JOINTS].reshape(-1), name, where, findings)
        for values, name in zip(flags, ("occ", "self_occ"), strict=True)
    )
    return Joints(
        frame=frame,
        person=np.full(len(frame), person, np.int64),
        kind=kind,
        xy=pixels[:, :HEAD_JOINTS, :2].reshape(-1, 2),
        xyz=space[:, :HEAD_JOINTS, :3].reshape(-1, 3),
        occluded=occluded,
        self_occluded=self_occluded,
        lines=np.zeros(len(frame), np.int64),
    )


def _joined(parts: list[Joints]) -> Joints:
    names = Joints.__dataclass_fields__
    return Joints(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})


def _depths(top: Joints, size_wh: tuple[int, int]) -> Columns:
    """Return the heads' depths, if the joints in space are as the camera sees them.

    The readme doesn't say what they are relative to: they count as the camera's if they project to
    where the joints in pixels are, z being forward.
    """
    focal = focal_px(VFOV_DEG, size_wh[1])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        seen: Floats = focal * top.xyz[:, :2] / top.xyz[:, 2:] + np.array(size_wh) / 2
        off = np.hypot(*(seen - top.xy).T)
    if not len(off) or not np.nanmedian(np.append(off, np.nan)) <= SAME_PX:
        return {}
    return {"depth_m": np.where(off <= SAME_PX, top.xyz[:, 2], np.nan)}


def _about(arrays: dict[str, Any]) -> dict[str, Any]:
    """Return weather, hour and location, where they are what the readme says."""
    found: dict[str, Any] = {}
    for name, key in (("weather", "weather"), ("location_tag", "location")):
        text = arrays.get(name)
        if text is not None and text.dtype.kind == "U" and text.size == 1 and text.item():
            found[key] = printable(str(text.item()))
    clock = arrays.get("daytime")
    if clock is not None and clock.dtype.kind in "iuf" and clock.shape == (3,):
        hour, minute = float(clock[0]), float(clock[1])
        if 0 <= hour < 24 and 0 <= minute < 60:
            found["hour"] = round(hour + minute / 60, 4)
    return found


GTA_HUMAN = Reader(
    name="gta-human",
    title="GTA-Human II (annotations/seq_<n>/<person>.npz and images)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
