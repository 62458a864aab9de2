from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import HEADER, ROWS, edit_sequence, make_native, make_sequence, write_rows
from hypothesis import given
from hypothesis import strategies as st

from gtahead.building import build
from gtahead.errors import InputError
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, project
from gtahead.ingest.model import CapturedSequence, SequenceSource
from gtahead.readers import READERS, choose_reader


def read(root: Path) -> tuple[CapturedSequence, Findings, Ledger]:
    reader, _ = choose_reader(root)
    findings, ledger = Findings(), Ledger()
    (source,) = reader.list_sequences(root, findings)
    return reader.read(source, findings, ledger), findings, ledger


def test_what_is_written_is_read(tmp_path: Path) -> None:
    make_sequence(
        tmp_path, fps=30, weather="RAIN", hour=13.5, location="pier", tool="t 1", wind="strong"
    )
    sequence, findings, ledger = read(tmp_path)
    assert (sequence.name, sequence.size_wh, sequence.fps) == ("seq", (64, 48), 30)
    assert (sequence.weather, sequence.hour, sequence.location) == ("RAIN", 13.5, "pier")
    assert sequence.about == {"tool": "t 1", "extra": {"wind": "strong"}}
    assert [frame.frame for frame in sequence.frames] == ["000000", "000001", "000002", "000003"]
    assert sequence.frames[1].file == "seq/frames/000001.jpg"
    assert sequence.frames[1].camera == Camera(50.0)
    assert sequence.heads["frame_index"].tolist() == [0, 0, 1, 2]
    assert sequence.heads["head_id"].tolist() == [1, 2, 1, 2]
    assert sequence.heads["x"].tolist() == [10.5, 30, 11.5, 63.5]
    assert sequence.heads["depth_m"].tolist() == [8, 9.5, 8, 7]
    assert findings.totals == {"unknown-key": 1}
    assert (ledger.frames.came, ledger.heads.came) == (4, 4)


def nested(depth: int) -> object:
    return {"in": nested(depth - 1)} if depth else "a word"


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        *((nested(8), True), (nested(9), False), ([nested(7)], True), ([nested(8)], False)),
        *((["a"] * 1000, True), (["a"] * 1001, False), ("a" * 10_000, True), ("a" * 10_001, False)),
    ],
)
def test_an_unknown_key_is_kept_where_it_is_small(
    value: object, kept: bool, tmp_path: Path
) -> None:
    make_sequence(tmp_path, wind=value)
    sequence, findings, _ = read(tmp_path)
    assert sequence.about.get("extra", {}) == ({"wind": value} if kept else {})
    assert findings.totals == {"unknown-key": 1}


def test_heads_are_sorted_and_frames_by_number(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path, rows=["2,9,1,1,5", "0,7,2,2,5", "2,3,3,3,5"])
    edit_sequence(folder, lambda document: document["frames"].reverse())
    sequence, _, _ = read(tmp_path)
    assert [frame.frame for frame in sequence.frames] == ["000000", "000001", "000002", "000003"]
    assert sequence.heads["frame_index"].tolist() == [0, 2, 2]
    assert sequence.heads["head_id"].tolist() == [7, 3, 9]


def test_frame_cameras_go_before_the_common_one(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path)
    pose = {"vfov_deg": 40, "position_m": [1, 2, 3], "rotation_deg": [-10, 0, 90]}
    edit_sequence(folder, lambda document: document["frames"][2].update(camera=pose))
    sequence, _, _ = read(tmp_path)
    assert [frame.camera for frame in sequence.frames] == [
        Camera(50.0),
        Camera(50.0),
        Camera(40.0, (1.0, 2.0, 3.0), (-10.0, 0.0, 90.0)),
        Camera(50.0),
    ]


def test_depth_comes_from_the_world_or_the_distance(tmp_path: Path) -> None:
    camera = {"vfov_deg": 50, "position_m": [0, 0, 0], "rotation_deg": [0, 0, 0]}
    make_sequence(
        tmp_path,
        camera=camera,
        header="frame,ped_id,x,y,world_x_m,world_y_m,world_z_m,distance_m",
        rows=["0,1,30,20,1,8,0,99", "0,2,30,20,0,-8,0,8", "1,1,32,24,,,,5", "1,2,0,0,,,,5"],
    )
    sequence, findings, _ = read(tmp_path)
    depth = sequence.heads["depth_m"]
    assert sequence.heads["head_id"].tolist() == [1, 1, 2]
    assert depth[:2].tolist() == [8, 5]
    assert depth[2] == pytest.approx(5 / np.hypot(1, 40 / (24 / np.tan(np.radians(25)))), abs=2e-4)
    assert findings.totals == {"behind-camera": 1}  # what lies behind by its world position
    assert "distance_m" not in sequence.heads


def test_labels_alone(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path, images=False)
    sequence, findings, _ = read(tmp_path)
    assert not sequence.images
    assert [frame.file for frame in sequence.frames] == [None] * 4
    assert findings.totals == {}
    assert folder.is_dir()


