"""The renderer against plain NumPy, and its labels against heads that are drawn alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gtahead.simulation.cast import Look, load_cast
from gtahead.simulation.chance import Chance
from gtahead.simulation.rendering import fragments as f
from gtahead.simulation.rendering import frame, lighting, surroundings, visibility
from gtahead.simulation.rendering import paints as columns
from gtahead.simulation.rendering.figures import Figures
from gtahead.simulation.rendering.frame import Renderer
from gtahead.simulation.rendering.posing import Crowd
from gtahead.simulation.rendering.stage import Stage, View
from gtahead.simulation.scenery import Scenery

F = np.float32
LOOKS = (
    Look(("scalp",), hair_dm=0.16),
    Look(("scalp", "curtain", "lenses", "rims"), hair_dm=0.1, hair_end=5.3),
    Look(("scalp", "visor", "backpack"), hair_dm=0.14, hair_as="hat"),
    Look(("scarf",), skirt_end=-5.0),
    Look(("brim", "crown", "scalp", "beard", "hand_bag"), hair_dm=0.05),
)


def box(low: tuple[float, ...], high: tuple[float, ...]) -> tuple[Any, Any]:
    """Return the corners and triangles of a box."""
    corners = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float64)
    triangles = [
        *([0, 1, 5], [0, 5, 4], [1, 3, 7], [1, 7, 5], [3, 2, 6], [3, 6, 7]),
        *([2, 0, 4], [2, 4, 6], [4, 5, 7], [4, 7, 6], [0, 2, 3], [0, 3, 1]),
    ]
    return np.array(low) + corners * (np.array(high) - np.array(low)), np.array(triangles)


def stage(*, night: bool = False) -> Stage:
    """Return a place with two boxes, a low sun by day, and two lamps at night."""
    parts = [box((-2, 9, 0), (-0.5, 9.6, 2.2)), box((1, 6, 0), (2.4, 6.5, 1.1))]
    places = np.concatenate([corners for corners, _ in parts]).astype(F)
    triangles = np.concatenate([t + 8 * k for k, (_, t) in enumerate(parts)]).astype(np.int32)
    a, b, c = (places[triangles[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    materials = np.zeros((len(triangles), surroundings.MATERIALS), F)
    materials[:, 0] = np.repeat([surroundings.ROUGH, surroundings.PAINT], 12)
    materials[:, 1:4], materials[:, 4:7] = (0.4, 0.3, 0.2), normals
    sun = np.array([0.5, -0.6, 0.62])
    lights = np.zeros(9, F) + F(0.05) if night else np.array([2.5, 2.3, 1.9] + [0.4] * 6, F)
    air = np.zeros(surroundings.AIR, F)
    air[:14] = (0.6, 0.7, 0.9, 0.1, 0.3, 0.6, 1, 1, 1, 0.8, 0.5, 0.6, 0.7, 0.002)
    air[surroundings.NIGHT] = float(night)
    lamps = [[-1, 5, 4.5, 5, 4, 2], [3, 9, 4.5, 5, 4, 2]] if night else []
    return Stage(
        places,
        triangles,
        materials,
        np.array([[-9, 11, 9, 15, surroundings.ASPHALT, 0]], F),
        surroundings.SLABS,
        sun / np.linalg.norm(sun),
        lights,
        np.array(lamps, F).reshape(-1, 6),
        air,
        np.array([0.0, 8.0]),
        14.0,
        np.array([[-1, 9.3], [1.7, 6.2]], F),
        map_side=512,
    )


def view(size_wh: tuple[int, int] = (240, 136), yaw: float = 0.0) -> View:
    pitch, turn = np.radians(-14), np.radians(yaw)
    forward = np.array([np.cos(pitch) * np.sin(turn), np.cos(pitch) * np.cos(turn), np.sin(pitch)])
    right = np.array([np.cos(turn), -np.sin(turn), 0])
    up = np.cross(right, forward)
    return View(np.array([0, 0, 3.2]), right, up, forward, size_wh[1] * 1.15, size_wh)


def crowd(number: int, seed: int, *, near: float = 3.0, far: float = 13.0) -> Crowd:
    chance = Chance(seed)
    heading = chance.uniform(0, 6.28, number)
    stances = np.zeros((number, 6), F)
    stances[:, 1] = chance.uniform(near, far, number)
    stances[:, 0] = chance.uniform(-0.7, 0.7, number) * stances[:, 1]
    stances[:, 3] = 1
    stances[:, 4], stances[:, 5] = np.cos(heading), np.sin(heading)
    paints = chance.uniform(0.02, 0.6, number * columns.PAINTS).reshape(number, -1).astype(F)
    paints[:, columns.SLEEVE], paints[:, columns.HEM] = 0.6, -7.3
    paints[:, columns.WAIST], paints[:, columns.NECK] = 0.2, 5.0
    paints[:, columns.BOOTS] = -7.32
    paints[:, columns.PATTERN] = np.arange(number) % 11
    paints[:, columns.STRAPS] = np.arange(number) % 3
    return Crowd(
        chance.integers(0, len(LOOKS), number),
        chance.integers(0, 72, number),
        stances,
        paints,
        np.stack([chance.uniform(-40, 40, number), chance.uniform(-5, 25, number)], 1).astype(F),
    )


@pytest.fixture(scope="module")
def figures() -> Figures:
    cast = load_cast()
    return Figures([cast.figure(9 * number, look) for number, look in enumerate(LOOKS)])


def plain_fill(
    corners: npt.NDArray[np.float32], nearest: Any, codes: Any, code: int, *, two_sided: bool
) -> None:
    """Draw a triangle in NumPy, step by step as the kernel's float32."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners
    height, width = nearest.shape
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0 or (area > 0 and not two_sided):
        return
    first_row = max(0, int(np.ceil(min(ay, by, cy) - F(0.5))))
    last_row = min(height - 1, int(np.floor(max(ay, by, cy) - F(0.5))))
    left = max(0, int(np.ceil(min(ax, bx, cx) - F(0.5))))
    right = min(width - 1, int(np.floor(max(ax, bx, cx) - F(0.5))))
    if first_row > last_row or left > right:
        return
    share = F(1) / area
    slope_x = ((bz - az) * (cy - ay) - (cz - az) * (by - ay)) * share
    slope_y = ((cz - az) * (bx - ax) - (bz - az) * (cx - ax)) * share
    side = F(1) if area > 0 else F(-1)
    for row in range(first_row, last_row + 1):
        y, low, high = F(row) + F(0.5), F(left), F(right)
        for (px, py), (qx, qy) in (
            ((ax, ay), (bx, by)),
            ((bx, by), (cx, cy)),
            ((cx, cy), (ax, ay)),
        ):
            fall = (qy - py) * side
            if fall == 0:
                high = F(-1) if (qx - px) * (y - py) * side < 0 else high
                continue
            if py < qy or (py == qy and px < qx):
                x = px + (y - py) * ((qx - px) / (qy - py)) - F(0.5)
            else:
                x = qx + (y - qy) * ((px - qx) / (py - qy)) - F(0.5)
            low, high = (low, min(high, x)) if fall > 0 else (max(low, x), high)
        begin, end = int(np.ceil(low)), int(np.floor(high))
        if begin > end:
            continue
        start = az + (F(begin) + F(0.5) - ax) * slope_x + (y - ay) * slope_y
        steps = np.concatenate([[start], np.full(end - begin, slope_x, F)]).astype(F)
        near = np.add.accumulate(steps, dtype=F)
        here = near > nearest[row, begin : end + 1]
        nearest[row, begin : end + 1][here] = near[here]
        codes[row, begin : end + 1][here] = code


