"""The canonical tables: frames and heads, as Arrow schemas and as NumPy columns.

Two tables, because a frame without heads is data and a table of heads alone would lose it. Pixels
are continuous and 0-based with the origin at the top-left corner of the top-left pixel; boxes are
whole, not clipped to the image. Unknown floats are NaN in memory and null on disk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import compute, parquet

from gtahead import storage
from gtahead.arrays import Columns
from gtahead.errors import REBUILD, InputError, Where
from gtahead.tables.arrow import from_numpy, from_text, from_values, to_numpy
from gtahead.tables.parquet import naming_damage, opened

_WORDS = pa.dictionary(pa.int32(), pa.string())

HEADS_V1 = pa.schema(
    [
        pa.field("frame_id", _WORDS, nullable=False),  # <sequence>/<frame>
        pa.field("head_id", pa.int64(), nullable=False),  # ped id: the person, within a sequence
        pa.field("x", pa.float64(), nullable=False),  # px, centre of the visible head
        pa.field("y", pa.float64(), nullable=False),  # px, may lie outside: see in_frame
        pa.field("raw_x", pa.float64()),  # px, the point as captured where x, y were moved from it
        pa.field("raw_y", pa.float64()),
        pa.field("point_kind", _WORDS),  # what the captured point is, such as skel-head
        pa.field("depth_m", pa.float64()),  # along the optical axis, not the distance
        pa.field("world_x_m", pa.float64()),
        pa.field("world_y_m", pa.float64()),
        pa.field("world_z_m", pa.float64()),
        pa.field("top_x", pa.float64()),  # px, joint head_top (mid-face)
        pa.field("top_y", pa.float64()),
        pa.field("neck_x", pa.float64()),  # px, joint neck (collar)
        pa.field("neck_y", pa.float64()),
        pa.field("top_neck_m", pa.float64()),  # distance of the two in space
        pa.field("box_x0", pa.float64()),  # px; null where no rule gave a box
        pa.field("box_y0", pa.float64()),
        pa.field("box_x1", pa.float64()),
        pa.field("box_y1", pa.float64()),
        pa.field("box_source", _WORDS),  # the rule that gave the box
        pa.field("box_error_px", pa.float64()),  # half the 10-90 % range of the side's error
        pa.field("sigma_x_px", pa.float64()),  # px, of the Gaussian that stands for the head
        pa.field("sigma_y_px", pa.float64()),
        pa.field("captured_x0", pa.float64()),  # px, the capture's own box where another rule won
        pa.field("captured_y0", pa.float64()),
        pa.field("captured_x1", pa.float64()),
        pa.field("captured_y1", pa.float64()),
        pa.field("occluded", pa.bool_()),
        pa.field("self_occluded", pa.bool_()),
        pa.field("visibility", pa.float64()),  # visible share in [0, 1]
        pa.field("ignore", pa.bool_()),  # the capture wants it neither found nor missed
        pa.field("in_frame", pa.bool_(), nullable=False),  # 0 <= x < W and 0 <= y < H
        pa.field("status", _WORDS, nullable=False),  # counted, ignored, absent
    ],
    metadata={"gtahead.table": "heads", "gtahead.version": "1"},
)

ADDED = ("difference_hash",)
"""Columns that a table may lack: all of it is null then."""

FRAMES_V1 = pa.schema(
    [
        pa.field("frame_id", pa.string(), nullable=False),
        pa.field("sequence", pa.string(), nullable=False),
        pa.field("frame", pa.string(), nullable=False),
        pa.field("file", pa.string()),  # relative to the dataset; null: labels alone
        pa.field("source_file", pa.string()),  # relative to the capture
        pa.field("sha256", pa.string()),  # of the image as the dataset has it
        pa.field(
            "difference_hash", pa.string()
        ),  # hex, of photographs; alike where they look alike
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("split", pa.string()),  # train, validation, test
        pa.field("num_heads", pa.int32(), nullable=False),  # heads that count
        pa.field("num_ignored", pa.int32(), nullable=False),
        pa.field("num_absent", pa.int32(), nullable=False),
        pa.field("vfov_deg", pa.float64()),
        pa.field("camera_x_m", pa.float64()),
        pa.field("camera_y_m", pa.float64()),
        pa.field("camera_z_m", pa.float64()),
        pa.field("pitch_deg", pa.float64()),
        pa.field("roll_deg", pa.float64()),
        pa.field("yaw_deg", pa.float64()),
        pa.field("ground_m", pa.float64()),  # z of the ground, where people stand on one level
        pa.field("fps", pa.float64()),
        pa.field("weather", pa.string()),
        pa.field("hour", pa.float64()),
        pa.field("location", pa.string()),
    ],
    metadata={"gtahead.table": "frames", "gtahead.version": "1"},
)

POINT_KINDS = ("skel-head",)
"""Kinds of captured points, by code, that aren't the centre of the visible head."""

BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
CAPTURED = ("captured_x0", "captured_y0", "captured_x1", "captured_y1")
SIGMA = ("sigma_x_px", "sigma_y_px")

NO_ID = -(2**63)
"""Stands for an id that isn't there: any other number of 64 bits may be one."""

ROWS_A_GROUP = 32_768
"""Heads that are read at once at least: whoever wants some frames decodes little more."""

FRAMES_A_GROUP = 20_000


def write_heads(path: Path, columns: Columns, frame_ids: Sequence[str]) -> None:
    """Write one sequence's heads.

    Args:
        path: the Parquet file; nothing is renamed here.
        columns: by the names of `HEADS_V1`, with `frame_index` (N,) into `frame_ids` instead of
            `frame_id`, `status` and `point_kind` as codes, and `box_source` as a pair under
            `box_source` (codes) and `box_source_names`. Missing columns are written as nulls.
        frame_ids: of all frames of the sequence.
    """
    rows = len(columns["head_id"])
    words = {
        "frame_id": (columns["frame_index"], list(frame_ids)),
        "status": (columns["status"], list(STATUS_NAMES)),
        "box_source": (columns.get("box_source"), list(columns.get("box_source_names", ()))),
        "point_kind": (columns.get("point_kind"), list(POINT_KINDS)),
    }
    arrays = []
    for field in HEADS_V1:
        if field.name in words:
            codes, names = words[field.name]
            arrays.append(_words(codes, names, rows))
        else:
            arrays.append(_array(columns.get(field.name), field.type, rows))
    table = pa.Table.from_arrays(arrays, schema=HEADS_V1)
    floats = [field.name for field in HEADS_V1 if pa.types.is_floating(field.type)]
    parquet.write_table(
        table,
        path,
        row_group_size=ROWS_A_GROUP,
        compression="zstd",
        compression_level=1,
        use_dictionary=[field.name for field in HEADS_V1 if field.type == _WORDS],
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
    )


