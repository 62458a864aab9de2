"""Options of a build that change its result, and how two sets of them differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gtahead._version import __version__
from gtahead.annotation import BoxRule, SigmaRule
from gtahead.building.split_options import SplitOptions
from gtahead.dataset import CountPolicy
from gtahead.errors import UsageError
from gtahead.ingest.model import LabelOptions
from gtahead.origins import check_origin
from gtahead.regions import Regions

IMAGES = ("link", "copy", "none")


@dataclass(frozen=True)
class BuildOptions:
    """What a dataset depends on, apart from its captures.

    Attributes:
        reader: name in `READERS`.
        boxes: the pseudo-box rule.
        sigma: the rule for sigmas.
        policy: which heads count.
        images: link, copy or none.
        every: keep every n-th frame of a sequence, from the first.
        labels: how other people's labels are taken.
        origin: where the images come from, in place of what their reader says.
        regions: of interest; heads outside are ignored.
        splits: how frames are put into splits; a sequence's own files don't depend on it.
    """

    reader: str
    boxes: BoxRule
    policy: CountPolicy
    sigma: SigmaRule = field(default_factory=SigmaRule)
    images: str = "link"
    every: int = 1
    labels: LabelOptions = field(default_factory=LabelOptions)
    origin: str | None = None
    splits: SplitOptions = field(default_factory=SplitOptions)
    regions: Regions = field(default_factory=Regions)

    def __post_init__(self) -> None:
        if self.images not in IMAGES:
            raise UsageError(
                "unknown value of --images", value=self.images, remedy="link, copy, none"
            )
        check_origin(self.origin)
        if self.every < 1 or self.every % 1:
            raise UsageError("--every must be a whole number from 1 on", value=self.every)

    def as_dict(self) -> dict[str, Any]:
        """Return the options as the manifest stores them; `link` and `copy` count as the same."""
        return {
            "from": self.reader,
            "boxes": str(self.boxes),
            "sigma": str(self.sigma),
            "count_policy": str(self.policy),
            "images": "none" if self.images == "none" else "kept",
            "every": self.every,
            **self.labels.as_dict(),
            **({} if self.origin is None else {"origin": self.origin}),
            **({"roi": self.regions.as_dict()} if self.regions.polygons else {}),
            **self.splits.as_dict(),
            "gtahead": __version__,
        }


def differing(old: dict[str, Any], new: dict[str, Any]) -> str:
    """List the options that differ, with both values; empty if none do."""
    keys = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
    return ", ".join(f"{key} was {old.get(key)}, is now {new.get(key)}" for key in keys)
