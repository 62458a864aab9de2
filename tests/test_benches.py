"""The table of benches: all of them are in it, and a ratio that grows is noticed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import imported_from

FOLDER = Path(__file__).parents[1] / "tools" / "bench"


@pytest.fixture(scope="module")
def tools() -> Iterator[tuple[Any, Any]]:
    """Import the runner and the figures from their folder."""
    with imported_from(FOLDER, "all", "figures") as both:
        yield both


def test_every_bench_is_in_the_table(tools: tuple[Any, Any]) -> None:
    runner, _ = tools
    scripts = {path.name for path in FOLDER.glob("bench_*.py")}
    assert {words[0] for words in runner.BENCHES.values()} == scripts


def test_a_ratio_that_grows_is_named(tools: tuple[Any, Any]) -> None:
    runner, figures = tools

    def reported(ours: float, theirs: float | None, peer: str = "peer") -> list[Any]:
        return [figures.Figure("reading", ours, "s", peer, theirs)]

    assert runner.grown(reported(1.0, 2.0), reported(1.2, 2.0), 0.3) == []
    assert runner.grown(reported(1.0, 2.0), reported(1.5, 2.0), 0.3) == [
        "reading, to peer: 0.75, it was 0.5"
    ]
    slower_machine = reported(10.0, 20.0)
    assert runner.grown(reported(1.0, 2.0), slower_machine, 0.3) == []
    assert runner.grown(reported(1.0, None), reported(9.0, None), 0.3) == []
    assert runner.grown(reported(1.0, 2.0, "another"), reported(9.0, 2.0), 0.3) == []


def test_figures_are_reported_where_they_are_asked_for(
    tools: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, figures = tools
    one = figures.Figure("writing 1 × 2", 0.25, "s", "peer", 0.5, "≤ 1 ×")
    monkeypatch.delenv(figures.LOG, raising=False)
    figures.tell(one)
    monkeypatch.setenv(figures.LOG, str(tmp_path / "log"))
    figures.tell(one)
    figures.tell(one)
    assert figures.read(tmp_path / "log") == [one, one]


def test_the_page_is_made_of_the_figures(
    tools: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, figures = tools
    monkeypatch.setattr(runner, "FIGURES", tmp_path / "figures.json")
    monkeypatch.setattr(runner, "TABLE", tmp_path / "BENCHMARKS.md")
    one = figures.Figure("reading a million rows", 0.2, "s", "its floor", 0.1, "≤ 3")
    reported = {"coords": runner.Told(runner.machine(), "2026-11-25", [one])}
    runner.write(reported)
    assert runner.by_bench() == reported
    text = (tmp_path / "BENCHMARKS.md").read_text()
    assert "| reading a million rows | 0.2 s | its floor | 0.1 s | 2 | ≤ 3 |" in text
    assert "`python tools/bench/bench_coords.py`" in text
    assert f"{runner.machine()}; 2026-11-25." in text


def test_the_committed_table_is_that_of_the_committed_figures(tools: tuple[Any, Any]) -> None:
    runner, _ = tools
    text = runner.TABLE.read_text(encoding="utf-8")
    document = json.loads(runner.FIGURES.read_text(encoding="utf-8"))
    assert set(document) <= set(runner.BENCHES)
    for name, (script, *_) in runner.BENCHES.items():
        assert f"tools/bench/{script}" in text or f"`{script}`" in text.split("Not run")[1], name
    for bench in document.values():
        for one in bench["figures"]:
            assert f"| {one['what']} |" in text
