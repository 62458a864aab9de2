"""JTA-Mods and MTA: what their files get wrong, and what becomes of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from helpers import gtahead, image
from layouts import Body, Scene, crowd, read

from gtahead import Dataset
from gtahead.findings import Findings, Ledger
from gtahead.geometry import Camera
from gtahead.readers import choose_reader

COORDS = "seq_0/coords.csv"


def scene(frames: int = 4) -> Scene:
    """Three people near the camera, walking; nobody is hidden."""
    whole = crowd(frames=frames)
    people = [[replace(body, occluded=0) for body in frame[:3]] for frame in whole.people]
    return replace(whole, people=people)


def edit(root: Path, change: Callable[[str], str], file: str = COORDS) -> None:
    text = (root / file).read_bytes().decode()
    (root / file).write_bytes(change(text).encode())


def build(root: Path, *options: object) -> Any:
    return gtahead("build", "--raw", root, "--out", root.parent / "set", "--workers", 1, *options)


def said(done: Any) -> list[str]:
    """The findings, but for the one that a single location can't be split."""
    return [line for line in done.err.splitlines() if "few-locations" not in line]


def heads_of(root: Path) -> tuple[dict[str, Any], Findings, Ledger]:
    sequence, findings, ledger = read(root)
    return sequence.heads, findings, ledger


def _header(change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    def edited(text: str) -> str:
        first, rest = text.split("\r\n", 1)
        return ",".join(change(first.split(","))) + "\r\n" + rest

    return edited


@pytest.mark.parametrize("generation", [1, 2, 3])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\r\n", "\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\r\n", ",\r\n"),
        lambda text: re.sub("^(.*)\r\n", "\\1,\r\n", text, count=1),
        lambda text: re.sub("^(.*)\r\n", lambda m: m[1].replace(",", " , ") + "\r\n", text, count=1),
        lambda text: re.sub("(?<=\r\n)(?=.)", "   ", text),
        lambda text: text.replace("\r\n", "\r\n\r\n", 4),
    ],
    ids=["LF", "BOM", "comma at every end", "comma at the header's end", "blanks round names",
         "blanks before numbers", "blank lines"],
)  # fmt: skip
def test_spellings_that_change_nothing(
    tmp_path: Path, generation: int, change: Callable[[str], str]
) -> None:
    wanted, _, _ = heads_of(layouts.write_jta_mods(tmp_path / "a", scene(), generation))
    root = layouts.write_jta_mods(tmp_path / "b", scene(), generation)
    edit(root, change)
    found, findings, _ = heads_of(root)
    assert findings.totals == {}
    for name, values in wanted.items():
        assert found[name].tolist() == values.tolist(), name


def test_columns_may_stand_anywhere(tmp_path: Path) -> None:
    wanted, _, _ = heads_of(layouts.write_jta_mods(tmp_path / "a", scene()))
    root = layouts.write_jta_mods(tmp_path / "b", scene())
    rows = [line.split(",") for line in (root / COORDS).read_text().splitlines()]
    order = np.random.default_rng(5).permutation(len(rows[0]))
    lines = [",".join(row[position] for position in order) for row in rows]
    (root / COORDS).write_bytes(("\r\n".join(lines) + "\r\n").encode())
    found, findings, _ = heads_of(root)
    assert findings.totals == {}
    assert found["x"].tolist() == wanted["x"].tolist()
    assert found["depth_m"].tolist() == wanted["depth_m"].tolist()


@pytest.mark.parametrize("column", ["frame", "pedestrian_id", "3D_z", "cam_rot_x", "fov", "2D_y"])
def test_a_column_renamed_is_named(tmp_path: Path, column: str) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    edit(root, _header(lambda names: [f"my_{n}" if n == column else n for n in names]))
    done = build(root)
    assert done.code == 1
    assert done.err.splitlines()[0] == (
        f"error[missing-column]: {COORDS} > sequence seq_0 > line 1: a required column is missing: "
        f"{column}; unknown columns there: my_{column}; docs/captures.md lists the "
        "columns of each kind; commas go between them"
    )


