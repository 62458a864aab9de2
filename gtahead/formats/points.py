"""Points as text that any program reads: JSON Lines, a line a frame; and CSV, a line a head."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import schemas
from gtahead.dataset.captured import Reader
from gtahead.dataset.tabular import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco import conditions, write_chunk
from gtahead.formats.format import SPLIT_WORDS, Batch, ExportFrame, Format, Summary
from gtahead.formats.joining import join
from gtahead.formats.reading import (
    HeadsRead,
    Index,
    LabelledPicture,
    Listing,
    gathered,
    reader_of,
    sequence_of,
    split_word,
)
from gtahead.formats.textrows import Ints, RowFormat, fixed_within

_HOLDS = frozenset({"points", "ids", "ignored"})
_ORIGIN = "0-based, at the top-left corner of the top-left pixel"
CSV_COLUMNS = ("file", "frame_id", "head_id", "x", "y", "ignored")


def point_cents(batch: Batch, decimals: int = 2) -> list[Ints]:
    """Give x and y as whole multiples of 10^-decimals; heads in their picture stay there."""
    limits = batch.sizes_wh[batch.frame_of_heads]
    points = batch.heads.points_xy
    return [fixed_within(points[:, k], limits[:, k], decimals) for k in (0, 1)]


def slices_of(text: bytes, starts: Ints, bounds: Ints) -> Iterable[bytes]:
    """Cut rows into one piece a frame."""
    for first, last in pairwise(starts[bounds].tolist()):
        yield text[first:last]


def picture_of(split: str, frame: ExportFrame) -> str:
    """Give the place of a picture: a folder a sequence."""
    del split
    return f"images/{frame.nested_name}"


def _list_of(rows: RowFormat, batch: Batch, columns: Sequence[Ints]) -> list[bytes]:
    """Write each frame's values as the inside of a JSON list."""
    text, starts = rows.render(columns)
    return [part[:-1] for part in slices_of(text, starts, batch.bounds)]


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
            "file": picture_of(batch.split, frame),
            "width": frame.size_wh[0],
            "height": frame.size_wh[1],
            "count": int(frame.about["num_heads"]),
            **conditions(frame),
        }
        lines.append(
            orjson.dumps(about)[:-1]
            + b',"points":[%b],"ids":[%b],"ignored_points":[%b],"ignored_ids":[%b]}\n'
            % (*own, *others)
        )
    write_chunk(batch, f"{SPLIT_WORDS[batch.split]}.jsonl", lines)


def _finish_json(summary: Summary) -> None:
    for split in summary.splits:
        file = f"{SPLIT_WORDS[split]}.jsonl"
        join(summary.folder / file, [summary.chunks(file)])


def _write_csv(batch: Batch) -> None:
    heads = batch.heads
    columns = [heads.head_ids, *point_cents(batch), heads.ignored.astype(np.int64)]
    text, starts = RowFormat(",", 0, ",", 2, ",", 2, ",", 0, "\n").render(columns)
    lines = []
    for frame, rows in zip(batch.frames, slices_of(text, starts, batch.bounds), strict=True):
        if rows:
            prefix = _csv_cells([picture_of(batch.split, frame), frame.frame_id])
            lines.append(prefix + rows[:-1].replace(b"\n", b"\n" + prefix) + b"\n")
    write_chunk(batch, f"{SPLIT_WORDS[batch.split]}.csv", lines)


