"""Points as JSON Lines: a line per frame."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import schemas
from gtahead.arrays import Columns, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, Format, nested_image
from gtahead.formats.chunks import join_each_split, write_chunk
from gtahead.formats.text import SUPPORTS, RowFormat, point_cents, slices_of
from gtahead.ingest.exports import about_of, sequence_of, split_word
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing, gathered
from gtahead.ingest.labelled_reader import reader_of


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
    return [path for path in sorted(root.glob("*.jsonl")) if split_word(path.stem)]


def _recognise_json(root: Path) -> str | None:
    for path in _lines_files(root):
        with path.open("rb") as file:
            if b'"points"' in file.readline(2**20):
                return f"{path.name} has points"
    return None


def _scan_json(root: Path) -> Listing:
    images = []
    files = _lines_files(root)
    if not files:
        remedy = "lines stand in train.jsonl, val.jsonl and test.jsonl"
        raise InputError("no file of points is there", where=Where(str(root)), remedy=remedy)
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    images.append(_json_image(line, path.name, number))
    return Listing(images, files, _load_json, {"tool": "points"})


def _json_image(line: bytes, name: str, number: int) -> LabelledImage:
    location = Where(name, field=f"line {number}")
    try:
        row = schemas.parse_json(line, name)
    except InputError as error:
        remedy = "fix the line, or export again"
        raise InputError(error.what, where=location, value=error.value, remedy=remedy) from error
    if not isinstance(row, dict) or not isinstance(row.get("points"), list):
        raise InputError("no frame with points", where=location, remedy="each line is one frame")
    file = str(row.get("file") or row.get("frame_id") or f"{number:06d}.jpg")
    folder, _, frame = str(row.get("frame_id") or posixpath.splitext(file)[0]).rpartition("/")
    lists = []
    for key in ("points", "ignored_points"):
        values = row.get(key, [])
        points: Any = np.array(values if isinstance(values, list) else [], object)
        try:
            points = np.asarray(points, np.float64).reshape(-1, 2) if len(points) else _NO_POINTS
        except (TypeError, ValueError) as error:
            where = Where(name, field=f"line {number}, {key}")
            raise InputError("not a list of [x, y]", where=where, remedy="fix it") from error
        ids: Any = row.get(key.replace("points", "ids"))
        whole = isinstance(ids, list) and len(ids) == len(points)
        whole = whole and all(isinstance(one, int) for one in ids)
        lists.append((points, np.array(ids, np.int64) if whole else None))
    size = row.get("width"), row.get("height")
    known = all(isinstance(side, int) and side > 0 for side in size)
    return LabelledImage(
        sequence_of(folder, Path(name).stem),
        frame,
        split_word(name),
        file,
        size_wh=size if known else None,  # type: ignore[arg-type]
        key=lists,
        about=about_of(row),
    )


_NO_POINTS = np.empty((0, 2))


def _load_json(
    wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
) -> HeadsRead:
    del findings, where
    parts = []
    with_ids = all(ids is not None for image in wanted for _, ids in image.key)
    for index, image in enumerate(wanted):
        for (points, ids), ignored in zip(image.key, (0, 1), strict=True):
            columns: Columns = {"x": points[:, 0], "y": points[:, 1]}
            columns["ignore"] = np.full(len(points), ignored)
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
