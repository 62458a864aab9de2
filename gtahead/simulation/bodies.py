"""Bodies: where the people of a scene are seen in a frame, and the outlines of their parts."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.geometry import Camera, focal_px, project
from gtahead.simulation.people import HAIR_STYLES, STRIDE_M, Ground, People

# Parts of a body, each a limb with round ends, in the order in which they are painted.
PARTS = (
    *("pack_behind", "hair_behind"),
    *("thigh_far", "shin_far", "shoe_far", "thigh_near", "shin_near", "shoe_near"),
    *("arm_far", "forearm_far", "pelvis", "chest", "neck", "pack_before"),
    *("arm_near", "forearm_near", "hair_before"),
)


_PART = {name: number for number, name in enumerate(PARTS)}


ACROSS = (3, 2, 1, 0, 7, 6, 5, 4)
"""Corners of a limb's outline, each with the one on its other side."""


@dataclass(frozen=True)
class Seen:
    """The persons of one frame that can affect the image, far ones first.

    Attributes:
        who: (n,) indices into `People`.
        heads_xy: (n, 2) centres of the heads, in pixels.
        semi_axes: (n, 2) of the heads' ellipses, in pixels.
        depth_m: (n,) along the optical axis.
        world_m: (n, 3) the heads' locations.
        neck_xy: (n, 2) in pixels.
        neck_m: (n, 3) the necks' locations.
        feet_m: (n, 2) where they stand, in the world.
        bodies: (n, parts, 8, 2) convex outlines of the body below the head, in pixels, in the order
            of `PARTS`; corner i lies across the limb from corner `ACROSS[i]`. A part that isn't
            there has no area.
        facing: (n,) direction of the face against the line to the camera; 0 looks at it.
        tilt: (n,) by how much the head's crown leans towards the camera, in radians.
    """

    who: Ints
    heads_xy: Floats
    semi_axes: Floats
    depth_m: Floats
    world_m: Floats
    neck_xy: Floats
    neck_m: Floats
    feet_m: Floats
    bodies: Floats
    facing: Floats
    tilt: Floats

    def take(self, rows: slice) -> Seen:
        """Return some of them, by a slice."""
        return Seen(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def away(self) -> Booleans:
        """(n,) whether the face looks away from the camera."""
        return np.asarray(np.cos(self.facing) < 0)

    @property
    def boxes_xyxy(self) -> Floats:
        """(n, 4) the heads' exact boxes."""
        return np.concatenate(
            [self.heads_xy - self.semi_axes, self.heads_xy + self.semi_axes], axis=1
        )


def look(
    people: People, ground: Ground, camera: Camera, size_wh: tuple[int, int], seconds: float
) -> Seen:
    """Return the people at a moment: everybody whose head or body can reach into the image.

    Args:
        people: all of them.
        ground: on which they were gathered.
        camera: that looks; it stands where the ground begins, and may have turned since.
        size_wh: of the image.
        seconds: since the start.
    """
    assert camera.position_m is not None
    low, high = people.span_m.T
    gone, turned = _reflected(people.speed_m_s * seconds, low, high)
    ahead = people.ahead_m + gone * np.cos(people.heading)
    aside = people.aside_m + gone * np.sin(people.heading)
    look = np.where(turned & (people.speed_m_s > 0), people.look + math.pi, people.look)
    forward, right = ground.axes
    feet = ground.world(ahead, aside)
    # The face against the line to the camera, which isn't the wedge's middle for everybody.
    facing = look + np.arctan2(aside, ahead)
    # A bowed head goes down and towards where the face looks.
    towards = -np.cos(look)[:, None] * forward + np.sin(look)[:, None] * right
    up = np.array([0.0, 0.0, 1.0])
    axis = np.cos(people.bow)[:, None] * up + np.sin(people.bow)[:, None] * towards
    neck = feet + (people.stature_m - 0.5 * people.head_m - people.joints_m)[:, None] * up
    centre = neck + people.joints_m[:, None] * axis
    heads_xy, depth = project(centre, camera, size_wh)
    semi, tilt = _semi_axes(people, camera, size_wh, centre, depth, facing)
    margin = 0.05 * size_wh[0]
    # Bodies of those whose heads are above the edge still hang into the image.
    seen = (
        (depth > 0.5)
        & (heads_xy[:, 0] > -margin)
        & (heads_xy[:, 0] < size_wh[0] + margin)
        & (heads_xy[:, 1] > -margin - 0.1 * size_wh[1])
        & (heads_xy[:, 1] < size_wh[1] + margin)
    )
    order = np.flatnonzero(seen)
    order = order[np.argsort(-depth[order], kind="stable")]
    neck_xy, _ = project(neck[order], camera, size_wh)
    own_right = np.cross(towards[order], up)
    return Seen(
        who=order,
        heads_xy=heads_xy[order],
        semi_axes=semi[order],
        depth_m=depth[order],
        world_m=centre[order],
        neck_xy=neck_xy,
        neck_m=neck[order],
        feet_m=feet[order, :2],
        bodies=_bodies(
            people,
            camera,
            size_wh,
            order,
            feet[order],
            centre[order],
            towards[order],
            own_right,
            facing[order],
            seconds,
        ),
        facing=facing[order],
        tilt=tilt[order],
    )


def _reflected(values: Floats, low: Floats, high: Floats) -> tuple[Floats, Booleans]:
    """Turn people around at the ends of their way; return who walks back."""
    span = np.maximum(high - low, 1e-6)
    phase = np.mod(values - low, 2 * span)
    back = phase > span
    return low + np.where(back, 2 * span - phase, phase), back


def _semi_axes(
    people: People,
    camera: Camera,
    size_wh: tuple[int, int],
    centre: Floats,
    depth: Floats,
    facing: Floats,
) -> tuple[Floats, Floats]:
    """Return each head's half width and height in pixels, seen as an ellipsoid, and its tilt."""
    assert camera.position_m is not None
    line = centre - np.array(camera.position_m)
    down = np.arctan2(-line[:, 2], np.hypot(line[:, 0], line[:, 1]))
    tilt = down + people.bow * np.cos(facing)
    height, width = people.head_m, people.head_m * people.aspect
    deep = people.head_m * people.depth_ratio
    tall = np.hypot(height * np.cos(tilt), deep * np.sin(tilt))
    wide = np.hypot(width * np.cos(facing), deep * np.sin(facing))
    with np.errstate(divide="ignore"):
        scale = focal_px(camera.vfov_deg, size_wh[1]) / np.maximum(depth, 1e-6)
    return np.stack([wide * scale / 2, tall * scale / 2], axis=1), tilt


def _bodies(
    people: People,
    camera: Camera,
    size_wh: tuple[int, int],
    order: Ints,
    feet: Floats,
    head: Floats,
    towards: Floats,
    own_right: Floats,
    facing: Floats,
    seconds: float,
) -> Floats:
    """Pose each body and return its parts' outlines, (n, parts, 8, 2) in pixels."""
    count = len(order)
    up = np.array([0.0, 0.0, 1.0])
    stature, girth = people.stature_m[order], people.girth[order]
    neck_z = stature - 0.5 * people.head_m[order] - people.joints_m[order]
    shoulder = people.shoulder_m[order] / 2
    speed = people.speed_m_s[order]
    gait = people.phase[order] + 2 * math.pi * seconds * speed / STRIDE_M
    swing = np.where(speed > 0, 0.42, 0.04)

    def at(height: Floats, out: Floats | float = 0.0, on: Floats | float = 0.0) -> Floats:
        """Return points at a height, so far to each person's right and ahead."""
        point = feet + height[:, None] * up
        point = point + np.broadcast_to(out, (count,))[:, None] * own_right
        return np.asarray(point + np.broadcast_to(on, (count,))[:, None] * towards)

    lines: list[tuple[str, Floats, Floats, Floats, Floats]] = []

    def add(name: str, start: Floats, end: Floats, wide: Floats, narrow: Floats) -> None:
        lines.append((name, start, end, wide, narrow))

    # The limb that is farther from the camera is painted first.
    side = np.where(np.sin(facing) > 0, -1.0, 1.0)
    hip, knee = 0.50 * stature, 0.27 * stature
    for name, sign in (("far", side), ("near", -side)):
        angle = swing * np.sin(gait + np.where(sign > 0, 0.0, math.pi))
        lift = np.maximum(np.sin(gait + np.where(sign > 0, 0.9, math.pi + 0.9)), 0) * swing
        out = sign * 0.09 * girth
        joint = at(hip - 0.23 * stature * np.cos(angle), out, 0.23 * stature * np.sin(angle))
        back = angle - lift
        low = knee - 0.23 * stature * np.cos(back) + 0.23 * stature * (1 - np.cos(angle))
        ankle = at(np.maximum(low, 0.06), out, 0.23 * stature * (np.sin(angle) + np.sin(back)))
        add(f"thigh_{name}", at(hip, out), joint, 0.165 * girth, 0.125 * girth)
        add(f"shin_{name}", joint, ankle, 0.12 * girth, 0.085 * girth)
        toe = ankle + 0.17 * towards - 0.04 * up
        add(f"shoe_{name}", ankle - 0.05 * towards, toe, 0.1 + 0 * girth, 0.07 + 0 * girth)
        top = neck_z - 0.07
        reach = -angle * 0.9
        elbow = at(top - 0.28, sign * (shoulder + 0.05), 0.28 * np.sin(reach))
        wrist = at(top - 0.52, sign * (shoulder + 0.04), 0.28 * np.sin(reach) + 0.10 + 0.1 * swing)
        add(f"arm_{name}", at(top, sign * (shoulder - 0.03)), elbow, 0.125 * girth, 0.1 * girth)
        add(f"forearm_{name}", elbow, wrist, 0.095 * girth, 0.075 + 0 * girth)
    broad = np.hypot(2 * shoulder * np.cos(facing), 0.27 * girth * np.sin(facing))
    belly = np.hypot(0.33 * girth * np.cos(facing), 0.27 * girth * np.sin(facing))
    waist = at(0.58 * stature)
    add("chest", at(neck_z - 0.03), waist, 0.95 * broad, belly)
    add("pelvis", at(0.60 * stature), at(0.46 * stature), belly, 1.08 * belly)
    add("neck", at(neck_z - 0.01), head, 0.12 + 0 * girth, 0.11 + 0 * girth)
    away = np.cos(facing) < 0
    pack = people.pack[order]
    hair = np.isin(people.style[order], [HAIR_STYLES.index("long"), HAIR_STYLES.index("hood")])
    long = hair * 1.0
    for position, here in (("behind", ~away), ("before", away)):
        wide = np.where(pack & here, 0.8 * broad, 0.0)
        add(
            f"pack_{position}",
            at(neck_z - 0.08, 0.0, -0.17),
            at(neck_z - 0.5, 0.0, -0.19),
            wide,
            wide,
        )
        tress = np.where(here, long, 0.0) * people.head_m[order]
        tip = at(neck_z + 0.0, 0.0, -0.05)
        add(f"hair_{position}", head - 0.05 * towards, tip, 0.8 * tress, 0.6 * tress)
    outlines = np.zeros((count, len(PARTS), 8, 2))
    focal = focal_px(camera.vfov_deg, size_wh[1])
    for name, start, end, wide, narrow in lines:
        outlines[:, _PART[name]] = _limb(start, end, wide, narrow, camera, size_wh, focal)
    return np.nan_to_num(outlines, nan=1e5, posinf=1e5, neginf=-1e5)


_ROUND = 0.45
"""How far a limb's ends bulge, in half widths."""


def _limb(
    start: Floats,
    end: Floats,
    wide_m: Floats,
    narrow_m: Floats,
    camera: Camera,
    size_wh: tuple[int, int],
    focal: float,
) -> Floats:
    """Outline limbs of these widths, as broad from every side, with round ends, (n, 8, 2)."""
    first, first_depth = project(start, camera, size_wh)
    second, second_depth = project(end, camera, size_wh)
    along = second - first
    along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([along[:, 1], -along[:, 0]], axis=1)
    one = (wide_m * focal / np.maximum(first_depth, 1e-6) / 2)[:, None]
    two = (narrow_m * focal / np.maximum(second_depth, 1e-6) / 2)[:, None]
    bulge = _ROUND * along
    corners = [
        first + one * across,
        first + one * (0.6 * across - bulge),
        first - one * (0.6 * across + bulge),
        first - one * across,
        second - two * across,
        second - two * (0.6 * across - bulge),
        second + two * (0.6 * across + bulge),
        second + two * across,
    ]
    return np.stack(corners, axis=1)
