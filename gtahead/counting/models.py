"""Detectors as ONNX: the one that ships, and those that `gtahead export-model` writes.

Needs `pip install 'gtahead[onnx]'`, and no torch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import numpy.typing as npt

from gtahead.arrays import Floats
from gtahead.errors import InputError, UsageError, Where, require
from gtahead.models import BUILTIN, CARD, ONNX
from gtahead.tiling import joined, tiles_of
from gtahead.values import StrPath

TILE = 1024
MULTIPLE = 32
PADDING = (124, 116, 104)
"""What images are filled up with, to sides of multiples of 32."""

LARGEST_SCALE, IMAGES_RANK = 100, 4

MIN_SCORE = 0.01
"""Less sure heads aren't kept."""

Image = npt.NDArray[np.uint8]


class ErrorBand(msgspec.Struct, frozen=True):
    """How far counts of about one size were off on the photographs that measured it.

    Attributes:
        most: heads counted, up to which the band holds.
        images: how many were measured.
        low: true count over counted, which a tenth of the images fell below.
        high: likewise, which a tenth lay above.
    """

    most: float
    images: int
    low: float
    high: float


class Card(msgspec.Struct, frozen=True):
    """What is known of a model that ships.

    Attributes:
        name: of the model.
        sha256: of its file.
        long_side: pixels to which larger images are made smaller.
        trained_on: what it saw, in words.
        tested_on: on what it was measured, in words.
        fingerprint: of the dataset that it was trained on.
        commands: that trained it.
        metrics: on the photographs that it was tested on.
        bands: of errors, by counts.
        sides_px: smallest and largest median side of a head in an image that was tested.
        most: heads of the densest image that was tested.
        limits: what it can't do, a sentence each.
    """

    name: str
    sha256: str
    long_side: int
    trained_on: str
    tested_on: str
    fingerprint: str
    commands: list[str]
    metrics: dict[str, Any]
    bands: list[ErrorBand]
    sides_px: tuple[float, float]
    most: int
    limits: list[str]


@dataclass(frozen=True)
class OnnxDetector:
    """A detector as ONNX.

    Attributes:
        path: of the file.
        session: onnxruntime's.
        stride: pixels of an image per cell of the outputs.
        scale: by which images are resized before.
        threshold: of scores, from which a head counts.
        nms_iou: boxes that overlap by more are one head's; None where cells are peaks already.
        card: of a model that ships, None of others.
    """

    path: Path
    session: Any = field(repr=False)
    stride: int
    scale: float
    threshold: float
    nms_iou: float | None
    card: Card | None

    def find(self, image: Image) -> tuple[Floats, Floats]:
        """Find heads in an image, (H, W, 3) RGB, of any size, in tiles where it is large.

        Returns:
            (N, 4) boxes in pixels, the surest first, and (N,) scores.
        """
        height, width = image.shape[:2]
        wide, high = max(round(width * self.scale), 1), max(round(height * self.scale), 1)
        how = cv2.INTER_AREA if wide < width else cv2.INTER_LINEAR
        scaled = image if self.scale == 1 else cv2.resize(image, (wide, high), interpolation=how)
        boxes, scores = np.zeros((0, 4)), np.zeros(0)
        for tile in tiles_of((wide, high), TILE):
            part = np.asarray(scaled[tile.top : tile.bottom, tile.left : tile.right], np.uint8)
            found, sure = self._find_in(part)
            found += np.tile([tile.left, tile.top], 2)
            boxes, scores = joined(boxes, scores, found, sure, tile, (wide, high))
        order = np.argsort(-scores, kind="stable")
        back = np.tile([width / wide, height / high], 2)
        return boxes[order] * back, scores[order]

    def _find_in(self, tile: Image) -> tuple[Floats, Floats]:
        """Find heads in one tile: what the network takes for candidates, and NMS keeps."""
        below, right = -tile.shape[0] % MULTIPLE, -tile.shape[1] % MULTIPLE
        filled = cv2.copyMakeBorder(
            tile, 0, below, 0, right, cv2.BORDER_CONSTANT, value=PADDING
        ).astype(np.float32)
        names = ["heat", "peaks", "offset", "size"]
        heat, peaks, offset, size = self.session.run(names, {"images": filled[None]})
        rows, columns = np.nonzero(peaks[0] & (heat[0] >= MIN_SCORE))
        scores = heat[0, rows, columns].astype(np.float64)
        cells = np.stack([columns, rows], axis=1).astype(np.float64)
        centres = (cells + offset[0][:, rows, columns].T) * self.stride
        sides = size[0][:, rows, columns].T.astype(np.float64) * self.stride
        boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
        if self.nms_iou is not None and len(boxes):
            corners = np.concatenate([boxes[:, :2], sides], axis=1)
            kept = cv2.dnn.NMSBoxes(corners.tolist(), scores.tolist(), 0.0, self.nms_iou)
            rows_kept = np.asarray(kept, np.int64).reshape(-1)
            boxes, scores = boxes[rows_kept], scores[rows_kept]
        return boxes, scores


