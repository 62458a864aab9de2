"""FCOS: every location near a head's centre is a head, with distances to the box's four sides.

Tian et al., *FCOS* (arXiv 2006.09214), torchvision's classes, for heads of 4 to 100 px.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS, FCOSHead

from gtahead.training.config import AREAS, HEATED, TrainConfig
from gtahead.training.detectors.detector import TakesLoss
from gtahead.training.detectors.torchvision_base import (
    BACKGROUND,
    FOCAL_ALPHA,
    MIN_SCORE,
    NMS_IOU,
    Canonical,
    Matched,
    Target,
    centres_of,
    chunks_of,
    gaussians,
    in_ellipses,
    own_heat,
    pyramid,
    strides_of,
    weighted_loss,
    without_ignored,
)

RANGE_LOW, RANGE_HIGH = 4, 8
"""A level learns boxes whose farthest side is so many strides away; the first and last, all."""


class FcosDetector(Canonical):
    """FCOS with one location per cell."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.adopt(_HeadFcos(config))


class _HeadFcos(TakesLoss, FCOS):
    """torchvision's FCOS, whose matching and classification loss are ours."""

    def __init__(self, config: TrainConfig) -> None:
        strides = strides_of(config)
        super().__init__(
            pyramid(config),
            num_classes=1,
            anchor_generator=AnchorGenerator(
                tuple((stride,) for stride in strides), ((1.0,),) * len(strides)
            ),
            head=FCOSHead(config.channels, 1, 1, num_convs=config.convolutions),
            score_thresh=MIN_SCORE,
            nms_thresh=NMS_IOU,
            detections_per_img=config.max_heads,
            topk_candidates=config.max_heads,
            center_sampling_radius=config.centre_radius,
        )
        self.config = config

    def compute_loss(
        self,
        targets: list[Target],
        head_outputs: dict[str, Tensor],
        anchors: list[Tensor],
        num_anchors_per_level: list[int],
    ) -> dict[str, Tensor]:
        """Match locations, and compute the losses of class, box and centre-ness."""
        config = self.config
        heated = config.loss in (*HEATED, *AREAS)
        found = [
            match_locations(
                positions, target, num_anchors_per_level, self.center_sampling_radius, heated=heated
            )
            for positions, target in zip(anchors, targets, strict=True)
        ]
        matched = [one.head.clamp(min=BACKGROUND) for one in found]
        losses: dict[str, Tensor] = self.head.compute_loss(targets, head_outputs, anchors, matched)
        logits = head_outputs["cls_logits"][:, :, 0]
        if config.loss != "native" or any(len(target["ignored"]) for target in targets):
            losses["classification"] = weighted_loss(
                config, logits, found, self.own_loss, balance=FOCAL_ALPHA
            )
        return losses


def match_locations(
    anchors: Tensor, target: Target, per_level: list[int], radius: float, *, heated: bool
) -> Matched:
    """Match locations to heads as torchvision's FCOS does, in chunks of heads.

    Where several heads claim a location the smallest has it, then the first: torchvision's own
    choice is up to float32's last digit at 1e8, so that areas within 8 px of each other tie there.

    Args:
        anchors: (L, 4) squares around the locations, as large as their stride.
        target: an image's boxes and ignored boxes.
        per_level: how many locations each level has.
        radius: in strides, within which of a head's centre a location is its.
        heated: whether heat is wanted.
    """
    boxes = target["boxes"]
    points, strides = centres_of(anchors), anchors[:, 2] - anchors[:, 0]
    low, high = strides * RANGE_LOW, strides * RANGE_HIGH
    low[: per_level[0]] = 0
    high[-per_level[-1] :] = torch.inf
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)
    sides = (boxes[:, 2:] - boxes[:, :2]).amax(dim=1) / 2
    size = (len(anchors),)
    smallest = torch.full(size, torch.inf, device=anchors.device)
    head = torch.full(size, BACKGROUND, dtype=torch.int64, device=anchors.device)
    near, area_heat = torch.zeros(2, *size, device=anchors.device)
    area = torch.zeros(size, dtype=torch.bool, device=anchors.device)
    for part in chunks_of(len(boxes), len(anchors)):
        some = boxes[part]
        match = _claims(points, some, strides, radius, low, high)
        value, index = torch.where(match, areas[part, None], torch.inf).min(dim=0)
        better = value < smallest
        head = torch.where(better, index + part.start, head)
        smallest = torch.minimum(smallest, value)
        if heated:
            level = (sides[part, None] >= low) & (sides[part, None] < high)
            heat = gaussians(points, some) * level
            near = torch.maximum(near, heat.amax(dim=0))
            area |= (in_ellipses(points, some) & level).any(dim=0)
            most = heat.amax(dim=1, keepdim=True).clamp(min=1e-12)
            area_heat = torch.maximum(area_heat, (heat / most).amax(dim=0))
    head = without_ignored(head, points, target["ignored"])
    heat = own_heat(head, points, boxes) if heated else near
    return Matched(head, near, heat, area, area_heat)


def _claims(
    points: Tensor, boxes: Tensor, strides: Tensor, radius: float, low: Tensor, high: Tensor
) -> Tensor:
    """Return which locations each head claims, (N, L)."""
    away = (points[None] - centres_of(boxes)[:, None]).abs().amax(dim=2)
    sides = torch.cat([points[None] - boxes[:, None, :2], boxes[:, None, 2:] - points[None]], dim=2)
    farthest = sides.amax(dim=2)
    return (
        (away < radius * strides) & (sides.amin(dim=2) > 0) & (farthest > low) & (farthest < high)
    )
