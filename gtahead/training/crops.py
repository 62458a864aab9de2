"""Crops to train on, cut, scaled, mirrored and coloured the same whoever loads them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler

from gtahead.arrays import Floats, Ints
from gtahead.dataset import Frame
from gtahead.torch.targets import HeadTargets
from gtahead.training.config import TrainConfig

Image = npt.NDArray[np.uint8]

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's images, as torchvision's backbones expect them."""

KEPT_BYTES = 1 << 30
"""Of images that stay decoded while a run trains, if all of them fit; else each is read anew."""

MIN_PX = 0.5
"""Boxes with a thinner side, after scaling, are widened to it: they are learned as specks."""


@dataclass
class CropBatch:
    """Crops of one size.

    Attributes:
        images: (B, H, W, 3) uint8, RGB.
        heads: of each crop.
        frame_ids: where they come from.
    """

    images: Tensor
    heads: list[HeadTargets]
    frame_ids: list[str]

    def to(self, device: torch.device) -> CropBatch:
        """Move images and heads to a device."""
        moved = self.images.to(device, non_blocking=True)

        def together(tensors: list[Tensor]) -> tuple[Tensor, ...]:
            """Move many small tensors at once."""
            sizes = [len(one) for one in tensors]
            return tuple(torch.split(torch.cat(tensors).to(device), sizes))

        boxes = together([one.boxes for one in self.heads])
        ignored = together([one.ignored for one in self.heads])
        sigmas = together([one.sigmas for one in self.heads])
        heads = [HeadTargets(*one) for one in zip(boxes, ignored, sigmas, strict=True)]
        return CropBatch(moved, heads, self.frame_ids)


def normalised(images: Tensor) -> Tensor:
    """Turn (B, H, W, 3) bytes into (B, 3, H, W) numbers with mean and spread of about 0 and 1."""
    mean = torch.tensor(MEAN, device=images.device) * 255
    spread = torch.tensor(SPREAD, device=images.device) * 255
    return ((images.float() - mean) / spread).permute(0, 3, 1, 2).contiguous()


def scaled(image: Image, scale: float) -> Image:
    """Resize an image; average areas when shrinking, so that nothing aliases."""
    if scale == 1:
        return image
    size_wh = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    return resized(image, size_wh)


def resized(image: Image, size_wh: tuple[int, int]) -> Image:
    """Resize an image to a width and height; average areas when shrinking."""
    how = cv2.INTER_AREA if size_wh[0] < image.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=how), np.uint8)


class Crops(TorchDataset[tuple[Image, HeadTargets, str]]):
    """Training crops, each determined by seed, epoch and number alone."""

    def __init__(self, frames: list[Frame], config: TrainConfig) -> None:
        self._frames = frames
        self._config = config
        size = sum(3 * int(np.prod(frame.size_wh)) for frame in frames)
        self._keeps = size * max(config.workers, 1) <= KEPT_BYTES
        self._kept: dict[int, Image] = {}

    def __len__(self) -> int:
        return max(len(self._frames), self._config.epoch_crops)

    def __getitem__(self, item: tuple[int, int]) -> tuple[Image, HeadTargets, str]:
        """Return one crop.

        Args:
            item: epoch and number.
        """
        epoch, number = item
        config = self._config
        random = np.random.default_rng([config.seed, epoch, number])
        frame, image = self._read(number % len(self._frames))
        spread = np.log([config.scale_low, config.scale_high])
        scale = config.scale * float(np.exp(random.uniform(*spread)))
        image, heads = _cut(image, frame, scale, config.crop_wh, random)
        if config.flip and random.random() < 0.5:
            image, heads = _mirrored(image, heads)
        return _coloured(image, config.colour, random), heads, frame.frame_id

    def _read(self, number: int) -> tuple[Frame, Image]:
        """Return a frame and its image; small sets of images are decoded once."""
        frame = self._frames[number]
        image = self._kept.get(number)
        if image is None:
            image = frame.image()
            if self._keeps:
                self._kept[number] = image
        return frame, image


