"""Checks of what one holds: captures, data sets, exports and other people's labels."""

from gtahead.validation.checking import Validation, validate

__all__ = ["Validation", "validate"]
