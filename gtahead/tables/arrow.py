"""Columns from NumPy and text to Arrow and back, by their buffers.

`pyarrow.array`, `pyarrow.scalar` and `to_numpy` do this too, but import pandas wherever it is
installed, to see whether they were given any of it. That takes longer than most commands do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute

from gtahead.arrays import Booleans


def from_numpy(
    values: npt.NDArray[Any],
    kind: Any = None,  # noqa: ANN401 - an Arrow type
    unknown: Booleans | None = None,
) -> Any:  # noqa: ANN401 - an Arrow array
    """Return numbers or flags as an Arrow array.

    Args:
        values: (N,) integers, floats or flags.
        kind: the type to cast them to; by default their own.
        unknown: (N,) which are null; none by default.

    Raises:
        ValueError: no numbers, of several dimensions, or of another byte order than the machine's.
        pyarrow.ArrowInvalid: a value doesn't fit the type.
    """
    if values.ndim != 1 or values.dtype.kind not in "biuf" or not values.dtype.isnative:
        raise ValueError(f"no column: {values.dtype} of the shape {values.shape}")
    flags = values.dtype == np.bool_
    data = np.packbits(values, bitorder="little") if flags else np.ascontiguousarray(values)
    valid = None if unknown is None or not unknown.any() else _bits(~unknown)
    array = pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [valid, pa.py_buffer(data)]
    )
    return array if kind is None or array.type == kind else array.cast(kind)


def from_text(texts: Sequence[str | None]) -> Any:  # noqa: ANN401 - an Arrow array
    """Return text as an Arrow array; None is null.

    Raises:
        ValueError: over 2 GiB, which an Arrow array of text can't hold.
    """
    encoded = [b"" if text is None else text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    if ends[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"{ends[-1]:,} bytes of text are too many for one column")
    known = np.array([text is not None for text in texts], np.bool_)
    return pa.StringArray.from_buffers(
        len(encoded),
        pa.py_buffer(ends.astype(np.int32)),
        pa.py_buffer(b"".join(encoded)),
        None if known.all() else _bits(known),
    )


def from_values(values: Sequence[Any], kind: Any) -> Any:  # noqa: ANN401 - Arrow
    """Return texts, numbers, flags, or lists of them as an Arrow array of a type; None is null."""
    if pa.types.is_string(kind):
        return from_text(values)
    if pa.types.is_list(kind):
        ends = np.cumsum([0, *(len(value or ()) for value in values)])
        known = np.array([value is not None for value in values], np.bool_)
        inner = from_values([item for value in values for item in value or ()], kind.value_type)
        buffers = [_bits(known), pa.py_buffer(ends.astype(np.int32))]
        return pa.Array.from_buffers(kind, len(values), buffers, children=[inner])
    unknown = np.array([value is None for value in values], np.bool_)
    return from_numpy(np.array([0 if v is None else v for v in values]), kind, unknown)


def to_numpy(column: Any, unknown: float | None = None) -> npt.NDArray[Any]:  # noqa: ANN401 - Arrow
    """Return a column as a NumPy array of its own, as pyarrow's `to_numpy` would.

    Args:
        column: an Arrow array, chunked or not.
        unknown: stands for null; by default NaN, which makes floats of integers.
    """
    kind = column.type
    holes = bool(column.null_count)
    flags = pa.types.is_boolean(kind)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or (flags and not holes)):
        return np.array(column.to_pylist(), object)
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    dtype = np.bool_ if flags else kind.to_pandas_dtype()
    values = np.concatenate([np.empty(0, dtype), *(_values(chunk, dtype) for chunk in chunks)])
    if holes:
        valid = np.concatenate([_unpacked(chunk, 0) for chunk in chunks])
        if unknown is None and values.dtype.kind != "f":
            values = values.astype(np.float64)
        values[~valid] = np.nan if unknown is None else unknown
    return values


def equals(column: Any, text: object) -> Booleans:  # noqa: ANN401 - Arrow
    """Return which texts of a column are this one; a key that is no text equals none."""
    if not isinstance(text, str) or not text.isprintable():
        return np.array([one == text for one in column.to_pylist()], np.bool_)
    return to_numpy(compute.is_in(column, value_set=from_text([text])))


def _bits(flags: Booleans) -> Any:  # noqa: ANN401 - an Arrow buffer
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _values(array: Any, dtype: Any) -> npt.NDArray[Any]:  # noqa: ANN401 - an Arrow array
    if dtype is np.bool_:
        return _unpacked(array, 1)
    if not len(array):
        return np.empty(0, dtype)
    end = array.offset + len(array)
    return np.frombuffer(array.buffers()[1], dtype, count=end)[array.offset :]


def _unpacked(array: Any, buffer: int) -> Booleans:  # noqa: ANN401 - an Arrow array
    """Return the bits of one of an array's buffers; all true where it has none."""
    bits = array.buffers()[buffer]
    if bits is None or not len(array):
        return np.ones(len(array), np.bool_)
    end = array.offset + len(array)
    packed = np.frombuffer(bits, np.uint8)
    return np.unpackbits(packed, count=end, bitorder="little")[array.offset :].astype(np.bool_)
