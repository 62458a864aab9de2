"""What was noticed in the data: findings with stable codes, and the ledger of what was dropped."""

from gtahead.findings.codes import CODES, Code, Severity
from gtahead.findings.findings import EXAMPLES_KEPT, Finding, Findings
from gtahead.findings.ledger import Flow, Ledger

__all__ = ["CODES", "EXAMPLES_KEPT", "Code", "Finding", "Findings", "Flow", "Ledger", "Severity"]
