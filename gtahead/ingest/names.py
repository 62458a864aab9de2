"""What sequences, frames and files may be called."""

from __future__ import annotations

import os
from pathlib import Path

from gtahead import storage


def folders_in(root: Path) -> list[Path]:
    """Return the folders of a capture, sorted, without hidden ones and those being written."""
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def frame_name(number: int) -> str:
    """Name a frame by its number: six digits, more where it needs them.

    Example:
        >>> frame_name(120)
        '000120'
    """
    return f"{number:06d}"


def is_safe_name(file: str) -> bool:
    """Return whether a dataset may name this file: relative, below its folder, and not too long."""
    short = all(len(os.fsencode(part)) < 256 for part in file.split("/"))
    return short and len(file) < 4096 and "\0" not in file and storage.is_safe_relative(file)
