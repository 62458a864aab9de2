"""What air, lens, sensor and file do to a rendered frame."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from gtahead.simulation.atmosphere import Atmosphere
from gtahead.simulation.chance import Chance

Image = npt.NDArray[np.uint8]

BLUR_PX = (0.0, 0.8)
NOISE_SD = (1.5, 5.0)
QUALITY = (72, 95)  # of JPEG
STREAKS = 1 / 4000
"""Of rain, per pixel."""


class Lens:
    """Develops the frames of one sequence."""

    def __init__(self, size_wh: tuple[int, int], air: Atmosphere, chance: Chance) -> None:
        self._size_wh, self._rain, self._snow = size_wh, air.rain, air.snow
        self.quality = int(chance.integers(QUALITY[0], QUALITY[1] + 1)[0])
        """JPEG quality of the frames."""
        self._blur = chance.number(*BLUR_PX)
        self._noise = chance.number(*NOISE_SD) * (1 + 0.6 * air.night)
        self._lean = chance.number(-0.25, 0.25)

    def develop(self, image: Image, motion_px: float, chance: Chance) -> Image:
        """Add rain or snow, blur and noise.

        Args:
            image: (H, W, 3), rendered.
            motion_px: how far the image moves to the side during the exposure.
            chance: of the frame: no two have the same noise.
        """
        if self._rain or self._snow:
            image = np.asarray(cv2.add(image, self._falling(chance)), np.uint8)
        if self._blur > 0.3:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._blur), np.uint8)
        if abs(motion_px) >= 1:
            length = int(abs(motion_px)) + 1
            image = np.asarray(cv2.blur(image, (length, 1)), np.uint8)
        return np.asarray(cv2.add(image, self._grain(chance), dtype=cv2.CV_8U), np.uint8)

    def _grain(self, chance: Chance) -> npt.NDArray[np.int16]:
        """Return noise, (H, W, 3): half of it of brightness, half of colour."""
        width, height = self._size_wh
        values = 4 * width * height
        halves = chance.words(-(-values // 4)).view(np.uint16)[:values].reshape(height, width, 4)
        # Two bytes of each make a triangle, whose standard deviation is 104.5.
        triangle = (halves & 255).astype(np.int32) + (halves >> 8).astype(np.int32) - 255
        scale = round(self._noise / 104.5 * 4096)
        mixed = (triangle[..., :3] * 6 + triangle[..., 3:] * 10) * scale
        return np.asarray((mixed + 20480) // 40960, np.int16)

    def _falling(self, chance: Chance) -> Image:
        """Draw rain's streaks, or flakes of snow, which are added to a frame."""
        width, height = self._size_wh
        tile = np.zeros((height, width), np.uint8)
        number = int((self._rain + 2 * self._snow) * STREAKS * width * height)
        columns, rows = chance.integers(0, width, number), chance.integers(-20, height, number)
        long = chance.uniform(0.015, 0.06, number) * height
        bright = chance.integers(14, 46, number)
        for x, y, length, light in zip(
            columns.tolist(), rows.tolist(), long.tolist(), bright.tolist(), strict=True
        ):
            if self._snow:
                radius = max(1, int(length / 14))
                cv2.circle(tile, (x, y), radius, light * 3, -1, cv2.LINE_AA)
            else:
                end = (round(x + self._lean * length), round(y + length))
                cv2.line(tile, (x, y), end, light, 1, cv2.LINE_AA)
        soft = cv2.GaussianBlur(tile, (0, 0), 0.6)
        return np.asarray(cv2.merge([soft, soft, soft]), np.uint8)


