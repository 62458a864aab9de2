"""The card: YAML that `datasets` and the hub read, and the page that people do.

What follows from the data stands in marked blocks, which are filled anew; everything else is the
publisher's and stays. A block whose marks somebody removed is the publisher's too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.annotation.boxes import calibration
from gtahead.dataset import DENSITY_LEVELS, SPLITS
from gtahead.errors import InputError, Where
from gtahead.formats.huggingface import configurations_yaml, size_category
from gtahead.publishing.facts import LICENCES, OTHER, PLACEHOLDERS, Facts
from gtahead.publishing.releases import CARD, HASHES, Release

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
    "contact": "whom to ask",
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


def template() -> str:
    """Return the card that every new one begins as: the filled example for simulated data."""
    package = Path(str(resources.files("gtahead")))
    shipped = package / "DATASET_CARD.md"
    path = shipped if shipped.is_file() else package.parent / "DATASET_CARD.md"
    return path.read_text(encoding="utf-8")


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
        text: of the card as it was, whose edits are kept; None begins with the template.

    Raises:
        InputError: marks of blocks that don't belong together.
    """
    begun = template() if text is None else text
    if text is None:  # the template's own changelog is another dataset's
        begun = _filled(begun, "changelog", "")
    storage.write_bytes(release.folder / CARD, fill(begun, release).encode())


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
    blocks = {"yaml": _yaml(release), **_blocks(release, _block(text, "changelog") or "")}
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
    """Read a line that is a mark: `begin` or `end`, and the block's name."""
    match = _MARK.fullmatch(line)
    if match is None:
        return None
    kind, name, yaml_kind, yaml = match.groups()
    return (kind, name) if kind else (yaml_kind, yaml)


def _block(text: str, name: str) -> str | None:
    """Return what is between a block's marks, which are known to fit; None where they aren't."""
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
                yield f"line {number}: a mark stands alone in its line, as gtahead writes it"
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
        yield "", "it can't be read: there is none"
        return
    damaged = list(_mark_faults(text))
    for problem in damaged:
        yield "", problem
    for number, line in enumerate(text.splitlines(), 1):
        found = PLACEHOLDERS.search(line)
        if found:
            yield f"line {number}", f"a placeholder: {found.group()}"
    yaml, body = _parted(text)
    known = {} if damaged else _blocks(release, _block(text, "changelog") or "")
    for name, content in known.items():
        held = _block(text, name)
        if held is not None and held.strip() != content.strip():
            yield f"block {name}", "it isn't of this data: run `gtahead card`"
    if yaml is None:
        yield "line 1", "no YAML between --- and ---: `datasets` wouldn't know what to load"
    else:
        yield from _yaml_faults(yaml, release)
    headings = [line.lower() for line in body.splitlines() if line.startswith("#")]
    for name, what in SECTIONS.items():
        block = _block(body, name)
        there = bool(block and block.strip())
        if not there and not any(word in h for word in _HEADINGS[name] for h in headings):
            yield "", f"it doesn't give {what}"


def _parted(text: str) -> tuple[str | None, str]:
    match = re.match(r"---\n(.*?\n)---\n(.*)", text, re.DOTALL)
    return (match.group(1), match.group(2)) if match else (None, text)


def _yaml_faults(text: str, release: Release) -> Iterator[tuple[str, str]]:
    """Compare the YAML with what it has to be, where it isn't what gtahead wrote."""
    wanted = _yaml(release)
    block = _block(text, "yaml")
    if block is not None and block.strip() != wanted.strip():
        yield "YAML", "its block isn't of this data: run `gtahead card`"
    if block is None and "configs:" not in text:
        yield "YAML", "no configs: `datasets` wouldn't know what to load"
    keys = [line.partition(":")[0] for line in text.splitlines() if re.match(r"\w+ *:", line)]
    for key in sorted(key.strip() for key, times in Counter(keys).items() if times > 1):
        yield "YAML", f"{key} stands there twice: take one away"
    try:
        import yaml
    except ImportError:  # it comes with the hub's client, and so before anything is pushed
        return
    try:
        if len(text) > MAX_YAML:
            msg = f"over {MAX_YAML:,} characters"
            raise yaml.YAMLError(msg)
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
    splits = [name for name in SPLITS if statistics["splits"][name]["frames"]]
    lines = [f"pretty_name: {_quoted(facts.name)}", f"license: {facts.licence}"]
    if facts.licence == OTHER:
        lines += [f"license_name: {_slug(facts.name)}-licence", "license_link: LICENSE"]
    lines += [
        "annotations_creators: [machine-generated]",
        "source_datasets: [original]",
        f"size_categories: ['{size_category(statistics['frames'])}']",
        "task_categories: [object-detection]",
        "tags: [synthetic, crowd-counting, head-detection, image, gtahead]",
    ]
    images = facts.images == "original"
    return "\n".join(lines) + "\n" + configurations_yaml(splits, images=images)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "dataset"


