"""Columns to Arrow and back, compared with pyarrow's own conversions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.tables.arrow import equals, from_numpy, from_text, from_values, to_numpy

KINDS = [pa.int8(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.bool_()]


@given(st.lists(st.one_of(st.none(), st.integers(-100, 100))), st.integers(0, 5))
def test_numbers_come_back_from_any_slice(values: list[int | None], first: int) -> None:
    for kind in KINDS:
        plain = [None if v is None else bool(v % 2) if kind == pa.bool_() else v for v in values]
        column = from_values(plain, kind)
        wanted = pa.array(plain, kind)
        column.validate(full=True)
        assert column.equals(wanted)
        for one in (column, pa.chunked_array([column[:first], column[first:]], kind)):
            part = one.slice(first)
            expected = wanted.slice(first).to_numpy(zero_copy_only=False)
            found = to_numpy(part)
            assert np.array_equal(found, expected, equal_nan=found.dtype.kind == "f")
            if kind != pa.bool_():
                assert to_numpy(part, -1).tolist() == [
                    -1 if v is None else v for v in plain[first:]
                ]


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))))
def test_text_comes_back(texts: list[str | None]) -> None:
    column = from_text(texts)
    column.validate(full=True)
    assert column.equals(pa.array(texts, pa.string()))
    assert to_numpy(column).tolist() == texts
    for text in ("", "a", *texts[:1]):
        if text is not None:
            assert equals(column, text).tolist() == [one == text for one in texts]


@given(st.lists(st.one_of(st.none(), st.lists(st.floats(allow_nan=False), max_size=3))))
def test_lists_come_back(values: list[list[float] | None]) -> None:
    column = from_values(values, pa.list_(pa.float64()))
    column.validate(full=True)
    assert column.equals(pa.array(values, pa.list_(pa.float64())))


def test_holes_are_said_apart_from_nan() -> None:
    values = np.array([1.5, np.nan, 3])
    assert from_numpy(values).null_count == 0
    column = from_numpy(values, unknown=np.array([False, False, True]))
    assert column.to_pylist()[2] is None
    assert np.isnan(to_numpy(column)).tolist() == [False, True, True]
    to_numpy(column)[0] = 7  # an array of its own
    assert column[0].as_py() == 1.5


@pytest.mark.parametrize(("values", "kind"), [([300], pa.int8()), ([1.5], pa.int32())])
def test_what_does_not_fit_is_refused(values: list[Any], kind: pa.DataType) -> None:
    with pytest.raises(pa.ArrowInvalid):
        from_values(values, kind)


@pytest.mark.parametrize(
    "values", [np.array([1, 2], ">i8"), np.ones((2, 3)), np.array(["a"]), np.array([None])]
)
def test_what_is_no_column_of_numbers_is_refused(values: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ValueError, match="no column: "):
        from_numpy(values)


@pytest.mark.parametrize("key", [5, None, b"a", "\ud800", "a\nb"])
def test_what_no_text_is_equals_none(key: object) -> None:
    assert equals(from_text(["a", "b", None]), key).tolist() == [key == "a", False, key is None]
