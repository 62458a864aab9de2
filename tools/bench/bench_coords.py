"""How much more than parsing the text does reading JTA-Mods' coords.csv cost?

    python tools/bench/bench_coords.py              # 1 million rows
    python tools/bench/bench_coords.py --rows 3000000

The file is simulated: one sequence in the layout of JTA-Mods, six digits, CR LF. Printed is the CPU
time (user + system, all threads) of the read alone, imports and start-up left out, the median of
`--repeat` runs, each in a process of its own, and that process's peak memory. The floor is
`pyarrow.csv.read_csv` of the whole file, as it comes. Goal: reading <= 3 x that. Linux only.
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

from gtahead.simulation import Preset, simulate

JOINTS = 22
FRAMES = 1801  # as the tool records them

PRINT = """
import json, resource
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, rows]))
"""

FLOOR = """
import sys, time
import pyarrow, pyarrow.csv
begin = time.process_time()
rows = pyarrow.csv.read_csv(sys.argv[1] + "/seq_0/coords.csv").num_rows
seconds = time.process_time() - begin
"""

READ = """
import sys, time
from pathlib import Path
import pyarrow, pyarrow.csv, pyarrow.compute
from gtahead.readers import READERS
from gtahead.findings import Findings, Ledger
reader, root = READERS["jta-mods"], Path(sys.argv[1])
(source,) = reader.list_sequences(root, Findings())
findings, ledger = Findings(), Ledger()
begin = time.process_time()
rows = len(reader.read(source, findings, ledger).heads["x"])
seconds = time.process_time() - begin
assert not findings.anything_set_aside and ledger.heads.kept == rows
"""


def measure(script: str, folder: Path, repeat: int) -> tuple[float, int, int]:
    """Return the median CPU seconds, the largest peak in MiB, and the rows."""
    runs = []
    for _ in range(repeat):
        command = [sys.executable, "-c", script + PRINT, str(folder)]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    return statistics.median(run[0] for run in runs), max(run[1] for run in runs), runs[0][2]


def main() -> None:
    """Simulate, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    heads = 1.1 * arguments.rows / JOINTS / FRAMES  # people walk out of sight
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "captures"
        preset = Preset("coords", (1920, 1080), (FRAMES,), (heads,), 1)
        simulate(folder, preset=preset, layout="jta-mods", images=False, workers=1)
        floor, floor_mib, rows = measure(FLOOR, folder, arguments.repeat)
        read, read_mib, found = measure(READ, folder, arguments.repeat)
    print(f"coords.csv of {rows:,} rows, {found:,} heads; median of {arguments.repeat} runs")
    tell(Figure(f"reading coords.csv, {rows:,} rows", read, "s", "pyarrow.csv alone", floor))
    print(f"  pyarrow.csv alone   {floor:6.2f} s CPU   {floor_mib:5} MiB")
    print(f"  reading             {read:6.2f} s CPU   {read_mib:5} MiB   {read / floor:.2f} x")


if __name__ == "__main__":
    main()
