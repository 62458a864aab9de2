"""CenterNet: how heads are read from a heatmap."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torchvision.ops import box_iou
from training_helpers import centernet_loss, make_heads, random_heads

from gtahead.torch.targets import heat_targets
from gtahead.training import make_config
from gtahead.training.detectors import make_detector
from gtahead.training.detectors.centernet import CenterNet, peaks_in, surest_in


def heat_of(cells: dict[tuple[int, int], float], shape: tuple[int, int] = (8, 8)) -> torch.Tensor:
    heat = torch.zeros(1, *shape)
    for (row, column), value in cells.items():
        heat[0, row, column] = value
    return heat


def peaks(heat: torch.Tensor) -> list[list[int]]:
    return torch.nonzero(peaks_in(heat)[0] & (heat[0] > 0)).tolist()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ties_have_one_winner(dtype: torch.dtype) -> None:
    for other in ((2, 3), (3, 1), (3, 2), (3, 3)):  # to the right of (2, 2), and below it
        assert peaks(heat_of({(2, 2): 0.5, other: 0.5}).to(dtype)) == [[2, 2]]
    plateau = {(row, column): 0.7 for row in (1, 2, 3) for column in range(1, 7)}
    assert peaks(heat_of(plateau).to(dtype)) == [[1, 1]]
    assert peaks(heat_of({(2, 2): 0.5, (2, 3): 0.6}).to(dtype)) == [[2, 3]]
    assert peaks(heat_of({(2, 2): 0.5, (2, 4): 0.5}).to(dtype)) == [[2, 2], [2, 4]]


def test_images_of_a_batch_are_apart() -> None:
    both = torch.cat([heat_of({(7, 7): 0.5}), heat_of({(0, 0): 0.5, (5, 2): 0.4})])
    found = torch.nonzero(peaks_in(both) & (both > 0)).tolist()
    assert found == [[0, 7, 7], [1, 0, 0], [1, 5, 2]]


@pytest.mark.parametrize("seed", range(4))
def test_cells_that_can_be_heads(seed: int) -> None:
    """Against the definition, cell by cell; heat and boxes tie now and then."""
    random = torch.Generator().manual_seed(seed)
    heat = torch.randint(1, 9, (2, 9, 11), generator=random) / 10
    offset = torch.rand(2, 2, 9, 11, generator=random)
    size = torch.rand(2, 2, 9, 11, generator=random)
    found = surest_in(heat, offset, size)
    for image, y, x in np.ndindex(2, 9, 11):
        mine, kept = box_of(offset[image], size[image], y, x), True
        for v, u in product((y - 1, y, y + 1), (x - 1, x, x + 1)):
            if (v, u) == (y, x) or not (0 <= v < 9 and 0 <= u < 11):
                continue
            same = box_iou(mine, box_of(offset[image], size[image], v, u)).item() > 0.3
            first = (v, u) < (y, x)
            more = heat[image, v, u] >= heat[image, y, x] if first else (
                heat[image, v, u] > heat[image, y, x]
            )  # fmt: skip
            kept &= not (same and more)
        assert kept == found[image, y, x], (image, y, x)
    assert 0 < found.sum() < found.numel()


def box_of(offset: torch.Tensor, size: torch.Tensor, y: int, x: int) -> torch.Tensor:
    centre = torch.tensor([x, y]) + offset[:, y, x]
    half = size[:, y, x].exp() / 2
    return torch.cat([centre - half, centre + half])[None]


def test_heads_of_touching_cells_are_found_by_nms() -> None:
    """Peaks can't show both; boxes of a cell that are half a cell apart overlap by a third."""
    heat = heat_of({(2, 2): 0.9, (2, 4): 0.8, (6, 2): 0.7, (6, 3): 0.6})
    offset, size = torch.full((1, 2, 8, 8), 0.5), torch.zeros(1, 2, 8, 8)
    for decode, found in (("peaks", 3), ("nms", 4)):
        network = make_detector(make_config("tiny", decode=decode))
        assert isinstance(network, CenterNet)
        assert len(network.decode(heat, offset, size)[0].scores) == found


