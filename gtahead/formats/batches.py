"""From a dataset to batches: frames of one split, with the heads that an export has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.arrays import Floats, Ints, Ragged
from gtahead.dataset import FRAMES, SPLITS, Dataset, heads_file, require_image
from gtahead.errors import REBUILD, InputError, Where
from gtahead.formats.base import Batch, ExportFrame, Format, HeadColumns, Options
from gtahead.tables import canonical
from gtahead.tables.canonical import ABSENT, COUNTED, IGNORED, STATUS_NAMES

SHARD_BYTES = 500_000_000
"""Most bytes of images in a shard."""

BATCH_HEADS = 40_000
"""Heads from which on a batch takes no more frames: bounds memory, whatever a sequence holds."""

BATCH_FRAMES = 250

_COLUMNS = ("head_id", "x", "y", *canonical.BOX, "visibility", "occluded", "status")
_COUNTS = ("num_heads", "num_ignored", "num_absent")


@dataclass(frozen=True)
class BatchPlan:
    """One batch to write; small, to be sent to a worker.

    Attributes:
        split: of all its frames.
        rows: of the table of frames, in order.
        first: number of its first frame in the split, from 1.
        positions: of its frames in their sequences, from 1.
        frames: how many frames the split has.
        chunk: name whose order is the batches' order.
        shard: its number and how many the split has.
    """

    split: str
    rows: tuple[int, ...]
    first: int
    positions: tuple[int, ...]
    frames: int
    chunk: str
    shard: tuple[int, int]


def plan_batches(
    dataset: Dataset, kind: Format, splits: Sequence[str], options: Options
) -> list[BatchPlan]:
    """Cut the frames of some splits into batches; a split without frames has one empty batch."""
    columns = dataset.frames(["sequence", "split", "file", *_COUNTS])
    heads: Ints = np.sum(np.array([columns[name] for name in _COUNTS], np.int64), axis=0)
    plans: list[BatchPlan] = []
    for split in splits:
        rows = [
            row
            for row, (one, count) in enumerate(
                zip(columns["split"], columns["num_heads"], strict=True)
            )
            if one == split and not (options.drop_empty and count == 0)
        ]
        if kind.shards:
            limits = {"bytes": SHARD_BYTES, "heads": 25 * BATCH_HEADS}
        else:
            limits = {"heads": BATCH_HEADS, "frames": BATCH_FRAMES}
        sizes = {"heads": heads, "frames": np.ones_like(heads), "bytes": np.zeros_like(heads)}
        if kind.shards and options.images != "none":
            sizes["bytes"] = _image_bytes(dataset.folder, rows, columns["file"])
        parts = _cut(rows, [(sizes[name], most) for name, most in limits.items()])
        positions = _places_in_sequences([columns["sequence"][row] for row in rows])
        first = 1
        for number, part in enumerate(parts):
            chunk = f"{SPLITS.index(split)}-{number:08d}"
            mine = tuple(positions[first - 1 : first - 1 + len(part)])
            shard = (number, len(parts))
            plans.append(BatchPlan(split, tuple(part), first, mine, len(rows), chunk, shard))
            first += len(part)
    return plans


def _places_in_sequences(names: Sequence[str]) -> list[int]:
    """Number the frames from 1 within each sequence."""
    return [position for _, group in groupby(names) for position, _ in enumerate(group, 1)]


def _cut(rows: list[int], limits: Sequence[tuple[Ints, int]]) -> list[list[int]]:
    """Cut rows into runs, none of which is larger than a limit unless it's a single row."""
    parts: list[list[int]] = [[]]
    sums = [0] * len(limits)
    for row in rows:
        sums = [total + int(sizes[row]) for total, (sizes, _) in zip(sums, limits, strict=True)]
        if parts[-1] and any(s > most for s, (_, most) in zip(sums, limits, strict=True)):
            parts.append([])
            sums = [int(sizes[row]) for sizes, _ in limits]
        parts[-1].append(row)
    return parts


