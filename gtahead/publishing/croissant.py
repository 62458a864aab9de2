"""Croissant 1.1 with RAI 1.0: the release for machines that read datasets' metadata.

Spec: http://mlcommons.org/croissant/1.1 and http://mlcommons.org/croissant/RAI/1.0. mlcroissant
lets a document pass that lacks a name or names a wrong sha256; `faults` doesn't.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.errors import InputError
from gtahead.inspection import region_sentences
from gtahead.origins import RENDERED, in_words, origins_of, sentences
from gtahead.publishing import cards
from gtahead.publishing.facts import PLACEHOLDERS
from gtahead.publishing.releases import CROISSANT, LABELS, SHARDS, Release

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")

PARQUET = "application/x-parquet"

_REPO_HASH = "https://github.com/mlcommons/croissant/issues/80"
"""What stands for the hash of a git repository: the hub's own documents write the same."""

TEMPLATE = Path(__file__).with_name("templates") / "croissant.json"
"""What every release's document says; null stands for what depends on the data."""

REQUIRED = (
    *("@context", "@type", "conformsTo", "name", "description", "license", "url", "creator"),
    *("datePublished", "version", "keywords", "citeAs", "isLiveDataset", "distribution"),
    *("recordSet", "rai:dataCollection", "rai:dataAnnotationProtocol"),
    *("rai:machineAnnotationTools", "rai:dataLimitations", "rai:dataBiases"),
    *("rai:personalSensitiveInformation", "rai:dataUseCases", "rai:dataSocialImpact"),
    *("rai:hasSyntheticData", "prov:wasDerivedFrom", "prov:wasGeneratedBy"),
)
"""What a document has to say: Croissant's own fields, and those that conferences ask for."""

REQUIRED_OF_FILES = ("@id", "@type", "name", "contentUrl", "encodingFormat", "sha256")
REQUIRED_OF_SETS = ("@id", "@type", "name", "containedIn", "encodingFormat", "includes")
REQUIRED_OF_RECORDS = ("@id", "@type", "name", "field")
REQUIRED_OF_FIELDS = ("@id", "@type", "name", "dataType")


def write(release: Release) -> None:
    """Write a release's `croissant.json`."""
    storage.write_json(release.folder / CROISSANT, document(release))


def document(release: Release) -> dict[str, Any]:
    """Describe a release."""
    facts, manifest = release.facts, release.manifest.document
    statistics, sources = manifest["statistics"], manifest["sources"]
    images = facts.images == "original"
    origins = origins_of(manifest)
    rendered = RENDERED.issuperset(origins)
    tools = "; ".join(
        sorted({str(one.get("about", {}).get("tool") or one["reader"]) for one in sources})
    )
    readers = ", ".join(sorted({one["reader"] for one in sources}))
    static: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    return static | {
        "name": facts.name,
        "description": (
            f"{statistics['heads']['counted']:,} heads in {statistics['frames']:,} frames of "
            f"crowds, {in_words(origins)}, with points, boxes and visibility, for crowd counting "
            "and head detection."
            + ("" if images else " Labels and hashes of the images, without the images.")
        ),
        "license": facts.licence_url,
        "url": facts.url,
        "creator": {"@type": "sc:Organization", "name": facts.creator, "url": facts.url},
        "publisher": {"@type": "sc:Organization", "name": facts.creator},
        "datePublished": facts.date,
        "version": facts.version,
        "citeAs": cards.bibtex(release),
        "sdVersion": facts.version,
        "keywords": [
            *("crowd counting", "head detection", "gtahead"),
            *(["synthetic"] if rendered else []),
        ],
        "rai:dataCollection": f"{' '.join(sentences(origins, 'collection'))} Tools: {tools}.",
        "rai:dataCollectionType": ["Software Collection" if rendered else "Others"],
        "rai:dataBiases": sentences(origins, "biases"),
        "rai:dataLimitations": [
            *sentences(origins, "limits"),
            *region_sentences(manifest),
            "Boxes by a rule have the errors that the card gives.",
        ],
        "rai:personalSensitiveInformation": sentences(origins, "people"),
        "rai:hasSyntheticData": not RENDERED.isdisjoint(origins),
        "rai:dataAnnotationProtocol": [
            f"{' '.join(sentences(origins, 'annotation'))} Boxes follow the rule "
            f"{manifest['options'].get('boxes', 'unknown')}; which heads count, the policy "
            f"{manifest['policy']}."
        ],
        "rai:machineAnnotationTools": [f"gtahead {manifest['gtahead']}"],
        "prov:wasDerivedFrom": (
            "none: rendered for this dataset"
            if origins == ["simulated"]
            else f"images and labels as read by {readers}"
        ),
        "prov:wasGeneratedBy": f"{tools}; gtahead {manifest['gtahead']}",
        "distribution": [*_files(release), *_sets(images=images)],
        "recordSet": [one for one in static["recordSet"] if one["@id"] in _record_sets(release)],
    }


