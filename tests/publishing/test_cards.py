"""The card: what is filled, what stays, what is refused; and the example at the top level."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
from helpers import gtahead

from gtahead.publishing import cards
from gtahead.publishing.releases import Release

ROOT = Path(__file__).resolve().parents[2]


def change(release: Path, old: str, new: str) -> None:
    card = release / "README.md"
    text = card.read_text(encoding="utf-8")
    assert old in text
    card.write_text(text.replace(old, new), encoding="utf-8")


def faults(release: Path) -> list[str]:
    return [f"{position} {what}".strip() for position, what in cards.faults(Release.open(release))]


def test_a_fresh_card_has_no_faults_and_filling_it_changes_nothing(release: Path) -> None:
    before = (release / "README.md").read_bytes()
    assert faults(release) == []
    assert gtahead("card", release).code == 0
    assert (release / "README.md").read_bytes() == before


def test_edits_outside_blocks_stay_and_those_inside_go(release: Path) -> None:
    change(release, "## Statistics\n", "## Statistics\n\nOur own words.\n")
    change(release, "| frames | 56, of which 2 without heads |", "| frames | 5,600 |")
    assert gtahead("card", release).code == 0
    text = (release / "README.md").read_text(encoding="utf-8")
    assert "Our own words." in text
    assert "| frames | 56, of which 2 without heads |" in text


def test_a_block_without_its_marks_is_the_publishers(release: Path) -> None:
    change(release, "<!-- gtahead:begin limits -->\n", "")
    change(release, "<!-- gtahead:end limits -->\n", "")
    change(release, "- The simulated images show no real people.", "- Only our own limits.")
    assert gtahead("card", release).code == 0
    text = (release / "README.md").read_text(encoding="utf-8")
    assert "- Only our own limits." in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("## Limits", "## Limits\n\nTODO: say more", "a placeholder: TODO"),
        ("## Limits", "## Limits\n\n[More Information Needed]", "a placeholder: More Information"),
        ("## Limits", "## Limits\n\n[VERIFY THIS]", "a placeholder: [VERIFY THIS]"),
        ("## Limits", "## Limits\n\nlorem ipsum dolor", "a placeholder: lorem ipsum"),
        ("## Limits", "## Limits\n\n{{ limits }}", "a placeholder: {{ limits }}"),
        ("## Limits", "## Limits\n\nby <your name>", "a placeholder: <your name>"),
        ("<!-- gtahead:end limits -->", "", "begins within limits"),
        ("<!-- gtahead:begin limits -->", "", "limits ends, and nothing is open"),
        ("gtahead:begin limits", "gtahead:begin limitz", "no block is called limitz"),
        ("license: cc0-1.0", "license: mit", "its block doesn't match the data"),
        ("# gtahead:end yaml\n", "# gtahead:end yaml\nlicense: mit\n", "license is there twice"),
    ],
)
def test_what_cannot_be_published(old: str, new: str, message: str, release: Path) -> None:
    change(release, old, new)
    assert any(message in one for one in faults(release)), faults(release)


def test_a_card_with_a_locationholder_is_neither_fit_nor_pushed(release: Path) -> None:
    change(release, "## Limits", "## Limits\n\nTODO: say more")
    done = gtahead("publish", "check", release, "--no-load")
    assert done.code == 1
    assert "bad-card" in done.err
    done = gtahead("publish", "push", "crowd-lab/simulated-heads", release, "--yes", "--no-load")
    assert done.code == 1
    assert "isn't fit to be published" in done.err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# gtahead:end yaml\n", "# gtahead:end yaml   \n"),  # which is fine
        ("<!-- gtahead:end summary -->", "<!-- gtahead:end summary"),
        ("## Limits\n", "## Limits\n\nWrite <!-- gtahead:begin limits --> around it.\n"),
        ("# gtahead:end yaml\n", "<!-- gtahead:end yaml\n"),
        ("# gtahead:begin yaml\n", "# gtahead:begin  yaml\n"),
    ],
)
def test_a_slip_in_a_mark_costs_nothing(
    old: str, new: str, release: Path, tiny_dataset: Path
) -> None:
    change(release, old, new)
    change(release, "## Statistics\n", "## Statistics\n\nOur own words.\n")
    before = (release / "README.md").read_text(encoding="utf-8")
    done = gtahead("card", release)
    after = (release / "README.md").read_text(encoding="utf-8")
    assert after == before
    fine = new.isspace() or new.rstrip() == old.rstrip()
    assert done.code == (0 if fine else 1)
    assert fine or "the card's blocks are damaged: line" in done.err
    facts = [
        "--repo",
        "crowd-lab/simulated-heads",
        "--creator",
        "The crowd lab",
        "--version",
        "1.0.1",
    ]
    gtahead("publish", "stage", tiny_dataset, "--out", release, "--overwrite", *facts)
    assert "Our own words." in (release / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"", b"\xef\xbb\xbf# Heads\n"])
def test_cards_of_other_kinds(data: bytes, release: Path) -> None:
    (release / "README.md").write_bytes(data)
    done = gtahead("card", release)
    assert done.code == 1
    assert (release / "README.md").read_bytes() == data
    assert "Traceback" not in done.err
    assert faults(release) != []
    assert gtahead("card", release, "--fresh").code == 0
    assert faults(release) == []


def test_yaml_that_is_none(release: Path) -> None:
    change(release, "---\n# gtahead:begin yaml", "---\n: : : [\n# gtahead:begin yaml")
    assert any("YAML it can't be read" in one for one in faults(release))


def test_damaged_marks_are_refused_by_line(release: Path) -> None:
    change(release, "<!-- gtahead:end limits -->\n", "")
    before = (release / "README.md").read_bytes()
    done = gtahead("card", release)
    assert done.code == 1
    assert "begins within limits" in done.err
    assert (release / "README.md").read_bytes() == before


@pytest.mark.parametrize("name", sorted(cards.SECTIONS))
def test_every_section_is_asked_for(name: str, release: Path) -> None:
    """A section that is gone, heading and block, is missed."""
    text = (release / "README.md").read_text(encoding="utf-8")
    begin, end = f"<!-- gtahead:begin {name} -->", f"<!-- gtahead:end {name} -->"
    head, _, rest = text.partition(begin)
    head = head[: head.rindex("\n## ")]
    (release / "README.md").write_text(head + "\n" + rest.partition(end)[2], encoding="utf-8")
    assert any(cards.SECTIONS[name] in one for one in faults(release)), faults(release)


def test_a_card_without_yaml(release: Path) -> None:
    (release / "README.md").write_text("# Heads\n", encoding="utf-8")
    found = faults(release)
    assert any("no YAML between --- and ---" in one for one in found)
    assert any("it doesn't give known limits" in one for one in found)
    (release / "README.md").unlink()
    assert any("it is missing" in one for one in faults(release))
    assert gtahead("card", release).code == 0
    assert faults(release) == []


def test_what_a_capture_says_cannot_break_the_page() -> None:
    text = cards._plain("x` <script>alert(1)</script>\n| [a](b)")
    assert not set("`<>|[]\n") & set(text)


def test_the_example_card_is_up_to_date(tiny_dataset: Path, tmp_path: Path) -> None:
    """Else run `python tools/make_card.py`."""
    tool = runpy.run_path(str(ROOT / "tools" / "make_card.py"))
    assert tool["card_of"](tiny_dataset, tmp_path / "release") == tool["CARD"].read_text()
