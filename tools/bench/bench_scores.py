"""How fast are the scores, beside what people use today?

    pip install ultrafast-pycocotools faster-coco-eval hotcoco
    python tools/bench/bench_scores.py [--nwpu DIR] [--only ap matching nwpu full]

On one thread and one input: COCO's AP of 500 frames with 340 heads and 400 boxes each, without a
cap, against three packages from PyPI; the matching at two radii of 340, 3,000 and 12,000 heads
against augmenting paths on a dense matrix, as evaluation programs of the field do it (written
here); NWPU-Crowd's list with predictions from `--nwpu`; and 1.73 million heads with as many boxes,
all metrics and their intervals. Every run is a process of its own, which prints its CPU time and
how far the memory's peak rose; medians of `--repeat` runs.

Goals: AP <= 1/2 of ultrafast-pycocotools and <= 1/15 of faster-coco-eval (hotcoco stands beside
them without one), and <= 1/2 of the leaner one's memory; matching <= 1/50, 1/400, 1/800;
NWPU-Crowd <= 3 s; full size <= 120 s and <= 2 GiB.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from figures import Figure, tell

PRELUDE = """
import contextlib, io, json, sys, time
import numpy as np
def peak():
    with open("/proc/self/status") as file:
        return next(int(row.split()[1]) for row in file if row.startswith("VmHWM")) / 1024
def reported(begun, before, **more):
    print(json.dumps({"cpu": time.process_time() - begun, "extra": peak() - before, **more}))
quiet = contextlib.redirect_stdout(io.StringIO())
"""

OURS_AP = """
from gtahead.metrics.detection import average_precision, match_boxes
data = np.load(sys.argv[1])
none = np.zeros(1, np.bool_)
one = np.array([[0.0, 0, 9, 9]])
match_boxes(one, np.ones(1), np.array([0, 1]), one, np.array([0, 1]), none)
before, begun = peak(), time.process_time()
found = match_boxes(data["boxes"], data["scores"], data["starts"], data["heads"],
    data["head_starts"], np.zeros(len(data["heads"]), np.bool_))
precisions, recalls = average_precision(found)
reported(begun, before, ap=float(precisions.mean()))
"""

PEERS_AP = """
which, truth, found = sys.argv[1:4]
truth, found = json.load(open(truth)), json.load(open(found))
most = int(sys.argv[4])
if which == "ultrafast":
    from ultrafast_pycocotools.coco import COCO
    from ultrafast_pycocotools.cocoeval import COCOeval
elif which == "faster":
    from faster_coco_eval import COCO, COCOeval_faster as COCOeval
elif which == "hotcoco":
    from hotcoco import COCO, COCOeval
else:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval
with quiet:
    data = COCO(sys.argv[2]) if which != "faster" else COCO(truth)
    results = data.loadRes(found if which != "hotcoco" else sys.argv[3])
before, begun = peak(), time.process_time()
with quiet:
    run = COCOeval(data, results, "bbox")
    run.params.maxDets = [most, most, most] if which == "faster" else [1, 10, most]
    run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
    run.evaluate()
    run.accumulate()
