"""Reports: a dataset as one self-contained page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gtahead import storage
from gtahead.arrays import Progress
from gtahead.dataset import SPLITS, Dataset
from gtahead.errors import UsageError
from gtahead.findings import CODES
from gtahead.inspection import region_sentences, splits_in_words
from gtahead.origins import in_words, origins_of
from gtahead.reports.collecting import collect
from gtahead.reports.gallery import FRAMES, figures
from gtahead.reports.pages import write_page
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

__all__ = ["ReportDone", "report"]


OFF_POINTS = 20
"""Deviations of a split's share from its target that are marked, in points of percent."""


@dataclass(frozen=True)
class ReportDone:
    """A report that was written.

    Attributes:
        page: the file.
        bytes: its size.
        frames: of the dataset.
        shown: frames in its gallery.
        unreadable: ids of those whose image can't be read.
    """

    page: Path
    bytes: int
    frames: int
    shown: int
    unreadable: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or 3 where an image couldn't be shown."""
        return 3 if self.unreadable else 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {**vars(self), "page": str(self.page), "unreadable": list(self.unreadable)}


@resolve_urls(reads=["dataset"], writes=["html"])
def report(
    dataset: StrPath = "dataset",
    html: StrPath = "report.html",
    *,
    gallery: int = FRAMES,
    on_progress: Progress | None = None,
) -> ReportDone:
    """Write a dataset's report: what it holds, how it was made, what was noticed, and how it looks.

    The page is one file that needs no network: figures, a gallery whose layers can be switched,
    filters by sequence, density and weather. It is the same for the same dataset.

    Args:
        dataset: the dataset's folder.
        html: the page.
        gallery: how many frames are shown; 0 for none.
        on_progress: called at the start and after each sequence.

    Raises:
        UsageError: a number of frames below 0 or above 200.
        InputError: no dataset, a damaged one, or no folder for the page.
        ResourceError: it can't be written.
    """
    if not 0 <= gallery <= 200:
        raise UsageError("that many frames don't fit a page", value=gallery, remedy="0 to 200")
    target = Path(html)
    storage.prepare_file(target, "the page", [dataset])
    opened = Dataset.open(dataset)
    found = collect(opened, on_progress)
    shown = list(figures(opened, gallery)) if gallery else []
    document = opened.manifest.document
    size = write_page(
        target,
        "dataset",
        name=opened.folder.absolute().name,
        document=document,
        statistics=document["statistics"],
        ledger=document["ledger"],
        found=found,
        figures=shown,
        splits=SPLITS,
        splits_in_words=splits_in_words(document["splits"]),
        region_sentences=region_sentences(document),
        findings=_findings(document["findings"]),
        off_points=OFF_POINTS,
        images_in_words=in_words(origins_of(document)),
        release=document.get("pulled_from") or document.get("release"),
    )
    unreadable = tuple(figure.frame_id for figure in shown if figure.unreadable)
    return ReportDone(target, size, len(opened), len(shown), unreadable)


def _findings(document: dict[str, Any]) -> list[dict[str, Any]]:
    order = {"error": 0, "warning": 1, "info": 2}
    rows = [
        {
            "code": code,
            "severity": CODES[code].severity.value,
            "what": CODES[code].what,
            "remedy": CODES[code].remedy,
            "total": total,
            "examples": [
                " > ".join(
                    f"{key} {value}" if key not in ("file", "field") else str(value)
                    for key, value in one["where"].items()
                )
                for one in document["examples"]
                if one["code"] == code
            ][:3],
        }
        for code, total in document["totals"].items()
        if total and code in CODES
    ]
    return sorted(rows, key=lambda row: (order[row["severity"]], row["code"]))
