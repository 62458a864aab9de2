from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import but_slow, gtahead
from scipy.spatial import cKDTree

import gtahead as library
from gtahead.arrays import Columns
from gtahead.dataset import SPLITS
from gtahead.findings import Findings, Ledger
from gtahead.geometry import box_iou, inside, project
from gtahead.readers import READERS
from gtahead.simulation import PRESETS, WEATHERS, Preset
from gtahead.simulation.bodies import PARTS, Seen
from gtahead.simulation.faces import SKIN, materials
from gtahead.simulation.painting import head_ids, paint, people_stencil, visible_shares
from gtahead.simulation.people import HAIR_STYLES, HEAD_M, Disc
from gtahead.simulation.presets import plan
from gtahead.simulation.props import Face, Prop, Shape
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
    library.simulate(tmp_path / "other", preset=SMALL, workers=1, seed=1, images=False)
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
    ratio = (joined["top_neck_m"] * 1.35 / HEAD_M[0])[big]
    assert 0.05 < ratio.std() < 0.15
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


def _seen(
    heads: list[tuple[float, float, float, float]],
    bodies: list[tuple[float, float, float, float] | None],
) -> Seen:
    """People of whom heads and a chest, a rectangle, are seen; depths fall from their number."""
    count = len(heads)
    outlines = np.full((count, len(PARTS), 8, 2), -9.0)
    for number, chest in enumerate(bodies):
        if chest is not None:
            x0, y0, x1, y1 = chest
            corners = [(x1, y0), (x1, y0), (x0, y0), (x0, y0), (x0, y1), (x0, y1), (x1, y1)]
            outlines[number, PARTS.index("chest")] = [*corners, (x1, y1)]
    return Seen(
        who=np.arange(count),
        heads_xy=np.array([head[:2] for head in heads]),
        semi_axes=np.array([head[2:] for head in heads]),
        depth_m=np.arange(count, 0, -1.0),
        world_m=np.zeros((count, 3)),
        neck_xy=np.zeros((count, 2)),
        neck_m=np.zeros((count, 3)),
        feet_m=np.zeros((count, 2)),
        bodies=outlines,
        facing=np.zeros(count),
        tilt=np.zeros(count),
    )


def test_visible_shares_by_hand() -> None:
    alone = _seen([(20, 20, 8, 10)], [None])
    shares, covered = visible_shares(alone, [], (64, 48))
    assert (shares.tolist(), covered.tolist()) == ([1.0], [0])
    # The second person's body covers the right half of the first one's head.
    behind = _seen([(20, 20, 8, 10), (50, -20, 3, 3)], [None, (20.5, 0, 60, 40)])
    shares, covered = visible_shares(behind, [], (64, 48))
    assert shares[0] == pytest.approx(0.5, abs=0.05)
    assert (shares[1], covered[1]) == (0, -1)  # outside the image
    # A head in front hides one behind it, whole; heads on the border lose what lies outside.
    stacked = _seen([(20, 20, 4, 5), (20, 20, 8, 10), (0, 24, 6, 6)], [None] * 3)
    shares, covered = visible_shares(stacked, [], (64, 48))
    assert shares[:2].tolist() == [0, 1]
    assert shares[2] == pytest.approx(0.5, abs=0.06)
    assert covered.tolist() == [1, 0, 0]
    # A head smaller than a pixel is still somewhere.
    speck = _seen([(20.2, 20.2, 0.1, 0.1)], [None])
    assert visible_shares(speck, [], (64, 48))[0].tolist() == [1.0]


def test_things_hide_those_behind_them_alone() -> None:
    two = _seen([(20, 20, 8, 10), (44, 20, 8, 10)], [None, None])  # 2 and 1 metres deep
    corners = np.array([(0.0, 0.0), (64.0, 0.0), (64.0, 48.0), (0.0, 48.0)])
    face = Face(corners, (90.0, 90.0, 90.0), np.array([0.0, -1.0, 0.0]))
    wall = Prop("wall", Disc(1.5, 0.0, 1.0), 0.0, (90.0, 90.0, 90.0))
    between = [Shape(wall, 1.5, (face,), np.zeros(2))]
    shares, covered = visible_shares(two, between, (64, 48))
    assert (shares.tolist(), covered.tolist()) == ([0, 1], [1, 0])
    stencil = people_stencil(two, between, (64, 48), 17)
    assert stencil[20, 20] == 0
    assert stencil[20, 44] == 17


