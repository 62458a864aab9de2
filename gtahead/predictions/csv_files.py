"""Predictions as CSV with a header: a count per image, a line per point, or a line per box."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from gtahead.errors import InputError, Where
from gtahead.predictions.rows import Rows
from gtahead.predictions.table import Predictions

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "image": (
        *("frame_id", "image", "image_id", "image_name", "img", "img_name"),
        *("file", "file_name", "filename", "name", "id"),
    ),
    "count": ("count", "counts", "num_heads", "heads", "predicted", "prediction", "pred"),
    "x": ("x", "x_px", "head_x"),
    "y": ("y", "y_px", "head_y"),
    "width": ("width", "w"),
    "height": ("height", "h"),
    "score": ("score", "scores", "confidence", "conf"),
}
"""What a column may be called, in any case; the first that is there is taken."""

DELIMITERS = (",", ";", "\t", " ")


def header_of(text: str) -> tuple[str, dict[str, int]] | None:
    """Return the delimiter, and which column is which; None where the text has no header."""
    for delimiter in DELIMITERS:
        words = _words(text, delimiter)
        if len(words) < 2 or any(_is_number(word) for word in words):
            continue
        found = {
            what: words.index(name)
            for what, names in COLUMNS.items()
            if (name := next((one for one in names if one in words), None)) is not None
        }
        if len(found) > 1 or ("image" in found and delimiter != " "):
            return delimiter, found
    return None


def _check_columns(columns: Mapping[str, int], words: Sequence[str], file: str) -> None:
    """Refuse a header that lacks something, or means two things.

    Raises:
        InputError: it does.
    """
    places = {"x", "y"} <= columns.keys()
    wrong = ""
    if "image" not in columns:
        wrong = "the columns lack `image`"
    elif not places and "count" not in columns:
        wrong = "the columns lack `count`, or `x` and `y`"
    elif columns.keys() & {"x", "y"} and "count" in columns:
        wrong = "the columns have both counts and positions"
    elif ("width" in columns) != ("height" in columns):
        wrong = "the columns have a width without a height, or the other way round"
    twice = [what for what in ("count", "score") if len(set(COLUMNS[what]) & set(words)) > 1]
    if not wrong and twice:
        wrong = f"several columns may be the {twice[0]}"
    if wrong:
        raise InputError(
            wrong,
            where=Where(file, field="line 1"),
            value=", ".join(words)[:80],
            remedy="call them image and count; image, x, y and score; or with width and height",
        )


def _words(text: str, delimiter: str) -> list[str]:
    """Return the header's cells, which is the first line that isn't empty."""
    first = text.lstrip().partition("\n")[0]
    return [word.strip().strip('"').lower() for word in first.split(delimiter)]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word  # which Python's own numbers may have


def read_csv(text: str, rows: Rows, digest: str) -> Predictions:
    """Read a CSV whose header `header_of` knows.

    A line whose place is empty names an image in which nothing was found.

    Raises:
        InputError: columns are missing, or it's no CSV.
    """
    header = header_of(text)
    assert header is not None
    delimiter, columns = header
    _check_columns(columns, _words(text, delimiter), rows.file)
    points = "x" in columns
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        listed = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)][1:]
    except csv.Error as error:
        where = Where(rows.file, field=f"line {reader.line_num}")
        raise InputError(f"no CSV: {error}", where=where, remedy="write it again") from error
    width = len(_words(text, delimiter))
    for line, row in listed:
        if any(cell.strip() for cell in row[width:]):
            detail = f"it has more cells than the header, which has {width}"
            rows.note(f"line {line}", delimiter.join(row), detail)
    if not points:
        for line, row in listed:
            _count(row, columns, rows, f"line {line}")
        return rows.finish("counts", digest)
    names = ["x", "y", *(["width", "height"] if {"width", "height"} <= columns.keys() else [])]
    grouped: dict[str, list[list[float]]] = {}
    for line, row in listed:
        image = _cell(row, columns, "image")
        if not image:
            rows.note(f"line {line}", None, "no image is named")
            continue
        mine = grouped.setdefault(image, [])
        if any(_cell(row, columns, name) for name in names):
            values = [_number(row, columns, name, rows, line) for name in names]
            score = _number(row, columns, "score", rows, line) if "score" in columns else 1.0
            if score is not None and None not in values:
                mine.append([*(v for v in values if v is not None), score, float(line)])
    for image, entries in grouped.items():
        rows.put_heads(image, entries, len(names), "line ")
    return rows.finish("boxes" if len(names) == 4 else "points", digest, lists_empty=False)


def _cell(row: Sequence[str], columns: Mapping[str, int], name: str) -> str:
    at = columns[name]
    return row[at].strip() if at < len(row) else ""


def _number(
    row: Sequence[str], columns: Mapping[str, int], name: str, rows: Rows, line: int
) -> float | None:
    word = _cell(row, columns, name)
    if not _is_number(word):
        rows.note(f"line {line}, {name}", word, "not a number")
        return None
    return float(word)


def _count(row: Sequence[str], columns: Mapping[str, int], rows: Rows, location: str) -> None:
    image, word = _cell(row, columns, "image"), _cell(row, columns, "count")
    if not image:
        rows.note(location, None, "no image is named")
    elif not _is_number(word):
        rows.note(location, word, "not a number")
    else:
        rows.put(image, rows.count(float(word), location), None, None, location)
