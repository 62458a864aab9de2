"""A researcher's own detector, loss, logger and first weights, without touching gtahead."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import but_slow, gtahead
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from gtahead import Dataset, InputError, UsageError, benchmark, predict, train
from gtahead.errors import DataWarning
from gtahead.training import (
    Detector,
    Found,
    HeadTargets,
    MaskFocalLoss,
    TrainConfig,
    heat_targets,
    make_config,
)
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.decoding import decodable, lost_share
from gtahead.training.detectors import make_detector

FAST = {
    "crop_wh": (32, 32), "batch": 2, "epochs": 2, "epoch_crops": 8, "channels": 16,
    "convolutions": 1, "coarsest": 8, "warmup": 2, "validate_every": 1, "stride": 4,
}  # fmt: skip


class Plain(Detector):
    """A detector of one's own: one convolution of 9 x 9 at stride 8, squares of 16 px."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.stride = 8
        self.heat = nn.Conv2d(3, 1, 9, stride=8, padding=4)

    def losses(self, images: Tensor, heads: list[HeadTargets]) -> dict[str, Tensor]:
        logits = self.heat(images)[:, 0]
        targets = heat_targets(heads, (logits.shape[1], logits.shape[2]), self.stride)
        return {"heat": binary_cross_entropy_with_logits(logits, targets.heat)}

    def find(self, images: Tensor) -> list[Found]:
        found = []
        for heat in self.heat(images)[:, 0].sigmoid():
            row, column = torch.nonzero(heat > 0.1, as_tuple=True)
            centre = torch.stack([column, row], 1) * 8.0 + 4
            found.append(Found(torch.cat([centre - 8, centre + 8], 1), heat[row, column]))
        return found


def test_a_detector_of_ones_own(small_set: Path, tmp_path: Path) -> None:
    report = train(small_set, tmp_path / "run", config=make_config(**FAST), detector=Plain)
    record = json.loads((report.out / "run.json").read_bytes())
    assert record["own"] == {"detector": f"{__name__}.Plain"}
    assert record["config"]["detector"] == "own"
    with pytest.raises(InputError, match=r"one's own \(got .*Plain.*detector=\.\.\."):
        predict(report.model, small_set, tmp_path / "p.json", split="validation")
    predict(report.model, small_set, tmp_path / "p.json", split="validation", detector=Plain)
    score = benchmark(tmp_path / "p.json", small_set, split="validation", intervals=False)
    assert score.value["mae"] == pytest.approx(record["best"]["mae"], abs=1e-6)
    done = gtahead("predict", report.model, "--data", small_set, "--out", tmp_path / "q.json")
    assert done.code == 1
    assert "a plug-in makes it known to the command line" in done.err
    with pytest.raises(UsageError, match="holds a run with another detector"):
        train(small_set, report.out, config=make_config(**FAST))
    with pytest.raises(InputError, match="give the detector that it was trained with"):
        predict(report.model, small_set, tmp_path / "p.json", detector=Other)
    with pytest.raises(UsageError, match=r"Plain takes no other loss.*own `losses`"):
        train(small_set, tmp_path / "r", config=make_config(**FAST), detector=Plain, loss=squares)
    with pytest.raises(InputError, match=r"don't fit each other .*Linear isn't a Detector"):
        read_checkpoint(report.model, lambda config: nn.Linear(1, 1))  # type: ignore[arg-type,return-value]


