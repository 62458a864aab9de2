"""Damaged inputs of every kind, each with 2 GiB and a minute: read, set aside or refused.

Never a bug of ours, never more time or memory, and no head that came is neither kept nor dropped.
"""

from __future__ import annotations

import json
import random
import re
import resource
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from damage import damage
from helpers import Outcome, make_sequence, put, spawn_gtahead
from pyarrow import parquet

import gtahead as library
from gtahead.findings import Findings
from gtahead.formats import FORMATS
from gtahead.predictions import read_predictions, write_predictions

pytestmark = pytest.mark.slow

ROUNDS = 100
WITHOUT_TORCH = {"USE_TORCH": "0"}  # which `datasets` would import: torch alone maps more than that
LIMITS = {resource.RLIMIT_AS: 2 << 30, resource.RLIMIT_CPU: 60}

WITH_WORKERS = {"build", "validate", "annotate", "export"}
READ = [name for name, one in FORMATS.items() if one.reader is not None]
RELEASE = ("--repo", "a/b", "--creator", "me", "--licence", "mit")

# What is damaged, and the commands that are tried with it: IN is it, OUT a new folder or file,
# and DATA a sound dataset.
BUILD = "build --raw IN --out OUT"
COMMANDS: dict[str, list[str]] = {
    **{f"captures {name}": [BUILD, "info IN"] for name in (*layouts.WRITERS, "native")},
    **{f"labels {name}": [BUILD, "validate IN"] for name in READ},
    "dataset": [
        *("info IN", "validate IN", "verify IN", "report IN --html OUT", "diff DATA IN"),
        *("annotate IN --boxes knn", "annotate IN --split designed", "view IN --out OUT.png"),
        *(
            "export IN --format coco --allow-lossy --out OUT",
            "export IN --format huggingface --allow-lossy --out OUT",
        ),
        *(f"publish stage IN --out OUT {' '.join(RELEASE)}", "benchmark --template --data IN"),
        *(
            "build --raw CAPTURES --out IN",
            "benchmark FOUND --data IN --no-intervals --split train",
        ),
    ],
    "release": [
        *("pull IN --out OUT", "publish check IN", "card IN", "rebuild IN --frames DATA --out OUT"),
        *("verify IN", "info IN", f"publish stage DATA --out IN --overwrite {' '.join(RELEASE)}"),
    ],
    "predictions": [
        f"benchmark IN/{name} --data DATA --no-intervals --split train"
        for name in ("own.json", "lines.jsonl", "table.parquet", "coco.json")
    ],
    "results": ["compare IN/a.json IN/b.json", "leaderboard IN --out OUT"],
    "lists": [
        f"build --raw CAPTURES --out OUT {more}"
        for more in ("--split IN/split.json", "--split IN/split.csv", "--roi IN/roi.json")
    ],
}


def write_found(data: Path, folder: Path) -> None:
    """Write every head of the training images as predictions, in each of the spellings."""
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    coco: list[dict[str, Any]] = []
    for frame in library.Dataset.open(data).select(split="train"):
        scores = np.linspace(1, 0.1, len(frame.points_xy))[:, None]
        points = np.column_stack([frame.points_xy, scores]).tolist()
        corners = frame.boxes_xyxy
        sides = corners[:, 2:] - corners[:, :2]
        boxes = np.column_stack([corners[:, :2], sides, scores]).tolist()
        rows.append({"image": frame.frame_id, "points": points, "boxes": boxes})
        for *box, score in boxes:
            coco.append({"image_id": frame.frame_id, "category_id": 1, "bbox": box, "score": score})
    document = {"format": "gtahead-predictions", "version": 1, "predictions": rows}
    (folder / "own.json").write_text(json.dumps(document))
    found = read_predictions(folder / "own.json", Findings())
    for name in ("lines.jsonl", "table.parquet"):
        write_predictions(folder / name, found)
    (folder / "coco.json").write_text(json.dumps(coco))


def write_lists(data: Path, folder: Path) -> None:
    """Write splits and regions as users would."""
    names = {"train": ["seq_00"], "validation": ["seq_01"], "test": ["seq_02"]}
    rows = [f"{name},{split}" for split, of in names.items() for name in of]
    square = [[0, 0], [100, 0], [100, 80], [0, 80]]
    regions = {"*": [square], "seq_01": [square, [[5, 5], [90, 9], [40, 70]]]}
    put(
        folder,
        {
            "split.json": json.dumps(names),
            "split.csv": "\n".join(["name,split", *rows]),
            "roi.json": json.dumps(regions),
        },
    )


