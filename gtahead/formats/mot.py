"""MOT: boxes and persons of a sequence; frames and pixels count from 1."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path, PurePosixPath

import numpy as np

from gtahead.arrays import Columns, Floats, Ints
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.base import SPLIT_WORDS, Batch, ExportFrame, Format, Summary
from gtahead.formats.box_files import box_columns, corner_cents, own_text, rows_of_numbers
from gtahead.formats.chunks import join, write_chunk
from gtahead.formats.text import RowFormat, fixed, slices_of
from gtahead.ingest.classes import Classes
from gtahead.ingest.exports import Index, exported_as, images_below, listing_text, split_by_folder
from gtahead.ingest.labelled import LabelledImage, Listing, load_each
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.model import ClassKey
from gtahead.ingest.names import is_safe_name
from gtahead.tables.canonical import CAPTURED


def _folder(split: str, sequence: str) -> str:
    return f"{SPLIT_WORDS[split]}/{sequence}"


def _image(split: str, frame: ExportFrame) -> str:
    return f"{_folder(split, frame.sequence)}/img1/{frame.position:06d}{frame.extension}"


_ROW = RowFormat(0, ",", 0, ",", 2, ",", 2, ",", 2, ",", 2, ",", 0, ",1,", 4, "\n")


def _write(batch: Batch) -> None:
    batch = batch.boxed()
    heads = batch.heads
    positions = np.array([frame.position for frame in batch.frames], np.int64)[batch.frame_of_heads]
    corners = corner_cents(batch)
    sides = corners[:, 2:] - corners[:, :2]
    shares = fixed(np.where(np.isnan(heads.visibility), -1.0, heads.visibility), 4)
    counted = (~heads.ignored).astype(np.int64)
    first = corners[:, :2] + 100  # the first pixel is 1
    columns = [positions, heads.head_ids, *first.T, *sides.T, counted, shares]
    text, starts = _ROW.render(columns)
    rows = list(slices_of(text, starts, batch.by_frame))
    for sequence in dict.fromkeys(frame.sequence for frame in batch.frames):
        folder = _folder(batch.split, sequence)
        mine = [i for i, frame in enumerate(batch.frames) if frame.sequence == sequence]
        write_chunk(batch, f"{folder}/gt/gt.txt", [rows[i] for i in mine])
        last = batch.frames[mine[-1]]
        about = {
            "name": sequence,
            "imDir": "img1",
            "frameRate": repr(last.about["fps"] or 1),
            "seqLength": str(last.position),
            "imWidth": str(last.size_wh[0]),
            "imHeight": str(last.size_wh[1]),
            "imExt": last.extension,
        }
        lines = "".join(f"{key}={value}\n" for key, value in about.items())
        write_chunk(batch, f"{folder}/seqinfo.ini", [f"[Sequence]\n{lines}".encode()])


def _finish(summary: Summary) -> None:
    for split, sequences in summary.sequences.items():
        for sequence in sequences:
            folder = _folder(split, sequence)
            parts = summary.chunks(f"{folder}/gt/gt.txt")
            if parts:
                join(summary.folder / folder / "gt" / "gt.txt", [parts])
                infos = summary.chunks(f"{folder}/seqinfo.ini")
                (summary.folder / folder / "seqinfo.ini").write_bytes(infos[-1].read_bytes())


MAX_EMPTY = 10_000
"""Frames that nothing but `seqLength` tells of, at the end of a sequence."""


def _sequences(root: Path) -> list[Path]:
    found = []
    for pattern in ("gt/gt.txt", "*/gt/gt.txt", "*/*/gt/gt.txt"):
        found += [path.parent.parent for path in sorted(root.glob(pattern))]
    return found


def _recognise(root: Path) -> str | None:
    found = _sequences(root)
    return f"{found[0].relative_to(root).as_posix()}/gt/gt.txt is there" if found else None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    images = []
    files, listed = [], []
    names: dict[ClassKey, str] = {}
    for folder in _sequences(root):
        name = folder.relative_to(root).as_posix()
        split, _ = split_by_folder(PurePosixPath(name).parent)
        about = _seqinfo(folder / "seqinfo.ini")
        listed += [path for path in (folder / "seqinfo.ini",) if path.is_file()]
        own_names = _class_names(folder / "gt" / "labels.txt", root)
        _refuse_other_names(names, own_names, f"{'' if name == '.' else name + '/'}gt/labels.txt")
        names |= own_names
        folder_name = str(about.get("imdir") or "img1")
        prefix = "" if name == "." else f"{name}/"
        there = images_below(folder / folder_name) if is_safe_name(folder_name) else {}
        files.append(folder / "gt" / "gt.txt")
        numbers = _numbered(there)
        length = about.get("seqlength", "")
        frames = _rows(files[-1], f"{prefix}gt/gt.txt")
        kinds = _kinds(folder.name)
        _refuse_shift(numbers, frames, f"{prefix}gt/gt.txt")
        last = max([0, *numbers, *frames])
        if last > len({*numbers, *frames}) + MAX_EMPTY:
            raise InputError(
                "a frame number is far beyond all others",
                where=Where(f"{prefix}gt/gt.txt" if last in frames else f"{prefix}{folder_name}"),
                value=last,
                remedy=f"fix it: {MAX_EMPTY:,} frames at most may be without image and heads",
            )
        if length.isdigit() and len(length) < 10:
            # Frames without heads and images are only counted: a few thousand are believed.
            last = max(last, min(int(length), last + MAX_EMPTY))
        size = about.get("imwidth", ""), about.get("imheight", "")
        size_wh = (int(size[0]), int(size[1])) if size[0].isdigit() and size[1].isdigit() else None
        for number in sorted({*range(1, last + 1), *numbers, *frames}):
            stem = numbers.get(number, f"{number:06d}")
            file = f"{prefix}{folder_name}/{there.get(stem, stem + '.jpg')}"
            key = *frames.get(number, _NOTHING), kinds
            own = folder.name or root.name
            images.append(index.image(file, own, split=split, size_wh=size_wh, key=key))
    rules = {image.key[2] for image in images}
    if HT21_IGNORED in rules and len(rules) > 1 and not names:
        raise InputError(
            "sequences of HT21 and of others lie in one folder: class 1 is heads in one of them, "
            "whole people in the other",
            where=Where("gt.txt", field="class"),
            remedy="build them from folders of their own",
        )
    known = exported_as(root) is not None or HT21_IGNORED in rules
    kind = Classes if names else _HeadsByNumber if known else _PedestriansByNumber
    classes = kind(names, lambda: _used(images), Where("gt.txt", field="class"))

    def read(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        return _heads(image, classes, findings, location)

    columns = [*CAPTURED, "head_id", "ignore", "visibility"]
    return Listing(images, files + listed, load_each(read, columns), {"tool": "MOT"}, classes)


class _HeadsByNumber(Classes):
    """MOT's classes, which its files give as numbers alone: 1 is to be found, -1 is unknown."""

    def decide(self, wanted: str | None, findings: Findings) -> frozenset[ClassKey]:
        """Return the numbers of heads; see `Classes.decide`."""
        return frozenset([1, -1]) if wanted is None else super().decide(wanted, findings)


