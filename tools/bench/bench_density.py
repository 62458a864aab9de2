"""How fast are the maps, beside what people use today?

    python tools/bench/bench_density.py
    python tools/bench/bench_density.py --quick   # the slowest peer on 20 heads, extrapolated

Every peer is reimplemented here from its description, on the same heads: 1920 x 1080, spread in
perspective, sigma 0.3 x the mean distance to the three nearest. Printed is the CPU time of this
process on one thread, the median of `--repeat` runs after one that warms up; `cold` is the first
call of a fresh process, in which numba loads what it compiled before. Linux only.

Goals: density of 340 heads >= 5,000 x a Gaussian filter of the whole image per head, and >= 4 x a
windowed NumPy loop; from 340 to 12,000 heads <= 5 x; heatmap >= 50 x a per-head NumPy maximum,
equal within 1e-6; fixed sigma, 3,000 heads >= 2 x a loop with one precomputed kernel; focal inverse
distance map, 340 heads >= 10 x OpenCV's transform and the formula; knn sizes of a dataset >= 1.6 x
a cKDTree a frame.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from figures import Figure, tell
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from gtahead.annotation.nearest import mean_distances_by_frame
from gtahead.arrays import Floats
from gtahead.density import count_of, render_density, render_fidt, render_heatmap

SIZE_WH = (1920, 1080)
FRAMES, HEADS = 5096, 1_732_043  # GTA_Head's


def crowd(count: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Spread heads on a ground plane seen from above: dense and small at the top."""
    random = np.random.default_rng(seed)
    depth = random.uniform(1, 4, count) ** (1 / 1.5) * 2
    points = np.stack(
        [
            960 + random.uniform(-1, 1, count) * 960 * np.minimum(1, 2 / depth + 0.5),
            1079 * (2 / depth - 2 / 5.04) / (1 - 2 / 5.04),
        ],
        axis=1,
    )
    points = np.clip(points, 0, [1919.9, 1079.9])
    distance, _ = cKDTree(points).query(points, k=4)
    return points, np.maximum(0.3 * distance[:, 1:].mean(axis=1), 0.5)


def filter_each(points: Floats, sigmas: Floats) -> npt.NDArray[np.float32]:
    """Filter the whole image once per head: CSRNet's script."""
    density = np.zeros(SIZE_WH[::-1], np.float32)
    for (x, y), sigma in zip(points, sigmas, strict=True):
        point = np.zeros(SIZE_WH[::-1], np.float32)
        point[int(y), int(x)] = 1.0
        density += gaussian_filter(point, sigma, mode="constant")
    return density


def windowed(points: Floats, sigmas: Floats) -> npt.NDArray[np.float32]:
    """Add a normalised window per head, in NumPy."""
    width, height = SIZE_WH
    density = np.zeros((height, width), np.float32)
    for (x, y), sigma in zip(points, sigmas, strict=True):
        reach = math.ceil(4 * sigma)
        left, right = max(int(x) - reach, 0), min(int(x) + reach + 1, width)
        top, bottom = max(int(y) - reach, 0), min(int(y) + reach + 1, height)
        columns, rows = np.arange(left, right) + 0.5 - x, np.arange(top, bottom) + 0.5 - y
        patch = np.exp(-(columns[None, :] ** 2 + rows[:, None] ** 2) / (2 * sigma**2))
        density[top:bottom, left:right] += patch / patch.sum()
    return density


def one_kernel(points: Floats, sigma: float = 4.0, size: int = 15) -> npt.NDArray[np.float32]:
    """Add one precomputed kernel per head, cut at the borders: C-3's script."""
    width, height = SIZE_WH
    line = cv2.getGaussianKernel(size, sigma)
    kernel, half = (line @ line.T).astype(np.float32), size // 2
    density = np.zeros((height, width), np.float32)
    for x, y in points.astype(np.int64):
        left, right = max(x - half, 0), min(x + half + 1, width)
        top, bottom = max(y - half, 0), min(y + half + 1, height)
        part = kernel[top - y + half : bottom - y + half, left - x + half : right - x + half]
        density[top:bottom, left:right] += part
    return density


