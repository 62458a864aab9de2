"""`publish check`: what has to be found before anybody sees it, and how a release loads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from helpers import but_slow, gtahead, make_sequence

import gtahead as library
from gtahead import storage
from gtahead.publishing.checking import check
from gtahead.publishing.loadable import LOADER, expected_sums
from gtahead.publishing.releases import Release


def relist(release: Path) -> None:
    """Let the manifest list the files as they are now."""
    path = release / "manifest.json"
    document = json.loads(path.read_text())
    for one in document["release"]["files"]:
        one["sha256"] = storage.sha256_of(release / one["path"])
        one["bytes"] = (release / one["path"]).stat().st_size
    path.write_text(json.dumps(document))


def totals(release: Path, **options: Any) -> dict[str, int]:
    return check(release, **{"load": False, **options}).findings.totals


def test_a_release_is_fit(staged: Path) -> None:
    report = gtahead("publish", "check", staged, "--json").json
    assert report["findings"]["totals"] == {}
    assert sorted(report["loaded"]) == ["annotations", "default"]
    for modes in report["loaded"].values():
        assert modes["plain"] == modes["streaming"]
        assert {split: sums["heads"] for split, sums in modes["plain"].items()} == {
            "train": 1694,
            "validation": 227,
            "test": 719,
        }
        assert all(sums["names"] == ["head"] for sums in modes["plain"].values())
    assert report["loaded"]["default"]["plain"]["test"]["first_image"] == [640, 360]
    assert sorted(report["records"]) == ["frames", "heads", "images", "splits"]


@pytest.fixture
def nobody(tmp_path: Path) -> Path:
    """A release whose test frames are all empty."""
    make_sequence(tmp_path / "captures", "seq_a")
    make_sequence(tmp_path / "captures", "seq_b", rows=[], split="test")
    make_sequence(tmp_path / "captures", "seq_c", split="validation")
    assert gtahead("build", "--raw", tmp_path / "captures", "--out", tmp_path / "dataset").code == 0
    library.stage(
        tmp_path / "dataset",
        tmp_path / "release",
        repo="a/b",
        creator="x",
        licence="mit",
        i_have_rights=True,
        workers=1,
    )
    return tmp_path / "release"


@pytest.mark.slow
def test_a_test_split_without_anybody(nobody: Path) -> None:
    """All of a split's frames empty: lists of the right type, and as many frames."""
    report = check(nobody)
    assert report.findings.totals == {}
    test = report.loaded["default"]["streaming"]["test"]
    assert (test["frames"], test["heads"], test["empty"], test["names"]) == (4, 0, 4, ["head"])


@pytest.mark.slow
def test_an_older_datasets_loads_the_same(staged: Path, nobody: Path) -> None:
    """`make test-slow` makes the other environment; GTAHEAD_OLDER_DATASETS names its Python."""
    python = os.environ.get("GTAHEAD_OLDER_DATASETS")
    if not python:
        pytest.skip("GTAHEAD_OLDER_DATASETS names no Python with an older `datasets`")
    other = subprocess.run([python, "-I", "-c", "import gtahead"], capture_output=True)
    assert other.returncode != 0  # an environment of its own
    report = check(staged, python=python)
    assert report.findings.totals == {}
    assert report.datasets is not None
    assert report.datasets.startswith("3.6")
    assert report.loaded == check(staged).loaded
    report = check(nobody, python=python)
    assert report.findings.totals == {}
    assert report.loaded == check(nobody).loaded


def test_files_that_changed_or_are_gone(release: Path) -> None:
    shard = release / "data" / "test-00000-of-00001.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.unlink()  # it's shared with nobody: a copy
    shard.write_bytes(bytes(data))
    assert totals(release) == {"file-changed": 1}
    shard.write_bytes(bytes(data[:-1]))
    assert totals(release) == {"file-changed": 1}
    shard.unlink()
    (release / "LICENSE").unlink()
    (release / "notes.txt").write_text("mine")
    assert totals(release) == {"file-missing": 2, "unlisted-file": 1}
    done = gtahead("publish", "push", "crowd-lab/simulated-heads", release, "--no-load")
    assert done.code == 1
    assert "isn't fit to be published" in done.err


@pytest.mark.slow
def test_a_shard_of_other_data(staged: Path, release: Path) -> None:
    """The list fits, yet the shards don't hold what the tables do."""
    shutil.copy(
        staged / "annotations" / "validation-00000-of-00001.parquet",
        release / "annotations" / "test-00000-of-00001.parquet",
    )
    relist(release)
    report = check(release)
    assert set(report.findings.totals) == {"loads-differently", "bad-croissant"}
    reported = [str(one) for one in report.findings.examples["loads-differently"]]
    assert any("annotations, plain, test, frames" in one and "(got '8')" in one for one in reported)


