from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from helpers import run_code

from gtahead import storage
from gtahead.errors import InputError, ResourceError


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    storage.write_bytes(target, b"old")

    def fail() -> None:
        with storage.replacing(target) as part:
            part.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_bytes_are_durable_before_their_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure, which no test can make, must find the old file or the new one whole."""
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def noted_replace(part: Path, target: Path) -> Path:
        steps.append(f"rename {part.name} to {target.name}")
        return replace(part, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    storage.write_bytes(tmp_path / "file", b"new")
    synced, renamed, folder = steps
    part = synced.removeprefix("sync ")
    assert renamed == f"rename {part} to file"
    assert folder == f"sync {tmp_path.name}"


def test_json_is_strict() -> None:
    assert storage.json_bytes({"é": 1.5}) == '{\n "é": 1.5\n}\n'.encode()
    with pytest.raises(ValueError, match="Out of range float"):
        storage.json_bytes({"x": float("nan")})


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("frames/1.jpg", True),
        ("frames/é 名.jpg", True),
        ("a..b/c", True),
        ("", False),
        (".", False),
        ("/etc/passwd", False),
        ("../x", False),
        ("a/../../x", False),
        ("C:/x", False),
        ("C:\\x", False),
        ("a\\..\\x", False),
        ("file:///x", False),
        ("https://host/x", False),
        ("a\0b", False),
    ],
)
def test_paths_inside_data(name: str, safe: bool) -> None:
    assert storage.is_safe_relative(name) is safe


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    storage.replace_folder(tmp_path / "new", tmp_path / "old")
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_links_reach_what_a_symbolic_link_points_to(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"image")
    (tmp_path / "symbolic").symlink_to("real")
    assert storage.link_or_copy(tmp_path / "symbolic", tmp_path / "linked", link=True)
    assert not (tmp_path / "linked").is_symlink()
    assert (tmp_path / "linked").samefile(tmp_path / "real")
    assert not storage.link_or_copy(tmp_path / "real", tmp_path / "copied", link=False)
    assert not (tmp_path / "copied").samefile(tmp_path / "real")


def test_another_file_system_gets_a_copy(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    (tmp_path / "real").write_bytes(b"image")
    target = elsewhere / f"gtahead-test-{os.getpid()}"
    try:
        assert not storage.link_or_copy(tmp_path / "real", target, link=True)
        assert target.read_bytes() == b"image"
    finally:
        target.unlink(missing_ok=True)


def test_leftovers_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / ".part-abc").mkdir()
    (tmp_path / ".part-abc" / "x").touch()
    (tmp_path / ".part-def").touch()
    (tmp_path / "mine").touch()
    storage.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(first: str) -> None:
    assert storage.csv_cell(f"{first}1") == f"'{first}1"
    assert storage.csv_cell(f"1{first}") == f"1{first}"
    assert storage.csv_cell(-1) == -1


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe would block; what reads as nothing at once stands for it here."""
    with pytest.raises(OSError, match="not a regular file"):
        storage.read_bytes(Path(os.devnull))
    with pytest.raises(OSError, match="a folder"):
        storage.read_bytes(tmp_path)


def test_a_file_may_be_written_over_and_nothing_else(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("old")
    storage.prepare_file(there, "the page")
    storage.prepare_file(tmp_path / "new", "the page")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    for path, said in (
        (tmp_path, "the page can't be a folder"),
        (tmp_path / "no" / "page", "no such folder for the page"),
        (Path(os.devnull), "the page can't take the place of a pipe or device"),
    ):
        with pytest.raises(InputError, match=said):
            storage.prepare_file(path, "the page")


def test_what_cannot_be_read_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        storage.read_input(tmp_path / "gone.json", "gone.json")
    assert str(caught.value) == (
        "gone.json: the file can't be read (got 'No such file or directory'); "
        "check its name and permissions"
    )


@pytest.mark.parametrize(
    "name",
    [
        *("cam:1", "a<b", "a>b", 'a"b', "a|b", "what?", "a*", "a/b", "a\\b", "", ".", ".."),
        *("end.", "end ", "CON", "con", "aux.v2", "NUL", "Com1", "lpt9.x", "COM¹", "\x07", "=1"),
        *("\udcff", "x" * 201, "é" * 101, ".part-0", ".gtahead-0", "a\u202eb", "c:", "http://x"),
    ],
)
def test_names_that_not_every_system_can_have(name: str) -> None:
    assert not storage.can_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("seq_00", "cam 1", "console", "auxiliary", "com10", "com", "conference.v2", "x" * 200),
        *("é" * 100, "日本", "a.b.c", ".hidden", " leading", "a=b", "(1)", "IMG_1", "100 %"),
    ],
)
def test_names_that_every_system_can_have(name: str) -> None:
    assert storage.can_name(name)


def test_what_a_killed_run_left_of_a_file_goes(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, gtahead.storage as storage\n"
        "with storage.replacing(pathlib.Path('page.html')) as part:\n"
        "    part.write_text('half')\n"
        "    os._exit(9)\n"
    )
    assert run_code(code, tmp_path).code == 9
    with storage.replacing(tmp_path / "other.html") as part:  # of a process that is there
        part.write_text("whole")
        foreign = tmp_path / f"{storage.ASIDE}notes-mine"
        foreign.write_text("mine")
        assert len(list(tmp_path.iterdir())) == 3
        storage.prepare_file(tmp_path / "page.html", "the page")
        assert sorted(tmp_path.iterdir()) == sorted([part, foreign])
    with pytest.raises(InputError, match="no such folder for the page"):
        storage.prepare_file(tmp_path / "gone" / "page.html", "the page")
    with pytest.raises(InputError, match="the page can't be a folder"):
        storage.prepare_file(tmp_path, "the page")


def test_a_full_disk_is_the_one_that_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")

    def full(one: Path, other: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(one), None, str(other))

    monkeypatch.setattr(shutil, "copyfile", full)
    said = f"^{tmp_path}/to: .*No space left on device"
    with pytest.raises(ResourceError, match=said), storage.naming_os_errors(tmp_path):
        storage.link_or_copy(source, tmp_path / "to", link=False)
