"""Heads made of joints as their cameras see them, and contradictions in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.captures.joints.model import HeadJoints
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera, camera_axes, focal_px, project
from gtahead.ingest.names import frame_name
from gtahead.ingest.rows import MAX_PX

SIZE_WH = (1920, 1080)
"""What the tools capture, where neither images nor labels say otherwise."""

PRINTED_DIGITS = 6
"""Significant digits that a C++ stream prints of a float."""

MISFIT_PX = 3.0
MISFIT_M = 0.1
"""How far pixels may lie from where the camera sees the joint: so much, and so many metres there.

Positions are printed to a centimetre beyond 1,000 m, of joint and camera both.
"""

SOME_PEOPLE = 3
"""So many at least must be in both frames to judge one by the other."""

FASTEST_TURN_DEG = 20.0
FASTEST_M = 1.0
"""Nobody goes further between two frames (30 m/s at the tools' 30 a second)."""


@dataclass
class _Groups:
    """Heads grouped by camera, so that each camera projects once."""

    cameras: list[Camera]
    rows: list[Ints]


def _by_camera(heads: HeadJoints, cameras: Mapping[int, Camera]) -> _Groups:
    known = sorted(number for number in cameras if number >= 0)
    shared = list(dict.fromkeys(cameras[number] for number in known))
    codes = {camera: code for code, camera in enumerate(shared)}
    of_frames = np.array([codes[cameras[number]] for number in known], np.int64)
    position = np.searchsorted(known, heads.top.frame)
    position[position == len(known)] = 0
    there = (
        np.array(known, np.int64)[position] == heads.top.frame if known else np.zeros(0, np.bool_)
    )
    code = np.where(there, of_frames[position], -1) if known else np.full(len(heads), -1)
    order = np.argsort(code, kind="stable")
    bounds = np.searchsorted(code[order], np.arange(len(shared) + 1))
    rows = [order[bounds[i] : bounds[i + 1]] for i in range(len(shared))]
    return _Groups(shared, rows)


def see(
    heads: HeadJoints, cameras: Mapping[int, Camera], size_wh: tuple[int, int]
) -> tuple[Floats, Floats]:
    """Return where each head's camera sees head_top and neck, (H, 2, 2), and head_top's depth."""
    seen = np.full((len(heads), 2, 2), np.nan)
    depth = np.full(len(heads), np.nan)
    groups = _by_camera(heads, cameras)
    for camera, rows in zip(groups.cameras, groups.rows, strict=True):
        seen[rows, 0], depth[rows] = project(heads.top.xyz[rows], camera, size_wh)
        seen[rows, 1], _ = project(heads.neck.xyz[rows], camera, size_wh)
    return seen, depth


def size_of(
    heads: HeadJoints, cameras: Mapping[int, Camera], of_images: tuple[int, int] | None
) -> tuple[int, int]:
    """Find the frame size that the labels refer to.

    Where the file has pixels and positions, these say it: seen by a camera of unit height, a head
    lies where its pixels lie, but for the scale. Else the images say it, else the tools' own.
    """
    unit, depth = see(heads, cameras, (2, 2))  # the centre is (1, 1), half the height is 1
    xy = heads.top.xy
    good = (depth > 0) & np.isfinite(xy).all(axis=1) & (np.abs(xy) < 1e5).all(axis=1)
    up = unit[:, 0, 1]
    good &= np.abs(up) > 0.1  # heads at the very top say little about the height
    fallback = of_images or SIZE_WH
    if int(good.sum()) < 3:
        return fallback
    heights = xy[good, 1] / up[good] * 2
    height = float(np.median(heights))
    width = float(np.median(2 * xy[good, 0] - (unit[good, 0, 0] - 1) * height))
    for known in (fallback, SIZE_WH):
        if max(abs(width - known[0]), abs(height - known[1])) <= 4:
            return known
    spread = float(np.median(np.abs(heights - height)))
    if spread > 4 or not (16 <= width <= 1e5 and 16 <= height <= 1e5):
        return fallback  # no size makes them fit: the frames are judged one by one
    return round(width), round(height)


def printed_step(values: Floats) -> Floats:
    """Return the step between neighbouring numbers as a C++ stream prints them."""
    with np.errstate(divide="ignore"):
        exponent = np.floor(np.log10(np.maximum(np.abs(values), 1e-3)))
    step: Floats = 10.0 ** (exponent - PRINTED_DIGITS + 1)
    return step


def drop_broken_heads(
    heads: HeadJoints, where: Where, findings: Findings, ledger: Ledger, lost: set[int]
) -> HeadJoints:
    """Set aside heads whose head_center isn't halfway between head_top and neck.

    The tools make head_top by turning the neck round head_center, so this holds to the last
    printed digit; where it doesn't, rows were mixed up, or a joint is wrong.
    """
    top, center, neck = heads.top.xyz, heads.center.xyz, heads.neck.xyz
    off = np.abs(top - 2 * center + neck)
    bound = np.maximum(np.maximum(np.abs(top), np.abs(center)), np.abs(neck))
    wrong = np.any(off > 2.5 * printed_step(bound), axis=1)  # NaN compares as fine
    if wrong.any():
        findings.add_rows(
            "joints-disagree",
            wrong,
            lambda row: replace(
                where,
                frame=frame_name(int(heads.top.frame[row])),
                head=int(heads.top.person[row]),
                field=f"line {heads.top.lines[row]}",
            ),
            lambda row: f"{np.linalg.norm(off[row]):.3f} m",
        )
        ledger.heads.drop("joints-disagree", int(wrong.sum()))
        lost |= set(map(int, heads.top.frame[wrong]))
    return heads.take(np.flatnonzero(~wrong))


def find_misfits(
    heads: HeadJoints,
    seen_xy: Floats,
    depth: Floats,
    cameras: Mapping[int, Camera],
    size_wh: tuple[int, int],
) -> tuple[Floats, Booleans]:
    """Compare labelled pixels with where the camera sees the positions.

    Returns:
        (H,) how far apart they are in pixels, NaN where that isn't known; and whether it is
        too far: beyond what printing costs, or pixels of something behind the camera.
    """
    labelled = (np.abs(heads.top.xy) <= MAX_PX).all(axis=1)
    off = np.where(labelled, np.linalg.norm(heads.top.xy - seen_xy[:, 0], axis=1), np.nan)
    focal = {n: focal_px(camera.vfov_deg, size_wh[1]) for n, camera in cameras.items()}
    of_heads = np.array([focal.get(int(n), np.nan) for n in heads.top.frame])
    allowed = MISFIT_PX + MISFIT_M * of_heads / np.maximum(depth, 0.1)
    with np.errstate(invalid="ignore"):
        return off, (off > allowed) | (labelled & (depth <= 0))


def frames_that_misfit(
    heads: HeadJoints, off: Floats, wrong: Booleans, where: Where, findings: Findings
) -> dict[int, str]:
    """Find frames most of whose heads are misfits: their camera or rows are another frame's."""
    labelled = np.flatnonzero(np.isfinite(heads.top.xy).all(axis=1))
    numbers, of_frame = np.unique(heads.top.frame[labelled], return_inverse=True)
    bad = numbers[
        2 * np.bincount(of_frame, wrong[labelled], len(numbers))
        > np.bincount(of_frame, minlength=len(numbers))
    ]

    def value(number: int) -> str:
        mine = off[(heads.top.frame == number) & np.isfinite(off)]
        return f"{np.median(mine):.0f} px" if len(mine) else "behind the camera"

    findings.add_each(
        "projection-differs",
        bad.tolist(),
        lambda number: replace(where, frame=frame_name(number)),
        value,
    )
    return dict.fromkeys(map(int, bad), "projection-differs")


def first_frame_is_wrong(
    heads: HeadJoints, cameras: Mapping[int, Camera], where: Where, findings: Findings
) -> bool:
    """Return whether frame 0, which the tools' authors warn about, is wrong; note it if so.

    It is wrong where most of those seen in frame 1 too stand elsewhere, or the camera does, while
    from frame 1 to 2 nothing of the kind happens.
    """
    jump = _jump_m(heads, cameras, 0, 1)
    if not jump > FASTEST_M or _jump_m(heads, cameras, 1, 2) > FASTEST_M:
        return False
    location = replace(where, frame=frame_name(0))
    findings.add("first-frame-wrong", location, f"{jump:.1f} m")
    return True


def _jump_m(heads: HeadJoints, cameras: Mapping[int, Camera], one: int, other: int) -> float:
    """Return how far most people, or the camera, moved from one frame to another."""
    first, second = (np.flatnonzero(heads.top.frame == number) for number in (one, other))
    shared, at_first, at_second = np.intersect1d(
        heads.top.person[first], heads.top.person[second], return_indices=True
    )
    jump = 0.0
    if len(shared) >= SOME_PEOPLE:
        way = heads.top.xyz[first[at_first]] - heads.top.xyz[second[at_second]]
        jump = float(np.median(np.linalg.norm(way, axis=1)))
    before, after = cameras.get(one), cameras.get(other)
    if before is not None and after is not None and before != after:
        assert before.position_m is not None
        assert after.position_m is not None
        jump = max(jump, float(np.linalg.norm(np.subtract(before.position_m, after.position_m))))
        turned = float(camera_axes(before)[1] @ camera_axes(after)[1])
        if turned < math.cos(math.radians(FASTEST_TURN_DEG)):
            jump = max(jump, 2 * FASTEST_M)
    return jump
