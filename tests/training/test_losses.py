"""Mask Focal Loss: its limits, gradients and extremes."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import sigmoid_focal_loss
from training_helpers import centernet_loss

from gtahead.training import MaskFocalLoss, mask_focal_loss


def _maps(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 9, 11, generator=random, dtype=torch.float64)
    heat = torch.rand(2, 9, 11, generator=random, dtype=torch.float64)
    heat[0, 3, 4] = heat[0, 3, 5] = heat[1, 8, 0] = 1.0
    return logits.requires_grad_(), heat


def test_it_is_centernets_loss_with_centres_alone() -> None:
    logits, heat = _maps()
    mine = mask_focal_loss(logits, heat, heat == 1)
    (grad,) = torch.autograd.grad(mine, logits)
    theirs = centernet_loss(logits, heat)
    (expected,) = torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("heads", [0, 3])
def test_it_is_the_focal_loss_with_binary_heat(heads: int) -> None:
    logits, heat = _maps()
    binary = (heat == 1).double() * (heads > 0)
    mine = mask_focal_loss(logits, binary, binary)
    (grad,) = torch.autograd.grad(mine, logits)
    theirs = sigmoid_focal_loss(logits, binary, alpha=-1, gamma=2, reduction="sum")
    theirs = theirs / max(1, heads)
    (expected,) = torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("normalise", ["mass", "centres", "per-head"])
@pytest.mark.parametrize("inside", [0.0, 0.3, 1.0])
def test_gradients(normalise: str, inside: float) -> None:
    logits, heat = _maps(1)
    owner = torch.arange(heat.numel()).view(heat.shape) % 5
    loss = MaskFocalLoss(inside=inside, normalise=normalise, power=1.7, balance=0.3)  # type: ignore[arg-type]
    assert torch.autograd.gradcheck(
        lambda x: loss(x, heat, heat > 0.5, valid=heat < 0.9, owner=owner), (logits,)
    )


def test_by_hand() -> None:
    # Two cells: P = 1/2, Y = 1 and 1/2, both masked: Z = 1.5; log 1/2 = -0.6931.
    logits, heat = torch.zeros(2), torch.tensor([1.0, 0.5])
    half = 0.25 * 0.6931472
    whole = mask_focal_loss(logits, heat, heat > 0)
    assert whole.item() == pytest.approx((1.5 * half + 0.5**4 * half) / 1.5)
    assert mask_focal_loss(logits, heat, heat > 0, inside=0.0).item() == pytest.approx(half)
    squared = mask_focal_loss(logits, heat, heat > 0, inside=0.0, power=2.0, normalise="centres")
    assert squared.item() == pytest.approx(1.25 * half)
    scaled = mask_focal_loss(
        logits, heat, heat == 1, weight=torch.tensor([3.0, 0.0]), normalise="mass"
    )
    assert scaled.item() == pytest.approx((3 * half + 0.5**4 * half) / 3)
    balanced = mask_focal_loss(logits, heat, heat > 0, inside=0.0, balance=0.25)
    assert balanced.item() == pytest.approx(0.25 * half)


def test_each_head_weighs_the_same_on_request() -> None:
    heat = torch.tensor([1.0, 0.5, 0.5, 1.0])
    owner = torch.tensor([4, 4, 4, 9])
    logits = torch.tensor([0.0, 0.0, 0.0, 2.0])
    loss = mask_focal_loss(logits, heat, heat > 0, inside=0.0, normalise="per-head", owner=owner)
    p = torch.sigmoid(torch.tensor(2.0))
    other = (-((1 - p) ** 2) * torch.log(p)).item()
    assert loss.item() == pytest.approx((0.25 * 0.6931472 + other) / 2)
    with pytest.raises(ValueError, match="needs owner"):
        mask_focal_loss(logits, heat, heat > 0, normalise="per-head")


@pytest.mark.parametrize("extreme", [-100.0, 100.0, -1e4, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_finite_at_extremes(extreme: float, dtype: torch.dtype) -> None:
    logits = torch.full((1, 4, 4), extreme, dtype=dtype, requires_grad=True)
    for heat in (torch.zeros(1, 4, 4), torch.ones(1, 4, 4), torch.full((1, 4, 4), 0.5)):
        loss = mask_focal_loss(logits, heat, heat > 0)
        (grad,) = torch.autograd.grad(loss, logits)
        assert loss.dtype == torch.float32
        assert torch.isfinite(loss)
        assert torch.isfinite(grad).all()


def test_float32_inside_autocast() -> None:
    logits, heat = _maps()
    single = logits.detach().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = mask_focal_loss(single, heat, heat > 0.5)
    assert inside.dtype == torch.float32
    assert inside == mask_focal_loss(single, heat, heat > 0.5)


def test_nothing_positive_leaves_the_negative_term() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    empty = torch.zeros(2, 3)
    loss = mask_focal_loss(logits, empty, empty)
    assert loss.item() == pytest.approx(6 * 0.25 * 0.6931472)
    nowhere = mask_focal_loss(logits, empty, empty, valid=empty)
    nowhere.backward()
    assert nowhere.item() == 0


def test_where_the_optimum_lies() -> None:
    """Inside 0: all over the mask at 1. Inside 1: lower where there is less heat."""
    heat = torch.tensor([1.0, 0.6, 0.3])
    best = {}
    for inside in (0.0, 1.0):
        logits = torch.zeros(3, requires_grad=True)
        optimiser = torch.optim.Adam([logits], lr=0.3)
        for _ in range(600):
            optimiser.zero_grad()
            mask_focal_loss(logits, heat, heat > 0, inside=inside).backward()
            optimiser.step()
        best[inside] = torch.sigmoid(logits.detach())
    assert (best[0.0] > 0.95).all()
    assert best[1.0][0] > 0.95 > best[1.0][1] > best[1.0][2]


def test_wrong_calls() -> None:
    with pytest.raises(ValueError, match=r"mask has shape \(2,\), logits \(3,\)"):
        mask_focal_loss(torch.zeros(3), torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="negative"):
        mask_focal_loss(torch.zeros(3), torch.zeros(3), torch.zeros(3), power=-1)
    with pytest.raises(ValueError, match="one of mass"):
        mask_focal_loss(torch.zeros(3), torch.zeros(3), torch.zeros(3), normalise="sum")  # type: ignore[arg-type]
