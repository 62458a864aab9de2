"""YOLO: a text file per image, boxes as fractions of the image's sides."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from gtahead.arrays import Columns, Floats
from gtahead.errors import InputError, Where, first_line
from gtahead.findings import Findings
from gtahead.formats.base import SPLIT_WORDS, Batch, ExportFrame, Format, Summary
from gtahead.formats.box_files import (
    believed_size,
    box_columns,
    boxes_inside,
    own_text,
    rows_of_numbers,
)
from gtahead.formats.chunks import write_small
from gtahead.formats.text import RowFormat, fixed, fixed_within, slices_of
from gtahead.ingest.classes import Classes
from gtahead.ingest.exports import (
    Index,
    exported_as,
    files_in,
    images_in,
    listing_text,
    sequence_of,
    split_by_folder,
)
from gtahead.ingest.labelled import LabelledImage, Listing, load_each
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.model import ClassKey
from gtahead.ingest.split_lists import split_lists, splits_in_lists
from gtahead.tables.canonical import CAPTURED
from gtahead.tables.splits import SPLITS_BY_WORD

_ROW = RowFormat("0 ", 6, " ", 6, " ", 6, " ", 6, "\n")


def _image(split: str, frame: ExportFrame) -> str:
    return f"images/{SPLIT_WORDS[split]}/{frame.nested_name}"


def _write(batch: Batch) -> None:
    batch, boxes = boxes_inside(batch)
    limits = batch.sizes_wh[batch.frame_of_heads]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 / limits
    sides = (boxes[:, 2:] - boxes[:, :2]) / limits
    sides = np.maximum(sides, 1e-6)
    one = np.ones(len(centre), np.int64)
    columns = [fixed_within(centre[:, k], one, 6) for k in (0, 1)] + list(fixed(sides, 6).T)
    text, starts = _ROW.render(columns)
    folder = batch.path("labels", SPLIT_WORDS[batch.split], "0").parent
    for sequence in {frame.sequence for frame in batch.frames}:
        (folder / sequence).mkdir(exist_ok=True)
    for frame, rows in zip(batch.frames, slices_of(text, starts, batch.by_frame), strict=True):
        write_small(f"{folder}/{frame.frame_id}.txt", rows)


def _finish(summary: Summary) -> None:
    there = [SPLIT_WORDS[split] for split in summary.splits]
    # Ultralytics takes `path: .` for the current folder, and wants both of train and val.
    text = "# Folders are relative to this file.\n"
    for word in ("train", "val", "test"):
        if word in there:
            text += f"{word}: images/{word}\n"
        elif word != "test":
            text += f"{word}: images/{there[0]}  # there is no split of its own\n"
    text += "names:\n  0: head\n"
    (summary.folder / "data.yaml").write_text(text, encoding="utf-8", newline="")


_DARKNET = re.compile(r"obj_(\w+)_data")
"""Folders that hold images and labels side by side, as Darknet and CVAT have them."""

_NOT_LABELS = ("classes.txt", "labels.txt")

_ABOUT = ("readme", "license", "licence", "notes")
"""Beginnings of texts that are about a dataset."""


@dataclass(frozen=True)
class _Layout:
    """Which files are labels, and where their images are.

    Attributes:
        labels: paths relative to the root, by that of their image without its extension.
        images: likewise; those without labels have no heads, by YOLO's own convention.
        twice: files of labels whose image has others, and those.
    """

    labels: Mapping[str, str]
    images: Mapping[str, str]
    twice: Mapping[str, str]


def _layout(root: Path) -> _Layout:
    """Look for labels: in `labels` beside `images`, at any depth; in Darknet's folders; flat."""
    there = {posixpath.splitext(file)[0]: file for file in reversed(images_in(root))}
    texts = [
        file
        for file in files_in(root, {".txt"})
        if (name := posixpath.basename(file).lower()) not in _NOT_LABELS
        and not name.startswith(_ABOUT)
    ]
    found: dict[str, str] = {}
    homes: set[str] = set()
    twice: dict[str, str] = {}
    for file in texts:
        parts = posixpath.splitext(file)[0].split("/")
        folders = [part.lower() for part in parts[:-1]]
        if "labels" in folders:
            position = len(folders) - 1 - folders[::-1].index("labels")
            parts[position] = _images_beside(root, parts[:position])
            homes.add("/".join(parts[: position + 1]))
            if found.setdefault("/".join(parts), file) != file:
                twice[file] = found["/".join(parts)]
        elif any(_DARKNET.fullmatch(part) for part in parts[:-1]):
            homes.add("/".join(parts[:-1]))
            found["/".join(parts)] = file
    flat = [file for file in texts if posixpath.splitext(file)[0] in there]
    if not found and any(_has_boxes(root / file) for file in flat):
        found = {posixpath.splitext(file)[0]: file for file in flat}
        homes = {posixpath.dirname(stem) for stem in found}
    below = tuple(f"{home}/" if home else "" for home in homes)
    images = {stem: file for stem, file in there.items() if found and file.startswith(below)}
    return _Layout(found, images, twice)


