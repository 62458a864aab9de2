"""Crowd counting data sets in text: NWPU-Crowd, JHU-Crowd++, and FIDTM's lists of points.

Their lists are of whole pixels: a point is given by the pixel that holds it, so it may be off by up
to a pixel, and a head at the last pixel of its picture stays in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import schemas
from gtahead.dataset.captured import Reader
from gtahead.dataset.tabular import Columns
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco import write_chunk
from gtahead.formats.format import SPLIT_WORDS, Batch, ExportFrame, Format, Summary
from gtahead.formats.joining import join, write_small
from gtahead.formats.numbered import padded
from gtahead.formats.points import point_cents, slices_of
from gtahead.formats.reading import (
    HeadsRead,
    Index,
    LabelledPicture,
    Listing,
    gathered,
    listing_text,
    pictures_below,
    reader_of,
    split_word,
)
from gtahead.formats.textrows import Ints, RowFormat, fixed
from gtahead.geometry import Floats

_TEXT_ORIGIN = "0-based, of the pixel that holds the point"

LEVELS = 5
"""NWPU's levels of a box's area: 0 up to 10 square pixels, then a level for each power of ten."""


def pixel_of(batch: Batch) -> list[Ints]:
    """Give the pixels that hold the points."""
    return [np.floor(batch.heads.points_xy[:, k]).astype(np.int64) for k in (0, 1)]


def _box_sigmas(batch: Batch) -> tuple[Ints, Ints, Ints]:
    """Give NWPU's two radii and level of each head; 4, 8 and 1 where it has no box."""
    boxes = batch.heads.boxes_xyxy
    sides = boxes[:, 2:] - boxes[:, :2]
    known = np.asarray(np.isfinite(sides).all(axis=1))
    sides = np.where(known[:, None], sides, 8.0)
    small = np.maximum(1, np.rint(sides.min(axis=1) / 2)).astype(np.int64)
    large = np.maximum(1, np.rint(np.hypot(sides[:, 0], sides[:, 1]) / 2)).astype(np.int64)
    area = np.maximum(sides[:, 0] * sides[:, 1], 1.0)
    level = np.minimum(np.floor(np.log10(area)), LEVELS).astype(np.int64)
    return (
        np.where(known, small, 4),
        np.where(known, large, 8),
        np.where(known, level, 1),
    )


_FIVE = RowFormat(" ", 0, " ", 0, " ", 0, " ", 0, " ", 0)


def localisation_lines(
    batch: Batch, numbers: Sequence[int], columns: Sequence[Ints]
) -> list[bytes]:
    """Write a line a frame: its number, how many heads, and five numbers a head."""
    text, starts = _FIVE.render(columns)
    rows = slices_of(text, starts, batch.bounds)
    return [
        b"%d %d%b\n" % (number, count, row)
        for number, count, row in zip(numbers, np.diff(batch.bounds).tolist(), rows, strict=True)
    ]


def _nwpu_name(frame: ExportFrame) -> str:
    """Number a frame through all splits, as NWPU does."""
    return f"{frame.row + 1:04d}"


def _nwpu_picture(split: str, frame: ExportFrame) -> str:
    del split
    return f"images/{_nwpu_name(frame)}{frame.extension}"


_PAIR = RowFormat("[", 2, ",", 2, "],")
_BOX = RowFormat("[", 2, ",", 2, ",", 2, ",", 2, "],")


def _write_nwpu(batch: Batch) -> None:
    boxes = batch.heads.boxes_xyxy
    whole = np.asarray(np.isfinite(boxes).all(axis=1))
    batch.note("no-box-in-json", int((~whole).sum()))
    points, point_starts = _PAIR.render(point_cents(batch))
    corners = fixed(np.where(whole[:, None], boxes, 0.0), 2)
    rows, box_starts = _BOX.render([corners[:, k] for k in range(4)])
    folder = batch.path("jsons", "0").parent
    for index, (frame, mine, squares) in enumerate(
        zip(
            batch.frames,
            slices_of(points, point_starts, batch.bounds),
            slices_of(rows, box_starts, batch.bounds),
            strict=True,
        )
    ):
        first, last = batch.bounds[index], batch.bounds[index + 1]
        about = {"img_id": f"{_nwpu_name(frame)}{frame.extension}", "human_num": int(last - first)}
        kept = squares[:-1] if whole[first:last].all() else b""
        text = orjson.dumps(about)[:-1] + b',"points":[%b],"boxes":[%b]}\n' % (mine[:-1], kept)
        write_small(f"{folder}/{_nwpu_name(frame)}.json", text)
    word = SPLIT_WORDS[batch.split]
    names = [f"{_nwpu_name(frame)}\n".encode() for frame in batch.frames]
    write_chunk(batch, f"{word}.txt", names)
    numbers = [frame.row + 1 for frame in batch.frames]
    lines = localisation_lines(batch, numbers, [*pixel_of(batch), *_box_sigmas(batch)])
    write_chunk(batch, f"{word}_gt_loc.txt", lines)


