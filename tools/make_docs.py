"""Write the pages of the docs that are made from the code: findings and commands.

python tools/make_docs.py          # writes docs/findings.md and docs/commands.md
python tools/make_docs.py --check  # exit 1 where they have fallen behind
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import click

from gtahead.cli import main as group
from gtahead.findings import CODES

DOCS = Path(__file__).resolve().parents[1] / "docs"


def findings_page() -> str:
    """Make the page of finding codes."""
    lines = [
        "# Findings",
        "",
        "What gtahead notices has a code that never changes its meaning. An *error* or *warning*",
        "may set a head, a frame or a whole sequence aside; *info* says what was done.",
        "",
        "| code | severity | sets aside | what it means | what to do |",
        "|---|---|---|---|---|",
    ]
    for code, kind in CODES.items():
        cells = (f"`{code}`", kind.severity.value, kind.sets_aside or "–", kind.what, kind.remedy)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """Make the page of commands from their helps."""
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
    return "\n".join(lines)


def main() -> None:
    """Write or check the pages."""
    parser = argparse.ArgumentParser(description="Write the docs pages that are made from code")
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    behind = []
    for name, text in (("findings.md", findings_page()), ("commands.md", commands_page())):
        path = DOCS / name
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            behind.append(name)
        elif not check:
            path.write_text(text, encoding="utf-8")
    if behind:
        sys.exit(f"fallen behind: {', '.join(behind)}; run python tools/make_docs.py")


if __name__ == "__main__":
    main()
