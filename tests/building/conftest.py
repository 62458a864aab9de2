"""Captures, and a dataset of them, that the tests of building start from: copies, to be damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import make_sequence

import gtahead as library


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with captures of four sequences at four locations, and their dataset, `target`."""
    folder = tmp_path_factory.mktemp("built-once")
    (folder / "captures").mkdir()
    for name in ("a", "b", "c", "d"):
        make_sequence(folder / "captures", name, split=None, location=name)
    library.build(folder / "captures", folder / "target", workers=1)
    return folder


@pytest.fixture
def captures(built_once: Path, tmp_path: Path) -> Path:
    """Four sequences at four locations."""
    return Path(shutil.copytree(built_once / "captures", tmp_path / "captures"))


@pytest.fixture
def built(built_once: Path, captures: Path) -> Path:
    """The dataset of these captures."""
    return Path(shutil.copytree(built_once / "target", captures.parent / "target", symlinks=True))
