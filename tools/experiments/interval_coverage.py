"""How often intervals hold the true value, of four methods, on crowds of all kinds.

Populations, from which 7 to 500 units are drawn: sequences of 20 frames whose densities are
log-normal, with a standard deviation of their logarithms of 0.4, 0.7 or 1.0; single images
likewise, of 0.7, 1.0 and 1.7, whose counts are off by 30 % and a few heads; and lists of real
images with the counts of a real method, drawn with repetition.

Methods: Student's t with a jackknife's error on the metric's scale, which is gtahead's; bootstraps
by percentiles, BCa, and studentised. `given` is the share of samples for which gtahead gives an
interval, `wrong` the share of all samples for which it gives one that misses the true value.

    python tools/experiments/interval_coverage.py [--draws 1000] [--list NAME TRUTH COUNTS]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from scipy.stats import norm

from gtahead.arrays import Floats
from gtahead.metrics import definitions
from gtahead.metrics.intervals import backward, enough, forward, spread_of, students

SIZES = (7, 10, 20, 35, 100, 200, 500)
METRICS = ("mae", "rmse", "nae", "bias", "r2", "f1_large")
RESAMPLES = 500
CHOSEN = [definitions.METRICS[name] for name in METRICS]
SCALES = {metric.name: metric.scale for metric in CHOSEN}

States = Mapping[str, Floats]
Population = Callable[[np.random.Generator, int], States]


def states_of(rng: np.random.Generator, real: Floats, found: Floats) -> dict[str, Floats]:
    """Return states of images, with hits and misses like a detector's."""
    share = 1 / (1 + np.exp(-rng.normal(1.2, 0.6, real.shape)))
    hits = rng.binomial(real.astype(np.int64), share).astype(np.float64)
    false = rng.poisson(0.2 * real).astype(np.float64)
    matches = {"hits_large": hits, "false_large": false, "missed_large": real - hits}
    return {**definitions.counting_states(real, found), **matches}


def sequences(spread: float) -> Population:
    """Draw sequences of 20 frames, whose errors have a share of their own for each sequence."""

    def draw(rng: np.random.Generator, units: int) -> States:
        density = 340 * np.exp(rng.normal(0, spread, (units, 1)) - spread**2 / 2)
        real = np.round(density * np.exp(rng.normal(0, 0.15, (units, 20))))
        off = rng.normal(0, 0.1, (units, 1)) + rng.normal(0, 0.1, (units, 20))
        found = np.maximum(0, np.round(real * (1.03 + off / np.sqrt(2))))
        of_images = states_of(rng, real.ravel(), found.ravel())
        return {name: v.reshape(units, 20).sum(axis=1) for name, v in of_images.items()}

    return draw


def images(spread: float) -> Population:
    """Draw single images."""

    def draw(rng: np.random.Generator, units: int) -> States:
        real = np.round(150 * np.exp(rng.normal(0, spread, units) - spread**2 / 2))
        more: Floats = rng.poisson(3, units).astype(np.float64)
        found = np.round(real * np.exp(rng.normal(0, 0.3, units)) + more)
        return states_of(rng, real, found)

    return draw


def listed(truth: Path, counts: Path) -> Population:
    """Draw images of real lists with repetition."""
    real, found = [
        {words[0]: float(words[1]) for words in map(str.split, path.read_text().splitlines())}
        for path in (truth, counts)
    ]
    names = sorted(real)
    whole = states_of(
        np.random.default_rng(1),
        np.array([real[name] for name in names]),
        np.array([found.get(name, 0.0) for name in names]),
    )

    def draw(rng: np.random.Generator, units: int) -> States:
        if units >= 100_000:
            return whole
        rows = rng.integers(0, len(names), units)
        return {name: values[rows] for name, values in whole.items()}

    return draw


