"""A trained `centernet` or `fcos` as ONNX, for images of any size; compared with torch first.

Needs `pip install 'gtahead[onnx]'`.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from gtahead import storage
from gtahead.errors import GtaheadError, InputError, UsageError, Where, require
from gtahead.training.checkpoints import read_checkpoint
from gtahead.training.crops import normalised
from gtahead.training.detectors.centernet import MAX_SIZE, NMS_IOU, CenterNet
from gtahead.training.detectors.detector import MULTIPLE, Detector
from gtahead.training.detectors.fcos import FcosDetector
from gtahead.training.detectors.torchvision_base import strides_of
from gtahead.values import StrPath

if TYPE_CHECKING:
    import onnx

MAX_DIFFERENCE = 1e-4
"""Between torch's outputs and the file's."""

OPSET = 18
CHECKED_WH = ((64, 96), (256, 160), (416, 320))
LARGE = 64
"""Numbers from which on a weight is stored in half precision where that is asked for."""

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
    """A detector that takes images as they are, (B, H, W, 3), RGB from 0 to 255."""

    outputs: tuple[str, ...]


class _Heatmap(_Whole):
    """Gives heat, peaks, offsets and sides, on a grid of `stride`."""

    outputs = ("heat", "peaks", "offset", "size")

    def __init__(self, network: CenterNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return (B, R, C) or (B, 2, R, C) each."""
        logits, offset, size = self.network(normalised(images))
        heat = torch.sigmoid(logits)
        return (
            heat,
            self.network.candidates(heat, offset, size),
            offset,
            size.clamp(max=MAX_SIZE).exp(),
        )


