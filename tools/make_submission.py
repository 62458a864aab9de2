"""A submission for demonstrations, made from the ground truth itself: no method, and labelled so.

    python tools/make_submission.py DATASET --out predictions.json [--split test] [--seed 1]

Heads are thinned (small ones more), given boxes that are a little off, and scores; false heads are
added.
"""

from __future__ import annotations

import argparse

import numpy as np

from gtahead import Dataset
from gtahead.arrays import Ragged
from gtahead.predictions import Predictions, write_predictions


def make(dataset: Dataset, split: str, seed: int) -> Predictions:
    """Make a submission."""
    rng = np.random.default_rng(seed)
    images, boxes, scores = [], [], []
    for frame in dataset.select(split=split):
        true = frame.boxes_xyxy[frame.counted]
        true = true[np.isfinite(true).all(axis=1)]
        side = np.sqrt(np.prod(true[:, 2:] - true[:, :2], axis=1))
        sure = 1 / (1 + np.exp(-(side - 8) / 4))
        found = rng.random(len(true)) < 0.3 + 0.65 * sure
        moved = true[found] + rng.normal(0, 0.06, (int(found.sum()), 4)) * side[found, None]
        false = int(rng.poisson(0.08 * len(true) + 0.5))
        corner = rng.uniform(0, 1, (false, 2)) * np.array(frame.size_wh)
        size = rng.uniform(6, 24, (false, 1))
        both = np.concatenate([moved, np.concatenate([corner, corner + size], axis=1)])
        both[:, 2:] = np.maximum(both[:, 2:], both[:, :2] + 1)
        images.append(frame.frame_id)
        boxes.append(both)
        certain = np.concatenate([0.35 + 0.6 * sure[found], np.full(false, 0.3)])
        scores.append(np.clip(certain + rng.normal(0, 0.12, len(both)), 0.01, 0.99))
    count = len(images)
    manifest = dataset.manifest.document
    return Predictions(
        kind="gtahead",
        images=list(images),
        counts=np.full(count, np.nan),
        has_points=np.zeros(count, np.bool_),
        has_boxes=np.ones(count, np.bool_),
        points_xy=np.empty((0, 2)),
        point_scores=np.empty(0),
        points_by_image=Ragged.from_counts([0] * count),
        boxes_xyxy=np.concatenate([np.empty((0, 4)), *boxes]),
        box_scores=np.concatenate([np.empty(0), *scores]),
        boxes_by_image=Ragged.from_counts([len(part) for part in boxes]),
        header={
            "dataset": {
                "name": dataset.folder.resolve().name,
                "split": split,
                "fingerprint": manifest["fingerprints"]["points"][split],
            },
            "method": {
                "name": f"the ground truth, disturbed (seed {seed})",
                "seed": seed,
                "threshold": 0.4,
                "threshold_selected_on": "none",
            },
        },
    )


def main() -> None:
    """Make a file of predictions."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("dataset")
    options.add_argument("--out", required=True)
    options.add_argument("--split", default="test")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    write_predictions(given.out, make(Dataset.open(given.dataset), given.split, given.seed))
    print(f"wrote {given.out}: made from the ground truth by jitter, thinning and false heads")


if __name__ == "__main__":
    main()