def _image_bytes(folder: Path, rows: list[int], files: Sequence[str | None]) -> Ints:
    sizes = np.zeros(len(files), np.int64)
    for row in rows:
        file = files[row]
        if file is not None:
            sizes[row] = require_image(folder / file)
    return sizes


_open: dict[tuple[Path, str], Dataset] = {}


def adopt(opened: Dataset) -> tuple[Path, str]:
    """Keep an open dataset for this process's batches, and return its key."""
    key = opened.folder.absolute(), opened.manifest.fingerprint
    _open.clear()
    _open[key] = opened
    return key


def _opened(folder: Path, fingerprint: str) -> Dataset:
    """Open a dataset once per process; another fingerprint means another dataset."""
    key = folder.absolute(), fingerprint
    opened = _open.get(key)
    if opened is None:
        opened = Dataset.open(folder)
        adopt(opened)
    return opened


@dataclass(frozen=True)
class _Places:
    """Where each frame's heads are in its sequence's table.

    Attributes:
        first_ids: by sequence, the id of its first head: heads are numbered in the order of
            sequence, frame, person.
        starts: (F,) first row in the sequence's table, by row of the table of frames.
        counts: (F,) how many there are.
    """

    first_ids: Mapping[str, int]
    starts: Ints
    counts: Ints


@lru_cache(maxsize=2)
def _places(folder: Path, fingerprint: str) -> _Places:
    opened = _opened(folder, fingerprint)
    columns = opened.frames(["sequence", *_COUNTS])
    parts = np.array([columns[name] for name in _COUNTS], np.int64)
    if (parts < 0).any():
        raise InputError(
            "a frame has a negative number of heads",
            where=Where(str(folder / FRAMES)),
            value=int(parts.min()),
            remedy=REBUILD,
        )
    counts: Ints = np.sum(parts, axis=0)
    before = np.cumsum(counts) - counts
    first_ids, starts = {}, np.empty_like(counts)
    number = 1
    for sequence, group in groupby(range(len(counts)), key=lambda row: columns["sequence"][row]):
        rows = np.array(list(group))
        starts[rows] = before[rows] - before[rows[0]]
        first_ids[sequence] = number
        number += int(counts[rows].sum())
    return _Places(first_ids, starts, counts)


def load_batch(
    folder: Path,
    fingerprint: str,
    plan: BatchPlan,
    target: Path,
    options: Options,
    *,
    sigmas: bool = False,
) -> tuple[Batch, int]:
    """Read a batch, with `sigmas_xy` only if they're wanted.

    Returns:
        The batch, and how many heads are absent from its frames.

    Raises:
        InputError: a table is missing or damaged.
    """
    opened = _opened(folder, fingerprint)
    frames = list(frames_in(opened, plan, options))
    parts: list[HeadColumns] = []
    counts: list[int] = []
    absent = 0
    for _, group in groupby(frames, key=lambda frame: frame.sequence):
        heads, by_frame, missing = _heads_of(opened, fingerprint, list(group), sigmas)
        parts.append(heads)
        counts += by_frame.counts.tolist()
        absent += missing
    return (
        Batch(
            plan.split,
            frames,
            _joined(parts),
            Ragged.from_counts(counts),
            target,
            plan.chunk,
            plan.shard,
            options,
            str(opened.manifest.document["options"].get("sigma", "")),
        ),
        absent,
    )


def frames_in(opened: Dataset, plan: BatchPlan, options: Options) -> Iterator[ExportFrame]:
    """Yield a batch's frames, without their heads."""
    rows = zip(plan.rows, opened.rows(plan.rows), strict=True)
    for number, (row, about) in enumerate(rows, plan.first):
        yield _frame(opened.folder, row, about, plan, number, options)


def _frame(
    folder: Path, row: int, about: dict[str, Any], plan: BatchPlan, number: int, options: Options
) -> ExportFrame:
    file = about["file"]
    return ExportFrame(
        row=row,
        number=number,
        position=plan.positions[number - plan.first],
        digits=len(str(plan.frames)),
        frame_id=about["frame_id"],
        sequence=about["sequence"],
        frame=about["frame"],
        size_wh=(about["width"], about["height"]),
        image=folder / file if file and options.images != "none" else None,
        extension=Path(file).suffix if file else ".jpg",
        about=about,
        map_name=_map_name(folder, plan, about, options),
    )