def plainly_drawn(
    renderer: Renderer, figures: Figures, people: Crowd, drawn: frame.Drawn, seen: View, only: Any
) -> Any:
    """Return codes of scenery and some of the people, drawn in NumPy."""
    scene = renderer._stage
    codes = np.full(drawn.codes.shape, visibility.NOTHING, np.int32)
    nearest = np.zeros(drawn.codes.shape, F)
    screen = np.empty_like(scene.places)
    visibility.project(scene.places, seen.array, screen)
    for number, corners in enumerate(scene.triangles):
        if (screen[corners, 2] > 0).all():
            plain_fill(screen[corners], nearest, codes, -2 - number, two_sided=True)
    first, counts = renderer._triangles(people, drawn.levels)
    for person in only:
        for number in range(counts[person]):
            place = first[person] + number
            corners = drawn.screen[drawn.first_vertex[person] + figures.triangles[place]]
            if (corners[:, 2] > 0).all():
                code = (person << visibility.TRIANGLE_BITS) + number
                two_sided = bool(figures.two_sided[place])
                plain_fill(corners, nearest, codes, code, two_sided=two_sided)
    return codes


def test_the_z_buffer_is_numpys(figures: Figures) -> None:
    people, seen = crowd(14, 1, near=1.6), view()
    renderer = Renderer(stage(), figures)
    drawn = renderer.draw(people, seen)
    expected = plainly_drawn(renderer, figures, people, drawn, seen, drawn.seen.tolist())
    assert np.array_equal(drawn.codes, expected)
    assert (drawn.codes >= 0).mean() > 0.05
    assert len(np.unique(drawn.levels)) > 1


