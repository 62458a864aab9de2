"""A leaderboard as a static page: results of one dataset, sortable, with shared ranks.

Methods whose intervals reach into the leader's share its rank: the order among them may be the
choice of sequences. Results of other data, or of older metrics, stand below, greyed, without rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.errors import InputError, UsageError, Where
from gtahead.metrics.definitions import (
    COMPARED,
    METRIC_VERSION,
    METRICS,
    format_interval,
    format_metric,
    title_of,
)
from gtahead.reports.charts import Plot, dot_plot
from gtahead.reports.pages import write_page
from gtahead.reports.tables import Form, TableRow, best_of, distance_from_best, scores_table
from gtahead.scoring.comparing import read_result
from gtahead.storage import targets
from gtahead.values import StrPath, number_of


@dataclass(frozen=True)
class Row:
    """One result on the board.

    Attributes:
        name: of the method.
        file: the result's.
        metrics: metrics by name, as result files have them.
        threshold: where it was chosen, in words.
        stale: why it can't be ranked; empty where it can.
        rank: shared by those that the data can't tell apart; 0 where it's stale.
    """

    name: str
    file: str
    metrics: dict[str, Any]
    threshold: str
    stale: str
    rank: int


@dataclass(frozen=True, repr=False)
class Leaderboard:
    """Results, ranked.

    Attributes:
        title: the data that they are of.
        sort: the metric that ranks.
        rows: best first, stale ones last.
        columns: metrics that some result has.
        skipped: files that are no results, and why.
    """

    title: str
    sort: str
    rows: list[Row]
    columns: list[str]
    skipped: list[tuple[str, str]]

    def __repr__(self) -> str:
        return f"Leaderboard({self.title!r}: {number_of(len(self.rows), 'result')})"

    def table(self, form: Form = "markdown") -> str:
        """Return the board as `markdown`, `latex` or `csv`; the best of each column is bold."""
        rows = [
            TableRow(
                row.name,
                row.metrics,
                ranked=not row.stale,
                cells={"rank": str(row.rank or "–"), "threshold": row.stale or row.threshold},
            )
            for row in self.rows
        ]
        return scores_table(rows, form, self.columns)


def leaderboard(folder: StrPath, out: StrPath | None = None, *, sort: str = "mae") -> Leaderboard:
    """Rank the results in a folder, and write the board as `index.html` and `leaderboard.md`.

    Args:
        folder: with result files.
        out: folder of the board; None writes nothing.
        sort: the metric that ranks.

    Raises:
        InputError: no such folder, or no result in it.
        UsageError: no such metric.
        ResourceError: the board can't be written.
    """
    source = Path(folder)
    if sort not in COMPARED:
        raise UsageError("no such metric", value=sort, remedy=f"one of {', '.join(COMPARED)}")
    if not source.is_dir():
        raise InputError("no such folder", where=Where(str(source)), remedy="give one with results")
    documents: list[tuple[str, dict[str, Any]]] = []
    skipped: list[tuple[str, str]] = []
    for path in sorted(source.glob("*.json")):
        try:
            documents.append((path.name, read_result(path)))
        except InputError as error:
            skipped.append((path.name, error.what))
    if not documents:
        raise InputError(
            "there are no results in the folder",
            where=Where(str(source)),
            value="; ".join(f"{name}: {why}" for name, why in skipped[:3]) or None,
            remedy="put there what `gtahead benchmark --out` wrote",
        )
    board = _ranked(documents, sort, skipped)
    if out is not None:
        target = Path(out)
        with storage.naming_os_errors(target), targets.locked(target), storage.together():
            storage.make_folder(target)
            storage.remove_leftovers(target)
            titles = [title_of(name) for name in board.columns]
            write_page(
                target / "index.html",
                "ranking",
                board=board,
                titles=titles,
                rows=[_shown(board, row) for row in board.rows],
                plot=_plot(board),
                intervals=any("low" in row.metrics.get(sort, {}) for row in board.rows),
            )
            storage.write_bytes(target / "leaderboard.md", board.table().encode())
    return board


def _data_of(document: Mapping[str, Any]) -> tuple[object, ...]:
    data = document["data"]
    prints = tuple(sorted(data["fingerprints"].items()))
    known = () if prints else (data["name"],)  # without fingerprints the name has to do
    return (data["split"], data["policy"], data["images"], data["heads"], prints, *known)


def _ranked(
    documents: Sequence[tuple[str, dict[str, Any]]], sort: str, skipped: list[tuple[str, str]]
) -> Leaderboard:
    current = [d for _, d in documents if d["metric_version"] == METRIC_VERSION]
    common = Counter(_data_of(document) for document in current or [d for _, d in documents])
    data = common.most_common(1)[0][0]
    fresh: list[tuple[str, dict[str, Any], str]] = []
    stale: list[tuple[str, dict[str, Any], str]] = []
    for file, document in documents:
        why = ""
        if document["metric_version"] != METRIC_VERSION:
            why = f"version {document['metric_version']} of the metrics"
        elif _data_of(document) != data:
            why = "other data"
        elif document["metrics"].get(sort, {}).get("value") is None:
            why = f"no {title_of(sort)}"
        (stale if why else fresh).append((file, document, why))
    fresh.sort(key=lambda one: (_worse(one[1], sort), one[0]))
    rows, rank, leader = [], 0, None
    for position, (file, document, _) in enumerate(fresh, 1):
        entry = document["metrics"][sort]
        if leader is None or not _touches(leader, entry):
            rank, leader = position, entry
        rows.append(_row(file, document, "", rank))
    rows += [_row(file, document, why, 0) for file, document, why in stale]
    columns = [name for name in COMPARED if any(name in row.metrics for row in rows)]
    first = (fresh or stale)[0][1]["data"]
    title = f"{first['name']}, {first['split']} split" if first["split"] else first["name"]
    return Leaderboard(title, sort, rows, columns, skipped)


def _worse(document: Mapping[str, Any], name: str) -> float:
    return distance_from_best(float(document["metrics"][name]["value"]), name)


def _touches(leader: Mapping[str, float], entry: Mapping[str, float]) -> bool:
    """Return whether two intervals overlap; without intervals only equal metrics tie."""
    if "low" not in leader or "low" not in entry:
        return leader["value"] == entry["value"]
    return entry["low"] <= leader["high"] and leader["low"] <= entry["high"]


def _row(file: str, document: Mapping[str, Any], stale: str, rank: int) -> Row:
    threshold = document["threshold"]
    on = threshold.get("selected_on")
    reported = threshold["how"] if on is None else f"{threshold['value']:g}, on {on}"
    if on is not None and on == document["data"]["split"]:
        reported += " (the split that is scored)"
    known = {name: entry for name, entry in document["metrics"].items() if name in METRICS}
    return Row(str(document["method"]["name"]), file, known, reported, stale, rank)


def _shown(board: Leaderboard, row: Row) -> dict[str, Any]:
    """Return a row as the page shows it: figures in words, and which are the best."""
    cells = []
    for name in board.columns:
        entry = row.metrics.get(name) or {"value": None}
        best = best_of([one.metrics for one in board.rows if not one.stale], name)
        value = entry["value"]
        cells.append(
            {
                "value": value,
                "said": format_metric(name, value),
                "span": format_interval(name, entry),
                "best": not row.stale and value is not None and value == best,
            }
        )
    return {**vars(row), "cells": cells}


def _plot(board: Leaderboard) -> Plot:
    """Return the ranking metric of those that have a rank, with intervals."""
    rows = []
    for row in board.rows:
        if row.stale:
            continue
        entry = row.metrics[board.sort]
        span = (entry["low"], entry["high"]) if "low" in entry else None
        shown = format_metric(board.sort, entry["value"])
        rows.append((f"{row.rank}. {row.name}", entry["value"], span, shown, ""))
    return dot_plot(title_of(board.sort), title_of(board.sort), rows)
