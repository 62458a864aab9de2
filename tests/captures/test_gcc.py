"""GCC and ShanghaiTechRGBDSyn: the collector's folders, the labelers' scenes."""

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
from helpers import gtahead, image
from hypothesis import given
from hypothesis import strategies as st
from layouts import GROUND, UNIX, Body, Scene, axes, crowd, read, see, small_crowd

from gtahead import Dataset
from gtahead.annotation.ground import BONE_HEIGHT_M
from gtahead.captures.gcc_part import parse_ped_info
from gtahead.captures.gcc_scene import buffer_to_metres, unscramble
from gtahead.captures.ground_fit import ground_from_polygon, inside_polygon
from gtahead.geometry import Camera
from gtahead.readers import choose_reader

SHOT = f"part_3_1/{UNIX}"


def build(root: Path, *options: object) -> Any:
    return gtahead("build", "--raw", root, "--out", root.parent / "set", "--workers", 1, *options)


def said(done: Any) -> list[str]:
    return [line for line in done.err.splitlines() if "few-locations" not in line]


def bones(scene: Scene, number: int = 0) -> np.ndarray[Any, Any]:
    return np.array(
        [see(b.bone, scene.cameras[number], scene.size_wh)[:2] for b in scene.people[number]]
    )


# As the collector leaves it


def test_a_part_becomes_a_sequence(tmp_path: Path) -> None:
    scene = crowd()
    sequence, findings, ledger = read(layouts.write_gcc(tmp_path, scene))
    assert findings.totals == {}
    assert (sequence.name, sequence.location) == ("part_3_1", "scene_3")
    assert [frame.frame for frame in sequence.frames] == [str(UNIX + n) for n in range(4)]
    assert sequence.frames[0].camera == scene.cameras[0]
    assert (sequence.frames[1].weather, sequence.frames[1].hour) == ("RAIN", 11.7)
    assert sequence.about["ground_polygon_m"] == [list(pair) for pair in GROUND]
    heads = sequence.heads
    assert np.stack([heads["x"], heads["y"]], axis=1)[:40] == pytest.approx(
        bones(scene), abs=1 / 256
    )
    # Another person's pixel may show one who is hidden: then the stencil doesn't tell.
    hidden = [int(body.occluded) for body in scene.people[0]]
    assert (heads["occluded"][:40] <= hidden).all()
    assert (heads["occluded"][:40] == hidden).mean() > 0.9
    assert ledger.heads.kept == 120


def test_points_are_lifted_and_kept_as_they_were(tmp_path: Path) -> None:
    scene = crowd()
    root = layouts.write_gcc(tmp_path, scene)
    ground = 20.0
    (root / "part_3_1" / "Zheight.log").write_text(f"{ground}\n")
    for people in scene.people:  # everybody stands on it
        people[:] = [
            Body(
                b.ped,
                b.top + (0, 0, ground + 1.6 - b.top[2]),
                b.neck + (0, 0, ground + 1.6 - b.top[2]),
            )
            for b in people
        ]
    for number in range(4):
        (root / "part_3_1" / str(UNIX + number) / "pedInfo.xml").write_text(
            layouts.ped_info(scene, number)
        )
    done = build(root)
    assert done.code == 0, done.err
    heads = Dataset.open(tmp_path / "gcc/../set").heads("part_3_1")
    first = heads["frame_id"] == heads["frame_id"][0]
    assert set(heads["point_kind"]) == {"skel-head"}
    assert set(heads["box_source"]) == {"ground"}
    raw = np.stack([heads["raw_x"], heads["raw_y"]], axis=1)[first]
    assert raw == pytest.approx(bones(scene)[: len(raw)], abs=1 / 256)
    tops = np.array([see(b.top, scene.cameras[0], scene.size_wh) for b in scene.people[0]])
    tops = tops[: len(raw)]
    sides = 0.24 * 1158.03 / tops[:, 2]
    points = np.stack([heads["x"], heads["y"]], axis=1)[first]
    assert np.abs(heads["box_x1"][first] - heads["box_x0"][first] - sides).max() < 0.1 * sides.max()
    # The scene's bone lies 0.11 m below its head_top, 0.46 of a side; the lift is 0.54 of it.
    assert np.abs(points - tops[:, :2]).max(axis=1) == pytest.approx(
        0.08 * sides, abs=0.06 * sides.max()
    )
    centres = (heads["box_x0"] + heads["box_x1"]) / 2
    assert centres == pytest.approx(heads["x"], abs=1 / 256)


