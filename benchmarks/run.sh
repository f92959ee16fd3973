#!/bin/sh
# Run all benchmarks with the Python given; a failing one does not keep the others from running.
python=${1:-.venv/bin/python}
failed=
for script in "$(dirname "$0")"/bench_*.py; do
    echo "== $(basename "$script")"
    "$python" "$script" || failed="$failed $(basename "$script")"
    echo
done
[ -z "$failed" ] || { echo "emviewer: these benchmarks failed:$failed" >&2; exit 1; }
