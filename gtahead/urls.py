"""Data by URL (`s3://`, `gs://`, `hf://`, `memory://` …): fetched before the work, sent after it.

What is read is mirrored into a folder of the cache, what is written is made there first, both
through fsspec. So all of gtahead works on files of this machine, and a run that is stopped leaves
no half of a dataset behind a URL.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from gtahead import storage
from gtahead.errors import GtaheadError, InputError, ResourceError, Where, as_size, masked
from gtahead.storage import system, targets

P = ParamSpec("P")
R = TypeVar("R")

MARKERS = ("manifest.json", "export.json")
"""What makes a folder a finished one: sent last, and taken away first."""

IMAGES = "images/"
"""Where a dataset's images are, which not everybody needs."""

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+(::.*)?://")
_LOG = logging.getLogger("gtahead.urls")


def is_url(position: object) -> bool:
    """Return whether a location is a URL rather than a path.

    Example:
        >>> is_url("s3://bucket/captures"), is_url("captures"), is_url("C:/captures")
        (True, False, False)
    """
    return isinstance(position, str) and bool(_URL.match(position))


def cache_folder() -> Path:
    """Return the folder of mirrors: `GTAHEAD_CACHE`, else `gtahead` in the user's cache."""
    own = os.environ.get("GTAHEAD_CACHE")
    if own:
        return Path(own).absolute()
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gtahead"
    except RuntimeError as error:
        raise ResourceError(
            "there is no home folder for the cache", remedy="name one: GTAHEAD_CACHE=FOLDER"
        ) from error


def local_copy(url: str, *, images: bool = True) -> Path:
    """Fetch what has changed behind a URL, a file or a folder, and return the mirror's path.

    Args:
        url: of captures, a dataset, an export or a file.
        images: fetch a dataset's images, too.

    Raises:
        InputError: nothing is there, or a name leaves its folder.
        ResourceError: the file system or its package is missing, or the network fails.
    """
    mirror = _Mirror(url, "read")
    with mirror.held():
        mirror.fetch(images=images)
    return mirror.path


