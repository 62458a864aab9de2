from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.annotation import BoxRule, HeadFrames, PseudoBoxes, give_boxes
from gtahead.annotation.boxes import ORDER, RULES, calibration, error_range, nearest_distances
from gtahead.errors import UsageError

FOCAL = 1000.0


def scene(frames: list[list[tuple[float, float]]], **columns: list[float]) -> HeadFrames:
    points = [point for frame in frames for point in frame]
    index = [number for number, frame in enumerate(frames) for _ in frame]
    heads = {
        "head_id": np.arange(len(points)),
        "frame_index": np.array(index, np.int32),
        "x": np.array([x for x, _ in points], np.float64),
        "y": np.array([y for _, y in points], np.float64),
        **{name: np.array(values, np.float64) for name, values in columns.items()},
    }
    count = len(frames)
    return HeadFrames(
        heads, count, np.full(count, 1080.0), np.full(count, FOCAL), np.full(count, np.nan)
    )


def sources(found: PseudoBoxes) -> list[str]:
    return [ORDER[code] for code in found.source]


def test_each_rule_by_hand() -> None:
    heads = scene(
        [[(100, 200), (130, 240)]],
        depth_m=[10, 20],
        top_neck_m=[0.2, 0.2],
        top_x=[100, 130],
        top_y=[200, 240],
        neck_x=[103, 130],
        neck_y=[204, 250],
        captured_x0=[90, 120],
        captured_y0=[190, 230],
        captured_x1=[110.001, 141],
        captured_y1=[212, 252],
    )

    def sizes(rule: str) -> list[list[float]]:
        boxes = give_boxes(heads, BoxRule.parse(rule)).boxes_xyxy
        return (boxes[:, 2:] - boxes[:, :2]).round(2).tolist()

    assert sizes("camera") == [[24, 24], [12, 12]]
    assert sizes("camera:side_m=0.3") == [[30, 30], [15, 15]]
    assert sizes("joints") == [[21.6, 27], [10.8, 13.5]]  # 1.35 x 0.2 m x 1000 px / 10 m, x 0.8
    assert sizes("fixed:side=32") == [[32, 32], [32, 32]]
    assert sizes("knn:scale=0.5") == [[25, 25], [25, 25]]  # 50 px apart
    captured = give_boxes(heads, BoxRule.parse("captured"))
    assert captured.boxes_xyxy[0].tolist() == [90, 190, 110.001, 212]  # as captured, not rounded
    assert captured.error_px.tolist() == [0, 0]
    del heads.heads["top_neck_m"]
    assert sizes("joints") == [[5.4, 6.75], [10.8, 13.5]]  # 5 and 10 px in the image
    tilted = HeadFrames(heads.heads, 1, heads.heights_px, heads.focal_px, np.array([-60.0]))
    boxes = give_boxes(tilted, BoxRule.parse("joints")).boxes_xyxy
    assert (boxes[:, 3] - boxes[:, 1]).round(2).tolist() == [13.5, 27]  # seen from 60 degrees above


def test_boxes_are_centred_and_on_the_grid() -> None:
    found = give_boxes(scene([[(100.3, 200.7)]], depth_m=[7.77]), BoxRule())
    assert sources(found) == ["camera"]
    box = found.boxes_xyxy[0]
    assert (box * 256 == np.round(box * 256)).all()
    assert (box[:2] + box[2:]) / 2 == pytest.approx([100.3, 200.7], abs=1 / 256)
    assert found.error_px[0] > 0


@pytest.mark.parametrize(("spec", "factor"), [("knn:scale=0.5", 2.0), ("camera:side_m=0.12", 0.5)])
def test_errors_follow_what_makes_all_boxes_larger(spec: str, factor: float) -> None:
    rule = BoxRule.parse(spec)
    usual, other = (error_range(rule.name, one, "game") for one in (BoxRule(rule.name), rule))
    assert usual is not None
    assert other == pytest.approx([factor * (1 + one) - 1 for one in usual])
    heads = scene([[(100, 200), (150, 200)]], depth_m=[10, 20])
    found = give_boxes(heads, rule)
    assert (found.error_px > 0).all()


