"""Figures side by side in arrays, as the kernels read them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gtahead.simulation.cast import LEVELS, PARTS, TWO_SIDED, Figure


class Figures:
    """All figures of a scene, one after the other.

    Attributes:
        places: (V, 3) metres, in the rest pose; so are the following.
        normals: (V, 3).
        textures: (V, 5).
        bones: (V, 3).
        weights: (V, 3).
        head_vertices: of each figure at each level, of the triangles of its head.
        first_vertex: (F,) of each figure.
        triangles: (T, 3) at all levels, numbered from each figure's first vertex on.
        parts: (T,) numbers in `PARTS`.
        two_sided: (T,) whether a triangle is seen from behind.
        of_head: (T,) whether it belongs to the head.
        first_triangle: (F, LEVELS).
        triangle_counts: (F, LEVELS).
        vertex_counts: (F, LEVELS).
        persons: (F,) numbers in the cast.
    """

    def __init__(self, figures: Sequence[Figure]) -> None:
        self.places = np.concatenate([one.places_m for one in figures])
        self.normals = np.concatenate([one.normals for one in figures])
        self.textures = np.concatenate([one.textures for one in figures])
        self.bones = np.concatenate([one.bones for one in figures])
        self.weights = np.concatenate([one.weights for one in figures])
        self.head_vertices = [one.head_vertices for one in figures]
        self.first_vertex = _starts([len(one.places_m) for one in figures])
        self.triangles = np.concatenate([part for one in figures for part in one.triangles])
        self.parts = np.concatenate([part for one in figures for part in one.parts])
        sides = np.isin(np.arange(len(PARTS)), TWO_SIDED)
        self.two_sided = sides[self.parts].astype(np.uint8)
        head = [part for one in figures for part in one.head_triangles]
        self.of_head = np.concatenate(head).astype(np.uint8)
        counts = [[len(part) for part in one.triangles] for one in figures]
        self.triangle_counts = np.array(counts, np.int64)
        self.first_triangle = _starts(self.triangle_counts.ravel()).reshape(-1, LEVELS)
        self.vertex_counts = np.array([one.vertices for one in figures], np.int64)
        self.persons = np.array([one.person for one in figures], np.int64)


def _starts(counts: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
