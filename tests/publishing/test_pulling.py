"""From a release's folder to a dataset, whole or not at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import gtahead, manifest, spawn_gtahead

import gtahead as library


def test_a_folder_gives_the_same_dataset(staged: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "dataset"
    report = library.pull(staged, out)
    mine, source = manifest(out), manifest(tiny_dataset)
    assert mine["fingerprints"] == source["fingerprints"]
    assert mine["statistics"] == source["statistics"]
    assert mine["options"] == source["options"]
    assert mine["pulled_from"]["repo"] == "crowd-lab/simulated-heads"
    assert "files" not in mine["pulled_from"]
    assert report.images == 56
    for path in sorted((tiny_dataset / "images").rglob("*.jpg")):
        assert (out / path.relative_to(tiny_dataset)).read_bytes() == path.read_bytes()
    assert gtahead("validate", out, "--images", "full").code == 0
    assert gtahead("verify", out).code == 0
    assert gtahead("diff", tiny_dataset, out).code == 0
    exported = gtahead("export", out, "--format", "coco", "--out", tmp_path / "coco")
    assert exported.code == 0


def test_what_is_damaged_gives_nothing(release: Path, tmp_path: Path) -> None:
    table = release / "heads" / "seq_03.parquet"
    data = table.read_bytes()
    table.unlink()
    table.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = gtahead("pull", release, "--out", tmp_path / "out")
    assert done.code == 1
    assert "heads/seq_03.parquet" in done.err
    assert not (tmp_path / "out").exists()
    assert list(tmp_path.glob(".part*")) == []


def test_a_manifest_of_other_labels_gives_nothing(release: Path, tmp_path: Path) -> None:
    path = release / "manifest.json"
    document = json.loads(path.read_text())
    document["fingerprints"]["labels"]["all"] = "0" * 64
    path.write_text(json.dumps(document))
    done = gtahead("pull", release, "--out", tmp_path / "out")
    assert done.code == 1
    assert "fingerprint" in done.err
    assert not (tmp_path / "out").exists()


def test_other_peoples_folders_stay(staged: Path, tiny_dataset: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("mine")
    done = gtahead("pull", staged, "--out", other, "--overwrite")
    assert done.code == 1
    assert "thesis.tex" in done.err
    copy = tmp_path / "copy"
    shutil.copytree(tiny_dataset, copy)
    assert gtahead("pull", staged, "--out", copy).code == 1
    assert gtahead("pull", staged, "--out", copy, "--overwrite").code == 0
    done = gtahead("pull", tiny_dataset, "--out", tmp_path / "x")
    assert done.code == 1
    assert "it can be used as it is" in done.err
    assert gtahead("pull", staged, "--out", tmp_path / "x", "--revision", "main").code == 2


def test_what_is_not_of_the_dataset_stays(staged: Path, release: Path, tmp_path: Path) -> None:
    out = tmp_path / "dataset"
    assert gtahead("pull", staged, "--out", out).code == 0
    (out / "notes.txt").write_text("mine")
    done = gtahead("pull", staged, "--out", out, "--overwrite")
    assert done.code == 1
    assert "notes.txt" in done.err
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    shutil.move(release, out / "release")
    done = gtahead("pull", out / "release", "--out", out, "--overwrite")
    assert done.code == 2
    assert (out / "release" / "manifest.json").exists()
    assert gtahead("pull", out / "release", "--out", out / "release" / "sub").code == 2
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "manifest.json").write_text('{"format": "gtahead-dataset"}')
    (fake / "thesis.tex").write_text("mine")
    assert gtahead("pull", staged, "--out", fake, "--overwrite").code == 1
    assert (fake / "thesis.tex").exists()


def test_a_dataset_that_somebody_works_on_stays(staged: Path, tmp_path: Path) -> None:
    out = tmp_path / "dataset"
    assert gtahead("pull", staged, "--out", out).code == 0
    code = (
        "import sys, pathlib; from gtahead.storage import targets\n"
        "with targets.locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = gtahead("pull", staged, "--out", out, "--overwrite")
        other.communicate(b"\n")
    assert done.code == 4
    assert "another gtahead process is working on this target" in done.err
    assert gtahead("verify", out).code == 0
    assert gtahead("pull", staged, "--out", out, "--overwrite").code == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_an_annotation_belongs_in_the_dataset(release: Path) -> None:
    done = gtahead("annotate", release, "--sigma", "fixed:8")
    assert done.code == 1
    assert "a release" in done.err
    assert gtahead("verify", release).code == 0


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_a_stopped_pull_leaves_nothing_half(signal: str, staged: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    crash = {"GTAHEAD_CRASH_AT": f"pulled:{signal}"}
    done = spawn_gtahead("pull", staged, "--out", out, env=crash, forked=True)
    assert done.code in (-9, 143)
    assert not out.exists()
    assert gtahead("pull", staged, "--out", out).code == 0
    assert gtahead("verify", out).code == 0
    assert list(tmp_path.glob(".part*")) == []
