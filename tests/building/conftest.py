"""Captures that the tests of building start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import make_sequence


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    """Four sequences at four locations."""
    root = tmp_path / "captures"
    root.mkdir()
    for name in ("a", "b", "c", "d"):
        make_sequence(root, name, split=None, location=name)
    return root