def write_frames(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Write a table of frames; `columns` has every name of `FRAMES_V1`, None for unknown."""
    arrays = [_array(columns[field.name], field.type, 0) for field in FRAMES_V1]
    table = pa.Table.from_arrays(arrays, schema=FRAMES_V1)
    parquet.write_table(table, path, compression="zstd", compression_level=1)


class FramesWriter:
    """Writes a dataset's table of frames from its sequences' parts, a batch of rows at a time."""

    def __init__(self, path: Path) -> None:
        options = {"compression": "zstd", "compression_level": 1}
        self._writer = parquet.ParquetWriter(path, FRAMES_V1, **options)
        self._waiting: list[Any] = []
        self.rows = 0

    def add(self, part: Path, splits: Sequence[str]) -> None:
        """Append one sequence's frames, with the split of each filled in."""
        table = _read(part, str(part), FRAMES_V1, None)
        column = FRAMES_V1.get_field_index("split")
        table = table.set_column(column, FRAMES_V1.field(column), from_text(list(splits)))
        self._waiting.append(table)
        self.rows += table.num_rows
        if sum(waiting.num_rows for waiting in self._waiting) >= FRAMES_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
            self._waiting = []

    def close(self) -> None:
        """Write the remaining rows, and finish the file."""
        self._flush()
        self._writer.close()


def write_frames_with(
    source: Path,
    target: Path,
    columns: Mapping[str, Callable[[Sequence[str]], Sequence[str | None]]],
) -> None:
    """Write a table of frames again, with other values in some columns of text.

    Args:
        source: the table.
        target: where to; nothing is renamed here.
        columns: by name what gives a batch of frame ids their values, None for null.

    Raises:
        InputError: `source` is missing, truncated, or another table.
    """
    table = _read(source, str(source), FRAMES_V1, None)
    writer = parquet.ParquetWriter(target, FRAMES_V1, compression="zstd", compression_level=1)
    try:
        for start in range(0, table.num_rows, FRAMES_A_GROUP):
            part = table.slice(start, FRAMES_A_GROUP)
            ids = part.column("frame_id").to_pylist()
            for name, give in columns.items():
                column = FRAMES_V1.get_field_index(name)
                values = from_text(give(ids))
                part = part.set_column(column, FRAMES_V1.field(column), values)
            writer.write_table(part)
    finally:
        writer.close()


def part_frames(path: Path, file: str, parts: Mapping[str, Path]) -> None:
    """Take a table of frames apart: write each named sequence's frames, without their split."""
    table = _read(path, file, FRAMES_V1, None)
    column = FRAMES_V1.get_field_index("split")
    table = table.set_column(column, FRAMES_V1.field(column), pa.nulls(table.num_rows, pa.string()))
    for sequence, rows in spans(table):
        if sequence in parts:
            mine = table.slice(rows.start, len(rows)).combine_chunks()
            with storage.replacing(parts[sequence]) as part:
                parquet.write_table(mine, part, compression="zstd", compression_level=1)


def is_frames_table(path: Path) -> bool:
    """Return whether a file is gtahead's table of frames, of any version."""
    try:
        storage.require_regular(path)
        meta = parquet.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException, ValueError):
        return False
    return bool(meta.get(b"gtahead.table") == b"frames")


def read_frames_table(path: Path, file: str, rows: int, *, check_names: bool = True) -> Any:  # noqa: ANN401 - an Arrow table
    """Read the whole table of frames, compact, for `Dataset`.

    Args:
        path: of the table.
        file: its name in messages.
        rows: how many frames it has to have.
        check_names: see that names and paths stay in the dataset.

    Raises:
        InputError: missing, truncated, another table, or names that would lead out of a folder.
    """
    table = _read(path, file, FRAMES_V1, None, expected=rows)
    if check_names:
        _require_plain_names(table, file)
    return table


def _require_plain_names(table: Any, file: str) -> None:  # noqa: ANN401 - an Arrow table
    """Refuse frames whose names or paths lead anywhere but into the dataset: they name files."""
    names = {name: table.column(name) for name in ("sequence", "frame", "frame_id", "file")}
    for column in ("sequence", "frame"):
        for name in compute.unique(names[column]).to_pylist():
            if not storage.can_name(name):
                raise _tampered(file, column, name)
    slash = from_text(["/"] * table.num_rows)
    joined = compute.binary_join_element_wise(names["sequence"], names["frame"], slash)
    differ = compute.not_equal(joined, names["frame_id"])
    if compute.any(differ).as_py():
        wrong = names["frame_id"].filter(differ)[0].as_py()
        raise _tampered(file, "frame_id", wrong)
    for path in names["file"].drop_null().to_pylist():
        if not storage.is_safe_relative(path):
            raise _tampered(file, "file", path)


def _tampered(file: str, column: str, value: str) -> InputError:
    what = "the image's path" if column == "file" else "a name"
    return InputError(
        f"{what} points outside the dataset",
        where=Where(file, field=column),
        value=value,
        remedy="the dataset was tampered with: build it anew with --fresh",
    )


def spans(table: Any) -> Iterator[tuple[str, range]]:  # noqa: ANN401 - an Arrow table of frames
    """Yield each sequence with the rows of its frames, which are contiguous."""
    if table.num_rows == 0:
        return
    codes = table.column("sequence").combine_chunks().dictionary_encode()
    indices = to_numpy(codes.indices)
    starts = [0, *map(int, np.flatnonzero(indices[1:] != indices[:-1]) + 1), len(indices)]
    for start, stop in pairwise(starts):
        yield codes.dictionary[int(indices[start])].as_py(), range(start, stop)


