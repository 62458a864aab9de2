"""gtahead's own capture, version 1: a folder per sequence, with sequence.json and heads.csv."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gtahead import schemas, storage
from gtahead.arrays import Columns
from gtahead.errors import InputError, Where, printable
from gtahead.findings import Finding, Findings, Ledger
from gtahead.geometry import Camera
from gtahead.images.reading import IMAGE_SUFFIXES
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import frame_name
from gtahead.ingest.rows import HeadRows, frames_around, frames_within, note_gaps, settle_heads
from gtahead.origins import origin_in
from gtahead.tables.canonical import CAPTURED
from gtahead.tables.csv import Kind, TableRead, cell_texts, read_csv, read_parquet, write_csv
from gtahead.tables.splits import SPLITS_BY_WORD

FORMAT = "gtahead-capture"
VERSION = 1
SEQUENCE = "sequence.json"
IMAGES = "frames"

HEAD_KINDS: Mapping[str, Kind] = {
    "frame": Kind.ID,
    "ped_id": Kind.ID,
    **dict.fromkeys(
        ["x", "y", "depth_m", "distance_m", "world_x_m", "world_y_m", "world_z_m"]
        + ["top_x", "top_y", "neck_x", "neck_y", "top_neck_m"]
        + ["box_x0", "box_y0", "box_x1", "box_y1", "visibility"],
        Kind.FLOAT,
    ),
    "occluded": Kind.FLAG,
    "self_occluded": Kind.FLAG,
    "ignore": Kind.FLAG,
}
_REQUIRED = ("frame", "ped_id", "x", "y")
_CANONICAL = {"ped_id": "head_id"} | {f"box_{c}": f"captured_{c}" for c in ("x0", "y0", "x1", "y1")}
_ABOUT = ("tool", "licence", "game_build", "seed")


def without_description(root: Path) -> Path | None:
    """Return a folder that has our table of heads, but not the file that describes it."""
    for folder in (root, *sorted(root.iterdir())):
        if folder.is_dir() and _heads_files(folder) and not (folder / SEQUENCE).is_file():
            return folder
    return None


def _recognise(root: Path) -> str | None:
    if (root / SEQUENCE).is_file():
        return f"it holds {SEQUENCE}"
    for folder in sorted(root.iterdir()):
        if (folder / SEQUENCE).is_file():
            return f"{folder.name}/ holds {SEQUENCE}"
    return None


def _list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
    if (root / SEQUENCE).is_file():
        folder = root.resolve()
        return _sources([folder])
    folders = []
    for folder in sorted(root.iterdir()):
        if folder.name.startswith(storage.ASIDE):
            continue  # being written
        if not (folder / SEQUENCE).is_file():
            if folder.is_dir() and not folder.name.startswith("."):
                findings.add("no-sequence-file", Where(printable(folder.name)))
        else:
            folders.append(folder)
    return _sources(folders)


def _sources(folders: list[Path]) -> list[SequenceSource]:
    return [SequenceSource("native", one.parent, one.name, one.name) for one in folders]


def _heads_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "heads.csv", folder / "heads.parquet") if path.is_file()]


def _inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
    folder = source.root / source.path
    labels = [folder / SEQUENCE, *_heads_files(folder)]
    try:
        document = schemas.parse_json((folder / SEQUENCE).read_bytes(), SEQUENCE)
        files = {row["file"] for row in document["frames"]}
    except (InputError, KeyError, TypeError):  # a broken sequence is known by its labels
        return labels, []
    named = [file for file in files if isinstance(file, str) and storage.is_safe_relative(file)]
    return labels, [folder / file for file in named]


def _read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
    document = _read_document(source, findings)
    sequence = _read_frames(source, document, findings, ledger)
    _note_unlisted(source, document, findings)
    table, file = _read_heads_table(source, findings)
    ledger.heads.came += table.rows_in_file
    where = Where(file, source.name)
    for fault in table.ragged:
        location = Where(file, source.name, field=f"line {fault.line}")
        findings.add("ragged-row", location, detail=fault.text)
        ledger.heads.drop("ragged-row")
    _note_cells(table, where, findings, ledger)
    numbers = np.array([int(frame.frame) for frame in sequence.frames], np.int64)
    columns = {_CANONICAL.get(name, name): values for name, values in table.columns.items()}
    corners = [name for name in CAPTURED if name in columns]
    for name in corners if len(corners) < len(CAPTURED) else ():
        column = name.replace("captured", "box")
        findings.add("unknown-column", where, column, "a box needs all four of its columns")
        del columns[name]
    index = np.searchsorted(numbers, columns["frame"])
    index[index == len(numbers)] = 0
    known = numbers[index] == columns["frame"] if len(numbers) else np.zeros(len(index), np.bool_)
    columns["frame_index"] = np.where(known, index, -1).astype(np.int32)
    rows = HeadRows(columns, where, table.lines)
    path = source.root / file

    def spelt(name: str, shown: list[int]) -> Mapping[int, object]:
        if rows.lines is None or path.suffix != ".csv":
            return {row: float(rows.columns[name][row]) for row in shown}
        words = cell_texts(path, name, [int(rows.lines[row]) for row in shown], file)
        return {row: words.get(int(rows.lines[row])) for row in shown}

    cameras = [frame.camera for frame in sequence.frames]
    sequence.heads = settle_heads(rows, cameras, sequence.size_wh, findings, ledger.heads, spelt)
    around = frames_around(table.lost, table.lines, table.columns["frame"])
    sequence.lost_frames = rows.lost_frames | frames_within(around, numbers)
    return sequence


def _read_document(source: SequenceSource, findings: Findings) -> dict[str, Any]:
    file = f"{source.path}/{SEQUENCE}"
    where = Where(file, source.name)
    try:
        document = schemas.parse_json((source.root / file).read_bytes(), file)
    except InputError as error:
        location = error.where or where
        findings.add("bad-json", replace(where, field=location.field), detail=error.what)
        raise BrokenSequence from error
    if isinstance(document, dict) and document.get("format") == FORMAT:
        version = document.get("version")
        if version != VERSION:
            findings.add("unknown-version", replace(where, field="version"), version)
            raise BrokenSequence
    faults = [
        Finding("bad-schema", replace(where, field=pointer), detail=message)
        for pointer, message in schemas.faults(document, "capture-sequence")
    ]
    if faults:
        findings.add_many("bad-schema", 1, faults[:1])
        raise BrokenSequence
    if not document["frames"]:
        findings.add("no-frames", replace(where, field="frames"))
        raise BrokenSequence
    checked: dict[str, Any] = document
    return checked


def _split_extra(
    document: dict[str, Any], known: Mapping[str, Any], where: Where, findings: Findings
) -> dict[str, Any]:
    """Note the keys that the schema doesn't know, and return them with their values."""
    extra = {key: value for key, value in document.items() if key not in known}
    for key in extra:
        findings.add("unknown-key", replace(where, field=key))
    return {key: value for key, value in extra.items() if _worth_keeping(value)}