def test_flags_may_be_missing(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    edit(root, lambda text: text.replace("occluded,self_occluded", "a,b"))
    done = build(root)
    assert done.code == 0, done.err
    manifest = Dataset.open(tmp_path / "set").manifest.document
    assert manifest["visibility"] == "unknown"


def _cut(text: str, characters: int) -> str:
    return text[:-characters]


@pytest.mark.parametrize("characters", [1, 2, 3, 9, 40, 100])
def test_where_the_game_crashed_frames_end(tmp_path: Path, characters: int) -> None:
    """The frame that breaks off isn't whole, and what comes later isn't empty but unknown."""
    root = layouts.write_jta_mods(tmp_path, scene(frames=4))
    last = 3 * 3 * 22 + 1 - (characters > 90)  # frame 2 is empty
    for number in (4, 5):
        (root / "seq_0" / f"{number}.jpeg").write_bytes(image(number, (1920, 1080)))
    edit(root, lambda text: _cut(text, characters))
    done = build(root)
    assert done.code == 3
    assert said(done) == [
        f"error[labels-cut-short]: {COORDS} > sequence seq_0 > frame 000003 > line {last}: the labels "
        "break off here; did the game crash while writing? what comes after is unknown, not empty, and set "
        "aside too; a complete file ends with a line break"
    ]
    dataset = Dataset.open(tmp_path / "set")
    assert [frame.frame for frame in dataset] == ["000000", "000001", "000002"]
    ledger = dataset.manifest.document["ledger"]
    assert ledger["frames"] == {"in": 6, "out": 3, "dropped": {"labels-cut-short": 3}}
    assert ledger["heads"]["dropped"] == {"labels-cut-short": 3}


def test_labels_alone_end_where_they_break_off_too(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene(frames=4), images=False)
    edit(root, lambda text: _cut(text, 5))
    done = build(root)
    assert done.code == 3
    assert len(Dataset.open(tmp_path / "set")) == 3


def test_images_that_are_missing_or_of_another_size(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene(frames=6))
    (root / "seq_0" / "1.jpeg").unlink()
    (root / "seq_0" / "3.jpeg").write_bytes(image(9, (1280, 720)))
    done = build(root)
    assert done.code == 3
    assert said(done) == [
        "error[image-missing]: seq_0/1.jpeg > sequence seq_0 > frame 000001: the image doesn't "
        "exist; add it or drop its record",
        "error[wrong-size]: seq_0/3.jpeg > sequence seq_0 > frame 000003: the image's size differs from "
        "its sequence's: 1280 x 720 instead of 1920 x 1080; fix the size that the labels give, "
        "or the image; were the images resized?",
    ]
    assert len(Dataset.open(tmp_path / "set")) == 4


def test_images_that_were_resized_are_named(tmp_path: Path) -> None:
    """The labels themselves say that they mean 1920 x 1080."""
    root = layouts.write_jta_mods(tmp_path, scene())
    for number in range(3):
        (root / "seq_0" / f"{number}.jpeg").write_bytes(image(number, (960, 540)))
    (root / "seq_0" / "3.jpeg").unlink()
    done = build(root)
    assert done.code == 1
    assert "960 x 540 instead of 1920 x 1080" in done.err


WINDOWS = ["-nan(ind)", "nan", "inf", "-inf", "1e+06", "1.#QNAN"]


@pytest.mark.parametrize("text", WINDOWS)
def test_pixels_that_are_no_numbers_are_projected(tmp_path: Path, text: str) -> None:
    wanted, _, _ = heads_of(layouts.write_jta_mods(tmp_path / "a", scene()))
    root = layouts.write_jta_mods(tmp_path / "b", scene())
    lines = (root / COORDS).read_text().split("\n")
    row = lines[1].split(",")
    lines[1] = ",".join([*row[:3], text, text, *row[5:]])  # 2D_x, 2D_y of the first head_top
    (root / COORDS).write_bytes("\n".join(lines).encode())
    found, findings, _ = heads_of(root)
    if text == "1e+06":  # a number, and not where the camera sees the head
        return
    assert findings.totals == {}
    assert found["x"] == pytest.approx(wanted["x"], abs=0.2)
    assert found["y"] == pytest.approx(wanted["y"], abs=0.2)


def test_positions_that_are_no_numbers_leave_the_pixels(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    lines = (root / COORDS).read_text().split("\n")
    row = lines[1].split(",")
    lines[1] = ",".join([*row[:5], *["-nan(ind)"] * 3, *row[8:]])
    (root / COORDS).write_bytes("\n".join(lines).encode())
    heads, findings, _ = heads_of(root)
    assert findings.totals == {}
    assert np.isnan(heads["depth_m"]).sum() == 1
    assert np.isfinite(heads["x"]).all()


def test_cells_and_rows_that_are_garbage(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    lines = (root / COORDS).read_text().split("\n")
    lines[1] = lines[1].replace("0,", "zero,", 1)  # head_top of the first person
    lines[30] = "1,2,3"
    lines[50] = ",".join([*lines[50].split(",")[:8], "maybe", *lines[50].split(",")[9:]])
    lines[60] = "-1," + lines[60].split(",", 1)[1]
    (root / COORDS).write_bytes("\n".join(lines).encode())
    done = build(root)
    assert done.code == 3
    position = f"{COORDS} > sequence seq_0"
    assert said(done) == [
        f"error[ragged-row]: {position} > line 31: the row has the wrong number of fields: 3 "
        "fields instead of 17; fix it",
        f"error[bad-number]: {position} > line 2, frame: not a number (got 'zero'); fix the row",
        f"error[bad-number]: {position} > line 61, frame: not a number (got -1); fix the row",
        f"error[no-head-joint]: {position} > frame 000000 > head 1: the person has no head; the "
        "tool writes one for everybody: copy the labels again",
        f"warning[bad-value]: {position} > line 51, occluded: the value is impossible and read as unknown "
        "(got 'maybe'); fix the row",
    ]


def test_a_head_whose_joints_disagree_is_set_aside(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    lines = (root / COORDS).read_text().split("\n")
    row = lines[2].split(",")
    row[7] = f"{float(row[7]) + 0.1:.6g}"  # 3D_z of head_center
    lines[2] = ",".join(row)
    (root / COORDS).write_bytes("\n".join(lines).encode())
    done = build(root)
    assert done.code == 3
    assert said(done) == [
        f"error[joints-disagree]: {COORDS} > sequence seq_0 > frame 000000 > head 1 > line 2: "
        "head_center isn't halfway between head_top and neck (got '0.200 m'); the tool writes it so: "
        "rows were mixed up, or a joint is wrong"
    ]


@pytest.mark.parametrize("position", [0.5, 999.0, 1001.0, 7999.0])
def test_printing_alone_never_makes_joints_disagree(tmp_path: Path, position: float) -> None:
    random = np.random.default_rng(int(position))
    tops = position + random.uniform(-0.49, 0.49, (400, 3))
    necks = tops - random.normal(0, 0.15, (400, 3))
    bodies = [Body(n, t, k) for n, (t, k) in enumerate(zip(tops, necks, strict=True))]
    camera = Camera(50.0, (position, position - 20.0, position), (0.0, 0.0, 0.0))
    root = layouts.write_jta_mods(tmp_path, Scene([camera], [bodies]), images=False)
    _, findings, ledger = heads_of(root)
    assert "joints-disagree" not in findings.totals
    assert ledger.heads.kept == 400


def test_a_wrong_frame_0_is_set_aside(tmp_path: Path) -> None:
    shown = scene()
    away = np.array([9.0, 0.0, 0.0])
    shown.people[0] = [
        replace(body, top=body.top + away, neck=body.neck + away) for body in shown.people[0]
    ]
    root = layouts.write_jta_mods(tmp_path, shown, 1)
    done = build(root)
    assert done.code == 3
    assert done.err.splitlines()[0] == (
        f"error[first-frame-wrong]: {COORDS} > sequence seq_0 > frame 000000: people or the camera "
        "are far from where they are in the next frame (got '9.0 m'); the capture tool is known to "
        "write a wrong frame 0; remove it from the capture"
    )
    assert [frame.frame for frame in Dataset.open(tmp_path / "set")] == [
        "000001",
        "000002",
        "000003",
    ]


def test_a_frame_whose_camera_is_anothers_is_set_aside(tmp_path: Path) -> None:
    """The rows' camera is of another moment than their pixels."""
    shown = scene(frames=4)
    root = layouts.write_jta_mods(tmp_path, shown)
    camera = shown.cameras[3]
    lines = (root / COORDS).read_text().split("\n")
    yaw = layouts.printed((camera.rotation_deg or (0, 0, 0))[2])
    lines = [
        line.replace(f",{yaw},50", ",39.5,50") if line.startswith("3,") else line for line in lines
    ]
    (root / COORDS).write_bytes("\n".join(lines).encode())
    done = build(root)
    assert done.code == 3
    assert said(done) == [
        f"error[projection-differs]: {COORDS} > sequence seq_0 > frame 000003: the labelled pixels "
        "aren't where the camera sees the labelled positions (got '49 px'); check the frame's camera "
        "and its rows; are they of one frame?"
    ]


def test_a_moving_camera_is_followed(tmp_path: Path) -> None:
    shown = scene(frames=5)
    shown.cameras = [
        Camera(50.0, (203.25 + n / 4, -830.5, 31.75), (-14.0, 0.0, 37.5 + n)) for n in range(5)
    ]
    sequence, findings, _ = read(layouts.write_jta_mods(tmp_path, shown, 1))
    assert findings.totals == {}
    assert [frame.camera for frame in sequence.frames[:2]] == shown.cameras[:2]
    assert sequence.frames[2].camera is None  # nobody is there to say where the camera is
    row = sequence.heads["frame_index"].tolist().index(4)
    x, _, depth = layouts.see(shown.people[4][0].top, shown.cameras[4], shown.size_wh)
    assert sequence.heads["x"][row] == pytest.approx(x, abs=0.3)
    assert sequence.heads["depth_m"][row] == pytest.approx(depth, abs=0.01)


def test_heads_behind_the_camera_are_refused(tmp_path: Path) -> None:
    shown = scene()
    behind = 2 * np.array(shown.cameras[0].position_m)
    first = shown.people[0][0]
    shown.people[0][0] = replace(first, top=behind - first.top, neck=behind - first.neck)
    shown.people[1] = [body for body in shown.people[1] if body.ped != first.ped]
    root = layouts.write_jta_mods(tmp_path, shown)
    heads, findings, ledger = heads_of(root)
    assert findings.totals == {"behind-camera": 1}
    assert ledger.heads.dropped == {"behind-camera": 1}
    assert (heads["depth_m"] > 0).all()


def test_a_person_twice_in_a_frame(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    lines = (root / COORDS).read_text().split("\n")
    lines[-1:] = [*lines[1:23], ""]
    (root / COORDS).write_bytes("\n".join(lines).encode())
    _, findings, ledger = heads_of(root)
    assert findings.totals == {"duplicate-head": 1}
    assert (ledger.heads.came, ledger.heads.kept) == (10, 9)


@pytest.mark.parametrize(
    "text", ["", "frame", "\r\n", "frame,pedestrian_id\r\n", "\x00\xff", "a" * 70_000]
)
def test_files_that_are_no_table(tmp_path: Path, text: str) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    layouts.write_jta_mods(tmp_path, scene(), name="seq_1")
    (root / COORDS).write_bytes(text.encode("latin-1"))
    done = build(root)
    assert done.code == 3
    assert len(Dataset.open(tmp_path / "set")) == 4


def test_a_header_alone_is_a_street_without_people(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, Scene([crowd().cameras[0]] * 3, [[], [], []]))
    done = build(root)
    assert done.code == 0, done.err
    assert [frame.count for frame in Dataset.open(tmp_path / "set")] == [0, 0, 0]


def test_a_folder_without_labels_is_named(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    (root / "seq_9").mkdir()
    done = build(root)
    assert done.code == 3
    assert said(done) == [
        "error[no-labels-file]: seq_9: the folder has no labels file: coords.csv; copy the "
        "labels beside them, or move the folder out of the capture"
    ]


def test_one_sequence_alone_may_be_given(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    sequence, _, _ = read(root / "seq_0")
    assert sequence.name == "seq_0"


def _line(number: int, change: Callable[[list[str]], list[str]]) -> Callable[[str], str]:
    """Change the fields of one line; the header is line 1."""

    def edited(text: str) -> str:
        lines = text.split("\r\n")
        lines[number - 1] = ",".join(change(lines[number - 1].split(",")))
        return "\r\n".join(lines)

    return edited


def test_a_quote_swallows_no_rows(tmp_path: Path) -> None:
    """To a CSV parser a quote may stretch over lines: here it is one odd character."""
    root = layouts.write_jta_mods(tmp_path, scene())
    edit(root, _line(30, lambda row: ['"' + row[0], *row[1:]]))
    edit(root, _line(90, lambda row: [*row[:5], '"x', *row[6:]]))
    heads, findings, ledger = heads_of(root)
    assert findings.totals == {"bad-value": 1}
    assert len(heads["x"]) == ledger.heads.kept == 9


def test_quoted_cells_are_read(tmp_path: Path) -> None:
    wanted, _, _ = heads_of(layouts.write_jta_mods(tmp_path / "a", scene()))
    root = layouts.write_jta_mods(tmp_path / "b", scene())
    edit(root, lambda text: re.sub(r"[^,\r\n]+", lambda cell: f'"{cell[0]}"', text))
    found, findings, _ = heads_of(root)
    assert findings.totals == {}
    assert found["x"].tolist() == wanted["x"].tolist()


@pytest.mark.parametrize("joints", [1, 7, 21])
def test_a_crash_between_two_lines_shows_in_the_last_person(tmp_path: Path, joints: int) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    edit(root, lambda text: "\r\n".join(text.split("\r\n")[: -(23 - joints)]) + "\r\n")
    done = build(root)
    assert done.code == 3
    assert said(done)[0].startswith(
        f"error[labels-cut-short]: {COORDS} > sequence seq_0 > frame 000003 > line {9 * 22 - 22 + 1 + joints}"
    )
    assert len(Dataset.open(tmp_path / "set")) == 3


def test_images_after_the_last_label_are_warned_of(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    for number in (4, 5):
        (root / "seq_0" / f"{number}.jpeg").write_bytes(image(number, (1920, 1080)))
    done = build(root)
    assert done.code == 0
    assert said(done) == [
        f"warning[images-after-labels]: {COORDS} > sequence seq_0 > frame 000004: images go on after "
        "the last label: 2 of them; they become frames without heads: right if nobody was there, wrong "
        "if the game crashed"
    ]
    assert len(Dataset.open(tmp_path / "set")) == 6


def test_images_of_other_names_are_named(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    for name in ("cover.png", "01.jpeg"):
        (root / "seq_0" / name).write_bytes(image(7, (1920, 1080)))
    _, findings, _ = heads_of(root)
    assert findings.totals == {"image-not-used": 2}


def test_what_is_being_written_is_no_sequence(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    layouts.write_jta_mods(tmp_path, scene(), name=".part-0123456789abcdef-seq_1")
    done = build(root)
    assert done.code == 0
    assert list(Dataset.open(tmp_path / "set").sequences) == ["seq_0"]


def test_single_heads_that_lie_elsewhere_are_set_aside(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    edit(root, _line(2, lambda row: [*row[:3], f"{float(row[3]) + 60:.6g}", *row[4:]]))
    done = build(root)
    assert done.code == 3
    assert said(done) == [
        f"error[head-misplaced]: {COORDS} > sequence seq_0 > frame 000000 > head 1 > line 2: the labelled "
        "pixel isn't where the camera sees the labelled position (got '60 px'); one of the two is wrong: "
        "fix the row"
    ]


def test_a_frame_that_lost_all_heads_isnt_empty(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    lines = (root / COORDS).read_text().split("\n")
    lines = ["1" + line[1:].replace(",", ";") if line.startswith("1,") else line for line in lines]
    (root / COORDS).write_bytes("\n".join(lines).encode())
    done = build(root)
    assert done.code == 3
    assert said(done)[0] == (
        "error[heads-lost]: seq_0/1.jpeg > sequence seq_0 > frame 000001: all heads of the frame were set "
        "aside or unreadable; the frame's heads are unknown, not none; see the findings on them"
    )
    # Frame 2 lies between what can be read too, so whether anybody was there isn't known either.
    assert [frame.frame for frame in Dataset.open(tmp_path / "set")] == ["000000", "000003"]


@pytest.mark.parametrize("number", [-5, 10**9, 10**17])
def test_absurd_frame_numbers(tmp_path: Path, number: int) -> None:
    root = layouts.write_jta_mods(tmp_path, scene(), images=False)
    edit(root, _line(2, lambda row: [str(number), *row[1:]]))
    sequence, findings, ledger = read(root)
    assert len(sequence.frames) <= 5
    assert findings.totals
    assert ledger.heads.kept == len(sequence.heads["x"])
    assert (sequence.heads["frame_index"] == 0).sum() == 2


def test_flags_that_are_none(tmp_path: Path) -> None:
    """A flag of 2 hides nobody, and shows nobody."""
    root = layouts.write_jta_mods(tmp_path, scene())
    for line in (2, 3):
        edit(root, _line(line, lambda row: [*row[:8], "2", *row[9:]]))
    heads, findings, _ = heads_of(root)
    assert findings.totals == {"bad-value": 2}
    assert heads["occluded"][0] == -1


def test_the_camera_that_most_rows_give_is_used(tmp_path: Path) -> None:
    wanted, _, _ = heads_of(layouts.write_jta_mods(tmp_path / "a", scene(), 1))
    root = layouts.write_jta_mods(tmp_path / "b", scene(), 1)
    edit(root, _line(2, lambda row: [*row[:8], "0", *row[9:]]))  # cam_3D_x of the first person
    found, findings, _ = heads_of(root)
    assert findings.totals == {"camera-differs": 1}
    assert found["x"].tolist() == wanted["x"].tolist()


def test_a_camera_that_looks_the_other_way(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    edit(root, lambda text: re.sub(r"(?m)^(1,.*),37.5,50", r"\1,-142.5,50", text))
    done = build(root)
    assert done.code == 3
    assert "error[projection-differs]" in done.err
    assert [frame.frame for frame in Dataset.open(tmp_path / "set")] == [
        "000000",
        "000002",
        "000003",
    ]


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    root = layouts.write_jta_mods(tmp_path, scene())
    (root / "seq_0" / "0.jpeg").unlink()
    os.mkfifo(root / "seq_0" / "0.jpeg")
    done = build(root)
    assert done.code == 3
    assert "error[not-an-image]: seq_0/0.jpeg" in done.err


def test_folders_whose_names_arent_utf8(tmp_path: Path) -> None:
    base = tmp_path / os.fsdecode(b"caf\xe9")
    root = layouts.write_jta_mods(base, scene())
    layouts.write_jta_mods(base, scene(), name=os.fsdecode(b"seq_\xff"))
    done = gtahead("build", "--raw", root, "--out", tmp_path / "set", "--workers", 1, "--json")
    assert done.code == 3, done.err
    assert "error[bad-name]" in done.err or "bad-name" in done.out


# MTA


def test_cameras_of_one_location_stay_together(tmp_path: Path) -> None:
    """The same ids in two cameras are two sequences' heads; animals are left out."""
    shown = scene()
    shown.extra["animals"] = {3}
    for number in range(2):
        root = layouts.write_mta(tmp_path, shown, camera_number=number)
    done = build(root)
    assert done.code == 0, done.err
    dataset = Dataset.open(tmp_path / "set")
    assert list(dataset.sequences) == ["train_cam_0", "train_cam_1"]
    assert {frame.split for frame in dataset} == {"train"}
    assert [frame.head_ids.tolist() for frame in dataset] == [[1, 2], [1, 2], [], [1, 2]] * 2
    assert dataset.frames(["hour"])["hour"][:2] == [11.7, 11.7]
    assert dataset.frames(["location"])["location"][0] == "MTA"
    assert dataset.manifest.document["ledger"]["heads"]["dropped"] == {"not-a-person": 6}
    assert "info[not-a-person]: train/cam_0/coords_cam_0.csv" in done.err
    assert "captured_x0" not in {
        name
        for name, values in dataset.heads("train_cam_0").items()
        if name.startswith("captured") and np.isfinite(values.astype(float)).any()
    }


def test_splits_of_one_location_leak(tmp_path: Path) -> None:
    layouts.write_mta(tmp_path, scene(), split="train")
    root = layouts.write_mta(tmp_path, crowd(8, 3), split="test")
    done = build(root)
    assert done.code == 0
    assert "warning[given-splits-leak]" in done.err
    assert {frame.sequence: frame.split for frame in Dataset.open(tmp_path / "set")} == {
        "test_cam_0": "test",
        "train_cam_0": "train",
    }


def test_images_from_a_video_tool_arent_guessed_at(tmp_path: Path) -> None:
    """Such tools count from 1, the labels from 0: nobody can tell from the names."""
    root = layouts.write_mta(tmp_path, scene())
    for path in (root / "train" / "cam_0").glob("image_*.jpg"):
        path.rename(path.with_name(f"{int(path.stem.split('_')[1]) + 1}.jpg"))
    (root / "train" / "cam_1").mkdir()
    done = build(root)
    assert done.code == 3
    assert said(done)[0].startswith("error[no-labels-file]: train/cam_1")
    assert said(done)[1].startswith(
        "warning[image-not-used]: train/cam_0/1.jpg > sequence train_cam_0"
    )


@pytest.mark.parametrize(
    ("hour", "minute", "known"), [(23, 59, True), (24, 0, False), (-1, 0, False)]
)
def test_an_hour_that_no_clock_shows_is_none(
    tmp_path: Path, hour: int, minute: int, known: bool
) -> None:
    root = layouts.write_mta(tmp_path, replace(scene(), hour=hour, minute=minute))
    build(root)
    hours = [frame.hour for frame in Dataset.open(root.parent / "set") if frame.count]
    assert set(hours) == {round(hour + minute / 60, 4) if known else None}


def test_cameras_without_splits_go_into_one(tmp_path: Path) -> None:
    for number in range(6):
        root = layouts.write_mta(tmp_path, scene(), camera_number=number)
    root = root / "train"  # only one folder of the recording
    done = build(root)
    assert "warning[few-locations]" in done.err
    assert {frame.split for frame in Dataset.open(root.parent / "set")} == {"train"}


def test_real_cameras_of_mta_are_read(shared_data: Path, tmp_path: Path) -> None:
    """Six real cameras; -0.000000 occurs in the file."""
    rows = (shared_data / "mta" / "cameraSettings.csv").read_text().split()
    for number, row in enumerate(rows):
        x, y, z, pitch, roll, yaw = map(float, row.split(","))
        camera = Camera(50.0, (x, y, z), (pitch, roll, yaw))
        way = layouts.axes(camera).T
        tops = [np.array([x, y, z]) + way @ np.array([a, 15.0, 0.5]) for a in (-3.0, 0.0, 2.5)]
        bodies = [Body(n, top, top - np.array([0, 0, 0.22])) for n, top in enumerate(tops)]
        root = layouts.write_mta(tmp_path, Scene([camera], [bodies]), camera_number=number)
    reader, _ = choose_reader(root)
    sources = reader.list_sequences(root, Findings())
    assert len(sources) == len(rows) == 6
    for source in sources:
        findings = Findings()
        heads = reader.read(source, findings, Ledger()).heads
        assert findings.totals == {}
        assert heads["depth_m"] == pytest.approx([15.0] * 3, abs=0.02)