def _finish_nwpu(summary: Summary) -> None:
    for split in summary.splits:
        for file in (f"{SPLIT_WORDS[split]}.txt", f"{SPLIT_WORDS[split]}_gt_loc.txt"):
            join(summary.folder / file, [summary.chunks(file)])


def _fidtm_picture(split: str, frame: ExportFrame) -> str:
    return f"{SPLIT_WORDS[split]}/images/IMG_{padded(frame)}{frame.extension}"


def _write_fidtm(batch: Batch) -> None:
    count = len(batch.heads)
    constants = [np.full(count, value, np.int64) for value in (4, 8, 1)]
    numbers = [frame.number for frame in batch.frames]
    lines = localisation_lines(batch, numbers, [*pixel_of(batch), *constants])
    write_chunk(batch, f"{SPLIT_WORDS[batch.split]}_gt.txt", lines)


def _finish_fidtm(summary: Summary) -> None:
    for split in summary.splits:
        file = f"{SPLIT_WORDS[split]}_gt.txt"
        join(summary.folder / file, [summary.chunks(file)])


_JHU_ROW = RowFormat(0, " ", 0, " ", 0, " ", 0, " ", 0, " 0\n")


def _jhu_picture(split: str, frame: ExportFrame) -> str:
    return f"{SPLIT_WORDS[split]}/images/{padded(frame)}{frame.extension}"


def _write_jhu(batch: Batch) -> None:
    boxes = batch.heads.boxes_xyxy
    known = np.asarray(np.isfinite(boxes).all(axis=1))
    batch.note("no-box-in-text", int((~known).sum()))
    sides = np.where(known[:, None], boxes[:, 2:] - boxes[:, :2], 1.0)
    whole = np.maximum(1, np.rint(sides)).astype(np.int64)
    occlusion = np.where(batch.heads.occluded == 1, 2, 1)
    columns = [*pixel_of(batch), whole[:, 0], whole[:, 1], occlusion]
    text, starts = _JHU_ROW.render(columns)
    word = SPLIT_WORDS[batch.split]
    folder = batch.path(word, "gt", "0").parent
    labels = []
    for frame, rows in zip(batch.frames, slices_of(text, starts, batch.bounds), strict=True):
        write_small(f"{folder}/{padded(frame)}.txt", rows)
        weather = frame.about["weather"] or "normal"
        count = rows.count(b"\n")
        labels.append(f"{padded(frame)},{count},crowd,{weather},0\n".encode())
    write_chunk(batch, f"{word}/image_labels.txt", labels)


def _finish_jhu(summary: Summary) -> None:
    for split in summary.splits:
        file = f"{SPLIT_WORDS[split]}/image_labels.txt"
        join(summary.folder / file, [summary.chunks(file)])


# Reading

Load = Callable[[Sequence[LabelledPicture], Findings, Ledger, Where], HeadsRead]


def _numbers_in(line: bytes) -> Ints:
    """Read whole numbers between blanks.

    Raises:
        ValueError: something else is there.
    """
    words = line.split()
    try:
        return np.array([int(word) for word in words], np.int64)
    except (ValueError, OverflowError):
        values = np.array([float(word) for word in words])  # "12.0" is a whole number too
        fine = (np.abs(values) < MOST_EXACT).all()  # not of NaN either
        return values.astype(np.int64) if fine else _not_whole(line)


MOST_EXACT = 2**53


def _not_whole(line: bytes) -> Ints:
    msg = f"not a number: {line[:40].decode(errors='replace')}"
    raise ValueError(msg)


