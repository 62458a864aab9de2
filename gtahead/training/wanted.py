"""Which images a detector is to learn from or look at; all that is checked without torch.

Torch takes seconds: a command with a wrong path shouldn't wait for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gtahead.dataset import Dataset, Frame
from gtahead.detectors import DETECTORS
from gtahead.errors import InputError, UsageError, Where
from gtahead.images.folders import WantedImage, images_below
from gtahead.models import checkpoint_path
from gtahead.predictions import check_target
from gtahead.tables.splits import split_named
from gtahead.training.config import BACKBONES, OWN, TrainConfig
from gtahead.urls import is_url
from gtahead.values import StrPath

RUN = "run.json"
"""Of a run's folder: settings, versions, data, state, the best epoch."""


def check_checkpoint(path: StrPath) -> None:
    """Refuse a checkpoint that isn't there.

    Raises:
        InputError: there is no such file.
    """
    if not checkpoint_path(path).is_file():
        remedy = "give the model.pt of a run, or builtin"
        raise InputError("there is no such checkpoint", where=Where(str(path)), remedy=remedy)


def run_folder(out: StrPath | None, config: TrainConfig) -> Path:
    """Return the folder of a run: `runs/<detector>-<loss>` unless another one is given."""
    return Path(out) if out is not None else Path("runs") / f"{config.detector}-{config.loss}"


def require_run(folder: Path) -> None:
    """Refuse a folder without a run.

    Raises:
        UsageError: nothing is there to go on with.
    """
    if not (folder / RUN).exists():
        remedy = "leave --resume out"
        raise UsageError("there is no run to resume", value=str(folder), remedy=remedy)


def require_backbone(name: str) -> None:
    """Refuse a backbone that isn't known.

    Raises:
        UsageError: it is none of torchvision's residual networks.
    """
    if name not in BACKBONES:
        raise UsageError("no such backbone", value=name, remedy=f"one of {', '.join(BACKBONES)}")


def check_training(
    dataset: StrPath,
    config: TrainConfig,
    init: StrPath | None,
    out: StrPath | None = None,
    *,
    resume: bool = False,
) -> None:
    """Check what `train` is given, but for what URLs name and what is to be validated on.

    Raises:
        InputError: something isn't there, or can't be learned from.
        UsageError: no such backbone, or nothing to resume.
    """
    refuse_missing_own(config)
    if DETECTORS[config.detector].network.startswith("gtahead."):  # others may name their own
        require_backbone(config.backbone)
    if resume and not is_url(out or ""):
        require_run(run_folder(out, config))
    if init is not None and not is_url(init):
        check_checkpoint(init)
    if config.weights not in ("none", "download") and not Path(config.weights).is_file():
        raise InputError("no such file of weights", where=Where(config.weights))
    if not is_url(dataset):
        frames = frames_to_learn(Dataset.open(dataset).select(split="train"))
        if not DETECTORS[config.detector].counts_only:
            require_boxes(frames, dataset)


def refuse_missing_own(
    config: TrainConfig, detector: object | None = None, loss: object | None = None
) -> None:
    """Refuse a configuration whose own detector or loss isn't given.

    Raises:
        UsageError: one of them isn't there.
    """
    for name, given in (("detector", detector), ("loss", loss)):
        if getattr(config, name) == OWN and given is None:
            raise UsageError(
                f"a {name} of one's own is given in Python",
                value=OWN,
                remedy=f"train(..., {name}=...), or one of gtahead's names",
            )


def frames_to_learn(dataset: Dataset) -> list[Frame]:
    """Return a dataset's frames.

    Raises:
        InputError: no frames, no heads that count at all, or labels alone.
    """
    frames = list(dataset)
    where = Where(str(dataset.folder))
    if not frames:
        remedy = "split it otherwise: gtahead annotate --split 70:10:20"
        raise InputError("there are no frames to train on", where=where, remedy=remedy)
    if any(frame.image_path is None for frame in frames):
        raise _labels_alone(dataset)
    if not any(frame.counted.any() for frame in frames):
        raise InputError(
            "no head counts in any frame: there is nothing to learn",
            where=where,
            remedy="see `gtahead info`, and --count-policy of `gtahead build`",
        )
    return frames


def require_boxes(frames: Sequence[Frame], dataset: StrPath) -> None:
    """Refuse frames with heads that count and have no box.

    Raises:
        InputError: with the first of them.
    """
    for frame in frames:
        bare = ~np.isfinite(frame.boxes_xyxy[frame.counted]).all(axis=1)
        if bare.any():
            head = int(frame.head_ids[frame.counted][bare][0])
            raise InputError(
                "a head has no box",
                where=Where(str(dataset), frame=frame.frame_id, head=head),
                remedy="`gtahead annotate --boxes auto` gives all heads boxes; "
                "or train --detector density",
            )


def _labels_alone(dataset: Dataset) -> InputError:
    remedy = "build it with images: without --images none"
    where = Where(str(dataset.folder))
    return InputError("the dataset holds labels alone", where=where, remedy=remedy)


def check_prediction(
    checkpoint: StrPath, data: StrPath, out: StrPath, split: str, images: StrPath | None
) -> None:
    """Check what `predict` is given, but for the checkpoint's contents and what URLs name.

    Raises:
        InputError: something isn't there.
        UsageError: no such split, no images, or another ending.
    """
    if not is_url(out):
        check_target(out, (checkpoint, data if images is None else images))
    if not is_url(checkpoint):
        check_checkpoint(checkpoint)
    if images is not None and not is_url(images):
        images_below(Path(images))
    elif images is None and not is_url(data):
        images_of_split(Dataset.open(data), split_named(split))


def images_of_split(opened: Dataset, split: str) -> list[WantedImage]:
    """Return the images of a split.

    Raises:
        UsageError: no such split, or it is empty.
        InputError: the dataset holds labels alone.
    """
    part = opened.select(split=split)
    if not len(part):
        raise UsageError("the split has no images", value=split)
    wanted = []
    for frame in part:
        if frame.image_path is None:
            raise _labels_alone(opened)
        wanted.append(WantedImage(frame.frame_id, frame.image_path, frame.size_wh))
    return wanted
