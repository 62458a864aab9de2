"""The unit of work of a build: one sequence, from capture to finished files of the dataset.

A unit may be killed at any moment, run again, or run twice at once: its results are written aside
and renamed, and the record that says "done" comes last.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2  # noqa: F401 - as PIL, for the workers
import numpy as np
from PIL import Image

from gtahead import storage
from gtahead.annotation import lift_points
from gtahead.annotation.scene import VFOV_DIGITS, label, scene_of
from gtahead.arrays import Booleans, Columns, Floats
from gtahead.building.frames import TakenImage, UnitTask, origin_of, select_frames, take_images
from gtahead.building.orientation import snap_heads, turn_heads, upright_camera, upright_size
from gtahead.building.output import remove_images, remove_sequence, unit_digest
from gtahead.building.records import (
    BEGUN,
    RECORDS,
    SequenceRecord,
    frames_path,
    images_folder,
    record_path,
)
from gtahead.dataset import WORK, heads_file
from gtahead.dataset.fingerprints import sequence_digests, without_unknown
from gtahead.errors import Where
from gtahead.findings import CODES
from gtahead.geometry import Camera
from gtahead.ingest.model import BrokenSequence, CapturedFrame, CapturedSequence, SequenceSource
from gtahead.ingest.units import check_units
from gtahead.readers import READERS
from gtahead.regions import Regions, outside
from gtahead.storage import crash_point, system
from gtahead.tables import canonical
from gtahead.tables.canonical import ABSENT, COUNTED, IGNORED

Image.preinit()  # before workers are forked from who imports this, not in each of them


def build_sequence(task: UnitTask) -> SequenceRecord:
    """Read, check, annotate and store one sequence.

    Returns:
        Its record, which is also on disk. Under `strict` a sequence in which anything was set aside
        leaves nothing behind.

    Raises:
        ResourceError: the target can't be written.
    """
    source = task.source
    record = SequenceRecord(source.name, unit_digest(source, task.options))
    record.ledger.sequences.came = 1
    part = storage.aside_name(task.target / WORK / source.name)
    try:
        with storage.naming_os_errors(task.target, source.name):
            part.mkdir()
            with suppress(BrokenSequence):  # the record says what is wrong with it
                captured = _read(source, record)
                select_frames(captured, task.options.every, record)
                taken = take_images(captured, task, part, record)
                _label(captured, taken, task, part, record)
            if not (task.strict and record.findings.anything_set_aside):
                _commit(task, part, record)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return record


def _read(source: SequenceSource, record: SequenceRecord) -> CapturedSequence:
    """Read a sequence's labels.

    Raises:
        BrokenSequence: it has to be set aside whole; the record says why.
    """
    try:
        captured = READERS[source.reader].read(source, record.findings, record.ledger)
    except BrokenSequence:
        _set_aside(record)
        raise
    except OSError as error:
        record.findings.add_many("labels-unreadable", 1, [source.unreadable(error)])
        _set_aside(record)
        raise BrokenSequence from error
    check_units(captured, source, record.findings)
    return captured


def _set_aside(record: SequenceRecord) -> None:
    """Record in the ledger that a sequence is set aside, with all its frames and heads."""
    code = next(f.code for f in record.findings if CODES[f.code].sets_aside == "sequence")
    record.ledger.sequences.drop(code)
    record.ledger.frames.drop(code, record.ledger.frames.kept)
    record.ledger.heads.drop(code, record.ledger.heads.kept)


def _annotate(
    captured: CapturedSequence, taken: list[TakenImage], task: UnitTask, record: SequenceRecord
) -> None:
    """Add boxes, in_frame and status to the heads, in the upright images' pixels."""
    heads = captured.heads
    turn_heads(heads, [image.orientation for image in taken], captured.sizes_wh)
    snap_heads(heads, _upright_sizes(captured, taken))
    scene = scene_of(
        heads,
        [
            _upright(frame, size_wh, image)
            for frame, size_wh, image in zip(captured.frames, captured.sizes_wh, taken, strict=True)
        ],
        [frame.ground_m for frame in captured.frames],
        _upright_sizes(captured, taken),
        record.origin,
    )
    if "point_kind" in heads:
        _lift(heads, lift_points(scene))
        scene = replace(scene, heads=scene.heads | heads)
    rules = task.options.boxes, task.options.sigma
    label(scene, *rules, record.findings, Where(sequence=captured.name))
    heads = scene.heads
    in_frame = _in_upright_frame(heads, _upright_sizes(captured, taken))
    heads["in_frame"] = in_frame
    heads["status"] = task.options.policy.status(
        in_frame, heads.get("visibility"), heads.get("occluded"), heads.get("ignore")
    )
    _ignore_outside(captured, heads, task.options.regions)
    beyond = int((~in_frame).sum())
    if beyond:
        first = int(np.flatnonzero(~in_frame)[0])
        frame = captured.frames[heads["frame_index"][first]].frame
        where = Where(None, captured.name, frame, int(heads["head_id"][first]))
        value = f"{heads['x'][first]:g}, {heads['y'][first]:g}"
        record.findings.add("head-outside-frame", where, value, total=beyond)
    captured.heads = without_unknown(heads)