def localisation_list(path: Path, name: str) -> Iterator[tuple[int, str, Floats | None, str]]:
    """Read lines of `id n` and n groups of `x y sigma_s sigma_l level`.

    Yields:
        Line number, the picture's id, (n, 2) points, and "". Where a line is wrong its id (as far
        as it can be told), None, and what is wrong.

    Raises:
        InputError: not text.
    """
    try:
        data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
        data.decode("ascii")
    except UnicodeDecodeError as error:
        where = Where(name, field=f"byte {error.start}")
        raise InputError("not plain text", where=where, remedy="get the list again") from error
    for number, line in enumerate(data.replace(b"\r\n", b"\n").split(b"\n"), 1):
        if not line.strip():
            continue
        key = line.split(None, 1)[0].decode()
        try:
            values = _numbers_in(line)
        except ValueError as error:
            yield number, key, None, str(error)
            continue
        if len(values) < 2 or values[1] < 0 or len(values) != 2 + 5 * values[1]:
            count = int(values[1]) if len(values) > 1 else 0
            yield number, key, None, f"{len(values)} numbers instead of {2 + 5 * count}"
            continue
        groups = values[2:].reshape(-1, 5)
        yield number, key, groups[:, :2].astype(np.float64), ""


def _load_lists() -> Load:
    """Make what gives the points that stand in the pictures' keys."""

    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, picture in enumerate(wanted):
            line, points, wrong = picture.key
            place = Where(where.file, where.sequence, picture.frame, field=f"line {line}")
            if points is None and wrong is None:
                findings.add("labels-missing", Where(where.file, where.sequence, picture.frame))
                faults[index] = "labels-missing"
            elif points is None:
                findings.add("bad-frame-labels", place, detail=wrong)
                faults[index] = "bad-frame-labels"
            xy = np.empty((0, 2)) if points is None else points
            parts.append((index, {"x": xy[:, 0], "y": xy[:, 1]}))
        found = gathered(parts, ["x", "y"])
        ledger.heads.came += len(found["x"])
        return HeadsRead(found, faults)

    return load


def _lists(root: Path, pattern: str) -> list[Path]:
    return sorted(path for path in root.glob(pattern) if path.is_file())


def _recognise_nwpu(root: Path) -> str | None:
    if (root / "jsons").is_dir() and any((root / "jsons").glob("*.json")):
        return "jsons/ holds a file a picture"
    lists = _lists(root, "*gt_loc*.txt")
    return f"{lists[0].name} is there" if lists else None


def _nwpu_splits(root: Path) -> dict[str, str]:
    """Read which picture is in which split."""
    found = {}
    for word in ("train", "val", "test"):
        path = root / f"{word}.txt"
        if path.is_file():
            for line in listing_text(path, root).splitlines():
                if line.split():
                    found[Path(line.split()[0]).stem] = split_word(word) or ""
    return found


def _scan_nwpu(root: Path) -> Listing:
    index = Index.of(root)
    there = pictures_below(root / "images")
    splits = _nwpu_splits(root)
    if not (root / "jsons").is_dir():
        return _scan_lists(root, "*gt_loc*.txt", "NWPU-Crowd")
    labels = {path.stem: f"jsons/{path.name}" for path in sorted((root / "jsons").glob("*.json"))}
    pictures = []
    for stem in sorted(set(labels) | set(there)):
        split = splits.get(stem)
        if stem not in labels and split == "test":
            continue  # NWPU keeps the labels of its test split to itself
        file = f"images/{there.get(stem, stem + '.jpg')}"
        own = labels.get(stem)
        pictures.append(index.picture(file, split or root.name, split=split, labels=own))
    return Listing(pictures, [], _load_nwpu(root), {"tool": "NWPU-Crowd"})


def _load_nwpu(root: Path) -> Load:
    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, picture in enumerate(wanted):
            place = Where(picture.labels, where.sequence, picture.frame)
            points, boxes = np.empty((0, 2)), np.empty((0, 4))
            if picture.labels is None:
                findings.add("labels-missing", place)
                faults[index] = "labels-missing"
            else:
                try:
                    points, boxes = _nwpu_json(root / picture.labels, picture.labels)
                except InputError as error:
                    findings.add("bad-frame-labels", place, detail=error.what)
                    faults[index] = "bad-frame-labels"
            columns: Columns = {"x": points[:, 0], "y": points[:, 1]}
            columns |= {f"captured_{n}": boxes[:, k] for k, n in enumerate(_CORNERS)}
            parts.append((index, columns))
        found = gathered(parts, ["x", "y", *(f"captured_{name}" for name in _CORNERS)])
        ledger.heads.came += len(found["x"])
        return HeadsRead(found, faults)

    return load


_CORNERS = ("x0", "y0", "x1", "y1")


