"""What torchvision's detectors share here: pyramid, anchors, and how they are matched to heads.

Their classes are used as they are, by subclass and argument. Mask Focal Loss changes the weights of
their classification and nothing else. Heads are matched in chunks: there is no matrix of all heads
by all anchors, so that thousands of heads in one crop fit into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import box_iou
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock

from gtahead.torch.targets import HeadTargets
from gtahead.training.config import AREAS, HEATED, TrainConfig
from gtahead.training.detectors.backbones import residual_network
from gtahead.training.detectors.detector import Detector, Found
from gtahead.training.losses import HeatLoss, mask_focal_loss

FINEST = 4
"""Pixels a cell of the finest level."""

NORM_GROUPS = 32
MIN_SCORE = 0.01
NMS_IOU = 0.5
ANCHOR_SIZES = (2.0, 2.52, 3.17)
"""Sides of a level's anchors in its strides: three to the next level's first."""

ANCHOR_RATIO = 1.25
"""Height over width of a head's box."""

PAIRS = 2_000_000
"""Pairs of a head and an anchor that are in memory at once."""

FOCAL_ALPHA = 0.25
"""Weight of positives in torchvision's focal loss, and so in what is compared with it."""

BACKGROUND, NO_LOSS = -1, -2
"""Instead of a head's number, as torchvision's matchers have them."""

Target = dict[str, Tensor]


class _NoMoreLevels(ExtraFPNBlock):
    """Adds no levels to the pyramid beyond the backbone's own maps."""

    def forward(
        self, results: list[Tensor], x: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        """Return maps and names as they are."""
        del x
        return results, names


class AsTheyAre(GeneralizedRCNNTransform):
    """Leaves images as they are: they come normalised and in the size that is wanted."""

    def __init__(self) -> None:
        super().__init__(1, 1, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0])

    def resize(self, image: Tensor, target: Target | None = None) -> tuple[Tensor, Target | None]:
        """Return image and target unchanged."""
        return image, target


def strides_of(config: TrainConfig) -> list[int]:
    """Return the strides of the pyramid's levels: 4 to the coarsest."""
    return [stride for stride in (4, 8, 16, 32) if stride <= config.coarsest]


