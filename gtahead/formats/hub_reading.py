"""Hub tables back into sequences: shards with images inside, or plain files beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gtahead import schemas
from gtahead.arrays import Columns, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco_reading import as_heads
from gtahead.images.reading import ImageError
from gtahead.ingest.classes import Classes
from gtahead.ingest.exports import about_of, exported_as, sequence_of, splits_of_lists, with_splits
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing, Load, rows_in_json
from gtahead.ingest.model import CapturedFrame, ClassKey
from gtahead.tables import hub
from gtahead.tables.canonical import NO_ID
from gtahead.values import CLASS_FIELDS, IGNORE_FIELDS, flags_of

TABLE = "metadata.parquet"
"""Beside images in folders: a table that isn't a shard."""

_SHARDS = ("data/*.parquet", "annotations/*.parquet", "*.parquet", "*/*.parquet", "*/*/*.parquet")


def _shards(root: Path) -> list[Path]:
    """Find the tables in the first of the usual places where one has heads.

    All that are there count, so that a damaged one is told of.
    """
    for pattern in _SHARDS:
        found = [path for path in sorted(root.glob(pattern)) if path.name != TABLE]
        if any(map(_has_heads, found)):
            return found
    return []


def _has_heads(path: Path) -> bool:
    """Return whether a table has heads; of one that can't be read, its name tells."""
    try:
        return "objects" in hub.column_names(path, path.name)
    except InputError:
        return splits_of_lists([path.name])[0] is not None


def recognise_shards(root: Path) -> str | None:
    """Return why a folder is taken for a hub dataset; None if it isn't one."""
    shards = _shards(root)
    return f"{shards[0].relative_to(root).as_posix()} has heads" if shards else None


def scan_shards(root: Path) -> Listing:
    """List the images of all shards.

    Raises:
        InputError: no shard, or one that can't be read.
    """
    shards = _shards(root)
    if not shards:
        raise InputError(
            "no Parquet shard is there",
            where=Where(str(root)),
            remedy="shards are data/<split>-00000-of-00001.parquet",
        )
    images = []
    for path, split in with_splits(shards, root):
        file = path.relative_to(root).as_posix()
        with_images = "image" in columns_of(path, file)
        for row, values in enumerate(hub.read_frames_of(path, file)):
            position = file if with_images else None
            images.append(row_image(values, file, row, split, position, inside=with_images))
    return listing_of(images, shards, root, {"tool": "Hugging Face"})


def columns_of(path: Path, file: str) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        InputError: unreadable, or without heads.
    """
    names = hub.column_names(path, file)
    if "objects" not in names:
        raise InputError(
            "the table has no heads",
            where=Where(file),
            value=", ".join(names[:5]),
            remedy="it needs the column objects, a struct of lists; export it again",
        )
    return names


def row_image(
    values: dict[str, Any],
    file: str,
    row: int,
    split: str | None,
    image: str | None,
    *,
    inside: bool = False,
) -> LabelledImage:
    """Return the image of one row.

    Args:
        values: of the row.
        file: the table.
        row: in it.
        split: of the table.
        image: its file, or the table where the image lies inside; None where there is none.
        inside: whether it does.

    Raises:
        InputError: its size is none.
    """
    size = values.get("width"), values.get("height")
    whole = all(type(side) is int and side > 0 for side in size)
    if not whole and size != (None, None):
        raise InputError(
            "width or height isn't a positive whole number",
            where=Where(file, field=f"row {row}"),
            value=f"{size[0]} x {size[1]}",
            remedy="the table needs the columns width and height, in pixels",
        )
    name = str(values.get("file_name") or f"{row:06d}.jpg")
    folder, _, stem = name.rpartition("/")
    return LabelledImage(
        sequence=str(values.get("sequence") or sequence_of(folder, _sequence_of_table(file))),
        frame=str(values.get("frame") or Path(stem).stem),
        split=split,
        file=image,
        size_wh=size if whole else None,  # type: ignore[arg-type]
        key=(file, row),
        about=about_of(values),
        row=row if inside else None,
    )


def _sequence_of_table(file: str) -> str:
    """Name what rows without a sequence belong to: their table, or the folder of a numbered one."""
    path = Path(file)
    return path.parent.name if path.stem.isdigit() and path.parent.name else path.stem


HeadsOf = tuple[Columns, Any, bool]
"""Columns of the heads of a table, (F + 1,) bounds of its rows, and whether they're ignored."""


