"""How fast are the formats, beside what people use today?

    pip install hotcoco
    python tools/bench/bench_formats.py
    python tools/bench/bench_formats.py --data DIR   # built before, of the preset gta-head

Peers: orjson, hotcoco, pycocotools and globox, from PyPI; each runs in a process of its own, on the
same records, and prints the CPU time of what is compared and how far the memory's peak rose.
Medians of `--repeat` runs. The dataset is simulated in the shape of GTA_Head.

Goals: COCO from columns to text faster than dicts and orjson, to files <= 1/2 of hotcoco's writer;
reading COCO into columns <= 0.4 x pycocotools, whatever the order of the keys, in at most 2 GiB
(hotcoco stands beside it without a goal); on a tenth of it YOLO and VOC from columns to files
<= 1/10 of globox; `huggingface` on 500 JPEG frames <= 1.5 x copying and hashing the bytes. Whole
exports (reading Parquet, counting what a format can't hold, hashing what was written) have no goal:
no peer does that; they are printed beside the peer's writing alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from figures import Figure, tell

import gtahead
from gtahead.dataset import Dataset

PRELUDE = """
import contextlib, io, json, sys, time
def peak():  # not ru_maxrss, which a process inherits from the one that started it
    with open("/proc/self/status") as file:
        return next(int(row.split()[1]) for row in file if row.startswith("VmHWM")) / 1024
def reported(begun, before, **more):
    print(json.dumps({"cpu": time.process_time() - begun, "extra": peak() - before, **more}))
quiet = contextlib.redirect_stdout(io.StringIO())
"""

OURS_WRITE = """
from pathlib import Path
import numpy as np
from gtahead.dataset import Dataset
from gtahead.formats import FORMATS
from gtahead.formats.batches import load_batch, plan_batches
from gtahead.formats.coco import annotation_rows
from gtahead.formats.base import Options, Summary
from gtahead.formats.text import RowFormat, worth_compiling
data, out, kind = Path(sys.argv[1]), Path(sys.argv[2]), FORMATS[sys.argv[3]]
dataset = Dataset.open(data)
splits = ["train", "validation", "test"]
options = Options(images="none")
plans = plan_batches(dataset, kind, splits, options)
worth_compiling(10**6)
batches = [load_batch(data, dataset.manifest.fingerprint, plan, out, options)[0] for plan in plans]
RowFormat(2, 6).render([np.arange(9)] * 2, engine="compiled")  # numba loads its loops
before, begun = peak(), time.process_time()
size = 0
if kind.name == "coco":
    for batch in batches:
        size += len(annotation_rows(batch.boxed()))
in_memory = time.process_time() - begun
begun = time.process_time()
for batch in batches:
    kind.write(batch)
counts = {split: sum(len(p.rows) for p in plans if p.split == split) for split in splits}
kind.finish(Summary(out, counts, {}, dataset.manifest.document, options))
reported(begun, before, in_memory=in_memory, size=size)
"""

DICTS = """
from pathlib import Path
import numpy as np
import orjson
from gtahead.dataset import Dataset
from gtahead.formats import FORMATS
from gtahead.formats.base import Options
from gtahead.formats.batches import load_batch, plan_batches
data, out = Path(sys.argv[1]), Path(sys.argv[2])
dataset = Dataset.open(data)
options = Options(images="none")
plans = plan_batches(dataset, FORMATS["coco"], ["train", "validation", "test"], options)
batches = [load_batch(data, dataset.manifest.fingerprint, plan, out, options)[0] for plan in plans]
before, begun = peak(), time.process_time()
size = 0
for batch in batches:
    heads = batch.heads
    images = np.array([frame.row + 1 for frame in batch.frames])[batch.frame_of_heads].tolist()
    boxes = heads.boxes_xyxy.round(2)
    boxes[:, 2:] -= boxes[:, :2]
    areas = (boxes[:, 2] * boxes[:, 3]).round(2).tolist()
    rows = [
        {
            "id": number, "image_id": image, "category_id": 1, "bbox": box, "area": area,
            "iscrowd": crowd, "gtahead": {"head": head, "point": point, "visibility": share},
        }
        for number, image, box, area, crowd, head, point, share in zip(
            heads.ids.tolist(), images, boxes.round(2).tolist(), areas,
            heads.ignored.astype(int).tolist(), heads.head_ids.tolist(),
            heads.points_xy.round(2).tolist(), heads.visibility.round(4).tolist(), strict=True,
        )
    ]
    size += len(orjson.dumps(rows))
