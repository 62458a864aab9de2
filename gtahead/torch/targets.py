"""What a detector is to learn from an image's heads, made on the device that trains.

Cell (i, j) of stride s covers j s <= x < (j + 1) s; a head's kernel and mask sit on its cell.
There is no matrix of heads by cells: every head writes into a window around itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from gtahead.annotation.kernels import corner_radius
from gtahead.arrays import Array, rows_of

CUT = 4.0
"""Kernels end at so many sigmas."""

Kernel = Literal["quarter", "cornernet"]
"""Of a head's heat: sigma a quarter of the box's sides; or CornerNet's and CenterNet's, see
`cornernet_radius`."""

MIN_OVERLAP = 0.7
"""Of CornerNet's radius: boxes whose corners are off by it still overlap by so much (IoU)."""

CHUNK = 2_000_000
"""Cells of windows that are in memory at once."""


@dataclass
class HeadTargets:
    """The heads of one image or crop, in its pixels.

    Attributes:
        boxes: (N, 4) corners of the heads that count; their centres lie in the image.
        ignored: (K, 4) corners of heads that are neither to be found nor background.
        sigmas: (N, 2) of the kernels in density maps.
    """

    boxes: Tensor
    ignored: Tensor
    sigmas: Tensor

    def to(self, device: torch.device) -> HeadTargets:
        """Move all of it to a device."""
        boxes, ignored, sigmas = (
            tensor.to(device, non_blocking=True)
            for tensor in (self.boxes, self.ignored, self.sigmas)
        )
        return HeadTargets(boxes, ignored, sigmas)


@dataclass
class HeatTargets:
    """Targets of a batch on one grid, (B, H, W) each unless said otherwise.

    Attributes:
        heat: Y, the maximum of the heads' kernels; 1 on each head's cell.
        near: the maximum of their Gaussians of a quarter side, whatever the kernel.
        mask: M, whether a cell lies inside any head's ellipse.
        box: whether it lies inside any head's box.
        valid: False on ignored heads, where no head that counts lies.
        owner: number of the head whose Gaussian is largest, in the order of the batch; -1 where
            none reaches.
        offset: (B, 2, H, W) from the cell to the owner's centre, in cells.
        size: (B, 2, H, W) logarithm of the owner's width and height, in cells.
        mass: sum of the owner's Gaussian over its mask.
    """

    heat: Tensor
    near: Tensor
    mask: Tensor
    box: Tensor
    valid: Tensor
    owner: Tensor
    offset: Tensor
    size: Tensor
    mass: Tensor


