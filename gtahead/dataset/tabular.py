"""CSV and Parquet files as plain NumPy columns, with every fault by line.

Together with `tables`, the only place that knows Arrow's types. Floats are float64 with NaN for
unknown, ids int64, flags int8 with -1 for unknown.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.errors import InputError, Where

Columns = dict[str, npt.NDArray[Any]]

MISSING_WORDS = (
    ["", "null", "NULL", "None", "NA", "N/A", "#N/A"]
    + ["nan", "NaN", "NAN", "-nan", "-NaN", "+nan", "nan(ind)", "-nan(ind)", "-nan(snan)"]
    + ["1.#QNAN", "-1.#QNAN", "1.#IND", "-1.#IND", "1.#SNAN", "-1.#SNAN"]
)
"""Spellings of an unknown number, those of Windows' C runtime included."""


class Kind(Enum):
    """What a column holds."""

    ID = "id"  # int64, every cell needed
    FLOAT = "float"  # float64, NaN where unknown
    FLAG = "flag"  # int8: 0, 1, -1 where unknown


@dataclass(frozen=True)
class Fault:
    """One cell or row that couldn't be read."""

    line: int
    column: str | None
    text: str


@dataclass
class TableRead:
    """Columns as they came, and what was left out of them.

    Attributes:
        columns: by name, all of one length.
        rows_in_file: how many data rows the file has, broken ones included.
        lines: (N,) line number of each row in the file, from 1; rows of Parquet count from 1.
        ragged: rows with another number of fields: `text` is "5 fields instead of 4".
        bad_cells: cells that are no numbers; their rows are left out.
        unknown: names of columns that nobody asked for.
    """

    columns: Columns
    rows_in_file: int
    lines: npt.NDArray[np.int64]
    ragged: list[Fault] = field(default_factory=list)
    bad_cells: list[Fault] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def read_header(path: Path, file: str) -> list[str]:
    """Read the column names of a CSV file: a byte order mark and blanks around names don't count.

    Raises:
        InputError: empty, not UTF-8, or with a name twice.
    """
    with path.open("rb") as source:
        first = source.readline(65536).removeprefix(b"\xef\xbb\xbf")
    where = Where(file, field="line 1")
    try:
        names = [name.strip() for name in next(csv.reader([first.decode("utf-8").strip()]), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            "the header isn't UTF-8 text", where=where, remedy="save as UTF-8"
        ) from error
    if not any(names):
        raise InputError("the file has no header line", where=where, remedy="write it again")
    if names[-1] == "":
        names.pop()
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InputError(
            "a column name stands twice", where=where, value=min(twice), remedy="name it once"
        )
    return names


def read_csv(path: Path, kinds: Mapping[str, Kind], file: str) -> TableRead:
    """Read the columns of a CSV file that `kinds` knows.

    The fast way types all columns at once. Only where a cell is no number are the columns read
    again as text, to find the place.

    Args:
        path: the file.
        kinds: column names that are read, with what they hold; others are listed as unknown.
        file: the path as messages name it.

    Raises:
        InputError: no header, not UTF-8.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = read_header(path, file)
    wanted = [name for name in names if name in kinds]
    ragged: list[Fault] = []
    skipped_lines: list[int] = []

    def on_ragged(row: Any) -> str:  # noqa: ANN401 - Arrow's InvalidRow has no types
        skipped_lines.append(row.number)
        text = f"{row.actual_columns} fields instead of {row.expected_columns}"
        ragged.append(Fault(row.number, None, text))
        return "skip"

    def read(types: dict[str, Any]) -> Any:  # noqa: ANN401 - an Arrow table
        ragged.clear()
        skipped_lines.clear()
        return arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=names, skip_rows=1, block_size=1 << 22
            ),
            parse_options=arrow_csv.ParseOptions(
                invalid_row_handler=on_ragged, ignore_empty_lines=False
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=wanted,
                null_values=MISSING_WORDS,
                strings_can_be_null=False,
            ),
        )

    arrow_types = {Kind.ID: pa.int64(), Kind.FLOAT: pa.float64(), Kind.FLAG: pa.int8()}
    bad: list[Fault] = []
    try:
        table = read({name: arrow_types[kinds[name]] for name in wanted})
        columns = {name: _to_numpy(table.column(name), kinds[name]) for name in wanted}
        lines = _line_numbers(table.num_rows, skipped_lines)
        ids = [name for name in wanted if kinds[name] is Kind.ID]
        if any(table.column(name).null_count for name in ids):
            raise pa.ArrowInvalid("an id is missing")
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error) or "Could not skip" in str(error):  # a header alone
            empty = {name: _empty(kinds[name]) for name in wanted}
            return TableRead(empty, 0, np.empty(0, np.int64), unknown=_unknown(names, kinds))
        try:
            table = read({name: pa.string() for name in wanted})
        except pa.ArrowInvalid as failure:
            raise InputError(
                "not readable as CSV", where=Where(file), value=str(failure), remedy="save as UTF-8"
            ) from failure
        lines = _line_numbers(table.num_rows, skipped_lines)
        words = {name: table.column(name).to_pylist() for name in wanted}
        blank = np.array(
            [not any(cell.strip() for cell in row) for row in zip(*words.values(), strict=True)]
        )
        keep, columns = ~blank, {}
        for name, texts in words.items():
            columns[name], wrong = _parse_texts(texts, kinds[name])
            wrong = [row for row in wrong if not blank[row]]
            keep[wrong] = False
            bad += [Fault(int(lines[row]), name, texts[row]) for row in wrong]
        columns = {name: values[keep] for name, values in columns.items()}
        lines = lines[keep]
        bad.sort(key=lambda fault: fault.line)
    rows = len(lines) + len({fault.line for fault in bad}) + len(ragged)
    return TableRead(columns, rows, lines, list(ragged), bad, _unknown(names, kinds))


def read_parquet(path: Path, kinds: Mapping[str, Kind], file: str) -> TableRead:
    """Read the columns of a Parquet file that `kinds` knows; as `read_csv`.

    Raises:
        InputError: not a Parquet file, truncated, or a column of a type that isn't a number.
    """
    import pyarrow as pa
    from pyarrow import parquet

    arrow_types = {Kind.ID: pa.int64(), Kind.FLOAT: pa.float64(), Kind.FLAG: pa.int8()}
    try:
        with parquet.ParquetFile(path) as source:
            names = source.schema_arrow.names
            wanted = [name for name in names if name in kinds]
            table = source.read(columns=wanted, use_threads=False)
        columns = {}
        bad: list[Fault] = []
        keep = np.ones(table.num_rows, np.bool_)
        for name in wanted:
            kind = kinds[name]
            values = table.column(name).cast(arrow_types[kind])
            if kind is Kind.ID and values.null_count:
                empty = np.flatnonzero(values.is_null().to_numpy())
                bad += [Fault(int(row) + 1, name, "") for row in empty]
                keep[empty] = False
                values = values.fill_null(0)
            columns[name] = _to_numpy(values, kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(
            "not readable as Parquet with numbers in its columns",
            where=Where(file),
            value=str(error).splitlines()[0],
            remedy="write it again",
        ) from error
    lines = np.arange(1, len(keep) + 1, dtype=np.int64)
    if bad:
        columns = {name: values[keep] for name, values in columns.items()}
    return TableRead(columns, len(keep), lines[keep], bad_cells=bad, unknown=_unknown(names, kinds))


def write_csv(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write columns as CSV: floats in their shortest exact form, NaN and flags of -1 as nothing."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    def to_arrow(values: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - an Arrow array
        if values.dtype == np.int8:
            return pa.array(values, mask=values < 0)
        return pa.array(values, from_pandas=True)

    table = pa.table({name: to_arrow(values) for name, values in columns.items()})
    options = arrow_csv.WriteOptions(quoting_style="none", quoting_header="none")
    arrow_csv.write_csv(table, path, options)


def cell_texts(path: Path, column: str, lines: Iterable[int], file: str) -> dict[int, str]:
    """Look up what stands, word for word, in one column of some lines of a CSV file."""
    wanted = set(lines)
    place = read_header(path, file).index(column)
    found: dict[int, str] = {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as source:
        for number, line in enumerate(source, start=1):
            if number in wanted:
                fields = next(csv.reader([line.rstrip("\r\n")]), [])
                found[number] = fields[place].strip() if place < len(fields) else ""
                if len(found) == len(wanted):
                    break
    return found


def _unknown(names: Iterable[str], kinds: Mapping[str, Kind]) -> list[str]:
    return [name for name in names if name not in kinds]


def _empty(kind: Kind) -> npt.NDArray[Any]:
    return np.empty(0, {Kind.ID: np.int64, Kind.FLOAT: np.float64, Kind.FLAG: np.int8}[kind])


def _to_numpy(column: Any, kind: Kind) -> npt.NDArray[Any]:  # noqa: ANN401 - an Arrow column
    if kind is Kind.FLAG and column.null_count:
        column = column.fill_null(-1)
    values: npt.NDArray[Any] = column.to_numpy()
    return values


def _line_numbers(rows: int, skipped: list[int]) -> npt.NDArray[np.int64]:
    """Give each row that was read its line: rows follow the header, skipped lines lie between."""
    lines = np.arange(2, 2 + rows + len(skipped), dtype=np.int64)
    return np.setdiff1d(lines, np.asarray(skipped, np.int64), assume_unique=True)[:rows]


def _parse_texts(texts: list[str], kind: Kind) -> tuple[npt.NDArray[Any], list[int]]:
    """Turn cells into numbers one by one; give the rows that aren't."""
    missing = set(MISSING_WORDS)
    values = np.full(len(texts), np.nan)
    wrong = []
    for row, text in enumerate(texts):
        word = text.strip()
        if word in missing:
            if kind is Kind.ID:
                wrong.append(row)
            continue
        try:
            values[row] = float(word)
        except ValueError:
            wrong.append(row)
            continue
        if kind is not Kind.FLOAT and not values[row].is_integer():
            wrong.append(row)
    if kind is Kind.FLOAT:
        return values, wrong
    whole = np.where(np.isfinite(values), values, 0 if kind is Kind.ID else -1)
    return whole.astype(np.int64 if kind is Kind.ID else np.int8), wrong