@pytest.mark.parametrize("spec", ["knn:k=1", "knn:cap=0.5", "joints:aspect=1"])
def test_of_other_parameters_the_error_is_not_known(spec: str) -> None:
    rule = BoxRule.parse(spec)
    assert error_range(rule.name, rule, "game") is None
    heads = scene([[(100, 200), (150, 200)]], top_neck_m=[0.2, 0.2], depth_m=[10, 20])
    assert np.isnan(give_boxes(heads, rule).error_px).all()


def test_auto_chooses_for_each_frame_so_that_none_is_mixed() -> None:
    nan = float("nan")
    heads = scene(
        [[(1, 1), (9, 9)], [(1, 1), (9, 9)], [], [(5, 5)], [(5, 5), (8, 8)]],
        depth_m=[5, 5, 5, nan, nan, nan, nan],
        top_neck_m=[0.2, 0.2, nan, nan, nan, nan, nan],
    )
    found = give_boxes(heads, BoxRule())
    assert sources(found) == ["joints", "joints", "crowd", "crowd", "fixed", "crowd", "crowd"]
    assert found.fell_back == 0
    wanted = give_boxes(heads, BoxRule("camera"))
    assert sources(wanted) == ["camera", "camera", "crowd", "crowd", "fixed", "crowd", "crowd"]
    assert wanted.fell_back == 3  # frames; the one without heads lacks nothing


def test_no_heads_at_all() -> None:
    found = give_boxes(scene([[], []]), BoxRule())
    assert found.boxes_xyxy.shape == (0, 4)
    assert len(found.source) == len(found.error_px) == found.fell_back == 0


def test_neighbours() -> None:
    assert np.isnan(nearest_distances(np.array([[1.0, 1.0]]), 3)).all()
    assert nearest_distances(np.empty((0, 2)), 3).shape == (0,)
    two = np.array([[0.0, 0], [3, 4]])
    assert nearest_distances(two, 3).tolist() == [5, 5]
    line = np.array([[0.0, 0], [1, 0], [3, 0], [7, 0], [15, 0]])
    assert nearest_distances(line, 2)[0] == pytest.approx(2)
    assert nearest_distances(np.zeros((4, 2)), 3).tolist() == [0, 0, 0, 0]


def test_coincident_heads_get_the_floor_and_far_ones_the_ceiling() -> None:
    boxes = give_boxes(scene([[(5, 5), (5, 5)], [(0, 0), (1900, 1000)]]), BoxRule("knn")).boxes_xyxy
    assert (boxes[:, 2] - boxes[:, 0]).tolist() == [2, 2, 135, 135]  # 2 px, H / 8


@given(
    st.lists(
        st.lists(st.tuples(st.floats(-100, 2000), st.floats(-100, 1200)), max_size=6), max_size=5
    ),
    st.sampled_from(sorted(RULES)),
)
def test_every_head_gets_a_finite_box_that_holds_it(
    frames: list[list[tuple[float, float]]], rule: str
) -> None:
    heads = scene(frames)
    found = give_boxes(heads, BoxRule(rule))
    points = heads.points_xy
    assert np.isfinite(found.boxes_xyxy).all()
    assert (found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2] >= 2 - 1 / 128).all()
    assert (found.boxes_xyxy[:, :2] <= points).all()
    assert (points <= found.boxes_xyxy[:, 2:]).all()
    for number in range(len(frames)):
        assert len({*found.source[heads.heads["frame_index"] == number]}) <= 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jonts", "unknown box rule (got 'jonts'); did you mean joints? known: auto, captured"),
        ("zzz", "unknown box rule (got 'zzz'); known: auto"),
        ("knn:q=3", "the box rule knn has no such parameter (got 'q'); known: k, scale"),
        ("knn:scal=3", "(got 'scal'); did you mean scale? known: k, scale"),
        ("auto:k=3", "the box rule auto has no such parameter (got 'k'); known: it takes none"),
        (
            "knn:k=2.5",
            "k of the box rule knn must be a whole number above 0, at most 100000 (got '2.5'); such as k=3",
        ),
        (
            "fixed:side=-1",
            "side of the box rule fixed must be a number above 0, at most 100000 (got '-1')",
        ),
        ("fixed:side=nan", "must be a number above 0, at most 100000 (got 'nan')"),
        ("fixed:side", "must be a number above 0, at most 100000 (got 'side')"),
    ],
)
def test_bad_rules(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        BoxRule.parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text", ["auto", "knn:cap=0.125,k=5,scale=0.3", "fixed:side=12.5", "crowd:scale=1.1"]
)
def test_a_rule_reads_back_what_it_prints(text: str) -> None:
    assert str(BoxRule.parse(text)) == text


