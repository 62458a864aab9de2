"""Compare the simulated crowds with what is known about GTA_Head, and about frames of the game.

    python tools/experiments/crowd_statistics.py --jta FOLDER --figure docs/images/crowds.svg

Simulates the labels of the preset `gta-head`, seed 0 (or takes those in `--captures`). FOLDER holds
two frames of JTA's test split with poses, as for `measure_lift.py`: a good model's estimates of the
people whom it found, so neither all heads nor their visibility. A head's side there is that of the
rule `camera`. GTA_Head's own figures are those of its paper: sequences, frames and heads.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from measure_lift import MARKS
from rules_on_marks import scene_of
from scipy.spatial import cKDTree

from gtahead.annotation import BoxRule, give_boxes
from gtahead.arrays import Floats
from gtahead.dataset import CountPolicy
from gtahead.findings import Findings, Ledger
from gtahead.geometry import box_sides, inside
from gtahead.readers import READERS
from gtahead.simulation import simulate
from gtahead.tables.canonical import COUNTED

GTA_HEAD = {"sequences": 35, "frames": 5096, "heads": 1_732_043}
JTA_SIZE_WH = (1920, 1080)
ALIKE = (10, 40)
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
COLOURS = {"gta-head": "#0b6e99", "JTA": "#d1495b"}


@dataclass
class Crowds:
    """What is known about the heads of a dataset.

    Attributes:
        heads: of each frame.
        sides_px: of each head, the root of its box's area.
        boxes_xyxy: of each frame's heads, (N, 4).
        nearest: distance to the nearest head of the same frame, in widths of the own box.
        visibility: of each head inside its frame, those not counted too.
    """

    heads: list[int] = field(default_factory=list)
    boxes_xyxy: list[Floats] = field(default_factory=list)
    sides_px: list[Floats] = field(default_factory=list)
    nearest: list[Floats] = field(default_factory=list)
    visibility: list[Floats] = field(default_factory=list)

    def of_size(self, low: int, high: int) -> Crowds:
        """Return only the frames with so many heads; visibility isn't kept frame by frame."""
        some = Crowds()
        for boxes in self.boxes_xyxy:
            if low <= len(boxes) <= high:
                some.add(boxes)
        return some

    def add(self, boxes_xyxy: Floats) -> None:
        """Add a frame's counted heads."""
        self.heads.append(len(boxes_xyxy))
        self.boxes_xyxy.append(boxes_xyxy)
        self.sides_px.append(box_sides(boxes_xyxy))
        if len(boxes_xyxy) > 1:
            centres = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
            distance, _ = cKDTree(centres).query(centres, k=2)
            self.nearest.append(distance[:, 1] / (boxes_xyxy[:, 2] - boxes_xyxy[:, 0]))


def read_captures(folder: Path) -> Crowds:
    """Read the labels of simulated captures."""
    crowds, reader, policy = Crowds(), READERS["native"], CountPolicy()
    for source in reader.list_sequences(folder, Findings()):
        captured = reader.read(source, Findings(), Ledger())
        heads = captured.heads
        boxes = np.stack([heads[f"captured_{c}"] for c in ("x0", "y0", "x1", "y1")], axis=1)
        here = inside(np.stack([heads["x"], heads["y"]], axis=1), captured.size_wh)
        counted = policy.status(here, heads["visibility"], None) == COUNTED
        crowds.visibility.append(heads["visibility"][here])
        for frame in range(len(captured.frames)):
            crowds.add(boxes[counted & (heads["frame_index"] == frame)])
    return crowds


def read_jta(folder: Path) -> Crowds:
    """Read the people that a model found in two frames of the game."""
    crowds = Crowds()
    for name in MARKS:
        scene = scene_of(json.loads((folder / f"{name}.poses14.json").read_text())["poses"])
        boxes = give_boxes(scene, BoxRule("camera")).boxes_xyxy
        crowds.add(boxes[inside((boxes[:, :2] + boxes[:, 2:]) / 2, JTA_SIZE_WH)])
    return crowds


def tell(name: str, crowds: Crowds) -> None:
    """Print a dataset's statistics."""
    frames, heads = len(crowds.heads), sum(crowds.heads)
    print(f"{name}: {frames:,} frames, {heads:,} heads, {heads / frames:.1f} a frame")
    shown = {
        "heads per frame": np.array(crowds.heads),
        "side, px": np.concatenate(crowds.sides_px),
        "nearest, head widths": np.concatenate(crowds.nearest),
    }
    if crowds.visibility:
        shown["visible share"] = np.concatenate(crowds.visibility)
    print(f"  {'at 5, 25, 50, 75, 95 %':22}" + "".join(f"{share:9.0%}" for share in SHARES))
    for what, values in shown.items():
        print(f"  {what:22}" + "".join(f"{one:9.2f}" for one in np.quantile(values, SHARES)))
    near = shown["nearest, head widths"]
    print(f"  nearer than one head width: {np.mean(near < 1):.1%}")
    if crowds.visibility:
        seen = shown["visible share"]
        print(
            f"  whole {np.mean(seen > 0.95):.1%}, partly hidden "
            f"{np.mean((seen >= 0.25) & (seen <= 0.95)):.1%}, less than a quarter in sight "
            f"{np.mean(seen < 0.25):.1%} of those inside the frame"
        )


