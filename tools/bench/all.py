"""Run every bench, and put their figures into one table.

    python tools/bench/all.py                     # 40 to 70 minutes; writes BENCHMARKS.md
    python tools/bench/all.py --only density scores
    python tools/bench/all.py --check             # writes nothing; ends with 1 where one is worse

Figures and table are committed: `tools/bench/figures.json`, `BENCHMARKS.md`. Seconds differ from
machine to machine, ratios to a peer that did the same work in the same run much less: so these
alone are compared with last time, and those that have grown by more than `--tolerance` are named.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from figures import LOG, Figure, read

from gtahead import __version__

HERE = Path(__file__).parent
FIGURES = HERE / "figures.json"
TABLE = HERE.parent.parent / "BENCHMARKS.md"

BENCHES = {
    "build": ["bench_build.py", "--images", "500"],
    "coords": ["bench_coords.py"],
    "density": ["bench_density.py"],
    "formats": ["bench_formats.py"],
    "validate": ["bench_validate.py"],
    "scores": ["bench_scores.py"],
    "dataset": ["bench_dataset.py"],
    "training": ["bench_training.py"],
    "publish": ["bench_publish.py", "--images", "500"],
    "simulate": ["bench_simulate.py"],
    "cluster": ["bench_cluster.py"],
    "full-size": ["bench_full_size.py", "--plot", "docs/images/full-size.svg"],
}
"""Benches by name, with the arguments of the table."""

PEERS = (
    "hotcoco",
    "globox",
    "pycocotools",
    "ultrafast_pycocotools",
    "faster_coco_eval",
    "msgspec",
    "jsonschema",
)
"""Modules that benches compare with and that gtahead doesn't need."""

INTRODUCTION = """# Benchmarks

Every figure of gtahead's benches (`python tools/bench/all.py`); under each, the machine and the
day. Times are CPU seconds (user and system, of all processes), medians of several runs; memory is
the peak of the largest process, or what a call adds to it where that is said. A peer does the same
work on the same input in the same run; a ratio is ours over its, so less is better. It depends on
the machine less than seconds do. Where a goal is named, it is ours.
Crowds are simulated: those of days up to 2026-11-29, but for `bench_simulate.py`, by an earlier
simulator, whose `gta-head` had 1.85 million counted heads where today's has 1.78 million.
"""


@dataclass(frozen=True)
class Told:
    """What a bench reported.

    Attributes:
        where: the machine it ran on.
        when: the day.
        figures: in their order.
    """

    where: str
    when: str
    figures: list[Figure]


def run(name: str, log: Path) -> list[Figure]:
    """Run a bench and return its figures."""
    script, *words = BENCHES[name]
    print(f"== {script} {' '.join(words)}", flush=True)
    log.unlink(missing_ok=True)
    environment = {**os.environ, LOG: str(log)}
    done = subprocess.run([sys.executable, str(HERE / script), *words], env=environment)
    if done.returncode:
        sys.exit(f"{script} ended with {done.returncode}")
    return read(log)


def amount(value: float | None, unit: str) -> str:
    """Format a figure with three digits."""
    if value is None:
        return ""
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits} {unit}"


def page(reported: dict[str, Told]) -> str:
    """Write the table."""
    lines = [INTRODUCTION]
    for name, bench in reported.items():
        lines += [f"## `python tools/bench/{' '.join(BENCHES[name])}`", ""]
        lines += [
            f"{bench.where}; {bench.when}.",
            "",
            "| figure | gtahead | peer | its figure | ratio | goal |",
        ]
        lines += ["|---|---:|---|---:|---:|---|"]
        for one in bench.figures:
            ratio = "" if one.ratio is None else f"{one.ratio:.3g}"
            cells = [one.what, amount(one.ours, one.unit), one.peer]
            cells += [amount(one.theirs, one.unit), ratio, one.goal]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    missing = [f"`{words[0]}`" for name, words in BENCHES.items() if name not in reported]
    if missing:
        lines += [f"Not run for this table yet: {', '.join(missing)}.", ""]
    return "\n".join(lines)


def machine() -> str:
    """Describe the machine that this runs on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    about = {name.strip(): text.strip() for name, _, text in (x.partition(":") for x in lines)}
    model, flags = about.get("model name", platform.machine()), about.get("flags", "").split()
    vectors = next((name for name in ("avx512f", "avx2", "avx") if name in flags), "no avx")
    cores = len(os.sched_getaffinity(0))
    python = platform.python_version()
    return f"{model} ({vectors}), {cores} cores, Linux, Python {python}, gtahead {__version__}"


def grown(old: list[Figure], new: list[Figure], tolerance: float) -> list[str]:
    """List the ratios that have grown by more than a share."""
    before = {(one.what, one.peer): one.ratio for one in old}
    worse = []
    for one in new:
        then = before.get((one.what, one.peer))
        if then is not None and one.ratio is not None and one.ratio > then * (1 + tolerance):
            worse.append(f"{one.what}, to {one.peer}: {one.ratio:.3g}, it was {then:.3g}")
    return worse


def main() -> None:
    """Run benches, then write or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one has grown")
    parser.add_argument("--table", action="store_true", help="write the table again; run nothing")
    parser.add_argument("--tolerance", type=float, default=0.3, help="by which a ratio may grow")
    given = parser.parse_args()
    if given.table:
        write(by_bench())
        return
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"peers are missing: pip install {' '.join(missing).replace('_', '-')}")
    reported = by_bench()
    worse: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in given.only:
            figures = run(name, Path(folder) / "log")
            worse += grown(
                reported[name].figures if name in reported else [], figures, given.tolerance
            )
            if not given.check:
                reported[name] = Told(machine(), date.today().isoformat(), figures)
                write({name: reported[name] for name in BENCHES if name in reported})
    print("\n".join(worse) or f"no ratio has grown by more than {given.tolerance:.0%}")
    sys.exit(1 if given.check and worse else 0)


def by_bench() -> dict[str, Told]:
    """Return the figures of the last run, by bench."""
    if not FIGURES.exists():
        return {}
    document = json.loads(FIGURES.read_text(encoding="utf-8"))
    return {
        name: Told(**{**bench, "figures": [Figure(**one) for one in bench["figures"]]})
        for name, bench in document.items()
    }


def write(reported: dict[str, Told]) -> None:
    """Write figures for the next time, and the table."""
    document = {name: asdict(bench) for name, bench in reported.items()}
    FIGURES.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    TABLE.write_text(page(reported), encoding="utf-8")


if __name__ == "__main__":
    main()
