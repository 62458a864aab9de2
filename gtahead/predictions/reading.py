"""Prediction files into columns: ours, and those that programs of the field write.

All that is wrong is noted in one pass, with its location; what is wrong is left out, so that the
later checks see the rest. Only what can't be read at all ends the reading.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.predictions.checking import Images
from gtahead.predictions.maps import map_files_of, read_density_maps
from gtahead.predictions.rows import Rows, quoted
from gtahead.predictions.table import Predictions
from gtahead.predictions.text import read_mot_folder, read_text
from gtahead.tables import records
from gtahead.values import StrPath, is_number

FORMAT = "gtahead-predictions"

HEADER_KEY = "gtahead.predictions"
"""Of a Parquet file's metadata, under which the header stands."""

MAX_BYTES = 500_000_000
"""Bytes of a document that is read whole, unpacked; JSON Lines and Parquet have no limit."""

PACKED_AT_MOST = 100
"""How many times as large a document may be once it's unpacked, beyond `ANY_PACKING` bytes."""

ANY_PACKING = 20_000_000


SNIFFED = 1 << 16
"""Bytes at a file's beginning that tell what it is."""

_GZIP = b"\x1f\x8b"
_MAPS = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY", b"\x89HDF")
_BOM = b"\xef\xbb\xbf"
_MANY = "write JSON Lines or Parquet: they are read in parts"


def read_predictions(
    path: StrPath,
    findings: Findings,
    categories: frozenset[int] | None = None,
    images: Images | None = None,
) -> Predictions:
    """Read a prediction file of any kind, recognised by its contents, not by its name.

    Args:
        path: JSON, JSON Lines, Parquet or text, or one of them packed by gzip; density maps as
            .npz, .npy or .h5; or a folder of these, or of MOT text files, one per sequence.
        findings: takes what is wrong in it.
        categories: numbers of the categories of heads, for COCO's results; None where they aren't
            known.
        images: that are scored, for the sizes of density maps.

    Raises:
        InputError: it can't be read, is truncated, of an unknown version or kind.
    """
    source = Path(path)
    if source.is_dir():
        if map_files_of(source):
            return read_density_maps(source, images, findings)
        return read_mot_folder(source, findings)
    if source.exists() and not source.is_file():
        remedy = "write the predictions to a file first"
        raise InputError("not a regular file", where=Where(str(source)), remedy=remedy)
    begin = storage.read_input(source, most=SNIFFED)
    if begin.startswith(b"PAR1"):
        return _parquet(source, findings)
    if begin.startswith(_MAPS):
        return read_density_maps(source, images, findings)
    packed = begin.startswith(_GZIP)
    if packed:
        begin = _unpacked_begin(begin, source)
    text = begin.removeprefix(_BOM).lstrip()
    if not text and len(begin) < SNIFFED:
        remedy = "`gtahead benchmark --template` writes one in which nothing is found"
        raise InputError("the file is empty", where=Where(source.name), remedy=remedy)
    rows = Rows(source.name, findings)
    first, _, rest = text.partition(b"\n")
    if text[:1] == b"{" and rest.strip() and _is_json(first):
        return _json_lines(source, packed, rows)
    if not packed and source.stat().st_size > MAX_BYTES:
        raise _too_large(source.name, f"{source.stat().st_size:,} bytes")
    data = storage.read_input(source)
    digest = hashlib.sha256(data).hexdigest()
    if packed:
        data = _unpacked(data, source)
    if text[:1] == b"[":
        return _coco(_parsed(data, source.name), rows, digest, categories)
    if text[:1] == b"{":
        return _document(_parsed(data, source.name), rows, digest)
    return read_text(data, source, rows, digest)


def _too_large(file: str, size: str) -> InputError:
    what = "the file is too large to be read whole"
    return InputError(what, where=Where(file), value=size, remedy=_MANY)


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
    """Unpack gzip data, whose size isn't known beforehand."""
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
    """Return how many bytes a packed file may unpack to: beyond that it is taken for a bomb."""
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


def _header(document: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """Check the header of a prediction file."""
    if document.get("format") != FORMAT:
        raise InputError(
            "not a prediction file: its `format` isn't gtahead-predictions",
            where=Where(rows.file, field="/format"),
            value=document.get("format"),
            remedy="docs/predictions.md has all kinds; `--template` writes one",
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


def _document(document: dict[str, Any], rows: Rows, digest: str) -> Predictions:
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


def _json_lines(path: Path, packed: bool, rows: Rows) -> Predictions:
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
    rows = Rows(path.name, findings)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    header = _header(records.read_header(path, HEADER_KEY), rows)
    for number, row in enumerate(records.read_rows(path)):
        rows.add(row, f"row {number}")
    return rows.finish("gtahead", digest, header=header)


def _coco(
    document: list[Any], rows: Rows, digest: str, categories: frozenset[int] | None
) -> Predictions:
    """Read COCO's list of results: a detection each, images by number.

    Results of other categories than heads are left out. A list without any is a method that found
    nothing: it has boxes, none in any image.
    """
    wanted = _categories_of_heads(document, rows, categories)
    grouped: dict[int | str, list[list[float]]] = {}
    for index, row in enumerate(document):
        image = row.get("image_id") if isinstance(row, dict) else None
        if isinstance(image, float) and image.is_integer():
            image = int(image)
        if not isinstance(image, int | str) or isinstance(image, bool):
            none = image is None
            what = "no `image_id`" if none else "its `image_id` is neither a number nor a name"
            rows.note(f"/{index}", quoted(row), what)
            continue
        if wanted is not None and row.get("category_id") not in (None, *wanted):
            continue
        box = row.get("bbox")
        values = [*box, row.get("score")] if isinstance(box, list) else None
        if values is None or len(values) != 5 or not all(map(is_number, values)):
            detail = "not a `bbox` of 4 numbers and a `score`"
            rows.note(f"/{index}", quoted(row), detail)
            continue
        grouped.setdefault(image, []).append([*map(float, values), float(index)])
        document[index] = None
    for image, entries in grouped.items():
        rows.put_heads(image, entries, 4, "/")
    return rows.finish("coco", digest, lists_empty=False)


HEAD_CATEGORY = 1
"""Number of the category `head` in COCO files of gtahead's."""


def _categories_of_heads(
    document: list[Any], rows: Rows, known: frozenset[int] | None
) -> frozenset[int] | None:
    """Return the numbers of results that are heads; None where results have none.

    Raises:
        InputError: there are several, and nothing says which one; or none is heads'.
    """
    found: Counter[object] = Counter(
        quoted(row.get("category_id"))
        if isinstance(row.get("category_id"), list | dict)
        else row["category_id"]
        for row in document
        if isinstance(row, dict) and row.get("category_id") is not None
    )
    where = rows.where("/*/category_id")
    listed = ", ".join(f"{one} ({count:,})" for one, count in sorted(found.items(), key=str))
    if known is None:
        if len(found) > 1:
            raise InputError(
                "there are results of several categories",
                where=where,
                value=listed,
                remedy="say which one is heads: --class NUMBER",
            )
        if found and set(found) != {HEAD_CATEGORY}:
            rows.findings.add("class-taken-as-head", where, next(iter(found)))
        return None
    others = {one: count for one, count in found.items() if one not in known}
    if others and len(others) == len(found):
        raise InputError(
            "no result is of the category of heads",
            where=where,
            value=f"{listed}, not {', '.join(map(str, sorted(known)))}",
            remedy="write the ground truth's number, or say which one is heads: --class NUMBER",
        )
    if others:
        rows.findings.add("other-class", where, detail=f"{sum(others.values()):,} results")
    return known
