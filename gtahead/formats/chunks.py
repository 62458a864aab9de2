"""Files that several workers write parts of: the parts are joined in order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from gtahead import storage
from gtahead.formats.base import Batch, Summary


def write_chunk(batch: Batch, file: str, rows: Iterable[bytes | memoryview]) -> None:
    """Write a batch's part of a joined file."""
    with batch.chunk_path(file).open("wb", buffering=0) as out:
        for some in rows:
            out.write(some)


def join_each_split(*names: Callable[[str], str], head: bytes = b"") -> Callable[[Summary], None]:
    """Return a function that joins the parts of each split's files.

    Args:
        names: of the files, given a split.
        head: what each file begins with.
    """

    def finish(summary: Summary) -> None:
        for split in summary.splits:
            for name in names:
                file = name(split)
                join(summary.folder / file, [head, summary.chunks(file)])

    return finish


def join(target: Path, pieces: Sequence[bytes | Sequence[Path]]) -> None:
    """Write a file from bytes and from the files of parts, which are removed.

    Args:
        target: the file.
        pieces: in order: bytes as they are, or paths of parts. A part begins with a comma where it
            isn't the first; where the first of some parts does too, it's left out.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with storage.replacing(target) as part, part.open("wb") as out:
        for piece in pieces:
            if isinstance(piece, bytes):
                out.write(piece)
                continue
            begun = False
            for path in piece:
                with path.open("rb") as source:
                    if not begun and source.read(1) not in (b",", b""):
                        source.seek(0)
                    begun = begun or path.stat().st_size > 0
                    _append(source, out)
                path.unlink()


def write_small(path: str, data: bytes) -> None:
    """Write one of very many small files, without the overhead of Python's file objects."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _append(source: BinaryIO, out: BinaryIO) -> None:
    """Append the rest of a file, within the kernel where possible."""
    out.flush()
    rest = os.fstat(source.fileno()).st_size - source.tell()
    position = source.tell()
    os.lseek(source.fileno(), position, os.SEEK_SET)
    while rest > 0:
        try:
            copied = os.copy_file_range(source.fileno(), out.fileno(), rest)
        except (AttributeError, OSError):  # not on this system, or not between these files
            copied = 0
        if not copied:
            source.seek(position)
            shutil.copyfileobj(source, out, 2**20)
            return
        rest -= copied
        position += copied
