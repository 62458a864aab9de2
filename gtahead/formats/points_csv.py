"""Points as CSV: a line per head."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, Format, nested_image
from gtahead.formats.chunks import join_each_split, write_chunk
from gtahead.formats.text import SUPPORTS, RowFormat, point_cents, slices_of
from gtahead.ingest.exports import INDEX, Index, sequence_of, splits_of_lists, with_splits
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing, gathered
from gtahead.ingest.labelled_reader import reader_of
from gtahead.tables.canonical import NO_ID

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


_COLUMNS = {"file", "x", "y"}


def _csv_files(root: Path) -> list[Path]:
    """Find tables of points: by their columns, or by a name that means a split."""
    found = [path for path in sorted(root.glob("*.csv")) if path.name != INDEX]
    names = splits_of_lists([path.name for path in found], root)
    return [p for p, split in zip(found, names, strict=True) if split or _has_points(p)]


def _has_points(path: Path) -> bool:
    return _header_of(path) >= _COLUMNS


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


def _scan_csv(root: Path) -> Listing:
    """List frames: those of `frames.csv` where it's there, else those that have heads."""
    index = Index.of(root)
    images: dict[tuple[str, str], LabelledImage] = {}
    rows: dict[str, tuple[str, list[tuple[int, list[str]]]]] = {}
    files = _csv_files(root)
    if not files:
        remedy = "points stand in train.csv, val.csv and test.csv"
        raise InputError("no file of points is there", where=Where(str(root)), remedy=remedy)
    for stem, row in index.rows.items():
        image = index.image(row["file"], "", key=stem)
        images[image.split or "", stem] = image
    for path, split in with_splits(files, root):
        for number, cells in _csv_rows(path):
            file = cells["file"].replace("\\", "/")
            stem = posixpath.splitext(file)[0]
            if stem not in index.rows:
                folder, _, frame = (cells.get("frame_id") or stem).rpartition("/")
                images.setdefault(
                    (split or "", stem),
                    LabelledImage(sequence_of(folder, path.stem), frame, split, file, key=stem),
                )
            values = [cells.get(name, "") for name in ("head_id", "x", "y", "ignored")]
            rows.setdefault(stem, (path.name, []))[1].append((number, values))

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts = []
        for number, image in enumerate(wanted):
            file, mine = rows.get(image.key, ("", []))
            location = Where(file, where.sequence, image.frame)
            parts.append((number, _csv_heads(mine, location, findings, ledger)))
        known = all((part["head_id"] != NO_ID).all() for _, part in parts)
        return HeadsRead(gathered(parts, ["x", "y", "ignore", *(["head_id"] if known else [])]))

    return Listing(list(images.values()), files, load, {"tool": "points"})


def _csv_rows(path: Path) -> Iterable[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            names = [name.strip().lower() for name in reader.fieldnames or ()]
            if not set(names) >= _COLUMNS or len(set(names)) < len(names):
                raise InputError(
                    "the CSV has no columns file, x and y with commas between",
                    where=Where(path.name, field="line 1"),
                    value=", ".join(reader.fieldnames or ()),
                    remedy="save it as UTF-8 with commas; its first line names the columns",
                )
            reader.fieldnames = names
            for row in reader:
                if "" in row and any(row[""]):
                    raise InputError(
                        "the line has more cells than the first one",
                        where=Where(path.name, field=f"line {reader.line_num}"),
                        value=", ".join(row[""]),
                        remedy="a decimal comma? numbers have a point, and commas go between them",
                    )
                if row["file"].strip():
                    yield (
                        reader.line_num,
                        {
                            name: value.strip()
                            for name, value in row.items()
                            if isinstance(value, str)
                        },
                    )
                elif any(value for value in row.values()):
                    raise InputError(
                        "the line names no file",
                        where=Where(path.name, field=f"line {reader.line_num}"),
                        remedy="write the image of each head, or drop the line",
                    )
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
    found, ids = [], []
    ledger.heads.came += len(rows)
    for line, (head, x, y, ignored) in rows:
        try:
            xy = float(x), float(y)
        except ValueError:
            location = Where(where.file, where.sequence, where.frame, field=f"line {line}")
            findings.add("bad-number", location, f"{x}, {y}")
            ledger.heads.drop("bad-number")
            continue
        own = int(head) if _WHOLE.fullmatch(head) else NO_ID
        ids.append(own if abs(own) < 2**63 else NO_ID)
        found.append((*xy, int(ignored.lower() in ("1", "true", "yes"))))
    columns = np.array(found, np.float64).reshape(-1, 3)
    heads = np.array(ids, np.int64)
    return {"x": columns[:, 0], "y": columns[:, 1], "head_id": heads, "ignore": columns[:, 2]}


_WHOLE = re.compile(r"-?\d{1,19}")


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
