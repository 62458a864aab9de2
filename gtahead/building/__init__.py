"""From captures to a dataset: read, check, annotate, split, store. Resumable at any moment."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.annotation import BoxRule, SigmaRule
from gtahead.arrays import Progress
from gtahead.building import output
from gtahead.building.annotating import AnnotateReport, annotate, recover
from gtahead.building.deriving import DerivedReport, filter, merge
from gtahead.building.finishing import finish, splits_before
from gtahead.building.frames import UnitTask
from gtahead.building.options import BuildOptions
from gtahead.building.records import SequenceRecord
from gtahead.building.sequence_job import build_sequence, sorted_sources
from gtahead.building.split_options import SplitOptions
from gtahead.dataset import CountPolicy, WrittenDataset
from gtahead.errors import InputError, Where
from gtahead.findings import CODES, Findings, Ledger
from gtahead.ingest.model import LabelOptions
from gtahead.parallel.dask import Crashed
from gtahead.parallel.pool import run_units
from gtahead.readers import choose_reader
from gtahead.regions import Regions, read_regions
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

__all__ = [
    "AnnotateReport",
    "BuildReport",
    "BuildStopped",
    "DerivedReport",
    "annotate",
    "build",
    "filter",
    "merge",
]


@dataclass(repr=False)
class BuildReport(WrittenDataset):
    """The result of a build.

    Attributes:
        out: the dataset's folder.
        reader: name of the captures' reader.
        reason: why that reader, in words.
        built: sequences built in this run.
        reused: sequences that were there from an earlier run.
        ledger: what came in, what was dropped, by reason, over all sequences.
        findings: everything noticed, over all sequences.
        manifest: as written; empty where the build stopped before.
    """

    out: Path
    reader: str
    reason: str
    built: int = 0
    reused: int = 0
    ledger: Ledger = field(default_factory=Ledger)
    findings: Findings = field(default_factory=Findings)
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 clean, 3 done with items set aside, or with errors in what was read."""
        return 3 if self.findings.anything_set_aside or self.findings.reach("error") else 0

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        keys = ("origin", "policy", "splits", "statistics", "fingerprint", "fingerprints")
        return {
            "out": str(self.out),
            "reader": self.reader,
            "reason": self.reason,
            "built": self.built,
            "reused": self.reused,
            "ledger": self.ledger.as_dict(),
            "findings": self.findings.as_dict(),
            **{key: self.manifest[key] for key in keys if key in self.manifest},
        }


class BuildStopped(InputError):  # noqa: N818 - says what happened, not what is wrong
    """The build ended without a dataset; `report` holds what was found."""

    report: BuildReport


@resolve_urls(reads=["raw"], writes=["out"])
def build(
    raw: StrPath,
    out: StrPath = "dataset",
    *,
    reader: str = "auto",
    boxes: str = "auto",
    sigma: str = "box",
    count_policy: str = "visible",
    images: str = "link",
    every: int = 1,
    head_class: str | None = None,
    labels_orientation: str | None = None,
    origin: str | None = None,
    split: str | None = None,
    split_by: str | None = None,
    roi: StrPath | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    strict: bool = False,
    fresh: bool = False,
    on_progress: Progress | None = None,
) -> BuildReport:
    """Build a dataset from captures, or go on with one that was begun.

    Args:
        raw: the captures' folder.
        out: the dataset's folder: new, empty, or a dataset of gtahead's.
        reader: kind of capture, a name in `READERS`, or auto.
        boxes: pseudo-box rule, such as `auto` or `knn:k=3`.
        sigma: rule for the sigmas of density maps, such as `box` or `knn:k=3,beta=0.3`.
        count_policy: which heads count: `visible[:SHARE]`, `in-frame` or `all`.
        images: `link` (hard links, copies where that can't be), `copy`, or `none`.
        every: keep every n-th frame.
        head_class: name or number of the class of heads, in labels of other people's that have
            several.
        labels_orientation: `upright` or `stored`: what other people's labels are of where an image
            has an orientation tag; by default what is usual in their format.
        origin: where the images come from, `game`, `simulated`, `photographs` or `unknown`; by
            default what the captures say, or what is usual of their kind.
        split: None keeps given splits and designs the rest; `given`, `designed`, target shares as
            `70:10:20`, or a file: JSON with names by split, or CSV with a name and its split.
        split_by: what is in one split as a whole, `sequence` or `image`; by default sequences of
            captures and videos, images of photographs.
        roi: a file of polygons by image, sequence or location, `*` for all: heads outside are
            ignored; see `gtahead.regions.read_regions`.
        workers: processes; None for one per core, up to 4.
        scheduler: address of a Dask scheduler, instead of processes of this machine.
        strict: stop, with no dataset, where anything would be set aside.
        fresh: build anew beside the dataset at `out`, and replace it at the end.
        on_progress: called at the start and after each sequence.

    Returns:
        What was built and what was found. A second call with nothing new builds nothing.

    Raises:
        BuildStopped: under `strict`, or where no sequence is left.
        InputError: no captures, or a target that can't be used.
        UsageError: an unknown option value, or an ambiguous capture.
        ResourceError: disk, rights, or another build in the same target.
    """
    kind, reason = choose_reader(Path(raw), reader)
    labels = LabelOptions(head_class, labels_orientation)
    kind = kind.with_options(labels)
    root, target = Path(os.path.realpath(raw)), Path(out)
    rules = BoxRule.parse(boxes), CountPolicy.parse(count_policy), SigmaRule.parse(sigma)
    splits = SplitOptions.parse("auto" if split is None else split, split_by)
    regions = Regions() if roi is None else read_regions(roi)
    options = BuildOptions(kind.name, *rules, images, every, labels, origin, splits, regions)
    report = BuildReport(target, kind.name, reason)
    listed = Findings()
    storage.refuse_overlap(target, root, "the dataset and the captures")
    existed = target.exists()
    with storage.naming_os_errors(target):
        sources = kind.sequences(root, listed)
        with output.opened(target, options, sources, fresh=fresh) as place:
            recover(place)
            first = not output.is_ours(place)
            ready = output.prepare(place, options, sources, listed)
            report.reused = len(ready.records)
            wanted = [s for s in sorted_sources(sources) if s.name not in ready.records]
            tasks = [(s.name, UnitTask(s, place.absolute(), options, strict)) for s in wanted]
            folders = [root, place]
            results = run_units(
                build_sequence, tasks, workers=workers, scheduler=scheduler, folders=folders
            )
            _collect(results, ready.records, report, len(sources), on_progress)
            _sum_up(report, ready.records, listed)
            _conclude(report, place, ready, options, strict=strict, first=first, existed=existed)
    return report


