"""Simulated captures: crowd scenes drawn without the game, in gtahead's format or a tool's.

They stand in for the game in demo, tests, training and benchmarks, and say so in everything that
they write. Boxes, joints, depths and visible shares are exact.
"""

from __future__ import annotations

import shutil
import zlib
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import storage
from gtahead._version import __version__
from gtahead.arrays import Progress
from gtahead.captures.native import SEQUENCE
from gtahead.dataset import CountPolicy
from gtahead.errors import InputError, UsageError, Where
from gtahead.geometry import inside
from gtahead.ingest.model import SIMULATION
from gtahead.parallel.pool import run_all
from gtahead.simulation.planning import SequencePlan, folder_name, plan
from gtahead.simulation.preset_files import preset_of
from gtahead.simulation.presets import LAYOUT_NAMES, PRESETS, WEATHERS, Overrides, Preset
from gtahead.storage import system, targets
from gtahead.tables.canonical import COUNTED
from gtahead.urls import resolve_urls
from gtahead.values import StrPath

__all__ = ["PRESETS", "WEATHERS", "Preset", "SimulationReport", "simulate"]


FEW = 2
"""Heads per frame: where fewer are wanted, there may be none."""


@dataclass(repr=False)
class SimulationReport(storage.Written):
    """What was simulated: totals over all sequences, those of an earlier run included."""

    out: Path
    preset: str
    seed: int
    images: bool
    layout: str = "native"
    written: int = 0
    reused: int = 0
    frames: int = 0
    heads: int = 0
    counted: int = 0
    sequences: dict[str, dict[str, int]] = field(default_factory=dict)
    short: dict[str, float] = field(default_factory=dict)
    """Sequences with under half of the counted heads that were wanted: how many were."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {**self.__dict__, "out": str(self.out), "simulated": True}


@dataclass(frozen=True)
class _DrawTask:
    plan: SequencePlan
    out: Path
    tool: str
    images: bool
    layout: str


@resolve_urls(reads=["preset"], writes=["out"])
def simulate(
    out: StrPath = "captures",
    *,
    preset: StrPath | Preset = "tiny",
    seed: int = 0,
    images: bool = True,
    layout: str = "native",
    size_wh: tuple[int, int] | None = None,
    heads: tuple[int, int] | None = None,
    weather: str | None = None,
    hour: float | None = None,
    sequences: int | None = None,
    frames: int | None = None,
    distortion: float | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    on_progress: Progress | None = None,
) -> SimulationReport:
    """Draw crowd scenes and write them as captures.

    Args:
        out: the captures' folder; sequences of the same run that stand there are kept.
        preset: a name in `PRESETS`, or a preset of your own: a TOML file or a `Preset`.
        seed: of everything random; the same seed gives the same bytes, whatever the workers.
        images: draw images; False writes the same labels alone.
        layout: "native", or what a capture tool would leave: "jta-mods" or "gcc"; these hold less.
        size_wh: of the images; None leaves the preset's.
        heads: least and most mean of counted heads per frame; sequences are spread between them.
        weather: of all sequences, one of `WEATHERS`; None lets each have its own.
        hour: of all sequences, 0 to under 24.
        sequences: how many, other than the preset's; their crowds are spread as its are.
        frames: of each sequence, other than the preset's.
        distortion: of the lenses: by how much nearer to the image's middle its corners are seen,
            0 to 0.5; such frames have no camera, since `Camera` is a pinhole.
        workers: processes; None for one per core, up to 4.
        scheduler: address of a Dask scheduler, instead of processes of this machine.
        overwrite: replace sequences that another run simulated here.
        on_progress: called at the start and after each sequence, with how many are done, how many
            there are, and the last one's name.

    Raises:
        UsageError: no such preset or layout, or an override that can't be met.
        InputError: a preset's file is wrong, or `out` holds sequences of another run, or something
            else of that name.
        ResourceError: disk, rights, or another process in the same folder.
    """
    overrides = Overrides(size_wh, heads, weather, hour, sequences, frames, distortion)
    chosen = preset_of(preset)
    plans = _plans(chosen, seed, overrides, layout)
    target = Path(out)
    name = chosen.name
    report = SimulationReport(target, name, seed, images, layout)
    if PRESETS.get(name) != chosen:  # another one of that name isn't the same run
        name += f" ({zlib.crc32(repr(chosen).encode()):08x})"
    kind = "with images" if images else "labels alone"
    tool = f"gtahead {__version__} simulate, preset {name}{overrides}, {kind}, layout {layout}"
    with storage.naming_os_errors(target), targets.locked(target):
        storage.make_folder(target)
        targets.refuse_links(target, ("*",))
        storage.remove_leftovers(target)
        _clear_others(target, {folder_name(layout, one) for one in plans}, overwrite=overwrite)
        tasks = []
        for one in plans:
            sequence = folder_name(layout, one)
            if _stands(target / sequence, tool, seed, overwrite=overwrite):
                report.reused += 1
                report.sequences[sequence] = _counts(target / sequence)
            else:
                tasks.append((sequence, _DrawTask(one, target.absolute(), tool, images, layout)))
        tasks.sort(key=lambda task: -task[1].plan.heads * task[1].plan.frames)
        if on_progress is not None:
            on_progress(len(report.sequences), len(plans), "")
        results = run_all(
            _simulate_sequence, tasks, workers=workers, scheduler=scheduler, folders=[target]
        )
        with closing(results):
            for sequence, result in results:
                report.sequences[sequence] = result
                report.written += 1
                if on_progress is not None:
                    on_progress(len(report.sequences), len(plans), sequence)
        storage.remove_leftovers(target)  # of workers that died
    _add_up(report, plans)
    return report


def _add_up(report: SimulationReport, plans: list[SequencePlan]) -> None:
    """Order a report's sequences, add them up, and name those that hold too few."""
    report.sequences = dict(sorted(report.sequences.items()))
    for one in plans:
        counts = report.sequences[folder_name(report.layout, one)]
        if 2 * counts["counted"] < one.heads * one.frames and one.heads >= FEW:
            report.short[folder_name(report.layout, one)] = one.heads
    report.frames = sum(row["frames"] for row in report.sequences.values())
    report.heads = sum(row["heads"] for row in report.sequences.values())
    report.counted = sum(row["counted"] for row in report.sequences.values())


