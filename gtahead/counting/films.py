"""Frames of a film, one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from gtahead.counting.models import Image
from gtahead.errors import InputError, UsageError, Where

FILMS = frozenset({".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v"})

WHOLE = 0.95
"""Of the frames that a film promises: containers only estimate them."""


def check_step(every_s: float | None) -> None:
    """Refuse a step from frame to frame that isn't above 0 seconds.

    Raises:
        UsageError: it isn't.
    """
    if every_s is not None and not 0 < every_s < float("inf"):
        raise UsageError("the step must be above 0 seconds", value=every_s, remedy="such as 0.5")


def frames_of(path: Path, every_s: float | None) -> Iterator[tuple[float, Image]]:
    """Yield seconds from the start, and RGB images, of a film.

    Args:
        path: of the film.
        every_s: seconds from one frame to the next; None for all frames.

    Raises:
        InputError: it can't be opened, or holds no frame; after its last frame, if it holds fewer
            than it promises: it was cut.
        UsageError: a step that isn't above 0.
    """
    check_step(every_s)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong is said below, once
    film = cv2.VideoCapture(str(path))
    try:
        rate = film.get(cv2.CAP_PROP_FPS)
        rate = rate if np.isfinite(rate) and rate > 0 else 25.0
        number, following = 0, 0.0
        while film.grab():
            second = number / rate
            number += 1
            if every_s is not None and second + 0.5 / rate < following:
                continue
            following += every_s or 0.0
            ok, image = film.retrieve()
            if ok:
                yield second, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
        if not number:
            raise InputError(
                "the film can't be read", where=Where(str(path)), remedy="give MP4, WebM or AVI"
            )
        promised = film.get(cv2.CAP_PROP_FRAME_COUNT)
        if number < WHOLE * promised:  # a few less are in whole films too
            raise InputError(
                "the film ends early",
                where=Where(str(path)),
                value=f"{number:,} of {promised:,.0f} frames",
                remedy="fetch it again; what was counted stands",
            )
    finally:
        film.release()
