"""Cars that drive: they go and come again, hide and shade, and nobody is run over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gtahead.simulation import places
from gtahead.simulation.cast import load_cast
from gtahead.simulation.chance import Chance
from gtahead.simulation.crowds import gather
from gtahead.simulation.places import Wedge
from gtahead.simulation.planning import plan
from gtahead.simulation.rendering import surroundings
from gtahead.simulation.rendering.figures import Figures
from gtahead.simulation.rendering.frame import Renderer
from gtahead.simulation.rendering.stage import Stage
from gtahead.simulation.scene import Scene
from gtahead.simulation.scenery import Cars

from .test_rendering import LOOKS, crowd, stage, view


@pytest.fixture(scope="module")
def figures() -> Figures:
    cast = load_cast()
    return Figures([cast.figure(9 * number, look) for number, look in enumerate(LOOKS)])


def driven(*, night: bool = False) -> Stage:
    """Return a place where a van drives by, nearer than most people."""
    cars = Cars(20.0)
    cars.put(-18.0, 4.5, 6.0, (0.3, 0.05, 0.05), "van")
    traffic, paints = cars.arrays()
    before = stage(night=night)
    return replace(before, traffic=traffic, materials=np.concatenate([before.materials, paints]))


def test_cars_drive_and_come_again() -> None:
    cars = Cars(20.0)
    cars.put(-5.0, 3.0, 6.0, (0.3, 0.05, 0.05), "van")
    cars.put(4.0, 6.0, -2.0, (0.3, 0.05, 0.05), "saloon")
    traffic, paints = cars.arrays()
    assert len(paints) == len(traffic.triangles)

    def middles(seconds: float) -> list[float]:
        at, below = traffic.at(seconds)
        ranges = [at[traffic.car_of == car, 0] for car in (0, 1)]
        found = [float(x.min() + x.max()) / 2 for x in ranges]
        assert np.allclose(below.reshape(2, -1, 2)[:, :, 0].mean(axis=1), found, atol=0.1)
        assert np.array_equal(at[:, 1:], traffic.places[:, 1:])
        return found

    van, saloon = middles(0)
    assert middles(1.5) == pytest.approx([van + 9, saloon - 3], abs=1e-3)
    assert middles(5) == pytest.approx([van + 30 - 40, saloon - 10], abs=1e-3)  # by the other end
    assert middles(20) == pytest.approx([van, saloon], abs=1e-3)


def test_a_car_hides_heads_while_it_is_before_them(figures: Figures) -> None:
    people, seen = crowd(1, 12), replace(view(), eye_m=np.array([0, 0, 1.6]))
    people.stances[0, :2] = (0, 7)
    renderer = Renderer(driven(), figures)
    empty = Renderer(stage(), figures)
    without = empty.draw(people, seen)
    share = float(empty.heads(people, without).shares[0])
    assert share > 0.95
    shares = {}
    for seconds in (0.0, 3.0, 5.0):
        drawn = renderer.draw(people, seen, seconds)
        shares[seconds] = float(renderer.heads(people, drawn).shares[0])
        assert np.array_equal(drawn.screen, without.screen)
    assert shares == {0.0: share, 3.0: 0.0, 5.0: share}


@pytest.mark.parametrize("night", [False, True])
def test_a_kept_place_changes_no_byte(figures: Figures, night: bool) -> None:
    people, seen = crowd(9, 7), view()
    keeping, anew = (Renderer(driven(night=night), figures) for _ in range(2))
    images = []
    for seconds in (2.0, 2.8, 3.4, 0.0):
        drawn = keeping.draw(people, seen, seconds)
        images.append(keeping.shade(people, drawn, seen, keep=True))
        again = anew.shade(people, anew.draw(people, seen, seconds), seen)
        assert np.array_equal(images[-1], again)
    assert all((images[-1] != one).any() for one in images[:-1])


def test_a_car_casts_a_shadow(figures: Figures) -> None:
    people, seen = crowd(1, 7).none(), view()
    renderer = Renderer(driven(), figures)
    with_van, without = (renderer.draw(people, seen, seconds) for seconds in (3.0, 0.0))
    difference = np.subtract(
        renderer.shade(people, without, seen), renderer.shade(people, with_van, seen), dtype=int
    )
    same = (with_van.codes == without.codes).reshape(136, 2, 240, 2).all(axis=(1, 3))
    assert ((difference.sum(axis=2) > 60) & same).sum() > 60


@pytest.mark.parametrize("seed", [0, 1])
def test_nobody_is_on_the_road(seed: int) -> None:
    wedge = Wedge(3.0, 34.0, 0.8, 6.0)
    place = places.PLACES["road"](Chance(seed, 1), wedge)
    (low, high) = next(
        (zone[1], zone[3]) for zone in place.scenery.zones if zone[4] == surroundings.ASPHALT
    )
    people = gather(200, place, wedge, Chance(seed, 2), behaviour="flow")
    assert len(people) > 150
    for seconds in (0, 7, 31):
        y = people.at(seconds).stances[:, 1]
        assert not ((low + 0.4 < y) & (y < high - 0.4)).any()  # some stand on the kerb
    traffic, _ = place.traffic.arrays()
    assert low < traffic.places[:, 1].min()
    assert traffic.places[:, 1].max() < high


def test_a_sequence_by_a_road() -> None:
    """Frames show other cars, and are the same whichever is drawn first."""
    (one,) = [p for p in plan("street", 0) if p.place == "road" and p.name == "seq_07"]
    small = replace(one, size_wh=(320, 180), frames=3)
    scene, again = Scene(small), Scene(small)
    assert len(scene.place.traffic.arrays()[1])
    images = [scene.image(frame) for frame in (0, 2)]
    assert np.array_equal(again.image(2), images[1])
    assert (images[0] != images[1]).any()
