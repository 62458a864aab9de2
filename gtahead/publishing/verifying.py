"""Is a copy what its manifest says? Bytes alone, without looking into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.dataset import FRAMES, Dataset, read_manifest
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.publishing.releases import Progress, Release, check_files, files_below, files_of


@dataclass
class VerifyReport:
    """What a comparison of files with their manifest came to.

    Attributes:
        path: as given.
        kind: `release` or `data set`.
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
        """Give the report as one JSON object."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "files": self.files,
            "bytes": self.bytes,
            "fingerprint": self.fingerprint,
            "findings": self.findings.as_dict(),
        }


def verify(
    path: str | Path = "dataset", *, on_progress: Callable[[int, int, str], None] | None = None
) -> VerifyReport:
    """Hold every file of a data set or a release against the hashes that its manifest gives.

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
        report = VerifyReport(folder, "data set")
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
                findings.add("picture-missing", where)
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
