"""How fast are frames and images for a loop of one's own?

    python tools/bench/bench_dataset.py             # gta-head's labels, 500 images of 1080p

Frames: CPU time of `dataset[i]` at 1,000 random places of the full-size set, first and again. Goal:
at most 1 ms each once it is warm.
Images: a DataLoader of two workers over `HeadDataset`, beside one over a dataset that does nothing
but cv2.imdecode and BGR to RGB, of the same files. CPU time of all processes, the median of five
turns of each, one after the other. Goal: at most 1.1 x that.
Datasets of datasets: CPU time and peak memory to filter the full-size set, and to merge it with
itself, each in a process of its own. Goal: at most 1 GiB.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from figures import Figure, tell

import gtahead
from gtahead.simulation import Preset

PLACES = 1000
TURNS = 5


def bench_frames(folder: Path) -> None:
    """Time frames at random places of the full-size set."""
    gtahead.simulate(folder / "labels", preset="gta-head", images=False)
    dataset = gtahead.build(folder / "labels", folder / "set").open()
    places = np.random.default_rng(0).integers(0, len(dataset), PLACES)
    times = []
    for _ in range(2):
        start = time.process_time()
        for place in places:
            assert dataset[int(place)].points_xy.shape[1] == 2
        times.append((time.process_time() - start) / PLACES * 1e3)
    heads = dataset.manifest.document["ledger"]["heads"]["out"]
    print(f"frames: {len(dataset):,} frames, {heads:,} heads")
    print(
        f"  dataset[i], 1,000 random places        {times[0]:6.3f} ms CPU each, then {times[1]:.3f}"
    )
    what = "one frame with its heads, at random, of the full-size set"
    tell(Figure(what, times[1], "ms", goal="at most 1 ms"))


DERIVE = """
import sys, time
import gtahead

def peak():  # not ru_maxrss, which a process inherits from the one that started it
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

start = time.process_time()
what, folder = sys.argv[1:]
if what == "filter":
    made = gtahead.filter(f"{folder}/set", f"{folder}/some", where="num_heads > 300")
else:
    made = gtahead.merge([f"{folder}/set"] * 2, f"{folder}/twice")
print(time.process_time() - start, peak() / 2**20, made.ledger.heads.came, made.ledger.heads.kept)
"""


def bench_derived(folder: Path) -> None:
    """Time `filter` and `merge` of the full-size set of labels, which `bench_frames` has made."""
    for what in ("filter", "merge"):
        words = [sys.executable, "-c", DERIVE, what, str(folder)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        seconds, mebibytes, came, kept = map(float, done.stdout.split())
        print(f"{what}: {came:,.0f} heads in, {kept:,.0f} out")
        print(f"  {seconds:6.1f} s CPU, {mebibytes:,.0f} MiB")
        shown = f"gtahead {what}, {came:,.0f} heads in, {kept:,.0f} out"
        tell(Figure(f"{shown}: CPU", seconds, "s"))
        tell(Figure(f"{shown}: peak memory", mebibytes, "MiB", goal="at most 1,024 MiB"))


class _Decoded:
    """The least that a dataset of images can do."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401 - a tensor
        import torch

        image = cv2.imdecode(np.fromfile(self.files[index], np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        return torch.from_numpy(rgb).permute(2, 0, 1)


def _turn(dataset: Any) -> float:  # noqa: ANN401 - a dataset of torch
    """Return CPU seconds of all processes to go through a dataset once."""
    from torch.utils.data import DataLoader

    def used() -> float:
        kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        found = [resource.getrusage(kind) for kind in kinds]
        return sum(one.ru_utime + one.ru_stime for one in found)

    before = used()
    for _ in DataLoader(dataset, 4, num_workers=2, collate_fn=list):
        pass
    return used() - before


def bench_images(folder: Path, images: int) -> None:
    """Time a loader of images with heads beside one of images alone."""
    import torch

    from gtahead.torch import HeadDataset

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    frames = -(-images // 5)
    preset = Preset("bench", (1920, 1080), (frames,) * 5, (340.0,) * 5, 5, (8.0, 40.0), 0.5)
    gtahead.simulate(folder / "captures", preset=preset)
    dataset = gtahead.build(folder / "captures", folder / "images").open()
    files = [frame.image_path for frame in dataset if frame.image_path is not None]
    with_heads, alone = HeadDataset(dataset), _Decoded(files)
    times: dict[str, list[float]] = {"heads": [], "alone": []}
    for _ in range(TURNS):
        times["heads"].append(_turn(with_heads))
        times["alone"].append(_turn(alone))
    ours, theirs = (statistics.median(times[name]) for name in ("heads", "alone"))
    print(f"images: {len(files)} of 1920 x 1080, two workers")
    print(f"  HeadDataset                            {ours:6.2f} s CPU   {ours / theirs:.2f} x")
    print(f"  cv2.imdecode and BGR to RGB            {theirs:6.2f} s CPU")
    what = f"{len(files)} images of 1080p with their heads by a DataLoader"
    tell(Figure(what, ours, "s", "cv2.imdecode and BGR to RGB alone", theirs, "at most 1.1 x"))


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench_frames(Path(name))
        bench_derived(Path(name))
        bench_images(Path(name), options.images)


if __name__ == "__main__":
    main()
