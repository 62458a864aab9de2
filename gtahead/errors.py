"""What can go wrong, and where: the one family of errors that gtahead raises on purpose."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from importlib.util import find_spec

SHOWN_CHARACTERS = 80
"""How much of an offending value a message quotes."""

REBUILD = "the dataset is damaged: build it anew with --fresh"
"""The remedy of whatever is wrong in a dataset that was built."""

MAX_SHOWN = 150
"""How much of either end of a location's name a message shows."""


def shortened(text: str) -> str:
    """Cut the middle out of an overlong text."""
    return text if len(text) <= 2 * MAX_SHOWN else f"{text[:MAX_SHOWN]}…{text[-MAX_SHOWN:]}"


@dataclass(frozen=True)
class Where:
    """A location in the data, from the outside in.

    Attributes:
        file: path as the user knows it, relative to the capture or dataset where there is one.
        sequence: name of the sequence.
        frame: name of the frame.
        head: id of the head (the capture's ped id).
        field: column, key, JSON pointer or `line 12`.
    """

    file: str | None = None
    sequence: str | None = None
    frame: str | None = None
    head: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        parts = [
            self.file,
            None if self.sequence is None else f"sequence {self.sequence}",
            None if self.frame is None else f"frame {self.frame}",
            None if self.head is None else f"head {self.head}",
            self.field,
        ]
        return " > ".join(shortened(masked(part)) for part in parts if part is not None)

    def as_dict(self) -> dict[str, str | int]:
        """Return the parts that are known, for JSON."""
        return {
            key: masked(value) if isinstance(value, str) else value
            for key, value in asdict(self).items()
            if value is not None
        }


def as_size(count: int) -> str:
    """Format a number of bytes for people.

    Example:
        >>> as_size(3_200_000)
        '3.2 MB'
    """
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def quoted(value: object) -> str:
    """Show a value in a message: on one line, and cut where it is long.

    Example:
        >>> quoted("a" * 100)[-5:]
        "aaa…'"
    """
    if isinstance(value, str):
        value = masked(value)  # before it is cut: half a secret is one
    if isinstance(value, str) and len(value) > SHOWN_CHARACTERS:
        value = value[:SHOWN_CHARACTERS] + "…"
    return repr(value) if isinstance(value, str) else str(value)


_SCHEME = r"([A-Za-z][A-Za-z0-9+.-]*:/{1,2})"  # a path has lost one of the two
_USER_INFO = re.compile(_SCHEME + r"(?:[^\s'\"/@]*:[^\s'\"]*|[^\s'\"/]*)@")
_QUERY = re.compile(_SCHEME + r"([^\s?#'\"]*)([?#])[^\s'\"]*")


def masked(text: str) -> str:
    """Hide what URLs in a text may hold of secrets: user info, query and fragment.

    Example:
        >>> masked("https://me:secret@host/x?token=1 isn't there")
        "https://***@host/x?*** isn't there"
    """
    if ":/" not in text:
        return text
    return _QUERY.sub(r"\1\2\3***", _USER_INFO.sub(r"\1***@", text))


def printable(text: str) -> str:
    """Escape what would break a line or command a terminal: control characters, lone surrogates."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def sentence(what: str, *, where: Where | None, value: object, remedy: str | None) -> str:
    """Join location, fault, value and remedy into the one line that the user reads."""
    position = str(where) if where is not None else ""
    text = f"{position}: {what}" if position else what
    if value is not None:
        text += f" (got {quoted(value)})"
    if remedy:
        text += f"; {remedy}"
    return printable(masked(text))


def first_line(error: Exception) -> str:
    """Return the first line of what a library says of an error, or its type if it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


class GtaheadError(Exception):
    """Root of the errors that gtahead raises on purpose; the command line shows them as one line.

    Attributes:
        exit_code: what the command line ends with.
    """

    exit_code = 70

    def __init__(
        self,
        what: str,
        *,
        where: Where | None = None,
        value: object = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(sentence(what, where=where, value=value, remedy=remedy))
        self.what = what
        self.where = where
        self.value = value
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Make the error picklable with its keyword arguments, so that workers can raise it."""
        return (_rebuilt, (type(self), self.what, self.where, self.value, self.remedy))


def _rebuilt(
    kind: type[GtaheadError], what: str, where: Where | None, value: object, remedy: str | None
) -> GtaheadError:
    return kind(what, where=where, value=value, remedy=remedy)


class DataWarning(UserWarning):
    """Something about the data limits what comes of it; the work goes on."""


class InputError(GtaheadError):
    """The data that was given is wrong: the user can fix it."""

    exit_code = 1


class UsageError(GtaheadError):
    """The call is wrong: an option that doesn't fit, a choice that has to be made."""

    exit_code = 2


class ResourceError(GtaheadError):
    """The environment fails: disk, permissions, network, a missing extra, a lock that is held."""

    exit_code = 4


def require(*modules: str, install: str) -> None:
    """Refuse to begin what needs a module that isn't installed.

    Args:
        modules: their names.
        install: what `pip install` is to be given.

    Raises:
        ResourceError: one is missing.
    """
    for name in modules:
        if find_spec(name) is None:
            raise ResourceError(f"{name} isn't installed", remedy=f"pip install {install}")


def check_seed(seed: object) -> None:
    """Refuse what can't be a seed; None, too, by which nothing could be done again.

    Raises:
        UsageError: not a whole number from 0, or too large.
    """
    if isinstance(seed, bool) or not hasattr(seed, "__index__") or not 0 <= int(seed) < 2**63:
        raise UsageError("the seed must be a whole number from 0 to 2^63 - 1", value=seed)
