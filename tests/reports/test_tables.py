"""Scores as tables for papers: the best in bold, nothing but text, numbers in full."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from helpers import gtahead

from gtahead.errors import UsageError
from gtahead.reports.tables import TableRow, scores_table

ROWS = [
    TableRow("a_1 & co", {"mae": {"value": 12.5, "low": 10, "high": 1234.5}, "ap": {"value": 0.5}}),
    TableRow("b", {"mae": {"value": 12.4}, "ap": {"value": 0.4}, "bias": {"value": -3.0}}),
    TableRow("=old", {"mae": {"value": 1.0}, "bias": {"value": 4.0}}, ranked=False),
]


def test_markdown() -> None:
    assert scores_table(ROWS, "markdown").splitlines() == [
        "| method | MAE | bias | AP .50:.95 |",
        "| --- | ---: | ---: | ---: |",
        "| a\\_1 &amp; co | 12.50 [10.00, 1,234.50] | – | **0.5000** |",
        "| b | **12.40** | -3.00 | 0.4000 |",
        "| =old | 1.00 | 4.00 | – |",
    ]


def test_latex() -> None:
    assert scores_table(ROWS[:2], "latex", ["mae", "rmse", "r2"]).splitlines() == [
        "\\begin{tabular}{lrrr}",
        "\\toprule",
        "method & MAE & RMSE (papers: ``MSE'') & R$^2$ \\\\",
        "\\midrule",
        "a\\_1 \\& co & 12.50 {\\scriptsize [10.00, 1,234.50]} & -- & -- \\\\",
        "b & \\textbf{12.40} & -- & -- \\\\",
        "\\bottomrule",
        "\\end{tabular}",
    ]
    for name, shown in (("*x", "{}*x"), ("[1] <y>", "{}[1] \\textless{}y\\textgreater{}")):
        row = TableRow(name, {"mae": {"value": 1.0}})  # not part of the \\\\ before it
        assert scores_table([row], "latex").splitlines()[4].startswith(f"{shown} & 1.00 ")
    assert "MR$^{-2}$" in scores_table(ROWS, "latex", ["mr2"])


def test_csv_has_numbers_in_full() -> None:
    rows = list(csv.DictReader(io.StringIO(scores_table(ROWS, "csv"))))
    assert [row["mae"] for row in rows] == ["12.5", "12.4", "1.0"]
    assert (rows[0]["mae_low"], rows[0]["mae_high"], rows[0]["bias"]) == ("10", "1234.5", "")
    assert rows[2]["method"] == "'=old"  # no spreadsheet computes it


def test_the_best_is_bold() -> None:
    """Of those that can be compared: the least error, the greatest share, the bias next to 0."""
    table = scores_table(ROWS, "markdown").splitlines()
    assert "**1.00**" not in table[4]
    both = [TableRow(n, {"bias": {"value": v}}) for n, v in (("x", -1.0), ("y", 2.0), ("z", 1.0))]
    lines = scores_table(both, "markdown").splitlines()[2:]
    assert ["**" in line for line in lines] == [True, False, False]
    alone = scores_table([TableRow("x", {"mae": {"value": 1.0}})], "latex")
    assert "textbf" not in alone
    with pytest.raises(UsageError, match="no such format"):
        scores_table(ROWS, "pdf")  # type: ignore[arg-type]


def test_the_commands_print_them(tiny_dataset: Path, tmp_path: Path) -> None:
    template = gtahead("benchmark", "--template", "--data", tiny_dataset)
    results = tmp_path / "results"
    results.mkdir()
    for name, heads in (("none", []), ("one", [[5, 5, 1.0]])):
        document = json.loads(template.out)
        document["method"] = {"name": name, "threshold": 0.5}
        for row in document["predictions"]:
            row["points"] = heads
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
        words = ["--data", tiny_dataset, "--out", results / f"{name}.json", "--format", "csv"]
        done = gtahead("benchmark", tmp_path / f"{name}.json", *words)
        (row,) = csv.DictReader(io.StringIO(done.out))
        assert row["method"] == name
        assert (
            float(row["mae"])
            == json.loads((results / f"{name}.json").read_text())["metrics"]["mae"]["value"]
        )
    files = [results / "one.json", results / "none.json"]
    for words in (["compare", *files], ["leaderboard", results]):
        latex = gtahead(*words, "--format", "latex").out
        assert latex.startswith("\\begin{tabular}{l")
        assert latex.count("\\textbf") >= 2
        rows = list(csv.DictReader(io.StringIO(gtahead(*words, "--format", "csv").out)))
        assert [row["method"] for row in rows] == ["one", "none"]
    board = tmp_path / "board"
    done = gtahead("leaderboard", results, "--out", board, "--format", "markdown")
    assert done.out == (board / "leaderboard.md").read_text()
