"""The count policy: which heads count, which are ignored, which are absent.

It is stored in the manifest and named in every export and score. The tables keep every head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Floats
from gtahead.errors import UsageError
from gtahead.tables.canonical import ABSENT, COUNTED, IGNORED

DEFAULT_THRESHOLD = 0.25


@dataclass(frozen=True)
class CountPolicy:
    """Which heads count.

    Attributes:
        name: "visible", "in-frame" or "all".
        threshold: least visibility of a head that counts; of "visible" only.
    """

    name: str = "visible"
    threshold: float = DEFAULT_THRESHOLD

    @classmethod
    def parse(cls, text: str) -> CountPolicy:
        """Read `visible`, `visible:0.25`, `in-frame` or `all`.

        Raises:
            UsageError: anything else.

        Example:
            >>> str(CountPolicy.parse("visible"))
            'visible:0.25'
        """
        name, _, number = text.partition(":")
        if name in ("in-frame", "all") and not number:
            return cls(name, 0.0)
        if name == "visible":
            try:
                threshold = float(number) if number else DEFAULT_THRESHOLD
            except ValueError:
                threshold = -1.0
            if 0 < threshold <= 1:
                return cls(name, threshold)
        raise UsageError(
            "unknown count policy",
            value=text,
            remedy="use visible, visible:SHARE with a share in (0, 1], in-frame or all",
        )

    def __str__(self) -> str:
        return f"visible:{self.threshold!r}" if self.name == "visible" else self.name

    def status(
        self,
        in_frame: Booleans,
        visibility: Floats | None,
        occluded: npt.NDArray[np.int8] | None,
        ignore: npt.NDArray[np.int8] | None = None,
    ) -> npt.NDArray[np.int8]:
        """Return for every head its status code.

        Args:
            in_frame: (N,) whether the head's centre lies in the image.
            visibility: (N,) visible share in [0, 1], NaN where unknown; or None.
            occluded: (N,) 0, 1, or -1 where unknown; or None. Used where visibility is unknown.
            ignore: (N,) 1 where the capture itself wants a head neither found nor missed; or None.
                Only "all" counts such heads.

        Returns:
            (N,) codes `COUNTED`, `IGNORED`, `ABSENT`. Where neither share nor flag is known, a head
            in the image counts.
        """
        if self.name == "all":
            return np.full(len(in_frame), COUNTED, np.int8)
        status = np.where(in_frame, COUNTED, ABSENT).astype(np.int8)
        if self.name == "visible":
            known = np.zeros(len(in_frame), np.bool_)
            if visibility is not None:
                known = np.isfinite(visibility)
                status[in_frame & (visibility < self.threshold)] = IGNORED
                status[in_frame & (visibility <= 0)] = ABSENT
            if occluded is not None:
                status[in_frame & ~known & (occluded == 1)] = IGNORED
        if ignore is not None:
            status[(status == COUNTED) & (ignore == 1)] = IGNORED
        return status


DENSITY_LEVELS: Mapping[str, float] = {
    "0": 0,
    "1-100": 100,
    "101-500": 500,
    "501-5000": 5000,
    ">5000": inf,
}
"""NWPU-Crowd's levels of a frame's density, and the most heads of each."""


def density_level(heads: int) -> str:
    """Name the density level of a frame.

    Example:
        >>> density_level(340)
        '101-500'
    """
    return next(name for name, most in DENSITY_LEVELS.items() if heads <= most)
