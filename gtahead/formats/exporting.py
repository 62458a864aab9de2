"""From a dataset to files that others read: all or nothing, and nothing dropped silently.

Everything is written into a folder beside the target and renamed at the end. A run that is stopped
leaves the target as it was; the next one begins anew.
"""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead._version import __version__
from gtahead.arrays import Progress
from gtahead.dataset import Dataset, require_image
from gtahead.errors import InputError, ResourceError, UsageError, Where, as_size
from gtahead.findings import Ledger
from gtahead.formats import FORMATS, known  # noqa: F401 - known: before workers are forked
from gtahead.formats.base import CHUNKS, Batch, ExportFrame, Format, Options, Summary
from gtahead.formats.batches import BatchPlan, adopt, frames_in, load_batch, plan_batches
from gtahead.formats.export_checks import (
    EXPORT,
    check_frames,
    check_options,
    chosen_splits,
    format_named,
    lossy,
    sequences_of,
    survey_losses,
)
from gtahead.ingest.exports import INDEX, MARKER
from gtahead.origins import origins_in
from gtahead.parallel.pool import run_all
from gtahead.storage import crash_point, system, targets
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

INDEX_COLUMNS = (
    *("frame_id", "split", "width", "height", "weather", "hour", "location", "fps", "vfov_deg"),
    *("camera_x_m", "camera_y_m", "camera_z_m", "pitch_deg", "roll_deg", "yaw_deg"),
)


@dataclass(repr=False)
class ExportReport(storage.Written):
    """The result of an export.

    Attributes:
        out: its folder.
        format: name in `FORMATS`.
        ledger: frames and heads that came and that were left out, by reason.
        lost: what the format can't hold, by its key in `LOSSES`: how many values.
        left: by-products that stay in the dataset: how many values.
        seen: other counts, such as boxes cut at the image's border.
        files: how many files there are.
        bytes: and how large they are.
    """

    out: Path
    format: str
    ledger: Ledger = field(default_factory=Ledger)
    lost: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    files: int = 0
    bytes: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "out": str(self.out),
            "format": self.format,
            "ledger": self.ledger.as_dict(),
            "lost": self.lost,
            "left": self.left,
            "seen": self.seen,
            "files": self.files,
            "bytes": self.bytes,
        }