def test_the_lift_depends_on_no_box_rule(tmp_path: Path) -> None:
    root = layouts.write_gcc(tmp_path, crowd(), shots=False)
    positions = []
    for rule in ("auto", "fixed:side=80"):
        out = tmp_path / rule.partition(":")[0]
        done = gtahead("build", "--raw", root, "--out", out, "--workers", 1, "--boxes", rule)
        assert done.code == 0, done.err
        positions.append(Dataset.open(out).heads("part_3_1", ["x", "y"])["y"].tolist())
    assert positions[0] == positions[1]


def test_layers_are_put_together(tmp_path: Path) -> None:
    """Three shots: near people last; where nobody is, what changed most, else the first shot."""
    scene = Scene([crowd().cameras[0]], [crowd().people[0]], size_wh=(64, 36))
    root = layouts.write_gcc(tmp_path, scene)
    shot = root / SHOT
    empty = np.full((36, 64, 3), 90, np.uint8)
    wanted = empty.copy()
    for k, (value, area) in enumerate(
        [(20, np.s_[4:20, 4:30]), (120, np.s_[10:30, 20:50]), (240, np.s_[25:34, 40:60])]
    ):
        stencil, shown = np.zeros((36, 64), np.uint8), empty.copy()
        shown[area], stencil[area] = value, 17
        if k == 1:  # a shadow, seen in this shot alone
            shown[0:2, 0:5] = 60
            wanted[0:2, 0:5] = 60
        wanted[area] = value
        cv2.imwrite(str(shot / f"part_{180 * k}_1.bmp"), shown)
        cv2.imwrite(str(shot / f"part_{180 * k}_0.bmp"), empty)
        (shot / f"part_{180 * k}.raw").write_bytes(stencil.tobytes())
    done = build(root)
    assert done.code == 0, done.err
    (frame,) = Dataset.open(tmp_path / "set")
    assert frame.image_path is not None
    assert frame.image_path.suffix == ".png"
    assert cv2.imread(str(frame.image_path)).tolist() == wanted.tolist()
    copied = build(root, "--images", "copy", "--fresh")
    assert copied.code == 0, copied.err


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: (s / "part_180.raw").unlink(), "error[image-missing]"),
        (lambda s: (s / "part_180.raw").write_bytes(b"123"), "error[image-unreadable]"),
        (
            lambda s: (s / "part_180_1.bmp").write_bytes(image(1, (32, 18), ".bmp")),
            "error[wrong-size]",
        ),
        (lambda s: (s / "part_180_1.bmp").write_bytes(b""), "error[image-empty]"),
    ],
)
def test_layers_that_cant_be_put_together(
    tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    root = layouts.write_gcc(tmp_path, small_crowd(), part="part_3_1")
    for number in range(4):
        shot = root / "part_3_1" / str(UNIX + number)
        for name in ("_1.bmp", "_0.bmp", ".raw"):
            shutil.copy(shot / f"part_0{name}", shot / f"part_180{name}")
    damage(root / SHOT)
    done = build(root)
    assert done.code == 3
    assert any(line.startswith(message) for line in said(done)), done.err
    assert len(Dataset.open(tmp_path / "set")) == 3


def test_a_missing_batch_leaves_people_out(tmp_path: Path) -> None:
    """400 people need three shots; the one in the middle is gone."""
    person = crowd().people[0][0]
    people = [Body(n, person.top, person.neck) for n in range(400)]
    root = layouts.write_gcc(tmp_path, Scene(crowd().cameras[:1], [people], size_wh=(64, 36)))
    layouts.write_gcc(tmp_path, crowd(), part="part_4_0", shots=False)
    for k in (180, 360):
        for name in ("_1.bmp", "_0.bmp", ".raw"):
            shutil.copy(root / SHOT / f"part_0{name}", root / SHOT / f"part_{k}{name}")
    (root / SHOT / "part_180_1.bmp").unlink()
    done = build(root)
    assert done.code == 3
    assert said(done)[-1].startswith("error[no-frames-left]") or said(done)[0].startswith(
        "error[no-"
    )
    assert f"error[image-missing]: {SHOT}/part_180_1.bmp" in done.err
    for name in (
        "part_180_0.bmp",
        "part_180.raw",
        "part_360_1.bmp",
        "part_360_0.bmp",
        "part_360.raw",
    ):
        (root / SHOT / name).unlink()
    done = build(root, "--fresh")
    assert f"error[image-missing]: {SHOT}/part_180_1.bmp" in done.err


def test_one_time_twice(tmp_path: Path) -> None:
    root = layouts.write_gcc(tmp_path, crowd())
    shutil.copytree(root / SHOT, root / "part_3_1" / f"0{UNIX}")
    done = build(root)
    assert done.code == 3
    assert f"error[duplicate-frame]: part_3_1/0{UNIX} > sequence part_3_1" in done.err
    assert len(Dataset.open(tmp_path / "set")) == 4


def test_capital_letters_and_other_images(tmp_path: Path) -> None:
    root = layouts.write_gcc(tmp_path, crowd())
    (root / SHOT / "part_0_1.bmp").rename(root / SHOT / "PART_0_1.BMP")
    (root / SHOT / "part_0.raw").rename(root / SHOT / "Part_0.RAW")
    (root / SHOT / "combination.jpg").write_bytes(image(3))
    done = build(root)
    assert done.code == 0
    assert said(done)[0].startswith(f"warning[image-not-used]: {SHOT}/combination.jpg")


def test_a_stencil_that_shows_nobody_hides_nobody(tmp_path: Path) -> None:
    root = layouts.write_gcc(tmp_path, crowd())
    raw = root / SHOT / "part_0.raw"
    right = raw.read_bytes()
    raw.write_bytes(bytes(len(right)))
    done = build(root)
    assert said(done)[0].startswith("warning[bad-stencil]")
    before = next(iter(Dataset.open(tmp_path / "set"))).count
    raw.write_bytes(right)  # fixed: the sequence is built anew
    assert build(root).code == 0
    assert next(iter(Dataset.open(tmp_path / "set"))).count < before


@pytest.mark.parametrize(
    ("text", "heads", "faults", "whole"),
    [
        ("hello world </pedSet>", 0, 0, False),
        ("<pedSet><Ped id=1><SKEL_Head x=0.1 y=0.1 /></Ped></pedSet>", 0, 3, True),
        ("<pedSet><ped id=1><SKEL_Head x=0.1 y=0.1 /><ped id=2><SKEL_Head x=0.2 y=0.1 /></ped></pedSet>",
         2, 0, True),
        ('<pedSet><ped id="1"><SKEL_Head x=0.1 y=0.1 /></ped></pedSet>', 1, 0, True),
        ("<pedSet><ped id=1><SKEL_Head x=0.1 y=0.1 />", 0, 0, False),
        ("<pedSet><ped id=1></pedSet>", 0, 0, False),
    ],
)  # fmt: skip
def test_tags_that_are_odd(text: str, heads: int, faults: int, whole: bool) -> None:
    info = parse_ped_info(text)
    assert (len(info.peds), len(info.faults), info.whole) == (heads, faults, whole)


@pytest.mark.parametrize("tag", ["<ped id=1>", "<SKEL_Head", "<", "</pedSet>", "<weather>"])
def test_parsing_takes_time_in_proportion(tag: str) -> None:
    """A megabyte of one tag: with a pattern that looks ahead this would take many minutes."""
    parse_ped_info(tag * (1_000_000 // len(tag)))


def test_ped_info_is_no_xml() -> None:
    text = layouts.ped_info(crowd(), 0)
    from xml.etree import ElementTree

    with pytest.raises(ElementTree.ParseError):
        ElementTree.fromstring(text)
    info = parse_ped_info(text)
    assert (len(info.peds), info.weather, info.hour, info.whole) == (40, "RAIN", 11.7, True)


@given(st.text(max_size=300))
def test_ped_info_of_any_text(text: str) -> None:
    parse_ped_info(text)
    parse_ped_info(f"<pedSet><ped id={text}><SKEL_Head x={text} y={text} /></ped></pedSet>")


def test_peds_that_are_odd(tmp_path: Path) -> None:
    root = layouts.write_gcc(tmp_path, Scene(crowd().cameras[:1], [crowd().people[0][:1]]))
    (root / SHOT / "pedInfo.xml").write_text(
        "<pedSet>\r\n"
        "<ped id=0>\n<SKEL_Head x=0.5 y=0.5 />\n</ped>\n"
        "<ped id=1>\n<SKEL_Head x=-1.000000 y=-1.000000 />\n</ped>\n"  # not on screen
        "<ped id=2>\n<SKEL_Head x=-nan(ind) y=0.5 />\n</ped>\n"
        "<ped id=3>\n</ped>\n"
        "<ped id=x>\n<SKEL_Head x=0.5 y=0.5 />\n</ped>\n"
        "<ped id=5>\n<SKEL_Head x=0.5 y=half />\n</ped>\n"
        "<ped id=6>\n<SKEL_Head0.25 y=0.25 />\n</ped>\n"  # as one version writes it
        "<ped id=7>\n<SKEL_Head x=1.2 y=-0.1 />\n</ped>\n"
        "<ped id=0>\n<SKEL_Head x=0.6 y=0.6 />\n</ped>\n"
        "</pedSet>\n<weather>FOGGY</weather>\n"
    )
    done = build(root)
    assert done.code == 3
    position = f"{SHOT}/pedInfo.xml > sequence part_3_1 > frame {UNIX}"
    row = f"part_3_1 > sequence part_3_1 > frame {UNIX}"
    assert said(done)[-1].startswith("info[head-outside-frame]: sequence part_3_1")
    assert said(done)[:-1] == [
        f"error[bad-number]: {position} > ped id: not a number (got 'x'); fix the row",
        f"error[bad-number]: {position} > ped 5: not a number (got '0.5, half'); fix the row",
        f"error[not-finite]: {row} > head 2 > x: the position isn't finite, or is absurd (got nan); the "
        "head can't be placed; fix the row",
        f"error[duplicate-head]: {row} > head 0: the same person is in the frame twice; the first row is kept; "
        "number peds uniquely",
        f"error[no-head-joint]: {position} > ped 3: the person has no head; the tool writes one for "
        "everybody: copy the labels again",
        "info[not-projected]: part_3_1 > sequence part_3_1: heads that the game couldn't project were "
        "left out: 1 of them; they were off screen",
    ]
    (frame,) = Dataset.open(tmp_path / "set")
    assert frame.head_ids.tolist() == [0, 6, 7]
    assert Dataset.open(tmp_path / "set").frames(["weather"])["weather"] == ["FOGGY"]


def _write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "message", "left"),
    [
        (lambda r: (r / SHOT / "pedInfo.xml").unlink(), "error[labels-missing]", 3),
        (_write(f"{SHOT}/pedInfo.xml", b"\xff\xfe<\x00"), "error[bad-frame-labels]", 3),
        (_write(f"{SHOT}/pedInfo.xml", b""), "error[bad-frame-labels]", 3),
        (
            lambda r: (r / SHOT / "pedInfo.xml").write_text(layouts.ped_info(crowd(), 0)[:900]),
            "error[bad-frame-labels]",
            3,
        ),
        (lambda r: (r / "part_3_1/eyeInfo.log").unlink(), "warning[camera-unknown]", 4),
        (_write("part_3_1/eyeInfo.log", b"1 2 3\n4 5 6\n"), "warning[camera-unknown]", 4),
        (
            _write("part_3_1/eyeInfo.log", b"1 2 3\n4 5 6\n-nan(ind)\n"),
            "warning[camera-unknown]",
            4,
        ),
        (_write("part_3_1/eyeInfo.log", b"\xff\x00"), "warning[camera-unknown]", 4),
        (_write("part_3_1/areaInfo.log", b"9 1 2"), "warning[ground-unknown]", 4),
        (_write("part_3_1/areaInfo.log", b"5nan 1 2"), "warning[ground-unknown]", 4),
        (_write("part_3_1/areaInfo.log", b"inf\n1 2"), "warning[ground-unknown]", 4),
        (_write("part_3_1/areaInfo.log", b""), "warning[ground-unknown]", 4),
        (_write("part_3_1/Zheight.log", b"high"), "warning[ground-unknown]", 4),
        (_write(f"{SHOT}/part_0.raw", b"\x01" * 99), "warning[bad-stencil]", 4),
        (lambda r: (r / SHOT / "part_0.raw").unlink(), "warning[bad-stencil]", 4),
        (lambda r: (r / SHOT / "part_0_1.bmp").unlink(), "error[image-missing]", 3),
        (_write(f"{SHOT}/part_0_1.bmp", image(2, (640, 352), ".bmp")), "error[wrong-size]", 3),
    ],
)
def test_a_part_with_something_broken(
    tmp_path: Path, damage: Callable[[Path], object], message: str, left: int
) -> None:
    root = layouts.write_gcc(tmp_path, small_crowd())
    damage(root)
    done = build(root)
    assert done.code == (3 if left < 4 else 0), done.err
    assert not message or said(done)[0].startswith(message), done.err
    assert len(Dataset.open(tmp_path / "set")) == left


def test_cameras_of_one_scene_share_ids_but_no_split(tmp_path: Path) -> None:
    for part in ("part_3_0", "part_3_1", "part_4_0"):
        root = layouts.write_gcc(tmp_path, crowd(), part=part, shots=False)
    done = build(root)
    assert done.code == 0, done.err
    splits = {frame.sequence: frame.split for frame in Dataset.open(tmp_path / "set")}
    assert splits["part_3_0"] == splits["part_3_1"]


# As the labelers leave it


@pytest.mark.parametrize("mats", [False, True])
def test_labelled_scenes(tmp_path: Path, mats: bool) -> None:
    scene = crowd()
    sequence, findings, _ = read(layouts.write_gcc_scene(tmp_path, scene, mats=mats))
    assert findings.totals == {}
    assert (sequence.name, sequence.location) == ("scene_3_1", "scene_3")
    frame = sequence.frames[0]
    assert (frame.weather, frame.hour, frame.camera) == ("RAIN", 11.7, scene.cameras[0])
    assert sequence.about["ground_polygon_m"] == [list(pair) for pair in GROUND]
    points = np.stack([sequence.heads["x"], sequence.heads["y"]], axis=1)
    first = points[sequence.heads["frame_index"] == 0]
    wanted = bones(scene)[[body.occluded == 0 for body in scene.people[0]]]
    assert np.abs(first - wanted).max() <= 0.5 + 1e-9
    assert (
        np.abs((first - wanted).mean(axis=0)).max() < 0.2
    )  # and not half a pixel off on the whole


@pytest.mark.parametrize("heads", [0, 1, 2])
@pytest.mark.parametrize("mats", [False, True])
def test_few_heads_are_no_other_shape(tmp_path: Path, mats: bool, heads: int) -> None:
    people = [body for body in crowd().people[0] if not body.occluded][:heads]
    root = layouts.write_gcc_scene(tmp_path, Scene(crowd().cameras[:1], [people]), mats=mats)
    _, findings, ledger = read(root)
    assert (findings.totals, ledger.heads.kept) == ({}, heads)


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), min_size=3, max_size=30))
def test_a_scrambled_polygon_is_put_in_order(corners: list[tuple[int, int]]) -> None:
    flat = [value for corner in corners for value in corner]
    scrambled = list(zip(flat[: len(corners)], flat[len(corners) :], strict=True))
    assert unscramble(scrambled) == [[float(x), float(y)] for x, y in corners]


