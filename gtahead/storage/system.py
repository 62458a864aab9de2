"""What differs between Linux, macOS and Windows, each with a way that works everywhere.

Nothing else in gtahead asks for the system, or calls what one of them lacks.
"""

from __future__ import annotations

import ctypes
import errno
import io
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, TypeVar

AnyPath = TypeVar("AnyPath", bound=PurePath)

AT_FDCWD = -100
RENAME_EXCHANGE = 2
"""Linux's and macOS's flag (there `RENAME_SWAP`) for swapping two names."""

_CANT_LINK = (
    errno.EXDEV,
    errno.EPERM,
    errno.EMLINK,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
)
"""How file systems without hard links, and Windows' FAT, refuse one."""

_CANT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)


def exchange(one: Path, other: Path) -> bool:
    """Swap the names of two files or folders in one step, so that each name is always there.

    Returns:
        False where the system or the file system can't; nothing has changed then.

    Raises:
        OSError: it failed otherwise; `FileNotFoundError` where one of them isn't there.
    """
    names = os.fsencode(one), os.fsencode(other)
    if not hasattr(os, "O_DIRECTORY"):  # Windows has no library of the process itself
        return False
    library = ctypes.CDLL(None, use_errno=True)
    if hasattr(library, "renameat2"):
        result = library.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], RENAME_EXCHANGE)
    elif hasattr(library, "renamex_np"):
        result = library.renamex_np(*names, RENAME_EXCHANGE)
    else:
        return False
    if result == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANT_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where folders can be opened (not on Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a closed file's bytes durable."""
    # Windows only syncs what is open for writing; elsewhere, reading is all that it takes.
    descriptor = os.open(path, os.O_RDONLY if hasattr(os, "O_DIRECTORY") else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(source: Path, target: Path) -> bool:
    """Make a hard link.

    Returns:
        False where the two file systems can't; nothing has changed then.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _CANT_LINK:
            raise
        return False
    return True


def leads_elsewhere(path: Path) -> bool:
    """Return whether a path is a symbolic link, or a junction of Windows."""
    junction = getattr(os.path, "isjunction", None)  # from Python 3.12 on
    return path.is_symlink() or bool(junction and junction(path))


def boot_id() -> str:
    """Return what tells this start of this machine from all others, where the system says it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def is_running(process: int) -> bool:
    """Return whether a process is there; on Windows, where asking takes its rights, always true."""
    try:
        if sys.platform != "win32":
            os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        pass  # somebody else's
    return True


def in_order(paths: Iterable[AnyPath]) -> list[AnyPath]:
    """Sort paths the same everywhere: on Windows they sort themselves without regard to case.

    Example:
        >>> in_order([PurePath("a/b"), PurePath("B/a"), PurePath("a-b")])[0].as_posix()
        'B/a'
    """
    return sorted(paths, key=lambda path: path.parts)


def cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def start_method() -> str:
    """Return how worker processes start: from a fork server where there is one.

    A plain fork would copy the locks of native libraries' threads as they are, and could hang.
    """
    methods = multiprocessing.get_all_start_methods()
    return "forkserver" if "forkserver" in methods else "spawn"


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Block Ctrl-C for this thread, and for the processes that it starts, until the block ends.

    Windows has no such masks: there, a worker that is just starting may complain of a Ctrl-C.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    posix: Any = signal
    masked = posix.pthread_sigmask(posix.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        posix.pthread_sigmask(posix.SIG_SETMASK, masked)


def address_space() -> int | None:
    """Return the limit of this process's address space in bytes (`ulimit -v`); None without one."""
    limit = None
    if sys.platform != "win32":
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        limit = None if limit == resource.RLIM_INFINITY else limit
    return limit


def memory() -> int | None:
    """Return how many bytes of memory this machine has; None where the system doesn't say."""
    posix: Any = os
    try:
        return int(posix.sysconf("SC_PAGE_SIZE") * posix.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError, AttributeError):
        return None


def open_streams() -> None:
    """Open the streams that this process lacks, as a daemon does, on the null device.

    Else a file that is opened next would get a stream's number, and what libraries print would be
    written into it.
    """
    modes = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
    for name, mode in modes:
        stream = getattr(sys, name)
        if stream is None:
            stream = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - until the end
            setattr(sys, name, stream)
        elif name != "stdin" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # in any locale


def forget_warning_options() -> None:
    """Undo `-W error` and its like: they are for gtahead's tests, not for libraries' warnings.

    Worker processes don't inherit them either.
    """
    if sys.warnoptions:
        sys.warnoptions.clear()
        os.environ.pop("PYTHONWARNINGS", None)
        warnings.resetwarnings()
        warnings.simplefilter("ignore")


def kill_oneself(kind: str = "KILL") -> None:
    """End this process by a signal; by its one way to kill on Windows, which has no SIGKILL."""
    os.kill(os.getpid(), getattr(signal, f"SIG{kind}", signal.SIGTERM))
