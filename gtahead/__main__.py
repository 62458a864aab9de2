"""`gtahead` and `python -m gtahead`: the command line, which Ctrl-C ends quietly at any moment."""

from __future__ import annotations

import os
import signal
from types import FrameType


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    os._exit(130)


def run() -> None:
    """Run the command line; Ctrl-C while it is still being imported ends it without a traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from gtahead.cli import run as run_command

    run_command()


if __name__ == "__main__":
    run()
