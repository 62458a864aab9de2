"""Commands in odd surroundings: they work or say what is missing, and it's never gtahead's bug."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import but_slow, gtahead

import gtahead as library

ROOT = Path(library.__file__).parent.parent


def _closed(*numbers: int) -> Callable[[], None]:
    def close() -> None:
        for number in numbers:
            os.close(number)

    return close


def _limit(kind: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(kind, (value, value))


SURROUNDINGS: dict[str, dict[str, Any]] = {
    "no stdin": {"preexec_fn": _closed(0)},
    "no stdout": {"preexec_fn": _closed(1), "stdout": None},
    "no stderr": {"preexec_fn": _closed(2), "stderr": None},
    "no streams": {"preexec_fn": _closed(0, 1, 2), "stdout": None, "stderr": None},
    "full stdout": {"full": True},
    "no home": {"unset": ("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME")},
    "no temporary folder": {"set": {"TMPDIR": "/nonexistent"}},
    "ASCII": {"set": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}},
    "optimised": {"set": {"PYTHONOPTIMIZE": "2"}},
    "warnings are errors": {"set": {"PYTHONWARNINGS": "error"}},
    "64 files": {"preexec_fn": _limit(resource.RLIMIT_NOFILE, 64)},
    "600 MB of memory": {"preexec_fn": _limit(resource.RLIMIT_AS, 600_000_000)},
    "1.5 GB of memory": {"preexec_fn": _limit(resource.RLIMIT_AS, 1_500_000_000)},
    "no working folder": {"gone": True},
}

COMMANDS: dict[str, list[str]] = {
    "simulate": ["simulate", "--preset", "tiny", "--no-images", "--out", "OUT", "--overwrite"],
    "build": ["build", "--raw", "CAPTURES", "--out", "OUT", "--workers", "2"],
    "info": ["info", "DATASET"],
    "annotate": ["annotate", "COPY", "--boxes", "knn"],
    "export": ["export", "DATASET", "--format", "coco", "--out", "OUT", "--overwrite"],
    "validate": ["validate", "DATASET", "--images", "full"],
    "verify": ["verify", "DATASET"],
    "view": ["view", "DATASET", "--out", "OUT.png"],
    "report": ["report", "DATASET", "--html", "OUT.html"],
    "benchmark": ["benchmark", "PREDICTIONS", "--data", "DATASET", "--html", "OUT.html"],
    "stage": [
        "publish",
        "stage",
        "DATASET",
        "--out",
        "OUT",
        "--repo",
        "a/b",
        "--creator",
        "me",
        "--licence",
        "mit",
    ],
    "plan": ["publish", "plan", "RELEASE"],
    "check": ["publish", "check", "RELEASE", "--no-load"],
    "pull": ["pull", "RELEASE", "--out", "OUT", "--overwrite"],
    "rebuild": ["rebuild", "RELEASE", "--frames", "CAPTURES", "--out", "OUT", "--overwrite"],
    "diff": ["diff", "DATASET", "DATASET"],
    "card": ["card", "COPIED_RELEASE"],
    "formats": ["formats"],
    "schema": ["schema", "show", "manifest"],
    "doctor": ["doctor"],
    "help": ["--help"],
    "version": ["--version"],
    "nothing": [],
    "train": ["train", "DATASET", "--preset", "tiny", "--out", "OUT", "--print-config"],
}


@pytest.fixture(scope="module")
def given(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What commands read: captures, a dataset, predictions, a release."""
    folder = tmp_path_factory.mktemp("given")
    facts = {"repo": "a/b", "creator": "me", "licence": "mit"}
    library.stage(tiny / "dataset", folder / "release", workers=1, **facts)
    (folder / "predictions.json").write_text("[]")
    return {
        "CAPTURES": tiny / "captures",
        "DATASET": tiny / "dataset",
        "PREDICTIONS": folder / "predictions.json",
        "RELEASE": folder / "release",
    }


ALL = [(command, around) for command in COMMANDS for around in SURROUNDINGS]
FAST = [
    *(("info", around) for around in SURROUNDINGS if around not in ("no stdin", "no stdout")),
    *(("build", around) for around in ("no streams", "64 files")),
    *(("export", around) for around in ("ASCII", "no working folder")),
]


