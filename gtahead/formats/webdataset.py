"""Tar shards as `webdataset` streams them: an image and a JSON under one key."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import schemas
from gtahead.arrays import Columns
from gtahead.dataset import require_image
from gtahead.errors import InputError, Where
from gtahead.findings import Findings, Ledger
from gtahead.formats.base import ORIGIN, SPLIT_WORDS, Batch, ExportFrame, Format
from gtahead.formats.hub_reading import classes_in, columns_in_json, only_heads, together_from
from gtahead.formats.text import RowFormat, fixed, point_cents, slices_of
from gtahead.images.reading import IMAGE_SUFFIXES, ImageError
from gtahead.ingest.classes import Classes
from gtahead.ingest.exports import about_of, sequence_of, splits_of_lists, with_splits
from gtahead.ingest.labelled import HeadsRead, LabelledImage, Listing
from gtahead.ingest.labelled_reader import reader_of
from gtahead.ingest.model import CapturedFrame

_LISTS = {
    "bbox": RowFormat("[", 2, ",", 2, ",", 2, ",", 2, "],"),
    "point": RowFormat("[", 2, ",", 2, "],"),
    "id": RowFormat(0, ","),
    "track_id": RowFormat(0, ","),
    "occluded": RowFormat(0, ","),
    "visibility": RowFormat(4, ","),
}


def _key(frame: ExportFrame) -> str:
    """Name a sample by its number: keys end at the first dot, and names may hold several."""
    return f"{frame.row + 1:08d}"


def _heads_json(batch: Batch) -> list[bytes]:
    """Write each frame's heads as an object of lists; -1 stands for unknown."""
    heads = batch.heads
    corners = fixed(heads.boxes_xyxy, 2)
    sides = corners[:, 2:] - corners[:, :2]
    shares = fixed(np.where(np.isnan(heads.visibility), -1.0, heads.visibility), 4)
    columns = {
        "bbox": [corners[:, 0], corners[:, 1], *sides.T],
        "point": point_cents(batch),
        "id": [heads.ids],
        "track_id": [heads.head_ids],
        "occluded": [heads.occluded.astype(np.int64)],
        "visibility": [shares],
    }
    lists = []
    for name, values in columns.items():
        text, starts = _LISTS[name].render(values)
        lists.append(
            [
                b'"%b":[%b]' % (name.encode(), row[:-1])
                for row in slices_of(text, starts, batch.by_frame)
            ]
        )
    return [b"{%b}" % b",".join(parts) for parts in zip(*lists, strict=True)]


def shard_file(split: str, number: int) -> str:
    """Name a shard."""
    return f"{SPLIT_WORDS[split]}-{number:06d}.tar"


def _write(batch: Batch) -> None:
    batch = batch.boxed()
    counted = _heads_json(batch.where(~batch.heads.ignored))
    ignored = _heads_json(batch.where(batch.heads.ignored))
    path = batch.path(shard_file(batch.split, batch.shard[0]))
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for frame, own, others in zip(batch.frames, counted, ignored, strict=True):
            about = {
                "frame_id": frame.frame_id,
                "sequence": frame.sequence,
                "frame": frame.frame,
                "file_name": frame.nested_name,
                "width": frame.size_wh[0],
                "height": frame.size_wh[1],
                "num_heads": int(frame.about["num_heads"]),
                **frame.conditions,
            }
            text = orjson.dumps(about)[:-1] + b',"objects":%b,"ignored":%b}\n' % (own, others)
            if frame.image is not None:
                require_image(frame.image)
                data = frame.image.read_bytes()
                _add(archive, f"{_key(frame)}{frame.extension}", data)
            _add(archive, f"{_key(frame)}.json", text)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Append a member without a date, user or machine."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(data))


def _shards(root: Path) -> list[Path]:
    """Find the tars, if one has samples; all count, so that a damaged one is told of."""
    found = sorted(root.glob("*.tar"))
    return found if any(map(_has_samples, found)) else []


LOOKED_AT = 50
"""Members of a tar that are looked at to see whether it's a shard."""


def _has_samples(path: Path) -> bool:
    """Return whether a tar begins with samples; of a damaged one, its name tells."""
    try:
        with tarfile.open(path, "r:") as archive:
            return any(member.name.endswith(".json") for member in islice(archive, LOOKED_AT))
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return splits_of_lists([path.name])[0] is not None


def _recognise(root: Path) -> str | None:
    shards = _shards(root)
    return f"{shards[0].name} is there" if shards else None


@lru_cache(maxsize=64)
def _members(path: Path, size: int, time: int) -> list[tuple[str, int, int]]:
    """Return name, offset and size of a tar's files.

    Raises:
        InputError: not a tar, or cut short.
    """
    del time
    try:
        with tarfile.open(path, "r:") as archive:
            found = [(m.name, m.offset_data, m.size) for m in archive if m.isfile()]
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _bad_shard(path, str(error)) from error
    if found and found[-1][1] + found[-1][2] > size:
        raise _bad_shard(path, "it ends within a file")
    return found


def _bad_shard(path: Path, what: str) -> InputError:
    remedy = "copy or export it again"
    return InputError("the tar can't be read", where=Where(path.name), value=what, remedy=remedy)


