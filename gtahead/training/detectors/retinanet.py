"""RetinaNet: anchors in the shape of heads, a focal loss over all of them.

Lin et al., *Focal Loss for Dense Object Detection* (arXiv 1708.02002), torchvision's classes.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torchvision.models.detection.retinanet import RetinaNet, RetinaNetHead

from gtahead.training.config import HEATED, TrainConfig
from gtahead.training.detectors.detector import TakesLoss
from gtahead.training.detectors.torchvision_base import (
    FOCAL_ALPHA,
    MIN_SCORE,
    NMS_IOU,
    NORM_GROUPS,
    Canonical,
    Target,
    head_anchors,
    match_images,
    pyramid,
    weighted_loss,
)


class RetinaDetector(Canonical):
    """RetinaNet with three anchors per cell."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.adopt(_HeadRetina(config))


class _HeadRetina(TakesLoss, RetinaNet):
    """torchvision's RetinaNet, whose matching and classification loss are ours."""

    def __init__(self, config: TrainConfig) -> None:
        anchors = head_anchors(config)
        norm = partial(nn.GroupNorm, NORM_GROUPS)
        head = RetinaNetHead(config.channels, anchors.num_anchors_per_location()[0], 1, norm)
        for branch in (head.classification_head, head.regression_head):
            branch.conv = branch.conv[: config.convolutions]
        super().__init__(
            pyramid(config),
            num_classes=1,
            anchor_generator=anchors,
            head=head,
            score_thresh=MIN_SCORE,
            nms_thresh=NMS_IOU,
            detections_per_img=config.max_heads,
            topk_candidates=config.max_heads,
        )
        self.config = config

    def compute_loss(
        self, targets: list[Target], head_outputs: dict[str, Tensor], anchors: list[Tensor]
    ) -> dict[str, Tensor]:
        """Match anchors, and compute the losses of class and box."""
        heated = self.config.loss in HEATED
        found = match_images(self.proposal_matcher, anchors, targets, heated=heated)
        matched = [one.head for one in found]
        losses: dict[str, Tensor] = self.head.compute_loss(targets, head_outputs, anchors, matched)
        if self.config.loss != "native":
            logits = head_outputs["cls_logits"][:, :, 0]
            losses["classification"] = weighted_loss(
                self.config, logits, found, self.own_loss, balance=FOCAL_ALPHA, per_image=True
            )
        return losses
