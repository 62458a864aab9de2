"""How fast does the simulator draw?

    python tools/bench/bench_simulate.py

Printed is the CPU time of one process and one thread for a frame, the median over the frames of
`--sequences` sequences with cameras, places, weather and hours of their own, the first frame of
each left out: it shades the bare place. `labels` draws what is seen and counts heads, `image`
draws and shades, `jpeg` encodes.

Goals: 1920 x 1080 with 340 people <= 0.60 s with a camera that moves and <= 0.45 s with one that
stands, 3,000 people <= 1.3 s, 384 x 256 with 60 <= 0.06 s. There is no peer: the game itself can't
be had here.
"""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np
from figures import Figure, tell

from gtahead.simulation.planning import plan
from gtahead.simulation.presets import Preset
from gtahead.simulation.scene import Scene

FRAMES = 6
CASES = (
    (Preset("bench-moving", (1920, 1080), (FRAMES,), (300.0,), 1, pan_share=1.0), 340, 0.60),
    (Preset("bench-large", (1920, 1080), (FRAMES,), (300.0,), 1, pan_share=0.0), 340, 0.45),
    (Preset("bench-crowded", (1920, 1080), (FRAMES,), (2700.0,), 1), 3000, 1.3),
    (Preset("bench-small", (384, 256), (FRAMES,), (55.0,), 1, (12.0, 64.0), 0.48), 60, 0.06),
)


def measure(preset: Preset, seeds: range) -> list[tuple[float, ...]]:
    """Return people in the image and seconds of labels, image and encoding, for each frame."""
    reported = []
    for seed in seeds:
        scene = Scene(plan(preset, seed)[0])
        scene.image(0)
        for frame in range(1, FRAMES):
            clocks = [time.process_time()]
            seen = scene.look(frame)
            clocks.append(time.process_time())
            image = scene.image(frame)
            clocks.append(time.process_time())
            cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, scene.lens.quality])
            clocks.append(time.process_time())
            reported.append((len(seen.who), *np.diff(clocks)))
    return reported


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sequences", type=int, default=12, help="of each size")
    sequences = parser.parse_args().sequences
    cv2.setNumThreads(1)
    print(f"{'size':>11}{'people':>8}{'labels':>9}{'image':>9}{'jpeg':>7}{'all':>8}   goal")
    for preset, target, goal in CASES:
        rows = np.array(measure(preset, range(sequences)))
        people, labels, image, jpeg = np.median(rows, axis=0)
        whole = float(np.median(rows[:, 1:].sum(axis=1)))
        size = "{} x {}".format(*preset.size_wh)
        what = f"simulating a frame, {size}, {people:.0f} people"
        tell(Figure(what, whole, "s", goal=f"≤ {goal} s with {target}"))
        print(
            f"{size:>11}{people:8.0f}{labels:8.3f}s{image:8.3f}s{jpeg:6.3f}s{whole:7.3f}s"
            f"   <= {goal:.2f} s with {target} people"
        )


if __name__ == "__main__":
    main()
