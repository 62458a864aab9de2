"""Other boxes or sigmas for a dataset, computed from its own tables.

All new tables are made aside first; the dataset stays what it was until every one is there. Then
the manifest goes, the tables are put in place, and the new manifest comes. A run that is killed in
between is finished by the next `annotate` or `build`; one that is killed before leaves nothing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from gtahead import storage
from gtahead.annotation import BoxRule, SigmaRule
from gtahead.annotation.scene import LABEL_CODES, label, standing_scene
from gtahead.arrays import Progress
from gtahead.building.output import FOLDERS, is_ours, records_of
from gtahead.building.records import SequenceRecord
from gtahead.building.split_options import SPLIT_KEYS, SplitOptions
from gtahead.building.splitting import COLUMNS, SequenceFrames, split_frames, split_rows
from gtahead.dataset import (
    ANNOTATING,
    FRAMES,
    MANIFEST,
    WORK,
    Dataset,
    heads_file,
    read_manifest,
    splits_of,
    write_manifest,
)
from gtahead.dataset.fingerprints import fingerprints_by_split, sequence_digests, without_unknown
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings
from gtahead.parallel.pool import run_all
from gtahead.readers import READERS
from gtahead.storage import crash_point, system, targets
from gtahead.tables import canonical
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

Rule = TypeVar("Rule", BoxRule, SigmaRule)


@dataclass
class AnnotateReport:
    """The result of an annotation.

    Attributes:
        dataset: the dataset's folder.
        before: the `labels` fingerprint as it was.
        manifest: as it is now.
        changed: False where the rules were the dataset's already: nothing was written.
        findings: frames that the wanted box rule couldn't serve.
    """

    dataset: Path
    before: str
    manifest: dict[str, Any]
    changed: bool = True
    findings: Findings = field(default_factory=Findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        options = self.manifest["options"]
        return {
            "dataset": str(self.dataset),
            "changed": self.changed,
            "boxes": options["boxes"],
            "sigma": options["sigma"],
            "box_sources": self.manifest["statistics"]["box_sources"],
            "findings": self.findings.as_dict(),
            "fingerprint_before": self.before,
            "fingerprint": self.manifest["fingerprint"],
            "fingerprints": self.manifest["fingerprints"],
        }


@dataclass(frozen=True)
class _LabelTask:
    target: Path
    sequence: str
    boxes: BoxRule
    sigma: SigmaRule


@dataclass(frozen=True)
class _Labelled:
    """What one sequence's new table adds to the manifest."""

    digests: dict[str, str]
    table: dict[str, Any]
    box_sources: dict[str, int]
    findings: Findings


@resolve_urls(writes=["dataset"], labels=["dataset"])
def annotate(
    dataset: StrPath = "dataset",
    *,
    boxes: str | None = None,
    sigma: str | None = None,
    split: str | None = None,
    split_by: str | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    on_progress: Progress | None = None,
) -> AnnotateReport:
    """Compute boxes or sigmas of a dataset's heads by another rule, or split it otherwise.

    Points, count flags and images stay as they are, and so do their fingerprints; `labels`
    changes with boxes and sigmas, and each split's own fingerprints with the splits. The result is
    the same as of a build with these options.

    Args:
        dataset: the dataset's folder.
        boxes: pseudo-box rule, such as `camera` or `knn:k=3`; None keeps the dataset's.
        sigma: rule for sigmas, such as `knn:k=3,beta=0.3`; None keeps the dataset's.
        split: how to split it, as `build` takes it; None keeps the splits.
        split_by: `sequence` or `image`; None for what suits the data.
        workers: processes; None for one per core, up to 4.
        scheduler: address of a Dask scheduler, instead of processes of this machine.
        on_progress: called at the start and after each sequence.

    Raises:
        UsageError: no rule and no split is given, or one that doesn't exist.
        InputError: no dataset, an unfinished or a damaged one.
        ResourceError: disk, rights, or another run in the same folder.
    """
    if boxes is None and sigma is None and split is None and split_by is None:
        raise UsageError("nothing to do", remedy="give a rule for boxes or sigma, or a split")
    split_options = None
    if split is not None or split_by is not None:
        split_options = SplitOptions.parse("auto" if split is None else split, split_by)
    box_rule = None if boxes is None else BoxRule.parse(boxes)
    sigma_rule = None if sigma is None else SigmaRule.parse(sigma)
    target = Path(dataset)
    if not ((target / ANNOTATING).is_dir() and is_ours(target)):
        read_manifest(target)  # before anything is touched in a folder that isn't a dataset
    with storage.naming_os_errors(target), targets.locked(target):
        targets.refuse_links(target, FOLDERS)
        recover(target)
        opened = _open_to_annotate(target)
        opened.stored.check_frames()
        old = dict(opened.manifest.document)
        box_rule = box_rule or _standing_rule(BoxRule, target, old, "boxes")
        sigma_rule = sigma_rule or _standing_rule(SigmaRule, target, old, "sigma")
        options = {**old["options"], "boxes": str(box_rule), "sigma": str(sigma_rule)}
        same_rules = options == old["options"]
        if split_options is not None:
            options = {k: v for k, v in options.items() if k not in SPLIT_KEYS}
            options |= split_options.as_dict()
        report = AnnotateReport(target, old["fingerprint"], old)
        if options == old["options"]:
            report.changed = False
            return report
        (target / ANNOTATING / "heads").mkdir(parents=True)
        tasks = [
            (name, _LabelTask(target.absolute(), name, box_rule, sigma_rule))
            for name in ([] if same_rules else opened.sequences)
        ]
        try:
            labelled = _label(tasks, target, workers, scheduler, on_progress)
            crash_point("labelled")
            records = records_of(target, opened.manifest)
            document, splits = old, splits_of(opened)
            if split_options is not None:
                document, splits = _split_anew(opened, records, split_options, report.findings)
            report.manifest = _new_manifest(document, options, records, labelled, splits)
            system.sync_folder(target / ANNOTATING / "heads")
            storage.write_json(target / ANNOTATING / MANIFEST, report.manifest)
        except BaseException:
            recover(target)
            raise
        crash_point("decided")
        recover(target)
    for _, new in sorted(labelled.items()):
        report.findings.merge(new.findings)
    return report


