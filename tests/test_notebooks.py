"""The notebooks run from top to bottom, with less training than they show."""

from __future__ import annotations

import ast
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import imported_from

from gtahead import Dataset

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NOTEBOOKS = Path(__file__).resolve().parent.parent / "docs" / "notebooks"


def run(name: str, quicker: dict[str, str]) -> dict[str, Any]:
    """Execute the cells of a notebook in one namespace; return it, with the last cell's value."""
    document = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    space: dict[str, Any] = {}
    for number, cell in enumerate(document["cells"]):
        if cell["cell_type"] != "code":
            continue
        source = "".join(cell["source"])
        for old in [old for old in quicker if old in source]:
            source = source.replace(old, quicker.pop(old))
        body = ast.parse(source).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), f"{name}, cell {number}", "exec"), space)
        if isinstance(last, ast.Expr):
            shown = compile(ast.Expression(last.value), f"{name}, cell {number}", "eval")
            space["shown"] = eval(shown, space)
    assert not quicker, "the notebook has none of it"
    return space


def test_a_loop_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = run(
        "own_loop.ipynb", {"range(12)": "range(1)", "heads=(20, 80)": "heads=(20, 80), frames=4"}
    )
    assert space["score"].value["mae"] == pytest.approx(space["error"])
    assert space["span"].low < space["error"] < space["span"].high


@pytest.mark.slow
def test_a_loop_of_your_own_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    baseline, score = run("own_loop.ipynb", {})["shown"]
    assert score.value["mae"] < baseline["mae"]


def test_the_example_project(tiny_dataset: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_dataset, tmp_path / "dataset", copy_function=os.link)
    with imported_from(EXAMPLES, "own_loop") as (own_loop,):
        error = own_loop.main(tmp_path / "dataset", steps=2)
    assert error > 0
    assert len(Dataset.open(tmp_path / "some")) < len(Dataset.open(tiny_dataset))


def test_notebooks_hold_no_results() -> None:
    """Outputs of one machine aren't another's: whoever runs a notebook sees their own."""
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            assert not cell.get("outputs")
            assert cell.get("execution_count") is None
