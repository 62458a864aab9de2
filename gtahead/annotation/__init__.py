"""What gtahead adds to captured heads: pseudo boxes and splits."""

from gtahead.annotation.boxes import BoxRule, HeadFrames, PseudoBoxes, give_boxes
from gtahead.annotation.splits import SplitItem, design_splits

__all__ = [
    "BoxRule",
    "HeadFrames",
    "PseudoBoxes",
    "SplitItem",
    "design_splits",
    "give_boxes",
]
