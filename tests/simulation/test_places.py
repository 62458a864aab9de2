"""Places, light and clothes: everything can be built, is in one piece, and the same again."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import examples

from gtahead.simulation import atmosphere, places, wardrobe
from gtahead.simulation.cast import load_cast
from gtahead.simulation.chance import Chance
from gtahead.simulation.places import PLACES, Wedge
from gtahead.simulation.rendering import paints, surroundings
from gtahead.simulation.scenery import Scenery

WEATHERS = ("CLEAR", "EXTRASUNNY", "CLOUDS", "OVERCAST", "RAIN", "FOGGY", "THUNDER", "SNOW")


@pytest.mark.parametrize("name", PLACES)
def test_every_place_is_built_and_the_same_again(name: str) -> None:
    wedges = Wedge(1.2, 9.0, 0.9, 2.2), Wedge(3.0, 34.0, 0.8, 6.0)
    for seed, wedge in enumerate(wedges[: examples(1)]):
        place = PLACES[name](Chance(seed, 1), wedge)
        corners, triangles, materials = place.scenery.arrays()
        again = PLACES[name](Chance(seed, 1), wedge).scenery.arrays()
        assert all(np.array_equal(a, b) for a, b in zip(again, place.scenery.arrays(), strict=True))
        other = PLACES[name](Chance(seed, 2), wedge).scenery.arrays()[0]
        assert other.shape != corners.shape or not np.array_equal(other, corners)
        assert np.isfinite(corners).all()
        assert np.isfinite(materials).all()
        assert 100 < len(triangles) < 250_000
        assert triangles.max() < len(corners)
        assert set(materials[:, 0].astype(int)) <= set(range(9))
        assert np.allclose(np.linalg.norm(materials[:, 4:7], axis=1), 1, atol=1e-3)
        assert (materials[:, 1:4] >= 0).all()
        assert 0 <= place.ground <= surroundings.CROSSING
        assert (name in places.INDOORS) == place.indoors
        for seat in place.scenery.seats:
            assert 0 < seat.y_m < wedge.far_m + 5
        if place.seated > 0.5:
            assert len(place.scenery.seats) > 1
        # There is room for people.
        chance, free = Chance(seed, 3), 0
        for _ in range(200):
            y = chance.number(wedge.near_m, wedge.far_m)
            x = chance.number(-1, 1) * wedge.half_width(y)
            free += place.scenery.is_free(x, y, 0.25)
        assert free > 40 or place.seated > 0.5


@pytest.mark.parametrize("name", places.INDOORS)
def test_cameras_hang_under_the_ceiling(name: str) -> None:
    for seed in range(examples(5)):
        corners = PLACES[name](Chance(seed), Wedge(1.5, 12.0, 0.6, 3.1)).scenery.arrays()[0]
        ceiling = corners[:, 2].max() - 0.2  # which is so thick
        assert ceiling > 3.1 + 0.1


def test_things_face_outward() -> None:
    scenery = Scenery()
    scenery.box((0, 0, 0), (1, 2, 3), (1, 1, 1))
    corners, triangles, materials = scenery.arrays()
    middles = corners[triangles].mean(axis=1) - [0.5, 1, 1.5]
    assert ((middles * materials[:, 4:7]).sum(axis=1) > 0).all()
    a, b, c = (corners[triangles[:, k]].astype(float) for k in range(3))
    assert (a * np.cross(b, c)).sum() / 6 == pytest.approx(6)
    turned = Scenery()
    turned.box((0, 0, 0), (1, 2, 3), (1, 1, 1), turn=90)
    assert np.ptp(turned.arrays()[0], axis=0) == pytest.approx([2, 1, 3], abs=1e-4)


def test_light_follows_the_hour_and_the_weather() -> None:
    def light(weather: str, hour: float) -> atmosphere.Atmosphere:
        return atmosphere.atmosphere_of(weather, hour, 0.0, Chance(1))

    for weather in WEATHERS:
        for hour in (0.0, 5.9, 6.0, 7.0, 13.0, 19.9, 20.0, 23.5):
            found = light(weather, hour)
            assert np.linalg.norm(found.sun) == pytest.approx(1, abs=1e-5)
            assert found.sun[2] > 0.2
            assert np.isfinite(found.air).all()
            assert (found.lights >= 0).all()
            assert 0 <= found.night <= 1
    noon, night = light("CLEAR", 13.0), light("CLEAR", 1.0)
    assert noon.lights.sum() > 10 * night.lights.sum()
    assert (noon.night, night.night) == (0, 1)
    assert 0 < light("CLEAR", 19.9).night < 1
    assert light("FOGGY", 12).air[surroundings.HAZE_A_METRE] > 0.02
    assert light("RAIN", 12).air[surroundings.WET] == 1
    assert light("SNOW", 12).air[surroundings.SNOW] > 0.5
    assert atmosphere.room_light(Chance(2)).night == 0


def test_everybody_has_something_to_wear() -> None:
    cast = load_cast()
    pieces = set()
    for person in range(len(cast)):
        for number, look in enumerate(wardrobe.looks_of(person)):
            pieces.update(look.pieces)
            if number == person % wardrobe.LOOKS_EACH:
                assert len(wardrobe.figure_of(person, number).triangles[0]) < 8192
            paint = wardrobe.painted(person, look, Chance(person, number))
            assert paint.shape == (paints.PAINTS,)
            assert np.isfinite(paint).all()
            assert (paint[: paints.SLEEVE] >= 0).all()
            assert (paint[: paints.SLEEVE] < 1.2).all()
            again = wardrobe.painted(person, look, Chance(person, number))
            assert np.array_equal(paint, again)
    assert pieces >= {
        *("scalp", "curtain", "bun", "tail", "beard", "visor", "brim", "crown", "hood", "scarf"),
        *("rims", "lenses", "backpack", "shoulder_bag", "hand_bag", "phone"),
    }
