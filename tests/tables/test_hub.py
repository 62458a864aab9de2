"""Tables as the hub has them, of other people's making."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from gtahead.errors import InputError
from gtahead.tables.hub import read_heads_of

BOXES = [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]


def shard(path: Path, name: str, values: list[Any], kind: pa.DataType) -> Path:
    """Write a shard of one image with two heads, one column of which has this type."""
    columns = {"bbox": (BOXES, pa.list_(pa.float32())), name: (values, kind)}
    struct = pa.struct([(one, pa.list_(kind)) for one, (_, kind) in columns.items()])
    rows = [{one: given for one, (given, _) in columns.items()}]
    parquet.write_table(pa.table({"objects": pa.array(rows, struct)}), path)
    return path


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 4), pa.large_list(pa.float64())]
)
def test_boxes_are_lists_of_any_kind(tmp_path: Path, kind: pa.DataType) -> None:
    path = shard(tmp_path / "a.parquet", "bbox", BOXES, kind)
    columns, bounds = read_heads_of(path, "a.parquet", "objects")
    assert columns["bbox"].tolist() == BOXES
    assert bounds.tolist() == [0, 2]
    empty = shard(tmp_path / "b.parquet", "bbox", [], kind)
    assert read_heads_of(empty, "b.parquet", "objects")[0]["bbox"].shape == (0, 4)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("bbox", [[1.0, 2, 3]] * 2, pa.list_(pa.float32(), 3)),
        ("bbox", [[1.0, 2, 3]] * 2, pa.large_list(pa.float32())),
        ("bbox", [[1.0, 2, 3, 4], None], pa.list_(pa.float32())),
        ("bbox", [["1", "2", "3", "4"]] * 2, pa.list_(pa.string())),
        ("bbox", [1.0, 2.0], pa.float32()),
        ("track_id", [datetime(2026, 1, 1)] * 2, pa.timestamp("us")),
        ("occluded", [date(2026, 1, 1)] * 2, pa.date32()),
        ("visibility", ["much", None], pa.string()),
        ("track_id", [[1], [2]], pa.list_(pa.int64())),
        ("occluded", [{"a": 1}] * 2, pa.struct([("a", pa.int8())])),
    ],
)
def test_columns_of_other_types_are_refused_by_name(
    tmp_path: Path, name: str, values: list[Any], kind: pa.DataType
) -> None:
    path = shard(tmp_path / "a.parquet", name, values, kind)
    with pytest.raises(InputError, match=rf"a\.parquet > objects\.{name}: not .*export the table"):
        read_heads_of(path, "a.parquet", "objects")


def test_what_is_unknown_stays_unknown(tmp_path: Path) -> None:
    for name, values, kind, expected in (
        ("track_id", [7, None], pa.int64(), [7, -(2**63)]),
        ("occluded", [True, None], pa.bool_(), [1, -1]),
        ("visibility", [1, None], pa.int32(), [1, np.nan]),
        ("visibility", [0.5, None], pa.float32(), [0.5, np.nan]),
    ):
        path = shard(tmp_path / "a.parquet", name, values, kind)
        found = read_heads_of(path, "a.parquet", "objects")[0][name]
        assert np.array_equal(found, expected, equal_nan=True)
