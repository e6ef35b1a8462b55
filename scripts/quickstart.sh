#!/bin/sh
# Shows a promotion from one cluster to another, both on this machine; no
# account is needed. Says first what it will install.
#
#   sh scripts/quickstart.sh [-y] [--keep]
#
# -y      does not ask before installing Debian's packages
# --keep  leaves both clusters running, to go on by yourself
set -eu

yes= keep=
for arg; do
  case $arg in
    -y) yes=-y ;;
    --keep) keep=1 ;;
    -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "quickstart.sh: unknown argument $arg (see --help)" >&2; exit 2 ;;
  esac
done

cd "$(dirname "$0")/.."
top=$PWD
godwit=$top/build/godwit

say() { printf '\n== %s\n' "$*"; }
show() { printf '\n$ %s\n' "$*"; }

say "Packages"
# shellcheck disable=SC2086 # -y or nothing
sh scripts/install-deps.sh $yes

say "Building into build/"
if [ ! -f build/build.ninja ]; then
  rm -f build/CMakeCache.txt # of a configuration that failed
  cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DGODWIT_TESTS=OFF >/dev/null
fi
cmake --build build -j "$(nproc 2>/dev/null || echo 2)" --target godwit \
  >build/quickstart.log 2>&1 || { cat build/quickstart.log >&2; exit 1; }
"$godwit" version

state= pids= finished=
cleanup() {
  status=$?
  trap - EXIT INT TERM
  if [ -z "$finished" ] || [ -z "$keep" ]; then
    for pid in $pids; do
      kill "$pid" 2>/dev/null || true
    done
    for pid in $pids; do
      wait "$pid" 2>/dev/null || true
    done
    cd "$top" # out of what is removed
    [ -z "$state" ] || rm -rf "$state"
  fi
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Everything of this show is in one folder; nothing of yours is read or written.
state=$(mktemp -d "${TMPDIR:-/tmp}/godwit-quickstart-XXXXXX")
for name in $(env | sed -n 's/^\(GODWIT_[A-Z_]*\|ALGORITHMIA_[A-Z_]*\)=.*/\1/p')
do
  unset "$name"
done
export GODWIT_STATE_DIR="$state/state" XDG_CONFIG_HOME="$state/config" \
  XDG_CACHE_HOME="$state/cache"
mkdir "$state/work"
cd "$state/work"

# start NAME SEED: a cluster in the background, ready when it says so.
start() {
  : >"$state/$1.log"
  "$godwit" sandbox --name "$1" --seed "$2" --build-seconds 2 \
    >"$state/$1.log" 2>&1 </dev/null &
  pid=$! pids="$pids $!"
  tries=0
  until grep -q " is ready at " "$state/$1.log"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ] || ! kill -0 "$pid" 2>/dev/null; then
      echo "quickstart.sh: the cluster $1 did not start:" >&2
      cat "$state/$1.log" >&2
      exit 1
    fi
    sleep 0.1
  done
  cat "$state/$1.log"
}

say "Two clusters: dev with algorithms in it, prod nearly empty"
start dev demo-dev
start prod demo-prod

run() {
  line=godwit
  for word; do
    case $word in *[*]*) word="'$word'" ;; esac # as it has to be typed
    line="$line $word"
  done
  show "$line"
  "$godwit" "$@"
}

say "What is there"
run ls sandbox:dev acme
run ls sandbox:prod acme

say "First the plan: the same code, nothing is written"
run promote acme/FraudScore --from sandbox:dev --to sandbox:prod -n

say "The promotion: create, build, call, publish"
run promote acme/FraudScore --from sandbox:dev --to sandbox:prod

say "Which version is which"
run version-map acme/FraudScore

say "A change at the source, with plain git"
# The key goes to git through a helper, never through an address or a command
# line; git's own configuration is left alone.
cat >"$state/askpass" <<'ASKPASS'
#!/bin/sh
case $1 in
  Username*) echo acme ;;
  *) tr -d ' \n' <"$GODWIT_STATE_DIR/sandboxes/dev/keys.json" |
    sed 's/},{/}\n{/g' | grep '"kind":"standard"' |
    grep '"username":"acme"' | sed 's/.*"key":"\([^"]*\)".*/\1/' | head -n 1 ;;
esac
ASKPASS
chmod 700 "$state/askpass"
dev_api=$(sed -n 's/.* is ready at //p' "$state/dev.log")
quiet_git() {
  GIT_ASKPASS="$state/askpass" GIT_TERMINAL_PROMPT=0 \
    GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git \
    -c user.name="Alice Example" -c user.email=alice@example.com "$@"
}
show "git clone $dev_api/git/acme/FraudScore.git"
quiet_git clone -q "$dev_api/git/acme/FraudScore.git" FraudScore
printf '\nScores are kept for a day.\n' >>FraudScore/README.md
show "git commit -am 'Say how long scores are kept' && git push"
quiet_git -C FraudScore commit -q -am "Say how long scores are kept"
quiet_git -C FraudScore push -q origin HEAD

say "Promoted again: one commit, one build, one version"
run promote acme/FraudScore --from sandbox:dev --to sandbox:prod

say "A third time there is nothing to do"
run promote acme/FraudScore --from sandbox:dev --to sandbox:prod
run version-map acme/FraudScore

say "The data of its owner: straight from one cluster to the other"
run copy-data 'acme/*' --from sandbox:dev --to sandbox:prod

say "Both places agree"
run verify acme/FraudScore --only algorithms,data --owner acme \
  --from sandbox:dev --to sandbox:prod

finished=1
say "Done. To go on by yourself"
if [ -n "$keep" ]; then
  cat <<EOF2
Both clusters are running. Paste:

  cd $top
  export GODWIT_STATE_DIR=$state/state XDG_CACHE_HOME=$state/cache
  build/godwit ls sandbox:dev alice
  build/godwit promote alice/Hello --from sandbox:dev --to sandbox:prod -n
  build/godwit promote alice/Hello --from sandbox:dev --to sandbox:prod
  build/godwit version-map alice/Hello
  build/godwit migrate-cluster --only users,data --from sandbox:dev --to sandbox:prod -n
  build/godwit verify alice/Hello --from sandbox:dev --to sandbox:prod
  build/godwit help

To end and remove them:

  kill$pids
  rm -r $state
EOF2
else
  cat <<EOF2
Both clusters of this show are stopped and removed. Paste:

  cd $top
  build/godwit sandbox --name dev --seed demo-dev &
  build/godwit sandbox --name prod --seed demo-prod &
  for name in dev prod; do
    until build/godwit ls sandbox:\$name >/dev/null 2>&1; do sleep 1; done
  done
  build/godwit ls sandbox:dev acme
  build/godwit promote acme/FraudScore --from sandbox:dev --to sandbox:prod
  build/godwit version-map acme/FraudScore
  build/godwit verify acme/FraudScore --from sandbox:dev --to sandbox:prod
  build/godwit help

They stop with: kill %1 %2
What they hold stays in ~/.local/state/godwit/sandboxes for the next start.
(or give this script --keep, and it leaves both clusters running)
EOF2
fi