def head_samples(
    figures: Figures, people: Crowd, renderer: Renderer, drawn: Any, codes: Any
) -> Any:
    """Count the samples of each head in codes, (P,)."""
    first, _ = renderer._triangles(people, drawn.levels)
    person = codes[codes >= 0] >> visibility.TRIANGLE_BITS
    number = codes[codes >= 0] & ((1 << visibility.TRIANGLE_BITS) - 1)
    of_head = figures.of_head[first[person] + number] > 0
    return np.bincount(person[of_head], minlength=len(people.figures))


def drawn_alone(
    figures: Figures, people: Crowd, renderer: Renderer, drawn: Any, person: int, finer: int
) -> tuple[int, npt.NDArray[np.float64]]:
    """Draw a head alone in NumPy, wherever it lies, on a grid so many times finer.

    Returns:
        Its number of samples, and the box around them in pixels.
    """
    first, counts = renderer._triangles(people, drawn.levels)
    places = first[person] + np.flatnonzero(
        figures.of_head[first[person] : first[person] + counts[person]]
    )
    screen = drawn.screen[drawn.first_vertex[person] + figures.triangles[places]].copy()
    screen[..., :2] *= F(finer)
    origin = np.floor(screen[..., :2].min(axis=(0, 1)))
    size = np.ceil(screen[..., :2].max(axis=(0, 1)) - origin).astype(int) + 2
    if finer > 1:
        screen[..., :2] -= origin.astype(F)
        canvas = np.zeros((size[1], size[0]), F)
    else:
        # On the very grid, without moving a number: a canvas from 0 on, if need be mirrored away.
        canvas = np.zeros((int(origin[1]) + size[1], int(origin[0]) + size[0]), F)
        origin[:] = 0
    codes = np.full(canvas.shape, -1, np.int32)
    for corners, place in zip(screen, places, strict=True):
        plain_fill(corners, canvas, codes, 1, two_sided=bool(figures.two_sided[place]))
    rows, columns = np.nonzero(codes == 1)
    box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float64)
    scale = visibility.SAMPLES * finer
    return len(rows), (box + np.tile(origin, 2)) / scale


@pytest.mark.parametrize("seeds", [[100], pytest.param(range(101, 112), marks=pytest.mark.slow)])
def test_shares_and_boxes_are_those_of_heads_drawn_alone(figures: Figures, seeds: Any) -> None:
    renderer = Renderer(stage(), figures)
    checked = hidden = 0
    for seed in seeds:
        people, seen = crowd(60, seed), view((320, 180))
        drawn = renderer.draw(people, seen)
        heads = renderer.heads(people, drawn)
        in_sight = head_samples(figures, people, renderer, drawn, drawn.codes)
        assert np.array_equal(heads.samples[:, 0], in_sight[heads.who])  # sums of ids
        assert (heads.shares <= 1).all()
        for row, person in enumerate(heads.who.tolist()):
            box = heads.boxes_xyxy[row]
            if box[0] > 0 and box[1] > 0:
                samples, _ = drawn_alone(figures, people, renderer, drawn, person, 1)
                assert samples == heads.samples[row, 1]
            _, around = drawn_alone(figures, people, renderer, drawn, person, 4)
            assert np.abs(around - box).max() <= 0.5, (seed, person)
            checked += 1
            hidden += bool(heads.shares[row] < 0.5)
    assert checked > 45 * len(seeds)
    assert hidden > 3


def test_heads_half_out_of_the_image_are_half_seen(figures: Figures) -> None:
    people, seen = crowd(1, 3), view()
    people.stances[0, :2], people.poses[0] = (0, 6), 24
    renderer = Renderer(stage(), figures)
    middle = renderer.heads(people, renderer.draw(people, seen))
    assert middle.shares[0] > 0.97
    # The camera turns until the head's middle is at the image's edge.
    shares = []
    for yaw in np.linspace(30, 45, 61):
        turned = view(yaw=float(yaw))
        heads = renderer.heads(people, renderer.draw(people, turned))
        if len(heads.who):
            at = (heads.boxes_xyxy[0, 0] + heads.boxes_xyxy[0, 2]) / 2
            shares.append((abs(at), float(heads.shares[0]), int(heads.samples[0, 1])))
    at_edge = min(shares)
    assert at_edge[0] < 1
    assert at_edge[1] == pytest.approx(0.5, abs=0.15)
    whole = [samples for _, _, samples in shares]
    assert max(whole) < 2 * min(whole)  # counted beyond the image as well


