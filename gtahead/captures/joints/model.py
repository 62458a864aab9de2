"""Joints of the JTA family of tools (JTA, JTA-Mods, MOTSynth, MTA), made into heads.

Their joint 0, head_top, lies in the middle of the visible head: it is the head point. Joint 1,
head_center, is the game's bone SKEL_Head, about the chin; joint 2 is the neck, on the collar.
Measured on real frames by `tools/experiments/measure_lift.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gtahead.arrays import Columns, Floats, Ints
from gtahead.errors import Where
from gtahead.findings import Findings, Ledger
from gtahead.ingest.names import frame_name

HEAD_TOP, HEAD_CENTER, NECK = 0, 1, 2
JOINTS_A_PERSON = 22

Flags = npt.NDArray[np.int8]


@dataclass
class Joints:
    """Joints as they stand in a file, (N,) rows.

    Attributes:
        frame: numbers as captured.
        person: ids, the same in every frame.
        kind: 0 to 21.
        xy: (N, 2) pixels.
        xyz: (N, 3) metres, in the world or as the camera sees them.
        occluded: 0, 1, or -1 where unknown.
        self_occluded: likewise, by the person's own body.
        lines: in the file; 0 where a row has none.
    """

    frame: Ints
    person: Ints
    kind: Ints
    xy: Floats
    xyz: Floats
    occluded: Flags
    self_occluded: Flags
    lines: Ints

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, rows: npt.NDArray[np.generic]) -> Joints:
        """Return some rows, by index or mask."""
        return Joints(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass
class HeadJoints:
    """Joints of heads, one row per person and frame; NaN and -1 where a joint isn't there."""

    top: Joints
    center: Joints
    neck: Joints

    def __len__(self) -> int:
        return len(self.top)

    def take(self, rows: npt.NDArray[np.generic]) -> HeadJoints:
        """Return some rows, by index or mask."""
        return HeadJoints(self.top.take(rows), self.center.take(rows), self.neck.take(rows))

    def columns(self) -> Columns:
        """Return the columns of a captured table that need no camera."""
        top, neck = self.top, self.neck
        return {
            "frame": top.frame,
            "head_id": top.person,
            "x": top.xy[:, 0],
            "y": top.xy[:, 1],
            "top_x": top.xy[:, 0],
            "top_y": top.xy[:, 1],
            "neck_x": neck.xy[:, 0],
            "neck_y": neck.xy[:, 1],
            "top_neck_m": np.linalg.norm(top.xyz - neck.xyz, axis=1),
            "occluded": self._hidden(),
            "self_occluded": top.self_occluded,
        }

    def _hidden(self) -> Flags:
        """Return which heads are hidden: head_top and head_center both, where both are known."""
        top, center = self.top.occluded, self.center.occluded
        return np.where(center < 0, top, np.where(top < 0, center, top & center)).astype(np.int8)


def heads_of(
    joints: Joints, everyone: Ints, where: Where, findings: Findings, ledger: Ledger, lost: set[int]
) -> HeadJoints:
    """Make one row per person and frame out of the joints of its head.

    Persons without head_top are noted and dropped. Of head_center and neck the last row counts
    where there are several; a second head_top stays, to be noted as a duplicate later.

    Args:
        joints: those of heads; others don't matter.
        everyone: (P, 2) frame and id of all persons, from `persons`.
        where: file and sequence.
        findings: takes what was noticed.
        ledger: takes the heads that came, and those that were dropped.
        lost: takes the numbers of frames that lost heads.
    """
    tops = joints.take(np.flatnonzero(joints.kind == HEAD_TOP))
    with_head = persons(tops.frame, tops.person)
    ledger.heads.came += len(everyone) + len(tops) - len(with_head)
    headless = everyone[_places(with_head, everyone) < 0]
    if len(headless):
        findings.add_each(
            "no-head-joint",
            headless.tolist(),
            lambda one: Where(where.file, where.sequence, frame_name(one[0]), one[1]),
        )
        ledger.heads.drop("no-head-joint", len(headless))
        lost |= set(map(int, headless[:, 0]))
    return HeadJoints(tops, _beside(tops, joints, HEAD_CENTER), _beside(tops, joints, NECK))


def persons(frame: Ints, person: Ints) -> Ints:
    """Return the (P, 2) distinct pairs of frame and person, sorted.

    The tools write a person's rows together: those that repeat the row before are left out first.
    """
    if not len(frame):
        return np.empty((0, 2), np.int64)
    first = np.ones(len(frame), np.bool_)
    first[1:] = (frame[1:] != frame[:-1]) | (person[1:] != person[:-1])
    return np.unique(np.stack([frame[first], person[first]], axis=1), axis=0)


def _places(known: Ints, wanted: Ints) -> Ints:
    """Return (W,) the last index of each wanted pair among the known ones; -1 if missing."""
    whole = np.concatenate([known, wanted])
    _, codes = np.unique(whole, axis=0, return_inverse=True)
    codes = codes.reshape(-1)
    position = np.full(len(whole), -1, np.int64)
    position[codes[: len(known)]] = np.arange(len(known))
    found: Ints = position[codes[len(known) :]]
    return found


def _beside(tops: Joints, joints: Joints, kind: int) -> Joints:
    """Find the joint of one kind of each (frame, person)."""
    some = joints.take(np.flatnonzero(joints.kind == kind))
    same = np.array_equal(some.frame, tops.frame) and np.array_equal(some.person, tops.person)
    if same:  # every person written whole, as the tools do
        return some
    position = _places(
        np.stack([some.frame, some.person], axis=1), np.stack([tops.frame, tops.person], axis=1)
    )
    absent = Joints(
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.full(1, kind, np.int64),
        np.full((1, 2), np.nan),
        np.full((1, 3), np.nan),
        np.full(1, -1, np.int8),
        np.full(1, -1, np.int8),
        np.zeros(1, np.int64),
    )
    pairs = ((getattr(some, field.name), getattr(absent, field.name)) for field in fields(Joints))
    return Joints(*(np.concatenate(pair)[position] for pair in pairs))  # -1 is the absent one


def clean_flags(
    values: npt.NDArray[np.generic], name: str, where: Where, findings: Findings
) -> Flags:
    """Return flags as 0, 1 or -1 for unknown; note other values, which become -1."""
    numbers = values.astype(np.float64)
    wrong = ~((numbers == 0) | (numbers == 1))
    odd = np.flatnonzero(wrong & (numbers != -1) & ~np.isnan(numbers))
    if len(odd):
        location = Where(where.file, where.sequence, field=name)
        findings.add("bad-value", location, float(numbers[odd[0]]), total=len(odd))
    return np.where(wrong, -1, np.nan_to_num(numbers)).astype(np.int8)
