"""Files that are either whole or not there: written aside, synced, renamed.

Every function here survives `kill -9` at any moment: what has its final name is complete.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from gtahead.errors import InputError, ResourceError, UsageError, Where
from gtahead.storage import system

ASIDE = ".part-"
"""Prefix of what is being written; nobody reads it, and the next run removes it."""

BESIDE = ".gtahead-"
"""Prefix of what lies beside a target; see `targets`."""

_CRASH_AT = "GTAHEAD_CRASH_AT"


class Written:
    """The report of what was written, which stands for its path: `build(simulate("captures"))`.

    Attributes:
        out: path of what was written.
    """

    out: Path

    def __fspath__(self) -> str:
        return str(self.out)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.out)!r})"


def crash_point(name: str) -> None:
    """Die here if a test asks for it: the fault tests' only hook.

    The variable `GTAHEAD_CRASH_AT` holds `point`, `point:SIGNAL` or `point:SIGNAL@FILE`; the signal
    is KILL by default. With a file, only the process that manages to create it gets the signal.
    """
    wanted = os.environ.get(_CRASH_AT)
    if not wanted:
        return
    point, _, once = wanted.partition("@")
    point, _, kind = point.partition(":")
    if point != name:
        return
    if once:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return
    system.kill_oneself(kind or "KILL")


def aside_name(target: Path) -> Path:
    """Return a fresh name beside `target`; short, so that long names don't grow past the limit."""
    return target.with_name(f"{ASIDE}{os.getpid()}-{secrets.token_hex(6)}")


_waiting: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("_waiting", default=None)
"""Within `together`: files that are written, and the names that they will get."""


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Yield a path to write to, which is renamed to `target` if the block succeeds.

    The file is synced before it is renamed, the folder after. Where the block fails, what was
    written is removed and an older `target` stays as it was.
    """
    part = aside_name(target)
    waiting = _waiting.get()
    try:
        yield part
        system.sync_file(part)
        if waiting is None:
            part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if waiting is None:
        system.sync_folder(target.parent)
    else:
        waiting.append((part, target))


@contextmanager
def together() -> Iterator[None]:
    """Rename the files that are replaced in the block at its end, one right after the other.

    So those that belong together are all the old ones or all the new ones, unless a kill comes
    between two renames: then each is whole, and the next run replaces them all.
    """
    waiting: list[tuple[Path, Path]] = []
    token = _waiting.set(waiting)
    try:
        yield
        for part, target in waiting:
            part.replace(target)
            crash_point("one-replaced")
        for folder in {target.parent for _, target in waiting}:
            system.sync_folder(folder)
    finally:
        _waiting.reset(token)
        for part, _ in waiting:
            part.unlink(missing_ok=True)


def write_bytes(target: Path, data: bytes) -> None:
    """Write a small file whole."""
    with replacing(target) as part:
        part.write_bytes(data)


def json_bytes(document: Any) -> bytes:  # noqa: ANN401 - JSON is any of its types
    """Return a document as gtahead writes JSON: UTF-8, LF, no NaN, keys as given."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
    # Names of files that aren't UTF-8 hold lone surrogates: JSON has an escape for them.
    return (text + "\n").encode("utf-8", "backslashreplace")


def write_json(target: Path, document: Any) -> None:  # noqa: ANN401 - JSON is any of its types
    """Write a JSON file whole."""
    write_bytes(target, json_bytes(document))


