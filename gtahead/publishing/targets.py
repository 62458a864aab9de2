"""The folder that a pull or a rebuild writes: new or empty, or a data set that may be replaced."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gtahead import storage
from gtahead.building.target import is_ours
from gtahead.errors import InputError, ResourceError, Where
from gtahead.publishing.releases import is_release


@contextmanager
def new_dataset(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a folder beside `target` to make a data set in, as `dataset`; it's renamed at the end.

    What is downloaded into the folder stays where the network or the disk fails, so that the next
    run goes on.

    Raises:
        InputError: something else stands at `target`.
        ResourceError: disk, rights, or another run with the same target.
    """
    with storage.naming_os_errors(target):
        _refuse(target, overwrite=overwrite)
        part = target.absolute().with_name(f"{storage.ASIDE}{target.absolute().name}")
        storage.make_folder(part)
        with storage.locked(part):
            made = part / "dataset"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            keep = False
            try:
                yield part
                _sync(made)
                storage.replace_folder(made, target.absolute())
            except (ResourceError, KeyboardInterrupt):
                keep = True  # the next run goes on with what was downloaded
                raise
            finally:
                shutil.rmtree(made, ignore_errors=True)
                if not keep or all(path.name == ".lock" for path in part.iterdir()):
                    shutil.rmtree(part, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in (folder, folder / "heads", folder / "images"):
        if path.is_dir():
            storage.sync_folder(path)


def _refuse(target: Path, *, overwrite: bool) -> None:
    place = Where(str(target))
    if target.is_symlink() and not target.exists():
        raise InputError("a link to nowhere stands there", where=place, remedy="remove it")
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError("a file stands where the data set goes", where=place, remedy="remove it")
    if not any(target.iterdir()):
        return
    if not is_ours(target) or is_release(target):
        raise InputError(
            "the folder holds something that isn't a gtahead data set",
            where=place,
            value=min(path.name for path in target.iterdir()),
            remedy="choose an empty folder for --out",
        )
    if not overwrite:
        raise InputError(
            "a data set stands there already",
            where=place,
            remedy="add --overwrite to replace it, or choose another --out",
        )
