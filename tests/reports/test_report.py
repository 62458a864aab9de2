"""The report: true figures, a page that stands alone, and that everybody can use."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead, make_sequence, manifest

import gtahead as library
from gtahead.reports.collecting import collect, stacks_of
from gtahead.reports.gallery import chosen

EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module")
def page_file(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "report.html"
    done = gtahead("report", tiny_dataset, "--html", out)
    assert done.code == 0, done.err
    assert "56 frames, 14 shown" in done.out
    return out


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of odd names, without images, weather and heads."""
    root = tmp_path_factory.mktemp("odd")
    make_sequence(root / "captures", "a & b", rows=[], location=EVIL, weather=EVIL)
    make_sequence(root / "captures", "площадь", rows=[])
    done = gtahead("build", "--raw", root / "captures", "--out", root / "data", "--images", "none")
    assert done.code == 0, done.err
    return root / "data"


def test_figures_are_those_of_the_tables(tiny_dataset: Path) -> None:
    opened = library.Dataset.open(tiny_dataset)
    found = collect(opened)
    heads = manifest(tiny_dataset)["statistics"]["heads"]
    counts = np.array([frame.count for frame in opened])
    boxes = np.concatenate([f.boxes_xyxy[f.counted] for f in opened])
    side = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    per_frame = found.charts[0]
    bars = [sum(int(name.rpartition(": ")[2]) for *_, name in one.bars) for one in found.charts]
    assert bars == [(counts > 0).sum(), heads["counted"], heads["counted"]]
    assert per_frame.note == f"{(counts == 0).sum()} more frames without heads."
    said = [[text for *_, text, kind in one.texts if "said" in kind] for one in found.charts]
    assert said[0] == [f"median {np.median(counts[counts > 0]):,.4g}"]
    assert said[1] == [f"median {np.median(side):,.4g}"]
    levels, seen = found.plots
    assert [(row.label, row.said) for row in levels.rows] == [
        ("0", f"{(counts == 0).sum()}"),
        ("1-100", f"{((counts > 0) & (counts <= 100)).sum()}"),
        ("101-500", f"{(counts > 100).sum()}"),
    ]
    assert levels.after == ["No frames: 501-5000, >5000."]
    assert sum(int(row.said.replace(",", "")) for row in seen.rows) == sum(heads.values())
    assert found.hidden + found.outside == heads["absent"]
    inside = [f.points_xy[f.status == "absent"] for f in opened]
    sizes_wh = [f.size_wh for f in opened]
    hidden = sum(
        int(((points >= 0) & (points < size)).all(axis=1).sum())
        for points, size in zip(inside, sizes_wh, strict=True)
    )
    assert found.hidden == hidden
    assert sum(sum(row) for _, row in found.coverage) == 56
    assert [row.name for row in found.sequences] == opened.sequences
    assert sum(row.counts.sum() for row in found.sequences) == heads["counted"]
    assert [(rule["name"], rule["boxes"]) for rule in found.rules] == [("captured", 2640)]


def test_splits_are_compared_with_their_targets(tiny_dataset: Path) -> None:
    document = manifest(tiny_dataset)
    rows = {row.label: row for row in stacks_of(document)}
    assert rows["sequences"].said == "57 / 14 / 29"
    assert rows["sequences"].targets == [57.14, 71.43]
    assert rows["weather CLEAR"].off == pytest.approx(71.43)
    given = {**document, "splits": {"how": "given", "unit": "sequence"}}
    assert [row.label for row in stacks_of(given)] == ["sequences", "frames", "heads"]
    assert all(row.off is None and row.targets == [] for row in stacks_of(given))


def test_what_is_marked_is_far_from_its_target(page_file: Path) -> None:
    text = page_file.read_text(encoding="utf-8")
    marked = re.findall(r'<span class="marked">([0-9]+) points off', text)
    assert marked == ["24", "71", "43", "43"]


