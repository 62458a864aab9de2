"""What does staging a release cost, beside copying and hashing?

    python tools/bench/bench_publish.py                 # labels of the preset gta-head (full size)
    python tools/bench/bench_publish.py --images 500  # and that many JPEG frames of 1920 x 1080

Printed are CPU seconds (user + system) of all processes of a command, the median of `--repeat`
runs after one that warms the caches. Linux only.

Labels: goal: `gtahead publish stage` <= 30 s. Images: the floor copies each file and takes the
sha256 of the copy. Goal: staging at >= 0.5 x its speed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from bench_build import gtahead, measured, median_cpu
from figures import Figure, tell

from gtahead.simulation import Preset, simulate

FLOOR = """
import hashlib, shutil, sys
from pathlib import Path
out = Path(sys.argv[2]); out.mkdir()
for number, file in enumerate(sorted(Path(sys.argv[1]).rglob("*.jpg"))):
    copy = out / f"{number}.jpg"
    shutil.copyfile(file, copy)
    with copy.open("rb") as data:
        hashlib.file_digest(data, "sha256").hexdigest()
"""

FACTS = ["--repo", "a/b", "--creator", "bench", "--date", "2026-01-01", "--workers", "1"]
FACTS += ["--licence", "mit"]


def bench_labels(folder: Path, repeat: int) -> None:
    """Stage the labels of a full-size set, and check it without loading."""
    captures, dataset, release = folder / "captures", folder / "dataset", folder / "release"
    measured(gtahead("simulate", "--preset", "gta-head", "--no-images", "--out", captures))
    measured(gtahead("build", "--raw", captures, "--out", dataset))
    command = gtahead("publish", "stage", dataset, "--out", release, *FACTS)
    cpu = median_cpu(command, release, repeat)
    size = sum(path.stat().st_size for path in release.rglob("*") if path.is_file()) / 1e6
    print(f"labels: gta-head, a release of {size:.0f} MB")
    tell(Figure("staging full-size labels", cpu, "s", goal="≤ 30 s"))
    print(f"  stage                                   {cpu:7.2f} s CPU   goal 30")
    cpu, peak = measured(gtahead("publish", "check", release, "--no-load"))
    print(f"  check --no-load                         {cpu:7.2f} s CPU   peak {peak:,.0f} MiB")


def noisy_frames(folder: Path, count: int) -> None:
    """Add frames as large as a game's to simulated labels: about 1 MB each, texture and noise."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (1080, 1920, 3)).astype(np.uint8)
    texture = np.asarray(cv2.GaussianBlur(texture, (0, 0), 3))
    for path in sorted(folder.glob("*/sequence.json")):
        document = json.loads(path.read_text())
        (path.parent / "frames").mkdir()
        del document["images"]
        for frame in document["frames"]:
            frame["file"] = f"frames/{frame['frame']:06d}.jpg"
            frame.pop("sha256", None)
            pixels = np.roll(texture, int(rng.integers(0, 1000)), axis=1)
            pixels = np.clip(pixels + rng.normal(0, 9, pixels.shape[:2])[..., None], 0, 255)
            data = cv2.imencode(".jpg", pixels.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
            (path.parent / frame["file"]).write_bytes(data.tobytes())
        path.write_text(json.dumps(document))
    assert len(list(folder.glob("*/frames/*.jpg"))) == count


def bench_images(folder: Path, count: int, repeat: int) -> None:
    """Compare staging with copying and hashing the images."""
    captures, dataset = folder / "images", folder / "images-set"
    release, floor = folder / "images-release", folder / "images-floor"
    crowds = Preset("bench", (1920, 1080), (count // 5,) * 5, (20.0, 60.0, 150.0, 400.0, 1000.0), 5)
    simulate(captures, preset=crowds, images=False)
    noisy_frames(captures, count)
    measured(gtahead("build", "--raw", captures, "--out", dataset))
    files = list((dataset / "images").rglob("*.jpg"))
    size = sum(path.stat().st_size for path in files) / 1e6
    print(f"images: {len(files)} JPEG frames of 1920 x 1080, {size:.0f} MB")
    least = median_cpu([sys.executable, "-c", FLOOR, str(dataset), str(floor)], floor, repeat)
    print(f"  floor: copy + sha256                    {least:7.2f} s CPU")
    command = [*gtahead("publish", "stage", dataset, "--out", release, *FACTS), "--i-have-rights"]
    cpu = median_cpu(command, release, repeat)
    start = "import gtahead.cli.publish, gtahead.publishing.staging"
    begun = median_cpu([sys.executable, "-c", start], release, repeat)
    whole, beyond = least / cpu, least / (cpu - begun)
    what = f"staging {len(files)} JPEG frames of 1 MB"
    tell(Figure(what, cpu, "s", "copying and hashing them", least, "≤ 2 ×"))
    print(f"  stage                                   {cpu:7.2f} s CPU   {whole:.2f} x its speed")
    print(f"    beyond {begun:.2f} s to start the program              {beyond:.2f} x its speed")


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description="gtahead publish stage against its floors")
    parser.add_argument("--images", type=int, default=0, metavar="N", help="JPEG frames to bench")
    parser.add_argument("--repeat", type=int, default=3, metavar="N", help="runs for each median")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gtahead-bench-") as temporary:
        bench_labels(Path(temporary), arguments.repeat)
        if arguments.images:
            bench_images(Path(temporary), arguments.images, arguments.repeat)


if __name__ == "__main__":
    main()
