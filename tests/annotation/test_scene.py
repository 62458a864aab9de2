"""Boxes and sigmas in a dataset that was built."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gtahead import Dataset, build


def test_every_head_has_sigmas_by_its_box(tiny_captures: Path, tmp_path: Path) -> None:
    build(tiny_captures, tmp_path / "out", images="none")
    dataset = Dataset.open(tmp_path / "out")
    assert dataset.manifest.document["options"]["sigma"] == "box:ratio=0.25"
    frames = list(dataset)
    assert sum(len(frame.sigmas_xy) for frame in frames) > 100
    for frame in frames:
        sizes = frame.boxes_xyxy[:, 2:] - frame.boxes_xyxy[:, :2]
        wanted = np.maximum(sizes / 4, 0.5)
        np.testing.assert_allclose(frame.sigmas_xy, wanted, atol=1 / 512)


def test_the_sigma_rule_changes_labels_and_nothing_else(
    tiny_captures: Path, tmp_path: Path
) -> None:
    first = build(tiny_captures, tmp_path / "a", images="none").manifest["fingerprints"]
    second = build(tiny_captures, tmp_path / "b", images="none", sigma="fixed:7").manifest[
        "fingerprints"
    ]
    assert first["points"] == second["points"]
    assert first["images"] == second["images"]
    assert first["labels"]["all"] != second["labels"]["all"]
    frame = next(frame for frame in Dataset.open(tmp_path / "b") if len(frame.head_ids))
    assert (frame.sigmas_xy == 7).all()
