"""Simulated captures: crowd scenes drawn without the game, in gtahead's own capture format.

They stand in for the game in demo, tests, training and benchmarks, and say so in everything that
they write. Boxes, joints, depths and visible shares are exact.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from gtahead import __version__, running, storage
from gtahead.captures.native import SEQUENCE, write_sequence
from gtahead.dataset import COUNTED, CountPolicy
from gtahead.dataset.tabular import Columns
from gtahead.errors import InputError, ResourceError, Where
from gtahead.geometry import inside
from gtahead.simulation.presets import FPS, PRESETS, Preset, SequencePlan, plan

__all__ = ["PRESETS", "Preset", "SimulationReport", "simulate"]

JPEG_QUALITY = 90
_TRIES = 5  # to find the number of people that leaves the wished number of heads in sight


@dataclass
class SimulationReport:
    """What was simulated: totals over all sequences, those of an earlier run included."""

    out: Path
    preset: str
    seed: int
    images: bool
    written: int = 0
    reused: int = 0
    frames: int = 0
    heads: int = 0
    counted: int = 0
    sequences: dict[str, dict[str, int]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Give the report as one JSON object."""
        return {**self.__dict__, "out": str(self.out), "simulated": True}


@dataclass(frozen=True)
class _Task:
    plan: SequencePlan
    out: Path
    tool: str
    images: bool


