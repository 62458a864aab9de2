"""Is a release fit to be published? Files, labels, images, card, Croissant, and how it loads."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from gtahead import storage
from gtahead.arrays import Progress
from gtahead.dataset import FRAMES, SPLITS, Dataset, read_manifest
from gtahead.errors import InputError, Where, as_size, require
from gtahead.findings import Findings
from gtahead.publishing import cards, croissant
from gtahead.publishing.facts import LICENCES
from gtahead.publishing.loadable import check_loading, check_records
from gtahead.publishing.releases import (
    CARD,
    CROISSANT,
    EDITABLE,
    LICENSE,
    Release,
    check_files,
    files_below,
    files_of,
)
from gtahead.tables.hub import each_image, shard_facts
from gtahead.validation.dataset import check_dataset
from gtahead.values import StrPath


@dataclass
class CheckReport:
    """The result of a check.

    Attributes:
        release: what was checked.
        findings: what is wrong.
        loaded: what `datasets` found, by configuration, mode, split; empty where it wasn't asked.
        records: what mlcroissant read first of each record set; empty where it wasn't asked.
        datasets: the version of `datasets`; None where it wasn't asked.
    """

    release: Release
    findings: Findings = field(default_factory=Findings)
    loaded: dict[str, Any] = field(default_factory=dict)
    records: dict[str, list[str]] = field(default_factory=dict)
    datasets: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "release": str(self.release.folder),
            "repo": self.release.facts.repo,
            "version": self.release.facts.version,
            "fingerprint": self.release.manifest.fingerprint,
            "datasets": self.datasets,
            "loaded": self.loaded,
            "records": self.records,
            "findings": self.findings.as_dict(),
        }


def check(
    release: StrPath = "release",
    *,
    load: bool = True,
    python: str | None = None,
    on_progress: Progress | None = None,
) -> CheckReport:
    """Check a release as its users will use it.

    Files against the list, labels against the manifest, images against their hashes, the card,
    `croissant.json`; then `datasets` loads it, plain and streaming, and mlcroissant reads the
    first record of each record set.

    Args:
        release: its folder.
        load: ask `datasets` and mlcroissant too.
        python: another environment's Python, whose `datasets` is to load it.
        on_progress: called at the start and after each file.

    Raises:
        InputError: no release.
        ResourceError: `datasets` or mlcroissant isn't installed, or the disk is full.
    """
    opened = Release.open(release)
    if load:
        require("datasets", "mlcroissant", install="'gtahead[hub]'")
    report = CheckReport(opened)
    findings = report.findings
    check_files(opened, findings, on_progress)
    whole = not any(findings.totals.get(code) for code in ("file-missing", "file-changed"))
    if whole:
        try:
            for _ in check_dataset(opened.dataset, findings):
                pass
            _check_images(opened, findings)
            findings.merge(plan(release).findings)
        except InputError as error:
            findings.add("file-unreadable", error.where or Where(CARD), error.value, error.what)
    _check_licence(opened, findings)
    for location, what in cards.faults(opened):
        findings.add("bad-card", Where(CARD, field=location or None), detail=what)
    broken = False
    for location, what in croissant.faults(opened):
        broken = True
        findings.add("bad-croissant", Where(CROISSANT, field=location or None), detail=what)
    if load and whole:
        report.datasets, report.loaded = check_loading(opened, findings, python)
        if not broken:
            report.records = check_records(opened, findings)
    return report


def _check_licence(release: Release, findings: Findings) -> None:
    path = release.folder / LICENSE
    if not path.is_file():
        return  # that has been noted
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    if not text.strip():
        findings.add("bad-card", Where(LICENSE), detail="it isn't UTF-8 text")


def _check_images(release: Release, findings: Findings) -> None:
    """Check the shards' images against the hashes in the table of frames."""
    if release.facts.images != "original" and not release.shards:
        return
    columns = release.dataset.frames(["sequence", "frame", "sha256"])
    wanted = {(s, f): sha for s, f, sha in zip(*columns.values(), strict=True)}
    seen = 0
    for one in release.shards:
        for sequence, frame, _, data in each_image(release.folder / one.path, one.path):
            where = Where(one.path, sequence, frame)
            expected = wanted.get((sequence, frame))
            seen += data is not None
            if data is not None and hashlib.sha256(data).hexdigest() != expected:
                findings.add("hash-mismatch", where)
    if seen != release.num_images:
        said = f"the manifest says {release.num_images:,}"
        findings.add("count-differs", Where("data", field="images"), f"{seen:,}", said)


@dataclass
class VerifyReport:
    """The result of comparing files with their manifest.

    Attributes:
        path: as given.
        kind: `release` or `dataset`.
        files: how many were hashed.
        bytes: how large they are.
        fingerprint: of the manifest.
        findings: what is missing, changed or too many.
    """

    path: Path
    kind: str
    files: int = 0
    bytes: int = 0
    fingerprint: str = ""
    findings: Findings = field(default_factory=Findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "files": self.files,
            "bytes": self.bytes,
            "fingerprint": self.fingerprint,
            "findings": self.findings.as_dict(),
        }


