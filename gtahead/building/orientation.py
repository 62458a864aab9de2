"""From the pixels of images as stored to those that a dataset keeps: upright, and on a grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gtahead.arrays import Columns, Floats
from gtahead.geometry import (
    Camera,
    focal_px,
    reorient_boxes,
    reorient_points,
    snapped,
    snapped_within,
    vertical_fov_deg,
)
from gtahead.tables import canonical

_POINTS = (("x", "y"), ("raw_x", "raw_y"), ("top_x", "top_y"), ("neck_x", "neck_y"))
_BOXES = (canonical.CAPTURED,)


def upright_size(size_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height once an image of this EXIF orientation is turned upright."""
    return (size_wh[1], size_wh[0]) if orientation >= 5 else size_wh


def upright_camera(
    camera: Camera | None, size_wh: tuple[int, int], orientation: int
) -> Camera | None:
    """Return the camera of a turned image: the same focal length, without its rotation."""
    if camera is None or orientation == 1:
        return camera
    focal = focal_px(camera.vfov_deg, size_wh[1])
    height = upright_size(size_wh, orientation)[1]
    return Camera(vertical_fov_deg(focal, height), camera.position_m, None)


def turn_heads(
    heads: Columns, orientations: Sequence[int], sizes_wh: Sequence[tuple[int, int]]
) -> None:
    """Move everything in pixels from the images as stored to the upright ones.

    Args:
        heads: columns with `frame_index`; replaced in place.
        orientations: EXIF orientation of each frame's image; 1 leaves its heads alone.
        sizes_wh: of each frame's image as stored.
    """
    turned = [
        index for index, pose in enumerate(zip(orientations, sizes_wh, strict=True)) if pose[0] != 1
    ]
    poses = {(orientations[index], sizes_wh[index]) for index in turned}
    for orientation, size_wh in sorted(poses):
        frames = [i for i in turned if (orientations[i], sizes_wh[i]) == (orientation, size_wh)]
        rows = np.flatnonzero(np.isin(heads["frame_index"], frames))
        for names, turn in [(n, reorient_points) for n in _POINTS] + [
            (n, reorient_boxes) for n in _BOXES
        ]:
            if names[0] in heads:
                old: Floats = np.stack([heads[name][rows] for name in names], axis=1)
                new = turn(old, orientation, size_wh)
                for position, name in enumerate(names):
                    heads[name] = heads[name].copy()
                    heads[name][rows] = new[:, position]


def snap_heads(heads: Columns, sizes_wh: Sequence[tuple[int, int]]) -> None:
    """Round everything in pixels to multiples of 1/256, so that equal labels are equal data.

    The same head read from COCO, VOC or a capture then has the same coordinates, whatever order a
    format adds its numbers up in. A head in its image stays there, and in its box.

    Args:
        heads: columns with `frame_index`, in the upright images' pixels; replaced in place.
        sizes_wh: of the upright images, one per frame.
    """
    limits = np.array(sizes_wh, np.int64)[heads["frame_index"]]
    for axis, name in enumerate("xy"):
        heads[name] = snapped_within(heads[name], limits[:, axis])
    for name in [name for names in _POINTS[1:] for name in names if name in heads]:
        heads[name] = snapped(heads[name])
    if canonical.CAPTURED[0] in heads:
        for position, name in enumerate(canonical.CAPTURED):
            keep = np.minimum if position < 2 else np.maximum
            heads[name] = keep(snapped(heads[name]), heads["xy"[position % 2]])
