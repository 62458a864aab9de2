"""Datasets made of datasets: some frames of one, or several together.

The new dataset is made aside, a sequence at a time, and takes its place when it is whole. Heads,
boxes and splits are taken as they are; images are hard-linked.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import storage
from gtahead._version import __version__
from gtahead.arrays import Booleans, Columns, Floats, Progress
from gtahead.building.finishing import finish
from gtahead.building.options import IMAGES
from gtahead.building.output import DATASET
from gtahead.building.records import FRAMES_PARTS, SequenceRecord, frames_path, images_folder
from gtahead.building.split_options import SPLIT_KEYS, SplitOptions
from gtahead.dataset import (
    MANIFEST,
    WORK,
    Dataset,
    Frame,
    WrittenDataset,
    heads_file,
    require_image,
)
from gtahead.dataset.conditions import values_met
from gtahead.dataset.fingerprints import sequence_digests, without_unknown
from gtahead.errors import REBUILD, InputError, UsageError, Where, check_seed
from gtahead.findings import Findings, Ledger
from gtahead.regions import Regions, regions_of
from gtahead.storage import crash_point, targets
from gtahead.tables import canonical
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

FILTERED = "filtered"
"""In ledgers, why a frame was dropped."""

COPIED = ("origin", "made", "about", "visibility")
"""Of a sequence's record, what holds of any of its frames."""


@dataclass(frozen=True, repr=False)
class DerivedReport(WrittenDataset):
    """The result of `filter` or `merge`.

    Attributes:
        out: the new dataset's folder.
        ledger: what came in, what was dropped, over all sequences.
        findings: what was noticed.
        manifest: as written.
    """

    out: Path
    ledger: Ledger
    findings: Findings
    manifest: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """0: nothing is set aside here."""
        return 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        keys = ("origin", "policy", "splits", "statistics", "fingerprint", "fingerprints")
        return {
            "out": str(self.out),
            "ledger": self.ledger.as_dict(),
            "findings": self.findings.as_dict(),
            **{key: self.manifest[key] for key in keys},
        }