def _collect(
    results: Generator[tuple[str, SequenceRecord | Crashed], None, None],
    records: dict[str, SequenceRecord],
    report: BuildReport,
    total: int,
    on_progress: Progress | None,
) -> None:
    """Collect the records of sequences as they are built."""
    show = on_progress or (lambda done, total, name: None)
    show(len(records), total, "")
    with closing(results):
        for name, result in results:
            records[name] = _crashed(name) if isinstance(result, Crashed) else result
            report.built += 1
            storage.crash_point("unit-done")
            show(len(records), total, name)


def _conclude(
    report: BuildReport,
    place: Path,
    ready: output.PreparedOutput,
    options: BuildOptions,
    *,
    strict: bool,
    first: bool,
    existed: bool,
) -> None:
    """Combine the sequences into a dataset, unless it is finished already or none is left.

    Raises:
        BuildStopped: under `strict`, or where no sequence is left.
    """
    records = ready.records
    if ready.finished is not None:
        report.manifest = dict(ready.finished.document)
        report.findings = Findings.from_dict(report.manifest["findings"])
        _stop_if_needed(report, records, strict=strict)
        return
    hopeless = not any(record.kept for record in records.values())
    if (hopeless or _no_heads(report)) and first and "unit-crashed" not in report.findings.totals:
        output.leave_nothing(place, existed=existed)
    _stop_if_needed(report, records, strict=strict)
    before = splits_before(place)
    report.manifest = finish(
        *(place, options.as_dict(), records, report.findings, report.ledger),
        readers=dict.fromkeys(records, options.reader),
        splits=options.splits,
        regions=options.regions,
    )
    _note_changes(before, splits_before(place), report.findings)


def _note_changes(before: Mapping[str, str], now: Mapping[str, str], findings: Findings) -> None:
    """Note frames that were in another split before this build; the manifest doesn't."""
    for frame_id, split in now.items():
        was = before.get(frame_id, split)
        if was != split:
            sequence, _, frame = frame_id.rpartition("/")
            where = Where(None, sequence, frame)
            findings.add("splits-changed", where, detail=f"was for {was}, is for {split}")


def _crashed(name: str) -> SequenceRecord:
    record = SequenceRecord(name, "")
    record.findings.add("unit-crashed", Where(sequence=name))
    record.ledger.sequences.came = 1
    record.ledger.sequences.drop("unit-crashed")
    return record


def _sum_up(report: BuildReport, records: dict[str, SequenceRecord], listed: Findings) -> None:
    report.findings.merge(listed)
    lost = [code for code in listed.totals if CODES[code].sets_aside == "sequence"]
    for code in lost:
        report.ledger.sequences.came += listed.totals[code]
        report.ledger.sequences.drop(code, listed.totals[code])
    for name in sorted(records):
        report.findings.merge(records[name].findings)
        report.ledger.add(records[name].ledger)


def _no_heads(report: BuildReport) -> bool:
    """Return whether objects are labelled, but not one of them is a head."""
    return report.ledger.heads.came == 0 and "other-class" in report.findings.totals


def _stop_if_needed(
    report: BuildReport, records: dict[str, SequenceRecord], *, strict: bool
) -> None:
    where = Where(str(report.out))
    if _no_heads(report):
        stopped = BuildStopped(
            "none of the labelled objects is a head",
            where=where,
            remedy="say what their class is called: --class NAME, or its number",
        )
    elif not any(record.kept for record in records.values()):
        stopped = BuildStopped(
            "no sequence is left to build", where=where, remedy="see the findings"
        )
    elif strict and report.findings.anything_set_aside:
        stopped = BuildStopped(
            "stopped by --strict: items would be set aside",
            where=where,
            remedy="fix them and run again, or leave --strict out",
        )
    else:
        return
    stopped.report = report
    raise stopped
