"""Predictions as text: counts and points as NWPU-Crowd takes them, and MOT's files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from gtahead import storage
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.predictions.csv_files import header_of, read_csv
from gtahead.predictions.rows import Rows
from gtahead.predictions.table import Predictions


def read_text(data: bytes, path: Path, rows: Rows, digest: str) -> Predictions:
    """Read CSV with a header, or lists: counts, points as NWPU-Crowd takes them, MOT's boxes."""
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        where = Where(path.name, field=f"byte {error.start}")
        raise InputError("not UTF-8 text", where=where, remedy="save it as UTF-8") from error
    lines = [
        (number, words)
        for number, line in enumerate(text.splitlines(), 1)
        if (words := line.replace(",", " ").split())
    ]
    if not lines:
        remedy = "`gtahead benchmark --template` writes one in which nothing is found"
        raise InputError("only whitespace", where=Where(path.name), remedy=remedy)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if header_of(text) is not None:
        return read_csv(text, rows, digest)
    comma = "," in text.partition("\n")[0]
    if comma and len(lines[0][1]) >= 6:
        _mot(lines, Path(path.name.removesuffix(".gz")).stem, rows)
        return rows.finish("mot", digest, lists_empty=False)
    if not any(len(words) > 1 for _, words in lines):
        raise InputError(
            "not a prediction file that gtahead knows",
            where=Where(path.name),
            value=" ".join(lines[0][1])[:60],
            remedy="docs/predictions.md has all kinds; `--template` writes one",
        )
    only_counts = all(len(words) == 2 for _, words in lines)
    if only_counts and any(words[1] != "0" for _, words in lines):
        for number, words in lines:
            count = _number(words[1], rows, f"line {number}")
            value = np.nan if count is None else rows.count(count, f"line {number}")
            rows.put(words[0], value, None, None, f"line {number}")
        return rows.finish("counts", digest)
    for number, words in lines:
        _point_line(number, words, rows)
    return rows.finish("points", digest)


def _number(word: str, rows: Rows, location: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        rows.note(location, word, "not a number")
        return None


def _point_line(number: int, words: Sequence[str], rows: Rows) -> None:
    """Read `id n x y x y …`."""
    location = f"line {number}"
    numbers = [_number(word, rows, location) for word in words[1:]]
    if None in numbers or not numbers:
        return
    values = np.array(numbers, np.float64)
    if len(values) != 1 + 2 * values[0]:
        detail = f"{len(values) - 1} numbers after the count, not {2 * values[0]:g}"
        rows.note(location, f"{values[0]:g}", detail)
        return
    points = np.column_stack([values[1:].reshape(-1, 2), np.ones((len(values) - 1) // 2)])
    rows.put(words[0], np.nan, rows.fine(points, lambda _: location), None, location)


def _mot(lines: Sequence[tuple[int, Sequence[str]]], sequence: str, rows: Rows) -> None:
    """Read `frame,id,x,y,w,h,score,…`; x and y count from 1."""
    grouped: dict[int, list[list[float]]] = {}
    for number, words in lines:
        location = f"line {number}"
        numbers = [_number(word, rows, location) for word in words[:7]]
        if None in numbers:
            continue
        values = [value for value in numbers if value is not None]
        if len(values) < 6:
            detail = "not frame, id, x, y, width, height and a score"
            rows.note(location, ",".join(words)[:60], detail)
            continue
        frame, _, x, y, width, height = values[:6]
        score = values[6] if len(values) > 6 and values[6] >= 0 else 1.0  # -1: there is none
        if not 1 <= frame < 1e9 or frame != int(frame):
            detail = "frames count from 1"
            rows.note(location, f"{frame:g}", detail)
            continue
        grouped.setdefault(int(frame), []).append([x - 1, y - 1, width, height, score, number])
    for frame, entries in grouped.items():
        rows.put_heads((sequence, frame), entries, 4, "line ")


def read_mot_folder(folder: Path, findings: Findings) -> Predictions:
    """Read MOT's results: a text file per sequence, named by it."""
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise InputError(
            "the folder has neither density maps nor MOT text files",
            where=Where(str(folder)),
            remedy="give a file, or a folder of a map per image or a text per sequence",
        )
    rows = Rows(folder.name, findings)
    total = hashlib.sha256()
    for path in files:
        data = storage.read_input(path)
        total.update(f"{path.name} {hashlib.sha256(data).hexdigest()}\n".encode())
        rows.file = f"{folder.name}/{path.name}"
        _mot(list(_split_lines(data)), path.stem, rows)
    return rows.finish("mot", total.hexdigest(), lists_empty=False)


def _split_lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if words := line.replace(",", " ").split():
            yield number, words
