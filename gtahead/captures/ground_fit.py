"""Finding the height of the ground from a polygon that people are known to stand in.

Labelled GCC scenes don't say how high the ground is, but where on it people were set down. Seen
from the camera, the heads' positions on the ground move away as the ground sinks; at the right
height they fill the polygon.
"""

from __future__ import annotations

import numpy as np

from gtahead.arrays import Booleans, Floats
from gtahead.geometry import Camera, rays

BONE_HEIGHT_M = 1.5
"""Of SKEL_Head above the ground; see `gtahead.annotation.ground`."""

MIN_INSIDE = 0.9
"""Share of heads that must fall into the polygon, else people stand on several levels."""

AS_GOOD = 0.002
MAX_SPREAD = 1.5
"""Most that the largest good drop may be of the smallest: else the heads don't say how high."""

MIN_HEADS = 20
MAX_HEADS = 2000
"""A sample of so many is enough."""

MAX_CORNERS = 100
_DROPS = np.geomspace(0.3, 200.0, 1200)  # metres from the camera down to the heads


def inside_polygon(positions: Floats, corners: Floats) -> Booleans:
    """Return which (N, 2) points lie in a polygon of (n, 2) corners, by the even-odd rule."""
    odd = np.zeros(len(positions), np.bool_)
    x, y = positions.T
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 <= y) != (y1 <= y)
            odd ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return odd


def ground_from_polygon(
    bones_xy: Floats, camera: Camera, size_wh: tuple[int, int], corners_m: Floats
) -> float | None:
    """Fit the height of the ground.

    Args:
        bones_xy: (N, 2) pixels of SKEL_Head, all frames of one camera.
        camera: with its pose.
        size_wh: of the images.
        corners_m: (n, 2) the polygon, x and y of the world.

    Returns:
        z of the ground: of the heights that put most heads into the polygon, the middle one. None
        where no height puts 90 % there, or heights too far apart do, or there are too few heads.
    """
    if camera.position_m is None or camera.rotation_deg is None or len(bones_xy) < MIN_HEADS:
        return None
    if len(corners_m) > MAX_CORNERS:
        return None
    directions = rays(bones_xy[:: -(-len(bones_xy) // MAX_HEADS)], camera, size_wh)
    directions = directions[directions[:, 2] < -1e-6]
    if len(directions) < MIN_HEADS:
        return None
    reach = -directions[:, :2] / directions[:, 2:]  # on the ground, for each metre down
    foot = np.array(camera.position_m[:2])
    shares = np.array(
        [inside_polygon(foot + drop * reach, corners_m).mean() for drop in _DROPS], np.float64
    )
    best = float(shares.max())
    if best < MIN_INSIDE:
        return None
    good = _DROPS[shares >= best - AS_GOOD]
    if good[-1] > MAX_SPREAD * good[0]:
        return None
    drop = float(np.sqrt(good[0] * good[-1]))
    return round(camera.position_m[2] - drop - BONE_HEIGHT_M, 3)