def _ignore_outside(captured: CapturedSequence, heads: Columns, regions: Regions) -> None:
    """Ignore heads that would count, but lie outside their image's region of interest."""
    points = np.stack([heads["x"], heads["y"]], axis=1)
    frames = [
        (f"{captured.name}/{frame.frame}", captured.name, captured.location)
        for frame in captured.frames
    ]
    out = outside(points, heads["frame_index"], frames, regions)
    heads["status"] = np.where(out & (heads["status"] == COUNTED), IGNORED, heads["status"])


def _upright_sizes(captured: CapturedSequence, taken: list[TakenImage]) -> list[tuple[int, int]]:
    return [
        upright_size(size_wh, image.orientation)
        for size_wh, image in zip(captured.sizes_wh, taken, strict=True)
    ]


def _upright(frame: CapturedFrame, size_wh: tuple[int, int], image: TakenImage) -> Camera | None:
    """Return a frame's camera as the table of frames holds it."""
    camera = upright_camera(frame.camera, size_wh, image.orientation)
    return camera and replace(camera, vfov_deg=round(camera.vfov_deg, VFOV_DIGITS))


def _lift(heads: Columns, lifted_xy: Floats) -> None:
    """Move points to the visible heads' centres, and keep the captured ones as `raw_*`."""
    moved = heads["point_kind"] >= 0
    for position, name in enumerate("xy"):
        heads[f"raw_{name}"] = np.where(moved, heads[name], np.nan)
        heads[name] = np.where(moved, lifted_xy[:, position], heads[name])


def _in_upright_frame(heads: Columns, sizes_wh: list[tuple[int, int]]) -> Booleans:
    """Return which heads lie in their upright image."""
    width, height = np.array(sizes_wh)[heads["frame_index"]].T
    x, y = heads["x"], heads["y"]
    return np.asarray((x >= 0) & (x < width) & (y >= 0) & (y < height), np.bool_)


def _frame_rows(captured: CapturedSequence, taken: list[TakenImage]) -> dict[str, list[Any]]:
    """Make the sequence's part of the table of frames; the split comes later."""
    index, status = captured.heads["frame_index"], captured.heads["status"]
    count = len(captured.frames)
    rows: dict[str, list[Any]] = {name: [] for name in canonical.FRAMES_V1.names}
    for name, code in (("num_heads", COUNTED), ("num_ignored", IGNORED), ("num_absent", ABSENT)):
        rows[name] = np.bincount(index[status == code], minlength=count).tolist()
    for frame, size_wh, image in zip(captured.frames, captured.sizes_wh, taken, strict=True):
        camera = _upright(frame, size_wh, image)
        position = (camera and camera.position_m) or (None, None, None)
        rotation = (camera and camera.rotation_deg) or (None, None, None)
        width, height = upright_size(size_wh, image.orientation)
        values = {
            "frame_id": f"{captured.name}/{frame.frame}",
            "sequence": captured.name,
            "frame": frame.frame,
            "file": image.file,
            "source_file": frame.file,
            "sha256": image.sha256,
            "difference_hash": image.difference_hash,
            "width": width,
            "height": height,
            "split": None,
            "vfov_deg": camera and camera.vfov_deg,
            **dict(zip(("camera_x_m", "camera_y_m", "camera_z_m"), position, strict=True)),
            **dict(zip(("pitch_deg", "roll_deg", "yaw_deg"), rotation, strict=True)),
            "ground_m": frame.ground_m,
            "fps": captured.fps,
            "weather": frame.weather or captured.weather,
            "hour": captured.hour if frame.hour is None else frame.hour,
            "location": captured.location,
        }
        for name, value in values.items():
            rows[name].append(value)
    return rows