def listing_of(
    images: list[LabelledImage], tables: list[Path], root: Path, about: dict[str, Any]
) -> Listing:
    """Return a listing whose heads are in tables, each of which is read only once."""

    @cache
    def heads_in(file: str) -> list[HeadsOf]:
        if file.endswith(".jsonl"):
            return _heads_in_lines(root / file, file)
        names = ("objects", "ignored")
        return [(*hub.read_heads_of(root / file, file, n), n == "ignored") for n in names]

    files = [path.relative_to(root).as_posix() for path in tables]
    parquet = [(root / file, file) for file in files if not file.endswith(".jsonl")]
    names = [hub.class_names(path, file) for path, file in parquet]
    names.append({"category": ["head"]} if exported_as(root) else card_class_names(root))

    def heads() -> Iterator[Columns]:
        return (one for file in files for one, _, _ in heads_in(file))

    classes = classes_in(heads, names, files[0])
    return Listing(images, tables, _loader(heads_in, classes), about, classes)


def classes_in(
    heads: Callable[[], Iterable[Mapping[str, Any]]],
    names: Sequence[Mapping[str, Sequence[str]]],
    file: str,
) -> Classes:
    """Return the classes of tables of heads.

    Args:
        heads: gives the columns of each table; asked only where names don't tell.
        names: of numbers by column, as each table or a card has them.
        file: that messages name.
    """
    where = Where(file, field="objects.category")
    told = [next((n for c in [*CLASS_FIELDS, *one] if (n := one.get(c))), ()) for one in names]
    found: Sequence[str] = next(filter(None, told), ())
    other = next((one for one in told if one and list(one) != list(found)), None)
    if other is not None:
        raise InputError(
            "tables of one dataset name their classes differently",
            where=where,
            value=f"{', '.join(found)}; {', '.join(other)}",
            remedy="give them the same names in the same order, or build them one by one",
        )

    def used() -> Iterator[ClassKey]:
        for columns in heads():
            kinds = _class_of(columns)
            if kinds is not None:
                yield from kinds

    return Classes(dict(enumerate(found)), used, where)


def card_class_names(root: Path) -> dict[str, list[str]]:
    """Return the names of classes that a dataset card gives, by column; empty without a card."""
    path = root / "README.md"
    if not path.is_file():
        return {}
    parts = path.read_text(encoding="utf-8", errors="replace").split("---\n", 2)
    try:
        header = yaml.safe_load(parts[1]) if len(parts) == 3 and not parts[0].strip() else None
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    found: dict[str, list[str]] = {}
    waiting: list[Any] = [header]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            label = next((v for v in _below(value, 3) if isinstance(v.get("names"), dict)), None)
            if isinstance(value.get("name"), str) and label is not None:
                found[value["name"]] = [str(name) for name in label["names"].values()]
        elif isinstance(value, list):
            waiting += value
    return found


def _below(value: dict[str, Any], depth: int) -> Iterator[dict[str, Any]]:
    """Yield the mappings in a mapping, some levels down, without going through lists."""
    for one in value.values():
        if isinstance(one, dict):
            yield one
            if depth:
                yield from _below(one, depth - 1)