@resolve_urls(reads=["dataset"], writes=["out"])
def export(
    dataset: StrPath = "dataset",
    out: StrPath | None = None,
    *,
    format: str,
    split: str | Sequence[str] | None = None,
    images: str = "link",
    allow_lossy: bool = False,
    drop_empty: bool = False,
    overwrite: bool = False,
    stride: int = 8,
    dtype: str = "float32",
    border: str = "renormalise",
    store: str = "npz",
    layout: str = "nested",
    workers: int | None = None,
    scheduler: str | None = None,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write a dataset in a format that other programs read.

    Args:
        dataset: the dataset's folder.
        out: the export's folder, `./exports/FORMAT` if it isn't given.
        format: a name that `gtahead formats` lists.
        split: train, validation, test, or several; all that have frames if it isn't given.
        images: `link` (hard links, copies where that can't be), `copy`, or `none`.
        allow_lossy: go on though the format can't hold everything.
        drop_empty: leave out frames in which no head counts.
        overwrite: replace an export of gtahead's that stands there.
        stride: pixels per cell, of maps.
        dtype: `float32` or `float16`, of maps.
        border: `renormalise` or `clip`, of density maps.
        store: `npz`, `npy` or `h5`, of maps.
        layout: `nested`, maps in a folder for each sequence, or `flat`.
        workers: processes; None for one per core, up to 4.
        scheduler: address of a Dask scheduler, instead of processes of this machine.
        on_progress: called at the start and after each part.

    Returns:
        What was written, and what wasn't.

    Raises:
        UsageError: an unknown format, split or option value.
        InputError: no dataset, something at `out`, two frames of one name, or what the format
            can't hold without `allow_lossy`.
        ResourceError: disk, rights, a missing extra, or another export to the same folder.
    """
    kind = format_named(format)
    options = Options(images, drop_empty, stride, dtype, border, store, layout)
    check_options(kind, options)
    if out is not None and not str(out):
        raise UsageError("no folder to export to", value="--out ''", remedy="name one")
    opened = Dataset.open(dataset)
    target = Path(out) if out is not None else Path("exports") / kind.name
    check_frames(opened)
    splits = chosen_splits(opened, split)
    if not set(opened.frames(["split"])["split"]) & set(splits):
        raise UsageError("no frame is in these splits", value=", ".join(splits))
    storage.refuse_overlap(target, opened.folder, "the export and the dataset")
    report = ExportReport(target, kind.name)
    report.lost, report.left = survey_losses(opened, kind, splits)
    if report.lost and not allow_lossy:
        raise lossy(kind, report.lost)
    job = _Job(opened, kind, options, splits, plan_batches(opened, kind, splits, options))
    _refuse_collisions(job)
    with targets.replacing(target, EXPORT, overwrite=overwrite) as part:
        _refuse_too_large(job, target)
        _write(job, part, report, workers, scheduler, on_progress)
        crash_point("exported")
    return report


@dataclass(frozen=True)
class _Job:
    """What is to be exported, and how."""

    opened: Dataset
    kind: Format
    options: Options
    splits: list[str]
    plans: Sequence[BatchPlan]

    @cached_property
    def frames(self) -> list[tuple[str, ExportFrame]]:
        """Every frame with its split, listed once."""
        return [
            (plan.split, frame)
            for plan in self.plans
            for frame in frames_in(self.opened, plan, self.options)
        ]


def _write(
    job: _Job,
    part: Path,
    report: ExportReport,
    workers: int | None,
    scheduler: str | None,
    on_progress: Progress | None,
) -> None:
    """Write batch by batch, then what belongs to all of them."""
    _write_batches(job, part, report, workers, scheduler, on_progress)
    counts = {
        split: sum(len(plan.rows) for plan in job.plans if plan.split == split)
        for split in job.splits
    }
    sequences = sequences_of(job.opened, job.splits)
    manifest = job.opened.manifest.document
    job.kind.finish(Summary(part, counts, sequences, manifest, job.options))
    if job.kind.index:
        _write_index(job, part)
    shutil.rmtree(part / CHUNKS, ignore_errors=True)
    _mark(job, report, part)


def _refuse_collisions(job: _Job) -> None:
    """Refuse two frames whose images, or labels, would have the same name."""
    kind = job.kind
    if kind.image is None or not kind.index:  # names are the frames' ids: unique already
        return
    seen: dict[str, str] = {}
    for split, frame in job.frames:
        file = kind.image(split, frame).removesuffix(frame.extension)
        if file in seen:
            raise InputError(
                f"two frames would have the name {file}",
                where=Where(str(job.opened.folder), frame=frame.frame_id),
                value=seen[file],
                remedy=f"{kind.name} can't tell them apart: rename a sequence, or choose a format "
                "with folders",
            )
        seen[file] = frame.frame_id


def _refuse_too_large(job: _Job, target: Path) -> None:
    """Refuse what the disk has no room for, before anything is written."""
    kind, options = job.kind, job.options
    needed = 0
    if kind.estimate is not None:
        needed += kind.estimate((frame.size_wh for _, frame in job.frames), options)
    if options.images != "none" and (kind.embeds_images or options.images == "copy"):
        images = [frame.image for _, frame in job.frames if frame.image is not None]
        needed += sum(image.stat().st_size for image in images)
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise ResourceError(
            f"the export needs about {as_size(needed)}, and {as_size(free)} are free",
            where=Where(str(target)),
            remedy="free space, choose another --out"
            + (", a larger --stride or float16" if kind.estimate is not None else ""),
        )


@dataclass(frozen=True)
class _BatchTask:
    dataset: Path
    fingerprint: str
    format: str
    plan: BatchPlan
    folder: Path
    options: Options


@dataclass(frozen=True)
class _Done:
    frames: int
    heads: int
    absent: int
    seen: dict[str, int]


def _write_batches(
    job: _Job,
    part: Path,
    report: ExportReport,
    workers: int | None,
    scheduler: str | None,
    on_progress: Progress | None,
) -> None:
    folder, fingerprint = adopt(job.opened)
    tasks = [
        (plan.chunk, _BatchTask(folder, fingerprint, job.kind.name, plan, part, job.options))
        for plan in job.plans
    ]
    if len(tasks) == 1:
        workers = 1
    show = on_progress or (lambda done, total, name: None)
    show(0, len(tasks), "")
    ledger = report.ledger
    seen: Counter[str] = Counter()
    results = run_all(
        _write_batch, tasks, workers=workers, scheduler=scheduler, folders=[folder, part]
    )
    with closing(results):
        for done, (name, result) in enumerate(results, 1):
            seen.update(result.seen)
            ledger.frames.came += result.frames
            ledger.heads.came += result.heads
            ledger.heads.drop("absent", result.absent)
            crash_point("batch-written")
            show(done, len(tasks), name)
    for reason in ("ignored", "no-box", "box-without-area", "box-outside"):
        ledger.heads.drop(reason, seen.pop(reason, 0))
    _book_dropped_frames(job.opened, job.plans, ledger)
    report.seen = dict(sorted(seen.items()))


def _book_dropped_frames(opened: Dataset, plans: Sequence[BatchPlan], ledger: Ledger) -> None:
    """Record frames that were left out on request, with the heads that they have."""
    splits = {plan.split for plan in plans}
    kept = {row for plan in plans for row in plan.rows}
    columns = opened.frames(["split", "num_heads", "num_ignored", "num_absent"])
    for row, split in enumerate(columns["split"]):
        if split in splits and row not in kept:
            heads = sum(columns[n][row] for n in ("num_heads", "num_ignored", "num_absent"))
            ledger.frames.came += 1
            ledger.frames.drop("drop-empty")
            ledger.heads.came += heads
            ledger.heads.drop("drop-empty", heads)


def _write_batch(task: _BatchTask) -> _Done:
    """Write one batch: its images, and what the format makes of it."""
    kind = FORMATS[task.format]
    position = (task.dataset, task.fingerprint, task.plan, task.folder, task.options)
    batch, absent = load_batch(*position, sigmas=kind.kind == "maps")
    heads = len(batch.heads) + absent
    _place_images(batch, kind)
    if "ignored" not in kind.supports:
        batch.note("ignored", int(batch.heads.ignored.sum()))
        batch = batch.counted()
    try:
        kind.write(batch)
    except ValueError as error:
        first, last = batch.frames[0].frame_id, batch.frames[-1].frame_id
        raise InputError(
            f"{kind.name} can't be written: {error}",
            where=Where(str(task.dataset), frame=f"{first} to {last}"),
            remedy="the dataset is damaged: `gtahead validate` says where",
        ) from error
    return _Done(len(batch.frames), heads, absent, batch.seen)


def _place_images(batch: Batch, kind: Format) -> None:
    """Link or copy a batch's images."""
    if kind.image is None:
        return
    copied, made = 0, set()
    for frame in batch.frames:
        if frame.image is None:
            continue
        to = batch.folder / kind.image(batch.split, frame)
        if to.parent not in made:
            to.parent.mkdir(parents=True, exist_ok=True)
            made.add(to.parent)
        to.unlink(missing_ok=True)  # a unit may run twice
        require_image(frame.image)
        linked = storage.link_or_copy(frame.image, to, link=batch.options.images == "link")
        copied += not linked
    if batch.options.images == "link":
        batch.note("images copied, since they can't be linked", copied)


def _write_index(job: _Job, part: Path) -> None:
    """Write which file is which frame."""
    with (part / INDEX).open("w", encoding="utf-8", newline="") as text:
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["file", *INDEX_COLUMNS])
        for split, frame in job.frames:
            file = job.kind.image(split, frame) if job.kind.image else frame.nested_name
            cells = (storage.csv_cell(frame.about[name]) for name in INDEX_COLUMNS)
            rows.writerow([file, *cells])


def _mark(job: _Job, report: ExportReport, part: Path) -> None:
    """Write what this export is, and which files are its own; sum up their bytes."""
    files = system.in_order(path for path in part.rglob("*") if path.is_file())
    names = [path.relative_to(part).as_posix() for path in files]
    report.files, report.bytes = len(files) + 1, sum(path.stat().st_size for path in files)
    kind, options, document = job.kind, job.options, job.opened.manifest.document
    reported = {"images": options.images, "drop_empty": options.drop_empty}
    if kind.kind == "maps":
        keys = ("stride", "dtype", "border", "store", "layout")
        reported |= {key: getattr(options, key) for key in keys}
    storage.write_json(
        part / MARKER,
        {
            "format": "gtahead-export",
            "version": 1,
            "name": kind.name,
            "gtahead": __version__,
            **origins_in(document),
            "count_policy": document["policy"],
            "fingerprints": {
                name: {split: values[split] for split in job.splits}
                for name, values in document["fingerprints"].items()
            },
            "options": reported,
            "ledger": {k: v for k, v in report.ledger.as_dict().items() if k != "sequences"},
            "lost": report.lost,
            "left": report.left,
            "seen": report.seen,
            "files": names,
        },
    )
