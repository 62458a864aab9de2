"""What people wear and carry beside the base mesh: long hair, hats, glasses, bags, umbrellas.

Each vertex hangs on a vertex of the body, its anchor, so that it fits everybody: it lies at an
offset from it, or further out along its normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import KDTree

from cast.pieces import LEVELS, hairline
from gtahead.arrays import Booleans, Floats, Ints
from gtahead.simulation.skeleton import BONE

FOLLOWS = 255
"""Instead of a bone: a vertex moves as its anchor does."""


@dataclass
class Extras:
    """Vertices that hang on the body's, and the pieces made of them.

    Attributes:
        base: (V, 3) of the base mesh.
        average: (V, 3) of the average adult.
        normals: (V, 3) of the average adult.
        anchors: of each vertex, one of the body.
        offsets: (3,) from the anchor, decimetres, on the average adult.
        pushes: how far along the anchor's normal it lies, as a share of the piece's thickness.
        own_normals: (3,); zero takes the anchor's.
        textures: (3,) coordinates, as vertices of the base mesh have them.
        bones: on which it is fixed, or `FOLLOWS`.
        pieces: triangles at each level, by name; numbers count from `first`.
        first: the number of the first vertex.
    """

    base: Floats
    average: Floats
    normals: Floats
    head: Ints
    first: int
    anchors: list[int] = field(default_factory=list)
    offsets: list[Floats] = field(default_factory=list)
    pushes: list[float] = field(default_factory=list)
    own_normals: list[Floats] = field(default_factory=list)
    textures: list[Floats] = field(default_factory=list)
    bones: list[int] = field(default_factory=list)
    pieces: dict[str, list[Ints]] = field(default_factory=dict)

    def add(
        self,
        places: Floats,
        normals: Floats,
        *,
        bone: str | None,
        among: Ints | None = None,
        anchor: int | None = None,
        textures: Floats | None = None,
    ) -> int:
        """Add vertices at (N, 3) of the average adult; return the first one's number.

        Args:
            places: where they are.
            normals: (N, 3).
            bone: on which they are fixed; None lets each move as its anchor.
            among: which vertices of the body may be anchors, the nearest of them is.
            anchor: of all of them.
            textures: (N, 3); where they are, if not given.
        """
        number = self.first + len(self.anchors)
        if anchor is None:
            assert among is not None
            nearest = among[KDTree(self.average[among]).query(places)[1]]
        else:
            nearest = np.full(len(places), anchor)
        lengths = np.linalg.norm(normals, axis=1, keepdims=True)
        self.anchors += nearest.tolist()
        self.offsets += list(places - self.average[nearest])
        self.pushes += [0.0] * len(places)
        self.own_normals += list(normals / np.maximum(lengths, 1e-9))
        self.textures += list(places if textures is None else textures)
        self.bones += [FOLLOWS if bone is None else BONE[bone]] * len(places)
        return number

    def nearest(self, place: Sequence[float], among: Ints | None = None) -> int:
        """Return the vertex of the head, or of others, that is nearest on the base mesh."""
        among = self.head if among is None else among
        return int(among[np.argmin(((self.base[among] - np.array(place)) ** 2).sum(axis=1))])

    def add_shell(
        self, name: str, levels: Sequence[Ints], taper: Floats, draped: Floats | None = None
    ) -> None:
        """Add a copy of some of the skin, which is moved out along its normals.

        Args:
            name: of the piece.
            levels: its triangles on the skin, at each level.
            taper: (V,) from 0, on the skin, to 1, at the piece's thickness.
            draped: (V, 3) where the average adult's is, for cloth that doesn't follow the skin.
        """
        used = np.unique(np.concatenate([level.ravel() for level in levels]))
        number = self.first + len(self.anchors)
        copies = np.full(len(self.base), -1, np.int64)
        copies[used] = np.arange(number, number + len(used))
        self.anchors += used.tolist()
        if draped is None:
            self.offsets += [np.zeros(3)] * len(used)
            self.pushes += taper[used].tolist()
        else:
            self.offsets += list(draped[used] - self.average[used])
            self.pushes += [0.0] * len(used)
        self.own_normals += [np.zeros(3)] * len(used)
        self.textures += list(self.base[used])
        self.bones += [FOLLOWS] * len(used)
        self.pieces[name] = [copies[level] for level in levels]


def shell_tapers(base: Floats, shells: dict[str, list[Ints]]) -> dict[str, Floats]:
    """Return how far from the skin each shell lies at each vertex, (V,), as a share."""
    # Hair grows out of the skin; cloth stands off from its edge.
    hair = np.clip((base[:, 1] - hairline(base)) / 0.35, 0.06, 1)
    jaw = np.clip((7.0 - base[:, 1]) / 0.3, 0.15, 1) * np.clip((base[:, 1] - 5.9) / 0.15, 0.3, 1)
    behind = 0.6 + 0.5 * np.clip((0.6 - base[:, 2]) / 1.2, 0, 1)
    neck = np.clip((base[:, 1] - 5.3) / 0.6, 0.4, 1)
    return {"scalp": hair, "beard": jaw, "hood": behind * neck, "scarf": neck}


DRAPED_DM = {"hood": 0.32, "scarf": 0.16}
"""How far cloth over the head stands off."""


def draped(extras: Extras, triangles: Ints, out: Floats, ears: Booleans) -> Floats:
    """Return where cloth over some of the skin lies, (V, 3): smooth, whatever is under it.

    Args:
        extras: with the body.
        triangles: of the skin that it covers, not yet made coarser.
        out: (V,) how far from the skin it stands.
        ears: (V,) which it may press flat.
    """
    places = extras.average + extras.normals * out[:, None]
    edges = np.concatenate([triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    both, times = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    rim = np.unique(both[times == 1])
    near = np.concatenate([both, both[:, ::-1]])
    number = np.bincount(near[:, 0], minlength=len(places))
    free = np.setdiff1d(np.unique(triangles), rim)
    for _ in range(20):
        total = np.zeros_like(places)
        np.add.at(total, near[:, 0], places[near[:, 1]])
        places[free] += 0.5 * (total[free] / number[free, None] - places[free])
        # Smoothing draws it in: it stays as far out as it was.
        away = ((places - extras.average) * extras.normals).sum(axis=1)
        lacking = np.where(ears, 0, np.maximum(out - away, 0))
        places[free] += (extras.normals * lacking[:, None])[free]
    return np.asarray(places)


def add_all(extras: Extras, back: Ints, hips: Ints, hands: tuple[Ints, Ints]) -> None:
    """Add everything that isn't a shell."""
    _add_long_hair(extras)
    _add_bun_and_tail(extras)
    _add_hats(extras)
    _add_glasses(extras)
    _add_bags(extras, back, hips, hands)


