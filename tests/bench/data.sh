#!/bin/sh
# Data collections, side by side, as ratios from one run: nginx to nginx with
# WebDAV on this machine, in memory, two workers, which share its cores with
# whoever asks them. The listings that a cluster would make lie there as files;
# like a cluster's, its files' ETag is their MD5.
#
#   godwit   godwit copy-data, from collection to collection, into nothing
#   engine   the streaming alone, without command, comparison and records
#   rclone   rclone's best way: from http to a folder. To WebDAV it waits 10 ms
#            between two requests.
#   cp       cp -r, from folder to folder
#
# small: COUNT files of 4 KB. rtt: the same with 20 ms added to a round trip, so
# many at a time; 1 would be in flight / (2 * RTT). large: 20 files of
# MEGABYTES. listed: what the program holds in memory while it compares LISTED
# entries (million.sh).
#
# Usage: tests/bench/data.sh [small|rtt|large|listed]...
# Environment: BUILD (a build folder with tests, default build), COUNT (10000),
# MEGABYTES (200), LISTED (1000000), ROUNDS (3; each way's median counts),
# TMPDIR (default /dev/shm), KEEP. Needs nginx, rclone, curl and GNU time.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
build=$(CDPATH='' cd -- "${BUILD:-$root/build}" && pwd)
godwit=$build/godwit
count=${COUNT:-10000} megabytes=${MEGABYTES:-200} listed=${LISTED:-1000000}
rounds=${ROUNDS:-3}
for program in "$godwit" "$build/godwit_luatest" "$build/godwit_badserver" \
  "$build/godwit_delay"; do
  [ -x "$program" ] || { echo "bench: no $program: build first" >&2; exit 2; }
done
nginx=$(command -v nginx || echo /usr/sbin/nginx)

work=$(mktemp -d "${TMPDIR:-/dev/shm}/godwit-bench.XXXXXX")
pids=
stop() {
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  for pid in $pids; do wait "$pid" 2>/dev/null || :; done
  pids=
}
cleanup() {
  stop
  rm -rf "$work"
}
[ -n "${KEEP:-}" ] || trap cleanup EXIT
trap 'exit 130' INT TERM

export XDG_STATE_HOME="$work/state" XDG_CACHE_HOME="$work/cache" \
  XDG_CONFIG_HOME="$work/config" HOME="$work" GODWIT_BUILD="$build" \
  GODWIT_SOURCE="$root" GODWIT_TEST_CPU_SECONDS=600
unset GODWIT_PATH http_proxy https_proxy 2>/dev/null || :

# --- the two servers --------------------------------------------------------
# What a cluster says is made of files: pages/COLLECTION/MARKER.json.
collection() { # ROOT EXTRA
  cat <<CONF
    root $1;
    default_type application/json;
    location ~ ^/v1/data/bench/([a-z]+)\$ {
      add_header X-Data-Type directory always;
      try_files /pages/\$1/page\$arg_marker.json =404;
      error_page 405 =200 @done;
    }
    location @done { return 200 '{}'; }
    location ~ ^/v1/data/bench\$ { return 200 '{"result":"data://bench/x"}'; }
    location /v1/data/bench/ {
      default_type application/octet-stream;
      etag off;
      add_header ETag \$etag;
      $2
    }
    location = /v1/data/ { return 200 '{"folders":[{"name":"bench"}]}'; }
CONF
}
block() { # BYTES: what is in every file of that size
  head -c "$1" /dev/zero
}
start_nginx() { # PORT PORT
  cat >"$work/nginx.conf" <<CONF
$([ "$(id -u)" != 0 ] || echo 'user root;')
worker_processes 2;
daemon off;
error_log $work/error.log;
pid $work/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  keepalive_requests 100000000;
  client_max_body_size 0;
  map \$uri \$etag {
    ~/large/ '"$(block $((megabytes * 1048576)) | md5sum | cut -c1-32)"';
    default '"$(block 4096 | md5sum | cut -c1-32)"';
  }
  client_body_temp_path $work/body;
  proxy_temp_path $work/proxy;
  fastcgi_temp_path $work/fastcgi;
  uwsgi_temp_path $work/uwsgi;
  scgi_temp_path $work/scgi;
  server {
    listen 127.0.0.1:$1;
$(collection "$work/from" 'autoindex on;')
  }
  server {
    listen 127.0.0.1:$2;
$(collection "$work/to" 'dav_methods PUT DELETE; create_full_put_path on;')
  }
}
CONF
  mkdir -p "$work/from/v1/data/bench" "$work/to/v1/data/bench" \
    "$work/from/pages" "$work/to/pages"
  "$nginx" -p "$work" -c "$work/nginx.conf" -e "$work/error.log" &
  pids="$pids $!"
  n=0
  until curl -s -o /dev/null "http://127.0.0.1:$1/v1/data/"; do
    n=$((n + 1))
    [ $n -lt 100 ] || { cat "$work/error.log" >&2; exit 1; }
    sleep 0.1
  done
}
free_port() { # asked of a server that is told any
  sleep 0.3 | "$build/godwit_badserver" --stdin | head -n 1
}
start_relay() { # PORT: prints the relay's
  "$build/godwit_delay" "$1" 10 3600 >"$work/relay.$1" &
  pids="$pids $!"
  until [ -s "$work/relay.$1" ]; do sleep 0.05; done
}
clusters() { # PORT PORT
  mkdir -p "$XDG_CONFIG_HOME/godwit"
  (
    umask 077
    echo simBENCH >"$work/key"
    echo 'return { clusters = {'
    for side in "from $1" "to $2"; do
      echo "[\"${side% *}\"] = { api = \"http://127.0.0.1:${side#* }\","
      echo "id = \"${side% *}\", user = \"bench\", key = file \"$work/key\" },"
    done
    echo '} }'
  ) >"$XDG_CONFIG_HOME/godwit/config.lua"
}

