"""The base of all detectors: a network that computes losses for heads, and finds heads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from gtahead.errors import UsageError
from gtahead.torch.targets import HeadTargets
from gtahead.training.config import TrainConfig
from gtahead.training.losses import HeatLoss

MULTIPLE = 32
"""Sides of images that go into a network are multiples of it: its coarsest stride."""


@dataclass
class Found:
    """What a detector found in one image.

    Attributes:
        boxes: (N, 4) corners in pixels.
        scores: (N,) from 0 to 1.
        density: (H, W) heads per cell, from a detector that only counts.
    """

    boxes: Tensor
    scores: Tensor
    density: Tensor | None = None


def nothing(device: torch.device) -> Found:
    """Return the result for an image in which nothing was found."""
    return Found(torch.zeros(0, 4, device=device), torch.zeros(0, device=device))


class TakesLoss:
    """A part of a detector whose loss of heat or class can be replaced.

    Attributes:
        own_loss: what replaces it, in a tuple: a module in there is no part of the network.
    """

    own_loss: tuple[HeatLoss, ...] = ()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move the loss's buffers, if it has any, wherever the network goes."""
        for loss in self.own_loss:
            if isinstance(loss, nn.Module):
                loss._apply(fn, recurse)  # type: ignore[no-untyped-call]
        found: Self = super()._apply(fn, recurse)  # type: ignore[misc]
        return found


class Detector(nn.Module, ABC):
    """A network that finds heads.

    Attributes:
        stride: pixels a cell of its finest grid.
        counts_only: whether it finds no heads, but counts them: it is chosen by MAE, not by AP.
    """

    stride: int
    counts_only: bool = False

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        self.stride = config.stride

    @abstractmethod
    def losses(self, images: Tensor, heads: list[HeadTargets]) -> dict[str, Tensor]:
        """Compute the parts of the loss.

        Args:
            images: (B, 3, H, W) normalised, sides multiples of `MULTIPLE`.
            heads: of each image.

        Returns:
            Scalars by name; their sum is minimised.
        """

    @abstractmethod
    def find(self, images: Tensor) -> list[Found]:
        """Find the heads of each image, (B, 3, H, W); boxes in its pixels."""

    def use_loss(self, loss: HeatLoss) -> None:
        """Replace the loss of heat or class.

        Raises:
            UsageError: it can't be called, has parameters that nobody would train, or no part of
                the detector takes another one.
        """
        if isinstance(loss, type) or not callable(loss):
            remedy = "a function of logits, heat and mask, or an object such as MaskFocalLoss()"
            raise UsageError("this is no loss", value=loss, remedy=remedy)
        if isinstance(loss, nn.Module) and any(True for _ in loss.parameters()):
            remedy = "make it part of a detector of your own, whose parameters are trained and kept"
            raise UsageError(
                "a loss with parameters isn't trained", value=type(loss).__name__, remedy=remedy
            )
        parts = [part for part in self.modules() if isinstance(part, TakesLoss)]
        if not parts:
            remedy = "use it in the detector's own `losses`"
            raise UsageError(f"{type(self).__name__} takes no other loss", remedy=remedy)
        for part in parts:
            part.own_loss = (loss,)

    def is_deterministic(self) -> bool:
        """Return whether training repeats itself bit for bit on one machine without a GPU."""
        return True
