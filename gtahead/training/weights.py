"""Files of weights that others may have made, read without running what is in them."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from gtahead import storage


def load_weights(path: Path) -> Any:  # noqa: ANN401 - whatever tensors and plain values are there
    """Read a file of `torch.save`: tensors and plain values, never code.

    Raises:
        ValueError: empty, something else, or packed: torch doesn't pack, and what is packed may be
            a bomb.
        Exception: whatever torch raises of damaged files.
    """
    if not storage.require_regular(path):
        raise ValueError("the file is empty")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise ValueError("its entries are compressed, which torch doesn't do")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # whose text advises to load it unsafely
        raise ValueError("it holds no tensors and plain values alone") from error
