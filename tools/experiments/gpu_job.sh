#!/usr/bin/env bash
# Run the next of the experiment's queue on whatever GPU is at hand (or on processors, without one):
#
#     tools/experiments/gpu_job.sh OUT [MINUTES] [PROCESSES]
#     python tools/experiments/mfl.py --append OUT      # where the results are kept
#
# It needs the checkout alone, and a Python with gtahead's dependencies and torch ($PYTHON, else
# python3). It simulates and builds the data (or takes what stands in $WORK), starts PROCESSES (one
# per core) that share the device, writes a line for each finished run into OUT, and ends by itself
# after MINUTES (8), simulating included.
set -euo pipefail

out=$(mkdir -p "${1:?where rows are written}" && cd "$1" && pwd)
limit=$(awk "BEGIN {print int(60 * ${2:-8})}")
processes=${3:-$(nproc)}
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=${WORK:-$(mktemp -d)}
began=$SECONDS
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=1
rows=$work/rows-$$ logs=$work/logs-$$
mkdir -p "$rows" "$logs"

left() { echo $((limit - (SECONDS - began))); }

# Few files, and whole ones whenever this is cut off.
collect() {
    cat "$rows"/*.jsonl > "$out/rows.part" 2> /dev/null || true
    mv "$out/rows.part" "$out/rows.jsonl"
    tail -n 20 "$logs"/*.log > "$out/processes.log" 2> /dev/null || true
}

# Processes take turns on a device, unless NVIDIA's multi-process service lets their work overlap.
if command -v nvidia-cuda-mps-control > /dev/null; then
    export CUDA_MPS_PIPE_DIRECTORY=$work/mps-$$ CUDA_MPS_LOG_DIRECTORY=$logs
    mkdir -p "$CUDA_MPS_PIPE_DIRECTORY"
    if nvidia-cuda-mps-control -d 2> "$logs/mps.log" &&
        timeout 60 "$python" -c 'import torch; torch.ones(1).cuda().item()' 2>> "$logs/mps.log"; then
        trap 'echo quit | nvidia-cuda-mps-control > /dev/null' EXIT
        echo "processes share the device at once" | tee -a "$out/job.log"
    else
        echo quit | nvidia-cuda-mps-control > /dev/null 2>&1 || true
        unset CUDA_MPS_PIPE_DIRECTORY CUDA_MPS_LOG_DIRECTORY
    fi
fi

timeout "$(left)" "$python" "$root/tools/experiments/mfl.py" --make-data --data "$work" \
    > "$out/data.log" 2>&1 || { tail -5 "$out/data.log" >&2; exit 1; }
echo "data after $((SECONDS - began)) s, $(left) s left" | tee -a "$out/job.log"
for number in $(seq "$processes"); do
    # A run that would not end in time isn't begun; the first ones are cut off if they don't.
    timeout "$(left)" "$python" "$root/tools/experiments/mfl.py" --data "$work" --rows "$rows" \
        --budget "$(awk "BEGIN {print ($(left) - 10) / 60}")" > "$logs/process-$number.log" 2>&1 &
done
while [ -n "$(jobs -rp)" ]; do
    collect
    sleep 5
done
collect
echo "$(wc -l < "$out/rows.jsonl") runs finished after $((SECONDS - began)) s" | tee -a "$out/job.log"
