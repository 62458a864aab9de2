"""Bad input as folders: each holds an input, and the exact report that it gets.

A folder is named by a finding's code. It may hold `options.txt` for `gtahead validate`; or, where
only another command comes upon it, that command as `command.txt`, with OUT for what it writes.
Buffers of a whole screen are packed: `input.tar.xz`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import gtahead

from gtahead.findings import CODES

BAD = Path(__file__).resolve().parents[1] / "bad"
CASES = sorted(path.name for path in BAD.iterdir())


@pytest.mark.parametrize("code", CASES)
def test_what_is_wrong_is_said(code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = shutil.copytree(BAD / code, tmp_path / "case")  # on one disk with what is built of it
    monkeypatch.chdir(case)
    expected = Path("report.txt").read_text(encoding="utf-8")
    assert f"[{code}]" in expected
    if Path("command.txt").exists():
        words = Path("command.txt").read_text().replace("OUT", str(tmp_path / "out")).split()
        workers = [] if words[0] in ("benchmark", "publish") else ["--workers", "1"]
        done = gtahead(*words, *workers, findings="full")
        assert f"{done.err}exit {done.code}\n" == expected
        return
    options = Path("options.txt").read_text().split() if Path("options.txt").exists() else []
    if Path("input.tar.xz").exists():
        shutil.unpack_archive("input.tar.xz", case, filter="data")
    (given,) = (path.name for path in Path().iterdir() if path.stem == "input")
    done = gtahead("validate", given, "--workers", "1", *options, findings="full")
    assert done.out == expected
    assert done.code == (1 if "\nerror[" in expected else 0)


def test_every_code_has_its_folder() -> None:
    """But for those that no input brings about: a dying process, two disks, another writer."""
    assert set(CODES) - set(CASES) == {"unit-crashed", "copied-images", "changed-meanwhile"}
    assert set(CASES) <= set(CODES)


def test_git_keeps_every_folder() -> None:
    """Git forgets empty folders, and a report that depends on one is another in a fresh clone."""
    assert [str(path) for path in BAD.rglob("*") if path.is_dir() and not any(path.iterdir())] == []
