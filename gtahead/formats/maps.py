"""Density maps and heatmaps on disk, a file per image: .npz, .npy, or .h5 as of CSRNet.

Maps are cheap to render on demand; stored ones are for programs that can't. Each says what it is:
kind, stride, border, rule of the sigmas, and how many heads it was rendered from.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.density import count_of, map_shape, render_density, render_heatmap
from gtahead.errors import require
from gtahead.formats.base import SPLIT_WORDS, Batch, ExportFrame, Format, HeadColumns, Options
from gtahead.map_files import HDF5
from gtahead.storage import json_bytes

_LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The date of everything in a .npz: the same bytes on another day."""

FILE_BYTES = 2_000
"""Of a map's file beside its cells."""


def _image(split: str, frame: ExportFrame) -> str:
    return f"{SPLIT_WORDS[split]}/images/{frame.map_name}{frame.extension}"


def _estimate(sizes_wh: Iterable[tuple[int, int]], options: Options) -> int:
    """Return the bytes of uncompressed maps; .npz files end up smaller."""
    size = np.dtype(options.dtype).itemsize
    shapes = (map_shape(size_wh, options.stride) for size_wh in sizes_wh)
    return sum(rows * columns * size + FILE_BYTES for rows, columns in shapes)


def _write_npz(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write a file that `numpy.load` reads, without today's date in it."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in arrays.items():
            out = io.BytesIO()
            np.lib.format.write_array(out, np.ascontiguousarray(values), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _LONG_AGO)
            entry.create_system = 3  # Unix, whatever the system: the same bytes everywhere
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, out.getvalue(), compresslevel=1)


def _write_h5(path: Path, name: str, values: npt.NDArray[Any], about: Mapping[str, Any]) -> None:
    """Write one dataset with its attributes, without timestamps.

    Raises:
        ResourceError: h5py isn't installed.
    """
    require("h5py", install=HDF5)
    import h5py

    with h5py.File(path, "w") as file:
        out = file.create_dataset(
            name, data=values, compression="gzip", compression_opts=1, track_times=False
        )
        for key, value in about.items():
            out.attrs[key] = value


def _store(batch: Batch, frame: ExportFrame, name: str, values: Any, heads: int) -> None:  # noqa: ANN401
    options = batch.options
    about: dict[str, Any] = {
        "kind": name,
        "stride": options.stride,
        "sigma": batch.sigma_rule,
        "heads": heads,
        "width": frame.size_wh[0],
        "height": frame.size_wh[1],
    }
    if name == "density":
        about["border"] = options.border
    stored = values.astype(options.dtype)
    if name == "density":
        off = abs(count_of(stored) - heads) / max(1, heads)
        batch.note("maps whose sum is off by more than 0.1 %", int(off > 1e-3))
    folder = batch.folder / SPLIT_WORDS[batch.split] / "ground_truth"
    path = folder / f"{frame.map_name}.{options.store}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if options.store == "npy":
        np.save(path, np.ascontiguousarray(stored), allow_pickle=False)
    elif options.store == "npz":
        text = np.frombuffer(json_bytes(about), np.uint8)
        _write_npz(path, {name: stored, "about": text})
    else:
        _write_h5(path, name, stored, about)


def _in_image(frame: ExportFrame, heads: HeadColumns) -> int:
    inside = (heads.points_xy >= 0) & (heads.points_xy < np.array(frame.size_wh))
    return int(inside.all(axis=1).sum())


def _write_density(batch: Batch) -> None:
    for frame, heads in batch:
        values = render_density(
            heads.points_xy,
            heads.sigmas_xy,
            frame.size_wh,
            stride=batch.options.stride,
            border="clip" if batch.options.border == "clip" else "renormalise",
        )
        _store(batch, frame, "density", values, _in_image(frame, heads))


def _write_heatmap(batch: Batch) -> None:
    for frame, heads in batch:
        values = render_heatmap(
            heads.points_xy, heads.sigmas_xy, frame.size_wh, stride=batch.options.stride
        )
        _store(batch, frame, "heatmap", values, _in_image(frame, heads))


_ORIGIN = "cell (i, j) covers j s <= x < (j + 1) s, 0 at the image's top-left corner"

DENSITY = Format(
    name="density",
    title="density maps, .npz, .npy or .h5 per image",
    kind="maps",
    origin=_ORIGIN,
    precision_px=float("inf"),
    supports=frozenset(),
    layout=(
        "<train|val|test>/images/<sequence>/<frame>.jpg\n"
        "<train|val|test>/ground_truth/<sequence>/<frame>.npz   density, about\n"
        "frames.csv"
    ),
    notes=(
        "With `--store h5 --layout flat --stride 1` CSRNet's loaders find what they look for: "
        "`images/IMG_1.jpg` beside `ground_truth/IMG_1.h5`, whose dataset is `density`; a name "
        "that occurs twice in a split has its sequence before it. `--store npy` holds the map "
        "alone. A map sums to its count within 0.1 %; `--border "
        "clip` gives the map of the papers, which drops what lies beyond the border. "
        "`about` says kind, stride, border, rule of the sigmas, heads and the image's "
        "size. An export that doesn't fit on the disk isn't started."
    ),
    checked_with="numpy, h5py",
    write=_write_density,
    image=_image,
    estimate=_estimate,
)

HEATMAP = Format(
    name="heatmap",
    title="heatmaps with a peak of 1 per head, .npz, .npy or .h5 per image",
    kind="maps",
    origin=_ORIGIN,
    precision_px=float("inf"),
    supports=frozenset(),
    layout=(
        "<train|val|test>/images/<sequence>/<frame>.jpg\n"
        "<train|val|test>/ground_truth/<sequence>/<frame>.npz   heatmap, about\n"
        "frames.csv"
    ),
    notes=(
        "Exactly 1 at each head's cell, the maximum where kernels meet. With `--store h5` "
        "the dataset is `heatmap`."
    ),
    checked_with="numpy, h5py",
    write=_write_heatmap,
    image=_image,
    estimate=_estimate,
)
