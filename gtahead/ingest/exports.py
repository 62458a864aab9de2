"""What our own exports contain besides labels: the marker, the index of frames, cameras."""

from __future__ import annotations

import csv
import os
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import orjson

from gtahead import storage
from gtahead.errors import InputError, Where
from gtahead.geometry import VFOV_DEG, Camera
from gtahead.images.reading import IMAGE_SUFFIXES
from gtahead.ingest.labelled import LabelledImage
from gtahead.ingest.rows import as_number
from gtahead.tables.splits import SPLITS_BY_WORD

INDEX = "frames.csv"
"""In exports of ours: which file is which frame."""

MARKER = "export.json"


def marker_of(root: Path) -> dict[str, Any]:
    """Read the marker of one of our exports; empty if the folder isn't one.

    Raises:
        InputError: it's there, but damaged.
    """
    path = root / MARKER
    try:
        document = orjson.loads(storage.read_bytes(path))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise _bad_marker(path, str(error)) from error
    if not isinstance(document, dict) or document.get("format") != "gtahead-export":
        return {}
    files = document.get("files", [])
    if not isinstance(files, list) or not all(isinstance(name, str) for name in files):
        raise _bad_marker(path, "`files` isn't a list of names")
    return document


def _bad_marker(path: Path, what: str) -> InputError:
    return InputError(
        "export.json can't be read",
        where=Where(str(path)),
        value=what,
        remedy="export the dataset again; without this file, it is read as other people's labels",
    )


def exported_as(root: Path) -> str | None:
    """Return the format in which gtahead exported a folder; None if it didn't."""
    name = marker_of(root).get("name")
    return None if name is None else str(name)


@dataclass(frozen=True)
class Index:
    """`frames.csv` of one of our exports, by image name without extension."""

    rows: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, root: Path) -> Index:
        """Read the index; empty if there is none.

        Raises:
            InputError: it's damaged.
        """
        path = root / INDEX
        if not path.is_file() or exported_as(root) is None:
            return cls({})
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file)
                rows = [(reader.line_num, row) for row in reader]
        except (UnicodeDecodeError, csv.Error) as error:
            raise _bad_index(str(error)) from error
        for line, row in rows:
            if not row.get("file") or "/" not in (row.get("frame_id") or ""):
                raise _bad_index(f"line {line} names no file or no frame")
        return cls({_stem(row["file"]): row for _, row in rows})

    def image(
        self,
        file: str,
        sequence: str,
        *,
        split: str | None = None,
        labels: str | None = None,
        size_wh: tuple[int, int] | None = None,
        key: Any = None,  # noqa: ANN401 - the format's own
    ) -> LabelledImage:
        """Return an image, named as in the index, else by its sequence and its file."""
        row = self.rows.get(_stem(file))
        if row is None:
            return LabelledImage(
                sequence, PurePosixPath(file).stem, split, file, labels, size_wh, key
            )
        name, _, frame = row["frame_id"].rpartition("/")
        about = {key: _cell(value) for key, value in row.items() if value}
        size = _size(row.get("width"), row.get("height")) or size_wh
        return LabelledImage(name, frame, row.get("split") or split, file, labels, size, key, about)


def _cell(value: str) -> str:
    """Remove the quote that `storage.csv_cell` put before a formula."""
    return value[1:] if value[:1] == "'" and storage.csv_cell(value[1:]) == value else value


def _bad_index(what: str) -> InputError:
    remedy = "export the dataset again"
    return InputError("the index can't be read", where=Where(INDEX), value=what, remedy=remedy)


def _stem(file: str) -> str:
    return posixpath.splitext(file)[0]


def _size(width: object, height: object) -> tuple[int, int] | None:
    try:
        size = int(str(width)), int(str(height))
    except ValueError:
        return None
    return size if min(size) > 0 else None


def about_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a JSON row says about its frame, with lists of three split into columns."""
    about = {name: value for name, value in row.items() if isinstance(value, str | int | float)}
    for key, names in TRIPLES.items():
        triple = row.get(key)
        if isinstance(triple, list) and len(triple) == 3:
            about |= dict(zip(names, triple, strict=True))
    return about


def sequence_of(folder: str, otherwise: str) -> str:
    """Name the sequence of an image by the folder that it is in, or the folders, joined."""
    parts = [part for part in PurePosixPath(folder).parts if part not in (".", "/")]
    return storage.shortened("__".join(parts), storage.MAX_NAME_BYTES) or otherwise


_SPLIT_FOLDER = re.compile(
    rf"({'|'.join(SPLITS_BY_WORD)})(?:[ _-]?(?:data|set|images|split)|\d{{4}})?", re.IGNORECASE
)


def split_of_folder(name: str) -> str | None:
    """Return the split that a folder's whole name means: `val2017`, `test_images`."""
    found = _SPLIT_FOLDER.fullmatch(name)
    return SPLITS_BY_WORD[found[1].lower()] if found is not None else None


def split_by_folder(folder: PurePath) -> tuple[str | None, list[str]]:
    """Find the split in the folders that images are in: the first whose whole name means one.

    A word inside a name means nothing: `train_station` is a place.

    Args:
        folder: relative to the root of the dataset.

    Returns:
        The split, and the folders but for the one that means it.

    Example:
        >>> split_by_folder(PurePath("val2017/train_station"))
        ('validation', ['train_station'])
    """
    parts = [part for part in folder.parts if part not in (".", "/")]
    for position, part in enumerate(parts):
        if (split := split_of_folder(part)) is not None:
            return split, [*parts[:position], *parts[position + 1 :]]
    return None, parts