def builtin_card() -> Card:
    """Return the card of the bundled detector.

    Raises:
        InputError: this installation has none.
    """
    if not CARD.is_file():
        raise InputError(
            "no detector ships with this installation",
            where=Where(str(CARD)),
            remedy="install gtahead anew, or give a model of your own: --model FILE.onnx",
        )
    return msgspec.json.decode(CARD.read_bytes(), type=Card)


@lru_cache(maxsize=4)
def load_model(model: StrPath = BUILTIN, threads: int = 0) -> OnnxDetector:
    """Load a detector.

    Args:
        model: `builtin`, or a file that `gtahead export-model` wrote of a `centernet`.
        threads: of a processor; 0 for all.

    Raises:
        InputError: there is no such file, it isn't the one that shipped, or holds no such model.
        ResourceError: the extra is missing.
    """
    card = builtin_card() if model == BUILTIN else None
    path = ONNX if card is not None else Path(model)
    where = Where(str(path))
    if not path.is_file():
        raise InputError("no such model", where=where, remedy="`gtahead export-model` writes one")
    data = path.read_bytes()
    if card is not None and hashlib.sha256(data).hexdigest() != card.sha256:
        raise InputError(
            "the model isn't the one that its card names", where=where, remedy="install anew"
        )
    require("onnxruntime", install="'gtahead[onnx]'")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, ["CPUExecutionProvider"])
        about = session.get_modelmeta().custom_metadata_map
        outputs = {one.name for one in session.get_outputs()}
    except Exception as error:  # onnxruntime has no common type for its errors
        raise InputError(
            "the file isn't an ONNX model",
            where=where,
            remedy="give what `gtahead export-model` wrote",
        ) from error
    if not {"heat", "peaks", "offset", "size"} <= outputs or "stride" not in about:
        raise InputError(
            "the model isn't a centernet's that gtahead wrote",
            where=where,
            value=", ".join(sorted(outputs)),
            remedy="`gtahead export-model` writes one; for others there is `gtahead predict`",
        )
    try:
        stride, scale = int(about["stride"]), float(about["scale"])
        threshold = float(about.get("threshold") or 0.5)
        nms = float(about["nms_iou"]) if about.get("decode") == "nms" else None
        given = session.get_inputs()
        if not (stride > 0 and 0 < scale < LARGEST_SCALE and 0 <= threshold <= 1):
            raise ValueError(f"stride {stride}, scale {scale}, threshold {threshold}")
        if [one.name for one in given] != ["images"] or len(given[0].shape) != IMAGES_RANK:
            raise ValueError(f"inputs {[one.name for one in given]}")
    except (KeyError, ValueError) as error:
        raise InputError(
            "the model's own description can't be read",
            where=where,
            value=str(error),
            remedy="write it anew with `gtahead export-model`",
        ) from error
    return OnnxDetector(path, session, stride, scale, threshold, nms, card)


def checked_threshold(threshold: float | None) -> float | None:
    """Return a threshold, which NumPy's numbers may be too.

    Raises:
        UsageError: it isn't a number from 0 to 1.
    """
    if threshold is None:
        return None
    given: object = threshold  # whatever the caller has
    known = isinstance(given, int | float | np.floating) and not isinstance(given, bool)
    number = float(threshold) if known else nan
    if not 0 <= number <= 1:
        raise UsageError("the threshold must be from 0 to 1", value=threshold, remedy="such as 0.4")
    return number
