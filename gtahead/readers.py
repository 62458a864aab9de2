"""What `gtahead build` reads: captures of games, and datasets in the formats that people use."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

from gtahead import storage
from gtahead.captures import BY_NAME, CAPTURES, Headless, explain
from gtahead.captures.native import SEQUENCE, without_description
from gtahead.errors import InputError, UsageError, Where
from gtahead.formats import FORMATS
from gtahead.ingest.exports import exported_as
from gtahead.ingest.model import Reader
from gtahead.plugins import Registry

CAPTURE_READERS = Registry(lambda: CAPTURES, Reader, "gtahead.readers")

FORMAT_READERS = Registry(
    lambda: {name: one.reader for name, one in FORMATS.items() if one.reader is not None}, Reader
)


class _Readers(Mapping[str, Reader]):
    """Captures' readers, then formats': these are loaded only if one of them is asked for."""

    def __getitem__(self, name: str) -> Reader:
        return (CAPTURE_READERS if name in CAPTURE_READERS else FORMAT_READERS)[name]

    def __iter__(self) -> Iterator[str]:
        return chain(CAPTURE_READERS, FORMAT_READERS)

    def __len__(self) -> int:
        return len(CAPTURE_READERS) + len(FORMAT_READERS)


READERS: Mapping[str, Reader] = _Readers()
"""Readers by the name that `--from` takes."""


def choose_reader(root: Path, wanted: str = "auto") -> tuple[Reader, str]:
    """Find the reader of a capture.

    Args:
        root: the capture's folder.
        wanted: a name in `READERS`, or "auto".

    Returns:
        The reader, and why it fits, in words.

    Raises:
        InputError: no such folder, an empty one, or no capture or dataset that gtahead knows.
        UsageError: an unknown reader, or a folder that several readers claim.
    """
    location = Where(str(root))
    wanted = wanted if wanted in READERS else wanted.lower()
    if wanted in BY_NAME:
        raise _refusal(BY_NAME[wanted], location)
    if wanted != "auto" and wanted not in READERS:
        close = difflib.get_close_matches(wanted, READERS, n=1)
        remedy = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            "unknown kind of capture or format", value=wanted, remedy=f"{remedy}one of {_listed()}"
        )
    if not root.is_dir():
        what = "not a folder" if root.exists() else "no such folder"
        remedy = "give the folder that holds the captures, or labels and images"
        raise InputError(what, where=location, remedy=remedy)
    if not any(root.iterdir()):
        raise InputError(
            "the folder is empty",
            where=location,
            remedy="give the folder that holds the captures, or make some: gtahead simulate",
        )
    claims = _claims(root, CAPTURE_READERS) if wanted == "auto" else {}
    if (
        not claims and wanted not in CAPTURE_READERS
    ):  # captures' readers look at each file themselves
        special = storage.special_file_in(root)
        if special is not None:
            raise InputError(
                "the folder holds a pipe or a device: reading it would never end",
                where=location,
                value=special.relative_to(root).as_posix(),
                remedy="remove it",
            )
    if wanted != "auto":
        reason = READERS[wanted].recognise(root)
        if reason is None:
            raise InputError(
                f"not what --from {wanted} reads: {READERS[wanted].title}",
                where=location,
                remedy="try --from auto, or see docs/captures.md",
            )
        return READERS[wanted], reason
    claims = claims or _claims(root, FORMAT_READERS)
    if not claims and (half := without_description(root)) is not None:
        raise InputError(
            f"a table of heads without {SEQUENCE}, which says the images' size, and the camera",
            where=Where(str(half)),
            remedy=f"write {SEQUENCE} beside it: `gtahead schema show capture-sequence`; or list "
            "points as CSV with the columns file, x, y",
        )
    if not claims and (found := explain(root)) is not None:
        raise _refusal(found[0], location, found[1])
    if not claims and (export := exported_as(root)) is not None:
        known = "maps can't be read back" if export in FORMATS else "this gtahead doesn't know it"
        raise InputError(
            f"an export as {export}: {known}",
            where=location,
            remedy="give the dataset that it was made from, or an export as another format",
        )
    if not claims:
        raise InputError(
            "not a capture or dataset that gtahead knows",
            where=location,
            remedy=f"known kinds: {', '.join(CAPTURE_READERS)}, and what `gtahead formats` says is "
            "read; see docs/captures.md",
        )
    if len(claims) > 1:
        reasons = ", ".join(f"{name} ({reason})" for name, reason in claims.items())
        raise UsageError(
            f"several readers claim the folder: {reasons}",
            where=location,
            remedy="choose one with --from",
        )
    name, reason = next(iter(claims.items()))
    return READERS[name], reason


def _claims(root: Path, readers: Mapping[str, Reader]) -> dict[str, str]:
    """Ask readers whether a folder is theirs: name and reason of those that say so."""
    return {name: reason for name, r in readers.items() if (reason := r.recognise(root))}


def _refusal(kind: Headless, location: Where, seen: str | None = None) -> InputError:
    looks = f"looks like {kind.title}" if kind.name else kind.title
    what = kind.title if seen is None else f"{looks} ({seen})"
    return InputError(f"{what}: {kind.missing}", where=location, remedy=kind.remedy)


def _listed() -> str:
    return ", ".join(["auto", *READERS])
