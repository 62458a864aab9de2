"""Heads seen from any side: hair, hats, faces and skin on an ellipsoid, as small maps.

A map is made once for each style and direction. It says which material covers each point of the
unit disc; colour and light come when a head is painted.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.simulation.people import HAIR_STYLES

SIDES = (12, 24, 48)
"""Of maps, in points: small heads take small ones, so that sampling skips nothing."""

SKIN, HAIR, HAT, DARK = range(4)
_YAWS, _TILTS = 32, 9

Map = npt.NDArray[np.float32]


@functools.lru_cache
def normals(side: int) -> Map:
    """Return the outward normals of a map's points, (side, side, 3): right, up, to the camera."""
    across = (np.arange(side, dtype=np.float32) + 0.5) / (side / 2) - 1
    x, y = np.meshgrid(across, -across)
    # Just outside the disc the border's value goes on, so that sampling needs no care there.
    radius = np.maximum(np.hypot(x, y), 1.0)
    x, y = x / radius, y / radius
    return np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))], axis=2)


def side_for(size_px: float) -> int:
    """Choose the side of the map for a head of this many pixels."""
    return next((side for side in SIDES if side >= size_px), SIDES[-1])


def materials(style: int, facing: float, tilt: float, side: int) -> Map:
    """Return the shares of skin, hair, hat and dark features, (side * side, 4).

    Args:
        style: index into `people.HAIR_STYLES`.
        facing: direction of the face against the line to the camera; 0 looks at it.
        tilt: by how much the crown leans towards the camera, in radians.
        side: one of `SIDES`.
    """
    yaw = round(facing / (2 * math.pi) * _YAWS) % _YAWS
    lean = min(max(round(tilt / (math.pi / 2) * (_TILTS - 1)), -(_TILTS - 1)), _TILTS - 1)
    return _materials(style, yaw, lean, side)


@functools.lru_cache(maxsize=8192)
def _materials(style: int, yaw: int, lean: int, side: int) -> Map:
    if side != SIDES[-1]:
        whole = _materials(style, yaw, lean, SIDES[-1]).reshape(SIDES[-1], SIDES[-1], 4)
        small = cv2.resize(whole, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(small, np.float32).reshape(-1, 4)
    turn, tilt = 2 * math.pi * yaw / _YAWS, math.pi / 2 * lean / (_TILTS - 1)
    x, y, z = np.moveaxis(normals(side), 2, 0)
    # From the camera's axes to the head's: first undo the tilt, then the turn.
    up = y * math.cos(tilt) + z * math.sin(tilt)
    near = z * math.cos(tilt) - y * math.sin(tilt)
    front = near * math.cos(turn) + x * math.sin(turn)
    left = x * math.cos(turn) - near * math.sin(turn)
    name = HAIR_STYLES[style]
    # The face narrows to the chin; temples and the line of the hair frame it.
    face = (front > 0.22 + 0.35 * np.maximum(up, 0)) & (up < 0.55)
    ear = (np.abs(left) > 0.86) & (np.abs(up + 0.05) < 0.22) & (np.abs(front) < 0.3)
    below = up < (-0.5 if name in ("short", "cap", "beanie") else -2.0)
    bald = (name == "bald") & ((up > 0.2) | (up < -0.4) | (front > 0))
    skin = face | below | bald | (ear & (name not in ("long", "hood")))
    hat = np.zeros_like(skin)
    if name == "cap":
        hat = (up > 0.3) | ((front > 0.55) & (up > 0.22))
    elif name == "beanie":
        hat = up > 0.2
    elif name == "hood":
        hat = ~((front > 0.45) & (up < 0.6))
    seen = (front > 0.25) & ~hat
    eyes = (np.abs(np.abs(left) - 0.36) < 0.15) & (np.abs(up - 0.05) < 0.07)
    brows = (np.abs(np.abs(left) - 0.37) < 0.2) & (np.abs(up - 0.22) < 0.045)
    mouth = (np.abs(left) < 0.25) & (np.abs(up + 0.48) < 0.05)
    nose = (np.abs(left) < 0.14) & (np.abs(up + 0.2) < 0.05)
    band = (name == "cap") & (front > 0.5) & (up > 0.14) & (up <= 0.24)
    shares = np.zeros((side, side, 4), np.float32)
    shares[..., HAT] = hat
    shares[..., SKIN] = skin & ~hat
    shares[..., HAIR] = ~skin & ~hat
    soft = np.where(seen & eyes, 0.75, np.where(seen & (brows | mouth | nose), 0.4, 0.0))
    soft = np.where(band, 0.45, soft).astype(np.float32)
    shares *= 1 - soft[..., None]
    shares[..., DARK] = soft
    return np.asarray(cv2.GaussianBlur(shares, (3, 3), 0.8), np.float32).reshape(-1, 4)
