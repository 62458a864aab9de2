"""Write the pages of the docs that are made from the code: findings and commands.

python tools/make_docs.py          # writes findings, commands, schemas, formats and the API
python tools/make_docs.py --check  # exit 1 where they have fallen behind
"""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import click

import gtahead
import gtahead.dataset
import gtahead.torch
from gtahead import metrics, schemas
from gtahead.cli import main as group
from gtahead.findings import CODES
from gtahead.formats import FORMATS, Format
from gtahead.formats.base import ASPECTS

DOCS = Path(__file__).resolve().parents[1] / "docs"
BAD = DOCS.parent / "tests" / "bad"


def findings_page() -> str:
    """Make the page of finding codes."""
    lines = [
        "# Findings",
        "",
        "What gtahead notices has a code that never changes its meaning. An *error* or *warning*",
        "may set a head, a frame or a whole sequence aside; *info* says what was done. Examples",
        "are printed by `gtahead validate`, or by the command named with them, of the inputs under",
        "`tests/bad/`; `gtahead validate --explain CODE` says the same at a shell.",
        "",
    ]
    for code, kind in CODES.items():
        away = f", sets the {kind.sets_aside} aside" if kind.sets_aside else ""
        lines += [
            f"## {code}",
            "",
            f"*{kind.severity.value}{away}*: {kind.what}.",
            "",
            f"- Cause: {kind.cause}",
            f"- Remedy: {kind.remedy}.",
            "",
        ]
        report = BAD / code / "report.txt"
        if report.is_file():
            said = report.read_text(encoding="utf-8").splitlines()
            example = next(line for line in said if f" {code}: " in line)
            command = BAD / code / "command.txt"
            typed = [f"$ gtahead {command.read_text().strip()}"] if command.is_file() else []
            lines += ["```text", *typed, example, "```", ""]
    return "\n".join(lines)


def commands_page() -> str:
    """Make the page of commands from their help texts."""
    lines = ["# Commands", "", "As `gtahead COMMAND --help` prints them.", ""]
    context = group.make_context("gtahead", ["info"], max_content_width=90, terminal_width=90)
    lines += ["```text", group.get_help(context).rstrip(), "```", ""]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(
            command,
            info_name=name,
            parent=context,
            max_content_width=90,
            terminal_width=90,
            help_option_names=context.help_option_names,
        )
        lines += [f"## gtahead {name}", "", "```text", command.get_help(inner).rstrip(), "```", ""]
        for part, below in getattr(command, "commands", {}).items():
            under = click.Context(
                below,
                info_name=part,
                parent=inner,
                max_content_width=90,
                terminal_width=90,
                help_option_names=context.help_option_names,
            )
            reported = below.get_help(under).rstrip()
            lines += [f"### gtahead {name} {part}", "", "```text", reported, "```", ""]
    return "\n".join(lines)


def api_page() -> str:
    """Make the page of what the package shows, from signatures and docstrings."""
    lines = [
        "# In Python",
        "",
        "Everything that `import gtahead` shows, imported when it is first used. Commands and",
        "functions have the same names and do the same. `from gtahead.training import",
        "MaskFocalLoss` gives the [loss](mask-focal-loss.md) alone, `from gtahead.density import",
        "render_density` [maps](maps.md).",
        "",
    ]
    shown = [(gtahead, name) for name in gtahead.__all__]
    for home, name in [
        *shown,
        (gtahead.dataset, "Frame"),
        *((metrics, n) for n in metrics.__all__),
    ]:
        thing = getattr(home, name)
        lines += [f"## {home.__name__}.{name}", "", "```text"]
        if inspect.isclass(thing):
            lines += [inspect.cleandoc(thing.__doc__ or ""), ""]
            for method, member in vars(thing).items():
                plain = member.__func__ if isinstance(member, classmethod) else member
                called = plain.fget if isinstance(plain, property) else plain
                if method.startswith("_") or not callable(called):
                    continue
                reported = inspect.getdoc(called) or ""
                brackets = "" if isinstance(plain, property) else _signature(called)
                lines += (
                    [f"{method}{brackets}", f"    {reported.splitlines()[0]}"] if reported else []
                )
        else:
            lines += [f"{name}{_signature(thing)}", "", inspect.getdoc(thing) or ""]
        lines += ["```", ""]
    return "\n".join(lines)


def _signature(thing: Any) -> str:  # noqa: ANN401 - a function
    """Return a signature, one argument per line where it is long."""
    found = inspect.signature(thing)
    text = str(found).replace("'", "")
    if len(text) <= 90:
        return text
    rows, keyword = [], False
    for parameter in found.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            rows.append("    *,")
            keyword = True
        rows.append("    " + str(parameter).replace("'", "") + ",")
    back = str(found.return_annotation).replace("'", "")
    return "(\n" + "\n".join(rows) + f"\n) -> {back}"


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

| format | | supports | drops | error | read back by |
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
        "| | |\n|---|---|\n"
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
