"""Which frames are trained on, and which choose: by sequence, never the test part."""

from __future__ import annotations

from dataclasses import dataclass

from gtahead.dataset import Dataset
from gtahead.errors import InputError, UsageError, Where

CARVED_SHARE = 0.2


@dataclass(frozen=True)
class Parts:
    """The frames of a run.

    Attributes:
        train: to learn from.
        validation: to choose by.
        split: the split that validation frames are of.
        carved: sequences that were taken out of train to validate on; empty where the data set has
            a validation split of its own.
    """

    train: Dataset
    validation: Dataset
    split: str
    carved: tuple[str, ...] = ()


def parts_of(dataset: Dataset) -> Parts:
    """Take train and validation splits; carve the latter out of train where there is none.

    Sequences of one place stay together. The test split is never looked at.

    Raises:
        InputError: no frames to train on.
        UsageError: nothing to validate on: train has one sequence, or one place.
    """
    train, validation = dataset.select(split="train"), dataset.select(split="validation")
    if not len(train):
        raise InputError(
            "the data set has no train split",
            where=Where(str(dataset.folder)),
            remedy="build it from more sequences: one alone can't be split",
        )
    if len(validation):
        return Parts(train, validation, "validation")
    columns = train.frames(["sequence", "location"])
    places: dict[str, dict[str, int]] = {}
    for sequence, location in zip(columns["sequence"], columns["location"], strict=True):
        at = places.setdefault(location or f"sequence {sequence}", {})
        at[sequence] = at.get(sequence, 0) + 1
    if len(places) < 2:
        raise UsageError(
            "nothing to validate on: all frames for training are of one place",
            value=next(iter(places)),
            remedy="build the data set from more sequences",
        )
    # The smallest places first, until a fifth of the frames is reached; one is left to train on.
    carved: list[str] = []
    frames = 0
    for place in sorted(places, key=lambda name: (sum(places[name].values()), name))[:-1]:
        carved += places[place]
        frames += sum(places[place].values())
        if frames >= CARVED_SHARE * len(train):
            break
    kept = [name for name in train.sequences if name not in carved]
    return Parts(
        train.select(sequences=kept),
        train.select(sequences=carved),
        "train",
        tuple(sorted(carved)),
    )
