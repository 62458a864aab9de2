"""The entry point: what is at a path, and which checks apply to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from gtahead.arrays import Progress
from gtahead.captures import CAPTURES
from gtahead.dataset import ANNOTATING, MANIFEST, WORK, Dataset
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import CODES, Finding, Findings, Ledger
from gtahead.formats.coco_reading import coco_files
from gtahead.ingest.classes import ClassesUnclear
from gtahead.ingest.exports import exported_as
from gtahead.ingest.model import LabelOptions, Reader
from gtahead.parallel.pool import run_all
from gtahead.readers import READERS, choose_reader
from gtahead.urls import resolve_urls
from gtahead.validation.captures import SequenceChecked, SequenceTask, check_sequence
from gtahead.validation.checks import Check, checks_of
from gtahead.validation.coco import check_coco
from gtahead.validation.common import watched
from gtahead.validation.dataset import check_dataset, open_dataset
from gtahead.validation.files import check_file, kind_of
from gtahead.validation.images import check_images, check_near_duplicates, image_tasks
from gtahead.validation.motion import LagEvidence
from gtahead.values import StrPath, number_of

IMAGES = ("quick", "full", "none")

MAPS = ("density", "heatmap")
"""Formats of maps: nothing reads them back, but they can be compared with their heads."""


@resolve_urls(reads=["path", "against"], labels=["against"])
def validate(
    path: StrPath = "dataset",
    *,
    reader: str = "auto",
    images: str = "quick",
    against: StrPath | None = None,
    head_class: str | None = None,
    labels_orientation: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    on_progress: Progress | None = None,
) -> Validation:
    """Check a capture, a dataset, an export, other people's labels, or a single file.

    Args:
        path: a folder or a file.
        reader: `auto`, `capture`, `dataset`, `predictions`, or a name that `--from` takes.
        images: `quick` reads each image's header, `full` decodes it and looks for images that
            nearly are in two splits, `none` leaves them alone.
        against: a dataset; then `path` is an export, and it's checked that it holds the same.
        head_class: as `gtahead.build` takes it.
        labels_orientation: likewise.
        workers: processes; None for one per core, up to 4.
        scheduler: address of a Dask scheduler, instead of processes of this machine.
        on_progress: called at the start and after each part.

    Returns:
        What yields findings as they come. At most 20 of a kind are given word for word;
        `Validation.findings.totals` counts all of them.

    Raises:
        UsageError: an unknown option value.
        InputError: nothing is there, or nothing that gtahead knows.
        ResourceError: an extra is missing.

    Example:
        >>> for finding in gtahead.validate("dataset"):  # doctest: +SKIP
        ...     print(finding)
    """
    if against is not None and (Path(path) / MANIFEST).is_file():
        raise UsageError(
            "--against is for exports", where=Where(str(path)), remedy="give the export as PATH"
        )
    if images not in IMAGES:
        remedy = f"one of {', '.join(IMAGES)}"
        raise UsageError("unknown value of --images", value=images, remedy=remedy)
    position = Path(path)
    if not position.exists():
        raise InputError(
            "no such file or folder",
            where=Where(str(position)),
            remedy="give a dataset, a capture, an export or a file of labels",
        )
    compared = None if against is None else Path(against)
    if scheduler is not None:
        position = position.absolute()  # its workers stand elsewhere
    how = _How(images, workers, scheduler, on_progress, position)
    kind, reason = _kind(position, reader)
    labels = LabelOptions(head_class, labels_orientation)
    if labels.as_dict() and kind not in READERS:
        raise UsageError(
            "--class and --labels-orientation are for folders of other people's labels",
            value=kind,
            remedy="leave them out",
        )
    return Validation(position, kind, reason, how, compared, labels)


class _How:
    """How a check is run: its options, and its tasks."""

    def __init__(
        self,
        images: str,
        workers: int | None,
        scheduler: str | None,
        progress: Progress | None,
        position: Path,
    ) -> None:
        self.images = images
        self.workers = workers
        self.scheduler = scheduler
        self.progress = progress
        self.folder = position

    def run(
        self, function: Callable[[Any], Any], tasks: list[tuple[str, Any]]
    ) -> Iterator[tuple[str, Any]]:
        """Work on tasks and return their names and results as they come."""
        show = self.progress or (lambda done, total, name: None)
        show(0, len(tasks), "")
        workers = 1 if len(tasks) < 2 else self.workers
        found = run_all(
            function, tasks, workers=workers, scheduler=self.scheduler, folders=[self.folder]
        )
        with closing(found) as results:
            for done, (name, result) in enumerate(results, 1):
                yield name, result
                show(done, len(tasks), name)


def _kind(path: Path, wanted: str) -> tuple[str, str]:
    """Return what kind of thing is at a path, and why it is taken for that.

    Raises:
        UsageError: an unknown kind.
        InputError: it isn't that, or nothing that gtahead knows.
    """
    known = ("auto", "capture", "dataset", "predictions", *MAPS, *READERS)
    if wanted not in known:
        raise UsageError("unknown kind", value=wanted, remedy=f"one of {', '.join(known)}")
    if path.is_file():
        if wanted == "predictions":
            return "file", "predictions"
        return "file", kind_of(path)
    unfinished = any((path / name).is_dir() for name in (WORK, ANNOTATING))
    if wanted == "dataset" or (wanted == "auto" and ((path / MANIFEST).is_file() or unfinished)):
        return "dataset", f"{MANIFEST} is there"
    exported = exported_as(path)
    if exported in MAPS and wanted in ("auto", exported):
        return str(exported), "export.json says so"
    if wanted in ("predictions", *MAPS):
        raise InputError(f"no {wanted} are there", where=Where(str(path)), remedy="give the file")
    reader, reason = choose_reader(path, "auto" if wanted == "capture" else wanted)
    if wanted == "capture" and reader.name not in CAPTURES:
        raise InputError(
            "not a capture", where=Where(str(path)), value=reader.name, remedy="use --from auto"
        )
    return reader.name, reason


_NOTED_BY_FILE_CHECK = (
    *("head-outside-frame", "head-without-frame", "duplicate-frame", "not-finite"),
    "breaks-schema",
)
"""Codes that the check of a COCO file itself reports, with locations: a reader's are dropped."""


