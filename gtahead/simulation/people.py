"""The people of a simulated sequence: who they are, where they go, where the camera sees them.

Constants are of adults: stature 1.72 m (sd 0.09), head height 0.235 m (sd 7 %), head width 0.7 to
0.9 of it. Some heads are bowed. So no pseudo-box rule is exact, as with real captures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.geometry import Camera, focal_px, project
from gtahead.simulation.presets import SPACING_M

STATURE_M = (1.72, 0.09)
HEAD_M = (0.235, 0.07)  # mean, relative standard deviation
HEAD_ASPECT = (0.7, 0.9)
JOINTS_A_HEAD = 1.35  # head height over the distance of head_top (mid-face) and neck
JOINTS_SD = 0.05
BOWED_SHARE = 0.25
BOWED_RAD = (math.radians(15), math.radians(50))
WALK_M_S = (1.2, 0.3)
STRIDE_M = 1.4  # of two steps
STANDING_SHARE = 0.6
MIN_HEAD_PX = 4.0  # nobody stands so far that the mean head is smaller
BAG_SHARE = 0.3
HAIR_STYLES = ("short", "short", "bald", "long", "long", "cap", "beanie", "hood")

# Parts of a body, each a limb with round ends, in the order in which they are painted.
PARTS = (
    *("pack_behind", "hair_behind"),
    *("thigh_far", "shin_far", "shoe_far", "thigh_near", "shin_near", "shoe_near"),
    *("arm_far", "forearm_far", "pelvis", "chest", "neck", "pack_before"),
    *("arm_near", "forearm_near", "hair_before"),
)
_PART = {name: number for number, name in enumerate(PARTS)}
SKIN, HAIR, TOP, TROUSERS, SHOES, BAG, HAT = range(7)
"""Rows of `People.colours`."""

ACROSS = (3, 2, 1, 0, 7, 6, 5, 4)
"""Corners of a limb's outline, each with the one on its other side."""


@dataclass(frozen=True)
class Disc:
    """A location on the ground where nobody stands or walks, in `Ground`'s coordinates."""

    ahead_m: float
    aside_m: float
    radius_m: float


@dataclass(frozen=True)
class Ground:
    """The ground on which people are gathered: a wedge in front of a camera.

    Locations on it are metres *ahead* of the point below the camera, along its yaw, and *aside* of
    that line, to the right.

    Attributes:
        origin_m: the point below the camera, in the world.
        yaw_deg: of the camera, before it pans.
        near_m: where the wedge begins.
        far_m: where it ends.
        slope: how far to either side it reaches, a metre ahead.
    """

    origin_m: tuple[float, float]
    yaw_deg: float
    near_m: float
    far_m: float
    slope: float

    @property
    def axes(self) -> tuple[Floats, Floats]:
        """Directions in the world, (3,) each: ahead and aside."""
        yaw = math.radians(self.yaw_deg)
        ahead = np.array([-math.sin(yaw), math.cos(yaw), 0.0])
        return ahead, np.array([math.cos(yaw), math.sin(yaw), 0.0])

    def world(self, ahead_m: Floats | float, aside_m: Floats | float) -> Floats:
        """Return locations in the world, (..., 3), on the ground."""
        ahead, aside = self.axes
        origin = np.array([*self.origin_m, 0.0])
        along = np.asarray(ahead_m)[..., None] * ahead
        return np.asarray(origin + along + np.asarray(aside_m)[..., None] * aside)

    def corners(self) -> Floats:
        """Return the wedge's corners, (4, 2) in the world."""
        near, far = self.near_m, self.far_m
        ahead = np.array([near, near, far, far])
        return self.world(ahead, ahead * self.slope * np.array([-1, 1, 1, -1]))[:, :2]

    def scatter(self, count: int, random: np.random.Generator) -> Floats:
        """Draw locations, (count, 2) ahead and aside; somewhat denser near the camera."""
        power = 1.5
        ahead = random.uniform(self.near_m**power, self.far_m**power, count) ** (1 / power)
        return np.stack([ahead, random.uniform(-1, 1, count) * self.slope * ahead], axis=1)


