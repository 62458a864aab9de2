"""Bad captures: the exact message of each, what is kept, and the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import HEADER, ROWS, edit_sequence, gtahead, image, make_sequence, write_rows

from gtahead import Dataset

Mutation = Callable[[Path], object]
IMAGE = "seq/frames/000001.jpg > sequence seq > frame 000001"
DOCUMENT = "seq/sequence.json > sequence seq"
HEADS = "seq/heads.csv > sequence seq"
MEND_ROW = "fix the row"


def _put(data: bytes) -> Mutation:
    return lambda folder: (folder / "frames/000001.jpg").write_bytes(data)


def _rows(*extra: str, header: str = HEADER, only: bool = False) -> Mutation:
    return lambda folder: write_rows(folder, [*([] if only else ROWS), *extra], header)


def _edit(**keys: object) -> Mutation:
    return lambda folder: edit_sequence(folder, lambda document: document.update(keys))


def _file_of_frame_1(file: object) -> Mutation:
    return lambda folder: edit_sequence(
        folder, lambda document: document["frames"][1].update(file=file)
    )


FLAT = bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1])
DEEP = bytes(
    cv2.imencode(".png", np.arange(48 * 64 * 3, dtype=np.uint16).reshape(48, 64, 3) * 7)[1]
)

# name: how the sequence `seq` is spoilt; frames and heads that are kept in all (of 8 and 8, the
# other half in an unspoilt sequence); lines on stderr
CASES: dict[str, tuple[Mutation, int, int, list[str]]] = {
    "no frames": (
        _edit(frames=[]),
        4,
        4,
        [
            f"error[no-frames]: {DOCUMENT} > frames: the sequence has no frames; it needs at least one, an image or labels"
        ],
    ),
    "no heads file": (
        lambda folder: (folder / "heads.csv").unlink(),
        4,
        4,
        [
            "error[no-heads-file]: seq > sequence seq: the sequence has neither heads.csv nor "
            "heads.parquet; a sequence without any head still needs the file, with its header line alone"
        ],
    ),
    "no heads at all": (_rows(only=True), 8, 4, []),
    "empty heads file": (
        lambda folder: (folder / "heads.csv").write_bytes(b""),
        4,
        4,
        [
            f"error[bad-heads-file]: {HEADS} > line 1: the heads file can't be read: the file has no "
            "header line; write it again"
        ],
    ),
    "heads for a frame that isn't there": (
        _rows("7,1,3,5,3"),
        8,
        8,
        [
            "error[head-without-frame]: seq/heads.csv > sequence seq > frame 000007 > head 1 > line 6: "
            "the head's frame isn't listed in the sequence; list the frame or drop the row"
        ],
    ),
    "frame without image": (
        lambda folder: (folder / "frames/000001.jpg").unlink(),
        7,
        7,
        [f"error[image-missing]: {IMAGE}: the image doesn't exist; add it or drop its record"],
    ),
    "frame that names no image": (
        _file_of_frame_1(None),
        7,
        7,
        [
            f"error[image-missing]: {DOCUMENT} > frame 000001 > file: the image doesn't exist; add "
            "it or drop its record",
            "warning[image-without-record]: seq/frames/000001.jpg > sequence seq: the image isn't in any "
            "list of frames; list it, with or without heads, or move it away",
        ],
    ),
    "image without frame": (
        lambda folder: (folder / "frames/000009.jpg").write_bytes(image(77)),
        8,
        8,
        [
            "warning[image-without-record]: seq/frames/000009.jpg > sequence seq: the image isn't in any "
            "list of frames; list it, with or without heads, or move it away"
        ],
    ),
    "truncated in the header": (
        _put(image(5)[:400]),
        7,
        7,
        [
            f"error[image-truncated]: {IMAGE}: the image is cut short: 400 bytes; capture or copy "
            "it again"
        ],
    ),
    "truncated by two bytes": (
        _put(image(5)[:-2]),
        7,
        7,
        [
            f"error[image-truncated]: {IMAGE}: the image is cut short: {len(image(5)) - 2} "
            "bytes; capture or copy it again"
        ],
    ),
    "0 bytes": (
        _put(b""),
        7,
        7,
        [f"error[image-empty]: {IMAGE}: the image has 0 bytes; capture it again"],
    ),
    "text named .jpg": (
        _put(b"hello"),
        7,
        7,
        [f"error[not-an-image]: {IMAGE}: not an image in a known format; save it as JPEG or PNG"],
    ),
    "sideways image": (
        _put(image(5, (48, 64))),
        7,
        7,
        [
            f"error[wrong-size]: {IMAGE}: the image's size differs from its sequence's: 48 x "
            "64 instead of 64 x 48; fix the size that the labels give, or the image; were the images resized?"
        ],
    ),
    "flat image": (
        _put(FLAT),
        7,
        7,
        [
            f"error[flat-image]: {IMAGE}: the image is of one colour: a loading screen, or "
            "nothing was drawn: grey level 0 throughout; capture it again"
        ],
    ),
    "16 bits a channel": (
        _put(DEEP),
        7,
        7,
        [
            f"error[deep-colour]: {IMAGE}: the image isn't 8 bits per channel: mode I;16; convert it: "
            "tone mapping is your decision"
        ],
    ),
    "same image twice": (
        lambda folder: (folder / "frames/000001.jpg").write_bytes(
            (folder / "frames/000000.jpg").read_bytes()
        ),
        7,
        7,
        [
            f"warning[duplicate-image]: {IMAGE}: the image is the same as an earlier frame's: "
            "seq/frames/000000.jpg; the frame is left out; keep the one whose labels are right"
        ],
    ),
    "wrong sha256": (
        lambda folder: edit_sequence(folder, lambda d: d["frames"][1].update(sha256="0" * 64)),
        7,
        7,
        [],  # the message holds the image's own hash: see below
    ),
    "missing column": (
        _rows("0,1,10", header="frame,ped_id,x", only=True),
        4,
        4,
        [
            f"error[missing-column]: {HEADS} > y: a required column is missing; docs/captures.md "
            "lists the columns of each kind; commas go between them"
        ],
    ),
    "no known column": (
        _rows("1;2", header="frame;ped_id", only=True),
        4,
        4,
        [
            f"error[missing-column]: {HEADS} > frame: a required column is missing; docs/captures.md "
            "lists the columns of each kind; commas go between them",
            f"warning[unknown-column]: {HEADS} > frame;ped_id: unknown column, not read; is it misspelt?",
        ],
    ),
    "unknown column": (
        _rows("0,1,10,2,3", header="frame,ped_id,x,y,dept", only=True),
        8,
        5,
        [f"warning[unknown-column]: {HEADS} > dept: unknown column, not read; is it misspelt?"],
    ),
    "ragged rows": (
        _rows("3,1,10", "3,2,4,5,6,7"),
        7,
        8,
        [
            "error[heads-lost]: seq/frames/000003.jpg > sequence seq > frame 000003: all heads of the "
            "frame were set aside or unreadable; the frame's heads are unknown, not none; see the "
            "findings on them",
            f"error[ragged-row]: {HEADS} > line 6: the row has the wrong number of "
            "fields: 3 fields instead of 5; fix it",
            f"error[ragged-row]: {HEADS} > line 7: the row has the wrong number of "
            "fields: 6 fields instead of 5; fix it",
        ],
    ),
    "inf, -nan(ind), 1e+06, behind the camera": (
        _rows("3,1,inf,5,3", "3,2,4,-nan(ind),6", "3,3,1e+06,7,7", "3,4,5,6,-2"),
        8,
        9,
        [
            f"error[not-finite]: {HEADS} > frame 000003 > head 1 > line 6, x: the position isn't finite, "
            "or is absurd (got 'inf'); the head can't be placed; fix the row",
            f"error[not-finite]: {HEADS} > frame 000003 > head 2 > line 7, y: the position isn't finite, "
            "or is absurd (got '-nan(ind)'); the head can't be placed; fix the row",
            f"warning[behind-camera]: {HEADS} > frame 000003 > head 4 > line 9, depth_m: the head lies "
            "behind the camera (got -2.0); its pixel position is mirrored and meaningless",
            "info[head-outside-frame]: sequence seq > frame 000003 > head 3: the head lies outside the "
            "frame (got '1e+06, 7'); it is kept, with in_frame = false",
        ],
    ),
    "words for numbers": (
        _rows("3,1,abc,5,3", "x,2,4,5,6", ",3,5,6,7"),
        7,
        8,
        [
            "error[heads-lost]: seq/frames/000003.jpg > sequence seq > frame 000003: all heads of the "
            "frame were set aside or unreadable; the frame's heads are unknown, not none; see the "
            "findings on them",
            f"error[bad-number]: {HEADS} > line 6, x: not a number (got 'abc'); {MEND_ROW}",
            f"error[bad-number]: {HEADS} > line 7, frame: not a number (got 'x'); {MEND_ROW}",
            f"error[bad-number]: {HEADS} > line 8, frame: not a number (got ''); {MEND_ROW}",
        ],
    ),
    "not UTF-8": (
        lambda folder: (folder / "heads.csv").write_bytes(b"frame,ped_id,x,y\n0,1,\xff\xfe,3\n"),
        4,
        4,
        [
            f"error[bad-heads-file]: {HEADS} > line 2: the heads file can't be read: not UTF-8 text; "
            "write it again"
        ],
    ),
    "not UTF-8 and ragged": (
        lambda folder: (folder / "heads.csv").write_bytes(b"frame,ped_id,x,y\n0,1,2,3\n\xa0\n"),
        4,
        4,
        [
            f"error[bad-heads-file]: {HEADS} > line 3: the heads file can't be read: not UTF-8 text; "
            "write it again"
        ],
    ),
    "ped twice in a frame": (
        _rows("0,1,3,5,3"),
        8,
        8,
        [
            f"error[duplicate-head]: {HEADS} > frame 000000 > head 1 > line 6: the same person is in the "
            "frame twice: first at line 2; the first row is kept; number peds uniquely"
        ],
    ),
    "frame listed twice": (
        lambda folder: edit_sequence(folder, lambda d: d["frames"].append(d["frames"][0])),
        8,
        8,
        [
            f"error[duplicate-frame]: {DOCUMENT} > frame 000000 > file: the frame is listed twice (got "
            "'frames/000000.jpg'); the first one is kept; number frames uniquely"
        ],
    ),
    "version 99": (
        _edit(version=99),
        4,
        4,
        [
            f"error[unknown-version]: {DOCUMENT} > version: format version is unknown (got 99); known "
            "versions: 1; a newer gtahead may read it"
        ],
    ),
    "unknown keys": (
        _edit(wether="RAIN"),
        8,
        8,
        [
            f"warning[unknown-key]: {DOCUMENT} > wether: unknown key; it is kept under `extra` where it isn't large; is it "
            "misspelt?"
        ],
    ),
    "width missing": (
        lambda folder: edit_sequence(folder, lambda document: document.pop("width")),
        4,
        4,
        [
            f'error[bad-schema]: {DOCUMENT} > /: breaks the schema: "width" is a required property; see '
            "`schemas/` and docs/captures.md"
        ],
    ),
    "sequence.json cut short": (
        lambda folder: (folder / "sequence.json").write_text('{"format": "gtahead-capture",'),
        4,
        4,
        [
            f"error[bad-json]: {DOCUMENT} > line 1, column 30: the JSON file can't be read: it ends too "
            "early: unexpected end of data; fix it, or capture it again"
        ],
    ),
    "folder without sequence.json": (
        lambda folder: (folder.parent / "zz").mkdir(),
        8,
        8,
        [
            "error[no-sequence-file]: zz: the folder has no sequence.json; write one (docs: captures), "
            "or move the folder out of the capture"
        ],
    ),
    "both heads files": (
        lambda folder: (folder / "heads.parquet").write_bytes(b"PAR1"),
        4,
        4,
        [
            "error[two-heads-files]: seq > sequence seq: there are both heads.csv and heads.parquet; "
            "remove the one that is stale"
        ],
    ),
    "impossible values": (
        _rows(
            "0,1,10,10,3,5,5,15,15,0.5",
            "1,1,10,10,3,5,5,4,15,1.5",
            header=HEADER + ",box_x0,box_y0,box_x1,box_y1,visibility",
            only=True,
        ),
        8,
        6,
        [
            f"warning[bad-value]: {HEADS} > frame 000001 > head 1 > line 3, visibility: the value is "
            "impossible and read as unknown (got 1.5); fix the row",
            f"warning[bad-box]: {HEADS} > frame 000001 > head 1 > line 3: the captured box isn't "
            "finite, has no area or doesn't contain its head (got '5, 5, 4, 15'); the head gets a pseudo "
            "box; fix the row",
        ],
    ),
}
for _bad_path in ("../x.jpg", "/etc/passwd", "C:\\x.jpg", "file:///x.jpg", "frames/../../x.jpg"):
    CASES[f"path {_bad_path}"] = (
        _file_of_frame_1(_bad_path),
        7,
        7,
        [
            f"error[unsafe-path]: {DOCUMENT} > frame 000001 > file: the path points outside the "
            f"sequence's folder (got {_bad_path!r}); name files by relative paths with `/`, without `..`, drive "
            "or scheme",
            "warning[image-without-record]: seq/frames/000001.jpg > sequence seq: the image isn't in any "
            "list of frames; list it, with or without heads, or move it away",
        ],
    )


@pytest.mark.parametrize("name", CASES)
def test_message_exit_status_and_what_is_kept(tmp_path: Path, name: str) -> None:
    spoil, frames, heads, lines = CASES[name]
    captures = tmp_path / "captures"
    captures.mkdir()
    folder = make_sequence(captures)
    make_sequence(captures, "unspoilt")
    spoil(folder)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "dataset", "--workers", 1)
    if name == "wrong sha256":
        assert done.err.startswith(
            f"error[hash-mismatch]: {IMAGE}: the image isn't the one that was recorded: "
        )
    else:
        assert done.err.splitlines() == lines
    manifest = json.loads((tmp_path / "dataset" / "manifest.json").read_text())
    ledger = manifest["ledger"]
    assert (ledger["frames"]["out"], ledger["heads"]["out"]) == (frames, heads)
    dataset = Dataset.open(tmp_path / "dataset")
    assert len(dataset) == frames
    assert sum(len(dataset.heads(name)["head_id"]) for name in dataset.sequences) == heads
    dropped = any(flow["dropped"] for flow in ledger.values())
    assert done.code == (3 if dropped else 0)


@pytest.mark.parametrize("name", ["no frames", "0 bytes", "ragged rows"])
def test_strict_stops_without_a_dataset(tmp_path: Path, name: str) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    CASES[name][0](make_sequence(captures))
    make_sequence(captures, "unspoilt")
    target = tmp_path / "dataset"
    done = gtahead("build", "--raw", captures, "--out", target, "--workers", 1, "--strict")
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        f"error: {target}: stopped by --strict: items would be set aside; fix them and run again, or "
        "leave --strict out"
    )
    assert not (target / "manifest.json").exists()
    assert gtahead("build", "--raw", captures, "--out", target, "--workers", 1).code == 3


def test_nothing_left_to_build_leaves_nothing_behind(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    CASES["version 99"][0](make_sequence(captures))
    target = tmp_path / "dataset"
    done = gtahead("build", "--raw", captures, "--out", target, "--workers", 1)
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        f"error: {target}: no sequence is left to build; see the findings"
    )
    assert not target.exists()


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    done = gtahead("build", "--raw", tmp_path / "none", "--out", tmp_path / "dataset")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: {tmp_path}/none: no such folder; give the folder that holds the captures, or labels and images\n"
    )
    (tmp_path / "empty").mkdir()
    done = gtahead("build", "--raw", tmp_path / "empty", "--out", tmp_path / "dataset")
    assert done.code == 1
    assert done.err == (
        f"error: {tmp_path}/empty: the folder is empty; give the folder that holds the captures, or "
        "make some: gtahead simulate\n"
    )
    (tmp_path / "empty" / "notes.txt").write_text("hello")
    done = gtahead("build", "--raw", tmp_path / "empty", "--out", tmp_path / "dataset")
    assert done.code == 1
    assert done.err == (
        f"error: {tmp_path}/empty: not a capture or dataset that gtahead knows; known kinds: "
        "native, jta, jta-mods, motsynth, mta, gcc, rgbdsyn, gta-event, gta-human, gta-im, and what `gtahead formats` "
        "says is read; see docs/captures.md\n"
    )
    done = gtahead(
        "build", "--raw", tmp_path / "empty" / "notes.txt", "--out", tmp_path / "dataset"
    )
    assert done.err == (
        f"error: {tmp_path}/empty/notes.txt: not a folder; give the folder that holds the captures, or labels and images\n"
    )
    assert not (tmp_path / "dataset").exists()


def test_a_folder_that_two_readers_claim_is_a_usage_error(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    make_sequence(captures)
    (captures / "annotations" / "train").mkdir(parents=True)
    (captures / "annotations" / "train" / "seq_1.json").write_text("[]")
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "dataset")
    assert done.code == 2
    assert done.err == (
        f"error: {captures}: several readers claim the folder: native (seq/ holds sequence.json), jta "
        "(it holds annotations/train/seq_1.json); choose one with --from\n"
    )
    chosen = gtahead("build", "--raw", captures, "--out", tmp_path / "d", "--from", "native")
    assert chosen.code == 3  # the annotations folder is no sequence, and is named


@pytest.mark.parametrize("name", ["a b", "😀 中文", "it's", "ünïcode " + "名" * 50])
def test_names_of_any_language(tmp_path: Path, name: str) -> None:
    from gtahead import Dataset

    captures = tmp_path / "captures 中文"
    captures.mkdir()
    make_sequence(captures, name)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "dataset é", "--workers", 1)
    assert (done.code, done.err) == (0, "")
    dataset = Dataset.open(tmp_path / "dataset é")
    assert dataset.frame_ids[0] == f"{name}/000000"
    frame = dataset[f"{name}/000000"]
    assert frame.count == 2
    assert frame.image_path is not None
    assert frame.image_path.read_bytes()[:2] == b"\xff\xd8"


def test_names_that_cannot_be(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    make_sequence(captures, "options")  # a name of ours, and nothing to us
    make_sequence(captures, "x" * 220)
    make_sequence(captures, ".hidden")
    (captures / "seq\udcff").mkdir()
    (captures / "seq\udcff" / "sequence.json").write_text("{}")
    make_sequence(captures, "line\nbreak")
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "dataset", "--workers", 1)
    assert done.code == 3
    assert done.err.splitlines() == [
        f"error[bad-name]: {name}: the name can't name a sequence; rename it: letters, digits, blanks, - and "
        "_ always work; at most 200 bytes, and nothing that Windows can't have (<>:\"|?*, CON, a full stop at "
        "the end)"
        for name in (r"line\nbreak", r"seq\udcff", "x" * 220)
    ]
    assert gtahead("build", "--raw", captures, "--out", tmp_path / "dataset").code == 3
    document = json.loads((tmp_path / "dataset" / "manifest.json").read_text())
    assert [source["sequence"] for source in document["sources"]] == [".hidden", "options"]


def test_a_foreign_target_is_left_alone(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    make_sequence(captures)
    target = tmp_path / "dataset"
    target.mkdir()
    (target / "thesis.tex").write_text("years of work")
    for extra in ([], ["--fresh"]):
        done = gtahead("build", "--raw", captures, "--out", target, *extra)
        assert done.code == 1
        assert done.err == (
            f"error: {target}: the folder holds something that isn't a gtahead dataset (got "
            "'thesis.tex'); choose an empty folder for --out\n"
        )
    assert [path.name for path in target.iterdir()] == ["thesis.tex"]
    done = gtahead("build", "--raw", captures, "--out", captures / "dataset")
    assert done.code == 2
    assert "can't lie inside each other" in done.err


def test_blank_lines_crlf_and_a_byte_order_mark_are_no_faults(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    folder = make_sequence(captures)
    text = "\ufeffframe, ped_id, x, y\r\n0,1,2,3\r\n\r\n1,1,4,5\r\n"
    (folder / "heads.csv").write_bytes(text.encode())
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "dataset", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["ledger"]["heads"] == {"in": 2, "out": 2, "dropped": {}}
