"""Folders that look like captures and have no heads: what they are, and what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gtahead.errors import printable
from gtahead.images.reading import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Headless:
    """A kind of folder that can't become a dataset of heads.

    Attributes:
        name: as `--from` takes it, to be refused by name; empty where nobody would.
        title: what it is.
        missing: why it can't be read.
        remedy: what to do.
        recognise: what was seen there; None where it is something else.
    """

    name: str
    title: str
    missing: str
    remedy: str
    recognise: Callable[[Path], str | None]


def _files(root: Path) -> list[str]:
    return sorted(printable(path.name) for path in root.iterdir() if path.is_file())


def _gta_vision(root: Path) -> str | None:
    names = _files(root)
    pages = [name for name in names if name.lower().endswith((".tif", ".tiff"))]
    if any(name.endswith(".json") for name in names) or not pages:
        return None
    return f"{pages[0]} without a .json beside it"


_PRESIL_FOLDERS = ("image_2", "labels", "labels_aug", "label_2", "calib", "velodyne")
_PRESIL_FILE = re.compile(r".*(-stencil|-segImg|-depth)\.png")


def _presil(root: Path) -> str | None:
    folders = [name for name in _PRESIL_FOLDERS if (root / name).is_dir()]
    if len(folders) >= 2:
        return f"{folders[0]}/ and {folders[1]}/"
    return next((name for name in _files(root) if _PRESIL_FILE.fullmatch(name)), None)


_GTA3D_FILE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_\d{8}\.\w+", re.IGNORECASE)


def _gta_3d(root: Path) -> str | None:
    return next((name for name in _files(root) if _GTA3D_FILE.fullmatch(name)), None)


_LABELS = frozenset(
    {".json", ".jsonl", ".csv", ".txt", ".xml", ".mat", ".npz", ".npy", ".parquet", ".yaml"}
)


def _other_labels(root: Path) -> str | None:
    """Return a file beside images that may be labels, of a kind that no reader knows."""
    if _images(root) is None:
        return None
    found = [
        path.relative_to(root).as_posix()
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in _LABELS
        and not path.name.lower().startswith(("readme", "license", "licence"))
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    return printable(found[0]) if found else None


def _images(root: Path) -> str | None:
    for folder in [root, *sorted(path for path in root.iterdir() if path.is_dir())]:
        shown = [
            path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES
        ]
        if shown:
            first = printable((folder / shown[0]).relative_to(root).as_posix())
            return f"{len(shown)} images, the first {first}"
    return None


HEADLESS = (
    Headless(
        "presil",
        "DeepGTAV-PreSIL",
        "its labels are boxes of whole pedestrians, and its buffers show where people are, not "
        "where their heads are: there are no bones",
        "capture with a tool that writes bones or heads, such as JTA-Mods",
        _presil,
    ),
    Headless(
        "gta-3d",
        "a frame of gta-3d-dataset",
        "it labels vehicles; of people there are neither bones nor heads",
        "capture with a tool that writes bones or heads, such as JTA-Mods",
        _gta_3d,
    ),
    Headless(
        "gta-vision",
        "GTAVisionExport",
        "it stores boxes of whole persons in a database, and no bones: where a head is can't be "
        "known",
        "capture with its successor GTA5Event, which writes bones",
        _gta_vision,
    ),
    Headless(
        "",
        "images with labels in no layout that gtahead knows",
        "nothing that it reads fits the files beside them",
        "`gtahead formats` lists what is read, docs/other-labels.md how it has to lie;"
        " --from NAME says what a folder is meant to be",
        _other_labels,
    ),
    Headless(
        "",
        "images alone",
        "there are no labels: nothing says where the heads are",
        "add the labels of the tool that captured them (coords.csv, annotations/, pedInfo.xml "
        "...), or label them in the native format",
        _images,
    ),
)
"""In the order in which they are tried."""

BY_NAME: Mapping[str, Headless] = {kind.name: kind for kind in HEADLESS if kind.name}


def explain(root: Path) -> tuple[Headless, str] | None:
    """Return what kind of headless folder this is and how it was recognised; None if unknown."""
    for kind in HEADLESS:
        seen = kind.recognise(root)
        if seen is not None:
            return kind, seen
    return None
