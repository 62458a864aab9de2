"""What a release holds, whose rights it needs, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers import gtahead, make_sequence, manifest, spawn_gtahead

import gtahead as library
from gtahead.publishing.facts import check_repo, parse_version
from gtahead.publishing.releases import Release

FACTS = ["--repo", "crowd-lab/heads", "--creator", "The crowd lab", "--date", "2026-11-01"]


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset that no simulator made."""
    root = tmp_path_factory.mktemp("captured")
    make_sequence(root / "captures", "seq_a")
    make_sequence(root / "captures", "seq_b", rows=[], split="test")
    assert gtahead("build", "--raw", root / "captures", "--out", root / "dataset").code == 0
    return root / "dataset"


def test_a_release_is_a_dataset_with_what_a_hub_needs(staged: Path, tiny_dataset: Path) -> None:
    names = set(contents(staged))
    assert {"README.md", "LICENSE", "croissant.json", "manifest.json", "frames.parquet"} <= names
    assert {f"data/{s}-00000-of-00001.parquet" for s in ("train", "validation", "test")} <= names
    assert "heads/seq_00.parquet" in names
    assert "schemas/predictions.schema.json" in names
    opened, source = library.Dataset.open(staged), library.Dataset.open(tiny_dataset)
    assert opened.manifest.document["fingerprints"] == source.manifest.document["fingerprints"]
    release = Release.open(staged)
    assert (release.num_images, release.facts.licence) == (56, "cc0-1.0")
    assert {one.path for one in release.files} == names - {
        *("README.md", "LICENSE", "croissant.json", "manifest.json")
    }
    assert gtahead("validate", staged).code == 0


