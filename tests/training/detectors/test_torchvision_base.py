"""torchvision's detectors: what is ours is matching and weights, all else is theirs, bit for bit."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torchvision
from helpers import but_slow
from torch import Tensor, nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection._utils import Matcher
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.fcos import FCOSHead
from torchvision.models.detection.retinanet import RetinaNetHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import MultiScaleRoIAlign, box_iou, sigmoid_focal_loss
from training_helpers import make_heads, random_heads

from gtahead.detectors import DETECTORS
from gtahead.errors import UsageError
from gtahead.torch.targets import HeadTargets
from gtahead.training import make_config
from gtahead.training.config import BACKBONES, TrainConfig, config_of
from gtahead.training.detectors import Detector, make_detector, torchvision_base
from gtahead.training.detectors.fcos import match_locations
from gtahead.training.detectors.torchvision_base import (
    BACKGROUND,
    NO_LOSS,
    AsTheyAre,
    centres_of,
    head_anchors,
    match_anchors,
    pyramid,
)

CANONICAL = ("fcos", "retinanet", "fasterrcnn")
ARMS = [(name, loss) for name in CANONICAL for loss in DETECTORS[name].losses]


def small(detector: str, loss: str = "native", **settings: object) -> TrainConfig:
    return make_config(
        detector=detector, loss=loss, channels=32, convolutions=1, coarsest=16, **settings
    )


def _torchvisions(config: TrainConfig) -> nn.Module:
    """Build the same network of torchvision's own classes alone."""
    backbone = pyramid(config)
    model: nn.Module
    if config.detector == "fcos":
        squares = AnchorGenerator(((4,), (8,), (16,)), ((1.0,),) * 3)
        model = FCOS(backbone, 1, anchor_generator=squares, head=FCOSHead(32, 1, 1, num_convs=1))
    elif config.detector == "retinanet":
        head = RetinaNetHead(32, 3, 1, partial(nn.GroupNorm, 32))
        for branch in (head.classification_head, head.regression_head):
            branch.conv = branch.conv[:1]
        model = RetinaNet(backbone, 1, anchor_generator=head_anchors(config), head=head)
    else:
        model = FasterRCNN(
            backbone,
            rpn_anchor_generator=head_anchors(config),
            rpn_head=RPNHead(32, 3),
            box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 7, 2),
            box_head=TwoMLPHead(32 * 49, 256),
            box_predictor=FastRCNNPredictor(256, 2),
        )
    model.transform = AsTheyAre()
    return model


def _spread_heads(count: int, seed: int, size: tuple[int, int] = (160, 128)) -> HeadTargets:
    """Spread heads whose areas are more than 8 px apart: torchvision's FCOS takes others for one."""
    heads = random_heads(count, seed, size)
    sides = torch.sqrt(10.0 * torch.arange(2, count + 2))[torch.randperm(count)]
    centre = centres_of(heads.boxes)
    half = torch.stack([sides, 1.25 * sides], dim=1) / 2
    boxes = torch.cat([centre - half, centre + half], dim=1)
    return HeadTargets(boxes, heads.ignored, 2 * half / 4)


