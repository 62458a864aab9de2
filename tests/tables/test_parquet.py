"""Footers of Parquet files, compared with pyarrow's view of sound ones, and damaged in every byte."""

from __future__ import annotations

import os
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from gtahead.tables.parquet import Chunk, Group, opened, read_footer

TABLE = pa.table(
    {
        "a": pa.array([1.5, None, 3.0, 4.0]),
        "b": pa.array([[1, 2], [], None, [3, None, 5]], pa.list_(pa.int32())),
        "c": pa.array(
            [{"x": "ä", "y": True}, {"x": None, "y": False}, None, {"x": "z", "y": True}]
        ),
        "d": pa.array(["one", "two", "one", None]).dictionary_encode(),
    }
)


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("version", ["1.0", "2.6"])
def test_it_says_what_pyarrow_says(tmp_path: Path, version: str, *, statistics: bool) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(TABLE, path, row_group_size=3, version=version, write_statistics=statistics)
    with parquet.ParquetFile(path) as source:
        meta = source.metadata
        groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
        theirs = [
            [group.column(position) for position in range(meta.num_columns)] for group in groups
        ]
        wanted = [
            Group(
                group.num_rows,
                tuple(
                    Chunk(
                        one.path_in_schema,
                        one.num_values,
                        one.statistics.null_count if one.statistics else None,
                    )
                    for one in chunks
                ),
            )
            for group, chunks in zip(groups, theirs, strict=True)
        ]
    found = read_footer(path)
    if not statistics:
        assert {chunk.nulls for group in found for chunk in group.chunks} == {None}
    assert found == wanted


def test_every_tables_footer_of_a_dataset(tiny_dataset: Path) -> None:
    for path in tiny_dataset.rglob("*.parquet"):
        with parquet.ParquetFile(path) as source:
            assert sum(group.rows for group in read_footer(path)) == source.metadata.num_rows


def test_no_damaged_byte_ends_the_process(tmp_path: Path) -> None:
    """pyarrow's `metadata.row_group(i).column(j)` would: it aborts on several of these files."""
    path = tmp_path / "t.parquet"
    parquet.write_table(TABLE, path)
    whole = path.read_bytes()
    length = int.from_bytes(whole[-8:-4], "little")
    read = 0
    for position in range(len(whole) - 8 - length, len(whole)):
        flips = (1, 6, 240)
        for flip in flips if "GTAHEAD_THOROUGH" in os.environ else [flips[position % 3]]:
            damaged = bytearray(whole)
            damaged[position] ^= flip
            path.write_bytes(damaged)
            with suppress(OSError, ValueError, pa.ArrowException), opened(path) as source:
                source.read()
                read += 1
    assert 0 < read < 3 * length


@pytest.mark.parametrize(
    ("footer", "why"),
    [
        (b"", "damaged"),
        (b"\x00", "damaged"),
        (b"\x49\xfc" + b"\xff" * 12, "without an end"),
        (b"\x49\xfc\xff\xff\x7f", "ends too early"),
        (b"\x1c" * 100, "nested too deep"),
        (b"\x19\x19" + b"\x19" * 5000, "nested too deep"),
        (b"\x1b\x00", "type 11"),
        (b"\x46\x02\x00", "of another type"),
        (b"\x49\x1c\x19\x0c\x26\x01\x00\x00", "-1 as a count"),
    ],
)
def test_what_is_no_footer_says_so(tmp_path: Path, footer: bytes, why: str) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match=why):
        read_footer(path)


def test_what_is_not_asked_for_takes_no_memory(tmp_path: Path) -> None:
    """A field that nobody knows, of 100,000 empty structs, before the row groups."""
    unknown = b"\x39\xfc\xa0\x8d\x06" + bytes(100_000)
    path = tmp_path / "t.parquet"
    footer = unknown + b"\x19\x0c\x00"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    tracemalloc.start()
    try:
        assert read_footer(path) == []
        assert tracemalloc.get_traced_memory()[1] < 400_000
    finally:
        tracemalloc.stop()


def test_a_footer_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with path.open("wb") as file:
        file.truncate(2**30)  # a hole, which takes no room
        file.seek(0, 2)
        file.write((2**29).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match="it claims 536,870,912 bytes"):
        read_footer(path)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1", b"x" * 100])
def test_what_is_no_parquet_says_so(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not Parquet"):
        read_footer(path)
