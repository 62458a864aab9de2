"""Which class means heads, where a dataset labels several things: decided once for all its files.

Heads are the class called `head`, else `heads`; else the only class that there is, with a warning.
Several classes of which none is called head are refused: persons must never pass as heads.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gtahead.arrays import Booleans
from gtahead.errors import InputError, UsageError, Where
from gtahead.findings import Findings
from gtahead.ingest.model import ClassKey

HEAD_NAMES = ("head", "heads")

MAX_LISTED = 12
"""Classes that a message names."""


class ClassesUnclear(InputError):  # noqa: N818 - says what is the matter, not what broke
    """There are several classes, and nothing says which of them is heads."""


@dataclass
class Classes:
    """The classes of a dataset's objects.

    Attributes:
        names: of the classes that are declared, by what their objects carry.
        used: yields what objects carry, once or often; asked only where `names` don't tell.
        where: the file and field that name them, for messages.
        heads: what objects that are heads carry, once that is decided; None: all are heads.
        numbers: of classes, where objects carry names.
    """

    names: Mapping[ClassKey, str]
    used: Callable[[], Iterable[ClassKey]]
    where: Where
    heads: frozenset[ClassKey] | None = None
    numbers: Mapping[int, ClassKey] = field(default_factory=dict)

    def are_heads(self, key: ClassKey) -> bool:
        """Return whether objects that carry this are heads."""
        return self.heads is None or key in self.heads

    def heads_among(
        self, keys: Sequence[ClassKey | None], findings: Findings, location: Where, what: str
    ) -> Booleans:
        """Return which of a frame's objects are heads, (N,), and note how many aren't.

        Numbers that no name is given for, though others have one, are a warning.

        Args:
            keys: what each object carries; one that carries None, nothing, is a head.
            findings: takes the number of the others.
            location: of the frame.
            what: objects are called in that finding, as `boxes`.
        """
        heads = np.array([key is None or self.are_heads(key) for key in keys], np.bool_)
        if not heads.all():
            findings.add("other-class", location, detail=f"{int((~heads).sum())} {what}")
            named = {*self.names, *(self.heads or ())}
            numbers = {key for key in keys if isinstance(key, int)} - named
            if numbers and (self.names or any(isinstance(key, str) for key in named)):
                detail = f"class {min(numbers)}, {len(self.names)} names in {self.where.file}"
                findings.add("class-without-name", location, detail=detail)
        return heads

    def name_of(self, key: ClassKey) -> str:
        """Return a class's name, in lower case; that of a number without one is the number."""
        return str(self.names.get(key, key)).strip().lower()

    def decide(self, wanted: str | None, findings: Findings) -> frozenset[ClassKey]:
        """Decide which objects are heads.

        Args:
            wanted: name or number that the user gave.
            findings: takes a warning where a class of another name is taken.

        Returns:
            What heads carry; empty where there are no objects at all.

        Raises:
            UsageError: no class is what the user gave.
            ClassesUnclear: there are several classes, and none is called head.
        """
        if wanted is not None:
            return self._given(wanted)
        for word in HEAD_NAMES:
            called = frozenset(key for key in self.names if self.name_of(key) == word)
            if called:
                return called
        seen: Counter[ClassKey] = Counter()
        for key in self.used():
            seen[key] += 1
        if not seen:
            return frozenset()
        for word in HEAD_NAMES:
            called = frozenset(key for key in seen if self.name_of(key) == word)
            if called:
                return called
        classes = sorted({*self.names, *seen}, key=str)
        if not _are_one([self.name_of(key) for key in classes]):
            raise ClassesUnclear(
                "there are several classes, and none is called head",
                where=self.where,
                value=self._listed(classes, seen),
                remedy="say which one is heads: --class NAME or NUMBER, of build, validate or "
                "benchmark",
            )
        for key in classes:
            name = self.name_of(key)
            named = not isinstance(key, int) or key in self.names
            findings.add("class-taken-as-head", self.where, name if named else f"class {name}")
        return frozenset(classes)

    def _given(self, wanted: str) -> frozenset[ClassKey]:
        word = wanted.strip().lower()
        if word.isdecimal() and int(word) in self.numbers:
            return frozenset([self.numbers[int(word)]])
        if word.isdecimal() and int(word) in self.names:
            return frozenset([int(word)])
        found = {key for key in self.names if self.name_of(key) == word}
        if not found:
            seen = set(self.used())
            found = {key for key in seen if word in (self.name_of(key), str(key).lower())}
            if not found:
                raise UsageError(
                    "no object is of the class that --class gives",
                    where=self.where,
                    value=wanted,
                    remedy=f"there are: {self._listed(sorted({*self.names, *seen}, key=str))}",
                )
        return frozenset(found)

    def _listed(
        self, classes: Iterable[ClassKey], seen: Mapping[ClassKey, int] | None = None
    ) -> str:
        words = []
        for key in classes:
            word = self.names.get(key, str(key))
            if isinstance(key, int):
                word = f"{key}: {word}" if key in self.names else f"number {key}"
            count = (seen or {}).get(key)
            words.append(f"{word} ({count:,})" if count else word)
        more = f", and {len(words) - MAX_LISTED} more" if len(words) > MAX_LISTED else ""
        return ", ".join(words[:MAX_LISTED]) + more if words else "none"


def _are_one(names: Iterable[str]) -> bool:
    """Return whether names are one class: the same, or it with letters typed once too often."""
    shortest, *others = sorted(names, key=len)
    return all(re.fullmatch(re.escape(shortest) + "[a-z]*", other) for other in others) and (
        bool(shortest) or not others
    )


def mistyped_head(name: str) -> bool:
    """Return whether a name is `head` with a few letters too many, as SCUT-HEAD has some.

    Example:
        >>> [mistyped_head(name) for name in ("headd", "heads", "headlight")]
        [True, False, False]
    """
    word = name.strip().lower()
    return (
        word not in HEAD_NAMES and re.fullmatch(r"head(?:[a-z\d_]{1,2}|[ads]+)", word) is not None
    )
