#!/bin/sh
# Many algorithms with nothing to do, side by side, as ratios from one run:
#
#   godwit   godwit promote 'acme/*': documents and tips of both sides, one list
#   git      git ls-remote of both sides' repositories under xargs -P, in its
#            fastest form: one request each, the key in a header
#   git-url  the same as people write it: the key in the URL
#   script   the platform's documented way, one after the other: pull, cp -R,
#            add, commit, push, in clones that are kept; 20 of them, extrapolated
#
# git asks less than godwit: not whether settings were changed, a version is
# published, or an algorithm is new. All against the same two sandboxes on this
# machine, which hold each answer for DELAY milliseconds (default 50) and share
# its cores with whoever asks them.
#
# Usage: tests/bench/many.sh
# Environment: BUILD (folder with godwit, default build), DELAY, COUNT (1000),
# JOBS (16), ROUNDS (3; each way's median counts), KEEP. Needs git and curl.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
godwit=${BUILD:-$root/build}/godwit
delay=${DELAY:-50} count=${COUNT:-1000} jobs=${JOBS:-16} rounds=${ROUNDS:-3}
sample=20
[ -x "$godwit" ] || { echo "bench: no $godwit: build first" >&2; exit 2; }

work=$(mktemp -d "${TMPDIR:-/tmp}/godwit-bench.XXXXXX")
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
  XDG_CONFIG_HOME="$work/config" HOME="$work" GIT_CONFIG_NOSYSTEM=1 \
  GIT_AUTHOR_NAME=bench GIT_AUTHOR_EMAIL=bench@localhost \
  GIT_COMMITTER_NAME=bench GIT_COMMITTER_EMAIL=bench@localhost \
  GIT_TERMINAL_PROMPT=0
unset GODWIT_PATH http_proxy https_proxy 2>/dev/null || :
boxes=$XDG_STATE_HOME/godwit/sandboxes

field() { # FILE KEY: the first "KEY":"value" of a JSON file
  tr -d ' \n' <"$1" | grep -o "\"$2\":\"[^\"]*\"" | head -n 1 | cut -d'"' -f4
}
api() { field "$boxes/$1/sandbox.json" api; }
key() { # of acme
  tr -d ' \n' <"$boxes/$1/keys.json" |
    awk -v 'RS="key":"' '/"username":"acme"/ { sub(/".*/, ""); print; exit }'
}
start() { # MILLISECONDS NAME...
  seconds=$(echo "$1" | awk '{ print $1 / 1000 }')
  shift
  for name in "$@"; do
    rm -f "$boxes/$name/sandbox.json"
    "$godwit" sandbox --name "$name" --seed empty --build-seconds 0 \
      --delay "$seconds" >"$work/$name.out" 2>&1 &
    pids="$pids $!"
  done
  mkdir -p "$XDG_CONFIG_HOME/godwit"
  for name in "$@"; do
    n=0
    until [ -s "$boxes/$name/sandbox.json" ] &&
      curl -s -o /dev/null "$(api "$name")/v1/data/"; do
      n=$((n + 1))
      [ $n -lt 200 ] || { cat "$work/$name.out" >&2; exit 1; }
      sleep 0.1
    done
  done
  (
    umask 077
    echo 'return { clusters = {'
    for name in "$@"; do
      key "$name" >"$work/$name.key"
      echo "[\"$name\"] = { api = \"$(api "$name")\", id = \"$name\","
      echo "user = \"acme\", key = file \"$work/$name.key\" },"
    done
    echo '} }'
  ) >"$XDG_CONFIG_HOME/godwit/config.lua"
}
git_url() { # NAME ALGO: with the key in it, as the documented script does
  api "$1" | sed "s#://#://acme:$(key "$1" | sed 's#/#%2F#g; s#+#%2B#g')@#; s#\$#/git/acme/$2.git#"
}
environment() {
  curl -sS -H "Authorization: Simple $(key "$1")" "$(api "$1")/v1/algorithm-environments/edge/languages/python3/environments" |
    tr -d ' \n' | grep -o '"id":"[^"]*"' | head -n 1 | cut -d'"' -f4
}
create() { # NAME ALGO
  curl -sS --fail -o /dev/null -H "Authorization: Simple $(key "$1")" \
    -H 'Content-Type: application/json' "$(api "$1")/v1/algorithms/acme" \
    -d "{\"name\":\"$2\",\"details\":{\"label\":\"$2\"},\"settings\":{
      \"algorithm_environment\":\"$(environment "$1")\",\"license\":\"apl\",
      \"source_visibility\":\"closed\",\"network_access\":\"full\",
      \"pipeline_enabled\":true}}"
}