def _blocks(release: Release, changelog: str) -> dict[str, str]:
    """Write every block of a card's body."""
    facts, document = release.facts, release.manifest.document
    return {
        "title": f"# {_no_html(facts.name)}",
        "summary": _summary(release),
        "loading": _loading(release),
        "fields": _fields(facts),
        "splits": _splits(document),
        "statistics": _statistics(document),
        "capture": _capture(document),
        "boxes": _boxes(document),
        "limits": _limits(document),
        "licence": _licence(release),
        "citation": _citation(facts),
        "contact": _contact(facts),
        "changelog": _changelog(facts, changelog),
    }


def _all_simulated(document: Mapping[str, Any]) -> bool:
    return all(source["simulated"] for source in document["sources"] if source["kept"])


def _summary(release: Release) -> str:
    document = release.manifest.document
    statistics = document["statistics"]
    heads = statistics["heads"]["counted"]
    if _all_simulated(document):
        kind = "drawn by gtahead's crowd simulator: no image and no head comes from a game"
    elif document["simulated"]:
        kind = "in part captured in a game, in part drawn by gtahead's simulator"
    else:
        kind = "captured in a game"
    what = (
        "The images are in it."
        if release.facts.images == "original"
        else "The images are *not* in it: these are labels and the hashes of the images."
    )
    return (
        f"{heads:,} heads in {statistics['frames']:,} frames of "
        f"{_sequences(statistics['sequences'])}, {kind}. Every head has a point, a box and what is "
        f"known of how much of it can be seen; a frame without anybody is data too. {what} It is "
        "for crowd counting and for detecting heads.\n\n"
        f"Version {release.facts.version}, fingerprint `{document['fingerprint']}`; made with "
        f"gtahead {document['gtahead']}, after the paper "
        "[Mask Focal Loss](https://arxiv.org/abs/2212.11542) (Zhong et al.)."
    )


def _sequences(count: int) -> str:
    return f"{count:,} sequence{'s' * (count != 1)}"


def _loading(release: Release) -> str:
    facts = release.facts
    split = next(
        name
        for name in ("test", *SPLITS)
        if release.manifest.document["statistics"]["splits"][name]["frames"]
    )
    more = ""
    if facts.images == "original":
        more = (
            f'\n`load_dataset("{facts.repo}", "annotations")` has the labels without the images; '
            "`streaming=True` downloads only what is used.\n"
        )
    return (
        "```python\n"
        "from datasets import load_dataset\n"
        f'frames = load_dataset("{facts.repo}", split="{split}")\n'
        'print(len(frames), sum(len(objects["id"]) for objects in frames["objects"]))\n'
        f"```\n{more}\n"
        f"`gtahead pull {facts.repo}` makes a gtahead dataset of it, with every column and the "
        "same fingerprints, to be exported as COCO, YOLO and others, trained on and scored against."
    )


def _fields(facts: Facts) -> str:
    image = "| `image` | the image |\n" * (facts.images == "original")
    return (
        "| field | meaning |\n|---|---|\n"
        + image
        + "| `image_id` | number from 1 on, the same in COCO exports |\n"
        "| `file_name`, `sequence`, `frame` | names; `<sequence>/<frame>` is the frame's id |\n"
        "| `width`, `height` | pixels |\n"
        "| `num_heads`, `density_level` | heads that count; 0, 1-100, 101-500, 501-5000, >5000 |\n"
        "| `weather`, `hour`, `location`, `fps` | as captured, null where unknown |\n"
        "| `vfov_deg`, `camera_m`, `pitch_roll_yaw_deg` | the camera, null where unknown |\n"
        "| `objects` | the heads that count, as lists |\n"
        "| `ignored` | heads that are neither to be found nor missed, as lists |\n\n"
        "Of each head: `id`; `bbox` is x, y, width, height and `point` is x, y of the centre of "
        "the visible head, in pixels from the top-left corner of the image; `category` is 0, "
        "`head`; `occluded` and `visibility` (the visible share), null where unknown; "
        "`track_id` is the person within the sequence.\n\n"
        "`frames.parquet` and `heads/` are gtahead's own tables, with depth, world position, "
        "sigmas and where each box comes from."
    )


