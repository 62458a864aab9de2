"""The Hugging Face hub: list what is there, send what is missing, verify what arrived.

Everything goes through huggingface_hub, which finds the token (`HF_TOKEN`, or what `hf auth login`
keeps), retries what may be retried, and sends no blob twice. Only `push` writes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.arrays import Progress
from gtahead.dataset import MANIFEST
from gtahead.errors import (
    GtaheadError,
    InputError,
    ResourceError,
    UsageError,
    Where,
    as_size,
    require,
)
from gtahead.findings import Severity
from gtahead.publishing.checking import check
from gtahead.publishing.facts import Facts, check_repo, parse_version
from gtahead.publishing.releases import Release
from gtahead.values import StrPath

MAIN = "main"

FILES_A_COMMIT = 1_000
"""Up to so many files go in one commit, so that nobody ever sees half a release."""

_HUBS_OWN = frozenset({".gitattributes"})

_TEXTS_LAST = ("README.md", "croissant.json", MANIFEST)
"""Where several commits are needed, these go with the last: they say that it's whole."""


@dataclass(frozen=True)
class Remote:
    """A file on the hub: its size, and a hash of its bytes (git's, where it isn't a large file)."""

    path: str
    bytes: int
    sha256: str | None
    git_sha1: str

    def matches(self, path: Path, sha256: str) -> bool:
        """Return whether it is the same as a local file."""
        if self.bytes != path.stat().st_size:
            return False
        return self.sha256 == sha256 if self.sha256 else self.git_sha1 == git_sha1(path)


@dataclass
class PushReport:
    """The result of a push, or of a dry run.

    Attributes:
        repo: OWNER/NAME.
        revision: branch.
        dry: nothing was sent, nobody was asked.
        files: how many files the release has.
        sent: those that went, or would go.
        sent_bytes: of them.
        removed: files of an older release that went away.
        commit: id of the last commit; None where nothing was sent.
        tag: as created, or None.
        verified: how many files were listed and hashed alike afterwards.
    """

    repo: str
    revision: str
    dry: bool
    files: int
    sent: list[str] = field(default_factory=list)
    sent_bytes: int = 0
    removed: list[str] = field(default_factory=list)
    commit: str | None = None
    tag: str | None = None
    verified: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return dict(vars(self))


def git_sha1(path: Path) -> str:
    """Hash a file as git does."""
    hasher = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def publish(
    release: StrPath,
    repo: str,
    *,
    yes: bool = False,
    private: bool = False,
    gated: str | None = None,
    revision: str = MAIN,
    tag: str | None = None,
    overwrite: bool = False,
    load: bool | None = None,
    on_progress: Progress | None = None,
) -> PushReport:
    """Upload a release, and verify that it arrived.

    A push that was stopped goes on with the same call: what is there isn't sent again. Up to
    `FILES_A_COMMIT` files go in one commit.

    Args:
        release: its folder.
        repo: OWNER/NAME; the one that it was staged for.
        yes: do it; else nothing is sent and nobody asked.
        private: create the repository as a private one.
        gated: `auto` or `manual`: people have to ask for access.
        revision: the branch; created where it isn't there.
        tag: name for this state, such as `v1.0.0`.
        overwrite: go on though there is other content; files of others stay.
        load: let `datasets` and mlcroissant check it first, as `check` does; by default where they
            are installed.
        on_progress: called while files are hashed.

    Raises:
        UsageError: no name of a dataset, or another one than it was staged for.
        InputError: the release isn't fit, other content is there, or what arrived is something
            else.
        ResourceError: no token, no right, no network, or the hub fails.
    """
    check_repo(repo)
    opened = Release.open(release)
    if repo != opened.facts.repo:
        raise UsageError(
            "the release was staged for another repository, which its card names",
            value=repo,
            remedy=f"push it to {opened.facts.repo}, or stage it with --repo {repo} --overwrite",
        )
    if gated not in (None, "auto", "manual"):
        raise UsageError("unknown value of --gated", value=gated, remedy="auto or manual")
    if load is None:
        load = all(find_spec(name) for name in ("datasets", "mlcroissant"))
    _refuse_unfit(opened, on_progress, load=load)
    report = PushReport(repo, revision, dry=not yes, files=len(opened.all_files()))
    if not yes:
        report.sent = opened.all_files()
        report.sent_bytes = sum((opened.folder / n).stat().st_size for n in report.sent)
        return report
    require("huggingface_hub", install="'gtahead[hub]'")
    with naming_hub_errors(repo):
        _push(opened, report, private=private, gated=gated, tag=tag, overwrite=overwrite)
    return report


