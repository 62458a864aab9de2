"""Checks of captures, datasets, exports and other people's labels."""

from gtahead.validation.checking import Validation, validate

__all__ = ["Validation", "validate"]
