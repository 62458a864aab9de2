"""YOLO: a text file per image, boxes as fractions of the image's sides."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import yaml

from gtahead.arrays import Columns
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
from gtahead.ingest.exports import Index, images_below, listing_text, sequence_of, split_by_folder
from gtahead.ingest.labelled import LabelledImage, Listing, load_each
from gtahead.ingest.labelled_reader import reader_of
from gtahead.tables.canonical import CAPTURED

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
    lines = [f"{SPLIT_WORDS[s]}: images/{SPLIT_WORDS[s]}\n" for s in summary.splits]
    text = "# Relative to this file.\npath: .\n" + "".join(lines) + "names:\n  0: head\n"
    (summary.folder / "data.yaml").write_text(text, encoding="utf-8")


def _labels(root: Path) -> list[Path]:
    folder = root / "labels"
    return sorted(p for p in folder.rglob("*.txt") if p.is_file()) if folder.is_dir() else []


def _recognise(root: Path) -> str | None:
    labels = _labels(root)
    if not labels:
        return None
    return f"{labels[0].relative_to(root).as_posix()} beside data.yaml or images/"


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    there = images_below(root / "images")
    labels = {
        path.relative_to(root / "labels").with_suffix("").as_posix(): path
        for path in _labels(root)
        if path.name != "classes.txt"
    }
    images = []
    for stem in sorted(set(labels) | set(there)):
        split, parts = split_by_folder(PurePosixPath(stem).parent, root)
        name = sequence_of("/".join(parts), split or root.name)
        file = f"images/{there.get(stem, stem + '.jpg')}"
        own = f"labels/{stem}.txt"
        image = index.image(file, name, split=split, labels=own, key=stem in labels)
        images.append(image)
    wanted = _class(root)

    def read(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        rows = np.empty((0, 5))
        if image.key:  # YOLO's own convention: an image without labels has no objects
            lines = own_text(root / str(image.labels)).splitlines()
            rows = rows_of_numbers(lines, (5, 6), None)
        others = rows[:, 0] != wanted
        if wanted is not None and others.any():
            findings.add("other-class", location, detail=f"{int(others.sum())} boxes")
            rows = rows[~others]
        width, height = believed_size(root, image)
        scale = np.array([width, height])
        centre, sides = rows[:, 1:3] * scale, rows[:, 3:5] * scale
        return box_columns(np.concatenate([centre - sides / 2, centre + sides / 2], axis=1))

    return Listing(images, [], load_each(read, CAPTURED), {"tool": "YOLO"})


def _class(root: Path) -> int | None:
    """Find the class of heads; None if no classes are named, in which case all are heads."""
    file, names = _class_names(root)
    if len(names) < 2:
        return next(iter(names), None)
    for number, name in names.items():
        if name.lower() in ("head", "heads"):
            return number
    raise InputError(
        "no class is called head",
        where=Where(file, field="names"),
        value=", ".join(names.values()),
        remedy="name one `head`, or leave only one",
    )


def _class_names(root: Path) -> tuple[str, dict[int, str]]:
    """Read the names of classes by their numbers, and the file that has them."""
    for file in ("labels/classes.txt", "classes.txt"):
        if (root / file).is_file():
            lines = map(str.strip, listing_text(root / file, root).splitlines())
            return file, dict(enumerate(filter(None, lines)))
    for file in ("data.yaml", "data.yml", "dataset.yaml"):
        if (root / file).is_file() and (names := _yaml_names(root / file, root)):
            return file, names
    return "data.yaml", {}


def _yaml_names(path: Path, root: Path) -> dict[int, str]:
    """Read `names` of a YAML file: a list, or a mapping from numbers."""
    where = Where(path.relative_to(root).as_posix())
    try:
        document = yaml.safe_load(listing_text(path, root))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = first_line(error)
        raise InputError(f"not YAML: {what}", where=where, remedy="fix the file") from error
    names = document.get("names") if isinstance(document, dict) else None
    if names is None:
        return {}
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
        "the border. A frame without heads has an empty file. Read too: several classes "
        "(the one called `head` in `data.yaml` or `classes.txt`), and images without a "
        "file, which by YOLO's convention have no heads."
    ),
    checked_with="globox",
    write=_write,
    finish=_finish,
    image=_image,
    clips=True,
    boxed=True,
    reader=reader_of("yolo", "YOLO (labels/*.txt)", _recognise, _scan),
)
