"""The manifest: what a dataset holds and how it was made. It is written last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.errors import REBUILD, InputError, Where

FORMAT = "gtahead-dataset"
VERSION = 1
MANIFEST = storage.OF_DATASETS
WORK = ".build"
"""Folder of a build in progress, inside the dataset."""

ANNOTATING = ".annotate"
"""Folder of new boxes and sigmas in the making, inside the dataset."""


@dataclass(frozen=True)
class Manifest:
    """A manifest, checked against its schema; `document` is the JSON as it stands."""

    document: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """The `labels` fingerprint of the whole dataset."""
        return str(self.document["fingerprint"])

    @property
    def policy(self) -> str:
        """The count policy, as `CountPolicy.parse` reads it."""
        return str(self.document["policy"])

    @property
    def origin(self) -> str:
        """Where the images come from: game, simulated, photographs, mixed or unknown."""
        return str(self.document["origin"])

    @property
    def sequences(self) -> list[str]:
        """Names of all sequences, in order."""
        return [source["sequence"] for source in self.document["sources"]]


def read_manifest(folder: Path) -> Manifest:
    """Read and check a dataset's manifest.

    Raises:
        InputError: no folder, no dataset, an unfinished one, or one of an unknown version.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise InputError(
            "no such folder", where=Where(str(folder)), remedy="give the folder of a dataset"
        )
    if not path.is_file():
        if (folder / ANNOTATING).is_dir():
            raise InputError(
                "an annotation of the dataset was interrupted",
                where=Where(str(folder)),
                remedy="run the same `gtahead annotate` again: it finishes what it began",
            )
        if (folder / WORK).is_dir():
            raise InputError(
                "the dataset isn't finished",
                where=Where(str(folder)),
                remedy="run the same `gtahead build` again: it goes on where it stopped",
            )
        raise InputError(
            "not a gtahead dataset: it has no manifest.json",
            where=Where(str(folder)),
            remedy="make one with `gtahead build`",
        )
    try:
        document = schemas.parse_json(path.read_bytes(), str(path))
    except InputError as error:
        remedy = REBUILD
        raise InputError(error.what, where=error.where, remedy=remedy) from error
    version = document.get("version") if isinstance(document, dict) else None
    if isinstance(document, dict) and document.get("format") == FORMAT and version != VERSION:
        raise InputError(
            "format version is unknown",
            where=Where(str(path), field="version"),
            value=version,
            remedy="known versions: 1; a newer gtahead may read it",
        )
    for pointer, message in schemas.faults(document, "manifest"):
        raise InputError(
            f"breaks the schema: {message}", where=Where(str(path), field=pointer), remedy=REBUILD
        )
    for number, source in enumerate(document["sources"]):
        if not storage.can_name(source["sequence"]):
            raise InputError(
                "a sequence can't be called so",
                where=Where(str(path), field=f"/sources/{number}/sequence"),
                value=source["sequence"],
                remedy=REBUILD,
            )
    return Manifest(document)


def write_manifest(folder: Path, document: Mapping[str, Any]) -> None:
    """Write the manifest, whole or not at all; from here on the folder is a dataset."""
    for pointer, message in schemas.faults(document, "manifest"):
        raise AssertionError(f"the manifest breaks its own schema at {pointer}: {message}")
    storage.write_json(folder / MANIFEST, document)
