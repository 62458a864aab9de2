"""From other people's data sets to sequences that a build takes: what all readers share.

A format's own part is to list its pictures and to read the heads of some of them. Sizes are those
of the pictures themselves, never what labels say of them, unless there is no picture.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gtahead import storage
from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Finding, Findings, Ledger
from gtahead.images.reading import PICTURE_SUFFIXES, PictureError, read_bytes, read_header
from gtahead.ingest.exports import (
    MARKER,
    as_number,
    camera_from,
    exported_as,
    marker_of,
    pictures_below,
    split_word,
)
from gtahead.ingest.labelled import LabelledPicture, Listing
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import can_name_a_sequence, is_safe_name
from gtahead.ingest.rows import HeadRows, settle_heads


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
            hour=as_number(picture.about.get("hour")),
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
        fps=as_number(first.get("fps")),
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
