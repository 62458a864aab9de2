"""What is wrong with arguments and files is said before torch is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gtahead as library

CODE = """
import atexit, sys
atexit.register(lambda: print("torch" in sys.modules))
from gtahead.__main__ import run
run()
"""


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
def test_before_torch(words: str, said: str, tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")
    if "labels" in words:
        library.build(
            tiny_dataset.parent / "captures", tmp_path / "labels", images="none", workers=1
        )
    if "unsplit" in words:
        library.filter(tiny_dataset, tmp_path / "unsplit", where="split == 'test'")
    given = words.format(tiny_dataset).split()
    done = subprocess.run(
        [sys.executable, "-c", CODE, *given],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (1, 2), done.stderr
    assert said in done.stderr
    assert done.stdout.splitlines()[-1] == "False"