def reference_heat(
    boxes: list[list[float]], shape: tuple[int, int], stride: int
) -> npt.NDArray[np.float64]:
    """Draw CenterNet's heat as its paper and CornerNet's have it, cell by cell."""
    heat = np.zeros(shape)
    for x0, y0, x1, y1 in np.array(boxes) / stride:
        wide, tall = math.ceil(x1 - x0), math.ceil(y1 - y0)
        a, b, o = wide * tall, wide + tall, 0.7
        radius = min(
            (b + math.sqrt(b**2 - 4 * a * (1 - o) / (1 + o))) / 2,
            (2 * b + math.sqrt((2 * b) ** 2 - 4 * 4 * a * (1 - o))) / 2,
            (-2 * o * b + math.sqrt((2 * o * b) ** 2 - 4 * 4 * o * (o - 1) * a)) / 2,
        )
        reach = max(0, int(radius))
        sigma = (2 * reach + 1) / 6
        column, row = int((x0 + x1) / 2), int((y0 + y1) / 2)
        for y in range(max(row - reach, 0), min(row + reach + 1, shape[0])):
            for x in range(max(column - reach, 0), min(column + reach + 1, shape[1])):
                value = math.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * sigma**2))
                heat[y, x] = max(heat[y, x], value)
    return heat


@pytest.mark.parametrize("stride", [2, 4])
def test_native_with_cornernets_kernel_is_centernets_own(stride: int) -> None:
    random = np.random.default_rng(stride)
    centres = random.uniform(0, [160, 128], (60, 2))
    half = random.uniform(1, 30, (60, 2)) / 2  # from less than a cell to eight
    boxes = np.concatenate([centres - half, centres + half], axis=1).round(2).tolist()
    torch.manual_seed(0)
    config = make_config(kernel="cornernet", stride=stride, convolutions=1, channels=32)
    network = make_detector(config)
    images = torch.randn(1, 3, 128, 160)
    logits = network(images)[0]
    shape = (128 // stride, 160 // stride)
    heat = torch.from_numpy(reference_heat(boxes, shape, stride))
    found = heat_targets([make_heads(boxes)], shape, stride, "cornernet")
    torch.testing.assert_close(found.heat[0].double(), heat, atol=1e-6, rtol=0)
    torch.testing.assert_close(
        network.losses(images, [make_heads(boxes)])["heat"],
        centernet_loss(logits.double(), heat[None]).float(),
    )
    quarter = heat_targets([make_heads(boxes)], shape, stride)
    for name in ("mask", "owner", "offset", "size", "near", "mass"):
        assert torch.equal(getattr(found, name), getattr(quarter, name)), name
    assert torch.equal(quarter.near, quarter.heat)


def test_two_heads_in_touching_cells_of_unequal_heat_are_both_found() -> None:
    """A trained network's heat, one cell lower: with the decoder that is the default."""
    network = make_detector(make_config("tiny"))
    assert isinstance(network, CenterNet)
    wide = 1.25 * network.stride  # from one cell to the next one
    boxes = [[8.0, 8, 16, 18], [8.0 + wide, 8, 16 + wide, 18]]
    shape = (64 // network.stride, 64 // network.stride)
    targets = heat_targets([make_heads(boxes)], shape, network.stride)
    first = targets.owner == 0
    heat = torch.where(first, 0.9 * targets.heat, 0.6 * targets.heat)
    (found,) = network.decode(heat, targets.offset, targets.size)
    sure = found.boxes[found.scores >= 0.5]
    assert sorted(sure.round().tolist()) == boxes


def test_the_papers_loss() -> None:
    """Inside heads no negative term, positives by their heat, over the number of heads."""
    torch.manual_seed(0)
    network = make_detector(make_config(loss="mfl-paper", inside=1.0, power=3.0, stride=4))
    images = torch.randn(1, 3, 96, 96)
    heads = random_heads(5, 1, (96, 96))
    logits = network(images)[0].double()
    targets = heat_targets([heads], (24, 24), 4)
    y, m = targets.heat.double(), targets.mask.double()
    p = torch.sigmoid(logits)
    positive = m * y * (1 - p) ** 2 * torch.log(p)
    negative = (1 - m) * (1 - y) ** 4 * p**2 * torch.log(1 - p)
    expected = -(positive + negative).sum() / 5
    torch.testing.assert_close(network.losses(images, [heads])["heat"], expected.float())
