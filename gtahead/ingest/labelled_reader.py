"""From other people's datasets to sequences that a build takes: what all readers share.

A format's own part is to list its images and to read the heads of some of them. Sizes are those
of the images themselves, never what labels say of them, unless there is no image.
"""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from gtahead import storage
from gtahead.arrays import Columns, Floats, Ragged
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings, Ledger
from gtahead.images.reading import IMAGE_SUFFIXES, Header, ImageError, read_bytes, read_header
from gtahead.ingest.exports import (
    MARKER,
    camera_from,
    exported_as,
    images_in,
    marker_of,
    split_by_folder,
    split_of_folder,
    splits_of_lists,
)
from gtahead.ingest.image_search import with_images_found
from gtahead.ingest.labelled import LabelledImage, Listing, once_each
from gtahead.ingest.model import (
    BrokenSequence,
    CapturedFrame,
    CapturedSequence,
    ClassKey,
    LabelOptions,
    Reader,
    SequenceSource,
)
from gtahead.ingest.names import is_safe_name
from gtahead.ingest.rows import HOURS, RATES, HeadRows, as_number, settle_heads
from gtahead.origins import origin_in
from gtahead.tables.canonical import CAPTURED


def reader_of(
    name: str,
    title: str,
    recognise: Callable[[Path], str | None],
    scan: Callable[[Path], Listing],
    unpack: Callable[[Path, CapturedFrame], bytes] | None = None,
    *,
    upright: bool = False,
    origin: str = "unknown",
    video: bool = False,
) -> Reader:
    """Make a reader for a format.

    Args:
        name: of the format.
        title: in a few words.
        recognise: why a folder is one; None where it isn't.
        scan: lists a folder. Called once per process for all its sequences.
        unpack: gives an image that lies inside another file.
        origin: where images in this format come from, unless they say otherwise.
        video: whether frames of a sequence follow one another in time.
        upright: whether the tools that write it show images upright, and label what they show.
    """

    @lru_cache(maxsize=1)
    def scanned(root: Path, state: tuple[Any, ...]) -> tuple[Listing, dict[str, Any]]:
        del state
        listing = scan(root)
        listing.images = [_kept_inside(image) for image in listing.images]
        listing.images = with_images_found(root, listing.images, listing.findings)
        listing.images = _with_splits(root, listing.images)
        listing.images = _named_apart(listing.images)
        marker = marker_of(root)
        listing.origin = origin_in(marker) or listing.origin
        listing.origins = marker.get("origins", {})
        listing.ours = bool(marker)
        return listing, listing.by_sequence

    def recognised(root: Path) -> str | None:
        if exported_as(root) == name:
            return f"{MARKER} says so"
        return None if exported_as(root) else recognise(root)

    def made(options: LabelOptions) -> Reader:
        def list_sequences(root: Path, findings: Findings) -> list[SequenceSource]:
            state = _state(root)
            listing, sequences = scanned(root, state)
            heads = _decide_classes(listing, options, name, findings)
            findings.merge(listing.findings)
            _check_marker(root, listing, findings)
            _report_unlisted(root, listing, findings)
            sources = []
            for sequence, images in sorted(sequences.items()):
                split = images[0].split if len({one.split for one in images}) == 1 else None
                sources.append(
                    SequenceSource(name, root, sequence, ".", split, state, options, heads)
                )
            return sources

        return Reader(
            name, title, recognised, list_sequences, read, inputs, unpack, made, origin, video
        )

    def read(source: SequenceSource, findings: Findings, ledger: Ledger) -> CapturedSequence:
        try:
            listing, sequences = scanned(source.root, source.state)
        except InputError as error:
            position = error.where or Where()
            where = Where(position.file, source.name, field=position.field)
            findings.add("bad-labels-file", where, error.value, error.what)
            raise BrokenSequence from error
        if listing.classes is not None:
            listing.classes.heads = source.head_classes
        given = source.labels.orientation
        images = [
            replace(image, upright=upright if given is None else given == "upright")
            for image in sequences[source.name]
        ]
        return _captured(source, listing, images, unpack, findings, ledger)

    def inputs(source: SequenceSource) -> tuple[list[Path], list[Path]]:
        listing, sequences = scanned(source.root, source.state)
        images = sequences.get(source.name, [])
        own = [source.root / image.labels for image in images if image.labels]
        files = sorted({source.root / image.file for image in images if image.file})
        return [*listing.label_files, *(path for path in own if path.is_file())], [
            path for path in files if path.is_file()
        ]

    return made(LabelOptions())


