"""Datasets: the tables against the manifest, against one another, and against the policy."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.arrays import Booleans, Columns, Floats, Ints
from gtahead.dataset import FRAMES, SPLITS, CountPolicy, Dataset, heads_file
from gtahead.dataset.fingerprints import (
    KINDS,
    fingerprints_by_split,
    sequence_digests,
    without_unknown,
)
from gtahead.errors import GtaheadError, InputError, Where
from gtahead.findings import Findings
from gtahead.origins import origin_of
from gtahead.regions import outside, regions_of
from gtahead.tables import canonical
from gtahead.tables.canonical import COUNTED, IGNORED, STATUS_NAMES

ODD_RATIO = 4.0
"""Heads are of much the same size: a box so many times larger or smaller than its distance makes
the others is of something else."""

ENOUGH_HEADS = 30
"""Of a sequence, to know what size heads have there."""

BORDER_PX = 1 / 256
"""To which derived coordinates are rounded on disk."""


@dataclass
class _Tally:
    """Sums over sequences, to be compared with the manifest."""

    digests: dict[str, dict[str, str]] = field(default_factory=dict)
    split_of: dict[str, dict[str, str]] = field(default_factory=dict)
    heads: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    split_heads: Counter[str] = field(default_factory=Counter)
    split_frames: Counter[str] = field(default_factory=Counter)


def check_dataset(opened: Dataset, findings: Findings) -> Iterator[str]:
    """Check a dataset's tables; yield each sequence's name once it is checked.

    Images are looked at elsewhere.
    """
    _check_files(opened, findings)
    frames = opened.frames()
    policy = CountPolicy.parse(opened.manifest.policy)
    _check_frames(frames, findings)
    tally = _Tally()
    positions: dict[str, list[int]] = {}
    for row, sequence in enumerate(frames["sequence"]):
        positions.setdefault(sequence, []).append(row)
    for sequence, rows in positions.items():
        mine = {name: [values[row] for row in rows] for name, values in frames.items()}
        splits = set(mine["split"])
        if len(splits) > 1 and opened.manifest.document["splits"]["unit"] == "sequence":
            findings.add(
                "sequence-in-two-splits",
                Where(FRAMES, sequence),
                ", ".join(sorted(map(str, splits))),
            )
        try:
            _check_sequence(opened, sequence, mine, policy, tally, findings)
        except InputError as error:
            findings.add(
                "file-unreadable", error.where or Where(sequence=sequence), detail=error.what
            )
        tally.split_of[sequence] = dict(zip(mine["frame_id"], map(str, mine["split"]), strict=True))
        for split, count in zip(mine["split"], mine["num_heads"], strict=True):
            tally.split_heads[str(split)] += count
            tally.split_frames[str(split)] += 1
        yield sequence
    _check_manifest(opened, frames, tally, findings)


def _check_files(opened: Dataset, findings: Findings) -> None:
    """Check the files against the manifest: there, unchanged, and no others."""
    named = opened.manifest.document["tables"]
    for file, row in named.items():
        path = opened.folder / file
        if not storage.is_safe_relative(file) or not path.is_file():
            findings.add("table-missing", Where(file))
            continue
        with path.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        if digest != row["sha256"]:
            findings.add("table-changed", Where(file), detail=f"sha256 {digest[:12]}…")
    for path in sorted((opened.folder / "heads").glob("*")):
        if f"heads/{path.name}" not in named:
            findings.add("unlisted-file", Where(f"heads/{path.name}"))


def _check_frames(frames: Mapping[str, list[Any]], findings: Findings) -> None:
    seen: dict[str, int] = {}
    for row, frame_id in enumerate(frames["frame_id"]):
        sequence, frame = frames["sequence"][row], frames["frame"][row]
        location = Where(FRAMES, sequence, frame, field=f"row {row}")
        if frame_id in seen:
            findings.add("duplicate-frame", location, frame_id, f"first in row {seen[frame_id]}")
        seen.setdefault(frame_id, row)
        if frame_id != f"{sequence}/{frame}":
            findings.add("flag-differs", location, frame_id, "frame_id isn't sequence/frame")
        if frames["width"][row] < 1 or frames["height"][row] < 1:
            size = f"{frames['width'][row]} x {frames['height'][row]}"
            findings.add("size-unknown", location, size)
        if frames["split"][row] not in SPLITS:
            findings.add("bad-value", location, frames["split"][row], "no such split")
        file = frames["file"][row]
        if file is not None and not storage.is_safe_relative(file):
            findings.add("unsafe-path", location, file)


def _check_sequence(
    opened: Dataset,
    sequence: str,
    frames: Mapping[str, list[Any]],
    policy: CountPolicy,
    tally: _Tally,
    findings: Findings,
) -> None:
    """Check one sequence's heads against its frames and the policy."""
    file = heads_file(sequence)
    if not (opened.folder / file).is_file():
        return  # it's missing, and that has been noted
    heads = opened.head_codes(sequence, canonical.HEADS_V1.names)
    ids = {frame_id: position for position, frame_id in enumerate(frames["frame_id"])}
    names = heads["frame_id_names"]
    place_of = np.array([ids.get(name, -1) for name in names] or [-1], np.int64)
    index = place_of[heads["frame_id"]]
    at = _At(file, sequence, names, heads)
    rows = opened.manifest.document["tables"].get(file, {"rows": None})["rows"]
    if rows is not None and len(index) != rows:  # a file that it doesn't list has been noted
        findings.add("count-differs", Where(file), len(index), f"the manifest says {rows}")
    lost = index < 0
    findings.add_rows(
        "head-without-frame", lost, at, lambda row: str(names[heads["frame_id"][row]])
    )
    _check_order(index, heads, at, findings)
    sizes = np.stack([frames["width"], frames["height"]], axis=1).astype(np.float64)[index]
    points = np.stack([heads["x"], heads["y"]], axis=1)
    _check_places(points, sizes, heads, at, findings)
    names_of = [frames["frame_id"], frames["sequence"], frames["location"]]
    regions = regions_of(opened.manifest.document, str(opened.folder))
    beyond = outside(points, index, list(zip(*names_of, strict=True)), regions)
    status = _check_flags(points, sizes, heads, policy, beyond, at, findings)
    _check_boxes(points, sizes, heads, at, findings)
    _check_sizes(index, heads, frames, at, findings)
    tally.heads.update(
        {name: int((status == code).sum()) for code, name in enumerate(STATUS_NAMES)}
    )
    if "box_source_names" in heads:
        sources = heads["box_source"]
        for code, name in enumerate(heads["box_source_names"]):
            tally.sources[str(name)] += int((sources == code).sum())
    for column, code in (("num_heads", 2), ("num_ignored", 1), ("num_absent", 0)):
        there = np.bincount(index[(status == code) & ~lost], minlength=len(frames["frame"]))
        _compare_counts(sequence, frames, column, there, findings)
    tally.digests[sequence] = _digests(frames, heads, index, status)


