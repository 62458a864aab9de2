"""Files that end the work before anything is scored: an input each, and the exact report."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import gtahead

BAD = Path(__file__).resolve().parent / "bad"


@pytest.mark.parametrize("name", sorted(path.name for path in BAD.iterdir()))
def test_what_is_wrong_is_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD / name)
    done = gtahead(*Path("command.txt").read_text().split())
    assert f"{done.err}exit {done.code}\n" == Path("report.txt").read_text(encoding="utf-8")
    assert done.out == ""
    assert done.code == 1
