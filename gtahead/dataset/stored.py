"""The tables of a dataset on disk: found, read, and compared with what the manifest says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.arrays import Columns
from gtahead.dataset.heads import FRAME_HEADS, SequenceHeads
from gtahead.dataset.manifest import MANIFEST, Manifest, read_manifest
from gtahead.errors import REBUILD, InputError, Where
from gtahead.tables import canonical

FRAMES = "frames.parquet"


def heads_file(sequence: str) -> str:
    """Return the path of a sequence's heads, relative to the dataset."""
    return f"heads/{sequence}.parquet"


class StoredTables:
    """The tables of one version of a dataset, the one that was opened.

    Attributes:
        folder: of the dataset.
        manifest: as it was read.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder, self.manifest = folder, manifest
        self._written = _state_of(folder)

    def require_unchanged(self) -> None:
        """Refuse a dataset that isn't the one any more that was opened.

        Raises:
            InputError: it was annotated, built anew, or isn't there any more.
        """
        state = _state_of(self.folder)
        if state == self._written:
            return
        if state is None:
            raise InputError(
                "the dataset isn't there any more",
                where=Where(str(self.folder)),
                remedy="it was moved, or the working folder is another one now: open it again",
            )
        if read_manifest(self.folder).document != self.manifest.document:
            raise InputError(
                "the dataset was changed after it was opened",
                where=Where(str(self.folder)),
                remedy="open it again, so that all frames are of one version",
            )
        self._written = state

    def check_frames(self) -> None:
        """Refuse a table of frames that isn't, byte by byte, the manifest's.

        Raises:
            InputError: it's missing, damaged or changed.
        """
        self.require_unchanged()
        _require_bytes(self.folder / FRAMES, self.manifest.document["tables"][FRAMES])

    def check_heads(self, sequence: str) -> None:
        """Refuse a sequence's table of heads that isn't, byte by byte, the manifest's.

        Raises:
            InputError: it's missing, damaged or changed.
        """
        _require_bytes(*self.heads_table(sequence))

    def heads(self, sequence: str, columns: Sequence[str] | None) -> Columns:
        """Return columns of a sequence's heads; see `Dataset.heads`."""
        path, named = self.heads_table(sequence)
        heads = canonical.read_heads(path, str(path), columns, expected=named["rows"])
        rows = len(next(iter(heads.values()))) if heads else named["rows"]
        self._require_whole(path, named, sequence, rows, set(heads.get("frame_id", ())))
        return heads

    def codes(self, sequence: str, columns: Sequence[str], rows: range | None = None) -> Columns:
        """Return columns of a sequence's heads, words as codes; see `Dataset.head_codes`."""
        path, named = self.heads_table(sequence)
        if rows is not None and rows.stop > named["rows"]:
            raise self._damaged(path, f"{named['rows']} rows")
        return canonical.read_head_codes(path, str(path), columns, rows)

    def frame_heads(self, sequence: str) -> SequenceHeads:
        """Return what frames show of a sequence's heads."""
        path, named = self.heads_table(sequence)
        columns = canonical.read_head_codes(path, str(path), ["frame_id", *FRAME_HEADS])
        names = filter(None, columns["frame_id_names"])
        self._require_whole(path, named, sequence, len(columns["x"]), names)
        return SequenceHeads.of(columns)

    def heads_table(self, sequence: str) -> tuple[Path, Mapping[str, Any]]:
        """Find a sequence's table of heads, and what the manifest says about it.

        Raises:
            InputError: the manifest doesn't name it, or isn't the one that was opened any more.
        """
        self.require_unchanged()
        path = self.folder / heads_file(sequence)
        named = self.manifest.document["tables"].get(heads_file(sequence))
        if named is None or not storage.can_name(sequence):
            raise InputError(
                "the manifest doesn't name this table", where=Where(str(path)), remedy=REBUILD
            )
        return path, named

    def _require_whole(
        self,
        path: Path,
        named: Mapping[str, Any],
        sequence: str,
        rows: int,
        frame_ids: Iterable[str],
    ) -> None:
        """Refuse a table of other rows than the manifest says, or of another sequence's frames."""
        if rows != named["rows"] or not all(
            frame_id.startswith(f"{sequence}/") for frame_id in frame_ids
        ):
            raise self._damaged(path, f"{rows} rows")

    def _damaged(self, path: Path, value: str) -> InputError:
        return InputError(
            "the table isn't the one that the manifest names",
            where=Where(str(path)),
            value=value,
            remedy=REBUILD,
        )


def _require_bytes(path: Path, named: Mapping[str, Any]) -> None:
    """Refuse a table whose bytes aren't those that the manifest names."""
    if not path.is_file() or storage.sha256_of(path) != named["sha256"]:
        raise InputError(
            "the table is missing, or isn't the one that the manifest names",
            where=Where(str(path)),
            remedy=REBUILD,
        )


def _state_of(folder: Path) -> tuple[int, int, int] | None:
    """Return what tells one version of a dataset from the next: its manifest as a file."""
    try:
        about = (folder / MANIFEST).stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns
