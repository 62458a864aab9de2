"""What fails around us: a decoder that hangs, memory, rights, clocks, tables cut short, signals."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import edit_sequence, gtahead, image, make_sequence, manifest, spawn_gtahead

import gtahead as library
from gtahead.images import listening, reading


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    for name in "ab":
        make_sequence(tmp_path / "captures", name)
    return tmp_path / "captures"


@pytest.fixture
def dataset(captures: Path, tmp_path: Path) -> Path:
    library.build(captures, tmp_path / "dataset", workers=1)
    return tmp_path / "dataset"


def test_a_decoder_that_hangs_costs_its_frame(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = (captures / "a" / "frames" / "000001.jpg").read_bytes()
    release = threading.Event()
    decode = cv2.imdecode

    def hang(data: Any, flags: int) -> Any:
        if bytes(data) == hanging:
            release.wait()
        return decode(data, flags)

    monkeypatch.setattr(cv2, "imdecode", hang)
    monkeypatch.setattr(reading, "DECODE_LIMIT_S", 0.5)
    monkeypatch.setattr(listening, "PATIENCE_S", 0.1)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "out", "--workers", 1)
    release.set()
    assert done.code == 3
    assert (
        "a/frames/000001.jpg > sequence a > frame 000001: the image can't be read: not decoded "
        "within 0.5 s"
    ) in done.err
    assert manifest(tmp_path / "out")["statistics"]["frames"] == 7


PEAK = """
import sys, gtahead
gtahead.build(sys.argv[1], sys.argv[2], workers=1)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmPeak")))
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_image_too_large_for_the_memory_costs_its_frame(
    captures: Path, tmp_path: Path, workers: int
) -> None:
    quiet = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PEAK, str(captures), str(tmp_path / "small")]
    reported = subprocess.run(command, check=True, capture_output=True, text=True, env=quiet)
    # 131 million pixels are allowed. In grey they fit into what is left, in colour they don't.
    limit = int(reported.stdout) * 1024 + 300_000_000
    large = cv2.imencode(".png", np.tile(np.arange(250, dtype=np.uint8), (11_400, 46)))[1]
    folder = make_sequence(captures, "large", frames=1, rows=["0,1,10.5,20.25,8"])
    edit_sequence(folder, lambda document: document.update(width=11_500, height=11_400))
    (folder / "frames" / "000000.jpg").write_bytes(bytes(large))

    arguments = ["build", "--raw", captures, "--out", tmp_path / "out", "--workers", workers]
    done = spawn_gtahead(*arguments, limits={resource.RLIMIT_AS: limit}, forked=False)
    assert done.code == 3, done.err
    assert "sequence large > frame 000000: the image can't be read" in done.err
    assert "Traceback" not in done.err
    assert manifest(tmp_path / "out")["statistics"]["frames"] == 8


EACH = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from helpers import gtahead
done = [gtahead(*words) for words in json.loads(sys.argv[1])]
print(json.dumps([[one.code, one.err] for one in done]))
"""


def without_root() -> None:
    """Give up root's right to pass over the rights of files, for this process and its children."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def test_files_that_may_not_be_written(dataset: Path, captures: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    library.build(captures, data, workers=1)
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    closed = tmp_path / "closed"
    closed.mkdir()
    folders = [closed, dataset, *(path for path in dataset.rglob("*") if path.is_dir())]
    for path in folders:
        path.chmod(0o555)
    try:
        commands: list[list[object]] = [
            ["build", "--raw", captures, "--out", dataset, "--fresh", "--workers", 1],
            ["annotate", dataset, "--boxes", "fixed:7", "--workers", 1],
            ["export", dataset, "--format", "points-csv", "--allow-lossy", "--out", closed / "csv"],
            ["report", dataset, "--html", closed / "report.html"],
        ]
        words = [[str(word) for word in command] for command in commands]
        done = subprocess.run(
            [sys.executable, "-c", EACH, json.dumps(words)],
            preexec_fn=without_root,
            capture_output=True,
            text=True,
        )
        for command, (code, said) in zip(commands, json.loads(done.stdout), strict=True):
            assert code == 4, (command, said)
            assert "Permission denied" in said
            assert "Traceback" not in said
    finally:
        for path in folders:
            path.chmod(0o755)
    assert {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()} == before


