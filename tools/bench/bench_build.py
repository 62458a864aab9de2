"""How much more than reading and writing the bytes does `gtahead build` cost?

    python tools/bench/bench_build.py                 # labels of the preset gta-head (full size)
    python tools/bench/bench_build.py --images 500  # and that many JPEG frames of 1920 x 1080

Printed are CPU seconds (user + system) of all processes of a command, the median of `--repeat`
runs after one that warms the caches, and the peak memory of the largest process. The floors run in
processes of their own as well, so that start-up is in both figures. Linux only.

Labels: the floor reads the same heads.csv files with `pyarrow.csv` and writes them with
`pyarrow.parquet`, both as they come. Goal: build <= 8 x that, every process <= 1 GiB.
Images: the floor takes the sha256 of each file, decodes it at an eighth of its size in grey, and
links it. Goal: build <= 2 x that.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, tell

from gtahead.simulation import Preset, simulate

FLOOR_LABELS = """
import sys
from pathlib import Path
import pyarrow.csv, pyarrow.parquet
out = Path(sys.argv[2]); out.mkdir()
options = pyarrow.csv.ReadOptions(use_threads=False)
for file in sorted(Path(sys.argv[1]).glob("*/heads.csv")):
    table = pyarrow.csv.read_csv(file, read_options=options)
    pyarrow.parquet.write_table(table, out / (file.parent.name + ".parquet"))
"""

FLOOR_IMAGES = """
import hashlib, os, sys
from pathlib import Path
import cv2, numpy
cv2.setNumThreads(1)
out = Path(sys.argv[2]); out.mkdir()
for number, file in enumerate(sorted(Path(sys.argv[1]).glob("*/frames/*.jpg"))):
    data = file.read_bytes()
    hashlib.sha256(data).hexdigest()
    cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_8)
    os.link(file, out / f"{number}.jpg")
"""


MEASURE = """
import ctypes, os, resource, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: a pool's orphans come to us
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(done.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Run a command; return its processes' CPU seconds, and the peak of the largest in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], check=True, capture_output=True, text=True
    )
    code, cpu, peak = done.stdout.split()
    if code not in ("0", "3"):  # 3: done, with items set aside
        raise SystemExit(f"exit {code}: {' '.join(command)}")
    return float(cpu), int(peak) / 1024


def median_cpu(command: list[str], target: Path, repeat: int) -> float:
    """Warm up once, then return the median CPU time of `repeat` runs into a new target."""
    times = []
    for _ in range(repeat + 1):
        shutil.rmtree(target, ignore_errors=True)
        times.append(measured(command)[0])
    return statistics.median(times[1:])


def fingerprints(target: Path) -> object:
    """Return the fingerprints of a dataset."""
    return json.loads((target / "manifest.json").read_text())["fingerprints"]


def gtahead(*arguments: object) -> list[str]:
    """Return a gtahead command line for this environment."""
    return [sys.executable, "-m", "gtahead", *map(str, arguments)]


def bench_labels(folder: Path, repeat: int) -> None:
    """Compare a build of labels alone with reading and writing the same tables."""
    captures, target, floor = folder / "labels", folder / "labels-set", folder / "labels-floor"
    command = gtahead("simulate", "--preset", "gta-head", "--no-images", "--out", captures)
    made, _ = measured(command)
    size = sum(path.stat().st_size for path in captures.glob("*/heads.csv")) / 1e6
    print(f"labels: gta-head, {size:.0f} MB of heads.csv, simulated in {made:.1f} s CPU")
    least = median_cpu(
        [sys.executable, "-c", FLOOR_LABELS, str(captures), str(floor)], floor, repeat
    )
    print(f"  floor: pyarrow.csv + pyarrow.parquet    {least:7.2f} s CPU")
    prints = {}
    for workers in (1, 2):
        command = gtahead("build", "--raw", captures, "--out", target, "--workers", workers)
        cpu = median_cpu(command, target, repeat)
        shutil.rmtree(target)
        _, peak = measured(command)
        prints[workers] = fingerprints(target)
        print(
            f"  build, {workers} worker{'s' * (workers > 1)}                       {cpu:7.2f} s CPU"
            f"   {cpu / least:.2f} x the floor   peak {peak:,.0f} MiB"
        )
        what = f"building full-size labels, {workers} worker{'s' * (workers > 1)}"
        tell(Figure(what, cpu, "s", "pyarrow reads and writes them", least, "≤ 8 ×"))
    print(f"  same fingerprints with 1 and 2 workers: {prints[1] == prints[2]}")


def bench_images(folder: Path, count: int, repeat: int) -> None:
    """Compare a build that links JPEG frames with hashing, decoding and linking them."""
    captures, target, floor = (folder / "images", folder / "images-set", folder / "images-floor")
    crowds = Preset("bench", (1920, 1080), (count // 5,) * 5, (20.0, 60.0, 150.0, 400.0, 1000.0), 5)
    simulate(captures, preset=crowds)
    files = list(captures.glob("*/frames/*.jpg"))
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"images: {len(files)} JPEG frames of 1920 x 1080, {size:.0f} MB")
    least = median_cpu(
        [sys.executable, "-c", FLOOR_IMAGES, str(captures), str(floor)], floor, repeat
    )
    print(f"  floor: sha256 + reduced decode + link   {least:7.2f} s CPU")
    for workers in (1, 2):
        command = gtahead("build", "--raw", captures, "--out", target, "--workers", workers)
        cpu = median_cpu(command, target, repeat)
        print(
            f"  build, {workers} worker{'s' * (workers > 1)}                       {cpu:7.2f} s CPU"
            f"   {cpu / least:.2f} x the floor"
        )
        what = f"building {len(files)} JPEG frames, {workers} worker{'s' * (workers > 1)}"
        tell(Figure(what, cpu, "s", "hashing, decoding, linking them", least, "≤ 2 ×"))
    linked = sum(path.stat().st_nlink > 1 for path in target.glob("images/*/*"))
    print(f"  images that are links to the captures': {linked} of {len(files)}")


def main() -> None:
    """Run the bench and print one table."""
    parser = argparse.ArgumentParser(description="gtahead build against its floors")
    parser.add_argument("--images", type=int, default=0, metavar="N", help="JPEG frames to bench")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs for each median")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gtahead-bench-") as temporary:
        bench_labels(Path(temporary), arguments.repeat)
        if arguments.images:
            bench_images(Path(temporary), arguments.images, arguments.repeat)


if __name__ == "__main__":
    main()
