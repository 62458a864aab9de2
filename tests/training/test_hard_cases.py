"""Data, disks, signals and machines as they can be: what training and prediction make of them."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import gtahead, image, make_sequence, spawn_gtahead
from PIL import Image
from training_helpers import QUICK

from gtahead import Dataset, InputError, UsageError, benchmark, build, export_model, train
from gtahead.annotation.holdout import parts_of
from gtahead.simulation import simulate
from gtahead.simulation.presets import Preset
from gtahead.training import make_config, predict
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.crops import EpochOrder
from gtahead.training.detectors import Detector, make_detector
from gtahead.training.fitting import fitting_scale
from gtahead.training.wanted import frames_to_learn, require_boxes

SETTINGS = [word for name, value in QUICK.items() for word in ("--set", f"{name}={value}")]
SETTINGS = [word.replace("(64, 64)", "[64, 64]") for word in SETTINGS]


def make_set(folder: Path, *presets: Preset) -> Path:
    """Simulate sets and build one dataset of them."""
    for preset in presets:
        simulate(folder / preset.name, preset=preset, workers=1)
        for sequence in sorted((folder / preset.name).glob("seq_*")):
            to = folder / "captures" / f"{preset.name}_{sequence.name}"
            to.parent.mkdir(exist_ok=True)
            sequence.rename(to)
    build(folder / "captures", folder / "dataset", workers=1)
    return folder / "dataset"


@pytest.fixture(scope="module")
def mixed_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a dataset of images in two sizes, one smaller than a crop."""
    return make_set(
        tmp_path_factory.mktemp("mixed"),
        Preset("wide", (192, 96), (3, 3, 3), (3.0, 5.0, 8.0), 3, (8.0, 24.0), 0.48),
        Preset("tall", (64, 96), (3, 3, 3), (1.0, 2.0, 3.0), 3, (8.0, 24.0), 0.48),
    )


