"""What is wrong with arguments and files is said before torch is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gtahead as library

CODE = """
import contextlib, io, json, sys
from gtahead.cli import _exit_code
for line in sys.stdin:
    err = io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(io.StringIO()):
        code = _exit_code(json.loads(line))
    print(json.dumps([code, err.getvalue(), "torch" in sys.modules]), flush=True)
"""


@pytest.fixture(scope="module")
def process(
    tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    """Start a process that runs commands, a line each, in a folder with what they are about."""
    folder = tmp_path_factory.mktemp("wanted")
    (folder / "model.pt").write_bytes(b"PK\x03\x04")
    captures = tiny_dataset.parent / "captures"
    library.build(captures, folder / "labels", images="none", workers=1)
    library.filter(tiny_dataset, folder / "unsplit", where="split == 'test'")
    command = [sys.executable, "-c", CODE]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    ) as started:
        yield started
        assert started.stdin is not None
        started.stdin.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("predict nothing.pt --data {}", "there is no such checkpoint"),
        ("predict model.pt --data nothing", "no such folder"),
        ("predict model.pt --data {} --out found.txt", "not a kind of prediction file"),
        ("predict model.pt --images nothing", "there is no such image or folder"),
        ("predict model.pt --data {} --split x", "is not one of"),
        ("export-model nothing.pt", "there is no such checkpoint"),
        ("export-model model.pt --onnx no/where.onnx", "no/where.onnx"),
        ("train nothing", "no such folder"),
        ("train {} --set epochs=x", "epochs"),
        ("train {} --detector x", "is not one of"),
        ("train {} --set detector=own", "a detector of one's own is given in Python"),
        ("train {} --set loss=own", "a loss of one's own is given in Python"),
        ("train {} --detector fcos --set stride=2", "fcos works at stride 4"),
        ("train {} --detector retinanet --set channels=48", "channels in a multiple of 32"),
        ("train {} --init nothing.pt", "there is no such checkpoint"),
        ("train {} --weights nothing.pt", "no such file of weights"),
        ("train {} --set backbone=vgg", "no such backbone (got 'vgg'); one of resnet18, resnet34"),
        ("train {} --resume", "there is no run to resume"),
        ("train labels", "the dataset holds labels alone"),
        ("train unsplit", "there are no frames to train on"),
        ("benchmark nothing.json --data {}", "can't be read"),
    ],
)
def test_before_torch(
    words: str, said: str, tiny_dataset: Path, process: subprocess.Popen[str]
) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(words.format(tiny_dataset).split()) + "\n")
    process.stdin.flush()
    code, err, imported = json.loads(process.stdout.readline())
    assert code in (1, 2), err
    assert said in err
    assert not imported
