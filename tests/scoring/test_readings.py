"""Boxes and points that were written otherwise are recognised with the ground truth at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import gtahead

from gtahead import Dataset

Rows = np.ndarray


def document(dataset: Path, change: Callable[[Rows, tuple[int, int]], Rows], points: bool) -> dict:
    """Make predictions of the test split: most heads, a little off, a few beyond the border."""
    rng = np.random.default_rng(5)
    rows = []
    for frame in Dataset.open(dataset).select(split="test"):
        corners = frame.boxes_xyxy[frame.counted]
        xywh = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
        xywh = (xywh + rng.normal(0, 0.3, xywh.shape))[rng.random(len(xywh)) < 0.9]
        xywh[:, 2:] = np.maximum(xywh[:, 2:], 1)
        beyond = [[frame.size_wh[0] + 40.0, 20, 9, 9]] * int(rng.random() < 0.5)
        xywh = np.concatenate([xywh, np.array(beyond).reshape(-1, 4)])
        values = xywh[:, :2] + xywh[:, 2:] / 2 if points else xywh
        values = change(values, frame.size_wh)
        scores = rng.uniform(0.6, 1, (len(values), 1))
        listed = np.concatenate([values, scores], axis=1).tolist()
        rows.append({"image": frame.frame_id, "points" if points else "boxes": listed})
    method = {"name": "m", "threshold": 0.5, "threshold_selected_on": "validation"}
    head = {"format": "gtahead-predictions", "version": 1, "method": method}
    return {**head, "predictions": rows}


BOXES: dict[str, Callable[[Rows, tuple[int, int]], Rows]] = {
    "corners": lambda v, _: np.concatenate([v[:, :2], v[:, :2] + v[:, 2:]], axis=1),
    "centres": lambda v, _: np.concatenate([v[:, :2] + v[:, 2:] / 2, v[:, 2:]], axis=1),
    "pixels of images 0.5 times as large": lambda v, _: v / 2,
    "pixels of images 2 times as large": lambda v, _: v * 2,
    "y before x": lambda v, _: v[:, [1, 0, 3, 2]],
    "shares of the image": lambda v, size: v / np.tile(size, 2),
}


@pytest.mark.parametrize("how", BOXES)
def test_boxes(how: str, tiny_dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(json.dumps(document(tiny_dataset, BOXES[how], points=False)))
    done = gtahead("benchmark", path, "--data", tiny_dataset, "--no-intervals")
    assert done.code == 0, done.err
    (line,) = [line for line in done.err.splitlines() if "read-otherwise" in line]
    assert "AP50 is 0.0" in line
    assert f"read as {how}" in line


@pytest.mark.parametrize("how", ["pixels of images 0.5", "y before x", "shares of the image"])
def test_points(how: str, tiny_dataset: Path, tmp_path: Path) -> None:
    change: Callable[[Rows, tuple[int, int]], Rows] = {
        "pixels of images 0.5": lambda v, _: v / 2,
        "y before x": lambda v, _: v[:, ::-1],
        "shares of the image": lambda v, size: v / size,
    }[how]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(document(tiny_dataset, change, points=True)))
    done = gtahead("benchmark", path, "--data", tiny_dataset, "--no-intervals")
    (line,) = [line for line in done.err.splitlines() if "read-otherwise" in line]
    assert "F1 is 0." in line
    assert f"read as {how}" in line


@pytest.mark.parametrize("points", [True, False])
def test_what_fits_is_left_alone(points: bool, tiny_dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(json.dumps(document(tiny_dataset, lambda v, _: v, points)))
    done = gtahead("benchmark", path, "--data", tiny_dataset, "--no-intervals")
    assert "read-otherwise" not in done.err
    assert "looks-" not in done.err
    rng = np.random.default_rng(1)
    scattered = document(tiny_dataset, lambda v, _: v + rng.normal(0, 40, v.shape), points=True)
    path.write_text(json.dumps(scattered))
    done = gtahead("benchmark", path, "--data", tiny_dataset, "--no-intervals")
    assert "read-otherwise" not in done.err


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (BOXES["corners"], "looks-like-corners"),
        (BOXES["pixels of images 0.5 times as large"], "looks-resized"),
        (BOXES["shares of the image"], "looks-normalised"),
    ],
)
def test_a_few_beyond_the_border_hide_nothing(
    change: Callable[[Rows, tuple[int, int]], Rows], code: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    """A host of hidden labels sees it too, from geometry alone."""
    path = tmp_path / "found.json"
    path.write_text(json.dumps(document(tiny_dataset, change, points=False)))
    done = gtahead("benchmark", path, "--data", tiny_dataset, "--check-only")
    assert code in done.err
