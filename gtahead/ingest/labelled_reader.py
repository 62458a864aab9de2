"""From other people's datasets to sequences that a build takes: what all readers share.

A format's own part is to list its images and to read the heads of some of them. Sizes are those
of the images themselves, never what labels say of them, unless there is no image.
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
from gtahead.arrays import Columns, Ragged
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.images.reading import IMAGE_SUFFIXES, ImageError, read_bytes, read_header
from gtahead.ingest.exports import (
    MARKER,
    as_number,
    camera_from,
    exported_as,
    images_below,
    marker_of,
    split_word,
)
from gtahead.ingest.labelled import LabelledImage, Listing
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
    """Make a reader for a format.

    Args:
        name: of the format.
        title: in a few words.
        recognise: why a folder is one; None where it isn't.
        scan: lists a folder. Called once per process for all its sequences.
        unpack: gives an image that lies inside another file.
    """

    @lru_cache(maxsize=1)
    def scanned(root: Path, state: tuple[Any, ...]) -> tuple[Listing, dict[str, Any]]:
        del state
        listing = scan(root)
        listing.images = [_kept_inside(image) for image in listing.images]
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
        _report_unlisted(root, listing, findings)
        sources = []
        for sequence, images in sorted(sequences.items()):
            if can_name_a_sequence(sequence) and storage.is_plain_name(sequence):
                split = images[0].split
                sources.append(SequenceSource(name, root, sequence, ".", split, state))
            else:
                findings.add("bad-name", Where(sequence=sequence))
        return sources

    def read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
        try:
            listing, sequences = scanned(source.root, source.state)
        except InputError as error:
            position = error.where or Where()
            where = Where(position.file, source.name, field=position.field)
            findings.add("bad-labels-file", where, error.value, error.what)
            raise BrokenSequence from error
        return _captured(source, listing, sequences[source.name], findings, ledger)

    def inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
        listing, sequences = scanned(source.root, source.state)
        images = sequences.get(source.name, [])
        own = [source.root / image.labels for image in images if image.labels]
        files = sorted({source.root / image.file for image in images if image.file})
        return [*listing.label_files, *(path for path in own if path.is_file())], [
            path for path in files if path.is_file()
        ]

    return Reader(name, title, recognised, list_sequences, read, inputs, unpack)


def _kept_inside(image: LabelledImage) -> LabelledImage:
    """Drop a file name that leads out of the dataset's folder, or that no file can have.

    A name that can't be a sequence's is treated likewise: its frames are listed by split.
    """
    home = image.split or "unsafe"
    if image.file is not None and not is_safe_name(image.file):
        return replace(image, file=None, unsafe=image.file, sequence=home)
    name = image.sequence
    if not (can_name_a_sequence(name) and storage.is_plain_name(name)):
        return replace(image, unsafe=f"{name}/{image.frame}", sequence=home)
    return image


def _check_marker(root: Path, listing: Listing, findings: Findings) -> None:
    """Check one of our exports against its marker: no file and no frame may be missing."""
    marker = marker_of(root)
    files = marker.get("files")
    for name in files if isinstance(files, list) else ():
        path = root / str(name)
        image = path.suffix.lower() in IMAGE_SUFFIXES
        if not image and is_safe_name(str(name)) and not path.is_file():
            findings.add(
                "bad-labels-file", Where(name), detail="the export lists it, but it is missing"
            )
    try:
        frames = int(marker["ledger"]["frames"]["out"])
    except (KeyError, TypeError, ValueError):
        return
    if frames > len(listing.images):
        reported = f"the export had {frames:,} frames, {len(listing.images):,} are left"
        findings.add("bad-labels-file", Where(MARKER), detail=reported)


def _report_unlisted(root: Path, listing: Listing, findings: Findings) -> None:
    """Note images that no labels list."""
    named = {image.file for image in listing.images}
    files = images_below(root).values()
    if any(file in named for file in files):  # images lie where the labels say
        unlisted = [file for file in files if file not in named]
        findings.add_each("image-without-record", unlisted, Where)


MAX_LISTINGS = 500
"""Folders of more files hold images or labels of single images."""

_LISTING_SUFFIXES = {".json", ".jsonl", ".csv", ".txt", ".odgt", ".parquet", ".yaml", ".tar"}


def _state(root: Path) -> tuple[Any, ...]:
    """Return a folder's state: times of its folders, and of the files that may list images.

    Files of single images are read each time; only that they are there is remembered.
    """
    found: list[tuple[str, int, int]] = []
    for folder, folders, files in os.walk(root):
        folders.sort()
        found.append((folder, 0, Path(folder).stat().st_mtime_ns))
        if len(files) <= MAX_LISTINGS:
            for name in sorted(files):
                path = Path(folder, name)
                if path.suffix.lower() in _LISTING_SUFFIXES and path.is_file():
                    reported = path.stat()
                    found.append((str(path), reported.st_size, reported.st_mtime_ns))
    return tuple(found)


def _captured(
    source: SequenceSource,
    listing: Listing,
    images: Sequence[LabelledImage],
    findings: Findings,
    ledger: Ledger,
) -> CapturedSequence:
    """Put one sequence together from its images and their heads."""
    where = Where(images[0].labels or _label_of(listing, images[0], source), source.name)
    ledger.frames.came += len(images)
    images, dropped = _once_each(sorted(images, key=lambda one: one.frame), where, findings)
    for reason, those in dropped.items():
        ledger.frames.drop(reason, len(those))
        theirs = Ledger()
        listing.load(those, findings, theirs, where)
        theirs.heads.drop(reason, theirs.heads.kept)
        ledger.add(theirs)
    if not images:
        findings.add("no-frames", where)
        raise BrokenSequence
    read = listing.load(images, findings, ledger, where)
    columns = read.columns
    _complete(columns)
    has_images = any(_is_there(source.root, one) for one in listing.images)
    sizes = [_size_of(source.root, one, has_images) for one in images]
    _compare_sizes(images, sizes, where, findings)
    if None in sizes:
        _guess_sizes(sizes, columns, images, where, findings, guess=not has_images)
    size_wh = next((size for size in sizes if size is not None), (1, 1))
    frames = [
        CapturedFrame(
            image.frame,
            image.file if has_images else None,
            camera_from(image.about),
            fault=read.faults.get(index),
            weather=_text(image.about.get("weather")),
            hour=as_number(image.about.get("hour")),
            size_wh=sizes[index],
            row=image.row,
        )
        for index, image in enumerate(images)
    ]
    rows = HeadRows(columns, where, None, names=[image.frame for image in images])
    settled = settle_heads(
        rows, [frame.camera for frame in frames], size_wh, findings, ledger.heads
    )
    first = images[0].about if images else {}
    return CapturedSequence(
        name=source.name,
        size_wh=size_wh,
        frames=frames,
        heads=settled,
        images=has_images,
        fps=as_number(first.get("fps")),
        location=_text(first.get("location")),
        split=source.split,
        simulated=bool(listing.about.get("simulated")),
        about={name: value for name, value in listing.about.items() if name != "simulated"},
        lost_frames=rows.lost_frames,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _label_of(listing: Listing, image: LabelledImage, source: SequenceSource) -> str | None:
    """Name the file that lists an image: that of its sequence, or of its split."""
    names = [path.relative_to(source.root).as_posix() for path in listing.label_files]

    def fits(name: str) -> tuple[bool, bool]:
        parts = PurePosixPath(name).parts
        return image.sequence in parts, split_word(*parts) == image.split

    return max(names, key=fits, default=None)  # the first one of those that fit best


def _once_each(
    images: Sequence[LabelledImage], where: Where, findings: Findings
) -> tuple[list[LabelledImage], dict[str, list[LabelledImage]]]:
    """Keep the first of several images of one name; set aside names that can't be a frame's.

    Returns:
        Those that are kept, and by reason those that aren't.
    """
    kept: dict[str, LabelledImage] = {}
    dropped: dict[str, list[LabelledImage]] = {}
    for image in images:
        location = Where(image.labels or where.file, where.sequence, image.frame)
        if image.unsafe is not None:
            findings.add("unsafe-path", location, image.unsafe)
            dropped.setdefault("unsafe-path", []).append(image)
        elif image.frame in kept:
            findings.add("duplicate-frame", location, detail=image.file or "")
            dropped.setdefault("duplicate-frame", []).append(image)
        elif not (storage.is_plain_name(image.frame) and can_name_a_sequence(image.frame)):
            findings.add("bad-frame-name", location)
            dropped.setdefault("bad-frame-name", []).append(image)
        else:
            kept[image.frame] = image
    return list(kept.values()), dropped


def _complete(columns: Columns) -> None:
    """Add columns that are missing and can be derived: points from boxes, running ids."""
    if "x" not in columns:
        with np.errstate(invalid="ignore", over="ignore"):  # not-finite is reported of heads
            for name in "xy":
                columns[name] = (columns[f"captured_{name}0"] + columns[f"captured_{name}1"]) / 2
    if "head_id" not in columns:
        frame = columns["frame_index"]
        by_frame = Ragged.from_index(frame, int(frame.max(initial=-1)) + 1)
        columns["head_id"] = np.arange(1, len(frame) + 1) - by_frame.offsets[frame]


def _is_there(root: Path, image: LabelledImage) -> bool:
    return image.file is not None and (root / image.file).is_file()


def _size_of(root: Path, image: LabelledImage, has_images: bool) -> tuple[int, int] | None:
    """Return an image's own size as its labels mean it; the labels' size if it can't be read."""
    if not has_images or image.file is None or image.row is not None:
        return image.size_wh
    try:
        header = read_header(read_bytes(root / image.file))
    except ImageError:
        return image.size_wh  # whoever takes the image says what is wrong with it
    return header.upright_wh if image.size_wh == header.upright_wh else header.size_wh


