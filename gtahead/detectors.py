"""The detectors that can be trained, with all that is known about them without importing torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gtahead.plugins import Registry

_MFL = ("mfl", "mfl-paper")
_PYRAMID = {"inside": 0.0, "stride": 4, "coarsest": 32}
"""Levels of a pyramid are for heads of all sizes."""

_LEVELS: Mapping[str, Any] = {"strides": (4,), "channel_groups": 32}


@dataclass(frozen=True)
class DetectorKind:
    """A detector.

    Attributes:
        name: as `--detector` takes it.
        network: "module:Class" of a `gtahead.training.detectors.Detector`.
        losses: that it can be trained with; the first is its own.
        settings: where it departs from presets, by the names of `TrainConfig`.
        strides: that it can have.
        channel_groups: of which `channels` must be a multiple.
        counts_only: whether it finds no heads, but counts them: chosen by MAE then, not by AP.
    """

    name: str
    network: str
    losses: tuple[str, ...] = ("native",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    strides: tuple[int, ...] = (2, 4)
    channel_groups: int = 1
    counts_only: bool = False


_NETWORKS = "gtahead.training.detectors"

_KINDS = (
    DetectorKind(
        "centernet",
        f"{_NETWORKS}.centernet:CenterNet",
        ("native", "focal", *_MFL, "binary", "mfl-area", "native-mass"),
    ),
    DetectorKind(
        "fcos",
        f"{_NETWORKS}.fcos:FcosDetector",
        ("native", *_MFL, "binary", "mfl-area"),
        _PYRAMID,
        **_LEVELS,
    ),
    DetectorKind(
        "retinanet", f"{_NETWORKS}.retinanet:RetinaDetector", ("native", *_MFL), _PYRAMID, **_LEVELS
    ),
    DetectorKind(
        "fasterrcnn",
        f"{_NETWORKS}.fasterrcnn:FasterRcnnDetector",
        ("native", "focal", *_MFL),
        _PYRAMID,
        **_LEVELS,
    ),
    DetectorKind(
        "density", f"{_NETWORKS}.density:DensityNet", settings={"stride": 4}, counts_only=True
    ),
)

DETECTORS = Registry(
    lambda: {kind.name: kind for kind in _KINDS}, DetectorKind, "gtahead.detectors"
)
"""By the name that `--detector` takes.

The default loss is its own for every detector: in no experiment so far did Mask Focal Loss count
better.
"""


def all_losses() -> list[str]:
    """List the losses of all detectors."""
    return list(dict.fromkeys(loss for kind in DETECTORS.values() for loss in kind.losses))
