"""From a dataset to a trained detector, and to what it finds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from helpers import gtahead
from training_helpers import make_heads, random_heads

from gtahead import Dataset, InputError, UsageError, benchmark
from gtahead.detectors import DETECTORS
from gtahead.tiling import tiles_of
from gtahead.training import crops as crops_module
from gtahead.training import inference, make_config, predict, train
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.config import config_of
from gtahead.training.crops import Crops, _coloured, batched, normalised
from gtahead.training.detectors import make_detector
from gtahead.training.fitting import _repeatable
from gtahead.training.inference import InImage, find_heads
from gtahead.training.module import validated
from gtahead.training.wanted import frames_to_learn

FAST = {
    "crop_wh": (128, 128),
    "batch": 4,
    "epochs": 2,
    "epoch_crops": 8,
    "channels": 16,
    "convolutions": 1,
    "coarsest": 8,
    "stride": 4,
    "warmup": 2,
    "learning_rate": 2e-3,
    "ema": 0.9,
}


@pytest.fixture(scope="module")
def run(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two epochs in one go."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    seen = []

    def look(*reported: object) -> None:
        seen.append(torch.are_deterministic_algorithms_enabled())

    assert train(small_set, out, config=make_config(**FAST), on_validated=look).finished
    assert seen == [True] * 2
    assert not torch.are_deterministic_algorithms_enabled()  # nothing of it stays
    return out


def _weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path / "model.pt", weights_only=True)["weights"]
    return found


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_one_and_one_epochs_are_two(
    small_set: Path, run: Path, tmp_path: Path, workers: int
) -> None:
    out = tmp_path / "halves"
    config = make_config(**FAST, workers=workers)
    assert not train(small_set, out, config=config, stop_after=1).finished
    assert train(small_set, out, config=config, resume=True).finished
    last = [torch.load(one / "checkpoints" / "last.ckpt", weights_only=False) for one in (run, out)]
    for kind in ("state_dict", "current_model_state"):
        mine, theirs = last[0][kind], last[1][kind]
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert (run / "metrics.csv").read_bytes() == (out / "metrics.csv").read_bytes()
    first, second = _weights(run), _weights(out)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_says_what_it_was(run: Path) -> None:
    record = json.loads((run / "run.json").read_bytes())
    assert record["format"] == "gtahead-run"
    assert record["state"] == "finished"
    assert record["config"]["crop_wh"] == [128, 128]
    assert record["data"]["train_frames"] > 0
    assert 0 <= record["heads"]["under_two_cells"] < 1
    lines = (run / "metrics.csv").read_text().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("step,epoch,threshold,ap50")


def test_what_is_found_can_be_scored(small_set: Path, run: Path, tmp_path: Path) -> None:
    report = predict(run / "model.pt", small_set, tmp_path / "p.json", split="validation")
    assert report.images == len(Dataset.open(small_set).select(split="validation"))
    score = benchmark(tmp_path / "p.json", small_set, split="validation", intervals=False)
    best = json.loads((run / "run.json").read_bytes())["best"]
    assert score.value["mae"] == pytest.approx(best["mae"])
    assert score.value["ap50"] == pytest.approx(best["ap50"] or 0.0, abs=2e-3)
    assert score.document["threshold"]["selected_on"] == "validation"


def test_the_command_line(small_set: Path, run: Path, tmp_path: Path) -> None:
    images = small_set / "images"
    done = gtahead("predict", run / "model.pt", "--images", images, "--out", tmp_path / "p.jsonl")
    assert done.code == 0
    assert "images" in done.out
    assert (
        gtahead("train", small_set, "--print-config", "--epochs", "3").out.count("epochs = 3") == 1
    )
    done = gtahead("train", small_set, "--set", "epoch=3", "--out", tmp_path / "r")
    assert done.code == 2
    assert "did you mean epochs?" in done.err
    for words in ([], ["--resume"]):
        done = gtahead("train", small_set, "--out", run, *words)
        assert done.code == 2
        assert "holds a run with another channels" in done.err


def test_crops_are_the_same_whether_images_stay_decoded(
    small_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config(**FAST)
    frames = list(Dataset.open(small_set))[:3]
    kept = Crops(frames, config)
    monkeypatch.setattr(crops_module, "KEPT_BYTES", 0)
    read_anew = Crops(frames, config)
    for epoch in range(3):
        for number in range(3):
            one, other = kept[epoch, number], read_anew[epoch, number]
            assert (one[0] == other[0]).all()
            assert torch.equal(one[1].boxes, other[1].boxes)
    assert len(kept._kept) == 3
    assert not read_anew._kept


def test_it_learns_four_images(small_set: Path) -> None:
    torch.manual_seed(0)
    config = make_config(
        **{**FAST, "crop_wh": (64, 64), "colour": 0.0, "flip": False}, scale_low=1.0, scale_high=1.0
    )
    frames = [f for f in Dataset.open(small_set) if f.count >= 2][:4]
    crops = Crops(frames, config)
    detector = make_detector(config)
    optimiser = torch.optim.Adam(detector.parameters(), lr=4e-3)
    batch = batched([crops[0, number] for number in range(4)])
    before = {name: value.clone() for name, value in detector.named_parameters()}
    losses = []
    for _ in range(90):
        optimiser.zero_grad()
        parts = detector.losses(normalised(batch.images), batch.heads)
        total = torch.stack(list(parts.values())).sum()
        total.backward()
        assert all(
            torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None
        )
        optimiser.step()
        losses.append(total.item())
    assert losses[-1] < 0.3 * losses[0]
    assert all((before[name] != value).any() for name, value in detector.named_parameters())
    detector.eval()
    heads = found = hits = 0
    for number, mine in enumerate(batch.heads):
        seen = find_heads(detector, batch.images[number].numpy())
        boxes = seen.boxes_xyxy[seen.scores >= 0.3]
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        true = ((mine.boxes[:, :2] + mine.boxes[:, 2:]) / 2).numpy()
        reach = (mine.boxes[:, 2] - mine.boxes[:, 0]).numpy() / 2
        away = np.hypot(*np.moveaxis(true[:, None] - centres[None], 2, 0)) if len(boxes) else None
        heads, found = heads + len(true), found + len(boxes)
        hits += 0 if away is None else int((away.min(axis=1) <= reach + 1).sum())
    assert 2 * hits / (heads + found) >= 0.8


@pytest.mark.parametrize(
    ("detector", "loss"),
    [(name, loss) for name in ("centernet", "density") for loss in DETECTORS[name].losses],
)
def test_batches_without_heads_and_with_thousands(detector: str, loss: str) -> None:
    network = make_detector(make_config(**FAST, detector=detector, loss=loss))
    for heads in ([make_heads([]), make_heads([], [[3, 3, 30, 30]])], [random_heads(4000, 1)] * 2):
        parts = network.losses(torch.randn(2, 3, 128, 128), heads)
        total = torch.stack(list(parts.values())).sum()
        total.backward()
        assert torch.isfinite(total)
        for value in network.parameters():
            assert value.grad is None or torch.isfinite(value.grad).all()


def test_tiles_cover_everything_once() -> None:
    for size in ((100, 80), (1024, 1024), (1025, 700), (5000, 3000)):
        tiles = tiles_of(size, 1024)
        random = np.random.default_rng(0).uniform(0, 1, (500, 2)) * size
        owners = np.zeros(500, int)
        for tile in tiles:
            left, top, right, bottom = tile.own
            mine = (random >= [left, top]).all(axis=1) & (random < [right, bottom]).all(axis=1)
            assert (random[mine] >= [tile.left, tile.top]).all()
            assert (random[mine] < [tile.right, tile.bottom]).all()
            owners += mine
        assert (owners == 1).all()


def test_heads_on_seams_are_counted_once(
    small_set: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image in four tiles has about the heads that it has in one."""
    trained = read_checkpoint(run / "model.pt")
    frame = max(Dataset.open(small_set), key=lambda one: one.count)
    image = np.tile(frame.image(), (4, 3, 1))
    whole = find_heads(trained.detector, image)
    trained.detector.config = config_of({**trained.detector.config.as_dict(), "tile": 384})
    tiled = find_heads(trained.detector, image)
    least = float(np.sort(whole.scores)[-200])  # it is hardly trained: its own threshold is low
    assert (tiled.scores >= least).sum() == pytest.approx(200, rel=0.05)
    monkeypatch.setattr(inference, "TILES_AT_ONCE", {"cpu": 3})
    at_once = find_heads(trained.detector, image)
    assert len(at_once.scores) == pytest.approx(len(tiled.scores), abs=2)
    surest = slice(0, 50)
    np.testing.assert_allclose(at_once.scores[surest], tiled.scores[surest], atol=1e-4)


