"""Fingerprints: hashes of a dataset's contents that don't depend on how files are written.

Hashed are decoded columns in canonical order, little-endian, one sequence at a time; a dataset's
fingerprint is the hash of its sequences' digests in sorted order. So they don't change with the
version of a Parquet writer, with the number of workers or with the order of work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Columns
from gtahead.tables.canonical import FRAMES_V1, HEADS_V1
from gtahead.tables.splits import SPLITS

KINDS = ("points", "labels", "images")

_POINT_FRAMES = ("frame_id", "width", "height", "num_heads", "num_ignored", "num_absent")
_POINT_HEADS = ("head_id", "x", "y", "status")
_NOT_LABELS = {"file", "source_file", "sha256", "difference_hash", "split", "sequence", "frame"}
_LABEL_FRAMES = tuple(
    name for name in FRAMES_V1.names if name not in _NOT_LABELS and name not in _POINT_FRAMES
)
_LABEL_HEADS = tuple(
    name
    for name in HEADS_V1.names
    if name not in (*_POINT_HEADS, "frame_id", "box_source", "in_frame")
)


def sequence_digests(frames: Mapping[str, Sequence[Any]], heads: Columns) -> dict[str, str]:
    """Hash one sequence.

    Args:
        frames: columns of `FRAMES_V1`, in the sequence's order.
        heads: columns as `tables.write_heads` takes them, sorted by frame, then head.

    Returns:
        For each of `KINDS` a sha256. `points`: frame ids, sizes, head ids, positions and count
        flags. `labels`: points, and everything else that is known of heads and frames.
        `images`: the frames' own hashes.
    """
    points = hashlib.sha256(b"gtahead points 1\n")
    for name in _POINT_FRAMES:
        _feed(points, name, frames[name])
    for name in _POINT_HEADS:
        _feed(points, name, heads[name])
    labels = hashlib.sha256(b"gtahead labels 1\n" + points.digest())
    for name in _LABEL_FRAMES:
        _feed(labels, name, frames[name])
    for name in _LABEL_HEADS:
        if name in heads:
            _feed(labels, name, heads[name])
    if "box_source" in heads:
        _feed(labels, "box_source_names", list(heads["box_source_names"]))
        _feed(labels, "box_source", heads["box_source"])
    digests = (points.hexdigest(), labels.hexdigest(), images_digest(frames))
    return dict(zip(KINDS, digests, strict=True))


def images_digest(frames: Mapping[str, Sequence[Any]]) -> str:
    """Hash the hashes of one sequence's images; `frames` has `frame_id` and `sha256`."""
    # The seeds keep their first spelling: another one would change every fingerprint.
    images = hashlib.sha256(b"gtahead pictures 1\n")
    _feed(images, "frame_id", frames["frame_id"])
    _feed(images, "sha256", frames["sha256"])
    return images.hexdigest()


def without_unknown(heads: Columns) -> Columns:
    """Drop columns in which nothing is known: they mean the same as missing columns."""
    needed = {"head_id", "frame_index", "x", "y", "in_frame", "status"}
    needed |= {"box_source", "box_source_names"}
    return {
        name: values
        for name, values in heads.items()
        if name in needed
        or (values.dtype.kind == "f" and not np.isnan(values).all())
        or (values.dtype.kind == "i" and (values >= 0).any())
    }


def combined(digests: Iterable[tuple[str, str]]) -> str:
    """Hash (sequence, digest) pairs, in sorted order, into one fingerprint."""
    total = hashlib.sha256(b"gtahead data set 1\n")
    for sequence, digest in sorted(digests):
        _feed(total, "sequence", [sequence])
        total.update(bytes.fromhex(digest))
    return total.hexdigest()


def fingerprints_by_split(
    digests: Mapping[str, Mapping[str, str]], splits: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """Combine sequences' digests, for the whole and for each split.

    Args:
        digests: by sequence, as `sequence_digests` gives them; `KINDS` or some of them.
        splits: by sequence the split of each frame id.

    Returns:
        By kind, then by split and `all`. A sequence of which a split has some frames alone counts
        there with the digest of the whole and the ids of these frames.
    """
    kinds = [kind for kind in KINDS if any(kind in one for one in digests.values())] or KINDS
    parts: dict[str, dict[str, list[str]]] = {part: {} for part in ("all", *SPLITS)}
    for name, frames in splits.items():
        parts["all"][name] = []
        for frame_id, split in frames.items():
            parts.setdefault(split, {}).setdefault(name, []).append(frame_id)

    def of(name: str, kind: str, ids: list[str]) -> str:
        whole = digests[name][kind]
        return whole if len(ids) in (0, len(splits[name])) else _digest_of_part(whole, ids)

    return {
        kind: {
            part: combined((name, of(name, kind, ids)) for name, ids in mine.items())
            for part, mine in parts.items()
        }
        for kind in kinds
    }


def _digest_of_part(whole: str, frame_ids: Sequence[str]) -> str:
    total = hashlib.sha256(b"gtahead part 1\n" + bytes.fromhex(whole))
    _feed(total, "frame_id", sorted(frame_ids))
    return total.hexdigest()


def _feed(hasher: Any, name: str, values: Sequence[Any] | npt.NDArray[Any]) -> None:  # noqa: ANN401 - hashlib's
    """Feed one column to a hasher: its name, length, and values in a canonical form."""
    hasher.update(f"{name} {len(values)}\n".encode())
    if not isinstance(values, np.ndarray):
        if any(isinstance(value, str) for value in values):
            for value in values:
                text = b"\xff" if value is None else str(value).encode()
                hasher.update(len(text).to_bytes(4, "little") + text)
            return
        values = np.array([np.nan if value is None else value for value in values], np.float64)
    if values.dtype.kind == "f":
        values = values.astype("<f8") + 0.0  # turns -0.0 into 0.0
        values[np.isnan(values)] = np.nan  # one NaN
    else:
        values = values.astype("<i8" if values.itemsize > 1 else "<i1", copy=False)
    hasher.update(np.ascontiguousarray(values))
