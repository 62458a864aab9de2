"""Units of work over a Dask cluster: workers on any machine that sees the same folders."""

from __future__ import annotations

import platform
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from gtahead._version import __version__
from gtahead.compiling import single_threaded
from gtahead.errors import ResourceError, Where
from gtahead.storage import targets

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")

PATIENCE_S = 30.0
"""How long a scheduler may take to answer, and a cluster without workers to get one."""


@dataclass(frozen=True)
class Crashed:
    """The result of a unit whose worker died each time it was tried."""


@dataclass(frozen=True)
class _Folder:
    """A folder that worker and caller must share.

    The lock's words tell whether it is the same one: each run that writes leaves its own.
    """

    path: Path
    lock: bytes | None

    @classmethod
    def seen_here(cls, path: Path) -> _Folder:
        path = path.absolute()
        return cls(path, targets.lock_words(path))

    def require_here(self) -> None:
        if not self.path.exists():
            problem = "a Dask worker doesn't see this folder"
        elif self.lock is not None and targets.lock_words(self.path) != self.lock:
            problem = "a Dask worker sees another folder under this path"
        else:
            return
        raise ResourceError(
            problem,
            where=Where(str(self.path)),
            value=f"worker on {platform.node()}",
            remedy="mount one shared folder at the same path on every machine",
        )


@dataclass(frozen=True)
class _Unit(Generic[Task, Result]):
    """A unit with what a worker needs to run it."""

    function: Callable[[Task], Result]
    task: Task
    folders: tuple[_Folder, ...]
    version: str

    def run(self) -> Result:
        if self.version != __version__:
            raise ResourceError(
                f"a Dask worker has gtahead {__version__}, this is {self.version}",
                value=f"worker on {platform.node()}",
                remedy="install the same version on every machine",
            )
        for folder in self.folders:
            folder.require_here()
        single_threaded()
        return self.function(self.task)


def run_on_cluster(
    function: Callable[[Task], Result],
    units: Sequence[tuple[str, Task]],
    scheduler: str,
    folders: Sequence[Path] = (),
) -> Generator[tuple[str, Result | Crashed], None, None]:
    """Run `function` on every unit and yield (key, result) as they end, in any order.

    If a unit's worker is lost, the scheduler runs the unit again on another one.

    Args:
        function: importable by name and idempotent; its tasks and results can be pickled.
        units: (key, task) pairs.
        scheduler: address, such as `tcp://host:8786`.
        folders: what workers read and write: checked on each before it works.

    Raises:
        ResourceError: Dask isn't installed, the scheduler doesn't answer or is lost, no worker
            comes, or a worker lacks gtahead, has another version or doesn't see a folder.
    """
    shared = tuple(_Folder.seen_here(path) for path in folders)
    client = _connected(scheduler)
    try:
        _require_workers(client, scheduler)
        executor = client.get_executor(pure=False)
        futures: dict[Future[Result], str] = {}
        for key, task in units:
            unit = _Unit(function, task, shared, __version__)
            futures[executor.submit(unit.run)] = key
        try:
            while futures:
                done, _ = wait(futures, return_when=FIRST_COMPLETED)
                for future in done:
                    key = futures.pop(future)
                    result = _result_of(future, scheduler)
                    yield key, result
        finally:
            for future in futures:
                future.cancel()
            executor.shutdown(wait=False)
    finally:
        client.close()


def _connected(scheduler: str) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise ResourceError(
            "--scheduler needs Dask", remedy="install it: pip install 'gtahead[scale]'"
        ) from error
    try:
        return Client(scheduler, timeout=PATIENCE_S)
    except (OSError, ValueError) as error:
        raise ResourceError(
            "the Dask scheduler doesn't answer",
            value=scheduler,
            remedy="start it with `dask scheduler`, and give its tcp:// address",
        ) from error


def _require_workers(client: Client, scheduler: str) -> None:
    try:
        client.wait_for_workers(1, timeout=PATIENCE_S)
    except OSError as error:  # a TimeoutError is one
        raise ResourceError(
            "the Dask cluster has no workers",
            value=scheduler,
            remedy=f"start some: `dask worker {scheduler}`, on machines that have gtahead",
        ) from error


def _result_of(future: Future[Result], scheduler: str) -> Result | Crashed:
    from distributed.scheduler import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return Crashed()
    except CancelledError as error:
        raise ResourceError(
            "the Dask scheduler is lost",
            value=scheduler,
            remedy="start it again, then run the same command: it goes on",
        ) from error
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "gtahead":
            raise
        raise ResourceError(
            "a Dask worker has no gtahead",
            value=error.name,
            remedy="install the same version on every machine",
        ) from error
