"""Boxes and the game's camera, as pure functions of arrays.

Pixels are continuous and 0-based, with the origin at the top-left corner of the top-left pixel,
x to the right and y down. World coordinates are metres: x east, y north, z up. Rotations are the
game's three degrees: x is pitch, y roll, z yaw; a camera without rotation looks along world +y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats

GRID = 256
"""Pixels that are stored are multiples of 1/256: the same whatever computed or spelt them."""


VFOV_DEG = (0.01, 179.99)
"""The narrowest and the widest vertical field of view that is believed."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera of the game: square pixels, no skew, axis through the image's centre.

    Attributes:
        vfov_deg: vertical field of view in degrees, within `VFOV_DEG`.
        position_m: where it stands in the world, None where that isn't known.
        rotation_deg: pitch, roll, yaw; None where they aren't known.
    """

    vfov_deg: float
    position_m: tuple[float, float, float] | None = None
    rotation_deg: tuple[float, float, float] | None = None


def focal_px(vfov_deg: float, height_px: float) -> float:
    """Return the focal length in pixels.

    Example:
        >>> round(focal_px(50.0, 1080), 2)
        1158.03
    """
    return (height_px / 2) / math.tan(math.radians(vfov_deg) / 2)


def vertical_fov_deg(focal: float, height_px: float) -> float:
    """Return the vertical field of view of a focal length in pixels: the inverse of `focal_px`."""
    return math.degrees(2 * math.atan2(height_px / 2, focal))


def project(
    points_world_m: Floats, camera: Camera, size_wh: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Find where the camera sees points of the world.

    Args:
        points_world_m: (N, 3) positions in metres.
        camera: with position and rotation known.
        size_wh: width and height of the image in pixels.

    Returns:
        (N, 2) pixels, and (N,) depths in metres *along the optical axis*. A point that isn't in
        front of the camera (depth <= 0) has NaN pixels: the game would mirror it into the
        image. Its depth is given as it is.

    Raises:
        ValueError: the camera's position or rotation isn't known.

    Source:
        The game's own projection, as public capture tools reimplement it.
    """
    if camera.position_m is None or camera.rotation_deg is None:
        raise ValueError("the camera's position and rotation must be known to project")
    pitch, roll, yaw = np.radians(camera.rotation_deg)
    tx, ty, tz = (np.asarray(points_world_m, np.float64) - camera.position_m).T
    along_x = math.cos(yaw) * tx + math.sin(yaw) * ty
    along_y = math.cos(yaw) * ty - math.sin(yaw) * tx
    up_rolled = math.cos(roll) * tz + math.sin(roll) * along_x
    right = math.cos(roll) * along_x - math.sin(roll) * tz
    forward = math.sin(pitch) * up_rolled + math.cos(pitch) * along_y
    up = math.cos(pitch) * up_rolled - math.sin(pitch) * along_y
    width, height = size_wh
    focal = focal_px(camera.vfov_deg, height)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(forward > 0, focal / forward, np.nan)
    points_xy = np.stack([width / 2 + scale * right, height / 2 - scale * up], axis=1)
    return points_xy, forward


def camera_axes(camera: Camera) -> tuple[Floats, Floats, Floats]:
    """Return the camera's right, forward and up as vectors of the world, (3,) each.

    Raises:
        ValueError: the camera's rotation isn't known.
    """
    if camera.rotation_deg is None:
        raise ValueError("the camera's rotation must be known")
    pitch, roll, yaw = (math.radians(angle) for angle in camera.rotation_deg)
    along_x = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    along_y = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    along_z = np.array([0.0, 0.0, 1.0])
    right = math.cos(roll) * along_x - math.sin(roll) * along_z
    rolled = math.cos(roll) * along_z + math.sin(roll) * along_x
    forward = math.sin(pitch) * rolled + math.cos(pitch) * along_y
    up = math.cos(pitch) * rolled - math.sin(pitch) * along_y
    return right, forward, up


def rays(points_xy: Floats, camera: Camera, size_wh: tuple[int, int]) -> Floats:
    """Return the (N, 3) rays through pixels as vectors of the world, each one metre deep.

    A point of the world is the camera's position plus its depth times its ray: the inverse of
    `project`.

    Raises:
        ValueError: the camera's rotation isn't known.
    """
    right, forward, up = camera_axes(camera)
    focal = focal_px(camera.vfov_deg, size_wh[1])
    across = (points_xy[:, 0] - size_wh[0] / 2) / focal
    above = (size_wh[1] / 2 - points_xy[:, 1]) / focal
    directions: Floats = forward + across[:, None] * right + above[:, None] * up
    return directions


