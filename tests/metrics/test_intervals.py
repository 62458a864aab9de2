"""Intervals: seeded, studentised, and honest where there is too little to tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from helpers import but_slow

from gtahead.arrays import Floats
from gtahead.metrics.intervals import (
    Statistic,
    _interval,
    draws,
    each_once,
    multiplicities,
    of_difference,
    standard_errors,
    studentised,
)


def mean_of(values: Floats) -> Statistic:
    def figures(weights: Floats) -> Mapping[str, Floats]:
        return {"mean": weights @ values / weights.sum(axis=1)}

    return figures


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).gamma(2, size=12)
    scales = {"mean": "linear"}
    error = standard_errors(mean_of(values), each_once(12), 12, scales)["mean"]
    assert error[0] == pytest.approx(values.std(ddof=1) / np.sqrt(12))
    picks = draws(12, 5)
    errors = standard_errors(mean_of(values), picks, 12, scales)["mean"]
    for row, error_of_row in zip(picks, errors, strict=True):
        assert error_of_row == pytest.approx(values[row].std(ddof=1) / np.sqrt(12))


def test_draws_are_seeded_and_whole() -> None:
    picks = draws(7, 100)
    assert (multiplicities(picks, 7).sum(axis=1) == 7).all()
    assert (multiplicities(each_once(7), 7) == 1).all()
    assert (picks == draws(7, 100)).all()
    assert not (picks == draws(7, 100, seed=2)).all()


def test_few_clusters_get_no_interval() -> None:
    values = np.arange(1.0, 9.0)
    assert studentised(mean_of(values[:5]), {"mean": "log"}, 5) == {"mean": None}
    assert of_difference(mean_of(values[:5]), ["mean"], 5) == {"mean": None}
    found = studentised(mean_of(values), {"mean": "log"}, 8)["mean"]
    assert found is not None
    assert 0 < found.low < 4.5 < found.high


def test_what_doesnt_vary_has_no_width() -> None:
    found = studentised(mean_of(np.full(8, 3.0)), {"mean": "log"}, 8)["mean"]
    assert found is not None
    assert (found.low, found.high) == (3, 3)
    assert studentised(mean_of(np.zeros(8)), {"mean": "log"}, 8) == {"mean": None}
    assert studentised(mean_of(np.full(8, np.nan)), {"mean": "log"}, 8) == {"mean": None}


@pytest.mark.parametrize("clusters", but_slow([12], 300))
def test_coverage_of_a_skewed_mean(clusters: int) -> None:
    """The full experiment is `tools/experiments/interval_coverage.py`; here a small one."""
    held = 0
    for draw in range(100):
        rng = np.random.default_rng([draw, clusters])
        sample = mean_of(rng.lognormal(-0.125, 0.5, clusters))
        found = studentised(sample, {"mean": "log"}, clusters, resamples=200, seed=draw)["mean"]
        assert found is not None
        held += found.low <= 1 <= found.high
    assert 84 <= held <= 100


def test_students_interval_of_a_difference() -> None:
    values = np.random.default_rng(3).normal(size=20)
    found = of_difference(mean_of(values), ["mean"], 20)["mean"]
    assert found is not None
    error = values.std(ddof=1) / np.sqrt(20)
    assert found.high - values.mean() == pytest.approx(2.093 * error, rel=1e-3)


def test_an_interval_is_between_the_tails_of_the_ratios() -> None:
    """Each tail holds 2.5 %, and they change sides: a large ratio is a low end."""
    ratios = np.linspace(-1, 3, 4001)
    found = _interval(10.0, 2.0, ratios, "linear")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((10 - 2.9 * 2, 10 + 0.9 * 2))
    for spoilt, known in ((2000, True), (2001, False)):  # half of the draws have to be known
        some = ratios.copy()
        some[:spoilt] = np.nan
        assert (_interval(10.0, 2.0, some, "linear") is not None) is known
