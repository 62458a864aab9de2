"""What frames are drawn of: a place without people, its traffic, and the camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]


BELOW_CARS_M = np.arange(-2, 2.1, 0.5)
"""Where a car darkens the ground, along it, from its middle."""


@dataclass(frozen=True)
class View:
    """A camera, in the place's metres.

    Attributes:
        eye_m: (3,).
        right: (3,) axes of length 1.
        up: (3,).
        forward: (3,).
        focal_px: focal length in pixels.
        size_wh: of the image.
    """

    eye_m: Floats
    right: Floats
    up: Floats
    forward: Floats
    focal_px: float
    size_wh: tuple[int, int]

    @property
    def array(self) -> F32:
        """Return all of it as the kernels take it, (15,)."""
        centre = (self.focal_px, self.size_wh[0] / 2, self.size_wh[1] / 2)
        parts = np.array([*self.eye_m, *self.right, *self.up, *self.forward, *centre])
        # Rounded: sines differ in their last bit from system to system.
        return (np.round(parts * 2**20) / 2**20).astype(np.float32)


@dataclass(frozen=True)
class Traffic:
    """What drives along the x axis; what leaves at one end comes again at the other.

    Attributes:
        places: (V, 3) metres, at first.
        triangles: (T, 3).
        car_of: (V,) number of the car that a vertex belongs to.
        middles_m: (C, 2) of the cars at first.
        speeds_m_s: (C,) along x.
        end_m: the ends are at x = -end_m and end_m.
    """

    places: F32
    triangles: I32
    car_of: Ints
    middles_m: Floats
    speeds_m_s: Floats
    end_m: float

    def at(self, seconds: float) -> tuple[F32, F32]:
        """Return the vertices, (V, 3), and where cars darken the ground, (N, 2), at a time."""
        first = self.middles_m[:, 0]
        gone = first + self.speeds_m_s * seconds + self.end_m
        length = 2 * self.end_m
        x = gone - np.floor(gone / length) * length - self.end_m
        # Rounded, as all places are: the same on every machine.
        aside = (np.round((x - first) * 65536) / 65536).astype(np.float32)
        places = self.places.copy()
        places[:, 0] += aside[self.car_of]
        below = np.repeat(self.middles_m, len(BELOW_CARS_M), axis=0)
        below[:, 0] += np.repeat(aside, len(BELOW_CARS_M)) + np.tile(BELOW_CARS_M, len(first))
        return places, below.astype(np.float32)


NO_TRAFFIC = Traffic(
    np.zeros((0, 3), np.float32),
    np.zeros((0, 3), np.int32),
    np.zeros(0, np.int64),
    np.zeros((0, 2)),
    np.zeros(0),
    1.0,
)


@dataclass(frozen=True)
class Stage:
    """A place without people.

    Attributes:
        places: (V, 3) of the scenery, metres.
        triangles: (T, 3).
        materials: of the scenery's triangles, then of the traffic's, (T, MATERIALS).
        zones: (Z, 6) of the ground.
        ground: what it is elsewhere.
        sun: (3,) direction of length 1 to the sun, or to the sky's brightest part.
        lights: (LIGHTS,).
        lamps: (L, LAMPS).
        air: (AIR,).
        middle_m: (2,) of the area that casts and takes shadows.
        reach_m: how far it reaches.
        crowded: (N, 2) where something stands on the ground that darkens it.
        map_side: cells of the shadow map along a side.
        traffic: what drives there.
    """

    places: F32
    triangles: I32
    materials: F32
    zones: F32
    ground: int
    sun: Floats
    lights: F32
    lamps: F32
    air: F32
    middle_m: Floats
    reach_m: float
    crowded: F32
    map_side: int = 2048
    traffic: Traffic = NO_TRAFFIC
