"""Targets against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from training_helpers import make_heads, random_heads

from gtahead.density import render_density
from gtahead.torch import targets as module
from gtahead.torch.targets import HeadTargets, density_targets, heat_targets


def _plain(heads: HeadTargets, shape: tuple[int, int], stride: int) -> dict[str, np.ndarray]:
    """Write the definition down: every cell, every head."""
    out = {name: np.zeros(shape) for name in ("heat", "mask", "owner", "ox", "oy", "w", "h")}
    out["owner"] -= 1
    boxes = heads.boxes.double().numpy() / stride
    for row in range(shape[0]):
        for column in range(shape[1]):
            best: tuple[float, float, int] | None = None
            for number, (x0, y0, x1, y1) in enumerate(boxes):
                cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
                away = column - math.floor(cx), row - math.floor(cy)
                sides = x1 - x0, y1 - y0
                sigma = [max(side / 4, 0.5) for side in sides]
                if any(abs(a) > math.ceil(4 * s) for a, s in zip(away, sigma, strict=True)):
                    continue
                value = math.exp(-sum((a / s) ** 2 for a, s in zip(away, sigma, strict=True)) / 2)
                semi = [max(side / 2, 0.5) for side in sides]
                if sum((a / s) ** 2 for a, s in zip(away, semi, strict=True)) <= 1:
                    out["mask"][row, column] = 1
                if best is None or (-value, sides[0] * sides[1], number) < best:
                    best = (-value, sides[0] * sides[1], number)
                    out["heat"][row, column] = value
                    out["owner"][row, column] = number
                    out["ox"][row, column], out["oy"][row, column] = cx - column, cy - row
                    out["w"][row, column], out["h"][row, column] = np.log(sides)
    return out


@pytest.mark.parametrize(("stride", "chunk"), [(4, 2_000_000), (2, 500)])
def test_heat_targets_are_the_definition(
    stride: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    batch = [random_heads(25, 1), random_heads(0, 2), random_heads(9, 3)]
    shape = (96 // stride, 128 // stride)
    found = heat_targets(batch, shape, stride)
    first = 0
    for number, heads in enumerate(batch):
        plain = _plain(heads, shape, stride)
        np.testing.assert_allclose(found.heat[number], plain["heat"], atol=1e-6)
        assert (found.mask[number].numpy() == plain["mask"].astype(bool)).all()
        owner = np.where(plain["owner"] >= 0, plain["owner"] + first, -1)
        assert (found.owner[number].numpy() == owner).all()
        np.testing.assert_allclose(found.offset[number, 0], plain["ox"], atol=1e-4)
        np.testing.assert_allclose(found.offset[number, 1], plain["oy"], atol=1e-4)
        np.testing.assert_allclose(found.size[number, 0], plain["w"], atol=1e-5)
        np.testing.assert_allclose(found.size[number, 1], plain["h"], atol=1e-5)
        first += len(heads.boxes)
    assert (found.heat == 1).sum() > 0
    assert found.valid.all()


def test_ties_and_single_cells() -> None:
    # Two heads on one cell: the smaller one owns it. A third one has a mask of one cell.
    heads = make_heads([[4, 4, 20, 20], [8, 8, 16, 16], [40, 40, 43, 43]])
    found = heat_targets([heads], (16, 16), 4)
    assert found.owner[0, 3, 3] == 1
    assert found.owner[0, 3, 5] == 0
    assert found.mask[0, 8:13, 8:13].sum() == 1
    assert found.mass[0, 10, 10] == 1
    twins = heat_targets([make_heads([[8, 8, 16, 16]] * 2)], (16, 16), 4)
    assert set(twins.owner[twins.owner >= 0].tolist()) == {0}


def test_ignored_heads_have_no_loss_but_where_others_are_found() -> None:
    heads = make_heads([[8, 8, 24, 24]], [[16, 8, 32, 24], [60, 60, 70, 70]])
    found = heat_targets([heads], (16, 16), 4)
    assert not found.valid[0, 4, 7]
    assert found.valid[0, 4, 6]
    assert found.valid[found.mask].all()
    alone = heat_targets([make_heads([], [[16, 8, 32, 24]])], (16, 16), 4)
    assert alone.heat.sum() == 0
    assert 8 <= (~alone.valid).sum() <= 16


def test_four_thousand_heads_at_once() -> None:
    heads = random_heads(4000, 5, (512, 512))
    found = heat_targets([heads], (128, 128), 4)
    assert found.mask.float().mean() > 0.9
    assert torch.isfinite(found.heat).all()


def test_density_maps_add_up() -> None:
    batch = [
        random_heads(40, 4),
        random_heads(0, 0),
        make_heads([[0, 0, 1, 1], [126, 94, 128, 96]]),
    ]
    maps = density_targets(batch, (24, 32), 4)
    torch.testing.assert_close(
        maps.sum(dim=(1, 2)), torch.tensor([40.0, 0.0, 2.0]), rtol=1e-5, atol=0
    )
    heads = make_heads([[30, 30, 62, 54], [60, 50, 92, 86]])
    points = ((heads.boxes[:, :2] + heads.boxes[:, 2:]) / 2).numpy()
    exact = render_density(points, heads.sigmas.numpy(), (128, 96), stride=4)
    np.testing.assert_allclose(density_targets([heads], (24, 32), 4)[0], exact, atol=2e-3)