def _members_of(path: Path) -> list[tuple[str, int, int]]:
    reported = path.stat()
    return _members(path, reported.st_size, reported.st_mtime_ns)


def _scan(root: Path) -> Listing:
    images = []
    shards = _shards(root)
    for path, split in with_splits(shards, root):
        members = _members_of(path)
        keys = {
            _key_of(name): number
            for number, (name, _, _) in enumerate(members)
            if Path(name).suffix.lower() in IMAGE_SUFFIXES
        }
        reported = {_key_of(name) for name, _, _ in members if name.endswith(".json")}
        for key in sorted(set(keys) - reported):
            sequence, frame = _names(key, path)
            images.append(LabelledImage(sequence, frame, split, path.name, row=keys[key]))
        with path.open("rb") as file:
            for name, position, size in members:
                if not name.endswith(".json"):
                    continue
                file.seek(position)
                where = f"{path.name} > {name}"
                document = schemas.parse_json(file.read(size), where)
                key = _key_of(name)
                images.append(_listed(document, path, where, key, keys.get(key), split))
    classes = classes_in(lambda: map(_kinds, images), [], shards[0].name)

    def load(
        wanted: Sequence[LabelledImage], findings: Findings, ledger: Ledger, where: Where
    ) -> HeadsRead:
        return _load(wanted, classes, findings, ledger, where)

    return Listing(images, shards, load, {"tool": "webdataset"}, classes)


def _kinds(image: LabelledImage) -> Columns:
    """Return the columns of an image's objects; none where they can't be read, as is said later."""
    try:
        return {} if image.key is None else columns_in_json(image.key[1])
    except ValueError:
        return {}


def _key_of(member: str) -> str:
    """Return a sample's key as webdataset does: the path up to the first dot of the name."""
    folder, _, name = posixpath.normpath(member).rpartition("/")
    return posixpath.join(folder, name.partition(".")[0])


def _names(key: str, path: Path) -> tuple[str, str]:
    """Name the sequence and the frame of a sample by the folder that it is in within the shard."""
    folder, _, name = key.rpartition("/")
    return sequence_of(folder, path.stem), name


def _listed(
    document: Any,  # noqa: ANN401 - JSON
    path: Path,
    where: str,
    key: str,
    row: int | None,
    split: str | None,
) -> LabelledImage:
    """Return the image of one sample.

    Raises:
        InputError: it isn't a frame with heads.
    """
    whole = isinstance(document, dict) and isinstance(document.get("objects"), dict | list)
    size = (document.get("width"), document.get("height")) if whole else (None, None)
    if not whole or not all(isinstance(side, int) and side > 0 for side in size):
        remedy = "a sample's JSON has width, height and objects"
        raise InputError("not a frame with heads", where=Where(where), remedy=remedy)
    sequence, frame = _names(key, path)
    return LabelledImage(
        sequence=str(document.get("sequence") or sequence),
        frame=str(document.get("frame") or frame),
        split=split,
        file=path.name if row is not None else None,
        size_wh=size,  # type: ignore[arg-type]
        key=(where, document["objects"], document.get("ignored") or {}),
        about=about_of(document),
        row=row,
    )


def _load(
    wanted: Sequence[LabelledImage],
    classes: Classes,
    findings: Findings,
    ledger: Ledger,
    where: Where,
) -> HeadsRead:
    parts, faults = [], {}
    for index, image in enumerate(wanted):
        if image.key is None:
            findings.add("labels-missing", Where(image.file, where.sequence, image.frame))
            faults[index] = "labels-missing"
            continue
        file, objects, ignored = image.key
        location = Where(file, where.sequence, image.frame)
        try:
            both = [columns_in_json(objects), columns_in_json(ignored)]
        except ValueError as error:
            findings.add("bad-frame-labels", location, detail=str(error))
            faults[index] = "bad-frame-labels"
            continue
        for columns, flag in zip(both, (False, True), strict=True):
            parts.append((only_heads(columns, classes, findings, location), index, flag))
    together = together_from(parts)
    ledger.heads.came += len(together["x"])
    return HeadsRead(together, faults)


def _unpack(root: Path, frame: CapturedFrame) -> bytes:
    assert frame.file is not None
    assert frame.row is not None
    try:
        _, position, size = _members_of(root / frame.file)[frame.row]
        with (root / frame.file).open("rb") as file:
            file.seek(position)
            return file.read(size)
    except (OSError, InputError, IndexError) as error:
        raise ImageError("image-unreadable", str(error)) from error


WEBDATASET = Format(
    name="webdataset",
    title="webdataset, tar shards of images and JSON",
    kind="datasets",
    origin=ORIGIN,
    precision_px=0.01,
    supports=frozenset({"boxes", "points", "ids", "ignored", "occluded", "visibility"}),
    layout=("<train|val|test>-000000.tar   00000001.jpg, 00000001.json, ..."),
    notes=(
        "Keys are the frames' numbers; the JSON has `frame_id`, size, what is known of "
        "the frame, `objects` and `ignored` as lists; -1 stands for unknown. Shards have "
        "at most 500 MB of images."
    ),
    checked_with="webdataset",
    write=_write,
    embeds_images=True,
    shards=True,
    index=False,
    boxed=True,
    reader=reader_of("webdataset", "webdataset (<split>-*.tar)", _recognise, _scan, _unpack),
)
