"""Baselines: findings that are known, and don't count again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gtahead import schemas, storage
from gtahead.errors import InputError, Where
from gtahead.findings import CODES, EXAMPLES_KEPT, Finding, Findings


def read_baseline(path: Path) -> Findings:
    """Read what `gtahead validate --json` printed.

    Raises:
        InputError: unreadable, or something else.
    """
    try:
        document = schemas.parse_json(storage.read_bytes(path), str(path))
    except OSError as error:
        what = error.strerror or str(error)
        raise InputError(
            "the baseline can't be read",
            where=Where(str(path)),
            value=what,
            remedy="make one with `gtahead validate PATH --json > FILE`",
        ) from error
    found = document.get("findings") if isinstance(document, dict) else None
    if not isinstance(found, Mapping) or not _whole(found):
        raise InputError(
            "not a baseline",
            where=Where(str(path)),
            remedy="make one with `gtahead validate PATH --json > FILE`",
        )
    known = {code: total for code, total in found["totals"].items() if code in CODES}
    examples = [row for row in found["examples"] if row.get("code") in CODES]
    return Findings.from_dict({"totals": known, "examples": examples})


def _whole(found: Mapping[str, Any]) -> bool:
    totals, examples = found.get("totals"), found.get("examples")
    return (
        isinstance(totals, Mapping)
        and all(isinstance(total, int) for total in totals.values())
        and isinstance(examples, list)
        and all(isinstance(row, dict) and isinstance(row.get("where"), dict) for row in examples)
    )


def without_known(found: Findings, known: Findings) -> Findings:
    """Return the findings that aren't in a baseline.

    Those that were kept word for word are compared one by one. Beyond, only totals are known:
    what a code has more than in the baseline is new.
    """
    left = Findings()
    for code, total in found.totals.items():
        before = {_key(one) for one in known.examples.get(code, ())}
        new = [one for one in found.examples.get(code, ()) if _key(one) not in before]
        if max(total, known.totals.get(code, 0)) <= EXAMPLES_KEPT:
            left.add_many(code, len(new), new)
        else:
            left.add_many(code, total - known.totals.get(code, 0), new)
    return left


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.code, str(finding.where), str(finding.value)
