r"""Tables, curves and verdicts of the first two rounds, by the rule of their plan.

    python tools/experiments/first_rounds/report.py --write docs/experiment-first-rounds.md \
        --figure docs/images/first-rounds.svg

They ran on crowds of an earlier simulator, and can't be repeated or continued.

A difference is that of two arms trained from the same seeds and scored on the same sequences. Its
interval is a two-way bootstrap: seeds and test sequences are drawn with repetition, the same ones
for both arms.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gtahead.arrays import Floats

HERE = Path(__file__).parent
PLAN, RESULTS = HERE / "plan.toml", HERE / "results.jsonl"

PAPER = "MAE -47.03 %, RMSE -61.99 %"
"""The largest gains that the paper's abstract names."""

BASES = {"centernet": ("native", "binary-area")}
DEVICES = {"cpu": "processors, one thread a run"}
OTHER_BASES = ("native", "focal")
COLOURS = {
    "native": "#222222",
    "mfl": "#d1495b",
    "binary-area": "#0b6e99",
    "native-mass": "#8a8a8a",
}
SIZES = {"full": "full size", "half": "half size", "quarter": "quarter size"}


@dataclass(frozen=True)
class Run:
    """One training: detector, scale and arm by the plan's names, seed, learning rate."""

    detector: str
    scale: str
    arm: str
    seed: int
    learning_rate: float


def finished(results: list[dict[str, Any]]) -> dict[Run, dict[str, Any]]:
    """Return the finished runs."""
    return {Run(**row["run"]): row for row in results if row["state"] == "finished"}


def chosen_rate(
    plan: Mapping[str, Any], done: Mapping[Run, Mapping[str, Any]], detector: str, arm: str
) -> float | None:
    """Return the learning rate of an arm's least validation MAE; None while runs are missing."""
    search = plan["search"]
    errors: dict[float, float] = {}
    for rate in search["learning_rates"]:
        row = done.get(Run(detector, search["scale"], arm, 0, rate))
        if row is None:
            return None
        errors[rate] = main_decode(row)["validation"]["mae"]
    return min(errors, key=lambda rate: (errors[rate], rate))


