"""Files that several workers write parts of: the parts are joined in order."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

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
                    shutil.copyfileobj(source, out, 2**20)
                path.unlink()


def write_small(path: str, data: bytes) -> None:
    """Write one of very many small files."""
    with open(path, "wb", buffering=0) as out:  # noqa: PTH123 - a Path each costs half as much again
        out.write(data)
