from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtahead.geometry import (
    Camera,
    box_iou,
    boxes_around,
    depth_at_height,
    depth_from_distance,
    focal_px,
    inside,
    project,
    rays,
    reorient_boxes,
    reorient_points,
    snapped_within,
    vertical_fov_deg,
)

SIZE = (1920, 1080)
ANGLE = st.floats(-180, 180)


def _by_matrices(point: np.ndarray, camera: Camera) -> tuple[float, float, float]:
    """The same by rotation matrices: the camera's axes are the columns of Rz(yaw) Ry(roll) Rx(pitch)."""
    pitch, roll, yaw = (math.radians(a) for a in camera.rotation_deg or ())
    rx = np.array(
        [[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]]
    )
    ry = np.array(
        [[math.cos(roll), 0, math.sin(roll)], [0, 1, 0], [-math.sin(roll), 0, math.cos(roll)]]
    )
    rz = np.array(
        [[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]
    )
    right, forward, up = map(float, (rz @ ry @ rx).T @ (point - np.array(camera.position_m)))
    f = SIZE[1] / 2 / math.tan(math.radians(camera.vfov_deg) / 2)
    if forward == 0:
        return math.nan, math.nan, forward
    return SIZE[0] / 2 + f * right / forward, SIZE[1] / 2 - f * up / forward, forward


@given(
    st.tuples(ANGLE, ANGLE, ANGLE),
    st.tuples(*[st.floats(-100, 100)] * 3),
    st.tuples(*[st.floats(-100, 100)] * 3),
    st.floats(10, 120),
)
def test_projection_equals_rotation_matrices(
    rotation: tuple[float, float, float],
    position: tuple[float, float, float],
    point: tuple[float, float, float],
    vfov: float,
) -> None:
    camera = Camera(vfov, position, rotation)
    xy, depth = project(np.array([point]), camera, SIZE)
    x, y, forward = _by_matrices(np.array(point), camera)
    assert depth[0] == pytest.approx(forward, abs=1e-9)
    if forward > 1.0:
        assert xy[0] == pytest.approx([x, y], rel=1e-9, abs=1e-6)
    elif forward < -1e-9:
        assert np.isnan(xy[0]).all()  # behind the camera: no mirrored pixels


def test_ten_thousand_cameras_against_matrices() -> None:
    """Cameras and points all over the game's map, half of the points behind the camera."""
    random = np.random.default_rng(0)
    worst, in_image, behind = 0.0, 0, 0
    for _ in range(10_000):
        camera = Camera(
            random.uniform(10, 120),
            tuple(random.uniform(-8000, 8000, 3)),
            tuple(random.uniform(-180, 180, 3)),
        )
        point = np.array(camera.position_m) + random.normal(0, 40, 3)
        xy, depth = project(point[None], camera, SIZE)
        x, y, forward = _by_matrices(point, camera)
        assert depth[0] == pytest.approx(forward, abs=1e-9)
        if forward <= 0:
            behind += 1
            assert np.isnan(xy[0]).all()  # refused: the game would mirror it into the image
        elif max(abs(x - 960), abs(y - 540)) < 3000:
            in_image += 1
            worst = max(worst, abs(xy[0, 0] - x), abs(xy[0, 1] - y))
    assert (in_image > 3000, behind > 4000) == (True, True)
    assert worst <= 1e-6


@given(
    st.tuples(st.floats(-90, 90), st.floats(-30, 30), ANGLE),
    st.tuples(*[st.floats(-8000, 8000)] * 3),
    st.tuples(st.floats(-500, 2500), st.floats(-500, 1500)),
    st.floats(0.5, 500),
    st.floats(10, 120),
)
def test_rays_turn_projection_round(
    rotation: tuple[float, float, float],
    position: tuple[float, float, float],
    pixel: tuple[float, float],
    depth: float,
    vfov: float,
) -> None:
    camera = Camera(vfov, position, rotation)
    way = rays(np.array([pixel]), camera, SIZE)
    xy, found = project(np.array(position) + depth * way, camera, SIZE)
    assert found[0] == pytest.approx(depth, rel=1e-9, abs=1e-9)
    assert xy[0] == pytest.approx(pixel, abs=1e-5)
    height = position[2] + depth * way[0, 2]
    if abs(way[0, 2]) > 1e-3:
        assert depth_at_height(np.array([pixel]), camera, SIZE, height)[0] == pytest.approx(
            depth, rel=1e-6
        )


def test_what_never_reaches_a_height_has_no_depth() -> None:
    level = Camera(50, (0, 0, 10), (0, 0, 0))
    points = np.array([[960.0, 200], [960, 540], [960, 900]])
    depth = depth_at_height(points, level, SIZE, 1.6)
    assert np.isnan(depth[:2]).all()  # the sky, and the horizon
    assert depth[2] == pytest.approx(8.4 * focal_px(50, 1080) / 360)


def test_rays_need_a_pose() -> None:
    with pytest.raises(ValueError, match="must be known"):
        rays(np.zeros((1, 2)), Camera(50), SIZE)
    with pytest.raises(ValueError, match="must be known"):
        depth_at_height(np.zeros((1, 2)), Camera(50, None, (0, 0, 0)), SIZE, 0.0)


def test_projection_of_known_points() -> None:
    ahead = Camera(50, (0, 0, 0), (0, 0, 0))
    points = np.array([[0.0, 10, 0], [1, 10, 0], [0, 10, 1], [0, -10, 0], [0, 0, 0]])
    xy, depth = project(points, ahead, SIZE)
    f = focal_px(50, 1080)
    assert round(f, 2) == 1158.03
    assert xy[:3] == pytest.approx(np.array([[960, 540], [960 + f / 10, 540], [960, 540 - f / 10]]))
    assert np.isnan(xy[3:]).all()
    assert depth.tolist() == [10, 10, 10, -10, 0]
    down, _ = project(np.array([[0.0, 10, -10]]), Camera(50, (0, 0, 0), (-45, 0, 0)), SIZE)
    assert down[0] == pytest.approx([960, 540])
    east, _ = project(np.array([[10.0, 0, 0]]), Camera(50, (0, 0, 0), (0, 0, -90)), SIZE)
    assert east[0] == pytest.approx([960, 540])


def test_projecting_needs_a_pose() -> None:
    with pytest.raises(ValueError, match="must be known"):
        project(np.zeros((1, 3)), Camera(50), SIZE)


def test_focal_length_and_field_of_view_are_inverse() -> None:
    assert vertical_fov_deg(focal_px(47.5, 720), 720) == pytest.approx(47.5)


def test_depth_is_less_than_distance_away_from_the_axis() -> None:
    camera = Camera(50, (0, 0, 0), (0, 0, 0))
    points = np.array([[3.0, 12.0, -2.0], [0.0, 7.0, 0.0]])
    xy, depth = project(points, camera, SIZE)
    distance = np.linalg.norm(points, axis=1)
    assert depth_from_distance(xy, distance, 50.0, SIZE) == pytest.approx(depth)


def test_inside_is_half_open() -> None:
    points = np.array([[0, 0], [1919.99, 1079.99], [1920, 5], [5, 1080], [-0.01, 5]])
    assert inside(points, SIZE).tolist() == [True, True, False, False, False]


def test_iou_by_hand() -> None:
    a = np.array([[0.0, 0, 2, 2], [0, 0, 1, 1], [0, 0, 0, 0], [0, 0, 2, 2]])
    b = np.array([[1.0, 1, 3, 3], [5, 5, 6, 6], [0, 0, 0, 0], [0, 0, 2, 2]])
    assert box_iou(a, b) == pytest.approx([1 / 7, 0, 0, 1])


def test_boxes_are_centred() -> None:
    boxes = boxes_around(np.array([[10.0, 20.0]]), np.array([4.0]), np.array([6.0]))
    assert boxes.tolist() == [[8, 17, 12, 23]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_points_is_what_pillow_does_to_pixels(orientation: int) -> None:
    from PIL import Image, ImageOps

    width, height = 7, 4
    for x in range(width):
        for y in range(height):
            image = Image.new("L", (width, height))
            image.putpixel((x, y), 255)
            exif = image.getexif()
            exif[0x0112] = orientation
            turned = np.asarray(ImageOps.exif_transpose(image))
            row, column = np.argwhere(turned == 255)[0]
            centre = reorient_points(np.array([[x + 0.5, y + 0.5]]), orientation, (width, height))
            assert centre.tolist() == [[column + 0.5, row + 0.5]]
            box = reorient_boxes(np.array([[x, y, x + 1.0, y + 1.0]]), orientation, (width, height))
            assert box.tolist() == [[column, row, column + 1, row + 1]]


@given(st.lists(st.tuples(st.floats(-10, 110), st.integers(1, 100)), min_size=1))
def test_snapping_moves_no_head_across_the_border(drawn: list[tuple[float, int]]) -> None:
    values, limits = np.array([v for v, _ in drawn]), np.array([n for _, n in drawn])
    found = snapped_within(values, limits)
    assert (found * 256 == np.round(found * 256)).all()
    inside = (values >= 0) & (values < limits)
    assert (((found >= 0) & (found < limits)) == inside).all()
    assert (np.abs(found - values) <= 1 / 256).all()
