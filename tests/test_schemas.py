from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gtahead import schemas
from gtahead.captures.native import HEAD_KINDS
from gtahead.errors import InputError


def test_every_schema_has_an_id_with_its_version() -> None:
    assert {"capture-heads", "capture-sequence", "coco", "manifest"} <= set(schemas.names())
    for name in schemas.names():
        schema = schemas.load(name)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert re.fullmatch(rf"urn:gtahead:schema:{name}:\d+", schema["$id"])
        assert schema["description"]


def test_heads_columns_are_those_of_the_schema() -> None:
    schema = schemas.load("capture-heads")
    assert set(schema["properties"]) == set(HEAD_KINDS)
    for column in schema["properties"].values():
        assert column["description"]


def test_an_unknown_schema_names_the_known() -> None:
    with pytest.raises(ValueError, match=r"capture-heads, capture-sequence, coco, .*, predictions"):
        schemas.load("nothing")


def test_a_manifest_keeps_its_schema(tiny_dataset: Path) -> None:
    document = json.loads((tiny_dataset / "manifest.json").read_text())
    assert list(schemas.faults(document, "manifest")) == []
    del document["ledger"]
    document["fingerprint"] = "x"
    assert sorted(pointer for pointer, _ in schemas.faults(document, "manifest")) == [
        "/",
        "/fingerprint",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "f.json: the file is empty; write it again"),
        (b'{"a": 1', "f.json > line 1, column 8: it ends too early"),
        (b'{"a": NaN}', "f.json > line 1, column 7: not valid JSON"),
        (b'{"a": "\xff"}', "f.json > byte 7: not UTF-8 text; save the file as UTF-8"),
        (b'{\n"a": 1,,}', "f.json > line 2, column 8: not valid JSON"),
    ],
)
def test_json_faults_name_their_location(data: bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        schemas.parse_json(data, "f.json")
    assert str(caught.value).startswith(message)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert schemas.parse_json(b'\xef\xbb\xbf{"a": 1}', "f.json") == {"a": 1}
