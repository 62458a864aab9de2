"""Units of work over an executor: in this process, a pool of processes, or a Dask cluster.

A unit is a picklable function call that may run twice, or twice at once, and still leaves one whole
result: then a dead worker costs its unit's time and nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from gtahead.compiling import THREAD_VARIABLES, single_threaded
from gtahead.errors import ResourceError, Where
from gtahead.parallel.dask import Crashed, run_on_cluster
from gtahead.storage import system

Task = TypeVar("Task")
Result = TypeVar("Result")

DEATHS_ALLOWED = 2
"""A unit whose worker dies this often is set aside."""


@dataclass
class _Pending(Generic[Task]):
    key: str
    task: Task
    deaths: int = 0


def default_workers() -> int:
    """Return the default number of workers: one per core that we may use, up to 4."""
    return min(system.cores(), 4)


def run_units(
    function: Callable[[Task], Result],
    units: Sequence[tuple[str, Task]],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    folders: Sequence[Path] = (),
) -> Generator[tuple[str, Result | Crashed], None, None]:
    """Run `function` on every unit and yield (key, result) as they end, in any order.

    Wrap the call in `contextlib.closing`: what stops the caller must stop the workers at once.

    Args:
        function: importable by name and idempotent; its tasks and results can be pickled.
        units: (key, task) pairs, in the order in which they should start.
        workers: processes on this machine; None for one per core, up to 4; 1 runs in this process.
            Unused with a scheduler.
        scheduler: address of a Dask scheduler, such as `tcp://host:8786`.
        folders: what units read and write; a scheduler's workers have to see them.

    Raises:
        Exception: whatever a unit raises ends the run; units in flight are abandoned.
        ResourceError: the scheduler or its workers won't do; see `run_on_cluster`.
    """
    if scheduler is not None:
        yield from run_on_cluster(function, units, scheduler, folders)
        return
    workers = workers or default_workers()
    if workers <= 1 or not units:
        for key, task in units:
            yield key, function(task)
    else:
        yield from _run_in_pool(function, units, workers)


def run_all(
    function: Callable[[Task], Result],
    units: Sequence[tuple[str, Task]],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    folders: Sequence[Path] = (),
) -> Generator[tuple[str, Result], None, None]:
    """Run `function` on every unit as `run_units` does; a unit that can't be run is an error.

    Args:
        function: as for `run_units`.
        units: (key, task) pairs; keys are names of sequences.
        workers: as for `run_units`.
        scheduler: address of a Dask scheduler.
        folders: what units read and write; a scheduler's workers have to see them.

    Raises:
        ResourceError: a unit killed its worker twice; or as `run_units` does.
    """
    results = run_units(function, units, workers=workers, scheduler=scheduler, folders=folders)
    with closing(results):
        for key, result in results:
            if isinstance(result, Crashed):
                raise ResourceError(
                    "the worker of a sequence died twice",
                    where=Where(sequence=key),
                    remedy="out of memory is the usual cause: use fewer --workers",
                )
            yield key, result


class _Lifeline(Protocol):
    """What a connection is here, of whatever kind the system has."""

    def recv(self) -> object: ...


def _die_with_parent(lifeline: _Lifeline) -> None:
    """Wait until the main process closes its end or dies, then exit."""
    with suppress(EOFError, OSError):
        lifeline.recv()
    os._exit(1)


def _prepare_worker(lifeline: _Lifeline) -> None:
    """Set up a worker process: one thread, deaf to Ctrl-C, ending with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides what Ctrl-C means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    single_threaded()
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Keep new workers from importing the user's script, which would run it a second time.

    multiprocessing imports the main module into every worker, so that scripts need an
    `if __name__ == "__main__"` guard, and code from stdin fails. Our units don't live there.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block ends.

    A mask wouldn't do: a native library's thread would take the signal, and Python would still
    interrupt the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is ever interrupted
        return
    came: list[int] = []
    stopping = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _: came.append(number)) for number in stopping]
    try:
        yield
    finally:
        for number, handler in zip(stopping, before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for waiting in came:
            signal.raise_signal(waiting)


@contextmanager
def _as_workers_begin() -> Iterator[None]:
    """Start processes with one native thread and deaf to Ctrl-C, from their first instant on.

    The fork server is the first of them. It imports what the units need, and its workers, which are
    forked from it, inherit that: a library's threads wouldn't survive the fork, and an interrupted
    import would print a traceback.
    """
    unset = [name for name in THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(unset, "1"))
    try:
        with system.interrupts_blocked():
            yield
    finally:
        for name in unset:
            del os.environ[name]


class _Pool:
    """A process pool whose workers end as soon as it is closed, whatever they are doing."""

    def __init__(self, workers: int, module: str) -> None:
        """Make a pool for units whose function is defined in `module`."""
        context = multiprocessing.get_context(system.start_method())
        context.set_forkserver_preload([module])  # without a fork server, of no effect
        lifeline, self._held = context.Pipe(duplex=False)
        self.executor = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_prepare_worker, initargs=(lifeline,)
        )

    def submit(self, function: Callable[[Task], Result], task: Task) -> Future[Result]:
        """Submit a unit; as this may start a worker, signals are held back.

        Raises:
            BrokenProcessPool: a worker died.
        """
        with _signals_held_back(), _no_main_module(), _as_workers_begin():
            try:
                return self.executor.submit(function, task)
            except (OSError, ValueError) as error:
                # A worker died just now, and the executor's thread closed its queues meanwhile.
                if getattr(self.executor, "_broken", False):
                    raise BrokenProcessPool("a worker died") from error
                raise

    def close(self) -> None:
        """End all workers at once: what they work on isn't wanted any more, or they are idle.

        Idle ones aren't asked to go: one that died meanwhile holds the lock on what they are asked
        through, and the executor would wait for ever.
        """
        # One that is just starting doesn't watch its lifeline yet, and would complain on stderr of
        # all that is gone. Python 3.14 has `kill_workers` for this.
        for process in list((getattr(self.executor, "_processes", None) or {}).values()):
            process.kill()
        self._held.close()
        self.executor.shutdown(wait=False, cancel_futures=True)


