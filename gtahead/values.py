"""Values in other people's files: numbers, flags as text, and the fields that name a class."""

from __future__ import annotations

import os
from typing import TypeGuard

StrPath = str | os.PathLike[str]
"""A path, or the report of what was written there."""


def number_of(count: int, noun: str) -> str:
    """Return a number of things in words.

    Example:
        >>> number_of(1, "image"), number_of(1200, "head")
        ('1 image', '1,200 heads')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


FLAGS = {"": False, "0": False, "0.0": False, "false": False, "no": False, "nan": False}
FLAGS |= {"1": True, "1.0": True, "true": True, "yes": True}
"""What a flag as text means, in lower case."""


def flags_of(values: object) -> list[bool] | None:
    """Return a list of flags: truth values, 0 and 1, null, or text; None if it holds others."""
    if not isinstance(values, list):
        return None
    words = [str(value or 0).lower() for value in values]
    return [FLAGS[word] for word in words] if all(word in FLAGS for word in words) else None


CLASS_FIELDS = (
    *("category", "categories", "label", "labels", "class", "classes", "class_label", "name"),
    *("names", "category_id", "label_id", "class_id", "class_name", "type", "object_class"),
)
"""Names of the field, or column, in which files keep the class of an object."""


POINT_CLASS_FIELDS = tuple(name for name in CLASS_FIELDS if not name.startswith("name"))
"""The same in lists of points, where a `name` is rather a file's or a person's."""

IGNORE_FIELDS = ("ignored", "ignore", "iscrowd", "difficult")
"""Names of the field, or column, that says of an object that it is neither to be found nor not."""


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number that a float can hold; a truth value is none."""
    return type(value) is float or (type(value) is int and abs(value) < 2**1000)
