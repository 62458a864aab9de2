"""What differs between systems: the ways of Linux, and those that work everywhere."""

from __future__ import annotations

import ast
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from helpers import make_sequence, manifest, run_code
from units import UNITS, die, square

import gtahead as library
from gtahead.formats import FORMATS
from gtahead.parallel import pool
from gtahead.parallel.dask import Crashed
from gtahead.storage import system

PACKAGE = Path(library.__file__).parent


@pytest.fixture
def spawning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away how worker processes start elsewhere than on Windows."""
    monkeypatch.delattr(signal, "pthread_sigmask")
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])


@pytest.fixture
def elsewhere(spawning: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what else Windows lacks."""
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "O_DIRECTORY")
    for name in ("sched_getaffinity", "copy_file_range", "sendfile", "sysconf", "O_CLOEXEC"):
        monkeypatch.delattr(os, name, raising=False)


def test_two_names_are_swapped_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "word").write_text(name)
    if not system.exchange(tmp_path / "one", tmp_path / "other"):
        pytest.skip("this system, or its file system, can't")
    assert (tmp_path / "one" / "word").read_text() == "other"
    assert (tmp_path / "other" / "word").read_text() == "one"
    with pytest.raises(FileNotFoundError):
        system.exchange(tmp_path / "one", tmp_path / "nothing")
    assert (tmp_path / "one").exists()


def test_the_ways_that_work_everywhere(tmp_path: Path, elsewhere: None) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").write_text("y")
    assert not system.exchange(tmp_path / "file", tmp_path / "other")
    assert (tmp_path / "file").read_text() == "x"
    system.sync_folder(tmp_path)
    system.sync_file(tmp_path / "file")
    assert system.cores() >= 1
    assert system.start_method() == "spawn"
    with system.interrupts_blocked():
        pass


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EINVAL, errno.ENOSYS])
def test_a_file_system_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(code, "no links here")

    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(os, "link", refuse)
    assert not system.link(tmp_path / "file", tmp_path / "other")


def test_a_link_that_fails_otherwise_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        system.link(tmp_path / "nothing", tmp_path / "other")


def test_a_build_with_spawned_workers_is_the_same(tmp_path: Path, spawning: None) -> None:
    for name in ("a", "b"):
        make_sequence(tmp_path / "raw", name)
    library.build(tmp_path / "raw", tmp_path / "spawned", workers=2)
    library.build(tmp_path / "raw", tmp_path / "alone", workers=1)
    assert manifest(tmp_path / "spawned") == manifest(tmp_path / "alone")


def test_spawned_workers_may_die(spawning: None) -> None:
    assert dict(pool.run_units(square, UNITS, workers=2)) == {key: n * n for key, n in UNITS}
    assert dict(pool.run_units(die, [("a", (1, "always"))], workers=2)) == {"a": Crashed()}


def test_a_target_is_replaced_elsewhere_too(tmp_path: Path, elsewhere: None) -> None:
    make_sequence(tmp_path / "raw")
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    for _ in range(2):
        library.export(tmp_path / "set", tmp_path / "out", format="coco", overwrite=True, workers=1)
    assert (tmp_path / "out" / "export.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "raw", "set"]


def test_exports_are_the_same_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    make_sequence(tmp_path / "raw", "a")
    make_sequence(tmp_path / "raw", "b", rows=[f"{n},{n},9,9,9" for n in range(4)])
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    words: dict[str, Any] = {"allow_lossy": True, "workers": 1}
    for name in FORMATS:
        library.export(tmp_path / "set", tmp_path / "here" / name, format=name, **words)
    request.getfixturevalue("elsewhere")
    for name in FORMATS:
        library.export(tmp_path / "set", tmp_path / "there" / name, format=name, **words)
    here, there = (
        {
            path.relative_to(tmp_path / side).as_posix(): path.read_bytes()
            for path in (tmp_path / side).rglob("*")
            if path.is_file()
        }
        for side in ("here", "there")
    )
    assert len(here) > 60
    assert here == there


def test_files_have_the_same_order_everywhere() -> None:
    names = ["b/c", "B/a", "a-b", "a/b", "C"]
    expected = ["B/a", "C", "a/b", "a-b", "b/c"]
    for kind in (PurePosixPath, PureWindowsPath):
        assert [path.as_posix() for path in system.in_order(map(kind, names))] == expected


def test_text_has_the_same_line_ends_everywhere() -> None:
    """What writes text says `newline`; left out, Windows ends its lines with two characters."""
    for path in PACKAGE.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            modes = [one.value for one in call.args if isinstance(one, ast.Constant)]
            writes = any(mode in ("w", "a", "x") for mode in modes)
            opens = call.func.attr == "open" and ast.unparse(call.func) != "tarfile.open"
            if (opens and writes) or call.func.attr == "write_text":
                assert "newline" in {one.arg for one in call.keywords}, (path, call.lineno)


def test_where_there_is_no_kill() -> None:
    code = (
        "import signal; del signal.SIGKILL\n"
        "from gtahead.storage import system\n"
        "system.kill_oneself()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGTERM


ONLY_HERE = (
    *("import fcntl", "import resource\n", "import msvcrt", "import pwd", "pthread_sigmask"),
    *("sched_getaffinity", "os.link(", "O_DIRECTORY", '"forkserver"', "sys.platform", "os.fork("),
)
"""What nothing but the module on systems may ask for or call."""


def test_nothing_else_depends_on_the_system() -> None:
    home = PACKAGE / "storage" / "system.py"
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert path == home or not [word for word in ONLY_HERE if word in text], path


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone binds to cores")
def test_cores_are_those_that_this_process_may_use(tmp_path: Path) -> None:
    code = (
        "import os; from gtahead.storage import system; os.sched_setaffinity(0, {0});"
        "print(system.cores())"
    )
    assert run_code(code, tmp_path).out == "1\n"