def _class_of(columns: Mapping[str, Any]) -> list[ClassKey] | None:
    """Return what objects carry as their class; None where they carry nothing.

    A text that nothing else is known of counts as one.
    """
    texts = [name for name, values in columns.items() if np.asarray(values).dtype.kind == "O"]
    for name in (*CLASS_FIELDS, *texts):
        if name in columns:
            return [int(one) if _is_whole(one) else str(one) for one in columns[name].tolist()]
    return None


def _is_whole(value: object) -> bool:
    whole = isinstance(value, float) and value.is_integer()
    return whole or (isinstance(value, int) and not isinstance(value, bool))


def _loader(heads_in: Callable[[str], list[HeadsOf]], classes: Classes) -> Load:
    """Return a function that reads the heads of some rows."""

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts: list[tuple[Columns, int, bool]] = []
        for index, image in enumerate(wanted):
            file, row = image.key
            for columns, bounds, ignored in heads_in(file):
                mine = slice(int(bounds[row]), int(bounds[row + 1]))
                part = {name: values[mine] for name, values in columns.items()}
                location = Where(file, where.sequence, image.frame)
                parts.append((only_heads(part, classes, findings, location), index, ignored))
        together = together_from(parts)
        ledger.heads.came += len(together["x"])
        return HeadsRead(together)

    return load


def only_heads(columns: Columns, classes: Classes, findings: Findings, location: Where) -> Columns:
    """Leave out objects that aren't heads, and note how many."""
    kinds = _class_of(columns)
    if kinds is None or classes.heads is None:
        return columns
    heads = classes.heads_among(kinds, findings, location, "objects")
    return {name: values[heads] for name, values in columns.items()}


def _heads_in_lines(path: Path, file: str) -> list[HeadsOf]:
    """Read the heads of a table in JSON Lines.

    Raises:
        InputError: a line can't be read.
    """
    found: list[HeadsOf] = []
    rows = read_lines(path, file)
    for name in ("objects", "ignored"):
        parts = []
        for number, row in enumerate(rows, 1):
            try:
                parts.append(columns_in_json(row.get(name) or {}))
            except ValueError as error:
                where = Where(file, field=f"line {number}, {name}")
                raise InputError(str(error), where=where, remedy="fix the line") from error
        counts = [len(next(iter(part.values()), ())) for part in parts]
        keys = dict.fromkeys(key for part in parts for key in part)
        columns: Columns = {}
        for key in keys:
            for number, (part, count) in enumerate(zip(parts, counts, strict=True), 1):
                if count and key not in part:
                    where = Where(file, field=f"line {number}, {name}")
                    raise InputError(f"{key} is missing", where=where, remedy="fix the line")
            columns[key] = np.concatenate([part[key] for part in parts if key in part])
        found.append((columns, np.concatenate([[0], np.cumsum(counts)]), name == "ignored"))
    return found


def read_lines(path: Path, file: str) -> list[dict[str, Any]]:
    """Read a table in JSON Lines: a row for each line that isn't blank.

    Raises:
        InputError: a line is no object.
    """
    rows = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if line.strip():
            row = schemas.parse_json(line, f"{file}, line {number}")
            if not isinstance(row, dict):
                where = Where(file, field=f"line {number}")
                raise InputError("not an object", where=where, remedy="each line is one image")
            rows.append(row)
    return rows


_JSON_WIDTHS = {"bbox": 4, "point": 2}


