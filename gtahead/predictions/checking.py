"""Predictions compared with the images that are scored: which is which, do positions make sense.

What is looked at is geometry alone: names and sizes of images. So a host of hidden labels and a
participant see the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from gtahead.arrays import Ints
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.plausibility import Positions, note_odd_units
from gtahead.predictions.table import ImageKey, Predictions
from gtahead.tables.splits import SPLITS_BY_WORD

Missing = Literal["error", "zero"]


@dataclass(frozen=True, eq=False)
class Images:
    """The images that are scored.

    Attributes:
        ids: (F,) names: `<sequence>/<frame>`, or what the ground truth calls them.
        sizes_wh: (F, 2) pixels, 0 where unknown.
        sequences: (F,) names of their sequences; None where there are none.
        numbers: (F,) as formats that count images number them.
        others: ids of the dataset's other splits, for a better message.
        by_text: rows of images whose ids are text.
        renumbered: whether they had numbers of their own before they became this dataset.
    """

    ids: list[str]
    sizes_wh: Ints
    sequences: list[str] | None
    numbers: Ints
    others: frozenset[str] = frozenset()
    renumbered: bool = False
    by_text: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _by_name(self) -> Mapping[str, int]:
        """The rows of images by id, and by the frame's name alone where that is unique."""
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
        """Return the row of an image; None if there is no such image."""
        if isinstance(key, tuple):
            return self._by_order.get(key)
        if isinstance(key, int):
            return self._by_number.get(key)
        row = self._by_name.get(key, self.by_text.get(key))
        if row is None and PurePosixPath(key).suffix:
            row = self._by_name.get(_without_ending(key))
        if row is None and "/" in key:
            row = self._by_path(key)
        if row is None and key.isdecimal() and len(key) < 18:
            row = self._by_number.get(int(key))
        return row

    def _by_path(self, key: str) -> int | None:
        """Return the row of an image whose whole id ends a path, as `images/<sequence>/<frame>`."""
        parts = PurePosixPath(_without_ending(key)).parts[-_DEEPEST:]
        ends = ("/".join(parts[first:]) for first in range(1, len(parts)))
        row = next((self._by_name[end] for end in ends if end in self._by_name), None)
        return row if row is not None and self.ids[row] in key else None

    def is_of_another_split(self, key: ImageKey) -> bool:
        """Return whether the dataset has such an image, in a split that isn't scored."""
        return isinstance(key, str) and (key in self.others or _without_ending(key) in self.others)


_DEEPEST = 64
"""Of a path's parts, so many at its end may be an image's id."""


def _without_ending(name: str) -> str:
    """Return a name without its suffix; one that names nothing, such as "/", as it is."""
    path = PurePosixPath(name)
    return str(path.with_suffix("")) if path.name else name


def arrange(
    predictions: Predictions,
    images: Images,
    findings: Findings,
    file: str,
    missing: Missing = "error",
) -> Predictions:
    """Bring predictions into the order of the images.

    Args:
        predictions: as read.
        images: that are scored.
        findings: takes images that are unknown, there twice or missing.
        file: name of the prediction file in messages.
        missing: whether an image without prediction is an error, or scored as if empty.

    Returns:
        One row for each image.
    """
    rows = np.full(len(images), -1, np.int64)
    for row, key in enumerate(predictions.images):
        location = Where(file, frame=_shown(key), field=predictions.locations[row])
        found = images.find(key)
        if found is None:
            detail = "it is of another split" if images.is_of_another_split(key) else ""
            findings.add("no-such-image", location, detail=detail)
        elif rows[found] >= 0:
            first = predictions.locations[rows[found]]
            findings.add("image-twice", location, detail=f"first at {first}")
        else:
            rows[found] = row
    by_number = (
        isinstance(key, int) or (isinstance(key, str) and key.isdecimal())
        for key in predictions.images
    )
    if images.renumbered and any(by_number):
        findings.add("numbers-assumed", Where(file))
    lost = np.flatnonzero(rows < 0).tolist()
    if lost and not predictions.lists_empty:
        first, some = images.ids[lost[0]], predictions.images[:1]
        read = "".join(f"; ids such as {_shown(key)} are read as {_kind(key)}" for key in some)
        detail = f"{len(lost):,} of {len(images):,}, the first is {first}{read}"
        findings.add("images-without-detections", Where(file), detail=detail)
    elif lost:
        code = "image-not-predicted" if missing == "error" else "scored-as-empty"
        findings.add_each(code, lost, lambda row: Where(file, frame=images.ids[row]))
    return predictions.taken(rows)


def _kind(key: ImageKey) -> str:
    """Return how an image is named, in words."""
    if isinstance(key, tuple):
        return "frames of sequences in their order, from 1"
    number = isinstance(key, int) or key.isdecimal()
    return "numbers of images" if number else "names of images"


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
    """Check what a file says it was made for against what is scored."""
    made_for = SPLITS_BY_WORD.get(str(given.get("split")), given.get("split"))
    if made_for is not None and split is not None and made_for != split:
        location = Where(file, field="/dataset/split")
        findings.add("other-split", location, made_for, f"the split scored is {split}")
    print_of = given.get("fingerprint")
    if print_of is not None and fingerprints and print_of not in fingerprints:
        findings.add("other-dataset", Where(file, field="/dataset/fingerprint"), print_of)


def geometry_hints(predictions: Predictions, images: Images, findings: Findings, file: str) -> None:
    """Note what coordinates alone show: other units, another size, exchanged axes, other corners.

    Args:
        predictions: in the order of the images.
        images: that are scored.
        findings: takes the hints; they are warnings.
        file: name of the prediction file in messages.
    """
    xy, _, by_image = predictions.heads()
    note_odd_units(
        Positions(xy, images.sizes_wh, by_image.index),
        Positions(predictions.boxes_xyxy, images.sizes_wh, predictions.boxes_by_image.index),
        findings,
        Where(file),
    )