def _compare_counts(
    sequence: str, frames: Mapping[str, list[Any]], column: str, there: Ints, findings: Findings
) -> None:
    said = np.array(frames[column])
    findings.add_rows(
        "count-differs",
        there != said,
        lambda row: Where(FRAMES, sequence, frames["frame"][row], field=column),
        lambda row: int(said[row]),
        lambda row: f"the table of heads has {there[row]}",
    )


@dataclass(frozen=True, eq=False)
class _At:
    """Returns the location of a row of a table of heads."""

    file: str
    sequence: str
    names: npt.NDArray[np.object_]
    heads: Columns

    def __call__(self, row: int, column: str | None = None) -> Where:
        name = str(self.names[self.heads["frame_id"][row]]).rpartition("/")[2]
        return Where(self.file, self.sequence, name, int(self.heads["head_id"][row]), column)


def _check_order(index: Ints, heads: Columns, at: _At, findings: Findings) -> None:
    """Look for heads that are twice in a frame, and for rows out of order."""
    ids = heads["head_id"]
    same_frame = index[1:] == index[:-1]
    down = (index[1:] < index[:-1]) | (same_frame & (ids[1:] < ids[:-1]))
    rows = np.flatnonzero(down) + 1
    findings.add_rows("out-of-order", rows, at, detail=lambda row: f"row {row}")
    order = np.lexsort((ids, index)) if down.any() else np.arange(len(ids))
    again = (np.diff(index[order]) == 0) & (np.diff(ids[order]) == 0)
    rows = np.sort(order[1:][again])
    findings.add_rows("duplicate-head", rows, at, detail=lambda row: f"row {row}")


def _check_places(
    points: Floats, sizes: Floats, heads: Columns, at: _At, findings: Findings
) -> None:
    lost = np.asarray(~np.isfinite(points).all(axis=1))
    findings.add_rows("not-finite", lost, partial(at, column="x, y"))
    inside = np.asarray(((points >= 0) & (points < sizes)).all(axis=1), np.bool_)
    findings.add_rows(
        "flag-differs",
        np.asarray(heads["in_frame"], np.bool_) != inside,
        partial(at, column="in_frame"),
        lambda row: bool(heads["in_frame"][row]),
        lambda row: "x and y say otherwise",
    )
    for name, low, high in (("visibility", 0.0, 1.0), ("depth_m", 0.0, np.inf)):
        values = heads[name]
        bad = ~np.isnan(values) & ~((values >= low) & (values <= high))
        findings.add_rows("bad-value", bad, partial(at, column=name), values.item)


