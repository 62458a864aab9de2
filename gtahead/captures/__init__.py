"""Captures of public tools, read into one form. A new kind is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping

from gtahead.captures.gcc import GCC
from gtahead.captures.gta_event import GTA_EVENT
from gtahead.captures.gta_human import GTA_HUMAN
from gtahead.captures.gta_im import GTA_IM
from gtahead.captures.jta import JTA
from gtahead.captures.jta_mods import JTA_MODS
from gtahead.captures.motsynth import MOTSYNTH
from gtahead.captures.mta import MTA
from gtahead.captures.native import NATIVE
from gtahead.captures.rgbdsyn import RGBDSYN
from gtahead.captures.unsupported import BY_NAME, Headless, explain
from gtahead.ingest.model import Reader

CAPTURES: Mapping[str, Reader] = {
    "native": NATIVE,
    "jta": JTA,
    "jta-mods": JTA_MODS,
    "motsynth": MOTSYNTH,
    "mta": MTA,
    "gcc": GCC,
    "rgbdsyn": RGBDSYN,
    "gta-event": GTA_EVENT,
    "gta-human": GTA_HUMAN,
    "gta-im": GTA_IM,
}

__all__ = ["BY_NAME", "CAPTURES", "Headless", "explain"]
