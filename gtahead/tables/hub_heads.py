"""The heads in a hub table: lists of any kind that Arrow has, made into columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.tables.arrow import to_numpy
from gtahead.tables.canonical import NO_ID
from gtahead.values import CLASS_FIELDS, IGNORE_FIELDS, flags_of


def _is_list(kind: Any) -> bool:  # noqa: ANN401 - an Arrow type
    kinds = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_one(kind) for is_one in kinds)


def _flat(lists: Any) -> tuple[Any, Any]:  # noqa: ANN401 - Arrow
    """Return the items of a column of lists, and (F + 1,) where each list begins."""
    lengths = to_numpy(pc.list_value_length(lists), 0)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    return pc.list_flatten(lists).combine_chunks(), bounds


def heads_in_column(column: Any, file: str, name: str) -> tuple[Columns, Any]:  # noqa: ANN401 - Arrow
    """Split a struct of lists, or a list of structs, into columns and their bounds.

    Args:
        column: of F rows.
        file: its name in messages.
        name: of the column.

    Returns:
        Columns of (N,), `bbox` (N, 4) and `point` (N, 2) where they are there; and (F + 1,) bounds.

    Raises:
        InputError: lists of another kind, or of different lengths.
    """
    bounds = np.zeros(len(column) + 1, np.int64)
    children: list[tuple[str, Any, Any]] = []
    if _is_list(column.type) and pa.types.is_struct(column.type.value_type):
        structs, bounds = _flat(column)
        for position, child in enumerate(structs.type):
            children.append((child.name, structs.field(position), bounds))
    elif pa.types.is_struct(column.type):
        for position, child in enumerate(column.type):
            if _is_list(child.type):
                chunks = [chunk.field(position) for chunk in column.chunks]
                children.append((child.name, *_flat(pa.chunked_array(chunks, child.type))))
    else:
        raise _no_numbers(
            "neither a struct of lists nor a list of structs", column.type, Where(file, field=name)
        )
    out: Columns = {}
    for child, items, mine in children:
        where = Where(file, field=f"{name}.{child}")
        bounds = bounds if out else mine
        if (mine != bounds).any():
            raise InputError(
                "lists of one row differ in length",
                where=where,
                remedy="each head needs one value in each list",
            )
        out[child] = _values(items, child, where)
    return out, bounds


_WIDTHS = {"bbox": 4, "point": 2}
_NUMBERS = {"track_id": np.int64, "occluded": np.int8, "visibility": np.float64}


def _values(items: Any, name: str, where: Where) -> Any:  # noqa: ANN401 - Arrow
    """Return the values of a column, one for each head.

    Raises:
        InputError: not numbers, not as many as a box or point has, or an id that isn't whole.
    """
    kind, width = items.type, _WIDTHS.get(name, 1)
    if width > 1:
        if not _is_list(kind) or not _is_number(kind.value_type):
            raise _no_numbers(f"not lists of {width} numbers", kind, where)
        lengths = np.unique(to_numpy(pc.list_value_length(items), 0))
        if len(lengths) and list(lengths) != [width]:
            raise _no_numbers(f"not lists of {width} numbers", kind, where)
        return to_numpy(items.flatten()).astype(np.float64).reshape(-1, width)
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if name in IGNORE_FIELDS:
        if (flags := flags_of(items.to_pylist())) is None:
            raise _no_numbers("not 0 or 1 for each head", kind, where)
        return np.array(flags, np.int8)
    if name in CLASS_FIELDS or (is_text and name not in _NUMBERS):
        return np.array(items.to_pylist(), object)
    if pa.types.is_boolean(kind):
        return to_numpy(items.cast(pa.int8()), -1)
    if name not in _NUMBERS:
        return to_numpy(items)
    try:
        values = to_numpy(items, {"visibility": None, "track_id": NO_ID}.get(name, -1))
        fitting = values.astype(_NUMBERS[name])
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_numbers("not a number for each head", kind, where) from error
    if values.ndim != 1 or (name != "visibility" and (fitting != values).any()):
        raise _no_numbers("not a whole number for each head", kind, where)
    return fitting


def _is_number(kind: Any) -> bool:  # noqa: ANN401 - an Arrow type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _no_numbers(what: str, kind: Any, where: Where) -> InputError:  # noqa: ANN401 - an Arrow type
    return InputError(what, where=where, value=str(kind), remedy="export the table again")
