"""What gtahead adds to captured heads: pseudo boxes, sigmas, lifted points and splits."""

from gtahead.annotation.boxes import BoxRule, HeadFrames, PseudoBoxes, give_boxes
from gtahead.annotation.ground import depths_over_ground
from gtahead.annotation.kernels import SigmaRule, give_sigmas
from gtahead.annotation.lift import lift_points
from gtahead.annotation.splits import (
    Balance,
    SplitItem,
    balance_of,
    deal_images,
    design_splits,
    parse_shares,
)

__all__ = [
    "Balance",
    "BoxRule",
    "HeadFrames",
    "PseudoBoxes",
    "SigmaRule",
    "SplitItem",
    "balance_of",
    "deal_images",
    "depths_over_ground",
    "design_splits",
    "give_boxes",
    "give_sigmas",
    "lift_points",
    "parse_shares",
]
