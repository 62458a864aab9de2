"""FIDTM's lists of points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gtahead.formats.base import SPLIT_WORDS, Batch, ExportFrame, Format
from gtahead.formats.chunks import join_each_split, write_chunk
from gtahead.formats.nwpu_lists import (
    LIST_ORIGIN,
    lists_in,
    localisation_lines,
    pixel_of,
    scan_lists,
)
from gtahead.ingest.labelled import Listing
from gtahead.ingest.labelled_reader import reader_of


def _image(split: str, frame: ExportFrame) -> str:
    return f"{SPLIT_WORDS[split]}/images/IMG_{frame.padded_number}{frame.extension}"


def _labels_file(split: str) -> str:
    return f"{SPLIT_WORDS[split]}_gt.txt"


def _write(batch: Batch) -> None:
    count = len(batch.heads)
    constants = [np.full(count, value, np.int64) for value in (4, 8, 1)]
    numbers = [frame.number for frame in batch.frames]
    lines = localisation_lines(batch, numbers, [*pixel_of(batch), *constants])
    write_chunk(batch, _labels_file(batch.split), lines)


def _recognise(root: Path) -> str | None:
    lists = lists_in(root, "*_gt.txt")
    return f"{lists[0].name} is there" if lists else None


def _scan(root: Path) -> Listing:
    return scan_lists(root, "*_gt.txt", "FIDTM")


FIDTM = Format(
    name="fidtm",
    title="FIDTM, a list of points per split",
    kind="points",
    origin=LIST_ORIGIN,
    precision_px=1.0,
    supports=frozenset({"points"}),
    layout=(
        "<train|val|test>_gt.txt   id n, then x y 4 8 1 per head\n"
        "<train|val|test>/images/IMG_0001.jpg\n"
        "frames.csv"
    ),
    notes=(
        "Ids count the images of a split in the order of their names as text. Read too: "
        "FIDTM's own lists; points outside their image are kept as absent heads."
    ),
    checked_with="numpy; not FIDTM's own code",
    write=_write,
    finish=join_each_split(_labels_file),
    image=_image,
    reader=reader_of("fidtm", "FIDTM (*_gt.txt)", _recognise, _scan, origin="photographs"),
)