@pytest.mark.parametrize("detector", but_slow(CANONICAL[:1], *CANONICAL[1:]))
def test_native_is_torchvisions_loss_bit_for_bit(
    detector: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision_base, "PAIRS", 20_000)  # several chunks
    torch.manual_seed(0)
    ours = make_detector(small(detector))
    theirs = _torchvisions(ours.config)
    theirs.load_state_dict(ours.model.state_dict())  # type: ignore[union-attr]
    images = torch.randn(3, 3, 128, 160)
    heads = [_spread_heads(40, 1), _spread_heads(7, 2), make_heads([])]
    targets = [
        {"boxes": one.boxes, "labels": torch.full((len(one.boxes),), int(detector == "fasterrcnn"))}
        for one in heads
    ]
    torch.manual_seed(1)
    mine = ours.losses(images, heads)
    torch.manual_seed(1)
    expected = theirs(list(images), targets)
    assert mine.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(mine[name], value), name
    grads = [
        torch.autograd.grad(torch.stack(list(losses.values())).sum(), list(model.parameters()))
        for losses, model in ((mine, ours), (expected, theirs))
    ]
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("detector", but_slow(CANONICAL[:1], *CANONICAL[1:]))
def test_arms_differ_in_the_class_loss_alone(detector: str) -> None:
    images = torch.randn(2, 3, 128, 160)
    heads = [_spread_heads(30, 3), make_heads([[10, 10, 40, 50]], [[60, 60, 90, 90]])]
    reported = {}
    for loss in DETECTORS[detector].losses:
        torch.manual_seed(5)
        network = make_detector(small(detector, loss))
        torch.manual_seed(6)
        reported[loss] = network.losses(images, heads)
    of_class = "loss_objectness" if detector == "fasterrcnn" else "classification"
    for loss, parts in reported.items():
        for name, value in parts.items():
            if name == of_class:
                assert loss == "native" or value != reported["native"][name]
            else:
                assert torch.equal(value, reported["native"][name]), (loss, name)
    assert len({parts[of_class].item() for parts in reported.values()}) == len(reported)


@pytest.mark.parametrize("best", but_slow([True], False))
def test_anchors_are_matched_as_torchvision_does(
    best: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision_base, "PAIRS", 5_000)
    torch.manual_seed(0)
    heads = random_heads(60, 4)
    corners = torch.rand(500, 2) * 100
    anchors = torch.cat([corners, corners + 4 + 26 * torch.rand(500, 2)], dim=1)
    target = {"boxes": heads.boxes, "ignored": heads.ignored}
    found = match_anchors(anchors, target, 0.5, 0.4, each_its_best=best, heated=True)
    expected = Matcher(0.5, 0.4, best)(box_iou(heads.boxes, anchors))
    assert torch.equal(found.head, expected)
    # Heat by the definition, in plain loops.
    iou = box_iou(heads.boxes, anchors)
    points, centre = centres_of(anchors), centres_of(heads.boxes)
    sigma = ((heads.boxes[:, 2:] - heads.boxes[:, :2]) / 4).clamp(min=2.0)
    near = torch.zeros(500)
    own = torch.zeros(60, 500)
    for head in range(60):
        for anchor in range(500):
            away = (points[anchor] - centre[head]) / sigma[head]
            own[head, anchor] = torch.exp(-(away**2).sum() / 2)
            near[anchor] = max(near[anchor], own[head, anchor] * iou[head, anchor])
    torch.testing.assert_close(found.near, near, rtol=1e-5, atol=1e-7)
    for head in range(60):
        mine = found.head == head
        if mine.any():
            assert found.heat[mine].max() == 1
            shares = own[head, mine] / own[head, mine].max()
            torch.testing.assert_close(found.heat[mine], shares, rtol=1e-4, atol=1e-6)
    assert (found.heat[found.head < 0] == 0).all()


