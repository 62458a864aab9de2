"""Small tables of rows with lists in them, as Parquet: read part by part, written whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
from pyarrow import compute, parquet

from gtahead import storage
from gtahead.tables.parquet import naming_damage, opened

_TYPES = {"text": pa.string(), "number": pa.float64(), "rows": pa.list_(pa.list_(pa.float64()))}

ROWS_AT_ONCE = 256

MAX_LIST = 1_000_000
"""Entries of a list in a row: an image's points or boxes."""

REMEDY = "write it again"


def read_header(path: Path, key: str) -> dict[str, Any]:
    """Read what a table's metadata says under a key, a JSON object; empty where there is none.

    Raises:
        InputError: no Parquet.
    """
    with naming_damage(path.name, REMEDY):
        with opened(path) as source:
            data = (source.schema_arrow.metadata or {}).get(key.encode(), b"{}")
        document = orjson.loads(data)
    return document if isinstance(document, dict) else {}


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read a table's rows, without their unknown values.

    Raises:
        InputError: no Parquet, or a damaged one.
    """
    with naming_damage(path.name, REMEDY), opened(path) as source:
        for batch in source.iter_batches(batch_size=ROWS_AT_ONCE):
            for column in batch.columns:
                _refuse_long_lists(column)
            for row in batch.to_pylist():
                yield {name: value for name, value in row.items() if value is not None}


def _refuse_long_lists(column: Any) -> None:  # noqa: ANN401 - Arrow
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        longest = compute.max(compute.list_value_length(column)).as_py() or 0
        if longest > MAX_LIST:
            raise ValueError(f"a list of {longest:,} entries; {MAX_LIST:,} is the limit")


def write_rows(
    target: Path,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    key: str,
    header: Mapping[str, Any],
) -> None:
    """Write rows.

    Args:
        target: the file.
        columns: `text`, `number`, or `rows` of numbers, by name.
        rows: what isn't in one is unknown.
        key: of the metadata.
        header: that stands there.
    """
    schema = pa.schema(
        [pa.field(name, _TYPES[kind]) for name, kind in columns.items()],
        metadata={key.encode(): orjson.dumps(header)},
    )
    with storage.replacing(target) as part:
        parquet.write_table(pa.Table.from_pylist(list(rows), schema), part, compression="zstd")