def _splits(document: Mapping[str, Any]) -> str:
    rows = ["| split | sequences | frames | heads |", "|---|---|---|---|"]
    for name in SPLITS:
        row = document["statistics"]["splits"][name]
        rows.append(f"| {name} | {row['sequences']:,} | {row['frames']:,} | {row['heads']:,} |")
    how = (
        "They are the captures' own."
        if document["splits"]["how"] == "given"
        else "A search spread heads, frames, weather, day and night over them; `manifest.json` "
        "certifies how evenly, under `splits`."
    )
    return (
        "\n".join(rows)
        + "\n\nSplits are made by sequence, never by frame; sequences of one location "
        f"or one camera stay together. {how}"
    )


def _statistics(document: Mapping[str, Any]) -> str:
    statistics, ledger = document["statistics"], document["ledger"]
    heads, frame = statistics["heads"], statistics["heads_per_frame"]
    levels = statistics["frames_by_density"]
    dropped = sum(sum(flow["dropped"].values()) for flow in ledger.values())
    rows = [
        ("frames", f"{statistics['frames']:,}"),
        ("frames without heads", f"{statistics['frames_without_heads']:,}"),
        ("heads that count", f"{heads['counted']:,}"),
        ("heads that are ignored", f"{heads['ignored']:,}"),
        ("persons in the tables whose head can't be seen", f"{heads['absent']:,}"),
        (
            "heads per frame: least, median, mean, most",
            f"{frame['least']:,}, {frame['median']:g}, {frame['mean']:g}, {frame['most']:,}",
        ),
        *((f"frames with {level} heads", f"{levels[level]:,}") for level in DENSITY_LEVELS),
        *((f"frames of {size}", f"{count:,}") for size, count in statistics["sizes"].items()),
        *(
            (f"frames in weather {_plain(weather)}", f"{count:,}")
            for weather, count in statistics.get("frames_by_weather", {}).items()
        ),
        ("dropped from the captures, with reasons in `manifest.json`", f"{dropped:,}"),
    ]
    lines = ["| | |", "|---|---|", *(f"| {what} | {count} |" for what, count in rows)]
    return (
        "\n".join(lines) + f"\n\nCount policy `{document['policy']}`: it says which heads count; "
        f"visibility is {document['visibility']}. `gtahead info` prints these figures of the "
        "pulled dataset."
    )


def _capture(document: Mapping[str, Any]) -> str:
    kept = [source for source in document["sources"] if source["kept"]]
    tools: dict[str, int] = {}
    for source in kept:
        about = source.get("about", {})
        seed = "" if about.get("seed") is None else f", seed {about['seed']}"
        tool = f"{about.get('tool') or 'not recorded'}{seed}"
        tools[tool] = tools.get(tool, 0) + 1
    readers = sorted({source["reader"] for source in kept})
    lines = [f"- {_plain(tool)}: {_sequences(count)}" for tool, count in sorted(tools.items())]
    every = document["options"].get("every", 1)
    sampled = "every frame" if every == 1 else f"every {every}th frame"
    return (
        "Captured with:\n\n" + "\n".join(lines) + "\n\n"
        f"Read by gtahead's reader for {', '.join(readers)}, {sampled}. What each frame's camera, "
        "weather and hour were is in the tables; `manifest.json` names every source with the hash "
        "of its labels, and what was dropped and why."
    )


def _no_html(text: str) -> str:
    """Let a fact be text and Markdown, but no tag and none of our marks."""
    return text.replace("<", "&lt;")


def _plain(text: str) -> str:
    """Keep a captured text from being anything but text in the page."""
    return re.sub(r"[^\w .,:;()/+-]", " ", text)[:200]


