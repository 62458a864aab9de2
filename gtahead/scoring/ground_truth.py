"""What predictions are scored against, as columns: a dataset of ours, or what others keep.

In a ground truth without sequences (images taken one by one), each image is a cluster.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints, Ragged
from gtahead.captures import CAPTURES
from gtahead.dataset import Dataset
from gtahead.dataset.manifest import MANIFEST
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import CODES, Findings, Ledger
from gtahead.formats.coco_reading import read_images
from gtahead.formats.nwpu_lists import localisation_list
from gtahead.images.reading import ImageError, peek
from gtahead.ingest.exports import exported_as
from gtahead.ingest.model import BrokenSequence, CapturedSequence, LabelOptions
from gtahead.metrics.ground_truth import GroundTruth, hit_radii
from gtahead.predictions import Images
from gtahead.readers import choose_reader
from gtahead.regions import regions_of
from gtahead.tables.canonical import BOX, CAPTURED
from gtahead.tables.splits import split_named
from gtahead.values import StrPath


def open_ground_truth(
    path: StrPath | Dataset, split: str | None = None, labels: LabelOptions | None = None
) -> GroundTruth:
    """Read what is to be found.

    Args:
        path: a dataset, a folder that `gtahead build --from` reads, a COCO file, or a list of
            points as NWPU-Crowd and FIDTM keep them.
        split: which part of a dataset; "test" unless said otherwise.
        labels: how other people's labels are to be taken.

    Raises:
        InputError: it can't be read.
        UsageError: no such split.
    """
    split = None if split is None else split_named(split)
    if isinstance(path, Dataset):
        return replace(_of_opened(path, split), categories=_categories_given(labels))
    source = Path(path)
    if not source.exists():
        remedy = "give a dataset with --data, or another ground truth with --ground-truth"
        raise InputError("there is no such file or folder", where=Where(str(source)), remedy=remedy)
    if source.is_dir():
        if (source / MANIFEST).is_file():
            found = _of_dataset(Dataset.open(source), split or "test")
            return replace(found, categories=_categories_given(labels))
        return _of_folder(source, split, labels or LabelOptions())
    if not source.is_file():
        remedy = "give a file or a folder"
        raise InputError("not a regular file", where=Where(str(source)), remedy=remedy)
    if split is not None:
        remedy = "leave --split out; a file is scored whole"
        raise UsageError("such a ground truth has no splits", value=split, remedy=remedy)
    if source.suffix.lower() == ".json":
        return _of_coco(source, labels.head_class if labels else None)
    return _of_list(source)


def _categories_given(labels: LabelOptions | None) -> frozenset[int] | None:
    """Return the number that --class gives: datasets of gtahead's have no classes themselves."""
    given = labels.head_class if labels is not None else None
    return frozenset([int(given)]) if given is not None and given.isdecimal() else None


def _of_opened(part: Dataset, split: str | None) -> GroundTruth:
    """Return the heads of a dataset that is open: its test split, or all of what is a part."""
    whole = Dataset.open(part.folder)
    if len(part) == len(whole):
        return _of_dataset(whole, split or "test")
    part = part if split is None else part.select(split=split)
    if not len(part):
        raise UsageError("there are no images to score", value=repr(part))
    splits = set(part.frames(["split"])["split"])
    only = splits.pop() if len(splits) == 1 else None
    found = ground_truth_of(whole, part, only or "test")
    if only is not None and len(whole.select(split=only)) == len(part):
        return found
    name = f"{found.name}, {len(part):,} of {len(whole):,} images"
    return replace(found, name=name, split=only, fingerprints={})  # those are of whole splits


def _of_dataset(opened: Dataset, split: str) -> GroundTruth:
    part = opened.select(split=split)
    if not len(part):
        there = ", ".join(dict.fromkeys(opened.frames(["split"])["split"]))
        raise UsageError("the split has no images", value=split, remedy=f"there are: {there}")
    return ground_truth_of(opened, part, split)


