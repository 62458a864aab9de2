"""Tables as the Hugging Face hub likes them: a row per image, its heads as lists, one schema.

Written by pyarrow with an explicit schema and without the `datasets` library's own key, so that
every version of that library reads them; what its features are stands in the card.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from gtahead.arrays import Columns
from gtahead.errors import InputError, Where
from gtahead.tables.arrow import from_numpy, from_text, from_values
from gtahead.tables.hub_heads import heads_in_column
from gtahead.tables.parquet import naming_damage, opened

_FLOATS = pa.list_(pa.float32())
_HEADS = pa.struct(
    [
        pa.field("id", pa.list_(pa.int64())),
        pa.field("bbox", pa.list_(_FLOATS)),  # COCO's: x, y, width, height in pixels
        pa.field("area", pa.list_(pa.float32())),  # of the box; trainers of detectors ask for it
        pa.field("point", pa.list_(_FLOATS)),  # x, y in pixels
        pa.field("category", pa.list_(pa.int64())),  # 0: head
        pa.field("occluded", pa.list_(pa.bool_())),  # null where unknown
        pa.field("visibility", pa.list_(pa.float32())),  # visible share, null where unknown
        pa.field("track_id", pa.list_(pa.int64())),  # the person, within a sequence
    ]
)

FRAME_FIELDS = [
    pa.field("image_id", pa.int64(), nullable=False),
    pa.field("file_name", pa.string(), nullable=False),
    pa.field("sequence", pa.string(), nullable=False),
    pa.field("frame", pa.string(), nullable=False),
    pa.field("width", pa.int32(), nullable=False),
    pa.field("height", pa.int32(), nullable=False),
    pa.field("num_heads", pa.int32(), nullable=False),
    pa.field("density_level", pa.string(), nullable=False),
    pa.field("weather", pa.string()),
    pa.field("hour", pa.float64()),
    pa.field("location", pa.string()),
    pa.field("fps", pa.float64()),
    pa.field("vfov_deg", pa.float64()),
    pa.field("camera_m", pa.list_(pa.float64())),
    pa.field("pitch_roll_yaw_deg", pa.list_(pa.float64())),
    pa.field("objects", _HEADS, nullable=False),
    pa.field("ignored", _HEADS, nullable=False),
]
_IMAGE = pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))

LABELS = pa.schema(FRAME_FIELDS)
WITH_IMAGES = pa.schema([_IMAGE, *FRAME_FIELDS])


def features(*, images: bool) -> list[dict[str, Any]]:
    """Return the columns as the header of a card describes them for `datasets`."""
    return [_feature(field) for field in (WITH_IMAGES if images else LABELS)]


def _feature(field: pa.Field) -> dict[str, Any]:
    if field.name == "image":
        return {"name": field.name, "dtype": "image"}
    if field.name == "category":
        return {"name": field.name, "list": {"class_label": {"names": {"0": "head"}}}}
    if pa.types.is_struct(field.type):
        return {"name": field.name, "struct": [_feature(inner) for inner in field.type]}
    kind = _kind(field.type)
    return {"name": field.name, **({"dtype": kind} if isinstance(kind, str) else kind)}


def _kind(kind: pa.DataType) -> str | dict[str, Any]:
    if pa.types.is_list(kind):
        return {"list": _kind(kind.value_type)}
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))


GROUP_ROWS = 100
GROUP_BYTES = 64_000_000
"""Largest row group: the hub's viewer refuses larger ones."""


IMAGES_AT_ONCE = 4
"""Rows after which Parquet may begin a page: with all of a group at once, it's twice in memory."""


class ImageGroup:
    """Images of a row group, read one after another into memory that each group reuses."""

    def __init__(self) -> None:
        self._data = np.empty(GROUP_BYTES, np.uint8)  # touched only as far as it's used
        self.clear()

    def clear(self) -> None:
        """Begin the next group."""
        self._ends = [0]
        self._missing: list[bool] = []

    def __len__(self) -> int:
        return len(self._missing)

    def add(self, path: Path | None) -> bool:
        """Read an image, if there is one; return False, reading nothing, if the group is full.

        Raises:
            OSError: it can't be read.
        """
        if len(self) == GROUP_ROWS:
            return False
        begin = end = self._ends[-1]
        if path is not None:
            with path.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                if begin and begin + size > GROUP_BYTES:
                    return False
                if begin + size > len(self._data):  # alone in its group, whatever its size
                    self._data = np.empty(size, np.uint8)
                view = self._data.data[begin : begin + size]
                while end < begin + size and (count := file.readinto(view[end - begin :])):
                    end += count
        self._ends.append(end)
        self._missing.append(path is None)
        return True

    def as_arrow(self, names: Sequence[str]) -> Any:  # noqa: ANN401 - Arrow
        """Return the images under their names; valid until the group is cleared."""
        missing = np.array(self._missing, np.bool_)
        valid = from_numpy(~missing).buffers()[1] if missing.any() else None
        ends = np.array(self._ends, np.int32)
        buffers = [valid, pa.py_buffer(ends), pa.py_buffer(self._data)]
        data = pa.Array.from_buffers(pa.binary(), len(self), buffers)
        return pa.StructArray.from_arrays([data, from_text(names)], names=["bytes", "path"])