@pytest.mark.parametrize("kind", ["rendered", "photographs"])
def test_the_shipped_calibration_is_sound(kind: str) -> None:
    rules = calibration()[kind]["rules"]
    assert {"crowd", "knn", "perspective:knn"} <= set(rules)
    for rule, row in rules.items():
        assert rule in ORDER
        assert row["p10"] < row["median"] < row["p90"]
        assert row["heads"] > 10_000


def by_the_formula(points: np.ndarray, height: float, constant: float) -> list[float]:
    """Sides of heads in a crowd, head by head as docs/boxes.md writes it."""
    count = len(points)
    away = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    order = np.argsort(away, axis=1, kind="stable")
    spacing = []
    for i in range(count):
        nearest = [max(away[i, j], 0.5) for j in order[i] if j != i][:3]
        spacing.append(np.log(sum(nearest) / len(nearest)))
    around = [
        np.mean([spacing[j] for j in order[i][: min(8, count - 1) + 1]]) for i in range(count)
    ]
    down = (points[:, 1] - points[:, 1].mean()) / height
    slope = sum(down * (np.array(around) - np.mean(around)))
    slope = max(0.0, slope / (sum(down**2) + 0.01 * count + 0.2))
    typical, sides = np.median(spacing), []
    for i in range(count):
        perspective = np.mean(around) + slope * down[i]
        total = np.log(height) + constant + 0.25 * (spacing[i] - around[i])
        total += 0.40 * (around[i] - perspective) + 1.20 * (perspective - typical)
        total += 0.94 * (typical - np.log(height)) - 0.50 * max(0, np.log(16 / count))
        sides.append(np.exp(total))
    return sides


@pytest.mark.parametrize("count", [2, 3, 5, 16, 60])
@pytest.mark.parametrize(("origin", "constant"), [("photographs", -0.565), ("game", -1.55)])
def test_a_crowds_sizes_by_the_formula(count: int, origin: str, constant: float) -> None:
    points = np.random.default_rng(count).uniform([0, 0], [1920, 1080], (count, 2))
    heads = replace(scene([[tuple(p) for p in points]]), origin=origin)
    found = give_boxes(heads, BoxRule("crowd"))
    assert set(sources(found)) == {"crowd"}
    sides = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0]
    wanted = np.clip(by_the_formula(points, 1080, constant), 2, 270)
    assert sides == pytest.approx(wanted, abs=1 / 128)
    twice = give_boxes(heads, BoxRule.parse("crowd:scale=2")).boxes_xyxy
    assert twice[:, 2] - twice[:, 0] == pytest.approx(np.clip(2 * sides, 2, 270), abs=1 / 64)


def test_crowds_of_extremes() -> None:
    heads = scene([[(5.0, 5.0)] * 20, [(float(n), 0.0) for n in range(50)], [(1, 1), (1900, 1000)]])
    found = give_boxes(heads, BoxRule())
    sides = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0]
    assert set(sources(found)) == {"crowd"}
    assert np.isfinite(sides).all()
    assert (sides >= 2).all()
    assert (sides <= 1080 / 4).all()
    assert (found.error_px > 0).all()


