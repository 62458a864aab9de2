"""The light of a simulated scene: sun, sky, lamps and haze, by hour and weather."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats

DULL = {"RAIN": 0.72, "THUNDER": 0.58, "OVERCAST": 0.85, "FOGGY": 0.9, "CLOUDS": 0.95}
HAZE_M = {"FOGGY": 45.0, "RAIN": 160.0, "THUNDER": 160.0, "OVERCAST": 500.0}
"""Metres after which 1/e of the contrast is left; a clear day has 900."""

SUNRISE, SUNSET = 6.0, 20.0
LAMP_BGR = (0.40, 0.62, 0.80)
LAMP_REACH_M = 5.0


@dataclass(frozen=True)
class Light:
    """Light of one sequence; colours are BGR factors of an albedo.

    Attributes:
        sky: (3,) from everywhere.
        sun: (3,) from one direction; zero under clouds and at night.
        to_sun: (3,) the sun's direction in the world.
        horizon: (3,) colour, 0 to 255, of haze and low sky.
        zenith: (3,) colour, 0 to 255, of the high sky.
        haze_m: metres after which 1/e of the contrast is left.
        lamps: (n, 2) where lamps stand on the ground, lit.
    """

    sky: Floats
    sun: Floats
    to_sun: Floats
    horizon: Floats
    zenith: Floats
    haze_m: float
    lamps: Floats

    @property
    def shadow(self) -> float:
        """How much darker the ground is where the sun doesn't reach, from 0 to 1."""
        sun = float(self.sun.max()) * float(self.to_sun[2])
        return sun / (sun + float(self.sky.max()))

    def haze(self, depth_m: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Return how much of the contrast is lost, 0 to 1."""
        return np.asarray(1 - np.exp(-np.maximum(depth_m, 0) / self.haze_m))

    def diffuse(self, places_m: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Return the light of sky and lamps, (..., 3) BGR, at points (..., 2) of the ground."""
        lit = np.broadcast_to(self.sky, (*places_m.shape[:-1], 3)).astype(places_m.dtype)
        if len(self.lamps):
            near = np.zeros(places_m.shape[:-1], places_m.dtype)
            for lamp in self.lamps:
                gap = ((places_m - lamp.astype(places_m.dtype)) ** 2).sum(axis=-1)
                near += 1 / (1 + gap / LAMP_REACH_M**2)
            # Between many lamps it isn't brighter than under one.
            lit += np.tanh(near)[..., None] * np.array(LAMP_BGR, lit.dtype)
        return lit


def is_dark(hour: float) -> bool:
    """Return whether it is dark at an hour, so that lamps are lit."""
    return not SUNRISE <= hour < SUNSET


def light_of(weather: str, hour: float, bearing: float, lamps: Floats) -> Light:
    """Make the light for a weather and an hour; the sun's path is turned by `bearing` radians."""
    height = math.sin(math.pi * (hour - SUNRISE) / (SUNSET - SUNRISE))
    height = -0.2 if is_dark(hour) else height
    day = min(max(height * 3 + 0.45, 0.0), 1.0)
    dull = DULL.get(weather, 1.0)
    clear = {"CLEAR": 1.0, "EXTRASUNNY": 1.0, "CLOUDS": 0.5}.get(weather, 0.0)
    low = max(1 - max(height, 0) * 1.8, 0.0)  # 1 at sunrise, 0 from mid-morning on
    sky = (0.3 + (0.49 - 0.16 * clear) * day * dull) * np.array([1.1, 1.0, 0.94])
    sky = sky * (1 - (1 - day) * np.array([0.0, 0.15, 0.3]))
    sun = 0.85 * day * clear * np.array([1.0 - 0.5 * low, 1.0 - 0.22 * low, 1.05])
    elevation = math.radians(max(14.0, 68.0 * max(height, 0.0)))
    azimuth = bearing + math.pi * (hour - 13) / 14
    to_sun = np.array(
        [
            math.cos(elevation) * math.sin(azimuth),
            math.cos(elevation) * math.cos(azimuth),
            math.sin(elevation),
        ]
    )
    blue, grey = np.array([215.0, 165.0, 120.0]), 200.0 * np.array([1.0, 0.98, 0.95])
    zenith = day * dull * (clear * blue + (1 - clear) * grey)
    warm = np.array([1 - 0.35 * low * clear, 1 - 0.15 * low * clear, 1.0])
    horizon = (225.0 if clear else 205.0) * day * dull * warm
    night = (1 - day) * np.array([38.0, 26.0, 20.0])
    return Light(
        sky=sky,
        sun=sun,
        to_sun=to_sun,
        horizon=np.clip(horizon + night, 0, 250),
        zenith=np.clip(zenith + night * 0.6, 0, 250),
        haze_m=HAZE_M.get(weather, 900.0),
        lamps=lamps if is_dark(hour) else np.empty((0, 2)),
    )
