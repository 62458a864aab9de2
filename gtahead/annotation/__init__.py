"""What gtahead adds to captured heads: pseudo boxes, lifted points and splits."""

from gtahead.annotation.boxes import BoxRule, HeadFrames, PseudoBoxes, give_boxes
from gtahead.annotation.ground import depths_over_ground
from gtahead.annotation.lift import lift_points
from gtahead.annotation.splits import SplitItem, design_splits

__all__ = [
    "BoxRule",
    "HeadFrames",
    "PseudoBoxes",
    "SplitItem",
    "depths_over_ground",
    "design_splits",
    "give_boxes",
    "lift_points",
]