def test_files_that_may_not_be_read(captures: Path, tmp_path: Path) -> None:
    (captures / "a" / "heads.csv").chmod(0)
    (captures / "b" / "frames" / "000002.jpg").chmod(0)
    arguments = ["build", "--raw", captures, "--out", tmp_path / "out", "--workers", 1]
    done = spawn_gtahead(*arguments, preexec_fn=without_root)
    assert done.code == 3, done.err
    assert "labels-unreadable" in done.err
    assert "image-unreadable" in done.err
    assert manifest(tmp_path / "out")["statistics"]["frames"] == 3


@pytest.mark.parametrize("year", [1971, 2199])
def test_a_clock_that_jumps(captures: Path, dataset: Path, tmp_path: Path, year: int) -> None:
    when = (year - 1970) * 365.25 * 86400
    for path in (*captures.rglob("*"), *dataset.rglob("*")):
        os.utime(path, (when, when))
    again = gtahead("build", "--raw", captures, "--out", dataset, "--json")
    assert again.code == 0
    make_sequence(captures, "c")
    assert library.build(captures, dataset, workers=1).exit_code == 0
    assert manifest(dataset) == library.build(captures, tmp_path / "whole", workers=1).manifest


COMMANDS: dict[str, Callable[[Path], list[object]]] = {
    "annotate": lambda data: [data, "--boxes", "fixed:7", "--workers", 1],
    "export": lambda data: [data, "--format", "coco", "--out", data.parent / "coco"],
    "validate": lambda data: [data],
    "report": lambda data: [data, "--html", data.parent / "report.html"],
    "view": lambda data: [data, "--out", data.parent / "view.png"],
    "publish stage": lambda data: [
        *(data, "--out", data.parent / "release", "--repo", "a/b", "--creator", "me"),
        *("--licence", "mit", "--images", "none"),
    ],
}


@pytest.mark.parametrize("table", ["frames.parquet", "heads/a.parquet"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_cut_short(dataset: Path, table: str, command: str) -> None:
    path = dataset / table
    path.write_bytes(path.read_bytes()[:-200])
    before = {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    done = gtahead(*command.split(), *COMMANDS[command](dataset))
    assert done.code == 1, done.err
    reported = done.out + done.err  # what `validate` finds is its result, not a complaint
    assert table in reported
    assert "damaged" in reported or "can't be read" in reported or "isn't the one" in reported
    assert {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()} == before
    assert sorted(path.name for path in dataset.parent.iterdir()) == ["captures", "dataset"]


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_twice(captures: Path, tmp_path: Path, workers: int) -> None:
    target = tmp_path / "out"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gtahead", "build", "--raw", str(captures)),
            *("--out", str(target), "--workers", str(workers)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "GTAHEAD_CRASH_AT": f"unit-done:STOP@{tmp_path / 'stopped'}"},
    )
    os.waitpid(process.pid, os.WUNTRACED)  # it stands still in the middle of its work
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
    os.killpg(process.pid, signal.SIGCONT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == "interrupted: run the same command again"
    assert library.build(captures, target, workers=1).exit_code == 0
    assert manifest(target) == library.build(captures, tmp_path / "whole", workers=1).manifest


def test_a_worker_that_is_killed_from_outside(captures: Path, tmp_path: Path) -> None:
    target, marker = tmp_path / "out", tmp_path / "killed"
    arguments = ["build", "--raw", captures, "--out", target, "--workers", 2]
    done = spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": f"heads-placed:KILL@{marker}"})
    assert (done.code, marker.exists()) == (0, True), done.err
    shutil.rmtree(tmp_path / "captures" / "a")
    assert manifest(target)["statistics"]["frames"] == 8


def test_a_image_of_a_terabyte_is_not_read(captures: Path, tmp_path: Path) -> None:
    path = captures / "a" / "frames" / "000001.jpg"
    path.write_bytes(image(1))
    os.truncate(path, 2**40)  # a hole: it takes no room
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "out", "--workers", 1)
    assert done.code == 3, done.err
    assert "image-too-large" in done.err
    assert gtahead("validate", captures).code == 1
