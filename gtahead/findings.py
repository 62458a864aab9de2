"""What was noticed in the data: findings with stable codes, and the ledger that loses nothing.

A finding's code is a slug that scripts may count and waive; it never changes its meaning. What a
finding *sets aside* (a head, a frame, a whole sequence) is said by its code, so that the ledger
and the exit status follow from the findings alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gtahead.errors import Where, sentence

EXAMPLES_KEPT = 20
"""How many findings of one code are kept word for word; totals are always exact."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Code:
    """One kind of finding.

    Attributes:
        severity: how bad it is.
        sets_aside: "head", "frame" or "sequence" where the finding removes one, else None.
        what: the fault in words, as the message begins.
        remedy: the way out, as the message ends.
    """

    severity: Severity
    sets_aside: str | None
    what: str
    remedy: str


def _error(sets_aside: str | None, what: str, remedy: str) -> Code:
    return Code(Severity.ERROR, sets_aside, what, remedy)


def _warning(sets_aside: str | None, what: str, remedy: str) -> Code:
    return Code(Severity.WARNING, sets_aside, what, remedy)


def _info(what: str, remedy: str) -> Code:
    return Code(Severity.INFO, None, what, remedy)


CODES: Mapping[str, Code] = {
    # Sequences
    "bad-name": _error(
        "sequence",
        "the folder's name can't name a sequence",
        "rename it: valid Unicode, at most 200 bytes, no control characters, no =+-@ at its front",
    ),
    "no-sequence-file": _error(
        "sequence",
        "the folder has no sequence.json",
        "write one (docs: captures), or move the folder out of the capture",
    ),
    "bad-json": _error("sequence", "the JSON file can't be read", "mend it, or capture it again"),
    "bad-schema": _error("sequence", "breaks the schema", "see `schemas/` and the captures page"),
    "unknown-version": _error(
        "sequence", "format version is unknown", "known versions: 1; a newer gtahead may read it"
    ),
    "unknown-key": _warning(
        None, "unknown key", "it is kept under `extra` where it isn't large; is it misspelt?"
    ),
    "bad-labels-file": _error(
        "sequence", "the labels can't be read", "mend the file, or get it again"
    ),
    "no-frames": _error(
        "sequence", "the sequence has no frames", "it needs one at least: pictures or labels"
    ),
    "no-frames-left": _error(
        "sequence", "every frame of the sequence was set aside", "see the findings on its frames"
    ),
    "labels-unreadable": _error(
        "sequence", "the labels can't be read", "mend the rights, the link or the disk"
    ),
    "no-heads-file": _error(
        "sequence",
        "the sequence has neither heads.csv nor heads.parquet",
        "a sequence without any head still needs the file, with its header line alone",
    ),
    "two-heads-files": _error(
        "sequence", "there are both heads.csv and heads.parquet", "remove the one that is stale"
    ),
    "bad-heads-file": _error("sequence", "the heads file can't be read", "write it again"),
    "missing-column": _error(
        "sequence",
        "a required column is missing",
        "the captures page of the docs lists the columns of each kind; commas go between them",
    ),
    "no-labels-file": _error(
        "sequence",
        "the folder has pictures at most, no labels",
        "copy the labels beside them, or move the folder out of the capture",
    ),
    "unknown-column": _warning(None, "unknown column, not read", "is it misspelt?"),
    "unit-crashed": _error(
        "sequence",
        "its worker process died twice",
        "run with `--workers 1 --debug` to see it happen; out of memory is the usual cause",
    ),
    # Frames and pictures
    "bad-frame-name": _error(
        "frame",
        "the picture's name can't name a frame",
        "rename it: valid Unicode, no folders, at most 200 bytes of UTF-8",
    ),
    "size-guessed": _warning(
        None,
        "nobody says how large the picture is",
        "taken as far as its heads reach; put the picture beside its labels",
    ),
    "size-differs": _warning(
        None,
        "the labels say another size than the picture has",
        "the picture is believed; were the labels made on a resized copy?",
    ),
    "other-class": _info("objects that aren't heads were left out", "fine if that was meant"),
    "class-taken-as-head": _warning(
        None, "an unknown class name was taken as head", "mend the labels if it isn't one"
    ),
    "duplicate-frame": _error(
        "frame", "the frame is listed twice", "the first one is kept; number frames uniquely"
    ),
    "frame-gap": _info("frame numbers have gaps", "fine if frames were left out on purpose"),
    "labels-missing": _error(
        "frame", "the frame has no labels", "copy them, or remove the frame: it isn't empty"
    ),
    "bad-frame-labels": _error(
        "frame", "the frame's labels can't be read", "copy them again, or remove the frame"
    ),
    "heads-lost": _error(
        "frame",
        "all heads of the frame were set aside or unreadable",
        "it isn't empty but unknown; see the findings on its heads",
    ),
    "labels-cut-short": _error(
        "frame",
        "the labels break off here",
        "the game crashed while writing? what comes after isn't empty but unknown, and is set "
        "aside too; a file that is whole ends with a line break",
    ),
    "first-frame-wrong": _error(
        "frame",
        "people or the camera stand elsewhere than in the next frame",
        "the capture tool is known for a wrong frame 0; capture on if you need it",
    ),
    "projection-differs": _error(
        "frame",
        "the labelled pixels aren't where the camera sees the labelled positions",
        "check the frame's camera and its rows; are they of one frame?",
    ),
    "pictures-after-labels": _warning(
        None,
        "pictures go on after the last label",
        "they become frames without heads: right if nobody was there, wrong if the game crashed",
    ),
    "pictures-missing": _warning(
        None,
        "other sequences have pictures, this one has none",
        "copy them, else it consists of labels alone",
    ),
    "picture-not-used": _warning(
        None,
        "the picture isn't named as the tool names them, or another has its number",
        "rename it (docs: captures), or move it out of the capture",
    ),
    "camera-differs": _warning(
        None,
        "rows of one frame give different cameras",
        "the one that most rows give is used; mend the rows",
    ),
    "camera-unknown": _warning(
        None,
        "the camera can't be read",
        "depths stay unknown; mend position, rotation and field of view",
    ),
    "ground-unknown": _warning(
        None, "the ground's height or outline can't be read", "copy the file again"
    ),
    "positions-unknown": _warning(
        None,
        "positions fit their pixels neither as the camera's nor as the world's",
        "depths stay unknown; is the focal length right?",
    ),
    "bad-depth": _warning(
        None,
        "the depth buffer can't be read, or contradicts a head's box",
        "depths come from the boxes; copy the buffer again",
    ),
    "bad-stencil": _warning(
        None,
        "the stencil can't be read, or has another size than the picture",
        "who is hidden stays unknown; copy the file again",
    ),
    "unsafe-path": _error(
        "frame",
        "the path leaves the sequence's folder",
        "name files by relative paths with `/`, without `..`, drive or scheme",
    ),
    "picture-missing": _error("frame", "the picture doesn't exist", "add it or drop its record"),
    "picture-without-record": _warning(
        None,
        "no list of frames names the picture",
        "list it, with or without heads, or move it away",
    ),
    "picture-empty": _error("frame", "the picture has 0 bytes", "capture it again"),
    "not-a-picture": _error("frame", "not a picture in a known format", "save it as JPEG or PNG"),
    "picture-truncated": _error("frame", "the picture is cut short", "capture or copy it again"),
    "picture-unreadable": _error("frame", "the picture can't be read", "capture it again"),
    "picture-too-large": _error(
        "frame", "the picture is too large", "the limit is 2^27 pixels or 1 GiB; scale it down"
    ),
    "deep-colour": _error(
        "frame", "the picture isn't 8 bits a channel", "convert it: tone mapping is your decision"
    ),
    "wrong-size": _error(
        "frame",
        "the picture has another size than its sequence says",
        "mend the size that the labels give, or the picture; were the pictures resized?",
    ),
    "flat-picture": _error(
        "frame",
        "the picture is of one colour: a loading screen, or nothing was drawn",
        "capture it again",
    ),
    "duplicate-picture": _warning(
        "frame", "the same picture as an earlier frame's", "the game was paused; drop the frame"
    ),
    "hash-mismatch": _error(
        "frame", "the picture isn't the one that was recorded", "its sha256 differs: copy it again"
    ),
    "exif-orientation": _info(
        "the picture was turned upright as its EXIF tag says, and its heads with it",
        "it is written as a new file, the tag removed",
    ),
    "exif-removed": _info(
        "EXIF data was cut from the picture", "it is written as a new file, pixels untouched"
    ),
    "colour-converted": _info(
        "the picture was converted to 8-bit RGB", "it is written as a new file"
    ),
    "given-splits-leak": _warning(
        None,
        "two splits that the capture gives share a place, a standpoint or a picture",
        "scores on them flatter; give such sequences one split",
    ),
    "same-picture-twice": _warning(
        None,
        "two sequences share a picture",
        "remove one of them if it is a copy",
    ),
    # Heads
    "ragged-row": _error("head", "the row has another number of fields than it should", "mend it"),
    "bad-number": _error("head", "not a number", "mend the row"),
    "not-finite": _error(
        "head", "the position isn't finite, or is absurd", "the head can't be placed; mend the row"
    ),
    "head-without-frame": _error(
        "head", "the head's frame isn't listed in the sequence", "list the frame or drop the row"
    ),
    "duplicate-head": _error(
        "head", "the same ped twice in a frame", "the first row is kept; number peds uniquely"
    ),
    "behind-camera": _warning(
        "head", "the head lies behind the camera", "its pixels are mirrored and mean nothing"
    ),
    "no-head-joint": _error(
        "head", "the person has no head", "the tool writes one for everybody: copy the labels again"
    ),
    "joints-disagree": _error(
        "head",
        "head_center isn't halfway between head_top and neck",
        "the tool writes it so: rows were mixed up, or a joint is wrong",
    ),
    "head-misplaced": _error(
        "head",
        "the labelled pixel isn't where the camera sees the labelled position",
        "one of the two is wrong: mend the row",
    ),
    "not-projected": _info(
        "heads that the game couldn't project were left out", "they were off screen"
    ),
    "not-a-person": _info("animals were left out", "the tool records them beside people"),
    "boxes-differ": _warning(
        None,
        "there are more or fewer boxes than points",
        "the frame's boxes aren't used; run the labeler again",
    ),
    "head-outside-frame": _info(
        "the head lies outside the frame", "it is kept, with in_frame = false"
    ),
    "bad-value": _warning(None, "the value is impossible and read as unknown", "mend the row"),
    "bad-box": _warning(
        None,
        "the captured box isn't finite, has no area or doesn't hold its head",
        "its frame gets pseudo boxes; mend the row",
    ),
    # Files that are checked
    "file-unreadable": _error(None, "the file can't be read", "mend it, or get it again"),
    "changed-meanwhile": _error(
        None, "the file changed while it was read", "check it again once nobody writes to it"
    ),
    "breaks-schema": _error(
        None, "breaks the schema", "`gtahead schema show NAME` prints it; write the file again"
    ),
    # Predictions
    "bad-prediction": _error(
        None, "it can't be read as a prediction", "`gtahead schema show predictions` has the fields"
    ),
    "bad-count": _error(
        None, "the count is no number from 0 on", "write how many heads were found, or leave it out"
    ),
    "bad-score": _error(
        None, "the score isn't between 0 and 1", "scale scores to it, by a sigmoid, say"
    ),
    "not-a-number": _error(
        None,
        "a coordinate or score isn't finite, or is absurd",
        "look for a division by zero in the method; leave such heads out",
    ),
    "no-such-picture": _error(
        None,
        "the truth has no such picture",
        "name pictures `<sequence>/<frame>`; `gtahead benchmark --template` lists them all",
    ),
    "picture-twice": _error(None, "the picture is there twice", "join the two, or drop one"),
    "picture-not-predicted": _error(
        None,
        "the picture has no prediction",
        "add it, with an empty list where nothing was found; or use --missing zero",
    ),
    "scored-as-empty": _warning(
        None,
        "the picture has no prediction and is scored as if nothing was found",
        "say so wherever you give the figures",
    ),
    "other-split": _error(
        None, "the predictions are of another split", "choose it with --split, or predict this one"
    ),
    "other-dataset": _error(
        None,
        "the predictions were made for another state of the data set",
        "predict its pictures again; figures of two states can't be compared",
    ),
    "looks-normalised": _warning(
        None,
        "coordinates look like shares of the picture",
        "multiply them by its width and height: they have to be pixels",
    ),
    "looks-resized": _warning(
        None,
        "coordinates look as if pictures had been resized",
        "divide them by the factor: they have to be pixels of the stored picture",
    ),
    "looks-swapped": _warning(
        None, "x and y look exchanged", "write x, the column, first; an array's index is y, x"
    ),
    "looks-like-corners": _warning(
        None,
        "widths and heights look like far corners",
        "write x, y, width, height, not x0, y0, x1, y1",
    ),
    "looks-one-based": _warning(
        None,
        "coordinates look as if they counted from 1",
        "take 1 from x and y: the first pixel's corner is 0, 0",
    ),
    "systematic-shift": _warning(
        None,
        "found heads lie beside the true ones, all to the same side",
        "is it half a pixel, half a stride, or another point of the head?",
    ),
    "scores-equal": _warning(
        None,
        "all scores are equal",
        "AP ranks by score, so it says little; write what the method gives",
    ),
    "no-threshold": _warning(
        None,
        "no threshold is declared, so 0.5 is taken",
        "choose one on validation: --validation FILE, or `threshold` under `method`",
    ),
    "threshold-from-test": _warning(
        None,
        "the threshold was chosen on the split that is scored",
        "choose it on validation; figures like these flatter",
    ),
    "few-clusters": _warning(
        None,
        "there are few sequences",
        "intervals are wide below 10, and there are none below 6: score more sequences",
    ),
    "resampled-by-picture": _info(
        "the truth has no sequences, so intervals are over pictures",
        "they are too narrow where pictures are alike",
    ),
    "duplicate-id": _error(
        None,
        "the id was given before",
        "number them uniquely: whoever looks up an id finds one of them only",
    ),
    "ids-per-image": _error(
        None,
        "ids of annotations begin anew in each image",
        "number annotations through the whole file: COCO's evaluation keeps one of each id",
    ),
    "id-missing": _error(
        None, "there is no id, or it's no whole number", "give each its own number, from 1"
    ),
    "id-zero": _warning(
        None,
        "an annotation has the id 0",
        "count from 1: COCO's evaluation takes a hit on id 0 as a miss",
    ),
    "category-zero": _warning(
        None, "a category has the id 0", "count from 1: many programs take 0 as background"
    ),
    "reference-to-nothing": _error(
        None, "it refers to what isn't there", "add what it refers to, or drop it"
    ),
    "coco-keys-missing": _warning(
        None,
        "annotations lack `area` or `iscrowd`",
        "write both: COCO's evaluation fails without them",
    ),
    "size-unknown": _warning(
        None, "the size of the picture isn't said", "write width and height, in pixels"
    ),
    "no-box": _warning(None, "the head has no box", "`gtahead annotate` gives boxes to points"),
    "box-without-area": _error(None, "the box has no area", "drop it, or give it its width"),
    "box-outside-frame": _error(
        None, "the box lies outside the picture", "is it of another picture, or of another size?"
    ),
    "box-over-border": _info("the box reaches over the border", "fine where boxes are whole"),
    "boxes-from-one": _warning(
        None,
        "boxes seem to count pixels from 1",
        "COCO counts from 0: take 1 from x and y, or every box is off by a pixel",
    ),
    "point-outside-box": _error(
        None, "the head's box doesn't hold its point", "one of the two is wrong: mend it"
    ),
    "box-size-odd": _warning(
        None,
        "the box is far from the size that its distance predicts",
        "is it of another person, or of more than the head?",
    ),
    "exif-left": _warning(
        None,
        "the picture carries EXIF data",
        "remove it before you publish: it may tell place, device and person",
    ),
    "table-missing": _error(
        None, "a table that the manifest names isn't there", "build the data set anew with --fresh"
    ),
    "table-changed": _error(
        None,
        "the file isn't the one that the manifest names",
        "who changed it? build the data set anew with --fresh",
    ),
    "unlisted-file": _warning(
        None, "the file belongs to no sequence of the manifest", "move it out of the data set"
    ),
    "file-missing": _error(
        None,
        "a file that the release lists isn't there",
        "copy the release again, or stage it anew",
    ),
    "file-changed": _error(
        None,
        "the file isn't the one that the release lists",
        "copy the release again, or stage it anew: gtahead publish stage --overwrite",
    ),
    "bad-card": _error(
        None, "the card can't be published like that", "mend README.md, or run `gtahead card`"
    ),
    "bad-croissant": _error(
        None,
        "croissant.json can't be published like that",
        "mend it, or run `gtahead card --croissant`, which writes it anew",
    ),
    "loads-differently": _error(
        None,
        "what `datasets` loads isn't what the manifest says",
        "stage the release anew; if that doesn't help, report it with the version of `datasets`",
    ),
    "over-hub-limit": _warning(
        None,
        "larger than what the hub handles well",
        "https://huggingface.co/docs/hub/storage-limits says what happens then",
    ),
    "count-differs": _error(
        None,
        "two places give different counts",
        "one of them was changed, or its writer is wrong: write both again",
    ),
    "flag-differs": _error(
        None, "a flag isn't what the values say", "build the data set anew with --fresh"
    ),
    "out-of-order": _error(
        None, "rows aren't sorted by frame and head", "build the data set anew with --fresh"
    ),
    "fingerprint-differs": _error(
        None,
        "the fingerprint isn't that of the tables",
        "scores would be booked on other data: build the data set anew with --fresh",
    ),
    "sequence-in-two-splits": _error(
        None, "frames of one sequence are in two splits", "split by sequence: neighbours are alike"
    ),
    "near-duplicate": _warning(
        None,
        "nearly the same picture is in two splits",
        "scores on it flatter; give both sequences one split",
    ),
    "map-unreadable": _error(None, "the map can't be read", "export it again"),
    "map-shape-differs": _error(
        None, "the map has another shape than its picture and stride", "export it again"
    ),
    "map-sum-differs": _error(None, "the map's sum isn't the count", "export it again"),
    "map-peaks-differ": _error(None, "the map's peaks aren't the heads", "export it again"),
    "speed-impossible": _warning(
        None,
        "a person moves faster than any person runs",
        "are ids used again for others, or frames missing?",
    ),
    "count-jump": _warning(
        None,
        "the number of heads jumps from one frame to the next",
        "did the game remove people, or does a frame have another's labels?",
    ),
    "label-lag": _error(
        None,
        "labels fit the pictures of other frames better",
        "shift the labels by that many frames; the capture tool writes them late or early",
    ),
    "heads-on-flat-picture": _error(
        None,
        "the picture is of one colour, yet heads are labelled in it",
        "a loading screen was captured: drop the frame",
    ),
    "differs-from-dataset": _error(
        None, "the export doesn't hold what its data set holds", "export it again"
    ),
    "moved-against-dataset": _error(
        None,
        "coordinates are off by more than the format's precision",
        "export it again; was the export edited, or the data set annotated anew?",
    ),
    # The data set
    "box-rule-fell-back": _info(
        "frames lack what the box rule needs", "their boxes come from the next rule of `auto`"
    ),
    "few-places": _warning(
        None,
        "too few places for three splits",
        "capture more places: sequences of one place can't be in two splits",
    ),
    "copied-pictures": _info(
        "pictures were copied, not linked", "they can't be linked to where the data set lies"
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed, with its place."""

    code: str
    where: Where
    value: object = None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            msg = f"unknown finding code {self.code!r}"
            raise ValueError(msg)

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code].severity

    @property
    def what(self) -> str:
        """The fault in words."""
        kind = CODES[self.code]
        return f"{kind.what}: {self.detail}" if self.detail else kind.what

    def __str__(self) -> str:
        kind = CODES[self.code]
        text = sentence(self.what, where=self.where, value=self.value, remedy=kind.remedy)
        return f"{kind.severity} {self.code}: {text}"

    def as_dict(self) -> dict[str, Any]:
        """Give the finding as JSON-ready values."""
        kind = CODES[self.code]
        row: dict[str, Any] = {
            "code": self.code,
            "severity": kind.severity.value,
            "where": self.where.as_dict(),
            "what": self.what,
            "remedy": kind.remedy,
        }
        if self.value is not None:
            plain = isinstance(self.value, (str, int, bool))
            row["value"] = self.value if plain else str(self.value)
        if self.detail:
            row["detail"] = self.detail
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Finding:
        """Take back what `as_dict` gave."""
        return cls(row["code"], Where(**row["where"]), row.get("value"), row.get("detail", ""))


@dataclass
class Findings:
    """Findings as they come in: exact totals, and the first examples of each code."""

    totals: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Finding]] = field(default_factory=dict)

    def add(self, code: str, where: Where, value: object = None, detail: str = "") -> None:
        """Note one finding."""
        self.add_many(code, 1, [Finding(code, where, value, detail)])

    def add_many(self, code: str, total: int, examples: Iterable[Finding]) -> None:
        """Note `total` findings of one code, of which `examples` are given word for word."""
        if total <= 0:
            return
        self.totals[code] = self.totals.get(code, 0) + total
        kept = self.examples.setdefault(code, [])
        for example in examples:
            if len(kept) >= EXAMPLES_KEPT:
                break
            kept.append(example)

    def merge(self, other: Findings) -> None:
        """Take over another part's findings, behind one's own."""
        for code, total in other.totals.items():
            self.add_many(code, total, other.examples.get(code, ()))

    def __iter__(self) -> Iterator[Finding]:
        order = list(CODES)
        for code in sorted(self.examples, key=order.index):
            yield from self.examples[code]

    def __len__(self) -> int:
        return sum(self.totals.values())

    def by_code(self) -> Iterator[tuple[str, list[Finding]]]:
        """Give each code's examples: errors, then warnings, then notes."""
        severities = list(Severity)
        codes = [code for code in CODES if code in self.totals]
        for code in sorted(codes, key=lambda one: severities.index(CODES[one].severity)):
            yield code, self.examples.get(code, [])

    def by_severity(self) -> dict[str, int]:
        """Count findings by severity."""
        counts = {severity.value: 0 for severity in Severity}
        for code, total in self.totals.items():
            counts[CODES[code].severity.value] += total
        return counts

    @property
    def summed(self) -> str:
        """How many there are, in words."""
        words = {"error": "error", "warning": "warning", "info": "note"}
        counts = self.by_severity()
        parts = [f"{n:,} {words[name]}{'s' * (n != 1)}" for name, n in counts.items() if n]
        return ", ".join(parts) or "nothing found"

    def reach(self, level: str) -> bool:
        """Say whether there is a finding of this severity, or a worse one."""
        order = [severity.value for severity in Severity]
        counts = self.by_severity()
        return any(counts[name] for name in order[: order.index(level) + 1])

    @property
    def anything_set_aside(self) -> bool:
        """Whether a head, frame or sequence was removed."""
        return any(CODES[code].sets_aside for code in self.totals)

    def as_dict(self) -> dict[str, Any]:
        """Give totals and examples as JSON-ready values, in the order of `CODES`."""
        codes = [code for code in CODES if code in self.totals]
        return {
            "totals": {code: self.totals[code] for code in codes},
            "examples": [finding.as_dict() for finding in self],
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Findings:
        """Take back what `as_dict` gave."""
        findings = cls(dict(row["totals"]))
        for example in row["examples"]:
            findings.examples.setdefault(example["code"], []).append(Finding.from_dict(example))
        return findings


@dataclass
class Flow:
    """How many of one thing came into a stage, and how many left it, by reason."""

    came: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """What goes on to the next stage."""
        return self.came - sum(self.dropped.values())

    def drop(self, reason: str, count: int = 1) -> None:
        """Take `count` out for `reason`."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def add(self, other: Flow) -> None:
        """Sum two parts of the same stage."""
        self.came += other.came
        for reason, count in other.dropped.items():
            self.drop(reason, count)

    def as_dict(self) -> dict[str, Any]:
        """Give the flow as JSON-ready values."""
        return {
            "in": self.came,
            "out": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Flow:
        """Take back what `as_dict` gave."""
        return cls(row["in"], dict(row["dropped"]))


@dataclass
class Ledger:
    """Sequences, frames and heads: in = out + dropped by reason, for a whole build or a part."""

    sequences: Flow = field(default_factory=Flow)
    frames: Flow = field(default_factory=Flow)
    heads: Flow = field(default_factory=Flow)

    def add(self, other: Ledger) -> None:
        """Sum two parts."""
        self.sequences.add(other.sequences)
        self.frames.add(other.frames)
        self.heads.add(other.heads)

    def as_dict(self) -> dict[str, Any]:
        """Give the ledger as JSON-ready values."""
        return {
            "sequences": self.sequences.as_dict(),
            "frames": self.frames.as_dict(),
            "heads": self.heads.as_dict(),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Ledger:
        """Take back what `as_dict` gave."""
        return cls(
            Flow.from_dict(row["sequences"]),
            Flow.from_dict(row["frames"]),
            Flow.from_dict(row["heads"]),
        )
