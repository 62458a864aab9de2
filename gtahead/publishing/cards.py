"""The card: YAML that `datasets` and the hub read, and the page that people read.

What follows from the data stands in marked blocks, which are filled anew; everything else is the
publisher's and stays. A block whose marks somebody removed is the publisher's too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from gtahead import storage
from gtahead.annotation.boxes import BOX_RULES, BoxRule, error_range
from gtahead.dataset import DENSITY_LEVELS, SPLITS
from gtahead.errors import InputError, Where
from gtahead.formats.huggingface import configurations, size_category, yaml_text
from gtahead.inspection import region_sentences, sizes_in_words, splits_in_words
from gtahead.origins import RENDERED, in_words, origins_of, sentences
from gtahead.publishing.facts import LICENCES, OTHER, PLACEHOLDERS, Facts
from gtahead.publishing.releases import CARD, HASHES, SAMPLE, Release
from gtahead.templates import environment

if TYPE_CHECKING:
    import jinja2

MAX_YAML = 100_000
"""Characters of a card's header; the parser is slow, and ours has two thousand."""

SECTIONS = {
    "summary": "a summary",
    "loading": "how to load it",
    "fields": "the fields",
    "splits": "the splits and how they were made",
    "statistics": "statistics",
    "capture": "how it was captured",
    "boxes": "pseudo boxes: rule and error",
    "limits": "known limits",
    "licence": "licence and redistribution",
    "citation": "how to cite it",
    "contact": "a contact",
    "changelog": "what changed",
}
"""What a card has to say, by the block or the heading that says it."""

_HEADINGS = {
    "summary": ("summary",),
    "loading": ("load", "usage", "use"),
    "fields": ("field", "structure"),
    "splits": ("split",),
    "statistics": ("statistic",),
    "capture": ("capture", "collection"),
    "boxes": ("box",),
    "limits": ("limit", "bias"),
    "licence": ("licen",),
    "citation": ("cit",),
    "contact": ("contact",),
    "changelog": ("change",),
}


@cache
def _template() -> jinja2.Template:
    """Return the template of a card, whose blocks are filled from the data."""
    found = environment(
        Path(__file__).with_name("templates"),
        autoescape=False,  # Markdown: `text` and `plain` keep it from being HTML
        sequences=_sequences,
        text=_no_html,
        plain=_plain,
    )
    return found.get_template("card.md.jinja")


def read(folder: Path) -> str | None:
    """Read a release's card; None where there is none.

    Raises:
        InputError: it isn't text in UTF-8.
    """
    try:
        return (folder / CARD).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise InputError(
            "the card isn't text in UTF-8",
            where=Where(str(folder / CARD), field=f"byte {error.start}"),
            remedy="save it as UTF-8, or remove it: `gtahead card` writes a new one",
        ) from error


def write(release: Release, text: str | None = None) -> None:
    """Fill a release's card.

    Args:
        release: of which the card is.
        text: of the card as it was, whose edits are kept; None begins with a new one.

    Raises:
        InputError: marks of blocks that don't belong together.
    """
    if text is None:
        text = _template().render(_values(release, ""))
    storage.write_bytes(release.folder / CARD, fill(text, release).encode())


def fill(text: str, release: Release) -> str:
    """Fill the marked blocks of a card.

    Raises:
        InputError: marks that don't belong together.
    """
    location = Where(str(release.folder / CARD))
    for problem in _mark_faults(text):
        raise InputError(
            f"the card's blocks are damaged: {problem}",
            where=location,
            remedy="fix the marks; `gtahead card --fresh` begins with a new card",
        )
    blocks = _blocks(release, text)
    if not any(_block(text, name) is not None for name in blocks):
        raise InputError(
            "the card has no block to fill",
            where=location,
            remedy="`gtahead card --fresh` begins with a new card",
        )
    for name, content in blocks.items():
        text = _filled(text, name, content)
    return text


_MARK = re.compile(r"(?:<!-- gtahead:(begin|end) (\w+) -->|# gtahead:(begin|end) (yaml))\s*")


def _mark(line: str) -> tuple[str, str] | None:
    """Parse a line that is a mark: `begin` or `end`, and the block's name; else None."""
    match = _MARK.fullmatch(line)
    if match is None:
        return None
    kind, name, yaml_kind, yaml = match.groups()
    return (kind, name) if kind else (yaml_kind, yaml)


