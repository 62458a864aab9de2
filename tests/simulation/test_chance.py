"""Chance of our own: the same numbers for ever, spread as they should be."""

from __future__ import annotations

import numpy as np
import pytest

from gtahead.simulation.chance import Chance, hashed


def test_words_are_splitmix64s() -> None:
    """Of the reference implementation (Vigna, splitmix64.c), seeded with 1234567."""
    with np.errstate(over="ignore"):
        states = np.uint64(1234567) + np.arange(1, 4, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
    assert hashed(states).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_streams_hang_on_their_keys_alone() -> None:
    first = Chance(1, 2, 3)
    together = first.words(10)
    again = Chance(1, 2, 3)
    apart = np.concatenate([again.words(4), again.words(6)])
    assert np.array_equal(together, apart)
    for keys in ((1, 2), (3, 2, 1), (1, 2, 4), (-1,)):
        assert not np.array_equal(Chance(*keys).words(10), together)
    # Written down: these must never change.
    assert Chance(7).integers(0, 1000, 5).tolist() == [721, 649, 549, 604, 348]


def test_one_number_is_the_first_of_several() -> None:
    """Drawn by themselves or as arrays, numbers and choices are the same to the last bit."""
    shares = [0.34, 0.06, 0.17, 0.43]
    single, arrays = Chance(5, 9), Chance(5, 9)
    for _ in range(500):
        assert single.number(-3.7, 11.1) == arrays.uniform(-3.7, 11.1)[0]
        assert single.one(range(4), shares) == arrays.chosen(shares)[0]
        assert single.one("abc") == "abc"[arrays.chosen([1.0, 1.0, 1.0])[0]]


def test_numbers_are_spread_as_they_should_be() -> None:
    chance = Chance(11)
    shares = chance.uniform(2, 5, 100_000)
    assert (shares.min() >= 2, shares.max() < 5) == (True, True)
    assert shares.mean() == pytest.approx(3.5, abs=0.01)
    assert shares.std() == pytest.approx(3 / 12**0.5, abs=0.01)
    normal = chance.normal(1, 2, 100_000)
    assert normal.mean() == pytest.approx(1, abs=0.03)
    assert normal.std() == pytest.approx(2, abs=0.03)
    assert np.mean(np.abs(normal - 1) < 2) == pytest.approx(0.683, abs=0.01)
    chosen = np.bincount(chance.chosen([1, 2, 0, 1], 100_000), minlength=4) / 100_000
    assert chosen == pytest.approx([0.25, 0.5, 0, 0.25], abs=0.01)
    assert sorted(chance.order(50).tolist()) == list(range(50))
    assert chance.one(["a", "b"], [0, 1]) == "b"
    assert sum(chance.happens(0.3) for _ in range(2000)) == pytest.approx(600, abs=80)
