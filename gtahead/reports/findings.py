"""What a check found, as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gtahead.findings import CODES, Findings
from gtahead.reports.pages import write_page

if TYPE_CHECKING:
    from gtahead.validation.checking import Validation


def write_findings(target: Path, checked: Validation, found: Findings) -> None:
    """Write the page of a check.

    Raises:
        ResourceError: it can't be written.
    """
    path, described = str(checked.path), checked.described
    write_page(target, "findings", path=path, described=described, found=found, codes=CODES)
