"""A run on disk: its record, its metrics, its checkpoints, and how it is resumed.

run.json          settings, versions, data, state, the best epoch
metrics.csv       a line a validation
losses.csv        a line for ten batches
model.pt          the best epoch's detector
checkpoints/      what is needed to go on
"""

from __future__ import annotations

import csv
import importlib.metadata
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gtahead import schemas, storage
from gtahead._version import __version__
from gtahead.annotation.holdout import Parts
from gtahead.dataset import Dataset, Frame
from gtahead.errors import InputError, UsageError, Where, first_line
from gtahead.geometry import box_sides
from gtahead.training.checkpoints import Trained, write_checkpoint
from gtahead.training.config import TrainConfig
from gtahead.training.detectors import Detector
from gtahead.training.wanted import RUN, require_run
from gtahead.training.weights import load_weights

MODEL, CHECKPOINTS = "model.pt", "checkpoints"
METRICS, LOSSES = "metrics.csv", "losses.csv"
BEST, LAST = "best", "last"
FREE = ("workers", "devices")
"""Settings that may change where a run goes on: they don't decide about its result on a CPU."""


@dataclass
class Run:
    """A run in its folder.

    Attributes:
        folder: its own.
        record: what `run.json` says.
        rows: of `metrics.csv`.
        losses: rows of `losses.csv`: the last step, the epoch, the mean of each loss.
        last: the checkpoint to go on from; None at the beginning.
    """

    folder: Path
    record: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    losses: list[dict[str, Any]] = field(default_factory=list)
    last: Path | None = None

    def note(self, row: dict[str, Any]) -> None:
        """Add a row to the metrics, and write them and the losses.

        Raises:
            ResourceError: the disk fails.
        """
        self.rows.append(row)
        _write_rows(self.folder / METRICS, self.rows)
        _write_rows(self.folder / LOSSES, self.losses)

    def finish(self, detector: Detector, *, finished: bool) -> None:
        """Write the best epoch's detector and the result of the run.

        Args:
            detector: takes that epoch's weights.
            finished: whether nothing is left to train.

        Raises:
            ResourceError: the disk fails.
        """
        kept = _load(checkpoint(self.folder, BEST))
        prefix = "detector."
        weights = {
            name.removeprefix(prefix): value
            for name, value in kept["state_dict"].items()
            if name.startswith(prefix)
        }
        detector.load_state_dict(weights)
        chosen = kept["gtahead"]
        self.record |= {
            "state": "finished" if finished else "stopped",
            "epochs_done": int(self.rows[-1]["epoch"]) + 1,
            "best": chosen,
        }
        about = {"run": self.folder.resolve().name, "data": self.record["data"], "best": chosen}
        about |= {name: self.record[name] for name in ("own",) if name in self.record}
        write_checkpoint(self.folder / MODEL, Trained(detector, chosen["threshold"], about))
        storage.write_json(self.folder / RUN, self.record)


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (
        storage.naming_os_errors(path),
        storage.replacing(path) as part,
        part.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def checkpoint(folder: Path, name: str) -> Path:
    """Return the path of a run's checkpoint, `BEST` or `LAST`."""
    return folder / CHECKPOINTS / f"{name}.ckpt"


def record_of(
    config: TrainConfig, opened: Dataset, parts: Parts, frames: list[Frame], lost: float
) -> dict[str, Any]:
    """Return the record of a run: settings, versions, data.

    Args:
        config: settings.
        opened: the dataset.
        parts: what is learned from and chosen by.
        frames: of the former.
        lost: share of its heads that can't be returned.
    """
    sides = np.concatenate([box_sides(frame.boxes_xyxy[frame.counted]) for frame in frames])
    cells = sides * config.scale / config.stride
    cells = cells[np.isfinite(cells)]
    prints = opened.manifest.document["fingerprints"]
    packages = ("numpy", "opencv-python-headless", "pytorch-lightning", "torch", "torchvision")
    return {
        "format": "gtahead-run",
        "version": 1,
        "gtahead": __version__,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "config": config.as_dict(),
        "data": {
            "name": opened.folder.resolve().name,
            "labels": prints["labels"].get("all"),
            "train_frames": len(parts.train),
            "validation_frames": len(parts.validation),
            "validation_carved_from_train": list(parts.carved),
        },
        "heads": {
            "count": len(sides),
            "side_cells": [round(float(q), 2) for q in np.quantile(cells, (0.05, 0.5, 0.95))]
            if len(cells)
            else [],
            "under_two_cells": round(float(np.mean(cells < 2)), 4) if len(cells) else 0.0,
            "too_close_to_decode": round(lost, 4),
        },
        "state": "running",
    }


def open_run(folder: Path, record: dict[str, Any], *, resume: bool) -> Run:
    """Begin a run in a folder, or go on with the unfinished one that is there.

    Args:
        folder: exists.
        record: of the run that is wanted.
        resume: there must be one.

    Raises:
        InputError: the record or the checkpoint that stands there is damaged.
        UsageError: there is another run, a finished one, or none to resume.
    """
    if resume:
        require_run(folder)
    there = folder / RUN
    if not there.exists():
        storage.write_json(there, record)
        return Run(folder, record)
    old = schemas.parse_json(there.read_bytes(), str(there))
    for pointer, message in schemas.faults(old, "run"):
        remedy = "remove the run, or give another --out"
        raise InputError(message, where=Where(str(there), field=pointer), remedy=remedy)
    last = checkpoint(folder, LAST)
    if old["state"] != "finished" and not last.exists():
        storage.write_json(there, record)  # nothing is lost: it was stopped before its validation
        return Run(folder, record)
    _refuse_another(folder, old, record)
    epoch = _load(last)["gtahead"]["epoch"]
    rows, losses = (
        [row for row in _read_rows(folder / name) if int(row["epoch"]) <= epoch]
        for name in (METRICS, LOSSES)
    )
    return Run(folder, record, rows, losses, last)


def _refuse_another(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    remedy = "give another --out, or the settings and data of its run.json"
    for name, value in new["config"].items():
        if name not in FREE and old["config"].get(name) != value:
            raise UsageError(
                f"{folder} holds a run with another {name}: {old['config'].get(name)}",
                value=value,
                remedy=remedy,
            )
    if old.get("own") != new.get("own"):
        raise UsageError(
            f"{folder} holds a run with another detector or loss: {old.get('own') or 'its own'}",
            value=new.get("own"),
            remedy=remedy,
        )
    if old.get("init", {}).get("sha256") != new.get("init", {}).get("sha256"):
        began = old.get("init", {}).get("file", "weights of its own")
        raise UsageError(
            f"{folder} holds a run that began with {began}",
            value=new.get("init", {}).get("file"),
            remedy=remedy,
        )
    if old["data"] != new["data"]:
        raise UsageError(
            f"{folder} holds a run on other data", value=new["data"]["name"], remedy=remedy
        )
    if old["state"] == "finished":
        raise UsageError(
            "there is already a finished run", value=str(folder), remedy="give another --out"
        )


def _load(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = load_weights(path)
    except Exception as error:
        raise InputError(
            "the run's checkpoint can't be read",
            where=Where(str(path)),
            value=first_line(error),
            remedy="remove the file to begin anew",
        ) from error
    return found


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
