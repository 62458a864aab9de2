"""Four hundred kills at random moments: nothing lost, nothing half-written taken for whole."""

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

pytestmark = pytest.mark.slow

KILLS, WORKER_KILLS = 60, 8
RELEASE = ("--repo", "a/b", "--creator", "me", "--date", "2026-01-01", "--licence", "mit")
YOLO = ("--format", "yolo", "--allow-lossy")
IMAGES = ("--images", "copy")  # a copy takes longer than a link, and there's more to lose
ALONE = ("pull", "rebuild")
"""Commands without worker processes."""

OWN_WORDS = "\nWords of one's own, that no command may lose.\n"


def digest(folder: Path) -> dict[str, str]:
    """Hash every file below a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def commands(folder: Path) -> dict[str, Callable[[Path], list[object]]]:
    """Give what replaces a target of each kind, or adds to it."""
    captures, dataset, release = folder / "captures", folder / "dataset", folder / "release"
    over = "--overwrite"
    return {
        "build": lambda out: ["build", "--raw", captures, "--out", out, *IMAGES],
        "fresh": lambda out: ["build", "--raw", captures, "--out", out, *IMAGES, "--fresh"],
        "annotate": lambda out: ["annotate", out, "--boxes", "knn", "--sigma", "fixed:4"],
        "export": lambda out: ["export", dataset, "--out", out, *IMAGES, *YOLO, over],
        "stage": lambda out: ["publish", "stage", dataset, "--out", out, *RELEASE, over],
        "pull": lambda out: ["pull", release, "--out", out, over],
        "rebuild": lambda out: ["rebuild", release, "--frames", captures, "--out", out, over],
        "simulate": lambda out: ["simulate", *FEW, "--seed", 11, "--out", out, over],
    }


FEW = ("--sequences", 3, "--frames", 2)


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
    """What the commands read, and in `old` a target of each kind as it stood before."""
    folder = tmp_path_factory.mktemp("kills")
    captures, old = folder / "captures", folder / "old"
    old.mkdir()
    library.simulate(old / "simulate", seed=10, sequences=3, frames=2)
    library.simulate(captures, preset="tiny", seed=11)
    library.build(captures, folder / "dataset")
    library.stage(folder / "dataset", folder / "release", repo="a/b", creator="me", licence="mit")
    shutil.copytree(captures, folder / "fewer")
    shutil.rmtree(sorted((folder / "fewer").iterdir())[-1])
    library.build(folder / "fewer", old / "build", images="copy")
    for kind in ("fresh", "annotate", "pull", "rebuild"):
        source = folder / "dataset" if kind == "annotate" else old / "build"
        shutil.copytree(source, old / kind)
    library.export(old / "build", old / "export", format="yolo", allow_lossy=True)
    library.stage(old / "build", old / "stage", repo="a/b", creator="me", licence="mit")
    with (old / "stage" / "README.md").open("a", encoding="utf-8") as card:
        card.write(OWN_WORDS)
    return folder


def check_killed(
    kind: str, found: dict[str, str], old: dict[str, str], new: dict[str, str]
) -> None:
    """Check what a killed run has left: the old target, the new one, or what may lie between."""
    if kind in ("fresh", "export", "stage", "pull", "rebuild"):
        assert found in (old, new)
    elif kind == "simulate":  # sequence by sequence
        for name in {path.partition("/")[0] for path in old}:
            mine, before, after = (
                {path: one[path] for path in one if path.startswith(f"{name}/")}
                for one in (found, old, new)
            )
            assert mine in (before, after), name
    elif kind == "build":  # a dataset that stands stays whole while a sequence is added
        begun = {path for path in found if path.startswith((".work/", ".annotating/"))}
        own = {path: found[path] for path in found if path not in begun}
        assert (
            own.items() >= old.items() or own.items() >= new.items() or "manifest.json" not in own
        )
        for path, value in old.items():
            if path not in ("manifest.json", "frames.parquet"):
                assert own[path] == value


@pytest.mark.parametrize(
    "kind", ["build", "fresh", "annotate", "export", "stage", "pull", "rebuild", "simulate"]
)
def test_kills_at_random_moments(folder: Path, tmp_path: Path, kind: str) -> None:
    more: list[object] = [] if kind in ALONE else ["--workers", 2]
    command = commands(folder)[kind]
    before = digest(folder)
    old = digest(folder / "old" / kind)
    chance = random.Random(kind)

    def begin(target: Path) -> Path:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder / "old" / kind, target)
        return target

    whole = begin(tmp_path / "whole")
    start = time.monotonic()
    assert spawn_gtahead(*command(whole), *more).code == 0
    duration = time.monotonic() - start
    wanted = digest(whole)
    assert wanted != old
    kills = {False: 0, True: 0}  # by whether it was a worker's
    target = tmp_path / "target"
    for number in range(4 * (KILLS + WORKER_KILLS)):
        worker = kills[False] == KILLS
        if kills == {False: KILLS, True: WORKER_KILLS} or (worker and kind in ALONE):
            break
        begin(target)
        arguments = [*command(target), *more]
        moment = chance.uniform(0.1, 1.0) * duration
        code = kill_after(
            arguments, moment, lambda main, worker=worker: workers_of(main) if worker else [main]
        )
        if worker:
            kills[True] += 1
            assert code == 0, (number, "a dead worker costs its unit's time, nothing else")
        else:
            kills[False] += code == -signal.SIGKILL
            found = digest(target)
            check_killed(kind, found, old, wanted)
            if kind == "annotate" and (target / "manifest.json").exists():
                assert library.Dataset.open(target).manifest.fingerprint
            if code:
                again = spawn_gtahead(*arguments)
                assert again.code == 0, (number, moment, again.err)
        # One that was killed with its work done was made again, over that: a release's changes
        # are others then.
        if worker or found != wanted:
            assert digest(target) == wanted, (number, moment)
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    if kind == "stage":
        assert OWN_WORDS in (target / "README.md").read_text(encoding="utf-8")
    assert digest(folder) == before  # nothing that was read has changed


FILES: dict[str, Callable[[Path, Path], list[object]]] = {
    "report": lambda data, out: ["report", data, "--html", out / "page.html"],
    "view": lambda data, out: ["view", data, "--out", out / "view.png"],
    "film": lambda data, out: ["view", data, "--video", "--out", out / "view.gif"],
    "validate": lambda data, out: ["validate", data, "--html", out / "page.html"],
    "template": lambda data, out: [
        *("benchmark", "--template", "--data", data, "--out", out / "found.json")
    ],
    "evaluate": lambda data, out: [*("annotate", data, "--evaluate", "--image", out / "rules.png")],
}


@pytest.mark.parametrize("kind", FILES)
def test_files_killed_at_random_moments(folder: Path, tmp_path: Path, kind: str) -> None:
    command = FILES[kind](folder / "dataset", tmp_path)
    chance = random.Random(kind)
    start = time.monotonic()
    assert spawn_gtahead(*command).code == 0
    duration = time.monotonic() - start
    wanted, kills = digest(tmp_path), 0
    assert len(wanted) == 1
    for _ in range(12):
        kills += kill_after(command, chance.uniform(0.3, 1.0) * duration) == -signal.SIGKILL
        found = digest(tmp_path)
        assert found.items() >= wanted.items()
        assert spawn_gtahead(*command).code == 0
        assert digest(tmp_path) == wanted
    assert kills
