"""The last step of a build: splits, the table of frames, fingerprints, the manifest.

The parts of the table of frames are gone through twice, one sequence at a time: once to sum up what
splits and statistics need, once to write them behind one another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import storage
from gtahead._version import __version__
from gtahead.building.output import remove_orphans
from gtahead.building.records import SequenceRecord, frames_path
from gtahead.building.split_options import SplitOptions
from gtahead.building.splitting import COLUMNS, SequenceFrames, Splits, split_frames, split_rows
from gtahead.dataset import (
    DENSITY_LEVELS,
    FRAMES,
    MANIFEST,
    WORK,
    density_level,
    heads_file,
    write_manifest,
)
from gtahead.dataset.fingerprints import fingerprints_by_split
from gtahead.dataset.manifest import FORMAT, VERSION
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings, Ledger
from gtahead.origins import origin_of
from gtahead.readers import READERS
from gtahead.regions import Regions
from gtahead.storage import crash_point
from gtahead.tables import canonical

_LIBRARIES = ("numpy", "pyarrow", "opencv-python-headless", "pillow")


@cache
def _versions() -> dict[str, str]:
    """Return the versions of the libraries that decide about the bytes."""
    return {name: version(name) for name in _LIBRARIES}


def finish(
    target: Path,
    options: Mapping[str, Any],
    records: Mapping[str, SequenceRecord],
    findings: Findings,
    ledger: Ledger,
    *,
    readers: Mapping[str, str],
    splits: SplitOptions,
    regions: Regions,
) -> dict[str, Any]:
    """Combine the finished sequences into a dataset.

    Args:
        target: the dataset's folder.
        options: as the manifest will have them.
        records: of all sequences, those that were set aside included.
        findings: of the whole build; takes what is noticed here.
        ledger: of the whole build.
        readers: of each sequence, the name in `READERS`.
        splits: how frames are put into splits.
        regions: of interest.

    Returns:
        The manifest, as written.
    """
    names = sorted(records)
    kept = [name for name in names if records[name].kept]
    sequences = [_sum_up(target, name) for name in kept]
    mine = {name: records[name] for name in kept}
    video = any(READERS[readers[name]].video for name in kept)
    try:
        made = split_frames(sequences, mine, splits, findings, video=video)
    except (InputError, UsageError) as error:
        stays = "what was built stays, and a build with other splits goes on from it"
        remedy = f"{error.remedy}; {stays}"
        raise type(error)(
            error.what, where=error.where, value=error.value, remedy=remedy
        ) from error
    known = {name for one in sequences for name in (one.name, one.location, *one.frame_ids) if name}
    for name in regions.unused(known):
        findings.add("region-unmatched", Where(), name)
    if regions.polygons and not any(one.counts.any() for one in sequences):
        findings.add("no-head-inside", Where())
    (target / MANIFEST).unlink(missing_ok=True)  # from here on the old one would be wrong
    remove_orphans(target, kept)
    _write_frames(target, made.of)
    crash_point("frames-written")
    table_rows = {
        FRAMES: {
            "sha256": storage.sha256_of(target / FRAMES),
            "rows": sum(len(sequence.counts) for sequence in sequences),
        },
        **{heads_file(name): records[name].table for name in kept},
    }
    fingerprints = fingerprints_by_split(
        {name: records[name].digests for name in kept},
        {one.name: dict(zip(one.frame_ids, made.of[one.name], strict=True)) for one in sequences},
    )
    document = {
        "format": FORMAT,
        "version": VERSION,
        "gtahead": __version__,
        "libraries": _versions(),
        "origin": origin_of(records[name].origin for name in kept),
        "options": dict(options),
        "policy": options["count_policy"],
        "visibility": _visibility(records[name] for name in kept),
        "splits": made.as_dict(),
        "sources": [{"reader": readers[name], **records[name].as_dict()} for name in names],
        "ledger": ledger.as_dict(),
        "findings": findings.as_dict(),
        "statistics": _statistics(sequences, [records[name] for name in kept], made),
        "tables": table_rows,
        "fingerprint": fingerprints["labels"]["all"],
        "fingerprints": fingerprints,
    }
    write_manifest(target, document)
    crash_point("manifest-written")
    storage.remove_folder(target / WORK)
    with suppress(OSError):  # a dataset of labels alone has no images
        (target / "images").rmdir()
    return document


def _sum_up(target: Path, name: str) -> SequenceFrames:
    path = frames_path(target, name)
    return SequenceFrames.of(name, canonical.read_frames(path, str(path), COLUMNS))


def splits_before(target: Path) -> dict[str, str]:
    """Return the split of each frame id as the table of frames says it; empty without one."""
    try:
        columns = canonical.read_frames(target / FRAMES, FRAMES, ["frame_id", "split"])
    except InputError:
        return {}
    return dict(zip(columns["frame_id"], columns["split"], strict=True))


def _write_frames(target: Path, splits: Mapping[str, Sequence[str]]) -> None:
    with storage.replacing(target / FRAMES) as part:
        writer = canonical.FramesWriter(part)
        try:
            for name in sorted(splits):
                writer.add(frames_path(target, name), splits[name])
        finally:
            writer.close()


def _visibility(records: Iterable[SequenceRecord]) -> str:
    kinds = {kind for record in records for kind in record.visibility}
    return "mixed" if len(kinds) > 1 else next(iter(kinds), "unknown")


def _statistics(
    sequences: list[SequenceFrames], records: list[SequenceRecord], splits: Splits
) -> dict[str, Any]:
    counts = np.concatenate([sequence.counts for sequence in sequences])
    totals: Counter[str] = Counter()
    boxes: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    weather: Counter[str] = Counter()
    levels = Counter(density_level(count) for count in counts.tolist())
    for sequence, record in zip(sequences, records, strict=True):
        totals.update(record.counts)
        boxes.update(record.box_sources)
        sizes.update(sequence.sizes)
        if sequence.weather is not None:
            weather[sequence.weather] += len(sequence.counts)
    return {
        "sequences": len(sequences),
        "frames": len(counts),
        "frames_without_heads": int((counts == 0).sum()),
        "heads": {name: totals[name] for name in ("counted", "ignored", "absent")},
        "heads_per_frame": {
            "least": int(counts.min()),
            "median": float(np.median(counts)),
            "mean": round(float(counts.mean()), 2),
            "most": int(counts.max()),
        },
        "frames_by_density": {name: levels[name] for name in DENSITY_LEVELS},
        "sizes": dict(sorted(sizes.items())),
        "box_sources": dict(sorted(boxes.items())),
        "splits": split_rows(sequences, splits),
        "frames_by_weather": dict(sorted(weather.items())),
        "images": sum(sequence.files for sequence in sequences),
        "image_bytes": sum(record.image_bytes for record in records),
    }
