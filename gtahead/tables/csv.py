"""CSV and Parquet files as plain NumPy columns, with every fault by line.

Together with `canonical`, the only module that knows Arrow's types. Floats are float64 with NaN for
unknown, ids int64, flags int8 with -1 for unknown.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Columns, Ints
from gtahead.errors import InputError, Where

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
    """The columns as they were read, and what was left out of them.

    Attributes:
        columns: by name, all of one length.
        rows_in_file: how many data rows the file has, broken ones included.
        lines: (N,) line number of each row in the file, from 1; rows of Parquet count from 1.
        ragged: rows with another number of fields: `text` is "5 fields instead of 4".
        bad_cells: cells of needed columns that are no numbers; their rows are left out.
        odd_cells: cells of other columns that are no numbers; they are read as unknown.
        unknown: names of columns that nobody asked for.
        lost: by line, the first id of rows that were left out; None where it can't be read either.
    """

    columns: Columns
    rows_in_file: int
    lines: Ints
    ragged: list[Fault] = field(default_factory=list)
    bad_cells: list[Fault] = field(default_factory=list)
    odd_cells: list[Fault] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    lost: dict[int, int | None] = field(default_factory=dict)


MAX_HEADER = 65_536


def read_header(path: Path, file: str) -> list[str]:
    """Read the column names of a CSV file: a byte order mark and blanks around names don't count.

    A comma at the end of every row, or of the header alone, makes no column: the names are as many
    as the first row has fields.

    Raises:
        InputError: empty, not UTF-8, longer than `MAX_HEADER`, or with a name twice.
    """
    with path.open("rb") as source:
        first = source.readline(MAX_HEADER).removeprefix(b"\xef\xbb\xbf")
        rows = [source.readline(MAX_HEADER).rstrip() for _ in range(3)]
    where = Where(file, field="line 1")
    if len(first) == MAX_HEADER:
        raise InputError("the header line is too long", where=where, remedy="is this a CSV file?")
    try:
        names = [name.strip() for name in next(csv.reader([first.decode("utf-8").strip()]), [])]
    except (UnicodeDecodeError, csv.Error) as error:
        remedy = "save as UTF-8, lines ending in LF"
        raise InputError("the header isn't readable", where=where, remedy=remedy) from error
    if not any(names):
        raise InputError("the file has no header line", where=where, remedy="write it again")
    _refuse_twice(names, where)
    return _without_last_comma(names, [row for row in rows if row])


def _without_last_comma(names: list[str], rows: list[bytes]) -> list[str]:
    """Add or drop an empty last name, so that the names fit the rows."""
    if not rows:
        return names
    row = rows[0] if len(rows) < 3 or rows[0].count(b",") == rows[1].count(b",") else rows[2]
    fields = row.count(b",") + 1
    if row.endswith(b",") and fields == len(names) + 1:
        return [*names, ""]
    if names[-1] == "" and fields == len(names) - 1:
        return names[:-1]
    return names


def _refuse_twice(names: Sequence[str], where: Where) -> None:
    twice = {name for name in names if name and names.count(name) > 1}
    if twice:
        raise InputError(
            "a column name occurs twice", where=where, value=min(twice), remedy="name it once"
        )


def _is_header_alone(path: Path) -> bool:
    with path.open("rb") as source:
        source.readline(MAX_HEADER)
        return not source.read(MAX_HEADER).strip() and not source.read(1)


def read_csv(
    path: Path, kinds: Mapping[str, Kind], file: str, *, needed: Collection[str] = ()
) -> TableRead:
    """Read the columns of a CSV file that `kinds` knows.

    The fast way types all columns at once. Only where a cell is no number are the columns read
    again as text, to find the location.

    Args:
        path: the file.
        kinds: column names that are read, with what they hold; others are listed as unknown.
        file: the path as messages name it.
        needed: columns without which a row means nothing; ids always are.

    Raises:
        InputError: no header, not UTF-8.
    """
    import pyarrow as pa

    from gtahead.tables.arrow import to_numpy

    names = read_header(path, file)
    wanted = [name for name in names if name in kinds]
    ids = [name for name in wanted if kinds[name] is Kind.ID]
    types = {name: _arrow_type(kinds[name]) for name in wanted}
    if not wanted:  # to Arrow no columns would mean all
        return TableRead({}, 0, np.empty(0, np.int64), unknown=_unknown(names, kinds))
    if _is_header_alone(path):
        empty = {name: np.empty(0, _to_numpy_type(kinds[name])) for name in wanted}
        return TableRead(empty, 0, np.empty(0, np.int64), unknown=_unknown(names, kinds))
    stray = _has_stray_quote(path)
    try:
        table = _read_csv_as(path, names, types, quoted=not stray)
        if not any(table.column(name).null_count for name in ids):
            columns = {n: to_numpy(table.column(n), _UNKNOWN[kinds[n]]) for n in wanted}
            lines = _line_numbers(table.num_rows, [])
            return TableRead(columns, len(lines), lines, unknown=_unknown(names, kinds))
    except pa.ArrowInvalid:
        pass  # some cell is no number, or some row has another length: found below
    _refuse_other_text(path, file)
    ragged: list[Fault] = []
    try:
        texts = _read_csv_as(
            path, names, dict.fromkeys(wanted, pa.string()), [""], ragged, quoted=not stray
        )
    except pa.ArrowInvalid as failure:
        raise InputError(
            "not readable as CSV", where=Where(file), value=str(failure), remedy="write it again"
        ) from failure
    return _parsed(texts, ragged, kinds, {*ids, *needed}, _unknown(names, kinds))


def _refuse_other_text(path: Path, file: str) -> None:
    """Refuse text that isn't UTF-8, and name the line, which Arrow wouldn't."""
    data = path.read_bytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            "not UTF-8 text", where=Where(file, field=f"line {line}"), remedy="save as UTF-8"
        ) from error


def _read_csv_as(
    path: Path,
    names: list[str],
    types: Mapping[str, Any],
    missing: list[str] = MISSING_WORDS,
    ragged: list[Fault] | None = None,
    *,
    quoted: bool,
) -> Any:  # noqa: ANN401 - an Arrow table
    """Read columns as the given types; rows of another length go to `ragged`, else they raise."""
    from pyarrow import csv as arrow_csv

    def on_ragged(row: Any) -> str:  # noqa: ANN401 - Arrow's InvalidRow has no types
        text = f"{row.actual_columns} fields instead of {row.expected_columns}"
        assert ragged is not None
        ragged.append(Fault(row.number, None, text))
        return "skip"

    with path.open("rb") as source:  # Arrow itself can't open paths that aren't UTF-8
        return arrow_csv.read_csv(
            source,
            read_options=arrow_csv.ReadOptions(
                use_threads=False, column_names=names, skip_rows=1, block_size=1 << 22
            ),
            parse_options=arrow_csv.ParseOptions(
                quote_char='"' if quoted else False,
                invalid_row_handler=None if ragged is None else on_ragged,
                ignore_empty_lines=False,
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=missing,
                strings_can_be_null=True,
            ),
        )


def _has_stray_quote(path: Path) -> bool:
    """Return whether a line leaves a quote open, which would swallow the lines after it."""
    with path.open("rb") as source:
        while block := source.read(1 << 22):
            if b'"' in block:
                source.seek(0)
                return any(line.count(b'"') % 2 for line in source)
    return False


_UNKNOWN: Mapping[Kind, float] = {Kind.ID: 0, Kind.FLOAT: np.nan, Kind.FLAG: -1}

_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,5})?$"
_INFINITY = r"^[+-]?(inf|infinity)$"
_PATTERNS = {
    Kind.ID: r"^[+-]?\d{1,18}(\.0*)?$",
    Kind.FLOAT: f"{_NUMBER}|(?i){_INFINITY}",
    Kind.FLAG: r"(?i)^([01](\.0*)?|true|false)$",
}
"""What a cell of each kind looks like, blanks around it apart."""


def _parsed(
    texts: Any,  # noqa: ANN401 - an Arrow table
    ragged: list[Fault],
    kinds: Mapping[str, Kind],
    needed: Collection[str],
    unknown: list[str],
) -> TableRead:
    """Turn a table of text into numbers, column by column; note every cell that isn't one."""
    import pyarrow as pa
    from pyarrow import compute

    from gtahead.tables.arrow import from_numpy, from_text, to_numpy

    lines = _line_numbers(texts.num_rows, ragged)
    blank = np.ones(texts.num_rows, np.bool_)
    for name in texts.column_names:
        blank &= to_numpy(texts.column(name).is_null())
    keep = ~blank
    columns: Columns = {}
    bad: list[Fault] = []
    odd: list[Fault] = []
    for name in texts.column_names:
        kind = kinds[name]
        words = compute.utf8_trim(texts.column(name), ' \t\r\n"')
        fine = compute.match_substring_regex(words, _PATTERNS[kind])
        empty = compute.is_in(words, from_text(MISSING_WORDS))
        missing = to_numpy(compute.or_kleene(words.is_null(), empty))
        wrong = (to_numpy(fine.cast(pa.int8()), 0) == 0) & ~missing
        if name in needed and kind is Kind.ID:
            wrong |= missing
        rows = np.flatnonzero(wrong & ~blank)
        cells = words.take(from_numpy(rows)).to_pylist()
        for row, text in zip(rows, cells, strict=True):
            fault = Fault(int(lines[row]), name, text or "")
            (bad if name in needed else odd).append(fault)
        if name in needed:
            keep &= ~wrong
        words = compute.if_else(fine, words, pa.nulls(len(words), pa.string()))
        if kind is not Kind.FLOAT:
            words = compute.replace_substring_regex(words, r"\.0*$", "")
            words = compute.replace_substring_regex(words, r"^\+", "")
        if kind is Kind.FLAG:
            words = compute.replace_substring_regex(words, r"(?i)^true$", "1")
            words = compute.replace_substring_regex(words, r"(?i)^false$", "0")
        values = words.cast(_arrow_type(kind))
        columns[name] = to_numpy(values, _UNKNOWN[kind])
    lost: dict[int, int | None] = dict.fromkeys(fault.line for fault in ragged)
    first = next((name for name in texts.column_names if kinds[name] is Kind.ID), None)
    unreadable = {fault.line for fault in bad if fault.column == first}
    for row in np.flatnonzero(~keep & ~blank):
        line = int(lines[row])
        known = first is not None and line not in unreadable
        lost[line] = int(columns[first][row]) if first is not None and known else None
    columns = {name: values[keep] for name, values in columns.items()}
    bad.sort(key=lambda fault: fault.line)
    rows_in_file = int(keep.sum()) + len({fault.line for fault in bad}) + len(ragged)
    return TableRead(columns, rows_in_file, lines[keep], ragged, bad, odd, unknown, lost)