@pytest.mark.parametrize("scale", [0.31, 0.75, 1.0, 1.7])
def test_heads_lie_where_their_crop_shows_them(scale: float) -> None:
    """A dot at each head's centre is found, in the scaled crop, at the head's centre."""
    random = np.random.default_rng(3)
    points = random.uniform(8, [392, 292], (40, 2)).round()
    seen = 0
    for number in range(12):
        image = np.zeros((300, 400, 3), np.uint8)
        head = points[number]
        x, y = head.astype(int)
        image[y - 4 : y + 4, x - 4 : x + 4] = 255
        frame = shown_as(image, head)
        config = make_config(
            crop_wh=(128, 96), scale=scale, scale_low=1.0, scale_high=1.0, flip=False, colour=0.0
        )
        cropped, heads, _ = Crops([frame], config)[0, number]
        assert cropped.shape == (96, 128, 3)
        if len(heads.boxes):
            rows, columns = np.nonzero(cropped[..., 0] > 140)
            middle = (heads.boxes[0, :2] + heads.boxes[0, 2:]) / 2
            if 8 < middle[0] < 120 and 8 < middle[1] < 88:
                found = [columns.mean() + 0.5, rows.mean() + 0.5]
                np.testing.assert_allclose(found, middle, atol=0.6)
                sides = heads.boxes[0, 2:] - heads.boxes[0, :2]
                np.testing.assert_allclose(sides, 8 * scale, rtol=0.02)
                seen += 1
    assert seen


