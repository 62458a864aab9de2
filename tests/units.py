"""Units of work for the tests of pools and clusters, where their workers can import them."""

from __future__ import annotations

import os
import signal

from gtahead.errors import InputError


def square(number: int) -> int:
    return number * number


def fail_on_three(number: int) -> int:
    if number == 3:
        raise InputError("three is wrong", value=3)
    return number


def die(task: tuple[int, str]) -> int:
    """Kill this worker where asked: always, or only for whoever creates the marker first."""
    number, marker = task
    if marker == "always":
        os.kill(os.getpid(), signal.SIGKILL)
    if marker:
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return number
        os.kill(os.getpid(), signal.SIGKILL)
    return number


UNITS = [(str(number), number) for number in range(7)]