def _with_splits(root: Path, images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Give images without a split that of the folder they are in, else that of the root's name."""
    found = []
    for image in images:
        split = image.split
        if split is None and image.file is not None and image.row is None:
            split, _ = split_by_folder(PurePosixPath(image.file).parent)
        found.append(image if split == image.split else replace(image, split=split))
    of_root = split_of_folder(root.name)
    if of_root is None or any(image.split is not None for image in found):
        return found
    return [replace(image, split=of_root) for image in found]


def _named_apart(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Name frames by their whole file where only its extension tells two of a sequence apart."""
    files: dict[tuple[str, str | None, str], set[str]] = {}
    for image in images:
        if image.file is not None and image.row is None:
            key = image.sequence, image.split, image.frame
            files.setdefault(key, set()).add(PurePosixPath(image.file).name)
    several = {key for key, names in files.items() if len(names) > 1}
    return [
        replace(image, frame=PurePosixPath(image.file).name)
        if image.file is not None and (image.sequence, image.split, image.frame) in several
        else image
        for image in images
    ]


def _decide_classes(
    listing: Listing, options: LabelOptions, name: str, findings: Findings
) -> frozenset[ClassKey] | None:
    if listing.classes is not None:
        return listing.classes.decide(options.head_class, findings)
    if options.head_class is not None:
        raise UsageError(
            f"--class: {name} has no classes",
            value=options.head_class,
            remedy="leave it out: everything that it labels is a head",
        )
    return None


def _kept_inside(image: LabelledImage) -> LabelledImage:
    """Drop a file name that leads out of the dataset's folder, or that no file can have.

    A name that can't be a sequence's is treated likewise: its frames are listed by split.
    """
    home = image.split or "refused"
    if image.file is not None:
        if not is_safe_name(image.file):
            code = "bad-name" if storage.is_safe_relative(image.file) else "unsafe-path"
            return replace(image, file=None, refused=(code, image.file), sequence=home)
        plain = posixpath.normpath(image.file)
        image = image if plain == image.file else replace(image, file=plain)
    name = image.sequence
    if not storage.can_name(name):
        return replace(image, refused=("bad-name", name), sequence=home)
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
    files = images_in(root)
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
    unpack: Unpack | None,
    findings: Findings,
    ledger: Ledger,
) -> CapturedSequence:
    """Put one sequence together from its images and their heads."""
    where = Where(images[0].labels or _label_of(listing, images[0], source), source.name)
    ledger.frames.came += len(images)
    images, dropped = once_each(sorted(images, key=lambda one: one.frame), where, findings)
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
    images = [
        replace(image, size_wh=read.sizes[index]) if index in read.sizes else image
        for index, image in enumerate(images)
    ]
    made = _complete(columns)
    has_images = any(_is_there(source.root, one) for one in listing.images)
    headers = [_header_of(source.root, one, has_images, unpack) for one in images]
    upright = _are_upright(images, headers, columns, source.labels, where, findings)
    sizes = [
        one.size_wh if header is None else header.upright_wh if turned else header.size_wh
        for one, header, turned in zip(images, headers, upright, strict=True)
    ]
    _compare_sizes(images, sizes, where, findings)
    guessed = {index for index, size in enumerate(sizes) if size is None}
    if guessed:
        _guess_sizes(sizes, columns, images, where, findings, guess=not has_images)
    size_wh = next((size for size in sizes if size is not None), (1, 1))
    frames = [
        CapturedFrame(
            image.frame,
            image.file if has_images else None,
            camera_from(image.about),
            fault=read.faults.get(index),
            weather=_text(image.about.get("weather")),
            hour=as_number(image.about.get("hour"), *HOURS),
            size_wh=sizes[index],
            row=image.row,
            upright=upright[index],
            own_id=image.own_id,
            listed_in=image.listed_in or image.labels,
            split=image.split if source.split is None else None,
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
        fps=as_number(first.get("fps"), *RATES),
        location=_text(first.get("location")),
        split=source.split,
        origin=listing.origins.get(source.name, listing.origin),
        made=made,
        about=dict(listing.about),
        lost_frames=rows.lost_frames,
        guessed_sizes=guessed,
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _label_of(listing: Listing, image: LabelledImage, source: SequenceSource) -> str | None:
    """Name the file that lists an image: that of its sequence, or of its split."""
    names = [path.relative_to(source.root).as_posix() for path in listing.label_files]

    def fits(name: str) -> tuple[bool, bool]:
        parts = PurePosixPath(name).parts
        return image.sequence in parts, splits_of_lists([name])[0] == image.split

    return max(names, key=fits, default=None)  # the first one of those that fit best


def _complete(columns: Columns) -> tuple[str, ...]:
    """Add columns that are missing and can be derived: points from boxes, running ids.

    Returns:
        Which of `points` and `ids` say nothing that the labels don't: points that are all the
        middles of boxes, ids that were made here.
    """
    made = []
    centres = {}
    if CAPTURED[0] in columns:
        with np.errstate(invalid="ignore", over="ignore"):  # not-finite is reported of heads
            for name in "xy":
                low, high = (columns[f"captured_{name}{end}"] for end in "01")
                centres[name] = (low + high) / 2
    if "x" not in columns:
        columns.update(centres)
    if centres and all(np.allclose(columns[n], centres[n], atol=1e-6) for n in "xy"):
        made.append("points")
    if "head_id" not in columns:
        made.append("ids")
        frame = columns["frame_index"]
        by_frame = Ragged.from_index(frame, int(frame.max(initial=-1)) + 1)
        columns["head_id"] = np.arange(1, len(frame) + 1) - by_frame.offsets[frame]
    return tuple(made)


def _is_there(root: Path, image: LabelledImage) -> bool:
    return image.file is not None and (root / image.file).is_file()


Unpack = Callable[[Path, CapturedFrame], bytes]


def _header_of(
    root: Path, image: LabelledImage, has_images: bool, unpack: Unpack | None
) -> Header | None:
    """Read an image's header; None where it can't be, of which whoever takes the image tells.

    Of one inside another file it's read only where labels don't give the size.
    """
    if not has_images or image.file is None or (image.row is not None and image.size_wh):
        return None
    try:
        if image.row is None:
            return read_header(read_bytes(root / image.file))
        frame = CapturedFrame(image.frame, image.file, row=image.row)
        return None if unpack is None else read_header(unpack(root, frame))
    except ImageError:
        return None


def _are_upright(
    images: Sequence[LabelledImage],
    headers: Sequence[Header | None],
    columns: Columns,
    options: LabelOptions,
    where: Where,
    findings: Findings,
) -> list[bool]:
    """Decide for each image whether its labels are of the upright image, or of the stored one.

    What the user says decides; else heads that fit in one frame only; else the size in the labels;
    else what is usual in the format, with a warning.
    """
    by_frame = Ragged.from_index(columns["frame_index"], len(images))
    found = []
    for index, (image, header) in enumerate(zip(images, headers, strict=True)):
        turned = image.upright
        if header is not None and header.orientation != 1 and options.orientation is None:
            points = [columns[name][by_frame.rows(index)] for name in "xy"]
            fits = _fits_one_frame(points, header)
            if fits is None and header.size_wh != header.upright_wh:
                told = image.size_wh
                fits = (
                    None
                    if told not in (header.size_wh, header.upright_wh)
                    else (told == header.upright_wh)
                )
            if fits is None and len(points[0]):
                location = Where(image.labels or where.file, where.sequence, image.frame)
                detail = f"they are taken to be of the {'upright' if turned else 'stored'} image"
                findings.add("orientation-assumed", location, detail=detail)
            turned = turned if fits is None else fits
        found.append(turned)
    return found


def _fits_one_frame(points: Sequence[Floats], header: Header) -> bool | None:
    """Return whether all heads are in the upright frame alone; None where both fit, or neither."""
    if not len(points[0]):
        return None
    inside = [
        bool(((points[0] >= 0) & (points[0] <= w) & (points[1] >= 0) & (points[1] <= h)).all())
        for w, h in (header.size_wh, header.upright_wh)
    ]
    return None if inside[0] == inside[1] else inside[1]


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