def _open_to_annotate(target: Path) -> Dataset:
    opened = Dataset.open(target)
    if "release" in opened.manifest.document:
        raise InputError(
            "a release can't be annotated: its files are listed with their hashes",
            where=Where(str(target)),
            remedy="annotate the dataset it was made from, and stage it again",
        )
    if (target / WORK).is_dir():
        raise InputError(
            "a build is under way in this dataset",
            where=Where(str(target)),
            remedy="finish it: run its `gtahead build` again",
        )
    return opened


def _label(
    tasks: Sequence[tuple[str, _LabelTask]],
    target: Path,
    workers: int | None,
    scheduler: str | None,
    on_progress: Progress | None,
) -> dict[str, _Labelled]:
    """Write the sequences' new tables into the work folder; return what is new, by sequence."""
    labelled: dict[str, _Labelled] = {}
    if on_progress is not None:
        on_progress(0, len(tasks), "")
    results = run_all(
        _label_sequence, tasks, workers=workers, scheduler=scheduler, folders=[target]
    )
    with closing(results):
        for name, result in results:
            labelled[name] = result
            if on_progress is not None:
                on_progress(len(labelled), len(tasks), name)
    return labelled


def _standing_rule(kind: type[Rule], target: Path, document: Mapping[str, Any], key: str) -> Rule:
    """Read the rule that a dataset was made with."""
    spec = document["options"].get(key)
    try:
        return kind.parse(str(spec))
    except UsageError as error:
        raise InputError(
            f"the manifest names no known rule for {key}",
            where=Where(str(target / MANIFEST), field=f"/options/{key}"),
            value=spec,
            remedy=f"name one: --{key} RULE",
        ) from error


def recover(target: Path) -> None:
    """Finish or discard an interrupted annotation; the caller must hold the lock.

    Raises:
        InputError: the decided manifest can't be read.
    """
    work = target / ANNOTATING
    if not work.is_dir():
        return
    storage.remove_leftovers(target)  # of a manifest that was being written
    if (work / MANIFEST).is_file():
        document = dict(read_manifest(work).document)
        (target / MANIFEST).unlink(missing_ok=True)
        system.sync_folder(target)
        crash_point("manifest-gone")
        for path in sorted((work / "heads").glob("*.parquet")):
            path.replace(target / "heads" / path.name)
            crash_point("heads-replaced")
        system.sync_folder(target / "heads")
        if (work / FRAMES).is_file():
            (work / FRAMES).replace(target / FRAMES)
            system.sync_folder(target)
            crash_point("frames-replaced")
        write_manifest(target, document)
        crash_point("annotated")
        (work / MANIFEST).unlink()
    shutil.rmtree(work)


