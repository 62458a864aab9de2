"""Datasets for PyTorch, targets of heatmaps, and a metric of torchmetrics.

All of it needs torch and torchvision: `pip install 'gtahead[train]'`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gtahead.errors import require

if TYPE_CHECKING:
    from gtahead.torch.datasets import CrowdDataset, DropHeadsOutside, HeadDataset, collate
    from gtahead.torch.lightning import HeadDataModule
    from gtahead.torch.metric import CrowdMetric
    from gtahead.torch.streams import HeadStream
    from gtahead.torch.targets import make_targets

require("torch", "torchvision", install="'gtahead[train]'")

_HOMES = {
    "CrowdDataset": "gtahead.torch.datasets",
    "CrowdMetric": "gtahead.torch.metric",
    "DropHeadsOutside": "gtahead.torch.datasets",
    "HeadDataModule": "gtahead.torch.lightning",
    "HeadDataset": "gtahead.torch.datasets",
    "HeadStream": "gtahead.torch.streams",
    "collate": "gtahead.torch.datasets",
    "make_targets": "gtahead.torch.targets",
}

__all__ = [
    "CrowdDataset",
    "CrowdMetric",
    "DropHeadsOutside",
    "HeadDataModule",
    "HeadDataset",
    "HeadStream",
    "collate",
    "make_targets",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Import a public name at its first use: what reads targets needs no torchvision."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gtahead.torch' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
