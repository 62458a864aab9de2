"""Regions of interest: what lies outside is ignored in counts, maps, scores, and is drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import gtahead, make_sequence, put
from hypothesis import given
from hypothesis import strategies as st

import gtahead as library
from gtahead import Dataset, InputError
from gtahead.density import count_of
from gtahead.regions import Regions, inside_any, read_regions

FEATURE = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", %s '
    '"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [9, 0], [9, 9]]]}}]}'
)

SQUARE = [[0, 0], [32, 0], [32, 48], [0, 48]]
"""The left half of the frames."""


def built(tmp_path: Path, document: Any, **options: Any) -> Any:
    make_sequence(tmp_path / "raw", "a", frames=3, location="square")
    (tmp_path / "roi.json").write_text(json.dumps(document))
    roi = tmp_path / "roi.json"
    return library.build(tmp_path / "raw", tmp_path / "set", roi=roi, workers=1, **options)


@pytest.mark.parametrize(
    "document",
    [
        {"*": SQUARE},
        {"a": SQUARE, "*": [[0, 0], [1, 0], [0, 1]]},
        {"square": [0, 0, 32, 0, 32, 48, 0, 48]},
        {"a": [[0, 0, 32, 0, 32, 24, 0, 24], [0, 24, 32, 24, 32, 48, 0, 48]]},
        {"a/000000": SQUARE, "a/000001": SQUARE, "a/000002": SQUARE},
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"sequence": "a"},
                    "geometry": {"type": "Polygon", "coordinates": [[*SQUARE, SQUARE[0]]]},
                }
            ],
        },
        {
            "type": "Feature",
            "properties": {},
            "geometry": {"type": "MultiPolygon", "coordinates": [[SQUARE]]},
        },
    ],
)
def test_heads_outside_are_ignored(tmp_path: Path, document: Any) -> None:
    report = built(tmp_path, document)
    assert report.findings.totals == {}
    heads = [
        (bool(x < 32), str(status))
        for frame in Dataset.open(tmp_path / "set")
        for (x, _), status in zip(frame.points_xy, frame.status, strict=True)
    ]
    assert {status for inside, status in heads if inside} == {"counted"}
    assert {status for inside, status in heads if not inside} == {"ignored"}
    assert report.manifest["statistics"]["heads"]["counted"] == sum(inside for inside, _ in heads)
    assert library.validate(tmp_path / "set", workers=1).finish().totals == {}


def test_maps_scores_and_exports_follow_the_region(tmp_path: Path) -> None:
    built(tmp_path, {"*": SQUARE}, split="0:0:1")
    library.export(
        tmp_path / "set", tmp_path / "maps", format="density", stride=1, allow_lossy=True
    )
    counts = {frame.frame: frame.count for frame in Dataset.open(tmp_path / "set")}
    for path in (tmp_path / "maps").rglob("*.npz"):
        assert count_of(np.load(path)["density"]) == pytest.approx(counts[path.stem], rel=1e-3)
    frames = list(Dataset.open(tmp_path / "set"))
    everywhere = [[*point, 0.9] for point in ([5.0, 5.0], [50.0, 5.0], [60.0, 40.0])]
    right = [[*map(float, p), 0.9] for f in frames[:1] for p in f.points_xy if p[0] >= 32]
    found = {
        "format": "gtahead-predictions",
        "version": 1,
        "method": {"name": "m", "threshold": 0.5, "threshold_selected_on": "validation"},
        "dataset": {"name": "set", "split": "test"},
        "predictions": [
            {"image": f.frame_id, "points": [[*map(float, p), 0.9] for p in f.points_xy]}
            for f in frames
        ],
    }
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found))
    assert library.benchmark(path, tmp_path / "set", intervals=False).value["mae"] == 0
    found["predictions"][0]["points"] += [*everywhere[1:], *right]  # type: ignore[index]
    path.write_text(json.dumps(found))
    score = library.benchmark(path, tmp_path / "set", intervals=False)
    assert score.value["mae"] == 0  # all of them lie outside
    found["predictions"][0]["points"] += everywhere[:1]  # type: ignore[index]
    path.write_text(json.dumps(found))
    assert library.benchmark(path, tmp_path / "set", intervals=False).value["mae"] > 0
    (tmp_path / "counts.txt").write_text("".join(f"{f.frame_id} 3\n" for f in frames))
    totals = library.benchmark(tmp_path / "counts.txt", tmp_path / "set", intervals=False).findings
    assert totals.totals["counts-of-whole-images"] == 1


def test_the_border_is_drawn(tmp_path: Path) -> None:
    built(tmp_path, {"*": SQUARE})
    done = gtahead("view", tmp_path / "set", "a/000000", "--out", tmp_path / "view.png")
    assert done.code == 0, done.err
    shown = cv2.imread(str(tmp_path / "view.png")).astype(int)
    assert (np.abs(shown - (255, 200, 60)).sum(axis=2) < 30).sum() > 500


def test_a_rebuild_with_another_region_is_another_dataset(tmp_path: Path) -> None:
    built(tmp_path, {"*": SQUARE})
    (tmp_path / "roi.json").write_text(json.dumps({"*": [[0, 0], [64, 0], [64, 48], [0, 48]]}))
    with pytest.raises(InputError, match="roi was"):
        library.build(tmp_path / "raw", tmp_path / "set", roi=tmp_path / "roi.json", workers=1)


def test_a_region_without_a_head_is_said(tmp_path: Path) -> None:
    report = built(tmp_path, {"*": [[0, 0], [1, 0], [1, 1], [0, 1]]})
    assert report.findings.totals["no-head-inside"] == 1


def test_regions_are_shown_by_info_and_report(tmp_path: Path) -> None:
    built(tmp_path, {"*": SQUARE, "a": SQUARE})
    assert (
        "of interest, by 2 names, one of them of all images"
        in gtahead("info", tmp_path / "set").out
    )
    assert gtahead("report", tmp_path / "set", "--html", tmp_path / "report.html").code == 0
    assert "inside regions of interest" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_a_release_and_an_export_say_of_regions(tmp_path: Path) -> None:
    built(tmp_path, {"*": SQUARE})
    done = library.export(tmp_path / "set", tmp_path / "coco", format="coco", allow_lossy=True)
    assert done.left["regions of interest"] == 1
    facts = {"repo": "lab/heads", "creator": "The lab", "licence": "mit", "images": "none"}
    library.stage(tmp_path / "set", tmp_path / "release", **facts)  # type: ignore[arg-type]
    for name in ("README.md", "croissant.json"):
        assert "regions of interest" in (tmp_path / "release" / name).read_text(encoding="utf-8")


def test_names_that_belong_to_nothing_are_said(tmp_path: Path) -> None:
    assert built(tmp_path, {"b": SQUARE, "a": SQUARE}).findings.totals["region-unmatched"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "not an object of polygons"),
        ("{}", "not an object of polygons"),
        ('{"a": 3}', "/a: the regions can't be read: not a polygon"),
        ('{"a": []}', "not a polygon"),
        ('{"a": [[0, 0], [1, 1]]}', "a polygon of 2 corners"),
        ('{"a": [0, 0, 1, 1, 2]}', "not points of two numbers"),
        ('{"a": [["x", 0], [1, 1], [2, 2]]}', "not points of two numbers"),
        ('{"a": [[[0, 0, 1], [1, 1, 1], [2, 2, 1]]]}', "not points of two numbers"),
        ('{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}', "Polygon"),
        ('{"type": "FeatureCollection", "features": 3}', "Polygon"),
        (
            '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": '
            "[[[0, 0], [9, 0], [9, 9]], [[1, 1], [2, 1], [2, 2]]]}}",
            "it has a hole",
        ),
        (FEATURE % '"properties": ["x"],', "not an object"),
        (FEATURE % '"properties": {"file_name": "a.jpg"},', "none of image"),
        (FEATURE % '"id": 4,', "none of image"),
        (FEATURE % '"properties": {"sequence": ""},', "isn't a name"),
        (FEATURE % '"properties": {"image": [1]},', "isn't a name"),
        ('{"type": "FeatureCollection", "features": []}', "there is no feature"),
        ('{"*": [[0, 0], [1e200, 0], [1e200, 1e200]]}', "a corner farther out"),
        ("{", "roi.json"),
        ('{"a": [[0, 0], [9, 9], [20, 20]]}', "without an area"),
        ('{"*": [0, 0, 9, 0, 9, 9], "*": [0, 0, 5, 0, 5, 5]}', "a key is there twice"),
    ],
)
def test_files_that_hold_no_regions(tmp_path: Path, text: str, message: str) -> None:
    put(tmp_path, {"roi.json": text})
    with pytest.raises(InputError, match=message):
        read_regions(tmp_path / "roi.json")


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=3, max_size=8),
    st.integers(0, 2**16),
)
def test_inside_is_what_opencv_says(corners: list[tuple[int, int]], seed: int) -> None:
    polygon = np.array(corners, np.float64)
    points = np.random.default_rng(seed).uniform(0, 40, (30, 2))
    contour = polygon.astype(np.float32).reshape(-1, 1, 2)
    wanted = [cv2.pointPolygonTest(contour, (float(x), float(y)), True) for x, y in points]
    found = inside_any(points, [polygon])
    for distance, inside in zip(wanted, found, strict=True):
        if abs(distance) > 1e-3:
            assert inside == (distance > 0)


def test_regions_read_back_what_they_are() -> None:
    regions = Regions({"a": [np.array(SQUARE, float)], "*": [np.eye(3)[:, :2], np.ones((4, 2))]})
    assert regions.of("x/1", "x", None) is regions.polygons["*"]
    assert regions.unused(["b"]) == ["a"]
