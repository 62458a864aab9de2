"""Codes of findings: what each says, its cause and its remedy, as `codes.toml` lists them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Code:
    """One kind of finding.

    Attributes:
        severity: how bad it is.
        sets_aside: "head", "frame" or "sequence" where the finding removes one, else None.
        what: the fault in words, as the message begins.
        cause: what usually brings it about, for `validate --explain` and the findings page.
        remedy: the way out, as the message ends.
    """

    severity: Severity
    sets_aside: str | None
    what: str
    cause: str
    remedy: str


def _read() -> dict[str, Code]:
    text = Path(__file__).with_name("codes.toml").read_text(encoding="utf-8")
    return {
        name: Code(Severity(entry.pop("severity")), entry.pop("sets_aside", None), **entry)
        for name, entry in tomllib.loads(text).items()
    }


CODES: Mapping[str, Code] = _read()
"""Every code, in the order in which findings are listed."""
