"""The networks of the detectors that `gtahead.detectors` names."""

from __future__ import annotations

from importlib import import_module

from gtahead.detectors import DETECTORS
from gtahead.errors import ResourceError
from gtahead.training.config import TrainConfig
from gtahead.training.detectors.detector import Detector, Found

__all__ = ["Detector", "Found", "make_detector"]


def make_detector(config: TrainConfig) -> Detector:
    """Make the network that a configuration asks for, untrained.

    Raises:
        ResourceError: the network of a plug-in can't be imported, or isn't a `Detector`.
    """
    module, _, name = DETECTORS[config.detector].network.partition(":")
    network = getattr(import_module(module), name)(config)
    if not isinstance(network, Detector):
        raise ResourceError(f"the network of {config.detector} isn't a Detector", value=name)
    return network