def _locations(size: int = 64) -> tuple[Tensor, list[int]]:
    positions, counts = [], []
    for stride in (4, 8):
        steps = torch.arange(size // stride) * float(stride)
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        centre = torch.stack([x.flatten(), y.flatten()], dim=1)
        positions.append(torch.cat([centre - stride / 2, centre + stride / 2], dim=1))
        counts.append(len(centre))
    return torch.cat(positions), counts


def test_locations_ties_areas_and_ignored() -> None:
    positions, counts = _locations()
    # Twins: the first of equals has the locations. A long one is learned at the coarser level.
    boxes = torch.tensor([[8.0, 8, 24, 28], [8.0, 8, 24, 28], [0.0, 0, 70, 63]])
    ignored = torch.tensor([[40.0, 40, 56, 56]])
    target = {"boxes": boxes, "ignored": ignored}
    found = match_locations(positions, target, counts, 1.5, heated=True)
    fine, coarse = found.head.split(counts)
    assert set(fine.tolist()) == {0, BACKGROUND, NO_LOSS}
    assert set(coarse.tolist()) <= {0, 2, BACKGROUND, NO_LOSS}
    assert 2 in coarse.tolist()
    points = centres_of(positions)
    here = ((points - 48) ** 2).sum(dim=1) <= 64
    assert ((found.head == NO_LOSS) == (here & (found.head < 0))).all()
    assert found.area is not None
    assert found.area_heat is not None
    in_first = (((points - torch.tensor([16.0, 18.0])) / torch.tensor([8.0, 10.0])) ** 2).sum(
        1
    ) <= 1
    level = torch.arange(len(positions)) < counts[0]
    assert (found.area[level] == in_first[level]).all()
    assert found.heat[fine.nonzero()[0]] >= 0
    for head in (0, 2):
        assert found.heat[found.head == head].max() == 1
    assert found.area_heat.max() == 1


@pytest.mark.parametrize(
    ("detector", "loss"), but_slow(ARMS[::4], *[one for one in ARMS if one not in ARMS[::4]])
)
def test_batches_without_heads_and_with_many(detector: str, loss: str) -> None:
    network = make_detector(small(detector, loss))
    many = random_heads(300, 1, (128, 128))
    for heads in ([make_heads([]), make_heads([], [[3, 3, 30, 30]])], [many, many]):
        parts = network.losses(torch.randn(2, 3, 128, 128), heads)
        total = torch.stack(list(parts.values())).sum()
        total.backward()
        assert torch.isfinite(total)
        for value in network.parameters():
            assert value.grad is None or torch.isfinite(value.grad).all()


@pytest.mark.parametrize("normalise", ["centres", "per-head"])
@pytest.mark.parametrize("detector", CANONICAL)
def test_normalisers(detector: str, normalise: str) -> None:
    network = make_detector(small(detector, "mfl", normalise=normalise))
    parts = network.losses(
        torch.randn(2, 3, 64, 64), [random_heads(9, 1, (64, 64)), make_heads([])]
    )
    assert all(torch.isfinite(value) for value in parts.values())


@pytest.mark.parametrize("detector", ["fcos", "retinanet"])
def test_ignored_heads_have_no_loss(detector: str) -> None:
    """What the network says of an ignored head changes nothing."""
    torch.manual_seed(0)
    network = make_detector(small(detector, "native"))
    ignored = make_heads([[10, 10, 30, 34]], [[60, 60, 92, 100]])
    parts = {}
    for heads in (ignored, make_heads([[10, 10, 30, 34]])):
        parts[len(heads.ignored)] = network.losses(torch.zeros(1, 3, 128, 128), [heads])
    assert parts[1]["classification"] < parts[0]["classification"]


@pytest.mark.parametrize("per_image", [False, True])
def test_with_binary_heat_the_weighted_loss_is_torchvisions(per_image: bool) -> None:
    """So what is compared with it differs in the heat alone, in no balance and no divisor."""
    torch.manual_seed(0)
    logits = torch.randn(3, 50)
    found = [
        torchvision_base.Matched(head, torch.zeros(50), torch.zeros(50))
        for head in (
            torch.randint(-2, 4, (50,)),
            torch.randint(-2, 2, (50,)),
            torch.full((50,), -1),
        )
    ]
    parts = [
        (sigmoid_focal_loss(x, (one.head >= 0).float())[one.head != NO_LOSS], one.head >= 0)
        for x, one in zip(logits, found, strict=True)
    ]
    if per_image:
        shares = [loss.sum() / positive.sum().clamp(min=1) for loss, positive in parts]
        expected = torch.stack(shares).mean()
    else:
        positives = torch.stack([positive.sum() for _, positive in parts]).sum()
        expected = torch.stack([loss.sum() for loss, _ in parts]).sum() / positives
    mine = torchvision_base.weighted_loss(
        small("fcos"), logits, found, balance=0.25, per_image=per_image
    )
    torch.testing.assert_close(mine, expected)


@pytest.mark.parametrize("detector", ["fcos", "retinanet"])
def test_ignored_heads_have_no_loss_and_change_no_other(detector: str) -> None:
    """Far from all anchors that count, they leave torchvision's loss as it is."""
    torch.manual_seed(0)
    network = make_detector(small(detector, "native"))
    images = torch.randn(2, 3, 128, 128)
    heads = [make_heads([[10, 10, 30, 34]]), random_heads(5, 2, (60, 60))]
    plain = network.losses(images, heads)
    speck = torch.tensor([[500.0, 500, 540, 540]])  # beyond the image: no anchor is on it
    same = network.losses(images, [HeadTargets(h.boxes, speck, h.sigmas) for h in heads])
    for name, value in plain.items():
        torch.testing.assert_close(same[name], value)


def test_fcos_takes_whole_boxes_on_request() -> None:
    """As its first version did: all locations inside a box, not those near its centre alone."""
    squares = AnchorGenerator(((4,),), ((1.0,),)).grid_anchors([(16, 16)], [(4, 4)])[0]
    target = {"boxes": torch.tensor([[8.0, 8, 40, 48]]), "ignored": torch.empty(0, 4)}
    found = [
        int((match_locations(squares, target, [256], radius, heated=False).head == 0).sum())
        for radius in (1.5, float("inf"))
    ]
    assert found == [9, 7 * 9]  # 3 x 3 around the centre; all whose points lie inside
    network = make_detector(make_config(detector="fcos", centre_radius="inf"))
    assert network.model.center_sampling_radius == float("inf")  # type: ignore[union-attr]
    assert network.config.as_dict()["centre_radius"] == "inf"  # JSON has no infinity
    assert config_of(network.config.as_dict()) == network.config
    with pytest.raises(UsageError, match="centre_radius must be above 0"):
        make_config(detector="fcos", centre_radius=0)


@pytest.mark.parametrize("detector", [*CANONICAL, "density"])
def test_three_steps(detector: str) -> None:
    torch.manual_seed(0)
    config = make_config(detector=detector, channels=32, convolutions=1, coarsest=16)
    network = make_detector(config)
    assert config.inside == (1.0 if detector == "density" else 0.0)
    images = torch.randn(2, 3, 96, 96)
    heads = [random_heads(6, 1, (96, 96)), random_heads(4, 2, (96, 96))]
    _three_steps(network, images, heads)
    network.eval()
    with torch.no_grad():
        found = network.find(images)
    assert len(found) == 2
    for one in found:
        assert torch.isfinite(one.boxes).all()
        assert one.boxes.shape == (len(one.scores), 4)


def _three_steps(network: Detector, images: Tensor, heads: list[HeadTargets]) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)
    before = {name: value.clone() for name, value in network.named_parameters()}
    totals = []
    for _ in range(4):
        torch.manual_seed(0)  # the same samples for the same loss
        total = torch.stack(list(network.losses(images, heads).values())).sum()
        optimiser.zero_grad()
        total.backward()
        assert all(torch.isfinite(value.grad).all() for value in network.parameters()
                   if value.grad is not None)  # fmt: skip
        optimiser.step()
        totals.append(total.item())
    assert totals[3] < totals[0]
    still = [n for n, value in network.named_parameters() if torch.equal(before[n], value)]
    assert still == []


def test_what_a_detector_cannot_have() -> None:
    with pytest.raises(UsageError, match=r"retinanet has no such loss \(got 'binary'\); one of"):
        make_config(detector="retinanet", loss="binary")
    with pytest.raises(UsageError, match="density has no such loss"):
        make_config(detector="density", loss="mfl")
    with pytest.raises(UsageError, match="binary of fcos can't be normalised per head"):
        make_config(detector="fcos", loss="binary", normalise="per-head")
    with pytest.raises(UsageError, match="channels in a multiple of 32"):
        make_config(detector="retinanet", channels=48)
    with pytest.raises(UsageError, match="works at stride 4"):
        make_config(detector="fcos", stride=2)


def test_the_backbones_are_torchvisions() -> None:
    names = {
        name
        for name in torchvision.models.list_models(module=torchvision.models)
        if name.startswith(("resnet", "resnext", "wide_resnet"))
    }
    assert names == set(BACKBONES)