told(begun, before, size=size)
"""

OURS_EXPORT = """
import gtahead
from gtahead.formats.exporting import export
from gtahead.dataset import Dataset
from gtahead.formats.text import RowFormat, worth_compiling
import numpy as np
RowFormat(2, 6).render([np.arange(9)] * 2, engine="compiled")  # numba loads its loops
Dataset.open(sys.argv[1])
before, begun = peak(), time.process_time()
data, out, name, images = sys.argv[1:]
export(data, out, format=name, images=images, allow_lossy=True, workers=1)
reported(begun, before)
"""

OURS_READ = """
from pathlib import Path
from gtahead.formats.coco_columns import read_coco
read_coco(Path(sys.argv[1]))
before, begun = peak(), time.process_time()
for path in sys.argv[2:]:
    rows = len(read_coco(Path(path)).annotations["image_id"])
reported(begun, before, rows=rows)
"""

ORJSON = """
import gc, orjson
out, *paths = sys.argv[1:]
documents = [orjson.loads(open(path, "rb").read()) for path in paths]
orjson.dumps(documents[0]["images"])
gc.collect(); gc.disable()
[orjson.dumps(document) for document in documents]  # memory is warm from here on
before, begun = peak(), time.process_time()
size = sum(len(orjson.dumps(document)) for document in documents)
in_memory = time.process_time() - begun
begun = time.process_time()
for number, document in enumerate(documents):
    with open(f"{out}/{number}.json", "wb") as file:
        file.write(orjson.dumps(document))
reported(begun, before, in_memory=in_memory, size=size)
"""

HOTCOCO_WRITE = """
from hotcoco import COCO
with quiet:
    sets = [COCO(path) for path in sys.argv[2:]]
before, begun = peak(), time.process_time()
for number, one in enumerate(sets):
    one.save(f"{sys.argv[1]}/{number}.json")
reported(begun, before)
"""

READ = """
from {module} import COCO
before, begun = peak(), time.process_time()
with quiet:
    sets = [COCO(path) for path in sys.argv[1:]]
reported(begun, before)
"""

GLOBOX = """
from pathlib import Path
from globox import AnnotationSet
out = Path(sys.argv[1])
sets = [AnnotationSet.from_coco(Path(path)) for path in sys.argv[3:]]
before, begun = peak(), time.process_time()
for number, one in enumerate(sets):
    folder = out / str(number)
    for name in {Path(annotation.image_id).parent for annotation in one}:
        (folder / name).mkdir(parents=True, exist_ok=True)
    if sys.argv[2] == "yolo":
        one.save_yolo_v5(folder, label_to_id={{"head": 0}})
    else:
        one.save_pascal_voc(folder)
reported(begun, before)
""".replace("{{", "{").replace("}}", "}")

COPY = """
import hashlib, shutil
from pathlib import Path
files = sorted(Path(sys.argv[1]).rglob("*.jpg"))
out = Path(sys.argv[2]); out.mkdir()
before, begun = peak(), time.process_time()
for number, path in enumerate(files):
    data = path.read_bytes()
    hashlib.sha256(data).hexdigest()
    (out / f"{number}.jpg").write_bytes(data)
