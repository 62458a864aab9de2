"""Which split each frame is in: as given, as designed, or as a file says.

Captures and videos are split by sequence, since neighbouring frames are alike; photographs by
image, those that look alike staying together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.annotation import Balance, SplitItem, balance_of, deal_images, design_splits
from gtahead.annotation.splits import SHARES, groups_of
from gtahead.arrays import Ints
from gtahead.building.records import SequenceRecord
from gtahead.building.split_options import SplitOptions
from gtahead.dataset import SPLITS
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings
from gtahead.images.alike import pairs_alike
from gtahead.images.reading import ImageError, difference_hash, read_bytes
from gtahead.origins import RENDERED

STANDPOINT_M = 1.0
"""Cameras that stood at most so far apart, in each axis, count as one."""

COLUMNS = (
    *("frame_id", "frame", "num_heads", "width", "height", "weather", "hour", "location"),
    *("file", "source_file", "sha256", "camera_x_m", "camera_y_m", "camera_z_m"),
)
"""Of the table of frames, what splits and statistics need."""


@dataclass(frozen=True)
class SequenceFrames:
    """What splits and statistics need to know about one sequence's frames.

    Attributes:
        counts: (F,) heads that count.
        sizes: how many frames of which size.
        sha256: (F,) of the images, None where there is none.
        image_files: (F,) relative to the dataset, None where there is none.
        source_files: (F,) what the images were made from.
    """

    name: str
    frame_ids: list[str]
    counts: Ints
    sizes: Counter[str]
    weather: str | None
    hour: float | None
    location: str | None
    standpoints: frozenset[tuple[float, float, float]]
    sha256: list[str | None]
    image_files: list[str | None]
    source_files: list[str | None]

    @classmethod
    def of(cls, name: str, rows: Mapping[str, Sequence[Any]]) -> SequenceFrames:
        """Sum up the rows of a sequence in the table of frames; they have `COLUMNS`."""
        positions = zip(rows["camera_x_m"], rows["camera_y_m"], rows["camera_z_m"], strict=True)
        return cls(
            name=name,
            frame_ids=list(rows["frame_id"]),
            counts=np.array(rows["num_heads"], np.int64),
            sizes=Counter(f"{w}x{h}" for w, h in zip(rows["width"], rows["height"], strict=True)),
            weather=rows["weather"][0],
            hour=rows["hour"][0],
            location=rows["location"][0],
            standpoints=frozenset(position for position in positions if None not in position),
            sha256=list(rows["sha256"]),
            image_files=list(rows["file"]),
            source_files=list(rows["source_file"]),
        )

    @property
    def files(self) -> int:
        """How many images the dataset holds."""
        return sum(file is not None for file in self.image_files)

    @property
    def prefixes(self) -> npt.NDArray[np.uint64]:
        """The first 64 bits of each image's sha256, each once."""
        return np.unique(np.array([int(one[:16], 16) for one in self.sha256 if one], np.uint64))


