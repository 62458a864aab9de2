"""Unpack the wheel in a folder and run it from there, away from the source.

python tools/check_wheel.py FOLDER  # that holds one wheel; exit 1 where something is missing in it
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def check(wheel: Path, folder: Path) -> None:
    """Check a wheel, unpacked into a folder."""
    target = folder / "site"
    zipfile.ZipFile(wheel).extractall(target)
    package = target / "gtahead"
    shipped = {path.name for path in (package / "schema_files").iterdir()}
    assert shipped == {path.name for path in (ROOT / "schemas").iterdir()}, shipped
    assert not (target / "tests").exists()
    for path in (ROOT / "gtahead").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (target / path.relative_to(ROOT)).is_file(), path

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(target)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    where = run("-c", "import gtahead; print(gtahead.__file__)")
    assert Path(where.strip()).is_relative_to(target), where
    run("-m", "gtahead", "simulate", "--no-images")
    built = json.loads(run("-m", "gtahead", "build", "--raw", "captures", "--json"))
    assert built["statistics"]["sequences"] == 7
    run("-m", "gtahead", "report", "--quiet")
    run("-m", "gtahead", "publish", "stage", "--repo", "a/b", "--creator", "x", "--images", "none")


def main() -> None:
    """Check the wheel in a folder."""
    parser = argparse.ArgumentParser(description="Run a wheel away from the source")
    parser.add_argument("folder", type=Path)
    (wheel,) = parser.parse_args().folder.glob("gtahead-*.whl")
    with tempfile.TemporaryDirectory() as folder:
        check(wheel, Path(folder))


if __name__ == "__main__":
    main()