def _boxes(document: Mapping[str, Any]) -> str:
    rows = ["| rule | boxes | 10–90 % range of the error of a box's side |", "|---|---|---|"]
    rules = calibration()["rules"]
    for name, count in document["statistics"]["box_sources"].items():
        row = rules.get(name)
        error = "none: measured in the scene" if name == "captured" else "unknown"
        if row is not None:
            error = f"{row['p10']:+.0%} to {row['p90']:+.0%}"
        rows.append(f"| `{name}` | {count:,} | {error} |")
    return (
        "\n".join(rows)
        + f"\n\nBoxes follow the rule `{document['options'].get('boxes', 'unknown')}`; `captured` "
        "ones came with the captures, the others are estimated from joints, depth or neighbours. "
        "The errors were measured on simulated heads, whose true boxes are known; "
        "`heads/*.parquet` has each box's rule and error in pixels. Sigmas of density maps follow "
        f"`{document['options'].get('sigma', 'unknown')}`."
    )


def _limits(document: Mapping[str, Any]) -> str:
    if _all_simulated(document):
        own = (
            "- Heads, clothes and houses are drawn simply; a model trained on this alone finds a "
            "part of real heads. It is for developing and testing methods, and for comparing them "
            "under known conditions.\n"
            "- Nobody in it exists.\n"
        )
    else:
        own = (
            "- Rendered people are less varied than real ones in age, build, skin, clothes and "
            "gait; what is learned here has to be tested on real images.\n"
            "- Nobody in it exists: characters of a game. Their likeness may be protected.\n"
        )
    unknown = ""
    if document["visibility"] == "unknown":
        unknown = "- What hides a head is not known: hidden heads count as any other.\n"
    return (
        own + "- Frames of a sequence are alike: the sequence is the unit of splits and of "
        "intervals, not the frame.\n"
        "- Pseudo boxes aren't outlines: see their errors above.\n" + unknown
    )


def _licence(release: Release) -> str:
    facts = release.facts
    name = LICENCES.get(facts.licence, "the terms in LICENSE")
    text = f"Licence: [{name}]({facts.licence_url}), given by {_no_html(facts.creator)}."
    if facts.rights:
        text += f" {facts.rights}"
    elif facts.images == "none":
        text += (
            " The licence is of the labels. The images aren't given away here; who has the "
            "frames puts them to the labels with `gtahead rebuild`, which finds them by the hashes "
            f"in `{HASHES}`."
        )
    return text


def _citation(facts: Facts) -> str:
    return (
        f"```bibtex\n{bibtex(facts)}\n```\n\n"
        "and the paper whose dataset this follows:\n\n"
        "```bibtex\n"
        "@article{zhong2024mask,\n"
        "  title   = {Mask Focal Loss: A unifying framework for dense crowd counting with "
        "canonical object detection networks},\n"
        "  author  = {Zhong and Wang and Liu and Wu and Deng},\n"
        "  journal = {Multimedia Tools and Applications},\n"
        "  year    = {2024},\n"
        "  note    = {arXiv:2212.11542}\n"
        "}\n```"
    )


def bibtex(facts: Facts) -> str:
    """Return a dataset's entry for BibTeX."""
    key = _slug(facts.repo).replace("-", "")
    return (
        f"@misc{{{key},\n"
        f"  title   = {{{_no_html(facts.name)}}},\n"
        f"  author  = {{{{{_no_html(facts.creator)}}}}},\n"
        f"  year    = {{{facts.date[:4]}}},\n"
        f"  version = {{{facts.version}}},\n"
        f"  url     = {{{facts.url}}}\n"
        "}"
    )


def _contact(facts: Facts) -> str:
    discussions = f"{facts.url}/discussions"
    return f"{_no_html(facts.creator)}: {_no_html(facts.contact or discussions)}"


_ENTRY = re.compile(r"- \*\*(\d+\.\d+\.\d+)\*\* ")


def _changelog(facts: Facts, old: str) -> str:
    """Put this version on top of those that stand there."""
    entry = f"- **{facts.version}** ({facts.date}): {_no_html(facts.changes)}"
    others = [
        line
        for line in old.strip().splitlines()
        if (match := _ENTRY.match(line)) is None or match.group(1) != facts.version
    ]
    return "\n".join([entry, *others])
