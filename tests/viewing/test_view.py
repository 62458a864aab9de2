"""Overlays: the right marks at the right locations, on everything that gtahead reads."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import but_slow, gtahead, make_sequence
from PIL import Image

import gtahead as library
from gtahead.marks import MARKS
from gtahead.viewing.layers import LAYERS, STRIP, draw
from gtahead.viewing.shots import open_album

ROOT = Path(__file__).resolve().parents[2]


def pixels(path: Path) -> Any:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def near(image: Any, x: float, y: float, colour: tuple[int, int, int], reach: int = 3) -> bool:
    """Say whether a colour is there, or a few pixels beside."""
    x, y = round(x), round(y)
    part = image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return bool((np.abs(part.astype(int) - colour).sum(axis=2) < 140).any())  # lines are smoothed


def test_marks_are_where_the_heads_are(tiny_dataset: Path) -> None:
    album = open_album(tiny_dataset)
    (shot,) = album.shots(["seq_00/000004"])
    for layer in ("points", "boxes"):
        image = draw(shot, [layer])[STRIP:]
        assert image.shape == (720, 1280, 3)  # twice as large: lines don't cover heads
        positions = shot.points_xy if layer == "points" else shot.boxes_xyxy[:, :2]
        for position, code in zip(positions, shot.status, strict=True):
            x, y = position * 2
            if 5 < x < 1275 and 5 < y < 715:
                colour = MARKS[("absent", "ignored", "counted")[code]].bgr
                assert near(image, x, y, colour), (layer, position)


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_draws_something(layer: str, tiny_dataset: Path) -> None:
    (full,) = open_album(tiny_dataset).shots(["seq_00/000004"])
    nobody = next(frame for frame in library.Dataset.open(tiny_dataset) if not len(frame.head_ids))
    (empty,) = open_album(tiny_dataset).shots([nobody.frame_id])
    assert (draw(full, [layer])[STRIP:] != draw(full, [])[STRIP:]).any()
    assert (draw(empty, [layer])[STRIP:] == draw(empty, [])[STRIP:]).all()  # nobody is there


def test_a_density_layer_is_where_the_crowd_is(tiny_dataset: Path) -> None:
    (shot,) = open_album(tiny_dataset).shots(["seq_02/000004"])
    drawn = draw(shot, ["density"])[STRIP:].astype(int)
    colour = drawn.max(axis=2) - drawn.min(axis=2)  # all else is grey
    rows, columns = np.nonzero(colour > 60)
    heads = shot.points_xy[shot.of_status("counted")] * 2
    assert len(rows) > 100
    assert abs(columns.mean() - heads[:, 0].mean()) < 120
    assert abs(rows.mean() - heads[:, 1].mean()) < 80


def test_a_sheet_goes_from_the_emptiest_to_the_densest(tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    done = gtahead("view", tiny_dataset, "--out", out, "--json")
    assert done.code == 0, done.err
    names = done.json["frames"]
    dataset = library.Dataset.open(tiny_dataset)
    counts = [dataset[name].count for name in names]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, max(frame.count for frame in dataset))
    assert len({name.partition("/")[0] for name in names}) == 6
    assert pixels(out).shape[1] == 3 * 640 + 2 * 6
    assert (
        len(gtahead("view", tiny_dataset, "--out", out, "--grid", "4x3", "--json").json["frames"])
        == 12
    )


def test_frames_and_sequences_by_name(tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "frames"
    done = gtahead("view", tiny_dataset, "seq_01", "seq_00/000002", "--out", out)
    assert done.code == 0, done.err
    assert len(list(out.glob("*.png"))) == 9
    assert (out / "seq_00_000002.png").exists()
    done = gtahead("view", tiny_dataset, "seq_01", "--out", tmp_path / "one.png")
    assert done.code == 2
    assert "8 frames don't go into one image" in done.err
    assert (
        gtahead("view", tiny_dataset, "seq_01", "--grid", "4x2", "--out", tmp_path / "one.png").code
        == 0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["seq_00/99"], "no such frame or sequence (got 'seq_00/99'); did you mean seq_00/0000"),
        (["--layers", "dots"], "no such layer (got 'dots'); one of points, boxes"),
        (["--grid", "3"], "write COLUMNSxROWS"),
        (["--grid", "0x2"], "write COLUMNSxROWS"),
        (["--out", "x.jpg"], "images are written as PNG"),
        (["--out", "x.mp4"], "add --video"),
        (["--video"], "videos are written as MP4, WebM or GIF"),
        (["--video", "--out", "x.gif", "--fps", "0"], "no such frame rate"),
        (["--split", "tests"], "no such split"),
    ],
)
def test_wrong_calls(
    options: list[str],
    message: str,
    tiny_dataset: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = gtahead("view", tiny_dataset, *options)
    assert done.code == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "format_", ["coco", "yolo", "points-json", "huggingface", "webdataset", "mot"]
)
def test_captures_exports_and_labels_of_others(
    format_: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    exported = tmp_path / "export"
    done = gtahead("export", tiny_dataset, "--format", format_, "--allow-lossy", "--out", exported)
    assert done.code == 0, done.err
    done = gtahead(
        "view", exported, "--layers", "points,boxes", "--out", tmp_path / "x.png", "--json"
    )
    assert done.code == 0, done.err
    assert len(done.json["frames"]) == 6
    mean = pixels(tmp_path / "x.png").reshape(-1, 3).mean()
    assert mean > 40  # images are there


def test_a_capture_is_drawn_as_its_dataset_is(
    tiny_captures: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    for name, path in (("a", tiny_captures), ("b", tiny_dataset)):
        done = gtahead("view", path, "seq_00/000004", "--out", tmp_path / f"{name}.png")
        assert done.code == 0, done.err
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_predictions_against_the_ground_truth(tiny_dataset: Path, tmp_path: Path) -> None:
    """Half of a frame's heads found, one made up."""
    dataset = library.Dataset.open(tiny_dataset)
    frame = max(dataset.split("test"), key=lambda frame: frame.count)
    heads = frame.points_xy[frame.counted]
    listed = [{"image": frame.frame_id, "points": [[*map(float, p), 0.9] for p in heads[::2]]}]
    # Somewhere in the upper part of the image where no head is near.
    spots = [(x, y) for y in range(20, 200, 15) for x in range(20, 620, 15)]
    made_up = max(spots, key=lambda spot: np.hypot(*(frame.points_xy - spot).T).min())
    listed[0]["points"].append([*map(float, made_up), 0.9])
    document = {
        "format": "gtahead-predictions",
        "version": 1,
        "method": {"name": "half", "threshold": 0.5, "threshold_selected_on": "validation"},
        "predictions": listed,
    }
    path = tmp_path / "p.json"
    path.write_text(json.dumps(document))
    (shot,) = open_album(tiny_dataset, predictions=path).shots([frame.frame_id])
    assert shot.found is not None
    assert (len(shot.found.hits_xy), len(shot.found.false_xy)) == (len(heads[::2]), 1)
    assert len(shot.found.missed_xy) == len(heads) - len(heads[::2])
    out = tmp_path / "x.png"
    done = gtahead("view", tiny_dataset, frame.frame_id, "--predictions", path, "--out", out)
    assert done.code == 0, done.err
    image = pixels(out)[STRIP:]
    assert near(image, 2 * made_up[0], 2 * made_up[1], MARKS["false"].bgr, reach=16)
    for position in shot.found.missed_xy[:10] * 2:
        assert near(image, *position, MARKS["miss"].bgr, reach=10)
    done = gtahead("view", tiny_dataset, "--predictions", tmp_path / "gone.json", "--out", out)
    assert done.code == 1
    path.write_text(
        json.dumps({**document, "predictions": [{"image": "seq_00/000004", "count": 3}]})
    )
    done = gtahead("view", tiny_dataset, "--predictions", path, "--out", out)
    assert done.code == 1
    assert "can't be compared with these heads" in done.err


