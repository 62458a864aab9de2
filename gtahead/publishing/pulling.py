"""Make a dataset from a release, on the hub or in a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.arrays import Progress
from gtahead.dataset import FRAMES, MANIFEST, Dataset, WrittenDataset, heads_file, write_manifest
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Finding, Findings, Severity
from gtahead.publishing.facts import check_repo
from gtahead.publishing.hub import download
from gtahead.publishing.new_dataset import MADE_OF, new_dataset
from gtahead.publishing.releases import (
    SAMPLE,
    SHARDS,
    Release,
    check_files,
    file_of_frame,
    with_images,
)
from gtahead.storage import system
from gtahead.tables import canonical
from gtahead.tables.hub import each_image
from gtahead.validation.dataset import check_dataset
from gtahead.values import StrPath


@dataclass(repr=False)
class PullReport(WrittenDataset):
    """The result of a pull.

    Attributes:
        out: the dataset's folder.
        source: the folder or the repository.
        repo: the repository that the release names.
        version: of the release.
        manifest: of the dataset.
        images: how many it has.
    """

    out: Path
    source: str
    repo: str
    version: str
    manifest: dict[str, Any]
    images: int

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        keys = ("statistics", "fingerprint", "fingerprints")
        return {
            "out": str(self.out),
            "source": self.source,
            "repo": self.repo,
            "version": self.version,
            "images": self.images,
            **{key: self.manifest[key] for key in keys},
        }


def pull(
    source: StrPath,
    out: StrPath = "dataset",
    *,
    revision: str | None = None,
    images: str = "original",
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> PullReport:
    """Make a dataset from a release, with the fingerprints of the dataset that was published.

    Every file is compared with its hash, every label against the fingerprints.

    Args:
        source: OWNER/NAME on the hub, or a folder that is there.
        out: the dataset's folder: new, empty, or a dataset with `overwrite`.
        revision: branch, tag or commit on the hub.
        images: `original` with the images that are in it, `none` without.
        overwrite: replace a dataset that stands at `out`.
        on_progress: called at the start and after each part.

    Raises:
        UsageError: neither a folder nor a name on the hub.
        InputError: no release of gtahead's, or a damaged one.
        ResourceError: no network, no right, disk, or another run with the same target.
    """
    if images not in ("original", "none"):
        raise UsageError("unknown value of --images", value=images, remedy="original or none")
    here = Path(source)
    local = here.exists()
    if local and revision is not None:
        raise UsageError("a folder has no revisions", value=f"--revision {revision}")
    if not local:
        _refuse_odd_name(str(source))
    if revision is not None and not revision.strip():
        raise UsageError("no revision is named", value="--revision ''")
    target = Path(out)
    if local:
        storage.refuse_overlap(target, here, MADE_OF)
    with new_dataset(target, overwrite=overwrite) as part:
        folder = here
        if not local:
            folder = part / _download_name(str(source), revision)
            _download(str(source), folder, revision, images=images == "original")
        release = _opened(folder, str(source), local=local)
        report = _make(release, part / "dataset", images, on_progress)
    return PullReport(
        Path(out),
        str(source),
        release.facts.repo,
        release.facts.version,
        report,
        report["statistics"]["images"],
    )


def _refuse_odd_name(source: str) -> None:
    try:
        check_repo(source)
    except UsageError as error:
        raise UsageError(
            "neither a folder nor a dataset's name on the hub",
            value=source,
            remedy="give a folder that exists, or OWNER/NAME",
        ) from error


def _download_name(repo: str, revision: str | None) -> str:
    digest = hashlib.sha256(f"{repo}@{revision}".encode()).hexdigest()[:12]
    return f"download-{digest}"


def _download(repo: str, folder: Path, revision: str | None, *, images: bool) -> None:
    patterns = ["*.json", "*.md", "*.csv", "LICENSE", "frames.parquet", "heads/*", "annotations/*"]
    download(repo, folder, revision=revision, patterns=None if images else patterns)


def _opened(folder: Path, source: str, *, local: bool) -> Release:
    try:
        return Release.open(folder)
    except InputError as error:
        if local and error.remedy and "stage" in error.remedy:
            raise InputError(
                error.what, where=error.where, remedy="it can be used as it is"
            ) from error
        if (folder / MANIFEST).is_file() and "stage" not in (error.remedy or ""):
            raise InputError(
                f"the release is damaged: {error.what}",
                where=error.where,
                value=error.value,
                remedy="get it again",
            ) from error
        raise InputError(
            f"not a gtahead release: {error.what}",
            where=Where(source),
            remedy="`gtahead build --raw FOLDER` reads what others published, once it's downloaded",
        ) from error


def _first_error(findings: Findings) -> Finding | None:
    return next((one for one in findings if one.severity is Severity.ERROR), None)


def _refuse_damaged(findings: Findings, source: str) -> None:
    first = _first_error(findings)
    if first is not None:
        more = sum(findings.totals.values()) - 1
        others = f" ({more:,} more)" if more else ""
        raise InputError(
            f"the release is damaged: {first.what}{others}",
            where=Where(f"{source}/{first.where}"),
            value=first.value,
            remedy="get it again",
        )


def _make(
    release: Release, target: Path, images: str, on_progress: Progress | None
) -> dict[str, Any]:
    """Make the dataset from a release's files."""
    findings = Findings()
    wanted = release
    if images == "none":
        files = tuple(
            one
            for one in release.files
            if not one.path.startswith(f"{SHARDS}/") and one.path != SAMPLE
        )
        wanted = Release(release.folder, release.manifest, release.facts, files)
    check_files(wanted, findings, on_progress)
    # Somebody's notes beside a release don't damage it.
    findings.totals.pop("unlisted-file", None)
    findings.examples.pop("unlisted-file", None)
    _refuse_damaged(findings, str(release.folder))
    (target / "heads").mkdir()
    dataset = release.dataset
    for name in dataset.sequences:
        file = heads_file(name)
        if not storage.can_name(name):
            raise InputError("a sequence's name points outside the dataset", value=name)
        storage.link_or_copy(release.folder / file, target / file, link=True)
    placed: dict[str, str] = {}
    if images == "original" and release.facts.images == "original":
        placed = _extract(wanted, dataset, target)
        if len(placed) != release.num_images:
            raise InputError(
                f"the release is damaged: it has {len(placed):,} of {release.num_images:,} images",
                where=Where(str(release.folder)),
                remedy="get it again",
            )

    def files_of(ids: Sequence[str]) -> list[str | None]:
        return [placed.get(frame_id) for frame_id in ids]

    canonical.write_frames_with(release.folder / FRAMES, target / FRAMES, {"file": files_of})
    held = release.manifest.document["release"]["image_bytes"] if placed else 0
    document = with_images(release.manifest.document, target / FRAMES, len(placed), held)
    write_manifest(target, document)
    findings = Findings()
    for _ in check_dataset(Dataset.open(target), findings):
        pass
    _refuse_damaged(findings, str(release.folder))
    storage.crash_point("pulled")
    return document


def _extract(release: Release, dataset: Dataset, target: Path) -> dict[str, str]:
    """Write the shards' images as files, and return each frame's file."""
    columns = dataset.frames(["frame_id", "sequence", "frame", "sha256"])
    known = {
        (sequence, frame): (frame_id, sha256)
        for frame_id, sequence, frame, sha256 in zip(*columns.values(), strict=True)
    }
    placed: dict[str, str] = {}
    for shard in release.shards:
        for sequence, frame, name, data in each_image(release.folder / shard.path, shard.path):
            if data is None:
                continue
            location = Where(shard.path, sequence, frame)
            if (sequence, frame) not in known:
                raise InputError("the image belongs to no frame", where=location)
            frame_id, sha256 = known[sequence, frame]
            extension = Path(name).suffix.lower()
            if not (storage.can_name(sequence) and storage.can_name(frame)):
                raise InputError(
                    "the image's name points outside the dataset", where=location, value=name
                )
            if hashlib.sha256(data).hexdigest() != sha256:
                raise InputError(
                    "the image isn't the one that was published",
                    where=location,
                    remedy="get it again",
                )
            file = file_of_frame(sequence, frame, extension)
            path = target / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            system.sync_file(path)
            placed[frame_id] = file
    return placed
