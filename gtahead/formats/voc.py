"""Pascal VOC: an XML file per image, whole pixels counted from 1."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from xml.parsers import expat

import numpy as np

from gtahead.arrays import Columns
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.base import SPLIT_WORDS, Batch, ExportFrame, Format
from gtahead.formats.box_files import box_columns, boxes_inside
from gtahead.formats.chunks import join_each_split, write_chunk, write_small
from gtahead.formats.text import RowFormat, slices_of
from gtahead.ingest.classes import Classes, mistyped_head
from gtahead.ingest.exports import (
    Index,
    exported_as,
    files_in,
    images_below,
    sequence_of,
    split_by_folder,
)
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing, load_each
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.model import ClassKey
from gtahead.ingest.split_lists import split_lists, splits_in_lists
from gtahead.tables.canonical import CAPTURED
from gtahead.values import FLAGS

_OBJECT = RowFormat(
    "  <object>\n    <name>head</name>\n    <pose>Unspecified</pose>\n    <truncated>",
    0,
    "</truncated>\n    <difficult>",
    0,
    "</difficult>\n    <bndbox>\n      <xmin>",
    0,
    "</xmin>\n      <ymin>",
    0,
    "</ymin>\n      <xmax>",
    0,
    "</xmax>\n      <ymax>",
    0,
    "</ymax>\n    </bndbox>\n  </object>\n",
)


def _image(split: str, frame: ExportFrame) -> str:
    del split
    return f"JPEGImages/{frame.flat_name}{frame.extension}"


def _names_file(split: str) -> str:
    return f"ImageSets/Main/{SPLIT_WORDS[split]}.txt"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write(batch: Batch) -> None:
    batch, boxes = boxes_inside(batch)
    cut = (boxes != batch.heads.boxes_xyxy).any(axis=1).astype(np.int64)
    limits = batch.sizes_wh[batch.frame_of_heads]
    # Pixels count from 1, and the last one is part of the box.
    low = np.minimum(np.rint(boxes[:, :2]).astype(np.int64), limits - 1) + 1
    high = np.maximum(np.rint(boxes[:, 2:]).astype(np.int64), low)
    columns = [cut, batch.heads.ignored.astype(np.int64), *low.T, *high.T]
    text, starts = _OBJECT.render(columns)
    folder = batch.path("Annotations", "0").parent
    for frame, objects in zip(batch.frames, slices_of(text, starts, batch.by_frame), strict=True):
        name = _escaped(f"{frame.flat_name}{frame.extension}")
        width, height = frame.size_wh
        head = (
            f"<annotation>\n  <folder>JPEGImages</folder>\n  <filename>{name}</filename>\n"
            f"  <source><database>gtahead</database></source>\n"
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
            f"  <segmented>0</segmented>\n"
        )
        path = f"{folder}/{frame.flat_name}.xml"
        write_small(path, head.encode() + objects + b"</annotation>\n")
    names = [f"{frame.flat_name}\n".encode() for frame in batch.frames]
    write_chunk(batch, _names_file(batch.split), names)


_LABEL_FOLDERS = ("annotations", "annotation", "xml", "xmls", "labels")
_IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "imgs", "")
"""What stands in an image's path in place of its labels' folder; last, nothing."""


def _labels(root: Path) -> list[str]:
    """Find labels wherever they lie, relative to the root; other XML files are left out."""
    return [file for file in files_in(root, {".xml"}) if _is_voc(root / file)]


def _is_voc(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            begin = file.read(1024)
    except OSError:
        return True  # said where it's read
    begin = begin.replace(b"\0", b"")  # of UTF-16
    return b"<annotation" in begin or not begin.strip() or path.parent.name == "Annotations"


def _recognise(root: Path) -> str | None:
    labels = _labels(root)
    return f"{labels[0]} is there" if labels else None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    found = _labels(root)
    all_images = images_below(root)
    findings = Findings()
    labels = _by_image(root, found, all_images, findings)
    homes = {posixpath.dirname(image) for image in labels}
    there = [stem for stem in all_images if posixpath.dirname(stem) in homes]
    stems = sorted({*labels, *there})
    splits = _listed(root, stems, findings)
    images = []
    for stem in stems:
        folder = PurePosixPath(stem).parent
        split, parts = split_by_folder(folder)
        split = splits.get(stem, None if splits else split)
        inner = [part for part in parts if part not in _IMAGE_FOLDERS]
        name = sequence_of("/".join(inner), split or root.name)
        file = all_images.get(stem, f"{stem}.jpg")
        own = labels.get(stem, f"Annotations/{posixpath.basename(stem)}.xml")
        images.append(index.image(file, name, split=split, labels=own))

    sizes: dict[str, tuple[int, int]] = {}

    def used() -> Iterator[ClassKey]:
        for file in found:
            try:
                _, objects = parse_voc((root / file).read_bytes())
            except (ValueError, OSError):
                continue  # said of its frame
            yield from (_class_of(one) for one in objects)

    classes = Classes({}, used, Where(found[0] if found else None, field="object/name"))

    def read(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        return _heads(root, image, classes, sizes, findings, location)

    each = load_each(read, (*CAPTURED, "ignore"))

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        heads = each(wanted, findings, ledger, where)
        _note_zero(heads.columns, wanted, findings, where)
        told = ((index, sizes.get(str(image.labels))) for index, image in enumerate(wanted))
        return replace(heads, sizes={index: size for index, size in told if size is not None})

    return Listing(images, [], load, {"tool": "Pascal VOC"}, classes, findings)


def _by_image(
    root: Path, found: Sequence[str], images: Mapping[str, str], findings: Findings
) -> dict[str, str]:
    """Return files of labels by their image: that of their own name, else the one they name.

    Of several for one image the first is taken; the others are noted.
    """
    labels: dict[str, str] = {}
    others = []
    for file in found:
        places = _image_places(posixpath.splitext(file)[0])
        own = next((place for place in places if place in images), None)
        if own is None or own in labels:
            others.append((file, own, places[0]))
        else:
            labels[own] = file
    for file, own, place in others:
        image = own or _named_in(root / file, place, images) or place
        if image in labels:
            findings.add("duplicate-frame", Where(file), detail=f"as {labels[image]}")
        else:
            labels[image] = file
    return labels


def _listed(root: Path, stems: Sequence[str], findings: Findings) -> Mapping[str, str]:
    """Read the lists of splits, each for the images of the part that they lie in."""
    found: dict[str, str] = {}
    for home in [root, *sorted(root.glob("*")), *sorted(root.glob("*/*"))]:
        sets = home / "ImageSets"
        lists = (split_lists(sets / "Main") or split_lists(sets)) if sets.is_dir() else []
        if lists:
            part = home.relative_to(root).as_posix()
            mine = [stem for stem in stems if part == "." or stem.startswith(f"{part}/")]
            found |= splits_in_lists(lists, mine, root, findings)
    return found


def _image_places(stem: str) -> list[str]:
    """Return where the image of a file of labels may be, without its extension."""
    parts = stem.split("/")
    position = next(
        (i for i, part in enumerate(parts[:-1]) if part.lower() in _LABEL_FOLDERS), None
    )
    if position is None:
        return [stem]
    before, after = parts[:position], parts[position + 1 :]
    return ["/".join([*before, *([name] if name else []), *after]) for name in _IMAGE_FOLDERS]


def _filename(data: bytes) -> str | None:
    """Return the image that labels name themselves, without folder and extension."""
    match = re.search(rb"<filename>([^<]{1,255})</filename>", data[:65536])
    return PureWindowsPath(match[1].decode("utf-8", "replace").strip()).stem if match else None


def _named_in(path: Path, place: str, images: Mapping[str, str]) -> str | None:
    """Return the image that labels name, beside where it would be by their own name."""
    try:
        name = _filename(path.read_bytes())
    except OSError:
        return None  # said where it's read
    beside = posixpath.join(posixpath.dirname(place), name or "")
    return beside if beside in images else None


def _note_other_name(
    data: bytes, image: LabelledImage, root: Path, findings: Findings, location: Where
) -> None:
    """Note labels that name another image than the one of their own name, if both are there."""
    name, own = _filename(data), PurePosixPath(image.file or "")
    if name is None or not own.stem or name == own.stem:
        return
    other = own.with_name(f"{name}{own.suffix}")
    if (root / other).is_file() and (root / own).is_file():
        findings.add("names-another-image", location, other.as_posix())


def _note_zero(
    columns: Columns, images: Sequence[LabelledImage], findings: Findings, where: Where
) -> None:
    """Note once that a file counts from 0: 1 was taken from all its corners."""
    low = np.stack([columns["captured_x0"], columns["captured_y0"]], axis=1)
    rows = np.flatnonzero((low == -1).any(axis=1))
    if len(rows):
        image = images[int(columns["frame_index"][rows[0]])]
        where = Where(image.labels or where.file, where.sequence, image.frame)
        findings.add("boxes-from-zero", where, detail=f"{len(rows):,} boxes begin at 0")


MAX_DEPTH = 32
"""How deep elements may stand in one another; four is what there is."""


def parse_voc(data: bytes) -> tuple[tuple[int, int] | None, list[dict[str, str]]]:
    """Read a Pascal VOC file: the size that it gives, and its objects' texts by tag.

    An object's parts follow it, as objects of their own.

    Entities beyond XML's own are refused: nothing is ever expanded or fetched.

    Raises:
        ValueError: not XML, with line and column.
    """
    parser = expat.ParserCreate()
    path: list[str] = []
    size: dict[str, str] = {}
    objects: list[dict[str, str]] = []
    texts: list[str] = []
    parts: list[dict[str, str]] = []

    def begin(name: str, _: dict[str, str]) -> None:
        if not path and name != "annotation":
            raise ValueError(f"it begins with <{name}>, not <annotation>")
        if len(path) == MAX_DEPTH:
            raise ValueError(f"elements nested over {MAX_DEPTH} deep")
        path.append(name)
        texts.clear()
        if path[1:] == ["object"]:
            objects.append({})
            parts[:] = [objects[-1]]
        elif path[1:] == ["object", "part"]:  # VOC's persons have their heads as parts
            objects.append({})
            parts[1:] = [objects[-1]]

    def end(name: str) -> None:
        text = "".join(texts).strip()
        if path[1:2] == ["size"]:
            size[name] = text
        elif path[1:3] == ["object", "part"]:
            if len(path) == 4 or path[3:4] == ["bndbox"]:
                parts[1].setdefault(name, text)
        elif path[1:2] == ["object"] and (len(path) == 3 or path[2:3] == ["bndbox"]):
            parts[0].setdefault(name, text)
        texts.clear()
        path.pop()

    def refuse(*_: object) -> None:
        raise ValueError("it declares entities")

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = texts.append
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError) as error:  # of an encoding that nobody knows
        raise ValueError(str(error)) from error
    try:
        sides = int(float(size["width"])), int(float(size["height"]))
    except (KeyError, ValueError, OverflowError):
        return None, objects
    return (sides if min(sides) > 0 else None), objects


def _class_of(one: Mapping[str, str]) -> str:
    """Return an object's class; a mistyped `head` is one."""
    name = one.get("name", "").strip().lower()
    return "head" if mistyped_head(name) else name


