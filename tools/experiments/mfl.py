"""Run the experiment of `mfl.toml`: Mask Focal Loss beside the losses that it would replace.

    python tools/experiments/mfl.py --budget 60          # minutes; again and again, it goes on
    python tools/experiments/mfl.py --describe           # heads in cells, what decoding allows
    python tools/experiments/mfl.py --plan               # what is done and what is missing
    python tools/experiments/mfl.py --flat half-long:56  # does validation get flat in 56 epochs?
    python tools/experiments/mfl_report.py               # the table so far

It runs the blocks of the plan that are for this machine's device: the first round's on a CPU, the
second's on a GPU. Several processes may run at once; each claims runs of its own. Every run that
was started is a line in `results.jsonl`, and so is every one that was finished; what was cut off
is run again from its beginning. No run is begun that the budget is unlikely to hold.
"""

from __future__ import annotations

import argparse
import json
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
from gtahead.training.fitting import is_emulated, validated
from gtahead.training.inference import InImage, as_predictions, find_heads

HERE = Path(__file__).parent
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PLAN, RESULTS = HERE / "mfl.toml", HERE / "results.jsonl"
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
        scale: a table of the plan's `scales`.
        arm: a table of the plan's `arms` of this detector.
        seed: of weights, order and augmentation.
        learning_rate: at its highest.
    """

    detector: str
    scale: str
    arm: str
    seed: int
    learning_rate: float

    def name(self) -> str:
        """Name its folder."""
        return "-".join(str(value) for value in self.__dict__.values()).replace(" ", "_")


def read_plan() -> dict[str, Any]:
    """Read the plan."""
    return tomllib.loads(PLAN.read_text(encoding="utf-8"))


def read_results(path: Path = RESULTS) -> list[dict[str, Any]]:
    """Read what was started and finished."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def finished(results: list[dict[str, Any]]) -> dict[Run, dict[str, Any]]:
    """Return the finished runs."""
    return {Run(**row["run"]): row for row in results if row["state"] == "finished"}


def config_of(plan: Mapping[str, Any], run: Run) -> TrainConfig:
    """Return a run's configuration."""
    return make_config(
        detector=run.detector,
        seed=run.seed,
        learning_rate=run.learning_rate,
        **plan["settings"],
        **plan["scales"][run.scale],
        **plan["arms"][run.detector][run.arm],
    )


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


def runs_of(
    plan: Mapping[str, Any], done: Mapping[Run, Mapping[str, Any]], device: str | None = None
) -> Iterator[Run | None]:
    """Yield all runs in their order; None for one whose learning rate isn't known yet.

    Args:
        plan: of the experiment.
        done: the finished runs.
        device: whose blocks are wanted; of all unless given.
    """
    for block in plan["blocks"]:
        if device not in (None, block["device"]):
            continue
        detector, scale = block["detector"], block["scale"]
        for arm in block["arms"]:
            for rate in plan["search"]["learning_rates"]:
                yield Run(detector, plan["search"]["scale"], arm, 0, rate)
        for seed in range(block["seeds"]):
            for arm in block["arms"]:
                rate = chosen_rate(plan, done, detector, arm)
                yield None if rate is None else Run(detector, scale, arm, seed, rate)


@contextmanager
def next_run(plan: Mapping[str, Any], results: Path, claims: Path) -> Iterator[Run | None]:
    """Claim the first run that isn't finished and that no other process works on; None for none."""
    done = finished(read_results(results))
    for run in runs_of(plan, done, DEVICE):
        if run is None or run in done:
            continue
        folder = claims / run.name()
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                stack.enter_context(targets.locked(folder))
            except ResourceError:
                continue
            if run in finished(read_results(results)):
                continue  # by another process, meanwhile
            yield run
            return
    yield None


def make_data(plan: Mapping[str, Any], folder: Path) -> Dataset:
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


