"""Prediction files into columns: ours, and those that programs of the field write.

All that is wrong is noted in one pass, with its location; what is wrong is left out, so that the
checks behind see the rest. Only what can't be read at all ends the reading.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import schemas
from gtahead.arrays import Booleans, Floats, Ragged
from gtahead.errors import InputError, Where
from gtahead.findings import EXAMPLES_KEPT, Finding, Findings
from gtahead.predictions.table import ImageKey, Predictions
from gtahead.tables import records

FORMAT = "gtahead-predictions"

HEADER_KEY = "gtahead.predictions"
"""Of a Parquet file's metadata, under which the header stands."""

MAX_BYTES = 500_000_000
"""Bytes of a document that is read whole, unpacked; JSON Lines and Parquet have no limit."""

PACKED_AT_MOST = 100
"""How many times as large a document may be once it's unpacked, beyond `ANY_PACKING` bytes."""

ANY_PACKING = 20_000_000

MAX_PX = 1e9
"""From the image: what lies beyond is no coordinate."""

SNIFFED = 1 << 16
"""Bytes at a file's beginning that tell what it is."""

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_MANY = "write JSON Lines or Parquet: they are read in parts"


def read_predictions(path: str | Path, findings: Findings) -> Predictions:
    """Read a prediction file of any kind: reported by what stands in it, not by its name.

    Args:
        path: JSON, JSON Lines, Parquet or text, or one of them packed by gzip; or a folder of MOT
            text files, one per sequence.
        findings: takes what is wrong in it.

    Raises:
        InputError: it can't be read, is truncated, of an unknown version or kind.
    """
    source = Path(path)
    if source.is_dir():
        return _mot_folder(source, findings)
    if source.exists() and not source.is_file():
        remedy = "write the predictions to a file first"
        raise InputError("not a regular file", where=Where(str(source)), remedy=remedy)
    begin = _bytes_of(source, SNIFFED)
    if begin.startswith(b"PAR1"):
        return _parquet(source, findings)
    packed = begin.startswith(_GZIP)
    if packed:
        begin = _unpacked_begin(begin, source)
    text = begin.removeprefix(_BOM).lstrip()
    if not text and len(begin) < SNIFFED:
        remedy = "`gtahead benchmark --template` writes one in which nothing is found"
        raise InputError("the file is empty", where=Where(source.name), remedy=remedy)
    rows = _Rows(source.name, findings)
    first, _, rest = text.partition(b"\n")
    if text[:1] == b"{" and rest.strip() and _is_json(first):
        return _json_lines(source, packed, rows)
    if not packed and source.stat().st_size > MAX_BYTES:
        raise _too_large(source.name, f"{source.stat().st_size:,} bytes")
    data = _bytes_of(source)
    digest = hashlib.sha256(data).hexdigest()
    if packed:
        data = _unpacked(data, source)
    if text[:1] == b"[":
        return _coco(_parsed(data, source.name), rows, digest)
    if text[:1] == b"{":
        return _document(_parsed(data, source.name), rows, digest)
    return _text(data, source, rows, digest)


def _too_large(file: str, size: str) -> InputError:
    what = "the file is too large to be read whole"
    return InputError(what, where=Where(file), value=size, remedy=_MANY)


