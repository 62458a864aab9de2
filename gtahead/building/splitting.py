"""Which split each frame is in: as given, as designed, or as a file says.

Captures and videos are split by sequence, since neighbouring frames are alike; photographs by
image, those that look alike staying together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from gtahead.annotation import Balance, SplitItem, balance_of, deal_images, design_splits
from gtahead.annotation.splits import SHARES, groups_of
from gtahead.arrays import Ints
from gtahead.building.records import SequenceRecord
from gtahead.building.split_options import SplitOptions
from gtahead.dataset import SPLITS
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings
from gtahead.images.alike import shared_keys, twins
from gtahead.origins import RENDERED

Twins = Sequence[tuple[str, str]]
"""Pairs of frame ids whose images are the same or look alike."""

STANDPOINT_M = 1.0
"""Cameras that stood at most so far apart, in each axis, count as one."""

COLUMNS = (
    *("frame_id", "frame", "num_heads", "width", "height", "weather", "hour", "location"),
    *("file", "source_file", "sha256", "difference_hash"),
    *("camera_x_m", "camera_y_m", "camera_z_m"),
)
"""Of the table of frames, what splits and statistics need."""


@dataclass(frozen=True)
class SequenceFrames:
    """What splits and statistics need to know about one sequence's frames.

    Attributes:
        counts: (F,) heads that count.
        sizes: how many frames of which size.
        sha256: (F,) of the images, None where there is none.
        hashes: (F,) their difference hashes, None where there is none.
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
    hashes: list[str | None]
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
            hashes=list(rows["difference_hash"]),
            image_files=list(rows["file"]),
            source_files=list(rows["source_file"]),
        )

    @property
    def files(self) -> int:
        """How many images the dataset holds."""
        return sum(file is not None for file in self.image_files)


@dataclass(frozen=True)
class Splits:
    """The split of each frame.

    Attributes:
        of: by sequence, (F,) names of splits.
        how: given, designed, or file.
        unit: what was put into splits as a whole: sequence or image.
        balance: how even designed splits are; None for others.
        compared: by what images were compared: `look`, `bytes`, or `nothing` where there are none.
    """

    of: Mapping[str, Sequence[str]]
    how: str
    unit: str
    balance: Balance | None = None
    compared: str = "nothing"

    def as_dict(self) -> dict[str, Any]:
        """Return the splits as the manifest holds them."""
        return {
            "how": self.how,
            "unit": self.unit,
            "compared": self.compared,
            "balance": None if self.balance is None else self.balance.as_dict(),
            "sequences": {
                split: [name for name in sorted(self.of) if split in self.of[name]]
                for split in SPLITS
            },
        }


def split_frames(
    sequences: Sequence[SequenceFrames],
    records: Mapping[str, SequenceRecord],
    options: SplitOptions,
    findings: Findings,
    *,
    video: bool,
) -> Splits:
    """Put every frame into a split.

    Args:
        sequences: all that are kept.
        records: theirs, with the splits that are given.
        options: how.
        findings: takes images that are there twice, and what is odd about splits.
        video: whether frames of a sequence follow one another in time.

    Raises:
        InputError: a file of splits that can't be read, or leaves out a frame.
        UsageError: splits should all be given, and aren't.
    """
    alike = _twins(sequences, findings)
    splits = _splits(sequences, records, options, alike, findings, video=video)
    splits = replace(splits, compared=_compared(sequences))
    _note_twins(sequences, splits, alike, findings)
    if splits.unit == "image":
        _note_divided(sequences, records, splits, findings, video=video)
    return splits


def _splits(
    sequences: Sequence[SequenceFrames],
    records: Mapping[str, SequenceRecord],
    options: SplitOptions,
    alike: Twins,
    findings: Findings,
    *,
    video: bool,
) -> Splits:
    """Decide between given splits, named ones, and designed ones by sequence or image."""
    items = _as_items(sequences, alike)
    groups = groups_of(items)
    unit = options.by or _usual_unit(sequences, records, groups, video=video)
    if options.names:
        named = _as_named(options, sequences)
        return Splits(named, "file", _unit_of(named, unit, options.by, options.file))
    known = {} if options.is_design else _given(sequences, records)
    frames = {frame_id for one in sequences for frame_id in one.frame_ids}
    if options.how == "given" and len(known) < len(frames):
        lacking = min(frames - known.keys())
        raise UsageError(
            "--split given: the data don't say the split of every frame",
            value=lacking,
            remedy="leave --split out: gtahead then designs those that aren't given",
        )
    of = {one.name: [known.get(frame_id) for frame_id in one.frame_ids] for one in sequences}
    whole = {name: splits[0] for name, splits in of.items() if len(set(splits)) == 1}
    given = {name: split for name, split in whole.items() if split is not None}
    if known:
        unit = _unit_of(of, unit, options.by, None)
    if len(given) == len(sequences):
        _note_leaks(sequences, given, findings)
    if len(known) == len(frames):
        return Splits({n: [s for s in mine if s] for n, mine in of.items()}, "given", unit)
    if unit == "image":
        return _by_image(sequences, known, alike, options.shares, findings)
    return _by_sequence(sequences, items, groups, given, options.shares, findings)


def _given(
    sequences: Sequence[SequenceFrames], records: Mapping[str, SequenceRecord]
) -> dict[str, str]:
    """Return the splits that the data bring, by frame id: of whole sequences, or of images."""
    known: dict[str, str] = {}
    for one in sequences:
        record = records[one.name]
        if record.split is not None:
            known |= dict.fromkeys(one.frame_ids, record.split)
        known |= record.splits
    return known


