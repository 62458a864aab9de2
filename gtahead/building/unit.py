"""The unit of work of a build: one sequence, from capture to finished files of the data set.

A unit may be killed at any moment, run again, or run twice at once: its results are written aside
and renamed, and the record that says "done" comes last.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import pictures, storage
from gtahead.annotation import HeadFrames, give_boxes
from gtahead.annotation.boxes import ORDER
from gtahead.building.options import BuildOptions
from gtahead.captures import (
    READERS,
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    SequenceSource,
    inputs_digest,
)
from gtahead.dataset import ABSENT, COUNTED, IGNORED, WORK, heads_file, tables
from gtahead.dataset.fingerprints import sequence_digests
from gtahead.dataset.tabular import Columns
from gtahead.errors import ResourceError, Where
from gtahead.findings import CODES, Finding, Findings, Ledger
from gtahead.geometry import (
    Camera,
    focal_px,
    inside,
    reorient_boxes,
    reorient_points,
    vertical_fov_deg,
)
from gtahead.storage import crash_point


@dataclass(frozen=True)
class UnitTask:
    """Everything a worker needs to build one sequence."""

    source: SequenceSource
    target: Path
    options: BuildOptions
    strict: bool


@dataclass
class SequenceRecord:
    """What one finished sequence adds to the data set; stored as JSON beside its table of frames.

    Attributes:
        kept: False where the sequence was set aside whole.
        keys: what it must not share with a sequence of another split.
        visibility: where it is known from: measured, flags, unknown; empty without heads.
    """

    sequence: str
    inputs: str
    kept: bool = False
    simulated: bool = False
    about: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    findings: Findings = field(default_factory=Findings)
    digests: dict[str, str] = field(default_factory=dict)
    table: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    box_sources: dict[str, int] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    visibility: list[str] = field(default_factory=list)
    split: str | None = None
    pictures: int = 0
    picture_bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Give the record as JSON-ready values."""
        row = dict(self.__dict__)
        row["ledger"] = self.ledger.as_dict()
        row["findings"] = self.findings.as_dict()
        return row

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> SequenceRecord:
        """Take back what `as_dict` gave."""
        ledger, findings = Ledger.from_dict(row["ledger"]), Findings.from_dict(row["findings"])
        return cls(**{**row, "ledger": ledger, "findings": findings})


def record_path(target: Path, sequence: str) -> Path:
    """Say where a finished sequence's record stands."""
    return target / WORK / f"{sequence}.json"


def frames_path(target: Path, sequence: str) -> Path:
    """Say where a finished sequence's part of the table of frames stands."""
    return target / WORK / f"{sequence}.frames.parquet"


def images_folder(target: Path, sequence: str) -> Path:
    """Say where a sequence's pictures stand."""
    return target / "images" / sequence


def read_record(path: Path) -> SequenceRecord | None:
    """Read a record; None where there is none."""
    return SequenceRecord.from_dict(orjson.loads(path.read_bytes())) if path.is_file() else None


