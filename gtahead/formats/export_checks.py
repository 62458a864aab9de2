"""What an export refuses before anything is written: options, frames, losses, other files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from gtahead.dataset import SPLITS, Dataset, heads_file
from gtahead.errors import InputError, UsageError, Where
from gtahead.formats import FORMATS
from gtahead.formats.base import LOSSES, Format, Options
from gtahead.geometry import clipped
from gtahead.ingest.exports import MARKER, marker_of
from gtahead.storage import system, targets
from gtahead.tables import canonical, parquet
from gtahead.tables.splits import split_named

BY_PRODUCTS = ("raw_x", "depth_m", "world_x_m", "top_x", "neck_x", "top_neck_m", "box_error_px")
"""What only the dataset keeps: how points and boxes came about. It's reported, not refused."""


def format_named(name: str) -> Format:
    """Return a format by its name.

    Raises:
        UsageError: there is none of this name.
    """
    name = name if name in FORMATS else name.lower()
    if name not in FORMATS:
        import difflib

        close = difflib.get_close_matches(name, FORMATS, n=1)
        remedy = f"did you mean {close[0]}? " if close else ""
        raise UsageError(
            "unknown format", value=name, remedy=f"{remedy}`gtahead formats` lists them"
        )
    return FORMATS[name]


def check_options(kind: Format, options: Options) -> None:
    """Refuse option values that there aren't, or that the format doesn't take."""
    allowed: Mapping[str, Collection[str]] = {
        "images": ("link", "copy", "none"),
        "dtype": ("float32", "float16"),
        "border": ("renormalise", "clip"),
        "store": ("npz", "npy", "h5"),
        "layout": ("nested", "flat"),
    }
    for name, values in allowed.items():
        if getattr(options, name) not in values:
            remedy = f"one of {', '.join(values)}"
            raise UsageError(f"unknown {name}", value=getattr(options, name), remedy=remedy)
    for name in ("stride", "dtype", "border", "store", "layout"):
        if kind.kind != "maps" and getattr(options, name) != getattr(Options, name):
            remedy = "leave it out, or choose density or heatmap"
            raise UsageError(f"{kind.name} has no {name}: only maps have", remedy=remedy)
    if options.stride < 1:
        raise UsageError("the stride must be 1 or more", value=options.stride)


def check_frames(opened: Dataset) -> None:
    """Refuse a damaged table of frames, which would silently drop frames or boxes."""
    columns = opened.frames(["frame_id", "split", "width", "height"])
    rows = zip(*columns.values(), strict=True)
    for frame, split, width, height in rows:
        if split not in SPLITS or min(width or 0, height or 0) < 1:
            raise InputError(
                "the table of frames is damaged",
                where=Where(str(opened.folder), frame=frame),
                value=f"split {split}, size {width} x {height}",
                remedy="`gtahead validate` says what else is; build it anew with --fresh",
            )


def chosen_splits(opened: Dataset, wanted: str | Sequence[str] | None) -> list[str]:
    """Return the splits to export, in their order; all that have frames unless some are given."""
    there = set(opened.frames(["split"])["split"])
    names = (
        [wanted] if isinstance(wanted, str) else list(wanted or [s for s in SPLITS if s in there])
    )
    chosen = {split_named(name) for name in names}
    return [name for name in SPLITS if name in chosen]


def sequences_of(opened: Dataset, splits: Sequence[str]) -> dict[str, list[str]]:
    """Return the names of the sequences of each split."""
    columns = opened.frames(["sequence", "split"])
    found: dict[str, dict[str, None]] = {split: {} for split in splits}
    for sequence, split in zip(columns["sequence"], columns["split"], strict=True):
        if split in found:
            found[split][sequence] = None
    return {split: list(names) for split, names in found.items()}


