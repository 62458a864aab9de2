"""A dataset, opened: frame by frame, split by split, column by column."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.arrays import Booleans, Columns, Floats, Ints
from gtahead.dataset.manifest import Manifest, read_manifest
from gtahead.errors import REBUILD, InputError, UsageError, Where
from gtahead.geometry import Camera
from gtahead.tables import canonical
from gtahead.tables.arrow import equals, from_numpy, to_numpy
from gtahead.tables.splits import SPLITS, split_named
from gtahead.urls import is_url, local_copy

FRAMES = "frames.parquet"

NOTEBOOK_WIDTH = 1280
"""Of a frame that is shown in a notebook, in pixels."""

_FRAME_HEADS = ["head_id", "x", "y", *canonical.BOX, *canonical.SIGMA, "visibility", "status"]


def heads_file(sequence: str) -> str:
    """Return the path of a sequence's heads, relative to the dataset."""
    return f"heads/{sequence}.parquet"


def camera_of(row: Mapping[str, Any]) -> Camera | None:
    """Return the camera in a row of the table of frames; None where it isn't known."""
    if row["vfov_deg"] is None:
        return None
    position = (row["camera_x_m"], row["camera_y_m"], row["camera_z_m"])
    rotation = (row["pitch_deg"], row["roll_deg"], row["yaw_deg"])
    return Camera(
        row["vfov_deg"],
        None if None in position else position,
        None if None in rotation else rotation,
    )


