"""`verify`: bytes against the manifest's hashes."""

from __future__ import annotations

import shutil
from pathlib import Path

from helpers import gtahead


def spoil(path: Path) -> None:
    """Change one bit of a file, and of nobody's that is linked to it."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(bytes(data))


def test_a_copy_that_is_whole(tiny_dataset: Path, staged: Path) -> None:
    done = gtahead("verify", tiny_dataset)
    assert done.code == 0
    assert "a dataset, 64 files" in done.out
    done = gtahead("verify", staged, "--json")
    assert done.code == 0
    assert done.json["files"] == 17


def test_a_copy_that_is_not(tiny_dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_dataset, copy)
    spoil(copy / "images" / "seq_02" / "000003.jpg")
    (copy / "images" / "seq_03" / "000001.jpg").unlink()
    (copy / "images" / "seq_03" / "thumbs.db").write_text("x")
    spoil(copy / "heads" / "seq_01.parquet")
    (copy / "heads" / "seq_04.parquet").unlink()
    done = gtahead("verify", copy)
    assert done.code == 1
    for line in (
        "images/seq_02/000003.jpg > sequence seq_02 > frame 000003: the image isn't the one",
        "images/seq_03/000001.jpg > sequence seq_03 > frame 000001: the image doesn't exist",
        "heads/seq_01.parquet: the file isn't the one that the manifest names",
        "heads/seq_04.parquet: a table that the manifest names isn't there",
        "images/seq_03/thumbs.db",
    ):
        assert line in done.err


def test_a_table_of_frames_that_is_gone_or_damaged(tiny_dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_dataset, copy)
    table = copy / "frames.parquet"
    data = table.read_bytes()
    table.unlink()
    done = gtahead("verify", copy)
    assert done.code == 1
    assert "frames.parquet" in done.err
    table.write_bytes(data[: len(data) // 2])
    done = gtahead("verify", copy)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert gtahead("verify", tmp_path / "nothing").code == 1
