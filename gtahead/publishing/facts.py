"""What a publisher says about a release: name, terms, rights. The rest follows from the dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

from gtahead.errors import InputError, UsageError, Where

HUB = "https://huggingface.co"

LICENCES: Mapping[str, str] = {
    "cc0-1.0": "CC0-1.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc-by-nc-4.0": "CC-BY-NC-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
    "cc-by-nd-4.0": "CC-BY-ND-4.0",
    "cc-by-nc-nd-4.0": "CC-BY-NC-ND-4.0",
    "mit": "MIT",
    "apache-2.0": "Apache-2.0",
    "odbl": "ODbL-1.0",
    "odc-by": "ODC-By-1.0",
    "pddl": "PDDL-1.0",
}
"""The hub's names of licences that datasets have, and SPDX's. Any other is `other`."""

OTHER = "other"

ANNOTATORS = ("expert-generated", "crowdsourced", "machine-generated", "found", "other")
"""The hub's words for who made labels."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

PLACEHOLDERS = re.compile(
    r"\b(?:TODO|FIXME|TBD|XXX)\b|\[VERIFY[^\]]*\]|\blorem ipsum\b|More Information Needed"
    r"|<(?:your|insert|name|owner|fill)[^>]*>|\{\{ .*? \}\}",
    re.IGNORECASE,
)
"""What nobody means to publish."""


@dataclass(frozen=True)
class Facts:
    """What a publisher says about a release.

    Attributes:
        repo: OWNER/NAME on the hub.
        name: as people call the dataset.
        version: MAJOR.MINOR.PATCH. Major: heads or images changed; minor: some were added;
            patch: the same data, packed anew.
        licence: a name in `LICENCES`, or `other`, with the terms in the file LICENSE.
        creator: who answers for it, a person or a group.
        date: of this release, YYYY-MM-DD.
        images: `original`: the images are in it; `none`: labels and hashes alone.
        contact: an address, or None: the hub's discussions.
        rights: what the publisher declared about the images' rights, None where nothing had to
            be: the images are simulated, or aren't in it.
        changes: what is new in this version.
        annotators: who made the labels, one of `ANNOTATORS`.
    """

    repo: str
    name: str
    version: str
    licence: str
    creator: str
    date: str
    images: str
    contact: str | None = None
    rights: str | None = None
    changes: str = "First release."
    annotators: str = "machine-generated"

    def __post_init__(self) -> None:
        check_repo(self.repo)
        parse_version(self.version)
        if self.licence not in (*LICENCES, OTHER):
            import difflib

            close = difflib.get_close_matches(self.licence.lower(), LICENCES, n=1)
            remedy = f"did you mean {close[0]}? " if close else ""
            raise UsageError(
                "unknown licence",
                value=self.licence,
                remedy=f"{remedy}one of {', '.join(LICENCES)}, or `other` with --licence-file",
            )
        try:
            if not _DATE.fullmatch(self.date):
                raise ValueError
            date.fromisoformat(self.date)
        except ValueError as error:
            raise UsageError("not a date", value=self.date, remedy="write YYYY-MM-DD") from error
        if self.annotators not in ANNOTATORS:
            remedy = f"one of {', '.join(ANNOTATORS)}"
            raise UsageError("unknown annotators", value=self.annotators, remedy=remedy)
        for field in ("name", "creator", "contact", "changes"):
            text = getattr(self, field)
            if text is None:
                continue
            if not text.strip() or "\n" in text.strip() or not text.isprintable():
                raise UsageError(f"the {field} must be one line of text", value=text)
            if "<!--" in text:  # so the card marks what is filled in
                raise UsageError(f"the {field} contains a comment mark", value=text)
            found = PLACEHOLDERS.search(text)
            if found:
                raise UsageError(f"the {field} holds a placeholder", value=found.group())

    @property
    def url(self) -> str:
        """The dataset's page."""
        return f"{HUB}/datasets/{self.repo}"

    @property
    def licence_url(self) -> str:
        """The URL of the licence's terms."""
        if self.licence == OTHER:
            return f"{self.url}/blob/main/LICENSE"
        return f"https://spdx.org/licenses/{LICENCES[self.licence]}.html"

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as the manifest holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], file: str) -> Facts:
        """Read the facts of a manifest's `release`.

        Raises:
            InputError: some are missing or wrong.
        """
        names = [field.name for field in fields(cls)]
        known: dict[str, Any] = {name: document.get(name) for name in names}
        try:
            return cls(**known)
        except (UsageError, TypeError, AttributeError) as error:
            raise InputError(
                f"the release's facts are damaged: {error}",
                where=Where(file, field="/release"),
                remedy="stage it again: gtahead publish stage",
            ) from error


def check_repo(repo: str) -> None:
    """Refuse what isn't a dataset's name on the hub.

    Raises:
        UsageError: it isn't.
    """
    owner, _, name = repo.partition("/")
    fine = all(_NAME.fullmatch(part) for part in (owner, name)) and len(repo) <= 96
    if not fine or any(odd in repo for odd in ("--", "..")) or name.endswith((".git", ".ipynb")):
        raise UsageError(
            "not a dataset's name on the hub",
            value=repo,
            remedy="write OWNER/NAME: letters, digits, - _ and ., as in crowd-lab/gta-head",
        )


def parse_version(text: str) -> tuple[int, int, int]:
    """Read MAJOR.MINOR.PATCH.

    Raises:
        UsageError: it isn't that.
    """
    match = _VERSION.fullmatch(text)
    if match is None:
        raise UsageError("not a version", value=text, remedy="write MAJOR.MINOR.PATCH, as in 1.0.0")
    major, minor, patch = map(int, match.groups())
    return major, minor, patch
