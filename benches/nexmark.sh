#!/usr/bin/env bash
# The throughput of every Nexmark query, as a Markdown table: thousands of events a second, on one core and on two, at
# two rates of event time (windows hold a hundred times as many events at the second). Events are made before the clock
# starts. Rounds are interleaved; a figure is the median of its rounds.
#
#     bash benches/nexmark.sh [EVENTS] [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/.."
events=${1:-2000000} rounds=${2:-3}
queries=(q0 q1 q2 q3 q4 q5 q6 q7 q8 q9 q10 q11 q12 q13 q14 q15 q16 q17 q18 q19 q20 q21 q22)
rates=(100000 10000000)

cargo build --release --quiet --example nexmark
program="${CARGO_TARGET_DIR:-target}/release/examples/nexmark"
runs=$(mktemp)
trap 'rm -f "$runs"' EXIT

for ((round = 0; round < rounds; round++)); do
    for query in "${queries[@]}"; do
        for rate in "${rates[@]}"; do
            for shards in 1 2; do
                seconds=$("$program" "$query" --events "$events" --rate "$rate" --shards "$shards" |
                    sed -nE 's/^time +([0-9.]+) +s.*/\1/p' | head -n 1)
                printf '%s %s %s %s\n' "$query" "$rate" "$shards" "$seconds" >>"$runs"
            done
        done
    done
done

median() {
    grep "^$1 $2 $3 " "$runs" | awk '{ print $4 }' | sort -n |
        awk -v events="$events" '{ at[NR] = $1 } END { printf "%.0f", events / at[int((NR + 1) / 2)] / 1000 }'
}

printf '| query | 100 K/s, 1 core | 100 K/s, 2 cores | 10 M/s, 1 core | 10 M/s, 2 cores |\n|---|---|---|---|---|\n'
for query in "${queries[@]}"; do
    printf '| %s | %s | %s | %s | %s |\n' "$query" "$(median "$query" 100000 1)" "$(median "$query" 100000 2)" \
        "$(median "$query" 10000000 1)" "$(median "$query" 10000000 2)"
done
