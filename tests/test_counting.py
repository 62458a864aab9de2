"""Counting with the bundled detector: what it says, in which pixels, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import gtahead, spawn_gtahead
from PIL import Image

import gtahead as library
from gtahead.counting import load_model
from gtahead.counting.counting import LONG_SIDE, _interval, _larger, _unlike
from gtahead.counting.models import Card, ErrorBand, builtin_card
from gtahead.errors import InputError, UsageError
from gtahead.models import CARD, CHECKPOINT, ONNX

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, library.Dataset]:
    """Two simulated photographs that the detector never saw, and their dataset."""
    root = tmp_path_factory.mktemp("crowd")
    library.simulate(
        root / "captures", preset="heads", seed=77, sequences=3, frames=1, heads=(30, 60)
    )
    library.build(root / "captures", root / "set", workers=1)
    return root, library.Dataset.open(root / "set")


def test_heads_are_found_where_they_are(crowd: tuple[Path, library.Dataset]) -> None:
    rows = {}
    part = crowd[1].split("train")
    for frame in part:
        found = library.count(frame.image())
        assert found.size_wh == frame.size_wh
        assert found.points_xy.shape == (found.count, 2)
        assert (np.diff(found.scores) <= 0).all()
        assert found.as_dict()["scores"] == found.scores.tolist()
        rows[frame.frame_id] = {"boxes": found.boxes_xyxy, "scores": found.scores}
    threshold = load_model().threshold
    score = library.benchmark(library.Predictions.of(rows, threshold=threshold), part)
    assert score.value["f1_large"] > 0.5
    truth = np.mean([frame.count for frame in part])
    assert score.value["mae"] < 0.4 * truth


def test_boxes_are_in_the_images_own_pixels(crowd: tuple[Path, library.Dataset]) -> None:
    """Of an image twice as large, boxes are twice as large."""
    image = max(crowd[1], key=lambda frame: frame.count).image()
    one = library.count(image, search=False)
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    two = library.count(large, search=False)
    assert two.scale == pytest.approx(LONG_SIDE / max(large.shape[:2]))
    near = [np.abs(two.points_xy / 2 - point).max(axis=1).min() for point in one.points_xy]
    assert np.median(near) < 4
    assert two.count == pytest.approx(one.count, rel=0.3)


def test_small_heads_are_looked_for_again() -> None:
    boxes = np.array([[10.0 * n, 0, 10 * n + 8, 8] for n in range(9)])
    assert _larger(boxes, 1.0, 1024) == pytest.approx(2.0)
    assert _larger(boxes * 1.5, 1.0, 1024) == pytest.approx(20 / 12)
    assert _larger(boxes * 2, 1.0, 1024) is None  # large enough
    assert _larger(boxes[:4], 1.0, 1024) is None  # too few to tell
    assert _larger(boxes, 1.0, 3000) is None  # it would be too large
    assert _larger(boxes * 4, 0.25, 4096) == pytest.approx(0.5)  # in the smaller image's pixels


def test_how_sure_a_count_is() -> None:
    bands = [ErrorBand(10, 20, 0.5, 1.5), ErrorBand(50, 20, 0.8, 1.25)]
    known: dict[str, Any] = {name: "" for name in ("name", "sha256", "trained_on", "tested_on", "fingerprint")}  # fmt: skip
    card = Card(
        **known,
        long_side=1024,
        commands=[],
        metrics={},
        bands=bands,
        sides_px=(10, 50),
        most=60,
        limits=[],
    )
    assert _interval(8, card) == (4, 12)
    assert _interval(20, card) == (16, 25)
    assert _interval(51, card) == (None, None)
    assert _interval(8, None) == (None, None)
    assert _unlike(np.tile([0.0, 0, 20, 20], (5, 1)), card) == []
    assert "heads of 5.0 px, where 10.0 to 50.0 were tested" in _unlike(
        np.tile([0.0, 0, 5, 5], (5, 1)), card
    )
    assert "more heads than in any image" in _unlike(np.tile([0.0, 0, 20, 20], (61, 1)), card)[0]
    assert "no head was found" in _unlike(np.zeros((0, 4)), card)[0]


def test_the_card_is_of_the_model() -> None:
    card = builtin_card()
    tested = card.metrics["test"]
    assert tested["mae"]["value"] <= 0.5 * tested["mae_of_guessing"]
    assert tested["f1_large"]["value"] >= 0.5
    assert [band.most for band in card.bands] == sorted(band.most for band in card.bands)
    assert all(0 < band.low < band.high for band in card.bands)
    assert sum(path.stat().st_size for path in (ONNX, CHECKPOINT, CARD)) < 4_000_000
    page = (Path(__file__).resolve().parents[1] / "docs" / "counting.md").read_text("utf-8")
    for name in ("mae", "f1_large", "ap50"):
        assert f"{tested[name]['value']:.{1 if name == 'mae' else 3}f}" in page, name


def test_a_model_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = tmp_path / "heads.onnx"
    changed.write_bytes(ONNX.read_bytes() + b" ")
    monkeypatch.setattr("gtahead.counting.models.ONNX", changed)
    load_model.cache_clear()
    with pytest.raises(InputError, match="isn't the one that its card names"):
        load_model()
    load_model.cache_clear()
    for name, data, words in (
        ("none.onnx", None, "no such model"),
        ("text.onnx", b"no model", "the file isn't an ONNX model"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=words):
            load_model(str(tmp_path / name))


def test_torch_finds_the_same() -> None:
    torch = pytest.importorskip("torch")
    from gtahead.models import checkpoint_path
    from gtahead.training.checkpoints import read_checkpoint
    from gtahead.training.crops import normalised

    network = read_checkpoint(checkpoint_path("builtin")).detector
    images = np.random.default_rng(3).uniform(0, 255, (1, 96, 160, 3)).astype(np.float32)
    heat, offset, size = load_model().session.run(["heat", "offset", "size"], {"images": images})
    with torch.no_grad():
        logits, offsets, sizes = network(normalised(torch.from_numpy(images)))
    assert np.abs(heat - torch.sigmoid(logits).numpy()).max() < 1e-4
    assert np.abs(offset - offsets.numpy()).max() < 1e-4
    assert np.abs(size / np.exp(sizes.numpy()) - 1).max() < 1e-3


def test_the_command(crowd: tuple[Path, library.Dataset], tmp_path: Path) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number, frame in enumerate(crowd[1]):
        assert frame.image_path is not None
        shutil.copy(frame.image_path, photographs / f"{number}.jpg")
    (photographs / "broken.jpg").write_bytes(b"no image")
    out, table = tmp_path / "drawn", tmp_path / "counts.csv"
    done = gtahead("count", photographs, "--out", out, "--csv", table)
    assert done.code == 3
    assert "broken.jpg: not an image in a known format" in done.err
    assert sorted(path.name for path in out.iterdir()) == [f"{n}.jpg.png" for n in range(3)]
    other = tmp_path / "others"
    shutil.copytree(photographs, other)
    (other / "broken.jpg").unlink()
    more = gtahead("count", photographs / "0.jpg", other / "0.jpg", "--out", tmp_path / "both")
    assert more.code == 0, more.err
    assert len(list((tmp_path / "both").iterdir())) == 2  # none over the other
    rows = list(csv.DictReader(table.open()))
    assert [row["image"] for row in rows] == [
        f"{photographs.as_posix()}/{number}.jpg" for number in range(3)
    ]
    for row, frame in zip(rows, crowd[1], strict=True):
        assert int(row["count"]) == library.count(frame.image()).count
        assert f"{row['image']}: {row['count']} heads" in done.out
    listed = json.loads(gtahead("count", photographs / "0.jpg", "--json").out)["images"]
    assert len(listed[0]["boxes_xyxy"]) == listed[0]["count"] == int(rows[0]["count"])
    one = gtahead(
        "count", photographs / "0.jpg", "--out", tmp_path / "one.png", "--threshold", "0.9"
    )
    assert one.code == 0, one.err
    assert (tmp_path / "one.png").exists()


def test_films(crowd: tuple[Path, library.Dataset], tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 4.0, (640, 448))
    image = crowd[1][0].image()
    for _ in range(8):
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    writer.release()
    done = gtahead("count", film)
    assert done.code == 0, done.err
    lines = [line.partition("film.avi ")[2] for line in done.out.splitlines() if "film.avi" in line]
    assert [line.split(":")[0] for line in lines] == ["0.00 s", "1.00 s"]
    every = gtahead("count", film, "--every", "0.5", "--out", tmp_path / "drawn")
    assert len(list((tmp_path / "drawn").glob("*.png"))) == 4
    assert "4 images: mean" in every.out
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    cut = gtahead("count", film, "--every", "0.25", "--json")
    assert cut.code == 3
    assert re.search(r"film.avi: the film ends early \(got '[345] of 8 frames'\)", cut.err)
    assert len(cut.json["images"]) in (3, 4, 5)
    assert cut.json["broken"] == [film.as_posix()]


def test_frames_that_are_close_have_names_of_their_own(tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 240.0, (64, 48))
    for grey in range(0, 240, 40):
        writer.write(np.full((48, 64, 3), grey, np.uint8))
    writer.release()
    done = gtahead("count", film, "--every", "0.001", "--out", tmp_path / "drawn", "--json")
    assert done.code == 0, done.err
    assert len({row["image"] for row in done.json["images"]}) == 6
    assert len(list((tmp_path / "drawn").iterdir())) == 6


def test_an_image_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    Image.new("RGB", (64, 48), "white").save(tmp_path / "b.png")
    done = gtahead("count", tmp_path, tmp_path / "a.png", tmp_path / "." / "b.png", "--json")
    assert len(done.json["images"]) == 2


def test_thresholds_of_a_sweep() -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    for threshold in np.linspace(0, 1, 3):
        assert library.count(image, threshold=threshold).count == 0 or threshold == 0
    assert library.count(image, threshold=np.float32(0.5)).count == 0
    with pytest.raises(UsageError, match="from 0 to 1"):
        library.count(image, threshold=np.float64("nan"))
    with pytest.raises(UsageError, match="from 0 to 1"):
        library.count(image, threshold=True)


def test_the_model_is_not_written_over(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    for name, option in (("own.onnx", "--csv"), ("own.png", "--out")):
        shutil.copy(ONNX, tmp_path / name)
        words = ("count", tmp_path / "a.png", "--model", tmp_path / name, option, tmp_path / name)
        assert gtahead(*words).code == 2
        assert (tmp_path / name).read_bytes() == ONNX.read_bytes()


def test_wrong_calls(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "black.png")
    for words, code, said in (
        (["nowhere.jpg"], 1, "no such image, folder or film"),
        ([""], 2, "an image has no name"),
        ([tmp_path / "black.png", "--threshold", "2"], 2, "the threshold must be from 0 to 1"),
        ([tmp_path / "black.png", "--out", "x.jpg"], 2, "images are written as PNG"),
        ([tmp_path / "black.png", "--model", "none.onnx"], 1, "no such model"),
        (
            [tmp_path / "black.png", tmp_path / "black.png", "--out", "x.png"],
            2,
            "don't go into one",
        ),
        ([tmp_path], 0, "black.png: 0 heads"),
        ([tmp_path / "black.png", "--every", "0"], 2, "the step must be above 0 seconds"),
        (
            [tmp_path / "black.png", "--out", tmp_path / "s.png", "--csv", tmp_path / "s.png"],
            2,
            "over",
        ),
    ):
        done = gtahead("count", *words)
        assert done.code == code, (words, done.err)
        assert said in done.err + done.out
    more: Any = (None, b"x", Image.new("RGB", (4, 4)))
    for wrong in (
        *(np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)),
        *more,
    ):
        with pytest.raises(UsageError, match="must be"):
            library.count(wrong)
    for threshold in (True, "0.4", float("nan")):
        with pytest.raises(UsageError, match="threshold must be"):
            library.count(np.zeros((9, 9, 3), np.uint8), threshold=threshold)  # type: ignore[arg-type]
    empty = tmp_path / "film.mp4"
    empty.write_bytes(b"")
    assert "the film can't be read" in gtahead("count", empty).err


def test_no_torch_and_no_network_is_needed(crowd: tuple[Path, library.Dataset]) -> None:
    path = crowd[1][0].image_path
    code = (
        "import socket, sys\n"
        "def refuse(*_): raise OSError('no network')\n"
        "socket.socket.connect = refuse\n"
        "import gtahead\n"
        f"print(gtahead.count({str(path)!r}).count)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5


def test_it_is_a_baseline_of_scores(crowd: tuple[Path, library.Dataset], tmp_path: Path) -> None:
    root, dataset = crowd
    rows = {}
    for frame in dataset.split("train"):
        found = library.count(frame.image(), threshold=0.01)
        rows[frame.frame_id] = {"boxes": found.boxes_xyxy, "scores": found.scores}
    found = library.Predictions.of(rows, threshold=load_model().threshold)
    score = library.benchmark(found, root / "set", split="train", builtin=True, intervals=False)
    own = score.document["baselines"]["builtin"]
    for name in ("mae", "rmse", "f1_large", "ap50"):  # the same detector, the same figures
        assert own[name] == pytest.approx(score.value[name]), name
    path = tmp_path / "p.json"
    from gtahead.predictions import write_predictions

    write_predictions(path, found)
    page = tmp_path / "score.html"
    done = gtahead(
        *("benchmark", path, "--data", root / "set", "--split", "train", "--builtin"),
        *("--html", page),
    )
    assert done.code == 0, done.err
    assert f"the bundled detector: MAE {own['mae']:.2f}, F1 {own['f1_large']:.4f}" in done.out
    assert "the bundled detector" in page.read_text(encoding="utf-8")
    export = library.export(root / "set", tmp_path / "coco", format="coco", workers=1)
    assert export is not None
    refused = gtahead("benchmark", path, "--ground-truth", tmp_path / "coco", "--builtin")
    assert refused.code == 2
    assert "no images for the bundled detector" in refused.err


def test_nothing_is_drawn_over_anything(
    crowd: tuple[Path, library.Dataset], tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    source = crowd[1][0].image_path
    assert source is not None
    for name in ("q.png", "q.png.png", "a b.png", "a_b.png"):
        Image.open(source).save(folder / name)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = gtahead("count", folder / "q.png", folder / "q.png.png", "--out", folder)
    assert done.code == 1
    assert "files are there already" in done.err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    done = gtahead("count", folder, "--out", tmp_path / "2026.run")  # a folder with a dot
    assert done.code == 0, done.err
    assert len(list((tmp_path / "2026.run").iterdir())) == 4


def test_hostile_names(
    crowd: tuple[Path, library.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = crowd[1][0].image_path
    assert source is not None
    folder = os.fsencode(tmp_path / "in")
    os.makedirs(os.path.join(folder, b"dir.jpg"))  # noqa: PTH103, PTH118 - names that aren't text
    for name in (b"bad\xff.jpg", b"=cmd.jpg", b"ok\nfake.jpg: 999 heads.jpg", b"n" * 240 + b".jpg"):
        shutil.copy(source, os.path.join(folder, name))  # noqa: PTH118
    table = tmp_path / "t.csv"
    done = gtahead("count", tmp_path / "in", "--csv", table, "--out", tmp_path / "drawn")
    assert done.code == 0, done.err
    assert len(list((tmp_path / "drawn").iterdir())) == 4
    assert not any(line.startswith("fake") for line in done.out.splitlines())
    assert len(list(csv.reader(table.open()))) == 5
    monkeypatch.chdir(tmp_path / "in")
    assert gtahead("count", "=cmd.jpg", "--csv", table).code == 0
    assert list(csv.reader(table.open()))[1][0] == "'=cmd.jpg"


def test_odd_shapes_stay_small(tmp_path: Path) -> None:
    for size in ((1, 5000), (8000, 10), (1, 1)):
        Image.new("RGB", size, "grey").save(tmp_path / "odd.png")
        done = gtahead("count", tmp_path / "odd.png", "--out", tmp_path / "drawn.png")
        assert done.code == 0, done.err
        assert "0 heads\n" in done.out  # without a range: no image without heads was measured
        with Image.open(tmp_path / "drawn.png") as drawn:
            assert max(drawn.size) < 3000


def test_a_range_is_of_the_models_own_threshold(crowd: tuple[Path, library.Dataset]) -> None:
    image = max(crowd[1], key=lambda frame: frame.count).image()
    assert library.count(image).low is not None
    assert library.count(image, threshold=0.0).low is None
    said = gtahead("count", str(crowd[1][0].image_path), "--threshold", "0", "--json").json
    assert said["threshold"] == 0
    assert said["images"][0]["low"] is None


def test_a_broken_film_keeps_what_was_counted(
    crowd: tuple[Path, library.Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99))
    table, photo = tmp_path / "t.csv", crowd[1][0].image_path
    done = gtahead("count", photo, tmp_path / "film.mp4", "--csv", table, "--json")
    assert done.code == 3
    assert len(list(csv.reader(table.open()))) == 2
    assert done.json["broken"] == [(tmp_path / "film.mp4").as_posix()]
    monkeypatch.delenv("OPENCV_FFMPEG_LOGLEVEL", raising=False)  # as it was set in this process
    said = spawn_gtahead("count", tmp_path / "film.mp4").err
    assert len(said.splitlines()) == 1, said  # nothing of what a library says of it


@pytest.mark.parametrize(
    ("key", "value"), [("threshold", "x"), ("stride", "x"), ("scale", "nan"), ("stride", "-1")]
)
def test_models_whose_description_is_damaged(key: str, value: str, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(ONNX)
    for one in model.metadata_props:
        if one.key == key:
            one.value = value
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="description can't be read"):
        load_model(str(tmp_path / "m.onnx"))


def test_no_path_of_a_machine_is_in_the_models() -> None:
    for path in (ONNX, CHECKPOINT):
        data = path.read_bytes()
        for word in (b".py", b"/home/", b"site-packages"):
            assert word not in data, (path.name, word)
