"""Images of a dataset as files: its own, and nothing that a link brings in."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gtahead.errors import InputError, Where
from gtahead.storage import system

INNER = 2
"""Folders of a dataset above an image: its sequence's, and that of all images."""


def require_image(path: Path) -> int:
    """Return an image's size, if it is a file of the dataset's own.

    Raises:
        InputError: missing; or a link, as a file or as one of the dataset's folders above it, which
            could bring any file of this machine into what is made of the dataset.
    """
    try:
        about = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise missing_image(path) from error
    except OSError as error:
        raise InputError(
            "the image can't be read", where=Where(str(path)), value=error.strerror
        ) from error
    if not stat.S_ISREG(about.st_mode):
        raise InputError(
            "the image is a link or not a regular file",
            where=Where(str(path)),
            remedy="a dataset's images are files of its own: run its `gtahead build` again",
        )
    for folder in list(path.parents)[:INNER]:
        if system.leads_elsewhere(folder):
            raise InputError(
                "a folder of the dataset is a link",
                where=Where(str(folder)),
                value=str(folder.readlink()),
                remedy="a dataset's images are files of its own: run its `gtahead build` again",
            )
    return about.st_size


def missing_image(path: Path) -> InputError:
    """Return the error for an image of the dataset that isn't there."""
    return InputError(
        "the image is missing",
        where=Where(str(path)),
        remedy="the dataset is damaged: run its `gtahead build` again",
    )
