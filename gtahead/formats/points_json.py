"""Points as JSON Lines: a line per frame."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import schemas
from gtahead.arrays import Booleans, Columns, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, Format, nested_image
from gtahead.formats.chunks import join_each_split, write_chunk
from gtahead.formats.text import SUPPORTS, RowFormat, point_cents, slices_of
from gtahead.ingest.classes import Classes
from gtahead.ingest.exports import TRIPLES, about_of, sequence_of, splits_of_lists, with_splits
from gtahead.ingest.labelled import (
    HeadsRead,
    LabelledImage,
    Listing,
    gathered,
    note_count,
    rows_in_json,
)
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.model import ClassKey
from gtahead.tables import canonical
from gtahead.values import IGNORE_FIELDS, POINT_CLASS_FIELDS, flags_of


def _labels_file(split: str) -> str:
    return f"{SPLIT_WORDS[split]}.jsonl"


def _list_of(rows: RowFormat, batch: Batch, columns: Sequence[Ints]) -> list[bytes]:
    """Write each frame's values as the inside of a JSON list."""
    text, starts = rows.render(columns)
    return [part[:-1] for part in slices_of(text, starts, batch.by_frame)]


_PAIR, _WHOLE = RowFormat("[", 2, ",", 2, "],"), RowFormat(0, ",")


def _json_lists(batch: Batch) -> list[tuple[bytes, bytes]]:
    points = _list_of(_PAIR, batch, point_cents(batch))
    ids = _list_of(_WHOLE, batch, [batch.heads.head_ids])
    return list(zip(points, ids, strict=True))


def _write_json(batch: Batch) -> None:
    counted = _json_lists(batch.counted())
    ignored = _json_lists(batch.where(batch.heads.ignored))
    lines = []
    for frame, own, others in zip(batch.frames, counted, ignored, strict=True):
        about = {
            "frame_id": frame.frame_id,
            "file": nested_image(batch.split, frame),
            "width": frame.size_wh[0],
            "height": frame.size_wh[1],
            "count": int(frame.about["num_heads"]),
            **frame.conditions,
        }
        lines.append(
            orjson.dumps(about)[:-1]
            + b',"points":[%b],"ids":[%b],"ignored_points":[%b],"ignored_ids":[%b]}\n'
            % (*own, *others)
        )
    write_chunk(batch, _labels_file(batch.split), lines)


def _lines_files(root: Path) -> list[Path]:
    """Find files of points: by their first line, or by a name that means a split."""
    found = sorted(root.glob("*.jsonl"))
    names = splits_of_lists([path.name for path in found])
    return [p for p, split in zip(found, names, strict=True) if split or _has_points(p)]


def _has_points(path: Path) -> bool:
    with path.open("rb") as file:
        return b'"points"' in file.readline(2**20)


def _recognise_json(root: Path) -> str | None:
    first = next((path for path in _lines_files(root) if _has_points(path)), None)
    return f"{first.name} has points" if first is not None else None


def _scan_json(root: Path) -> Listing:
    images = []
    files = _lines_files(root)
    if not files:
        remedy = "lines stand in train.jsonl, val.jsonl and test.jsonl"
        raise InputError("no file of points is there", where=Where(str(root)), remedy=remedy)
    findings = Findings()
    for path, split in with_splits(files, root):
        unread: set[str] = set()
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    row = _json_row(line, path.name, number)
                    unread |= _unread(set(row))
                    images.append(_json_image(row, path.name, split, number))
        for key in sorted(unread):
            findings.add("unknown-column", Where(path.name), key)
    classes = Classes({}, lambda: _used(images), Where(files[0].name, field="labels"))

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        return _load_json(wanted, classes, findings, ledger, where)

    with_classes = any(image.key[2] is not None for image in images)
    found = classes if with_classes else None
    return Listing(images, files, load, {"tool": "points"}, found, findings)


def _unread(keys: set[str]) -> set[str]:
    """Return the keys of a line that nothing is read from; of each kind one is."""
    for kind in (_NAMES, POINT_CLASS_FIELDS, IGNORE_FIELDS):
        keys = keys - set([name for name in kind if name in keys][:1])
    return keys - _READ


_READ = frozenset(
    {
        *("frame_id", "width", "height", "count", "points", "ids", "ignored_points", "ignored_ids"),
        *canonical.FRAMES_V1.names,
        *TRIPLES,
    }
)


def _used(images: Sequence[LabelledImage]) -> Iterator[ClassKey]:
    for image in images:
        yield from image.key[2] or ()


def _json_row(line: bytes, name: str, number: int) -> dict[str, Any]:
    location = Where(name, field=f"line {number}")
    try:
        row = schemas.parse_json(line, name)
    except InputError as error:
        remedy = "fix the line, or export again"
        raise InputError(error.what, where=location, value=error.value, remedy=remedy) from error
    if not isinstance(row, dict) or not isinstance(row.get("points"), list):
        raise InputError("no frame with points", where=location, remedy="each line is one frame")
    return row


