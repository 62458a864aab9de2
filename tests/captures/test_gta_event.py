"""GTA5Event: heads among unnamed bones, cameras in column-major matrices."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import layouts
import numpy as np
import pytest
from helpers import gtahead
from layouts import Scene, crowd, read, see, small_crowd

from gtahead import Dataset
from gtahead.captures import gta_event

PLACE = "locations_processed/pier.json"
FIRST = "data/pier/0000000000.json"


@pytest.fixture(scope="module")
def crowd_captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captures of `crowd`; nobody writes into them."""
    return layouts.write_gta_event(tmp_path_factory.mktemp("crowd"), small_crowd())


def build(root: Path) -> Any:
    return gtahead("build", "--raw", root, "--out", root.parent / "set", "--workers", 1)


@pytest.mark.parametrize("matrix", [True, False])
def test_faces_are_found_among_the_bones(tmp_path: Path, matrix: bool) -> None:
    scene = crowd()
    sequence, findings, ledger = read(layouts.write_gta_event(tmp_path, scene, matrix=matrix))
    assert findings.totals == {}
    camera = sequence.frames[0].camera
    assert camera is not None
    assert camera.position_m == pytest.approx(scene.cameras[0].position_m)
    assert camera.rotation_deg == pytest.approx(scene.cameras[0].rotation_deg, abs=1e-9)
    assert (sequence.fps, sequence.weather, sequence.hour) == (30.0, "RAIN", 11.7)
    heads = sequence.heads
    assert (heads["point_kind"] == -1).all()
    true = np.array([see(b.top, scene.cameras[0], scene.size_wh) for b in scene.people[0]])
    off = np.hypot(heads["x"][:40] - true[:, 0], heads["y"][:40] - true[:, 1])
    assert (off < 0.03 * 1158 / true[:, 2]).all()  # the bone below the face is in the mean
    assert heads["depth_m"][:40] == pytest.approx(true[:, 2], abs=0.03)
    assert (ledger.heads.came, ledger.heads.kept) == (120, 120)  # cars are no heads


@pytest.mark.parametrize("roll", [0.0, 8.5, -170.0])
def test_view_matrices_are_taken_apart(tmp_path: Path, roll: float) -> None:
    from gtahead.geometry import Camera

    camera = Camera(50.0, (203.25, -830.5, 31.75), (-14.0, roll, 137.5))
    sequence, _, _ = read(layouts.write_gta_event(tmp_path, Scene([camera], [[]])))
    found = sequence.frames[0].camera
    assert found is not None
    assert layouts.axes(found) == pytest.approx(layouts.axes(camera))
    assert found.position_m == pytest.approx(camera.position_m)


def test_without_a_face_the_highest_bone_is_skel_head(tmp_path: Path) -> None:
    scene = crowd()
    root = layouts.write_gta_event(tmp_path, scene, face=False)
    done = build(root)
    assert done.code == 0, done.err
    heads = Dataset.open(tmp_path / "set").heads("pier")
    assert set(heads["point_kind"]) == {"skel-head"}
    true = np.array([see(b.bone, scene.cameras[0], scene.size_wh) for b in scene.people[0]])
    inside = np.array([0 <= x < 1920 and 0 <= y < 1080 for x, y, _ in true])
    assert heads["raw_x"][: len(true)][inside] == pytest.approx(true[inside, 0], abs=0.01)
    assert (heads["y"] < heads["raw_y"]).all()


def _location(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        document = json.loads((root / PLACE).read_text())
        change(document)
        (root / PLACE).write_text(json.dumps(document))

    return damage


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda r: [(r / f / "pier.json").unlink() for f in ("locations", "locations_processed")],
         "no-labels-file"),
        (lambda r: (r / PLACE).write_text("{"), "bad-json"),
        (lambda r: (r / PLACE).write_text("[]"), "bad-schema"),
        (_location(lambda d: d.pop("ViewMatrix")), "bad-schema"),
        (_location(lambda d: d["ViewMatrix"].update(Values=[1] * 16)), "bad-schema"),
        (_location(lambda d: d["ViewMatrix"].update(Values=["x"] * 16)), "bad-schema"),
        (_location(lambda d: d["ViewMatrix"]["Values"].pop()), "bad-schema"),
        (_location(lambda d: d.update(CameraFOV=180)), "bad-schema"),
        (_location(lambda d: d.update(CameraFOV="50")), "bad-schema"),
    ],
)  # fmt: skip
def test_no_camera_no_heads(tmp_path: Path, damage: Callable[[Path], object], code: str) -> None:
    root = layouts.write_gta_event(tmp_path, small_crowd())
    damage(root)
    done = build(root)
    assert done.code == 1
    assert done.err.startswith(f"error[{code}]: locations_processed/pier.json > sequence pier"), (
        done.err
    )


