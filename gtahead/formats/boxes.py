"""Boxes in text: YOLO, Pascal VOC, CrowdHuman, HeadHunter's lists and MOT."""

from __future__ import annotations

import configparser
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat

import numpy as np
import orjson

from gtahead import schemas
from gtahead.dataset.tabular import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco import with_boxes, write_chunk
from gtahead.formats.format import SPLIT_WORDS, Batch, ExportFrame, Format, Summary
from gtahead.formats.joining import join, write_small
from gtahead.formats.points import slices_of
from gtahead.formats.reading import (
    HeadsRead,
    Index,
    LabelledPicture,
    Listing,
    gathered,
    listing_text,
    pictures_below,
    reader_of,
    sequence_of,
    split_word,
)
from gtahead.formats.textrows import Ints, RowFormat, fixed, fixed_within
from gtahead.geometry import Floats, clipped

_CORNERS = ("x0", "y0", "x1", "y1")
_ORIGIN = "0-based, at the top-left corner of the top-left pixel"

Load = Callable[[Sequence[LabelledPicture], Findings, Ledger, Where], HeadsRead]


def _inside(batch: Batch) -> tuple[Batch, Floats]:
    """Cut boxes at the border; leave out heads of which nothing is left."""
    batch = with_boxes(batch)
    limits = batch.sizes_wh[batch.frame_of_heads].astype(np.float64)
    boxes = clipped(batch.heads.boxes_xyxy, limits)
    cut = np.asarray((boxes != batch.heads.boxes_xyxy).any(axis=1))
    there = np.asarray((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    batch.note("boxes cut at the border", int((cut & there).sum()))
    batch.note("box-outside", int((~there).sum()))
    return (batch, boxes) if there.all() else (batch.where(there), boxes[there])


def _corners(batch: Batch) -> Ints:
    """Give (N, 4) corners in hundredths of pixels, whose middle is in the picture if the point is.

    Where rounding moved it out, the corner that was moved farthest goes back by a hundredth.
    """
    exact = batch.heads.boxes_xyxy * 100
    corners = fixed(batch.heads.boxes_xyxy, 2)
    limits = batch.sizes_wh[batch.frame_of_heads] * 100
    for axis in (0, 1):
        pair = corners[:, axis::2]
        moved = pair - exact[:, axis::2]
        middle, true = pair.sum(axis=1), exact[:, axis::2].sum(axis=1)
        high = (middle >= 2 * limits[:, axis]) & (true < 2 * limits[:, axis])
        low = (middle < 0) & (true >= 0)
        rows = np.flatnonzero(high)
        corners[rows, axis + 2 * moved[rows].argmax(axis=1)] -= 1
        rows = np.flatnonzero(low)
        corners[rows, axis + 2 * moved[rows].argmin(axis=1)] += 1
    return corners


def _columns(boxes: Floats, ids: Sequence[int] | None = None, **more: Any) -> Columns:  # noqa: ANN401
    found: Columns = {f"captured_{n}": boxes[:, k] for k, n in enumerate(_CORNERS)}
    found |= {name: np.asarray(values) for name, values in more.items()}
    if ids is not None:
        found["head_id"] = np.asarray(ids, np.int64)
    return found


_BOX_COLUMNS = tuple(f"captured_{name}" for name in _CORNERS)


def load_boxes(
    read: Callable[[LabelledPicture, Findings, Where], Columns], names: Sequence[str]
) -> Load:
    """Make what reads boxes a picture; labels that can't be read set their frame aside.

    Args:
        read: one picture's columns; raises ValueError or OSError with what is wrong.
        names: of the columns.
    """

    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, picture in enumerate(wanted):
            place = Where(picture.labels or where.file, where.sequence, picture.frame)
            columns = {name: np.empty(0) for name in names}
            try:
                columns = read(picture, findings, place)
            except FileNotFoundError:
                findings.add("labels-missing", place)
                faults[index] = "labels-missing"
            except (ValueError, OSError) as error:
                findings.add("bad-frame-labels", place, detail=str(error))
                faults[index] = "bad-frame-labels"
            parts.append((index, columns))
        found = gathered(parts, names)
        ledger.heads.came += len(found["frame_index"])
        return HeadsRead(found, faults)

    return load


def _text(path: Path) -> str:
    """Read text that may begin with a byte order mark.

    Raises:
        ValueError: not UTF-8.
        OSError: unreadable.
    """
    return path.read_bytes().decode("utf-8-sig")


def _rows_of_numbers(lines: Iterable[str], widths: Sequence[int], separator: str | None) -> Floats:
    """Read lines of numbers.

    Raises:
        ValueError: a line is something else, with its number.
    """
    rows = []
    for number, line in enumerate(lines, 1):
        words = [word for word in line.strip().split(separator) if word.strip()]
        if not words:
            continue
        if len(words) not in widths:
            msg = f"line {number}: {len(words)} numbers instead of {widths[0]}"
            raise ValueError(msg)
        try:
            rows.append([float(word) for word in words[: widths[0]]])
        except ValueError as error:
            msg = f"line {number}: {error}"
            raise ValueError(msg) from error
    return np.array(rows, np.float64).reshape(-1, widths[0])


# YOLO

_YOLO_ROW = RowFormat("0 ", 6, " ", 6, " ", 6, " ", 6, "\n")


def _yolo_picture(split: str, frame: ExportFrame) -> str:
    return f"images/{SPLIT_WORDS[split]}/{frame.nested_name}"


def _write_yolo(batch: Batch) -> None:
    batch, boxes = _inside(batch)
    limits = batch.sizes_wh[batch.frame_of_heads]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 / limits
    sides = (boxes[:, 2:] - boxes[:, :2]) / limits
    sides = np.maximum(sides, 1e-6)
    one = np.ones(len(centre), np.int64)
    columns = [fixed_within(centre[:, k], one, 6) for k in (0, 1)] + list(fixed(sides, 6).T)
    text, starts = _YOLO_ROW.render(columns)
    folder = batch.path("labels", SPLIT_WORDS[batch.split], "0").parent
    for sequence in {frame.sequence for frame in batch.frames}:
        (folder / sequence).mkdir(exist_ok=True)
    for frame, rows in zip(batch.frames, slices_of(text, starts, batch.bounds), strict=True):
        write_small(f"{folder}/{frame.frame_id}.txt", rows)


def _finish_yolo(summary: Summary) -> None:
    lines = [f"{SPLIT_WORDS[s]}: images/{SPLIT_WORDS[s]}\n" for s in summary.splits]
    text = "# Relative to this file.\npath: .\n" + "".join(lines) + "names:\n  0: head\n"
    (summary.folder / "data.yaml").write_text(text, encoding="utf-8")


def _yolo_labels(root: Path) -> list[Path]:
    folder = root / "labels"
    return sorted(p for p in folder.rglob("*.txt") if p.is_file()) if folder.is_dir() else []


def _recognise_yolo(root: Path) -> str | None:
    labels = _yolo_labels(root)
    if not labels:
        return None
    return f"{labels[0].relative_to(root).as_posix()} beside data.yaml or images/"


def _scan_yolo(root: Path) -> Listing:
    index = Index.of(root)
    there = pictures_below(root / "images")
    labels = {
        path.relative_to(root / "labels").with_suffix("").as_posix(): path
        for path in _yolo_labels(root)
        if path.name != "classes.txt"
    }
    pictures = []
    for stem in sorted(set(labels) | set(there)):
        folder = str(PurePosixPath(stem).parent)
        split = split_word(*PurePosixPath(folder).parts) or split_word(root.name)
        parts = [part for part in PurePosixPath(folder).parts if split_word(part) is None]
        name = sequence_of("/".join(parts), split or root.name)
        file = f"images/{there.get(stem, stem + '.jpg')}"
        own = f"labels/{stem}.txt"
        picture = index.picture(file, name, split=split, labels=own, key=stem in labels)
        pictures.append(picture)
    wanted = _yolo_class(root)

    def read(picture: LabelledPicture, findings: Findings, place: Where) -> Columns:
        rows = np.empty((0, 5))
        if picture.key:  # YOLO's own convention: a picture without labels has no objects
            lines = _text(root / str(picture.labels)).splitlines()
            rows = _rows_of_numbers(lines, (5, 6), None)
        others = rows[:, 0] != wanted
        if wanted is not None and others.any():
            findings.add("other-class", place, detail=f"{int(others.sum())} boxes")
            rows = rows[~others]
        width, height = _believed_size(root, picture)
        scale = np.array([width, height])
        centre, sides = rows[:, 1:3] * scale, rows[:, 3:5] * scale
        return _columns(np.concatenate([centre - sides / 2, centre + sides / 2], axis=1))

    return Listing(pictures, [], load_boxes(read, _BOX_COLUMNS), {"tool": "YOLO"})


def _believed_size(root: Path, picture: LabelledPicture) -> tuple[int, int]:
    """Give the size that shares of a picture's sides are of.

    Raises:
        ValueError: nobody tells it.
    """
    from gtahead.pictures import PictureError, read_bytes, read_header

    if picture.file is not None and (root / picture.file).is_file():
        try:
            return read_header(read_bytes(root / picture.file)).size_wh
        except PictureError:
            pass
    if picture.size_wh is None:
        msg = "boxes are shares of the picture's size, and there is no picture to tell it"
        raise ValueError(msg)
    return picture.size_wh


def _yolo_class(root: Path) -> int | None:
    """Find the class that heads have; None where there is only one, whatever it's called."""
    names: list[str] = []
    for path in (root / "classes.txt", root / "labels" / "classes.txt"):
        if path.is_file():
            names = [line.strip() for line in listing_text(path, root).splitlines() if line.strip()]
    for path in (root / "data.yaml", root / "data.yml", root / "dataset.yaml"):
        if path.is_file() and not names:
            names = _yaml_names(listing_text(path, root))
    if len(names) < 2:
        return None
    for number, name in enumerate(names):
        if name.lower() in ("head", "heads"):
            return number
    raise InputError(
        "no class is called head",
        where=Where("data.yaml", field="names"),
        value=", ".join(names),
        remedy="name one `head`, or leave only one",
    )


def _yaml_names(text: str) -> list[str]:
    """Take the names out of a YOLO file: `names: [a, b]`, `- a` or `0: a`; no YAML beyond that."""
    match = re.search(r"^names:[ \t]*\[([^\]]*)\]", text, re.M)
    if match:
        return [word.strip().strip("'\"") for word in match[1].split(",") if word.strip()]
    match = re.search(r"^names:[ \t]*\{([^}]*)\}", text, re.M)
    if match:
        pairs = [word.split(":", 1) for word in match[1].split(",") if ":" in word]
        return [value.strip().strip("'\"") for _, value in pairs]
    match = re.search(r"^names:[ \t]*\n((?:[ \t]*(?:-|\d+:).*\n?)+)", text, re.M)
    lines = match[1].splitlines() if match else []
    return [re.sub(r"^[ \t]*(?:-|\d+:)[ \t]*", "", line).strip().strip("'\"") for line in lines]


# Pascal VOC

_VOC_OBJECT = RowFormat(
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


def _voc_picture(split: str, frame: ExportFrame) -> str:
    del split
    return f"JPEGImages/{frame.flat_name}{frame.extension}"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _write_voc(batch: Batch) -> None:
    whole = batch.heads.boxes_xyxy
    batch, boxes = _inside(batch)
    del whole
    cut = (boxes != batch.heads.boxes_xyxy).any(axis=1).astype(np.int64)
    limits = batch.sizes_wh[batch.frame_of_heads]
    # Pixels count from 1, and the last one is part of the box.
    low = np.minimum(np.rint(boxes[:, :2]).astype(np.int64), limits - 1) + 1
    high = np.maximum(np.rint(boxes[:, 2:]).astype(np.int64), low)
    columns = [cut, batch.heads.ignored.astype(np.int64), *low.T, *high.T]
    text, starts = _VOC_OBJECT.render(columns)
    folder = batch.path("Annotations", "0").parent
    for frame, objects in zip(batch.frames, slices_of(text, starts, batch.bounds), strict=True):
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
    write_chunk(batch, f"ImageSets/Main/{SPLIT_WORDS[batch.split]}.txt", names)


def _finish_voc(summary: Summary) -> None:
    for split in summary.splits:
        file = f"ImageSets/Main/{SPLIT_WORDS[split]}.txt"
        join(summary.folder / file, [summary.chunks(file)])


def _voc_labels(root: Path) -> list[Path]:
    folder = root / "Annotations"
    folder = folder if folder.is_dir() else root
    return sorted(folder.glob("*.xml"))


def _recognise_voc(root: Path) -> str | None:
    labels = _voc_labels(root)
    return f"{labels[0].relative_to(root).as_posix()} is there" if labels else None


def _scan_voc(root: Path) -> Listing:
    index = Index.of(root)
    splits: dict[str, str] = {}
    for path in sorted((root / "ImageSets" / "Main").glob("*.txt")):
        split = split_word(path.stem)
        if split is not None and path.stem in ("train", "val", "test"):
            lines = listing_text(path, root).splitlines()
            splits |= {line.split()[0]: split for line in lines if line.split()}
    beside = "JPEGImages" if (root / "Annotations").is_dir() else ""
    folder = next((n for n in ("JPEGImages", "images") if (root / n).is_dir()), beside)
    there = pictures_below(root / folder)
    prefix = f"{folder}/" if folder else ""
    labels = {path.stem: path.relative_to(root).as_posix() for path in _voc_labels(root)}
    pictures = []
    for stem in sorted(set(labels) | {name for name in there if "/" not in name}):
        file = f"{prefix}{there.get(stem, stem + '.jpg')}"
        split = splits.get(stem)
        own = labels.get(stem, f"Annotations/{stem}.xml")
        pictures.append(index.picture(file, split or root.name, split=split, labels=own))

    def read(picture: LabelledPicture, findings: Findings, place: Where) -> Columns:
        return _voc_heads(root, picture, findings, place)

    load = load_boxes(read, (*_BOX_COLUMNS, "ignore"))
    return Listing(pictures, [], load, {"tool": "Pascal VOC"})


def parse_voc(data: bytes) -> tuple[tuple[int, int] | None, list[dict[str, str]]]:
    """Read a Pascal VOC file: the size that it tells, and its objects' texts by tag.

    Entities beyond XML's own are refused: nothing is ever expanded or fetched.

    Raises:
        ValueError: not XML, with line and column.
    """
    parser = expat.ParserCreate()
    path: list[str] = []
    size: dict[str, str] = {}
    objects: list[dict[str, str]] = []
    texts: list[str] = []

    def begin(name: str, _: dict[str, str]) -> None:
        path.append(name)
        texts.clear()
        if path[1:] == ["object"]:
            objects.append({})

    def end(name: str) -> None:
        text = "".join(texts).strip()
        if path[1:2] == ["size"]:
            size[name] = text
        elif path[1:2] == ["object"] and (len(path) == 3 or path[2:3] == ["bndbox"]):
            objects[-1].setdefault(name, text)
        texts.clear()
        path.pop()

    def refuse(*_: object) -> None:
        msg = "it declares entities"
        raise ValueError(msg)

    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = texts.append
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    try:
        sides = int(float(size["width"])), int(float(size["height"]))
    except (KeyError, ValueError, OverflowError):
        return None, objects
    return (sides if min(sides) > 0 else None), objects


def _voc_heads(root: Path, picture: LabelledPicture, findings: Findings, place: Where) -> Columns:
    """Read one file: heads and mistyped heads; others are left out."""
    told, objects = parse_voc((root / str(picture.labels)).read_bytes())
    boxes, ignored = [], []
    others = 0
    for number, one in enumerate(objects, 1):
        name = one.get("name", "").strip().lower()
        if not name.startswith("head"):
            others += 1
            continue
        if name not in ("head", "heads"):
            findings.add("class-taken-as-head", place, one["name"], f"object {number}")
        try:
            boxes.append([float(one[tag]) for tag in ("xmin", "ymin", "xmax", "ymax")])
        except (KeyError, ValueError) as error:
            msg = f"object {number}: its box can't be read ({error})"
            raise ValueError(msg) from error
        ignored.append(int(one.get("difficult") == "1"))
    if others:
        findings.add("other-class", place, detail=f"{others} objects")
    if told is not None and picture.file and (root / picture.file).is_file():
        own = _believed_size(root, picture)
        if told not in (own, own[::-1]):
            findings.add("size-differs", place, f"{told[0]} x {told[1]}", f"{own[0]} x {own[1]}")
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, :2] -= 1
    return _columns(corners, ignore=np.array(ignored, np.int8))


# CrowdHuman


def _odgt_file(split: str) -> str:
    return f"annotation_{SPLIT_WORDS[split]}.odgt"


def _crowdhuman_picture(split: str, frame: ExportFrame) -> str:
    del split
    return f"Images/{frame.flat_name}{frame.extension}"


_ODGT = RowFormat('{"tag":"person","hbox":[', 2, ",", 2, ",", 2, ",", 2, "],")


def _write_crowdhuman(batch: Batch) -> None:
    batch = with_boxes(batch)
    heads = batch.heads
    corners = _corners(batch)
    columns = [corners[:, 0], corners[:, 1], *(corners[:, 2:] - corners[:, :2]).T]
    text, starts = _ODGT.render(columns)
    rows = slices_of(text, starts, np.arange(len(heads) + 1))
    words = []
    for row, ignored, occluded, head in zip(
        rows,
        heads.ignored.tolist(),
        heads.occluded.tolist(),
        heads.head_ids.tolist(),
        strict=True,
    ):
        known = b'"occ":%d,' % occluded if occluded >= 0 else b""
        words.append(
            b'%b"head_attr":{"ignore":%d,%b"unsure":0},"extra":{"box_id":%d}}'
            % (row, ignored, known, head)
        )
    lines = []
    for index, frame in enumerate(batch.frames):
        mine = b",".join(words[batch.bounds[index] : batch.bounds[index + 1]])
        lines.append(b'{"ID":%b,"gtboxes":[%b]}\n' % (orjson.dumps(frame.flat_name), mine))
    write_chunk(batch, _odgt_file(batch.split), lines)


def _finish_crowdhuman(summary: Summary) -> None:
    for split in summary.splits:
        join(summary.folder / _odgt_file(split), [summary.chunks(_odgt_file(split))])


def _recognise_crowdhuman(root: Path) -> str | None:
    files = sorted(root.glob("*.odgt"))
    return f"{files[0].name} is there" if files else None


def _scan_crowdhuman(root: Path) -> Listing:
    index = Index.of(root)
    there = pictures_below(root / "Images") | pictures_below(root / "images")
    folder = "Images" if (root / "Images").is_dir() or not (root / "images").is_dir() else "images"
    files = sorted(root.glob("*.odgt"))
    pictures = []
    for path in files:
        split = split_word(path.stem)
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if line.strip():
                row = _odgt_row(line, path.name, number)
                file = f"{folder}/{there.get(row['ID'], row['ID'] + '.jpg')}"
                key = (path.name, number, row.get("gtboxes"))
                pictures.append(index.picture(file, split or path.stem, split=split, key=key))
    load = load_boxes(_odgt_heads, (*_BOX_COLUMNS, "ignore", "head_id"))
    return Listing(pictures, files, load, {"tool": "CrowdHuman"})


def _odgt_row(line: bytes, name: str, number: int) -> dict[str, Any]:
    place = Where(name, field=f"line {number}")
    remedy = "each line is one JSON object with ID and gtboxes"
    try:
        row = schemas.parse_json(line, name)
    except InputError as error:
        raise InputError(error.what, where=place, value=error.value, remedy=remedy) from error
    if not isinstance(row, dict) or not isinstance(row.get("ID"), str):
        raise InputError("no picture with an ID", where=place, remedy=remedy)
    return row


def _odgt_heads(picture: LabelledPicture, findings: Findings, place: Where) -> Columns:
    """Read one line's heads; regions to be ignored (`mask`) are heads that are ignored.

    A head that is occluded is to be found all the same: CrowdHuman says `ignore` where it isn't.
    """
    _, number, rows = picture.key
    if not isinstance(rows, list):
        msg = f"line {number}: gtboxes is no list"
        raise ValueError(msg)
    boxes, ignored, ids = [], [], []
    without = 0
    for place_in_line, row in enumerate(rows):
        row = row if isinstance(row, dict) else {}  # noqa: PLW2901 - a broken row has nothing
        mask = row.get("tag") == "mask"
        values = row.get("hbox", row.get("fbox") if mask else None)
        if values is None:
            without += 1
            continue
        box = np.asarray(values, np.float64) if isinstance(values, list) else np.empty(0)
        if box.shape != (4,):
            msg = f"line {number}: hbox of {place_in_line} isn't four numbers"
            raise ValueError(msg)
        attributes = row.get("head_attr") if isinstance(row.get("head_attr"), dict) else {}
        extra = row.get("extra") if isinstance(row.get("extra"), dict) else {}
        assert attributes is not None
        assert extra is not None
        boxes.append(box)
        ignored.append(int(mask or attributes.get("ignore") == 1 or extra.get("ignore") == 1))
        own = extra.get("box_id")
        fine = isinstance(own, int) and 0 <= own < 2**53
        ids.append(int(own) if fine else place_in_line)  # type: ignore[arg-type]
    if without:
        findings.add("other-class", place, detail=f"{without} boxes without a head")
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    if len(set(ids)) < len(ids):
        ids = list(range(len(ids)))
    return _columns(corners, ids, ignore=ignored)


# HeadHunter


def _headhunter_picture(split: str, frame: ExportFrame) -> str:
    del split
    return f"images/{frame.nested_name}"


_HEADHUNTER_ROW = RowFormat(2, ", ", 2, ", ", 2, ", ", 2, "\n")


def _write_headhunter(batch: Batch) -> None:
    batch = with_boxes(batch)
    corners = _corners(batch)
    text, starts = _HEADHUNTER_ROW.render([corners[:, k] for k in range(4)])
    lines = [
        f"# {_headhunter_picture(batch.split, frame)}\n".encode() + rows
        for frame, rows in zip(batch.frames, slices_of(text, starts, batch.bounds), strict=True)
    ]
    write_chunk(batch, f"{SPLIT_WORDS[batch.split]}.txt", lines)


def _finish_headhunter(summary: Summary) -> None:
    for split in summary.splits:
        file = f"{SPLIT_WORDS[split]}.txt"
        join(summary.folder / file, [summary.chunks(file)])


def _headhunter_files(root: Path) -> list[Path]:
    found = []
    for path in sorted(root.glob("*.txt")):
        with path.open("rb") as file:
            line = file.readline(4096).removeprefix(b"\xef\xbb\xbf").strip()
        if line.startswith(b"#") and Path(line.decode(errors="replace")).suffix:
            found.append(path)
    return found


def _recognise_headhunter(root: Path) -> str | None:
    files = _headhunter_files(root)
    return f"{files[0].name} lists pictures after #" if files else None


def _scan_headhunter(root: Path) -> Listing:
    index = Index.of(root)
    files = _headhunter_files(root)
    pictures = []
    for path in files:
        split = split_word(path.stem)
        lines = listing_text(path, root).splitlines()
        starts = [number for number, line in enumerate(lines) if line.lstrip().startswith("#")]
        for first, last in zip(starts, [*starts[1:], len(lines)], strict=True):
            file = lines[first].lstrip()[1:].strip().replace("\\", "/").lstrip("/")
            if not (root / file).is_file() and (root / "images" / file).is_file():
                file = f"images/{file}"
            folder = str(PurePosixPath(file).parent).removeprefix("images").lstrip("/")
            name = sequence_of(folder, split or path.stem)
            key = (first + 1, lines[first + 1 : last])
            pictures.append(index.picture(file, name, split=split, key=key))

    def read(picture: LabelledPicture, findings: Findings, place: Where) -> Columns:
        del findings, place
        line, rows = picture.key
        try:
            return _columns(_rows_of_numbers(rows, (4, 5), ","))
        except ValueError as error:
            msg = f"after line {line}: {error}"
            raise ValueError(msg) from error

    load = load_boxes(read, _BOX_COLUMNS)
    return Listing(pictures, files, load, {"tool": "HeadHunter"})


# MOT


def _mot_folder(split: str, sequence: str) -> str:
    return f"{SPLIT_WORDS[split]}/{sequence}"


def _mot_picture(split: str, frame: ExportFrame) -> str:
    return f"{_mot_folder(split, frame.sequence)}/img1/{frame.place:06d}{frame.extension}"


_MOT_ROW = RowFormat(0, ",", 0, ",", 2, ",", 2, ",", 2, ",", 2, ",", 0, ",1,", 4, "\n")


def _write_mot(batch: Batch) -> None:
    batch = with_boxes(batch)
    heads = batch.heads
    places = np.array([frame.place for frame in batch.frames], np.int64)[batch.frame_of_heads]
    corners = _corners(batch)
    sides = corners[:, 2:] - corners[:, :2]
    shares = fixed(np.where(np.isnan(heads.visibility), -1.0, heads.visibility), 4)
    counted = (~heads.ignored).astype(np.int64)
    first = corners[:, :2] + 100  # the first pixel is 1
    columns = [places, heads.head_ids, *first.T, *sides.T, counted, shares]
    text, starts = _MOT_ROW.render(columns)
    rows = list(slices_of(text, starts, batch.bounds))
    for sequence in dict.fromkeys(frame.sequence for frame in batch.frames):
        folder = _mot_folder(batch.split, sequence)
        mine = [i for i, frame in enumerate(batch.frames) if frame.sequence == sequence]
        write_chunk(batch, f"{folder}/gt/gt.txt", [rows[i] for i in mine])
        last = batch.frames[mine[-1]]
        about = {
            "name": sequence,
            "imDir": "img1",
            "frameRate": f"{last.about['fps'] or 1:g}",
            "seqLength": str(last.place),
            "imWidth": str(last.size_wh[0]),
            "imHeight": str(last.size_wh[1]),
            "imExt": last.extension,
        }
        lines = "".join(f"{key}={value}\n" for key, value in about.items())
        write_chunk(batch, f"{folder}/seqinfo.ini", [f"[Sequence]\n{lines}".encode()])


def _finish_mot(summary: Summary) -> None:
    for split, sequences in summary.sequences.items():
        for sequence in sequences:
            folder = _mot_folder(split, sequence)
            parts = summary.chunks(f"{folder}/gt/gt.txt")
            if parts:
                join(summary.folder / folder / "gt" / "gt.txt", [parts])
                infos = summary.chunks(f"{folder}/seqinfo.ini")
                (summary.folder / folder / "seqinfo.ini").write_bytes(infos[-1].read_bytes())


def _mot_sequences(root: Path) -> list[Path]:
    found = []
    for pattern in ("*/gt/gt.txt", "*/*/gt/gt.txt"):
        found += [path.parent.parent for path in sorted(root.glob(pattern))]
    return found


def _recognise_mot(root: Path) -> str | None:
    found = _mot_sequences(root)
    return f"{found[0].relative_to(root).as_posix()}/gt/gt.txt is there" if found else None


def _scan_mot(root: Path) -> Listing:
    index = Index.of(root)
    pictures = []
    files = []
    for folder in _mot_sequences(root):
        name = folder.relative_to(root).as_posix()
        split = split_word(*folder.relative_to(root).parts[:-1]) or split_word(root.name)
        about = _seqinfo(folder / "seqinfo.ini")
        images = str(about.get("imdir") or "img1")
        there = pictures_below(folder / images)
        files.append(folder / "gt" / "gt.txt")
        numbers = {int(stem): stem for stem in there if stem.isdigit()}
        length = about.get("seqlength", "")
        last = int(length) if length.isdigit() else max([0, *numbers])
        frames = _mot_rows(files[-1], f"{name}/gt/gt.txt")
        last = max([last, *frames]) if not there else last
        size = about.get("imwidth", ""), about.get("imheight", "")
        size_wh = (int(size[0]), int(size[1])) if size[0].isdigit() and size[1].isdigit() else None
        for number in sorted({*range(1, last + 1), *numbers, *frames}):
            stem = numbers.get(number, f"{number:06d}")
            file = f"{name}/{images}/{there.get(stem, stem + '.jpg')}"
            key = frames.get(number, np.empty((0, 9)))
            pictures.append(index.picture(file, folder.name, split=split, size_wh=size_wh, key=key))
    columns = (*_BOX_COLUMNS, "head_id", "ignore", "visibility")
    return Listing(pictures, files, load_boxes(_mot_heads, columns), {"tool": "MOT"})


def _seqinfo(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_text(path))
        return dict(parser["Sequence"])
    except (OSError, ValueError, configparser.Error, KeyError):
        return {}


def _mot_rows(path: Path, name: str) -> dict[int, Floats]:
    try:
        rows = _rows_of_numbers(_text(path).splitlines(), (9, 10), ",")
    except (ValueError, OSError) as error:
        raise InputError(
            "the boxes can't be read",
            where=Where(name),
            value=str(error),
            remedy="a line is frame, id, left, top, width, height, conf, class, visibility",
        ) from error
    order = np.argsort(rows[:, 0], kind="stable")
    numbers, starts = np.unique(rows[order, 0], return_index=True)
    parts = np.split(rows[order], starts[1:]) if len(numbers) else []
    return {int(number): part for number, part in zip(numbers, parts, strict=True)}


def _mot_heads(picture: LabelledPicture, findings: Findings, place: Where) -> Columns:
    del findings, place
    rows: Ints | Floats = picture.key
    low = rows[:, 2:4] - 1
    boxes = np.concatenate([low, low + rows[:, 4:6]], axis=1)
    shares = np.where((rows[:, 8] >= 0) & (rows[:, 8] <= 1), rows[:, 8], np.nan)
    return _columns(
        boxes,
        rows[:, 1].astype(np.int64).tolist(),
        ignore=(rows[:, 6] == 0).astype(np.int8),
        visibility=shares,
    )


YOLO = Format(
    name="yolo",
    title="YOLO, .txt a picture",
    kind="boxes",
    origin="shares of the picture's width and height, 0 at its top-left corner",
    precision_px=0.01,
    holds=frozenset({"boxes"}),
    layout=(
        "data.yaml\n"
        "images/<train|val|test>/<sequence>/<frame>.jpg\n"
        "labels/<train|val|test>/<sequence>/<frame>.txt   a line a head: 0 x y width height\n"
        "frames.csv"
    ),
    notes=(
        "Values are shares of the picture, six decimals, centre first; boxes are cut at "
        "the border. A frame without heads has an empty file. Read too: several classes "
        "(the one called `head` in `data.yaml` or `classes.txt`), and pictures without a "
        "file, which by YOLO's convention have no heads."
    ),
    checked_with="globox",
    write=_write_yolo,
    finish=_finish_yolo,
    picture=_yolo_picture,
    clips=True,
    reader=reader_of("yolo", "YOLO (labels/*.txt)", _recognise_yolo, _scan_yolo),
)

VOC = Format(
    name="voc",
    title="Pascal VOC, .xml a picture",
    kind="boxes",
    origin="1-based, whole pixels, the last one is part of the box",
    precision_px=0.5,
    holds=frozenset({"boxes", "ignored"}),
    layout=(
        "Annotations/<sequence>__<frame>.xml\n"
        "JPEGImages/<sequence>__<frame>.jpg\n"
        "ImageSets/Main/<train|val|test>.txt\n"
        "frames.csv"
    ),
    notes=(
        "`xmin` of the leftmost pixel is 1, and `xmax` is part of the box; numbers are "
        "whole. Ignored heads are `difficult`; boxes are cut at the border and then "
        "`truncated`. Read too: SCUT-HEAD. A class that only begins with `head` is kept "
        "and reported; sizes are the picture's own, whatever the file says; declared "
        "entities are refused."
    ),
    checked_with="globox",
    write=_write_voc,
    finish=_finish_voc,
    picture=_voc_picture,
    clips=True,
    reader=reader_of("voc", "Pascal VOC (Annotations/*.xml)", _recognise_voc, _scan_voc),
)

CROWDHUMAN = Format(
    name="crowdhuman",
    title="CrowdHuman, .odgt a split",
    kind="boxes",
    origin=_ORIGIN,
    precision_px=0.01,
    holds=frozenset({"boxes", "ids", "ignored"}),
    layout=(
        "annotation_<train|val|test>.odgt   a line a frame\n"
        "Images/<sequence>__<frame>.jpg\n"
        "frames.csv"
    ),
    notes=(
        "Heads are `hbox`; `fbox` and `vbox` aren't written, for nobody knows them. "
        "`head_attr.ignore` marks ignored heads, `extra.box_id` is the person. Read too: "
        "regions tagged `mask`, as ignored heads. A head that is `occ` counts all the "
        "same, as in CrowdHuman."
    ),
    checked_with="json, line by line",
    write=_write_crowdhuman,
    finish=_finish_crowdhuman,
    picture=_crowdhuman_picture,
    reader=reader_of("crowdhuman", "CrowdHuman (*.odgt)", _recognise_crowdhuman, _scan_crowdhuman),
)

HEADHUNTER = Format(
    name="headhunter",
    title="HeadHunter, a list of boxes a split",
    kind="boxes",
    origin=_ORIGIN,
    precision_px=0.01,
    holds=frozenset({"boxes"}),
    layout=(
        '<train|val|test>.txt   "# picture", then a line a head: x1, y1, x2, y2\n'
        "images/<sequence>/<frame>.jpg\n"
        "frames.csv"
    ),
    notes=("A frame without heads is its `#` line alone."),
    checked_with="numpy",
    write=_write_headhunter,
    finish=_finish_headhunter,
    picture=_headhunter_picture,
    reader=reader_of(
        "headhunter", "HeadHunter (*.txt with # lines)", _recognise_headhunter, _scan_headhunter
    ),
)

MOT = Format(
    name="mot",
    title="MOT, gt.txt a sequence",
    kind="boxes",
    origin="1-based: the top-left corner of the top-left pixel is (1, 1)",
    precision_px=0.01,
    holds=frozenset({"boxes", "ids", "ignored", "visibility"}),
    layout=(
        "<train|val|test>/<sequence>/gt/gt.txt   "
        "frame, id, left, top, width, height, conf, class, visibility\n"
        "<train|val|test>/<sequence>/seqinfo.ini\n"
        "<train|val|test>/<sequence>/img1/000001.jpg\n"
        "frames.csv"
    ),
    notes=(
        "Frames count from 1 in each sequence; `seqLength` counts those without heads. "
        "`conf` 0 marks ignored heads; `visibility` -1 is unknown."
    ),
    checked_with="motmetrics",
    write=_write_mot,
    finish=_finish_mot,
    picture=_mot_picture,
    reader=reader_of("mot", "MOT (gt/gt.txt)", _recognise_mot, _scan_mot),
)
