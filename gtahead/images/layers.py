"""Images that a tool shot in several passes, composed into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass
from gtahead.arrays import Booleans
from gtahead.images.reading import ImageError, decode, read_header


@dataclass(frozen=True)
class Layer:
    """One shot of a frame whose people were drawn in several passes, as bytes of files.

    Attributes:
        shown: the screen with the people of this pass.
        empty: the screen without them, or None.
        stencil: one byte per pixel, row by row.
    """

    shown: bytes
    empty: bytes | None
    stencil: bytes


PERSON = 1
"""What the low three bits of the game's stencil are where a person is seen."""


def people_in_stencil(stencil: bytes, size_wh: tuple[int, int]) -> Booleans | None:
    """Return which pixels (H, W) show people; None where the stencil has another size."""
    width, height = size_wh
    if len(stencil) != width * height:
        return None
    values = np.frombuffer(stencil, np.uint8).reshape(height, width)
    return np.asarray(values & 7 == PERSON, np.bool_)


def compose(layers: Sequence[Layer]) -> bytes:
    """Compose a frame from shots that each show some of its people.

    A pixel is taken from the last shot whose stencil has a person there, so the first layers are
    the far ones; elsewhere (shadows) from the shot that differs most from the empty screen, or from
    the first one. The tool's own labeler does the same.

    Returns:
        A PNG file.

    Raises:
        ImageError: a shot isn't readable, or sizes differ.
    """
    import cv2

    for layer in layers:
        for screen_file in (layer.shown, layer.empty):
            if screen_file is not None:
                read_header(screen_file)  # refuses what is too large to decode
    shots = [decode(layer.shown, cv2.IMREAD_COLOR) for layer in layers]
    if any(shot is None for shot in shots):
        raise ImageError("image-unreadable", "one of its layers")
    screens = [shot for shot in shots if shot is not None]
    whole = screens[0].copy()
    size_wh = (whole.shape[1], whole.shape[0])
    if any(screen.shape != whole.shape for screen in screens):
        raise ImageError("wrong-size", "its layers differ in size")
    largest = np.zeros(whole.shape[:2], np.int32)
    for layer, screen in zip(layers, screens, strict=True):
        empty = None if layer.empty is None else decode(layer.empty, cv2.IMREAD_COLOR)
        if layer.empty is None:
            continue
        if empty is None or empty.shape != screen.shape:
            raise ImageError("image-unreadable", "a layer's empty screen")
        change = ((screen.astype(np.int32) - empty) ** 2).sum(axis=2)
        more = change > largest
        whole[more], largest[more] = screen[more], change[more]
    for layer, screen in zip(layers, screens, strict=True):
        people = people_in_stencil(layer.stencil, size_wh)
        if people is None:
            raise ImageError("image-unreadable", "a layer's stencil has another size")
        whole[people] = screen[people]
    done, data = cv2.imencode(".png", whole, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise ImageError("image-unreadable", "its layers can't be put together")
    return bytes(data)
