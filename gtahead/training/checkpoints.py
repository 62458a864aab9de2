"""A trained detector in one file: weights, configuration, threshold; never pickled code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gtahead import storage
from gtahead._version import __version__
from gtahead.errors import GtaheadError, InputError, Where, first_line
from gtahead.training.config import OWN, TrainConfig, config_of
from gtahead.training.detectors import Detector, Factory, make_detector
from gtahead.training.weights import load_weights
from gtahead.values import StrPath, is_number

FORMAT, VERSION = "gtahead-model", 1


@dataclass(frozen=True)
class Trained:
    """A trained detector.

    Attributes:
        detector: on the CPU, ready to find heads.
        threshold: from which score on a head counts; None of a detector that only counts.
        about: what else the file says: name of the run, fingerprints of the data, metrics.
    """

    detector: Detector
    threshold: float | None
    about: dict[str, Any]


def write_checkpoint(path: Path, trained: Trained) -> None:
    """Write a detector, whole or not at all.

    Raises:
        ResourceError: it can't be written.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "gtahead": __version__,
        "config": trained.detector.config.as_dict(),
        "threshold": trained.threshold,
        "about": trained.about,
        "weights": {name: value.cpu() for name, value in trained.detector.state_dict().items()},
    }
    with storage.naming_os_errors(path), storage.replacing(path) as part, part.open("wb") as out:
        torch.save(document, out)


def read_checkpoint(path: StrPath, make: Factory | None = None) -> Trained:
    """Read a detector.

    Args:
        path: `model.pt` of a run.
        make: what made the network, where it is one's own: takes the configuration.

    Raises:
        InputError: no such file, truncated, not of gtahead, of another version, or not whole.
    """
    where = Where(str(path))
    document = _document(path)
    threshold, about = document.get("threshold"), document.get("about") or {}
    config = document.get("config")
    if make is None and isinstance(config, dict) and config.get("detector") == OWN:
        own = about.get("own") if isinstance(about, dict) else None
        raise InputError(
            "the checkpoint is of a detector of one's own",
            where=where,
            value=own.get("detector") if isinstance(own, dict) else None,
            remedy="give what makes it: predict(..., detector=...) in Python; a plug-in makes it "
            "known to the command line, see docs/extending.md",
        )
    try:
        detector = (make or make_detector)(_without_download(config))
        if not isinstance(detector, Detector):
            raise TypeError(f"{type(detector).__name__} isn't a Detector")
        detector.load_state_dict(document["weights"])
        if not all(value.isfinite().all() for value in detector.state_dict().values()):
            raise ValueError("a weight isn't a finite number")
        if not _is_threshold(threshold, detector) or not isinstance(about, dict):
            raise ValueError(f"a threshold of {threshold!r}, or no facts about the run")
    except (GtaheadError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            "the checkpoint's parts don't fit each other",
            where=where,
            value=first_line(error),
            remedy="it was changed by hand, or by another program: train anew"
            if make is None
            else "give the detector that it was trained with",
        ) from error
    detector.eval()
    return Trained(detector, threshold, about)


def begin_with(detector: Detector, path: StrPath) -> list[str]:
    """Take the weights of a trained detector, as far as names and shapes fit.

    Returns:
        The names of the detector's weights that stay as they were.

    Raises:
        InputError: the file can't be read, or no weight fits.
    """
    given = _document(path).get("weights")
    mine = detector.state_dict()
    fitting = {
        name: value
        for name, value in (given.items() if isinstance(given, dict) else ())
        if name in mine and isinstance(value, torch.Tensor) and value.shape == mine[name].shape
    }
    if not fitting:
        raise InputError(
            "none of the checkpoint's weights fit this detector",
            where=Where(str(path)),
            remedy="give a run of the same detector and backbone",
        )
    for name, value in fitting.items():
        if not value.isfinite().all():
            remedy = "its training went wrong: give another run"
            raise InputError(
                "a weight isn't a finite number", where=Where(str(path), field=name), remedy=remedy
            )
    detector.load_state_dict(fitting, strict=False)
    return [name for name in mine if name not in fitting]


def _document(path: StrPath) -> dict[str, Any]:
    where = Where(str(path))
    try:
        document = load_weights(Path(path))
    except (FileNotFoundError, IsADirectoryError) as error:
        remedy = "give the model.pt of a run"
        raise InputError("there is no such checkpoint", where=where, remedy=remedy) from error
    except Exception as error:
        raise InputError(
            "the checkpoint can't be read: truncated, or not one at all",
            where=where,
            value=first_line(error),
            remedy="give the model.pt of a run, or train anew",
        ) from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        remedy = "give the model.pt of a run; what lies in checkpoints/ is for --resume"
        raise InputError("not a checkpoint of gtahead", where=where, remedy=remedy)
    if document.get("version") != VERSION:
        raise InputError(
            "a checkpoint of an unknown version",
            where=where,
            value=document.get("version"),
            remedy=f"this gtahead reads version {VERSION}; it was written by gtahead "
            f"{document.get('gtahead')}",
        )
    return document


def _is_threshold(value: object, detector: Detector) -> bool:
    if detector.counts_only:
        return value is None
    return is_number(value) and 0 <= value <= 1


def _without_download(config: object) -> TrainConfig:
    if not isinstance(config, dict):
        raise TypeError("no settings")
    return config_of({**config, "weights": "none"})