def _refuse_unfit(release: Release, on_progress: Progress | None, *, load: bool) -> None:
    """Check the release again, and refuse one that isn't fit to be published."""
    found = check(release.folder, load=load, on_progress=on_progress).findings
    for finding in found:
        if finding.severity is Severity.ERROR:
            others = sum(found.totals.values()) - 1
            more = f"{others:,} other findings; " if others else ""
            raise InputError(
                f"the release isn't fit to be published: {finding.what}",
                where=finding.where,
                value=finding.value,
                remedy=f"{more}`gtahead publish check` lists all, and how to fix them",
            )


def _push(
    release: Release,
    report: PushReport,
    *,
    private: bool,
    gated: str | None,
    tag: str | None,
    overwrite: bool,
) -> None:
    from huggingface_hub import HfApi, get_token

    token = get_token()
    if token and not (token.isascii() and token.isprintable()):
        raise ResourceError(
            "the token is malformed: it has characters that no token has",
            remedy="put the token into HF_TOKEN again",
        )
    if not token:
        raise ResourceError(
            "no token for the hub",
            remedy="put one with write permission into the variable HF_TOKEN, or run "
            "`hf auth login`",
        )
    api = HfApi(library_name="gtahead")
    api.create_repo(report.repo, repo_type="dataset", private=private, exist_ok=True)
    if gated is not None:
        api.update_repo_settings(report.repo, repo_type="dataset", gated=gated)  # type: ignore[arg-type]
    if report.revision != MAIN:
        api.create_branch(report.repo, repo_type="dataset", branch=report.revision, exist_ok=True)
    there = remote_files(api, report.repo, report.revision)
    local = _hashes(release)
    report.removed = _stale(api, release, report, there, local, overwrite=overwrite)
    report.sent = [
        name
        for name, sha256 in local.items()
        if name not in there or not there[name].matches(release.folder / name, sha256)
    ]
    report.sent_bytes = sum((release.folder / name).stat().st_size for name in report.sent)
    commits = _commits(report.sent)
    for names in commits:
        last = names is commits[-1]
        info = api.upload_folder(
            repo_id=report.repo,
            repo_type="dataset",
            folder_path=release.folder,
            allow_patterns=[_literally(name) for name in names],
            delete_patterns=[_literally(name) for name in report.removed] if last else None,
            revision=report.revision,
            commit_message=f"{release.facts.name} {release.facts.version}",
        )
        report.commit = info.oid
    report.verified = _verify(api, release, report, local)
    if tag is not None:
        _set_tag(api, release, report, local, tag)