# --- what there is --------------------------------------------------------
# One algorithm of 30 files and 30 commits; its folder copied for the others,
# while nobody serves it.
seed() {
  create from A1
  git clone -q "$(git_url from A1)" "$work/edit" 2>/dev/null
  mkdir "$work/edit/data"
  for i in $(seq 30); do
    echo "file $i of the bench" >"$work/edit/data/f$i.txt"
    git -C "$work/edit" add -A
    git -C "$work/edit" commit -qm "Add file $i"
  done
  git -C "$work/edit" push -q >/dev/null 2>&1
  rm -rf "$work/edit"
  stop
  owner=$boxes/from/algorithms/acme
  id=$(field "$owner/A1/algorithm.json" id)
  for i in $(seq 2 "$count"); do
    cp -R "$owner/A1" "$owner/A$i"
    cp -R "$boxes/from/git/acme/A1.git" "$boxes/from/git/acme/A$i.git"
    sed -e "s/\"name\": *\"A1\"/\"name\": \"A$i\"/" \
      -e "s/$id/$(printf '%s-%012d' "${id%-*}" "$i")/" \
      "$owner/A1/algorithm.json" >"$owner/A$i/algorithm.json"
  done
}
seed_script() { # the script's own destination, promoted to once, by it
  for i in $(seq "$sample"); do
    create to-script "A$i"
    mkdir -p "$work/script/$i"
    (
      cd "$work/script/$i"
      git clone -q "$(git_url from "A$i")" source
      git clone -q "$(git_url to-script "A$i")" dest
      way_script_one
    ) >/dev/null 2>&1
  done
}
urls() { # FORM
  for name in from to; do
    case $1 in
    url) base=$(git_url "$name" A0) ;;
    header) base=$(api "$name")/git/acme/A0.git ;;
    esac
    for i in $(seq "$count"); do echo "${base%A0.git}A$i.git"; done
  done
}
header() { # NAME: as the configuration of git, for its addresses only
  printf 'http.%s/.extraHeader\n' "$(api "$1")"
  printf 'Authorization: Basic %s\n' \
    "$(printf 'acme:%s' "$(key "$1")" | base64 | tr -d '\n')"
}

# --- the ways ---------------------------------------------------------------
way_godwit() {
  "$godwit" promote 'acme/*' --from from --to to --publish no --no-call \
    --jobs "$jobs" -y --quiet >"$work/godwit.out" 2>&1 || {
    cat "$work/godwit.out" >&2
    exit 1
  }
  grep -q "^$count unchanged\.\$" "$work/godwit.out" || {
    tail -n 3 "$work/godwit.out" >&2
    exit 1
  }
}
way_git() {
  xargs -P "$jobs" -n 1 git -c protocol.version=0 \
    -c "$(header from | paste -sd=)" -c "$(header to | paste -sd=)" \
    ls-remote <"$work/urls-header" >"$work/git.out" || exit 1
  [ "$(grep -c 'refs/heads/master$' "$work/git.out")" = $((2 * count)) ]
}
way_git_url() {
  xargs -P "$jobs" -n 1 git ls-remote <"$work/urls-url" >"$work/git.out" ||
    exit 1
  [ "$(grep -c 'refs/heads/master$' "$work/git.out")" = $((2 * count)) ]
}
way_script_one() { # in a folder with both clones
  (cd source && git pull -q)
  cp -R source/* dest/
  cd dest
  git add --all
  git commit -qm "new version" >/dev/null || :
  git push -q >/dev/null 2>&1
}
way_script() {
  for i in $(seq "$sample"); do
    (cd "$work/script/$i" && way_script_one)
  done
}

now() { date +%s.%N; }
wall() { # WAY
  begin=$(now)
  (way_"$1")
  end=$(now)
  echo "$begin $end" | awk '{ printf "%.3f", $2 - $1 }'
}
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

start 0 from to to-script
seed
start 0 from to to-script
seed_script
"$godwit" promote 'acme/*' --from from --to to --publish no --no-call -y \
  --quiet >"$work/first.out" 2>&1 || { tail "$work/first.out" >&2; exit 1; }
# Both forms are remotes of the same repositories at the new addresses.
stop
start "$delay" from to to-script
for i in $(seq "$sample"); do
  git -C "$work/script/$i/source" remote set-url origin "$(git_url from "A$i")"
  git -C "$work/script/$i/dest" remote set-url origin \
    "$(git_url to-script "A$i")"
done
urls url >"$work/urls-url"
urls header >"$work/urls-header"
(way_godwit) # from here on there is nothing to do

for round in $(seq "$rounds"); do
  for way in godwit git git_url script; do
    wall $way >>"$work/$way.walls"
    echo >>"$work/$way.walls"
  done
done

printf '%s algorithms with nothing to do, %s ms added to each request, %s at a time,\n' \
  "$count" "$delay" "$jobs"
printf 'median of %s rounds. ratio: wall of that way / wall of godwit.\n' "$rounds"
printf '%-8s %9s %9s\n' way wall_s ratio
ours=$(median "$work/godwit.walls")
for way in godwit git git_url script; do
  factor=1 note=
  [ $way != script ] || {
    factor=$(echo "$count $sample" | awk '{ print $1 / $2 }')
    note="(from $sample, times $factor)"
  }
  median "$work/$way.walls" | awk -v way="$(echo $way | tr _ -)" \
    -v ours="$ours" -v f="$factor" -v note="$note" \
    '{ printf "%-8s %9.2f %9.2f %s\n", way, $1 * f, $1 * f / ours, note }'
done
