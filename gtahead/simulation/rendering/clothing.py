"""What people's surfaces look like: skin, faces, hair, cloth, by where on the body a point lies.

Coordinates are those of the base mesh in decimetres (`Figure.textures`), the same for everybody:
so a pixel decides where a sleeve ends or a lip begins, at any size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gtahead.compiling import compiled_for_drawing as compiled
from gtahead.simulation.cast import PART
from gtahead.simulation.rendering import fragments as f
from gtahead.simulation.rendering.faces import eye_of, face_of, hair_of
from gtahead.simulation.rendering.noise import noise_at, smooth
from gtahead.simulation.rendering.paints import (
    BAG,
    BOOTS,
    BOTTOM,
    BUTTONS,
    CHECKED,
    COVERED,
    DENIM,
    FLORAL,
    HAT,
    HEM,
    HOODIE,
    JACKET,
    NECK,
    ONE,
    PATTERN,
    PRINTED,
    QUILTED,
    SAFETY,
    SECOND,
    SEED,
    SHOES,
    SKIN,
    SLEEVE,
    SOCKS,
    STRAPS,
    STRIPES,
    SUIT,
    TOP,
    WAIST,
    ZERO,
    Colour,
    mixed,
    paint_at,
    scaled,
)
from gtahead.simulation.rendering.visibility import SAMPLES, TRIANGLE_BITS

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_HEAD, _HANDS, _EYES = PART["head"], PART["hands"], PART["eyes"]
_CLOTHES, _SKIRT, _HAIR, _HAT = PART["clothes"], PART["skirt"], PART["hair"], PART["hat"]
_RIMS, _LENSES, _BAG, _PHONE = PART["rims"], PART["lenses"], PART["bag"], PART["phone"]
_UMBRELLA, _BEARD = PART["umbrella"], PART["beard"]


@compiled
def _hooded(
    y: np.float32,
    aside: np.float32,
    colour: Colour,
    front: bool | np.bool_,
    on_arm: bool | np.bool_,
) -> Colour:
    """Return the colour of a hooded pullover: its pocket, its strings, the hood's shade."""
    if front and np.float32(1.0) < y < np.float32(2.3):
        slope = np.float32(1.15) - (y - np.float32(1.0)) * np.float32(0.4)
        if abs(aside - slope) < np.float32(0.05):
            colour = scaled(colour, np.float32(0.62))
    for_string = abs(aside - np.float32(0.28)) < np.float32(0.035)
    if front and for_string and np.float32(4.2) < y < np.float32(5.4):
        colour = np.float32(0.5), np.float32(0.5), np.float32(0.48)
    if not on_arm and y > np.float32(5.25):
        colour = scaled(colour, np.float32(0.82))
    return colour


