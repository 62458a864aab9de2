"""Folders that are written whole: where they lie, and what may be replaced there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gtahead.dataset import ANNOTATING, WORK, Dataset
from gtahead.errors import InputError
from gtahead.publishing.releases import files_below, files_of
from gtahead.storage import system, targets

MADE_OF = "what is written and what it's made of"
"""How a message names a target and its source."""


@contextmanager
def new_dataset(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder beside `target`; what is made there as `dataset` is renamed at the end.

    What is downloaded into the folder stays where the network or the disk fails, so that the next
    run goes on.

    Raises:
        InputError: something else stands at `target`.
        ResourceError: disk, rights, or another run with the same target.
    """
    with targets.replacing(
        target, DATASET, overwrite=overwrite, made="dataset", resumes=True
    ) as part:
        yield part
        _sync(part / "dataset")


def _sync(folder: Path) -> None:
    for path in (folder, folder / "heads", folder / "images"):
        if path.is_dir():
            system.sync_folder(path)


def _strange_in(folder: Path) -> list[str] | None:
    if any((folder / name).is_dir() for name in (WORK, ANNOTATING)):
        return None
    try:
        dataset = Dataset.open(folder)
    except InputError:
        return None
    if "release" in dataset.manifest.document:
        return None
    own = files_of(dataset)
    return [name for name in files_below(folder) if name not in own]


DATASET = targets.Kind("dataset", _strange_in)
