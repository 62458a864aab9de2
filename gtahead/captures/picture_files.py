"""Pictures of a capture, found by their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from gtahead.pictures import PICTURE_SUFFIXES, PictureError, read_header

MOST_DIGITS = 12
_NUMBER = re.compile(r"(\d+)")


def numbered_pictures(folder: Path, name: re.Pattern[str] = _NUMBER) -> dict[int, Path]:
    """Find pictures whose stem is a number; of two with one number the first by name is taken.

    Args:
        folder: which need not exist.
        name: of the stems, where the number is only a part of them: its first group.
    """
    if not folder.is_dir():
        return {}
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        match = name.fullmatch(path.stem) if path.suffix.lower() in PICTURE_SUFFIXES else None
        if match and len(match[1]) <= MOST_DIGITS and match[1].isascii():
            found.setdefault(int(match[1]), path)
    return found


def common_size(pictures: Mapping[int, Path]) -> tuple[int, int] | None:
    """Give the size that most of five pictures have, spread over the sequence.

    None where none of them has a readable header. The first picture alone would not do: tools are
    known to begin with a shot of another size.
    """
    paths = [path for _, path in sorted(pictures.items())]
    some = paths[:: max(1, len(paths) // 5)][:5]
    sizes: Counter[tuple[int, int]] = Counter()
    for path in some:
        try:
            sizes[read_header(path.read_bytes()).upright_wh] += 1
        except (OSError, PictureError):
            continue
    return sizes.most_common(1)[0][0] if sizes else None