class _Locations(_Whole):
    """Gives the boxes and scores of all locations, before NMS."""

    outputs = ("boxes", "scores")

    def __init__(self, network: FcosDetector) -> None:
        super().__init__()
        self.backbone: nn.Module = network.model.get_submodule("backbone")
        self.head: nn.Module = network.model.get_submodule("head")
        self.strides = strides_of(network.config)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return (B, N, 4) corners in pixels, and (B, N)."""
        maps = list(self.backbone(normalised(images)).values())
        found = self.head(maps)
        levels = list(zip(maps, self.strides, strict=True))
        centres = torch.cat([_grid(one, stride) for one, stride in levels])
        strides = torch.cat([torch.full_like(_grid(one, 1)[:, :1], s) for one, s in levels])
        reach = found["bbox_regression"] * strides
        sizes = torch.tensor([images.shape[2], images.shape[1]], dtype=torch.float32)
        boxes = torch.cat(
            [
                (centres - reach[..., :2]).clamp(min=0),
                torch.minimum(centres + reach[..., 2:], sizes),
            ],
            dim=2,
        )
        sure = torch.sigmoid(found["cls_logits"]) * torch.sigmoid(found["bbox_ctrness"])
        return boxes, sure.sqrt()[..., 0]


def _grid(level: Tensor, stride: int) -> Tensor:
    """Return the locations of a level's cells, (N, 2) x and y, as torchvision's FCOS has them."""
    rows, columns = level.shape[2], level.shape[3]
    y, x = torch.arange(rows) * float(stride), torch.arange(columns) * float(stride)
    down, across = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([across.reshape(-1), down.reshape(-1)], dim=1)


def _whole(detector: Detector) -> _Whole:
    """Wrap a detector so that it takes images as they are.

    Raises:
        UsageError: it's another one.
    """
    if isinstance(detector, CenterNet):
        return _Heatmap(detector)
    if isinstance(detector, FcosDetector):
        return _Locations(detector)
    remedy = "train with --detector centernet or fcos"
    name = detector.config.detector
    raise UsageError("only centernet and fcos are exported", value=name, remedy=remedy)


def export_model(
    checkpoint: StrPath, out: StrPath = "model.onnx", *, half: bool = False
) -> ExportedModel:
    """Write a trained `centernet` or `fcos` as ONNX, and check that it gives what torch gives.

    The file takes `images`, (B, H, W, 3) float32, RGB from 0 to 255, H and W multiples of 32 of
    any size. Of a `centernet` it gives, a cell for `stride` pixels: `heat` (B, R, C); `peaks`, true
    where it can be a head; `offset` (B, 2, R, C) and `size` (B, 2, R, C), x before y, in cells. A
    head at row r and column c has its centre at ((c + offset_x) stride, (r + offset_y) stride).
    Heads are those cells, of which NMS drops some where `decode` in the metadata is "nms".
    Of an `fcos` it gives `boxes` (B, N, 4), corners in pixels, and `scores` (B, N) of all
    locations; heads are what NMS keeps. Threshold, `nms_iou`, stride and the run's name are
    metadata, too, and `scale`, by which `predict` resizes images before; it pads them to multiples
    of 32 on the right and below, with the colour 124, 116, 104.

    Args:
        checkpoint: `model.pt` of a run.
        out: the file.
        half: store weights in half precision, rounded: half the size. They are computed with in
            full precision, and compared with torch's after rounding.

    Raises:
        InputError: the checkpoint can't be read, or there is no folder for `out`.
        UsageError: it holds another detector, or `out` has another ending.
        ResourceError: the extra is missing, or the file can't be written.
    """
    to = Path(out)
    if to.suffix.lower() != ".onnx":
        raise UsageError("ONNX files end with .onnx", value=to.name)
    storage.prepare_file(to, "the model", [checkpoint])
    require("onnx", "onnxscript", "onnxruntime", install="'gtahead[onnx]'")
    trained = read_checkpoint(checkpoint)
    network = _whole(trained.detector).eval()
    if half:
        round_to_half(trained.detector)
    stride = trained.detector.stride
    heatmap = isinstance(trained.detector, CenterNet)
    about = {
        "stride": str(stride),
        "scale": str(trained.detector.config.scale),
        "threshold": "" if trained.threshold is None else repr(trained.threshold),
        "decode": trained.detector.config.decode if heatmap else "nms",
        "nms_iou": str(NMS_IOU),
        "run": str(trained.about.get("run") or ""),
    }
    with storage.naming_os_errors(to), storage.replacing(to) as part:
        _write(network, part, about, half=half)
        difference = _largest_difference(network, part)
        if not difference <= MAX_DIFFERENCE:
            raise InputError(
                f"the exported file differs from torch by {difference:.2g}",
                where=Where(str(checkpoint)),
                remedy=f"at most {MAX_DIFFERENCE:g} is allowed; another version of onnx may help",
            )
    return ExportedModel(to, trained.threshold, stride, difference)


@torch.no_grad()
def round_to_half(detector: nn.Module) -> None:
    """Round weights to numbers that half precision can hold."""
    for value in detector.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.half().float())


def _write(network: _Whole, path: Path, about: dict[str, str], *, half: bool) -> None:
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
                output_names=list(network.outputs),
                dynamic_shapes={"images": {0: batch, 1: rows, 2: columns}},
                verbose=False,
                # Weights that are joined with what normalises them need more digits than half
                # precision has; onnxruntime joins them as it loads the file.
                optimize=not half,
            )
        finally:
            logging.getLogger("torch").setLevel(level)
    if program is None:
        raise GtaheadError("torch gave no ONNX program")
    program.model.metadata_props.update(about)
    import onnx

    model = program.model_proto
    _forget_where(model)
    if half:
        _store_in_half(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _forget_where(model: onnx.ModelProto) -> None:
    """Drop what torch notes of the source of each node: paths of this machine."""
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    for weight in model.graph.initializer:
        weight.ClearField("metadata_props")
        weight.ClearField("doc_string")
    model.graph.ClearField("metadata_props")
    for function in model.functions:
        function.ClearField("metadata_props")
        for node in function.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")


def _store_in_half(model: onnx.ModelProto) -> None:
    """Store weights in half precision, with a cast back to full for each."""
    from onnx import TensorProto, helper, numpy_helper

    for weight in model.graph.initializer:
        if weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) >= LARGE:
            name = weight.name
            values = numpy_helper.to_array(weight).astype(np.float16)
            weight.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
            cast = helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)


@torch.no_grad()
def _largest_difference(network: _Whole, path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    random = np.random.default_rng(0)
    largest = 0.0
    for number, (width, height) in enumerate(CHECKED_WH):
        images = random.uniform(0, 255, (number + 1, height, width, 3)).astype(np.float32)
        given = session.run(None, {"images": images})
        for name, mine, expected in zip(
            network.outputs, given, network(torch.from_numpy(images)), strict=True
        ):
            if name == "peaks":
                continue  # where heat ties but for the last bit, another neighbour may win
            # Sides and corners may be any number: their differences are taken as shares.
            under = expected.abs().clamp(min=1) if name in ("size", "boxes") else torch.ones(())
            largest = max(largest, float(((torch.from_numpy(mine) - expected).abs() / under).max()))
    return largest
