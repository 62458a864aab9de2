"""Images that look alike, by their difference hashes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

NEAR_BITS = 3
"""Difference hashes that differ in so many of their 64 bits are of images that look alike."""

MIN_BITS = 12
"""A hash with fewer bits of either kind is of an image in which there is next to nothing."""


def telling(hashes: Mapping[str, int]) -> tuple[list[str], Hashes]:
    """Return the names and hashes of images in which there is something to compare."""
    codes = np.array(list(hashes.values()), np.uint64)
    bits = np.bitwise_count(codes)
    some = (bits >= MIN_BITS) & (bits <= 64 - MIN_BITS)
    return [name for name, kept in zip(hashes, some, strict=True) if kept], codes[some]


def alike(code: np.uint64, codes: Hashes) -> npt.NDArray[np.intp]:
    """Return which hashes are of images that look like one."""
    return np.flatnonzero(np.bitwise_count(codes ^ code) <= NEAR_BITS)


def twins(
    names: Sequence[str], digests: Sequence[str | None], hashes: Sequence[str | None]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return pairs of images that are the same, and pairs that look alike.

    Args:
        names: of N images.
        digests: N, of their bytes; None where unknown.
        hashes: N difference hashes in hex; None where unknown.
    """
    first: dict[str, str] = {}
    same = [
        (other, name)
        for name, digest in zip(names, digests, strict=True)
        if digest is not None and (other := first.setdefault(digest, name)) != name
    ]
    known = {n: int(code, 16) for n, code in zip(names, hashes, strict=True) if code is not None}
    return same, list(pairs_alike(known))


def pairs_alike(hashes: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield pairs of names whose images look alike, each once."""
    names, codes = telling(hashes)
    for index, name in enumerate(names):
        for other in alike(codes[index], codes[index + 1 :]):
            yield name, names[index + 1 + int(other)]


def shared_keys(pairs: Iterable[tuple[str, str]]) -> dict[str, set[Hashable]]:
    """Return by name a key for each pair that the name is in, which its twin has too."""
    keys: dict[str, set[Hashable]] = {}
    for pair in pairs:
        for name in pair:
            keys.setdefault(name, set()).add(pair)
    return keys
