"""Run the experiment of `mfl.toml`: Mask Focal Loss beside the losses that it would replace.

    python tools/experiments/mfl.py --budget 60          # minutes; again and again, it goes on
    python tools/experiments/mfl.py --describe           # heads in cells, what decoding allows
    python tools/experiments/mfl.py --plan               # what is done and what is missing
    python tools/experiments/mfl.py --append FOLDER      # takes over what another machine has run
    python tools/experiments/mfl_report.py               # the verdicts so far

Several processes may run at once; each claims runs of its own, and appends a line for each that it
has finished to a file of its own in `--rows`. What is cut off is run again from its beginning. No
run is begun that the budget is unlikely to hold.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch

from gtahead import Dataset, ResourceError, __version__, benchmark, build, simulate
from gtahead.dataset import Frame
from gtahead.density import separable
from gtahead.geometry import box_sides
from gtahead.predictions import write_predictions
from gtahead.scoring.ground_truth import ground_truth_of
from gtahead.scoring.thresholds import choose, f1_at
from gtahead.storage import targets
from gtahead.torch.targets import HeadTargets, heat_targets
from gtahead.training import TrainConfig, make_config, train
from gtahead.training.crops import heads_of
from gtahead.training.detectors import Detector, make_detector
from gtahead.training.detectors.centernet import CenterNet
from gtahead.training.inference import InImage, as_predictions, find_heads
from gtahead.training.module import validated

HERE = Path(__file__).parent
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PLAN, RESULTS = HERE / "mfl.toml", HERE / "mfl_results.jsonl"
FIGURES = ("mae", "rmse", "bias", "game3", "f1_large", "precision_large", "recall_large", "ap50")
STATES = (
    "images", "ground_truth", "found", "error", "absolute", "square", "game3",
    "hits_large", "false_large", "missed_large",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        detector: by gtahead's name.
        arm: a table of the plan's `arms` of this detector.
        seed: of weights, order and augmentation.
        learning_rate: at its highest.
    """

    detector: str
    arm: str
    seed: int
    learning_rate: float

    def name(self) -> str:
        """Name its folder."""
        words = "-".join(str(value) for value in self.__dict__.values())
        return re.sub(r"[^\w.-]+", "_", words)


Plan = Mapping[str, Any]
Done = Mapping[Run, Mapping[str, Any]]


def read_plan() -> dict[str, Any]:
    """Read the plan."""
    return tomllib.loads(PLAN.read_text(encoding="utf-8"))


def read_rows(*places: Path) -> list[dict[str, Any]]:
    """Read the lines of files, and of the files of folders."""
    files = [file for place in places for file in
             (sorted(place.glob("*.jsonl")) if place.is_dir() else [place])]  # fmt: skip
    return [
        json.loads(line)
        for file in files
        if file.exists()
        for line in file.read_text(encoding="utf-8").splitlines()
    ]


def finished(rows: list[dict[str, Any]]) -> dict[Run, dict[str, Any]]:
    """Return the finished runs."""
    return {Run(**row["run"]): row for row in rows}


def config_of(plan: Plan, run: Run) -> TrainConfig:
    """Return a run's configuration."""
    return make_config(
        detector=run.detector,
        seed=run.seed,
        learning_rate=run.learning_rate,
        **plan["settings"],
        **plan["arms"][run.detector][run.arm],
    )


def best_decode(row: Mapping[str, Any]) -> str:
    """Return the decoder of a run's least validation MAE."""
    decodes: Mapping[str, Any] = row["decodes"]
    return min(decodes, key=lambda name: (decodes[name]["validation"]["mae"], name))


