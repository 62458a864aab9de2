"""Numbers that can't be meant: bounded where they enter, whatever the format."""

from __future__ import annotations

import json
import re
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import edit_sequence, gtahead, image, make_sequence, put, spawn_gtahead
from layouts import crowd, write_gcc

import gtahead as library
from gtahead import Dataset


@pytest.mark.parametrize("vfov", [1e-300, 5e-324, 1e-9, 179.9999999])
def test_a_view_too_narrow_or_too_wide_is_refused(tmp_path: Path, vfov: float) -> None:
    folder = make_sequence(tmp_path / "raw", "a")
    make_sequence(tmp_path / "raw", "b")
    edit_sequence(folder, lambda document: document.update(camera={"vfov_deg": vfov}))
    done = gtahead("build", "--raw", tmp_path / "raw", "--out", tmp_path / "set")
    assert done.code == 3
    assert "bad-schema]: a/sequence.json > sequence a > /camera" in done.err


@pytest.mark.parametrize("vfov", ["1e-300", "nan", "180", "-5"])
@pytest.mark.parametrize("boxes", ["auto", "camera", "ground"])
def test_a_table_whose_view_cannot_be_has_no_camera(tmp_path: Path, vfov: str, boxes: str) -> None:
    make_sequence(tmp_path / "raw")
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    library.export(tmp_path / "set", tmp_path / "voc", format="voc", allow_lossy=True, workers=1)
    table = tmp_path / "voc" / "frames.csv"
    header, *rows = table.read_text().splitlines()
    at = header.split(",").index("vfov_deg")
    changed = [",".join(vfov if i == at else w for i, w in enumerate(r.split(","))) for r in rows]
    table.write_text("\n".join([header, *changed]) + "\n")
    words = ["build", "--raw", tmp_path / "voc", "--out", tmp_path / "again", "--boxes", boxes]
    assert gtahead(*words).code == 0
    assert set(Dataset.open(tmp_path / "again").frames(["vfov_deg"])["vfov_deg"]) == {None}


@pytest.mark.parametrize("number", [100_000, 2**31, 2**32 + 1, 999_999_999_999])
def test_a_frame_number_of_mot_that_is_a_typo(tmp_path: Path, number: int) -> None:
    files: dict[str, str | bytes] = {f"raw/train/s/img1/{n:06d}.jpg": image(n) for n in range(1, 4)}
    line = "1,10,10,5,5,1,1,1"
    files["raw/train/s/gt/gt.txt"] = f"1,{line}\n2,{line}\n{number},{line}\n"
    put(tmp_path, files)
    limits = {resource.RLIMIT_AS: 4_000_000_000}
    done = spawn_gtahead("build", "--raw", tmp_path / "raw", "--out", tmp_path / "x", limits=limits)
    assert done.code == 1
    assert "train/s/gt/gt.txt: a frame number is far beyond all others" in done.err
    assert str(number) in done.err


@pytest.mark.parametrize("fps", ["1e-9", "0", "nan", "1e9", "-1"])
def test_the_speed_of_a_film_has_bounds(tmp_path: Path, fps: str) -> None:
    make_sequence(tmp_path / "raw")
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    out = tmp_path / "film.gif"
    done = gtahead("view", tmp_path / "set", "seq", "--video", "--out", out, "--fps", fps)
    assert done.code == 2
    assert "no such frame rate" in done.err
    assert not out.exists()


@pytest.mark.parametrize("kind", ["huggingface", "imagefolder", "mot", "points-csv", "voc"])
def test_hour_and_rate_keep_their_bits(tmp_path: Path, kind: str) -> None:
    facts = {"hour": 0.30000000000000004, "fps": 29.97002997002997}
    make_sequence(tmp_path / "raw", **facts)
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    library.export(tmp_path / "set", tmp_path / "out", format=kind, allow_lossy=True, workers=1)
    library.build(tmp_path / "out", tmp_path / "again", workers=1)
    frames = Dataset.open(tmp_path / "again").frames(["hour", "fps"])
    assert set(frames["hour"]) == {facts["hour"]}
    assert set(frames["fps"]) == {facts["fps"]}


@pytest.mark.parametrize(
    ("hour", "fps"), [("25", "1e9"), ("-1", "0"), ("inf", "-3"), ("24", "nan")]
)
def test_hours_and_rates_that_cannot_be_are_unknown(tmp_path: Path, hour: str, fps: str) -> None:
    make_sequence(tmp_path / "raw", hour=3.5, fps=8)
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    library.export(tmp_path / "set", tmp_path / "voc", format="voc", allow_lossy=True, workers=1)
    table = tmp_path / "voc" / "frames.csv"
    header, *rows = table.read_text().splitlines()
    for name, value in (("hour", hour), ("fps", fps)):
        at = header.split(",").index(name)
        rows = [",".join(value if i == at else w for i, w in enumerate(r.split(","))) for r in rows]
    table.write_text("\n".join([header, *rows]) + "\n")
    library.build(tmp_path / "voc", tmp_path / "again", workers=1)
    frames = Dataset.open(tmp_path / "again").frames(["hour", "fps"])
    assert set(frames["hour"]) == set(frames["fps"]) == {None}


def test_boxes_of_voc_within_a_pixel_pass_their_own_check(tmp_path: Path) -> None:
    boxes = [(x + 0.3, 10.25, 0.4 + x / 20, 0.7) for x in range(0, 60, 5)]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "head"}],
        "annotations": [
            {"id": n + 1, "image_id": 1, "category_id": 1, "bbox": box, "area": 1, "iscrowd": 0}
            for n, box in enumerate(boxes)
        ],
    }
    put(tmp_path / "raw", {"labels.json": json.dumps(document), "a.jpg": image()})
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    library.export(tmp_path / "set", tmp_path / "voc", format="voc", allow_lossy=True, workers=1)
    done = gtahead("validate", tmp_path / "voc", "--against", tmp_path / "set")
    assert done.code == 0, done.out


def test_an_id_of_gcc_that_is_a_typo(tmp_path: Path) -> None:
    scene = crowd(frames=1)
    raw = write_gcc(
        tmp_path / "raw", replace(scene, people=[scene.people[0][:4]], size_wh=(64, 36))
    )
    info = next(raw.rglob("pedInfo.xml"))
    text = info.read_text()
    ped = re.search(r"\d+", text)
    assert ped is not None
    info.write_text(text[: ped.start()] + "4294967296" + text[ped.end() :])
    limits = {resource.RLIMIT_AS: 2_000_000_000}
    words = ("build", "--raw", raw, "--out", tmp_path / "set", "--workers", 1)
    done = spawn_gtahead(*words, limits=limits)
    assert done.code in (1, 3)
    assert "part_180_1.bmp" in done.err


def test_a_captured_box_has_a_pixels_256th_at_least(tmp_path: Path) -> None:
    header = "frame,ped_id,x,y,depth_m,box_x0,box_y0,box_x1,box_y1"
    rows = ["0,1,10,10,8,9,9,9.00390625,11", "0,2,30,20,8,30,20,30.00390625,20.00390625"]
    folder = make_sequence(tmp_path / "raw", "a", rows=rows, header=header)
    assert folder.is_dir()
    report = library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    assert report.findings.totals["bad-box"] == 1  # of head 1, which isn't in its box
    frame = Dataset.open(tmp_path / "set")[0]
    assert frame.boxes_xyxy[1].tolist() == [30, 20, 30.00390625, 20.00390625]