def _map_name(folder: Path, plan: BatchPlan, about: dict[str, Any], options: Options) -> str:
    """Return the name of a frame's map: its own alone where that tells it from all of its split."""
    if options.layout == "nested":
        return str(about["frame_id"])
    alone = about["frame"] in _frames_alone(folder, plan.split)
    return str(about["frame"]) if alone else f"{about['sequence']}__{about['frame']}"


@lru_cache(maxsize=3)
def _frames_alone(folder: Path, split: str) -> frozenset[str]:
    columns = Dataset.open(folder).select(split=split).frames(["frame"])
    counts = Counter(columns["frame"])
    return frozenset(name for name, count in counts.items() if count == 1)


def _heads_of(
    opened: Dataset, fingerprint: str, frames: list[ExportFrame], sigmas: bool
) -> tuple[HeadColumns, Ragged, int]:
    """Return the heads of some frames of a sequence, their layout, and how many are absent."""
    positions = _places(opened.folder, fingerprint)
    rows = np.array([frame.row for frame in frames])
    starts, counts = positions.starts[rows], positions.counts[rows]
    first, last = int(starts[0]), int(starts[-1] + counts[-1])
    sequence = frames[0].sequence
    names = [*_COLUMNS, *(canonical.SIGMA if sigmas else ())]
    table = opened.head_codes(sequence, names, range(first, last))
    if len(table["x"]) != last - first:
        raise _other_heads(opened, sequence)
    by_frame = Ragged.from_counts(counts)
    here = np.repeat(starts - first - by_frame.offsets[:-1], counts) + np.arange(by_frame.total)
    if set(table["status_names"]) - set(STATUS_NAMES):
        raise _other_heads(opened, sequence)
    kinds = np.array([STATUS_NAMES.index(name) for name in table["status_names"]] or [0], np.int8)
    status = kinds[table["status"]][here]
    counted = by_frame.count(status == COUNTED)
    if (counted != [frame.about["num_heads"] for frame in frames]).any():
        raise _other_heads(opened, sequence)
    keep = status != ABSENT
    chosen = here[keep]
    heads = HeadColumns(
        ids=positions.first_ids[sequence] + first + chosen,
        head_ids=table["head_id"][chosen],
        points_xy=_stack(table, ("x", "y"), chosen),
        boxes_xyxy=_stack(table, canonical.BOX, chosen),
        sigmas_xy=_stack(table, canonical.SIGMA, chosen) if sigmas else np.empty((len(chosen), 2)),
        visibility=table["visibility"][chosen],
        occluded=table["occluded"][chosen],
        ignored=status[keep] == IGNORED,
    )
    return heads, by_frame.where(keep), int((~keep).sum())


def _other_heads(opened: Dataset, sequence: str) -> InputError:
    return InputError(
        "the table of heads doesn't match the table of frames",
        where=Where(str(opened.folder / heads_file(sequence))),
        remedy=REBUILD,
    )


def _stack(table: Mapping[str, Any], names: Sequence[str], rows: Ints) -> Floats:
    out = np.empty((len(rows), len(names)))
    for position, name in enumerate(names):
        out[:, position] = table[name][rows]
    return out


def _joined(parts: Sequence[HeadColumns]) -> HeadColumns:
    if len(parts) == 1:
        return parts[0]
    if not parts:
        nothing = np.empty(0)
        whole = np.empty(0, np.int64)
        flags = np.empty(0, np.int8)
        pairs = np.empty((0, 2))
        boxes = np.empty((0, 4))
        return HeadColumns(whole, whole, pairs, boxes, pairs, nothing, flags, np.empty(0, np.bool_))
    names = HeadColumns.__dataclass_fields__
    return HeadColumns(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )
