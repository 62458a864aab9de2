"""COCO files: checks that no schema can express, on columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import schemas
from gtahead.arrays import Booleans, Floats, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.coco_columns import HAS_AREA, HAS_ISCROWD, CocoFile, read_coco
from gtahead.tables.canonical import NO_ID
from gtahead.validation.common import repeated

TOLERANCE_PX = 0.02
"""Twice what COCO files of ours round to: corners and points are rounded each by itself."""

MAX_PX = 1e7
"""Coordinates beyond are no position of anything."""

SCHEMA_BYTES = 16_000_000
"""Files up to this size are always checked against the schema; larger ones where reading refuses
them, up to `MAX_SCHEMA_BYTES`."""

MAX_SCHEMA_BYTES = 10**9

AT_ONCE = 1000
"""Annotations that are compared with the schema at once."""


@dataclass(frozen=True, eq=False)
class _CheckedRows:
    """Annotations with the sizes of their images.

    Attributes:
        columns: as `CocoFile` has them.
        sizes_wh: (N, 2) of their images, NaN where unknown.
    """

    file: str
    columns: Mapping[str, Any]
    sizes_wh: Floats

    def at(self, row: int, key: str) -> Where:
        return Where(self.file, field=f"/annotations/{row}/{key}")

    def box(self, row: int) -> str:
        return ", ".join(f"{value:g}" for value in self.columns["bbox"][row])


def check_coco(path: Path, file: str, findings: Findings) -> CocoFile | None:
    """Check a COCO file.

    Args:
        path: of the file.
        file: its name in findings.
        findings: takes what is found.

    Returns:
        The file, read; None where it can't be.
    """
    faults = len(findings)
    if path.stat().st_size <= SCHEMA_BYTES:
        _check_schema(path, file, findings)
    try:
        coco = read_coco(path, file)
    except InputError as error:
        if len(findings) == faults and path.stat().st_size <= MAX_SCHEMA_BYTES:
            _check_schema(path, file, findings)  # else the schema has said so already
        if len(findings) == faults:
            findings.add("file-unreadable", error.where or Where(file), error.value, error.what)
        return None
    sizes = _check_images(coco, file, findings)
    _check_categories(coco, file, findings)
    _check_annotations(coco, file, sizes, findings)
    return coco


def _check_schema(path: Path, file: str, findings: Findings) -> None:
    try:
        document = schemas.parse_json(path.read_bytes(), file)
    except InputError as error:
        findings.add("file-unreadable", error.where or Where(file), error.value, error.what)
        return
    for count, (pointer, message) in enumerate(_schema_faults(document)):
        findings.add("breaks-schema", Where(file, field=pointer), detail=message)
        if count == schemas.MAX_FAULTS:  # it's something else; nobody reads more
            return


def _schema_faults(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Check a document against the schema, some annotations at a time.

    The validator gathers all faults before it gives the first.
    """
    rows = document.get("annotations") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        yield from schemas.faults(document, "coco-plain")
        return
    yield from schemas.faults({**document, "annotations": []}, "coco-plain")
    for first in range(0, len(rows), AT_ONCE):
        part = {"images": [], "categories": [], "annotations": rows[first : first + AT_ONCE]}
        for pointer, message in schemas.faults(part, "coco-plain"):
            head, _, rest = pointer.removeprefix("/annotations/").partition("/")
            index = first + int(head) if head.isdigit() else first
            yield f"/annotations/{index}" + f"/{rest}" * bool(rest), message


def _check_images(coco: CocoFile, file: str, findings: Findings) -> Floats:
    """Check images; return their sizes, NaN where unknown."""
    ids = np.array([image["id"] for image in coco.images], np.int64)
    rows, firsts = repeated(ids)
    first_of = dict(zip(rows.tolist(), firsts.tolist(), strict=True))
    findings.add_rows(
        "duplicate-id",
        rows,
        lambda row: Where(file, field=f"/images/{row}/id"),
        ids.item,
        lambda row: f"first at /images/{first_of[row]}/id",
    )
    seen: dict[str, int] = {}
    sizes = np.full((len(ids), 2), np.nan)
    for index, image in enumerate(coco.images):
        name = image["file_name"]
        if name in seen:
            location = Where(file, field=f"/images/{index}/file_name")
            findings.add(
                "duplicate-frame", location, name, f"first at /images/{seen[name]}/file_name"
            )
        seen.setdefault(name, index)
        size = image.get("width"), image.get("height")
        if all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size):
            sizes[index] = size
        else:
            findings.add("size-unknown", Where(file, field=f"/images/{index}"))
    return sizes


def _check_categories(coco: CocoFile, file: str, findings: Findings) -> None:
    seen: dict[object, int] = {}
    for index, category in enumerate(coco.categories):
        key = category.get("id")
        location = Where(file, field=f"/categories/{index}/id")
        if key in seen:
            findings.add("duplicate-id", location, key, f"first at /categories/{seen[key]}/id")
        seen.setdefault(key, index)
        if key == 0:
            findings.add("category-zero", location, detail=str(category.get("name", "")))


def _check_annotations(coco: CocoFile, file: str, sizes: Floats, findings: Findings) -> None:
    columns = coco.annotations
    if not len(columns["image_id"]):
        return
    _check_ids(columns, file, findings)
    image_ids = np.array([image["id"] for image in coco.images], np.int64)
    index, known = _find(columns["image_id"], image_ids)
    none = np.full((1, 2), np.nan)
    heads = _CheckedRows(file, columns, np.concatenate([sizes, none])[np.where(known, index, -1)])
    _check_references(heads, "image_id", ~known, findings)
    categories = [c["id"] for c in coco.categories if isinstance(c.get("id"), int)]
    _, known = _find(columns["category_id"], np.array(categories, np.int64))
    _check_references(heads, "category_id", ~known, findings)
    _check_boxes(heads, findings)
    _check_points(heads, findings)


