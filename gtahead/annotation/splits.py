"""Designed splits: by sequence for captures and videos, by image for photographs.

Sequences of one location stay together, and so do images that look alike: a split by frame of a
video would put neighbouring frames on both sides. Heads spread evenly.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gtahead.arrays import Floats, Ints
from gtahead.dataset import SPLITS
from gtahead.errors import UsageError

SHARES: Mapping[str, int] = {"train": 20, "validation": 5, "test": 10}
"""Target shares: GTA_Head's 35 sequences as 20, 5 and 10."""

WEIGHTS: Mapping[str, float] = {"sequences": 3.0, "heads": 6.0, "frames": 1.0}
"""How much evenness in a measure is worth to the search; 0.5 for each trait."""

BLOCK = 20
"""So many images of nearly the same count are shuffled before they are dealt to splits."""

_RESTARTS = 12
_SWAPS_UP_TO = 200


@dataclass(frozen=True)
class SplitItem:
    """One sequence, or one image, as the search for splits sees it.

    Attributes:
        name: of the sequence, or the image's frame id.
        heads: how many heads count in it.
        frames: how many frames it has.
        keys: whatever two sequences must not share across splits: a location, a camera, an image.
        traits: what should occur in every split in proportion: weather, time of day.
    """

    name: str
    heads: int
    frames: int
    keys: frozenset[Hashable] = frozenset()
    traits: tuple[str, ...] = ()


