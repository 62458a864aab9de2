"""`gtahead validate` beside what people check JSON with: CPU time and extra peak memory.

    python tools/bench/bench_validate.py [--data DATASET] [--repeat N]
    # needs: pip install msgspec jsonschema

Exports a dataset of the preset gta-head (5,096 frames; without --data it is simulated and built
first, labels alone) as COCO, and takes the CPU from file to verdict, each in its own process:

- gtahead: structure, ids, references, bounds, points, of every annotation;
- orjson and jsonschema-rs with our schema: structure only;
- msgspec's typed decode: structure only;
- jsonschema on a tenth of the annotations, times ten: structure only.

Goals: <= 1/100 of jsonschema, <= 1/3 of orjson + jsonschema-rs, <= 2 x msgspec, <= 600 MiB extra;
the dataset itself (Parquet), all checks but images: <= 10 s.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Figure, tell

import gtahead

PRELUDE = """
import json, sys, time
from pathlib import Path
def peak():  # not ru_maxrss, which a process inherits from the one that started it
    with open("/proc/self/status") as file:
        return next(int(row.split()[1]) for row in file if row.startswith("VmHWM")) / 1024
def reported(begun, before, **more):
    print(json.dumps({"cpu": time.process_time() - begun, "extra": peak() - before, **more}))
path = Path(sys.argv[1])
"""

OURS = """
from gtahead.findings import Findings
from gtahead.validation.coco import check_coco
tiny = Path(sys.argv[2])
check_coco(tiny, tiny.name, Findings())
before, begun, findings = peak(), time.process_time(), Findings()
check_coco(path, path.name, findings)
reported(begun, before, totals=findings.totals)
"""

RUST = """
import orjson, jsonschema_rs
from gtahead import schemas
check = jsonschema_rs.Draft202012Validator(schemas.load("coco-plain"))
before, begun = peak(), time.process_time()
fine = check.is_valid(orjson.loads(path.read_bytes()))
reported(begun, before, fine=fine)
"""

MSGSPEC = """
import msgspec
class Image(msgspec.Struct):
    id: int
    file_name: str
    width: int
    height: int
class Annotation(msgspec.Struct):
    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    iscrowd: int
class Category(msgspec.Struct):
    id: int
    name: str
class Coco(msgspec.Struct):
    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]
decoder = msgspec.json.Decoder(Coco)
before, begun = peak(), time.process_time()
document = decoder.decode(path.read_bytes())
reported(begun, before, fine=len(document.annotations) > 0)
"""

PYTHON = """
import jsonschema
from gtahead import schemas
check = jsonschema.Draft202012Validator(schemas.load("coco-plain"))
before, begun = peak(), time.process_time()
fine = check.is_valid(json.loads(path.read_bytes()))
reported(begun, before, fine=fine)
"""

DATASET = """
import gtahead
before, begun = peak(), time.process_time()
checked = gtahead.validate(path, images="none", workers=1)
reported(begun, before, totals=checked.finish().totals)
"""


def measure(code: str, *arguments: object, repeat: int) -> dict[str, float]:
    """Run code in fresh processes and return the medians of what it prints."""
    rows = []
    for _ in range(repeat):
        command = [sys.executable, "-c", PRELUDE + code, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    assert all(row.get("fine", True) for row in rows)
    return {key: statistics.median(row[key] for row in rows) for key in ("cpu", "extra")}


def line(what: str, ours: float, theirs: float, goal: float) -> None:
    """Print one comparison."""
    reached = "reached" if ours <= goal * theirs else "NOT reached"
    tell(Figure("schema check of full-size COCO", ours, "s", what, theirs, f"≤ {goal:.3g} ×"))
    print(
        f"  {what:44} {ours:8.3f} s {theirs:9.3f} s {ours / theirs:8.4f}  goal {goal:.4f} {reached}"
    )


def one_file(folder: Path) -> tuple[Path, Path, Path]:
    """Put all splits into one file; return it, a tenth of it, and a very small part."""
    whole: dict[str, list[object]] = {"images": [], "annotations": [], "categories": []}
    for path in sorted((folder / "coco" / "annotations").glob("*.json")):
        document = json.loads(path.read_bytes())
        whole["images"] += document["images"]
        whole["annotations"] += document["annotations"]
        whole["categories"] = document["categories"]
    files = []
    for name, step in (("whole", 1), ("tenth", 10), ("tiny", 1000)):
        part = whole | {"annotations": whole["annotations"][::step]}
        files.append(folder / f"{name}.json")
        files[-1].write_text(json.dumps(part, separators=(",", ":")))
    return files[0], files[1], files[2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="gtahead validate beside its peers")
    parser.add_argument("--data", help="a dataset of the preset gta-head")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = Path(arguments.data or folder / "data")
        if arguments.data is None:
            gtahead.simulate(folder / "captures", preset="gta-head", images=False)
            gtahead.build(folder / "captures", data, images="none")
        gtahead.export(data, folder / "coco", format="coco", images="none")
        whole, tenth, tiny = one_file(folder)
        repeat = arguments.repeat
        ours = measure(OURS, whole, tiny, repeat=repeat)
        print(
            f"{whole.stat().st_size / 1e6:,.0f} MB of COCO{'ours':>40} {'theirs':>11} {'ratio':>8}"
        )
        rust = measure(RUST, whole, repeat=repeat)
        line("orjson + jsonschema-rs", ours["cpu"], rust["cpu"], 1 / 3)
        line("msgspec, typed decode", ours["cpu"], measure(MSGSPEC, whole, repeat=repeat)["cpu"], 2)
        python = measure(PYTHON, tenth, repeat=1)
        line("jsonschema, a tenth times ten", ours["cpu"], 10 * python["cpu"], 1 / 100)
        print(f"  extra memory: {ours['extra']:.0f} MiB; goal 600")
        tell(Figure("memory of that, beyond the start", ours["extra"], "MiB", goal="≤ 600 MiB"))
        found = measure(DATASET, data, repeat=repeat)
        tell(Figure("validating the dataset itself", found["cpu"], "s", goal="≤ 10 s"))
        print(f"  the dataset itself: {found['cpu']:.1f} s, {found['extra']:.0f} MiB; goal 10 s")


if __name__ == "__main__":
    main()