def _json_image(row: dict[str, Any], name: str, split: str | None, number: int) -> LabelledImage:
    location = Where(name, field=f"line {number}")
    named = next((row[key] for key in _NAMES if isinstance(row.get(key), str) and row[key]), None)
    if named is None:
        remedy = f"it needs one of {', '.join(_NAMES)}"
        raise InputError("the line names no image", where=location, remedy=remedy)
    file = named.replace("\\", "/")
    folder, _, frame = str(row.get("frame_id") or posixpath.splitext(file)[0]).rpartition("/")
    if (boxes := next((key for key in _BOXES if isinstance(row.get(key), list)), None)) is not None:
        remedy = "give points alone, or boxes in COCO or in an image folder's metadata.jsonl"
        what = "the line has boxes beside points, and doesn't say which corners they give"
        raise InputError(what, where=location, value=boxes, remedy=remedy)
    lists = []
    for key in ("points", "ignored_points"):
        try:
            points = rows_in_json(row.get(key, []), (2,))
        except ValueError as error:
            where = Where(name, field=f"line {number}, {key}")
            remedy = "points are [x, y], in pixels"
            raise InputError(str(error), where=where, remedy=remedy) from error
        ids: Any = row.get(key.replace("points", "ids"))
        if isinstance(ids, list) and len(ids) != len(points):
            what = f"{len(ids)} ids for {len(points)} points"
            raise InputError(what, where=location, remedy="give one for each point, or none")
        whole = isinstance(ids, list)
        whole = whole and all(type(one) is int and abs(one) < 2**63 for one in ids)
        lists.append((points, np.array(ids, np.int64) if whole else None))
    kinds = _kinds(row, len(lists[0][0]), location)
    flags = _flags(row, len(lists[0][0]), location)
    size = row.get("width"), row.get("height")
    known = all(type(side) is int and side > 0 for side in size)
    return LabelledImage(
        sequence_of(folder, Path(name).stem),
        frame,
        split,
        file,
        size_wh=size if known else None,  # type: ignore[arg-type]
        key=(lists, row.get("count"), kinds, flags),
        about=about_of(row),
    )


_BOXES = ("boxes", "bboxes", "bbox", "box")
_NAMES = ("file", "frame_id", "file_name", "filename", "image", "image_path")


def _kinds(row: dict[str, Any], count: int, location: Where) -> list[ClassKey] | None:
    """Return what the points of a line carry as their class; None where it gives none.

    Raises:
        InputError: they aren't as many as points.
    """
    found = next((row[key] for key in POINT_CLASS_FIELDS if key in row), None)
    if isinstance(found, str | int):  # of all points of the line
        found = [found] * count
    if found is None:
        return None
    fine = isinstance(found, list) and len(found) == count
    if not fine or not all(isinstance(one, int | str) for one in found):
        what = f"{len(found) if isinstance(found, list) else 'no'} classes for {count} points"
        raise InputError(what, where=location, remedy="give one number or name for each point")
    return list(found)


def _flags(row: Mapping[str, Any], count: int, location: Where) -> Booleans:
    """Return which points of a line are marked to be ignored.

    Raises:
        InputError: flags that aren't as many as points, or that aren't any.
    """
    name = next((key for key in IGNORE_FIELDS if key in row), None)
    if name is None:
        return np.zeros(count, np.bool_)
    flags = flags_of(row[name] if isinstance(row[name], list) else [row[name]] * count)
    if flags is None or len(flags) != count:
        what = f"{name} isn't 0 or 1 for each of {count} points"
        raise InputError(what, where=location, value=str(row[name])[:60], remedy="fix the line")
    return np.array(flags, np.bool_)


def _load_json(
    wanted: Sequence[LabelledImage],
    classes: Classes,
    findings: Findings,
    ledger: Ledger,
    where: Where,
) -> HeadsRead:
    parts = []
    with_ids = all(ids is not None for image in wanted for _, ids in image.key[0])
    for index, image in enumerate(wanted):
        lists, reported, kinds, flags = image.key
        location = Where(where.file, where.sequence, image.frame)
        note_count(reported, len(lists[0][0]), findings, location)
        for (points, ids), ignored in zip(lists, (flags, True), strict=True):
            if kinds is not None and ignored is not True:
                heads = classes.heads_among(kinds, findings, location, "points")
                points, ids = points[heads], None if ids is None else ids[heads]  # noqa: PLW2901
                ignored = ignored[heads]  # noqa: PLW2901
            columns: Columns = {"x": points[:, 0], "y": points[:, 1]}
            columns["ignore"] = np.broadcast_to(ignored, len(points)).astype(np.int8)
            if with_ids:
                columns["head_id"] = ids
            parts.append((index, columns))
    found = gathered(parts, ["x", "y", "ignore", *(["head_id"] if with_ids else [])])
    ledger.heads.came += len(found["x"])
    return HeadsRead(found)


POINTS_JSON = Format(
    name="points-json",
    title="points, JSON Lines",
    kind="points",
    origin=ORIGIN,
    precision_px=0.01,
    supports=SUPPORTS,
    layout=("<train|val|test>.jsonl   a line per frame\nimages/<sequence>/<frame>.jpg"),
    notes=(
        "A line has `frame_id`, `file`, `width`, `height`, `count`, what is known of the "
        "frame, `points` as `[x, y]` with their persons' `ids`, and `ignored_points` with "
        "`ignored_ids`."
    ),
    checked_with="pandas",
    write=_write_json,
    finish=join_each_split(_labels_file),
    image=nested_image,
    index=False,
    reader=reader_of(
        "points-json", "points, JSON Lines (<split>.jsonl)", _recognise_json, _scan_json
    ),
)
