"""Counting heads in images and films, with the bundled detector or one of your own."""

from __future__ import annotations

from gtahead.counting.counting import Counted, count
from gtahead.counting.models import OnnxDetector, load_model
from gtahead.models import BUILTIN

__all__ = ["BUILTIN", "Counted", "OnnxDetector", "count", "load_model"]
