"""Heads from shards, one after the other: nothing is unpacked, and nothing but the shards read."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import IterableDataset, get_worker_info

from gtahead.arrays import Floats
from gtahead.errors import InputError, UsageError, Where, first_line, require
from gtahead.images.reading import ImageError, decode_rgb
from gtahead.tables.splits import split_named
from gtahead.torch.datasets import Sample, Transforms, finished, image_of, target_of
from gtahead.values import StrPath

HUB = "hf://"
TAR_SUFFIX = ".tar"
CARD = "README.md"


class HeadStream(IterableDataset[Sample]):
    """Images with their heads, as `HeadDataset` gives them, from a release or from tar shards.

    Boxes are rounded as shards have them, to 0.01 px, and `image_id` is the number in the release
    or export.

    Workers of a DataLoader share the shards, or the rows where there are fewer shards than workers.
    Shuffle with a buffer of your own, such as `torch.utils.data.datapipes` has: a stream has no
    order but its own.

    Args:
        source: `hf://OWNER/NAME` or the folder of a staged release, which `datasets` reads; or an
            export as webdataset: its folder, or some of its tar shards.
        split: train, validation or test.
        transforms: as of `HeadDataset`.

    Raises:
        UsageError: no such split.
        InputError: there is nothing of that kind.

    Example:
        >>> stream = HeadStream("hf://owner/crowds", "train")  # doctest: +SKIP
        >>> image, target = next(iter(stream))  # doctest: +SKIP
    """

    def __init__(
        self,
        source: StrPath | Sequence[StrPath],
        split: str = "train",
        transforms: Transforms | None = None,
    ) -> None:
        self.split, self.transforms = split_named(split), transforms
        self.source = source
        self.shards: list[Path] = []
        if not isinstance(source, str) or not source.startswith(HUB):
            self.shards = _tars(source, self.split)
        if not self.shards:
            if isinstance(source, list | tuple):
                raise UsageError("no tar shards are given", value=str(source))
            if not str(source).startswith(HUB) and not (Path(str(source)) / CARD).is_file():
                raise InputError(
                    "neither a release nor an export as webdataset",
                    where=Where(str(source)),
                    remedy="HeadDataset reads datasets; `gtahead publish stage` makes releases",
                )
            require("datasets", install="'gtahead[hub]'")

    def __repr__(self) -> str:
        return f"HeadStream({str(self.source)!r}, split={self.split!r})"

    def __iter__(self) -> Iterator[Sample]:
        """Yield image and target of each image.

        Raises:
            InputError: a shard is damaged, or an image can't be read.
        """
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        if len(self.shards) >= workers:
            rows: Iterable[_Row] = _rows_of_tars(self.shards[worker::workers])
        else:
            every = _rows_of_tars(self.shards) if self.shards else _rows_of_hub(self)
            rows = islice(every, worker, None, workers)
        for row in rows:
            image, target = _sample(row)
            if self.transforms is not None:
                image, target = self.transforms(image, target)
            yield finished(image, target)


class _Row(NamedTuple):
    """An image as a shard has it: a name for messages, its bytes, and what is known of it."""

    name: str
    data: bytes | None
    about: Mapping[str, Any]


def _tars(source: StrPath | Sequence[StrPath], split: str) -> list[Path]:
    """Return the tar shards of a split; none where the source is something else."""
    if isinstance(source, list | tuple):
        return [Path(one) for one in source]
    folder = Path(source)  # type: ignore[arg-type]
    if folder.suffix == TAR_SUFFIX:
        return [folder]
    if not folder.is_dir():
        raise InputError("there is no such release or export", where=Where(str(folder)))
    found = sorted(folder.glob(f"*{TAR_SUFFIX}"))
    word = {"validation": "val"}.get(split, split)
    mine = [one for one in found if one.name.startswith(f"{word}-")]
    if found and not mine:
        raise UsageError("there are no shards of this split", value=split)
    return mine


def _rows_of_tars(shards: Sequence[Path]) -> Iterator[_Row]:
    """Yield samples: the members of a key lie together, as `webdataset` wants them."""
    for path in shards:
        try:
            with tarfile.open(path, "r|*") as archive:
                key, parts = "", dict[str, bytes]()
                for member in archive:
                    stem, _, ending = member.name.partition(".")
                    if stem != key and parts:
                        yield _row(path, key, parts)
                        parts = {}
                    file = archive.extractfile(member)
                    if file is not None:
                        key, parts[ending.lower()] = stem, file.read()
                if parts:
                    yield _row(path, key, parts)
        except (tarfile.TarError, OSError, EOFError, ValueError) as error:
            remedy = "get or write the shard again"
            raise InputError(
                "the shard can't be read", where=Where(str(path)), value=str(error), remedy=remedy
            ) from error


def _row(path: Path, key: str, parts: Mapping[str, bytes]) -> _Row:
    about = json.loads(parts.get("json", b"null"))
    if not isinstance(about, dict):
        raise InputError("a sample has no JSON", where=Where(str(path), frame=key))
    image = next((data for ending, data in parts.items() if ending != "json"), None)
    return _Row(f"{path.name} > {key}", image, {"image_id": int(key), **about})


def _rows_of_hub(stream: HeadStream) -> Iterator[_Row]:
    import datasets

    name = str(stream.source).removeprefix(HUB)
    try:
        rows = datasets.load_dataset(name, split=stream.split, streaming=True)
    except (ValueError, OSError) as error:
        remedy = "`gtahead publish check` says what is wrong with a release"
        raise InputError(
            "`datasets` can't load the release or its split",
            where=Where(name, field=stream.split),
            value=first_line(error),
            remedy=remedy,
        ) from error
    if "objects" not in (rows.features or {}):
        raise InputError("not a release of gtahead's", where=Where(name))
    if "image" in (rows.features or {}):
        rows = rows.cast_column("image", datasets.Image(decode=False))
    with closing(iter(rows)) as listed:
        for row in listed:
            data = (row.get("image") or {}).get("bytes")
            yield _Row(row["file_name"], data, row)


def _sample(row: _Row) -> Sample:
    if row.data is None:
        remedy = "take a release or an export with images"
        raise InputError("the sample has no image", where=Where(frame=row.name), remedy=remedy)
    try:
        pixels = decode_rgb(row.data)
    except ImageError as error:
        raise InputError(
            "the image can't be read", where=Where(frame=row.name), value=error.detail or error.code
        ) from error
    heads, ignored = row.about["objects"], row.about["ignored"]
    size_wh = (pixels.shape[1], pixels.shape[0])
    points = np.asarray(heads["point"], np.float64).reshape(-1, 2)
    target = target_of(
        _corners(heads), points, _corners(ignored), size_wh, int(row.about["image_id"]), row.name
    )
    return image_of(pixels), target


def _corners(heads: Mapping[str, Any]) -> Floats:
    boxes = np.array(
        [[np.nan] * 4 if box is None else box for box in heads["bbox"]], np.float64
    ).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes
