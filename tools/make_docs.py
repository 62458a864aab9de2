"""Write the pages of the docs that are made from the code: findings and commands.

python tools/make_docs.py          # writes findings, commands, schemas, formats and the API
python tools/make_docs.py --check  # exit 1 where they have fallen behind
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator, Mapping
from html import escape
from math import isfinite
from pathlib import Path
from typing import Any

import click

import gtahead
import gtahead.dataset
import gtahead.torch
from gtahead import metrics, schemas
from gtahead.cli import GROUPS
from gtahead.cli import main as group
from gtahead.findings import CODES, codes
from gtahead.findings.codes import Code
from gtahead.formats import FORMATS, Format
from gtahead.formats.base import ASPECTS

DOCS = Path(__file__).resolve().parents[1] / "docs"
BAD = DOCS.parent / "tests" / "bad"

LONGEST = 160
"""Characters of a line of an example."""


def findings_page() -> str:
    """Make the index of finding codes: one line each, which opens."""
    lines = [
        "# Findings",
        "",
        "What gtahead notices has a code that never changes its meaning. An *error* or *warning*",
        "may set a head, a frame or a whole sequence aside; *info* says what was done. Examples",
        "are printed by `gtahead validate`, or by the command named with them, of the inputs under",
        "`tests/bad/`; `gtahead validate --explain CODE` says the same at a shell.",
        "",
        '<label for="findings-search">Search by code, level, stage or words: '
        '<span id="findings-shown"></span></label>',
        '<input id="findings-search" type="search" placeholder="error box">',
        "",
    ]
    stages = _stages()
    for stage in dict.fromkeys(stages.values()):
        lines += [f"## {stage}", ""]
        for code, kind in CODES.items():
            if stages[code] == stage:
                lines += _finding(code, kind, stage)
    return "\n".join(lines)


def _stages() -> dict[str, str]:
    """Return the stage of each code: the heading under which `codes.toml` has it."""
    stage, found = "", {}
    for line in (Path(codes.__file__).with_suffix(".toml")).read_text("utf-8").splitlines():
        if line.startswith("# ") and line[2:3].isupper() and len(line) < 40:
            stage = line[2:]
        elif line.startswith("["):
            found[line.strip("[]")] = stage
    return found


def _finding(code: str, kind: Code, stage: str) -> list[str]:
    """Make one code's entry."""
    away = f", sets the {kind.sets_aside} aside" if kind.sets_aside else ""
    lines = [
        f'<details class="finding" id="{code}" markdown>',
        f"<summary><code>{code}</code> · {kind.severity.value}{away} · {escape(kind.what)}"
        "</summary>",
        "",
        f"{kind.cause} *Remedy*: {_plain(kind.remedy)}. *Stage*: {stage.lower()}.",
        "",
    ]
    report = BAD / code / "report.txt"
    if report.is_file():
        said = report.read_text(encoding="utf-8").splitlines()
        first = next(row for row, line in enumerate(said) if f"[{code}]" in line)
        last = next(row for row in range(first, len(said)) if said[row].startswith("  help: "))
        example = [
            line if len(line) <= LONGEST else f"{line[:LONGEST]} …"
            for line in said[first : last + 1]
        ]
        command = BAD / code / "command.txt"
        typed = [f"$ gtahead {command.read_text().strip()}"] if command.is_file() else []
        lines += ["```text", *typed, *example, "```", ""]
    return [*lines, "</details>", ""]


def _plain(text: str) -> str:
    """Keep words of a message from being Markdown or HTML."""
    return escape(text, quote=False).replace("|", "\\|").replace("*", "\\*")


def commands_page() -> str:
    """Make the page of commands: what each does, how it's called, and its options as a table."""
    lines = [
        "# Commands",
        "",
        "As `gtahead COMMAND --help` says it. Options that all working commands have: `-q`,",
        "`--quiet` (no progress, no summary), `--json` (one JSON object on stdout), `--debug`",
        "(tracebacks), `-h`, `--help`.",
        "",
        "Exit codes: 0 done or clean; 1 wrong input, or findings at or above `--fail-on`; 2 a call",
        "that can't be understood; 3 done, with something set aside; 4 the surroundings (disk,",
        "network, a missing extra, a lock); 70 a bug of gtahead's; 130 and 143 stopped by Ctrl-C",
        "or a signal: run the same command again.",
        "",
        "Tab completion, for bash (`zsh` and `fish` likewise):",
        "",
        '    eval "$(_GTAHEAD_COMPLETE=bash_source gtahead)"',
        "",
    ]
    context = group.make_context("gtahead", ["info"], max_content_width=90, terminal_width=90)
    for title, commands in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in commands:
            command = group.get_command(context, name)
            assert command is not None
            lines += _command(command, name, context, 3)
    return "\n".join(lines)