def ground_of(camera: Camera, size_wh: tuple[int, int], pan_deg: float = 0.0) -> Ground:
    """Find the ground on which a camera sees people at a size that matters.

    Args:
        camera: with position and rotation.
        size_wh: of the image.
        pan_deg: by how much the camera turns to either side.
    """
    assert camera.position_m is not None
    assert camera.rotation_deg is not None
    height = camera.position_m[2]
    down = math.radians(-camera.rotation_deg[0])
    half = math.radians(camera.vfov_deg) / 2
    focal = focal_px(camera.vfov_deg, size_wh[1])
    near = max(height - 1.7, 0.5) / math.tan(min(down + half, math.radians(89)))
    near = max(near, 1.5)
    reach = HEAD_M[0] * focal / MIN_HEAD_PX
    lowest = down - half
    far = reach if lowest <= 0 else (height - 1.0) / math.tan(lowest)
    far = max(min(far, reach), near + 1.0)
    side = math.atan(size_wh[0] / 2 / focal * 1.05) + math.radians(pan_deg)
    x, y, _ = camera.position_m
    return Ground((x, y), camera.rotation_deg[2], near, far, math.tan(side))


@dataclass(frozen=True)
class People:
    """Persons of one sequence, (N,) arrays in metres and radians.

    `ahead_m` and `aside_m` are positions on a `Ground`. Who walks goes to and fro along `heading`
    (0 is ahead, a quarter turn is aside), between `span_m[:, 0]` and `span_m[:, 1]` from there.
    `look` is where the face looks: 0 is back to the camera, a quarter turn is aside.
    """

    ahead_m: Floats
    aside_m: Floats
    speed_m_s: Floats
    heading: Floats
    span_m: Floats
    stature_m: Floats
    head_m: Floats
    aspect: Floats
    depth_ratio: Floats
    joints_m: Floats
    bow: Floats
    look: Floats
    shoulder_m: Floats
    girth: Floats
    phase: Floats
    short_sleeves: Booleans
    bare_legs: Booleans
    pack: Booleans
    style: Ints
    colours: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ahead_m)

    def none(self) -> People:
        """Return the same without anybody."""
        return People(*(getattr(self, field.name)[:0] for field in fields(self)))