def ground_truth_of(opened: Dataset, part: Dataset, split: str) -> GroundTruth:
    """Return the heads of a part of a dataset.

    Args:
        opened: the dataset.
        part: whose heads; a split, or some sequences of one.
        split: its name.
    """
    frames = opened.frames(["frame_id", "split", "num_heads"])
    mine = part.frames(["frame_id", "sequence", "width", "height", "weather", "hour", "location"])
    numbers = {name: number for number, name in enumerate(frames["frame_id"], 1)}
    columns: dict[str, list[npt.NDArray[Any]]] = {}
    sizes: list[int] = []
    names = ["frame_id", "x", "y", *BOX, "visibility", "depth_m", "box_error_px", "status"]
    by_sequence: dict[str, list[str]] = {}
    for name, sequence in zip(mine["frame_id"], mine["sequence"], strict=True):
        by_sequence.setdefault(sequence, []).append(name)
    for sequence, listed in by_sequence.items():
        heads = part.head_codes(sequence, names)
        row_of = {name: row for row, name in enumerate(listed)}
        row_of_code = [row_of.get(name, -1) for name in heads.pop("frame_id_names")]
        of = np.array([*row_of_code, -1], np.int64)[heads.pop("frame_id")]
        status = np.append(heads.pop("status_names"), "")[heads.pop("status")]
        keep = (of >= 0) & (status != "absent")
        sizes += np.bincount(of[keep], minlength=len(listed)).tolist()
        order = np.argsort(of[keep], kind="stable")
        for key, values in (*heads.items(), ("ignored", status == "ignored")):
            columns.setdefault(key, []).append(values[keep][order])
    joined = {key: np.concatenate(values) for key, values in columns.items()}
    boxes = np.stack([joined[name] for name in BOX], axis=1)
    of_train = [
        count
        for count, part_of in zip(frames["num_heads"], frames["split"], strict=True)
        if part_of == "train"
    ]
    prints = opened.manifest.document["fingerprints"]
    others = frozenset(
        name
        for name, part_of in zip(frames["frame_id"], frames["split"], strict=True)
        if part_of != split
    )
    return GroundTruth(
        name=opened.folder.resolve().name,
        split=split,
        images=Images(
            mine["frame_id"],
            np.stack([mine["width"], mine["height"]], axis=1).astype(np.int64),
            mine["sequence"],
            np.array([numbers[name] for name in mine["frame_id"]], np.int64),
            others,
            renumbered=_were_numbered(opened),
        ),
        by_image=Ragged.from_counts(sizes),
        points_xy=np.stack([joined["x"], joined["y"]], axis=1),
        boxes_xyxy=boxes,
        sigmas=hit_radii(boxes),
        ignored=joined["ignored"].astype(np.bool_),
        head_values={key: joined[key] for key in ("visibility", "depth_m", "box_error_px")},
        frame_values={key: mine[key] for key in ("weather", "hour", "location")},
        fingerprints={kind: prints[kind][split] for kind in ("points", "labels")},
        policy=opened.manifest.policy,
        train_mean=float(np.mean(of_train)) if of_train and split != "train" else None,
        independent=opened.manifest.document["splits"]["unit"] == "image",
        regions=_regions_of(opened, mine),
    )


def _regions_of(opened: Dataset, rows: Mapping[str, Sequence[Any]]) -> list[Sequence[Floats]]:
    """Return the polygons of some frames of a dataset; empty where it has no regions at all."""
    regions = regions_of(opened.manifest.document, str(opened.folder))
    if not regions.polygons:
        return []
    frames = zip(rows["frame_id"], rows["sequence"], rows["location"], strict=True)
    return [regions.of(*frame) for frame in frames]


def _were_numbered(opened: Dataset) -> bool:
    """Return whether images had numbers of their own before they became this dataset."""
    sources = opened.manifest.document["sources"]
    return any(source.get("about", {}).get("numbered") for source in sources)


def _of_coco(path: Path, head_class: str | None) -> GroundTruth:
    findings = Findings()
    images, heads, known, categories = read_images(path, head_class, findings)
    ids = [f"{one.sequence}/{one.frame}" for one in images]
    if len(set(ids)) < len(ids):
        twice = next(name for name, count in Counter(ids).items() if count > 1)
        raise InputError(
            "two images share a name", where=Where(path.name), value=twice, remedy="rename one"
        )
    sizes = np.array([one.size_wh or (0, 0) for one in images], np.int64).reshape(-1, 2)
    numbers, texts = _named_by([one.own_id for one in images], path.name)
    return _of_columns(
        path.name,
        Images(
            ids, sizes, [one.sequence for one in images] if known else None, numbers, by_text=texts
        ),
        np.bincount(heads["frame_index"], minlength=len(ids)),
        heads,
        {name: [one.about.get(name) for one in images] for name in FRAME_VALUES},
        categories,
        findings,
    )