def simulate(
    out: str | Path = "captures",
    *,
    preset: str | Preset = "tiny",
    seed: int = 0,
    images: bool = True,
    workers: int | None = None,
    scheduler: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> SimulationReport:
    """Draw crowd scenes and write them as native captures.

    Args:
        out: the captures' folder; sequences of the same run that stand there are kept.
        preset: a name in `PRESETS`, or a preset of your own.
        seed: of everything random; the same seed gives the same bytes, whatever the workers.
        images: draw pictures; False writes the same labels alone.
        workers: processes; None for one a core, up to 4.
        scheduler: address of a Dask scheduler, in place of processes of this machine.
        overwrite: replace sequences that another run simulated here.
        on_progress: called at the start and after each sequence, with how many are done, how many
            there are, and the last one's name.

    Raises:
        UsageError: no such preset.
        InputError: `out` holds sequences of another run, or something else of that name.
        ResourceError: disk, rights, or another process in the same folder.
    """
    plans = plan(preset, seed)
    target = Path(out)
    name = preset if isinstance(preset, str) else preset.name
    report = SimulationReport(target, name, seed, images)
    kind = "with pictures" if images else "labels alone"
    tool = f"gtahead {__version__} simulate, preset {name}, {kind}"
    with storage.naming_os_errors(target):
        storage.make_folder(target)
        with storage.locked(target):
            storage.remove_leftovers(target)
            _clear_others(target, {one.name for one in plans}, overwrite=overwrite)
            tasks = []
            for one in plans:
                if _stands(target / one.name, tool, seed, overwrite=overwrite):
                    report.reused += 1
                    report.sequences[one.name] = _counts(target / one.name)
                else:
                    tasks.append((one.name, _Task(one, target.absolute(), tool, images)))
            tasks.sort(key=lambda task: -task[1].plan.heads * task[1].plan.frames)
            if on_progress is not None:
                on_progress(len(report.sequences), len(plans), "")
            results = running.run_units(
                _simulate_sequence,
                tasks,
                workers=workers or running.default_workers(),
                scheduler=scheduler,
            )
            with closing(results):
                for sequence, result in results:
                    if isinstance(result, running.Crashed):
                        raise ResourceError(
                            "the worker of a sequence died twice",
                            where=Where(sequence=sequence),
                            remedy="out of memory is the usual cause: use fewer --workers",
                        )
                    report.sequences[sequence] = result
                    report.written += 1
                    if on_progress is not None:
                        on_progress(len(report.sequences), len(plans), sequence)
    report.sequences = dict(sorted(report.sequences.items()))
    report.frames = sum(row["frames"] for row in report.sequences.values())
    report.heads = sum(row["heads"] for row in report.sequences.values())
    report.counted = sum(row["counted"] for row in report.sequences.values())
    return report


def _document_of(folder: Path) -> dict[str, Any]:
    """Read a simulated sequence's document; empty where none of ours stands there."""
    try:
        document = orjson.loads((folder / SEQUENCE).read_bytes())
        ours = document["simulated"] is True and document["tool"].startswith("gtahead ")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return document if ours else {}


def _refuse(folder: Path, *, ours: bool) -> InputError:
    remedy = ", or --overwrite to replace what was simulated" if ours else ""
    return InputError(
        "another capture stands here",
        where=Where(str(folder)),
        remedy="choose another --out" + remedy,
    )


def _clear_others(target: Path, names: set[str], *, overwrite: bool) -> None:
    """See to it that no sequence of another run is left beside ours."""
    for folder in sorted(target.iterdir()):
        if folder.is_dir() and folder.name not in names and not folder.name.startswith("."):
            ours = bool(_document_of(folder))
            if not (ours and overwrite):
                raise _refuse(folder, ours=ours)
            shutil.rmtree(folder)


def _stands(folder: Path, tool: str, seed: int, *, overwrite: bool) -> bool:
    """Say whether a sequence of this very run is there, whole; refuse what isn't ours."""
    if not folder.exists():
        return False
    document = _document_of(folder)
    if document.get("tool") == tool and document.get("seed") == seed:
        pictures = [row["file"] for row in document["frames"] if row["file"] is not None]
        whole = all((folder / name).is_file() for name in ["heads.csv", *pictures])
        return whole and "simulation" in document
    if not (document and overwrite):
        raise _refuse(folder, ours=bool(document))
    return False


def _counts(folder: Path) -> dict[str, int]:
    document = orjson.loads((folder / SEQUENCE).read_bytes())
    return {name: int(document["simulation"][name]) for name in ("frames", "heads", "counted")}


def _simulate_sequence(task: _Task) -> dict[str, int]:
    """Draw one sequence and write it whole; give its counts."""
    part = storage.aside_name(task.out / task.plan.name)
    try:
        (part / "frames").mkdir(parents=True)
        counts = _draw(task, part)
        if not task.images:
            (part / "frames").rmdir()
        storage.sync_folder(part)
        storage.replace_folder(part, task.out / task.plan.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return counts


def _draw(task: _Task, folder: Path) -> dict[str, int]:
    from gtahead.simulation import painting, people

    one = task.plan
    random = np.random.default_rng([*one.seed, 0])
    crowd = _crowd(one)
    scene = (
        painting.background(one.camera, one.size_wh, one.weather, random) if task.images else None
    )
    columns: dict[str, list[Any]] = {}
    rows, counted = [], 0
    policy = CountPolicy()
    for number in range(one.frames):
        picture = None if scene is None else scene.copy()
        nobody = number < one.empty_frames
        seen = people.look(
            _nobody(crowd) if nobody else crowd, one.camera, one.size_wh, number / FPS
        )
        shares, covered = painting.visible_shares(seen, one.size_wh, crowd, picture)
        table = _head_rows(number, seen, crowd, shares, covered)
        for name, values in table.items():
            columns.setdefault(name, []).append(values)
        points = np.stack([table["x"], table["y"]], axis=1)
        status = policy.status(inside(points, one.size_wh), table["visibility"], None)
        counted += int((status == COUNTED).sum())
        file = sha256 = None
        if picture is not None:
            noise = np.random.default_rng([*one.seed, 1 + number])
            file = f"frames/{number:06d}.jpg"
            sha256 = _write_picture(
                folder / file, painting.develop(picture, one.weather, one.hour, noise)
            )
        rows.append({"frame": number, "file": file, "sha256": sha256})
    heads: Columns = {name: np.concatenate(parts) for name, parts in columns.items()}
    order = np.lexsort((heads["ped_id"], heads["frame"]))
    heads = {name: values[order] for name, values in heads.items()}
    counts = {"frames": one.frames, "heads": len(order), "counted": counted}
    write_sequence(folder, _document(task, rows, counts), heads)
    return counts


def _crowd(one: SequencePlan) -> Any:  # noqa: ANN401 - People; imported late, with OpenCV
    """Find the people who leave the wished number of heads in sight."""
    from gtahead.simulation import painting, people

    wished = one.heads * one.frames / max(one.frames - one.empty_frames, 1)
    number = round(1.1 * wished)
    policy = CountPolicy()
    best: tuple[float, Any] | None = None
    for _ in range(_TRIES):
        crowd = people.gather(
            number, one.camera, one.size_wh, np.random.default_rng([*one.seed, 0])
        )
        counts = []
        for moment in (0.0, one.frames / FPS / 2, one.frames / FPS):
            seen = people.look(crowd, one.camera, one.size_wh, moment)
            shares, _ = painting.visible_shares(seen, one.size_wh, crowd, None)
            status = policy.status(inside(seen.heads_xy, one.size_wh), shares, None)
            counts.append(int((status == COUNTED).sum()))
        found = float(np.mean(counts))
        miss = wished / max(found, 1e-9) if found < wished else found / max(wished, 1e-9) - 0.04
        if best is None or miss < best[0]:
            best = (miss, crowd)
        if number == 0 or wished <= found <= 1.06 * wished:
            break
        number = max(round(number * min(1.03 * wished / max(found, 1), 3.0)), 1)
    assert best is not None
    return best[1]


def _nobody(crowd: Any) -> Any:  # noqa: ANN401 - People
    return type(crowd)(**{name: values[:0] for name, values in crowd.__dict__.items()})


def _head_rows(number: int, seen: Any, crowd: Any, shares: Any, covered: Any) -> Columns:  # noqa: ANN401 - Seen, People
    """Make a frame's rows of heads.csv: pixels to 0.01, metres to the millimetre."""
    boxes = np.round(seen.boxes_xyxy, 2)
    return {
        "frame": np.full(len(seen.who), number, np.int64),
        "ped_id": seen.who + 1,
        "x": np.round(seen.heads_xy[:, 0], 2),
        "y": np.round(seen.heads_xy[:, 1], 2),
        "depth_m": np.round(seen.depth_m, 3),
        "world_x_m": np.round(seen.world_m[:, 0], 3),
        "world_y_m": np.round(seen.world_m[:, 1], 3),
        "world_z_m": np.round(seen.world_m[:, 2], 3),
        "top_x": np.round(seen.heads_xy[:, 0], 2),
        "top_y": np.round(seen.heads_xy[:, 1], 2),
        "neck_x": np.round(seen.neck_xy[:, 0], 2),
        "neck_y": np.round(seen.neck_xy[:, 1], 2),
        "top_neck_m": np.round(crowd.joints_m[seen.who], 4),
        "box_x0": boxes[:, 0],
        "box_y0": boxes[:, 1],
        "box_x1": boxes[:, 2],
        "box_y1": boxes[:, 3],
        "occluded": covered,
        "self_occluded": seen.away.astype(np.int8),
        "visibility": np.round(shares, 3),
    }


def _write_picture(path: Path, picture: Any) -> str:  # noqa: ANN401 - an OpenCV picture
    import cv2

    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise AssertionError("OpenCV can't encode JPEG")
    path.write_bytes(data.tobytes())
    return hashlib.sha256(data.tobytes()).hexdigest()


def _document(task: _Task, rows: list[dict[str, Any]], counts: dict[str, int]) -> dict[str, Any]:
    one = task.plan
    return {
        "simulated": True,
        "tool": task.tool,
        "seed": one.seed[0],
        "licence": "CC0-1.0",
        "width": one.size_wh[0],
        "height": one.size_wh[1],
        "fps": FPS,
        "camera": {
            "vfov_deg": one.camera.vfov_deg,
            "position_m": list(one.camera.position_m or ()),
            "rotation_deg": list(one.camera.rotation_deg or ()),
        },
        "weather": one.weather,
        "hour": one.hour,
        "location": one.location,
        "pictures": task.images,
        "simulation": counts,
        "frames": rows,
    }
