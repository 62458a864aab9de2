"""Croissant: whatever is taken out is found, and every record set can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import gtahead

from gtahead.publishing import croissant
from gtahead.publishing.releases import Release


def faults(release: Path) -> list[str]:
    return [f"{pointer} {what}" for pointer, what in croissant.faults(Release.open(release))]


def change(release: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = release / "croissant.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    edit(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def document(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "croissant.json").read_text(encoding="utf-8"))
    return found


def test_as_it_is_written_it_has_no_faults(staged: Path) -> None:
    assert faults(staged) == []
    found = document(staged)
    assert found["rai:hasSyntheticData"] is True
    assert found["conformsTo"] == list(croissant.CONFORMS_TO)


def test_each_required_field_is_missed(release: Path) -> None:
    whole = (release / "croissant.json").read_bytes()
    for key in croissant.REQUIRED:
        for edit in (lambda d, key=key: d.pop(key), lambda d, key=key: d.update({key: ""})):
            (release / "croissant.json").write_bytes(whole)
            change(release, edit)
            assert f"/{key} it's missing or empty" in faults(release)
    done = gtahead("publish", "check", release, "--no-load")
    assert done.code == 1
    assert "bad-croissant" in done.err


def test_each_required_field_of_files_sets_records_and_fields_is_missed(release: Path) -> None:
    whole = document(release)
    tried = 0

    def without(pointer: str, holder: dict[str, Any], key: str) -> None:
        nonlocal tried
        value = holder.pop(key)
        (release / "croissant.json").write_text(json.dumps(whole), encoding="utf-8")
        assert f"{pointer}/{key} it's missing or empty" in faults(release), (pointer, key)
        holder[key] = value
        tried += 1

    kinds = {"cr:FileObject": croissant.REQUIRED_OF_FILES, "cr:FileSet": croissant.REQUIRED_OF_SETS}
    for position, one in enumerate(whole["distribution"]):
        for key in kinds[one["@type"]]:
            if key == "@type":  # without it nothing says what else is needed
                continue
            without(f"/distribution/{position}", one, key)
    for position, records in enumerate(whole["recordSet"]):
        for key in croissant.REQUIRED_OF_RECORDS:
            without(f"/recordSet/{position}", records, key)
        for number, field in enumerate(records["field"]):
            needed = croissant.REQUIRED_OF_FIELDS + (("source",) if "data" not in records else ())
            for key in needed:
                without(f"/recordSet/{position}/field/{number}", field, key)
    assert tried > 200


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda d: d["distribution"][1].update(sha256="0" * 64),
            "it isn't the hash of annotations/",
        ),
        (lambda d: d["distribution"].pop(1), "isn't listed"),
        (lambda d: d["distribution"][1].update(contentUrl="data/x.parquet"), "isn't a file of the"),
        (lambda d: d.update(description="TODO"), "a placeholder: TODO"),
        (lambda d: d.update({"rai:dataBiases": ["[VERIFY THIS]"]}), "a placeholder: [VERIFY THIS]"),
        (lambda d: d.update(version="9.9.9"), "it's '9.9.9', and '1.0.0' in the manifest"),
        (lambda d: d.update(conformsTo=d["conformsTo"][:1]), "RAI/1.0 isn't named"),
        (lambda d: d.update({"@type": "Person"}), "not sc:Dataset"),
        (lambda d: d.update(conformsTo=5), "RAI/1.0 isn't named"),
        (lambda d: d.update(recordSet=5), "/recordSet it isn't a list of objects"),
        (lambda d: d["distribution"].append(None), "/distribution it isn't a list of objects"),
        (lambda d: d["distribution"].append(d["distribution"][1]), "is there twice"),
        (lambda d: d.update(recordSet=d["recordSet"][:1]), "heads isn't described"),
        (lambda d: d.update(isLiveDataset=5), "it's 5, not False"),
        (lambda d: d.update({"rai:hasSyntheticData": 5}), "it's 5, not True"),
    ],
)
def test_what_mlcroissant_lets_pass(
    edit: Callable[[dict[str, Any]], object], message: str, release: Path
) -> None:
    change(release, edit)
    assert any(message in one for one in faults(release)), faults(release)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_file_that_is_none(text: str, release: Path) -> None:
    (release / "croissant.json").write_bytes(text.encode("latin-1"))
    assert len(faults(release)) == 1
    assert gtahead("card", release, "--croissant").code == 0
    assert faults(release) == []


@pytest.mark.slow
def test_a_record_set_that_cannot_be_read_is_found(release: Path) -> None:
    """The document is complete, and one of its columns isn't there."""

    def edit(document: dict[str, Any]) -> None:
        heads = next(one for one in document["recordSet"] if one["@id"] == "heads")
        heads["field"][2]["source"]["extract"]["column"] = "no_such_column"

    change(release, edit)
    done = gtahead("publish", "check", release)
    assert done.code == 1
    assert "croissant.json > heads: croissant.json can't be published" in done.err
