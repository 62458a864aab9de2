"""CenterNet: a head is a peak of a heatmap, with a size.

Zhou et al., *Objects as Points* (arXiv 1904.07850), with plain convolutions and a feature pyramid.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad
from torchvision.ops import nms

from gtahead.torch.targets import HeadTargets, HeatTargets, heat_targets
from gtahead.training.config import TrainConfig
from gtahead.training.detectors.backbones import Backbone, Neck, convolution
from gtahead.training.detectors.detector import Detector, Found, TakesLoss
from gtahead.training.losses import mask_focal_loss

PRIOR = 0.05
"""Heat that an untrained network gives everywhere."""

MIN_SCORE = 0.01
NMS_IOU, NEIGHBOURS_IOU = 0.5, 0.3
"""Boxes that overlap by more are one head's: of any cells, and of two that touch."""

OFFSET_WEIGHT, SIZE_WEIGHT = 1.0, 0.5
MAX_SIZE = 6.0
"""Of the logarithm of a side in cells: 400 cells."""


class CenterNet(TakesLoss, Detector):
    """A heatmap, offsets and sizes on one grid."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.backbone = Backbone(config.backbone, config.weights, config.coarsest)
        self.neck = Neck(self.backbone.channels, config.stride, config.channels)
        self.heat = _head(config, 1)
        self.offset = _head(config, 2)
        self.size = _head(config, 2)
        last = self.heat[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits of the heat (B, H, W), offsets and logarithms of sides (B, 2, H, W)."""
        x = self.neck(self.backbone(images))
        return self.heat(x)[:, 0], self.offset(x), self.size(x)

    def losses(self, images: Tensor, heads: list[HeadTargets]) -> dict[str, Tensor]:
        """Compute the losses of heat, offset and size."""
        logits, offset, size = self(images)
        shape = (logits.shape[1], logits.shape[2])
        targets = heat_targets(heads, shape, self.stride, self.config.kernel)
        # Offset and size are learned all over the masks, the more the nearer, whatever the loss of
        # the heat: a peak that is off by a cell has them too.
        weight = (targets.near * targets.mask)[:, None]
        total = weight.sum().clamp(min=1)
        return {
            "heat": self._heat_loss(logits, targets),
            "offset": OFFSET_WEIGHT * (weight * (offset - targets.offset).abs()).sum() / total,
            "size": SIZE_WEIGHT * (weight * (size - targets.size).abs()).sum() / total,
        }

    def _heat_loss(self, logits: Tensor, targets: HeatTargets) -> Tensor:
        options = self.config
        heat, mask, valid = targets.heat, targets.mask, targets.valid
        if self.own_loss:
            return self.own_loss[0](logits, heat, mask, valid=valid, owner=targets.owner)
        centres = heat == 1
        weight = None
        if options.loss == "native":
            mask = centres
        elif options.loss == "native-mass":
            mask, weight = centres, targets.mass
        elif options.loss == "focal":
            heat, mask = centres.float(), centres
        elif options.loss == "binary":
            heat = mask.float()
        elif options.loss == "mfl-area":
            mask = targets.box
            valid = valid | mask
        return mask_focal_loss(
            logits,
            heat,
            mask,
            **options.loss_options,
            valid=valid,
            owner=targets.owner,
            weight=weight,
        )

    def find(self, images: Tensor) -> list[Found]:
        """Decode boxes of all cells by NMS, or peaks."""
        logits, offset, size = (values.float() for values in self(images))
        return self.decode(torch.sigmoid(logits), offset, size)

    def candidates(self, heat: Tensor, offset: Tensor, size: Tensor) -> Tensor:
        """Return which cells, (B, H, W), can be heads; NMS may drop more of them."""
        if self.config.decode == "peaks":
            return peaks_in(heat)
        return surest_in(heat, offset, size)

    def decode(self, heat: Tensor, offset: Tensor, size: Tensor) -> list[Found]:
        """Read heads from heat (B, H, W), offsets and logarithms of sides (B, 2, H, W), in cells.

        Decoding targets gives what a perfect network would reach.
        """
        chosen = (heat >= MIN_SCORE) & self.candidates(heat, offset, size)
        found = []
        for number in range(len(heat)):
            row, column = torch.nonzero(chosen[number], as_tuple=True)
            scores = heat[number, row, column]
            if len(scores) > self.config.max_heads:
                scores, best = scores.topk(self.config.max_heads)
                row, column = row[best], column[best]
            cell = torch.stack([column, row], dim=1)
            centre = (cell + offset[number, :, row, column].T) * self.stride
            sides = size[number, :, row, column].T.clamp(max=MAX_SIZE).exp() * self.stride
            boxes = torch.cat([centre - sides / 2, centre + sides / 2], dim=1)
            if self.config.decode == "nms":
                kept = nms(boxes, scores, NMS_IOU)
                boxes, scores = boxes[kept], scores[kept]
            found.append(Found(boxes, scores))
        return found


def peaks_in(heat: Tensor) -> Tensor:
    """Return which cells of heat, (B, H, W), no neighbour is above; of equal ones the first."""
    rows, columns = heat.shape[1:]
    _, highest = max_pool2d(heat[:, None], 3, 1, 1, return_indices=True)
    return highest[:, 0] == torch.arange(rows * columns, device=heat.device).view(rows, columns)


def surest_in(heat: Tensor, offset: Tensor, size: Tensor) -> Tensor:
    """Return which cells no neighbour has a surer box for the same head than, (B, H, W).

    Other than a peak, a cell may have a neighbour with more heat, if their boxes are apart: so
    heads in touching cells are both found.

    Args:
        heat: (B, H, W).
        offset: (B, 2, H, W) from the cell to the box's centre, in cells, x before y.
        size: (B, 2, H, W) logarithms of the box's sides, in cells.
    """
    rows, columns = heat.shape[1:]
    down, across = torch.meshgrid(
        torch.arange(rows, device=heat.device), torch.arange(columns, device=heat.device),
        indexing="ij",
    )  # fmt: skip
    centre = torch.stack([across, down]) + offset
    sides = size.clamp(max=MAX_SIZE).exp()
    # Beyond the edge there is no box, so none that is surer.
    around = [pad(values, (1, 1, 1, 1)) for values in (heat[:, None], centre, sides)]
    keep = torch.ones_like(heat, dtype=torch.bool)
    for y in (0, 1, 2):
        for x in (0, 1, 2):
            if (y, x) == (1, 1):
                continue
            other = [values[:, :, y : y + rows, x : x + columns] for values in around]
            more = other[0][:, 0]
            # Of equal neighbours the first one stays, in the order of reading.
            surer = more >= heat if (y, x) < (1, 1) else more > heat
            apart = (other[1] - centre).abs()
            within = ((other[2] + sides) / 2 - apart).minimum(sides).minimum(other[2])
            shared = within.clamp(min=0).prod(dim=1)
            union = sides.prod(dim=1) + other[2].prod(dim=1) - shared
            keep &= ~(surer & (shared > NEIGHBOURS_IOU * union))
    return keep


def _head(config: TrainConfig, out: int) -> nn.Sequential:
    layers = [convolution(config.channels, config.channels) for _ in range(config.convolutions)]
    return nn.Sequential(*layers, nn.Conv2d(config.channels, out, 1))
