"""What people type: helps, exit codes, streams."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import gtahead, make_sequence, run_code, spawn_gtahead

import gtahead as library

HEAVY = ("numpy", "pyarrow", "cv2", "scipy", "PIL", "torch", "rich", "pandas", "numba", "orjson")


def test_help_is_light() -> None:
    """The help imports nothing heavy: that, not a stop-watch, keeps it fast."""
    code = (
        "import sys; from gtahead.cli import _exit_code; _exit_code(['--help']); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    for name in ("build", "info", "simulate"):
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("name", ["build", "info", "simulate"])
def test_every_command_has_a_help_and_imports_late(name: str) -> None:
    code = (
        f"import sys; from gtahead.cli import _exit_code; _exit_code(['{name}', '--help']); "
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage: gtahead " + name in done.stdout
    assert "--debug" in done.stdout
    assert "--json" in done.stdout


def test_the_main_job_imports_no_pandas(tmp_path: Path, tiny_captures: Path) -> None:
    """pyarrow's own conversions would import it, in every process, for most of a second."""
    pytest.importorskip("pandas")
    code = f"""
import sys
from gtahead.cli import _exit_code
def run(*words): assert _exit_code([*words]) == 0, words
run("build", "--raw", {str(tiny_captures)!r}, "--out", "data", "--workers", "1")
run("annotate", "data", "--boxes", "knn", "--workers", "1")
run("validate", "data", "--workers", "1")
for name in ("coco", "huggingface"):
    run("export", "data", "--format", name, "--out", name, "--allow-lossy", "--workers", "1")
    run("build", "--raw", name, "--out", f"again-{{name}}", "--workers", "1", "--images", "none")
run("benchmark", "--template", "--data", "data", "--out", "p.json")
run("info", "data")
print([name for name in ("pandas", "torch", "datasets") if name in sys.modules])
"""
    done = run_code(code, cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "[]"


def test_version() -> None:
    assert gtahead("--version").out == f"gtahead, version {library.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["biuld"], "error: no such command 'biuld'. Did you mean build? See `gtahead --help`"),
        (["frobnicate"], "error: no such command 'frobnicate'; see `gtahead --help`"),
        (["build"], "error: missing option '--raw'; see `gtahead build --help`"),
        (["build", "--raw", "x", "--every", "0"], "error: invalid value for '--every'"),
        (["build", "--raw", "x", "--workers", "0"], "error: invalid value for '--workers'"),
        (
            ["build", "--raw", "x", "--images", "move"],
            "'move' is not one of 'link', 'copy', 'none'",
        ),
        (["simulate", "--seed", "-1"], "error: invalid value for '--seed'"),
    ],
)
def test_usage_errors(arguments: list[str], message: str) -> None:
    done = gtahead(*arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--boxes", "jonts"], "unknown box rule (got 'jonts'); did you mean joints?"),
        (
            ["--count-policy", "all-of-them"],
            "unknown count policy (got 'all-of-them'); use visible",
        ),
        (
            ["--from", "gta"],
            "unknown kind of capture or format (got 'gta'); did you mean mta? one of auto, native, jta",
        ),
    ],
)
def test_option_values_that_need_the_library_are_usage_errors_too(
    tmp_path: Path, option: list[str], message: str
) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    make_sequence(captures)
    done = gtahead("build", "--raw", captures, "--out", tmp_path / "set", *option)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {message}")
    assert not (tmp_path / "set").exists()


def test_results_go_to_stdout_and_findings_to_stderr(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    (make_sequence(captures) / "frames/000001.jpg").unlink()
    make_sequence(captures, "other")
    arguments = ["build", "--raw", captures, "--workers", "1", "--out"]
    done = spawn_gtahead(*arguments, tmp_path / "1")
    assert done.code == 3
    assert "image-missing" in done.err
    assert re.search(r"^  heads +8 +1 +7$", done.out, re.MULTILINE)
    done = spawn_gtahead(*arguments, tmp_path / "2", "--json")
    assert (done.code, done.err) == (3, "")
    assert json.loads(done.out)["ledger"]["frames"]["dropped"] == {"image-missing": 1}
    done = spawn_gtahead(*arguments, tmp_path / "3", "--quiet")
    assert (done.code, done.out, done.err) == (3, "", "")


def test_info_of_both_kinds(tiny_captures: Path, tiny_dataset: Path) -> None:
    capture = gtahead("info", tiny_captures, "--json").json
    dataset = gtahead("info", tiny_dataset, "--json").json
    assert (capture["kind"], dataset["kind"]) == ("capture", "dataset")
    assert capture["statistics"]["frames"] == dataset["statistics"]["frames"] == 56
    assert capture["statistics"]["heads"] == sum(dataset["statistics"]["heads"].values())
    text = gtahead("info", tiny_dataset).out
    assert "a gtahead dataset, origin simulated" in text
    assert "visible:0.25 (visibility measured)" in text
    text = gtahead("info", tiny_captures).out
    assert "a native capture, origin simulated (seq_00/ holds sequence.json)" in text
    assert text.count("place_0") == 7


def test_info_of_what_is_nothing(tmp_path: Path) -> None:
    done = gtahead("info", tmp_path / "none")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"error: {tmp_path}/none: no such folder; give a dataset or the folder of a capture\n"
    )


def test_info_of_a_broken_capture(tmp_path: Path) -> None:
    (make_sequence(tmp_path) / "sequence.json").write_text("{")
    make_sequence(tmp_path, "fine")
    done = gtahead("info", tmp_path)
    assert done.code == 0
    assert "unreadable" in done.out
    assert "findings: bad-json 1" in done.out


def test_a_closed_pipe_is_no_error(tiny_captures: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gtahead", "info", str(tiny_captures)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert b"Traceback" not in error
    assert process.returncode == 0


def test_a_bug_of_ours_is_one_line_that_asks_for_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gtahead.inspection

    def broken(path: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(gtahead.inspection, "info", broken)
    done = _run("info", tmp_path)
    assert done.code == 70
    assert done.err == (
        f"error: a bug in gtahead {library.__version__} (ZeroDivisionError: by zero); please report it "
        "with the command and what `--debug` prints\n"
    )
    with pytest.raises(ZeroDivisionError):
        _run("info", tmp_path, "--debug")


_run = gtahead  # the name is shadowed where the package of that name is imported


def test_nothing_depends_on_the_folder_it_runs_in(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    make_sequence(captures)
    done = spawn_gtahead("build", "--raw", "captures", "--workers", 2, cwd=tmp_path)
    assert done.code == 0
    assert spawn_gtahead("info", cwd=tmp_path, forked=True).code == 0
    text = (tmp_path / "dataset" / "manifest.json").read_text()
    assert str(tmp_path) not in text
    assert os.uname().nodename not in text


def test_help_lists_every_kind_and_rule() -> None:
    """Help must not import the library, so its lists are written by hand."""
    from gtahead.annotation.boxes import RULES
    from gtahead.captures import CAPTURES

    text = " ".join(gtahead("build", "--help").out.split())
    assert f"Kind: {', '.join(['auto', *CAPTURES])};" in text
    assert f"Pseudo boxes: {', '.join(RULES)};" in text
