"""Datasets for PyTorch: what they give, how transforms move it, and two loops that learn."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from helpers import but_slow
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

import gtahead
from gtahead import Dataset, InputError, UsageError
from gtahead.metrics import CrowdMetric as PlainMetric
from gtahead.torch import (
    CrowdDataset,
    CrowdMetric,
    DropHeadsOutside,
    HeadDataset,
    collate,
    make_targets,
)


def test_an_item_is_as_torchvisions_detection_datasets_give_it(tiny_dataset: Path) -> None:
    opened = Dataset.open(tiny_dataset)
    dataset = HeadDataset(opened)
    assert len(dataset) == 56
    assert repr(dataset).startswith("HeadDataset(Dataset(")
    densest = int(np.argmax([frame.count for frame in opened]))
    frame, (image, target) = opened[densest], dataset[densest]
    assert isinstance(image, tv_tensors.Image)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), frame.image())
    assert set(target) == {"boxes", "labels", "points", "ignored", "area", "image_id"}
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
    assert target["boxes"].shape == (frame.count, 4)
    assert target["boxes"].canvas_size == frame.size_wh[::-1]
    assert target["image_id"] == densest
    assert target["labels"].unique().tolist() == [1]
    assert len(target["ignored"]) == int((frame.status == "ignored").sum())
    assert np.allclose(target["points"].numpy(), frame.points_xy[frame.counted], atol=1e-4)
    width, height = frame.size_wh
    cut = target["boxes"].as_subclass(torch.Tensor)
    assert (cut >= 0).all()
    assert (cut[:, [0, 2]] <= width).all()
    assert (cut[:, [1, 3]] <= height).all()
    sides = cut[:, 2:] - cut[:, :2]
    assert torch.allclose(target["area"], sides.prod(dim=1))
    assert dataset[-1][1]["image_id"] == 55
    with pytest.raises(IndexError):
        dataset[56]
    empty = int(np.flatnonzero([frame.count == 0 for frame in opened])[0])
    assert dataset[empty][1]["boxes"].shape == (0, 4)
    assert len(HeadDataset(str(tiny_dataset))) == 56


def test_transforms_move_boxes_and_points_together(tiny_dataset: Path) -> None:
    move = v2.Compose(
        [v2.RandomHorizontalFlip(1.0), v2.Resize((180, 320)), v2.RandomCrop((96, 128))]
    )
    torch.manual_seed(0)
    dropping = v2.Compose([move, DropHeadsOutside()])
    for number in range(0, 56, 5):
        image, target = HeadDataset(tiny_dataset, dropping)[number]
        assert image.shape == (3, 96, 128)
        boxes, points = (target[n].as_subclass(torch.Tensor) for n in ("boxes", "points"))
        assert len(boxes) == len(points) == len(target["labels"]) == len(target["area"])
        assert ((points >= 0) & (points < torch.tensor([128, 96]))).all()
        assert (points >= boxes[:, :2] - 1e-3).all()
        assert (points <= boxes[:, 2:] + 1e-3).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 1).all()
    smaller = HeadDataset(tiny_dataset, v2.Resize((90, 160)))[3][1]
    corners = smaller["boxes"].as_subclass(torch.Tensor)
    assert torch.allclose(smaller["area"], (corners[:, 2:] - corners[:, :2]).prod(dim=1))
    other = v2.Compose([v2.ConvertBoundingBoxFormat("XYWH"), DropHeadsOutside()])
    with pytest.raises(ValueError, match="takes boxes as XYXY"):
        HeadDataset(tiny_dataset, other)[3]
    whole = HeadDataset(tiny_dataset)[3][1]
    assert isinstance(whole["points"], tv_tensors.KeyPoints)
    flipped = HeadDataset(tiny_dataset, v2.RandomHorizontalFlip(1.0))[3][1]
    assert torch.allclose(
        640 - flipped["points"][:, 0], whole["points"][:, 0].as_subclass(torch.Tensor)
    )


def test_heads_without_boxes_are_named(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Dataset.open(tiny_dataset)
    frame = next(frame for frame in opened if frame.count)
    boxes = np.full_like(frame.boxes_xyxy, np.nan)
    monkeypatch.setattr(Dataset, "_at", lambda self, at: replace(frame, boxes_xyxy=boxes))
    with pytest.raises(InputError, match=f"{frame.frame_id}: a head that counts has no box"):
        HeadDataset(opened)[opened.frame_ids.index(frame.frame_id)]


def test_maps_follow_the_transforms(tiny_dataset: Path) -> None:
    opened = Dataset.open(tiny_dataset)
    densest = int(np.argmax([frame.count for frame in opened]))
    frame = opened[densest]
    image, target = CrowdDataset(opened, stride=8, maps=("density", "heatmap", "mask"))[densest]
    assert image.shape == (3, *frame.size_wh[::-1])
    shape = (1, -(-frame.size_wh[1] // 8), -(-frame.size_wh[0] // 8))
    assert {target[name].shape for name in ("density", "heatmap", "mask")} == {shape}
    assert float(target["density"].sum()) == pytest.approx(frame.count, rel=1e-4)
    assert float(target["count"]) == frame.count
    assert np.allclose(target["density"][0].numpy(), frame.density(8), atol=1e-5)
    assert np.allclose(target["heatmap"][0].numpy(), frame.heatmap(8), atol=1e-5)
    assert target["mask"].dtype == torch.bool
    assert target["mask"].any()
    half = v2.Compose([v2.Resize((frame.size_wh[1] // 2, frame.size_wh[0] // 2))])
    small = CrowdDataset(opened, stride=4, transforms=half)[densest][1]
    assert small["density"].shape == shape
    # Halved images at half the stride: the same maps, but for the last bits.
    assert np.allclose(small["density"], target["density"], atol=2e-3)
    torch.manual_seed(1)
    crop = CrowdDataset(opened, stride=4, transforms=v2.RandomCrop((64, 96)))[densest][1]
    assert float(crop["density"].sum()) == pytest.approx(float(crop["count"]), rel=1e-4)
    assert 0 < float(crop["count"]) < frame.count
    with pytest.raises(UsageError, match="no such map"):
        CrowdDataset(opened, maps=("depth",))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="stride is below 1"):
        CrowdDataset(opened, stride=0)


def test_a_crop_keeps_exactly_the_heads_that_are_in_it(tiny_dataset: Path) -> None:
    opened = Dataset.open(tiny_dataset)
    densest = int(np.argmax([frame.count for frame in opened]))
    points = opened[densest].points_xy[opened[densest].counted]
    # One head lies just outside, and most of its kernel inside.
    left, top = (int(np.sort(points[:, n])[len(points) // 3]) + 1 for n in (0, 1))
    corner = np.array([left, top])
    inside = points[((points >= corner) & (points < corner + [128, 96])).all(axis=1)] - corner
    assert 0 < len(inside) < len(points)

    def crop(image: Any, target: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        def cut(value: Any) -> Any:
            return v2.functional.crop(value, top, left, 96, 128)

        moved = {n: cut(v) if isinstance(v, tv_tensors.TVTensor) else v for n, v in target.items()}
        return cut(image), moved

    target = CrowdDataset(opened, 4, ("density", "heatmap"), crop)[densest][1]
    assert float(target["count"]) == len(inside)
    cells = {(int(y // 4), int(x // 4)) for x, y in inside}
    peaks = (target["heatmap"][0] == 1).nonzero().tolist()
    assert {tuple(cell) for cell in peaks} == cells
    kept = HeadDataset(opened, lambda *both: DropHeadsOutside()(*crop(*both)))[densest][1]
    assert np.allclose(kept["points"].numpy(), inside, atol=1e-3)


def test_targets_of_one_image() -> None:
    points = [[8.0, 8.0], [40.0, 24.0], [-5.0, 3.0]]
    boxes = [[4, 4, 12, 12], [30, 14, 50, 34], [-9, 0, -1, 6]]
    found = make_targets(points, boxes, (64, 48), 4)
    assert found["heat"].shape == (12, 16)
    assert found["heat"][2, 2] == found["heat"][6, 10] == 1
    assert found["owner"][2, 2] == 0
    assert found["owner"][6, 10] == 1
    assert not found["mask"][0, 0]
    assert found["size"][:, 6, 10].exp().tolist() == pytest.approx([5, 5])
    assert set(found["owner"].unique().tolist()) <= {-1, 0, 1}
    nothing = make_targets(np.empty((0, 2)), np.empty((0, 4)), (64, 48), 4)
    assert nothing["heat"].sum() == 0
    assert (nothing["owner"] == -1).all()
    with pytest.raises(ValueError, match="1 points and 2 boxes"):
        make_targets([[1, 1]], [[0, 0, 2, 2]] * 2, (9, 9), 1)
    for points, boxes, stride, said in (
        ([[np.nan, 1]], [[0, 0, 2, 2]], 1, "points aren't all finite"),
        ([[1, 1]], [[0, 0, 2]], 1, "boxes have the shape"),
        ([[1, 1]], [[0, 0, 2, 2]], 0, "a stride of 0"),
    ):
        with pytest.raises(ValueError, match=said):
            make_targets(points, boxes, (9, 9), stride)


@pytest.mark.parametrize("begun", but_slow(["fork"], "spawn"))
def test_workers_get_the_same(tiny_dataset: Path, begun: str) -> None:
    dataset = HeadDataset(Dataset.open(tiny_dataset)[:6])
    dataset[0]  # what is cached stays here
    packed = pickle.dumps(dataset)
    assert len(packed) < 100_000
    loader = DataLoader(
        pickle.loads(packed), 2, num_workers=1, collate_fn=collate, multiprocessing_context=begun
    )
    batches = list(loader)
    assert [target["image_id"] for _, targets in batches for target in targets] == list(range(6))
    assert torch.equal(batches[1][0][0], dataset[2][0])
    for number, target in enumerate(target for _, targets in batches for target in targets):
        here = dataset[number][1]
        assert {name: type(value) for name, value in target.items()} == {
            name: type(value) for name, value in here.items()
        }
        for name in set(here) - {"image_id"}:
            assert torch.equal(target[name], here[name]), name
            assert target[name].dtype == here[name].dtype


def _row(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 9))
    corner = rng.uniform(0, 90, (count, 2))
    true = torch.tensor(np.concatenate([corner, corner + 9], axis=1))
    found = true[1:] + 1
    return (
        {"boxes": found, "scores": torch.tensor(rng.random(len(found)))},
        {"boxes": true, "ignored": torch.empty(0, 4), "size_wh": (100, 100)},
    )


def test_the_metric_of_torchmetrics() -> None:
    pytest.importorskip("torchmetrics")
    mine, plain, parts = CrowdMetric(0.3), PlainMetric(0.3), [CrowdMetric(0.3), CrowdMetric(0.3)]
    for seed in range(12):
        pred, target = _row(seed)
        for metric in (mine, plain, parts[seed % 2]):
            metric.update([pred], [target])
    wanted = plain.compute()
    got = {name: float(value) for name, value in mine.compute().items()}
    assert got == wanted
    assert {"mae", "game1", "ap"} <= set(got)
    # As processes gather it: one vector after the other.
    gathered = CrowdMetric(0.3)
    gathered.rows = [torch.cat(part.rows) for part in parts]
    assert {name: float(value) for name, value in gathered.compute().items()} == pytest.approx(
        wanted, rel=1e-12
    )
    mine.reset()
    with pytest.raises(ValueError, match="no images yet"):
        mine.compute()
    boxes = tv_tensors.BoundingBoxes(
        torch.tensor([[1.0, 1, 9, 9]]), format="XYXY", canvas_size=(20, 30)
    )
    mine.update([{"boxes": boxes, "scores": torch.ones(1)}], [{"boxes": boxes}])
    assert float(mine.compute()["game1"]) == 0  # the size is known by the boxes


@pytest.fixture
def small(small_set: Path) -> Dataset:
    """Frames of small images with large heads."""
    return Dataset.open(small_set).filter(lambda frame: frame.count > 2)


def test_torchvisions_detectors_learn_from_it(small: Dataset) -> None:
    torch.manual_seed(0)
    model = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_fpn(
        weights=None, weights_backbone=None, num_classes=2, min_size=96, max_size=128
    )
    to_float = v2.ToDtype(torch.float32, scale=True)
    some = torch.utils.data.Subset(HeadDataset(small, to_float), range(8))
    loader = DataLoader(some, 2, collate_fn=collate)
    optimiser = torch.optim.SGD(model.parameters(), 0.02, momentum=0.9)
    losses = []
    for _ in range(2):
        for images, targets in loader:
            loss = sum(model(images, targets).values())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss))
    assert np.isfinite(losses).all()
    assert np.mean(losses[-4:]) < np.mean(losses[:4])


def test_a_regressor_of_density_learns_from_it(small: Dataset) -> None:
    torch.manual_seed(0)
    layers = [torch.nn.Conv2d(3, 16, 5, 4, 2), torch.nn.ReLU(), torch.nn.Conv2d(16, 16, 3, 2, 1)]
    net = torch.nn.Sequential(*layers, torch.nn.ReLU(), torch.nn.Conv2d(16, 1, 3, 1, 1))
    loader = DataLoader(
        CrowdDataset(small, stride=8, transforms=v2.ToDtype(torch.float32, scale=True)), 4
    )
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    losses = []
    for _ in range(25):
        for images, targets in loader:
            loss = ((net(images) - targets["density"]) ** 2).sum(dim=(1, 2, 3)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss))
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])


def test_formats_of_boxes_change_nothing_but_the_boxes(tiny_dataset: Path) -> None:
    frame = next(frame for frame in Dataset.open(tiny_dataset) if frame.count > 20)
    number = Dataset.open(tiny_dataset).frame_ids.index(frame.frame_id)
    for form in ("XYWH", "CXCYWH"):
        changed = v2.ConvertBoundingBoxFormat(form)
        crowds = CrowdDataset(tiny_dataset, 8, ("density", "mask"))
        _, plain = crowds[number]
        _, found = CrowdDataset(tiny_dataset, 8, ("density", "mask"), transforms=changed)[number]
        assert found["count"] == frame.count
        torch.testing.assert_close(found["density"], plain["density"], atol=1e-6, rtol=1e-5)
        metric = PlainMetric()
        _, given = HeadDataset(tiny_dataset)[number]
        metric.update(
            [{"boxes": given["boxes"]}], [HeadDataset(tiny_dataset, transforms=changed)[number][1]]
        )
        assert metric.compute()["ap50"] == pytest.approx(1)


def test_kernels_turn_with_the_image_and_keep_their_size(tiny_dataset: Path) -> None:
    dataset = Dataset.open(tiny_dataset)
    frame = next(frame for frame in dataset if 0 < frame.count < 5)
    number = dataset.frame_ids.index(frame.frame_id)

    def peak(degrees: float) -> float:
        """Return the sum of squares of the map: the wider the kernels, the less it is."""

        def turned(image: Any, target: dict[str, Any]) -> Any:
            return v2.RandomRotation((degrees, degrees), expand=True)(image, target)

        _, target = CrowdDataset(dataset, 1, transforms=turned)[number]
        assert target["count"] == frame.count
        return float((target["density"] ** 2).sum())

    for degrees in (30, 45, 90, 180):
        assert peak(degrees) == pytest.approx(peak(0), rel=0.1), degrees


def test_transforms_that_lose_heads_are_refused(tiny_dataset: Path) -> None:
    for transforms in (v2.RandomIoUCrop(), v2.Compose([v2.ToImage(), v2.RandomIoUCrop()])):
        with pytest.raises(UsageError, match="RandomIoUCrop"):
            HeadDataset(tiny_dataset, transforms=transforms)

    def fewer(image: Any, target: dict[str, Any]) -> Any:
        return image, {**target, "boxes": target["boxes"][:1]}

    def pointless(image: Any, target: dict[str, Any]) -> Any:
        return image, {name: value for name, value in target.items() if name != "points"}

    number = next(n for n, one in enumerate(Dataset.open(tiny_dataset)) if one.count > 1)
    for transforms, said in ((fewer, "1 boxes, "), (pointless, "no points")):
        with pytest.raises(ValueError, match=said):
            HeadDataset(tiny_dataset, transforms=transforms)[number]
    with pytest.raises(TypeError):
        HeadDataset(tiny_dataset)[1.7]  # type: ignore[index]


def test_images_of_pillow_and_drops_of_either_dataset(tiny_dataset: Path) -> None:
    _, target = HeadDataset(tiny_dataset, transforms=v2.ToPILImage())[0]
    assert target["points"].canvas_size == Dataset.open(tiny_dataset)[0].size_wh[::-1]
    _, target = CrowdDataset(tiny_dataset, transforms=DropHeadsOutside())[0]
    assert target["count"] == Dataset.open(tiny_dataset)[0].count


def test_heads_outside_the_image_have_no_box_to_learn(tiny_captures: Path, tmp_path: Path) -> None:
    dataset = gtahead.build(tiny_captures, tmp_path / "all", count_policy="all").open()
    frames = [frame for frame in dataset if frame.count]
    outside = 0
    for number, frame in enumerate(dataset):
        _, target = HeadDataset(dataset)[number]
        boxes = target["boxes"]
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert len(boxes) == len(target["points"]) == len(target["labels"])
        outside += frame.count - len(boxes)
    assert frames
    assert outside > 0
