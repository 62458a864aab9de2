"""How are heads read best from a heatmap? Strides and decoders on dense validation data.

    python tools/experiments/decode_sweep.py --data build/dense/dataset --out build/sweep

The data are `gtahead simulate --preset mfl-dense`, built. For each scale, stride and seed one small
`centernet` is trained from scratch, and its validation images are decoded as peaks and by NMS: MAE
at the threshold of the least MAE, best F1, AP50, MAE of a perfect network, and CPU
seconds per image. Nothing is scored on the test split.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from mfl import Scorer, perfect

from gtahead import Dataset, train
from gtahead.training import TrainConfig, make_config
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.detectors import Detector
from gtahead.training.module import validated

DECODERS: tuple[Literal["peaks", "nms"], ...] = ("peaks", "nms")


def look(scorer: Scorer, detector: Detector, config: TrainConfig) -> dict[str, Any]:
    """Decode the validation images in both ways."""
    frames = list(scorer.parts["validation"])
    rows: dict[str, Any] = {}
    for decode in DECODERS:
        detector.config = replace(config, decode=decode)
        began = time.process_time()
        found = scorer.find(detector, "validation")
        took = (time.process_time() - began) / len(frames)
        _, reported = validated(scorer.ground_truth, found)
        ideal = [perfect(detector.config, frame) for frame in frames]
        _, best = validated(scorer.ground_truth, ideal)
        rows[decode] = {
            "mae": reported["mae"],
            "f1": round(scorer.best_f1(found) or 0.0, 4),
            "ap50": reported["ap50"],
            "floor_mae": best["mae"],
            "seconds": round(took, 3),
        }
    detector.config = config
    return rows


def main() -> None:
    """Train, decode, print a line per network."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/sweep"))
    parser.add_argument("--epochs", type=int, default=24, help="of 24 steps")
    parser.add_argument("--scales", type=float, nargs="+", default=[1.0, 0.5])
    parser.add_argument("--strides", type=int, nargs="+", default=[4, 2])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    scorer = Scorer(Dataset.open(arguments.data))
    for seed in range(arguments.seeds):
        for scale in arguments.scales:
            for stride in arguments.strides:
                config = make_config(
                    "tiny", epochs=arguments.epochs, validate_every=arguments.epochs, scale=scale,
                    stride=stride, crop_wh=(int(192 * scale), int(192 * scale)), seed=seed,
                    epoch_crops=192,
                )  # fmt: skip
                run = arguments.out / f"{scale}-{stride}-{seed}-{arguments.epochs}"
                if not (run / "model.pt").exists():
                    train(arguments.data, run, config=config)
                trained = read_checkpoint(run / "model.pt").detector
                rows = {"steps": 24 * arguments.epochs, **look(scorer, trained, config)}
                print(
                    json.dumps({"scale": scale, "stride": stride, "seed": seed, **rows}), flush=True
                )


if __name__ == "__main__":
    main()
