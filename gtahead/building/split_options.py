"""How a dataset is to be split: as given, designed, by shares, or by a file of names."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gtahead import schemas
from gtahead.annotation import parse_shares
from gtahead.errors import InputError, UsageError, Where
from gtahead.ingest.exports import listing_text
from gtahead.tables.splits import SPLITS_BY_WORD

UNITS = ("sequence", "image")
WAYS = ("auto", "given", "designed")
SPLIT_KEYS = ("split", "split_by")
"""Of a build's options in the manifest: those that no sequence depends on."""


@dataclass(frozen=True)
class SplitOptions:
    """How a dataset is split.

    Attributes:
        how: as the manifest names it: `auto`: given splits are kept, the rest is designed; `given`:
            all must be given; `designed`; shares as `70:10:20`; or `file:` and a hash of its names.
        by: `sequence` or `image`; None for what suits the data.
        shares: targets of designed splits, by split; None for the usual ones.
        names: in a file: the split of each frame id or sequence.
        file: its path, for messages; the manifest doesn't name it.
    """

    how: str = "auto"
    by: str | None = None
    shares: Mapping[str, float] | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None

    @classmethod
    def parse(cls, text: str, by: str | None = None) -> SplitOptions:
        """Read what a user gave: one of `WAYS`, shares, or the path of a file.

        Raises:
            UsageError: none of these, or an unknown unit.
            InputError: a file that can't be read.
        """
        if by not in (None, *UNITS):
            raise UsageError("unknown value of --split-by", value=by, remedy="sequence or image")
        if text in WAYS:
            return cls(text, by)
        if text and Path(text).is_file():
            names = _names_in(Path(text))
            digest = hashlib.sha256(repr(sorted(names.items())).encode()).hexdigest()
            return cls(f"file:{digest[:16]}", by, names=names, file=text)
        if set(text) <= set("0123456789.:") and ":" in text:
            return cls(text, by, parse_shares(text))
        raise UsageError(
            "--split is neither a way to split nor a file that is there",
            value=text,
            remedy="given, designed, shares as 70:10:20, or a file of names and splits",
        )

    @property
    def is_design(self) -> bool:
        """Whether splits that are given don't count."""
        return self.shares is not None or self.how == "designed"

    def as_dict(self) -> dict[str, str]:
        """Return what was given, by the names that a manifest uses."""
        given = {} if self.how == "auto" else {"split": self.how}
        return given if self.by is None else {**given, "split_by": self.by}


def _names_in(path: Path) -> dict[str, str]:
    """Read the splits of frames and sequences: JSON by split, or CSV with a name and its split.

    Raises:
        InputError: something else, or a name that has two splits.
    """
    text = listing_text(path, path.parent)
    pairs = _in_json(text, path) if path.suffix.lower() == ".json" else _in_csv(text, path)
    named: dict[str, str] = {}
    for name, word, field_ in pairs:
        where = Where(str(path), field=field_)
        split = SPLITS_BY_WORD.get(word.lower())
        if split is None:
            remedy = "train, validation or test"
            raise InputError("no such split", where=where, value=word, remedy=remedy)
        if named.setdefault(name, split) != split:
            remedy = "leave one out"
            raise InputError("a name has two splits", where=where, value=name, remedy=remedy)
    if not named:
        remedy = "name each frame, or its sequence, with its split"
        raise InputError("the file names nothing", where=Where(str(path)), remedy=remedy)
    return named


def _in_json(text: str, path: Path) -> Iterator[tuple[str, str, str]]:
    document = schemas.parse_json_once(text.encode(), str(path))
    for word, names in document.items() if isinstance(document, dict) else [("", None)]:
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(
                "not a list of names for each split",
                where=Where(str(path), field=f"/{word}"),
                remedy='such as {"train": ["a/000001"], "validation": [], "test": ["b"]}',
            )
        yield from ((name, word, f"/{word}") for name in names)


def _in_csv(text: str, path: Path) -> Iterator[tuple[str, str, str]]:
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[-1] == "split"):
            continue
        if len(cells) != 2 or not all(cells):
            raise InputError(
                "a line isn't a name and its split",
                where=Where(str(path), field=f"line {number}"),
                value=", ".join(row)[:60],
                remedy="write <sequence>/<frame>,train",
            )
        yield cells[0], cells[1], f"line {number}"
