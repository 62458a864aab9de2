"""What gtahead adds to captured heads: pseudo boxes, lifted points and splits."""

from gtahead.annotation.boxes import BoxRule, HeadFrames, PseudoBoxes, give_boxes
from gtahead.annotation.ground import depths_over_ground
from gtahead.annotation.lift import lift_points
from gtahead.annotation.splits import Balance, SplitItem, balance_of, design_splits

__all__ = [
    "Balance",
    "BoxRule",
    "HeadFrames",
    "PseudoBoxes",
    "SplitItem",
    "balance_of",
    "depths_over_ground",
    "design_splits",
    "give_boxes",
    "lift_points",
]