def _run_in_pool(
    function: Callable[[Task], Result], units: Sequence[tuple[str, Task]], workers: int
) -> Generator[tuple[str, Result | Crashed], None, None]:
    """Keep exactly `workers` units in flight, so that a broken pool has few suspects.

    A death breaks the whole pool. The units that were in flight then run one at a time: who kills
    its worker alone is the culprit, the others finish.
    """
    waiting = deque(_Pending(key, task) for key, task in units)
    suspects: deque[_Pending[Task]] = deque()
    flying: dict[Future[Result], _Pending[Task]] = {}
    pool = _Pool(min(workers, len(units)), function.__module__)
    try:
        while waiting or suspects or flying:
            broken = False
            alone = bool(suspects) or any(unit.deaths for unit in flying.values())
            queue = suspects if suspects else waiting
            while queue and not broken and len(flying) < (1 if alone else workers):
                try:
                    flying[pool.submit(function, queue[0].task)] = queue[0]
                    queue.popleft()
                except BrokenProcessPool:  # an idle worker died: nobody's unit is to blame
                    broken = True
            done, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in done:
                unit = flying.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    broken = True
                    unit.deaths += 1
                    if unit.deaths >= DEATHS_ALLOWED:
                        yield unit.key, Crashed()
                    else:
                        suspects.append(unit)
                else:
                    yield unit.key, result
            if broken:
                for unit in flying.values():
                    unit.deaths += 1
                suspects.extend(flying.values())
                flying.clear()
                pool.close()
                pool = _Pool(min(workers, len(units)), function.__module__)
    finally:
        pool.close()
