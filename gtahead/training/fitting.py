"""The loop: Lightning trains, validation chooses, the run says what it was."""

from __future__ import annotations

import csv
import importlib.metadata
import logging
import math
import os
import platform
import signal
import warnings
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
)
from torch import Tensor
from torch.utils.data import DataLoader

from gtahead import __version__, schemas, storage
from gtahead.dataset import Dataset, Frame
from gtahead.errors import InputError, UsageError, Where
from gtahead.geometry import box_sides
from gtahead.scoring.scorer import figures
from gtahead.scoring.thresholds import choose
from gtahead.scoring.truth import Truth, truth_of
from gtahead.training.checkpoints import Trained, write_checkpoint
from gtahead.training.config import TrainConfig
from gtahead.training.detectors import Detector, make_detector
from gtahead.training.finding import InPicture, as_predictions, find_heads
from gtahead.training.parts import Parts, parts_of
from gtahead.training.samples import (
    Batch,
    Crops,
    EpochOrder,
    batched,
    frames_with_boxes,
    normalised,
    read_picture,
)

RUN, MODEL, METRICS, CHECKPOINTS = "run.json", "model.pt", "metrics.csv", "checkpoints"
FREE = ("workers", "devices")
"""Settings that may change where a run goes on: they don't decide about its result on a CPU."""

KEPT = ("ap50", "f1_large", "precision_large", "recall_large", "mae", "rmse", "bias", "game3")

Progress = Callable[[int, int, str], None]
Validated = Callable[[int, Detector, dict[str, Any]], None]
"""Called after a validation with the step, the detector as it was validated, and the figures."""


@dataclass(frozen=True)
class TrainReport:
    """What a run came to.

    Attributes:
        out: its folder.
        record: what `run.json` says.
        finished: whether all epochs were trained, or early stopping ended it.
    """

    out: Path
    record: dict[str, Any]
    finished: bool

    @property
    def model(self) -> Path:
        """The trained detector."""
        return self.out / MODEL


class _Module(pl.LightningModule):
    """What Lightning trains."""

    def __init__(
        self,
        config: TrainConfig,
        truth: Truth,
        steps: int,
        on_figures: Callable[[dict[str, Any]], None],
        on_validated: Validated | None,
    ) -> None:
        super().__init__()
        self.config = config
        self.detector = make_detector(config)
        self.chosen: dict[str, Any] = {}
        self._truth, self._steps = truth, steps
        self._on_figures, self._on_validated = on_figures, on_validated
        self._found: list[InPicture] = []
        self._losses: dict[str, list[float]] = {}

    def transfer_batch_to_device(
        self,
        batch: Any,  # noqa: ANN401 - as it comes
        device: torch.device,
        dataloader_idx: int,
    ) -> Any:  # noqa: ANN401 - as it came
        del dataloader_idx
        return batch.to(device) if isinstance(batch, Batch) else batch

    def training_step(self, batch: Batch, number: int) -> Tensor:
        parts = self.detector.losses(normalised(batch.pictures), batch.heads)
        total = torch.stack(list(parts.values())).sum()
        for name, value in parts.items():
            self._losses.setdefault(name, []).append(float(value.detach()))
        if not torch.isfinite(total):
            shown = ", ".join(f"{name} {float(value.detach()):g}" for name, value in parts.items())
            raise InputError(
                f"the loss isn't finite in epoch {self.current_epoch}, step {number}",
                where=Where(frame=", ".join(batch.frame_ids)),
                value=shown,
                remedy="look at these frames; a smaller --learning-rate, or --clip, may help",
            )
        return total

    def on_train_epoch_start(self) -> None:
        # With the order and the crops known from seed and epoch, this is all that resuming needs.
        torch.manual_seed(self.config.seed + self.current_epoch)
        self._losses = {}

    def on_validation_epoch_start(self) -> None:
        self._found = []

    def validation_step(self, frame: Frame, number: int) -> None:
        del number
        self._found.append(find_heads(self.detector, read_picture(frame)))
        if len(self._found) == len(self._truth):
            self._conclude()  # here, not at the end of the epoch: then averaged weights are gone

    def _conclude(self) -> None:
        threshold, told = validated(self._truth, self._found)
        losses = {f"loss_{name}": float(np.mean(found)) for name, found in self._losses.items()}
        self.chosen = {"epoch": self.current_epoch, "threshold": threshold, **told}
        self._on_figures({"step": self.global_step, **self.chosen, **losses})
        for name in ("ap50", "mae"):
            self.log(name, told.get(name, 0.0) or 0.0, batch_size=1, sync_dist=True)
        if self._on_validated is not None:
            self._on_validated(self.global_step, self.detector, dict(self.chosen))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["gtahead"] = dict(self.chosen)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's union
        config = self.config
        optimiser = torch.optim.AdamW(
            self.detector.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

        def share(step: int) -> float:
            if step < config.warmup:
                return (step + 1) / (config.warmup + 1)
            done = (step - config.warmup) / max(self._steps - config.warmup, 1)
            return 0.02 + 0.98 * (1 + math.cos(math.pi * min(done, 1))) / 2

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, share)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def validated(truth: Truth, found: list[InPicture]) -> tuple[float | None, dict[str, float | None]]:
    """Choose the threshold of the least MAE, and give the figures there.

    Returns:
        The threshold, None for a detector that only counts; figures, None where undefined.
    """
    predictions = as_predictions(truth.pictures.ids, found, {})
    counts_only = all(one.count is not None for one in found)
    threshold = None if counts_only else choose(truth, predictions).threshold
    told = figures(truth, predictions, threshold)
    values = {name: told[name] for name in KEPT if name in told}
    return threshold, {n: None if math.isnan(v) else round(v, 6) for n, v in values.items()}


