"""The plan of each sequence that a preset asks for: its place, camera, weather, hour and heads."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Floats, Ints
from gtahead.errors import check_seed
from gtahead.geometry import Camera, focal_px
from gtahead.simulation.chance import Chance
from gtahead.simulation.presets import PRESETS, ROOMS, WEATHERS, Overrides, Preset

PHOTOGRAPHS_WEATHERS = {
    **{"CLEAR": 0.22, "EXTRASUNNY": 0.22, "CLOUDS": 0.2, "OVERCAST": 0.2},
    **{"RAIN": 0.05, "FOGGY": 0.04, "THUNDER": 0.02, "SNOW": 0.05},
}
"""With their shares among photographs; a game's are as frequent as each other."""
FPS = 2.0
PLACE_SPACING_M = 500.0
BEHAVIOURS = {"mixed": 0.45, "flow": 0.2, "queue": 0.2, "stage": 0.15}
"""With the share of sequences."""
STAGE_FROM = 40  # nobody plays to fewer
NIGHT_SHARE = 0.25
QUIET_NIGHT_SHARE = 0.6  # of near-empty streets
DISTORTED_SHARE = 0.35  # of the lenses of photographs
MIN_PX, MIN_PX_IN_PHOTOGRAPHS = 4.0, 11.0
"""Of a head's height: where a crowd ends."""


