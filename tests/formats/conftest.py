"""Datasets to export: small ones, with everything that formats stumble over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers import image, make_native

import gtahead

# A head of one pixel in each corner, one beyond the border, and two in one location.
CORNERS = [(0.5, 0.5), (63.5, 0.5), (0.5, 47.5), (63.5, 47.5)]


def make_captures(root: Path, sequences: dict[str, dict[str, Any]]) -> Path:
    """Write native captures.

    Args:
        root: their folder.
        sequences: by name; `frames`: heads by frame, each (id, x, y, side, visibility); `split`;
            `size`; `shift` of the boxes against their points, in pixels to the right.
    """
    seed = 0
    for name, sequence in sequences.items():
        folder = root / name
        frames = sequence["frames"]
        size = sequence.get("size", (64, 48))
        shift = sequence.get("shift", 0.0)
        (folder / "frames").mkdir(parents=True)
        listed = []
        for number in range(len(frames)):
            seed += 1
            file = f"frames/{number:06d}.jpg"
            (folder / file).write_bytes(image(seed, size))
            listed.append({"frame": number, "file": file})
        rows = [(number, *head) for number, heads in enumerate(frames) for head in heads]
        columns: dict[str, list[Any]] = {
            "frame": [row[0] for row in rows],
            "ped_id": [row[1] for row in rows],
            "x": [float(row[2]) for row in rows],
            "y": [float(row[3]) for row in rows],
            "box_x0": [row[2] - row[4] / 2 + shift for row in rows],
            "box_y0": [row[3] - row[4] / 2 for row in rows],
            "box_x1": [row[2] + row[4] / 2 + shift for row in rows],
            "box_y1": [row[3] + row[4] / 2 for row in rows],
            "visibility": [float(row[5]) for row in rows],
        }
        document = {
            "format": "gtahead-capture",
            "version": 1,
            "width": size[0],
            "height": size[1],
            "split": sequence["split"],
            "weather": "RAIN",
            "hour": 18.5,
            "camera": {"vfov_deg": 50.0},
            "frames": listed,
        }
        make_native(folder, document, columns)
    return root


SMALL: dict[str, dict[str, Any]] = {
    "alpha": {
        "split": "train",
        "frames": [
            [(number, x, y, 1.0, 1.0) for number, (x, y) in enumerate(CORNERS, 1)],
            [],
            [(7, 30.25, 20.5, 8.0, 0.9), (8, 40.0, 30.0, 10.0, 0.1), (9, 30.25, 20.5, 6.0, 0.5)],
        ],
    },
    "ünï 漢 's": {
        "split": "train",
        "size": (40, 56),
        "frames": [[(3, 20.125, 50.0, 4.0, 0.25)], []],
    },
    "beta": {"split": "validation", "frames": [[(1, 10.0, 10.0, 5.0, 1.0)]]},
    "empty": {"split": "test", "frames": [[], []]},
}


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with corners, empty frames, an empty split, an ignored head, odd names."""
    root = tmp_path_factory.mktemp("small")
    make_captures(root / "captures", SMALL)
    gtahead.build(root / "captures", root / "dataset", workers=1)
    return root / "dataset"