@dataclass(frozen=True)
class Seen:
    """Those persons of one frame that can matter to the image, far ones first.

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
        """Return some of them, by location."""
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


def gather(
    count: int,
    ground: Ground,
    random: np.random.Generator,
    *,
    behaviour: str = "mixed",
    spacing_m: float = SPACING_M,
    closed: Sequence[Disc] = (),
) -> People:
    """Bring `count` people onto the ground.

    Args:
        count: how many; fewer where the ground is full.
        ground: in front of the camera.
        random: all chance comes from it.
        behaviour: "mixed": clusters, queues and single people; "flow": two streams of walkers;
            "stage": most stand and look the same way, ahead; "queue": lines.
        spacing_m: nobody stands closer, centre to centre.
        closed: where nobody stands or walks.
    """
    ahead, aside = _places(count, ground, random, behaviour, spacing_m, closed)
    number = len(ahead)
    standing = {"flow": 0.12, "stage": 0.92, "queue": 0.85}.get(behaviour, STANDING_SHARE)
    walking = random.random(number) > standing
    speed = np.where(walking, np.maximum(random.normal(*WALK_M_S, number), 0.3), 0.0)
    heading = random.uniform(0, 2 * math.pi) + random.normal(
        0, 0.15 if behaviour == "flow" else 0.6, number
    )
    heading = np.where(random.random(number) < 0.5, heading, heading + math.pi)
    span = _spans(ahead, aside, heading, ground, closed)
    speed = np.where(span[:, 1] - span[:, 0] > 2.0, speed, 0.0)
    head = HEAD_M[0] * np.clip(random.normal(1, HEAD_M[1], number), 0.75, 1.25)
    bowed = random.random(number) < BOWED_SHARE
    idle = random.uniform(0, 2 * math.pi, number)
    if behaviour == "stage":
        idle = math.pi + random.normal(0, 0.35, number)
    return People(
        ahead_m=ahead,
        aside_m=aside,
        speed_m_s=speed,
        heading=heading,
        span_m=span,
        stature_m=np.clip(random.normal(*STATURE_M, number), 1.45, 2.0),
        head_m=head,
        aspect=random.uniform(*HEAD_ASPECT, number),
        depth_ratio=random.uniform(0.8, 1.0, number),
        joints_m=head / JOINTS_A_HEAD * np.clip(random.normal(1, JOINTS_SD, number), 0.8, 1.2),
        bow=np.where(bowed, random.uniform(*BOWED_RAD, number), 0.0),
        look=np.where(speed > 0, math.pi - heading, idle),
        shoulder_m=random.uniform(0.38, 0.52, number),
        girth=np.clip(random.normal(1.0, 0.16, number), 0.75, 1.5),
        phase=random.uniform(0, 2 * math.pi, number),
        short_sleeves=random.random(number) < 0.45,
        bare_legs=random.random(number) < 0.25,
        pack=random.random(number) < BAG_SHARE,
        style=random.integers(0, len(HAIR_STYLES), number),
        colours=_colours(number, random),
    )


def _places(
    count: int,
    ground: Ground,
    random: np.random.Generator,
    behaviour: str,
    spacing_m: float,
    closed: Sequence[Disc],
) -> tuple[Floats, Floats]:
    """Choose locations on the ground, spaced, until there are `count` (or it is full)."""
    found = np.empty((0, 2))
    if count == 0:
        return found[:, 0], found[:, 1]
    anchors = ground.scatter(max(2, count // 25), random)
    headings = random.uniform(0, math.pi, len(anchors))
    clustered, queued = {"queue": (0.15, 0.9), "flow": (0.1, 0.1), "stage": (0.2, 0.2)}.get(
        behaviour, (0.5, 0.65)
    )
    for _ in range(12):
        wanted = max(2 * (count - len(found)), 16)
        anchor = random.integers(0, len(anchors), wanted)
        kind = random.random(wanted)
        cluster = anchors[anchor] + random.normal(0, 1.0 + 0.03 * ground.far_m, (wanted, 2))
        along = random.uniform(-6, 6, wanted)[:, None] * np.stack(
            [np.cos(headings[anchor]), np.sin(headings[anchor])], axis=1
        )
        queue = anchors[anchor] + along + random.normal(0, 0.2, (wanted, 2))
        alone = ground.scatter(wanted, random)
        pick = np.where(
            kind[:, None] < clustered, cluster, np.where(kind[:, None] < queued, queue, alone)
        )
        inside = (pick[:, 0] > ground.near_m) & (pick[:, 0] < ground.far_m)
        inside &= np.abs(pick[:, 1]) < ground.slope * pick[:, 0]
        for disc in closed:
            distance = np.hypot(pick[:, 0] - disc.ahead_m, pick[:, 1] - disc.aside_m)
            inside &= distance > disc.radius_m
        found = _apart(np.concatenate([found, pick[inside]]), spacing_m)[:count]
        if len(found) == count:
            break
    return found[:, 0], found[:, 1]


def _spans(
    ahead: Floats, aside: Floats, heading: Floats, ground: Ground, closed: Sequence[Disc]
) -> Floats:
    """Return how far people can walk back and on, (N, 2), until the wedge ends or a disc begins."""
    along, across = np.cos(heading), np.sin(heading)
    back, on = np.full(len(ahead), -1e3), np.full(len(ahead), 1e3)
    # Somewhat wider than what is seen: people come and go at the sides.
    slope = 1.2 * ground.slope
    walls = [(1.0, 0.0, ground.far_m), (-1.0, 0.0, -0.9 * ground.near_m)]
    walls += [(-slope, 1.0, 0.0), (-slope, -1.0, 0.0)]
    for a, b, limit in walls:
        closing = a * along + b * across
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (limit - a * ahead - b * aside) / closing
        on = np.where(closing > 0, np.minimum(on, reach), on)
        back = np.where(closing < 0, np.maximum(back, reach), back)
    for disc in closed:
        x, y = disc.ahead_m - ahead, disc.aside_m - aside
        middle = x * along + y * across
        half = disc.radius_m**2 - (x * x + y * y - middle * middle)
        half = np.sqrt(np.maximum(half, 0))
        on = np.where((half > 0) & (middle > 0), np.minimum(on, middle - half), on)
        back = np.where((half > 0) & (middle < 0), np.maximum(back, middle + half), back)
    return np.stack([np.minimum(back, 0.0), np.maximum(on, 0.0)], axis=1)


def _apart(positions: Floats, spacing_m: float) -> Floats:
    """Keep the first location in every cell of a grid, and nudge each towards its cell's middle."""
    cells = np.floor(positions / spacing_m).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    first.sort()
    middle = (cells[first] + 0.5) * spacing_m
    apart: Floats = 0.6 * middle + 0.4 * positions[first]
    return apart


