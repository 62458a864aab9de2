"""Faster R-CNN: a network proposes boxes, a second stage says which are heads.

Ren et al., *Faster R-CNN* (arXiv 1506.01497), torchvision's classes. Mask Focal Loss acts on the
proposals' objectness alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign

from gtahead.training.config import HEATED, TrainConfig
from gtahead.training.detectors.detector import TakesLoss
from gtahead.training.detectors.torchvision_base import (
    MIN_SCORE,
    NMS_IOU,
    NO_LOSS,
    AsTheyAre,
    Canonical,
    Matched,
    Target,
    head_anchors,
    match_images,
    pyramid,
    strides_of,
    weighted_loss,
)

TRAIN_PROPOSALS = 2000
RPN_FOREGROUND, RPN_BACKGROUND, RPN_SAMPLED, RPN_NMS = 0.7, 0.3, 256, 0.7
ROI_FOREGROUND, ROI_SAMPLED, ROI_POSITIVE, ROI_SIDE, ROI_WIDTH = 0.5, 512, 0.25, 7, 256
"""torchvision's own, but for the width: 1,024 there, for 90 classes."""


class FasterRcnnDetector(Canonical):
    """Faster R-CNN with three anchors per cell."""

    label = 1

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        anchors = head_anchors(config)
        levels = [str(number) for number in range(len(strides_of(config)))]
        per_cell = anchors.num_anchors_per_location()[0]
        self.adopt(
            GeneralizedRCNN(
                pyramid(config),
                _HeadRpn(
                    config,
                    anchors,
                    RPNHead(config.channels, per_cell, conv_depth=max(config.convolutions - 1, 1)),
                    RPN_FOREGROUND,
                    RPN_BACKGROUND,
                    RPN_SAMPLED,
                    0.5,
                    {"training": TRAIN_PROPOSALS, "testing": config.max_heads},
                    {"training": TRAIN_PROPOSALS, "testing": config.max_heads},
                    RPN_NMS,
                ),
                _HeadRois(
                    MultiScaleRoIAlign(levels, ROI_SIDE, 2),
                    TwoMLPHead(config.channels * ROI_SIDE**2, ROI_WIDTH),
                    FastRCNNPredictor(ROI_WIDTH, 2),
                    ROI_FOREGROUND,
                    ROI_FOREGROUND,
                    ROI_SAMPLED,
                    ROI_POSITIVE,
                    None,
                    MIN_SCORE,
                    NMS_IOU,
                    config.max_heads,
                ),
                AsTheyAre(),
            )
        )


class _HeadRpn(TakesLoss, RegionProposalNetwork):
    """torchvision's proposals, whose matching and objectness loss are ours."""

    def __init__(self, config: TrainConfig, *rest: object) -> None:
        super().__init__(*rest)
        self.config = config
        self._found: list[Matched] = []

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label anchors 1, 0 or -1 (no loss), and return the box of each."""
        heated = self.config.loss in HEATED
        self._found = match_images(self.proposal_matcher, anchors, targets, heated=heated)
        labels, matched = [], []
        for one, target, boxes in zip(self._found, targets, anchors, strict=True):
            label = (one.head >= 0).float()
            label[one.head == NO_LOSS] = -1.0
            labels.append(label)
            known = target["boxes"]
            matched.append(known[one.head.clamp(min=0)] if len(known) else torch.zeros_like(boxes))
        return labels, matched

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """Compute the losses of objectness and of boxes; the latter's anchors are sampled."""
        of_class, of_box = super().compute_loss(
            objectness, pred_bbox_deltas, labels, regression_targets
        )
        if self.config.loss != "native":
            logits = objectness.reshape(len(labels), -1)
            of_class = weighted_loss(self.config, logits, self._found, self.own_loss)
        self._found = []
        return of_class, of_box


class _HeadRois(RoIHeads):
    """torchvision's second stage, whose matching works in chunks and knows ignored heads."""

    ignored: list[Tensor]

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Choose the proposals that are learned from."""
        self.ignored = [target["ignored"] for target in targets]
        chosen: tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]
        chosen = super().select_training_samples(proposals, targets)
        self.ignored = []
        return chosen

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return for each proposal its head, and label it 1, 0 or -1 (not to be sampled)."""
        del gt_labels
        targets = [
            {"boxes": boxes, "ignored": ignored}
            for boxes, ignored in zip(gt_boxes, self.ignored, strict=True)
        ]
        matched, labels = [], []
        for one in match_images(self.proposal_matcher, proposals, targets, heated=False):
            label = (one.head >= 0).long()
            label[one.head == NO_LOSS] = -1
            matched.append(one.head.clamp(min=0))
            labels.append(label)
        return matched, labels
