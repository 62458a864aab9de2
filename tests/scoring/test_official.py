"""The figures that the evaluation programs of NWPU-Crowd and FIDTM print, to the last digit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gtahead import benchmark


def test_nwpu(shared_data: Path) -> None:
    folder = shared_data / "nwpu"
    wanted = json.loads((folder / "expected_Raz_loc_val_0.5.json").read_text())
    score = benchmark(
        folder / "Raz_loc_val_0.5.txt", folder / "val_gt_loc.txt", by=["level"], intervals=False
    )
    values = score.value
    for radius, key in (("small", "sigma_s"), ("large", "sigma_l")):
        for name in ("tp", "fp", "fn"):
            state = {"tp": "hits", "fp": "false", "fn": "missed"}[name]
            assert score.states[f"{state}_{radius}"].sum() == wanted[key][name]
        for name in ("precision", "recall", "f1"):
            assert values[f"{name}_{radius}"] == wanted[key][name]
    levels = [row["metrics"]["recall"] for row in score.document["by"]["level"]]
    assert levels == pytest.approx(wanted["sigma_l"]["recall_per_level"], abs=1e-3)
    text = (folder / "expected_Raz_loc_val_0.5.stdout.txt").read_text()
    printed = dict(
        line.split(": ") for line in text.splitlines() if line[:3] in ("MAE", "MSE", "NAE")
    )
    assert [str(values[name]) for name in ("mae", "rmse", "nae")] == [
        printed[name] for name in ("MAE", "MSE", "NAE")
    ]
    assert [str(row["id"]) for row in wanted["per_image"]] == score.ground_truth.images.ids
    for radius, letter in (("small", "s"), ("large", "l")):
        for state, short in (("hits", "tp"), ("false", "fp"), ("missed", "fn")):
            counts = [row[f"{short}_{letter}"] for row in wanted["per_image"]]
            assert score.states[f"{state}_{radius}"].tolist() == counts
    assert score.states["absolute"].tolist() == [row["abs_err"] for row in wanted["per_image"]]


def test_fidtm(shared_data: Path) -> None:
    folder = shared_data / "fidtm"
    text = (folder / "expected_A.stdout.txt").read_text()
    printed = dict(line.split(": ") for line in text.splitlines() if ": " in line)
    values = benchmark(folder / "A_pred_fidt.txt", folder / "A_gt.txt", intervals=False).value
    for radius in ("small", "large"):
        assert str(values[f"precision_{radius}"]) == printed[f"AP_{radius}"]
        assert str(values[f"recall_{radius}"]) == printed[f"AR_{radius}"]
        assert str(values[f"f1_{radius}"]) == printed[f"F1m_{radius}"]
    assert [str(values[name]) for name in ("mae", "rmse", "nae")] == [
        printed[name] for name in ("MAE", "MSE", "NAE")
    ]


def test_a_list_of_our_own(tmp_path: Path) -> None:
    """The same rules on a list small enough to count by hand."""
    ground_truth = "1 3 10 10 2 4 1 20 10 2 4 1 30 10 2 4 2\n2 0\n3 1 5 5 2 4 1\n"
    found = "3 0\n1 3 12 10 22 11 90 90\n2 1 7 7\n"
    (tmp_path / "gt.txt").write_text(ground_truth)
    (tmp_path / "pred.txt").write_text(found)
    score = benchmark(tmp_path / "pred.txt", tmp_path / "gt.txt", by=["level"], intervals=False)
    # Image 1: one within 2 px, two within 4 px; 2: one false; 3: one missed.
    sums = {name: int(values.sum()) for name, values in score.states.items()}
    assert (sums["hits_small"], sums["false_small"], sums["missed_small"]) == (1, 3, 3)
    assert (sums["hits_large"], sums["false_large"], sums["missed_large"]) == (2, 2, 2)
    assert score.value["mae"] == pytest.approx(2 / 3)
    assert score.value["rmse"] == pytest.approx(np.sqrt(2 / 3))
    assert score.value["nae"] == pytest.approx(0.5)  # of the two images with heads
    rows = score.document["by"]["level"]
    recalls = {row["group"]: row["metrics"]["recall"] for row in rows}
    assert recalls == {"level 1": 2 / 3, "level 2": 0.0}
    swept = benchmark(tmp_path / "pred.txt", tmp_path / "gt.txt", intervals=False, sweep=True)
    within = swept.document["sweep"]
    assert within["recall"][:3] == [0, 0.25, 0.5]
    assert within["recall"][-1] == 0.75  # image 3 has no point at all
    assert within["mean_recall"] == pytest.approx(np.mean(within["recall"]))