class Validation:
    """A check that is under way: iterate over it for findings.

    Attributes:
        path: as given.
        kind: `dataset`, `file`, `density`, `heatmap`, or the name of a reader.
        reason: why it's taken for that.
        findings: so far; totals are exact.
        ledger: frames and heads that were read, where a reader read them.
        largest_error_px: of a coordinate against the dataset, where one is given.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        reason: str,
        how: _How,
        against: Path | None,
        labels: LabelOptions,
    ) -> None:
        self.path = path
        self.kind = kind
        self.reason = reason
        self.findings = Findings()
        self.ledger = Ledger()
        self.largest_error_px: float | None = None
        self._readable = True
        self._how = how
        self._against = against
        self._labels = labels

    def __repr__(self) -> str:
        return f"Validation({str(self.path)!r}: {self.findings.summed} so far)"

    def __iter__(self) -> Iterator[Finding]:
        for part in self._parts():
            known = {code: len(kept) for code, kept in self.findings.examples.items()}
            self.findings.merge(part)
            for code, kept in self.findings.examples.items():
                yield from kept[known.get(code, 0) :]

    def finish(self) -> Findings:
        """Go through all of it and return what was found."""
        for _ in self:
            pass
        return self.findings

    @property
    def looks_at_images(self) -> bool:
        """Whether images are looked at, or left alone."""
        return self._how.images != "none"

    @property
    def reader(self) -> Reader | None:
        """What reads it; None for a dataset, maps and a single file."""
        found = READERS.get(self.kind)
        return None if found is None else found.with_options(self._labels)

    @property
    def checks(self) -> list[Check]:
        """What was checked, and what wasn't."""
        compared = self._against is not None
        return checks_of(self.kind, self._how.images, against=compared, readable=self._readable)

    @property
    def verdict(self) -> str:
        """What was gone through, in words: frames, heads and checks."""
        done = sum(not check.left_out for check in self.checks)
        frames, heads = self.ledger.frames.kept, self.ledger.heads.kept
        parts = [number_of(frames, "frame"), number_of(heads, "head")] if frames else []
        return ", ".join([*parts, number_of(done, "check")])

    @property
    def described(self) -> str:
        """What was checked, in words."""
        kinds = {"dataset": "a dataset", "file": f"a file of the kind {self.reason}"}
        what = kinds.get(self.kind, f"{self.kind} ({self.reason})")
        frames, heads = self.ledger.frames.kept, self.ledger.heads.kept
        if not frames:
            return what
        return f"{what}, {number_of(frames, 'frame')}, {number_of(heads, 'head')}"

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "path": str(self.path),
            "kind": self.kind,
            "reason": self.reason,
            "ledger": self.ledger.as_dict(),
            "checks": [check.name for check in self.checks if not check.left_out],
            "not_checked": {c.name: c.left_out for c in self.checks if c.left_out},
            "largest_error_px": self.largest_error_px,
            "severities": self.findings.by_severity(),
            "findings": self.findings.as_dict(),
        }

    def _parts(self) -> Iterator[Findings]:
        if self.kind == "file":
            part = Findings()
            with watched({self.path.name: self.path}, part):
                check_file(self.path, self.reason, part)
            yield part
        elif self.kind == "dataset":
            yield from self._dataset()
        elif self.kind in MAPS:
            from gtahead.validation.maps import check_maps

            yield from check_maps(self.path, self.kind, self._against)
            return
        else:
            if self.kind.startswith("coco"):
                yield from self._coco()
            assert self.reader is not None
            yield from self._sequences(self.reader)
        if self._against is not None:
            yield from self._compared(self._against)

    def _dataset(self) -> Iterator[Findings]:
        part = Findings()
        opened = open_dataset(self.path, part)
        yield part
        if opened is None:
            self._readable = False
            return
        self.ledger = Ledger.from_dict(opened.manifest.document["ledger"])
        part = Findings()
        tables = {
            name: self.path / name for name in (MANIFEST, *opened.manifest.document["tables"])
        }
        with watched(tables, part):
            for _ in check_dataset(opened, part):
                yield part
                part.totals, part.examples = {}, {}
        yield part
        if self._how.images == "none":
            return
        hashes: dict[str, int] = {}
        tasks = list(image_tasks(opened, self._how.images))
        for _, (found, more) in self._how.run(check_images, tasks):
            hashes |= more
            yield found
        part = Findings()
        check_near_duplicates(opened, hashes, part)
        yield part

    def _coco(self) -> Iterator[Findings]:
        prefix = "person_" if self.kind == "coco-keypoints" else "instances"
        for path in coco_files(self.path, prefix):
            part = Findings()
            name = path.relative_to(self.path).as_posix()
            with watched({name: path}, part):
                check_coco(path, name, part)
            yield part

    def _sequences(self, reader: Reader) -> Iterator[Findings]:
        part = Findings()
        try:
            sources = reader.sequences(Path(os.path.realpath(self.path)), part)
        except ClassesUnclear as error:
            part.add("classes-unclear", error.where or Where(str(self.path)), error.value)
            sources = []
        except InputError as error:
            errors = [code for code in self.findings.totals if CODES[code].severity == "error"]
            if not errors:  # else the reason is reported already
                location = error.where or Where(str(self.path))
                part.add("file-unreadable", location, error.value, error.what)
            sources = []
        yield part
        lag = LagEvidence()
        left_out = False
        tasks = [(one.name, SequenceTask(one, self._how.images)) for one in sources]
        for _, done in self._how.run(check_sequence, tasks):
            assert isinstance(done, SequenceChecked)
            self.ledger.add(done.ledger)
            lag.add(done.lag)
            left_out |= "other-class" in done.findings.totals
            for code in _NOTED_BY_FILE_CHECK if self.kind.startswith("coco") else ():
                done.findings.totals.pop(code, None)
                done.findings.examples.pop(code, None)
            yield done.findings
        part = Findings()
        if left_out and self.ledger.heads.came == 0:
            part.add("no-heads", Where(str(self.path)))
        verdict = lag.verdict()
        if verdict is not None:
            shift, best, none = verdict
            when = "late" if shift > 0 else "early"
            frames = f"{abs(shift)} frame{'s' * (abs(shift) > 1)} {when}"
            detail = f"correlation {best:.2f} instead of {none:.2f}"
            part.add("label-lag", Where(str(self.path)), frames, detail)
        yield part

    def _compared(self, dataset: Path) -> Iterator[Findings]:
        from gtahead.validation.comparing import compare

        part = Findings()
        self.largest_error_px = compare(self.path, self.kind, Dataset.open(dataset), part)
        yield part
