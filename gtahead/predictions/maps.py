"""Density maps as predictions: what a regressor gives, a map per image.

A map is looked at and let go: what stays of it is its sum, which is the count, and its heads in the
cells of GAME(3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from gtahead import storage
from gtahead.arrays import Floats
from gtahead.density import cell_sums, count_of, map_shape
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.map_files import SUFFIXES, Map, read_maps
from gtahead.predictions.checking import Images
from gtahead.predictions.rows import Rows
from gtahead.predictions.table import MAP_GRID, Predictions

MAX_STRIDE = 64
"""Pixels per cell up to which a map's stride is looked for."""

NOISE = -0.5
"""A sum between this and 0 is none: what a network makes of an image without heads."""

PLAIN = ("", "density", "map", "data", "arr_0", "arr")
"""Names of arrays that name no image: the file does."""

OTHER_MAPS = ("heatmap", "fidt")
"""Names of maps whose sum isn't a count."""


def map_files_of(path: Path) -> list[Path]:
    """Return the files of maps of a folder, at any depth, or the file itself."""
    if path.is_file():
        return [path]
    found = (one for one in path.rglob("*") if one.suffix in SUFFIXES)
    return sorted(one for one in found if not one.is_dir() and not one.name.startswith("."))


def read_density_maps(path: Path, images: Images | None, findings: Findings) -> Predictions:
    """Read density maps: .npz, .npy or .h5, one file per image, or all of them in one.

    Args:
        path: a file, or a folder of files named by their images.
        images: that are scored, by whose sizes maps are laid into GAME's cells.
        findings: takes what is wrong.

    Raises:
        InputError: a file can't be read.
    """
    rows = Rows(path.name, findings)
    total = hashlib.sha256()
    grids: list[Floats] = []
    for file in map_files_of(path):
        shown = file.name if file == path else file.relative_to(path).as_posix()
        try:
            storage.require_regular(file)
            digest = storage.sha256_of(file)
        except OSError as error:
            raise InputError(
                "the map can't be read", where=Where(shown), value=error.strerror
            ) from error
        total.update(f"{shown} {digest}\n".encode(errors="surrogateescape"))
        for name, density in _maps_of(file, shown):
            location = f"{shown}/{name}" if name else shown
            if name in OTHER_MAPS:
                rows.note(location, name, "not a density map: its sum is no count")
                continue
            key = _image_of(shown, name)
            row = images.find(key) if images is not None else None
            size = (0, 0) if images is None or row is None else images.sizes_wh[row].tolist()
            grid = _grid(density, (size[0], size[1]), rows, location)
            count = np.nan
            if grid is not None:
                total_of_map = count_of(density)
                count = rows.count(0.0 if NOISE < total_of_map < 0 else total_of_map, location)
            rows.put(key, count, None, None, location)
            grids.append(np.full((MAP_GRID, MAP_GRID), np.nan) if grid is None else grid)
    if not rows.images and not len(findings):
        remedy = "write one array per image, named by it"
        raise InputError("there is no map in it", where=Where(path.name), remedy=remedy)
    none = np.empty((0, MAP_GRID, MAP_GRID))
    return rows.finish("maps", total.hexdigest(), grids=np.stack(grids) if grids else none)


def _maps_of(file: Path, shown: str) -> Iterator[tuple[str, Map]]:
    """Yield the maps of a file with their names in it."""
    try:
        yield from read_maps(file)
    except (ValueError, OSError) as error:
        remedy = "write it again, with numpy.save, numpy.savez or h5py"
        raise InputError(
            "the map can't be read", where=Where(shown), value=str(error), remedy=remedy
        ) from error


def _image_of(file: str, name: str) -> str:
    """Return the name of a map's image: the array's if it has one, or the file's."""
    stem = str(PurePosixPath(file).with_suffix(""))
    return stem if name in PLAIN else name


def _grid(density: Map, size_wh: tuple[int, int], rows: Rows, location: str) -> Floats | None:
    """Return (8, 8) heads in equal cells, NaN where the size isn't known; None where it's wrong."""
    values = np.squeeze(density) if density.ndim > 2 else density
    if values.ndim != 2 or values.dtype.kind not in "iuf" or not values.size:
        rows.note(location, f"{density.shape} {density.dtype}", "not a map of rows and columns")
        return None
    height, width = values.shape
    if min(size_wh) > 0 and values.size > 4 * size_wh[0] * size_wh[1]:
        detail = f"a map of far more cells than the image has pixels, {size_wh[0]} x {size_wh[1]}"
        rows.note(location, f"{width} x {height}", detail)
        return None
    if not all(np.isfinite(values[row : row + 64]).all() for row in range(0, height, 64)):
        rows.note(location, "nan or inf", "a map's cells are finite")
        return None
    if min(size_wh) <= 0:
        return np.full((MAP_GRID, MAP_GRID), np.nan)
    for stride in range(1, MAX_STRIDE + 1):
        if map_shape(size_wh, stride) == values.shape:
            return cell_sums(values, MAP_GRID, size_wh, stride)
    # Resized by any factor, or by a network that drops what is less than a cell.
    least = max(size_wh[0] / (width + 1), size_wh[1] / (height + 1))
    most = min(size_wh[0] / max(width - 1, 0.1), size_wh[1] / max(height - 1, 0.1))
    if least >= most:
        detail = f"its sides aren't those of an image of {size_wh[0]} x {size_wh[1]} pixels"
        rows.note(location, f"{width} x {height}", detail)
        return None
    return cell_sums(values, MAP_GRID, (width, height), 1)
