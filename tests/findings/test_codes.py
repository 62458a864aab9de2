from __future__ import annotations

import pytest

from gtahead.errors import Where
from gtahead.findings import CODES, EXAMPLES_KEPT, Finding, Findings, Flow, Ledger, Severity


def test_totals_are_exact_and_examples_few() -> None:
    findings = Findings()
    for head in range(100):
        findings.add("not-finite", Where("heads.csv", head=head))
    assert findings.totals == {"not-finite": 100}
    assert len(list(findings)) == EXAMPLES_KEPT
    assert len(findings) == 100


def test_merging_keeps_order_and_sums() -> None:
    first, second = Findings(), Findings()
    first.add("not-finite", Where("a"))
    second.add("not-finite", Where("b"))
    second.add("no-frames", Where("c"))
    first.merge(second)
    assert first.totals == {"not-finite": 2, "no-frames": 1}
    assert [finding.where.file for finding in first] == ["c", "a", "b"]  # in the order of CODES
    assert first.anything_set_aside
    assert not Findings().anything_set_aside


def test_findings_survive_json() -> None:
    findings = Findings()
    findings.add("bad-number", Where("heads.csv", "seq", field="line 3"), "abc")
    findings.add("ragged-row", Where("heads.csv", "seq"), detail="3 fields instead of 5")
    back = Findings.from_dict(findings.as_dict())
    assert list(map(str, back)) == list(map(str, findings))
    assert back.as_dict() == findings.as_dict()


def test_unknown_codes_are_bugs() -> None:
    with pytest.raises(ValueError, match="no-such-code"):
        Finding("no-such-code", Where())


def test_every_code_says_what_and_how_to_fix() -> None:
    for code, kind in CODES.items():
        assert code == code.lower()
        assert " " not in code
        assert kind.what
        assert kind.remedy
        assert kind.sets_aside in (None, "head", "frame", "sequence")
        if kind.severity is Severity.INFO:
            assert kind.sets_aside is None


def test_a_ledger_adds_up() -> None:
    ledger, part = Ledger(), Ledger(Flow(2), Flow(10), Flow(100))
    part.heads.drop("not-finite", 3)
    part.heads.drop("not-finite", 0)
    ledger.add(part)
    ledger.add(part)
    assert ledger.heads.as_dict() == {"in": 200, "out": 194, "dropped": {"not-finite": 6}}
    assert Ledger.from_dict(ledger.as_dict()) == ledger


def test_every_code_says_what_it_is_why_and_what_to_do() -> None:
    for code, kind in CODES.items():
        assert kind.what, code
        assert kind.remedy, code
        assert kind.cause.endswith("."), code