def _unit_of(
    of: Mapping[str, Sequence[str | None]], usual: str, wanted: str | None, file: str | None
) -> str:
    """Return the unit of splits that are given: images, where they divide a sequence.

    Raises:
        UsageError: they do, though they should be by sequence.
    """
    divided = [name for name, splits in of.items() if len(set(splits)) > 1]
    if divided and wanted == "sequence":
        raise UsageError(
            "--split-by sequence: the splits that are given divide a sequence",
            where=Where(file) if file else None,
            value=divided[0],
            remedy="leave --split-by out, or discard them: --split designed",
        )
    return "image" if divided else usual


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
    sequences: Sequence[SequenceFrames],
    known: Mapping[str, str],
    alike: Twins,
    shares: Mapping[str, float] | None,
    findings: Findings,
) -> Splits:
    """Deal images without a split to splits, those that are alike together."""
    for one in sequences if known else ():
        if not all(frame_id in known for frame_id in one.frame_ids):
            findings.add("split-missing", Where(sequence=one.name))
    keys = shared_keys(alike)
    items = [
        SplitItem(frame_id, int(count), 1, frozenset(keys.get(frame_id, ())))
        for one in sequences
        for frame_id, count in zip(one.frame_ids, one.counts, strict=True)
    ]
    chosen = dict(known)
    free: list[SplitItem] = []
    groups = groups_of(items)
    for group in groups:  # what looks like an image of a given split goes with it
        mine = [items[index] for index in group]
        split = next((known[item.name] for item in mine if item.name in known), None)
        if split is None:
            free += mine
        else:
            chosen = {item.name: split for item in mine} | chosen
    chosen |= deal_images(free, shares or SHARES)
    wanted = 0 if shares is None else sum(share > 0 for share in shares.values())
    if not known and len(groups) < wanted:
        findings.add("few-images", Where(), detail=f"{len(groups)} that differ, {wanted} splits")
    frames = {one.name: [chosen[frame_id] for frame_id in one.frame_ids] for one in sequences}
    if known:
        return Splits(frames, "given", "image")
    balance = balance_of(items, chosen, shares or SHARES)
    measures = {name: row for name, row in balance.shares.items() if name != "sequences"}
    return Splits(frames, "designed", "image", replace(balance, shares=measures))


def _as_items(sequences: Sequence[SequenceFrames], alike: Twins) -> list[SplitItem]:
    """Return the sequences as the search for splits sees them."""
    shared: dict[str, set[Hashable]] = {}
    for one, other in alike:
        names = one.rpartition("/")[0], other.rpartition("/")[0]
        for name in names if names[0] != names[1] else ():
            shared.setdefault(name, set()).add((one, other))
    return [
        SplitItem(
            one.name,
            int(one.counts.sum()),
            len(one.counts),
            frozenset({*_place_keys(one), *shared.get(one.name, ())}),
            _traits(one),
        )
        for one in sequences
    ]


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
    sequences: Sequence[SequenceFrames], given: Mapping[str, str], findings: Findings
) -> None:
    """Note given splits that put one location or standpoint on two sides; images have their own."""
    items = _as_items(sequences, ())
    for group in groups_of(items):
        first = items[group[0]].name
        for index in group[1:]:
            other = items[index].name
            if given[other] != given[first]:
                detail = f"{first} is for {given[first]}, {other} for {given[other]}"
                findings.add("given-splits-leak", Where(sequence=other), detail=detail)


def _note_twins(
    sequences: Sequence[SequenceFrames], splits: Splits, alike: Twins, findings: Findings
) -> None:
    """Note images of one split that are the same as, or look like, those of another."""
    split_of = {
        frame_id: split
        for one in sequences
        for frame_id, split in zip(one.frame_ids, splits.of[one.name], strict=True)
    }
    noted: set[str] = set()
    for one, other in alike:
        if split_of[one] != split_of[other] and other not in noted:
            noted.add(other)
            sequence, _, frame = other.rpartition("/")
            detail = f"in {split_of[one]}; this is for {split_of[other]}"
            findings.add("near-duplicate", Where(None, sequence, frame), one, detail)


def _note_divided(
    sequences: Sequence[SequenceFrames],
    records: Mapping[str, SequenceRecord],
    splits: Splits,
    findings: Findings,
    *,
    video: bool,
) -> None:
    """Note what splits by image can't vouch for: videos, and images that weren't compared."""
    for one in sequences:
        moving = video or records[one.name].origin in RENDERED
        if moving and len(set(splits.of[one.name])) > 1:
            findings.add("video-divided", Where(sequence=one.name))
    photographs = not video and any(records[s.name].origin not in RENDERED for s in sequences)
    if photographs and splits.how == "designed" and splits.compared != "look":
        detail = "only their bytes were" if splits.compared == "bytes" else "there are none"
        findings.add("images-not-compared", Where(), detail=detail)


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


def _compared(sequences: Sequence[SequenceFrames]) -> str:
    """Return by what all images were compared with one another."""
    if all(None not in one.hashes for one in sequences):
        return "look"
    return "bytes" if all(None not in one.sha256 for one in sequences) else "nothing"


def _twins(sequences: Sequence[SequenceFrames], findings: Findings) -> Twins:
    """Return pairs of frame ids whose images are the same or look alike; note the former."""
    names = [frame_id for one in sequences for frame_id in one.frame_ids]
    digests = [sha256 for one in sequences for sha256 in one.sha256]
    hashes = [code for one in sequences for code in one.hashes]
    files = dict(zip(names, (file for one in sequences for file in one.source_files), strict=True))
    same, near = twins(names, digests, hashes)
    for first, second in same:
        sequence, _, frame = second.rpartition("/")
        where = Where(files[second], sequence, frame)
        findings.add("same-image-twice", where, detail=f"as {files[first]}")
    return [*same, *near]
