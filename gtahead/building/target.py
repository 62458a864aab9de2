"""The folder that a build writes: what is there already, what may be reused, what must go.

Three states: nothing of ours; unfinished (a work folder, no manifest); finished (a manifest). A
manifest rules: a work folder beside it is left over from a build that was killed in its last step.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from gtahead import storage
from gtahead.building.options import BuildOptions, differing
from gtahead.building.records import (
    FRAMES_PARTS,
    OPTIONS,
    RECORDS,
    SequenceRecord,
    frames_path,
    images_folder,
    read_record,
    record_path,
)
from gtahead.captures import READERS, SequenceSource, inputs_digest
from gtahead.dataset import FRAMES, MANIFEST, WORK, heads_file, read_manifest, tables
from gtahead.errors import InputError, UsageError, Where


def refuse_foreign(target: Path, root: Path) -> None:
    """Refuse a target that isn't ours to fill.

    Raises:
        InputError: it holds something else.
        UsageError: it is the capture itself, inside it, or around it.
    """
    here, there = target.resolve(), root.resolve()
    if here == there or there in here.parents or here in there.parents:
        raise UsageError(
            "the data set and the captures can't lie in one another",
            where=Where(str(target)),
            remedy="choose another --out",
        )
    if target.exists() and not target.is_dir():
        raise InputError(
            "a file stands where the data set should go",
            where=Where(str(target)),
            remedy="choose another --out",
        )
    if not target.is_dir() or is_ours(target):
        return
    strange = sorted(path.name for path in target.iterdir() if path.name != ".lock")
    if strange:
        raise InputError(
            "the folder holds something that isn't a gtahead data set",
            where=Where(str(target)),
            value=strange[0],
            remedy="choose an empty folder for --out",
        )


def is_ours(target: Path) -> bool:
    """Say whether a data set stands there, finished or not."""
    return (target / MANIFEST).exists() or (target / WORK).exists()


def prepare(
    target: Path, options: BuildOptions, sources: Sequence[SequenceSource], *, fresh: bool
) -> dict[str, SequenceRecord]:
    """Make the target ready for units to be built, and say which sequences are done already.

    Returns:
        Records of the sequences that needn't be built again, by name.

    Raises:
        InputError: options changed, or sequences are gone from the captures, without `fresh`.
    """
    if fresh:
        discard(target)
    names = [source.name for source in sources]
    if (target / MANIFEST).exists():
        return _reopen(target, options, sources)
    work = target / WORK
    if (work / OPTIONS).exists():
        _refuse_changes(target, orjson.loads((work / OPTIONS).read_bytes()), options)
        storage.remove_leftovers(work)
    else:
        work.mkdir(exist_ok=True)
    _make_folders(target, options)
    storage.write_json(work / OPTIONS, options.as_dict())
    found = {name: read_record(record_path(target, name)) for name in names}
    records = {name: record for name, record in found.items() if record is not None}
    _refuse_missing(target, [path.stem for path in (work / RECORDS).glob("*.json")], names)
    return _still_good(target, records, sources, options)


def _make_folders(target: Path, options: BuildOptions) -> None:
    for folder in (RECORDS, FRAMES_PARTS):
        (target / WORK / folder).mkdir(exist_ok=True)
    for folder in ("heads", *(("images",) if options.images != "none" else ())):
        (target / folder).mkdir(exist_ok=True)
        storage.remove_leftovers(target / folder)


def _reopen(
    target: Path, options: BuildOptions, sources: Sequence[SequenceSource]
) -> dict[str, SequenceRecord]:
    """Take a finished data set back to work where the captures have changed; else leave it."""
    manifest = read_manifest(target)
    _refuse_changes(target, manifest.document["options"], options)
    all_records = {
        row["sequence"]: SequenceRecord.from_dict({k: v for k, v in row.items() if k != "reader"})
        for row in manifest.document["sources"]
    }
    names = [source.name for source in sources]
    _refuse_missing(target, list(all_records), names)
    shutil.rmtree(target / WORK, ignore_errors=True)
    good = _still_good(target, all_records, sources, options, frames_stand_apart=False)
    if len(good) == len(sources):
        return good
    work = target / WORK
    work.mkdir()
    _make_folders(target, options)
    rows = tables.read_frames(target / FRAMES, str(target / FRAMES))
    for name, record in good.items():
        if record.kept:
            mine = [row for row, sequence in enumerate(rows["sequence"]) if sequence == name]
            part = {key: [values[row] for row in mine] for key, values in rows.items()}
            tables.write_frames(frames_path(target, name), {**part, "split": [None] * len(mine)})
        storage.write_json(record_path(target, name), record.as_dict())
    storage.write_json(work / OPTIONS, options.as_dict())
    storage.crash_point("reopened")
    (target / MANIFEST).unlink()
    storage.sync_folder(target)
    return good


def _refuse_changes(target: Path, old: dict[str, Any], options: BuildOptions) -> None:
    changed = differing(old, options.as_dict())
    if changed:
        raise InputError(
            f"the data set was begun with other options: {changed}",
            where=Where(str(target)),
            remedy="use the same options, another --out, or --fresh to build it anew",
        )


def _refuse_missing(target: Path, built: Sequence[str], names: Sequence[str]) -> None:
    gone = sorted(set(built) - set(names))
    if gone:
        raise InputError(
            "the data set holds a sequence that the captures don't have",
            where=Where(str(target)),
            value=gone[0],
            remedy="bring it back, or build anew with --fresh",
        )


def _still_good(
    target: Path,
    records: Mapping[str, SequenceRecord],
    sources: Sequence[SequenceSource],
    options: BuildOptions,
    *,
    frames_stand_apart: bool = True,
) -> dict[str, SequenceRecord]:
    """Give the records whose capture hasn't changed and whose files are all there."""
    good = {}
    for source in sources:
        record = records.get(source.name)
        if record is None or "unit-crashed" in record.findings.totals:
            continue
        labels, pictures = READERS[source.reader].inputs(source)
        if record.inputs != inputs_digest(labels, pictures, source.root):
            continue
        if record.kept:
            apart = frames_path(target, source.name)
            if not (target / heads_file(source.name)).is_file():
                continue
            if frames_stand_apart and not apart.is_file():
                continue
            if options.images != "none" and not _pictures_there(target, record):
                continue
        good[source.name] = record
    return good


