"""Maps on disk: their shapes, sums and peaks."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.dataset import Dataset, Frame
from gtahead.density import count_of, map_shape
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.base import SPLIT_WORDS
from gtahead.ingest.exports import INDEX, marker_of
from gtahead.map_files import Map, read_map

SUM_OFF = 1e-3
"""By how much of the count a density map's sum may be off."""

HALF_OFF = 5e-3
"""The same for half precision, whose cells have three digits."""


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
