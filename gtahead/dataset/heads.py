"""The heads of the sequences that were used last, for frames at random."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Columns, Floats, Ints
from gtahead.tables import canonical

CACHE_BYTES = 2**28
"""Heads stay in memory up to so many bytes: 1.7 million heads are 140 MB."""

FRAME_HEADS = ["head_id", "x", "y", *canonical.BOX, *canonical.SIGMA, "visibility", "status"]
"""Columns of heads that frames have."""


@dataclass(frozen=True)
class SequenceHeads:
    """The heads of a sequence, as frames have them."""

    head_ids: Ints
    points_xy: Floats
    boxes_xyxy: Floats
    sigmas_xy: Floats
    visibility: Floats
    codes: npt.NDArray[np.int32]
    words: npt.NDArray[np.object_]
    slices: Mapping[str, slice]

    @classmethod
    def of(cls, columns: Columns) -> SequenceHeads:
        """Take columns as `read_head_codes` gives them."""
        held = cls(
            columns["head_id"],
            np.stack([columns["x"], columns["y"]], axis=1),
            np.stack([columns[name] for name in canonical.BOX], axis=1),
            np.stack([columns[name] for name in canonical.SIGMA], axis=1),
            columns["visibility"],
            columns["status"],
            columns["status_names"],
            _slices(columns["frame_id"], columns["frame_id_names"]),
        )
        for name in ("head_ids", "points_xy", "boxes_xyxy", "sigmas_xy", "visibility"):
            getattr(held, name).setflags(write=False)  # frames share them
        return held

    @property
    def bytes(self) -> int:
        """How much memory they take."""
        parts = (self.head_ids, self.points_xy, self.boxes_xyxy, self.sigmas_xy, self.visibility)
        return sum(part.nbytes for part in parts) + self.codes.nbytes


class HeadsCache:
    """The heads of the sequences that were used last; shared by the parts of one dataset."""

    def __init__(self) -> None:
        self._held: OrderedDict[str, SequenceHeads] = OrderedDict()

    def get(self, sequence: str, read: Callable[[str], SequenceHeads]) -> SequenceHeads:
        """Return a sequence's heads, read where they aren't held."""
        held = self._held.pop(sequence, None)
        if held is None:
            held = read(sequence)
        self._held[sequence] = held
        while len(self._held) > 1 and sum(one.bytes for one in self._held.values()) > CACHE_BYTES:
            self._held.popitem(last=False)
        return held

    def __getstate__(self) -> dict[str, Any]:
        return {"_held": OrderedDict()}  # other processes read what they need


def _slices(codes: npt.NDArray[np.int32], names: npt.NDArray[np.object_]) -> dict[str, slice]:
    """Find each frame's rows in a table of heads sorted by frame."""
    if len(codes) == 0:
        return {}
    starts = np.flatnonzero(np.concatenate([[True], codes[1:] != codes[:-1]]))
    edges = [*map(int, starts), len(codes)]
    return {names[codes[a]]: slice(a, b) for a, b in pairwise(edges)}
