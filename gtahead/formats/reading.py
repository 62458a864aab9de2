"""From other people's data sets to sequences that a build takes: what all readers share.

A format's own part is to list its pictures and to read the heads of some of them. Sizes are those
of the pictures themselves, never what labels say of them, unless there is no picture.
"""

from __future__ import annotations

import csv
import math
import os
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import orjson

from gtahead import storage
from gtahead.dataset.captured import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    HeadRows,
    Reader,
    SequenceSource,
    can_name_a_sequence,
    settle_heads,
)
from gtahead.dataset.tabular import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Finding, Findings, Ledger
from gtahead.formats.format import TRIPLES
from gtahead.geometry import Camera
from gtahead.pictures import PICTURE_SUFFIXES, PictureError, read_bytes, read_header

INDEX = "frames.csv"
"""In exports of ours: which file is which frame."""

MARKER = "export.json"

SPLITS_BY_WORD = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Splits by the words that folders and files use for them."""


@dataclass(frozen=True)
class LabelledPicture:
    """One picture as a data set lists it.

    Attributes:
        sequence: what it belongs to: a folder, or a split.
        frame: its name there.
        split: that it is in, if that is said.
        file: the picture, relative to the root, whether it is there or not; None where the data set
            doesn't name it.
        labels: the file of its own labels, relative to the root, if it has one.
        size_wh: as labels say; believed only where there is no picture.
        key: by which the format finds its heads again.
        about: weather and the like, by the table of frames' names.
        row: where the picture lies in `file`, if that holds several.
        unsafe: what the data set names in place of a file within its folder.
    """

    sequence: str
    frame: str
    split: str | None = None
    file: str | None = None
    labels: str | None = None
    size_wh: tuple[int, int] | None = None
    key: Any = None
    about: Mapping[str, Any] = field(default_factory=dict)
    row: int | None = None
    unsafe: str | None = None


@dataclass
class HeadsRead:
    """Heads of some pictures, as the format's file has them.

    Attributes:
        columns: `frame_index` into the pictures asked for; `x` and `y`, or `captured_*` boxes whose
            centres they then are; and what else there is: `head_id`, `visibility`, `occluded`,
            `ignore`.
        faults: by picture, the code of a finding, already noted, that sets it aside.
    """

    columns: Columns
    faults: dict[int, str] = field(default_factory=dict)


Load = Callable[[Sequence[LabelledPicture], Findings, Ledger, Where], HeadsRead]
"""Reads the heads of some pictures, and books how many came."""

ReadOne = Callable[[LabelledPicture, Findings, Where], Columns]
"""Reads one picture's heads; raises ValueError, OSError or InputError with what is wrong."""


def load_each(read: ReadOne, names: Sequence[str]) -> Load:
    """Make what reads heads picture by picture; labels that can't be read set their frame aside.

    Args:
        read: one picture's columns, all of one length. FileNotFoundError says that there are none.
        names: of the columns.
    """

    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, picture in enumerate(wanted):
            place = Where(picture.labels or where.file, where.sequence, picture.frame)
            columns: Columns = {name: np.empty(0) for name in names}
            try:
                with np.errstate(invalid="ignore", over="ignore"):  # not-finite is told of heads
                    columns = read(picture, findings, place)
            except FileNotFoundError:
                missing = Where(picture.labels or picture.file, where.sequence, picture.frame)
                findings.add("labels-missing", missing)
                faults[index] = "labels-missing"
            except (ValueError, OSError, InputError) as error:
                detail = error.what if isinstance(error, InputError) else str(error)
                if isinstance(error, OSError) and error.strerror:  # without the machine's path
                    detail = error.strerror
                findings.add("bad-frame-labels", place, detail=detail)
                faults[index] = "bad-frame-labels"
            parts.append((index, columns))
        found = gathered(parts, names)
        ledger.heads.came += len(found["frame_index"])
        return HeadsRead(found, faults)

    return load


def own_labels(root: Path, picture: LabelledPicture) -> Path:
    """Give the file of a picture's own labels.

    Raises:
        FileNotFoundError: it has none.
    """
    if picture.labels is None:
        raise FileNotFoundError
    return root / picture.labels


