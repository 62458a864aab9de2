"""Apply the rule of `mfl.toml` to the rows so far: verdicts, tables, a figure, a page of the docs.

python tools/experiments/mfl_report.py                       # print the page
python tools/experiments/mfl_report.py --write docs/experiment.md --figure docs/images/mfl.svg
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from mfl import HERE, RESULTS, Done, Plan, Run, chosen, finished, read_plan, read_rows, runs_of

from gtahead.arrays import Floats

PAPER = "MAE −47.03 % and RMSE −61.99 %"

CEILING_F1 = 0.996
"""Of a perfect heatmap on validation, read by NMS; `mfl.py --describe`."""


@dataclass(frozen=True)
class Arm:
    """An arm's finished runs at what was chosen for it.

    Attributes:
        detector: by gtahead's name.
        name: by the plan's.
        rate: its learning rate; 0 while it isn't chosen.
        decode: its decoder.
        rows: scores of its runs by that decoder, by seed.
    """

    detector: str
    name: str
    rate: float
    decode: str
    rows: Mapping[int, Mapping[str, Any]]

    def states(self, state: str, seeds: list[int]) -> Floats:
        """Return a sum for each of some seeds and each test sequence."""
        return np.array([self.rows[seed]["clusters"][state] for seed in seeds], np.float64)

    def values(self, part: str, metric: str) -> Floats:
        """Return a metric of a split, for each seed."""
        return np.array([row[part][metric] for row in self.rows.values()], np.float64)


def arms_of(plan: Plan, done: Done) -> list[Arm]:
    """Return all arms of the plan, those without a finished run too."""
    arms = []
    for detector, names in plan["arms"].items():
        for name in names:
            best = chosen(plan, done, detector, name)
            rate, decode = best or (0.0, "")
            runs = {seed: Run(detector, name, seed, rate) for seed in range(plan["seeds"])}
            rows = {seed: done[run]["decodes"][decode] for seed, run in runs.items()
                    if best and run in done}  # fmt: skip
            arms.append(Arm(detector, name, rate, decode, rows))
    return arms


def naes_of(arm: Arm, seeds: list[int]) -> Floats:
    """Return the NAE of each of some seeds and each sequence: its error over its heads."""
    heads: Floats = arm.states("ground_truth", seeds)
    return np.asarray(arm.states("absolute", seeds) / np.maximum(heads, 1))


def sign_flip(differences: Floats, flips: int) -> float:
    """Return the two-sided p of a mean over sequences, (S,), under random signs."""
    random = np.random.default_rng(0)
    observed = abs(differences.mean())
    beyond = 1  # what was observed is one of the arrangements
    for _ in range(0, flips, 10_000):
        signs = random.choice([-1.0, 1.0], (10_000, len(differences)))
        beyond += int((np.abs((signs * differences).mean(axis=1)) >= observed * (1 - 1e-12)).sum())
    return beyond / (flips + 1)


def holm(values: list[float]) -> list[float]:
    """Return p adjusted by Holm's step-down method."""
    order = np.argsort(values)
    adjusted = np.empty(len(values))
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min((len(values) - rank) * values[index], 1.0))
        adjusted[index] = highest
    return [float(value) for value in adjusted]


@dataclass
class Pair:
    """What two arms differ by, over the seeds that both have.

    Attributes:
        arm, base: the arms.
        seeds: how many both have.
        value: relative difference of test MAE.
        low: its interval's lower end.
        high: its upper one.
        p_mae: of the sign-flip test on absolute errors; `holm_mae` after Holm's correction.
        p_nae: on NAE.
    """

    arm: Arm
    base: Arm
    seeds: int
    value: float
    low: float
    high: float
    p_mae: float
    p_nae: float
    holm_mae: float = 1.0
    holm_nae: float = 1.0


def compare(arm: Arm, base: Arm, rule: Mapping[str, Any]) -> Pair | None:
    """Compare two arms; None without common seeds."""
    seeds = [seed for seed in arm.rows if seed in base.rows]
    if not seeds:
        return None
    errors = [one.states("absolute", seeds) for one in (arm, base)]
    random = np.random.default_rng(0)
    draws = []
    for count in errors[0].shape:  # seeds, sequences; the first draw is all of them once
        some = random.multinomial(count, np.full(count, 1 / count), rule["resamples"])
        draws.append(np.concatenate([np.ones((1, count)), some]))
    totals = [np.einsum("rs,sq,rq->r", draws[0], values, draws[1]) for values in errors]
    relative = totals[0] / totals[1] - 1
    low, high = np.quantile(relative[1:], [0.025, 0.975])
    away = (errors[0] - errors[1]).mean(axis=0)
    naes = (naes_of(arm, seeds) - naes_of(base, seeds)).mean(axis=0)
    return Pair(
        arm, base, len(seeds), float(relative[0]), float(low), float(high),
        sign_flip(away, rule["flips"]), sign_flip(naes, rule["flips"]),
    )  # fmt: skip


