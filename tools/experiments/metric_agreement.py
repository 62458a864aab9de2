"""How far gtahead's metrics are from those of others, on the same random cases.

    python tools/experiments/metric_agreement.py [--cases 200] [--lists DIR]

pycocotools' AP and torchmetrics' mAP are run; CrowdHuman's MR⁻² and JI are CrowdDet's rules as the
tests have them, head by head. With `--lists`, a folder that holds `nwpu/` and `fidtm/` with the
published lists and what the evaluation programs of NWPU-Crowd and FIDTM print of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import gtahead
from gtahead import metrics
from gtahead.metrics.detection import average_precision, match_boxes

TESTS = Path(__file__).resolve().parents[2] / "tests"


def _test_module(name: str) -> Any:  # noqa: ANN401 - a module
    for folder in (TESTS, TESTS / "metrics"):
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return __import__(name)


def of_pycocotools(cases: int) -> Iterator[tuple[str, float]]:
    """Yield the differences of AP and AR at each threshold, without a cap and with one."""
    scenes = _test_module("test_detection")
    for case in range(cases):
        values, cap = scenes.scene(case), 20 if case % 3 == 0 else None
        ours = average_precision(match_boxes(*values, cap=cap))
        theirs = scenes.by_pycocotools(values, cap or 10**6)
        for name, one, other in zip(("AP", "AR"), ours, theirs, strict=True):
            yield f"pycocotools: {name}", float(np.abs(one - other).max())


def of_torchmetrics(cases: int) -> Iterator[tuple[str, float]]:
    """Yield the differences of mAP, of images with at most 100 boxes, which is its cap."""
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    for case in range(cases):
        rng = np.random.default_rng(case)
        # By default its points of recall are in single precision, which moves AP by up to 1/101.
        metric = MeanAveragePrecision(rec_thresholds=np.linspace(0, 1, 101).tolist())
        found, scores, true = [], [], []
        for _ in range(6):
            corner = rng.uniform(0, 400, (int(rng.integers(1, 60)), 2))
            real = np.concatenate([corner, corner + rng.uniform(8, 60, corner.shape)], axis=1)
            mine = real[rng.random(len(real)) < 0.8] + rng.normal(0, 2)
            found.append(mine.astype(np.float32))
            scores.append(rng.random(len(mine)).astype(np.float32))
            true.append(real.astype(np.float32))
            boxes, labels = torch.tensor(found[-1]), torch.zeros(len(mine), dtype=torch.int64)
            metric.update(
                [{"boxes": boxes, "scores": torch.tensor(scores[-1]), "labels": labels}],
                [{"boxes": torch.tensor(true[-1]), "labels": torch.zeros(len(real)).long()}],
            )
        theirs, ours = metric.compute(), metrics.average_precision(found, scores, true)
        for name, key in (("ap", "map"), ("ap50", "map_50"), ("ap75", "map_75")):
            yield f"torchmetrics: {name}", abs(ours[name] - float(theirs[key]))


def of_crowdhuman(cases: int) -> Iterator[tuple[str, float]]:
    """Yield the differences of MR⁻² and JI, half of the cases of whole pixels with ties."""
    drawn = _test_module("test_crowdhuman")
    for case in range(cases):
        photos = drawn.photos(case)
        given, more = drawn.arguments(photos)
        heads = sum(not ignored for photo in photos for _, ignored in photo.heads)
        if heads and any(photo.found for photo in photos):
            theirs = drawn.plain.miss_rate(photos)
            yield "CrowdDet: MR⁻²", abs(metrics.miss_rate(*given, **more) - theirs)
        for step in range(10):
            threshold = 0.1 * step
            ours = metrics.jaccard_index(*given, **more, threshold=threshold)
            off = abs(ours - drawn.plain.jaccard_index(photos, threshold))
            yield "CrowdDet: JI", 0.0 if np.isnan(off) else off


def of_lists(folder: Path) -> Iterator[tuple[str, float]]:
    """Yield the differences from what the benchmarks' own programs print."""
    nwpu = folder / "nwpu"
    wanted = json.loads((nwpu / "expected_Raz_loc_val_0.5.json").read_text())
    lists = nwpu / "Raz_loc_val_0.5.txt", nwpu / "val_gt_loc.txt"
    ours = gtahead.benchmark(*lists, intervals=False).value
    for radius, key in (("small", "sigma_s"), ("large", "sigma_l")):
        for name in ("precision", "recall", "f1"):
            yield "NWPU-Crowd: localisation", abs(ours[f"{name}_{radius}"] - wanted[key][name])
    text = (folder / "fidtm" / "expected_A.stdout.txt").read_text()
    printed = dict(line.split(": ") for line in text.splitlines() if ": " in line)
    lists = folder / "fidtm" / "A_pred_fidt.txt", folder / "fidtm" / "A_gt.txt"
    ours = gtahead.benchmark(*lists, intervals=False).value
    for name, key in (("mae", "MAE"), ("rmse", "MSE"), ("nae", "NAE"), ("f1_large", "F1m_large")):
        yield "FIDTM: all that it prints", abs(ours[name] - float(printed[key]))


def main() -> None:
    """Print a table of cases and largest differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--lists", type=Path)
    options = parser.parse_args()
    seen: dict[str, list[float]] = {}
    for peer in (of_pycocotools, of_torchmetrics, of_crowdhuman):
        for name, off in peer(options.cases):
            seen.setdefault(name, []).append(off)
    for name, off in of_lists(options.lists) if options.lists else ():
        seen.setdefault(name, []).append(off)
    print("| metric | values | largest difference |\n|---|---:|---:|")
    for name, listed in seen.items():
        print(f"| {name} | {len(listed):,} | {max(listed):.1e} |")


if __name__ == "__main__":
    main()
