"""Measure how far each pseudo-box rule is from true boxes; write the table that gtahead ships.

    python tools/calibrate_boxes.py                      # simulates, measures, prints
    python tools/calibrate_boxes.py --photographs DATA   # measures labelled photographs as well
    python tools/calibrate_boxes.py ... --write          # and replaces calibration.json

Rendered: heads of counted people in the preset `small`, seeds 100 to 102. Photographs: DATA holds
`nwpu`, with NWPU-Crowd's list of its validation images, and `scut_head`, with images and boxes of
both parts of SCUT-HEAD; the three sets weigh the same. Without DATA the table keeps its
photographs. The relative error of a side is estimate / ground truth - 1, a side being the root of
a box's area.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.annotation import HeadFrames
from gtahead.annotation.evaluation import MEASURED, measure_rules
from gtahead.annotation.rule_errors import true_boxes
from gtahead.annotation.scene import scene_of
from gtahead.arrays import Floats
from gtahead.dataset import CountPolicy
from gtahead.findings import Findings, Ledger
from gtahead.ingest.model import CapturedSequence
from gtahead.readers import READERS
from gtahead.simulation import simulate
from gtahead.tables.canonical import COUNTED

TABLE = Path(__file__).resolve().parents[1] / "gtahead" / "annotation" / "calibration.json"
PRESET, SEEDS = "small", (100, 101, 102)
GUESSES = ("crowd", "perspective:knn", "knn")
"""Rules that need points alone: only these are measured on photographs."""


def sequences(folder: Path, reader: str) -> Iterator[CapturedSequence]:
    """Read the sequences of a folder."""
    for source in READERS[reader].list_sequences(folder, Findings()):
        yield READERS[reader].read(source, Findings(), Ledger())


def scene(captured: CapturedSequence, origin: str) -> HeadFrames:
    """Return a sequence as the rules see it."""
    cameras = [frame.camera for frame in captured.frames]
    ground = [0.0 if camera else None for camera in cameras]
    return scene_of(captured.heads, cameras, ground, captured.sizes_wh, origin)


def errors_of(
    captured: CapturedSequence, origin: str, part: Callable[[str], bool] = bool
) -> dict[str, Floats]:
    """Return each rule's errors, overlaps and frames, (3, n), on heads that count.

    Args:
        captured: a sequence.
        origin: of its images.
        part: which frames, by name.
    """
    seen = scene(captured, origin)
    points, index = seen.points_xy, seen.heads["frame_index"]
    sizes = np.array(captured.sizes_wh, np.float64)[index]
    in_frame = np.asarray(((points >= 0) & (points < sizes)).all(axis=1))
    status = CountPolicy().status(in_frame, captured.heads.get("visibility"), None)
    ground_truth, known = true_boxes(seen)
    named = np.array([part(frame.frame) for frame in captured.frames])
    counts = (status == COUNTED) & known & named[index]
    blind = {n: v for n, v in seen.heads.items() if not n.startswith("captured")}
    found = measure_rules(replace(seen, heads=blind), ground_truth, counts)
    return {rule: np.stack([one.error, one.iou, index[one.rows]]) for rule, one in found.items()}


def rendered() -> dict[str, Floats]:
    """Measure every rule on simulated crowds."""
    found: dict[str, list[Floats]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in SEEDS:
            folder = Path(temporary) / str(seed)
            simulate(folder, preset=PRESET, seed=seed, images=False)
            for captured in sequences(folder, "native"):
                for rule, values in errors_of(captured, "simulated").items():
                    found.setdefault(rule, []).append(values)
    return {rule: np.concatenate(values, axis=1) for rule, values in found.items()}


def photographs(data: Path) -> dict[str, dict[str, Floats]]:
    """Measure the rules that need points alone on each set of photographs."""
    (nwpu,) = sequences(data / "nwpu", "nwpu")
    (scut,) = sequences(data / "scut_head", "voc")
    sets = {"NWPU": errors_of(nwpu, "photographs")}
    for part in "AB":

        def is_of_part(name: str, begin: str = f"Part{part}") -> bool:
            return name.startswith(begin)

        sets[f"SCUT {part}"] = errors_of(scut, "photographs", is_of_part)
    return {
        name: {rule: values for rule, values in found.items() if rule in GUESSES}
        for name, found in sets.items()
    }


def quantiles(values: list[Floats], at: tuple[float, ...]) -> list[float]:
    """Return quantiles of several samples that weigh the same."""
    together = np.concatenate(values)
    weights = np.concatenate([np.full(len(one), 1 / len(one)) for one in values])
    order = np.argsort(together)
    shares = np.cumsum(weights[order]) / weights.sum()
    return [float(together[order][np.searchsorted(shares, share)]) for share in at]


def table(sets: dict[str, dict[str, Floats]]) -> dict[str, dict[str, Any]]:
    """Print each rule's errors on each set, and return them over all sets together."""
    rules = {}
    print(f"{'rule':16}{'set':>9}{'heads':>9}{'p10':>8}{'median':>8}{'p90':>8}{'IoU':>8}", end="")
    print(f"{'by image':>20}{'covered':>9}")
    for rule in MEASURED:
        there = {name: found[rule] for name, found in sets.items() if rule in found}
        if not there:
            continue
        p10, median, p90 = quantiles([values[0] for values in there.values()], (0.1, 0.5, 0.9))
        covered = []
        for name, (error, iou, frame) in there.items():
            own = np.quantile(error, [0.1, 0.5, 0.9])
            groups = [frame == one for one in np.unique(frame)]
            medians = [float(np.median(error[rows])) for rows in groups]
            means = [float(np.mean(iou[rows])) for rows in groups]
            # True sides within `box_error_px` of the box's.
            covered.append(float(np.mean(np.abs(1 - 1 / (1 + error)) <= (p90 - p10) / 2)))
            print(f"{rule:16}{name:>9}{len(error):9,}", *(f"{one:7.3f}" for one in own), end="")
            print(f"{np.mean(iou):8.3f}{np.median(medians):+10.3f}{np.mean(means):10.3f}", end="")
            print(f"{covered[-1]:9.3f}")
        heads = sum(values.shape[1] for values in there.values())
        print(f"{rule:16}{'all':>9}{heads:9,} {p10:7.3f} {median:7.3f} {p90:7.3f}", end="")
        print(f"{'':28}{np.mean(covered):9.3f}")
        rules[rule] = {
            "p10": round(p10, 3),
            "median": round(median, 3),
            "p90": round(p90, 3),
            "heads": heads,
        }
    return rules


def main() -> None:
    """Simulate, measure, print, and write on request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--photographs", type=Path, metavar="DATA", help="labelled photographs")
    parser.add_argument("--write", action="store_true", help="replace the shipped table")
    given = parser.parse_args()
    document = json.loads(TABLE.read_text(encoding="utf-8"))
    source = f"simulated: preset {PRESET}, seeds {SEEDS[0]} to {SEEDS[-1]}, counted heads"
    document["rendered"] = {"source": source, "rules": table({"small": rendered()})}
    if given.photographs is not None:
        sets = photographs(given.photographs)
        source = "NWPU-Crowd's validation list and both parts of SCUT-HEAD, weighing the same"
        document["photographs"] = {"source": source, "rules": table(sets)}
    if given.write:
        TABLE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        print(f"written: {TABLE.name}")


if __name__ == "__main__":
    main()
