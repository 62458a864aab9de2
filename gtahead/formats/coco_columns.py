"""COCO files into columns: ours with all that they hold, other people's with what COCO has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from gtahead import schemas, storage
from gtahead.arrays import Columns, Floats
from gtahead.errors import InputError, Where
from gtahead.tables.canonical import NO_ID
from gtahead.values import FLAGS

MAX_BYTES = 4 * 10**9
"""Of the largest file that is read at all: reading takes three times as much memory."""

HAS_AREA, HAS_ISCROWD = 1, 2
"""Keys that an annotation has, which COCO's own evaluation can't do without."""


_REMEDY = "fix the file, or export it again"

_Id = Annotated[int, msgspec.Meta(gt=-(2**63), le=2**63 - 1)]
_NAN = float("nan")
_UNKNOWN_BOX = (_NAN, _NAN, _NAN, _NAN)
_UNKNOWN_POINT = (_NAN, _NAN)


class _Ours(msgspec.Struct, gc=False):
    """What our own files say about a head beyond COCO."""

    head: _Id | None = None
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
        images: as they stand, but for ids that aren't whole numbers, which get one.
        categories: likewise.
        info: as it stands; empty where there is none.
        annotations: columns of (N,): `id` and `head_id` (`NO_ID` where it's no whole number),
            `image_id`, `category_id`, `keys` (`HAS_AREA`, `HAS_ISCROWD`), `crowd`, `visibility`
            (NaN), `occluded` (-1), `unlabelled` (1 where keypoints are given, but not the head's,
            and no box of it); `bbox` (N, 4) as x, y, width, height and `point` (N, 2), NaN where
            there is none.
        faults: values that can't be taken, by JSON pointer: the value, and what is wrong with it.
            Annotations stay, without these values.
    """

    images: list[dict[str, Any]]
    categories: list[dict[str, Any]]
    info: Mapping[str, Any]
    annotations: Columns
    faults: Mapping[str, tuple[object, str]] = field(default_factory=dict)


Faults = dict[str, tuple[object, str]]


