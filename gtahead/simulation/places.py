"""Places that people are in: a plaza, a street, a park, a stand, rooms; built for a camera's view.

What is seen of the ground is a wedge: from near to far, widening with the distance. A place fills
it, and what lies behind and beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from gtahead.simulation import scenery as things
from gtahead.simulation.chance import Chance
from gtahead.simulation.rendering import surroundings as s
from gtahead.simulation.scenery import Scenery


@dataclass(frozen=True)
class Wedge:
    """The ground that a camera sees, from its foot on.

    Attributes:
        near_m: where it begins.
        far_m: where people end.
        slope: half its width per metre of distance.
        height_m: of the camera.
    """

    near_m: float
    far_m: float
    slope: float
    height_m: float

    def half_width(self, y: float) -> float:
        """Return how far it reaches to either side at a distance."""
        return self.slope * y


@dataclass
class Place:
    """A place without people.

    Attributes:
        scenery: what stands there.
        ground: what the ground is.
        indoors: whether there is a ceiling, and no weather.
        seated: the share of people who sit where there are seats.
        flow: the way that most walk, radians, 0 to the camera; None where everybody goes theirs.
        lights: (x, y, z, strength) of lamps of a room, always lit.
    """

    scenery: Scenery
    ground: int
    indoors: bool = False
    seated: float = 0.0
    flow: float | None = None
    lights: tuple[tuple[float, float, float, float], ...] = ()


def _somewhere(chance: Chance, wedge: Wedge, least: float = 0.0) -> tuple[float, float]:
    """Draw a place in the wedge, beyond a distance."""
    y = chance.number(max(wedge.near_m * 1.5, least), wedge.far_m)
    return chance.number(-1, 1) * (wedge.half_width(y) + 0.5), y


def _strew(
    chance: Chance,
    scenery: Scenery,
    wedge: Wedge,
    number: tuple[int, int],
    radius: float,
    put: Callable[[float, float], object],
    *,
    least: float = 0.0,
) -> None:
    """Put so many things where there is room for them."""
    for _ in range(int(chance.integers(*number)[0])):
        for _ in range(6):
            x, y = _somewhere(chance, wedge, least)
            if scenery.is_free(x, y, radius):
                put(x, y)
                break


def _surrounded(chance: Chance, wedge: Wedge, *, gap: tuple[float, float] = (2, 14)) -> Scenery:
    """Begin a place with houses behind it, maybe beside it, and a skyline."""
    scenery = Scenery()
    back = wedge.far_m + chance.number(*gap)
    width = 4 * wedge.half_width(wedge.far_m) + 80
    scenery.row_of_houses(chance, back, width)
    for side in (-1, 1):
        if chance.happens(0.6):
            x = wedge.half_width(wedge.far_m) * chance.number(0.7, 1.2) + chance.number(2, 6)
            scenery.side_of_houses(chance, side * x, wedge.near_m - 4, back + 2)
    if chance.happens(0.5):
        scenery.skyline(chance, back + 20, width)
    return scenery


def _trees(chance: Chance, scenery: Scenery, wedge: Wedge, number: tuple[int, int]) -> None:
    kind = chance.one(("round", "round", "tall", "conifer"))
    _strew(
        *(chance, scenery, wedge, number, 1.0),
        lambda x, y: scenery.tree(chance, x, y, chance.number(4.5, 8.5), kind),
        least=wedge.near_m * 1.8,
    )


def _lamps(chance: Chance, scenery: Scenery, wedge: Wedge, number: tuple[int, int]) -> None:
    _strew(
        *(chance, scenery, wedge, number, 0.4),
        lambda x, y: scenery.lamp(x, y, chance.number(4, 6), 1 if chance.happens(0.5) else -1),
        least=wedge.near_m * 1.6,
    )


def _cars(chance: Chance, scenery: Scenery, y: float, width: float, share: float) -> None:
    """Put cars along a road across the view."""
    x = -width
    while x < width:
        if chance.happens(share):
            kind = chance.one(("saloon", "hatchback", "van"), (0.5, 0.35, 0.15))
            turn = 0.0 if y % 2 < 1 else 180.0
            scenery.car(x, y + chance.number(-0.2, 0.2), turn, chance.one(things.CARS), kind)
        x += chance.number(5.5, 9)


def _road(chance: Chance, scenery: Scenery, wedge: Wedge, y: float, *, crossing: bool) -> None:
    """Lay a road across the view, with kerbs and cars."""
    wide, far = 7.0, 3 * wedge.half_width(wedge.far_m) + 40
    scenery.zones.append((-far, y - 0.4, far, y, s.CONCRETE, 0))
    scenery.zones.append((-far, y, far, y + wide, s.ASPHALT, 0))
    scenery.zones.append((-far, y + wide, far, y + wide + 0.4, s.CONCRETE, 0))
    scenery.box((-far, y - 0.2, 0), (far, y - 0.02, 0.1), (0.3, 0.29, 0.28))
    scenery.box((-far, y + wide + 0.02, 0), (far, y + wide + 0.2, 0.1), (0.3, 0.29, 0.28))
    if crossing:
        x = chance.number(-0.5, 0.5) * wedge.half_width(y)
        scenery.zones.append((x - 2, y, x + 2, y + wide, s.CROSSING, 0))
    for lane in (y + 1.9, y + wide - 1.9):
        _cars(chance, scenery, lane, far, 0.25)


def plaza(chance: Chance, wedge: Wedge) -> Place:
    """Build a square among houses, with trees, benches and lamps."""
    scenery = _surrounded(chance, wedge)
    if chance.happens(0.6):
        _road(chance, scenery, wedge, wedge.far_m + 1, crossing=False)
    _trees(chance, scenery, wedge, (1, 5))
    _lamps(chance, scenery, wedge, (3, 7))
    _strew(
        *(chance, scenery, wedge, (0, 4), 1.3),
        lambda x, y: scenery.bench(x, y, chance.one((0.0, 0.0, 90.0, 180.0))),
        least=wedge.near_m * 1.5,
    )
    _strew(
        *(chance, scenery, wedge, (0, 3), 1.0),
        lambda x, y: scenery.bicycle(x, y, chance.number(0, 180), chance.one(things.CARS)),
    )
    if chance.happens(0.25):
        half = wedge.half_width(wedge.far_m)
        scenery.stairs(-half, half, wedge.far_m - 2, 5, (0.35, 0.33, 0.3))
    return Place(scenery, chance.one((s.SLABS, s.BRICKS, s.CONCRETE)), seated=0.05)


def street(chance: Chance, wedge: Wedge) -> Place:
    """Build pavements along a street with a crossing, parked cars and shops."""
    scenery = _surrounded(chance, wedge, gap=(1, 4))
    y = wedge.near_m + chance.number(0.15, 0.7) * (wedge.far_m - wedge.near_m)
    _road(chance, scenery, wedge, y, crossing=True)
    _lamps(chance, scenery, wedge, (3, 6))
    _trees(chance, scenery, wedge, (0, 3))
    _strew(
        *(chance, scenery, wedge, (0, 5), 0.5),
        lambda x, y: scenery.tube(x, y, (0, 1.0), (0.07, 0.06), things.IRON),
    )
    if chance.happens(0.5):
        start = _somewhere(chance, wedge, wedge.near_m * 2)
        scenery.rail(start, (start[0] + chance.number(3, 8), start[1]))
    return Place(scenery, s.CONCRETE, flow=chance.one((np.pi / 2, -np.pi / 2, 0.0)))


def park(chance: Chance, wedge: Wedge) -> Place:
    """Build a lawn with a path, many trees, and people on benches."""
    scenery = Scenery()
    back = wedge.far_m + chance.number(3, 10)
    width = 2 * wedge.half_width(wedge.far_m) + 30
    for _ in range(16):
        kind = chance.one(("round", "tall", "conifer"))
        scenery.tree(chance, chance.number(-width, width), back + chance.number(0, 14), 9, kind)
    scenery.skyline(chance, back + 30, width)
    _trees(chance, scenery, wedge, (2, 7))
    x = chance.number(-0.4, 0.4) * wedge.half_width(wedge.far_m)
    scenery.zones.append((x - 1.6, -5, x + 1.6, back, s.SAND, 0))
    y = chance.number(wedge.near_m, wedge.far_m)
    scenery.zones.append((-width, y - 1.2, width, y + 1.2, s.SAND, 0))
    _strew(
        *(chance, scenery, wedge, (1, 5), 1.3),
        lambda x, y: scenery.bench(x, y, chance.one((0.0, 90.0, 180.0))),
    )
    _lamps(chance, scenery, wedge, (2, 5))
    return Place(scenery, s.GRASS, seated=0.15)


def market(chance: Chance, wedge: Wedge) -> Place:
    """Build stalls with goods and awnings, between which people crowd."""
    scenery = _surrounded(chance, wedge)

    def stall(x: float, y: float) -> None:
        wide, deep, high = chance.number(1.8, 3.0), 1.2, chance.number(2.1, 2.5)
        cloth = things.any_colour(chance)
        scenery.box(
            (x - wide / 2, y - deep / 2, 0.75), (x + wide / 2, y + deep / 2, 0.82), things.DARK_WOOD
        )
        scenery.box(
            (x - wide / 2, y - deep / 2, 0), (x + wide / 2, y - deep / 2 + 0.02, 0.75), cloth
        )
        for dx in (-wide / 2, wide / 2 - 0.04):
            for dy, top in ((-deep / 2, high - 0.15), (deep / 2 - 0.04, high + 0.1)):
                scenery.box((x + dx, y + dy, 0), (x + dx + 0.04, y + dy + 0.04, top), things.IRON)
        roof = [
            [x - wide / 2 - 0.3, y - deep / 2 - 0.5, high - 0.25],
            [x + wide / 2 + 0.3, y - deep / 2 - 0.5, high - 0.25],
            [x + wide / 2 + 0.3, y + deep / 2 + 0.2, high + 0.2],
            [x - wide / 2 - 0.3, y + deep / 2 + 0.2, high + 0.2],
        ]
        scenery.add(roof, [[0, 1, 2], [0, 2, 3]], s.ROUGH, cloth)
        for _ in range(10):
            u = x + chance.number(-0.45, 0.45) * wide
            v, size = y + chance.number(-0.4, 0.3), chance.number(0.05, 0.14)
            scenery.ball((u, v, 0.82 + size), (size, size, size), things.any_colour(chance))
        for step in np.arange(-wide / 2, wide / 2 + 0.1, 0.6):
            scenery.close(x + float(step), y, 0.75)

    _strew(chance, scenery, wedge, (3, 12), 1.9, stall, least=wedge.near_m * 1.6)
    _lamps(chance, scenery, wedge, (2, 5))
    return Place(scenery, chance.one((s.BRICKS, s.SLABS, s.ASPHALT)))


def demonstration(chance: Chance, wedge: Wedge) -> Place:
    """Build a street full of people who go one way, with placards and banners above them."""
    scenery = _surrounded(chance, wedge, gap=(4, 12))

    def placard(x: float, y: float) -> None:
        high = chance.number(2.1, 2.7)
        scenery.box((x - 0.015, y - 0.015, 1.2), (x + 0.015, y + 0.015, high), things.DARK_WOOD)
        wide = chance.number(0.4, 0.8)
        turn = chance.number(-25, 25)
        colour = (0.8, 0.8, 0.78) if chance.happens(0.6) else things.any_colour(chance)
        scenery.box(
            (x - wide / 2, y - 0.01, high - 0.1),
            (x + wide / 2, y + 0.01, high + 0.4),
            colour,
            turn=turn,
        )
        for _ in range(int(chance.integers(1, 5)[0])):
            u, v = chance.number(-0.4, 0.2) * wide, high + chance.number(-0.05, 0.28)
            scenery.box(
                (x + u, y - 0.02, v),
                (x + u + chance.number(0.05, 0.25) * wide, y - 0.011, v + 0.06),
                things.any_colour(chance),
                turn=turn,
                about=(x, y),
            )

    _strew(chance, scenery, wedge, (6, 30), 0.0, placard)
    if chance.happens(0.7):
        y = chance.number(wedge.near_m * 1.5, wedge.far_m)
        half = min(0.5 * wedge.half_width(y), chance.number(2, 4.5))
        scenery.box((-half, y, 0.7), (half, y + 0.02, 1.5), (0.75, 0.74, 0.7))
        for _ in range(12):
            x = chance.number(-half, half - 0.3)
            scenery.box((x, y - 0.01, 0.9), (x + 0.25, y, 1.3), things.any_colour(chance))
    _lamps(chance, scenery, wedge, (2, 5))
    return Place(scenery, s.ASPHALT, flow=chance.number(-0.4, 0.4))


def stadium(chance: Chance, wedge: Wedge) -> Place:
    """Build a stand: rows of seats that rise away from the camera, most of them taken."""
    scenery = Scenery()
    y, row = max(wedge.near_m * 1.3, 3.0), 0
    colour = things.any_colour(chance)
    aisle = chance.number(4, 9)
    while y < wedge.far_m + 2:
        half = wedge.half_width(y) + 2
        rise = 0.12 + 0.38 * row
        scenery.box((-half - 8, y - 0.42, 0), (half + 8, y + 0.43, rise), (0.33, 0.33, 0.34))
        for x in np.arange(-half, half, 0.52):
            if abs((x + 100) % aisle) < 0.9:
                continue
            scenery.box(
                (x - 0.2, y - 0.1, rise + 0.38),
                (x + 0.2, y + 0.25, rise + 0.43),
                colour,
                kind=s.SEATS,
            )
            scenery.box(
                (x - 0.2, y + 0.22, rise + 0.43),
                (x + 0.2, y + 0.27, rise + 0.82),
                colour,
                kind=s.SEATS,
            )
            scenery.seats.append(things.Seat(float(x), y, rise, 0.0))
        y, row = y + 0.85, row + 1
    top = 0.38 * row
    scenery.box((-90, y, 0), (90, y + 1, top + 3.0), (0.3, 0.3, 0.32))
    scenery.box((-90, y - 9, top + 6.5), (90, y + 2, top + 6.9), (0.25, 0.25, 0.27))
    for x in np.arange(-80, 81, 10):
        scenery.tube(float(x), y - 0.3, (0, top + 6.5), (0.15, 0.15), things.IRON)
    scenery.rail((-30, wedge.near_m), (30, wedge.near_m), 1.0)
    return Place(scenery, s.CONCRETE, seated=0.93)


def _room(
    chance: Chance, wedge: Wedge, size: tuple[float, float, float], *, furnished: bool = True
) -> Place:
    """Build a room: walls, windows, blinds, posters and lights.

    Args:
        chance: of what it looks like.
        wedge: of the ground that the camera sees.
        size: width, depth and height; the ceiling is above the camera, whatever the height.
        furnished: with curtains, something outside the windows, shelves, and things that hang from
            the ceiling.
    """
    wide, deep, high = size
    high = max(high, wedge.height_m + 0.2)
    scenery = Scenery()
    grey = chance.number(0.35, 0.8)
    wall = np.array([grey, grey * chance.number(0.92, 1.02), grey * chance.number(0.82, 1.0)])
    scenery.box((-wide / 2, deep, 0), (wide / 2, deep + 0.2, high), wall)
    scenery.box((-wide / 2 - 0.2, -0.6, 0), (-wide / 2, deep, high), wall * 0.95)
    scenery.box((wide / 2, -0.6, 0), (wide / 2 + 0.2, deep, high), wall * 0.9)
    if chance.happens(0.5):
        dado, colour = chance.number(0.8, 1.4), things.any_colour(chance)
        scenery.box((-wide / 2, deep - 0.01, 0), (wide / 2, deep, dado), colour)
        scenery.box((-wide / 2, -0.6, 0), (-wide / 2 + 0.01, deep, dado), colour)
        scenery.box((wide / 2 - 0.01, -0.6, 0), (wide / 2, deep, dado), colour)
    scenery.box(
        (-wide / 2, -0.6, high), (wide / 2, deep, high + 0.2), [chance.number(0.5, 0.9)] * 3
    )
    lights = []
    for x in np.linspace(-wide / 2 + 1, wide / 2 - 1, 2):
        for y in np.linspace(1, deep - 0.5, 3):
            scenery.box(
                (x - 0.6, y - 0.1, high - 0.08),
                (x + 0.6, y + 0.1, high - 0.02),
                (0.8, 0.8, 0.8),
                kind=s.SHINING,
                more=(2.5, 0),
            )
            lights.append((float(x), float(y), high - 0.3, chance.number(0.3, 0.9)))
    for side in (-1, 1):
        if not chance.happens(0.6):
            continue
        y, bright = chance.number(0.5, 2), chance.number(0.4, 2.2)
        slatted, curtained = chance.happens(0.4), furnished and chance.happens(0.4)
        curtain = things.any_colour(chance) if curtained else things.IRON
        while y < deep - 1.2:
            x, low, top = side * (wide / 2 - 0.03), chance.number(0.8, 1.1), high - 0.5
            scenery.box(
                (x - 0.01, y, low),
                (x + 0.01, y + 1.1, top),
                [0.6] * 3,
                kind=s.SHINING,
                more=(bright, 0),
            )
            outside = int(chance.integers(0, 5)[0]) if furnished else 0
            for _ in range(outside):
                u, wide_, v = (
                    chance.number(0, 0.8),
                    chance.number(0.1, 0.5),
                    chance.number(low, top),
                )
                scenery.box(
                    (x - 0.015, y + u, low),
                    (x + 0.015, y + min(u + wide_, 1.1), v),
                    things.any_colour(chance),
                    kind=s.SHINING,
                    more=(bright * chance.number(0.1, 0.9), 0),
                )
            if curtained:
                for fold in np.arange(1.12, 1.4, 0.07):
                    cloth = np.array(curtain) * chance.number(0.5, 1.1)
                    scenery.box((x - 0.06, y + fold, 0.3), (x + 0.06, y + fold + 0.07, top), cloth)
            for step in np.linspace(0, 1.1, 3):
                scenery.box(
                    (x - 0.03, y + step - 0.03, low), (x + 0.03, y + step + 0.03, top), [0.3] * 3
                )
            for z in np.arange(low, top, 0.06 if slatted else 0.4):
                scenery.box((x - 0.04, y, z - 0.012), (x + 0.04, y + 1.1, z + 0.012), [0.45] * 3)
            y += chance.number(1.4, 2.2)
    for _ in range(int(chance.integers(1, 8)[0])):
        width = chance.number(0.3, 2.2)
        corner = (chance.number(-wide / 2, wide / 2 - width), deep - 0.02, chance.number(0.6, 1.8))
        scenery.poster(chance, corner, width, chance.number(0.3, 1.2), 0)
    for _ in range(int(chance.integers(0, 5)[0])):
        corner = (
            chance.one((-1, 1)) * (wide / 2 - 0.02),
            chance.number(0.5, deep - 1),
            chance.number(0.8, 1.8),
        )
        scenery.poster(chance, corner, chance.number(0.3, 1.5), chance.number(0.3, 1), 1)
    if furnished and chance.happens(0.4):
        _shelves(chance, scenery, chance.number(-wide / 2, wide / 2 - 2), deep - 0.35)
    for _ in range(int(chance.integers(0, 6)[0]) if furnished else 0):
        _hung(chance, scenery, chance.number(-0.4, 0.4) * wide, chance.number(0.2, 1) * deep, high)
    ground = chance.one((s.TILES, s.PLANKS, s.CONCRETE))
    return Place(scenery, ground, indoors=True, lights=tuple(lights))


def _shelves(chance: Chance, scenery: Scenery, x: float, y: float) -> None:
    """Put shelves with books and boxes before a wall."""
    wide, wood = chance.number(1.0, 3.0), np.array(things.DARK_WOOD) * chance.number(1, 4)
    for z in np.arange(0.1, chance.number(1.0, 2.2), 0.36):
        scenery.box((x, y, z - 0.03), (x + wide, y + 0.3, z), wood, kind=s.WOOD)
        at = x
        while at < x + wide - 0.3:
            size = chance.number(0.03, 0.3)
            colour = things.any_colour(chance)
            scenery.box(
                (at, y + 0.05, z), (at + size, y + 0.3, z + chance.number(0.1, 0.3)), colour
            )
            at += size + chance.number(0, 0.1)


def _hung(chance: Chance, scenery: Scenery, x: float, y: float, high: float) -> None:
    """Hang a lamp, a projector or a fan from a ceiling."""
    low = high - chance.number(0.25, 0.9)
    scenery.tube(x, y, (low, high), (0.015, 0.015), things.IRON)
    kind = chance.one(("globe", "projector", "fan"))
    if kind == "globe":
        size = chance.number(0.1, 0.2)
        scenery.ball((x, y, low), (size, size, size), [chance.number(0.3, 0.9)] * 3)
    elif kind == "projector":
        scenery.box((x - 0.2, y - 0.15, low - 0.12), (x + 0.2, y + 0.15, low), [0.5] * 3)
    else:
        scenery.tube(x, y, (low - 0.12, low + 0.05), (0.1, 0.1), things.IRON)
        turn = chance.number(0, 120)
        for blade in range(3):
            scenery.box(
                (x, y - 0.06, low - 0.04),
                (x + 0.6, y + 0.06, low - 0.03),
                (0.25, 0.27, 0.25),
                turn=turn + 120 * blade,
                about=(x, y),
            )


def _belongings(chance: Chance, scenery: Scenery, x: float, y: float, z: float) -> None:
    """Put somebody's things on a desk: paper, books, boxes, bottles, pots, a bag."""
    for _ in range(int(chance.integers(0, 4)[0])):
        u, v = x + chance.number(-0.22, 0.22), y + chance.number(-0.15, 0.12)
        colour = things.any_colour(chance)
        kind = chance.one(
            ("paper", "book", "box", "bottle", "pot", "bag"), (0.42, 0.25, 0.1, 0.13, 0.05, 0.05)
        )
        if kind == "paper":
            paper = [chance.number(0.5, 0.9)] * 3
            turn = chance.number(-40, 40)
            scenery.box((u - 0.1, v - 0.14, z), (u + 0.1, v + 0.14, z + 0.005), paper, turn=turn)
        elif kind == "bottle":
            size, tall = chance.number(0.03, 0.045), chance.number(0.12, 0.26)
            scenery.tube(u, v, (z, z + tall), (size, size * chance.number(0.4, 1)), colour)
        elif kind == "pot":
            size = chance.number(0.06, 0.13)
            scenery.ball((u, v, z + 0.8 * size), (size, size, 0.8 * size), colour)
        else:
            wide, deep, tall = {
                "book": (0.1, 0.07, chance.number(0.02, 0.12)),
                "box": (0.1, 0.08, chance.number(0.1, 0.28)),
                "bag": (0.17, 0.09, chance.number(0.2, 0.35)),
            }[kind]
            turn = chance.number(-40, 40)
            ends = (u - wide, v - deep, z), (u + wide, v + deep, z + tall)
            scenery.box(*ends, colour, turn=turn)


