"""Which frames train and which validate: by sequence, never the test split."""

from __future__ import annotations

from dataclasses import dataclass

from gtahead.dataset import Dataset
from gtahead.errors import InputError, UsageError, Where

CARVED_SHARE = 0.2


@dataclass(frozen=True)
class Parts:
    """The training and validation frames of a run.

    Attributes:
        train: to learn from.
        validation: to choose by.
        split: the split that validation frames are of.
        carved: sequences that were taken out of train to validate on; empty where the dataset has
            a validation split of its own.
    """

    train: Dataset
    validation: Dataset
    split: str
    carved: tuple[str, ...] = ()


def parts_of(dataset: Dataset) -> Parts:
    """Take train and validation splits; carve the latter out of train where there is none.

    Sequences of one location stay together. The test split is never looked at.

    Raises:
        InputError: no frames to train on.
        UsageError: nothing to validate on: train has one sequence, or one location.
    """
    train, validation = dataset.select(split="train"), dataset.select(split="validation")
    if not len(train):
        raise InputError(
            "the dataset has no train split",
            where=Where(str(dataset.folder)),
            remedy="build it from more sequences: one alone can't be split",
        )
    if len(validation):
        return Parts(train, validation, "validation")
    columns = train.frames(["sequence", "location"])
    positions: dict[str, dict[str, int]] = {}
    for sequence, location in zip(columns["sequence"], columns["location"], strict=True):
        at = positions.setdefault(location or f"sequence {sequence}", {})
        at[sequence] = at.get(sequence, 0) + 1
    if len(positions) < 2:
        raise UsageError(
            "nothing to validate on: all frames for training are of one location",
            value=next(iter(positions)),
            remedy="build the dataset from more sequences",
        )
    # The smallest locations first, until a fifth of the frames is reached; one is left to train on.
    carved: list[str] = []
    frames = 0
    for position in sorted(positions, key=lambda name: (sum(positions[name].values()), name))[:-1]:
        carved += positions[position]
        frames += sum(positions[position].values())
        if frames >= CARVED_SHARE * len(train):
            break
    kept = [name for name in train.sequences if name not in carved]
    return Parts(
        train.select(sequences=kept), train.select(sequences=carved), "train", tuple(sorted(carved))
    )