@dataclass
class Listing:
    """What a folder holds.

    Attributes:
        pictures: in order.
        label_files: that decide about all heads; files of one picture alone are named there.
        load: reads the heads of some pictures.
        about: tool, licence.
    """

    pictures: list[LabelledPicture]
    label_files: list[Path]
    load: Load
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def by_sequence(self) -> dict[str, list[LabelledPicture]]:
        """Give the pictures by sequence; one that is in several splits is several."""
        splits: dict[str, set[str | None]] = {}
        for picture in self.pictures:
            splits.setdefault(picture.sequence, set()).add(picture.split)
        found: dict[str, list[LabelledPicture]] = {}
        for picture in self.pictures:
            name = picture.sequence
            if len(splits[name]) > 1:
                name = f"{name}__{picture.split or 'unknown'}"
            found.setdefault(name, []).append(picture)
        return found


def reader_of(
    name: str,
    title: str,
    recognise: Callable[[Path], str | None],
    scan: Callable[[Path], Listing],
    unpack: Callable[[Path, CapturedFrame], bytes] | None = None,
) -> Reader:
    """Make a reader of a format.

    Args:
        name: of the format.
        title: in a few words.
        recognise: why a folder is one; None where it isn't.
        scan: lists a folder. Called once a process for all its sequences.
        unpack: gives a picture that lies inside another file.
    """

    @lru_cache(maxsize=1)
    def scanned(root: Path, state: tuple[Any, ...]) -> tuple[Listing, dict[str, Any]]:
        del state
        listing = scan(root)
        listing.pictures = [_kept_inside(picture) for picture in listing.pictures]
        if marker_of(root).get("simulated") is True:
            listing.about["simulated"] = True
        return listing, listing.by_sequence

    def recognised(root: Path) -> str | None:
        if exported_as(root) == name:
            return f"{MARKER} says so"
        return None if exported_as(root) else recognise(root)

    def list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
        state = _state(root)
        listing, sequences = scanned(root, state)
        _check_marker(root, listing, findings)
        _tell_unlisted(root, listing, findings)
        sources = []
        for sequence, pictures in sorted(sequences.items()):
            if can_name_a_sequence(sequence) and storage.is_plain_name(sequence):
                split = pictures[0].split
                sources.append(SequenceSource(name, root, sequence, ".", split, state))
            else:
                findings.add("bad-name", Where(sequence=sequence))
        return sources

    def read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
        try:
            listing, sequences = scanned(source.root, source.state)
        except InputError as error:
            place = error.where or Where()
            where = Where(place.file, source.name, field=place.field)
            findings.add("bad-labels-file", where, error.value, error.what)
            raise BrokenSequence from error
        return _captured(source, listing, sequences[source.name], findings, ledger)

    def inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
        listing, sequences = scanned(source.root, source.state)
        pictures = sequences.get(source.name, [])
        own = [source.root / picture.labels for picture in pictures if picture.labels]
        files = sorted({source.root / picture.file for picture in pictures if picture.file})
        return [*listing.label_files, *(path for path in own if path.is_file())], [
            path for path in files if path.is_file()
        ]

    return Reader(name, title, recognised, list_sequences, read, inputs, unpack)


def _kept_inside(picture: LabelledPicture) -> LabelledPicture:
    """Take away a file that isn't within the data set's folder, or that no file can be called.

    A name that can't be a sequence's is treated likewise: its frames are booked where others are.
    """
    home = picture.split or "unsafe"
    if picture.file is not None and not is_safe_name(picture.file):
        return replace(picture, file=None, unsafe=picture.file, sequence=home)
    name = picture.sequence
    if not (can_name_a_sequence(name) and storage.is_plain_name(name)):
        return replace(picture, unsafe=f"{name}/{picture.frame}", sequence=home)
    return picture


def is_safe_name(file: str) -> bool:
    """Say whether a data set may name this file: relative, below its folder, of usual length."""
    short = all(len(os.fsencode(part)) < 256 for part in file.split("/"))
    return short and len(file) < 4096 and "\0" not in file and storage.is_safe_relative(file)


def _check_marker(root: Path, listing: Listing, findings: Findings) -> None:
    """Hold an export of ours against what it says of itself: no file and no frame may be lost."""
    marker = marker_of(root)
    files = marker.get("files")
    for name in files if isinstance(files, list) else ():
        path = root / str(name)
        picture = path.suffix.lower() in PICTURE_SUFFIXES
        if not picture and is_safe_name(str(name)) and not path.is_file():
            findings.add(
                "bad-labels-file", Where(name), detail="the export lists it, it is missing"
            )
    try:
        frames = int(marker["ledger"]["frames"]["out"])
    except (KeyError, TypeError, ValueError):
        return
    if frames > len(listing.pictures):
        told = f"the export had {frames:,} frames, {len(listing.pictures):,} are left"
        findings.add("bad-labels-file", Where(MARKER), detail=told)


