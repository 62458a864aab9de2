"""Every kind of page: alone, silent, narrow, without barriers, and whole on paper."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from helpers import barriers, but_slow, gtahead, make_sequence

import gtahead as library

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1_500_000

PAGES = (
    *("report", "report-of-labels", "score", "passed", "failed", "leaderboard", "comparison"),
    "score-of-counts",
)


@pytest.fixture(scope="module")
def pages(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind."""
    root = tmp_path_factory.mktemp("pages")
    made = {name: root / f"{name}.html" for name in PAGES}
    library.report(tiny_dataset, made["report"])
    make_sequence(root / "captures", "a", rows=[])
    library.build(root / "captures", root / "labels", images="none", workers=1)
    library.report(root / "labels", made["report-of-labels"])
    (root / "results").mkdir()
    for seed in (1, 2):
        done = submission(tiny_dataset, root / f"p{seed}.json", seed)
        assert done == 0
        more = ["--html", made["score"]] if seed == 1 else []
        scored = gtahead(
            *("benchmark", root / f"p{seed}.json", "--data", tiny_dataset, "--by", "all"),
            *("--out", root / "results" / f"p{seed}.json", *more),
        )
        assert scored.code == 0, scored.err
    counts = "".join(
        f"{frame.frame_id} {frame.count + 1}\n"
        for frame in library.Dataset.open(tiny_dataset).select(split="test")
    )
    (root / "counts.txt").write_text(counts)
    page = made["score-of-counts"]
    done = gtahead("benchmark", root / "counts.txt", "--data", tiny_dataset, "--html", page)
    assert done.code == 0, done.err
    board = gtahead("leaderboard", root / "results", "--out", root / "board")
    assert board.code == 0, board.err
    made["leaderboard"] = root / "board" / "index.html"
    results = sorted((root / "results").glob("*.json"))
    compared = gtahead("compare", *results, "--html", made["comparison"])
    assert compared.code == 0, compared.err
    assert gtahead("validate", tiny_dataset, "--html", made["passed"]).code == 0
    shutil.copytree(tiny_dataset, root / "damaged")
    first = next((root / "damaged" / "images").rglob("*.jpg"))
    first.write_bytes(first.read_bytes()[:2000])
    assert gtahead("validate", root / "damaged", "--html", made["failed"]).code == 1
    return made


def submission(dataset: Path, out: Path, seed: int) -> int:
    tool = ROOT / "tools" / "make_submission.py"
    command = [sys.executable, tool, dataset, "--out", out, "--seed", str(seed)]
    return subprocess.run(command, capture_output=True, check=False).returncode


VIEWS = [("light", 1440), ("dark", 390), ("light", 390), ("dark", 1440)]
QUICK = [(name, *VIEWS[at % 2]) for at, name in enumerate(PAGES)]
"""Pages in a colour scheme and at a width in px; the slow tests look at each in all of them."""


@pytest.mark.parametrize(
    ("name", "scheme", "width"),
    but_slow(QUICK, *[(n, *view) for n in PAGES for view in VIEWS if (n, *view) not in QUICK]),
)
def test_pages_open_without_a_word_a_request_or_a_barrier(
    name: str, scheme: str, width: int, pages: dict[str, Path], browser: Any
) -> None:
    assert pages[name].stat().st_size < MOST_BYTES
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.goto(pages[name].as_uri())
    assert [one for one in said if not one.startswith(("file:", "data:"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.images.length") == 0
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert barriers(page) == []
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_paper_has_every_cell(
    name: str, pages: dict[str, Path], browser: Any, tmp_path: Path
) -> None:
    """Nothing is cut at the edge: each cell of each table is found in the text of the sheets."""
    pypdf = pytest.importorskip("pypdf")
    page = browser.new_page()
    page.goto(pages[name].as_uri())
    page.pdf(path=str(tmp_path / "page.pdf"), format="A4", prefer_css_page_size=True)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    cells = page.evaluate(
        "[...document.querySelectorAll('th, td')].filter(c => c.offsetParent).map(c => c.innerText)"
    )
    page.close()
    sheets = pypdf.PdfReader(tmp_path / "page.pdf").pages
    printed = "".join(sheet.extract_text() for sheet in sheets)
    printed = re.sub(r"\s", "", unicodedata.normalize("NFKC", printed))  # without ligatures
    assert len(cells) > 3 or name == "passed"
    words = {word for cell in cells for word in unicodedata.normalize("NFKC", cell).split()}
    assert sorted(word for word in words if word not in printed) == []
    # And none of it lies beyond the paper's edge.
    for sheet in sheets:
        width = float(sheet.mediabox.width)
        beyond: list[str] = []

        def visit(text: str, outer: Any, inner: Any, *_: Any, listed: Any = beyond, end: float = width) -> None:  # fmt: skip
            x = inner[4] * outer[0] + inner[5] * outer[2] + outer[4]
            if text.strip() and not 0 <= x <= end:
                listed.append(text)

        sheet.extract_text(visitor_text=visit)
        assert beyond == []


def test_a_page_of_a_check_says_what_was_checked(pages: dict[str, Path]) -> None:
    text = pages["passed"].read_text(encoding="utf-8")
    assert "Passed</span>: 56 frames, 3,329 heads, 11 checks" in text
    assert "needs --images full" in text
    text = pages["failed"].read_text(encoding="utf-8")
    assert "Failed</span>: 56 frames" in text
    assert "image-truncated" in text or "image-unreadable" in text


def test_a_comparison_says_no_more_than_its_tests(pages: dict[str, Path]) -> None:
    text = pages["comparison"].read_text(encoding="utf-8")
    assert "There are too few sequences for a test" in text
    assert "There are no intervals and no tests: 2 sequences" in text