def resolve_urls(
    *, reads: Sequence[str] = (), writes: Sequence[str] = (), labels: Sequence[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that lets a function on paths take URLs.

    Args:
        reads: names of parameters: what is behind a URL is fetched first.
        writes: the same, and what the call left there is sent once it has ended well.
        labels: which of these are datasets whose images aren't needed.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        unknown = {*reads, *writes, *labels} - set(signature.parameters)
        assert not unknown, f"{function.__name__} has no parameter {unknown}"

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            remote = [n for n in (*reads, *writes) if is_url(bound.arguments.get(n))]
            if not remote:
                return function(*args, **kwargs)
            read = [bound.arguments[name] for name in remote if name in reads]
            for name in writes:  # mirrors hide what a `file://` URL names
                written = bound.arguments.get(name)
                if isinstance(written, str | os.PathLike) and not is_url(written):
                    storage.refuse_overwriting(Path(written), f"`{name}`", read)
            with ExitStack() as stack:
                sent = []
                for name in remote:
                    url, images = bound.arguments[name], name not in labels
                    if name in writes:
                        mirror = _Mirror(url, "write")
                        stack.enter_context(mirror.held())
                        mirror.fetch(images=images, may_be_missing=True)
                        bound.arguments[name] = mirror.path
                        sent.append(mirror)
                    else:
                        bound.arguments[name] = local_copy(url, images=images)
                with _named_by_url():
                    result = function(*bound.args, **bound.kwargs)
                for mirror in sent:
                    mirror.send()
                return result

        return call

    return decorate


_mirrored: dict[str, str] = {}
"""What was mirrored in this process: URL by path of the mirror."""


def with_urls(text: str) -> str:
    """Replace the paths of mirrors in a text by their URLs, as the user knows them."""
    for path, url in _mirrored.items():
        text = text.replace(path, url)
    return text


@contextmanager
def _named_by_url() -> Iterator[None]:
    try:
        yield
    except GtaheadError as error:
        if error.where is not None and error.where.file is not None:
            error.where = replace(error.where, file=with_urls(error.where.file))
        error.args = (with_urls(str(error)),)
        raise


class _Mirror:
    """A folder of the cache that stands for a URL.

    Attributes:
        url: what is mirrored.
        path: the file or folder of this machine that stands for it.
    """

    def __init__(self, url: str, purpose: str) -> None:
        self.url = url.rstrip("/")
        name = self.url.partition("?")[0].rstrip("/").rpartition("/")[2] or "root"
        if not storage.can_name(name):
            raise InputError("the URL doesn't end in a name", value=url, remedy="give a folder's")
        digest = hashlib.sha256(f"{purpose} {self.url}".encode()).hexdigest()[:16]
        self._home = cache_folder() / digest
        self.path = self._home / name
        self._record = self._home / "record.json"
        self._files, self._path = _file_system(url)
        _mirrored[str(self.path)] = masked(self.url)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the mirror; other processes wait."""
        with storage.naming_os_errors(self._home), targets.locked(self._home, wait=True):
            storage.make_folder(self._home)
            yield

    def fetch(self, *, images: bool = True, may_be_missing: bool = False) -> None:
        """Fetch what has changed since the last time; remove what is gone.

        Raises:
            InputError: nothing is there.
        """
        there = self._listed()
        if not there and not may_be_missing:
            raise InputError("nothing is there", where=Where(self.url), remedy="check the URL")
        record = self._read_record()
        known, sent = record["known"], record["sent"]
        changed = {name for name in there if known.get(name) != there[name]["version"]}
        gone = set(known) - set(there)
        if any(name in MARKERS for name in changed | gone):
            # Another state than the one that was worked on: nothing of that may mix with it.
            if self.path.is_dir():
                shutil.rmtree(self.path)
            known, sent, changed, gone = {}, {}, set(there), set()
        if not images:
            changed = {name for name in changed if not name.startswith(IMAGES)}
        for name in changed | gone:
            known.pop(name, None)
            sent.pop(name, None)
        self._note(known, sent)
        for name in gone:
            self._local(name).unlink(missing_ok=True)
        for name in sorted(changed):
            target = self._local(name)
            storage.make_folder(target.parent)
            with storage.replacing(target) as part:
                self._call("get_file", self._remote(name), str(part))
                sent[name] = storage.sha256_of(part)
            known[name] = there[name]["version"]
        self._note(known, sent)
        if changed:
            size = as_size(sum(there[name]["size"] or 0 for name in changed))
            _LOG.info("%s: %d files fetched, %s", masked(self.url), len(changed), size)

    def send(self) -> None:
        """Send what is new here; the marker is removed first and sent last.

        Raises:
            ResourceError: somebody else has written there meanwhile.
        """
        there, here, record = self._listed(), self._hashes(), self._read_record()
        known, sent = record["known"], record["sent"]
        if any(known.get(name) != there[name]["version"] for name in MARKERS if name in there):
            raise ResourceError(
                "another process has written there meanwhile",
                where=Where(self.url),
                remedy="run the same command again: it starts from what is there now",
            )
        stands = {name for name in known if name in there and known[name] == there[name]["version"]}
        new = {name for name in here if name not in stands or sent.get(name) != here[name]}
        gone = {name for name in known if name not in here and name in there}
        if not new and not gone:
            return
        # From here on until the end, no marker is there: nobody takes a half for the whole.
        markers = {name for name in MARKERS if name in there}
        self._note({n: v for n, v in known.items() if n not in new | gone | markers}, sent)
        for name in [*sorted(markers), *sorted(gone - markers)]:
            self._call("rm_file", self._remote(name))
        last = [name for name in MARKERS if name in here]
        for name in [*sorted(new - set(last)), *last]:
            self._call("makedirs", self._remote(name).rpartition("/")[0], exist_ok=True)
            self._call("put_file", str(self._local(name)), self._remote(name))
        there = self._listed()
        self._note({name: there[name]["version"] for name in here if name in there}, here)
        _LOG.info("%s: %d files sent", masked(self.url), len(new))

    def _listed(self) -> dict[str, dict[str, Any]]:
        """Return size and version of every file there, by its path below the URL; "" is the URL."""
        self._call("invalidate_cache")
        try:
            found: Mapping[str, Mapping[str, Any]] = self._call("find", self._path, detail=True)
        except InputError:
            return {}
        listed = {}
        for path, about in found.items():
            name = path.strip("/").removeprefix(self._path.strip("/")).strip("/")
            if name and not storage.is_safe_relative(name):
                raise InputError(
                    "a name points outside its folder", where=Where(self.url), value=name
                )
            version = {k: v for k, v in about.items() if k not in ("atime", "nlink", "ino")}
            digest = hashlib.sha256(repr(sorted(version.items(), key=str)).encode()).hexdigest()
            listed[name] = {"size": about.get("size"), "version": digest}
        return listed

    def _hashes(self) -> dict[str, str]:
        """Hash every file here, but for locks and what is being written."""
        if self.path.is_file():
            return {"": storage.sha256_of(self.path)}
        return {
            name: storage.sha256_of(path)
            for path in system.in_order(self.path.rglob("*"))
            if path.is_file()
            and not (name := path.relative_to(self.path).as_posix()).startswith(".")
            and f"/{storage.ASIDE}" not in f"/{name}"
        }

    def _local(self, name: str) -> Path:
        return self.path / name if name else self.path

    def _remote(self, name: str) -> str:
        return f"{self._path.rstrip('/')}/{name}" if name else self._path

    def _read_record(self) -> dict[str, dict[str, str]]:
        """Read the record of which files here are the same as there.

        `known` is the version there, `sent` the sha256 of what is behind it, both by name.
        """
        try:
            document = json.loads(self._record.read_bytes())
            return {"known": dict(document["known"]), "sent": dict(document["sent"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {"known": {}, "sent": {}}

    def _note(self, known: Mapping[str, str], sent: Mapping[str, str]) -> None:
        document = {"url": masked(self.url), "known": known, "sent": sent}
        storage.write_json(self._record, document)

    def _call(self, method: str, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - fsspec
        try:
            return getattr(self._files, method)(*args, **kwargs)
        except FileNotFoundError as error:
            raise InputError("nothing is there", where=Where(self.url)) from error
        except Exception as error:  # each store's package has errors of its own
            raise ResourceError(
                "the store behind the URL fails",
                where=Where(self.url),
                value=f"{type(error).__name__}: {error}",
                remedy="check network and permissions, then run the same command again: it goes on",
            ) from error


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError as error:
        raise ResourceError(
            "data by URL needs fsspec", value=url, remedy="install it: pip install 'gtahead[scale]'"
        ) from error
    try:
        files, path = fsspec.core.url_to_fs(url)
    except ImportError as error:  # it says which package to install
        raise ResourceError("a package is missing", value=url, remedy=str(error)) from error
    except Exception as error:
        raise InputError(
            "the URL can't be used", value=url, remedy=f"{type(error).__name__}: {error}"
        ) from error
    return files, str(path)