class _PedestriansByNumber(_HeadsByNumber):
    """The same where nothing says that heads are labelled: MOT16, 17 and 20 have whole bodies."""

    def decide(self, wanted: str | None, findings: Findings) -> frozenset[ClassKey]:
        """Return the numbers of heads, with a warning; see `Classes.decide`."""
        if wanted is None and next(iter(self.used()), None) is not None:
            findings.add("class-taken-as-head", self.where, "class 1")
        return super().decide(wanted, findings)


def _class_names(path: Path, root: Path) -> dict[ClassKey, str]:
    """Read the names of classes as CVAT puts them beside its rows: a line each, from 1."""
    if not path.is_file():
        return {}
    lines = listing_text(path, root).splitlines()
    return {number: line.strip() for number, line in enumerate(lines, 1) if line.strip()}


def _refuse_other_names(known: dict[ClassKey, str], own: dict[ClassKey, str], file: str) -> None:
    """Refuse sequences that number their classes differently.

    Raises:
        InputError: they do; one of them would get the other's class as its heads.
    """
    for number in sorted(known.keys() & own.keys(), key=str):
        if known[number].lower() != own[number].lower():
            raise InputError(
                "sequences name their classes differently",
                where=Where(file, field=f"line {number}"),
                value=f"{own[number]!r}, elsewhere {known[number]!r}",
                remedy="list the classes in the same order for all, or build each alone",
            )


HT21_IGNORED = frozenset([2, 3, 4])
"""Of HT21: static persons, regions to be ignored, persons on vehicles."""

IGNORED = frozenset([2, 7, 8, 12])
"""Of MOT16, 17 and 20: persons on vehicles, static persons, distractors, reflections."""


def _kinds(sequence: str) -> frozenset[int]:
    """Return the classes of persons that are neither to be found nor missed."""
    return HT21_IGNORED if sequence.upper().startswith("HT21") else IGNORED


def _used(images: Iterable[LabelledImage]) -> Iterator[ClassKey]:
    for image in images:
        yield from image.key[0][:, 7].astype(np.int64).tolist()


def _refuse_shift(images: Iterable[int], frames: Iterable[int], file: str) -> None:
    """Refuse frames that count from 0 where images count from 1, or the other way round.

    Raises:
        InputError: they do; each frame would get its neighbour's heads.
    """
    ends = [(min(numbers), max(numbers)) for numbers in (set(images), set(frames)) if numbers]
    if len(ends) < 2:
        return
    (first_image, last_image), (first, last) = ends
    if (first_image, first) == (1, 0) or (first_image == 0 < first and last == last_image + 1):
        raise InputError(
            "frames and images don't count from the same number",
            where=Where(file),
            value=f"frames {first} to {last}, images {first_image} to {last_image}",
            remedy="number the frames as the images are: MOT counts from 1",
        )


def _numbered(stems: Iterable[str]) -> dict[int, str]:
    """Return images by the number that their names end with; of several beginnings, the usual."""
    by_begin: dict[str, dict[int, str]] = {}
    for stem in stems:
        match = re.fullmatch(r"(.*?)(\d{1,12})", stem)
        if match is not None:
            by_begin.setdefault(match[1], {})[int(match[2])] = stem
    return max(by_begin.values(), key=len, default={})


def _seqinfo(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(own_text(path))
        return dict(parser["Sequence"])
    except (OSError, ValueError, configparser.Error, KeyError):
        return {}


_NOTHING = np.empty((0, 9)), np.empty(0, np.int64)


def _rows(path: Path, name: str) -> dict[int, tuple[Floats, Ints]]:
    """Read the rows of a sequence, and their ids, by frame.

    A row whose id is negative, as detections have them, is a person of its own.

    Raises:
        InputError: a line is something else.
    """
    remedy = "a line is frame, id, left, top, width, height, conf, class, visibility"
    try:
        lines = own_text(path).splitlines()
        rows = rows_of_numbers(lines, (9, 10, 8, 7), ",")
    except (ValueError, OSError) as error:
        raise InputError(
            "the boxes can't be read", where=Where(name), value=str(error), remedy=remedy
        ) from error
    places = [number for number, line in enumerate(lines, 1) if line.replace(",", "").strip()]
    joined = rows[:, [0, 1, 7]]
    with np.errstate(invalid="ignore"):  # of an infinite one
        whole = ((joined % 1 == 0) & (np.abs(joined) <= 2**63)).all(axis=1)
    if not whole.all():
        row = int(np.flatnonzero(~whole)[0])
        raise InputError(
            "frame, id or class isn't a whole number of 64 bits",
            where=Where(name, field=f"line {places[row]}"),
            value=", ".join(f"{value:g}" for value in rows[row, [0, 1, 7]]),
            remedy=remedy,
        )
    ids = [_whole(lines[place - 1].split(",")[1]) for place in places]
    if (large := next((n for n, one in enumerate(ids) if one >= 2**63), None)) is not None:
        raise InputError(
            "the id isn't a whole number of 64 bits",
            where=Where(name, field=f"line {places[large]}"),
            value=str(ids[large]),
            remedy="number the people anew",
        )
    taken = set(ids)
    unused = (number for number in count(1) if number not in taken)
    known = np.array([next(unused) if one < 0 else one for one in ids], np.int64)
    order = np.argsort(rows[:, 0], kind="stable")
    numbers, starts = np.unique(rows[order, 0], return_index=True)
    parts = np.split(order, starts[1:]) if len(numbers) else []
    return {
        int(number): (rows[part], known[part]) for number, part in zip(numbers, parts, strict=True)
    }


def _whole(word: str) -> int:
    """Return an id exactly, of which a float would keep 53 bits."""
    number = int(word) if word.strip().lstrip("+-").isdecimal() else int(float(word))
    return max(number, -1)


def _heads(image: LabelledImage, classes: Classes, findings: Findings, location: Where) -> Columns:
    rows, ids, kinds = image.key
    of = rows[:, 7].astype(np.int64)
    heads = np.array([classes.are_heads(int(number)) for number in of], np.bool_)
    decided = classes.heads == frozenset([1, -1])
    kept = heads | (np.isin(of, list(kinds)) if decided else False)
    if not heads.all():
        left, ignored = int((~kept).sum()), int((kept & ~heads).sum())
        kept_apart = [f"{ignored} boxes are kept as ignored, not left out"] * bool(ignored)
        words = [f"{left} boxes"] * bool(left) + kept_apart
        findings.add("other-class", location, detail=", ".join(words))
    rows, ids, heads = rows[kept], ids[kept], heads[kept]
    low = rows[:, 2:4] - 1
    boxes = np.concatenate([low, low + rows[:, 4:6]], axis=1)
    shares = np.where((rows[:, 8] >= 0) & (rows[:, 8] <= 1), rows[:, 8], np.nan)
    return box_columns(
        boxes, ids.tolist(), ignore=((rows[:, 6] == 0) | ~heads).astype(np.int8), visibility=shares
    )


MOT = Format(
    name="mot",
    title="MOT, gt.txt per sequence",
    kind="boxes",
    origin="1-based: the top-left corner of the top-left pixel is (1, 1)",
    precision_px=0.01,
    supports=frozenset({"boxes", "ids", "ignored", "visibility"}),
    layout=(
        "<train|val|test>/<sequence>/gt/gt.txt   "
        "frame, id, left, top, width, height, conf, class, visibility\n"
        "<train|val|test>/<sequence>/seqinfo.ini\n"
        "<train|val|test>/<sequence>/img1/000001.jpg\n"
        "frames.csv"
    ),
    notes=(
        "Frames count from 1 in each sequence; `seqLength` counts those without heads. "
        "`conf` 0 marks ignored heads; `visibility` -1 is unknown. Read too: classes as MOT16, 17, "
        "20 and HT21 number them (1 is to be found; static persons, those on vehicles, "
        "distractors, reflections and regions to be ignored are ignored; the rest is left out), "
        "seven or eight columns, and id -1 for none."
    ),
    checked_with="motmetrics",
    write=_write,
    finish=_finish,
    image=_image,
    boxed=True,
    reader=reader_of("mot", "MOT (gt/gt.txt)", _recognise, _scan, video=True),
)
