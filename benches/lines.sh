#!/usr/bin/env bash
# How long the Nexmark flows are, in lines of code: from `dataflow!` to the end of the file, with the flows that stand in
# them, without blank lines and comments, and without what all queries share (the types of events, reading, writing).
# The peers' published versions are counted in the same way and written down here; docs/nexmark.md says where they are.
#
#     bash benches/lines.sh
set -euo pipefail
cd "$(dirname "$0")/../examples/nexmark"

# query, Renoir, timely
peers='q0 3 -
q1 9 5
q2 6 7
q3 23 52
q4 58 116
q5 20 66
q6 64 117
q7 17 49
q8 29 54'

code_lines() {
    awk '/^dataflow!/ { code = 1 } code && NF && $1 !~ /^\/\// { lines++ } END { print lines }' "$1"
}

percent() {
    if [ "$2" = - ]; then printf -- '-'; else printf '%d %%' "$((100 * $1 / $2))"; fi
}

printf '| query | psdf | Renoir | timely | of Renoir | of timely |\n|---|---|---|---|---|---|\n'
while read -r query renoir timely; do
    lines=$(code_lines "$query.rs")
    if grep -q ClosedAuctions "$query.rs"; then
        lines=$((lines + $(code_lines closed.rs)))
    fi
    printf '| %s | %s | %s | %s | %s | %s |\n' "$query" "$lines" "$renoir" "$timely" "$(percent "$lines" "$renoir")" \
        "$(percent "$lines" "$timely")"
done <<<"$peers"
