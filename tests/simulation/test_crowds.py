"""Crowds: everybody has room, stays who they are, and can be made at any time alone."""

from __future__ import annotations

import numpy as np
import pytest

from gtahead.simulation.chance import Chance
from gtahead.simulation.crowds import KINDS, People, gather
from gtahead.simulation.places import PLACES, Place, Wedge
from gtahead.simulation.rendering.posing import Crowd
from gtahead.simulation.skeleton import POSES

WEDGE = Wedge(3.0, 34.0, 0.8, 6.0)


def gathered(
    number: int, name: str = "plaza", seed: int = 3, **more: object
) -> tuple[People, Place]:
    place = PLACES[name](Chance(seed), WEDGE)
    return gather(number, place, WEDGE, Chance(seed, 1), **more), place  # type: ignore[arg-type]


@pytest.mark.parametrize("behaviour", ["mixed", "flow", "queue", "stage"])
def test_everybody_has_room(behaviour: str) -> None:
    people, place = gathered(300, behaviour=behaviour)
    assert len(people) == 300
    sitting = people.kind == KINDS.index("sit")
    spots = people.places_m[~sitting, :2]
    gaps = np.sqrt(((spots[:, None] - spots[None]) ** 2).sum(axis=2))
    np.fill_diagonal(gaps, 9)
    assert gaps.min() >= 0.45
    for disc in place.scenery.discs:
        away = np.sqrt(((spots - [disc.x_m, disc.y_m]) ** 2).sum(axis=1))
        assert away.min() > disc.radius_m
    kinds = np.bincount(people.kind, minlength=len(KINDS)) / 300
    if behaviour == "flow":
        assert kinds[KINDS.index("walk")] > 0.5
    if behaviour == "stage":
        assert kinds[KINDS.index("cheer")] > 0.1


@pytest.mark.parametrize(("name", "least"), [("stadium", 0.5), ("classroom", 0.5), ("hall", 0.5)])
def test_people_sit_where_there_are_seats(name: str, least: float) -> None:
    people, place = gathered(60, name)
    sitting = people.kind == KINDS.index("sit")
    assert sitting.mean() > least
    seats = np.array([[seat.x_m, seat.y_m, seat.z_m] for seat in place.scenery.seats])
    for spot in people.places_m[sitting]:
        assert np.abs(seats - spot).sum(axis=1).min() < 1e-9
    assert len({tuple(spot) for spot in people.places_m[sitting].tolist()}) == sitting.sum()


def test_people_at_desks_read_and_write() -> None:
    people, _ = gathered(80, "classroom")
    sitting = people.kind == KINDS.index("sit")
    bent = people.bow_deg > 0
    assert 0.3 < bent[sitting].mean() < 0.7
    assert not bent[~sitting].any()
    bows = people.at(0.0).looks[:, 1]
    assert bows[bent].min() > 4
    assert 20 < bows[bent].max() < 55
    assert bows[~bent].max() <= 16
    elsewhere, _ = gathered(80, "stadium")
    assert (elsewhere.kind == KINDS.index("sit")).any()
    assert (elsewhere.bow_deg == 0).all()


def test_people_stay_who_they_are_and_go_on_steadily() -> None:
    people, _ = gathered(150)
    frames = [people.at(step / 8) for step in range(80)]
    for crowd in frames:
        assert np.array_equal(crowd.figures, frames[0].figures)
        assert crowd.paints is people.paints
        assert (crowd.poses >= 0).all()
        assert (crowd.poses < sum(POSES.values())).all()
        assert np.allclose(crowd.stances[:, 4] ** 2 + crowd.stances[:, 5] ** 2, 1, atol=1e-4)
        assert np.abs(crowd.looks).max() < 60
    spots = np.stack([crowd.stances[:, :2] for crowd in frames])
    moved = np.sqrt((np.diff(spots, axis=0) ** 2).sum(axis=2)) * 8  # metres a second
    going = people.speed_m_s > 0
    assert going.mean() > 0.15
    assert moved[:, ~going].max() == 0
    assert np.median(moved[:, going], axis=0) == pytest.approx(people.speed_m_s[going], abs=0.02)
    assert moved.max() < 4.5
    glances = np.stack([crowd.looks for crowd in frames])
    assert np.abs(np.diff(glances, axis=0)).max() < 25  # degrees in an eighth of a second
    assert np.ptp(glances[:, :, 0], axis=0).mean() > 5
    # They look the way that they go.
    step = spots[1] - spots[0]
    facing = np.stack([frames[0].stances[:, 5], -frames[0].stances[:, 4]], axis=1)
    assert ((step * facing).sum(axis=1)[going] > 0).mean() > 0.95


def test_a_frame_needs_none_before_it() -> None:
    def arrays(crowd: Crowd) -> list[bytes]:
        return [getattr(crowd, name).tobytes() for name in vars(crowd)]

    first, _ = gathered(40)
    second, _ = gathered(40)
    for seconds in (0.0, 3.5):
        first.at(seconds)
    assert arrays(first.at(7.5)) == arrays(second.at(7.5))
    other, _ = gathered(40, seed=4)
    assert arrays(other.at(7.5)) != arrays(first.at(7.5))


def test_nobody_and_too_many() -> None:
    nobody, _ = gathered(0)
    assert len(nobody) == 0
    assert len(nobody.at(1.0).figures) == 0
    full, _ = gathered(3_000, "office")
    assert 100 < len(full) < 3_000
    assert (full.places_m[:, 1] < WEDGE.far_m + 5).all()


def test_it_rains_on_umbrellas() -> None:
    wet, _ = gathered(200, rain=True)
    dry, _ = gathered(200)
    assert wet.figures.parts.max() >= dry.figures.parts.max()
    assert len(wet.figures.persons) > len(dry.figures.persons)