def test_inside_a_polygon() -> None:
    bow = np.array([[0.0, 0], [4, 0], [4, 4], [2, 1], [0, 4]])
    positions = np.array([[1.0, 1], [2, 3], [3.5, 3], [-1, 1], [5, 1], [2, 0.5]])
    assert inside_polygon(positions, bow).tolist() == [True, False, True, False, False, True]


@pytest.mark.parametrize("ground", [-3.0, 0.0, 47.5])
def test_the_ground_is_where_heads_fill_the_polygon(ground: float) -> None:
    random = np.random.default_rng(1)
    camera = Camera(45.0, (10.0, -20.0, ground + 14.0), (-28.0, 0.0, 15.0))
    forward, right = axes(camera)[1][:2], axes(camera)[0][:2]
    forward = forward / np.linalg.norm(forward)
    foot = np.array(camera.position_m[:2])  # type: ignore[index]
    corners = np.array(
        [foot + a * forward + b * right for a, b in [(14, -6), (15, 6), (40, 12), (38, -14)]]
    )
    inside = random.uniform(corners.min(axis=0), corners.max(axis=0), (3000, 2))
    inside = inside[inside_polygon(inside, corners)][:600]
    heights = ground + BONE_HEIGHT_M + random.normal(0, 0.08, len(inside))
    bones_xy = np.array(
        [
            see(np.array([*p, z]), camera, (1920, 1080))[:2]
            for p, z in zip(inside, heights, strict=True)
        ]
    )
    found = ground_from_polygon(np.round(bones_xy), camera, (1920, 1080), corners)
    assert found == pytest.approx(ground, abs=0.3)
    assert ground_from_polygon(bones_xy[:10], camera, (1920, 1080), corners) is None
    assert ground_from_polygon(bones_xy, camera, (1920, 1080), corners + 500) is None
    assert ground_from_polygon(bones_xy, Camera(45.0), (1920, 1080), corners) is None


