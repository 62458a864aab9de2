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
from gtahead.geometry import Camera, focal_px
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

SKIN, HAIR, TOP, TROUSERS, SHOES, BAG, HAT = range(7)
"""Rows of `People.colours`."""


@dataclass(frozen=True)
class Disc:
    """A disc on the ground where nobody stands or walks, in `Ground`'s coordinates."""

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
        """Return the same arrays without any persons."""
        return People(*(getattr(self, field.name)[:0] for field in fields(self)))


def gather(
    count: int,
    ground: Ground,
    random: np.random.Generator,
    *,
    behaviour: str = "mixed",
    spacing_m: float = SPACING_M,
    closed: Sequence[Disc] = (),
) -> People:
    """Place `count` people on the ground.

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
    """Return how far people can walk backward and forward, (N, 2), within wedge and discs."""
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
