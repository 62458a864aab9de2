"""Formats that people use. A new one is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from gtahead.formats.coco import COCO
from gtahead.formats.format import Format
from gtahead.formats.huggingface import HUGGINGFACE

FORMATS: Mapping[str, Format] = {one.name: one for one in (COCO, HUGGINGFACE)}

__all__ = ["FORMATS", "Format"]
