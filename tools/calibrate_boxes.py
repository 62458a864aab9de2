"""Measure how far each pseudo-box rule is from true boxes; write the table that gtahead ships.

    python tools/calibrate_boxes.py            # simulates, measures, prints
    python tools/calibrate_boxes.py --write    # and replaces gtahead/annotation/calibration.json

The ground truth is simulated: heads of counted people in the preset `small`, seeds 100 to 102. The
relative error of a side is estimate / ground truth - 1, a side being the root of a box's area.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from gtahead.annotation import HeadFrames, depths_over_ground
from gtahead.annotation.evaluation import MEASURED, measure_rules, summary
from gtahead.arrays import Floats
from gtahead.dataset import CountPolicy
from gtahead.findings import Findings, Ledger
from gtahead.geometry import focal_px, inside
from gtahead.readers import READERS
from gtahead.simulation import simulate
from gtahead.tables.canonical import COUNTED

TABLE = Path(__file__).resolve().parents[1] / "gtahead" / "annotation" / "calibration.json"
PRESET, SEEDS = "small", (100, 101, 102)


def measure(folder: Path, errors: dict[str, list[Floats]], ious: dict[str, list[Floats]]) -> None:
    """Add one simulated capture's errors, rule by rule."""
    reader = READERS["native"]
    for source in reader.list_sequences(folder, Findings()):
        captured = reader.read(source, Findings(), Ledger())
        heads = captured.heads
        ground_truth = np.stack([heads[f"captured_{c}"] for c in ("x0", "y0", "x1", "y1")], axis=1)
        points = np.stack([heads["x"], heads["y"]], axis=1)
        in_frame = inside(points, captured.size_wh)
        status = CountPolicy().status(in_frame, heads["visibility"], None)
        cameras = [frame.camera for frame in captured.frames]
        ground = depths_over_ground(heads, cameras, [0.0] * len(cameras), captured.size_wh)
        scene = HeadFrames(
            {n: v for n, v in (heads | ground).items() if not n.startswith("captured")},
            len(cameras),
            np.full(len(cameras), float(captured.size_wh[1])),
            np.array([focal_px(c.vfov_deg, captured.size_wh[1]) for c in cameras if c]),
            np.array([c.rotation_deg[0] for c in cameras if c and c.rotation_deg]),
            np.zeros(len(cameras), np.int64),
            np.zeros(len(cameras)),
        )
        for rule, found in measure_rules(scene, ground_truth, status == COUNTED).items():
            errors.setdefault(rule, []).append(found.error)
            ious.setdefault(rule, []).append(found.iou)


def main() -> None:
    """Simulate, measure, print, and write on request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--write", action="store_true", help="replace the shipped table")
    write = parser.parse_args().write
    errors: dict[str, list[Floats]] = {}
    ious: dict[str, list[Floats]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in SEEDS:
            folder = Path(temporary) / str(seed)
            simulate(folder, preset=PRESET, seed=seed, images=False)
            measure(folder, errors, ious)
    rules = {}
    print(f"{'rule':16}{'heads':>9}{'p10':>8}{'median':>8}{'p90':>8}{'mean IoU':>10}")
    for rule in MEASURED:
        values = np.concatenate(errors[rule])
        reported = summary(values, np.concatenate(ious[rule]))
        p10, median, p90, iou = (
            reported[key] for key in ("p10_signed", "bias", "p90_signed", "mean_iou")
        )
        rules[rule] = {"p10": p10, "median": median, "p90": p90, "heads": len(values)}
        print(f"{rule:16}{len(values):9,}{p10:8.3f}{median:8.3f}{p90:8.3f}{iou:10.3f}")
    if write:
        source = f"simulated: preset {PRESET}, seeds {SEEDS[0]} to {SEEDS[-1]}, counted heads"
        document = {"source": source, "made_by": "tools/calibrate_boxes.py", "rules": rules}
        TABLE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"written: {TABLE.name}")


if __name__ == "__main__":
    main()
