"""What a build must never do: touch what isn't its own, believe what is damaged, lose what was whole."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from helpers import (
    but_slow,
    edit_sequence,
    gtahead,
    make_sequence,
    manifest,
    put,
    spawn_gtahead,
    write_rows,
)

import gtahead as library
from gtahead.tables import canonical

MANY = [f"0,{n},{n % 64}.5,{n % 48}.5,8" for n in range(1, 50)]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
@pytest.mark.parametrize(
    "files",
    [
        {".build/debug/app": "x", "frames.parquet": "mine"},
        {"manifest.json": '{"name": "pwa"}', "frames.parquet": "mine"},
        {"manifest.json": "[1]", "heads/x.parquet": "mine"},
        {".build/options.json": "[]"},
    ],
    ids=["another tool's .build", "another tool's manifest", "a list", "no options"],
)
def test_other_tools_files_are_left_alone(
    captures: Path, tmp_path: Path, files: dict[str, str], fresh: list[str]
) -> None:
    target = tmp_path / "target"
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    before = tree(target)
    done = gtahead("build", "--raw", captures, "--out", target, *fresh)
    assert done.code == 1
    assert "the folder holds something that isn't a gtahead dataset" in done.err
    assert tree(target) == before


def _replace_column(path: Path, name: str, values: list[Any]) -> None:
    table = pyarrow.parquet.read_table(path)
    index = table.schema.get_field_index(name)
    table = table.set_column(index, table.schema.field(name), pa.array(values, pa.string()))
    path.unlink()
    pyarrow.parquet.write_table(table, path)


def test_fresh_follows_no_path_out_of_the_dataset(
    captures: Path, built: Path, tmp_path: Path
) -> None:
    victim = tmp_path / "victim.parquet"
    victim.write_text("mine")
    _replace_column(built / "frames.parquet", "sequence", ["../../victim"] * 16)
    (built / "manifest.json").unlink()
    assert gtahead("build", "--raw", captures, "--out", built, "--fresh").code == 0
    assert victim.read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "images/a/mine.txt", "heads/mine.csv", "mine/x.jpg"])
def test_fresh_removes_no_foreign_file(captures: Path, built: Path, name: str) -> None:
    put(built, {name: b"mine"})
    before = tree(built)
    done = gtahead("build", "--raw", captures, "--out", built, "--every", 2, "--fresh")
    assert done.code == 1
    assert done.err == (
        f"error: {built}: the dataset holds a file that isn't part of it (got {name!r}); move it "
        "away, or choose another --out\n"
    )
    assert tree(built) == before


def test_fresh_loses_nothing_when_killed_and_goes_on(
    captures: Path, built: Path, tmp_path: Path
) -> None:
    before = tree(built)
    other = ("--boxes", "fixed", "--fresh")
    command = ["build", "--raw", captures, "--out", built, "--workers", 1]
    for _ in range(2):
        killed = spawn_gtahead(*command, *other, env={"GTAHEAD_CRASH_AT": "unit-done"})
        assert killed.code == -signal.SIGKILL
        assert tree(built) == before
    done = gtahead(*command, *other, "--json")
    assert (done.code, done.json["reused"]) == (0, 2)
    library.build(captures, tmp_path / "whole", boxes="fixed", workers=1)
    assert tree(built) == tree(tmp_path / "whole")
    assert not list(tmp_path.glob(".gtahead-*"))


def test_fresh_goes_on_with_nothing_of_other_options(captures: Path, built: Path) -> None:
    command = ["build", "--raw", captures, "--out", built, "--workers", 1, "--fresh"]
    stopped = spawn_gtahead(*command, "--every", 2, env={"GTAHEAD_CRASH_AT": "unit-done"})
    assert stopped.code == -signal.SIGKILL
    assert gtahead(*command, "--json").json["reused"] == 0
    assert spawn_gtahead(*command, env={"GTAHEAD_CRASH_AT": "unit-done"}).code == -signal.SIGKILL
    shutil.rmtree(captures / "a")
    assert gtahead(*command, "--json").json["ledger"]["sequences"]["in"] == 3


def test_fresh_that_ends_without_a_dataset_leaves_the_old_one(captures: Path, built: Path) -> None:
    before = tree(built)
    broken = next((captures / "a").rglob("*.jpg"))
    broken.unlink()  # the dataset's is a link to it
    broken.write_bytes(b"no image")
    command = ["build", "--raw", captures, "--out", built, "--fresh"]
    assert gtahead(*command, "--strict").code == 1
    for path in captures.rglob("*.jpg"):
        path.unlink()
    assert gtahead(*command).code == 1
    assert tree(built) == before


def _swap(target: Path) -> None:
    shutil.copyfile(target / "heads/a.parquet", target / "heads/x")
    (target / "heads/x").replace(target / "heads/b.parquet")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: (t / "heads/a.parquet").write_bytes(b"PAR1"), "the table can't be read"),
        (lambda t: (t / "heads/a.parquet").unlink(), "the table can't be read"),
        (_swap, "the table isn't the one that the manifest names"),
        (lambda t: (t / "frames.parquet").write_bytes(b""), "the table can't be read"),
        (lambda t: (t / "frames.parquet").unlink(), "the table can't be read"),
        (lambda t: (t / "manifest.json").unlink(), "it has no manifest.json"),
        (lambda t: (t / "images/a/000001.jpg").unlink(), None),
        (lambda t: (t / "images/a/000001.jpg").rename(t / "images/a/x"), None),
    ],
)
def test_damage_is_seen_and_the_next_build_fixes_it(
    captures: Path, built: Path, damage: Callable[[Path], object], message: str | None
) -> None:
    before = tree(built)
    damage(built)
    if message is not None:
        with pytest.raises(library.InputError) as caught:
            list(library.Dataset.open(built))
        assert message in str(caught.value)
    fixed = library.build(captures, built, workers=1)
    assert fixed.built >= 1
    after = tree(built)
    after.pop("images/a/x", None)
    assert after == before


def test_a_damaged_manifest_needs_fresh_and_says_so(captures: Path, built: Path) -> None:
    before = tree(built)
    document = manifest(built)
    del document["sources"][0]["ledger"]
    cut_short = (built / "manifest.json").read_text()[:500]
    (built / "manifest.json").write_text(cut_short)
    assert gtahead("info", built).err.endswith("damaged: build it anew with --fresh\n")
    (built / "manifest.json").write_text(json.dumps(document))
    for command in (["info", built], ["build", "--raw", captures, "--out", built]):
        done = gtahead(*command)
        assert done.code == 1
        assert done.err.endswith("the dataset is damaged: build it anew with --fresh\n")
    assert gtahead("build", "--raw", captures, "--out", built, "--fresh").code == 0
    assert tree(built) == before


@pytest.mark.parametrize("key", ["statistics", "findings", "tables", "splits", "fingerprints"])
@pytest.mark.parametrize("value", but_slow([[], {"totals": 5, "examples": []}], {}, 5))
def test_lies_in_the_manifest_are_no_bugs_of_ours(
    captures: Path, built: Path, key: str, value: object
) -> None:
    document = manifest(built)
    document[key] = value
    (built / "manifest.json").write_text(json.dumps(document))
    assert gtahead("info", built).code == 1
    assert gtahead("build", "--raw", captures, "--out", built).code == 1


def test_broken_notes_of_an_unfinished_build_are_made_again(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    arguments = ["build", "--raw", captures, "--out", target, "--workers", 1]
    spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": "frames-written"})
    (target / ".build/records/a.json").write_text("{")
    (target / ".build/records/b.json").write_text("{}")
    (target / ".build/frames/c.parquet").unlink()
    done = gtahead(*arguments, "--json")
    assert (done.code, done.json["built"], done.json["reused"]) == (0, 3, 1)
    library.build(captures, tmp_path / "whole", workers=1)
    assert tree(target) == tree(tmp_path / "whole")


def test_strict_keeps_a_finished_set(captures: Path, built: Path) -> None:
    before = manifest(built)
    (make_sequence(captures, "e", split=None) / "heads.csv").unlink()
    done = gtahead("build", "--raw", captures, "--out", built, "--strict")
    assert done.code == 1
    assert manifest(built) == before
    assert len(library.Dataset.open(built)) == 16
    assert gtahead("build", "--raw", captures, "--out", built).code == 3


def test_what_is_set_aside_later_leaves_no_files(captures: Path, built: Path) -> None:
    (captures / "b" / "heads.csv").write_bytes(b"")
    edit_sequence(captures / "c", lambda document: document.update(images=False))
    assert gtahead("build", "--raw", captures, "--out", built).code == 3
    assert not (built / "heads/b.parquet").exists()
    assert not (built / "images/b").exists()
    assert not (built / "images/c").exists()
    assert sorted(path.stem for path in (built / "heads").iterdir()) == ["a", "c", "d"]


def test_orphans_of_a_killed_build_go(captures: Path, built: Path) -> None:
    make_sequence(captures, "e", split=None)
    arguments = ["build", "--raw", captures, "--out", built, "--workers", 1]
    spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": "heads-placed"})
    assert (built / "heads/e.parquet").exists()
    shutil.rmtree(captures / "e")
    make_sequence(captures, "f", split=None)
    assert gtahead(*arguments).code == 0
    assert not (built / "heads/e.parquet").exists()
    assert not (built / "images/e").exists()


def test_a_lone_killer_is_set_aside_and_the_rest_stays(captures: Path, built: Path) -> None:
    make_sequence(captures, "e", split=None)
    arguments = ["build", "--raw", captures, "--out", built, "--workers", 2]
    done = spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": "heads-placed"})
    assert done.code == 3
    assert done.err == (
        "error[unit-crashed]: sequence e: its worker process died twice; run with `--workers 1 --debug` "
        "to see it happen; out of memory is the usual cause\n"
    )
    assert len(library.Dataset.open(built)) == 16
    again = gtahead(*arguments, "--json")  # the next build tries it again
    assert (again.code, again.json["built"], again.json["reused"]) == (0, 1, 4)


def test_a_stale_record_is_not_believed(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    arguments = ["build", "--raw", captures, "--out", target, "--workers", 1]
    spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": "frames-written"})
    old = (captures / "a/heads.csv").read_bytes()
    write_rows(captures / "a", MANY)
    spawn_gtahead(*arguments, env={"GTAHEAD_CRASH_AT": "heads-placed"})
    (captures / "a/heads.csv").write_bytes(old)
    assert gtahead(*arguments).code == 0
    library.build(captures, tmp_path / "whole", workers=1)
    assert tree(target) == tree(tmp_path / "whole")


def test_findings_follow_the_captures_even_where_nothing_is_built(
    captures: Path, built: Path
) -> None:
    (captures / "junk").mkdir()
    arguments = ["build", "--raw", captures, "--out", built, "--json"]
    done = gtahead(*arguments)
    assert (done.code, done.json["built"]) == (3, 0)
    assert done.json["findings"]["totals"] == {"no-sequence-file": 1}
    assert gtahead(*arguments).code == 3
    (captures / "junk").rmdir()
    done = gtahead(*arguments)
    assert (done.code, done.json["findings"]["totals"]) == (0, {})
    assert done.json["ledger"]["sequences"] == {"in": 4, "out": 4, "dropped": {}}


def test_two_builds_at_once(captures: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    arguments = ["build", "--raw", str(captures), "--out", str(target), "--workers", "1"]
    first = subprocess.Popen(
        [sys.executable, "-m", "gtahead", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "GTAHEAD_CRASH_AT": f"unit-done:STOP@{tmp_path / 'stopped'}"},
    )
    _, status = os.waitpid(first.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)  # it stands still in the middle of its work
    second = gtahead(*arguments)
    assert second.code == 4
    assert (
        f"another gtahead process is working on this target (got 'pid {first.pid}')" in second.err
    )
    first.send_signal(signal.SIGCONT)
    first.communicate(timeout=60)
    assert first.returncode == 0
    library.build(captures, tmp_path / "whole", workers=1)
    assert tree(target) == tree(tmp_path / "whole")


def test_labels_that_cannot_be_read_cost_their_sequence_alone(
    captures: Path, tmp_path: Path
) -> None:
    shutil.rmtree(captures / "a" / "frames")
    (captures / "a" / "frames").symlink_to("frames")  # a loop
    edit_sequence(captures / "b", lambda d: d["frames"][0].update(file="x" * 5000))
    fifo = captures / "c" / "frames" / "000001.jpg"
    fifo.unlink()
    os.mkfifo(fifo)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "target", "--workers", 1)
    assert done.code == 3
    codes = [line.partition("[")[2].partition("]")[0] for line in done.err.splitlines()]
    assert sorted(set(codes) - {"image-without-record", "few-locations"}) == [
        "image-unreadable",
        "no-frames-left",
        "not-an-image",
    ]
    assert max(map(len, done.err.splitlines())) < 1000
    rows = library.Dataset.open(tmp_path / "target").frames(["sequence"])["sequence"]
    assert [rows.count(name) for name in "abcd"] == [0, 3, 3, 4]


def test_the_capture_may_be_the_current_folder(captures: Path, tmp_path: Path) -> None:
    for raw, cwd in (
        (".", captures / "a"),
        ("frames/..", captures / "a"),
        ("../a", captures / "b"),
    ):
        target = tmp_path / f"target-{raw.replace('/', '-')}"
        done = spawn_gtahead("build", "--raw", raw, "--out", target, "--workers", 1, cwd=cwd)
        assert done.code == 0, done.err
        assert library.Dataset.open(target).sequences == ["a"]
    assert spawn_gtahead("info", ".", cwd=captures / "a", forked=True).code == 0


def test_a_target_that_is_a_loop(captures: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "loop")
    assert done.code in (1, 4)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("workers", but_slow([1], 2))
@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["frames"][0].update(frame=0.0),
        lambda d: d.update(fps=2**63 + 5),
        lambda d: d.update(fps=2**53 + 1),
        lambda d: d.update(note=[[[[[[[[[[[[1]]]]]]]]]]]]),
        lambda d: d.update(note="x" * 10**6),
        lambda d: d.update({"k" * 10**5: 1}),
        lambda d: d.update(seed=2**63),
        lambda d: d.update(camera={"vfov_deg": 1e-300, "position_m": [1e300, 0, 0]}),
    ],
)
def test_odd_documents_end_in_findings(
    captures: Path, tmp_path: Path, change: Callable[[dict[str, Any]], object], workers: int
) -> None:
    edit_sequence(captures / "a", change)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "out", "--workers", workers)
    assert done.code in (0, 3), done.err
    assert max(map(len, done.err.splitlines()), default=0) < 1000


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (["0,1,Empty CSV,5,8", "0,2,5,5,8", "1,1,5,5,8"], 2),
        (["0,1,Could not skip,5,8", "0,2,5,5,8"], 1),
        (["0,1,5,5,1e-320", "0,2,5,5,1e300", "0,3,1e308,5,8"], 2),
        (["0,1e300,5,5,8", "0,9223372036854775808,5,5,8", "0,7,5,5,8"], 1),
        (['0,1,inf,5,"' + "x" * 200_000 + '"'], 0),
    ],
)
def test_odd_rows(captures: Path, tmp_path: Path, rows: list[str], kept: int) -> None:
    write_rows(captures / "a", rows)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "target", "--workers", 1)
    assert done.code == 3 or kept == len(rows)
    assert "RuntimeWarning" not in done.err
    heads = canonical.read_heads(tmp_path / "target/heads/a.parquet", "a")
    assert len(heads["head_id"]) == kept
    for name in ("box_x0", "box_x1", "box_error_px", "depth_m"):
        assert not (abs(heads[name]) > 1e9).any()


def test_headers_that_are_too_long_or_too_many(captures: Path, tmp_path: Path) -> None:
    write_rows(captures / "a", [], header="frame,ped_id,x,y," + "n" * 100_000)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "target", "--workers", 1)
    assert done.code == 3
    assert "bad-heads-file]: a/heads.csv > sequence a > line 1" in done.err
    assert "the header line is too long" in done.err


def test_parquet_with_a_column_twice(captures: Path, tmp_path: Path) -> None:
    (captures / "a/heads.csv").unlink()
    names = ["frame", "ped_id", "x", "y", "x"]
    table = pa.Table.from_arrays([pa.array([1])] * 5, names=names)
    pyarrow.parquet.write_table(table, captures / "a/heads.parquet")
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "target", "--workers", 1)
    assert done.code == 3
    assert "a column name occurs twice (got 'x')" not in done.out
    assert "bad-heads-file]: a/heads.parquet" in done.err


def test_given_splits_that_leak_are_said(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    make_sequence(captures, "a", split="train", location="pier")
    make_sequence(captures, "b", split="test", location="pier")
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "target")
    assert done.code == 0
    assert done.err == (
        "warning[given-splits-leak]: sequence b: two splits that the data bring share a location, a "
        "standpoint or an image: a is for train, b for test; scores on them are too optimistic; put "
        "such sequences into one split\n"
    )


def test_one_camera_is_one_location_however_it_looks(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    poses = [
        ([10.49, -0.0, 5.0], [-20, 0, 180]),
        ([10.51, 0.0, 5.9], [-22, 0, -180]),
        ([100, 0, 5], [0, 0, 0]),
        ([200, 0, 5], [0, 0, 0]),
        ([300, 0, 5], [0, 0, 0]),
        ([-0.4, -300, 5], [0, 0, 0]),
        ([0.4, -300.3, 5], [0, 0, 90]),
    ]
    for number, (position, rotation) in enumerate(poses):
        camera = {"vfov_deg": 50, "position_m": position, "rotation_deg": rotation}
        make_sequence(captures, f"s{number}", split=None, camera=camera)
    assert gtahead("build", "--raw", captures, "--out", tmp_path / "target").code == 0
    rows = library.Dataset.open(tmp_path / "target").frames(["sequence", "split"])
    split = dict(zip(rows["sequence"], rows["split"], strict=True))
    assert split["s0"] == split["s1"]
    assert split["s5"] == split["s6"]


def test_a_image_path_in_the_table_is_checked(built: Path) -> None:
    _replace_column(built / "frames.parquet", "file", ["/etc/passwd"] * 16)
    with pytest.raises(library.InputError, match="the image's path points outside the dataset"):
        next(iter(library.Dataset.open(built)))


@pytest.mark.slow
def test_the_same_build_on_dask(captures: Path, tmp_path: Path) -> None:
    from distributed import LocalCluster

    library.build(captures, tmp_path / "whole", workers=1)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        done = spawn_gtahead(
            *("build", "--raw", "captures", "--out", "target"),
            *("--scheduler", cluster.scheduler_address),
            cwd=tmp_path,
        )
    assert done.code == 0, done.err
    assert tree(tmp_path / "target") == tree(tmp_path / "whole")


@pytest.mark.parametrize("name", ["cam:1", "aux", "what?", "end.", "cam\u200b1"])
def test_a_name_that_cannot_be_opened_is_not_built(tmp_path: Path, name: str) -> None:
    make_sequence(tmp_path / "raw", "fine")
    make_sequence(tmp_path / "raw", name)
    done = gtahead("build", "--raw", tmp_path / "raw", "--out", tmp_path / "set")
    assert done.code == 3
    assert "bad-name" in done.err
    assert gtahead("info", tmp_path / "set").code == 0
    assert gtahead("validate", tmp_path / "set").code == 0
    assert gtahead("validate", tmp_path / "raw").code == 1


@pytest.mark.parametrize(
    ("one", "other"), [("cam", "CAM"), ("caf\u00e9", "cafe\u0301"), ("stra\u00dfe", "STRASSE")]
)
def test_two_names_that_are_one_elsewhere(tmp_path: Path, one: str, other: str) -> None:
    make_sequence(tmp_path / "raw", one)
    make_sequence(tmp_path / "raw", other)
    done = gtahead("build", "--raw", tmp_path / "raw", "--out", tmp_path / "set")
    assert done.code == 3
    assert f"but for case or accents, it is {min(one, other)}" in done.err
