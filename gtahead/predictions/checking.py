"""Predictions held against the pictures that are scored: which is which, and do places make sense.

What is looked at is geometry alone: names and sizes of pictures. So a host of hidden labels and a
participant see the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from gtahead.arrays import Floats, Ints
from gtahead.errors import Where
from gtahead.findings import Finding, Findings
from gtahead.predictions.table import ImageKey, Predictions

Missing = Literal["error", "zero"]


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures that are scored.

    Attributes:
        ids: (F,) names: `<sequence>/<frame>`, or what the truth calls them.
        sizes_wh: (F, 2) pixels, 0 where unknown.
        sequences: (F,) names of their sequences; None where there are none.
        numbers: (F,) as formats that count pictures number them.
        others: ids of the data set's other splits, for a better message.
    """

    ids: list[str]
    sizes_wh: Ints
    sequences: list[str] | None
    numbers: Ints
    others: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _by_name(self) -> Mapping[str, int]:
        """Find pictures by their ids; by the frame's name alone where it's the only one of it."""
        frames = Counter(PurePosixPath(name).name for name in self.ids)
        found = {}
        for row, name in enumerate(self.ids):
            frame = PurePosixPath(name).name
            if frames[frame] == 1:
                found[frame] = row
        return found | {name: row for row, name in enumerate(self.ids)}

    @cached_property
    def _by_number(self) -> Mapping[int, int]:
        return {number: row for row, number in enumerate(self.numbers.tolist())}

    @cached_property
    def _by_order(self) -> Mapping[tuple[str, int], int]:
        seen: Counter[str] = Counter()
        found = {}
        for row, sequence in enumerate(self.sequences or ()):
            seen[sequence] += 1
            found[sequence, seen[sequence]] = row
        return found

    def find(self, key: ImageKey) -> int | None:
        """Give the row of a picture, None where there is no such one."""
        if isinstance(key, tuple):
            return self._by_order.get(key)
        if isinstance(key, int):
            return self._by_number.get(key)
        row = self._by_name.get(key)
        if row is None and PurePosixPath(key).suffix:
            row = self._by_name.get(str(PurePosixPath(key).with_suffix("")))
        if row is None and key.isdecimal() and len(key) < 18:
            row = self._by_number.get(int(key))
        return row

    def is_of_another_split(self, key: ImageKey) -> bool:
        """Say whether the data set has such a picture, in a split that isn't scored."""
        return isinstance(key, str) and (
            key in self.others or str(PurePosixPath(key).with_suffix("")) in self.others
        )


def arrange(
    predictions: Predictions,
    pictures: Pictures,
    findings: Findings,
    file: str,
    missing: Missing = "error",
) -> Predictions:
    """Bring predictions into the order of the pictures.

    Args:
        predictions: as read.
        pictures: that are scored.
        findings: takes pictures that are unknown, there twice or missing.
        file: name of the prediction file in messages.
        missing: whether a picture without prediction is an error, or scored as if empty.

    Returns:
        One row for each picture.
    """
    rows = np.full(len(pictures), -1, np.int64)
    for row, key in enumerate(predictions.images):
        place = Where(file, frame=_shown(key), field=predictions.places[row])
        found = pictures.find(key)
        if found is None:
            detail = "it is of another split" if pictures.is_of_another_split(key) else ""
            findings.add("no-such-picture", place, detail=detail)
        elif rows[found] >= 0:
            first = predictions.places[rows[found]]
            findings.add("picture-twice", place, detail=f"first at {first}")
        else:
            rows[found] = row
    lost = np.flatnonzero(rows < 0).tolist()
    if lost and predictions.lists_empty:
        code = "picture-not-predicted" if missing == "error" else "scored-as-empty"
        shown = [Finding(code, Where(file, frame=pictures.ids[row])) for row in lost[:20]]
        findings.add_many(code, len(lost), shown)
    return predictions.taken(rows)


def _shown(key: ImageKey) -> str:
    return f"{key[0]} {key[1]}" if isinstance(key, tuple) else str(key)


