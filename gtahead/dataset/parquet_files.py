"""Parquet files that others may have made: opened once it is clear that they can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow import parquet

from gtahead import storage
from gtahead.dataset.parquet_footers import read_footer

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
        values: Counter[int] = Counter()
        for group in read_footer(path):
            values.update({place: chunk.values for place, chunk in enumerate(group.chunks)})
        most = max([source.metadata.num_rows, *values.values()])
        if most > max(FEW, MOST_A_BYTE * size):
            msg = f"it claims {most:,} values in {size:,} bytes"
            raise ValueError(msg)
        yield source