def _edit_json(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
    def damage(scene: Path) -> None:
        path = scene / "jsons" / f"{UNIX}.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return damage


@pytest.mark.parametrize(
    ("damage", "message", "left"),
    [
        (lambda s: (s / f"jsons/{UNIX}.json").unlink(), "error[labels-missing]", 3),
        (lambda s: (s / f"jsons/{UNIX}.json").write_text("[1, 2"), "error[bad-frame-labels]", 3),
        (_edit_json(lambda d: d.pop("image_info")), "error[bad-frame-labels]", 3),
        (_edit_json(lambda d: d["image_info"].__setitem__(0, [1])), "error[bad-number]", 4),
        (_edit_json(lambda d: d["image_info"].__setitem__(0, ["a", None])), "error[bad-number]", 4),
        (_edit_json(lambda d: d["image_info"].__setitem__(0, [10**30, 1])), "error[bad-number]", 4),
        (
            _edit_json(lambda d: d.update(camera=None, roi="x", timeInfo=[99], weather=3)),
            "warning[camera-unknown]",
            4,
        ),
        (lambda s: (s / f"pngs/{UNIX}.png").unlink(), "error[image-missing]", 3),
    ],
)
def test_a_scene_with_something_broken(
    tmp_path: Path, damage: Callable[[Path], object], message: str, left: int
) -> None:
    root = layouts.write_gcc_scene(tmp_path, small_crowd())
    damage(root / "scene_3_1")
    done = build(root)
    assert done.code == (3 if message.startswith("error") else 0), done.err
    assert not message or said(done)[0].startswith(message), done.err
    assert len(Dataset.open(tmp_path / "set")) == left


@pytest.mark.parametrize("size", [0, 100, 300])
def test_mats_that_are_damaged(tmp_path: Path, size: int) -> None:
    root = layouts.write_gcc_scene(tmp_path, small_crowd(), mats=True)
    path = root / "scene_3_1" / "mats" / f"{UNIX}.mat"
    path.write_bytes(path.read_bytes()[:size])
    done = build(root)
    assert done.code == 3
    assert said(done)[0].startswith(f"error[bad-frame-labels]: scene_3_1/mats/{UNIX}.mat")


@pytest.mark.parametrize(
    ("location", "number"),
    [(np.ones((2, 3)), 2), (np.ones((2, 5)), 5), (np.ones((2, 2)), 7), (np.ones((4, 1)), 4)],
)
def test_mats_of_another_shape_are_refused(
    tmp_path: Path, location: np.ndarray[Any, Any], number: int
) -> None:
    from scipy import io

    root = layouts.write_gcc_scene(tmp_path, small_crowd(), mats=True)
    path = root / "scene_3_1" / "mats" / f"{UNIX}.mat"
    pair = np.dtype([("location", "O"), ("number", "O")])
    io.savemat(path, {"image_info": np.array((location, np.array([[number]])), pair)})
    done = build(root)
    assert done.code == 3
    assert said(done)[0].startswith(f"error[bad-frame-labels]: scene_3_1/mats/{UNIX}.mat")


def test_labels_that_are_a_folder_cost_their_frame_alone(tmp_path: Path) -> None:
    root = layouts.write_gcc_scene(tmp_path, small_crowd())
    path = root / "scene_3_1" / "jsons" / f"{UNIX}.json"
    path.unlink()
    path.symlink_to("nowhere.json")
    (root / "scene_9_9").mkdir()
    done = build(root)
    assert done.code == 3
    assert any(line.startswith("error[bad-frame-labels]") for line in said(done)), done.err
    assert any(line.startswith("error[no-labels-file]: scene_9_9") for line in said(done))
    assert len(Dataset.open(tmp_path / "set")) == 3


# ShanghaiTechRGBDSyn


def test_boxes_and_depths_of_rgbdsyn(tmp_path: Path) -> None:
    scene = crowd()
    root = layouts.write_rgbdsyn(tmp_path, scene)
    assert choose_reader(root)[0].name == "rgbdsyn"
    done = build(root)
    assert done.code == 0, done.err
    heads = Dataset.open(root.parent / "set").heads("scene_3_1")
    first = heads["frame_id"] == heads["frame_id"][0]
    shown = [body for body in scene.people[0] if not body.occluded]
    true = np.array([see(body.bone, scene.cameras[0], scene.size_wh) for body in shown])
    assert set(heads["box_source"]) == {"captured"}
    wide = heads["box_x1"][first] - heads["box_x0"][first]
    assert np.abs(wide - 0.24 * 1483 / true[:, 2]).max() <= 2
    # Neighbours that overlap in the buffer mix their depths; the middle person doesn't.
    off = heads["depth_m"][first] / true[:, 2] - 1
    assert np.median(np.abs(off)) < 0.01
    assert np.quantile(np.abs(off), 0.8) < 0.15
    # Boxes lie round the lifted point; as they were they are kept.
    assert (heads["box_y0"] + heads["box_y1"]) / 2 == pytest.approx(heads["y"], abs=1 / 256)
    kept = (heads["captured_y0"] + heads["captured_y1"]) / 2
    assert (kept - heads["raw_y"] == pytest.approx(-0.075 * np.array(
        heads["captured_y1"] - heads["captured_y0"]), abs=1.1))  # fmt: skip


@pytest.mark.parametrize(
    ("change", "uses"),
    [
        (lambda text: text + text, True),  # the labeler ran twice
        (lambda text: text.replace("\r\n", "\n").rstrip("\n"), True),
        (lambda text: "\n".join(text.splitlines()[:-1]), False),
        (lambda text: text + "1 2 3 4\r\n", False),
        (lambda text: text + "1 2 3\r\n", False),
        (lambda text: "", False),
        (lambda text: text.replace("1", "one", 1), False),
    ],
)
def test_boxes_that_dont_fit_the_points(
    tmp_path: Path, change: Callable[[str], str], uses: bool
) -> None:
    root = layouts.write_rgbdsyn(tmp_path, crowd())
    path = root / "scene_3_1" / "bbox" / f"{UNIX}.txt"
    path.write_bytes(change(path.read_bytes().decode()).encode())
    sequence, findings, _ = read(root)
    assert findings.totals == ({} if uses else {"boxes-differ": 1})
    first = sequence.heads["frame_index"] == 0
    assert np.isfinite(sequence.heads["captured_x0"][first]).all() == uses
    assert np.isfinite(sequence.heads["captured_x0"][~first]).all()


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0, 0.5, 200.0, np.inf, np.nan])
def test_buffers_that_contradict_the_boxes_arent_believed(tmp_path: Path, value: float) -> None:
    root = layouts.write_rgbdsyn(tmp_path, crowd())
    wanted = read(root)[0].heads["depth_m"]
    path = root / "scene_3_1" / "depth" / f"{UNIX}.raw"
    path.write_bytes(np.full((1080, 1920), value, np.float32).tobytes())
    sequence, findings, _ = read(root)
    assert findings.totals == ({"bad-depth": 1} if value == 0.5 else {})
    assert sequence.heads["depth_m"] == pytest.approx(wanted, rel=0.5)