def patches(points: Floats, sigmas: Floats, stride: int = 4) -> npt.NDArray[np.float32]:
    """Take the maximum with a Gaussian patch per head: CenterNet's way, with our cells and cut."""
    shape = (-(-SIZE_WH[1] // stride), -(-SIZE_WH[0] // stride))
    heat = np.zeros(shape, np.float32)
    for (x, y), sigma in zip(points / stride, sigmas / stride, strict=True):
        column, row, reach = int(x), int(y), math.floor(4 * sigma)
        rows, columns = np.ogrid[-reach : reach + 1, -reach : reach + 1]
        patch = np.exp(-(columns * columns + rows * rows) / (2 * sigma * sigma))
        left, right = min(column, reach), min(shape[1] - column, reach + 1)
        top, bottom = min(row, reach), min(shape[0] - row, reach + 1)
        mine = heat[row - top : row + bottom, column - left : column + right]
        here = patch[reach - top : reach + bottom, reach - left : reach + right]
        np.maximum(mine, here.astype(np.float32), out=mine)
    return heat


def transform(points: Floats) -> npt.NDArray[np.float32]:
    """Transform the whole image and apply the formula: FIDTM's script."""
    mask = np.ones(SIZE_WH[::-1], np.uint8)
    columns, rows = points.astype(np.int64).T
    mask[rows, columns] = 0
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    made = 1 / (1 + np.power(distance, 0.02 * distance + 0.75))
    made[made < 0.01] = 0
    result: npt.NDArray[np.float32] = made
    return result


def trees(points: Floats, starts: npt.NDArray[np.int64]) -> Floats:
    """Build and query one cKDTree per frame."""
    found = []
    for first, last in pairwise(starts):
        mine = points[first:last]
        if len(mine) > 1:
            distance, _ = cKDTree(mine).query(mine, k=min(4, len(mine)))
            found.append(distance[:, 1:].mean(axis=1))
        else:
            found.append(np.full(len(mine), np.nan))
    return np.concatenate(found)


def seconds(work: Callable[[], Any], repeat: int) -> float:
    """Return the median CPU seconds, after one run that isn't counted."""
    work()
    times = []
    for _ in range(repeat):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return statistics.median(times)


def cold(call: str) -> float:
    """Return the CPU seconds of the first call in a fresh process, numba's import included."""
    code = (
        "import time, numpy\n"
        "points = numpy.random.default_rng(0).uniform(0, [1920, 1080], (340, 2))\n"
        "from gtahead import density\n"
        "begin = time.process_time()\n"
        f"density.{call}\n"
        "print(time.process_time() - begin)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def show(what: str, ours: float, peer: float, goal: str) -> None:
    """Print a line."""
    ours_is, _, whose = what.partition(" / ")
    tell(Figure(ours_is, ours * 1e3, "ms", whose, peer * 1e3, f"{goal} × faster"))
    print(
        f"{what:44}{ours * 1e3:10.2f} ms{peer * 1e3:12.2f} ms{peer / ours:10,.1f} x   goal {goal}"
    )


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    repeat = arguments.repeat
    cv2.setNumThreads(1)  # nothing else here has several
    print(f"{'':44}{'gtahead':>13}{'peer':>15}{'ratio':>12}")
    few, few_sigmas = crowd(340)
    some = 20 if arguments.quick else len(few)
    begin = time.process_time()
    filter_each(few[:some], few_sigmas[:some])
    whole = (time.process_time() - begin) * len(few) / some
    ours = seconds(lambda: render_density(few, few_sigmas, SIZE_WH), repeat)
    show("density, 340 heads / filter of the image", ours, whole, ">= 5,000")
    loop = seconds(lambda: windowed(few, few_sigmas), repeat)
    show("density, 340 heads / windowed NumPy loop", ours, loop, ">= 4")
    off = abs(count_of(render_density(few, few_sigmas, SIZE_WH)) - len(few))
    many, many_sigmas = crowd(12_000)
    dense = seconds(lambda: render_density(many, many_sigmas, SIZE_WH), repeat)
    print(f"{'density, 12,000 heads':44}{dense * 1e3:10.2f} ms{dense / ours:27.1f} x   goal <= 5")
    print(f"{'':4}sum - count at 340 heads: {off:.1e}")
    for count in (340, 3000):
        points, sigmas = crowd(count)
        mine = seconds(lambda: render_heatmap(points, sigmas, SIZE_WH), repeat)  # noqa: B023
        peer = seconds(lambda: patches(points, sigmas), repeat)  # noqa: B023
        show(f"heatmap, stride 4, {count:,} heads / NumPy patches", mine, peer, ">= 50")
        apart = np.abs(render_heatmap(points, sigmas, SIZE_WH) - patches(points, sigmas)).max()
        print(f"{'':4}largest difference: {apart:.1e}")
    points, _ = crowd(3000)
    fixed = seconds(lambda: render_density(points, 4.0, SIZE_WH), repeat)
    show(
        "density, sigma 4, 3,000 heads / one Gaussian filter",
        fixed,
        seconds(lambda: one_kernel(points), repeat),
        ">= 2",
    )
    fidt = seconds(lambda: render_fidt(few, SIZE_WH), repeat)
    show(
        "focal inverse distance, 340 heads / distance transform",
        fidt,
        seconds(lambda: transform(few), repeat),
        ">= 10",
    )
    apart = np.abs(render_fidt(few, SIZE_WH) - transform(few)).max()
    print(f"{'':4}largest difference: {apart:.1e}")
    random = np.random.default_rng(1)
    shares = random.lognormal(0, 1.2, FRAMES)
    counts = random.multinomial(HEADS, shares / shares.sum())
    starts = np.concatenate([[0], np.cumsum(counts)])
    crowds = np.concatenate([crowd(max(int(n), 5), i)[0][:n] for i, n in enumerate(counts)])
    mine = seconds(lambda: mean_distances_by_frame(crowds, starts, 3), 3)
    peer = seconds(lambda: trees(crowds, starts), 1)
    show(f"knn sizes, {HEADS:,} heads / SciPy trees", mine, peer, ">= 1.6")
    same = np.allclose(
        mean_distances_by_frame(crowds, starts, 3), trees(crowds, starts), equal_nan=True
    )
    print(f"{'':4}the same sizes: {same}")
    for call in (
        "render_density(points, 4.0, (1920, 1080))",
        "render_heatmap(points, 8.0, (1920, 1080))",
        "render_fidt(points, (1920, 1080))",
    ):
        print(f"cold: {call:50}{cold(call):6.2f} s")


if __name__ == "__main__":
    main()