def read_frames(
    path: Path, file: str, columns: Sequence[str] | None = None
) -> dict[str, list[Any]]:
    """Read frames as lists of plain values, None for unknown; for one sequence's part.

    Raises:
        InputError: missing, truncated, or another table.
    """
    table = _read(path, file, FRAMES_V1, columns)
    return {name: table.column(name).to_pylist() for name in table.column_names}


def read_heads(
    path: Path, file: str, columns: Sequence[str] | None = None, expected: int | None = None
) -> Columns:
    """Read heads as NumPy columns: words as arrays of text, flags as int8 with -1 for unknown.

    Raises:
        InputError: missing, truncated, or another table.
    """
    table = _read(path, file, HEADS_V1, columns, expected=expected)
    out: Columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            # Widths of fixed-size text would waste memory; references to few strings don't.
            codes, names = _codes(column)
            out[name] = np.array([*names, None], object)[codes]  # -1 is the last one
        else:
            out[name] = _numbers(column, name)
    return out


def _codes(column: Any) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.object_]]:  # noqa: ANN401 - Arrow
    """Return a column of words as codes, -1 for unknown, and the words by code."""
    words = column.unify_dictionaries().combine_chunks()
    words = words.chunk(0) if isinstance(words, pa.ChunkedArray) else words
    return to_numpy(words.indices, -1), np.array(words.dictionary.to_pylist(), object)


def _numbers(column: Any, name: str) -> npt.NDArray[Any]:  # noqa: ANN401 - Arrow
    if pa.types.is_boolean(column.type) and name != "in_frame":
        return to_numpy(column.cast(pa.int8()), -1)
    return to_numpy(column)


def read_head_codes(
    path: Path, file: str, columns: Sequence[str], rows: range | None = None
) -> Columns:
    """Read heads as NumPy columns, with words as codes: fast, for passes over every head.

    Args:
        path: of the table.
        file: its name in messages.
        columns: to read.
        rows: a stretch of them; None for all. Only groups that it touches are read.

    Returns:
        Columns; for each column of words `NAME` (codes, -1 for unknown) and `NAME_names` (text).

    Raises:
        InputError: missing, truncated, or another table.
    """
    table = _read(path, file, HEADS_V1, columns, rows)
    out: Columns = {}
    for name in table.column_names:
        column = table.column(name)
        if pa.types.is_dictionary(column.type):
            out[name], out[f"{name}_names"] = _codes(column)
        else:
            out[name] = _numbers(column, name)
    return out


def heads_of_frames(tables: Sequence[tuple[Path, int]], frame_ids: Collection[str]) -> Any:  # noqa: ANN401 - an Arrow table
    """Read the heads of some frames, with all columns, from tables of whole sequences.

    Args:
        tables: path of each, and how many rows it has to have.
        frame_ids: of the frames.

    Raises:
        InputError: one is missing, truncated, or another table.
    """
    parts = [_heads_in(path, frame_ids, rows).cast(HEADS_V1) for path, rows in tables]
    return pa.concat_tables(parts or [HEADS_V1.empty_table()]).unify_dictionaries()


def known_values_in(path: Path, frame_ids: Collection[str]) -> Counter[str]:
    """Count as `known_values` does, in some frames; and boxes that were captured, as `captured`.

    Raises:
        InputError: missing, truncated, or another table.
    """
    table = _heads_in(path, frame_ids)
    found = Counter({n: len(table) - table.column(n).null_count for n in table.column_names})
    sources = table.column("box_source").cast(pa.string())
    found["captured"] = compute.sum(compute.equal(sources, "captured")).as_py() or 0
    return found


def _heads_in(path: Path, frame_ids: Collection[str], expected: int | None = None) -> Any:  # noqa: ANN401 - an Arrow table
    """Read the heads of some of a sequence's frames."""
    table = _read(path, str(path), HEADS_V1, None, expected=expected)
    wanted = from_text(sorted(frame_ids))
    return table.filter(compute.is_in(table.column("frame_id").cast(pa.string()), wanted))


