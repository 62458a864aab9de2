"""The JSON Schemas of everything that gtahead reads or writes: found, loaded, applied."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from gtahead.errors import InputError, Where, shortened

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

_SUFFIX = ".schema.json"

MOST_FAULTS = 10_000
"""Of a document, that are told; a file of another kind breaks a schema in every line."""


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
        msg = f"no schema {name!r}; there are {', '.join(names())}"
        raise ValueError(msg)
    schema: dict[str, Any] = orjson.loads(path.read_bytes())
    return schema


@cache
def _validator(name: str) -> Draft202012Validator:
    import jsonschema_rs

    return jsonschema_rs.Draft202012Validator(load(name))


def faults(document: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield what in a document breaks a schema, as (JSON pointer, message), at most `MOST_FAULTS`.

    A message quotes a little of what is wrong.
    """
    try:
        for count, error in enumerate(_validator(name).iter_errors(document)):
            pointer = "/" + "/".join(str(part) for part in error.instance_path)
            if count == MOST_FAULTS:
                yield pointer, f"here the check stopped, after {MOST_FAULTS:,} faults"
                return
            yield pointer, shortened(error.message)
    except ValueError:  # its own limit
        yield "/", "it's nested too deeply to be checked"


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
            remedy="mend the file, or write it again",
        ) from error