class HubWriter:
    """Writes rows a group at a time, so that no whole shard is ever in memory."""

    def __init__(self, path: Path, *, images: bool) -> None:
        self._schema = WITH_IMAGES if images else LABELS
        self._writer = parquet.ParquetWriter(
            path,
            self._schema,
            compression=dict.fromkeys(_leaves(LABELS), "zstd") | dict.fromkeys(_IMAGE, "none"),
            use_dictionary=["sequence", "weather", "location", "density_level"],
            write_page_index=True,
            # Of images, the smallest and the largest say nothing, and cost as much as writing.
            write_statistics=_leaves(LABELS),
            write_batch_size=IMAGES_AT_ONCE if images else None,
        )

    def write(
        self,
        frames: Mapping[str, Sequence[Any]],
        heads: Mapping[str, Columns],
        bounds: Mapping[str, Any],
        images: ImageGroup | None,
    ) -> None:
        """Write one row group.

        Args:
            frames: columns of `FRAME_FIELDS` but for the heads'.
            heads: `objects` and `ignored`, each with the columns of the struct; `bbox` (N, 4) and
                `point` (N, 2); `occluded` -1 and `visibility` NaN where unknown.
            bounds: of both, (F + 1,): heads of frame i are rows `bounds[i]` to `bounds[i + 1]`.
            images: of the frames, where the schema has them.
        """
        arrays = []
        for field in self._schema:
            if field.name == "image":
                assert images is not None
                arrays.append(images.as_arrow(frames["file_name"]))
            elif field.name in heads:
                arrays.append(_structs(heads[field.name], bounds[field.name]))
            else:
                arrays.append(from_values(frames[field.name], field.type))
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def append(self, table: Any) -> None:  # noqa: ANN401 - Arrow
        """Write a row group that another of these writers wrote."""
        self._writer.write_table(table)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


_IMAGE = ("image.bytes", "image.path")


def _leaves(schema: Any) -> list[str]:  # noqa: ANN401 - Arrow
    """Return the paths of all columns, as Parquet names them."""

    def below(name: str, kind: Any) -> Iterator[str]:  # noqa: ANN401 - Arrow
        if pa.types.is_struct(kind):
            for child in kind:
                yield from below(f"{name}.{child.name}", child.type)
        elif pa.types.is_list(kind):
            yield from below(f"{name}.list.element", kind.value_type)
        else:
            yield name

    return [leaf for field in schema for leaf in below(field.name, field.type)]


def _structs(heads: Columns, bounds: Any) -> Any:  # noqa: ANN401 - Arrow
    """Return one struct of lists per frame."""
    offsets = from_numpy(np.asarray(bounds, np.int32))
    arrays = []
    for field in _HEADS:
        values = heads[field.name]
        kind = field.type.value_type
        if pa.types.is_list(kind):
            width = values.shape[1]
            flat = from_numpy(np.ascontiguousarray(values, np.float32).reshape(-1))
            inner = from_numpy(np.arange(len(values) + 1, dtype=np.int32) * np.int32(width))
            items = pa.ListArray.from_arrays(inner, flat)
        elif pa.types.is_boolean(kind):
            items = from_numpy(values > 0, unknown=values < 0)
        elif pa.types.is_floating(kind):
            items = from_numpy(values.astype(np.float32), kind, np.isnan(values))
        else:
            items = from_numpy(values, kind)
        arrays.append(pa.ListArray.from_arrays(offsets, items))
    return pa.StructArray.from_arrays(arrays, fields=list(_HEADS))


def concatenate(parts: Sequence[Path], target: Path) -> None:
    """Concatenate tables of labels, a row group at a time; the parts are removed."""
    writer = HubWriter(target, images=False)
    try:
        for path in parts:
            with parquet.ParquetFile(path) as source:  # ours, just written
                for group in range(source.metadata.num_row_groups):
                    writer.append(source.read_row_group(group, use_threads=False))
            path.unlink()
    finally:
        writer.close()


