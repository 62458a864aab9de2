"""On a GPU: it learns the same there as on a processor. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from training_helpers import make_heads, random_heads

from gtahead import Dataset
from gtahead.detectors import DETECTORS
from gtahead.torch.targets import HeadTargets, density_targets, heat_targets
from gtahead.training import make_config, mask_focal_loss, predict, train
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.detectors import make_detector
from gtahead.training.inference import find_heads

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")

GPU = torch.device("cuda")
ARMS = [(detector, loss) for detector, kind in DETECTORS.items() for loss in kind.losses]
QUICK = {
    "crop_wh": (96, 96),
    "batch": 4,
    "epochs": 4,
    "channels": 32,
    "convolutions": 1,
    "coarsest": 16,
    "warmup": 2,
    "ema": 0.9,
}


def _crowd() -> list[HeadTargets]:
    ignored = make_heads([[10, 10, 30, 34]], [[60, 60, 92, 90]])
    return [random_heads(60, 1), make_heads([]), ignored, random_heads(7, 2)]


def test_targets_are_those_of_the_processor() -> None:
    heads = _crowd()
    here, there = (
        heat_targets([one.to(device) for one in heads], (24, 32), 4)
        for device in (torch.device("cpu"), GPU)
    )
    for name in ("mask", "box", "valid", "owner"):
        assert torch.equal(getattr(there, name).cpu(), getattr(here, name)), name
    for name in ("heat", "offset", "size", "mass"):
        torch.testing.assert_close(getattr(there, name).cpu(), getattr(here, name))
    maps = [
        density_targets([one.to(device) for one in heads], (24, 32), 4).cpu()
        for device in (torch.device("cpu"), GPU)
    ]
    torch.testing.assert_close(*maps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_the_loss_is_that_of_the_processor(dtype: torch.dtype) -> None:
    targets = heat_targets(_crowd(), (24, 32), 4)
    torch.manual_seed(0)
    start = (3 * torch.randn(targets.heat.shape)).to(dtype)
    found = []
    for device in (torch.device("cpu"), GPU):
        logits = start.clone().to(device).requires_grad_()
        with torch.autocast(device.type, torch.bfloat16):
            value = mask_focal_loss(logits, targets.heat.to(device), targets.mask.to(device))
        assert value.dtype == torch.float32
        value.backward()
        assert logits.grad is not None
        found.append((value.detach().cpu(), logits.grad.cpu()))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize(("detector", "loss"), ARMS)
def test_the_first_step_is_that_of_the_processor(detector: str, loss: str) -> None:
    config = make_config(detector=detector, loss=loss, channels=32, convolutions=1, coarsest=16)
    torch.manual_seed(0)
    network = make_detector(config)
    images = torch.randn(4, 3, 96, 128)
    found = []
    for device in (torch.device("cpu"), GPU):
        network.to(device).zero_grad()
        torch.manual_seed(0)
        with torch.backends.cudnn.flags(allow_tf32=False):
            heads = [one.to(device) for one in _crowd()]
            parts = network.losses(images.to(device), heads)
            torch.stack(list(parts.values())).sum().backward()
        gradients = [value.grad for value in network.parameters() if value.grad is not None]
        assert all(torch.isfinite(value).all() for value in gradients)
        found.append({name: float(value) for name, value in parts.items()})
    # fasterrcnn draws which anchors it learns from, on its device
    within = 0.25 if detector == "fasterrcnn" else 0.01
    assert found[1] == pytest.approx(found[0], rel=within)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
@pytest.mark.parametrize("detector", DETECTORS)
def test_a_run(detector: str, precision: str, small_set: Path, tmp_path: Path) -> None:
    config = make_config(detector=detector, precision=precision, **QUICK)
    report = train(small_set, tmp_path / "run", config=config)
    assert report.finished
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + config.epochs
    done = predict(report.model, small_set, tmp_path / "found.json")
    assert done.images == len(Dataset.open(small_set).select(split="test"))
    # What was trained here finds the same on a processor.
    trained = read_checkpoint(report.model)
    frame = next(iter(Dataset.open(small_set).select(split="test")))
    there = find_heads(trained.detector.to(GPU), frame.image())
    here = find_heads(trained.detector.cpu(), frame.image())
    if detector == "density":
        assert there.count == pytest.approx(here.count, rel=0.01, abs=0.01)
    else:
        least = 20
        np.testing.assert_allclose(there.scores[:least], here.scores[:least], rtol=0.02, atol=2e-3)


def test_it_goes_on_exactly(small_set: Path, tmp_path: Path) -> None:
    config = make_config(**QUICK)
    train(small_set, tmp_path / "whole", config=config)
    assert not train(small_set, tmp_path / "halves", config=config, stop_after=2).finished
    assert train(small_set, tmp_path / "halves", config=config, resume=True).finished
    mine, theirs = (
        torch.load(tmp_path / name / "model.pt", weights_only=True)["weights"]
        for name in ("whole", "halves")
    )
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_crop_with_four_thousand_heads(detector: str) -> None:
    heads = random_heads(4000, 3, (512, 512)).to(GPU)
    network = make_detector(make_config(detector=detector)).to(GPU)
    optimiser = torch.optim.AdamW(network.parameters())
    torch.cuda.reset_peak_memory_stats()
    parts = network.losses(torch.randn(1, 3, 512, 512, device=GPU), [heads])
    total = torch.stack(list(parts.values())).sum()
    torch.autograd.backward(total)
    optimiser.step()
    assert torch.isfinite(total)
    held = torch.cuda.max_memory_allocated() / 2**30
    assert held <= 3, f"{held:.2f} GiB"
