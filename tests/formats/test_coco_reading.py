"""COCO files: typed reading gives what the json module gives, and says what is wrong and where."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import mutated
from helpers import examples, image
from hypothesis import given, settings
from hypothesis import strategies as st

import gtahead
from gtahead import Dataset, InputError
from gtahead.formats.coco_columns import HAS_AREA, HAS_ISCROWD, read_coco
from gtahead.tables.canonical import NO_ID

number = st.one_of(
    st.integers(-(2**50), 2**50),
    st.floats(-1e6, 1e6),
    st.floats(1e-300, 1e300),
    st.sampled_from([0, -0.0, 1e5, 1.5e-7, 123456789012345678.5, 1e22, 5e-324]),
)
extra = st.one_of(st.none(), st.booleans(), number, st.text(), st.lists(number, max_size=3))
annotation = st.fixed_dictionaries(
    {"image_id": st.integers(-5, 50), "category_id": st.just(1)},
    optional={
        "id": st.integers(0, 10**12),
        "bbox": st.one_of(st.none(), st.lists(number, min_size=4, max_size=4)),
        "iscrowd": st.sampled_from([0, 1, True, False, None]),
        "ignore": st.sampled_from([0, 1]),
        "keypoints": st.one_of(st.just([]), st.lists(number, min_size=3, max_size=6)),
        "segmentation": st.lists(st.lists(number, max_size=4), max_size=2),
        "area": extra,
        'caption \\ "odd': extra,
        "é": extra,
        "gtahead": st.one_of(
            st.none(),
            st.fixed_dictionaries(
                {},
                optional={
                    "head": st.integers(-(2**40), 2**40),
                    "point": st.lists(number, min_size=2, max_size=2),
                    "visibility": number,
                    "occluded": st.sampled_from([0, 1, True]),
                    "more": st.dictionaries(st.text(), extra, max_size=2),
                },
            ),
        ),
    },
)


def document_of(annotations: list[dict[str, Any]], order: list[str]) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "head"}],
        "info": {"year": 2026, "note": 'a "quoted" ] } text'},
    }
    return {key: parts[key] for key in order}


def plain_columns(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read annotations as the json module does, row by row: what `read_coco` has to give."""
    rows = json.loads(path.read_text(encoding="utf-8"))["annotations"]
    nan = float("nan")
    ours = [row.get("gtahead") or {} for row in rows]
    whole = [isinstance(row.get("id"), int) for row in rows]
    # The only keypoint of a category that is called head, if it's labelled.
    alone = [
        (keypoints := row.get("keypoints")) and len(keypoints) == 3 and keypoints[2] != 0
        for row in rows
    ]
    points = [
        one.get("point") or (row["keypoints"][:2] if only else None)
        for row, one, only in zip(rows, ours, alone, strict=True)
    ]
    columns = {
        "id": [row["id"] if fine else NO_ID for row, fine in zip(rows, whole, strict=True)],
        "image_id": [row["image_id"] for row in rows],
        "category_id": [row["category_id"] for row in rows],
        "keys": [HAS_AREA * ("area" in row) | HAS_ISCROWD * ("iscrowd" in row) for row in rows],
        "crowd": [bool(row.get("iscrowd") or row.get("ignore")) for row in rows],
        "head_id": [one.get("head", NO_ID) for one in ours],
        "visibility": [one.get("visibility", nan) for one in ours],
        "occluded": [bool(one["occluded"]) if "occluded" in one else -1 for one in ours],
        "unlabelled": [
            row.get("keypoints") is not None and point is None and not row.get("bbox")
            for row, point in zip(rows, points, strict=True)
        ],
        "bbox": [row.get("bbox") or [nan] * 4 for row in rows],
        "point": [point or [nan] * 2 for point in points],
    }
    return {name: np.array(values) for name, values in columns.items()}


def assert_as_plain(path: Path) -> None:
    found, plain = read_coco(path).annotations, plain_columns(path)
    assert list(found) == list(plain)
    for name, values in plain.items():
        assert (
            np.array_equal(found[name], values.reshape(found[name].shape), equal_nan=True)
            or (found[name] == values).all()
        ), name


@settings(max_examples=examples(40))
@given(
    st.lists(annotation, max_size=6),
    st.permutations(["images", "annotations", "categories", "info"]),
    st.sampled_from([None, 1, "\t"]),
)
def test_any_order_of_keys_any_blanks(
    tmp_path_factory: pytest.TempPathFactory,
    annotations: list[dict[str, Any]],
    order: list[str],
    indent: Any,
) -> None:
    path = tmp_path_factory.mktemp("coco") / "a.json"
    path.write_text(json.dumps(document_of(annotations, order), indent=indent), encoding="utf-8")
    assert_as_plain(path)
    coco = read_coco(path)
    assert coco.images == document_of([], order)["images"]
    assert coco.info["year"] == 2026


