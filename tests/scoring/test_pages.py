"""The pages of scores: whole in one file, and nothing of the data gets into their code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import VIEWS, barriers, gtahead, make_sequence

import gtahead as library
from gtahead import InputError, UsageError
from gtahead.metrics import definitions
from gtahead.reports.charts import ticks
from gtahead.scoring import error_types
from gtahead.scoring.evaluator import benchmark

EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with images, predictions of two methods, their results and pages."""
    root = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(1)
    for number in range(9):
        rows = [
            f"{frame},{ped},{rng.uniform(2, 60):.2f},{rng.uniform(2, 44):.2f},{rng.uniform(4, 20):.1f}"
            for frame in range(3)
            for ped in range(4 + number)
        ]
        split = ("train", "validation", "test")[min(number, 2)]
        more = {"location": f"location {number}", "weather": ("CLEAR", "<b>RAIN</b>")[number % 2]}
        make_sequence(root / "captures", f"s{number}", rows=rows, split=split, **more)
    library.build(root / "captures", root / "data", workers=1)
    (root / "results").mkdir()
    for name, noise in ((EVIL, 1.0), ("b | c", 6.0)):
        listed = []
        for frame in library.Dataset.open(root / "data").select(split="test"):
            boxes = frame.boxes_xyxy[frame.counted]
            moved = boxes + rng.normal(0, noise, boxes.shape)
            sides = np.maximum(moved[:, 2:] - moved[:, :2], 1)
            table = np.column_stack([moved[:, :2], sides, rng.uniform(0.2, 1, len(boxes))])
            listed.append({"image": frame.frame_id, "boxes": table.round(3).tolist()})
        document = {
            "format": "gtahead-predictions",
            "version": 1,
            "method": {"name": name, "threshold": 0.3, "threshold_selected_on": "validation"},
            "predictions": listed,
        }
        stem = "a" if name == EVIL else "b"
        (root / f"{stem}.json").write_text(json.dumps(document))
        done = gtahead(
            *("benchmark", root / f"{stem}.json", "--data", root / "data", "--by", "all"),
            *("--out", root / "results" / f"{stem}.json", "--html", root / f"{stem}.html"),
        )
        assert done.code == 0, done.err
    done = gtahead("leaderboard", root / "results", "--out", root / "board")
    assert done.code == 0, done.err
    assert "| 1 |" in done.out
    return root


def test_pages_stand_alone_and_escape(folder: Path) -> None:
    for page in (folder / "a.html", folder / "board" / "index.html"):
        text = page.read_text(encoding="utf-8")
        assert EVIL not in text
        assert "&lt;script&gt;" in text
        assert "<b>RAIN" not in text
        assert not re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,|#)', text)
    assert (folder / "a.html").read_text(encoding="utf-8").count("data:image/jpeg") == 6
    assert "b \\| c" in (folder / "board" / "leaderboard.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_pages_open_without_a_word_or_a_request(
    folder: Path, browser: Any, scheme: str, width: int
) -> None:
    for path in (folder / "a.html", folder / "board" / "index.html"):
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        said: list[str] = []
        page.on("console", lambda message, said=said: said.append(message.text))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.on("request", lambda request, said=said: said.append(request.url))
        page.goto(path.as_uri())
        assert [one for one in said if not one.startswith(("file:", "data:"))] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.images.length") == 0
        assert barriers(page) == []
        page.close()


def test_the_board_sorts(folder: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((folder / "board" / "index.html").as_uri())
    button = page.get_by_role("button", name="F1, large radius")
    column = "[...document.querySelectorAll('tbody tr')].map(r => +r.children[%d].dataset.value)"
    position = page.evaluate(
        "[...document.querySelectorAll('th')].findIndex(h => h.textContent === 'F1, large radius')"
    )
    for direction in (1, -1):
        button.press("Enter")  # by keyboard
        values = page.evaluate(column % position)
        assert values == sorted(values, reverse=direction < 0)
        assert len(set(values)) == 2
    page.close()


def test_ranks_are_shared_where_intervals_overlap(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    document = json.loads((folder / "results" / "a.json").read_text())

    def put(name: str, change: Any) -> None:
        one = json.loads(json.dumps(document))
        one["method"]["name"] = name
        change(one)
        (results / f"{name}.json").write_text(json.dumps(one))

    def mae(value: float, low: float, high: float) -> Any:
        return lambda one: one["metrics"]["mae"].update(value=value, low=low, high=high)

    put("best", mae(1, 0.5, 2))
    put("near", mae(1.5, 1, 3))
    put("far", mae(5, 4, 6))
    put("old", lambda one: one.update(metric_version=1))
    put("elsewhere", lambda one: one["data"].update(heads=1))
    (results / "notes.json").write_text("{}")
    board = library.leaderboard(results)
    assert [(row.name, row.rank) for row in board.rows] == [
        ("best", 1),
        ("near", 1),
        ("far", 3),
        ("elsewhere", 0),
        ("old", 0),
    ]
    assert [row.stale for row in board.rows[3:]] == ["other data", "version 1 of the metrics"]
    assert board.skipped == [("notes.json", "not a result file")]
    with pytest.raises(UsageError, match="no such metric"):
        library.leaderboard(results, sort="speed")
    for wrong in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError):
            library.leaderboard(wrong)


def test_fixing_all_faults_is_perfect(folder: Path) -> None:
    score = benchmark(folder / "b.json", folder / "data", intervals=False)
    assert score.matching is not None
    arguments = (score.ground_truth, score.points_xy, score.by_image, score.states["found"])
    listed = error_types.faults(*arguments, score.matching, score.radius)
    sums = definitions.totals(score.states)
    missed = sum(one.count for one in listed if one.name.startswith("missed"))
    false = sum(one.count for one in listed if one.name.startswith("false"))
    assert missed == sums[f"missed_{score.radius}"]
    assert false == sums[f"false_{score.radius}"]
    fixed = error_types.fixed_boxes(score.ground_truth, score.predictions)
    assert fixed is not None
    count, ap50 = fixed
    assert count > 0
    assert ap50 > score.value["ap50"]
    for one in listed:
        assert one.f1 >= score.value[f"f1_{score.radius}"] - 1e-12


def test_ticks_are_round() -> None:
    assert ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks(-7, 7) == [-5, 0, 5]
    assert ticks(3, 3) == [3]
