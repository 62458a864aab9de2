"""The last step of a build: splits, the table of frames, fingerprints, the manifest."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Any

from gtahead import __version__, storage
from gtahead.annotation import SplitItem, design_splits
from gtahead.annotation.splits import groups_of
from gtahead.building.options import BuildOptions
from gtahead.building.records import SequenceRecord, frames_path
from gtahead.dataset import FRAMES, SPLITS, WORK, heads_file, tables, write_manifest
from gtahead.dataset.fingerprints import KINDS, combined
from gtahead.dataset.manifest import FORMAT, VERSION
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.storage import crash_point

DENSITY_LEVELS = ((0, 0), (1, 100), (101, 500), (501, 5000), (5001, None))
"""Heads a frame, both ends included: NWPU-Crowd's levels."""

_LIBRARIES = ("numpy", "pyarrow", "opencv-python-headless", "pillow")


def finish(
    target: Path,
    options: BuildOptions,
    records: Mapping[str, SequenceRecord],
    findings: Findings,
    ledger: Ledger,
) -> dict[str, Any]:
    """Put the finished sequences together.

    Args:
        target: the data set's folder.
        options: of the build.
        records: of all sequences, those that were set aside included.
        findings: of the whole build; takes what is noticed here.
        ledger: of the whole build.

    Returns:
        The manifest, as written.
    """
    names = sorted(records)
    kept = [name for name in names if records[name].kept]
    rows = _all_frames(target, kept)
    splits, how = _splits(kept, records, rows, findings)
    rows["split"] = [splits[sequence] for sequence in rows["sequence"]]
    with storage.replacing(target / FRAMES) as part:
        tables.write_frames(part, rows)
    crash_point("frames-written")
    table_rows = {
        FRAMES: {"sha256": storage.sha256_of(target / FRAMES), "rows": len(rows["frame_id"])},
        **{heads_file(name): records[name].table for name in kept},
    }
    fingerprints = _fingerprints(kept, records, splits)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "gtahead": __version__,
        "libraries": {name: version(name) for name in _LIBRARIES},
        "simulated": any(records[name].simulated for name in kept),
        "options": options.as_dict(),
        "policy": str(options.policy),
        "visibility": _visibility(records[name] for name in kept),
        "splits": {
            "how": how,
            "unit": "sequence",
            "sequences": {
                split: [name for name in kept if splits[name] == split] for split in SPLITS
            },
        },
        "sources": [{"reader": options.reader, **records[name].as_dict()} for name in names],
        "ledger": ledger.as_dict(),
        "findings": findings.as_dict(),
        "statistics": _statistics(rows, [records[name] for name in kept]),
        "tables": table_rows,
        "fingerprint": fingerprints["labels"]["all"],
        "fingerprints": fingerprints,
    }
    write_manifest(target, document)
    crash_point("manifest-written")
    shutil.rmtree(target / WORK)
    with suppress(OSError):  # a data set of labels alone has no pictures
        (target / "images").rmdir()
    return document


def _all_frames(target: Path, names: Iterable[str]) -> dict[str, list[Any]]:
    rows: dict[str, list[Any]] = {name: [] for name in tables.FRAMES_V1.names}
    for name in names:
        path = frames_path(target, name)
        for column, values in tables.read_frames(path, str(path)).items():
            rows[column] += values
    return rows


def _splits(
    kept: list[str],
    records: Mapping[str, SequenceRecord],
    rows: Mapping[str, list[Any]],
    findings: Findings,
) -> tuple[dict[str, str], str]:
    """Take the capture's own splits where every sequence has one, else design them."""
    given = {name: records[name].split for name in kept}
    taken = {name: split for name, split in given.items() if split is not None}
    shared = _shared_pictures(rows, findings)
    if len(taken) == len(kept):
        return taken, "given"
    frames = Counter(rows["sequence"])
    first = {sequence: row for row, sequence in reversed(list(enumerate(rows["sequence"])))}
    items = [
        SplitItem(
            name,
            records[name].counts["counted"],
            frames[name],
            frozenset({*records[name].keys, *shared.get(name, ())}),
            _traits(rows, first[name]),
        )
        for name in kept
    ]
    places = len(groups_of(items))
    if places < len(SPLITS):
        detail = f"{places} {'place' if places == 1 else 'places'}"
        findings.add("few-places", Where(), detail=detail)
    return design_splits(items), "designed"


