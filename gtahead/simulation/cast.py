"""The cast: bodies of 48 people, what they can wear and carry, and how they can hold themselves.

All of it is in `cast.npz`, which `tools/make_cast.py` makes out of MakeHuman's data (CC0). A
`Figure` is one person in one set of clothes, as triangles in levels of detail.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats, Ints
from gtahead.simulation.skeleton import BONE, BONES, PARENTS, POSES

LEVELS = 4
"""Of detail: 0 for close-ups, 3 for figures of a few pixels."""

PARTS = (
    *("head", "hands", "eyes", "clothes", "skirt", "hair", "hat", "rims", "lenses", "bag"),
    *("phone", "umbrella", "beard"),
)
"""What a triangle is made of, as the renderer knows it."""

PART = {name: number for number, name in enumerate(PARTS)}

_PART_OF = {"scalp": "hair", "curtain": "hair", "bun": "hair", "tail": "hair", "hood": "hat"}
_PART_OF |= {"scarf": "hat", "brim": "hat", "crown": "hat", "visor": "hat", "backpack": "bag"}
_PART_OF |= {"shoulder_bag": "bag", "hand_bag": "bag"}
"""The part that a piece is, where it has another name."""

_OPEN_PARTS = ("head", "skirt", "hair", "hat", "rims", "lenses", "umbrella", "beard")
TWO_SIDED = tuple(PART[name] for name in _OPEN_PARTS)
"""Parts whose back may be seen: open sheets, and the inside of a mouth."""

HEAD_PARTS = ("head", "eyes", "hair", "hat", "beard", "rims", "lenses")
CHIN_Y, THROAT_Y, THROAT_Z = 6.25, 6.02, 0.75
"""A vertex belongs to the head above this height on the base mesh, in front from the chin on."""

_AXES = ((0, 1.0), (2, -1.0), (1, 1.0))  # of the world: x, -z, y of the base mesh
BEARD_DM = 0.09
METRES = 0.1
"""In a unit of the base mesh, a decimetre."""


@dataclass(frozen=True)
class Figure:
    """A person of the cast in one set of clothes, standing at the origin in the rest pose.

    Attributes:
        person: number in the cast.
        places_m: (V, 3) in metres, z up, the face towards -y; those of coarser levels come first.
        normals: (V, 3).
        textures: (V, 5): x, y, z on the base mesh, how far down an arm, how much sky is seen.
        bones: (V, 3) which bones move a vertex.
        weights: (V, 3) how much.
        is_head: (V,) whether a vertex belongs to the head.
        triangles: at each level, (T, 3), counter-clockwise from outside.
        parts: at each level, (T,) numbers in `PARTS`.
        vertices: how many vertices each level needs.
    """

    person: int
    places_m: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32]
    textures: npt.NDArray[np.float32]
    bones: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float32]
    is_head: npt.NDArray[np.bool_]
    triangles: tuple[npt.NDArray[np.int32], ...]
    parts: tuple[npt.NDArray[np.uint8], ...]
    vertices: tuple[int, ...]

    @cached_property
    def head_triangles(self) -> tuple[npt.NDArray[np.bool_], ...]:
        """At each level, (T,) whether a triangle belongs to the head."""
        return tuple(np.logical_and.reduce(self.is_head[each.T]) for each in self.triangles)

    @cached_property
    def head_vertices(self) -> tuple[npt.NDArray[np.int64], ...]:
        """At each level, the vertices of the head's triangles."""
        both = zip(self.triangles, self.head_triangles, strict=True)
        return tuple(np.unique(each[mine]).astype(np.int64) for each, mine in both)


@dataclass(frozen=True)
class Look:
    """What of the cast's pieces a person has on.

    Attributes:
        pieces: names, beside head, hands, eyes and clothes.
        hair_dm: how thick the hair of the scalp is; 0 without.
        hair_as: the part that the scalp's shell is: `hair`, or `hat` where a cap covers it.
        hair_end: y on the base mesh down to which long hair falls.
        skirt_end: y on the base mesh at which a skirt or coat ends; None without.
        loose: from 0, tight clothes, to 1.
    """

    pieces: tuple[str, ...] = ()
    hair_dm: float = 0.0
    hair_as: str = "hair"
    hair_end: float = 4.4
    skirt_end: float | None = None
    loose: float = 0.5