def draw(sets: dict[str, Crowds], path: Path) -> None:
    """Draw four distributions, JTA's single frames as marks."""
    mpl.rcParams["svg.fonttype"] = "path"  # the same wherever it is opened
    mpl.rcParams["svg.hashsalt"] = "gtahead"
    figure = Figure(figsize=(9.0, 6.2), layout="constrained", facecolor="white")
    axes = figure.subplots(2, 2).ravel().tolist()
    simulated = sets["gta-head"]
    counts = np.array(simulated.heads)
    bins = np.concatenate([[0], np.geomspace(1, 5000, 28)])
    _steps(axes[0], counts, bins, COLOURS["gta-head"], "gta-head, frames")
    mean = GTA_HEAD["heads"] / GTA_HEAD["frames"]
    dashed = {"color": "#222222", "linestyle": "--", "linewidth": 1.3}
    axes[0].axvline(mean, label=f"mean of GTA_Head, {mean:.0f}", **dashed)
    axes[0].set_xscale("symlog", linthresh=1)
    axes[0].set_xlim(0, 5000)
    axes[0].set_xticks([0, 1, 10, 100, 1000], ["0", "1", "10", "100", "1,000"])
    axes[0].set(title="Heads in a frame", xlabel="counted heads", ylabel="share of frames")
    axes[0].set_ylim(top=1.5 * axes[0].get_ylim()[1])  # room for the legend
    sides = np.geomspace(2, 200, 40)
    widths = np.linspace(0, 8, 41)
    for name, crowds in sets.items():
        label = f"{name}, heads"
        _steps(axes[1], np.concatenate(crowds.sides_px), sides, COLOURS[name], label)
        near = np.minimum(np.concatenate(crowds.nearest), 7.99)
        _steps(axes[2], near, widths, COLOURS[name], label)
        if name == "JTA":
            for number, here in enumerate(crowds.heads):
                axes[0].axvline(here, color=COLOURS[name], linewidth=1.3,
                                label=None if number else "JTA, two frames")  # fmt: skip
    axes[1].set_xscale("log")
    axes[1].set_xticks([2, 5, 10, 20, 50, 100, 200], ["2", "5", "10", "20", "50", "100", "200"])
    axes[1].minorticks_off()
    axes[1].set(title="Size of a head", xlabel="side, px at 1920 x 1080", ylabel="share of heads")
    axes[2].set(title="Nearest neighbour", ylabel="share of heads")
    axes[2].set_xlabel("distance in head widths (8: farther)")
    seen = np.concatenate(simulated.visibility)
    _steps(axes[3], seen, np.linspace(0, 1, 21), COLOURS["gta-head"], "gta-head, heads")
    axes[3].axvline(0.25, label="counted from here", **dashed)
    axes[3].set(title="Visibility", xlabel="visible share of a head inside the frame")
    axes[3].set_ylabel("share of heads")
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=True, facecolor="white", edgecolor="none", framealpha=0.9, fontsize=8.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    print(f"figure: {path}")


def _steps(
    axis: Axes, values: npt.NDArray[np.generic], bins: Floats, colour: str, label: str
) -> None:
    counts, edges = np.histogram(values, bins)
    axis.stairs(counts / len(values), edges, color=colour, linewidth=1.6, label=label)
    axis.stairs(counts / len(values), edges, color=colour, fill=True, alpha=0.15)


def main() -> None:
    """Simulate, read, print, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--captures", type=Path, help="simulated before, with preset gta-head")
    parser.add_argument("--jta", type=Path, help="folder with two frames' poses")
    parser.add_argument("--figure", type=Path, help="an SVG to draw")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        captures = arguments.captures or Path(temporary) / "captures"
        if arguments.captures is None:
            simulate(captures, preset="gta-head", seed=0, images=False)
        sets = {"gta-head": read_captures(captures)}
    if arguments.jta is not None:
        sets["JTA"] = read_jta(arguments.jta)
    known = "{sequences} sequences, {frames:,} frames, {heads:,} heads".format(**GTA_HEAD)
    print(f"GTA_Head, published: {known}, {GTA_HEAD['heads'] / GTA_HEAD['frames']:.1f} a frame")
    for name, crowds in sets.items():
        tell(name, crowds)
    few, many = ALIKE
    tell(f"gta-head, frames with {few} to {many} heads, as JTA's", sets["gta-head"].of_size(*ALIKE))
    if arguments.figure is not None:
        draw(sets, arguments.figure)


if __name__ == "__main__":
    main()
