"""Labelled images: what every format's reader finds, one image after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import storage
from gtahead.arrays import Columns, Floats
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.ingest.classes import Classes
from gtahead.ingest.rows import as_number
from gtahead.values import is_number


@dataclass(frozen=True)
class LabelledImage:
    """One image as a dataset lists it.

    Attributes:
        sequence: what it belongs to: a folder, or a split.
        frame: its name there.
        split: that it is in, if known.
        file: the image, relative to the root, whether it is there or not; None where the dataset
            doesn't name it.
        labels: the file of its own labels, relative to the root, if it has one.
        size_wh: as labels say; believed only where there is no image.
        key: by which the format finds its heads again.
        about: weather and the like, by the table of frames' names.
        row: where the image lies in `file`, if that holds several.
        refused: the finding and its value, where its file isn't within the folder, or what it
            belongs to can't be a sequence.
        upright: whether its labels are taken to be of the upright image, whatever its file's
            pixels are turned by.
        own_id: that the labels give it, a number or text, by which results may name it.
        listed_in: the file, relative to the root, that gives it its `own_id`.
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
    refused: tuple[str, str] | None = None
    upright: bool = False
    own_id: int | str | None = None
    listed_in: str | None = None


@dataclass
class HeadsRead:
    """Heads of some images, as the format's file has them.

    Attributes:
        columns: `frame_index` into the images asked for; `x` and `y`, or `captured_*` boxes whose
            centres they then are; and what else there is: `head_id`, `visibility`, `occluded`,
            `ignore`.
        faults: by image, the code of a finding, already noted, that sets it aside.
        sizes: by image, what its own labels say of its size, where the listing didn't know it.
    """

    columns: Columns
    faults: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int]] = field(default_factory=dict)


Load = Callable[[Sequence[LabelledImage], Findings, Ledger, Where], HeadsRead]
"""Reads the heads of some images, and books how many came."""

ReadOne = Callable[[LabelledImage, Findings, Where], Columns]
"""Reads one image's heads; raises ValueError, OSError or InputError with what is wrong."""


def load_each(read: ReadOne, names: Sequence[str]) -> Load:
    """Return a function that reads heads image by image; unreadable labels set a frame aside.

    Args:
        read: one image's columns, all of one length. FileNotFoundError says that there are none.
        names: of the columns.
    """

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, image in enumerate(wanted):
            location = Where(image.labels or where.file, where.sequence, image.frame)
            columns: Columns = {name: np.empty(0) for name in names}
            try:
                with np.errstate(
                    invalid="ignore", over="ignore"
                ):  # not-finite is reported of heads
                    columns = read(image, findings, location)
            except FileNotFoundError:
                missing = Where(image.labels or image.file, where.sequence, image.frame)
                findings.add("labels-missing", missing)
                faults[index] = "labels-missing"
            except (ValueError, TypeError, OverflowError, OSError, InputError) as error:
                detail = error.what if isinstance(error, InputError) else str(error)
                if isinstance(error, OSError) and error.strerror:  # without the machine's path
                    detail = error.strerror
                findings.add("bad-frame-labels", location, detail=detail)
                faults[index] = "bad-frame-labels"
            parts.append((index, columns))
        found = gathered(parts, names)
        ledger.heads.came += len(found["frame_index"])
        return HeadsRead(found, faults)

    return load


def own_labels(root: Path, image: LabelledImage) -> Path:
    """Return the file of an image's own labels.

    Raises:
        FileNotFoundError: it has none.
    """
    if image.labels is None:
        raise FileNotFoundError
    return root / image.labels


def note_count(reported: object, found: int, findings: Findings, location: Where) -> None:
    """Note that a file says another number of heads than it has; numbers alone say one."""
    number = as_number(reported)
    if number is not None and number != found:
        findings.add("count-differs", location, f"{number:g}", f"{found} heads are there")


def rows_in_json(values: object, widths: Sequence[int]) -> Floats:
    """Return a JSON list of rows of numbers as (N, width); nothing is ever cut or run together.

    Args:
        values: the list.
        widths: that rows may have; all have the same. An empty list is (0, the first).

    Raises:
        ValueError: it is something else.
    """
    words = " or ".join(map(str, widths))
    if not isinstance(values, list):
        raise ValueError(f"not a list of rows of {words} numbers")
    for position, row in enumerate(values):
        lengths = {len(values[0]) if isinstance(values[0], list) else -1} & set(widths)
        if not isinstance(row, list) or len(row) not in lengths or not all(map(is_number, row)):
            raise ValueError(f"row {position} isn't {words} numbers: {str(row)[:60]}")
    return np.array(values, np.float64).reshape(-1, len(values[0]) if values else widths[0])


@dataclass
class Listing:
    """The images in a folder, and how to read their heads.

    Attributes:
        images: in order.
        label_files: that decide about all heads; files of one image alone are named there.
        load: reads the heads of some images.
        about: tool, licence.
        findings: of the whole dataset.
        origin: where the images come from, if the files say it.
        origins: of single sequences, likewise.
        ours: whether gtahead exported it.
        classes: of the objects, where the format has any; `load` leaves out those that aren't
            heads.
    """

    images: list[LabelledImage]
    label_files: list[Path]
    load: Load
    about: dict[str, Any] = field(default_factory=dict)
    classes: Classes | None = None
    findings: Findings = field(default_factory=Findings)
    ours: bool = False
    origin: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_sequence(self) -> dict[str, list[LabelledImage]]:
        """The images by sequence.

        A sequence in several splits counts as several, but for our own exports: of photographs
        that are split one by one, each keeps its own.
        """
        splits: dict[str, set[str | None]] = {}
        for image in self.images:
            splits.setdefault(image.sequence, set()).add(image.split)
        found: dict[str, list[LabelledImage]] = {}
        for image in self.images:
            name = image.sequence
            if len(splits[name]) > 1 and not self.ours:
                name = f"{name}__{image.split or 'unknown'}"
            found.setdefault(name, []).append(image)
        return found


def gathered(parts: Iterable[tuple[int, Columns]], names: Sequence[str]) -> Columns:
    """Concatenate the heads of single images.

    Args:
        parts: index of the image, and its columns, all of one length.
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


_KINDS: Mapping[str, type] = {"head_id": np.int64, "ignore": np.int8, "occluded": np.int8}


def once_each(
    images: Sequence[LabelledImage], where: Where, findings: Findings
) -> tuple[list[LabelledImage], dict[str, list[LabelledImage]]]:
    """Keep the first of several images of one name; set aside names that can't be a frame's.

    Returns:
        Those that are kept, and by reason those that aren't.
    """
    kept: dict[str, LabelledImage] = {}
    folded: dict[str, str] = {}
    dropped: dict[str, list[LabelledImage]] = {}
    for image in images:
        location = Where(image.labels or where.file, where.sequence, image.frame)
        if image.refused is not None:
            code, value = image.refused
            findings.add(code, location, value)
            dropped.setdefault(code, []).append(image)
        elif image.frame in kept:
            findings.add("duplicate-frame", location, detail=image.file or "")
            dropped.setdefault("duplicate-frame", []).append(image)
        elif not storage.can_name(image.frame):
            findings.add("bad-frame-name", location)
            dropped.setdefault("bad-frame-name", []).append(image)
        elif other := folded.get(storage.folded_name(image.frame)):
            findings.add(
                "bad-frame-name", location, detail=f"but for case or accents, it is {other}"
            )
            dropped.setdefault("bad-frame-name", []).append(image)
        else:
            kept[image.frame] = image
            folded[storage.folded_name(image.frame)] = image.frame
    return list(kept.values()), dropped
