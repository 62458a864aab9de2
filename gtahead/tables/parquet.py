"""Parquet files that others may have made: opened once it is clear that they can be read."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from gtahead import storage
from gtahead.errors import REBUILD, InputError, Where, first_line

FEW = 1_000_000
"""So many values may stand in a file of any size: what repeats is packed to nearly nothing."""

MAX_PER_BYTE = 4
"""Values that a byte of a larger file may hold; of real tables it's one or less."""


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a Parquet file to read.

    Raises:
        OSError: it can't be read, or is no regular file.
        ValueError: it claims more than a file of its size can hold in earnest, and would fill the
            memory.
        pyarrow.ArrowException: no Parquet, or a damaged one.
    """
    size = storage.require_regular(path)
    with parquet.ParquetFile(path) as source:
        values: Counter[int] = Counter()
        for group in read_footer(path):
            values.update({position: chunk.values for position, chunk in enumerate(group.chunks)})
        most = max([source.metadata.num_rows, *values.values()])
        if most > max(FEW, MAX_PER_BYTE * size):
            raise ValueError(f"it claims {most:,} values in {size:,} bytes")
        yield source


@contextmanager
def naming_damage(
    file: str, remedy: str, what: str = "the Parquet file can't be read"
) -> Iterator[None]:
    """Turn whatever reading a damaged file raises into an error that names it.

    Raises:
        InputError: in place of OSError, ValueError and pyarrow's errors.
    """
    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as error:
        raise InputError(what, where=Where(file), value=first_line(error), remedy=remedy) from error


MAGIC = b"PAR1"
MAX_DEPTH = 32
"""Structs and lists within each other; in a true footer, ten."""

MAX_BYTES = 2**26
"""Bytes of a footer; a true one has a few hundred for each column of a row group."""

FIELDS: Mapping[int, Any] = {4: {1: {3: {3: {}, 5: {}, 12: {3: {}}}}, 3: {}}}
"""What is kept, by the numbers of fields: of row groups the rows, of columns in them the name, the
values and the nulls. Everything else is skipped, however large it claims to be."""


@dataclass(frozen=True)
class Chunk:
    """A column's part in a row group.

    Attributes:
        name: of the column, its path joined by dots.
        values: that it has, nulls included.
        nulls: among them; None where the footer doesn't say.
    """

    name: str
    values: int
    nulls: int | None


@dataclass(frozen=True)
class Group:
    """A row group."""

    rows: int
    chunks: tuple[Chunk, ...]


def read_footer(path: Path) -> list[Group]:
    """Read the row groups of a Parquet file from its footer.

    Raises:
        OSError: it can't be read, or is no regular file.
        ValueError: no Parquet, or a damaged footer.
    """
    size = storage.require_regular(path)
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        end = file.read(8)
        length = struct.unpack("<I", end[:4])[0] if len(end) == 8 and end[4:] == MAGIC else size
        if length > size - 12:
            raise ValueError("not Parquet: its footer is missing or damaged")
        if length > MAX_BYTES:
            raise _damaged(f"it claims {length:,} bytes")
        file.seek(size - 8 - length)
        data = file.read(length)
    try:
        return [_group(fields) for fields in _ThriftReader(data).struct(FIELDS)[4]]
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise _damaged("a field is missing or of another type") from error


def known_values(path: Path, file: str) -> Counter[str]:
    """Count, for each column, the rows that have a value; from the footer.

    Raises:
        InputError: missing or truncated.
    """
    found: Counter[str] = Counter()
    with naming_damage(file, REBUILD, "the table can't be read"):
        for group in read_footer(path):
            for chunk in group.chunks:
                found[chunk.name] += chunk.values - (chunk.nulls or 0)
    return found


def _damaged(why: str) -> ValueError:
    return ValueError(f"a damaged Parquet footer: {why}")


def _group(fields: dict[int, Any]) -> Group:
    return Group(_count(fields[3]), tuple(_chunk(one[3]) for one in fields[1]))


def _chunk(fields: dict[int, Any]) -> Chunk:
    nulls = fields.get(12, {}).get(3)
    name = ".".join(part.decode() for part in fields[3])
    return Chunk(name, _count(fields[5]), None if nulls is None else _count(nulls))


def _count(value: Any) -> int:  # noqa: ANN401 - whatever stands there
    if type(value) is not int or value < 0:
        raise _damaged(f"{value!r} as a count")
    return value


class _ThriftReader:
    """Thrift's compact protocol: structs as dicts by the numbers of their fields."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def struct(self, kept: Mapping[int, Any] | None, depth: int = 0) -> dict[int, Any]:
        """Read a struct up to its end, and return those of its fields that are kept."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._integer()
            inside = None if kept is None else kept.get(number)
            # A flag's value stands instead of its type.
            value = kind == 1 if kind in (1, 2) else self._value(kind, inside, depth)
            if inside is not None:
                fields[number] = value
        return fields

    def _value(self, kind: int, kept: Mapping[int, Any] | None, depth: int) -> Any:  # noqa: ANN401 - whatever stands there
        if depth > MAX_DEPTH:
            raise _damaged("it is nested too deep")
        if 4 <= kind <= 6:
            return self._integer()
        if kind == 8:
            return self._bytes(self._varint(), kept)
        if kind == 12:
            return self.struct(kept, depth + 1)
        if 9 <= kind <= 10:
            return self._list(kept, depth + 1)
        if 1 <= kind <= 3:
            return self._byte()
        if kind == 7:
            return self._bytes(8, kept)
        raise _damaged(f"type {kind}")

    def _list(self, kept: Mapping[int, Any] | None, depth: int) -> list[Any]:
        head = self._byte()
        count, kind = head >> 4, head & 15
        count = self._varint() if count == 15 else count
        self._need(count)  # each takes a byte at least
        if kept is not None:
            return [self._value(kind, kept, depth) for _ in range(count)]
        for _ in range(count):
            self._value(kind, None, depth)
        return []

    def _need(self, count: int) -> None:
        if count > len(self.data) - self.at:
            raise _damaged("it ends too early")

    def _byte(self) -> int:
        value = self.data[self.at]
        self.at += 1
        return value

    def _bytes(self, count: int, kept: Mapping[int, Any] | None) -> bytes:
        self._need(count)
        self.at += count
        return b"" if kept is None else self.data[self.at - count : self.at]

    def _varint(self) -> int:
        value = self._byte()
        if value < 128:  # nearly always
            return value
        value &= 127
        for shift in range(7, 64, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise _damaged("a number without an end")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
