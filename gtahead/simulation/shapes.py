"""Triangles of a place: boxes, tubes and balls, and where they leave room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints
from gtahead.simulation.rendering import surroundings as s

Colour = Sequence[float]
"""Red, green, blue, linear, of what a surface gives back."""


@dataclass(frozen=True)
class Disc:
    """Where nobody can stand."""

    x_m: float
    y_m: float
    radius_m: float


@dataclass(frozen=True)
class Seat:
    """Where somebody can sit: the heading is where they look, 0 to the camera, in radians."""

    x_m: float
    y_m: float
    z_m: float
    heading: float


class Shapes:
    """Collects triangles, and where they leave room.

    Attributes:
        discs: where nobody can stand.
        seats: where somebody can sit.
        lamps: (x, y, z) of lamps that are lit at night.
        zones: rows of `Stage.zones`.
    """

    def __init__(self) -> None:
        self.discs: list[Disc] = []
        self.seats: list[Seat] = []
        self.lamps: list[tuple[float, float, float]] = []
        self.zones: list[tuple[float, ...]] = []
        self._places: list[Floats] = []
        self._triangles: list[Ints] = []
        self._materials: list[Floats] = []
        self._count = 0

    @property
    def vertex_count(self) -> int:
        """Return how many vertices there are so far."""
        return self._count

    def arrays(
        self,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return vertices (V, 3), triangles (T, 3), and their materials (T, MATERIALS)."""
        if not self._places:
            nothing = np.zeros((0, 3), np.float32)
            return nothing, nothing.astype(np.int32), np.zeros((0, s.MATERIALS), np.float32)
        # Rounded: sines and cosines differ in their last bit from system to system.
        places = np.round(np.concatenate(self._places) * 65536) / 65536
        return (
            np.ascontiguousarray(places.astype(np.float32)),
            np.ascontiguousarray(np.concatenate(self._triangles).astype(np.int32)),
            np.ascontiguousarray(np.concatenate(self._materials).astype(np.float32)),
        )

    def standing(self) -> npt.NDArray[np.float32]:
        """Return where things stand on the ground, (N, 2), which darkens it."""
        found = [(disc.x_m, disc.y_m) for disc in self.discs if disc.radius_m < 1.2]
        return np.array(found, np.float32).reshape(-1, 2)

    def close(self, x: float, y: float, radius: float) -> None:
        """Keep people away."""
        self.discs.append(Disc(x, y, radius))

    def is_free(self, x: float, y: float, radius: float) -> bool:
        """Return whether nothing stands within a radius."""
        return all(
            (x - disc.x_m) ** 2 + (y - disc.y_m) ** 2 > (radius + disc.radius_m) ** 2
            for disc in self.discs
        )

    def add(
        self,
        places: npt.ArrayLike,
        triangles: npt.ArrayLike,
        kind: int,
        colour: Colour | Floats,
        *,
        more: tuple[float, float] = (0.0, 0.0),
        normals: Floats | None = None,
    ) -> None:
        """Add a mesh of one material.

        Args:
            places: (V, 3) metres.
            triangles: (T, 3).
            kind: of surface, one of `surroundings`.
            colour: of all, or (T, 3).
            more: the two numbers whose meaning depends on the kind.
            normals: (T, 3), if they aren't the triangles'.
        """
        corners, faces = np.asarray(places, np.float64), np.asarray(triangles, np.int64)
        if normals is None:
            a, b, c = (corners[faces[:, k]] for k in range(3))
            normals = unit_vectors(np.cross(b - a, c - a))
        material = np.zeros((len(faces), s.MATERIALS))
        material[:, 0], material[:, 1:4], material[:, 4:7] = kind, colour, normals
        material[:, 7:] = more
        self._places.append(corners)
        self._triangles.append(faces + self._count)
        self._materials.append(material)
        self._count += len(corners)

    def box(
        self,
        low: Sequence[float],
        high: Sequence[float],
        colour: Colour | Floats,
        *,
        kind: int = s.ROUGH,
        more: tuple[float, float] = (0.0, 0.0),
        turn: float = 0.0,
        about: tuple[float, float] | None = None,
    ) -> None:
        """Add a box between two corners, turned by degrees about its middle or a point."""
        unit = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float64)
        corners = np.array(low) + unit * (np.array(high) - np.array(low))
        if turn:
            middle = (np.array(low[:2]) + np.array(high[:2])) / 2 if about is None else about
            corners[:, :2] = turned(corners[:, :2], turn, middle)
        self.add(corners, _BOX, kind, colour, more=more)

    def tube(
        self,
        x: float,
        y: float,
        heights: tuple[float, float],
        radii: tuple[float, float],
        colour: Colour,
        *,
        sides: int = 8,
        kind: int = s.ROUGH,
    ) -> None:
        """Add an upright tube or cone, closed above."""
        angle = np.arange(sides) * 2 * np.pi / sides
        ways = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        rings = [
            np.column_stack([ways * radius + [x, y], np.full(sides, height)])
            for radius, height in zip(radii, heights, strict=True)
        ]
        faces = []
        for k in range(sides):
            j = (k + 1) % sides
            faces += [
                [k, j, sides + j],
                [k, sides + j, sides + k],
                [sides + k, sides + j, 2 * sides],
            ]
        self.add(np.concatenate([*rings, [[x, y, heights[1]]]]), faces, kind, colour)

    def ball(
        self,
        middle: Sequence[float],
        radii: Sequence[float],
        colour: Colour,
        *,
        kind: int = s.ROUGH,
    ) -> None:
        """Add a ball."""
        rows, columns = 7, 10
        down, round_ = np.linspace(0, np.pi, rows), np.arange(columns) * 2 * np.pi / columns
        unit = np.stack(
            [
                np.sin(down)[:, None] * np.cos(round_),
                np.sin(down)[:, None] * np.sin(round_),
                np.broadcast_to(np.cos(down)[:, None], (rows, columns)),
            ],
            axis=2,
        ).reshape(-1, 3)
        faces = []
        for row in range(rows - 1):
            for k in range(columns):
                a, b = row * columns + k, row * columns + (k + 1) % columns
                faces += [[a, a + columns, b], [b, a + columns, b + columns]]
        corners = np.array(faces)
        normals = unit_vectors(unit[corners].mean(axis=1))
        self.add(unit * radii + middle, corners, kind, colour, normals=normals)


def unit_vectors(vectors: Floats) -> Floats:
    """Scale vectors, (N, 3), to a length of 1."""
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.asarray(vectors / np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9)[:, None])


def turned(points: Floats, degrees: float, about: Sequence[float] | Floats) -> Floats:
    """Turn points, (N, 2), counter-clockwise about another."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y = points[:, 0] - about[0], points[:, 1] - about[1]
    return np.stack([x * cosine - y * sine + about[0], x * sine + y * cosine + about[1]], axis=1)


_BOX = (
    *((0, 1, 5), (0, 5, 4), (1, 3, 7), (1, 7, 5), (3, 2, 6), (3, 6, 7)),
    *((2, 0, 4), (2, 4, 6), (4, 5, 7), (4, 7, 6), (0, 2, 3), (0, 3, 1)),
)
