"""A data set, opened: frame by frame, split by split, column by column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.dataset import tables
from gtahead.dataset.manifest import SPLITS, Manifest, read_manifest
from gtahead.dataset.tabular import Columns
from gtahead.errors import InputError, UsageError, Where
from gtahead.geometry import Camera

FRAMES = "frames.parquet"
_FRAME_HEADS = ["head_id", "x", "y", *tables.BOX, "visibility", "status"]


def heads_file(sequence: str) -> str:
    """Give the path of a sequence's heads, relative to the data set."""
    return f"heads/{sequence}.parquet"


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame with its heads; a frame without heads has arrays of length 0.

    Attributes:
        frame_id: `<sequence>/<frame>`.
        sequence: name of the sequence.
        frame: name of the frame within its sequence.
        split: train, validation or test.
        picture: path of the picture, None in a data set of labels alone.
        size_wh: width and height in pixels.
        camera: the frame's camera, None where it isn't known.
        weather: as the game names it, or None.
        hour: time of day in hours, or None.
        location: name of the place, or None.
        head_ids: (N,) int64 ids of the persons.
        points_xy: (N, 2) centres of the visible heads, in pixels.
        boxes_xyxy: (N, 4) boxes in pixels, not clipped; NaN where a head has none.
        visibility: (N,) visible share, NaN where unknown.
        status: (N,) text: counted, ignored or absent.
    """

    frame_id: str
    sequence: str
    frame: str
    split: str | None
    picture: Path | None
    size_wh: tuple[int, int]
    camera: Camera | None
    weather: str | None
    hour: float | None
    location: str | None
    head_ids: npt.NDArray[np.int64]
    points_xy: npt.NDArray[np.float64]
    boxes_xyxy: npt.NDArray[np.float64]
    visibility: npt.NDArray[np.float64]
    status: npt.NDArray[np.object_]

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """(N,) which heads count under the data set's policy."""
        return np.asarray(self.status == "counted", np.bool_)

    @property
    def count(self) -> int:
        """How many heads count: the number to learn and to score against."""
        return int(self.counted.sum())