def depth_at_height(
    points_xy: Floats, camera: Camera, size_wh: tuple[int, int], height_m: float
) -> Floats:
    """Find the depths of points that are known to be at one height in the world.

    Args:
        points_xy: (N, 2) pixels.
        camera: with position and rotation known.
        size_wh: of the image.
        height_m: z of the world.

    Returns:
        (N,) metres along the optical axis; NaN where what is seen is never at that height in front
        of the camera.

    Raises:
        ValueError: the camera's position or rotation isn't known.
    """
    if camera.position_m is None:
        raise ValueError("the camera's position must be known")
    climb = rays(points_xy, camera, size_wh)[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = (height_m - camera.position_m[2]) / climb
    return np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)


def depth_from_distance(
    points_xy: Floats, distance_m: Floats, vfov_deg: Floats | float, size_wh: tuple[int, int]
) -> Floats:
    """Turn distances to the camera into depths along its axis (up to 38 % less in a corner)."""
    width, height = size_wh
    focal = (height / 2) / np.tan(np.radians(vfov_deg) / 2)
    offset = np.hypot(points_xy[:, 0] - width / 2, points_xy[:, 1] - height / 2)
    depth: Floats = distance_m / np.hypot(1.0, offset / focal)
    return depth


def boxes_around(points_xy: Floats, widths: Floats, heights: Floats) -> Floats:
    """Return (N, 4) boxes x0 y0 x1 y1 of the given sizes, centred on the points."""
    half = np.stack([widths, heights], axis=1) / 2
    return np.concatenate([points_xy - half, points_xy + half], axis=1)


def inside(points_xy: Floats, size_wh: tuple[int, int]) -> Booleans:
    """Return which points lie in the image: half-open, so 0 <= x < W and 0 <= y < H."""
    x, y = points_xy[:, 0], points_xy[:, 1]
    return (x >= 0) & (x < size_wh[0]) & (y >= 0) & (y < size_wh[1])


def clipped(boxes_xyxy: Floats, limits_wh: Floats) -> Floats:
    """Cut (N, 4) boxes at the borders of their images, (N, 2) widths and heights."""
    limits = np.concatenate([limits_wh, limits_wh], axis=1)
    cut: Floats = np.clip(boxes_xyxy, 0.0, limits)
    return cut


def snapped(pixels: Floats) -> Floats:
    """Round pixels to the multiples of 1/256 that are stored."""
    rounded: Floats = np.round(pixels * GRID) / GRID
    return rounded


def snapped_within(values: Floats, limits: npt.NDArray[np.integer]) -> Floats:
    """Round as `snapped` does, but let no head enter or leave its image.

    Args:
        values: (N,) coordinates along one axis.
        limits: (N,) widths or heights; values in [0, limit) are in the image.
    """
    rounded = snapped(values)
    rounded = np.where((values < limits) & (rounded >= limits), limits - 1 / GRID, rounded)
    return np.where((values < 0) & (rounded >= 0), -1 / GRID, rounded)


def box_sides(boxes_xyxy: Floats) -> Floats:
    """Return (N,) sides of squares with the area of (N, 4) boxes; NaN for boxes with NaN."""
    with np.errstate(invalid="ignore"):
        sides: Floats = np.sqrt(np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1))
    return sides


def box_iou(first_xyxy: Floats, second_xyxy: Floats) -> Floats:
    """Return the intersection over union of (N, 4) boxes pair by pair; 0 where both are empty."""
    low = np.maximum(first_xyxy[:, :2], second_xyxy[:, :2])
    high = np.minimum(first_xyxy[:, 2:], second_xyxy[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = [np.prod(np.maximum(b[:, 2:] - b[:, :2], 0), axis=1) for b in (first_xyxy, second_xyxy)]
    union = areas[0] + areas[1] - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(union), where=union > 0)
    return overlap


def reorient_points(points_xy: Floats, orientation: int, size_wh: tuple[int, int]) -> Floats:
    """Move points from the stored image to the upright one of an EXIF orientation.

    Args:
        points_xy: (N, 2) in the image as stored.
        orientation: EXIF tag 274, 1 to 8.
        size_wh: width and height as stored.

    Returns:
        (N, 2) in the upright image; sides are swapped for 5 to 8.

    Example:
        >>> reorient_points(np.array([[1.0, 2.0]]), 6, (10, 20))
        array([[18.,  1.]])
    """
    width, height = size_wh
    x, y = points_xy[:, 0], points_xy[:, 1]
    turned = {
        1: (x, y),
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }
    return np.stack(turned[orientation], axis=1)


def reorient_boxes(boxes_xyxy: Floats, orientation: int, size_wh: tuple[int, int]) -> Floats:
    """Move boxes as `reorient_points` moves points; corners come back in x0 y0 x1 y1 order."""
    first = reorient_points(boxes_xyxy[:, :2], orientation, size_wh)
    second = reorient_points(boxes_xyxy[:, 2:], orientation, size_wh)
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
