"""Plain files that `datasets` reads by itself: images in folders, and a table beside them."""

from __future__ import annotations

from pathlib import Path

from gtahead.errors import InputError, Where
from gtahead.formats.base import ORIGIN, Batch, ExportFrame, Format, Summary
from gtahead.formats.hub_reading import columns_of, loader, row_image
from gtahead.formats.huggingface import hub_rows, write_groups
from gtahead.ingest.exports import split_word
from gtahead.ingest.labelled import Listing
from gtahead.ingest.labelled_reader import reader_of
from gtahead.tables import hub

TABLE = "metadata.parquet"


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


def _tables(root: Path) -> list[Path]:
    found = [path for path in sorted(root.glob(f"*/{TABLE}")) if path.is_file()]
    return found or [path for path in (root / TABLE,) if path.is_file()]


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
        split = split_word(path.parent.name)
        columns_of(path, file)
        for row, values in enumerate(hub.read_frames_of(path, file)):
            name = str(values.get("file_name") or "")
            position = f"{home}/{name}" if home != "." else name
            images.append(row_image(values, file, row, split, position))
    return Listing(images, tables, loader(root), {"tool": "image folder"})


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