def test_damage_is_never_read_as_something_else(small_dataset: Path, tmp_path: Path) -> None:
    """A damaged file is read as the json module reads it, or refused."""
    gtahead.export(small_dataset, tmp_path / "out", format="coco", workers=1)
    whole = (tmp_path / "out" / "annotations" / "instances_train.json").read_bytes()
    chance = random.Random(5)
    path = tmp_path / "damaged.json"
    taken = 0
    for _ in range(400):
        path.write_bytes(mutated(whole, chance))
        try:
            coco = read_coco(path)
        except InputError:
            continue
        taken += 1
        rows = json.loads(path.read_text(encoding="utf-8"))["annotations"]
        joins = [row.get(key) for row in rows for key in ("image_id", "category_id")]
        if not coco.faults and all(type(one) is int and abs(one) < 2**62 for one in joins):
            assert_as_plain(path)
    assert taken > 5


def test_an_unknown_key_is_never_taken_for_a_known_one(tmp_path: Path) -> None:
    row = {
        "image_id": 1,
        "category_id": 1,
        "xxxxbgory_id": 7,
        "xxxxxxxx_id": 9,
        "bbox": [1, 2, 3, 4],
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document_of([row] * 3, ["images", "annotations", "categories"])))
    assert read_coco(path).annotations["category_id"].tolist() == [1, 1, 1]
    assert read_coco(path).annotations["image_id"].tolist() == [1, 1, 1]


