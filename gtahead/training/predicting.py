"""What a trained detector finds in a dataset or in any images, as a prediction file."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from gtahead import storage
from gtahead.arrays import Progress
from gtahead.dataset import Dataset
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.images.folders import WantedImage, images_below
from gtahead.images.reading import ImageError, read_rgb
from gtahead.models import checkpoint_path
from gtahead.parallel.pool import run_all
from gtahead.predictions import check_target, write_predictions
from gtahead.tables.splits import split_named
from gtahead.training.checkpoints import Trained, read_checkpoint
from gtahead.training.detectors import Factory
from gtahead.training.inference import InImage, as_predictions, find_heads
from gtahead.training.wanted import images_of_split
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

BATCH = 8
"""Images that a worker of a cluster takes at a time."""


@dataclass(frozen=True, repr=False)
class PredictReport(storage.Written):
    """The result of a prediction run.

    Attributes:
        out: the prediction file.
        images: how many were looked at.
        heads: found at or above the threshold; the sum of counts of a detector that only counts.
        threshold: from which score on a head counts.
        capped: images with more heads than the detector gives.
        findings: of images that can't be read; they are not in the file.
    """

    out: Path
    images: int
    heads: float
    threshold: float | None
    capped: list[str]
    findings: Findings

    @property
    def exit_code(self) -> int:
        """0; 3 where images were set aside."""
        return 3 if self.findings.anything_set_aside else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {**vars(self), "out": str(self.out), "findings": self.findings.as_dict()}


@resolve_urls(reads=["checkpoint", "data", "images"], writes=["out"])
def predict(
    checkpoint: StrPath,
    data: StrPath = "dataset",
    out: StrPath = "predictions.json",
    *,
    split: str = "test",
    images: StrPath | None = None,
    detector: Factory | None = None,
    scheduler: str | None = None,
    on_progress: Progress | None = None,
) -> PredictReport:
    """Find heads, and write them as `gtahead benchmark` reads them: in the images' own pixels.

    Args:
        checkpoint: `model.pt` of a run, or `builtin` for the bundled detector.
        data: a dataset.
        out: the prediction file: .json, .jsonl or .parquet.
        split: of the dataset.
        images: an image or a folder of images instead of a dataset; they are named by their
            paths in the folder.
        detector: what made the network in `train`, where it is your own.
        scheduler: address of a Dask scheduler, whose workers look at the images; without it, this
            process does, on its GPU or all cores.
        on_progress: called with images done, images in all, and the name.

    Returns:
        What was found; images that can't be read are set aside by name.

    Raises:
        InputError: the checkpoint can't be read, no image can, or there is no folder for `out`.
        UsageError: no such split, no images, or another ending.
        ResourceError: the file can't be written, or the scheduler or its workers won't do.
    """
    check_target(out, (checkpoint, data if images is None else images))
    model = checkpoint_path(checkpoint).absolute()
    trained = _trained(model, detector)
    header: dict[str, object] = {}
    findings = Findings()
    if images is not None:
        root = Path(images).absolute()
        wanted = [one for one in images_below(Path(images)) if _nameable(one, findings)]
    else:
        root = Path(data).absolute()
        opened = Dataset.open(data)
        split = split_named(split)
        wanted = images_of_split(opened, split)
        header["dataset"] = {
            "name": opened.folder.resolve().name,
            "split": split,
            "fingerprint": opened.manifest.document["fingerprints"]["points"][split],
        }
    config = trained.detector.config
    method: dict[str, object] = {"name": str(trained.about.get("run") or config.detector)}
    if trained.threshold is not None:
        method |= {"threshold": trained.threshold, "threshold_selected_on": "validation"}
    header["method"] = method
    batches = _batches(_Model(model, detector), wanted, size=1 if scheduler is None else BATCH)
    looked: dict[str, InImage | ImageError] = {}
    results = run_all(_look, batches, workers=1, scheduler=scheduler, folders=[model, root])
    with closing(results):
        for _, result in results:
            looked |= result
            if on_progress is not None:
                on_progress(len(looked), len(wanted), next(reversed(result)))
    found: dict[str, InImage] = {}
    for one in wanted:
        seen = looked[one.name]
        if isinstance(seen, ImageError):
            findings.add(seen.code, Where(str(one.path)), detail=seen.detail)
        else:
            found[one.name] = seen
    if not found:
        place = str(wanted[0].path if wanted else images)
        raise InputError("none of the images can be read", where=Where(place))
    write_predictions(out, as_predictions(found, list(found.values()), header))
    least = trained.threshold or 0.0
    heads = sum(
        float((one.scores >= least).sum()) if one.count is None else one.count
        for one in found.values()
    )
    capped = [name for name, one in found.items() if one.capped]
    return PredictReport(
        Path(out), len(found), round(heads, 1), trained.threshold, capped, findings
    )


def _nameable(image: WantedImage, findings: Findings) -> bool:
    """Return whether predictions, which are UTF-8, can name an image; note it if they can't."""
    try:
        image.name.encode()
    except UnicodeEncodeError:
        findings.add("bad-frame-name", Where(str(image.path)))
        return False
    return True


@dataclass(frozen=True)
class _Model:
    """A checkpoint, and what makes its network where that is the user's own."""

    path: Path
    make: Factory | None


@dataclass(frozen=True)
class _ShareTask:
    """Images to look at, and the model to use."""

    model: _Model
    wanted: Sequence[WantedImage]


def _batches(
    model: _Model, wanted: Sequence[WantedImage], size: int
) -> list[tuple[str, _ShareTask]]:
    wanted = [replace(one, path=one.path.absolute()) for one in wanted]
    parts = [wanted[start : start + size] for start in range(0, len(wanted), size)]
    return [(part[0].name, _ShareTask(model, part)) for part in parts]


def _look(task: _ShareTask) -> dict[str, InImage | ImageError]:
    """Find heads in images; return the fault of each that can't be read."""
    detector = _trained(task.model.path, task.model.make).detector
    looked: dict[str, InImage | ImageError] = {}
    for one in task.wanted:
        try:
            looked[one.name] = find_heads(detector, read_rgb(one.path, one.size_wh))
        except ImageError as error:
            looked[one.name] = error
    return looked


def _trained(model: Path, make: Factory | None) -> Trained:
    """Read a checkpoint once per process, and again if its file has changed."""
    try:
        stat = model.stat()
    except OSError:
        return read_checkpoint(model)  # which says what is wrong
    return _read_once(model, make, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=1)
def _read_once(model: Path, make: Factory | None, changed_ns: int, size: int) -> Trained:
    del changed_ns, size
    trained = read_checkpoint(model, make)
    trained.detector.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return trained