def main_decode(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the scores of the decoding that the verdict is about: peaks of a heatmap, else NMS."""
    scores: Mapping[str, Any] = next(iter(row["decodes"].values()))
    return scores


def runs_of(plan: Mapping[str, Any], done: Mapping[Run, Mapping[str, Any]]) -> Iterator[Run | None]:
    """Yield all runs in their order; None for one whose learning rate isn't known."""
    for block in plan["blocks"]:
        detector, scale = block["detector"], block["scale"]
        for arm in block["arms"]:
            for rate in plan["search"]["learning_rates"]:
                yield Run(detector, plan["search"]["scale"], arm, 0, rate)
        for seed in range(block["seeds"]):
            for arm in block["arms"]:
                rate = chosen_rate(plan, done, detector, arm)
                yield None if rate is None else Run(detector, scale, arm, seed, rate)


@dataclass(frozen=True)
class Arm:
    """An arm's finished runs at its learning rate, in the order of seeds.

    Attributes:
        detector, scale, name: what it is.
        rate: its learning rate.
        seeds: of the runs.
        rows: lines of results.
        wanted: how many seeds the plan has.
    """

    detector: str
    scale: str
    name: str
    rate: float
    seeds: tuple[int, ...]
    rows: tuple[Mapping[str, Any], ...]
    wanted: int

    def states(self, state: str, decode: str | None = None) -> Floats:
        """Return a sum for each seed and test sequence."""
        return np.array([_decoded(row, decode)["clusters"][state] for row in self.rows], np.float64)

    def mean(self, part: str, figure: str, decode: str | None = None) -> float:
        """Return the mean over seeds of a metric of a split."""
        return float(np.mean([_decoded(row, decode)[part][figure] for row in self.rows]))

    def spread(self, figure: str) -> float:
        """Return the standard deviation over seeds, two or more, of a test metric."""
        return float(np.std([main_decode(row)["test"][figure] for row in self.rows], ddof=1))


def title_of(plan: Mapping[str, Any], scale: str) -> str:
    """Name a size of heads and how long training took, in steps."""
    steps = -(-TRAINING_IMAGES // plan["settings"]["batch"]) * plan["scales"][scale]["epochs"]
    return f"{SIZES[scale.split('-', maxsplit=1)[0]]}, {steps:,} steps"


def _decoded(row: Mapping[str, Any], decode: str | None) -> Mapping[str, Any]:
    scores: Mapping[str, Any] = main_decode(row) if decode is None else row["decodes"][decode]
    return scores


def arms_of(plan: Mapping[str, Any], done: Mapping[Run, Mapping[str, Any]]) -> Iterator[Arm]:
    """Yield all arms of the plan, those without a finished run too."""
    for block in plan["blocks"]:
        for name in block["arms"]:
            rate = chosen_rate(plan, done, block["detector"], name)
            runs = {
                seed: Run(block["detector"], block["scale"], name, seed, rate)
                for seed in range(block["seeds"])
                if rate is not None
            }
            there = {seed: done[run] for seed, run in runs.items() if run in done}
            yield Arm(
                block["detector"], block["scale"], name, rate or 0.0, tuple(there),
                tuple(there.values()), block["seeds"],
            )  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """How much an arm's error is above another's, relatively, with its interval."""

    arm: Arm
    base: Arm
    value: float
    low: float
    high: float
    seeds: int

    def verdict(self, equivalent: float) -> str:
        """Return the verdict in a word."""
        if -equivalent < self.low and self.high < equivalent:
            return "equivalent"
        return "better" if self.high < 0 else "worse" if self.low > 0 else "undecided"

    def __str__(self) -> str:
        value, low, high = (f"{100 * one:+.1f}" for one in (self.value, self.low, self.high))
        return f"{value} % ({low} … {high})"


def difference(
    arm: Arm, base: Arm, verdict: Mapping[str, Any], state: str, decode: str | None = None
) -> Difference | None:
    """Compare two arms by MAE (state "absolute") or RMSE ("square"); None without common seeds."""
    common = [seed for seed in arm.seeds if seed in base.seeds]
    if not common:
        return None
    images = arm.states("images", decode)[0]
    sums = [
        one.states(state, decode)[[one.seeds.index(seed) for seed in common]] for one in (arm, base)
    ]
    random = np.random.default_rng(0)
    draws = verdict["resamples"]
    seeds = random.multinomial(len(common), np.full(len(common), 1 / len(common)), draws)
    sequences = random.multinomial(len(images), np.full(len(images), 1 / len(images)), draws)
    of_seeds = np.concatenate([np.ones((1, len(common))), seeds])
    of_sequences = np.concatenate([np.ones((1, len(images))), sequences])
    errors = []
    for values in sums:
        total = np.einsum("rs,sq,rq->r", of_seeds, values, of_sequences)
        mean = total / (len(common) * (of_sequences @ images))
        errors.append(np.sqrt(mean) if state == "square" else mean)
    relative = errors[0] / errors[1] - 1
    tail = (1 - verdict["level"]) / 2
    low, high = np.quantile(relative[1:], [tail, 1 - tail])
    return Difference(arm, base, float(relative[0]), float(low), float(high), len(common))


def void(native: Arm, plan: Mapping[str, Any], guess: float) -> str | None:
    """Return why a detector's rows at a scale are void; None if they aren't."""
    f1, mae = native.mean("validation", "f1_best"), native.mean("validation", "mae")
    rule = plan["verdict"]
    if f1 < rule["void_f1"]:
        return f"native's F1 on validation is {f1:.2f}, under {rule['void_f1']:.2f}"
    if mae > rule["void_mae"] * guess:
        return f"native's MAE on validation is {mae:.2f}, over half of guessing's {guess:.2f}"
    return None


def report(plan: Mapping[str, Any], results: list[dict[str, Any]], guess: float) -> list[str]:
    """Write the page.

    Args:
        plan: of the experiment.
        results: all lines.
        guess: MAE on validation of guessing the training images' mean count.
    """
    done = finished(results)
    arms = list(arms_of(plan, done))
    lines = [_head(plan, results, done, _in_short(arms, plan, guess)).rstrip()]
    for detector, scale in dict.fromkeys((arm.detector, arm.scale) for arm in arms):
        mine = [arm for arm in arms if (arm.detector, arm.scale) == (detector, scale)]
        lines += ["", f"## {detector}, {title_of(plan, scale)}", ""]
        if not any(arm.rows for arm in mine):
            lines.append("Not run yet.")
            continue
        kinds = sorted({row.get("device", "cpu") for arm in mine for row in arm.rows})
        lines += [f"Trained on {' and '.join(DEVICES.get(kind, kind) for kind in kinds)}.", ""]
        native = next(arm for arm in mine if arm.name == "native")
        why = void(native, plan, guess) if native.rows else "native wasn't run"
        if why is not None:
            lines += [
                f"**Void** by the plan's rule: {why}. The figures are shown all the same.",
                "",
            ]
        lines += _figures(mine)
        lines += ["", *_differences(mine, plan, is_void=why is not None)]
    return lines


def _in_short(arms: list[Arm], plan: Mapping[str, Any], guess: float) -> str:
    """Summarise the arm that the verdict is about, a line per detector and size."""
    lines = []
    for detector, scale in dict.fromkeys((arm.detector, arm.scale) for arm in arms):
        mine = [arm for arm in arms if (arm.detector, arm.scale) == (detector, scale)]
        said = []
        for arm, base in _pairs(mine):
            found = difference(arm, base, plan["verdict"], "absolute")
            if arm.name == "mfl" and found is not None:
                verdict = found.verdict(plan["verdict"]["equivalent"])
                seeds = (
                    "" if found.seeds == arm.wanted else f", {found.seeds} of {arm.wanted} seeds"
                )
                said.append(f"{verdict} against `{base.name}`, MAE {found}{seeds}")
        native = next(arm for arm in mine if arm.name == "native")
        if said and native.rows:
            void_ = " (void, see below)" if void(native, plan, guess) else ""
            name = f"`{detector}`, {title_of(plan, scale)}{void_}"
            lines.append(f"- {name}: " + "; ".join(said) + ".")
    return "\n".join(lines)


def _head(
    plan: Mapping[str, Any],
    results: list[dict[str, Any]],
    done: Mapping[Run, Mapping[str, Any]],
    in_short: str,
) -> str:
    runs = list(runs_of(plan, done))
    missing = len(set(runs) - {None} - set(done)) + runs.count(None)
    rule = plan["verdict"]
    return (
        (HERE / "page.md")
        .read_text(encoding="utf-8")
        .format(
            in_short=in_short,
            finished=len(done),
            hours=sum(row["cpu_s"] for row in done.values()) / 3600,
            gpu=sum(row.get("device", "cpu") != "cpu" for row in done.values()),
            cut=sum(row["state"] == "started" for row in results) - len(done),
            missing=missing,
            level=f"{100 * rule['level']:.0f} %",
            equivalent=f"{100 * rule['equivalent']:.0f} %",
            paper=PAPER,
        )
    )


def _figures(arms: list[Arm]) -> list[str]:
    """Return the table of metrics: means over seeds."""
    nms = arms[0].detector == "centernet"
    lines = [
        "| arm | learning rate | seeds | MAE ± sd | RMSE | bias | GAME(3) | F1 | AP50 |"
        + (" MAE, F1 by NMS |" if nms else ""),
        "|---|---|---|---|---|---|---|---|---|" + ("---|" if nms else ""),
    ]
    for arm in arms:
        if not arm.rows:
            lines.append(
                f"| {arm.name} | | 0 of {arm.wanted} | not run |" + " |" * (6 if nms else 5)
            )
            continue
        test = {name: arm.mean("test", name) for name in
                ("mae", "rmse", "bias", "game3", "f1_large", "ap50")}  # fmt: skip
        spread = f" ± {arm.spread('mae'):.2f}" if len(arm.seeds) > 1 else ""
        line = (
            f"| {arm.name} | {arm.rate:g} | {len(arm.seeds)} of {arm.wanted} | {test['mae']:.2f}"
            f"{spread} | {test['rmse']:.2f} | {test['bias']:+.2f} | "
            f"{test['game3']:.2f} | {test['f1_large']:.3f} | {test['ap50']:.3f} |"
        )
        if nms:
            by_nms = [arm.mean("test", name, "nms") for name in ("mae", "f1_large")]
            line += f" {by_nms[0]:.2f}, {by_nms[1]:.3f} |"
        lines.append(line)
    return lines


def _differences(arms: list[Arm], plan: Mapping[str, Any], *, is_void: bool) -> list[str]:
    """Return the table of differences and verdicts."""
    rule = plan["verdict"]
    nms = arms[0].detector == "centernet"
    lines = [
        "| arm | against | seeds | MAE | RMSE |" + (" MAE by NMS |" if nms else "") + " verdict |",
        "|---|---|---|---|---|---|" + ("---|" if nms else ""),
    ]
    for arm, base in _pairs(arms):
        mae = difference(arm, base, rule, "absolute")
        rmse = difference(arm, base, rule, "square")
        if mae is None or rmse is None:
            continue
        said = mae.verdict(rule["equivalent"])
        by_nms = f" {difference(arm, base, rule, 'absolute', 'nms')} |" if nms else ""
        lines.append(
            f"| {arm.name} | {base.name} | {mae.seeds} | {mae} | {rmse} |{by_nms} "
            f"{f'void ({said})' if is_void else said} |"
        )
    return lines


def _pairs(arms: list[Arm]) -> Iterator[tuple[Arm, Arm]]:
    bases = BASES.get(arms[0].detector, OTHER_BASES)
    for name in bases:
        base = next((arm for arm in arms if arm.name == name), None)
        for arm in arms:
            if base is not None and arm.name not in bases[: bases.index(name) + 1]:
                yield arm, base


def draw(plan: Mapping[str, Any], results: list[dict[str, Any]], path: Path) -> None:
    """Draw MAE over training, and the differences."""
    mpl.rcParams["svg.fonttype"] = "path"  # the same wherever it is opened
    mpl.rcParams["svg.hashsalt"] = "gtahead"
    arms = [arm for arm in arms_of(plan, finished(results)) if arm.rows]
    main = [arm for arm in arms if arm.detector == "centernet" and arm.name in COLOURS]
    there = {arm.scale for arm in main}
    scales = [f"{one}-long" if f"{one}-long" in there else one for one in SIZES]
    scales = [scale for scale in scales if scale in there]
    rows = _against_native(arms, plan)
    heights = [3.2, 0.9 + 0.27 * len(rows)]
    figure = Figure(figsize=(10.0, sum(heights)), layout="constrained", facecolor="white")
    grid = figure.add_gridspec(2, max(len(scales), 1), height_ratios=heights)
    for column, scale in enumerate(scales):
        axis = figure.add_subplot(grid[0, column])
        for arm in (arm for arm in main if arm.scale == scale):
            curves = np.array([[at["test"]["mae"] for at in row["curve"]] for row in arm.rows])
            steps = [at["steps"] for at in arm.rows[0]["curve"]]
            axis.plot(steps, curves.mean(axis=0), "o-", color=COLOURS[arm.name], label=arm.name)
            axis.fill_between(steps, curves.min(axis=0), curves.max(axis=0),
                              color=COLOURS[arm.name], alpha=0.12, linewidth=0)  # fmt: skip
        axis.set(xlabel="steps", ylim=(0, None))
        axis.set_title(f"centernet, {SIZES[scale.split('-', maxsplit=1)[0]]}", fontsize=11)
        axis.spines[["top", "right"]].set_visible(False)
        if column == 0:
            axis.set_ylabel("test MAE, heads")
            figure.legend(loc="outside upper center", ncols=len(COLOURS), frameon=False)
    _forest(figure.add_subplot(grid[1, :]), rows, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def _against_native(arms: list[Arm], plan: Mapping[str, Any]) -> list[Difference]:
    rows: list[Difference] = []
    for detector, scale in dict.fromkeys((arm.detector, arm.scale) for arm in arms):
        mine = [arm for arm in arms if (arm.detector, arm.scale) == (detector, scale)]
        found = (
            difference(arm, base, plan["verdict"], "absolute")
            for arm, base in _pairs(mine)
            if base.name == "native"
        )
        rows += [row for row in found if row is not None]
    return rows


def _forest(axis: Axes, rows: list[Difference], plan: Mapping[str, Any]) -> None:
    for number, row in enumerate(reversed(rows)):
        colour = COLOURS.get(row.arm.name, "#7a5195")
        axis.plot([1 + row.low, 1 + row.high], [number, number], color=colour, linewidth=2)
        axis.plot(1 + row.value, number, "o", color=colour)
    axis.set_yticks(
        range(len(rows)),
        [
            f"{row.arm.name}  ({row.arm.detector}, {title_of(plan, row.arm.scale)})"
            for row in reversed(rows)
        ],
        fontsize=8.5,
    )
    band = plan["verdict"]["equivalent"]
    axis.axvspan(1 - band, 1 + band, color="#888888", alpha=0.15, linewidth=0)
    axis.axvline(1, color="#222222", linewidth=1)
    axis.set_xscale("log")
    ticks = [0.5, 0.7, 1, 1.5, 2, 3, 5]
    axis.set_xticks(ticks, [f"{100 * (tick - 1):+.0f} %".replace("+0", "0") for tick in ticks])
    axis.minorticks_off()
    axis.set_xlabel("test MAE against native (right: worse); grey: equivalent")
    axis.spines[["top", "right"]].set_visible(False)


TRAINING_IMAGES = 300
VALIDATION_GUESS = 19.81
"""MAE on validation of guessing the training images' mean count, by `gtahead benchmark`."""


def main() -> None:
    """Print or write the page, and draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", type=Path, help="a Markdown page")
    parser.add_argument("--figure", type=Path, help="an SVG")
    arguments = parser.parse_args()
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    results = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    text = "\n".join(report(plan, results, VALIDATION_GUESS)) + "\n"
    if arguments.write is None:
        print(text, end="")
    else:
        arguments.write.write_text(text, encoding="utf-8")
    if arguments.figure is not None:
        draw(plan, results, arguments.figure)


if __name__ == "__main__":
    main()
