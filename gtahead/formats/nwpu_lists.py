"""Lists of points as crowd counting programs keep them: a line per image, whole pixels.

A point is given by the pixel that holds it, so it may be off by up to a pixel, and a head at the
last pixel of its image stays in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from gtahead.arrays import Columns, Floats, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.base import Batch
from gtahead.formats.box_files import box_columns
from gtahead.formats.text import RowFormat, slices_of
from gtahead.geometry import boxes_around
from gtahead.ingest.exports import Index, images_below, with_splits
from gtahead.ingest.labelled import LabelledImage, Listing, load_each
from gtahead.tables.canonical import CAPTURED

NO_BOX = (4, 8, 1)
"""NWPU's two radii and level of a head without a box, as loops for points alone write them."""

LIST_ORIGIN = "0-based, of the pixel that holds the point"


def pixel_of(batch: Batch) -> list[Ints]:
    """Return the pixels that hold the points."""
    return [np.floor(batch.heads.points_xy[:, k]).astype(np.int64) for k in (0, 1)]


_FIVE = RowFormat(" ", 0, " ", 0, " ", 0, " ", 0, " ", 0)


def localisation_lines(
    batch: Batch, numbers: Sequence[int], columns: Sequence[Ints]
) -> list[bytes]:
    """Write a line per frame: its number, how many heads, and five numbers per head."""
    text, starts = _FIVE.render(columns)
    rows = slices_of(text, starts, batch.by_frame)
    return [
        b"%d %d%b\n" % (number, count, row)
        for number, count, row in zip(numbers, batch.by_frame.counts.tolist(), rows, strict=True)
    ]


def _numbers_in(line: bytes) -> Ints:
    """Read whole numbers separated by blanks.

    Raises:
        ValueError: something else is there.
    """
    words = line.split()
    try:
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError):
        values = np.array([float(word) for word in words])  # "12.0" is a whole number too
        fine = (np.abs(values) < 2**53).all()  # not of NaN either
        return values.astype(np.int64) if fine else _not_whole(line)


def _not_whole(line: bytes) -> Ints:
    raise ValueError(f"not a number: {line[:40].decode(errors='replace')}")


def localisation_list(path: Path, name: str) -> Iterator[tuple[int, str, Floats | None, str]]:
    """Read lines of `id n` and n groups of `x y sigma_s sigma_l level`.

    Yields:
        Line number, the image's id, (n, 5) numbers, and "". Where a line is wrong its id (as far
        as it is known), None, and what is wrong.

    Raises:
        InputError: not text.
    """
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        data.decode("ascii")
    except UnicodeDecodeError as error:
        where = Where(name, field=f"byte {error.start}")
        raise InputError("not plain text", where=where, remedy="get the list again") from error
    for number, line in enumerate(data.replace(b"\r\n", b"\n").split(b"\n"), 1):
        if not line.strip():
            continue
        key = line.split(None, 1)[0].decode()
        try:
            values = _numbers_in(line)
        except ValueError as error:
            yield number, key, None, str(error)
            continue
        if len(values) < 2 or len(values) != 2 + 5 * values[1]:
            count = int(values[1]) if len(values) > 1 else 0
            yield number, key, None, f"{len(values)} numbers instead of {2 + 5 * count}"
            continue
        yield number, key, values[2:].reshape(-1, 5).astype(np.float64), ""


def _heads(image: LabelledImage, findings: Findings, location: Where) -> Columns:
    """Return the points in an image's key."""
    del findings, location
    line, groups, wrong = image.key
    if wrong:
        raise ValueError(f"line {line}: {wrong}")
    return {"x": groups[:, 0], "y": groups[:, 1]}


def _heads_with_boxes(image: LabelledImage, findings: Findings, location: Where) -> Columns:
    """Return the points in an image's key, with squares of the area that NWPU's radii tell.

    The list has half a box's shorter side and half its diagonal, rounded to whole pixels.
    """
    columns = _heads(image, findings, location)
    sizes = image.key[1][:, 2:]
    short, diagonal = 2 * np.maximum(sizes[:, 0], 0.5), 2 * sizes[:, 1]
    long = np.sqrt(np.maximum(diagonal**2 - short**2, short**2))
    sides = np.sqrt(short * long)
    sides[(sizes == NO_BOX).all(axis=1)] = np.nan
    points = np.stack([columns["x"], columns["y"]], axis=1)
    return columns | box_columns(boxes_around(points, sides, sides))


def lists_in(root: Path, pattern: str) -> list[Path]:
    """Find the files of a folder whose names fit a pattern."""
    return sorted(path for path in root.glob(pattern) if path.is_file())


def scan_lists(root: Path, pattern: str, tool: str) -> Listing:
    """List the images of localisation lists: by number, or by the order of their names."""
    index = Index.of(root)
    images = []
    files = lists_in(root, pattern)
    for path, split in with_splits(files, root):
        prefix, there = _images_of_list(root, path)
        # Of an export of ours all names are known, even those of images that are lost.
        ours = [PurePosixPath(stem) for stem in index.rows]
        own = [stem.name for stem in ours if stem.parent.as_posix() == prefix]
        in_order = sorted(own or there)
        for line, key, groups, wrong in localisation_list(path, path.name):
            stem = key
            if tool == "FIDTM" and key.isdigit() and 0 < int(key) <= len(in_order):
                stem = in_order[int(key) - 1]
            file = f"{prefix}/{there.get(stem, f'{stem}.jpg')}"
            if tool == "FIDTM" and not there:
                word = path.stem.removesuffix("_gt")
                file = f"{word}/images/IMG_{stem.zfill(4)}.jpg"
            known = (line, groups, wrong)
            images.append(index.image(file, path.stem, split=split, key=known))
    load = load_each(_heads, ["x", "y"])
    if tool != "FIDTM":
        load = load_each(_heads_with_boxes, ["x", "y", *CAPTURED])
    return Listing(images, files, load, {"tool": tool})


def _images_of_list(root: Path, path: Path) -> tuple[str, dict[str, str]]:
    """Find the images of a list: in a folder of its split, or in `images`."""
    word = path.name.split("_")[0]
    for folder in (root / word / "images", root / "images" / word, root / "images"):
        there = images_below(folder)
        if there:
            return folder.relative_to(root).as_posix(), there
    return "images", {}
