#!/usr/bin/env bash
# Run the next of the experiment's queue on whatever GPU is at hand (or on processors, without one):
#
#     tools/experiments/gpu_job.sh OUT [MINUTES] [PROCESSES]
#     python tools/experiments/mfl.py --append OUT      # where the results are kept
#
# It needs the checkout alone, and a Python with gtahead's dependencies and torch ($PYTHON, else
# python3). It simulates and builds the data, starts PROCESSES (8) that share the device, writes a
# line for each finished run into OUT, and ends by itself after MINUTES (8), simulating included.
set -euo pipefail

out=$(mkdir -p "${1:?where rows are written}" && cd "$1" && pwd)
minutes=${2:-8}
processes=${3:-8}
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=${WORK:-$(mktemp -d)}
began=$SECONDS
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=1

left() { echo $((60 * minutes - (SECONDS - began))); }

timeout "$(left)" "$python" "$root/tools/experiments/mfl.py" --make-data --data "$work" \
    > "$out/data.log" 2>&1 || { tail -5 "$out/data.log" >&2; exit 1; }
echo "data after $((SECONDS - began)) s, $(left) s left" | tee "$out/job.log"
for number in $(seq "$processes"); do
    # A run that would not end in time isn't begun; the first ones are cut off if they don't.
    timeout "$(left)" "$python" "$root/tools/experiments/mfl.py" --data "$work" --rows "$out" \
        --budget "$(awk "BEGIN {print ($(left) - 10) / 60}")" > "$out/process-$number.log" 2>&1 &
done
wait || true
echo "$(cat "$out"/*.jsonl 2> /dev/null | wc -l) runs finished after $((SECONDS - began)) s" | tee -a "$out/job.log"
