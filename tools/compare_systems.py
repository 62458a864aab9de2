"""Compare what another system's Python makes of gtahead's commands with what this one does.

    python tools/compare_systems.py wine /opt/python-windows/python.exe

Both run the same commands, with one worker; exit statuses and all files written have to be the
same, byte for byte. The other Python needs gtahead's dependencies and this checkout on its path.
Its output goes through a pipe: Python for Windows starts under Wine with nothing else.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gtahead.formats import FORMATS

ONE = "--workers 1"
STEPS = [
    f"simulate --sequences 3 --frames 2 --size 320x180 {ONE} --out captures",
    f"simulate --sequences 1 --frames 1 --layout gcc --no-images {ONE} --out gcc",
    f"build --raw captures --out set {ONE}",
    f"build --raw captures --out set {ONE}",
    f"build --raw gcc --out of-gcc --images none {ONE}",
    *(f"export set --format {name} --out {name} --allow-lossy {ONE}" for name in FORMATS),
    f"export set --format yolo --out coco --allow-lossy --overwrite {ONE}",
    f"build --raw coco --out of-yolo {ONE}",
    f"build --raw webdataset --out of-webdataset {ONE}",
    "filter set --where split=='test' --out part",
    f"validate set --images full {ONE} --html checked.html",
    f"validate points-json --against set {ONE}",
    f"publish stage set --repo a/b --creator me --licence mit --out release {ONE}",
    "pull release --out pulled",
    "report set --html report.html",
    "view set --out frame.png",
    "benchmark found.json --data set --out score.json --html score.html",
    f"annotate set --boxes camera {ONE}",
    f"build --raw nothing --out x {ONE}",
    f"build --raw captures --out set --boxes knn {ONE}",
]


def run(python: list[str], folder: Path, step: str) -> int:
    """Run a command in a folder, and return its exit status."""
    command = [*python, "-m", "gtahead", *step.split()]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=False
    )
    return done.returncode


def files(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder; none is hidden but those that gtahead works with."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".gtahead-")
    }


def main() -> int:
    """Print each step with how it ended here and there, and say what differs."""
    other = sys.argv[1:]
    if not other or shutil.which(other[0]) is None:
        print(__doc__ if not other else f"no such program: {other[0]}")
        return 2
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        here, there = Path(scratch) / "here", Path(scratch) / "there"
        here.mkdir()
        there.mkdir()
        for step in STEPS:
            if step.startswith("benchmark"):
                tool = [sys.executable, str(Path(__file__).with_name("make_submission.py"))]
                subprocess.run([*tool, "set", "--out", "found.json"], cwd=here, check=True)
                shutil.copy(here / "found.json", there)
            codes = run([sys.executable], here, step), run(other, there, step)
            mine, theirs = files(here), files(there)
            differ = [name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name)]
            same = codes[0] == codes[1] and not differ
            failed += not same
            print(f"{'same' if same else 'DIFFERS'}  {codes[0]} {codes[1]}  {step}", flush=True)
            for name in sorted(differ)[:5]:
                print(f"         {name}")
        print(f"{len(STEPS) - failed} of {len(STEPS)} steps are the same; {len(mine)} files")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
