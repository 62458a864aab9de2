"""How people stand, walk, sit: rotations of the bones, which are the same for every body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cast.makehuman import rotation
from gtahead.arrays import Floats
from gtahead.simulation.skeleton import BONES, POSES

_KNEE_AT = (0, 0.08, 0.15, 0.3, 0.4, 0.5, 0.6, 0.72, 0.85, 0.95, 1)
_KNEE_DEG = (5, 15, 18, 9, 6, 12, 36, 60, 34, 6, 5)
_FOOT_AT = (0, 0.08, 0.4, 0.5, 0.6, 0.7, 0.85, 0.95, 1)
_FOOT_DEG = (16, 0, 0, -16, -45, -30, 2, 14, 16)
"""Knee and ankle over a step, from heel strike on: as books on gait have them."""


@dataclass
class Pose:
    """Angles in degrees.

    Attributes:
        legs: left and right: hip forward, knee bent, foot raised, leg aside.
        arms: left and right: upper arm forward, elbow bent, arm aside, forearm inward.
        yaw: of the shoulders against the hips.
        lean: of the trunk, forward.
        roll: of the hips.
        head: turned aside, bowed.
    """

    legs: tuple[tuple[float, float, float, float], ...]
    arms: tuple[tuple[float, float, float, float], ...]
    yaw: float = 0.0
    lean: float = 2.0
    roll: float = 0.0
    head: tuple[float, float] = (0.0, 2.0)


def _step(phase: float, pace: float) -> Pose:
    """Return a phase of walking, pace 1, or of running, about 1.8."""
    legs, arms = [], []
    running = max(pace - 1, 0)
    for at in (phase % 1, (phase + 0.5) % 1):
        swing = np.cos(2 * np.pi * at)
        hip = 7 + 23 * swing * pace + 6 * running
        knee = float(np.interp(at, _KNEE_AT, _KNEE_DEG)) * (1 + 0.55 * running)
        foot = float(np.interp(at, _FOOT_AT, _FOOT_DEG))
        legs.append((hip, knee + 10 * running, foot, 0.8))
        back = -swing
        arms.append(
            (22 * back * pace + 2, 14 + max(0, back) * 22 + 70 * running, 7, 4 + 20 * running)
        )
    return Pose(
        tuple(legs),
        tuple(arms),
        yaw=5 * np.cos(2 * np.pi * phase) * pace,
        lean=3 + 9 * running,
        roll=3.5 * np.sin(2 * np.pi * phase),
    )


def _standing_legs(random: np.random.Generator) -> tuple[tuple[float, float, float, float], ...]:
    weight = random.uniform(-1, 1)
    return tuple(
        (2 + 6 * max(0, side * weight), 4 + 10 * max(0, side * weight), 0, 3 + random.uniform(0, 3))
        for side in (1, -1)
    )


def _hanging(random: np.random.Generator) -> tuple[float, float, float, float]:
    return (random.uniform(-6, 4), random.uniform(8, 22), random.uniform(6, 10), 3)


def _pose(kind: str, number: int, random: np.random.Generator) -> Pose:
    if kind == "walk":
        return _step(number / POSES["walk"], 1.0)
    if kind == "run":
        return _step(number / POSES["run"], 1.8)
    look = (random.uniform(-12, 12), random.uniform(-2, 8))
    pose = Pose(
        _standing_legs(random),
        (_hanging(random), _hanging(random)),
        yaw=random.uniform(-6, 6),
        lean=random.uniform(0, 3),
        roll=random.uniform(-3, 3),
        head=look,
    )
    if kind == "stand" and number % 4 == 3:  # hands in the pockets
        pose.arms = ((-18, 48, 20, 18),) * 2
    elif kind == "stand" and number % 4 == 2:  # arms folded
        pose.arms = ((18, 96, 8, 62), (22, 92, 8, 62))
    elif kind == "talk":
        talking = (random.uniform(5, 28), random.uniform(70, 105), random.uniform(8, 16), 14)
        pose.arms = (talking, _hanging(random)) if number % 2 else (_hanging(random), talking)
        if number % 4 == 3:
            pose.arms = (talking, talking)
    elif kind == "phone":  # before the face, or at the ear
        held = (14, 112, 14, 24) if number % 2 else (38, 128, 22, 10)
        pose.arms = (_hanging(random), held)
        pose.head = (-4, 24) if number % 2 else (6, 4)
    elif kind == "carry":  # something that is held up: an umbrella, a banner
        pose.arms = (_hanging(random), (24, 100, 12, 8))
    elif kind == "sit":
        spread = random.uniform(2, 9)
        pose.legs = tuple(
            (84 + random.uniform(-6, 4), 84 + random.uniform(-10, 14), 0, spread) for _ in range(2)
        )
        pose.lean = (-4, 4, 14, 26)[number % 4]
        arms = ((30, 50, 8, 12), (12, 80, 12, 20), (44, 62, 10, 16))[number % 3]
        pose.arms = tuple((a + random.uniform(-6, 6), b, c, d) for a, b, c, d in (arms, arms))
        pose.head = (random.uniform(-20, 20), (0, 8, 22, 36)[(number // 3) % 4])
    elif kind == "cheer":
        up = tuple((random.uniform(140, 172), random.uniform(5, 40), 16, -4) for _ in range(2))
        pose.arms = up if number % 2 else (up[0], _hanging(random))
        if number % 4 == 0:  # clapping
            pose.arms = ((46, 84, 10, 40),) * 2
        pose.head = (random.uniform(-20, 20), random.uniform(-12, 2))
    return pose


def rotations(joints: Floats) -> Floats:
    """Return the bones' rotations of all poses of `POSES`, (P, 20, 3, 3).

    Args:
        joints: (20, 3) of the body for which arms and legs point where they should; they differ
            little from body to body.
    """
    random = np.random.default_rng(7)
    poses = [_pose(kind, k, random) for kind, number in POSES.items() for k in range(number)]
    return np.stack([_turned(pose, joints) for pose in poses])


def _about(axis: int, degrees: float) -> Floats:
    return rotation(np.eye(3)[axis], degrees)


def _aligned(from_: Floats, to: Floats) -> Floats:
    """Return the smallest rotation that turns one direction into another."""
    a, b = from_ / np.linalg.norm(from_), to / np.linalg.norm(to)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    if sine < 1e-9:
        return np.eye(3)
    return rotation(axis, float(np.degrees(np.arctan2(sine, a @ b))))


def _turned(pose: Pose, joints: Floats) -> Floats:
    found = [np.eye(3)] * len(BONES)
    x, y, z = 0, 1, 2
    found[0] = _about(y, pose.yaw * 0.6) @ _about(z, pose.roll * 0.5)
    bend = _about(x, pose.lean / 3) @ _about(y, -pose.yaw * 0.6) @ _about(z, -pose.roll * 0.3)
    for bone in (1, 2, 3):
        found[bone] = found[bone - 1] @ bend
    aside, bowed = pose.head
    found[4] = found[3] @ _about(y, aside * 0.35) @ _about(x, bowed * 0.3 - pose.lean * 0.4)
    found[5] = found[4] @ _about(y, aside * 0.65) @ _about(x, bowed * 0.7 - pose.lean * 0.6)
    for side, first, arm, leg in (
        (1, 6, pose.arms[0], pose.legs[0]),
        (-1, 13, pose.arms[1], pose.legs[1]),
    ):
        forward, elbow, out, inward = np.deg2rad(arm)
        raised = max(0.0, float(arm[0]) - 80) / 90  # the shoulder goes up with the arm
        found[first] = found[3] @ _about(z, -side * (4 - 22 * raised))
        upper, fore = joints[first + 2] - joints[first + 1], joints[first + 3] - joints[first + 2]
        way = np.array(
            [side * np.sin(out), -np.cos(out) * np.cos(forward), np.cos(out) * np.sin(forward)]
        )
        found[first + 1] = found[3] @ _aligned(upper, way)
        bent = forward + elbow
        way = np.array(
            [side * (np.sin(out) * np.cos(inward) - np.sin(inward)), -np.cos(bent), np.sin(bent)]
        )
        found[first + 2] = found[3] @ _aligned(fore, way)
        found[first + 3] = found[first + 2]
        hip, knee, foot, out_deg = leg
        thigh, calf = joints[first + 5] - joints[first + 4], joints[first + 6] - joints[first + 5]
        for bone, rest, angle in ((first + 4, thigh, hip), (first + 5, calf, hip - knee)):
            a = np.deg2rad(angle)
            way = np.array([side * np.sin(np.deg2rad(out_deg)), -np.cos(a), np.sin(a)])
            found[bone] = found[0] @ _aligned(rest, way)
        found[first + 6] = found[0] @ _about(x, -foot) @ _about(y, side * 6)
    return np.stack(found)