def _compare_sizes(
    images: Sequence[LabelledImage],
    sizes: Sequence[tuple[int, int] | None],
    where: Where,
    findings: Findings,
) -> None:
    """Report where labels give another size than the image has."""
    for image, size in zip(images, sizes, strict=True):
        reported = image.size_wh
        if reported is not None and size is not None and reported not in (size, size[::-1]):
            location = Where(image.labels or where.file, where.sequence, image.frame)
            text = f"{reported[0]} x {reported[1]}"
            findings.add("size-differs", location, text, f"{size[0]} x {size[1]}")


def _guess_sizes(
    sizes: list[tuple[int, int] | None],
    columns: Columns,
    images: Sequence[LabelledImage],
    where: Where,
    findings: Findings,
    *,
    guess: bool,
) -> None:
    """Fill in sizes that neither image nor labels give, by how far the heads reach."""
    by_frame = Ragged.from_index(columns["frame_index"], len(sizes))
    for index, size in enumerate(sizes):
        if size is not None:
            continue
        mine = by_frame.rows(index)
        reach = [float(np.nanmax(columns[name][mine], initial=0.0)) for name in "xy"]
        reach = [min(max(value, 0.0), 1e5) if math.isfinite(value) else 0.0 for value in reach]
        sizes[index] = (int(reach[0]) + 1, int(reach[1]) + 1)
        if guess:
            findings.add("size-guessed", Where(where.file, where.sequence, images[index].frame))
