"""Builds that are stopped, killed, repeated, or changed: nothing lost, nothing half-taken for whole."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from damage import mutated
from helpers import (
    but_slow,
    edit_sequence,
    gtahead,
    image,
    kill_after,
    make_sequence,
    manifest,
    spawn_gtahead,
    write_rows,
)

import gtahead as library
from gtahead.dataset import fingerprints
from gtahead.storage import targets

POINTS = (
    "marking",
    "images-placed",
    "heads-placed",
    "frames-placed",
    "record-written",
    "unit-done",
    "frames-written",
    "manifest-written",
)


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("point", "workers"),
    but_slow(
        [("images-placed", 1), ("record-written", 2), ("manifest-written", 1)],
        *[("marking", 1), ("marking", 2), ("images-placed", 2), ("record-written", 1)],
        *[("frames-written", 1), ("frames-written", 2), ("manifest-written", 2)],
    ),
)
def test_killed_and_run_again_equals_undisturbed(
    captures: Path, tmp_path: Path, point: str, workers: int
) -> None:
    whole, target = tmp_path / "whole", tmp_path / "target"
    library.build(captures, whole, workers=1)
    arguments = ["build", "--raw", captures, "--out", target, "--workers", workers]
    killed = spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": point})
    in_worker = workers == 2 and point in ("images-placed", "record-written")
    # A worker that dies costs its unit two tries; the main process dies with its workers' point.
    assert killed.code == (1 if in_worker else -signal.SIGKILL), killed.err
    if not (target / "manifest.json").exists() and target.exists():
        refused = gtahead("info", target)
        assert refused.code == 1
    resumed = gtahead(*arguments)
    assert resumed.code == 0, resumed.err
    assert manifest(target) == manifest(whole)
    assert tree(target) == tree(whole)


def test_a_killed_worker_costs_nothing(captures: Path, tmp_path: Path) -> None:
    whole, target = tmp_path / "whole", tmp_path / "target"
    library.build(captures, whole, workers=1)
    once = tmp_path / "died"
    done = spawn_gtahead(
        *("build", "--raw", captures, "--out", target, "--workers", 2),
        env={"GTAHEAD_CRASH_AT": f"heads-placed:KILL@{once}"},
    )
    assert once.exists()  # a worker did die
    assert (done.code, done.err) == (0, "")
    assert manifest(target) == manifest(whole)


@pytest.mark.parametrize(
    ("name", "code", "workers"),
    but_slow([("INT", 130, 2), ("TERM", 143, 1)], ("INT", 130, 1), ("TERM", 143, 2)),
)
def test_interrupted_is_resumable(
    captures: Path, tmp_path: Path, name: str, code: int, workers: int
) -> None:
    target = tmp_path / "target"
    arguments = ["build", "--raw", captures, "--out", target, "--workers", workers]
    stopped = spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": f"unit-done:{name}"})
    assert stopped.code == code
    assert stopped.out == ""
    # (click ends the line of the terminal's ^C first)
    assert stopped.err.lstrip() == (
        f"{'interrupted' if name == 'INT' else 'terminated'}: run the same command again\n"
    )
    assert not (target / "manifest.json").exists()
    resumed = gtahead(*arguments, "--json")
    assert resumed.code == 0
    assert resumed.json["reused"] >= 1
    whole = library.build(captures, tmp_path / "whole", workers=1)
    assert resumed.json["fingerprints"] == whole.manifest["fingerprints"]


def test_a_second_build_does_only_what_is_missing(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    first = library.build(captures, target, workers=1)
    before = manifest(target)
    again = library.build(captures, target, workers=1)
    assert (first.built, again.built, again.reused) == (4, 0, 4)
    assert manifest(target) == before
    make_sequence(captures, "e", split=None, location="e")
    write_rows(captures / "b", ["0,1,5,5,5"])
    (target / "images" / "c" / "000001.jpg").unlink()
    third = library.build(captures, target, workers=1)
    assert (third.built, third.reused) == (3, 2)
    assert manifest(target) == library.build(captures, tmp_path / "whole", workers=1).manifest
    assert (target / "images" / "c" / "000001.jpg").exists()


def test_images_come_to_a_set_that_had_none(tmp_path: Path) -> None:
    captures, target = tmp_path / "captures", tmp_path / "target"
    captures.mkdir()
    make_sequence(captures, "a", images=False)
    library.build(captures, target, workers=1)
    assert not (target / "images").exists()
    make_sequence(captures, "b")
    assert library.build(captures, target, workers=1).built == 1
    assert manifest(target) == library.build(captures, tmp_path / "whole", workers=1).manifest


def test_killed_while_reopening_a_finished_set(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    library.build(captures, target, workers=1)
    make_sequence(captures, "e", split=None, location="e")
    arguments = ["build", "--raw", captures, "--out", target, "--workers", 1]
    for point in ("reopened", "unit-done", "frames-written"):
        assert spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": point}).code == -signal.SIGKILL
    assert gtahead(*arguments).code == 0
    assert manifest(target) == library.build(captures, tmp_path / "whole", workers=1).manifest


def test_changed_options_are_refused_by_name(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    library.build(captures, target, workers=1)
    done = gtahead("build", "--raw", captures, "--out", target, "--boxes", "fixed", "--every", 2)
    assert done.code == 1
    assert done.err == (
        f"error: {target}: the dataset was begun with other options: boxes was auto, is now fixed:side=24, "
        "every was 1, is now 2; use the same options, another --out, or --fresh to build it anew; `gtahead "
        "annotate` gives other boxes, sigmas or splits in place\n"
    )
    fresh = gtahead(
        *("build", "--raw", captures, "--out", target, "--boxes", "fixed", "--every", 2, "--fresh")
    )
    assert fresh.code == 0
    assert manifest(target)["statistics"]["frames"] == 8


def test_a_sequence_that_is_gone_is_refused(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    library.build(captures, target, workers=1)
    shutil.rmtree(captures / "b")
    done = gtahead("build", "--raw", captures, "--out", target)
    assert done.code == 1
    assert done.err == (
        f"error: {target}: the dataset holds a sequence that the captures don't have (got 'b'); bring "
        "it back, or build anew with --fresh\n"
    )
    assert (target / "manifest.json").exists()


def test_two_builds_into_one_target(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    with targets.locked(target):
        done = gtahead("build", "--raw", captures, "--out", target)
    assert done.code == 4
    assert done.err == (
        f"error: {target}: another gtahead process is working on this target (got 'pid {os.getpid()}'); wait until "
        "it ends, or choose another --out\n"
    )
    assert gtahead("build", "--raw", captures, "--out", target).code == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("workers", but_slow([1], 2))
def test_a_full_disk_is_named_and_resumable(captures: Path, tmp_path: Path, workers: int) -> None:
    target = tmp_path / "target"
    big = [f"0,{n},{n % 64}.123,{n % 48}.456,{n}.5" for n in range(1, 6000)]
    write_rows(captures / "a", big)
    arguments = ["build", "--raw", captures, "--out", target, "--workers", workers]

    done = spawn_gtahead(*arguments, limits={resource.RLIMIT_FSIZE: 3_000})
    assert done.code == 4, done.err
    assert "File too large" in done.err
    assert done.err.endswith(
        "free space or fix the permissions, then run the same command: it goes on\n"
    )
    assert "Traceback" not in done.err
    assert not (target / "manifest.json").exists()
    assert gtahead(*arguments).code == 0
    assert manifest(target) == library.build(captures, tmp_path / "whole", workers=1).manifest


def test_a_target_that_cannot_be_written(captures: Path, tmp_path: Path) -> None:
    target = Path("/proc/gtahead-dataset")
    if os.geteuid() != 0 or not Path("/proc").is_dir():
        closed = tmp_path / "closed"
        closed.mkdir(mode=0o500)
        target = closed / "dataset"
    done = gtahead("build", "--raw", captures, "--out", target)
    assert done.code == 4
    assert done.err.startswith(f"error: {target}: a file can't be read or written (got ")


def test_images_are_linked_never_changed(captures: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in captures.rglob("*.jpg")}
    library.build(captures, tmp_path / "linked", workers=1)
    library.build(captures, tmp_path / "copied", workers=1, images="copy")
    for path, data in before.items():
        name = f"images/{path.parent.parent.name}/{path.name}"
        assert path.read_bytes() == data
        assert (tmp_path / "linked" / name).samefile(path)
        assert not (tmp_path / "copied" / name).samefile(path)
        assert (tmp_path / "copied" / name).read_bytes() == data
    assert manifest(tmp_path / "linked") == manifest(tmp_path / "copied")
    labels = library.build(captures, tmp_path / "labels", workers=1, images="none")
    assert not (tmp_path / "labels" / "images").exists()
    linked = manifest(tmp_path / "linked")["fingerprints"]
    assert labels.manifest["fingerprints"] == linked  # labels alone still name their images


def test_the_same_bytes_for_any_workers_locale_time_zone_and_hash_seed(
    captures: Path, tmp_path: Path
) -> None:
    whole = library.build(captures, tmp_path / "whole", workers=1)
    for number, (workers, env) in enumerate(
        [
            (1, {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}),
            (2, {"TZ": "America/Lima", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "8"}),
        ]
    ):
        target = tmp_path / f"other{number}"
        spawn_gtahead("build", "--raw", captures, "--out", target, "--workers", workers, env=env)
        assert (target / "manifest.json").read_bytes() == (
            tmp_path / "whole" / "manifest.json"
        ).read_bytes()
        for name in whole.manifest["tables"]:
            assert (target / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_fingerprints_change_with_what_they_name(captures: Path, tmp_path: Path) -> None:
    first = library.build(captures, tmp_path / "1", workers=1).manifest["fingerprints"]
    edit_sequence(captures / "a", lambda document: document.update(weather="RAIN"))
    labels = library.build(captures, tmp_path / "2", workers=1).manifest["fingerprints"]
    assert labels["points"]["all"] == first["points"]["all"]
    assert labels["images"]["all"] == first["images"]["all"]
    assert labels["labels"]["all"] != first["labels"]["all"]
    (captures / "a" / "frames" / "000000.jpg").write_bytes(image(99))
    images = library.build(captures, tmp_path / "3", workers=1).manifest["fingerprints"]
    assert images["labels"]["all"] == labels["labels"]["all"]
    assert images["images"]["all"] != labels["images"]["all"]
    write_rows(captures / "a", ["0,1,10.5,20.25,8"])
    points = library.build(captures, tmp_path / "4", workers=1).manifest["fingerprints"]
    assert points["points"]["all"] != images["points"]["all"]
    assert set(points) == set(fingerprints.KINDS)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_kills(tmp_path: Path, tiny_captures: Path, workers: int) -> None:
    """Every named point, then random moments, each on its own target and on one common target."""
    whole = library.build(tiny_captures, tmp_path / "whole", workers=1).manifest
    moments = random.Random(workers)
    start = time.monotonic()
    once = ["build", "--raw", tiny_captures, "--out", tmp_path / "once", "--workers", workers]
    assert kill_after(once, 300) == 0
    duration = time.monotonic() - start
    common = tmp_path / "common"
    again = ["build", "--raw", tiny_captures, "--out", common, "--workers", workers]
    killed = 0
    for number in range(80):  # a random moment may come after the end: then it is no kill
        if killed == 20:
            break
        target = tmp_path / f"target{number}"
        arguments = ["build", "--raw", tiny_captures, "--out", target, "--workers", workers]
        if number < len(POINTS):
            killed += spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": POINTS[number]}).code != 0
        else:
            killed += kill_after(arguments, moments.uniform(0.2, 0.9) * duration) != 0
            kill_after(again, moments.uniform(0.3, 0.9) * duration)
        resumed = spawn_gtahead(*arguments)
        assert resumed.code == 0, (number, resumed.err)
        assert manifest(target) == whole
        assert tree(target) == tree(tmp_path / "whole")
    assert killed == 20
    final = spawn_gtahead("build", "--raw", tiny_captures, "--out", common)
    assert final.code == 0, final.err
    assert manifest(common) == whole


@pytest.mark.slow
def test_ctrl_c_at_random_moments(tmp_path: Path, tiny_captures: Path) -> None:
    """SIGINT to the whole process group, as a terminal sends it, with workers busy or starting."""
    moments = random.Random(3)
    target = tmp_path / "target"
    command = [sys.executable, "-m", "gtahead", "build", "--raw", str(tiny_captures)]
    codes = []
    for _ in range(12):
        process = subprocess.Popen(
            [*command, "--out", str(target), "--workers", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            process.wait(moments.uniform(0.5, 2.5))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)
        _, error = process.communicate(timeout=60)
        codes.append(process.returncode)
        if process.returncode == 130:
            assert "run the same command again" in error
    assert set(codes) <= {0, 130, 1, -signal.SIGINT}  # before our own code runs it is Python's
    assert library.build(tiny_captures, target).exit_code == 0
    whole = library.build(tiny_captures, tmp_path / "whole", workers=1)
    assert manifest(target) == whole.manifest


@pytest.mark.slow
def test_mutated_captures_never_end_in_a_bug(tmp_path: Path) -> None:
    """A valid capture with some bytes changed: findings or none, but never exit 70, never NaN."""
    chance = random.Random(0)
    captures, target = tmp_path / "captures", tmp_path / "target"
    codes: dict[int, int] = {}
    for number in range(1500):
        shutil.rmtree(captures, ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        captures.mkdir()
        folder = make_sequence(captures, "a")
        make_sequence(captures, "b")
        names = ["sequence.json", "heads.csv", "heads.csv", "frames/000001.jpg"]
        path = folder / chance.choice(names)
        data = mutated(path.read_bytes(), chance)
        path.write_bytes(data)
        done = gtahead("build", "--raw", captures, "--out", target, "--workers", 1)
        codes[done.code] = codes.get(done.code, 0) + 1
        assert done.code in (0, 3), (number, data[:500], done.err)
        assert "Traceback" not in done.err
    assert set(codes) == {0, 3}


def test_reports_stand_for_what_was_written(tmp_path: Path) -> None:
    captures = library.simulate(
        tmp_path / "captures",
        preset="tiny",
        seed=3,
        size_wh=(128, 96),
        sequences=3,
        frames=1,
        workers=1,
    )
    report = library.build(captures, tmp_path / "dataset", workers=1)
    assert len(report.open()) == len(library.Dataset.open(report)) == 3
    staged = tmp_path / "release"
    library.stage(report, staged, repo="a/b", creator="me", licence="mit")
    pulled = library.pull(staged, tmp_path / "pulled")
    assert pulled.open()[0].frame_id == report.open()[0].frame_id
    library.export(report, tmp_path / "coco", format="coco", allow_lossy=True, workers=1)