def test_a_head_behind_something_is_hidden(figures: Figures) -> None:
    people, seen = crowd(2, 4), view()
    people.stances[:, :2] = [[-1.2, 11.5], [0.3, 11.5]]  # behind the tall box, and beside it
    people.poses[:], people.looks[:] = 24, 0
    renderer = Renderer(stage(), figures)
    heads = renderer.heads(people, renderer.draw(people, seen))
    shares = dict(zip(heads.who.tolist(), heads.shares.tolist(), strict=True))
    assert shares[0] < 0.05
    assert shares[1] > 0.95


@pytest.mark.parametrize("kind", ["car", "tree"])
def test_a_head_behind_glass_or_leaves_is_hidden(figures: Figures, kind: str) -> None:
    """Glass is dark, and leaves count where they are: a head behind them isn't seen."""
    scenery = Scenery()
    if kind == "car":
        scenery.car(0, 6, 0, (0.3, 0.05, 0.05))
    else:
        scenery.tree(Chance(1), 0, 6, 5.0)
    places, triangles, materials = scenery.arrays()
    bare = stage()
    empty = (np.zeros((0, 3), F), np.zeros((0, 3), np.int32), np.zeros((0, 9), F))
    people, seen = crowd(1, 4), view((480, 272))
    people.poses[:], people.looks[:] = 24, 0
    # The head behind the middle of a side window, or of the crown.
    height = 1.15 if kind == "car" else 3.3
    people.stances[0, :3] = 0.45 if kind == "car" else 0.0, 8.5, 0.0
    shares = []
    for parts in (empty, (places, triangles, materials)):
        names = dict(zip(("places", "triangles", "materials"), parts, strict=True))
        renderer = Renderer(replace(bare, **names), figures)
        # The line from the eye through that height, at the distance of the person.
        eye = float(seen.eye_m[2])
        aim = eye + (height - eye) * 8.5 / 6
        people.stances[0, 2] = 0.0
        head = renderer.heads(people, renderer.draw(people, seen)).centres_m[0, 2]
        people.stances[0, 2] = aim - head
        shares.append(float(renderer.heads(people, renderer.draw(people, seen)).shares[0]))
    assert shares[0] > 0.9
    assert shares[1] < (0.02 if kind == "car" else 0.25)


def plain_light(fragments: Any, renderer: Renderer, seen: View, sun_map: Any) -> Any:
    """Light fragments by day in NumPy, without gloss: sun, sky, haze."""
    scene, sun = renderer._stage, renderer._sun
    place = fragments[:, f.PLACE : f.PLACE + 3]
    normal = fragments[:, f.NORMAL : f.NORMAL + 3]
    wrap = fragments[:, f.WRAP]
    reached = np.maximum((normal @ sun[6:9] + wrap) / (1 + wrap), 0)
    side = len(sun_map)
    at = place + normal * F(0.02)
    u = (at @ sun[:3] - sun[10]) * sun[9] + side / 2 - 0.5
    v = (at @ sun[3:6] - sun[11]) * sun[9] + side / 2 - 0.5
    near = at @ sun[6:9] - sun[12] + fragments[:, f.SLACK]
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    inside = (i >= 1) & (j >= 1) & (i < side - 3) & (j < side - 3)
    lit = np.ones(len(place))
    weights_x = {-1: 1 - (u - i), 0: 1, 1: 1, 2: u - i}
    weights_y = {-1: 1 - (v - j), 0: 1, 1: 1, 2: v - j}
    total = np.zeros(len(place))
    for dy, tall in weights_y.items():
        for dx, wide in weights_x.items():
            row, column = np.clip(j + dy, 0, side - 1), np.clip(i + dx, 0, side - 1)
            total += np.where(sun_map[row, column] <= near, tall * wide, 0)
    # Six look-ups that agree decide alone, as in the kernel.
    agree = np.zeros(len(place))
    for dy, dx in ((-1, -1), (-1, 2), (2, -1), (2, 2), (0, 0), (1, 1)):
        agree += sun_map[np.clip(j + dy, 0, side - 1), np.clip(i + dx, 0, side - 1)] <= near
    total = np.where(agree == 6, 9, np.where(agree == 0, 0, total))
    lit[inside] = (total / 9)[inside]
    up = (normal[:, 2:] + 1) / 2
    lights = scene.lights.astype(np.float64)
    light = lights[:3] * (reached * lit)[:, None]
    light += fragments[:, f.OPEN, None] * (lights[6:] + (lights[3:6] - lights[6:]) * up)
    colour = fragments[:, f.RED : f.RED + 3] * light
    gone = scene.air[surroundings.HAZE_A_METRE] / fragments[:, f.NEAR]
    gone = 1 - 1 / (1 + gone + gone * gone / 2)
    haze = scene.air[surroundings.HAZE : surroundings.HAZE + 3]
    return colour + (haze - colour) * gone[:, None]


