"""The version alone, so that nobody has to import the package's face for it."""

__version__ = "0.1.0"