# --- what there is ----------------------------------------------------------
pages() { # SIDE COLLECTION: of a list with names and sizes, on stdin
  mkdir -p "$work/$1/pages/$2"
  awk -v dir="$work/$1/pages/$2" '
    function flush(more) {
      file = dir "/page" (page > 0 ? page : "") ".json"
      printf "{\"acl\":{\"read\":[]},\"files\":[%s]%s}\n", rows,
        more ? ",\"marker\":\"" (page + 1) "\"" : "" >file
      close(file)
      rows = ""; n = 0; page++
    }
    n == 1000 { flush(1) }
    {
      rows = rows (n++ ? "," : "") "{\"filename\":\"" $1 "\",\"size\":" $2 \
        ",\"last_modified\":\"2021-07-30T18:02:11.000Z\"}"
    }
    END { flush(0) }'
}
no_pages() { # COLLECTION: it is there, private and empty
  mkdir -p "$work/to/pages/$1"
  echo '{"acl":{"read":[]}}' >"$work/to/pages/$1/page.json"
}
seed() { # COLLECTION COUNT BYTES
  dir=$work/from/v1/data/bench/$1
  mkdir -p "$dir"
  block "$3" >"$work/block"
  seq -f "f%06.0f" "$2" | while read -r name; do cp "$work/block" "$dir/$name"; done
  seq -f "f%06.0f	$3" "$2" >"$work/$1.list"
  pages from "$1" <"$work/$1.list"
  no_pages "$1"
}

# --- the ways ---------------------------------------------------------------
way_godwit() { # COLLECTION
  "$godwit" copy-data "bench/$1" --from from --to to -y --quiet --no-input \
    >"$work/godwit.out" 2>&1 || { cat "$work/godwit.out" >&2; exit 1; }
}
way_engine() {
  FROM=http://127.0.0.1:$from/v1/data/bench/$1/ \
    TO=http://127.0.0.1:$to/v1/data/bench/$1/ LIST=$work/$1.list \
    "$build/godwit_luatest" "$here/data.lua" >"$work/engine.out" 2>&1 || {
    cat "$work/engine.out" >&2
    exit 1
  }
}
way_rclone() {
  mkdir -p "$work/local"
  rclone copy --config /dev/null --transfers "$transfers" --checkers 8 -q \
    --http-url "http://127.0.0.1:$from/v1/data/bench/$1/" --http-no-head \
    :http: "$work/local"
}
way_cp() {
  cp -r "$work/from/v1/data/bench/$1" "$work/local"
}

