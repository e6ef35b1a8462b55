#!/bin/sh
# Promotion of one algorithm, side by side, as ratios from one run:
#
#   script   the platform's documented way: clone both, cp -R, add, commit, push
#   cache    git alone on objects: a kept bare repository, commit-tree, push
#   godwit   godwit promote --publish no --no-call
#
# All three against the same sandboxes, which hold each answer for DELAY
# milliseconds (default 50). Three cases: first promotion, repeat after one
# changed file, repeat with nothing new. Three sizes: small (30 files),
# medium (2,000 files, 50 MB), big (20,000 commits).
#
# Usage: tests/bench/promote.sh [small|medium|big]...
# Environment: BUILD (folder with godwit, default build), DELAY.
# Needs git, curl, nginx, openssl. Prints wall seconds, requests, bytes up and down,
# and how many times faster godwit was.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
godwit=${BUILD:-$root/build}/godwit
delay=${DELAY:-50}
sizes=${*:-small medium big}
[ -x "$godwit" ] || { echo "bench: no $godwit: build first" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/godwit-bench.XXXXXX")
pids=
cleanup() {
  for pid in $pids; do kill "$pid" 2>/dev/null || :; done
  wait 2>/dev/null || :
  rm -rf "$work"
}
[ -n "${KEEP:-}" ] || trap cleanup EXIT
trap 'exit 130' INT TERM

export XDG_STATE_HOME="$work/state" XDG_CACHE_HOME="$work/cache" \
  XDG_CONFIG_HOME="$work/config" HOME="$work" GIT_CONFIG_NOSYSTEM=1 \
  GIT_AUTHOR_NAME=bench GIT_AUTHOR_EMAIL=bench@localhost \
  GIT_COMMITTER_NAME=bench GIT_COMMITTER_EMAIL=bench@localhost \
  GIT_TERMINAL_PROMPT=0
unset GODWIT_PATH http_proxy https_proxy 2>/dev/null || :

# Each sandbox stands behind an nginx of ours that does nothing but count.
start_sandbox() { # NAME
  "$godwit" sandbox --name "$1" --seed empty --build-seconds 0 \
    --delay "$(echo "$delay" | awk '{ print $1 / 1000 }')" \
    >"$work/$1.out" 2>&1 &
  pids="$pids $!"
  n=0
  info=$XDG_STATE_HOME/godwit/sandboxes/$1/sandbox.json
  until [ -s "$info" ] && curl -s -o /dev/null "$(field "$info" api)/v1/data/"; do
    n=$((n + 1))
    [ $n -lt 100 ] || { cat "$work/$1.out" >&2; exit 1; }
    sleep 0.1
  done
}
free_port() { # below the ports that the kernel gives to outgoing connections
  port=${port:-$((18000 + $$ % 12000))}
  while :; do
    port=$((port + 1))
    curl -s -o /dev/null --max-time 1 "http://127.0.0.1:$port/" || break
  done
}
start_counters() {
  {
    echo "daemon off; pid $work/nginx.pid; error_log $work/nginx.err;"
    [ "$(id -u)" != 0 ] || echo 'user root;'
    echo 'events {} http { access_log off; client_max_body_size 0;'
    echo 'log_format counts "$request_method $uri $status $request_length $bytes_sent";'
    for dir in client_body proxy fastcgi uwsgi scgi; do
      echo "${dir}_temp_path $work/nginx-$dir;"
    done
    for name in "$@"; do
      free_port
      echo "$port" >"$work/$name.port"
      echo "upstream $name { server $(field \
        "$XDG_STATE_HOME/godwit/sandboxes/$name/sandbox.json" api |
        sed 's#.*//##'); keepalive 32; }"
      echo "server { listen 127.0.0.1:$port; access_log $work/$name.log counts;"
      echo "keepalive_requests 100000; location / { proxy_pass http://$name;"
      echo 'proxy_http_version 1.1; proxy_set_header Connection "";'
      echo 'proxy_set_header Host $http_host; proxy_request_buffering off;'
      echo 'proxy_buffering off; proxy_read_timeout 600; } }'
    done
    echo '}'
  } >"$work/nginx.conf"
  nginx -c "$work/nginx.conf" -p "$work" 2>"$work/nginx.out" &
  pids="$pids $!"
  for name in "$@"; do
    n=0
    until curl -s -o /dev/null "$(api "$name")/v1/data/"; do
      n=$((n + 1))
      [ $n -lt 50 ] || { cat "$work"/nginx.* >&2; exit 1; }
      sleep 0.1
    done
  done
}
field() { # FILE KEY: the first "KEY":"value" of a JSON file
  tr -d ' \n' <"$1" | grep -o "\"$2\":\"[^\"]*\"" | head -n 1 | cut -d'"' -f4
}
api() { echo "http://127.0.0.1:$(cat "$work/$1.port")"; }
key() { # of acme
  tr -d ' \n' <"$XDG_STATE_HOME/godwit/sandboxes/$1/keys.json" |
    awk -v 'RS="key":"' '/"username":"acme"/ { sub(/".*/, ""); print; exit }'
}
configure() {
  mkdir -p "$XDG_CONFIG_HOME/godwit"
  (
    umask 077
    echo 'return { clusters = {'
    for name in "$@"; do
      key "$name" >"$work/$name.key"
      echo "[\"$name\"] = { api = \"$(api "$name")\", user = \"acme\","
      echo "key = file \"$work/$name.key\" },"
    done
    echo '} }'
  ) >"$XDG_CONFIG_HOME/godwit/config.lua"
}
git_url() { # NAME ALGO: with the key in it, as the documented script does
  api "$1" | sed "s#://#://acme:$(key "$1" | sed 's#/#%2F#g; s#+#%2B#g')@#; s#\$#/git/acme/$2.git#"
}