class Other(Plain):
    """Another network under the same methods."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        self.heat = nn.Conv2d(3, 1, 5, stride=8, padding=2)


def variant(**methods: object) -> type[Plain]:
    """Make a detector with another method or attribute."""
    return type("Variant", (Plain,), methods)


def one_of(**changes: Tensor) -> object:
    """Make a `find` that gives one head, with something changed."""
    usual = {"boxes": torch.tensor([[1.0, 1, 9, 9]]), "scores": torch.tensor([0.5])}
    return lambda self, images: [Found(**{**usual, **changes}) for _ in images]


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"losses": lambda self, *_: {}}, r"Variant.losses must give scalar tensors by name"),
        ({"losses": lambda self, *_: {"a": 1.0}}, r"must give scalar tensors .*got 'a: 1.0'"),
        ({"losses": lambda self, *_: {"a": torch.zeros(3)}}, r"scalar tensors.*got 'a: \(3,\)'"),
        ({"losses": lambda self, *_: {"a": torch.zeros(())}}, "the loss has no gradient"),
        ({"find": lambda self, images: None}, r"Variant.find must give a list of Found"),
        ({"find": lambda self, images: []}, r"a Found for each image \(got 0\)"),
        ({"find": one_of(scores=torch.zeros(2))}, r"boxes of shape \(1, 4\) and scores of shape"),
        ({"find": one_of(boxes=torch.zeros(4))}, r"gives boxes of shape \(4,\)"),
        ({"find": one_of(scores=torch.tensor([7.0]))}, "gives scores up to 7"),
        ({"find": one_of(scores=torch.tensor([torch.nan]))}, "numbers that aren't finite"),
        ({"find": one_of(boxes=torch.tensor([[9.0, 9, 1, 1]]))}, "whose corners are swapped"),
        ({"find": one_of(density=torch.zeros(3, 3))}, "gives a density map .*counts_only = False"),
        ({"counts_only": True}, "gives boxes .*counts_only = True"),
        (
            {"counts_only": True, "find": one_of(density=torch.zeros(1, 3, 3))},
            r"gives a map of shape \(1, 3, 3\)",
        ),
    ],
)
def test_a_detector_that_gives_something_else(
    small_set: Path, tmp_path: Path, methods: dict[str, Any], message: str
) -> None:
    config = make_config(**{**FAST, "epochs": 1, "epoch_crops": 4})
    with pytest.raises(UsageError, match=message):
        train(small_set, tmp_path / "run", config=config, detector=variant(**methods))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"detector": "centernet"}, "this makes no detector"),
        ({"detector": lambda config: nn.Linear(1, 1)}, r"is no Detector \(got 'Linear'\)"),
        ({"loss": "mfl"}, r"this is no loss \(got 'mfl'\)"),
        ({"loss": MaskFocalLoss}, "this is no loss"),
        ({"loss": nn.Linear(2, 2)}, r"a loss with parameters isn't trained \(got 'Linear'\)"),
        ({"loss": lambda *_, **__: 1.0}, r"CenterNet.losses must give scalar tensors"),
    ],
)
def test_what_is_no_detector_and_no_loss(
    small_set: Path, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(small_set, tmp_path / "run", config=make_config(**FAST), **given)


def squares(logits: Tensor, heat: Tensor, mask: Tensor, *, valid: Tensor, owner: Tensor) -> Tensor:
    """A loss of one's own: squared errors, twice inside heads."""
    assert logits.shape == heat.shape == mask.shape == valid.shape == owner.shape
    return ((logits.sigmoid() - heat) ** 2 * (1 + mask.float()) * valid).sum() / heat.sum().clamp(
        min=1
    )


@pytest.mark.parametrize("detector", but_slow(["centernet", "fcos"], "retinanet", "fasterrcnn"))
def test_a_loss_of_ones_own(small_set: Path, tmp_path: Path, detector: str) -> None:
    channels = 16 if detector == "centernet" else 32
    config = make_config(**{**FAST, "epochs": 1, "channels": channels}, detector=detector)
    report = train(small_set, tmp_path / "run", config=config, loss=squares)
    record = json.loads((report.out / "run.json").read_bytes())
    assert record["own"] == {"loss": f"{__name__}.squares"}
    assert record["config"]["loss"] == "own"
    predict(report.model, small_set, tmp_path / "p.json", split="validation")


def test_the_projects_loss_as_an_object_is_the_named_one(small_set: Path, tmp_path: Path) -> None:
    """`loss=MaskFocalLoss(...)` gives the bits of `--loss mfl-paper`."""
    named = train(small_set, tmp_path / "a", config=make_config(**FAST, loss="mfl-paper"))
    given = MaskFocalLoss(inside=0.0, normalise="centres")
    own = train(small_set, tmp_path / "b", config=make_config(**FAST), loss=given)
    first, second = (torch.load(one.model, weights_only=True)["weights"] for one in (named, own))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    (name,) = own.record["own"].values()
    assert name.startswith("gtahead.training.losses.MaskFocalLoss(focus=2.0, penalty=4.0")
    with pytest.raises(UsageError, match=r"holds a run with another detector or loss: .*inside=0"):
        train(small_set, own.out, config=make_config(**FAST), loss=MaskFocalLoss(power=3.0))


@pytest.mark.parametrize("detector", ["centernet", "fcos", "fasterrcnn"])
def test_a_losss_buffers_go_where_the_network_goes(detector: str) -> None:
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.ones(1))
    network = make_detector(make_config(detector=detector, channels=32))
    network.use_loss(loss)
    network.to("meta")
    assert loss.pos_weight is not None
    assert loss.pos_weight.device.type == "meta"
    assert not any("pos_weight" in name for name in network.state_dict())


def test_density_takes_no_loss(small_set: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="DensityNet takes no other loss"):
        train(
            small_set, tmp_path / "r", config=make_config(**FAST, detector="density"), loss=squares
        )


def test_losses_are_logged(small_set: Path, tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path / "log")
    config = make_config(**{**FAST, "epochs": 3, "epoch_crops": 20, "crop_wh": (64, 64)})
    whole = train(small_set, tmp_path / "a", config=config, logger=logger)
    rows = list(csv.DictReader((whole.out / "losses.csv").open()))
    assert [(row["step"], row["epoch"]) for row in rows] == [("10", "0"), ("20", "1"), ("30", "2")]
    short = make_config(**{**FAST, "epoch_crops": 24, "accumulate": 3})
    other = train(small_set, tmp_path / "c", config=short)
    rows = [*rows, *csv.DictReader((other.out / "losses.csv").open())]
    assert [row["step"] for row in rows[3:]] == ["10", "12", "22", "24"]
    assert set(rows[0]) == {"step", "epoch", "loss_heat", "loss_offset", "loss_size"}
    assert float(rows[2]["loss_heat"]) < float(rows[0]["loss_heat"])
    logger.save()
    logged = list(csv.DictReader((Path(logger.log_dir) / "metrics.csv").open()))
    assert sum(bool(row["loss/heat"]) for row in logged) == 3
    assert sum(bool(row["mae"]) for row in logged) == 3
    assert not (whole.out / "tensorboard").exists()
    train(small_set, tmp_path / "b", config=config, stop_after=1, logger=logger)
    train(small_set, tmp_path / "b", config=config, logger=logger)
    assert (tmp_path / "b" / "losses.csv").read_bytes() == (whole.out / "losses.csv").read_bytes()


