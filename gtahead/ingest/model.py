"""What every reader of captures returns: one sequence, with its frames and heads as columns."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gtahead import storage
from gtahead.arrays import Columns
from gtahead.errors import UsageError, Where, printable
from gtahead.findings import Finding, Findings, Ledger
from gtahead.geometry import Camera
from gtahead.images.reading import ImageError
from gtahead.origins import origin_in

ClassKey = int | str
"""What an object carries to say its class: a number, or the name itself."""

SKEL_HEAD = "skel-head"
"""Kind of a point that is the game's bone SKEL_Head, which sits at the base of the skull."""


ORIENTATIONS = ("upright", "stored")


@dataclass(frozen=True)
class LabelOptions:
    """How other people's labels are to be taken where they don't say it themselves.

    Attributes:
        head_class: name or number of the class that is heads; None where gtahead is to find it.
        orientation: `upright` or `stored`: which pixels labels mean where an image has an
            orientation tag; None for what is usual in the format.
    """

    head_class: str | None = None
    orientation: str | None = None

    def __post_init__(self) -> None:
        if self.orientation not in (None, *ORIENTATIONS):
            raise UsageError(
                "unknown value of --labels-orientation",
                value=self.orientation,
                remedy=f"one of {', '.join(ORIENTATIONS)}",
            )

    def as_dict(self) -> dict[str, str]:
        """Return what was given, by the names that a manifest uses."""
        given = {"class": self.head_class, "labels_orientation": self.orientation}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class SequenceSource:
    """Where one sequence of a capture lies; cheap to make and to send to a worker.

    Attributes:
        reader: name in `READERS`.
        root: the capture's folder.
        name: the sequence's name, unique in the capture.
        path: of its labels, relative to the root: a folder or a file.
        split: the split that the capture gives it, if any.
        state: what was there when the capture was listed, for readers that list it only once.
        labels: how labels are to be taken.
        head_classes: what objects that are heads carry: names or numbers of classes; None where
            the format has no classes.
    """

    reader: str
    root: Path
    name: str
    path: str
    split: str | None = None
    state: tuple[Any, ...] = ()
    labels: LabelOptions = field(default_factory=LabelOptions)
    head_classes: frozenset[ClassKey] | None = None

    def unreadable(self, error: OSError) -> Finding:
        """Return a finding for labels that the system can't read, by their path in the capture."""
        file = os.path.relpath(error.filename, self.root) if error.filename else self.path
        where = Where(file.replace(os.sep, "/"), self.name)
        return Finding("labels-unreadable", where, detail=error.strerror or str(error))


@dataclass(frozen=True)
class LayerFiles:
    """One shot of a frame whose people were drawn in several passes.

    Attributes:
        shown: the screen with the people of this pass.
        empty: the screen without them; None where it is missing.
        stencil: bytes, row by row, that tell people from the rest.
    """

    shown: str
    empty: str | None
    stencil: str


@dataclass(frozen=True)
class CapturedFrame:
    """One frame as captured.

    Attributes:
        frame: its name within the sequence; numbers are padded to six digits.
        file: the image, relative to the capture's root; None where there is none.
        camera: None where it isn't known.
        sha256: of the image, where the capture recorded it.
        fault: code of a finding, noted by the reader, that sets the frame aside; it stays listed
            so that its heads are booked with it.
        layers: where the tool drew its people in several passes, the shots that the image is put
            together from, relative to the root; `file` is the first of them.
        ground_m: height of the ground in the world, z, where people stand on one level.
        weather: where it isn't the sequence's.
        hour: likewise.
        size_wh: of the image as the heads' pixels mean it, where it isn't the sequence's.
        row: where the image lies in `file`, if that is no image but holds several.
        upright: whether the heads' pixels are those of the image once its orientation tag is
            applied, where the size alone doesn't tell.
        own_id: that the labels give it, a number or text, by which results may name it.
        split: that it is given, where its sequence's frames are in several.
        listed_in: the file of labels, relative to the root, that lists it.
    """

    frame: str
    file: str | None
    camera: Camera | None = None
    sha256: str | None = None
    fault: str | None = None
    layers: tuple[LayerFiles, ...] = ()
    ground_m: float | None = None
    weather: str | None = None
    hour: float | None = None
    size_wh: tuple[int, int] | None = None
    row: int | None = None
    upright: bool = False
    own_id: int | str | None = None
    split: str | None = None
    listed_in: str | None = None

    def path(self, root: Path) -> Path:
        """Return where the image is.

        Raises:
            ImageError: the labels name none.
        """
        if self.file is None:
            raise ImageError("image-missing", "its labels name none")
        return root / self.file


