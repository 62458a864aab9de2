from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gtahead.arrays import Ragged

COUNTS = st.lists(st.integers(0, 4), max_size=8)


@given(COUNTS)
def test_counts_index_and_rows_say_the_same(counts: list[int]) -> None:
    layout = Ragged.from_counts(counts)
    assert (len(layout), layout.total) == (len(counts), sum(counts))
    assert layout.counts.tolist() == counts
    assert layout.index.tolist() == [group for group, n in enumerate(counts) for _ in range(n)]
    assert (Ragged.from_index(layout.index, len(counts)).offsets == layout.offsets).all()
    rows = np.arange(layout.total)
    for group, count in enumerate(counts):
        assert (layout.index[layout.rows(group)] == group).all()
        assert len(rows[layout.rows(group)]) == count


@given(COUNTS, st.integers(0, 2**32 - 1))
def test_some_rows_keep_their_groups(counts: list[int], seed: int) -> None:
    layout = Ragged.from_counts(counts)
    keep = np.random.default_rng(seed).random(layout.total) < 0.5
    assert layout.where(keep).index.tolist() == layout.index[keep].tolist()
    assert layout.count(keep).tolist() == layout.where(keep).counts.tolist()


@given(COUNTS, st.lists(st.integers(-1, 7), max_size=9))
def test_groups_in_another_order(counts: list[int], wanted: list[int]) -> None:
    layout = Ragged.from_counts(counts)
    groups = np.array([group for group in wanted if group < len(counts)], np.int64)
    rows, taken = layout.take(groups)
    assert taken.counts.tolist() == [counts[group] if group >= 0 else 0 for group in groups]
    expected = [
        row for g in groups if g >= 0 for row in range(layout.offsets[g], layout.offsets[g + 1])
    ]
    assert rows.tolist() == expected