def searched(plan: Plan, done: Done, detector: str, arm: str) -> tuple[list[Run], Run | None]:
    """Return the search's runs that are still missing, and the best one once there are none."""
    rates = sorted(plan["search"]["learning_rates"])
    for step in range(plan["search"]["extensions"] + 1):
        runs = [Run(detector, arm, 0, rate) for rate in rates]
        missing = [run for run in runs if run not in done]
        if missing:
            return missing, None
        errors = {run: done[run]["decodes"][best_decode(done[run])]["validation"]["mae"]
                  for run in runs}  # fmt: skip
        best = min(runs, key=lambda run: (errors[run], run.learning_rate))
        if best not in (runs[0], runs[-1]) or step == plan["search"]["extensions"]:
            break
        ratio = rates[1] / rates[0]
        rate = rates[0] / ratio if best == runs[0] else rates[-1] * ratio
        rates = sorted([*rates, float(f"{rate:.6g}")])
    return [], best


def chosen(plan: Plan, done: Done, detector: str, arm: str) -> tuple[float, str] | None:
    """Return an arm's learning rate and decoder; None while runs of the search are missing."""
    _, best = searched(plan, done, detector, arm)
    return None if best is None else (best.learning_rate, best_decode(done[best]))


def runs_of(plan: Plan, done: Done) -> Iterator[Run | None]:
    """Yield all runs in their order, detector by detector; None for ones that are unknown yet."""
    for detector, arms in plan["arms"].items():
        for arm in arms:
            missing, _ = searched(plan, done, detector, arm)
            yield from missing
            yield from (
                one for one in done if (one.detector, one.arm, one.seed) == (detector, arm, 0)
            )
        for seed in range(1, plan["seeds"]):
            for arm in arms:
                best = chosen(plan, done, detector, arm)
                yield None if best is None else Run(detector, arm, seed, best[0])


@contextmanager
def next_run(plan: Plan, rows: list[Path], claims: Path) -> Iterator[Run | Literal["later"] | None]:
    """Claim the first run that isn't finished and that no other process works on.

    "later" for one that depends on what others work on; None once there is nothing to do.
    """
    done = finished(read_rows(*rows))
    runs = list(runs_of(plan, done))
    for run in runs:
        if run is None or run in done:
            continue
        folder = claims / run.name()
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(targets.locked(folder))
            except ResourceError:
                continue
            if run in finished(read_rows(*rows)):
                continue  # by another process, meanwhile
            yield run
            return
    yield "later" if None in runs else None


def make_data(plan: Plan, folder: Path) -> Dataset:
    """Simulate and build the data, or take what stands there: others may be reading it."""
    captures, dataset = folder / "captures", folder / "dataset"
    if (dataset / "manifest.json").exists():
        return Dataset.open(dataset)
    simulate(captures, preset=plan["data"]["preset"], seed=plan["data"]["seed"])
    build(captures, dataset)
    return Dataset.open(dataset)


