"""How often the intervals of scores cover the true value, on 7, 10 and 35 simulated sequences.

Two populations. A sequence's density is log-normal, with a standard deviation of its logarithm of
0.4 (sequences alike) or 1.0 (a few hold most heads). Each has 20 frames around its density; a
method's counts are off by a share of its own for each sequence and by one for each frame. A second
method shares half of the first one's error, for paired differences.

    python tools/experiments/interval_coverage.py [--draws 2000]
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

from gtahead.arrays import Floats
from gtahead.metrics.intervals import Interval, studentised
from gtahead.scoring.comparing import paired_difference

FRAMES = 20
SIZES = (7, 10, 35)


def population(rng: np.random.Generator, sequences: int, spread: float) -> dict[str, Floats]:
    """Draw sequences: sums of the frames' absolute and squared errors of two methods."""
    density = 340 * np.exp(rng.normal(0, spread, (sequences, 1)) - spread**2 / 2)
    counts = density * np.exp(rng.normal(0, 0.15, (sequences, FRAMES)))
    of_sequence, of_frame = (
        rng.normal(0, 0.1, (3, sequences, 1)),
        rng.normal(0, 0.1, (3, sequences, FRAMES)),
    )
    sums = {"images": np.full(sequences, float(FRAMES))}
    for name, own in (("a", 1), ("b", 2)):
        share = (of_sequence[0] + of_frame[0] + of_sequence[own] + of_frame[own]) / np.sqrt(2)
        error = counts * (share + 0.03)
        sums[f"absolute_{name}"] = np.abs(error).sum(axis=1)
        sums[f"square_{name}"] = (error**2).sum(axis=1)
    return sums


def covers(interval: Interval | None, value: float) -> bool:
    """Return whether a value lies in an interval."""
    return interval is not None and interval.low <= value <= interval.high


def figures(sums: dict[str, Floats], method: str, weights: Floats) -> dict[str, Floats]:
    """Compute MAE and RMSE for multiplicities of the sequences."""
    images = weights @ sums["images"]
    return {
        "mae": weights @ sums[f"absolute_{method}"] / images,
        "rmse": np.sqrt(weights @ sums[f"square_{method}"] / images),
    }


def main() -> None:
    """Print a table of coverages."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--draws", type=int, default=2000)
    options.add_argument("--resamples", type=int, default=2000)
    given = options.parse_args()
    scales = {"mae": "log", "rmse": "log"}
    print("log-sd  sequences  MAE    RMSE   MAE of A - MAE of B")
    for spread in (0.4, 1.0):
        rng = np.random.default_rng(1)
        large = population(rng, 400_000, spread)
        whole = np.ones((1, 400_000))
        ground_truth = {
            m: {k: float(v[0]) for k, v in figures(large, m, whole).items()} for m in "ab"
        }
        for sequences in SIZES:
            held = {"mae": 0, "rmse": 0, "difference": 0}
            for draw in range(given.draws):
                rng = np.random.default_rng([7, sequences, draw])
                sums = population(rng, sequences, spread)
                first, second = partial(figures, sums, "a"), partial(figures, sums, "b")
                how = {"resamples": given.resamples, "seed": draw}
                found = studentised(first, scales, sequences, **how)
                for name, interval in found.items():
                    held[name] += (
                        interval is not None
                        and interval.low <= ground_truth["a"][name] <= interval.high
                    )
                found = paired_difference(first, second, ["mae"], sequences)
                real = ground_truth["a"]["mae"] - ground_truth["b"]["mae"]
                held["difference"] += covers(found["mae"], real)
            shares = [f"{count / given.draws:.3f}" for count in held.values()]
            print(f"{spread:<7} {sequences:<10} {shares[0]}  {shares[1]}  {shares[2]}", flush=True)


if __name__ == "__main__":
    main()
