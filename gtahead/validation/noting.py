"""What checks share: many findings of one code from a mask, the first of them word for word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.findings import EXAMPLES_KEPT, Finding, Findings


def note_rows(
    findings: Findings,
    code: str,
    bad: npt.NDArray[Any],
    tell: Callable[[int], Finding],
) -> None:
    """Note a finding for each row that is bad.

    Args:
        findings: takes them.
        code: of all of them.
        bad: (N,) flags, or the rows themselves.
        tell: gives the finding of a row; asked for the first ones only.
    """
    rows = np.flatnonzero(bad) if bad.dtype == np.bool_ else bad
    if len(rows):
        examples = (tell(int(row)) for row in rows[:EXAMPLES_KEPT])
        findings.add_many(code, len(rows), examples)


def repeated(values: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find values that were there before.

    Returns:
        Their rows, in order, and the row of the first of each.
    """
    nothing = np.empty(0, np.int64)
    if len(values) < 2 or (np.diff(values) > 0).all():  # as ids nearly always stand
        return nothing, nothing
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    again = np.concatenate([[False], ordered[1:] == ordered[:-1]])
    starts = np.flatnonzero(~again)
    firsts = order[starts[np.cumsum(~again) - 1]]
    rows = order[again]
    place = np.argsort(rows, kind="stable")
    return rows[place], firsts[again][place]
