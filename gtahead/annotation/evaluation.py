"""How far pseudo boxes are from true ones, rule by rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gtahead.annotation.boxes import BOX_RULES, ORDER, BoxRule, HeadFrames, give_boxes
from gtahead.arrays import Booleans, Floats, Ints
from gtahead.geometry import box_iou, box_sides

MEASURED = tuple(name for name, kind in BOX_RULES.items() if kind.estimates)
"""Rules that are measured, in the order of `auto`."""

HIDDEN = 0.5
"""Share of heads whose depth is hidden from `perspective`; those are measured."""

_POINTS = ("x", "y", "head_id", "frame_index")
_FLAT = (*_POINTS, "top_x", "top_y", "neck_x", "neck_y")


@dataclass(frozen=True)
class Deviations:
    """A rule's boxes compared with the true ones, for the heads that it served.

    Attributes:
        rows: (n,) which heads of the scene.
        boxes_xyxy: (n, 4) the rule's boxes.
        error: (n,) relative error of the side, estimate / ground truth - 1; a side is the root of a
            box's area.
        iou: (n,) overlap with the true box, which depends on its position and shape.
    """

    rows: Ints
    boxes_xyxy: Floats
    error: Floats
    iou: Floats


def measure_rules(
    scene: HeadFrames, ground_truth_xyxy: Floats, wanted: Booleans
) -> dict[str, Deviations]:
    """Run every rule on the scene without captured boxes, and compare with the true ones.

    Each rule sees what it is meant for: else `joints2d` and both kinds of `perspective` would see
    depths and lean on a better rule. `perspective` sees the depths of half of the heads, and is
    measured on the others.

    Args:
        scene: the heads; captured boxes in it are not shown.
        ground_truth_xyxy: (N, 4) true boxes.
        wanted: (N,) which heads to measure.

    Returns:
        By rule of `MEASURED`; rules that served no such head are left out.
    """
    blind = {n: v for n, v in scene.heads.items() if not n.startswith("captured")}
    found = {}
    for rule in MEASURED:
        given, shown = _scene_for(rule, replace(scene, heads=blind))
        boxes = give_boxes(given, BoxRule(BOX_RULES[rule].variant_of or rule))
        rows = np.flatnonzero(wanted & (boxes.source == ORDER.index(rule)) & ~shown)
        if len(rows):
            estimate, ground_truth = boxes.boxes_xyxy[rows], ground_truth_xyxy[rows]
            error = box_sides(estimate) / box_sides(ground_truth) - 1
            found[rule] = Deviations(rows, estimate, error, box_iou(estimate, ground_truth))
    return found


def summary(error: Floats, iou: Floats) -> Mapping[str, Any]:
    """Summarise the deviations of at least one head.

    Returns:
        `heads`; `bias`, the median of the relative error; `median` and `p90` of its absolute value;
        `mean_iou`; and `p10_signed`, `p90_signed`, the range that `box_error_px` is taken from.
    """
    p10, bias, p90 = np.quantile(error, [0.1, 0.5, 0.9])
    median_abs, p90_abs = np.quantile(np.abs(error), [0.5, 0.9])
    return {
        "heads": len(error),
        "bias": round(float(bias), 3),
        "median": round(float(median_abs), 3),
        "p90": round(float(p90_abs), 3),
        "mean_iou": round(float(np.mean(iou)), 3),
        "p10_signed": round(float(p10), 3),
        "p90_signed": round(float(p90), 3),
    }


def _scene_for(rule: str, scene: HeadFrames) -> tuple[HeadFrames, Booleans]:
    """Return the scene with only what a rule may use, and the heads that it is fitted to."""
    shown = np.zeros(len(scene.heads["x"]), np.bool_)
    if rule == "joints2d":  # only what pixels tell
        return replace(scene, heads={n: v for n, v in scene.heads.items() if n in _FLAT}), shown
    if rule.startswith("perspective"):
        heads = {name: values for name, values in scene.heads.items() if name in _POINTS}
        if rule == "perspective" and "depth_m" in scene.heads:
            shown = np.random.default_rng(0).random(len(shown)) >= HIDDEN
            heads["depth_m"] = np.where(shown, scene.heads["depth_m"], np.nan)
        return replace(scene, heads=heads), shown
    return scene, shown