create() { # NAME ALGO
  curl -sS --fail -o /dev/null -H "Authorization: Simple $(key "$1")" \
    -H 'Content-Type: application/json' "$(api "$1")/v1/algorithms/acme" \
    -d "{\"name\":\"$2\",\"details\":{\"label\":\"$2\"},\"settings\":{
      \"algorithm_environment\":\"$(env_id "$1")\",\"license\":\"apl\",
      \"source_visibility\":\"closed\",\"network_access\":\"full\",
      \"pipeline_enabled\":true}}"
}
env_id() {
  curl -sS -H "Authorization: Simple $(key "$1")" "$(api "$1")/v1/algorithm-environments/edge/languages/python3/environments" |
    tr -d ' \n' | grep -o '"id":"[^"]*"' | head -n 1 | cut -d'"' -f4
}

noise() { # SEED BYTES: the same incompressible bytes each time
  openssl enc -aes-128-ctr -nosalt -K "$(printf %032d "$1")" \
    -iv 00000000000000000000000000000000 </dev/zero 2>/dev/null | head -c "$2"
}

fill() { # SIZE DIR: files and history on top of what the clone has
  cd "$2"
  mkdir -p data
  case $1 in
  small)
    for i in $(seq 30); do noise "$i" 1500 | openssl base64 >"data/f$i.txt"; done
    git add -A && git commit -qm "Add files"
    for i in $(seq 30); do
      echo "$i" >>src/notes.txt
      git add -A && git commit -qm "Change $i"
    done ;;
  medium)
    noise 7 52428800 | split -a 4 -b 26214 - data/f
    git add -A && git commit -qm "Add files"
    for i in $(seq 60); do
      echo "$i" >>src/notes.txt
      git add -A && git commit -qm "Change $i"
    done ;;
  big)
    for i in $(seq 200); do noise "$i" 5000 | openssl base64 >"data/f$i.txt"; done
    git add -A && git commit -qm "Add files"
    awk 'BEGIN {
      for (i = 1; i <= 20000; i++) {
        print "commit refs/heads/master"
        print "committer bench <bench@localhost> " 1600000000 + i " +0000"
        m = "Change " i
        print "data " length(m); print m
        if (i == 1) print "from refs/heads/master^0"
        b = "state " i " " i * 7919 % 100003 "\n"
        print "M 100644 inline data/f" i % 200 + 1 ".txt"
        print "data " length(b); printf "%s\n", b
      }
      print "done"
    }' | git fast-import --quiet --done --force
    git reset -q --hard master ;;
  esac
}

