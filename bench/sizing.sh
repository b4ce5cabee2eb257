#!/bin/sh
# How long ranges really take, against --seconds: a search with one compute a core, for each method and place.
# Usage: bench/sizing.sh [SECONDS [DURATION]], after make build. Prints, for each, the ranges after each compute's first:
# how many, their median, and the share within 10 %; and the worst of the first ranges.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-3} duration=${2:-25} programs=${CARGO_TARGET_DIR:-target}/release
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo "method first ranges median_s within_10_percent first_ranges_s"
for method in trial sieve; do
    for first in 1000000 1000000000 1000000000000; do
        ledger=$scratch/$method-$first.db
        timeout -s INT "$duration" "$programs/manage" --listen 127.0.0.1:0 --ledger "$ledger" --method "$method" \
            --first "$first" --seconds "$seconds" --computes "$(nproc)" 2>"$scratch/log" || [ $? = 124 ]
        python3 - "$ledger" "$seconds" "$method" "$first" <<'PY'
import sqlite3, statistics, sys
ledger, seconds, method, first = sys.argv[1], float(sys.argv[2]), *sys.argv[3:]
rows = sqlite3.connect(ledger).execute("SELECT compute, nanoseconds / 1e9 FROM range ORDER BY rowid").fetchall()
by_compute = {}
for compute, took in rows:
    by_compute.setdefault(compute, []).append(took)
firsts = [ranges[0] for ranges in by_compute.values()]
# The last range of each was cut short by the end of the measurement.
later = [took for ranges in by_compute.values() for took in ranges[1:-1]]
near = sum(abs(took / seconds - 1) <= 0.1 for took in later)
print(method, first, len(later), f"{statistics.median(later):.2f}" if later else "-", f"{near}/{len(later)}",
      " ".join(f"{took:.2f}" for took in firsts))
PY
    done
done
