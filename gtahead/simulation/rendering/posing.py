"""A crowd in its poses: where everybody's bones are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats
from gtahead.simulation.cast import load_cast
from gtahead.simulation.rendering.figures import Figures
from gtahead.simulation.skeleton import BONE

F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]


@dataclass
class Crowd:
    """People of a frame.

    Attributes:
        figures: (P,) numbers in `Figures`.
        poses: (P,) numbers of poses.
        stances: (P, 6) x, y, z, size, cosine and sine of the heading.
        paints: (P, PAINTS).
        looks: (P, 2) by how many degrees heads are turned aside and bowed.
    """

    figures: I64
    poses: I64
    stances: F32
    paints: F32
    looks: F32

    def take(self, people: I64) -> Crowd:
        """Return some of them, by number."""
        return Crowd(*(getattr(self, field.name)[people] for field in fields(self)))

    def none(self) -> Crowd:
        """Return nobody."""
        return self.take(np.zeros(0, np.int64))


def posed_joints(crowd: Crowd, figures: Figures) -> tuple[Floats, Floats]:
    """Return where everybody's bones begin, and which way faces look, in the place's metres.

    Returns:
        (P, 20, 3) joints, and (P, 3) directions of length 1.
    """
    persons = figures.persons[crowd.figures]
    matrices = bone_matrices(load_cast().poses, persons, crowd).astype(np.float64)
    rest = load_cast().joints_m[persons]
    parts = [matrices[..., k] * rest[..., k, None] for k in range(3)]
    joints = parts[0] + parts[1] + parts[2] + matrices[..., 3]
    facing = -matrices[:, BONE["head"], :, 1]
    stances = crowd.stances.astype(np.float64)
    cosine, sine = stances[:, 4], stances[:, 5]

    def turned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        c, s = (v.reshape(-1, *(1,) * (x.ndim - 1)) for v in (cosine, sine))
        return x * c - y * s, x * s + y * c

    x, y = turned(joints[..., 0], joints[..., 1])
    placed = np.stack([x, y, joints[..., 2]], axis=-1) * stances[:, None, 3:4]
    placed += stances[:, None, :3]
    fx, fy = turned(facing[:, 0], facing[:, 1])
    return placed, np.stack([fx, fy, facing[:, 2]], axis=1)


NECKS_SHARE = 0.35
"""Of a turn of the head."""


def bone_matrices(poses: F32, persons: I64, crowd: Crowd) -> F32:
    """Return each person's matrices, (P, 20, 3, 4), with the head turned as they look."""
    matrices = poses[persons, crowd.poses].astype(np.float64)
    joints = load_cast().joints_m[persons]
    neck, head = BONE["neck_01"], BONE["head"]
    bend = _turns(crowd.looks * NECKS_SHARE)
    at = _moved(matrices[:, neck], joints[:, neck])
    matrices[:, neck] = _turned_about(matrices[:, neck], bend, at)
    matrices[:, head] = _turned_about(matrices[:, head], bend, at)
    rest = _turns(crowd.looks * (1 - NECKS_SHARE))
    at = _moved(matrices[:, head], joints[:, head])
    matrices[:, head] = _turned_about(matrices[:, head], rest, at)
    return (np.round(matrices * 65536) / 65536).astype(np.float32)


def _turns(degrees: npt.NDArray[np.floating[Any]]) -> Floats:
    """Return rotations aside, about z, after such that bow, about x, (P, 3, 3)."""
    radians = np.radians(degrees.astype(np.float64))
    cosine, sine = (np.round(fn(radians) * 2**20) / 2**20 for fn in (np.cos, np.sin))
    (ca, cb), (sa, sb) = cosine.T, sine.T
    zero = np.zeros(len(ca))
    rows = [[ca, -sa * cb, sa * sb], [sa, ca * cb, -ca * sb], [zero, sb, cb]]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def _moved(matrices: Floats, points: Floats) -> Floats:
    """Return (P, 3, 4) times (P, 3)."""
    parts = [matrices[:, :, k] * points[:, k, None] for k in range(3)]
    return np.asarray(parts[0] + parts[1] + parts[2] + matrices[:, :, 3])


def _turned_about(matrices: Floats, turns: Floats, at: Floats) -> Floats:
    """Return matrices followed by a rotation about a point."""
    moved = matrices.copy()
    moved[:, :, 3] -= at
    parts = [turns[:, :, k, None] * moved[:, k, None, :] for k in range(3)]
    turned = parts[0] + parts[1] + parts[2]
    turned[:, :, 3] += at
    return np.asarray(turned)
