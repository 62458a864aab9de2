"""What image decoders say while they work: libjpeg and libpng write it to stderr, past Python."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_STDERR = 2

_OF_DECODERS = re.compile(
    r"(?:Corrupt|Premature end of) JPEG|Invalid (?:SOS|component|scan|progressive)|libpng "
    r"|Inconsistent progression|Unknown Adobe|Warning: unknown JFIF|Unsupported marker|JPEG data"
)
"""How the lines of libjpeg and libpng begin; other lines are passed on."""

_one_at_a_time = threading.Lock()
_hung = threading.Event()
_swapping = threading.Lock()
_stderr: list[int] = []
"""A copy of stderr, while a file is in its place."""

PATIENCE_S = 1.0
"""After which another thread's decoder counts as hung: no image waits for it any longer."""


@contextmanager
def listening() -> Iterator[list[str]]:
    """Catch what decoders write to stderr.

    Yields:
        A list, into which the decoders' lines are put when the block ends.
    """
    said: list[str] = []
    if not _one_at_a_time.acquire(timeout=0 if _hung.is_set() else PATIENCE_S):
        _hung.set()
        yield said
        return
    try:
        with ExitStack() as opened:
            try:
                kept = os.dup(_STDERR)
                opened.callback(os.close, kept)
                file = opened.enter_context(tempfile.TemporaryFile())
            except OSError:  # stderr is closed, or there is no room: decoders are heard as ever
                yield said
                return
            with _instead_of_stderr(file.fileno(), kept):
                yield said
            if file.seek(0, os.SEEK_END):
                file.seek(0)
                _sort(file.read(), said)
    finally:
        _hung.clear()
        _one_at_a_time.release()


@contextmanager
def _instead_of_stderr(number: int, kept: int) -> Iterator[None]:
    """Have a file in stderr's place, of which `kept` is a copy."""
    with _swapping:
        _stderr.append(kept)
        os.dup2(number, _STDERR)
    try:
        yield
    finally:
        with _swapping:
            os.dup2(kept, _STDERR)
            _stderr.clear()


def give_stderr_back() -> None:
    """Put stderr back where a decoder that hangs keeps it: everybody would speak into its file."""
    _hung.set()
    with _swapping:  # the decoder may come back this very moment, and close the copy
        for kept in _stderr:
            os.dup2(kept, _STDERR)


def _sort(written: bytes, said: list[str]) -> None:
    """Keep the decoders' lines, and pass on what others wrote meanwhile."""
    for line in written.splitlines(keepends=True):
        text = line.decode("utf-8", "replace").strip()
        if _OF_DECODERS.match(text):
            said.append(text)
        else:
            os.write(_STDERR, line)