def classroom(chance: Chance, wedge: Wedge) -> Place:
    """Build rows of desks and chairs, some of them empty, seen from the front or from behind."""
    deep = min(max(wedge.far_m, 5.0), 18.0)
    wide = max(5.0, min(2 * wedge.half_width(deep) + 1, 14.0))
    place = _room(chance, wedge, (wide, deep, chance.number(2.8, 3.8)))
    scenery = place.scenery
    board = (0.03, 0.08, 0.05) if chance.happens(0.5) else (0.75, 0.75, 0.75)
    scenery.box((-1.8, deep - 0.05, 0.9), (1.8, deep - 0.03, 2.1), board)
    wood = np.array(things.DARK_WOOD) * chance.number(1.0, 3.0)
    chair: things.Colour = wood.tolist() if chance.happens(0.5) else things.any_colour(chance)
    toward = 1 if chance.happens(0.6) else -1
    pitch, dx = chance.number(0.85, 1.35), chance.number(0.52, 0.85)
    back, solid = chance.one(things.CHAIRS), chance.happens(0.5)
    aisle = chance.number(-1, 1) if chance.happens(0.6) else 99.0
    y = max(1.2, wedge.near_m)
    while y < deep - 0.6:
        desk = y - toward * 0.42
        for x in np.arange(-wide / 2 + 0.6, wide / 2 - 0.5, dx):
            if abs(x - aisle) < 0.5:
                continue
            scenery.chair(float(x), y, toward, chair, back)
            scenery.box(
                (x - dx * 0.46, desk - 0.2, 0.7),
                (x + dx * 0.46, desk + 0.2, 0.74),
                wood,
                kind=s.WOOD,
            )
            if solid:
                front = desk - toward * 0.2
                scenery.box(
                    (x - dx / 2, front - 0.01, 0.05), (x + dx / 2, front + 0.01, 0.74), wood * 0.9
                )
            _belongings(chance, scenery, float(x), desk, 0.74)
        y += pitch
    place.seated = 0.9
    return place


