"""The hub's own layout: Parquet shards with images inside, and a card that says what they hold.

`datasets.load_dataset(FOLDER)` reads it, plain and streaming; so does the hub's viewer. A second
configuration, `annotations`, has the labels alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gtahead.arrays import Columns, Ints
from gtahead.dataset import density_level, require_image
from gtahead.formats.base import CONDITIONS, ORIGIN, Batch, ExportFrame, Format, Summary
from gtahead.formats.hub_reading import recognise_shards, scan_shards, unpack
from gtahead.ingest.exports import TRIPLES
from gtahead.ingest.labelled_reader import reader_of
from gtahead.origins import RENDERED, in_words, origins_of, sentences
from gtahead.tables.hub import GROUP_ROWS, HubWriter, ImageGroup, features


def shard_file(folder: str, split: str, shard: tuple[int, int]) -> str:
    """Name a shard as the hub does."""
    return f"{folder}/{split}-{shard[0]:05d}-of-{shard[1]:05d}.parquet"


def frame_columns(frames: Sequence[ExportFrame]) -> dict[str, list[Any]]:
    """Return the frames' columns of a hub table."""
    rows = []
    for frame in frames:
        known = frame.conditions
        heads = int(frame.about["num_heads"])
        rows.append(
            {
                "image_id": frame.row + 1,
                "file_name": frame.nested_name,
                "sequence": frame.sequence,
                "frame": frame.frame,
                "width": frame.size_wh[0],
                "height": frame.size_wh[1],
                "num_heads": heads,
                "density_level": density_level(heads),
                **{name: known.get(name) for name in _OPTIONAL},
            }
        )
    names = rows[0] if rows else ()
    return {name: [row[name] for row in rows] for name in names}


_OPTIONAL = (*CONDITIONS, *TRIPLES)


def head_columns(batch: Batch) -> Columns:
    """Return the heads' columns of a hub table."""
    heads = batch.heads
    boxes = heads.boxes_xyxy
    limits = batch.sizes_wh[batch.frame_of_heads]
    inside = (heads.points_xy >= 0) & (heads.points_xy < limits)
    last = np.nextafter(limits.astype(np.float32), np.float32(0))  # what's in the image stays so
    points = heads.points_xy.astype(np.float32)
    return {
        "id": heads.ids,
        "bbox": np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1),
        "area": np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        "point": np.where(inside, np.minimum(points, last), points),
        "category": np.zeros(len(heads), np.int64),
        "occluded": heads.occluded,
        "visibility": heads.visibility,
        "track_id": heads.head_ids,
    }


def _groups(batch: Batch, held: ImageGroup | None) -> Iterator[tuple[int, int]]:
    """Cut a shard into row groups: index of the first frame, and of the one after the last.

    Args:
        batch: the shard.
        held: filled with the images of each group; None where they aren't wanted.
    """
    first = 0
    for index, frame in enumerate(batch.frames):
        if not (index - first < GROUP_ROWS if held is None else _added(held, frame)):
            yield first, index
            first = index
            if held is not None:
                held.clear()
                _added(held, frame)
    if first < len(batch.frames):
        yield first, len(batch.frames)


def _added(held: ImageGroup, frame: ExportFrame) -> bool:
    if frame.image is not None:
        require_image(frame.image)
    return held.add(frame.image)


@dataclass
class HubRows:
    """A batch as a hub table has it.

    Attributes:
        frames: columns of (F,).
        heads: `objects` and `ignored`, each columns of (N,).
        bounds: of both, (F + 1,).
    """

    frames: dict[str, list[Any]]
    heads: dict[str, Columns]
    bounds: dict[str, Ints]


def hub_rows(batch: Batch) -> HubRows:
    """Turn a batch into rows of a hub table."""
    parts = {
        "objects": batch.where(~batch.heads.ignored),
        "ignored": batch.where(batch.heads.ignored),
    }
    return HubRows(
        frame_columns(batch.frames),
        {name: head_columns(part) for name, part in parts.items()},
        {name: part.by_frame.offsets for name, part in parts.items()},
    )


def write_groups(path: Path, batch: Batch, rows: HubRows, *, images: bool) -> None:
    """Write a table, a row group at a time."""
    writer = HubWriter(path, images=images)
    held = ImageGroup() if images else None
    try:
        for first, last in _groups(batch, held):
            bounds = {name: edges[first : last + 1] for name, edges in rows.bounds.items()}
            heads = {
                name: {
                    key: values[bounds[name][0] : bounds[name][-1]]
                    for key, values in columns.items()
                }
                for name, columns in rows.heads.items()
            }
            writer.write(
                {name: values[first:last] for name, values in rows.frames.items()},
                heads,
                {name: edges - edges[0] for name, edges in bounds.items()},
                held,
            )
    finally:
        writer.close()