def _traits(rows: Mapping[str, list[Any]], row: int) -> tuple[str, ...]:
    weather, hour = rows["weather"][row], rows["hour"][row]
    traits = [f"weather {weather}"] if weather is not None else []
    if hour is not None:
        traits.append("day" if 6 <= hour < 20 else "night")
    return tuple(traits)


def _shared_pictures(rows: Mapping[str, list[Any]], findings: Findings) -> dict[str, set[str]]:
    """Find pictures that stand in two sequences; give each such sequence their hashes."""
    home: dict[str, int] = {}
    shared: dict[str, set[str]] = {}
    for row, sha256 in enumerate(rows["sha256"]):
        if sha256 is None:
            continue
        first = home.setdefault(sha256, row)
        if rows["sequence"][first] != rows["sequence"][row]:
            where = Where(rows["source_file"][row], rows["sequence"][row], rows["frame"][row])
            findings.add("same-picture-twice", where, detail=f"as {rows['source_file'][first]}")
            for other in (first, row):
                shared.setdefault(rows["sequence"][other], set()).add(f"picture {sha256}")
    return shared


def _fingerprints(
    kept: list[str], records: Mapping[str, SequenceRecord], splits: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    parts = {
        "all": kept,
        **{split: [name for name in kept if splits[name] == split] for split in SPLITS},
    }
    return {
        kind: {
            part: combined((name, records[name].digests[kind]) for name in names)
            for part, names in parts.items()
        }
        for kind in KINDS
    }


def _visibility(records: Iterable[SequenceRecord]) -> str:
    kinds = {kind for record in records for kind in record.visibility}
    return "mixed" if len(kinds) > 1 else next(iter(kinds), "unknown")


def _statistics(rows: Mapping[str, list[Any]], records: list[SequenceRecord]) -> dict[str, Any]:
    counts = rows["num_heads"]
    totals: Counter[str] = Counter()
    boxes: Counter[str] = Counter()
    for record in records:
        totals.update(record.counts)
        boxes.update(record.box_sources)
    sizes = Counter(f"{w}x{h}" for w, h in zip(rows["width"], rows["height"], strict=True))
    return {
        "sequences": len(records),
        "frames": len(counts),
        "frames_without_heads": sum(count == 0 for count in counts),
        "heads": {name: totals[name] for name in ("counted", "ignored", "absent")},
        "heads_a_frame": {
            "least": min(counts),
            "median": median(counts),
            "mean": round(mean(counts), 2),
            "most": max(counts),
        },
        "frames_by_density": {
            (f"{low}" if high == low else f"{low}-{high}" if high else f">{low - 1}"): sum(
                low <= count and (high is None or count <= high) for count in counts
            )
            for low, high in DENSITY_LEVELS
        },
        "sizes": dict(sorted(sizes.items())),
        "box_sources": dict(sorted(boxes.items())),
        "splits": {split: _split_row(rows, split) for split in SPLITS},
        "weather": _tally(rows["weather"]),
        "pictures": sum(file is not None for file in rows["file"]),
        "picture_bytes": sum(record.picture_bytes for record in records),
    }


def _split_row(rows: Mapping[str, list[Any]], split: str) -> dict[str, int]:
    mine = [row for row, name in enumerate(rows["split"]) if name == split]
    return {
        "sequences": len({rows["sequence"][row] for row in mine}),
        "frames": len(mine),
        "heads": sum(rows["num_heads"][row] for row in mine),
    }


def _tally(values: Iterable[str | None]) -> dict[str, int]:
    return dict(sorted(Counter(value for value in values if value is not None).items()))
