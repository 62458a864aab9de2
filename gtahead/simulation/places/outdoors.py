"""Places under the sky."""

from __future__ import annotations

import numpy as np

from gtahead.simulation import scenery as things
from gtahead.simulation.chance import Chance
from gtahead.simulation.places.model import Place, Wedge, somewhere, strew
from gtahead.simulation.rendering import surroundings as s
from gtahead.simulation.scenery import Cars, Scenery
from gtahead.simulation.shapes import Seat

ROAD_M, LANE_M = 7.0, 1.9
"""How wide a road is, and how far from its side its lanes' middles are."""

KINDS_OF_CARS = ("saloon", "hatchback", "van"), (0.5, 0.35, 0.15)
"""With their shares."""


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
    strew(
        *(chance, scenery, wedge, number, 1.0),
        lambda x, y: scenery.tree(chance, x, y, chance.number(4.5, 8.5), kind),
        least=wedge.near_m * 1.8,
    )


def _lamps(chance: Chance, scenery: Scenery, wedge: Wedge, number: tuple[int, int]) -> None:
    strew(
        *(chance, scenery, wedge, number, 0.4),
        lambda x, y: scenery.lamp(x, y, chance.number(4, 6), 1 if chance.happens(0.5) else -1),
        least=wedge.near_m * 1.6,
    )


def _cars(chance: Chance, scenery: Scenery, y: float, width: float, share: float) -> None:
    """Put cars along a road across the view."""
    x = -width
    while x < width:
        if chance.happens(share):
            kind = chance.one(*KINDS_OF_CARS)
            turn = 0.0 if y % 2 < 1 else 180.0
            scenery.car(x, y + chance.number(-0.2, 0.2), turn, chance.one(things.CARS), kind)
        x += chance.number(5.5, 9)


def _traffic(chance: Chance, y: float, width: float) -> Cars:
    """Let cars drive along both lanes of a road across the view, at a speed for each lane."""
    cars = Cars(end_m=width)
    for lane, way in ((y + LANE_M, 1), (y + ROAD_M - LANE_M, -1)):
        speed, x = way * chance.number(4, 11), -width
        while x < width - 6:
            kind = chance.one(*KINDS_OF_CARS)
            cars.put(x, lane + chance.number(-0.2, 0.2), speed, chance.one(things.CARS), kind)
            x += chance.number(7, 34)
    return cars


def _road(
    chance: Chance,
    scenery: Scenery,
    wedge: Wedge,
    y: float,
    *,
    crossing: bool = False,
    driven: bool = False,
) -> Cars:
    """Lay a road across the view, with kerbs, and cars that stand or drive; return the latter."""
    wide, far = ROAD_M, 3 * wedge.half_width(wedge.far_m) + 40
    scenery.zones.append((-far, y - 0.4, far, y, s.CONCRETE, 0))
    scenery.zones.append((-far, y, far, y + wide, s.ASPHALT, 0))
    scenery.zones.append((-far, y + wide, far, y + wide + 0.4, s.CONCRETE, 0))
    scenery.box((-far, y - 0.2, 0), (far, y - 0.02, 0.1), (0.3, 0.29, 0.28))
    scenery.box((-far, y + wide + 0.02, 0), (far, y + wide + 0.2, 0.1), (0.3, 0.29, 0.28))
    if crossing:
        x = chance.number(-0.5, 0.5) * wedge.half_width(y)
        scenery.zones.append((x - 2, y, x + 2, y + wide, s.CROSSING, 0))
    if driven:
        for x in np.arange(-far, far + 1, 1.5):  # nobody is on it, so nobody is run over
            for across in (wide / 4, 3 * wide / 4):
                scenery.close(float(x), y + across, wide / 4)
        return _traffic(chance, y, far)
    for lane in (y + LANE_M, y + wide - LANE_M):
        _cars(chance, scenery, lane, far, 0.25)
    return Cars()


def plaza(chance: Chance, wedge: Wedge) -> Place:
    """Build a square among houses, with trees, benches and lamps."""
    scenery = _surrounded(chance, wedge)
    if chance.happens(0.6):
        _road(chance, scenery, wedge, wedge.far_m + 1)
    _trees(chance, scenery, wedge, (1, 5))
    _lamps(chance, scenery, wedge, (3, 7))
    strew(
        *(chance, scenery, wedge, (0, 4), 1.3),
        lambda x, y: scenery.bench(x, y, chance.one((0.0, 0.0, 90.0, 180.0))),
        least=wedge.near_m * 1.5,
    )
    strew(
        *(chance, scenery, wedge, (0, 3), 1.0),
        lambda x, y: scenery.bicycle(x, y, chance.number(0, 180), chance.one(things.CARS)),
    )
    if chance.happens(0.25):
        half = wedge.half_width(wedge.far_m)
        scenery.stairs(-half, half, wedge.far_m - 2, 5, (0.35, 0.33, 0.3))
    return Place(scenery, chance.one((s.SLABS, s.BRICKS, s.CONCRETE)), seated=0.05)


def street(chance: Chance, wedge: Wedge) -> Place:
    """Build pavements along a street with a crossing, parked cars and shops."""
    return _along_a_road(chance, wedge, (0.15, 0.7), driven=False)


def road(chance: Chance, wedge: Wedge) -> Place:
    """Build pavements along a road that cars drive on, with shops."""
    return _along_a_road(chance, wedge, (0.3, 0.8), driven=True)


def _along_a_road(
    chance: Chance, wedge: Wedge, where: tuple[float, float], *, driven: bool
) -> Place:
    scenery = _surrounded(chance, wedge, gap=(1, 4))
    y = wedge.near_m + chance.number(*where) * (wedge.far_m - wedge.near_m)
    traffic = _road(chance, scenery, wedge, y, crossing=not driven, driven=driven)
    _lamps(chance, scenery, wedge, (3, 6))
    _trees(chance, scenery, wedge, (0, 3))
    strew(
        *(chance, scenery, wedge, (0, 5), 0.5),
        lambda x, y: scenery.tube(x, y, (0, 1.0), (0.07, 0.06), things.IRON),
    )
    if chance.happens(0.5):
        start = somewhere(chance, wedge, wedge.near_m * 2)
        scenery.rail(start, (start[0] + chance.number(3, 8), start[1]))
    flow = chance.one((np.pi / 2, -np.pi / 2, 0.0))
    return Place(scenery, s.CONCRETE, flow=flow, traffic=traffic)


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
    strew(
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

    strew(chance, scenery, wedge, (3, 12), 1.9, stall, least=wedge.near_m * 1.6)
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

    strew(chance, scenery, wedge, (6, 30), 0.0, placard)
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
            scenery.seats.append(Seat(float(x), y, rise, 0.0))
        y, row = y + 0.85, row + 1
    top = 0.38 * row
    scenery.box((-90, y, 0), (90, y + 1, top + 3.0), (0.3, 0.3, 0.32))
    scenery.box((-90, y - 9, top + 6.5), (90, y + 2, top + 6.9), (0.25, 0.25, 0.27))
    for x in np.arange(-80, 81, 10):
        scenery.tube(float(x), y - 0.3, (0, top + 6.5), (0.15, 0.15), things.IRON)
    scenery.rail((-30, wedge.near_m), (30, wedge.near_m), 1.0)
    return Place(scenery, s.CONCRETE, seated=0.93)
