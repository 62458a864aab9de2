"""Datasets for PyTorch: heads as torchvision's detection datasets, and crowds as maps."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import get_worker_info
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import convert_bounding_box_format, get_size

import gtahead.images.reading  # noqa: F401 - so that forked workers have it already
from gtahead.arrays import Floats
from gtahead.dataset import Dataset
from gtahead.density import render_density, render_heatmap
from gtahead.errors import InputError, UsageError, Where
from gtahead.torch.targets import make_targets
from gtahead.values import StrPath

Sample = tuple[Any, dict[str, Any]]
Transforms = Callable[[Any, dict[str, Any]], Sample]
Map = Literal["density", "heatmap", "mask"]


class _FrameDataset(TorchDataset[Sample]):
    """A dataset of PyTorch over the frames of one of ours, or of a part, with transforms."""

    def __init__(self, dataset: Dataset | StrPath, transforms: Transforms | None) -> None:
        self.dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
        self.transforms = transforms
        if any(isinstance(one, v2.RandomIoUCrop) for one in _each(transforms)):
            raise UsageError(
                "RandomIoUCrop crops one list of boxes, and loses the points and the ignored heads",
                remedy="v2.RandomCrop or v2.RandomResizedCrop, then DropHeadsOutside",
            )

    def __len__(self) -> int:
        return len(self.dataset)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.dataset!r})"


def _each(transforms: object) -> Iterator[object]:
    """Yield a transform and those that it is composed of."""
    yield transforms
    for one in getattr(transforms, "transforms", None) or ():
        yield from _each(one)


class HeadDataset(_FrameDataset):
    """Images with the boxes of their heads, as torchvision's detection datasets give them.

    An item is `(image, target)`: the image a (3, H, W) uint8 `tv_tensors.Image`, the target a dict:

    - `boxes`: (N, 4) x0, y0, x1, y1 in pixels, of the heads that count, cut at the image's edges;
      heads of which nothing is left are dropped;
    - `labels`: (N,) ones;
    - `points`: (N, 2) `KeyPoints`, their centres;
    - `ignored`: (K, 4) boxes of heads that are neither to be found nor background;
    - `area`: (N,) of the boxes, in pixels;
    - `image_id`: the number of the frame in the dataset.

    Transforms of `torchvision.transforms.v2` move boxes and points together: they get the points as
    boxes without area, since torchvision mirrors key points by whole pixels, one off from boxes.
    After those that cut, `DropHeadsOutside` drops the heads that are gone; `RandomIoUCrop` and
    `SanitizeBoundingBoxes` know one list of boxes only, and are refused where they leave boxes and
    points of different heads. AP differs a little from that of `gtahead benchmark`, which doesn't
    cut boxes at the image's edges.

    Args:
        dataset: opened, a part of one, or its path.
        transforms: takes and returns image and target.

    Example:
        >>> dataset = HeadDataset("dataset", transforms=DropHeadsOutside())  # doctest: +SKIP
        >>> image, target = dataset[0]  # doctest: +SKIP
    """

    def __init__(self, dataset: Dataset | StrPath, transforms: Transforms | None = None) -> None:
        super().__init__(dataset, transforms)

    def __getitem__(self, index: int) -> Sample:
        """Read an image and its heads.

        Raises:
            IndexError: no frame of this number.
            InputError: the image can't be read, or a head that counts has no box.
            ValueError: a transform has left boxes and points of different heads.
        """
        index = operator.index(index)
        frame = self.dataset[index]
        mine, unsure = frame.counted, frame.status == "ignored"
        boxes, points, number = frame.boxes_xyxy, frame.points_xy, index % len(self)
        image = image_of(frame.image())
        target = target_of(
            *(boxes[mine], points[mine], boxes[unsure], frame.size_wh, number, frame.frame_id)
        )
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        return finished(image, target)


def image_of(pixels: npt.NDArray[np.uint8]) -> Any:  # noqa: ANN401 - torchvision has no types
    """Return an image, (H, W, 3), as torchvision has it."""
    return tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1))


def target_of(
    boxes_xyxy: Floats,
    points_xy: Floats,
    ignored_xyxy: Floats,
    size_wh: tuple[int, int],
    image_id: int,
    name: str,
) -> dict[str, Any]:
    """Return the target of an image before any transforms.

    Args:
        boxes_xyxy: (N, 4) pixels, of the heads that count.
        points_xy: (N, 2) their centres.
        ignored_xyxy: (K, 4) of the ignored ones, NaN where they have no box.
        size_wh: of the image.
        image_id: its number.
        name: of the image, for messages.

    Raises:
        InputError: a head that counts has no box.
    """
    boxes, unsure = _cut(boxes_xyxy, size_wh), _cut(ignored_xyxy, size_wh)
    if not np.isfinite(boxes).all():
        raise InputError(
            "a head that counts has no box",
            where=Where(frame=name),
            remedy="`gtahead annotate` gives them boxes; CrowdDataset needs points alone",
        )
    left = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # detectors refuse boxes without area
    boxes, points_xy = boxes[left], points_xy[left]
    return {
        "boxes": _boxes(boxes, size_wh),
        "labels": torch.ones(len(boxes), dtype=torch.int64),
        "points": _boxes(np.tile(points_xy, 2), size_wh, whole=True),
        "ignored": _boxes(unsure[np.isfinite(unsure).all(axis=1)], size_wh),
        "image_id": image_id,
    }


def finished(image: Any, target: dict[str, Any]) -> Sample:  # noqa: ANN401 - torchvision
    """Return image and target as a loop gets them: after all transforms.

    Raises:
        ValueError: a transform has left boxes, labels and points of different heads.
    """
    names = ("boxes", "labels", "points")
    lengths = [len(target[name]) if name in target else None for name in names]
    if len(set(lengths)) > 1:
        said = ", ".join(
            f"{'no' if number is None else number} {name}"
            for name, number in zip(names, lengths, strict=True)
        )
        raise ValueError(f"a transform has left {said}; DropHeadsOutside keeps them together")
    centres = target["points"].as_subclass(torch.Tensor)[:, :2]
    target = {**target, "points": _key_points(centres, get_size(image))}
    target["area"] = _areas(target["boxes"])
    return image, target if get_worker_info() is None else _in_one_storage(target)


def _cut(boxes_xyxy: Floats, size_wh: tuple[int, int]) -> Floats:
    return np.clip(boxes_xyxy, 0, np.array([*size_wh, *size_wh], np.float64))


def _boxes(values: Floats, size_wh: tuple[int, int], *, whole: bool = False) -> Any:  # noqa: ANN401
    """Return boxes of torchvision's; `whole` ones aren't cut at the border by transforms."""
    return tv_tensors.BoundingBoxes(
        torch.from_numpy(np.asarray(values, np.float32).reshape(-1, 4)),
        format="XYXY",
        canvas_size=size_wh[::-1],
        clamping_mode=None if whole else "soft",
    )


def _key_points(points: torch.Tensor, shape: Sequence[int]) -> Any:  # noqa: ANN401
    return tv_tensors.KeyPoints(points, canvas_size=(int(shape[0]), int(shape[1])))


def _in_one_storage(target: dict[str, Any]) -> dict[str, Any]:
    """Return a target whose tensors lie in one piece of memory: processes hand over each piece."""
    tensors = {n: v.as_subclass(torch.Tensor) for n, v in target.items() if torch.is_tensor(v)}
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())  # so all are aligned
    storage = torch.empty(sum(tensor.nbytes for tensor in tensors.values()), dtype=torch.uint8)
    packed, at = dict(target), 0
    for name in names:
        tensor, like = tensors[name], target[name]
        part = storage[at : at + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
        packed[name] = tv_tensors.wrap(part.copy_(tensor), like=like)
        at += tensor.nbytes
    return packed


def _areas(boxes: Any) -> torch.Tensor:  # noqa: ANN401 - torchvision has no types
    corners = convert_bounding_box_format(boxes, new_format="XYXY")
    plain: torch.Tensor = corners.as_subclass(torch.Tensor)
    return (plain[:, 2] - plain[:, 0]) * (plain[:, 3] - plain[:, 1])


class DropHeadsOutside:
    """A transform that drops heads whose centre a crop has left outside, and those without area.

    It keeps `boxes`, `labels`, `points` and `area` of a target in step. `CrowdDataset` does so
    itself, and passes through here unchanged.

    Args:
        min_px: heads with a thinner box are dropped, in pixels.
    """

    def __init__(self, min_px: float = 1.0) -> None:
        self.min_px = min_px

    def __repr__(self) -> str:
        return f"DropHeadsOutside(min_px={self.min_px:g})"

    def __call__(self, image: Any, target: dict[str, Any]) -> Sample:  # noqa: ANN401 - any image
        """Return the image, and the target of the heads that are in it."""
        if "boxes" not in target:
            return image, target
        height, width = get_size(image)
        if target["boxes"].format != tv_tensors.BoundingBoxFormat.XYXY:
            raise ValueError("DropHeadsOutside takes boxes as XYXY: convert them after it")
        points = target["points"].as_subclass(torch.Tensor)  # (N, 4): boxes without area
        boxes = target["boxes"].as_subclass(torch.Tensor)
        limits = torch.tensor([width, height], dtype=points.dtype)
        keep = ((points[:, :2] >= 0) & (points[:, :2] < limits)).all(dim=1)
        keep &= (boxes[:, 2:] - boxes[:, :2] >= self.min_px).all(dim=1)
        unsure = target["ignored"].as_subclass(torch.Tensor)
        there = (unsure[:, 2:] > unsure[:, :2]).all(dim=1)
        kept = tv_tensors.wrap(boxes[keep], like=target["boxes"])
        return image, {
            **target,
            "boxes": kept,
            "labels": target["labels"][keep],
            "points": tv_tensors.wrap(points[keep], like=target["points"]),
            "ignored": tv_tensors.wrap(unsure[there], like=target["ignored"]),
            "area": _areas(kept),
        }


class CrowdDataset(_FrameDataset):
    """Images with maps of their heads, for regressors of density and nets of heatmaps.

    An item is `(image, target)`: the image a (3, H, W) uint8 `tv_tensors.Image`, the target a dict
    with the maps that are wanted, each (1, ceil(H / stride), ceil(W / stride)), and

    - `count`: how many heads that count are in the image, a float tensor: the sum of the density;
    - `image_id`: the number of the frame in the dataset.

    Maps are rendered after the transforms, at their own stride, so that nothing is lost in resizing
    them; kernels grow, shrink and turn with the image.

    Args:
        dataset: opened, a part of one, or its path.
        stride: pixels per cell.
        maps: of `density`, `heatmap` (1 on each head's cell) and `mask` (inside any head).
        transforms: takes and returns image and target; the target then has `heads`, (N, 4) boxes
            without area at heads' centres, and two more such lists from which kernels are measured.

    Example:
        >>> crowds = CrowdDataset("dataset", stride=8)  # doctest: +SKIP
        >>> image, target = crowds[0]  # doctest: +SKIP
        >>> target["density"].sum() == target["count"]  # doctest: +SKIP
    """

    def __init__(
        self,
        dataset: Dataset | StrPath,
        stride: int = 8,
        maps: Sequence[Map] = ("density",),
        transforms: Transforms | None = None,
    ) -> None:
        unknown = [name for name in maps if name not in ("density", "heatmap", "mask")]
        if unknown:
            raise UsageError("no such map", value=unknown[0], remedy="density, heatmap or mask")
        if stride < 1:
            raise UsageError("the stride is below 1", value=stride)
        super().__init__(dataset, transforms)
        self.stride, self.maps = stride, tuple(maps)

    def __getitem__(self, index: int) -> Sample:
        """Read an image and render its maps.

        Raises:
            IndexError: no frame of this number.
            InputError: the image can't be read.
        """
        index = operator.index(index)
        frame = self.dataset[index]
        mine, size_wh = frame.counted, frame.size_wh
        points, sigmas = frame.points_xy[mine], frame.sigmas_xy[mine]
        halves = np.nan_to_num(frame.boxes_xyxy[mine, 2:] - frame.boxes_xyxy[mine, :2]) / 2
        image = image_of(frame.image())
        if self.transforms is not None:
            # A point to the right and one below each centre, which transforms move with the image:
            # where they come to lie says how kernels were scaled and turned.
            moved = {"heads": points, "right": points + [1, 0], "below": points + [0, 1]}
            boxes = {n: _boxes(np.tile(xy, 2), size_wh, whole=True) for n, xy in moved.items()}
            image, boxes = self.transforms(image, boxes)
            points, right, below = (_first_corners(boxes[name]) for name in moved)
            sigmas, halves = (
                np.hypot((right - points) * reach[:, :1], (below - points) * reach[:, 1:])
                for reach in (sigmas, halves)
            )
            height, width = get_size(image)
            size_wh = (width, height)
        inside = ((points >= 0) & (points < size_wh) & (sigmas > 0)).all(axis=1)
        points, sigmas, halves = points[inside], sigmas[inside], halves[inside]
        found: dict[str, Any] = {
            "count": torch.tensor(float(len(points))),
            "image_id": index % len(self),
        }
        for name in self.maps:
            found[name] = self._map(name, points, sigmas, halves, size_wh)[None]
        return image, found

    def _map(
        self, name: Map, points: Floats, sigmas: Floats, halves: Floats, size_wh: tuple[int, int]
    ) -> torch.Tensor:
        if name == "mask":
            boxes = np.hstack([points - halves, points + halves])
            return make_targets(points, boxes, size_wh, self.stride)["mask"]
        render = render_density if name == "density" else render_heatmap
        return torch.from_numpy(render(points, sigmas, size_wh, stride=self.stride))


def _first_corners(boxes: Any) -> Floats:  # noqa: ANN401 - torchvision has no types
    """Return where boxes without area lie, (N, 2), whatever their format is."""
    corners = convert_bounding_box_format(boxes, new_format="XYXY").as_subclass(torch.Tensor)
    return np.asarray(corners[:, :2].double().numpy())


def collate(samples: Sequence[Sample]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Gather samples of a batch as torchvision's detection models take them: lists, not stacks.

    Example:
        >>> collate([("image 0", {"image_id": 0}), ("image 1", {"image_id": 1})])
        (['image 0', 'image 1'], [{'image_id': 0}, {'image_id': 1}])
    """
    return [image for image, _ in samples], [target for _, target in samples]
