"""Training: Mask Focal Loss, canonical detectors that use it, and the loop around them.

All of it needs torch: `pip install 'gtahead[train]'`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gtahead.errors import require

if TYPE_CHECKING:
    from gtahead.torch.targets import HeadTargets, HeatTargets, heat_targets
    from gtahead.training.config import TrainConfig, make_config
    from gtahead.training.detectors import Detector, Found, make_detector
    from gtahead.training.fitting import TrainReport, train
    from gtahead.training.losses import HeatLoss, MaskFocalLoss, mask_focal_loss
    from gtahead.training.onnx_models import ExportedModel, export_model
    from gtahead.training.predicting import PredictReport, predict

require("pytorch_lightning", "torch", "torchvision", install="'gtahead[train]'")

_HOMES = {
    "Detector": "gtahead.training.detectors",
    "ExportedModel": "gtahead.training.onnx_models",
    "Found": "gtahead.training.detectors",
    "HeadTargets": "gtahead.torch.targets",
    "HeatLoss": "gtahead.training.losses",
    "HeatTargets": "gtahead.torch.targets",
    "MaskFocalLoss": "gtahead.training.losses",
    "PredictReport": "gtahead.training.predicting",
    "TrainConfig": "gtahead.training.config",
    "TrainReport": "gtahead.training.fitting",
    "export_model": "gtahead.training.onnx_models",
    "heat_targets": "gtahead.torch.targets",
    "make_config": "gtahead.training.config",
    "make_detector": "gtahead.training.detectors",
    "mask_focal_loss": "gtahead.training.losses",
    "predict": "gtahead.training.predicting",
    "train": "gtahead.training.fitting",
}

__all__ = [
    "Detector",
    "ExportedModel",
    "Found",
    "HeadTargets",
    "HeatLoss",
    "HeatTargets",
    "MaskFocalLoss",
    "PredictReport",
    "TrainConfig",
    "TrainReport",
    "export_model",
    "heat_targets",
    "make_config",
    "make_detector",
    "mask_focal_loss",
    "predict",
    "train",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Import a public name at its first use: the loss alone needs no Lightning."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gtahead.training' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
