"""Images of a capture, found by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gtahead.errors import Where, printable
from gtahead.findings import Findings
from gtahead.images.reading import IMAGE_SUFFIXES, ImageError, read_bytes, read_header

MAX_DIGITS = 18
_NUMBER = re.compile(r"(\d+)")


def numbered_images(folder: Path, name: re.Pattern[str] = _NUMBER) -> dict[int, Path]:
    """Find images whose stem is a number; of several with the same one, take the shortest name.

    Args:
        folder: which need not exist.
        name: of the stems, where the number is only a part of them: its first group.
    """
    found: dict[int, Path] = {}
    for path in _images_in(folder):
        number = _number_of(path, name)
        if number is not None:
            found.setdefault(number, path)
    return found


def note_strange_images(
    folder: Path, where: Where, findings: Findings, name: re.Pattern[str] = _NUMBER
) -> None:
    """Note images that `numbered_images` skips: other names, and repeated numbers."""
    taken = set(numbered_images(folder, name).values())
    strange = [path for path in _images_in(folder) if path not in taken]
    findings.add_each(
        "image-not-used",
        strange,
        lambda path: replace(where, file=f"{where.file}/{printable(path.name)}"),
    )


def _images_in(folder: Path) -> list[Path]:
    """Return the images of a folder, the shortest names first."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES]
    return sorted(found, key=lambda path: (len(path.stem), path.name))


def _number_of(path: Path, name: re.Pattern[str]) -> int | None:
    match = name.fullmatch(path.stem)
    fine = match and len(match[1]) <= MAX_DIGITS and match[1].isascii()
    return int(match[1]) if match and fine else None


def common_size(images: Mapping[int, Path]) -> tuple[int, int] | None:
    """Return the most common stored size of five images spread over the sequence.

    None where none of them has a readable header. The first image alone would not do: tools are
    known to begin with a shot of another size.
    """
    paths = [path for _, path in sorted(images.items())]
    some = paths[:: max(1, len(paths) // 5)][:5]
    sizes: Counter[tuple[int, int]] = Counter()
    for path in some:
        try:
            sizes[read_header(read_bytes(path)).size_wh] += 1
        except ImageError:
            continue
    return sizes.most_common(1)[0][0] if sizes else None
