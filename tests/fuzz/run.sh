#!/bin/sh
# Runs one fuzz target for a bounded time: run.sh TARGET CORPUS FAILURES
# GODWIT_FUZZ_SECONDS says how long, GODWIT_FUZZ_SEED from which seed (0: any).
# The default is a fixed one: a change is judged by what it changed, not by
# luck; .ci/run --deep looks elsewhere each time.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$3"
"$1" -max_total_time="${GODWIT_FUZZ_SECONDS:-10}" -timeout=20 \
  -seed="${GODWIT_FUZZ_SEED:-1}" \
  -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="$3/$(basename "$1")-" "$work" "$2"