def office(chance: Chance, wedge: Wedge) -> Place:
    """Build tables with screens, and people who sit at them or stand around."""
    deep = min(max(wedge.far_m, 5.0), 14.0)
    wide = max(5.0, min(2 * wedge.half_width(deep) + 2, 12.0))
    place = _room(chance, wedge, (wide, deep, chance.number(2.6, 3.2)))
    scenery = place.scenery
    colour = things.any_colour(chance)

    def table(x: float, y: float) -> None:
        toward = 1 if chance.happens(0.5) else -1
        scenery.chair(x, y, toward, colour, chance.one(("board", "round")))
        desk = y - toward * 0.5
        scenery.box(
            (x - 0.7, desk - 0.35, 0.71),
            (x + 0.7, desk + 0.35, 0.74),
            (0.4, 0.36, 0.3),
            kind=s.WOOD,
        )
        for dx in (-0.65, 0.6):
            scenery.box((x + dx, desk - 0.3, 0), (x + dx + 0.05, desk + 0.3, 0.71), things.IRON)
        screen = desk - toward * 0.2
        scenery.box(
            (x - 0.28, screen - 0.015, 0.86),
            (x + 0.28, screen + 0.015, 1.22),
            (0.02, 0.02, 0.025),
            kind=s.PAINT,
        )
        scenery.box((x - 0.03, screen - 0.02, 0.74), (x + 0.03, screen + 0.02, 0.86), things.IRON)
        for side in (-0.45, 0.45):
            _belongings(chance, scenery, x + side, desk + toward * 0.1, 0.74)
        scenery.close(x, y, 0.7)
        scenery.close(x, desk, 0.7)

    _strew(chance, scenery, wedge, (2, 10), 0.8, table)
    place.seated = 0.6
    return place


