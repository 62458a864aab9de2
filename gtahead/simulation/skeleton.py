"""The bones of simulated people: 20 of them, and what hangs on what."""

from __future__ import annotations

_ARM_AND_LEG = ("clavicle", "upperarm", "lowerarm", "hand", "thigh", "calf", "foot")

BONES = (
    *("pelvis", "spine_01", "spine_02", "spine_03", "neck_01", "head"),
    *(f"{name}_{side}" for side in "lr" for name in _ARM_AND_LEG),
)
"""Their names, parents before children."""

BONE = {name: number for number, name in enumerate(BONES)}

PARENTS = (-1, 0, 1, 2, 3, 4, 3, 6, 7, 8, 0, 10, 11, 3, 13, 14, 15, 0, 17, 18)
"""The bone that each hangs on; -1 for the first."""

POSES = {
    "walk": 16,
    "run": 8,
    "stand": 12,
    "talk": 8,
    "phone": 4,
    "carry": 4,
    "sit": 12,
    "cheer": 8,
}
"""How many poses there are of each kind; those of walking and running are phases of a stride."""
