"""Chance that is the same on every machine and with every version of a library: hashed counters.

Numbers come from splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
generators", 2014) of a key and a counter, in whole numbers alone; nothing is left to a library's
streams, and no function is used whose last bit differs from one system to another.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints

T = TypeVar("T")
_WORDS = npt.NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_MASK = 2**64 - 1
_GAUSSIAN_OF = 12  # uniform numbers whose sum is nearly normal, with variance 1


def hashed(words: _WORDS) -> _WORDS:
    """Return each word scrambled: splitmix64's finish."""
    with np.errstate(over="ignore"):
        mixed = (words ^ (words >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))


class Chance:
    """A stream of random numbers, which its keys alone determine.

    Example:
        >>> Chance(1, 2).integers(0, 10, 5).tolist() == Chance(1, 2).integers(0, 10, 5).tolist()
        True
    """

    def __init__(self, *keys: int) -> None:
        """Begin a stream.

        Args:
            keys: whole numbers, such as a seed, a sequence's number, a frame's.
        """
        state = np.zeros(1, np.uint64)
        for key in keys:
            with np.errstate(over="ignore"):
                state = hashed(state + _STEP + np.uint64(key & 0xFFFFFFFFFFFFFFFF))
        self._key = state[0]
        self._drawn = 0

    def words(self, count: int) -> _WORDS:
        """Draw words of 64 random bits."""
        with np.errstate(over="ignore"):
            numbers = np.arange(self._drawn + 1, self._drawn + count + 1, dtype=np.uint64)
            self._drawn += count
            return hashed(self._key + numbers * _STEP)

    def uniform(self, low: float = 0.0, high: float = 1.0, count: int = 1) -> Floats:
        """Draw numbers from low to below high, (count,)."""
        shares = (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.asarray(low + (high - low) * shares)

    def normal(self, mean: float, deviation: float, count: int = 1) -> Floats:
        """Draw nearly normal numbers, (count,): within six deviations of the mean."""
        parts = self.uniform(count=count * _GAUSSIAN_OF).reshape(_GAUSSIAN_OF, count)
        total = np.zeros(count)
        for part in parts:  # one after the other: the order of a sum is part of its result
            total += part
        return np.asarray(mean + deviation * (total - _GAUSSIAN_OF / 2))

    def integers(self, low: int, high: int, count: int = 1) -> Ints:
        """Draw whole numbers from low to below high, (count,)."""
        return np.floor(self.uniform(low, high, count)).astype(np.int64)

    def chosen(self, shares: Sequence[float], count: int = 1) -> Ints:
        """Draw numbers of options, (count,), each as often as its share says."""
        ends = np.zeros(len(shares))
        total = 0.0
        for index, share in enumerate(shares):
            total += share
            ends[index] = total
        return np.searchsorted(ends[:-1], self.uniform(0, total, count), side="right")

    def one(self, options: Sequence[T], shares: Sequence[float] | None = None) -> T:
        """Draw one of some options."""
        ends = list(accumulate([1.0] * len(options) if shares is None else shares))
        return options[bisect_right(ends, self.number(0, ends[-1]), hi=len(ends) - 1)]

    def number(self, low: float = 0.0, high: float = 1.0) -> float:
        """Draw one number from low to below high: as `uniform` does, without arrays."""
        self._drawn += 1
        word = (int(self._key) + self._drawn * int(_STEP)) & _MASK
        word = ((word ^ (word >> 30)) * int(_FIRST)) & _MASK
        word = ((word ^ (word >> 27)) * int(_SECOND)) & _MASK
        return low + (high - low) * (((word ^ (word >> 31)) >> 11) * 2.0**-53)

    def happens(self, share: float) -> bool:
        """Return True in this share of cases."""
        return self.number() < share

    def order(self, count: int) -> Ints:
        """Return the numbers from 0 to below count in a random order."""
        return np.argsort(self.words(count), kind="stable")
