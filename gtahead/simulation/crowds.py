"""The people of a sequence: who they are, where they stand or go, and how they hold themselves.

A person is one of the cast in one of their looks, and stays so over the sequence. What they do at a
time follows from hashes of their number, so that any frame can be made without those before it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints
from gtahead.simulation.cast import load_cast
from gtahead.simulation.chance import Chance, hashed
from gtahead.simulation.places import Place, Wedge
from gtahead.simulation.rendering.figures import Figures
from gtahead.simulation.rendering.paints import PAINTS
from gtahead.simulation.rendering.posing import Crowd
from gtahead.simulation.skeleton import POSES
from gtahead.simulation.wardrobe import LOOKS_EACH, figures_for, looks_of, painted

KINDS = tuple(POSES)
"""What people do: a kind of pose."""

WALK_M_S = (1.25, 0.25)
RUN_M_S = (2.8, 0.4)
STRIDE_M = {"walk": 1.45, "run": 2.3}
"""Of two steps, for somebody of 1.7 m."""

SIZES = (1.0, 0.03)
"""How much larger somebody is than their body in the cast: mean and deviation."""

UMBRELLAS = 0.4
"""Share of people outdoors who have one when it rains."""

HELD_S = 3.0
"""How long a pose is held, about; then another of its kind is taken."""

GLANCE_S = 1.6
"""How long a glance takes to another direction."""

_FIRST = dict(zip(KINDS, np.cumsum([0, *POSES.values()])[:-1].tolist(), strict=True))
_ASIDE = {"walk": 14.0, "run": 8.0, "phone": 6.0, "sit": 30.0}
"""How far people look aside, in degrees; others further."""


@dataclass(frozen=True)
class People:
    """Everybody of a sequence, (N,) each.

    Attributes:
        figures: all figures that they need.
        figure: number of each one's figure.
        paints: (N, PAINTS).
        kind: numbers of `KINDS`.
        places_m: (N, 3) where they are at first.
        heading: radians, 0 to the camera.
        speed_m_s: of those who go.
        span_m: (N, 2) how far back and on they go from there, to and fro.
        size: as in `Crowd.stances`.
        bow_deg: by how much heads are bent over a desk, beside what they look at.
        keys: of each one's own chance.
    """

    figures: Figures
    figure: Ints
    paints: npt.NDArray[np.float32]
    kind: Ints
    places_m: Floats
    heading: Floats
    speed_m_s: Floats
    span_m: Floats
    size: Floats
    bow_deg: Floats
    keys: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.figure)

    def at(self, seconds: float) -> Crowd:
        """Return everybody at a time."""
        gone, way = _to_and_fro(self.speed_m_s * seconds, self.span_m)
        heading = self.heading + np.where(way < 0, np.pi, 0.0)
        stances = np.zeros((len(self), 6))
        stances[:, 0] = self.places_m[:, 0] + gone * np.sin(self.heading)
        stances[:, 1] = self.places_m[:, 1] - gone * np.cos(self.heading)
        stances[:, 2], stances[:, 3] = self.places_m[:, 2], self.size
        stances[:, 4], stances[:, 5] = np.cos(heading), np.sin(heading)
        return Crowd(
            self.figure,
            self._poses(seconds),
            (np.round(stances * 65536) / 65536).astype(np.float32),
            self.paints,
            self._looks(seconds),
        )

    def _poses(self, seconds: float) -> Ints:
        tall = load_cast().heights_m[self.figures.persons[self.figure]] * self.size / 1.7
        numbers = np.array([POSES[kind] for kind in KINDS])[self.kind]
        first = np.array([_FIRST[kind] for kind in KINDS])[self.kind]
        # Those who stand take another pose every few seconds, each at a time of their own.
        turn = np.floor(seconds / HELD_S + _share(self.keys, 1)).astype(np.int64)
        pose = np.floor(_share(self.keys + turn.astype(np.uint64), 2) * numbers).astype(np.int64)
        for kind, stride in STRIDE_M.items():
            going = self.kind == KINDS.index(kind)
            steps = self.speed_m_s * seconds / (stride * tall) + _share(self.keys, 3)
            phase = np.floor((steps - np.floor(steps)) * POSES[kind]).astype(np.int64)
            pose = np.where(going, phase, pose)
        return np.asarray(first + np.minimum(pose, numbers - 1))

    def _looks(self, seconds: float) -> npt.NDArray[np.float32]:
        """Return by how much heads are turned: from glance to glance."""
        time = seconds / GLANCE_S + _share(self.keys, 4)
        turn = np.floor(time)
        share = time - turn
        share = share * share * (3 - 2 * share)
        ends = []
        for later in (0, 1):
            key = self.keys + (turn + later).astype(np.int64).astype(np.uint64)
            aside, bowed = _share(key, 5) * 2 - 1, _share(key, 6)
            ends.append(np.stack([aside * np.abs(aside), bowed], axis=1))
        looks = ends[0] + (ends[1] - ends[0]) * share[:, None]
        reach = np.array([_ASIDE.get(kind, 50.0) for kind in KINDS])[self.kind]
        looks[:, 0] *= reach
        looks[:, 1] = looks[:, 1] * 22 - 6 + self.bow_deg
        return np.round(looks, 3).astype(np.float32)


def _share(keys: npt.NDArray[np.uint64], stream: int) -> Floats:
    """Return a number from 0 to 1 for each key."""
    with np.errstate(over="ignore"):
        words = hashed(keys + np.uint64(stream) * np.uint64(0x9E3779B97F4A7C15))
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _to_and_fro(far: Floats, span: Floats) -> tuple[Floats, Floats]:
    """Return where somebody is who has gone so far between two ends, and which way they go."""
    length = np.maximum(span[:, 1] - span[:, 0], 1e-6)
    at = far - span[:, 0]
    turns = np.floor(at / length)
    rest = at - turns * length
    back = turns.astype(np.int64) % 2 != 0
    gone = span[:, 0] + np.where(back, length - rest, rest)
    going = span[:, 1] - span[:, 0] > 1e-6
    return np.where(going, gone, 0.0), np.where(back & going, -1.0, 1.0)


def gather(
    number: int,
    place: Place,
    wedge: Wedge,
    chance: Chance,
    *,
    behaviour: str = "mixed",
    spacing_m: float = 0.45,
    rain: bool = False,
) -> People:
    """Gather people in a place.

    Args:
        number: how many; fewer come where there is no room.
        place: where.
        wedge: of the ground that the camera sees.
        chance: of everything about them.
        behaviour: `mixed`, `flow` where most go one way, `queue`, or `stage` where all look at it.
        spacing_m: nobody stands closer.
        rain: whether it rains: some have umbrellas.
    """
    seated = _seats_taken(number, place, wedge, chance)
    spots, headings, kinds = _standing(
        number - len(seated), place, wedge, chance, behaviour, spacing_m
    )
    places = np.concatenate([seated[:, :3], np.column_stack([spots, np.zeros(len(spots))])])
    heading = np.concatenate([seated[:, 3], headings])
    kind = np.concatenate([np.full(len(seated), KINDS.index("sit")), kinds])
    count = len(places)
    who = chance.integers(0, len(load_cast()), count)
    look = chance.integers(0, LOOKS_EACH, count)
    dry = (chance.uniform(0, 1, count) < UMBRELLAS) & rain & (kind != KINDS.index("sit"))
    dressed = list(zip(who.tolist(), look.tolist(), dry.tolist(), strict=True))
    needed = sorted(set(dressed)) or [(0, 0, False)]
    index = {one: at for at, one in enumerate(needed)}
    paints = [painted(p, looks_of(p)[worn], chance, rain=rain) for p, worn, _ in dressed]
    speed = np.zeros(count)
    for name, (mean, deviation) in (("walk", WALK_M_S), ("run", RUN_M_S)):
        pace = np.maximum(chance.normal(mean, deviation, count), 0.5 * mean)
        speed = np.where(kind == KINDS.index(name), pace, speed)
    span = _spans(places, heading, wedge, place)
    going = (speed > 0) & (span[:, 1] - span[:, 0] > 2.0)
    kind = np.where((speed > 0) & ~going, KINDS.index("stand"), kind)
    size = np.clip(chance.normal(*SIZES, count), 0.92, 1.08)
    keys = chance.words(count)
    # Half of those at desks read or write.
    bows = np.where(_share(keys, 7) < 0.5, 10 + 26 * _share(keys, 8), 0.0)
    return People(
        figures=Figures(figures_for(needed)),
        figure=np.array([index[one] for one in dressed], np.int64),
        paints=np.array(paints, np.float32).reshape(count, PAINTS),
        kind=np.where(dry & (speed == 0), KINDS.index("carry"), kind),
        places_m=places,
        heading=heading,
        speed_m_s=np.where(going, speed, 0.0),
        span_m=np.where(going[:, None], span, 0.0),
        size=size,
        bow_deg=np.where((kind == KINDS.index("sit")) & place.desks, bows, 0.0),
        keys=keys,
    )


def _seats_taken(number: int, place: Place, wedge: Wedge, chance: Chance) -> Floats:
    """Choose who sits where: (S, 4) places and headings."""
    seats = [
        seat
        for seat in place.scenery.seats
        if abs(seat.x_m) < wedge.half_width(seat.y_m) + 0.4
        and wedge.near_m * 0.8 < seat.y_m < wedge.far_m + 2
    ]
    order = chance.order(len(seats))[: round(number * place.seated)]
    turned = chance.normal(0, 0.18, len(order))
    return np.array(
        [
            [seats[at].x_m, seats[at].y_m, seats[at].z_m, seats[at].heading + turn]
            for at, turn in zip(order.tolist(), turned.tolist(), strict=True)
        ]
    ).reshape(-1, 4)


_GROUPS = {"mixed": 0.5, "flow": 0.1, "queue": 0.15, "stage": 0.1}
_QUEUES = {"queue": 0.75}
_GOING = {"mixed": 0.45, "flow": 0.85, "queue": 0.15, "stage": 0.05}
"""Shares of people in groups and queues, and of those alone who go."""


def _standing(
    number: int, place: Place, wedge: Wedge, chance: Chance, behaviour: str, spacing_m: float
) -> tuple[Floats, Floats, Ints]:
    """Choose where people stand or go: (N, 2) spots, (N,) headings and kinds."""
    spots, headings, kinds = np.empty((0, 2)), np.empty(0), np.empty(0, np.int64)
    if number <= 0:
        return spots, headings, kinds
    for _ in range(12):
        wanted = max(2 * (number - len(spots)), 24)
        drawn = _drawn(wanted, place, wedge, chance, behaviour)
        free = _free(drawn[0], place, wedge)
        spots = np.concatenate([spots, drawn[0][free]])
        headings = np.concatenate([headings, drawn[1][free]])
        kinds = np.concatenate([kinds, drawn[2][free]])
        apart = _apart(spots, spacing_m)[:number]
        spots, headings, kinds = spots[apart], headings[apart], kinds[apart]
        if len(spots) == number:
            break
    return spots, headings, kinds


def _scattered(number: int, wedge: Wedge, chance: Chance) -> Floats:
    """Draw spots in the wedge, (number, 2), somewhat denser near the camera."""
    share = chance.uniform(0, 1, number)
    low, high = wedge.near_m**1.5, wedge.far_m**1.5
    y = np.cbrt(low + (high - low) * share) ** 2
    return np.stack([chance.uniform(-1, 1, number) * wedge.slope * y, y], axis=1)


def _drawn(
    number: int, place: Place, wedge: Wedge, chance: Chance, behaviour: str
) -> tuple[Floats, Floats, Ints]:
    spots = _scattered(number, wedge, chance)
    flow = place.flow if place.flow is not None else chance.number(0, 2 * np.pi)
    one_way = behaviour == "flow" or place.flow is not None
    headings = chance.uniform(0, 2 * np.pi, number)
    along = chance.uniform(0, 1, number) < (0.75 if one_way else 0.0)
    headings = np.where(along, flow + chance.normal(0, 0.3, number), headings)
    idle = np.array([KINDS.index(kind) for kind in ("stand", "talk", "phone", "carry")])
    kinds = idle[chance.chosen((0.62, 0.16, 0.16, 0.06), number)]
    going = chance.uniform(0, 1, number) < _GOING[behaviour]
    runs = chance.uniform(0, 1, number) < 0.04
    kinds = np.where(going, np.where(runs, KINDS.index("run"), KINDS.index("walk")), kinds)
    if behaviour == "stage":  # far ahead, behind the crowd: it looks away from the camera
        headings = np.where(going, headings, np.pi + chance.normal(0, 0.3, number))
        cheers = chance.uniform(0, 1, number) < 0.35
        kinds = np.where(cheers & ~going, KINDS.index("cheer"), kinds)
    grouped = chance.uniform(0, 1, number)
    groups = _GROUPS[behaviour]
    anchors = _scattered(max(2, number // 8), wedge, chance)
    mine = chance.integers(0, len(anchors), number)
    # Circles of people who talk, each at a place of their own around the middle.
    angle = chance.uniform(0, 2 * np.pi, number)
    radius = 0.55 + 0.12 * (mine % 4) + chance.uniform(0, 0.12, number)
    circle = anchors[mine] + radius[:, None] * np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    inward = angle + np.pi + chance.normal(0, 0.25, number)
    talks = np.where(chance.uniform(0, 1, number) < 0.55, KINDS.index("talk"), KINDS.index("stand"))
    in_circle = grouped < groups * (0.65 if behaviour == "mixed" else 1.0)
    spots = np.where(in_circle[:, None], circle, spots)
    headings = np.where(in_circle, inward, headings)
    kinds = np.where(in_circle, talks, kinds)
    # Queues: one behind the other.
    queues = _QUEUES.get(behaviour, 0.06)
    in_queue = ~in_circle & (grouped > 1 - queues)
    ways = chance.uniform(0, np.pi, len(anchors))[mine]
    steps = np.round(chance.uniform(-6, 6, number)) * 0.8
    line = anchors[mine] + steps[:, None] * np.stack([np.sin(ways), -np.cos(ways)], axis=1)
    line += chance.normal(0, 0.08, 2 * number).reshape(-1, 2)
    spots = np.where(in_queue[:, None], line, spots)
    headings = np.where(in_queue, ways + chance.normal(0, 0.2, number), headings)
    kinds = np.where(in_queue, KINDS.index("stand"), kinds)
    return spots, headings, kinds


def _free(spots: Floats, place: Place, wedge: Wedge) -> npt.NDArray[np.bool_]:
    """Return which spots are in the wedge, and not where something stands."""
    x, y = spots.T
    free = (y > wedge.near_m) & (y < wedge.far_m) & (np.abs(x) < wedge.slope * y + 0.4)
    for disc in place.scenery.discs:
        free &= (x - disc.x_m) ** 2 + (y - disc.y_m) ** 2 > (disc.radius_m + 0.2) ** 2
    if place.seated > 0.5:  # between rows of seats nobody stands on a chair
        for seat in place.scenery.seats:
            free &= (x - seat.x_m) ** 2 + (y - seat.y_m) ** 2 > 0.35**2
    return np.asarray(free)


def _apart(spots: Floats, spacing_m: float) -> Ints:
    """Return the numbers of spots that are kept so that none is too close to one before it."""
    cells: dict[tuple[int, int], list[int]] = {}
    kept = []
    size = max(spacing_m, 1e-3)
    columns = np.floor(spots / size).astype(np.int64).tolist()
    listed = spots.tolist()
    limit = spacing_m**2
    for number, (column, row) in enumerate(columns):
        x, y = listed[number]
        near = (
            other
            for i in (column - 1, column, column + 1)
            for j in (row - 1, row, row + 1)
            for other in cells.get((i, j), ())
        )
        if all((listed[o][0] - x) ** 2 + (listed[o][1] - y) ** 2 >= limit for o in near):
            cells.setdefault((column, row), []).append(number)
            kept.append(number)
    return np.array(kept, np.int64)


def _spans(places: Floats, heading: Floats, wedge: Wedge, place: Place) -> Floats:
    """Return how far people can go back and on, (N, 2), within the wedge and past what stands."""
    along, ahead = np.sin(heading), -np.cos(heading)
    x, y = places[:, 0], places[:, 1]
    back, on = np.full(len(x), -1e3), np.full(len(x), 1e3)
    slope = 1.2 * wedge.slope  # somewhat wider than what is seen: people come and go
    walls = [(0.0, 1.0, wedge.far_m), (0.0, -1.0, -0.9 * wedge.near_m)]
    walls += [(1.0, -slope, 0.0), (-1.0, -slope, 0.0)]
    for a, b, limit in walls:
        closing = a * along + b * ahead
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (limit - a * x - b * y) / closing
        on = np.where(closing > 1e-9, np.minimum(on, reach), on)
        back = np.where(closing < -1e-9, np.maximum(back, reach), back)
    for disc in place.scenery.discs:
        dx, dy, radius = disc.x_m - x, disc.y_m - y, disc.radius_m + 0.25
        middle = dx * along + dy * ahead
        half = np.sqrt(np.maximum(radius**2 - (dx * dx + dy * dy - middle * middle), 0))
        on = np.where((half > 0) & (middle > 0), np.minimum(on, middle - half), on)
        back = np.where((half > 0) & (middle < 0), np.maximum(back, middle + half), back)
    return np.stack([np.minimum(back, 0.0), np.maximum(on, 0.0)], axis=1)