@compiled
def _top(
    x: np.float32,
    y: np.float32,
    z: np.float32,
    arm: np.float32,
    paint: F32,
    noise: F32,
    fold: np.float32,
) -> Colour:
    """Return the colour of what is worn above the waist, before folds darken it."""
    colour, second = paint_at(paint, TOP), paint_at(paint, SECOND)
    aside, on_arm = abs(x), arm > np.float32(0.02)
    front = z > np.float32(0.1) and not on_arm
    pattern, waist = int(paint[PATTERN]), paint[WAIST]
    open_neck = paint[NECK] + aside * np.float32(1.5)
    if front and y > open_neck and y > np.float32(4.3):
        if paint[COVERED] > ZERO:
            return paint_at(paint, HAT)
        return scaled(paint_at(paint, SKIN), np.float32(0.95))
    if y > np.float32(5.75) and not on_arm:
        if paint[COVERED] > ZERO:
            return paint_at(paint, HAT)
        return scaled(colour, np.float32(0.8))
    # Stripes and checks are one to three times as fine as the widest.
    fine = ONE + np.float32(2) * (paint[SEED] - np.floor(paint[SEED]))
    along = arm * np.float32(7) if on_arm else y * np.float32(1.25)
    if pattern == STRIPES:
        at = along * fine - np.floor(along * fine)
        band = smooth(np.float32(0.48), np.float32(0.54), at)
        band -= smooth(np.float32(0.95), np.float32(1.0), at)
        colour = mixed(colour, second, band)
    elif pattern in (JACKET, SUIT):
        opening = np.float32(0.16) + np.float32(0.08) * (y - waist)
        if front and aside < opening and y > waist + np.float32(0.2):
            colour = second
            if pattern == SUIT and aside < np.float32(0.13):
                colour = paint[BAG], paint[BAG + 1], paint[BAG + 2]
        elif front and aside < opening + np.float32(0.15):
            colour = scaled(colour, np.float32(0.72))
    elif pattern == CHECKED:
        u = (z if on_arm else x) * np.float32(1.6) * fine
        v = y * np.float32(1.6) * fine
        weight = (np.float32(0.45) if v - np.floor(v) < np.float32(0.4) else ZERO) + (
            np.float32(0.45) if u - np.floor(u) < np.float32(0.4) else ZERO
        )
        colour = mixed(colour, second, weight)
    elif pattern == PRINTED:
        if front and aside < np.float32(0.62) and np.float32(3.1) < y < np.float32(4.4):
            shape = noise_at(noise, 3, x * np.float32(38) + paint[SEED], y * np.float32(38))
            if shape > np.float32(0.52):
                colour = second
    elif pattern == FLORAL:
        colour = _flowered(x, y, z, paint, noise, colour)
    elif pattern == BUTTONS:
        if front and aside < np.float32(0.09):
            colour = scaled(colour, np.float32(0.84))
            at = y * np.float32(1.1)
            at -= np.floor(at)
            if aside < np.float32(0.03) and at < np.float32(0.07):
                colour = second
    elif pattern == HOODIE:
        colour = _hooded(y, aside, colour, front, on_arm)
    elif pattern == QUILTED:
        at = along * np.float32(1.6)
        at -= np.floor(at)
        seam = abs(at - np.float32(0.5))
        colour = scaled(
            colour,
            np.float32(0.72) + np.float32(0.5) * smooth(np.float32(0.5), np.float32(0.3), seam),
        )
        if front and aside < np.float32(0.05):
            colour = scaled(colour, np.float32(0.45))
    elif pattern == SAFETY:
        around = min(abs(y - np.float32(2.0)), abs(y - np.float32(3.4))) < np.float32(0.22)
        brace = abs(aside - np.float32(0.75)) < np.float32(0.18) and y > np.float32(2.0)
        if not on_arm and (around or brace):
            colour = np.float32(0.55), np.float32(0.56), np.float32(0.58)
    if on_arm:
        return colour
    off = np.float32(1)  # how far from a strap's edge
    if paint[STRAPS] == ONE and y > np.float32(2.2) and (front or y > np.float32(5.2)):
        off = abs(aside - np.float32(0.95)) - np.float32(0.17)
    elif paint[STRAPS] > ONE:
        off = abs(x * np.float32(1.35) - (np.float32(3.2) - y)) - np.float32(0.2)
    return paint_at(paint, BAG) if off < ZERO else colour


@compiled
def _flowered(
    x: np.float32, y: np.float32, z: np.float32, paint: F32, noise: F32, colour: Colour
) -> Colour:
    """Return the colour of cloth with flowers or specks all over."""
    large = np.float32(16) + np.float32(24) * (paint[SEED] - np.floor(paint[SEED]))
    shape = noise_at(noise, 2, (x + z) * large + paint[SEED], y * large)
    if shape > np.float32(0.56):
        return paint_at(paint, SECOND)
    return paint_at(paint, BAG) if shape < np.float32(0.36) else colour


@compiled
def _fold(
    part: int, x: np.float32, y: np.float32, z: np.float32, seed: np.float32, noise: F32
) -> np.float32:
    """Return how high folds of cloth stand at a point, from 0 to 1."""
    if part == _SKIRT:  # pleats
        return noise_at(noise, 1, (x + z) * np.float32(16) + seed, y * np.float32(2))
    if part == _HAT:
        across = x * np.float32(14) + z * np.float32(9)
        return noise_at(noise, 1, across, y * np.float32(14) + seed)
    across = x * np.float32(9) + z * np.float32(5) + seed
    return noise_at(noise, 1, across, y * np.float32(13) - abs(x) * np.float32(6) + seed)