def survey_losses(
    opened: Dataset, kind: Format, splits: Sequence[str]
) -> tuple[dict[str, int], dict[str, int]]:
    """Count what the format has no field for, before anything is written.

    Returns:
        What is lost, and what only the dataset keeps, in heads by aspect: by-products, and boxes
        and ids that gtahead made itself, which no source had.
    """
    known: Counter[str] = Counter()
    ignored = aside = cut = boxless = ids = boxes = 0
    sources = {row["sequence"]: row for row in opened.manifest.document["sources"]}
    columns = opened.frames(["frame_id", "sequence", "split", "num_ignored"])
    chosen: dict[str, list[str]] = {}
    frames = Counter(columns["sequence"])
    for frame_id, sequence, split, count in zip(*columns.values(), strict=True):
        if split in splits:
            chosen.setdefault(sequence, []).append(frame_id)
            ignored += count
    for sequence, mine_only in sorted(chosen.items()):
        path = opened.folder / heads_file(sequence)
        source = sources.get(sequence, {})
        if len(mine_only) == frames[sequence]:
            mine = parquet.known_values(path, str(path))
            boxes += source.get("box_sources", {}).get("captured", 0)
        else:  # the sequence is divided between splits
            mine = canonical.known_values_in(path, mine_only)
            boxes += mine["captured"]
        known.update(mine)
        made_up = source.get("made", ())
        ids += 0 if "ids" in made_up else mine["head_id"]
        if kind.boxed and (
            kind.clips or "points" not in kind.supports or known["box_x0"] < known["x"]
        ):
            off, off_made, none = _beside_boxes(opened, sequence, mine_only, clips=kind.clips)
            if "points" in made_up:
                off, off_made = 0, off + off_made
            aside, cut, boxless = aside + off, cut + off_made, boxless + none
    counts = {
        "boxes": boxes,
        "points": aside,
        "ids": ids,
        "ignored": ignored,
        "occluded": known["occluded"],
        "visibility": known["visibility"],
    }
    lost = {name: counts[name] for name in kind.drops if counts[name]}
    if boxless:
        lost["boxless"] = boxless
    left = {name: known[name] for name in BY_PRODUCTS if known[name]}
    made = {"boxes": known["box_x0"] - boxes, "ids": known["head_id"] - ids}
    left |= {"moved_points": cut} if cut and "points" in kind.drops else {}
    regions = opened.manifest.document["options"].get("roi", {})
    left |= {"regions of interest": len(regions)} if regions else {}
    left |= {f"made_{name}": made[name] for name in kind.drops if made.get(name)}
    return lost, left


def _beside_boxes(
    opened: Dataset, sequence: str, frame_ids: Collection[str], *, clips: bool
) -> tuple[int, int, int]:
    """Count heads whose point isn't the middle of their exported box, and those without a box.

    Of the first come those whose box the source had, then those whose box gtahead made.

    Absent heads are in no export.
    """
    heads = opened.head_codes(
        sequence, ["frame_id", "x", "y", "status", "box_source", *canonical.BOX]
    )
    boxes = np.stack([heads[name] for name in canonical.BOX], axis=1)
    if clips:
        frames = opened.select(sequences=[sequence]).frames(["frame_id", "width", "height"])
        pairs = zip(frames["width"], frames["height"], strict=True)
        sizes = dict(zip(frames["frame_id"], pairs, strict=True))
        names = heads["frame_id_names"]
        limits = np.array([sizes.get(name, (0, 0)) for name in names], np.float64).reshape(-1, 2)
        boxes = clipped(boxes, limits[heads["frame_id"]])
    off = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - np.stack([heads["x"], heads["y"]], axis=1))
    absent = [i for i, name in enumerate(heads["status_names"]) if name == "absent"]
    chosen = set(frame_ids)
    wanted = [i for i, name in enumerate(heads["frame_id_names"]) if name in chosen]
    there = np.isin(heads["frame_id"], wanted) & ~np.isin(heads["status"], absent)
    boxed = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    words = np.append(heads["box_source_names"], "")
    own = words[heads["box_source"]] == "captured"
    moved = (off > 0.01).any(axis=1) & there & boxed
    return int((moved & own).sum()), int((moved & ~own).sum()), int((there & ~boxed).sum())


def lossy(kind: Format, lost: Mapping[str, int]) -> InputError:
    """Return the error of a format that can't hold everything."""
    what = ", ".join(f"{LOSSES[name]} ({count:,})" for name, count in lost.items())
    return InputError(
        f"{kind.name} can't hold everything in the dataset: {what}",
        remedy="add --allow-lossy to leave it out, or choose a format that supports it "
        "(`gtahead formats`)",
    )


def _strange_in(folder: Path) -> list[str] | None:
    marker = marker_of(folder)
    if not marker:
        return None
    own = {MARKER, *marker.get("files", ())}
    names = (
        path.relative_to(folder).as_posix()
        for path in system.in_order(folder.rglob("*"))
        if path.is_file() or path.is_symlink()
    )
    return [name for name in names if name not in own]


EXPORT = targets.Kind("export", _strange_in)
