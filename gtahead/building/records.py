"""Records of finished sequences: what each adds to the dataset, and where its parts are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gtahead.dataset import WORK
from gtahead.findings import Findings, Ledger

OPTIONS = "options.json"
"""File in the work folder that holds the options of the build in progress."""

RECORDS, FRAMES_PARTS, BEGUN = "records", "frames", "begun"
"""Folders in the work folder: a file per sequence in each."""


@dataclass
class SequenceRecord:
    """What one finished sequence adds to the dataset; stored as JSON beside its table of frames.

    Attributes:
        kept: False where the sequence was set aside whole.
        split: that the whole sequence is given, if any.
        splits: by frame id, where its frames are given several.
        visibility: where it is known from: measured, flags, unknown; empty without heads.
    """

    sequence: str
    inputs: str
    kept: bool = False
    origin: str = "unknown"
    made: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    findings: Findings = field(default_factory=Findings)
    digests: dict[str, str] = field(default_factory=dict)
    table: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    box_sources: dict[str, int] = field(default_factory=dict)
    visibility: list[str] = field(default_factory=list)
    split: str | None = None
    splits: dict[str, str] = field(default_factory=dict)
    images: int = 0
    image_bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the record as JSON-ready values."""
        row = dict(self.__dict__)
        row["ledger"] = self.ledger.as_dict()
        row["findings"] = self.findings.as_dict()
        return row

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> SequenceRecord:
        """Restore what `as_dict` returned."""
        ledger, findings = Ledger.from_dict(row["ledger"]), Findings.from_dict(row["findings"])
        return cls(**{**row, "ledger": ledger, "findings": findings})


def record_path(target: Path, sequence: str) -> Path:
    """Return the path of a finished sequence's record."""
    return target / WORK / RECORDS / f"{sequence}.json"


def frames_path(target: Path, sequence: str) -> Path:
    """Return the path of a finished sequence's part of the table of frames."""
    return target / WORK / FRAMES_PARTS / f"{sequence}.parquet"


def images_folder(target: Path, sequence: str) -> Path:
    """Return the folder of a sequence's images."""
    return target / "images" / sequence


def read_record(path: Path) -> SequenceRecord | None:
    """Read a record; None if it is missing or unreadable, so that its unit runs again."""
    try:
        return SequenceRecord.from_dict(orjson.loads(path.read_bytes()))
    except (OSError, KeyError, TypeError, ValueError, AttributeError):
        return None
