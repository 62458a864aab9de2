"""A dataset, opened: frame by frame, split by split, column by column."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.arrays import Columns, Ints
from gtahead.dataset import conditions
from gtahead.dataset.frame import Frame, camera_of
from gtahead.dataset.heads import HeadsCache, SequenceHeads
from gtahead.dataset.manifest import MANIFEST, Manifest, read_manifest
from gtahead.dataset.notebook import dataset_html
from gtahead.dataset.stored import FRAMES, StoredTables
from gtahead.errors import REBUILD, InputError, UsageError, Where, check_seed, require
from gtahead.tables import canonical
from gtahead.tables.arrow import equals, from_numpy, to_numpy
from gtahead.tables.splits import split_named
from gtahead.urls import is_url, local_copy
from gtahead.values import number_of

if TYPE_CHECKING:
    import pandas
    import polars

Table = Literal["frames", "heads"]

_FRAME_COLUMNS = (
    *("frame_id", "sequence", "frame", "file", "width", "height", "split", "vfov_deg"),
    *("camera_x_m", "camera_y_m", "camera_z_m", "pitch_deg", "roll_deg", "yaw_deg"),
    *("weather", "hour", "location"),
)


def splits_of(opened: Dataset) -> dict[str, dict[str, str]]:
    """Return by sequence the split of each frame id."""
    columns = opened.frames(["frame_id", "sequence", "split"])
    found: dict[str, dict[str, str]] = {}
    for frame_id, sequence, split in zip(*columns.values(), strict=True):
        found.setdefault(sequence, {})[frame_id] = split
    return found


class Dataset:
    """A dataset on disk, or a part of one; its tables are read as they are needed.

    Frames are indexed by number, by id, and by slice or list of numbers, which give a part.

    Attributes:
        folder: where it lies.
        manifest: what it says about itself, of the whole also in a part.
        stored: its tables on disk, which its parts have in common.

    Example:
        >>> dataset = Dataset.open("dataset")  # doctest: +SKIP
        >>> for frame in dataset.split("test"):  # doctest: +SKIP
        ...     print(frame.frame_id, frame.count)
        >>> dataset[0].image().shape, dataset["seq_00/000004"].points_xy  # doctest: +SKIP
        >>> rainy = dataset.filter("num_heads > 100 and weather == 'RAIN'")  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest | None = None,
        table: Any = None,  # noqa: ANN401 - Arrow
        part_of: Dataset | None = None,
    ) -> None:
        """Take what `Dataset.open` has read."""
        if manifest is None:
            raise TypeError(f"Dataset.open({str(folder)!r}) opens a dataset")
        self.folder = folder
        self.manifest = manifest
        self._table = table  # frames, of whole sequences or parts of them, in order
        self._heads: HeadsCache = HeadsCache() if part_of is None else part_of._heads
        self._positions: dict[str, int] | None = None
        self.stored: StoredTables = (
            StoredTables(folder, manifest) if part_of is None else part_of.stored
        )

    @classmethod
    def open(cls, folder: str | os.PathLike[str], *, check_names: bool = True) -> Dataset:
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
        opened = cls(path, manifest, table)
        named = {source["sequence"] for source in manifest.document["sources"]}
        unnamed = [sequence for sequence in opened.sequences if sequence not in named]
        if unnamed:
            raise InputError(
                "the manifest has no source of the sequence",
                where=Where(str(path / MANIFEST), unnamed[0]),
                remedy=REBUILD,
            )
        return opened

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        heads = int(to_numpy(self._table.column("num_heads")).sum())
        splits = set(self._column("split")) if len(self) < self._whole else set()
        part = f", split={splits.pop()!r}" if len(splits) == 1 else ""
        what = f"{number_of(len(self), 'frame')}, {number_of(heads, 'head')}"
        return f"Dataset({str(self.folder)!r}{part}: {what})"

    def __fspath__(self) -> str:
        """Stand for the folder wherever a path is asked for, as in `gtahead.view(dataset)`.

        Raises:
            UsageError: it is a part, which has no folder.
        """
        if len(self) < self._whole:
            raise UsageError(
                "a part of a dataset has no folder of its own",
                value=f"{len(self):,} of {self._whole:,} frames",
                remedy="`gtahead filter` writes one",
            )
        return str(self.folder)

    @property
    def _whole(self) -> int:
        return int(self.manifest.document["tables"][FRAMES]["rows"])

    def _repr_html_(self) -> str:
        """Show the dataset in a notebook: what it holds, by split, and three frames."""
        return dataset_html(self)

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
            UsageError: no such column.
        """
        if isinstance(columns, str):
            columns = [columns]
        names = canonical.FRAMES_V1.names if columns is None else columns
        there = self._table.column_names
        return {name: self._column(conditions.known(name, there)) for name in names}

    def heads(self, sequence: str, columns: Sequence[str] | None = None) -> Columns:
        """Return columns of one sequence's heads, of all its frames, without reading the others.

        Raises:
            KeyError: no such sequence here.
            UsageError: no such column.
            InputError: the table is missing or damaged.
        """
        if sequence not in self.sequences:
            raise KeyError(sequence)
        if isinstance(columns, str):
            columns = [columns]
        for name in columns or ():
            conditions.known(name, canonical.HEADS_V1.names)
        return self.stored.heads(sequence, columns)

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
        return self.stored.codes(sequence, columns, rows)

    def rows(self, positions: Sequence[int]) -> list[dict[str, Any]]:
        """Return rows of the table of frames by index, with all columns."""
        taken = self._table.take(from_numpy(np.asarray(positions, np.int64)))
        rows: list[dict[str, Any]] = taken.to_pylist()
        return rows

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
        return self._part(np.flatnonzero(keep))

    def _part(self, positions: Ints) -> Dataset:
        """Return the frames at some positions, which ascend."""
        table = self._table.take(from_numpy(positions))
        return Dataset(self.folder, self.manifest, table, self)

    def split(self, name: str) -> Dataset:
        """Return the part of the dataset in one split: train, validation or test.

        Raises:
            UsageError: no such split.
        """
        return self.select(split=name)

    def filter(
        self, condition: str | Callable[[Frame], bool] | None = None, /, **columns: object
    ) -> Dataset:
        """Return the part of the dataset whose frames meet a condition.

        Args:
            condition: on columns of the table of frames, as text: `num_heads > 100 and weather ==
                'RAIN'`; or a function that takes a frame.
            columns: values by column, one or a list of them: `weather="RAIN"`.

        Raises:
            UsageError: it isn't a condition, or no such column.
        """
        keep = np.ones(len(self), np.bool_)
        given: object = condition  # whatever the caller's types are
        if given is not None and not isinstance(given, str) and not callable(given):
            remedy = "a condition as text, or a function; a mask goes in brackets: dataset[mask]"
            raise UsageError("not a condition", value=type(given).__name__, remedy=remedy)
        if isinstance(given, str):
            keep = conditions.holds(given, self._table.column_names, self._column, len(self))
        for name, value in columns.items():
            several = isinstance(value, Iterable) and not isinstance(value, str)
            several = several and getattr(value, "ndim", 1) > 0
            wanted = list(value) if several else [value]  # type: ignore[call-overload]
            if name == "split":
                wanted = [split_named(str(one)) for one in wanted]
            there = self._column(conditions.known(name, self._table.column_names))
            if any(callable(one) for one in wanted) or _differ_in_kind(wanted, there):
                raise UsageError(
                    f"the column {name} holds other values",
                    value=value if not callable(value) else "a function",
                    remedy="a value or a list of them; for more, a condition such as "
                    "\"num_heads > 100 and weather == 'RAIN'\"",
                )
            keep &= np.array([one in wanted for one in there], np.bool_)
        if callable(condition):
            keep &= np.array([bool(condition(frame)) for frame in self], np.bool_)
        return self._part(np.flatnonzero(keep))

    def sample(self, n: int, seed: int = 0) -> Dataset:
        """Return n frames, chosen at random, in the dataset's order.

        Raises:
            UsageError: there are fewer, or the seed is no whole number from 0.
        """
        if n not in range(len(self) + 1) or isinstance(n, float):
            raise UsageError(f"there are {len(self):,} frames to choose from", value=n)
        check_seed(seed)
        return self._part(np.sort(np.random.default_rng(seed).choice(len(self), n, replace=False)))

    def to_arrow(self, table: Table = "frames") -> Any:  # noqa: ANN401 - Arrow
        """Return the table of frames, or of these frames' heads, as an Arrow table.

        Raises:
            UsageError: no such table.
            InputError: a table is missing or damaged.
        """
        if table == "frames":
            return self._table
        if table != "heads":
            raise UsageError("no such table", value=table, remedy="frames or heads")
        files = []
        for sequence in self.sequences:
            path, named = self.stored.heads_table(sequence)
            files.append((path, named["rows"]))
        return canonical.heads_of_frames(files, self.frame_ids)

    def to_pandas(self, table: Table = "frames") -> pandas.DataFrame:
        """Return the table of frames, or of these frames' heads, as a pandas data frame.

        Raises:
            ResourceError: pandas isn't installed.
            InputError: a table is missing or damaged.
        """
        require("pandas", install="pandas")
        frame: pandas.DataFrame = self.to_arrow(table).to_pandas()
        for name in frame.select_dtypes("category"):  # a part has what its own rows hold alone
            frame[name] = frame[name].cat.remove_unused_categories()
        return frame

    def to_polars(self, table: Table = "frames") -> polars.DataFrame:
        """Return the table of frames, or of these frames' heads, as a polars data frame.

        Raises:
            ResourceError: polars isn't installed.
            InputError: a table is missing or damaged.
        """
        require("polars", install="polars")
        import polars

        frame = polars.from_arrow(self.to_arrow(table))
        assert isinstance(frame, polars.DataFrame)
        return frame

    def __contains__(self, key: object) -> bool:
        """Return whether there is a frame of an id, or this frame."""
        return (key.frame_id if isinstance(key, Frame) else key) in self._position_of

    def __iter__(self) -> Iterator[Frame]:
        """Iterate over the frames in order."""
        for sequence, span in canonical.spans(self._table):
            heads = self._heads.get(sequence, self.stored.frame_heads)
            rows = self._table.slice(span.start, len(span)).select(_FRAME_COLUMNS)
            for row in rows.to_pylist():
                yield self._frame(row, heads)

    @overload
    def __getitem__(self, key: int | str) -> Frame: ...

    @overload
    def __getitem__(self, key: slice | Sequence[int] | npt.NDArray[Any]) -> Dataset: ...

    def __getitem__(
        self, key: int | str | slice | Sequence[int] | npt.NDArray[Any]
    ) -> Frame | Dataset:
        """Return a frame by number or id, or the part at a slice, numbers or a mask of N flags.

        A part keeps the dataset's order: numbers ascend, each at most once.

        Raises:
            IndexError: no frame of this number.
            KeyError: no frame of this id.
            UsageError: numbers that don't ascend, or a step below 0.
        """
        if not isinstance(key, bool | slice | str) and not getattr(key, "shape", ()):
            with suppress(TypeError):  # of NumPy's and PyTorch's integers as well
                key = operator.index(key)  # type: ignore[arg-type]
        if isinstance(key, str):
            return self._at(self._position_of[key])
        if isinstance(key, int) and not isinstance(key, bool):
            if not -len(self) <= key < len(self):
                raise IndexError(f"frame {key} of {len(self)}")
            return self._at(key % len(self))
        if not isinstance(key, slice) and (isinstance(key, bytes) or not hasattr(key, "__len__")):
            raise KeyError(key)
        chosen: Any = key
        if not isinstance(key, slice):
            chosen = np.asarray(key)
            chosen = chosen if chosen.size else np.empty(0, np.int64)
            if chosen.dtype.kind not in "biu":
                raise UsageError(
                    "parts are taken by numbers or flags",
                    value=str(chosen.flat[0]),
                    remedy="for frames by id, dataset.select(frames=[...])",
                )
        positions = np.arange(len(self))[chosen]
        if positions.ndim != 1 or (np.diff(positions) <= 0).any():
            raise UsageError(
                "a part keeps the dataset's order",
                value=key if isinstance(key, slice) else "numbers that don't ascend",
                remedy="sort them, each once; for another order, index frames one by one",
            )
        return self._part(positions)

    @property
    def _position_of(self) -> dict[str, int]:
        """The position of each frame, by id."""
        if self._positions is None:
            self._positions = {name: at for at, name in enumerate(self.frame_ids)}
        return self._positions

    def _at(self, position: int) -> Frame:
        (row,) = self._table.slice(position, 1).select(_FRAME_COLUMNS).to_pylist()
        return self._frame(row, self._heads.get(row["sequence"], self.stored.frame_heads))

    def _frame(self, row: Mapping[str, Any], heads: SequenceHeads) -> Frame:
        part = heads.slices.get(row["frame_id"], slice(0, 0))
        return Frame(
            frame_id=row["frame_id"],
            sequence=row["sequence"],
            frame=row["frame"],
            split=row["split"],
            image_path=None if row["file"] is None else self.folder / row["file"],
            size_wh=(row["width"], row["height"]),
            camera=camera_of(row),
            weather=row["weather"],
            hour=row["hour"],
            location=row["location"],
            head_ids=heads.head_ids[part],
            points_xy=heads.points_xy[part],
            boxes_xyxy=heads.boxes_xyxy[part],
            sigmas_xy=heads.sigmas_xy[part],
            visibility=heads.visibility[part],
            status=heads.words[heads.codes[part]],
        )


def _differ_in_kind(wanted: Sequence[object], there: Sequence[object]) -> bool:
    """Return whether texts are asked for among numbers, or numbers among texts."""
    kinds = [{isinstance(one, str) for one in side if one is not None} for side in (wanted, there)]
    return len(kinds[0] | kinds[1]) > 1


class WrittenDataset(storage.Written):
    """The report of what wrote a dataset, which opens it."""

    def open(self) -> Dataset:
        """Open the dataset.

        Raises:
            InputError: it isn't there any more, or damaged.
        """
        return Dataset.open(self.out)

    def _repr_html_(self) -> str:
        """Show in a notebook what was written."""
        return self.open()._repr_html_()
