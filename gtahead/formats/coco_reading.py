"""COCO files as captures are read: their images, and the heads among their annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gtahead.arrays import Columns, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco_columns import OWN_ID, CocoFile, read_coco
from gtahead.ingest.classes import HEAD_NAMES, Classes
from gtahead.ingest.exports import (
    about_of,
    exported_as,
    sequence_of,
    split_by_folder,
    splits_of_lists,
)
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.model import ClassKey, Reader
from gtahead.ingest.names import is_safe_name
from gtahead.origins import origin_in
from gtahead.tables.canonical import CAPTURED, NO_ID

SNIFFED = 65_536
"""Bytes at either end of a file in which the keys of a COCO file are looked for."""

_REMEDY = "fix the file, or export it again"

INSTANCES, KEYPOINTS = "instances", "person_"

_OTHER_FILES = ("captions_", "panoptic_", "stuff_")
"""Beginnings of COCO's files that have no boxes of heads."""


def coco_files(root: Path, prefix: str) -> list[Path]:
    """Find COCO files of one kind: below `annotations`, in the folder, or one in each split's.

    Where some are called `instances_*`, they are all that are meant. `person_keypoints_*` are of
    the kind with keypoints, `captions_*` and the like of none.
    """
    folders = [root / "annotations", root]
    if root.is_dir():
        folders += [path for path in sorted(root.iterdir()) if path.is_dir()]
    found = []
    for folder in dict.fromkeys(folders):
        files = sorted(folder.glob("*.json")) if folder.is_dir() else []
        files = [path for path in files if not path.name.startswith(_OTHER_FILES)]
        means = splits_of_lists([path.name for path in files])
        looks = [looks_like_coco(path) for path in files]
        if any(looks):  # a damaged one beside it is told of
            found += [
                p for p, look, split in zip(files, looks, means, strict=True) if look or split
            ]
    of_persons = [path for path in found if path.name.startswith(KEYPOINTS)]
    others = [path for path in found if path not in of_persons]
    instances = [path for path in others if path.name.startswith(INSTANCES)]
    if prefix == KEYPOINTS:
        return of_persons
    return instances or others


