"""The folder that a build writes: what is there already, what may be reused, what must go.

Three states: nothing of ours; unfinished (a work folder with options, no manifest); finished (a
manifest). A finished set stays whole while sequences are only added: its manifest goes when one of
its own sequences has to be built again, and in the last step of every build.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gtahead import storage
from gtahead.building.options import BuildOptions, differing
from gtahead.building.records import (
    BEGUN,
    FRAMES_PARTS,
    OPTIONS,
    RECORDS,
    SequenceRecord,
    frames_path,
    images_folder,
    read_record,
    record_path,
)
from gtahead.building.split_options import SPLIT_KEYS
from gtahead.dataset import ANNOTATING, FRAMES, MANIFEST, WORK, Manifest, heads_file, read_manifest
from gtahead.dataset.manifest import FORMAT
from gtahead.errors import REBUILD, InputError, Where
from gtahead.findings import Findings
from gtahead.images.reading import EXTENSIONS
from gtahead.ingest.model import SequenceSource, inputs_digest
from gtahead.readers import READERS
from gtahead.storage import crash_point, system, targets
from gtahead.tables import canonical

FOLDERS = ("heads", "images", "images/*", WORK, f"{WORK}/*", ANNOTATING, f"{ANNOTATING}/*")
"""The folders in a dataset that builds and annotations write and remove."""


@dataclass(frozen=True)
class PreparedOutput:
    """A target folder that is ready to be built into.

    Attributes:
        records: of the sequences that needn't be built again, by name.
        finished: the manifest, where nothing at all is left to do.
    """

    records: dict[str, SequenceRecord]
    finished: Manifest | None


@contextmanager
def opened(
    target: Path, options: BuildOptions, sources: Sequence[SequenceSource], *, fresh: bool
) -> Iterator[Path]:
    """Yield the folder to build into, locked: the target, or one beside it that replaces it.

    Args:
        target: the dataset's folder.
        options: of this build.
        sources: all sequences of the captures.
        fresh: build anew beside a dataset that stands there, which stays whole until the new one
            is. What a stopped run with the same options has begun there is gone on with.

    Raises:
        InputError: the target holds something else, or a folder in it is a link.
        ResourceError: disk, rights, or another run with the same target.
    """
    if fresh and target.is_dir() and is_ours(target):
        targets.refuse_links(target, FOLDERS)
        with targets.replacing(target, DATASET, overwrite=True, resumes=True) as part:
            begun = {path.stem for path in (part / WORK / RECORDS).glob("*.json")}
            gone = begun - {source.name for source in sources}
            if gone or _json(part / WORK / OPTIONS) != options.as_dict():
                targets.clear(part)
                part.mkdir()
            yield part
        return
    with targets.locked(target):
        storage.make_folder(target)
        refuse_foreign(target)
        targets.refuse_links(target, FOLDERS)
        yield target


def _strange_in(folder: Path) -> list[str] | None:
    """Name the files that aren't a dataset's; None where it is none, finished or not."""
    if not is_ours(folder):
        return None
    own = {MANIFEST, FRAMES, targets.LOCK}
    suffixes = {"heads": {".parquet"}, "images": set(EXTENSIONS.values())}
    strange = []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        inside = parts[0] in (WORK, ANNOTATING) or parts[0].startswith(storage.ASIDE)
        if path.is_dir() or inside or path.name.startswith(storage.ASIDE):
            continue
        if len(parts) == 1 and parts[0] in own:
            continue
        if len(parts) > 1 and path.suffix in suffixes.get(parts[0], ()):
            continue
        strange.append("/".join(parts))
    return sorted(strange)


DATASET = targets.Kind("dataset", _strange_in)


def refuse_foreign(target: Path) -> None:
    """Refuse a folder that holds anything but a gtahead dataset; an empty one is fine.

    Raises:
        InputError: it does.
    """
    names = sorted(path.name for path in target.iterdir())
    strange = [
        name for name in names if name != targets.LOCK and not name.startswith(storage.ASIDE)
    ]
    if strange and not is_ours(target):
        raise InputError(
            "the folder holds something that isn't a gtahead dataset",
            where=Where(str(target)),
            value=strange[0],
            remedy="choose an empty folder for --out",
        )


def is_ours(target: Path) -> bool:
    """Return whether the folder holds a gtahead dataset, finished, unfinished or damaged."""
    manifest, options = _json(target / MANIFEST), _json(target / WORK / OPTIONS)
    return (
        manifest.get("format") == FORMAT
        or "gtahead" in options
        or canonical.is_frames_table(target / FRAMES)
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        document = orjson.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def prepare(
    target: Path, options: BuildOptions, sources: Sequence[SequenceSource], listed: Findings
) -> PreparedOutput:
    """Prepare the target for building, and find the sequences that are done already.

    Args:
        target: the dataset's folder, ours or empty.
        options: of this build.
        sources: all sequences of the captures.
        listed: what was noticed while they were listed.

    Raises:
        InputError: options changed, sequences are gone from the captures, or the manifest is
            damaged.
    """
    work = target / WORK
    storage.remove_leftovers(target)
    manifest = read_manifest(target) if (target / MANIFEST).exists() else None
    begun_with = _json(work / OPTIONS) or (manifest.document["options"] if manifest else {})
    if begun_with:
        _refuse_changes(target, begun_with, options, finished=manifest is not None)
    names = [source.name for source in sources]
    records = {name: record for name in names if (record := read_record(record_path(target, name)))}
    from_manifest = records_of(target, manifest)
    built = {path.stem for path in (work / RECORDS).glob("*.json")} | set(from_manifest)
    _refuse_missing(target, built, names)
    records = _still_good(target, records, sources, options)
    if _intact(target, manifest):
        missing = [source for source in sources if source.name not in records]
        reopened = _still_good(target, from_manifest, missing, options, apart=False)
    else:
        reopened = {}
    good = {**records, **reopened}
    if manifest is not None and _says_all(manifest, good, names, listed):
        storage.remove_folder(work)
        return PreparedOutput(good, manifest)
    _open_work(target, options, reopened)
    for name in set(names) - set(good):
        record_path(target, name).unlink(missing_ok=True)
    crash_point("reopened")
    if manifest is not None and set(from_manifest) - set(good):
        (target / MANIFEST).unlink()
        system.sync_folder(target)
    return PreparedOutput(good, None)


def records_of(target: Path, manifest: Manifest | None) -> dict[str, SequenceRecord]:
    """Read the sequences' records from a manifest; none without a manifest.

    Raises:
        InputError: they aren't readable.
    """
    if manifest is None:
        return {}
    rows = [{k: v for k, v in row.items() if k != "reader"} for row in manifest.document["sources"]]
    try:
        return {row["sequence"]: SequenceRecord.from_dict(row) for row in rows}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            "the manifest's sources can't be read",
            where=Where(str(target / MANIFEST), field="/sources"),
            remedy=REBUILD,
        ) from error


def _intact(target: Path, manifest: Manifest | None) -> bool:
    """Return whether the table of frames is the one that the manifest names."""
    if manifest is None or not (target / FRAMES).is_file():
        return False
    named = manifest.document["tables"][FRAMES]["sha256"]
    return bool(storage.sha256_of(target / FRAMES) == named)


def _says_all(
    manifest: Manifest, good: Mapping[str, SequenceRecord], names: Sequence[str], listed: Findings
) -> bool:
    """Return whether a manifest lists exactly these sequences and listing findings."""
    rows = {row["sequence"]: row for row in manifest.document["sources"]}
    if set(rows) != set(names) or set(good) != set(names):
        return False
    totals = manifest.document["findings"]["totals"]
    same_listing = all(totals.get(code, 0) == listed.totals.get(code, 0) for code in LISTING_CODES)
    return same_listing and all(good[name].inputs == rows[name]["inputs"] for name in names)


LISTING_CODES = ("no-sequence-file", "bad-name")
"""What is noticed while sequences are listed, before any is read."""


def _mark(target: Path, options: dict[str, Any]) -> None:
    """Write the options into the work folder, which never exists without them."""
    work = target / WORK
    if not work.exists():
        part = storage.aside_name(work)
        part.mkdir()
        storage.write_json(part / OPTIONS, options)
        crash_point("marking")
        part.rename(work)
        system.sync_folder(target)
    else:
        storage.write_json(work / OPTIONS, options)


def _open_work(target: Path, options: BuildOptions, reopened: Mapping[str, SequenceRecord]) -> None:
    """Create the work folder, and restore what a finished dataset already has."""
    work = target / WORK
    _mark(target, options.as_dict())
    storage.remove_leftovers(work)
    for folder in (RECORDS, FRAMES_PARTS, BEGUN):
        (work / folder).mkdir(exist_ok=True)
        storage.remove_leftovers(work / folder)
    for name in ("heads", *(("images",) if options.images != "none" else ())):
        (target / name).mkdir(exist_ok=True)
        storage.remove_leftovers(target / name)
    parts = {name: frames_path(target, name) for name, record in reopened.items() if record.kept}
    if parts:
        canonical.part_frames(target / FRAMES, str(target / FRAMES), parts)
    for name, record in reopened.items():
        storage.write_json(record_path(target, name), record.as_dict())


def _refuse_changes(
    target: Path, old: dict[str, Any], options: BuildOptions, *, finished: bool
) -> None:
    new = options.as_dict()
    if not finished:  # splits are only made at the end
        old, new = ({k: v for k, v in one.items() if k not in SPLIT_KEYS} for one in (old, new))
    changed = differing(old, new)
    if changed:
        raise InputError(
            f"the dataset was begun with other options: {changed}",
            where=Where(str(target)),
            remedy="use the same options, another --out, or --fresh to build it anew; `gtahead "
            "annotate` gives other boxes, sigmas or splits in place",
        )


def _refuse_missing(target: Path, built: Iterable[str], names: Sequence[str]) -> None:
    gone = sorted(set(built) - set(names))
    if gone:
        raise InputError(
            "the dataset holds a sequence that the captures don't have",
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
    apart: bool = True,
) -> dict[str, SequenceRecord]:
    """Return the records whose capture hasn't changed and whose files are whole.

    Args:
        target: the dataset's folder.
        records: to judge.
        sources: of the captures.
        options: of this build.
        apart: whether a kept sequence's frames have to stand in the work folder.
    """
    good = {}
    for source in sources:
        record = records.get(source.name)
        if record is None or "unit-crashed" in record.findings.totals:
            continue
        if record.inputs != unit_digest(source, options):
            continue
        if record.kept:
            heads = target / heads_file(source.name)
            if apart and not frames_path(target, source.name).is_file():
                continue
            if not heads.is_file() or storage.sha256_of(heads) != record.table["sha256"]:
                continue
            if options.images != "none" and not _images_there(target, record):
                continue
        good[source.name] = record
    return good


def unit_digest(source: SequenceSource, options: BuildOptions) -> str:
    """Hash everything that a sequence's output depends on; empty if it can't be read."""
    try:
        labels, images = READERS[source.reader].inputs(source)
        given = {k: v for k, v in options.as_dict().items() if k not in SPLIT_KEYS}
        if source.split is not None:
            given["split"] = source.split
        if source.head_classes is not None:
            given["head_classes"] = sorted(map(str, source.head_classes))
        return inputs_digest(labels, images, source.root, storage.json_bytes(given))
    except OSError:
        return ""


def _images_there(target: Path, record: SequenceRecord) -> bool:
    """Return whether all images are there, by number and size: hashing would read them all."""
    folder = images_folder(target, record.sequence)
    there = folder.iterdir() if folder.is_dir() else ()
    sizes = [path.stat().st_size for path in there if path.suffix in EXTENSIONS.values()]
    return len(sizes) >= record.images and sum(sizes) >= record.image_bytes


def remove_sequence(target: Path, name: str) -> None:
    """Remove a sequence's table and images; files that aren't ours stay."""
    if not storage.can_name(name):
        return
    (target / heads_file(name)).unlink(missing_ok=True)
    remove_images(target, name)


def remove_images(target: Path, name: str) -> None:
    """Remove a sequence's images from the dataset; the original files stay."""
    folder = images_folder(target, name)
    if folder.is_dir() and not folder.is_symlink():
        for path in folder.iterdir():
            if path.suffix in EXTENSIONS.values():
                path.unlink()
        with suppress(OSError):
            folder.rmdir()


def _begun(target: Path) -> list[str]:
    folder = target / WORK / BEGUN
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []


def remove_orphans(target: Path, kept: Iterable[str]) -> None:
    """Remove the files of sequences that were begun and aren't part of the dataset."""
    for name in set(_begun(target)) - set(kept):
        remove_sequence(target, name)


def leave_nothing(target: Path, *, existed: bool) -> None:
    """Remove everything that a failed first build has written."""
    for name in ("heads", "images", WORK):
        storage.remove_folder(target / name)
    if not existed:
        with suppress(OSError):
            target.rmdir()
