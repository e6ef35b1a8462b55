#!/bin/sh
# The memory of copy-data over collections of a million files, from two servers
# that make up their pages:
#
#   differ   every file has another size there, 50 are to be deleted; planned
#   same     every file is known to be the same; compared in earnest, and one
#            deletion too many is refused
#
# Prints seconds and the peak of resident memory; fails above 64 MiB.
#
# Usage: tests/bench/million.sh
# Environment: BUILD (folder with godwit and godwit_luatest, default build),
# COUNT (1000000), LIMIT (64, in MiB).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
build=$(CDPATH='' cd -- "${BUILD:-$root/build}" && pwd)
count=${COUNT:-1000000} limit=${LIMIT:-64}
[ -x "$build/godwit" ] && [ -x "$build/godwit_luatest" ] ||
  { echo "bench: no godwit and godwit_luatest in $build: build first" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/godwit-bench.XXXXXX")
pids=
stop() {
  : >"$work/stop"
  for pid in $pids; do wait "$pid" 2>/dev/null || :; done
  pids=
  rm -f "$work/stop"
}
trap 'stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export HOME="$work" XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config" \
  GODWIT_BUILD="$build" GODWIT_SOURCE="$root" KEY=simBench
unset GODWIT_PATH http_proxy https_proxy 2>/dev/null || :
mkdir -p "$work/config/godwit" "$work/state/godwit"

start() { # NAME SIZE EXTRA
  rm -f "$work/$1.port"
  COUNT=$count SIZE=$2 EXTRA=$3 PORT_FILE="$work/$1.port" \
    STOP_FILE="$work/stop" "$build/godwit_luatest" "$here/pages.lua" \
    >"$work/$1.log" 2>&1 &
  pids="$pids $!"
  while [ ! -s "$work/$1.port" ]; do sleep 0.1; done
}
configure() {
  {
    echo 'return { clusters = {'
    for name in dev prod; do
      echo "$name = { api = \"http://127.0.0.1:$(cat "$work/$name.port")\"," \
        "id = \"$name\", key = env \"KEY\" },"
    done
    echo '} }'
  } >"$work/config/godwit/config.lua"
  chmod 600 "$work/config/godwit/config.lua"
}

failed=0
measure() { # NAME EXIT WORDS...
  name=$1 want=$2
  shift 2
  began=$(date +%s)
  "$build/godwit" copy-data acme/many --from dev --to prod --delete -q "$@" \
    >"$work/$name.out" 2>&1 &
  pid=$! peak=0 code=0
  while kill -0 "$pid" 2>/dev/null; do
    now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" \
      2>/dev/null || :)
    [ -z "$now" ] || peak=$now
    sleep 0.1
  done
  wait "$pid" || code=$?
  mib=$((peak / 1024))
  printf '%-8s %3d s  %3d MiB  %s\n' "$name" $(($(date +%s) - began)) "$mib" \
    "$(grep '^Files:' "$work/$name.out" || :)"
  if [ "$code" -ne "$want" ]; then
    echo "bench: exit $code, expected $want" >&2
    cut -c1-300 "$work/$name.out" >&2
    failed=1
  elif [ "$mib" -ge "$limit" ]; then
    echo "bench: $mib MiB are not below $limit" >&2
    failed=1
  fi
}

start dev 10 0
start prod 11 50
configure
measure differ 0 -n
stop
start dev 10 0
start prod 10 1
configure
COUNT=$count SIZE=10 IDS="dev prod" LEDGER="$XDG_STATE_HOME/godwit/digests.db" \
  "$build/godwit_luatest" "$here/pages.lua" >/dev/null 2>&1
measure same 6 --max-delete 0
exit $failed
