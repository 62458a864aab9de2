"""What air, lens, sensor and file do to a painted frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.simulation.light import is_dark

Image = npt.NDArray[np.uint8]

_MARGIN = 64  # tiles are so much larger than the image; a frame takes a piece of them
RAIN = {"RAIN": 1.0, "THUNDER": 1.6}  # streaks in 500 pixels
BLUR_PX = (0.0, 0.8)
NOISE_SD = (1.5, 5.0)
QUALITY = (72, 95)  # of JPEG


PIECES = _MARGIN**2
"""How many pieces a tile has."""

Piece = tuple[int, int]
"""Where in a tile a frame's piece begins: pixels down, pixels across."""


class Lens:
    """Develops the frames of one sequence."""

    def __init__(
        self, size_wh: tuple[int, int], weather: str, hour: float, random: np.random.Generator
    ) -> None:
        self._size_wh = size_wh
        self.quality = int(random.integers(QUALITY[0], QUALITY[1] + 1))
        """JPEG quality of the frames."""
        self._blur = random.uniform(*BLUR_PX)
        sd = random.uniform(*NOISE_SD) * (1.6 if is_dark(hour) else 1.0)
        shape = (size_wh[1] + _MARGIN, size_wh[0] + _MARGIN, 3)
        # Half the noise is of brightness, half of colour; it isn't quite sharp.
        noise = random.standard_normal(shape, np.float32) * 0.6
        noise += random.standard_normal((*shape[:2], 1), np.float32)
        self._noise = np.round(sd * noise).astype(np.int16)
        self._rain = _rain_tile((shape[1], shape[0]), RAIN.get(weather, 0.0), random)

    def draw(self, random: np.random.Generator) -> tuple[Piece, Piece]:
        """Draw which pieces of rain and noise a frame takes."""
        rain = random.integers(0, _MARGIN, 2).tolist() if self._rain is not None else (0, 0)
        noise = random.integers(0, _MARGIN, 2).tolist()
        return (rain[0], rain[1]), (noise[0], noise[1])

    def next_piece(self, piece: Piece) -> Piece:
        """Return the next piece; all of them come in turn."""
        position = (piece[0] * _MARGIN + piece[1] + 1) % _MARGIN**2
        return divmod(position, _MARGIN)

    def develop(self, image: Image, motion_px: float, pieces: tuple[Piece, Piece]) -> Image:
        """Add rain, blur and noise; `motion_px` is how far the image moves during the exposure.

        Args:
            image: (H, W, 3), painted.
            motion_px: to the side.
            pieces: of rain and noise, of this frame.
        """
        if self._rain is not None:
            streaks = self._piece(self._rain, *pieces[0])
            image = np.asarray(cv2.add(image, streaks), np.uint8)
        if self._blur > 0.3:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._blur), np.uint8)
        if abs(motion_px) >= 1:
            length = int(abs(motion_px)) + 1
            image = np.asarray(cv2.blur(image, (length, 1)), np.uint8)
        tile = self._piece(self._noise, *pieces[1])
        return np.asarray(cv2.add(image, tile, dtype=cv2.CV_8U), np.uint8)

    def _piece(self, tile: npt.NDArray[Any], down: int, across: int) -> npt.NDArray[Any]:
        width, height = self._size_wh
        return tile[down : down + height, across : across + width]


def _rain_tile(
    size_wh: tuple[int, int], streaks: float, random: np.random.Generator
) -> Image | None:
    """Draw streaks of rain that are added to a frame; None where it doesn't rain."""
    if streaks == 0:
        return None
    width, height = size_wh
    tile = np.zeros((height, width), np.uint8)
    lean = random.uniform(-0.25, 0.25)
    for _ in range(int(streaks * width * height / 500 / 8)):
        x, y = random.uniform(0, width), random.uniform(-20, height)
        length = random.uniform(0.015, 0.06) * height
        end = (round(x + lean * length), round(y + length))
        cv2.line(tile, (round(x), round(y)), end, int(random.integers(14, 46)), 1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(tile, (0, 0), 0.6)
    return np.asarray(cv2.merge([soft, soft, soft]), np.uint8)
