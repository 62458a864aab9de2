"""Croissant 1.1 with RAI 1.0: the release for machines that read datasets' metadata.

Spec: http://mlcommons.org/croissant/1.1 and http://mlcommons.org/croissant/RAI/1.0. mlcroissant
lets a document pass that lacks a name or names a wrong sha256; `faults` doesn't.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.dataset import SPLITS
from gtahead.errors import InputError
from gtahead.publishing import cards
from gtahead.publishing.facts import PLACEHOLDERS
from gtahead.publishing.releases import CROISSANT, LABELS, SHARDS, Release

CONFORMS_TO = ("http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0")

PARQUET = "application/x-parquet"

_REPO_HASH = "https://github.com/mlcommons/croissant/issues/80"
"""What stands for the hash of a git repository: the hub's own documents write the same."""

_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}

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
    statistics = manifest["statistics"]
    images = facts.images == "original"
    simulated = all(source["simulated"] for source in manifest["sources"] if source["kept"])
    tools = sorted(
        {str(s.get("about", {}).get("tool") or s["reader"]) for s in manifest["sources"]}
    )
    readers = sorted({source["reader"] for source in manifest["sources"]})
    source = "gtahead's crowd simulator" if simulated else "a game"
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": facts.name,
        "description": (
            f"{statistics['heads']['counted']:,} heads in {statistics['frames']:,} frames of "
            f"crowds from {source}, with points, boxes and visibility, for crowd counting and "
            "head detection."
            + ("" if images else " Labels and hashes of the images, without the images.")
        ),
        "license": facts.licence_url,
        "url": facts.url,
        "creator": {"@type": "sc:Organization", "name": facts.creator, "url": facts.url},
        "publisher": {"@type": "sc:Organization", "name": facts.creator},
        "datePublished": facts.date,
        "version": facts.version,
        "keywords": ["crowd counting", "head detection", "synthetic", "gtahead"],
        "citeAs": cards.bibtex(facts),
        "isLiveDataset": False,
        "inLanguage": "en",
        "sdVersion": facts.version,
        "rai:dataCollection": f"Rendered by {source}: {'; '.join(tools)}. No real scene.",
        "rai:dataCollectionType": ["Software Collection"],
        "rai:dataAnnotationProtocol": [
            "Head points come from the scene itself. Boxes follow the rule "
            f"{manifest['options'].get('boxes', 'unknown')}; which heads count, the policy "
            f"{manifest['policy']}."
        ],
        "rai:machineAnnotationTools": [f"gtahead {manifest['gtahead']}"],
        "rai:dataPreprocessingProtocol": [
            "Frames that can't be decoded and heads without a position are set aside; "
            "manifest.json counts them by reason."
        ],
        "rai:dataReleaseMaintenancePlan": (
            "Versions are MAJOR.MINOR.PATCH; every release lists the sha256 of its files."
        ),
        "rai:dataLimitations": [
            "Rendered people stand for real ones only in part; results have to be confirmed on "
            "real images. Boxes by a rule have the errors that the card gives."
        ],
        "rai:dataBiases": [
            "Bodies, clothes, locations, weather and views are those of the renderer, in the "
            "shares that the manifest gives."
        ],
        "rai:personalSensitiveInformation": ["None: nobody in it exists."],
        "rai:dataUseCases": ["Training and evaluation of crowd counting and of head detection."],
        "rai:dataSocialImpact": (
            "Counting people serves safety; finding them may serve surveillance. The data holds no "
            "identities."
        ),
        "rai:hasSyntheticData": True,
        "prov:wasDerivedFrom": (
            "none: rendered for this dataset"
            if simulated
            else f"captures of a game, as read by {', '.join(readers)}"
        ),
        "prov:wasGeneratedBy": f"capture with {'; '.join(tools)}; gtahead {manifest['gtahead']}",
        "distribution": [*_files(release), *_sets(images=images)],
        "recordSet": [
            _split_records(),
            _frame_records(LABELS, "frames"),
            _head_records(),
            *([_image_records()] if images else []),
        ],
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


