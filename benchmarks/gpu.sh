#!/usr/bin/env bash
# Measure training on the GPUs of this machine, unattended: install raysq[gpu] in an environment of its own, then run
# benchmarks/gpu.py, which measures the most important first and writes gpu.json after each. Started again, it goes on.
#
#   benchmarks/gpu.sh [--data FOLDER] [--minutes 60] [--output FOLDER] [--python PROGRAM] [--cpu]
#
# --data     raw files named after their task, such as jena.csv, imdb.tar.gz, mnist.npz, or folders. Without a file,
#            a task takes its built-in sample.
# --minutes  of the whole, the installation included (default 60)
# --output   folder of the environment, the prepared data and gpu.json (default: gpu-results)
# --python   Python of an environment that has raysq: installs nothing
# --cpu      tries everything here without GPUs, with short measurements
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
data="" minutes=60 output=gpu-results python="" cpu=""
while [ $# -gt 0 ]; do
    case "$1" in
        --data | --minutes | --output | --python)
            [ $# -gt 1 ] || { echo "$1 needs a value" >&2; exit 2; }
            declare "${1#--}=$2"
            shift 2
            ;;
        --cpu) cpu=--cpu && shift ;;
        *) echo "unknown option $1: see the head of $0" >&2 && exit 2 ;;
    esac
done
case "$minutes" in
    "" | *[!0-9]*) echo "--minutes must be a whole number, received $minutes" >&2 && exit 2 ;;
esac
[ -z "$data" ] || [ -d "$data" ] || { echo "--data must be a folder, received $data" >&2; exit 2; }
end=$(($(date +%s) + 60 * minutes))
mkdir -p "$output"

if [ -z "$python" ]; then
    python="$output/environment/bin/python"
    if [ ! -e "$output/environment/installed" ]; then
        extra="[gpu]"
        [ -z "$cpu" ] || extra=""
        python3 -m venv "$output/environment"
        timeout "$((end - $(date +%s)))" "$python" -m pip install --quiet "$root$extra"
        touch "$output/environment/installed"
    fi
fi
exec "$python" "$root/benchmarks/gpu.py" --end "$end" --output "$output" ${data:+--data "$data"} $cpu