def replace_folder(part: Path, target: Path, old: Path | None = None) -> None:
    """Rename the folder `part` to `target`, replacing an older folder there.

    Where the system can, the two swap their names in one step. Elsewhere the older one is renamed
    to `old` first: a kill in between leaves `old` and no `target`.

    Args:
        part: what was made, in the same folder or one of the same file system.
        target: its name.
        old: name of the older folder meanwhile; a fresh one beside it by default.
    """
    aside = aside_name(target) if old is None else old
    while True:
        try:
            part.rename(target)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        with suppress(FileNotFoundError):  # another worker of the same unit was quicker
            if system.exchange(part, target):
                break
            target.rename(aside)
            crash_point("old-aside")
    crash_point("replaced")
    system.sync_folder(target.parent)
    for older in (part, aside):
        shutil.rmtree(older, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder whole: a kill in between leaves no half of it under its name."""
    old = aside_name(folder)
    with suppress(FileNotFoundError):
        folder.rename(old)
        shutil.rmtree(old, ignore_errors=True)


def link_or_copy(source: Path, target: Path, *, link: bool) -> bool:
    """Put a file at `target` by hard link, or by a synced copy where that isn't possible.

    Returns:
        Whether it was linked. A linked file is shared with its owner: never open it for writing.
    """
    # A hard link to a symbolic link would be one itself: link what it points to.
    if link and system.link(source.resolve(), target):
        return True
    shutil.copyfile(source, target)
    system.sync_file(target)
    return False


def require_regular(path: Path) -> int:
    """Return the size of a regular file; refuse others, as reading a pipe would block.

    Raises:
        OSError: it isn't there, or is something else.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        kind = "a folder" if stat.S_ISDIR(about.st_mode) else "not a regular file"
        raise OSError(errno.EINVAL, kind, str(path))
    return about.st_size


def read_bytes(path: Path) -> bytes:
    """Read a regular file whole.

    Raises:
        OSError: it can't be read, or is no regular file.
    """
    require_regular(path)
    return path.read_bytes()


def special_file_in(root: Path) -> Path | None:
    """Find a pipe, device or socket below a folder, links followed; None where there is none."""
    seen: set[tuple[int, int]] = set()
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            about = folder.stat()
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            entries = list(os.scandir(folder))
        except OSError:
            continue  # who reads it says what is wrong
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                continue
            with suppress(OSError):
                if entry.is_dir():
                    waiting.append(Path(entry.path))
                elif entry.is_symlink():
                    mode = os.stat(entry.path).st_mode  # noqa: PTH116 - many of them
                    if not stat.S_ISREG(mode):
                        return Path(entry.path)
                else:
                    return Path(entry.path)
    return None


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed run left half-written directly inside a folder."""
    for path in folder.glob(ASIDE + "*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Hash a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def csv_cell(value: object) -> object:
    """Put a ' before a text that a spreadsheet would take for a formula; it isn't shown there.

    Example:
        >>> csv_cell("=1+1"), csv_cell("rain"), csv_cell(-1.5)
        ("'=1+1", 'rain', -1.5)
    """
    odd = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if odd else value


_SCHEME_OR_DRIVE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")


def is_safe_relative(name: str) -> bool:
    """Return whether a path named inside data stays below the folder that it is relative to.

    Refused are absolute paths, `..`, backslashes, drives, schemes, empty names and NUL.
    """
    if not name or "\0" in name or "\\" in name or _SCHEME_OR_DRIVE.match(name):
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.parts != ()


MAX_NAME_BYTES = 200

_COMMANDING = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]|^[=+@-]"
)
"""What commands a terminal, turns a line's direction or isn't seen, and what begins a formula."""

_NOT_ON_WINDOWS = re.compile(
    r"""[<>:"/\\|?*]|[. ]$|^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)""", re.IGNORECASE
)
"""What no file's name may hold, end with or be on Windows (Microsoft, "Naming Files, Paths, and
Namespaces")."""


def can_name(name: str) -> bool:
    """Return whether a sequence or a frame may have this name, and so the files named after it.

    The one rule, for reading, building and opening: safe in file names of every system, in tables,
    pages and terminals, and neither like a formula nor like a file being written. It leaves room
    for a suffix in the file system's 255 bytes.

    Example:
        >>> can_name("cam 1"), can_name("cam:1"), can_name("a/b"), can_name("aux.v2"), can_name("")
        (True, False, False, False, False)
    """
    try:
        fits = 0 < len(name.encode("utf-8")) <= MAX_NAME_BYTES
    except UnicodeEncodeError:
        return False
    odd = _COMMANDING.search(name) or _NOT_ON_WINDOWS.search(name)
    return fits and not odd and not name.startswith((ASIDE, BESIDE))


def shortened(name: str, most: int) -> str:
    """Return a name of at most `most` bytes: what is longer ends in a digest of the whole.

    Example:
        >>> shortened("plaza", 40), shortened("plaza" * 10, 40)
        ('plaza', 'plazaplazaplazaplazaplazapl~3f314dc64233')
    """
    whole = name.encode("utf-8", "surrogatepass")
    if len(whole) <= most:
        return name
    begin = whole[: most - 13].decode(errors="ignore")
    return f"{begin}~{hashlib.sha256(whole).hexdigest()[:12]}"


def folded_name(name: str) -> str:
    """Return what is the same for names that some system takes for one: by case, or by accents.

    Example:
        >>> folded_name("Caf\u00e9") == folded_name("cafe\u0301")
        True
    """
    return unicodedata.normalize("NFC", name.casefold())


@contextmanager
def naming_os_errors(target: Path, sequence: str | None = None) -> Iterator[None]:
    """Turn errors of the system (a full disk, a missing right) into one with its location.

    Raises:
        ResourceError: for any OSError inside the block.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        named = error.filename2 if full else None  # the copy, not what was copied
        raise ResourceError(
            "a file can't be read or written",
            where=Where(str(named or error.filename or target), sequence),
            value=error.strerror or str(error),
            remedy="free space or fix the permissions, then run the same command: it goes on",
        ) from error


def prepare_file(path: Path, what: str, apart: Iterable[object] = ()) -> None:
    """Check, before the work, whether a file can be written; clear what killed runs left of it.

    Args:
        path: of the file.
        what: it is, with its article.
        apart: what is read, and what else is written: files, which mustn't be this one, or folders:
            no file of theirs is written over, unless gtahead wrote it, and none is written into a
            dataset. Paths or `file://` URLs; anything else is passed over.

    Raises:
        InputError: there is no folder for it; a folder, a pipe or a device of that name.
        UsageError: it would be written over what is read, or over another file of the same run.
    """
    refuse_overwriting(path, what, apart)
    if not path.absolute().parent.is_dir():
        raise InputError(
            f"no such folder for {what}",
            where=Where(str(path)),
            remedy="make the folder, or give another path",
        )
    if path.is_dir():
        remedy = "name a file in it"
        raise InputError(f"{what} can't be a folder", where=Where(str(path)), remedy=remedy)
    if path.exists() and not path.is_file():
        raise InputError(
            f"{what} can't take the place of a pipe or device",
            where=Where(str(path)),
            remedy="name a file; without --out, most commands print what they found",
        )
    for left in path.parent.glob(ASIDE + "*-*"):
        process = left.name.removeprefix(ASIDE).partition("-")[0]
        if process.isdigit() and left.is_file() and not system.is_running(int(process)):
            with suppress(OSError):
                left.unlink()


def _is_ours(path: Path) -> bool:
    """Return whether a file is a page or a result that gtahead wrote, and may write again."""
    with path.open("rb") as file:
        begin = file.read(4096).lstrip()
    mark = b'name="generator" content="gtahead"'
    page = begin[:15].lower() == b"<!doctype html>" and mark in begin
    return page or (begin[:1] == b"{" and b'"gtahead-' in begin[:200])


OF_DATASETS = "manifest.json"
"""The file by which a folder is known to be a dataset, or a release."""


def refuse_overwriting(path: Path, what: str, apart: Iterable[object]) -> None:
    """Refuse to write over what is needed, or into it; arguments as of `prepare_file`.

    Raises:
        UsageError: it would be.
    """
    mine = Path(os.path.realpath(path))
    for one in apart:
        if not isinstance(one, str | os.PathLike):
            continue
        name = os.fspath(one)
        if name.startswith("file://"):
            name = url2pathname(urlsplit(name).path)
        elif "://" in name:
            continue
        other = Path(os.path.realpath(name))
        inside = other in mine.parents and (
            (other / OF_DATASETS).is_file() or (mine.is_file() and not _is_ours(mine))
        )
        if other == mine or inside:
            raise UsageError(
                f"{what} would be written {'into' if inside else 'over'} something that is needed",
                where=Where(str(path)),
                value=str(one),
                remedy="give it another name",
            )


def make_folder(path: Path) -> None:
    """Create a folder and its parents.

    Raises:
        InputError: a file stands there.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            "the path is a file, not a folder", where=Where(str(path)), remedy="choose another path"
        ) from error


def read_input(path: Path, name: str | None = None, *, most: int = -1) -> bytes:
    """Read a file that a user gave.

    Args:
        path: of the file.
        name: of the file in messages; its path by default.
        most: bytes that are read; -1 for all.

    Raises:
        InputError: it can't be read.
    """
    try:
        require_regular(path)
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(
            "the file can't be read",
            where=Where(name or str(path)),
            value=error.strerror or str(error),
            remedy="check its name and permissions",
        ) from error


def refuse_overlap(target: Path, source: Path, what: str) -> None:
    """Refuse a target that is its own source, or lies inside or around it.

    Args:
        target: the folder to be written.
        source: the folder that is read.
        what: both of them, as the message names them.

    Raises:
        UsageError: it is.
    """
    here, there = Path(os.path.realpath(target)), Path(os.path.realpath(source))
    if here == there or there in here.parents or here in there.parents:
        raise UsageError(
            f"{what} can't lie inside each other",
            where=Where(str(target)),
            remedy="choose another --out",
        )
