"""The three splits, and the words that people use for them."""

from __future__ import annotations

from gtahead.errors import UsageError

SPLITS = ("train", "validation", "test")

SPLITS_BY_WORD = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def split_named(word: str) -> str:
    """Return the split that a word means: `val`, `valid` and `validation` are one.

    Raises:
        UsageError: none.
    """
    found = SPLITS_BY_WORD.get(str(word).lower())
    if found is None:
        raise UsageError("no such split", value=word, remedy=f"one of {', '.join(SPLITS)}")
    return found