def test_one_epoch_is_validated(small_set: Path, tmp_path: Path) -> None:
    done = gtahead("train", small_set, "--preset", "tiny", "--epochs", "1", "--set",
                   "epoch_crops=8", "--out", tmp_path / "run")  # fmt: skip
    assert done.code == 0, done.err
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 2
    assert (tmp_path / "run" / "losses.csv").exists()


def test_weights_to_begin_with(small_set: Path, tmp_path: Path) -> None:
    first = train(small_set, tmp_path / "a", config=make_config(**FAST))
    still = make_config(**{**FAST, "epochs": 1, "learning_rate": 1e-12, "ema": 0.0, "seed": 7})
    again = train(small_set, tmp_path / "b", config=still, init=first.model)
    before, after = (torch.load(one.model, weights_only=True)["weights"] for one in (first, again))
    for name, value in before.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(after[name], value)
    assert again.record["init"]["not_in_it"] == []
    words = ["train", small_set, "--out", tmp_path / "c", "--init", first.model]
    sets = {**FAST, "epochs": 1, "channels": 32, "crop_wh": [32, 32]}
    for name, value in sets.items():
        words += ["--set", f"{name}={value}"]
    done = gtahead(*words)
    assert done.code == 0, done.err
    assert f"weights not in {first.model}, from scratch: neck.lateral.0.weight" in done.out
    record = json.loads((tmp_path / "c" / "run.json").read_bytes())
    assert "backbone.stem.0.weight" not in record["init"]["not_in_it"]
    assert "heat.1.weight" in record["init"]["not_in_it"]
    with pytest.raises(UsageError, match=r"holds a run that began with model.pt"):
        train(small_set, again.out, config=still)
    with pytest.raises(InputError, match=r"none of the checkpoint's weights fit.*same detector"):
        train(small_set, tmp_path / "d", config=make_config(**FAST), detector=Plain,
              init=first.model)  # fmt: skip
    with pytest.raises(InputError, match="there is no such checkpoint"):
        train(small_set, tmp_path / "d", config=make_config(**FAST), init=tmp_path / "no.pt")
    (tmp_path / "text.pt").write_text("{}")
    with pytest.raises(InputError, match=r"got 'it holds no tensors and plain values alone'"):
        train(small_set, tmp_path / "d", config=make_config(**FAST), init=tmp_path / "text.pt")
    assert not (tmp_path / "d").exists()


def test_heads_that_no_decoder_can_tell_apart() -> None:
    boxes = [[0.0, 0, 8, 10], [5, 0, 13, 10], [6, 1, 14, 11], [40, 40, 50, 52]]
    points = [[(a + c) / 2, (b + d) / 2] for a, b, c, d in boxes]
    found = {
        (decode, stride): decodable(
            points, boxes, make_config(stride=stride, decode=decode)
        ).tolist()
        for decode in ("peaks", "nms")
        for stride in (2, 4)
    }
    assert sum(found["peaks", 4]) == 2  # cells 1, 2 and 2 of 4 px touch: one of three
    assert sum(found["peaks", 2]) == 3  # 4 and 9 apart, 9 and 10 not
    assert found["nms", 4] == [True, True, False, True]  # the third overlaps the second
    assert found["nms", 2] == [True, True, False, True]
    assert decodable(points, boxes, make_config(detector="fcos")).tolist() == [
        True, True, False, True,
    ]  # fmt: skip


def test_too_dense_crowds_are_warned_of(small_set: Path, tmp_path: Path) -> None:
    frames = list(Dataset.open(small_set).select(split="train"))
    small = make_config(**{**FAST, "epochs": 1}, scale=0.25, decode="peaks")
    assert lost_share(frames, small) > 0.02
    assert lost_share(frames, make_config(**{**FAST, "stride": 2})) == 0
    with pytest.warns(DataWarning, match=r"% of the heads to learn from are too close.* --set "):
        report = train(small_set, tmp_path / "a", config=small)
    assert report.record["heads"]["too_close_to_decode"] == pytest.approx(
        lost_share(frames, small), abs=1e-4
    )
    done = gtahead("train", small_set, "--out", tmp_path / "b", "--set", "scale=0.25",
                   "--set", "decode=peaks", "--set", "epoch_crops=4", "--epochs", "1",
                   "--preset", "tiny")  # fmt: skip
    assert done.code == 0
    assert "warning: " in done.err
    assert "too close to others" in done.err
    assert "UserWarning" not in done.err
