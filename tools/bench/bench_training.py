"""What does a step of training cost?

    python tools/bench/bench_training.py            # all of it
    python tools/bench/bench_training.py --only memory
    python tools/bench/bench_training.py --device cuda      # on a GPU: clock instead of CPU time

`step`: CenterNet at 512 x 512, batch 8, 60 heads a crop, forward, loss, backward, update: with Mask
Focal Loss beside its own loss, step by step in turns, median CPU time; and the share that making
targets has. Goals: <= 1.05 x, <= 10 %.

`memory`: one step of each detector on one crop of 512 x 512 with 4,000 heads, in a process of its
own: the most memory it ever held, torch itself included. Goal: <= 3 GiB.

`precision`: finding heads in a tile of 1,024 px (four at once on a GPU) in 16 bits (bfloat16),
beside the 32 that `predict` works with. No goal: it says whether 16 would pay.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from figures import Figure, tell

from gtahead.detectors import DETECTORS
from gtahead.torch.targets import HeadTargets, heat_targets
from gtahead.training import make_config
from gtahead.training.detectors import Detector, make_detector

SIDE = 512


def spread_heads(count: int, seed: int) -> HeadTargets:
    """Spread heads of 4 to 40 px over a crop."""
    random = np.random.default_rng(seed)
    centre = random.uniform(0, SIDE, (count, 2))
    half = np.exp(random.uniform(np.log(2), np.log(20), (count, 1))) * [1.0, 1.25]
    boxes = torch.tensor(np.concatenate([centre - half, centre + half], axis=1)).float()
    return HeadTargets(boxes, boxes[:0], torch.tensor(half / 2).float())


def now(device: torch.device) -> float:
    """Read the CPU's time; of a GPU, the clock when all its work is done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def step(
    network: Detector, images: torch.Tensor, heads: list[HeadTargets], optimiser: object
) -> float:
    """Take a step, and return the seconds it took."""
    assert isinstance(optimiser, torch.optim.Optimizer)
    began = now(images.device)
    total = torch.stack(list(network.losses(images, heads).values())).sum()
    optimiser.zero_grad()
    torch.autograd.backward(total)
    optimiser.step()
    return now(images.device) - began


def measure_step(rounds: int, device: torch.device) -> None:
    """Print what Mask Focal Loss and the targets cost."""
    heads = [spread_heads(60, seed).to(device) for seed in range(8)]
    images = torch.randn(8, 3, SIDE, SIDE, device=device)
    networks = {
        loss: make_detector(make_config(loss=loss)).to(device) for loss in ("native", "mfl")
    }
    optimisers = {name: torch.optim.AdamW(net.parameters()) for name, net in networks.items()}
    times: dict[str, list[float]] = {name: [] for name in networks}
    targets = []
    for _ in range(rounds + 1):
        for name, network in networks.items():
            times[name].append(step(network, images, heads, optimisers[name]))
        began = now(device)
        heat_targets(heads, (SIDE // 4, SIDE // 4), 4)
        targets.append(now(device) - began)
    native, mfl, making = (
        float(np.median(values[1:])) for values in (times["native"], times["mfl"], targets)
    )
    pairs = np.array(times["mfl"][1:]) / np.array(times["native"][1:])
    print(f"centernet, {SIDE} x {SIDE}, batch 8: native {native:.3f} s, mfl {mfl:.3f} s")
    what = f"step of centernet with mfl, {SIDE} px, batch 8"
    tell(Figure(what, mfl, "s", "with its native loss", mfl / float(np.median(pairs)), "≤ 1.05 ×"))
    tell(Figure("making targets", making, "s", "the whole step", mfl, "≤ 0.1 ×"))
    print(f"  mfl / native {np.median(pairs):.3f}, goal <= 1.05")
    print(f"  targets {making:.3f} s, {making / mfl:.1%} of the step, goal <= 10 %")


def measure_memory(heads: int, device: torch.device) -> None:
    """Print the most memory of a step of each detector."""
    for name in DETECTORS:
        command = [sys.executable, __file__, "--one", name, "--heads", str(heads)]
        command += ["--device", device.type]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


def one_step(name: str, count: int, device: torch.device) -> None:
    """Take a step in this process, and print the most memory it ever held."""
    loss = "native" if name == "density" else "mfl"
    network = make_detector(make_config(detector=name, loss=loss)).to(device)
    heads = [spread_heads(count, 0).to(device)]
    optimiser = torch.optim.AdamW(network.parameters())
    took = step(network, torch.randn(1, 3, SIDE, SIDE, device=device), heads, optimiser)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_reserved() / 2**20
    else:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        held = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        peak = int(held.split()[1]) / 2**10
    tell(Figure(f"memory of a step of {name}, {count:,} heads", peak, "MiB", goal="≤ 3 GiB"))
    print(f"{name:11}{count:6} heads: {peak / 2**10:.2f} GiB, {took:.1f} s, goal <= 3 GiB")


def measure_precision(rounds: int, device: torch.device) -> None:
    """Print what 16 bits would save where heads are found."""
    network = make_detector(make_config()).to(device).eval()
    tiles = torch.randn(4 if device.type == "cuda" else 1, 3, 2 * SIDE, 2 * SIDE, device=device)
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(rounds + 1):
        for short, taken in times.items():
            began = now(device)
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=short):
                network.find(tiles)
            taken.append(now(device) - began)
    full, half = (float(np.median(taken[1:])) for taken in times.values())
    tell(Figure("finding heads in 16 bits, a tile of 1,024 px", half, "s", "in 32 bits", full))
    print(f"finding heads: 32 bits {full:.3f} s, 16 bits {half:.3f} s, ratio {half / full:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=["step", "memory", "precision"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--heads", type=int, default=4000)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one_step(arguments.one, arguments.heads, arguments.device)
        return
    if arguments.only in (None, "step"):
        measure_step(arguments.rounds, arguments.device)
    if arguments.only in (None, "memory"):
        measure_memory(arguments.heads, arguments.device)
    if arguments.only in (None, "precision"):
        measure_precision(arguments.rounds, arguments.device)


if __name__ == "__main__":
    main()