class Scorer:
    """Scores a detector on validation, where the threshold is chosen, and on test."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.parts = {name: dataset.select(split=name) for name in ("validation", "test")}
        self.images = {name: [frame.image() for frame in part] for name, part in self.parts.items()}
        self.ground_truth = ground_truth_of(dataset, self.parts["validation"], "validation")

    def find(self, detector: Detector, split: str) -> list[InImage]:
        """Find the heads of a split."""
        return [find_heads(detector, image) for image in self.images[split]]

    def score(self, detector: Detector) -> dict[str, Any]:
        """Choose the threshold on validation and return the metrics of both splits."""
        found = self.find(detector, "validation")
        threshold, reported = validated(self.ground_truth, found)
        f1 = self.best_f1(found)
        document = self.on_test(self.find(detector, "test"), threshold)
        return {
            "threshold": threshold,
            "validation": {**reported, "f1_best": None if f1 is None else round(f1, 6)},
            "test": {name: _rounded(document["metrics"][name]["value"]) for name in FIGURES},
            "clusters": {
                name: [_rounded(value) for value in document["clusters"]["states"][name]]
                for name in STATES
            },
        }

    def best_f1(self, found: list[InImage]) -> float | None:
        """Return the best F1 on validation at any threshold."""
        predictions = as_predictions(self.ground_truth.images.ids, found, {})
        best = choose(self.ground_truth, predictions).f1_best
        return None if best is None else f1_at(self.ground_truth, predictions, best, "large")

    def on_test(self, found: list[InImage], threshold: float | None) -> dict[str, Any]:
        """Score what was found on the test split with `gtahead benchmark`."""
        header = {"method": {"name": "run", "threshold": threshold}}
        names = self.parts["test"].frame_ids
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "predictions.json"
            write_predictions(file, as_predictions(names, found, header))
            score = benchmark(
                file, self.dataset.folder, split="test", intervals=False, ceilings=False
            )
        return score.document


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def carry_out(plan: Plan, run: Run, scorer: Scorer, folder: Path) -> dict[str, Any]:
    """Train, score with each decoder, and return the line of results."""
    config = config_of(plan, run)
    total = -(-len(scorer.dataset.select(split="train")) // config.batch) * config.epochs
    ways: tuple[Literal["peaks", "nms"], ...]
    ways = ("peaks", "nms") if run.detector == "centernet" else ("nms",)
    curve: list[dict[str, Any]] = []
    decodes: dict[str, Any] = {}

    def look(step: int, detector: Detector, found: dict[str, Any]) -> None:
        curve.append({"steps": step, "mae": found["mae"]})
        if step < total:
            return
        for way in ways:
            detector.config = replace(config, decode=way)
            decodes[way] = scorer.score(detector)
        detector.config = config

    started = time.process_time()
    shutil.rmtree(folder, ignore_errors=True)
    train(scorer.dataset.folder, folder, config=config, on_validated=look)
    shutil.rmtree(folder)
    return {
        "run": run.__dict__,
        "steps": total,
        "device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu",
        "cpu_s": round(time.process_time() - started),
        "labels": scorer.dataset.manifest.document["fingerprints"]["labels"]["all"],
        "gtahead": __version__,
        "curve": curve,
        "decodes": decodes,
    }


def describe(plan: Plan, dataset: Dataset) -> None:
    """Print the splits' heads, and what a perfect network would reach at strides 4 and 2."""
    for name in ("train", "validation", "test"):
        part = dataset.select(split=name)
        counts = np.array([frame.count for frame in part])
        sides = np.concatenate([box_sides(f.boxes_xyxy[f.counted]) for f in part])
        of = [frame.frame_id.partition("/")[0] for frame in part]
        sums = sorted(sum(counts[np.array(of) == one]) for one in set(of))
        print(
            f"{name}: {len(set(of))} sequences, {len(part)} frames, {counts.sum():,} heads, "
            f"{counts.min()} to {counts.max()} per frame, median {np.median(counts):.0f}; "
            f"side {np.median(sides):.1f} px ({np.quantile(sides, 0.05):.1f} to "
            f"{np.quantile(sides, 0.95):.1f}); the three fullest sequences hold "
            f"{sum(sums[-3:]) / sum(sums):.0%} of the heads"
        )
    scorer = Scorer(dataset)
    frames = list(scorer.parts["validation"])
    for stride in (4, 2):
        for decode in ("peaks", "nms"):
            config = make_config(**{**plan["settings"], "stride": stride}, decode=decode)
            found = [perfect(config, frame) for frame in frames]
            _, reported = validated(scorer.ground_truth, found)
            print(
                f"perfect heatmap, validation, stride {stride}, {decode}: "
                f"MAE {reported['mae']:.2f}, F1 {reported['f1_large']:.4f}"
            )