def _files(release: Release) -> list[dict[str, Any]]:
    repo = {
        "@type": "cr:FileObject",
        "@id": "repo",
        "name": "repo",
        "description": "The repository on the Hugging Face hub.",
        "contentUrl": release.facts.url,
        "encodingFormat": "git+https",
        "sha256": _REPO_HASH,
    }
    kinds = {".parquet": PARQUET, ".csv": "text/csv", ".json": "application/json"}
    return [
        repo,
        *(
            {
                "@type": "cr:FileObject",
                "@id": one.path,
                "name": one.path,
                "contentUrl": one.path,
                "contentSize": f"{one.bytes} B",
                "containedIn": {"@id": "repo"},
                "encodingFormat": kinds.get(Path(one.path).suffix, "application/octet-stream"),
                "sha256": one.sha256,
            }
            for one in release.files
        ),
    ]


def _sets(*, images: bool) -> list[dict[str, Any]]:
    names = [LABELS, "heads", *([SHARDS] if images else [])]
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{name}-files",
            "name": f"{name}-files",
            "containedIn": {"@id": "repo"},
            "encodingFormat": PARQUET,
            "includes": f"{name}/*.parquet",
        }
        for name in names
    ]


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value in ([], {})


def faults(release: Release) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a release's `croissant.json`: JSON pointer, and what."""
    path = release.folder / CROISSANT
    try:
        data = schemas.parse_json(path.read_bytes(), CROISSANT)
    except (InputError, OSError) as error:
        yield "", f"it can't be read: {error}"
        return
    if not isinstance(data, dict):
        yield "", "it isn't an object"
        return
    for key in REQUIRED:
        if _is_empty(data.get(key)):
            yield f"/{key}", "it's missing or empty"
    if data.get("@type") not in (None, "sc:Dataset", "Dataset"):
        yield "/@type", f"it's {data['@type']}, not sc:Dataset"
    said = data.get("conformsTo")
    for one in CONFORMS_TO:
        if not isinstance(said, list) or one not in said:
            yield "/conformsTo", f"{one} isn't named"
    for key, wanted in (
        ("isLiveDataset", False),
        ("rai:hasSyntheticData", not RENDERED.isdisjoint(origins_of(release.manifest.document))),
    ):
        if key in data and data[key] is not wanted:
            yield f"/{key}", f"it's {data[key]!r}, not {wanted}"
    for key in ("distribution", "recordSet"):
        listed = data.get(key)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            yield f"/{key}", "it isn't a list of objects"
            continue
        ids = [str(one.get("@id")) for one in listed]
        for twice in sorted(one for one, times in Counter(ids).items() if times > 1):
            yield f"/{key}", f"{twice} is there twice"
    there = {str(one.get("@id")) for one in _list(data.get("recordSet"))}
    for name in _record_sets(release):
        if name not in there:
            yield "/recordSet", f"{name} isn't described"
    for pointer, text in _texts(data, ""):
        found = PLACEHOLDERS.search(text)
        if found:
            yield pointer, f"a placeholder: {found.group()}"
    facts = release.facts
    same = {"name": facts.name, "version": facts.version, "license": facts.licence_url}
    same |= {"url": facts.url, "datePublished": facts.date}
    for key, value in same.items():
        if not _is_empty(data.get(key)) and data[key] != value:
            yield f"/{key}", f"it's {data[key]!r}, and {value!r} in the manifest"
    yield from _file_faults(release, data)
    for position, records in enumerate(_list(data.get("recordSet"))):
        yield from _record_faults(records, f"/recordSet/{position}")


def _record_sets(release: Release) -> tuple[str, ...]:
    images = ("images",) if release.facts.images == "original" else ()
    return ("splits", "frames", "heads", *images)


def _record_faults(records: Mapping[str, Any], pointer: str) -> Iterator[tuple[str, str]]:
    for key in REQUIRED_OF_RECORDS:
        if _is_empty(records.get(key)):
            yield f"{pointer}/{key}", "it's missing or empty"
    for position, one in enumerate(_list(records.get("field"))):
        needed = REQUIRED_OF_FIELDS if "data" in records else (*REQUIRED_OF_FIELDS, "source")
        for key in needed:
            if _is_empty(one.get(key)):
                yield f"{pointer}/field/{position}/{key}", "it's missing or empty"


def _list(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _file_faults(release: Release, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    known = {one.path: one for one in release.files}
    seen = set()
    for position, one in enumerate(_list(data.get("distribution"))):
        pointer = f"/distribution/{position}"
        is_set = str(one.get("@type", "")).endswith("FileSet")
        for key in REQUIRED_OF_SETS if is_set else REQUIRED_OF_FILES:
            if _is_empty(one.get(key)):
                yield f"{pointer}/{key}", "it's missing or empty"
        url = str(one.get("contentUrl", ""))
        if is_set or "://" in url or not url:
            continue
        seen.add(url)
        if url not in known:
            yield f"{pointer}/contentUrl", f"{url} isn't a file of the release"
        elif one.get("sha256") and one["sha256"] != known[url].sha256:
            yield f"{pointer}/sha256", f"it isn't the hash of {url}"
    for path in sorted(set(known) - seen):
        yield "/distribution", f"{path} isn't listed"


def _texts(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield every text of a document with its location, however deep it is."""
    waiting = [(value, pointer)]
    while waiting:
        one, position = waiting.pop()
        if isinstance(one, str):
            yield position, one
        elif isinstance(one, dict):
            waiting += [(inner, f"{position}/{key}") for key, inner in reversed(one.items())]
        elif isinstance(one, list):
            waiting += [(inner, f"{position}/{n}") for n, inner in reversed([*enumerate(one)])]
