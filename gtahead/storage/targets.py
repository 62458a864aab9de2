"""The folder that a command writes: locked while the command works, and replaced in one step.

Beside a target, hidden, lies what belongs to it and to no other: its lock, the folder in which it
is made anew and, where the system can't swap two folders, for an instant the old one. A command
that is killed leaves them; the next one with the same target puts back the old one or clears them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from gtahead import storage
from gtahead.errors import InputError, ResourceError, UsageError, Where
from gtahead.storage import system

LOCK = ".lock"
"""The lock in a target, where nothing can be written beside it."""


def _beside(target: Path, ending: str = "") -> Path:
    target = Path(os.path.realpath(target))
    if not target.name:
        raise UsageError("the root can't be a target", value=str(target), remedy="name a folder")
    digest = hashlib.sha256(os.fsencode(os.path.normcase(target.name))).hexdigest()
    return target.with_name(f"{storage.BESIDE}{digest[:16]}{ending}")


def _lock_file(target: Path) -> Path:
    beside = _beside(target, ".lock")
    parent = beside.parent
    return beside if os.access(parent, os.W_OK) or not parent.exists() else target / LOCK


def lock_words(target: Path) -> bytes | None:
    """Return what the holder of a target's lock has left in it: pid and boot id, or None."""
    with suppress(OSError):
        return _lock_file(target).read_bytes()
    return None


@contextmanager
def locked(target: Path, *, wait: bool = False, resumes: bool = False) -> Iterator[None]:
    """Lock a target for this process alone, and clear what a killed run has left beside it.

    The system's file lock decides, so that a dead process never blocks its successor.

    Args:
        target: the folder that will be written; it needn't be there yet.
        wait: until another process lets it go, instead of raising.
        resumes: leave the folder in which a killed run has worked, to go on in it.

    Raises:
        ResourceError: another process holds it; the message gives its pid.
        OSError: the lock can't be made there.
    """
    file = _lock_file(target)
    made = _make_parents(file)
    lock = FileLock(file, timeout=-1 if wait else 0, thread_local=False)
    try:
        _acquire(lock, file)
    except Timeout as error:
        holder = (lock_words(target) or b"").decode(errors="replace").split()
        raise ResourceError(
            "another gtahead process is working on this target",
            where=Where(str(target)),
            value=f"pid {holder[0]}" if holder else "just started",
            remedy="wait until it ends, or choose another --out",
        ) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
    try:
        if type(lock) is FileLock:  # not its way without file locks, which has words of its own
            with suppress(OSError):  # on Windows, what is locked can't be written to
                file.write_text(f"{os.getpid()} {system.boot_id()}\n", encoding="ascii", newline="")
        _settle(target, resumes=resumes)
        yield
    finally:
        # Before it is released: whoever opened it meanwhile finds it gone, and starts anew.
        with suppress(OSError):
            file.unlink()
        lock.release()
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


def _acquire(lock: FileLock, file: Path) -> None:
    """Acquire a lock; once more where its holder has just gone.

    Raises:
        Timeout: another process holds it.
        OSError: no lock can be made there, which `filelock` takes for a holder.
    """
    for _ in range(2):
        try:
            lock.acquire()
        except Timeout:
            if file.exists():
                raise
        else:
            return
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))


def _make_parents(file: Path) -> list[Path]:
    """Make a file's folder; return those that were made, the innermost first."""
    new = [folder for folder in file.parents if not folder.exists()]
    storage.make_folder(file.parent)
    return new


def _settle(target: Path, *, resumes: bool) -> None:
    """Put back, or clear, what a killed run has left; the lock is held."""
    target, old = Path(os.path.realpath(target)), _beside(target, "-old")
    if old.exists():
        with suppress(OSError):
            target.rmdir()  # an empty one is nothing to lose
        if target.exists():
            clear(old)
        else:
            old.rename(target)
    if not resumes:
        clear(_beside(target))


def clear(folder: Path) -> None:
    """Remove a folder whole, folders in it that may not be written to as well; of a link, the link.

    Raises:
        OSError: it can't be removed.
    """
    if system.leads_elsewhere(folder):
        folder.unlink()
        return
    with suppress(FileNotFoundError):
        for inner in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            if not system.leads_elsewhere(inner):
                inner.chmod(0o700)
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Kind:
    """A kind of folder that a command writes whole, and may replace.

    Attributes:
        name: in a word.
        strange_in: given a folder, the names of files in it that don't belong to one of this kind;
            None where it isn't one.
        stays: what `--overwrite` leaves, for the message; empty for nothing.
    """

    name: str
    strange_in: Callable[[Path], Sequence[str] | None]
    stays: str = ""


