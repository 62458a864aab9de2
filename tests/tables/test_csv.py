from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.errors import InputError
from gtahead.tables.csv import Kind, TableRead, cell_texts, read_csv, read_parquet, write_csv

KINDS = {"id": Kind.ID, "x": Kind.FLOAT, "hidden": Kind.FLAG}


def read(folder: Path, text: str, name: str = "t.csv") -> TableRead:
    (folder / name).write_bytes(text.encode())
    return read_csv(folder / name, KINDS, name, needed=["x"])


def test_the_fast_and_the_slow_way_agree(tmp_path: Path) -> None:
    rows = "1,1.5,0\n2,,1\n3,-nan(ind),\n4,1e+06,1\n5,inf,0\n"
    fast = read(tmp_path, "id,x,hidden\n" + rows)
    slow = read(tmp_path, "id,x,hidden\n" + rows + "6,oops,0\n")
    assert [fault.text for fault in slow.bad_cells] == ["oops"]
    assert slow.rows_in_file == fast.rows_in_file + 1
    for name in KINDS:
        assert np.array_equal(fast.columns[name], slow.columns[name], equal_nan=name == "x")
        assert fast.columns[name].dtype == slow.columns[name].dtype
    assert fast.columns["hidden"].tolist() == [0, 1, -1, 1, 0]
    assert fast.lines.tolist() == [2, 3, 4, 5, 6]


def test_lines_are_right_behind_ragged_and_blank_ones(tmp_path: Path) -> None:
    table = read(tmp_path, "id,x,hidden\n1,1,0\n2,2\n\n3,3,1\n4,4,1,9\n5,bad,0\n6,6,0\n")
    assert table.columns["id"].tolist() == [1, 3, 6]
    assert table.lines.tolist() == [2, 5, 8]
    assert [(fault.line, fault.text) for fault in table.ragged] == [
        (3, "2 fields instead of 3"),
        (6, "4 fields instead of 3"),
    ]
    assert [(fault.line, fault.column, fault.text) for fault in table.bad_cells] == [
        (7, "x", "bad")
    ]
    assert table.rows_in_file == 6


def test_ids_must_be_whole_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, "id,x\n1.0,1\n1.5,2\n,3\nNaN,4\n7,5\n")
    assert table.columns["id"].tolist() == [1, 7]
    assert [fault.text for fault in table.bad_cells] == ["1.5", "", "NaN"]


def test_what_is_not_needed_becomes_unknown(tmp_path: Path) -> None:
    table = read(tmp_path, "id,x,hidden\n1,1,True\n2,2,false\n3,3,maybe\n4,4,256\n5,5,1.0\n6,6,\n")
    assert table.columns["hidden"].tolist() == [1, 0, -1, -1, 1, -1]
    assert [(fault.line, fault.text) for fault in table.odd_cells] == [(4, "maybe"), (5, "256")]
    assert table.bad_cells == []
    assert table.rows_in_file == 6


def test_big_ids_keep_their_last_digit_and_odd_numbers_are_refused(tmp_path: Path) -> None:
    text = "id,x\n900719925474099301,1\n900719925474099302,oops\n900719925474099303,1e400\n"
    table = read(
        tmp_path, text + "1e19,2\n1_0,3\n+7,4\n 8 , 5 \n99999999999999999999,6\n9,-.5e-3\n"
    )
    ids = [900719925474099301, 900719925474099303, 7, 8, 9]
    assert table.columns["id"].tolist() == ids
    assert table.columns["x"].tolist() == [1, np.inf, 4, 5, -0.0005]
    assert [fault.text for fault in table.bad_cells] == [
        "oops",
        "1e19",
        "1_0",
        "99999999999999999999",
    ]


def test_trailing_commas_make_a_column_without_a_name(tmp_path: Path) -> None:
    table = read(tmp_path, "id,x,\n1,2,\n3,4,\n")
    assert (table.columns["id"].tolist(), table.ragged, table.unknown) == ([1, 3], [], [])


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    for text in ("id,x,hidden", "id,x,hidden\n", "\ufeffid, x ,hidden\r\n"):
        table = read(tmp_path, text)
        assert {name: len(values) for name, values in table.columns.items()} == dict.fromkeys(
            KINDS, 0
        )
        assert table.rows_in_file == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv > line 1: the file has no header line"),
        ("\n1,2\n", "t.csv > line 1: the file has no header line"),
        ("id,x,id\n", "t.csv > line 1: a column name occurs twice (got 'id')"),
    ],
)
def test_bad_headers(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(message)


def test_cells_word_for_word(tmp_path: Path) -> None:
    read(tmp_path, "id,x,hidden\n1, 1.#QNAN ,0\n2,inf,1\n")
    assert cell_texts(tmp_path / "t.csv", "x", [2, 3], "t.csv") == {2: "1.#QNAN", 3: "inf"}


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), st.floats(allow_infinity=False))))
def test_csv_is_exact(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, float]]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    ids = np.array([row[0] for row in rows], np.int64)
    floats = np.array([row[1] for row in rows], np.float64)
    write_csv(path, {"id": ids, "x": floats})
    table = read_csv(path, KINDS, "t.csv")
    assert np.array_equal(table.columns["id"], ids)
    assert np.array_equal(table.columns["x"], floats, equal_nan=True)


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(
        {"id": [1, None, 3], "x": [1, 2, None], "hidden": [True, None, False], "z": [1, 2, 3]}
    )
    parquet.write_table(table, tmp_path / "t.parquet")
    found = read_parquet(tmp_path / "t.parquet", KINDS, "t.parquet")
    assert found.columns["id"].tolist() == [1, 3]
    assert np.array_equal(found.columns["x"], [1, np.nan], equal_nan=True)
    assert found.columns["hidden"].tolist() == [1, 0]
    assert (found.rows_in_file, found.unknown, len(found.bad_cells)) == (3, ["z"], 1)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_broken_parquet_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.parquet").write_bytes(data)
    with pytest.raises(InputError, match="not readable as Parquet"):
        read_parquet(tmp_path / "t.parquet", KINDS, "t.parquet")


def test_parquet_that_would_fill_the_memory_is_named(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table({"x": np.zeros(1_000_001)})
    parquet.write_table(table, tmp_path / "t.parquet", compression="zstd")
    with pytest.raises(InputError, match=r"not readable as Parquet.*1,000,001 values"):
        read_parquet(tmp_path / "t.parquet", KINDS, "t.parquet")
