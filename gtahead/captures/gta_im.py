"""GTA-IM: indoor recordings of one character, its joints in one .npz per sequence.

Layout, after the dataset's repository: `<sequence>/<5 digits>.jpg` from 0, depth and instances
beside them as PNG, and `info_frames.npz` with `joints_2d` (frames, 21, 2) in pixels,
`joints_3d_cam` (frames, 21, 3) in metres as the camera sees them, and `intrinsics` (frames, 3, 3).
Joint 0 is head_center, the game's bone SKEL_Head; joint 1 is the neck. The same data stand in
pickles, which are never opened: a pickle can run anything.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gtahead.captures.image_files import common_size
from gtahead.captures.numpy_file import numbers_of, read_npz
from gtahead.errors import Where, printable
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, vertical_fov_deg
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import folders_in, frame_name
from gtahead.ingest.rows import HeadRows, settle_heads

LABELS = "info_frames.npz"
SIZE_WH = (1920, 1080)
CHARACTER = 1
"""Id of the one person who is labelled."""

_ARRAYS = ("joints_2d", "joints_3d_cam", "intrinsics")


def _folders(root: Path) -> list[Path]:
    return [folder for folder in [root, *folders_in(root)] if (folder / LABELS).is_file()]


def _recognise(root: Path) -> str | None:
    folders = _folders(root)
    if not folders:
        return None
    return f"it holds {printable((folders[0] / LABELS).relative_to(root).as_posix())}"


def _list_sequences(root: Path, _findings: Findings) -> list[SequenceSource]:
    folders = _folders(root)
    if folders[:1] == [root]:  # one sequence alone
        return [SequenceSource("gta-im", root.parent, root.name, root.name)]
    return [SequenceSource("gta-im", root, folder.name, folder.name) for folder in folders]


def _images(source: SequenceSource) -> dict[int, Path]:
    """Find the colour images: JPEGs, as depths and instances are PNGs of the same names."""
    found = sorted((source.root / source.path).glob("*.jpg"))
    numbered = [path for path in found if path.stem.isdecimal() and len(path.stem) < 10]
    return {int(path.stem): path for path in numbered}


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    return [source.root / source.path / LABELS], list(_images(source).values())


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    file = f"{source.path}/{LABELS}"
    where = Where(file, source.name)
    try:
        arrays = read_npz(source.root / file, _ARRAYS)
        pixels = numbers_of(arrays, "joints_2d", (None, None, 2))
        count, joints = pixels.shape[:2]
        if joints < 2:
            raise ValueError(f"joints_2d has {joints} joints, not 21")
        space = numbers_of(arrays, "joints_3d_cam", (count, joints, 3))
        intrinsics = numbers_of(arrays, "intrinsics", (count, 3, 3))
    except ValueError as error:
        findings.add("bad-labels-file", where, detail=str(error))
        raise BrokenSequence from error
    images = _images(source)
    size_wh = common_size(images) or SIZE_WH
    numbers = sorted({*range(count), *images})
    ledger.frames.came += len(numbers)
    ledger.heads.came += count
    if not numbers:
        findings.add("no-frames", where)
        raise BrokenSequence
    frames = [
        CapturedFrame(
            frame_name(number),
            None
            if not images
            else f"{source.path}/{number:05d}.jpg"
            if number not in images
            else f"{source.path}/{images[number].name}",
            _camera(float(intrinsics[number, 1, 1]), size_wh) if number < count else None,
            fault=None if number < count else "labels-missing",
        )
        for number in numbers
    ]
    findings.add_each(
        "labels-missing",
        [frame for frame in frames if frame.fault is not None],
        lambda frame: Where(frame.file, source.name, frame.frame),
    )
    rows = HeadRows(
        {
            "frame": np.arange(count),
            "frame_index": np.searchsorted(numbers, np.arange(count)).astype(np.int32),
            "head_id": np.full(count, CHARACTER, np.int64),
            "x": pixels[:, 0, 0],
            "y": pixels[:, 0, 1],
            "neck_x": pixels[:, 1, 0],
            "neck_y": pixels[:, 1, 1],
            "depth_m": space[:, 0, 2],
            "point_kind": np.zeros(count, np.int8),
        },
        where,
        None,
    )
    cameras = [frame.camera for frame in frames]
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settle_heads(rows, cameras, size_wh, findings, ledger.heads),
        images=bool(images),
        about={"tool": "GTA-IM", "licence": "non-commercial research, as its authors state"},
        lost_frames=rows.lost_frames,
    )


def _camera(focal: float, size_wh: tuple[int, int]) -> Camera | None:
    return Camera(vertical_fov_deg(focal, size_wh[1])) if 1 < focal < 1e6 else None


GTA_IM = Reader(
    name="gta-im",
    title="GTA-IM (<sequence>/info_frames.npz and images)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
