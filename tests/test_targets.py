"""Targets: locked once, replaced without a gap, put back after a kill, and never written through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import gtahead, make_sequence, put, spawn_gtahead

import gtahead as library
from gtahead import storage
from gtahead.dataset import ANNOTATING, WORK
from gtahead.errors import ResourceError
from gtahead.storage import system, targets


@pytest.fixture(params=[True, False], ids=["exchanging", "renaming"])
def exchanging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With the system's way to swap two names, and without it, as on Windows."""
    if not request.param:
        monkeypatch.setattr(system, "exchange", lambda one, other: False)
    return bool(request.param)


ANYTHING = targets.Kind("thing", lambda folder: [])
"""A kind of folder that may be replaced, whatever is in it."""


def made(folder: Path, word: str) -> Path:
    return put(folder, {"file": word, "inner/file": word})


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_lock_is_held_once_and_left_clean(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with targets.locked(target), pytest.raises(ResourceError, match=f"pid {os.getpid()}"):
        targets.locked(target).__enter__()
    assert list(tmp_path.iterdir()) == []


def test_a_target_has_one_lock_under_all_its_names(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "link").symlink_to(target)
    with targets.locked(target), pytest.raises(ResourceError, match="another gtahead process"):
        targets.locked(tmp_path / "link").__enter__()


def test_a_dead_process_blocks_nobody(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with targets.locked(target):
        (lock,) = tmp_path.glob(f"{storage.BESIDE}*.lock")
    lock.write_text("1 some-boot-id\n")  # pid 1 lives, yet it holds no lock
    with targets.locked(target):
        assert (targets.lock_words(target) or b"").startswith(f"{os.getpid()} ".encode())


def test_where_nothing_can_be_written_beside_a_target_its_lock_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "mounted"
    target.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with targets.locked(target):
        assert [path.name for path in tmp_path.iterdir()] == ["mounted"]
        assert [path.name for path in target.iterdir()] == [targets.LOCK]
        with pytest.raises(ResourceError, match=f"pid {os.getpid()}"):
            targets.locked(target).__enter__()
    assert list(target.iterdir()) == []


def test_folders_made_for_a_lock_go_with_it(tmp_path: Path) -> None:
    with targets.locked(tmp_path / "a" / "b" / "c"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_stood_is_replaced_whole(tmp_path: Path, exchanging: bool) -> None:
    target = made(tmp_path / "target", "old")
    (target / "gone").touch()
    with targets.replacing(target, ANYTHING, overwrite=True) as part:
        made(part, "new")
    assert sorted(path.name for path in target.iterdir()) == ["file", "inner"]
    assert (target / "inner" / "file").read_text() == "new"
    assert hidden(tmp_path) == []


@pytest.mark.parametrize("stands", ["nothing", "empty"])
def test_a_first_target_gets_its_name(tmp_path: Path, exchanging: bool, stands: str) -> None:
    target = tmp_path / "target"
    if stands == "empty":
        target.mkdir()
    with targets.replacing(target, ANYTHING, overwrite=True) as part:
        made(part, "new")
    assert (target / "file").read_text() == "new"
    assert hidden(tmp_path) == []


def test_a_link_to_a_target_stays_one(tmp_path: Path) -> None:
    target = made(tmp_path / "disk" / "target", "old")
    (tmp_path / "link").symlink_to(target)
    with targets.replacing(tmp_path / "link", ANYTHING, overwrite=True) as part:
        made(part, "new")
    assert (tmp_path / "link").is_symlink()
    assert (target / "file").read_text() == "new"


def killed_at(point: str, target: Path, *, swaps: bool) -> None:
    """Replace a target in a process that is killed at a point."""
    code = (
        "import sys; from pathlib import Path; from gtahead.storage import system, targets\n"
        f"if not {swaps}: system.exchange = lambda one, other: False\n"
        "target = Path(sys.argv[1])\n"
        "anything = targets.Kind('thing', lambda folder: [])\n"
        "with targets.replacing(target, anything, overwrite=True) as part:\n"
        "    (part / 'file').write_text('new')\n"
    )
    environment = os.environ | {"GTAHEAD_CRASH_AT": point}
    done = subprocess.run([sys.executable, "-c", code, str(target)], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("swaps", "point"), [(True, "replaced"), (False, "replaced"), (False, "old-aside")]
)
def test_a_kill_while_a_target_is_replaced_loses_nothing(
    tmp_path: Path, swaps: bool, point: str
) -> None:
    target = made(tmp_path / "target", "old")
    killed_at(point, target, swaps=swaps)
    with targets.locked(target):  # by whatever works on it next
        assert (target / "file").read_text() == ("old" if point == "old-aside" else "new")
    assert hidden(tmp_path) == []


def test_what_was_downloaded_waits_for_the_next_run(tmp_path: Path) -> None:
    target = tmp_path / "target"

    def run(*, fails: bool) -> bool:
        with targets.replacing(target, ANYTHING, overwrite=True, made="made", resumes=True) as part:
            there = (part / "download").exists()
            (part / "download").touch()
            if fails:
                raise ResourceError("the network fails")
        return there

    with pytest.raises(ResourceError):
        run(fails=True)
    assert not target.exists()
    assert run(fails=False)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_units_folder_is_replaced_by_whoever_comes(tmp_path: Path, exchanging: bool) -> None:
    for word in ("one", "two"):
        storage.replace_folder(made(tmp_path / word, word), tmp_path / "unit")
    assert (tmp_path / "unit" / "file").read_text() == "two"


# What each command writes or removes folders in, and how it is called.
LINKED = {
    "build": ["heads", "images", "images/seq", WORK, ANNOTATING],
    "build --fresh": ["heads", "images", "images/seq", WORK, ANNOTATING],
    "annotate": ["heads", "images", ANNOTATING],
}


@pytest.mark.parametrize(
    ("command", "inner"), [(command, one) for command, all_ in LINKED.items() for one in all_]
)
def test_nothing_is_written_through_a_linked_folder(
    tmp_path: Path, command: str, inner: str
) -> None:
    captures, target = tmp_path / "captures", tmp_path / "target"
    make_sequence(captures)
    library.build(captures, target, workers=1)
    outside = tmp_path / "outside"
    if (target / inner).exists():
        (target / inner).rename(outside)
    else:
        outside.mkdir()
    (outside / "holiday.jpg").write_bytes(b"mine")
    (target / inner).symlink_to(outside)
    make_sequence(captures, "another")  # so that there is something to do
    before = {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()}
    words = command.split()
    if words[0] == "build":
        done = gtahead("build", "--raw", captures, "--out", target, *words[1:])
    else:
        done = gtahead("annotate", target, "--boxes", "knn")
    assert done.code == 1
    assert "is a link: nothing is written outside" in done.err
    assert {path: path.read_bytes() for path in outside.rglob("*") if path.is_file()} == before


def test_no_capture_is_simulated_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "seq_00").symlink_to(put(tmp_path / "outside", {"holiday.jpg": b"mine"}))
    done = gtahead("simulate", "--preset", "tiny", "--out", tmp_path / "out", "--overwrite")
    assert done.code == 1
    assert "is a link: nothing is written outside" in done.err
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["holiday.jpg"]


RACING = {
    "export": ["export", "--format", "coco", "--overwrite"],
    "stage": ["publish", "stage", "--repo", "a/b", "--creator", "me", "--overwrite"],
}


@pytest.mark.parametrize("kind", RACING)
def test_of_two_runs_into_one_target_one_wins(
    kind: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    """The first is stopped in the moment that it has given its result the target's name."""
    words = list(RACING[kind])
    at = 2 if kind == "stage" else 1
    command = [*words[:at], tiny_dataset, *words[at:], "--out", tmp_path / "target"]
    if kind == "stage":
        command += ["--licence", "mit", "--images", "none"]
    assert gtahead(*command).code == 0
    environment = os.environ | {"GTAHEAD_CRASH_AT": "replaced:STOP"}
    words = [sys.executable, "-m", "gtahead", *map(str, command), "--workers", "1"]
    first = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    stops = 0
    while os.WIFSTOPPED(status := os.waitpid(first.pid, os.WUNTRACED)[1]):
        stops += 1
        second = gtahead(*command)
        first.send_signal(signal.SIGCONT)
        assert second.code == 4
        assert "another gtahead process is working on this target" in second.err
    assert os.waitstatus_to_exitcode(status) == 0
    first.returncode = 0
    assert stops
    assert gtahead(*command).code == 0
    assert hidden(tmp_path) == []


def test_an_export_that_is_killed_leaves_what_stood(tiny_dataset: Path, tmp_path: Path) -> None:
    command = ["export", tiny_dataset, "--format", "yolo", "--overwrite", "--out", tmp_path / "out"]
    assert gtahead(*command, "--allow-lossy").code == 0
    for point in ("exported", "replaced"):
        done = spawn_gtahead(*command, "--allow-lossy", env={"GTAHEAD_CRASH_AT": point})
        assert done.code == -signal.SIGKILL
        assert gtahead("validate", tmp_path / "out").code == 0
    assert gtahead(*command, "--allow-lossy").code == 0
    assert hidden(tmp_path) == []


def test_what_somebody_puts_there_meanwhile_stays(tiny_dataset: Path, tmp_path: Path) -> None:
    """The export is stopped when it is done, and something is put where it is to lie."""
    out = tmp_path / "out"
    words = ["export", tiny_dataset, "--format", "coco", "--out", out, "--workers", "1"]
    environment = os.environ | {"GTAHEAD_CRASH_AT": "exported:STOP"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gtahead", *map(str, words)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    os.waitpid(process.pid, os.WUNTRACED)
    put(out, {"thesis.txt": "mine"})
    process.send_signal(signal.SIGCONT)
    said = process.communicate()[1].decode()
    assert process.returncode == 1, said
    assert "isn't a finished gtahead export" in said
    assert (out / "thesis.txt").read_text() == "mine"
    assert hidden(tmp_path) == []


def test_the_working_folder_is_always_empty_and_ones_own(tmp_path: Path) -> None:
    target = tmp_path / "target"
    outside = put(tmp_path / "outside", {"holiday.jpg": b"mine"})
    with targets.replacing(target, ANYTHING, overwrite=True) as part:
        name = part.name
    (tmp_path / name).symlink_to(outside)  # of somebody who has guessed the name
    with targets.replacing(target, ANYTHING, overwrite=True) as part:
        assert list(part.iterdir()) == []
    assert (outside / "holiday.jpg").exists()
    put(tmp_path / name, {"inner/file": "of a killed run"})
    (tmp_path / name / "inner").chmod(0o500)
    with targets.replacing(target, ANYTHING, overwrite=True) as part:
        assert list(part.iterdir()) == []


def test_the_root_is_no_target() -> None:
    done = gtahead("simulate", "--preset", "tiny", "--no-images", "--out", "/")
    assert done.code == 2
    assert "the root can't be a target" in done.err


FEW = ["--sequences", "2", "--frames", "1", "--heads", "2:6", "--no-images"]


def test_a_capture_that_a_kill_left_half_cleared_is_no_obstacle(tmp_path: Path) -> None:
    out = tmp_path / "out"
    library.simulate(out, seed=1, images=False, frames=1, sequences=2, heads=(2, 6))
    words = ["simulate", *FEW, "--layout", "gcc", "--overwrite"]
    done = spawn_gtahead(*words, "--out", out, env={"GTAHEAD_CRASH_AT": "cleared"})
    assert done.code == -signal.SIGKILL
    assert gtahead(*words, "--out", out).code == 0


def test_a_worker_that_died_leaves_nothing_in_the_capture(tmp_path: Path) -> None:
    out, once = tmp_path / "out", tmp_path / "once"
    words = ["simulate", *FEW, "--out", out, "--workers", "2"]
    done = spawn_gtahead(*words, env={"GTAHEAD_CRASH_AT": f"drawn:KILL@{once}"})
    assert done.code == 0, done.err
    assert once.exists()
    assert hidden(out) == []


@pytest.mark.parametrize("command", ["export", "stage", "pull", "build"])
def test_the_current_folder_is_not_replaced(
    tiny_dataset: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: dict[str, list[object]] = {
        "export": ["export", tiny_dataset, "--format", "coco", "--overwrite"],
        "stage": ["publish", "stage", tiny_dataset, "--repo", "a/b", "--creator", "me"],
        "pull": ["pull", tmp_path / "release"],
        "build": ["build", "--raw", tmp_path / "raw", "--fresh"],
    }
    make_sequence(tmp_path / "raw")
    library.build(tmp_path / "raw", tmp_path / "here", workers=1)
    library.stage(tiny_dataset, tmp_path / "release", repo="a/b", creator="me", licence="mit")
    (tmp_path / "here" / "inner").mkdir()
    for folder in (tmp_path / "here", tmp_path / "here" / "inner"):
        monkeypatch.chdir(folder)
        done = gtahead(*words[command], "--out", tmp_path / "here")
        assert done.code == 2, done.err
        assert "the current folder can't be replaced" in done.err
    assert library.Dataset.open(tmp_path / "here")


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_a_failed_run_leaves(
    tmp_path: Path, error: type[BaseException], resumes: bool
) -> None:
    """Nothing, unless the next run can go on with it."""
    target = tmp_path / "target"

    def run() -> None:
        with targets.replacing(
            target, ANYTHING, overwrite=False, made="made", resumes=resumes
        ) as part:
            put(part, {"fetched": "half", "made/file": "half"})
            raise error

    with pytest.raises((ResourceError, KeyboardInterrupt)):
        run()
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert left == (["fetched"] if resumes else [])
