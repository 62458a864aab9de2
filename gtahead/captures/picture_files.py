"""Pictures of a capture, found by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gtahead.errors import Where, printable
from gtahead.findings import EXAMPLES_KEPT, Finding, Findings
from gtahead.images.reading import PICTURE_SUFFIXES, PictureError, read_bytes, read_header

MOST_DIGITS = 18
_NUMBER = re.compile(r"(\d+)")


def numbered_pictures(folder: Path, name: re.Pattern[str] = _NUMBER) -> dict[int, Path]:
    """Find pictures whose stem is a number; of two with one number the shortest name is taken.

    Args:
        folder: which need not exist.
        name: of the stems, where the number is only a part of them: its first group.
    """
    found: dict[int, Path] = {}
    for path in _pictures_in(folder):
        number = _number_of(path, name)
        if number is not None:
            found.setdefault(number, path)
    return found


def note_strange_pictures(
    folder: Path, where: Where, findings: Findings, name: re.Pattern[str] = _NUMBER
) -> None:
    """Note pictures that `numbered_pictures` leaves: of another name, or of a number twice."""
    taken = set(numbered_pictures(folder, name).values())
    strange = [path for path in _pictures_in(folder) if path not in taken]
    examples = [
        Finding("picture-not-used", replace(where, file=f"{where.file}/{printable(path.name)}"))
        for path in strange[:EXAMPLES_KEPT]
    ]
    findings.add_many("picture-not-used", len(strange), examples)


def _pictures_in(folder: Path) -> list[Path]:
    """Give the pictures of a folder, the plainest names first."""
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
    return sorted(found, key=lambda path: (len(path.stem), path.name))


def _number_of(path: Path, name: re.Pattern[str]) -> int | None:
    match = name.fullmatch(path.stem)
    fine = match and len(match[1]) <= MOST_DIGITS and match[1].isascii()
    return int(match[1]) if match and fine else None


def common_size(pictures: Mapping[int, Path]) -> tuple[int, int] | None:
    """Give the size, as stored, that most of five pictures have, spread over the sequence.

    None where none of them has a readable header. The first picture alone would not do: tools are
    known to begin with a shot of another size.
    """
    paths = [path for _, path in sorted(pictures.items())]
    some = paths[:: max(1, len(paths) // 5)][:5]
    sizes: Counter[tuple[int, int]] = Counter()
    for path in some:
        try:
            sizes[read_header(read_bytes(path)).size_wh] += 1
        except PictureError:
            continue
    return sizes.most_common(1)[0][0] if sizes else None
