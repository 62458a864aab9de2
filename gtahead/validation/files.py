"""Single files: recognised by their contents, and checked against their schemas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.errors import InputError, Where
from gtahead.findings import Findings
from gtahead.formats.coco_reading import looks_like_coco
from gtahead.predictions import read_predictions
from gtahead.validation.coco import check_coco

SCHEMA_OF_FORMAT = {
    "gtahead-capture": "capture-sequence",
    "gtahead-dataset": "manifest",
    "gtahead-export": "export",
    "gtahead-predictions": "predictions",
    "gtahead-result": "result",
    "gtahead-run": "run",
}
"""Schemas by the key `format` that a file of gtahead's begins with."""

MAX_JSON = 1_000_000_000
"""Bytes of a document that is read whole; COCO files may be larger."""


def kind_of(path: Path) -> str:
    """Return what a file is: `coco`, `points`, or the name of a schema.

    Raises:
        InputError: nothing that gtahead knows.
    """
    if path.suffix.lower() == ".jsonl":
        with path.open("rb") as file:
            return "predictions" if b'"gtahead-predictions"' in file.readline(4096) else "points"
    if path.suffix.lower() == ".json":
        if looks_like_coco(path):
            return "coco"
        document = _read(path, path.name)
        if isinstance(document, dict):
            if document.get("format") in SCHEMA_OF_FORMAT:
                return SCHEMA_OF_FORMAT[document["format"]]
            if "points" in document:
                return "nwpu"
            if "predictions" in document:
                return "predictions"
    raise InputError(
        "not a kind of file that gtahead checks",
        where=Where(str(path)),
        remedy="give a folder, or a JSON file that `gtahead schema list` has a schema of; "
        "`gtahead benchmark --check-only` checks results in other formats",
    )


def _read(path: Path, file: str) -> Any:  # noqa: ANN401 - JSON
    data = storage.read_input(path, file, most=MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise InputError(
            "the file is too large to be read whole",
            where=Where(file),
            value=f"{path.stat().st_size:,} bytes",
            remedy="cut it into parts",
        )
    return schemas.parse_json(data, file)


def check_file(path: Path, kind: str, findings: Findings) -> None:
    """Check one file."""
    if kind == "coco":
        check_coco(path, path.name, findings)
        return
    if kind == "predictions":
        _check_predictions(path, findings)
        return
    for document, position in _documents(path, kind, findings):
        for pointer, message in schemas.faults(document, kind):
            field = f"{position}, {pointer}" if position else pointer
            findings.add("breaks-schema", Where(path.name, field=field), detail=message)
        if kind == "nwpu" and isinstance(document, dict):
            _check_nwpu(document, path.name, findings)


def _check_predictions(path: Path, findings: Findings) -> None:
    """Read predictions as `gtahead benchmark` does, without a ground truth."""
    try:
        read_predictions(path, findings)
    except InputError as error:
        value = None if error.value is None else str(error.value)
        location = error.where or Where(path.name)
        findings.add("file-unreadable", location, value, error.what)


def _documents(path: Path, kind: str, findings: Findings) -> Iterator[tuple[Any, str]]:
    """Yield a file's documents: one, or one per line; what can't be read is a finding."""
    if kind != "points":
        try:
            yield _read(path, path.name), ""
        except InputError as error:
            findings.add("file-unreadable", error.where or Where(path.name), detail=error.what)
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield schemas.parse_json(line, path.name), f"line {number}"
                except InputError as error:
                    location = Where(path.name, field=f"line {number}")
                    findings.add("file-unreadable", location, detail=error.what)


def _check_nwpu(document: dict[str, Any], file: str, findings: Findings) -> None:
    """Compare the counts that a file of NWPU's gives."""
    points, boxes = document.get("points"), document.get("boxes")
    if not isinstance(points, list):
        return
    said = document.get("human_num")
    if isinstance(said, int) and said != len(points):
        location = Where(file, field="/human_num")
        findings.add("count-differs", location, said, f"there are {len(points)} points")
    if isinstance(boxes, list) and boxes and len(boxes) != len(points):
        location = Where(file, field="/boxes")
        findings.add("boxes-differ", location, len(boxes), f"there are {len(points)} points")