@pytest.mark.parametrize(
    ("command", "around"), but_slow(FAST, *[one for one in ALL if one not in FAST])
)
def test_a_command_is_never_surprised(
    given: dict[str, Path], tmp_path: Path, command: str, around: str
) -> None:
    places = {**given, "OUT": tmp_path / "out"}
    for name, source in (("COPY", "DATASET"), ("COPIED_RELEASE", "RELEASE")):
        if name in COMMANDS[command]:
            places[name] = Path(shutil.copytree(given[source], tmp_path / name))
    words = []
    for word in COMMANDS[command]:
        name, dot, suffix = word.partition(".")
        words.append(f"{places[name]}{dot}{suffix}" if name in places else word)
    options = dict(SURROUNDINGS[around])
    environment = {**os.environ, **options.pop("set", {})}
    for name in options.pop("unset", ()):
        environment.pop(name, None)
    start = [sys.executable, "-m", "gtahead", *words]
    folder = tmp_path / "gone"
    folder.mkdir()
    if options.pop("gone", False):
        start = ["sh", "-c", 'rmdir "$0" && exec "$@"', str(folder), *start]
        environment["PYTHONPATH"] = str(ROOT)
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        if options.pop("full", False):
            streams["stdout"] = full
        streams |= options
        done = subprocess.run(start, env=environment, cwd=folder, check=False, **streams)
    said = (done.stderr or b"").decode(errors="replace")
    assert done.returncode in range(5), said
    assert "Traceback" not in said
    assert "a bug in gtahead" not in said
    if around in (
        "no stdin",
        "no stdout",
        "no stderr",
        "no streams",
        "ASCII",
        "optimised",
        "no home",
    ):
        assert done.returncode == 0 or command in ("nothing", "doctor", "benchmark"), said
    if around == "full stdout" and command in ("info", "formats", "schema", "diff"):
        assert done.returncode == 4
        assert "No space left" in said


@pytest.mark.parametrize("module", ["click", "gtahead.errors"])
def test_ctrl_c_in_the_first_instant_leaves_quietly(module: str) -> None:
    code = (
        "import builtins, os, signal, sys\n"
        "plain = builtins.__import__\n"
        "def interrupted(name, *rest, **more):\n"
        f"    if name == {module!r}:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return plain(name, *rest, **more)\n"
        "builtins.__import__ = interrupted\n"
        "sys.argv = ['gtahead', '--version']\n"
        "from gtahead.__main__ import run\n"
        "run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 130
    assert done.stderr == b""


def test_a_second_ctrl_c_changes_nothing(given: dict[str, Path]) -> None:
    code = (
        "import os, signal, sys, gtahead.cli as cli\n"
        "def main(*words, **more):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    finally:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "plain = cli._complain\n"
        "def complain(text):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    plain(text)\n"
        "cli.main, cli._complain = main, complain\n"
        "cli.run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 130
    assert done.stderr == b"interrupted: run the same command again\n"


def test_a_wrong_call_ends_with_2_though_nobody_can_be_told() -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        start = [sys.executable, "-m", "gtahead", "info", "--nosuch"]
        assert subprocess.run(start, stderr=full, check=False).returncode == 2


@pytest.mark.parametrize(
    "words",
    [
        ["URL"],
        ["info", "x", "URL"],
        ["build", "--every", "URL"],
        ["build", "--raw", "RAW", "--roi", "URL"],
        ["verify", "URL"],
        ["leaderboard", "URL"],
        ["compare", "URL", "URL"],
        ["schema", "show", "URL"],
        ["publish", "plan", "URL"],
        ["info", "LONG"],
    ],
)
def test_no_message_shows_a_secret(words: list[str], tmp_path: Path) -> None:
    given = {
        "URL": "nope://me:SECRET@host/x?token=SECRET",
        "LONG": f"nope://me:{'SECRET' * 60}@host/x",
        "RAW": str(tmp_path),
    }
    for more in ([], ["--json"]):
        done = gtahead(*(given.get(word, word) for word in words), *more)
        assert done.code in (1, 2, 4)
        assert "SECRET" not in done.out + done.err


def test_a_result_is_never_written_over_what_it_is_of(
    given: dict[str, Path], tmp_path: Path
) -> None:
    predictions = tmp_path / "p.json"
    predictions.write_text("[]")
    words = ["benchmark", predictions, "--data", given["DATASET"], "--no-intervals"]
    for more in (["--out", predictions], ["--out", tmp_path / "x", "--html", tmp_path / "x"]):
        done = gtahead(*words, *more)
        assert done.code == 2
        assert "over something that is needed" in done.err
    assert predictions.read_text() == "[]"