def _grid(rows: int, columns: int, *, closed: bool = False) -> Ints:
    """Return the triangles of a grid of vertices, row by row; closed ones go round."""
    found = []
    for row in range(rows - 1):
        for column in range(columns if closed else columns - 1):
            a, b = row * columns + column, row * columns + (column + 1) % columns
            c, d = a + columns, b + columns
            found += [[a, c, b], [b, c, d]]
    return np.array(found)


def _thinned(rows: Sequence[int], columns: Sequence[int], width: int) -> Ints:
    """Return the triangles of some rows and columns of a grid."""
    number = np.array([row * width + column for row in rows for column in columns])
    return number[_grid(len(rows), len(columns))]


def _add_long_hair(extras: Extras) -> None:
    """Add a curtain behind and beside the head, each vertex tied to the nearest of the body."""
    heights = np.array([7.95, 7.6, 7.2, 6.8, 6.4, 6.0, 5.6, 5.2, 4.8])
    across = np.array([0.80, 0.88, 0.97, 0.97, 0.93, 0.90, 0.86, 0.84, 0.84])
    behind = np.array([0.86, 0.98, 0.98, 0.95, 0.90, 0.93, 0.99, 1.04, 1.06])
    width = 13
    angle = np.deg2rad(np.linspace(-110, 110, width))
    narrower = np.array([1, 1, 1, 1, 1, 0.86, 0.74, 0.66, 0.6])[:, None]
    turn = angle[None, :] * narrower
    places = np.stack(
        [
            across[:, None] * np.sin(turn),
            np.broadcast_to(heights[:, None], turn.shape),
            0.45 - behind[:, None] * np.cos(turn),
        ],
        axis=2,
    ).reshape(-1, 3)
    # It is shaped on the base mesh, and moved onto the average adult's head.
    moved = extras.average[extras.head].mean(axis=0) - extras.base[extras.head].mean(axis=0)
    normals = places - np.array([0, 0, 0.45])
    normals[:, 1] = 0
    upper = extras.head
    number = extras.add(
        places + moved, normals, bone=None, among=upper, textures=places - [0, 0.22, 0]
    )
    every = list(range(width))
    extras.pieces["curtain"] = [
        number + _thinned(list(range(9)), every, width),
        number + _thinned(list(range(9)), every, width),
        number + _thinned([0, 2, 4, 5, 6, 8], every[::2], width),
        number + _thinned([0, 2, 5, 8], every[::4], width),
    ]


