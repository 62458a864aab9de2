"""Density maps as predictions: counts and GAME of cells, whatever holds the maps."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import gtahead

from gtahead import Dataset, errors, metrics
from gtahead.density import cell_sums
from gtahead.map_files import MAX_CELLS

STRIDE = 16


def rendered(dataset: Path) -> dict[str, np.ndarray]:
    """Render the test split's maps, made wrong by a factor that differs by image."""
    rng = np.random.default_rng(3)
    part = Dataset.open(dataset).select(split="test")
    return {frame.frame_id: frame.density(stride=STRIDE) * rng.uniform(0.5, 1.5) for frame in part}


def scored(predictions: Path, dataset: Path) -> dict[str, float]:
    done = gtahead("benchmark", predictions, "--data", dataset, "--no-intervals", "--json")
    assert done.code == 0, done.err
    assert done.json["predictions"]["kind"] == "maps"
    assert done.json["undefined"]["localisation"] == "the predictions are density maps"
    return {name: row["value"] for name, row in done.json["metrics"].items()}


def write(maps: dict[str, np.ndarray], form: str, folder: Path) -> Path:
    folder.mkdir()
    if form == "one npz":
        np.savez_compressed(folder / "maps.npz", **maps)
        return folder / "maps.npz"
    if form == "one h5":
        with h5py.File(folder / "maps.h5", "w") as file:
            for name, values in maps.items():
                file[name] = values
        return folder / "maps.h5"
    for name, values in maps.items():
        path = folder / f"{name}.{form}"
        path.parent.mkdir(exist_ok=True)
        if form == "npy":
            np.save(path, values[None])  # a channel, as networks give it
        elif form == "npz":
            np.savez(path, values)
        else:
            with h5py.File(path, "w") as file:
                file["density"] = values
    return folder


@pytest.mark.parametrize("form", ["npy", "npz", "h5", "one npz", "one h5"])
def test_maps_are_scored(form: str, tiny_dataset: Path, tmp_path: Path) -> None:
    maps = rendered(tiny_dataset)
    found = scored(write(maps, form, tmp_path / "maps"), tiny_dataset)
    part = Dataset.open(tiny_dataset).select(split="test")
    points = [frame.points_xy[frame.counted] for frame in part]
    sums = [values.sum() for values in maps.values()]
    counts = [len(one) for one in points]
    assert found["mae"] == pytest.approx(metrics.mae(sums, counts), rel=1e-5)
    sizes = [frame.size_wh for frame in part]
    for level in (1, 2, 3):
        wanted = metrics.game(list(maps.values()), points, sizes, level=level, stride=STRIDE)
        assert found[f"game{level}"] == pytest.approx(wanted, rel=1e-5)
    assert "f1_8px" not in found


def test_an_export_is_perfect(tiny_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "density"
    for store in ("npz", "h5"):
        words = [
            "--format",
            "density",
            "--store",
            store,
            "--stride",
            8,
            "--split",
            "test",
            "--allow-lossy",
        ]
        assert gtahead("export", tiny_dataset, *words, "--out", out / store).code == 0
        found = scored(out / store / "test" / "ground_truth", tiny_dataset)
        assert found["mae"] < 0.01
        assert 0 < found["game3"] < 20  # kernels reach over edges of cells


def test_maps_that_a_network_cut(tiny_dataset: Path, tmp_path: Path) -> None:
    """A network of stride 16 that drops the last pixels is scored as stretched."""
    maps = {name: values[:-1] for name, values in rendered(tiny_dataset).items()}
    found = scored(write(maps, "one npz", tmp_path / "maps"), tiny_dataset)
    assert np.isfinite(found["game3"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.T.copy(), "its sides aren't those of an image of 640 x 360"),
        (lambda values: values * np.nan, "a map's cells are finite"),
        (lambda values: values.ravel(), "not a map of rows and columns"),
        (lambda values: values.astype("S3"), "it holds |S3, not numbers"),
        (lambda values: -values, "bad-count"),
    ],
)
def test_maps_that_are_none(
    change: Callable[[np.ndarray], np.ndarray], said: str, tiny_dataset: Path, tmp_path: Path
) -> None:
    maps = rendered(tiny_dataset)
    name = next(iter(maps))
    path = write({**maps, name: change(maps[name])}, "one npz", tmp_path / "maps")
    done = gtahead("benchmark", path, "--data", tiny_dataset)
    assert done.code == 1
    assert said in done.err
    assert "image-not-predicted" not in done.err  # it is there, only wrong
    if "not numbers" in said:  # refused by its header
        return
    assert f"maps.npz > {name}" in done.err.replace("maps.npz/", "maps.npz > ")