def _worth_keeping(value: object, depth: int = 8) -> bool:
    """Return whether the value of an unknown key is small and shallow enough to be kept."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return depth > 0 and len(value) <= 1000 and all(_worth_keeping(v, depth - 1) for v in inner)
    return not isinstance(value, str) or len(value) <= 10_000


def _camera(document: Mapping[str, Any] | None) -> Camera | None:
    if document is None:
        return None
    position, rotation = document.get("position_m"), document.get("rotation_deg")
    return Camera(
        float(document["vfov_deg"]),
        None if position is None else (float(position[0]), float(position[1]), float(position[2])),
        None if rotation is None else (float(rotation[0]), float(rotation[1]), float(rotation[2])),
    )


def _read_frames(
    source: SequenceSource, document: dict[str, Any], findings: Findings, ledger: Ledger
) -> CapturedSequence:
    where = Where(f"{source.path}/{SEQUENCE}", source.name)
    schema = schemas.load("capture-sequence")["properties"]
    frame_schema = schema["frames"]["items"]["properties"]
    extra = _split_extra(document, schema, where, findings)
    common = _camera(document.get("camera"))
    images = document.get("images", True)
    frames: dict[int, CapturedFrame] = {}
    for row in document["frames"]:
        number, file = int(row["frame"]), row["file"]  # 3.0 is an integer to JSON Schema
        ledger.frames.came += 1
        location = replace(where, frame=frame_name(number))
        for key, value in _split_extra(row, frame_schema, location, findings).items():
            extra.setdefault("frames", {}).setdefault(frame_name(number), {})[key] = value
        if number in frames:
            findings.add("duplicate-frame", replace(location, field="file"), file)
            ledger.frames.drop("duplicate-frame")
            continue
        fault: str | None = None
        if images and file is None:
            fault = "image-missing"
        elif images and not storage.is_safe_relative(file):
            fault = "unsafe-path"
        if fault is not None:
            findings.add(fault, replace(location, field="file"), file)
        frames[number] = CapturedFrame(
            frame_name(number),
            f"{source.path}/{file}" if images and fault is None else None,
            _camera(row.get("camera")) or common,
            row.get("sha256"),
            fault,
        )
    note_gaps(np.array(list(frames), np.int64), where, findings)
    about = {key: document[key] for key in _ABOUT if document.get(key) is not None}
    return CapturedSequence(
        name=source.name,
        size_wh=(int(document["width"]), int(document["height"])),
        frames=[frames[number] for number in sorted(frames)],
        heads={},
        images=images,
        fps=document.get("fps"),
        weather=document.get("weather"),
        hour=document.get("hour"),
        location=document.get("location"),
        split=SPLITS_BY_WORD.get(document.get("split") or ""),
        origin=origin_in(document),
        about=about | ({"extra": extra} if extra else {}),
    )


def _note_unlisted(source: SequenceSource, document: Mapping[str, Any], findings: Findings) -> None:
    folder = source.root / source.path / IMAGES
    if not document.get("images", True) or not folder.is_dir():
        return
    files = (row["file"] for row in document["frames"])
    listed = {PurePosixPath(file).as_posix() for file in files if file is not None}
    strangers = [
        f"{IMAGES}/{printable(path.name)}"
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in IMAGE_SUFFIXES and f"{IMAGES}/{path.name}" not in listed
    ]
    findings.add_each(
        "image-without-record", strangers, lambda file: Where(f"{source.path}/{file}", source.name)
    )


def _read_heads_table(source: SequenceSource, findings: Findings) -> tuple[TableRead, str]:
    found = _heads_files(source.root / source.path)
    where = Where(source.path, source.name)
    if len(found) != 1:
        findings.add("two-heads-files" if found else "no-heads-file", where)
        raise BrokenSequence
    path = found[0]
    file = f"{source.path}/{path.name}"
    where = Where(file, source.name)
    read = read_csv if path.suffix == ".csv" else read_parquet
    try:
        table = read(path, HEAD_KINDS, file, needed=_REQUIRED)
    except InputError as error:
        location = error.where or where
        findings.add(
            "bad-heads-file", replace(where, field=location.field), error.value, error.what
        )
        raise BrokenSequence from error
    for name in table.unknown:
        findings.add("unknown-column", replace(where, field=name))
    for name in _REQUIRED:
        if name not in table.columns:
            findings.add("missing-column", replace(where, field=name))
            raise BrokenSequence
    return table, file


def _note_cells(table: TableRead, where: Where, findings: Findings, ledger: Ledger) -> None:
    """Note cells that aren't numbers: one finding per lost row, one per lost value."""
    lost: set[int] = set()
    for fault in table.bad_cells:
        if fault.line not in lost:
            lost.add(fault.line)
            location = replace(where, field=f"line {fault.line}, {fault.column}")
            findings.add("bad-number", location, fault.text)
            ledger.heads.drop("bad-number")
    for fault in table.odd_cells:
        location = replace(where, field=f"line {fault.line}, {fault.column}")
        findings.add("bad-value", location, fault.text)


def write_sequence(folder: Path, document: Mapping[str, Any], heads: Columns) -> None:
    """Write a sequence's labels: sequence.json and heads.csv. Images are the caller's.

    Args:
        folder: the sequence's folder, which exists.
        document: as `schemas/capture-sequence.schema.json` has it, without format and version.
        heads: columns of `schemas/capture-heads.schema.json`, all of one length.

    Raises:
        ValueError: the document breaks the schema, or a column isn't one of version 1.
    """
    whole = {"format": FORMAT, "version": VERSION, **document}
    for pointer, message in schemas.faults(whole, "capture-sequence"):
        raise ValueError(f"{pointer}: {message}")
    strange = set(heads) - set(HEAD_KINDS)
    if strange:
        raise ValueError(f"not a column of version 1: {min(strange)}")
    with storage.replacing(folder / "heads.csv") as part:
        write_csv(part, heads)
    storage.write_json(folder / SEQUENCE, whole)


NATIVE = Reader(
    name="native",
    title="gtahead's own capture, version 1",
    recognise=_recognise,
    list_sequences=_list_sequences,
    read=_read,
    inputs=_inputs,
)
