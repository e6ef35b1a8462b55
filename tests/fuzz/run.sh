#!/bin/sh
# Runs one fuzz target for a bounded time: run.sh TARGET CORPUS FAILURES
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$3"
"$1" -max_total_time="${GODWIT_FUZZ_SECONDS:-10}" -timeout=20 \
  -rss_limit_mb=2048 -print_final_stats=1 \
  -artifact_prefix="$3/$(basename "$1")-" "$work" "$2"