def groups_of(items: Sequence[SplitItem]) -> list[list[int]]:
    """Put items that share a key, directly or through others, into one group; return indices."""
    parent = list(range(len(items)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[Hashable, int] = {}
    for index, item in enumerate(items):
        for key in item.keys:
            other = first.setdefault(key, index)
            parent[max(root(index), root(other))] = min(root(index), root(other))
    groups: dict[int, list[int]] = {}
    for index in range(len(items)):
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def parse_shares(text: str) -> dict[str, float]:
    """Read target shares, as `70:10:20` for train, validation and test.

    Raises:
        UsageError: not two or three numbers from 0 on, or none of them above 0.

    Example:
        >>> parse_shares("80:20")
        {'train': 80.0, 'validation': 0.0, 'test': 20.0}
    """
    words = text.split(":")
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    fine = len(numbers) in (2, 3) and all(0 <= one < 1e6 for one in numbers) and any(numbers)
    if not fine:
        raise UsageError(
            "not the shares of splits",
            value=text,
            remedy="write train:validation:test, as 70:10:20, or train:test, as 80:20",
        )
    if len(numbers) == 2:
        numbers = [numbers[0], 0.0, numbers[1]]
    return dict(zip(SPLITS, numbers, strict=True))


def deal_images(
    items: Iterable[SplitItem], shares: Mapping[str, float] = SHARES, seed: int = 0
) -> dict[str, str]:
    """Choose a split for every image, so that each gets small and large crowds alike.

    Groups of images that share a key are sorted by their count, shuffled among those of nearly the
    same, and dealt one by one to the split that is furthest behind its share of images. Then single
    images are exchanged until heads are as even. Every split that has a share gets a group while
    there are enough; of two groups the second is for testing, and a lone group is for training.

    Returns:
        Frame id to split name, in the order of frame ids.
    """
    ordered = sorted(items, key=lambda item: item.name)
    if not ordered:
        return {}
    groups = groups_of(ordered)
    heads = {id(group): sum(ordered[index].heads for index in group) for group in groups}
    groups.sort(key=lambda group: -heads[id(group)])
    random = np.random.default_rng(seed)
    for first in range(0, len(groups), BLOCK):
        block = groups[first : first + BLOCK]
        groups[first : first + BLOCK] = [block[i] for i in random.permutation(len(block))]
    names = _served(shares, len(groups))
    wanted = np.array([shares[name] for name in names]) / sum(shares[name] for name in names)
    sizes = np.array([len(group) for group in groups], np.int64)
    counts = np.array([heads[id(group)] for group in groups], np.float64)
    dealt, have = np.zeros(len(groups), np.int64), np.zeros(len(names))
    for index, size in enumerate(sizes):
        dealt[index] = np.argmax(wanted * (have.sum() + size) - have)
        have[dealt[index]] += size
    for empty in np.flatnonzero(np.bincount(dealt, minlength=len(names)) == 0):
        giver = np.argmax(np.bincount(dealt, minlength=len(names)))
        mine = np.flatnonzero(dealt == giver)
        dealt[mine[len(mine) // 2]] = empty  # one of the middle: neither a large crowd nor a small
    _even_out(dealt, sizes, counts, wanted)
    choice = {
        ordered[index].name: names[split]
        for split, group in zip(dealt, groups, strict=True)
        for index in group
    }
    return dict(sorted(choice.items()))


def _served(shares: Mapping[str, float], groups: int) -> list[str]:
    """Return the splits that get something: all that have a share, if there are enough groups."""
    names = [name for name in SPLITS if shares[name] > 0]
    if 0 < groups < len(names):
        first = ("train", "test", "validation")
        names = sorted(names, key=first.index)[:groups]
    return names


def _even_out(dealt: Ints, sizes: Ints, counts: Floats, wanted: Floats) -> None:
    """Exchange images between splits, in place, while that brings their heads nearer to the shares.

    Args:
        dealt: (G,) the split of each group of images.
        sizes: (G,) images of each; only groups of one image are exchanged.
        counts: (G,) heads of each.
        wanted: share of each split.
    """
    single = sizes == 1
    for _ in range(len(dealt)):
        off = np.bincount(dealt, counts, minlength=len(wanted)) - wanted * counts.sum()
        most, least = int(np.argmax(off)), int(np.argmin(off))
        give = np.flatnonzero(single & (dealt == most))
        take = np.flatnonzero(single & (dealt == least))
        if not len(give) or not len(take):
            return
        order = take[np.argsort(counts[take], kind="stable")]
        gap = min(off[most], -off[least])  # to be moved from one to the other
        near = np.searchsorted(counts[order], counts[give] - gap).clip(0, len(order) - 1)
        moved = counts[give] - counts[order[near]]
        best = int(np.argmin(np.abs(moved - gap)))
        if not 0 < moved[best] < 2 * gap:
            return
        dealt[give[best]], dealt[order[near[best]]] = least, most


def design_splits(
    items: Iterable[SplitItem], shares: Mapping[str, float] = SHARES
) -> dict[str, str]:
    """Choose a split for every sequence.

    Groups are moved and swapped between splits, from several seeded starts, until neither makes
    the splits more even in sequences, heads, frames and traits; more than `_SWAPS_UP_TO` are dealt
    out and then moved. The result depends on nothing but the items and the shares. Every split that
    has a share gets a group while there are enough; of two groups the second is the test split, and
    a lone group is for training.

    Returns:
        Sequence name to split name, in the order of names.
    """
    ordered = sorted(items, key=lambda item: item.name)
    if not ordered:
        return {}
    groups = groups_of(ordered)
    names = _served(shares, len(groups))
    wanted_shares = np.array([shares[name] for name in names], np.float64)
    sums = _measures(ordered, groups)
    wanted = np.outer(wanted_shares / wanted_shares.sum(), sums.sum(axis=0))
    random = np.random.default_rng(0)
    if len(groups) > _SWAPS_UP_TO:  # so many are even once they are dealt out
        tries = [_descend(sums, wanted, _dealt(sums, wanted))]
    else:
        each = np.arange(len(groups)) % len(names)
        tries = [_descend(sums, wanted, random.permutation(each)) for _ in range(_RESTARTS)]
    best = min(tries, key=lambda found: found[0])  # the first of equals
    choice = {
        ordered[index].name: names[split]
        for split, group in zip(best[1], groups, strict=True)
        for index in group
    }
    return dict(sorted(choice.items()))


@dataclass(frozen=True)
class Balance:
    """How even splits are: the target and actual share of each measure, by split.

    Attributes:
        target: by split, in proportion to the shares.
        shares: by measure (sequences, heads, frames, then traits, as shares of the sequences that
            have them), then by split. Measures of which there is nothing are left out.
        bound: names of sequences that had to stay together, one list per group of two or more.
    """

    target: Mapping[str, float]
    shares: Mapping[str, Mapping[str, float]]
    bound: Sequence[Sequence[str]]

    def off(self, measure: str) -> float:
        """Return the largest deviation of a split's share from its target; 0 for unknown measures.

        Example:
            >>> items = [SplitItem("a", 60, 1), SplitItem("b", 40, 1)]
            >>> balance = balance_of(items, {"a": "train", "b": "test"})
            >>> round(balance.off("heads"), 3)
            0.143
        """
        row = self.shares.get(measure, {})
        return max((abs(row[name] - self.target[name]) for name in row), default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """Return the balance as the manifest holds it: shares rounded to 1/10,000."""
        return {
            "target": {name: round(share, 4) for name, share in self.target.items()},
            "shares": {
                measure: {name: round(share, 4) for name, share in row.items()}
                for measure, row in self.shares.items()
            },
            "off": {measure: round(self.off(measure), 4) for measure in self.shares},
            "bound": [list(names) for names in self.bound],
        }


def balance_of(
    items: Iterable[SplitItem], splits: Mapping[str, str], wanted: Mapping[str, float] = SHARES
) -> Balance:
    """Return how even a choice of splits is.

    Args:
        items: all sequences.
        splits: sequence name to split name, as `design_splits` gives it.
        wanted: target shares.
    """
    ordered = sorted(items, key=lambda item: item.name)
    given = set(splits.values())
    used = [name for name in SPLITS if name in given or (given and wanted[name] > 0)]
    total = sum(wanted[name] for name in used) or 1
    shares = {}
    for measure, values in _values(ordered).items():
        if values.any():
            at = np.array([used.index(splits[item.name]) for item in ordered])
            sums = np.bincount(at, values, minlength=len(used)) / values.sum()
            shares[measure] = dict(zip(used, map(float, sums), strict=True))
    bound = [[ordered[index].name for index in group] for group in groups_of(ordered)]
    target = {name: wanted[name] / total for name in used}
    return Balance(target, shares, [names for names in bound if len(names) > 1])


def _values(items: Sequence[SplitItem]) -> dict[str, Floats]:
    """Return the measures to balance, (N,) each: sequences, heads, frames, then each trait."""
    traits = sorted({trait for item in items for trait in item.traits})
    return {
        "sequences": np.ones(len(items)),
        "heads": np.array([item.heads for item in items], np.float64),
        "frames": np.array([item.frames for item in items], np.float64),
        **{t: np.array([t in item.traits for item in items], np.float64) for t in traits},
    }


def _measures(items: Sequence[SplitItem], groups: Sequence[Sequence[int]]) -> Floats:
    """Return the (groups, measures) to balance, as weighted shares of the whole."""
    of_items = np.stack(list(_values(items).values()), axis=1)
    weights = np.array([WEIGHTS.get(measure, 0.5) for measure in _values(items)])
    shares = weights * of_items / np.maximum(of_items.sum(axis=0), 1)
    return np.array([shares[list(group)].sum(axis=0) for group in groups])


def _dealt(sums: Floats, wanted: Floats) -> Ints:
    """Assign each group, the largest first, to the split that stays nearest to its share."""
    assigned, have = np.zeros(len(sums), np.int64), np.zeros_like(wanted)
    for group in np.argsort(-sums.sum(axis=1), kind="stable"):
        change = np.eye(len(wanted))[:, :, None] * sums[group]
        assigned[group] = np.argmin(_costs(have + change, wanted))
        have[assigned[group]] += sums[group]
    return assigned


def _descend(sums: Floats, wanted: Floats, start: Ints) -> tuple[float, list[int]]:
    """From a start, make the best single move or swap until none helps."""
    count, splits = len(sums), len(wanted)
    assigned = start.copy()
    have = np.zeros_like(wanted)
    np.add.at(have, assigned, sums)
    current = float(_costs(have[None], wanted)[0])
    while True:
        groups, targets = np.nonzero(np.arange(splits) != assigned[:, None])
        change = np.zeros((len(groups), *wanted.shape))
        options = np.arange(len(groups))
        change[options, assigned[groups]] -= sums[groups]
        change[options, targets] += sums[groups]
        changed = [(int(g), int(t), -1, -1) for g, t in zip(groups, targets, strict=True)]
        if count <= _SWAPS_UP_TO:
            first, second = np.nonzero(np.triu(assigned[:, None] != assigned, 1))
            swap = np.zeros((len(first), *wanted.shape))
            options = np.arange(len(first))
            swap[options, assigned[first]] += sums[second] - sums[first]
            swap[options, assigned[second]] += sums[first] - sums[second]
            change = np.concatenate([change, swap])
            changed += [
                (int(a), int(assigned[b]), int(b), int(assigned[a]))
                for a, b in zip(first, second, strict=True)
            ]
        if not changed:
            return current, assigned.tolist()
        costs = _costs(have + change, wanted)
        step = int(np.argmin(costs))
        if costs[step] >= current - 1e-12:
            return current, assigned.tolist()
        current = float(costs[step])
        have = have + change[step]
        group, target, other, other_target = changed[step]
        assigned[group] = target
        if other >= 0:
            assigned[other] = other_target


def _costs(have: Floats, wanted: Floats) -> Floats:
    """Return how uneven (K, splits, measures) choices are; too few sequences cost most."""
    uneven = ((have - wanted) ** 2 / wanted.sum(axis=1, keepdims=True)).sum(axis=(1, 2))
    missing = np.maximum(wanted[:, 0] - have[:, :, 0], 0) / wanted[:, 0]
    empty = (have[:, :, 0] <= 1e-9).sum(axis=1)
    # Rounded, so that ties don't fall by the last bit of a processor's sums.
    costs: Floats = np.round(uneven + 1e3 * empty + missing.max(axis=1) ** 2, 9)
    return costs