def _pixel_boxes(ids: Any, numbers: Any) -> Any:
    boxes = []
    for number in numbers:
        rows, columns = np.nonzero(ids == number + 1)
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    return np.array(boxes, np.float64)


def test_boxes_fit_the_heads_pixels() -> None:
    overlaps = []
    for one in plan("mfl-lab", 3)[4::8] + plan("small", 3)[10:11]:
        scene = Scene(one)
        seen, shapes = scene.look(one.frames - 1), scene.shapes(one.frames - 1)
        shares, _ = visible_shares(seen, shapes, one.size_wh)
        sides = 2 * np.sqrt(np.prod(seen.semi_axes, axis=1))
        clear = np.flatnonzero((shares > 0.9) & (sides > 8))
        if len(clear):
            found = _pixel_boxes(head_ids(seen, shapes, one.size_wh)[0], clear)
            overlaps += box_iou(seen.boxes_xyxy[clear], found).tolist()
    assert len(overlaps) > 100
    assert np.mean(overlaps) > 0.9


def test_images_show_heads_where_the_labels_have_them() -> None:
    one = replace(plan("mfl-lab", 3)[5], weather="CLEAR", hour=12.0, props=0, pan_deg=0.0)
    scene = Scene(one)
    seen = scene.look(0)
    empty = np.full((one.size_wh[1], one.size_wh[0], 3), 128, np.uint8)
    with_heads, without = empty.copy(), empty.copy()
    paint(with_heads, seen, [], scene.people, scene.light, one.camera)
    headless = replace(seen, semi_axes=np.full_like(seen.semi_axes, 1e-3))
    paint(without, headless, [], scene.people, scene.light, one.camera)
    changed = (with_heads != without).any(axis=2)
    there = head_ids(seen, [], one.size_wh)[0] > 0
    assert changed[there].mean() > 0.9
    assert (changed & ~there).sum() < 0.1 * there.sum()  # soft edges alone


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
        shares, _ = visible_shares(seen, scene.shapes(5), one.size_wh)
        shown = (shares >= 0.25) & inside(seen.heads_xy, one.size_wh)
        sides += (2 * np.sqrt(np.prod(seen.semi_axes[shown], axis=1))).tolist()
        if shown.sum() > 1:
            gaps = cKDTree(seen.heads_xy[shown]).query(seen.heads_xy[shown], k=2)[0][:, 1]
            apart += (gaps / (2 * seen.semi_axes[shown, 0])).tolist()
    shares_below = [np.mean(np.array(sides) < side) for side in (8, 12, 18.2, 27.7, 42.1, 64)]
    assert shares_below[0] < 0.05
    assert np.allclose(shares_below[1:], [0, 0.25, 0.5, 0.75, 1], atol=0.12)
    assert 0.3 <= np.mean(np.array(apart) < 1) < 0.5


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


def test_a_panned_view_is_the_location_seen_by_the_turned_camera() -> None:
    one = replace(plan("small", 3)[4], weather="CLEAR", hour=12.0, pan_deg=6.0, pan_s=20.0)
    scene = Scene(one)
    frame = 10  # a quarter of the way, to the side
    turned = scene.camera(frame)
    assert turned.rotation_deg != one.camera.rotation_deg
    spot = scene.ground.world(1.5 * scene.ground.near_m, 0.3)[None]
    wide, camera, wide_wh = scene._canvas
    marked = wide.copy()
    (x, y), (u, v) = project(spot, camera, wide_wh)[0][0], project(spot, turned, one.size_wh)[0][0]
    cv2.circle(marked, (round(x - 0.5), round(y - 0.5)), 4, (255, 0, 255), -1)
    scene.__dict__["_canvas"] = (marked, camera, wide_wh)
    seen = scene._empty(turned).astype(int)
    rows, columns = np.nonzero((seen[..., 1] < 60) & (seen[..., 0] > 200) & (seen[..., 2] > 200))
    assert np.hypot(columns.mean() + 0.5 - u, rows.mean() + 0.5 - v) < 1.5


