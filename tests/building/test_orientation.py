"""Images that must change on their way into a dataset, and what their heads do then."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import HEADER, edit_sequence, gtahead, image, make_sequence
from PIL import Image

from gtahead import Dataset

SPOT = (50.5, 7.5)  # x, y of a red dot in the image as stored, 64 x 48


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(orientation).integers(0, 80, (48, 64, 3)).astype(np.uint8)
    cv2.circle(pixels, (50, 7), 3, (255, 0, 0), -1)
    tags = Image.Exif()
    tags[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, exif=tags, quality=95)
    return out.getvalue()


def red_spot(path: Path) -> tuple[float, float]:
    pixels = np.asarray(Image.open(path)).astype(int)
    rows, columns = np.nonzero((pixels[:, :, 0] > 200) & (pixels[:, :, 1] < 120))
    return columns.mean() + 0.5, rows.mean() + 0.5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_image_takes_its_heads_along(tmp_path: Path, orientation: int) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    row = f"0,1,{SPOT[0]},{SPOT[1]},24,50,7,49,10,48,2,53,13"
    header = HEADER + ",top_x,top_y,neck_x,neck_y,box_x0,box_y0,box_x1,box_y1"
    folder = make_sequence(
        captures, rows=[row, "1,1,10,10,24,10,10,10,12,5,5,15,15"], header=header
    )
    before = turned(orientation)
    (folder / "frames" / "000000.jpg").write_bytes(before)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "set", "--workers", 1, "--json")
    assert done.code == 0
    frame = Dataset.open(tmp_path / "set")["seq/000000"]
    assert frame.image_path is not None
    assert (folder / "frames" / "000000.jpg").read_bytes() == before  # ours never changes theirs
    assert frame.points_xy[0] == pytest.approx(red_spot(frame.image_path), abs=0.6)
    x0, y0, x1, y1 = frame.boxes_xyxy[0]
    assert x0 < frame.points_xy[0, 0] < x1
    assert y0 < frame.points_xy[0, 1] < y1
    assert sorted([x1 - x0, y1 - y0]) == [5, 11]
    assert frame.size_wh == ((48, 64) if orientation >= 5 else (64, 48))
    assert frame.camera is not None
    focal = frame.size_wh[1] / 2 / np.tan(np.radians(frame.camera.vfov_deg) / 2)
    assert focal == pytest.approx(24 / np.tan(np.radians(25)))
    expected = {"exif-orientation": 1} if orientation > 1 else {"exif-removed": 1}
    assert done.json["findings"]["totals"] == expected
    assert not Image.open(frame.image_path).getexif()
    other = Dataset.open(tmp_path / "set")["seq/000001"]
    assert (other.size_wh, other.points_xy[0].tolist()) == ((64, 48), [10, 10])
    heads = Dataset.open(tmp_path / "set").heads("seq", ["top_x", "top_y", "in_frame"])
    assert abs(heads["top_x"][0] - frame.points_xy[0, 0]) <= 0.5
    assert heads["in_frame"].all()


def test_pseudo_boxes_stand_upright_in_turned_images(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    folder = make_sequence(
        captures, frames=1, rows=["0,1,32,24,8,1.5"], header=HEADER + ",top_neck_m"
    )
    (folder / "frames" / "000000.jpg").write_bytes(turned(6))
    assert (
        gtahead("build", "--raw", captures, "--out", tmp_path / "set", "--boxes", "joints").code
        == 0
    )
    frame = Dataset.open(tmp_path / "set")["seq/000000"]
    width, height = frame.boxes_xyxy[0, 2:] - frame.boxes_xyxy[0, :2]
    assert width == pytest.approx(0.8 * height, abs=1 / 64)  # taller than wide, as heads are


def test_heads_given_in_upright_pixels_stay(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    folder = make_sequence(captures, frames=1, rows=["0,1,40.5,50.5,8"])
    edit_sequence(folder, lambda document: document.update(width=48, height=64))
    (folder / "frames" / "000000.jpg").write_bytes(turned(6))  # stored 64 x 48, declared 48 x 64
    assert gtahead("build", "--raw", captures, "--out", tmp_path / "set").code == 0
    frame = Dataset.open(tmp_path / "set")["seq/000000"]
    assert frame.points_xy[0].tolist() == [40.5, 50.5]
    assert frame.image_path is not None
    assert frame.points_xy[0] == pytest.approx(red_spot(frame.image_path), abs=0.6)


def test_other_colour_modes_become_rgb_and_names_follow_the_content(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    folder = make_sequence(captures)
    grey = io.BytesIO()
    Image.open(io.BytesIO(image(1))).convert("L").save(grey, "JPEG")
    (folder / "frames" / "000000.jpg").write_bytes(grey.getvalue())
    (folder / "frames" / "000001.jpg").write_bytes(image(2, kind=".png"))
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "set", "--json")
    assert done.code == 0
    assert done.json["findings"]["totals"] == {"colour-converted": 1}
    files = Dataset.open(tmp_path / "set").frames(["file"])["file"]
    assert files[:2] == ["images/seq/000000.jpg", "images/seq/000001.png"]
    assert Image.open(tmp_path / "set" / files[0]).mode == "RGB"


def test_symbolic_links_to_images_are_followed(tmp_path: Path) -> None:
    captures, disk = tmp_path / "captures", tmp_path / "big disk"
    captures.mkdir()
    folder = make_sequence(captures)
    (folder / "frames").rename(disk)
    (folder / "frames").symlink_to(disk)
    assert gtahead("build", "--raw", captures, "--out", tmp_path / "set").code == 0
    assert (tmp_path / "set/images/seq/000002.jpg").samefile(disk / "000002.jpg")
    assert not (tmp_path / "set/images/seq/000002.jpg").is_symlink()


def test_a_image_in_two_sequences_keeps_them_together(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    for number in range(5):
        make_sequence(captures, f"s{number}", split=None)
    shared = (captures / "s0/frames/000002.jpg").read_bytes()
    (captures / "s4/frames/000001.jpg").write_bytes(shared)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "set")
    assert done.code == 0
    assert done.err == (
        "warning[same-image-twice]: s4/frames/000001.jpg > sequence s4 > frame 000001: two sequences "
        "share an image: as s0/frames/000002.jpg; remove one of them if it is a copy\n"
    )
    rows = Dataset.open(tmp_path / "set").frames(["sequence", "split"])
    split = dict(zip(rows["sequence"], rows["split"], strict=True))
    assert split["s0"] == split["s4"]
    assert len(set(split.values())) == 3


def test_few_places_are_said(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    for name in "ab":
        make_sequence(captures, name, split=None, location="pier")
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "set")
    assert done.code == 0
    assert done.err == (
        "warning[few-locations]: too few locations for three splits: 1 location; capture more locations: sequences "
        "of one location can't be in two splits\n"
    )
    assert set(Dataset.open(tmp_path / "set").frames(["split"])["split"]) == {"train"}


@pytest.mark.parametrize("every", [1, 2, 3, 99])
def test_every_nth_frame(tmp_path: Path, every: int) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    make_sequence(captures, frames=6)
    done = gtahead(
        "build", "--raw", captures, "--out", tmp_path / "set", "--every", every, "--json"
    )
    assert done.code == 0  # leaving out on request sets nothing aside
    dataset = Dataset.open(tmp_path / "set")
    assert [frame.frame for frame in dataset] == [f"{n:06d}" for n in range(0, 6, every)]
    frames, heads = done.json["ledger"]["frames"], done.json["ledger"]["heads"]
    kept = len(dataset)
    assert frames == {
        "in": 6,
        "out": kept,
        "dropped": {} if every == 1 else {"not-sampled": 6 - kept},
    }
    assert heads["in"] == heads["out"] + sum(heads["dropped"].values()) == 4
