"""Counting heads in images and films, with the detector that ships or one of your own."""

from __future__ import annotations

from gtahead.counting.counting import Counted, count
from gtahead.counting.models import BUILTIN, OnnxDetector, load_model

__all__ = ["BUILTIN", "Counted", "OnnxDetector", "count", "load_model"]
