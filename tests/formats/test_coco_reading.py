"""COCO files: the compiled loop reads what the plain way reads, or leaves the file to it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import mutated, picture
from hypothesis import given, settings
from hypothesis import strategies as st

import gtahead
from gtahead import Dataset, InputError
from gtahead.formats.coco_reading import CocoFile, read_coco
from gtahead.formats.coco_scanning import scan

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


def assert_equal(one: CocoFile, other: CocoFile) -> None:
    assert one.images == other.images
    assert one.categories == other.categories
    for name, values in one.annotations.items():
        theirs = other.annotations[name]
        assert values.dtype == theirs.dtype
        assert values.shape == theirs.shape
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, theirs, rtol=4e-16, atol=0, equal_nan=True)
        else:
            assert (values == theirs).all(), name


@settings(max_examples=150)
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
    plain = read_coco(path, engine="plain")
    if scan(path.read_bytes()) is not None:
        assert_equal(read_coco(path, engine="compiled"), plain)
    assert_equal(read_coco(path), plain)


def test_the_loop_takes_ordinary_files(small_dataset: Path, tmp_path: Path) -> None:
    gtahead.export(small_dataset, tmp_path / "out", format="coco", workers=1)
    for path in sorted((tmp_path / "out" / "annotations").iterdir()):
        assert scan(path.read_bytes()) is not None
        assert_equal(read_coco(path, engine="compiled"), read_coco(path, engine="plain"))


def test_damage_is_never_read_as_something_else(small_dataset: Path, tmp_path: Path) -> None:
    """What the loop reads from a damaged file, the plain way reads too; or both refuse it."""
    gtahead.export(small_dataset, tmp_path / "out", format="coco", workers=1)
    whole = (tmp_path / "out" / "annotations" / "instances_train.json").read_bytes()
    chance = random.Random(5)
    path = tmp_path / "damaged.json"
    taken = 0
    for _ in range(400):
        path.write_bytes(mutated(whole, chance))
        if scan(path.read_bytes()) is None:
            continue
        try:
            plain = read_coco(path, engine="plain")
        except InputError:
            continue  # damage inside what is skipped: strings, and values of unknown keys
        taken += 1
        assert_equal(read_coco(path, engine="compiled"), plain)
    assert taken > 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("{", "it ends too early"),
        ('{"images": [], "annotations": [{"image_id": 1', "it ends too early"),
        ("[]", "not a COCO file: no object"),
        ('{"images": [], "annotations": []}', "categories isn't a list"),
        ('{"images": [{}], "annotations": [], "categories": []}', "/images/0: an image has no id"),
        (
            '{"images": [], "categories": [], "annotations": [{"category_id": 1}]}',
            "/annotations/0/image_id: an annotation's image_id is no whole number",
        ),
        (
            '{"images": [], "categories": [], "annotations": '
            '[{"category_id": 1, "image_id": 1, "bbox": [1, 2, 3]}]}',
            "/annotations/0/bbox: not 4 numbers (got [1, 2, 3])",
        ),
        ('{"images": [], "categories": [], "annotations": [{"bbox": [NaN]}]}', "not valid JSON"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError) as caught:
        read_coco(tmp_path / "a.json", "a.json")
    assert message in str(caught.value)
    assert str(caught.value).startswith("a.json")


def write_coco(folder: Path, **changes: Any) -> Path:
    """Write another program's COCO: pictures in a folder of their own, ids as they please."""
    (folder / "val2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for number in (1, 2):
        (folder / "val2017" / f"{number:012d}.jpg").write_bytes(picture(number))
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
    assert "no category is called head (got 'person, face')" in str(caught.value)
    assert not (tmp_path / "dataset").exists()