def heat_targets(
    heads: list[HeadTargets], shape: tuple[int, int], stride: int, kernel: Kernel = "quarter"
) -> HeatTargets:
    """Render heat, mask and regression targets.

    Args:
        heads: of each image; boxes have an area.
        shape: rows and columns of the grid.
        stride: pixels per cell.
        kernel: of the heat. Who owns a cell, and masks, don't depend on it.

    Returns:
        The targets. A Gaussian's sigma is a quarter of the box's side, the mask's semi-axis half of
        it, both at least half a cell. Where Gaussians tie, the smaller head owns the cell, then the
        first.
    """
    rows, columns = shape
    device = heads[0].boxes.device
    full = (len(heads), rows, columns)
    cells = len(heads) * rows * columns
    boxes = torch.cat([one.boxes for one in heads]).float() / stride
    image = _images_of([one.boxes for one in heads])
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3)
    # Ranks settle ties: the smaller area first, then the order of the batch.
    rank = torch.argsort(sides.prod(dim=1), stable=True)
    boxes, image, centre, sides = boxes[rank], image[rank], centre[rank], sides[rank]
    limits = torch.tensor([columns - 1, rows - 1], device=device)
    cell = torch.minimum(centre.floor().long().clamp(min=0), limits)
    sigma, semi = (sides / 4).clamp(min=0.5), (sides / 2).clamp(min=0.5)
    reach = (CUT * sigma).ceil().long()
    parts = _chunks(sigma, limits, rows * columns)
    kept = [_windows(cell, image, part, reach, shape) for part in parts] if len(parts) == 1 else []

    def windows() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        yield from kept or (_windows(cell, image, part, reach, shape) for part in parts)

    # Nothing here picks cells by a mask: to learn how many there are, a program waits for the GPU.
    # What belongs nowhere is written into a cell too many, or is nobody's.
    near = torch.zeros(cells, device=device)
    mask, box = torch.zeros(2, cells + 1, dtype=torch.bool, device=device)
    for head, position, away in windows():
        near.scatter_reduce_(0, position, _gaussian(away, sigma[head]), "amax")
        far = (away / semi[head]).abs()
        mask.scatter_(0, torch.where((far**2).sum(dim=1) <= 1, position, cells), value=True)
        box.scatter_(0, torch.where(far.amax(dim=1) <= 1, position, cells), value=True)
    mask, box = mask[:cells], box[:cells]
    none = len(boxes)
    owner = torch.full((cells,), none, device=device)
    mass = torch.zeros(none + 1, device=device)
    for head, position, away in windows():
        value = _gaussian(away, sigma[head])
        first = torch.where(value >= near[position], head, none)
        owner.scatter_reduce_(0, position, first, "amin")
        mass.index_add_(0, head, value * (((away / semi[head]) ** 2).sum(dim=1) <= 1))
    owned = owner < none
    index = torch.arange(cells, device=device) % (rows * columns)
    here = torch.stack([index % columns, index // columns], dim=1)

    def of_owner(values: Tensor) -> Tensor:
        """Spread what heads have over the cells that they own; 0 elsewhere."""
        return pad(values, (0, 0) * (values.dim() - 1) + (0, 1))[owner]

    heat = near if kernel == "quarter" else _cornernet_heat(cell, image, sides, near, shape)
    return HeatTargets(
        heat=heat.view(full),
        near=near.view(full),
        mask=mask.view(full),
        box=box.view(full),
        valid=~_ignored(heads, shape, stride) | mask.view(full),
        owner=torch.where(owned, of_owner(rank), -1).view(full),
        offset=(of_owner(centre) - here * owned[:, None]).view(*full, 2).permute(0, 3, 1, 2),
        size=of_owner(sides.log()).view(*full, 2).permute(0, 3, 1, 2),
        mass=mass[owner].view(full),
    )


def _images_of(boxes: list[Tensor]) -> Tensor:
    """Return the number of each box's image."""
    counts = [len(one) for one in boxes]
    numbers = np.repeat(np.arange(len(boxes)), counts)
    return torch.from_numpy(numbers).to(boxes[0].device, non_blocking=True)


def _gaussian(away: Tensor, sigma: Tensor) -> Tensor:
    return torch.exp(-((away / sigma) ** 2).sum(dim=1) / 2)


def _cornernet_heat(
    cell: Tensor, image: Tensor, sides: Tensor, grids: Tensor, shape: tuple[int, int]
) -> Tensor:
    """Render CornerNet's kernels: one sigma for both axes, cut at the radius."""
    radius = cornernet_radius(sides)
    sigma = (2 * radius + 1) / 6
    reach = radius[:, None].expand(-1, 2)
    limits = torch.tensor([shape[1] - 1, shape[0] - 1], device=cell.device)
    heat = torch.zeros_like(grids)
    for part in _chunks(reach / CUT, limits, shape[0] * shape[1]):
        head, position, away = _windows(cell, image, part, reach, shape)
        value = torch.exp(-((away / sigma[head, None]) ** 2).sum(dim=1) / 2)
        heat.scatter_reduce_(0, position, value, "amax")
    return heat


def cornernet_radius(sides: Tensor) -> Tensor:
    """Return the radius of CornerNet's kernel, in whole cells, (N,).

    Args:
        sides: (N, 2) widths and heights, in cells, which CenterNet rounds up.

    Source:
        `gaussian_radius` of CornerNet's and CenterNet's programs, see `corner_radius`.
    """
    whole = np.ceil(sides.double().cpu().numpy())
    radius = corner_radius(whole, MIN_OVERLAP, legacy=True)
    return torch.from_numpy(radius.astype(np.int64)).to(sides.device)


def _ignored(heads: list[HeadTargets], shape: tuple[int, int], stride: int) -> Tensor:
    """Find the cells whose centre lies in the ellipse of an ignored head, (B, H, W)."""
    device = heads[0].boxes.device
    cells = len(heads) * shape[0] * shape[1]
    out = torch.zeros(cells + 1, dtype=torch.bool, device=device)
    boxes = torch.cat([one.ignored for one in heads]).float() / stride
    if len(boxes):
        image = _images_of([one.ignored for one in heads])
        centre, semi = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
        semi = semi.clamp(min=0.5)
        cell = centre.floor().long()
        limits = torch.tensor([shape[1] - 1, shape[0] - 1], device=device)
        for part in _chunks(semi / CUT, limits, shape[0] * shape[1]):
            head, position, away = _windows(cell, image, part, semi.ceil().long() + 1, shape)
            within = ((away / semi[head]) ** 2).sum(dim=1) <= 1
            out.scatter_(0, torch.where(within, position, cells), value=True)
    return out[:cells].view(len(heads), *shape)


def _chunks(sigma: Tensor, limits: Tensor, most: int) -> list[Tensor]:
    """Split the heads so that the windows of a part hold about `CHUNK` cells; on the device.

    Args:
        sigma: (N, 2) in cells; windows reach `CUT` times as far.
        limits: the last column and row.
        most: cells that a window can have.
    """
    if len(sigma) == 0:
        return []
    if len(sigma) * most <= CHUNK:  # without asking the device
        return [torch.arange(len(sigma), device=sigma.device)]
    reach = torch.minimum(2 * (CUT * sigma).ceil() + 1, limits + 1)
    before = torch.cumsum(reach.prod(dim=1).double(), 0)
    parts = torch.div(before, CHUNK, rounding_mode="floor").long()
    sizes = torch.unique_consecutive(parts, return_counts=True)[1].tolist()
    return list(torch.split(torch.arange(len(sigma), device=sigma.device), sizes))


def _windows(
    cell: Tensor, image: Tensor, part: Tensor, reach: Tensor, shape: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """List the cells around some heads, those outside the grid left out.

    Args:
        cell: (N, 2) column and row of each head's cell.
        image: (N,) in which image of the batch.
        part: numbers of the heads that are wanted.
        reach: (N, 2) how many cells the window reaches to either side.
        shape: rows and columns.

    Returns:
        (C,) head, (C,) location in the flat batch of grids, (C, 2) distance from the head's cell.
    """
    rows, columns = shape
    limits = torch.tensor([columns - 1, rows - 1], device=cell.device)
    low = (cell[part] - reach[part]).clamp(min=0)
    high = torch.minimum(cell[part] + reach[part], limits)
    wide, tall = (high - low + 1).clamp(min=0).unbind(dim=1)
    count = wide * tall
    head = torch.repeat_interleave(torch.arange(len(part), device=cell.device), count)
    first = torch.cumsum(count, 0) - count
    within = torch.arange(len(head), device=cell.device) - first[head]
    column = low[head, 0] + within % wide[head]
    row = low[head, 1] + torch.div(within, wide[head], rounding_mode="floor")
    head = part[head]
    position = (image[head] * rows + row) * columns + column
    away = torch.stack([column, row], dim=1) - cell[head]
    return head, position, away.float()


def density_targets(heads: list[HeadTargets], shape: tuple[int, int], stride: int) -> Tensor:
    """Render density maps, (B, H, W): each head adds up to 1 inside its image.

    The kernel is sampled at the cells' centres around the head's own location, cut at 4 sigma.
    """
    rows, columns = shape
    device = heads[0].boxes.device
    out = torch.zeros(len(heads) * rows * columns, device=device)
    boxes = torch.cat([one.boxes for one in heads]).float() / stride
    sigma = (torch.cat([one.sigmas for one in heads]).float() / stride).clamp(min=0.3)
    image = _images_of([one.boxes for one in heads])
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    limits = torch.tensor([columns - 1, rows - 1], device=device)
    cell = torch.minimum(centre.floor().long().clamp(min=0), limits)
    shift = centre - cell - 0.5
    for part in _chunks(sigma, limits, rows * columns):
        head, position, away = _windows(cell, image, part, (CUT * sigma).ceil().long(), shape)
        value = torch.exp(-(((away - shift[head]) / sigma[head]) ** 2).sum(dim=1) / 2)
        total = torch.zeros(len(boxes), device=device).index_add_(0, head, value)
        out.index_add_(0, position, value / total[head].clamp(min=math.ulp(1.0)))
    return out.view(len(heads), rows, columns)


def make_targets(
    points: Array, boxes: Array, size_wh: tuple[int, int], stride: int
) -> dict[str, Tensor]:
    """Render what a heatmap detector learns of one image, for Mask Focal Loss.

    Args:
        points: (N, 2) centres of the heads, in pixels; those outside the image are left out.
        boxes: (N, 4) x0, y0, x1, y1 of the same heads, in pixels.
        size_wh: width and height of the image, in pixels.
        stride: pixels per cell.

    Returns:
        On a grid of ceil(H / stride) x ceil(W / stride) cells: `heat` in [0, 1], 1 on each head's
        cell; `mask`, whether a cell lies inside any head; `offset`, (2, h, w) from the cell to the
        centre of its head, and `size`, (2, h, w) the logarithm of its width and height, both in
        cells, where `owner` >= 0, which numbers the head that the cell belongs to.

    Raises:
        ValueError: of other shapes or different numbers, or not finite; a stride below 1.

    Example:
        >>> found = make_targets([[6, 10]], [[2, 6, 10, 14]], (16, 16), stride=4)
        >>> found["heat"].shape, float(found["heat"][2, 1]), found["offset"][:, 2, 1].tolist()
        (torch.Size([4, 4]), 1.0, [0.5, 0.5])
    """
    xy = torch.from_numpy(rows_of(points, 2, "points"))
    corners = torch.from_numpy(rows_of(boxes, 4, "boxes"))
    if len(xy) != len(corners):
        raise ValueError(f"{len(xy)} points and {len(corners)} boxes of the same heads")
    if stride < 1:
        raise ValueError(f"a stride of {stride}")
    inside = ((xy >= 0) & (xy < torch.tensor(size_wh))).all(dim=1)
    half = (corners[:, 2:] - corners[:, :2]) / 2
    centred = torch.cat([xy - half, xy + half], dim=1)[inside]  # the point is what is to be found
    nothing = torch.empty(0, 4)
    heads = HeadTargets(centred, nothing, half[inside] / 2)
    shape = (-(-size_wh[1] // stride), -(-size_wh[0] // stride))
    found = heat_targets([heads], shape, stride)
    owner = found.owner[0]
    numbers = torch.nonzero(inside).flatten()
    if len(numbers):
        owner = torch.where(owner >= 0, numbers[owner.clamp(min=0)], owner)
    return {
        "heat": found.heat[0],
        "mask": found.mask[0],
        "offset": found.offset[0],
        "size": found.size[0],
        "owner": owner,
    }
