"""Labelled images: what every format's reader finds, one image after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger


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
