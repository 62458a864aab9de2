"""How far above the game's bone SKEL_Head is the centre of the visible head?

    python tools/experiments/measure_lift.py FOLDER

FOLDER holds two frames of the JTA dataset's test split with the 3-D poses that LoCO estimated on
them (seq_450_91 and seq_466_651, as .jpg and .poses14.json); they may not be redistributed. The
visible heads were marked by eye, hair to chin and ear to ear, on eight-fold enlargements without
the poses drawn in: `MARKS`, in whole pixels, by person.

SKEL_Head is JTA's joint head_center, which lies halfway between head_top and neck by construction.
The lift is given as a share of the side of a head's box of the rule `camera` (0.24 m at the head's
depth), divided by the cosine of the camera's pitch, which the standing people's own axes tell.
Poses are a good model's estimates, and head_top is on a grid of 8 px: single heads scatter, the
median is what counts. The last line is what `gtahead.annotation.lift` uses.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from gtahead.annotation.boxes import HEAD_SIDE_M, JOINT_RATIO
from gtahead.arrays import Floats

FOCAL, CENTRE = 1158.0, np.array([960.0, 540.0])
RESAMPLES = 10_000

# person: top, bottom, left, right
MARKS = {
    "seq_450_91": {
        1: (152, 175, 1395, 1413), 2: (193, 214, 157, 180), 3: (68, 90, 857, 871),
        4: (96, 114, 1211, 1225), 5: (112, 128, 1046, 1064), 6: (179, 202, 1339, 1356),
        7: (255, 288, 636, 660), 8: (169, 190, 1712, 1729), 9: (116, 134, 585, 603),
        10: (255, 282, 792, 813), 11: (125, 143, 829, 842), 12: (216, 243, 1406, 1422),
        18: (122, 143, 720, 736), 19: (218, 248, 684, 707), 24: (427, 470, 1630, 1667),
    },
    "seq_466_651": {
        1: (168, 192, 783, 805), 2: (173, 200, 1372, 1393), 3: (260, 290, 307, 335),
        4: (174, 199, 556, 577), 5: (149, 174, 1262, 1283), 6: (200, 227, 1494, 1519),
        7: (271, 299, 687, 715), 8: (328, 357, 413, 440), 9: (209, 236, 505, 533),
        10: (333, 367, 1150, 1178), 11: (165, 190, 65, 97), 12: (306, 335, 1666, 1708),
        13: (205, 230, 1757, 1784), 14: (187, 211, 1833, 1866),
    },
}  # fmt: skip


def _pixel(point_m: Floats) -> Floats:
    pixel: Floats = FOCAL * point_m[:2] / point_m[2] + CENTRE
    return pixel


def _joints(pose: list[list[float]]) -> dict[int, Floats]:
    return {int(row[0]): np.array(row[1:], np.float64) for row in pose}


def _pitch_deg(poses: list[list[list[float]]]) -> float:
    """Return the camera's pitch from the standing people: ankles to neck point up."""
    ups = []
    for pose in poses:
        joints = _joints(pose)
        ups.append(joints[1] - (joints[10] + joints[13]) / 2)
    up = np.median([vector / np.linalg.norm(vector) for vector in ups], axis=0)
    return float(np.degrees(np.arctan2(-up[2], -up[1])))


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    rows = []
    for name, marks in MARKS.items():
        poses = json.loads((folder / f"{name}.poses14.json").read_text())["poses"]
        pitch = _pitch_deg(poses)
        print(f"{name}: {len(marks)} of {len(poses)} heads marked, pitch {pitch:.0f} degrees")
        for person, (top, bottom, left, right) in marks.items():
            joints = _joints(poses[person - 1])
            head_top, neck = joints[0], joints[1]
            centre = np.array([(left + right) / 2, (top + bottom) / 2])
            metre = FOCAL / head_top[2]
            side, tall = HEAD_SIDE_M * metre, JOINT_RATIO * np.linalg.norm(head_top - neck) * metre
            lift = (_pixel((head_top + neck) / 2)[1] - centre[1]) / np.cos(np.radians(pitch))
            above = (_pixel(head_top)[1] - centre[1]) / side
            rows.append(
                (lift / side, lift / tall, above, (bottom - top) / metre, (right - left) / metre)
            )
    table = np.array(rows)
    words = (
        "lift over the side of the rule camera",
        "lift over the height of the rule joints",
        "head_top below the visible centre, in sides",
        "visible height in metres",
        "visible width in metres",
    )
    for word, values in zip(words, table.T, strict=True):
        low, middle, high = np.percentile(values, [10, 50, 90])
        print(f"{word:45} median {middle:6.3f}   10-90 % {low:6.3f} to {high:6.3f}")
    random = np.random.default_rng(0)
    picks = random.integers(0, len(table), (RESAMPLES, len(table)))
    medians = np.median(table[:, 0][picks], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    share, count = np.median(table[:, 0]), len(table)
    print(f"lift: {share:.2f} of the side, 95 % {low:.2f} to {high:.2f}, n = {count}")


if __name__ == "__main__":
    main()