def read_coco(path: Path, file: str | None = None) -> CocoFile:
    """Read a COCO file.

    Ids are joined as they are, whatever their kind. A value of an annotation that isn't what COCO
    has there is left out and kept among the faults.

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
    faults: Faults = {}
    try:
        document = schemas.parse_typed_json(data, _Document, name, remedy=_REMEDY)
        whole = all(map(_is_id, _ids_in(document.images, document.categories)))
        refused = None
    except InputError as error:
        refused, whole = error, False
    if not whole:
        document = _repaired(schemas.parse_json(data, name), name, refused, faults)
    del data
    for index, image in enumerate(document.images):
        if not isinstance(image.get("file_name"), str):
            raise InputError(
                "an image has no file_name",
                where=Where(name, field=f"/images/{index}"),
                value=image.get("file_name"),
                remedy=_REMEDY,
            )
    info = document.info if isinstance(document.info, dict) else {}
    columns = _annotation_columns(document, faults)
    return CocoFile(document.images, document.categories, info, columns, faults)


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _ids_in(*lists: list[dict[str, Any]]) -> Iterable[object]:
    return (row.get("id") for rows in lists for row in rows)


def _repaired(document: Any, name: str, refused: InputError | None, faults: Faults) -> _Document:  # noqa: ANN401 - JSON
    """Take a document in which ids are of other kinds, or values of annotations are broken.

    Args:
        document: as it stands.
        name: of the file, in messages.
        refused: why it isn't taken as it is; raised where it can't be taken at all.
        faults: takes what is left out.
    """
    lists = document if isinstance(document, dict) else {}
    parts: list[Any] = [lists.get(key) for key in ("images", "annotations", "categories")]
    if not all(isinstance(rows, list) and all(isinstance(r, dict) for r in rows) for rows in parts):
        assert refused is not None
        raise refused
    images, annotations, categories = parts
    of_images, of_categories = (
        _Numbers(images, "image", name),
        _Numbers(categories, "category", name),
    )
    rows = [
        _repaired_row(
            {
                **row,
                "image_id": of_images.of(row.get("image_id")),
                "category_id": of_categories.of(row.get("category_id")),
            },
            f"/annotations/{index}",
            faults,
        )
        for index, row in enumerate(annotations)
    ]
    for index, row in enumerate(annotations):
        for key in ("image_id", "category_id"):
            if not _can_join(row.get(key)):
                what = "neither a number nor text" if key in row else "it is missing"
                faults[f"/annotations/{index}/{key}"] = row.get(key), what
    return _Document(
        [{**image, "id": of_images.of(image["id"]), OWN_ID: image["id"]} for image in images],
        rows,
        [{**category, "id": of_categories.of(category["id"])} for category in categories],
        lists.get("info"),
    )


def _can_join(value: object) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


class _Numbers:
    """Whole numbers for ids of any kind: themselves where they are some, else new ones."""

    def __init__(self, rows: list[dict[str, Any]], what: str, file: str) -> None:
        for index, row in enumerate(rows):
            if not _can_join(row.get("id")):
                key = "images" if what == "image" else "categories"
                raise InputError(
                    f"the {what}'s id is neither a number nor text",
                    where=Where(file, field=f"/{key}/{index}/id"),
                    value=row.get("id"),
                    remedy=_REMEDY,
                )
        own = {_plain(row["id"]) for row in rows}
        self._known: dict[object, int] = {one: int(one) for one in own if _is_id(one)}  # type: ignore[call-overload]
        self._free = (number for number in count(1) if number not in own)

    def of(self, value: object) -> int:
        """Return the number of an id; what no row has gets a number that none has."""
        key = _plain(value) if _can_join(value) else ("no id",)
        if key not in self._known:
            same = _otherwise_written(key)
            self._known[key] = self._known[same] if same in self._known else next(self._free)
        return self._known[key]


def _otherwise_written(key: object) -> object:
    """Return a number that is written as text, or the text of a number."""
    if isinstance(key, str) and key.strip().isdecimal():
        return int(key)
    return str(key) if isinstance(key, int) else None


def _plain(value: object) -> object:
    """Return a whole number as one, however it is written."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


OWN_ID = "id as it stands"
"""Key of an image's id before it became a number: results name the image by it."""

_VALUES = ("id", "bbox", "keypoints", "area", "iscrowd", "ignore", "gtahead")


def _repaired_row(row: dict[str, Any], pointer: str, faults: Faults) -> _Annotation:
    """Take an annotation without those of its values that aren't what COCO has there."""
    try:
        return msgspec.convert(row, _Annotation)
    except msgspec.ValidationError:
        pass
    kept = {key: row[key] for key in ("image_id", "category_id")}
    for key in _VALUES:
        if key in row:
            try:
                msgspec.convert({**kept, key: row[key]}, _Annotation)
            except msgspec.ValidationError as error:
                faults[f"{pointer}/{key}"] = row[key], str(error).partition(" - at")[0]
            else:
                kept[key] = row[key]
    return msgspec.convert(kept, _Annotation)


