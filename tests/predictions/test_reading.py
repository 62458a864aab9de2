"""Prediction files: every kind is read alike, and all that is wrong is reported in one pass."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from gtahead import InputError, UsageError
from gtahead.arrays import Ragged
from gtahead.findings import Findings
from gtahead.predictions import (
    Images,
    Predictions,
    arrange,
    geometry_hints,
    read_predictions,
    write_predictions,
)


def document(rows: list[Any], **more: Any) -> dict[str, Any]:
    return {"format": "gtahead-predictions", "version": 1, "predictions": rows, **more}


HEADER = b'{"format": "gtahead-predictions", "version": 1}'

ROWS = [
    {"image": "a/0", "points": [[1, 2, 0.5], [3.5, 4, 1]], "count": 2.5},
    {"image": "a/1", "boxes": [[1, 2, 3, 4, 0.25]], "points": []},
    {"image": "b/0"},
]


def save(path: Path, content: object) -> Path:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(data)
    return path


def read(path: Path) -> tuple[Predictions, Findings]:
    findings = Findings()
    return read_predictions(path, findings), findings


def same(one: Predictions, other: Predictions) -> bool:
    columns = ("counts", "has_points", "has_boxes", "points_xy", "point_scores")
    columns += ("boxes_xyxy", "box_scores")
    layouts = ("points_by_image", "boxes_by_image")
    alike = all(
        np.array_equal(getattr(one, name).offsets, getattr(other, name).offsets) for name in layouts
    )
    return (
        one.images == other.images
        and alike
        and all(
            np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "counts")
            for name in columns
        )
    )


def test_every_spelling_says_the_same(tmp_path: Path) -> None:
    plain, findings = read(save(tmp_path / "a.json", document(ROWS)))
    assert not findings.totals
    assert plain.images == ["a/0", "a/1", "b/0"]
    assert plain.points_xy.tolist() == [[1, 2], [3.5, 4]]
    assert plain.boxes_xyxy.tolist() == [[1, 2, 4, 6]]
    assert plain.has_points.tolist() == [True, True, False]
    for name in ("b.json", "b.json.gz", "b.jsonl", "b.jsonl.gz", "b.parquet"):
        write_predictions(tmp_path / name, plain)
        again, findings = read(tmp_path / name)
        assert not findings.totals
        assert same(plain, again), name
    text = (tmp_path / "a.json").read_bytes()
    marked, findings = read(save(tmp_path / "bom.json", b"\xef\xbb\xbf" + text))
    assert same(plain, marked)
    with pytest.raises(UsageError, match="not a kind of prediction file"):
        write_predictions(tmp_path / "b.csv", plain)


def test_a_score_just_below_a_threshold_stays_there(tmp_path: Path) -> None:
    """Rounded, it would count: the file would score otherwise than what it was written from."""
    below = float(np.nextafter(np.float32(0.75), np.float32(0)))
    found = {
        "a/0": {"boxes": np.array([[1.0, 2, 4, 6]]), "scores": np.array([0.7497])},
        "a/1": {"points": np.array([[1.0, 2]]), "scores": np.array([below])},
    }
    made = Predictions.of(found)
    for name in ("b.json", "b.json.gz", "b.jsonl", "b.parquet"):
        write_predictions(tmp_path / name, made)
        again, _ = read(tmp_path / name)
        assert again.box_scores.tolist() == [0.7497], name
        assert again.point_scores.tolist() == [below], name


def test_a_thin_box_keeps_its_area(tmp_path: Path) -> None:
    thin = {"boxes": np.array([[5, 5, 5.0003, 9], [1, 2, 4.00044, 6]]), "scores": np.ones(2)}
    write_predictions(tmp_path / "b.json", Predictions.of({"a/0": thin}))
    again, findings = read(tmp_path / "b.json")
    assert not findings.totals
    assert again.boxes_xyxy == pytest.approx(np.array([[5, 5, 5.0003, 9], [1, 2, 4, 6]]))


def test_images_of_a_prediction_file_are_named_by_text(tmp_path: Path) -> None:
    rows = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]
    numbered, _ = read(save(tmp_path / "coco.json", rows))
    for name in ("b.json", "b.jsonl", "b.parquet"):
        with pytest.raises(UsageError, match=r"names images by text \(got 1\)"):
            write_predictions(tmp_path / name, numbered)
        assert not (tmp_path / name).exists()


def test_packed_mot_is_of_the_same_sequence(tmp_path: Path) -> None:
    text = b"1,-1,3,4,5,6,0.5,-1,-1,-1\n"
    (tmp_path / "s.txt").write_bytes(text)
    (tmp_path / "s.txt.gz").write_bytes(gzip.compress(text))
    plain, packed = (read(tmp_path / name)[0] for name in ("s.txt", "s.txt.gz"))
    assert plain.images == packed.images == [("s", 1)]
    assert same(plain, packed)


def test_what_is_written_twice_is_the_same(tmp_path: Path) -> None:
    plain, _ = read(save(tmp_path / "a.json", document(ROWS)))
    for name in ("b.json.gz", "b.parquet"):
        write_predictions(tmp_path / name, plain)
        first = (tmp_path / name).read_bytes()
        write_predictions(tmp_path / name, plain)
        assert (tmp_path / name).read_bytes() == first


def test_lists_of_other_programs(tmp_path: Path) -> None:
    counts, _ = read(save(tmp_path / "c.txt", b"3110 12.5\r\n2449 0\r\n"))
    assert (counts.kind, counts.images, counts.counts.tolist()) == (
        "counts",
        ["3110", "2449"],
        [12.5, 0],
    )
    points, _ = read(save(tmp_path / "p.txt", b"3110 2 1 2 3 4\n2449 0\n"))
    assert points.kind == "points"
    assert points.points_xy.tolist() == [[1, 2], [3, 4]]
    assert points.has_points.all()
    coco = [
        {"image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
        {"image_id": 1, "category_id": 1, "bbox": [5, 6, 7, 8], "score": 0.25},
        {"image_id": 2, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.75},
    ]
    boxes, _ = read(save(tmp_path / "r.json", coco))
    assert (boxes.kind, boxes.images, boxes.lists_empty) == ("coco", [2, 1], False)
    assert boxes.boxes_xyxy.tolist() == [[1, 2, 4, 6], [0, 0, 1, 1], [5, 6, 12, 14]]
    mot, _ = read(save(tmp_path / "seq.txt", b"1,-1,11,21,5,6,0.5,-1,-1,-1\n3,-1,1,1,2,2,-1\n"))
    assert mot.images == [("seq", 1), ("seq", 3)]
    assert mot.boxes_xyxy.tolist() == [[10, 20, 15, 26], [0, 0, 2, 2]]
    assert mot.box_scores.tolist() == [0.5, 1]
    folder = tmp_path / "mot"
    folder.mkdir()
    (folder / "seq.txt").write_bytes((tmp_path / "seq.txt").read_bytes())
    assert read(folder)[0].images == mot.images


def test_all_faults_are_reported_in_one_pass(tmp_path: Path) -> None:
    rows = [
        {"image": "a", "points": [[1, 2], [1, 2, 3, 4], ["1", 2, 3], [1, 2, 0.5], [1, 2, True]]},
        {"image": "b", "points": [[1, 2, 1.5], [1, 2, -0.1], [1e12, 2, 0.5]]},
        {"image": "c", "boxes": [[1, 2, 0, 4, 0.5], [1, 2, 3, -4, 0.5], [1, 2, 3, 4, 2]]},
        {"image": "d", "count": -1},
        {"image": "e", "count": "7"},
        {"image": "f", "heads": 3},
        {"points": []},
        "g",
        {"image": 7},
        {"image": "h", "points": {"x": 1}},
        {"image": "i", "points": [[10**400, 1, 0.5]]},
    ]
    read_one, findings = read(save(tmp_path / "a.json", document(rows, dataset={"split": "all"})))
    assert findings.totals == {
        "bad-prediction": 10,
        "bad-score": 3,
        "not-a-number": 1,
        "box-without-area": 2,
        "bad-count": 1,
        "unknown-key": 1,
        "breaks-schema": 1,
    }
    positions = [finding.where.field for finding in findings.examples["bad-score"]]
    assert positions == [
        "/predictions/1/points/0",
        "/predictions/1/points/1",
        "/predictions/2/boxes/2",
    ]
    assert read_one.images == ["a", "b", "c", "d", "e", "f", "h", "i"]
    assert len(read_one.points_xy) == 1  # what is fine stays


def test_nan_is_reported_at_its_location(tmp_path: Path) -> None:
    text = json.dumps(document([{"image": "a", "points": [[1.0, float("nan"), 0.5]]}]))
    _, findings = read(save(tmp_path / "a.json", text.encode()))
    (finding,) = findings
    assert (finding.code, finding.where.field) == ("not-a-number", "/predictions/0/points/0")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"   \n", "empty"),
        (b'{"format": "gtahead-predictions", "version": 1, "predictions": [{"im', "too early"),
        (b'{"format": "gtahead-predictions", "version": 2, "predictions": []}', "version"),
        (b'{"format": "gtahead-predictions", "version": true, "predictions": []}', "version"),
        (b'{"format": "coco", "version": 1}', "not a prediction file"),
        (b'{"format": "gtahead-predictions", "version": 1}', "no list"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"hello\n", "not a prediction file"),
        (gzip.compress(b"3110 12\n" * 99, mtime=0)[:-9], "ends too early"),
        (gzip.compress(HEADER + b"\n{}" * 99, mtime=0)[:-9], "ends too early"),
        (gzip.compress(HEADER + b"\n{}" * 99, mtime=0)[:-6] + b"123456", "damaged"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff", "damaged"),
        (b"PAR1 and no more", "Parquet"),
        (b"[" * 100_000, "not valid JSON|too early"),
    ],
)
def test_what_cant_be_read_is_said(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read(save(tmp_path / "a.json", content))


def test_what_isnt_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read(tmp_path / "nothing.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="nor MOT text files"):
        read(tmp_path / "folder")


def test_a_bomb_of_gzip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gtahead.predictions.reading.MAX_BYTES", 1000)
    for content in (
        gzip.compress(b" " * 100_000, mtime=0),
        gzip.compress(b"[" + b" " * 100_000, mtime=0),
        gzip.compress(HEADER + b"\n" + b" " * 100_000),
        HEADER + b"\n" + b" " * 100_000,
        json.dumps(document(ROWS * 99)).encode(),
    ):
        with pytest.raises(InputError, match="too large to be read whole"):
            read(save(tmp_path / "a.json", content))


def test_lines_that_are_wrong(tmp_path: Path) -> None:
    header = json.dumps({"format": "gtahead-predictions", "version": 1}).encode()
    lines = header + b'\n{"image": "a"}\n{"image"\n{"image": "b"}\n'
    found, findings = read(save(tmp_path / "a.jsonl", lines))
    assert found.images == ["a", "b"]
    (finding,) = findings
    assert (finding.code, str(finding.where)) == ("file-unreadable", "a.jsonl > line 3, column 9")
    text = b"3110 2 1 2 3\n2449 1 5 6\nx y z\n"
    found, findings = read(save(tmp_path / "p.txt", text))
    assert found.images == ["2449"]
    assert findings.totals == {"bad-prediction": 3}


@pytest.mark.parametrize("frame", ["0", "-1", "1.5", "1e9", "nan"])
def test_frames_of_mot_are_whole_numbers_from_1(tmp_path: Path, frame: str) -> None:
    text = f"1,-1,11,21,5,6,0.5\n{frame},-1,11,21,5,6,0.5\n".encode()
    found, findings = read(save(tmp_path / "seq.txt", text))
    assert found.images == [("seq", 1)]
    assert findings.totals == {"bad-prediction": 1}


IMAGES = Images(
    ["s/0", "s/1", "t/0"],
    np.array([[100, 50]] * 3),
    ["s", "s", "t"],
    np.array([4, 5, 6]),
    frozenset({"u/0"}),
)


def arranged(path: Path, missing: Any = "error") -> tuple[Predictions, Findings]:
    found, findings = read(path)
    return arrange(found, IMAGES, findings, path.name, missing), findings


def test_images_are_found_by_any_name(tmp_path: Path) -> None:
    rows = [{"image": "t/0.jpg", "count": 1}, {"image": "s/1", "count": 2}]
    rows += [{"image": "4", "count": 3}]
    found, findings = arranged(save(tmp_path / "a.json", document(rows)))
    assert not findings.totals
    assert found.counts.tolist() == [3, 2, 1]
    assert [IMAGES.find(key) for key in (6, ("s", 2), ("s", 3), 7, "0", "1")] == [
        2,
        1,
        None,
        None,
        None,
        1,
    ]


def test_images_that_are_unknown_twice_or_missing(tmp_path: Path) -> None:
    rows = [{"image": "s/0"}, {"image": "s/0.png"}, {"image": "u/0"}, {"image": "x"}]
    path = save(tmp_path / "a.json", document(rows))
    _, findings = arranged(path)
    assert findings.totals == {"no-such-image": 2, "image-twice": 1, "image-not-predicted": 2}
    assert [f.detail for f in findings.examples["no-such-image"]] == ["it is of another split", ""]
    found, findings = arranged(path, "zero")
    assert findings.totals == {"no-such-image": 2, "image-twice": 1, "scored-as-empty": 2}
    assert found.points_by_image.counts.tolist() == [0, 0, 0]
    coco = [{"image_id": 4, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]
    found, findings = arranged(save(tmp_path / "b.json", coco))
    # A list of detections can't name an image without any.
    assert findings.totals == {"images-without-detections": 1}
    assert found.boxes_by_image.counts.tolist() == [1, 0, 0]


def hints(xy: np.ndarray, boxes: np.ndarray | None = None) -> set[str]:
    count = len(xy) if boxes is None else len(boxes)
    images = Images([f"{k}" for k in range(4)], np.array([[1000, 600]] * 4), None, np.arange(4))
    layout = Ragged(np.linspace(0, count, 5).astype(np.int64))
    none = Ragged.from_counts([0] * 4)
    found = Predictions(
        "gtahead",
        list(images.ids),
        np.full(4, np.nan),
        np.full(4, boxes is None),
        np.full(4, boxes is not None),
        xy if boxes is None else np.empty((0, 2)),
        np.ones(count if boxes is None else 0),
        layout if boxes is None else none,
        np.empty((0, 4)) if boxes is None else boxes,
        np.ones(0 if boxes is None else count),
        none if boxes is None else layout,
    )
    findings = Findings()
    geometry_hints(found, images, findings, "a.json")
    return set(findings.totals)


def test_geometry_alone_gives_hints() -> None:
    xy = np.random.default_rng(0).uniform(0, 1, (400, 2)) * [1000, 600]
    assert hints(xy) == set()
    assert hints(xy / [1000, 600]) == {"looks-normalised"}
    assert hints(xy[:, ::-1]) == {"looks-swapped"}
    on_borders = np.where(xy > [500, 300], [1000, 600], 0.0)  # are inside
    assert hints(on_borders[:, ::-1]) == {"looks-swapped"}
    assert hints(on_borders) == set()
    along = xy * [0.6, 1.0]  # inside with x and y swapped, too
    along[:100] *= [0, 1]
    assert hints(along) == set()
    assert hints(xy * 0.5) == {"looks-resized"}
    assert hints(xy[:200] * 0.5) == {"looks-resized"}  # just enough to tell
    assert hints(xy[:199] * 0.5) == set()
    assert hints(xy * 1.6) == {"looks-resized"}
    whole = np.floor(xy) + 1
    whole[0], whole[1] = [1000, 600], [1, 1]  # the very borders
    assert hints(whole) == {"looks-one-based"}
    assert hints(whole - 1) == set()
    assert hints(xy[:20] / 1000) == set()  # too few to tell
    corners = np.concatenate([xy * 0.9, xy * 0.9 + 30], axis=1)
    assert hints(xy, corners) == set()
    as_sizes = corners.copy()
    as_sizes[:, 2:] += as_sizes[:, :2]  # far corners where widths and heights belong
    assert "looks-like-corners" in hints(xy, as_sizes)


@settings(max_examples=examples(50))
@given(st.data())
def test_mutated_files_are_read_or_refused(tmp_path_factory: Any, data: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "mutated"
    kinds = [json.dumps(document(ROWS)).encode(), b"3110 2 1 2 3 4\n", b"1,-1,1,1,2,2,0.5\n"]
    kinds.append(json.dumps([{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]).encode())
    text = bytearray(data.draw(st.sampled_from(kinds)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, max(0, len(text) - 1)))
        text[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    with suppress(InputError):
        read(save(path, bytes(text)))