def carry_out(plan: Mapping[str, Any], run: Run, scorer: Scorer, folder: Path) -> dict[str, Any]:
    """Train, score at a quarter, a half and all of the steps, and return the line of results."""
    config = config_of(plan, run)
    total = -(-len(scorer.dataset.select(split="train")) // config.batch) * config.epochs
    curve: list[dict[str, Any]] = []
    decodes: dict[str, Any] = {}

    def look(step: int, detector: Detector, chosen: dict[str, Any]) -> None:
        del chosen
        if step * 4 not in (total, 2 * total, 4 * total):
            return
        detector.config = config
        heatmap, last = run.detector == "centernet", step == total
        ways: tuple[Literal["peaks", "nms"], ...] = ("peaks",) if heatmap else ("nms",)
        for way in ("peaks", "nms") if heatmap and last else ways:
            detector.config = replace(config, decode=way)
            scores = scorer.score(detector)
            if last:
                decodes[way] = scores
            if way == ways[0]:
                curve.append({k: scores[k] for k in ("validation", "test")} | {"steps": step})
        detector.config = config

    started = time.process_time()
    shutil.rmtree(folder, ignore_errors=True)
    train(scorer.dataset.folder, folder, config=config, on_validated=look)
    shutil.rmtree(folder)
    return {
        "state": "finished",
        "run": run.__dict__,
        "steps": total,
        "device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu",
        "cpu_s": round(time.process_time() - started),
        "labels": scorer.dataset.manifest.document["fingerprints"]["labels"]["all"],
        "gtahead": __version__,
        "curve": curve,
        "decodes": decodes,
    }


def note(results: Path, row: Mapping[str, Any]) -> None:
    """Append a line to the results."""
    with results.open("a", encoding="utf-8") as out:
        out.write(json.dumps(row) + "\n")


def describe(plan: Mapping[str, Any], dataset: Dataset) -> None:
    """Print heads in cells at each scale, and what a perfect network would reach."""
    frames = list(dataset.select(split="test"))
    sides = np.concatenate([box_sides(f.boxes_xyxy[f.counted]) for f in dataset])
    edges = [0, 1, 2, 3, 4, 6, 8, 12, 100]
    print(f"{'heads by side in cells':24}" + "".join(f"{f'< {edge}':>7}" for edge in edges[1:]))
    scorer = Scorer(dataset)
    for name, scale in plan["scales"].items():
        config = make_config(**plan["settings"], **scale)
        cells = sides * config.scale / config.stride
        shares = np.histogram(cells, edges)[0] / len(cells)
        print(
            f"{name:24}" + "".join(f"{share:7.1%}" for share in shares)
            + f"   median {np.median(cells):.1f}, under two cells {np.mean(cells < 2):.1%}"
        )  # fmt: skip
    for name, scale in plan["scales"].items():
        for decode in ("peaks", "nms"):
            config = make_config(**plan["settings"], **scale, decode=decode)
            found = [perfect(config, frame) for frame in frames]
            reported = scorer.on_test(found, 0.5)["metrics"]
            shown = ", ".join(
                f"{n} {reported[n]['value']:.4f}" for n in ("mae", "f1_large", "ap50")
            )
            print(f"decode ceiling, {name}, {decode}: {shown}")
    baselines = scorer.on_test([perfect(config, frame) for frame in frames], 0.5)["baselines"]
    print(f"guessing the training images' mean count: MAE {baselines['train_mean']['mae']:.3f}")


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


def show_plan(plan: Mapping[str, Any], done: Mapping[Run, Mapping[str, Any]]) -> None:
    """Print how many runs of each block are finished."""
    for block in plan["blocks"]:
        rows = list(runs_of({**plan, "blocks": [block]}, done))
        there = sum(run in done for run in rows if run is not None)
        what = f"{block['detector']:11}{block['scale']:13}{block['device']:5}"
        print(f"{what}{there:3} of {len(rows)}: {', '.join(block['arms'])}")


def try_steps(plan: Mapping[str, Any], dataset: Dataset, scale: str, epochs: int) -> None:
    """Print how native does on validation, for a seed that isn't the plan's."""
    config = config_of(plan, Run("centernet", scale, "native", 1000, 4e-3))
    config = replace(config, epochs=epochs, validate_every=epochs // 4)
    scorer = Scorer(dataset)
    began = time.monotonic()

    def look(step: int, detector: Detector, chosen: dict[str, Any]) -> None:
        f1 = scorer.best_f1(scorer.find(detector, "validation"))
        print(
            f"{scale}, {epochs} epochs, step {step}: MAE {chosen['mae']:.3f}, "
            f"F1 {f1 or 0:.3f}, {time.monotonic() - began:.0f} s",
            flush=True,
        )

    with tempfile.TemporaryDirectory() as folder:
        train(dataset.folder, Path(folder) / "run", config=config, on_validated=look)


def main() -> None:
    """Run what the budget holds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--budget", type=float, default=60, help="minutes")
    parser.add_argument("--data", type=Path, default=Path("build/mfl"), help="a folder to work in")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where lines are appended")
    parser.add_argument("--threads", type=int, default=1, help="of this process")
    parser.add_argument("--describe", action="store_true")
    parser.add_argument("--plan", action="store_true")
    parser.add_argument("--flat", metavar="SCALE:EPOCHS", help="on validation alone")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    plan = read_plan()
    if arguments.plan:
        show_plan(plan, finished(read_results(arguments.results)))
        return
    dataset = make_data(plan, arguments.data)
    if arguments.describe:
        describe(plan, dataset)
        return
    if arguments.flat is not None:
        scale, epochs = arguments.flat.split(":")
        try_steps(plan, dataset, scale, int(epochs))
        return
    if is_emulated(plan["settings"]["precision"]):
        sys.exit("this processor has no bfloat16: a run would take hours instead of minutes")
    labels = dataset.manifest.document["fingerprints"]["labels"]["all"]
    rows = finished(read_results(arguments.results)).values()
    if others := sorted({row["labels"] for row in rows} - {labels}):
        sys.exit(
            f"{arguments.results} has runs on other labels ({others[0][:12]}…) than these "
            f"({labels[:12]}…): give --results a new file"
        )
    scorer = Scorer(dataset)
    end = time.monotonic() + 60 * arguments.budget
    took: dict[tuple[str, str], float] = {}
    going = True
    while going:
        with next_run(plan, arguments.results, arguments.data / "claims") as run:
            going = run is not None and time.monotonic() + took.get(_kind(run), 0.0) <= end
            if run is not None and going:
                began = time.monotonic()
                note(arguments.results, {"state": "started", "run": run.__dict__})
                row = carry_out(plan, run, scorer, arguments.data / "runs" / run.name())
                note(arguments.results, row)
                took[_kind(run)] = time.monotonic() - began
                reported = main_decode(row)["validation"]
                print(
                    f"{run.name()}: {took[_kind(run)]:.0f} s, "
                    f"validation MAE {reported['mae']:.3f}, F1 {reported['f1_best']:.3f}",
                    flush=True,
                )


def _kind(run: Run) -> tuple[str, str]:
    return run.detector, run.scale


if __name__ == "__main__":
    main()
