"""Lifting points of the game's bone SKEL_Head to the centre of the visible head.

The bone sits at the base of the skull, about the chin. Its distance to the visible centre, as a
share of the side of the head's box, was measured by `tools/experiments/measure_lift.py` on 29 heads
of two real frames: 0.54, of which the median is certain to 0.41 to 0.69. (The middle of JTA's
joints head_top and head_center, 0.11 m apart, would give 0.47; a public labeler lifts by 0.075.)
"""

from __future__ import annotations

import numpy as np

from gtahead.annotation.boxes import BoxRule, HeadFrames, give_boxes
from gtahead.arrays import Floats
from gtahead.geometry import box_sides, snapped

LIFT_SHARE = 0.54
"""Of the side of a head's box; less by the cosine of the pitch where the camera looks down."""


def lift_points(scene: HeadFrames) -> Floats:
    """Return the visible heads' centres for points that are SKEL_Head.

    The side comes from the best rule that the frame can serve, whatever rule the dataset's boxes
    are made by: so positions don't depend on the boxes that are asked for.

    Args:
        scene: heads with `raw_x` and `raw_y`, and `x` and `y` equal to them.

    Returns:
        (N, 2) pixels, multiples of 1/256.
    """
    boxes = give_boxes(scene, BoxRule()).boxes_xyxy
    sides = box_sides(boxes)
    pitch = np.where(np.isnan(scene.pitch_deg), 0.0, scene.pitch_deg)[scene.heads["frame_index"]]
    lifted = scene.points_xy
    lifted[:, 1] -= LIFT_SHARE * sides * np.cos(np.radians(pitch))
    return snapped(lifted)
