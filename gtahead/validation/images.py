"""Images of a dataset: there, of the right size, as released, and in one split only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.dataset import SPLITS, Dataset
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.images.alike import Hashes, alike, telling
from gtahead.images.reading import (
    ImageError,
    check_health,
    difference_hash,
    peek,
    read_bytes,
    read_header,
)

AT_ONCE = 512


@dataclass(frozen=True)
class ImageTask:
    """Some frames whose images are to be looked at; `images` is quick or full."""

    folder: Path
    rows: list[dict[str, Any]]
    images: str


def image_tasks(opened: Dataset, images: str) -> Iterator[tuple[str, ImageTask]]:
    """Cut a dataset's images into parts for workers."""
    names = ["frame_id", "sequence", "frame", "file", "width", "height", "sha256", "num_heads"]
    columns = opened.frames(names)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    rows = [row for row in rows if row["file"] is not None]
    for first in range(0, len(rows), AT_ONCE):
        part = rows[first : first + AT_ONCE]
        yield part[0]["frame_id"], ImageTask(opened.folder, part, images)


def check_images(task: ImageTask) -> tuple[Findings, dict[str, int]]:
    """Check some images.

    Returns:
        What was found; and, where images were decoded, their difference hashes by frame.
    """
    findings = Findings()
    hashes: dict[str, int] = {}
    for row in task.rows:
        if not storage.is_safe_relative(row["file"]):
            continue  # reported already
        where = Where(row["file"], row["sequence"], row["frame"])
        try:
            if task.images == "full":
                data = read_bytes(task.folder / row["file"])
                header = read_header(data)
                for line in check_health(data, header):
                    findings.add("decoder-warning", where, detail=line)
                if hashlib.sha256(data).hexdigest() != row["sha256"]:
                    findings.add("hash-mismatch", where)
                hashes[row["frame_id"]] = difference_hash(data)
            else:
                header = peek(task.folder / row["file"])
        except ImageError as fault:
            code = fault.code
            if code == "flat-image" and row["num_heads"]:
                code = "heads-on-flat-image"
            findings.add(code, where, detail=fault.detail)
            continue
        size = row["width"], row["height"]
        if header.size_wh != size:
            detail = f"{header.size_wh[0]} x {header.size_wh[1]} instead of {size[0]} x {size[1]}"
            findings.add("wrong-size", where, detail=detail)
        if header.has_exif:
            findings.add("exif-left", where)
        if header.is_deep:
            findings.add("deep-colour", where, detail=f"mode {header.mode}")
    return findings, hashes


def check_near_duplicates(opened: Dataset, hashes: Mapping[str, int], findings: Findings) -> None:
    """Look for images of one split that nearly equal those of another."""
    split_of = dict(zip(opened.frame_ids, opened.frames(["split"])["split"], strict=True))
    parts: dict[str, tuple[list[str], Hashes]] = {}
    for split in sorted({*split_of.values()} & {*SPLITS}):  # any other has been noted
        parts[split] = telling({one: h for one, h in hashes.items() if split_of[one] == split})
    names = list(parts)
    for position, one in enumerate(names):
        for other in names[position + 1 :]:
            _compare(parts[one], parts[other], other, findings)


def _compare(
    one: tuple[list[str], Hashes], other: tuple[list[str], Hashes], split: str, findings: Findings
) -> None:
    for frame_id, code in zip(*one, strict=True):
        near = alike(code, other[1])
        if len(near):
            sequence, _, frame = frame_id.rpartition("/")
            twin = other[0][int(near[0])]
            findings.add("near-duplicate", Where(None, sequence, frame), twin, f"in {split}")
