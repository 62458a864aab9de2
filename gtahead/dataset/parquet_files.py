"""Parquet files that others may have made: opened once it is clear that they can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow import parquet

from gtahead import storage

FEW = 1_000_000
"""So many values may stand in a file of any size: what repeats is packed to nearly nothing."""

MOST_A_BYTE = 4
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
        meta = source.metadata
        groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
        columns = range(meta.num_columns)
        values = max((sum(g.column(c).num_values for g in groups) for c in columns), default=0)
        if max(values, meta.num_rows) > max(FEW, MOST_A_BYTE * size):
            msg = f"it claims {max(values, meta.num_rows):,} values in {size:,} bytes"
            raise ValueError(msg)
        yield source