def _cut(
    image: Image, frame: Frame, scale: float, crop_wh: tuple[int, int], random: np.random.Generator
) -> tuple[Image, HeadTargets]:
    """Cut a crop somewhere in an image, and scale it; what lies beyond the image is grey.

    It is cut first, so that no more is scaled than is wanted. A head belongs to the crop that its
    centre lies in, half-open.
    """
    size, crop = np.array(frame.size_wh), np.array(crop_wh)
    window = np.minimum(np.maximum(np.rint(crop / scale), 1), size).astype(np.int64)
    first = random.integers(0, size - window + 1)
    within = np.minimum(np.maximum(np.rint(size * scale), 1), crop)
    shown = np.where(window < size, crop, within).astype(np.int64)
    part = image[first[1] : first[1] + window[1], first[0] : first[0] + window[0]]
    out = np.full((crop[1], crop[0], 3), 124, np.uint8)
    out[: shown[1], : shown[0]] = resized(part, (int(shown[0]), int(shown[1])))
    factors = shown / window
    return out, heads_of(frame, factors, first * factors, shown)


def heads_of(frame: Frame, scale_xy: Floats, first: Floats, size: Ints) -> HeadTargets:
    """Return the heads of a window of a scaled frame, in its pixels.

    Args:
        frame: as captured.
        scale_xy: factors along x and y.
        first: (2,) the window's corner, scaled pixels.
        size: (2,) its width and height.
    """
    centres = frame.points_xy * scale_xy - first
    here = ((centres >= 0) & (centres < size)).all(axis=1)
    half = (frame.boxes_xyxy[:, 2:] - frame.boxes_xyxy[:, :2]) * scale_xy / 2
    half = np.maximum(np.where(np.isfinite(half), half, MIN_PX), MIN_PX / 2)
    boxes = np.concatenate([centres - half, centres + half], axis=1).astype(np.float32)
    near = ((centres + half > 0) & (centres - half < size)).all(axis=1)
    counted = frame.counted & here
    ignored = np.asarray(frame.status == "ignored", np.bool_) & near
    sigmas = (frame.sigmas_xy * scale_xy).astype(np.float32)
    return HeadTargets(
        torch.from_numpy(boxes[counted]),
        torch.from_numpy(boxes[ignored]),
        torch.from_numpy(sigmas[counted]),
    )


def _mirrored(image: Image, heads: HeadTargets) -> tuple[Image, HeadTargets]:
    width = image.shape[1]

    def turned(boxes: Tensor) -> Tensor:
        return torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)

    flipped = np.ascontiguousarray(image[:, ::-1])
    return flipped, HeadTargets(turned(heads.boxes), turned(heads.ignored), heads.sigmas)


def _coloured(image: Image, most: float, random: np.random.Generator) -> Image:
    """Change brightness, contrast around the mean, and saturation around grey."""
    if most == 0:
        return image
    brightness, contrast, saturation = 1 + random.uniform(-most, most, 3)
    # All three are linear in a pixel's colour: one matrix, one pass over the bytes.
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    shift = (1 - contrast) * brightness * np.mean(cv2.mean(image)[:3])
    matrix = np.column_stack([brightness * contrast * mix, np.full(3, shift)])
    return np.asarray(cv2.transform(image, matrix), np.uint8)


def batched(samples: list[tuple[Image, HeadTargets, str]]) -> CropBatch:
    """Collate crops into a batch."""
    images, heads, names = zip(*samples, strict=True)
    return CropBatch(torch.from_numpy(np.stack(images)), list(heads), list(names))


class EpochOrder(Sampler[tuple[int, int]]):
    """A process's share of an epoch's crops, in an order known from seed and epoch alone."""

    def __init__(self, count: int, taken: int, seed: int) -> None:
        self._count, self._taken, self._seed = count, taken, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch that comes next; Lightning calls this."""
        self._epoch = epoch

    def __len__(self) -> int:
        return math.ceil(self._taken / _share()[1])

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rank, world = _share()
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._count)
        padded = np.resize(order[: self._taken], len(self) * world)  # each process has as many
        for number in padded[rank::world].tolist():
            yield self._epoch, number


def _share() -> tuple[int, int]:
    """Return this process's rank, and how many train together; known once training has begun."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
