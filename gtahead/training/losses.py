"""Mask Focal Loss: every cell of a head is positive, weighted by the heat that is found there.

Losses on heatmaps have one positive cell a head; losses on binary maps have the whole area with
equal weight. Mask Focal Loss (Zhong et al., arXiv 2212.11542) takes the area, weighted by the heat.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

Normalise = Literal["mass", "centres", "per-head"]
NORMALISE: tuple[Normalise, ...] = ("mass", "centres", "per-head")


class HeatLoss(Protocol):
    """A loss of heat or class, such as `MaskFocalLoss()`, that `train` takes as `loss`.

    It is called with logits, heat in [0, 1], and the mask of positives, all of one shape, and by
    name with `valid`, False where nothing is to be learned, and `owner`, the number of the head
    that a positive belongs to, else -1. It returns a scalar.
    """

    def __call__(
        self, logits: Tensor, heat: Tensor, mask: Tensor, /, *, valid: Tensor, owner: Tensor
    ) -> Tensor:
        """Compute the loss."""


def mask_focal_loss(
    logits: Tensor,
    heat: Tensor,
    mask: Tensor,
    *,
    focus: float = 2.0,
    penalty: float = 4.0,
    power: float = 1.0,
    inside: float = 1.0,
    normalise: Normalise = "mass",
    balance: float | None = None,
    valid: Tensor | None = None,
    owner: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Compute Mask Focal Loss.

    With P = sigmoid(logits), heat Y and mask M, all of one shape:

        positive = M · Y^power
        negative = (1 − Y)^penalty · (1 where M = 0, else inside)
        loss = −1/Z · Σ [ positive · (1 − P)^focus · log P + negative · P^focus · log(1 − P) ]

    Two limits are exact: with M = [Y = 1] it is CenterNet's penalty-reduced focal loss; with Y in
    {0, 1} and M = [Y = 1] it is the focal loss of Lin et al. without balance.

    Args:
        logits: any shape; of half precision they are taken to float32, inside autocast too.
        heat: in [0, 1], no gradient flows there.
        mask: 1 (or True) inside any head's area.
        focus: how much less sure cells weigh more; CenterNet's alpha, torchvision's gamma.
        penalty: how fast negatives grow from a head's centre outwards; CenterNet's beta.
        power: of the heat in positives; large ones leave the centre alone.
        inside: share of the negative term in masked cells. 1 makes the optimum fall with the heat,
            so peaks exist; 0 makes it 1 all over the mask, for detectors that decode by NMS.
        normalise: Z is at least 1, and by "mass" the sum of positives, by "centres" the number of
            cells with Y = 1, by "per-head" the number of heads, each head's positives adding
            up to 1.
        balance: share of the positive term; 1 − balance that of the negative; None for neither.
        valid: where there is a loss at all; everywhere unless given.
        owner: whole numbers, from 0: to which head a masked cell belongs; "per-head" needs it.
        weight: further factor of the positives, which Z takes in as well.

    Returns:
        A scalar, float32 (float64 for such logits): finite, in its gradient too, whatever the
        finite logits and where nothing is positive; then it is the negative term alone.

    Raises:
        ValueError: shapes differ, a parameter is out of range, or `owner` is missing.
    """
    for name, given in (("heat", heat), ("mask", mask), ("valid", valid), ("weight", weight)):
        if given is not None and given.shape != logits.shape:
            raise ValueError(f"{name} has shape {tuple(given.shape)}, logits {tuple(logits.shape)}")
    if min(focus, penalty, power, inside) < 0:
        raise ValueError("focus, penalty, power and inside can't be negative")
    if normalise not in NORMALISE:
        raise ValueError(f"normalise must be one of {', '.join(NORMALISE)}, not {normalise!r}")
    with torch.autocast(logits.device.type, enabled=False):
        x = logits if logits.dtype == torch.float64 else logits.float()
        y, m = heat.to(x.dtype), mask.to(x.dtype)
        positive = m * (y if power == 1 else y.pow(power))
        if weight is not None:
            positive = positive * weight.to(x.dtype)
        negative = (1 - y).pow(penalty) * (1 - m * (1 - inside))
        if valid is not None:
            positive, negative = positive * valid, negative * valid
        if normalise == "centres":
            total = ((y == 1) & (positive > 0)).sum().to(x.dtype)
        elif normalise == "per-head":
            positive, total = _per_head(positive, owner)
        else:
            total = positive.sum()
        log_p, log_not_p = logsigmoid(x), logsigmoid(-x)
        if balance is not None:
            positive, negative = balance * positive, (1 - balance) * negative
        # exp(focus · log P) is P^focus with a gradient that stays finite at P = 0.
        terms = positive * torch.exp(focus * log_not_p) * log_p
        terms = terms + negative * torch.exp(focus * log_p) * log_not_p
        return -terms.sum() / total.clamp(min=1)


def _per_head(positive: Tensor, owner: Tensor | None) -> tuple[Tensor, Tensor]:
    if owner is None or owner.shape != positive.shape:
        msg = 'normalise="per-head" needs owner, of the shape of logits'
        raise ValueError(msg)
    held = positive > 0
    _, head = torch.unique(owner[held], return_inverse=True)
    count = int(head.max()) + 1 if head.numel() else 0
    masses = positive.new_zeros(count).index_add(0, head, positive[held])
    shares = torch.zeros_like(positive)
    shares[held] = positive[held] / masses[head]
    return shares, positive.new_tensor(float(count))


class MaskFocalLoss(nn.Module):
    """Mask Focal Loss with its parameters; see `mask_focal_loss`.

    Example:
        >>> loss = MaskFocalLoss(inside=0.0)
        >>> heat = torch.tensor([[0.2, 1.0, 0.2]])
        >>> round(loss(torch.zeros(1, 3), heat, heat > 0).item(), 4)
        0.1733
    """

    def __init__(
        self,
        *,
        focus: float = 2.0,
        penalty: float = 4.0,
        power: float = 1.0,
        inside: float = 1.0,
        normalise: Normalise = "mass",
        balance: float | None = None,
    ) -> None:
        super().__init__()
        self.focus, self.penalty, self.power, self.inside = focus, penalty, power, inside
        self.normalise, self.balance = normalise, balance

    def forward(
        self,
        logits: Tensor,
        heat: Tensor,
        mask: Tensor,
        *,
        valid: Tensor | None = None,
        owner: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss; see `mask_focal_loss`."""
        return mask_focal_loss(
            logits,
            heat,
            mask,
            focus=self.focus,
            penalty=self.penalty,
            power=self.power,
            inside=self.inside,
            normalise=self.normalise,
            balance=self.balance,
            valid=valid,
            owner=owner,
            weight=weight,
        )

    def extra_repr(self) -> str:
        """Name the parameters."""
        names = ("focus", "penalty", "power", "inside", "normalise", "balance")
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
