"""The people of a simulated sequence: who they are, where they go, where the camera sees them.

Constants are of adults: stature 1.72 m (sd 0.09), head height 0.235 m (sd 7 %), head width 0.7 to
0.9 of it. Some heads are bowed. So no pseudo-box rule is exact, as with real captures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gtahead.geometry import Booleans, Camera, Floats, focal_px, project

STATURE_M = (1.72, 0.09)
HEAD_M = (0.235, 0.07)  # mean, relative standard deviation
HEAD_ASPECT = (0.7, 0.9)
JOINTS_A_HEAD = 1.35  # head height over the distance of head_top (mid-face) and neck
JOINTS_SD = 0.05
BOWED_SHARE = 0.25
BOWED_RAD = (math.radians(15), math.radians(50))
SPACING_M = 0.42  # nobody stands closer, centre to centre
WALK_M_S = (1.2, 0.3)
STANDING_SHARE = 0.6
SMALLEST_HEAD_PX = 4.0  # nobody stands so far that the mean head is smaller


@dataclass(frozen=True)
class People:
    """Persons of one sequence, (N,) arrays in metres and radians.

    `ahead_m` and `aside_m` are ground coordinates seen from below the camera: along its yaw, and to
    its right. `look` is the direction of the face against the line to the camera: 0 looks at it.
    """

    ahead_m: Floats
    aside_m: Floats
    velocity_m_s: Floats
    stature_m: Floats
    head_m: Floats
    aspect: Floats
    depth_ratio: Floats
    joints_m: Floats
    bow: Floats
    look: Floats
    shoulder_m: Floats
    colours: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ahead_m)


@dataclass(frozen=True)
class Seen:
    """Those persons of one frame that can matter to the picture, far ones first.

    Attributes:
        who: (n,) indices into `People`.
        heads_xy: (n, 2) centres of the heads, in pixels.
        semi_axes: (n, 2) of the heads' ellipses, in pixels.
        depth_m: (n,) along the optical axis.
        world_m: (n, 3) the heads' places.
        neck_xy: (n, 2) in pixels.
        neck_m: (n, 3) the necks' places.
        bodies: (n, 6, 2) outline of the body below the head, in pixels.
        away: (n,) whether the face looks away from the camera.
    """

    who: npt.NDArray[np.int64]
    heads_xy: Floats
    semi_axes: Floats
    depth_m: Floats
    world_m: Floats
    neck_xy: Floats
    neck_m: Floats
    bodies: Floats
    away: Booleans

    def take(self, rows: slice) -> Seen:
        """Give some of them, by place."""
        return Seen(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def boxes_xyxy(self) -> Floats:
        """(n, 4) the heads' exact boxes."""
        return np.concatenate(
            [self.heads_xy - self.semi_axes, self.heads_xy + self.semi_axes], axis=1
        )


def ground_range_m(camera: Camera, size_wh: tuple[int, int]) -> tuple[float, float]:
    """Say from where to where on the ground the camera sees people at a size that matters."""
    assert camera.position_m is not None
    assert camera.rotation_deg is not None
    height = camera.position_m[2]
    down = math.radians(-camera.rotation_deg[0])
    half = math.radians(camera.vfov_deg) / 2
    near = max(height - 1.7, 0.5) / math.tan(min(down + half, math.radians(89)))
    near = max(near, 1.5)
    reach = HEAD_M[0] * focal_px(camera.vfov_deg, size_wh[1]) / SMALLEST_HEAD_PX
    lowest = down - half
    far = reach if lowest <= 0 else (height - 1.0) / math.tan(lowest)
    return near, max(min(far, reach), near + 3.0)


def ground_wedge(camera: Camera, size_wh: tuple[int, int]) -> Floats:
    """Give the corners, (4, 2) in the world, of the ground on which people are gathered."""
    assert camera.position_m is not None
    assert camera.rotation_deg is not None
    near, far = ground_range_m(camera, size_wh)
    slope = _slope(camera, size_wh)
    yaw = math.radians(camera.rotation_deg[2])
    forward = np.array([-math.sin(yaw), math.cos(yaw)])
    right = np.array([math.cos(yaw), math.sin(yaw)])
    corners = [(near, -1), (near, 1), (far, 1), (far, -1)]
    feet = np.array(camera.position_m[:2])
    return np.array([feet + d * forward + side * d * slope * right for d, side in corners])


def _slope(camera: Camera, size_wh: tuple[int, int]) -> float:
    """Say how far to the side the ground reaches, a metre ahead."""
    return size_wh[0] / 2 / focal_px(camera.vfov_deg, size_wh[1]) * 1.05