def test_a_image_that_is_not_the_one(release: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = release / "data" / "test-00000-of-00001.parquet"
    table = parquet.read_table(path)
    images = table.column("image").to_pylist()
    images[3]["bytes"] = images[4]["bytes"]
    column = pa.array(images, table.schema.field("image").type)
    path.unlink()
    parquet.write_table(table.set_column(0, table.schema.field("image"), column), path)
    relist(release)
    assert totals(release)["hash-mismatch"] == 1


def test_a_manifest_that_disagrees_with_the_tables(release: Path) -> None:
    path = release / "manifest.json"
    document = json.loads(path.read_text())
    document["statistics"]["heads"]["counted"] += 1
    document["release"]["num_images"] += 1
    path.write_text(json.dumps(document))
    found = totals(release)
    assert found["count-differs"] >= 2
    assert found["bad-card"] >= 1


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["statistics"]["splits"].pop("test"),
        lambda d: d["statistics"]["frames_by_density"].pop("0"),
        lambda d: d["sources"][0].update(about=None),
        lambda d: d["release"].update(version="1" * 5000 + ".0.0"),
        lambda d: d.update(pulled_from={}),
        lambda d: d["release"]["files"].append(d["release"]["files"][0]),
        lambda d: d.update(origin="game"),
        lambda d: d["fingerprints"]["labels"].pop("train"),
        lambda d: d["splits"].update(sequences={}),
        lambda d: d["sources"][0]["digests"].update(labels="0" * 64),
        lambda d: d["release"]["files"][0].update(path="x" * 300),
    ],
)
def test_a_manifest_that_was_edited(edit: Any, release: Path) -> None:
    path = release / "manifest.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    for command in (
        ["publish", "check", release, "--no-load"],
        ["pull", release, "--out", release.parent / "x"],
    ):
        done = gtahead(*command)
        assert done.code == 1, (command, done.out, done.err)
        assert "bug in gtahead" not in done.err


def test_a_damaged_manifest_is_not_taken_for_somebody_elses(release: Path) -> None:
    path = release / "manifest.json"
    path.write_text(path.read_text().replace('"version": "1.0.0"', '"version": "one"'))
    done = gtahead("pull", release, "--out", release.parent / "x")
    assert done.code == 1
    assert "the release is damaged: breaks the schema" in done.err
    assert "get it again" in done.err


def test_images_that_are_gone_with_their_entries(release: Path) -> None:
    shutil.rmtree(release / "data")
    path = release / "manifest.json"
    document = json.loads(path.read_text())
    files = document["release"]["files"]
    document["release"]["files"] = [one for one in files if not one["path"].startswith("data/")]
    path.write_text(json.dumps(document))
    assert gtahead("card", release, "--croissant").code == 0
    assert totals(release)["count-differs"] == 1
    done = gtahead("pull", release, "--out", release.parent / "x")
    assert done.code == 1
    assert "0 of 56 images" in done.err


def test_a_licence_without_text(release: Path) -> None:
    for data in (b" \n", b"\xff\x00"):
        (release / "LICENSE").write_bytes(data)
        assert totals(release) == {"bad-card": 1}


@pytest.mark.parametrize("load", but_slow([False], True))
def test_a_folder_of_any_name(release: Path, load: bool) -> None:
    odd = release.with_name("it's 100% ünï [x] {y} *?")
    release.rename(odd)
    assert check(odd, load=load).findings.totals == {}


@pytest.mark.parametrize("python", but_slow(["/bin/true"], "/bin/echo", "/no/such/python"))
def test_another_python_that_is_none(python: str, staged: Path) -> None:
    done = gtahead("publish", "check", staged, "--python", python)
    assert done.code == 4
    assert "the other Python can't load it" in done.err


def test_damaged_facts(release: Path) -> None:
    path = release / "manifest.json"
    document = json.loads(path.read_text())
    document["release"]["version"] = "one"
    path.write_text(json.dumps(document))
    done = gtahead("publish", "check", release)
    assert done.code == 1
    assert "manifest.json > /release/version" in done.err
    assert "Traceback" not in done.err


def test_a_dataset_is_no_release(tiny_dataset: Path, tmp_path: Path) -> None:
    for command in ("plan", "check"):
        done = gtahead("publish", command, tiny_dataset)
        assert done.code == 1
        assert "stage it first: gtahead publish stage" in done.err
    done = gtahead("publish", "check", tmp_path / "nothing")
    assert done.code == 1


def test_without_the_extra(staged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gtahead import errors

    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    done = gtahead("publish", "check", staged)
    assert done.code == 4
    assert "pip install 'gtahead[hub]'" in done.err
    assert gtahead("publish", "check", staged, "--no-load").code == 0


def test_what_it_should_load_is_what_the_tables_hold(staged: Path) -> None:
    sums = expected_sums(Release.open(staged))
    assert {split: one["frames"] for split, one in sums.items()} == {
        "train": 32,
        "validation": 8,
        "test": 16,
    }
    assert sums["train"]["empty"] == 2


def test_the_loader_stands_alone() -> None:
    assert "gtahead" not in [
        line.split()[1].partition(".")[0]
        for line in LOADER.read_text().splitlines()
        if line.strip().startswith(("import ", "from "))
    ]