@resolve_urls(reads=["dataset"], writes=["out"])
def filter(
    dataset: StrPath | Dataset,
    out: StrPath,
    *,
    where: str | Callable[[Frame], bool] | None = None,
    sample: int | None = None,
    seed: int = 0,
    split: str | None = None,
    split_by: str | None = None,
    images: str = "link",
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> DerivedReport:
    """Make a dataset of some frames of another: those that meet a condition, or a sample of them.

    Args:
        dataset: the dataset, or a part of one, which is then written as it is.
        out: folder of the new one.
        where: on columns of the table of frames, such as `num_heads > 100 and weather == 'RAIN'`;
            or a function that takes a frame.
        sample: so many frames of those, chosen at random.
        seed: of the choice.
        split: None keeps each frame's split; else as of `build`.
        split_by: `sequence` or `image`; by default what suits the data.
        images: `link`, `copy` or `none`.
        overwrite: replace a dataset that stands at `out`.
        on_progress: called at the start and after each sequence.

    Raises:
        UsageError: it isn't a condition, or no frame meets it.
        InputError: no dataset, a damaged one, or something else at `out`.
        ResourceError: disk, rights, or another run with the same target.
    """
    check_seed(seed)
    opened = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    opened.stored.require_unchanged()
    part = opened if where is None else opened.filter(where)
    part = part if sample is None else part.sample(sample, seed)
    if not len(part):
        raise _nothing_left(opened, where)
    whole = Dataset.open(opened.folder)
    options = dict(opened.manifest.document["options"])
    steps = [where] if isinstance(where, str) else []
    steps += [f"{sample} frames, seed {seed}"] if sample is not None else []
    if not steps and len(part) < len(whole):
        steps = [f"{len(part)} frames"]
    if steps:
        options["filter"] = [*options.get("filter", []), *steps]
    regions = regions_of(opened.manifest.document, str(opened.folder))
    kept = frozenset(part.frame_ids)
    parts = [_Part(whole, kept, name, name) for name in whole.sequences]
    how = _Splits.of(split, split_by)
    return _derive(parts, options, regions, Path(out), how, images, overwrite, on_progress)


def _nothing_left(dataset: Dataset, where: object) -> UsageError:
    if not isinstance(where, str):
        return UsageError("no frame is left", remedy="`gtahead info` shows what is in")
    table = dataset.to_arrow("frames")
    there = values_met(where, table.column_names, lambda name: table.column(name).to_pylist())
    return UsageError("no frame is left", value=where, remedy=f"in this dataset {there}")


@resolve_urls(writes=["out"])
def merge(
    datasets: Sequence[StrPath | Dataset],
    out: StrPath,
    *,
    split: str | None = None,
    split_by: str | None = None,
    images: str = "link",
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> DerivedReport:
    """Put datasets, or parts of them, together.

    A sequence whose name several datasets have is called `<dataset>-<sequence>`. Splits are kept
    unless others are asked for: then frames of all are dealt anew.

    Args:
        datasets: two or more.
        out: folder of the new one.
        split: None keeps each frame's split; else as of `build`.
        split_by: `sequence` or `image`; by default what suits the data.
        images: `link`, `copy` or `none`.
        overwrite: replace a dataset that stands at `out`.
        on_progress: called at the start and after each sequence.

    Raises:
        UsageError: fewer than two datasets, or no frames in any of them.
        InputError: no dataset, a damaged one, datasets that count heads by different policies or
            have boxes or sigmas by different rules, or something else at `out`.
        ResourceError: disk, rights, or another run with the same target.
    """
    given: object = datasets  # whatever the caller's types are
    if isinstance(given, str | os.PathLike | Dataset):
        raise UsageError(
            "merge takes a list of datasets", value=str(given), remedy="merge([a, b], out)"
        )
    opened = [one if isinstance(one, Dataset) else Dataset.open(one) for one in datasets]
    for one in opened:
        one.stored.require_unchanged()
    if len(opened) < 2:
        raise UsageError("one dataset alone can't be merged", remedy="give two or more")
    if not any(len(one) for one in opened):
        raise UsageError("the datasets have no frames")
    policies = {one.manifest.policy: one for one in opened}
    if len(policies) > 1:
        (first, _), (policy, other) = list(policies.items())[:2]
        raise InputError(
            "the datasets count heads by different policies",
            where=Where(str(other.folder)),
            value=f"{policy}, and {first}",
            remedy="build one of them anew with the other's --count-policy",
        )
    parts = _renamed(opened)
    given = [one.manifest.document["options"] for one in opened]
    for key in ("boxes", "sigma"):
        rules = list(dict.fromkeys(str(one.get(key)) for one in given))
        if len(rules) > 1:
            raise InputError(
                f"the datasets have {key} by different rules",
                value=", and ".join(rules),
                remedy=f"give one of them the other's: gtahead annotate DATASET --{key} {rules[0]}",
            )
    keys = dict.fromkeys(key for one in given for key in one if key not in ("roi", *SPLIT_KEYS))
    options: dict[str, Any] = {
        key: values[0] if all(value == values[0] for value in values) else "mixed"
        for key in keys
        for values in ([one.get(key) for one in given],)
    }
    options |= {"merged": [one.folder.resolve().name for one in opened], "gtahead": __version__}
    regions = _regions_of(parts)
    if regions.polygons:
        options["roi"] = regions.as_dict()
    how = _Splits.of(split, split_by)
    return _derive(parts, options, regions, Path(out), how, images, overwrite, on_progress)


@dataclass(frozen=True)
class _Part:
    """One sequence on its way into the new dataset.

    Attributes:
        dataset: that it is of, the whole.
        kept: ids of the dataset's frames that are kept.
        sequence: its name there.
        name: its name in the new one.
    """

    dataset: Dataset
    kept: frozenset[str]
    sequence: str
    name: str


def _renamed(opened: Sequence[Dataset]) -> list[_Part]:
    """Name all sequences so that no two share a name, in any case and form of accents."""
    often = Counter(storage.folded_name(name) for one in opened for name in one.sequences)
    parts: list[_Part] = []
    taken = {name for name, times in often.items() if times == 1}
    for one in opened:
        whole, kept = Dataset.open(one.folder), frozenset(one.frame_ids)
        for sequence in one.sequences:
            name = sequence
            if often[storage.folded_name(sequence)] > 1:
                stem = f"{one.folder.resolve().name}-{sequence}"
                tries = (stem if n == 1 else f"{stem}-{n}" for n in count(1))
                name = next(t for t in tries if storage.folded_name(t) not in taken)
                taken.add(storage.folded_name(name))
            if not storage.can_name(name):
                remedy = "rename the dataset's folder"
                raise InputError("a sequence can't be called so", value=name, remedy=remedy)
            parts.append(_Part(whole, kept, sequence, name))
    return parts


def _regions_of(parts: Sequence[_Part]) -> Regions:
    """Return the regions of all frames, by the new names of sequences and frames."""
    polygons: dict[str, Sequence[Floats]] = {}
    for part in parts:
        dataset = part.dataset
        regions = regions_of(dataset.manifest.document, str(dataset.folder))
        if not regions.polygons:
            continue
        rows = dataset.select(sequences=[part.sequence]).frames(["frame", "location"])
        of = {
            f"{part.name}/{frame}": regions.of(f"{part.sequence}/{frame}", part.sequence, location)
            for frame, location in zip(rows["frame"], rows["location"], strict=True)
        }
        if len({id(mine) for mine in of.values()}) == 1:  # the same for the whole sequence
            of = {part.name: next(iter(of.values()))}
        polygons |= {name: mine for name, mine in of.items() if len(mine)}
    return Regions(polygons)


@dataclass(frozen=True)
class _Splits:
    """How the new dataset is split: as before, or by other options."""

    options: SplitOptions = field(default_factory=SplitOptions)
    kept: bool = True

    @classmethod
    def of(cls, split: str | None, split_by: str | None) -> _Splits:
        if split is None and split_by is None:
            return cls()
        return cls(SplitOptions.parse("auto" if split is None else split, split_by), kept=False)


def _derive(
    parts: Sequence[_Part],
    options: Mapping[str, Any],
    regions: Regions,
    target: Path,
    splits: _Splits,
    images: str,
    overwrite: bool,
    on_progress: Progress | None,
) -> DerivedReport:
    """Write the new dataset beside its target, then put it there."""
    if images not in IMAGES:
        remedy = ", ".join(IMAGES)
        raise UsageError("unknown value of --images", value=images, remedy=remedy)
    for old in {part.dataset.folder for part in parts}:
        storage.refuse_overlap(target, old, "the new dataset and the old one")
    findings, ledger = Findings(), Ledger()
    show = on_progress or (lambda done, total, name: None)
    options = {**options, "images": "none" if images == "none" else options.get("images", "kept")}
    if not splits.kept:
        options = {k: v for k, v in options.items() if k not in SPLIT_KEYS}
        options |= splits.options.as_dict()
    records: dict[str, SequenceRecord] = {}
    readers: dict[str, str] = {}
    with targets.replacing(target, DATASET, overwrite=overwrite) as place:
        for folder in ("heads", "images", f"{WORK}/{FRAMES_PARTS}"):
            (place / folder).mkdir(parents=True)
        for dataset in {part.dataset.folder: part.dataset for part in parts}.values():
            dataset.stored.check_frames()
        show(0, len(parts), "")
        for number, part in enumerate(parts, 1):
            source = _source_of(part)
            record = _copy_sequence(part, source, place, images, splits, findings)
            records[part.name], readers[part.name] = record, source["reader"]
            ledger.add(record.ledger)
            crash_point("sequence-derived")
            show(number, len(parts), part.name)
        manifest = finish(
            *(place, options, records, findings, ledger),
            readers=readers,
            splits=splits.options,
            regions=regions,
        )
    return DerivedReport(target, ledger, findings, manifest)


def _source_of(part: _Part) -> Mapping[str, Any]:
    """Return what the old manifest says of a sequence."""
    sources: Sequence[Mapping[str, Any]] = part.dataset.manifest.document["sources"]
    mine = [source for source in sources if source["sequence"] == part.sequence]
    if len(mine) != 1:
        raise InputError(
            "the manifest has no source of the sequence, or two",
            where=Where(str(part.dataset.folder / MANIFEST), part.sequence),
            remedy=REBUILD,
        )
    return mine[0]


def _copy_sequence(
    part: _Part,
    source: Mapping[str, Any],
    place: Path,
    images: str,
    splits: _Splits,
    findings: Findings,
) -> SequenceRecord:
    """Write one sequence's tables and images into the new dataset, and return its record."""
    whole = part.dataset.select(sequences=[part.sequence])
    keep = np.array([name in part.kept for name in whole.frame_ids], np.bool_)
    heads = _heads_of(whole, part.sequence, keep)
    record = SequenceRecord(part.name, _inputs(source, keep))
    record.ledger.sequences.came = 1
    record.ledger.frames.came, record.ledger.heads.came = len(keep), heads.rows
    if not keep.any():
        record.ledger.sequences.drop(FILTERED)
    record.ledger.frames.drop(FILTERED, int((~keep).sum()))
    record.ledger.heads.drop(FILTERED, heads.rows - len(heads.columns["head_id"]))
    for key in COPIED:
        setattr(record, key, source.get(key, getattr(record, key)))
    if not keep.any():
        return record
    rows = {
        name: [value for value, kept in zip(values, keep, strict=True) if kept]
        for name, values in whole.frames().items()
    }
    split_of = rows["split"]
    rows["sequence"] = [part.name] * len(split_of)
    rows["frame_id"] = [f"{part.name}/{frame}" for frame in rows["frame"]]
    rows["split"] = [None] * len(split_of)
    _place_images(part, rows, place, images, record, findings)
    canonical.write_heads(place / heads_file(part.name), heads.columns, rows["frame_id"])
    canonical.write_frames(frames_path(place, part.name), rows)
    record.kept = True
    if splits.kept:
        record.splits = dict(zip(rows["frame_id"], split_of, strict=True))
    record.digests = sequence_digests(rows, heads.columns)
    sha256 = storage.sha256_of(place / heads_file(part.name))
    record.table = {"sha256": sha256, "rows": len(heads.columns["head_id"])}
    statuses = np.bincount(heads.columns["status"], minlength=3).tolist()
    record.counts = dict(zip(canonical.STATUS_NAMES, statuses, strict=True))
    names = heads.columns["box_source_names"].tolist()
    sources = np.bincount(heads.columns["box_source"], minlength=len(names)) if names else ()
    record.box_sources = {str(name): int(n) for name, n in zip(names, sources, strict=True)}
    return record


def _inputs(source: Mapping[str, Any], keep: Booleans) -> str:
    """Hash what a derived sequence depends on: the old one's labels, and which frames are kept."""
    digest = hashlib.sha256(str(source["digests"]).encode())
    digest.update(np.packbits(keep).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class _Heads:
    """Heads as `write_heads` takes them, and how many the old table has."""

    columns: Columns
    rows: int


def _heads_of(whole: Dataset, sequence: str, keep: Booleans) -> _Heads:
    """Return the heads of the kept frames of one sequence, as its dataset has them."""
    whole.stored.check_heads(sequence)
    codes = whole.head_codes(sequence, canonical.HEADS_V1.names)
    numbers = {name: number for number, name in enumerate(whole.frame_ids)}
    row_of = np.array([numbers[name] for name in codes.pop("frame_id_names")] or [0], np.int64)
    frames = row_of[codes.pop("frame_id")]
    here = keep[frames]
    words = {name: codes.pop(f"{name}_names") for name in ("status", "point_kind", "box_source")}
    columns = {name: values[here] for name, values in codes.items()}
    columns["frame_index"] = (np.cumsum(keep) - 1)[frames[here]]
    status = [canonical.STATUS_NAMES.index(name) for name in words["status"]]
    columns["status"] = np.array([*status, 0], np.int8)[columns["status"]]
    kinds = [canonical.POINT_KINDS.index(name) for name in words["point_kind"]]
    columns["point_kind"] = np.array([*kinds, -1], np.int8)[columns["point_kind"]]
    rules = np.asarray(words["box_source"])
    used = np.arange(len(rules)) if here.all() else np.unique(columns["box_source"])
    used = used[used >= 0]
    columns["box_source_names"] = rules[used]
    places = np.full(len(rules) + 1, -1, np.int8)
    places[used] = np.arange(len(used))
    columns["box_source"] = places[columns["box_source"]]
    return _Heads(without_unknown(columns), len(frames))


def _place_images(
    part: _Part,
    rows: dict[str, list[Any]],
    place: Path,
    images: str,
    record: SequenceRecord,
    findings: Findings,
) -> None:
    """Link or copy the images of the kept frames; `rows` then names their places."""
    if images == "none":
        rows["file"] = [None] * len(rows["file"])
        return
    folder = images_folder(place, part.name)
    for position, (file, frame) in enumerate(zip(rows["file"], rows["frame"], strict=True)):
        if file is None:
            continue
        folder.mkdir(exist_ok=True)
        to = folder / f"{frame}{Path(file).suffix}"
        image = part.dataset.folder / file
        require_image(image)
        linked = storage.link_or_copy(image, to, link=images == "link")
        if images == "link" and not linked:
            findings.add("copied-images", Where(file, part.name))
        rows["file"][position] = to.relative_to(place).as_posix()
        record.images += 1
        record.image_bytes += to.stat().st_size