FRAME_VALUES = ("weather", "hour", "location")


def _of_columns(
    name: str,
    images: Images,
    sizes: Ints,
    heads: dict[str, npt.NDArray[Any]],
    frame_values: dict[str, list[Any]],
    categories: frozenset[int] | None = None,
    findings: Findings | None = None,
) -> GroundTruth:
    """Make a ground truth of heads from a reader: all count but those marked to be ignored."""
    count = len(heads["x"])
    unknown = np.full(count, np.nan)
    boxes = np.stack([heads.get(key, unknown) for key in CAPTURED], axis=1).reshape(-1, 4)
    ignored = heads.get("ignore", np.zeros(count)) == 1
    _refuse(name, ~np.isfinite(heads["x"] + heads["y"]), "heads have neither a box nor a point")
    sides = boxes[:, 2:] - boxes[:, :2]
    _refuse(
        name, np.asarray((sides < 0).any(axis=1), np.bool_), "boxes have a negative width or height"
    )
    return GroundTruth(
        name=name,
        split=None,
        images=images,
        by_image=Ragged.from_counts(sizes),
        points_xy=np.stack([heads["x"], heads["y"]], axis=1).reshape(-1, 2),
        boxes_xyxy=boxes,
        sigmas=hit_radii(boxes),
        ignored=np.asarray(ignored, np.bool_),
        head_values={
            key: np.asarray(heads[key], np.float64)
            for key in ("visibility", "depth_m")
            if key in heads
        },
        frame_values=frame_values,
        policy="all" + ", except those to be ignored" * bool(ignored.any()),
        categories=categories,
        findings=findings or Findings(),
    )


def _refuse(name: str, wrong: Booleans, what: str) -> None:
    """Refuse a ground truth in which anything is wrong."""
    if wrong.any():
        raise InputError(
            what,
            where=Where(name),
            value=f"{int(wrong.sum()):,} of {len(wrong):,}",
            remedy="fix the ground truth; `gtahead validate` lists them",
        )


def _of_list(path: Path) -> GroundTruth:
    """Read a list of points: `id n`, and n groups of `x y sigma_s sigma_l level`."""
    ids, groups = [], []
    for line, key, values, wrong in localisation_list(path, path.name):
        if values is None:
            raise InputError(
                wrong, where=Where(path.name, field=f"line {line}"), remedy="get the list again"
            )
        ids.append(key)
        groups.append(values)
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice or not ids:
        what = "an image is there twice" if ids else "the list is empty"
        value = twice[0] if twice else None
        raise InputError(what, where=Where(path.name), value=value, remedy="get the list again")
    table = np.concatenate(groups)
    _refuse(path.name, np.asarray((table[:, 2:4] < 0).any(axis=1), np.bool_), "radii are negative")
    return GroundTruth(
        name=path.name,
        split=None,
        images=Images(ids, np.zeros((len(ids), 2), np.int64), None, np.arange(1, len(ids) + 1)),
        by_image=Ragged.from_counts([len(values) for values in groups]),
        points_xy=table[:, :2],
        boxes_xyxy=np.full((len(table), 4), np.nan),
        sigmas=table[:, 2:4],
        ignored=np.zeros(len(table), np.bool_),
        head_values={"level": table[:, 4]},
    )