def _plans(preset: Preset, seed: int, overrides: Overrides, layout: str) -> list[SequencePlan]:
    """Plan the sequences that a layout can hold."""
    if layout not in LAYOUT_NAMES:
        raise UsageError("no such layout", value=layout, remedy=f"one of {', '.join(LAYOUT_NAMES)}")
    native = layout == "native"
    # A part of GCC has one camera that stands still.
    plans = plan(preset, seed, overrides, may_pan=layout != "gcc", may_distort=native)
    if not native and any(one.distortion for one in plans):
        raise UsageError(
            "what this layout holds comes from lenses without distortion",
            value=layout,
            remedy="leave out --layout, or simulate with --distortion 0",
        )
    return plans


def _document_of(folder: Path) -> dict[str, Any]:
    """Read the description of a simulated sequence; empty if gtahead didn't simulate it."""
    for name in (SEQUENCE, SIMULATION):
        try:
            document = orjson.loads((folder / name).read_bytes())
            if document["simulated"] is True and document["tool"].startswith("gtahead "):
                found: dict[str, Any] = document
                return found
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return {}


def _refuse(folder: Path, *, ours: bool) -> InputError:
    remedy = ", or --overwrite to replace what was simulated" if ours else ""
    return InputError(
        "the folder holds another capture",
        where=Where(str(folder)),
        remedy="choose another --out" + remedy,
    )


def _clear_others(target: Path, names: set[str], *, overwrite: bool) -> None:
    """Make sure that no sequence of another run is left beside ours."""
    for folder in sorted(target.iterdir()):
        if folder.is_dir() and folder.name not in names and not folder.name.startswith("."):
            ours = bool(_document_of(folder))
            if not (ours and overwrite):
                raise _refuse(folder, ours=ours)
            storage.remove_folder(folder)
            storage.crash_point("cleared")


def _stands(folder: Path, tool: str, seed: int, *, overwrite: bool) -> bool:
    """Return whether this run's sequence is there, complete; refuse what may not be replaced."""
    if not folder.exists():
        return False
    document = _document_of(folder)
    if document.get("tool") == tool and document.get("seed") == seed:
        counts = document.get("simulation", {})
        there = sum(path.is_file() for path in folder.rglob("*"))
        return bool(there == counts.get("files"))
    if not (document and overwrite):
        raise _refuse(folder, ours=bool(document))
    return False


def _counts(folder: Path) -> dict[str, int]:
    counts = _document_of(folder)["simulation"]
    return {name: int(counts[name]) for name in ("frames", "heads", "counted")}


def _simulate_sequence(task: _DrawTask) -> dict[str, int]:
    """Draw one sequence and write it whole; return its counts."""
    to = task.out / folder_name(task.layout, task.plan)
    part = storage.aside_name(to)
    try:
        part.mkdir(parents=True)
        counts = _draw(task, part)
        storage.crash_point("drawn")
        for folder in [part, *(path for path in part.rglob("*") if path.is_dir())]:
            system.sync_folder(folder)
        storage.replace_folder(part, to)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return counts


def _draw(task: _DrawTask, folder: Path) -> dict[str, int]:
    from gtahead.simulation import layouts
    from gtahead.simulation.scene import Scene, head_rows

    one = task.plan
    scene = Scene(one)
    layout = layouts.LAYOUTS[task.layout](folder, one, task.tool, images=task.images)
    heads = counted = 0
    policy = CountPolicy()
    for number in range(one.frames):
        seen = scene.look(number)
        table = head_rows(number, seen)
        points = np.stack([table["x"], table["y"]], axis=1)
        status = policy.status(inside(points, one.size_wh), table["visibility"], None)
        heads += len(status)
        counted += int((status == COUNTED).sum())
        layout.add(layouts.Moment(number, seen, scene, table))
    counts = {"frames": one.frames, "heads": heads, "counted": counted}
    written = sum(path.is_file() for path in folder.rglob("*"))
    layout.finish(counts | {"files": written + layout.LAST_FILES})
    return counts
