"""Lists of images that say which split they are in: `train.txt`, `ImageSets/Main/val.txt`."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.images.reading import IMAGE_SUFFIXES
from gtahead.ingest.exports import listing_text
from gtahead.ingest.image_search import HOLDERS
from gtahead.tables.splits import SPLITS_BY_WORD

_FLAG = re.compile(r"\s+-?[01]$")
"""What VOC puts behind a name in the lists of its classes."""


def split_lists(folder: Path) -> list[tuple[Path, str]]:
    """Find the lists in a folder, each with its split; `trainval` is train where no train is."""
    found = {
        path: SPLITS_BY_WORD[path.stem.lower()]
        for path in sorted(folder.glob("*.txt"))
        if path.stem.lower() in SPLITS_BY_WORD and path.is_file()
    }
    both = folder / "trainval.txt"
    if both.is_file() and "train" not in found.values():
        found[both] = "train"
    return list(found.items())


def splits_in_lists(
    lists: Iterable[tuple[Path, str]], stems: Iterable[str], root: Path, findings: Findings
) -> Mapping[str, str]:
    """Read which images are in which split.

    Args:
        lists: with their splits.
        stems: of all images, as the dataset names them: paths without extension.
        root: of the dataset.
        findings: takes lines that name no image.

    Returns:
        Splits by stem.

    Raises:
        InputError: a list can't be read, or an image is in two splits.
    """
    known: dict[str, str | None] = {}
    for stem in stems:
        parts = stem.split("/")
        for first in range(len(parts)):
            end = "/".join(parts[first:])
            known[end] = stem if known.get(end, stem) == stem or first == 0 else None
    found: dict[str, str] = {}
    for path, split in lists:
        file = path.relative_to(root).as_posix()
        for number, line in enumerate(listing_text(path, root).splitlines(), 1):
            if not line.strip():
                continue
            where = Where(file, field=f"line {number}")
            named = _named(line.strip(), known)
            if named is None:
                findings.add("split-list-unmatched", where, line.strip())
            elif found.setdefault(named, split) != split:
                raise InputError(
                    "an image is listed in two splits",
                    where=where,
                    value=line.strip(),
                    remedy="take it out of one of the lists",
                )
    return found


def _named(line: str, known: Mapping[str, str | None]) -> str | None:
    """Return the image that a line names, by the longest end of its path that only one has.

    Names may have an extension or not, and what VOC or NWPU puts behind them.
    """
    for text in (line, _FLAG.sub("", line), line.split(maxsplit=1)[0]):
        path = posixpath.normpath(text.replace("\\", "/"))
        stem, extension = posixpath.splitext(path)
        names = (stem, path) if extension.lower() in IMAGE_SUFFIXES else (path,)
        for name in names:
            parts = name.split("/")
            ends = ("/".join(parts[first:]) for first in range(len(parts)))
            found = next((known[end] for end in ends if end in known), None)
            if found is not None and _agree(parts, found.split("/")):
                return found
    return None


def _agree(line: list[str], stem: list[str]) -> bool:
    """Return whether two paths can be one image's: what only one of them has says nothing."""
    alike = 0
    while alike < min(len(line), len(stem)) and line[-1 - alike] == stem[-1 - alike]:
        alike += 1
    if alike in (len(line), len(stem)):
        return True
    rest = [*line[: len(line) - alike], *stem[: len(stem) - alike]]
    return all(HOLDERS.fullmatch(part) or part in ("..", "/", "") for part in rest)
