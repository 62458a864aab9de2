"""What does a Dask cluster cost, beside a pool of processes on the same machine?

    python tools/bench/bench_cluster.py                  # 1, 2 and 4 workers; one is killed midway
    python tools/bench/bench_cluster.py --two-hosts      # workers in network namespaces (root)

Built are captures with images. Printed is the time on the clock, the median of `--repeat` builds,
from the start of the command to its end; starting the cluster isn't in it. The fingerprint must be
the same every time. Goal: two workers cost at most 15 % more than a pool of two.

With `--two-hosts`, each worker has a network stack and an address of its own, joined by a bridge,
and shares nothing but the folder; Linux's `ip` and the right to use it are needed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench_build import gtahead
from figures import Figure, tell

from gtahead.simulation import Preset, simulate

BRIDGE = "gtahead-br"


@contextmanager
def started(*command: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a scheduler or a worker; yield its process and its address."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"(?:Scheduler|worker) at: +(tcp://\S+)", line):
                break
        else:
            sys.exit(f"it didn't start: {' '.join(command)}")
        yield process, found[1]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate()


@contextmanager
def cluster(workers: int, hosts: list[str] | None = None) -> Iterator[tuple[str, list[int]]]:
    """Run a scheduler and workers of one thread; yield its address and the workers' groups.

    Args:
        workers: how many.
        hosts: names of network namespaces: the first holds the scheduler, workers have the others.
    """
    python = [sys.executable, "-m"]
    inside = [["ip", "netns", "exec", host] for host in hosts] if hosts else [[]] * (workers + 1)
    with ExitStack() as stack:
        host = "10.77.0.1" if hosts else "127.0.0.1"
        words = ["distributed.cli.dask_scheduler", "--host", host, "--port", "0", "--no-dashboard"]
        _, address = stack.enter_context(started(*inside[0], *python, *words))
        groups = []
        for number in range(workers):
            words = ["distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
            process, _ = stack.enter_context(started(*inside[number + 1], *python, *words))
            groups.append(process.pid)
        yield address, groups


@contextmanager
def namespaces(count: int) -> Iterator[list[str]]:
    """Make network namespaces that are joined by a bridge, with addresses 10.77.0.1 and on."""

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    names = [f"gtahead-{number}" for number in range(count)]
    with ExitStack() as stack:
        ip("link", "add", BRIDGE, "type", "bridge")
        stack.callback(ip, "link", "del", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(names):
            ip("netns", "add", name)
            stack.callback(ip, "netns", "del", name)
            here, there = f"gtah{number}", f"gtat{number}"
            ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
            ip("link", "set", here, "master", BRIDGE, "up")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "addr", "add", f"10.77.0.{number + 1}/24", "dev", there)
            ip("-n", name, "link", "set", there, "up")
        yield names


def build(captures: Path, out: Path, *how: object, kill: int = 0, host: str = "") -> float:
    """Build from scratch; return the seconds on the clock.

    Args:
        captures: to build from.
        out: the dataset's folder.
        how: more options.
        kill: group of processes that are killed in the middle: after the third sequence.
        host: network namespace to do it in.
    """
    shutil.rmtree(out, ignore_errors=True)
    inside = ["ip", "netns", "exec", host] if host else []
    begun = time.monotonic()
    command = [*inside, *gtahead("build", "--raw", captures, "--out", out, "--quiet", *how)]
    process = subprocess.Popen(command)
    while kill and process.poll() is None:
        if len(list(out.glob("heads/*.parquet"))) >= 3:
            os.killpg(kill, signal.SIGKILL)
            break
    if process.wait():
        sys.exit(f"exit {process.returncode}: {' '.join(map(str, command))}")
    return time.monotonic() - begun


def fingerprint(out: Path) -> str:
    """Return a dataset's fingerprint."""
    document = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    return str(document["fingerprint"]) + str(document["fingerprints"]["images"]["all"])


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--captures", type=Path, help="to build from, instead of making some")
    parser.add_argument("--frames", type=int, default=1200, help="in 24 sequences")
    parser.add_argument("--repeat", type=int, default=3, help="builds for each median")
    parser.add_argument("--two-hosts", action="store_true", help="workers in network namespaces")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gtahead-bench-") as temporary:
        out = Path(temporary) / "out"
        captures = given.captures
        if captures is None:
            captures = Path(temporary) / "captures"
            crowds = Preset("bench", (960, 540), (given.frames // 24,) * 24, (340.0,) * 24, 5)
            simulate(captures, preset=crowds)
        build(captures, out, "--workers", 2)  # warms the caches
        pool = statistics.median(build(captures, out, "--workers", 2) for _ in range(given.repeat))
        reported = {fingerprint(out)}
        print(f"pool of 2 processes       {pool:7.2f} s")
        if given.two_hosts:
            with namespaces(3) as hosts, cluster(2, hosts) as (address, groups):
                words = ("--scheduler", address)
                took = build(captures, out, *words, host=hosts[0])
                reported.add(fingerprint(out))
                print(f"2 hosts                   {took:7.2f} s")
                took = build(captures, out, *words, host=hosts[0], kill=groups[0])
                reported.add(fingerprint(out))
                print(f"2 hosts, one is killed    {took:7.2f} s")
        else:
            for workers in (1, 2, 4):
                with cluster(workers) as (address, groups):
                    words = ("--scheduler", address)
                    build(captures, out, *words)  # the workers import what they need
                    times = [build(captures, out, *words) for _ in range(given.repeat)]
                    reported.add(fingerprint(out))
                    took = statistics.median(times)
                    print(f"Dask, {workers} workers           {took:7.2f} s   {took / pool:.2f} x")
                    if workers == 2:
                        what = "build on Dask, 2 workers, on the clock"
                        tell(Figure(what, took, "s", "a pool of 2 processes", pool, "≤ 1.15 ×"))
                        took = build(captures, out, *words, kill=groups[0])
                        reported.add(fingerprint(out))
                        print(f"Dask, 2, one is killed    {took:7.2f} s")
        print(f"one fingerprint every time: {len(reported) == 1}")


if __name__ == "__main__":
    main()
