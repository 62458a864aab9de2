"""What changed between two datasets, and which version the second one is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Booleans, Columns
from gtahead.dataset import Dataset, heads_file
from gtahead.errors import InputError
from gtahead.publishing.facts import parse_version
from gtahead.tables import canonical
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

NAMES_SHOWN = 5

_POINTS = ("x", "y", "status")
_NOT_HEADS = ("frame_id", "head_id", *_POINTS)
_FRAME_FACTS = tuple(
    name
    for name in canonical.FRAMES_V1.names
    if name not in ("file", "source_file", "sha256", "difference_hash", "split")
    and name not in ("num_heads", "num_ignored", "num_absent")
)


@dataclass
class DatasetDifference:
    """The differences between two datasets.

    Attributes:
        old: the first.
        new: the second.
        counts: how many of each kind, such as `frames added` or `heads moved`; none are left out.
        examples: some names of each kind.
        policy: both count policies, where they differ.
        old_version: of the first, where it is known.
    """

    old: Path
    new: Path
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    policy: tuple[str, str] | None = None
    old_version: str | None = None

    def note(self, kind: str, count: int, names: list[str]) -> None:
        """Count what changed, with some names."""
        if count:
            self.counts[kind] += count
            kept = self.examples.setdefault(kind, [])
            kept.extend(names[: NAMES_SHOWN - len(kept)])

    @property
    def level(self) -> str:
        """`major`: data changed or is gone; `minor`: data was added; `patch`: the same data."""
        if self.policy is not None or any(not kind.endswith("added") for kind in self.counts):
            return "major"
        if any(kind in ("frames added", "sequences added", "images added") for kind in self.counts):
            return "minor" if "heads added" not in self.counts else "major"
        return "major" if self.counts else "patch"

    @property
    def next_version(self) -> str | None:
        """What the second one's version should be; None where the first one's isn't known."""
        if self.old_version is None:
            return None
        major, minor, patch = parse_version(self.old_version)
        if self.level == "major":
            return f"{major + 1}.0.0"
        return f"{major}.{minor + 1}.0" if self.level == "minor" else f"{major}.{minor}.{patch + 1}"

    @property
    def changes(self) -> str:
        """What changed, in a sentence, as for a changelog."""
        parts = [f"{count:,} {kind}" for kind, count in self.counts.items()]
        if self.policy is not None:
            parts.append(f"count policy {self.policy[0]} is now {self.policy[1]}")
        return "; ".join(parts) + "." if parts else "The same data, packed anew."

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as one JSON object."""
        return {
            "old": str(self.old),
            "new": str(self.new),
            "counts": dict(self.counts),
            "examples": self.examples,
            "policy": None if self.policy is None else list(self.policy),
            "level": self.level,
            "old_version": self.old_version,
            "next_version": self.next_version,
            "changes": self.changes,
        }


@resolve_urls(reads=["old", "new"], labels=["old", "new"])
def diff(old: StrPath, new: StrPath) -> DatasetDifference:
    """Compare two datasets or releases.

    Sequences whose fingerprints are equal aren't read.

    Raises:
        InputError: no dataset, or a damaged one.
    """
    first, second = Dataset.open(old), Dataset.open(new)
    found = DatasetDifference(Path(old), Path(new))
    document, other = first.manifest.document, second.manifest.document
    for block in (document.get("release"), document.get("pulled_from")):
        if block is not None:
            found.old_version = found.old_version or str(block["version"])
    had, has = _images(first), _images(second)
    if not (had and has):  # labels alone, and with their images
        found.note("images added", has, [])
        found.note("images removed", had, [])
    if document["policy"] != other["policy"]:
        found.policy = (document["policy"], other["policy"])
    _compare_sequences(first, second, found)
    return found


def _images(opened: Dataset) -> int:
    """Count the images that come with a dataset, or with a release."""
    document = opened.manifest.document
    release = document.get("release")
    return int(release["num_images"] if release else document["statistics"]["images"])


def _digests(opened: Dataset) -> dict[str, dict[str, str]]:
    return {
        source["sequence"]: source["digests"]
        for source in opened.manifest.document["sources"]
        if source["kept"]
    }


def _compare_sequences(first: Dataset, second: Dataset, found: DatasetDifference) -> None:
    one, two = set(first.sequences), set(second.sequences)
    known, now = _digests(first), _digests(second)
    counts = {
        name: part.frames(["sequence", "num_heads"])
        for name, part in (("old", first), ("new", second))
    }

    def held(name: str, sequences: set[str]) -> tuple[int, int]:
        rows = zip(*counts[name].values(), strict=True)
        mine = [heads for sequence, heads in rows if sequence in sequences]
        return len(mine), sum(mine)

    for kind, name, sequences in (("removed", "old", one - two), ("added", "new", two - one)):
        frames, _ = held(name, sequences)
        found.note(f"sequences {kind}", len(sequences), sorted(sequences))
        found.note(f"frames {kind}", frames, [])
    for sequence in sorted(one & two):
        mine, its = known.get(sequence), now.get(sequence)
        _compare_frames(first, second, sequence, found, same=mine == its and mine is not None)


def _rows(opened: Dataset, sequence: str) -> dict[str, dict[str, Any]]:
    part = opened.select(sequences=[sequence])
    columns = part.frames()
    names = list(columns)
    return {
        values[0]: dict(zip(names, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    }


def _compare_frames(
    first: Dataset, second: Dataset, sequence: str, found: DatasetDifference, *, same: bool
) -> None:
    old, new = _rows(first, sequence), _rows(second, sequence)
    both = [frame_id for frame_id in old if frame_id in new]
    removed = [frame_id for frame_id in old if frame_id not in new]
    added = [frame_id for frame_id in new if frame_id not in old]
    found.note("frames removed", len(removed), removed)
    found.note("frames added", len(added), added)
    moved = [name for name in both if old[name]["split"] != new[name]["split"]]
    found.note("frames in another split", len(moved), moved)
    images = [
        name
        for name in both
        if old[name]["sha256"] != new[name]["sha256"] and old[name]["sha256"] is not None
    ]
    found.note("images changed", len(images), images)
    if same:
        return
    changed = [name for name in both if any(old[name][k] != new[name][k] for k in _FRAME_FACTS)]
    found.note("frames whose facts changed", len(changed), changed)
    _compare_heads(first, second, sequence, set(both), found)


def _read(opened: Dataset, sequence: str) -> tuple[Columns, npt.NDArray[np.object_]]:
    path = opened.folder / heads_file(sequence)
    heads = canonical.read_heads(path, str(path))
    keys = np.array(
        [f"{f} {h}" for f, h in zip(heads["frame_id"], heads["head_id"], strict=True)], object
    )
    return heads, keys


def _compare_heads(
    first: Dataset, second: Dataset, sequence: str, frames: set[str], found: DatasetDifference
) -> None:
    old, old_keys = _read(first, sequence)
    new, new_keys = _read(second, sequence)
    if len(set(old_keys)) != len(old_keys) or len(set(new_keys)) != len(new_keys):
        raise InputError(
            f"sequence {sequence} has a head twice in a frame",
            remedy="`gtahead validate` says where",
        )
    position = {key: row for row, key in enumerate(new_keys)}
    common = [(row, position[key]) for row, key in enumerate(old_keys) if key in position]
    there = {key for key in old_keys if key in position}
    gone = [k for k in old_keys if k not in position and k.rpartition(" ")[0] in frames]
    came = [k for k in new_keys if k not in there and k.rpartition(" ")[0] in frames]
    found.note("heads removed", len(gone), gone)
    found.note("heads added", len(came), came)
    rows = np.array(common, np.int64).reshape(-1, 2)
    a, b = rows[:, 0], rows[:, 1]

    def differ(names: tuple[str, ...]) -> Booleans:
        changed = np.zeros(len(rows), np.bool_)
        for name in names:
            one, two = old[name][a], new[name][b]
            unequal = np.asarray(one != two, np.bool_)
            if one.dtype.kind == "f":
                unequal &= ~(np.isnan(one) & np.isnan(two))
            changed |= unequal
        return changed

    kinds = {
        "heads moved": ("x", "y"),
        "heads that count otherwise": ("status",),
        "heads with another box": canonical.BOX,
        "heads with another sigma": canonical.SIGMA,
        "heads otherwise changed": tuple(
            name
            for name in canonical.HEADS_V1.names
            if name not in (*_NOT_HEADS, *canonical.BOX, *canonical.SIGMA)
        ),
    }
    for kind, names in kinds.items():
        changed = np.flatnonzero(differ(names))
        found.note(kind, len(changed), [str(old_keys[a[row]]) for row in changed[:NAMES_SHOWN]])
