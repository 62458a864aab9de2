"""The figures that benches report, for a table of all of them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

LOG = "GTAHEAD_FIGURES"
"""Names the file that figures are appended to, one JSON object a line."""


@dataclass(frozen=True)
class Figure:
    """One measurement, where it has one beside what it is compared with.

    Attributes:
        what: was measured.
        ours: the figure; less is better.
        unit: s (CPU), ms (CPU) or MiB.
        peer: what the same work costs otherwise, in words.
        theirs: its figure.
        goal: in words, as the bench has it.
    """

    what: str
    ours: float
    unit: str
    peer: str = ""
    theirs: float | None = None
    goal: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over theirs; less is better."""
        return self.ours / self.theirs if self.theirs else None


def tell(figure: Figure) -> None:
    """Append a figure to the log, where there is one."""
    log = os.environ.get(LOG)
    if log:
        with Path(log).open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(figure)) + "\n")


def read(log: Path) -> list[Figure]:
    """Return what was reported."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [Figure(**json.loads(line)) for line in lines]
