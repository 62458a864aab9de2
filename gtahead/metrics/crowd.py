"""A metric for loops: fed batch by batch, as those of torchmetrics are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gtahead.arrays import Array, Booleans, Floats, Ragged, as_array, rows_of
from gtahead.metrics.evaluation import metrics_of
from gtahead.metrics.ground_truth import GroundTruth, hit_radii
from gtahead.predictions import Images, Predictions
from gtahead.predictions.table import FoundHeads

Row = Mapping[str, Array]
"""What was found in an image, or is in it, by name."""

_TRUE = ("points", "boxes", "ignored", "size_wh", "labels", "image_id", "area", "iscrowd")


class CrowdMetric:
    """All metrics of crowds: MAE, RMSE, GAME, F1 within radii, AP, MR⁻², JI, as far as defined.

    Rows are as torchvision's detection models take and give them: `update` takes what was found
    in a batch of images, and what is in them.

    Args:
        threshold: of scores from which on a head counts; AP and MR⁻² look at all.

    Example:
        >>> metric = CrowdMetric(threshold=0.5)
        >>> metric.update(
        ...     [{"points": [[10, 10], [50, 52]], "scores": [0.9, 0.2]}],
        ...     [{"points": [[11, 10], [50, 50]]}],
        ... )
        >>> found = metric.compute()
        >>> found["mae"], found["precision_4px"], found["recall_4px"]
        (1.0, 1.0, 0.5)
    """

    def __init__(self, threshold: float = 0.0) -> None:
        if not 0 <= threshold <= 1:
            raise ValueError(f"the threshold is {threshold}, not from 0 to 1")
        self.threshold = threshold
        self._found: list[FoundHeads] = []
        self._true: list[_TrueHeads] = []

    def __repr__(self) -> str:
        return f"CrowdMetric(threshold={self.threshold:g}: {len(self._true):,} images)"

    def reset(self) -> None:
        """Forget all images."""
        self._found, self._true = [], []

    def update(self, preds: Sequence[Row], targets: Sequence[Row]) -> None:
        """Add a batch of images.

        Args:
            preds: for each image what was found: `points` (P, 2) or `boxes` (P, 4) or both of the
                same heads, in pixels, with `scores` (P,) from 0 to 1; or a `count` alone. Where
                both are given, `count` is used for counting instead of the number of heads.
                `labels` are ignored: leave out what isn't a head.
            targets: for each image what is there: `points` (N, 2) or `boxes` (N, 4) or both;
                `ignored` for heads that are neither hit nor missed, (N,) flags or (K, 4) boxes of
                further ones; and `size_wh`, without which GAME isn't defined.

        Raises:
            ValueError: lists of different lengths, shapes that don't fit, or unknown names.
        """
        if len(preds) != len(targets):
            raise ValueError(f"predictions of {len(preds)} images, targets of {len(targets)}")
        found = [FoundHeads.of(row) for row in preds]  # all of a batch, or nothing
        true = [_TrueHeads.of(row) for row in targets]
        self._found += found
        self._true += true

    def compute(self) -> dict[str, float]:
        """Return the metrics of all images so far, by the names of `gtahead benchmark`.

        Metrics that aren't defined are left out: of detection without boxes, GAME without sizes.

        Raises:
            ValueError: there are no images.
        """
        if not self._true:
            raise ValueError("there are no images yet")
        predictions = Predictions.of({str(n): found for n, found in enumerate(self._found)})
        metrics = metrics_of(_ground_truth_of(self._true), predictions, self.threshold)
        return {name: value for name, value in metrics.items() if np.isfinite(value)}


@dataclass(frozen=True, eq=False)
class _TrueHeads:
    """What is in one image."""

    points: Floats
    boxes: Floats
    ignored: Booleans
    size_wh: tuple[int, int]

    @classmethod
    def of(cls, row: Row) -> _TrueHeads:
        strange = sorted(set(row) - set(_TRUE))
        if strange:
            raise ValueError(f"a target has {strange[0]!r}; known are {', '.join(_TRUE)}")
        points = rows_of(row["points"], 2, "points") if "points" in row else None
        boxes = rows_of(row["boxes"], 4, "boxes", unknown=True) if "boxes" in row else None
        if points is None and boxes is None:
            raise ValueError("a target has neither points nor boxes")
        if points is None:
            assert boxes is not None
            rows_of(boxes, 4, "boxes without points")  # all of them known
            points = (boxes[:, :2] + boxes[:, 2:]) / 2
        flags: Any = as_array(row.get("ignored", np.zeros(len(points))))
        flags = np.zeros(len(points)) if flags.size == 0 else flags
        boxes = np.full((len(points), 4), np.nan) if boxes is None else boxes
        unsure = rows_of(flags, 4, "ignored boxes", unknown=True) if np.ndim(flags) == 2 else None
        if unsure is not None:  # boxes of further heads
            flags = np.arange(len(points) + len(unsure)) >= len(points)
            points = np.concatenate([points, (unsure[:, :2] + unsure[:, 2:]) / 2])
            boxes = np.concatenate([boxes, unsure])
        ignored = np.asarray(flags, np.bool_)
        if not np.isin(flags, (0, 1)).all():
            raise ValueError("ignored heads are given by flags or boxes, not by their numbers")
        if len(points) != len(boxes) or ignored.shape != (len(points),):
            sizes = f"{len(points)} points, {len(boxes)} boxes and {ignored.size} flags"
            raise ValueError(f"{sizes} of the same heads")
        size = np.asarray(as_array(row.get("size_wh", (0, 0))))
        if size.shape != (2,) or size.dtype.kind not in "iuf" or not (size >= 0).all():
            raise ValueError(f"size_wh is {row['size_wh']}, not a width and a height")
        return cls(points, boxes, ignored, (int(size[0]), int(size[1])))


def _ground_truth_of(rows: Sequence[_TrueHeads]) -> GroundTruth:
    boxes = np.concatenate([row.boxes for row in rows])
    sizes_wh = np.array([row.size_wh for row in rows], np.int64)
    names = [str(number) for number in range(len(rows))]
    return GroundTruth(
        name="",
        split=None,
        images=Images(names, sizes_wh, None, np.arange(len(rows))),
        by_image=Ragged.from_counts([len(row.points) for row in rows]),
        points_xy=np.concatenate([row.points for row in rows]),
        boxes_xyxy=boxes,
        sigmas=hit_radii(boxes),
        ignored=np.concatenate([row.ignored for row in rows]),
    )
