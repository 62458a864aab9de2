"""Codes of findings: what each says, its cause and its remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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
        cause: what usually brings it about, for `validate --explain` and the findings page.
        remedy: the way out, as the message ends.
    """

    severity: Severity
    sets_aside: str | None
    what: str
    cause: str
    remedy: str


def _error(sets_aside: str | None, what: str, cause: str, remedy: str) -> Code:
    return Code(Severity.ERROR, sets_aside, what, cause, remedy)


def _warning(sets_aside: str | None, what: str, cause: str, remedy: str) -> Code:
    return Code(Severity.WARNING, sets_aside, what, cause, remedy)


def _info(what: str, cause: str, remedy: str) -> Code:
    return Code(Severity.INFO, None, what, cause, remedy)


CODES: Mapping[str, Code] = {
    # Sequences
    "bad-name": _error(
        "sequence",
        "the folder's name can't name a sequence",
        "Names in another encoding than UTF-8, or of malice; very long ones.",
        "rename it: valid Unicode, at most 200 bytes, no control characters, no =+-@ at its front",
    ),
    "no-sequence-file": _error(
        "sequence",
        "the folder has no sequence.json",
        "The capture was stopped before it wrote it, or only a part was copied.",
        "write one (docs: captures), or move the folder out of the capture",
    ),
    "bad-json": _error(
        "sequence",
        "the JSON file can't be read",
        "The writer was stopped, the disk was full, or somebody edited it by hand.",
        "fix it, or capture it again",
    ),
    "bad-schema": _error(
        "sequence",
        "breaks the schema",
        "Another program wrote the file, or a field was renamed or left out.",
        "see `schemas/` and the captures page",
    ),
    "unknown-version": _error(
        "sequence",
        "format version is unknown",
        "The capture comes from a newer gtahead, or the number was mistyped.",
        "known versions: 1; a newer gtahead may read it",
    ),
    "unknown-key": _warning(
        None,
        "unknown key",
        "A misspelt key, or one that another tool adds.",
        "it is kept under `extra` where it isn't large; is it misspelt?",
    ),
    "bad-labels-file": _error(
        "sequence",
        "the labels can't be read",
        "The file was cut on the way, edited by hand, or isn't what it's called.",
        "fix the file, or get it again",
    ),
    "no-frames": _error(
        "sequence",
        "the sequence has no frames",
        "The capture was stopped before its first frame.",
        "it needs one at least: images or labels",
    ),
    "no-frames-left": _error(
        "sequence",
        "every frame of the sequence was set aside",
        "Every frame has a fault of its own; often the images weren't copied.",
        "see the findings on its frames",
    ),
    "labels-unreadable": _error(
        "sequence",
        "the labels can't be read",
        "Rights, a link to nowhere, or a disk that fails.",
        "fix the rights, the link or the disk",
    ),
    "no-heads-file": _error(
        "sequence",
        "the sequence has neither heads.csv nor heads.parquet",
        "The capture was stopped, or only the images were copied.",
        "a sequence without any head still needs the file, with its header line alone",
    ),
    "two-heads-files": _error(
        "sequence",
        "there are both heads.csv and heads.parquet",
        "The CSV was converted to Parquet and left where it was.",
        "remove the one that is stale",
    ),
    "bad-heads-file": _error(
        "sequence",
        "the heads file can't be read",
        "The writer was stopped, or the file was saved in another encoding.",
        "write it again",
    ),
    "missing-column": _error(
        "sequence",
        "a required column is missing",
        "Another kind of table, other names in its first line, or semicolons instead of commas, "
        "as spreadsheets write them.",
        "the captures page of the docs lists the columns of each kind; commas go between them",
    ),
    "no-labels-file": _error(
        "sequence",
        "the folder has images at most, no labels",
        "The images were copied without their labels.",
        "copy the labels beside them, or move the folder out of the capture",
    ),
    "unknown-column": _warning(
        None,
        "unknown column, not read",
        "A misspelt column, or one that another tool adds.",
        "is it misspelt?",
    ),
    "unit-crashed": _error(
        "sequence",
        "its worker process died twice",
        "The system killed the process for want of memory, or a library crashed.",
        "run with `--workers 1 --debug` to see it happen; out of memory is the usual cause",
    ),
    # Frames and images
    "bad-frame-name": _error(
        "frame",
        "the image's name can't name a frame",
        "Names in another encoding than UTF-8, of an old archive.",
        "rename it: valid Unicode, no folders, at most 200 bytes of UTF-8",
    ),
    "size-guessed": _warning(
        None,
        "nobody says how large the image is",
        "Labels were copied without their images, and don't say sizes.",
        "taken as far as its heads reach; put the image beside its labels",
    ),
    "size-differs": _warning(
        None,
        "the labels say another size than the image has",
        "Labels were made on a resized or turned copy, or copied from another image.",
        "the image is believed; were the labels made on a resized copy?",
    ),
    "other-class": _info(
        "objects that aren't heads were left out",
        "The dataset labels more than heads.",
        "fine if that was meant",
    ),
    "class-taken-as-head": _warning(
        None,
        "an unknown class name was taken as head",
        "A name mistyped while labelling: SCUT-HEAD has several.",
        "fix the labels if it isn't one",
    ),
    "duplicate-frame": _error(
        "frame",
        "the frame is listed twice",
        "Two recordings in one folder, or a list that was joined with itself.",
        "the first one is kept; number frames uniquely",
    ),
    "frame-gap": _info(
        "frame numbers have gaps",
        "Frames were left out while capturing, or sampled afterwards.",
        "fine if frames were left out on purpose",
    ),
    "labels-missing": _error(
        "frame",
        "the frame has no labels",
        "The labels of this image weren't copied, or were never made.",
        "copy them, or remove the frame: it isn't empty",
    ),
    "bad-frame-labels": _error(
        "frame",
        "the frame's labels can't be read",
        "The file was cut on the way, or edited by hand.",
        "copy them again, or remove the frame",
    ),
    "heads-lost": _error(
        "frame",
        "all heads of the frame were set aside or unreadable",
        "All rows of the frame are damaged, as where a column was shifted.",
        "it isn't empty but unknown; see the findings on its heads",
    ),
    "labels-cut-short": _error(
        "frame",
        "the labels break off here",
        "The game crashed, or the disk was full, while the tool wrote.",
        "the game crashed while writing? what comes after isn't empty but unknown, and is set "
        "aside too; a file that is whole ends with a line break",
    ),
    "first-frame-wrong": _error(
        "frame",
        "people or the camera stand elsewhere than in the next frame",
        "The tool records its first frame before the game has moved everything.",
        "the capture tool is known for a wrong frame 0; capture on if you need it",
    ),
    "projection-differs": _error(
        "frame",
        "the labelled pixels aren't where the camera sees the labelled positions",
        "Camera and people were recorded at different moments of the game.",
        "check the frame's camera and its rows; are they of one frame?",
    ),
    "images-after-labels": _warning(
        None,
        "images go on after the last label",
        "The game crashed, or nobody was in sight any more.",
        "they become frames without heads: right if nobody was there, wrong if the game crashed",
    ),
    "images-missing": _warning(
        None,
        "other sequences have images, this one has none",
        "Only labels were copied, or images are packed elsewhere.",
        "copy them, else it consists of labels alone",
    ),
    "image-not-used": _warning(
        None,
        "the image isn't named as the tool names them, or another has its number",
        "Images were renamed, or others lie in the folder.",
        "rename it (docs: captures), or move it out of the capture",
    ),
    "camera-differs": _warning(
        None,
        "rows of one frame give different cameras",
        "The camera moved while the tool went through the people of a frame.",
        "the one that most rows give is used; fix the rows",
    ),
    "camera-unknown": _warning(
        None,
        "the camera can't be read",
        "The tool wrote no camera, or one that was cut short.",
        "depths stay unknown; fix position, rotation and field of view",
    ),
    "ground-unknown": _warning(
        None,
        "the ground's height or outline can't be read",
        "The file of the ground was damaged on the way.",
        "copy the file again",
    ),
    "positions-unknown": _warning(
        None,
        "positions fit their pixels neither as the camera's nor as the world's",
        "The tool was run with another field of view than its notes say.",
        "depths stay unknown; is the focal length right?",
    ),
    "bad-depth": _warning(
        None,
        "the depth buffer can't be read, or contradicts a head's box",
        "The buffer was cut short, or is of another frame.",
        "depths come from the boxes; copy the buffer again",
    ),
    "bad-stencil": _warning(
        None,
        "the stencil can't be read, or has another size than the image",
        "The buffer was cut short, or taken at another resolution.",
        "who is hidden stays unknown; copy the file again",
    ),
    "unsafe-path": _error(
        "frame",
        "the path leaves the sequence's folder",
        "Paths of the machine where it was captured, or an archive that means harm.",
        "name files by relative paths with `/`, without `..`, drive or scheme",
    ),
    "image-missing": _error(
        "frame",
        "the image doesn't exist",
        "It wasn't copied, it was renamed, or its record is left over.",
        "add it or drop its record",
    ),
    "image-without-record": _warning(
        None,
        "no list of frames names the image",
        "An image without heads, which formats of points often don't list; or one that was added.",
        "list it, with or without heads, or move it away",
    ),
    "image-empty": _error(
        "frame",
        "the image has 0 bytes",
        "The disk was full, or a download was stopped.",
        "capture it again",
    ),
    "not-an-image": _error(
        "frame",
        "not an image in a known format",
        "A web server's page was saved under its name, or a file of another kind.",
        "save it as JPEG or PNG",
    ),
    "image-truncated": _error(
        "frame",
        "the image is cut short",
        "A download or the capture was stopped.",
        "capture or copy it again",
    ),
    "image-unreadable": _error(
        "frame", "the image can't be read", "Bytes were damaged on the way.", "capture it again"
    ),
    "image-too-large": _error(
        "frame",
        "the image is too large",
        "A panorama, or a header that was damaged or forged.",
        "the limit is 2^27 pixels or 1 GiB; scale it down",
    ),
    "deep-colour": _error(
        "frame",
        "the image isn't 8 bits a channel",
        "HDR or 16-bit captures; a depth map instead of the image.",
        "convert it: tone mapping is your decision",
    ),
    "wrong-size": _error(
        "frame",
        "the image has another size than its sequence says",
        "Images were resized without their labels, or the game changed resolution.",
        "fix the size that the labels give, or the image; were the images resized?",
    ),
    "flat-image": _error(
        "frame",
        "the image is of one colour: a loading screen, or nothing was drawn",
        "A loading screen, a fade, or a capture while the game was hidden.",
        "capture it again",
    ),
    "duplicate-image": _warning(
        "frame",
        "the same image as an earlier frame's",
        "The game was paused or too slow for the capture.",
        "the game was paused; drop the frame",
    ),
    "hash-mismatch": _error(
        "frame",
        "the image isn't the one that was recorded",
        "The image was saved again, resized or damaged since it was recorded.",
        "its sha256 differs: copy it again",
    ),
    "exif-orientation": _info(
        "the image was turned upright as its EXIF tag says, and its heads with it",
        "A camera that was held upright: the file's pixels lie on their side.",
        "it is written as a new file, the tag removed",
    ),
    "exif-removed": _info(
        "EXIF data was cut from the image",
        "Cameras and editors write time, location and device into images.",
        "it is written as a new file, pixels untouched",
    ),
    "colour-converted": _info(
        "the image was converted to 8-bit RGB",
        "The image is grey, has a palette or an alpha channel, or is CMYK.",
        "it is written as a new file",
    ),
    "given-splits-leak": _warning(
        None,
        "two splits that the capture gives share a location, a standpoint or an image",
        "The capture's own splits were made by frame or by clip, not by location.",
        "scores on them flatter; give such sequences one split",
    ),
    "same-image-twice": _warning(
        None,
        "two sequences share an image",
        "A sequence was copied under another name.",
        "remove one of them if it is a copy",
    ),
    # Heads
    "ragged-row": _error(
        "head",
        "the row has another number of fields than it should",
        "A comma inside a value, or a line that was cut.",
        "fix it",
    ),
    "bad-number": _error(
        "head", "not a number", "Text, a decimal comma, or a shifted column.", "fix the row"
    ),
    "not-finite": _error(
        "head",
        "the position isn't finite, or is absurd",
        "A division by nothing in the tool, or a position that was never set.",
        "the head can't be placed; fix the row",
    ),
    "head-without-frame": _error(
        "head",
        "the head's frame isn't listed in the sequence",
        "The frame was removed, or the two files count differently.",
        "list the frame or drop the row",
    ),
    "duplicate-head": _error(
        "head",
        "the same ped twice in a frame",
        "The tool wrote a person twice, or two files were joined.",
        "the first row is kept; number peds uniquely",
    ),
    "behind-camera": _warning(
        "head",
        "the head lies behind the camera",
        "The tool projects everybody, also those behind the camera.",
        "its pixels are mirrored and mean nothing",
    ),
    "no-head-joint": _error(
        "head",
        "the person has no head",
        "Rows are missing: every person has 22 joints there.",
        "the tool writes one for everybody: copy the labels again",
    ),
    "joints-disagree": _error(
        "head",
        "head_center isn't halfway between head_top and neck",
        "Rows were mixed up, or edited.",
        "the tool writes it so: rows were mixed up, or a joint is wrong",
    ),
    "head-misplaced": _error(
        "head",
        "the labelled pixel isn't where the camera sees the labelled position",
        "The pixel or the position was edited, or is of another frame.",
        "one of the two is wrong: fix the row",
    ),
    "not-projected": _info(
        "heads that the game couldn't project were left out",
        "The game gives no pixels for who is off screen.",
        "they were off screen",
    ),
    "not-a-person": _info(
        "animals were left out",
        "The tool records every living being near the camera.",
        "the tool records them beside people",
    ),
    "boxes-differ": _warning(
        None,
        "there are more or fewer boxes than points",
        "Boxes were labelled by another pass than points.",
        "the frame's boxes aren't used; run the labeler again",
    ),
    "head-outside-frame": _info(
        "the head lies outside the frame",
        "The person is near the border, or labels are of a larger image.",
        "it is kept, with in_frame = false",
    ),
    "bad-value": _warning(
        None,
        "the value is impossible and read as unknown",
        "A share above 1, a negative depth or a flag that is neither 0 nor 1.",
        "fix the row",
    ),
    "bad-box": _warning(
        None,
        "the captured box isn't finite, has no area or doesn't hold its head",
        "Corners exchanged, width and height instead of a corner, or another's box.",
        "its frame gets pseudo boxes; fix the row",
    ),
    # Files that are checked
    "file-unreadable": _error(
        None,
        "the file can't be read",
        "It was cut on the way, is damaged, or is of another kind.",
        "fix it, or get it again",
    ),
    "changed-meanwhile": _error(
        None,
        "the file changed while it was read",
        "A capture, a download or another command was still writing.",
        "check it again once nobody writes to it",
    ),
    "breaks-schema": _error(
        None,
        "breaks the schema",
        "The writer leaves out, renames or mistypes a field.",
        "`gtahead schema show NAME` prints it; write the file again",
    ),
    # Predictions
    "bad-prediction": _error(
        None,
        "it can't be read as a prediction",
        "A list of another shape: a box for a point, a string for a number.",
        "`gtahead schema show predictions` has the fields",
    ),
    "bad-count": _error(
        None,
        "the count is no number from 0 on",
        "A sum over a map that went below zero, or a division by zero.",
        "write how many heads were found, or leave it out",
    ),
    "bad-score": _error(
        None,
        "the score isn't between 0 and 1",
        "Logits instead of scores, or percent.",
        "scale scores to it, by a sigmoid, say",
    ),
    "not-a-number": _error(
        None,
        "a coordinate or score isn't finite, or is absurd",
        "The method diverged, or a box was divided by a width of zero.",
        "look for a division by zero in the method; leave such heads out",
    ),
    "no-such-image": _error(
        None,
        "the ground truth has no such image",
        "Names of files instead of ids, another split, or another dataset.",
        "name images `<sequence>/<frame>`; `gtahead benchmark --template` lists them all",
    ),
    "image-twice": _error(
        None,
        "the image is there twice",
        "Two parts of a run were joined that overlap.",
        "join the two, or drop one",
    ),
    "image-not-predicted": _error(
        None,
        "the image has no prediction",
        "The method's writer leaves out images in which it finds nothing.",
        "add it, with an empty list where nothing was found; or use --missing zero",
    ),
    "scored-as-empty": _warning(
        None,
        "the image has no prediction and is scored as if nothing was found",
        "It was asked for: --missing zero.",
        "say so wherever you give the figures",
    ),
    "other-split": _error(
        None,
        "the predictions are of another split",
        "The wrong file, or --split was forgotten.",
        "choose it with --split, or predict this one",
    ),
    "other-dataset": _error(
        None,
        "the predictions were made for another state of the dataset",
        "The dataset was built anew, from other captures or with other options.",
        "predict its images again; figures of two states can't be compared",
    ),
    "looks-normalised": _warning(
        None,
        "coordinates look like shares of the image",
        "The network's own units were written.",
        "multiply them by its width and height: they have to be pixels",
    ),
    "looks-resized": _warning(
        None,
        "coordinates look as if images had been resized",
        "The network's input was resized, and its output not scaled back.",
        "divide them by the factor: they have to be pixels of the stored image",
    ),
    "looks-swapped": _warning(
        None,
        "x and y look exchanged",
        "Rows and columns of an array were written as they come.",
        "write x, the column, first; an array's index is y, x",
    ),
    "looks-like-corners": _warning(
        None,
        "widths and heights look like far corners",
        "The detector's boxes are corners, and were written as they are.",
        "write x, y, width, height, not x0, y0, x1, y1",
    ),
    "looks-one-based": _warning(
        None,
        "coordinates look as if they counted from 1",
        "MATLAB, or MOT's text, counts from 1.",
        "take 1 from x and y: the first pixel's corner is 0, 0",
    ),
    "systematic-shift": _warning(
        None,
        "found heads lie beside the true ones, all to the same side",
        "Cells' corners were taken for their centres, or pixels for locations.",
        "is it half a pixel, half a stride, or another point of the head?",
    ),
    "scores-equal": _warning(
        None,
        "all scores are equal",
        "The writer put 1 for every score.",
        "AP ranks by score, so it says little; write what the method gives",
    ),
    "no-threshold": _warning(
        None,
        "no threshold is declared, so 0.5 is taken",
        "The file's `method` doesn't say from which score on a head counts.",
        "choose one on validation: --validation FILE, or `threshold` under `method`",
    ),
    "threshold-from-test": _warning(
        None,
        "the threshold was chosen on the split that is scored",
        "The file says so itself.",
        "choose it on validation; figures like these flatter",
    ),
    "few-clusters": _warning(
        None,
        "there are few sequences",
        "Frames of a sequence are alike, so what counts is the number of sequences.",
        "intervals are wide below 10, and there are none below 6: score more sequences",
    ),
    "resampled-by-image": _info(
        "the ground truth has no sequences, so intervals are over images",
        "Lists and COCO files of others don't say which images are alike.",
        "they are too narrow where images are alike",
    ),
    "duplicate-id": _error(
        None,
        "the id was given before",
        "Two files were joined without numbering anew.",
        "number them uniquely: whoever looks up an id finds one of them only",
    ),
    "ids-per-image": _error(
        None,
        "ids of annotations begin anew in each image",
        "The converter counts annotations from 1 in each image.",
        "number annotations through the whole file: COCO's evaluation keeps one of each id",
    ),
    "id-missing": _error(
        None,
        "there is no id, or it's no whole number",
        "The converter writes no ids, or writes them as text.",
        "give each its own number, from 1",
    ),
    "id-zero": _warning(
        None,
        "an annotation has the id 0",
        "The converter counts from 0; pycocotools takes a match with id 0 for none.",
        "count from 1: COCO's evaluation takes a hit on id 0 as a miss",
    ),
    "category-zero": _warning(
        None,
        "a category has the id 0",
        "The converter counts classes from 0, as YOLO does.",
        "count from 1: many programs take 0 as background",
    ),
    "reference-to-nothing": _error(
        None,
        "it refers to what isn't there",
        "Images or classes were removed without their annotations.",
        "add what it refers to, or drop it",
    ),
    "coco-keys-missing": _warning(
        None,
        "annotations lack `area` or `iscrowd`",
        "The converter writes boxes alone.",
        "write both: COCO's evaluation fails without them",
    ),
    "size-unknown": _warning(
        None,
        "the size of the image isn't said",
        "The converter doesn't open the images.",
        "write width and height, in pixels",
    ),
    "no-box": _warning(
        None,
        "the head has no box",
        "The dataset has points only.",
        "`gtahead annotate` gives boxes to points",
    ),
    "box-without-area": _error(
        None,
        "the box has no area",
        "A click instead of a drag while labelling, or a box cut at the border.",
        "drop it, or give it its width",
    ),
    "box-outside-frame": _error(
        None,
        "the box lies outside the image",
        "Labels of a larger copy, or xyxy corners taken for xywh.",
        "is it of another image, or of another size?",
    ),
    "box-over-border": _info(
        "the box reaches over the border",
        "Heads at the border are partly in the image.",
        "fine where boxes are whole",
    ),
    "boxes-from-one": _warning(
        None,
        "boxes seem to count pixels from 1",
        "Boxes come from MATLAB or Pascal VOC, which count pixels from 1.",
        "COCO counts from 0: take 1 from x and y, or every box is off by a pixel",
    ),
    "point-outside-box": _error(
        None,
        "the head's box doesn't hold its point",
        "Points and boxes were sorted differently, or one was edited.",
        "one of the two is wrong: fix it",
    ),
    "box-size-odd": _warning(
        None,
        "the box is far from the size that its distance predicts",
        "A body's box instead of a head's, a wrong depth, or somebody else's box.",
        "is it of another person, or of more than the head?",
    ),
    "exif-left": _warning(
        None,
        "the image carries EXIF data",
        "Images were added or replaced after the build.",
        "remove it before you publish: it may tell location, device and person",
    ),
    "table-missing": _error(
        None,
        "a table that the manifest names isn't there",
        "A file was lost while copying the dataset.",
        "build the dataset anew with --fresh",
    ),
    "table-changed": _error(
        None,
        "the file isn't the one that the manifest names",
        "Somebody edited the table, or copied it from another build.",
        "who changed it? build the dataset anew with --fresh",
    ),
    "unlisted-file": _warning(
        None,
        "the file belongs to no sequence of the manifest",
        "Somebody put a file there, or the manifest is an older one.",
        "move it out of the dataset",
    ),
    "file-missing": _error(
        None,
        "a file that the release lists isn't there",
        "A download or a copy was cut off, or somebody deleted it.",
        "copy the release again, or stage it anew",
    ),
    "file-changed": _error(
        None,
        "the file isn't the one that the release lists",
        "It was damaged on its way, or changed after the release was staged.",
        "copy the release again, or stage it anew: gtahead publish stage --overwrite",
    ),
    "bad-card": _error(
        None,
        "the card can't be published like that",
        "Text was left to be filled in, a block was cut, or the data changed under it.",
        "fix README.md, or run `gtahead card`",
    ),
    "bad-croissant": _error(
        None,
        "croissant.json can't be published like that",
        "A field was taken out or left empty, or the data changed under it.",
        "fix it, or run `gtahead card --croissant`, which writes it anew",
    ),
    "loads-differently": _error(
        None,
        "what `datasets` loads isn't what the manifest says",
        "A shard is of another release, or `datasets` reads it in another way.",
        "stage the release anew; if that doesn't help, report it with the version of `datasets`",
    ),
    "over-hub-limit": _warning(
        None,
        "larger than what the hub handles well",
        "Very many files, or very large images.",
        "https://huggingface.co/docs/hub/storage-limits says what happens then",
    ),
    "count-differs": _error(
        None,
        "two locations give different counts",
        "One of the two was edited, cut, or written by another run.",
        "one of them was changed, or its writer is wrong: write both again",
    ),
    "flag-differs": _error(
        None,
        "a flag isn't what the values say",
        "Coordinates or flags were edited without the other.",
        "build the dataset anew with --fresh",
    ),
    "out-of-order": _error(
        None,
        "rows aren't sorted by frame and head",
        "Rows were sorted or appended by another program.",
        "build the dataset anew with --fresh",
    ),
    "fingerprint-differs": _error(
        None,
        "the fingerprint isn't that of the tables",
        "Tables were changed after the build.",
        "scores would be booked on other data: build the dataset anew with --fresh",
    ),
    "sequence-in-two-splits": _error(
        None,
        "frames of one sequence are in two splits",
        "The split was made by frame; neighbours are nearly the same.",
        "split by sequence: neighbours are alike",
    ),
    "near-duplicate": _warning(
        None,
        "nearly the same image is in two splits",
        "One location was captured twice, or a sequence was copied under another name.",
        "scores on it flatter; give both sequences one split",
    ),
    "map-unreadable": _error(
        None,
        "the map can't be read",
        "The file was cut on the way, or cells were overwritten.",
        "export it again",
    ),
    "map-shape-differs": _error(
        None,
        "the map has another shape than its image and stride",
        "The map was resized, or is of another image.",
        "export it again",
    ),
    "map-sum-differs": _error(
        None,
        "the map's sum isn't the count",
        "The map was resized or cut without keeping its sum, or edited.",
        "export it again",
    ),
    "map-peaks-differ": _error(
        None,
        "the map's peaks aren't the heads",
        "The map was resized or blurred, or is of another frame.",
        "export it again",
    ),
    "speed-impossible": _warning(
        None,
        "a person moves faster than any person runs",
        "The game gives a person's id to the next one, or moved somebody.",
        "are ids used again for others, or frames missing?",
    ),
    "count-jump": _warning(
        None,
        "the number of heads jumps from one frame to the next",
        "The game removes people who are far or unseen, or labels were mixed up.",
        "did the game remove people, or does a frame have another's labels?",
    ),
    "label-lag": _error(
        None,
        "labels fit the images of other frames better",
        "The tool asks the game for positions some frames before or after the image.",
        "shift the labels by that many frames; the capture tool writes them late or early",
    ),
    "heads-on-flat-image": _error(
        None,
        "the image is of one colour, yet heads are labelled in it",
        "The tool went on while the game was loading.",
        "a loading screen was captured: drop the frame",
    ),
    "differs-from-dataset": _error(
        None,
        "the export doesn't hold what its dataset holds",
        "The export is of another dataset, another version, or was edited.",
        "export it again",
    ),
    "moved-against-dataset": _error(
        None,
        "coordinates are off by more than the format's precision",
        "The export was edited, or the dataset annotated anew since.",
        "export it again; was the export edited, or the dataset annotated anew?",
    ),
    # The dataset
    "box-rule-fell-back": _info(
        "frames lack what the box rule needs",
        "No depth, no camera or too few heads in these frames.",
        "their boxes come from the next rule of `auto`",
    ),
    "few-locations": _warning(
        None,
        "too few locations for three splits",
        "Few locations, or a capture that doesn't say them.",
        "capture more locations: sequences of one location can't be in two splits",
    ),
    "copied-images": _info(
        "images were copied, not linked",
        "Captures and dataset are on different disks, or the disk has no links.",
        "they can't be linked to where the dataset lies",
    ),
}