def looks_like_coco(path: Path) -> bool:
    """Return whether a file has the keys of a COCO file near its ends."""
    try:
        with path.open("rb") as file:
            ends = file.read(SNIFFED)
            file.seek(max(0, path.stat().st_size - SNIFFED))
            ends += file.read(SNIFFED)
    except OSError:
        return False
    if ends[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16: not JSON, as is said where it's read
        ends = ends.decode("utf-16", "ignore").encode()
    return sum(key in ends for key in (b'"images"', b'"annotations"', b'"categories"')) >= 2


def coco_reader(name: str, title: str, prefix: str) -> Reader:
    """Make a reader of COCO files whose names begin with `prefix`."""

    def recognise(root: Path) -> str | None:
        files = coco_files(root, prefix)
        if not files or (prefix == KEYPOINTS and coco_files(root, INSTANCES)):
            return None  # of instances and keypoints of the same persons, the former are meant
        return f"{files[0].relative_to(root).as_posix()} is a COCO file"

    def scan(root: Path) -> Listing:
        return _scan(root, coco_files(root, prefix))

    return reader_of(name, title, recognise, scan, upright=True)


def classes_of(cocos: Sequence[CocoFile], file: str) -> CocoClasses:
    """Return the categories of some files, by name, by number where they have none.

    One that no annotation uses and that others name as their supercategory isn't one.
    """
    alike = not any({"head", "heads"} <= _words(coco) for coco in cocos)
    used = [Counter(coco.annotations["category_id"].tolist()) for coco in cocos]
    keys = [keys_of(coco, alike=alike) for coco in cocos]
    objects: Counter[ClassKey] = Counter()
    for count, key in zip(used, keys, strict=True):
        for number, times in count.items():
            objects[key.get(int(number), int(number))] += times
    above = {str(c.get("supercategory")).lower() for coco in cocos for c in coco.categories}
    names: dict[ClassKey, str] = {}
    for coco, by_number in zip(cocos, keys, strict=True):
        for category in coco.categories:
            own = by_number[int(category["id"])]
            if own in objects or str(category.get("name")).lower() not in above:
                names[own] = str(own)
    numbers = {number: key for by_number in reversed(keys) for number, key in by_number.items()}
    return CocoClasses(
        names, objects.elements, Where(file, field="/categories"), numbers=numbers, alike=alike
    )


@dataclass
class CocoClasses(Classes):
    """Categories; `alike` where no file has both `head` and `heads`, which then are one."""

    alike: bool = False


def _words(coco: CocoFile) -> set[str]:
    return {str(category.get("name")).strip().lower() for category in coco.categories}


def keys_of(coco: CocoFile, *, alike: bool) -> dict[int, ClassKey]:
    """Return by a category's number what stands for it: its name, or the number."""
    found: dict[int, ClassKey] = {}
    for one in coco.categories:
        number, name = int(one["id"]), one.get("name")
        found[number] = name if isinstance(name, str) else number
        if alike and isinstance(name, str) and name.strip().lower() in HEAD_NAMES:
            found[number] = HEAD_NAMES[0]
    return found


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A file's heads, in the order of their images."""

    file: str
    columns: Columns
    starts: Mapping[int, tuple[int, int]]
    first_key: tuple[int, int] | None
    dangling: int
    others: int
    nameless: int
    faults: Mapping[str, tuple[object, str]]


def _scan(root: Path, files: list[Path]) -> Listing:
    images: list[LabelledImage] = []
    cocos: list[CocoFile] = []
    firsts: list[tuple[int, int] | None] = []
    if not files:
        raise InputError("no COCO file is there", where=Where(str(root)), remedy=_REMEDY)
    names = [path.relative_to(root).as_posix() for path in files]
    splits = splits_of_lists(names)
    for number, (path, file) in enumerate(zip(files, names, strict=True)):
        coco = read_coco(path, file)
        _check_ids(coco, file)
        names_in = [image["file_name"] for image in coco.images]
        base = _images_base(root, path, splits[number], names_in)
        named = number, file
        mine = [_image(image, base, path, named, splits[number]) for image in coco.images]
        first = min(mine, key=lambda one: (one.sequence, one.frame), default=None)
        firsts.append(None if first is None else first.key)
        images += mine
        cocos.append(coco)
    classes = classes_of(cocos, names[0])

    @lru_cache(maxsize=1)
    def loaded(heads: frozenset[ClassKey] | None) -> list[_Loaded]:
        return [
            _sorted_heads(coco, file, first, heads, keys_of(coco, alike=classes.alike))
            for coco, file, first in zip(cocos, names, firsts, strict=True)
        ]

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        return _load(loaded(classes.heads), wanted, findings, ledger, where)

    origins = {origin_in(coco.info) for coco in cocos}
    about = {"tool": "COCO"} if exported_as(root) else {"tool": "COCO", "numbered": True}
    listing = Listing(images, files, load, about, classes)
    listing.origin = origins.pop() if len(origins) == 1 else None
    return listing


def _check_ids(coco: CocoFile, file: str) -> None:
    names: dict[int, object] = {}
    for index, one in enumerate(coco.categories):
        if names.setdefault(int(one["id"]), one.get("name")) != one.get("name"):
            raise InputError(
                "two categories share an id: their annotations can't be told apart",
                where=Where(file, field=f"/categories/{index}/id"),
                value=one["id"],
                remedy="number categories uniquely",
            )
    ids = Counter(image["id"] for image in coco.images)
    twice = [one for one, count in ids.items() if count > 1]
    if twice:
        raise InputError(
            "two images share an id: their heads can't be told apart",
            where=Where(file, field="/images"),
            value=twice[0],
            remedy="number images uniquely; `gtahead validate` lists all such ids",
        )


def _image(
    image: Mapping[str, Any], base: str, path: Path, named: tuple[int, str], split: str | None
) -> LabelledImage:
    number, file = named
    file_name = image["file_name"].replace("\\", "/")
    ours = image.get("gtahead")
    ours = ours if isinstance(ours, dict) else {}
    folder, _, name = file_name.rpartition("/")
    size = image.get("width"), image.get("height")
    whole = all(type(side) is int and 0 < side < 10**6 for side in size)
    return LabelledImage(
        sequence=str(ours.get("sequence") or sequence_of(folder, _home(path, split))),
        frame=str(ours.get("frame") or Path(name).stem),
        split=split,
        file=f"{base}{file_name}" if is_safe_name(file_name) else file_name,
        size_wh=size if whole else None,  # type: ignore[arg-type]
        key=(number, int(image["id"])),
        about=about_of(ours),
        own_id=own_id_of(image),
        listed_in=file,
    )


def own_id_of(image: Mapping[str, Any]) -> int | str:
    """Return the id by which results name an image: its number, or the text that it stands for."""
    text = image.get(OWN_ID)
    return text if isinstance(text, str) else int(image["id"])


def _home(path: Path, split: str | None) -> str:
    """Name what images without a folder belong to: their file, or their split's folder."""
    return path.parent.name if path.name.startswith("_annotations") and split else path.stem


def _images_base(root: Path, path: Path, split: str | None, names: Sequence[str]) -> str:
    """Find the folder that the file names are relative to: there are several conventions.

    Raises:
        InputError: several folders have all of these images, and none is the list's own.
    """
    home = path.parent.relative_to(root)
    own = [home, home / "data", home / "images"]
    bases = [*own, *(p.relative_to(root) for p in sorted(root.iterdir()) if p.is_dir())]
    images = root / "images"
    if images.is_dir():
        bases += [p.relative_to(root) for p in sorted(images.iterdir()) if p.is_dir()]
    folders = ["", "images/", *(f"{base.as_posix()}/" for base in bases if base != Path())]
    folders = list(dict.fromkeys(folders))
    some = [name.replace("\\", "/") for name in names[:: max(1, len(names) // 5)]]
    some = [name for name in some if is_safe_name(name)]
    hits = {folder: sum((root / (folder + name)).is_file() for name in some) for folder in folders}
    most = max(hits.values())
    if not most:
        return "images/"
    best = [folder for folder in folders if hits[folder] == most]
    if len(best) > 1:
        best = [folder for folder in best if _is_lists_own(folder, path, home, split)] or best
    if len(best) > 1 and not any(folder in ("", "images/") for folder in best):
        raise InputError(
            "the images that it names are in several folders",
            where=Where(path.relative_to(root).as_posix(), field="/images/0/file_name"),
            value=f"{some[0]} in {', '.join(best)}",
            remedy="name them with their folder, or call the folder as the list is called",
        )
    return best[0]


def _is_lists_own(folder: str, path: Path, home: Path, split: str | None) -> bool:
    """Return whether a folder goes with a list: by its place, its name, or its split."""
    parts = PurePosixPath(folder).parts
    beside = home != Path() and home.name != "annotations" and folder.startswith(home.as_posix())
    return (
        beside
        or path.stem in parts
        or (split is not None and split_by_folder(PurePosixPath(folder))[0] == split)
    )


def _sorted_heads(
    coco: CocoFile,
    file: str,
    first: tuple[int, int] | None,
    heads: frozenset[ClassKey] | None,
    keys: Mapping[int, ClassKey],
) -> _Loaded:
    """Put a file's heads into the order of their images, so that each image is a slice."""
    columns = coco.annotations
    chosen = [
        number
        for number in np.unique(columns["category_id"]).tolist()
        if heads is None or keys.get(number, number) in heads
    ]
    mine = np.isin(columns["category_id"], chosen) & (columns["unlabelled"] == 0)
    others = int((~mine).sum())
    nameless = int((~np.isin(columns["category_id"], list(keys))).sum()) if keys else 0
    order = np.flatnonzero(mine)
    order = order[np.argsort(columns["image_id"][order], kind="stable")]
    if len(order) != len(mine) or (np.diff(order) != 1).any():
        columns = {name: values[order] for name, values in columns.items()}
    ids, starts, counts = np.unique(columns["image_id"], return_index=True, return_counts=True)
    known = {int(image["id"]) for image in coco.images}
    slices = {
        int(i): (int(s), int(s + c))
        for i, s, c in zip(ids, starts, counts, strict=True)
        if int(i) in known
    }
    dangling = int(counts.sum()) - sum(stop - start for start, stop in slices.values())
    return _Loaded(file, columns, slices, first, dangling, others, nameless, coco.faults)


def _load(
    loaded: Sequence[_Loaded],
    wanted: Sequence[LabelledImage],
    findings: Findings,
    ledger: Ledger,
    where: Where,
) -> HeadsRead:
    rows: dict[int, list[Ints]] = {}
    frames: dict[int, list[Ints]] = {}
    for index, image in enumerate(wanted):
        number, image_id = image.key
        start, stop = loaded[number].starts.get(image_id, (0, 0))
        rows.setdefault(number, []).append(np.arange(start, stop))
        frames.setdefault(number, []).append(np.full(stop - start, index))
        if image.key == loaded[number].first_key:  # what is of no image is reported once
            _report_the_rest(loaded[number], findings, ledger, where)
    parts = []
    for number, taken in rows.items():
        chosen = np.concatenate(taken)
        part = {name: values[chosen] for name, values in loaded[number].columns.items()}
        part["frame_index"] = np.concatenate(frames[number])
        parts.append(part)
    together = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(together["frame_index"], kind="stable")
    together = {name: values[order] for name, values in together.items()}
    ledger.heads.came += len(order)
    return HeadsRead(as_heads(together))


def _report_the_rest(one: _Loaded, findings: Findings, ledger: Ledger, where: Where) -> None:
    location = Where(one.file, where.sequence)
    for pointer, (value, what) in one.faults.items():
        findings.add("breaks-schema", Where(one.file, where.sequence, field=pointer), value, what)
    if one.dangling:
        ledger.heads.came += one.dangling
        ledger.heads.drop("head-without-frame", one.dangling)
        findings.add("head-without-frame", location, detail=f"{one.dangling:,} annotations")
    if one.nameless:
        detail = f"{one.nameless:,} annotations of categories that the file doesn't list"
        findings.add("class-without-name", location, detail=detail)
    if one.others:
        findings.add("other-class", location, detail=f"{one.others:,} annotations")


def read_images(
    path: Path, head_class: str | None, findings: Findings
) -> tuple[list[LabelledImage], Columns, bool, frozenset[int]]:
    """Read one COCO file: its images by their numbers, and the heads in them.

    Args:
        path: of the file.
        head_class: name or number of the category of heads; None where it is to be found.
        findings: takes what is odd about its categories.

    Returns:
        Images, whose `key[1]` is the number; columns as `as_heads` gives them, sorted by
        `frame_index`; whether the sequences are those of a capture, as in files of ours; and the
        numbers of the categories of heads. Annotations of no image, and of other classes, are
        left out.

    Raises:
        InputError: not COCO, values of other types, or two images have one id.
    """
    coco = read_coco(path, path.name)
    if coco.faults:
        pointer, (value, what) = next(iter(coco.faults.items()))
        raise InputError(what, where=Where(path.name, field=pointer), value=value, remedy=_REMEDY)
    _check_ids(coco, path.name)
    classes = classes_of([coco], path.name)
    heads = classes.decide(head_class, findings)
    keys = keys_of(coco, alike=classes.alike)
    images = [_image(image, "", path, (0, path.name), None) for image in coco.images]
    images.sort(key=lambda one: one.key)
    found = _sorted_heads(coco, path.name, None, heads, keys)
    spans = [found.starts.get(image.key[1], (0, 0)) for image in images]
    chosen = np.concatenate([np.arange(0), *(np.arange(*span) for span in spans)])
    columns = {name: values[chosen] for name, values in found.columns.items()}
    sizes = [last - first for first, last in spans]
    columns["frame_index"] = np.repeat(np.arange(len(images)), sizes)
    ours = all(isinstance(i.get("gtahead"), dict) for i in coco.images)
    numbers = frozenset(number for number, key in keys.items() if key in heads)
    return images, as_heads(columns), ours, numbers


def as_heads(columns: Columns) -> Columns:
    """Turn COCO's columns into a build's: corners, the box's centre where no point is given."""
    bbox, point = columns["bbox"], columns["point"]
    corners = np.concatenate([bbox[:, :2], bbox[:, :2] + bbox[:, 2:]], axis=1)
    centre = bbox[:, :2] + bbox[:, 2:] / 2
    xy = np.where(np.isnan(point), centre, point)
    index = columns["frame_index"]
    found: Columns = {
        "frame_index": index,
        "x": xy[:, 0],
        "y": xy[:, 1],
        "ignore": columns["crowd"].astype(np.int8),
        "occluded": columns["occluded"],
        "visibility": columns["visibility"],
        **{name: corners[:, k] for k, name in enumerate(CAPTURED)},
    }
    ids = columns["head_id"]
    if len(ids) and (ids != NO_ID).all():
        found["head_id"] = ids
    return found
