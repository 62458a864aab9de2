"""Does it help to begin with simulated crowds? Train on photographs, from scratch and from them.

    python tools/experiments/real_heads.py --scut FOLDER --model MODEL.pt ANOTHER.pt
    python tools/experiments/real_heads.py --scut FOLDER --model builtin builtin --learn 20

FOLDER holds the 121 images of SCUT-HEAD in Pascal VOC's layout; larger ones are made smaller. Half
of them, by a seed, are learned from, a sixth chooses epoch and threshold, a third is scored. The
same network is trained from scratch and with `--init MODEL`, one that `sim_to_real.py` has trained
on simulated crowds alone, which is scored as it is, too. `--shanghaitech` is a second look: few
images, points alone, no verdict.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sim_to_real import shown, shrink

from gtahead import Dataset, benchmark, build, predict, train
from gtahead.training import make_config

LONG_SIDE = 1024
SPLIT_SEED = 7
SHARES = {"train": 0.5, "val": 1 / 6}  # the rest is scored
FIGURES = ("mae", "bias", "precision_large", "recall_large", "f1_large", "ap50")


def photographs(source: Path, out: Path, learn: int | None) -> Dataset:
    """Build a dataset of the photographs, split one by one; learn from so many, or all."""
    layout, dataset = out / "voc", out / "photographs"
    if not (dataset / "manifest.json").exists():
        shutil.rmtree(layout, ignore_errors=True)
        for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (layout / name).mkdir(parents=True)
        names = sorted(path.stem for path in (source / "Annotations").glob("*.xml"))
        order = np.random.default_rng(SPLIT_SEED).permutation(len(names))
        ends = np.round(np.cumsum([*SHARES.values()]) * len(names)).astype(int)
        for part, rows in zip((*SHARES, "test"), np.split(order, ends), strict=True):
            kept = sorted((rows[:learn] if part == "train" else rows).tolist())
            for row in kept:
                shrink(source, layout, names[row], LONG_SIDE)
            text = "".join(f"{names[row]}\n" for row in kept)
            (layout / "ImageSets" / "Main" / f"{part}.txt").write_text(text)
        build(layout, dataset, reader="voc", origin="photographs")
    return Dataset.open(dataset)


def scored(model: Path, dataset: Dataset, split: str, found: Path) -> dict[str, Any]:
    """Predict photographs, and return the metrics with their intervals."""
    predict(model, dataset.folder, found, split=split)
    report = benchmark(found, dataset.folder, split=split, ceilings=False)
    metrics: dict[str, Any] = report.document["metrics"]
    return metrics


def main() -> None:
    """Train, score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scut", type=Path, required=True)
    parser.add_argument("--shanghaitech", type=Path, help="part B")
    parser.add_argument("--model", type=Path, nargs="+", required=True, help="one for each seed")
    parser.add_argument("--out", type=Path, default=Path("build/real-heads"))
    parser.add_argument("--epochs", type=int, default=60, help="of 16 steps")
    parser.add_argument("--learn", type=int, help="photographs to learn from, of 60")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.out.mkdir(parents=True, exist_ok=True)
    real = photographs(given.scut, given.out, given.learn)
    counts = {name: np.array([f.count for f in real.split(name)]) for name in ("train", "test")}
    guess = float(np.abs(counts["test"] - counts["train"].mean()).mean())
    print(
        f"{len(counts['train'])} photographs to learn from, {len(counts['test'])} with "
        f"{counts['test'].sum()} heads to score; guessing the former's mean: MAE {guess:.2f}"
    )
    second = None
    if given.shanghaitech is not None:
        if not (given.out / "shanghaitech" / "manifest.json").exists():
            build(given.shanghaitech, given.out / "shanghaitech")
        second = Dataset.open(given.out / "shanghaitech")
    for seed, model in enumerate(given.model):
        config = make_config(
            "tiny", epochs=given.epochs, validate_every=10, seed=seed, colour=0.3,
            scale_low=0.5, scale_high=1.6,
        )  # fmt: skip
        for name, init in (("simulated alone", None), ("from scratch", None), ("init", model)):
            run = given.out / f"{name.replace(' ', '-')}-{seed}"
            kept = run / "model.pt"
            if name == "simulated alone":
                kept = model
                run.mkdir(exist_ok=True)
            elif not kept.exists():
                train(real.folder, run, config=config, init=init)
            metrics = scored(kept, real, "test", run / "found.json")
            row = {"trained": name, "learned_from": len(counts["train"]), "seed": seed}
            row |= {"epochs": given.epochs, "guess_mae": guess}
            row |= {key: metrics[key] for key in FIGURES}
            print(f"{name}, seed {seed}: {shown(metrics, FIGURES)}", flush=True)
            if second is not None:
                metrics = scored(kept, second, "train", run / "shanghaitech.json")
                row["shanghaitech"] = {key: metrics[key] for key in FIGURES[:-1]}
                print(f"  ShanghaiTech B: {shown(metrics, FIGURES[:-1])}", flush=True)
            with (given.out / "results.jsonl").open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
