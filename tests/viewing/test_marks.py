"""Marks: told apart by colour, by the colour-blind as well, and by shape without any colour."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead
from PIL import Image

from gtahead.marks import MARKS, draw_boxes, draw_points
from gtahead.tables.canonical import STATUS_NAMES
from gtahead.viewing import layers
from gtahead.viewing.layers import STRIP, draw
from gtahead.viewing.shots import Shot, open_album

# Machado, Oliveira and Fernandes 2009, severity 1: on linear RGB.
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]])  # fmt: skip


def lab(colour: str, sight: Any) -> Any:
    """CIE 1976 L*a*b* of a colour as it is seen."""
    srgb = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    white = np.array([0.95047, 1.0, 1.08883])
    x, y, z = np.cbrt(XYZ @ np.clip(np.array(sight) @ linear, 0, 1) / white)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("kinds", [("counted", "ignored", "absent"), ("hit", "miss", "false")])
def test_colours_are_told_apart(kinds: tuple[str, ...], sight: str) -> None:
    for one, other in combinations(kinds, 2):
        seen = [lab(MARKS[kind].colour, SIGHTS[sight]) for kind in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) > 30, (one, other)  # 2 can just be told apart


@pytest.mark.parametrize("kinds", [("counted", "ignored", "absent"), ("hit", "miss", "false")])
@pytest.mark.parametrize("side", [12.0, 30.0])
def test_shapes_are_told_apart(kinds: tuple[str, ...], side: float) -> None:
    """What is drawn differs in many pixels, when all colours are one."""
    drawn = []
    for kind in kinds:
        for box in (True, False):
            if box and kind not in ("counted", "ignored", "absent"):
                continue
            canvas = np.full((60, 60, 3), 128, np.uint8)
            if box:
                corners = np.array([[30 - side / 2, 30 - side / 2, 30 + side / 2, 30 + side / 2]])
                draw_boxes(canvas, corners, [kind])
            else:
                draw_points(canvas, np.array([[30.0, 30.0]]), kind, side / 3)
            drawn.append((kind, box, (canvas != 128).any(axis=2)))
    for (one, box, mine), (other, same, theirs) in combinations(drawn, 2):
        if box == same and one != other:
            union = (mine | theirs).sum()
            assert (mine ^ theirs).sum() > 0.2 * union, (
                one,
                other,
                box,
                round((mine ^ theirs).sum() / union, 2),
            )


def test_boxes_without_corners_are_not_drawn() -> None:
    canvas = np.zeros((20, 20, 3), np.uint8)
    draw_boxes(canvas, np.array([[2.0, 2.0, np.nan, 9.0]]), ["counted"])
    draw_boxes(canvas, np.zeros((0, 4)), [])
    assert not canvas.any()


def test_the_strip_tells_hidden_from_out_of_frame(tiny_dataset: Path) -> None:
    (shot,) = open_album(tiny_dataset).shots(["seq_00/000004"])
    absent = shot.points_xy[shot.of_status("absent")]
    width, height = shot.size_wh
    inside = (absent >= 0).all(axis=1) & (absent < [width, height]).all(axis=1)
    assert 0 < inside.sum() < len(absent)
    words = [entry.words for entry in layers._status_entries(shot, box=True)]
    assert f"{inside.sum():,} hidden · {(~inside).sum():,} out of frame" in words


def crowd(count: int = 600) -> Shot:
    """A frame of 640 x 360 without an image, with heads close to each other."""
    chance = np.random.default_rng(5)
    points = chance.uniform([0, 0], [640, 360], (count, 2))
    boxes = np.concatenate([points - 6, points + 6], axis=1)
    seen, status = np.ones(count), np.full(count, STATUS_NAMES.index("counted"))
    sigmas = np.full((count, 2), 3.0)
    ids = np.arange(count) + 1000
    return Shot("seq/000000", (640, 360), None, ids, points, boxes, sigmas, seen, status)


def test_ids_do_not_collide_and_say_how_many_they_are() -> None:
    shot = crowd()
    canvas = np.zeros((360, 640, 3), np.uint8)
    written, entry = layers._with_ids(canvas, shot, 1.0)
    shown, total = (int(word) for word in re.findall("[0-9]+", entry.words))
    assert 100 < shown < total == 600
    # Each of them has its own pixels: four digits of eleven pixels' height.
    assert written.any(axis=2).sum() > 60 * shown


def test_a_crowd_in_a_sheet_is_points() -> None:
    shot = crowd()
    small = draw(shot, ["boxes"], width=640, small=True)
    assert (small == draw(shot, ["points"], width=640)).all()
    assert (small != draw(shot, ["boxes"], width=640)).any()
    few = crowd(100)
    assert (draw(few, ["boxes"], width=640, small=True) == draw(few, ["boxes"], width=640)).all()


def test_a_gif_keeps_the_colours_of_its_legend(tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "film.gif"
    assert gtahead("view", tiny_dataset, "--video", "--out", out).code == 0
    with Image.open(out) as film:
        frame = np.asarray(film.convert("RGB")).astype(int)[:STRIP]
    for kind in ("counted", "absent"):
        colour = list(bytes.fromhex(MARKS[kind].colour[1:]))
        assert (np.abs(frame - colour).sum(axis=2) < 12).any(), kind