def test_the_gallery_shows_all_kinds(tiny_dataset: Path) -> None:
    opened = library.Dataset.open(tiny_dataset)
    names = chosen(opened, 24)
    assert len(names) == len(set(names)) == 14
    assert {name.partition("/")[0] for name in names} == set(opened.sequences)
    assert {opened[name].weather for name in names} == set(opened.frames(["weather"])["weather"])
    assert 0 in {opened[name].count for name in names}
    assert len(chosen(opened, 3)) == 3


def test_a_page_stands_alone_and_is_always_the_same(
    page_file: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    text = page_file.read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?!data:image/|#)', text)
    for words in (
        "2,640 heads in 56 frames of 7 sequences",
        "seq_06",
        "FOGGY",
        "head-outside-frame",
        "visible:0.25",
    ):
        assert words in text
    library.report(tiny_dataset, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == page_file.read_bytes()


def test_nothing_of_the_data_gets_into_the_page(odd: Path, tmp_path: Path) -> None:
    done = gtahead("report", odd, "--html", tmp_path / "r.html", "--json")
    assert done.code == 0, done.err
    assert done.json["frames"] == 8
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert EVIL not in text
    assert "a & b" not in text
    assert "&lt;script&gt;" in text
    assert "площадь" in text


def test_filters_and_layers(page_file: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    shown = "[...document.querySelectorAll('.shot')].filter(f => f.offsetParent !== null).length"

    def visible(what: str) -> bool:
        first = f"document.querySelector('.shot:nth-of-type(1) .{what}')"
        return bool(page.evaluate(f"getComputedStyle({first}).display !== 'none'"))

    assert page.evaluate(shown) == 14
    page.select_option("#by-sequence", "seq_02")
    assert page.evaluate(shown) == 2
    assert page.inner_text("#shown") == "2 frames"
    page.select_option("#by-level", "0")
    assert page.evaluate(shown) == 0
    page.select_option("#by-sequence", "")
    assert page.evaluate(shown) == 2
    page.select_option("#by-level", "")
    page.select_option("#by-weather", "RAIN")
    assert page.evaluate(shown) == 2
    page.select_option("#by-weather", "")
    page.select_option("#by-split", "test")
    assert page.evaluate(shown) == 4
    page.select_option("#by-split", "")
    names = "[...document.querySelectorAll('.shot')].map(f => f.dataset.name)"
    usual = page.evaluate(names)
    assert len({name.partition("/")[0] for name in usual[:7]}) == 7  # one per sequence first
    page.select_option("#sort", "most")
    counts = "[...document.querySelectorAll('.shot')].map(f => +f.dataset.count)"
    assert page.evaluate(counts) == sorted(page.evaluate(counts), reverse=True)
    page.select_option("#sort", "")
    assert page.evaluate(names) == usual
    assert (visible("boxes"), visible("points"), visible("density")) == (True, False, False)
    for layer in ("boxes", "points", "density"):
        page.locator(f"[data-layer={layer}]").press("Space")  # by keyboard
    assert (visible("boxes"), visible("points"), visible("density")) == (False, True, True)
    bar = page.locator(".scale:visible").first.inner_text()
    densest = re.fullmatch(r"0 to ([\d,.]+) heads per 100 × 100 px", bar.strip())
    assert densest is not None
    assert float(densest[1].replace(",", "")) > 0
    page.select_option("#by-sequence", "seq_02")
    address = page.url
    assert address.endswith("#gallery:sequence=seq_02&layers=boxes%2Cpoints%2Cdensity")
    page.close()
    page = browser.new_page()
    page.goto(address)  # a view can be kept and sent
    assert page.evaluate(shown) == 2
    assert (visible("boxes"), visible("points"), visible("density")) == (False, True, True)
    page.close()


def test_a_frame_is_shown_large(page_file: Path, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(page_file.as_uri())
    name = page.locator("#lightbox-name")
    first, second = page.evaluate(
        "[...document.querySelectorAll('.shot')].slice(0, 2).map(f => f.dataset.name)"
    )
    page.locator(".shot button.open").first.press("Enter")
    assert page.locator("dialog[open]").count() == 1
    assert name.inner_text() == first
    page.keyboard.press("ArrowRight")
    assert name.inner_text() == second
    page.keyboard.press("ArrowLeft")
    assert name.inner_text() == first
    width = "document.querySelector('.stage svg').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.keyboard.press("+")
    assert page.evaluate(width) == pytest.approx(1.5 * before, rel=0.01)
    page.keyboard.press("-")
    # A head that is pointed at says what is known of it.
    head = page.evaluate(
        "JSON.parse(document.querySelector('.shot').dataset.heads).counted.find(h => h[1] > 100 && h[2] > 100)"
    )
    box = page.locator(".stage svg").bounding_box()
    share = box["width"] / 640
    page.mouse.move(box["x"] + head[1] * share, box["y"] + head[2] * share)
    said = page.inner_text("#lightbox-said")
    assert (
        said == f"head {head[0]} · counted · {head[3]} px · {head[4]} m away · {head[5]} % visible"
    )
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    page.close()


def test_the_keyboard_reaches_everything(page_file: Path, browser: Any) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    every = "[...document.querySelectorAll('a, select, input, button')].filter(one => !one.closest('dialog'))"
    wanted = page.evaluate(f"{every}.length")
    reached = set()
    for _ in range(wanted + 20):  # and regions that scroll
        page.keyboard.press("Tab")
        reached.add(page.evaluate(f"{every}.indexOf(document.activeElement)"))
    assert len(reached - {-1}) == wanted
    page.close()


def test_wrong_calls(tiny_dataset: Path, tiny_captures: Path, tmp_path: Path) -> None:
    done = gtahead("report", tiny_dataset, "--html", tmp_path / "no" / "r.html")
    assert done.code == 1
    assert "no such folder for the page" in done.err
    done = gtahead("report", tiny_captures, "--html", tmp_path / "r.html")
    assert done.code == 1
    assert "not a gtahead dataset" in done.err
    assert gtahead("report", tiny_dataset, "--gallery", "999").code == 2
    assert not (tmp_path / "r.html").exists()
    done = gtahead(
        "report", tiny_dataset, "--html", tmp_path / "r.html", "--gallery", "0", "--quiet"
    )
    assert (done.code, done.out) == (0, "")
    assert "No frames are shown." in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_images_that_cannot_be_read_are_reported(tiny_dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(tiny_dataset, copy)
    broken = [path for path in (copy / "images" / "seq_03").glob("*.jpg")]
    for path in broken:
        path.write_bytes(path.read_bytes()[:2000])
    done = gtahead("report", copy, "--html", tmp_path / "r.html")
    assert done.code == 3
    assert done.err.count("its image can't be read") == 2
    assert "frame seq_03/" in done.err
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("the image can't be read") == 2


@pytest.mark.slow
def test_a_full_size_report(browser: Any, full_size: Path, tmp_path: Path) -> None:
    """5,096 frames: a page below 10 MB that opens in less than two seconds."""
    done = library.report(full_size / "dataset", tmp_path / "r.html")
    assert done.frames == 5096
    assert done.bytes < 10_000_000
    page = browser.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    timing = "performance.getEntriesByType('navigation')[0].loadEventEnd"
    page.wait_for_function(f"{timing} > 0")
    print(f"\n{done.bytes:,} bytes, loaded after {page.evaluate(timing):.0f} ms")  # noqa: T201 - a figure to quote
    page.close()


def test_a_report_of_one_place(tmp_path: Path) -> None:
    """All sequences share their location, so that the designed splits have train alone."""
    for name in ("a", "b"):
        make_sequence(tmp_path / "raw", name, split=None, location="square")
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    document = manifest(tmp_path / "set")
    assert document["splits"]["how"] == "designed"
    for command in (
        ["report", tmp_path / "set", "--html", tmp_path / "report.html"],
        ["validate", tmp_path / "set", "--html", tmp_path / "findings.html"],
        ["info", tmp_path / "set"],
        ["view", tmp_path / "set", "--out", tmp_path / "view.png"],
    ):
        assert gtahead(*command).code == 0
