"""Bad input as folders: each holds an input, and the exact report that it gets.

A folder is named by a finding's code, and may hold `options.txt` for the command.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import gtahead

from gtahead.findings import CODES

BAD = Path(__file__).resolve().parents[1] / "bad"
CASES = sorted(path.name for path in BAD.iterdir())


@pytest.mark.parametrize("code", CASES)
def test_what_is_wrong_is_said(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD / code)
    (given,) = (path.name for path in Path().iterdir() if path.stem == "input")
    options = Path("options.txt").read_text().split() if Path("options.txt").exists() else []
    done = gtahead("validate", given, "--workers", "1", *options)
    expected = Path("report.txt").read_text(encoding="utf-8")
    assert done.out == expected
    assert done.code == (1 if "\nerror " in expected else 0)
    assert f" {code}: " in expected


def test_folders_are_named_by_codes() -> None:
    assert set(CASES) <= set(CODES)