def _frame(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def damage(root: Path) -> None:
        document = json.loads((root / FIRST).read_text())
        change(document)
        (root / FIRST).write_text(json.dumps(document))

    return damage


@pytest.mark.parametrize(
    ("damage", "message", "frames", "heads"),
    [
        (lambda r: (r / FIRST).write_text("{"), "error[bad-frame-labels]", 3, 80),
        (lambda r: (r / FIRST).write_text("{}"), "error[bad-frame-labels]", 3, 80),
        (_frame(lambda d: d["Detections"].__setitem__(1, None)), "error[bad-number]", 4, 119),
        (_frame(lambda d: d["Detections"][1].pop("Handle")), "error[bad-number]", 4, 119),
        (_frame(lambda d: d["Detections"][1].pop("Bones3D")), "error[no-head-joint]", 4, 119),
        (_frame(lambda d: d["Detections"][1].update(Bones3D={"0": {"Pos": {"X": "NaN"}}})),
         "error[no-head-joint]", 4, 119),
        (lambda r: (r / FIRST).with_suffix(".tiff").unlink(), "error[image-missing]", 3, 80),
        (lambda r: (r / FIRST).unlink(), "error[labels-missing]: data/pier", 3, 80),
        (_frame(lambda d: d["Detections"][1].update(Type=None)), "error[bad-number]", 4, 119),
        (_frame(lambda d: d["Detections"][1]["Bones3D"].update({"77": {"Pos": None}})),
         "error[no-head-joint]", 4, 119),
        (_frame(lambda d: d.update(Detections=[None])), "error[heads-lost]", 3, 80),
        (lambda r: (r / FIRST).rename(r / "data/pier/0000000000.JSON"), "", 4, 120),
        (lambda r: (r / FIRST).with_suffix(".tiff").rename(r / "data/pier/0000000000.tif"), "", 4, 120),
        (lambda r: (r / "data/pier/0000000000-stencil.tiff").write_bytes(
            bytes(cv2.imencode(".tiff", np.zeros((180, 320), np.float32))[1])),
         "warning[bad-stencil]", 4, 120),
        (lambda r: (r / "data/pier/0000000000-stencil.tiff").write_bytes(b"II*"),
         "warning[bad-stencil]", 4, 120),
        (lambda r: (r / "data/pier/0000000000-stencil.tiff").unlink(), "warning[bad-stencil]", 4, 120),
    ],
)  # fmt: skip
def test_frames_with_something_broken(
    crowd_captures: Path,
    tmp_path: Path,
    damage: Callable[[Path], object],
    message: str,
    frames: int,
    heads: int,
) -> None:
    root = shutil.copytree(crowd_captures, tmp_path / crowd_captures.name)
    damage(root)
    done = build(root)
    assert done.code == (3 if message.startswith("error") else 0), done.err
    assert not message or message in done.err
    dataset = Dataset.open(tmp_path / "set")
    assert (len(dataset), len(dataset.heads("pier")["x"])) == (frames, heads)


def test_bones_may_be_places_alone(tmp_path: Path) -> None:
    """One version writes X, Y, Z where another writes Pos."""
    scene = crowd()
    root = layouts.write_gta_event(tmp_path, scene)
    wanted = read(root)[0].heads["x"].tolist()
    for path in (root / "data/pier").glob("*.json"):
        document = json.loads(path.read_text())
        for person in document["Detections"]:
            person["Bones3D"] = {name: bone["Pos"] for name, bone in person["Bones3D"].items()}
        path.write_text(json.dumps(document))
    assert read(root)[0].heads["x"].tolist() == wanted


@pytest.mark.parametrize("folders", ["data", "locations*"])
def test_frames_and_locations_make_a_recording(
    crowd_captures: Path, tmp_path: Path, folders: str
) -> None:
    """One without the other is something else: `data` is a name that many give."""
    assert gta_event._recognise(crowd_captures)
    root = tmp_path / "raw"
    shutil.copytree(crowd_captures, root)
    for folder in root.glob(folders):
        shutil.rmtree(folder)
    assert gta_event._recognise(root) is None
