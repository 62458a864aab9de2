from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.annotation import SplitItem, balance_of, design_splits
from gtahead.annotation.splits import SHARES, groups_of


def items(count: int, positions: int, seed: int = 0) -> list[SplitItem]:
    random = np.random.default_rng(seed)
    return [
        SplitItem(
            f"seq_{number:02d}",
            int(np.exp(random.uniform(0, 8)) * 146),
            146,
            frozenset({f"location {random.integers(positions)}"}),
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
    for position in {key for item in everything for key in item.keys}:
        assert len({found[item.name] for item in everything if position in item.keys}) == 1


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


@pytest.mark.parametrize("seed", range(20))
def test_heads_are_within_two_percent_of_the_target_shares(seed: int) -> None:
    everything = items(35, 22, seed)
    found = design_splits(everything)
    balance = balance_of(everything, found)
    assert balance.off("heads") <= 0.02
    heads = sum(item.heads for item in everything)
    for split, target in balance.target.items():  # summed anew, without what the search sums
        mine = sum(item.heads for item in everything if found[item.name] == split)
        assert balance.shares["heads"][split] == pytest.approx(mine / heads)
        assert target == pytest.approx(SHARES[split] / 35)


def test_a_certificate_says_what_could_not_be_even() -> None:
    everything = [SplitItem(name, 1, 1) for name in "abcde"]
    everything.append(SplitItem("crowd", 995, 1, frozenset({1}), ("night",)))
    everything.append(SplitItem("quiet", 0, 1, frozenset({1})))
    found = design_splits(everything)
    assert found["crowd"] == found["quiet"]
    reported = balance_of(everything, found).as_dict()
    assert reported["bound"] == [["crowd", "quiet"]]
    assert reported["off"]["heads"] > 0.4  # nobody can share out one crowd
    assert reported["shares"]["night"][found["crowd"]] == 1
    for row in reported["shares"].values():
        assert sum(row.values()) == pytest.approx(1, abs=2e-4)


def test_nothing_to_balance() -> None:
    assert balance_of([], {}).as_dict() == {"target": {}, "shares": {}, "off": {}, "bound": []}
    empty = balance_of([SplitItem("a", 0, 3)], {"a": "train"}).as_dict()
    assert "heads" not in empty["shares"]
    assert empty["off"] == {"sequences": 0.4286, "frames": 0.4286}  # all of it, not 20 of 35


def test_thousands_of_sequences_are_dealt_out_evenly() -> None:
    chance = np.random.default_rng(3)
    heads = np.exp(chance.uniform(0, 8, 5000)).astype(int)
    items = [SplitItem(f"s{n:04d}", int(count), 1) for n, count in enumerate(heads)]
    found = design_splits(items)
    balance = balance_of(items, found)
    assert all(balance.off(measure) < 0.002 for measure in ("sequences", "heads", "frames"))
    assert design_splits(items[::-1]) == found
