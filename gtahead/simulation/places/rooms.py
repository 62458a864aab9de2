"""Places under a ceiling."""

from __future__ import annotations

import numpy as np

from gtahead.simulation import scenery as things
from gtahead.simulation.chance import Chance
from gtahead.simulation.places.model import Place, Wedge, somewhere, strew
from gtahead.simulation.rendering import surroundings as s
from gtahead.simulation.scenery import Scenery
from gtahead.simulation.shapes import Colour


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
    _walls(chance, scenery, wide, deep, high)
    lights = []
    for x in np.linspace(-wide / 2 + 1, wide / 2 - 1, 2):
        for y in np.linspace(1, deep - 0.5, 3):
            ends = (x - 0.6, y - 0.1, high - 0.08), (x + 0.6, y + 0.1, high - 0.02)
            scenery.box(*ends, (0.8, 0.8, 0.8), kind=s.SHINING, more=(2.5, 0))
            lights.append((float(x), float(y), high - 0.3, chance.number(0.3, 0.9)))
    for side in (-1, 1):
        if chance.happens(0.6):
            _windows(chance, scenery, side * (wide / 2 - 0.03), deep, high, furnished=furnished)
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


def _walls(chance: Chance, scenery: Scenery, wide: float, deep: float, high: float) -> None:
    """Put up three walls, maybe in two colours, and the ceiling."""
    left, right = -wide / 2, wide / 2
    grey = chance.number(0.35, 0.8)
    wall = np.array([grey, grey * chance.number(0.92, 1.02), grey * chance.number(0.82, 1.0)])
    scenery.box((left, deep, 0), (right, deep + 0.2, high), wall)
    scenery.box((left - 0.2, -0.6, 0), (left, deep, high), wall * 0.95)
    scenery.box((right, -0.6, 0), (right + 0.2, deep, high), wall * 0.9)
    if chance.happens(0.5):
        dado, colour = chance.number(0.8, 1.4), things.any_colour(chance)
        scenery.box((left, deep - 0.01, 0), (right, deep, dado), colour)
        scenery.box((left, -0.6, 0), (left + 0.01, deep, dado), colour)
        scenery.box((right - 0.01, -0.6, 0), (right, deep, dado), colour)
    scenery.box((left, -0.6, high), (right, deep, high + 0.2), [chance.number(0.5, 0.9)] * 3)


def _windows(
    chance: Chance, scenery: Scenery, x: float, deep: float, high: float, *, furnished: bool
) -> None:
    """Put windows into the wall at x: bright panes behind bars or blinds, maybe with curtains."""
    y, bright = chance.number(0.5, 2), chance.number(0.4, 2.2)
    slatted, curtained = chance.happens(0.4), furnished and chance.happens(0.4)
    curtain = np.array(things.any_colour(chance) if curtained else things.IRON)
    while y < deep - 1.2:
        low, top = chance.number(0.8, 1.1), high - 0.5
        pane = (x - 0.01, y, low), (x + 0.01, y + 1.1, top)
        scenery.box(*pane, [0.6] * 3, kind=s.SHINING, more=(bright, 0))
        for _ in range(int(chance.integers(0, 5)[0]) if furnished else 0):  # what stands outside
            begin, width = chance.number(0, 0.8), chance.number(0.1, 0.5)
            tall = chance.number(low, top)
            scenery.box(
                (x - 0.015, y + begin, low),
                (x + 0.015, y + min(begin + width, 1.1), tall),
                things.any_colour(chance),
                kind=s.SHINING,
                more=(bright * chance.number(0.1, 0.9), 0),
            )
        for fold in np.arange(1.12, 1.4, 0.07) if curtained else ():
            ends = (x - 0.06, y + fold, 0.3), (x + 0.06, y + fold + 0.07, top)
            scenery.box(*ends, curtain * chance.number(0.5, 1.1))
        for step in np.linspace(0, 1.1, 3):
            ends = (x - 0.03, y + step - 0.03, low), (x + 0.03, y + step + 0.03, top)
            scenery.box(*ends, [0.3] * 3)
        for z in np.arange(low, top, 0.06 if slatted else 0.4):
            scenery.box((x - 0.04, y, z - 0.012), (x + 0.04, y + 1.1, z + 0.012), [0.45] * 3)
        y += chance.number(1.4, 2.2)


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
    chair: Colour = wood.tolist() if chance.happens(0.5) else things.any_colour(chance)
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
    place.seated, place.desks = 0.9, True
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

    strew(chance, scenery, wedge, (2, 10), 0.8, table)
    place.seated, place.desks = 0.6, True
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
        x, y = somewhere(chance, wedge, wedge.near_m * 2)
        scenery.box((x - 1.5, y, 3.2), (x + 1.5, y + 0.1, 4.2), (0.02, 0.03, 0.06), kind=s.PAINT)
        for row in range(5):
            z = 3.3 + 0.17 * row
            scenery.box(
                *((x - 1.4, y - 0.01, z), (x - 1.4 + chance.number(0.6, 2.6), y, z + 0.07)),
                *([0.9, 0.75, 0.3],),
                kind=s.SHINING,
                more=(0.6, 0),
            )
    strew(chance, scenery, wedge, (1, 5), 1.3, scenery.bench)
    place.ground, place.seated, place.flow = s.TILES, 0.05, None
    return place
