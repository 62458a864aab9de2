"""The networks of the detectors that `gtahead.detectors` names."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from gtahead.detectors import DETECTORS
from gtahead.errors import ResourceError
from gtahead.training.config import TrainConfig
from gtahead.training.detectors.detector import Detector, Found

__all__ = ["Detector", "Factory", "Found", "make_detector"]

Factory = Callable[[TrainConfig], Detector]
"""Makes an untrained network for a configuration."""


def make_detector(config: TrainConfig) -> Detector:
    """Make the network that a configuration asks for, untrained.

    Raises:
        ResourceError: the network of a plug-in can't be imported, or isn't a `Detector`.
    """
    kind = DETECTORS[config.detector]
    module, _, name = kind.network.partition(":")
    network = getattr(import_module(module), name)(config)
    if not isinstance(network, Detector):
        raise ResourceError(f"the network of {config.detector} isn't a Detector", value=name)
    network.counts_only = kind.counts_only
    return network
