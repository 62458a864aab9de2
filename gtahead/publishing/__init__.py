"""Publishing: releases and their cards, the hub, and the way back to a data set."""

from gtahead.publishing.checking import CheckReport, check
from gtahead.publishing.differences import Difference, diff
from gtahead.publishing.facts import Facts
from gtahead.publishing.hub import PushReport, publish
from gtahead.publishing.planning import Plan, plan
from gtahead.publishing.pulling import PullReport, pull
from gtahead.publishing.rebuilding import RebuildReport, rebuild
from gtahead.publishing.releases import Release
from gtahead.publishing.staging import stage
from gtahead.publishing.verifying import VerifyReport, verify

__all__ = [
    "CheckReport",
    "Difference",
    "Facts",
    "Plan",
    "PullReport",
    "PushReport",
    "RebuildReport",
    "Release",
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
