"""Push and pull against a stand-in for the hub, with faults; the live hub isn't reached here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import Outcome, but_slow, gtahead, manifest, spawn_gtahead
from hub_stand_in import TOKEN, Hub

pytestmark = pytest.mark.usefixtures("hub_here")

REPO = "crowd-lab/simulated-heads"
SHARD = "data/test-00000-of-00001.parquet"


def push(release: Path, *more: str, env: dict[str, str] | None = None) -> Outcome:
    """Push here, or in a process with an environment, where what loggers write is seen too."""
    command = ("publish", "push", REPO, release, "--yes", "--no-load", *more)
    done = gtahead(*command) if env is None else spawn_gtahead(*command, env=env, forked=True)
    assert TOKEN not in done.out + done.err
    assert "Traceback" not in done.err
    return done


def local(release: Path) -> dict[str, bytes]:
    return {
        path.relative_to(release).as_posix(): path.read_bytes()
        for path in release.rglob("*")
        if path.is_file()
    }


def remote(hub: Hub, branch: str = "main") -> dict[str, bytes]:
    files = dict(hub.repos[REPO].branches[branch])
    files.pop(".gitattributes", None)
    return files


def test_there_and_back_again(
    staged: Path, tiny_dataset: Path, hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    done = spawn_gtahead(
        *("publish", "push", REPO, staged, "--yes", "--tag", "v1.0.0", "--private"),
        *("--gated", "manual", "--no-load", "--json"),
        env=environment,
        forked=True,
    )
    assert done.code == 0, done.err
    assert TOKEN not in done.out + done.err
    report = done.json
    assert (report["verified"], len(report["sent"]), report["removed"]) == (21, 21, [])
    assert remote(hub) == local(staged)
    assert (hub.repos[REPO].private, hub.repos[REPO].gated) == (True, "manual")
    assert hub.repos[REPO].tags["v1.0.0"] == hub.repos[REPO].branches["main"]
    assert len(hub.repos[REPO].commits) == 1  # nobody ever sees half of it
    again = push(staged, "--json")
    assert again.code == 0, again.err
    assert (again.json["sent"], again.json["commit"]) == ([], None)
    assert len(hub.repos[REPO].commits) == 1
    out = tmp_path / "back"
    done = spawn_gtahead(
        "pull", REPO, "--out", out, "--revision", "v1.0.0", env=environment, forked=True
    )
    assert done.code == 0, done.err
    assert manifest(out)["fingerprints"] == manifest(tiny_dataset)["fingerprints"]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".part")] == []
    assert [one for one in hub.unknown if "agent-harnesses" not in one] == []


def test_three_lines_of_the_card(
    staged: Path, hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    """What a stranger copies out of the card does what it says."""
    assert push(staged).code == 0
    card = remote(hub)["README.md"].decode()
    (lines,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    assert len(lines.splitlines()) == 3
    done = subprocess.run(
        [sys.executable, "-c", lines],
        capture_output=True,
        text=True,
        env={**environment, "PATH": "/usr/bin", "HF_TOKEN": ""},
        cwd=tmp_path,
    )
    assert done.stdout == "16 719\n", done.stderr


def test_a_tag_stands_for_one_state(
    staged: Path, tiny_dataset: Path, release: Path, hub: Hub
) -> None:
    assert push(staged, "--tag", "v1").code == 0
    held = hub.repos[REPO].tags["v1"]
    hub.fail("POST", "/tag/", 409, times=9)
    assert push(staged, "--tag", "v1").code == 0  # the same state
    facts = ["--repo", REPO, "--creator", "The crowd lab", "--version", "1.0.1"]
    done = gtahead("publish", "stage", tiny_dataset, "--out", release, "--overwrite", *facts)
    assert done.code == 0, done.err
    done = push(release, "--tag", "v1")
    assert done.code == 1
    assert "the tag already names another state" in done.err
    assert hub.repos[REPO].tags["v1"] == held


def test_a_damaged_manifest_on_the_hub(staged: Path, hub: Hub) -> None:
    assert push(staged).code == 0
    files = hub.repos[REPO].branches["main"]
    whole = files["manifest.json"]
    for text in (b"[" * 100_000, b"{}", b"null", whole.replace(b'"path"', b'"pat"')):
        files["manifest.json"] = text
        done = push(staged)
        assert done.code == 1, done.err
        assert "the repository holds other content" in done.err
    assert push(staged, "--overwrite").code == 0
    assert files["manifest.json"] == whole


def test_nothing_is_sent_without_a_yes(staged: Path, hub: Hub, environment: dict[str, str]) -> None:
    done = spawn_gtahead("publish", "push", REPO, staged, "--no-load", env=environment, forked=True)
    assert done.code == 0
    assert "a dry run, nothing was sent" in done.out
    assert "would upload 21 files" in done.out
    assert hub.requests == []


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("", "no token for the hub"),
        ("hf_wrong", "the hub doesn't know the token"),
        ("hf_ünï", "it has characters that no token has"),
    ],
)
def test_tokens(
    token: str, message: str, staged: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    done = push(staged)
    assert done.code == 4
    assert message in done.err
    assert not token or token not in done.err
    assert hub.repos == {}


@pytest.mark.parametrize("repo", ["heads", "a/b/c", "crowd lab/heads", "../heads"])
def test_names_that_are_none(
    repo: str, staged: Path, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = gtahead("publish", "push", repo, staged, "--yes")
    assert done.code == 2
    assert "not a dataset's name on the hub" in done.err
    done = gtahead("pull", repo, "--out", tmp_path / "x")
    assert done.code == 2
    assert "neither a folder nor a dataset's name" in done.err
    assert hub.requests == []


def test_a_release_goes_where_its_card_says(staged: Path, hub: Hub) -> None:
    done = gtahead("publish", "push", "other/heads", staged, "--yes")
    assert done.code == 2
    assert f"push it to {REPO}" in done.err
    assert hub.requests == []


def test_other_content_stays(staged: Path, hub: Hub) -> None:
    assert push(staged).code == 0
    files = hub.repos[REPO].branches["main"]
    files.clear()
    files.update({"README.md": b"# Somebody's own\n", "train.csv": b"1,2\n"})
    done = push(staged)
    assert done.code == 1
    assert "the repository holds other content" in done.err
    assert files["README.md"] == b"# Somebody's own\n"
    done = push(staged, "--overwrite")
    assert done.code == 0, done.err
    assert files["train.csv"] == b"1,2\n"
    assert files["README.md"] == (staged / "README.md").read_bytes()


def test_a_new_version_replaces_the_old_and_its_files(
    staged: Path, release: Path, tiny_dataset: Path, hub: Hub
) -> None:
    assert push(staged).code == 0
    stale = "heads/gone.parquet"
    files = hub.repos[REPO].branches["main"]
    document = json.loads(files["manifest.json"])
    document["release"]["files"].append({"path": stale, "bytes": 3, "sha256": "0" * 64})
    files["manifest.json"] = json.dumps(document).encode()
    files[stale] = b"old"
    done = push(release)
    assert done.code == 1
    assert "version 1.0.0 is published already, with other files" in done.err
    facts = ["--repo", REPO, "--creator", "The crowd lab", "--date", "2026-12-01"]
    done = gtahead(
        *("publish", "stage", tiny_dataset, "--out", release, "--overwrite"),
        *(*facts, "--version", "1.0.1"),
    )
    assert done.code == 0, done.err
    done = push(release, "--json")
    assert done.code == 0, done.err
    assert done.json["removed"] == [stale]
    assert remote(hub) == local(release)
    done = push(staged)
    assert done.code == 1
    assert "a later version is already published: 1.0.1" in done.err


def test_a_branch(staged: Path, hub: Hub) -> None:
    done = push(staged, "--revision", "next")
    assert done.code == 0, done.err
    assert remote(hub) == {}
    assert remote(hub, "next") == local(staged)


@pytest.mark.parametrize(
    ("method", "pattern", "how"),
    but_slow(
        [("POST", "preupload", 429), ("PUT", "blobs", "cut")],
        *[("POST", "preupload", 500), ("POST", "objects/batch", 503)],
        *[("PUT", "blobs", 500), ("POST", "preupload", "cut")],
    ),
)
def test_what_passes_is_tried_again(
    method: str, pattern: str, how: int | str, staged: Path, hub: Hub
) -> None:
    hub.fail(method, pattern, how)
    done = push(staged)
    assert done.code == 0, done.err
    assert remote(hub) == local(staged)


@pytest.mark.parametrize(
    ("method", "pattern", "how", "message"),
    but_slow(
        [
            ("POST", "commit", 500, "the hub failed (status 500)"),
            ("POST", "create", 403, "the token lacks permission for this"),
        ],
        ("POST", "create", 429, "the hub has had too many requests"),
        ("POST", "commit", "cut", "the network failed"),
        ("POST", "commit", 413, "the hub finds it too large"),
    ),
)
def test_what_does_not_pass_is_reported_and_goes_on_later(
    method: str, pattern: str, how: int | str, message: str, staged: Path, hub: Hub
) -> None:
    hub.fail(method, pattern, how, times=100)
    done = push(staged)
    assert done.code == 4, done.err
    assert message in done.err
    if REPO in hub.repos:
        assert remote(hub) == {}  # nothing half
    hub.fault = lambda method, path: None
    before = dict(hub.put)
    done = push(staged)
    assert done.code == 0, done.err
    assert remote(hub) == local(staged)
    assert {oid: count for oid, count in hub.put.items() if count > 1} == {}
    assert all(hub.put[oid] == count for oid, count in before.items())


def test_a_network_that_goes_in_the_middle(
    staged: Path, hub: Hub, environment: dict[str, str]
) -> None:
    """Some blobs arrived: the next push sends the others."""
    seen = [0]

    def gone(method: str, path: str) -> int | str | None:
        seen[0] += path.startswith("/blobs/")
        return 400 if path.startswith("/blobs/") and seen[0] > 6 else None

    hub.fault = gone
    done = push(staged, env=environment)
    assert done.code == 4, done.err
    arrived = set(hub.blobs)
    assert 0 < len(arrived) < 14
    hub.fault = lambda method, path: None
    hub.put.clear()
    done = push(staged)
    assert done.code == 0, done.err
    assert arrived.isdisjoint(hub.put)
    assert remote(hub) == local(staged)


def test_nobody_answers(
    staged: Path, hub: Hub, environment: dict[str, str], tmp_path: Path
) -> None:
    away = {**environment, "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = push(staged, env=away)
    assert done.code == 4
    assert "the network failed" in done.err
    done = spawn_gtahead("pull", REPO, "--out", tmp_path / "x", env=away, forked=True)
    assert done.code == 4
    assert "Traceback" not in done.err
    assert not (tmp_path / "x").exists()


def test_a_spoilt_upload_is_found(staged: Path, hub: Hub) -> None:
    hub.fail("PUT", "blobs", "spoil")
    done = push(staged)
    assert done.code == 1
    assert "the hub's file isn't the one sent" in done.err
    assert "push again" in done.err


def test_a_shard_that_changes_between_check_and_push(release: Path, hub: Hub) -> None:
    assert gtahead("publish", "check", release, "--no-load").code == 0
    shard = release / SHARD
    data = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    done = push(release)
    assert done.code == 1
    assert SHARD in done.err
    assert "isn't the one that the release lists" in done.err
    assert hub.requests == []


def test_pulling_what_is_not_there_or_not_ours(staged: Path, hub: Hub, tmp_path: Path) -> None:
    out = tmp_path / "x"
    done = gtahead("pull", REPO, "--out", out)
    assert done.code == 4
    assert "no such dataset on the hub" in done.err
    assert push(staged).code == 0
    done = gtahead("pull", REPO, "--out", out, "--revision", "v9")
    assert done.code == 4
    assert "no such revision" in done.err
    assert gtahead("pull", REPO, "--out", out, "--revision", "").code == 2
    del hub.repos[REPO].branches["main"]["manifest.json"]
    done = gtahead("pull", REPO, "--out", out)
    assert done.code == 1
    assert "not a gtahead release" in done.err
    assert "gtahead build --raw" in done.err
    assert list(tmp_path.glob(".part*")) == []
    assert not out.exists()


def test_a_spoilt_download_is_found(staged: Path, hub: Hub, tmp_path: Path) -> None:
    assert push(staged).code == 0
    files = hub.repos[REPO].branches["main"]
    files[SHARD] = files[SHARD][:-9] + b"x" + files[SHARD][-8:]
    done = gtahead("pull", REPO, "--out", tmp_path / "x")
    assert done.code == 1
    assert "the release is damaged" in done.err
    assert SHARD in done.err
    assert not (tmp_path / "x").exists()


def test_labels_alone_leave_the_images_there(staged: Path, hub: Hub, tmp_path: Path) -> None:
    assert push(staged).code == 0
    hub.requests.clear()
    done = gtahead("pull", REPO, "--out", tmp_path / "x", "--images", "none")
    assert done.code == 0, done.err
    assert not [path for method, path in hub.requests if "/data/" in path and method == "GET"]
    assert manifest(tmp_path / "x")["fingerprints"] == manifest(staged)["fingerprints"]
    assert manifest(tmp_path / "x")["statistics"]["images"] == 0


@pytest.mark.slow
def test_connections_cut_at_every_call(staged: Path, hub: Hub, tmp_path: Path) -> None:
    """From a call on, every fifth in turn: nothing half there, and the next run ends."""
    seen = 0

    def cut(method: str, path: str) -> int | str | None:
        nonlocal seen
        seen += 1
        return "cut" if seen > last else None

    last = 1000
    hub.fault = cut
    assert push(staged).code == 0
    pushing, seen = seen, 0
    assert gtahead("pull", REPO, "--out", tmp_path / "whole").code == 0
    pulling = seen
    assert (pushing, pulling) > (20, 20)
    whole = local(tmp_path / "whole")
    for last in range(0, pulling, 5):
        seen, out = 0, tmp_path / f"at {last}"
        done = gtahead("pull", REPO, "--out", out)
        assert done.code == 4, (last, done.err)
        assert "Traceback" not in done.err
        assert not out.exists()
        if last % 2 == 0:  # an older dataset stays
            shutil.copytree(tmp_path / "whole", out)
            (out / "manifest.json").write_bytes(whole["manifest.json"] + b"\n")
            old, seen = local(out), 0
            done = gtahead("pull", REPO, "--out", out, "--overwrite")
            # What was fetched before the first cut isn't fetched again: it may be enough now.
            assert (done.code, local(out)) in ((4, old), (0, whole))
        hub.fault = lambda method, path: None
        assert gtahead("pull", REPO, "--out", out, "--overwrite").code == 0
        assert local(out) == whole
        hub.fault = cut
        assert not list(tmp_path.glob(".gtahead-*"))
        shutil.rmtree(out)
    for last in range(2, pushing, 5):
        hub.repos.clear()
        hub.blobs.clear()
        seen = 0
        done = push(staged)
        assert done.code in (0, 4), (last, done.err)
        sent = remote(hub) if REPO in hub.repos else {}
        assert sent in ({}, local(staged))
        assert sent or done.code == 4
        hub.fault = lambda method, path: None
        assert push(staged).code == 0
        assert remote(hub) == local(staged)
        hub.fault = cut
