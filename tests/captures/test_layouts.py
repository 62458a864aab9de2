"""One scene in every tool's layout gives the same heads and the same frames."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import layouts
import numpy as np
import pytest
from helpers import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import FULL, Body, Scene, axes, crowd, read, see

import gtahead
from gtahead.building import BuildReport
from gtahead.geometry import Camera
from gtahead.simulation import Preset, lens

ANGLE = st.floats(-179, 179)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Some people in front of a camera anywhere in the game's world; one frame is empty."""
    position = draw(st.tuples(st.floats(-4000, 4500), st.floats(-4000, 8000), st.floats(1, 400)))
    rotation = (draw(st.floats(-60, 30)), draw(st.floats(-10, 10)), draw(ANGLE))
    camera = Camera(float(draw(st.integers(20, 90))), position, rotation)
    seed = draw(st.integers(0, 2**32))
    random = np.random.default_rng(seed)
    way = axes(camera).T
    slope = math.tan(math.radians(camera.vfov_deg) / 2)

    def body(ped: int) -> Body:
        depth = random.uniform(3, 90)
        across, above = random.uniform(-2, 2) * slope, random.uniform(-1.1, 1.1) * slope
        top = np.array(position) + way @ np.array([across * depth, depth, above * depth])
        neck = top - np.array([*random.normal(0, 0.05, 2), 0.22])
        return Body(ped, top, neck, int(random.random() < 0.3), int(random.random() < 0.3))

    counts = draw(st.lists(st.integers(0, 9), min_size=1, max_size=2))
    people = [
        [body(int(p)) for p in random.choice(10_000, count, replace=False)] for count in counts
    ]
    return Scene([camera] * (len(people) + 1), [*people[:1], [], *people[1:]])


@dataclass(frozen=True)
class Precision:
    """What a layout keeps: the joint that is the point, and how far numbers may be off."""

    write: Callable[[Path, Scene], Path]
    bone: bool = False
    first: int = 0  # number of the first frame
    whole_px: bool = False  # pixels are whole numbers
    projected: bool = False  # pixels come from printed positions
    printed: bool = False  # six digits
    depth: bool = True
    visible_only: bool = False


EXACT_PX = 1e-9
LAYOUTS = {
    "native": Precision(layouts.write_native),
    "jta-mods 1": Precision(
        partial(layouts.write_jta_mods, generation=1), projected=True, printed=True
    ),
    "jta-mods 2": Precision(partial(layouts.write_jta_mods, generation=2), printed=True),
    "jta-mods 3": Precision(partial(layouts.write_jta_mods, generation=3), printed=True),
    "jta": Precision(layouts.write_jta, first=1),
    "motsynth": Precision(layouts.write_motsynth, whole_px=True),
    "motsynth, frames from 0": Precision(partial(layouts.write_motsynth, base=0), whole_px=True),
    "motsynth, frames by frame_n": Precision(
        partial(layouts.write_motsynth, base=3), whole_px=True
    ),
    "mta": Precision(layouts.write_mta, printed=True),
    "gcc": Precision(
        partial(layouts.write_gcc, shots=False), bone=True, first=layouts.UNIX, depth=False
    ),
}


def _step(value: float) -> float:
    return 10.0 ** (math.floor(math.log10(max(abs(value), 1e-3))) - 5)


def _tolerances(
    how: Precision, body: Body, camera: Camera, x: float, y: float
) -> tuple[float, float]:
    """Pixels and metres that a layout's printing may cost."""
    focal = FULL[1] / 2 / math.tan(math.radians(camera.vfov_deg) / 2)
    _, _, depth = see(body.top, camera, FULL)
    position = max(map(abs, (*body.top, *(camera.position_m or ()))))
    metres = 2 * math.sqrt(3) * _step(position) / 2
    turned = math.radians(3 * 5e-4)
    if how.whole_px:
        return 0.5 + EXACT_PX, 1e-9
    if how.projected:
        skew = 1 + math.hypot(x - 960, y - 540) / focal
        return skew * (
            metres / depth + turned * skew
        ) * focal + 1 / 512, metres + turned * depth + 1e-3
    if how.printed:
        return _step(max(abs(x), abs(y))) / 2 + EXACT_PX, metres + turned * 2 * depth + 1e-3
    if how.bone:
        return 0.5e-6 * 1920 + EXACT_PX, math.inf
    return EXACT_PX, 1e-9


@pytest.mark.parametrize("name", LAYOUTS)
@given(scenes())
@settings(max_examples=examples(6))
def test_one_scene_gives_the_same_heads_and_frames(name: str, scene: Scene) -> None:
    how = LAYOUTS[name]
    with tempfile.TemporaryDirectory() as folder:
        sequence, findings, ledger = read(how.write(Path(folder), scene))
    numbers = [int(frame.frame) - how.first for frame in sequence.frames]
    last = max([n for n, people in enumerate(scene.people) if people], default=0)
    if name.startswith(("native", "jta", "motsynth", "mta", "gcc")) and sequence.images:
        assert numbers == list(range(len(scene.people)))
    else:
        assert numbers[: last + 1] == list(range(last + 1))
    ground_truth = [
        (number, body)
        for number, people in enumerate(scene.people)
        for body in sorted(people, key=lambda body: body.ped)
    ]
    assert ledger.heads.came == len(ground_truth)
    assert set(findings.totals) <= {"images-after-labels"}
    heads = sequence.heads
    assert heads["frame_index"].tolist() == [number for number, _ in ground_truth]
    assert heads["head_id"].tolist() == [body.ped for _, body in ground_truth]
    assert sequence.size_wh == FULL
    for row, (number, body) in enumerate(ground_truth):
        camera = scene.cameras[number]
        x, y, depth = see(body.bone if how.bone else body.top, camera, FULL)
        pixels, metres = _tolerances(how, body, camera, x, y)
        assert heads["x"][row] == pytest.approx(x, abs=pixels)
        assert heads["y"][row] == pytest.approx(y, abs=pixels)
        if how.depth:
            assert heads["depth_m"][row] == pytest.approx(depth, abs=metres)
            apart = float(np.linalg.norm(body.top - body.neck))
            assert heads["top_neck_m"][row] == pytest.approx(apart, abs=4 * _step(8000))
        if "occluded" in heads and name != "gcc":
            assert heads["occluded"][row] == body.occluded


