"""How far are boxes from joints and depths off on real frames of the game?

    python tools/experiments/rules_on_marks.py FOLDER --draw OUT

FOLDER and the 29 heads marked by eye are those of `measure_lift.py`. The true box is the mark.
The rules see what JTA's captures give: the joints in space, hence the depth, and SKEL_Head, which
is lifted to the head's centre. The lift was chosen on these heads, sizes were not.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
from measure_lift import CENTRE, FOCAL, MARKS, _joints, _pitch_deg, _pixel

from gtahead.annotation import BoxRule, HeadFrames, give_boxes, lift_points
from gtahead.annotation.evaluation import summary
from gtahead.arrays import Floats
from gtahead.geometry import box_iou, box_sides

RULES = ("joints", "camera")
COLOURS_BGR = {"joints": (90, 220, 60), "camera": (40, 190, 250)}


def scene_of(poses: list[list[list[float]]]) -> HeadFrames:
    """Return a frame's people as the rules see them."""
    joints = [_joints(pose) for pose in poses]
    top, neck = (np.array([one[joint] for one in joints]) for joint in (0, 1))
    middle = (top + neck) / 2
    xy = np.array([_pixel(point) for point in middle])
    count = len(joints)
    heights_px = np.array([2.0 * CENTRE[1]])
    heads = {
        "head_id": np.arange(count),
        "frame_index": np.zeros(count, np.int64),
        "x": xy[:, 0],
        "y": xy[:, 1],
        "depth_m": middle[:, 2],
        "top_neck_m": np.linalg.norm(top - neck, axis=1),
        "point_kind": np.zeros(count, np.int8),
    }
    scene = HeadFrames(heads, 1, heights_px, np.array([FOCAL]), np.array([_pitch_deg(poses)]))
    heads["x"], heads["y"] = lift_points(scene).T
    return HeadFrames(heads, 1, heights_px, scene.focal_px, scene.pitch_deg)


def main() -> None:
    """Measure, print, draw on request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draw", type=Path, help="folder for images")
    arguments = parser.parse_args()
    errors: dict[str, list[Floats]] = {rule: [] for rule in RULES}
    for name, marks in MARKS.items():
        poses = json.loads((arguments.folder / f"{name}.poses14.json").read_text())["poses"]
        scene = scene_of(poses)
        rows = np.array(list(marks)) - 1  # marks count people from 1
        ground_truth = np.array(
            [(left, up, right, low) for up, low, left, right in marks.values()], float
        )
        data = np.fromfile(arguments.folder / f"{name}.jpg", np.uint8)
        image = np.array(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        for box in ground_truth:
            cv2.rectangle(image, box[:2].astype(int), box[2:].astype(int), (255, 255, 255), 1)
        for rule in RULES:
            boxes = give_boxes(scene, BoxRule(rule)).boxes_xyxy
            sides = [box_sides(boxes[rows]), box_sides(ground_truth)]
            errors[rule].append(
                np.stack([sides[0] / sides[1] - 1, box_iou(boxes[rows], ground_truth)])
            )
            for box in boxes:
                corners = np.round(box).astype(int)
                cv2.rectangle(image, corners[:2], corners[2:], COLOURS_BGR[rule], 1)
        if arguments.draw is not None:
            arguments.draw.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(arguments.draw / f"{name}.png"), image)
    for rule, values in errors.items():
        error, iou = np.concatenate(values, axis=1)
        reported = summary(error, iou)
        print(
            f"{rule:8} {reported['heads']} heads  bias {reported['bias']:+.3f}"
            f"  median {reported['median']:.3f}"
            f"  p90 {reported['p90']:.3f}  mean IoU {reported['mean_iou']:.3f}"
        )


if __name__ == "__main__":
    main()
