"""Exports checked by themselves, and compared with their dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import gtahead

import gtahead as library
from gtahead.formats import FORMATS
from gtahead.validation.maps import read_map


def exported(tiny: Path, out: Path, name: str, **options: Any) -> Path:
    library.export(
        tiny / "dataset", out, format=name, allow_lossy=True, workers=1, images="none", **options
    )
    return out


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_export_holds_what_its_dataset_holds(tiny: Path, tmp_path: Path, name: str) -> None:
    out = exported(tiny, tmp_path / name, name)
    checked = library.validate(out, against=tiny / "dataset", workers=1)
    found = checked.finish()
    assert found.by_severity()["error"] == 0, list(map(str, found))
    assert "moved-against-dataset" not in found.totals
    if FORMATS[name].reader is not None:
        assert checked.largest_error_px is not None
        assert checked.largest_error_px <= FORMATS[name].precision_px + 1e-3


def test_an_edited_export_is_found(tiny: Path, tmp_path: Path) -> None:
    out = exported(tiny, tmp_path / "coco", "coco")
    path = out / "annotations" / "instances_train.json"
    document = json.loads(path.read_text())
    document["annotations"][0]["bbox"][0] += 3
    document["annotations"][0]["gtahead"]["point"][0] += 3
    document["annotations"].pop()
    gone = document["images"].pop(0)["id"]
    document["annotations"] = [a for a in document["annotations"] if a["image_id"] != gone]
    document["annotations"][0]["gtahead"]["point"][1] += 0.5
    path.write_text(json.dumps(document))
    found = library.validate(out, against=tiny / "dataset", workers=1).finish().totals
    assert found["differs-from-dataset"] == 2  # a frame that lost a head, and one that is gone
    assert found["moved-against-dataset"] == 1


@pytest.mark.parametrize("name", ["density", "heatmap"])
def test_maps_are_held_against_their_heads(tiny: Path, tmp_path: Path, name: str) -> None:
    out = exported(tiny, tmp_path / "maps", name, stride=4)
    files = sorted(out.rglob("*.npz"))
    full = [path for path in files if (read_map(path, name)[0] > 0).any()]

    def edit(path: Path, values: Any) -> None:
        with np.load(path) as stored:
            about = stored["about"]
        np.savez(path, **{name: values, "about": about})

    values = read_map(full[0], name)[0].copy()
    values *= 1.5 if name == "density" else 0.5
    edit(full[0], values)
    edit(full[1], read_map(full[1], name)[0][:-1])
    full[2].write_bytes(full[2].read_bytes()[:-30])
    moved = np.roll(read_map(full[3], name)[0], 3, axis=1)
    edit(full[3], moved)
    checked = library.validate(out, against=tiny / "dataset", workers=1).finish().totals
    wrong = "map-sum-differs" if name == "density" else "map-peaks-differ"
    assert checked["map-shape-differs"] == 1
    assert checked["map-unreadable"] == 1
    assert checked[wrong] == (1 if name == "density" else 2)


def test_schemas_are_listed_and_shown() -> None:
    listed = gtahead("schema", "list")
    assert "predictions" in listed.out
    shown = json.loads(gtahead("schema", "show", "coco").out)
    assert shown["$id"] == "urn:gtahead:schema:coco:1"
    assert gtahead("schema", "show", "cocoa").code == 2


def test_exports_keep_their_schemas(tiny: Path, tmp_path: Path) -> None:
    from gtahead import schemas

    coco = exported(tiny, tmp_path / "coco", "coco")
    points = exported(tiny, tmp_path / "points", "points-json")
    nwpu = exported(tiny, tmp_path / "nwpu", "nwpu")
    documents = [
        ("coco", (coco / "annotations" / "instances_test.json").read_bytes()),
        ("coco-plain", (coco / "annotations" / "instances_test.json").read_bytes()),
        ("export", (coco / "export.json").read_bytes()),
        ("nwpu", next(iter(sorted((nwpu / "jsons").iterdir()))).read_bytes()),
        *(("points", line) for line in (points / "train.jsonl").read_bytes().splitlines()),
    ]
    for name, data in documents:
        assert list(schemas.faults(json.loads(data), name)) == [], name
    manifest = json.loads((tiny / "dataset" / "manifest.json").read_bytes())
    assert list(schemas.faults(manifest["splits"], "split-certificate")) == []
