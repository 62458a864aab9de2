"""Formats that people use."""

from __future__ import annotations

from collections.abc import Mapping

from gtahead.formats.base import Format
from gtahead.plugins import Registry


def _known() -> Mapping[str, Format]:
    # At the first look: most commands ask for no format, and all of them together take long.
    from gtahead.formats.known import KNOWN

    return KNOWN


FORMATS = Registry(_known, Format, "gtahead.formats")
"""By the name that `--format` takes."""

__all__ = ["FORMATS", "Format"]
