"""Train on simulated crowds alone, and find heads in photographs.

    python tools/experiments/sim_to_real.py --scut FOLDER --out build/sim-to-real
    python tools/experiments/sim_to_real.py --scut FOLDER --out build/sim-to-real --final

FOLDER holds images of SCUT-HEAD in Pascal VOC's layout; larger ones are made smaller. The plan is
`sim_to_real.toml`: models are scored on the photographs that may be looked at, and with `--final`
on those that are held back. With `--draw`, what a model hits, misses and takes for a head is drawn.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tomllib
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import torch

from gtahead import Dataset, benchmark, build, predict, simulate, train, view
from gtahead.images.reading import read_rgb
from gtahead.training import make_config

PLAN = Path(__file__).with_suffix(".toml")
FIGURES = ("mae", "bias", "precision_large", "recall_large", "f1_large", "ap50")


def photographs(source: Path, out: Path, plan: dict[str, Any]) -> Dataset:
    """Build a dataset of which the photographs to look at are `validation`, the others `test`."""
    layout, dataset = out / "voc", out / "photographs"
    if not (dataset / "manifest.json").exists():
        shutil.rmtree(layout, ignore_errors=True)
        for name in ("Annotations", "JPEGImages"):
            (layout / name).mkdir(parents=True)
        names = sorted(path.stem for path in (source / "Annotations").glob("*.xml"))
        for name in names:
            shrink(source, layout, name, plan["long_side"])
        order = np.random.default_rng(plan["look_seed"]).permutation(len(names))
        lists = layout / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        for part, rows in (("val", order[: plan["look"]]), ("test", order[plan["look"] :])):
            text = "".join(f"{names[row]}\n" for row in sorted(rows.tolist()))
            (lists / f"{part}.txt").write_text(text)
        build(layout, dataset, reader="voc", origin="photographs")
    return Dataset.open(dataset)


def shrink(source: Path, layout: Path, name: str, long_side: int) -> None:
    """Write a photograph and its boxes, made smaller where it is larger."""
    image = read_rgb(source / "JPEGImages" / f"{name}.jpg")
    height, width = image.shape[:2]
    share = min(long_side / max(width, height), 1.0)
    wide, high = round(share * width), round(share * height)
    small = cv2.resize(image, (wide, high), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(layout / "JPEGImages" / f"{name}.jpg"), small[..., ::-1])
    tree = ElementTree.parse(source / "Annotations" / f"{name}.xml")
    for side, axis, scale in (("width", "x", wide / width), ("height", "y", high / height)):
        for entry in tree.iter(side):
            entry.text = str(wide if side == "width" else high)
        for entry in tree.iter(f"{axis}min"):  # the number of the first pixel, from 1
            entry.text = f"{(float(entry.text or 0) - 1) * scale + 1:.2f}"
        for entry in tree.iter(f"{axis}max"):
            entry.text = f"{float(entry.text or 0) * scale:.2f}"
    tree.write(layout / "Annotations" / f"{name}.xml")


def shown(metrics: dict[str, Any], names: Iterable[str]) -> str:
    """Write metrics with their intervals."""
    words = []
    for name in names:
        entry = metrics[name]
        span = f" ({entry['low']:.3g} to {entry['high']:.3g})" if "low" in entry else ""
        words.append(f"{name} {entry['value']:.3f}{span}")
    return ", ".join(words)


def scored(run: Path, real: Dataset, split: str, found: Path) -> dict[str, Any]:
    """Predict photographs with a run's model, and return the metrics."""
    predict(run / "model.pt", real.folder, found, split=split)
    report = benchmark(found, real.folder, split=split, ceilings=False)
    metrics: dict[str, Any] = report.document["metrics"]
    return metrics


def main() -> None:
    """Simulate, train, score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scut", type=Path, required=True)
    parser.add_argument("--shanghaitech", type=Path, help="part B: points alone, a second look")
    parser.add_argument("--out", type=Path, default=Path("build/sim-to-real"))
    parser.add_argument("--epochs", type=int, nargs="+", help="other than the plan's")
    parser.add_argument("--seeds", type=int, nargs="+", help="other than the plan's")
    parser.add_argument("--set", nargs="+", default=[], help="settings of the training, name=value")
    parser.add_argument("--preset", help="another one than the plan's, or a TOML file")
    parser.add_argument("--final", action="store_true", help="score on what is held back")
    parser.add_argument("--draw", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    plan = tomllib.loads(PLAN.read_text(encoding="utf-8"))
    preset = given.preset or plan["data"]["preset"]
    world = given.out / Path(preset).stem
    real = photographs(given.scut, given.out, plan["photographs"])
    second = None
    if given.shanghaitech is not None:
        if not (given.out / "shanghaitech" / "manifest.json").exists():
            build(given.shanghaitech, given.out / "shanghaitech")
        second = Dataset.open(given.out / "shanghaitech")
    split = "test" if given.final else "validation"
    part = real.split(split)
    counts = np.array([frame.count for frame in part])
    guess = float(np.abs(counts - counts.mean()).mean())
    print(f"{len(part)} photographs, {counts.sum()} heads; guessing their mean: MAE {guess:.2f}")
    if not (world / "dataset" / "manifest.json").exists():
        simulate(world / "captures", preset=preset, seed=plan["data"]["seed"])
        build(world / "captures", world / "dataset")
    settings = plan["training"].get("settings", {}) | tomllib.loads("\n".join(given.set))
    number = zlib.crc32(json.dumps(settings, sort_keys=True).encode())
    for epochs in given.epochs or plan["training"]["epochs"]:
        for seed in given.seeds or plan["training"]["seeds"]:
            run = world / f"run-{epochs}-{seed}-{number:08x}"
            if not (run / "model.pt").exists():
                config = make_config(
                    plan["training"]["preset"], epochs=epochs, seed=seed, **settings
                )
                train(world / "dataset", run, config=config)
            simulated = run / "simulated.json"
            if not simulated.exists():
                predict(run / "model.pt", world / "dataset", simulated, split="validation")
            own = benchmark(simulated, world / "dataset", split="validation", intervals=False)
            found = run / ("final.json" if given.final else "look.json")
            metrics = scored(run, real, split, found)
            row = {
                "preset": preset,
                "epochs": epochs,
                "settings": settings,
                "seed": seed,
                "photographs": "held back" if given.final else "to look at",
                "labels": Dataset.open(world / "dataset").manifest.document["fingerprints"][
                    "labels"
                ]["all"],
                "guess_mae": guess,
                "simulated_f1": own.document["metrics"]["f1_large"]["value"],
                **{name: metrics[name]["value"] for name in FIGURES},
            }
            print(f"{preset}, {16 * epochs} steps, seed {seed}, {settings}")
            print(f"  simulated validation: F1 {row['simulated_f1']:.3f}")
            print(f"  SCUT-HEAD: {shown(metrics, FIGURES)}", flush=True)
            if second is not None:
                metrics = scored(run, second, "train", run / "shanghaitech.json")
                row["shanghaitech"] = {name: metrics[name]["value"] for name in FIGURES[:-1]}
                print(f"  ShanghaiTech B: {shown(metrics, FIGURES[:-1])}", flush=True)
            with (given.out / "results.jsonl").open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
            if given.draw:
                names = [frame.frame_id for frame in part]
                view(real.folder, names, predictions=found, split=split, out=run / "look")


if __name__ == "__main__":
    main()