def pairs_of(plan: Plan, arms: list[Arm]) -> list[Pair]:
    """Compare the planned pairs that have common seeds; the others count in Holm's correction."""
    by_name = {(arm.detector, arm.name): arm for arm in arms}
    found = []
    for wanted in plan["pairs"]:
        first, second = (by_name[wanted["detector"], name] for name in wanted["arms"])
        pair = compare(first, second, plan["verdict"])
        if pair is not None:
            found.append(pair)
    missing = [1.0] * (len(plan["pairs"]) - len(found))
    for kind in ("mae", "nae"):
        adjusted = holm([*(getattr(pair, f"p_{kind}") for pair in found), *missing])
        for pair, value in zip(found, adjusted, strict=False):
            setattr(pair, f"holm_{kind}", value)
    return found


def verdict_of(pair: Pair, plan: Plan) -> str:
    """Return the verdict in words."""
    short = "" if pair.seeds == plan["seeds"] else f", {pair.seeds} of {plan['seeds']} seeds"
    if pair.holm_mae >= plan["verdict"]["level"]:
        return f"undecided{short}"
    return ("better" if pair.value < 0 else "worse") + short


def is_void(plan: Plan, arms: list[Arm], detector: str) -> bool:
    """Return whether no arm of a detector is good enough for a comparison to mean anything."""
    best = [float(arm.values("validation", "f1_best").mean())
            for arm in arms if arm.detector == detector and arm.rows]  # fmt: skip
    return not best or max(best) < plan["verdict"]["void_f1"] * CEILING_F1


UNFINISHED = (
    "It can't be decided here yet: as far as a quarter of an hour of a GPU trains them, no arm "
    "finds heads well enough for a comparison to mean anything, and the longer trainings that are "
    "planned are still missing."
)


def answer_of(plan: Plan, arms: list[Arm], pairs: list[Pair]) -> str:
    """Answer the question in a sentence, as far as it is decided."""
    if len(pairs) < len(plan["pairs"]) or min(pair.seeds for pair in pairs) < plan["seeds"]:
        return UNFINISHED
    said = []
    for pair in pairs:
        if "heat" in pair.arm.name and not is_void(plan, arms, pair.arm.detector):
            verdict = verdict_of(pair, plan)
            than = "not decided to differ from" if verdict == "undecided" else f"{verdict} than"
            said.append(
                f"*{pair.arm.name}* is {than} *{pair.base.name}* "
                f"({pair.arm.detector}, MAE {100 * pair.value:+.0f} %)"
            )
    return "; ".join(said) + "." if said else "Undecidable here: no arm counts well enough."


def verdict_table(plan: Plan, arms: list[Arm], pairs: list[Pair]) -> str:
    """Return the table of the planned pairs."""
    lines = [
        "| detector | arm | against | seeds | MAE | p, MAE (Holm) | p, NAE (Holm) | verdict |",
        "|---|---|---|---|---|---|---|---|",
    ]
    found = {(pair.arm.detector, pair.arm.name, pair.base.name): pair for pair in pairs}
    for wanted in plan["pairs"]:
        detector, (first, second) = wanted["detector"], wanted["arms"]
        pair = found.get((detector, first, second))
        if pair is None:
            lines.append(f"| {detector} | {first} | {second} | 0 | | | | not run yet |")
            continue
        void = "void: " if is_void(plan, arms, detector) else ""
        lines.append(
            f"| {detector} | {first} | {second} | {pair.seeds} | {100 * pair.value:+.1f} % "
            f"({100 * pair.low:+.1f} … {100 * pair.high:+.1f}) | {pair.p_mae:.4f} "
            f"({pair.holm_mae:.3f}) | {pair.p_nae:.4f} ({pair.holm_nae:.3f}) | "
            f"{void}{verdict_of(pair, plan)} |"
        )
    return "\n".join(lines)


