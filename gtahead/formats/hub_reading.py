"""Hub tables back into sequences: shards with images inside, or plain files beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco_reading import as_heads
from gtahead.images.reading import ImageError
from gtahead.ingest.exports import about_of, sequence_of, split_word
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing, Load
from gtahead.ingest.model import CapturedFrame
from gtahead.tables import hub

_SHARDS = ("data", "annotations", ".")


def _shards(root: Path) -> list[Path]:
    """Find the shards: those with images, if there are any."""
    for name in _SHARDS:
        found = sorted((root / name).glob("*.parquet")) if (root / name).is_dir() else []
        found = [path for path in found if split_word(path.name) is not None]
        if found:
            return found
    return []


def recognise_shards(root: Path) -> str | None:
    """Return why a folder is taken for a hub dataset; None if it isn't one."""
    shards = _shards(root)
    if not shards:
        return None
    try:
        names = hub.column_names(shards[0], shards[0].name)
    except InputError:
        return None
    there = "objects" in names and "width" in names
    return f"{shards[0].relative_to(root).as_posix()} has heads" if there else None


def scan_shards(root: Path) -> Listing:
    """List the images of all shards.

    Raises:
        InputError: no shard, or one that can't be read.
    """
    shards = _shards(root)
    if not shards:
        raise InputError(
            "no Parquet shard is there",
            where=Where(str(root)),
            remedy="shards are data/<split>-00000-of-00001.parquet",
        )
    images = []
    for path in shards:
        file = path.relative_to(root).as_posix()
        with_images = "image" in columns_of(path, file)
        for row, values in enumerate(hub.read_frames_of(path, file)):
            split = split_word(path.name)
            position = file if with_images else None
            images.append(row_image(values, file, row, split, position, inside=with_images))
    return Listing(images, shards, loader(root), {"tool": "Hugging Face"})


def columns_of(path: Path, file: str) -> list[str]:
    """Return the names of a table's columns.

    Raises:
        InputError: unreadable, or without heads.
    """
    names = hub.column_names(path, file)
    if "objects" not in names:
        raise InputError(
            "the table has no heads",
            where=Where(file),
            value=", ".join(names[:5]),
            remedy="it needs the column objects, a struct of lists; export it again",
        )
    return names


def row_image(
    values: dict[str, Any],
    file: str,
    row: int,
    split: str | None,
    image: str | None,
    *,
    inside: bool = False,
) -> LabelledImage:
    """Return the image of one row.

    Args:
        values: of the row.
        file: the table.
        row: in it.
        split: of the table.
        image: its file, or the table where the image lies inside; None where there is none.
        inside: whether it does.

    Raises:
        InputError: it lacks its size.
    """
    width, height = values.get("width"), values.get("height")
    if not (isinstance(width, int) and isinstance(height, int) and min(width, height) > 0):
        raise InputError(
            "width or height isn't a positive whole number",
            where=Where(file, field=f"row {row}"),
            value=f"{width} x {height}",
            remedy="the table needs the columns width and height, in pixels",
        )
    name = str(values.get("file_name") or f"{row:06d}.jpg")
    folder, _, stem = name.rpartition("/")
    return LabelledImage(
        sequence=str(values.get("sequence") or sequence_of(folder, Path(file).stem)),
        frame=str(values.get("frame") or Path(stem).stem),
        split=split,
        file=image,
        size_wh=(width, height),
        key=(file, row),
        about=about_of(values),
        row=row if inside else None,
    )


def loader(root: Path) -> Load:
    """Return a function that reads the heads of some rows; each file is read only once."""
    read: dict[str, list[tuple[Columns, Any, bool]]] = {}

    def of(file: str) -> list[tuple[Columns, Any, bool]]:
        if file not in read:
            path = root / file
            read[file] = [
                (*hub.read_heads_of(path, file, name), name == "ignored")
                for name in ("objects", "ignored")
            ]
        return read[file]

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        del findings, where
        parts: list[tuple[Columns, int, bool]] = []
        for index, image in enumerate(wanted):
            file, row = image.key
            for columns, bounds, ignored in of(file):
                mine = slice(int(bounds[row]), int(bounds[row + 1]))
                part = {name: values[mine] for name, values in columns.items()}
                parts.append((part, index, ignored))
        together = together_from(parts)
        ledger.heads.came += len(together["x"])
        return HeadsRead(together)

    return load


def together_from(parts: Sequence[tuple[Columns, int, bool]]) -> Columns:
    """Concatenate the heads of single images.

    Args:
        parts: columns as a hub table has them, index of the image, and whether they're ignored.
    """
    found = [_part(*part) for part in parts]
    together = {
        name: np.concatenate([empty, *(part[name] for part in found)])
        for name, empty in _NOTHING.items()
    }
    return as_heads(together)


_NOTHING: Columns = {
    "frame_index": np.empty(0, np.int64),
    "bbox": np.empty((0, 4)),
    "point": np.empty((0, 2)),
    "crowd": np.empty(0, np.int8),
    "occluded": np.empty(0, np.int8),
    "visibility": np.empty(0),
    "head_id": np.empty(0, np.int64),
}


def _part(columns: Columns, index: int, ignored: bool) -> Columns:
    count = len(next(iter(columns.values()))) if columns else 0
    unknown = {
        "bbox": np.full((count, 4), np.nan),
        "point": np.full((count, 2), np.nan),
        "occluded": np.full(count, -1, np.int8),
        "visibility": np.full(count, np.nan),
        "track_id": np.full(count, -1, np.int64),
    }
    found = {
        name: np.asarray(columns[name], default.dtype) if name in columns else default
        for name, default in unknown.items()
    }
    found["head_id"] = found.pop("track_id")
    found["frame_index"] = np.full(count, index, np.int64)
    found["crowd"] = np.full(count, ignored, np.int8)
    return found


def unpack(root: Path, frame: CapturedFrame) -> bytes:
    """Return the bytes of an image inside a shard.

    Raises:
        ImageError: they can't be had.
    """
    assert frame.file is not None
    assert frame.row is not None
    try:
        return hub.read_image(root / frame.file, frame.file, frame.row)
    except InputError as error:
        raise ImageError("image-unreadable", error.what) from error
