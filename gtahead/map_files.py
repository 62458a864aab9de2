"""Maps on disk, .npz, .npy and .h5, read without running anything that is in them."""

from __future__ import annotations

import lzma
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import orjson

from gtahead import storage
from gtahead.errors import require

Map = npt.NDArray[Any]

SUFFIXES = (".npz", ".npy", ".h5")

MAX_CELLS = 2**27
"""Cells of a map, 16,384 x 8,192; a file of kilobytes may claim more than any memory has."""
MAX_BYTES = 2**30
"""Of a map, and of the chunks in which HDF5 keeps it."""

HDF5 = "'gtahead[hdf5]'"
"""What `pip` installs for .h5 files."""

ABOUT = "about"
"""Of a .npz: what a map says of itself, as JSON."""

_OF_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, SyntaxError),
    *(NotImplementedError, RuntimeError, MemoryError, UnicodeDecodeError, OverflowError),
    *(lzma.LZMAError, AttributeError),
    tokenize.TokenError,
)
"""What zipfile, NumPy and h5py raise of damaged files."""


@contextmanager
def _naming_damage() -> Iterator[None]:
    try:
        yield
    except _OF_DAMAGE as error:
        raise ValueError(str(error) or type(error).__name__) from error


def read_map(path: Path, name: str) -> tuple[Map, Mapping[str, Any]]:
    """Read a map and what it says of itself.

    Args:
        path: a file of one map.
        name: of the map in it; .npy holds the map alone.

    Raises:
        ValueError: another file, or damaged.
        OSError: unreadable.
        ResourceError: .h5, and h5py isn't installed.
    """
    with _naming_damage():
        if path.suffix == ".npy":
            return _read_npy(path), {}
        return _read_npz(path, name) if path.suffix == ".npz" else _read_h5(path, name)


def read_maps(path: Path) -> Iterator[tuple[str, Map]]:
    """Yield all maps of a file with their names, one after the other; .npy has one without a name.

    Raises:
        ValueError: another file, or damaged.
        OSError: unreadable.
        ResourceError: .h5, and h5py isn't installed.
    """
    with _naming_damage():
        if path.suffix == ".npy":
            yield "", _read_npy(path)
        elif path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                for entry in archive.infolist():
                    name = entry.filename.removesuffix(".npy")
                    if name != ABOUT and not entry.is_dir():
                        yield name, _entry(archive, entry)
        else:
            yield from _h5_maps(path)


def _read_npz(path: Path, name: str) -> tuple[Map, Mapping[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        about = orjson.loads(_entry(archive, archive.getinfo(f"{ABOUT}.npy")).tobytes())
        if not isinstance(about, dict):
            raise TypeError("its `about` isn't an object")
        return _entry(archive, archive.getinfo(f"{name}.npy")), about


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Map:
    with archive.open(entry) as file:
        return _array(file)


def _refuse_large(shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse what no map is, by what its header says: before any of it is read.

    Raises:
        ValueError: too large, of no size at all, or not of numbers.
    """
    if dtype.kind not in "biufO":  # objects are refused by NumPy, with its words
        raise ValueError(f"it holds {dtype}, not numbers")
    cells = math.prod(shape)
    if any(not 0 <= side <= MAX_BYTES for side in shape):
        raise ValueError("it claims sides that no map has")
    if cells > MAX_CELLS or cells * dtype.itemsize > MAX_BYTES:
        raise ValueError(f"it claims {cells:,} cells, more than {MAX_CELLS:,}, or than 1 GiB")


def _read_npy(path: Path) -> Map:
    storage.require_regular(path)
    with path.open("rb") as file:
        return _array(file)


def _array(file: IO[bytes]) -> Map:
    if file.read(6) != b"\x93NUMPY":  # NumPy would advise to unpickle it
        raise ValueError("it isn't an array")
    file.seek(0)
    major, _ = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read_header(file)
    _refuse_large(shape, dtype)
    file.seek(0)
    values: Map = np.lib.format.read_array(file, allow_pickle=False)
    return values


def _read_h5(path: Path, name: str) -> tuple[Map, Mapping[str, Any]]:
    require("h5py", install=HDF5)
    import h5py

    with h5py.File(path, "r") as file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError("its map is a link, maybe to another file")
        stored = file[name]
        if not isinstance(stored, h5py.Dataset):
            raise ValueError(f"{name} isn't a map")
        return _stored(stored), dict(stored.attrs)


def _h5_maps(path: Path) -> Iterator[tuple[str, Map]]:
    require("h5py", install=HDF5)
    import h5py

    names: list[str | bytes] = []
    with h5py.File(path, "r") as file:
        # Links aren't followed, so nothing of another file is read.
        file.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        for name in names:
            shown = name.decode("utf-8", "replace") if isinstance(name, bytes) else name
            yield shown, _stored(file[name])


def _stored(stored: Any) -> Map:  # noqa: ANN401 - h5py's dataset
    if stored.external or stored.is_virtual:
        raise ValueError("its map lies in another file")
    _refuse_large(stored.shape, stored.dtype)
    if stored.chunks is not None:
        _refuse_large(stored.chunks, stored.dtype)
    return np.asarray(stored)
