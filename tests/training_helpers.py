"""Heads to train on, for several test files."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gtahead.torch.targets import HeadTargets


def make_heads(boxes: object, ignored: object = ()) -> HeadTargets:
    """Make heads of lists of corners."""
    known = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    sides = known[:, 2:] - known[:, :2]
    return HeadTargets(known, torch.tensor(ignored, dtype=torch.float32).reshape(-1, 4), sides / 4)


def random_heads(count: int, seed: int, size: tuple[int, int] = (128, 96)) -> HeadTargets:
    """Spread heads of 3 to 30 px over an image."""
    random = np.random.default_rng(seed)
    centre = random.uniform(0, 1, (count, 2)) * size
    sides = random.uniform(3, 30, (count, 2))
    return make_heads(np.concatenate([centre - sides / 2, centre + sides / 2], axis=1).tolist())


QUICK: dict[str, Any] = {
    "crop_wh": (64, 64),
    "batch": 2,
    "epochs": 2,
    "epoch_crops": 4,
    "channels": 8,
    "convolutions": 0,
    "coarsest": 8,
    "warmup": 1,
    "ema": 0.5,
}
"""Settings of a run of seconds."""


def centernet_loss(logits: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    """Write CenterNet's loss as its paper has it (Zhou et al. 2019, equation 1)."""
    p = torch.sigmoid(logits)
    centre = heat == 1
    positive = ((1 - p) ** 2 * torch.log(p))[centre].sum()
    negative = ((1 - heat) ** 4 * p**2 * torch.log(1 - p))[~centre].sum()
    return -(positive + negative) / centre.sum()
