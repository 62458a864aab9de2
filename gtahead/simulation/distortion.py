"""The barrel distortion of wide-angle lenses: what lies away from the middle moves inward.

The division model of Fitzgibbon, "Simultaneous linear estimation of multiple view geometry and
lens distortion", CVPR 2001: a ray at the radius r of an image without distortion is seen at the
radius s with r = s / (1 - k s²). Both ways need no more than a square root.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats

STRONGEST = 0.5
"""The field of view then needs four times the image's pixels."""

_BAND = 64
"""Rows of samples whose points are in memory at once."""


class Distortion:
    """The distortion of one camera.

    Attributes:
        size_wh: of the image.
        field_wh: of the image without distortion that holds all that is seen.
    """

    def __init__(self, size_wh: tuple[int, int], strength: float) -> None:
        """Prepare a distortion.

        Args:
            size_wh: of the image, pixels.
            strength: by how much nearer to the middle corners are seen, 0 to `STRONGEST`.
        """
        self.size_wh = size_wh
        width, height = size_wh
        self._curve = strength / ((width / 2) ** 2 + (height / 2) ** 2)
        # Both sides grow by an even number of pixels: the middle stays the middle.
        wider, higher = (2 * int(np.ceil(side * strength / (1 - strength) / 2)) for side in size_wh)
        self.field_wh = (width + wider, height + higher)

    def bent(self, field_xy: Floats) -> Floats:
        """Return where points, (..., 2) pixels of the field, are seen in the image."""
        away = field_xy - np.array(self.field_wh) / 2
        squares = (away * away).sum(axis=-1, keepdims=True)
        share = 2 / (1 + np.sqrt(1 + 4 * self._curve * squares))
        return np.asarray(away * share + np.array(self.size_wh) / 2)

    def straight(self, image_xy: Floats) -> Floats:
        """Return where points, (..., 2) pixels of the image, lie in the field."""
        away = image_xy - np.array(self.size_wh) / 2
        share = 1 / (1 - self._curve * (away * away).sum(axis=-1, keepdims=True))
        return np.asarray(away * share + np.array(self.field_wh) / 2)

    def image_of(self, field: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the image, (H, W, 3), of what the field shows."""
        image = cv2.remap(field, *self._maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(image, np.uint8)

    def beyond(self, samples: int) -> Booleans:
        """Return which samples of the field, so many a pixel to either side, the image lacks."""
        width, height = self.field_wh
        x = (np.arange(width * samples) + 0.5) / samples
        y = (np.arange(height * samples) + 0.5) / samples
        out = np.empty((len(y), len(x)), np.bool_)
        for first in range(0, len(y), _BAND):  # whole, the points would take 16 bytes a sample
            rows = slice(first, first + _BAND)
            xy = self.bent(np.stack(np.meshgrid(x, y[rows]), axis=-1))
            out[rows] = ((xy < 0) | (xy >= np.array(self.size_wh))).any(axis=-1)
        return out

    @cached_property
    def _maps(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Where each pixel of the image comes from."""
        x, y = (np.arange(side) + 0.5 for side in self.size_wh)
        xy = self.straight(np.stack(np.meshgrid(x, y), axis=-1)) - 0.5
        # Rounded to what OpenCV interpolates at: 1/32 of a pixel.
        column, row = np.moveaxis(np.round(xy * 32) / 32, -1, 0).astype(np.float32)
        return column, row
