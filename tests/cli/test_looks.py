"""What people read at a terminal: groups, colours where they are wanted, findings in order."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import gtahead, make_sequence

from gtahead.cli import GROUPS
from gtahead.cli.styles import counted, finding_lines
from gtahead.errors import Where
from gtahead.findings import Findings


def on_a_terminal(*words: object, **environment: str) -> tuple[int, str]:
    """Run a command whose output is a terminal of 80 columns."""
    outer, inner = pty.openpty()
    surroundings = {**os.environ, "COLUMNS": "80", "TERM": "xterm-256color", **environment}
    surroundings = {name: value for name, value in surroundings.items() if value}
    command = [sys.executable, "-m", "gtahead", *map(str, words)]
    done = subprocess.Popen(command, stdout=inner, stderr=inner, stdin=inner, env=surroundings)
    os.close(inner)
    said = b""
    while True:
        try:
            part = os.read(outer, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        said += part
    os.close(outer)
    return done.wait(), said.decode().replace("\r\n", "\n")


def test_help_has_groups_and_every_command_once() -> None:
    text = gtahead("--help").out
    found = re.findall(r"^(\w+):$", text, re.MULTILINE)
    assert found == ["Options", "Make", "Look", "Check", "Score", "Train", "Share"]
    for commands in GROUPS.values():
        for name in commands:
            assert len(re.findall(rf"^  {name} ", text, re.MULTILINE)) == 1
    assert max(map(len, text.splitlines())) <= 100


def test_colours_only_where_they_are_wanted() -> None:
    code, coloured = on_a_terminal("--help", NO_COLOR="")
    assert code == 0
    assert "\x1b[1mMake:\x1b[0m" in coloured
    _, plain = on_a_terminal("--help", NO_COLOR="1")
    assert "\x1b" not in plain
    assert "\x1b" not in gtahead("--help").out  # no terminal
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    rows = [f"0,{ped},{ped}.5,5.5" for ped in range(6)] + ["0,1,2.5,3.5"]
    make_sequence(tmp_path / "captures", "a", rows=rows)
    return tmp_path / "captures"


def test_findings_are_grouped(damaged: Path) -> None:
    done = gtahead("validate", damaged, "--images", "none", findings="full")
    lines = done.out.splitlines()
    heads = [line for line in lines if re.match(r"(error|warning|info)\[[a-z-]+\] ", line)]
    assert heads, done.out
    for line in heads:
        at = lines.index(line)
        assert re.search(r": [0-9,]+( in .+)?$", line)
        block = lines[at + 1 : at + 6]
        code = re.findall(r"\[([a-z-]+)\]", line)[0]
        helps = [one for one in block if one.startswith("  help: ")]
        assert helps[0].endswith(f"   (validate --explain {code})")
    assert re.match("[✗⚠·] ", lines[-1]) or lines[-1].startswith("✓ passed")


def test_three_examples_and_how_many_more() -> None:
    found = Findings()
    for number in range(15):
        where = Where("instances.json", field=f"/annotations/{number}/bbox")
        found.add("box-without-area", where, f"90.{number}, 156, -1, 3")
    found.add("no-frames", Where("a/sequence.json", sequence="a"))
    text = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(finding_lines(found)))
    assert text == (
        "error[no-frames] the sequence has no frames: 1 in a/sequence.json\n"
        "  sequence a\n"
        "  help: it needs at least one, an image or labels   (validate --explain no-frames)\n"
        "error[box-without-area] the box has no area: 15 in instances.json\n"
        "  /annotations/0/bbox   '90.0, 156, -1, 3'\n"
        "  /annotations/1/bbox   '90.1, 156, -1, 3'\n"
        "  /annotations/2/bbox   '90.2, 156, -1, 3'\n"
        "  … 12 more\n"
        "  help: drop it, or give it its width   (validate --explain box-without-area)"
    )
    assert re.sub(r"\x1b\[[0-9;]*m", "", counted(found)) == "✗ 16 errors"


def test_nothing_in_findings_commands_the_terminal() -> None:
    found = Findings()
    found.add("box-without-area", Where("a\x1b[2J.json", field="/x\n/y"), "\x1b]0;evil\x07")
    text = "\n".join(finding_lines(found))
    kept = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "\x1b" not in kept
    assert "\x07" not in kept
    assert len(text.splitlines()) == 3


def test_lines_end_at_the_terminals_width(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(damaged.parent)
    surroundings = {"NO_COLOR": "1", "COLUMNS": "40"}
    code, said = on_a_terminal("validate", damaged.name, "--images", "none", **surroundings)
    assert code in (0, 1)
    lines = [line.rpartition("\x1b[2K")[2] for line in said.splitlines()]  # behind the bar
    words = [line for line in lines if " " in line.strip() and "━" not in line]
    assert words
    assert max(map(len, words)) <= 40


def test_wrong_arguments_are_told_without_a_bar(tmp_path: Path) -> None:
    code, said = on_a_terminal("build", "--raw", tmp_path / "none", NO_COLOR="1")
    assert code == 1
    assert said.startswith("error: ")
    assert "━" not in said


def test_one_error_style() -> None:
    for words in (["biuld"], ["build"], ["info", "nowhere"], ["export", "--format"]):
        done = gtahead(*words)
        assert done.code in (1, 2)
        assert done.err.startswith("error: ")
        assert len(done.err.splitlines()) == 1


def test_short_options() -> None:
    text = gtahead("export", "--help").out
    assert "-f, --format NAME" in text
    assert "-o, --out DIR" in text
    assert "-q, --quiet" in text
