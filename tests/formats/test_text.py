"""Numbers as text: the compiled way is the plain way, and rounding moves nothing out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.arrays import Ragged
from gtahead.formats.base import Batch, ExportFrame, HeadColumns, Options
from gtahead.formats.coco import annotation_rows
from gtahead.formats.text import RowFormat, fixed, fixed_within

whole = st.integers(-(2**52), 2**52)


@given(st.lists(st.tuples(whole, whole, whole), max_size=20), st.integers(0, 6))
def test_compiled_rows_are_plain_rows(rows: list[tuple[int, int, int]], decimals: int) -> None:
    columns = list(np.array(rows, np.int64).reshape(-1, 3).T)
    form = RowFormat("é%d%%[", 0, ",", decimals, "", 2, "]\n")
    plain, compiled = (form.render(columns, engine=e) for e in ("plain", "compiled"))  # type: ignore[arg-type]
    assert plain[0] == compiled[0]
    assert plain[1].tolist() == compiled[1].tolist()


def test_rows_are_numbers_as_people_write_them() -> None:
    form = RowFormat(2, ",", 0, ";")
    columns = [np.array([-5, 5, 100, -12345]), np.array([0, -1, 10, 999])]
    assert form.render(columns)[0] == b"-0.05,0;0.05,-1;1.00,10;-123.45,999;"


def test_many_rows_cross_the_compiled_loops_pieces() -> None:
    columns = [np.arange(900_000), np.arange(900_000) * 7]
    form = RowFormat(0, " ", 3, "\n")
    plain, compiled = (form.render(columns, engine=e) for e in ("plain", "compiled"))  # type: ignore[arg-type]
    assert plain[0] == compiled[0]
    assert (plain[1] == compiled[1]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_no_number_is_never_written(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        fixed(np.array([1.0, bad]), 2)


@given(st.lists(st.tuples(st.floats(-10, 110), st.integers(1, 100)), min_size=1), st.integers(0, 6))
def test_rounding_moves_nothing_across_the_border(
    drawn: list[tuple[float, int]], decimals: int
) -> None:
    values, limits = np.array([v for v, _ in drawn]), np.array([n for _, n in drawn])
    found = fixed_within(values, limits, decimals) / 10**decimals
    inside = (values >= 0) & (values < limits)
    assert ((found >= 0) & (found < limits))[inside].all()
    assert (np.abs(found - values) <= 1.01 * 10.0**-decimals).all()


@given(st.integers(0, 50), st.integers(0, 2**32 - 1))
def test_compiled_annotations_are_plain_annotations(count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    frames = [
        ExportFrame(row, 1, 1, 1, "", "", "", size, None, ".jpg", {}, "")
        for row, size in enumerate([(64, 48), (1920, 1080), (1, 1)])
    ]
    bounds = np.sort(random.integers(0, count + 1, 4))
    bounds[0], bounds[-1] = 0, count
    points = random.choice([0.0, 0.994, 0.995, 63.999, 1919.9951, -3.005, 1e6 / 3], (count, 2))
    heads = HeadColumns(
        ids=random.integers(1, 10**9, count),
        head_ids=random.integers(-(10**12), 10**12, count),
        points_xy=points,
        boxes_xyxy=random.uniform(-2000, 2000, (count, 4)).round(random.integers(0, 5)),
        sigmas_xy=points,
        visibility=random.choice([np.nan, 0.0, 0.24996, 0.25, 1.0], count),
        occluded=random.integers(-1, 2, count).astype(np.int8),
        ignored=random.integers(0, 2, count).astype(np.bool_),
    )
    batch = Batch("train", frames, heads, Ragged(bounds), Path(), "", (0, 1), Options())
    plain, compiled = (
        b"".join(map(bytes, annotation_rows(batch, e))) for e in ("plain", "compiled")
    )  # type: ignore[arg-type]
    assert plain == compiled