@dataclass
class CapturedSequence:
    """One sequence as read: frames in order, heads sorted by frame and id.

    Attributes:
        name: of the sequence.
        size_wh: of every image as stored, in pixels, unless a frame says otherwise.
        frames: sorted by name.
        heads: columns named as the canonical table's, with `frame_index` into `frames`;
            `captured_*` is the capture's own box. Columns that aren't there are unknown.
        images: False where the sequence consists of labels alone.
        lost_frames: indices of frames in which heads were lost to a fault: where none is left, the
            frame isn't empty but unknown.
        origin: where its images come from, if the sequence itself says so.
        made: what the labels don't have and gtahead made up: `points`, the middles of boxes, and
            `ids`, running numbers.
        guessed_sizes: indices of frames whose size was guessed from where their heads are.
    """

    name: str
    size_wh: tuple[int, int]
    frames: list[CapturedFrame]
    heads: Columns
    images: bool = True
    fps: float | None = None
    weather: str | None = None
    hour: float | None = None
    location: str | None = None
    split: str | None = None
    origin: str | None = None
    made: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)
    lost_frames: set[int] = field(default_factory=set)
    guessed_sizes: set[int] = field(default_factory=set)

    @property
    def sizes_wh(self) -> list[tuple[int, int]]:
        """Sizes of the images, one per frame."""
        return [frame.size_wh or self.size_wh for frame in self.frames]


class BrokenSequence(Exception):  # noqa: N818 - a verdict on data, not a fault of the program
    """The whole sequence is set aside; the finding that says why is already noted."""


@dataclass(frozen=True)
class Reader:
    """One kind of capture.

    Attributes:
        name: as `--from` takes it.
        title: in a few words.
        recognise: given a folder, why it is such a capture; None where it isn't.
        list_sequences: the capture's sequences in order; notes what is no sequence.
        read: one sequence; notes findings and keeps the ledger of frames and heads.
        inputs: the files of a sequence that decide about its labels, and those that hold images.
        unpack: given the root and a frame with a `row`, the bytes of its image.
        configure: the same reader with other options; None where labels leave no question.
        origin: where images of this kind come from, unless a sequence says otherwise.
        video: whether a sequence's frames follow one another in time, so that splits keep them
            together.
    """

    name: str
    title: str
    recognise: Callable[[Path], str | None]
    list_sequences: Callable[[Path, Findings], list[SequenceSource]]
    read: Callable[[SequenceSource, Findings, Ledger], CapturedSequence]
    inputs: Callable[[SequenceSource], tuple[list[Path], list[Path]]]
    unpack: Callable[[Path, CapturedFrame], bytes] | None = None
    configure: Callable[[LabelOptions], Reader] | None = None
    origin: str = "game"
    video: bool = True

    def sequences(self, root: Path, findings: Findings) -> list[SequenceSource]:
        """List a capture's sequences, but for those whose name can't name files: they are noted."""
        found: dict[str, SequenceSource] = {}
        for source in self.list_sequences(root, findings):
            folded = storage.folded_name(source.name)
            where = Where(printable(source.name if source.path == "." else source.path))
            if not storage.can_name(source.name):
                findings.add("bad-name", where)
            elif folded in found:
                other = found[folded].name
                findings.add("bad-name", where, detail=f"but for case or accents, it is {other}")
            else:
                found[folded] = source
        return list(found.values())

    def with_options(self, options: LabelOptions) -> Reader:
        """Return this reader, taking labels by these options.

        Raises:
            UsageError: they say what this kind of capture itself knows.
        """
        if not options.as_dict():
            return self
        if self.configure is None:
            raise UsageError(
                "--class and --labels-orientation are for other people's labels",
                value=self.name,
                remedy="leave them out: a capture says itself what its heads are",
            )
        return self.configure(options)


def inputs_digest(
    labels: Iterable[Path], images: Iterable[Path], root: Path, options: bytes = b""
) -> str:
    """Hash what a sequence is made from: labels, names and sizes of images, and the options."""
    total = hashlib.sha256(b"gtahead inputs 1\n" + options)
    for path in labels:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(os.fsencode(path.relative_to(root).as_posix()) + f" {digest}\n".encode())
    for path in sorted(images):
        try:
            size = path.stat().st_size
        except OSError:
            size = -1
        total.update(os.fsencode(path.relative_to(root).as_posix()) + f" {size}\n".encode())
    return total.hexdigest()


SIMULATION = "simulation.json"
"""Beside labels that gtahead simulated in another tool's layout: what they are."""


def simulation_of(folder: Path) -> dict[str, Any]:
    """Read the description of a simulated sequence; empty if gtahead didn't simulate it."""
    try:
        document = orjson.loads((folder / SIMULATION).read_bytes())
    except (OSError, ValueError):
        return {}
    ours = isinstance(document, dict) and document.get("simulated") is True
    return document if ours else {}


def mark_simulated(sequence: CapturedSequence, folder: Path) -> None:
    """Mark a sequence as simulated if its folder says so."""
    document = simulation_of(folder)
    sequence.origin = origin_in(document)
    kept = ("tool", "licence", "seed")
    sequence.about |= {name: document[name] for name in kept if name in document}