def _set_tag(
    api: Any,  # noqa: ANN401 - HfApi
    release: Release,
    report: PushReport,
    local: dict[str, str],
    tag: str,
) -> None:
    """Tag this state; a tag that exists for another state is refused.

    Raises:
        InputError: the tag exists for another state.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.create_tag(report.repo, repo_type="dataset", tag=tag, revision=report.revision)
    except HfHubHTTPError as error:
        if getattr(error.response, "status_code", None) != 409:
            raise
        there = remote_files(api, report.repo, tag)
        if any(
            name not in there or not there[name].matches(release.folder / name, sha256)
            for name, sha256 in local.items()
        ):
            raise InputError(
                "everything was uploaded, but the tag already names another state",
                where=Where(report.repo),
                value=tag,
                remedy="choose another --tag",
            ) from error
    report.tag = tag


def _literally(name: str) -> str:
    """Escape a path so that, as a pattern, it matches only itself."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _commits(names: Sequence[str]) -> list[list[str]]:
    """Cut files into commits: one, or several of which the last completes the release."""
    if len(names) <= FILES_A_COMMIT:
        return [list(names)] if names else []
    first = [name for name in names if name not in _TEXTS_LAST]
    cut = [first[i : i + FILES_A_COMMIT] for i in range(0, len(first), FILES_A_COMMIT)]
    last = [name for name in names if name in _TEXTS_LAST]
    return [*cut, last] if last else cut


def _hashes(release: Release) -> dict[str, str]:
    """Return the sha256 of every local file; listed files were just checked against theirs."""
    known = {one.path: one.sha256 for one in release.files}
    return {
        name: known.get(name) or storage.sha256_of(release.folder / name)
        for name in release.all_files()
    }


def remote_files(api: Any, repo: str, revision: str) -> dict[str, Remote]:  # noqa: ANN401 - HfApi
    """List the files of a revision."""
    from huggingface_hub.hf_api import RepoFile

    found = {}
    for one in api.list_repo_tree(repo, repo_type="dataset", revision=revision, recursive=True):
        if isinstance(one, RepoFile):
            sha256 = None if one.lfs is None else one.lfs.sha256
            found[one.path] = Remote(one.path, one.size, sha256, one.blob_id)
    return found


def _stale(
    api: Any,  # noqa: ANN401 - HfApi
    release: Release,
    report: PushReport,
    there: dict[str, Remote],
    local: dict[str, str],
    *,
    overwrite: bool,
) -> list[str]:
    """Return the files of an older release to delete; refuse a repository with other content.

    Raises:
        InputError: other content is there.
    """
    location = Where(report.repo)
    older = _older(api, report, there)
    if older is not None and older.get("repo") == report.repo:
        mine = {one["path"] for one in older["files"]} | {*local}
        same = older["version"] == release.facts.version
        changed = older["files"] != [vars(one) for one in release.files]
        if same and changed and not overwrite:
            raise InputError(
                f"version {older['version']} is published already, with other files",
                where=location,
                remedy="stage it with a higher --version (`gtahead diff` proposes one), or "
                "replace the published one: --overwrite",
            )
        if parse_version(older["version"]) > parse_version(release.facts.version) and not overwrite:
            raise InputError(
                f"a later version is already published: {older['version']}",
                where=location,
                value=release.facts.version,
                remedy="stage it with a higher --version, or go back: --overwrite",
            )
    else:
        mine = set(local)
    foreign = sorted(name for name in there if name not in mine | _HUBS_OWN)
    differing = sorted(
        name
        for name in there
        if older is None
        and name in local
        and not there[name].matches(release.folder / name, local[name])
    )
    if (foreign or differing) and not overwrite:
        raise InputError(
            "the repository holds other content",
            where=location,
            value=(foreign or differing)[0],
            remedy="choose another repository, or add --overwrite: files of the same name are "
            "replaced, others stay",
        )
    return sorted(name for name in there if name in mine and name not in local)


def _older(api: Any, report: PushReport, there: dict[str, Remote]) -> dict[str, Any] | None:  # noqa: ANN401
    """Read the `release` of the manifest that is published; None where there is none."""
    if MANIFEST not in there:
        return None
    path = api.hf_hub_download(report.repo, MANIFEST, repo_type="dataset", revision=report.revision)
    try:
        document = schemas.parse_json(Path(path).read_bytes(), MANIFEST)
        if next(schemas.faults(document, "manifest"), None) is not None:
            return None
        block = document.get("release")
        if block is None:
            return None
        Facts.from_dict(block, MANIFEST)
    except InputError:
        return None
    return dict(block)


