"""Make the bundled detector of a run: ONNX and checkpoint in half precision, and its card.

    gtahead simulate --preset heads --out heads && gtahead build --raw heads --out heads-set
    gtahead simulate --preset crowds --out crowds && gtahead build --raw crowds --out crowds-set
    gtahead merge heads-set crowds-set --out both
    gtahead train both --preset tiny --config tools/shipped.toml --out run
    python tools/ship_model.py run --data both --photographs FOLDER --dense FOLDER

The photographs are a dataset of them as `tools/experiments/sim_to_real.py` makes it (`--out`'s
`photographs`): its validation part was looked at while the simulator was made, its test part is
measured here, by `gtahead count` as users run it. The dense ones are a second look.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from gtahead import Dataset, Predictions, benchmark, count
from gtahead.arrays import Floats
from gtahead.counting import OnnxDetector, load_model
from gtahead.counting.models import MIN_SCORE, TILE, Card, ErrorBand
from gtahead.models import CARD, CHECKPOINT, ONNX
from gtahead.scoring import Score
from gtahead.storage import json_bytes
from gtahead.training import export_model
from gtahead.training.checkpoints import read_checkpoint, write_checkpoint
from gtahead.training.onnx_models import round_to_half

LONG_SIDE = 1024
FIGURES = ("mae", "bias", "precision_large", "recall_large", "f1_large", "ap50")
EDGES = (15, 30)
"""Counts between which bands of errors lie."""

MOST_BYTES = 4_000_000

COLUMNS = (
    *("photographs", "images", "heads", "guessing, MAE", "MAE", "bias"),
    *("F1 (large)", "AP50", "CPU s per megapixel"),
)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "counting.md"
BEGIN, END = "<!-- begin: tools/ship_model.py -->", "<!-- end -->"


def halved(run: Path) -> None:
    """Write the run's weights in half precision, as ONNX and as checkpoint: the same numbers."""
    trained = read_checkpoint(run / "model.pt")
    about = {"run": "gtahead builtin", "made_of": trained.about.get("data", {})}
    round_to_half(trained.detector)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "model.pt"
        write_checkpoint(whole, replace(trained, about=about))
        done = export_model(whole, ONNX, half=True)
    print(f"differs from torch by {done.difference:.1e}")
    trained.detector.half()
    write_checkpoint(CHECKPOINT, replace(trained, about=about))


def counted(part: Dataset, detector: OnnxDetector) -> tuple[Predictions, list[float], float]:
    """Count in each photograph, as users do: predictions, sides of heads, seconds per megapixel."""
    rows: dict[str, dict[str, Floats]] = {}
    sides: list[float] = []
    seconds = pixels = 0.0
    for frame in part:
        image = frame.image()
        begun = time.process_time()
        found = count(image, model=detector, threshold=MIN_SCORE)
        seconds += time.process_time() - begun
        pixels += image.shape[0] * image.shape[1]
        rows[frame.frame_id] = {"boxes": found.boxes_xyxy, "scores": found.scores}
        kept = found.boxes_xyxy[found.scores >= detector.threshold] * found.scale
        if len(kept):
            each = np.sqrt(np.prod(kept[:, 2:] - kept[:, :2], axis=1))
            sides.append(float(np.median(each)))
    predictions = Predictions.of(rows, threshold=detector.threshold)
    return predictions, sides, 1e6 * seconds / pixels


def bands_of(real: Floats, found: Floats) -> list[ErrorBand]:
    """Measure how far counts are off, by the count: true over counted, 10th to 90th percentile."""
    bands = []
    for low, high in zip((0, *EDGES), (*EDGES, 10**6), strict=True):
        mine = (found > low) & (found <= high)
        if mine.sum() < 12:
            continue
        low_share, high_share = np.quantile(real[mine] / found[mine], [0.1, 0.9]).tolist()
        bands.append(ErrorBand(high, int(mine.sum()), round(low_share, 3), round(high_share, 3)))
    return bands


def shown(metrics: dict[str, Any]) -> dict[str, Any]:
    """Keep a few metrics, rounded."""
    return {
        name: {key: round(value, 4) for key, value in metrics[name].items() if value is not None}
        for name in FIGURES
        if name in metrics
    }


