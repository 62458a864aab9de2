"""Recognise captures and datasets, and summarise them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtahead.annotation.boxes import BOX_RULES, ORDER, BoxRule, error_range, measured_on
from gtahead.dataset import ANNOTATING, MANIFEST, WORK, Dataset, read_manifest
from gtahead.errors import REBUILD, InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.ingest.model import BrokenSequence
from gtahead.origins import origin_of
from gtahead.readers import choose_reader
from gtahead.urls import resolve_urls
from gtahead.values import StrPath


@dataclass(frozen=True, repr=False)
class Overview:
    """A summary of what is at a path.

    Attributes:
        path: as given.
        kind: "dataset" or "capture".
        details: JSON-ready facts; the keys differ between the kinds.
    """

    path: Path
    kind: str
    details: dict[str, Any]

    def __repr__(self) -> str:
        return f"Overview({str(self.path)!r}: {self.kind})"

    def as_dict(self) -> dict[str, Any]:
        """Return the overview as one JSON object."""
        return {"path": str(self.path), "kind": self.kind, **self.details}


@resolve_urls(reads=["path"], labels=["path"])
def info(path: StrPath = "dataset") -> Overview:
    """Summarise a folder: a dataset from its manifest, a capture by reading its labels.

    Raises:
        InputError: no such folder, nothing that gtahead knows, or an unfinished dataset.
    """
    folder = Path(path)
    if not folder.exists():
        raise InputError(
            "no such folder",
            where=Where(str(folder)),
            remedy="give a dataset or the folder of a capture",
        )
    if (folder / MANIFEST).is_file() or any((folder / n).is_dir() for n in (WORK, ANNOTATING)):
        return Overview(folder, "dataset", _of_dataset(folder))
    return Overview(folder, "capture", _of_capture(folder))


def _of_dataset(folder: Path) -> dict[str, Any]:
    document = read_manifest(folder).document
    missing = [name for name in document["tables"] if not (folder / name).is_file()]
    if missing:
        raise InputError(
            "a table that the manifest names isn't there",
            where=Where(str(folder / missing[0])),
            remedy=REBUILD,
        )
    Dataset.open(folder)  # says what is wrong with the table of frames
    keys = ("origin", "policy", "visibility", "options", "splits", "statistics", "fingerprint")
    details = {key: document[key] for key in keys}
    files = [folder / name for name in document["tables"]]
    details["table_bytes"] = sum(file.stat().st_size for file in files if file.is_file())
    details["boxes"] = boxes_in_words(document)
    details["findings"] = document["findings"]["totals"]
    return details


SIZES_LISTED = 4
"""Sizes of images that are listed one by one; photographs come in hundreds."""


def sizes_in_words(sizes: Mapping[str, int]) -> str:
    """Return the sizes of images as text: one by one, or how many there are and from what to what.

    Args:
        sizes: how many images by size, `1920x1080`.

    Example:
        >>> sizes_in_words({"64x48": 3})
        '64x48 (3)'
    """
    if len(sizes) <= SIZES_LISTED:
        return ", ".join(f"{size} ({count:,})" for size, count in sizes.items())

    def area(size: str) -> tuple[int, str]:
        width, height = map(int, size.split("x"))
        return width * height, size

    return f"{len(sizes):,} sizes, {min(sizes, key=area)} to {max(sizes, key=area)}"


def boxes_in_words(manifest: Mapping[str, Any]) -> list[str]:
    """Return how a dataset's boxes came about, and how good such boxes are, a line for each way."""
    box_rule = BoxRule.parse(manifest["options"]["boxes"])
    counts: Counter[tuple[str, str, tuple[float, float] | None]] = Counter()
    for source in manifest["sources"]:
        for rule, count in source["box_sources"].items():
            errors = error_range(rule, box_rule, source["origin"])
            counts[rule, measured_on(rule, source["origin"]), errors] += count
    lines = []
    for rule, kind, errors in sorted(counts, key=lambda key: (ORDER.index(key[0]), key[1])):
        line = f"{counts[rule, kind, errors]:,} {rule}, {BOX_RULES[rule].words}"
        if errors is not None:
            on = "photographs" if kind == "photographs" else "rendered people"
            line += f"; typically {errors[0]:+.0%} … {errors[1]:+.0%} off on {on}"
        elif rule != "captured":
            line += "; how far they are off isn't known"
        lines.append(line)
    return lines or ["none"]


_COMPARED = {
    "look": "equal and nearly equal images are in one split",
    "bytes": "equal images are in one split, nearly equal ones may not be",
    "nothing": "images weren't compared, so that equal ones may be in different splits",
}


def splits_in_words(splits: Mapping[str, Any]) -> str:
    """Return how a manifest's splits were made."""
    by_image = splits["unit"] == "image"
    if splits["how"] == "file":
        return "Splits are as the dataset's maker chose them."
    if splits["how"] == "given":
        alike = "" if by_image else ", which keep sequences whole"
        return f"Splits are the source's own{alike}."
    certified = "`manifest.json` certifies how evenly, under `splits`."
    if by_image:
        compared = _COMPARED[splits.get("compared", "nothing")]
        return (
            f"Splits are made by image: {compared}, and each split has small and large crowds "
            f"alike; {certified}"
        )
    return (
        "Splits are made by sequence, never by frame; sequences of one location or one camera stay "
        f"together. A search spread heads, frames, weather, day and night over them; {certified}"
    )


def region_sentences(document: Mapping[str, Any]) -> list[str]:
    """Return what has to be said of a dataset's regions of interest."""
    if not document["options"].get("roi"):
        return []
    return [
        "Only heads inside regions of interest count; those outside are ignored. The polygons are "
        "in `manifest.json`, under `options`, `roi`."
    ]


def _of_capture(folder: Path) -> dict[str, Any]:
    reader, reason = choose_reader(folder)
    findings = Findings()
    rows, sizes = [], Counter[str]()
    origins = set()
    for source in reader.sequences(Path(os.path.realpath(folder)), findings):
        ledger = Ledger()
        try:
            sequence = reader.read(source, findings, ledger)
        except (BrokenSequence, OSError):
            rows.append({"sequence": source.name, "readable": False})
            continue
        sizes.update(f"{width}x{height}" for width, height in sequence.sizes_wh)
        origins.add(sequence.origin or reader.origin)
        rows.append(
            {
                "sequence": source.name,
                "readable": True,
                "frames": len(sequence.frames),
                "heads": len(sequence.heads["head_id"]),
                "images": sequence.images,
                "weather": sequence.weather,
                "hour": sequence.hour,
                "location": sequence.location,
            }
        )
    readable = [row for row in rows if row["readable"]]
    return {
        "reader": reader.name,
        "reason": reason,
        "origin": origin_of(origins),
        "statistics": {
            "sequences": len(rows),
            "frames": sum(row["frames"] for row in readable),
            "heads": sum(row["heads"] for row in readable),
            "sizes": dict(sorted(sizes.items())),
        },
        "sequences": rows,
        "findings": findings.totals,
    }
