"""One frozen configuration: from presets, a TOML file and the command line, the last one wins."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gtahead import schemas, storage
from gtahead.detectors import DETECTORS
from gtahead.errors import UsageError
from gtahead.values import StrPath

AREAS = ("binary", "mfl-area")
"""Losses that take whole heads instead of what a matcher calls positive."""

OWN = "own"
"""As detector or loss: one that was given to `train` in Python."""

HEATED = ("mfl", "mfl-paper", OWN)
"""Losses that weigh positives by their heat."""


BACKBONES = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
    *("wide_resnet50_2", "wide_resnet101_2"),
)
"""Torchvision's residual networks."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that determines a run, apart from the data.

    Attributes:
        detector: which network.
        loss: of heat or class: the detector's own, the focal loss on centres or matched anchors,
            Mask Focal Loss with the next three settings, or "mfl-paper": as its paper is most
            likely meant, with `inside` 0 and `normalise` "centres". For comparisons: "binary"
            (whole heads with equal weight), "mfl-area" (Mask Focal Loss on larger masks:
            centernet's boxes, all of fcos' locations inside a head) and "native-mass" (native,
            positives scaled by the head's mass).
        power: of the heat in positives.
        inside: share of the negative term inside masks: 1 for centernet; `make_config` sets 0 for
            the detectors of torchvision.
        normalise: what the loss is divided by.
        kernel: of centernet's heat: Gaussians of a quarter of the box's sides, or CornerNet's, as
            CenterNet's own code has them.
        centre_radius: of fcos: locations so many cells around a head's centre are its; "inf", all
            of its box, as in FCOS' first version.
        decode: how heads are read from a heatmap: by NMS over the boxes of all cells, or as its
            peaks, which can't show two heads in touching cells.
        backbone: by torchvision's name.
        weights: of the backbone: "none", a local file, or "download".
        channels: of the neck and the heads.
        convolutions: in each head.
        stride: pixels per cell, 2 or 4; torchvision's detectors and density have 4.
        coarsest: stride of the last map of the backbone that is used: 8 for small heads alone.
        crop_wh: pixels of a training crop, multiples of 32.
        scale: of all images, at training and prediction; 0 for the one at which the median head
            is five cells wide, 0.25 to 2.
        scale_low, scale_high: range of the random scale at training, besides `scale`.
        flip: whether half of the crops are mirrored.
        colour: by how much brightness, contrast and saturation change at most.
        batch: crops a step and device.
        accumulate: steps whose gradients are added up.
        epochs: times through the images.
        epoch_crops: how many crops an epoch has; 0 for one of each image.
        learning_rate: of AdamW, at its highest.
        weight_decay: of AdamW.
        warmup: steps until the learning rate is reached; it then falls as a cosine.
        ema: decay of the averaged weights, which are validated and kept; 0 for none.
        clip: largest norm of the gradient; 0 for any.
        precision: as Lightning names it.
        validate_every: epochs from one validation to the next, a divisor of `epochs`.
        patience: validations without a better one after which training stops; 0 for never.
        seed: of weights, order and augmentation.
        workers: processes that load images.
        devices: how many, of the best kind that is there.
        tile: side in pixels of the tiles that large images are predicted in.
        max_heads: found in a tile at most; a warning names the image that has more.
    """

    detector: str = "centernet"
    loss: str = "native"
    power: float = 1.0
    inside: float = 1.0
    normalise: Literal["mass", "centres", "per-head"] = "mass"
    kernel: Literal["quarter", "cornernet"] = "quarter"
    centre_radius: float = 1.5
    decode: Literal["peaks", "nms"] = "nms"
    backbone: str = "resnet18"
    weights: str = "none"
    channels: int = 64
    convolutions: int = 2
    stride: Literal[2, 4] = 2
    coarsest: Literal[8, 16, 32] = 32
    crop_wh: tuple[int, int] = (512, 512)
    scale: float = 1.0
    scale_low: float = 0.75
    scale_high: float = 1.33
    flip: bool = True
    colour: float = 0.2
    batch: int = 8
    accumulate: int = 1
    epochs: int = 40
    epoch_crops: int = 0
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    warmup: int = 100
    ema: float = 0.99
    clip: float = 10.0
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    validate_every: int = 1
    patience: int = 0
    seed: int = 0
    workers: int = 0
    devices: int = 1
    tile: int = 1024
    max_heads: int = 20_000

    def __post_init__(self) -> None:
        hints = get_type_hints(TrainConfig)
        for field in dataclasses.fields(self):
            _check(field.name, getattr(self, field.name), hints[field.name])
        for name in _POSITIVE:
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} must be above 0", value=getattr(self, name))
        for name in _NOT_NEGATIVE:
            if not getattr(self, name) >= 0:
                raise UsageError(f"{name} can't be negative", value=getattr(self, name))
        if self.detector not in (*DETECTORS, OWN):
            remedy = f"one of {', '.join(DETECTORS)}"
            raise UsageError("no such detector", value=self.detector, remedy=remedy)
        kind = DETECTORS.get(self.detector)
        if kind is not None and self.loss not in (*kind.losses, OWN):
            remedy = f"one of {', '.join(kind.losses)}"
            raise UsageError(f"{self.detector} has no such loss", value=self.loss, remedy=remedy)
        if kind is not None and self.stride not in kind.strides:
            raise UsageError(
                f"{self.detector} works at stride {kind.strides[0]}",
                value=self.stride,
                remedy="centernet and density have stride 2 as well",
            )
        if kind is not None and self.channels % kind.channel_groups:
            raise UsageError(
                f"{self.detector} needs channels in a multiple of {kind.channel_groups}",
                value=self.channels,
            )
        if self.normalise == "per-head" and self.loss in AREAS and self.detector == "fcos":
            remedy = "cells of an area belong to no single head: use mass or centres"
            raise UsageError(
                f"{self.loss} of fcos can't be normalised per head", value="per-head", remedy=remedy
            )
        if self.scale_low > self.scale_high:
            raise UsageError("scale_low is above scale_high", value=self.scale_low)
        if self.epochs % self.validate_every:
            remedy = f"a divisor of {self.epochs}: the last epoch must be validated"
            raise UsageError(
                "validate_every doesn't divide epochs", value=self.validate_every, remedy=remedy
            )
        if self.ema >= 1:
            raise UsageError("ema must be below 1", value=self.ema)
        for name, sides in (("crop_wh", self.crop_wh), ("tile", (self.tile,))):
            if any(side < 32 or side % 32 for side in sides):
                shown = "x".join(map(str, sides))
                raise UsageError(f"{name} must be a multiple of 32 from 32 on", value=shown)

    @property
    def loss_options(self) -> dict[str, Any]:
        """The parameters of `mask_focal_loss` that the loss has."""
        if self.loss == "native":
            return {"power": 1.0, "inside": 0.0, "normalise": "mass"}
        if self.loss == "mfl-paper":
            return {"power": 1.0, "inside": 0.0, "normalise": "centres"}
        return {"power": self.power, "inside": self.inside, "normalise": self.normalise}

    def as_dict(self) -> dict[str, Any]:
        """Return all settings, JSON-ready."""
        values = dataclasses.asdict(self)
        values["crop_wh"] = list(self.crop_wh)
        return {name: "inf" if value == math.inf else value for name, value in values.items()}

    def as_toml(self) -> str:
        """Return the settings as TOML that `make_config` reads."""
        lines = []
        for name, value in self.as_dict().items():
            shown = str(value).lower() if isinstance(value, bool) else repr(value)
            lines.append(f"{name} = " + (f'"{value}"' if isinstance(value, str) else shown))
        return "\n".join(lines) + "\n"


_POSITIVE = [
    "channels",
    "scale_low",
    "scale_high",
    "batch",
    "accumulate",
    "centre_radius",
    "epochs",
    "validate_every",
    "learning_rate",
    "devices",
    "max_heads",
]
_NOT_NEGATIVE = [
    "scale",
    "epoch_crops",
    "power",
    "inside",
    "convolutions",
    "colour",
    "weight_decay",
    "warmup",
    "ema",
    "clip",
    "patience",
    "seed",
    "workers",
]

TRAIN_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    # About a minute on two cores, whatever the data: few and small crops, scaled to the heads; the
    # heads are so small then that the backbone's coarse half, most of its weights, isn't missed.
    "tiny": {
        "crop_wh": (128, 128),
        "stride": 4,
        "coarsest": 8,
        "scale": 0.0,
        "channels": 32,
        "convolutions": 1,
        "epoch_crops": 128,
        "epochs": 10,
        "validate_every": 5,
        "warmup": 20,
        "learning_rate": 4e-3,
        "ema": 0.95,
    },
}


def make_config(
    preset: str = "base", file: StrPath | None = None, **settings: object
) -> TrainConfig:
    """Make a configuration from a preset, a TOML file and single settings; the last one wins.

    Settings in which a detector departs from the preset come between preset and file.

    Args:
        preset: one of `TRAIN_PRESETS`.
        file: TOML with any of the settings.
        settings: by name; None leaves what the others say.

    Raises:
        UsageError: no such preset or setting, or a value out of range.
        InputError: the file can't be read.
    """
    if preset not in TRAIN_PRESETS:
        remedy = f"one of {', '.join(TRAIN_PRESETS)}"
        raise UsageError("no such preset", value=preset, remedy=remedy)
    target = _read(Path(file)) if file is not None else {}
    target |= {name: value for name, value in settings.items() if value is not None}
    kind = DETECTORS.get(str(target.get("detector")))
    usual = {**TRAIN_PRESETS[preset], **(kind.settings if kind else {})}
    epochs, every = target.get("epochs"), usual.get("validate_every")
    if isinstance(epochs, int) and epochs > 0 and every is not None:
        usual["validate_every"] = math.gcd(epochs, every)  # the last epoch must be validated
    return config_of({**usual, **target})


def config_of(values: Mapping[str, Any]) -> TrainConfig:
    """Make a configuration from settings by name.

    Raises:
        UsageError: no such setting, with the nearest one's name, or a wrong value.
    """
    known = [field.name for field in dataclasses.fields(TrainConfig)]
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {close[0]}?" if close else f"one of {', '.join(known)}"
            raise UsageError("no such setting", value=name, remedy=remedy)
    given = dict(values)
    for name in ("crop_wh",):
        if isinstance(given.get(name), list):
            given[name] = tuple(given[name])
    hints = get_type_hints(TrainConfig)
    for name, value in given.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        if hints[name] is float and (whole or value == "inf"):
            given[name] = float(value)
    return TrainConfig(**given)


def _read(path: Path) -> dict[str, Any]:
    remedy = "`gtahead train --print-config` shows one that is"
    return schemas.parse_toml(storage.read_input(path), str(path), remedy=remedy)


def _check(name: str, value: object, hint: Any) -> None:  # noqa: ANN401 - a type
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            shown = ", ".join(str(one) for one in get_args(hint))
            raise UsageError(f"invalid value for {name}", value=value, remedy=f"one of {shown}")
        return
    if hint == tuple[int, int]:
        pair = isinstance(value, tuple) and len(value) == 2
        if not pair or not all(isinstance(side, int) for side in value):  # type: ignore[attr-defined]
            raise UsageError(f"{name} must be two whole numbers", value=value)
        return
    if not isinstance(value, hint) or (hint is not bool and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        raise UsageError(f"{name} must be {words[hint]}", value=value)
    infinite = isinstance(value, float) and not math.isfinite(value)
    if infinite and not (name == "centre_radius" and value == math.inf):
        raise UsageError(f"{name} must be a finite number", value=value)
