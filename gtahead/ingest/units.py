"""Whether a sequence's labels are in pixels, as far as they show it themselves."""

from __future__ import annotations

import numpy as np

from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.ingest.model import CapturedSequence, SequenceSource
from gtahead.plausibility import FEW, Positions, note_odd_units
from gtahead.tables.canonical import CAPTURED


def check_units(captured: CapturedSequence, source: SequenceSource, findings: Findings) -> None:
    """Note labels that look like shares, corners for sizes, or swapped or resized coordinates.

    Args:
        captured: the sequence, as read.
        source: where it was read from.
        findings: takes the hints; they are warnings.
    """
    heads = captured.heads
    sizes = np.array(captured.sizes_wh, np.int64).reshape(-1, 2)
    sizes[sorted(captured.guessed_sizes)] = 0  # unknown: they reach as far as the heads do
    points = np.stack([heads["x"], heads["y"]], axis=1)
    boxes = np.empty((len(points), 4))
    boxes[:] = np.nan
    if CAPTURED[0] in heads:
        boxes = np.stack([heads[name] for name in CAPTURED], axis=1)
    of = np.asarray(heads["frame_index"], np.int64)
    file = None if source.path == "." else source.path
    note_odd_units(
        Positions(points, sizes, of),
        Positions(boxes, sizes, of),
        findings,
        Where(file, captured.name),
        least=FEW,
    )
