"""The pieces that people are put together from: parts of the base mesh, made coarser in levels.

A piece is made coarser on the average adult, and every vertex that is left is one of the base
mesh: so its triangles fit every body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import fast_simplification
import numpy as np
from scipy.spatial import KDTree

from cast.makehuman import MakeHuman
from cast.sight import seen_triangles
from gtahead.arrays import Booleans, Floats, Ints
from gtahead.simulation.skeleton import BONE

LEVELS = 4
"""From 0, for close-ups, to 3, for figures of a few pixels."""

TRIANGLES: Mapping[str, tuple[int, int, int, int]] = {
    "head": (2400, 1144, 380, 90),
    "hands": (640, 260, 80, 24),
    "eyes": (240, 120, 0, 0),
    "clothes": (1900, 1000, 420, 170),
    "skirt": (320, 170, 80, 36),
    "scalp": (460, 230, 90, 36),
    "beard": (140, 70, 30, 0),
    "hood": (420, 200, 80, 30),
    "scarf": (420, 200, 80, 30),
}
"""Of each piece, about, at each level."""

SHELLS = ("scalp", "beard", "hood", "scarf")
"""Pieces that lie on the skin, as a copy of it that is moved out along the normals."""

SCALP_Z = (-0.45, -0.1, 0.12, 0.3, 0.45, 0.75, 1.05, 1.3, 1.5)
SCALP_Y = (6.35, 6.55, 6.9, 7.45, 7.5, 7.62, 7.8, 7.95, 8.02)
"""The hairline: y above which the head carries hair, as a function of z, on the base mesh."""

CHEST_Y = 5.15
"""Below this the body is under clothes, on the base mesh."""


def hairline(places: Floats) -> Floats:
    """Return the y above which hair grows for vertices of the base mesh, (V,)."""
    return np.asarray(np.interp(places[:, 2], SCALP_Z, SCALP_Y))


def ears_of(mesh: MakeHuman) -> Booleans:
    """Return which vertices are the ears', (V,)."""
    return mesh.moved_by([f"ears/{side}-ear-scale-incr" for side in "lr"], 0.02)


def base_pieces(mesh: MakeHuman, average: Floats) -> dict[str, Ints]:
    """Return the pieces' triangles before they are made coarser, by name."""
    base = mesh.places
    hand = mesh.weights[:, [BONE["hand_l"], BONE["hand_r"]]].sum(axis=1)
    ears = ears_of(mesh)
    body = np.zeros(len(base), np.bool_)
    body[mesh.vertices("body")] = True
    scalp = body & ~ears & (base[:, 1] > hairline(base)) & (base[:, 1] > 6.2)
    scalp &= np.abs(base[:, 0]) < 0.95
    aside = np.abs(base[:, 0])
    jaw = body & ~ears & (base[:, 2] > 0.42) & (aside < 0.85)
    jaw &= (base[:, 1] > 5.95) & (base[:, 1] < 6.86 + 0.25 * (aside - 0.3))
    mouth = (base[:, 1] > 6.5) & (base[:, 1] < 6.71) & (aside < 0.27) & (base[:, 2] > 1.2)
    covered = body & (base[:, 1] > CHEST_Y + 0.3) & (aside < 1.0)
    face = (base[:, 2] > 0.62) & (aside < 0.72) & (base[:, 1] > 6.2) & (base[:, 1] < 7.9)
    hood = covered & ~((base[:, 2] > 0.5) & (base[:, 1] < 8.1))

    def all_of(chosen: Booleans) -> Callable[[Ints], bool]:
        return lambda corners: bool(chosen[corners].all())

    pieces = {
        "head": mesh.triangles("body", all_of((base[:, 1] > CHEST_Y) & (aside < 1.0))),
        "hands": mesh.triangles("body", all_of(hand > 0.25)),
        "eyes": np.concatenate([mesh.triangles("helper-l-eye"), mesh.triangles("helper-r-eye")]),
        "clothes": mesh.triangles("helper-tights"),
        "skirt": mesh.triangles("helper-skirt", lambda f: bool(base[f, 1].mean() > -7.3)),
        "scalp": mesh.triangles("body", all_of(scalp)),
        "beard": mesh.triangles("body", all_of(jaw & ~mouth)),
        "hood": mesh.triangles("body", all_of(hood)),
        "scarf": mesh.triangles("body", all_of(covered & ~face)),
    }
    for name in ("head", "beard", "hood", "scarf"):
        pieces[name] = _seen(average, pieces[name], base)
    return pieces


def _seen(average: Floats, triangles: Ints, base: Floats) -> Ints:
    """Drop what nobody sees: inside of mouth and nose. Lips stay, which would open else."""
    centre = np.array([0.0, 7.4, 0.5])
    seen = seen_triangles(average, triangles, centre, 130.0)
    corners = base[triangles]
    lips = (corners[..., 2] > 1.2) & (corners[..., 1] > 6.4) & (corners[..., 1] < 6.85)
    lips &= np.abs(corners[..., 0]) < 0.34
    return triangles[seen | lips.all(axis=1)]


def coarser(average: Floats, base: Floats, pieces: Mapping[str, Ints]) -> dict[str, list[Ints]]:
    """Return each piece's triangles at each level."""
    found = {}
    for name, triangles in pieces.items():
        levels, left = [], triangles
        for level, number in enumerate(TRIANGLES[name]):
            if number == 0:
                levels.append(np.zeros((0, 3), np.int64))
                continue
            places = _swollen(average, base) if name == "head" and level < 2 else average
            left = _decimated(places, left, number)
            levels.append(left)
        found[name] = levels
    return found


_SWELL = (((0, 7.1, 1.2), 0.45, 1.1), ((0, 6.8, 1.75), 0.9, 0.42)) + tuple(
    ((side * 0.3, 7.5, 1.5), 0.6, 0.35) for side in (1, -1)
)
"""Where a face needs its triangles: centre on the base mesh, by how much, how far around."""


def _swollen(average: Floats, base: Floats) -> Floats:
    """Blow up eyes, nose and mouth, so that what makes the mesh coarser keeps more of them."""
    places = average.copy()
    for centre, amount, reach in _SWELL:
        # The centre is where the base mesh has it; other bodies are moved as a whole.
        near = np.argsort(((base - centre) ** 2).sum(axis=1))[:20]
        away = places - average[near].mean(axis=0)
        places += away * (amount * np.exp(-(away**2).sum(axis=1) / reach**2))[:, None]
    return places


def _decimated(places: Floats, triangles: Ints, number: int) -> Ints:
    """Make a mesh coarser, with every vertex that is left at one of the old ones."""
    if len(triangles) <= number:
        return triangles
    used, numbered = np.unique(triangles, return_inverse=True)
    left, faces = fast_simplification.simplify(
        places[used], numbered.reshape(-1, 3).astype(np.int32), target_count=number, agg=4
    )
    faces = KDTree(places[used]).query(left)[1][faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    # The same triangle twice is one: turned so that the least corner comes first.
    first = np.argmin(faces, axis=1)
    turned = np.stack(
        [np.take_along_axis(faces, ((first + k) % 3)[:, None], 1)[:, 0] for k in range(3)], 1
    )
    return np.asarray(used[np.unique(turned, axis=0)], np.int64)
