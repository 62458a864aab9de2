from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gtahead.annotation import SplitItem, design_splits
from gtahead.annotation.splits import SHARES, groups_of


def items(count: int, places: int, seed: int = 0) -> list[SplitItem]:
    random = np.random.default_rng(seed)
    return [
        SplitItem(
            f"seq_{number:02d}",
            int(np.exp(random.uniform(0, 8)) * 146),
            146,
            frozenset({f"place {random.integers(places)}"}),
            (f"weather {random.integers(3)}",),
        )
        for number in range(count)
    ]


def test_35_sequences_split_20_5_10() -> None:
    for seed in range(5):
        everything = items(35, 22, seed)
        found = design_splits(everything)
        sizes = {name: list(found.values()).count(name) for name in SHARES}
        assert sizes["test"] >= 10
        assert abs(sizes["train"] - 20) <= 1
        assert abs(sizes["validation"] - 5) <= 1


def test_no_place_is_in_two_splits() -> None:
    everything = items(35, 12)
    found = design_splits(everything)
    for place in {key for item in everything for key in item.keys}:
        assert len({found[item.name] for item in everything if place in item.keys}) == 1


def test_items_are_bound_through_others() -> None:
    chain = [
        SplitItem("a", 1, 1, frozenset({1})),
        SplitItem("b", 1, 1, frozenset({2})),
        SplitItem("c", 1, 1, frozenset({1, 2})),
        SplitItem("d", 1, 1),
    ]
    assert sorted(map(sorted, groups_of(chain))) == [[0, 1, 2], [3]]


def test_few_places() -> None:
    assert design_splits([]) == {}
    assert design_splits(items(1, 1)) == {"seq_00": "train"}
    assert set(design_splits(items(4, 1)).values()) == {"train"}
    two = [SplitItem("a", 9, 1), SplitItem("b", 1, 1)]
    assert sorted(design_splits(two).values()) == ["test", "train"]
    assert set(design_splits(items(3, 999)).values()) == set(SHARES)


@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=14), st.integers(0, 99))
def test_every_split_is_filled_and_order_does_not_matter(heads: list[int], seed: int) -> None:
    everything = [SplitItem(f"s{number}", count, 10) for number, count in enumerate(heads)]
    found = design_splits(everything)
    assert set(found.values()) == set(SHARES)
    shuffled = [everything[i] for i in np.random.default_rng(seed).permutation(len(everything))]
    assert design_splits(shuffled) == found
