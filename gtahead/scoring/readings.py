"""Positions that fit badly, read as people also write them: does another reading fit?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gtahead.arrays import Floats
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.metrics import definitions
from gtahead.metrics.detection import Rule, ap_at, match_boxes
from gtahead.metrics.evaluation import Evaluation
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.predictions import Predictions

IMAGES = 50
"""Images that are looked at: what is read wrongly is so in all."""

POOR = 0.2
"""AP50 or F1 below which other readings are tried."""

BETTER = 3
"""How many times as much another reading has to reach, and `POOR` at least."""


def note_other_readings(run: Evaluation, findings: Findings, file: str) -> None:
    """Note where boxes or points fit far better when they are read otherwise.

    Args:
        run: the scoring.
        findings: takes the hint, a warning.
        file: name of the prediction file in messages.
    """
    has_boxes = run.detections is not None
    if not len(run.predictions.heads()[0]) or not (has_boxes or run.matching is not None):
        return
    true, found = _some(run)
    name, score = ("AP50", _ap50) if has_boxes else ("F1", _f1)
    given = score(true, found)
    if not len(true.points_xy) or not given < POOR:  # NaN isn't less
        return
    tried = {how: score(true, one) for how, one in _readings(true, found, has_boxes)}
    how, best = max(tried.items(), key=lambda one: np.nan_to_num(one[1]))
    if best > max(POOR, BETTER * given):
        detail = f"{name} is {given:.2f} as given, {best:.2f} read as {how}"
        findings.add("read-otherwise", Where(file), detail=detail)


def _some(run: Evaluation) -> tuple[GroundTruth, Predictions]:
    """Return up to `IMAGES` images in which something was found, evenly spaced."""
    true, found = run.ground_truth, run.predictions
    _, _, by_image = found.heads()
    there = np.flatnonzero(by_image.counts > 0)
    rows = there[np.unique(np.linspace(0, len(there) - 1, IMAGES).astype(np.int64))]
    heads, by_image = true.by_image.take(rows)
    images = replace(
        true.images,
        ids=[true.images.ids[row] for row in rows.tolist()],
        sizes_wh=true.images.sizes_wh[rows],
        sequences=None,
        numbers=true.images.numbers[rows],
    )
    some = GroundTruth(
        *(true.name, true.split, images, by_image, true.points_xy[heads], true.boxes_xyxy[heads]),
        *(true.sigmas[heads], true.ignored[heads]),
    )
    return some, found.taken(rows)


def _ap50(true: GroundTruth, found: Predictions) -> float:
    detections = match_boxes(
        *(found.boxes_xyxy, found.box_scores, found.boxes_by_image.offsets),
        *(np.nan_to_num(true.boxes_xyxy), true.by_image.offsets, true.ignored),
        rule=Rule((0.5,)),
    )
    return ap_at(detections, 0)


def _f1(true: GroundTruth, found: Predictions) -> float:
    name = "large" if "large" in definitions.radii_known(true) else "8px"
    points, _, by_image = found.heads()
    matching = definitions.match_within(true, points, by_image, name)
    states = definitions.matching_states(true, by_image, matching, name)
    return float(definitions.share(name, "f1")(definitions.totals(states)))


def _readings(
    true: GroundTruth, found: Predictions, has_boxes: bool
) -> Iterator[tuple[str, Predictions]]:
    """Yield how positions may be read, in words, and the predictions read so."""
    corners = found.boxes_xyxy
    low, sides = corners[:, :2], corners[:, 2:] - corners[:, :2]
    if has_boxes:
        yield "corners", _with(found, np.concatenate([low, np.maximum(sides, low + 0.1)], axis=1))
        yield "centres", _with(found, corners - np.tile(sides / 2, 2))
    swapped = replace(_with(found, corners[:, [1, 0, 3, 2]]), points_xy=found.points_xy[:, ::-1])
    yield "y before x", swapped
    sizes = true.images.sizes_wh.astype(np.float64)
    if (sizes > 0).all():
        of_boxes, of_points = found.boxes_by_image.index, found.points_by_image.index
        shares = _with(found, corners * np.tile(sizes[of_boxes], 2))
        yield ("shares of the image", replace(shares, points_xy=found.points_xy * sizes[of_points]))
    for factor in (0.5, 2.0):
        scaled = _with(found, corners * factor)
        yield (
            f"pixels of images {1 / factor:.3g} times as large",
            replace(scaled, points_xy=found.points_xy * factor),
        )


def _with(found: Predictions, boxes_xyxy: Floats) -> Predictions:
    return replace(found, boxes_xyxy=boxes_xyxy)
