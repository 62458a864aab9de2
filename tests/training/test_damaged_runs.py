"""Runs, weights and settings that were damaged or changed, and processes that are killed."""

from __future__ import annotations

import io
import json
import random
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from damage import VALUES, damage, mutated
from helpers import examples, gtahead, kill_after, spawn_gtahead
from training_helpers import QUICK

from gtahead import InputError, train
from gtahead.training import make_config
from gtahead.training.checkpoints import read_checkpoint

LONGER = {**QUICK, "epochs": 4}


@pytest.fixture(scope="module")
def finished(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on small images."""
    out = tmp_path_factory.mktemp("finished") / "run"
    train(small_set, out, config=make_config(**LONGER))
    return out


@pytest.fixture(scope="module")
def stopped(small_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train half of the epochs."""
    out = tmp_path_factory.mktemp("stopped") / "run"
    train(small_set, out, config=make_config(**LONGER), stop_after=2)
    return out


def fits(done: Any, case: object) -> int:
    """Check how a command with damaged files ended; give its exit status."""
    assert done.code in (0, 1, 2, 3), (case, done.err)
    assert "Traceback" not in done.err
    assert done.code == 0 or done.err
    return int(done.code)


def swapped_document(document: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """Put a value of another type into a checkpoint, at any depth above the weights' numbers."""
    changed = dict(document)
    holder: dict[str, Any] = changed
    while True:
        name = chance.choice(sorted(holder))
        inner = holder[name]
        if isinstance(inner, dict) and inner and chance.random() < 0.8:
            holder[name] = dict(inner)
            holder = holder[name]
            continue
        values: list[Any] = [*VALUES, 10**9, -1.0, 1e300, float("nan")]
        if isinstance(inner, torch.Tensor):
            values += [inner.reshape(-1)[:1], inner.double(), inner.double() * float("nan"), None]
        holder[name] = chance.choice(values)
        return changed


@pytest.mark.parametrize("way", ["bytes", "values"])
def test_damaged_models(small_set: Path, finished: Path, tmp_path: Path, way: str) -> None:
    chance = random.Random(way)
    whole = (finished / "model.pt").read_bytes()
    document = torch.load(io.BytesIO(whole), weights_only=True)
    model = tmp_path / "model.pt"
    codes: Counter[int] = Counter()
    for number in range(examples(4)):
        if way == "bytes":
            model.write_bytes(mutated(whole, chance))
        else:
            torch.save(swapped_document(document, chance), model)
        commands: list[list[object]] = [
            ["predict", model, "--data", small_set, "--out", tmp_path / "found.json"],
            ["export-model", model, "--out", tmp_path / "model.onnx"],
        ]
        command = commands[number % 4 == 3]
        codes[fits(gtahead(*command), (way, number))] += 1
    assert codes[1]


@pytest.mark.parametrize("what", ["weight", "threshold", "no threshold", "about"])
def test_models_whose_parts_cannot_be(finished: Path, tmp_path: Path, what: str) -> None:
    document = torch.load(finished / "model.pt", weights_only=True)
    weights = document["weights"]
    name = next(n for n, value in weights.items() if value.is_floating_point())
    changes: dict[str, dict[str, Any]] = {
        "weight": {"weights": {**weights, name: weights[name] * float("nan")}},
        "threshold": {"threshold": 1.5},
        "no threshold": {"threshold": None},
        "about": {"about": [1]},
    }
    torch.save({**document, **changes[what]}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="parts don't fit each other"):
        read_checkpoint(tmp_path / "model.pt")


RECORDS = {
    "finished": ["run.json"],
    "stopped": ["run.json", "metrics.csv", "checkpoints/last.ckpt"],
}


@pytest.mark.parametrize("state", RECORDS)
def test_damaged_records(
    small_set: Path, finished: Path, stopped: Path, tmp_path: Path, state: str
) -> None:
    chance = random.Random(state)
    for number in range(examples(1)):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(finished if state == "finished" else stopped, run)
        name = chance.choice(RECORDS[state])
        damage(run / name, chance)
        config = tmp_path / "settings.toml"
        config.write_text(make_config(**LONGER).as_toml())
        done = gtahead("train", small_set, "--out", run, "--config", config)
        fits(done, (state, number, name))
        if done.code == 0:
            assert json.loads((run / "run.json").read_bytes())["state"] == "finished"


def test_damaged_settings(small_set: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    whole = make_config(**LONGER).as_toml().encode()
    config = tmp_path / "settings.toml"
    for number in range(examples(20)):
        config.write_bytes(mutated(whole, chance))
        done = gtahead("train", small_set, "--config", config, "--print-config")
        fits(done, (number, config.read_bytes()))
    config.unlink()
    config.mkdir()
    assert gtahead("train", small_set, "--config", config, "--print-config").code == 1


@pytest.mark.slow
def test_training_killed_at_random_moments(small_set: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    config = tmp_path / "settings.toml"
    config.write_text(make_config(**LONGER).as_toml())
    whole, run = tmp_path / "whole", tmp_path / "run"
    command: list[object] = ["train", small_set, "--config", config, "--out"]
    start = time.monotonic()
    assert spawn_gtahead(*command, whole).code == 0
    duration = time.monotonic() - start
    wanted = torch.load(whole / "model.pt", weights_only=True)["weights"]
    for number in range(8):
        shutil.rmtree(run, ignore_errors=True)
        kills = 0
        while kills < 3 and kill_after([*command, run], chance.uniform(0.2, 1) * duration):
            kills += 1
        if kills == 3:
            done = spawn_gtahead(*command, run)
            assert done.code in (0, 2), (number, done.err)
            assert done.code == 0 or "already a finished run" in done.err
        weights = torch.load(run / "model.pt", weights_only=True)["weights"]
        assert all(torch.equal(weights[name], wanted[name]) for name in wanted), number
        rows = [(one / "metrics.csv").read_text() for one in (run, whole)]
        assert rows[0] == rows[1]
        assert not [path for path in run.rglob(".part-*")]