def test_a_lone_sequence_folder_is_a_capture(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path, "only")
    reader, reason = choose_reader(folder)
    assert (reader.name, reason) == ("native", "it holds sequence.json")
    assert reader.list_sequences(folder, Findings()) == [
        SequenceSource("native", tmp_path, "only", "only")
    ]


def test_parquet_heads_are_the_same(tmp_path: Path) -> None:
    import pyarrow.csv
    import pyarrow.parquet

    folder = make_sequence(tmp_path)
    first, _, _ = read(tmp_path)
    pyarrow.parquet.write_table(
        pyarrow.csv.read_csv(folder / "heads.csv"), folder / "heads.parquet"
    )
    (folder / "heads.csv").unlink()
    second, findings, _ = read(tmp_path)
    assert findings.totals == {}
    assert {name: values.tolist() for name, values in second.heads.items()} == {
        name: values.tolist() for name, values in first.heads.items()
    }


def test_gaps_are_named(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path, frames=6)
    edit_sequence(folder, lambda document: document["frames"].pop(3))
    write_rows(folder, [], HEADER)
    _, findings, _ = read(tmp_path)
    messages = [str(finding) for finding in findings if finding.code == "frame-gap"]
    assert messages == [
        "info[frame-gap]: seq/sequence.json > sequence seq: frame numbers have gaps: after 2 comes 4; "
        "fine if frames were left out on purpose"
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.integers(1, 40),
            st.floats(-200, 2200),
            st.floats(-200, 1300),
            st.floats(0.1, 500),
        ),
        unique_by=lambda row: row[:2],
    )
)
def test_the_writer_and_the_reader_are_inverse(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, float, float, float]]
) -> None:
    root = tmp_path_factory.mktemp("native")
    names = ("frame", "ped_id", "x", "y", "depth_m")
    kinds = (np.int64, np.int64, np.float64, np.float64, np.float64)
    heads = {
        name: np.array([row[position] for row in rows], kind)
        for position, (name, kind) in enumerate(zip(names, kinds, strict=True))
    }
    frames = [{"frame": number, "file": None} for number in range(6)]
    document = {"width": 1920, "height": 1080, "images": False, "frames": frames}
    make_native(root / "seq", document, heads)
    sequence, findings, _ = read(root)
    assert findings.totals == {}
    assert len(sequence.frames) == 6
    expected = sorted(rows)
    assert sequence.heads["frame_index"].tolist() == [row[0] for row in expected]
    assert sequence.heads["x"].tolist() == [row[2] for row in expected]
    assert sequence.heads["y"].tolist() == [row[3] for row in expected]
    assert sequence.heads.get("depth_m", np.empty(0)).tolist() == [row[4] for row in expected]


def test_simulated_heads_lie_where_the_camera_sees_them(tiny_captures: Path) -> None:
    reader = READERS["native"]
    for source in reader.list_sequences(tiny_captures, Findings()):
        sequence = reader.read(source, Findings(), Ledger())
        heads = sequence.heads
        for number, frame in enumerate(sequence.frames):
            mine = heads["frame_index"] == number
            assert frame.camera is not None
            world = np.stack([heads[f"world_{axis}_m"][mine] for axis in "xyz"], axis=1)
            points, depth = project(world, frame.camera, sequence.size_wh)
            shown = np.stack([heads["x"][mine], heads["y"][mine]], axis=1)
            near = heads["depth_m"][mine] > 3  # a millimetre is more pixels the nearer it is
            assert np.abs(points - shown)[near].max(initial=0) < 0.2
            assert np.abs(depth - heads["depth_m"][mine]).max(initial=0) < 0.002


@pytest.mark.parametrize(
    ("document", "message"),
    [({"width": 0}, "/width"), ({"hour": 24}, "/hour"), ({"frames": [{"frame": -1}]}, "/frames/0")],
)
def test_the_writer_refuses_what_the_reader_would(
    tmp_path: Path, document: dict[str, object], message: str
) -> None:
    whole = {"width": 10, "height": 10, "frames": [], **document}
    with pytest.raises(ValueError, match=message):
        make_native(tmp_path / "seq", whole, {})
    with pytest.raises(ValueError, match="not a column of version 1: z"):
        make_native(tmp_path / "seq", {"width": 10, "height": 10, "frames": []}, {"z": [1]})


def test_a_box_that_lacks_a_corner_is_no_box(tmp_path: Path) -> None:
    header = f"{HEADER},box_x0,box_y0,box_x1,box_y2"
    make_sequence(tmp_path / "raw", header=header, rows=[f"{row},1,2,3,4" for row in ROWS])
    report = build(tmp_path / "raw", tmp_path / "set", workers=1)
    assert report.findings.totals["unknown-column"] == 4
    assert "captured" not in report.manifest["statistics"]["box_sources"]


def test_heads_without_a_description_say_what_is_missing(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "raw", "seq")
    (folder / "sequence.json").unlink()
    for root in (tmp_path / "raw", folder):
        with pytest.raises(InputError, match=r"seq: a table of heads without sequence\.json"):
            choose_reader(root)