def _csv_cells(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue().encode()


def _finish_csv(summary: Summary) -> None:
    head = (",".join(CSV_COLUMNS) + "\n").encode()
    for split in summary.splits:
        file = f"{SPLIT_WORDS[split]}.csv"
        join(summary.folder / file, [head, summary.chunks(file)])


# Reading


def _lines_files(root: Path) -> list[Path]:
    return [path for path in sorted(root.glob("*.jsonl")) if split_word(path.stem)]


def _recognise_json(root: Path) -> str | None:
    for path in _lines_files(root):
        with path.open("rb") as file:
            if b'"points"' in file.readline(2**20):
                return f"{path.name} has points"
    return None


def _scan_json(root: Path) -> Listing:
    pictures = []
    files = _lines_files(root)
    if not files:
        remedy = "lines stand in train.jsonl, val.jsonl and test.jsonl"
        raise InputError("no file of points is there", where=Where(str(root)), remedy=remedy)
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    pictures.append(_json_picture(line, path.name, number))
    return Listing(pictures, files, _load_json, {"tool": "points"})


def _json_picture(line: bytes, name: str, number: int) -> LabelledPicture:
    place = Where(name, field=f"line {number}")
    try:
        row = schemas.parse_json(line, name)
    except InputError as error:
        remedy = "mend the line, or export again"
        raise InputError(error.what, where=place, value=error.value, remedy=remedy) from error
    if not isinstance(row, dict) or not isinstance(row.get("points"), list):
        raise InputError("no frame with points", where=place, remedy="each line is one frame")
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
            raise InputError("not a list of [x, y]", where=where, remedy="mend it") from error
        ids: Any = row.get(key.replace("points", "ids"))
        whole = isinstance(ids, list) and len(ids) == len(points)
        whole = whole and all(isinstance(one, int) for one in ids)
        lists.append((points, np.array(ids, np.int64) if whole else None))
    about = {key: value for key, value in row.items() if isinstance(value, str | int | float)}
    for key, names in _TRIPLES.items():
        triple = row.get(key)
        if isinstance(triple, list) and len(triple) == 3:
            about |= dict(zip(names, triple, strict=True))
    size = row.get("width"), row.get("height")
    known = all(isinstance(side, int) and side > 0 for side in size)
    return LabelledPicture(
        sequence_of(folder, Path(name).stem),
        frame,
        split_word(name),
        file,
        size_wh=size if known else None,  # type: ignore[arg-type]
        key=lists,
        about=about,
    )


_NO_POINTS = np.empty((0, 2))
_TRIPLES = {
    "camera_m": ("camera_x_m", "camera_y_m", "camera_z_m"),
    "pitch_roll_yaw_deg": ("pitch_deg", "roll_deg", "yaw_deg"),
}


def _load_json(
    wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
) -> HeadsRead:
    del findings, where
    parts = []
    with_ids = all(ids is not None for picture in wanted for _, ids in picture.key)
    for index, picture in enumerate(wanted):
        for (points, ids), ignored in zip(picture.key, (0, 1), strict=True):
            columns: Columns = {"x": points[:, 0], "y": points[:, 1]}
            columns["ignore"] = np.full(len(points), ignored)
            if with_ids:
                columns["head_id"] = ids
            parts.append((index, columns))
    found = gathered(parts, ["x", "y", "ignore", *(["head_id"] if with_ids else [])])
    ledger.heads.came += len(found["x"])
    return HeadsRead(found)


POINTS_JSON_READER: Reader = reader_of(
    "points-json", "points, JSON Lines (<split>.jsonl)", _recognise_json, _scan_json
)


def _csv_files(root: Path) -> list[Path]:
    return [path for path in sorted(root.glob("*.csv")) if split_word(path.stem)]


def _recognise_csv(root: Path) -> str | None:
    for path in _csv_files(root):
        with path.open("rb") as file:
            names = file.readline(4096).decode("utf-8-sig", "replace").strip().split(",")
        if {"file", "x", "y"} <= set(names):
            return f"{path.name} has points"
    return None


def _scan_csv(root: Path) -> Listing:
    """List frames: those of `frames.csv` where it's there, else those that have heads."""
    index = Index.of(root)
    pictures: dict[tuple[str, str], LabelledPicture] = {}
    rows: dict[str, tuple[str, list[tuple[int, list[str]]]]] = {}
    files = _csv_files(root)
    if not files:
        remedy = "points stand in train.csv, val.csv and test.csv"
        raise InputError("no file of points is there", where=Where(str(root)), remedy=remedy)
    for stem, row in index.rows.items():
        picture = index.picture(row["file"], "", key=stem)
        pictures[picture.split or "", stem] = picture
    for path in files:
        for number, cells in _csv_rows(path):
            stem = posixpath.splitext(cells["file"])[0]
            if stem not in index.rows:
                folder, _, frame = (cells.get("frame_id") or stem).rpartition("/")
                split = split_word(path.stem)
                pictures.setdefault(
                    (split or "", stem),
                    LabelledPicture(
                        sequence_of(folder, path.stem), frame, split, cells["file"], key=stem
                    ),
                )
            values = [cells.get(name, "") for name in ("head_id", "x", "y", "ignored")]
            rows.setdefault(stem, (path.name, []))[1].append((number, values))

    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts = []
        for number, picture in enumerate(wanted):
            file, mine = rows.get(picture.key, ("", []))
            place = Where(file, where.sequence, picture.frame)
            parts.append((number, _csv_heads(mine, place, findings, ledger)))
        known = all((part["head_id"] >= 0).all() for _, part in parts)
        return HeadsRead(gathered(parts, ["x", "y", "ignore", *(["head_id"] if known else [])]))

    return Listing(list(pictures.values()), files, load, {"tool": "points"})


def _csv_rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                if row.get("file"):
                    yield reader.line_num, {k: v or "" for k, v in row.items() if k is not None}
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "the CSV can't be read",
            where=Where(path.name),
            value=str(error),
            remedy="save it as UTF-8 with commas",
        ) from error