_LIST_WORDS = frozenset(
    {
        *("ann", "anno", "annotation", "annotations", "gt", "label", "labels", "loc", "metadata"),
        *("boxes", "count", "counts", "head", "heads", "keypoints", "person", "persons", "points"),
        *("coco", "crowd", "data", "dataset", "default", "of", "set", "shard", "split"),
        *("file", "files", "frames", "image", "images", "instances", "list", "lists"),
    }
)
"""What the names of lists say besides a split."""


def splits_of_lists(files: Sequence[str]) -> list[str | None]:
    """Find the splits that lists of images mean: by their names, else by the folders they are in.

    A name means a split where all that it says besides is a kind of list, as `instances_val2017`;
    or where another list says the same of another split, as `street_train` beside `street_test`.
    A word in any other name means nothing: `train_station` is a place.

    Args:
        files: relative to the root of the dataset.

    Example:
        >>> splits_of_lists(["annotations/instances_val2017.json", "train_station.json"])
        ['validation', None]
    """
    named = [_split_in_name(PurePosixPath(file).stem) for file in files]
    splits_by_rest: dict[str, set[str]] = {}
    for split, rest in named:
        if split is not None:
            splits_by_rest.setdefault(rest, set()).add(split)
    found = []
    for file, (split, rest) in zip(files, named, strict=True):
        means = set(rest.split()) <= _LIST_WORDS or len(splits_by_rest.get(rest, ())) > 1
        by_folder, _ = split_by_folder(PurePosixPath(file).parent)
        found.append(split if means and split is not None else by_folder)
    return found


def with_splits(lists: Sequence[Path], root: Path) -> list[tuple[Path, str | None]]:
    """Return lists of images, each with the split that it means; see `splits_of_lists`."""
    names = [path.relative_to(root).as_posix() for path in lists]
    return list(zip(lists, splits_of_lists(names), strict=True))


def _split_in_name(stem: str) -> tuple[str | None, str]:
    """Return the only split that a name has a word for, and its other words."""
    words = re.findall(r"[^\W\d_]+", stem.lower())
    splits = {SPLITS_BY_WORD[word] for word in words if word in SPLITS_BY_WORD}
    rest = " ".join(word for word in words if word not in SPLITS_BY_WORD)
    return (splits.pop() if len(splits) == 1 else None), rest


def listing_text(path: Path, root: Path) -> str:
    """Read text that lists images or classes; it may begin with a byte order mark.

    Raises:
        InputError: unreadable, or not UTF-8.
    """
    name = path.relative_to(root).as_posix()
    try:
        return storage.read_input(path, name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = Where(name, field=f"byte {error.start}")
        raise InputError("not UTF-8 text", where=where, remedy="save it as UTF-8") from error


def files_in(root: Path, suffixes: Collection[str]) -> list[str]:
    """Return the files below a folder whose names end so, in any case, relative to it and sorted.

    Links to folders are followed. Hidden files and folders, and those that systems and notebooks
    put beside one's own (`__MACOSX`), are left out.
    """
    return sorted(_files_below(root, root, suffixes, set()))


def images_in(root: Path) -> list[str]:
    """Return all images below a folder, as `files_in` does."""
    return files_in(root, IMAGE_SUFFIXES)


_NOT_OURS = ("__MACOSX", "__pycache__")


def _files_below(
    root: Path, folder: Path, suffixes: Collection[str], seen: set[tuple[int, int]]
) -> Iterator[str]:
    reported = folder.stat()
    if (reported.st_dev, reported.st_ino) in seen:  # a link to a folder above it
        return
    seen.add((reported.st_dev, reported.st_ino))
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _NOT_OURS:
                continue
            is_folder = entry.is_dir()
            if not is_folder and posixpath.splitext(entry.name)[1].lower() in suffixes:
                yield os.path.relpath(entry.path, root).replace(os.sep, "/")
            elif is_folder:
                yield from _files_below(root, Path(entry.path), suffixes, seen)


def images_below(folder: Path) -> dict[str, str]:
    """Return the images below a folder, relative to it, by their path without extension."""
    found: dict[str, str] = {}
    for name in images_in(folder) if folder.is_dir() else ():
        found.setdefault(_stem(name), name)
    return found


def camera_from(about: Mapping[str, Any]) -> Camera | None:
    """Return the camera in a frame's columns; None if there is none."""
    vfov = as_number(about.get("vfov_deg"), *VFOV_DEG)
    if vfov is None:
        return None
    position = [as_number(about.get(name)) for name in ("camera_x_m", "camera_y_m", "camera_z_m")]
    rotation = [as_number(about.get(name)) for name in ("pitch_deg", "roll_deg", "yaw_deg")]
    return Camera(
        vfov,
        None if None in position else tuple(position),  # type: ignore[arg-type]
        None if None in rotation else tuple(rotation),  # type: ignore[arg-type]
    )


TRIPLES: Mapping[str, tuple[str, str, str]] = {
    "camera_m": ("camera_x_m", "camera_y_m", "camera_z_m"),
    "pitch_roll_yaw_deg": ("pitch_deg", "roll_deg", "yaw_deg"),
}
"""Columns of the table of frames that such formats keep as one list of three."""
