"""Folders that are written whole: where they lie, and what may be replaced there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gtahead import storage
from gtahead.dataset import ANNOTATING, WORK, Dataset
from gtahead.errors import InputError, UsageError, Where
from gtahead.publishing.releases import files_below, files_of
from gtahead.storage import system, targets

MADE_OF = "what is written and what it's made of"
"""How a message names a target and its source."""


def write_target(out: str | Path) -> Path:
    """Resolve the folder that a link or a relative path refers to.

    Raises:
        UsageError: the current folder, which can't be replaced, or no name.
    """
    if not str(out):
        raise UsageError("no folder is named", value="--out ''")
    target = Path(os.path.realpath(out))
    if target == Path.cwd() or target in Path.cwd().parents:
        raise UsageError(
            "the current folder can't be replaced", value=str(out), remedy="name a folder in it"
        )
    return target


@contextmanager
def new_dataset(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder beside `target`; what is made there as `dataset` is renamed at the end.

    What is downloaded into the folder stays where the network or the disk fails, so that the next
    run goes on.

    Raises:
        InputError: something else stands at `target`.
        ResourceError: disk, rights, or another run with the same target.
    """
    with storage.naming_os_errors(target), targets.locked(target, resumes=True):
        _refuse(target, overwrite=overwrite)
        with targets.working_folder(target, resumes=True) as part:
            made = part / "dataset"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            try:
                yield part
                _sync(made)
                _refuse(target, overwrite=overwrite)  # somebody may have put something there
                targets.replace(made, target)
            finally:
                shutil.rmtree(made, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in (folder, folder / "heads", folder / "images"):
        if path.is_dir():
            system.sync_folder(path)


def _refuse(target: Path, *, overwrite: bool) -> None:
    """Refuse to overwrite anything but a dataset that has no other files in it."""
    location = Where(str(target))
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError("the dataset's path is a file", where=location, remedy="remove it")
    names = sorted(path.name for path in target.iterdir() if path.name != targets.LOCK)
    if not names:
        return
    foreign = InputError(
        "the folder holds something that isn't a finished gtahead dataset",
        where=location,
        value=names[0],
        remedy="choose an empty folder for --out",
    )
    if any((target / name).is_dir() for name in (WORK, ANNOTATING)):
        raise foreign
    try:
        dataset = Dataset.open(target)
    except InputError as error:
        raise foreign from error
    if "release" in dataset.manifest.document:
        raise foreign
    if not overwrite:
        raise InputError(
            "there is already a dataset",
            where=location,
            remedy="add --overwrite to replace it, or choose another --out",
        )
    known = files_of(dataset)
    for name in files_below(target):
        if name not in known:
            raise InputError(
                "the dataset holds a file that isn't part of it",
                where=location,
                value=name,
                remedy="move it away: --overwrite removes datasets, nothing else",
            )
