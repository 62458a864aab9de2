"""A valid prediction file in which nothing is found: what a participant fills."""

from __future__ import annotations

from typing import Any

from gtahead.predictions.writing import document_bytes
from gtahead.scoring.ground_truth import Truth


def template_of(truth: Truth) -> bytes:
    """Write a file that names every picture, with nothing found in any."""
    dataset: dict[str, Any] = {"name": truth.name}
    if truth.split is not None:
        dataset["split"] = truth.split
    if "points" in truth.fingerprints:
        dataset["fingerprint"] = truth.fingerprints["points"]
    header = {
        "format": "gtahead-predictions",
        "version": 1,
        "dataset": dataset,
        "coordinates": {"space": "pixels", "size": "original", "box": "xywh"},
        "method": {"name": "nothing", "threshold": 0.5, "threshold_selected_on": "none"},
    }
    rows = ({"image": name, "points": [], "boxes": []} for name in truth.pictures.ids)
    return document_bytes(header, rows)
