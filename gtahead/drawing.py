"""Drawing on images: boxes, titles, and PNG files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.arrays import Floats
from gtahead.errors import InputError, UsageError, Where
from gtahead.marks import WHITE, draw_boxes
from gtahead.values import StrPath


def check_png(path: StrPath, apart: Iterable[object] = ()) -> None:
    """Check, before the work begins, whether an image can be written there.

    Args:
        path: of the image.
        apart: what it mustn't be written over or into, as of `storage.prepare_file`.

    Raises:
        InputError: there is no such folder.
        UsageError: the name has another ending, or it would be written over something.
    """
    if Path(path).suffix.lower() != ".png":
        raise UsageError(
            "images are written as PNG", value=Path(path).name, remedy="end the name with .png"
        )
    storage.prepare_file(Path(path), "the image", apart)


def write_png(path: StrPath, image: npt.NDArray[np.uint8]) -> None:
    """Write an image, whole or not at all, as PNG.

    Raises:
        InputError: there is no such folder.
        UsageError: the name has another ending.
        ResourceError: it can't be written.
    """
    check_png(path)
    _, data = cv2.imencode(".png", image)
    with storage.naming_os_errors(Path(path)):
        storage.write_bytes(Path(path), data.tobytes())


def titled(tile: npt.NDArray[np.uint8], words: str) -> npt.NDArray[np.uint8]:
    """Put a strip with a title above an image."""
    strip = np.full((34, tile.shape[1], 3), 30, np.uint8)
    cv2.putText(strip, words, (10, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.6, WHITE, 1, cv2.LINE_AA)
    return np.vstack([strip, tile])


def decoded_image(encoded: bytes, where: Where) -> npt.NDArray[np.uint8]:
    """Decode an image, (H, W, 3) with blue first.

    Raises:
        InputError: it doesn't decode.
    """
    data = np.frombuffer(encoded, np.uint8)
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except cv2.error:  # too large, by its header
        decoded = None
    if decoded is None:
        raise InputError("the image doesn't decode", where=where, remedy="build again")
    return np.ascontiguousarray(decoded, np.uint8)


def with_boxes(
    image: npt.NDArray[np.uint8],
    boxes_xyxy: Floats,
    status: Sequence[str],
    width: int,
    ending: str = ".png",
) -> bytes:
    """Draw boxes on an image, each as its status wants, as PNG or JPEG of a given width.

    Args:
        image: (H, W, 3), blue first.
        boxes_xyxy: (N, 4) in the image's pixels; those with NaN aren't drawn.
        status: (N,) keys of `MARKS`.
        width: of what is drawn, in pixels.
        ending: ".png" or ".jpg".
    """
    scale = width / image.shape[1]
    size_wh = (width, max(1, round(image.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.ascontiguousarray(cv2.resize(image, size_wh, interpolation=way), np.uint8)
    draw_boxes(canvas, boxes_xyxy * scale, status, 1)
    return bytes(cv2.imencode(ending, canvas)[1])
