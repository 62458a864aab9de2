"""All metrics of predictions: their states, matches and detections, computed once."""

from __future__ import annotations

import numpy as np

from gtahead.arrays import Booleans, Floats
from gtahead.metrics import definitions
from gtahead.metrics.crowdhuman import (
    JI_THRESHOLDS,
    RULE,
    Overlaps,
    clipped,
    jaccard_index,
    miss_rate,
    overlaps_of,
)
from gtahead.metrics.detection import Detections, ap_metrics, match_boxes
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.metrics.matching import Matching
from gtahead.predictions import Predictions


def metrics_of(
    ground_truth: GroundTruth, predictions: Predictions, threshold: float | None
) -> dict[str, float]:
    """Return the plain metrics of predictions, without intervals, as training looks at them.

    Args:
        ground_truth: heads to be found.
        predictions: in the order of its images.
        threshold: of scores from which on a head counts.

    Returns:
        By the names of `definitions.METRICS`, those of detection where there are boxes; NaN where a
        metric isn't defined.
    """
    return Evaluation(ground_truth, predictions, threshold).values()


class Evaluation:
    """One scoring: states, matches and detections of a ground truth and its predictions."""

    def __init__(
        self, ground_truth: GroundTruth, predictions: Predictions, threshold: float | None
    ) -> None:
        self.ground_truth, self.predictions = ground_truth, predictions
        least = 0.0 if threshold is None else threshold
        xy, scores, by_image = predictions.heads()
        self.scored = threshold is not None
        keep = scores >= least
        self.points_xy, self.by_image = xy[keep], by_image.where(keep)
        self.located = bool((predictions.has_points | predictions.has_boxes).any())
        found = definitions.counts_of(predictions, least)
        self.states: dict[str, Floats] = definitions.counting_states(ground_truth.counts, found)
        if predictions.grids is not None:
            self.states |= definitions.game_states_of_maps(ground_truth, predictions.grids)
        self.matching: Matching | None = None
        self.radius = "8px"
        if self.located:
            self.states |= definitions.game_states(ground_truth, self.points_xy, self.by_image)
            for name in definitions.radii_known(ground_truth):
                matching = definitions.match_within(
                    ground_truth, self.points_xy, self.by_image, name
                )
                self.states |= definitions.matching_states(
                    ground_truth, self.by_image, matching, name
                )
                if name == "large" or (name == "8px" and self.matching is None):
                    self.matching, self.radius = matching, name
        self.detections: Detections | None = None
        self.misses: Detections | None = None
        self.overlaps: Overlaps | None = None
        if bool(predictions.has_boxes.any()) and ground_truth.has_boxes:
            self.detections = self.match()
            self.misses, self.overlaps = self._by_crowdhuman()
            self.states |= self._jaccard(predictions.box_scores >= least)

    def match(self, cap: int | None = None) -> Detections:
        """Match boxes with heads, all or the best of each image."""
        predictions = self.predictions
        boxes, scores = predictions.boxes_xyxy, predictions.box_scores
        return definitions.match_heads(
            self.ground_truth, boxes, scores, predictions.boxes_by_image, cap
        )

    def _by_crowdhuman(self) -> tuple[Detections, Overlaps]:
        """Match boxes as CrowdHuman's evaluation does, for the miss rate and Jaccard indices."""
        true, by_image = self.ground_truth, self.predictions.boxes_by_image
        sizes = true.images.sizes_wh
        boxes = clipped(self.predictions.boxes_xyxy, by_image, sizes)
        heads = clipped(np.nan_to_num(true.boxes_xyxy), true.by_image, sizes)
        rest = (heads, true.by_image.offsets, true.ignored)
        scores = self.predictions.box_scores
        found = match_boxes(boxes, scores, by_image.offsets, *rest, rule=RULE)
        return found, overlaps_of(boxes, by_image.offsets, *rest)

    def _jaccard(self, kept: Booleans) -> dict[str, Floats]:
        assert self.overlaps is not None
        index = jaccard_index(self.overlaps, kept)
        there = ~np.isnan(index)
        return {"jaccard": np.where(there, index, 0), "jaccard_images": there.astype(np.float64)}

    def values(self) -> dict[str, float]:
        """Return all metrics of the whole."""
        sums = definitions.totals(self.states)
        found = {name: float(value) for name, value in definitions.values_of(sums).items()}
        if self.detections is not None and self.misses is not None:
            found |= {
                **ap_metrics(self.detections),
                "mr2": miss_rate(self.misses),
                "ji_best": self._best_jaccard(),
            }
        return found

    def _best_jaccard(self) -> float:
        """Return CrowdHuman's JI: the best of ten thresholds, chosen on the same data.

        Its evaluation keeps the scores above a threshold, where ours keeps those from it on.
        """
        best = 0.0
        for threshold in JI_THRESHOLDS:
            states = self._jaccard(self.predictions.box_scores > threshold)
            images = states["jaccard_images"].sum()
            best = max(best, float(states["jaccard"].sum() / images) if images else 0.0)
        return best

    def undefined(self) -> dict[str, str]:
        """Return why groups of metrics are missing."""
        why = {}
        if not self.located:
            are = "counts alone" if self.predictions.grids is None else "density maps"
            why["localisation"] = f"the predictions are {are}"
        elif "small" not in definitions.radii_known(self.ground_truth):
            why["localisation"] = "heads have no boxes; radii are fixed"
        spread = self.located or self.predictions.grids is not None
        if spread and "game1" not in self.states:
            why["game"] = "the sizes of the images aren't known"
        if not self.predictions.has_boxes.any():
            why["detection"] = "the predictions have no boxes"
        elif not self.ground_truth.has_boxes:
            why["detection"] = "not every head of the ground truth has a box"
        return why