def _check_flags(
    points: Floats,
    sizes: Floats,
    heads: Columns,
    policy: CountPolicy,
    beyond: Booleans,
    at: _At,
    findings: Findings,
) -> npt.NDArray[np.int8]:
    """Compare each status with what the policy gives; return the codes that the table has.

    Heads `beyond` their region of interest are ignored where they would count.
    """
    names = {name: code for code, name in enumerate(STATUS_NAMES)}
    kinds = np.array([names.get(name, -1) for name in heads["status_names"]] or [-1], np.int8)
    status = kinds[heads["status"]]
    inside = np.asarray(((points >= 0) & (points < sizes)).all(axis=1), np.bool_)
    wanted = policy.status(inside, heads["visibility"], heads["occluded"], heads["ignore"])
    wanted = np.where(beyond & (wanted == COUNTED), IGNORED, wanted)
    findings.add_rows(
        "flag-differs",
        status != wanted,
        partial(at, column="status"),
        lambda row: str(heads["status_names"][heads["status"][row]]),
        lambda row: f"{policy} makes it {STATUS_NAMES[wanted[row]]}",
    )
    return status


def _check_boxes(
    points: Floats, sizes: Floats, heads: Columns, at: _At, findings: Findings
) -> None:
    boxes = np.stack([heads[name] for name in canonical.BOX], axis=1)
    known = np.isfinite(boxes)
    there = known.any(axis=1)
    # An absent head may have no box, and one whose box is elsewhere is absent for that reason.
    counts = np.array([name != "absent" for name in heads["status_names"]] or [True])
    counts = counts[heads["status"]]

    def noted(code: str, bad: Booleans) -> None:
        findings.add_rows(
            code,
            bad & counts,
            partial(at, column="box"),
            lambda row: ", ".join(f"{v:g}" for v in boxes[row]),
        )

    noted("no-box", ~there)
    flat = there & ~(known.all(axis=1) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    noted("box-without-area", flat)
    fine = there & ~flat
    outside = fine & ((boxes[:, 2:] <= 0) | (boxes[:, :2] >= sizes)).any(axis=1)
    noted("box-outside-frame", outside)
    low, high = boxes[:, :2] - BORDER_PX, boxes[:, 2:] + BORDER_PX
    beside = fine & ((points < low) | (points > high)).any(axis=1)
    noted("point-outside-box", beside & ~outside)
    sigmas = np.stack([heads[name] for name in canonical.SIGMA], axis=1)
    findings.add_rows(
        "bad-value",
        np.asarray((sigmas <= 0).any(axis=1)),
        partial(at, column="sigma"),
        lambda row: float(sigmas[row].min()),
    )


def _check_sizes(
    index: Ints, heads: Columns, frames: Mapping[str, list[Any]], at: _At, findings: Findings
) -> None:
    """Look for boxes far from the size in metres that the sequence's others have."""
    vfov = np.array([np.nan if v is None else v for v in frames["vfov_deg"]], np.float64)
    with np.errstate(divide="ignore"):
        focal = np.array(frames["height"]) / 2 / np.tan(np.radians(vfov) / 2)
    sides = np.stack([heads["box_x1"] - heads["box_x0"], heads["box_y1"] - heads["box_y0"]], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        metres = np.sqrt(np.prod(sides, axis=1)) * heads["depth_m"] / focal[index]
    known = np.isfinite(metres) & (metres > 0)
    if known.sum() < ENOUGH_HEADS:
        return
    usual = float(np.median(metres[known]))
    off = known & ((metres > ODD_RATIO * usual) | (metres < usual / ODD_RATIO))
    depths = heads["depth_m"]
    findings.add_rows(
        "box-size-odd",
        off,
        partial(at, column="box"),
        lambda row: f"{sides[row, 0]:.1f} x {sides[row, 1]:.1f} px",
        lambda row: f"{metres[row]:.2f} m at {depths[row]:.1f} m; usual here {usual:.2f} m",
    )


def _digests(
    frames: Mapping[str, list[Any]], heads: Columns, index: Ints, status: npt.NDArray[np.int8]
) -> dict[str, str]:
    """Hash one sequence's columns as they are read."""
    columns = {
        name: values
        for name, values in heads.items()
        if name not in ("frame_id", "frame_id_names", "status_names", "point_kind_names")
    }
    kinds = [canonical.POINT_KINDS.index(name) for name in heads["point_kind_names"]]
    columns |= {
        "frame_index": index,
        "status": status,
        "box_source": heads["box_source"].astype(np.int8),
        "point_kind": np.array([*kinds, -1], np.int8)[heads["point_kind"]],
    }
    return sequence_digests(frames, without_unknown(columns))


def _check_manifest(
    opened: Dataset, frames: Mapping[str, list[Any]], tally: _Tally, findings: Findings
) -> None:
    """Check what the manifest says about the whole against what the tables contain."""
    document = opened.manifest.document
    statistics = document["statistics"]
    found: dict[str, tuple[object, object]] = {
        "statistics/frames": (statistics["frames"], len(frames["frame_id"])),
        "statistics/sequences": (statistics["sequences"], len(tally.split_of)),
        "statistics/frames_without_heads": (
            statistics["frames_without_heads"],
            frames["num_heads"].count(0),
        ),
        "ledger/frames/out": (document["ledger"]["frames"]["out"], len(frames["frame_id"])),
        "ledger/sequences/out": (document["ledger"]["sequences"]["out"], len(tally.split_of)),
    }
    whole = len(tally.digests) == len(tally.split_of)
    if whole:
        heads = {name: tally.heads[name] for name in ("counted", "ignored", "absent")}
        found["statistics/heads"] = (statistics["heads"], heads)
        found["ledger/heads/out"] = (document["ledger"]["heads"]["out"], sum(heads.values()))
    for split, row in statistics["splits"].items():
        there = {
            "sequences": sum(split in one.values() for one in tally.split_of.values()),
            "frames": tally.split_frames[split],
            "heads": tally.split_heads[split],
        }
        found[f"statistics/splits/{split}"] = (row, there)
    for key, (said, is_) in found.items():
        if said != is_:
            location = Where("manifest.json", field=f"/{key}")
            findings.add("count-differs", location, str(said), f"the tables have {is_}")
    _check_ledger(document["ledger"], findings)
    for split in SPLITS:
        names = document["splits"]["sequences"].get(split, [])
        there_too = sorted(name for name, one in tally.split_of.items() if split in one.values())
        if sorted(names) != there_too:
            odd = sorted(set(names) ^ set(there_too))
            location = Where("manifest.json", field=f"/splits/sequences/{split}")
            findings.add(
                "flag-differs", location, ", ".join(odd[:3]), "the table of frames differs"
            )
    if whole:
        _check_fingerprints(document["fingerprints"], tally, findings)
    _check_sources(document, tally, findings)


def _check_ledger(ledger: Mapping[str, Any], findings: Findings) -> None:
    for name, flow in ledger.items():
        if flow["in"] != flow["out"] + sum(flow["dropped"].values()):
            location = Where("manifest.json", field=f"/ledger/{name}")
            dropped = sum(flow["dropped"].values())
            findings.add(
                "count-differs", location, flow["in"], f"{flow['out']} out and {dropped} dropped"
            )


def _check_fingerprints(said: Mapping[str, Any], tally: _Tally, findings: Findings) -> None:
    there = fingerprints_by_split(tally.digests, tally.split_of)
    for kind in KINDS:
        for part, digest in said[kind].items():
            if there[kind].get(part) != digest:
                location = Where("manifest.json", field=f"/fingerprints/{kind}/{part}")
                findings.add("fingerprint-differs", location, f"{digest[:12]}…")


def _check_sources(document: Mapping[str, Any], tally: _Tally, findings: Findings) -> None:
    """Check what the manifest says about each source against the tables."""
    kept = {source["sequence"]: source for source in document["sources"] if source["kept"]}
    for name in sorted(set(kept) ^ set(tally.split_of)):
        location = Where("manifest.json", name, field="/sources")
        findings.add("flag-differs", location, name, "the table of frames differs")
    # Where the whole's differ, theirs do: that has been reported.
    known = "fingerprint-differs" in findings.totals
    for name, digests in () if known else tally.digests.items():
        said = kept.get(name, {}).get("digests", digests)
        if any(said.get(kind) != digest for kind, digest in digests.items()):
            location = Where("manifest.json", name, field="/sources/digests")
            findings.add("fingerprint-differs", location, f"{str(said.get('labels'))[:12]}…")
    if document["origin"] != origin_of(source["origin"] for source in kept.values()):
        location = Where("manifest.json", field="/origin")
        findings.add("flag-differs", location, document["origin"], "the sources differ")
    for kind in KINDS:
        for split in SPLITS:
            if split not in document["fingerprints"][kind]:
                location = Where("manifest.json", field=f"/fingerprints/{kind}/{split}")
                findings.add("fingerprint-differs", location, "missing")


def open_dataset(folder: Path, findings: Findings) -> Dataset | None:
    """Open a dataset; an error becomes a finding."""
    try:
        return Dataset.open(folder, check_names=False)
    except GtaheadError as error:
        findings.add(
            "file-unreadable",
            getattr(error, "where", None) or Where(str(folder)),
            detail=error.what,
        )
        return None
