"""Backbones by torchvision's names, and the neck that brings their maps to one stride."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torchvision
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import ResNet

from gtahead.errors import InputError, ResourceError, Where, first_line
from gtahead.training.wanted import require_backbone
from gtahead.training.weights import load_weights

DOWNLOAD = "download"
"""As `--weights`: torchvision's own, fetched by torch where they aren't there already."""


def residual_network(name: str, weights: str) -> ResNet:
    """Make one of torchvision's residual networks.

    Args:
        name: as torchvision has it.
        weights: "none", a local file, or `DOWNLOAD`.

    Raises:
        UsageError: no such network.
        InputError: the file can't be read, or is another network's.
        ResourceError: the download fails.
    """
    require_backbone(name)
    found = "DEFAULT" if weights == DOWNLOAD else None
    try:
        net = torchvision.models.get_model(name, weights=found)
    except OSError as error:
        raise ResourceError(
            "the backbone's weights can't be downloaded",
            value=str(error),
            remedy="give a local file with --weights, or --weights none",
        ) from error
    if weights not in ("none", DOWNLOAD):
        _load(net, Path(weights))
    return net


class Backbone(nn.Module):
    """A residual network, up to stride 32 or a finer one.

    Attributes:
        channels: of the maps that it gives, by stride.
    """

    def __init__(self, name: str, weights: str, coarsest: int = 32) -> None:
        super().__init__()
        net = residual_network(name, weights)
        self.stem = nn.Sequential(net.conv1, net.bn1, net.relu)
        self.pool = net.maxpool
        layers = [net.layer1, net.layer2, net.layer3, net.layer4]
        self.layers = nn.ModuleList(layers[: coarsest.bit_length() - 2])
        wide = net.fc.in_features
        channels = {2: net.conv1.out_channels, 4: wide // 8, 8: wide // 4, 16: wide // 2, 32: wide}
        self.channels: Mapping[int, int] = {s: c for s, c in channels.items() if s <= coarsest}

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Return the maps by stride."""
        maps = {2: self.stem(images)}
        x = self.pool(maps[2])
        for number, layer in enumerate(self.layers):
            x = layer(x)
            maps[4 * 2**number] = x
        return maps


def _load(net: nn.Module, path: Path) -> None:
    try:
        state = load_weights(path)
    except FileNotFoundError as error:
        raise InputError("no such file of weights", where=Where(str(path))) from error
    except Exception as error:
        raise InputError(
            "not a file of weights that torch can read safely",
            where=Where(str(path)),
            value=first_line(error),
            remedy="give a state_dict that was saved with torch.save",
        ) from error
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    try:
        missing = net.load_state_dict(state, strict=False).missing_keys
    except (RuntimeError, TypeError, AttributeError) as error:
        raise InputError(
            "the weights are of another network", where=Where(str(path)), value=first_line(error)
        ) from error
    lacking = [key for key in missing if not key.startswith("fc.")]
    if lacking:
        raise InputError(
            f"the file lacks {len(lacking)} of the backbone's weights",
            where=Where(str(path), field=lacking[0]),
            remedy="give weights of the same --backbone",
        )


def convolution(into: int, out: int) -> nn.Sequential:
    """Return a 3 x 3 convolution with batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(into, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)
    )


class Neck(nn.Module):
    """Adds maps from coarse to fine, as feature pyramids do, and returns only the finest.

    Upsampling is nearest: it repeats itself bit for bit on GPUs too, and ONNX has it.
    """

    def __init__(self, channels: Mapping[int, int], stride: int, out: int) -> None:
        super().__init__()
        self.strides = [one for one in sorted(channels, reverse=True) if one >= stride]
        self.lateral = nn.ModuleList([nn.Conv2d(channels[one], out, 1) for one in self.strides])
        self.smooth = convolution(out, out)

    def forward(self, maps: Mapping[int, Tensor]) -> Tensor:
        """Return the map at the finest stride."""
        x = self.lateral[0](maps[self.strides[0]])
        for stride, lateral in zip(self.strides[1:], list(self.lateral)[1:], strict=True):
            x = interpolate(x, scale_factor=2.0, mode="nearest") + lateral(maps[stride])
        smooth: Tensor = self.smooth(x)
        return smooth
