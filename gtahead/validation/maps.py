"""Maps on disk: their shapes, sums and peaks."""

from __future__ import annotations

import csv
import io
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from gtahead import storage
from gtahead.dataset import Dataset, Frame
from gtahead.density import count_of, map_shape
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.base import SPLIT_WORDS
from gtahead.ingest.exports import INDEX, marker_of

SUM_OFF = 1e-3
"""By how much of the count a density map's sum may be off."""

HALF_OFF = 5e-3
"""The same for half precision, whose cells have three digits."""

Map = npt.NDArray[Any]


def check_maps(folder: Path, name: str, against: Path | None) -> Iterator[Findings]:
    """Check an export of maps, a frame at a time.

    Args:
        folder: the export's.
        name: density or heatmap.
        against: the dataset that it was made of; then peaks are compared with its heads too.

    Raises:
        InputError: the index or the dataset can't be read.
    """
    dataset = None if against is None else Dataset.open(against)
    frames = {} if dataset is None else {frame.frame_id: frame for frame in dataset}
    try:
        rows = list(csv.DictReader(io.StringIO((folder / INDEX).read_text(encoding="utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        remedy = "export the maps again"
        raise InputError("the index can't be read", where=Where(INDEX), remedy=remedy) from error
    written_with = marker_of(folder).get("options", {})
    for row in rows:
        part = Findings()
        sequence, _, frame = (row.get("frame_id") or "").rpartition("/")
        position = folder / SPLIT_WORDS.get(row.get("split", ""), "") / "ground_truth"
        # Nested, then flat; a damaged index may name an absolute path.
        stems = [
            position / sequence.lstrip("/") / frame,
            position / Path(row.get("file") or "").stem,
        ]
        found = [
            path.with_name(f"{path.name}{e}") for path in stems for e in (".npz", ".npy", ".h5")
        ]
        path = next((one for one in found if one.is_file()), found[0])
        where = Where(path.relative_to(folder).as_posix(), sequence, frame)
        try:
            values, about = read_map(path, name)
            about = {**written_with, **about}  # .npy holds the map alone
        except (ValueError, OSError) as error:
            part.add("map-unreadable", where, detail=str(error))
        else:
            size = _side(row.get("width")), _side(row.get("height"))
            _check_map(values, about, name, size, where, part)
            if not len(part) and row["frame_id"] in frames:
                _check_heads(values, about, name, frames[row["frame_id"]], where, part)
        yield part


def _side(text: str | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 7 else 0


def read_map(path: Path, name: str) -> tuple[Map, Mapping[str, Any]]:
    """Read a map and what it says of itself; nothing in the file is run.

    Raises:
        ValueError: another file, or damaged.
        OSError: unreadable.
    """
    try:
        if path.suffix == ".npy":
            return _read_npy(path), {}
        return _read_npz(path, name) if path.suffix == ".npz" else _read_h5(path, name)
    except _OF_DAMAGE as error:
        raise ValueError(str(error) or type(error).__name__) from error


_OF_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, SyntaxError),
    *(NotImplementedError, RuntimeError, MemoryError, UnicodeDecodeError),
    tokenize.TokenError,
)
"""What zipfile, NumPy and h5py raise of damaged files."""

MAX_MAP = 2**30
"""Bytes of a map once it's unpacked; a file of kilobytes may claim more than any memory has."""


def _read_npz(path: Path, name: str) -> tuple[Map, Mapping[str, Any]]:
    # From memory: NumPy leaves a file open that turns out to be no archive.
    data = io.BytesIO(storage.read_bytes(path))
    with zipfile.ZipFile(data) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_MAP:
            raise ValueError("it claims more than 1 GiB")
    with np.load(data, allow_pickle=False) as stored:
        about = orjson.loads(bytes(stored["about"]))
        if not isinstance(about, dict):
            raise TypeError("its `about` isn't an object")
        return stored[name], about


def _read_npy(path: Path) -> Map:
    data = storage.read_bytes(path)
    if len(data) > MAX_MAP:
        raise ValueError("it claims more than 1 GiB")
    if not data.startswith(b"\x93NUMPY"):  # NumPy would advise to unpickle it
        raise ValueError("it isn't an array")
    values: Map = np.load(io.BytesIO(data), allow_pickle=False)
    return values


def _read_h5(path: Path, name: str) -> tuple[Map, Mapping[str, Any]]:
    import h5py

    with h5py.File(path, "r") as file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise ValueError("its map is a link, maybe to another file")
        stored = file[name]
        if not isinstance(stored, h5py.Dataset):
            raise ValueError(f"{name} isn't a map")
        if stored.external or stored.is_virtual:
            raise ValueError("its map lies in another file")
        if stored.size * stored.dtype.itemsize > MAX_MAP:
            raise ValueError("it claims more than 1 GiB")
        return np.asarray(stored), dict(stored.attrs)


def _check_map(
    values: Map,
    about: Mapping[str, Any],
    name: str,
    size_wh: tuple[int, int],
    where: Where,
    part: Findings,
) -> None:
    stride, heads = (_whole(about.get(key)) for key in ("stride", "heads"))
    shape = map_shape(size_wh, stride) if stride > 0 and min(size_wh) > 0 else None
    if values.shape != shape:
        detail = f"{values.shape} instead of {shape}"
        part.add("map-shape-differs", where, detail=detail)
        return
    if not np.isfinite(values).all() or (values < 0).any():
        part.add("map-unreadable", where, detail="it has cells that are negative or not numbers")
        return
    if "heads" not in about:
        return
    if name == "density":
        total = float(count_of(values))
        off = (HALF_OFF if values.dtype == np.float16 else SUM_OFF) * max(1, heads)
        clipped = about.get("border") == "clip"
        if total > heads + off or (not clipped and total < heads - off):
            part.add("map-sum-differs", where, f"{total:.3f}", f"{heads} heads")
    elif int((values == 1).sum()) > heads or (heads > 0 and not (values == 1).any()):
        part.add("map-peaks-differ", where, int((values == 1).sum()), f"{heads} heads")


def _whole(value: object) -> int:
    """Read a count; -1 where it is none."""
    fine = isinstance(value, int | np.integer) and 0 <= int(value) < 2**40
    return int(value) if fine else -1  # type: ignore[call-overload]


def _check_heads(
    values: Map, about: Mapping[str, Any], name: str, frame: Frame, where: Where, part: Findings
) -> None:
    """Check a map against the heads of its frame."""
    points = frame.points_xy[frame.counted]
    inside = ((points >= 0) & (points < np.array(frame.size_wh))).all(axis=1)
    points = points[inside]
    if "heads" not in about:  # .npy holds the map alone
        if name == "density":
            about = {**about, "heads": len(points)}
            _check_map(values, about, name, frame.size_wh, where, part)
    elif _whole(about.get("heads")) != len(points):
        detail = f"the dataset has {len(points)}"
        part.add("differs-from-dataset", where, _whole(about.get("heads")), detail)
        return
    if name == "heatmap":
        cells = np.unique(np.floor(points / _whole(about["stride"])).astype(np.int64), axis=0)
        peaks = np.argwhere(values == 1)[:, ::-1]
        if {tuple(c) for c in cells.tolist()} != {tuple(p) for p in peaks.tolist()}:
            part.add("map-peaks-differ", where, len(peaks), f"heads are in {len(cells)} cells")
