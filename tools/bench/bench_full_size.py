"""The whole way at full size, with images: time, memory and bytes of each step.

    python tools/bench/bench_full_size.py --folder /somewhere/with/20/GB
    python tools/bench/bench_full_size.py --quick      # a small set, to see that it runs

The preset gta-head, 5,096 frames with 1.85 million heads, drawn at `--size` (default 960x540), goes
through build, annotate, export (COCO, huggingface), validate, report, publish stage, and benchmark
of a submission made from the labels. Then the same with a quarter and with half of the sequences:
twice the sequences should cost twice the time and the same memory.

Printed are, for each command: CPU seconds (user + system) of all its processes, seconds on the
clock, the peak memory of its largest process, and the bytes that it left. Linux only. What was
simulated stays in `--folder` and is used again. Goal: every peak <= 2 GiB.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bench_build import gtahead, measured
from figures import Figure, tell
from matplotlib.figure import Figure as Plot

from gtahead import Dataset

SHARES = (4, 2, 1)
RELEASE = ["--repo", "a/b", "--creator", "bench", "--date", "2026-01-01", "--licence", "mit"]


@dataclass(frozen=True)
class Row:
    """What a step cost, on a set of some sequences."""

    step: str
    sequences: int
    frames: int
    cpu_s: float
    clock_s: float
    peak_mib: float
    size_mb: float


def submission(dataset: Path, out: Path) -> Path:
    """Make predictions for the test split from its labels, with errors."""
    rng = np.random.default_rng(0)
    found = []
    for frame in Dataset.open(dataset).select(split="test"):
        kept = frame.boxes_xyxy[frame.counted & (rng.random(len(frame.head_ids)) < 0.9)]
        kept = kept[np.isfinite(kept).all(axis=1)]
        false = kept[: len(kept) // 20] + [40.0, 0.0, 40.0, 0.0]
        boxes = np.concatenate([kept + rng.normal(0, 1, kept.shape), false])
        corner, size = boxes[:, :2], np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0)
        rows = np.concatenate([corner, size, rng.random((len(boxes), 1))], axis=1).round(3)
        found.append({"image": frame.frame_id, "boxes": rows.tolist()})
    method = {"name": "labels with noise", "threshold": 0.1, "threshold_selected_on": "validation"}
    document = {"format": "gtahead-predictions", "version": 1, "method": method}
    document["predictions"] = found
    out.write_text(json.dumps(document))
    return out


def size_mb(path: Path) -> float:
    """Return the MB of a file or of all files in a folder, counting every hard link."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(one.stat().st_size for one in files if one.is_file()) / 1e6


def walked(captures: Path, folder: Path, frames: int) -> Iterator[Row]:
    """Run all steps on some captures."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sequences = len(list(captures.glob("*/sequence.json")))
    data, release = folder / "data", folder / "release"
    steps: list[tuple[str, list[object], Path]] = [
        ("build", ["build", "--raw", captures, "--out", data], data),
        ("annotate --boxes knn", ["annotate", data, "--boxes", "knn"], data / "heads"),
        (
            "export coco",
            ["export", data, "--format", "coco", "--out", folder / "coco"],
            folder / "coco",
        ),
        (
            "export huggingface",
            ["export", data, "--format", "huggingface", "--out", folder / "hub"],
            folder / "hub",
        ),
        ("validate --images full", ["validate", data, "--images", "full"], data / "manifest.json"),
        ("report", ["report", data, "--html", folder / "report.html"], folder / "report.html"),
        ("publish stage", ["publish", "stage", data, "--out", release, *RELEASE], release),
        (
            "benchmark",
            ["benchmark", folder / "found.json", "--data", data, "--out", folder / "score.json"],
            folder / "score.json",
        ),
    ]
    for step, words, left in steps:
        if step == "benchmark":
            submission(data, folder / "found.json")
        begun = time.monotonic()
        cpu, peak = measured(gtahead(*words))
        clock = time.monotonic() - begun
        yield Row(step, sequences, frames, cpu, clock, peak, size_mb(left))


def show(row: Row) -> None:
    """Print a row."""
    print(
        f"  {row.step:24}{row.cpu_s:9.1f} s CPU{row.clock_s:9.1f} s{row.peak_mib:8,.0f} MiB"
        f"{row.size_mb:10,.1f} MB",
        flush=True,
    )
    what = f"{row.step}, {row.sequences} sequences with images"
    tell(Figure(what, row.cpu_s, "s"))
    tell(Figure(f"memory of {what}", row.peak_mib, "MiB", goal="≤ 2 GiB"))


def draw(rows: list[Row], path: Path) -> None:
    """Draw CPU time and memory over the number of frames."""
    plot = Plot(figsize=(9, 3.6), layout="constrained", facecolor="white")
    time_axis, memory_axis = plot.subplots(1, 2)
    for step in dict.fromkeys(row.step for row in rows):
        mine = sorted((row.frames, row.cpu_s, row.peak_mib) for row in rows if row.step == step)
        frames, cpu, peak = zip(*mine, strict=True)
        time_axis.plot(frames, cpu, marker="o", label=step)
        memory_axis.plot(frames, peak, marker="o", label=step)
    time_axis.set(xlabel="frames", ylabel="CPU time, s", ylim=0, xlim=0)
    memory_axis.set(xlabel="frames", ylabel="peak of the largest process, MiB", ylim=0, xlim=0)
    plot.legend(*time_axis.get_legend_handles_labels(), loc="outside right center", frameon=False)
    plot.savefig(path, metadata={"Date": None})


def main() -> None:
    """Simulate, run all steps at three sizes, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--folder", type=Path, help="to work in; what was simulated stays there")
    parser.add_argument("--size", default="960x540", help="of the images")
    parser.add_argument("--plot", type=Path, help="draw time and memory over the frames")
    parser.add_argument("--quick", action="store_true", help="the preset small")
    given = parser.parse_args()
    preset = "small" if given.quick else "gta-head"
    with tempfile.TemporaryDirectory(prefix="gtahead-bench-") as temporary:
        folder = given.folder or Path(temporary)
        captures = folder / f"captures-{preset}-{given.size}"
        begun = time.monotonic()
        words = ["simulate", "--preset", preset, "--size", given.size, "--out", captures]
        cpu, peak = measured(gtahead(*words))
        clock = time.monotonic() - begun
        names = sorted(path.parent.name for path in captures.glob("*/sequence.json"))
        all_frames = len(list(captures.glob("*/frames/*")))
        print(f"{preset} at {given.size}: {len(names)} sequences, {all_frames:,} frames")
        show(Row("simulate", len(names), all_frames, cpu, clock, peak, size_mb(captures)))
        rows = []
        for share in SHARES:
            part = folder / f"part-{share}"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            for name in names[::share]:
                shutil.copytree(captures / name, part / name, copy_function=link)
            frames = len(list(part.glob("*/frames/*")))
            print(f"1/{share} of the sequences: {len(names[::share])}, {frames:,} frames")
            for row in walked(part, folder / f"work-{share}", frames):
                show(row)
                rows.append(row)
            shutil.rmtree(folder / f"work-{share}")
            shutil.rmtree(part)
        if given.plot:
            draw(rows, given.plot)


def link(source: str, target: str) -> None:
    """Create a hard link to a file."""
    Path(target).hardlink_to(source)


if __name__ == "__main__":
    main()