def _write(batch: Batch) -> None:
    batch = batch.boxed()
    rows = hub_rows(batch)
    labels = batch.path(shard_file("annotations", batch.split, batch.shard))
    write_groups(labels, batch, rows, images=False)
    if batch.options.images != "none":
        path = batch.path(shard_file("data", batch.split, batch.shard))
        write_groups(path, batch, rows, images=True)


def size_category(frames: int) -> str:
    """Return the hub's size category for a dataset with so many frames."""
    sizes = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))
    return next((name for most, name in sizes if frames < most), "1M<n<10M")


def configurations(splits: Sequence[str], *, images: bool) -> dict[str, Any]:
    """Return what `load_dataset` needs to know: the configurations and their features.

    Args:
        splits: those that have frames.
        images: whether there are shards with images beside those of labels.
    """
    folders = {"default": "data"} if images else {}
    folders["annotations"] = "annotations"
    configs: list[dict[str, Any]] = []
    infos: list[dict[str, Any]] = []
    for name, folder in folders.items():
        first = {} if configs else {"default": True}
        files = [{"split": split, "path": f"{folder}/{split}-*.parquet"} for split in splits]
        configs.append({"config_name": name, **first, "data_files": files})
        columns = features(images=folder == "data")
        infos.append({"config_name": name, "features": columns})
    return {"configs": configs, "dataset_info": infos}


def yaml_text(document: dict[str, Any]) -> str:
    """Return a card's header as YAML: small values on one line, keys in the order given."""
    text: str = yaml.safe_dump(
        document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=200
    )
    return text


def card(summary: Summary) -> str:
    """Write the card: what `load_dataset` needs to know, and what a reader should."""
    splits = list(summary.splits)
    document = summary.manifest
    origins = origins_of(document)
    rendered = RENDERED.issuperset(origins)
    header = {
        **({"annotations_creators": ["machine-generated"]} if rendered else {}),
        "size_categories": [size_category(sum(summary.splits.values()))],
        "task_categories": ["object-detection"],
        "tags": [*["synthetic"] * rendered, "crowd-counting", "head-detection", "gtahead"],
        **configurations(splits, images=summary.options.images != "none"),
    }
    body = _BODY.format(
        images=in_words(origins),
        people=" ".join(sentences(origins, "people")),
        policy=document["policy"],
        fingerprint=document["fingerprint"],
        split=splits[0],
        counts="\n".join(f"| {split} | {number:,} |" for split, number in summary.splits.items()),
    )
    return f"---\n{yaml_text(header)}---\n\n{body}"


_BODY = """\
# Heads in crowds

Frames {images}. {people}

Exported by gtahead from the dataset `{fingerprint}`; count policy `{policy}`.

```python
from datasets import load_dataset

frames = load_dataset(".", split="{split}")
```

`objects` are the heads that count: `bbox` is x, y, width, height, `area` is the box's and `point`
is x, y, in pixels from the top-left corner of the image; `category` 0 is `head`. `ignored` are
heads that scores leave out. A frame without heads has empty lists.

| split | frames |
|---|---|
{counts}
"""


def _finish(summary: Summary) -> None:
    (summary.folder / "README.md").write_text(card(summary), encoding="utf-8", newline="")


HUGGINGFACE = Format(
    name="huggingface",
    title="Hugging Face hub, Parquet shards with images",
    kind="datasets",
    origin=ORIGIN,
    precision_px=0.001,
    supports=frozenset({"boxes", "points", "ids", "ignored", "occluded", "visibility"}),
    layout=(
        "README.md   the card: configurations, features\n"
        "data/<split>-00000-of-00001.parquet   with images\n"
        "annotations/<split>-00000-of-00001.parquet   labels alone"
    ),
    notes=(
        "`datasets.load_dataset(FOLDER)`, plain and streaming; `load_dataset(FOLDER, "
        '"annotations")` for labels alone. `objects` are the heads that count, `ignored` '
        "the others. Shards have at most 500 MB of images, row groups at most 100 rows "
        "and 64 MB. Images keep their bytes."
    ),
    checked_with="datasets 3.6 and 5",
    write=_write,
    finish=_finish,
    embeds_images=True,
    shards=True,
    index=False,
    boxed=True,
    reader=reader_of(
        "huggingface",
        "Hugging Face hub (data/<split>-*.parquet)",
        recognise_shards,
        scan_shards,
        unpack,
    ),
)
