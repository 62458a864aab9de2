"""What checks share: values that occur twice, and files that change meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from gtahead.arrays import Ints
from gtahead.errors import Where
from gtahead.findings import Findings


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
