"""The training loop: Lightning trains, validation chooses the epoch, the run records it."""

from __future__ import annotations

import hashlib
import logging
import math
import os
import signal
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from pytorch_lightning.loggers import Logger
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from gtahead import storage
from gtahead.annotation.holdout import parts_of
from gtahead.arrays import Progress
from gtahead.dataset import Dataset, Frame
from gtahead.errors import InputError, UsageError, Where
from gtahead.geometry import box_sides
from gtahead.metrics.evaluation import metrics_of
from gtahead.metrics.ground_truth import GroundTruth
from gtahead.scoring.ground_truth import ground_truth_of
from gtahead.scoring.thresholds import choose
from gtahead.storage import system, targets
from gtahead.training.checkpoints import begin_with
from gtahead.training.config import OWN, TrainConfig
from gtahead.training.crops import CropBatch, Crops, EpochOrder, batched, normalised
from gtahead.training.decoding import lost_share, warn_of_lost_heads
from gtahead.training.detectors import Detector, Factory, make_detector
from gtahead.training.inference import InImage, as_predictions, find_heads
from gtahead.training.losses import HeatLoss
from gtahead.training.runs import (
    BEST,
    CHECKPOINTS,
    LAST,
    MODEL,
    Run,
    checkpoint,
    open_run,
    record_of,
)
from gtahead.training.wanted import frames_to_learn, refuse_missing_own, require_boxes
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

KEPT = ("ap50", "f1_large", "precision_large", "recall_large", "mae", "rmse", "bias", "game3")

LOGGED_EVERY = 10
"""Steps whose losses are one line of `losses.csv`."""

Validated = Callable[[int, Detector, dict[str, Any]], None]
"""Called after a validation with the step, the detector as it was validated, and the metrics."""