def verify(path: StrPath = "dataset", *, on_progress: Progress | None = None) -> VerifyReport:
    """Check every file of a dataset or a release against the hashes that its manifest gives.

    Args:
        path: its folder.
        on_progress: called at the start and after each file.

    Raises:
        InputError: neither of the two.
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    if manifest.document.get("release") is not None:
        release = Release.open(folder)
        report = VerifyReport(folder, "release", len(release.files))
        report.bytes = check_files(release, report.findings, on_progress)
    else:
        report = VerifyReport(folder, "dataset")
        _verify_dataset(folder, manifest.document["tables"], report, on_progress)
    report.fingerprint = manifest.fingerprint
    return report


def _verify_dataset(
    folder: Path, named: dict[str, Any], report: VerifyReport, on_progress: Progress | None
) -> None:
    findings = report.findings
    show = on_progress or (lambda done, total, name: None)
    whole = True
    for file, row in named.items():
        path = folder / file
        if not storage.is_safe_relative(file) or not path.is_file():
            findings.add("table-missing", Where(file))
            whole = whole and file != FRAMES
            continue
        digest = storage.sha256_of(path)
        report.files, report.bytes = report.files + 1, report.bytes + path.stat().st_size
        if digest != row["sha256"]:
            findings.add("table-changed", Where(file), detail=f"sha256 {digest[:12]}…")
    if whole:
        try:
            dataset = Dataset.open(folder)
            columns = dataset.frames(["file", "sequence", "frame", "sha256"])
        except InputError as error:
            findings.add("file-unreadable", error.where or Where(FRAMES), detail=error.what)
            return
        rows = [row for row in zip(*columns.values(), strict=True) if row[0] is not None]
        show(0, len(rows), "")
        for done, (file, sequence, frame, sha256) in enumerate(rows, 1):
            where = Where(file, sequence, frame)
            if not storage.is_safe_relative(file):
                findings.add("unsafe-path", where, file)
            elif not (folder / file).is_file():
                findings.add("image-missing", where)
            else:
                report.files += 1
                report.bytes += (folder / file).stat().st_size
                if storage.sha256_of(folder / file) != sha256:
                    findings.add("hash-mismatch", where)
            show(done, len(rows), file)
        known = files_of(dataset)
        for name in files_below(folder):
            if name not in known:
                findings.add("unlisted-file", Where(name))


MAX_FILES = 100_000
MAX_IN_FOLDER = 10_000
MAX_SHARD_BYTES = 5_000_000_000
MAX_GROUP_ROWS = 100
MAX_GROUP_BYTES = 286 * 2**20
MAX_ROW_BYTES = 2_000_000
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
class UploadPlan:
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
        """Return the plan as one JSON object."""
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


def plan(release: StrPath = "release") -> UploadPlan:
    """Describe the upload of a release; nothing is hashed or sent.

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
    found = UploadPlan(
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


def _check(found: UploadPlan) -> None:
    """Note what is over a limit."""

    def over(what: str, value: int, most: int, location: str, *, size: bool = False) -> None:
        if value > most:
            reported = (as_size(value), as_size(most)) if size else (f"{value:,}", f"{most:,}")
            detail = f"{what}: the limit is {reported[1]}"
            found.findings.add("over-hub-limit", Where(location), reported[0], detail)

    over("files in the repository", found.files, MAX_FILES, str(found.release.folder))
    over("entries in one folder", found.largest_folder[1], MAX_IN_FOLDER, found.largest_folder[0])
    for shard in found.shards:
        over("bytes of a file", shard.bytes, MAX_SHARD_BYTES, shard.path, size=True)
        over("rows of a row group", shard.group_rows, MAX_GROUP_ROWS, shard.path)
        over("bytes of a row group", shard.group_bytes, MAX_GROUP_BYTES, shard.path, size=True)
        if shard.group_rows:
            row = shard.group_bytes // shard.group_rows
            over("bytes of a row, on average", row, MAX_ROW_BYTES, shard.path, size=True)


def _public(release: Release) -> list[str]:
    """Describe in words what anybody will be able to see."""
    facts, document = release.facts, release.manifest.document
    statistics = document["statistics"]
    block = document["release"]
    lines = []
    if facts.images == "original":
        rights = facts.rights or "All of them are simulated."
        size = as_size(block["image_bytes"])
        lines.append(f"{block['num_images']:,} images ({size}), as they are. {rights}")
    else:
        lines.append("no images, but the hashes of those that were available")
    rows = statistics["splits"]
    labelled = [f"{name} ({rows[name]['heads']:,})" for name in SPLITS if rows[name]["frames"]]
    lines.append(f"labels of {', '.join(labelled)} heads, test labels included")
    lines.append(
        "camera positions and angles, weather, hours, locations, names of sequences and of the "
        "captures' files"
    )
    lines.append(f"the terms: {LICENCES.get(facts.licence, 'those in LICENSE')}, {facts.creator}")
    return lines
