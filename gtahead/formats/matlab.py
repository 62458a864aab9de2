"""MATLAB's .mat files of points, read and written without MATLAB."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.reading import (
    HeadsRead,
    LabelledPicture,
    gathered,
)
from gtahead.geometry import Floats

_HEADER = b"MATLAB 5.0 MAT-file, written by gtahead".ljust(116)

MATLAB_ORIGIN = (
    "0-based as every loader takes them; MATLAB's own count from 1, and nobody says which was meant"
)


def save_mat(path: Path, variables: dict[str, Any]) -> None:
    """Write a MAT v5 file without the date and the platform that scipy puts into it."""
    from scipy.io import savemat

    out = io.BytesIO()
    savemat(out, variables, format="5", do_compression=True)
    path.write_bytes(_HEADER + out.getvalue()[len(_HEADER) :])


def as_doubles(points_xy: Floats, size_wh: tuple[int, int]) -> Floats:
    """Give (N, 2) doubles as they are; empty ones keep their two columns."""
    del size_wh
    return np.ascontiguousarray(points_xy, np.float64).reshape(-1, 2)


def read_variable(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever MATLAB wrote
    """Read one variable of a MAT file.

    Raises:
        ValueError: unreadable, or no such variable; with the reason.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        data = path.read_bytes()
        if not data:
            msg = "the file is empty"
            raise ValueError(msg)
        if data.startswith(b"MATLAB 7.3"):
            msg = "MATLAB 7.3 files (HDF5) aren't read: save it with -v7"
            raise ValueError(msg)
        found = loadmat(io.BytesIO(data), variable_names=[name])
    except (OSError, MatReadError, TypeError, KeyError, IndexError, zlib.error) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    except (NotImplementedError, MemoryError, OverflowError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if name not in found:
        msg = f"there is no variable {name}"
        raise ValueError(msg)
    return found[name]


def as_points(value: Any) -> Floats:  # noqa: ANN401 - whatever MATLAB wrote
    """Give (N, 2) points.

    Raises:
        ValueError: it's something else.
    """
    try:
        points = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        msg = "the points are no numbers"
        raise ValueError(msg) from error
    if points.size == 0:
        return np.empty((0, 2))
    if points.ndim != 2 or points.shape[1] < 2:
        msg = f"the points have the shape {points.shape} instead of (N, 2)"
        raise ValueError(msg)
    return points[:, :2]


def load_points(
    root: Path, read: Callable[[Path], Floats]
) -> Callable[[Sequence[LabelledPicture], Findings, Ledger, Where], HeadsRead]:
    """Make what reads a file of points a picture; a file that can't be read sets it aside."""

    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, picture in enumerate(wanted):
            points = np.empty((0, 2))
            place = Where(picture.labels, where.sequence, picture.frame)
            if picture.labels is None or not (root / picture.labels).is_file():
                findings.add("labels-missing", place)
                faults[index] = "labels-missing"
            else:
                try:
                    points = read(root / picture.labels)
                except (ValueError, OSError) as error:
                    findings.add("bad-frame-labels", place, detail=str(error))
                    faults[index] = "bad-frame-labels"
            parts.append((index, {"x": points[:, 0], "y": points[:, 1]}))
        found = gathered(parts, ["x", "y"])
        ledger.heads.came += len(found["x"])
        return HeadsRead(found, faults)

    return load
