"""HeadHunter's lists: a line that names an image, then a line per head."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from gtahead.arrays import Columns
from gtahead.errors import Where
from gtahead.findings import Findings
from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, Format, nested_image
from gtahead.formats.box_files import box_columns, corner_cents, rows_of_numbers
from gtahead.formats.chunks import join_each_split, write_chunk
from gtahead.formats.text import RowFormat, slices_of
from gtahead.images.reading import IMAGE_SUFFIXES
from gtahead.ingest.exports import Index, listing_text, sequence_of, with_splits
from gtahead.ingest.labelled import LabelledImage, Listing, load_each
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.names import is_safe_name
from gtahead.tables.canonical import CAPTURED


def _labels_file(split: str) -> str:
    return f"{SPLIT_WORDS[split]}.txt"


_ROW = RowFormat(2, ", ", 2, ", ", 2, ", ", 2, "\n")


def _write(batch: Batch) -> None:
    batch = batch.boxed()
    corners = corner_cents(batch)
    text, starts = _ROW.render([corners[:, k] for k in range(4)])
    lines = [
        f"# {nested_image(batch.split, frame)}\n".encode() + rows
        for frame, rows in zip(batch.frames, slices_of(text, starts, batch.by_frame), strict=True)
    ]
    write_chunk(batch, _labels_file(batch.split), lines)


def _files(root: Path) -> list[Path]:
    found = []
    for path in sorted(root.glob("*.txt")):
        with path.open("rb") as file:
            line = file.readline(4096).removeprefix(b"\xef\xbb\xbf").strip()
        suffix = Path(line.decode(errors="replace").strip()).suffix.lower()
        if line.startswith(b"#") and suffix in IMAGE_SUFFIXES:
            found.append(path)
    return found


def _recognise(root: Path) -> str | None:
    files = _files(root)
    return f"{files[0].name} lists images after #" if files else None


def _scan(root: Path) -> Listing:
    index = Index.of(root)
    files = _files(root)
    images = []
    for path, split in with_splits(files, root):
        lines = listing_text(path, root).splitlines()
        starts = [number for number, line in enumerate(lines) if line.lstrip().startswith("#")]
        for first, last in zip(starts, [*starts[1:], len(lines)], strict=True):
            file = lines[first].lstrip()[1:].strip().replace("\\", "/").lstrip("/")
            beside = is_safe_name(file) and (root / file).is_file()
            if is_safe_name(file) and not beside and (root / "images" / file).is_file():
                file = f"images/{file}"
            folder = str(PurePosixPath(file).parent).removeprefix("images").lstrip("/")
            name = sequence_of(folder, split or path.stem)
            key = (first + 1, lines[first + 1 : last])
            images.append(index.image(file, name, split=split, key=key))

    def read(image: LabelledImage, findings: Findings, location: Where) -> Columns:
        del findings, location
        line, rows = image.key
        try:
            return box_columns(rows_of_numbers(rows, (4, 5), ","))
        except ValueError as error:
            raise ValueError(f"after line {line}: {error}") from error

    load = load_each(read, CAPTURED)
    return Listing(images, files, load, {"tool": "HeadHunter"})


HEADHUNTER = Format(
    name="headhunter",
    title="HeadHunter, a list of boxes per split",
    kind="boxes",
    origin=ORIGIN,
    precision_px=0.01,
    supports=frozenset({"boxes"}),
    layout=(
        '<train|val|test>.txt   "# image", then a line per head: x1, y1, x2, y2\n'
        "images/<sequence>/<frame>.jpg\n"
        "frames.csv"
    ),
    notes=("A frame without heads is its `#` line alone."),
    checked_with="numpy; not HeadHunter's own code",
    write=_write,
    finish=join_each_split(_labels_file),
    image=nested_image,
    boxed=True,
    reader=reader_of(
        "headhunter", "HeadHunter (*.txt with # lines)", _recognise, _scan, origin="photographs"
    ),
)