def _tell_unlisted(root: Path, listing: Listing, findings: Findings) -> None:
    """Name pictures that no labels list: frames without heads, or frames that lost theirs?"""
    named = {picture.file for picture in listing.pictures}
    files = pictures_below(root).values()
    if any(file in named for file in files):  # pictures lie where the labels say
        unlisted = [file for file in files if file not in named]
        examples = (Finding("picture-without-record", Where(file)) for file in unlisted[:20])
        findings.add_many("picture-without-record", len(unlisted), examples)


MOST_LISTINGS = 500
"""Folders of more files hold pictures or labels of single pictures."""

_LISTING_SUFFIXES = {".json", ".jsonl", ".csv", ".txt", ".odgt", ".parquet", ".yaml", ".tar"}


def _state(root: Path) -> tuple[Any, ...]:
    """Give what changes when a folder does: its folders' times, and files that may list pictures.

    Files of single pictures are read each time; only that they are there is remembered.
    """
    found: list[tuple[str, int, int]] = []
    for folder, folders, files in os.walk(root):
        folders.sort()
        found.append((folder, 0, Path(folder).stat().st_mtime_ns))
        if len(files) <= MOST_LISTINGS:
            for name in sorted(files):
                path = Path(folder, name)
                if path.suffix.lower() in _LISTING_SUFFIXES and path.is_file():
                    told = path.stat()
                    found.append((str(path), told.st_size, told.st_mtime_ns))
    return tuple(found)


def marker_of(root: Path) -> dict[str, Any]:
    """Read what an export of ours says of itself; empty where it is none.

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
        raise _bad_marker(path, "`files` is no list of names")
    return document


def _bad_marker(path: Path, what: str) -> InputError:
    return InputError(
        "what the export says of itself can't be read",
        where=Where(str(path)),
        value=what,
        remedy="export the data set again; without this file, the folder is anybody's labels",
    )


def exported_as(root: Path) -> str | None:
    """Say as what format a folder was exported by gtahead; None where it wasn't."""
    name = marker_of(root).get("name")
    return None if name is None else str(name)


