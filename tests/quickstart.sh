#!/bin/bash
# What quickstart.sh prints to go on with must work when it is pasted, with
# --keep and without, and no key may be in what it prints.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d "${TMPDIR:-/tmp}/godwit-quickstart-test-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"
export HOME=$work/home TMPDIR=$work
unset XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME

fail() {
  echo "FAILED: $1" >&2
  [ ! -f "$work/out" ] || tail -n 40 "$work/out" >&2
  [ ! -f "$work/pasted" ] || tail -n 40 "$work/pasted" >&2
  exit 1
}

# The indented lines behind "Paste:".
commands() {
  sed -n '/Paste:$/,$s/^  //p' "$work/out"
}

for mode in "" --keep; do
  echo "-- quickstart.sh -y $mode"
  # shellcheck disable=SC2086 # a word or none
  sh scripts/quickstart.sh -y $mode >"$work/out" 2>&1 </dev/null ||
    fail "quickstart.sh -y $mode"
  ! grep -q 'sim[0-9A-Za-z/+]\{25\}' "$work/out" || fail "it prints a key"
  for words in "created  *acme/FraudScore" "updated  *acme/FraudScore" \
    "unchanged  *acme/FraudScore" "published as" "Nothing to install" \
    "created  *acme/models" "algorithm: 1 equal" "collection: 3 equal"; do
    grep -q "$words" "$work/out" || fail "it does not say '$words'"
  done
  commands >"$work/paste"
  [ "$(wc -l <"$work/paste")" -ge 5 ] || fail "it prints no commands"
  { cat "$work/paste"; echo 'kill $(jobs -p) 2>/dev/null || true; wait'; } \
    >"$work/script"
  bash -eu "$work/script" >"$work/pasted" 2>&1 </dev/null ||
    fail "the commands to go on with"
  ! grep -q 'sim[0-9A-Za-z/+]\{25\}' "$work/pasted" || fail "a key is printed"
  left=$(find "$work" -maxdepth 1 -name 'godwit-quickstart-??????' | wc -l)
  [ "$left" = 0 ] || fail "it leaves its folder behind"
done
echo "quickstart.sh: passed"
