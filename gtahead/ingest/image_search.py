"""Where the images of labels are, when they aren't quite where the labels say."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.images.reading import IMAGE_SUFFIXES
from gtahead.ingest.exports import exported_as, images_in, split_by_folder, split_of_folder
from gtahead.ingest.labelled import LabelledImage

HOLDERS = re.compile(
    r"(?:jpeg)?images?|images_part\d+|img\d*|imgs|frames|photos|pictures|pics|data|labels"
    r"|annotations|obj_train_data|obj_\w+_data",
    re.IGNORECASE,
)
"""Folders whose names say no more than that images, or labels, are in them."""


_NO_PHOTOGRAPHS = frozenset(
    {
        *("annotation", "annotations", "depth", "label", "labels", "mask", "masks", "seg"),
        *(
            "segmentation",
            "segmentationclass",
            "segmentationobject",
            "segmentations",
            "xml",
            "xmls",
        ),
    }
)
"""Folders whose images are labels themselves, such as masks."""


def with_images_found(
    root: Path, images: Sequence[LabelledImage], findings: Findings
) -> list[LabelledImage]:
    """Find images that aren't where their labels say, but can only be meant.

    Names are compared without extension, in any case, composed or decomposed, `%20` being a
    blank; folders that only hold images or name a split don't count. One that other labels name,
    or that lies in another split's folder or among labels, is never taken.

    Args:
        root: of the dataset.
        images: as labels name them.
        findings: takes which were found elsewhere.

    Raises:
        InputError: no image is found, though images lie there.
    """
    wanted = [index for index, one in enumerate(images) if one.file and one.row is None]
    if not wanted:
        return list(images)
    there = images_in(root)
    present = set(there)
    missing = [
        index
        for index in wanted
        if (file := str(images[index].file)) not in present and not (root / file).is_file()
    ]
    if not missing or not there:
        return list(images)
    # An image that is only listed because it's there may be the one that labels mean.
    idle: set[int] = set()
    if any(_has_labels(root, images[index]) for index in missing):
        idle = {i for i in set(wanted) - set(missing) if not _has_labels(root, images[i])}
    claimed = {images[index].file for index in wanted if index not in idle}
    free: dict[str, list[str]] = {}
    for file in there:
        if file not in claimed and not _NO_PHOTOGRAPHS & set(file.lower().split("/")[:-1]):
            free.setdefault(_loosely(file), []).append(file)
    takers: dict[str, list[int]] = {}
    for index in missing:
        meant = _only_one(free.get(_loosely(str(images[index].file)), ()), images[index].split)
        if meant is not None:
            takers.setdefault(meant, []).append(index)
    found = {indices[0]: file for file, indices in takers.items() if len(indices) == 1}
    if len(missing) == len(wanted) - len(idle) and not found and exported_as(root) is None:
        first = images[missing[0]]
        raise InputError(
            "none of the images that the labels name is there, though other images are",
            where=Where(first.labels or str(root)),
            value=f"looked for {first.file}, found {there[0]}",
            remedy="put the images where the labels name them, or give them the labels' names",
        )
    taken = set(found.values())
    findings.add_each(
        "image-elsewhere",
        sorted(found),
        lambda index: Where(images[index].labels, frame=images[index].frame),
        lambda index: f"{images[index].file}, found {found[index]}",
    )
    return [
        replace(image, file=found[index]) if index in found else image
        for index, image in enumerate(images)
        if not (index in idle and image.file in taken)
    ]


def _has_labels(root: Path, image: LabelledImage) -> bool:
    """Return whether an image has labels of its own that are there."""
    return image.labels is not None and (root / image.labels).is_file()


def _loosely(file: str) -> str:
    text = unicodedata.normalize("NFC", unquote(file.replace("\\", "/"))).casefold()
    stem, extension = posixpath.splitext(text)
    while extension in IMAGE_SUFFIXES:
        text, (stem, extension) = stem, posixpath.splitext(stem)
    parts = [part for part in PurePosixPath(text).parts if part not in (".", "/")]
    home = [p for p in parts[:-1] if not HOLDERS.fullmatch(p) and split_of_folder(p) is None]
    return "/".join([*home, *parts[-1:]])


def _only_one(files: Iterable[str], split: str | None) -> str | None:
    """Return the file that a split's labels can mean; None where there is none, or several."""
    fitting = []
    for file in files:
        its, _ = split_by_folder(PurePosixPath(file).parent)
        if None in (its, split) or its == split:
            fitting.append(file)
    return fitting[0] if len(fitting) == 1 else None