def intervals(states: States, rng: np.random.Generator) -> Iterator[tuple[str, str, Floats]]:
    """Yield method, metric and the ends of the interval."""
    names = list(states)
    table = np.stack([states[name] for name in names], axis=1)
    units = len(table)

    def of(weights: Floats) -> Mapping[str, Floats]:
        sums = weights @ table
        with np.errstate(divide="ignore", invalid="ignore"):
            return definitions.values_of({n: sums[:, k] for k, n in enumerate(names)}, CHOSEN)

    for name, span in students(of, SCALES, units).items():
        yield "t", name, np.array([np.nan, np.nan] if span is None else [span.low, span.high])
    draws = of(rng.multinomial(units, np.full(units, 1 / units), RESAMPLES).astype(np.float64))
    whole, without = of(np.ones((1, units))), of(1 - np.eye(units))
    # Of draws the error is that of the units' influence, which is known on the whole sample alone:
    # it is taken as for a mean, from the draw's own second moment of the influence.
    picks = rng.integers(0, units, (RESAMPLES, units))
    for name, scale in SCALES.items():
        centre = float(forward(whole[name], scale)[0])
        left = forward(without[name], scale)
        influence = (units - 1) * (left.mean() - left)
        error = np.sqrt((influence**2).sum() / units / (units - 1))
        moved = influence[picks]
        own = moved.std(axis=1, ddof=1) / np.sqrt(units)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = moved.mean(axis=1) / own
        boot = forward(draws[name], scale)
        boot = boot[np.isfinite(boot)]
        if len(boot) < RESAMPLES / 2 or not np.isfinite(centre + error):
            continue
        ratios = ratios[np.isfinite(ratios)]
        low, high = np.quantile(ratios, [0.025, 0.975]) if len(ratios) else (np.nan, np.nan)
        skew = (influence**3).sum() / max(6 * (influence**2).sum() ** 1.5, 1e-300)
        bias = norm.ppf(np.clip((boot < centre).mean(), 1e-3, 1 - 1e-3))
        z = bias + norm.ppf([0.025, 0.975])
        levels = norm.cdf(bias + z / np.maximum(1 - skew * z, 1e-3))
        for method, ends in (
            ("percentile", np.quantile(boot, [0.025, 0.975])),
            ("BCa", np.quantile(boot, levels)),
            ("studentised", np.array([centre - high * error, centre - low * error])),
        ):
            yield method, name, np.sort(backward(ends, scale))


def main() -> None:
    """Print a table of coverages and widths."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--draws", type=int, default=1000)
    options.add_argument("--list", nargs=3, action="append", default=[])
    given = options.parse_args()
    populations: dict[str, Population] = {
        **{f"sequences, {spread}": sequences(spread) for spread in (0.4, 0.7, 1.0)},
        **{f"images, {spread}": images(spread) for spread in (0.7, 1.0, 1.7)},
        **{name: listed(Path(truth), Path(counts)) for name, truth, counts in given.list},
    }
    print("population units metric | given wrong | covered and median width of each method")
    for label, population in populations.items():
        large = population(np.random.default_rng(1), 400_000)
        sums = {name: np.array([values.sum()]) for name, values in large.items()}
        true = {name: float(v[0]) for name, v in definitions.values_of(sums, CHOSEN).items()}
        for units in SIZES:
            kept: dict[tuple[str, str], list[Floats]] = {}
            holds: dict[str, list[bool]] = {name: [] for name in METRICS}
            for draw in range(given.draws if units < 200 else given.draws // 2):
                rng = np.random.default_rng([7, units, draw])
                states = population(rng, units)
                spread = spread_of(states["ground_truth"] / states["images"])
                for method, name, ends in intervals(states, rng):
                    kept.setdefault((name, method), []).append(ends)
                for metric in CHOSEN:
                    holds[metric.name].append(enough(metric.tail, units, spread))
            for name in METRICS:
                shown = np.array(holds[name])
                line = []
                for method in ("t", "percentile", "BCa", "studentised"):
                    ends = np.array(kept[name, method])
                    held = (ends[:, 0] <= true[name]) & (true[name] <= ends[:, 1])
                    width = np.nanmedian(ends[:, 1] - ends[:, 0]) / abs(true[name])
                    line.append(f"{method} {held.sum() / len(shown):.1%} {width:.2f}")
                    if method == "t":
                        wrong = (shown & ~held).mean()
                print(
                    f"{label:15} {units:4} {name:8} | {shown.mean():4.0%} {wrong:5.1%} | "
                    + "  ".join(line),
                    flush=True,
                )


if __name__ == "__main__":
    main()
