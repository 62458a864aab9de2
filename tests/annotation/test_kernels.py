from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.annotation import BoxRule, HeadFrames, give_boxes
from gtahead.annotation.kernels import SIGMA_RULES, SigmaRule, corner_radius, give_sigmas
from gtahead.errors import UsageError
from gtahead.geometry import box_iou


def scene(frames: list[list[tuple[float, float]]]) -> HeadFrames:
    points = np.array([point for frame in frames for point in frame], np.float64).reshape(-1, 2)
    heads = {
        "head_id": np.arange(len(points)),
        "frame_index": np.array([n for n, frame in enumerate(frames) for _ in frame], np.int32),
        "x": points[:, 0],
        "y": points[:, 1],
    }
    unknown = np.full(len(frames), np.nan)
    return HeadFrames(heads, len(frames), np.full(len(frames), 1080.0), unknown, unknown)


def boxes(widths: list[float], heights: list[float]) -> np.ndarray:
    zero = np.zeros(len(widths))
    return np.stack([zero, zero, np.array(widths), np.array(heights)], axis=1)


def test_each_rule_by_hand() -> None:
    heads = scene([[(0, 0), (30, 40), (30, 40)], [(5, 5)]])
    given_boxes = boxes([16, 8, 4, 12], [20, 8, 4, 24])

    def sigmas(rule: str) -> list[list[float]]:
        return give_sigmas(heads, given_boxes, SigmaRule.parse(rule)).round(3).tolist()

    assert sigmas("box") == [[4, 5], [2, 2], [1, 1], [3, 6]]
    assert sigmas("box:0.5")[0] == [8, 10]
    assert sigmas("fixed:15") == [[15, 15]] * 4
    assert sigmas("knn:k=2,beta=0.1") == [[5, 5], [2.5, 2.5], [2.5, 2.5], [3, 6]]  # alone: its box
    assert sigmas("knn:k=1,beta=0.1")[1] == [0.5, 0.5]  # in one location
    # A square of 8 px may shift by the root of r^2 - 16 r + 64 * 0.3 / 1.7, (2 r + 1) / 6.
    least = min(
        8 - np.sqrt(64 - 64 * 0.3 / 1.7),
        (32 - np.sqrt(32**2 - 16 * 0.3 * 64)) / 8,
        (-22.4 + np.sqrt(22.4**2 + 16 * 0.7 * 0.3 * 64)) / 5.6,
    )
    assert sigmas("radius")[1][0] == pytest.approx(max((2 * least + 1) / 6, 0.5), abs=0.003)


def test_sigmas_have_a_ceiling() -> None:
    far = scene([[(0, 0), (1900, 1000)]])
    assert give_sigmas(far, boxes([9, 9], [9, 9]), SigmaRule.parse("knn")).max() == 135


@given(st.floats(1, 300), st.floats(1, 300), st.floats(0.05, 0.95))
def test_the_exact_radius_keeps_the_overlap(width: float, height: float, iou: float) -> None:
    """Corners moved by the radius in each of the three ways overlap by at least `iou`, once by it."""
    r = float(corner_radius(np.array([[width, height]]), iou, legacy=False)[0])
    box = np.array([[0, 0, width, height]])
    ways = [
        [r, r, width + r, height + r],
        [r, r, width - r, height - r],
        [-r, -r, width + r, height + r],
    ]
    overlaps = [float(box_iou(box, np.array([way]))[0]) for way in ways]
    assert min(overlaps) == pytest.approx(iou, abs=1e-6)


def test_legacy_is_cornernets_program() -> None:
    w, h, o = 40.0, 30.0, 0.7
    b1, c1 = h + w, w * h * (1 - o) / (1 + o)
    b2, c2 = 2 * (h + w), (1 - o) * w * h
    a3, b3, c3 = 4 * o, -2 * o * (h + w), (o - 1) * w * h
    printed = [
        (b1 + np.sqrt(b1**2 - 4 * c1)) / 2,
        (b2 + np.sqrt(b2**2 - 16 * c2)) / 2,
        (b3 + np.sqrt(b3**2 - 4 * a3 * c3)) / 2,
    ]
    assert corner_radius(np.array([[w, h]]), o, legacy=True)[0] == pytest.approx(min(printed))


@given(
    st.lists(
        st.lists(st.tuples(st.floats(-50, 2000), st.floats(-50, 1200)), max_size=5), max_size=4
    ),
    st.sampled_from([*SIGMA_RULES, "radius:variant=legacy", "knn:k=9"]),
)
def test_every_head_gets_finite_sigmas(frames: list[list[tuple[float, float]]], rule: str) -> None:
    heads = scene(frames)
    found = give_sigmas(heads, give_boxes(heads, BoxRule()).boxes_xyxy, SigmaRule.parse(rule))
    assert found.shape == (len(heads.heads["x"]), 2)
    assert np.isfinite(found).all()
    assert (found >= 0.5).all()


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("box", "box:ratio=0.25"),
        ("fixed:8", "fixed:px=8"),
        ("knn:beta=0.5", "knn:beta=0.5,k=3"),
        ("radius:variant=legacy", "radius:iou=0.7,variant=legacy"),
    ],
)
def test_rules_are_spelt_in_full(text: str, spelt: str) -> None:
    rule = SigmaRule.parse(text)
    assert str(rule) == spelt
    assert str(SigmaRule.parse(spelt)) == spelt


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixd:3", "unknown sigma rule (got 'fixd'); did you mean fixed?"),
        (
            "knn:betta=1",
            "the sigma rule knn has no such parameter (got 'betta'); did you mean beta?",
        ),
        ("knn:k=2.5", "k of the sigma rule knn must be a whole number above 0"),
        ("fixed:0", "px of the sigma rule fixed must be a number above 0"),
        (
            "radius:variant=exakt",
            "unknown variant of the sigma rule radius (got 'exakt'); did you mean exact?",
        ),
        (
            "radius:iou=1",
            "iou of the sigma rule radius must lie between 0 and 1 (got 1.0); such as iou=0.7",
        ),
    ],
)
def test_bad_rules(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        SigmaRule.parse(text)
