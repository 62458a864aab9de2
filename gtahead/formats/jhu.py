"""JHU-Crowd++: a text file a picture, whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gtahead.dataset.captured import Reader
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.coco import write_chunk
from gtahead.formats.format import SPLIT_WORDS, Batch, ExportFrame, Format, Summary
from gtahead.formats.joining import join, write_small
from gtahead.formats.localisation import CORNERS, LIST_ORIGIN, Load, pixel_of
from gtahead.formats.numbered import padded
from gtahead.formats.points import slices_of
from gtahead.formats.reading import (
    HeadsRead,
    Index,
    LabelledPicture,
    Listing,
    gathered,
    pictures_below,
    reader_of,
    split_word,
)
from gtahead.formats.textrows import RowFormat
from gtahead.geometry import Floats

_ROW = RowFormat(0, " ", 0, " ", 0, " ", 0, " ", 0, " 0\n")


def _picture(split: str, frame: ExportFrame) -> str:
    return f"{SPLIT_WORDS[split]}/images/{padded(frame)}{frame.extension}"


def _write(batch: Batch) -> None:
    boxes = batch.heads.boxes_xyxy
    known = np.asarray(np.isfinite(boxes).all(axis=1))
    batch.note("no-box-in-text", int((~known).sum()))
    sides = np.where(known[:, None], boxes[:, 2:] - boxes[:, :2], 1.0)
    whole = np.maximum(1, np.rint(sides)).astype(np.int64)
    occlusion = np.where(batch.heads.occluded == 1, 2, 1)
    columns = [*pixel_of(batch), whole[:, 0], whole[:, 1], occlusion]
    text, starts = _ROW.render(columns)
    word = SPLIT_WORDS[batch.split]
    folder = batch.path(word, "gt", "0").parent
    labels = []
    for frame, rows in zip(batch.frames, slices_of(text, starts, batch.bounds), strict=True):
        write_small(f"{folder}/{padded(frame)}.txt", rows)
        weather = frame.about["weather"] or "normal"
        count = rows.count(b"\n")
        labels.append(f"{padded(frame)},{count},crowd,{weather},0\n".encode())
    write_chunk(batch, f"{word}/image_labels.txt", labels)


def _finish(summary: Summary) -> None:
    for split in summary.splits:
        file = f"{SPLIT_WORDS[split]}/image_labels.txt"
        join(summary.folder / file, [summary.chunks(file)])


def _folders(root: Path) -> list[Path]:
    return [
        folder
        for folder in [root, *sorted(path for path in root.iterdir() if path.is_dir())]
        if (folder / "gt").is_dir() and any((folder / "gt").glob("*.txt"))
    ]


def _recognise(root: Path) -> str | None:
    folders = _folders(root)
    return f"{(folders[0] / 'gt').relative_to(root).as_posix()}/ is there" if folders else None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    pictures = []
    for folder in _folders(root):
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
                    values = _rows(root / picture.labels)
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
        found = gathered(parts, ["x", "y", *(f"captured_{name}" for name in CORNERS)])
        ledger.heads.came += len(found["x"])
        return HeadsRead(found, faults)

    return load


def _rows(path: Path) -> Floats:
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


JHU_READER: Reader = reader_of("jhu", "JHU-Crowd++ (gt/*.txt)", _recognise, _scan)

JHU = Format(
    name="jhu",
    title="JHU-Crowd++, .txt a picture",
    kind="points",
    origin=LIST_ORIGIN,
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
    write=_write,
    finish=_finish,
    picture=_picture,
    reader=JHU_READER,
)
