"""The experiment on Mask Focal Loss: its plan can be carried out, its verdicts are what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import imported_from

EXPERIMENTS = Path(__file__).parents[1] / "tools" / "experiments"


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[Any, Any]]:
    """Import both scripts from their folder."""
    with imported_from(EXPERIMENTS, "mfl", "mfl_report") as both:
        yield both


def _arm(report: Any, name: str, errors: np.ndarray) -> Any:
    rows = tuple(
        {"decodes": {"peaks": {"clusters": {
            "absolute": row.tolist(), "square": (row**2).tolist(), "images": [1.0] * len(row)}}}}
        for row in errors
    )  # fmt: skip
    return report.Arm("centernet", "half", name, 1e-3, tuple(range(len(errors))), rows, len(errors))


def test_verdicts(tools: tuple[Any, Any]) -> None:
    _, report = tools
    rule = {"level": 0.95, "resamples": 2000, "equivalent": 0.1}
    random = np.random.default_rng(0)
    base = random.uniform(4, 6, (5, 22))
    verdicts = {}
    for factor in (0.7, 1.0, 1.5):
        other = base * factor * random.uniform(0.97, 1.03, base.shape)
        found = report.difference(
            _arm(report, "mfl", other), _arm(report, "native", base), rule, "absolute"
        )
        assert found.low < found.value < found.high
        assert found.value == pytest.approx(other.sum() / base.sum() - 1)
        verdicts[factor] = found.verdict(0.1)
    assert verdicts == {0.7: "better", 1.0: "equivalent", 1.5: "worse"}
    wild = base * random.choice([0.4, 1.7], base.shape)
    found = report.difference(
        _arm(report, "mfl", wild), _arm(report, "native", base), rule, "absolute"
    )
    assert found.verdict(0.1) == "undecided"
    square = report.difference(
        _arm(report, "mfl", 2 * base), _arm(report, "native", base), rule, "square"
    )
    assert square.value == pytest.approx(1.0)


def test_the_plan_can_be_carried_out(tools: tuple[Any, Any]) -> None:
    mfl, _ = tools
    plan = mfl.read_plan()
    done: dict[Any, Any] = {}
    for block in plan["blocks"]:
        for arm in block["arms"]:
            for rate in plan["search"]["learning_rates"]:
                run = mfl.Run(block["detector"], plan["search"]["scale"], arm, 0, rate)
                config = mfl.config_of(plan, run)
                assert config.epochs % 4 == 0
                done[run] = {"decodes": {"peaks": {"validation": {"mae": rate}}}}
    runs = list(mfl.runs_of(plan, done))
    assert None not in runs
    gpus, processors = (list(mfl.runs_of(plan, done, device)) for device in ("cuda", "cpu"))
    assert gpus + processors == runs  # as blocks stand in the plan
    assert {run.scale for run in processors} == {"full", "half", "quarter"}
    rates = {run.learning_rate for run in runs if run not in done}
    assert rates == {min(plan["search"]["learning_rates"])}
    assert mfl.chosen_rate(plan, {}, "centernet", "native") is None
    assert set(mfl.finished(mfl.read_results())) <= set(mfl.runs_of(plan, _known(mfl)))


def _known(mfl: Any) -> Any:
    return mfl.finished(mfl.read_results())