def _read(
    path: Path,
    file: str,
    schema: Any,  # noqa: ANN401 - Arrow
    columns: Sequence[str] | None,
    rows: range | None = None,
    expected: int | None = None,
) -> Any:  # noqa: ANN401 - Arrow
    unknown = set(columns or ()) - set(schema.names)
    if unknown:
        raise ValueError(f"no column {min(unknown)!r}; there are {', '.join(schema.names)}")
    with naming_damage(file, REBUILD, "the table can't be read"), opened(path) as source:
        _require_table(source, schema, file)
        there = [n for n in columns or schema.names if n in source.schema_arrow.names]
        if expected not in (None, source.metadata.num_rows):
            raise ValueError(f"{source.metadata.num_rows} rows instead of {expected}")
        if rows is None:
            table = source.read(columns=there, use_threads=False)
        else:
            table = _read_rows(source, there, rows)
    for name in ADDED:
        if name in schema.names and name in (columns or schema.names) and name not in there:
            field = schema.field(name)
            table = table.append_column(field, pa.nulls(len(table), field.type))
    wrong = [f.name for f in schema if columns is None or f.name in columns]
    wrong = [n for n in wrong if n not in table.column_names or _differs(table, schema, n)]
    if wrong:
        raise InputError(
            "a column is missing, of another type, or has holes",
            where=Where(file, field=wrong[0]),
            remedy=REBUILD,
        )
    return table.select(schema.names if columns is None else list(columns))


def _require_table(source: Any, schema: Any, file: str) -> None:  # noqa: ANN401 - Arrow
    """Check that a file is the wanted table, of the version that this gtahead reads."""
    meta = source.schema_arrow.metadata or {}
    for key in (b"gtahead.table", b"gtahead.version"):
        if meta.get(key) != schema.metadata[key]:
            raise InputError(
                "not a table of this version of gtahead",
                where=Where(file, field=key.decode()),
                value=(meta.get(key) or b"nothing").decode(errors="replace"),
                remedy="known: frames and heads of version 1",
            )


def _read_rows(source: Any, columns: list[str], rows: range) -> Any:  # noqa: ANN401 - Arrow
    """Read a stretch of rows from the groups that hold it."""
    sizes = [source.metadata.row_group(g).num_rows for g in range(source.metadata.num_row_groups)]
    starts = np.cumsum([0, *sizes])
    groups = [g for g in range(len(sizes)) if starts[g] < rows.stop and rows.start < starts[g + 1]]
    table = source.read_row_groups(groups, columns=columns, use_threads=False)
    return table.slice(rows.start - int(starts[groups[0]]) if groups else 0, len(rows))


def _differs(table: Any, schema: Any, name: str) -> bool:  # noqa: ANN401 - Arrow
    field, column = schema.field(name), table.column(name)
    return bool(column.type != field.type or (column.null_count and not field.nullable))


def _words(codes: npt.NDArray[Any] | None, names: list[str], rows: int) -> Any:  # noqa: ANN401 - Arrow
    if codes is None:
        return pa.nulls(rows, _WORDS)
    indices = from_numpy(codes.astype(np.int32), unknown=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, from_text(names))


def _array(values: Any, kind: Any, rows: int) -> Any:  # noqa: ANN401 - Arrow
    if values is None:
        return pa.nulls(rows, kind)
    if not isinstance(values, np.ndarray):
        known = [None if isinstance(one, float) and isnan(one) else one for one in values]
        return from_values(known, kind)
    if pa.types.is_boolean(kind) and values.dtype == np.int8:
        return from_numpy(values > 0, unknown=values < 0)
    if values.dtype.kind == "f":
        return from_numpy(values, kind, np.isnan(values))
    return from_numpy(values, kind)


ABSENT, IGNORED, COUNTED = 0, 1, 2

STATUS_NAMES = ("absent", "ignored", "counted")
"""Names of the status codes, by code."""
