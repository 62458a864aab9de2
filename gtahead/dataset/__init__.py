"""The canonical data set: tables of frames and heads, manifest, fingerprints, reading, writing."""

from gtahead.dataset.dataset import FRAMES, Dataset, Frame, camera_of, heads_file
from gtahead.dataset.manifest import (
    ANNOTATING,
    MANIFEST,
    SPLITS,
    WORK,
    Manifest,
    read_manifest,
    write_manifest,
)
from gtahead.dataset.policy import (
    ABSENT,
    COUNTED,
    DENSITY_LEVELS,
    IGNORED,
    STATUS_NAMES,
    CountPolicy,
    density_level,
)

__all__ = [
    "ABSENT",
    "ANNOTATING",
    "COUNTED",
    "DENSITY_LEVELS",
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
    "camera_of",
    "density_level",
    "heads_file",
    "read_manifest",
    "write_manifest",
]
