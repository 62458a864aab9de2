"""Regions of interest: the part of images in which heads are counted, as polygons.

A region belongs to one image, to a sequence, to a location, or to all (`*`). Heads outside are
ignored: in counts, maps, scores and training.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import schemas, storage
from gtahead.arrays import Booleans, Floats, Ints, Ragged
from gtahead.errors import InputError, Where
from gtahead.values import StrPath, is_number

EVERYWHERE = "*"
MAX_PX = 1e7

_NAMED_BY = ("image", "frame_id", "sequence", "location", "name")
"""Properties of a GeoJSON feature that say what it belongs to."""


@dataclass(frozen=True)
class Regions:
    """Polygons by what they belong to: a frame id, a sequence, a location, or `*`.

    Attributes:
        polygons: (M, 2) corners in pixels of the upright image, of each.
    """

    polygons: Mapping[str, Sequence[Floats]] = field(default_factory=dict)

    def of(self, frame_id: str, sequence: str, location: str | None) -> Sequence[Floats]:
        """Return the polygons of a frame: its own, else its sequence's, location's, or all's."""
        names = (frame_id, sequence, location, EVERYWHERE)
        return next((self.polygons[name] for name in names if name and name in self.polygons), ())

    def unused(self, names: Iterable[str]) -> list[str]:
        """Return what has regions, but is none of these frames, sequences and locations."""
        return sorted(set(self.polygons) - {EVERYWHERE, *names})

    def as_dict(self) -> dict[str, Any]:
        """Return the regions as JSON-ready values; `regions_from` reads them back."""
        return {name: [one.tolist() for one in mine] for name, mine in self.polygons.items()}


def outside(
    points_xy: Floats,
    frame_index: Ints,
    frames: Sequence[tuple[str, str, str | None]],
    regions: Regions,
) -> Booleans:
    """Return which heads of a sequence, (N,), lie outside their frame's region of interest.

    Args:
        points_xy: (N, 2) pixels of the upright images.
        frame_index: (N,) into `frames`, -1 for none.
        frames: frame id, sequence and location of each.
        regions: of the dataset.
    """
    found = np.zeros(len(points_xy), np.bool_)
    if not regions.polygons:
        return found
    order = np.argsort(frame_index, kind="stable")
    by_frame = Ragged.from_index(frame_index[order], len(frames))
    for index, frame in enumerate(frames):
        rows = order[by_frame.rows(index)]
        found[rows] = ~inside_any(points_xy[rows], regions.of(*frame))
    return found


def inside_any(points_xy: Floats, polygons: Sequence[Floats]) -> Booleans:
    """Return which points, (N,), lie in at least one polygon; all where there is none.

    A point on a left or upper edge is inside, one on a right or lower edge isn't.
    """
    if not len(polygons):
        return np.ones(len(points_xy), np.bool_)
    found = np.zeros(len(points_xy), np.bool_)
    x, y = points_xy[:, 0], points_xy[:, 1]
    for polygon in polygons:
        odd = np.zeros(len(points_xy), np.bool_)
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            crosses = (y0 <= y) != (y1 <= y)
            with np.errstate(divide="ignore", invalid="ignore"):
                at = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
            odd ^= crosses & (x >= at)
        found |= odd
    return found


def read_regions(path: StrPath) -> Regions:
    """Read regions: GeoJSON features, or an object of polygons by name.

    A polygon is a list of [x, y], or COCO's flat list of x, y, x, y. A name may have several. A
    feature says in its properties what it belongs to: `image`, `sequence` or `location`; one
    without properties belongs to all. Holes aren't read.

    Raises:
        InputError: something else.
    """
    file = Path(path)
    try:
        document = schemas.parse_json_once(storage.read_bytes(file), str(file))
    except OSError as error:
        raise InputError(
            "the regions can't be read",
            where=Where(str(file)),
            value=error.strerror,
            remedy="give a JSON file of polygons: --roi FILE",
        ) from error
    return regions_from(document, str(file))