def gather(
    count: int, camera: Camera, size_wh: tuple[int, int], random: np.random.Generator
) -> People:
    """Bring `count` people into the camera's view, in clusters, queues and alone."""
    near, far = ground_range_m(camera, size_wh)
    slope = _slope(camera, size_wh)
    ahead, aside = _places(count, near, far, slope, random)
    number = len(ahead)
    walking = random.random(number) > STANDING_SHARE
    speed = np.where(walking, np.maximum(random.normal(*WALK_M_S, number), 0.3), 0.0)
    heading = random.uniform(0, 2 * math.pi) + random.normal(0, 0.6, number)
    heading = np.where(random.random(number) < 0.5, heading, heading + math.pi)
    head = HEAD_M[0] * np.clip(random.normal(1, HEAD_M[1], number), 0.75, 1.25)
    bowed = random.random(number) < BOWED_SHARE
    return People(
        ahead_m=ahead,
        aside_m=aside,
        velocity_m_s=np.stack([speed * np.cos(heading), speed * np.sin(heading)], axis=1),
        stature_m=np.clip(random.normal(*STATURE_M, number), 1.45, 2.0),
        head_m=head,
        aspect=random.uniform(*HEAD_ASPECT, number),
        depth_ratio=random.uniform(0.8, 1.0, number),
        joints_m=head / JOINTS_A_HEAD * np.clip(random.normal(1, JOINTS_SD, number), 0.8, 1.2),
        bow=np.where(bowed, random.uniform(*BOWED_RAD, number), 0.0),
        look=np.where(walking, heading + math.pi, random.uniform(0, 2 * math.pi, number)),
        shoulder_m=random.uniform(0.38, 0.52, number),
        colours=_colours(number, random),
    )


