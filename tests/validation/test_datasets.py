"""Datasets that somebody has tampered with, and datasets that nobody has."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from helpers import gtahead
from pyarrow import parquet

import gtahead as library
from gtahead import InputError, UsageError
from gtahead.dataset import FRAMES
from gtahead.findings import Findings
from gtahead.validation.common import watched


@pytest.fixture
def dataset(tiny: Path, tmp_path: Path) -> Path:
    shutil.copytree(tiny / "dataset", tmp_path / "dataset")
    return tmp_path / "dataset"


def totals(path: Path, **options: Any) -> dict[str, int]:
    return library.validate(path, workers=1, **options).finish().totals


def change(path: Path, edit: Callable[[dict[str, list[Any]]], None]) -> None:
    """Edit a Parquet table's columns, as lists."""
    table = parquet.read_table(path)
    columns = table.to_pydict()
    edit(columns)
    arrays = [pa.array(columns[field.name], field.type) for field in table.schema]
    path.unlink()  # it may be a link
    parquet.write_table(pa.Table.from_arrays(arrays, schema=table.schema), path)


def heads_of(dataset: Path, number: int = 0) -> Path:
    return sorted((dataset / "heads").iterdir())[number]


def test_nothing_is_wrong_with_what_gtahead_made(tiny: Path) -> None:
    assert totals(tiny / "dataset", images="full") == {}
    assert set(totals(tiny / "captures", images="full")) <= {"head-outside-frame"}


@pytest.mark.parametrize(
    ("column", "value", "codes"),
    [
        ("x", float("nan"), {"not-finite", "flag-differs"}),
        ("x", -50.0, {"flag-differs", "point-outside-box"}),
        ("visibility", 1.5, {"bad-value"}),
        ("status", "absent", {"flag-differs", "count-differs"}),
        ("box_x1", None, {"box-without-area"}),
        ("box_x0", 1e4, {"box-without-area"}),
        ("sigma_x_px", 0.0, {"bad-value"}),
        ("frame_id", "elsewhere/000000", {"head-without-frame"}),
        ("head_id", 1, {"duplicate-head"}),
        ("head_id", -7, {"out-of-order"}),
    ],
)
def test_a_changed_head_is_found(
    dataset: Path, column: str, value: object, codes: set[str]
) -> None:
    path = heads_of(dataset)

    def edit(columns: dict[str, list[Any]]) -> None:
        row = columns["status"].index("counted", 2)
        if column == "head_id" and value == 1:
            columns["head_id"][row] = columns["head_id"][row - 1]
        else:
            columns[column][row] = value

    change(path, edit)
    found = totals(dataset)
    assert codes | {"table-changed"} <= set(found)


def test_a_box_of_another_size_than_its_distance_makes(dataset: Path) -> None:
    def edit(columns: dict[str, list[Any]]) -> None:
        row = columns["status"].index("counted")
        columns["box_x0"][row] -= 200
        columns["box_x1"][row] += 200
        columns["box_y0"][row] -= 200
        columns["box_y1"][row] += 200

    change(heads_of(dataset), edit)
    assert totals(dataset)["box-size-odd"] == 1


def test_changed_frames_are_found(dataset: Path) -> None:
    def edit(columns: dict[str, list[Any]]) -> None:
        columns["num_heads"][0] += 1
        columns["split"][1] = "test" if columns["split"][1] != "test" else "train"
        columns["file"][2] = "../../etc/passwd"
        columns["frame_id"][4] = columns["frame_id"][3]
        columns["width"][5] = 0
        columns["height"][6] = 0
        columns["width"][7] = columns["height"][7] = 1  # small, but known

    change(dataset / FRAMES, edit)
    found = totals(dataset)
    assert found["size-unknown"] == 2
    expected = {"count-differs", "sequence-in-two-splits", "unsafe-path", "duplicate-frame"}
    assert expected | {"size-unknown", "fingerprint-differs"} <= set(found)


def test_splits_that_are_none_are_said(dataset: Path) -> None:
    def edit(columns: dict[str, list[Any]]) -> None:
        columns["split"][0], columns["split"][1] = None, "elsewhere"

    change(dataset / FRAMES, edit)
    found = library.validate(dataset, workers=1, images="full").finish()
    assert found.totals["bad-value"] == 2