def _ball(
    centre: Sequence[float], radii: Sequence[float], rows: int, columns: int
) -> tuple[Floats, Floats, Ints]:
    """Return a ball's vertices, normals and triangles."""
    down = np.linspace(0, np.pi, rows)
    round_ = np.arange(columns) * 2 * np.pi / columns
    normals = np.stack(
        [
            np.sin(down)[:, None] * np.sin(round_)[None, :],
            np.broadcast_to(np.cos(down)[:, None], (rows, columns)),
            np.sin(down)[:, None] * np.cos(round_)[None, :],
        ],
        axis=2,
    ).reshape(-1, 3)
    return normals * radii + centre, normals / radii, _grid(rows, columns, closed=True)


def _add_bun_and_tail(extras: Extras) -> None:
    behind = extras.nearest((0, 7.75, -0.5))
    at = extras.average[behind]
    places, normals, triangles = _ball(at + [0, 0.12, -0.22], (0.42, 0.38, 0.38), 6, 9)
    number = extras.add(places, normals, bone="head", anchor=behind, textures=places)
    extras.pieces["bun"] = [number + triangles] * LEVELS
    # A pony tail: rings along a curve that falls.
    rings, columns = 8, 7
    along = np.linspace(0, 1, rings)
    middle = np.stack(
        [0 * along, -2.1 * along**1.25 + 0.1, -0.05 - 0.42 * np.sin(along * 2.0)], axis=1
    )
    radius = np.array([0.13, 0.24, 0.28, 0.29, 0.27, 0.23, 0.16, 0.03])
    round_ = np.arange(columns) * 2 * np.pi / columns
    way = np.stack([np.sin(round_), 0 * round_, np.cos(round_)], axis=1)
    places = (middle[:, None] + radius[:, None, None] * way[None]).reshape(-1, 3) + at
    normals = np.broadcast_to(way[None], (rings, columns, 3)).reshape(-1, 3)
    number = extras.add(places, normals, bone="head", anchor=behind, textures=places)
    fine = number + _grid(rings, columns, closed=True)
    rough = np.array([ring * columns + column for ring in (0, 2, 5, 7) for column in (0, 2, 5)])
    coarse_tail = number + rough[_grid(4, 3, closed=True)]
    extras.pieces["tail"] = [fine, fine, coarse_tail, coarse_tail]


def _rim(extras: Extras, height: float, columns: int) -> tuple[Floats, Floats]:
    """Return a ring around the average head at a height of the base mesh, and its directions."""
    head = extras.head
    level = head[np.abs(extras.base[head, 1] - height) < 0.16]
    centre = extras.average[level].mean(axis=0)
    angle = np.arange(columns) * 2 * np.pi / columns
    ways = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
    # As far out as the head reaches that way.
    away = (extras.average[level] - centre) @ ways.T
    return centre + ways * (away.max(axis=0) * 0.98)[:, None], ways


