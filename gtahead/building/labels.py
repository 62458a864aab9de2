"""Give heads what rules decide, boxes and sigmas: the one place for captures and standing sets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gtahead.annotation import (
    BoxRule,
    HeadFrames,
    SigmaRule,
    depths_over_ground,
    give_boxes,
    give_sigmas,
)
from gtahead.annotation.boxes import ORDER
from gtahead.dataset import tables
from gtahead.dataset.tabular import Columns
from gtahead.geometry import Camera, focal_px

VFOV_DIGITS = 9
"""Decimals of a field of view in the table of frames."""


def scene_of(
    heads: Columns,
    cameras: Sequence[Camera | None],
    ground_m: Sequence[float | None],
    sizes_wh: Sequence[tuple[int, int]],
) -> HeadFrames:
    """Put one sequence's heads together with what the rules need to know of its frames.

    Args:
        heads: in the upright pictures' pixels, sorted by `frame_index`.
        cameras: of the upright pictures, one a frame.
        ground_m: height of the ground, one a frame.
        sizes_wh: of the upright pictures, one a frame. They differ only where no camera's rotation
            is known: a turned picture's isn't, nor that of still pictures.

    Returns:
        The scene, with `ground_depth_m` among its heads where the ground tells their depth.
    """
    known = [c is not None and c.rotation_deg is not None for c in cameras]
    size_wh = sizes_wh[known.index(True)] if any(known) else sizes_wh[0]
    captured_xy = {
        name: np.where(np.isnan(heads[f"raw_{name}"]), heads[name], heads[f"raw_{name}"])
        for name in ("x", "y")
        if f"raw_{name}" in heads
    }
    depths = depths_over_ground(heads | captured_xy, cameras, ground_m, size_wh)
    focal = [
        np.nan if camera is None else focal_px(camera.vfov_deg, height)
        for camera, (_, height) in zip(cameras, sizes_wh, strict=True)
    ]
    unknown = (np.nan, np.nan, np.nan)
    turned = np.array([(c and c.rotation_deg) or unknown for c in cameras], np.float64)
    return HeadFrames(
        heads | depths,
        len(cameras),
        np.array([height for _, height in sizes_wh], np.float64),
        np.array(focal),
        turned[:, 0],
        _camera_codes(cameras),
        turned[:, 1],
    )


def _camera_codes(cameras: Sequence[Camera | None]) -> npt.NDArray[np.int64]:
    """Number the cameras; frames whose pose isn't known have one each."""
    codes: dict[Camera, int] = {}
    return np.array(
        [
            -1 - index
            if camera is None or camera.position_m is None or camera.rotation_deg is None
            else codes.setdefault(camera, len(codes))
            for index, camera in enumerate(cameras)
        ],
        np.int64,
    )


def label(scene: HeadFrames, boxes: BoxRule, sigma: SigmaRule) -> int:
    """Add boxes and sigmas to a scene's heads, in place; what only the rules need goes.

    Captured boxes are dropped where all boxes are just these: no need to keep them twice.

    Returns:
        How many frames with heads lacked what the wanted box rule needs.
    """
    heads = scene.heads
    given = give_boxes(scene, boxes)
    names = sorted({ORDER[code] for code in np.unique(given.source)})
    lookup = np.array([names.index(name) if name in names else -1 for name in ORDER], np.int8)
    heads["box_source"] = lookup[given.source] if len(given.source) else given.source
    heads["box_source_names"] = np.array(names, object)
    heads["box_error_px"] = given.error_px
    if names == ["captured"] and np.isnan(scene.column("raw_x")).all():
        for name in tables.CAPTURED:
            heads.pop(name, None)
    for place, name in enumerate(tables.BOX):
        heads[name] = given.boxes_xyxy[:, place]
    sigmas = give_sigmas(scene, given.boxes_xyxy, sigma)
    for place, name in enumerate(tables.SIGMA):
        heads[name] = sigmas[:, place]
    heads.pop("ground_depth_m", None)
    return given.fell_back