SHARED = {"quiet", "as_json", "debug", "help"}


def _command(command: click.Command, name: str, above: click.Context, level: int) -> Iterator[str]:
    """Yield a command's lines, and those of the commands below it."""
    context = click.Context(command, info_name=name, parent=above)
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (f"{'#' * level} {context.command_path}", "", f"    {context.command_path} {usage}")
    yield ""
    text = inspect.cleandoc(command.help or "")
    for part in text.split("\n\n"):
        if part.startswith("\b"):
            yield from ("```text", *part.splitlines()[1:], "```", "")
        else:
            yield from (_plain(" ".join(part.split())), "")
    options = [
        one
        for one in command.get_params(context)
        if isinstance(one, click.Option) and one.name not in SHARED
    ]
    if options:
        yield from ("| option | what |", "|---|---|")
        for option in options:
            named, what = option.get_help_record(context) or ("", "")
            yield f"| `{named}` | {_plain(what)} |"
        yield ""
    for part, below in getattr(command, "commands", {}).items():
        yield from _command(below, part, context, level + 1)


def api_page() -> str:
    """Make the page of what the package shows: mkdocstrings reads signatures and docstrings."""
    lines = [
        "# In Python",
        "",
        "Everything that `import gtahead` shows, imported when it is first used. Commands and",
        "functions have the same names and do the same. `from gtahead.training import",
        "MaskFocalLoss` gives the [loss](mask-focal-loss.md) alone, `from gtahead.density import",
        "render_density` [maps](maps.md).",
        "",
    ]
    homes: dict[str, list[tuple[Any, str]]] = {
        "gtahead": [(gtahead, name) for name in gtahead.__all__],
        "gtahead.dataset": [(gtahead.dataset, "Frame")],
        "gtahead.metrics": [(metrics, name) for name in metrics.__all__],
    }
    for home, shown in homes.items():
        lines += [f"## {home}", ""]
        for module, name in shown:
            thing = inspect.unwrap(getattr(module, name))
            where = f"{thing.__module__}.{thing.__qualname__}"
            lines += [f"::: {where}", "    options:", f"      heading: {home}.{name}", ""]
    return "\n".join(lines)


FORMATS_INTRO = """# Formats

`gtahead export --format NAME` writes a dataset in a format that other programs read; `gtahead
build --raw DIR` makes a dataset of one, ours or anybody's (`--from NAME` where it isn't
recognised). `gtahead formats` prints this table.

- **Frames without heads are there**, in every format.
- **Heads that count are exported; ignored ones where the format can mark them; absent ones
  never.**
- **Nothing is lost in silence.** What a format can't hold is listed with counts, and
  nothing is written without `--allow-lossy`. By-products (depths, joints, how boxes came about)
  stay in the dataset; that's reported too.
- **Ids** start at 1, are unique in the dataset, and the same in every split and every rebuild.
- **All or nothing.** An export is written aside and renamed; `--overwrite` replaces an export of
  gtahead's and nothing else.
- **The same bytes** for any number of workers and on any day.
- `export.json` says of what dataset, under which count policy, with what left out. `frames.csv`
  says which file is which frame where names don't, with size, split, weather, hour and camera.

Inside gtahead pixels are continuous and 0-based, with the origin at the top-left corner of the
top-left pixel. A format counts as it always did; *error* is the most that a coordinate is off
after going out and coming back. A head in its image stays in it.

| format | what | supports | drops | error | read back by |
|---|---|---|---|---|---|
"""


def formats_page() -> str:
    """Make the page that lists the formats."""
    rows = []
    for name, one in FORMATS.items():
        cells = (
            f"[`{name}`](formats/{name}.md)",
            one.title,
            ", ".join(sorted(one.supports)) or "counts alone",
            ", ".join(one.drops) or "–",
            _error_of(one),
            one.checked_with,
        )
        rows.append("| " + " | ".join(cells) + " |")
    aspects = [f"- *{name}*: {what}" for name, what in ASPECTS.items()]
    return FORMATS_INTRO + "\n".join([*rows, "", *aspects]) + "\n"


