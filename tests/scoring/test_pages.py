"""The pages of scores: whole in one file, and nothing of the data gets into their code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead, make_sequence

import gtahead as library
from gtahead import InputError, UsageError
from gtahead.metrics import definitions
from gtahead.reports.charts import histogram, log_ticks, ticks
from gtahead.scoring import breakdown, error_types
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
    title, head, *rows, _ = done.out.splitlines()
    assert head.split()[:3] == ["rank", "MAE", "RMSE"]
    assert rows[0].split()[0] == "1"
    assert all(len(row.split("  <script>")[0]) <= 80 for row in [title, head, *rows])
    return root


def test_pages_stand_alone_and_escape(folder: Path) -> None:
    for page in (folder / "a.html", folder / "board" / "index.html"):
        text = page.read_text(encoding="utf-8")
        assert EVIL not in text
        assert "&lt;script&gt;" in text
        assert "<b>RAIN" not in text
        assert not re.findall(r'(?:src|href)="(?!data:image/webp;base64,|#)', text)
    assert (folder / "a.html").read_text(encoding="utf-8").count("data:image/webp") == 6
    assert "b \\| c" in (folder / "board" / "leaderboard.md").read_text(encoding="utf-8")


def _predicted(folder: Path, kind: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    for number, frame in enumerate(library.Dataset.open(folder / "data").select(split="test")):
        boxes = frame.boxes_xyxy[frame.counted]
        xywh = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], np.ones(len(boxes))])
        given: dict[str, Any] = {
            "nothing": {"boxes": []},
            "false": {"boxes": [[0, 0, 1, 1, 1]]},
            "perfect": {"boxes": xywh.tolist()},
            "one image": {"boxes": xywh.tolist() if number == 0 else []},
            "points": {"points": [[x, y, 1.0] for x, y in frame.points_xy[frame.counted].tolist()]},
            "counts": {"count": frame.count + 1.5},
            "no counts": {"count": 0},
        }[kind]
        listed.append({"image": frame.frame_id, **given})
    return listed


KINDS = ("nothing", "false", "perfect", "one image", "points", "counts", "no counts")


@pytest.mark.parametrize("kind", KINDS)
def test_pages_of_all_and_nothing(folder: Path, tmp_path: Path, kind: str) -> None:
    """What is undefined, such as the precision of nothing, has no figure, and stops no page."""
    listed = _predicted(folder, kind)
    found = {"format": "gtahead-predictions", "version": 1, "predictions": listed}
    found["method"] = {"name": kind} | ({} if "count" in listed[0] else {"threshold": 0.5})
    (tmp_path / "p.json").write_text(json.dumps(found))
    done = gtahead(
        *("benchmark", tmp_path / "p.json", "--data", folder / "data", "--by", "all"),
        *("--out", tmp_path / "r.json", "--html", tmp_path / "p.html"),
    )
    assert done.code == 0, done.err
    others = (folder / "results" / "a.json", tmp_path / "r.json")
    done = gtahead("compare", *others, "--html", tmp_path / "c.html")
    assert done.code in (0, 1), done.err
    (tmp_path / "results").mkdir()
    for number, file in enumerate(others):
        (tmp_path / "results" / f"{number}.json").write_bytes(file.read_bytes())
    done = gtahead("leaderboard", tmp_path / "results", "--out", tmp_path / "board")
    assert done.code == 0, done.err
    for page in tmp_path.rglob("*.html"):
        assert not re.findall(r"\b(nan|None|inf)\b", page.read_text(encoding="utf-8")), page.name


def test_the_board_sorts(folder: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto((folder / "board" / "index.html").as_uri())
    button = page.get_by_role("button", name="F1, large radius")
    column = (
        "[...document.querySelectorAll('.board tbody tr')].map(r => +r.children[%d].dataset.value)"
    )
    position = page.evaluate(
        "[...document.querySelectorAll('.board th')].findIndex(h => h.textContent === 'F1, large radius')"
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


def test_a_verdict_says_how_the_method_counts(folder: Path) -> None:
    text = (folder / "a.html").read_text(encoding="utf-8")
    score = benchmark(folder / "a.json", folder / "data", intervals=False)
    found, real = score.states["found"].sum(), score.states["ground_truth"].sum()
    share = f"{abs(found - real) / real:.0%}"
    assert found < real
    assert f"Undercounts by {share} ({found:,.0f} counted, {real:,.0f} heads are there)" in text
    guess = score.document["baselines"]["train_mean"]["mae"]
    lower = 1 - score.value["mae"] / guess
    words = f"{abs(lower):.0%} {'lower' if lower >= 0 else 'higher'} than guessing the mean count"
    assert words in text


def test_nothing_empty_is_shown(folder: Path) -> None:
    text = (folder / "a.html").read_text(encoding="utf-8")
    assert "n = 0" not in text
    for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
        rows = re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody>")[2], re.DOTALL)
        cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
        widths = {len(row) for row in cells}
        if len(widths) != 1:
            continue  # the table of all metrics, whose parts have a heading each
        for column in zip(*cells, strict=True):
            assert any(cell.strip() not in ("", "–") for cell in column), table[:200]


def test_conditions_have_intervals_where_they_hold(folder: Path) -> None:
    """Seven sequences of equal crowds: enough for an interval of F1, sequence by sequence not."""
    score = benchmark(folder / "b.json", folder / "data")
    grouping = breakdown.parse(["density"], score.ground_truth)["density"]
    spans = breakdown.intervals(score.ground_truth, grouping, score.states, "f1_large")
    filled = [span for span in spans if span is not None]
    whole = score.document["metrics"]["f1_large"]
    assert len(filled) == 1  # all images are of one level: its interval is that of the whole
    assert (filled[0].low, filled[0].high) == pytest.approx((whole["low"], whole["high"]))
    one_each = breakdown.parse(["sequence"], score.ground_truth)["sequence"]
    alone = breakdown.intervals(score.ground_truth, one_each, score.states, "f1_large")
    assert set(alone) == {None}


def test_histograms_count_all(folder: Path) -> None:
    values = np.array([1, 1, 2, 3, 5, 8, 13, 900], np.float64)
    chart = histogram("counts", "heads", "frames", values, whole=True)
    assert chart is not None
    assert sum(int(name.rpartition(": ")[2]) for *_, name in chart.bars) == len(values)
    assert ("median 4", "said start") in [(text, kind) for _, _, text, kind in chart.texts]
    assert histogram("none", "heads", "frames", np.empty(0)) is None
    flat = histogram("one", "px", "heads", np.full(5, 7.0))
    assert flat is not None
    assert sum(int(name.rpartition(": ")[2]) for *_, name in flat.bars) == 5


def test_ticks_are_round() -> None:
    assert ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert ticks(-7, 7) == [-5, 0, 5]
    assert ticks(3, 3) == [3]
    assert log_ticks(3, 60) == [5, 10, 20, 50]
    assert log_ticks(1, 4000) == [1, 10, 100, 1000]


def test_better_boxes_are_mentioned_where_they_would_help(folder: Path) -> None:
    for name in ("a", "b"):
        score = benchmark(folder / f"{name}.json", folder / "data", intervals=False)
        fixed = error_types.fixed_boxes(score.ground_truth, score.predictions)
        assert fixed is not None
        text = (folder / f"{name}.html").read_text(encoding="utf-8")
        assert ("with the true boxes, AP50 would be" in text) == (
            fixed[1] - score.value["ap50"] >= 0.005
        )


def test_a_board_of_damaged_results_says_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"format": "gtahead-result", "ver')
    done = gtahead("leaderboard", tmp_path, "--out", tmp_path / "board")
    assert done.code == 1
    assert "no results in the folder (got 'cut.json: it ends too early" in done.err
    assert not (tmp_path / "board").exists()
