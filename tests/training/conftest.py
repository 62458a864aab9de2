"""Several tests train at once: each on one thread."""

from pathlib import Path

import pytest
import torch

from gtahead import build
from gtahead.simulation import simulate
from gtahead.simulation.presets import Preset

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a dataset of small images with large heads."""
    folder = tmp_path_factory.mktemp("training")
    heads = (0.0, 4.0, 6.0, 8.0, 10.0, 12.0)
    preset = Preset("learning", (256, 160), (4,) * 6, heads, 6, (12.0, 40.0), 0.48)
    simulate(folder / "captures", preset=preset, workers=1)
    build(folder / "captures", folder / "dataset", workers=1)
    return folder / "dataset"