def columns_in_json(objects: Any) -> Columns:  # noqa: ANN401 - JSON
    """Turn an object of lists, or a list of objects, into columns.

    Raises:
        ValueError: lists of different lengths, or values that are something else.
    """
    if isinstance(objects, list):
        if not all(isinstance(one, dict) and one.keys() == objects[0].keys() for one in objects):
            raise ValueError("heads aren't objects with the same keys")
        objects = {key: [one[key] for one in objects] for key in (objects[0] if objects else ())}
    if not isinstance(objects, dict):
        raise ValueError("heads aren't an object of lists")
    found: Columns = {}
    for name, values in objects.items():
        if name in _JSON_WIDTHS:
            found[name] = rows_in_json(values, (_JSON_WIDTHS[name],))
        elif name in ("occluded", "visibility"):
            unknown = np.nan if name == "visibility" else -1
            numbers = values if isinstance(values, list) else [values]
            known = [unknown if v is None else int(v) if type(v) is bool else v for v in numbers]
            found[name] = rows_in_json([[value] for value in known], (1,))[:, 0]
            if name == "occluded" and (found[name] % 1 != 0).any():
                raise ValueError("occluded isn't 0, 1 or -1 for each head")
        elif name == "track_id":
            found[name] = _ids(values)
        elif name in IGNORE_FIELDS:
            if (flags := flags_of(values)) is None:
                raise ValueError(f"{name} isn't 0 or 1 for each head")
            found[name] = np.array(flags, np.int64)
        elif name in CLASS_FIELDS:
            if not isinstance(values, list):
                raise ValueError(f"{name} isn't a list")
            found[name] = np.array([*values, None], object)[:-1]
        elif isinstance(values, list) and values and all(isinstance(v, str) for v in values):
            found[name] = np.array([*values, None], object)[:-1]
    if len({len(values) for values in found.values()}) > 1:
        raise ValueError("lists of heads differ in length")
    if "visibility" in found:
        found["visibility"] = np.where(found["visibility"] < 0, np.nan, found["visibility"])
    return found


def _ids(values: Any) -> Ints:  # noqa: ANN401 - JSON
    """Return ids exactly; null and -1 stand for none.

    Raises:
        ValueError: one isn't a whole number.
    """
    if not isinstance(values, list):
        raise ValueError("track_id isn't a list")
    plain = [NO_ID if v in (None, -1) else v for v in values]
    if not all(type(one) is int and NO_ID <= one < 2**63 for one in plain):
        raise ValueError("track_id isn't a whole number for each head")
    return np.array(plain, np.int64)


def together_from(parts: Sequence[tuple[Columns, int, bool]]) -> Columns:
    """Concatenate the heads of single images.

    Args:
        parts: columns as a hub table has them, index of the image, and whether they're ignored.
    """
    found = [_part(*part) for part in parts]
    together = {
        name: np.concatenate([empty, *(part[name] for part in found)])
        for name, empty in _NOTHING.items()
    }
    return as_heads(together)


_NOTHING: Columns = {
    "frame_index": np.empty(0, np.int64),
    "bbox": np.empty((0, 4)),
    "point": np.empty((0, 2)),
    "crowd": np.empty(0, np.int8),
    "occluded": np.empty(0, np.int8),
    "visibility": np.empty(0),
    "head_id": np.empty(0, np.int64),
}


def _part(columns: Columns, index: int, ignored: bool) -> Columns:
    count = len(next(iter(columns.values()))) if columns else 0
    unknown = {
        "bbox": np.full((count, 4), np.nan),
        "point": np.full((count, 2), np.nan),
        "occluded": np.full(count, -1, np.int8),
        "visibility": np.full(count, np.nan),
        "track_id": np.full(count, NO_ID, np.int64),
    }
    found = {
        name: np.asarray(columns[name], default.dtype) if name in columns else default
        for name, default in unknown.items()
    }
    found["head_id"] = found.pop("track_id")
    found["frame_index"] = np.full(count, index, np.int64)
    flags = [np.asarray(columns[name]) == 1 for name in IGNORE_FIELDS if name in columns]
    found["crowd"] = np.any([np.full(count, ignored), *flags], axis=0).astype(np.int8)
    return found


def unpack(root: Path, frame: CapturedFrame) -> bytes:
    """Return the bytes of an image inside a shard.

    Raises:
        ImageError: they can't be had.
    """
    assert frame.file is not None
    assert frame.row is not None
    try:
        return hub.read_image(root / frame.file, frame.file, frame.row)
    except InputError as error:
        raise ImageError("image-unreadable", error.what) from error