@torch.no_grad()
def perfect(config: TrainConfig, frame: Frame) -> InImage:
    """Decode the targets of a frame; of heads that touch, peaks show as many as they can."""
    network = make_detector(replace(config, backbone="resnet18"))
    assert isinstance(network, CenterNet)
    size = np.round(np.array(frame.size_wh) * config.scale).astype(np.int64)
    back = np.tile(np.array(frame.size_wh) / size, 2)
    heads = heads_of(frame, 1 / back[:2], np.zeros(2, np.int64), size)
    if config.decode == "peaks":
        centres = (heads.boxes[:, :2] + heads.boxes[:, 2:]).double().numpy() / 2
        keep = torch.from_numpy(separable(centres, config.stride))
        heads = HeadTargets(heads.boxes[keep], heads.ignored, heads.sigmas[keep])
    rows_columns = (-(-int(size[1]) // config.stride), -(-int(size[0]) // config.stride))
    targets = heat_targets([heads], rows_columns, config.stride)
    found = network.decode(targets.heat, targets.offset, targets.size)[0]
    order = torch.argsort(found.scores, descending=True, stable=True)
    boxes: npt.NDArray[np.float64] = found.boxes[order].double().numpy() * back
    return InImage(boxes, found.scores[order].double().numpy())


def show_plan(plan: Plan, done: Done) -> None:
    """Print how many runs of each arm are finished."""
    for detector, arms in plan["arms"].items():
        for arm in arms:
            best = chosen(plan, done, detector, arm)
            tried = sorted(run.learning_rate for run in done
                           if (run.detector, run.arm, run.seed) == (detector, arm, 0))  # fmt: skip
            seeds = sum(Run(detector, arm, seed, best[0]) in done
                        for seed in range(plan["seeds"])) if best else 0  # fmt: skip
            said = f"{best[0]:g}, {best[1]}" if best else "not chosen yet"
            rates = ", ".join(f"{rate:g}" for rate in tried)
            print(
                f"{detector:10} {arm:34} seeds {seeds} of {plan['seeds']}; {said} (tried {rates})"
            )


def take_over(folder: Path, results: Path) -> None:
    """Append the rows of a folder that the results don't have."""
    there = finished(read_rows(results))
    new = {run: row for run, row in finished(read_rows(folder)).items() if run not in there}
    with results.open("a", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in new.values())
    print(f"{results}: {len(new)} runs more, {len(there) + len(new)} in all")


def main() -> None:
    """Run what the budget holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=60, help="minutes")
    parser.add_argument("--data", type=Path, default=Path("build/mfl"), help="a folder to work in")
    parser.add_argument("--rows", type=Path, default=Path("build/mfl/rows"), help="for lines")
    parser.add_argument("--threads", type=int, default=1, help="of this process")
    parser.add_argument("--make-data", action="store_true", help="and nothing else")
    parser.add_argument("--describe", action="store_true")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--append", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    plan = read_plan()
    if arguments.append is not None:
        take_over(arguments.append, RESULTS)
        return
    if arguments.plan:
        show_plan(plan, finished(read_rows(RESULTS, arguments.rows)))
        return
    dataset = make_data(plan, arguments.data)
    if arguments.describe:
        describe(plan, dataset)
    elif not arguments.make_data:
        arguments.rows.mkdir(parents=True, exist_ok=True)
        work(plan, dataset, arguments.data, arguments.rows, 60 * arguments.budget)


def work(plan: Plan, dataset: Dataset, folder: Path, rows: Path, seconds: float) -> None:
    """Carry out runs until the time is over."""
    labels = dataset.manifest.document["fingerprints"]["labels"]["all"]
    known = finished(read_rows(RESULTS, rows)).values()
    if others := sorted({row["labels"] for row in known} - {labels}):
        sys.exit(f"there are runs on other labels ({others[0][:12]}…) than these ({labels[:12]}…)")
    scorer = Scorer(dataset)
    end = time.monotonic() + seconds
    took: dict[str, float] = {}
    going = True
    while going:
        with next_run(plan, [RESULTS, rows], folder / "claims") as run:
            now = time.monotonic()
            if run == "later":
                going = now < end
                time.sleep(2)
                continue
            going = run is not None and now + took.get(run.detector, 0.0) <= end
            if run is not None and going:
                began = time.monotonic()
                row = carry_out(plan, run, scorer, folder / "runs" / run.name())
                with (rows / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as out:
                    out.write(json.dumps(row) + "\n")
                took[run.detector] = time.monotonic() - began
                best = row["decodes"][best_decode(row)]["validation"]
                print(
                    f"{run.name()}: {took[run.detector]:.0f} s, by {best_decode(row)} "
                    f"validation MAE {best['mae']:.2f}, F1 {best['f1_best']:.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
