"""The cast: everybody is there, in one piece, and on their feet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gtahead.simulation
from gtahead.simulation.cast import LEVELS, PART, Figure, Look, load_cast
from gtahead.simulation.skeleton import BONE, POSES

EVERYTHING = ("scalp", "curtain", "bun", "tail", "beard", "visor", "brim", "crown", "hood", "scarf")
EVERYTHING += ("rims", "lenses", "backpack", "shoulder_bag", "hand_bag", "phone", "umbrella")


def test_the_file_is_small_and_says_whose_it_is() -> None:
    file = Path(gtahead.simulation.__file__).parent / "cast.npz"
    assert file.stat().st_size <= 1_000_000
    origin = load_cast().origin
    assert "MakeHuman" in origin
    assert "CC0 1.0" in origin


def test_there_are_people_of_all_kinds() -> None:
    cast = load_cast()
    assert len(cast) >= 40
    assert set(cast.years.tolist()) == {6, 10, 15, 27, 48, 72}
    assert 0.4 < cast.sex.mean() < 0.6
    assert (cast.ancestry.max(axis=0) == 1).all()
    assert np.allclose(cast.ancestry.sum(axis=1), 1)
    grown = cast.heights_m[cast.years > 18]
    assert (grown.min() > 1.4, grown.max() < 2.05) == (True, True)
    assert cast.heights_m[cast.years < 8].max() < 1.45
    assert len(np.unique(np.round(cast.heights_m, 3))) > 30


def volume_of(figure: Figure, level: int) -> float:
    """Return what the clothes' triangles enclose: above 0 where they face outward."""
    corners = figure.triangles[level][figure.parts[level] == PART["clothes"]]
    a, b, c = (figure.places_m[corners[:, k]].astype(np.float64) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("person", [0, 20, 47])
def test_a_figure_at_all_levels(person: int) -> None:
    figure = load_cast().figure(person, Look(EVERYTHING, hair_dm=0.16, skirt_end=-3.0, loose=0.7))
    sizes = [len(triangles) for triangles in figure.triangles]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] < 8192  # fits a code of the z-buffer
    assert sizes[3] < 1000
    for level in range(LEVELS):
        assert figure.triangles[level].max() < figure.vertices[level]
        assert len(figure.parts[level]) == sizes[level]
        assert 0.02 < volume_of(figure, level) < 0.2
    assert np.allclose(np.linalg.norm(figure.normals, axis=1), 1, atol=0.02)
    assert np.allclose(figure.weights.sum(axis=1), 1, atol=1e-5)
    head = figure.places_m[figure.is_head]
    low, high = head.min(axis=0), head.max(axis=0)
    height = load_cast().heights_m[person]
    assert high[2] == pytest.approx(height, abs=0.2)  # hair and hats
    assert 0.15 < high[2] - low[2] < 0.42
    assert high[0] - low[0] < 0.5
    assert (figure.places_m[:, 2] > -0.05).all()


def test_skirts_end_where_they_should() -> None:
    cast = load_cast()
    for end in (-1.5, -3.0, -5.5):
        figure = cast.figure(21, Look(skirt_end=end))
        for level in range(LEVELS):
            corners = figure.triangles[level][figure.parts[level] == PART["skirt"]]
            assert len(corners) > 10
            lowest = figure.textures[corners, 1].min()
            assert lowest == pytest.approx(end, abs=0.35), (end, level)


def test_everybody_stands_on_the_ground_in_every_pose() -> None:
    cast = load_cast()
    poses = cast.poses
    assert poses.shape == (len(cast), sum(POSES.values()), 20, 3, 4)
    turn = poses[..., :3].astype(np.float64)
    product = np.einsum("...ij,...kj->...ik", turn, turn)
    assert np.allclose(product, np.eye(3), atol=2e-3)  # rotations, rounded
    figure = cast.figure(5, Look())
    heads = []
    for pose in range(poses.shape[1]):
        matrices = poses[5, pose][figure.bones]
        moved = np.einsum("vkij,vj->vki", matrices[..., :3], figure.places_m) + matrices[..., 3]
        placed = (figure.weights[..., None] * moved).sum(axis=1)
        assert abs(placed[:, 2].min()) < 0.06, pose
        heads.append(float(placed[figure.is_head, 2].max()))
    names = [name for name, number in POSES.items() for _ in range(number)]
    tall = cast.heights_m[5]
    for name, top in zip(names, heads, strict=True):
        least = 0.6 if name == "sit" else 0.85
        assert least * tall < top < 1.05 * tall, name
    assert (poses[:, :, BONE["head"]] != 0).any()