def _block(text: str, name: str) -> str | None:
    """Return the text between a block's marks, which are known to match; None if there are none."""
    lines = text.splitlines(keepends=True)
    marks = {_mark(line): position for position, line in enumerate(lines) if _mark(line)}
    if ("begin", name) not in marks or ("end", name) not in marks:
        return None
    return "".join(lines[marks["begin", name] + 1 : marks["end", name]])


def _filled(text: str, name: str, content: str) -> str:
    lines = text.splitlines(keepends=True)
    marks = {_mark(line): position for position, line in enumerate(lines) if _mark(line)}
    if ("begin", name) not in marks:
        return text
    first, last = marks["begin", name], marks["end", name]
    return "".join(
        [*lines[: first + 1], content.strip(), "\n" * bool(content.strip()), *lines[last:]]
    )


def _mark_faults(text: str) -> Iterator[str]:
    """Return what is wrong with a card's marks."""
    opened: str | None = None
    seen = set()
    for number, line in enumerate(text.splitlines(), 1):
        mark = _mark(line)
        if mark is None:
            if "gtahead:begin" in line or "gtahead:end" in line:
                yield f"line {number}: a mark must be alone on its line, as gtahead writes it"
            continue
        kind, name = mark
        if kind == "begin":
            if opened is not None:
                yield f"line {number}: {name} begins within {opened}"
            if name in seen:
                yield f"line {number}: {name} is there twice"
            if name not in (*SECTIONS, "title", "yaml"):
                yield f"line {number}: no block is called {name}"
            opened = name
            seen.add(name)
        elif name != opened:
            yield f"line {number}: {name} ends, and {opened or 'nothing'} is open"
        else:
            opened = None
    if opened is not None:
        yield f"{opened} doesn't end"


def faults(release: Release) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a release's card: where, and what."""
    try:
        text = read(release.folder)
    except InputError as error:
        yield "", f"it can't be read: {error.value or error.what}"
        return
    if text is None:
        yield "", "it is missing"
        return
    damaged = list(_mark_faults(text))
    for problem in damaged:
        yield "", problem
    for number, line in enumerate(text.splitlines(), 1):
        found = PLACEHOLDERS.search(line)
        if found:
            yield f"line {number}", f"a placeholder: {found.group()}"
    header, body = _parted(text)
    for name, content in ({} if damaged else _blocks(release, text)).items():
        held = _block(text, name)
        if held is not None and held.strip() != content.strip():
            location, what = ("YAML", "its block") if name == "yaml" else (f"block {name}", "it")
            yield location, f"{what} doesn't match the data: run `gtahead card`"
    if header is None:
        yield "line 1", "no YAML between --- and ---: `datasets` wouldn't know what to load"
    else:
        yield from _yaml_faults(header)
    headings = [line.lower() for line in body.splitlines() if line.startswith("#")]
    for name, what in SECTIONS.items():
        block = _block(body, name)
        there = bool(block and block.strip())
        if not there and not any(word in h for word in _HEADINGS[name] for h in headings):
            yield "", f"it doesn't give {what}"


def _parted(text: str) -> tuple[str | None, str]:
    match = re.match(r"---\n(.*?\n)---\n(.*)", text, re.DOTALL)
    return (match.group(1), match.group(2)) if match else (None, text)


def _yaml_faults(text: str) -> Iterator[tuple[str, str]]:
    """Return what is wrong with the YAML, whoever wrote it."""
    if _block(text, "yaml") is None and "configs:" not in text:
        yield "YAML", "no configs: `datasets` wouldn't know what to load"
    keys = [line.partition(":")[0] for line in text.splitlines() if re.match(r"\w+ *:", line)]
    for key in sorted(key.strip() for key, times in Counter(keys).items() if times > 1):
        yield "YAML", f"{key} is there twice: remove one"
    try:
        if len(text) > MAX_YAML:
            raise yaml.YAMLError(f"over {MAX_YAML:,} characters")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, KeyError, RecursionError) as error:
        yield "YAML", f"it can't be read: {' '.join(str(error).split())[:160]}"
        return
    if not isinstance(found, dict):
        yield "YAML", "it isn't a list of keys and values"


