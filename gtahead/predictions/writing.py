"""Prediction files, written: by `gtahead predict`, as a template, and as JSON, Lines or Parquet."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import storage
from gtahead.errors import UsageError
from gtahead.predictions.reading import FORMAT, HEADER_KEY
from gtahead.predictions.table import Predictions
from gtahead.tables import records
from gtahead.values import StrPath

DECIMALS = 3
"""Of pixels; scores are written in full, as rounding moves them over thresholds."""


def check_target(path: StrPath, apart: Iterable[object] = ()) -> None:
    """Check, before the work begins, whether a prediction file can be written there.

    Args:
        path: of the file.
        apart: what it mustn't be written over or into, as of `storage.prepare_file`.

    Raises:
        InputError: there is no such folder.
        UsageError: another ending than those of prediction files.
    """
    target = Path(path)
    packed = target.name.endswith(".gz")
    endings = (".json", ".jsonl") if packed else (".json", ".jsonl", ".parquet")
    if not target.name.removesuffix(".gz").endswith(endings):
        remedy = "end it with .json, .jsonl or .parquet, the first two with .gz if you like"
        raise UsageError("not a kind of prediction file", value=target.name, remedy=remedy)
    storage.prepare_file(target, "the predictions", apart)


def write_predictions(path: StrPath, predictions: Predictions) -> None:
    """Write a prediction file: `.json`, `.jsonl`, either with `.gz`, or `.parquet`.

    Raises:
        InputError: there is no such folder.
        UsageError: another ending, or images that aren't named by text.
        ResourceError: it can't be written.
    """
    check_target(path)
    other = next((image for image in predictions.images if not isinstance(image, str)), None)
    if other is not None:
        remedy = "name them as the ground truth does; `export_predictions` writes other formats"
        raise UsageError("a prediction file names images by text", value=other, remedy=remedy)
    target = Path(path)
    header = header_of(predictions)
    name = target.name.removesuffix(".gz")
    with storage.naming_os_errors(target):
        if name.endswith(".parquet") and name == target.name:
            columns = {"image": "text", "count": "number", "points": "rows", "boxes": "rows"}
            rows = list(_rows(predictions))
            records.write_rows(target, columns, rows, HEADER_KEY, header)
            return
        if name.endswith(".jsonl"):
            lines = [header, *_rows(predictions)]
            data = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        else:
            data = document_bytes(header, _rows(predictions))
        packed = name != target.name
        storage.write_bytes(target, gzip.compress(data, mtime=0) if packed else data)


def header_of(predictions: Predictions) -> dict[str, Any]:
    """Return the header of a prediction file."""
    return {
        "format": FORMAT,
        "version": 1,
        **predictions.header,
        "coordinates": {"space": "pixels", "size": "original", "box": "xywh"},
    }


def document_bytes(header: dict[str, Any], rows: Iterator[dict[str, Any]]) -> bytes:
    """Write one document, a line per image."""
    begin = orjson.dumps(header)[:-1] + b',"predictions":['
    return begin + b",".join(b"\n" + orjson.dumps(row) for row in rows) + b"\n]}\n"


def _rows(predictions: Predictions) -> Iterator[dict[str, Any]]:
    points = np.column_stack([predictions.points_xy.round(DECIMALS), predictions.point_scores])
    boxes = predictions.boxes_xyxy.copy()
    boxes[:, 2:] -= boxes[:, :2]
    rounded = boxes.round(DECIMALS)
    thin = (rounded[:, 2:] <= 0).any(axis=1, keepdims=True)  # a box that has an area keeps it
    boxes = np.column_stack([np.where(thin, boxes, rounded), predictions.box_scores])
    for row, image in enumerate(predictions.images):
        out: dict[str, Any] = {"image": image}
        if not np.isnan(predictions.counts[row]):
            out["count"] = float(predictions.counts[row])
        if predictions.has_points[row]:
            out["points"] = points[predictions.points_by_image.rows(row)].tolist()
        if predictions.has_boxes[row]:
            out["boxes"] = boxes[predictions.boxes_by_image.rows(row)].tolist()
        yield out