def _bytes_of(path: Path, most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        what = error.strerror or str(error)
        raise InputError("the file can't be read", where=Where(str(path)), value=what) from error


def _damaged(path: Path) -> InputError:
    return InputError("the gzip file is damaged", where=Where(path.name), remedy="pack it again")


def _cut(path: Path) -> InputError:
    return InputError(
        "the gzip file ends too early",
        where=Where(path.name, field=f"byte {path.stat().st_size}"),
        remedy="get or pack it again",
    )


def _unpacked_begin(begin: bytes, path: Path) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(begin, SNIFFED)
    except zlib.error as error:
        raise _damaged(path) from error


def _unpacked(data: bytes, path: Path) -> bytes:
    """Unpack gzip, whose size nobody knows before."""
    try:
        with gzip.open(io.BytesIO(data)) as file:
            most = min(MAX_BYTES, _most_of(len(data)))
            out = file.read(most + 1)
    except EOFError as error:
        raise _cut(path) from error
    except (zlib.error, OSError) as error:
        raise _damaged(path) from error
    if len(out) > most:
        raise _too_large(path.name, f"over {most:,} bytes once it's unpacked")
    return out


def _most_of(packed: int) -> int:
    """Return how many bytes a packed file may turn into: one of nothing but blanks is a bomb."""
    return max(ANY_PACKING, PACKED_AT_MOST * packed)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _parsed(data: bytes, file: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return schemas.parse_json(data, file)
    except InputError as error:
        # NaN and Infinity aren't JSON, but Python writes them; they are reported where they stand.
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            raise error from None


@dataclass
class _Rows:
    """Collects images; what is wrong is noted and left out.

    Attributes:
        file: its name in messages.
        findings: takes what is wrong.
    """

    file: str
    findings: Findings
    images: list[ImageKey] = field(default_factory=list)
    counts: list[float] = field(default_factory=list)
    points: list[Floats | None] = field(default_factory=list)
    boxes: list[Floats | None] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)

    def where(self, location: str) -> Where:
        return Where(self.file, field=location)

    def add(self, row: object, location: str) -> None:
        """Take one image as JSON has it."""
        if not isinstance(row, dict):
            self.findings.add("bad-prediction", self.where(location), row, "not an object")
            return
        image = row.get("image")
        if not isinstance(image, str) or not image:
            reported = "it has no `image`" if image is None else "`image` isn't a name"
            self.findings.add("bad-prediction", self.where(location), image, reported)
            return
        for key in sorted(set(row) - {"image", "count", "points", "boxes"}):
            self.findings.add("unknown-key", self.where(f"{location}/{key}"))
        points = None
        if row.get("points") is not None:
            points = self.numbers(row["points"], 3, f"{location}/points")
        boxes = None
        if row.get("boxes") is not None:
            boxes = self.numbers(row["boxes"], 5, f"{location}/boxes")
        self.put(image, self.count(row.get("count"), f"{location}/count"), points, boxes, location)

    def put(
        self,
        image: ImageKey,
        count: float,
        points: Floats | None,
        boxes: Floats | None,
        location: str,
    ) -> None:
        """Take one image whose numbers are fine."""
        self.images.append(image)
        self.counts.append(count)
        self.points.append(points)
        self.boxes.append(boxes)
        self.locations.append(location)

    def count(self, value: object, location: str) -> float:
        if value is None:
            return np.nan
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.findings.add("bad-prediction", self.where(location), value, "not a number")
            return np.nan
        if not 0 <= value < 1e12:  # not of NaN either
            self.findings.add("bad-count", self.where(location), value)
            return np.nan
        return float(value)

    def numbers(self, values: object, width: int, location: str) -> Floats:
        """Return a list of rows as an array; rows that aren't `width` numbers are noted."""
        if not isinstance(values, list):
            reported = f"not a list of rows of {width} numbers"
            self.findings.add("bad-prediction", self.where(location), _quoted(values), reported)
            return np.empty((0, width))
        try:
            table = np.array(values)
        except ValueError:  # of different lengths
            table = np.empty(0, object)
        if table.dtype.kind in "iuf" and table.shape == (len(values), width):
            return self.fine(table.astype(np.float64), lambda index: f"{location}/{index}")
        fine, indices = [], []
        for index, row in enumerate(values):
            is_row = isinstance(row, list) and len(row) == width
            if is_row and all(map(_is_number, row)):
                fine.append(row)
                indices.append(index)
            else:
                reported = f"not a row of {width} numbers"
                self.findings.add(
                    "bad-prediction", self.where(f"{location}/{index}"), _quoted(row), reported
                )
        rest = np.array(fine, np.float64).reshape(-1, width)
        return self.fine(rest, lambda index: f"{location}/{indices[index]}")

    def _note(
        self, code: str, wrong: Booleans, values: Floats, position: Callable[[int], str]
    ) -> None:
        """Note the rows that are wrong."""
        listed = np.flatnonzero(wrong).tolist()
        examples = [
            Finding(code, self.where(position(row)), ", ".join(f"{v:g}" for v in values[row]))
            for row in listed[:EXAMPLES_KEPT]
        ]
        self.findings.add_many(code, len(listed), examples)

    def fine(self, values: Floats, position: Callable[[int], str]) -> Floats:
        """Keep points (x, y, score) or boxes (x, y, width, height, score) that can be.

        Args:
            values: (N, 3) or (N, 5).
            position: where in the file a row stands.
        """
        near = np.isfinite(values) & (np.abs(np.nan_to_num(values)) <= MAX_PX)
        lost = np.asarray(~near.all(axis=1), np.bool_)
        self._note("not-a-number", lost, values, position)
        flat = np.asarray(~lost & (values[:, 2:-1] <= 0).any(axis=1), np.bool_)
        self._note("box-without-area", flat, values, position)
        within = (values[:, -1] >= 0) & (values[:, -1] <= 1)
        odd = np.asarray(~(lost | flat | within), np.bool_)
        self._note("bad-score", odd, values[:, -1:], position)
        return values[~(lost | flat | odd)]

    def finish(self, kind: str, digest: str, **more: Any) -> Predictions:  # noqa: ANN401 - fields
        """Return all as columns."""
        points = [np.empty((0, 3)) if p is None else p for p in self.points]
        boxes = [np.empty((0, 5)) if b is None else b for b in self.boxes]
        flat_points = np.concatenate([np.empty((0, 3)), *points])
        flat_boxes = np.concatenate([np.empty((0, 5)), *boxes])
        corners = flat_boxes[:, :4].copy()
        corners[:, 2:] += corners[:, :2]
        return Predictions(
            kind=kind,
            images=self.images,
            counts=np.array(self.counts, np.float64),
            has_points=np.array([p is not None for p in self.points], np.bool_),
            has_boxes=np.array([b is not None for b in self.boxes], np.bool_),
            points_xy=flat_points[:, :2].copy(),
            point_scores=flat_points[:, 2].copy(),
            points_by_image=Ragged.from_counts([len(p) for p in points]),
            boxes_xyxy=corners,
            box_scores=flat_boxes[:, 4].copy(),
            boxes_by_image=Ragged.from_counts([len(b) for b in boxes]),
            locations=self.locations,
            sha256=digest,
            **more,
        )


def _is_number(value: object) -> bool:
    """Return whether a value is a number that a float can hold."""
    return type(value) is float or (type(value) is int and abs(value) < 2**1000)


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _header(document: dict[str, Any], rows: _Rows) -> dict[str, Any]:
    """Check what stands above the predictions."""
    if document.get("format") != FORMAT:
        raise InputError(
            "no prediction file: its `format` isn't gtahead-predictions",
            where=Where(rows.file, field="/format"),
            value=document.get("format"),
            remedy="the benchmark page of the docs has all kinds; `--template` writes one",
        )
    if document.get("version") != 1 or isinstance(document.get("version"), bool):
        raise InputError(
            "format version is unknown",
            where=Where(rows.file, field="/version"),
            value=document.get("version"),
            remedy="known versions: 1; a newer gtahead may read it",
        )
    for pointer, message in schemas.faults({**document, "predictions": []}, "predictions"):
        rows.findings.add("breaks-schema", rows.where(pointer), detail=message)
    header = {}
    for key in ("dataset", "method"):
        if isinstance(document.get(key), dict):
            header[key] = document[key]
    return header


def _document(document: dict[str, Any], rows: _Rows, digest: str) -> Predictions:
    header = _header(document, rows)
    listed = document.get("predictions")
    if not isinstance(listed, list):
        raise InputError(
            "there is no list `predictions`",
            where=Where(rows.file, field="/predictions"),
            remedy="`gtahead schema show predictions` prints how it looks",
        )
    for index, row in enumerate(listed):
        rows.add(row, f"/predictions/{index}")
        listed[index] = None  # an image's lists aren't needed any more
    return rows.finish("gtahead", digest, header=header)


def _json_lines(path: Path, packed: bool, rows: _Rows) -> Predictions:
    """Read a header, and an image per line, without holding the file in memory."""
    header: dict[str, Any] | None = None
    with path.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    for number, line in enumerate(_lines(path, packed), 1):
        body = line.removeprefix(_BOM) if number == 1 else line
        if not body.strip():
            continue
        location = f"line {number}"
        try:
            row = _parsed(body.rstrip(), rows.file)
        except InputError as error:
            column = (error.where.field or "").partition(", ")[2] if error.where else ""
            at = f"{location}, {column}" if column else location
            rows.findings.add("file-unreadable", rows.where(at), detail=error.what)
            continue
        if header is None:
            header = _header(row if isinstance(row, dict) else {}, rows)
        else:
            rows.add(row, location)
    return rows.finish("gtahead", digest, header=header or {})


def _lines(path: Path, packed: bool) -> Iterator[bytes]:
    try:
        most = _most_of(path.stat().st_size) if packed else path.stat().st_size
        longest, total = min(MAX_BYTES, most), 0
        with gzip.open(path) if packed else path.open("rb") as file:
            while line := file.readline(longest + 1):
                total += len(line)
                if len(line) > longest or total > most:
                    raise _too_large(path.name, f"over {longest:,} bytes once it's unpacked")
                yield line
    except EOFError as error:
        raise _cut(path) from error
    except (zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path) from error


def _parquet(path: Path, findings: Findings) -> Predictions:
    rows = _Rows(path.name, findings)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    header = _header(records.read_header(path, HEADER_KEY), rows)
    for number, row in enumerate(records.read_rows(path)):
        rows.add(row, f"row {number}")
    return rows.finish("gtahead", digest, header=header)


def _coco(document: list[Any], rows: _Rows, digest: str) -> Predictions:
    """Read COCO's list of results: a detection each, images by number."""
    grouped: dict[int, list[list[float]]] = {}
    first: dict[int, int] = {}
    for index, row in enumerate(document):
        image = row.get("image_id") if isinstance(row, dict) else None
        if not isinstance(image, int) or isinstance(image, bool):
            rows.findings.add(
                "bad-prediction", rows.where(f"/{index}"), _quoted(row), "it has no `image_id`"
            )
            continue
        box = row.get("bbox")
        values = [*box, row.get("score")] if isinstance(box, list) else None
        if values is None or len(values) != 5 or not all(map(_is_number, values)):
            reported = "not a `bbox` of 4 numbers and a `score`"
            rows.findings.add("bad-prediction", rows.where(f"/{index}"), _quoted(row), reported)
            continue
        grouped.setdefault(image, []).append([*map(float, values), float(index)])
        first.setdefault(image, index)
        document[index] = None
    for image, values in grouped.items():
        table = np.array(values)
        boxes = rows.fine(table[:, :5], _at("/", table[:, 5]))
        rows.put(image, np.nan, None, boxes, f"/{first[image]}")
    return rows.finish("coco", digest, lists_empty=False)


def _at(word: str, numbers: Floats) -> Callable[[int], str]:
    """Name rows by their numbers in the file."""
    return lambda row: f"{word}{numbers[row]:.0f}"


def _text(data: bytes, path: Path, rows: _Rows, digest: str) -> Predictions:
    """Read lists of numbers: counts, points as NWPU-Crowd takes them, or MOT's boxes."""
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
        raise InputError("nothing but blanks", where=Where(path.name), remedy=remedy)
    comma = "," in text.partition("\n")[0]
    if comma and len(lines[0][1]) >= 6:
        _mot(lines, path.stem, rows)
        return rows.finish("mot", digest, lists_empty=False)
    if not any(len(words) > 1 for _, words in lines):
        raise InputError(
            "no prediction file that gtahead knows",
            where=Where(path.name),
            value=" ".join(lines[0][1])[:60],
            remedy="the benchmark page of the docs has all kinds; `--template` writes one",
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


def _number(word: str, rows: _Rows, location: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        rows.findings.add("bad-prediction", rows.where(location), word, "not a number")
        return None


def _point_line(number: int, words: Sequence[str], rows: _Rows) -> None:
    """Read `id n x y x y …`."""
    location = f"line {number}"
    numbers = [_number(word, rows, location) for word in words[1:]]
    if None in numbers or not numbers:
        return
    values = np.array(numbers, np.float64)
    if len(values) != 1 + 2 * values[0]:
        reported = f"{len(values) - 1} numbers behind the count, not {2 * values[0]:g}"
        rows.findings.add("bad-prediction", rows.where(location), f"{values[0]:g}", reported)
        return
    points = np.column_stack([values[1:].reshape(-1, 2), np.ones((len(values) - 1) // 2)])
    rows.put(words[0], np.nan, rows.fine(points, lambda _: location), None, location)


def _mot(lines: Sequence[tuple[int, Sequence[str]]], sequence: str, rows: _Rows) -> None:
    """Read `frame,id,x,y,w,h,score,…`; x and y count from 1."""
    grouped: dict[int, list[list[float]]] = {}
    first: dict[int, int] = {}
    for number, words in lines:
        location = f"line {number}"
        numbers = [_number(word, rows, location) for word in words[:7]]
        if None in numbers:
            continue
        values = [value for value in numbers if value is not None]
        if len(values) < 6:
            reported = "not frame, id, x, y, width, height and a score"
            rows.findings.add(
                "bad-prediction", rows.where(location), ",".join(words)[:60], reported
            )
            continue
        frame, _, x, y, width, height = values[:6]
        score = values[6] if len(values) > 6 and values[6] >= 0 else 1.0  # -1: there is none
        if not 1 <= frame < 1e9 or frame != int(frame):
            reported = "frames count from 1"
            rows.findings.add("bad-prediction", rows.where(location), f"{frame:g}", reported)
            continue
        grouped.setdefault(int(frame), []).append([x - 1, y - 1, width, height, score, number])
        first.setdefault(int(frame), number)
    for frame, entries in grouped.items():
        table = np.array(entries)
        fine = rows.fine(table[:, :5], _at("line ", table[:, 5]))
        rows.put((sequence, frame), np.nan, None, fine, f"line {first[frame]}")


def _mot_folder(folder: Path, findings: Findings) -> Predictions:
    """Read MOT's results: a text file per sequence, named by it."""
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise InputError(
            "the folder holds no text files of MOT",
            where=Where(str(folder)),
            remedy="give a prediction file, or a folder with `<sequence>.txt` for each sequence",
        )
    rows = _Rows(folder.name, findings)
    total = hashlib.sha256()
    for path in files:
        data = _bytes_of(path)
        total.update(f"{path.name} {hashlib.sha256(data).hexdigest()}\n".encode())
        rows.file = f"{folder.name}/{path.name}"
        _mot(list(_split_lines(data)), path.stem, rows)
    return rows.finish("mot", total.hexdigest(), lists_empty=False)


def _split_lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        if words := line.replace(",", " ").split():
            yield number, words