def _nwpu_json(path: Path, name: str) -> tuple[Floats, Floats]:
    """Read points and boxes; no box where there isn't one a point."""
    try:
        document = schemas.parse_json(path.read_bytes(), name)
    except OSError as error:
        raise InputError(error.strerror or "it can't be read", where=Where(name)) from error
    if not isinstance(document, dict) or "points" not in document:
        raise InputError("there are no points", where=Where(name))
    points = _table(document["points"], 2, name)
    boxes = _table(document.get("boxes") or [], 4, name)
    if len(boxes) != len(points):
        boxes = np.full((len(points), 4), np.nan)
    return points, boxes


def _table(values: Any, width: int, name: str) -> Floats:  # noqa: ANN401 - JSON
    try:
        table = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"not lists of {width} numbers", where=Where(name)) from error
    if table.size == 0:
        return np.empty((0, width))
    if table.ndim != 2 or table.shape[1] != width:
        raise InputError(f"not lists of {width} numbers", where=Where(name))
    return table


def _scan_lists(root: Path, pattern: str, tool: str) -> Listing:
    """List the pictures of localisation lists: by number, or by the order of their names."""
    index = Index.of(root)
    pictures = []
    files = _lists(root, pattern)
    for path in files:
        split = split_word(path.stem)
        prefix, there = _pictures_of_list(root, path)
        in_order = sorted(there)
        for line, key, points, wrong in localisation_list(path, path.name):
            stem = key
            if tool == "FIDTM" and key.isdigit() and 0 < int(key) <= len(in_order):
                stem = in_order[int(key) - 1]
            file = f"{prefix}/{there.get(stem, f'{stem}.jpg')}"
            if tool == "FIDTM" and not there:
                word = path.stem.removesuffix("_gt")
                file = f"{word}/images/IMG_{stem.zfill(4)}.jpg"
            known = (line, points, wrong or None)
            pictures.append(index.picture(file, path.stem, split=split, key=known))
    about = {"tool": tool}
    return Listing(pictures, files, _load_lists(), about)


def _pictures_of_list(root: Path, path: Path) -> tuple[str, dict[str, str]]:
    """Find the pictures of a list: in a folder of its split, or in `images`."""
    word = path.name.split("_")[0]
    for folder in (root / word / "images", root / "images" / word, root / "images"):
        there = pictures_below(folder)
        if there:
            return folder.relative_to(root).as_posix(), there
    return "images", {}


def _recognise_fidtm(root: Path) -> str | None:
    lists = _lists(root, "*_gt.txt")
    return f"{lists[0].name} is there" if lists else None


def _scan_fidtm(root: Path) -> Listing:
    return _scan_lists(root, "*_gt.txt", "FIDTM")


def _jhu_folders(root: Path) -> list[Path]:
    return [
        folder
        for folder in [root, *sorted(path for path in root.iterdir() if path.is_dir())]
        if (folder / "gt").is_dir() and any((folder / "gt").glob("*.txt"))
    ]


def _recognise_jhu(root: Path) -> str | None:
    folders = _jhu_folders(root)
    return f"{(folders[0] / 'gt').relative_to(root).as_posix()}/ is there" if folders else None


def _scan_jhu(root: Path) -> Listing:
    index = Index.of(root)
    pictures = []
    for folder in _jhu_folders(root):
        home = folder.relative_to(root).as_posix()
        prefix = "" if home == "." else f"{home}/"
        split = split_word(root.name, folder.name)
        there = pictures_below(folder / "images")
        labels = {path.stem: f"{prefix}gt/{path.name}" for path in (folder / "gt").glob("*.txt")}
        for stem in sorted(set(labels) | set(there)):
            file = f"{prefix}images/{there.get(stem, stem + '.jpg')}"
            own = labels.get(stem)
            name = folder.name
            pictures.append(index.picture(file, name, split=split, labels=own))
    return Listing(pictures, [], _load_jhu(root), {"tool": "JHU-Crowd++"})