# --- the three ways; each is given SIZE and a destination of its own --------
way_script() { # as documented, but for the key's form in the URL
  if [ ! -d "$work/script-$1" ]; then
    mkdir "$work/script-$1"
    cd "$work/script-$1"
    create to-script "$1"
    git clone -q "$(git_url from "$1")" source
    git clone -q "$(git_url to-script "$1")" dest
  else
    cd "$work/script-$1/source"
    git pull -q
  fi
  cd "$work/script-$1"
  cp -R source/* dest/
  cd dest
  git add --all
  git commit -qm "new version of $1" >/dev/null || :
  git push -q >/dev/null 2>&1
}
way_cache() {
  repo=$work/cache-$1.git
  if [ ! -d "$repo" ]; then
    create to-cache "$1"
    git init -q --bare "$repo"
  fi
  cd "$repo"
  git fetch -q "$(git_url to-cache "$1")" +master:refs/dest &
  git fetch -q "$(git_url from "$1")" +master:refs/source
  wait $!
  tree=$(git rev-parse 'refs/source^{tree}')
  [ "$tree" != "$(git rev-parse 'refs/dest^{tree}')" ] || return 0
  new=$(git commit-tree -p refs/dest -m "new version of $1" "$tree")
  git push -q "$(git_url to-cache "$1")" "$new:refs/heads/master" >/dev/null 2>&1
  git update-ref refs/dest "$new"
}
way_godwit() {
  "$godwit" promote "acme/$1" --from from --to to-godwit \
    --publish no --no-call -y --quiet >"$work/godwit.out" 2>&1 || {
    cat "$work/godwit.out" >&2
    exit 1
  }
}

lines() { wc -l <"$work/$1.log"; }
sums() { # NAME LINES: requests, bytes up, bytes down since that line
  tail -n "+$(($2 + 1))" "$work/$1.log" |
    awk '{ n++; u += $(NF - 1); d += $NF } END { print n + 0, u + 0, d + 0 }'
}
now() { date +%s.%N; }

measure() { # SIZE CASE
  godwit_wall=
  for way in godwit cache script; do
    touch "$work/from.log" "$work/to-$way.log"
    f=$(lines from) t=$(lines "to-$way")
    begin=$(now)
    (way_$way "$1")
    end=$(now)
    sleep 0.2 # the last log lines
    wall=$(echo "$begin $end" | awk '{ printf "%.3f", $2 - $1 }')
    [ $way != godwit ] || godwit_wall=$wall
    (sums from "$f"; sums "to-$way" "$t") |
      awk -v size="$1" -v case="$2" -v way=$way -v wall="$wall" -v ours="$godwit_wall" '
        { n += $1; u += $2; d += $3 }
        END { printf "%-7s %-8s %-7s %8.3f %5d %10d %10d %7.2f\n",
                     size, case, way, wall, n, u, d, wall / ours }'
  done
}

set_of="from to-script to-cache to-godwit"
for name in $set_of; do start_sandbox $name; done
start_counters $set_of
configure $set_of
printf '%s ms are added to each request. ratio: wall of that way / wall of godwit.\n' "$delay"
printf '%-7s %-8s %-7s %8s %5s %10s %10s %7s\n' \
  size case way wall_s reqs bytes_up bytes_down ratio
for size in $sizes; do
  create from "$size"
  git clone -q "$(git_url from "$size")" "$work/edit-$size" 2>/dev/null
  (fill "$size" "$work/edit-$size")
  (cd "$work/edit-$size" && git push -q >/dev/null 2>&1)
  measure "$size" first
  (cd "$work/edit-$size" && echo changed >src/notes.txt && git add -A &&
    git commit -qm "One change" && git push -q >/dev/null 2>&1)
  measure "$size" change
  measure "$size" nothing
done
