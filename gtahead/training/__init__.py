"""Training: Mask Focal Loss, canonical detectors that use it, and the loop around them.

All of it needs torch: `pip install 'gtahead[train]'`.
"""

from __future__ import annotations

try:
    import pytorch_lightning  # noqa: F401
    import torch  # noqa: F401
    import torchvision  # noqa: F401
except ModuleNotFoundError as error:
    from gtahead.errors import ResourceError

    raise ResourceError(
        "training needs torch, torchvision and pytorch-lightning",
        value=error.name,
        remedy="pip install 'gtahead[train]'",
    ) from error

from gtahead.training.config import TrainConfig, make_config
from gtahead.training.fitting import TrainReport, train
from gtahead.training.losses import MaskFocalLoss, mask_focal_loss
from gtahead.training.onnx_models import ExportedModel, export_model
from gtahead.training.predicting import PredictReport, predict

__all__ = [
    "ExportedModel",
    "MaskFocalLoss",
    "PredictReport",
    "TrainConfig",
    "TrainReport",
    "export_model",
    "make_config",
    "mask_focal_loss",
    "predict",
    "train",
]
