"""Publishing: releases and their cards, the hub, and the way back to a dataset."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gtahead.publishing.checking import (
        CheckReport,
        UploadPlan,
        VerifyReport,
        check,
        plan,
        verify,
    )
    from gtahead.publishing.differences import DatasetDifference, diff
    from gtahead.publishing.facts import Facts
    from gtahead.publishing.hub import PushReport, publish
    from gtahead.publishing.pulling import PullReport, pull
    from gtahead.publishing.rebuilding import RebuildReport, rebuild
    from gtahead.publishing.releases import Release
    from gtahead.publishing.staging import stage

_HOMES = {
    "CheckReport": "checking",
    "DatasetDifference": "differences",
    "Facts": "facts",
    "UploadPlan": "checking",
    "PullReport": "pulling",
    "PushReport": "hub",
    "RebuildReport": "rebuilding",
    "Release": "releases",
    "VerifyReport": "checking",
    "check": "checking",
    "diff": "differences",
    "plan": "checking",
    "publish": "hub",
    "pull": "pulling",
    "rebuild": "rebuilding",
    "stage": "staging",
    "verify": "checking",
}

__all__ = [
    "CheckReport",
    "DatasetDifference",
    "Facts",
    "PullReport",
    "PushReport",
    "RebuildReport",
    "Release",
    "UploadPlan",
    "VerifyReport",
    "check",
    "diff",
    "plan",
    "publish",
    "pull",
    "rebuild",
    "stage",
    "verify",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Import a public name at its first use: staging needs none of what checking does."""
    if name not in _HOMES:
        msg = f"module 'gtahead.publishing' has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"gtahead.publishing.{_HOMES[name]}"), name)