def check_dataset(
    given: Mapping[str, object],
    *,
    split: str | None,
    fingerprints: Sequence[str],
    findings: Findings,
    file: str,
) -> None:
    """Hold what a file says it was made for against what is scored."""
    made_for = given.get("split")
    if made_for is not None and split is not None and made_for != split:
        place = Where(file, field="/dataset/split")
        findings.add("other-split", place, made_for, f"scored is {split}")
    print_of = given.get("fingerprint")
    if print_of is not None and fingerprints and print_of not in fingerprints:
        findings.add("other-dataset", Where(file, field="/dataset/fingerprint"), print_of)


LEAST_POINTS = 50
"""From so many on geometry tells something."""


def geometry_hints(
    predictions: Predictions, pictures: Pictures, findings: Findings, file: str
) -> None:
    """Note what places alone tell: other units, another size, exchanged axes, other corners.

    Args:
        predictions: in the order of the pictures.
        pictures: that are scored.
        findings: takes the hints; they are warnings.
        file: name of the prediction file in messages.
    """
    place = Where(file)
    xy, _, starts = predictions.heads()
    of = np.repeat(np.arange(len(predictions)), np.diff(starts))
    sizes = pictures.sizes_wh[of].astype(np.float64)
    known = (sizes > 0).all(axis=1)
    xy, sizes, of = xy[known], sizes[known], of[known]
    if len(xy) < LEAST_POINTS:
        return
    if (np.abs(xy) <= 2).all():
        findings.add("looks-normalised", place, detail=f"none is over {xy.max():.3f}")
        return
    inside = ((xy >= 0) & (xy <= sizes)).all(axis=1).mean()
    swapped = ((xy[:, ::-1] >= 0) & (xy[:, ::-1] <= sizes)).all(axis=1).mean()
    if _check_corners(predictions, pictures, findings, place):
        return
    if swapped > 0.99 and inside < 0.95:
        told = f"{inside:.0%} lie in their pictures, with x and y exchanged {swapped:.0%}"
        findings.add("looks-swapped", place, detail=told)
    elif (factor := _common_factor(xy, sizes, of)) is not None:
        findings.add(
            "looks-resized", place, detail=f"to about {factor:.3g} of the width and height"
        )
    if _counts_from_one(xy, sizes):
        findings.add("looks-one-based", place)


def _common_factor(xy: Floats, sizes: Floats, of: Ints) -> float | None:
    """Find one factor by which the farthest heads fall short of, or pass, both far borders."""
    reach = np.quantile(xy / sizes, 0.999, axis=0)
    factor = float(reach.mean())
    alike = abs(reach[0] - reach[1]) <= 0.06 * factor
    enough = len(xy) >= 4 * LEAST_POINTS and len(np.unique(of)) >= 3
    if alike and enough and (factor < 0.75 or factor > 1.1):
        return factor
    return None


def _counts_from_one(xy: Floats, sizes: Floats) -> bool:
    """Say whether whole numbers run from 1 to the size, where from 0 they would end before it."""
    whole = (xy == np.round(xy)).all()
    return bool(whole and xy.min() >= 1 and (xy == sizes).any() and (xy <= sizes).all())


def _check_corners(
    predictions: Predictions, pictures: Pictures, findings: Findings, place: Where
) -> bool:
    """Look for boxes whose width and height would be far corners."""
    of = np.repeat(np.arange(len(predictions)), np.diff(predictions.box_starts))
    sizes = pictures.sizes_wh[of].astype(np.float64)
    boxes = predictions.boxes_xyxy
    given = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    known = (sizes > 0).all(axis=1)
    given, sizes = given[known], sizes[known]
    if len(given) < LEAST_POINTS:
        return False
    as_corners = (given[:, 2:] > given[:, :2]).all(axis=1) & (given[:, 2:] <= sizes + 1).all(axis=1)
    beyond = (given[:, :2] + given[:, 2:] > sizes + 1).any(axis=1)
    if as_corners.mean() <= 0.99 or beyond.mean() <= 0.3:
        return False
    told = f"{beyond.mean():.0%} reach out of their pictures, as corners none does"
    findings.add("looks-like-corners", place, detail=told)
    return True