def _error_of(one: Format) -> str:
    if not isfinite(one.precision_px):
        return "in cells"
    return f"{one.precision_px:g} px" if one.precision_px else "none"


def format_page(one: Format) -> str:
    """Make one format's page."""
    command = f"gtahead export --format {one.name}" + " --allow-lossy" * bool(one.drops)
    reads = f"    gtahead build --raw ./exports/{one.name} --out ./back\n"
    return (
        f"# {one.name}\n\n{one.title[0].upper() + one.title[1:]}.\n\n"
        f"    {command}\n" + reads * (one.reader is not None) + "\n"
        "```text\n" + one.layout + "\n```\n\n" + one.notes + "\n\n"
        "| property | value |\n|---|---|\n"
        f"| supports | {', '.join(sorted(one.supports)) or 'only counts'} |\n"
        f"| drops | {', '.join(one.drops) or 'nothing of what [formats](../formats.md) lists'} |\n"
        f"| pixels | {one.origin} |\n"
        f"| error | {_error_of(one)} |\n"
        f"| read back in the tests by | {one.checked_with} |\n"
    )


def schemas_page() -> str:
    """Make the page of schemas, field by field."""
    lines = [
        "# Schemas",
        "",
        "JSON Schemas, draft 2020-12, of the files that gtahead reads and writes. `gtahead schema",
        "list` names them, `gtahead schema show NAME` prints one; they travel with the package.",
    ]
    for name in schemas.names():
        schema = schemas.load(name)
        lines += ["", f"## {name}", "", f"{schema['title']}. {schema['description']}", ""]
        lines += [f"`{schema['$id']}`", "", "| field | type | what |", "|---|---|---|"]
        lines += [f"| {' | '.join(row)} |" for row in _fields(schema, schema, "")]
    return "\n".join(lines) + "\n"


def _fields(
    schema: Mapping[str, Any], whole: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, str, str]]:
    """Yield a row for each field, those within objects and lists after it."""
    needed = schema.get("required", ())
    for name, given in schema.get("properties", {}).items():
        kinds = given.get("anyOf", [given])
        kind = (
            {**whole["$defs"][kinds[0]["$ref"].rpartition("/")[2]], **kinds[0]}
            if ("$ref" in kinds[0])
            else kinds[0]
        )
        what = given.get("description", kind.get("description", ""))
        star = "" if name in needed else " (optional)"
        yield f"`{prefix}{name}`{star}", _type_of(kind), what.replace("|", "\\|")
        inner = kind.get("items", kind)
        if isinstance(inner, dict) and inner.get("properties"):
            yield from _fields(inner, whole, f"{prefix}{name}{'[]' * ('items' in kind)}.")


def _type_of(kind: Mapping[str, Any]) -> str:
    if "const" in kind:
        return f"`{kind['const']}`"
    if "enum" in kind:
        return ", ".join(f"`{value}`" for value in kind["enum"] if value is not None)
    types = kind.get("type", "object")
    name = types if isinstance(types, str) else next(one for one in types if one != "null")
    if name == "array":
        count = kind.get("minItems")
        return f"list of {count}" if count and count == kind.get("maxItems") else "list"
    low, high = kind.get("minimum", kind.get("exclusiveMinimum")), kind.get("maximum")
    edge = "" if low is None else f", from {low:g}"
    edge += "" if high is None else f", to {high:g}"
    return {"integer": "whole number", "string": "text"}.get(name, name) + edge


def main() -> None:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description="Write the docs pages that are made from code")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    behind = []
    pages = {"findings.md": findings_page(), "commands.md": commands_page()}
    pages["schemas.md"] = schemas_page()
    pages["api.md"] = api_page()
    pages |= {"formats.md": formats_page()}
    pages |= {f"formats/{name}.md": format_page(one) for name, one in FORMATS.items()}
    (DOCS / "formats").mkdir(exist_ok=True)
    for name, text in pages.items():
        path = DOCS / name
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            behind.append(name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if behind:
        sys.exit(f"fallen behind: {', '.join(behind)}; run python tools/make_docs.py")


if __name__ == "__main__":
    main()