def _places(
    count: int, near: float, far: float, slope: float, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Choose places on the ground, `SPACING_M` apart, until there are `count` (or it is full)."""
    found = np.empty((0, 2))
    if count == 0:
        return found[:, 0], found[:, 1]
    anchors = _wedge(max(2, count // 25), near, far, slope, random)
    headings = random.uniform(0, math.pi, len(anchors))
    for _ in range(12):
        wanted = max(2 * (count - len(found)), 16)
        anchor = random.integers(0, len(anchors), wanted)
        kind = random.random(wanted)
        cluster = anchors[anchor] + random.normal(0, 1.0 + 0.03 * far, (wanted, 2))
        along = random.uniform(-6, 6, wanted)[:, None] * np.stack(
            [np.cos(headings[anchor]), np.sin(headings[anchor])], axis=1
        )
        queue = anchors[anchor] + along + random.normal(0, 0.2, (wanted, 2))
        alone = _wedge(wanted, near, far, slope, random)
        pick = np.where(kind[:, None] < 0.5, cluster, np.where(kind[:, None] < 0.65, queue, alone))
        inside = (
            (pick[:, 0] > near) & (pick[:, 0] < far) & (np.abs(pick[:, 1]) < slope * pick[:, 0])
        )
        found = _apart(np.concatenate([found, pick[inside]]))[:count]
        if len(found) == count:
            break
    return found[:, 0], found[:, 1]


def _wedge(
    count: int, near: float, far: float, slope: float, random: np.random.Generator
) -> Floats:
    """Draw places from the ground that is seen, a wedge; somewhat denser near the camera."""
    ahead = random.uniform(near**1.5, far**1.5, count) ** (1 / 1.5)
    return np.stack([ahead, random.uniform(-1, 1, count) * slope * ahead], axis=1)


def _apart(places: Floats) -> Floats:
    """Keep the first place in every cell of a grid, and nudge each towards its cell's middle."""
    cells = np.floor(places / SPACING_M).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    first.sort()
    middle = (cells[first] + 0.5) * SPACING_M
    apart: Floats = 0.6 * middle + 0.4 * places[first]
    return apart


def _colours(count: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Give each person skin, hair, top and trousers, as (N, 4, 3) BGR."""
    skins = np.array(
        [(180, 205, 240), (140, 175, 225), (105, 140, 195), (70, 95, 150), (45, 60, 95)]
    )
    hairs = np.array([(20, 20, 25), (30, 45, 75), (70, 110, 150), (120, 170, 205), (140, 140, 145)])
    tops = random.integers(20, 236, (count, 3))
    trousers = np.array([(60, 45, 35), (90, 70, 60), (40, 40, 45), (110, 130, 150)])
    parts = [
        skins[random.integers(0, len(skins), count)],
        hairs[random.integers(0, len(hairs), count)],
        tops,
        trousers[random.integers(0, len(trousers), count)],
    ]
    return np.stack(parts, axis=1).astype(np.uint8)


def look(people: People, camera: Camera, size_wh: tuple[int, int], seconds: float) -> Seen:
    """See the people at a moment: everybody whose head or body can reach into the picture."""
    assert camera.position_m is not None
    assert camera.rotation_deg is not None
    near, far = ground_range_m(camera, size_wh)
    reach = max(far * size_wh[0] / 2 / focal_px(camera.vfov_deg, size_wh[1]), 3.0)
    ahead = _reflected(people.ahead_m + people.velocity_m_s[:, 0] * seconds, near, far)
    aside = _reflected(people.aside_m + people.velocity_m_s[:, 1] * seconds, -reach, reach)
    yaw = math.radians(camera.rotation_deg[2])
    forward = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
    right = np.array([math.cos(yaw), math.sin(yaw), 0.0])
    feet = np.array([camera.position_m[0], camera.position_m[1], 0.0])
    feet = feet + ahead[:, None] * forward + aside[:, None] * right
    # A bowed head goes down and towards where the face looks.
    towards = -np.cos(people.look)[:, None] * forward + np.sin(people.look)[:, None] * right
    up = np.array([0.0, 0.0, 1.0])
    axis = np.cos(people.bow)[:, None] * up + np.sin(people.bow)[:, None] * towards
    neck = feet + (people.stature_m - 0.5 * people.head_m - people.joints_m)[:, None] * up
    centre = neck + people.joints_m[:, None] * axis
    heads_xy, depth = project(centre, camera, size_wh)
    semi = _semi_axes(people, camera, size_wh, centre, depth)
    margin = 0.05 * size_wh[0]
    seen = (
        (depth > 0.5)
        & (heads_xy[:, 0] > -margin)
        & (heads_xy[:, 0] < size_wh[0] + margin)
        & (heads_xy[:, 1] > -margin)
        & (heads_xy[:, 1] < size_wh[1] + margin)
    )
    order = np.flatnonzero(seen)
    order = order[np.argsort(-depth[order], kind="stable")]
    neck_xy, _ = project(neck[order], camera, size_wh)
    return Seen(
        who=order,
        heads_xy=heads_xy[order],
        semi_axes=semi[order],
        depth_m=depth[order],
        world_m=centre[order],
        neck_xy=neck_xy,
        neck_m=neck[order],
        bodies=_bodies(people, camera, size_wh, feet, right, order),
        away=np.cos(people.look[order]) < 0,
    )


def _reflected(values: Floats, low: float, high: float) -> Floats:
    """Turn people round at the edges of the ground."""
    span = high - low
    phase = np.mod(values - low, 2 * span)
    back: Floats = low + np.where(phase > span, 2 * span - phase, phase)
    return back


def _semi_axes(
    people: People, camera: Camera, size_wh: tuple[int, int], centre: Floats, depth: Floats
) -> Floats:
    """Give the half width and height, in pixels, of each head seen as an ellipsoid."""
    assert camera.position_m is not None
    line = centre - np.array(camera.position_m)
    down = np.arctan2(-line[:, 2], np.hypot(line[:, 0], line[:, 1]))
    tilt = down + people.bow * np.cos(people.look)
    height, width = people.head_m, people.head_m * people.aspect
    deep = people.head_m * people.depth_ratio
    tall = np.hypot(height * np.cos(tilt), deep * np.sin(tilt))
    wide = np.hypot(width * np.cos(people.look), deep * np.sin(people.look))
    with np.errstate(divide="ignore"):
        scale = focal_px(camera.vfov_deg, size_wh[1]) / np.maximum(depth, 1e-6)
    return np.stack([wide * scale / 2, tall * scale / 2], axis=1)


def _bodies(
    people: People,
    camera: Camera,
    size_wh: tuple[int, int],
    feet: Floats,
    right: Floats,
    order: npt.NDArray[np.int64],
) -> Floats:
    """Outline each body, from neck over shoulders to feet, as (n, 6, 2) pixels."""
    neck = (people.stature_m - 0.5 * people.head_m - people.joints_m)[order]
    half = people.shoulder_m[order] / 2
    corners = []
    for share, level in (
        (-0.25, 1.0),
        (-1.0, 0.94),
        (-0.55, 0.0),
        (0.55, 0.0),
        (1.0, 0.94),
        (0.25, 1.0),
    ):
        points = feet[order] + (share * half)[:, None] * right
        points[:, 2] = level * neck
        corners.append(project(points, camera, size_wh)[0])
    return np.nan_to_num(np.stack(corners, axis=1), nan=1e5, posinf=1e5, neginf=-1e5)
