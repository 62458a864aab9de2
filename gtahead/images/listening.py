"""What image decoders say while they work: libjpeg and libpng write it to stderr, past Python."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2

_OF_DECODERS = re.compile(
    r"(?:Corrupt|Premature end of) JPEG|Invalid (?:SOS|component|scan|progressive)|libpng "
    r"|Inconsistent progression|Unknown Adobe|Warning: unknown JFIF|Unsupported marker|JPEG data"
)
"""How the lines of libjpeg and libpng begin; other lines are passed on."""

_one_at_a_time = threading.Lock()
_hung = threading.Event()

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
        try:
            kept = os.dup(_STDERR)
        except OSError:  # stderr is closed: nobody would hear them
            yield said
            return
        try:
            with tempfile.TemporaryFile() as file:
                os.dup2(file.fileno(), _STDERR)
                try:
                    yield said
                finally:
                    os.dup2(kept, _STDERR)
                if file.seek(0, os.SEEK_END):
                    file.seek(0)
                    _sort(file.read(), said)
        finally:
            os.close(kept)
    finally:
        _hung.clear()
        _one_at_a_time.release()


def _sort(written: bytes, said: list[str]) -> None:
    """Keep the decoders' lines, and pass on what others wrote meanwhile."""
    for line in written.splitlines(keepends=True):
        text = line.decode("utf-8", "replace").strip()
        if _OF_DECODERS.match(text):
            said.append(text)
        else:
            os.write(_STDERR, line)