def measured(
    dataset: Dataset, split: str, detector: OnnxDetector
) -> tuple[dict[str, Any], Score, list[float]]:
    """Score a split: figures, the score, and sides of heads."""
    part = dataset.split(split)
    predictions, sides, seconds = counted(part, detector)
    score = benchmark(
        predictions, dataset, split=split, threshold=detector.threshold, ceilings=False
    )
    truth = score.states["ground_truth"]
    row = {
        "images": len(truth),
        "heads": int(truth.sum()),
        "mae_of_guessing": round(float(np.abs(truth - truth.mean()).mean()), 2),
        "seconds_per_megapixel": round(seconds, 3),
        **shown(score.document["metrics"]),
    }
    print(split, json.dumps(row))
    return row, score, sides


def written_down(card: Card) -> None:
    """Write the figures into the docs."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    names = {
        "validation": "SCUT-HEAD, looked at while the simulator was made",
        "test": "**SCUT-HEAD, never looked at**",
        "dense": "ShanghaiTech B, dense and outdoors",
    }
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for key, name in names.items():
        row = card.metrics[key]
        cells = [name, str(row["images"]), f"{row['heads']:,}", f"{row['mae_of_guessing']:.1f}"]
        for metric, decimals in (("mae", 1), ("bias", 1), ("f1_large", 3), ("ap50", 3)):
            one = row[metric]
            ends = [f"{one[end]:.{decimals}f}" for end in ("low", "high") if end in one]
            span = f" ({' to '.join(ends)})" if ends else ""
            cells.append(f"{one['value']:.{decimals}f}{span}")
        cells.append(f"{row['seconds_per_megapixel']:.2f}")
        lines.append(f"| {' | '.join(cells)} |")
    bands = [
        "| heads counted | photographs | true count, 10th to 90th percentile |",
        "|---|---|---|",
    ]
    low = 0.0
    for band in card.bands:
        upto = f"{low:g} to {band.most:g}" if band.most < 10**6 else f"more than {low:g}"
        bands.append(
            f"| {upto} | {band.images} | {band.low:.2f} to {band.high:.2f} times the count |"
        )
        low = band.most
    table = "\n".join([*lines, "", *bands])
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Write the files, measure them, write the card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="what it was trained on")
    parser.add_argument("--photographs", type=Path, required=True)
    parser.add_argument("--dense", type=Path, required=True)
    given = parser.parse_args()
    halved(given.run)
    sizes = {path.name: path.stat().st_size for path in (ONNX, CHECKPOINT)}
    print(", ".join(f"{name} {size:,} bytes" for name, size in sizes.items()))
    if sum(sizes.values()) > MOST_BYTES:
        raise SystemExit("too large to ship")
    detector = load_model(str(ONNX), threads=1)
    real = Dataset.open(given.photographs)
    results: dict[str, Any] = {}
    for split in ("validation", "test"):
        results[split], score, sides = measured(real, split, detector)
    dense = Dataset.open(given.dense)
    split = next(name for name in ("test", "validation", "train") if len(dense.split(name)))
    results["dense"], _, _ = measured(dense, split, detector)
    real_counts, found = score.states["ground_truth"], score.states["found"]
    manifest = Dataset.open(given.data).manifest
    smallest, largest = np.quantile(sides, [0.02, 0.98]).tolist()
    card = Card(
        name="heads",
        sha256=hashlib.sha256(ONNX.read_bytes()).hexdigest(),
        long_side=LONG_SIDE,
        trained_on="simulated crowds alone: presets heads and crowds, seed 0",
        tested_on=f"{results['test']['images']} photographs of SCUT-HEAD, mostly classrooms, that "
        "neither the network nor the simulator's makers had seen",
        fingerprint=manifest.fingerprint,
        commands=[line.strip() for line in (__doc__ or "").splitlines() if line.startswith("    ")],
        metrics=results,
        bands=bands_of(real_counts, found),
        sides_px=(round(smallest, 1), round(largest, 1)),
        most=int(real_counts.max()),
        limits=[
            "It finds heads, not people: who shows no head isn't counted.",
            "It was tested on photographs of rooms, and on six of dense crowds outdoors.",
            "It saw simulated people alone: it misses real heads, and takes some things for heads.",
            "It can't tell who somebody is, and must not be used to try.",
        ],
    )
    CARD.write_bytes(json_bytes(msgspec.to_builtins(card)))
    written_down(card)
    print(f"wrote {CARD}; tiles of {TILE} px")


if __name__ == "__main__":
    main()