class _Ticks(Callback):
    def __init__(self, show: Progress | None) -> None:
        self._show = show

    def on_train_batch_end(self, trainer: pl.Trainer, *rest: object) -> None:
        del rest
        if self._show is not None:
            epochs = trainer.max_epochs or 0
            per_epoch = int(trainer.num_training_batches)
            done = trainer.current_epoch * per_epoch + trainer.fit_loop.batch_idx + 1
            self._show(done, epochs * per_epoch, f"epoch {trainer.current_epoch + 1}")


class _StopAfter(Callback):
    """Ends the session after some epochs, as if it had been interrupted there."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._seen = 0

    def on_validation_end(self, trainer: pl.Trainer, *rest: object) -> None:
        del rest
        if not trainer.sanity_checking:
            self._seen += 1
            trainer.should_stop |= self._seen >= self._epochs


def train(
    dataset: str | Path = "dataset",
    out: str | Path | None = None,
    *,
    config: TrainConfig | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    on_progress: Progress | None = None,
    on_validated: Validated | None = None,
) -> TrainReport:
    """Train a detector.

    Args:
        dataset: a data set with pictures.
        out: folder of the run; `runs/<detector>-<loss>` unless given.
        config: see `gtahead.training.make_config`.
        resume: refuse to begin: there must be an unfinished run. It goes on in any case where
            settings and data are its own, and the result is that of a run in one go.
        stop_after: end after so many epochs of this session; the next call goes on.
        on_progress: called with steps done, steps in all, and the epoch.
        on_validated: called after each validation with the step, the detector with the weights that
            were validated, and what was chosen: epoch, threshold, figures.

    Returns:
        The run; `model` is the detector of the best epoch: by AP50 on validation, by MAE for one
        that only counts.

    Raises:
        InputError: data that can't be trained on; a loss that isn't finite, with its frames.
        UsageError: the folder holds another run or a finished one, or nothing to resume.
        ResourceError: the disk fails.
    """
    config = config or TrainConfig()
    opened = Dataset.open(dataset)
    folder = Path(out) if out is not None else Path("runs") / f"{config.detector}-{config.loss}"
    parts = parts_of(opened)
    points_alone = config.detector == "density"
    frames = frames_with_boxes(parts.train, points_alone=points_alone)
    truth = truth_of(opened, parts.validation, parts.split)
    if config.scale == 0:
        config = replace(config, scale=fitting_scale(frames, config.stride))
    last = folder / CHECKPOINTS / "last.ckpt"
    record = _record(config, opened, parts, frames)
    if is_helper():
        with _quiet():
            return _fit(folder, config, parts, frames, truth, record, None,
                        last if last.exists() else None, stop_after, None, None)  # fmt: skip
    with storage.naming_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with storage.locked(folder), _quiet():
        rows = _prepare(folder, record, last, resume=resume)
        onwards = None if rows is None else last
        return _fit(folder, config, parts, frames, truth, record, rows or [], onwards, stop_after,
                    on_progress, on_validated)  # fmt: skip


SCALE_CELLS, SCALES = 5.0, (0.25, 2.0)


def fitting_scale(frames: list[Frame], stride: int) -> float:
    """Give the scale of pictures at which the median head that counts is five cells wide."""
    sides = np.concatenate([box_sides(frame.boxes_xyxy[frame.counted]) for frame in frames])
    known = sides[np.isfinite(sides) & (sides > 0)]
    if len(known) == 0:
        return 1.0
    wished = SCALE_CELLS * stride / float(np.median(known))
    return round(float(np.clip(wished, *SCALES)), 2)


def is_helper() -> bool:
    """Say whether this process was started by another one to train with it, on a further device.

    Lightning starts the same command again for each of them: they train, and write nothing.
    """
    return os.environ.get("LOCAL_RANK", "0") != "0"


def _fit(
    folder: Path,
    config: TrainConfig,
    parts: Parts,
    frames: list[Frame],
    truth: Truth,
    record: dict[str, Any],
    rows: list[dict[str, Any]] | None,
    last: Path | None,
    stop_after: int | None,
    on_progress: Progress | None,
    on_validated: Validated | None,
) -> TrainReport:
    def note(row: dict[str, Any]) -> None:
        if rows is not None:
            rows.append(row)
            _write_metrics(folder / METRICS, rows)

    crops = Crops(frames, config)
    taken = config.epoch_crops or len(crops)
    order = EpochOrder(len(crops), taken, config.seed)
    context = "forkserver" if config.workers else None
    loader = DataLoader(
        crops,
        config.batch,
        sampler=order,
        num_workers=config.workers,
        collate_fn=batched,
        multiprocessing_context=context,
        persistent_workers=config.workers > 0,
    )
    watching: Any = DataLoader(list(parts.validation), batch_size=None, collate_fn=_as_it_is)  # type: ignore[arg-type]
    a_device = math.ceil(taken / config.devices)
    batches = math.ceil(a_device / config.batch)
    steps = math.ceil(batches / config.accumulate) * config.epochs
    torch.manual_seed(config.seed)
    module = _Module(config, truth, steps, note, on_validated)
    best, mode = ("mae", "min") if config.detector == "density" else ("ap50", "max")
    keeping = ModelCheckpoint(
        dirpath=folder / CHECKPOINTS,
        filename="best",
        monitor=best,
        mode=mode,
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    # Apart from the best one: Lightning's save_last leaves it as it was where nothing got better.
    # After validation, never at the end of the training epoch: resumed from there, runs differ.
    going_on = ModelCheckpoint(
        dirpath=folder / CHECKPOINTS,
        filename="last",
        save_on_train_epoch_end=False,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [_Ticks(on_progress)]
    if config.ema > 0:
        callbacks.append(EMAWeightAveraging(decay=config.ema))
    if config.patience:
        patient = EarlyStopping(
            best, patience=config.patience, mode=mode, check_on_train_epoch_end=False
        )
        callbacks.append(patient)
    if stop_after is not None:
        callbacks.append(_StopAfter(stop_after))
    trainer = pl.Trainer(
        accelerator="auto",
        devices=config.devices,
        max_epochs=config.epochs,
        check_val_every_n_epoch=config.validate_every,
        precision=config.precision,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.clip or None,
        callbacks=[*callbacks, keeping, going_on],
        logger=_tensorboard(folder),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        deterministic="warn" if config.devices == 1 else None,
    )
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with storage.naming_os_errors(folder):
            trainer.fit(
                module,
                loader,
                watching,
                ckpt_path=None if last is None else str(last),
                weights_only=None if last is None else True,
            )
    except SystemExit:  # how Lightning leaves after Ctrl-C
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, interrupt)
    stopped = stop_after is not None and trainer.current_epoch < config.epochs
    if rows is None:
        return TrainReport(folder, record, not stopped)
    return _finish(folder, config, record, rows, finished=not stopped)


def _finish(
    folder: Path,
    config: TrainConfig,
    record: dict[str, Any],
    rows: list[dict[str, Any]],
    *,
    finished: bool,
) -> TrainReport:
    """Write the best epoch's detector and what the run came to."""
    path = folder / CHECKPOINTS / "best.ckpt"
    kept = torch.load(path, map_location="cpu", weights_only=True)
    detector = make_detector(config)
    prefix = "detector."
    weights = {
        name.removeprefix(prefix): value
        for name, value in kept["state_dict"].items()
        if name.startswith(prefix)
    }
    detector.load_state_dict(weights)
    chosen = kept["gtahead"]
    record |= {
        "state": "finished" if finished else "stopped",
        "epochs_done": int(rows[-1]["epoch"]) + 1,
        "best": chosen,
    }
    about = {"run": folder.resolve().name, "data": record["data"], "best": chosen}
    write_checkpoint(folder / MODEL, Trained(detector, chosen["threshold"], about))
    storage.write_json(folder / RUN, record)
    return TrainReport(folder, record, finished)


