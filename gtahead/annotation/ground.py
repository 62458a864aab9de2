"""Depths of heads from the ground that people stand on, where nothing better is known.

The heads of people on one level are about equally high, so where camera and level are known,
the pixel tells the depth. Heights are of standing adults: of the two real frames that
`tools/experiments/measure_lift.py` looks at, SKEL_Head lies 1.40 m above the ankles (medians 1.396
and 1.415), and ankles 0.1 m above the ground.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gtahead.arrays import Columns
from gtahead.geometry import Camera, depth_at_height

BONE_HEIGHT_M = 1.5
"""Of SKEL_Head above the ground."""

CENTRE_HEIGHT_M = 1.6
"""Of the visible head's centre above the ground."""


def depths_over_ground(
    heads: Columns,
    cameras: Sequence[Camera | None],
    ground_m: Sequence[float | None],
    size_wh: tuple[int, int],
) -> Columns:
    """Estimate each head's depth from the ground's height.

    Args:
        heads: with `frame_index`, `x`, `y`, and `point_kind` where points are bones.
        cameras: of each frame.
        ground_m: of each frame, z of the world; None where it isn't known.
        size_wh: of the images.

    Returns:
        `ground_depth_m` (N,), metres along the optical axis, NaN where it can't be known; no column
        where that is so for every frame.
    """
    known = [
        index
        for index, (camera, ground) in enumerate(zip(cameras, ground_m, strict=True))
        if ground is not None
        and camera is not None
        and camera.position_m is not None
        and camera.rotation_deg is not None
    ]
    if not known:
        return {}
    points = np.stack([heads["x"], heads["y"]], axis=1)
    bones = heads.get("point_kind", np.full(len(points), -1)) >= 0
    above = np.where(bones, BONE_HEIGHT_M, CENTRE_HEIGHT_M)
    depth = np.full(len(points), np.nan)
    for index in known:
        camera, ground = cameras[index], ground_m[index]
        assert camera is not None
        assert ground is not None
        mine = heads["frame_index"] == index
        for height in np.unique(above[mine]):
            rows = np.flatnonzero(mine & (above == height))
            depth[rows] = depth_at_height(points[rows], camera, size_wh, ground + float(height))
    return {"ground_depth_m": depth}
