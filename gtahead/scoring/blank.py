"""A valid prediction file in which nothing is found: what a participant fills in."""

from __future__ import annotations

from typing import Any

from gtahead.metrics.ground_truth import GroundTruth
from gtahead.predictions.writing import document_bytes


def template_of(ground_truth: GroundTruth) -> bytes:
    """Write a file that names every image, with nothing found in any."""
    dataset: dict[str, Any] = {"name": ground_truth.name}
    if ground_truth.split is not None:
        dataset["split"] = ground_truth.split
    if "points" in ground_truth.fingerprints:
        dataset["fingerprint"] = ground_truth.fingerprints["points"]
    header = {
        "format": "gtahead-predictions",
        "version": 1,
        "dataset": dataset,
        "coordinates": {"space": "pixels", "size": "original", "box": "xywh"},
        "method": {"name": "nothing", "threshold": 0.5, "threshold_selected_on": "none"},
    }
    rows = ({"image": name, "points": [], "boxes": []} for name in ground_truth.images.ids)
    return document_bytes(header, rows)