@compiled
def _cloth(
    part: int,
    x: np.float32,
    y: np.float32,
    z: np.float32,
    arm: np.float32,
    paint: F32,
    noise: F32,
    pixel: np.float32,
    fold: np.float32,
) -> tuple[Colour, np.float32, bool]:
    """Return colour and gloss of clothes, or of the skin beside them, and whether they fold."""
    aside = abs(x)
    weave = ZERO
    if pixel < np.float32(0.06):
        weave = noise_at(
            noise, 0, x * np.float32(60), y * np.float32(60) + z * np.float32(60)
        ) - np.float32(0.5)
    shade = np.float32(0.76) + np.float32(0.42) * fold + np.float32(0.16) * weave
    waist = paint[WAIST]
    on_arm = part == _CLOTHES and arm > np.float32(0.02)
    if on_arm and arm > paint[SLEEVE]:
        skin = np.float32(0.92) + np.float32(0.12) * fold
        return scaled(paint_at(paint, SKIN), skin), np.float32(0.05), False
    if part == _CLOTHES and (on_arm or y > waist):
        colour = _top(x, y, z, arm, paint, noise, fold)
        near_hem = (
            waist + np.float32(0.14) - y if not on_arm else arm - paint[SLEEVE] + np.float32(0.03)
        )
        if near_hem > ZERO:  # a seam, which is thicker
            shade *= np.float32(0.78)
        return scaled(colour, shade), np.float32(0.02), True
    if part == _CLOTHES and y < paint[BOOTS]:
        sole = y < np.float32(-8.02)
        colour = paint_at(paint, SHOES)
        if sole:
            bright = np.float32(0.35) if paint[SOCKS] > np.float32(0.2) else np.float32(0.03)
            colour = bright, bright, bright
        elif z > np.float32(0.75) and y > np.float32(-7.9):
            laces = y * np.float32(7) - np.floor(y * np.float32(7))
            if aside > np.float32(1.2) and laces < np.float32(0.35) and pixel < np.float32(0.12):
                colour = mixed(
                    colour, (np.float32(0.5), np.float32(0.5), np.float32(0.5)), np.float32(0.4)
                )
        return colour, np.float32(0.14), False
    if part == _CLOTHES and y < paint[HEM]:
        if y < np.float32(-6.9):
            bright = paint[SOCKS]
            return (bright, bright, bright), np.float32(0.02), True
        skin = np.float32(0.92) + np.float32(0.12) * fold
        return scaled(paint_at(paint, SKIN), skin), np.float32(0.05), False
    colour = paint_at(paint, BOTTOM)
    if part == _SKIRT:
        shade = np.float32(0.66) + np.float32(0.62) * fold
        if int(paint[PATTERN]) == FLORAL:
            colour = _flowered(x, y, z, paint, noise, colour)
    else:
        if y > waist - np.float32(0.22):  # the belt, in the top's shadow
            shade *= np.float32(0.5)
        worn = (
            paint[DENIM]
            * smooth(np.float32(-1.0), np.float32(-3.2), y)
            * smooth(np.float32(-7.0), np.float32(-4.0), y)
        )
        if z > np.float32(0.2):
            colour = scaled(colour, ONE + worn)
        seam = abs(aside - np.float32(1.55))
        if pixel < np.float32(0.1) and seam < np.float32(0.03) and y < np.float32(-0.5):
            shade *= np.float32(0.75)
        if y < paint[HEM] + np.float32(0.1):
            shade *= np.float32(0.8)
    return scaled(colour, shade), np.float32(0.02), True


