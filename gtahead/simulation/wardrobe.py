"""What people wear: a look of pieces for each of the cast, and colours for each person."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gtahead.simulation.cast import Figure, Look, load_cast
from gtahead.simulation.chance import Chance
from gtahead.simulation.rendering import paints as c

LOOKS_EACH = 4
"""Figures of each of the cast, in different clothes."""

_WARDROBE = 20221212  # the key of what hangs in it: changing it changes everybody's clothes

_SKINS = (
    ("4a2f22", "5c3a28", "6e4630", "3a241b"),
    ("c99f7c", "d6ab87", "b98e6c", "a87b58"),
    ("d9ae92", "cf9f80", "e0b9a0", "c4906f"),
)
"""Of people of African, Asian and European descent."""

_HAIRS = ("0d0a09", "17100c", "2a1a10", "3d2616", "4a301c", "5a3a22", "7d5f3c", "a58a60", "5a3020")
_GREYS = ("8a8884", "b0aeaa", "d0cecb", "66625e")
_CLOTHES = (
    *("1c1f26", "2b3445", "101114", "22252b", "35373b", "6a6c70", "e8e6e0", "3c4a63", "5b6f8f"),
    *("8fa3b8", "d9d2c3", "b5aa94", "7d6b55", "4d3b2e", "6d1f24", "9c2c2c", "c2552f", "d39a3a"),
    *("3f5a3a", "5f7a52", "22463f", "2f6f7a", "5c3a5e", "8a4f6d", "c78c9a", "4a4a4d", "8c8c8e"),
    *("a3a39d", "27407a", "f2f2ee", "e0d9b0", "1c1f26", "101114", "22252b"),
)
_TROUSERS = (
    *("14161b", "1d222e", "25304a", "33425f", "4a5a78", "3b3630", "5a5044", "8a7a60", "a89a80"),
    *("101010", "2e2e30", "55565a", "3a2a20", "4b4a3a", "25304a", "33425f"),
)
_SHOES = ("100e0d", "1a1410", "3a2416", "5a3c24", "d8d8d6", "2a2a2e", "141416", "202a44", "e6e4e0")
_BAGS = ("101114", "2b3445", "3a2416", "6d1f24", "22463f", "5a5044", "7d6b55", "c2552f")


@functools.cache
def _linear(code: str) -> npt.NDArray[np.float64]:
    """Return a colour of the screen, rrggbb, as linear light; rounded, since powers differ."""
    values = np.array([int(code[k : k + 2], 16) for k in (0, 2, 4)]) / 255
    light = np.round(values**2.2 * 65536) / 65536
    light.setflags(write=False)
    return light


def _muted(colour: npt.NDArray[np.float64], share: float = 0.3) -> npt.NDArray[np.float64]:
    grey = colour.sum() / 3
    return np.asarray((grey + (colour - grey) * (1 - share)) * 0.82)


@functools.cache
def looks_of(person: int) -> tuple[Look, ...]:
    """Return what one of the cast may have on."""
    cast = load_cast()
    found: list[Look] = []
    for number in range(LOOKS_EACH):
        chance = Chance(_WARDROBE, person, number)
        woman, child = cast.sex[person] < 0.5, cast.years[person] < 12
        old = cast.years[person] > 60
        found.append(_look(chance, woman=woman, child=child, old=old))
    return tuple(found)


def _look(chance: Chance, *, woman: bool, child: bool, old: bool) -> Look:
    pieces: list[str] = []
    thick, part, end, skirt = 0.0, "hair", 4.4, None
    cover = chance.one(
        ("hair", "cap", "hat", "beanie", "hood", "scarf"),
        (0.72, 0.09, 0.05, 0.05, 0.04, 0.05 if woman and not child else 0.0),
    )
    if cover in ("hood", "scarf"):
        pieces.append(cover)
    elif cover == "beanie":
        pieces.append("scalp")
        thick, part = 0.24, "hat"
    elif cover == "cap":
        pieces += ["scalp", "visor"]
        thick, part = 0.14, "hat"
    else:
        style = (
            chance.one(("long", "bob", "bun", "tail", "short"), (0.3, 0.25, 0.14, 0.16, 0.15))
            if woman
            else chance.one(("short", "crop", "bald", "afro"), (0.56, 0.27, 0.12, 0.05))
        )
        if old and not woman and chance.happens(0.3):
            style = "bald"
        thick = {"short": 0.17, "crop": 0.07, "afro": 0.45, "bald": 0.0}.get(style, 0.10)
        if style != "bald":
            pieces.append("scalp")
        if style in ("long", "bob"):
            pieces.append("curtain")
            end = 4.4 if style == "long" else chance.one((5.3, 5.8))
        elif style in ("bun", "tail"):
            pieces.append(style)
        if cover == "hat":
            pieces += ["brim", "crown"]
            thick = min(thick, 0.06)
    if not woman and not child and chance.happens(0.22):
        pieces.append("beard")
    if chance.happens(0.16 if not child else 0.05):
        pieces.append("rims")
        if chance.happens(0.4):
            pieces.append("lenses")
    bag = chance.one(
        ("", "backpack", "shoulder_bag", "hand_bag", "phone"), (0.62, 0.14, 0.1, 0.08, 0.06)
    )
    if bag:
        pieces.append(bag)
    if (woman and chance.happens(0.28)) or (not child and chance.happens(0.07)):
        skirt = chance.one((-2.4, -3.4, -4.4, -5.8))
    return Look(tuple(pieces), thick, part, end, skirt, chance.number(0.15, 1.0))


@functools.cache
def figure_of(person: int, look: int, umbrella: bool = False) -> Figure:
    """Return one of the cast in one of their looks, maybe under an umbrella."""
    worn = looks_of(person)[look]
    if umbrella:
        worn = replace(worn, pieces=(*worn.pieces, "umbrella"))
    return load_cast().figure(person, worn)


def painted(
    person: int, look: Look, chance: Chance, *, rain: bool = False
) -> npt.NDArray[np.float32]:
    """Draw the colours of one person's skin, hair and clothes, (PAINTS,)."""
    cast = load_cast()
    years, woman = float(cast.years[person]), cast.sex[person] < 0.5
    paint = np.zeros(c.PAINTS)
    descent = chance.one((0, 1, 2), cast.ancestry[person].tolist())
    paint[c.SKIN : c.SKIN + 3] = _linear(chance.one(_SKINS[descent])) * chance.number(0.85, 1.08)
    hair = _linear(chance.one(_HAIRS[:3] if descent != 2 or chance.happens(0.35) else _HAIRS))
    if years > 60 or (years > 40 and chance.happens(0.35)):
        grey = _linear(chance.one(_GREYS))
        hair = grey if years > 60 else (hair + grey) / 2
    paint[c.HAIR : c.HAIR + 3] = _muted(hair, 0.38)
    paint[c.TOP : c.TOP + 3] = _muted(_linear(chance.one(_CLOTHES))) * chance.number(0.7, 1.0)
    paint[c.SECOND : c.SECOND + 3] = _muted(_linear(chance.one(_CLOTHES)))
    paint[c.BOTTOM : c.BOTTOM + 3] = _linear(chance.one(_TROUSERS)) * chance.number(0.8, 1.15)
    paint[c.SHOES : c.SHOES + 3] = _linear(chance.one(_SHOES))
    paint[c.HAT : c.HAT + 3] = _muted(_linear(chance.one(_CLOTHES)))
    paint[c.BAG : c.BAG + 3] = _linear(chance.one(_BAGS))
    pattern = chance.one(range(10), (0.34, 0.06, 0.17, 0.06, 0.08, 0.05, 0.09, 0.08, 0.06, 0.01))
    long_sleeves = pattern in (c.JACKET, c.SUIT, c.HOODIE, c.QUILTED) or rain
    if pattern in (c.JACKET, c.SUIT):
        paint[c.TOP : c.TOP + 3] = _linear(chance.one(_TROUSERS))
        paint[c.SECOND : c.SECOND + 3] = _linear(
            chance.one(("e8e6e0", "f2f2ee", "8fa3b8", "b5aa94"))
        )
    if pattern == c.SAFETY:
        paint[c.TOP : c.TOP + 3] = chance.one(((0.75, 0.85, 0.05), (0.95, 0.32, 0.04)))
    paint[c.PATTERN] = pattern
    sleeve = chance.one((0.30, 0.36, 0.97, 0.62), (0.32, 0.2, 0.42, 0.06))
    paint[c.SLEEVE] = 0.97 if long_sleeves else sleeve
    paint[c.HEM] = chance.one((-7.3, -4.3, -6.3), (0.8, 0.14, 0.06))
    paint[c.WAIST] = chance.one((0.2, -0.1, 0.5, -0.4))
    if look.skirt_end is not None:
        paint[c.HEM] = -7.3 if chance.happens(0.4) else 9.0  # leggings, or bare legs
        paint[c.WAIST] = 0.4 if paint[c.HEM] > 0 else 0.2
        if not woman or chance.happens(0.25):  # a coat: of one cloth with the top
            paint[c.BOTTOM : c.BOTTOM + 3] = paint[c.TOP : c.TOP + 3]
            paint[c.HEM], paint[c.SLEEVE] = -7.3, 0.97
    paint[c.SCALP] = 1.0 if "scalp" in look.pieces else chance.one((0.0, 0.35, 0.6))
    if look.hair_dm and look.hair_dm < 0.08:
        paint[c.SCALP] = 0.85
    paint[c.SEED] = chance.number(0, 200)
    if pattern == c.PLAIN and int(paint[c.SEED]) % 7 == 0:
        paint[c.PATTERN] = c.FLORAL
    paint[c.NECK] = chance.one((5.0, 4.5, 5.5), (0.5, 0.25, 0.25)) - 0.2 * woman
    bare = woman or years < 16
    paint[c.STUBBLE] = 0.0 if bare else chance.one((0.06, 0.25, 0.55), (0.6, 0.2, 0.2))
    if "beard" in look.pieces:
        paint[c.STUBBLE] = 0.9
    paint[c.LIPS] = 0.06 if woman and chance.happens(0.5) else 0.015
    paint[c.SOCKS] = chance.one((0.03, 0.6, 0.3))
    paint[c.STRAPS] = (
        1 if "backpack" in look.pieces else (2 if "shoulder_bag" in look.pieces else 0)
    )
    paint[c.COVERED] = 1.0 if "scarf" in look.pieces else 0.0
    paint[c.BOOTS] = chance.one((-7.32, -6.2), (0.8, 0.2))
    paint[c.DENIM] = chance.number(0, 0.9) if chance.happens(0.4) else 0.0
    return paint.astype(np.float32)


def figures_for(people: Sequence[tuple[int, int, bool]]) -> list[Figure]:
    """Return the figures of some (person, look, umbrella)."""
    return [figure_of(*one) for one in people]