class Cast:
    """The contents of `cast.npz`."""

    def __init__(self) -> None:
        with resources.files(__package__).joinpath("cast.npz").open("rb") as file:
            arrays: Mapping[str, npt.NDArray[np.generic]] = dict(np.load(file))
        self.origin = str(arrays["origin"])
        """Whose data these are, and under which licence."""
        self.sex = np.asarray(arrays["sex"], np.float64)
        """(P,) from 0, female, to 1, male."""
        self.years = np.asarray(arrays["years"], np.float64)
        """(P,) about how old they are."""
        self.ancestry = np.asarray(arrays["ancestry"], np.float64)
        """(P, 3) shares of African, Asian, European."""
        self.joints = np.asarray(arrays["joints"], np.float64) / 1500
        """(P, 20, 3) where the bones begin in the rest pose, as on the base mesh."""
        self.joints_m = (
            np.stack([self.joints[..., k] * sign for k, sign in _AXES], axis=-1) * METRES
        )
        """(P, 20, 3) where the bones begin in the rest pose, metres as `Figure.places_m`."""
        self.rotations = np.asarray(arrays["rotations"], np.float64) / 32767
        self._mean = np.asarray(arrays["mean_places"], np.float64) / 1500
        self._moved = np.asarray(arrays["moved"], np.float64).transpose(2, 1, 0) / 1500
        self._arrays = arrays
        self._mean_normals = np.asarray(arrays["normals"], np.float64) / 127
        self._rough_normals = self._normals(self._mean)
        self._textures = np.asarray(arrays["textures"], np.float64) / 2500
        anchors = np.asarray(arrays["anchors"], np.int64)
        extra_bones = np.asarray(arrays["extra_bones"], np.int64)
        fixed = extra_bones != 255
        bones = np.asarray(arrays["bones"])[anchors].copy()
        weights = np.asarray(arrays["weights"], np.float64)[anchors] / 255
        bones[fixed] = extra_bones[fixed, None].astype(np.uint8)
        weights[fixed] = [1.0, 0.0, 0.0]
        self._bones = np.concatenate([arrays["bones"], bones]).astype(np.uint8)
        body_weights = np.asarray(arrays["weights"], np.float64) / 255
        self._weights = np.concatenate([body_weights, weights])
        arms = np.asarray(arrays["arms"], np.float64) / 10000
        self._arms = np.concatenate([arms, np.full(len(anchors), -1.0)])
        open_ = np.asarray(arrays["open"], np.float64) / 255
        self._open = np.concatenate([open_, np.where(fixed, 0.9, open_[anchors])])
        self._anchors, self._on_head = anchors, extra_bones == BONE["head"]
        self._offsets = np.asarray(arrays["offsets"], np.float64) / 1500
        self._pushes = np.asarray(arrays["pushes"], np.float64) / 255
        self._extra_normals = np.asarray(arrays["extra_normals"], np.float64) / 127
        self._skull = np.flatnonzero(
            (self._textures[: len(self._mean), 1] > 6.0)
            & (np.abs(self._textures[: len(self._mean), 0]) < 0.3)
        )

    def __len__(self) -> int:
        return len(self.sex)

    def triangles(self, piece: str, level: int) -> Ints:
        """Return a piece's triangles, (T, 3), at a level of detail."""
        return np.asarray(self._arrays[f"{piece}_{level}"], np.int64)

    def body(self, person: int) -> Floats:
        """Return a person's vertices, (V, 3), decimetres as on the base mesh, the feet at 0."""
        return np.asarray(self._mean + self._moved[person])

    def _normals(self, places: Floats) -> Floats:
        """Return normals, (V, 3), of the finest level's triangles."""
        normals = np.zeros_like(places)
        for piece in ("head", "hands", "eyes", "clothes", "skirt"):
            corners = self.triangles(piece, 0)
            a, b, c = (places[corners[:, k]] for k in range(3))
            across = np.cross(b - a, c - a)
            for k in range(3):
                np.add.at(normals, corners[:, k], across)
        return _unit(normals)

    @functools.cached_property
    def heights_m(self) -> Floats:
        """How tall everybody is, (P,)."""
        return np.array([self.body(person)[:, 1].max() for person in range(len(self))]) * METRES

    def figure(self, person: int, look: Look) -> Figure:
        """Dress a person.

        Args:
            person: number in the cast.
            look: what they have on.
        """
        body = self.body(person)
        # Normals of the whole mesh, corrected by how this body's coarser one differs.
        normals = _unit(self._mean_normals + self._normals(body) - self._rough_normals)
        anchor_normals = normals[self._anchors]
        scale = np.ptp(body[self._skull, 1]) / np.ptp(self._mean[self._skull, 1])
        offsets = self._offsets * np.where(self._on_head, scale, 1.0)[:, None]
        thick = self._thickness(look)
        extra = body[self._anchors] + offsets + anchor_normals * (self._pushes * thick)[:, None]
        own = np.abs(self._extra_normals).sum(axis=1, keepdims=True) > 0
        extra_normals = np.where(own, self._extra_normals, anchor_normals)
        body = self._dressed(body, normals, look)
        places = np.concatenate([body, extra])
        normals = np.concatenate([normals, extra_normals])
        textures = self._textures.copy()
        names = ["head", "hands", "eyes", "clothes", *look.pieces]
        if look.skirt_end is not None:
            names.append("skirt")
            self._shorten_skirt(places, textures, look.skirt_end)
        triangles, parts = self._chosen(names, look)
        return self._packed(person, places, normals, textures, triangles, parts)

    def _thickness(self, look: Look) -> Floats:
        """Return how far out shells lie at their thickest, for each extra vertex, decimetres."""
        thick = np.zeros(len(self._anchors))
        body = len(self._mean)
        for piece, amount in (("scalp", look.hair_dm), ("beard", BEARD_DM)):
            used = np.unique(
                np.concatenate([self.triangles(piece, k).ravel() for k in range(LEVELS)])
            )
            thick[used - body] = amount
        return thick

    def _dressed(self, body: Floats, normals: Floats, look: Look) -> Floats:
        """Return the body with its clothes moved out of the skin, without any step."""
        used = np.unique(
            np.concatenate([self.triangles("clothes", k).ravel() for k in range(LEVELS)])
        )
        y, arm = self._textures[used, 1], self._arms[used]
        trunk = 0.06 + 0.22 * look.loose * _ramp(4.8, 1.2, y)
        legs = 0.05 + 0.20 * look.loose * _ramp(0.5, -6.6, y)
        shoes = 0.10 + 0.10 * _ramp(-7.3, -7.9, y)
        out = trunk + (legs - trunk) * _ramp(1.2, 0.0, y)
        out = out + (shoes - out) * _ramp(-7.0, -7.3, y)
        sleeves = 0.05 + 0.15 * look.loose * _ramp(0.0, 0.5, arm) * _ramp(0.9, 0.6, arm)
        out = out + (sleeves - out) * _ramp(0.0, 0.2, arm)
        out = out + (0.02 - out) * _ramp(5.2, 5.6, y)
        dressed = body.copy()
        dressed[used] += normals[used] * out[:, None]
        skirt = np.unique(self.triangles("skirt", 0))
        flare = -0.04 + 0.17 * _ramp(0.9, -0.7, self._textures[skirt, 1])
        dressed[skirt] += normals[skirt] * flare[:, None]
        return dressed

    def _shorten_skirt(self, places: Floats, textures: Floats, end: float) -> None:
        """Slide a skirt's vertices just below its end up to it, along their steepest edge."""
        moved: dict[int, tuple[Floats, Floats]] = {}
        for level in range(LEVELS):
            corners = self.triangles("skirt", level)
            edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
            edges = np.concatenate([edges, edges[:, ::-1]])
            upper, lower = self._textures[edges[:, 0]], self._textures[edges[:, 1]]
            across = edges[(upper[:, 1] > end) & (lower[:, 1] <= end)]
            best: dict[int, tuple[float, int]] = {}
            for a, b in across.tolist():
                way = self._textures[a] - self._textures[b]
                steep = float(way[1] / np.sqrt((way * way).sum()))
                if b not in best or steep > best[b][0]:
                    best[b] = (steep, a)
            for b, (_, a) in best.items():
                if b not in moved:
                    share = (end - self._textures[b, 1]) / (
                        self._textures[a, 1] - self._textures[b, 1]
                    )
                    moved[b] = (
                        places[b] + (places[a] - places[b]) * share,
                        textures[b] + (textures[a] - textures[b]) * share,
                    )
        for b, (place, texture) in moved.items():
            places[b], textures[b] = place, texture

    def _chosen(self, names: Sequence[str], look: Look) -> tuple[list[Ints], list[Ints]]:
        """Return the triangles at each level, and the parts that they are."""
        triangles, parts = [], []
        for level in range(LEVELS):
            faces, kinds = [], []
            for name in names:
                corners = self.triangles(name, level)
                if name == "skirt" and look.skirt_end is not None:
                    corners = corners[self._textures[corners, 1].max(axis=1) > look.skirt_end]
                if name == "curtain":
                    corners = corners[self._textures[corners, 1].mean(axis=1) > look.hair_end]
                part = look.hair_as if name == "scalp" else _PART_OF.get(name, name)
                faces.append(corners)
                kinds.append(np.full(len(corners), PART[part]))
            triangles.append(np.concatenate(faces))
            parts.append(np.concatenate(kinds))
        return triangles, parts

    def _packed(
        self,
        person: int,
        places: Floats,
        normals: Floats,
        textures: Floats,
        triangles: list[Ints],
        parts: list[Ints],
    ) -> Figure:
        """Keep the vertices that are used, those of coarser levels first, in metres and float32."""
        order: list[Ints] = []
        counts = [0] * LEVELS
        taken = np.zeros(len(places), np.bool_)
        for level in reversed(range(LEVELS)):
            used = np.unique(triangles[level])
            new = used[~taken[used]]
            taken[new] = True
            order.append(new)
            counts[level] = int(taken.sum())
        used = np.concatenate(order)
        numbered = np.full(len(places), -1)
        numbered[used] = np.arange(len(used))
        y, z = self._textures[used, 1], self._textures[used, 2]
        high = (y > CHIN_Y) | ((y > THROAT_Y) & (z > THROAT_Z))
        head = np.zeros(len(places), np.bool_)
        for level in range(LEVELS):
            of_head = np.isin(parts[level], [PART[name] for name in HEAD_PARTS])
            head[triangles[level][of_head]] = True

        def world(values: Floats, unit: float) -> npt.NDArray[np.float32]:
            turned = np.stack([values[:, axis] * sign for axis, sign in _AXES], axis=1)
            return np.ascontiguousarray((turned * unit).astype(np.float32))

        about = np.concatenate(
            [textures[used], self._arms[used, None], self._open[used, None]], axis=1
        )
        return Figure(
            person=person,
            places_m=world(places[used], METRES),
            normals=world(normals[used], 1.0),
            textures=np.ascontiguousarray(about.astype(np.float32)),
            bones=np.ascontiguousarray(self._bones[used]),
            weights=np.ascontiguousarray(self._weights[used].astype(np.float32)),
            is_head=head[used] & high,
            triangles=tuple(numbered[corners].astype(np.int32) for corners in triangles),
            parts=tuple(part.astype(np.uint8) for part in parts),
            vertices=tuple(counts),
        )

    @functools.cached_property
    def poses(self) -> npt.NDArray[np.float32]:
        """Return how bones move vertices in each pose, (P, poses, 20, 3, 4), in metres.

        The lowest point of both feet is on the ground.
        """
        count = sum(POSES.values())
        found = np.zeros((len(self), count, len(BONES), 3, 4))
        for person in range(len(self)):
            found[person] = self._posed(person)
        # Rounded, so that a last bit in a sum can't make a difference anywhere.
        return np.round(found * 65536).astype(np.float32) / np.float32(65536)

    def _posed(self, person: int) -> Floats:
        joints, turn = self.joints[person], self.rotations
        at = np.zeros((len(turn), len(BONES), 3))
        at[:, 0] = joints[0]
        for bone, parent in enumerate(PARENTS[1:], 1):
            at[:, bone] = at[:, parent] + _times(turn[:, parent], joints[bone] - joints[parent])
        moved = at - _times(turn, joints[None])
        # Soles: the vertices of both feet.
        body = self.body(person)
        soles = np.flatnonzero(self._textures[: len(body), 1] < -7.7)
        lowest = np.full(len(turn), np.inf)
        for vertex in soles:
            bone = int(self._bones[vertex, 0])
            height = _times(turn[:, bone], body[vertex])[:, 1] + moved[:, bone, 1]
            lowest = np.minimum(lowest, height)
        moved[..., 1] -= lowest[:, None] - 0.02
        matrices = np.zeros((len(turn), len(BONES), 3, 4))
        for row, (axis, sign) in enumerate(_AXES):
            for column, (other, other_sign) in enumerate(_AXES):
                matrices[..., row, column] = turn[..., axis, other] * sign * other_sign
            matrices[..., row, 3] = moved[..., axis] * sign * METRES
        return matrices


def _times(turns: Floats, vector: Floats) -> Floats:
    """Return (..., 3, 3) times (..., 3) as plain sums, whose order no library decides."""
    vector = np.broadcast_to(vector, (*turns.shape[:-2], 3))
    a, b, c = (turns[..., k] * vector[..., k, None] for k in range(3))
    return np.asarray(a + b + c)


def _unit(vectors: Floats) -> Floats:
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.asarray(vectors / np.maximum(np.sqrt(x * x + y * y + z * z), 1e-9)[:, None])


def _ramp(low: float, high: float, values: Floats) -> Floats:
    """Return 0 before low and 1 behind high, and in between what lies on a line."""
    return np.clip((values - low) / (high - low), 0, 1)


@functools.cache
def load_cast() -> Cast:
    """Return the cast, which is read once."""
    return Cast()