precision = np.asarray(run.eval["precision"])[:, :, 0, 0, -1]
reported(begun, before, ap=float(precision[precision > -1].mean()))
"""

MATCHING = """
which, heads = sys.argv[1], int(sys.argv[2])
rng = np.random.default_rng(heads)
side = 2400.0 * (heads / 12000) ** 0.5  # as dense in each
true = rng.uniform(0, side, (heads, 2))
found = np.concatenate([true[rng.random(heads) < 0.8], rng.uniform(0, side, (heads // 5, 2))])
found = rng.permutation(found + rng.normal(0, 4, found.shape))
radii = [rng.uniform(3, 9, heads), rng.uniform(6, 16, heads)]
from gtahead.metrics.matching import match_points
at, of = np.array([0, len(found)]), np.array([0, heads])
match_points(found[:1], np.array([0, 1]), true[:1], np.ones(1), np.array([0, 1]))

def dense(radius):
    from scipy.spatial import distance
    near = distance.cdist(found, true) <= radius
    owner = np.full(heads, -1)
    def augment(point, seen):
        for head in range(heads):
            if near[point, head] and not seen[head]:
                seen[head] = True
                if owner[head] < 0 or augment(owner[head], seen):
                    owner[head] = point
                    return True
        return False
    sys.setrecursionlimit(10**6)
    for point in range(len(found)):
        augment(point, np.zeros(heads, bool))
    return int((owner >= 0).sum())

before, begun = peak(), time.process_time()
if which == "ours":
    times = 20 if heads < 1000 else 3
    for _ in range(times):
        hits = [int(match_points(found, at, true, r, of).hits.sum()) for r in radii]
    print(json.dumps({"cpu": (time.process_time() - begun) / times, "extra": 0, "hits": hits}))
else:
    hits = [dense(radius) for radius in radii]
    reported(begun, before, hits=hits)
"""

NWPU = """
import gtahead
gtahead.benchmark  # the import isn't measured: a process scores many files
before, begun = peak(), time.process_time()
score = gtahead.benchmark(sys.argv[1], sys.argv[2], intervals=False)
reported(begun, before, **{name: score.value[name] for name in ("mae", "f1_large")})
"""

FULL = """
import gtahead
gtahead.benchmark
before, begun = peak(), time.process_time()
score = gtahead.benchmark(sys.argv[1], sys.argv[2])
reported(begun, before, images=score.document["data"]["images"],
    heads=score.document["data"]["heads"], boxes=len(score.predictions.boxes_xyxy),
    ap=score.value["ap"], mae=score.value["mae"], intervals=score.document["intervals"]["clusters"])
"""


def run(code: str, *words: object, repeat: int = 1) -> dict[str, Any]:
    """Run a snippet in processes of its own; return the run with the median CPU time."""
    found = []
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    surroundings = {**os.environ, **dict.fromkeys(names, "1")}
    for _ in range(repeat):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + code, *map(str, words)],
            env=surroundings,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stderr)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    middle = statistics.median_low([one["cpu"] for one in found])
    return next(one for one in found if one["cpu"] == middle)


def crowd(frames: int, heads: int, boxes: int) -> dict[str, np.ndarray]:
    """Draw heads, and boxes that find most of them."""
    rng = np.random.default_rng(340)
    corner = rng.uniform(0, 1, (frames, heads, 2)) * [1880, 1040]
    true = np.concatenate([corner, corner + rng.uniform(8, 40, (frames, heads, 1))], axis=2)
    hits = int(boxes * 0.75)
    found = true[:, :hits] + rng.normal(0, 1.5, (frames, hits, 4))
    corner = rng.uniform(0, 1, (frames, boxes - hits, 2)) * [1880, 1040]
    false = np.concatenate([corner, corner + rng.uniform(8, 40, (*corner.shape[:2], 1))], axis=2)
    both = np.concatenate([found, false], axis=1)
    both[..., 2:] = np.maximum(both[..., 2:], both[..., :2] + 1)
    return {
        "boxes": both.reshape(-1, 4).round(3),
        "scores": rng.random(frames * boxes).round(5),
        "starts": np.arange(frames + 1) * boxes,
        "heads": true.reshape(-1, 4).round(3),
        "head_starts": np.arange(frames + 1) * heads,
    }


def write_coco(data: dict[str, np.ndarray], folder: Path, *, sequences: int = 0) -> None:
    """Write heads and boxes as COCO has them; with sequences as gtahead's exports have."""
    frames = len(data["starts"]) - 1
    images = [
        {"id": n + 1, "file_name": f"{n:06d}.jpg", "width": 1920, "height": 1080}
        for n in range(frames)
    ]
    for number, image in enumerate(images):
        if sequences:
            name = f"seq_{number * sequences // frames:02d}"
            image["gtahead"] = {"sequence": name, "frame": f"{number:06d}"}
    with (folder / "ground_truth.json").open("w") as out:
        out.write('{"images":' + json.dumps(images))
        out.write(',"categories":[{"id":1,"name":"head"}],"annotations":[')
        out.write(",\n".join(_rows(data["heads"], data["head_starts"], None)) + "]}")
    with (folder / "found.json").open("w") as out:
        out.write("[" + ",\n".join(_rows(data["boxes"], data["starts"], data["scores"])) + "]")


def _rows(boxes: np.ndarray, starts: np.ndarray, scores: np.ndarray | None) -> list[str]:
    image = np.repeat(np.arange(len(starts) - 1), np.diff(starts)) + 1
    rows = []
    for row, (of, (x0, y0, x1, y1)) in enumerate(zip(image.tolist(), boxes.tolist(), strict=True)):
        size = f"[{x0},{y0},{x1 - x0:.3f},{y1 - y0:.3f}]"
        more = (
            f'"score":{scores[row]}'
            if scores is not None
            else (f'"id":{row + 1},"area":{(x1 - x0) * (y1 - y0):.3f},"iscrowd":0')
        )
        rows.append(f'{{"image_id":{of},"category_id":1,"bbox":{size},{more}}}')
    return rows


def bench_ap(folder: Path, repeat: int) -> None:
    """Compare AP with three packages."""
    data = crowd(500, 340, 400)
    np.savez(folder / "data.npz", **data)  # type: ignore[arg-type]
    write_coco(data, folder)
    ours = run(OURS_AP, folder / "data.npz", repeat=repeat)
    print(f"AP of 500 frames x 340 heads x 400 boxes: {ours['cpu']:.3f} s, {ours['extra']:.0f} MiB")
    peers = {
        "ultrafast": ("ultrafast-pycocotools", "≤ 1/2 ×"),
        "faster": ("faster-coco-eval", "≤ 1/15 ×"),
        "hotcoco": ("hotcoco", ""),
    }
    for which, (package, goal) in peers.items():
        words = (which, folder / "ground_truth.json", folder / "found.json", 1000)
        peer = run(PEERS_AP, *words, repeat=repeat)
        ratio = float(ours["cpu"]) / float(peer["cpu"])
        ap = "AP of 500 frames × 340 heads × 400 boxes"
        tell(Figure(ap, float(ours["cpu"]), "s", package, float(peer["cpu"]), goal))
        lean = float(ours["extra"]) / max(float(peer["extra"]), 1e-9)
        print(
            f"  {which}: {peer['cpu']:.3f} s, {peer['extra']:.0f} MiB; ratio 1/{1 / ratio:.1f}, "
            f"memory {lean:.2f}; AP {ours['ap']:.6f} and {peer['ap']:.6f}"
        )


def bench_matching(repeat: int) -> None:
    """Compare the matching with augmenting paths on a dense matrix."""
    for heads, goal in ((340, 50), (3000, 400), (12000, 800)):
        ours = run(MATCHING, "ours", heads, repeat=repeat)
        peer = run(MATCHING, "dense", heads)
        ratio = float(peer["cpu"]) / float(ours["cpu"])
        what, dense = f"matching {heads:,} heads at two radii", "augmenting paths, dense matrix"
        mine, theirs = 1e3 * float(ours["cpu"]), 1e3 * float(peer["cpu"])
        tell(Figure(what, mine, "ms", dense, theirs, f"≤ 1/{goal} ×"))
        if ours["hits"] != peer["hits"]:
            sys.exit(f"the hits differ: {ours['hits']} and {peer['hits']}")
        print(
            f"matching {heads:,} heads at two radii: {1000 * float(ours['cpu']):.2f} ms; dense "
            f"{peer['cpu']:.2f} s; ratio 1/{ratio:.0f}"
        )


def bench_full(folder: Path) -> None:
    """Compute all metrics of 1.73 million heads and as many boxes."""
    write_coco(crowd(5096, 340, 340), folder, sequences=35)
    done = run(FULL, folder / "found.json", folder / "ground_truth.json")
    tell(Figure("scoring 1.73 million heads", float(done["cpu"]), "s", goal="≤ 120 s"))
    tell(Figure("memory of that, beyond the start", float(done["extra"]), "MiB", goal="≤ 2 GiB"))
    print(
        f"full size: {done['images']:,} images, {done['heads']:,} heads, {done['boxes']:,} "
        f"boxes, intervals over {done['intervals']} sequences: {done['cpu']:.1f} s, "
        f"{done['extra']:.0f} MiB"
    )


def main() -> None:
    """Run what is asked for."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--nwpu", type=Path, help="folder with NWPU-Crowd's list and predictions")
    options.add_argument("--repeat", type=int, default=3)
    parts = ["ap", "matching", "nwpu", "full"]
    options.add_argument("--only", nargs="*", choices=parts, default=parts)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "ap" in given.only:
            bench_ap(folder, given.repeat)
        if "matching" in given.only:
            bench_matching(given.repeat)
        if "nwpu" in given.only and given.nwpu:
            files = (given.nwpu / "Raz_loc_val_0.5.txt", given.nwpu / "val_gt_loc.txt")
            done = run(NWPU, *files, repeat=given.repeat)
            print(
                f"NWPU-Crowd's list, file to result: {done['cpu']:.2f} s, {done['extra']:.0f} MiB"
            )
        if "full" in given.only:
            bench_full(folder)


if __name__ == "__main__":
    main()
