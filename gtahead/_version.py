"""The version on its own, so that reading it doesn't import the whole package."""

__version__ = "0.1.0"
