"""Heads to be found, as columns.

In a ground truth without sequences (images taken one by one), each image is a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gtahead.arrays import Array, Booleans, Floats, Ints, Ragged, rows_of
from gtahead.findings import Findings
from gtahead.predictions import Images


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Heads to be found.

    Attributes:
        name: of the data, for people.
        split: that is scored; None where the data has none.
        images: their ids, sizes, sequences and numbers.
        by_image: which heads are of which of the F images.
        points_xy: (N, 2) pixels.
        boxes_xyxy: (N, 4) pixels, NaN where a head has none.
        sigmas: (N, 2) radii of a small and a large hit in pixels, NaN where unknown.
        ignored: (N,) heads that are neither hit nor missed.
        head_values: further columns of heads: visibility, depth_m, box_error_px, level.
        frame_values: further columns of images: weather, hour, location.
        fingerprints: by kind, `points` and `labels`; empty where nobody made any.
        policy: which heads count, in words.
        train_mean: mean count of the training images; None where there are none.
        categories: numbers that COCO's results give heads; None where the data don't number any.
        findings: what was odd about the labels.
        independent: whether images were taken one by one, though they have sequences.
        regions: (F,) polygons in which heads are counted, none where everywhere; empty where no
            image has any.
    """

    name: str
    split: str | None
    images: Images
    by_image: Ragged
    points_xy: Floats
    boxes_xyxy: Floats
    sigmas: Floats
    ignored: Booleans
    head_values: dict[str, Floats] = field(default_factory=dict)
    frame_values: dict[str, list[Any]] = field(default_factory=dict)
    fingerprints: dict[str, str] = field(default_factory=dict)
    policy: str = "all"
    train_mean: float | None = None
    categories: frozenset[int] | None = None
    findings: Findings = field(default_factory=Findings)
    independent: bool = False
    regions: list[Sequence[Floats]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def counts(self) -> Floats:
        """(F,) heads that count."""
        return self.by_image.count(~self.ignored).astype(np.float64)

    @property
    def frame_of_heads(self) -> Ints:
        """(N,) row of each head's image."""
        return self.by_image.index

    @property
    def in_sequences(self) -> bool:
        """Whether images belong to sequences, whose images are alike."""
        return self.images.sequences is not None and not self.independent

    @property
    def clusters(self) -> tuple[list[str], Ints]:
        """Names of the clusters, and (F,) which one each image is of."""
        sequences = self.images.sequences if self.in_sequences else None
        names = sequences or self.images.ids
        order = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return list(order), np.array([order[name] for name in names], np.int64)

    @property
    def has_boxes(self) -> bool:
        """Whether every head that counts has a box."""
        counted = self.boxes_xyxy[~self.ignored]
        return bool(len(counted) > 0 and np.isfinite(counted).all())


def hit_radii(boxes_xyxy: Array) -> Floats:
    """Return how far from a head's point a hit may lie: a small and a large radius, from its box.

    Half the shorter side, and half the diagonal, at least 1 px each.

    Source: the evaluation of NWPU-Crowd (Wang et al., 2020).

    Args:
        boxes_xyxy: (N, 4) x0, y0, x1, y1 in pixels; NaN for a head without a box.

    Returns:
        (N, 2) pixels, NaN where there is no box.

    Raises:
        ValueError: of another shape, or boxes that end before they begin.

    Example:
        >>> small, large = hit_radii([[0, 0, 6, 8]]).T
        >>> small.tolist(), large.tolist()
        ([3.0], [5.0])
    """
    boxes_xyxy = rows_of(boxes_xyxy, 4, "boxes", unknown=True)
    width = boxes_xyxy[:, 2] - boxes_xyxy[:, 0]
    height = boxes_xyxy[:, 3] - boxes_xyxy[:, 1]
    radii = np.stack([np.minimum(width, height) / 2, np.hypot(width, height) / 2], axis=1)
    return np.asarray(np.maximum(radii, 1), np.float64)
