"""What the simulator is asked for: presets, and the plan of each sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gtahead.arrays import Floats
from gtahead.errors import UsageError, Where
from gtahead.simulation.distortion import STRONGEST
from gtahead.simulation.places import PLACES

WEATHERS = ("CLEAR", "EXTRASUNNY", "CLOUDS", "OVERCAST", "RAIN", "FOGGY", "THUNDER", "SNOW")
TOWN: Mapping[str, float] = {
    **{"plaza": 0.3, "street": 0.3, "park": 0.14, "market": 0.08},
    **{"demonstration": 0.08, "station": 0.1},
}
"""Places of a game's captures, with their shares."""
PAN_SHARE = 0.2
SPACING_M = 0.45

ROOMS = ("classroom", "office", "hall", "station")
LOW_ROOMS = {*ROOMS} - {"station"}

MAX_HEADS = 20_000
MAX_NUMBER = 100_000  # of sequences, and of a sequence's frames


@dataclass(frozen=True)
class Preset:
    """The settings of a simulated dataset.

    Attributes:
        name: as the command line and the captures name it; part of the seed.
        size_wh: of the images.
        frames: of each sequence.
        heads: target mean of counted heads per frame, of each sequence.
        locations: how many locations the sequences share.
        head_px: from which to which side of a head the set is log-uniform; None lets cameras stand
            as they like.
        spacing_m: nobody stands closer.
        pan_share: of sequences whose camera turns to and fro.
        splits: how many sequences are made for which split; None leaves that to the build.
        places: where sequences are, with their shares.
        photographs: cameras stand as people's and surveillance's do, low and high, and images are
            blurred, tinted and compressed as photographs are.
        distortion: of all lenses, as in `SequencePlan`; None lets a third of photographs have some.
    """

    name: str
    size_wh: tuple[int, int]
    frames: tuple[int, ...]
    heads: tuple[float, ...]
    locations: int
    head_px: tuple[float, float] | None = None
    spacing_m: float = SPACING_M
    pan_share: float = PAN_SHARE
    splits: Mapping[str, int] | None = None
    places: Mapping[str, float] = field(default_factory=lambda: TOWN)
    photographs: bool = False
    distortion: float | None = None

    def __post_init__(self) -> None:
        if len(self.frames) != len(self.heads) or not self.heads:
            raise UsageError(
                "frames and heads must be given for the same sequences",
                where=Where(field="frames"),
                value=f"{len(self.frames)} and {len(self.heads)}",
            )
        if min(self.frames) < 1 or not 0 <= min(self.heads) <= max(self.heads) <= MAX_HEADS:
            remedy = f"one frame or more, 0 to {MAX_HEADS} heads"
            where = Where(field="heads")
            raise UsageError("no sequence can be so short or full", where=where, remedy=remedy)
        if self.locations < 1 or (self.splits and self.locations < len(self.heads)):
            raise UsageError(
                "sequences of different splits would share a location",
                where=Where(field="locations"),
                value=self.locations,
                remedy="as many locations as sequences, or no splits",
            )
        if not self.places or (unknown := sorted(set(self.places) - set(PLACES))):
            raise UsageError(
                "no such place",
                where=Where(field="places"),
                value=", ".join(unknown) if self.places else None,
                remedy=f"shares of {', '.join(PLACES)}",
            )
        if self.photographs and self.head_px is None:
            raise UsageError(
                "photographs need head_px: cameras are put where heads have these sides",
                where=Where(field="head_px"),
                remedy="such as head_px = [13, 46]",
            )
        if low := [] if self.photographs else sorted(set(self.places) & LOW_ROOMS):
            raise UsageError(
                "a room needs cameras under its ceiling",
                where=Where(field="places"),
                value=", ".join(low),
                remedy="photographs = true, with head_px",
            )
        if self.distortion is not None and not 0 <= self.distortion <= STRONGEST:
            raise UsageError(
                f"the distortion must be from 0 to {STRONGEST}",
                where=Where(field="distortion"),
                value=self.distortion,
            )


