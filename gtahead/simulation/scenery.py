"""Things of a place, as triangles: houses, trees, cars, furniture; and what the ground is.

Coordinates are the place's: metres, x to the right of the camera's first view, y ahead, z up.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats
from gtahead.simulation.chance import Chance
from gtahead.simulation.rendering import surroundings as s
from gtahead.simulation.rendering.stage import BELOW_CARS_M, Traffic
from gtahead.simulation.shapes import Colour, Seat, Shapes, turned, unit_vectors

STONES = (
    *((0.42, 0.36, 0.29), (0.36, 0.31, 0.28), (0.50, 0.47, 0.42), (0.30, 0.17, 0.12)),
    *((0.38, 0.38, 0.40), (0.46, 0.40, 0.30), (0.28, 0.25, 0.24), (0.55, 0.50, 0.38)),
)
CARS = (
    *((0.35, 0.03, 0.03), (0.04, 0.06, 0.16), (0.5, 0.5, 0.5), (0.02, 0.02, 0.022)),
    *((0.28, 0.24, 0.16), (0.03, 0.12, 0.08), (0.6, 0.6, 0.58), (0.10, 0.11, 0.13)),
)
IRON, DARK_WOOD, RUBBER = (0.03, 0.03, 0.032), (0.16, 0.09, 0.045), (0.012, 0.012, 0.013)
BARK = (0.09, 0.07, 0.05)
CHAIRS = ("board", "round", "slats", "bars")
"""What the backs of chairs are."""


class Scenery(Shapes):
    """Houses, trees, cars and furniture as triangles, and where they leave room."""

    def building(
        self,
        low: tuple[float, float],
        high: tuple[float, float],
        height: float,
        colour: Colour,
        *,
        window: float = 3.0,
        storey: float = 3.4,
    ) -> None:
        """Add a house of whole storeys, with ledges, a parapet and something on its roof."""
        top = round(height / storey) * storey
        (x0, y0), (x1, y1) = low, high
        stone = np.array(colour)
        more = (window, storey)
        self.box((x0, y0, 0), (x1, y1, top), colour, kind=s.FACADE, more=more)
        for at, thick, out in ((top - 0.1, 1.0, 0.22), (storey - 0.15, 0.35, 0.3)):
            self.box((x0 - out, y0 - out, at), (x1 + out, y1 + out, at + thick), stone * 0.9)
        self.box((x0 + 0.5, y0 + 0.5, top + 0.3), (x1 - 0.5, y1 - 0.5, top + 0.91), stone * 0.35)
        middle = ((x0 + x1) / 2, (y0 + y1) / 2)
        self.box(
            (middle[0] - 2, middle[1] - 2, top),
            (middle[0] + 2, middle[1] + 2, top + 2.8),
            stone * 0.7,
        )

    def row_of_houses(
        self, chance: Chance, y: float, width: float, *, depth: float = 14.0, high: float = 24.0
    ) -> None:
        """Add houses side by side across the view, from y on."""
        x = -width / 2
        while x < width / 2:
            wide = chance.number(10, 19)
            front = y + chance.number(0, 1.2)
            self.building(
                (x, front),
                (x + wide - 0.05, y + depth),
                chance.number(8, high),
                chance.one(STONES),
                window=chance.one((2.4, 3.0, 3.6)),
            )
            x += wide

    def side_of_houses(
        self, chance: Chance, x: float, y0: float, y1: float, *, high: float = 22.0
    ) -> None:
        """Add houses along the view, to the left of x below 0, to the right above."""
        y = y0
        while y < y1:
            deep = chance.number(11, 17)
            near = x + chance.number(0, 0.8) * (1 if x > 0 else -1)
            ends = sorted((near, near + (14 if x > 0 else -14)))
            self.building(
                (ends[0], y),
                (ends[1], y + deep - 0.05),
                chance.number(8, high),
                chance.one(STONES),
                window=chance.one((2.4, 3.0)),
            )
            y += deep

    def skyline(self, chance: Chance, y: float, width: float) -> None:
        """Add far towers, which haze makes pale."""
        for _ in range(14):
            x, far = chance.number(-width, width), y + chance.number(60, 220)
            wide = chance.number(12, 30)
            self.box(
                (x, far, 0),
                (x + wide, far + wide, chance.number(18, 70)),
                chance.one(STONES),
                kind=s.FACADE,
                more=(3.0, 3.4),
            )

    def tree(self, chance: Chance, x: float, y: float, height: float, kind: str = "round") -> None:
        """Add a tree: `round`, `tall` as poplars are, or a `conifer`."""
        self.close(x, y, 0.45)
        trunk = {"round": 0.5, "tall": 0.25, "conifer": 0.15}[kind] * height
        self.tube(x, y, (0, trunk), (0.035 * height, 0.02 * height), BARK)
        number = 3600 if kind == "round" else 3000
        way = unit_vectors(chance.normal(0, 1, 3 * number).reshape(-1, 3))
        if kind == "round":
            clumps = np.clip(chance.normal(0, 1, 27).reshape(9, 3), -1.3, 1.3)
            clumps = clumps * [0.15 * height, 0.15 * height, 0.10 * height] + [x, y, 0.7 * height]
            away = 0.19 * height * np.cbrt(chance.uniform(0, 1, number))
            at = clumps[chance.integers(0, 9, number)] + way * away[:, None] * [1, 1, 0.8]
            open_ = np.clip((away / (0.19 * height)) ** 2 * 0.7 + 0.25 + 0.15 * way[:, 2], 0.1, 1)
            green = (0.050, 0.078, 0.020)
        else:
            up = chance.uniform(0.02, 1, number)
            spread = 0.13 * height * np.sqrt(up * (1.02 - up)) * 2
            if kind == "conifer":
                tiers = up * 9 - np.floor(up * 9)
                spread = 0.28 * height * (1 - up) * (0.55 + 0.45 * (1 - tiers))
            out = np.sqrt(chance.uniform(0.3, 1, number))
            at = np.column_stack(
                [
                    x + way[:, 0] * spread * out,
                    y + way[:, 1] * spread * out,
                    trunk + up * (height - trunk),
                ]
            )
            open_ = np.clip(0.25 + 0.65 * out**2, 0.1, 1)
            green = (0.022, 0.045, 0.018) if kind == "conifer" else (0.040, 0.075, 0.022)
        aside = unit_vectors(chance.normal(0, 1, 3 * number).reshape(-1, 3))
        along = unit_vectors(
            np.cross(aside, way + 0.3 * chance.normal(0, 1, 3 * number).reshape(-1, 3))
        )
        size = (0.02 * height * chance.uniform(0.6, 1.4, number))[:, None]
        leaves = np.stack(
            [
                at + aside * size,
                at - aside * size * 0.6 + along * size * 0.75,
                at - aside * size * 0.6 - along * size * 0.75,
            ],
            axis=1,
        ).reshape(-1, 3)
        normals = unit_vectors(unit_vectors(at - [x, y, 0.62 * height]) + 0.5 * way)
        colour = np.array(green) * chance.uniform(0.75, 1.25, number)[:, None]
        faces = np.arange(3 * number).reshape(-1, 3)
        before = len(self._materials)
        self.add(leaves, faces, s.LEAVES, colour, normals=normals)
        self._materials[before][:, 7] = open_

    def car(self, x: float, y: float, turn: float, colour: Colour, kind: str = "saloon") -> None:
        """Add a car that faces +x, turned by degrees: `saloon`, `hatchback` or `van`."""
        shape = _CARS[kind]
        for at in BELOW_CARS_M:
            place = turned(np.array([[at, 0.0]]), turn, (0, 0))[0]
            self.close(x + float(place[0]), y + float(place[1]), 0.95)

        def put(corners: npt.ArrayLike) -> Floats:
            moved = np.array(corners, np.float64)
            moved[:, :2] = turned(moved[:, :2], turn, (0, 0)) + [x, y]
            return moved

        def half(height: float) -> float:
            return (
                0.88
                - 0.22 * max(0.0, (height - 0.9) / 0.5) * (kind != "van")
                - 0.06 * (height < 0.5)
            )

        quad = [[0, 1, 2], [0, 2, 3]]
        for (x0, z0), (x1, z1) in pairwise(shape):
            steep = abs(z1 - z0) > 0.25 and min(z0, z1) > 0.8
            corners = [
                [x0, -half(z0), z0],
                [x1, -half(z1), z1],
                [x1, half(z1), z1],
                [x0, half(z0), z0],
            ]
            kind_of = s.GLASS if steep else s.PAINT
            self.add(put(corners), quad, kind_of, (0.02, 0.022, 0.025) if steep else colour)
        roof = max(z for _, z in shape)
        front = [p for p in shape if p[1] > 0.9]
        for side in (-1, 1):
            outline = [[px, side * half(pz), pz] for px, pz in shape]
            middle = len(outline)
            outline.append([0, side * 0.88, 0.7])
            fan = [[k, k + 1, middle] for k in range(middle - 1)] + [[middle - 1, 0, middle]]
            self.add(put(outline), fan, s.PAINT, colour)
            a, b = front[0][0] + 0.35, front[-1][0] - 0.35
            split = (a + b) / 2
            for left, right in ((a, split - 0.05), (split + 0.05, b)):
                out = side * (half(1.2) + 0.03)
                pane = [
                    [left, out, 1.0],
                    [right, out, 1.0],
                    [right - 0.15 * (right > split), out * 0.93, roof - 0.1],
                    [left + 0.15 * (left < split), out * 0.93, roof - 0.1],
                ]
                self.add(put(pane), quad, s.GLASS, (0.015, 0.017, 0.02))
            round_ = np.arange(12) * np.pi / 6
            for axle in (-1.35, 1.4):
                for radius, off, tint in ((0.33, 0.015, RUBBER), (0.19, 0.03, (0.3, 0.3, 0.31))):
                    wheel = np.column_stack(
                        [
                            axle + radius * np.cos(round_),
                            np.full(12, side * (0.88 + off)),
                            0.33 + radius * np.sin(round_),
                        ]
                    )
                    hub = [[axle, side * (0.885 + off), 0.33]]
                    spokes = [[k, (k + 1) % 12, 12] for k in range(12)]
                    self.add(put(np.concatenate([wheel, hub])), spokes, s.ROUGH, tint)
            self.add(
                put(
                    [
                        [2.27, side * 0.78, 0.6],
                        [2.29, side * 0.5, 0.6],
                        [2.25, side * 0.5, 0.74],
                        [2.2, side * 0.78, 0.74],
                    ]
                ),
                *(quad, s.GLASS, (0.5, 0.5, 0.48)),
            )
            self.add(
                put(
                    [
                        [-2.31, side * 0.8, 0.62],
                        [-2.31, side * 0.5, 0.62],
                        [-2.26, side * 0.5, 0.8],
                        [-2.24, side * 0.8, 0.8],
                    ]
                ),
                *(quad, s.GLASS, (0.35, 0.01, 0.01)),
            )

    def lamp(self, x: float, y: float, height: float = 5.0, way: int = 1) -> None:
        """Add a street lamp, whose arm points to the right, 1, or the left, -1."""
        self.close(x, y, 0.3)
        self.tube(x, y, (0, 0.5), (0.13, 0.1), IRON)
        self.tube(x, y, (0.5, height), (0.06, 0.045), IRON)
        arm = sorted((x - 0.04 * way, x + way * 1.1))
        self.box((arm[0], y - 0.04, height - 0.1), (arm[1], y + 0.04, height), IRON)
        head = sorted((x + way * 0.6, x + way * 1.3))
        self.box(
            (head[0], y - 0.13, height - 0.16),
            (head[1], y + 0.13, height - 0.1),
            (0.8, 0.7, 0.5),
            kind=s.LAMP,
        )
        self.lamps.append((x + way * 0.95, y, height - 0.3))

    def bench(self, x: float, y: float, turn: float = 0.0) -> None:
        """Add a bench; its back is behind those who look to the camera at 0 degrees."""
        self.close(x, y, 0.95)
        at = (x, y)
        self.box(
            (x - 0.9, y - 0.22, 0.4),
            (x + 0.9, y + 0.22, 0.46),
            DARK_WOOD,
            kind=s.WOOD,
            turn=turn,
            about=at,
        )
        self.box(
            (x - 0.9, y + 0.2, 0.55),
            (x + 0.9, y + 0.24, 0.9),
            DARK_WOOD,
            kind=s.WOOD,
            turn=turn,
            about=at,
        )
        for side in (-0.7, 0.65):
            self.box(
                (x + side, y - 0.2, 0), (x + side + 0.08, y + 0.24, 0.6), IRON, turn=turn, about=at
            )
        for side in (-0.45, 0.45):
            place = turned(np.array([[x + side, y]]), turn, at)[0]
            self.seats.append(Seat(float(place[0]), float(place[1]), 0.0, np.radians(turn)))

    def rail(
        self, start: tuple[float, float], end: tuple[float, float], height: float = 1.0
    ) -> None:
        """Add a fence of bars between two points."""
        way = np.array(end) - np.array(start)
        length = float(np.sqrt((way * way).sum()))
        turn = float(np.degrees(np.arctan2(way[1], way[0])))
        x, y = start
        for at in (0.15, height):
            self.box(
                (x, y - 0.02, at - 0.025),
                (x + length, y + 0.02, at + 0.025),
                IRON,
                turn=turn,
                about=start,
            )
        for step in np.arange(0, length, 0.16):
            self.box(
                (x + step, y - 0.01, 0.15),
                (x + step + 0.02, y + 0.01, height),
                IRON,
                turn=turn,
                about=start,
            )
        for step in np.arange(0, length + 0.01, 1.0):
            place = np.array(start) + way * min(step / max(length, 1e-6), 1)
            self.close(float(place[0]), float(place[1]), 0.25)

    def bicycle(self, x: float, y: float, turn: float, colour: Colour) -> None:
        """Add a bicycle on its stand."""
        self.close(x, y, 0.7)
        ring = np.arange(14) * 2 * np.pi / 14
        for axle in (-0.52, 0.52):
            rims = [
                np.column_stack([axle + r * np.cos(ring), 0 * ring, 0.34 + r * np.sin(ring)])
                for r in (0.34, 0.29)
            ]
            corners = np.concatenate(rims)
            corners[:, :2] = turned(corners[:, :2], turn, (0, 0)) + [x, y]
            faces = []
            for k in range(14):
                j = (k + 1) % 14
                faces += [[k, j, 14 + j], [k, 14 + j, 14 + k]]
            self.add(corners, faces, s.ROUGH, RUBBER)
        for low, high in (
            ((-0.3, -0.02, 0.55), (0.4, 0.02, 0.6)),
            ((-0.22, -0.02, 0.34), (-0.16, 0.02, 0.95)),
            ((0.38, -0.02, 0.34), (0.44, 0.02, 1.0)),
            ((-0.32, -0.07, 0.93), (-0.06, 0.07, 0.98)),
            ((0.36, -0.28, 0.98), (0.42, 0.28, 1.02)),
        ):
            ends = [(end[0] + x, end[1] + y, end[2]) for end in (low, high)]
            self.box(ends[0], ends[1], colour, turn=turn, about=(x, y))

    def stairs(self, x0: float, x1: float, y: float, steps: int, colour: Colour) -> None:
        """Add stairs across the view, that go up away from the camera."""
        for step in range(steps):
            at = y + 0.32 * step
            self.box((x0, at, 0), (x1, y + 0.32 * steps + 2, 0.16 * (step + 1)), colour)
        for x in np.arange(x0, x1 + 0.1, 1.0):
            for at in np.arange(y, y + 0.32 * steps + 2, 0.8):
                self.close(float(x), float(at), 0.6)

    def chair(self, x: float, y: float, toward: int, colour: Colour, back: str) -> None:
        """Add a chair and its seat.

        Args:
            x: of its middle.
            y: of its middle.
            toward: whether its sitter looks to the camera, 1, or away, -1.
            colour: of seat and back.
            back: one of `CHAIRS`.
        """
        at = y + toward * 0.24
        self.box((x - 0.2, y - 0.2, 0.41), (x + 0.2, y + 0.2, 0.45), colour, kind=s.SEATS)
        for dx in (-0.18, 0.15):
            for dy in (-0.18, 0.15):
                self.box((x + dx, y + dy, 0), (x + dx + 0.03, y + dy + 0.03, 0.42), IRON)

        def part(x0: float, z0: float, x1: float, z1: float) -> None:
            self.box((x + x0, at - 0.015, z0), (x + x1, at + 0.015, z1), colour, kind=s.SEATS)

        angle = np.linspace(0, np.pi, 9)
        rim = np.column_stack(
            [x + 0.2 * np.cos(angle), np.full(9, at), 0.68 + 0.26 * np.sin(angle)]
        )
        if back == "slats":
            for low in (0.55, 0.68, 0.81):
                part(-0.2, low, 0.2, low + 0.07)
            for dx in (-0.2, 0.17):
                part(dx, 0.42, dx + 0.03, 0.92)
        elif back == "bars":  # upright ones under an arch
            for dx in np.linspace(-0.18, 0.15, 6).tolist():
                part(dx, 0.45, dx + 0.025, 0.68 + 0.26 * np.sqrt(1 - (abs(dx + 0.0125) / 0.2) ** 2))
            within = rim.copy()
            within[:, 0], within[:, 2] = x + 0.8 * (rim[:, 0] - x), 0.68 + 0.75 * (rim[:, 2] - 0.68)
            arch = [face for k in range(8) for face in ([k, k + 1, k + 10], [k, k + 10, k + 9])]
            self.add(np.concatenate([rim, within]), arch, s.SEATS, colour)
        elif back == "round":
            foot = [[x - 0.2, at, 0.5], [x + 0.2, at, 0.5]]
            faces = [[k, k + 1, 9] for k in range(8)] + [[0, 9, 10]]
            self.add(np.concatenate([rim, foot]), faces, s.SEATS, colour)
        else:
            part(-0.2, 0.5, 0.2, 0.92)
        self.seats.append(Seat(x, y, 0.0, 0.0 if toward > 0 else np.pi))

    def poster(
        self, chance: Chance, corner: Sequence[float], width: float, height: float, axis: int
    ) -> None:
        """Add a flat panel of patches, along x (axis 0) or along y (axis 1)."""
        x, y, z = corner

        def patch(u0: float, v0: float, u1: float, v1: float, out: float, colour: Colour) -> None:
            if axis == 0:
                self.box((x + u0, y - out, z + v0), (x + u1, y, z + v1), colour)
            else:
                self.box((x - out, y + u0, z + v0), (x + out, y + u1, z + v1), colour)

        patch(0, 0, width, height, 0.02, any_colour(chance))
        for number in range(int(chance.integers(0, 12)[0])):
            u, v = chance.number(0, 0.9 * width), chance.number(0, 0.9 * height)
            ends = (
                min(width, u + chance.number(0.03, 0.5) * width),
                min(height, v + chance.number(0.02, 0.25) * height),
            )
            patch(u, v, *ends, 0.03 + 0.001 * number, any_colour(chance))


def any_colour(chance: Chance) -> tuple[float, float, float]:
    """Draw a colour of things: often grey, brown or skin-like, sometimes bright."""
    if chance.happens(0.45):
        grey = chance.number(0.02, 0.8)
        return grey, grey * chance.number(0.85, 1.05), grey * chance.number(0.7, 1.05)
    if chance.happens(0.3):
        skin = chance.number(0.05, 0.6)
        return skin, skin * 0.62, skin * 0.42
    bright = chance.uniform(0.05, 0.95, 3) ** 2
    bright = bright + (bright.sum() / 3 - bright) * 0.35  # few things are as colourful as can be
    red, green, blue = bright.tolist()
    return red, green, blue


_CARS = {
    "saloon": (
        *((-2.25, 0.35), (-2.3, 0.62), (-2.2, 0.86), (-1.55, 0.95), (-0.95, 1.38)),
        *((0.45, 1.42), (1.15, 0.98), (2.05, 0.86), (2.28, 0.64), (2.25, 0.35)),
    ),
    "hatchback": (
        *((-2.05, 0.35), (-2.1, 0.62), (-2.05, 0.95), (-1.75, 1.42), (0.4, 1.5)),
        *((1.1, 1.0), (1.95, 0.88), (2.15, 0.64), (2.12, 0.35)),
    ),
    "van": (
        *((-2.4, 0.4), (-2.42, 0.9), (-2.38, 1.95), (-2.3, 2.05), (1.1, 2.05)),
        *((1.75, 1.15), (2.25, 0.98), (2.35, 0.64), (2.3, 0.4)),
    ),
}
"""Outlines from the side, from the rear bumper over the roof to the front."""


class Cars:
    """Collects cars that drive along x, from one end to the other."""

    def __init__(self, end_m: float = 1.0) -> None:
        """Begin without cars; the ends are at x = -end_m and end_m."""
        self._end_m = end_m
        self._meshes = Scenery()
        self._vertices: list[int] = []
        self._middles: list[tuple[float, float]] = []
        self._speeds: list[float] = []

    def put(self, x: float, y: float, speed_m_s: float, colour: Colour, kind: str) -> None:
        """Add a car, as `Scenery.car` does, that drives to the right above 0, else to the left."""
        self._meshes.car(x, y, 0.0 if speed_m_s > 0 else 180.0, colour, kind)
        self._vertices.append(self._meshes.vertex_count - sum(self._vertices))
        self._middles.append((x, y))
        self._speeds.append(speed_m_s)

    def arrays(self) -> tuple[Traffic, npt.NDArray[np.float32]]:
        """Return what drives, and the materials of its triangles, (T, MATERIALS)."""
        places, triangles, materials = self._meshes.arrays()
        traffic = Traffic(
            places=places,
            triangles=triangles,
            car_of=np.repeat(np.arange(len(self._vertices)), np.array(self._vertices, np.int64)),
            middles_m=np.array(self._middles, np.float64).reshape(-1, 2),
            speeds_m_s=np.array(self._speeds),
            end_m=self._end_m,
        )
        return traffic, materials