def hall(chance: Chance, wedge: Wedge) -> Place:
    """Build a hall with rows of chairs before a stage."""
    deep = max(wedge.far_m, 8.0)
    wide = max(8.0, 2 * wedge.half_width(deep) + 2)
    place = _room(chance, wedge, (wide, deep, chance.number(4, 7)))
    colour, toward = things.any_colour(chance), 1 if chance.happens(0.6) else -1
    back = chance.one(things.CHAIRS)
    y = max(1.5, wedge.near_m)
    while y < deep - 1:
        half = min(wedge.half_width(y) + 0.5, wide / 2 - 0.4)
        for x in np.arange(-half, half, 0.56):
            if abs(x) > 0.5:
                place.scenery.chair(float(x), y, toward, colour, back)
        y += chance.number(0.85, 1.05)
    place.seated = 0.85
    return place


def station(chance: Chance, wedge: Wedge) -> Place:
    """Build a station's hall: columns, boards, benches, and people who cross it."""
    deep = wedge.far_m + 3
    wide = 2 * wedge.half_width(deep) + 8
    high = max(6.0, wedge.height_m + 1.5)
    place = _room(chance, wedge, (wide, deep, high), furnished=False)
    scenery = place.scenery
    for x in np.arange(-wide / 2 + 3, wide / 2 - 2, 7.0):
        for y in np.arange(max(wedge.near_m * 2, 6), deep, 8.0):
            scenery.tube(float(x), float(y), (0, high), (0.35, 0.35), (0.5, 0.48, 0.45), sides=12)
            scenery.close(float(x), float(y), 0.6)
    for _ in range(3):
        x, y = _somewhere(chance, wedge, wedge.near_m * 2)
        scenery.box((x - 1.5, y, 3.2), (x + 1.5, y + 0.1, 4.2), (0.02, 0.03, 0.06), kind=s.PAINT)
        for row in range(5):
            z = 3.3 + 0.17 * row
            scenery.box(
                *((x - 1.4, y - 0.01, z), (x - 1.4 + chance.number(0.6, 2.6), y, z + 0.07)),
                *([0.9, 0.75, 0.3],),
                kind=s.SHINING,
                more=(0.6, 0),
            )
    _strew(chance, scenery, wedge, (1, 5), 1.3, scenery.bench)
    place.ground, place.seated, place.flow = s.TILES, 0.05, None
    return place


OUTDOORS: Mapping[str, Callable[[Chance, Wedge], Place]] = {
    "plaza": plaza,
    "street": street,
    "park": park,
    "market": market,
    "demonstration": demonstration,
    "stadium": stadium,
}
INDOORS: Mapping[str, Callable[[Chance, Wedge], Place]] = {
    "station": station,
    "classroom": classroom,
    "office": office,
    "hall": hall,
}
PLACES = {**OUTDOORS, **INDOORS}
"""Places by name."""
