"""Measure the rules that need points alone on real head boxes, taken as points.

    python tools/experiments/rules_on_boxes.py FOLDER

FOLDER holds Pascal VOC annotations (`Annotations/*.xml`, objects named head), such as a part of
SCUT-HEAD. Every image has a camera of its own, of which nothing is known.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from gtahead.annotation import BoxRule, HeadFrames, give_boxes
from gtahead.annotation.boxes import ORDER
from gtahead.annotation.evaluation import measure_rules, summary
from gtahead.arrays import Floats
from gtahead.geometry import box_sides


def read(path: Path) -> tuple[Floats, tuple[int, int]]:
    """Return a file's (N, 4) head boxes and its image's size."""
    root = ElementTree.parse(path).getroot()
    size_wh = (int(root.findtext("size/width", "0")), int(root.findtext("size/height", "0")))
    corners = ("xmin", "ymin", "xmax", "ymax")
    boxes = [
        [float(item.findtext(f"bndbox/{corner}", "nan")) for corner in corners]
        for item in root.iter("object")
        if (item.findtext("name") or "").startswith("head")
    ]
    return np.array(boxes, np.float64).reshape(-1, 4) - [1, 1, 0, 0], size_wh


def as_scene(boxes_xyxy: Floats, size_wh: tuple[int, int]) -> HeadFrames:
    """Take boxes as points."""
    count, unknown = len(boxes_xyxy), np.array([np.nan])
    heads = {
        "head_id": np.arange(count),
        "frame_index": np.zeros(count, np.int64),
        "x": boxes_xyxy[:, [0, 2]].mean(axis=1),
        "y": boxes_xyxy[:, [1, 3]].mean(axis=1),
    }
    return HeadFrames(heads, 1, np.array([float(size_wh[1])]), unknown, unknown)


def main() -> None:
    """Read, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    found: dict[str, list[Floats]] = {}
    together: dict[str, list[Floats]] = {"knn": [], "perspective:knn": []}
    ratios, images, unfitted = [], 0, 0
    for path in sorted((folder / "Annotations").glob("*.xml")):
        boxes, size_wh = read(path)
        if len(boxes) == 0:
            continue
        images += 1
        scene = as_scene(boxes, size_wh)
        reported = measure_rules(scene, boxes, np.ones(len(boxes), np.bool_))
        for rule, one in reported.items():
            found.setdefault(rule, []).append(np.stack([one.error, one.iou]))
        if {"knn", "perspective:knn"} <= set(reported):
            for rule, values in together.items():
                values.append(np.stack([reported[rule].error, reported[rule].iou]))
        unfitted += "perspective:knn" not in reported
        knn = give_boxes(scene, BoxRule("knn"))
        if (knn.source == ORDER.index("knn")).all():
            sides = box_sides(boxes)
            ratios.append(0.25 * sides / np.ptp(knn.boxes_xyxy[:, [0, 2]], axis=1))
    print(f"{images} images with heads; {unfitted} in which no plane of sizes fits")
    for title, rows in (("all", found), ("images that both serve", together)):
        print(title)
        for rule, values in rows.items():
            error, iou = np.concatenate(values, axis=1)
            told_of = summary(error, iou)
            print(
                f"  {rule:16} {told_of['heads']:6,} heads  bias {told_of['bias']:+.3f}"
                f"  median {told_of['median']:.3f}  p90 {told_of['p90']:.3f}"
                f"  mean IoU {told_of['mean_iou']:.3f}"
            )
    scale = np.quantile(np.concatenate(ratios), [0.25, 0.5, 0.75])
    print("knn scale that would fit (quartiles over heads):", np.round(scale, 3))


if __name__ == "__main__":
    main()