def _split_records() -> dict[str, Any]:
    urls = {"train": "Training", "validation": "Validation", "test": "Test"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": "splits/name",
                "name": "name",
                "dataType": "sc:Text",
            },
            {
                "@type": "cr:Field",
                "@id": "splits/url",
                "name": "url",
                "dataType": "sc:URL",
            },
        ],
        "data": [
            {
                "splits/name": name,
                "splits/url": f"http://mlcommons.org/croissant/{urls[name]}Split",
            }
            for name in SPLITS
        ],
    }


def _field(owner: str, files: str, name: str, kind: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Describe a column; `column` and `path` in `more` say where it lies, if not under its name."""
    column, path = more.pop("column", name), more.pop("path", None)
    source: dict[str, Any] = {"fileSet": {"@id": files}, "extract": {"column": column}}
    if path is not None:
        source["transform"] = {"jsonPath": path}
    return {
        "@type": "cr:Field",
        "@id": f"{owner}/{name}",
        "name": name,
        "dataType": kind,
        "source": source,
        **more,
    }


def _split_field(owner: str, files: str, folder: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{owner}/split",
        "name": "split",
        "dataType": "sc:Text",
        "source": {
            "fileSet": {"@id": files},
            "extract": {"fileProperty": "fullpath"},
            # Readers apply it twice: what it gave, it takes.
            "transform": {"regex": f"^(?:{folder}/)?([a-z]+)(?:-.*)?$"},
        },
        "references": {"field": {"@id": "splits/name"}},
    }


def _frame_fields(owner: str, files: str) -> list[dict[str, Any]]:
    plain = {
        "image_id": "sc:Integer",
        "file_name": "sc:Text",
        "sequence": "sc:Text",
        "frame": "sc:Text",
        "width": "sc:Integer",
        "height": "sc:Integer",
        "num_heads": "sc:Integer",
    }
    array = {"isArray": True}
    return [
        *(_field(owner, files, name, kind) for name, kind in plain.items()),
        _field(
            owner,
            files,
            "bbox",
            "sc:Float",
            column="objects",
            path="bbox",
            description="x, y, width, height of the heads that count, in pixels",
            arrayShape="-1,4",
            **array,
        ),
        _field(
            owner,
            files,
            "point",
            "sc:Float",
            column="objects",
            path="point",
            description="x, y of the centres of the heads that count, in pixels",
            arrayShape="-1,2",
            **array,
        ),
    ]


def _frame_records(folder: str, name: str) -> dict[str, Any]:
    files = f"{folder}-files"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": "A row per frame, those without heads too.",
        "key": {"@id": f"{name}/image_id"},
        "field": [_split_field(name, files, folder), *_frame_fields(name, files)],
    }


def _image_records() -> dict[str, Any]:
    files = f"{SHARDS}-files"
    return {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "A row per image, with its heads.",
        "key": {"@id": "images/image_id"},
        "field": [
            _split_field("images", files, SHARDS),
            _field("images", files, "image", "sc:ImageObject", path="bytes"),
            *_frame_fields("images", files),
        ],
    }


def _head_records() -> dict[str, Any]:
    numbers = ("x", "y", "box_x0", "box_y0", "box_x1", "box_y1", "depth_m", "visibility")
    return {
        "@type": "cr:RecordSet",
        "@id": "heads",
        "name": "heads",
        "description": "A row per head, ignored and absent ones too: `status` says which.",
        "key": [{"@id": "heads/frame_id"}, {"@id": "heads/head_id"}],
        "field": [
            _field("heads", "heads-files", "frame_id", "sc:Text"),
            _field("heads", "heads-files", "head_id", "sc:Integer"),
            *(_field("heads", "heads-files", name, "sc:Float") for name in numbers),
            _field("heads", "heads-files", "status", "sc:Text"),
        ],
    }


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
    for key, wanted in (("isLiveDataset", False), ("rai:hasSyntheticData", True)):
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
            yield f"{pointer}/sha256", f"it isn't that of {url}"
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
