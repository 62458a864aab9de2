"""A project of one's own on gtahead: a dataset, a loop, a score; typed, for `mypy --strict`.

    python examples/own_loop.py DATASET

It filters a dataset, trains a tiny regressor of density on it, and scores what that finds: with
arrays, as a metric in the loop, and as `gtahead benchmark` does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.utils.data import DataLoader

import gtahead
from gtahead import Dataset
from gtahead.metrics import CrowdMetric, Interval, interval, mae
from gtahead.predictions import Predictions
from gtahead.scoring import Score
from gtahead.torch import CrowdDataset, HeadDataset, collate


def trained(dataset: Dataset, steps: int) -> torch.nn.Module:
    """Train on images of the train split, one at a time."""
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 9, 8, 4), torch.nn.ReLU())
    net.append(torch.nn.Conv2d(8, 1, 3, 1, 1))
    optimiser = torch.optim.Adam(net.parameters(), 1e-3)
    maps = CrowdDataset(dataset.split("train"), stride=8)
    for step, (images, targets) in enumerate(DataLoader(maps, 1, shuffle=True)):
        if step == steps:
            break
        loss = ((net(images / 255) - targets["density"]) ** 2).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return net


def scored(dataset: Dataset, net: torch.nn.Module) -> tuple[float, Interval | None, Score]:
    """Count in the test split: the error, its interval, and the whole score."""
    counts: dict[str, float] = {}
    true: list[int] = []
    with torch.no_grad():
        for frame in dataset.split("test"):
            image = torch.from_numpy(frame.image()).permute(2, 0, 1)[None] / 255
            counts[frame.frame_id] = max(0.0, float(net(image).sum()))
            true.append(frame.count)
    listed = list(counts.values())
    found = Predictions.of({name: {"count": count} for name, count in counts.items()})
    score = gtahead.benchmark(found, dataset.split("test"))
    return mae(listed, true), interval(mae, listed, true), score


def perfect(dataset: Dataset) -> dict[str, float]:
    """Feed a metric with the truth, batch by batch."""
    metric = CrowdMetric(threshold=0.5)
    for _, targets in DataLoader(HeadDataset(dataset.split("test")), 4, collate_fn=collate):
        heads = [{"boxes": target["boxes"], "points": target["points"]} for target in targets]
        metric.update(heads, targets)
    return metric.compute()


def main(folder: Path, steps: int = 20) -> float:
    """Go through all of it; return the error."""
    part = gtahead.filter(folder, folder.with_name("some"), where="num_heads > 3", overwrite=True)
    dataset = part.open()
    densest = max(dataset, key=lambda frame: frame.count)
    error, span, score = scored(dataset, trained(dataset, steps))
    ends = "no interval" if span is None else f"{span.low:.1f} to {span.high:.1f}"
    print(f"{dataset!r}; the densest is {densest!r}")
    print(f"MAE {error:.1f} ({ends}); {score!r}; of the truth {perfect(dataset)['mae']:.1f}")
    return error


if __name__ == "__main__":
    main(Path(sys.argv[1]))
