"""Points as CSV: a line per head."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np

from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, Format, nested_image
from gtahead.formats.chunks import join_each_split, write_chunk
from gtahead.formats.text import SUPPORTS, RowFormat, point_cents, slices_of
from gtahead.ingest.classes import Classes
from gtahead.ingest.exports import INDEX, Index, sequence_of, splits_of_lists, with_splits
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing, gathered
from gtahead.ingest.labelled_reader import reader_of
from gtahead.tables.canonical import NO_ID
from gtahead.values import FLAGS, IGNORE_FIELDS, POINT_CLASS_FIELDS

CSV_COLUMNS = ("file", "frame_id", "head_id", "x", "y", "ignored")


def _labels_file(split: str) -> str:
    return f"{SPLIT_WORDS[split]}.csv"


def _write_csv(batch: Batch) -> None:
    heads = batch.heads
    columns = [heads.head_ids, *point_cents(batch), heads.ignored.astype(np.int64)]
    text, starts = RowFormat(",", 0, ",", 2, ",", 2, ",", 0, "\n").render(columns)
    lines = []
    for frame, rows in zip(batch.frames, slices_of(text, starts, batch.by_frame), strict=True):
        if rows:
            prefix = _csv_cells([nested_image(batch.split, frame), frame.frame_id])
            lines.append(prefix + rows[:-1].replace(b"\n", b"\n" + prefix) + b"\n")
    write_chunk(batch, _labels_file(batch.split), lines)


def _csv_cells(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(cells)
    return out.getvalue().encode()


_FILE_NAMES = ("file", "filename", "file_name", "image", "image_name", "image_path", "img")
_BOX_NAMES = ({"width", "height"}, {"w", "h"}, {"xmax", "ymax"}, {"x2", "y2"})
"""Columns beside x and y of which a corner and not a head would be read."""


def _csv_files(root: Path) -> list[Path]:
    """Find tables of points: by their columns, or by a name that means a split."""
    found = [path for path in sorted(root.glob("*.csv")) if path.name != INDEX]
    names = splits_of_lists([path.name for path in found])
    return [p for p, split in zip(found, names, strict=True) if split or _has_points(p)]


def _has_points(path: Path) -> bool:
    return _are_points(_header_of(path))


def _are_points(names: Collection[str]) -> bool:
    return {"x", "y"} <= set(names) and any(name in names for name in _FILE_NAMES)


def _header_of(path: Path) -> set[str]:
    """Return the columns that a first line names, whatever it looks like."""
    with path.open("rb") as file:
        line = file.readline(4096)
    encoding = "utf-16" if line[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = line.decode(encoding, "replace")
    return {word.strip().lower() for word in text.replace(";", ",").replace("\t", ",").split(",")}


def _recognise_csv(root: Path) -> str | None:
    first = next((path for path in _csv_files(root) if _has_points(path)), None)
    return f"{first.name} has points" if first is not None else None


@dataclass(frozen=True)
class _Row:
    """One line of a table: its number, and its cells by column."""

    line: int
    cells: Mapping[str, str]

    @property
    def file(self) -> str:
        """The image that it names."""
        name = next(name for name in _FILE_NAMES if name in self.cells)
        return self.cells[name].replace("\\", "/")

    @property
    def kind(self) -> str | None:
        """Its class, if the table has any."""
        return next((self.cells[name] for name in POINT_CLASS_FIELDS if name in self.cells), None)


def _scan_csv(root: Path) -> Listing:
    """List frames: those of `frames.csv` where it's there, else those that have heads."""
    index = Index.of(root)
    images: dict[tuple[str, str], LabelledImage] = {}
    rows: dict[tuple[str, str], tuple[str, list[_Row]]] = {}
    files = _csv_files(root)
    if not files:
        remedy = "points stand in train.csv, val.csv and test.csv"
        raise InputError("no file of points is there", where=Where(str(root)), remedy=remedy)
    for stem, about in index.rows.items():
        images["", stem] = index.image(about["file"], "", key=("", stem))
    findings = Findings()
    for path, split in with_splits(files, root):
        columns: set[str] = set()
        for row in _csv_rows(path):
            columns.update(row.cells)
            stem = posixpath.splitext(row.file)[0]
            key = ("", stem) if stem in index.rows else (path.name, row.file)
            if key not in images:
                folder, _, frame = (row.cells.get("frame_id") or stem).rpartition("/")
                sequence = sequence_of(folder, path.stem)
                images[key] = LabelledImage(sequence, frame, split, row.file, key=key)
            rows.setdefault(key, (path.name, []))[1].append(row)
        for name in _unread(columns):
            findings.add("unknown-column", Where(path.name, field="line 1"), name)
    kinds = [row.kind for _, mine in rows.values() for row in mine]
    classes = Classes({}, lambda: (k for k in kinds if k is not None), Where(files[0].name))

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for number, image in enumerate(wanted):
            file, mine = rows.get(image.key, ("", []))
            location = Where(file, where.sequence, image.frame)
            are_heads = classes.heads_among(
                [row.kind for row in mine], findings, location, "points"
            )
            heads = list(compress(mine, are_heads))
            part = _csv_heads(heads, location, findings, ledger)
            if heads and not len(part["x"]):
                findings.add("heads-lost", location)
                faults[number] = "heads-lost"
            parts.append((number, part))
        known = all((part["head_id"] != NO_ID).all() for _, part in parts)
        columns = gathered(parts, ["x", "y", "ignore", *(["head_id"] if known else [])])
        return HeadsRead(columns, faults)

    with_classes = any(kind is not None for kind in kinds)
    found = classes if with_classes else None
    return Listing(list(images.values()), files, load, {"tool": "points"}, found, findings)