def test_boxes_of_other_heads_give_no_depth(tmp_path: Path) -> None:
    """Lines in another order: no box holds its point, so nothing is measured in them."""
    root = layouts.write_rgbdsyn(tmp_path, crowd())
    path = root / "scene_3_1" / "bbox" / f"{UNIX}.txt"
    path.write_text("\n".join(path.read_text().split("\n")[::-1]))
    sequence, findings, _ = read(root)
    assert findings.totals["bad-box"] > 25
    first = sequence.heads["frame_index"] == 0
    apart = np.isnan(sequence.heads["captured_x0"][first])
    assert np.isnan(sequence.heads["depth_m"][first][apart]).all()


@pytest.mark.parametrize("data", [None, b"", b"\x00" * (4 * 1920 * 1080)])
def test_depths_without_a_buffer_come_from_the_boxes(tmp_path: Path, data: bytes | None) -> None:
    scene = crowd()
    root = layouts.write_rgbdsyn(tmp_path, scene)
    path = root / "scene_3_1" / "depth" / f"{UNIX}.raw"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    heads = read(root)[0].heads
    shown = [body for body in scene.people[0] if not body.occluded]
    true = np.array([see(body.bone, scene.cameras[0], scene.size_wh)[2] for body in shown])
    first = heads["depth_m"][heads["frame_index"] == 0]
    assert np.abs(first / true - 1).max() < 0.3  # boxes are whole pixels


def test_the_depth_buffer() -> None:
    metres = np.array([0.2, 1.0, 25.0, 700.0])
    assert buffer_to_metres(np.log2(1 + 0.1 / metres)) == pytest.approx(metres)
    assert np.isinf(buffer_to_metres(np.array([0.0])))
