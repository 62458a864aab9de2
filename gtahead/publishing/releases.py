"""A release on disk: a dataset of labels, with what a hub needs beside it.

The folder is a dataset that `Dataset.open` reads (its images, if any, lie in the shards under
`data/`), and what `datasets.load_dataset` reads. Its manifest has a block `release`: the
publisher's facts, and size and sha256 of every file that isn't there to be edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.arrays import Progress
from gtahead.dataset import FRAMES, MANIFEST, Dataset, Manifest, read_manifest
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.publishing.facts import Facts
from gtahead.storage import system, targets
from gtahead.values import StrPath

CARD = "README.md"
CROISSANT = "croissant.json"
LICENSE = "LICENSE"
HASHES = "image-hashes.csv"
"""sha256 and difference hash of each frame's image, where the images themselves aren't in."""

SAMPLE = "sample.jpg"
"""A frame with its boxes, for the card; only where images are published."""

HASH_CELLS = 16
"""Rows of cells of the difference hash in it: 256 bits, so that neighbours can be distinguished."""

EDITABLE = frozenset({CARD, CROISSANT, LICENSE, MANIFEST})
"""Files of a release that aren't in its list: people edit the first three, the last is the list."""

SHARDS = "data"
LABELS = "annotations"


@dataclass(frozen=True)
class Listed:
    """A file of a release, by its path from the folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, repr=False)
class Release:
    """A release on disk; its manifest was read, its files weren't checked."""

    folder: Path
    manifest: Manifest
    facts: Facts
    files: tuple[Listed, ...]

    def __repr__(self) -> str:
        facts = self.facts
        return f"Release({str(self.folder)!r}: {facts.version} of {facts.repo})"

    @classmethod
    def open(cls, folder: StrPath) -> Release:
        """Open a release.

        Raises:
            InputError: no release, or one whose manifest is damaged.
        """
        path = Path(folder)
        manifest = read_manifest(path)
        block = manifest.document.get("release")
        if block is None:
            raise InputError(
                "a dataset, not a release",
                where=Where(str(path)),
                remedy="stage it first: gtahead publish stage",
            )
        files = tuple(Listed(**one) for one in block["files"])
        if len({one.path for one in files}) < len(files):
            raise InputError(
                "a file is listed twice",
                where=Where(str(path / MANIFEST), field="/release/files"),
                remedy="it was tampered with: get it again",
            )
        for one in files:
            if not storage.is_safe_relative(one.path):
                raise InputError(
                    "a listed path points outside the release",
                    where=Where(str(path / MANIFEST), field="/release/files"),
                    value=one.path,
                    remedy="it was tampered with: get it again",
                )
        return cls(path, manifest, Facts.from_dict(block, str(path / MANIFEST)), files)

    @property
    def dataset(self) -> Dataset:
        """The release's labels, as a dataset.

        Raises:
            InputError: they are damaged.
        """
        return Dataset.open(self.folder)

    @property
    def shards(self) -> list[Listed]:
        """Files with images."""
        return [one for one in self.files if one.path.startswith(f"{SHARDS}/")]

    @property
    def label_shards(self) -> list[Listed]:
        """Files for `load_dataset` with labels alone."""
        return [one for one in self.files if one.path.startswith(f"{LABELS}/")]

    @property
    def num_images(self) -> int:
        """How many images are in the shards."""
        return int(self.manifest.document["release"]["num_images"])

    def all_files(self) -> list[str]:
        """Return the paths of all files that belong to it, in order."""
        there = [name for name in sorted(EDITABLE) if (self.folder / name).is_file()]
        return sorted([*there, *(one.path for one in self.files)])


def is_release(folder: Path) -> bool:
    """Return whether the folder holds a gtahead release, whatever its state."""
    try:
        return read_manifest(folder).document.get("release") is not None
    except InputError:
        return False


def files_below(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, in order, but for locks and unfinished files.

    The hub client's own notes (`.cache`) and git's aren't part of a dataset either.
    """
    for path in system.in_order(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        first = name.partition("/")[0]
        if first in (".cache", ".git", ".gitattributes", targets.LOCK):
            continue
        if first.startswith(storage.ASIDE) or not (path.is_file() or path.is_symlink()):
            continue
        yield name


def check_files(release: Release, findings: Findings, on_progress: Progress | None = None) -> int:
    """Check a release's files against its list.

    Returns:
        Bytes that were hashed.
    """
    show = on_progress or (lambda done, total, name: None)
    show(0, len(release.files), "")
    total = 0
    for done, one in enumerate(release.files, 1):
        path = release.folder / one.path
        if not is_file(path):
            findings.add("file-missing", Where(one.path))
        elif path.stat().st_size != one.bytes:
            detail = f"{path.stat().st_size:,} bytes, {one.bytes:,} are listed"
            findings.add("file-changed", Where(one.path), detail=detail)
        else:
            digest = storage.sha256_of(path)
            total += one.bytes
            if digest != one.sha256:
                findings.add("file-changed", Where(one.path), detail=f"sha256 {digest[:12]}…")
        show(done, len(release.files), one.path)
    for name in (CARD, CROISSANT, LICENSE):
        if not (release.folder / name).is_file():
            findings.add("file-missing", Where(name))
    known = {*EDITABLE, *(one.path for one in release.files)}
    for name in files_below(release.folder):
        if name not in known:
            findings.add("unlisted-file", Where(name))
    return total


def is_file(path: Path) -> bool:
    """Return whether a file is there; False for a name that no file can have."""
    try:
        return path.is_file()
    except OSError:
        return False


def listed(folder: Path) -> list[Listed]:
    """List and hash the files of a release in the making."""
    return [
        Listed(name, (folder / name).stat().st_size, storage.sha256_of(folder / name))
        for name in files_below(folder)
        if name not in EDITABLE
    ]


def file_of_frame(sequence: str, frame: str, extension: str) -> str:
    """Name a frame's image inside a dataset."""
    return f"images/{sequence}/{frame}{extension}"


def files_of(dataset: Dataset) -> set[str]:
    """Return the paths of a dataset's own files."""
    images = (file for file in dataset.frames(["file"])["file"] if file is not None)
    return {MANIFEST, *dataset.manifest.document["tables"], *images}


def with_images(document: Mapping[str, Any], frames: Path, count: int, size: int) -> dict[str, Any]:
    """Return the manifest of the same labels with other images, or without images.

    The block `release` of a release becomes the block `pulled_from`.

    Args:
        document: the manifest.
        frames: the table of frames, as it is now.
        count: how many images there are.
        size: their bytes.
    """
    new = {key: value for key, value in document.items() if key != "release"}
    if "release" in document:
        block = document["release"]
        new["pulled_from"] = {key: value for key, value in block.items() if key != "files"}
    return {
        **new,
        "options": {**document["options"], "images": "kept" if count else "none"},
        "statistics": {**document["statistics"], "images": count, "image_bytes": size},
        "tables": {
            **document["tables"],
            FRAMES: {**document["tables"][FRAMES], "sha256": storage.sha256_of(frames)},
        },
    }