@dataclass(frozen=True)
class Splits:
    """The split of each frame.

    Attributes:
        of: by sequence, (F,) names of splits.
        how: given, designed, or file.
        unit: what was put into splits as a whole: sequence or image.
        balance: how even designed splits are; None for others.
    """

    of: Mapping[str, Sequence[str]]
    how: str
    unit: str
    balance: Balance | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the splits as the manifest holds them."""
        return {
            "how": self.how,
            "unit": self.unit,
            "balance": None if self.balance is None else self.balance.as_dict(),
            "sequences": {
                split: [name for name in sorted(self.of) if split in self.of[name]]
                for split in SPLITS
            },
        }


def split_frames(
    target: Path,
    sequences: Sequence[SequenceFrames],
    records: Mapping[str, SequenceRecord],
    options: SplitOptions,
    findings: Findings,
    *,
    video: bool,
) -> Splits:
    """Put every frame into a split.

    Args:
        target: the dataset's folder, with its images.
        sequences: all that are kept.
        records: theirs, with the splits that are given.
        options: how.
        findings: takes images that are there twice, and what is odd about splits.
        video: whether frames of a sequence follow one another in time.

    Raises:
        InputError: a file of splits that can't be read, or leaves out a frame.
        UsageError: splits should all be given, and aren't.
    """
    shared = _shared_images(sequences, findings)
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
    groups = groups_of(items)
    unit = options.by or _usual_unit(sequences, records, groups, video=video)
    if options.names:
        return Splits(_as_named(options, sequences), "file", unit)
    given = {one.name: split for one in sequences if (split := records[one.name].split) is not None}
    known = {f: given[one.name] for one in sequences if one.name in given for f in one.frame_ids}
    if options.by != "sequence" and any(records[one.name].splits for one in sequences):
        unit = "image"
        for one in sequences:
            known |= records[one.name].splits
    if options.shares is not None or options.how == "designed":
        given, known = {}, {}
    frames = {f: one.name for one in sequences for f in one.frame_ids}
    if options.how == "given" and len(known) < len(frames):
        lacking = next(name for name in frames if name not in known)
        raise UsageError(
            "--split given: the data don't say the split of every frame",
            value=lacking,
            remedy="leave --split out: gtahead then designs those that aren't given",
        )
    if len(given) == len(sequences):
        _note_leaks(items, groups, given, findings)
    if len(known) == len(frames):
        of = {one.name: [known[frame_id] for frame_id in one.frame_ids] for one in sequences}
        return Splits(of, "given", unit)
    if unit == "image":
        return _by_image(target, sequences, known, options.shares, findings)
    return _by_sequence(sequences, items, groups, given, options.shares, findings)


def split_rows(sequences: Sequence[SequenceFrames], splits: Splits) -> dict[str, dict[str, int]]:
    """Count each split's sequences, frames and heads, as a manifest has them."""
    rows = {}
    for split in SPLITS:
        mine = [np.array([one == split for one in splits.of[s.name]], np.bool_) for s in sequences]
        heads = [s.counts[chosen].sum() for s, chosen in zip(sequences, mine, strict=True)]
        rows[split] = {
            "sequences": sum(bool(chosen.any()) for chosen in mine),
            "frames": int(sum(chosen.sum() for chosen in mine)),
            "heads": int(sum(heads)),
        }
    return rows


def _whole(sequences: Sequence[SequenceFrames], splits: Mapping[str, str]) -> dict[str, list[str]]:
    return {one.name: [splits[one.name]] * len(one.counts) for one in sequences}


def _usual_unit(
    sequences: Sequence[SequenceFrames],
    records: Mapping[str, SequenceRecord],
    groups: Sequence[Sequence[int]],
    *,
    video: bool,
) -> str:
    """Return what is split as a whole: sequences of captures and videos, images of photographs.

    Of images of unknown origin several folders are kept apart, as if they were videos.
    """
    origins = {records[one.name].origin for one in sequences}
    if video or origins & RENDERED:
        return "sequence"
    return "image" if origins == {"photographs"} or len(groups) < len(SPLITS) else "sequence"


def _by_sequence(
    sequences: Sequence[SequenceFrames],
    items: list[SplitItem],
    groups: list[list[int]],
    given: Mapping[str, str],
    shares: Mapping[str, float] | None,
    findings: Findings,
) -> Splits:
    """Design the splits of sequences that have none, those of one location together."""
    if given:
        chosen = _completed(items, groups, given, findings)
        return Splits(_whole(sequences, chosen), "given", "sequence")
    if len(groups) < len(SPLITS):
        detail = f"{len(groups)} {'location' if len(groups) == 1 else 'locations'}"
        findings.add("few-locations", Where(), detail=detail)
    chosen = design_splits(items, shares or SHARES)
    frames = _whole(sequences, chosen)
    return Splits(frames, "designed", "sequence", balance_of(items, chosen, shares or SHARES))


def _by_image(
    target: Path,
    sequences: Sequence[SequenceFrames],
    known: Mapping[str, str],
    shares: Mapping[str, float] | None,
    findings: Findings,
) -> Splits:
    """Deal images without a split to splits, those that are alike together."""
    for one in sequences if known else ():
        if not all(frame_id in known for frame_id in one.frame_ids):
            findings.add("split-missing", Where(sequence=one.name))
    keys = _keys_of_images(target, sequences)
    items = [
        SplitItem(frame_id, int(count), 1, frozenset(keys.get(frame_id, ())))
        for one in sequences
        for frame_id, count in zip(one.frame_ids, one.counts, strict=True)
    ]
    chosen = dict(known)
    free: list[SplitItem] = []
    for group in groups_of(items):  # what looks like an image of a given split goes with it
        mine = [items[index] for index in group]
        split = next((known[item.name] for item in mine if item.name in known), None)
        if split is None:
            free += mine
        else:
            chosen = {item.name: split for item in mine} | chosen
    chosen |= deal_images(free, shares or SHARES)
    frames = {one.name: [chosen[frame_id] for frame_id in one.frame_ids] for one in sequences}
    if known:
        return Splits(frames, "given", "image")
    balance = balance_of(items, chosen, shares or SHARES)
    measures = {name: row for name, row in balance.shares.items() if name != "sequences"}
    return Splits(frames, "designed", "image", replace(balance, shares=measures))


