"""The JTA reader, on folders laid out as the dataset's own scripts leave them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead, image

from gtahead import Dataset
from gtahead.findings import Findings, Ledger
from gtahead.readers import READERS, choose_reader

FOCAL, CX, CY = 1158.0, 960.0, 540.0


def joint(
    frame: int,
    person: int,
    kind: int,
    xyz: tuple[float, float, float],
    hidden: int = 0,
    own: int = 0,
) -> list[float]:
    x, y, z = xyz
    return [frame, person, kind, FOCAL * x / z + CX, FOCAL * y / z + CY, x, y, z, hidden, own]


def person(frame: int, number: int, x: float, z: float, **flags: int) -> list[list[float]]:
    """The 22 joints of somebody upright: head_top at y = -1, neck 0.2 m below, the rest on the way."""
    heights = {0: -1.0, 1: -0.9, 2: -0.8}
    return [
        joint(frame, number, kind, (x, heights.get(kind, 0.0), z), **flags) for kind in range(22)
    ]


def lay_out(
    base: Path, rows: list[Any], *, split: str = "train", images: tuple[int, ...] = ()
) -> None:
    root = base / "jta"
    folder = root / "annotations" / split
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seq_7.json").write_text(json.dumps(rows))
    frames = root / "frames" / split / "seq_7"
    for number in images:
        frames.mkdir(parents=True, exist_ok=True)
        (frames / f"{number}.jpg").write_bytes(image(number, (1920, 1080)))


def read(root: Path) -> tuple[Any, Findings, Ledger]:
    reader, reason = choose_reader(root / "jta")
    assert reader.name == "jta"
    assert reason == "it holds annotations/train/seq_7.json"
    findings, ledger = Findings(), Ledger()
    (source,) = reader.list_sequences(root / "jta", findings)
    return reader.read(source, findings, ledger), findings, ledger


def test_the_head_is_head_top(tmp_path: Path) -> None:
    lay_out(tmp_path, [*person(1, 5, 0.0, 10.0), *person(3, 4, 2.0, 20.0, own=1)], images=(1, 2, 3))
    sequence, findings, ledger = read(tmp_path)
    assert findings.totals == {}
    assert [frame.frame for frame in sequence.frames] == ["000001", "000002", "000003"]
    assert sequence.frames[1].file == "frames/train/seq_7/2.jpg"
    assert (sequence.split, sequence.size_wh, sequence.fps) == ("train", (1920, 1080), 30.0)
    heads = sequence.heads
    assert heads["frame_index"].tolist() == [0, 2]
    assert heads["x"].tolist() == [960, 960 + 2 * 1158 / 20]
    assert heads["y"].tolist() == [540 - 115.8, 540 - 57.9]
    assert heads["depth_m"].tolist() == [10, 20]
    assert heads["top_neck_m"] == pytest.approx([0.2, 0.2])
    assert heads["neck_y"] == pytest.approx([540 - 0.8 * 115.8, 540 - 0.8 * 57.9])
    assert (heads["occluded"].tolist(), heads["self_occluded"].tolist()) == ([0, 0], [0, 1])
    assert (ledger.frames.came, ledger.heads.came) == (3, 2)
    assert round(sequence.frames[0].camera.vfov_deg, 3) == 50.001


def test_a_head_is_hidden_if_top_and_centre_are(tmp_path: Path) -> None:
    rows = [*person(1, 1, 0, 9), *person(1, 2, 1, 9), *person(1, 3, 2, 9), *person(1, 4, 3, 9)]
    for row in rows:
        row[8] = int((row[1] in (2, 4) and row[2] == 0) or (row[1] in (3, 4) and row[2] == 1))
    rows = [row for row in rows if not (row[1] == 2 and row[2] == 1)]  # 2 has no centre at all
    lay_out(tmp_path, rows, images=(1,))
    sequence, _, _ = read(tmp_path)
    assert sequence.heads["occluded"].tolist() == [0, 1, 0, 1]


def test_without_images_there_are_900_frames(tmp_path: Path) -> None:
    lay_out(tmp_path, person(10, 1, 0, 5))
    sequence, findings, _ = read(tmp_path)
    assert (len(sequence.frames), sequence.images) == (900, False)
    assert sequence.heads["frame_index"].tolist() == [9]
    assert findings.totals == {}
    done = gtahead("build", "--raw", tmp_path / "jta", "--out", tmp_path / "out", "--workers", 1)
    assert (done.code, done.err) == (0, "")


def test_dirty_rows(tmp_path: Path) -> None:
    rows: list[Any] = [
        *person(1, 1, 0, 9),
        *person(1, 2, 1, -9),  # behind the camera
        person(1, 3, 2, 9)[1],  # no head_top
        [1, 4, 0, 1, 2],
        "not a row",
        [1, 5, 0, None, 2, 3, 4, 5, 0, 0],
        joint(1, 1, 0, (0.5, -1, 9)),  # head_top of person 1 again
        *person(5, 1, 0, 9),  # a frame without an image
    ]
    lay_out(tmp_path, rows, images=(1, 2))
    done = gtahead("build", "--raw", tmp_path / "jta", "--out", tmp_path / "out", "--workers", 1)
    assert done.code == 3
    label = "annotations/train/seq_7.json > sequence seq_7"
    assert sorted(done.err.splitlines()) == sorted(
        [
            "info[frame-gap]: annotations/train/seq_7.json > sequence seq_7: frame numbers have gaps: "
            "after 2 comes 5; fine if frames were left out on purpose",
            "error[image-missing]: frames/train/seq_7/5.jpg > sequence seq_7 > frame 000005: the image "
            "doesn't exist; add it or drop its record",
            f"error[ragged-row]: {label} > /45: the row has the wrong number of fields: 5 "
            "instead of 10 fields; fix it",
            f"error[ragged-row]: {label} > /46: the row has the wrong number of fields: no "
            "list instead of 10 fields; fix it",
            f"error[bad-number]: {label} > /47: not a number (got 'null'); fix the row",
            f"error[duplicate-head]: {label} > frame 000001 > head 1: the same person is in the frame twice; the "
            "first row is kept; number peds uniquely",
            f"warning[behind-camera]: {label} > frame 000001 > head 2 > depth_m: the head lies behind the "
            "camera (got -9.0); its pixel position is mirrored and meaningless",
            f"error[no-head-joint]: {label} > frame 000001 > head 3: the person has no head; the "
            "tool writes one for everybody: copy the labels again",
        ]
    )
    dataset = Dataset.open(tmp_path / "out")
    assert [(frame.frame, frame.head_ids.tolist()) for frame in dataset] == [
        ("000001", [1]),
        ("000002", []),
    ]
    ledger = dataset.manifest.document["ledger"]
    assert ledger["heads"] == {
        "in": 8,  # persons 1, 2, 3 and 1 again in frame 1, 1 in frame 5, and three lost rows
        "out": 1,
        "dropped": {
            "bad-number": 1,
            "behind-camera": 1,
            "duplicate-head": 1,
            "no-head-joint": 1,
            "image-missing": 1,
            "ragged-row": 2,
        },
    }


@pytest.mark.parametrize("bad", [None, "1", 1.5, -1, 1e300, 2**70])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_ids_must_be_whole_numbers(tmp_path: Path, position: int, bad: object) -> None:
    rows: list[Any] = [*person(1, 1, 0, 9), *person(1, 2, 1, 9)]
    rows[25][position] = bad
    lay_out(tmp_path, rows, images=(1,))
    done = gtahead("build", "--raw", tmp_path / "jta", "--out", tmp_path / "out", "--workers", 1)
    assert done.code == 3
    assert done.err.startswith("error[bad-number]: annotations/train/seq_7.json > sequence seq_7")
    assert len(done.err.splitlines()) == 1
    assert [frame.head_ids.tolist() for frame in Dataset.open(tmp_path / "out")] == [[1, 2]]


def test_images_of_one_number_and_of_absurd_ones(tmp_path: Path) -> None:
    lay_out(tmp_path, person(1, 1, 0, 9), images=(1, 2))
    frames = tmp_path / "jta" / "frames" / "train" / "seq_7"
    (frames / "01.jpg").write_bytes(image(9, (1920, 1080)))
    (frames / f"{'9' * 30}.jpg").write_bytes(b"")
    sequence, _, _ = read(tmp_path)
    assert [frame.file for frame in sequence.frames] == [
        "frames/train/seq_7/1.jpg",
        "frames/train/seq_7/2.jpg",
    ]


@pytest.mark.parametrize("text", ["", "{}", "[[1, 2", "[[1, NaN]]"])
def test_files_that_are_no_labels(tmp_path: Path, text: str) -> None:
    lay_out(tmp_path, person(1, 1, 0, 9), split="val")
    lay_out(tmp_path, [], split="train")
    (tmp_path / "jta/annotations/val/seq_7.json").rename(
        tmp_path / "jta/annotations/val/seq_8.json"
    )
    (tmp_path / "jta/annotations/train/seq_7.json").write_text(text)
    done = gtahead("build", "--raw", tmp_path / "jta", "--out", tmp_path / "out", "--workers", 1)
    assert done.code == 3
    code = "bad-schema" if text == "{}" else "bad-json"
    assert done.err.startswith(f"error[{code}]: annotations/train/seq_7.json > sequence seq_7")
    assert len(done.err.splitlines()) == 1
    assert Dataset.open(tmp_path / "out").frames(["split"])["split"][0] == "validation"


def test_one_name_in_two_splits(tmp_path: Path) -> None:
    lay_out(tmp_path, [], split="train")
    lay_out(tmp_path, [], split="test")
    done = gtahead("build", "--raw", tmp_path / "jta", "--out", tmp_path / "out")
    assert done.code == 1
    assert done.err == (
        "error: annotations: two splits have a sequence of the same name (got 'seq_7'); remove one of them\n"
    )


def test_every_person_of_the_real_poses_becomes_a_head(shared_data: Path, tmp_path: Path) -> None:
    """Real GTA-V frames of JTA's test split; the poses are a good model's estimates."""
    expected = {}
    for name, frame in (("seq_450", 91), ("seq_466", 651)):
        document = json.loads((shared_data / "jta" / f"{name}_{frame}.poses14.json").read_text())
        rows = []
        for number, pose in enumerate(document["poses"], start=1):
            points = {int(j): (x, y, z) for j, x, y, z in pose}
            top, neck = np.array(points[0]), np.array(points[1])  # joint 1 there is the neck
            for kind, position in ((0, top), (1, (top + neck) / 2), (2, neck)):
                rows.append(joint(frame, number, kind, tuple(map(float, position))))
        expected[name] = len(document["poses"])
        folder = tmp_path / "jta" / "annotations" / "test"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(rows))
        frames = tmp_path / "jta" / "frames" / "test" / name
        frames.mkdir(parents=True)
        (frames / f"{frame}.jpg").write_bytes(
            (shared_data / "jta" / f"{name}_{frame}.jpg").read_bytes()
        )
    done = gtahead("build", "--raw", tmp_path / "jta", "--out", tmp_path / "out", "--workers", 1)
    assert done.code == 0, done.err
    dataset = Dataset.open(tmp_path / "out")
    assert {frame.sequence: len(frame.head_ids) for frame in dataset} == expected
    for frame in dataset:
        sides = frame.boxes_xyxy[:, 2:] - frame.boxes_xyxy[:, :2]
        assert frame.split == "test"
        assert ((sides[:, 1] > 4) & (sides[:, 1] < 200)).all()
        assert set(dataset.heads(frame.sequence, ["box_source"])["box_source"]) == {"joints"}
    assert READERS["jta"].recognise(tmp_path / "jta")
