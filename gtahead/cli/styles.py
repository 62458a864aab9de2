"""How text looks in a terminal: colours, findings, the verdict.

Colours are only drawn on terminals, and nowhere where NO_COLOR is set (https://no-color.org);
nothing is said by colour alone. Names come from data: they are made printable before any style.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import click

from gtahead.errors import printable, quoted
from gtahead.findings import CODES, Finding, Findings, Severity
from gtahead.urls import with_urls

EXAMPLES_SHOWN, LINES_SHOWN = 3, 20

_COLOURS = {"error": "red", "warning": "yellow", "info": "blue"}
_SIGNS = {"error": "✗", "warning": "⚠", "info": "·"}
_WORDS = {"error": "error", "warning": "warning", "info": "note"}


def safe(text: str) -> str:
    """Return text that can't command the terminal, with URLs in place of what was mirrored."""
    return printable(with_urls(text))


def severe(severity: str, text: str) -> str:
    """Return text in the colour of a severity."""
    return click.style(text, fg=_COLOURS[severity], bold=True)


def finding_lines(findings: Findings) -> Iterator[str]:
    """Yield what was found, as people read it, or a line for each where that is asked for.

    GTAHEAD_FINDINGS=concise in the environment asks for lines, for `grep` and for logs.
    """
    if os.environ.get("GTAHEAD_FINDINGS") == "concise":
        yield from _lines(findings)
    else:
        yield from _groups(findings)


def _lines(findings: Findings) -> Iterator[str]:
    """Yield a line for each finding; of mere information one example is enough."""
    for code, kept in findings.by_code():
        total, severity = findings.totals[code], CODES[code].severity
        shown = kept[: 1 if severity is Severity.INFO else LINES_SHOWN]
        yield from (safe(str(one)) for one in shown)
        if total > len(shown) > 0:
            yield f"{severity}[{code}]: and {total - len(shown):,} more"


def _groups(findings: Findings) -> Iterator[str]:
    """Yield one code after the other: how often, where, examples, and what helps.

    Example::

        error[box-without-area] the box has no area: 15 in instances_train.json
          /annotations/0/bbox   90.08, 156.24, -1, 3.73
          … 12 more
          help: drop the box, or give it its width   (validate --explain box-without-area)
    """
    for code, kept in findings.by_code():
        kind, total = CODES[code], findings.totals[code]
        files = {one.where.file for one in kept}
        file = next(iter(files)) if len(files) == 1 else None
        place = f" in {file}" if file else ""
        head = severe(kind.severity, f"{kind.severity}[{code}]")
        often = f": {total:,}{place}" if total > 1 or place else ""
        yield f"{head} {safe(kind.what + often)}"
        shown = [line for one in kept[:EXAMPLES_SHOWN] if (line := _example(one, file))]
        yield from (f"  {line}" for line in shown)
        if shown and total > len(kept[:EXAMPLES_SHOWN]):
            yield f"  … {total - len(kept[:EXAMPLES_SHOWN]):,} more"
        explained = click.style(f"(validate --explain {code})", dim=True)
        yield f"  help: {safe(kind.remedy)}   {explained}"


def _example(finding: Finding, file: str | None) -> str:
    """Return where a finding is, in a file that is named already, and what stands there."""
    where = str(finding.where)
    if file:
        where = where.removeprefix(str(type(finding.where)(file))).removeprefix(" > ")
    value = "" if finding.value is None else quoted(finding.value)
    return safe("   ".join(part for part in (where, value, finding.detail) if part))


def counted(findings: Findings) -> str:
    """Return how many findings there are: `✗ 45 errors  ⚠ 11 warnings  · 15 notes`."""
    counts: Mapping[str, int] = findings.by_severity()
    parts: list[Any] = [
        severe(name, f"{_SIGNS[name]} {number:,} {_WORDS[name]}{'s' * (number != 1)}")
        for name, number in counts.items()
        if number
    ]
    return "  ".join(parts) or "no findings"


def passed(text: str) -> str:
    """Return a good verdict."""
    return f"{click.style('✓', fg='green', bold=True)} {text}"
