"""COCO files into columns: ours with all that they hold, other people's with what COCO has.

Heads are the annotations of the category `head`, or of the only category that there is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from gtahead import schemas, storage
from gtahead.arrays import Columns, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.ingest.exports import about_of, sequence_of, split_word
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.model import Reader
from gtahead.ingest.names import is_safe_name
from gtahead.tables.canonical import CAPTURED

SNIFFED = 65_536
"""Bytes at either end of a file in which the keys of a COCO file are looked for."""

MAX_BYTES = 4 * 10**9
"""Of the largest file that is read at all: reading takes three times as much memory."""

HAS_AREA, HAS_ISCROWD = 1, 2
"""Keys that an annotation has, which COCO's own evaluation can't do without."""

NO_ID = -(2**62)
"""Stands for an annotation's id that isn't there, or is no whole number."""

_REMEDY = "fix the file, or export it again"

_Id = Annotated[int, msgspec.Meta(gt=-(2**62), lt=2**62)]
_NAN = float("nan")
_UNKNOWN_BOX = (_NAN, _NAN, _NAN, _NAN)
_UNKNOWN_POINT = (_NAN, _NAN)


class _Ours(msgspec.Struct, gc=False):
    """What our own files say about a head beyond COCO."""

    head: _Id = -1
    point: tuple[float, float] = _UNKNOWN_POINT
    visibility: float = _NAN
    occluded: Any = None


_NOTHING = _Ours()


class _Annotation(msgspec.Struct, gc=False):
    """One object of `annotations`; other keys are skipped."""

    image_id: _Id
    category_id: _Id
    id: Any = None
    bbox: tuple[float, float, float, float] | None = None
    keypoints: list[float] | None = None
    area: Any = msgspec.UNSET
    iscrowd: Any = msgspec.UNSET
    ignore: Any = None
    gtahead: _Ours | None = None


class _Document(msgspec.Struct):
    """A COCO file."""

    images: list[dict[str, Any]]
    annotations: list[_Annotation]
    categories: list[dict[str, Any]]
    info: Any = None


@dataclass(frozen=True, eq=False)
class CocoFile:
    """A COCO file, read.

    Attributes:
        images: as they stand.
        categories: as they stand.
        info: as it stands; empty where there is none.
        annotations: columns of (N,): `id` (`NO_ID` where it's no whole number), `image_id`,
            `category_id`, `keys` (`HAS_AREA`, `HAS_ISCROWD`), `crowd`, `head_id` (-1 where there is
            none), `visibility` (NaN), `occluded` (-1); `bbox` (N, 4) as x, y, width, height and
            `point` (N, 2), NaN where there is none.
    """

    images: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    info: Mapping[str, Any]
    annotations: Columns


def read_coco(path: Path, file: str | None = None) -> CocoFile:
    """Read a COCO file.

    Args:
        path: of the file.
        file: its name in messages.

    Raises:
        InputError: not JSON, or not COCO; with the location.
    """
    name = file or str(path)
    data = storage.read_input(path, name)
    if len(data) > MAX_BYTES:
        remedy = "cut it into parts"
        raise InputError("the file is too large", where=Where(name), remedy=remedy)
    document = schemas.parse_typed_json(data, _Document, name, remedy=_REMEDY)
    del data
    for index, image in enumerate(document.images):
        if not _is_id(image.get("id")) or not isinstance(image.get("file_name"), str):
            raise InputError(
                "an image has no id or no file_name",
                where=Where(name, field=f"/images/{index}"),
                remedy=_REMEDY,
            )
    info = document.info if isinstance(document.info, dict) else {}
    columns = _annotation_columns(document.annotations, name)
    return CocoFile(document.images, document.categories, info, columns)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62


def _annotation_columns(rows: list[_Annotation], name: str) -> Columns:
    count = len(rows)
    ours = [row.gtahead or _NOTHING for row in rows]
    keys = (
        HAS_AREA * (r.area is not msgspec.UNSET) | HAS_ISCROWD * (r.iscrowd is not msgspec.UNSET)
        for r in rows
    )
    crowd = (bool(r.iscrowd or r.ignore) for r in rows)  # an `UNSET` is false
    boxes = chain.from_iterable(row.bbox or _UNKNOWN_BOX for row in rows)
    points = [
        _first_keypoint(row.keypoints, name, index)
        if row.keypoints and own.point is _UNKNOWN_POINT
        else own.point
        for index, (row, own) in enumerate(zip(rows, ours, strict=True))
    ]
    return {
        "id": _column((row.id if _is_id(row.id) else NO_ID for row in rows), np.int64, count),
        "image_id": _column(map(attrgetter("image_id"), rows), np.int64, count),
        "category_id": _column(map(attrgetter("category_id"), rows), np.int64, count),
        "keys": _column(keys, np.int8, count),
        "crowd": _column(crowd, np.int8, count),
        "head_id": _column(map(attrgetter("head"), ours), np.int64, count),
        "visibility": _column(map(attrgetter("visibility"), ours), np.float64, count),
        "occluded": _column(
            (-1 if own.occluded is None else bool(own.occluded) for own in ours), np.int8, count
        ),
        "bbox": _column(boxes, np.float64, 4 * count).reshape(count, 4),
        "point": _column(chain.from_iterable(points), np.float64, 2 * count).reshape(count, 2),
    }


def _column(values: Iterable[Any], kind: type[np.generic], count: int) -> np.ndarray[Any, Any]:
    return np.fromiter(values, kind, count)


def _first_keypoint(keypoints: list[float], name: str, index: int) -> tuple[float, float]:
    if len(keypoints) < 3:
        raise InputError(
            "a keypoint is three numbers: x, y and v",
            where=Where(name, field=f"/annotations/{index}/keypoints"),
            value=keypoints,
            remedy=_REMEDY,
        )
    return keypoints[0], keypoints[1]


def coco_files(root: Path, prefix: str) -> list[Path]:
    """Find COCO files; only those whose names begin with `prefix`, if there are any."""
    found = []
    for folder in (root / "annotations", root):
        if folder.is_dir():
            found += [path for path in sorted(folder.glob("*.json")) if looks_like_coco(path)]
    wanted = [path for path in found if path.name.startswith(prefix)]
    return wanted or (found if prefix == INSTANCES else [])


def looks_like_coco(path: Path) -> bool:
    """Return whether a file has the keys of a COCO file near its ends."""
    try:
        with path.open("rb") as file:
            ends = file.read(SNIFFED)
            file.seek(max(0, path.stat().st_size - SNIFFED))
            ends += file.read(SNIFFED)
    except OSError:
        return False
    return sum(key in ends for key in (b'"images"', b'"annotations"', b'"categories"')) >= 2


INSTANCES = "instances"


def coco_reader(name: str, title: str, prefix: str) -> Reader:
    """Make a reader of COCO files whose names begin with `prefix`."""

    def recognise(root: Path) -> str | None:
        files = coco_files(root, prefix)
        return f"{files[0].relative_to(root).as_posix()} is a COCO file" if files else None

    def scan(root: Path) -> Listing:
        return _scan(root, coco_files(root, prefix))

    return reader_of(name, title, recognise, scan)


def head_category(categories: Sequence[Mapping[str, Any]], name: str) -> int:
    """Return the id of the category of heads.

    Raises:
        InputError: there are several, and none is called head.
    """
    heads = [c for c in categories if str(c.get("name", "")).lower() in ("head", "heads")]
    chosen = heads or list(categories)
    if len(chosen) == 1 and _is_id(chosen[0].get("id")):
        return int(chosen[0]["id"])
    names = ", ".join(str(c.get("name")) for c in categories) or "none"
    raise InputError(
        "no category is called head",
        where=Where(name, field="/categories"),
        value=names,
        remedy="name one `head`, or leave only one in the file",
    )


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A file's heads, in the order of their images."""

    file: str
    image_ids: Ints
    columns: Columns
    starts: Mapping[int, tuple[int, int]]
    first_key: tuple[int, int] | None
    dangling: int
    others: int


def _scan(root: Path, files: list[Path]) -> Listing:
    images: list[LabelledImage] = []
    loaded: list[_Loaded] = []
    simulated = False
    if not files:
        raise InputError("no COCO file is there", where=Where(str(root)), remedy=_REMEDY)
    for number, path in enumerate(files):
        file = path.relative_to(root).as_posix()
        coco = read_coco(path, file)
        simulated |= coco.info.get("simulated") is True
        _check_ids(coco, file)
        base = _images_base(root, [image["file_name"] for image in coco.images])
        for image in coco.images:
            images.append(_image(image, base, path, number))
        keys = [image for image in images if image.key[0] == number]
        first = min(keys, key=lambda one: (one.sequence, one.frame)).key if keys else None
        loaded.append(_sorted_heads(coco, file, first))

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        return _load(loaded, wanted, findings, ledger, where)

    about = {"tool": "COCO", "simulated": simulated}
    return Listing(images, files, load, about)


def _check_ids(coco: CocoFile, file: str) -> None:
    ids = Counter(image["id"] for image in coco.images)
    twice = [one for one, count in ids.items() if count > 1]
    if twice:
        raise InputError(
            "two images share an id: their heads can't be told apart",
            where=Where(file, field="/images"),
            value=twice[0],
            remedy="number images uniquely; `gtahead validate` lists all such ids",
        )


def _image(image: Mapping[str, Any], base: str, path: Path, number: int) -> LabelledImage:
    file_name = image["file_name"].replace("\\", "/")
    ours = image.get("gtahead")
    ours = ours if isinstance(ours, dict) else {}
    folder, _, name = file_name.rpartition("/")
    size = image.get("width"), image.get("height")
    whole = all(_is_id(side) and 0 < side < 10**6 for side in size)  # type: ignore[operator]
    return LabelledImage(
        sequence=str(ours.get("sequence") or sequence_of(folder, path.stem)),
        frame=str(ours.get("frame") or Path(name).stem),
        split=split_word(path.stem),
        file=f"{base}{file_name}" if is_safe_name(file_name) else file_name,
        size_wh=size if whole else None,  # type: ignore[arg-type]
        key=(number, int(image["id"])),
        about=about_of(ours),
    )


def _images_base(root: Path, names: Sequence[str]) -> str:
    """Find the folder that the file names are relative to: there are several conventions."""
    folders = ["", "images/"]
    folders += [f"{p.name}/" for p in sorted(root.iterdir()) if p.is_dir() and p.name != "images"]
    images = root / "images"
    if images.is_dir():
        folders += [f"images/{p.name}/" for p in sorted(images.iterdir()) if p.is_dir()]
    some = [name.replace("\\", "/") for name in names[:: max(1, len(names) // 5)]]
    some = [name for name in some if is_safe_name(name)]
    hits = {folder: sum((root / (folder + name)).is_file() for name in some) for folder in folders}
    best = max(folders, key=lambda folder: (hits[folder], folder == "images/"))
    return best if hits[best] else "images/"


def _sorted_heads(coco: CocoFile, file: str, first: tuple[int, int] | None) -> _Loaded:
    """Put a file's heads into the order of their images, so that each image is a slice."""
    columns = coco.annotations
    category = head_category(coco.categories, file) if len(columns["image_id"]) else 0
    mine = columns["category_id"] == category
    others = int((~mine).sum())
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
    return _Loaded(file, columns["image_id"], columns, slices, first, dangling, others)


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
    if one.dangling:
        ledger.heads.came += one.dangling
        ledger.heads.drop("head-without-frame", one.dangling)
        findings.add("head-without-frame", location, detail=f"{one.dangling:,} annotations")
    if one.others:
        findings.add("other-class", location, detail=f"{one.others:,} annotations")


def read_images(path: Path) -> tuple[list[LabelledImage], Columns, bool]:
    """Read one COCO file: its images by their numbers, and the heads in them.

    Returns:
        Images, whose `key[1]` is the number; columns as `as_heads` gives them, sorted by
        `frame_index`; and whether the sequences are those of a capture, as in files of ours.
        Annotations of no image, and of other classes, are left out.

    Raises:
        InputError: not COCO, or two images have one id.
    """
    coco = read_coco(path, path.name)
    _check_ids(coco, path.name)
    images = [_image(image, "", path, 0) for image in coco.images]
    images.sort(key=lambda one: one.key)
    heads = _sorted_heads(coco, path.name, None)
    spans = [heads.starts.get(image.key[1], (0, 0)) for image in images]
    chosen = np.concatenate([np.arange(0), *(np.arange(*span) for span in spans)])
    columns = {name: values[chosen] for name, values in heads.columns.items()}
    sizes = [last - first for first, last in spans]
    columns["frame_index"] = np.repeat(np.arange(len(images)), sizes)
    return images, as_heads(columns), all(isinstance(i.get("gtahead"), dict) for i in coco.images)


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
    if len(ids) and (ids >= 0).all():
        found["head_id"] = ids
    return found