def read_parquet(
    path: Path, kinds: Mapping[str, Kind], file: str, *, needed: Collection[str] = ()
) -> TableRead:
    """Read the columns of a Parquet file that `kinds` knows; as `read_csv`.

    Its columns are typed already, so nothing but a missing id makes a row useless.

    Raises:
        InputError: not a Parquet file, truncated, or a column of a type that isn't a number.
    """
    from gtahead.tables.arrow import to_numpy
    from gtahead.tables.parquet import naming_damage, opened

    del needed
    with naming_damage(
        file, "write it again", "not readable as Parquet with numbers in its columns"
    ):
        with opened(path) as source:
            names = source.schema_arrow.names
            _refuse_twice(names, Where(file))
            wanted = [name for name in names if name in kinds]
            table = source.read(columns=wanted, use_threads=False)
        columns = {}
        bad: list[Fault] = []
        keep = np.ones(table.num_rows, np.bool_)
        for name in wanted:
            kind = kinds[name]
            values = table.column(name).cast(_arrow_type(kind))
            if kind is Kind.ID and values.null_count:
                empty = np.flatnonzero(to_numpy(values.is_null()))
                bad += [Fault(int(row) + 1, name, "") for row in empty]
                keep[empty] = False
            columns[name] = to_numpy(values, _UNKNOWN[kind])
    lines = np.arange(1, len(keep) + 1, dtype=np.int64)
    if bad:
        columns = {name: values[keep] for name, values in columns.items()}
    return TableRead(columns, len(keep), lines[keep], bad_cells=bad, unknown=_unknown(names, kinds))


