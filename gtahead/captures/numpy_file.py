"""NumPy's .npz files as datasets publish them, read without running anything that is in them."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import storage

MAX_BYTES = 2**28
"""Of an array once it's unpacked."""


def read_npz(path: Path, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of a .npz file; those that aren't there are left out.

    Raises:
        ValueError: unreadable, too large, or it holds Python objects, which are never loaded.
        OSError: the system can't read it.
    """
    data = storage.read_bytes(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            large = [one.filename for one in archive.infolist() if one.file_size > MAX_BYTES]
        if large:
            raise ValueError(f"{large[0]} is larger than {MAX_BYTES:,} bytes")
        with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
            return {name: loaded[name] for name in names if name in loaded.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, MemoryError) as error:
        raise ValueError(str(error) or "not a .npz file") from error


def numbers_of(
    arrays: dict[str, npt.NDArray[Any]], name: str, shape: tuple[int | None, ...]
) -> npt.NDArray[np.float64]:
    """Return an array of numbers of a shape; None stands for any length.

    Raises:
        ValueError: it's missing, of another shape, or no numbers.
    """
    if name not in arrays:
        raise ValueError(f"{name} is missing")
    found = arrays[name]
    fits = len(found.shape) == len(shape) and all(
        wanted in (None, side) for side, wanted in zip(found.shape, shape, strict=True)
    )
    if not fits or found.dtype.kind not in "biuf":
        words = " x ".join("n" if side is None else str(side) for side in shape)
        raise ValueError(f"{name} is {found.dtype} of the shape {found.shape}, not {words} numbers")
    return found.astype(np.float64)