def _add_hats(extras: Extras) -> None:
    columns = 16
    ring, ways = _rim(extras, 7.95, columns)
    top = extras.nearest((0, 8.4, 0.2))
    # A brim, which droops at the sides.
    drop = -0.10 - 0.12 * np.abs(ways[:, :1])
    outer = ring + ways * 0.75 + drop * [0, 1, 0]
    inner = ring + ways * 0.05
    places = np.concatenate([inner, outer])
    normals = np.tile([0, 1.0, 0], (2 * columns, 1))
    number = extras.add(places, normals, bone="head", anchor=top)
    brim = number + _grid(2, columns, closed=True)
    rough = np.concatenate([np.arange(0, columns, 2), columns + np.arange(0, columns, 2)])
    half = number + rough[_grid(2, columns // 2, closed=True)]
    extras.pieces["brim"] = [brim, brim, half, half]
    # A crown that is flatter than the skull: a straight wall and a dented top.
    wall = np.concatenate(
        [
            ring + ways * 0.06,
            ring + ways * 0.02 + [0, 0.55, 0],
            ring * 0.55 + ring.mean(0) * 0.45 + [0, 0.72, 0],
        ]
    )
    middle = ring.mean(axis=0) + [0, 0.66, 0]
    out = np.concatenate([ways, ways + [0, 0.6, 0], 0.3 * ways + [0, 1, 0], [[0, 1.0, 0]]])
    number = extras.add(np.concatenate([wall, [middle]]), out, bone="head", anchor=top)
    lid = np.array(
        [[2 * columns + k, 3 * columns, 2 * columns + (k + 1) % columns] for k in range(columns)]
    )
    # Rings go up here, so that triangles turn the other way round.
    crown = number + np.concatenate([_grid(3, columns, closed=True)[:, ::-1], lid[:, ::-1]])
    extras.pieces["crown"] = [crown] * LEVELS
    # A visor before the forehead.
    angle = np.linspace(-1.2, 1.2, 9)
    front = extras.average[extras.nearest((0, 7.95, 1.45))]
    inner = front + np.stack(
        [0.66 * np.sin(angle), 0 * angle + 0.08, 0.66 * np.cos(angle) - 0.66], axis=1
    )
    reach = 0.62 * np.clip(np.cos(angle), 0, 1) ** 0.6
    outer = inner + np.stack(
        [0.12 * np.sin(angle), -0.16 - 0.05 * np.sin(angle) ** 2, reach], axis=1
    )
    places = np.concatenate([inner, outer])
    number = extras.add(places, np.tile([0, 1.0, 0.1], (18, 1)), bone="head", anchor=top)
    visor = number + _grid(2, 9)
    few = number + np.array([0, 4, 8, 9, 13, 17])[_grid(2, 3)]
    extras.pieces["visor"] = [visor, visor, few, few]


def _add_glasses(extras: Extras) -> None:
    bridge = extras.nearest((0, 7.3, 1.6))
    eyes = extras.average[extras.nearest((0.31, 7.28, 1.3))]
    corners = 10
    angle = np.arange(corners) * 2 * np.pi / corners
    rims, lenses, normals = [], [], np.array([0, 0, 1.0])
    rim_faces, lens_faces = [], []
    for side in (1, -1):
        centre = np.array([side * eyes[0], eyes[1] - 0.02, extras.average[bridge][2] + 0.02])
        back = 0.16 * np.abs(np.cos(angle)) * (np.cos(angle) * side > 0)
        shape = np.stack([0.27 * np.cos(angle), 0.21 * np.sin(angle), -back], axis=1)
        rims += [centre + shape * [1, 1, 1], centre + shape * [0.84, 0.8, 1]]
        lenses += [centre + shape * [0.86, 0.82, 1] - [0, 0, 0.01], [centre]]
    # Temples from the outer end of each rim to the ear.
    for side in (1, -1):
        out = np.array([side * (eyes[0] + 0.27), eyes[1] + 0.05, extras.average[bridge][2] - 0.14])
        ear = np.array([side * 0.84, eyes[1] + 0.05, 0.35])
        rims.append(np.array([out, out - [0, 0.07, 0], ear, ear - [0, 0.07, 0]]))
    bar = np.array([[-0.1, 0.03, 0], [-0.1, -0.03, 0], [0.1, 0.03, 0], [0.1, -0.03, 0]])
    rims.append(bar + [0, eyes[1] + 0.04, extras.average[bridge][2] + 0.04])
    for side in range(2):
        at = side * 2 * corners
        for k in range(corners):
            a, b = at + k, at + (k + 1) % corners
            rim_faces += [[a, b, a + corners], [b, b + corners, a + corners]]
        at = side * (corners + 1)
        lens_faces += [[at + k, at + (k + 1) % corners, at + corners] for k in range(corners)]
    for part in range(3):
        at = 4 * corners + 4 * part
        rim_faces += [[at, at + 1, at + 2], [at + 1, at + 3, at + 2]]
    none = np.zeros((0, 3), np.int64)
    places = np.concatenate(rims)
    number = extras.add(places, np.tile(normals, (len(places), 1)), bone="head", anchor=bridge)
    extras.pieces["rims"] = [number + np.array(rim_faces), number + np.array(rim_faces), none, none]
    places = np.concatenate([np.asarray(part, np.float64) for part in lenses])
    number = extras.add(places, np.tile(normals, (len(places), 1)), bone="head", anchor=bridge)
    all_, few = number + np.array(lens_faces), number + np.array(lens_faces)[::2]
    extras.pieces["lenses"] = [all_, all_, few, none]


def _box(
    low: Sequence[float] | Floats, high: Sequence[float] | Floats, round_off: float = 0.0
) -> tuple[Floats, Floats, Ints]:
    """Return a box with flat faces, (24, 3) vertices; its top is narrower by `round_off`."""
    low_, high_ = np.array(low, np.float64), np.array(high, np.float64)
    signs = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    corners = low_ + (high_ - low_) * signs
    middle = (low_ + high_) / 2
    shrink = 1 - round_off * signs[:, 1:2]
    corners[:, [0, 2]] = middle[[0, 2]] + (corners[:, [0, 2]] - middle[[0, 2]]) * shrink
    places: list[Floats] = []
    normals: list[Floats] = []
    triangles: list[list[int]] = []
    for axis in range(3):
        for side in (0, 1):
            face = np.flatnonzero(signs[:, axis] == side)
            normal = np.eye(3)[axis] * (1 if side else -1)
            a, b, c, _ = face
            turned = np.cross(corners[b] - corners[a], corners[c] - corners[a]) @ normal > 0
            at = len(places)
            places += list(corners[face])
            normals += [normal] * 4
            pair = [[0, 1, 2], [1, 3, 2]] if turned else [[0, 2, 1], [1, 2, 3]]
            triangles += [[at + k for k in one] for one in pair]
    return np.array(places), np.array(normals), np.array(triangles)


def _add_bags(extras: Extras, back: Ints, hips: Ints, hands: tuple[Ints, Ints]) -> None:
    spine = extras.nearest((0, 4.2, -0.9), back)
    at = extras.average[spine]
    places, normals, triangles = _box(at + [-1.35, -2.3, -1.35], at + [1.35, 1.5, -0.05], 0.22)
    pocket = _box(at + [-1.0, -2.1, -1.75], at + [1.0, -0.3, -1.3], 0.15)
    number = extras.add(
        np.concatenate([places, pocket[0]]),
        np.concatenate([normals, pocket[1]]),
        bone="spine_03",
        anchor=spine,
    )
    both = np.concatenate([triangles, len(places) + pocket[2]])
    extras.pieces["backpack"] = [
        number + both,
        number + both,
        number + triangles,
        number + triangles,
    ]
    hip = extras.nearest((1.75, 0.8, 0.1), hips)
    at = extras.average[hip]
    places, normals, triangles = _box(at + [0.1, -2.0, -1.5], at + [0.85, 0.5, 1.3], 0.1)
    number = extras.add(places, normals, bone="pelvis", anchor=hip)
    extras.pieces["shoulder_bag"] = [number + triangles] * LEVELS
    for name, side, hand, size in (
        ("hand_bag", 1, hands[0], ((-0.5, -3.4, -1.5), (0.5, -0.6, 1.5))),
        ("phone", -1, hands[1], ((-0.32, -0.2, -0.05), (0.32, 1.1, 0.05))),
    ):
        palm = int(
            hand[np.argmin(((extras.average[hand] - extras.average[hand].mean(0)) ** 2).sum(1))]
        )
        bone = f"lowerarm_{'l' if side > 0 else 'r'}"
        at = extras.average[palm]
        places, normals, triangles = _box(at + size[0], at + size[1])
        number = extras.add(places, normals, bone=bone, anchor=palm)
        extras.pieces[name] = [number + triangles] * LEVELS
    # An umbrella above the head, and its stick.
    rings, columns = 3, 10
    angle = np.arange(columns) * 2 * np.pi / columns
    ways = np.stack([np.sin(angle), 0 * angle, np.cos(angle)], axis=1)
    centre = np.array([-1.2, 11.2, 1.0])
    radius, fall = np.array([0.05, 3.2, 5.4]), np.array([0.0, 0.55, 1.6])
    places = np.concatenate(
        [centre + ways * r - [0, f, 0] for r, f in zip(radius, fall, strict=True)]
    )
    normals = np.concatenate([ways * 0.25 * k + [0, 1, 0] for k in range(rings)])
    number = extras.add(places, normals, bone="spine_03", anchor=spine)
    roof = number + _grid(rings, columns, closed=True)
    stick = _box(centre - [0.07, 7.0, 0.07], centre + [0.07, 0, 0.07])
    number = extras.add(stick[0], stick[1], bone="spine_03", anchor=spine)
    extras.pieces["umbrella"] = [np.concatenate([roof, number + stick[2]])] * LEVELS
