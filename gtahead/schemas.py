"""The JSON Schemas of everything that gtahead reads or writes: found, loaded, applied."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial, reduce
from importlib import resources
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from gtahead.errors import InputError, Where, shortened

if TYPE_CHECKING:
    import msgspec
    from jsonschema_rs import Draft202012Validator

T = TypeVar("T")

_SUFFIX = ".schema.json"

MAX_QUOTED_BYTES = 10**8
"""A larger file isn't parsed a second time to quote the value that is wrong in it."""

MAX_FAULTS = 10_000
"""Of a document, that are reported; a file of another kind breaks a schema in every line."""


def _folder() -> Path:
    """Find the schemas: inside an installed package, or beside the package in a checkout."""
    package = Path(str(resources.files("gtahead")))
    shipped = package / "schema_files"
    return shipped if shipped.is_dir() else package.parent / "schemas"


def names() -> list[str]:
    """List the names of all schemas."""
    return sorted(path.name.removesuffix(_SUFFIX) for path in _folder().glob("*" + _SUFFIX))


def load(name: str) -> dict[str, Any]:
    """Load one schema.

    Raises:
        ValueError: there is no schema of that name.
    """
    path = _folder() / (name + _SUFFIX)
    if not path.is_file():
        raise ValueError(f"no schema {name!r}; there are {', '.join(names())}")
    schema: dict[str, Any] = orjson.loads(path.read_bytes())
    return schema


@cache
def _validator(name: str) -> Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(load(name))


