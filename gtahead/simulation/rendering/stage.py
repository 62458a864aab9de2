"""What frames are drawn of: a place without people, and the camera that looks at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]


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
class Stage:
    """A place without people.

    Attributes:
        places: (V, 3) of the scenery, metres.
        triangles: (T, 3).
        materials: (T, MATERIALS).
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