def _label(
    captured: CapturedSequence,
    taken: list[TakenImage],
    task: UnitTask,
    part: Path,
    record: SequenceRecord,
) -> None:
    """Annotate the heads, write the sequence's tables into the unit's folder, fill its record."""
    record.origin = origin_of(captured, task)
    _annotate(captured, taken, task, record)
    rows = _frame_rows(captured, taken)
    heads = captured.heads
    assert record.ledger.frames.kept == len(captured.frames), "frames missing in the ledger"
    assert record.ledger.heads.kept == len(heads["head_id"]), "heads missing in the ledger"
    canonical.write_heads(part / "heads.parquet", heads, rows["frame_id"])
    canonical.write_frames(part / "frames.parquet", rows)
    for name in ("heads.parquet", "frames.parquet"):
        system.sync_file(part / name)
    record.kept = True
    record.made = list(captured.made)
    record.about = captured.about
    record.split = captured.split
    record.splits = {
        f"{captured.name}/{frame.frame}": frame.split
        for frame in captured.frames
        if frame.split is not None
    }
    record.digests = sequence_digests(rows, heads)
    sha256 = storage.sha256_of(part / "heads.parquet")
    record.table = {"sha256": sha256, "rows": len(heads["head_id"])}
    statuses = np.bincount(heads["status"], minlength=3)
    codes = {"counted": COUNTED, "ignored": IGNORED, "absent": ABSENT}
    record.counts = {name: int(statuses[code]) for name, code in codes.items()}
    names = heads["box_source_names"]
    sources = np.bincount(heads["box_source"], minlength=len(names)) if len(names) else ()
    record.box_sources = {str(name): int(n) for name, n in zip(names, sources, strict=True)}
    record.visibility = _visibility(heads)


def _visibility(heads: Columns) -> list[str]:
    """Return how the visibility of heads is known: measured, flags, unknown."""
    count = len(heads["head_id"])
    share = np.isfinite(heads["visibility"]) if "visibility" in heads else np.zeros(count, np.bool_)
    flag = heads["occluded"] >= 0 if "occluded" in heads else np.zeros(count, np.bool_)
    kinds = {"measured": share, "flags": flag & ~share, "unknown": ~flag & ~share}
    return [name for name, rows in kinds.items() if rows.any()]


def _commit(task: UnitTask, part: Path, record: SequenceRecord) -> None:
    """Move everything to its final name, the record last; an older record is removed first."""
    name = record.sequence
    record_path(task.target, name).unlink(missing_ok=True)
    (task.target / WORK / BEGUN / name).touch()
    system.sync_folder(task.target / WORK / RECORDS)
    if record.kept:
        if record.images:
            system.sync_folder(part / "images")
            storage.replace_folder(part / "images", images_folder(task.target, name))
        else:
            remove_images(task.target, name)
        crash_point("images-placed")
        _rename(part / "heads.parquet", task.target / heads_file(name))
        crash_point("heads-placed")
        _rename(part / "frames.parquet", frames_path(task.target, name))
        crash_point("frames-placed")
    else:
        remove_sequence(task.target, name)
    storage.write_json(record_path(task.target, name), record.as_dict())
    crash_point("record-written")


def _rename(source: Path, to: Path) -> None:
    source.replace(to)
    system.sync_folder(to.parent)


def sorted_sources(sources: Iterable[SequenceSource]) -> list[SequenceSource]:
    """Sort sequences by the size of their labels, largest first: no long one starts last."""
    return sorted(sources, key=lambda source: (-_label_bytes(source), source.name))


def _label_bytes(source: SequenceSource) -> int:
    try:
        labels, _ = READERS[source.reader].inputs(source)
        return sum(path.stat().st_size for path in labels)
    except OSError:
        return 0
