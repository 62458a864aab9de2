"""What a method found in images: read from the files that people send, checked, written."""

from gtahead.predictions.checking import Images, arrange, geometry_hints
from gtahead.predictions.reading import read_predictions
from gtahead.predictions.table import ImageKey, Predictions
from gtahead.predictions.writing import check_target, write_predictions

__all__ = [
    "ImageKey",
    "Images",
    "Predictions",
    "arrange",
    "check_target",
    "geometry_hints",
    "read_predictions",
    "write_predictions",
]
