"""Films of drawn frames: MP4 and WebM by OpenCV, GIF by Pillow; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gtahead import storage
from gtahead.errors import ResourceError, UsageError, Where
from gtahead.marks import MARKS, Canvas
from gtahead.storage import system

FILMS = {".mp4": "mp4v", ".webm": "VP80", ".gif": None}
"""Codecs that OpenCV brings along. MP4 holds MPEG-4 Part 2; browsers show WebM and GIF."""

GIF_WIDTH = 720
GIF_COLOURS = 160
_MARKED = sorted({mark.colour for mark in MARKS.values()} | {"#ffffff"})


def write_film(target: Path, frames: Iterator[Canvas], fps: float) -> None:
    """Write a film; the first frame gives its size, others are fitted into it.

    Raises:
        UsageError: no frames, or a speed out of range.
        ResourceError: OpenCV was built without the codec.
    """
    if not 0.1 <= fps <= 120:
        raise UsageError(
            "no such frame rate", value=fps, remedy="frames per second, from 0.1 to 120"
        )
    codec = FILMS[target.suffix.lower()]
    first = next(frames, None)
    if first is None:
        raise UsageError("there are no frames for a video")
    part = storage.aside_name(target).with_suffix(target.suffix.lower())
    try:
        if codec is None:
            _write_gif(part, first, frames, fps)
        else:
            _write_video(part, first, frames, fps, codec)
        system.sync_file(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def open_writer(path: Path, codec: str, fps: float, size: tuple[int, int]) -> cv2.VideoWriter:
    """Open a film to write, silencing what OpenCV prints about its choice of codec."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        before = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            return cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
        finally:
            os.dup2(before, 2)
            os.close(before)


def _write_video(
    part: Path, first: Canvas, frames: Iterator[Canvas], fps: float, codec: str
) -> None:
    size = (first.shape[1] // 2 * 2, first.shape[0] // 2 * 2)  # codecs want even sides
    writer = open_writer(part, codec, fps, size)
    if not writer.isOpened():
        raise ResourceError(
            "OpenCV can't write this kind of film here",
            where=Where(part.suffix),
            remedy="end --out with .gif",
        )
    try:
        writer.write(_fitted(first, size))
        for frame in frames:
            writer.write(_fitted(frame, size))
    finally:
        writer.release()


def _fitted(frame: Canvas, size: tuple[int, int]) -> Canvas:
    if (frame.shape[1], frame.shape[0]) == size:
        return frame
    if frame.shape[1] - size[0] in (0, 1) and frame.shape[0] - size[1] in (0, 1):
        return np.ascontiguousarray(frame[: size[1], : size[0]])
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _write_gif(part: Path, first: Canvas, frames: Iterator[Canvas], fps: float) -> None:
    scale = min(1.0, GIF_WIDTH / first.shape[1])
    size = (round(first.shape[1] * scale), round(first.shape[0] * scale))

    def image(frame: Canvas) -> Image.Image:
        small = Image.fromarray(cv2.cvtColor(_fitted(frame, size), cv2.COLOR_BGR2RGB))
        return small.quantize(palette=_palette(small), dither=Image.Dither.NONE)

    image(first).save(
        part,
        save_all=True,
        append_images=(image(frame) for frame in frames),
        duration=round(1000 / fps),
        loop=0,
    )


def _palette(image: Image.Image) -> Image.Image:
    """Return the colours for a frame: the marks' own, which few pixels have, and the image's."""
    fixed = [side for colour in _MARKED for side in bytes.fromhex(colour.lstrip("#"))]
    own = image.quantize(GIF_COLOURS - len(_MARKED)).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(fixed + own[: 3 * (GIF_COLOURS - len(_MARKED))])
    return palette
