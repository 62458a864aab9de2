"""Which frames train and which validate; never the test split."""

from __future__ import annotations

from dataclasses import dataclass

from gtahead.annotation import SplitItem, deal_images, design_splits
from gtahead.dataset import Dataset
from gtahead.errors import InputError, UsageError, Where
from gtahead.images.alike import shared_keys, twins

CARVED = {"train": 9.0, "validation": 1.0, "test": 0.0}
"""Shares of the train split that are learnt from, and that are chosen by where nothing else is."""


@dataclass(frozen=True)
class Parts:
    """The training and validation frames of a run.

    Attributes:
        train: to learn from.
        validation: to choose by.
        split: the split that validation frames are of.
        carved: sequences, or frame ids of images that are split one by one, that were taken out of
            train to validate on; empty where the dataset has a validation split of its own.
    """

    train: Dataset
    validation: Dataset
    split: str
    carved: tuple[str, ...] = ()


def parts_of(dataset: Dataset) -> Parts:
    """Take train and validation splits; carve the latter out of train where there is none.

    A tenth of what the dataset is split by, sequences or images, is carved out, with crowds small
    and large. Sequences of one location stay together. The test split is never looked at.

    Raises:
        InputError: no frames to train on.
        UsageError: nothing to validate on: train has one image, or one location.
    """
    train, validation = dataset.select(split="train"), dataset.select(split="validation")
    if not len(train):
        raise InputError(
            "the dataset has no train split",
            where=Where(str(dataset.folder)),
            remedy="split it otherwise: gtahead annotate --split 70:10:20",
        )
    if len(validation):
        return Parts(train, validation, "validation")
    by_image = dataset.manifest.document["splits"]["unit"] == "image"
    if by_image:
        items = _images(train)
        chosen = deal_images(items, CARVED)
        what, remedy = (
            "look alike",
            "bring more images, or give splits: gtahead annotate --split FILE",
        )
    else:
        items = _sequences(train)
        chosen = design_splits(items, CARVED)
        what = "are of one location"
        remedy = "split it by image, if they aren't alike: gtahead annotate --split-by image"
    carved = tuple(name for name, split in chosen.items() if split != "train")
    kept = [name for name in chosen if name not in set(carved)]
    if not carved or not kept:
        raise UsageError(
            f"nothing to validate on: all frames for training {what}",
            value=items[0].name,
            remedy=remedy,
        )
    if by_image:
        return Parts(train.select(frames=kept), train.select(frames=carved), "train", carved)
    return Parts(train.select(sequences=kept), train.select(sequences=carved), "train", carved)


def _images(train: Dataset) -> list[SplitItem]:
    """Return the images as items; those that are the same or look alike share a key."""
    columns = train.frames(["frame_id", "num_heads", "sha256", "difference_hash"])
    same, near = twins(columns["frame_id"], columns["sha256"], columns["difference_hash"])
    keys = shared_keys([*same, *near])
    return [
        SplitItem(name, count, 1, frozenset(keys.get(name, ())))
        for name, count in zip(columns["frame_id"], columns["num_heads"], strict=True)
    ]


def _sequences(train: Dataset) -> list[SplitItem]:
    """Return the sequences as items; those of one location share it as a key."""
    columns = train.frames(["sequence", "location", "num_heads"])
    found: dict[str, SplitItem] = {}
    for name, location, count in zip(*columns.values(), strict=True):
        known = found.get(name, SplitItem(name, 0, 0))
        keys = known.keys | ({location} if location is not None else set())
        found[name] = SplitItem(name, known.heads + count, known.frames + 1, keys)
    return list(found.values())
