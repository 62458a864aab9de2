"""The last step of a build: splits, the table of frames, fingerprints, the manifest.

The parts of the table of frames are gone through twice, one sequence at a time: once to sum up what
splits and statistics need, once to write them behind one another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead._version import __version__
from gtahead.annotation import Balance, SplitItem, balance_of, design_splits
from gtahead.annotation.splits import groups_of
from gtahead.arrays import Ints
from gtahead.building.options import BuildOptions
from gtahead.building.output import remove_orphans
from gtahead.building.records import SequenceRecord, frames_path
from gtahead.dataset import (
    DENSITY_LEVELS,
    FRAMES,
    MANIFEST,
    SPLITS,
    WORK,
    density_level,
    heads_file,
    write_manifest,
)
from gtahead.dataset.fingerprints import KINDS, combined
from gtahead.dataset.manifest import FORMAT, VERSION
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.origins import origin_of
from gtahead.storage import crash_point
from gtahead.tables import canonical

STANDPOINT_M = 1.0
"""Cameras that stood at most so far apart, in each axis, count as one."""

_LIBRARIES = ("numpy", "pyarrow", "opencv-python-headless", "pillow")


@dataclass(frozen=True)
class _Sequence:
    """What splits and statistics need to know about one sequence's frames.

    Attributes:
        counts: (F,) heads that count.
        sizes: how many frames of which size.
        images: (P,) the first 64 bits of each image's sha256.
        files: how many images the dataset holds.
    """

    name: str
    counts: Ints
    sizes: Counter[str]
    weather: str | None
    hour: float | None
    location: str | None
    standpoints: frozenset[tuple[float, float, float]]
    images: npt.NDArray[np.uint64]
    files: int


@cache
def _versions() -> dict[str, str]:
    """Return the versions of the libraries that decide about the bytes."""
    return {name: version(name) for name in _LIBRARIES}


def finish(
    target: Path,
    options: BuildOptions,
    records: Mapping[str, SequenceRecord],
    findings: Findings,
    ledger: Ledger,
) -> dict[str, Any]:
    """Combine the finished sequences into a dataset.

    Args:
        target: the dataset's folder.
        options: of the build.
        records: of all sequences, those that were set aside included.
        findings: of the whole build; takes what is noticed here.
        ledger: of the whole build.

    Returns:
        The manifest, as written.
    """
    names = sorted(records)
    kept = [name for name in names if records[name].kept]
    sequences = [_sum_up(target, name) for name in kept]
    splits, balance = _splits(target, sequences, records, findings)
    (target / MANIFEST).unlink(missing_ok=True)  # from here on the old one would be wrong
    remove_orphans(target, kept)
    _write_frames(target, splits)
    crash_point("frames-written")
    table_rows = {
        FRAMES: {
            "sha256": storage.sha256_of(target / FRAMES),
            "rows": sum(len(sequence.counts) for sequence in sequences),
        },
        **{heads_file(name): records[name].table for name in kept},
    }
    fingerprints = fingerprints_of(records, splits)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "gtahead": __version__,
        "libraries": _versions(),
        "origin": origin_of(records[name].origin for name in kept),
        "options": options.as_dict(),
        "policy": str(options.policy),
        "visibility": _visibility(records[name] for name in kept),
        "splits": {
            "how": "given" if balance is None else "designed",
            "unit": "sequence",
            "balance": None if balance is None else balance.as_dict(),
            "sequences": {
                split: [name for name in kept if splits[name] == split] for split in SPLITS
            },
        },
        "sources": [{"reader": options.reader, **records[name].as_dict()} for name in names],
        "ledger": ledger.as_dict(),
        "findings": findings.as_dict(),
        "statistics": _statistics(sequences, [records[name] for name in kept], splits),
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


def _sum_up(target: Path, name: str) -> _Sequence:
    columns = ["num_heads", "width", "height", "weather", "hour", "location", "file", "sha256"]
    columns += ["camera_x_m", "camera_y_m", "camera_z_m"]
    path = frames_path(target, name)
    rows = canonical.read_frames(path, str(path), columns)
    positions = zip(rows["camera_x_m"], rows["camera_y_m"], rows["camera_z_m"], strict=True)
    prefixes = [int(sha256[:16], 16) for sha256 in rows["sha256"] if sha256 is not None]
    return _Sequence(
        name=name,
        counts=np.array(rows["num_heads"], np.int64),
        sizes=Counter(f"{w}x{h}" for w, h in zip(rows["width"], rows["height"], strict=True)),
        weather=rows["weather"][0],
        hour=rows["hour"][0],
        location=rows["location"][0],
        standpoints=frozenset(position for position in positions if None not in position),
        images=np.unique(np.array(prefixes, np.uint64)),
        files=sum(file is not None for file in rows["file"]),
    )


def _splits(
    target: Path,
    sequences: list[_Sequence],
    records: Mapping[str, SequenceRecord],
    findings: Findings,
) -> tuple[dict[str, str], Balance | None]:
    """Take the capture's own splits where every sequence has one, else design them.

    Returns:
        Sequence name to split name, and how even designed splits are.
    """
    shared = _shared_images(target, sequences, findings)
    items = [
        SplitItem(
            sequence.name,
            int(sequence.counts.sum()),
            len(sequence.counts),
            frozenset({*_place_keys(sequence), *shared.get(sequence.name, ())}),
            _traits(sequence),
        )
        for sequence in sequences
    ]
    given = {sequence.name: records[sequence.name].split for sequence in sequences}
    taken = {name: split for name, split in given.items() if split is not None}
    groups = groups_of(items)
    if len(taken) == len(sequences):
        for group in groups:
            first = items[group[0]].name
            for index in group[1:]:
                other = items[index].name
                if taken[other] != taken[first]:
                    detail = f"{first} is for {taken[first]}, {other} for {taken[other]}"
                    findings.add("given-splits-leak", Where(sequence=other), detail=detail)
        return taken, None
    if taken:
        return _completed(items, groups, taken, findings), None
    if len(groups) < len(SPLITS):
        detail = f"{len(groups)} {'location' if len(groups) == 1 else 'locations'}"
        findings.add("few-locations", Where(), detail=detail)
    splits = design_splits(items)
    return splits, balance_of(items, splits)


def _completed(
    items: list[SplitItem], groups: list[list[int]], taken: dict[str, str], findings: Findings
) -> dict[str, str]:
    """Keep the splits that are given, and design those of the other sequences.

    What shares a location or an image with a given one goes with it.
    """
    splits = dict(taken)
    rest: list[SplitItem] = []
    for group in groups:
        given = [taken[items[index].name] for index in group if items[index].name in taken]
        for item in (items[index] for index in group if items[index].name not in taken):
            findings.add("split-missing", Where(sequence=item.name))
            if given:
                splits[item.name] = given[0]
            else:
                rest.append(item)
    return dict(sorted({**splits, **design_splits(rest)}.items()))


def _place_keys(sequence: _Sequence) -> set[tuple[object, ...]]:
    """Return keys that sequences of one location or of one camera standpoint share.

    Standpoints fall into cells of twice `STANDPOINT_M`, in eight grids that are shifted by half a
    cell: two that are at most `STANDPOINT_M` apart share a cell of one of them.
    """
    keys: set[tuple[object, ...]] = set()
    if sequence.location is not None:
        keys.add(("place", sequence.location))
    for standpoint in sequence.standpoints:
        for shift in product((0, 1), repeat=3):
            cell = [
                int((metres / STANDPOINT_M + moved) // 2)
                for metres, moved in zip(standpoint, shift, strict=True)
            ]
            keys.add(("standpoint", *shift, *cell))
    return keys


def _traits(sequence: _Sequence) -> tuple[str, ...]:
    traits = [] if sequence.weather is None else [f"weather {sequence.weather}"]
    if sequence.hour is not None:
        traits.append("day" if 6 <= sequence.hour < 20 else "night")
    return tuple(traits)


def _shared_images(
    target: Path, sequences: list[_Sequence], findings: Findings
) -> dict[str, set[tuple[object, ...]]]:
    """Find images that are in two sequences, and return keys for them by sequence."""
    if not sequences:
        return {}
    images = np.concatenate([sequence.images for sequence in sequences])
    owners = np.repeat(np.arange(len(sequences)), [len(one.images) for one in sequences])
    order = np.argsort(images, kind="stable")
    shared: dict[str, set[tuple[object, ...]]] = {}
    for position in np.flatnonzero(images[order][1:] == images[order][:-1]):
        first, second = (sequences[owners[order[position + step]]].name for step in (0, 1))
        prefix = f"{int(images[order[position]]):016x}"
        where, detail = (_image_place(target, second, prefix), _image_place(target, first, prefix))
        findings.add("same-image-twice", where, detail=f"as {detail.file}")
        for name in (first, second):
            shared.setdefault(name, set()).add(("image", prefix))
    return shared


def _image_place(target: Path, name: str, prefix: str) -> Where:
    path = frames_path(target, name)
    rows = canonical.read_frames(path, str(path), ["frame", "source_file", "sha256"])
    index = next(i for i, sha256 in enumerate(rows["sha256"]) if (sha256 or "").startswith(prefix))
    return Where(rows["source_file"][index], name, rows["frame"][index])


def _write_frames(target: Path, splits: Mapping[str, str]) -> None:
    with storage.replacing(target / FRAMES) as part:
        writer = canonical.FramesWriter(part)
        try:
            for name in sorted(splits):
                writer.add(frames_path(target, name), splits[name])
        finally:
            writer.close()


def fingerprints_of(
    records: Mapping[str, SequenceRecord], splits: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Combine the sequences' digests, for the whole and for each split."""
    parts = {
        "all": list(splits),
        **{split: [name for name in splits if splits[name] == split] for split in SPLITS},
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


def _statistics(
    sequences: list[_Sequence], records: list[SequenceRecord], splits: Mapping[str, str]
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
        "splits": {split: _split_row(sequences, splits, split) for split in SPLITS},
        "frames_by_weather": dict(sorted(weather.items())),
        "images": sum(sequence.files for sequence in sequences),
        "image_bytes": sum(record.image_bytes for record in records),
    }


def _split_row(sequences: list[_Sequence], splits: Mapping[str, str], split: str) -> dict[str, int]:
    mine = [sequence for sequence in sequences if splits[sequence.name] == split]
    return {
        "sequences": len(mine),
        "frames": sum(len(sequence.counts) for sequence in mine),
        "heads": int(sum(sequence.counts.sum() for sequence in mine)),
    }