def test_the_manifest_is_held_against_the_tables(dataset: Path) -> None:
    path = dataset / "manifest.json"
    document = json.loads(path.read_text())
    document["ledger"]["heads"]["in"] += 1
    document["statistics"]["heads"]["counted"] -= 1
    document["fingerprints"]["points"]["all"] = "0" * 64
    document["splits"]["sequences"]["train"].pop()
    path.write_text(json.dumps(document))
    found = totals(dataset)
    assert (found["count-differs"], found["fingerprint-differs"], found["flag-differs"]) == (
        2,
        1,
        1,
    )


def test_files_are_held_against_the_manifest(dataset: Path) -> None:
    heads_of(dataset, 0).unlink()
    shutil.copy(heads_of(dataset, 1), dataset / "heads" / "more.parquet")
    path = heads_of(dataset, 2)
    path.write_bytes(path.read_bytes()[:-9])
    found = totals(dataset)
    assert (found["table-missing"], found["unlisted-file"]) == (1, 1)
    assert (found["table-changed"], found["file-unreadable"]) == (1, 1)


def test_images_are_looked_at(dataset: Path) -> None:
    import cv2
    from PIL import Image

    files = sorted((dataset / "images").rglob("*.jpg"))
    for file in files[:5]:
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data)
    files[0].unlink()
    files[1].write_bytes(files[1].read_bytes()[:2000])
    files[2].write_bytes(b"<html>")
    small = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    cv2.imwrite(str(files[3]), small)
    with Image.open(files[4]) as image:
        exif = Image.Exif()
        exif[271] = "a camera"
        image.save(files[4], exif=exif)
    found = totals(dataset)
    wanted = ("image-missing", "image-truncated", "not-an-image", "wrong-size", "exif-left")
    assert {code: found.get(code) for code in wanted} == dict.fromkeys(wanted, 1)
    assert totals(dataset, images="none") == {}
    assert totals(dataset, images="full")["hash-mismatch"] == 2


def test_images_that_are_nearly_in_two_splits(dataset: Path) -> None:
    frames = library.Dataset.open(dataset).frames(["file", "split"])
    train, test = (frames["file"][frames["split"].index(split)] for split in ("train", "test"))
    data = (dataset / train).read_bytes()
    (dataset / test).unlink()
    (dataset / test).write_bytes(data)
    assert totals(dataset, images="full")["near-duplicate"] >= 1


def test_a_flat_image_with_heads(dataset: Path) -> None:
    import cv2

    frames = library.Dataset.open(dataset).frames(["file", "num_heads", "width", "height"])
    row = next(i for i, count in enumerate(frames["num_heads"]) if count)
    path = dataset / frames["file"][row]
    path.unlink()
    flat = np.full((frames["height"][row], frames["width"][row], 3), 40, np.uint8)
    cv2.imwrite(str(path), flat)
    assert totals(dataset, images="full")["heads-on-flat-image"] == 1