def _of_folder(folder: Path, split: str | None, labels: LabelOptions) -> GroundTruth:
    """Read a folder that `gtahead build --from` takes: a capture, or a dataset in a format."""
    reader = choose_reader(folder)[0].with_options(labels)
    findings, ledger = Findings(), Ledger()
    read: list[CapturedSequence] = []
    for source in reader.sequences(Path(os.path.realpath(folder)), findings):
        if split is not None and source.split not in (None, split):
            continue
        try:
            read += _of_split(reader.read(source, findings, ledger), split)
        except BrokenSequence:
            wrong = next(iter(findings))
            raise InputError(
                "a sequence can't be read, so nothing can be scored on it",
                where=Where(str(folder), source.name),
                value=str(wrong),
                remedy="`gtahead validate` says what is wrong",
            ) from None
    if not read:
        raise UsageError("the split has no images", value=split, remedy="choose another --split")
    _refuse_incomplete(folder, read, findings, ledger)
    own_ids = [frame.own_id for one in read for frame in one.frames]
    numbers, texts = _named_by(own_ids, folder.name)
    together = reader.name in CAPTURES or exported_as(folder) is not None
    frames = [(one.name, frame) for one in read for frame in one.frames]
    sizes = [size for one in read for size in one.sizes_wh]
    counts = [np.bincount(one.heads["frame_index"], minlength=len(one.frames)) for one in read]
    keys = set.intersection(*(set(one.heads) for one in read))
    keys &= {"x", "y", "ignore", "visibility", "depth_m", *CAPTURED}
    about: dict[str, list[Any]] = {
        "weather": [frame.weather or one.weather for one in read for frame in one.frames],
        "hour": [one.hour if f.hour is None else f.hour for one in read for f in one.frames],
        "location": [one.location for one in read for _ in one.frames],
    }
    return _of_columns(
        folder.resolve().name,
        Images(
            [f"{sequence}/{frame.frame}" for sequence, frame in frames],
            np.array(sizes, np.int64).reshape(-1, 2),
            [sequence for sequence, _ in frames] if together else None,
            numbers,
            by_text=texts,
        ),
        np.concatenate(counts),
        {key: np.concatenate([one.heads[key] for one in read]) for key in sorted(keys)},
        about,
        findings=findings,
    )


def _of_split(captured: CapturedSequence, split: str | None) -> list[CapturedSequence]:
    """Return a sequence with its frames of a split alone, where they are in several."""
    if split is None or all(frame.split is None for frame in captured.frames):
        return [captured]
    keep = np.array([frame.split == split for frame in captured.frames], np.bool_)
    index = np.asarray(captured.heads["frame_index"], np.int64)
    rows = keep[index]
    heads = {name: values[rows] for name, values in captured.heads.items()}
    heads["frame_index"] = (np.cumsum(keep) - 1)[index[rows]]
    frames = [frame for frame, mine in zip(captured.frames, keep, strict=True) if mine]
    return [replace(captured, frames=frames, heads=heads)] if frames else []


def _refuse_incomplete(
    folder: Path, read: list[CapturedSequence], findings: Findings, ledger: Ledger
) -> None:
    """Refuse a folder of which a build would set something aside: scores would lack it unseen.

    Raises:
        InputError: heads or frames can't be read, nothing is a head, or heads lie on their side.
    """
    lost = next((one for one in findings if CODES[one.code].sets_aside), None)
    if lost is not None:
        raise InputError(
            "the ground truth can't be read whole, so nothing is scored on it",
            where=Where(str(folder)),
            value=str(lost),
            remedy="fix it; or build a dataset of what can be read, and score on that: --data",
        )
    if ledger.heads.came == 0 and "other-class" in findings.totals:
        raise InputError(
            "none of the labelled objects is a head",
            where=Where(str(folder)),
            remedy="say what their class is called: --class NAME, or its number",
        )
    for sequence in read:
        for frame in sequence.frames:
            if frame.file is None or frame.row is not None or frame.layers or frame.upright:
                continue
            try:
                turned = peek(frame.path(folder)).orientation != 1
            except ImageError:
                continue  # labels alone are enough
            if turned:
                raise InputError(
                    "labels are of an image as it is stored, which its orientation tag turns",
                    where=Where(frame.file, sequence.name, frame.frame),
                    remedy="build a dataset, which turns them too, and score on that: --data",
                )


def _named_by(own_ids: Sequence[int | str | None], name: str) -> tuple[Ints, dict[str, int]]:
    """Return the numbers and the texts by which results may name images.

    Args:
        own_ids: (F,) as the labels give them; where one has none, the order counts.
        name: of the data.

    Raises:
        UsageError: two images have one id.
    """
    if None in own_ids:
        return np.arange(1, len(own_ids) + 1), {}
    twice = next((one for one, count in Counter(own_ids).items() if count > 1), None)
    if twice is not None:
        raise UsageError(
            f"{name} has several images of one id: results can't tell them apart",
            value=twice,
            remedy="score one --split, or one file of it",
        )
    numbers = [one if isinstance(one, int) else -1 for one in own_ids]
    texts = {one: row for row, one in enumerate(own_ids) if isinstance(one, str)}
    return np.array(numbers, np.int64), texts
