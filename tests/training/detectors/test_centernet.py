"""CenterNet: how heads are read from a heatmap."""

from __future__ import annotations

import pytest
import torch

from gtahead.training import make_config
from gtahead.training.detectors import make_detector
from gtahead.training.detectors.centernet import CenterNet, peaks_in


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


def test_heads_of_touching_cells_are_found_by_nms() -> None:
    """Peaks can't show both; boxes of 3 x 3 cells that are a cell apart overlap by a half."""
    heat = heat_of({(2, 2): 0.9, (2, 4): 0.8, (6, 2): 0.7, (6, 3): 0.6})
    offset, size = torch.full((1, 2, 8, 8), 0.5), torch.zeros(1, 2, 8, 8)
    for decode, found in (("peaks", 3), ("nms", 4)):
        network = make_detector(make_config("tiny", decode=decode))
        assert isinstance(network, CenterNet)
        assert len(network.decode(heat, offset, size)[0].scores) == found
