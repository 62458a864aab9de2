"""The detectors, by the names of `--detector`."""

from __future__ import annotations

from collections.abc import Mapping

from gtahead.training.config import TrainConfig
from gtahead.training.detectors.centernet import CenterNet
from gtahead.training.detectors.density import DensityNet
from gtahead.training.detectors.detector import Detector, Found
from gtahead.training.detectors.fasterrcnn import FasterRcnnDetector
from gtahead.training.detectors.fcos import FcosDetector
from gtahead.training.detectors.retinanet import RetinaDetector

DETECTORS: Mapping[str, type[Detector]] = {
    "centernet": CenterNet,
    "fcos": FcosDetector,
    "retinanet": RetinaDetector,
    "fasterrcnn": FasterRcnnDetector,
    "density": DensityNet,
}

__all__ = ["DETECTORS", "CenterNet", "DensityNet", "Detector", "Found", "make_detector"]


def make_detector(config: TrainConfig) -> Detector:
    """Make the network that a configuration asks for, untrained."""
    return DETECTORS[config.detector](config)