def splits_of(opened: Dataset) -> dict[str, dict[str, str]]:
    """Return by sequence the split of each frame id."""
    columns = opened.frames(["frame_id", "sequence", "split"])
    found: dict[str, dict[str, str]] = {}
    for frame_id, sequence, split in zip(*columns.values(), strict=True):
        found.setdefault(sequence, {})[frame_id] = split
    return found


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame with its heads; a frame without heads has arrays of length 0.

    Attributes:
        frame_id: `<sequence>/<frame>`.
        sequence: name of the sequence.
        frame: name of the frame within its sequence.
        split: train, validation or test.
        image: path of the image, None in a dataset of labels alone.
        size_wh: width and height in pixels.
        camera: the frame's camera, None where it isn't known.
        weather: as the game names it, or None.
        hour: time of day in hours, or None.
        location: name of the location, or None.
        head_ids: (N,) int64 ids of the persons.
        points_xy: (N, 2) centres of the visible heads, in pixels.
        boxes_xyxy: (N, 4) boxes in pixels, not clipped; NaN where a head has none.
        sigmas_xy: (N, 2) sigmas in maps, in pixels along x and y.
        visibility: (N,) visible share, NaN where unknown.
        status: (N,) text: counted, ignored or absent.
    """

    frame_id: str
    sequence: str
    frame: str
    split: str | None
    image: Path | None
    size_wh: tuple[int, int]
    camera: Camera | None
    weather: str | None
    hour: float | None
    location: str | None
    head_ids: Ints
    points_xy: Floats
    boxes_xyxy: Floats
    sigmas_xy: Floats
    visibility: Floats
    status: npt.NDArray[np.object_]

    def _repr_png_(self) -> bytes | None:
        """Show the frame in a notebook: its image with boxes; None where that can't be drawn."""
        from gtahead import drawing  # OpenCV takes a fifth of a second to import

        if self.image is None:
            return None
        width = min(NOTEBOOK_WIDTH, max(self.size_wh[0], NOTEBOOK_WIDTH // 2))
        try:
            image = drawing.decoded_image(self.image.read_bytes(), Where(frame=self.frame_id))
        except (InputError, OSError):
            return None
        return drawing.boxes_png(image, self.boxes_xyxy, self.status.tolist(), width)

    @property
    def counted(self) -> Booleans:
        """(N,) which heads count under the dataset's policy."""
        return np.asarray(self.status == "counted", np.bool_)

    @property
    def count(self) -> int:
        """How many heads count: the number to learn and to score against."""
        return int(self.counted.sum())


class Dataset:
    """A dataset on disk, or a part of one; its tables are read as they are needed.

    Example:
        >>> dataset = Dataset.open("dataset")  # doctest: +SKIP
        >>> for frame in dataset.select(split="test"):  # doctest: +SKIP
        ...     print(frame.frame_id, frame.count)
    """

    def __init__(self, folder: Path, manifest: Manifest, table: Any) -> None:  # noqa: ANN401 - Arrow
        self.folder = folder
        self.manifest = manifest
        self._table = table  # frames, of whole sequences or parts of them, in order

    @classmethod
    def open(cls, folder: str | Path, *, check_names: bool = True) -> Dataset:
        """Open a dataset, by path or URL (`s3://…`, `hf://…`).

        Args:
            folder: its path or URL.
            check_names: check that no name or path leads out of the folder; `validate` does that.

        Raises:
            InputError: not a finished dataset, or a damaged one.
        """
        path = local_copy(folder) if isinstance(folder, str) and is_url(folder) else Path(folder)
        manifest = read_manifest(path)
        rows = manifest.document["tables"][FRAMES]["rows"]
        table = canonical.read_frames_table(
            path / FRAMES, str(path / FRAMES), rows, check_names=check_names
        )
        return cls(path, manifest, table)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        heads = int(to_numpy(self._table.column("num_heads")).sum())
        return f"Dataset({str(self.folder)!r}: {len(self):,} frames, {heads:,} heads)"

    def _repr_html_(self) -> str:
        """Show the dataset in a notebook: what it holds, by split."""
        columns = self.frames(["sequence", "split", "num_heads"])
        rows = []
        for name in SPLITS:
            mine = [i for i, split in enumerate(columns["split"]) if split == name]
            sequences = len({columns["sequence"][i] for i in mine})
            heads = sum(columns["num_heads"][i] for i in mine)
            cells = (name, f"{sequences:,}", f"{len(mine):,}", f"{heads:,}")
            rows.append("".join(f"<td>{cell}</td>" for cell in cells))
        head = "".join(f"<th>{cell}</th>" for cell in ("split", "sequences", "frames", "heads"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return (
            f"<p><b>{escape(repr(self))}</b><br>count policy <code>{escape(self.manifest.policy)}"
            f"</code>, fingerprint <code>{self.manifest.fingerprint[:16]}…</code></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        )

    @property
    def frame_ids(self) -> list[str]:
        """Ids of the frames, in order."""
        return self._column("frame_id")

    @property
    def sequences(self) -> list[str]:
        """Names of the sequences, in order."""
        return [sequence for sequence, _ in canonical.spans(self._table)]

    def _column(self, name: str) -> list[Any]:
        values: list[Any] = self._table.column(name).to_pylist()
        return values

    def frames(self, columns: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """Return columns of the table of frames, None for unknown values.

        Raises:
            KeyError: no such column.
        """
        names = canonical.FRAMES_V1.names if columns is None else columns
        return {name: self._column(name) for name in names}

    def heads(self, sequence: str, columns: Sequence[str] | None = None) -> Columns:
        """Return columns of one sequence's heads, of all its frames, without reading the others.

        Raises:
            KeyError: no such sequence here.
            ValueError: no such column.
            InputError: the table is missing or damaged.
        """
        if sequence not in self.sequences:
            raise KeyError(sequence)
        return self._read_heads(sequence, columns)

    def head_codes(
        self, sequence: str, columns: Sequence[str], rows: range | None = None
    ) -> Columns:
        """Return columns of one sequence's heads, words as codes; see `tables.read_head_codes`.

        Args:
            sequence: its name.
            columns: names of `HEADS_V1`.
            rows: which of the table's rows; None for all.

        Raises:
            InputError: the table is missing or damaged.
        """
        path, named = self._heads_table(sequence)
        if rows is not None and rows.stop > named["rows"]:
            raise self._damaged(path, f"{named['rows']} rows")
        return canonical.read_head_codes(path, str(path), columns, rows)

    def rows(self, positions: Sequence[int]) -> list[dict[str, Any]]:
        """Return rows of the table of frames by index, with all columns."""
        taken = self._table.take(from_numpy(np.asarray(positions, np.int64)))
        rows: list[dict[str, Any]] = taken.to_pylist()
        return rows

    def _damaged(self, path: Path, value: str) -> InputError:
        return InputError(
            "the table isn't the one that the manifest names",
            where=Where(str(path)),
            value=value,
            remedy=REBUILD,
        )

    def _heads_table(self, sequence: str) -> tuple[Path, Mapping[str, Any]]:
        """Find a sequence's table of heads, and what the manifest says about it."""
        path = self.folder / heads_file(sequence)
        named = self.manifest.document["tables"].get(heads_file(sequence))
        if named is None or not storage.can_name(sequence):
            raise InputError(
                "the manifest doesn't name this table", where=Where(str(path)), remedy=REBUILD
            )
        return path, named

    def _read_heads(self, sequence: str, columns: Sequence[str] | None) -> Columns:
        path, named = self._heads_table(sequence)
        heads = canonical.read_heads(path, str(path), columns, expected=named["rows"])
        rows = len(next(iter(heads.values()))) if heads else named["rows"]
        foreign = "frame_id" in heads and any(
            not frame_id.startswith(f"{sequence}/") for frame_id in set(heads["frame_id"])
        )
        if rows != named["rows"] or foreign:
            raise self._damaged(path, f"{rows} rows")
        return heads

    def select(
        self,
        *,
        split: str | None = None,
        sequences: Collection[str] | None = None,
        frames: Collection[str] | None = None,
    ) -> Dataset:
        """Return the part of the dataset in one split, in some sequences, or of some frame ids.

        Raises:
            UsageError: no such split, sequence or frame.
        """
        split = None if split is None else split_named(split)
        if isinstance(sequences, str):
            sequences = [sequences]
        unknown = set(sequences or ()) - set(self.sequences)
        if unknown:
            raise UsageError(
                "no such sequence", value=min(unknown), remedy="`gtahead info` lists them"
            )
        keep = np.ones(len(self), np.bool_)
        if frames is not None:
            wanted = {frames} if isinstance(frames, str) else set(frames)
            if lacking := wanted - set(self.frame_ids):
                raise UsageError(
                    "no such frame", value=min(lacking), remedy="a frame is <sequence>/<frame>"
                )
            keep &= np.array([name in wanted for name in self.frame_ids], np.bool_)
        if split is not None:
            keep &= equals(self._table.column("split"), split)
        if sequences is not None:
            chosen = set(sequences)
            for sequence, rows in canonical.spans(self._table):
                keep[rows.start : rows.stop] &= sequence in chosen
        return Dataset(
            self.folder, self.manifest, self._table.take(from_numpy(np.flatnonzero(keep)))
        )

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames in order; one sequence's heads are in memory at a time."""
        for sequence, span in canonical.spans(self._table):
            heads = self._read_heads(sequence, ["frame_id", *_FRAME_HEADS])
            slices = _slices(heads["frame_id"])
            for row in self._table.slice(span.start, len(span)).to_pylist():
                yield self._frame(row, heads, slices.get(row["frame_id"], _NOTHING))

    def __getitem__(self, frame_id: str) -> Frame:
        """Return one frame by its id.

        Raises:
            KeyError: no such frame here.
        """
        positions = np.flatnonzero(equals(self._table.column("frame_id"), frame_id))
        if len(positions) == 0:
            raise KeyError(frame_id)
        (row,) = self._table.slice(int(positions[0]), 1).to_pylist()
        heads = self._read_heads(row["sequence"], ["frame_id", *_FRAME_HEADS])
        return self._frame(row, heads, _slices(heads["frame_id"]).get(frame_id, _NOTHING))

    def _frame(self, rows: dict[str, Any], heads: Columns, part: slice) -> Frame:
        return Frame(
            frame_id=rows["frame_id"],
            sequence=rows["sequence"],
            frame=rows["frame"],
            split=rows["split"],
            image=None if rows["file"] is None else self.folder / rows["file"],
            size_wh=(rows["width"], rows["height"]),
            camera=camera_of(rows),
            weather=rows["weather"],
            hour=rows["hour"],
            location=rows["location"],
            head_ids=heads["head_id"][part],
            points_xy=np.stack([heads["x"][part], heads["y"][part]], axis=1),
            boxes_xyxy=np.stack([heads[name][part] for name in canonical.BOX], axis=1),
            sigmas_xy=np.stack([heads[name][part] for name in canonical.SIGMA], axis=1),
            visibility=heads["visibility"][part],
            status=heads["status"][part],
        )


_NOTHING = slice(0, 0)


def _slices(ids: npt.NDArray[np.object_]) -> dict[str, slice]:
    """Find each frame's rows in a table of heads sorted by frame."""
    if len(ids) == 0:
        return {}
    starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
    edges = [*map(int, starts), len(ids)]
    return {ids[a]: slice(a, b) for a, b in pairwise(edges)}