def test_other_things_are_refused(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        library.validate(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="unknown kind"):
        library.validate(tmp_path, reader="cocoa")
    with pytest.raises(InputError, match="the folder is empty"):
        library.validate(tmp_path)
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(InputError, match="not a kind of file that gtahead checks"):
        library.validate(tmp_path / "a.json")
    with pytest.raises(UsageError, match="--against is for exports"):
        library.validate(tiny / "dataset", against=tiny / "dataset")
    (tmp_path / "manifest.json").write_text('{"format": "gtahead-dataset"')
    done = gtahead("validate", tmp_path)
    assert (done.code, "file-unreadable" in done.out) == (1, True)


def test_findings_are_yielded_once_and_totals_are_exact(dataset: Path) -> None:
    def edit(columns: dict[str, list[Any]]) -> None:
        columns["visibility"] = [2.0] * len(columns["visibility"])

    change(heads_of(dataset), edit)
    checked = library.validate(dataset, workers=1)
    found = [finding for finding in checked if finding.code == "bad-value"]
    assert len(found) == len(set(map(str, found))) == 20
    assert checked.findings.totals["bad-value"] > 20


def test_known_findings_pass(dataset: Path, tmp_path: Path) -> None:
    (dataset / "heads" / "more.parquet").write_bytes(b"")
    baseline = tmp_path / "known.json"
    done = gtahead("validate", dataset, "--json", "--fail-on", "warning")
    assert done.code == 1
    baseline.write_text(done.out)
    again = gtahead("validate", dataset, "--baseline", baseline, "--fail-on", "warning")
    assert again.code == 0
    assert again.out.splitlines()[-1].startswith("✓ passed, nothing new: ")
    (dataset / "heads" / "another.parquet").write_bytes(b"")
    more = gtahead("validate", dataset, "--baseline", baseline, "--fail-on", "warning")
    assert (more.code, more.out.splitlines()[-1]) == (1, "new: ⚠ 1 warning")
    assert "another.parquet" in more.out
    baseline.write_text("{}")
    assert gtahead("validate", dataset, "--baseline", baseline).code == 1


def test_the_page_escapes_what_comes_from_data(dataset: Path, tmp_path: Path) -> None:
    (dataset / "heads" / "<script>.parquet").write_bytes(b"")
    page = tmp_path / "report.html"
    assert gtahead("validate", dataset, "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert "&lt;script&gt;" in text
    assert "<script>.parquet" not in text


def test_codes_explain_themselves() -> None:
    done = gtahead("validate", "--explain", "label-lag")
    assert done.code == 0
    assert "what: labels fit the images of other frames better" in done.out
    assert "cause: The tool asks the game for positions some frames" in done.out
    assert "remedy: shift the labels" in done.out
    reported = gtahead("validate", "--explain", "label-lag", "--json").json
    assert (reported["code"], reported["severity"]) == ("label-lag", "error")
    assert gtahead("validate", "--explain", "label-lak").code == 2


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated"])
@pytest.mark.parametrize("file", [FRAMES, "heads"])
def test_info_doesn_t_praise_what_is_damaged(dataset: Path, file: str, damage: str) -> None:
    path = dataset / FRAMES if file == FRAMES else heads_of(dataset)
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(b"" if damage == "empty" else data[: len(data) // 2])
    done = gtahead("info", dataset)
    said = (done.code, done.err.startswith(f"error: {path}"))
    # What stands in a table of heads is validate's to say: info doesn't open it.
    assert said == ((0, False) if file == "heads" and damage != "missing" else (1, True))


def test_files_beside_are_looked_at_before_the_work(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # messages cut long paths
    for option in ("--html", "--baseline"):
        done = gtahead("validate", dataset.resolve(), option, "nowhere/file")
        assert (done.code, done.out) == (1, "")
        assert "nowhere" in done.err


def test_tables_that_change_while_they_are_checked_are_reported(dataset: Path) -> None:
    path = heads_of(dataset)
    (dataset / "heads" / "more.parquet").write_bytes(b"")
    found = []
    for finding in library.validate(dataset, workers=1, images="none"):
        found.append((finding.code, finding.where.file))
        if finding.code == "unlisted-file":
            with path.open("ab") as file:
                file.write(b"more")
    assert ("changed-meanwhile", f"heads/{path.name}") in found


def test_files_that_change_while_they_are_read_are_reported(tmp_path: Path) -> None:
    same, longer, gone = (tmp_path / name for name in ("same", "longer", "gone"))
    for path in (same, longer, gone):
        path.write_text("{}")
    found = Findings()
    with watched({path.name: path for path in (same, longer, gone)}, found):
        longer.write_text("{} ")
        gone.unlink()
    assert [one.where.file for one in found] == ["longer", "gone"]


def test_what_cannot_be_opened_was_not_checked(dataset: Path) -> None:
    whole = library.validate(dataset, workers=1, images="none")
    whole.finish()
    assert [check.name for check in whole.checks if not check.left_out][:1] == [
        "tables against their sha256"
    ]
    (dataset / "manifest.json").write_text("{}")
    damaged = library.validate(dataset, workers=1)
    damaged.finish()
    assert {check.left_out for check in damaged.checks} == {"it couldn't be opened"}
    assert damaged.verdict == "0 checks"