def _unread(columns: set[str]) -> list[str]:
    """Return the columns that nothing is read from: of each kind the first one is."""
    unread = columns - {"", "x", "y", "frame_id", "head_id"}
    for kind in (_FILE_NAMES, POINT_CLASS_FIELDS, IGNORE_FIELDS):
        unread -= set([name for name in kind if name in unread][:1])
    return sorted(unread)


def _csv_rows(path: Path) -> Iterable[_Row]:
    """Read a table's lines.

    Raises:
        InputError: no points, or a line that doesn't fit the first one; with its number.
    """

    def wrong(line: int, what: str, value: object, remedy: str) -> InputError:
        return InputError(
            what, where=Where(path.name, field=f"line {line}"), value=value, remedy=remedy
        )

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            given = ", ".join(reader.fieldnames or ())
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            twice = next((name for name in names if name and names.count(name) > 1), None)
            if twice is not None:
                remedy = "give each column a name of its own"
                raise wrong(1, "two columns have one name", twice, remedy)
            if not _are_points(names):
                remedy = "save it as UTF-8 with commas; its first line names the columns"
                what = "the CSV has no columns file, x and y with commas between"
                raise wrong(1, what, given, remedy)
            if any(pair <= set(names) for pair in _BOX_NAMES):
                remedy = "give the middles of the heads as x and y, without columns of boxes"
                raise wrong(1, "the CSV has boxes: is x, y a corner?", given, remedy)
            reader.fieldnames = names
            for row in reader:
                if "" in row and any(row[""]):
                    remedy = "a decimal comma? numbers have a point, and commas go between them"
                    what = "the line has more cells than the first one"
                    raise wrong(reader.line_num, what, ", ".join(row[""]), remedy)
                cells = {n: v.strip() for n, v in row.items() if isinstance(v, str)}
                if not any(cells.get(name) for name in _FILE_NAMES):
                    if any(cells.values()):
                        remedy = "write the image of each head, or drop the line"
                        raise wrong(reader.line_num, "the line names no file", None, remedy)
                    continue
                yield _Row(reader.line_num, cells)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "the CSV can't be read",
            where=Where(path.name),
            value=str(error),
            remedy="save it as UTF-8 with commas",
        ) from error


_WHOLE = re.compile(r"-?\d{1,19}")


def _csv_heads(rows: Sequence[_Row], where: Where, findings: Findings, ledger: Ledger) -> Columns:
    """Read one frame's heads; a row whose x, y or flag is none is set aside."""
    found, ids = [], []
    ledger.heads.came += len(rows)
    for row in rows:
        flag = next((name for name in IGNORE_FIELDS if name in row.cells), "ignored")
        x, y, ignored = (row.cells.get(name, "") for name in ("x", "y", flag))
        try:
            values = float(x), float(y), FLAGS[ignored.lower()]
        except (ValueError, KeyError):
            location = Where(where.file, where.sequence, where.frame, field=f"line {row.line}")
            findings.add("bad-number", location, ", ".join([x, y, *([ignored] if ignored else [])]))
            ledger.heads.drop("bad-number")
            continue
        head = row.cells.get("head_id", "")
        own = int(head) if _WHOLE.fullmatch(head) else NO_ID
        ids.append(own if abs(own) < 2**63 else NO_ID)
        found.append(values)
    columns = np.array(found, np.float64).reshape(-1, 3)
    heads = np.array(ids, np.int64)
    return {"x": columns[:, 0], "y": columns[:, 1], "head_id": heads, "ignore": columns[:, 2]}


POINTS_CSV = Format(
    name="points-csv",
    title="points, CSV",
    kind="points",
    origin=ORIGIN,
    precision_px=0.01,
    supports=SUPPORTS,
    layout=(
        "<train|val|test>.csv   file, frame_id, head_id, x, y, ignored\n"
        "images/<sequence>/<frame>.jpg\n"
        "frames.csv"
    ),
    notes=(
        "A line per head. Frames without heads stand in `frames.csv` only, as all frames do: in "
        "other people's files, which have none, an image without a line is reported "
        "(`image-without-record`) and isn't a frame."
    ),
    checked_with="pandas",
    write=_write_csv,
    finish=join_each_split(_labels_file, head=(",".join(CSV_COLUMNS) + "\n").encode()),
    image=nested_image,
    reader=reader_of("points-csv", "points, CSV (<split>.csv)", _recognise_csv, _scan_csv),
)
