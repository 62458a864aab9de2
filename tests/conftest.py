"""Fixtures that several test files use."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# As many native threads as there are processes of tests: one each. Before numpy is imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
sys.path.insert(0, str(Path(__file__).parent))  # for `helpers`, whichever way pytest imports

settings.register_profile("fast", derandomize=True, deadline=None, max_examples=20)
settings.register_profile("thorough", settings.get_profile("fast"), max_examples=200)
settings.load_profile("thorough" if "GTAHEAD_THOROUGH" in os.environ else "fast")

# Shells start background jobs deaf to Ctrl-C, which their children inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start the server that forks workers, and commands for `spawn_gtahead`: once, all imported."""
    if "PYTEST_XDIST_WORKER" in os.environ or not session.config.getoption("numprocesses", None):
        from gtahead.parallel import pool

        multiprocessing.set_forkserver_preload(["forked"])
        # Before Python 3.13 the server looks for it where a fresh Python would.
        with pytest.MonkeyPatch.context() as patched, pool._as_workers_begin():
            patched.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
            forkserver.ensure_running()


@pytest.fixture(autouse=True, scope="session")
def one_worker() -> Iterator[None]:
    """Where a test doesn't say how many workers, there are none: starting two takes seconds.

    Commands that are run as processes of their own keep the default, one worker a core.
    """
    from gtahead.parallel import pool

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pool, "default_workers", lambda: 1)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what needs a shared set where one process comes to it first, and makes it for all.

    Two processes begin with half of the tests each: modules that need `tiny` are first in the
    second half, those that need `small_set` follow on them, and the first half has neither.
    """
    needs: dict[Path, int] = {}
    for item in items:
        names = getattr(item, "fixturenames", ())
        need = 2 if "tiny" in names else 1 if "small_set" in names else 0
        needs[item.path] = max(need, needs.get(item.path, 0))
    items.sort(key=lambda item: -needs[item.path])
    shared = sum(needs[item.path] > 0 for item in items)
    first = len(items) // 2
    items[:] = items[shared : shared + first] + items[:shared] + items[shared + first :]


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that was filled once, for all processes of a parallel run."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    out = base / name
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "made").exists():
            out.mkdir(exist_ok=True)
            make(out)
            (out / "made").touch()
    return out


def run_in(folder: Path, *commands: list[str], workers: int) -> None:
    """Run commands in a folder; keep what each printed as a text file, such as `simulate.txt`."""
    from helpers import gtahead

    with chdir(folder):
        for command in commands:
            done = gtahead(*command, "--workers", workers)
            assert done.code == 0, done.err
            Path(f"{command[0]}.txt").write_text(done.out, encoding="utf-8")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `captures` of the preset `tiny`, and their `dataset`; nobody writes into it."""
    commands = ["simulate"], ["build", "--raw", "captures"]
    return made_once(tmp_path_factory, "tiny", lambda out: run_in(out, *commands, workers=1))


@pytest.fixture(scope="session")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of small images with large heads, to learn from; nobody writes into it."""
    from gtahead import build, simulate
    from gtahead.simulation.presets import Preset

    heads = (0.0, 4.0, 6.0, 8.0, 10.0, 12.0)
    preset = Preset("learning", (192, 128), (3,) * 6, heads, 6, (12.0, 40.0), 0.48)

    def make(out: Path) -> None:
        simulate(out / "captures", preset=preset, workers=1)
        build(out / "captures", out / "dataset", workers=1)

    return made_once(tmp_path_factory, "small", make) / "dataset"


@pytest.fixture(scope="session")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with labels of the preset `gta-head`, as `tiny`; they take ten minutes."""
    simulate = ["simulate", "--preset", "gta-head", "--no-images"]
    build = ["build", "--raw", "captures"]
    return made_once(
        tmp_path_factory, "full-size", lambda out: run_in(out, simulate, build, workers=2)
    )


@pytest.fixture(scope="session")
def tiny_captures(tiny: Path) -> Path:
    """Simulated captures of the preset `tiny`; nobody writes into them."""
    return tiny / "captures"


@pytest.fixture(scope="session")
def tiny_dataset(tiny: Path) -> Path:
    """The dataset of `tiny_captures`; nobody writes into it."""
    return tiny / "dataset"


@pytest.fixture
def shared_data() -> Path:
    """Real data that may not be redistributed; tests that need it are skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real data, ../shared/data, isn't here")
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """The system's Chromium, without a screen."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("there is no chromium here")
    quiet = ["--disable-quic", "--disable-background-networking", "--disable-component-update"]
    arguments = ["--no-sandbox", "--disable-sync", "--no-first-run", *quiet]
    with sync_api.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=arguments)
        yield opened
        opened.close()
