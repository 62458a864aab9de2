from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import but_slow, examples, gtahead
from scipy.spatial import cKDTree

import gtahead as library
from gtahead.arrays import Columns
from gtahead.dataset import SPLITS
from gtahead.findings import Findings, Ledger
from gtahead.geometry import inside, project
from gtahead.readers import READERS
from gtahead.simulation import PRESETS, WEATHERS, Preset
from gtahead.simulation.planning import plan
from gtahead.simulation.scene import Scene

SMALL = Preset("test", (320, 180), (3, 3, 3), (4.0, 20.0, 60.0), 3)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures of `SMALL`; nobody writes into them."""
    out = tmp_path_factory.mktemp("simulated") / "captures"
    library.simulate(out, preset=SMALL, workers=1)
    return out


@pytest.fixture
def captures(simulated: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return shutil.copytree(simulated, tmp_path / "captures")


def heads_of(captures: Path) -> list[Columns]:
    reader = READERS["native"]
    sources = reader.list_sequences(captures, Findings())
    return [reader.read(source, Findings(), Ledger()).heads for source in sources]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_tiny_keeps_its_promises(tiny_captures: Path, tiny_dataset: Path) -> None:
    manifest = json.loads((tiny_dataset / "manifest.json").read_text())
    assert manifest["origin"] == "simulated"
    statistics = manifest["statistics"]
    assert statistics["sequences"] >= 6
    assert statistics["frames"] == 8 * statistics["sequences"]
    assert statistics["frames_without_heads"] > 0
    assert all(split["heads"] > 0 for split in statistics["splits"].values())
    assert all(not flow["dropped"] for flow in manifest["ledger"].values())
    assert set(manifest["findings"]["totals"]) == {"head-outside-frame"}
    assert manifest["visibility"] == "measured"
    document = json.loads((tiny_captures / "seq_00" / "sequence.json").read_text())
    assert document["simulated"] is True
    assert "gtahead" in document["tool"]


def test_same_seed_same_bytes_whatever_the_workers(simulated: Path, tmp_path: Path) -> None:
    library.simulate(tmp_path / "2", preset=SMALL, workers=2)
    library.simulate(tmp_path / "other", preset=SMALL, sequences=1, workers=1, seed=1, images=False)
    assert files(simulated) == files(tmp_path / "2")
    name = "seq_00/heads.csv"
    assert files(simulated)[name] != files(tmp_path / "other")[name]


def test_labels_are_the_same_without_images(simulated: Path, tmp_path: Path) -> None:
    library.simulate(tmp_path / "without", preset=SMALL, workers=1, images=False)
    for folder in sorted(simulated.iterdir()):
        name = f"{folder.name}/heads.csv"
        assert (simulated / name).read_bytes() == (tmp_path / "without" / name).read_bytes()
        document = json.loads((tmp_path / "without" / folder.name / "sequence.json").read_text())
        assert document["images"] is False
        assert document["simulated"] is True
    assert not list((tmp_path / "without").rglob("*.jpg"))


def test_a_second_run_reuses_and_another_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "captures"
    small = {"preset": SMALL, "workers": 1, "images": False}
    first = library.simulate(out, **small)
    second = library.simulate(out, **small)
    assert (first.written, second.written, second.reused) == (3, 0, 3)
    assert (first.counted, first.heads) == (second.counted, second.heads)
    with pytest.raises(library.InputError, match="or --overwrite to replace what was simulated"):
        library.simulate(out, **small, seed=5)
    library.simulate(out, **small, seed=5, overwrite=True)
    (out / "seq_00" / "sequence.json").write_text("{}")
    with pytest.raises(
        library.InputError, match=r"the folder holds another capture; choose another --out$"
    ):
        library.simulate(out, **small, seed=5, overwrite=True)


def test_what_is_gone_is_drawn_again_and_no_run_is_mixed_with_another(captures: Path) -> None:
    before = files(captures)
    (captures / "seq_00" / "heads.csv").unlink()
    (captures / "seq_01" / "frames" / "000001.jpg").unlink()
    (captures / ".part-dead" / "frames").mkdir(parents=True)  # of a run that was killed
    assert library.simulate(captures, preset=SMALL, workers=1).written == 2
    assert files(captures) == before
    fewer = Preset("fewer", (320, 180), (3, 3), (4.0, 20.0), 3)
    with pytest.raises(library.InputError, match="the folder holds another capture"):
        library.simulate(captures, preset=fewer, workers=1)
    library.simulate(captures, preset=fewer, workers=1, overwrite=True, images=False)
    assert sorted(path.name for path in captures.iterdir()) == ["seq_00", "seq_01"]
    (captures / "mine").mkdir()
    with pytest.raises(
        library.InputError, match="the folder holds another capture; choose another"
    ):
        library.simulate(captures, preset=fewer, workers=1, overwrite=True)


def test_no_box_rule_can_be_exact(tiny_captures: Path) -> None:
    table = [heads for heads in heads_of(tiny_captures) if len(heads["head_id"])]
    joined = {name: np.concatenate([heads[name] for heads in table]) for name in table[0]}
    width = joined["captured_x1"] - joined["captured_x0"]
    height = joined["captured_y1"] - joined["captured_y0"]
    big = height > 10
    aspect = (width / height)[big]
    assert aspect.std() > 0.05
    assert 0.6 < np.median(aspect) < 1.0
    ratio = joined["top_neck_m"][big] / np.median(joined["top_neck_m"][big])
    assert 0.05 < ratio.std() < 0.25
    shares = joined["visibility"]
    assert shares.min() < 0.5 < shares.max() == 1.0


def test_consistent_ids_move_like_people(tiny_captures: Path) -> None:
    for heads in heads_of(tiny_captures):
        for person in np.unique(heads["head_id"])[:20]:
            rows = np.flatnonzero(heads["head_id"] == person)
            steps = np.diff(heads["frame_index"][rows])
            moved = np.hypot(np.diff(heads["world_x_m"][rows]), np.diff(heads["world_y_m"][rows]))
            assert (
                moved <= 2.5 * 0.5 * steps + 0.1
            ).all()  # under 2.5 m/s at two frames per second


def test_the_plan_of_mfl_lab() -> None:
    plans = plan("mfl-lab", 0)
    assert (len(plans), {one.frames for one in plans}) == (60, {10})
    assert {one.size_wh for one in plans} == {(384, 256)}
    assert len({one.location for one in plans}) == 60
    splits = [one.split for one in plans]
    assert [splits.count(name) for name in SPLITS] == [30, 8, 22]
    mean = {n: np.mean([one.heads for one in plans if one.split == n]) for n in SPLITS}
    assert max(mean.values()) < 1.15 * min(mean.values())  # few and many heads in each


@pytest.mark.slow
def test_the_promised_heads_of_mfl_lab() -> None:
    sides: list[float] = []
    apart: list[float] = []
    for one in plan("mfl-lab", 0):
        scene = Scene(one)
        seen = scene.look(5)
        shown = (seen.shares >= 0.25) & inside(seen.heads_xy, one.size_wh)
        wide, tall = (seen.boxes_xyxy[shown, 2:] - seen.boxes_xyxy[shown, :2]).T
        sides += np.sqrt(wide * tall).tolist()
        if shown.sum() > 1:
            gaps = cKDTree(seen.heads_xy[shown]).query(seen.heads_xy[shown], k=2)[0][:, 1]
            apart += (gaps / wide).tolist()
    shares_below = [np.mean(np.array(sides) < side) for side in (8, 12, 18.2, 27.7, 42.1, 64)]
    assert shares_below[0] < 0.05
    assert np.allclose(shares_below[1:], [0, 0.25, 0.5, 0.75, 1], atol=0.12)
    assert 0.12 <= np.mean(np.array(apart) < 1) < 0.3  # nearer than a head is wide


def test_a_panning_camera_is_recorded_frame_by_frame(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    some = Preset("some", (160, 90), (12,) * 6, (6.0,) * 6, 6, pan_share=0.5)
    library.simulate(captures, preset=some, images=False)
    panning = 0
    for folder in sorted(captures.iterdir()):
        document = json.loads((folder / "sequence.json").read_text())
        turned = {json.dumps(frame.get("camera")) for frame in document["frames"]}
        panning += len(turned) > 1
        assert turned == {"null"} or len(turned) > 10
    assert 0 < panning < 6
    report = library.build(captures, tmp_path / "dataset")
    assert report.exit_code == 0


def test_what_is_asked_for_is_drawn(tmp_path: Path) -> None:
    done = gtahead(
        *("simulate", "--out", tmp_path / "c", "--preset", "tiny", "--size", "128x96"),
        *("--heads", "0:30", "--weather", "rain", "--hour", "22.5"),
        *("--contact-sheet", tmp_path / "sheet.png"),
    )
    assert done.code == 0, done.err
    assert f"contact sheet: {tmp_path / 'sheet.png'}" in done.out
    sheet = cv2.imdecode(np.fromfile(tmp_path / "sheet.png", np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape == (4 * (360 + 34), 2 * 960, 3)  # one of each of seven sequences
    counted = []
    for folder in sorted((tmp_path / "c").iterdir()):
        document = json.loads((folder / "sequence.json").read_text())
        assert (document["width"], document["height"]) == (128, 96)
        assert (document["weather"], document["hour"]) == ("RAIN", 22.5)
        assert "size 128x96, heads 0:30, weather RAIN, hour 22.5" in document["tool"]
        counted.append(document["simulation"]["counted"] / 8)
    assert min(counted) == 0
    assert 20 < max(counted) < 40
    with pytest.raises(library.InputError, match="the folder holds another capture"):
        library.simulate(tmp_path / "c", preset="tiny", size_wh=(128, 96))


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--size", "128"], "'128' is not of the form WxH"),
        (["--size", "9x9"], "images can't have this size (got '9x9'); 64 to 8192 pixels a side"),
        (
            ["--heads", "9:3"],
            "not a range of heads per frame (got '9:3'); MIN:MAX with 0 <= MIN <= MAX",
        ),
        (["--heads", "many"], "'many' is not of the form MIN:MAX"),
        (["--hour", "24"], "the hour must be from 0 to under 24 (got 24.0)"),
        (["--hour", "nan"], "the hour must be from 0 to under 24 (got nan)"),
        (["--weather", "HAIL"], "'HAIL' is not one of"),
        (["--contact-sheet", "no/such/a.png"], "no such folder for the image"),
        (["--contact-sheet", "a.txt"], "images are written as PNG (got 'a.txt'); end the name"),
        (["--contact-sheet", "a.png", "--no-images"], "a contact sheet needs images and boxes"),
        (["--contact-sheet", "a.png", "--layout", "gcc"], "a contact sheet needs images"),
    ],
)
def test_overrides_that_cannot_be_met(tmp_path: Path, words: list[str], error: str) -> None:
    done = gtahead("simulate", "--out", tmp_path / "c", *words)
    assert done.code in (1, 2)
    assert error in done.err
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("weather", WEATHERS)
@pytest.mark.parametrize("hour", but_slow([1.0], 6.1, 13.0))
def test_every_weather_and_hour_leaves_people_to_be_seen(weather: str, hour: float) -> None:
    one = replace(plan("mfl-lab", 1)[0], weather=weather, hour=hour)
    scene = Scene(one)
    seen = scene.look(5)
    crowd = scene.image(5).astype(float)
    nobody = scene.image(5, seen.take(slice(0))).astype(float)
    assert 10 < crowd.mean() < 215
    shown = (seen.shares > 0.9) & inside(seen.heads_xy, one.size_wh)
    assert shown.any()
    column, row = np.floor(seen.heads_xy[shown]).astype(int).T
    assert np.abs(crowd - nobody)[row, column].mean() > 8


def test_a_frame_is_the_same_whatever_was_drawn_before() -> None:
    one = replace(plan("tiny", 1)[2], size_wh=(160, 90), pan_deg=5.0)
    first, second = Scene(one), Scene(one)
    for frame in (0, 1, 2):
        first.image(frame)
    assert np.array_equal(first.image(6), second.image(6))
    for name, values in vars(first.look(6)).items():
        assert np.array_equal(values, getattr(second.look(6), name)), name


def test_labels_fit_the_camera() -> None:
    """What is projected from the world's metres is where the pixels say."""
    for one in plan("tiny", 2)[: 3 * examples(1)]:
        scene = Scene(one)
        frame = one.frames - 1
        seen = scene.look(frame)
        for world, pixels in ((seen.world_m, seen.heads_xy), (seen.neck_m, seen.neck_xy)):
            if len(seen):
                projected, depth = project(world, scene.camera(frame), one.size_wh)
                assert np.abs(projected - pixels).max() < 0.05
        if len(seen):
            assert np.abs(depth - seen.depth_m).max() < 0.6  # of the necks, and of the heads


