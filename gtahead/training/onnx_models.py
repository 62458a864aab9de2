"""A trained heatmap detector as ONNX, for images of any size; compared with torch first.

Needs `pip install 'gtahead[onnx]'`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gtahead import storage
from gtahead.errors import GtaheadError, InputError, UsageError, Where, require
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.crops import normalised
from gtahead.training.detectors.centernet import CenterNet, peaks_in
from gtahead.training.detectors.detector import MULTIPLE
from gtahead.values import StrPath

MAX_DIFFERENCE = 1e-4
"""Between torch's outputs and the file's."""

OPSET = 18
CHECKED_WH = ((64, 96), (256, 160), (416, 320))
MAX_CELLS = 1024
"""Sides up to so many times `MULTIPLE`: 32,768 px."""


@dataclass(frozen=True)
class ExportedModel:
    """What was written.

    Attributes:
        out: the file.
        threshold: from which heat on a peak counts.
        stride: pixels a cell of its outputs.
        difference: the largest between torch and the file, over all outputs and checked sizes.
    """

    out: Path
    threshold: float | None
    stride: int
    difference: float


class _Whole(nn.Module):
    """From images as they are to heat, peaks, offsets and sides."""

    def __init__(self, network: CenterNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Take (B, H, W, 3), RGB, 0 to 255; return maps of `stride`."""
        logits, offset, size = self.network(normalised(images))
        heat = torch.sigmoid(logits)
        return heat, peaks_in(heat), offset, size.exp()


def export_model(checkpoint: StrPath, out: StrPath = "model.onnx") -> ExportedModel:
    """Write a trained `centernet` as ONNX, and check that it gives what torch gives.

    The file takes `images`, (B, H, W, 3) float32, RGB from 0 to 255, H and W multiples of 32 of
    any size, and gives, a cell for `stride` pixels: `heat` (B, R, C); `peaks`, true at its local
    maxima; `offset` (B, 2, R, C) and `size` (B, 2, R, C), x before y, in cells. The head of a
    peak at row r and column c has its centre at ((c + offset_x) stride, (r + offset_y) stride).
    Stride, threshold and the run's name are its metadata.

    Args:
        checkpoint: `model.pt` of a run.
        out: the file.

    Raises:
        InputError: the checkpoint can't be read, or there is no folder for `out`.
        UsageError: it holds a detector without a heatmap, or `out` has another ending.
        ResourceError: the extra is missing, or the file can't be written.
    """
    to = Path(out)
    if to.suffix.lower() != ".onnx":
        raise UsageError("ONNX files end with .onnx", value=to.name)
    storage.prepare_file(to, "the model", [checkpoint])
    require("onnx", "onnxscript", "onnxruntime", install="'gtahead[onnx]'")
    trained = read_checkpoint(checkpoint)
    if not isinstance(trained.detector, CenterNet):
        raise UsageError(
            "only heatmap detectors are exported",
            value=trained.detector.config.detector,
            remedy="train with --detector centernet",
        )
    network = _Whole(trained.detector).eval()
    stride = trained.detector.stride
    about = {
        "stride": str(stride),
        "threshold": "" if trained.threshold is None else repr(trained.threshold),
        "run": str(trained.about.get("run") or ""),
    }
    with storage.naming_os_errors(to), storage.replacing(to) as part:
        _write(network, part, about)
        difference = _largest_difference(network, part)
        if not difference <= MAX_DIFFERENCE:
            raise InputError(
                f"the exported file differs from torch by {difference:.2g}",
                where=Where(str(checkpoint)),
                remedy=f"at most {MAX_DIFFERENCE:g} is allowed; another version of onnx may help",
            )
    return ExportedModel(to, trained.threshold, stride, difference)


def _write(network: nn.Module, path: Path, about: dict[str, str]) -> None:
    rows = MULTIPLE * torch.export.Dim("rows", min=1, max=MAX_CELLS)
    columns = MULTIPLE * torch.export.Dim("columns", min=1, max=MAX_CELLS)
    batch = torch.export.Dim("batch", min=1, max=4096)
    level = logging.getLogger("torch").level
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # torch's own, about its own future
        logging.getLogger("torch").setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(
                network,
                (torch.zeros(2, 96, 128, 3),),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["heat", "peaks", "offset", "size"],
                dynamic_shapes={"images": {0: batch, 1: rows, 2: columns}},
                verbose=False,
            )
        finally:
            logging.getLogger("torch").setLevel(level)
    if program is None:
        raise GtaheadError("torch gave no ONNX program")
    program.model.metadata_props.update(about)
    program.save(str(path))


@torch.no_grad()
def _largest_difference(network: nn.Module, path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    largest = 0.0
    for number, (width, height) in enumerate(CHECKED_WH):
        images = random.uniform(0, 255, (number + 1, height, width, 3)).astype(np.float32)
        found = dict(zip(("heat", "peaks", "offset", "size"),
                         session.run(None, {"images": images}), strict=True))  # fmt: skip
        heat, _, offset, size = network(torch.from_numpy(images))
        # Sides may be any number of cells: their differences are taken as shares.
        known = {"heat": heat, "offset": offset, "size": size}
        for name, expected in known.items():
            under = expected.abs().clamp(min=1) if name == "size" else torch.ones(())
            away = (torch.from_numpy(found[name]) - expected).abs() / under
            largest = max(largest, float(away.max()))
    return largest