def test_the_same_bytes_for_any_number_of_workers(
    staged: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    library.stage(
        tiny_dataset,
        tmp_path / "again",
        repo="crowd-lab/simulated-heads",
        creator="The crowd lab",
        date="2026-11-01",
        workers=2,
    )
    assert contents(tmp_path / "again") == contents(staged)


def test_images_of_a_game_need_somebodys_word(captured: Path, tmp_path: Path) -> None:
    out = tmp_path / "release"
    base = ["publish", "stage", captured, "--out", out, "--licence", "cc-by-4.0", *FACTS]
    done = gtahead(*base)
    assert done.code == 2
    assert "a game's images may not be yours to publish" in done.err
    assert "--images none" in done.err
    assert not out.exists()
    assert gtahead(*base, "--i-have-rights").code == 0
    assert "declares the right" in manifest(out)["release"]["rights"]
    assert "declares the right" in (out / "README.md").read_text(encoding="utf-8")


def test_labels_alone_bring_hashes_of_the_images(captured: Path, tmp_path: Path) -> None:
    out = tmp_path / "release"
    options = ["--licence", "cc-by-4.0", "--images", "none", *FACTS]
    assert gtahead("publish", "stage", captured, "--out", out, *options).code == 0
    assert not (out / "data").exists()
    rows = (out / "image-hashes.csv").read_text().splitlines()
    assert rows[0] == "frame_id,sha256,difference_hash"
    assert len(rows) == 1 + 8
    assert all(len(row.split(",")[2]) == 64 for row in rows[1:])
    release = manifest(out)["release"]
    assert (release["images"], release["rights"], release["num_images"]) == ("none", None, 0)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "Images are *not* included" in card
    assert "name: image," not in card


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--repo", "heads", "--creator", "x"], "not a dataset's name on the hub (got 'heads')"),
        (["--repo", "a/b/c", "--creator", "x"], "not a dataset's name on the hub"),
        (["--repo", "a/..", "--creator", "x"], "not a dataset's name on the hub"),
        (["--repo", "a/b.git", "--creator", "x"], "not a dataset's name on the hub"),
        (["--repo", "a/b", "--creator", "x", "--version", "1.0"], "not a version (got '1.0')"),
        (["--repo", "a/b", "--creator", "x", "--licence", "cc-by-40"], "did you mean cc-by-4.0?"),
        (["--repo", "a/b", "--creator", "x", "--licence", "other"], "--licence-file FILE"),
        (["--repo", "a/b", "--creator", "TODO"], "the creator holds a placeholder (got 'TODO')"),
        (["--repo", "a/b", "--creator", " "], "the creator must be one line of text"),
        (["--repo", "a/b", "--creator", "x", "--date", "1.11.2026"], "write YYYY-MM-DD"),
        (["--repo", "a/b", "--creator", "x", "--date", "20260101"], "write YYYY-MM-DD"),
        (["--repo", "a/b", "--creator", "x", "--version", "1" * 999 + ".0.0"], "not a version"),
        (["--creator", "x"], "missing option '--repo'"),
    ],
)
def test_facts_that_are_none(
    options: list[str], message: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    done = gtahead("publish", "stage", tiny_dataset, "--out", tmp_path / "out", *options)
    assert done.code == 2
    assert message in done.err
    assert not (tmp_path / "out").exists()


def test_a_licence_has_to_be_said(captured: Path, tmp_path: Path) -> None:
    done = gtahead(
        "publish", "stage", captured, "--out", tmp_path / "out", "--images", "none", *FACTS
    )
    assert done.code == 2
    assert "no licence is given" in done.err
    terms = tmp_path / "terms.txt"
    terms.write_text("Research only. Наука.\n", encoding="utf-8")
    options = ["--images", "none", "--licence", "other", "--licence-file", terms, *FACTS]
    assert gtahead("publish", "stage", captured, "--out", tmp_path / "out", *options).code == 0
    assert (tmp_path / "out" / "LICENSE").read_text(encoding="utf-8") == "Research only. Наука.\n"
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "license: other\nlicense_name: heads-licence\nlicense_link: LICENSE\n" in card


def test_names_that_the_hub_knows() -> None:
    for name in ("a/b", "crowd-lab/GTA_Head", "o.w/n-1.2"):
        check_repo(name)
    assert parse_version("10.2.33") == (10, 2, 33)
    for name in (
        "a",
        "/b",
        "a/",
        "-a/b",
        "a/b-",
        "a--b/c",
        "a/b c",
        "ä/b",
        "a/b\n",
        "a/" + "b" * 96,
    ):
        with pytest.raises(library.UsageError):
            check_repo(name)


def test_other_peoples_folders_stay(tiny_dataset: Path, release: Path, tmp_path: Path) -> None:
    def stage(out: Path, *more: str) -> Any:
        return gtahead("publish", "stage", tiny_dataset, "--out", out, *FACTS, *more)

    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    done = stage(other, "--overwrite")
    assert done.code == 1
    assert "thesis.tex" in done.err
    done = stage(release)
    assert done.code == 1
    assert "add --overwrite" in done.err
    (release / "notes.txt").write_text("mine")
    done = stage(release, "--overwrite")
    assert done.code == 1
    assert "notes.txt" in done.err
    assert (release / "notes.txt").exists()
    (release / "notes.txt").unlink()
    assert stage(release, "--overwrite").code == 0
    done = stage(tiny_dataset)
    assert done.code == 2
    done = stage(tiny_dataset / "images" / "release")
    assert done.code == 2
    assert gtahead("publish", "stage", release, "--out", tmp_path / "x", *FACTS).code == 1


def test_edits_of_the_card_outlive_a_new_version(tiny_dataset: Path, release: Path) -> None:
    card = release / "README.md"
    text = card.read_text(encoding="utf-8")
    card.write_text(
        text.replace("## Limits\n", "## Limits\n\nMine: ночь is dark.\n"), encoding="utf-8"
    )
    done = gtahead(
        *("publish", "stage", tiny_dataset, "--out", release, "--overwrite"),
        *("--repo", "crowd-lab/simulated-heads", "--creator", "The crowd lab"),
        *("--date", "2026-12-01", "--version", "1.1.0", "--changes", "More of it."),
    )
    assert done.code == 0
    text = card.read_text(encoding="utf-8")
    assert "Mine: ночь is dark." in text
    assert (
        "- **1.1.0** (2026-12-01): More of it.\n- **1.0.0** (2026-11-01): First release.\n" in text
    )


@pytest.mark.parametrize("point", ["staged", "release-written", "exported"])
def test_a_killed_staging_leaves_nothing(point: str, tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "release"
    arguments = ["publish", "stage", tiny_dataset, "--out", out, *FACTS, "--workers", "1"]
    done = spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": point})
    assert done.code != 0
    assert not out.exists()
    assert gtahead(*arguments).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["release"]
    assert gtahead("verify", out).code == 0


def test_a_missing_image_is_named(captured: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset"
    shutil.copytree(captured, copy)
    lost = sorted((copy / "images").rglob("*.jpg"))[0]
    lost.unlink()
    options = ["--licence", "mit", "--i-have-rights", *FACTS]
    done = gtahead("publish", "stage", copy, "--out", tmp_path / "out", *options)
    assert done.code == 1
    assert lost.name in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_the_plan_says_what_will_be_public(staged: Path) -> None:
    done = gtahead("publish", "plan", staged)
    assert done.code == 0
    assert "56 images (2.7 MB), as they are. All of them are simulated." in done.out
    assert (
        "labels of train (1,694), validation (227), test (719) heads, test labels included"
        in done.out
    )
    plan = gtahead("publish", "plan", staged, "--json").json
    assert plan["files"] == 21
    assert [shard["rows"] for shard in plan["shards"]] == [16, 32, 8, 16, 32, 8]
    assert plan["bytes"] == sum(p.stat().st_size for p in staged.rglob("*") if p.is_file())


def test_the_plan_tells_what_is_over_a_limit(staged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gtahead.publishing import checking

    monkeypatch.setattr(checking, "MAX_IN_FOLDER", 8)
    monkeypatch.setattr(checking, "MAX_ROW_BYTES", 50_000)
    done = gtahead("publish", "plan", staged)
    assert done.code == 1
    assert "entries in one folder: the limit is 8" in done.err
    assert "bytes of a row, on average: the limit is 50.0 kB" in done.err


def test_hostile_names_in_a_manifest_are_refused(release: Path) -> None:
    path = release / "manifest.json"
    document = json.loads(path.read_text())
    document["release"]["files"][0]["path"] = "../../etc/passwd"
    path.write_text(json.dumps(document))
    for command in (["publish", "plan"], ["publish", "check"], ["verify"], ["pull"]):
        done = gtahead(*command, release)
        assert done.code == 1
        assert "points outside the release" in done.err
    assert not os.path.lexists("dataset")


def test_a_second_version_says_what_changed_and_keeps_the_licences_edits(
    tiny_dataset: Path, release: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tiny_dataset, copy)
    assert gtahead("annotate", copy, "--sigma", "fixed:8").code == 0
    (release / "LICENSE").write_text("CC0, and be kind.\n")
    facts = ["--repo", "crowd-lab/simulated-heads", "--creator", "x", "--version", "2.0.0"]
    done = gtahead("publish", "stage", copy, "--out", release, "--overwrite", *facts)
    assert done.code == 0, done.err
    card = (release / "README.md").read_text(encoding="utf-8")
    assert "3,329 heads with another sigma." in card
    assert (release / "LICENSE").read_text() == "CC0, and be kind.\n"


def test_images_that_changed_since_the_build_are_not_hashed(captured: Path, tmp_path: Path) -> None:
    copy = tmp_path / "dataset"
    shutil.copytree(captured, copy)
    first, second = sorted((copy / "images" / "seq_a").glob("*.jpg"))[:2]
    data = first.read_bytes()
    first.unlink()
    shutil.copy(second, first)
    second.unlink()
    second.write_bytes(data)
    options = ["--licence", "mit", "--images", "none", *FACTS]
    done = gtahead("publish", "stage", copy, "--out", tmp_path / "out", *options)
    assert done.code == 1
    assert "hash-mismatch" in done.err


def test_links_and_roundabout_paths(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert gtahead("publish", "stage", tiny_dataset, "--out", "link", *FACTS).code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "manifest.json").exists()
    done = gtahead("publish", "stage", tiny_dataset, "--out", ".", *FACTS)
    assert done.code == 2
    assert "the current folder can't be replaced" in done.err
    assert gtahead("pull", "real", "--out", "real/..").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]
