"""What a trained detector finds in a data set or in any pictures, as a prediction file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from gtahead.dataset import Dataset
from gtahead.errors import InputError, UsageError, Where
from gtahead.pictures import PictureError, decode_rgb, read_bytes
from gtahead.predictions import write_predictions
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.finding import as_predictions, find_heads
from gtahead.training.samples import Picture, read_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class PredictReport:
    """What was found.

    Attributes:
        out: the prediction file.
        pictures: how many were looked at.
        heads: found at or above the threshold; the sum of counts of a detector that only counts.
        threshold: from which score on a head counts.
        capped: pictures with more heads than the detector gives.
    """

    out: Path
    pictures: int
    heads: float
    threshold: float | None
    capped: list[str]


def predict(
    checkpoint: str | Path,
    data: str | Path = "dataset",
    out: str | Path = "predictions.json",
    *,
    split: str = "test",
    images: str | Path | None = None,
    on_progress: Progress | None = None,
) -> PredictReport:
    """Find heads, and write them as `gtahead benchmark` reads them: in the pictures' own pixels.

    Args:
        checkpoint: `model.pt` of a run.
        data: a data set.
        out: the prediction file: .json, .jsonl or .parquet.
        split: of the data set.
        images: a picture or a folder of pictures instead of a data set; they are named by their
            paths in the folder.
        on_progress: called with pictures done, pictures in all, and the name.

    Raises:
        InputError: the checkpoint or a picture can't be read.
        UsageError: no such split, no pictures, or another ending.
        ResourceError: the file can't be written.
    """
    trained = read_checkpoint(checkpoint)
    header: dict[str, object] = {}
    if images is not None:
        root = Path(images)
        files = _files(root)
        folder = root if root.is_dir() else root.parent
        names = [file.relative_to(folder).as_posix() for file in files]
        pictures: Iterator[Picture] = (_read(file) for file in files)
    else:
        opened = Dataset.open(data)
        part = opened.select(split=split)
        if not len(part):
            raise UsageError("the split has no pictures", value=split)
        names = part.frame_ids
        pictures = (read_picture(frame) for frame in part)
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
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trained.detector.to(device)
    found = []
    for number, picture in enumerate(pictures):
        found.append(find_heads(trained.detector, picture))
        if on_progress is not None:
            on_progress(number + 1, len(names), names[number])
    write_predictions(out, as_predictions(names, found, header))
    least = trained.threshold or 0.0
    heads = sum(
        float((one.scores >= least).sum()) if one.count is None else one.count for one in found
    )
    capped = [name for name, one in zip(names, found, strict=True) if one.capped]
    return PredictReport(Path(out), len(names), round(heads, 1), trained.threshold, capped)


def _files(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError("there is no such picture or folder", where=Where(str(root)))
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise UsageError(
            "no pictures there", value=str(root), remedy=f"known: {', '.join(SUFFIXES)}"
        )
    return files


def _read(file: Path) -> Picture:
    try:
        return decode_rgb(read_bytes(file))
    except (PictureError, OSError) as error:
        raise InputError(
            "the picture can't be read", where=Where(str(file)), value=str(error)
        ) from error