@dataclass(frozen=True, repr=False)
class TrainReport(storage.Written):
    """The result of a training run.

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
        del dataloader_idx
        return batch.to(device) if isinstance(batch, CropBatch) else batch

    def training_step(self, batch: CropBatch, number: int) -> Tensor:
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
        # With the order and the crops known from seed and epoch, this is all that resuming needs.
        torch.manual_seed(self.config.seed + self.current_epoch)
        self._losses = []

    def on_validation_epoch_start(self) -> None:
        self._found = []

    def validation_step(self, frame: Frame, number: int) -> None:
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
        checkpoint["gtahead"] = dict(self.chosen)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's union
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


@resolve_urls(reads=["dataset", "init"])
def train(
    dataset: StrPath = "dataset",
    out: StrPath | None = None,
    *,
    config: TrainConfig | None = None,
    detector: Factory | None = None,
    loss: HeatLoss | None = None,
    init: StrPath | None = None,
    logger: Logger | Sequence[Logger] | None = None,
    resume: bool = False,
    stop_after: int | None = None,
    on_progress: Progress | None = None,
    on_validated: Validated | None = None,
) -> TrainReport:
    """Train a detector.

    Args:
        dataset: a dataset with images.
        out: folder of the run; `runs/<detector>-<loss>` unless given.
        config: see `gtahead.training.make_config`.
        detector: makes a network of your own, a `Detector`, from the configuration, in place of
            the one that it names; `predict` wants it again.
        loss: of heat or class, in place of the one that the configuration names; see `HeatLoss`.
        init: `model.pt` of a run, whose weights are begun with as far as they fit: to train on
            photographs what has learned from simulated crowds.
        logger: Lightning's loggers, such as `WandbLogger()`, which get the losses of steps, AP50
            and MAE; TensorBoard's, where it is installed, unless given. The losses are in
            `losses.csv` in any case.
        resume: refuse to begin: there must be an unfinished run. It goes on in any case where
            settings and data are its own, and the result is that of a run in one go.
        stop_after: end after so many epochs of this session; the next call goes on.
        on_progress: called with steps done, steps in all, and the epoch.
        on_validated: called after each validation with the step, the detector with the weights that
            were validated, and what was chosen: epoch, threshold, metrics.

    Returns:
        The run; `model` is the detector of the best epoch: by AP50 on validation, by MAE for one
        that only counts.

    Raises:
        InputError: data that can't be trained on, weights that don't fit, or a loss that isn't
            finite, with its frames.
        UsageError: the folder holds another run or a finished one, or nothing to resume; the
            detector takes no other loss; the configuration's own one isn't given.
        ResourceError: the disk fails.

    Warns:
        DataWarning: more than 2 % of the heads are too close to others for this decoder.
    """
    config = config or TrainConfig()
    refuse_missing_own(config, detector, loss)
    if detector is not None:
        config = replace(config, detector=OWN, loss="native")
    if loss is not None:
        config = replace(config, loss=OWN)
    opened = Dataset.open(dataset)
    folder = Path(out) if out is not None else Path("runs") / f"{config.detector}-{config.loss}"
    parts = parts_of(opened)
    frames = frames_to_learn(parts.train)
    ground_truth = ground_truth_of(opened, parts.validation, parts.split)
    if config.scale == 0:
        config = replace(config, scale=fitting_scale(frames, config.stride))
    torch.manual_seed(config.seed)
    network = _network(config, detector, loss)
    if not network.counts_only:
        require_boxes(frames, opened.folder)
    lost = 0.0 if network.counts_only else lost_share(frames, config)
    record = record_of(config, opened, parts, frames, lost)
    own = {"detector": detector, "loss": loss}
    if any(own.values()):
        record["own"] = {name: _name_of(one) for name, one in own.items() if one is not None}
    if init is not None:
        record["init"] = _begun_with(network, Path(init))
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_torch_as_before())
        module = _Module(config, network, ground_truth, on_validated)
        if is_helper():
            last = checkpoint(folder, LAST)
            run = Run(folder, record, last=last if last.exists() else None)
        else:
            with storage.naming_os_errors(folder):
                stack.enter_context(targets.locked(folder))
                storage.make_folder(folder)
                targets.refuse_links(folder, (CHECKPOINTS,))
            run = open_run(folder, record, resume=resume)
            warn_of_lost_heads(frames, config, lost)
        module.run = run
        loggers = logger if logger is not None else _tensorboard(run.folder)
        trainer = _trainer(module, loggers, stop_after, on_progress)
        _fit(trainer, module, _crops(frames, config), list(parts.validation), run)
        stopped = stop_after is not None and trainer.current_epoch < config.epochs
        if not is_helper():
            run.finish(network, finished=not stopped)
    return TrainReport(folder, record, finished=not stopped)


def _network(config: TrainConfig, make: Factory | None, loss: HeatLoss | None) -> Detector:
    """Make the network that is to be trained, with its loss."""
    if make is not None and (isinstance(make, Detector) or not callable(make)):
        remedy = "a class, or a function that takes the configuration and makes a Detector"
        raise UsageError("this makes no detector", value=type(make).__name__, remedy=remedy)
    network: object = (make or make_detector)(config)
    if not isinstance(network, Detector):
        remedy = "let its class be one of gtahead.training.Detector"
        raise UsageError(
            "what was made is no Detector", value=type(network).__name__, remedy=remedy
        )
    if loss is not None:
        network.use_loss(loss)
    return network


def _name_of(one: object) -> str:
    """Name a function or class, or an object with its parameters."""
    if isinstance(one, partial):
        return f"{_name_of(one.func)} with {one.args}, {one.keywords}"
    named = one if hasattr(one, "__qualname__") else type(one)
    name = f"{named.__module__}.{named.__qualname__}"
    extra = one.extra_repr() if isinstance(one, torch.nn.Module) else ""
    return f"{name}({extra})" if extra else name


def _begun_with(network: Detector, path: Path) -> dict[str, Any]:
    """Take a checkpoint's weights, and return which file it was and what it didn't have."""
    left = begin_with(network, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"file": path.name, "sha256": digest, "not_in_it": left}


def is_emulated(precision: str) -> bool:
    """Return whether a precision of 16 bits would be emulated here, at many times the cost."""
    old = torch.backends.cpu.get_cpu_capability() in ("AVX2", "NO AVX")
    return precision != "32-true" and old and not torch.cuda.is_available()


SCALE_CELLS, SCALES = 5.0, (0.25, 2.0)


def fitting_scale(frames: list[Frame], stride: int) -> float:
    """Return the scale of images at which the median head that counts is five cells wide."""
    sides = np.concatenate([box_sides(frame.boxes_xyxy[frame.counted]) for frame in frames])
    known = sides[np.isfinite(sides) & (sides > 0)]
    if len(known) == 0:
        return 1.0
    target = SCALE_CELLS * stride / float(np.median(known))
    return round(float(np.clip(target, *SCALES)), 2)


def is_helper() -> bool:
    """Return whether this process was started by another one to train with it, on a further device.

    Lightning starts the same command again for each of them: they train, and write nothing.
    """
    return os.environ.get("LOCAL_RANK", "0") != "0"


def _crops(frames: list[Frame], config: TrainConfig) -> DataLoader[Any]:
    crops = Crops(frames, config)
    return DataLoader(
        crops,
        config.batch,
        sampler=EpochOrder(len(crops), config.epoch_crops or len(crops), config.seed),
        num_workers=config.workers,
        collate_fn=batched,
        multiprocessing_context=system.start_method() if config.workers else None,
        persistent_workers=config.workers > 0,
    )


def _trainer(
    module: _Module,
    loggers: Any,  # noqa: ANN401 - Lightning's union
    stop_after: int | None,
    on_progress: Progress | None,
) -> pl.Trainer:
    config, run = module.config, module.run
    best, mode = ("mae", "min") if module.detector.counts_only else ("ap50", "max")
    # After validation, never at the end of the training epoch: resumed from there, runs differ.
    # The last one apart from the best: Lightning's save_last leaves it where nothing got better.
    kept: dict[str, Any] = {
        "dirpath": run.folder / CHECKPOINTS,
        "save_on_train_epoch_end": False,
        "enable_version_counter": False,
    }
    callbacks: list[Callback] = [_Ticks(on_progress)]
    if config.ema > 0:
        # All weights at once: one by one they take hundreds of launches a step on a GPU.
        average = get_ema_multi_avg_fn(config.ema)  # type: ignore[no-untyped-call]
        callbacks.append(WeightAveraging(multi_avg_fn=average))
    if config.patience:
        patient = EarlyStopping(
            best, patience=config.patience, mode=mode, check_on_train_epoch_end=False
        )
        callbacks.append(patient)
    if stop_after is not None:
        callbacks.append(_StopAfter(stop_after))
    callbacks.append(ModelCheckpoint(filename=BEST, monitor=best, mode=mode, **kept))
    callbacks.append(ModelCheckpoint(filename=LAST, **kept))
    return pl.Trainer(
        accelerator="auto",
        devices=config.devices,
        max_epochs=config.epochs,
        check_val_every_n_epoch=config.validate_every,
        precision=config.precision,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=config.clip or None,
        callbacks=callbacks,
        logger=loggers,
        log_every_n_steps=LOGGED_EVERY,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        deterministic=_repeatable(config),
    )


def _repeatable(config: TrainConfig) -> Literal["warn", False]:
    """Return whether torch is to use operations that give the same bits every time.

    On a GPU not for Faster R-CNN: torchvision's repeatable RoIAlign is compiled there anew for
    other numbers of proposals, and a run of seconds took minutes.
    """
    slow = config.detector == "fasterrcnn" and torch.cuda.is_available()
    return "warn" if config.devices == 1 and not slow else False


def _fit(
    trainer: pl.Trainer, module: _Module, crops: DataLoader[Any], validation: list[Frame], run: Run
) -> None:
    watched: Any = DataLoader(validation, batch_size=None, collate_fn=_as_it_is)  # type: ignore[arg-type]
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        with storage.naming_os_errors(run.folder):
            trainer.fit(
                module,
                crops,
                watched,
                ckpt_path=None if run.last is None else str(run.last),
                weights_only=None if run.last is None else True,
            )
    except SystemExit:  # how Lightning leaves after Ctrl-C
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGINT, interrupt)


def _as_it_is(frame: Frame) -> Frame:
    return frame


def _tensorboard(folder: Path) -> Any:  # noqa: ANN401 - a logger or False
    if find_spec("tensorboard") is None:
        return False
    from pytorch_lightning.loggers import TensorBoardLogger

    return TensorBoardLogger(str(folder), name="", version="tensorboard")


@contextmanager
def _torch_as_before() -> Any:  # noqa: ANN401 - a context
    """Restore torch's settings after a run, so that a notebook's other work isn't slowed down."""
    before = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warns)
        torch.backends.cudnn.benchmark = benchmark


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
