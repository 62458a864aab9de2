"""Splits by sequence, by image, by shares, by a file; in a build and in a dataset that stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from helpers import gtahead, image, make_sequence, put

import gtahead as library
from gtahead import Dataset, InputError, UsageError
from gtahead.annotation import SplitItem, balance_of, deal_images, parse_shares

SHARES = {"train": 70.0, "validation": 10.0, "test": 20.0}


def photographs(root: Path, count: int = 40, alike: tuple[int, ...] = ()) -> Path:
    """A folder of photographs with points; those of `alike` show nearly the same."""
    files: dict[str, str | bytes] = {}
    rows = ""
    for number in range(count):
        seed = 1000 if number in alike else number
        shown = image(seed, (200, 100))
        if number in alike[1:]:  # what looks the same, in other bytes
            shown = np.array(cv2.imdecode(np.frombuffer(shown, np.uint8), cv2.IMREAD_COLOR))
            shown = bytes(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 80])[1])
        files[f"{number:03d}.jpg"] = shown
        rows += "".join(f"{number:03d}.jpg,{5 * n},{40 + n}\n" for n in range(1 + number % 7))
    return put(root, {**files, "points.csv": f"file,x,y\n{rows}"})


def splits_in(dataset: Path) -> dict[str, str]:
    return {frame.frame_id: str(frame.split) for frame in Dataset.open(dataset)}


def sizes_in(dataset: Path) -> dict[str, int]:
    found = list(splits_in(dataset).values())
    return {split: found.count(split) for split in SHARES}


def test_photographs_are_split_by_image(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", alike=(3, 4))
    report = library.build(raw, tmp_path / "set", origin="photographs", split="70:10:20", workers=1)
    splits = report.manifest["splits"]
    assert splits["unit"] == "image"
    assert splits["how"] == "designed"
    assert sizes_in(tmp_path / "set") == {"train": 28, "validation": 4, "test": 8}
    assert sorted(map(len, splits["balance"]["bound"])) == [2]
    found = splits_in(tmp_path / "set")
    assert len({found[name] for name in splits["balance"]["bound"][0]}) == 1
    assert splits["balance"]["off"]["heads"] < 0.06
    assert "few-locations" not in report.findings.totals
    assert library.validate(tmp_path / "set", workers=1).finish().totals == {}
    again = library.build(
        raw, tmp_path / "again", origin="photographs", split="70:10:20", workers=2
    )
    assert again.manifest["fingerprints"] == report.manifest["fingerprints"]


def test_one_image_without_a_split_goes_with_its_twin(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 4, alike=(2, 3))
    header, *rows = (raw / "points.csv").read_text().splitlines(keepends=True)
    (raw / "train.csv").write_text(header + "".join(r for r in rows if not r.startswith("003")))
    (raw / "points.csv").write_text(header + "".join(r for r in rows if r.startswith("003")))
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    assert set(splits_in(tmp_path / "set").values()) == {"train"}


@pytest.mark.parametrize(
    ("origin", "by", "unit"),
    [
        ("photographs", None, "image"),
        ("unknown", None, "image"),
        ("game", None, "sequence"),
        ("game", "image", "image"),
        ("photographs", "sequence", "sequence"),
    ],
)
def test_what_is_split_as_a_whole(tmp_path: Path, origin: str, by: str | None, unit: str) -> None:
    raw = photographs(tmp_path / "raw", 9)
    report = library.build(raw, tmp_path / "set", origin=origin, split_by=by, workers=1)
    assert report.manifest["splits"]["unit"] == unit
    assert (sizes_in(tmp_path / "set")["train"] == 9) == (unit == "sequence")


def test_given_splits_of_some_images_are_kept(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 20, alike=(2, 3))
    rows = (raw / "points.csv").read_text().splitlines(keepends=True)
    (raw / "train.csv").write_text(rows[0] + "".join(r for r in rows if r.startswith("002")))
    (raw / "points.csv").write_text("".join(r for r in rows if not r.startswith("002")))
    report = library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    found = splits_in(tmp_path / "set")
    assert found["train/002"] == "train"
    assert found["points/003"] == "train"  # which looks like it
    assert set(found.values()) == set(SHARES)
    assert report.findings.totals["split-missing"] == 1
    designed = library.build(
        raw, tmp_path / "new", origin="photographs", split="designed", workers=1
    )
    assert designed.manifest["splits"]["how"] == "designed"
    with pytest.raises(UsageError, match="--split given"):
        library.build(raw, tmp_path / "no", origin="photographs", split="given", workers=1)


@pytest.mark.parametrize("kind", ["json", "csv"])
def test_a_file_says_the_splits(tmp_path: Path, kind: str) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("a", "b", "c"):
        make_sequence(raw, name, frames=2)
    named = {"train": ["a", "b/000000"], "val": ["b/000001"], "test": ["c"]}
    file = tmp_path / f"splits.{kind}"
    lines = [f"{name},{split}\n" for split, names in named.items() for name in names]
    file.write_text(json.dumps(named) if kind == "json" else "name,split\n" + "".join(lines))
    report = library.build(raw, tmp_path / "set", split=str(file), split_by="image", workers=1)
    assert report.manifest["splits"]["how"] == "file"
    assert list(splits_in(tmp_path / "set").values()) == [
        *("train", "train", "train", "validation", "test", "test")
    ]
    assert library.validate(tmp_path / "set", workers=1).finish().totals == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"train": ["a"]}', r"splits\.json: the file of splits leaves out a frame"),
        ('{"train": ["a", "b", "x"]}', "names what isn't in the dataset"),
        ('{"train": ["000000.jpg"]}', "<sequence>/<frame>, as a"),
        ('{"train": ["a"], "train": ["b"]}', "a key is there twice"),
        ('{"train": ["a", "b"], "test": ["a"]}', "two splits"),
        ('{"train": "a"}', "not a list of names"),
        ('{"trai": ["a", "b"]}', "/trai: no such split"),
        ("[1", "ends too early"),
    ],
)
def test_a_file_of_splits_that_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("a", "b"):
        make_sequence(raw, name, frames=2)
    (tmp_path / "splits.json").write_text(text)
    with pytest.raises((InputError, UsageError), match=message):
        library.build(raw, tmp_path / "set", split=str(tmp_path / "splits.json"), workers=1)
    assert not (tmp_path / "set" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,train\n\xff\xfe\n", "not UTF-8 text"),
        (b"", "names nothing"),
        (b"name,split\na,train\nb,trian\n", "line 3: no such split"),
        (b"a,train\nb\n", "line 2: a line isn't a name and its split"),
        (b"a,train\nb,test\na,test\n", "line 3: a name has two splits"),
    ],
)
def test_a_list_of_splits_that_is_wrong(tmp_path: Path, data: bytes, message: str) -> None:
    for name in ("a", "b"):
        make_sequence(tmp_path / "raw", name, frames=2)
    (tmp_path / "splits.csv").write_bytes(data)
    words = ("--out", tmp_path / "set", "--split", tmp_path / "splits.csv")
    done = gtahead("build", "--raw", tmp_path / "raw", *words)
    assert done.code == 1
    assert message in done.err
    assert not (tmp_path / "set").exists()


def test_a_file_of_splits_that_changes_is_noticed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_sequence(tmp_path / "raw", name, frames=2)
    file = tmp_path / "splits.csv"
    file.write_text("a,train\n")
    with pytest.raises(InputError, match="leaves out a frame"):
        library.build(tmp_path / "raw", tmp_path / "set", split=str(file), workers=1)
    file.write_text("a,train\nb,test\n")  # nothing was finished: it goes on
    report = library.build(tmp_path / "raw", tmp_path / "set", split=str(file), workers=1)
    assert report.reused == 2
    assert str(tmp_path) not in json.dumps(report.manifest)
    file.write_text("a,test\nb,train\n")
    with pytest.raises(InputError, match=r"split was file:.*gtahead annotate"):
        library.build(tmp_path / "raw", tmp_path / "set", split=str(file), workers=1)
    assert library.annotate(tmp_path / "set", split=str(file), workers=1).changed
    assert set(splits_in(tmp_path / "set").values()) == {"train", "test"}


@pytest.mark.parametrize("word", ["70:20", "3:1:1", "1:0:0"])
def test_shares_of_sequences(tmp_path: Path, word: str) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for number in range(10):
        make_sequence(raw, f"s{number}", frames=2)
    library.build(raw, tmp_path / "set", split=word, workers=1)
    sizes = sizes_in(tmp_path / "set")
    wanted = parse_shares(word)
    for split, share in wanted.items():
        assert sizes[split] / 20 == pytest.approx(share / sum(wanted.values()), abs=0.11)
        assert (sizes[split] > 0) == (share > 0)


@pytest.mark.parametrize("word", ["", "70", "a:b", "1:2:3:4", "0:0:0", "-1:2", "designd", "nan:1"])
def test_words_that_are_no_way_to_split(tmp_path: Path, word: str) -> None:
    make_sequence(tmp_path / "raw", "a")
    done = gtahead("build", "--raw", tmp_path / "raw", "--out", tmp_path / "set", "--split", word)
    assert done.code == 2
    assert "split" in done.err


def test_a_dataset_that_stands_is_split_anew(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 30)
    options: dict[str, Any] = {"origin": "photographs", "workers": 1}
    library.build(raw, tmp_path / "set", **options)
    built = library.build(raw, tmp_path / "other", split="60:20:20", **options).manifest
    before = {p.name: p.read_bytes() for p in (tmp_path / "set" / "heads").iterdir()}
    report = library.annotate(tmp_path / "set", split="60:20:20", workers=1)
    for key in ("splits", "fingerprints", "statistics", "tables", "options"):
        assert report.manifest[key] == built[key], key
    assert {p.name: p.read_bytes() for p in (tmp_path / "set" / "heads").iterdir()} == before
    assert library.validate(tmp_path / "set", workers=1).finish().totals == {}
    again = library.annotate(tmp_path / "set", split="60:20:20", workers=1)
    assert not again.changed
    both = library.annotate(tmp_path / "set", split="designed", boxes="knn", workers=1).manifest
    twin = library.build(raw, tmp_path / "twin", boxes="knn", split="designed", **options).manifest
    assert both["fingerprints"] == twin["fingerprints"]
    assert library.validate(tmp_path / "set", workers=1).finish().totals == {}


def test_exports_and_releases_of_photographs_keep_their_splits(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 20)
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    sizes = sizes_in(tmp_path / "set")
    for name in ("coco", "yolo", "huggingface", "points-csv", "webdataset"):
        library.export(tmp_path / "set", tmp_path / name, format=name)
        library.build(tmp_path / name, tmp_path / f"{name}-back", workers=1)
        assert sizes_in(tmp_path / f"{name}-back") == sizes, name
    facts = {"repo": "lab/heads", "creator": "The lab", "licence": "mit", "annotators": "other"}
    library.stage(tmp_path / "set", tmp_path / "release", **facts, i_have_rights=True)  # type: ignore[arg-type]
    library.pull(str(tmp_path / "release"), tmp_path / "pulled")
    mine, theirs = (Dataset.open(tmp_path / n).manifest.document for n in ("set", "pulled"))
    assert mine["fingerprints"] == theirs["fingerprints"]
    assert mine["splits"] == theirs["splits"]
    assert library.validate(tmp_path / "pulled", workers=1).finish().totals == {}


def test_scores_of_photographs_are_resampled_by_image(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 40)
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    (tmp_path / "none.json").write_text("[]")
    score = library.benchmark(tmp_path / "none.json", tmp_path / "set")
    assert score.document["intervals"]["clustered_by"] == "image"


def test_dealt_images_are_even_and_seeded() -> None:
    random = np.random.default_rng(0)
    items = [
        SplitItem(f"{n:04d}", int(random.lognormal(4, 1)), 1, frozenset([n // 2] if n < 40 else []))
        for n in range(500)
    ]
    chosen = deal_images(items, SHARES)
    balance = balance_of(items, chosen, SHARES)
    assert balance.off("frames") < 0.005
    assert balance.off("heads") < 0.001
    for n in range(0, 40, 2):
        assert chosen[f"{n:04d}"] == chosen[f"{n + 1:04d}"]
    assert deal_images(reversed(items), SHARES) == chosen
    assert deal_images(items, SHARES, seed=1) != chosen


# What looks alike, however splits come about.


def near_copies(root: Path, splits: dict[str, list[int]]) -> Path:
    """Photographs in lists by split; 0 and 1 show nearly the same, 2 and 3 are one file."""
    photographs(root, 12, alike=(0, 1))
    (root / "003.jpg").write_bytes((root / "002.jpg").read_bytes())
    lines = (root / "points.csv").read_text().splitlines(keepends=True)
    (root / "points.csv").unlink()
    for split, numbers in splits.items():
        mine = [line for line in lines[1:] if int(line[:3]) in numbers]
        (root / f"{split}.csv").write_text(lines[0] + "".join(mine))
    return root


def test_given_splits_that_share_an_image_are_noted(tmp_path: Path) -> None:
    raw = near_copies(tmp_path / "raw", {"train": [0, 2, *range(4, 12)], "test": [1, 3]})
    report = library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    assert report.manifest["splits"]["how"] == "given"
    assert report.findings.totals["near-duplicate"] == 2
    said = {str(one.where): one.detail for one in report.findings.examples["near-duplicate"]}
    assert len(said) == 2
    assert all("this is for" in str(detail) for detail in said.values())


def test_a_file_that_divides_what_looks_alike_is_noted(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 8, alike=(0, 1))
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    file = tmp_path / "splits.csv"
    file.write_text(
        "".join(f"{n.name},train\n" for n in ())
        + "".join(
            f"{frame.frame_id},{'test' if frame.frame_id.endswith('001') else 'train'}\n"
            for frame in Dataset.open(tmp_path / "set")
        )
    )
    report = library.annotate(tmp_path / "set", split=str(file), workers=1)
    assert report.findings.totals["near-duplicate"] == 1


def test_folders_with_an_image_in_common_are_in_one_split(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 12, alike=(0, 9))
    lines = (raw / "points.csv").read_text().splitlines(keepends=True)
    (raw / "points.csv").unlink()
    for name, first in (("a", 0), ("b", 3), ("c", 6), ("d", 9)):
        mine = [line for line in lines[1:] if first <= int(line[:3]) < first + 3]
        (raw / f"{name}.csv").write_text(lines[0] + "".join(mine))
    report = library.build(
        raw, tmp_path / "set", origin="photographs", split_by="sequence", workers=1
    )
    found = {name.partition("/")[0]: split for name, split in splits_in(tmp_path / "set").items()}
    assert len(set(found.values())) == 3
    assert found["a"] == found["d"]
    assert "near-duplicate" not in report.findings.totals


def test_images_that_are_left_out_are_compared_all_the_same(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 30, alike=(3, 4, 5))
    options: dict[str, Any] = {"origin": "photographs", "split": "60:20:20", "workers": 1}
    with_images = library.build(raw, tmp_path / "with", **options)
    without = library.build(raw, tmp_path / "without", images="none", **options)
    assert splits_in(tmp_path / "with") == splits_in(tmp_path / "without")
    assert without.manifest["splits"] == with_images.manifest["splits"]
    assert without.manifest["splits"]["compared"] == "look"


def test_labels_alone_cannot_be_compared(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 10)
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    library.export(tmp_path / "set", tmp_path / "coco", format="coco", images="none")
    for path in (tmp_path / "coco").rglob("*.jpg"):
        path.unlink()
    report = library.build(
        tmp_path / "coco",
        tmp_path / "labels",
        origin="photographs",
        images="none",
        split="70:10:20",
        workers=1,
    )
    assert report.manifest["splits"]["compared"] == "nothing"
    assert report.findings.totals["images-not-compared"] == 1


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("shares", ["80:10:10", "98:1:1", "34:33:33"])
def test_no_split_that_was_asked_for_is_empty(count: int, shares: str) -> None:
    items = [SplitItem(f"{n:02d}", 10 * n, 1) for n in range(count)]
    wanted = parse_shares(shares)
    found = deal_images(items, wanted)
    assert len(set(found.values())) == min(count, 3)
    if count < 3:
        assert set(found.values()) == {"train", "test"} if count == 2 else {"train"}
        assert balance_of(items, found, wanted).off("frames") > 0.005


def test_too_few_images_for_the_splits_are_noted(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 2)
    report = library.build(raw, tmp_path / "set", origin="photographs", split="70:10:20", workers=1)
    assert report.findings.totals["few-images"] == 1
    assert report.manifest["splits"]["balance"]["target"]["validation"] == 0.1


def test_a_file_that_divides_sequences_splits_by_image(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("a", "b", "c"):
        make_sequence(raw, name, frames=3)
    file = tmp_path / "splits.csv"
    file.write_text("a,train\nb,test\nc/000000,train\nc/000001,validation\nc/000002,test\n")
    report = library.build(raw, tmp_path / "set", split=str(file), workers=1)
    assert report.manifest["splits"]["unit"] == "image"
    assert report.findings.totals["video-divided"] == 1
    with pytest.raises(UsageError, match=r"splits\.csv: --split-by sequence.*'c'"):
        library.build(raw, tmp_path / "no", split=str(file), split_by="sequence", workers=1)
    assert "by image" in gtahead("info", tmp_path / "set").out


def test_given_splits_are_not_discarded_for_a_unit(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 9)
    library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    library.export(tmp_path / "set", tmp_path / "jsonl", format="points-json", allow_lossy=True)
    given = splits_in(tmp_path / "set")
    report = library.build(tmp_path / "jsonl", tmp_path / "again", workers=1)
    assert report.manifest["splits"]["how"] == "given"
    assert sorted(splits_in(tmp_path / "again").values()) == sorted(given.values())
    with pytest.raises(UsageError, match="the splits that are given divide a sequence"):
        library.build(tmp_path / "jsonl", tmp_path / "no", split_by="sequence", workers=1)


def test_a_capture_that_is_split_by_image_says_so(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    make_sequence(raw, "a", frames=8, split=None)
    report = library.build(raw, tmp_path / "set", split_by="image", workers=1)
    assert report.findings.totals["video-divided"] == 1


def test_frames_that_change_their_split_are_noted(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 20)
    first = library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    before = splits_in(tmp_path / "set")
    assert "splits-changed" not in first.findings.totals
    photographs(raw, 21)
    second = library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    changed = sum(
        before[name] != split
        for name, split in splits_in(tmp_path / "set").items()
        if name in before
    )
    assert second.findings.totals.get("splits-changed", 0) == changed > 0


def test_a_wrong_file_of_splits_costs_no_second_build(tmp_path: Path) -> None:
    raw = photographs(tmp_path / "raw", 9)
    file = tmp_path / "splits.csv"
    file.write_text("nobody,train\n")
    with pytest.raises(InputError, match=r"'nobody'.*what was built stays"):
        library.build(raw, tmp_path / "set", origin="photographs", split=str(file), workers=1)
    assert "the dataset isn't finished" in gtahead("info", tmp_path / "set").err
    report = library.build(raw, tmp_path / "set", origin="photographs", workers=1)
    assert (report.built, report.reused) == (0, 1)
