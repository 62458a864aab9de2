"""Does it hold on real heads? Train on photographs; look at the game with a simulated model.

    python tools/experiments/real_heads.py --scut FOLDER --frames FOLDER --out build/real

FOLDER of `--scut` holds images of SCUT-HEAD in Pascal VOC's layout. Every third image is held
back to score on, one in six chooses the threshold, the rest is learned from, with CenterNet's own
loss and with Mask Focal Loss, from scratch. Models of simulated heads (`--preset mfl-lab`) are
scored on the same held-back images, and find heads in the frames of the game of `--frames`, which
have no labels: they are drawn, to be looked at. So few images decide nothing; they show what is
gross.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from gtahead import benchmark, build, predict, simulate, train
from gtahead.images.reading import decode_rgb, read_bytes
from gtahead.training import make_config
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.inference import find_heads

LOSSES = ("native", "mfl")
PHOTOGRAPHS: Mapping[str, Any] = {
    "scale": 0.75, "crop_wh": (256, 256), "batch": 4, "epoch_crops": 64, "epochs": 30,
    "validate_every": 5, "scale_low": 0.6, "scale_high": 1.5, "precision": "bf16-mixed",
}  # fmt: skip
SIMULATED: Mapping[str, Any] = {
    "crop_wh": (256, 192), "epochs": 16, "validate_every": 4, "scale_low": 0.4, "scale_high": 1.3,
    "colour": 0.4, "precision": "bf16-mixed",
}  # fmt: skip
FIGURES = ("mae", "bias", "f1_large", "precision_large", "recall_large", "ap50")


def hold_back(source: Path, out: Path) -> Path:
    """Lay the photographs out with lists of splits, and build a dataset of them."""
    layout, dataset = out / "photographs", out / "dataset"
    if not (dataset / "manifest.json").exists():
        shutil.rmtree(layout, ignore_errors=True)
        for name in ("Annotations", "JPEGImages"):
            shutil.copytree(source / name, layout / name)
        lists = layout / "ImageSets" / "Main"
        lists.mkdir(parents=True)
        names = sorted(path.stem for path in (source / "Annotations").glob("*.xml"))
        parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        for number, name in enumerate(names):
            part = "test" if number % 3 == 2 else "val" if number % 6 == 0 else "train"
            parts[part].append(name)
        for part, held in parts.items():
            (lists / f"{part}.txt").write_text("".join(f"{name}\n" for name in held))
        build(layout, dataset, reader="voc")
    return dataset


def score(model: Path, dataset: Path, folder: Path) -> str:
    """Score a model on the held-back photographs."""
    file = folder / "predictions.json"
    predict(model, dataset, file, split="test")
    metrics = benchmark(file, dataset, split="test", intervals=False, ceilings=False).document[
        "metrics"
    ]
    return ", ".join(f"{name} {metrics[name]['value']:.3f}" for name in FIGURES)


def look(model: Path, frames: list[Path], folder: Path) -> None:
    """Draw what a model finds in images without labels."""
    trained = read_checkpoint(model)
    for path in frames:
        image = decode_rgb(read_bytes(path))
        found = find_heads(trained.detector, image)
        sure = found.boxes_xyxy[found.scores >= (trained.threshold or 0.0)]
        canvas = np.ascontiguousarray(image[:, :, ::-1])
        for x0, y0, x1, y1 in sure.round().astype(int).tolist():
            cv2.rectangle(canvas, (x0, y0), (x1, y1), (80, 255, 80), 2)
        _, data = cv2.imencode(".png", canvas)
        (folder / f"{path.stem}.png").write_bytes(data.tobytes())
        print(f"  {path.name}: {len(sure)} heads at {trained.threshold:.3f} or above")


def main() -> None:
    """Train, score, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scut", type=Path, required=True)
    parser.add_argument("--frames", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/real"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    photographs = hold_back(arguments.scut, out)
    simulate(out / "simulated" / "captures", preset="mfl-lab")
    build(out / "simulated" / "captures", out / "simulated" / "dataset")
    frames = sorted(arguments.frames.glob("*.jpg"))
    for loss in LOSSES:
        run = out / f"simulated-{loss}"
        if not (run / "model.pt").exists():
            train(out / "simulated" / "dataset", run, config=make_config(loss=loss, **SIMULATED))
        print(
            f"simulated heads, {loss}, on photographs: {score(run / 'model.pt', photographs, run)}"
        )
        look(run / "model.pt", frames, run)
    for loss in LOSSES:
        for seed in range(arguments.seeds):
            run = out / f"photographs-{loss}-{seed}"
            if not (run / "model.pt").exists():
                config = make_config(loss=loss, seed=seed, **PHOTOGRAPHS)
                train(photographs, run, config=config)
            said = score(run / "model.pt", photographs, run)
            print(f"photographs, {loss}, seed {seed}: {said}", flush=True)


if __name__ == "__main__":
    main()
