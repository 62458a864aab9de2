"""MATLAB's .mat files of points, read and written without MATLAB."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import storage
from gtahead.dataset.tabular import Columns
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.formats.reading import LabelledPicture, Load, load_each, own_labels
from gtahead.geometry import Floats
from gtahead.matlab_files import refuse_bomb

_HEADER = b"MATLAB 5.0 MAT-file, written by gtahead".ljust(116)

MATLAB_ORIGIN = (
    "0-based as every loader takes them; MATLAB's own count from 1, and nobody says which was meant"
)


_OF_DAMAGE = (TypeError, KeyError, IndexError, NotImplementedError, OverflowError, MemoryError)
"""What scipy raises of damaged files; their headers may ask for arrays beyond all memory."""


def save_mat(path: Path, variables: dict[str, Any]) -> None:
    """Write a MAT v5 file without the date and the platform that scipy puts into it."""
    from scipy.io import savemat

    out = io.BytesIO()
    savemat(out, variables, format="5", do_compression=True)
    path.write_bytes(_HEADER + out.getvalue()[len(_HEADER) :])


def read_variable(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever MATLAB wrote
    """Read one variable of a MAT file.

    Raises:
        ValueError: unreadable, or no such variable; with the reason.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        data = storage.read_bytes(path)
        if not data:
            msg = "the file is empty"
            raise ValueError(msg)
        if data.startswith(b"MATLAB 7.3"):
            msg = "MATLAB 7.3 files (HDF5) aren't read: save it with -v7"
            raise ValueError(msg)
        refuse_bomb(data)
        found = loadmat(io.BytesIO(data), variable_names=[name])
    except FileNotFoundError:
        raise
    except (OSError, MatReadError, zlib.error, *_OF_DAMAGE) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    if name not in found:
        msg = f"there is no variable {name}"
        raise ValueError(msg)
    return found[name]


def unwrapped(value: Any) -> Any:  # noqa: ANN401 - whatever MATLAB wrote
    """Open cells and structs of one element, however they are nested, down to the locations."""
    for _ in range(10):
        if not isinstance(value, np.ndarray | np.void):
            break
        names = value.dtype.names
        if names and "location" in names:
            value = value["location"]
        elif value.dtype == object and value.size == 1:
            value = value.reshape(-1)[0]
        else:
            break
    return value


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


def load_points(root: Path, read: Callable[[Path], Floats]) -> Load:
    """Make what reads a file of (N, 2) points a picture."""

    def one(picture: LabelledPicture, findings: Findings, place: Where) -> Columns:
        del findings, place
        points = read(own_labels(root, picture))
        return {"x": points[:, 0], "y": points[:, 1]}

    return load_each(one, ["x", "y"])