_SKINS = ((175, 200, 235), (140, 172, 222), (105, 140, 195), (70, 95, 150), (48, 62, 98))
_HAIRS = (
    (20, 20, 25),
    (24, 30, 42),
    (30, 45, 75),
    (70, 110, 150),
    (110, 155, 190),
    (140, 140, 145),
)
_TROUSERS = ((60, 45, 35), (95, 70, 52), (40, 40, 45), (105, 125, 145), (120, 95, 70), (30, 28, 28))
_DYES = (
    *((120, 70, 45), (150, 105, 60), (70, 50, 30), (45, 45, 150), (50, 40, 110), (60, 90, 60)),
    *(
        (80, 110, 50),
        (60, 150, 190),
        (70, 110, 190),
        (110, 70, 100),
        (150, 120, 170),
        (140, 140, 60),
    ),
)
_SHOES = ((30, 30, 34), (45, 60, 80), (215, 215, 218))


def _colours(count: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Choose for each person the colours of skin, hair, clothes, bag and hat, as (N, 7, 3) BGR."""

    def chosen(from_: tuple[tuple[int, int, int], ...]) -> Floats:
        return np.array(from_, np.float64)[random.integers(0, len(from_), count)]

    def dyed(saturation: float) -> Floats:
        value = random.uniform(25, 215, (count, 1))
        hue = random.uniform(1 - saturation, 1.0, (count, 3))
        return value * hue / hue.max(axis=1, keepdims=True) if count else value * hue

    # Most clothes are nearly grey; blue and red are more common than green and violet.
    vivid = random.random((count, 1)) < 0.35
    top = np.where(vivid, chosen(_DYES) * random.uniform(0.7, 1.2, (count, 1)), dyed(0.2))
    parts = [chosen(_SKINS), chosen(_HAIRS), top, chosen(_TROUSERS), chosen(_SHOES)]
    parts += [dyed(0.3), np.where(vivid[::-1], chosen(_DYES), dyed(0.25))]
    tint = random.uniform(0.9, 1.1, (count, 7, 1))
    return np.clip(np.stack(parts, axis=1) * tint, 0, 255).astype(np.uint8)


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
    """Turn people round at the ends of their way; say who walks back."""
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
    """Return the half width and height, in pixels, of each head seen as an ellipsoid; its tilt."""
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
        """Return the points so high, so far to the person's right and ahead of it."""
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