def arm_table(plan: Plan, arms: list[Arm]) -> str:
    """Return the table of all arms: means over seeds, on test unless said otherwise."""
    lines = [
        "| detector | arm | learning rate, decoder | seeds | F1 on validation | MAE ± sd | RMSE "
        "| bias | NAE by sequence | F1 | AP50 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for arm in arms:
        about = f"| {arm.detector} | {arm.name} |"
        if not arm.rows:
            lines.append(f"{about} not chosen yet | 0 of {plan['seeds']} |" + " |" * 7)
            continue
        mae, nae = arm.values("test", "mae"), naes_of(arm, [*arm.rows]).mean()
        spread = f" ± {mae.std(ddof=1):.2f}" if len(mae) > 1 else ""
        means = {name: arm.values("test", name).mean() for name in
                 ("rmse", "bias", "f1_large", "ap50")}  # fmt: skip
        lines.append(
            f"{about} {arm.rate:g}, {arm.decode} | {len(arm.rows)} of {plan['seeds']} | "
            f"{arm.values('validation', 'f1_best').mean():.3f} | {mae.mean():.2f}{spread} | "
            f"{means['rmse']:.2f} | {means['bias']:+.2f} | {nae:.3f} | {means['f1_large']:.3f} | "
            f"{means['ap50']:.3f} |"
        )
    return "\n".join(lines)


def page(plan: Plan, done: Done) -> str:
    """Write the page."""
    arms = arms_of(plan, done)
    pairs = pairs_of(plan, arms)
    hours = sum(row["cpu_s"] for row in done.values()) / 3600
    runs = list(runs_of(plan, done))
    missing = len({run for run in runs if run is not None} - set(done)) + runs.count(None)
    sequences = {len(row["clusters"]["absolute"]) for arm in arms for row in arm.rows.values()}
    text = (HERE / "mfl_page.md").read_text(encoding="utf-8")
    return text.format(
        answer=answer_of(plan, arms, pairs),
        known="" if missing == 0 else f"{missing} runs are missing, so nothing below is final.",
        progress=f"{len(done)} runs are finished ({hours:.1f} h of CPU).",
        paper=PAPER,
        seeds=plan["seeds"],
        sequences=sequences.pop() if sequences else 26,
        pairs=len(plan["pairs"]),
        level=plan["verdict"]["level"],
        ceilings=(HERE / "mfl_ceilings.md").read_text(encoding="utf-8").strip(),
        verdicts=verdict_table(plan, arms, pairs),
        arms=arm_table(plan, arms),
    )


def draw(plan: Plan, done: Done, path: Path) -> None:
    """Draw the differences of the planned pairs."""
    mpl.rcParams["svg.fonttype"] = "path"  # the same wherever it is opened
    mpl.rcParams["svg.hashsalt"] = "gtahead"
    found = {
        (p.arm.detector, p.arm.name, p.base.name): p for p in pairs_of(plan, arms_of(plan, done))
    }
    names = [(one["detector"], *one["arms"]) for one in plan["pairs"]]
    figure = Figure(figsize=(9.0, 0.9 + 0.45 * len(names)), layout="constrained", facecolor="white")
    axis = figure.subplots()
    for height, name in enumerate(reversed(names)):
        pair = found.get(name)
        if pair is None:
            white = {"facecolor": "white", "edgecolor": "none"}
            axis.text(
                1, height, "not run yet", ha="center", va="center", color="#777777", bbox=white
            )
            continue
        sure = pair.holm_mae < plan["verdict"]["level"]
        colour = "#222222" if not sure else "#0b6e99" if pair.value < 0 else "#d1495b"
        axis.plot([1 + pair.low, 1 + pair.high], [height, height], color=colour, linewidth=2)
        axis.plot(1 + pair.value, height, "o", color=colour)
    axis.set_yticks(
        range(len(names)),
        [f"{arm}\nagainst {base}  ({detector})" for detector, arm, base in reversed(names)],
        fontsize=8.5,
    )
    axis.axvline(1, color="#222222", linewidth=1)
    axis.set_xscale("log")
    ticks = [0.4, 0.5, 0.7, 1, 1.4, 2, 3]
    axis.set_xticks(ticks, [f"{100 * (tick - 1):+.0f} %".replace("+0", "0") for tick in ticks])
    axis.minorticks_off()
    axis.set_xlim(0.35, 3.2)
    axis.set_ylim(-0.6, len(names) - 0.4)
    axis.set_xlabel("test MAE against the other arm (left: better); blue, red: decided after Holm")
    axis.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Print or write the page, and draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--write", type=Path, help="a Markdown page")
    parser.add_argument("--figure", type=Path, help="an SVG")
    arguments = parser.parse_args()
    plan, done = read_plan(), finished(read_rows(RESULTS))
    text = page(plan, done)
    if arguments.write is None:
        print(text, end="")
    else:
        arguments.write.write_text(text, encoding="utf-8")
    if arguments.figure is not None:
        draw(plan, done, arguments.figure)


if __name__ == "__main__":
    main()