def read_frames_of(
    path: Path, file: str, columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Read the rows of a hub table, without images and heads.

    Raises:
        InputError: unreadable, or another table.
    """
    with _opened(path, file) as source:
        there = source.schema_arrow.names
        wanted = [n for n in columns or there if n in there and n not in ("image", *_STRUCTS)]
        rows: list[dict[str, Any]] = source.read(columns=wanted, use_threads=False).to_pylist()
        return rows


_STRUCTS = ("objects", "ignored")


def column_names(path: Path, file: str) -> list[str]:
    """Return the names of a Parquet file's columns.

    Raises:
        InputError: unreadable.
    """
    with _opened(path, file) as source:
        names: list[str] = source.schema_arrow.names
        return names


@contextmanager
def _opened(path: Path, file: str) -> Iterator[Any]:
    """Open a Parquet file to read; turn any damage into an error that names the file."""
    with naming_damage(file, "copy or export it again"), opened(path) as source:
        _require_images(source.schema_arrow, file)
        yield source


def _require_images(schema: Any, file: str) -> None:  # noqa: ANN401 - Arrow
    """Check that the images, if there are any, are stored as on the hub."""
    if "image" not in schema.names:
        return
    kind = schema.field("image").type
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise InputError(
            "the images aren't as the hub has them",
            where=Where(file, field="image"),
            value=str(kind),
            remedy="they are structs of bytes and path",
        )


def read_heads_of(path: Path, file: str, name: str) -> tuple[Columns, Any]:
    """Read a hub table's heads.

    Args:
        path: of the file.
        file: its name in messages.
        name: of the struct of lists, `objects` or `ignored`.

    Returns:
        Columns of (N,), `bbox` (N, 4) and `point` (N, 2) where they are there; and (F + 1,) bounds.

    Raises:
        InputError: unreadable, or lists of another shape.
    """
    with _opened(path, file) as source:
        if name not in source.schema_arrow.names:
            return {}, np.zeros(source.metadata.num_rows + 1, np.int64)
        column = source.read(columns=[name], use_threads=False).column(name)
        return heads_in_column(column, file, name)


def class_names(path: Path, file: str) -> dict[str, list[str]]:
    """Return the names of classes that `datasets` wrote into a table's schema, by column.

    Raises:
        InputError: unreadable.
    """
    with _opened(path, file) as source:
        described = (source.schema_arrow.metadata or {}).get(b"huggingface")
    try:
        document = json.loads(described or b"{}")
    except ValueError:
        return {}
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, Any]] = [("", document)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            names = value.get("names")
            if isinstance(names, list) and value.get("_type", "ClassLabel") == "ClassLabel":
                found[name] = [str(one) for one in names]
            inner = ("feature", "_type")
            waiting += [(name if key in inner else key, one) for key, one in value.items()]
    return found


@dataclass(frozen=True)
class ShardFacts:
    """Sizes, from a Parquet file's footer, for which the hub has limits.

    Attributes:
        rows: in the file.
        groups: row groups.
        group_rows: rows of the largest group.
        group_bytes: of the largest group, as it is in memory.
    """

    rows: int
    groups: int
    group_rows: int
    group_bytes: int


def shard_facts(path: Path, file: str) -> ShardFacts:
    """Read a Parquet file's footer.

    Raises:
        InputError: unreadable.
    """
    with _opened(path, file) as source:
        meta = source.metadata
        groups = [meta.row_group(index) for index in range(meta.num_row_groups)]
        return ShardFacts(
            meta.num_rows,
            len(groups),
            max((group.num_rows for group in groups), default=0),
            max((group.total_byte_size for group in groups), default=0),
        )


def each_image(path: Path, file: str) -> Iterator[tuple[str, str, str, bytes | None]]:
    """Yield sequence, frame, file name and image of every row; one row group is in memory.

    Raises:
        InputError: unreadable, or another table.
    """
    names = ["sequence", "frame", "file_name", "image"]
    with _opened(path, file) as source:
        missing = [name for name in names if name not in source.schema_arrow.names]
        if missing:
            raise InputError("a column is missing", where=Where(file, field=missing[0]))
        for group in range(source.metadata.num_row_groups):
            table = source.read_row_group(group, columns=names, use_threads=False)
            about = zip(*(table.column(name).to_pylist() for name in names[:3]), strict=True)
            for (sequence, frame, name), image in zip(about, table.column("image"), strict=True):
                data = image.as_py()
                yield sequence, frame, name, None if data is None else data["bytes"]


def read_image(path: Path, file: str, row: int) -> bytes:
    """Read one row's image; only its row group is read.

    Raises:
        InputError: unreadable, no such row, or no bytes there.
    """
    with _opened(path, file) as source:
        first = 0
        for group in range(source.metadata.num_row_groups):
            size = source.metadata.row_group(group).num_rows
            if row < first + size:
                column = source.read_row_group(group, columns=["image"], use_threads=False)
                value = column.column("image")[row - first].as_py()
                if value is None or value.get("bytes") is None:
                    break
                data: bytes = value["bytes"]
                return data
            first += size
    raise InputError("the row holds no image", where=Where(file, field=f"row {row}"))