def _log_spread(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(spread(low, high, count).tolist())


def spread(low: float, high: float, count: int) -> Floats:
    """Spread the sequences' target heads between two numbers, evenly on a log scale."""
    if count == 1:
        return np.array([math.sqrt(max(low, min(1.0, high)) * high)])
    if low == 0:
        rest = spread(min(1, high), high, count - 1) if high else np.zeros(count - 1)
        return np.concatenate([[0.0], rest])
    return np.asarray(np.geomspace(low, high, count), np.float64)


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
    # To train small detectors on in minutes: crowds of 4 to 120 heads, more of them small. Every
    # sequence has a location of its own, and a split, so that comparisons find the same ones.
    Preset(
        "mfl-lab",
        (384, 256),
        (10,) * 60,
        tuple(round(4 * 30 ** (u**1.7), 1) for u in np.linspace(0, 1, 60).tolist()),
        60,
        (12.0, 64.0),
        0.48,
        splits={"train": 30, "validation": 8, "test": 22},
    ),
    # To compare detectors on dense crowds: sequences are short and many, so that no few of them
    # decide a score, and those of all splits are alike.
    Preset(
        "mfl-dense",
        (512, 384),
        (4,) * 96,
        tuple(np.linspace(50, 400, 96).round(1).tolist()),
        96,
        (8.0, 20.0),
        0.48,
        pan_share=0.0,
        splits={"train": 48, "validation": 22, "test": 26},
    ),
    # To train detectors that work on photographs: a new crowd, camera, light and place every other
    # frame, half of them rooms.
    Preset(
        "heads",
        (640, 448),
        (2,) * 240,
        tuple(round(3 * 30**u, 1) for u in np.linspace(0, 1, 240).tolist()),
        240,
        (15.0, 100.0),
        0.42,
        pan_share=0.0,
        splits={"train": 190, "validation": 25, "test": 25},
        places={
            **{"plaza": 0.14, "street": 0.14, "park": 0.07, "market": 0.06, "demonstration": 0.05},
            **{"stadium": 0.04, "classroom": 0.26, "office": 0.06, "hall": 0.1, "station": 0.08},
        },
        photographs=True,
    ),
    # What `heads` lacks: dense crowds outdoors, as in ShanghaiTech B.
    Preset(
        "crowds",
        (640, 448),
        (2,) * 120,
        _log_spread(40, 320, 120),
        120,
        (8.0, 28.0),
        0.42,
        pan_share=0.0,
        splits={"train": 96, "validation": 24},
        places={
            **{"street": 0.34, "plaza": 0.26, "demonstration": 0.12, "market": 0.1},
            **{"park": 0.1, "stadium": 0.08},
        },
        photographs=True,
    ),
    Preset(
        "street",
        (1280, 720),
        (40,) * 16,
        _log_spread(5, 160, 16),
        16,
        places={"street": 0.3, "road": 0.3, "plaza": 0.2, "market": 0.2},
    ),
    Preset("stadium", (1280, 720), (20,) * 8, _log_spread(80, 1200, 8), 8, places={"stadium": 1.0}),
)
PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _ALL}


LAYOUT_NAMES = ("native", "jta-mods", "gcc")


@dataclass(frozen=True)
class Overrides:
    """What is to differ from the preset; None keeps the preset's value.

    Attributes:
        size_wh: of the images.
        heads: from which to which mean of counted heads per frame.
        weather: of all sequences, one of `WEATHERS`.
        hour: of all sequences, 0 to 24.
        sequences: how many; their crowds are spread as the preset's.
        frames: of each sequence.
        distortion: of all lenses.
    """

    size_wh: tuple[int, int] | None = None
    heads: tuple[int, int] | None = None
    weather: str | None = None
    hour: float | None = None
    sequences: int | None = None
    frames: int | None = None
    distortion: float | None = None

    def check(self) -> None:
        """Refuse what can't be drawn.

        Raises:
            UsageError: with what is possible.
        """
        if self.size_wh is not None and not all(64 <= side <= 8192 for side in self.size_wh):
            raise UsageError(
                "images can't have this size",
                value="x".join(map(str, self.size_wh)),
                remedy="64 to 8192 pixels a side, such as 1280x720",
            )
        if self.heads is not None and not 0 <= self.heads[0] <= self.heads[1] <= MAX_HEADS:
            raise UsageError(
                "not a range of heads per frame",
                value=":".join(map(str, self.heads)),
                remedy=f"MIN:MAX with 0 <= MIN <= MAX <= {MAX_HEADS}, such as 20:200",
            )
        if self.weather is not None and self.weather not in WEATHERS:
            raise UsageError(
                "no such weather", value=self.weather, remedy=f"one of {', '.join(WEATHERS)}"
            )
        if self.hour is not None and not 0 <= self.hour < 24:
            raise UsageError("the hour must be from 0 to under 24", value=self.hour)
        if self.distortion is not None and not 0 <= self.distortion <= STRONGEST:
            raise UsageError(
                f"the distortion must be from 0 to {STRONGEST}",
                value=self.distortion,
                remedy="0.2 is a camera of surveillance",
            )
        for name, number in (("sequences", self.sequences), ("frames", self.frames)):
            if number is not None and not 1 <= number <= MAX_NUMBER:
                raise UsageError(
                    f"the number of {name} must be from 1 to {MAX_NUMBER}", value=number
                )

    def applied(self, preset: Preset) -> Preset:
        """Return the preset with these sizes and numbers."""
        before = len(preset.heads)
        count = self.sequences or before
        # Where a sequence stands among the preset's, from its smallest crowd to its largest.
        among = (np.arange(count) + 0.5) / count * before - 0.5
        heads, frames = preset.heads, preset.frames
        if count != before:
            heads = tuple(np.interp(among, np.arange(before), np.sort(heads)).tolist())
            frames = tuple(
                frames[index] for index in np.clip(np.rint(among), 0, before - 1).astype(int)
            )
        if self.heads is not None:
            heads = tuple(spread(*self.heads, count).tolist())
        return replace(
            preset,
            size_wh=self.size_wh or preset.size_wh,
            heads=heads,
            frames=frames if self.frames is None else (self.frames,) * count,
            distortion=preset.distortion if self.distortion is None else self.distortion,
            locations=math.ceil(preset.locations * count / before),
        )

    def __str__(self) -> str:
        said = {
            "size": self.size_wh and f"{self.size_wh[0]}x{self.size_wh[1]}",
            "heads": self.heads and f"{self.heads[0]}:{self.heads[1]}",
            "weather": self.weather,
            "hour": self.hour,
            "sequences": self.sequences,
            "frames": self.frames,
            "distortion": self.distortion,
        }
        return "".join(f", {name} {value}" for name, value in said.items() if value is not None)