def _as_it_is(frame: Frame) -> Frame:
    return frame


def _record(
    config: TrainConfig, opened: Dataset, parts: Parts, frames: list[Frame]
) -> dict[str, Any]:
    """Say what the run is: settings, versions, data."""
    sides = np.concatenate([box_sides(frame.boxes_xyxy[frame.counted]) for frame in frames])
    cells = sides * config.scale / config.stride
    cells = cells[np.isfinite(cells)]
    prints = opened.manifest.document["fingerprints"]
    packages = ("numpy", "opencv-python-headless", "pytorch-lightning", "torch", "torchvision")
    return {
        "format": "gtahead-run",
        "version": 1,
        "gtahead": __version__,
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "config": config.as_dict(),
        "data": {
            "name": opened.folder.resolve().name,
            "labels": prints["labels"].get("all"),
            "train_frames": len(parts.train),
            "validation_frames": len(parts.validation),
            "validation_carved_from_train": list(parts.carved),
        },
        "heads": {
            "count": len(sides),
            "side_cells": [round(float(q), 2) for q in np.quantile(cells, (0.05, 0.5, 0.95))]
            if len(cells)
            else [],
            "under_two_cells": round(float(np.mean(cells < 2)), 4) if len(cells) else 0.0,
        },
        "state": "running",
    }


