"""Datasets made of datasets: nothing lost, nothing changed, and every frame accounted for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import gtahead, make_sequence, spawn_gtahead
from pyarrow import parquet

import gtahead as library
from gtahead import Dataset
from gtahead.dataset import Frame
from gtahead.storage import folded_name


def rows_of(dataset: Dataset) -> Iterator[tuple[Frame, list[object]]]:
    for frame in dataset:
        about = [frame.size_wh, frame.split, frame.weather, frame.count]
        yield frame, [*about, frame.points_xy.tolist(), frame.boxes_xyxy.tolist()]


def sound(folder: Path) -> None:
    assert library.validate(folder, images="full", workers=1).finish().by_severity()["error"] == 0
    ledger = json.loads((folder / "manifest.json").read_text())["ledger"]
    for flow in ledger.values():
        assert flow["in"] == flow["out"] + sum(flow["dropped"].values())


def test_frames_that_meet_a_condition(tiny_dataset: Path, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in tiny_dataset.rglob("*.parquet")}
    where = "num_heads > 30 and split != 'train'"
    report = library.filter(tiny_dataset, tmp_path / "some", where=where)
    sound(tmp_path / "some")
    assert {p: p.read_bytes() for p in tiny_dataset.rglob("*.parquet")} == before
    made, whole = report.open(), Dataset.open(tiny_dataset)
    part = whole.filter(where)
    assert 0 < len(made) == len(part) < len(whole)
    for (new, values), (old, wanted) in zip(rows_of(made), rows_of(part), strict=True):
        assert new.frame_id == old.frame_id
        assert values == wanted
        assert new.image_path.samefile(old.image_path)  # linked, not copied
        assert (new.image() == old.image()).all()
    assert report.ledger.frames.came == len(whole)
    assert report.ledger.frames.dropped == {"filtered": len(whole) - len(part)}
    assert report.manifest["options"]["filter"] == [where]
    heads = [len(frame.points_xy) for frame in whole]
    assert report.ledger.heads.came == sum(heads)


def test_all_frames_are_the_same_dataset(tiny_dataset: Path, tmp_path: Path) -> None:
    report = library.filter(tiny_dataset, tmp_path / "all")
    old = Dataset.open(tiny_dataset).manifest.document
    assert report.manifest["fingerprints"] == old["fingerprints"]
    assert report.manifest["tables"].keys() == old["tables"].keys()
    assert report.manifest["statistics"] == old["statistics"]
    assert report.findings.totals == {}
    done = gtahead("annotate", tmp_path / "all", "--boxes", "knn")  # its options are still known
    assert done.code in (0, 3), done.err


def test_a_part_in_python(tiny_dataset: Path, tmp_path: Path) -> None:
    part = Dataset.open(tiny_dataset).select(split="train").sample(5, seed=1)
    report = library.filter(part, tmp_path / "a", images="none")
    assert report.open().frame_ids == part.frame_ids
    assert not (tmp_path / "a" / "images").exists()
    assert report.manifest["options"]["filter"] == ["5 frames"]
    several = library.filter(tiny_dataset, tmp_path / "b", where=lambda frame: frame.count == 0)
    assert {frame.count for frame in several.open()} == {0}
    drawn = library.filter(tiny_dataset, tmp_path / "c", sample=9, seed=4, images="copy")
    assert drawn.open().frame_ids == Dataset.open(tiny_dataset).sample(9, 4).frame_ids
    assert not drawn.open()[0].image_path.samefile(Dataset.open(tiny_dataset)[0].image_path)
    assert drawn.manifest["options"]["filter"] == ["9 frames, seed 4"]
    again = library.filter(drawn, tmp_path / "d", where="num_heads > 1")
    assert again.manifest["options"]["filter"] == ["9 frames, seed 4", "num_heads > 1"]


def test_several_together(tiny_dataset: Path, tmp_path: Path) -> None:
    make_sequence(tmp_path / "raw", "other")
    make_sequence(tmp_path / "raw", "seq_00")
    library.build(tmp_path / "raw", tmp_path / "two", workers=1)
    report = library.merge([tiny_dataset, tmp_path / "two"], tmp_path / "both")
    sound(tmp_path / "both")
    both, first, second = (
        Dataset.open(path) for path in (tmp_path / "both", tiny_dataset, tmp_path / "two")
    )
    assert len(both) == len(first) + len(second)
    assert "other" in both.sequences
    assert {"dataset-seq_00", "two-seq_00"} <= set(both.sequences)
    assert report.manifest["options"]["merged"] == ["dataset", "two"]
    for old, name in ((first, "dataset"), (second, "two")):
        for frame, wanted in rows_of(old):
            sequence = frame.sequence if frame.sequence in both.sequences else None
            new = both[f"{sequence or f'{name}-{frame.sequence}'}/{frame.frame_id.split('/')[1]}"]
            assert next(rows_of(both.select(frames=[new.frame_id])))[1] == wanted
    assert report.manifest["origin"] == "mixed"
    dealt = library.merge([tiny_dataset, tmp_path / "two"], tmp_path / "dealt", split="designed")
    assert dealt.manifest["splits"]["how"] == "designed"
    sound(tmp_path / "dealt")


def test_a_dataset_with_itself(tiny_dataset: Path, tmp_path: Path) -> None:
    report = library.merge([tiny_dataset] * 2, tmp_path / "twice")
    names = report.open().sequences
    assert len(names) == len(set(names)) == 2 * len(Dataset.open(tiny_dataset).sequences)
    assert {"dataset-seq_00", "dataset-seq_00-2"} <= set(names)
    assert report.findings.totals["same-image-twice"]


def test_regions_go_along(tmp_path: Path) -> None:
    regions = {"a/000000": [[[0, 0], [40, 0], [40, 48], [0, 48]]], "b": [[[0, 0], [9, 0], [9, 9]]]}
    (tmp_path / "roi.json").write_text(json.dumps(regions))
    for name in ("a", "b"):
        make_sequence(tmp_path / "raw", name)
    library.build(tmp_path / "raw", tmp_path / "x", roi=tmp_path / "roi.json", workers=1)
    library.build(tmp_path / "raw", tmp_path / "y", workers=1)
    one = library.filter(tmp_path / "x", tmp_path / "one", where="sequence == 'b'")
    assert "b" in one.manifest["options"]["roi"]
    both = library.merge([tmp_path / "x", tmp_path / "y"], tmp_path / "both")
    assert set(both.manifest["options"]["roi"]) == {"x-a/000000", "x-b"}
    sound(tmp_path / "both")
    assert [f.count for f in both.open().select(sequences=["x-b"])] == [
        f.count for f in Dataset.open(tmp_path / "x").select(sequences=["b"])
    ]


def test_what_cannot_be_merged_is_said(tiny_dataset: Path, tmp_path: Path) -> None:
    make_sequence(tmp_path / "raw", "a")
    library.build(tmp_path / "raw", tmp_path / "all", count_policy="all", workers=1)
    words = ["merge", tiny_dataset, tmp_path / "all", "--out", tmp_path / "both"]
    done = gtahead(*words)
    assert done.code == 1
    assert "count heads by different policies (got 'all, and visible" in done.err
    assert gtahead("merge", tiny_dataset, "--out", tmp_path / "x").code == 2
    assert gtahead("filter", tiny_dataset, "--where", "x >", "--out", tmp_path / "x").code == 2
    done = gtahead("filter", tiny_dataset, "--where", "num_heads < 0", "--out", tmp_path / "x")
    assert done.code == 2
    assert "no frame is left" in done.err
    done = gtahead("filter", tiny_dataset, "--where", "split == 'val'", "--out", tmp_path / "x")
    assert done.code == 2
    assert "in this dataset split is 'test' or 'train'" in done.err
    done = gtahead("filter", tiny_dataset, "--out", tiny_dataset / "inside")
    assert done.code == 2
    assert "inside" in done.err
    assert not (tmp_path / "x").exists()


def test_a_target_is_replaced_whole_or_not_at_all(tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert gtahead("filter", tiny_dataset, "--sample", 3, "--out", out).code == 0
    before = sorted((p, p.stat().st_mtime_ns) for p in out.rglob("*"))
    done = gtahead("filter", tiny_dataset, "--sample", 4, "--out", out)
    assert done.code == 1
    assert "--overwrite" in done.err
    words = ["filter", tiny_dataset, "--sample", 4, "--out", out, "--overwrite"]
    for point in ("sequence-derived", "frames-written", "manifest-written"):
        killed = spawn_gtahead(*words, env={"GTAHEAD_CRASH_AT": point})
        assert killed.code == -9
        assert sorted((p, p.stat().st_mtime_ns) for p in out.rglob("*")) == before
    assert gtahead(*words).code == 0
    assert len(Dataset.open(out)) == 4
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    sound(out)


def test_an_image_that_is_missing_is_named(tmp_path: Path) -> None:
    make_sequence(tmp_path / "raw", "a")
    library.build(tmp_path / "raw", tmp_path / "set", images="copy", workers=1)
    lost = Dataset.open(tmp_path / "set")[0].image_path
    lost.unlink()
    done = gtahead("filter", tmp_path / "set", "--out", tmp_path / "out")
    assert done.code == 1
    assert "the image is missing" in done.err
    assert lost.name in done.err
    assert not (tmp_path / "out").exists()
    assert (
        gtahead("filter", tmp_path / "set", "--out", tmp_path / "out", "--images", "none").code == 0
    )


def test_the_rules_that_are_left_are_listed(tmp_path: Path) -> None:
    """Boxes of two rules: a part that has one of them alone names that one."""
    make_sequence(tmp_path / "raw", "a")
    library.build(tmp_path / "raw", tmp_path / "set", workers=1)
    whole = Dataset.open(tmp_path / "set")
    for name in whole.frame_ids:
        made = library.filter(whole.select(frames=[name]), tmp_path / name.replace("/", "-"))
        sources = made.manifest["statistics"]["box_sources"]
        assert all(sources.values())
        sound(tmp_path / name.replace("/", "-"))


def test_rules_that_differ_are_refused(tmp_path: Path) -> None:
    make_sequence(tmp_path / "raw", "a")
    library.build(tmp_path / "raw", tmp_path / "x", workers=1)
    library.build(tmp_path / "raw", tmp_path / "y", boxes="fixed:9", workers=1)
    done = gtahead("merge", tmp_path / "x", tmp_path / "y", "--out", tmp_path / "z")
    assert done.code == 1
    assert "boxes by different rules (got 'auto, and fixed:side=9')" in done.err
    assert "gtahead annotate DATASET --boxes auto" in done.err
    assert gtahead("annotate", tmp_path / "y", "--boxes", "auto").code in (0, 3)
    assert gtahead("merge", tmp_path / "x", tmp_path / "y", "--out", tmp_path / "z").code == 0


def test_names_that_are_taken(tmp_path: Path) -> None:
    for name in ("seq", "ds-seq", "ds-seq-2", "ds-seq-3"):
        make_sequence(tmp_path / "one", name)
    make_sequence(tmp_path / "two", "seq")
    for name in ("one", "two"):
        library.build(tmp_path / name, tmp_path / f"{name}-set" / "ds", workers=1)
    parts = [tmp_path / "one-set" / "ds", tmp_path / "two-set" / "ds"]
    report = library.merge(parts, tmp_path / "both")
    names = report.open().sequences
    assert len(set(names)) == 5
    assert {"ds-seq-4", "ds-seq-5"} <= set(names)


@pytest.mark.parametrize("damage", ["cut", "swapped", "changed", "gone"])
def test_damaged_heads_are_refused(damage: str, tiny_dataset: Path, tmp_path: Path) -> None:
    """Another sequence's table, one that ends early, or one that was edited: none gets through."""
    shutil.copytree(tiny_dataset, tmp_path / "set")
    first, second = (tmp_path / "set" / "heads" / f"seq_0{n}.parquet" for n in (0, 1))
    if damage == "cut":
        first.write_bytes(first.read_bytes()[:-100])
    elif damage == "swapped":
        first.write_bytes(second.read_bytes())
    elif damage == "changed":
        table = parquet.read_table(first)
        moved = [value + 1 for value in table.column("x").to_pylist()]
        parquet.write_table(table.set_column(2, table.schema.field("x"), [moved]), first)
    else:
        first.unlink()
    for words in (["filter", tmp_path / "set"], ["merge", tmp_path / "set", tiny_dataset]):
        done = gtahead(*words, "--out", tmp_path / "out")
        assert done.code == 1
        assert "seq_00.parquet: the table is missing, or isn't the one that" in done.err
        assert not (tmp_path / "out").exists()


def test_options_out_of_bounds(tiny_dataset: Path, tmp_path: Path) -> None:
    words = ["filter", tiny_dataset, "--out", tmp_path / "x"]
    for more in (["--sample", 3, "--seed", -1], ["--where", "not " * 975 + "hour < 1"]):
        done = gtahead(*words, *more)
        assert done.code == 2, done.err
        assert not (tmp_path / "x").exists()


def test_names_that_are_one_on_some_systems_are_told_apart(tmp_path: Path) -> None:
    for number, name in enumerate(("caf\u00e9", "cafe\u0301")):
        make_sequence(tmp_path / f"raw{number}", name)
        library.build(tmp_path / f"raw{number}", tmp_path / f"set{number}", workers=1)
    merged = library.merge([tmp_path / "set0", tmp_path / "set1"], tmp_path / "both").open()
    assert len({folded_name(name) for name in merged.sequences}) == 2
