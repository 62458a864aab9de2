"""Sigmas of the Gaussians that stand for heads in maps, by a rule.

Sigmas are in pixels of the full image, along x and y, and rounded to 1/256 px.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gtahead.annotation.boxes import HeadFrames
from gtahead.annotation.nearest import nearest_distances
from gtahead.annotation.specs import Value, parse_spec, print_spec
from gtahead.arrays import Floats, Ragged
from gtahead.errors import UsageError
from gtahead.geometry import snapped

SIGMA_RULES: Mapping[str, Mapping[str, Value]] = {
    "box": {"ratio": 0.25},
    "fixed": {"px": 15.0},
    "knn": {"k": 3.0, "beta": 0.3},
    "radius": {"iou": 0.7, "variant": "exact"},
}
"""Rules by name, with their parameters' defaults.

- `box`: ratio x the box's width and height; at 0.25 the box's edge lies at two sigmas.
- `fixed`: the same for all; 15 px is what crowd counting papers use where heads aren't dense.
- `knn`: beta x the mean distance to the k nearest others: geometry-adaptive kernels, Zhang et al.,
  CVPR 2016. At least 0.5 px (two heads in one location), at most an eighth of the image's height; a
  head alone in its frame gets the sigma of `box`. Where there are fewer than k others, all count.
- `radius`: a sixth of the diameter that CornerNet gives a box for an overlap `iou`. `legacy` is its
  program's formula, which takes the wrong root; `exact` the right one.
"""

VARIANTS = ("exact", "legacy")
FLOOR_PX = 0.5
CEILING = 1 / 8


@dataclass(frozen=True)
class SigmaRule:
    """A rule for sigmas and its parameters, as a spec string such as `knn:beta=0.3,k=3`."""

    name: str = "box"
    parameters: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> SigmaRule:
        """Read a spec string.

        Raises:
            UsageError: unknown rule or parameter (the nearest match is named), or a bad value.

        Example:
            >>> str(SigmaRule.parse("fixed:15")), str(SigmaRule.parse("knn:beta=0.25"))
            ('fixed:px=15', 'knn:beta=0.25,k=3')
        """
        name, given = parse_spec(text, "sigma rule", SIGMA_RULES, {"variant": VARIANTS})
        iou = given.get("iou", 0.5)
        if not 0 < float(iou) < 1:
            raise UsageError(
                "iou of the sigma rule radius must lie between 0 and 1",
                value=iou,
                remedy="such as iou=0.7",
            )
        return cls(name, given)

    def __str__(self) -> str:
        return print_spec(self.name, {**SIGMA_RULES[self.name], **self.parameters})

    def number(self, key: str) -> float:
        """Return a parameter, as given or by default."""
        return float({**SIGMA_RULES[self.name], **self.parameters}[key])


def give_sigmas(scene: HeadFrames, boxes_xyxy: Floats, rule: SigmaRule) -> Floats:
    """Return each head's sigmas.

    Args:
        scene: the heads.
        boxes_xyxy: (N, 4) their boxes, all with an area.
        rule: see `SIGMA_RULES`.

    Returns:
        (N, 2) along x and y, finite and at least 0.5 px (`fixed`: as given).
    """
    sizes = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    if rule.name == "fixed":
        return np.full(sizes.shape, rule.number("px"))
    if rule.name == "knn":
        sigmas = _by_neighbours(scene, sizes, rule)
    elif rule.name == "radius":
        variant = {**SIGMA_RULES["radius"], **rule.parameters}["variant"]
        radius = corner_radius(sizes, rule.number("iou"), legacy=variant == "legacy")
        sigmas = np.repeat((2 * radius + 1)[:, None] / 6, 2, axis=1)
    else:
        sigmas = rule.number("ratio") * sizes
    return snapped(np.maximum(sigmas, FLOOR_PX))


def _by_neighbours(scene: HeadFrames, sizes: Floats, rule: SigmaRule) -> Floats:
    frame = scene.heads["frame_index"]
    distances = np.full(len(frame), np.nan)
    by_frame = Ragged.from_index(frame, scene.frames)
    for part in map(by_frame.rows, np.unique(frame)):
        distances[part] = nearest_distances(scene.points_xy[part], int(rule.number("k")))
    ceiling = np.maximum(FLOOR_PX, scene.heights_px[frame] * CEILING)
    sigmas = np.clip(rule.number("beta") * distances, FLOOR_PX, ceiling)
    alone = np.isnan(sigmas)[:, None]
    return np.where(alone, float(SIGMA_RULES["box"]["ratio"]) * sizes, sigmas[:, None])


def corner_radius(sizes_wh: Floats, iou: float, *, legacy: bool) -> Floats:
    """Return the radius within which corners may move so that the box still overlaps by `iou`.

    Of three ways to move two corners (both outwards, both inwards, along one diagonal) the least
    counts.

    Args:
        sizes_wh: (N, 2) of the boxes.
        iou: in (0, 1).
        legacy: take the root that CornerNet's and CenterNet's programs take, which is too large
            for the first two ways.

    Returns:
        (N,) in the sizes' unit.

    Source:
        Law and Deng, CornerNet, ECCV 2018, and its `gaussian_radius`.
    """
    width, height = sizes_wh.T
    total, area = width + height, width * height
    sign = 1.0 if legacy else -1.0
    one_each = (total + sign * np.sqrt(total**2 - 4 * area * (1 - iou) / (1 + iou))) / 2
    inwards = 2 * total + sign * np.sqrt(4 * total**2 - 16 * (1 - iou) * area)
    inwards = inwards / (2 if legacy else 8)
    b = -2 * iou * total
    outwards = b + np.sqrt(b**2 - 16 * iou * (iou - 1) * area)
    outwards = outwards / (2 if legacy else 8 * iou)
    radius: Floats = np.minimum(np.minimum(one_each, inwards), outwards)
    return radius
