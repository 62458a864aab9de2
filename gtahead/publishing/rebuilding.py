"""Match a user's own frames with published labels: by exact hash, then by how they look."""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gtahead import storage
from gtahead.arrays import Progress
from gtahead.dataset import FRAMES, Dataset, WrittenDataset, heads_file, splits_of, write_manifest
from gtahead.dataset.fingerprints import fingerprints_by_split, images_digest
from gtahead.errors import InputError, UsageError, Where
from gtahead.images.prepare import prepare
from gtahead.images.reading import (
    EXTENSIONS,
    IMAGE_SUFFIXES,
    ImageError,
    difference_hash,
    peek,
    read_bytes,
    read_header,
)
from gtahead.publishing.new_dataset import MADE_OF, new_dataset
from gtahead.publishing.releases import HASH_CELLS, HASHES, file_of_frame, with_images
from gtahead.storage import system
from gtahead.tables import canonical
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

NEAR_BITS = 25
"""Difference hashes of 256 bits that differ in at most so many are of one image, saved again."""

CLEAR_BITS = 6
"""How much further away the next frame has to be; else only the file's name can decide."""

MIN_BITS = 24
"""A hash with fewer bits of either kind is of an image in which there is next to nothing."""

FILES_AT_ONCE = 256

REPORT_COLUMNS = ("frame_id", "file", "how", "bits")

EXACT, ALIKE, NAMED = "exact", "alike", "alike and named so"


@dataclass(frozen=True)
class Match:
    """A frame's image.

    Attributes:
        frame_id: of the frame.
        file: path below the folder of images.
        how: `exact`: the same bytes; `alike`: it looks the same; `alike and named so`: several
            frames look the same, and the name says which.
        bits: by how many of 256 bits the difference hashes differ; None where bytes decided.
    """

    frame_id: str
    file: str
    how: str
    bits: int | None = None


