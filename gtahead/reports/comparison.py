"""A comparison of results as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gtahead.metrics.definitions import METRICS, format_interval, format_metric, title_of
from gtahead.metrics.intervals import MIN_UNITS
from gtahead.reports.charts import Plot, dot_plot
from gtahead.reports.pages import write_page
from gtahead.scoring.comparing import Comparison, MetricDifference

SURE = 0.05
"""Differences with a smaller p are called differences."""


def write_comparison(target: Path, found: Comparison) -> None:
    """Write the page of a comparison.

    Raises:
        ResourceError: it can't be written.
    """
    unit = "sequences" if found.clustered_by == "sequence" else "images"
    write_page(
        target,
        "comparison",
        found=found,
        unit=unit,
        tested=found.sequences >= MIN_UNITS,
        others=[_other(found.first, name, listed) for name, listed in found.others],
    )


def _other(first: str, name: str, listed: Sequence[MetricDifference]) -> dict[str, Any]:
    head = ["metric", first, name, "difference", "95 % interval", "p", "detectable"]
    rows = [
        [
            title_of(one.metric),
            format_metric(one.metric, one.first),
            format_metric(one.metric, one.second),
            format_metric(one.metric, one.difference),
            "" if one.interval is None else format_interval(one.metric, vars(one.interval)),
            "" if one.p_holm is None else f"{one.p_holm:.4f}",
            format_metric(one.metric, one.smallest) if one.smallest is not None else "",
        ]
        for one in listed
    ]
    kept = [column for column in range(len(head)) if any(row[column] for row in rows)]
    return {
        "name": name,
        "verdict": _verdict(first, listed),
        "plots": _plots(listed),
        "head": [head[column] for column in kept],
        "rows": [[row[column] for column in kept] for row in rows],
    }


def _verdict(first: str, listed: Sequence[MetricDifference]) -> str:
    """Return what the tests tell, in a sentence."""
    better: list[str] = []
    worse: list[str] = []
    for one in listed:
        kind = METRICS[one.metric].better
        if one.p_holm is None or one.p_holm >= SURE or kind == "zero":
            continue
        good = (one.difference < 0) == (kind == "less")
        (better if good else worse).append(title_of(one.metric))
    said = [
        f"{how} in {', '.join(names)}"
        for how, names in (("better", better), ("worse", worse))
        if names
    ]
    if said:
        return f"{first} is {', and '.join(said)} (p < {SURE:g})."
    if any(one.p_holm is not None for one in listed):
        return "No difference can be told from chance on this data."
    return "There are too few sequences for a test: what differs may be chance."


def _plots(listed: Sequence[MetricDifference]) -> list[Plot]:
    """Return the differences of errors of counts, and of shares, which have scales of their own."""
    plots = []
    for title, decimals in (("Differences of errors, in heads", 2), ("Differences of shares", 4)):
        rows = [
            (
                title_of(one.metric),
                one.difference,
                None if one.interval is None else (one.interval.low, one.interval.high),
                format_metric(one.metric, one.difference),
                {"less": "less is better", "more": "more is better"}.get(
                    METRICS[one.metric].better, ""
                ),
            )
            for one in listed
            if METRICS[one.metric].decimals == decimals
        ]
        if rows:
            plots.append(dot_plot(title, "difference", rows))
    return plots
