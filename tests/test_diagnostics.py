"""`doctor`: it works here, and says what doesn't."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import pytest
from helpers import gtahead

from gtahead import diagnostics


def test_it_works_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = gtahead("doctor")
    assert done.code == 0, done.err
    assert done.out.endswith("gtahead works here\n")
    assert "tried: simulate" in done.out
    assert "extra train (train, predict): there" in done.out
    assert list(tmp_path.iterdir()) == []
    found = gtahead("doctor", "--no-run", "--json").json
    assert found["problems"] == []
    assert found["steps"] == {}
    assert found["decoders"]["png"] is True


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "orjson":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(diagnostics.metadata, "version", without)
    monkeypatch.setattr(diagnostics, "find_spec", lambda name: None)
    done = gtahead("doctor")
    assert done.code == 4
    assert "problem: orjson is missing" in done.err
    assert "missing torch, torchvision, pytorch_lightning: pip install 'gtahead[train]'" in done.out
    assert done.out.endswith("gtahead doesn't work here\n")


def test_a_decoder_that_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    done = gtahead("doctor")
    assert done.code == 4
    assert "OpenCV can't read jpg here" in done.err


def test_little_room_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnostics, "MIN_FREE_BYTES", 10**18)
    monkeypatch.setattr(diagnostics, "MIN_MEMORY_BYTES", 10**18)
    found = diagnostics.doctor(run=False)
    assert found.exit_code == 0
    assert any("use --workers 1" in one for one in found.advice)
    assert any("free space, or work elsewhere" in one for one in found.advice)


def test_a_step_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    from gtahead.formats import exporting

    def broken(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting, "export", broken)
    found = diagnostics.doctor()
    assert found.exit_code == 4
    assert found.problems == ["export doesn't work: OSError: [Errno 28] No space left on device"]