def _yaml(release: Release) -> str:
    """Write what the hub and `datasets` need to know."""
    facts = release.facts
    statistics = release.manifest.document["statistics"]
    origins = origins_of(release.manifest.document)
    document: dict[str, Any] = {"pretty_name": facts.name, "license": facts.licence}
    if facts.licence == OTHER:
        document["license_name"] = f"{_slug(facts.name)}-licence"
        document["license_link"] = "LICENSE"
    document |= {
        "annotations_creators": [facts.annotators],
        **({"source_datasets": ["original"]} if RENDERED.issuperset(origins) else {}),
        "size_categories": [size_category(statistics["frames"])],
        "task_categories": ["object-detection"],
        "tags": [
            *(["synthetic"] if RENDERED.issuperset(origins) else []),
            *("crowd-counting", "head-detection", "image", "gtahead"),
        ],
    }
    splits = [name for name in SPLITS if statistics["splits"][name]["frames"]]
    return yaml_text(document | configurations(splits, images=facts.images == "original"))


def _errors_in_words(rule: BoxRule, origins: Iterable[str]) -> dict[str, str]:
    """Return each box rule's error, where it depends on the origin for each of them."""
    found: dict[str, list[str]] = {}
    for origin in origins:
        for name in BOX_RULES:
            errors = error_range(name, rule, origin)
            if errors is None:
                continue
            words = f"{errors[0]:+.0%} to {errors[1]:+.0%}"
            if words not in found.setdefault(name, []):
                found[name].append(words)
    return {name: " or ".join(words) for name, words in found.items()}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "dataset"


def _blocks(release: Release, text: str) -> dict[str, str]:
    """Write every block of a card; the versions that `text` lists stay in the changelog."""
    template = _template()
    context = template.new_context(_values(release, _block(text, "changelog") or ""))
    return {name: "".join(template.blocks[name](context)) for name in ("yaml", "title", *SECTIONS)}


def _values(release: Release, changelog: str) -> dict[str, Any]:
    """Return what the template needs to know."""
    facts, document = release.facts, release.manifest.document
    statistics = document["statistics"]
    kept = [source for source in document["sources"] if source["kept"]]
    origins = origins_of(document)
    return {
        "facts": facts,
        "document": document,
        "statistics": statistics,
        "sizes": sizes_in_words(statistics["sizes"]),
        "yaml": _yaml(release),
        "images": facts.images == "original",
        "images_in_words": in_words(origins),
        "rendered": RENDERED.issuperset(origins),
        "limits": [
            *sentences(origins, "limits"),
            *sentences(origins, "people"),
            *region_sentences(document),
        ],
        "splits_in_words": splits_in_words(document["splits"]),
        "splits": [name for name in SPLITS if statistics["splits"][name]["frames"]],
        "density_levels": DENSITY_LEVELS,
        "dropped": {
            unit: sum(flow["dropped"].values()) for unit, flow in document["ledger"].items()
        },
        "tools": sorted(Counter(map(_tool, kept)).items()),
        "readers": sorted({source["reader"] for source in kept}),
        "rule_errors": _errors_in_words(BoxRule.parse(document["options"]["boxes"]), origins),
        "licence": LICENCES.get(facts.licence, "the terms in LICENSE"),
        "hashes": HASHES,
        "sample": SAMPLE if (release.folder / SAMPLE).is_file() else "",
        "key": _slug(facts.repo).replace("-", ""),
        "older_versions": _older_versions(facts, changelog),
    }


def _sequences(count: int) -> str:
    return f"{count:,} sequence{'s' * (count != 1)}"


def _tool(source: dict[str, Any]) -> str:
    about = source.get("about", {})
    seed = "" if about.get("seed") is None else f", seed {about['seed']}"
    return f"{about.get('tool') or 'not recorded'}{seed}"


def _no_html(text: str) -> str:
    """Escape tags and our own marks in a fact; Markdown stays as it is."""
    return text.replace("<", "&lt;")


def _plain(text: str) -> str:
    """Replace characters that could be more than plain text on the page."""
    return re.sub(r"[^\w .,:;()/+-]", " ", text)[:200]


def bibtex(release: Release) -> str:
    """Return a dataset's entry for BibTeX."""
    template = _template()
    context = template.new_context(_values(release, ""))
    return "".join(template.blocks["bibtex"](context)).strip()


_ENTRY = re.compile(r"- \*\*(\d+\.\d+\.\d+)\*\* ")


def _older_versions(facts: Facts, changelog: str) -> list[str]:
    """Return the lines of a changelog that are of other versions."""
    return [
        line
        for line in changelog.strip().splitlines()
        if (match := _ENTRY.match(line)) is None or match.group(1) != facts.version
    ]
