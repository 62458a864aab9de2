"""gtahead: from game captures to head detection and crowd counting datasets, and scores."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gtahead._version import __version__ as __version__

if TYPE_CHECKING:
    from gtahead.building import annotate, build, filter, merge
    from gtahead.counting import count
    from gtahead.dataset import Dataset
    from gtahead.diagnostics import doctor
    from gtahead.errors import GtaheadError, InputError, ResourceError, UsageError
    from gtahead.formats.exporting import export
    from gtahead.inspection import info
    from gtahead.predictions import Predictions
    from gtahead.publishing.checking import verify
    from gtahead.publishing.differences import diff
    from gtahead.publishing.hub import publish
    from gtahead.publishing.pulling import pull
    from gtahead.publishing.rebuilding import rebuild
    from gtahead.publishing.staging import stage
    from gtahead.reports import report
    from gtahead.reports.ranking import leaderboard
    from gtahead.scoring import benchmark, compare
    from gtahead.scoring.submissions import export_predictions
    from gtahead.simulation import simulate
    from gtahead.training import export_model, predict, train
    from gtahead.validation import validate
    from gtahead.viewing import view

_HOMES = {
    "Dataset": "gtahead.dataset",
    "GtaheadError": "gtahead.errors",
    "InputError": "gtahead.errors",
    "Predictions": "gtahead.predictions",
    "ResourceError": "gtahead.errors",
    "UsageError": "gtahead.errors",
    "annotate": "gtahead.building",
    "benchmark": "gtahead.scoring",
    "build": "gtahead.building",
    "compare": "gtahead.scoring",
    "count": "gtahead.counting",
    "diff": "gtahead.publishing.differences",
    "doctor": "gtahead.diagnostics",
    "export": "gtahead.formats.exporting",
    "export_model": "gtahead.training",
    "export_predictions": "gtahead.scoring.submissions",
    "filter": "gtahead.building",
    "info": "gtahead.inspection",
    "leaderboard": "gtahead.reports.ranking",
    "merge": "gtahead.building",
    "predict": "gtahead.training",
    "publish": "gtahead.publishing.hub",
    "pull": "gtahead.publishing.pulling",
    "rebuild": "gtahead.publishing.rebuilding",
    "report": "gtahead.reports",
    "simulate": "gtahead.simulation",
    "stage": "gtahead.publishing.staging",
    "train": "gtahead.training",
    "validate": "gtahead.validation",
    "verify": "gtahead.publishing.checking",
    "view": "gtahead.viewing",
}

__all__ = [
    "Dataset",
    "GtaheadError",
    "InputError",
    "Predictions",
    "ResourceError",
    "UsageError",
    "annotate",
    "benchmark",
    "build",
    "compare",
    "count",
    "diff",
    "doctor",
    "export",
    "export_model",
    "export_predictions",
    "filter",
    "info",
    "leaderboard",
    "merge",
    "predict",
    "publish",
    "pull",
    "rebuild",
    "report",
    "simulate",
    "stage",
    "train",
    "validate",
    "verify",
    "view",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Import a public name at its first use, so that `import gtahead` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gtahead' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
