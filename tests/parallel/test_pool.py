from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from helpers import but_slow, make_sequence
from units import UNITS, die, fail_on_three, square

from gtahead.errors import InputError
from gtahead.parallel import pool
from gtahead.parallel.dask import Crashed
from gtahead.parallel.pool import default_workers


@pytest.mark.parametrize("workers", [1, 2])
def test_every_unit_gives_its_result(workers: int) -> None:
    assert dict(pool.run_units(square, UNITS, workers=workers)) == {
        str(number): number * number for number in range(7)
    }
    assert list(pool.run_units(square, [], workers=workers)) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_ends_the_run_and_arrives_whole(workers: int) -> None:
    with pytest.raises(InputError, match="three is wrong"):
        list(pool.run_units(fail_on_three, UNITS, workers=workers))


def test_a_worker_that_dies_once_costs_nothing(tmp_path: Path) -> None:
    units = [(str(n), (n, str(tmp_path / "died") if n == 2 else "")) for n in range(6)]
    assert dict(pool.run_units(die, units, workers=2)) == {str(n): n for n in range(6)}
    assert (tmp_path / "died").exists()


def test_a_unit_that_always_kills_is_set_aside_and_others_finish() -> None:
    units = [(str(n), (n, "always" if n in (1, 4) else "")) for n in range(6)]
    found = dict(pool.run_units(die, units, workers=2))
    assert {key for key, value in found.items() if isinstance(value, Crashed)} == {"1", "4"}
    assert {key: value for key, value in found.items() if not isinstance(value, Crashed)} == {
        str(n): n for n in (0, 2, 3, 5)
    }


def test_a_worker_that_dies_while_the_next_one_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The executor's own thread then closes the queues that the new process would inherit."""
    one = pool._Pool(2, square.__module__)
    start = one.executor._adjust_process_count

    def break_and_start() -> None:
        monkeypatch.setattr(one.executor, "_broken", "a worker died")
        one.executor._call_queue._reader.close()
        start()

    monkeypatch.setattr(one.executor, "_adjust_process_count", break_and_start)
    with pytest.raises(BrokenProcessPool):
        one.submit(square, 1)
    one.close()


class Breaking:
    """A pool that breaks under its first two units, and then counts how many run at once."""

    broken = False
    at_once: ClassVar[list[int]] = []

    def __init__(self, workers: int, module: str) -> None:
        self.flying: list[Future[int]] = []

    def submit(self, function: Callable[[int], int], task: int) -> Future[int]:
        future: Future[int] = Future()
        self.flying.append(future)
        if not Breaking.broken:
            if len(self.flying) == 2:
                Breaking.broken = True
                for one in self.flying:
                    one.set_exception(BrokenProcessPool())
            return future
        Breaking.at_once.append(sum(not one.done() for one in self.flying))
        threading.Timer(0.05, lambda: future.set_result(function(task))).start()
        return future

    def close(self) -> None:
        pass


def test_suspects_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two units that were there when a worker died, the next death has to tell the culprit."""
    monkeypatch.setattr(pool, "_Pool", Breaking)
    found = dict(pool.run_units(square, UNITS[:4], workers=2))
    assert found == {"0": 0, "1": 1, "2": 4, "3": 9}
    assert Breaking.at_once[:2] == [1, 1]
    assert max(Breaking.at_once) == 2


def test_a_unit_gets_two_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    class Broken(Breaking):
        def submit(self, function: Callable[[int], int], task: int) -> Future[int]:
            tries.append(task)
            future: Future[int] = Future()
            future.set_exception(BrokenProcessPool())
            return future

    monkeypatch.setattr(pool, "_Pool", Broken)
    found = dict(pool.run_units(square, UNITS[1:3], workers=2))
    assert found == {"1": Crashed(), "2": Crashed()}
    assert sorted(tries) == [1, 1, 2, 2]


@pytest.mark.parametrize(("cores", "workers"), [(1, 1), (3, 3), (64, 4)])
def test_a_worker_a_core_up_to_four(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert default_workers() == workers


def test_signals_wait_while_a_worker_starts() -> None:
    reached = []

    def interrupted() -> None:
        with pool._signals_held_back():
            signal.raise_signal(signal.SIGINT)
            reached.append("the end of the block")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["the end of the block"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_can_be_left_early() -> None:
    run = pool.run_units(square, UNITS, workers=2)
    next(run)
    run.close()
    assert list(run) == []


SCRIPT = """
import gtahead
print("once")
report = gtahead.build("captures", "dataset", workers=2)
print(report.built)
"""


@pytest.mark.parametrize("way", but_slow(["stdin"], "file", "-c"))
def test_a_users_script_needs_no_guard(tmp_path: Path, way: str) -> None:
    (tmp_path / "captures").mkdir()
    for name in "ab":
        make_sequence(tmp_path / "captures", name)
    (tmp_path / "script.py").write_text(SCRIPT)
    command = {"file": ["script.py"], "stdin": ["-"], "-c": ["-c", SCRIPT]}[way]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        input=SCRIPT if way == "stdin" else "",
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("once\n2\n", "")


def kill_the_other(marker: str) -> int:
    """Give this worker's number; the second one to come kills the first, which is idle by then."""
    own = Path(f"{marker}-{os.getpid()}")
    own.write_text(str(os.getpid()))
    try:
        os.link(own, marker)
        return 0
    except FileExistsError:
        other = int(Path(marker).read_text())
    if other != os.getpid():
        with suppress(ProcessLookupError):
            os.kill(other, signal.SIGKILL)
    return 1


def test_an_idle_worker_that_dies_at_the_end_is_not_waited_for(tmp_path: Path) -> None:
    """It dies with the lock on the queue that the others are asked through."""
    for number in range(2):
        units = [(name, str(tmp_path / f"first{number}")) for name in "ab"]
        assert set(dict(pool.run_units(kill_the_other, units, workers=2))) == {"a", "b"}
