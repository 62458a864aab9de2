"""What coordinates alone show: other units, another size, exchanged axes, other corners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gtahead.arrays import Floats, Ints
from gtahead.errors import Where
from gtahead.findings import Findings

MIN_POINTS = 50
"""From so many on geometry tells something."""

FARTHEST = 0.98
"""Quantile of positions that tells how far heads reach: a few beyond the border are no hint."""

FEW = 2
"""From so many on it shows labels in other units: who labels heads draws boxes of some pixels."""


@dataclass(frozen=True, eq=False)
class Positions:
    """Points or boxes, with the images that they are in.

    Attributes:
        values: (N, 2) points or (N, 4) corners, in what should be pixels.
        sizes_wh: (F, 2) of the images; 0 where unknown.
        of: (N,) the image of each.
    """

    values: Floats
    sizes_wh: Ints
    of: Ints

    def where_known(self) -> tuple[Floats, Floats, Ints]:
        """Return values, sizes and images of those in images of known size."""
        sizes = np.asarray(self.sizes_wh, np.float64).reshape(-1, 2)[self.of]
        known = (sizes > 0).all(axis=1) & np.isfinite(self.values).all(axis=1)
        return self.values[known], sizes[known], self.of[known]


def note_odd_units(
    points: Positions,
    boxes: Positions,
    findings: Findings,
    location: Where,
    *,
    least: int = MIN_POINTS,
) -> None:
    """Note what coordinates alone show.

    Args:
        points: (N, 2) heads.
        boxes: (M, 4) corners of those that have a box.
        findings: takes the hints; they are warnings.
        location: named in them.
        least: heads from which on units and corners are judged; the rest needs `MIN_POINTS`.
    """
    xy, sizes, of = points.where_known()
    if len(xy) < least:
        return
    if (np.abs(xy) <= 2).all():
        findings.add("looks-normalised", location, detail=f"none is over {xy.max():.3f}")
        return
    if _check_corners(boxes, findings, location, least) or len(xy) < MIN_POINTS:
        return
    inside = ((xy >= 0) & (xy <= sizes)).all(axis=1).mean()
    swapped = ((xy[:, ::-1] >= 0) & (xy[:, ::-1] <= sizes)).all(axis=1).mean()
    if swapped > 0.99 and inside < 0.95:
        detail = f"{inside:.0%} lie in their images; with x and y swapped, {swapped:.0%}"
        findings.add("looks-swapped", location, detail=detail)
    elif (factor := _common_factor(xy, sizes, of)) is not None:
        findings.add(
            "looks-resized", location, detail=f"to about {factor:.3g} of the width and height"
        )
    if _counts_from_one(xy, sizes):
        findings.add("looks-one-based", location)


def _common_factor(xy: Floats, sizes: Floats, of: Ints) -> float | None:
    """Find one factor by which the farthest heads fall short of, or pass, both far borders."""
    reach = np.quantile(xy / sizes, FARTHEST, axis=0)
    factor = float(reach.mean())
    alike = abs(reach[0] - reach[1]) <= 0.06 * factor
    enough = len(xy) >= 4 * MIN_POINTS and len(np.unique(of)) >= 3
    if alike and enough and (factor < 0.75 or factor > 1.1):
        return factor
    return None


def _counts_from_one(xy: Floats, sizes: Floats) -> bool:
    """Return whether whole numbers run from 1 to the size; from 0 they would end before it."""
    whole = (xy == np.round(xy)).all()
    return bool(whole and xy.min() >= 1 and (xy == sizes).any() and (xy <= sizes).all())


def _check_corners(boxes: Positions, findings: Findings, location: Where, least: int) -> bool:
    """Look for boxes whose width and height would be far corners."""
    corners, sizes, _ = boxes.where_known()
    if len(corners) < least:
        return False
    given = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    as_corners = (given[:, 2:] > given[:, :2]).all(axis=1) & (given[:, 2:] <= 1.1 * sizes).all(1)
    beyond = (given[:, :2] + given[:, 2:] > sizes + 1).any(axis=1)
    if as_corners.mean() <= 0.9 or beyond.mean() <= 0.3:
        return False
    still = (given[:, 2:] > sizes + 1).any(axis=1).mean()
    detail = f"{beyond.mean():.0%} reach beyond their images; read as corners, {still:.0%} do"
    findings.add("looks-like-corners", location, detail=detail)
    return True