@compiled
def surface_of(
    part: int,
    x: np.float32,
    y: np.float32,
    z: np.float32,
    arm: np.float32,
    paint: F32,
    noise: F32,
    pixel: np.float32,
    fold: np.float32,
) -> tuple[Colour, np.float32, bool]:
    """Return a point's colour, how glossy it is, and whether it has folds.

    Args:
        part: what it is, a number in `PARTS`.
        x: of the point on the base mesh; so are y and z.
        y: upward.
        z: forward.
        arm: how far down an arm it lies.
        paint: of the person.
        noise: levels of the noise.
        pixel: how wide a pixel is there, decimetres.
        fold: how high cloth stands there.
    """
    if part == _HEAD:
        return face_of(x, y, z, paint, noise, pixel), np.float32(0.07), False
    if part == _HANDS:
        grain = noise_at(noise, 2, x * np.float32(20), y * np.float32(20))
        tone = np.float32(0.9) + np.float32(0.14) * grain
        return scaled(paint_at(paint, SKIN), tone), np.float32(0.05), False
    if part == _EYES:
        return eye_of(x, y, paint), np.float32(0.3), False
    if part in (_HAIR, _BEARD):
        colour, gloss = hair_of(x, y, z, paint, noise, pixel)
        return colour, gloss, False
    if part == _HAT:
        knit = np.float32(0.8) + np.float32(0.34) * fold
        return scaled(paint_at(paint, HAT), knit), np.float32(0.02), True
    if part == _RIMS:
        return (np.float32(0.012), np.float32(0.011), np.float32(0.011)), np.float32(0.4), False
    if part == _LENSES:
        return (np.float32(0.008), np.float32(0.009), np.float32(0.011)), np.float32(0.9), False
    if part == _BAG:
        rough = noise_at(noise, 1, x * np.float32(11) + z * np.float32(7), y * np.float32(11))
        tone = np.float32(0.78) + np.float32(0.4) * rough
        return scaled(paint_at(paint, BAG), tone), np.float32(0.05), False
    if part == _PHONE:
        return (np.float32(0.01), np.float32(0.01), np.float32(0.012)), np.float32(0.6), False
    if part == _UMBRELLA:
        return paint_at(paint, HAT), np.float32(0.08), False
    return _cloth(part, x, y, z, arm, paint, noise, pixel, fold)