def _pictures_there(target: Path, record: SequenceRecord) -> bool:
    folder = images_folder(target, record.sequence)
    there = len(list(folder.iterdir())) if folder.is_dir() else 0
    return there >= record.pictures


def discard(target: Path) -> None:
    """Remove a data set or an unfinished one, file by file: what isn't ours stays."""
    (target / MANIFEST).unlink(missing_ok=True)
    names: set[str] = set()
    for table in [target / FRAMES, *(target / WORK / FRAMES_PARTS).glob("*.parquet")]:
        with suppress(InputError):
            rows = tables.read_frames(table, str(table), ["sequence", "file"])
            names |= set(rows["sequence"])
            for file in rows["file"]:
                if file is not None and storage.is_safe_relative(file):
                    (target / file).unlink(missing_ok=True)
    for name in names:
        (target / heads_file(name)).unlink(missing_ok=True)
        with suppress(OSError):
            images_folder(target, name).rmdir()
    (target / FRAMES).unlink(missing_ok=True)
    shutil.rmtree(target / WORK, ignore_errors=True)
    for folder in ("heads", "images"):
        if (target / folder).is_dir():
            storage.remove_leftovers(target / folder)
            with suppress(OSError):
                (target / folder).rmdir()


def leave_nothing(target: Path, *, existed: bool) -> None:
    """Undo a first build that came to nothing: all that stands there is its own."""
    for name in (WORK, "heads", "images"):
        shutil.rmtree(target / name, ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)
    if not existed:
        with suppress(OSError):
            target.rmdir()