def _images_beside(root: Path, parts: Sequence[str]) -> str:
    """Return what the folder of images beside one of labels is called, in any case."""
    home = root.joinpath(*parts)
    names = [path.name for path in home.iterdir() if path.name.lower() == "images"]
    return names[0] if names else "images"


def _has_boxes(path: Path) -> bool:
    """Return whether a text begins with a line of a class and four shares."""
    try:
        with path.open("rb") as file:
            words = file.readline(4096).removeprefix(b"\xef\xbb\xbf").split()
        return len(words) == 5 and all(0 <= float(word) <= 1 for word in words[1:])
    except (OSError, ValueError):
        return False


def _recognise(root: Path) -> str | None:
    first = next(iter(_layout(root).labels.values()), None)
    return None if first is None else f"{first} has boxes of an image"


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    layout = _layout(root)
    several = len({_subset(stem) for stem in layout.labels}) > 1
    images = []
    findings = Findings()
    stems = sorted({*layout.labels, *layout.images})
    listed: Mapping[str, str] = {}
    if exported_as(root) is None:  # the index of our own says it
        listed = splits_in_lists(split_lists(root), stems, root, findings)
        listed = listed or _yaml_splits(root, layout, stems, findings)
    _note_unlabelled(layout, findings)
    for file, other in layout.twice.items():
        findings.add("duplicate-frame", Where(file), detail=f"as {other}")
    for stem in stems:
        parts = [p for p in PurePosixPath(stem).parent.parts if p.lower() != "images"]
        if several:
            parts = [_subset(part) or part for part in parts]
        else:
            parts = [part for part in parts if not _DARKNET.fullmatch(part)]
        split, folders = split_by_folder(PurePosixPath(*parts))
        split = listed.get(stem, None if listed else split)
        name = sequence_of("/".join(folders), split or root.name)
        file = layout.images.get(stem, f"{stem}.jpg")
        own = layout.labels.get(stem)
        otherwise = f"{stem}.txt".replace("images/", "labels/", 1)
        images.append(
            index.image(file, name, split=split, labels=own or otherwise, key=own is not None)
        )
    names_file, names = _class_names(root, layout)

    def used() -> Iterator[ClassKey]:
        for file in layout.labels.values():
            try:
                rows = _rows(root / file)
            except (ValueError, OSError):
                continue  # said of its frame
            yield from rows[:, 0].astype(np.int64).tolist()

    classes = Classes(names, used, Where(names_file))

    def read(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        rows = _rows(root / str(image.labels)) if image.key else np.empty((0, 5))
        carried = rows[:, 0].astype(np.int64).tolist()
        rows = rows[classes.heads_among(carried, findings, location, "boxes")]
        width, height = believed_size(root, image)
        scale = np.array([width, height])
        centre, sides = rows[:, 1:3] * scale, rows[:, 3:5] * scale
        return box_columns(np.concatenate([centre - sides / 2, centre + sides / 2], axis=1))

    return Listing(images, [], load_each(read, CAPTURED), {"tool": "YOLO"}, classes, findings)


def _subset(path: str) -> str | None:
    """Return the split that Darknet's folder names: `train` of `obj_train_data`."""
    for part in PurePosixPath(path).parts:
        if (found := _DARKNET.fullmatch(part)) is not None:
            return found[1]
    return None


MOST = 1.5
"""Of an image's side: what reaches farther isn't a share but pixels."""


def _rows(path: Path) -> Floats:
    """Read (N, 5) rows of a class and four shares.

    Raises:
        ValueError: something else stands there.
    """
    lines = own_text(path).splitlines()
    for number, line in enumerate(lines, 1):
        if (words := len(line.split())) > 6 and words % 2:
            what = f"a polygon of {words // 2} points: export boxes, not segments"
            raise ValueError(f"line {number}: {what}")
    rows = rows_of_numbers(lines, (5, 6), None)
    if not all(n.is_integer() and abs(n) < 2**53 for n in rows[:, 0].tolist()):
        raise ValueError("a class isn't a whole number")
    if (rows[:, 1:] > MOST).any():
        far = float(rows[:, 1:].max())
        raise ValueError(f"{far:g} is no share of the image's side: are these pixels?")
    return rows


def _note_unlabelled(layout: _Layout, findings: Findings) -> None:
    """Note folders of which no image has labels, where other folders' images have."""
    homes = {posixpath.dirname(stem) for stem in layout.labels}
    counts = Counter(posixpath.dirname(stem) for stem in layout.images)
    for home, count in sorted(counts.items()):
        if homes and home not in homes:
            findings.add("folder-without-labels", Where(home), detail=f"{count:,} images")


def _homes(layout: _Layout) -> list[str]:
    """Return folders in which files may say what labels mean: the root, and those above labels."""
    homes: dict[str, None] = {"": None, "labels": None}
    for file in layout.labels.values():
        for folder in PurePosixPath(file).parents:
            homes.setdefault("" if folder.as_posix() == "." else folder.as_posix())
    return list(homes)


def _yaml_files(root: Path, home: str) -> list[Path]:
    return sorted([*(root / home).glob("*.yaml"), *(root / home).glob("*.yml")])


def _yaml_splits(
    root: Path, layout: _Layout, stems: Sequence[str], findings: Findings
) -> Mapping[str, str]:
    """Read which folders or lists YAML files give as their splits, relative to themselves."""
    found: dict[str, str] = {}
    named: dict[str, str] = {}
    files = [(home, path) for home in _homes(layout) for path in _yaml_files(root, home)]
    for home, path in files:
        document = _yaml(path, root)
        for word, split in SPLITS_BY_WORD.items():
            given = document.get(word) if isinstance(document, dict) else None
            location = Where(path.relative_to(root).as_posix(), field=word)
            for entry in given if isinstance(given, list) else [given]:
                if not isinstance(entry, str) or not entry.strip():
                    if entry:
                        findings.add("split-list-unmatched", location, str(entry))
                    continue
                parts = [
                    part for part in PurePosixPath(entry).parts if part not in (".", "..", "/")
                ]
                ends = ["/".join(parts[first:]) for first in range(len(parts))]
                places = [posixpath.join(base, end) for base in (home, "") for end in ends]
                there = next((place for place in places if (root / place).exists()), None)
                if there is None:
                    if split != "test":  # that of many files isn't part of the download
                        findings.add("split-list-unmatched", location, entry)
                    continue
                if named.setdefault(there, word) != word:  # as those do who have no split to spare
                    findings.add("given-splits-leak", location, entry, f"as {named[there]}")
                    continue
                if there.endswith(".txt"):
                    mine: Iterable[str] = splits_in_lists(
                        [(root / there, split)], stems, root, findings
                    )
                else:
                    one = posixpath.splitext(there)[0]
                    mine = [s for s in stems if s.startswith(f"{there}/") or s == one]
                    if not mine:
                        findings.add("split-list-unmatched", location, entry)
                for stem in mine:
                    if found.setdefault(stem, split) != split:
                        raise InputError(
                            "the file gives an image to two splits",
                            where=location,
                            value=stem,
                            remedy="give each split images of its own, or leave one out",
                        )
    return found


def _class_names(root: Path, layout: _Layout) -> tuple[str, dict[ClassKey, str]]:
    """Read the names of classes by their numbers, and the file that has them.

    Raises:
        InputError: a file can't be read, or two of them say different things.
    """
    found: dict[str, dict[ClassKey, str]] = {}
    for home in _homes(layout):
        for path in _yaml_files(root, home):
            if names := _yaml_names(path, root):
                found[path.relative_to(root).as_posix()] = names
        lists = [root / home / name for name in _NOT_LABELS]
        for path in [*lists, *sorted((root / home).glob("*.names"))]:
            if path.is_file():
                lines = listing_text(path, root).rstrip().splitlines()
                numbered = {number: line.strip() for number, line in enumerate(lines)}
                names = {number: name for number, name in numbered.items() if name}
                found[path.relative_to(root).as_posix()] = dict(names)
    if not found:
        return next(iter(layout.labels.values())), {}
    (first, names), *others = found.items()
    for file, other in others:
        if {key: name.lower() for key, name in other.items()} != {
            key: name.lower() for key, name in names.items()
        }:
            raise InputError(
                f"its names of classes aren't those of {first}",
                where=Where(file),
                value=", ".join(other.values()),
                remedy="remove the one that is wrong",
            )
    return first, names


def _yaml(path: Path, root: Path) -> Any:  # noqa: ANN401 - YAML
    """Read a YAML file.

    Raises:
        InputError: it isn't YAML.
    """
    text = listing_text(path, root)
    if not any(key in text for key in ("names", "train")):
        return None  # it's about something else, and may be anything
    try:
        _refuse_twice(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what, mark = first_line(error), getattr(error, "problem_mark", None)
        field = None if mark is None else f"line {mark.line + 1}"
        where = Where(path.relative_to(root).as_posix(), field=field)
        raise InputError(f"not YAML: {what}", where=where, remedy="fix the file") from error


def _refuse_twice(node: Any) -> None:  # noqa: ANN401 - YAML
    """Refuse a mapping in which a key is there twice: YAML would take the last, without a word.

    Raises:
        ValueError: there is one.
    """
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is there twice")
        for _, value in node.value:
            _refuse_twice(value)


def _yaml_names(path: Path, root: Path) -> dict[ClassKey, str]:
    """Read `names` of a YAML file: a list, a mapping from numbers, or the only name."""
    where = Where(path.relative_to(root).as_posix())
    document = _yaml(path, root)
    names = document.get("names") if isinstance(document, dict) else None
    if names is None:
        return {}
    if isinstance(names, str):
        names = [names]
    try:
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError) as error:
        raise InputError(
            "names must be a list, or a mapping from numbers to names",
            where=Where(where.file, field="names"),
            value=str(names),
            remedy="fix the file",
        ) from error


YOLO = Format(
    name="yolo",
    title="YOLO, .txt per image",
    kind="boxes",
    origin="shares of the image's width and height, 0 at its top-left corner",
    precision_px=0.01,
    supports=frozenset({"boxes"}),
    layout=(
        "data.yaml\n"
        "images/<train|val|test>/<sequence>/<frame>.jpg\n"
        "labels/<train|val|test>/<sequence>/<frame>.txt   a line per head: 0 x y width height\n"
        "frames.csv"
    ),
    notes=(
        "Values are shares of the image, six decimals, centre first; boxes are cut at "
        "the border. A frame without heads has an empty file. Read too: several classes (names in "
        "any YAML file, `classes.txt` or `obj.names`); `labels` beside `images` at any depth, as "
        "Roboflow writes them; `obj_train_data` of Darknet and CVAT; texts beside their images; "
        "and images without a file, which by YOLO's convention have no heads. Labels are of the "
        "upright image, as Ultralytics shows it."
    ),
    checked_with="globox",
    write=_write,
    finish=_finish,
    image=_image,
    clips=True,
    boxed=True,
    reader=reader_of("yolo", "YOLO (labels/*.txt)", _recognise, _scan, upright=True),
)
