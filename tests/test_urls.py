"""Data by URL: fetched once, sent whole, never half there. The store is fsspec's own, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from helpers import gtahead, make_sequence

import gtahead as library
from gtahead import InputError, ResourceError, urls
from gtahead.urls import is_url, local_copy, resolve_urls

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GTAHEAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store() -> Iterator[Any]:
    """A store that is empty at first and forgotten afterwards."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


@pytest.fixture
def captures(store: Any, tmp_path: Path) -> Path:
    """Three sequences, here and at memory://raw."""
    for name in "abc":
        make_sequence(tmp_path / "raw", name)
    put(store, tmp_path / "raw", "/raw")
    return tmp_path / "raw"


def put(store: Any, folder: Path, there: str) -> None:
    """Copy a folder into the store."""
    for name, data in files(folder).items():
        store.pipe(f"{there}/{name}", data)


def stored(store: Any, folder: str) -> dict[str, bytes]:
    """Give what stands in a folder of the store."""
    return {path.removeprefix(folder + "/"): store.cat(path) for path in sorted(store.find(folder))}


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_wrong_argument_is_named_with_its_function() -> None:
    with pytest.raises(TypeError, match=r"simulate\(\) got an unexpected keyword argument 'sheet'"):
        library.simulate("captures", sheet="a.png")  # type: ignore[call-arg]


def test_what_is_a_url() -> None:
    for one in ("s3://b/x", "hf://datasets/a/b", "memory://x", "simplecache::s3://b/x"):
        assert is_url(one)
    for one in ("x", "/x", "C:/x", "c://x", "./s3:/x", "", None, Path("s3://b/x")):
        assert not is_url(one)


def test_the_whole_way_by_url_gives_the_same(store: Any, captures: Path, tmp_path: Path) -> None:
    url, here = "memory://bucket/my set", tmp_path / "my set"
    for raw, out in ((captures, here), ("memory://raw", url)):
        for words in (
            ["build", "--raw", raw, "--out", out, "--workers", 1],
            ["annotate", out, "--boxes", "fixed:8", "--workers", 1],
            ["export", out, "--format", "coco", "--out", f"{out} coco", "--allow-lossy"],
            ["validate", out, "--fail-on", "error"],
            ["info", out],
        ):
            done = gtahead(*words)
            assert done.code == 0, done.err
            assert "cache" not in done.out + done.err, "people know URLs, not our mirrors"
    assert stored(store, "/bucket/my set") == files(here)
    assert stored(store, "/bucket/my set coco") == files(tmp_path / "my set coco")
    opened = library.Dataset.open(url)
    assert opened.folder.name == "my set"
    assert all(frame.image_path and frame.image_path.is_file() for frame in opened)


def test_only_what_changed_is_fetched(store: Any, captures: Path, capsys: Any) -> None:
    position = local_copy("memory://raw")
    assert files(position) == files(captures)
    before = {path: path.stat().st_mtime_ns for path in position.rglob("*.jpg")}
    store.pipe("/raw/a/heads.csv", b"frame,ped_id,x,y,depth_m\n0,1,5,5,8\n")
    store.rm("/raw/c/frames/000003.jpg")
    assert local_copy("memory://raw") == position
    assert (position / "a/heads.csv").read_bytes() == store.cat("/raw/a/heads.csv")
    gone = position / "c/frames/000003.jpg"
    assert {path: path.stat().st_mtime_ns for path in position.rglob("*.jpg")} == {
        path: when for path, when in before.items() if path != gone
    }


def test_labels_alone_leave_images_there(store: Any, captures: Path) -> None:
    library.build("memory://raw", "memory://set", workers=1)
    whole = stored(store, "/set")
    fetched = local_copy("memory://set", images=False)
    assert (fetched / "manifest.json").is_file()
    assert not (fetched / "images").exists()
    library.annotate("memory://set", boxes="fixed:6", workers=1)
    changed = {name for name, data in stored(store, "/set").items() if data != whole[name]}
    assert changed == {"manifest.json", *(f"heads/{name}.parquet" for name in "abc")}
    assert set(stored(store, "/set")) == set(whole)


def test_a_second_build_builds_and_sends_what_is_missing(store: Any, captures: Path) -> None:
    library.build("memory://raw", "memory://set", workers=1)
    first = {path: store.modified(path) for path in store.find("/set")}
    make_sequence(captures, "d")
    put(store, captures / "d", "/raw/d")
    report = library.build("memory://raw", "memory://set", workers=1)
    assert (report.built, report.reused) == (1, 3)
    same = [path for path in first if store.modified(path) == first[path]]
    assert {path for path in first if path not in same} == {
        "/set/manifest.json",
        "/set/frames.parquet",
    }


