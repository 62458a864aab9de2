"""What checks share: many findings of one code from a mask, and files that change meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Ints
from gtahead.errors import Where
from gtahead.findings import EXAMPLES_KEPT, Finding, Findings


def note_rows(
    findings: Findings, code: str, bad: npt.NDArray[Any], tell: Callable[[int], Finding]
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


@contextmanager
def watched(files: Mapping[str, Path], findings: Findings) -> Iterator[None]:
    """Note files that change while they are read: findings then match neither state.

    Args:
        files: by their names in findings.
        findings: takes what is found.
    """
    before = {name: _state(path) for name, path in files.items()}
    yield
    for name, path in files.items():
        if _state(path) != before[name]:
            findings.add("changed-meanwhile", Where(name))


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        reported = path.stat()
    except OSError:
        return None
    return reported.st_ino, reported.st_size, reported.st_mtime_ns


def repeated(values: Ints) -> tuple[Ints, Ints]:
    """Find values that occurred before.

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
    position = np.argsort(rows, kind="stable")
    return rows[position], firsts[again][position]
