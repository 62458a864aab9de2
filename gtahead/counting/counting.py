"""From an image to its heads, their number, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gtahead.arrays import Floats
from gtahead.counting.models import Card, Image, OnnxDetector, checked_threshold, load_model
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import CODES
from gtahead.images.reading import ImageError, read_rgb
from gtahead.models import BUILTIN
from gtahead.values import StrPath, number_of

LONG_SIDE = 1024
"""Pixels to which larger images are made smaller: heads differ less in shares of photographs."""

SMALL_PX, WANTED_PX = 14.0, 20.0
"""Where heads are smaller, in pixels of the image that was looked through, a larger one is looked
through again, in which they have the wanted side."""

LARGEST = 3072
"""Longest side of what is looked through."""


@dataclass(frozen=True, eq=False, repr=False)
class Counted:
    """The heads that were found in an image.

    Attributes:
        boxes_xyxy: (N, 4) boxes in the image's pixels, the surest first.
        scores: (N,) from 0 to 1.
        size_wh: of the image.
        scale: of the image that was looked through.
        low, high: between which the true number was for eight in ten of the photographs that the
            model was measured on, at such counts; None where that isn't known.
        outside: why the image is unlike those that the model was tested on; empty where it isn't.
    """

    boxes_xyxy: Floats
    scores: Floats
    size_wh: tuple[int, int]
    scale: float
    low: float | None
    high: float | None
    outside: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Counted({self.in_words})"

    @property
    def in_words(self) -> str:
        """The count, and its range where that is known: `23 heads (18 to 29)`."""
        span = "" if self.low is None else f" ({self.low:.0f} to {self.high:.0f})"
        return f"{number_of(self.count, 'head')}{span}"

    @property
    def count(self) -> int:
        """How many heads were found."""
        return len(self.scores)

    @property
    def points_xy(self) -> Floats:
        """(N, 2) centres of the boxes, in pixels."""
        return (self.boxes_xyxy[:, :2] + self.boxes_xyxy[:, 2:]) / 2

    def as_dict(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "count": self.count,
            "low": self.low,
            "high": self.high,
            "outside": list(self.outside),
            "size_wh": list(self.size_wh),
            "boxes_xyxy": self.boxes_xyxy.round(2).tolist(),
            "scores": self.scores.tolist(),  # in full: rounded, some would be below the threshold
        }


def count(
    image: StrPath | Image,
    *,
    model: StrPath | OnnxDetector = BUILTIN,
    threshold: float | None = None,
    search: bool = True,
) -> Counted:
    """Count the heads in an image.

    Large images are made smaller first; where heads turn out to be small, a larger image is looked
    through again, in overlapping tiles.

    Args:
        image: a path, or (H, W, 3) RGB uint8.
        model: `builtin`, a file of `gtahead export-model`, or a detector that was loaded.
        threshold: of scores, from which a head counts; the model's own unless given.
        search: whether to look again for small heads.

    Raises:
        InputError: the image or the model can't be read.
        UsageError: an array of another shape or type, or a threshold out of range.
        ResourceError: the extra is missing: pip install 'gtahead[onnx]'.

    Example:
        >>> gtahead.count("photo.jpg").count  # doctest: +SKIP
        23
    """
    threshold = checked_threshold(threshold)
    pixels = _pixels(image)
    detector = model if isinstance(model, OnnxDetector) else load_model(str(model))
    least = detector.threshold if threshold is None else threshold
    height, width = pixels.shape[:2]
    long_side = LONG_SIDE if detector.card is None else detector.card.long_side
    scale = min(1.0, long_side / max(width, height))
    boxes, scores = _found(detector, pixels, scale)
    larger = _larger(boxes[scores >= detector.threshold], scale, max(width, height))
    if search and larger is not None:
        scale = larger
        boxes, scores = _found(detector, pixels, scale)
    boxes, scores = boxes[scores >= least], scores[scores >= least]
    # The bands were measured at the model's own threshold.
    low, high = _interval(len(scores), detector.card) if threshold is None else (None, None)
    outside = () if detector.card is None else tuple(_unlike(boxes * scale, detector.card))
    return Counted(boxes, scores, (width, height), scale, low, high, outside)


def _pixels(image: StrPath | Image) -> Image:
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise UsageError(
                "an image must be (H, W, 3) RGB uint8",
                value=f"{image.shape} {image.dtype}",
                remedy="a path is read for you",
            )
        return image
    given: object = image  # whatever the caller has
    if not isinstance(given, (str, PathLike)):
        kind, remedy = type(given).__name__, "give a path, or np.asarray of it"
        raise UsageError("an image must be a path or an array", value=kind, remedy=remedy)
    return read_image(Path(image))


def read_image(path: Path) -> Image:
    """Read an image to be counted, (H, W, 3) RGB.

    Raises:
        InputError: there is none, or it can't be read.
    """
    where = Where(str(path))
    if not path.is_file():
        raise InputError("no such image", where=where, remedy="check its name")
    try:
        return read_rgb(path)
    except ImageError as error:
        remedy = "copy it again, or save it as JPEG or PNG"
        what, value = CODES[error.code].what, error.detail or None
        raise InputError(what, where=where, value=value, remedy=remedy) from error


def _found(detector: OnnxDetector, image: Image, scale: float) -> tuple[Floats, Floats]:
    """Find heads in an image of another size; boxes in its own pixels."""
    height, width = image.shape[:2]
    wide, high = max(round(width * scale), 1), max(round(height * scale), 1)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    looked_at = image
    if (wide, high) != (width, height):
        looked_at = np.asarray(cv2.resize(image, (wide, high), interpolation=how), np.uint8)
    boxes, scores = detector.find(looked_at)
    return boxes * np.tile([width / wide, height / high], 2), scores


def _larger(boxes_xyxy: Floats, scale: float, longest: int) -> float | None:
    """Return the scale at which small heads have the wanted side, None where there's no need."""
    if len(boxes_xyxy) < 5:
        return None
    side = scale * _median_side(boxes_xyxy)
    if side >= SMALL_PX:
        return None
    wanted = min(scale * min(WANTED_PX / side, 2.0), LARGEST / longest)
    return wanted if wanted > 1.15 * scale else None


def _median_side(boxes_xyxy: Floats) -> float:
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return float(np.median(np.sqrt(np.prod(sides, axis=1))))


def _interval(number: int, card: Card | None) -> tuple[float | None, float | None]:
    """Return the range that held the true count of eight in ten images with such a count."""
    if card is None or number == 0:  # no image without heads was measured
        return None, None
    for band in card.bands:
        if number <= band.most:
            return round(number * band.low, 1), round(number * band.high, 1)
    return None, None


def _unlike(boxes_xyxy: Floats, card: Card) -> list[str]:
    """Return in what an image differs from those that the model was tested on."""
    found = []
    if len(boxes_xyxy) > card.most:
        found.append(f"more heads than in any image that was tested ({card.most:,})")
    if len(boxes_xyxy):
        side, (low, high) = _median_side(boxes_xyxy), card.sides_px
        if not low <= side <= high:
            found.append(f"heads of {side:.1f} px, where {low:.1f} to {high:.1f} were tested")
    else:
        found.append("no head was found, and no image without heads was tested")
    return found
