"""The ledger: what came in, what went out, and why the rest was dropped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Flow:
    """How many of one thing came into a stage, and how many left it, by reason."""

    came: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """What goes on to the next stage."""
        return self.came - sum(self.dropped.values())

    def drop(self, reason: str, count: int = 1) -> None:
        """Drop `count` items for `reason`."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def add(self, other: Flow) -> None:
        """Add another part of the same stage."""
        self.came += other.came
        for reason, count in other.dropped.items():
            self.drop(reason, count)

    def as_dict(self) -> dict[str, Any]:
        """Return the flow as JSON-ready values."""
        return {"in": self.came, "out": self.kept, "dropped": dict(sorted(self.dropped.items()))}

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Flow:
        """Restore what `as_dict` returned."""
        return cls(row["in"], dict(row["dropped"]))


@dataclass
class Ledger:
    """Sequences, frames and heads: in = out + dropped by reason, for a whole build or a part."""

    sequences: Flow = field(default_factory=Flow)
    frames: Flow = field(default_factory=Flow)
    heads: Flow = field(default_factory=Flow)

    def add(self, other: Ledger) -> None:
        """Add another part."""
        self.sequences.add(other.sequences)
        self.frames.add(other.frames)
        self.heads.add(other.heads)

    def as_dict(self) -> dict[str, Any]:
        """Return the ledger as JSON-ready values."""
        return {
            "sequences": self.sequences.as_dict(),
            "frames": self.frames.as_dict(),
            "heads": self.heads.as_dict(),
        }

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Ledger:
        """Restore what `as_dict` returned."""
        return cls(
            Flow.from_dict(row["sequences"]),
            Flow.from_dict(row["frames"]),
            Flow.from_dict(row["heads"]),
        )
