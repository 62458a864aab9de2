"""The docs: every example run, every command one that there is."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from helpers import Outcome, gtahead

import gtahead as library
from gtahead.findings import CODES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ELSEWHERE = {"extending.md"}
"""Pages whose Python is run by a test of its own."""


def _blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def playground(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with captures and dataset as the examples make them."""
    return shutil.copytree(tiny, tmp_path_factory.mktemp("docs") / "here")


def _matches(shown: str, said: str) -> bool:
    """Compare line by line; `...` stands for any lines."""
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() == "..." else re.escape(line) + r"\n"
        for line in shown.splitlines()
    )
    return re.fullmatch(pattern, said) is not None


def _photographs(tiny: Path) -> None:
    """Make what the recipes begin with: ShanghaiTech's layout, COCO of somebody's own, results.

    The simulated images have to do; nothing in the files says that they are.
    """
    part = Path("ShanghaiTech/part_A")
    library.export(
        tiny / "dataset", part, format="shanghaitech", split=["train", "test"], allow_lossy=True
    )
    for name in ("export.json", "frames.csv"):
        (part / name).unlink()
    library.export(tiny / "dataset", "coco", format="coco")
    document: dict[str, list[dict[str, object]]] = {}
    for file in sorted(Path("coco/annotations").glob("*.json")):
        for key, rows in json.loads(file.read_bytes()).items():
            if key in ("images", "annotations"):
                plain = ({k: v for k, v in row.items() if k != "gtahead"} for row in rows)
                document.setdefault(key, []).extend(plain)
    document["annotations"] = [one for one in document["annotations"] if not one["iscrowd"]]
    document["categories"] = [{"id": 1, "name": "head"}]
    Path("my-coco").mkdir()
    Path("coco/images").rename("my-coco/images")
    Path("my-coco/annotations.json").write_text(json.dumps(document))
    heads = [{**one, "score": 0.9} for one in document["annotations"]]
    Path("results.json").write_text(json.dumps(heads))


SHARED = {
    "simulate": "simulate",
    "simulate --out ./captures": "simulate",
    "build --raw ./captures --out ./dataset": "build",
    "build --raw ./captures": "build",
}
"""What pages begin with. Each of the two commands is run once, and its result copied."""


def _shared(words: str, tiny: Path) -> Outcome:
    made = {"simulate": "captures", "build": "dataset"}[SHARED[words]]
    shutil.copytree(tiny / made, made, copy_function=os.link)
    return Outcome(0, (tiny / f"{SHARED[words]}.txt").read_text(encoding="utf-8"), "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_console_examples_print_what_they_show(
    page: Path, tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if page.name == "recipes.md":
        _photographs(tiny)
    for block in _blocks(page, "console"):
        command, shown = "", ""
        steps: list[tuple[str, str]] = []
        for line in block.splitlines():
            if line.startswith("$ "):
                if command:
                    steps.append((command, shown))
                command, shown = line[2:], ""
            else:
                shown += line + "\n"
        for one, expected in [*steps, (command, shown)]:
            program, *arguments = shlex.split(one)
            assert program == "gtahead", one
            words = " ".join(arguments)
            done = _shared(words, tiny) if words in SHARED else gtahead(*arguments)
            assert done.code == 0, (one, done.err)
            assert _matches(expected, done.out), f"{one} printed:\n{done.out}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples_run(
    page: Path, playground: Path, small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = _blocks(page, "python") if page.name not in ELSEWHERE else []
    if any("train(" in block for block in blocks):  # on small images, which take seconds
        playground = shutil.copytree(small_set.parent, tmp_path / "here")
    monkeypatch.chdir(playground)
    names: dict[str, object] = {"__name__": "__main__"}  # a page's blocks follow on one another
    for number, block in enumerate(blocks):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def _typed(page: Path) -> list[str]:
    """Commands that a page shows without running them: indented, or in the text between ticks."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^    (gtahead .*)$", text, re.MULTILINE)
    return [line.partition("  #")[0].strip() for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_typed_commands_are_commands(page: Path) -> None:
    """Every one is parsed as the command line would: no option is old, no value impossible."""
    import click

    from gtahead.cli import main

    for line in _typed(page):
        words = shlex.split(line)[1:]
        if "…" in line or "[" in line or not words:
            continue
        command: click.Command = main
        context = click.Context(main)
        while isinstance(command, click.Group):
            found = command.get_command(context, words[0])
            assert found is not None, line
            command, words = found, words[1:]
        try:
            command.make_context(command.name, words, parent=context)
        except click.ClickException as error:
            raise AssertionError(f"{line}: {error.format_message()}") from error


def test_every_code_is_documented() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    for code in CODES:
        assert f'<details class="finding" id="{code}" markdown>' in page


def test_examples_in_docstrings() -> None:
    import doctest
    import importlib
    import pkgutil

    import gtahead

    tried = 0
    for module in pkgutil.walk_packages(gtahead.__path__, "gtahead."):
        if not module.name.endswith("__main__"):
            found = doctest.testmod(importlib.import_module(module.name))
            assert found.failed == 0, module.name
            tried += found.attempted
    assert tried >= 5


def test_the_example_capture_of_the_docs_is_valid() -> None:
    import json

    from gtahead import schemas

    (block,) = _blocks(ROOT / "docs" / "captures" / "native.md", "json")
    assert list(schemas.faults(json.loads(block), "capture-sequence")) == []