def write_csv(
    to: Path | BinaryIO, columns: Mapping[str, npt.NDArray[Any]], *, header: bool = True
) -> None:
    """Write columns as CSV: floats in their shortest exact form, NaN and flags of -1 as nothing."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    from gtahead.tables.arrow import from_numpy

    def to_arrow(values: npt.NDArray[Any]) -> Any:  # noqa: ANN401 - an Arrow array
        if values.dtype == np.int8:
            return from_numpy(values, unknown=values < 0)
        return from_numpy(values, unknown=np.isnan(values) if values.dtype.kind == "f" else None)

    table = pa.table({name: to_arrow(values) for name, values in columns.items()})
    # The names are written here: older versions of pyarrow always put them into quotes.
    options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    with ExitStack() as stack:
        out = stack.enter_context(to.open("wb")) if isinstance(to, Path) else to
        if header:
            out.write((",".join(columns) + "\n").encode())
        arrow_csv.write_csv(table, out, options)


def cell_texts(path: Path, column: str, lines: Iterable[int], file: str) -> dict[int, str]:
    """Look up the exact text of one column in some lines of a CSV file."""
    wanted = set(lines)
    position = read_header(path, file).index(column)
    found: dict[int, str] = {}
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as source:
        for number, line in enumerate(source, start=1):
            if number in wanted:
                fields = line.rstrip("\r\n").split(",")
                found[number] = fields[position].strip(' "') if position < len(fields) else ""
                if len(found) == len(wanted):
                    break
    return found


def _unknown(names: Iterable[str], kinds: Mapping[str, Kind]) -> list[str]:
    return [name for name in names if name and name not in kinds]


def _to_numpy_type(kind: Kind) -> Any:  # noqa: ANN401 - NumPy's scalar types
    return {Kind.ID: np.int64, Kind.FLOAT: np.float64, Kind.FLAG: np.int8}[kind]


def _arrow_type(kind: Kind) -> Any:  # noqa: ANN401 - an Arrow type
    import pyarrow as pa

    return {Kind.ID: pa.int64(), Kind.FLOAT: pa.float64(), Kind.FLAG: pa.int8()}[kind]


def _line_numbers(rows: int, ragged: Sequence[Fault]) -> Ints:
    """Return the line of each row that was read, skipping the ragged ones."""
    lines = np.arange(2, 2 + rows + len(ragged), dtype=np.int64)
    skipped = np.array([fault.line for fault in ragged], np.int64)
    return np.setdiff1d(lines, skipped, assume_unique=True)[:rows]