def padded(row: dict[str, Any], bytes_: int) -> dict[str, Any]:
    """Give an annotation a key that makes its file large, as segmentations do."""
    return {**row, "segmentation": [[0.5] * (bytes_ // 4)]}


def test_size_order_and_spacing_of_a_file_change_no_fingerprint(tmp_path: Path) -> None:
    """Coordinates with many digits, in files of 20 kB to 6 MB: the same data, the same build."""
    chance = np.random.default_rng(3)
    rows = [
        {
            "id": n + 1,
            "image_id": 91 + n % 2,
            "category_id": 3,
            "bbox": [float(v) for v in chance.uniform(0, [40, 30, 20, 15])],
            "iscrowd": 0,
            "area": 1.0,
        }
        for n in range(200)
    ]
    ways: dict[str, tuple[list[dict[str, Any]], Any, bool]] = {
        "as it is": (rows, None, False),
        "large": ([padded(row, 30_000) for row in rows], None, False),
        "other order": ([dict(reversed(row.items())) for row in rows], None, True),
        "indented": (rows, 2, False),
        "other rows first": (rows[::-1], "\t", True),
    }
    found = {}
    for name, (some, indent, turned) in ways.items():
        raw = write_coco(tmp_path / name / "raw", annotations=some)
        path = raw / "annotations" / "instances_val2017.json"
        document = json.loads(path.read_text())
        if turned:
            document = dict(reversed(document.items()))
        path.write_text(json.dumps(document, indent=indent))
        if name != "other rows first":  # heads without ids are numbered in the file's order
            assert_as_plain(path)
        report = gtahead.build(raw, tmp_path / name / "dataset", workers=1)
        found[name] = report.manifest["fingerprints"]
        frames = list(Dataset.open(tmp_path / name / "dataset"))
        for frame in frames:
            written = [
                row["bbox"]
                for row in document["annotations"]
                if str(row["image_id"])[1] == frame.frame_id[-1]
            ]
            off = np.abs(np.sort(frame.boxes_xyxy[:, 0]) - np.sort([box[0] for box in written]))
            assert off.max() <= 1 / 512
            assert (frame.boxes_xyxy * 256 == np.round(frame.boxes_xyxy * 256)).all()
            assert (frame.points_xy * 256 == np.round(frame.points_xy * 256)).all()
    first = found.pop("as it is")
    found.pop("other rows first")
    assert all(other == first for other in found.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("{", "it ends too early"),
        ('{"images": [], "annotations": [{"image_id": 1', "it ends too early"),
        ("[]", "an object is expected"),
        ('{"images": [], "annotations": []}', "categories is missing"),
        (
            '{"images": [{}], "annotations": [], "categories": []}',
            "/images/0/id: the image's id is neither a number nor text",
        ),
        ('{"images": [], "categories": [], "annotations": [{"bbox": [NaN]}]}', "not valid JSON"),
        (
            '{"images": [3], "categories": [], "annotations": []}',
            "/images/0: an object is expected",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_location(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_coco(tmp_path / "a.json", "a.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("a.json")


@pytest.mark.parametrize(
    ("changes", "pointer", "message"),
    [
        ({"image_id": None}, "image_id", "neither a number nor text"),
        ({"category_id": [1]}, "category_id", "neither a number nor text"),
        ({"bbox": [1, 2, 3]}, "bbox", "of length 4"),
        ({"bbox": ["1", "2", "3", "4"]}, "bbox", "Expected `float`"),
        ({"keypoints": 5}, "keypoints", "Expected `array"),
        ({"keypoints": [1, 2]}, "keypoints", "x, y and v"),
        ({"iscrowd": "perhaps"}, "iscrowd", "neither 0 nor 1"),
    ],
)
def test_a_broken_value_costs_itself_alone(
    tmp_path: Path, changes: dict[str, Any], pointer: str, message: str
) -> None:
    fine = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    rows = [fine, {**fine, "id": 2, **changes}]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document_of(rows, ["images", "annotations", "categories"])))
    coco = read_coco(path)
    ((found, (value, what)),) = coco.faults.items()
    assert found == f"/annotations/1/{pointer}"
    assert (value, message in what) == (changes[pointer], True)
    assert coco.annotations["bbox"][0].tolist() == [1, 2, 3, 4]
    assert len(coco.annotations["bbox"]) == 2


@pytest.mark.parametrize("one", ["a", "1", 1.0, 1.5, -1, 0, 2**62, 2**63 - 1])
def test_ids_of_any_kind_are_joined_as_they_are(tmp_path: Path, one: Any) -> None:
    document = document_of(
        [
            {"id": one, "image_id": one, "category_id": one, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 2, "category_id": one, "bbox": [5, 6, 7, 8]},
        ],
        ["images", "annotations", "categories"],
    )
    document["images"] = [
        {"id": 2, "file_name": "b.jpg", "width": 64, "height": 48},
        {"id": one, "file_name": "a.jpg", "width": 64, "height": 48},
    ]
    document["categories"] = [{"id": one, "name": "head"}, {"id": 2, "name": "person"}]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "train.json").write_text(json.dumps(document))
    report = gtahead.build(tmp_path / "raw", tmp_path / "dataset", workers=1)
    frames = {frame.frame: frame for frame in Dataset.open(tmp_path / "dataset")}
    assert frames["a"].boxes_xyxy.tolist() == [[1, 2, 4, 6]]
    assert frames["b"].boxes_xyxy.tolist() == [[5, 6, 12, 14]]
    assert not report.findings.anything_set_aside


@pytest.mark.parametrize("size_wh", [(0, 0), (64, 0), (-64, -48), (10**6, 48), (64.0, 48.0)])
def test_a_size_that_no_image_has_is_unknown(tmp_path: Path, size_wh: tuple[float, float]) -> None:
    raw = write_coco(tmp_path / "raw")
    path = raw / "annotations" / "instances_val2017.json"
    document = json.loads(path.read_bytes())
    for one in document["images"]:
        one["width"], one["height"] = size_wh
    path.write_text(json.dumps(document))
    gtahead.build(raw, tmp_path / "dataset", workers=1)
    assert [f.size_wh for f in Dataset.open(tmp_path / "dataset")] == [(64, 48)] * 2
    shutil.rmtree(raw / "val2017")
    report = gtahead.build(raw, tmp_path / "labels", images="none", workers=1)
    assert report.findings.totals["size-guessed"] == 2


def write_coco(folder: Path, **changes: Any) -> Path:
    """Write another program's COCO: images in a folder of their own, ids as they please."""
    (folder / "val2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for number in (1, 2):
        (folder / "val2017" / f"{number:012d}.jpg").write_bytes(image(number))
    document = {
        "images": [
            {"id": 90 + n, "file_name": f"{n:012d}.jpg", "width": 64, "height": 48} for n in (1, 2)
        ],
        "annotations": [
            {"id": 1, "image_id": 92, "category_id": 3, "bbox": [1, 2, 10, 12], "iscrowd": 0},
            {"id": 2, "image_id": 92, "category_id": 3, "bbox": [5, 5, 8, 8], "iscrowd": 1},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [5, 5, 8, 8], "iscrowd": 0},
            {"id": 4, "image_id": 91, "category_id": 1, "bbox": [5, 5, 8, 8], "iscrowd": 0},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 3, "name": "Head"}],
        **changes,
    }
    (folder / "annotations" / "instances_val2017.json").write_text(json.dumps(document))
    return folder


def test_other_peoples_coco(tmp_path: Path) -> None:
    report = gtahead.build(write_coco(tmp_path / "raw"), tmp_path / "dataset", workers=1)
    assert report.findings.totals["head-without-frame"] == 1
    assert report.findings.totals["other-class"] == 1
    assert report.ledger.heads.as_dict() == {
        "in": 3,
        "out": 2,
        "dropped": {"head-without-frame": 1},
    }
    frames = list(Dataset.open(tmp_path / "dataset"))
    assert [(f.frame_id, f.split, f.count) for f in frames] == [
        ("instances_val2017/000000000001", "validation", 0),
        ("instances_val2017/000000000002", "validation", 1),
    ]
    assert frames[1].boxes_xyxy.tolist() == [[1, 2, 11, 14], [5, 5, 13, 13]]
    assert frames[1].status.tolist() == ["counted", "ignored"]


def test_which_category_is_the_heads(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "person"}, {"id": 3, "name": "face"}]
    raw = write_coco(tmp_path / "raw", categories=categories)
    with pytest.raises(InputError) as caught:
        gtahead.build(raw, tmp_path / "dataset", workers=1)
    assert "none is called head (got 'face (3), person (1)')" in str(caught.value)
    assert not (tmp_path / "dataset").exists()
