"""Two hundred kills at random moments: nothing lost, nothing half-written taken for whole."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import kill_after, spawn_gtahead

import gtahead as library
from gtahead import GtaheadError

pytestmark = pytest.mark.slow

KILLS, WORKER_KILLS = 50, 8
RELEASE = ("--repo", "a/b", "--creator", "me", "--date", "2026-01-01", "--licence", "mit")
YOLO = ("--format", "yolo", "--allow-lossy")
IMAGES = ("--images", "copy")  # a copy takes longer than a link, and there's more to lose


def digest(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def commands(captures: Path, dataset: Path) -> dict[str, Callable[[Path], list[object]]]:
    """Give what makes a target of each kind."""
    return {
        "build": lambda out: ["build", "--raw", captures, "--out", out, *IMAGES],
        "annotate": lambda out: ["annotate", out, "--boxes", "knn", "--sigma", "fixed:4"],
        "export": lambda out: ["export", dataset, "--out", out, *IMAGES, *YOLO],
        "stage": lambda out: ["publish", "stage", dataset, "--out", out, *RELEASE],
    }


def workers_of(process: int) -> list[int]:
    """Find the processes of a pool: children of the server that forks them."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
    return [one for one, parent in parents.items() if parents.get(parent) == process]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures, and the dataset of them."""
    folder = tmp_path_factory.mktemp("kills")
    library.simulate(folder / "captures", preset="tiny", seed=11)
    library.build(folder / "captures", folder / "dataset")
    return folder


@pytest.mark.parametrize("kind", ["build", "annotate", "export", "stage"])
def test_kills_at_random_moments(folder: Path, tmp_path: Path, kind: str) -> None:
    captures, dataset = folder / "captures", folder / "dataset"
    command = commands(captures, dataset)[kind]
    sources = digest(captures) | digest(dataset)
    before = digest(dataset) if kind == "annotate" else {}
    chance = random.Random(kind)

    def begin(target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        if kind == "annotate":
            shutil.copytree(dataset, target)
        return target

    whole = begin(tmp_path / "whole")
    start = time.monotonic()
    assert spawn_gtahead(*command(whole), "--workers", 2).code == 0
    duration = time.monotonic() - start
    wanted = digest(whole)
    kills = {False: 0, True: 0}  # by whether it was a worker's
    target = tmp_path / "target"
    for number in range(4 * (KILLS + WORKER_KILLS)):
        worker = kills[False] == KILLS
        if kills == {False: KILLS, True: WORKER_KILLS}:
            break
        begin(target)
        arguments = [*command(target), "--workers", 2]
        moment = chance.uniform(0.1, 1.0) * duration
        code = kill_after(
            arguments, moment, lambda main, worker=worker: workers_of(main) if worker else [main]
        )
        if worker:
            kills[True] += 1
            assert code == 0, (number, "a dead worker costs its unit's time, nothing else")
        else:
            kills[False] += code == -signal.SIGKILL
            # What has its final name is whole; what hasn't is not taken for anything.
            found = digest(target) if target.exists() else {}
            marked = {name: found[name] for name in found if name in wanted}
            if kind in ("export", "stage"):
                assert found in ({}, wanted), (number, moment)
            elif kind == "build":
                assert {name: wanted[name] for name in marked} == marked, (number, moment)
            try:
                fingerprint = library.Dataset.open(target).manifest.fingerprint
            except GtaheadError:
                assert kind != "annotate" or code != 0
            else:
                if kind in ("build", "annotate"):
                    assert found.items() >= wanted.items() or found.items() >= before.items()
                    assert fingerprint
            if found != wanted:  # else it was killed with its work done
                again = spawn_gtahead(*arguments)
                assert again.code == 0, (number, moment, again.err)
        assert digest(target) == wanted, (number, moment)
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert kills == {False: KILLS, True: WORKER_KILLS}
    assert digest(captures) | digest(dataset) == sources, "nothing of what was read has changed"
