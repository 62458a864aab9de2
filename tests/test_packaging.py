"""The wheel: built, unpacked elsewhere, and run from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, ROOT]
    subprocess.run(list(map(str, build)), check=True, capture_output=True)
    (wheel,) = folder.glob("gtahead-*.whl")
    target = folder / "site"
    install = [*pip, "install", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(list(map(str, install)), check=True, capture_output=True)
    return target


def _run(unpacked: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_the_wheel_holds_schemas_types_and_tables(unpacked: Path) -> None:
    package = unpacked / "gtahead"
    shipped = {path.name for path in (package / "schema_files").iterdir()}
    assert shipped == {path.name for path in (ROOT / "schemas").iterdir()}
    assert (package / "py.typed").exists()
    assert (package / "annotation" / "calibration.json").exists()
    assert not (unpacked / "tests").exists()


def test_the_wheel_runs(unpacked: Path, tmp_path: Path) -> None:
    code = "import gtahead; print(gtahead.__file__)"
    where = _run(unpacked, tmp_path, "-c", code)
    assert Path(where.stdout.strip()).is_relative_to(unpacked)
    simulated = _run(unpacked, tmp_path, "-m", "gtahead", "simulate", "--no-images")
    assert simulated.returncode == 0, simulated.stderr
    built = _run(unpacked, tmp_path, "-m", "gtahead", "build", "--raw", "captures", "--json")
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)["statistics"]["sequences"] == 7
