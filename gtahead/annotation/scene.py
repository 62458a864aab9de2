"""A sequence as the rules see it, from a capture or from a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gtahead.annotation import (
    BoxRule,
    HeadFrames,
    SigmaRule,
    depths_over_ground,
    give_boxes,
    give_sigmas,
)
from gtahead.annotation.boxes import ORDER
from gtahead.arrays import Columns, Ints
from gtahead.dataset import Dataset, camera_of
from gtahead.dataset.fingerprints import without_unknown
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.geometry import Camera, focal_px
from gtahead.tables import canonical
from gtahead.tables.canonical import STATUS_NAMES


def standing_scene(opened: Dataset, sequence: str) -> HeadFrames:
    """Return one sequence of a dataset as the rules see it, with its boxes as captured.

    Raises:
        InputError: a table is missing or damaged.
    """
    rows = opened.select(sequences=[sequence]).frames()
    cameras = [
        camera_of(dict(zip(rows, values, strict=True)))
        for values in zip(*rows.values(), strict=True)
    ]
    heads = _as_captured(opened.heads(sequence), rows["frame_id"])
    sizes = list(zip(rows["width"], rows["height"], strict=True))
    sources = opened.manifest.document["sources"]
    origin = next(source["origin"] for source in sources if source["sequence"] == sequence)
    return scene_of(heads, cameras, rows["ground_m"], sizes, origin)


def _as_captured(heads: Columns, frame_ids: list[str]) -> Columns:
    """Remove what rules added to a sequence's heads, and turn words back into codes."""
    number = {frame_id: index for index, frame_id in enumerate(frame_ids)}
    code = {name: index for index, name in enumerate(STATUS_NAMES)}
    kind = {name: index for index, name in enumerate(canonical.POINT_KINDS)}
    captured = np.stack([heads[name] for name in canonical.CAPTURED], axis=1)
    boxes = np.stack([heads[name] for name in canonical.BOX], axis=1)
    only_there = (heads["box_source"] == "captured") & np.isnan(captured).any(axis=1)
    captured[only_there] = boxes[only_there]
    ruled = {*canonical.BOX, *canonical.SIGMA, "box_error_px", "box_source", "frame_id"}
    return without_unknown(
        {
            **{name: values for name, values in heads.items() if name not in ruled},
            **{name: captured[:, position] for position, name in enumerate(canonical.CAPTURED)},
            "frame_index": np.array([number[name] for name in heads["frame_id"]], np.int64),
            "status": np.array([code[name] for name in heads["status"]], np.int8),
            "point_kind": np.array([kind.get(name, -1) for name in heads["point_kind"]], np.int8),
        }
    )


VFOV_DIGITS = 9
"""Decimals of a field of view in the table of frames."""


def scene_of(
    heads: Columns,
    cameras: Sequence[Camera | None],
    ground_m: Sequence[float | None],
    sizes_wh: Sequence[tuple[int, int]],
    origin: str,
) -> HeadFrames:
    """Combine one sequence's heads with what the rules need to know about its frames.

    Args:
        heads: in the upright images' pixels, sorted by `frame_index`.
        cameras: of the upright images, one per frame.
        ground_m: height of the ground, one per frame.
        sizes_wh: of the upright images, one per frame. They differ only where no camera's rotation
            is known: a turned image's isn't, nor that of still images.
        origin: of the images.

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
        origin,
    )


def _camera_codes(cameras: Sequence[Camera | None]) -> Ints:
    """Number the cameras; each frame without a known pose counts as a camera of its own."""
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


LABEL_CODES = ("box-rule-fell-back", "origin-assumed")
"""Findings of `label`."""


def label(
    scene: HeadFrames, boxes: BoxRule, sigma: SigmaRule, findings: Findings, location: Where
) -> None:
    """Add boxes and sigmas to a scene's heads, in place; remove what only the rules need.

    Captured boxes are dropped where all boxes are just these: no need to keep them twice.

    Args:
        scene: the heads of a sequence.
        boxes: the box rule.
        sigma: the rule for sigmas.
        findings: takes frames that the box rule can't serve, and crowds of unknown origin.
        location: of the sequence.
    """
    heads = scene.heads
    given = give_boxes(scene, boxes)
    names = sorted({ORDER[code] for code in np.unique(given.source)})
    lookup = np.array([names.index(name) if name in names else -1 for name in ORDER], np.int8)
    heads["box_source"] = lookup[given.source] if len(given.source) else given.source
    heads["box_source_names"] = np.array(names, object)
    heads["box_error_px"] = given.error_px
    if names == ["captured"] and np.isnan(scene.column("raw_x")).all():
        for name in canonical.CAPTURED:
            heads.pop(name, None)
    for position, name in enumerate(canonical.BOX):
        heads[name] = given.boxes_xyxy[:, position]
    sigmas = give_sigmas(scene, given.boxes_xyxy, sigma)
    for position, name in enumerate(canonical.SIGMA):
        heads[name] = sigmas[:, position]
    heads.pop("ground_depth_m", None)
    if given.fell_back:
        detail = f"{given.fell_back} frames, rule {boxes}"
        findings.add("box-rule-fell-back", location, detail=detail)
    if "crowd" in names and scene.origin == "unknown":
        findings.add("origin-assumed", location)
