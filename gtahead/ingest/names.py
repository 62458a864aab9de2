"""What sequences, frames and files may be called."""

from __future__ import annotations

import os
import re
from pathlib import Path

from gtahead import storage

MAX_NAME_BYTES = 200

_COMMANDING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]|^[=+@-]")
"""Characters that command a terminal or turn a line's direction, and what begins a formula."""


def can_name_a_sequence(name: str) -> bool:
    """Return whether a name is safe in file names, tables, pages and terminals.

    It leaves room for a suffix in the file system's 255 bytes and is valid Unicode; it has no
    control characters, and begins neither like a formula nor like a file being written.
    """
    try:
        fits = len(name.encode("utf-8")) <= MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False
    return fits and not name.startswith(storage.ASIDE) and not _COMMANDING.search(name)


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
