"""The training loop: Lightning trains, validation chooses the epoch, the run records it."""

from __future__ import annotations

import hashlib
import logging
import signal
import warnings
from collections.abc import Mapping, Sequence
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
from torch.optim.swa_utils import get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from gtahead import storage
from gtahead.annotation.holdout import parts_of
from gtahead.arrays import Progress
from gtahead.dataset import Dataset, Frame
from gtahead.errors import UsageError
from gtahead.geometry import box_sides
from gtahead.models import checkpoint_path
from gtahead.scoring.ground_truth import ground_truth_of
from gtahead.storage import system, targets
from gtahead.training.checkpoints import begin_with
from gtahead.training.config import OWN, TrainConfig
from gtahead.training.crops import Crops, EpochOrder, batched
from gtahead.training.decoding import lost_share, warn_of_lost_heads
from gtahead.training.detectors import Detector, Factory, make_detector
from gtahead.training.losses import HeatLoss
from gtahead.training.module import LOGGED_EVERY, Module, Validated, is_helper
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
from gtahead.training.wanted import frames_to_learn, refuse_missing_own, require_boxes, run_folder
from gtahead.urls import resolve_urls
from gtahead.values import StrPath


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
        init: `model.pt` of a run, or `builtin` for the bundled detector, whose weights are begun
            with as far as they fit: to train on photographs after simulated crowds.
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
    folder = run_folder(out, config)
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
    if named := {name: _name_of(one) for name, one in own.items() if one is not None}:
        record["own"] = named
    if init is not None:
        record["init"] = _begun_with(network, checkpoint_path(init))
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        stack.enter_context(_torch_as_before())
        module = Module(config, network, ground_truth, on_validated)
        run = _run(folder, record, stack, resume=resume)
        if not is_helper():
            warn_of_lost_heads(frames, config, lost)
        module.run = run
        loggers = logger if logger is not None else _tensorboard(run.folder)
        trainer = _trainer(module, loggers, stop_after, on_progress)
        _fit(trainer, module, _crops(frames, config), list(parts.validation), run)
        stopped = stop_after is not None and trainer.current_epoch < config.epochs
        if not is_helper():
            run.finish(network, finished=not stopped)
    return TrainReport(folder, record, finished=not stopped)


def _run(folder: Path, record: dict[str, Any], stack: ExitStack, *, resume: bool) -> Run:
    """Begin or go on with the run of a folder, which stays locked; helpers only read there."""
    if is_helper():
        last = checkpoint(folder, LAST)
        return Run(folder, record, last=last if last.exists() else None)
    with storage.naming_os_errors(folder):
        stack.enter_context(targets.locked(folder))
        storage.make_folder(folder)
        targets.refuse_links(folder, (CHECKPOINTS,))
    return open_run(folder, record, resume=resume)


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
    module: Module,
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
    trainer: pl.Trainer, module: Module, crops: DataLoader[Any], validation: list[Frame], run: Run
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
