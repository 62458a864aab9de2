"""Rules with parameters, as text: `knn:k=3,scale=0.25`. Printed rules name every parameter."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from gtahead.errors import UsageError

MOST = 1e5  # of any parameter: larger ones are slips of the keyboard

Value = float | str


def parse_spec(
    text: str,
    what: str,
    rules: Mapping[str, Mapping[str, Value]],
    words: Mapping[str, tuple[str, ...]] = {},
) -> tuple[str, dict[str, Value]]:
    """Read a rule.

    Args:
        text: `NAME`, `NAME:KEY=VALUE,...`, or `NAME:VALUE` for the rule's first parameter.
        what: kind of rule, for messages.
        rules: names, with their parameters' defaults.
        words: parameters that are words, with the words.

    Returns:
        Name, and the parameters that were given.

    Raises:
        UsageError: unknown rule, parameter or word (the nearest match is named), or a number that
            isn't above 0.
    """
    name, _, rest = text.partition(":")
    if name not in rules:
        raise UsageError(f"unknown {what}", value=name, remedy=nearest(name, rules))
    given: dict[str, Value] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = part.partition("=")
        if not equals and rules[name]:
            key, value = next(iter(rules[name])), part
        if key not in rules[name]:
            raise UsageError(
                f"the {what} {name} has no such parameter",
                value=key,
                remedy=nearest(key, rules[name]),
            )
        if key in words:
            if value not in words[key]:
                raise UsageError(
                    f"unknown {key} of the {what} {name}",
                    value=value,
                    remedy=nearest(value, words[key]),
                )
            given[key] = value
            continue
        number = _number(value)
        if not 0 < number <= MOST or (key == "k" and number % 1):
            kind = "a whole number" if key == "k" else "a number"
            raise UsageError(
                f"{key} of the {what} {name} must be {kind} above 0, at most {MOST:g}",
                value=value,
                remedy=f"such as {key}={spelt(rules[name][key])}",
            )
        given[key] = number
    return name, given


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def print_spec(name: str, parameters: Mapping[str, Value]) -> str:
    """Write a rule with all its parameters, so that nothing depends on a version's defaults."""
    pairs = ",".join(f"{key}={spelt(value)}" for key, value in sorted(parameters.items()))
    return f"{name}:{pairs}" if pairs else name


def spelt(value: Value) -> str:
    """Write a number so that it reads back exactly, whole ones without a point."""
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word nearest to an unknown one, and list all known words."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    listed = ", ".join(names) or "it takes none"
    return f"did you mean {close[0]}? known: {listed}" if close else f"known: {listed}"