@contextmanager
def replacing(
    target: Path, kind: Kind, *, overwrite: bool, made: str = "", resumes: bool = False
) -> Iterator[Path]:
    """Yield an empty folder beside a target; what is made there takes its place if all goes well.

    The target is locked meanwhile. It is there, whole, at every moment, or the next run puts it
    back; what isn't of the same kind is never replaced, nor what somebody puts there meanwhile.

    Args:
        target: the folder that will be written.
        kind: of what is written.
        overwrite: replace a folder of this kind.
        made: the folder in the one that is yielded that takes the target's place; all of it by
            default.
        resumes: whatever else was put there stays where the network or the disk fails or Ctrl-C
            comes, and the next run finds it.

    Raises:
        InputError: something else stands at the target, or one of this kind without `overwrite`.
        ResourceError: disk, rights, or another run with the same target.
    """
    place = Path(os.path.realpath(target))
    if place in (Path.cwd(), *Path.cwd().parents):
        raise UsageError(
            "the current folder can't be replaced", value=str(target), remedy="name a folder in it"
        )
    with storage.naming_os_errors(target), locked(target, resumes=resumes):
        _refuse(target, kind, overwrite=overwrite)
        with _working_folder(target, resumes=resumes) as part:
            if made:
                clear(part / made)
                (part / made).mkdir()
            try:
                yield part
                _refuse(target, kind, overwrite=overwrite)
                storage.replace_folder(part / made, place, _beside(place, "-old"))
            finally:
                if made:
                    shutil.rmtree(part / made, ignore_errors=True)


@contextmanager
def _working_folder(target: Path, *, resumes: bool) -> Iterator[Path]:
    part = _beside(target)
    if system.leads_elsewhere(part):
        part.unlink()
    part.mkdir(exist_ok=resumes)
    keep = False
    try:
        yield part
    except (ResourceError, OSError, KeyboardInterrupt):
        keep = resumes and any(part.iterdir())
        raise
    finally:
        if not keep:
            with suppress(OSError):  # the next run says that it can't
                clear(part)


def _refuse(target: Path, kind: Kind, *, overwrite: bool) -> None:
    """Refuse to replace anything but a folder of the same kind that has no other files in it."""
    location, name = Where(str(target)), kind.name
    if target.is_symlink() and not target.exists():
        remedy = "remove it, or choose another --out"
        raise InputError(f"the {name}'s path is a broken link", where=location, remedy=remedy)
    if not target.exists():
        return
    if not target.is_dir():
        raise InputError(f"the {name}'s path is a file", where=location, remedy="remove it")
    there = sorted(path.name for path in target.iterdir() if path.name != LOCK)
    if not there:
        return
    if not os.access(target, os.W_OK):  # who made it so wants it to stay
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
    strange = kind.strange_in(target)
    if strange is None:
        raise InputError(
            f"the folder holds something that isn't a finished gtahead {name}",
            where=location,
            value=there[0],
            remedy="choose an empty folder for --out",
        )
    if not overwrite:
        stays = f" ({kind.stays})" if kind.stays else ""
        raise InputError(
            f"there is already {'an' if name[0] in 'aeiou' else 'a'} {name}",
            where=location,
            remedy=f"add --overwrite to replace it{stays}, or choose another --out",
        )
    if strange:
        raise InputError(
            f"the {name} holds a file that isn't part of it",
            where=location,
            value=strange[0],
            remedy="move it away, or choose another --out",
        )


def refuse_links(target: Path, folders: tuple[str, ...]) -> None:
    """Refuse a target with inner folders that lead elsewhere, before anything is written.

    Args:
        target: the folder that will be written.
        folders: inner folders that are written, `*` for all in one.

    Raises:
        InputError: one of them is a link.
    """
    for pattern in folders:
        for path in target.glob(pattern):
            if system.leads_elsewhere(path):
                raise InputError(
                    "a folder in the target is a link: nothing is written outside of it",
                    where=Where(str(path)),
                    value=str(path.readlink()),
                    remedy="remove the link, or choose another --out",
                )