@pytest.fixture(scope="module")
def mixed_run(mixed_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two epochs on images of two sizes."""
    out = tmp_path_factory.mktemp("run") / "mixed"
    seen: list[tuple[int, float]] = []

    def look(step: int, detector: Detector, chosen: dict[str, Any]) -> None:
        assert not detector.training
        seen.append((step, chosen["mae"]))

    train(mixed_set, out, config=make_config(**QUICK), on_validated=look)
    assert [step for step, _ in seen] == [2, 4]
    return out


def test_images_of_several_sizes(mixed_set: Path, mixed_run: Path, tmp_path: Path) -> None:
    report = predict(mixed_run / "model.pt", mixed_set, tmp_path / "p.json")
    assert report.images == len(Dataset.open(mixed_set).select(split="test"))
    sizes = {frame.size_wh for frame in Dataset.open(mixed_set)}
    assert sizes == {(192, 96), (64, 96)}


def test_a_finished_run_is_left_alone(mixed_set: Path, mixed_run: Path) -> None:
    before = {path: path.read_bytes() for path in mixed_run.rglob("*") if path.is_file()}
    done = gtahead("train", mixed_set, "--out", mixed_run, *SETTINGS)
    assert done.code == 2
    assert done.err.startswith("error: there is already a finished run")
    assert before == {path: path.read_bytes() for path in mixed_run.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"format": "gtahead-run"', "it ends too early"),
        ('{"format": "gtahead-run", "version": 1}', "is a required property"),
    ],
)
def test_a_damaged_record_of_a_run(mixed_set: Path, tmp_path: Path, text: str, error: str) -> None:
    (tmp_path / "run.json").write_text(text)
    done = gtahead("train", mixed_set, "--out", tmp_path, *SETTINGS)
    assert done.code == 1
    assert error in done.err
    assert (tmp_path / "run.json").read_text() == text


def test_a_damaged_checkpoint_of_a_run(mixed_set: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(mixed_set, run, config=make_config(**QUICK), stop_after=1)
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:3000])
    done = gtahead("train", mixed_set, "--out", run, *SETTINGS)
    assert done.code == 1
    assert "the run's checkpoint can't be read" in done.err
    assert "remove the file to begin anew" in done.err
    last.unlink()
    assert gtahead("train", mixed_set, "--out", run, *SETTINGS).code == 0


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--learning-rate", "inf"], 2, "learning_rate must be a finite number"),
        (["--set", "ema=nan"], 2, "ema must be a finite number"),
        (["--weights", "gone.pt"], 1, "no such file of weights"),
        (["--weights", __file__], 1, "not a file of weights that torch can read safely"),
        (["--set", "novalue"], 2, "--set takes NAME=VALUE"),
        (["--config", "gone.toml"], 1, "gone.toml: the file can't be read"),
    ],
)
def test_wrong_calls_leave_nothing(
    mixed_set: Path, tmp_path: Path, words: list[str], code: int, error: str
) -> None:
    done = gtahead("train", mixed_set, "--out", tmp_path / "run", *SETTINGS, *words)
    assert done.code == code
    assert error in done.err
    assert not (tmp_path / "run").exists()


def test_a_file_where_the_run_should_be(mixed_set: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = gtahead("train", mixed_set, "--out", tmp_path / "file", *SETTINGS)
    assert done.code == 1
    assert "the path is a file, not a folder" in done.err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_on_other_data_is_not_mixed_with_this(
    mixed_set: Path, mixed_run: Path, tmp_path: Path
) -> None:
    record = json.loads((mixed_run / "run.json").read_text())
    record["data"]["labels"] = "0" * 64
    (tmp_path / "run.json").write_text(json.dumps(record))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    done = gtahead("train", mixed_set, "--out", tmp_path, *SETTINGS)
    assert done.code == 2
    assert "holds a run on other data" in done.err


def test_one_sequence_is_nothing_to_choose_by(tmp_path: Path) -> None:
    make_sequence(tmp_path / "captures", frames=1)
    build(tmp_path / "captures", tmp_path / "dataset", workers=1)
    done = gtahead("train", tmp_path / "dataset", "--out", tmp_path / "run", *SETTINGS)
    assert done.code == 2
    assert "nothing to validate on: all frames for training are of one location" in done.err
    assert not (tmp_path / "run").exists()


def test_two_sequences_of_one_frame_each(tmp_path: Path) -> None:
    """One is carved out to choose by, and the run says so."""
    for name in ("a", "b"):
        make_sequence(tmp_path / "captures", name, frames=1)
    build(tmp_path / "captures", tmp_path / "dataset", workers=1)
    done = gtahead("train", tmp_path / "dataset", "--out", tmp_path / "run", *SETTINGS)
    assert done.code == 0, done.err
    assert "validated on 1 (carved out of train: b)" in done.out


def test_nobody_to_learn_from(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_sequence(tmp_path / "captures", name, rows=[])
    build(tmp_path / "captures", tmp_path / "dataset", workers=1)
    done = gtahead("train", tmp_path / "dataset", "--out", tmp_path / "run", *SETTINGS)
    assert done.code == 1
    assert "no head counts in any frame: there is nothing to learn" in done.err
    assert not (tmp_path / "run").exists()


def test_labels_without_images(mixed_set: Path, tmp_path: Path) -> None:
    build(mixed_set.parent / "captures", tmp_path / "labels", images="none", workers=1)
    done = gtahead("train", tmp_path / "labels", "--out", tmp_path / "run", *SETTINGS)
    assert done.code == 1
    assert "the dataset holds labels alone" in done.err


def test_heads_without_boxes_are_named(mixed_set: Path) -> None:
    class Bare:
        folder = mixed_set

        def __iter__(self) -> Any:
            for frame in Dataset.open(mixed_set):
                yield replace(frame, boxes_xyxy=np.full_like(frame.boxes_xyxy, np.nan))

    with pytest.raises(InputError, match=r"head \d+: a head has no box; `gtahead annotate"):
        require_boxes(list(Bare()), mixed_set)
    assert len(frames_to_learn(Bare())) == 18  # type: ignore[arg-type]


def test_a_image_that_is_damaged_is_named(mixed_set: Path, tmp_path: Path) -> None:
    build(mixed_set.parent / "captures", tmp_path / "d", images="copy", workers=1)
    for frame in Dataset.open(tmp_path / "d"):
        assert frame.image_path is not None
        if frame.split == "train":
            frame.image_path.write_bytes(frame.image_path.read_bytes()[:500])
    done = gtahead("train", tmp_path / "d", "--out", tmp_path / "run", *SETTINGS)
    assert done.code == 1
    assert "the image is cut short (got '500 bytes')" in done.err
    assert ".jpg > frame " in done.err


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet"])
def test_a_name_that_is_no_text_is_set_aside(mixed_run: Path, tmp_path: Path, ending: str) -> None:
    images = tmp_path / "images"
    images.mkdir()
    Image.new("RGB", (64, 64)).save(images / "good.png")
    shutil.copy(images / "good.png", os.fsencode(images) + b"/bad\xff.png")
    out = tmp_path / f"found.{ending}"
    done = gtahead("predict", mixed_run / "model.pt", "--images", images, "--out", out)
    assert done.code == 3
    assert "bad-frame-name" in done.err
    assert out.exists()
    (images / "good.png").unlink()
    assert gtahead("predict", mixed_run / "model.pt", "--images", images, "--out", out).code == 1


@pytest.mark.parametrize("kind", ["text", "folder", "none"])
def test_images_to_predict_that_are_none(mixed_run: Path, tmp_path: Path, kind: str) -> None:
    images = tmp_path / "images"
    if kind != "none":
        images.mkdir()
    if kind == "text":
        (images / "a.jpg").write_text("no image")
    done = gtahead(
        "predict", mixed_run / "model.pt", "--images", images, "--out", tmp_path / "p.json"
    )
    assert done.code == {"text": 1, "folder": 2, "none": 1}[kind]
    assert not (tmp_path / "p.json").exists()


def test_images_that_cannot_be_read_are_set_aside(
    mixed_set: Path, mixed_run: Path, tmp_path: Path
) -> None:
    images = tmp_path / "im ä"
    images.mkdir()
    good = next(frame.image_path for frame in Dataset.open(mixed_set))
    assert good is not None
    (images / "good.jpg").write_bytes(good.read_bytes())
    (images / "cut.jpg").write_bytes(good.read_bytes()[:400])
    out = tmp_path / "p.json"
    done = gtahead("predict", mixed_run / "model.pt", "--images", images, "--out", out)
    assert done.code == 3
    assert "error[image-" in done.err
    assert "cut.jpg" in done.err
    rows = json.loads(out.read_text())["predictions"]
    assert [row["image"] for row in rows] == ["good.jpg"]


@pytest.mark.parametrize(
    ("out", "code", "error"),
    [
        ("p.txt", 2, "not a kind of prediction file"),
        ("gone/p.json", 1, "no such folder for the pred"),
    ],
)
def test_targets_are_looked_at_first(
    mixed_set: Path, tmp_path: Path, out: str, code: int, error: str
) -> None:
    """Before the checkpoint is even read."""
    done = gtahead("predict", "gone.pt", "--data", mixed_set, "--out", tmp_path / out)
    assert done.code == code
    assert error in done.err


def test_more_heads_than_are_given_is_reported(
    mixed_set: Path, mixed_run: Path, tmp_path: Path
) -> None:
    document = torch.load(mixed_run / "model.pt", weights_only=True)
    document["config"]["max_heads"] = 1
    torch.save(document, tmp_path / "model.pt")
    done = gtahead(
        "predict", tmp_path / "model.pt", "--data", mixed_set, "--out", tmp_path / "p.json"
    )
    assert done.code == 0
    assert "more heads than the detector can return; see max_heads" in done.err


def test_a_frame_with_thousands(tmp_path: Path) -> None:
    rows = [f"0,{n},{n % 64}.25,{n * 7 % 48}.5,9" for n in range(1, 4001)]
    for name in ("a", "b"):
        make_sequence(tmp_path / "captures", name, frames=1, rows=rows)
    build(tmp_path / "captures", tmp_path / "dataset", workers=1)
    report = train(tmp_path / "dataset", tmp_path / "run", config=make_config(**QUICK))
    assert report.finished
    assert report.record["heads"]["count"] == 4000


def test_the_scale_that_fits(mixed_set: Path) -> None:
    frames = list(Dataset.open(mixed_set))
    scale = fitting_scale(frames, 4)
    sides = np.concatenate(
        [np.sqrt(np.prod(f.boxes_xyxy[f.counted, 2:] - f.boxes_xyxy[f.counted, :2], axis=1))
         for f in frames]
    )  # fmt: skip
    assert scale * np.median(sides) == pytest.approx(20, rel=0.03)
    assert fitting_scale(frames, 40) == 2.0
    assert fitting_scale([f for f in frames if f.count == 0][:1] or frames[:1], 4) > 0


def test_every_crop_has_its_turn() -> None:
    order = EpochOrder(count=10, taken=4, seed=3)
    seen = set()
    for epoch in range(12):
        order.set_epoch(epoch)
        items = list(order)
        assert len(items) == len(order) == 4
        assert len(set(items)) == 4
        assert {number for number, _ in items} == {epoch}
        seen |= {number for _, number in items}
    assert seen == set(range(10))


def test_training_stops_where_nothing_gets_better(mixed_set: Path, tmp_path: Path) -> None:
    config = make_config(**{**QUICK, "epochs": 8, "patience": 1, "learning_rate": 1e-12})
    report = train(mixed_set, tmp_path / "run", config=config)
    assert report.finished
    assert report.record["state"] == "finished"
    assert report.record["epochs_done"] < 8


def test_validation_that_misses_the_last_epoch() -> None:
    with pytest.raises(UsageError, match=r"validate_every doesn't divide epochs \(got 3\)"):
        make_config(epochs=10, validate_every=3)


def test_what_becomes_onnx(mixed_set: Path, mixed_run: Path, tmp_path: Path) -> None:
    done = gtahead("export-model", mixed_run / "model.pt", "--onnx", tmp_path / "m.txt")
    assert done.code == 2
    assert "ONNX files end with .onnx" in done.err
    done = gtahead("export-model", mixed_run / "model.pt", "--onnx", tmp_path / "gone" / "m.onnx")
    assert done.code == 1
    assert "no such folder for the model; make the folder" in done.err
    train(mixed_set, tmp_path / "run", config=make_config(**QUICK, detector="density"))
    done = gtahead("export-model", tmp_path / "run" / "model.pt", "--onnx", tmp_path / "model.onnx")
    assert done.code == 2
    assert "only centernet and fcos are exported (got 'density'); train with --detector" in done.err
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.slow  # torch takes long to export
def test_onnx_gives_what_torch_gives(mixed_run: Path, tmp_path: Path) -> None:
    import onnxruntime

    report = export_model(mixed_run / "model.pt", tmp_path / "model.onnx")
    assert report.difference <= 1e-4
    session = onnxruntime.InferenceSession(report.out, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    trained = read_checkpoint(mixed_run / "model.pt")
    assert about == {
        "stride": str(trained.detector.stride),
        "scale": str(trained.detector.config.scale),
        "threshold": repr(trained.threshold),
        "decode": "nms",
        "nms_iou": "0.5",
        "run": "mixed",
    }
    random = np.random.default_rng(1)
    images = random.uniform(0, 255, (2, 32, 160, 3)).astype(np.float32)
    heat, peaks, offset, size = session.run(None, {"images": images})
    cells = 32 // trained.detector.stride, 160 // trained.detector.stride
    assert heat.shape == peaks.shape == (2, *cells)
    assert offset.shape == size.shape == (2, 2, *cells)
    # Decoded as the documentation says, as `gtahead count` does, it has the detector's own boxes.
    from gtahead.counting import load_model
    from gtahead.training.crops import normalised

    image = images[0].astype(np.uint8)
    with torch.no_grad():
        found = trained.detector.find(normalised(torch.from_numpy(image[None])))[0]
    boxes, scores = load_model(str(report.out))._find_in(image)
    order, own = np.argsort(-scores), np.argsort(-found.scores.numpy())
    assert len(boxes) == len(found.boxes) > 0
    np.testing.assert_allclose(scores[order], found.scores.numpy()[own], atol=1e-4)
    away = np.abs(boxes[:, None] - found.boxes.numpy()[None]).max(axis=2)
    assert away.min(axis=1).max() < 0.01  # in whatever order: scores tie but for the last bit
    assert away.min(axis=0).max() < 0.01


@pytest.mark.slow  # torch takes long to export
def test_onnx_of_fcos_gives_its_boxes(tmp_path: Path) -> None:
    import onnxruntime

    from gtahead.training.checkpoints import Trained, write_checkpoint
    from gtahead.training.crops import normalised

    torch.manual_seed(0)
    network = make_detector(make_config(**{**QUICK, "detector": "fcos", "channels": 32})).eval()
    network.model.nms_thresh = 1.0  # untrained, scores tie but for the last bit: NMS is left out
    write_checkpoint(tmp_path / "model.pt", Trained(network, 0.3, {}))
    report = export_model(tmp_path / "model.pt", tmp_path / "model.onnx")
    assert report.difference <= 1e-4
    session = onnxruntime.InferenceSession(report.out, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).uniform(0, 255, (2, 96, 160, 3)).astype(np.float32)
    boxes, scores = map(torch.from_numpy, session.run(None, {"images": images}))
    with torch.no_grad():
        found = network.find(normalised(torch.from_numpy(images)))
    for mine, sure, expected in zip(boxes, scores, found, strict=True):
        keep = sure > 0.01
        assert int(keep.sum()) == len(expected.boxes)
        away = (mine[keep][:, None] - expected.boxes[None]).abs().amax(dim=2)
        assert (away.amin(dim=0) < 1e-2).all()
        torch.testing.assert_close(
            sure[keep].sort().values, expected.scores.sort().values, atol=1e-4, rtol=0
        )


def test_a_detector_that_only_counts(mixed_set: Path, tmp_path: Path) -> None:
    train(mixed_set, tmp_path / "run", config=make_config(**QUICK, detector="density"))
    out = tmp_path / "counts.json"
    report = predict(tmp_path / "run" / "model.pt", mixed_set, out)
    assert report.threshold is None
    rows = json.loads(out.read_text())["predictions"]
    assert all(set(row) == {"image", "count"} for row in rows)
    assert report.heads == pytest.approx(sum(row["count"] for row in rows), abs=0.1)
    score = benchmark(out, mixed_set, intervals=False)
    assert score.value["mae"] >= 0
    assert "ap50" not in score.value


def test_weights_of_a_file(tmp_path: Path) -> None:
    import torchvision

    network = torchvision.models.resnet18()
    torch.save(network.state_dict(), tmp_path / "resnet18.pt")
    for detector in ("centernet", "fcos"):
        config = make_config(detector=detector, weights=str(tmp_path / "resnet18.pt"), channels=32)
        mine = make_detector(config).state_dict()
        ending = "layers.0.0.conv1.weight" if detector == "centernet" else "layer1.0.conv1.weight"
        loaded = next(value for name, value in mine.items() if name.endswith(ending))
        assert torch.equal(loaded, network.layer1[0].conv1.weight)
    with pytest.raises(InputError, match="the weights are of another network"):
        make_detector(make_config(weights=str(tmp_path / "resnet18.pt"), backbone="resnet50"))
    few = {k: v for k, v in network.state_dict().items() if not k.startswith("layer3")}
    torch.save(few, tmp_path / "few.pt")
    with pytest.raises(InputError, match=r"few.pt.*the file lacks \d+ of the backbone's weights"):
        make_detector(make_config(weights=str(tmp_path / "few.pt")))


@pytest.mark.slow
def test_a_full_disk_at_a_checkpoint(mixed_set: Path, tmp_path: Path) -> None:
    command = ["train", mixed_set, "--out", tmp_path / "run", *SETTINGS]
    done = spawn_gtahead(*command, limits={resource.RLIMIT_FSIZE: 3_000_000})
    assert done.code == 4, done.err
    assert "File too large" in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run" / "model.pt").exists()
    done = spawn_gtahead(*command)
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "model.pt").exists()


@pytest.mark.slow
def test_signals_end_a_run_that_goes_on(mixed_set: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train", mixed_set, "--out", run, *SETTINGS, "--epochs", "12"]
    process = [sys.executable, "-m", "gtahead", *map(str, command)]
    codes = []
    for number, rows in ((signal.SIGINT, 2), (signal.SIGTERM, 4)):
        with subprocess.Popen(process, stderr=subprocess.PIPE, text=True) as going:
            _wait(lambda rows=rows: _rows(run) >= rows)  # type: ignore[misc]
            going.send_signal(number)
            _, err = going.communicate()
        codes.append(going.returncode)
        assert "Traceback" not in err
        assert "run the same command again" in err
    assert codes == [130, 143]
    done = spawn_gtahead(*command)
    assert done.code == 0, done.err
    whole = tmp_path / "whole"
    assert spawn_gtahead("train", mixed_set, "--out", whole, *SETTINGS, "--epochs", "12").code == 0
    weights = [torch.load(one / "model.pt", weights_only=True)["weights"] for one in (run, whole)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())


def _rows(run: Path) -> int:
    metrics = run / "metrics.csv"
    return len(metrics.read_text().splitlines()) - 1 if metrics.exists() else 0


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + 240
    while not done():
        assert time.monotonic() < end
        os.sched_yield()


@pytest.mark.slow
def test_two_processes_train_together(mixed_set: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = ["train", mixed_set, "--out", run, *SETTINGS, "--devices", "2"]
    done = spawn_gtahead(*command)
    assert done.code == 0, done.err
    assert done.out.count("trained, 2 epochs") == 1
    lines = (run / "metrics.csv").read_text().splitlines()
    # Four crops an epoch, two processes, batches of two: one step an epoch.
    assert [line.split(",")[0] for line in lines] == ["step", "1", "2"]
    assert predict(run / "model.pt", mixed_set, tmp_path / "p.json").images > 0


@pytest.mark.parametrize(
    ("capability", "precision", "slow"),
    [("AVX2", "bf16-mixed", True), ("AVX2", "32-true", False), ("AVX512", "bf16-mixed", False)],
)
def test_a_precision_that_the_processor_emulates_is_warned_of(
    mixed_set: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capability: str,
    precision: str,
    slow: bool,
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "run.json").write_text("{}")
    words = ["--set", f"precision={precision}", "--out", tmp_path]
    done = gtahead("train", mixed_set, *words)  # ends after the warning: this is no run
    assert done.code == 1
    assert ("warning: this processor emulates" in done.err) == slow


def test_a_tenth_of_the_photographs_is_carved_out(tmp_path: Path) -> None:
    """Of ShanghaiTech's kind: train and test alone, of which test is never looked at."""
    rows = {"train": "file,x,y\n", "test": "file,x,y\n"}
    (tmp_path / "raw").mkdir()
    for number in range(24):
        split = "test" if number >= 20 else "train"
        name = f"{split}/{number:02d}.jpg"
        (tmp_path / "raw" / split).mkdir(exist_ok=True)
        (tmp_path / "raw" / name).write_bytes(image(number))
        rows[split] += "".join(f"{name},{5 + 7 * n},{20 + n}\n" for n in range(1 + number % 7))
    for split, text in rows.items():
        (tmp_path / "raw" / f"{split}.csv").write_text(text)
    report = build(tmp_path / "raw", tmp_path / "set", origin="photographs", workers=1)
    assert report.manifest["splits"]["how"] == "given"
    parts = parts_of(Dataset.open(tmp_path / "set"))
    assert len(parts.train) == 18
    assert parts.validation.frame_ids == list(parts.carved)
    assert len(parts.carved) == 2
    counts = [frame.count for frame in parts.validation]
    assert 2 <= np.mean(counts) <= 5
    assert all(frame.split == "train" for frame in parts.validation)
    assert parts_of(Dataset.open(tmp_path / "set")).carved == parts.carved


def test_what_looks_alike_is_not_carved_apart(tmp_path: Path) -> None:
    """Ten photographs, each saved twice: the second time smaller, so that its bytes differ."""
    rows = "file,x,y\n"
    (tmp_path / "raw").mkdir()
    for number in range(20):
        data = image(number // 2, (320, 240))
        if number % 2:
            pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
            shown = io.BytesIO()
            Image.fromarray(pixels).save(shown, "JPEG", quality=60)
            data = shown.getvalue()
        (tmp_path / "raw" / f"{number:02d}.jpg").write_bytes(data)
        rows += "".join(f"{number:02d}.jpg,{9 + 7 * n},{40 + n}\n" for n in range(1 + number // 2))
    (tmp_path / "raw" / "train.csv").write_text(rows)
    build(tmp_path / "raw", tmp_path / "set", origin="photographs", split="1:0:0", workers=1)
    carved = {int(name[-2:]) // 2 for name in parts_of(Dataset.open(tmp_path / "set")).carved}
    kept = {int(frame.frame) // 2 for frame in parts_of(Dataset.open(tmp_path / "set")).train}
    assert carved
    assert not carved & kept


@pytest.mark.parametrize(("count", "fine"), [(1, False), (2, True), (3, True)])
def test_few_images_are_carved_as_well(tmp_path: Path, count: int, fine: bool) -> None:
    rows = "file,x,y\n"
    (tmp_path / "raw").mkdir()
    for number in range(count):
        (tmp_path / "raw" / f"{number}.jpg").write_bytes(image(number))
        rows += f"{number}.jpg,9,9\n"
    (tmp_path / "raw" / "points.csv").write_text(rows)
    build(tmp_path / "raw", tmp_path / "set", origin="photographs", split="1:0:0", workers=1)
    if fine:
        assert len(parts_of(Dataset.open(tmp_path / "set")).carved) == 1
    else:
        with pytest.raises(UsageError, match="look alike"):
            parts_of(Dataset.open(tmp_path / "set"))


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (7, 1), (10, 5), (15, 5)])
def test_epochs_alone_can_be_set(epochs: int, every: int) -> None:
    assert make_config("tiny", epochs=epochs).validate_every == every