@dataclass(frozen=True)
class SequencePlan:
    """Everything that determines one simulated sequence.

    Attributes:
        name: of the sequence.
        seed: three numbers: the run's seed, the preset's, the sequence's.
        heads: target mean of counted heads per frame.
        empty_frames: so many frames at the start show nobody.
        camera: at the start.
        pan_deg: by how much the camera turns to either side.
        pan_s: how long it takes to and fro.
        bearing: by how much the sun's path is turned.
        behaviour: what the crowd does, one of `BEHAVIOURS`.
        place: where it is, one of `places.PLACES`.
        min_px: nobody stands so far that their head is smaller.
        photographs: as in `Preset`.
        spacing_m: nobody stands closer.
        split: that it is made for, if any.
        distortion: by how much nearer to the image's middle its corners are seen.
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
    pan_deg: float
    pan_s: float
    bearing: float
    behaviour: str
    place: str
    min_px: float
    photographs: bool
    spacing_m: float
    split: str | None
    distortion: float = 0.0


def plan(
    preset: str | Preset,
    seed: int,
    overrides: Overrides | None = None,
    *,
    may_pan: bool = True,
    may_distort: bool = True,
) -> list[SequencePlan]:
    """Plan the sequences of a preset.

    Args:
        preset: a name in `PRESETS`, or a preset of your own.
        seed: of everything random.
        overrides: what is to differ from the preset.
        may_pan: let some cameras turn; False where a layout holds one pose a sequence.
        may_distort: let some of the photographs' lenses distort.

    Raises:
        UsageError: a negative seed, or an override that can't be met.
    """
    check_seed(seed)
    overrides = overrides or Overrides()
    overrides.check()
    chosen = overrides.applied(PRESETS[preset] if isinstance(preset, str) else preset)
    number = zlib.crc32(chosen.name.encode())
    chance = Chance(seed, number)
    count = len(chosen.heads)
    size_wh, target = chosen.size_wh, np.array(chosen.heads)
    sides = _head_sides(target, np.array(chosen.frames), chosen.head_px)
    order = chance.order(count)
    split_of = _dealt(chosen.splits, count)
    place_of = np.concatenate(
        [np.arange(min(chosen.locations, count)), chance.integers(0, chosen.locations, count)]
    )[:count]
    kinds = [chance.one([*chosen.places], [*chosen.places.values()]) for _ in range(count)]
    plans = []
    for index in range(count):
        position = int(place_of[index])
        heads = float(target[order[index]])
        day = round(chance.number(6, 20), 1)
        night = round(chance.number(20.5, 29.5), 1) % 24
        nights = QUIET_NIGHT_SHARE if heads < 5 else NIGHT_SHARE
        dark = chance.happens(nights / 3 if chosen.photographs else nights)
        hour = round(night, 1) if dark else min(day, 19.9)
        weathers = PHOTOGRAPHS_WEATHERS if chosen.photographs else dict.fromkeys(WEATHERS, 1.0)
        weather = chance.one([*weathers], [*weathers.values()])
        behaviour = chance.one([*BEHAVIOURS], [*BEHAVIOURS.values()])
        pans = chance.happens(chosen.pan_share)
        pan_deg, pan_s = chance.number(2, 7), chance.number(20, 60)
        distortion = chosen.distortion or 0.0
        side, place = float(sides[order[index]]), kinds[position]
        if chosen.head_px is None:
            camera = _camera(heads, position, chance)
        elif chosen.photographs:
            camera = _photographers(side, position, size_wh, chance, indoors=place in ROOMS)
            if chance.happens(DISTORTED_SHARE) and chosen.distortion is None:
                some = round(chance.number(0.05, 0.3), 3)
                distortion = some if may_distort else 0.0
        else:
            camera = _close_camera(side, position, size_wh, chance)
        plans.append(
            SequencePlan(
                name=f"seq_{index:0{max(len(str(count - 1)), 2)}d}",
                seed=(seed, number, index),
                size_wh=size_wh,
                frames=chosen.frames[index],
                heads=heads,
                empty_frames=_empty_frames(heads, chosen.frames[index]),
                camera=camera,
                location=f"place_{position:02d}",
                weather=overrides.weather or weather,
                hour=hour if overrides.hour is None else overrides.hour,
                pan_deg=round(pan_deg, 2) if pans and may_pan else 0.0,
                pan_s=round(pan_s, 1),
                bearing=round(chance.number(-math.pi, math.pi), 4),
                behaviour="mixed" if behaviour == "stage" and heads < STAGE_FROM else behaviour,
                place=place,
                min_px=MIN_PX_IN_PHOTOGRAPHS if chosen.photographs else MIN_PX,
                photographs=chosen.photographs,
                spacing_m=chosen.spacing_m,
                split=split_of[order[index]],
                distortion=distortion,
            )
        )
    return plans


def _dealt(splits: Mapping[str, int] | None, count: int) -> list[str | None]:
    """Deal sequences, ordered by their heads, to splits: each gets small and large crowds.

    Fewer sequences than the splits are meant for are dealt in their shares, one to each at least;
    too few even for that have none, and the build splits them.
    """
    if not splits or count < len(splits):
        return [None] * count
    total: float = sum(splits.values())
    parts = {name: max(float(part), total / count) for name, part in splits.items()}
    total = sum(parts.values())
    given = dict.fromkeys(splits, 0)
    dealt: list[str | None] = []
    for number in range(1, count + 1):
        behind = {name: part * number / total - given[name] for name, part in parts.items()}
        name = max(behind, key=lambda name: behind[name])
        given[name] += 1
        dealt.append(name)
    return dealt


def _head_sides(heads: Floats, frames: Ints, head_px: tuple[float, float] | None) -> Floats:
    """Choose each sequence's head side, such that the set's heads are log-uniform.

    Dense sequences get small ones: they need the room.
    """
    if head_px is None:
        return np.zeros(len(heads))
    low, high = head_px
    order = np.argsort(-heads, kind="stable")
    total = (heads * frames)[order]
    middle = (np.cumsum(total) - total / 2) / max(float(total.sum()), 1e-9)
    sides = np.empty(len(heads))
    sides[order] = low * (high / low) ** middle
    return sides


def _empty_frames(heads: float, frames: int) -> int:
    """Return how many frames at the start show nobody: some, on quiet streets."""
    return frames if heads == 0 else frames // 4 if heads < 5 else 0


def _camera(heads: float, position: int, chance: Chance) -> Camera:
    """Place a camera: near the ground for few people, higher where a large crowd must fit in."""
    crowd = math.log10(max(heads, 1.0)) / math.log10(4300)
    pitch = -chance.number(5, 60) if crowd < 0.6 else -chance.number(16, 30)
    height = chance.number(3, 8) + 16 * crowd**2
    return _stood(position, pitch, height, chance.number(42, 58), chance)


NEAR_TO_FAR = (1.5, 2.1)  # how much larger the nearest heads are than the farthest
HEAD_SIDE_M = 0.21  # of the square as large as a head's box


def _close_camera(
    side_px: float, position: int, size_wh: tuple[int, int], chance: Chance
) -> Camera:
    """Place a camera so that heads in the middle of the image have a given side."""
    ratio = chance.number(*NEAR_TO_FAR)
    vfov = chance.number(16, 26)
    half = math.tan(math.radians(vfov) / 2)
    # Nearest and farthest ground at the image's edges, seen under pitch and pitch -+ vfov / 2.
    pitch = math.atan(half * (ratio + 1) / (ratio - 1))
    depth = focal_px(vfov, size_wh[1]) * HEAD_SIDE_M / side_px
    height = 1.6 + depth * math.sin(pitch)
    return _stood(position, -math.degrees(pitch), height, vfov, chance)


def _photographers(
    side_px: float, position: int, size_wh: tuple[int, int], chance: Chance, *, indoors: bool
) -> Camera:
    """Place a camera as photographs have it: held, on a tripod, or under a ceiling."""
    vfov = chance.number(24, 60) if indoors else chance.number(18, 45)
    depth = focal_px(vfov, size_wh[1]) * HEAD_SIDE_M / side_px
    if indoors:
        depth = min(max(depth, 1.5), 12.0)
        pitch = chance.number(4, 34)
        height = min(max(1.2 + depth * math.sin(math.radians(pitch)), 1.3), 3.1)
    else:
        pitch = chance.number(-3, 22) if chance.happens(0.3) else chance.number(8, 45)
        height = min(max(1.6 + depth * math.sin(math.radians(pitch)), 1.3), 10.0)
    return _stood(position, -pitch, height, vfov, chance)


def _stood(at_index: int, pitch: float, height: float, vfov: float, chance: Chance) -> Camera:
    x, y = chance.uniform(-40, 40, 2) + np.array([at_index % 6, at_index // 6]) * PLACE_SPACING_M
    yaw, roll = chance.number(-180, 180), 0.0
    position = tuple(round(float(v), 3) for v in (x, y, height))
    rotation = tuple(round(float(v), 3) for v in (pitch, roll, yaw))
    return Camera(round(float(vfov), 2), position, rotation)  # type: ignore[arg-type]


def folder_name(layout: str, plan: SequencePlan) -> str:
    """Name a sequence's folder as the layout's tool does."""
    if layout == "native":
        return plan.name
    number = int(plan.name.rpartition("_")[2])
    if layout == "jta-mods":
        return f"seq_{number}"
    return f"part_{int(plan.location.rpartition('_')[2])}_{number}"
