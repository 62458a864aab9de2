"""The report as one self-contained page."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from gtahead import storage
from gtahead.findings import CODES, Findings

if TYPE_CHECKING:
    from gtahead.validation.checking import Validation

_STYLE = """
:root { color-scheme: light dark; --ground: #fdfcfb; --text: #1c1b1a;
  --line: #8884;
  --error: #b3261e; --warning: #7a5200; --info: #2b5d8a }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15161a; --text: #ecebe8;
    --error: #ff8a80; --warning: #ffcc66; --info: #90c8ff } }
body { background: var(--ground); color: var(--text) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.1rem; margin: 2rem 0 .25rem }
code, .location { font-family: ui-monospace, monospace; font-size: .9em; overflow-wrap: anywhere }
.error { color: var(--error) } .warning { color: var(--warning) } .info { color: var(--info) }
table { border-collapse: collapse; width: 100%; table-layout: fixed }
th:nth-child(2) { width: 18% } th:nth-child(3) { width: 35% }
td, th { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top }
"""


def write_page(target: Path, checked: Validation, found: Findings) -> None:
    """Write the page; everything that comes from data is escaped."""
    verdict = found.summed
    sections = "".join(_section(code, found) for code, _ in found.by_code())
    body = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(str(checked.path))}: {escape(verdict)}</title>"
        f"<style>{_STYLE}</style></head>"
        f"<body><h1>{escape(str(checked.path))}</h1><p>{escape(checked.described)}</p>"
        f"<p><strong>{escape(verdict)}</strong></p>{sections}</body></html>\n"
    )
    with storage.naming_os_errors(target):
        storage.write_bytes(target, body.encode("utf-8", "replace"))


def _section(code: str, found: Findings) -> str:
    kind, total = CODES[code], found.totals[code]
    rows = "".join(
        f'<tr><td class="location">{escape(str(one.where))}</td>'
        f"<td>{escape('' if one.value is None else str(one.value))}</td>"
        f"<td>{escape(one.detail)}</td></tr>"
        for one in found.examples[code]
    )
    more = total - len(found.examples[code])
    rest = f"<p>and {more:,} more</p>" if more else ""
    return (
        f'<h2><span class="{kind.severity}">{kind.severity}</span> <code>{code}</code> '
        f"({total:,})</h2><p>{escape(kind.what)}; {escape(kind.remedy)}</p>"
        "<table><thead><tr><th>location</th><th>value</th><th>detail</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>{rest}"
    )