@pytest.fixture(scope="module")
def made(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what will be damaged, in a folder of each kind, and what goes with it."""
    root = tmp_path_factory.mktemp("made")
    scene = layouts.crowd(frames=2)
    scene = replace(scene, people=[frame[:4] for frame in scene.people])
    for name, write in layouts.WRITERS.items():
        size = (1920, 1080) if name == "jta" else (64, 36)
        written = write(root / "written" / name, replace(scene, size_wh=size))
        shutil.copytree(written, root / f"captures {name}")
    for name in ("a", "b"):
        make_sequence(root / "captures native", name, split=None)
    for folder in sorted((tiny / "captures").iterdir())[:3]:
        shutil.copytree(folder, root / "CAPTURES" / folder.name)
    library.build(root / "CAPTURES", root / "DATA", workers=1)
    for name in READ:
        out = root / f"labels {name}"
        library.export(root / "DATA", out, format=name, allow_lossy=True, workers=1)
        (out / "export.json").unlink()  # as if they were other people's
    shutil.copytree(root / "DATA", root / "dataset")
    write_found(root / "DATA", root / "predictions")
    shutil.copy(root / "predictions" / "own.json", root / "FOUND")
    write_lists(root / "DATA", root / "lists")
    (root / "results").mkdir()
    for name in ("a", "b"):
        words = f"benchmark FOUND --data DATA --split train --out results/{name}.json"
        assert run(words, root, {}).code == 0
    library.stage(root / "DATA", root / "release", repo="a/b", creator="me", licence="mit")
    return root


def run(words: str, root: Path, places: Mapping[str, Path]) -> Outcome:
    """Run a command under the limits, the names in it standing for places below `root`."""
    named = {name: root / name for name in ("DATA", "CAPTURES", "FOUND", "results")} | {**places}
    replaced = [
        re.sub(r"^[A-Za-z]+(?=$|[/.])", lambda m: str(named.get(m[0], m[0])), word)
        for word in words.split()
    ]
    workers = ["--workers", 1] if replaced[0] in WITH_WORKERS else []
    return spawn_gtahead(
        *replaced, *workers, "--json", forked=True, limits=LIMITS, env=WITHOUT_TORCH
    )


def heads_in(dataset: Path) -> int:
    """Count the heads in a dataset's tables."""
    return sum(parquet.read_metadata(path).num_rows for path in dataset.glob("heads/*.parquet"))


@pytest.mark.parametrize("kind", COMMANDS)
def test_damaged_inputs(made: Path, tmp_path: Path, kind: str) -> None:
    chance = random.Random(kind)
    codes: Counter[int] = Counter()
    places = {"IN": tmp_path / "in", "OUT": tmp_path / "out"}
    files = [path.relative_to(made / kind) for path in (made / kind).rglob("*") if path.is_file()]
    for number in range(-len(COMMANDS[kind]), ROUNDS):
        for place in places.values():
            shutil.rmtree(place, ignore_errors=True)
            place.unlink(missing_ok=True)
        shutil.copytree(made / kind, places["IN"])
        words = COMMANDS[kind][number] if number < 0 else chance.choice(COMMANDS[kind])
        if number >= 0:
            for name in chance.sample(sorted(files), 1 + (chance.random() < 0.1)):
                damage(places["IN"] / name, chance)
        done = run(words, made, places)
        codes[done.code] += 1
        case = (kind, number, words, done.code, done.err[-3000:])
        assert number >= 0 or done.code in (0, 3), case  # undamaged
        assert done.code in (0, 1, 2, 3), case
        assert "Traceback" not in done.err, case
        assert done.code == 0 or done.err or done.json, case
        if words.startswith("build") and done.code in (0, 3):
            heads = done.json["ledger"]["heads"]
            assert heads["in"] == heads["out"] + sum(heads["dropped"].values()), case
            assert heads["out"] == heads_in(
                places["IN" if "CAPTURES --out IN" in words else "OUT"]
            ), case
    assert len(codes) > 1
