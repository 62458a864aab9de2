"""Wide-angle lenses: images bend, and labels follow."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import gtahead

import gtahead as library
from gtahead.errors import UsageError
from gtahead.geometry import inside
from gtahead.simulation.distortion import Distortion
from gtahead.simulation.planning import plan
from gtahead.simulation.presets import Overrides
from gtahead.simulation.scene import Scene

STRENGTH = 0.3


def scene(**changes: object) -> Scene:
    wish = Overrides(size_wh=(960, 540), heads=(60, 60), weather="CLOUDS", hour=12.0)
    one = plan("mfl-lab", 0, wish)[0]
    return Scene(replace(one, distortion=STRENGTH, pan_deg=0.0, **changes))  # type: ignore[arg-type]


@cache
def usual() -> Scene:
    """Return the scene of several tests, made once: that takes seconds."""
    return scene()


def test_points_go_there_and_back() -> None:
    lens = Distortion((640, 360), STRENGTH)
    points = np.random.default_rng(0).uniform(0, 1, (500, 2)) * [640, 360]
    field = lens.straight(points)
    assert np.allclose(lens.bent(field), points, atol=1e-9)
    assert (field > 0).all()
    assert (field < lens.field_wh).all()
    # Corners come nearer by the strength, the middle stays, and nothing has its size changed there.
    middle, field_middle = np.array([320, 180]), np.array(lens.field_wh) / 2
    assert np.allclose(lens.straight(middle), field_middle)
    assert np.allclose(
        lens.straight(np.array([0.0, 0])) - field_middle, np.array([-320, -180]) / (1 - STRENGTH)
    )
    step = lens.straight(middle + [0.01, 0]) - field_middle
    assert step[0] == pytest.approx(0.01, rel=1e-6)


def test_an_image_shows_a_point_where_it_is_said_to_be() -> None:
    lens = Distortion((320, 240), STRENGTH)
    for x, y in ((20.5, 30.5), (200.5, 100.5), (300.5, 220.5)):
        column, row = np.floor(lens.straight(np.array([x, y]))).astype(int).tolist()
        field = np.zeros((*lens.field_wh[::-1], 3), np.uint8)
        cv2.circle(field, (column, row), 4, (255, 255, 255), -1)
        rows, columns = np.nonzero(lens.image_of(field)[..., 0] > 100)
        assert columns.mean() + 0.5 == pytest.approx(x, abs=0.7)
        assert rows.mean() + 0.5 == pytest.approx(y, abs=0.7)


def test_boxes_are_around_the_heads_in_the_image() -> None:
    """A head's box begins where its owner's pixels begin, also far from the middle."""
    one = usual()
    seen = one.look(0)
    nobody = one.image(0, seen.take(slice(0))).astype(int)
    width, height = one.plan.size_wh
    tall = seen.boxes_xyxy[:, 3] - seen.boxes_xyxy[:, 1]
    inside = ((seen.heads_xy > 12) & (seen.heads_xy < [width - 12, height - 12])).all(axis=1)
    rows = np.flatnonzero(inside & (seen.shares > 0.99) & (tall > 9) & (seen.covered == 0))
    away = np.hypot(*(seen.heads_xy[rows] - [width / 2, height / 2]).T)
    rows = rows[np.argsort(-away)][:8]
    assert away.max() > 0.6 * np.hypot(width, height) / 2
    off = []
    for row in rows.tolist():
        image = one.image(0, seen.take(slice(row, row + 1))).astype(int)
        x0, y0, x1, _ = np.rint(seen.boxes_xyxy[row]).astype(int).tolist()
        changed = np.abs(image - nobody).max(axis=2)[: y0 + 8, x0 : x1 + 1] > 30
        found = np.flatnonzero(changed.any(axis=1))
        if len(found):
            off.append(abs(found[0] - seen.boxes_xyxy[row, 1]))
    assert len(off) >= 6
    # Dark hair before something dark begins to be seen a little lower.
    assert np.median(off) < 1.2
    assert max(off) < 4


def test_what_the_image_lacks_is_not_seen() -> None:
    one = usual()
    seen = one.look(0)
    outside = ((seen.boxes_xyxy[:, 2:] < 0) | (seen.boxes_xyxy[:, :2] > one.plan.size_wh)).any(1)
    assert outside.any()
    assert (seen.shares[outside] == 0).all()


def test_a_head_outside_the_image_is_marked_so() -> None:
    one = usual()
    seen = one.look(0)
    outside = ~inside(seen.heads_xy, one.plan.size_wh)
    assert outside.any()
    assert np.array_equal(seen.covered == -1, outside)


def test_a_frame_is_the_same_whether_it_was_looked_at_or_not() -> None:
    one = scene(size_wh=(320, 180))
    image = one.image(0)  # draws
    one.look(0)
    assert np.array_equal(one.image(0), image)


def test_an_override_of_zero_leaves_all_lenses_straight() -> None:
    assert {one.distortion for one in plan("heads", 0, Overrides(distortion=0.0))} == {0.0}
    assert {one.distortion for one in plan("heads", 0, Overrides(distortion=0.2))} == {0.2}
    assert {one.distortion for one in plan("tiny", 0)} == {0.0}


def test_files_hold_no_pinhole(tmp_path: Path) -> None:
    captures, dataset = tmp_path / "captures", tmp_path / "dataset"
    words = ["--sequences", "2", "--frames", "1", "--distortion", "0.2", "--workers", "1"]
    assert gtahead("simulate", "--out", captures, *words).code == 0
    library.build(captures, dataset)
    frames = list(library.Dataset.open(dataset))
    assert [frame.camera for frame in frames] == [None, None]
    assert gtahead("validate", dataset).code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--distortion", "0.7"], "the distortion must be from 0 to 0.5 (got 0.7)"),
        (["--distortion", "nan"], "the distortion must be from 0 to 0.5 (got nan)"),
        (["--distortion", "0.2", "--layout", "gcc"], "lenses without distortion (got 'gcc')"),
    ],
)
def test_what_cannot_be(words: list[str], message: str, tmp_path: Path) -> None:
    outcome = gtahead("simulate", "--out", tmp_path / "captures", *words)
    assert (outcome.code, message in outcome.err) == (2, True), outcome.err
    assert not (tmp_path / "captures").exists()


def test_a_third_of_the_photographs_are_bent_but_not_in_other_layouts() -> None:
    strengths = [one.distortion for one in plan("heads", 0)]
    assert 0.2 < np.mean([strength > 0 for strength in strengths]) < 0.5
    assert {one.distortion for one in plan("heads", 0, may_distort=False)} == {0.0}
    with pytest.raises(UsageError):
        plan("heads", 0, Overrides(distortion=-0.1))
