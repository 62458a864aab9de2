"""The canonical data set: tables of frames and heads, manifest, fingerprints, reading, writing."""

from gtahead.dataset.dataset import FRAMES, Dataset, Frame, heads_file
from gtahead.dataset.manifest import (
    MANIFEST,
    SPLITS,
    WORK,
    Manifest,
    read_manifest,
    write_manifest,
)
from gtahead.dataset.policy import ABSENT, COUNTED, IGNORED, STATUS_NAMES, CountPolicy

__all__ = [
    "ABSENT",
    "COUNTED",
    "FRAMES",
    "IGNORED",
    "MANIFEST",
    "SPLITS",
    "STATUS_NAMES",
    "WORK",
    "CountPolicy",
    "Dataset",
    "Frame",
    "Manifest",
    "heads_file",
    "read_manifest",
    "write_manifest",
]