BUILT = {
    "jta-mods": partial(layouts.write_jta_mods, generation=3),
    "jta": layouts.write_jta,
    "motsynth": layouts.write_motsynth,
    "mta": layouts.write_mta,
}


def _built(root: Path, out: Path) -> tuple[gtahead.Dataset, BuildReport]:
    report = gtahead.build(root, out, workers=1)
    return gtahead.Dataset.open(out), report


@pytest.mark.parametrize("name", BUILT)
def test_datasets_of_one_scene_agree(name: str, tmp_path: Path) -> None:
    scene = crowd()
    wanted, _ = _built(layouts.write_native(tmp_path, scene), tmp_path / "native-set")
    found, report = _built(BUILT[name](tmp_path, scene), tmp_path / "set")
    assert not report.findings.anything_set_aside
    assert len(found) == len(wanted) == 4
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.count == theirs.count
        assert mine.head_ids.tolist() == theirs.head_ids.tolist()
        assert mine.points_xy == pytest.approx(theirs.points_xy, abs=0.51)
        assert mine.boxes_xyxy == pytest.approx(theirs.boxes_xyxy, abs=0.75)
        assert (mine.image_path is None) == (theirs.image_path is None)
    for sequence, other in zip(found.sequences, wanted.sequences, strict=True):
        columns = ["box_source", "occluded", "status"]
        mine, theirs = found.heads(sequence, columns), wanted.heads(other, columns)
        assert all(mine[column].tolist() == theirs[column].tolist() for column in columns)
        assert set(mine["box_source"]) == {"joints"}


def test_simulated_tool_layouts_hold_what_the_native_one_does(tmp_path: Path) -> None:
    preset = Preset("pair", (480, 270), (1, 1), (60, 90), 2, pan_share=0.0)
    sets = {}
    for layout in ("native", "jta-mods", "gcc"):
        captures = tmp_path / layout
        report = gtahead.simulate(captures, preset=preset, layout=layout, workers=1)
        sets[layout], built = _built(captures, tmp_path / f"{layout}-set")
        assert report.counted > 120
        assert not built.findings.anything_set_aside
        assert sets[layout].manifest.document["origin"] == "simulated"
        again = gtahead.simulate(captures, preset=preset, layout=layout, workers=1)
        assert (again.written, again.reused) == (0, 2)
    native = list(sets["native"])
    for mine, theirs in zip(sets["jta-mods"], native, strict=True):
        assert mine.head_ids.tolist() == theirs.head_ids.tolist()
        assert mine.points_xy == pytest.approx(theirs.points_xy, abs=0.011)
        assert mine.image_path.read_bytes() == theirs.image_path.read_bytes()
    for mine, theirs in zip(sets["gcc"], native, strict=True):
        ground_truth = theirs.points_xy[(theirs.points_xy >= 0).all(axis=1)]
        near = np.linalg.norm(mine.points_xy[:, None] - ground_truth, axis=2).min(axis=1)
        sides = np.sqrt(np.prod(mine.boxes_xyxy[:, 2:] - mine.boxes_xyxy[:, :2], axis=1))
        assert np.median(near / sides) < 0.25
        # The layers together show what was drawn in one go: saved as it was, they are the same.
        shown, drawn = cv2.imread(str(mine.image_path)), cv2.imread(str(theirs.image_path))
        saved = [
            cv2.imdecode(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
            for quality in range(lens.QUALITY[0], lens.QUALITY[1] + 1)
        ]
        assert min(np.abs(one.astype(int) - drawn).mean() for one in saved) < 1.0


def test_another_tools_layout_replaces_only_what_was_simulated(tmp_path: Path) -> None:
    few = {"preset": Preset("pair", (320, 180), (2, 2), (4, 20), 2), "images": False, "workers": 1}
    gtahead.simulate(tmp_path / "c", layout="jta-mods", **few)
    with pytest.raises(gtahead.InputError, match="the folder holds another capture"):
        gtahead.simulate(tmp_path / "c", layout="gcc", **few)
    done = gtahead.simulate(tmp_path / "c", layout="gcc", overwrite=True, **few)
    assert done.written == 2
    assert [path.name for path in sorted((tmp_path / "c").iterdir())] == ["part_0_0", "part_1_1"]
    with pytest.raises(gtahead.UsageError, match="no such layout"):
        gtahead.simulate(tmp_path / "d", layout="mta")


def test_sizes_are_read_off_the_labels(tmp_path: Path) -> None:
    """Where there are pixels and positions, and no images, no size is given anywhere."""
    scene = crowd()
    scene.size_wh = (1280, 720)
    sequence, findings, _ = read(layouts.write_jta_mods(tmp_path, scene, 2, images=False))
    assert sequence.size_wh == (1280, 720)
    assert findings.totals == {}
