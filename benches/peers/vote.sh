#!/usr/bin/env bash
# The vote benchmark: psdf, a cache by hand (moka) and Redis over the same embedded store, in turn.
#
#     bash benches/peers/vote.sh [--articles N] [--seconds N] [--warm-up N] [--only psdf,moka,redis]
set -euo pipefail
cd "$(dirname "$0")"
cargo run --release --quiet -- "$@"