class Photograph(Lens):
    """Develops frames as photographs of many cameras are: each sequence by another one."""

    QUALITIES = (55, 96)

    def __init__(self, size_wh: tuple[int, int], air: Atmosphere, chance: Chance) -> None:
        super().__init__(size_wh, air, chance)
        self.quality = int(chance.integers(*self.QUALITIES)[0])
        self._blur = chance.number(0.3, 1.1) if chance.happens(0.6) else 0.0
        self._sharpen = chance.number(0.3, 0.9) if chance.happens(0.3) else 0.0
        self._noise = chance.number(0, 5) if chance.happens(0.6) else 0.0
        self._small = chance.number(0.45, 0.85) if chance.happens(0.35) else 1.0
        self._curves = self._tones(chance)
        self._bright = int(chance.integers(185, 256)[0])
        self._colourful = round(chance.number(0.6, 1.35) * 256)
        self._lettering = _lettering(size_wh, chance) if chance.happens(0.5) else None

    def _tones(self, chance: Chance) -> Image:
        """Return what each level of each channel becomes, (256, 1, 3): gamma, contrast, cast."""
        levels = np.arange(256) / 255
        gamma = 2.0 ** chance.normal(-0.1, 0.22)[0]
        contrast, light = 2.0 ** chance.normal(0.1, 0.2)[0], chance.normal(0.01, 0.04)[0]
        cast = 2.0 ** chance.normal(0, 0.06, 3)
        curves = (((levels**gamma - 0.5) * contrast + 0.5 + light)[:, None] * cast) * 255
        rounded = np.clip(np.round(curves, 3) + 0.5, 0, 255).astype(np.uint8)
        return np.asarray(rounded.reshape(256, 1, 3), np.uint8)

    def _exposed(self, image: Image) -> Image:
        """Brighten or darken an image as automatic exposure does: by its brightest parts."""
        levels = np.bincount(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).reshape(-1), minlength=256)
        brightest = int(np.searchsorted(np.cumsum(levels), levels.sum() * 95 // 100))
        gain = min(max(self._bright * 256 // max(brightest, 1), 180), 1024)
        return np.asarray(np.clip((image.astype(np.int32) * gain) >> 8, 0, 255), np.uint8)

    def develop(self, image: Image, motion_px: float, chance: Chance) -> Image:
        """Develop as a `Lens` does, then sharpen, tint and shrink as photographs were."""
        if self._small < 1:
            width, height = self._size_wh
            less = (max(round(width * self._small), 8), max(round(height * self._small), 8))
            image = np.asarray(cv2.resize(image, less, interpolation=cv2.INTER_AREA), np.uint8)
            again = cv2.resize(image, self._size_wh, interpolation=cv2.INTER_LINEAR)
            image = np.asarray(again, np.uint8)
        image = self._exposed(image)
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        more = (image.astype(np.int32) - grey) * self._colourful + (grey.astype(np.int32) << 8)
        image = np.clip((more + 128) >> 8, 0, 255).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, self._curves), np.uint8)
        image = super().develop(image, motion_px, chance)
        if self._sharpen:
            soft = cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.int32)
            edges = (image.astype(np.int32) - soft) * round(self._sharpen * 256)
            image = np.clip(image + (edges >> 8), 0, 255).astype(np.uint8)
        if self._lettering is not None:
            letters, shares = self._lettering
            mixed = image * (256 - shares) + letters * shares + 128
            image = np.asarray(mixed >> 8, np.uint8)
        return image


def _lettering(size_wh: tuple[int, int], chance: Chance) -> tuple[Image, npt.NDArray[np.int32]]:
    """Draw what cameras and their owners write into images: date, time, names, in any script.

    Returns:
        The letters, (H, W, 3), and how much of the image they replace, (H, W, 1), of 256.
    """
    width, height = size_wh
    mask = np.zeros((height, width), np.uint8)
    corners = [(0.02, 0.02), (0.02, 0.9), (0.5, 0.02), (0.5, 0.9)]
    for corner in chance.order(4)[: int(chance.integers(1, 4)[0])].tolist():
        tall = int(chance.number(0.02, 0.075) * height)
        x, y = corners[corner][0] * width, corners[corner][1] * height
        thick = max(1, round(tall * chance.number(0.06, 0.16)))
        words = "".join(chance.one("0123456789-:/ABCDEMPST  ##") for _ in range(24))
        for letter in words[: int(chance.integers(3, 24)[0])]:
            if letter == "#":  # a sign of another script: strokes up and across
                for _ in range(6):
                    u, v = (chance.uniform(0, 1, 2) * tall).astype(int).tolist()
                    along = int(chance.number(0.3, 1) * tall)
                    end = (u, v + along) if chance.happens(0.45) else (u + along, v)
                    start = (int(x) + u, int(y) + v)
                    finish = (int(x) + min(end[0], tall), int(y) + min(end[1], tall))
                    cv2.line(mask, start, finish, 255, thick)
            else:
                scale = tall / 22  # the font's capitals have 22 pixels
                at = (int(x), int(y) + tall)
                cv2.putText(mask, letter, at, cv2.FONT_HERSHEY_DUPLEX, scale, 255, thick)
            x += tall * 1.05
    letters = np.zeros((height, width, 3), np.uint8)
    letters[:] = 255 if chance.happens(0.8) else chance.integers(0, 256, 3).astype(np.uint8)
    shares = mask.astype(np.int32)
    if chance.happens(0.5):  # with a dark edge
        letters[mask == 0] = 0
        edge = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.int32)
        shares = np.maximum(shares, edge * 4 // 5)
    shares = shares * round(chance.number(0.6, 1) * 256) // 255
    return letters, shares[..., None]