@compiled
def shade_people(
    count: int,
    fragments: F32,
    owners: I32,
    view: F32,
    screen: F32,
    world: F32,
    world_normals: F32,
    first_vertex: I64,
    first_triangle: I64,
    first_texture: I64,
    triangles: I32,
    parts: U8,
    textures: F32,
    paints: F32,
    headings: F32,
    crowd: F32,
    crowd_corner: F32,
    noise: F32,
) -> None:
    """Fill in the fragments that show people: colour, normal, place, and how open they are.

    Args:
        count: how many fragments there are; others than people's are passed over.
        fragments: (N, COLUMNS).
        owners: (N,) codes.
        view: of `View.array`.
        screen: (V, 3) vertices on the grid of samples.
        world: (V, 3) metres.
        world_normals: (V, 3).
        first_vertex: (P,) of each person in these.
        first_triangle: (P,) in `triangles`.
        first_texture: (P,) in `textures`.
        triangles: (T, 3) of all figures.
        parts: (T,).
        textures: (U, 5) of all figures.
        paints: (P, PAINTS).
        headings: (P, 2) cosine and sine.
        crowd: (H, W) how crowded the ground is.
        crowd_corner: where that is.
        noise: levels of the noise.
    """
    scale = ONE / np.float32(SAMPLES)
    mask = (1 << TRIANGLE_BITS) - 1
    for index in range(count):
        code = owners[index]
        if code < 0:
            continue
        person = code >> TRIANGLE_BITS
        place = first_triangle[person] + (code & mask)
        at, skin = first_vertex[person], first_texture[person]
        i, j, k = triangles[place, 0], triangles[place, 1], triangles[place, 2]
        ax, ay = screen[at + i, 0] * scale, screen[at + i, 1] * scale
        bx, by = screen[at + j, 0] * scale, screen[at + j, 1] * scale
        cx, cy = screen[at + k, 0] * scale, screen[at + k, 1] * scale
        px, py = fragments[index, f.X], fragments[index, f.Y]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        a = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
        b = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
        a = min(max(a, ZERO), ONE)
        b = min(max(b, ZERO), ONE - a)
        c = ONE - a - b
        a, b, c = a * screen[at + i, 2], b * screen[at + j, 2], c * screen[at + k, 2]
        whole = ONE / (a + b + c)
        a, b, c = a * whole, b * whole, c * whole
        i, j, k = at + i, at + j, at + k
        x = a * world[i, 0] + b * world[j, 0] + c * world[k, 0]
        y = a * world[i, 1] + b * world[j, 1] + c * world[k, 1]
        z = a * world[i, 2] + b * world[j, 2] + c * world[k, 2]
        nx = a * world_normals[i, 0] + b * world_normals[j, 0] + c * world_normals[k, 0]
        ny = a * world_normals[i, 1] + b * world_normals[j, 1] + c * world_normals[k, 1]
        nz = a * world_normals[i, 2] + b * world_normals[j, 2] + c * world_normals[k, 2]
        i, j, k = i - at + skin, j - at + skin, k - at + skin
        tx = a * textures[i, 0] + b * textures[j, 0] + c * textures[k, 0]
        ty = a * textures[i, 1] + b * textures[j, 1] + c * textures[k, 1]
        tz = a * textures[i, 2] + b * textures[j, 2] + c * textures[k, 2]
        arm = a * textures[i, 3] + b * textures[j, 3] + c * textures[k, 3]
        open_ = a * textures[i, 4] + b * textures[j, 4] + c * textures[k, 4]
        part = int(parts[place])
        paint = paints[person]
        pixel = np.float32(10) / (fragments[index, f.NEAR] * view[12])
        seed = paint[SEED]
        fold = _fold(part, tx, ty, tz, seed, noise) if part in (_CLOTHES, _SKIRT, _HAT) else ZERO
        colour, gloss, folded = surface_of(part, tx, ty, tz, arm, paint, noise, pixel, fold)
        if folded:
            # Folds bend the normal: their slope along the body's axes, turned with the person.
            step = max(np.float32(0.06), pixel)
            right = _fold(part, tx + step, ty, tz, seed, noise)
            up = _fold(part, tx, ty + step, tz, seed, noise)
            front = _fold(part, tx, ty, tz + step, seed, noise)
            depth = np.float32(0.16) / step
            u, v, w = (right - fold) * depth, (front - fold) * depth, (up - fold) * depth
            cosine, sine = headings[person, 0], headings[person, 1]
            nx -= u * cosine + v * sine
            ny -= u * sine - v * cosine
            nz -= w
        dx, dy, dz = x - view[0], y - view[1], z - view[2]
        if nx * dx + ny * dy + nz * dz > ZERO:
            if part == _HEAD:  # the inside of a mouth
                colour = (
                    colour[0] * np.float32(0.5),
                    colour[1] * np.float32(0.28),
                    colour[2] * np.float32(0.28),
                )
            else:
                nx, ny, nz = -nx, -ny, -nz
        length = ONE / (np.sqrt(nx * nx + ny * ny + nz * nz) + np.float32(1e-9))
        # Neighbours take the sky away from below.
        column = int((x - crowd_corner[0]) * crowd_corner[2])
        row = int((y - crowd_corner[1]) * crowd_corner[2])
        around = ZERO
        if 0 <= row < crowd.shape[0] and 0 <= column < crowd.shape[1]:
            around = max(crowd[row, column] - np.float32(0.85), ZERO)
        low = max(ONE - z * np.float32(1 / 1.9), ZERO)
        open_ *= np.float32(0.35) + np.float32(0.65) * open_
        open_ *= (ONE - np.float32(0.25) * low) / (ONE + np.float32(1.3) * around * low)
        fragments[index, f.RED], fragments[index, f.GREEN], fragments[index, f.BLUE] = colour
        fragments[index, f.NORMAL] = nx * length
        fragments[index, f.NORMAL + 1] = ny * length
        fragments[index, f.NORMAL + 2] = nz * length
        fragments[index, f.PLACE] = x
        fragments[index, f.PLACE + 1] = y
        fragments[index, f.PLACE + 2] = z
        fragments[index, f.OPEN] = open_
        fragments[index, f.GLOSS] = gloss
        fragments[index, f.SHARP] = ZERO
        soft = part in (_HEAD, _HANDS, _HAIR, _BEARD)
        fragments[index, f.WRAP] = np.float32(0.14) if soft else np.float32(0.04)
        fragments[index, f.SLACK] = np.float32(0.03)
        fragments[index, f.GLOW] = ZERO