@pytest.mark.parametrize("fails_at", [1, 3, 7])
def test_a_sending_that_fails_leaves_no_half_for_a_whole(
    store: Any, captures: Path, fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.build("memory://raw", "memory://set", workers=1)
    make_sequence(captures, "d")
    put(store, captures / "d", "/raw/d")
    really, calls = type(store).put_file, []

    def failing(self: Any, *args: Any, **kwargs: Any) -> None:
        calls.append(args)
        if len(calls) >= fails_at:
            raise ConnectionError("the network is down")
        really(self, *args, **kwargs)

    monkeypatch.setattr(type(store), "put_file", failing)
    failed = gtahead("build", "--raw", "memory://raw", "--out", "memory://set", "--workers", 1)
    assert failed.code == 4
    assert "memory://set: the store behind the URL fails (got 'ConnectionError: the" in failed.err
    assert not store.exists("/set/manifest.json")
    assert gtahead("info", "memory://set").code == 1
    monkeypatch.undo()
    monkeypatch.setenv("GTAHEAD_CACHE", str(urls.cache_folder()))
    assert gtahead("build", "--raw", "memory://raw", "--out", "memory://set").code == 0
    library.build(captures, captures.parent / "set", workers=1)
    assert stored(store, "/set") == files(captures.parent / "set")


def test_two_writers_at_once(store: Any, captures: Path, tmp_path: Path) -> None:
    @resolve_urls(writes=["out"])
    def work(out: str | Path) -> None:
        library.build(captures, out, workers=1)
        # Meanwhile, a machine with another cache builds something else there.
        other = tmp_path / "other"
        library.build(captures, other, boxes="fixed:9", workers=1)
        put(store, other, "/set")

    with pytest.raises(ResourceError, match="memory://set: another process has written there"):
        work("memory://set")
    assert stored(store, "/set") == files(tmp_path / "other")
    report = library.build(captures, "memory://set", boxes="fixed:9", workers=1)
    assert (report.built, report.reused) == (0, 3)


def test_foreign_files_there_stay(store: Any, captures: Path) -> None:
    library.build("memory://raw", "memory://set", workers=1)
    store.pipe("/set/notes.txt", b"mine")
    make_sequence(captures, "another")
    put(store, captures, "/raw")
    assert library.build("memory://raw", "memory://set", workers=1).built == 1
    with pytest.raises(InputError, match=r"isn't part of it \(got 'notes.txt'\)"):
        library.build("memory://raw", "memory://set", boxes="fixed:5", fresh=True, workers=1)
    assert store.cat("/set/notes.txt") == b"mine"


def test_a_file_by_url(store: Any, captures: Path, tmp_path: Path) -> None:
    library.build(captures, tmp_path / "set", workers=1)
    template = gtahead("benchmark", "--template", "--data", tmp_path / "set", "--split", "train")
    store.pipe("/found.json", template.out.encode())
    arguments = ["benchmark", "memory://found.json", "--split", "train", "--no-intervals", "--json"]
    done = gtahead(*arguments, "--data", tmp_path / "set")
    assert done.code == 0, done.err
    assert done.json["data"]["images"] == 12


@pytest.mark.parametrize(
    ("url", "code", "reported"),
    [
        ("memory://nowhere", 1, "memory://nowhere: nothing is there"),
        ("s3://bucket/set", 4, "a package is missing (got 's3://bucket/set'); Install s3fs"),
        ("nonsense://x", 1, "the URL can't be used (got 'nonsense://x'); ValueError: Protocol"),
        ("memory://a/..", 1, "the URL doesn't end in a name"),
    ],
)
def test_urls_that_lead_nowhere(store: Any, url: str, code: int, reported: str) -> None:
    if url.startswith("s3") and find_spec("s3fs") is not None:
        pytest.skip("s3fs is installed: nothing is missing")
    for words in (["info", url], ["export", url, "--format", "coco"], ["build", "--raw", url]):
        done = gtahead(*words)
        assert (done.code, reported in done.err) == (code, True), done.err


def test_names_that_leave_the_folder(store: Any, cache: Path) -> None:
    store.store["/evil/../../outside.txt"] = store.store.get("x") or _file(store, b"x")
    with pytest.raises(InputError, match="a name points outside its folder"):
        local_copy("memory://evil")
    assert not list(cache.parent.rglob("outside.txt"))


def _file(store: Any, data: bytes) -> Any:
    store.pipe("/one", data)
    return store.store["/one"]


def test_every_command_names_urls(store: Any, captures: Path) -> None:
    for words in (
        ["simulate", "--out", "memory://drawn", "--no-images", "--heads", "0:9", "--size", "64x64"],
        ["build", "--raw", "memory://raw", "--out", "memory://set"],
        ["view", "memory://set", "--out", "memory://view.png"],
        ["report", "memory://set", "--html", "memory://report.html"],
        ["diff", "memory://set", "memory://set"],
    ):
        done = gtahead(*words)
        assert done.code == 0, done.err
        assert str(urls.cache_folder()) not in done.out + done.err
    assert store.cat("/view.png")[:4] == b"\x89PNG"
    assert store.exists("/drawn/seq_00/heads.csv")


@pytest.mark.parametrize("command", ["info", "build", "export", "validate"])
def test_no_secret_is_shown_or_stored(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GTAHEAD_CACHE", str(tmp_path / "cache"))
    url = "ftp://user:S3CRETPW@host.invalid/x?token=T0KEN"
    words = [command, url]
    if command == "build":
        words = ["build", "--raw", url, "--out", tmp_path / "x"]
    if command == "export":
        words += ["--format", "coco"]
    for more in ([], ["--json"]):
        done = gtahead(*words, *more)
        assert done.code in (1, 4)
        assert "S3CRETPW" not in done.out + done.err
        assert "T0KEN" not in done.out + done.err
    for path in (tmp_path / "cache").rglob("*"):
        assert path.is_dir() or b"S3CRETPW" not in path.read_bytes()


def test_the_record_of_a_mirror_has_no_secret(store: Any, captures: Path) -> None:
    put(store, captures, "/raw?token=T0KEN")
    position = local_copy("memory://raw?token=T0KEN")
    assert b"T0KEN" not in (position.parent / "record.json").read_bytes()
