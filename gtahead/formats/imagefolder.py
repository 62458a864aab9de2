"""Plain files that `datasets` reads by itself: images in folders, and a table beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gtahead.errors import InputError, Where
from gtahead.formats.base import ORIGIN, Batch, ExportFrame, Format, Summary
from gtahead.formats.hub_reading import TABLE, columns_of, listing_of, read_lines, row_image
from gtahead.formats.huggingface import hub_rows, write_groups
from gtahead.ingest.exports import split_by_folder
from gtahead.ingest.labelled import Listing
from gtahead.ingest.labelled_reader import reader_of
from gtahead.tables import hub


def _image(split: str, frame: ExportFrame) -> str:
    return f"{split}/images/{frame.nested_name}"


def _write(batch: Batch) -> None:
    batch = batch.boxed()
    path = batch.chunk_path(f"{batch.split}/{TABLE}")
    rows = hub_rows(batch)
    rows.frames["file_name"] = [f"images/{name}" for name in rows.frames["file_name"]]
    write_groups(path, batch, rows, images=False)


def _finish(summary: Summary) -> None:
    for split in summary.splits:
        file = f"{split}/{TABLE}"
        (summary.folder / split).mkdir(exist_ok=True)
        hub.concatenate(summary.chunks(file), summary.folder / file)


TABLES = (TABLE, "metadata.jsonl")
"""What `datasets` reads beside images; of both, the first is taken."""


def _tables(root: Path) -> list[Path]:
    found = [path for name in TABLES for path in sorted(root.glob(f"*/{name}"))]
    found += [root / name for name in TABLES]
    tables: dict[Path, Path] = {}
    for path in found:
        if path.is_file() and (path.suffix == ".parquet" or b'"objects"' in _first_line(path)):
            tables.setdefault(path.parent, path)
    return list(tables.values())


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.readline(2**20)


def _recognise(root: Path) -> str | None:
    tables = _tables(root)
    return f"{tables[0].relative_to(root).as_posix()} is there" if tables else None


def _scan(root: Path) -> Listing:
    images = []
    tables = _tables(root)
    if not tables:
        raise InputError(
            f"no {TABLE} is there",
            where=Where(str(root)),
            remedy="it stands in the folder of each split",
        )
    for path in tables:
        file = path.relative_to(root).as_posix()
        home = path.parent.relative_to(root).as_posix()
        split, _ = split_by_folder(path.parent.relative_to(root))
        if path.suffix == ".jsonl":
            rows = read_lines(path, file)
        else:
            columns_of(path, file)
            rows = hub.read_frames_of(path, file)
        for row, values in enumerate(rows):
            name = str(values.get("file_name") or "")
            position = f"{home}/{name}" if home != "." else name
            image = row_image(values, file, row, split, position)
            if "sequence" not in values and "/" not in name:
                image = replace(image, sequence=split or root.name)
            images.append(image)
    return listing_of(images, tables, root, {"tool": "image folder"})


IMAGEFOLDER = Format(
    name="imagefolder",
    title="image folder of datasets, metadata.parquet per split",
    kind="datasets",
    origin=ORIGIN,
    precision_px=0.001,
    supports=frozenset({"boxes", "points", "ids", "ignored", "occluded", "visibility"}),
    layout=("<split>/metadata.parquet\n<split>/images/<sequence>/<frame>.jpg"),
    notes=("`datasets.load_dataset(FOLDER)` without a card; the same columns as `huggingface`."),
    checked_with="datasets",
    write=_write,
    finish=_finish,
    image=_image,
    index=False,
    boxed=True,
    reader=reader_of("imagefolder", f"image folder ({TABLE})", _recognise, _scan),
)
