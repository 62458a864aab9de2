"""Jinja templates: strict about names, so that a slip is an error and no gap in a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def environment(
    folder: Path, *, autoescape: bool, **filters: Callable[..., str]
) -> jinja2.Environment:
    """Return the environment of a folder of templates.

    Args:
        folder: of the templates.
        autoescape: for HTML; other text has filters of its own.
        filters: by the names that templates give them; `number` groups digits.
    """
    import jinja2

    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=autoescape,  # noqa: S701 - the caller says so
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters.update(number="{:,}".format, **filters)
    return found