def faults(document: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield where a document breaks a schema, as (JSON pointer, message), at most `MAX_FAULTS`.

    A message quotes a little of what is wrong.
    """
    validator = _validator(name)
    try:
        for count, error in enumerate(validator.iter_errors(document)):
            pointer = "/" + "/".join(str(part) for part in error.instance_path)
            if count == MAX_FAULTS:
                yield pointer, f"here the check stopped, after {MAX_FAULTS:,} faults"
                return
            yield pointer, shortened(error.message)
    except ValueError:  # its own limit
        yield "/", "it's nested too deeply to be checked"


def parse_json_once(data: bytes, file: str) -> Any:  # noqa: ANN401 - JSON is any of its types
    """Parse strict JSON that people write by hand: a key that is there twice is refused.

    Raises:
        InputError: as `parse_json`, or a key that is there twice.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys if len(set(keys)) < len(keys) else ():
            if keys.count(key) > 1:
                raise InputError(
                    "a key is there twice", where=Where(file), value=key, remedy="join the two"
                )
        return dict(pairs)

    parse_json(data, file)  # says where it is wrong
    return json.loads(data.removeprefix(b"\xef\xbb\xbf"), object_pairs_hook=once)


def parse_json(data: bytes, file: str) -> Any:  # noqa: ANN401 - JSON is any of its types
    """Parse strict JSON: UTF-8 with or without a byte order mark, no NaN, no Infinity.

    Raises:
        InputError: with file, line, column and what the parser says.
    """
    body = data.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise InputError("the file is empty", where=Where(file), remedy="write it again")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as fault:
            raise InputError(
                "not UTF-8 text",
                where=Where(file, field=f"byte {fault.start}"),
                remedy="save the file as UTF-8",
            ) from error
        truncated = error.pos >= len(text.rstrip())
        what = "it ends too early" if truncated else "not valid JSON"
        raise InputError(
            f"{what}: {error.msg.split(':')[0]}",
            where=Where(file, field=f"line {error.lineno}, column {error.colno}"),
            remedy="fix the file, or write it again",
        ) from error


def parse_typed_json(data: bytes, kind: type[T], file: str, *, remedy: str) -> T:
    """Parse strict JSON straight into a typed structure; keys that the type lacks are skipped.

    Args:
        data: of the file.
        kind: a `msgspec.Struct`, or any type that msgspec decodes.
        file: its name in messages.
        remedy: for a value of the wrong type.

    Raises:
        InputError: not JSON, as `parse_json` says it; or a value is missing or of another type,
            with its JSON pointer and the value.
    """
    import msgspec

    body = data.removeprefix(b"\xef\xbb\xbf")
    try:
        body.decode("utf-8")  # msgspec looks only at the text that it keeps
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        # Where a key is there twice, the last one counts here, and another one may be wrong.
        read = None if len(data) > MAX_QUOTED_BYTES else partial(parse_json, data, file)
        raise _wrong_type(error, read, file, remedy) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        parse_json(data, file)  # says what is wrong, and where
        raise InputError("not valid JSON", where=Where(file), value=str(error)) from error


def parse_typed_toml(data: bytes, kind: type[T], file: str, *, remedy: str) -> T:
    """Parse TOML into a typed structure.

    Args:
        data: of the file.
        kind: a `msgspec.Struct`, or any type that msgspec converts to.
        file: its name in messages.
        remedy: for a file that isn't TOML, or a value that can't be.

    Raises:
        InputError: not TOML, or a value is missing or can't be, with its pointer and the value.
    """
    import msgspec

    values = parse_toml(data, file, remedy=remedy)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        message = _with_key(str(error), values, kind).replace(" | null`", "`")  # TOML has no null
        raise _wrong_type(message, lambda: values, file, remedy) from error


def _with_key(message: str, values: dict[str, Any], kind: Any) -> str:  # noqa: ANN401 - a type
    """Name the key that msgspec leaves out: it says ``$.places[...]`` of a table's value."""
    import msgspec

    head, found, rest = message.partition("[...]")
    path = re.findall(r"\.(\w+)", head.rpartition("$")[2])
    if not found or len(path) != 1 or not isinstance(values.get(path[0]), dict):
        return message
    for key, value in values[path[0]].items():
        try:
            msgspec.convert({**values, path[0]: {key: value}}, kind)
        except msgspec.ValidationError as error:
            if str(error) == message:
                return f"{head}.{key}{rest}"
    return message


def parse_toml(data: bytes, file: str, *, remedy: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        InputError: it isn't TOML.
    """
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"not TOML: {error}", where=Where(file), remedy=remedy) from error


_TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _wrong_type(
    error: msgspec.ValidationError | str, read: Callable[[], Any] | None, file: str, remedy: str
) -> InputError:
    """Turn msgspec's message (``Expected `int`, got `str` - at `$.images[0].id` ``) into ours.

    Args:
        error: of msgspec, or its message.
        read: returns the document, for the value; None where it's too large.
        file: its name in messages.
        remedy: for the value.
    """
    message, path = _AT.fullmatch(str(error)).groups()  # type: ignore[union-attr] # it fits all
    path = path or ""
    parts = [name or int(index) for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path)]
    value: object = None
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", message):
        what = f"{missing[1]} is missing"
    elif unknown := re.fullmatch(r"Object contains unknown field `(.*)`", message):
        what, value = "no such key", unknown[1]
    elif other := re.fullmatch(r"Invalid enum value '?(.*?)'?", message):
        what, value = "a value that isn't known here", other[1]
    elif read is not None and "[...]" not in path:  # msgspec doesn't say which one of them
        what = _expected(message)
        with suppress(LookupError, TypeError):
            value = _shown(reduce(getitem, parts, read()))
    else:
        what = _expected(message)
    pointer = "".join(f"/{part}" for part in parts)
    return InputError(what, where=Where(file, field=pointer or None), value=value, remedy=remedy)


_AT = re.compile(r"(.*?)(?: - at (?:`\w+` in )?`\$(.*)`)?", re.DOTALL)
"""Of msgspec's messages: what is wrong, and the path to it."""


def _shown(value: Any) -> object:  # noqa: ANN401 - JSON
    """Return a value as messages quote it; nested values are only described."""
    if value is None or isinstance(value, dict):
        return "null" if value is None else "an object"
    if isinstance(value, list) and any(isinstance(one, list | dict) for one in value):
        return "a list of lists or objects"
    return value


def _expected(message: str) -> str:
    """Return in plain words what msgspec expects, such as ``Expected `array` of length 4``."""
    if length := re.match(r"Expected `array` of length (\d+)", message):
        return f"{length[1]} values are expected"
    wanted = re.match(r"Expected `([\w| ]+)`( [<>]=? -?[\d.]+(?:e[+-]?\d+)?)?", message)
    if wanted is None:
        return message
    words = " or ".join(_TYPE_WORDS.get(one, one) for one in wanted[1].split(" | "))
    return f"{words}{(wanted[2] or '').removesuffix('.0')} is expected"
