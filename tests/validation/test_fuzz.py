"""Mutated files of every kind: findings or none, never a traceback, never a hang."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from damage import mutated

import gtahead as library
from gtahead import GtaheadError
from gtahead.formats import FORMATS

KINDS = ("captures", "dataset", *sorted(FORMATS))


@pytest.fixture(scope="module")
def made(tiny_captures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    for folder in sorted(tiny_captures.iterdir())[:2]:
        shutil.copytree(folder, root / "captures" / folder.name)
    library.build(root / "captures", root / "dataset", workers=1)
    for name in FORMATS:
        library.export(
            root / "dataset", root / name, format=name, images="copy", allow_lossy=True, workers=1
        )
    return root


def mutate_and_check(made: Path, folder: Path, kind: str, rounds: int, seed: int) -> int:
    """Mutate one file after the other; give after how many there were findings."""
    chance = random.Random(f"{seed} {kind}")
    root = folder / kind
    shutil.copytree(made / kind, root)
    against = made / "dataset" if kind in FORMATS else None
    files = sorted(path for path in root.rglob("*") if path.is_file())
    found = 0
    for _ in range(rounds):
        path = chance.choice(files)
        whole = path.read_bytes()
        path.unlink()  # it may be a link
        path.write_bytes(mutated(whole, chance))
        try:
            checked = library.validate(
                root,
                images=chance.choice(["quick", "full", "none"]),
                against=against if chance.random() < 0.3 else None,
                workers=1,
            )
            found += bool(checked.finish().by_severity()["error"])
        except GtaheadError:
            found += 1  # said in one line: anything else ends the test
        finally:
            path.write_bytes(whole)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_files_never_end_in_a_traceback(made: Path, tmp_path: Path, kind: str) -> None:
    mutate_and_check(made, tmp_path, kind, 2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_mutated_files(made: Path, tmp_path: Path, kind: str) -> None:
    assert mutate_and_check(made, tmp_path, kind, 480, 2) > 0
