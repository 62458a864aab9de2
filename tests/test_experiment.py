"""The experiment on Mask Focal Loss: its plan can be carried out, its verdicts are what they say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import imported_from
from scipy import stats

EXPERIMENTS = Path(__file__).parents[1] / "tools" / "experiments"


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[Any, Any]]:
    """Import both scripts from their folder."""
    with imported_from(EXPERIMENTS, "mfl", "mfl_report") as both:
        yield both


def arm_of(report: Any, name: str, errors: np.ndarray, heads: float = 100.0) -> Any:
    rows = {
        seed: {
            "clusters": {"absolute": row.tolist(), "ground_truth": [heads] * len(row)},
            "validation": {"f1_best": 0.9},
        }
        for seed, row in enumerate(errors)
    }
    return report.Arm("centernet", name, 1e-3, "nms", rows)


def scored(mae: float, f1: float = 0.9) -> dict[str, Any]:
    validation = {"mae": mae, "f1_best": f1}
    test = dict.fromkeys(("mae", "rmse", "bias", "game3", "f1_large", "ap50"), mae)
    states = {"absolute": [mae * n for n in range(1, 27)], "ground_truth": [200.0] * 26}
    return {"validation": validation, "test": test, "clusters": states}


def finished(mfl: Any, plan: Any, maes: Any) -> dict[Any, Any]:
    """Run the whole plan in no time: `maes` gives the error of a run by its decoder."""
    done: dict[Any, Any] = {}
    while True:
        missing = [run for run in mfl.runs_of(plan, done) if run is not None and run not in done]
        if not missing:
            return done
        for run in missing:
            ways = ("peaks", "nms") if run.detector == "centernet" else ("nms",)
            decodes = {way: scored(maes(run, way)) for way in ways}
            done[run] = {"run": run.__dict__, "decodes": decodes, "cpu_s": 60}


def test_the_plan_can_be_carried_out(tools: tuple[Any, Any]) -> None:
    mfl, _ = tools
    plan = mfl.read_plan()
    first = list(mfl.runs_of(plan, {}))
    arms = [(detector, arm) for detector, names in plan["arms"].items() for arm in names]
    rates = plan["search"]["learning_rates"]
    known = [run for run in first if run is not None]
    assert known == [mfl.Run(*arm, 0, rate) for arm, rate in product(arms, rates)]
    assert first.count(None) == len(arms) * (plan["seeds"] - 1)
    configs = {run: mfl.config_of(plan, run) for run in first if run is not None}
    assert len({repr(replace(one, learning_rate=1e-3)) for one in configs.values()}) == len(arms)
    assert len({run.name() for run in configs}) == len(configs)
    for pair in plan["pairs"]:
        assert all(name in plan["arms"][pair["detector"]] for name in pair["arms"])
    square = [mfl.config_of(plan, mfl.Run("centernet", f"{a}, {b}", 0, 1e-3))
              for a, b in product(("centre", "area"), ("equal", "heat"))]  # fmt: skip
    assert [one.loss for one in square] == ["native", "native-mass", "mfl", "mfl-paper"]
    assert square[2].loss_options == {**square[3].loss_options, "power": 0.0}
    done = finished(mfl, plan, lambda run, way: 10 + abs(run.learning_rate - 3e-3))
    assert len(done) == len(arms) * (3 + plan["seeds"] - 1)
    assert {run.learning_rate for run in done if run.seed > 0} == {3e-3}


def test_the_grid_is_extended_while_its_edge_wins(tools: tuple[Any, Any]) -> None:
    mfl, _ = tools
    plan = mfl.read_plan()
    for best, tried in (
        (9e-2, {1e-3, 3e-3, 9e-3, 27e-3, 81e-3}),
        (1e-4, {0.000111111, 0.000333333, 1e-3, 3e-3, 9e-3}),
        (2e-3, {1e-3, 3e-3, 9e-3}),
        (1e-2, {1e-3, 3e-3, 9e-3, 27e-3}),
    ):
        done = finished(mfl, plan, lambda run, way: 1 + abs(np.log(run.learning_rate / best)))  # noqa: B023
        assert {run.learning_rate for run in done if run.seed == 0} == tried
        rate, _ = mfl.chosen(plan, done, "centernet", "mfl")
        assert rate == min(tried, key=lambda one: abs(np.log(one / best)))
    done = finished(mfl, plan, lambda run, way: 5 + (way == "nms"))
    assert mfl.chosen(plan, done, "centernet", "mfl") == (0.000111111, "peaks")
    assert mfl.chosen(plan, done, "fcos", "heat") == (0.000111111, "nms")


def test_sign_flips_and_holm(tools: tuple[Any, Any]) -> None:
    _, report = tools
    random = np.random.default_rng(1)
    for shift in (0.0, 0.5):
        away = random.normal(shift, 1, 12)
        signs = np.array(list(product([-1, 1], repeat=12)))
        exact = (np.abs((signs * away).mean(axis=1)) >= abs(away.mean()) - 1e-12).mean()
        assert report.sign_flip(away, 100_000) == pytest.approx(exact, abs=0.01)
    values = [0.01, 0.04, 0.03, 0.005]
    assert report.holm(values) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert report.holm([0.9, 1.0]) == [1.0, 1.0]


def test_verdicts(tools: tuple[Any, Any]) -> None:
    mfl, report = tools
    plan = mfl.read_plan()
    random = np.random.default_rng(0)
    base = random.uniform(4, 60, (8, 26))
    said = {}
    for factor in (0.7, 1.0, 1.5):
        other = base * factor * random.uniform(0.9, 1.1, base.shape)
        pair = report.compare(
            arm_of(report, "a", other), arm_of(report, "b", base), plan["verdict"]
        )
        assert pair.low < pair.value < pair.high
        assert pair.value == pytest.approx(other.sum() / base.sum() - 1)
        pair.holm_mae, pair.holm_nae = report.holm([pair.p_mae, *[1.0] * 6])[0], 1.0
        said[factor] = report.verdict_of(pair, plan)
    assert said == {0.7: "better", 1.0: "undecided", 1.5: "worse"}
    away = (base * 0.8 - base).mean(axis=0)
    assert report.sign_flip(away, 20_000) < 0.001 < stats.wilcoxon(away).pvalue * 1e5


def test_the_page(tools: tuple[Any, Any], tmp_path: Path) -> None:
    mfl, report = tools
    plan = mfl.read_plan()
    text = report.page(plan, {})
    assert "**It can't be decided here yet: " in text
    assert text.count("not run yet") == len(plan["pairs"])
    report.draw(plan, {}, tmp_path / "a.svg")
    done = finished(mfl, plan, lambda run, way: 5 if "area" in run.arm else 9)
    text = report.page(plan, done)
    assert "*area, heat* is better than *centre, equal* (centernet, MAE -44 %)" in text
    assert "*area, heat* is undecided than" not in text
    assert "8 of 8" in text
    report.draw(plan, done, tmp_path / "b.svg")
    assert "not run yet" not in text


def test_rows_of_another_machine_are_taken_over_once(
    tools: tuple[Any, Any], tmp_path: Path
) -> None:
    mfl, _ = tools
    rows, results = tmp_path / "rows", tmp_path / "results.jsonl"
    rows.mkdir()
    run = mfl.Run("fcos", "heat", 0, 1e-3)
    (rows / "1.jsonl").write_text(json.dumps({"run": run.__dict__, "decodes": {}}) + "\n")
    for _ in range(2):
        mfl.take_over(rows, results)
        assert list(mfl.finished(mfl.read_rows(results))) == [run]
        assert len(results.read_text().splitlines()) == 1


def test_the_job_for_a_gpu_ends_and_says_what_is_wrong(tmp_path: Path) -> None:
    job = EXPERIMENTS / "gpu_job.sh"
    done = subprocess.run(
        ["bash", job, tmp_path / "out"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert (tmp_path / "out" / "data.log").exists()
    done = subprocess.run(["bash", job], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "where rows are written" in done.stderr