def _verify(api: Any, release: Release, report: PushReport, local: dict[str, str]) -> int:  # noqa: ANN401
    """List what is on the hub, and compare its hashes with those of the files here.

    Raises:
        InputError: something is missing or other than it should be.
    """
    there = remote_files(api, report.repo, report.revision)
    for name, sha256 in local.items():
        found = there.get(name)
        if found is None or not found.matches(release.folder / name, sha256):
            raise InputError(
                "the hub's file isn't the one sent" if found else "the file isn't on the hub",
                where=Where(f"{report.repo}/{name}"),
                value=None if found is None else f"{as_size(found.bytes)}, {found.sha256}",
                remedy="push again: what differs is sent anew",
            )
    return len(local)


def download(
    repo: str, target: Path, *, revision: str | None = None, patterns: Sequence[str] | None = None
) -> None:
    """Download a dataset's repository into a folder.

    Raises:
        ResourceError: no network, no such repository, no right.
    """
    require("huggingface_hub", install="'gtahead[hub]'")
    from huggingface_hub import snapshot_download

    with naming_hub_errors(repo, again="run the same command again: it goes on"):
        snapshot_download(
            repo,
            repo_type="dataset",
            revision=revision,
            local_dir=target,
            allow_patterns=None if patterns is None else list(patterns),
            library_name="gtahead",
        )


@contextmanager
def client_bars(*, shown: bool) -> Iterator[None]:
    """Show or hide the client's progress bars, which it also draws into files and pipes."""
    if find_spec("huggingface_hub") is None:  # what needs it says so
        yield
        return
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    if not shown:
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        yield
    finally:
        if not shown:
            enable_progress_bars()


_STATUS = {
    401: ("the hub doesn't know the token", "put a valid one into HF_TOKEN"),
    403: ("the token lacks permission for this", "give it write permission, or ask the owner"),
    404: ("no such dataset on the hub, or none that you may see", "is the name right?"),
    409: ("the hub has another state than expected", "somebody else pushed: run it again"),
    413: ("the hub finds it too large", "`gtahead publish plan` shows what is too large"),
    429: ("the hub has had too many requests", "wait a while and run it again: it goes on"),
}


@contextmanager
def naming_hub_errors(
    repo: str, *, again: str = "run the same command again: what is there isn't sent again"
) -> Iterator[None]:
    """Turn errors of the hub and of the network into one with its location.

    Raises:
        ResourceError: for any of it.
    """
    try:
        yield
    except GtaheadError:
        raise
    except Exception as error:
        # The client wraps what happens in its threads, and what it couldn't ask the hub.
        for one in sorted(_chain(error), key=lambda one: isinstance(one, FileNotFoundError)):
            named = _named(one, Where(repo), again)
            if named is not None:
                raise named from error
        raise


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__


def _named(error: BaseException, location: Where, again: str) -> ResourceError | None:
    from huggingface_hub import errors

    if isinstance(error, errors.RevisionNotFoundError):
        return ResourceError("no such revision", where=location, remedy="is its name right?")
    if isinstance(error, errors.HfHubHTTPError):
        status = getattr(error.response, "status_code", None)
        what, remedy = _STATUS.get(status or 0, (f"the hub failed (status {status})", again))
        said = getattr(error, "server_message", None)
        return ResourceError(what, where=location, value=said or None, remedy=remedy)
    if isinstance(error, errors.LocalEntryNotFoundError):
        return ResourceError("the hub can't be reached", where=location, remedy=again)
    if isinstance(error, errors.HFValidationError):
        first = next((line for line in str(error).splitlines() if line.strip()), "")
        return ResourceError(f"the hub's client refuses: {first.strip()}", where=location)
    if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "requests"):
        what = f"the network failed ({type(error).__name__})"
        return ResourceError(what, where=location, remedy=again)
    if isinstance(error, (ConnectionError, TimeoutError)):
        what = f"the network failed ({type(error).__name__})"
        return ResourceError(what, where=location, remedy=again)
    return None