def shown_as(image: np.ndarray, point: np.ndarray) -> Any:
    """Return what crops look at of a frame with one head of 8 px."""
    one = np.array([[*(point - 4), *(point + 4)]])
    return SimpleNamespace(
        image=lambda: image,
        size_wh=(image.shape[1], image.shape[0]),
        points_xy=point[None],
        boxes_xyxy=one,
        sigmas_xy=np.full((1, 2), 2.0),
        counted=np.array([True]),
        status=np.array(["counted"]),
        frame_id="a",
    )


def test_faster_rcnn_is_not_slowed_down_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = [make_config(detector=name) for name in ("fasterrcnn", "centernet")]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [_repeatable(config) for config in configs] == ["warn", "warn"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [_repeatable(config) for config in configs] == [False, "warn"]


def test_colours_change_by_their_definition() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    for seed in range(5):
        found = _coloured(image, 0.4, np.random.default_rng(seed))
        brightness, contrast, saturation = 1 + np.random.default_rng(seed).uniform(-0.4, 0.4, 3)
        values = image * brightness
        values = (values - values.mean()) * contrast + values.mean()
        grey = values.mean(axis=2, keepdims=True)
        expected = np.clip((values - grey) * saturation + grey, 0, 255)
        assert np.abs(found - expected).max() < 1
    assert _coloured(image, 0.0, np.random.default_rng(0)) is image


def test_figures_of_perfect_finds(small_set: Path) -> None:
    from gtahead.scoring.ground_truth import open_ground_truth

    ground_truth = open_ground_truth(small_set, "validation")
    found = []
    for image in range(len(ground_truth)):
        rows = ground_truth.by_image.rows(image)
        boxes = ground_truth.boxes_xyxy[rows][~ground_truth.ignored[rows]]
        found.append(InImage(boxes, np.full(len(boxes), 0.9)))
    threshold, reported = validated(ground_truth, found)
    assert threshold is not None
    assert threshold <= 0.9
    assert reported["mae"] == 0
    assert reported["ap50"] == pytest.approx(1, abs=0.01)


def test_finds_outside_the_region_of_interest_choose_nothing(small_set: Path) -> None:
    from gtahead.scoring.ground_truth import open_ground_truth

    ground_truth = open_ground_truth(small_set, "validation")
    left = np.array([[0, 0], [32, 0], [32, 999], [0, 999]], np.float64)
    outside = ground_truth.ignored | (ground_truth.points_xy[:, 0] >= 32)
    ground_truth = replace(
        ground_truth, ignored=outside, regions=[[left] for _ in range(len(ground_truth))]
    )
    found = []
    for image in range(len(ground_truth)):
        rows = ground_truth.by_image.rows(image)
        boxes = ground_truth.boxes_xyxy[rows][~outside[rows]]
        beyond = np.array([[200.0, 20, 210, 30]])  # nobody is there, and it doesn't matter
        found.append(InImage(np.concatenate([boxes, beyond]), np.full(len(boxes) + 1, 0.9)))
    _, reported = validated(ground_truth, found)
    assert reported["mae"] == 0


def test_data_that_cannot_be_trained_on(small_set: Path, run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to resume"):
        train(small_set, tmp_path / "none", config=make_config(**FAST), resume=True)
    (tmp_path / "cut.pt").write_bytes((run / "model.pt").read_bytes()[:5000])
    with pytest.raises(InputError, match="truncated"):
        read_checkpoint(tmp_path / "cut.pt")
    with pytest.raises(InputError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "gone.pt")
    document = torch.load(run / "model.pt", weights_only=True)
    torch.save({**document, "version": 9}, tmp_path / "new.pt")
    with pytest.raises(InputError, match=r"unknown version \(got 9\)"):
        read_checkpoint(tmp_path / "new.pt")
    other = {**document, "config": {**document["config"], "detector": "density", "loss": "native"}}
    torch.save(other, tmp_path / "other.pt")
    with pytest.raises(InputError, match="parts don't fit each other"):
        read_checkpoint(tmp_path / "other.pt")
    whole = Dataset.open(small_set)
    nobody = whole.filter(lambda frame: frame.count == 0)
    if len(nobody):
        with pytest.raises(InputError, match="nothing to learn"):
            frames_to_learn(nobody)


def test_a_loss_that_is_not_finite_names_its_frames(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gtahead.training.detectors.centernet import CenterNet

    monkeypatch.setattr(
        CenterNet, "losses", lambda self, *_: {"heat": self.heat[-1].bias.sum() * float("nan")}
    )
    with pytest.raises(InputError, match=r"seq_\d+/\d+.*isn't finite in epoch 0, step 0"):
        train(small_set, tmp_path / "nan", config=make_config(**FAST))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"stride": 3}, "invalid value for stride"),
        ({"batch": 0}, "batch must be above 0"),
        ({"batch": "many"}, "batch must be a whole number"),
        ({"crop_wh": (100, 100)}, "multiple of 32"),
        ({"learning_rte": 1e-3}, "did you mean learning_rate"),
        ({"backbone": "vgg"}, "no such backbone"),
    ],
)
def test_settings_that_are_wrong(settings: dict[str, object], error: str) -> None:
    with pytest.raises(UsageError, match=error):
        make_detector(make_config(**settings))


def test_a_file_of_settings(tmp_path: Path) -> None:
    config = make_config("tiny", seed=3)
    assert (config.coarsest, config.inside) == (8, 1.0)
    others = [make_config("tiny", detector=name) for name in ("fcos", "retinanet", "fasterrcnn")]
    assert {one.loss for one in (config, *others)} == {"native"}
    assert {(one.coarsest, one.inside) for one in others} == {(32, 0.0)}
    (tmp_path / "c.toml").write_text(config.as_toml())
    assert make_config("base", tmp_path / "c.toml") == config
    (tmp_path / "bad.toml").write_text("epochs = = 3")
    with pytest.raises(InputError, match="not TOML"):
        make_config(file=tmp_path / "bad.toml")
