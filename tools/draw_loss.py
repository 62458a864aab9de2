"""Draw what Mask Focal Loss weighs, and where its optimum lies, for the docs.

    python tools/draw_loss.py --out docs/images/mask-focal-loss.svg

All curves come from `gtahead.training`: targets of two heads on a row of cells, and the loss's own
minimum over a fine range of predictions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from gtahead.torch.targets import HeadTargets, heat_targets
from gtahead.training import mask_focal_loss

COLOURS = ("#d1495b", "#edae49", "#0b6e99")


def optimum(heat: float, power: float, inside: float) -> float:
    """Return the prediction with the least loss in a masked cell of some heat."""
    tried = torch.linspace(0.0005, 0.9995, 2000, dtype=torch.float64)
    logits = torch.log(tried / (1 - tried))
    one, cell = torch.ones(1, dtype=torch.float64), torch.tensor([heat], dtype=torch.float64)
    losses = [
        mask_focal_loss(x[None], cell, one, power=power, inside=inside).item() for x in logits
    ]
    return float(tried[int(np.argmin(losses))])


def main() -> None:
    """Draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    path: Path = parser.parse_args().out
    mpl.rcParams["svg.fonttype"] = "path"  # the same wherever it is opened
    mpl.rcParams["svg.hashsalt"] = "gtahead"
    figure = Figure(figsize=(11.0, 3.4), layout="constrained", facecolor="white")
    cells, weights, best = figure.subplots(1, 3)

    boxes = torch.tensor([[16.0, 28, 60, 72], [64.0, 40, 88, 60]])
    targets = heat_targets([HeadTargets(boxes, boxes[:0], boxes[:, :2])], (25, 30), 4)
    row = 12
    heat, mask = targets.heat[0, row].numpy(), targets.mask[0, row].numpy()
    at = np.arange(30)
    cells.bar(at, mask, 1.0, color="#dddddd", label="mask M")
    cells.bar(at, heat, 0.8, color="#0b6e99", label="heat Y")
    cells.set(title="Two heads, a row of cells", xlabel="cell of 4 px", ylim=(0, 1.25))

    weights.step(at, mask, where="mid", color="#999999", linewidth=1.3, label="binary area")
    for power, colour in zip((1, 2, 4), COLOURS, strict=True):
        weights.plot(at, mask * heat**power, color=colour, label=f"Mask Focal Loss, power {power}")
    centres = np.flatnonzero(heat == 1)
    weights.vlines(
        centres, 0, 1, color="#222222", linewidth=2.5, label="CenterNet: the centre alone"
    )
    weights.set(title="Weight of a cell as positive", xlabel="cell of 4 px", ylim=(0, 1.65))

    heats = np.linspace(0.02, 1, 50)
    for power, colour in zip((1, 2, 4), COLOURS, strict=True):
        best.plot(heats, [optimum(y, power, 1.0) for y in heats], color=colour,
                  label=f"inside 1, power {power}")  # fmt: skip
    best.plot(heats, [optimum(y, 1, 0.0) for y in heats], color="#222222", linestyle="--",
              label="inside 0, any power")  # fmt: skip
    best.set(title="Prediction of the least loss", xlabel="heat Y of a masked cell", ylim=(0, 1.45))
    for axis in (cells, weights, best):
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_yticks([0, 0.5, 1])
        axis.legend(frameon=False, fontsize=8, loc="upper left")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
