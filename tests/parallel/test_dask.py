"""Units over a Dask cluster: real schedulers and workers, as processes of this machine."""

from __future__ import annotations

import filecmp
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers import but_slow, gtahead
from units import UNITS, die, fail_on_three, square

import gtahead as library
from gtahead.errors import InputError, ResourceError
from gtahead.parallel import dask, pool
from gtahead.parallel.dask import Crashed
from gtahead.simulation import Preset
from gtahead.storage import targets

pytest.importorskip("distributed")


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a part of a cluster; give its process and the address that it reports."""
    paths = [str(Path(__file__).parents[1]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    process = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli." + command[0], *command[1:]],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"(?:Scheduler|worker) at: +(tcp://\S+)", line):
                break
        yield process, found[1] if found else ""
    finally:
        process.terminate()
        process.communicate()


SCHEDULER = ("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")


def kill(process: int) -> None:
    """Kill another process, and never come to an end."""
    os.kill(process, signal.SIGKILL)
    threading.Event().wait()


@contextmanager
def scheduling() -> Iterator[str]:
    with started(*SCHEDULER) as one:
        yield one[1]


@contextmanager
def working(scheduler: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    with started("dask_worker", scheduler, "--no-dashboard", *options) as one:
        yield one[0]


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """A scheduler with one worker process of two threads, which comes back when it is killed."""
    with scheduling() as address, working(address, "--nthreads", "2"):
        yield address


def test_every_unit_gives_its_result(scheduler: str) -> None:
    found = dict(pool.run_units(square, UNITS, scheduler=scheduler))
    assert found == {str(number): number * number for number in range(7)}


def test_a_run_leaves_no_client_at_the_scheduler(scheduler: str) -> None:
    from distributed import Client

    with Client(scheduler) as client:
        count = lambda dask_scheduler: len(dask_scheduler.clients)  # noqa: E731 - sent as it is
        before = client.run_on_scheduler(count)
        dict(pool.run_units(square, UNITS, scheduler=scheduler))
        assert client.run_on_scheduler(count) == before


def test_an_error_ends_the_run_and_arrives_whole(scheduler: str) -> None:
    with pytest.raises(InputError, match=r"three is wrong \(got 3\)"):
        list(pool.run_units(fail_on_three, UNITS, scheduler=scheduler))


def test_a_worker_that_dies_costs_nothing(scheduler: str, tmp_path: Path) -> None:
    units = [(str(n), (n, str(tmp_path / "died") if n == 2 else "")) for n in range(6)]
    found = dict(pool.run_units(die, units, scheduler=scheduler))
    assert found == {str(n): n for n in range(6)}
    assert (tmp_path / "died").exists()


def test_a_unit_that_always_kills_is_set_aside(scheduler: str) -> None:
    assert dict(pool.run_units(die, [("a", (1, "always"))], scheduler=scheduler)) == {
        "a": Crashed()
    }


def test_a_worker_without_the_folder_says_so(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "not shared"
    with pytest.raises(ResourceError, match=r"not shared: a Dask worker doesn't see this folder"):
        list(pool.run_units(square, UNITS, scheduler=scheduler, folders=[missing]))
    # The same path, and other words in it, as on a machine that has a folder of its own there.
    with targets.locked(tmp_path):
        monkeypatch.setattr(targets, "lock_words", lambda path: b"of ours")
        with pytest.raises(ResourceError, match="sees another folder under this path"):
            list(pool.run_units(square, UNITS, scheduler=scheduler, folders=[tmp_path]))


def test_a_worker_with_another_version_says_so(
    scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "__version__", "99.1")
    with pytest.raises(ResourceError, match=r"a Dask worker has gtahead 0\.\S+, this is 99\.1"):
        list(pool.run_units(square, UNITS, scheduler=scheduler))


@pytest.mark.parametrize("name", ["gtahead", "gtahead.formats", "numpy", None])
def test_a_worker_that_lacks_a_module(name: str | None) -> None:
    future: Future[int] = Future()
    future.set_exception(ModuleNotFoundError("No module named", name=name))
    ours = bool(name) and str(name).startswith("gtahead")
    with pytest.raises(ResourceError if ours else ModuleNotFoundError, match=r"o (gtahead|module)"):
        dask._result_of(future, "tcp://127.0.0.1:1")


def test_a_scheduler_that_is_not_there() -> None:
    with pytest.raises(ResourceError, match=r"the Dask scheduler doesn't answer \(got 'nonsense"):
        list(pool.run_units(square, UNITS, scheduler="nonsense://x"))


def test_a_cluster_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    with scheduling() as address:
        monkeypatch.setattr(dask, "PATIENCE_S", 0.5)
        with pytest.raises(ResourceError, match="the Dask cluster has no workers"):
            list(pool.run_units(square, UNITS, scheduler=address))


@pytest.mark.slow
def test_a_scheduler_that_dies_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "PATIENCE_S", 1.0)
    with (
        started(*SCHEDULER) as (process, address),
        working(address),
        pytest.raises(ResourceError, match="the Dask scheduler is lost") as caught,
    ):
        list(pool.run_units(kill, [("a", process.pid)], scheduler=address))
    assert "run the same command" in str(caught.value)


RELEASE = "--repo me/tiny --creator Me --licence cc-by-4.0 --date 2026-01-01"
COMMANDS = [
    "build --raw captures --out {name}/data",
    "annotate {name}/data --boxes knn",
    "export {name}/data --format coco --out {name}/coco",
    "export {name}/data --format density --allow-lossy --out {name}/maps",
    "validate {name}/data --images full --fail-on error",
    f"publish stage {{name}}/data --out {{name}}/release {RELEASE}",
]


@pytest.mark.parametrize("commands", but_slow([COMMANDS[:3]], COMMANDS), ids=["some", "all"])
def test_commands_give_the_same_as_on_one_machine(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)  # paths are given as people give them; workers stand elsewhere
    library.simulate("captures", preset=Preset("few", (160, 96), (3, 3, 3), (5, 10, 20), 3))
    for name, how in (("here", ["--workers", 1]), ("there", ["--scheduler", scheduler])):
        for command in commands:
            done = gtahead(*command.format(name=name).split(), *how)
            assert done.code == 0, (command, done.err)
    here, there = tmp_path / "here", tmp_path / "there"
    names = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    differing = [str(name) for name in names if not filecmp.cmp(here / name, there / name, False)]
    assert differing == []
