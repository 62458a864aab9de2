"""What an upload will be: shards and sizes against the hub's limits, and what will be public."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gtahead.dataset import SPLITS
from gtahead.dataset.hub_tables import shard_facts
from gtahead.errors import Where, as_size
from gtahead.findings import Findings
from gtahead.publishing.facts import LICENCES
from gtahead.publishing.releases import EDITABLE, Release

MOST_FILES = 100_000
MOST_IN_FOLDER = 10_000
MOST_SHARD_BYTES = 5_000_000_000
MOST_GROUP_ROWS = 100
MOST_GROUP_BYTES = 286 * 2**20
MOST_ROW_BYTES = 2_000_000
"""The hub's limits, or what it advises, for repositories, folders and files, and its viewer's for
row groups and rows (https://huggingface.co/docs/hub/storage-limits)."""


@dataclass(frozen=True)
class Shard:
    """One Parquet file that `load_dataset` reads."""

    path: str
    bytes: int
    rows: int
    groups: int
    group_rows: int
    group_bytes: int


@dataclass
class Plan:
    """What is to be uploaded.

    Attributes:
        release: of which.
        files: how many.
        bytes: how large.
        largest_folder: the folder with most entries, and how many.
        shards: what `load_dataset` reads.
        public: what anybody will be able to see, in words.
        findings: what the hub will handle badly.
    """

    release: Release
    files: int
    bytes: int
    largest_folder: tuple[str, int]
    shards: list[Shard]
    public: list[str]
    findings: Findings = field(default_factory=Findings)

    def as_dict(self) -> dict[str, Any]:
        """Give the plan as one JSON object."""
        return {
            "release": str(self.release.folder),
            "repo": self.release.facts.repo,
            "version": self.release.facts.version,
            "files": self.files,
            "bytes": self.bytes,
            "largest_folder": {"path": self.largest_folder[0], "entries": self.largest_folder[1]},
            "shards": [asdict(shard) for shard in self.shards],
            "public": self.public,
            "findings": self.findings.as_dict(),
        }


def plan(release: str | Path = "release") -> Plan:
    """Say what an upload of a release will be; nothing is hashed or sent.

    Raises:
        InputError: no release, or a shard that can't be read.
    """
    opened = Release.open(release)
    names = opened.all_files()
    texts = sum((opened.folder / name).stat().st_size for name in names if name in EDITABLE)
    shards = [
        Shard(one.path, one.bytes, facts.rows, facts.groups, facts.group_rows, facts.group_bytes)
        for one in (*opened.shards, *opened.label_shards)
        for facts in [shard_facts(opened.folder / one.path, one.path)]
    ]
    found = Plan(
        opened,
        len(names),
        texts + sum(one.bytes for one in opened.files),
        _largest_folder(names),
        shards,
        _public(opened),
    )
    _check(found)
    return found


def _largest_folder(names: list[str]) -> tuple[str, int]:
    entries: Counter[str] = Counter()
    seen = set()
    for name in names:
        path = PurePosixPath(name)
        for inner in (path, *path.parents):
            if inner not in seen and inner.name:
                seen.add(inner)
                entries[inner.parent.as_posix()] += 1
    return entries.most_common(1)[0] if entries else (".", 0)


def _check(found: Plan) -> None:
    """Note what is over a limit."""

    def over(what: str, value: int, most: int, place: str, *, size: bool = False) -> None:
        if value > most:
            told = (as_size(value), as_size(most)) if size else (f"{value:,}", f"{most:,}")
            detail = f"{what}: the limit is {told[1]}"
            found.findings.add("over-hub-limit", Where(place), told[0], detail)

    over("files in the repository", found.files, MOST_FILES, str(found.release.folder))
    over("entries in one folder", found.largest_folder[1], MOST_IN_FOLDER, found.largest_folder[0])
    for shard in found.shards:
        over("bytes of a file", shard.bytes, MOST_SHARD_BYTES, shard.path, size=True)
        over("rows of a row group", shard.group_rows, MOST_GROUP_ROWS, shard.path)
        over("bytes of a row group", shard.group_bytes, MOST_GROUP_BYTES, shard.path, size=True)
        if shard.group_rows:
            row = shard.group_bytes // shard.group_rows
            over("bytes of a row, on average", row, MOST_ROW_BYTES, shard.path, size=True)


def _public(release: Release) -> list[str]:
    """Say in words what anybody will see."""
    facts, document = release.facts, release.manifest.document
    statistics = document["statistics"]
    block = document["release"]
    lines = []
    if facts.images == "original":
        rights = facts.rights or "All of them are simulated."
        lines.append(
            f"{block['pictures']:,} pictures ({as_size(block['picture_bytes'])}), as they are. "
            f"{rights}"
        )
    else:
        lines.append("no pictures: their hashes, where they were at hand")
    rows = statistics["splits"]
    labelled = [f"{name} ({rows[name]['heads']:,})" for name in SPLITS if rows[name]["frames"]]
    lines.append(f"labels of {', '.join(labelled)} heads: those of test too")
    lines.append(
        "cameras' positions and angles, weather, hours and places of the game, names of sequences "
        "and of the captures' files"
    )
    lines.append(f"the terms: {LICENCES.get(facts.licence, 'those in LICENSE')}, {facts.creator}")
    return lines
