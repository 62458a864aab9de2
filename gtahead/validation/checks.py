"""What is checked of each kind of thing, and what isn't: no findings mean little without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes:
        name: in words.
        left_out: why it wasn't done; empty where it was.
    """

    name: str
    left_out: str = ""


_DATASET = (
    "tables against their sha256",
    "ids, order and duplicates of frames and heads",
    "positions and values in their ranges",
    "flags and status against values and count policy",
    "boxes and sigmas",
    "box sizes against distance",
    "counts and ledger against the manifest",
    "fingerprints",
    "splits: sequences, locations and images in one split alone",
    "sources and origin",
)
_COCO = (
    "JSON schema",
    "ids of images, annotations and categories",
    "references between them",
    "boxes: area, borders, origin of coordinates",
    "points in their boxes",
)
_SEQUENCES = (
    "labels can be read, frame by frame",
    "all that a build would set aside",
    "speeds of people, jumps of the count",
    "labels that lag behind their images",
)
_MAPS = ("shape of each map", "sum or peaks of each map")
_HEADERS = "images: there, whole, of the recorded size, without EXIF"
_DECODED = "images: decoded, neither flat nor changed"
_TWINS = "images: none nearly twice in two splits"
_AGAINST = "the same heads as the dataset, coordinate by coordinate"


def checks_of(kind: str, images: str, *, against: bool, readable: bool = True) -> list[Check]:
    """List what is checked.

    Args:
        kind: as of `Validation`.
        images: `quick`, `full` or `none`.
        against: whether a dataset is compared with.
        readable: whether what is there could be opened; else nothing but that was checked.
    """
    if kind == "file":
        return [Check("schema"), Check("values against each other")]
    if kind in ("density", "heatmap"):
        return [*map(Check, _MAPS), Check(_AGAINST, "" if against else NO_DATASET)]
    names = _DATASET if kind == "dataset" else _SEQUENCES
    names = (*_COCO, *names) if kind.startswith("coco") else names
    lost = "" if readable else "it couldn't be opened"
    found = [Check(name, lost) for name in names]
    found.append(Check(_HEADERS, lost or ("--images none" if images == "none" else "")))
    full = lost or ("" if images == "full" else "needs --images full")
    found += [Check(_DECODED, full)]
    if kind == "dataset":
        return [*found, Check(_TWINS, full)]
    return [*found, Check(_AGAINST, "" if against else NO_DATASET)]


NO_DATASET = "needs --against DATASET"