def pyramid(config: TrainConfig) -> BackboneWithFPN:
    """Make backbone and feature pyramid, with batch normalisation, as they train from scratch."""
    net = residual_network(config.backbone, config.weights)
    count = len(strides_of(config))
    wide = net.fc.in_features
    return BackboneWithFPN(
        net,
        {f"layer{number + 1}": str(number) for number in range(count)},
        [wide // 8 * 2**number for number in range(count)],
        config.channels,
        extra_blocks=_NoMoreLevels(),
        norm_layer=nn.BatchNorm2d,
    )


def head_anchors(config: TrainConfig) -> AnchorGenerator:
    """Make anchors in the shape of heads, three sizes per level."""
    strides = strides_of(config)
    sizes = tuple(tuple(size * stride for size in ANCHOR_SIZES) for stride in strides)
    return AnchorGenerator(sizes, ((ANCHOR_RATIO,),) * len(strides))


class Canonical(Detector):
    """The base of torchvision's detectors; subclasses set `model`.

    Attributes:
        model: torchvision's network, in its own convention of inputs and outputs.
        label: the number of the class head.
    """

    model: nn.Module
    label = 0

    def adopt(self, model: nn.Module) -> None:
        """Set the network, and let it take images as they are."""
        model.transform = AsTheyAre()
        self.model = model

    def losses(self, images: Tensor, heads: list[HeadTargets]) -> dict[str, Tensor]:
        """Compute torchvision's losses, the classification's as the configuration says."""
        found: dict[str, Tensor] = self.model(list(images), [self._target(one) for one in heads])
        return found

    def find(self, images: Tensor) -> list[Found]:
        """Find heads by NMS, without a cap that matters."""
        return [Found(one["boxes"], one["scores"]) for one in self.model(list(images))]

    def _target(self, heads: HeadTargets) -> Target:
        labels = torch.full((len(heads.boxes),), self.label, device=heads.boxes.device)
        return {"boxes": heads.boxes.float(), "ignored": heads.ignored.float(), "labels": labels}


@dataclass
class Matched:
    """What each anchor or location of an image is to learn, (A,) each.

    Attributes:
        head: number of its head, `BACKGROUND`, or `NO_LOSS`.
        near: heat of heads around, for negatives; 0 to 1.
        heat: of positives: the Gaussian of their own head, 1 at its best one.
        area: whether a location lies in the ellipse of a head of its level.
        area_heat: there, the largest Gaussian of such heads, each 1 at its best location.
    """

    head: Tensor
    near: Tensor
    heat: Tensor
    area: Tensor | None = None
    area_heat: Tensor | None = None


def chunks_of(heads: int, anchors: int) -> Iterator[slice]:
    """Cut heads into parts of about `PAIRS` pairs each."""
    step = max(PAIRS // max(anchors, 1), 1)
    return (slice(first, min(first + step, heads)) for first in range(0, heads, step))


def centres_of(boxes: Tensor) -> Tensor:
    """Return (N, 2) centres of (N, 4) corners."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def gaussians(points: Tensor, boxes: Tensor) -> Tensor:
    """Evaluate heads' Gaussians, (N, A): sigma a quarter of the side, half a cell at least."""
    sigma = ((boxes[:, 2:] - boxes[:, :2]) / 4).clamp(min=FINEST / 2)
    away = (points[None] - centres_of(boxes)[:, None]) / sigma[:, None]
    return torch.exp(-(away**2).sum(dim=2) / 2)


def own_heat(head: Tensor, points: Tensor, boxes: Tensor) -> Tensor:
    """Return at matched points their head's Gaussian, divided by that head's largest; else 0."""
    if len(boxes) == 0:
        return torch.zeros(len(points), device=points.device)
    held = head >= 0
    at = torch.where(held, head, len(boxes))  # the rest is nobody's: picking them waits for a GPU
    mine = boxes[head.clamp(min=0)]
    sigma = ((mine[:, 2:] - mine[:, :2]) / 4).clamp(min=FINEST / 2)
    away = (points - centres_of(mine)) / sigma
    # Over the largest one, taken from the exponent: far anchors would be 0 over 0.
    exponent = -(away**2).sum(dim=1) / 2
    best = torch.full((len(boxes) + 1,), -torch.inf, device=points.device)
    best.scatter_reduce_(0, at, exponent, "amax")
    return torch.where(held, torch.exp(exponent - best[at]), 0.0)


def without_ignored(head: Tensor, points: Tensor, ignored: Tensor) -> Tensor:
    """Return heads' numbers, (A,): without a loss where background lies on an ignored head."""
    inside = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    for part in chunks_of(len(ignored), len(points)):
        inside |= in_ellipses(points, ignored[part]).any(dim=0)
    return torch.where((head == BACKGROUND) & inside, NO_LOSS, head)


def in_ellipses(points: Tensor, boxes: Tensor) -> Tensor:
    """Return which points, (A, 2), lie in the ellipses inscribed in boxes: (N, A)."""
    semi = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=FINEST / 2)
    away = (points[None] - centres_of(boxes)[:, None]) / semi[:, None]
    return (away**2).sum(dim=2) <= 1


def match_anchors(
    anchors: Tensor, target: Target, high: float, low: float, *, each_its_best: bool, heated: bool
) -> Matched:
    """Match anchors to heads by IoU, as torchvision's `Matcher` does, in chunks.

    Args:
        anchors: (A, 4).
        target: an image's boxes, labels and ignored boxes.
        high: from which IoU on an anchor is a head's.
        low: below which it is background; in between it has no loss.
        each_its_best: whether the anchors that overlap a head most are positive in any case.
        heated: whether heat is wanted.
    """
    boxes = target["boxes"]
    points = centres_of(anchors)
    best = torch.zeros(len(anchors), device=anchors.device)
    owner = torch.zeros(len(anchors), dtype=torch.int64, device=anchors.device)
    forced = torch.zeros(len(anchors), dtype=torch.bool, device=anchors.device)
    near = torch.zeros(len(anchors), device=anchors.device)
    for part in chunks_of(len(boxes), len(anchors)):
        iou = box_iou(boxes[part], anchors)
        value, index = iou.max(dim=0)
        better = value > best
        owner = torch.where(better, index + part.start, owner)
        best = torch.maximum(best, value)
        if each_its_best:
            most = iou.max(dim=1).values[:, None]
            forced |= ((iou == most) & (most > 0)).any(dim=0)
        if heated:
            near = torch.maximum(near, (gaussians(points, boxes[part]) * iou).amax(dim=0))
    head = torch.where(best >= high, owner, NO_LOSS)
    head = torch.where(best < low, BACKGROUND, head)
    head = torch.where(forced, owner, head)
    head = without_ignored(head, points, target["ignored"])
    heat = own_heat(head, points, boxes) if heated else near
    return Matched(head, near, heat)


def match_images(
    matcher: Matcher, anchors: list[Tensor], targets: list[Target], *, heated: bool
) -> list[Matched]:
    """Match each image's anchors with a torchvision matcher's thresholds."""
    return [
        match_anchors(
            boxes,
            target,
            matcher.high_threshold,
            matcher.low_threshold,
            each_its_best=matcher.allow_low_quality_matches,
            heated=heated,
        )
        for boxes, target in zip(anchors, targets, strict=True)
    ]


def weighted_loss(
    config: TrainConfig,
    logits: Tensor,
    found: list[Matched],
    own_loss: tuple[HeatLoss, ...] = (),
    *,
    balance: float | None = None,
    per_image: bool = False,
) -> Tensor:
    """Compute the classification loss of locations or anchors.

    Args:
        config: names the loss.
        logits: (B, A) of the class head.
        found: what each image's anchors are to learn.
        own_loss: what replaces it, if anything.
        balance: weight of positives beside negatives, as torchvision's focal loss has it.
        per_image: whether it is divided image by image, and the mean is taken.

    Returns:
        A scalar: Mask Focal Loss; with the losses "native" and "focal" on binary heat, with
        "binary" and "mfl-area" on whole heads instead of the matcher's positives.
    """
    head = torch.stack([one.head for one in found])
    valid, positive = head != NO_LOSS, head >= 0
    if config.loss in AREAS:
        areas = torch.stack([_known(one.area) for one in found])
        mask = areas | positive
        if config.loss == "binary":
            heat = mask.float()
        else:
            area_heat = torch.stack([_known(one.area_heat) for one in found])
            own = torch.stack([one.heat for one in found])
            near = torch.stack([one.near for one in found])
            heat = torch.where(mask, torch.maximum(area_heat, own), near)
        valid = valid | mask
    else:
        mask = positive
        heat = mask.float()
        if config.loss in HEATED:
            own = torch.stack([one.heat for one in found])
            near = torch.stack([one.near for one in found])
            heat = torch.where(positive, own, near)
    if own_loss:
        return own_loss[0](logits, heat, mask, valid=valid, owner=_numbered(head, found))
    options = config.loss_options
    per_head = options["normalise"] == "per-head"
    values = (logits, heat, mask, valid, _numbered(head, found) if per_head else head)
    parts = [
        mask_focal_loss(x, y, m, **options, balance=balance, valid=v, owner=o)
        for x, y, m, v, o in (zip(*values, strict=True) if per_image else [values])
    ]
    return torch.stack(parts).mean()


def _known(values: Tensor | None) -> Tensor:
    assert values is not None
    return values


def _numbered(head: Tensor, found: list[Matched]) -> Tensor:
    """Number the heads through the batch; -1 for background."""
    counts = [int(one.head.max()) + 1 if len(one.head) else 0 for one in found]
    first = torch.tensor([0, *counts[:-1]], device=head.device).cumsum(0)
    return torch.where(head >= 0, head + first[:, None], -1)