def build_sequence(task: UnitTask) -> SequenceRecord:
    """Read, check, annotate and store one sequence.

    Returns:
        Its record, which is also on disk. Under `strict` a sequence in which anything was set aside
        leaves nothing behind.

    Raises:
        ResourceError: the target can't be written.
    """
    source = task.source
    reader = READERS[source.reader]
    labels, files = reader.inputs(source)
    record = SequenceRecord(source.name, inputs_digest(labels, files, source.root))
    record.ledger.sequences.came = 1
    part = storage.aside_name(record_path(task.target, source.name))
    try:
        part.mkdir()
        try:
            captured = reader.read(source, record.findings, record.ledger)
            captured = _sampled(captured, task.options.every, record)
            frames = _take_pictures(captured, task, part, record)
        except BrokenSequence:
            _set_aside(record)
        else:
            _store(captured, frames, task, part, record)
        if not (task.strict and record.findings.anything_set_aside):
            _finish(task, part, record)
    except OSError as error:
        raise ResourceError(
            "a file can't be read or written",
            where=Where(str(error.filename or task.target), source.name),
            value=error.strerror or str(error),
            remedy="free space or mend the rights, then run the same command: it goes on",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return record


def _set_aside(record: SequenceRecord) -> None:
    """Book a sequence that is set aside whole: what it had is dropped with it."""
    code = next(f.code for f in record.findings if CODES[f.code].sets_aside == "sequence")
    record.ledger.sequences.drop(code)
    record.ledger.frames.drop(code, record.ledger.frames.kept)
    record.ledger.heads.drop(code, record.ledger.heads.kept)


def _sampled(captured: CapturedSequence, every: int, record: SequenceRecord) -> CapturedSequence:
    """Keep every n-th frame; the ledger says `not-sampled` for the rest."""
    if every > 1:
        keep = np.arange(len(captured.frames)) % every == 0
        record.ledger.frames.drop("not-sampled", int((~keep).sum()))
        _keep_frames(captured, keep, {}, "not-sampled", record)
    return captured


def _keep_frames(
    captured: CapturedSequence,
    keep: np.ndarray[Any, np.dtype[np.bool_]],
    reasons: dict[int, str],
    default: str,
    record: SequenceRecord,
) -> None:
    """Take frames out, and their heads with them, by reason."""
    heads = captured.heads
    here = keep[heads["frame_index"]]
    lost = np.bincount(heads["frame_index"][~here], minlength=len(keep))
    for index in np.flatnonzero(lost):
        record.ledger.heads.drop(reasons.get(int(index), default), int(lost[index]))
    new_index = np.cumsum(keep) - 1
    captured.heads = {name: values[here] for name, values in heads.items()}
    captured.heads["frame_index"] = new_index[captured.heads["frame_index"]].astype(np.int32)
    captured.frames = [frame for frame, kept in zip(captured.frames, keep, strict=True) if kept]


@dataclass(frozen=True)
class _Picture:
    """What a kept frame's picture came to: None fields for labels alone."""

    file: str | None = None
    sha256: str | None = None
    orientation: int = 1


def _take_pictures(
    captured: CapturedSequence, task: UnitTask, part: Path, record: SequenceRecord
) -> list[_Picture]:
    """Check every picture and put it into the data set; drop frames whose picture won't do."""
    if not captured.pictures:
        return [_Picture() for _ in captured.frames]
    (part / "images").mkdir()
    taken: list[_Picture] = []
    keep = np.ones(len(captured.frames), np.bool_)
    reasons: dict[int, str] = {}
    hashes: dict[str, str] = {}
    for index, frame in enumerate(captured.frames):
        where = Where(frame.file, captured.name, frame.frame)
        try:
            if frame.fault is not None:
                raise pictures.PictureError(frame.fault)
            taken.append(_take_picture(frame, captured, task, part, hashes, record))
        except pictures.PictureError as fault:
            if frame.fault is None:
                record.findings.add(fault.code, where, detail=fault.detail)
            record.ledger.frames.drop(fault.code)
            keep[index] = False
            reasons[index] = fault.code
    if reasons:
        _keep_frames(captured, keep, reasons, "", record)
    return taken


def _take_picture(
    frame: CapturedFrame,
    captured: CapturedSequence,
    task: UnitTask,
    part: Path,
    hashes: dict[str, str],
    record: SequenceRecord,
) -> _Picture:
    file = frame.file or ""
    path = task.source.root / file
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise pictures.PictureError("picture-missing") from error
    except PermissionError as error:
        raise pictures.PictureError("picture-unreadable", "no right to read it") from error
    header = pictures.read_header(data)
    width, height = captured.size_wh
    if header.size_wh != (width, height) and header.upright_wh != (width, height):
        found = f"{header.size_wh[0]} x {header.size_wh[1]}"
        raise pictures.PictureError("wrong-size", f"{found} instead of {width} x {height}")
    pictures.check_health(data, header)
    prepared = pictures.prepare(data, header)
    source_hash = (
        prepared.sha256 if prepared.new_bytes is None else hashlib.sha256(data).hexdigest()
    )
    if frame.sha256 is not None and frame.sha256 != source_hash:
        raise pictures.PictureError("hash-mismatch", f"{source_hash[:12]}…")
    if source_hash in hashes:
        raise pictures.PictureError("duplicate-picture", f"of {hashes[source_hash]}")
    hashes[source_hash] = file
    for code in prepared.changes:
        record.findings.add(code, Where(file, captured.name, frame.frame))
    # Heads given in upright pixels (the declared size is the upright one) need no turning.
    orientation = header.orientation if header.size_wh == (width, height) else 1
    name = None
    if task.options.images != "none":
        _place(path, prepared, part / "images" / (frame.frame + prepared.extension), task, record)
        name = f"images/{captured.name}/{frame.frame}{prepared.extension}"
    return _Picture(name, prepared.sha256, orientation)


def _place(
    path: Path, prepared: pictures.Prepared, to: Path, task: UnitTask, record: SequenceRecord
) -> None:
    """Put a picture into the unit's folder: linked, copied, or written anew."""
    if prepared.new_bytes is not None:
        to.write_bytes(prepared.new_bytes)
        storage.sync_file(to)
    else:
        wanted = task.options.images == "link"
        linked = storage.link_or_copy(path, to, link=wanted)
        if wanted and not linked:
            where = Where(str(path.relative_to(task.source.root)), task.source.name)
            record.findings.add("copied-pictures", where)
    record.pictures += 1
    record.picture_bytes += to.stat().st_size


def _upright_size(size_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size_wh[1], size_wh[0]) if orientation >= 5 else size_wh


def _upright_camera(
    camera: Camera | None, size_wh: tuple[int, int], orientation: int
) -> Camera | None:
    """Give the camera of a turned picture: same focal length; how it is turned isn't kept."""
    if camera is None or orientation == 1:
        return camera
    focal = focal_px(camera.vfov_deg, size_wh[1])
    height = _upright_size(size_wh, orientation)[1]
    return Camera(vertical_fov_deg(focal, height), camera.position_m, None)


def _annotate(
    captured: CapturedSequence, taken: list[_Picture], task: UnitTask, record: SequenceRecord
) -> None:
    """Add boxes, in_frame and status to the heads, in the upright pictures' pixels."""
    heads = captured.heads
    cameras = [frame.camera for frame in captured.frames]
    scene = HeadFrames(
        heads,
        len(captured.frames),
        captured.size_wh,
        np.array(
            [np.nan if c is None else focal_px(c.vfov_deg, captured.size_wh[1]) for c in cameras]
        ),
        np.array(
            [np.nan if c is None or c.rotation_deg is None else c.rotation_deg[0] for c in cameras]
        ),
    )
    given = give_boxes(scene, task.options.boxes)
    if given.fell_back:
        detail = f"{given.fell_back} frames, rule {task.options.boxes}"
        record.findings.add("box-rule-fell-back", Where(sequence=captured.name), detail=detail)
    boxes = given.boxes_xyxy
    names = sorted({ORDER[code] for code in np.unique(given.source)})
    lookup = np.array([names.index(name) if name in names else -1 for name in ORDER], np.int8)
    heads["box_source"] = lookup[given.source] if len(given.source) else given.source
    heads["box_error_px"] = given.error_px
    captured_too = "captured" not in names or len(names) > 1
    if not captured_too:  # the boxes are the captured ones: no need to keep them twice
        for name in tables.CAPTURED:
            heads.pop(name, None)
    _turn(captured, taken, boxes)
    for place, name in enumerate(tables.BOX):
        heads[name] = boxes[:, place]
    in_frame = np.zeros(len(heads["head_id"]), np.bool_)
    points = np.stack([heads["x"], heads["y"]], axis=1)
    for orientation in {picture.orientation for picture in taken}:
        size = _upright_size(captured.size_wh, orientation)
        turned = np.array([picture.orientation == orientation for picture in taken])
        rows = turned[heads["frame_index"]]
        in_frame[rows] = inside(points[rows], size)
    heads["in_frame"] = in_frame
    heads["status"] = task.options.policy.status(
        in_frame, heads.get("visibility"), heads.get("occluded")
    )
    outside = int((~in_frame).sum())
    if outside:
        first = int(np.flatnonzero(~in_frame)[0])
        frame = captured.frames[heads["frame_index"][first]].frame
        where = Where(None, captured.name, frame, int(heads["head_id"][first]))
        value = f"{heads['x'][first]:g}, {heads['y'][first]:g}"
        example = Finding("head-outside-frame", where, value)
        record.findings.add_many("head-outside-frame", outside, [example])
    captured.heads = _without_unknown(heads)
    captured.heads["box_source_names"] = np.array(names, object)


_PIXEL_PAIRS = (("x", "y"), ("top_x", "top_y"), ("neck_x", "neck_y"))


def _turn(captured: CapturedSequence, taken: list[_Picture], boxes: Any) -> None:  # noqa: ANN401 - changed in place
    """Turn the heads of pictures that were turned upright; `boxes` is changed in place."""
    heads = captured.heads
    for orientation in {picture.orientation for picture in taken} - {1}:
        turned = np.array([picture.orientation == orientation for picture in taken])
        rows = np.flatnonzero(turned[heads["frame_index"]])
        boxes[rows] = reorient_boxes(boxes[rows], orientation, captured.size_wh)
        for names in _PIXEL_PAIRS:
            if names[0] in heads:
                points = np.stack([heads[name][rows] for name in names], axis=1)
                points = reorient_points(points, orientation, captured.size_wh)
                for place, name in enumerate(names):
                    heads[name] = heads[name].copy()
                    heads[name][rows] = points[:, place]
        if tables.CAPTURED[0] in heads:
            old = np.stack([heads[name][rows] for name in tables.CAPTURED], axis=1)
            new = reorient_boxes(old, orientation, captured.size_wh)
            for place, name in enumerate(tables.CAPTURED):
                heads[name] = heads[name].copy()
                heads[name][rows] = new[:, place]


def _without_unknown(heads: Columns) -> Columns:
    """Leave out columns in which nothing is known: the same as columns that aren't there."""
    needed = ("head_id", "frame_index", "x", "y", "in_frame", "status", "box_source")
    return {
        name: values
        for name, values in heads.items()
        if name in needed
        or (values.dtype.kind == "f" and not np.isnan(values).all())
        or (values.dtype.kind == "i" and (values >= 0).any())
    }


def _frame_rows(captured: CapturedSequence, taken: list[_Picture]) -> dict[str, list[Any]]:
    """Make the sequence's part of the table of frames; the split comes later."""
    index, status = captured.heads["frame_index"], captured.heads["status"]
    count = len(captured.frames)
    rows: dict[str, list[Any]] = {name: [] for name in tables.FRAMES_V1.names}
    for name, code in (("num_heads", COUNTED), ("num_ignored", IGNORED), ("num_absent", ABSENT)):
        rows[name] = np.bincount(index[status == code], minlength=count).tolist()
    for frame, picture in zip(captured.frames, taken, strict=True):
        camera = _upright_camera(frame.camera, captured.size_wh, picture.orientation)
        position = (camera and camera.position_m) or (None, None, None)
        rotation = (camera and camera.rotation_deg) or (None, None, None)
        width, height = _upright_size(captured.size_wh, picture.orientation)
        values = {
            "frame_id": f"{captured.name}/{frame.frame}",
            "sequence": captured.name,
            "frame": frame.frame,
            "file": picture.file,
            "source_file": frame.file,
            "sha256": picture.sha256,
            "width": width,
            "height": height,
            "split": None,
            "vfov_deg": camera and round(camera.vfov_deg, 9),
            **dict(zip(("camera_x_m", "camera_y_m", "camera_z_m"), position, strict=True)),
            **dict(zip(("pitch_deg", "roll_deg", "yaw_deg"), rotation, strict=True)),
            "fps": captured.fps,
            "weather": captured.weather,
            "hour": captured.hour,
            "location": captured.location,
        }
        for name, value in values.items():
            rows[name].append(value)
    return rows


def _store(
    captured: CapturedSequence,
    taken: list[_Picture],
    task: UnitTask,
    part: Path,
    record: SequenceRecord,
) -> None:
    """Write the sequence's tables into the unit's folder and fill its record."""
    if not captured.frames:
        record.findings.add("no-frames-left", Where(task.source.path, captured.name))
        record.ledger.sequences.drop("no-frames-left")
        return
    _annotate(captured, taken, task, record)
    rows = _frame_rows(captured, taken)
    heads = captured.heads
    tables.write_heads(part / "heads.parquet", heads, rows["frame_id"])
    tables.write_frames(part / "frames.parquet", rows)
    for name in ("heads.parquet", "frames.parquet"):
        storage.sync_file(part / name)
    record.kept = True
    record.simulated = captured.simulated
    record.about = captured.about
    record.split = captured.split
    record.digests = sequence_digests(rows, heads)
    sha256 = storage.sha256_of(part / "heads.parquet")
    record.table = {"sha256": sha256, "rows": len(heads["head_id"])}
    statuses = np.bincount(heads["status"], minlength=3)
    record.counts = {
        "counted": int(statuses[COUNTED]),
        "ignored": int(statuses[IGNORED]),
        "absent": int(statuses[ABSENT]),
    }
    names = heads["box_source_names"]
    sources = np.bincount(heads["box_source"], minlength=len(names)) if len(names) else ()
    record.box_sources = {str(name): int(n) for name, n in zip(names, sources, strict=True)}
    record.keys = _keys(captured)
    record.visibility = _visibility(heads)


def _visibility(heads: Columns) -> list[str]:
    """Say where the visibility of heads is known from."""
    count = len(heads["head_id"])
    share = np.isfinite(heads["visibility"]) if "visibility" in heads else np.zeros(count, np.bool_)
    flag = heads["occluded"] >= 0 if "occluded" in heads else np.zeros(count, np.bool_)
    kinds = {"measured": share, "flags": flag & ~share, "unknown": ~flag & ~share}
    return [name for name, rows in kinds.items() if rows.any()]


def _keys(captured: CapturedSequence) -> list[str]:
    """Give what binds a sequence to others: its place, its cameras' standpoints."""
    keys = [f"place {captured.location}"] if captured.location is not None else []
    poses = {frame.camera for frame in captured.frames if frame.camera is not None}
    keys += [
        "camera " + " ".join(f"{v:.0f}" for v in (*camera.position_m, *camera.rotation_deg))
        for camera in poses
        if camera.position_m is not None and camera.rotation_deg is not None
    ]
    return sorted({*keys})


def _finish(task: UnitTask, part: Path, record: SequenceRecord) -> None:
    """Give everything its final name, the record last."""
    name = record.sequence
    if record.kept:
        if (part / "images").is_dir() and task.options.images != "none":
            storage.sync_folder(part / "images")
            storage.replace_folder(part / "images", images_folder(task.target, name))
        crash_point("images-placed")
        _rename(part / "heads.parquet", task.target / heads_file(name))
        crash_point("heads-placed")
        _rename(part / "frames.parquet", frames_path(task.target, name))
        crash_point("frames-placed")
    storage.write_json(record_path(task.target, name), record.as_dict())
    crash_point("record-written")


def _rename(source: Path, to: Path) -> None:
    source.replace(to)
    storage.sync_folder(to.parent)


def sorted_sources(sources: Iterable[SequenceSource]) -> list[SequenceSource]:
    """Put the units with the most labels first, so that no long one starts last."""
    return sorted(sources, key=lambda source: (-_label_bytes(source), source.name))


def _label_bytes(source: SequenceSource) -> int:
    labels, _ = READERS[source.reader].inputs(source)
    return sum(path.stat().st_size for path in labels if path.exists())
