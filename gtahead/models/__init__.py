"""The bundled detector: a small network that saw simulated crowds alone, and its card.

`heads.onnx` is what `gtahead count` runs, `heads.pt` the same weights as a checkpoint, for `gtahead
predict builtin` and `gtahead train --init builtin`, and `heads.json` what is known of them.
`tools/ship_model.py` writes all three.
"""

from __future__ import annotations

import os
from pathlib import Path

BUILTIN = "builtin"
"""What stands for the bundled detector."""

FOLDER = Path(__file__).parent
ONNX, CHECKPOINT, CARD = (FOLDER / f"heads.{ending}" for ending in ("onnx", "pt", "json"))


def checkpoint_path(given: str | os.PathLike[str]) -> Path:
    """Return the path of a checkpoint, or of the one that ships."""
    return CHECKPOINT if str(given) == BUILTIN else Path(given)