def test_files_that_hold_no_maps(tiny_dataset: Path, tmp_path: Path) -> None:
    maps = rendered(tiny_dataset)
    cut = tmp_path / "cut.npz"
    np.savez(cut, **maps)
    cut.write_bytes(cut.read_bytes()[:-300])
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "none.npz")
    (tmp_path / "h.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"0" * 900)
    for name, said in (
        ("cut.npz", "the map can't be read"),
        ("objects.npy", "the map can't be read"),
        ("none.npz", "there is no map in it"),
        ("h.h5", "the map can't be read"),
    ):
        done = gtahead("benchmark", tmp_path / name, "--data", tiny_dataset)
        assert done.code == 1, name
        assert said in done.err
    out = tmp_path / "heatmaps"
    words = ["--format", "heatmap", "--split", "test", "--allow-lossy", "--out", out]
    assert gtahead("export", tiny_dataset, *words).code == 0
    done = gtahead("benchmark", out / "test" / "ground_truth", "--data", tiny_dataset)
    assert done.code == 1
    assert "its sum is no count" in done.err
    del maps[next(iter(maps))]
    done = gtahead("benchmark", write(maps, "npy", tmp_path / "less"), "--data", tiny_dataset)
    assert "image-not-predicted" in done.err


def test_noise_below_nothing_is_nothing(tiny_dataset: Path, tmp_path: Path) -> None:
    maps = rendered(tiny_dataset)
    name = next(iter(maps))
    maps[name] = np.full_like(maps[name], -1e-6)
    found = scored(write(maps, "one npz", tmp_path / "maps"), tiny_dataset)
    maps[name] = np.zeros_like(maps[name])
    nothing = scored(write(maps, "one npz", tmp_path / "zeros"), tiny_dataset)
    assert found["mae"] == pytest.approx(nothing["mae"], abs=1e-6)


def test_without_h5py(tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(rendered(tiny_dataset), "one h5", tmp_path / "maps")
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    words = ["--format", "density", "--store", "h5", "--allow-lossy", "--out", tmp_path / "out"]
    for given in (["benchmark", path, "--data", tiny_dataset], ["export", tiny_dataset, *words]):
        done = gtahead(*given)
        assert done.code == 4
        assert "h5py isn't installed; pip install 'gtahead[hdf5]'" in done.err


def test_bombs_of_maps_are_refused_by_their_header(tiny_dataset: Path, tmp_path: Path) -> None:
    name = next(iter(rendered(tiny_dataset)))
    np.savez_compressed(tmp_path / "large.npz", **{name: np.zeros((9216, 16384), np.int8)})
    done = gtahead("benchmark", tmp_path / "large.npz", "--data", tiny_dataset)
    assert done.code == 1
    assert "it claims 150,994,944 cells" in done.err
    np.savez_compressed(tmp_path / "wide.npz", **{name: np.zeros((2048, 2048), np.int8)})
    done = gtahead("benchmark", tmp_path / "wide.npz", "--data", tiny_dataset)
    assert done.code == 1
    assert "far more cells than the image has pixels" in done.err


def test_pipes_are_not_waited_for(tiny_dataset: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("x.txt", "x.npy", "x.npz")):
        folder = tmp_path / str(number)
        folder.mkdir()
        os.mkfifo(folder / name)
        done = gtahead("benchmark", folder, "--data", tiny_dataset)
        assert done.code == 1
        assert "not a regular file" in done.err


def _npy(shape: str, kind: str) -> bytes:
    """Return an array's file whose header says so, and nothing behind it."""
    header = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        *(("(3,)", "|S1000000000"), ("(1000000000000000000000000000000, 0)", "<f4")),
        *(("(-1, 100)", "|u1"), ("(20000, 20000)", "<f4"), ("(16384, 8192)", "<f16")),
    ],
)
def test_headers_that_no_map_has(shape: str, kind: str, tiny_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(_npy(shape, kind))
    done = gtahead("benchmark", tmp_path / "a.npy", "--data", tiny_dataset)
    assert done.code == 1, done.err
    assert "the map can't be read" in done.err


def test_hdf5_that_claims_more_than_it_holds(tiny_dataset: Path, tmp_path: Path) -> None:
    name = next(iter(rendered(tiny_dataset)))
    with h5py.File(tmp_path / "text.h5", "w") as file:
        file.create_dataset(name, shape=(4000,), dtype="S1000000")
    with h5py.File(tmp_path / "chunk.h5", "w") as file:
        file.create_dataset(name, shape=(10, 10), maxshape=(None, None), chunks=(20000, 24000))
    with h5py.File(tmp_path / "name.h5", "w") as file:
        file.create_dataset(b"\xff\xfe", data=np.zeros((4, 4)))
    for one in ("text.h5", "chunk.h5", "name.h5"):
        done = gtahead("benchmark", tmp_path / one, "--data", tiny_dataset)
        assert done.code == 1, (one, done.err)


def test_the_largest_photographs_maps_are_read() -> None:
    density = np.zeros((4028, 19044), np.float32)
    density[2000, 9000] = 3
    assert cell_sums(density, 8, (19044, 4028)).sum() == 3
    assert density.size < MAX_CELLS