class Dataset:
    """A data set on disk, or a part of one; its tables are read as they are needed.

    Example:
        >>> dataset = Dataset.open("dataset")  # doctest: +SKIP
        >>> for frame in dataset.select(split="test"):  # doctest: +SKIP
        ...     print(frame.frame_id, frame.count)
    """

    def __init__(self, folder: Path, manifest: Manifest, rows: dict[str, list[Any]]) -> None:
        self.folder = folder
        self.manifest = manifest
        self._rows = rows

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Open a data set.

        Raises:
            InputError: not a finished data set, or a damaged one.
        """
        path = Path(folder)
        manifest = read_manifest(path)
        rows = tables.read_frames(path / FRAMES, str(path / FRAMES))
        expected = manifest.document["tables"][FRAMES]["rows"]
        if len(rows["frame_id"]) != expected:
            raise InputError(
                f"the table has another number of frames than the manifest's {expected}",
                where=Where(str(path / FRAMES)),
                value=len(rows["frame_id"]),
                remedy="the data set is damaged: build it again",
            )
        return cls(path, manifest, rows)

    def __len__(self) -> int:
        return len(self._rows["frame_id"])

    def __repr__(self) -> str:
        heads = sum(self._rows["num_heads"])
        return f"Dataset({str(self.folder)!r}: {len(self):,} frames, {heads:,} heads)"

    @property
    def frame_ids(self) -> list[str]:
        """Ids of the frames, in order."""
        return list(self._rows["frame_id"])

    @property
    def sequences(self) -> list[str]:
        """Names of the sequences, in order."""
        return list(dict.fromkeys(self._rows["sequence"]))

    def frames(self, columns: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """Give columns of the table of frames, None for unknown values.

        Raises:
            KeyError: no such column.
        """
        return {name: list(self._rows[name]) for name in columns or tables.FRAMES_V1.names}

    def heads(self, sequence: str, columns: Sequence[str] | None = None) -> Columns:
        """Give columns of one sequence's heads, of all its frames, without reading the others.

        Raises:
            KeyError: no such sequence here.
            ValueError: no such column.
            InputError: the table is missing or damaged.
        """
        if sequence not in self.sequences:
            raise KeyError(sequence)
        file = heads_file(sequence)
        return tables.read_heads(self.folder / file, str(self.folder / file), columns)

    def select(
        self, *, split: str | None = None, sequences: Sequence[str] | None = None
    ) -> Dataset:
        """Give the part of one split, or of some sequences.

        Raises:
            UsageError: no such split or sequence.
        """
        if split is not None and split not in SPLITS:
            raise UsageError("no such split", value=split, remedy=f"one of {', '.join(SPLITS)}")
        unknown = set(sequences or ()) - set(self._rows["sequence"])
        if unknown:
            raise UsageError(
                "no such sequence", value=min(unknown), remedy="`gtahead info` lists them"
            )
        keep = [
            (split is None or row_split == split) and (sequences is None or sequence in sequences)
            for row_split, sequence in zip(self._rows["split"], self._rows["sequence"], strict=True)
        ]
        rows = {
            name: [value for value, kept in zip(values, keep, strict=True) if kept]
            for name, values in self._rows.items()
        }
        return Dataset(self.folder, self.manifest, rows)

    def __iter__(self) -> Iterator[Frame]:
        """Go through the frames in order; one sequence's heads are in memory at a time."""
        for sequence, rows in self._spans():
            heads = self.heads(sequence, ["frame_id", *_FRAME_HEADS])
            slices = _slices(heads["frame_id"])
            for row in rows:
                yield self._frame(row, heads, slices.get(self._rows["frame_id"][row], _NOTHING))

    def __getitem__(self, frame_id: str) -> Frame:
        """Give one frame by its id.

        Raises:
            KeyError: no such frame here.
        """
        try:
            row = self._rows["frame_id"].index(frame_id)
        except ValueError:
            raise KeyError(frame_id) from None
        heads = self.heads(self._rows["sequence"][row], ["frame_id", *_FRAME_HEADS])
        return self._frame(row, heads, _slices(heads["frame_id"]).get(frame_id, _NOTHING))

    def _spans(self) -> Iterator[tuple[str, list[int]]]:
        """Give each sequence the rows of its frames, which stand together."""
        for sequence, rows in groupby(range(len(self)), self._rows["sequence"].__getitem__):
            yield sequence, list(rows)

    def _frame(self, row: int, heads: Columns, part: slice) -> Frame:
        rows = {name: values[row] for name, values in self._rows.items()}
        position = (rows["camera_x_m"], rows["camera_y_m"], rows["camera_z_m"])
        rotation = (rows["pitch_deg"], rows["roll_deg"], rows["yaw_deg"])
        camera = None
        if rows["vfov_deg"] is not None:
            camera = Camera(
                rows["vfov_deg"],
                None if None in position else position,
                None if None in rotation else rotation,
            )
        return Frame(
            frame_id=rows["frame_id"],
            sequence=rows["sequence"],
            frame=rows["frame"],
            split=rows["split"],
            picture=None if rows["file"] is None else self.folder / rows["file"],
            size_wh=(rows["width"], rows["height"]),
            camera=camera,
            weather=rows["weather"],
            hour=rows["hour"],
            location=rows["location"],
            head_ids=heads["head_id"][part],
            points_xy=np.stack([heads["x"][part], heads["y"][part]], axis=1),
            boxes_xyxy=np.stack([heads[name][part] for name in tables.BOX], axis=1),
            visibility=heads["visibility"][part],
            status=heads["status"][part],
        )


_NOTHING = slice(0, 0)


def _slices(ids: npt.NDArray[np.object_]) -> dict[str, slice]:
    """Find where each frame's heads stand in a table sorted by frame."""
    if len(ids) == 0:
        return {}
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    edges = [*map(int, starts), len(ids)]
    return {ids[a]: slice(a, b) for a, b in pairwise(edges)}