def test_things_move_in_the_image_as_the_camera_turns() -> None:
    """They are kept for the next frame, but only while the camera stands still."""
    one = replace(plan("small", 3)[4], pan_deg=6.0, pan_s=20.0, props=6)
    scene = Scene(one)
    first, turned, again = (scene.shapes(frame) for frame in (0, 10, 0))
    assert first
    outlines = [
        [face.outline.tolist() for s in shapes for face in s.faces]
        for shapes in (first, turned, again)
    ]
    assert outlines[0] == outlines[2] != outlines[1]
    still = Scene(replace(one, pan_deg=0.0))
    assert still.shapes(0) is still.shapes(10)


def test_what_is_asked_for_is_drawn(tmp_path: Path) -> None:
    done = gtahead(
        *("simulate", "--out", tmp_path / "c", "--preset", "tiny", "--size", "128x96"),
        *("--heads", "0:30", "--weather", "rain", "--hour", "22.5"),
        *("--contact-sheet", tmp_path / "sheet.png"),
    )
    assert done.code == 0, done.err
    assert f"contact sheet: {tmp_path / 'sheet.png'}" in done.out
    sheet = cv2.imdecode(np.fromfile(tmp_path / "sheet.png", np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape == (6 * (360 + 34), 2 * 960, 3)
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
        (["--weather", "SNOW"], "'SNOW' is not one of"),
        (["--contact-sheet", "no/such/a.png"], "no such folder for the image"),
        (["--contact-sheet", "a.txt"], "images are written as PNG (got 'a.txt'); end the name"),
        (["--contact-sheet", "a.png", "--no-images"], "a contact sheet needs images and boxes"),
        (["--contact-sheet", "a.png", "--layout", "gcc"], "a contact sheet needs images"),
    ],
)
def test_wishes_that_cannot_be_met(tmp_path: Path, words: list[str], error: str) -> None:
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
    crowd = scene.image(5, seen).astype(float)
    nobody = scene.image(5, seen.take(slice(0))).astype(float)
    assert 15 < crowd.mean() < 200
    ids, _ = head_ids(seen, scene.shapes(5), one.size_wh)
    assert np.abs(crowd - nobody)[ids > 0].mean() > 8


def test_faces_turn_as_people_do() -> None:
    style = HAIR_STYLES.index("short")

    def skin(facing: float) -> Any:
        return materials(style, facing, 0.0, 48).reshape(48, 48, 4)[..., SKIN]

    front, back, right = skin(0.0), skin(np.pi), skin(np.pi / 2)
    assert front[24, 24] > 0.5 > back[24, 24]
    assert right[24, 36:].mean() > right[24, :12].mean() + 0.5
    assert skin(-np.pi / 2) == pytest.approx(right[:, ::-1], abs=1e-5)


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
        assert -60 <= one.camera.rotation_deg[0] <= -5
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
    assert "'huge' is not one of 'tiny', 'small', 'gta-head', 'mfl-lab'" in done.err
    with pytest.raises(library.UsageError, match="no such preset"):
        library.simulate(tmp_path / "c", preset="huge")
    (tmp_path / "file").touch()
    done = gtahead("simulate", "--out", tmp_path / "file")
    assert (done.code, done.err) == (
        1,
        f"error: {tmp_path}/file: the path is a file, not a folder; choose another path\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7])
def test_gta_head_at_full_size(tmp_path: Path, seed: int) -> None:
    report = library.simulate(tmp_path / "captures", preset="gta-head", seed=seed, images=False)
    assert (len(report.sequences), report.frames) == (35, 5096)
    built = library.build(tmp_path / "captures", tmp_path / "dataset")
    statistics = built.manifest["statistics"]
    assert statistics["heads"]["counted"] == report.counted >= 1_730_000
    assert statistics["heads_per_frame"]["least"] == 0
    assert statistics["heads_per_frame"]["most"] > 4000
    assert statistics["splits"]["test"]["sequences"] >= 10
    assert built.exit_code == 0
    one = library.build(tmp_path / "captures", tmp_path / "one", workers=1)
    assert one.manifest["fingerprints"] == built.manifest["fingerprints"]


def test_no_two_frames_take_the_same_noise() -> None:
    """Or frames of an empty street, under a camera that stands still, would be the same image."""
    scene = Scene(plan(PRESETS["tiny"], 0)[0])
    assert len({scene._pieces(frame)[1] for frame in range(400)}) == 400
    again = Scene(plan(PRESETS["tiny"], 0)[0])
    assert again._pieces(399) == scene._pieces(399)
