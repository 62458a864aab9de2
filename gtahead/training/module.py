"""What Lightning trains: a detector, its losses, and what validation chooses."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from gtahead.dataset import Frame
from gtahead.errors import InputError, UsageError, Where
from gtahead.metrics.evaluation import metrics_of
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.scoring.thresholds import choose
from gtahead.training.config import TrainConfig
from gtahead.training.crops import CropBatch, normalised
from gtahead.training.detectors import Detector
from gtahead.training.inference import InImage, as_predictions, find_heads
from gtahead.training.runs import Run

KEPT = ("ap50", "f1_large", "precision_large", "recall_large", "mae", "rmse", "bias", "game3")

LOGGED_EVERY = 10
"""Batches whose losses are one line of `losses.csv`."""

Validated = Callable[[int, Detector, dict[str, Any]], None]
"""Called after a validation with the step, the detector as it was validated, and the metrics."""


class Module(pl.LightningModule):
    """What Lightning trains.

    Attributes:
        run: where its metrics are recorded.
    """

    run: Run

    def __init__(
        self,
        config: TrainConfig,
        detector: Detector,
        ground_truth: GroundTruth,
        on_validated: Validated | None,
    ) -> None:
        super().__init__()
        self.config = config
        self.detector = detector
        self.chosen: dict[str, Any] = {}
        self._ground_truth, self._on_validated = ground_truth, on_validated
        self._found: list[InImage] = []
        self._losses: list[dict[str, float]] = []

    def transfer_batch_to_device(
        self,
        batch: Any,  # noqa: ANN401 - as it comes
        device: torch.device,
        dataloader_idx: int,
    ) -> Any:  # noqa: ANN401 - as it came
        """Move a batch of crops."""
        del dataloader_idx
        return batch.to(device) if isinstance(batch, CropBatch) else batch

    def training_step(self, batch: CropBatch, number: int) -> Tensor:
        """Compute the loss of a batch, and log its parts."""
        parts = _scalars(self.detector.losses(normalised(batch.images), batch.heads), self.detector)
        together = torch.stack(list(parts.values()))
        values = dict(zip(parts, together.detach().tolist(), strict=True))  # a GPU is asked once
        if not math.isfinite(sum(values.values())):
            shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
            raise InputError(
                f"the loss isn't finite in epoch {self.current_epoch}, step {number}",
                where=Where(frame=", ".join(batch.frame_ids)),
                value=shown,
                remedy="look at these frames; a smaller --learning-rate, or --clip, may help",
            )
        self._losses.append(values)
        self.log_dict({f"loss/{name}": value for name, value in values.items()}, batch_size=1)
        batches, done = int(self.trainer.num_training_batches), number + 1
        if done % LOGGED_EVERY == 0 or done == batches:
            some = self._losses[(number // LOGGED_EVERY) * LOGGED_EVERY :]
            row = {"step": self.current_epoch * batches + done, "epoch": self.current_epoch}
            self.run.losses.append(row | _means(some))
        return together.sum()

    def on_train_epoch_start(self) -> None:
        """Begin an epoch."""
        # With the order and the crops known from seed and epoch, this is all that resuming needs.
        torch.manual_seed(self.config.seed + self.current_epoch)
        self._losses = []

    def on_validation_epoch_start(self) -> None:
        """Begin a validation."""
        self._found = []

    def validation_step(self, frame: Frame, number: int) -> None:
        """Find the heads of an image, and score after the last one."""
        del number
        self._found.append(find_heads(self.detector, frame.image()))
        if len(self._found) == len(self._ground_truth):
            self._conclude()  # here, not at the end of the epoch: then averaged weights are gone

    def _conclude(self) -> None:
        threshold, reported = validated(self._ground_truth, self._found)
        self.chosen = {"epoch": self.current_epoch, "threshold": threshold, **reported}
        if not is_helper():
            self.run.note({"step": self.global_step, **self.chosen, **_means(self._losses)})
        for name in ("ap50", "mae"):
            self.log(name, reported.get(name, 0.0) or 0.0, batch_size=1, sync_dist=True)
        if self._on_validated is not None:
            self._on_validated(self.global_step, self.detector, dict(self.chosen))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what was chosen with the weights."""
        checkpoint["gtahead"] = dict(self.chosen)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's union
        """Make the optimiser, whose rate warms up and falls as a cosine."""
        config = self.config
        optimiser = torch.optim.AdamW(
            self.detector.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

        steps = int(self.trainer.estimated_stepping_batches)

        def share(step: int) -> float:
            if step < config.warmup:
                return (step + 1) / (config.warmup + 1)
            done = (step - config.warmup) / max(steps - config.warmup, 1)
            return 0.02 + 0.98 * (1 + math.cos(math.pi * min(done, 1))) / 2

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _means(losses: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for one in losses for name in one)
    return {
        f"loss_{name}": float(np.mean([one[name] for one in losses if name in one]))
        for name in names
    }


def _scalars(parts: object, detector: Detector) -> dict[str, Tensor]:
    """Return the parts of a loss, if they are what they must be: anybody may have written them."""
    fine = isinstance(parts, dict) and all(
        isinstance(value, Tensor) and value.dim() == 0 for value in parts.values()
    )
    if not fine or not parts:
        raise UsageError(
            f"{type(detector).__name__}.losses must give scalar tensors by name",
            value=parts if not isinstance(parts, dict) else ", ".join(
                f"{name}: {tuple(value.shape) if isinstance(value, Tensor) else value!r}"
                for name, value in parts.items()
            ),
            remedy="such as {'heat': loss.mean()}; so must a loss of one's own give a scalar",
        )  # fmt: skip
    found: dict[str, Tensor] = parts  # type: ignore[assignment]
    if not any(value.requires_grad for value in found.values()):
        remedy = "compute it of what the network gives, without detach() or no_grad()"
        raise UsageError("the loss has no gradient: nothing would be learned", remedy=remedy)
    return found


def validated(
    ground_truth: GroundTruth, found: list[InImage]
) -> tuple[float | None, dict[str, float | None]]:
    """Choose the threshold with the least MAE, and return it with the metrics there.

    Returns:
        The threshold, None for a detector that only counts; metrics, None where undefined.
    """
    predictions = as_predictions(ground_truth.images.ids, found, {})
    predictions = predictions.within(ground_truth.regions)
    counts_only = all(one.count is not None for one in found)
    threshold = None if counts_only else choose(ground_truth, predictions).threshold
    reported = metrics_of(ground_truth, predictions, threshold)
    values = {name: reported[name] for name in KEPT if name in reported}
    return threshold, {n: None if math.isnan(v) else round(v, 6) for n, v in values.items()}


def is_helper() -> bool:
    """Return whether this process was started by another one to train with it, on a further device.

    Lightning starts the same command again for each of them: they train, and write nothing.
    """
    return os.environ.get("LOCAL_RANK", "0") != "0"