def _load_jhu(root: Path) -> Load:
    def load(
        wanted: Sequence[LabelledPicture], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        parts, faults = [], {}
        for index, picture in enumerate(wanted):
            place = Where(picture.labels, where.sequence, picture.frame)
            values = np.empty((0, 6))
            if picture.labels is None:
                findings.add("labels-missing", place)
                faults[index] = "labels-missing"
            else:
                try:
                    values = _jhu_rows(root / picture.labels)
                except (ValueError, OSError) as error:
                    findings.add("bad-frame-labels", place, detail=str(error))
                    faults[index] = "bad-frame-labels"
            x, y, width, height = values[:, :4].T
            columns = {
                "x": x,
                "y": y,
                "captured_x0": x - width / 2,
                "captured_y0": y - height / 2,
                "captured_x1": x + width / 2,
                "captured_y1": y + height / 2,
            }
            parts.append((index, columns))
        found = gathered(parts, ["x", "y", *(f"captured_{name}" for name in _CORNERS)])
        ledger.heads.came += len(found["x"])
        return HeadsRead(found, faults)

    return load


def _jhu_rows(path: Path) -> Floats:
    """Read `x y w h occlusion blur` a line.

    Raises:
        ValueError: a line is something else.
    """
    text = path.read_bytes().decode("utf-8-sig")
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 6:
            msg = f"line {number}: {len(words)} numbers instead of 6"
            raise ValueError(msg)
        try:
            rows.append([float(word) for word in words])
        except ValueError as error:
            msg = f"line {number}: {error}"
            raise ValueError(msg) from error
    return np.array(rows, np.float64).reshape(-1, 6)


NWPU_READER: Reader = reader_of(
    "nwpu", "NWPU-Crowd (jsons/, or *_gt_loc.txt)", _recognise_nwpu, _scan_nwpu
)
FIDTM_READER: Reader = reader_of("fidtm", "FIDTM (*_gt.txt)", _recognise_fidtm, _scan_fidtm)
JHU_READER: Reader = reader_of("jhu", "JHU-Crowd++ (gt/*.txt)", _recognise_jhu, _scan_jhu)

NWPU = Format(
    name="nwpu",
    title="NWPU-Crowd, .json a picture and lists for localisation",
    kind="points",
    origin="0-based, at the top-left corner of the top-left pixel; whole pixels in the lists",
    precision_px=0.01,
    holds=frozenset({"boxes", "points"}),
    layout=(
        "images/0001.jpg\n"
        "jsons/0001.json   img_id, human_num, points, boxes\n"
        "<train|val|test>.txt   numbers of the pictures\n"
        "<train|val|test>_gt_loc.txt   id n, then x y sigma_s sigma_l level a head\n"
        "frames.csv"
    ),
    notes=(
        "Pictures are numbered through all splits. In the lists numbers are whole: the "
        "pixel that holds the point, half the box's shorter side and half its diagonal, "
        "and NWPU's level of its area. Read too: NWPU's own lists without pictures; sizes "
        "are then guessed."
    ),
    checked_with="json, as NWPU's sample code",
    write=_write_nwpu,
    finish=_finish_nwpu,
    picture=_nwpu_picture,
    reader=NWPU_READER,
)

FIDTM = Format(
    name="fidtm",
    title="FIDTM, a list of points a split",
    kind="points",
    origin=_TEXT_ORIGIN,
    precision_px=1.0,
    holds=frozenset({"points"}),
    layout=(
        "<train|val|test>_gt.txt   id n, then x y 4 8 1 a head\n"
        "<train|val|test>/images/IMG_0001.jpg\n"
        "frames.csv"
    ),
    notes=(
        "Ids count the pictures of a split in the order of their names as text. Read too: "
        "FIDTM's own lists; points outside their picture are kept as absent heads."
    ),
    checked_with="its grammar, as FIDTM's evaluator",
    write=_write_fidtm,
    finish=_finish_fidtm,
    picture=_fidtm_picture,
    reader=FIDTM_READER,
)

JHU = Format(
    name="jhu",
    title="JHU-Crowd++, .txt a picture",
    kind="points",
    origin=_TEXT_ORIGIN,
    precision_px=1.5,
    holds=frozenset({"boxes"}),
    layout=(
        "<train|val|test>/images/0001.jpg\n"
        "<train|val|test>/gt/0001.txt   a line a head: x y w h occlusion blur\n"
        "<train|val|test>/image_labels.txt\n"
        "frames.csv"
    ),
    notes=(
        "Whole numbers: the pixel that holds the point, and the box around it. "
        "`occlusion` is 2 where a head is occluded, else 1; it isn't read, since JHU "
        "counts occluded heads. The fields of `image_labels.txt` follow the data set's "
        "description; no file of it was seen."
    ),
    checked_with="numpy, as IIM's loaders do",
    write=_write_jhu,
    finish=_finish_jhu,
    picture=_jhu_picture,
    reader=JHU_READER,
)