def _csv_heads(
    rows: Sequence[tuple[int, list[str]]], where: Where, findings: Findings, ledger: Ledger
) -> Columns:
    """Read one frame's heads; a row whose x or y is no number is set aside."""
    found = []
    ledger.heads.came += len(rows)
    for line, (head, x, y, ignored) in rows:
        try:
            xy = float(x), float(y)
        except ValueError:
            place = Where(where.file, where.sequence, where.frame, field=f"line {line}")
            findings.add("bad-number", place, f"{x}, {y}")
            ledger.heads.drop("bad-number")
            continue
        fine = head.lstrip("-").isdigit() and len(head) < 19
        found.append((*xy, int(head) if fine else -1, int(ignored == "1")))
    columns = np.array(found, np.float64).reshape(-1, 4)
    ids = np.array([row[2] for row in found], np.int64)
    return {"x": columns[:, 0], "y": columns[:, 1], "head_id": ids, "ignore": columns[:, 3]}


POINTS_CSV_READER: Reader = reader_of(
    "points-csv", "points, CSV (<split>.csv)", _recognise_csv, _scan_csv
)

POINTS_JSON = Format(
    name="points-json",
    title="points, JSON Lines",
    kind="points",
    origin=_ORIGIN,
    precision_px=0.01,
    holds=_HOLDS,
    layout=("<train|val|test>.jsonl   a line a frame\nimages/<sequence>/<frame>.jpg"),
    notes=(
        "A line has `frame_id`, `file`, `width`, `height`, `count`, what is known of the "
        "frame, `points` as `[x, y]` with their persons' `ids`, and `ignored_points` with "
        "`ignored_ids`. "
    ),
    checked_with="pandas",
    write=_write_json,
    finish=_finish_json,
    picture=picture_of,
    index=False,
    reader=POINTS_JSON_READER,
)

POINTS_CSV = Format(
    name="points-csv",
    title="points, CSV",
    kind="points",
    origin=_ORIGIN,
    precision_px=0.01,
    holds=_HOLDS,
    layout=(
        "<train|val|test>.csv   file, frame_id, head_id, x, y, ignored\n"
        "images/<sequence>/<frame>.jpg\n"
        "frames.csv"
    ),
    notes=("A line a head. Frames without heads stand in `frames.csv` only, as all frames do."),
    checked_with="pandas",
    write=_write_csv,
    finish=_finish_csv,
    picture=picture_of,
    reader=POINTS_CSV_READER,
)