def regions_of(manifest: Mapping[str, Any], file: str) -> Regions:
    """Return the regions that a dataset was built with."""
    given = manifest["options"].get("roi")
    return Regions() if given is None else regions_from(given, file)


def regions_from(document: Any, file: str) -> Regions:  # noqa: ANN401 - JSON
    """Return the regions in a JSON document; see `read_regions`.

    Raises:
        InputError: it holds something else.
    """
    if not isinstance(document, dict) or not document:
        raise _wrong(file, "", "not an object of polygons by name")
    found: dict[str, list[Floats]] = {}
    if document.get("type") in ("FeatureCollection", "Feature"):
        features = document.get("features", [document])
        for index, feature in enumerate(features if isinstance(features, list) else [None]):
            pointer = f"/features/{index}"
            geometry = feature.get("geometry") if isinstance(feature, dict) else None
            if not isinstance(geometry, dict) or geometry.get("type") not in _KINDS:
                raise _wrong(file, pointer, "not a feature with a Polygon or MultiPolygon")
            properties = feature.get("properties") or {}
            if not isinstance(properties, dict):
                raise _wrong(file, f"{pointer}/properties", "not an object")
            named = [properties[key] for key in _NAMED_BY if properties.get(key) is not None]
            if not named and (properties or feature.get("id") is not None):
                known = ", ".join(_NAMED_BY)
                raise _wrong(file, pointer, f"it has properties, but none of {known}")
            if any(not isinstance(one, str | int) or one == "" for one in named):
                raise _wrong(file, pointer, "what it belongs to isn't a name")
            parts = geometry.get("coordinates")
            parts = [parts] if geometry["type"] == "Polygon" else parts
            if not isinstance(parts, list) or not all(isinstance(p, list) and p for p in parts):
                raise _wrong(file, pointer, "its coordinates aren't rings of points")
            if any(len(part) > 1 for part in parts):
                raise _wrong(file, pointer, "it has a hole: draw it as two polygons")
            name = str(named[0]) if named else EVERYWHERE
            found.setdefault(name, []).extend(_polygon(p[0], file, pointer) for p in parts)
        if not found:
            raise _wrong(file, "/features", "there is no feature")
        return Regions(found)
    for name, given in document.items():
        pointer = f"/{name}"
        if not isinstance(given, list) or not given:
            raise _wrong(file, pointer, "not a polygon")
        single = all(map(is_number, given)) or all(map(_is_point, given))
        found[name] = [_polygon(p, file, pointer) for p in ([given] if single else given)]
    return Regions(found)


_KINDS = ("Polygon", "MultiPolygon")


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def _polygon(values: Any, file: str, pointer: str) -> Floats:  # noqa: ANN401 - JSON
    try:
        corners = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise _wrong(file, pointer, "not points of two numbers") from None
    if corners.ndim == 1 and len(corners) % 2 == 0:
        corners = corners.reshape(-1, 2)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise _wrong(file, pointer, "not points of two numbers")
    if len(corners) and np.abs(corners).max() > MAX_PX:
        raise _wrong(file, pointer, f"a corner farther out than {MAX_PX:,.0f} px")
    if len(corners) > 1 and (corners[0] == corners[-1]).all():  # GeoJSON closes its rings
        corners = corners[:-1]
    if len(corners) < 3:
        raise _wrong(file, pointer, f"a polygon of {len(corners)} corners")
    x, y = corners.T
    if abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) < 1e-9:
        raise _wrong(file, pointer, "a polygon without an area")
    return corners


def _wrong(file: str, pointer: str, what: str) -> InputError:
    return InputError(
        f"the regions can't be read: {what}",
        where=Where(file, field=pointer or None),
        remedy='such as {"<image, sequence or location>": [[x, y], [x, y], [x, y]]}, in pixels; '
        '"*" is for all images',
    )
