"""What was noticed in the data: findings with stable codes.

A finding's code is a slug that scripts may count and waive; it never changes its meaning. What a
finding *sets aside* (a head, a frame, a whole sequence) is said by its code, so that the ledger
and the exit status follow from the findings alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gtahead.errors import Where, sentence
from gtahead.findings.codes import CODES, Severity

Item = TypeVar("Item")

EXAMPLES_KEPT = 20
"""How many findings of one code are kept word for word; totals are always exact."""


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed, with its location."""

    code: str
    where: Where
    value: object = None
    detail: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unknown finding code {self.code!r}")

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code].severity

    @property
    def what(self) -> str:
        """The fault in words."""
        kind = CODES[self.code]
        return f"{kind.what}: {self.detail}" if self.detail else kind.what

    def __str__(self) -> str:
        kind = CODES[self.code]
        text = sentence(self.what, where=self.where, value=self.value, remedy=kind.remedy)
        return f"{kind.severity}[{self.code}]: {text}"

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-ready values."""
        kind = CODES[self.code]
        row: dict[str, Any] = {
            "code": self.code,
            "severity": kind.severity.value,
            "where": self.where.as_dict(),
            "what": self.what,
            "remedy": kind.remedy,
        }
        if self.value is not None:
            plain = isinstance(self.value, (str, int, bool))
            row["value"] = self.value if plain else str(self.value)
        if self.detail:
            row["detail"] = self.detail
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Finding:
        """Restore what `as_dict` returned."""
        return cls(row["code"], Where(**row["where"]), row.get("value"), row.get("detail", ""))


@dataclass
class Findings:
    """Findings as they come in: exact totals, and the first examples of each code."""

    totals: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Finding]] = field(default_factory=dict)

    def add(
        self, code: str, where: Where, value: object = None, detail: str = "", total: int = 1
    ) -> None:
        """Note `total` findings of one kind, the first of which is described."""
        self.add_many(code, total, [Finding(code, where, value, detail)])

    def add_each(
        self,
        code: str,
        items: Sequence[Item],
        where: Callable[[Item], Where],
        value: Callable[[Item], object] | None = None,
        detail: Callable[[Item], str] | None = None,
    ) -> None:
        """Note a finding for each item; the callables are asked for the first ones only."""
        examples = (
            Finding(code, where(it), value(it) if value else None, detail(it) if detail else "")
            for it in items[:EXAMPLES_KEPT]
        )
        self.add_many(code, len(items), examples)

    def add_rows(
        self,
        code: str,
        bad: npt.NDArray[Any],
        where: Callable[[int], Where],
        value: Callable[[int], object] | None = None,
        detail: Callable[[int], str] | None = None,
    ) -> None:
        """Note a finding for each row in `bad`: (N,) flags, or the rows themselves."""
        rows = np.flatnonzero(bad) if bad.dtype == np.bool_ else bad
        self.add_each(code, rows.tolist(), where, value, detail)

    def add_many(self, code: str, total: int, examples: Iterable[Finding]) -> None:
        """Note `total` findings of one code, with some `examples` of them."""
        if total <= 0:
            return
        self.totals[code] = self.totals.get(code, 0) + total
        kept = self.examples.setdefault(code, [])
        for example in examples:
            if len(kept) >= EXAMPLES_KEPT:
                break
            kept.append(example)

    def merge(self, other: Findings) -> None:
        """Add another part's findings after its own."""
        for code, total in other.totals.items():
            self.add_many(code, total, other.examples.get(code, ()))

    def __iter__(self) -> Iterator[Finding]:
        order = list(CODES)
        for code in sorted(self.examples, key=order.index):
            yield from self.examples[code]

    def __len__(self) -> int:
        return sum(self.totals.values())

    def by_code(self) -> Iterator[tuple[str, list[Finding]]]:
        """Return each code's examples: errors, then warnings, then notes."""
        severities = list(Severity)
        codes = [code for code in CODES if code in self.totals]
        for code in sorted(codes, key=lambda one: severities.index(CODES[one].severity)):
            yield code, self.examples.get(code, [])

    def by_severity(self) -> dict[str, int]:
        """Count findings by severity."""
        counts = {severity.value: 0 for severity in Severity}
        for code, total in self.totals.items():
            counts[CODES[code].severity.value] += total
        return counts

    @property
    def summed(self) -> str:
        """How many findings there are, in words."""
        words = {"error": "error", "warning": "warning", "info": "note"}
        counts = self.by_severity()
        parts = [f"{n:,} {words[name]}{'s' * (n != 1)}" for name, n in counts.items() if n]
        return ", ".join(parts) or "no findings"

    def reach(self, level: str) -> bool:
        """Return whether there is a finding of this severity, or a worse one."""
        order = [severity.value for severity in Severity]
        counts = self.by_severity()
        return any(counts[name] for name in order[: order.index(level) + 1])

    @property
    def anything_set_aside(self) -> bool:
        """Whether a head, frame or sequence was removed."""
        return any(CODES[code].sets_aside for code in self.totals)

    def as_dict(self) -> dict[str, Any]:
        """Return totals and examples as JSON-ready values, in the order of `CODES`."""
        codes = [code for code in CODES if code in self.totals]
        return {
            "totals": {code: self.totals[code] for code in codes},
            "examples": [finding.as_dict() for finding in self],
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Findings:
        """Restore what `as_dict` returned."""
        findings = cls(dict(row["totals"]))
        for example in row["examples"]:
            if example["code"] not in CODES:  # of a newer gtahead
                continue
            findings.examples.setdefault(example["code"], []).append(Finding.from_dict(example))
        return findings
