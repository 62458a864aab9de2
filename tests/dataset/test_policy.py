from __future__ import annotations

import numpy as np
import pytest

from gtahead.dataset import CountPolicy
from gtahead.errors import UsageError
from gtahead.tables.canonical import STATUS_NAMES

IN = np.array([True, True, True, True, True, False])
SHARE = np.array([1.0, 0.25, 0.24, 0.0, np.nan, 1.0])
HIDDEN = np.array([1, 1, 0, 0, 1, 0], np.int8)


def named(policy: str, visibility: np.ndarray | None, occluded: np.ndarray | None) -> list[str]:
    return [
        STATUS_NAMES[code] for code in CountPolicy.parse(policy).status(IN, visibility, occluded)
    ]


def test_each_policy_by_hand() -> None:
    c, i, a = "counted", "ignored", "absent"
    assert named("visible", SHARE, HIDDEN) == [c, c, i, a, i, a]  # share before flag
    assert named("visible:0.5", SHARE, None) == [c, i, i, a, c, a]
    assert named("visible", None, HIDDEN) == [i, i, c, c, i, a]
    assert named("visible", None, None) == [c, c, c, c, c, a]
    assert named("in-frame", SHARE, HIDDEN) == [c, c, c, c, c, a]
    assert named("all", SHARE, HIDDEN) == [c] * 6


@pytest.mark.parametrize(
    "text", ["", "visibel", "visible:", "visible:2", "visible:0", "visible:x", "all:1"]
)
def test_unknown_policies(text: str) -> None:
    if text == "visible:":
        assert str(CountPolicy.parse(text)) == "visible:0.25"
        return
    with pytest.raises(UsageError, match="unknown count policy"):
        CountPolicy.parse(text)


@pytest.mark.parametrize("text", ["visible:0.25", "visible:0.5", "in-frame", "all"])
def test_a_policy_reads_back_what_it_prints(text: str) -> None:
    assert str(CountPolicy.parse(text)) == text
