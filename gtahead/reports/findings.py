"""What a check found, as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gtahead.findings import CODES, Findings
from gtahead.reports.examples import examples_of
from gtahead.reports.pages import write_page

if TYPE_CHECKING:
    from gtahead.validation.checking import Validation


def write_findings(target: Path, checked: Validation, found: Findings) -> None:
    """Write the page of a check.

    Raises:
        ResourceError: it can't be written.
    """
    write_page(
        target,
        "findings",
        path=str(checked.path),
        kind=checked.described,
        verdict=checked.verdict,
        checks=checked.checks,
        counts=found.by_severity(),
        found=found,
        codes=CODES,
        shown=examples_of(checked, found),
    )
