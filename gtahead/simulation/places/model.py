"""What a place is, and how things are put into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gtahead.simulation.chance import Chance
from gtahead.simulation.scenery import Cars, Scenery


@dataclass(frozen=True)
class Wedge:
    """The ground that a camera sees, from its foot on.

    Attributes:
        near_m: where it begins.
        far_m: where people end.
        slope: half its width per metre of distance.
        height_m: of the camera.
    """

    near_m: float
    far_m: float
    slope: float
    height_m: float

    def half_width(self, y: float) -> float:
        """Return how far it reaches to either side at a distance."""
        return self.slope * y


@dataclass
class Place:
    """A place without people.

    Attributes:
        scenery: what stands there.
        ground: what the ground is.
        indoors: whether there is a ceiling, and no weather.
        seated: the share of people who sit where there are seats.
        desks: whether seats are at desks.
        flow: the way that most walk, radians, 0 to the camera; None where everybody goes theirs.
        lights: (x, y, z, strength) of lamps of a room, always lit.
        traffic: cars that drive.
    """

    scenery: Scenery
    ground: int
    indoors: bool = False
    seated: float = 0.0
    desks: bool = False
    flow: float | None = None
    lights: tuple[tuple[float, float, float, float], ...] = ()
    traffic: Cars = field(default_factory=Cars)


def somewhere(chance: Chance, wedge: Wedge, least: float = 0.0) -> tuple[float, float]:
    """Draw a place in the wedge, beyond a distance."""
    y = chance.number(max(wedge.near_m * 1.5, least), wedge.far_m)
    return chance.number(-1, 1) * (wedge.half_width(y) + 0.5), y


def strew(
    chance: Chance,
    scenery: Scenery,
    wedge: Wedge,
    number: tuple[int, int],
    radius: float,
    put: Callable[[float, float], object],
    *,
    least: float = 0.0,
) -> None:
    """Put so many things where there is room for them."""
    for _ in range(int(chance.integers(*number)[0])):
        for _ in range(6):
            x, y = somewhere(chance, wedge, least)
            if scenery.is_free(x, y, radius):
                put(x, y)
                break