reported(begun, before)
"""


def measure(
    code: str, *arguments: object, repeat: int, clean: Path | None = None
) -> dict[str, float]:
    """Run code in fresh processes and return the medians of what it prints."""
    found: list[dict[str, float]] = []
    for _ in range(repeat):
        if clean is not None:
            shutil.rmtree(clean, ignore_errors=True)
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + code, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(done.stderr)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(one[key] for one in found) for key in found[0]}


def line(what: str, ours: float, theirs: float, goal: float | None = None) -> None:
    """Print one comparison; one without a goal compares unlike work."""
    ratio = ours / theirs
    ours_is, _, peer = what.rpartition(": ")
    tell(Figure(ours_is, ours, "s", peer, theirs, "" if goal is None else f"≤ {goal:.3g} ×"))
    verdict = ""
    if goal is not None:
        verdict = f"  goal {goal:.3f}  {'reached' if ratio <= goal else 'NOT reached'}"
    print(f"  {what:<52} {ours:7.3f} s  {theirs:7.3f} s  {ratio:6.3f}{verdict}")


def shuffled(paths: Iterable[Path], folder: Path) -> list[Path]:
    """Write COCO files again with their keys in another order."""
    folder.mkdir()
    found = []
    for path in paths:
        document = json.loads(path.read_bytes())
        document = dict(reversed(document.items()))
        document["annotations"] = [dict(reversed(row.items())) for row in document["annotations"]]
        found.append(folder / path.name)
        found[-1].write_text(json.dumps(document, separators=(",", ":")))
    return found


def street(folder: Path) -> Path:
    """Make 500 JPEG frames with 340 heads each, and the dataset of them."""
    random = np.random.default_rng(0)
    frames = folder / "captures" / "street" / "frames"
    frames.mkdir(parents=True)
    rows = ["frame,ped_id,x,y,depth_m"]
    listed = []
    for number in range(500):
        small = random.integers(0, 255, (135, 240, 3)).astype(np.uint8)
        pixels = cv2.resize(small, (1920, 1080), interpolation=cv2.INTER_CUBIC)
        noise = random.integers(0, 12, pixels.shape)
        pixels = np.clip(np.asarray(pixels) + noise, 0, 255).astype(np.uint8)
        name = f"frames/{number:06d}.jpg"
        (frames.parent / name).write_bytes(bytes(cv2.imencode(".jpg", pixels)[1]))
        listed.append({"frame": number, "file": name})
        points = random.uniform(0, [1920, 1080], (340, 2))
        rows += [f"{number},{k},{x:.2f},{y:.2f},20" for k, (x, y) in enumerate(points)]
    document = {
        "format": "gtahead-capture",
        "version": 1,
        "width": 1920,
        "height": 1080,
        "camera": {"vfov_deg": 50},
        "frames": listed,
    }
    (frames.parent / "sequence.json").write_text(json.dumps(document))
    (frames.parent / "heads.csv").write_text("\n".join(rows) + "\n")
    gtahead.build(folder / "captures", folder / "street", workers=2)
    return folder / "street"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Formats beside their peers")
    parser.add_argument("--data", type=Path, help="a dataset of the preset gta-head")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    repeat = options.repeat
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = options.data
        if data is None:
            gtahead.simulate(folder / "raw", preset="gta-head", images=False)
            gtahead.build(folder / "raw", folder / "data")
            data = folder / "data"
        print(Dataset.open(data))
        print(f"  {'':<52} {'ours':>9}  {'theirs':>9}  {'ratio':>6}")
        out = folder / "coco"
        whole = measure(OURS_EXPORT, data, out, "coco", "none", repeat=repeat, clean=out)
        labels = sorted((out / "annotations").iterdir())
        ours = measure(OURS_WRITE, data, folder / "w", "coco", repeat=repeat, clean=folder / "w")
        (folder / "or").mkdir()
        theirs = measure(ORJSON, folder / "or", *labels, repeat=repeat)
        line("COCO, columns to text: orjson.dumps alone", ours["in_memory"], theirs["in_memory"])
        dicts = measure(DICTS, data, folder / "w", repeat=repeat)
        line("COCO, columns to text: dicts and orjson", ours["in_memory"], dicts["cpu"], 1)
        line("COCO, columns to files: orjson.dumps, written", ours["cpu"], theirs["cpu"])
        (folder / "hot").mkdir()
        hot = measure(HOTCOCO_WRITE, folder / "hot", *labels, repeat=repeat)
        line("COCO, columns to files: hotcoco's save", ours["cpu"], hot["cpu"], 1 / 2)
        line("COCO, whole export from Parquet: hotcoco's save", whole["cpu"], hot["cpu"])
        print(f"  extra memory: writer {ours['extra']:.0f}, whole export {whole['extra']:.0f} MiB;")
        print(f"  orjson.dumps {theirs['extra']:.0f}, hotcoco {hot['extra']:.0f}; goal 100")
        small = min(labels, key=lambda path: path.stat().st_size)
        for order, files in (("ours", labels), ("other", shuffled(labels, folder / "shuffled"))):
            ours = measure(OURS_READ, small, *files, repeat=repeat)
            for module, goal in (("pycocotools.coco", 0.4), ("hotcoco", None)):
                theirs = measure(READ.replace("{module}", module), *files, repeat=repeat)
                what = f"reading COCO, keys in {order} order: {module.split('.')[0]}"
                line(what, ours["cpu"], theirs["cpu"], goal)
            memory = f"memory of reading COCO, keys in {order} order"
            tell(Figure(memory, ours["extra"], "MiB", "hotcoco", theirs["extra"], "≤ 2 GiB"))
            print(f"  extra memory: {ours['extra']:.0f} MiB, {theirs['extra']:.0f} MiB of hotcoco")
        tenth(data, folder, repeat)
        street_set = street(folder)
        hub = folder / "hub"
        ours = measure(
            OURS_EXPORT, street_set, hub, "huggingface", "link", repeat=repeat, clean=hub
        )
        copy = folder / "copy"
        theirs = measure(COPY, street_set / "images", copy, repeat=repeat, clean=copy)
        line("huggingface, 500 JPEG frames: copying and hashing", ours["cpu"], theirs["cpu"], 1.5)


def tenth(data: Path, folder: Path, repeat: int) -> None:
    """Compare YOLO and VOC on every tenth frame."""
    gtahead.export(data, folder / "all", format="coco", images="none")
    parts = folder / "tenth"
    parts.mkdir()
    kept = []
    for path in sorted((folder / "all" / "annotations").iterdir()):
        document = json.loads(path.read_bytes())
        document["images"] = document["images"][::10]
        ids = {image["id"] for image in document["images"]}
        document["annotations"] = [
            a for a in document["annotations"] if a["image_id"] in ids and not a["iscrowd"]
        ]
        kept.append(parts / path.name)
        kept[-1].write_text(json.dumps(document))
    (folder / "tenth_raw").mkdir()
    gtahead.build(parts, folder / "tenth_data", reader="coco")
    print(f"  a tenth: {Dataset.open(folder / 'tenth_data')}")
    for name in ("yolo", "voc"):
        out, theirs_out = folder / f"our_{name}", folder / f"their_{name}"
        theirs = measure(GLOBOX, theirs_out, name, *kept, repeat=repeat, clean=theirs_out)
        made = folder / "tenth_data"
        ours = measure(OURS_WRITE, made, out, name, repeat=repeat, clean=out)
        line(f"{name}, a tenth, columns to files: globox's save", ours["cpu"], theirs["cpu"], 0.1)
        ours = measure(OURS_EXPORT, made, out, name, "none", repeat=repeat, clean=out)
        what = f"{name}, a tenth, whole export from Parquet: globox's save"
        line(what, ours["cpu"], theirs["cpu"])


if __name__ == "__main__":
    main()