def test_light_is_numpys(figures: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    people, seen = crowd(12, 6), view()
    renderer = Renderer(stage(), figures)
    drawn = renderer.draw(people, seen)
    compared = 0
    plain = frame.light_fragments

    def checked(count: int, fragments: Any, array: Any, sun: Any, sun_map: Any, *more: Any) -> None:
        nonlocal compared
        fragments[:count, f.GLOSS] = 0
        given = fragments[:count].astype(np.float64)
        plain(count, fragments, array, sun, sun_map, *more)
        there = given[:, f.NEAR] > 0
        if not there.any():
            return
        expected = plain_light(given[there], renderer, seen, sun_map)
        found = fragments[:count][there, f.RED : f.RED + 3]
        off = np.abs(found - expected).max(axis=1)
        # Where a cell of the map is hit to the last bit, float32 and float64 may decide otherwise.
        assert np.quantile(off, 0.99) < 1e-4
        assert off.mean() < 1e-3
        compared += len(off)

    monkeypatch.setattr(frame, "light_fragments", checked)
    renderer.shade(people, drawn, seen)
    assert compared > 10_000


@pytest.mark.parametrize("night", [False, True])
def test_a_kept_place_changes_no_byte(figures: Figures, night: bool) -> None:
    seen = view()
    keeping, anew = (Renderer(stage(night=night), figures) for _ in range(2))
    for seed in (7, 8, 9):
        people = crowd(15, seed)
        drawn = keeping.draw(people, seen)
        kept = keeping.shade(people, drawn, seen, keep=True)
        assert np.array_equal(kept, anew.shade(people, anew.draw(people, seen), seen))
    other = view(yaw=4)
    drawn = keeping.draw(people, other)
    moved = keeping.shade(people, drawn, other, keep=True)
    assert np.array_equal(moved, anew.shade(people, anew.draw(people, other), other))
    assert moved.std() > 5


def test_people_cast_shadows_and_turn_their_heads(figures: Figures) -> None:
    people, seen = crowd(1, 12), view()
    people.stances[0, :2], people.poses[0] = (0, 7), 24
    renderer = Renderer(stage(), figures)
    drawn = renderer.draw(people, seen)
    image = renderer.shade(people, drawn, seen).astype(int)
    nobody = Crowd(*(values[:0] for values in vars(people).values()))
    bare = renderer.shade(nobody, renderer.draw(nobody, seen), seen).astype(int)
    darker = (bare - image).sum(axis=2) > 60
    person = (drawn.codes >= 0).reshape(136, 2, 240, 2).any(axis=(1, 3))
    assert (darker & ~person).sum() > 60
    boxes = []
    for aside in (-40, 0, 40):
        people.looks[0] = (aside, 0)
        boxes.append(renderer.heads(people, renderer.draw(people, seen)).boxes_xyxy[0])
    assert len({tuple(box.round(3)) for box in boxes}) == 3
    assert np.abs(np.array(boxes) - boxes[1]).max() < 4  # it turns, and stays where it is


SCENE = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from test_rendering import LOOKS, crowd, stage, view
from gtahead.simulation.cast import load_cast
from gtahead.simulation.rendering.figures import Figures
from gtahead.simulation.rendering.frame import Renderer
cast = load_cast()
figures = Figures([cast.figure(9 * number, look) for number, look in enumerate(LOOKS)])
for night in (False, True):
    people, seen = crowd(25, 5), view((320, 180))
    renderer = Renderer(stage(night=night), figures)
    drawn = renderer.draw(people, seen)
    heads = renderer.heads(people, drawn)
    for array in (renderer.shade(people, drawn, seen), heads.boxes_xyxy, heads.samples):
        print(hashlib.sha256(array.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_bytes_for_any_processor(tmp_path: Path) -> None:
    """Without AVX and FMA, as with all that this machine has."""
    found = set()
    for name in ("generic", ""):
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / (name or "host"))}
        environment |= {"NUMBA_CPU_NAME": name} if name else {}
        environment |= {"NUMBA_CPU_FEATURES": ""} if name else {}
        done = subprocess.run(
            [sys.executable, "-c", SCENE, str(Path(__file__).parent)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1


def test_the_curve_of_the_film_is_even() -> None:
    curve = lighting.film_curve()
    assert curve[0] < 1
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] > 250
