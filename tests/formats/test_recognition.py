"""Which format is it? Ours say so; other people's are reported by their looks."""

from __future__ import annotations

from pathlib import Path

import pytest

import gtahead
from gtahead.formats import FORMATS
from gtahead.readers import FORMAT_READERS, choose_reader

READ = list(FORMAT_READERS)


@pytest.mark.parametrize("name", READ)
def test_a_format_is_recognised_with_and_without_our_marks(
    small_dataset: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "out"
    gtahead.export(small_dataset, out, format=name, allow_lossy=True, workers=1)
    assert choose_reader(out)[0].name == name
    (out / "export.json").unlink()
    (out / "frames.csv").unlink(missing_ok=True)
    claims = {other for other, reader in FORMAT_READERS.items() if reader.recognise(out)}
    assert name in claims
    assert claims == {name}
    assert choose_reader(out, name)[0].name == name


def test_every_format_is_in_the_table_once() -> None:
    assert [one.name for one in FORMATS.values()] == list(FORMATS)
    assert all(one.layout and one.notes and one.checked_with for one in FORMATS.values())
    assert {name for name, one in FORMATS.items() if one.reader is None} == {"density", "heatmap"}
