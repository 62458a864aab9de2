"""What the simulator is asked for: presets, and the plan of each sequence."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gtahead.errors import UsageError
from gtahead.geometry import Camera

WEATHERS = ("CLEAR", "EXTRASUNNY", "CLOUDS", "OVERCAST", "RAIN", "FOGGY", "THUNDER")
FPS = 2.0
PLACE_SPACING_M = 500.0


@dataclass(frozen=True)
class Preset:
    """A simulated set.

    Attributes:
        name: as the command line and the captures name it; part of the seed.
        size_wh: of the pictures.
        frames: of each sequence.
        heads: wished mean of counted heads a frame, of each sequence.
        places: how many places the sequences share.
        why: one line for the help.
    """

    name: str
    size_wh: tuple[int, int]
    frames: tuple[int, ...]
    heads: tuple[float, ...]
    places: int


def _log_spread(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(float(value) for value in np.geomspace(low, high, count))


_ALL = (
    Preset("tiny", (640, 360), (8,) * 7, (3, 8, 15, 25, 45, 80, 140), 7),
    Preset("small", (960, 540), (30,) * 12, _log_spread(2, 400, 12), 9),
    # 35 sequences and 5,096 frames are GTA_Head's; so are its 1.73 million heads, with a reserve.
    Preset(
        "gta-head",
        (1920, 1080),
        (146,) * 21 + (145,) * 14,
        (0.0, *_log_spread(2, 1500, 33), 4300.0),
        22,
    ),
)
PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _ALL}


LAYOUT_NAMES = ("native", "jta-mods", "gcc")


@dataclass(frozen=True)
class SequencePlan:
    """All that decides about one simulated sequence.

    Attributes:
        name: of the sequence.
        seed: three numbers: the run's seed, the preset's, the sequence's.
        heads: wished mean of counted heads a frame.
        empty_frames: so many frames at the start show nobody.
    """

    name: str
    seed: tuple[int, int, int]
    size_wh: tuple[int, int]
    frames: int
    heads: float
    empty_frames: int
    camera: Camera
    location: str
    weather: str
    hour: float


def plan(preset: str | Preset, seed: int) -> list[SequencePlan]:
    """Plan the sequences of a preset.

    Raises:
        UsageError: no such preset, or a negative seed.
    """
    if isinstance(preset, str) and preset not in PRESETS:
        raise UsageError("no such preset", value=preset, remedy=f"one of {', '.join(PRESETS)}")
    if not 0 <= seed < 2**63:
        raise UsageError("the seed must be a whole number from 0 to 2^63 - 1", value=seed)
    chosen = PRESETS[preset] if isinstance(preset, str) else preset
    number = zlib.crc32(chosen.name.encode())
    random = np.random.default_rng([seed, number])
    count = len(chosen.heads)
    heads = random.permutation(np.array(chosen.heads))
    place_of = np.concatenate(
        [np.arange(min(chosen.places, count)), random.integers(0, chosen.places, count)]
    )[:count]
    plans = []
    for index in range(count):
        place = int(place_of[index])
        hour = float(np.round(random.uniform(0, 24), 1) % 24)
        plans.append(
            SequencePlan(
                name=f"seq_{index:02d}",
                seed=(seed, number, index),
                size_wh=chosen.size_wh,
                frames=chosen.frames[index],
                heads=float(heads[index]),
                empty_frames=_empty_frames(float(heads[index]), chosen.frames[index]),
                camera=_camera(float(heads[index]), place, random),
                location=f"place_{place:02d}",
                weather=str(random.choice(WEATHERS)),
                hour=hour,
            )
        )
    return plans


def _empty_frames(heads: float, frames: int) -> int:
    """Let quiet streets begin without anybody: frames without heads belong in every set."""
    return frames if heads == 0 else frames // 4 if heads < 5 else 0


def _camera(heads: float, place: int, random: np.random.Generator) -> Camera:
    """Stand a camera: near the ground for few people, higher where a large crowd must fit in."""
    crowd = math.log10(max(heads, 1.0)) / math.log10(4300)
    pitch = -random.uniform(5, 60) if crowd < 0.6 else -random.uniform(16, 30)
    height = random.uniform(3, 8) + 16 * crowd**2
    x, y = random.uniform(-40, 40, 2) + np.array([place % 6, place // 6]) * PLACE_SPACING_M
    yaw, roll = random.uniform(-180, 180), 0.0
    position = tuple(round(float(v), 3) for v in (x, y, height))
    rotation = tuple(round(float(v), 3) for v in (pitch, roll, yaw))
    vfov = round(float(random.uniform(42, 58)), 2)
    return Camera(vfov, position, rotation)  # type: ignore[arg-type]


def folder_name(layout: str, plan: SequencePlan) -> str:
    """Name a sequence's folder as the layout's tool does."""
    if layout == "native":
        return plan.name
    number = int(plan.name.rpartition("_")[2])
    if layout == "jta-mods":
        return f"seq_{number}"
    return f"part_{int(plan.location.rpartition('_')[2])}_{number}"
