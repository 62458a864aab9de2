"""Load a folder as its users will: a script of its own, for whatever `datasets` is installed.

python loading.py FOLDER CACHE

It prints one JSON object, and knows nothing of gtahead, so that another environment's Python can
run it. The network stays off.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def _sums(rows: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever `datasets` gives
    """Sum up rows, to compare two ways of loading the same data."""
    found: dict[str, Any] = {"frames": 0, "heads": 0, "ignored": 0, "box_area": 0.0, "empty": 0}
    for row in rows:
        boxes = row["objects"]["bbox"]
        found["frames"] += 1
        found["heads"] += len(row["objects"]["id"])
        found["ignored"] += len(row["ignored"]["id"])
        found["empty"] += not boxes
        found["box_area"] += sum(width * height for _, _, width, height in boxes)
    return found


def _about(features: Any) -> dict[str, Any]:  # noqa: ANN401 - `datasets`' Features
    objects = features["objects"]
    category = objects[
        "category"
    ]  # version 3 writes a list of labels as [label], later ones as List
    kind = category[0] if isinstance(category, list) else category.feature
    return {"names": list(kind.names), "columns": sorted(features)}


def _image(split: Any) -> list[int] | None:  # noqa: ANN401 - a Dataset of `datasets`
    """Decode a split's first image, and return its size."""
    for row in split:
        image = row["image"]
        return None if image is None else [image.width, image.height]
    return None


def load(folder: str, cache: str) -> dict[str, Any]:
    """Load every configuration, plain and streaming."""
    import datasets

    datasets.disable_progress_bars()
    found: dict[str, Any] = {"datasets": datasets.__version__, "configurations": {}}
    for name in datasets.get_dataset_config_names(folder, cache_dir=cache):
        modes: dict[str, Any] = {}
        for mode in ("plain", "streaming"):
            parts = datasets.load_dataset(
                folder, name, streaming=mode == "streaming", cache_dir=cache
            )
            modes[mode] = {}
            for split, part in parts.items():
                about = _about(part.features)
                if "image" in about["columns"]:
                    about["first_image"] = _image(part)
                    part = part.remove_columns("image")  # noqa: PLW2901 - sums need none
                modes[mode][split] = {**about, **_sums(part)}
        found["configurations"][name] = modes
    return found


if __name__ == "__main__":
    for key in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[key] = "1"
    os.environ["HF_HOME"] = sys.argv[2]
    sys.stdout.write(json.dumps(load(sys.argv[1], sys.argv[2])) + "\n")
