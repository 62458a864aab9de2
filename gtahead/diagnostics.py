"""Check what gtahead needs: versions, decoders, extras, disk space, and a small run."""

from __future__ import annotations

import platform
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gtahead._version import __version__
from gtahead.errors import as_size
from gtahead.parallel.pool import default_workers
from gtahead.storage import system

LIBRARIES = (
    *("numpy", "scipy", "numba", "pyarrow", "opencv-python-headless", "pillow", "click"),
    *("rich", "jinja2", "orjson", "jsonschema-rs"),
)
"""What the core stands on."""

EXTRAS = {
    "train": (("torch", "torchvision", "pytorch_lightning"), "train, predict"),
    "onnx": (("onnx", "onnxruntime", "onnxscript"), "count, export-model"),
    "hub": (("huggingface_hub", "datasets", "mlcroissant"), "publish check, publish push, pull"),
    "scale": (("dask", "distributed", "fsspec"), "--scheduler, data by URL"),
    "hdf5": (("h5py",), "maps as HDF5"),
}
"""Extra to modules, and to what needs them."""

MIN_FREE_BYTES = 2_000_000_000
MIN_MEMORY_BYTES = 2_000_000_000


@dataclass
class Checkup:
    """What a check of the installation found.

    Attributes:
        about: of the machine: Python, system, cores, memory, room.
        libraries: versions of the core's libraries, None where one is missing.
        extras: modules that are missing, by extra.
        decoders: formats of images and films, and whether they work.
        steps: seconds of each step of the small run.
        problems: what keeps gtahead from working, each with a remedy.
        advice: what could be improved.
    """

    about: dict[str, Any] = field(default_factory=dict)
    libraries: dict[str, str | None] = field(default_factory=dict)
    extras: dict[str, list[str]] = field(default_factory=dict)
    decoders: dict[str, bool] = field(default_factory=dict)
    steps: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 where everything that the core needs works, else 4."""
        return 4 if self.problems else 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return dict(vars(self))


def doctor(*, run: bool = True) -> Checkup:
    """Check what is here, what is missing and how to get it, and whether gtahead works.

    Args:
        run: simulate, build, export, check and score a tiny dataset, in a few seconds.
    """
    found = Checkup()
    _look_around(found)
    _check_libraries(found)
    _check_decoders(found)
    if run and not found.problems:
        _try_it(found)
    return found


def _look_around(found: Checkup) -> None:
    memory = system.memory()
    here, aside = Path.cwd(), Path(tempfile.gettempdir())
    free = {str(path): shutil.disk_usage(path).free for path in (here, aside)}
    found.about = {
        "gtahead": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": default_workers(),
        "memory": memory,
        "free": free,
    }
    if memory is not None and memory < MIN_MEMORY_BYTES:
        found.advice.append(f"only {as_size(memory)} of memory: use --workers 1")
    for path, room in free.items():
        if room < MIN_FREE_BYTES:
            found.advice.append(f"{path} has {as_size(room)} left: free space, or work elsewhere")


def _check_libraries(found: Checkup) -> None:
    for name in LIBRARIES:
        try:
            found.libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.libraries[name] = None
            found.problems.append(f"{name} is missing: pip install --force-reinstall gtahead")
    for extra, (modules, _) in EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        if missing:
            found.extras[extra] = missing
    try:
        import gtahead.density.compiled  # noqa: F401 - numba and llvmlite in working order
    except ImportError as error:
        found.problems.append(f"numba doesn't work here: {error}")


def _check_decoders(found: Checkup) -> None:
    """Encode a small image in each format that captures have, and decode it again."""
    try:
        import cv2
    except ImportError as error:
        found.problems.append(
            f"OpenCV can't be imported ({error}): pip install --force-reinstall "
            "opencv-python-headless; another opencv-python beside it is a usual cause"
        )
        return
    image = np.full((16, 24, 3), 128, np.uint8)
    for suffix in (".jpg", ".png", ".webp", ".bmp", ".tiff"):
        try:
            ok, data = cv2.imencode(suffix, image)
            back = cv2.imdecode(data, cv2.IMREAD_COLOR) if ok else None
        except cv2.error:
            back = None
        found.decoders[suffix[1:]] = back is not None and back.shape == image.shape
    for name in ("jpg", "png"):
        if not found.decoders[name]:
            found.problems.append(
                f"OpenCV can't read {name} here: pip install --force-reinstall "
                "opencv-python-headless"
            )
    with tempfile.TemporaryDirectory(prefix="gtahead-") as folder:
        from gtahead.viewing.films import FILMS, open_writer

        for suffix, codec in FILMS.items():
            if codec is None:  # Pillow's
                continue
            writer = open_writer(Path(folder) / f"film{suffix}", codec, 8.0, (24, 16))
            found.decoders[suffix[1:]] = bool(writer.isOpened())
            writer.release()
            if not found.decoders[suffix[1:]]:
                found.advice.append(f"OpenCV can't write {suffix[1:]} here: `view --video` has GIF")


def _try_it(found: Checkup) -> None:
    """Run the main steps once, on a tiny dataset."""
    from gtahead.building import build
    from gtahead.dataset import Dataset
    from gtahead.formats.exporting import export
    from gtahead.scoring import benchmark
    from gtahead.scoring.blank import template_of
    from gtahead.scoring.ground_truth import open_ground_truth
    from gtahead.simulation import Preset, simulate
    from gtahead.validation import validate

    with tempfile.TemporaryDirectory(prefix="gtahead-") as folder:
        root = Path(folder)

        def score() -> None:
            (root / "nothing.json").write_bytes(
                template_of(open_ground_truth(root / "data", "test"))
            )
            result = benchmark(root / "nothing.json", root / "data", intervals=False)
            mean = Dataset.open(root / "data").select(split="test")
            wanted = float(np.mean(mean.frames(["num_heads"])["num_heads"]))
            if abs(result.value["mae"] - wanted) > 1e-9:
                msg = f"a method that finds nothing has MAE {result.value['mae']}, not {wanted}"
                raise ValueError(msg)

        def check() -> None:
            errors = validate(root / "data", workers=1).finish().by_severity()["error"]
            if errors:
                raise ValueError(f"{errors} errors in a dataset that was just built")

        small = Preset("doctor", (160, 96), (2,) * 6, (3.0, 5.0, 8.0, 12.0, 20.0, 30.0), 6)
        steps = {
            "simulate": lambda: simulate(root / "captures", preset=small, workers=1),
            "build": lambda: build(root / "captures", root / "data", workers=1),
            "export": lambda: export(root / "data", root / "coco", format="coco", workers=1),
            "validate": check,
            "benchmark": score,
        }
        for name, step in steps.items():
            begin = time.perf_counter()
            try:
                step()
            except Exception as error:  # noqa: BLE001 - whatever it is, it's what was asked for
                found.problems.append(f"{name} doesn't work: {type(error).__name__}: {error}")
                return
            found.steps[name] = round(time.perf_counter() - begin, 3)
