"""The light of a place: sun, sky, lamps, haze, rain and snow, by hour and weather."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Floats
from gtahead.simulation.chance import Chance
from gtahead.simulation.rendering import surroundings as s

SUNRISE, SUNSET = 6.0, 20.0


@dataclass(frozen=True)
class _Mood:
    """Linear colours, red first.

    Attributes:
        sun: from one direction.
        sky: from above.
        ground: thrown back from below.
        horizon: of the low sky.
        zenith: of the high sky.
        clouds: of clouds.
        cloudy: how much of the sky they take, 0 to 1.
        haze: what distance fades to.
        haze_a_metre: how fast.
    """

    sun: tuple[float, float, float]
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    horizon: tuple[float, float, float]
    zenith: tuple[float, float, float]
    clouds: tuple[float, float, float]
    cloudy: float
    haze: tuple[float, float, float]
    haze_a_metre: float

    @property
    def numbers(self) -> Floats:
        """Return all of it, (23,): what lights, then what the air is."""
        return np.array(
            [
                *(*self.sun, *self.sky, *self.ground, *self.horizon, *self.zenith, *self.clouds),
                *(self.cloudy, *self.haze, self.haze_a_metre),
            ]
        )


_CLEAR = _Mood(
    sun=(2.55, 2.3, 1.92),
    sky=(0.4, 0.5, 0.7),
    ground=(0.24, 0.21, 0.18),
    horizon=(0.62, 0.74, 0.88),
    zenith=(0.12, 0.26, 0.62),
    clouds=(1.0, 1.0, 1.0),
    cloudy=0.5,
    haze=(0.5, 0.6, 0.72),
    haze_a_metre=0.0016,
)
_OVERCAST = _Mood(
    sun=(0.55, 0.54, 0.52),
    sky=(0.85, 0.9, 0.98),
    ground=(0.32, 0.31, 0.3),
    horizon=(0.68, 0.71, 0.74),
    zenith=(0.52, 0.56, 0.62),
    clouds=(0.42, 0.45, 0.5),
    cloudy=0.7,
    haze=(0.6, 0.63, 0.66),
    haze_a_metre=0.004,
)
_RAIN = _Mood(
    sun=(0.12, 0.12, 0.12),
    sky=(0.6, 0.66, 0.72),
    ground=(0.13, 0.13, 0.14),
    horizon=(0.5, 0.54, 0.57),
    zenith=(0.46, 0.5, 0.54),
    clouds=(0.38, 0.41, 0.45),
    cloudy=0.6,
    haze=(0.42, 0.46, 0.49),
    haze_a_metre=0.009,
)
_FOG = _Mood(
    sun=(0.2, 0.2, 0.2),
    sky=(0.8, 0.83, 0.86),
    ground=(0.3, 0.3, 0.3),
    horizon=(0.66, 0.68, 0.7),
    zenith=(0.6, 0.62, 0.65),
    clouds=(0.62, 0.64, 0.66),
    cloudy=0.3,
    haze=(0.66, 0.68, 0.7),
    haze_a_metre=0.03,
)
_SNOW = _Mood(
    sun=(0.35, 0.36, 0.38),
    sky=(0.85, 0.92, 1.0),
    ground=(0.55, 0.56, 0.58),
    horizon=(0.72, 0.75, 0.78),
    zenith=(0.62, 0.66, 0.72),
    clouds=(0.66, 0.68, 0.72),
    cloudy=0.5,
    haze=(0.7, 0.73, 0.76),
    haze_a_metre=0.01,
)
_DUSK = _Mood(
    sun=(0.62, 0.32, 0.15),
    sky=(0.105, 0.12, 0.2),
    ground=(0.06, 0.05, 0.05),
    horizon=(0.46, 0.24, 0.15),
    zenith=(0.03, 0.05, 0.13),
    clouds=(0.34, 0.18, 0.13),
    cloudy=0.6,
    haze=(0.18, 0.13, 0.15),
    haze_a_metre=0.004,
)
_NIGHT = _Mood(
    sun=(0.03, 0.035, 0.05),
    sky=(0.062, 0.066, 0.09),
    ground=(0.042, 0.04, 0.042),
    horizon=(0.05, 0.042, 0.04),
    zenith=(0.004, 0.006, 0.014),
    clouds=(0.03, 0.028, 0.032),
    cloudy=0.4,
    haze=(0.035, 0.032, 0.036),
    haze_a_metre=0.003,
)
_MOODS = {"CLEAR": _CLEAR, "EXTRASUNNY": _CLEAR, "CLOUDS": _CLEAR, "OVERCAST": _OVERCAST}
_MOODS |= {"RAIN": _RAIN, "THUNDER": _RAIN, "FOGGY": _FOG, "SNOW": _SNOW}
_WET = {"RAIN": 1.0, "THUNDER": 1.0}
LAMP_LIGHT = (5.2, 3.6, 1.9)


@dataclass(frozen=True)
class Atmosphere:
    """What `Stage` needs to know of the light.

    Attributes:
        sun: (3,) direction of length 1 to the sun, or the moon.
        lights: (9,) as the kernels take them.
        air: (AIR,) as the kernels take it.
        night: from 0, day, to 1: how much lamps and windows shine.
        rain: how much it rains, from 0.
        snow: how much it snows, from 0.
    """

    sun: Floats
    lights: Floats
    air: Floats
    night: float
    rain: float = 0.0
    snow: float = 0.0


def is_dark(hour: float) -> bool:
    """Return whether it is dark at an hour, so that lamps are lit."""
    return not SUNRISE <= hour < SUNSET


def atmosphere_of(weather: str, hour: float, bearing: float, chance: Chance) -> Atmosphere:
    """Make the light for a weather and an hour.

    Args:
        weather: one of the presets' weathers.
        hour: 0 to under 24.
        bearing: by how many radians the sun's path is turned.
        chance: of the location: no two have quite the same light.
    """
    # How far the day is: 0 at night, 0.5 at dusk and dawn, 1 by day.
    edge = min(abs(hour - SUNRISE), abs(hour - SUNSET)) / 1.5
    day = min(0.5 + 0.5 * edge, 1.0) if not is_dark(hour) else max(0.5 - 0.5 * edge, 0.0)
    mood, dusk, night = (one.numbers for one in (_MOODS[weather], _DUSK, _NIGHT))
    if day >= 0.5:
        numbers = dusk + (mood - dusk) * (2 * day - 1)
    else:
        numbers = night + (dusk - night) * 2 * day
    dull = {"THUNDER": 0.65, "CLOUDS": 0.8, "EXTRASUNNY": 1.1}.get(weather, 1.0)
    tint = chance.uniform(0.85, 1.15, 9) * dull
    numbers[:9] *= np.round(tint * 4096) / 4096
    if weather == "CLOUDS":
        numbers[18] = 0.9
    air = np.zeros(s.AIR)
    air[: s.WET] = numbers[9:]
    thick = _MOODS[weather].haze_a_metre
    air[s.HAZE_A_METRE] = max(air[s.HAZE_A_METRE], thick if weather != "CLEAR" else 0)
    lit = min(max(1.6 - 2 * day, 0.0), 1.0)
    air[s.WET], air[s.NIGHT] = _WET.get(weather, 0.0), lit
    air[s.SNOW] = 0.9 if weather == "SNOW" else 0.0
    high = max(np.sin(np.pi * (hour - SUNRISE) / (SUNSET - SUNRISE)), 0.0) if day > 0 else 0.6
    elevation = np.radians(14 + 50 * high)
    azimuth = bearing + np.pi * (hour - 13) / 14
    sun = np.array(
        [
            np.cos(elevation) * np.sin(azimuth),
            np.cos(elevation) * np.cos(azimuth),
            np.sin(elevation),
        ]
    )
    rain, snow = {"RAIN": 1.0, "THUNDER": 1.6}.get(weather, 0.0), float(weather == "SNOW")
    return Atmosphere(np.round(sun * 2**20) / 2**20, numbers[:9], air, lit, rain, snow)


def room_light(chance: Chance) -> Atmosphere:
    """Make the light of a room: from everywhere, and a little from windows."""
    bright = chance.number(0.3, 0.8)
    tint = chance.uniform(0.93, 1.07, 3)
    lights = np.concatenate(
        [
            np.full(3, chance.number(0.1, 0.8)),
            bright * tint,
            bright * tint * chance.number(0.2, 0.6),
        ]
    )
    air = np.zeros(s.AIR)
    air[:10], air[s.HAZE : s.HAZE + 3] = 0.5, 0.5
    sun = np.array([chance.number(-0.5, 0.5), -0.4, 0.8])
    sun /= np.sqrt((sun * sun).sum())
    return Atmosphere(np.round(sun * 2**20) / 2**20, lights, air, 0.0)