def _annotation_columns(document: _Document, faults: Faults) -> Columns:
    rows = document.annotations
    total = len(rows)
    ours = [row.gtahead or _NOTHING for row in rows]
    keys = (
        HAS_AREA * (r.area is not msgspec.UNSET) | HAS_ISCROWD * (r.iscrowd is not msgspec.UNSET)
        for r in rows
    )
    crowd = (
        (bool(r.iscrowd) or bool(r.ignore))
        if type(r.iscrowd) is not str and type(r.ignore) is not str
        else _crowd_as_text(r, index, faults)
        for index, r in enumerate(rows)
    )  # an `UNSET` is false
    boxes = np.fromiter(
        chain.from_iterable(row.bbox or _UNKNOWN_BOX for row in rows), np.float64, 4 * total
    ).reshape(total, 4)
    point_of = _head_keypoints(document.categories, boxes, faults)
    points = [
        point_of(row, index) if row.keypoints and own.point is _UNKNOWN_POINT else own.point
        for index, (row, own) in enumerate(zip(rows, ours, strict=True))
    ]
    for index, row in enumerate(rows):
        nowhere = row.bbox is None and row.keypoints is None
        if nowhere and points[index] is _UNKNOWN_POINT:
            faults.setdefault(f"/annotations/{index}/bbox", (None, "neither a box nor a point"))
    unlabelled = (
        int(
            row.keypoints is not None
            and points[index] is _UNKNOWN_POINT
            and bool(np.isnan(boxes[index, 0]))
        )
        for index, row in enumerate(rows)
    )
    return {
        "id": _column((row.id if _is_id(row.id) else NO_ID for row in rows), np.int64, total),
        "image_id": _column(map(attrgetter("image_id"), rows), np.int64, total),
        "category_id": _column(map(attrgetter("category_id"), rows), np.int64, total),
        "keys": _column(keys, np.int8, total),
        "crowd": _column(crowd, np.int8, total),
        "head_id": _column((NO_ID if o.head is None else o.head for o in ours), np.int64, total),
        "visibility": _column(map(attrgetter("visibility"), ours), np.float64, total),
        "occluded": _column(
            (-1 if own.occluded is None else bool(own.occluded) for own in ours), np.int8, total
        ),
        "unlabelled": _column(unlabelled, np.int8, total),
        "bbox": boxes,
        "point": _column(chain.from_iterable(points), np.float64, 2 * total).reshape(total, 2),
    }


def _column(values: Iterable[Any], kind: type[np.generic], total: int) -> np.ndarray[Any, Any]:
    return np.fromiter(values, kind, total)


def _crowd_as_text(row: _Annotation, index: int, faults: Faults) -> bool:
    """Read flags of which one is text, which means what it says."""
    found = False
    for key in ("iscrowd", "ignore"):
        value = getattr(row, key)
        if isinstance(value, str):
            if (word := value.strip().lower()) not in FLAGS:
                faults[f"/annotations/{index}/{key}"] = value, "neither 0 nor 1"
            value = FLAGS.get(word, False)
        found |= bool(value)
    return found


def _head_keypoints(
    categories: list[dict[str, Any]], boxes: Floats, faults: Faults
) -> Callable[[_Annotation, int], tuple[float, float]]:
    """Return a function that finds the head among an annotation's keypoints.

    A keypoint is the head only where its category says so, or where it's the only one of a category
    that is called head; and no point where its `v` is 0. Of a category that isn't called head, the
    box is the person's: such boxes are taken away.
    """
    positions: dict[int, int] = {}
    of_heads: set[int] = set()
    for category in categories:
        names = category.get("keypoints")
        words = [str(name).lower() for name in names] if isinstance(names, list) else []
        if str(category.get("name")).strip().lower() in ("head", "heads"):
            of_heads.add(category["id"])
        if "head" in words:
            positions[category["id"]] = words.index("head")

    def point_of(row: _Annotation, index: int) -> tuple[float, float]:
        position = positions.get(row.category_id)
        keypoints = row.keypoints or []
        if position is None and row.category_id in of_heads and len(keypoints) == 3:
            position = 0
        if len(keypoints) % 3:
            faults[f"/annotations/{index}/keypoints"] = keypoints, "a keypoint is x, y and v"
        elif position is not None and len(keypoints) > 3 * position:
            x, y, v = keypoints[3 * position : 3 * position + 3]
            if row.category_id not in of_heads:
                boxes[index] = np.nan
            if v != 0:
                return x, y
        return _UNKNOWN_POINT

    return point_of
