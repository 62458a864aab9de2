"""The command line in a process that is forked from one that has imported gtahead."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

for name in ("cli", "building.sequence_job", "formats.exporting", "validation", "dataset"):
    importlib.import_module(f"gtahead.{name}")


def run(words: list[str], settings: Mapping[str, str], folder: str, out: Path, err: Path) -> None:
    """Run the command line as `python -m gtahead` would, with its output in files."""
    from gtahead import cli

    os.environ.clear()
    os.environ.update(settings)
    os.chdir(folder)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for path, stream in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, stream)
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["gtahead", *words]
    cli.run()
