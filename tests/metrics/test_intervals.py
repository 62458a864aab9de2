"""Intervals: Student's, and honest where there is too little to tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from helpers import but_slow
from scipy.stats import t

from gtahead.arrays import Floats
from gtahead.metrics.intervals import MAX_GROUPS, Statistic, enough, spread_of, students


def mean_of(values: Floats) -> Statistic:
    def figures(weights: Floats) -> Mapping[str, Floats]:
        return {"mean": weights @ values / weights.sum(axis=1)}

    return figures


@pytest.mark.parametrize("units", [6, 20, 700])
def test_of_a_mean_it_is_the_textbooks(units: int) -> None:
    values = np.random.default_rng(units).gamma(2, size=units)
    found = students(mean_of(values), {"mean": "linear"}, units)["mean"]
    assert found is not None
    reach = t.ppf(0.975, units - 1) * values.std(ddof=1) / np.sqrt(units)
    assert (found.low, found.high) == pytest.approx((values.mean() - reach, values.mean() + reach))


def test_many_units_are_left_out_by_groups() -> None:
    values = np.random.default_rng(0).gamma(2, size=3 * MAX_GROUPS)
    found = students(mean_of(values), {"mean": "linear"}, len(values))["mean"]
    assert found is not None
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert found.high - found.low == pytest.approx(2 * 1.962 * error, rel=0.1)


@pytest.mark.parametrize(
    ("scale", "there", "back"),
    [
        ("log", np.log, np.exp),
        ("logit", lambda v: np.log(v / (1 - v)), lambda v: 1 / (1 + np.exp(-v))),
        ("rest", lambda v: np.log(1 - v), lambda v: 1 - np.exp(v)),
    ],
)
def test_scales(scale: str, there, back) -> None:  # noqa: ANN001 - NumPy's functions
    values = np.random.default_rng(1).uniform(0.2, 0.8, 12)
    found = students(mean_of(values), {"mean": scale}, 12)["mean"]
    assert found is not None
    without = there((values.sum() - values) / 11)
    error = np.sqrt(((without - without.mean()) ** 2).sum() * 11 / 12)
    reach = t.ppf(0.975, 11) * error
    ends = back(there(values.mean()) + np.array([-reach, reach]))
    assert (found.low, found.high) == pytest.approx((min(ends), max(ends)))


def test_few_units_get_no_interval() -> None:
    values = np.arange(1.0, 9.0)
    assert students(mean_of(values[:5]), {"mean": "log"}, 5) == {"mean": None}
    found = students(mean_of(values), {"mean": "log"}, 8)["mean"]
    assert found is not None
    assert 0 < found.low < 4.5 < found.high
    moved = students(mean_of(values), {"mean": "linear"}, 8, centres={"mean": 5})["mean"]
    assert moved is not None
    assert (moved.low + moved.high) / 2 == pytest.approx(5)


def test_what_doesnt_vary_has_no_width() -> None:
    found = students(mean_of(np.full(8, 3.0)), {"mean": "log"}, 8)["mean"]
    assert found is not None
    assert (found.low, found.high) == (3, 3)
    assert students(mean_of(np.zeros(8)), {"mean": "log"}, 8) == {"mean": None}
    assert students(mean_of(np.full(8, np.nan)), {"mean": "log"}, 8) == {"mean": None}


def test_which_crowds_are_too_uneven() -> None:
    assert spread_of(np.exp([1.0, 2, 3])) == pytest.approx(1)
    assert spread_of(np.array([0, 0.3, 1.0])) == 0  # below one head all are alike
    assert spread_of(np.array([7.0])) == 0
    for tail, units, spread, holds in (
        (0, 6, 1.2, True),
        (0, 19, 1.3, False),
        (0, 20, 9.0, True),
        (0, 5, 0.0, False),
        (1, 6, 0.75, True),
        (1, 34, 0.76, False),
        (1, 35, 1.2, True),
        (1, 199, 1.3, False),
        (1, 200, 1.5, True),
        (1, 10_000, 1.51, False),
        (2, 6, 0.3, True),
        (2, 34, 0.4, False),
        (2, 149, 0.6, False),
        (2, 150, 0.75, True),
        (2, 10_000, 0.8, False),
    ):
        assert enough(tail, units, spread) is holds, (tail, units, spread)


@pytest.mark.parametrize("units", but_slow([12], 300))
def test_coverage_of_a_skewed_mean(units: int) -> None:
    """The full experiment is `tools/experiments/interval_coverage.py`; here a small one."""
    held = 0
    for draw in range(300):
        rng = np.random.default_rng([draw, units])
        sample = mean_of(rng.lognormal(-0.125, 0.5, units))
        found = students(sample, {"mean": "log"}, units)["mean"]
        assert found is not None
        held += found.low <= 1 <= found.high
    assert 268 <= held <= 294