SPLIT_CODES = (
    *("few-locations", "few-images", "split-missing", "given-splits-leak", "same-image-twice"),
    *("near-duplicate", "video-divided", "images-not-compared"),
)
"""Findings of `split_frames`."""


def _split_anew(
    opened: Dataset,
    records: Mapping[str, SequenceRecord],
    options: SplitOptions,
    findings: Findings,
) -> tuple[dict[str, Any], dict[str, dict[str, str]]]:
    """Write the table of frames with other splits into the work folder.

    Returns:
        The manifest, with these splits; and by sequence the split of each frame id.
    """
    target, old = opened.folder, opened.manifest.document
    sequences = [
        SequenceFrames.of(name, opened.select(sequences=[name]).frames(COLUMNS))
        for name in opened.sequences
    ]
    kept = {name: record for name, record in records.items() if record.kept}
    video = any(READERS[source["reader"]].video for source in old["sources"])
    splits = split_frames(sequences, kept, options, findings, video=video)
    of = {one.name: dict(zip(one.frame_ids, splits.of[one.name], strict=True)) for one in sequences}
    by_frame = {frame_id: split for frames in of.values() for frame_id, split in frames.items()}
    made = target / ANNOTATING / FRAMES
    with storage.replacing(made) as part:
        columns = {"split": lambda ids: [by_frame[one] for one in ids]}
        canonical.write_frames_with(target / FRAMES, part, columns)
    noted = Findings.from_dict(old["findings"])
    for code in SPLIT_CODES:
        noted.totals.pop(code, None)
        noted.examples.pop(code, None)
    noted.merge(findings)
    table = {"sha256": storage.sha256_of(made), "rows": len(by_frame)}
    document = {
        **old,
        "splits": splits.as_dict(),
        "findings": noted.as_dict(),
        "statistics": {**old["statistics"], "splits": split_rows(sequences, splits)},
        "tables": {**old["tables"], FRAMES: table},
    }
    return document, of


def _label_sequence(task: _LabelTask) -> _Labelled:
    """Write one sequence's new table of heads into the work folder."""
    file = heads_file(task.sequence)
    opened = Dataset.open(task.target)
    opened.stored.check_heads(task.sequence)
    rows = opened.select(sequences=[task.sequence]).frames()
    scene = standing_scene(opened, task.sequence)
    findings = Findings()
    label(scene, task.boxes, task.sigma, findings, Where(sequence=task.sequence))
    heads = without_unknown(scene.heads)
    made = task.target / ANNOTATING / file
    with storage.replacing(made) as part:
        canonical.write_heads(part, heads, rows["frame_id"])
    names = heads["box_source_names"]
    counts = np.bincount(heads["box_source"], minlength=len(names)) if len(names) else ()
    return _Labelled(
        sequence_digests(rows, heads),
        {"sha256": storage.sha256_of(made), "rows": len(heads["head_id"])},
        {str(name): int(count) for name, count in zip(names, counts, strict=True)},
        findings,
    )


def _new_manifest(
    old: Mapping[str, Any],
    options: Mapping[str, Any],
    records: Mapping[str, SequenceRecord],
    labelled: Mapping[str, _Labelled],
    splits: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Return the manifest with the new tables' numbers in place of the old ones."""
    boxes: Counter[str] = Counter()
    findings = Findings.from_dict(old["findings"])
    if labelled:
        _forget(findings)
    for name, new in sorted(labelled.items()):
        record = records[name]
        record.digests, record.table, record.box_sources = new.digests, new.table, new.box_sources
        _forget(record.findings)
        record.findings.merge(new.findings)
        findings.merge(new.findings)
        boxes.update(new.box_sources)
    fingerprints = fingerprints_by_split(
        {name: record.digests for name, record in records.items() if record.kept}, splits
    )
    return {
        **old,
        "options": dict(options),
        "sources": [
            {"reader": row["reader"], **records[row["sequence"]].as_dict()}
            for row in old["sources"]
        ],
        "findings": findings.as_dict(),
        "statistics": (
            {**old["statistics"], "box_sources": dict(sorted(boxes.items()))}
            if labelled
            else old["statistics"]
        ),
        "tables": {
            **old["tables"],
            **{heads_file(name): new.table for name, new in labelled.items()},
        },
        "fingerprint": fingerprints["labels"]["all"],
        "fingerprints": fingerprints,
    }


def _forget(findings: Findings) -> None:
    for code in LABEL_CODES:
        findings.totals.pop(code, None)
        findings.examples.pop(code, None)
