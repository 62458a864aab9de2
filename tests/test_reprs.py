"""What results show of themselves in a shell: a line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gtahead as library


def test_results_show_a_line(tiny_dataset: Path, tmp_path: Path) -> None:
    shown = [
        library.info(tiny_dataset),
        library.validate(tiny_dataset, images="none"),
        library.stage(tiny_dataset, tmp_path / "r", repo="a/b", creator="x", workers=1),
        library.verify(tiny_dataset),
        library.diff(tiny_dataset, tiny_dataset),
        library.Dataset.open(tiny_dataset),
        library.Dataset.open(tiny_dataset)[0],
    ]
    for one in shown:
        assert len(repr(one)) < 700, type(one)
        assert "\n" not in repr(one)
    assert repr(shown[2]) == f"Release({str(tmp_path / 'r')!r}: 1.0.0 of a/b)"


def test_counts_show_a_line() -> None:
    pytest.importorskip("onnxruntime")
    found = library.count(np.zeros((64, 64, 3), np.uint8))
    assert repr(found) == "Counted(0 heads)"