# Seconds and KiB of a way, into WAY.walls and WAY.memory.
measure() { # WAY COLLECTION COUNT
  rm -rf "$work/to/v1/data/bench/$2" "$work/local" "$XDG_STATE_HOME"
  # As a program of its own, so that its memory is seen.
  env WAY="$1" NAME="$2" BENCH_WORK="$work" BENCH_FROM="$from" \
    BENCH_TO="$to" BENCH_TRANSFERS="${transfers:-}" \
    /usr/bin/time -f '%e %M' -o "$work/time" "$here/data.sh" --way
  if [ "$1" = rclone ] || [ "$1" = cp ]; then
    there=$work/local
  else
    there=$work/to/v1/data/bench/$2
  fi
  [ "$(find "$there" -type f | wc -l)" = "$3" ] || {
    echo "bench: $1 did not copy $3 files" >&2
    exit 1
  }
  awk '{ print $1 }' "$work/time" >>"$work/$1.walls"
  awk '{ print $2 }' "$work/time" >>"$work/$1.memory"
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
compare() { # COLLECTION COUNT WAY...
  name=$1 n=$2
  shift 2
  rm -f "$work"/*.walls "$work"/*.memory
  for round in $(seq "$rounds"); do
    for way in "$@"; do measure "$way" "$name" "$n"; done
  done
  printf '%-11s %9s %9s %9s %8s\n' way wall_s files/s of-godwit RSS_MiB
  ours=$(median "$work/$1.walls")
  for way in "$@"; do
    median "$work/$way.walls" | awk -v way="$(echo "$way" | tr _ -)" \
      -v ours="$ours" -v n="$n" -v kib="$(median "$work/$way.memory")" \
      '{ printf "%-11s %9.2f %9.0f %9.2f %8.0f\n", way, $1, n / $1, ours / $1, kib / 1024 }'
  done
  echo
}

if [ "${1:-}" = --way ]; then # see measure
  trap - EXIT
  rmdir "$work"
  work=$BENCH_WORK from=$BENCH_FROM to=$BENCH_TO transfers=$BENCH_TRANSFERS
  export XDG_STATE_HOME="$work/state" XDG_CACHE_HOME="$work/cache" \
    XDG_CONFIG_HOME="$work/config" HOME="$work"
  "way_$WAY" "$NAME"
  exit
fi

bench_small() {
  seed small "$count" 4096
  transfers=32
  echo "small: $count files of 4 KB, median of $rounds"
  compare small "$count" godwit engine rclone cp
  rm -rf "$work/from/v1/data/bench/small"
}
bench_rtt() {
  seed rtt "$count" 4096
  start_relay "$from"
  start_relay "$to"
  echo "rtt: $count files of 4 KB, 20 ms a round trip; 1 is in flight / (2 * RTT)"
  printf '%-11s %9s %9s\n' in-flight files/s of-1
  for window in 32 64 128 256; do
    rm -f "$work/engine.rtt"
    for round in $(seq "$rounds"); do
      rm -rf "$work/to/v1/data/bench/rtt"
      FROM=http://127.0.0.1:$(cat "$work/relay.$from")/v1/data/bench/rtt/ \
        TO=http://127.0.0.1:$(cat "$work/relay.$to")/v1/data/bench/rtt/ \
        LIST=$work/rtt.list MAX=$window SAY=1 \
        "$build/godwit_luatest" "$here/data.lua" >"$work/engine.out" 2>&1 || {
        cat "$work/engine.out" >&2
        exit 1
      }
      awk '/^took/ { print $2 }' "$work/engine.out" >>"$work/engine.rtt"
    done
    median "$work/engine.rtt" | awk -v w="$window" -v n="$count" \
      '{ printf "%-11d %9.0f %9.2f\n", w, n / $1, n / $1 / (w / 0.04) }'
  done
  echo
}
bench_large() {
  seed large 20 $((megabytes * 1048576))
  transfers=4
  echo "large: 20 files of $megabytes MB, median of $rounds"
  compare large 20 godwit engine rclone cp
  rm -rf "$work/from/v1/data/bench/large" "$work/to/v1/data/bench/large"
}
bench_listed() {
  echo "listed: $listed entries on both sides, with --delete"
  BUILD=$build COUNT=$listed "$here/million.sh"
}

from=$(free_port)
to=$(free_port)
start_nginx "$from" "$to"
clusters "$from" "$to"
for part in ${*:-small rtt large listed}; do
  "bench_$part"
done
