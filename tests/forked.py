"""The command line, or a script, in a process forked from one that has imported gtahead."""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

COMMANDS = ("annotate", "benchmark", "build", "export", "info", "publish", "simulate", "validate")
JOBS = ("building.sequence_job", "formats.exporting", "simulation", "publishing.staging")

for name in (*(f"cli.{command}" for command in COMMANDS), *JOBS, "scoring", "validation"):
    importlib.import_module(f"gtahead.{name}")


def run_command(words: list[str]) -> None:
    """Run the command line as `python -m gtahead` would."""
    from gtahead import cli

    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["gtahead", *words]
    cli.run()


def run_code(text: str) -> None:
    """Run a script as `python -c` would."""
    sys.path.insert(0, "")
    exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})


def limit(limits: Mapping[int, int]) -> None:
    """Set what this process may take."""
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))


def run(
    job: Callable[[], None],
    settings: Mapping[str, str],
    limits: Mapping[int, int],
    folder: str,
    out: Path,
) -> None:
    """Run a job in a folder, an environment, and limits; what it prints goes to `out` and `err`."""
    limit(limits)
    os.environ.clear()
    os.environ.update(settings)
    os.chdir(folder)
    sys.path[:0] = filter(None, settings.get("PYTHONPATH", "").split(os.pathsep))
    for name, stream in (("out", 1), ("err", 2)):
        file = os.open(out / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, stream)
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    job()