def _keys_of_images(target: Path, sequences: Sequence[SequenceFrames]) -> dict[str, set[Hashable]]:
    """Return by frame id keys that images share which are the same or look alike."""
    keys: dict[str, set[Hashable]] = {}
    files: dict[str, Path] = {}
    for one in sequences:
        for frame_id, sha256, file in zip(one.frame_ids, one.sha256, one.image_files, strict=True):
            if sha256 is not None:
                keys.setdefault(frame_id, set()).add(("image", sha256))
            if file is not None:
                files[frame_id] = target / file
    with ThreadPoolExecutor() as threads:
        found = dict(zip(files, threads.map(_hash_of, files.values()), strict=True))
    hashes = {frame_id: code for frame_id, code in found.items() if code is not None}
    for number, pair in enumerate(pairs_alike(hashes)):
        for frame_id in pair:
            keys.setdefault(frame_id, set()).add(("alike", number))
    return keys


def _hash_of(path: Path) -> int | None:
    try:
        return difference_hash(read_bytes(path))
    except ImageError:
        return None


def _as_named(options: SplitOptions, sequences: Sequence[SequenceFrames]) -> dict[str, list[str]]:
    """Return the splits of frames that a file names, themselves or with their whole sequence.

    Raises:
        InputError: it leaves out a frame, or names what isn't there.
    """
    named, where = options.names, Where(options.file)
    known = {name for one in sequences for name in (one.name, *one.frame_ids)}
    unknown = next((name for name in named if name not in known), None)
    if unknown is not None:
        raise InputError(
            "the file of splits names what isn't in the dataset",
            where=where,
            value=unknown,
            remedy=f"names are those of sequences, or <sequence>/<frame>, as {min(known)}",
        )
    frames: dict[str, list[str]] = {}
    for one in sequences:
        for frame_id in one.frame_ids:
            split = named.get(frame_id, named.get(one.name))
            if split is None:
                raise InputError(
                    "the file of splits leaves out a frame",
                    where=where,
                    value=frame_id,
                    remedy="name each frame, or its sequence",
                )
            frames.setdefault(one.name, []).append(split)
    return frames


def _note_leaks(
    items: Sequence[SplitItem],
    groups: Sequence[Sequence[int]],
    given: Mapping[str, str],
    findings: Findings,
) -> None:
    """Note given splits that put one location, or one image, on two sides."""
    for group in groups:
        first = items[group[0]].name
        for index in group[1:]:
            other = items[index].name
            if given[other] != given[first]:
                detail = f"{first} is for {given[first]}, {other} for {given[other]}"
                findings.add("given-splits-leak", Where(sequence=other), detail=detail)


def _completed(
    items: list[SplitItem], groups: list[list[int]], taken: Mapping[str, str], findings: Findings
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


def _place_keys(sequence: SequenceFrames) -> set[tuple[object, ...]]:
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


def _traits(sequence: SequenceFrames) -> tuple[str, ...]:
    traits = [] if sequence.weather is None else [f"weather {sequence.weather}"]
    if sequence.hour is not None:
        traits.append("day" if 6 <= sequence.hour < 20 else "night")
    return tuple(traits)


def _shared_images(
    sequences: Sequence[SequenceFrames], findings: Findings
) -> dict[str, set[tuple[object, ...]]]:
    """Find images that are in two sequences, and return keys for them by sequence."""
    if not sequences:
        return {}
    images = np.concatenate([sequence.prefixes for sequence in sequences])
    owners = np.repeat(np.arange(len(sequences)), [len(one.prefixes) for one in sequences])
    order = np.argsort(images, kind="stable")
    shared: dict[str, set[tuple[object, ...]]] = {}
    for position in np.flatnonzero(images[order][1:] == images[order][:-1]):
        first, second = (sequences[owners[order[position + step]]] for step in (0, 1))
        prefix = f"{int(images[order[position]]):016x}"
        other = _place_of(first, prefix).file
        findings.add("same-image-twice", _place_of(second, prefix), detail=f"as {other}")
        for one in (first, second):
            shared.setdefault(one.name, set()).add(("image", prefix))
    return shared


def _place_of(sequence: SequenceFrames, prefix: str) -> Where:
    index = next(i for i, one in enumerate(sequence.sha256) if (one or "").startswith(prefix))
    _, _, frame = sequence.frame_ids[index].rpartition("/")
    return Where(sequence.source_files[index], sequence.name, frame)
