"""A density regressor: no boxes, no points, a map whose sum is the count."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from gtahead.torch.targets import HeadTargets, density_targets
from gtahead.training.config import TrainConfig
from gtahead.training.detectors.backbones import Backbone, Neck, convolution
from gtahead.training.detectors.detector import Detector, Found, nothing

SCALE = 100.0
"""Heads are counted in hundredths by the network: cells hold small numbers."""


class DensityNet(Detector):
    """A feature pyramid with one output map; the loss is its own."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.backbone = Backbone(config.backbone, config.weights, config.coarsest)
        self.neck = Neck(self.backbone.channels, config.stride, config.channels)
        layers = [convolution(config.channels, config.channels) for _ in range(config.convolutions)]
        self.head = nn.Sequential(*layers, nn.Conv2d(config.channels, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return density maps, (B, H, W), in heads per cell."""
        x: Tensor = self.head(self.neck(self.backbone(images)))
        return softplus(x[:, 0].float()) / SCALE

    def losses(self, images: Tensor, heads: list[HeadTargets]) -> dict[str, Tensor]:
        """Compute the squared error of cells, and the relative error of the count."""
        maps = self(images)
        targets = density_targets(heads, (maps.shape[1], maps.shape[2]), self.stride)
        found, real = maps.sum(dim=(1, 2)), targets.sum(dim=(1, 2))
        return {
            "cells": ((SCALE * (maps - targets)) ** 2).mean() / 10,
            "count": ((found - real).abs() / (real + 1)).mean(),
        }

    def find(self, images: Tensor) -> list[Found]:
        """Return density maps."""
        maps = self(images)
        out = []
        for one in maps:
            empty = nothing(one.device)
            out.append(Found(empty.boxes, empty.scores, torch.as_tensor(one)))
        return out