@dataclass(frozen=True)
class Index:
    """`frames.csv` of an export of ours, by picture without its extension."""

    rows: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, root: Path) -> Index:
        """Read it; empty where there is none.

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

    def picture(
        self,
        file: str,
        sequence: str,
        *,
        split: str | None = None,
        labels: str | None = None,
        size_wh: tuple[int, int] | None = None,
        key: Any = None,  # noqa: ANN401 - the format's own
    ) -> LabelledPicture:
        """Give a picture its name: the index's, else the sequence and the file's own name."""
        row = self.rows.get(_stem(file))
        if row is None:
            return LabelledPicture(
                sequence, PurePosixPath(file).stem, split, file, labels, size_wh, key
            )
        name, _, frame = row["frame_id"].rpartition("/")
        about = {key: _cell(value) for key, value in row.items() if value}
        size = _size(row.get("width"), row.get("height")) or size_wh
        return LabelledPicture(
            name, frame, row.get("split") or split, file, labels, size, key, about
        )


def _cell(value: str) -> str:
    """Take away what `storage.csv_cell` put before a formula."""
    return value[1:] if value[:1] == "'" and storage.csv_cell(value[1:]) == value else value


def _bad_index(what: str) -> InputError:
    remedy = "export the data set again"
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
    """Take what a JSON row says of its frame: values under their names, lists of three apart."""
    about = {name: value for name, value in row.items() if isinstance(value, str | int | float)}
    for key, names in TRIPLES.items():
        triple = row.get(key)
        if isinstance(triple, list) and len(triple) == 3:
            about |= dict(zip(names, triple, strict=True))
    return about


def sequence_of(folder: str, otherwise: str) -> str:
    """Name the sequence of a picture by the folder that it is in."""
    parts = [part for part in PurePosixPath(folder).parts if part not in (".", "/")]
    return "__".join(parts) or otherwise


def split_word(*names: str) -> str | None:
    """Find a split in names of folders and files: `train_data`, `part_A/test`, `instances_val2017`.

    Example:
        >>> split_word("part_A", "test_data")
        'test'
    """
    for name in reversed(names):
        words = "".join(c if c.isalpha() else " " for c in name.lower()).split()
        for word in reversed(words):
            if word in SPLITS_BY_WORD:
                return SPLITS_BY_WORD[word]
    return None


def listing_text(path: Path, root: Path) -> str:
    """Read text that lists pictures or classes; it may begin with a byte order mark.

    Raises:
        InputError: unreadable, or not UTF-8.
    """
    name = path.relative_to(root).as_posix()
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = Where(name, field=f"byte {error.start}")
        raise InputError("not UTF-8 text", where=where, remedy="save it as UTF-8") from error
    except OSError as error:
        what = error.strerror or str(error)
        raise InputError("the file can't be read", where=Where(name), value=what) from error


def pictures_below(folder: Path) -> dict[str, str]:
    """Give the pictures below a folder, relative to it, by their path without extension."""
    if not folder.is_dir():
        return {}
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith("."):
            name = path.relative_to(folder).as_posix()
            found.setdefault(_stem(name), name)
    return found


def _captured(
    source: SequenceSource,
    listing: Listing,
    pictures: Sequence[LabelledPicture],
    findings: Findings,
    ledger: Ledger,
) -> CapturedSequence:
    """Put one sequence together from its pictures and their heads."""
    where = Where(pictures[0].labels or _label_of(listing, pictures[0], source), source.name)
    ledger.frames.came += len(pictures)
    pictures, dropped = _once_each(sorted(pictures, key=lambda one: one.frame), where, findings)
    for reason, those in dropped.items():
        ledger.frames.drop(reason, len(those))
        theirs = Ledger()
        listing.load(those, findings, theirs, where)
        theirs.heads.drop(reason, theirs.heads.kept)
        ledger.add(theirs)
    if not pictures:
        findings.add("no-frames", where)
        raise BrokenSequence
    read = listing.load(pictures, findings, ledger, where)
    columns = read.columns
    _complete(columns)
    has_pictures = any(_is_there(source.root, one) for one in listing.pictures)
    sizes = [_size_of(source.root, one, has_pictures) for one in pictures]
    _compare_sizes(pictures, sizes, where, findings)
    if None in sizes:
        _guess_sizes(sizes, columns, pictures, where, findings, guess=not has_pictures)
    size_wh = next((size for size in sizes if size is not None), (1, 1))
    frames = [
        CapturedFrame(
            picture.frame,
            picture.file if has_pictures else None,
            camera_from(picture.about),
            fault=read.faults.get(index),
            weather=_text(picture.about.get("weather")),
            hour=_number(picture.about.get("hour")),
            size_wh=sizes[index],
            row=picture.row,
        )
        for index, picture in enumerate(pictures)
    ]
    rows = HeadRows(columns, where, None, names=[picture.frame for picture in pictures])
    settled = settle_heads(
        rows, [frame.camera for frame in frames], size_wh, findings, ledger.heads
    )
    first = pictures[0].about if pictures else {}
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settled,
        pictures=has_pictures,
        fps=_number(first.get("fps")),
        location=_text(first.get("location")),
        split=source.split,
        simulated=bool(listing.about.get("simulated")),
        about={name: value for name, value in listing.about.items() if name != "simulated"},
        lost_frames=rows.lost_frames,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _label_of(listing: Listing, picture: LabelledPicture, source: SequenceSource) -> str | None:
    """Name the file that lists a picture: that of its sequence, or of its split."""
    names = [path.relative_to(source.root).as_posix() for path in listing.label_files]

    def fits(name: str) -> tuple[bool, bool]:
        parts = PurePosixPath(name).parts
        return picture.sequence in parts, split_word(*parts) == picture.split

    return max(names, key=fits, default=None)  # the first one of those that fit best


def _once_each(
    pictures: Sequence[LabelledPicture], where: Where, findings: Findings
) -> tuple[list[LabelledPicture], dict[str, list[LabelledPicture]]]:
    """Keep the first of several pictures of one name; set aside names that can't be a frame's.

    Returns:
        Those that are kept, and by reason those that aren't.
    """
    kept: dict[str, LabelledPicture] = {}
    dropped: dict[str, list[LabelledPicture]] = {}
    for picture in pictures:
        place = Where(picture.labels or where.file, where.sequence, picture.frame)
        if picture.unsafe is not None:
            findings.add("unsafe-path", place, picture.unsafe)
            dropped.setdefault("unsafe-path", []).append(picture)
        elif picture.frame in kept:
            findings.add("duplicate-frame", place, detail=picture.file or "")
            dropped.setdefault("duplicate-frame", []).append(picture)
        elif not (storage.is_plain_name(picture.frame) and can_name_a_sequence(picture.frame)):
            findings.add("bad-frame-name", place)
            dropped.setdefault("bad-frame-name", []).append(picture)
        else:
            kept[picture.frame] = picture
    return list(kept.values()), dropped


def _complete(columns: Columns) -> None:
    """Add what can be said without being there: points from boxes, running ids."""
    if "x" not in columns:
        with np.errstate(invalid="ignore", over="ignore"):  # not-finite is told of heads
            for name in "xy":
                columns[name] = (columns[f"captured_{name}0"] + columns[f"captured_{name}1"]) / 2
    if "head_id" not in columns:
        frame = columns["frame_index"]
        starts = np.searchsorted(frame, np.arange(int(frame.max()) + 1 if len(frame) else 0))
        columns["head_id"] = np.arange(len(frame)) - starts[frame] + 1 if len(frame) else frame


def _is_there(root: Path, picture: LabelledPicture) -> bool:
    return picture.file is not None and (root / picture.file).is_file()


def _size_of(root: Path, picture: LabelledPicture, has_pictures: bool) -> tuple[int, int] | None:
    """Give a picture's own size as its labels mean it; as they say where it can't be looked at."""
    if not has_pictures or picture.file is None or picture.row is not None:
        return picture.size_wh
    try:
        header = read_header(read_bytes(root / picture.file))
    except PictureError:
        return picture.size_wh  # whoever takes the picture says what is wrong with it
    return header.upright_wh if picture.size_wh == header.upright_wh else header.size_wh


def _compare_sizes(
    pictures: Sequence[LabelledPicture],
    sizes: Sequence[tuple[int, int] | None],
    where: Where,
    findings: Findings,
) -> None:
    """Tell where labels give another size than the picture has."""
    for picture, size in zip(pictures, sizes, strict=True):
        told = picture.size_wh
        if told is not None and size is not None and told not in (size, size[::-1]):
            place = Where(picture.labels or where.file, where.sequence, picture.frame)
            text = f"{told[0]} x {told[1]}"
            findings.add("size-differs", place, text, f"{size[0]} x {size[1]}")


def _guess_sizes(
    sizes: list[tuple[int, int] | None],
    columns: Columns,
    pictures: Sequence[LabelledPicture],
    where: Where,
    findings: Findings,
    *,
    guess: bool,
) -> None:
    """Fill in sizes that neither picture nor labels tell: as far as the heads reach."""
    frame = columns["frame_index"]
    for index, size in enumerate(sizes):
        if size is not None:
            continue
        mine = slice(*np.searchsorted(frame, [index, index + 1]))
        reach = [float(np.nanmax(columns[name][mine], initial=0.0)) for name in "xy"]
        reach = [min(max(value, 0.0), 1e5) if math.isfinite(value) else 0.0 for value in reach]
        sizes[index] = (int(reach[0]) + 1, int(reach[1]) + 1)
        if guess:
            findings.add("size-guessed", Where(where.file, where.sequence, pictures[index].frame))


def _number(value: object) -> float | None:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def camera_from(about: Mapping[str, Any]) -> Camera | None:
    """Give the camera that a frame's columns tell of; None where they don't."""
    vfov = _number(about.get("vfov_deg"))
    if vfov is None or not 0 < vfov < 180:
        return None
    position = [_number(about.get(name)) for name in ("camera_x_m", "camera_y_m", "camera_z_m")]
    rotation = [_number(about.get(name)) for name in ("pitch_deg", "roll_deg", "yaw_deg")]
    return Camera(
        vfov,
        None if None in position else tuple(position),  # type: ignore[arg-type]
        None if None in rotation else tuple(rotation),  # type: ignore[arg-type]
    )


def gathered(parts: Iterable[tuple[int, Columns]], names: Sequence[str]) -> Columns:
    """Put heads of single pictures behind one another.

    Args:
        parts: index of the picture, and its columns, all of one length.
        names: of the columns; int64 for `head_id`, int8 for flags, else float64.
    """
    found = list(parts)
    counts = [len(columns[names[0]]) for _, columns in found]
    out: Columns = {
        "frame_index": np.repeat([index for index, _ in found], counts).astype(np.int64)
    }
    for name in names:
        kind = _KINDS.get(name, np.float64)
        out[name] = np.concatenate(
            [np.empty(0, kind), *(np.asarray(columns[name], kind) for _, columns in found)]
        )
    return out


_KINDS: Mapping[str, type] = {
    "head_id": np.int64,
    "ignore": np.int8,
    "occluded": np.int8,
}