def _street(count: int = 40, seed: int = 0) -> tuple[list[tuple[float, float]], np.ndarray]:
    """Heads on a plane before a camera: their locations, and true sides of 0.24 m at their depth."""
    random = np.random.default_rng(seed)
    depth = random.uniform(8, 60, count)
    x = 960 + random.uniform(-8, 8, count) * FOCAL / depth
    y = 300 + 6.0 * FOCAL / depth  # the camera is 6 m above the heads, the horizon at 300
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)], 240 / depth


def test_perspective_gives_the_size_of_those_whose_depth_is_unknown() -> None:
    points, true = _street()
    depth = 240 / true
    depth[::3] = np.nan
    found = give_boxes(scene([points], depth_m=list(depth)), BoxRule())
    assert set(sources(found)) == {"perspective"}
    sides = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0]
    assert sides == pytest.approx(np.maximum(true, 2), rel=0.02)
    off = np.array(true)
    off[1::7] *= 4  # a few wild ones don't matter
    wild = give_boxes(
        scene([points], depth_m=list(np.where(np.isnan(depth), depth, 240 / off))), BoxRule()
    )
    assert wild.boxes_xyxy[:, 2] - wild.boxes_xyxy[:, 0] == pytest.approx(sides, rel=0.05)


def test_perspective_of_neighbours_where_nothing_is_known() -> None:
    points, _ = _street(200)
    found = give_boxes(scene([points]), BoxRule("perspective"))
    assert set(sources(found)) == {"perspective:knn"}
    sides = found.boxes_xyxy[:, 2] - found.boxes_xyxy[:, 0]
    order = np.argsort([y for _, y in points])
    assert (np.diff(sides[order]) >= -1 / 256).all()  # the lower, the larger
    assert found.fell_back == 0
    wider = give_boxes(scene([points]), BoxRule.parse("perspective:scale=0.5"))
    assert wider.boxes_xyxy[:, 2] - wider.boxes_xyxy[:, 0] == pytest.approx(2 * sides, rel=0.05)


def test_frames_of_one_camera_help_each_other() -> None:
    points, true = _street(30)
    few = points[:3]
    frames = scene([points, few], depth_m=[*(240 / true), np.nan, np.nan, np.nan])
    alone = give_boxes(frames, BoxRule("perspective"))
    assert sources(alone)[-1] == "crowd"  # each frame by itself: three heads tell nothing
    together = HeadFrames(
        frames.heads, 2, frames.heights_px, frames.focal_px, frames.pitch_deg, np.array([5, 5])
    )
    found = give_boxes(together, BoxRule("perspective"))
    assert set(sources(found)) == {"perspective"}
    sides = found.boxes_xyxy[-3:, 2] - found.boxes_xyxy[-3:, 0]
    assert sides == pytest.approx(np.maximum(true[:3], 2), rel=0.02)


def test_a_rolled_camera_has_sizes_from_left_to_right() -> None:
    random = np.random.default_rng(4)
    points = [tuple(map(float, p)) for p in random.uniform([0, 0], [1920, 1080], (60, 2))]
    true = np.array([10 + x / 100 + y / 50 for x, y in points])
    depth = 240 / true
    depth[:20] = np.nan
    flat = scene([points], depth_m=list(depth))  # type: ignore[list-item]
    rolled = HeadFrames(
        flat.heads, 1, flat.heights_px, flat.focal_px, flat.pitch_deg, None, np.array([20.0])
    )
    found = give_boxes(rolled, BoxRule("perspective")).boxes_xyxy
    assert found[:, 2] - found[:, 0] == pytest.approx(true, abs=0.02)


@pytest.mark.parametrize(
    "frame",
    [
        [(100.0 * n, 40.0 * n) for n in range(7)],  # too few
        [(40.0 * n, 500.0 + n) for n in range(30)],  # all in one row
        [(9.0 * n * n, 1000.0 - 9 * n * n) for n in range(11)],  # larger upwards
    ],
)
def test_what_perspective_cant_fit_is_left_to_neighbours(frame: list[tuple[float, float]]) -> None:
    assert set(sources(give_boxes(scene([frame]), BoxRule("perspective")))) == {"crowd"}
