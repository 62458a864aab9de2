"""Who is in the cast: 48 people over age, sex, ancestry, weight and height, each with a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Floats

_EUROPE, _AFRICA, _ASIA = ({"caucasian": 1.0}, {"african": 1.0}, {"asian": 1.0})
_MIXED = (
    {"caucasian": 0.5, "african": 0.5},
    {"caucasian": 0.5, "asian": 0.5},
    {"african": 0.3, "asian": 0.7},
    {"caucasian": 0.6, "african": 0.2, "asian": 0.2},
)
AGES = {
    "child": {"child": 1.0},
    "older child": {"child": 0.7, "young": 0.3},
    "teenager": {"child": 0.3, "young": 0.7},
    "young": {"young": 1.0},
    "middle": {"young": 0.5, "old": 0.5},
    "old": {"old": 1.0},
}
"""Mixes of MakeHuman's ages."""

YEARS = {"child": 6, "older child": 10, "teenager": 15, "young": 27, "middle": 48, "old": 72}
"""What they are about."""

_FACES = (
    "nose/nose-scale-horiz",
    "nose/nose-scale-depth",
    "nose/nose-hump",
    "nose/nose-nostrils-width",
    "chin/chin-width",
    "chin/chin-prominent",
    "chin/chin-height",
    "head/head-fat",
    "head/head-scale-horiz",
    "head/head-scale-vert",
)
"""Targets, each with `-decr` and `-incr`, of which every face has its mix."""


@dataclass(frozen=True)
class Person:
    """One of the cast, as `MakeHuman.body` takes it."""

    ancestry: dict[str, float]
    sex: float
    age: str
    muscle: float
    weight: float
    height: float
    details: dict[str, float]


def cast() -> list[Person]:
    """Return everybody."""
    random = np.random.default_rng(2212)
    ancestries = (_EUROPE, _AFRICA, _ASIA, *_MIXED)
    found: list[Person] = []
    # So many of each age, men and women in turn; ancestries go round.
    numbers = {"child": 4, "older child": 4, "teenager": 4, "young": 20, "middle": 10, "old": 6}
    for age, number in numbers.items():
        for index in range(number):
            ancestry = ancestries[[0, 1, 2, 0, 3, 4, 2, 1, 0, 5, 6][len(found) % 11]]
            grown = age not in ("child", "older child")
            weights = {"middle": (0.35, 0.4), "old": (0.15, 0.35)}.get(age, (0.0, 0.42))
            found.append(
                Person(
                    ancestry=dict(ancestry),
                    sex=float(index % 2 == 0),
                    age=age,
                    muscle=_round(random.normal(0.1, 0.35)) if grown else 0.0,
                    weight=_round(random.normal(*weights)),
                    height=_round(random.normal(0, 0.06), 0.13),
                    details=_face(random),
                )
            )
    return found


def _round(value: float, most: float = 0.9) -> float:
    return float(np.round(np.clip(value, -most, most), 2))


def _face(random: np.random.Generator) -> dict[str, float]:
    amounts: Floats = np.clip(random.normal(0, 0.35, len(_FACES)), -0.8, 0.8)
    return {
        f"{name}-{'incr' if amount > 0 else 'decr'}": _round(abs(amount))
        for name, amount in zip(_FACES, amounts.tolist(), strict=True)
    }
