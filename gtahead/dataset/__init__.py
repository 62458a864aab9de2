"""The canonical dataset: tables of frames and heads, manifest, fingerprints, reading, writing."""

from gtahead.dataset.dataset import Dataset, WrittenDataset, splits_of
from gtahead.dataset.frame import Frame, camera_of
from gtahead.dataset.images import missing_image, require_image
from gtahead.dataset.manifest import (
    ANNOTATING,
    MANIFEST,
    WORK,
    Manifest,
    read_manifest,
    write_manifest,
)
from gtahead.dataset.policy import DENSITY_LEVELS, CountPolicy, density_level
from gtahead.dataset.stored import FRAMES, StoredTables, heads_file
from gtahead.tables.splits import SPLITS

__all__ = [
    "ANNOTATING",
    "DENSITY_LEVELS",
    "FRAMES",
    "MANIFEST",
    "SPLITS",
    "WORK",
    "CountPolicy",
    "Dataset",
    "Frame",
    "Manifest",
    "StoredTables",
    "WrittenDataset",
    "camera_of",
    "density_level",
    "heads_file",
    "missing_image",
    "read_manifest",
    "require_image",
    "splits_of",
    "write_manifest",
]