def _heads(
    root: Path,
    image: LabelledImage,
    classes: Classes,
    sizes: dict[str, tuple[int, int]],
    findings: Findings,
    location: Where,
) -> Columns:
    """Read one file: heads and mistyped heads; others are left out."""
    data = (root / str(image.labels)).read_bytes()
    reported, objects = parse_voc(data)
    _note_other_name(data, image, root, findings, location)
    boxes, ignored = [], []
    others = 0
    for number, one in enumerate(objects, 1):
        if not classes.are_heads(_class_of(one)):
            others += 1
            continue
        if mistyped_head(one.get("name", "")):
            findings.add("class-taken-as-head", location, one["name"], f"object {number}")
        try:
            boxes.append([float(one[tag]) for tag in ("xmin", "ymin", "xmax", "ymax")])
        except (KeyError, ValueError) as error:
            raise ValueError(f"object {number}: its box can't be read ({error})") from error
        ignored.append(int(FLAGS.get(one.get("difficult", "").lower(), False)))
    if others:
        findings.add("other-class", location, detail=f"{others} objects")
    if reported is not None:
        sizes[str(image.labels)] = reported
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    # One pixel in our own files; of other tools, which draw to the same place twice, nothing.
    flat = corners[:, :2] == corners[:, 2:]
    corners[:, :2] -= 1
    if exported_as(root) is None:
        corners[:, :2] = np.where(flat, corners[:, 2:], corners[:, :2])
    return box_columns(corners, ignore=np.array(ignored, np.int8))


VOC = Format(
    name="voc",
    title="Pascal VOC, .xml per image",
    kind="boxes",
    origin="1-based, whole pixels, the last one is part of the box",
    precision_px=1.0,  # what is narrower than a pixel is a whole one
    supports=frozenset({"boxes", "ignored"}),
    layout=(
        "Annotations/<sequence>__<frame>.xml\n"
        "JPEGImages/<sequence>__<frame>.jpg\n"
        "ImageSets/Main/<train|val|test>.txt\n"
        "frames.csv"
    ),
    notes=(
        "`xmin` of the leftmost pixel is 1, and `xmax` is part of the box; numbers are "
        "whole. Ignored heads are `difficult`; boxes are cut at the border and then "
        "`truncated`. Read too: SCUT-HEAD; heads that are a person's `<part>`; folders below "
        "`Annotations`, and one for each split, as Roboflow writes them. A `head` with letters too "
        "many is kept and reported; sizes are the image's own, whatever the file says; declared "
        "entities are refused."
    ),
    checked_with="globox",
    write=_write,
    finish=join_each_split(_names_file),
    image=_image,
    clips=True,
    boxed=True,
    reader=reader_of("voc", "Pascal VOC (Annotations/*.xml)", _recognise, _scan, upright=True),
)
