#!/bin/sh
# Installs what is missing, builds with fault injection, runs all tests through
# CTest. Not 0 if one fails or none ran.
#
#   sh tests/run.sh [arguments for ctest]        as in: -L unit, -R promote
#
# GODWIT_TEST_BUILD  another build folder than build/test
# GODWIT_TEST_CMAKE  more arguments for cmake
set -eu
cd "$(dirname "$0")/.."

sh scripts/install-deps.sh -y --tests

build=${GODWIT_TEST_BUILD:-build/test}
[ -f "$build/build.ninja" ] || rm -f "$build/CMakeCache.txt"
# shellcheck disable=SC2086 # a list of words
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
  -DGODWIT_FAULTS=ON -DGODWIT_TESTS=ON ${GODWIT_TEST_CMAKE:-}
cmake --build "$build" -j "${GODWIT_TEST_JOBS:-2}"

# The tests configure every cluster themselves.
for name in $(env | sed -n \
  's/^\(ALGORITHMIA_[A-Z_]*\|SOURCE_ACCOUNT_API_KEY\|DEST_ACCOUNT_API_KEY\)=.*/\1/p'); do
  unset "$name"
done
unset GODWIT_TEST_CMAKE GODWIT_TEST_BUILD
report=$PWD/$build/tests.xml
rm -f "$report"
status=0
ctest --test-dir "$build" -j 2 --no-tests=error --output-on-failure \
  --timeout 300 --output-junit "$report" "$@" </dev/null || status=$?

count() {
  sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p; /<testcase/q" "$report" |
    head -n 1
}
if [ ! -s "$report" ]; then
  echo "No test ran." >&2
  exit 1
fi
ran=$(count tests) failed=$(count failures)
skipped=$(count skipped) disabled=$(count disabled)
skipped=$((${skipped:-0} + ${disabled:-0}))
echo "Test programs: ${ran:-0} in all, ${failed:-0} failed, $skipped skipped."
if [ "${ran:-0}" -le "$skipped" ]; then
  echo "No test ran." >&2
  exit 1
fi
exit "$status"