def _find(values: Ints, among: Ints) -> tuple[Ints, Booleans]:
    """Return the first index of each value, and whether it's there at all."""
    if not len(among):
        return np.zeros(len(values), np.int64), np.zeros(len(values), np.bool_)
    order = np.argsort(among, kind="stable")
    position = np.minimum(np.searchsorted(among[order], values), len(among) - 1)
    found = order[position]
    return found, among[found] == values


def _check_references(heads: _CheckedRows, key: str, bad: Booleans, findings: Findings) -> None:
    at = partial(heads.at, key=key)
    findings.add_rows("reference-to-nothing", bad, at, heads.columns[key].item)


def _check_ids(columns: Mapping[str, Any], file: str, findings: Findings) -> None:
    ids: Ints = columns["id"]

    def at(row: int) -> Where:
        return Where(file, field=f"/annotations/{row}/id")

    missing = ids == NO_ID
    findings.add_rows("id-missing", missing, at)
    findings.add_rows("id-zero", ids == 0, at, ids.item)
    rows, firsts = repeated(ids)
    rows, firsts = rows[~missing[rows]], firsts[~missing[rows]]
    images = columns["image_id"]
    order = np.lexsort((ids[rows], images[rows]))
    pairs = np.stack([images[rows], ids[rows]], axis=1)[order]
    unique_within = not (np.diff(pairs, axis=0) == 0).all(axis=1).any()
    unique_within &= not (images[rows] == images[firsts]).any()
    if unique_within and len(rows) > len(ids) // 2 and len(np.unique(images)) > 2:
        findings.add("ids-per-image", at(int(rows[0])), int(ids[rows[0]]), f"{len(rows):,} ids")
    else:
        first_of = dict(zip(rows.tolist(), firsts.tolist(), strict=True))
        findings.add_rows(
            "duplicate-id",
            rows,
            at,
            ids.item,
            lambda row: f"first at /annotations/{first_of[row]}/id",
        )
    lacking = columns["keys"] != HAS_AREA | HAS_ISCROWD
    findings.add_rows(
        "coco-keys-missing", lacking, lambda row: Where(file, field=f"/annotations/{row}")
    )


def _check_boxes(heads: _CheckedRows, findings: Findings) -> None:
    box: Floats = heads.columns["bbox"]
    missing = np.isnan(box[:, 0])

    at = partial(heads.at, key="bbox")
    placed = np.isfinite(heads.columns["point"]).all(axis=1) | (heads.columns["unlabelled"] != 0)
    findings.add_rows("no-box", missing & placed, at)
    findings.add_rows("no-position", missing & ~placed, at)
    absurd = np.asarray((np.abs(box) > MAX_PX).any(axis=1))
    findings.add_rows("not-finite", absurd, at, heads.box)
    x, y, width, height = box.T
    flat = ((width <= 0) | (height <= 0)) & ~absurd
    findings.add_rows("box-without-area", flat, at, heads.box)
    over = (x < -TOLERANCE_PX) | (y < -TOLERANCE_PX)
    right, bottom = x + width, y + height
    limit_x, limit_y = heads.sizes_wh.T
    over |= (right > limit_x + TOLERANCE_PX) | (bottom > limit_y + TOLERANCE_PX)
    over &= ~(flat | absurd)
    outside = over & ((x >= limit_x) | (y >= limit_y) | (right <= 0) | (bottom <= 0))
    findings.add_rows("box-outside-frame", outside, at, heads.box)
    findings.add_rows("box-over-border", over & ~outside, at, heads.box)
    _check_origin(heads, findings)


def _check_origin(heads: _CheckedRows, findings: Findings) -> None:
    """Look for boxes that count from 1: whole numbers that begin at 1 and end one too far."""
    box = heads.columns["bbox"]
    if len(box) < 2 or not (box[:, :2] >= 1).all() or (box != np.floor(box)).any():
        return
    beyond = box[:, :2] + box[:, 2:] - heads.sizes_wh
    beyond = beyond[np.isfinite(beyond).all(axis=1)]
    if len(beyond) and beyond.max() == 1 and (box[:, :2].min(axis=0) == 1).any():
        row = int(np.flatnonzero((box[:, :2] == 1).any(axis=1))[0])
        findings.add("boxes-from-one", heads.at(row, "bbox"), heads.box(row))


def _check_points(heads: _CheckedRows, findings: Findings) -> None:
    points: Floats = heads.columns["point"]
    given = ~np.isnan(points[:, 0])
    if not given.any():
        return
    box = heads.columns["bbox"]

    def reported(row: int) -> str:
        return f"{points[row, 0]:g}, {points[row, 1]:g}"

    low, high = box[:, :2] - TOLERANCE_PX, box[:, :2] + box[:, 2:] + TOLERANCE_PX
    beside = given & ((points < low) | (points > high)).any(axis=1)
    at = partial(heads.at, key="gtahead/point")
    findings.add_rows(
        "point-outside-box", beside, at, reported, lambda row: f"box {heads.box(row)}"
    )
    outside = given & ((points < 0) | (points >= heads.sizes_wh)).any(axis=1)
    findings.add_rows("head-outside-frame", outside, at, reported)
