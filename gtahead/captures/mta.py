"""MTA, a fork of JTA-Mods that films one location with six cameras: one sequence per camera.

Layout: `{train,test}/cam_<c>/coords_cam_<c>.csv` and `image_<frame>_<c>.jpg`, counted from 0.
The same person has one id in all cameras. The file's boxes are of whole persons, so not read.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from gtahead.captures.image_files import note_strange_images, numbered_images
from gtahead.captures.joints.csv_file import JointCsv, JointFile, read_joint_file
from gtahead.captures.joints.csv_sequence import read_sequence
from gtahead.errors import InputError, Where, printable
from gtahead.findings import Findings, Ledger
from gtahead.ingest.model import CapturedSequence, Reader, SequenceSource
from gtahead.ingest.names import folders_in, frame_name
from gtahead.tables.csv import Kind

LAYOUT = JointCsv(
    ids=("frame_no_cam", "person_id", "joint_type"),
    pixels=("x_2D_joint", "y_2D_joint"),
    metres=("x_3D_joint", "y_3D_joint", "z_3D_joint"),
    flags=("joint_occluded", "joint_self_occluded"),
    camera=("x_3D_cam", "y_3D_cam", "z_3D_cam", "x_rot_cam", "y_rot_cam", "z_rot_cam", "fov"),
    extra={
        "ped_type": Kind.FLOAT,
        "hours_gta": Kind.FLOAT,
        "minutes_gta": Kind.FLOAT,
        "seconds_gta": Kind.FLOAT,
    },
)
ANIMAL = 28
LOCATION = "MTA"
"""All cameras look at one location: no two of them may be in different splits."""

_FILE = re.compile(r"coords_cam_(\d+)\.csv")
_CAMERA = re.compile(r"cam_\d+")
_SPLITS = {"train": "train", "val": "validation", "test": "test"}


def _files(root: Path) -> list[Path]:
    patterns = ["coords_cam_*.csv", "*/coords_cam_*.csv"]
    patterns += [f"{split}/*/coords_cam_*.csv" for split in _SPLITS]
    found = [path for pattern in patterns for path in root.glob(pattern)]
    fine = (path for path in found if _FILE.fullmatch(path.name) and not _is_hidden(path, root))
    return sorted(fine)


def _is_hidden(path: Path, root: Path) -> bool:
    """Return whether a file is in a hidden folder, or its path has unprintable characters."""
    relative = path.relative_to(root)
    return any(part.startswith(".") or printable(part) != part for part in relative.parts)


def _recognise(root: Path) -> str | None:
    files = _files(root)
    return f"it holds {files[0].relative_to(root).as_posix()}" if files else None


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    _note_unlabelled(root, findings)
    sources: dict[str, SequenceSource] = {}
    for path in _files(root):
        relative = path.relative_to(root)
        split = relative.parts[0] if relative.parts[0] in _SPLITS else None
        camera = f"cam_{_FILE.fullmatch(path.name)[1]}"  # type: ignore[index]
        name = camera if split is None else f"{split}_{camera}"
        if name in sources:
            raise InputError(
                "two files are of the same camera",
                where=Where(relative.as_posix()),
                value=sources[name].path,
                remedy="give the folder of one recording",
            )
        sources[name] = SequenceSource(
            "mta", root, name, relative.as_posix(), _SPLITS.get(split or "")
        )
    return list(sources.values())


def _note_unlabelled(root: Path, findings: Findings) -> None:
    """Note cameras' folders without a file of joints."""
    for base in (root, *(root / split for split in _SPLITS)):
        for folder in folders_in(base) if base.is_dir() else ():
            if _CAMERA.fullmatch(folder.name) and not any(map(_FILE.fullmatch, _names(folder))):
                location = Where(printable(folder.relative_to(root).as_posix()))
                findings.add("no-labels-file", location, detail="coords_cam_<c>.csv")


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _image_name(source: SequenceSource) -> re.Pattern[str]:
    """Return the pattern of the names that the tool gives to a camera's images."""
    camera = source.name.rpartition("_")[2]
    return re.compile(rf"image_(\d+)_{camera}")


def _images(source: SequenceSource) -> dict[int, Path]:
    return numbered_images((source.root / source.path).parent, _image_name(source))


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    return [source.root / source.path], list(_images(source).values())


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    where = Where(source.path, source.name)
    file = read_joint_file(source.root / source.path, LAYOUT, where, findings, ledger)
    file = _without_animals(file, findings, ledger)
    folder = (source.root / source.path).parent
    location = Where(Path(source.path).parent.as_posix(), source.name)
    note_strange_images(folder, location, findings, _image_name(source))
    sequence = read_sequence(source, file, LAYOUT, _images(source), findings, ledger)
    hours = _hours(file)
    sequence.frames = [
        replace(frame, hour=hours.get(int(frame.frame))) for frame in sequence.frames
    ]
    sequence.location = LOCATION
    sequence.about = {"tool": "MTA", "licence": "CC BY-NC 4.0, as the dataset's authors state"}
    return sequence


def _without_animals(file: JointFile, findings: Findings, ledger: Ledger) -> JointFile:
    animal = file.columns.get("ped_type", np.zeros(len(file.lines))) == ANIMAL
    if not animal.any():
        return file
    pairs = np.stack([file.columns[name][animal] for name in LAYOUT.ids[:2]], axis=1)
    found = np.unique(pairs, axis=0)
    position = replace(
        file.where,
        frame=frame_name(int(found[0, 0])),
        head=int(found[0, 1]),
        field=f"line {file.lines[int(np.argmax(animal))]}, ped_type",
    )
    findings.add("not-a-person", position, ANIMAL, total=len(found))
    ledger.heads.came += len(found)
    ledger.heads.drop("not-a-person", len(found))
    columns = {name: values[~animal] for name, values in file.columns.items()}
    return JointFile(file.where, columns, file.lines[~animal], file.cut_at, file.lost)


def _hours(file: JointFile) -> dict[int, float]:
    """Return for each frame the hour of its first row, as the game's clock has it."""
    if "hours_gta" not in file.columns:
        return {}
    frames, first = np.unique(file.columns[LAYOUT.ids[0]], return_index=True)
    unknown = np.zeros(len(file.lines))
    minutes = file.columns.get("minutes_gta", unknown) / 60
    seconds = file.columns.get("seconds_gta", unknown) / 3600
    hours = (file.columns["hours_gta"] + minutes + seconds)[first]
    return {
        int(frame): round(float(hour), 4)
        for frame, hour in zip(frames, hours, strict=True)
        if 0 <= hour < 24
    }


MTA = Reader(
    name="mta",
    title="MTA recordings (cam_<c>/coords_cam_<c>.csv)",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
