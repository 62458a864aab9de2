"""`gtahead.metrics.CrowdMetric` as a metric of torchmetrics, gathered over processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gtahead import metrics
from gtahead.arrays import as_array
from gtahead.errors import require
from gtahead.metrics.crowd import Row

if TYPE_CHECKING:
    from torchmetrics import Metric
else:
    try:
        from torchmetrics import Metric
    except ImportError:
        Metric = object

_PRED, _TARGET = ("points", "boxes", "scores", "count"), ("points", "boxes", "ignored", "size_wh")


class CrowdMetric(Metric):  # type: ignore[misc, unused-ignore]
    """All metrics of crowds, as `gtahead.metrics.CrowdMetric`, gathered over processes.

    Args:
        threshold: of scores from which on a head counts.

    Raises:
        ValueError: a threshold that isn't from 0 to 1.
        ResourceError: torchmetrics isn't installed.

    Example:
        >>> metric = CrowdMetric()
        >>> points = torch.tensor([[9.0, 9.0]])
        >>> metric.update([{"points": points}], [{"points": points + 1}])
        >>> metric.compute()["mae"]
        tensor(0., dtype=torch.float64)
    """

    rows: Any  # a list of vectors, or one where processes were gathered

    full_state_update = False
    higher_is_better = None
    is_differentiable = False

    def __init__(self, threshold: float = 0.0, **kwargs: Any) -> None:  # noqa: ANN401
        require("torchmetrics", install="torchmetrics")
        super().__init__(**kwargs)
        self.threshold = metrics.CrowdMetric(threshold).threshold  # refuses what can't be one
        self.add_state("rows", default=[], dist_reduce_fx="cat")

    def update(self, preds: Sequence[Row], targets: Sequence[Row]) -> None:
        """Add a batch of images; see `gtahead.metrics.CrowdMetric.update`."""
        checked = metrics.CrowdMetric(self.threshold)
        checked.update(preds, targets)
        for pred, target in zip(preds, targets, strict=True):
            packed = [_packed(pred, _PRED), _packed(_with_size(target), _TARGET)]
            self.rows.append(torch.cat(packed).to(self.device))

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics of the images of all processes so far."""
        whole = metrics.CrowdMetric(self.threshold)
        rows = [self.rows] if isinstance(self.rows, Tensor) else self.rows  # gathered
        numbers = torch.cat(rows).cpu().numpy() if len(rows) else np.empty(0)
        at = 0
        while at < len(numbers):
            pred, at = _unpacked(numbers, at, _PRED)
            target, at = _unpacked(numbers, at, _TARGET)
            whole.update([pred], [target])
        return {
            name: torch.tensor(value, dtype=torch.float64)
            for name, value in whole.compute().items()
        }


def _with_size(target: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a target with the size that torchvision's boxes and points know of their image."""
    sizes = [getattr(target.get(name), "canvas_size", None) for name in ("boxes", "points")]
    known = next((size for size in sizes if size is not None), None)
    return target if known is None else {"size_wh": (known[1], known[0]), **target}


def _packed(row: Mapping[str, Any], names: Sequence[str]) -> Tensor:
    """Put a row into one vector, which processes can gather: each value after its shape."""
    parts = []
    for name in names:
        if name not in row:
            parts.append(np.array([-1.0]))
            continue
        values = np.asarray(as_array(row[name]), np.float64)
        parts.append(np.array([values.ndim, *values.shape], np.float64))
        parts.append(values.ravel())
    return torch.from_numpy(np.concatenate(parts))


def _unpacked(
    numbers: npt.NDArray[np.float64], at: int, names: Sequence[str]
) -> tuple[dict[str, Any], int]:
    row: dict[str, Any] = {}
    for name in names:
        rank, at = int(numbers[at]), at + 1
        if rank < 0:
            continue
        shape, at = numbers[at : at + rank].astype(int), at + rank
        size = int(np.prod(shape))
        row[name], at = numbers[at : at + size].reshape(shape), at + size
    return row, at