@pytest.mark.parametrize("suffix", but_slow([".mp4", ".gif"], ".webm"))
def test_films(suffix: str, tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / f"film{suffix}"
    done = gtahead("view", tiny_dataset, "seq_03", "--video", "--out", out)
    assert done.code == 0, done.err
    if suffix == ".gif":
        assert Image.open(out).n_frames == 8  # type: ignore[attr-defined]
    else:
        film = cv2.VideoCapture(str(out))
        frames = 0
        while film.read()[0]:
            frames += 1
        assert frames == 8
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_labels_alone_and_names_of_any_kind(tmp_path: Path) -> None:
    make_sequence(tmp_path / "captures", "площадь 1", rows=[])
    done = gtahead(
        *("build", "--raw", tmp_path / "captures", "--out", tmp_path / "data", "--images", "none")
    )
    assert done.code == 0, done.err
    out = tmp_path / "вид.png"
    done = gtahead("view", tmp_path / "data", "--layers", ",".join(LAYERS), "--out", out)
    assert done.code == 0, done.err
    assert out.exists()


def test_a_image_that_does_not_decode(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "captures")
    assert (
        gtahead(
            "build", "--raw", tmp_path / "captures", "--out", tmp_path / "data", "--images", "copy"
        ).code
        == 0
    )
    (tmp_path / "data" / "images" / "seq" / "000000.jpg").write_bytes(b"no image")
    done = gtahead("view", tmp_path / "data", "seq/000000", "--out", tmp_path / "x.png")
    assert done.code == 1
    assert "000000" in done.err
    assert not (tmp_path / "x.png").exists()
    (folder / "sequence.json").write_text("{")
    assert gtahead("view", tmp_path / "captures", "--out", tmp_path / "x.png").code == 1


def test_notebooks(tiny_dataset: Path, tmp_path: Path) -> None:
    dataset = library.Dataset.open(tiny_dataset)
    png = dataset["seq_00/000004"]._repr_png_()
    assert png is not None
    assert png.startswith(b"\x89PNG")
    html = dataset._repr_html_()
    assert "<td>train</td><td>4</td><td>32</td><td>1,694</td>" in html
    assert "width:91px" in html  # 32 of 56 frames
    thumbnails = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    shown = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in thumbnails]
    assert shown == [(240, 135)] * 3
    assert len(html) < 100_000
    assert dataset[:0]._repr_html_().count("<figure") == 0
    code = "import gtahead, sys; gtahead.Dataset.open(sys.argv[1]); print('gtahead.viewing' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_dataset)], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout == "False\n"  # drawing is imported when something is drawn
