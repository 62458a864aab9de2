"""Makers of small captures, and the command line as a function or a process."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import forked as server
import numpy as np
import pytest

from gtahead.captures.native import write_sequence

SIZE_WH = (64, 48)


def examples(fast: int) -> int:
    """How many examples hypothesis draws: so many, or ten times as many in the slow tests."""
    return fast * (10 if "GTAHEAD_THOROUGH" in os.environ else 1)


def but_slow(fast: Sequence[object], *slow: object) -> list[Any]:
    """Parameters of a test, of which the fast set takes the first ones only."""
    return [*fast, *(pytest.param(*_as_tuple(one), marks=pytest.mark.slow) for one in slow)]


def _as_tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else (value,)


HEADER = "frame,ped_id,x,y,depth_m"
ROWS = ["0,1,10.5,20.25,8", "0,2,30,21,9.5", "1,1,11.5,20.5,8", "2,2,63.5,47.5,7"]


def image(seed: int = 0, size_wh: tuple[int, int] = SIZE_WH, kind: str = ".jpg") -> bytes:
    """An image with something on it."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size_wh[1] // 8, size_wh[0] // 8, 3))
    big = cv2.resize(pixels.astype(np.uint8), size_wh, interpolation=cv2.INTER_NEAREST)
    return bytes(cv2.imencode(kind, big)[1])


def turned(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG with an orientation tag, and a resolution that is text where a number belongs."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    entries += struct.pack("<HHI4s", 0x011A, 2, 3, b"72\0\0")
    tiff = b"II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def put(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below a folder; return it."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def make_sequence(
    root: Path,
    name: str = "seq",
    *,
    frames: int = 4,
    rows: list[str] | None = None,
    header: str = HEADER,
    **keys: Any,
) -> Path:
    """Write a native sequence of some frames; frame 3 has no heads. Give its folder."""
    folder = root / name
    (folder / "frames").mkdir(parents=True)
    listed = []
    for number in range(frames):
        file = f"frames/{number:06d}.jpg"
        (folder / file).write_bytes(image(seed=number + 1000 * len(list(root.iterdir()))))
        listed.append({"frame": number, "file": file})
    document = {
        "format": "gtahead-capture",
        "version": 1,
        "width": SIZE_WH[0],
        "height": SIZE_WH[1],
        "camera": {"vfov_deg": 50},
        "split": "train",
        "frames": listed,
        **keys,
    }
    (folder / "sequence.json").write_text(json.dumps(document), encoding="utf-8")
    write_rows(folder, rows if rows is not None else ROWS, header)
    return folder


def write_rows(folder: Path, rows: list[str], header: str = HEADER) -> None:
    """Write heads.csv as it is given."""
    (folder / "heads.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def edit_sequence(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change sequence.json in place."""
    document = json.loads((folder / "sequence.json").read_text(encoding="utf-8"))
    change(document)
    (folder / "sequence.json").write_text(json.dumps(document), encoding="utf-8")


def make_native(folder: Path, document: Mapping[str, Any], heads: Mapping[str, Any]) -> None:
    """Write a sequence by the library's own writer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_sequence(folder, document, {name: np.asarray(values) for name, values in heads.items()})


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def gtahead(*arguments: object, findings: str = "concise") -> Outcome:
    """Run the command line in this process, as its entry point would.

    Findings are a line each, unless a test asks for them as people read them: `full`.
    """
    from contextlib import redirect_stderr, redirect_stdout

    from gtahead.cli import _exit_code

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("GTAHEAD_FINDINGS", findings)
        code = _exit_code([str(argument) for argument in arguments])
    return Outcome(code, out.getvalue(), err.getvalue())


def spawn_gtahead(
    *arguments: object,
    forked: bool | None = None,
    limits: Mapping[int, int] | None = None,
    **options: Any,
) -> Outcome:
    """Run the command line as a process of its own.

    Args:
        arguments: of the command line.
        forked: from a server that has imported gtahead, which saves a second of imports; by default
            where there is one worker, as those of a pool have to inherit the environment.
        limits: what the process may take, by `RLIMIT_…`.
        options: `env` adds to the environment, `cwd` is the folder, others are of `subprocess.run`.
    """
    words = [str(argument) for argument in arguments]
    alone = ("--workers", "1") in pairwise(words) and options.keys() <= {"env", "cwd"}
    if alone if forked is None else forked:
        options["env"] = {"GTAHEAD_FINDINGS": "concise", **options.get("env", {})}
        return _forked(partial(server.run_command, words), limits=limits, **options)
    environment = {**os.environ, "GTAHEAD_FINDINGS": "concise", **options.pop("env", {})}
    if limits is not None:
        options["preexec_fn"] = partial(server.limit, limits)
    done = subprocess.run(
        [sys.executable, "-m", "gtahead", *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        **options,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def run_code(text: str, cwd: Path, **options: Any) -> Outcome:
    """Run a script in a folder, as a process of its own."""
    return _forked(partial(server.run_code, text), cwd=cwd, **options)


def _forked(
    job: Callable[[], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    limits: Mapping[int, int] | None = None,
) -> Outcome:
    context = multiprocessing.get_context("forkserver")
    with tempfile.TemporaryDirectory() as folder:
        here = str(cwd or Path.cwd())
        arguments = (job, {**os.environ, **(env or {})}, limits or {}, here, Path(folder))
        process = context.Process(target=server.run, args=arguments)
        process.start()
        process.join(300)
        assert process.exitcode is not None, "it hangs"
        out, err = (Path(folder) / name for name in ("out", "err"))
        return Outcome(process.exitcode, out.read_text(), err.read_text())


def kill_after(
    arguments: Sequence[object],
    seconds: float,
    victims: Callable[[int], list[int]] = lambda main: [main],
) -> int:
    """Run the command line and kill a process of it after some seconds; give how it ended.

    Args:
        arguments: of the command line.
        seconds: until then; what has ended before isn't killed.
        victims: gives those to choose from, of the main process.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "gtahead", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        chosen = victims(process.pid)
        if chosen:
            with suppress(ProcessLookupError):
                os.kill(random.choice(chosen), signal.SIGKILL)
        return process.wait(120)


@contextmanager
def imported_from(folder: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    """Import scripts from their folder, which is no package."""
    sys.path.insert(0, str(folder))
    try:
        yield tuple(import_module(name) for name in names)
    finally:
        sys.path.remove(str(folder))


def manifest(target: Path) -> dict[str, Any]:
    """Read a dataset's manifest."""
    document: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    return document


AXE = Path(sys.prefix) / "axe" / "node_modules" / "axe-core" / "axe.min.js"
"""axe-core, where `make` could get it from the npm registry."""


def barriers(page: Any) -> list[str]:
    """What keeps people from using an open page, as axe-core finds it, of any level."""
    if not AXE.is_file():
        pytest.skip("axe-core isn't here: make test gets it where there is npm")
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{one['id']}: {one['help']}: {node['html'][:120]}"
        for one in found
        for node in one["nodes"]
    ]