def test_images_have_the_promised_size(tiny_captures: Path) -> None:
    data = np.fromfile(tiny_captures / "seq_00" / "frames" / "000000.jpg", np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (360, 640, 3)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_plans(name: str, seed: int) -> None:
    plans = plan(name, seed)
    assert plans == plan(name, seed)
    assert len({one.name for one in plans}) == len(plans)
    for one in plans:
        assert one.camera.rotation_deg is not None
        assert -60 <= one.camera.rotation_deg[0] <= (3 if one.photographs else -5)
        assert 0 <= one.hour < 24
    if name == "gta-head":
        assert len(plans) == 35
        assert sum(one.frames for one in plans) == 5096
        assert sum(one.heads * one.frames for one in plans) > 1.73e6 * 1.02
        assert min(one.heads for one in plans) == 0
        assert max(one.heads for one in plans) > 4000


def test_bad_calls(tmp_path: Path) -> None:
    done = gtahead("simulate", "--out", tmp_path / "c", "--preset", "huge")
    assert done.code == 2
    assert "no such preset (got 'huge'); one of tiny, small, gta-head, mfl-lab" in done.err
    with pytest.raises(library.UsageError, match="no such preset"):
        library.simulate(tmp_path / "c", preset="huge")
    (tmp_path / "file").touch()
    done = gtahead("simulate", "--out", tmp_path / "file")
    assert (done.code, done.err) == (
        1,
        f"error: {tmp_path}/file: the path is a file, not a folder; choose another path\n",
    )


@pytest.mark.slow
def test_gta_head_at_full_size(full_size: Path, tmp_path: Path) -> None:
    opened = library.Dataset.open(full_size / "dataset")
    statistics = opened.manifest.document["statistics"]
    assert (statistics["sequences"], statistics["frames"]) == (35, 5096)
    assert statistics["heads"]["counted"] >= 1_730_000
    assert statistics["heads_per_frame"]["least"] == 0
    assert statistics["heads_per_frame"]["most"] > 4000
    assert statistics["splits"]["test"]["sequences"] >= 10
    one = library.build(full_size / "captures", tmp_path / "one", workers=1)
    assert one.manifest["fingerprints"] == opened.manifest.document["fingerprints"]


def test_no_two_frames_take_the_same_noise() -> None:
    """Or frames of an empty street, under a camera that stands still, would be the same image."""
    scene = Scene(replace(plan("mfl-lab", 0)[3], empty_frames=10, pan_deg=0.0))
    images = [scene.image(frame) for frame in range(6)]
    assert len({image.tobytes() for image in images}) == 6
    assert np.array_equal(scene.image(2), images[2])