@dataclass(repr=False)
class RebuildReport(WrittenDataset):
    """The result of a rebuild: which frames got an image.

    Attributes:
        out: the dataset's folder.
        frames: how many frames the labels have.
        matches: frames that got an image.
        missing: frames that got none.
        ambiguous: files that look like several frames.
        wrong_size: files that look like a frame and have another size.
        unreadable: files that aren't images.
        unused: files that look like no frame, or like one that has its image already.
        manifest: of the dataset.
    """

    out: Path
    frames: int
    matches: list[Match] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)
    wrong_size: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 where every frame has its image, else 3."""
        return 3 if self.missing else 0

    def counts(self) -> dict[str, int]:
        """Count matches by how they were found."""
        return {
            how: sum(match.how == how for match in self.matches) for how in (EXACT, ALIKE, NAMED)
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "out": str(self.out),
            "frames": self.frames,
            "matched": self.counts(),
            "missing": self.missing,
            "ambiguous": self.ambiguous,
            "wrong_size": self.wrong_size,
            "unreadable": self.unreadable,
            "unused": self.unused,
            "fingerprint": self.manifest.get("fingerprint"),
            "fingerprints": self.manifest.get("fingerprints"),
        }

    def write_csv(self, path: Path) -> None:
        """Write which file became which frame, and what became of the others."""
        with (
            storage.replacing(path) as part,
            part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(REPORT_COLUMNS)
            for match in self.matches:
                bits = "" if match.bits is None else match.bits
                rows.writerow([match.frame_id, storage.csv_cell(match.file), match.how, bits])
            rows.writerows([frame_id, "", "missing", ""] for frame_id in self.missing)
            others = {
                "ambiguous": self.ambiguous,
                "wrong size": self.wrong_size,
                "unreadable": self.unreadable,
                "unused": self.unused,
            }
            for how, names in others.items():
                rows.writerows(["", storage.csv_cell(name), how, ""] for name in names)


@dataclass(frozen=True)
class _FoundFrame:
    """A frame to be found."""

    frame_id: str
    sequence: str
    frame: str
    size_wh: tuple[int, int]
    source_stem: str | None
    sha256: str | None
    bits: npt.NDArray[np.uint64] | None


def check_report(path: Path) -> None:
    """Refuse a path for the report where there is something else.

    Raises:
        UsageError: no name.
        InputError: no folder, or a file that isn't an older report.
    """
    if not path.name:
        raise UsageError("no file is named", value="--report ''")
    storage.prepare_file(path, "the report")
    if not os.path.lexists(path):
        return
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.readline(100)
    if head.strip().decode("utf-8", "replace") != ",".join(REPORT_COLUMNS):
        raise InputError(
            "the file isn't an earlier report", where=Where(str(path)), remedy="choose another path"
        )


@resolve_urls(reads=["labels", "frames"], writes=["out"])
def rebuild(
    labels: StrPath,
    frames: StrPath,
    out: StrPath = "dataset",
    *,
    images: str = "link",
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> RebuildReport:
    """Make a dataset from published labels and one's own frames.

    A file belongs to the frame with its sha256. What is left over is compared by difference hash:
    a frame that was saved again, as JPEG or smaller in bytes, is found if it looks like one frame
    clearly more than like any other, or if its name (or its folder's and its own) says which.

    Args:
        labels: a release without images, or a dataset without them.
        frames: folder of images; folders below are searched too.
        out: the dataset's folder: new, empty, or a dataset with `overwrite`.
        images: `link` (hard links, copies where that can't be) or `copy`.
        overwrite: replace a dataset that stands at `out`.
        on_progress: called at the start and after each image.

    Raises:
        InputError: no labels, no images, or none of them matches.
        ResourceError: disk, rights, or another run with the same target.
    """
    if images not in ("link", "copy"):
        raise UsageError("unknown value of --images", value=images, remedy="link or copy")
    opened = Dataset.open(labels)
    root = Path(frames)
    if not root.is_dir():
        raise InputError(
            "no such folder", where=Where(str(root)), remedy="give the folder of your frames"
        )
    target = Path(out)
    for source in (root, opened.folder):
        storage.refuse_overlap(target, source, MADE_OF)
    wanted = _wanted(opened)
    report = RebuildReport(Path(out), len(wanted))
    files = sorted(_images_below(root))
    if not files:
        raise InputError("no images are there", where=Where(str(root)))
    _match(wanted, root, files, report, on_progress)
    found = {match.frame_id for match in report.matches}
    report.missing = [one.frame_id for one in wanted if one.frame_id not in found]
    if not report.matches:
        raise InputError(
            "none of the images belongs to these labels",
            where=Where(str(root)),
            value=f"{len(files):,} images",
            remedy="are they frames of this capture, and not cropped?",
        )
    with new_dataset(target, overwrite=overwrite) as part:
        _write(opened, wanted, root, part / "dataset", report, link=images == "link")
    return report


def _images_below(root: Path) -> Iterator[Path]:
    """Find images below a folder, and below folders that are linked into it, each once."""
    seen = set()
    for folder, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        for name in names:
            path = Path(folder) / name
            if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
                yield path


def _wanted(opened: Dataset) -> list[_FoundFrame]:
    hashes = _hashes(opened.folder / HASHES)
    columns = opened.frames(
        ["frame_id", "sequence", "frame", "width", "height", "source_file", "sha256"]
    )
    return [
        _FoundFrame(
            frame_id,
            sequence,
            frame,
            (width, height),
            None if source is None else Path(source).stem,
            sha256,
            hashes.get(frame_id),
        )
        for frame_id, sequence, frame, width, height, source, sha256 in zip(
            *columns.values(), strict=True
        )
    ]


def _hashes(path: Path) -> dict[str, npt.NDArray[np.uint64]]:
    """Read the difference hashes that were published, as words of 64 bits."""
    if not path.is_file():
        return {}
    digits = HASH_CELLS * HASH_CELLS // 4
    found = {}
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _bad_hashes(path, f"byte {error.start}", "not UTF-8") from error
    rows = csv.DictReader(text.splitlines())
    for row in rows:
        code = row.get("difference_hash")
        if code is None or (code and not re.fullmatch(f"[0-9a-f]{{{digits}}}", code)):
            raise _bad_hashes(path, f"line {rows.line_num}", code)
        if code:  # empty: the image didn't come with the labels
            found[row["frame_id"]] = _words(int(code, 16))
    return found


def _bad_hashes(path: Path, location: str, value: str | None) -> InputError:
    return InputError(
        "the hashes can't be read",
        where=Where(str(path), field=location),
        value=value,
        remedy="get the release again",
    )


def _words(value: int) -> npt.NDArray[np.uint64]:
    data = value.to_bytes(HASH_CELLS * HASH_CELLS // 8, "big")
    return np.frombuffer(data, ">u8").astype(np.uint64)


def _match(
    wanted: Sequence[_FoundFrame],
    root: Path,
    files: Sequence[Path],
    report: RebuildReport,
    on_progress: Progress | None,
) -> None:
    """Find each file's frame."""
    show = on_progress or (lambda done, total, name: None)
    by_hash: dict[str, list[_FoundFrame]] = {}
    for one in wanted:
        if one.sha256 is not None:
            by_hash.setdefault(one.sha256, []).append(one)
    taken: set[str] = set()
    left: list[Path] = []
    show(0, len(files), "")
    for done, path in enumerate(files, 1):
        # Frames that are the same to the byte: the file goes to the one of its name, or the next.
        try:
            digest = storage.sha256_of(path)
        except OSError:
            report.unreadable.append(path.relative_to(root).as_posix())
            continue
        same = [f for f in by_hash.get(digest, ()) if f.frame_id not in taken]
        named = [one for one in same if _is_named(path, one)]
        if same:
            chosen = (named or same)[0]
            taken.add(chosen.frame_id)
            name = path.relative_to(root).as_posix()
            report.matches.append(Match(chosen.frame_id, name, EXACT))
        else:
            left.append(path)
        show(done, len(files), path.name)
    for first in range(0, len(left), FILES_AT_ONCE):
        _match_alike(wanted, root, left[first : first + FILES_AT_ONCE], taken, report)
    report.matches.sort(key=lambda match: match.frame_id)


def _is_named(path: Path, frame: _FoundFrame) -> bool:
    """Return whether a file is called as the frame is, and its folders, if any, as its sequence."""
    stems = {frame.frame, frame.source_stem, f"{frame.sequence}_{frame.frame}"}
    if path.stem not in stems:
        return False
    return frame.sequence in (*path.parts, path.stem.rpartition("_")[0])


def _match_alike(
    wanted: Sequence[_FoundFrame],
    root: Path,
    files: Sequence[Path],
    taken: set[str],
    report: RebuildReport,
) -> None:
    """Compare files with the frames that have no image yet, by difference hash."""
    free = [one for one in wanted if one.bits is not None and one.frame_id not in taken]
    words = HASH_CELLS * HASH_CELLS // 64
    codes = np.array([one.bits for one in free], np.uint64).reshape(len(free), words)
    for path in files:
        name = path.relative_to(root).as_posix()
        try:
            data = read_bytes(path)
            header = read_header(data)
            mine = _words(difference_hash(data, cells=HASH_CELLS, reduced=False))
        except ImageError:
            report.unreadable.append(name)
            continue
        ones = int(np.bitwise_count(mine).sum())
        apart = np.bitwise_count(codes ^ mine).sum(axis=1) if free else np.zeros(0, int)
        near = np.flatnonzero(apart <= NEAR_BITS)
        if len(near) == 0 or not MIN_BITS <= ones <= HASH_CELLS**2 - MIN_BITS:
            report.unused.append(name)
            continue
        order = near[np.argsort(apart[near], kind="stable")]
        best = int(order[0])
        clear = len(order) == 1 or apart[order[1]] - apart[best] >= CLEAR_BITS
        # A name decides between frames that are equally near; it makes none nearer.
        nearest = [int(row) for row in order if apart[row] == apart[best]]
        named = [row for row in nearest if _is_named(path, free[row])]
        if not clear and len(named) != 1:
            report.ambiguous.append(name)
            continue
        row = named[0] if len(named) == 1 else best
        chosen = free[row]
        if chosen.frame_id in taken:
            report.unused.append(name)
        elif header.upright_wh != chosen.size_wh:
            report.wrong_size.append(name)
        else:
            taken.add(chosen.frame_id)
            how = ALIKE if clear and row == best else NAMED
            report.matches.append(Match(chosen.frame_id, name, how, int(apart[row])))


def _write(
    opened: Dataset,
    wanted: Sequence[_FoundFrame],
    root: Path,
    target: Path,
    report: RebuildReport,
    *,
    link: bool,
) -> None:
    """Write the dataset: the labels' tables, the images, and their new hashes."""
    (target / "heads").mkdir()
    for name in opened.sequences:
        file = heads_file(name)
        storage.link_or_copy(opened.folder / file, target / file, link=True)
    frames = {one.frame_id: one for one in wanted}
    files: dict[str, str] = {}
    hashes = {one.frame_id: one.sha256 for one in wanted}
    total = 0
    for match in report.matches:
        frame = frames[match.frame_id]
        file, sha256 = _place(root / match.file, frame, target, exact=match.how == EXACT, link=link)
        files[match.frame_id], hashes[match.frame_id] = file, sha256
        total += (target / file).stat().st_size

    canonical.write_frames_with(
        opened.folder / FRAMES,
        target / FRAMES,
        {
            "file": lambda ids: [files.get(frame_id) for frame_id in ids],
            "sha256": lambda ids: [hashes[frame_id] for frame_id in ids],
        },
    )
    report.manifest = _manifest(opened, wanted, hashes, target, len(files), total)
    write_manifest(target, report.manifest)


def _place(
    source: Path, frame: _FoundFrame, target: Path, *, exact: bool, link: bool
) -> tuple[str, str | None]:
    """Add an image to the dataset; one that isn't the published one is prepared first."""
    folder = target / "images" / frame.sequence
    folder.mkdir(parents=True, exist_ok=True)
    if exact:
        extension = EXTENSIONS.get(peek(source).format, source.suffix.lower())
        file = file_of_frame(frame.sequence, frame.frame, extension)
        storage.link_or_copy(source, target / file, link=link)
        return file, frame.sha256
    data = read_bytes(source)
    prepared = prepare(data, read_header(data))
    file = file_of_frame(frame.sequence, frame.frame, prepared.extension)
    if prepared.new_bytes is None:
        storage.link_or_copy(source, target / file, link=link)
        return file, hashlib.sha256(data).hexdigest()
    (target / file).write_bytes(prepared.new_bytes)
    system.sync_file(target / file)
    return file, hashlib.sha256(prepared.new_bytes).hexdigest()


def _manifest(
    opened: Dataset,
    wanted: Sequence[_FoundFrame],
    hashes: dict[str, str | None],
    target: Path,
    count: int,
    size: int,
) -> dict[str, Any]:
    """Return the labels' manifest with these images."""
    document = with_images(opened.manifest.document, target / FRAMES, count, size)
    by_sequence: dict[str, list[str]] = {}
    for one in wanted:
        by_sequence.setdefault(one.sequence, []).append(one.frame_id)
    digests = {
        name: images_digest({"frame_id": ids, "sha256": [hashes[one] for one in ids]})
        for name, ids in by_sequence.items()
    }
    splits = {name: split for name, split in splits_of(opened).items() if name in digests}
    whole = {name: {"images": digest} for name, digest in digests.items()}
    parts = fingerprints_by_split(whole, splits)["images"]
    return {
        **document,
        "sources": [
            {**source, "digests": {**source["digests"], "images": digests[source["sequence"]]}}
            if source["sequence"] in digests
            else source
            for source in document["sources"]
        ],
        "fingerprints": {**document["fingerprints"], "images": parts},
    }