def _prepare(
    folder: Path, record: dict[str, Any], last: Path, *, resume: bool
) -> list[dict[str, Any]] | None:
    """See whether the folder's run is this one; give the rows of its epochs, None to begin anew."""
    there = folder / RUN
    if not there.exists():
        if resume:
            raise UsageError(
                "there is no run to resume", value=str(folder), remedy="leave --resume out"
            )
        storage.write_json(there, record)
        return None
    old = schemas.parse_json(there.read_bytes(), str(there))
    for pointer, message in schemas.faults(old, "run"):
        remedy = "remove the run, or give another --out"
        raise InputError(message, where=Where(str(there), field=pointer), remedy=remedy)
    remedy = "give another --out, or the settings and data of its run.json"
    for name, value in record["config"].items():
        if name not in FREE and old["config"].get(name) != value:
            raise UsageError(
                f"a run with another {name} stands in {folder}: {old['config'].get(name)}",
                value=value,
                remedy=remedy,
            )
    if old["data"] != record["data"]:
        raise UsageError(
            f"a run on other data stands in {folder}", value=record["data"]["name"], remedy=remedy
        )
    if old["state"] == "finished":
        raise UsageError(
            "a finished run stands there", value=str(folder), remedy="give another --out"
        )
    if not last.exists():
        return None  # it was stopped before an epoch was over
    epoch = torch.load(last, map_location="cpu", weights_only=True)["gtahead"]["epoch"]
    return [row for row in _read_metrics(folder / METRICS) if int(row["epoch"]) <= epoch]


def _write_metrics(path: Path, rows: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (
        storage.naming_os_errors(path),
        storage.replacing(path) as part,
        part.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _read_metrics(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _tensorboard(folder: Path) -> Any:  # noqa: ANN401 - a logger or False
    if find_spec("tensorboard") is None:
        return False
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(str(folder), name="", version="tensorboard")


@contextmanager
def _quiet() -> Any:  # noqa: ANN401 - a context
    """Keep Lightning's advice off the terminal; its warnings that matter are errors elsewhere."""
    names = ("pytorch_lightning", "lightning.pytorch", "lightning.fabric")
    before: Mapping[str, int] = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning")
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
            yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
