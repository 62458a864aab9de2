"""Images that are to be looked at: one, or all of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gtahead.errors import InputError, UsageError, Where
from gtahead.images.reading import IMAGE_SUFFIXES


@dataclass(frozen=True)
class WantedImage:
    """An image to look at; its size where it is known."""

    name: str
    path: Path
    size_wh: tuple[int, int] | None = None


def images_below(root: Path) -> Sequence[WantedImage]:
    """Return an image, or all of a folder, named by their paths in it.

    Raises:
        InputError: there is no such image or folder.
        UsageError: no image is in it.
    """
    folder = root if root.is_dir() else root.parent
    return [WantedImage(file.relative_to(folder).as_posix(), file) for file in _files(root)]


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError("there is no such image or folder", where=Where(str(root)))
    files = sorted(
        path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
    )
    if not files:
        raise UsageError(
            "no images there", value=str(root), remedy=f"known: {', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    return files
